//! Decisions from beside a run: another process answers a question, and the run
//! that waits hears of it.
//!
//! The journal is where both meet. The run looks whether its file was written by
//! somebody else, twice a second of real time; whoever answers appends one event
//! and needs no lock. Neither knows the other.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::approvals::{Answer, Asking};
use super::journal::{Event, Journal, Kind as EventKind, Run, Stored};
use super::narrate::What;
use super::process;
use super::session::Session;
use super::sqlite::Beside;
use crate::base::{Failure, Kind, Result, Timestamp};

/// How often a run that waits looks whether there is an answer.
const LOOK: Duration = Duration::from_millis(500);

/// What a run heard while it waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An answer.
    Answer(Answer),
    /// Nothing until the question's deadline.
    TooLate,
}

/// Waits until somebody beside the run answers, or the deadline is over. It is
/// real time that passes here, also against a lab: people answer.
///
/// # Errors
/// The journal can't be read.
pub(super) async fn heard(session: &Session, asking: &Asking) -> Result<Heard> {
    let mut news = None;
    let mut passed_over = 0;
    loop {
        let now = session.journal().pulse()?;
        if news != Some(now) {
            news = Some(now);
            for stored in session.journal().decisions(Some(session.journal().run()))? {
                let body = &stored.event.body;
                let ours = stored.event.kind == EventKind::Approval && body["of"] == asking.id.as_str();
                if !ours || stored.number <= passed_over {
                    continue;
                }
                let answer = Answer::of(body);
                if !own_answer(&json!({"by_other": asking.by_other, "who": process::who()}), &answer) {
                    return Ok(Heard::Answer(answer));
                }
                passed_over = stored.number;
                session.note(What::Warned {
                    text: format!("the answer of {} does not count: {}", answer.who(), asking.question.whole()),
                    hint: "somebody else than who runs has to answer it".into(),
                });
            }
        }
        if asking.until.is_some_and(|until| Timestamp::now() >= until) {
            return Ok(Heard::TooLate);
        }
        let left = asking.until.map_or(LOOK, |until| until.duration_since(Timestamp::now()).unsigned_abs().min(LOOK));
        tokio::time::sleep(left).await;
    }
}

/// Whether an answer doesn't count because who runs gave it to themselves.
pub(super) fn own_answer(asked: &Value, answer: &Answer) -> bool {
    let runs = &asked["who"];
    let same = runs["user"] == answer.by.as_str() && runs["host"] == answer.host.as_str();
    asked["by_other"] == true && answer.granted && (same || answer.how == "command line")
}

/// A question that nobody has answered yet.
#[derive(Clone, Debug, Serialize)]
pub struct Open {
    /// By which it is answered.
    pub id: String,
    /// The run that asks.
    pub run: String,
    /// Its script.
    pub script: String,
    /// Its state: `running`, or how its last process ended.
    pub state: String,
    /// What is about to happen.
    pub text: String,
    /// What it is about, in a few words.
    pub shown: String,
    /// Since when, by the system's clock.
    pub since: Timestamp,
    /// When nobody waits any longer, by the system's clock.
    pub until: Option<Timestamp>,
    /// Who runs.
    pub user: String,
    /// On which machine.
    pub host: String,
    /// Line of the script.
    pub line: String,
    /// Whether somebody else than who runs must answer.
    pub by_other: bool,
    /// What an answer is bound to.
    pub binding: String,
}

/// Every question that is open, the oldest first: of runs that wait, and of runs
/// that ended because nobody could be asked, for when they go on.
///
/// # Errors
/// The journal can't be read.
pub fn open(journal: &dyn Journal, now: Timestamp) -> Result<Vec<Open>> {
    Ok(open_of(&journal.runs()?, &journal.decisions(None)?, now))
}

fn open_of(runs: &[Run], decisions: &[Stored], now: Timestamp) -> Vec<Open> {
    let mut open: Vec<Open> = Vec::new();
    for stored in decisions {
        let body = &stored.event.body;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match stored.event.kind {
            EventKind::Asked => {
                let Some(run) = runs.iter().find(|r| r.id == stored.run).filter(|r| r.state != "ended") else {
                    continue;
                };
                let binding = text(&body["binding"]);
                // Asked again by the process that went on.
                open.retain(|o| o.run != stored.run || o.binding != binding);
                open.push(Open {
                    id: text(&body["id"]),
                    run: run.id.clone(),
                    script: run.script.clone(),
                    state: run.state.clone(),
                    text: stored.event.target.clone(),
                    shown: text(&body["shown"]),
                    // A lab has a time of its own; who answers lives by the system's.
                    since: body["who"]["clock"].as_str().and_then(|t| t.parse().ok()).unwrap_or(stored.event.time),
                    until: body["until"].as_str().and_then(|t| t.parse().ok()),
                    user: text(&body["who"]["user"]),
                    host: text(&body["who"]["host"]),
                    line: text(&body["line"]),
                    by_other: body["by_other"] == true,
                    binding,
                });
            }
            EventKind::Approval => {
                let answer = Answer::of(body);
                let of = text(&body["of"]);
                open.retain(|o| {
                    let asked = json!({"by_other": o.by_other, "who": {"user": o.user, "host": o.host}});
                    o.run != stored.run || o.id != of || own_answer(&asked, &answer)
                });
            }
            EventKind::Cancelled => open.retain(|o| o.run != stored.run),
            _ => {}
        }
    }
    open.retain(|o| o.until.is_none_or(|until| now < until));
    open
}

