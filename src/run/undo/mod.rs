//! Undo: what a run changed is taken back, newest first, as a run of its own.
//!
//! It compares only what we changed. What somebody else has changed since is left
//! alone and listed with the difference; what others added stays. Licences,
//! mailboxes, users and domains are never removed.
//!
//! One order holds for everything, and loses no mail (docs/undo.md has the table
//! it follows): batches that still copy are stopped, the names lead back, people
//! come home with what arrived meanwhile, and only then go batches and endpoint.
//! An undo that was broken off is run again: it asks the world first.

mod assess;
mod inverse;
mod made;
mod names;
mod people;
mod raw;
mod service;

use std::sync::Arc;

use serde::Serialize;

pub use self::assess::{assess, run_named};
use self::names::Back;
use self::people::Person;
use self::raw::Raw;
use self::service::{Endpoint, Kinds};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::run::approvals::approve;
use crate::run::domains::one;
use crate::run::gate::{self, Outcome};
use crate::run::journal::Run;
use crate::run::narrate::What;
use crate::run::recipients::until;
use crate::run::removal::{RemoveBatch, StopBatch};
use crate::run::report::plural;
use crate::run::session::Session;

/// What becomes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is taken back.
    TakenBack,
    /// It is back already.
    Already,
    /// It stays by rule, and nobody lacks anything by it.
    Stays,
    /// It has to stay, for a reason of its own.
    Left,
}

/// One change and what becomes of it.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Number of the run's change in the journal.
    pub number: u64,
    /// `convert_to_mail_user`, `set_mx`, …
    pub operation: String,
    /// The object.
    pub target: String,
    /// What becomes of it.
    pub fate: Fate,
    /// How, or why not.
    pub text: String,
    /// The difference that stands in the way, or more about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Until when it can be taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Messages that arrived in the cloud mailbox since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
}

/// What an undo would do, found out without writing.
pub struct Undertaking {
    /// The run.
    pub run: Run,
    /// Which part of it, in words; empty for the whole.
    pub part: String,
    /// Every change that is meant, the newest first.
    pub lines: Vec<Line>,
    /// What it will wait for, in order.
    pub waits: Vec<String>,
    /// Messages that arrived in cloud mailboxes since.
    pub messages: u64,
    /// Cloud mailboxes that hold them.
    pub holders: usize,
    work: Work,
}

/// What is to be written, in its order.
#[derive(Default)]
struct Work {
    raw_newer: Vec<Raw>,
    stops: Vec<String>,
    names: Vec<Back>,
    people: Vec<Person>,
    kinds: Kinds,
    kinds_alone: Kinds,
    batches: Vec<String>,
    endpoints: Vec<Endpoint>,
    raw_older: Vec<Raw>,
}

/// How an undo ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Objects that were written.
    pub changed: usize,
    /// Messages that were carried home.
    pub carried: u64,
    /// Changes that had to stay for reasons of their own.
    pub left: usize,
}

impl Undertaking {
    /// Whether there is something to write.
    pub fn is_due(&self) -> bool {
        let Work { raw_newer, stops, names, people, kinds: _, kinds_alone, batches, endpoints, raw_older } = &self.work;
        !(raw_newer.is_empty() && raw_older.is_empty() && stops.is_empty() && names.is_empty())
            || !(people.is_empty() && kinds_alone.rows.is_empty() && batches.is_empty() && endpoints.is_empty())
    }

    /// How many changes have this fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.lines.iter().filter(|l| l.fate == fate).count()
    }

    /// The messages that arrived since, as the approval names them; none if there
    /// are none.
    pub fn arrived(&self) -> Option<String> {
        (self.messages > 0).then(|| number_of_messages(self.messages))
    }

    /// What is asked before anything is written.
    pub fn question(&self) -> String {
        let mut parts = Vec::new();
        let people = self.work.people.len();
        if people > 0 {
            parts.push(format!(
                "{} on premises again, and Outlook needs the old profile",
                plural(people, "mailbox opens", "mailboxes open")
            ));
        }
        let mut domains: Vec<String> = self.work.names.iter().filter(|n| n.is_mail()).map(Back::domain).collect();
        domains.sort();
        if !domains.is_empty() {
            parts.push(format!("mail of {} goes to the old server again", domains.join(", ")));
        }
        parts.push(match self.arrived() {
            Some(count) if people > 0 => format!(
                "{count} in {} that arrived since are carried home",
                plural(self.holders, "cloud mailbox", "cloud mailboxes")
            ),
            _ if people > 0 => "no message has arrived in the cloud since".to_owned(),
            _ => plural(self.count(Fate::TakenBack), "change is taken back", "changes are taken back"),
        });
        let of = if self.part.is_empty() { String::new() } else { format!("{} of ", self.part) };
        format!("Undo {of}run {}: {}. Take it back?", self.run.id, parts.join("; "))
    }
}

