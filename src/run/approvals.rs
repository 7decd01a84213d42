//! Approvals: a person says yes before something happens that people notice.
//!
//! An approval is bound to the script, to the plan if there is one, to the text
//! and to the value shown; who asks anew with any of them changed is answered
//! anew. The question stands in the journal before anybody is asked, the answer
//! before the run goes on. So a run that goes on in another process knows what
//! was granted, and `stagepost approve` can answer beside it.
//!
//! Who is asked is a part of the session ([`Approver`]); where nobody can be asked
//! the run ends with exit code 5.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub use super::approvers::{Beforehand, Person, Rehearsed, working_day_later};
use super::decided::{self, Heard};
use super::journal::{Kind as EventKind, Stored};
use super::narrate::What;
use super::process;
use super::session::Session;
use crate::base::plant::{self, Plant};
use crate::base::{Cancel, Failure, Kind, Result, Timestamp};
use crate::wire::guid::hex;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// What is about to happen, and what people will notice.
    pub text: String,
    /// What it is about, in the form a journal keeps; nothing for a text alone.
    pub value: Value,
    /// The same in a few words.
    pub shown: String,
    /// Hours after which nobody waits any longer; the project's if not said.
    pub timeout_hours: Option<f64>,
    /// Whether somebody else than who runs must answer; the project's if not said.
    pub by_other: Option<bool>,
}

impl Question {
    /// A text alone.
    pub fn of(text: &str) -> Question {
        Question { text: text.into(), ..Question::default() }
    }

    /// The text with what it is about, as people are shown it.
    pub fn whole(&self) -> String {
        if self.shown.is_empty() { self.text.clone() } else { format!("{} [{}]", self.text, self.shown) }
    }
}

/// A question while it is asked.
#[derive(Clone, Debug)]
pub struct Asking {
    /// The question.
    pub question: Question,
    /// By which it is answered from elsewhere.
    pub id: String,
    /// What an answer is bound to, as a hash.
    pub binding: String,
    /// When nobody waits any longer.
    pub until: Option<Timestamp>,
    /// Whether somebody else than who runs must answer.
    pub by_other: bool,
}

/// An answer and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Yes or no.
    pub granted: bool,
    /// A user, `rehearsal`, `--approve`.
    pub by: String,
    /// The machine; empty where it says nothing.
    pub host: String,
    /// `terminal`, `rehearsal`, `command line`, `stagepost approve`.
    pub how: String,
    /// What was said beside yes or no.
    pub because: String,
    /// Whether the journal has it already: it came from beside the run.
    pub recorded: bool,
}

impl Answer {
    /// Of whoever works here.
    pub fn here(granted: bool, by: &str, how: &str) -> Answer {
        let host = if how == "terminal" { process::host() } else { String::new() };
        Answer { granted, by: by.into(), host, how: how.into(), because: String::new(), recorded: false }
    }

    /// `ann on pc7`.
    pub fn who(&self) -> String {
        if self.host.is_empty() { self.by.clone() } else { format!("{} on {}", self.by, self.host) }
    }

    /// The answer that an event holds.
    pub(super) fn of(event: &Value) -> Answer {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        Answer {
            granted: event["granted"].as_bool().unwrap_or(false),
            by: text("by"),
            host: text("host"),
            how: text("how"),
            because: text("because"),
            recorded: true,
        }
    }
}

/// Somebody who can be asked.
#[async_trait]
pub trait Approver: Send + Sync {
    /// Asks. `None`: nobody can be asked. Once `withdrawn` is set the question is
    /// answered elsewhere, and nobody looks at an answer any more.
    ///
    /// # Errors
    /// The waiting failed.
    async fn ask(&self, session: &Session, asking: &Asking, withdrawn: &Cancel) -> Result<Option<Answer>>;

    /// Has somebody type a text, and says how it came. `None`: nobody can be asked.
    ///
    /// # Errors
    /// The waiting failed.
    async fn typed(&self, _session: &Session, _prompt: &str) -> Result<Option<(String, &'static str)>> {
        Ok(None)
    }

    /// Whether somebody beside the run may answer. A rehearsal hears nobody.
    fn hears_others(&self) -> bool {
        true
    }

