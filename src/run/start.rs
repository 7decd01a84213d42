//! Step 7: the start of a batch, the point of no return for mail.
//!
//! The whole image of every mailbox of the wave goes into the journal first: the
//! service overwrites TargetAddress itself, so nothing else remembers it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::batches::{Batch, status_of};
use super::consequences;
use super::domains::one;
use super::fenced;
use super::gate::{self, Change, Observed, Repeat, Verdict, WayBack};
use super::guards::{self, Force};
use super::journal::Kind as EventKind;
use super::recipients;
use super::report::plural;
use super::session::Session;
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result};
use crate::migration::fences::Touch;
use crate::migration::list::Mailboxes;
use crate::wire::attributes::address_key;
use crate::wire::invoke::Param;

struct StartBatch<'a> {
    batch: &'a Batch,
    /// The failed rows once more, which a watch has seen.
    again: bool,
    /// Whether the guard may be passed.
    force: &'a Force,
    /// The guard was asked; the read-back doesn't ask it again.
    asked: AtomicBool,
}

impl StartBatch<'_> {
    /// A start that is due, unless the guard holds it back.
    async fn due(&self, session: &Session) -> Result<Verdict> {
        if !self.asked.swap(true, Ordering::Relaxed) {
            let name = self.batch.name();
            if let Some(objection) = guards::before_start(session, name, self.batch.mailboxes()).await?
                && let Err(refusal) = guards::pass(session, self.force, &[objection])
            {
                return if refusal.kind == Kind::Conflict { Ok(Verdict::Refused(refusal)) } else { Err(refusal) };
            }
        }
        Ok(Verdict::Differs(json!({"status": "Syncing"})))
    }
}

#[async_trait]
impl Change for StartBatch<'_> {
    fn operation(&self) -> &'static str {
        "start"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
    fn way_back(&self) -> WayBack {
        WayBack::Compensable("release the rows: forwarding is taken back, what came meanwhile is carried home")
    }
    fn targets(&self) -> Vec<String> {
        vec![self.batch.name().to_owned()]
    }
    fn settles_within(&self) -> i64 {
        300
    }
    async fn touches(&self, session: &Session, _: &Observed) -> Result<Vec<Touch>> {
        fenced::forwarded(session, &self.batch.mailboxes().addresses()).await
    }
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let name = self.batch.name();
        let status = status_of(session, name).await?.ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("there is no batch {name}"))
                .during("exchange", "Start-MigrationBatch")
                .on(name)
                .hint("make it first: batch(name, mailboxes)")
        })?;
        let verdict = match status.to_ascii_lowercase().as_str() {
            "created" | "stopped" => self.due(session).await?,
            // Only for rows that a watch of this run has seen failed: a script
            // that runs again must not start anew what ended long ago.
            "failed" | "syncedwitherrors" if self.again || plant::is(Plant::ReleasesForgotten) => {
                self.due(session).await?
            }
            "stopping" | "removing" | "corrupted" => Verdict::Refused(
                Failure::new(Kind::Conflict, format!("batch {name} can't be started while it is {status}"))
                    .during("exchange", "Start-MigrationBatch")
                    .on(name)
                    .hint("wait until it has ended, then start again"),
            ),
            _ => Verdict::Same,
        };
        Ok(vec![Observed { target: name.into(), before: json!({"status": status}), verdict }])
    }
    async fn predict(&self, session: &Session, _: &[Observed]) -> Result<()> {
        consequences::started(session, self.batch.name()).await
    }
    async fn apply(&self, session: &Session, _: &Observed) -> Result<()> {
        let params = vec![("Identity".into(), Param::from(self.batch.name()))];
        if plant::is(Plant::StartedTwice) {
            session.services().exchange.invoke("Start-MigrationBatch", params.clone()).await?;
        }
        session.services().exchange.invoke("Start-MigrationBatch", params).await.map(|_| ())
    }
}