fn number_of_messages(count: u64) -> String {
    plural(usize::try_from(count).unwrap_or(usize::MAX), "message", "messages")
}

/// Asks, then takes everything back that the undertaking lists as such.
///
/// # Errors
/// `approval`; those of the gate and the clients. What was taken back stays so,
/// and the same undo goes on where it ended.
pub async fn carry_out(session: &Arc<Session>, undertaking: Undertaking) -> Result<Ended> {
    let mut ended = Ended { left: undertaking.count(Fate::Left), ..Ended::default() };
    if !undertaking.is_due() {
        return Ok(ended);
    }
    approve(session, &undertaking.question()).await?;
    let Work { raw_newer, stops, names, people, kinds, kinds_alone, batches, endpoints, raw_older } = undertaking.work;
    for raw in &raw_newer {
        ended.take(session, gate::pass(session, raw, None).await?)?;
    }
    for name in &stops {
        let step = session.step("undo::stop", name);
        // A row that goes on copying would be forwarded once more.
        one(gate::pass(session, &StopBatch(name), None).await?)?;
        step.end("stopped");
    }
    if !names.is_empty() {
        let step = session.step("undo::zone", plural(names.len(), "record set", "record sets"));
        ended.take(session, names::bring(session, &names).await?)?;
        step.end("as they were");
    }
    if !people.is_empty() {
        let kinds = (!kinds.rows.is_empty()).then_some(&kinds as &dyn gate::Change);
        let (outcomes, carried) = people::bring(session, &people, kinds).await?;
        ended.carried += carried;
        ended.take(session, outcomes)?;
    }
    if !kinds_alone.rows.is_empty() {
        ended.take(session, gate::pass(session, &kinds_alone, None).await?)?;
    }
    for name in &batches {
        ended.take(session, remove(session, name).await?)?;
    }
    for endpoint in &endpoints {
        ended.take(session, gate::pass(session, endpoint, None).await?)?;
    }
    for raw in &raw_older {
        ended.take(session, gate::pass(session, raw, None).await?)?;
    }
    Ok(ended)
}

impl Ended {
    /// Counts outcomes. Who was left alone is told; anything else ends the undo.
    fn take(&mut self, session: &Session, outcomes: Vec<Outcome>) -> Result<()> {
        for outcome in outcomes {
            self.changed += usize::from(outcome.changed);
            let Err(failure) = outcome.result else { continue };
            if !matches!(failure.kind, Kind::Conflict | Kind::NotFound | Kind::Refused | Kind::Validation) {
                return Err(failure);
            }
            self.left += 1;
            let text = match &failure.detail {
                Some(detail) if !detail.is_empty() => format!("{}: {detail}", failure.message),
                _ => failure.message.clone(),
            };
            session.note(What::Warned { text, hint: failure.hint.unwrap_or_default() });
        }
        Ok(())
    }
}

/// Removes a batch on whom nobody hangs, and waits until it is gone.
async fn remove(session: &Arc<Session>, name: &str) -> Result<Vec<Outcome>> {
    let step = session.step("undo::batch", name);
    let outcomes = gate::pass(session, &RemoveBatch(name), None).await?;
    if outcomes.iter().all(|o| o.result.is_ok()) {
        let (pause, patience) = (jiff::SignedDuration::from_mins(5), jiff::SignedDuration::from_hours(6));
        let gone = until(session, pause, patience, || async {
            Ok(crate::run::batches::status_of(session, name).await?.is_none())
        })
        .await?;
        if !gone {
            return Err(Failure::new(
                Kind::Timeout,
                format!("the batch {name} is still being removed after six hours"),
            )
            .during("exchange", "Remove-MigrationBatch")
            .on(name)
            .hint("look at it in the admin centre; undo again later"));
        }
    }
    step.end("removed");
    Ok(outcomes)
}