    /// Whether a run that can ask nobody here waits for an answer from elsewhere.
    fn waits(&self, _asking: &Asking) -> bool {
        false
    }
}

/// What a session remembers of approvals.
#[derive(Default)]
pub struct Approvals {
    /// Granted in earlier processes of the run, by binding; read once.
    granted: Option<BTreeMap<String, (Answer, Timestamp)>>,
    /// How often a question was asked in this process.
    asked: BTreeMap<String, u64>,
}

/// Asks for an approval of a text alone.
///
/// # Errors
/// As [`ask`].
pub async fn approve(session: &Session, text: &str) -> Result<()> {
    ask(session, Question::of(text)).await
}

/// Asks for an approval and records question and answer. What was granted in an
/// earlier process of the same run isn't asked again. A plan lists the question
/// instead, and goes on as if it were granted.
///
/// # Errors
/// `approval`: refused, not answered in time, or nobody can be asked. The journal
/// can't be written.
pub async fn ask(session: &Session, question: Question) -> Result<()> {
    if session.takes_for_granted(&question.whole()) {
        return Ok(());
    }
    let asking = asking(session, question)?;
    let text = asking.question.whole();
    if let Some((answer, when)) = granted_before(session, &asking.binding)? {
        session.note(What::Asked { text: text.clone() });
        let by = format!("{} on {}", answer.who(), when.strftime("%Y-%m-%d %H:%M"));
        session.note(What::Answered { text, granted: true, by });
        return Ok(());
    }
    record_question(session, &asking)?;
    session.note(What::Asked { text: text.clone() });
    let answer = answered(session, &asking).await?;
    if !answer.recorded {
        session.record(
            EventKind::Approval,
            "approve",
            &asking.question.text,
            json!({
                "of": asking.id,
                "binding": asking.binding,
                "granted": answer.granted,
                "by": answer.by,
                "host": answer.host,
                "how": answer.how,
                "because": answer.because,
            }),
        )?;
    }
    session.note(What::Answered { text: text.clone(), granted: answer.granted, by: answer.who() });
    if answer.granted || plant::is(Plant::RefusalUnheard) {
        return Ok(());
    }
    let mut failure = Failure::new(Kind::Approval, format!("refused by {}: {text}", answer.who()))
        .hint("nothing was written after this point; run again when the answer is yes");
    if !answer.because.is_empty() {
        failure = failure.detail(format!("because: {}", answer.because));
    }
    Err(failure)
}

/// What is asked here and now: its binding, its number among equal questions of
/// the process, its deadline.
fn asking(session: &Session, question: Question) -> Result<Asking> {
    let place = session.place().unwrap_or_default();
    let plan = match session.contract() {
        Some(plan) => hash(&[&serde_json::to_string(plan).map_err(|e| Failure::internal(e.to_string()))?]),
        None => String::new(),
    };
    let value = if question.value.is_null() { String::new() } else { hash(&[&question.value.to_string()]) };
    let equal = hash(&[session.script(), &plan, &question.text, &value, &place]);
    let nth = {
        let mut memory = session.memory();
        let nth = memory.approvals.asked.entry(equal.clone()).or_default();
        *nth += 1;
        *nth
    };
    let binding = hash(&[&equal, &nth.to_string()]);
    let now = session.now();
    let id = hash(&[&binding, &now.to_string(), session.journal().run()]).chars().take(8).collect();
    let settings = &session.project().approvals;
    let until = question.timeout_hours.or(settings.timeout_hours).and_then(|hours| {
        // People live in real time, whatever the time of a lab is; a rehearsal doesn't.
        let from = if session.approver().hears_others() { Timestamp::now() } else { now };
        from.checked_add(SignedDuration::try_from_secs_f64(hours * 3600.0).ok()?).ok()
    });
    let by_other = question.by_other.unwrap_or(settings.by_other);
    Ok(Asking { question, id, binding, until, by_other })
}

fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

