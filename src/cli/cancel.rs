//! `stagepost cancel`: the end of a run, asked for from another terminal.

use serde_json::json;

use super::args::Cancel;
use super::{Context, environment};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::run::journal::{Event, Journal as _, Kind as EventKind, Owner, Run};
use crate::run::{beside, lock, process, sqlite};

/// Marks a run as cancelled; a process that works on it ends by itself.
pub(crate) fn cancel(context: &Context, args: &Cancel) -> Result<u8> {
    let here = super::here()?;
    let folder = here.join(".stagepost");
    let journal = environment::journal(&here)?;
    let is_at_work = |run: &Run| run.state == "running" && lock::is_held(&folder);
    let is_open = |run: &Run| !matches!(run.state.as_str(), "ended" | "cancelled");
    let runs = journal.runs()?;
    // Who holds the project is the run whose last word is the latest.
    let working = runs.iter().filter(|run| is_at_work(run)).max_by_key(|run| &run.id).map(|run| run.id.clone());
    let wanted = args.run.clone().or_else(|| working.clone());
    let found = beside::meant(&journal, wanted.as_deref(), "no run is left that could be cancelled", is_open)?;
    if !is_open(&found) {
        return Err(Failure::new(Kind::Usage, format!("the run {} is {} already", found.id, found.state))
            .hint("`stagepost cancel` alone takes the run that is at work"));
    }
    let owner = Owner { project: found.project.clone(), tenant: found.tenant.clone(), run: found.id.clone() };
    let event = Event {
        kind: EventKind::Cancelled,
        time: Timestamp::now(),
        operation: "cancel".into(),
        target: found.id.clone(),
        body: json!({"who": process::who()}),
    };
    sqlite::append_beside(&folder, &owner, &[event])?;
    let is_working = working.as_deref() == Some(found.id.as_str());
    if context.json {
        let line = json!({"event": "cancelled", "run": found.id, "at_work": is_working});
        context.ui.print(&format!("{line}\n"));
    } else if is_working {
        context.ui.status(&format!("the run {} ends: no new write begins, those in flight end", found.id));
    } else {
        context.ui.status(&format!("the run {} is cancelled; nobody was at work on it", found.id));
    }
    Ok(0)
}