/// Answers an open question beside its run.
///
/// # Errors
/// `approval`: somebody else has to answer. `conflict`: somebody was first. The
/// journal can't be written.
pub fn answer(journal: &Beside, open: &Open, granted: bool, because: &str) -> Result<Answer> {
    let mut answer = Answer::here(granted, &process::user(), "stagepost approve");
    answer.host = process::host();
    answer.because = because.trim().to_owned();
    let asked = json!({"by_other": open.by_other, "who": {"user": open.user, "host": open.host}});
    if own_answer(&asked, &answer) {
        return Err(Failure::new(
            Kind::Approval,
            format!("somebody else than {}, who runs it, has to approve: {}", answer.who(), open.text),
        )
        .hint("let another person answer, or refuse it with --deny"));
    }
    let event = Event {
        kind: EventKind::Approval,
        time: Timestamp::now(),
        operation: "approve".into(),
        target: open.text.clone(),
        body: json!({
            "of": open.id,
            "binding": open.binding,
            "granted": answer.granted,
            "by": answer.by,
            "host": answer.host,
            "how": answer.how,
            "because": answer.because,
            "who": process::who(),
        }),
    };
    journal.decide(&open.run, &event, &mut |decisions| {
        let earlier = decisions
            .iter()
            .rev()
            .find(|d| d.event.kind == EventKind::Approval && d.event.body["of"] == open.id.as_str());
        match earlier.map(|d| Answer::of(&d.event.body)).filter(|first| !own_answer(&asked, first)) {
            None => Ok(()),
            Some(first) => {
                let word = if first.granted { "approved" } else { "refused" };
                Err(Failure::new(Kind::Conflict, format!("{} was first and {word} it: {}", first.who(), open.text))
                    .hint("`stagepost approve` lists what is still open"))
            }
        }
    })?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(number: u64, kind: EventKind, target: &str, body: Value) -> Stored {
        let event =
            Event { kind, time: Timestamp::UNIX_EPOCH, operation: "approve".into(), target: target.into(), body };
        Stored { number, run: "r1".into(), event, hash: String::new() }
    }

    fn asked(number: u64, id: &str, binding: &str, more: Value) -> Stored {
        let mut body = json!({"id": id, "binding": binding, "who": {"user": "ann", "host": "pc7"}});
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key.as_str()] = value.clone();
        }
        stored(number, EventKind::Asked, "Start?", body)
    }

    fn ids(runs: &str, decisions: &[Stored]) -> Vec<String> {
        let run = Run { id: "r1".into(), state: runs.into(), ..Run::default() };
        open_of(&[run], decisions, Timestamp::UNIX_EPOCH).into_iter().map(|o| o.id).collect()
    }

    #[test]
    fn a_question_is_open_until_it_is_answered_asked_again_or_over() {
        let first = asked(1, "a", "x", Value::Null);
        assert_eq!(ids("running", std::slice::from_ref(&first)), ["a"]);
        assert_eq!(ids("approval", std::slice::from_ref(&first)), ["a"], "an answer counts when the run goes on");
        assert!(ids("ended", std::slice::from_ref(&first)).is_empty());
        let again = [first.clone(), asked(2, "b", "x", Value::Null)];
        assert_eq!(ids("running", &again), ["b"]);
        let late = asked(2, "b", "y", json!({"until": "1970-01-01T00:00:00Z"}));
        assert_eq!(ids("running", &[first.clone(), late]), ["a"]);
        let yes =
            stored(2, EventKind::Approval, "Start?", json!({"of": "a", "granted": true, "by": "bob", "host": "pc7"}));
        assert!(ids("running", &[first.clone(), yes]).is_empty());
        assert!(ids("running", &[first, stored(2, EventKind::Cancelled, "", Value::Null)]).is_empty());
    }

    #[test]
    fn an_own_answer_leaves_a_question_open_that_another_must_answer() {
        let first = asked(1, "a", "x", json!({"by_other": true}));
        let answer = |by: &str, host: &str, granted: bool| {
            stored(2, EventKind::Approval, "Start?", json!({"of": "a", "granted": granted, "by": by, "host": host}))
        };
        assert_eq!(ids("running", &[first.clone(), answer("ann", "pc7", true)]), ["a"]);
        assert!(ids("running", &[first.clone(), answer("ann", "pc7", false)]).is_empty(), "anybody may say no");
        assert!(ids("running", &[first.clone(), answer("bob", "pc7", true)]).is_empty());
        assert!(ids("running", &[first, answer("ann", "pc8", true)]).is_empty());
    }
}