/// The hash of a text, for what approvals are bound to.
pub fn hash_of(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// The answer that an earlier process of the run was given, and when.
fn granted_before(session: &Session, binding: &str) -> Result<Option<(Answer, Timestamp)>> {
    if let Some(granted) = &session.memory().approvals.granted {
        return Ok(granted.get(binding).cloned());
    }
    let events = session.journal().decisions(Some(session.journal().run()))?;
    let granted = granted_of(&events);
    let found = granted.get(binding).cloned();
    session.memory().approvals.granted = Some(granted);
    Ok(found)
}

/// The last answers by binding, as far as they were yes and count.
fn granted_of(events: &[Stored]) -> BTreeMap<String, (Answer, Timestamp)> {
    let mut granted = BTreeMap::new();
    let mut asked: BTreeMap<String, &Value> = BTreeMap::new();
    for stored in events {
        let body = &stored.event.body;
        let of = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        match stored.event.kind {
            EventKind::Asked => {
                asked.insert(of("id"), body);
            }
            EventKind::Approval => {
                let answer = Answer::of(body);
                let question = asked.get(&of("of")).copied();
                if question.is_some_and(|q| decided::own_answer(q, &answer)) {
                    continue;
                }
                match answer.granted {
                    true => granted.insert(of("binding"), (answer, stored.event.time)),
                    false => granted.remove(&of("binding")),
                };
            }
            _ => {}
        }
    }
    granted
}

/// Puts the question into the journal, before anybody is asked.
fn record_question(session: &Session, asking: &Asking) -> Result<()> {
    session.record(
        EventKind::Asked,
        "approve",
        &asking.question.text,
        json!({
            "id": asking.id,
            "binding": asking.binding,
            "script": session.script(),
            "value": asking.question.value,
            "shown": asking.question.shown,
            "line": session.place(),
            "by_other": asking.by_other,
            "until": asking.until.map(|t| t.to_string()),
            "who": process::who(),
        }),
    )
}

/// Whose answer comes first: of who is asked here, or from beside the run.
async fn answered(session: &Session, asking: &Asking) -> Result<Answer> {
    let approver = session.approver();
    let withdrawn = Cancel::new();
    let here = approver.ask(session, asking, &withdrawn);
    let heard = if approver.hears_others() {
        tokio::pin!(here);
        let elsewhere = decided::heard(session, asking);
        tokio::pin!(elsewhere);
        let first = tokio::select! {
            biased;
            answer = &mut here => Err(answer?),
            heard = &mut elsewhere => Ok(heard?),
        };
        match first {
            Ok(heard) => {
                withdrawn.cancel();
                heard
            }
            Err(Some(answer)) => return Ok(answer),
            Err(None) if approver.waits(asking) => {
                session.note(What::Question {
                    id: asking.id.clone(),
                    text: asking.question.whole(),
                    by_other: asking.by_other,
                    until: asking.until,
                });
                elsewhere.await?
            }
            Err(None) => return Err(nobody(asking)),
        }
    } else {
        match here.await? {
            Some(answer) => return Ok(answer),
            None => match asking.until.filter(|until| session.now() >= *until) {
                Some(_) => Heard::TooLate,
                None => return Err(nobody(asking)),
            },
        }
    };
    match heard {
        Heard::Answer(answer) => Ok(answer),
        Heard::TooLate => Err(too_late(asking)),
    }
}

fn nobody(asking: &Asking) -> Failure {
    let text = asking.question.whole();
    if asking.by_other {
        return Failure::new(Kind::Approval, format!("somebody else than {} has to approve: {text}", process::user()))
            .hint("run with --wait-for-approval, and let them answer with `stagepost approve`; by_other asks for it");
    }
    Failure::new(Kind::Approval, format!("nobody can be asked: {text}")).hint(
        "run at a terminal, answer beforehand with --approve and a part of the text, or run with --wait-for-approval \
         and answer with `stagepost approve`",
    )
}

fn too_late(asking: &Asking) -> Failure {
    let until = asking.until.map(|t| t.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default();
    Failure::new(Kind::Approval, format!("nobody answered until {until}: {}", asking.question.whole()))
        .hint("nothing was written after this point; run again when somebody can answer, or allow more timeout_hours")
}

#[cfg(test)]
#[path = "approvals_tests.rs"]
mod tests;