/// Starts a batch, or starts it again for its failed rows. Before the first
/// start the whole image of every mailbox goes into the journal.
///
/// # Errors
/// Those of the gate; `conflict` while the batch can't be started, or while the
/// guard `start-before-licences` objects.
pub async fn start(session: &Arc<Session>, batch: &Batch, force: &Force) -> Result<bool> {
    if batch.is_finished() {
        return Ok(false);
    }
    let again = !batch.state().failed.is_empty();
    let subject = if again {
        format!("{} again ({})", batch.name(), plural(batch.failed().len(), "failed mailbox", "failed mailboxes"))
    } else {
        format!("{} ({})", batch.name(), plural(batch.mailboxes().len(), "mailbox", "mailboxes"))
    };
    let step = session.step("start", subject);
    if a_release_began(session, batch) {
        // The service would start every failed row of the batch and forward
        // again whom a release has given back.
        step.end("not started again: mailboxes of it were given back");
        return Ok(false);
    }
    if again && is_known(session, batch.name()) {
        step.end("started again already, before the run was broken off");
        return Ok(false);
    }
    // A plan touches nobody.
    if !again && session.planning().is_none() {
        keep_images(session, batch.mailboxes()).await?;
        settle(session, batch.name()).await?;
    }
    let outcome =
        one(gate::pass(session, &StartBatch { batch, again, force, asked: AtomicBool::new(false) }, None).await?)?;
    if again {
        *session.memory().restarts.entry(batch.name().to_lowercase()).or_default() += 1;
    }
    step.end(if outcome.changed { "new mail goes to the cloud from now on" } else { "was started already" });
    Ok(outcome.changed)
}

/// Whether the journal knows of a start of the failed rows that this run has not
/// come to yet: an earlier one was broken off after it, and it counts for this one.
fn is_known(session: &Session, name: &str) -> bool {
    let mut memory = session.memory();
    let name = name.to_lowercase();
    let done = memory.past.restarts.get(&name).map_or(0, |known| known.0);
    let own = memory.restarts.entry(name).or_default();
    let known = *own < done;
    *own += u64::from(known);
    known
}

/// A run that was broken off between a start of failed rows and its outcome: a batch
/// that is at work again was started.
async fn settle(session: &Session, name: &str) -> Result<()> {
    if !session.memory().past.restarts.get(&name.to_lowercase()).is_some_and(|known| known.1) {
        return Ok(());
    }
    let Some(status) = status_of(session, name).await? else { return Ok(()) };
    let at_work = ["starting", "syncing"].contains(&status.to_ascii_lowercase().as_str());
    let state = if at_work { "applied" } else { "not_applied" };
    let body = json!({"state": state, "after": {"status": status}, "failure": null});
    session.record(EventKind::Outcome, "start", name, body)
}

fn a_release_began(session: &Session, batch: &Batch) -> bool {
    if plant::is(Plant::ReleasesForgotten) {
        return false;
    }
    let memory = session.memory();
    batch
        .mailboxes()
        .iter()
        .any(|row| memory.past.releasing.contains(&row.key()) && memory.past.is_own(batch.name(), row.address()))
}

/// Both sides' whole images of people, into the journal, once.
///
/// # Errors
/// Those of the directories; the journal can't be written.
pub async fn keep_images(session: &Session, mailboxes: &Mailboxes) -> Result<()> {
    let fresh: Vec<String> = {
        let memory = session.memory();
        mailboxes.addresses().iter().map(|a| address_key(a)).filter(|a| !memory.past.baselines.contains(a)).collect()
    };
    if fresh.is_empty() {
        return Ok(());
    }
    let entries = recipients::some(session, &fresh, &["*"]).await?;
    let cloud = recipients::users(session, &fresh).await?;
    let images = fresh
        .into_iter()
        .zip(cloud)
        .map(|(address, user)| {
            let directory = entries.get(&address).map_or(Value::Null, recipients::image);
            let user = user.map_or(Value::Null, |u| {
                json!({"id": u.facts.id, "upn": u.facts.upn, "proxies": u.facts.proxies, "licences": u.licences, "usageLocation": u.facts.usage_location})
            });
            let image = json!({"directory": directory, "cloud": user});
            (address, image)
        })
        .collect();
    gate::keep_baselines(session, "start", images)
}
