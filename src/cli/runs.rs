//! `stagepost runs`: every run of the project and how it ended, from the journal
//! alone.

use serde_json::{Value, json};

use super::Context;
use super::args::Runs;
use super::audit::journal;
use super::status::NARROW;
use crate::base::Result;
use crate::report::words;
use crate::run::journal::Run;
use crate::run::reading::{Reading, Tally};

/// Tells every run, the latest first.
pub(crate) fn runs(context: &Context, args: &Runs) -> Result<u8> {
    let reading = journal(&args.at)?;
    let runs = reading.runs()?;
    let tallies = reading.tallies()?;
    let at_work = reading.at_work(&runs)?;
    let tally = |run: &Run| tallies.get(&run.id).copied().unwrap_or_default();
    if context.json {
        for run in &runs {
            context.ui.json(&value(run, tally(run), at_work.as_deref()));
        }
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = runs
        .iter()
        .rev()
        .map(|run| {
            let tally = tally(run);
            vec![
                run.id.clone(),
                state(run, at_work.as_deref()).to_owned(),
                words::count(tally.moved),
                words::count(tally.left),
                words::count(tally.writes),
                words::moment_short(run.began).trim().to_owned(),
                words::moment_short(run.last).trim().to_owned(),
                if run.verb.is_empty() { "-".to_owned() } else { format!("{} {}", run.verb, run.script) },
            ]
        })
        .collect();
    if context.ui.width() < NARROW {
        let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.into_iter().take(5).collect()).collect();
        context.ui.table(&["run", "state", "moved", "left", "writes"], &rows);
    } else {
        context.ui.table(&["run", "state", "moved", "left", "writes", "began", "last", "what"], &rows);
    }
    if let Some(run) = runs.last() {
        context.ui.hint(&format!("`stagepost show {}` tells what a run did", run.id));
    }
    Ok(0)
}

/// How a run stands, in a word or two.
pub(crate) fn state<'a>(run: &'a Run, at_work: Option<&str>) -> &'a str {
    match run.state.as_str() {
        "running" if at_work == Some(run.id.as_str()) => "running",
        // Its last process wrote no end, and nobody holds the lock for it.
        "running" => "left",
        "" => "unknown",
        "in_doubt" => "in doubt",
        "approval" => "approval needed",
        other => other,
    }
}

/// A run as JSON.
pub(crate) fn value(run: &Run, tally: Tally, at_work: Option<&str>) -> Value {
    json!({
        "event": "run",
        "id": run.id,
        "state": state(run, at_work).replace(' ', "_"),
        "code": run.code,
        "verb": run.verb,
        "script": run.script,
        "project": run.project,
        "tenant": run.tenant,
        "began": run.began,
        "last": run.last,
        "events": run.events,
        "writes": tally.writes,
        "moved": tally.moved,
        "left": tally.left,
        "in_doubt": tally.in_doubt,
    })
}

/// One run with its counts, as `runs` and `show` tell it.
pub(crate) fn counted(reading: &Reading, run: &Run) -> Result<(Tally, Option<String>)> {
    let tally = reading.tallies()?.get(&run.id).copied().unwrap_or_default();
    Ok((tally, reading.at_work(std::slice::from_ref(run))?))
}
