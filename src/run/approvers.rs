//! Who answers approvals: a rehearsal by itself, a run by its command line and by
//! whoever sits at the terminal.
//!
//! Nothing here writes the journal; `approvals` does, before and after.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::approvals::{Answer, Approver, Asking};
use super::narrate::What;
use super::process;
use super::session::Session;
use crate::base::{Cancel, Failure, Result};

/// Answers after a working day of the lab; refuses what it was told to.
pub struct Rehearsed {
    /// Approvals whose text holds one of these are refused.
    pub deny: Vec<String>,
}

#[async_trait]
impl Approver for Rehearsed {
    async fn ask(&self, session: &Session, asking: &Asking, _: &Cancel) -> Result<Option<Answer>> {
        let answers = working_day_later(session.now());
        let until = asking.until.map_or(answers, |until| until.min(answers));
        session.note(What::Waiting { reason: "the approval".into(), until });
        session.clock().sleep_until(until).await?;
        if until < answers {
            return Ok(None);
        }
        let lower = asking.question.text.to_lowercase();
        let refused = self.deny.iter().any(|d| lower.contains(&d.to_lowercase()));
        Ok(Some(Answer::here(!refused, "rehearsal", "rehearsal")))
    }

    fn hears_others(&self) -> bool {
        false
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

/// Somebody at a terminal. Both questions block until there is an answer, and
/// end without one once they are withdrawn.
pub trait Person: Send + Sync {
    /// Yes or no; `None` if nobody can be asked.
    fn confirm(&self, question: &str, withdrawn: &Cancel) -> Option<bool>;
    /// A line of text; `None` if nobody can be asked.
    fn typed(&self, prompt: &str, withdrawn: &Cancel) -> Option<String>;
    /// Whether there is a terminal at all.
    fn is_there(&self) -> bool;
}

/// Answers what was said on the command line, and asks whoever sits at the
/// terminal for the rest.
#[derive(Clone, Default)]
pub struct Beforehand {
    /// Parts of texts that are granted.
    pub approve: Vec<String>,
    /// Parts of texts that are refused; stronger than the others.
    pub deny: Vec<String>,
    /// Whoever sits at the terminal; `None` where there is none.
    pub person: Option<Arc<dyn Person>>,
    /// Wait for an answer from elsewhere where nobody can be asked.
    pub wait: bool,
    /// The tenant's name, as the command line says it.
    pub tenant_name: Option<String>,
}

impl Beforehand {
    fn is_somebody_there(&self) -> bool {
        self.person.as_ref().is_some_and(|p| p.is_there())
    }

    /// Asks at the terminal. A question there blocks, and a read can't be called
    /// back: it has a thread that nobody waits for, so that Ctrl-C ends the asking.
    async fn person<T: Send + 'static>(
        &self,
        session: &Session,
        withdrawn: &Cancel,
        ask: impl FnOnce(&dyn Person, &Cancel) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let Some(person) = self.person.clone() else { return Ok(None) };
        let (send, answered) = tokio::sync::oneshot::channel();
        let (asked, over) = (withdrawn.clone(), Withdraws(Some(withdrawn.clone())));
        std::thread::spawn(move || {
            // Nobody listens only after a Ctrl-C or an answer from elsewhere.
            let _ = send.send(ask(&*person, &asked));
        });
        let cancel = session.cancel();
        let answer = tokio::select! {
            answer = answered => answer.unwrap_or(None),
            () = cancel.cancelled() => return Err(Failure::cancelled()),
        };
        over.keep();
        Ok(answer)
    }
}

/// Withdraws a question whose asking is dropped before there was an answer.
struct Withdraws(Option<Cancel>);

impl Withdraws {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Withdraws {
    fn drop(&mut self) {
        if let Some(withdrawn) = &self.0 {
            withdrawn.cancel();
        }
    }
}

#[async_trait]
impl Approver for Beforehand {
    async fn ask(&self, session: &Session, asking: &Asking, withdrawn: &Cancel) -> Result<Option<Answer>> {
        let lower = asking.question.text.to_lowercase();
        let said = |parts: &[String]| parts.iter().any(|p| lower.contains(&p.to_lowercase()));
        if said(&self.deny) {
            return Ok(Some(Answer::here(false, "--deny", "command line")));
        }
        if asking.by_other {
            // Who runs has written the command line and sits at the terminal.
            return Ok(None);
        }
        if said(&self.approve) {
            return Ok(Some(Answer::here(true, "--approve", "command line")));
        }
        let question = asking.question.whole();
        let answer = self.person(session, withdrawn, move |person, over| person.confirm(&question, over)).await?;
        Ok(answer.map(|granted| Answer::here(granted, &process::user(), "terminal")))
    }

    async fn typed(&self, session: &Session, prompt: &str) -> Result<Option<(String, &'static str)>> {
        if let Some(name) = &self.tenant_name {
            return Ok(Some((name.clone(), "command line")));
        }
        let prompt = prompt.to_owned();
        let line = self.person(session, &Cancel::new(), move |person, over| person.typed(&prompt, over)).await?;
        Ok(line.map(|line| (line, "terminal")))
    }

    fn waits(&self, asking: &Asking) -> bool {
        self.wait || (asking.by_other && self.is_somebody_there())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
