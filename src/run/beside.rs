//! Decisions made beside a run, from another terminal: whoever cancels it or
//! says what became of a write appends an event, and the running process notices.
//!
//! Nothing else is written beside a run, and nobody waits for an answer here.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::journal::{Event, Journal, Kind, Run};
use super::session::Session;
use crate::base::{Failure, Kind as Fault, Result};

/// Real time between two looks at the journal.
const LOOK: Duration = Duration::from_secs(1);

/// Ends the session's work when its run is cancelled from beside, until the
/// answer is dropped. The looks take real time: in a lab, too, it is a person who
/// cancels.
pub fn listen(session: &Arc<Session>) -> Result<Listening> {
    let last = cancelled(session)?.len();
    let weak = Arc::downgrade(session);
    Ok(Listening(session.handle().spawn(hear(weak, last))))
}

/// A task that listens; it ends when this is dropped.
pub struct Listening(tokio::task::JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn hear(session: Weak<Session>, known: usize) {
    let mut pulse = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(session) = session.upgrade() else { return };
        // A journal that can't be read now stops the next write; it is no reason to
        // stop before.
        let Ok(beat) = session.journal().pulse() else { continue };
        if pulse == Some(beat) {
            continue;
        }
        if cancelled(&session).is_ok_and(|all| all.len() > known) {
            session.cancel().cancel();
            return;
        }
        pulse = Some(beat);
    }
}

/// Every cancellation of the session's run.
fn cancelled(session: &Session) -> Result<Vec<Event>> {
    let mut all = Vec::new();
    session.journal().told(session.journal().run(), &mut |stored| {
        if stored.event.kind == Kind::Cancelled {
            all.push(stored.event.clone());
        }
    })?;
    Ok(all)
}

/// The run that is meant: that of this id, or of the beginning of one; without a
/// word, the newest that `fits`.
///
/// # Errors
/// `usage`: there is none, or the word fits several.
pub fn meant(journal: &dyn Journal, wanted: Option<&str>, none: &str, fits: impl Fn(&Run) -> bool) -> Result<Run> {
    let runs = journal.runs()?;
    let Some(wanted) = wanted else {
        return runs
            .into_iter()
            .rev()
            .find(|run| fits(run))
            .ok_or_else(|| Failure::new(Fault::Usage, none.to_owned()).hint("name a run by its id"));
    };
    if let Some(run) = runs.iter().find(|run| run.id == wanted) {
        return Ok(run.clone());
    }
    let near: Vec<&Run> = runs.iter().filter(|run| !wanted.is_empty() && run.id.starts_with(wanted)).collect();
    match near.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Failure::new(Fault::Usage, format!("the journal knows no run {wanted}")).hint(match runs.last() {
            Some(last) => format!("the newest is {}", last.id),
            None => "no run has begun in this project".to_owned(),
        })),
        several => {
            let ids: Vec<&str> = several.iter().map(|run| run.id.as_str()).collect();
            Err(Failure::new(Fault::Usage, format!("{wanted} fits {} runs", several.len())).detail(ids.join("\n")))
        }
    }
}
