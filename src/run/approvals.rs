//! Approvals: a person says yes before something happens that people notice.
//!
//! Who is asked is a part of the session: a rehearsal answers itself after a
//! lab working day, a run asks at the terminal or is told beforehand, and where
//! nobody can be asked the run ends with exit code 5.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::journal::Kind as EventKind;
use super::narrate::What;
use super::session::Session;
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result};

/// An answer and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Yes or no.
    pub granted: bool,
    /// A user name, `rehearsal`, `--approve`.
    pub by: String,
}

/// Somebody who can be asked.
#[async_trait]
pub trait Approver: Send + Sync {
    /// Asks. `None`: nobody can be asked.
    ///
    /// # Errors
    /// The waiting failed.
    async fn ask(&self, session: &Session, text: &str) -> Result<Option<Answer>>;
}

/// Asks for an approval and records the answer. A plan lists it instead, and goes
/// on as if it were granted.
///
/// # Errors
/// `approval`: refused, or nobody can be asked.
pub async fn approve(session: &Session, text: &str) -> Result<()> {
    if session.takes_for_granted(text) {
        return Ok(());
    }
    session.note(What::Asked { text: text.into() });
    let Some(answer) = session.approver().ask(session, text).await? else {
        return Err(Failure::new(Kind::Approval, format!("nobody can be asked: {text}"))
            .hint("run at a terminal, or answer beforehand with --approve and a part of the text"));
    };
    session.record(EventKind::Approval, "approve", text, json!({"granted": answer.granted, "by": answer.by}))?;
    session.note(What::Answered { text: text.into(), granted: answer.granted, by: answer.by.clone() });
    if answer.granted || plant::is(Plant::RefusalUnheard) {
        return Ok(());
    }
    Err(Failure::new(Kind::Approval, format!("refused by {}: {text}", answer.by))
        .hint("nothing was written after this point; run again when the answer is yes"))
}

/// Answers after a working day of the lab; refuses what it was told to.
pub struct Rehearsed {
    /// Approvals whose text holds one of these are refused.
    pub deny: Vec<String>,
}

#[async_trait]
impl Approver for Rehearsed {
    async fn ask(&self, session: &Session, text: &str) -> Result<Option<Answer>> {
        let until = working_day_later(session.now());
        session.note(What::Waiting { reason: "the approval".into(), until });
        session.clock().sleep_until(until).await?;
        let lower = text.to_lowercase();
        let refused = self.deny.iter().any(|d| lower.contains(&d.to_lowercase()));
        Ok(Some(Answer { granted: !refused, by: "rehearsal".into() }))
    }
}

/// The same time on the next working day (Monday to Friday, UTC), within
/// office hours: what falls before 08:00 comes at 08:00, what falls after 17:00
/// at 08:00 of the working day after.
pub fn working_day_later(now: Timestamp) -> Timestamp {
    let zoned = now.to_zoned(TimeZone::UTC);
    let mut day = zoned.date();
    let mut time = zoned.time();
    let next_working = |mut day: jiff::civil::Date| {
        loop {
            day = day.tomorrow().unwrap_or(day);
            if !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
                return day;
            }
        }
    };
    day = next_working(day);
    let opening = jiff::civil::time(8, 0, 0, 0);
    if time < opening {
        time = opening;
    } else if time > jiff::civil::time(17, 0, 0, 0) {
        day = next_working(day);
        time = opening;
    }
    day.to_datetime(time)
        .to_zoned(TimeZone::UTC)
        .map(|z| z.timestamp())
        .unwrap_or_else(|_| now.checked_add(SignedDuration::from_hours(24)).unwrap_or(now))
}

/// Answers what was said on the command line, and asks whoever sits at the
/// terminal for the rest.
pub struct Beforehand {
    /// Parts of texts that are granted.
    pub approve: Vec<String>,
    /// Parts of texts that are refused; stronger than the others.
    pub deny: Vec<String>,
    /// Asks a person; `None` where there is none.
    pub person: Option<Person>,
}

/// Asks at a terminal and blocks until there is an answer; `None` if nobody
/// can be asked.
pub type Person = Arc<dyn Fn(&str) -> Option<bool> + Send + Sync>;

#[async_trait]
impl Approver for Beforehand {
    async fn ask(&self, session: &Session, text: &str) -> Result<Option<Answer>> {
        let lower = text.to_lowercase();
        let said = |parts: &[String]| parts.iter().any(|p| lower.contains(&p.to_lowercase()));
        if said(&self.deny) {
            return Ok(Some(Answer { granted: false, by: "--deny".into() }));
        }
        if said(&self.approve) {
            return Ok(Some(Answer { granted: true, by: "--approve".into() }));
        }
        let Some(person) = &self.person else { return Ok(None) };
        // A question at the terminal blocks, and a read can't be called back: it
        // has a thread that nobody waits for, so that Ctrl-C ends the asking.
        let (send, answered) = tokio::sync::oneshot::channel();
        let (person, question) = (person.clone(), text.to_owned());
        std::thread::spawn(move || {
            // Nobody listens only after a Ctrl-C.
            let _ = send.send(person(&question));
        });
        let cancel = session.cancel();
        let answer = tokio::select! {
            answer = answered => answer.unwrap_or(None),
            () = cancel.cancelled() => return Err(Failure::cancelled()),
        };
        let user = std::env::var("USER").unwrap_or_else(|_| "the terminal".into());
        Ok(answer.map(|granted| Answer { granted, by: user }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_c_ends_a_question_that_nobody_answers() {
        use crate::run::bare::{self, MemoryJournal};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        let session = bare::session(
            crate::base::Clock::system(),
            Arc::new(crate::run::narrate::Keeper::default()),
            runtime.handle().clone(),
            Arc::new(MemoryJournal::default()),
        );
        let (asked, was_asked) = std::sync::mpsc::channel();
        let (_never, answer) = std::sync::mpsc::channel::<bool>();
        let (asked, answer) = (std::sync::Mutex::new(asked), std::sync::Mutex::new(answer));
        let person: Person = Arc::new(move |_: &str| {
            asked.lock().ok()?.send(()).ok()?;
            answer.lock().ok()?.recv().ok()
        });
        let approver = Beforehand { approve: Vec::new(), deny: Vec::new(), person: Some(person) };
        let cancel = session.cancel();
        let presses = std::thread::spawn(move || {
            was_asked.recv().expect("the question is asked");
            cancel.cancel();
        });
        let ended = runtime.block_on(approver.ask(&session, "Start wave-01?"));
        assert_eq!(ended.map_err(|f| f.kind), Err(Kind::Cancelled));
        presses.join().expect("it pressed");
    }

    #[test]
    fn an_answer_comes_on_the_next_working_day_in_office_hours() {
        let cases = [
            ("2026-01-12T09:30:00Z", "2026-01-13T09:30:00Z"), // Monday → Tuesday
            ("2026-01-16T09:30:00Z", "2026-01-19T09:30:00Z"), // Friday → Monday
            ("2026-01-16T22:00:00Z", "2026-01-20T08:00:00Z"), // Friday night → Tuesday morning
            ("2026-01-17T03:00:00Z", "2026-01-19T08:00:00Z"), // Saturday → Monday morning
        ];
        for (asked, answered) in cases {
            let asked: Timestamp = asked.parse().expect("a time");
            assert_eq!(working_day_later(asked).to_string(), answered, "asked {asked}");
        }
    }
}
