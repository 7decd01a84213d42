//! `stagepost report`: the page of a rehearsal, for a run: from its notes and its
//! journal, without asking anybody.

use super::Context;
use super::args::Report;
use super::audit::project_of;
use super::runs::{counted, state};
use super::status::waits;
use crate::base::Result;
use crate::report::story::{Parts, Story};
use crate::report::{folder, notes};
use crate::run::journal::Kind;
use crate::run::narrate::{Note, What};
use crate::run::reading::{Of, Reading};
use crate::run::standing::{Place, Standing, Standings};
use crate::wire::lab::{Broken, Outcome, Proof, Row};

/// Writes the page of a run.
pub(crate) fn report(context: &Context, args: &Report) -> Result<u8> {
    let project = project_of(&args.at)?;
    let reading = Reading::open(&project)?;
    let run = reading.run_named(&args.run)?;
    folder::prepare(&args.out)?;
    let mut told = notes::read(&notes::path(&project, &run.id))?;
    let kept = !told.is_empty();
    let mut profile = String::new();
    let mut standings = Standings::default();
    let mut last = 0;
    reading.each(Of::Run(&run.id), false, &mut |stored| {
        last = stored.number;
        if stored.event.kind == Kind::Began {
            profile = stored.event.body["profile"].as_str().unwrap_or_default().to_owned();
        }
        if !kept {
            told.extend(note_of(&stored.event));
        }
        Ok(())
    })?;
    // How things stood when the run ended, with what earlier runs did.
    reading.each(Of::Tenant(&run.tenant), false, &mut |stored| {
        if stored.number <= last {
            standings.learn(&stored);
        }
        Ok(())
    })?;
    let waits = waits(None);
    let rows = standings.known().iter().map(|a| row(&standings.of(a, None, waits, run.last))).collect();
    let proof = Proof { rows, began: Some(run.began), ended: Some(run.last), ..Proof::default() };
    let script = if run.script.is_empty() { run.id.clone() } else { run.script.clone() };
    let mut parts = Parts::new(format!("Run {} of {}", run.id, run.project), script, proof, told);
    let (tally, at_work) = counted(&reading, &run)?;
    parts.rehearsed = false;
    parts.profile = profile;
    parts.proof.writes = tally.writes;
    let state = state(&run, at_work.as_deref());
    // Of a journal that does not say how a run ended nothing is claimed.
    parts.exit = run.code.unwrap_or(u8::from(!matches!(state, "ended" | "unknown")));
    let path = folder::write_page(&args.out, &Story::new(parts))?;
    if !kept {
        context.ui.warning(
            &format!("the notes of run {} were not kept, so its page has no steps and no findings", run.id),
            Some("`stagepost show` tells its events"),
        );
    }
    match context.json {
        true => context.ui.json(&serde_json::json!({
            "event": "report", "run": run.id, "path": path.display().to_string(), "notes": kept, "state": state,
        })),
        false => context.ui.print(&format!("{}\n", path.display())),
    }
    Ok(0)
}

/// What an event says to people, where no note was kept.
fn note_of(event: &crate::run::journal::Event) -> Option<Note> {
    let text = |key: &str| event.body[key].as_str().unwrap_or_default().to_owned();
    let what = match event.kind {
        Kind::Approval => {
            What::Answered { text: event.target.clone(), granted: event.body["granted"] == true, by: text("by") }
        }
        Kind::Left => What::LeftWhole { address: event.target.clone(), reason: text("reason") },
        _ => return None,
    };
    Some(Note { time: event.time, what })
}

/// What a judge would say of a mailbox, as far as the journal knows.
fn row(standing: &Standing) -> Row {
    let outcome = match standing.place {
        Place::Converted | Place::Switched | Place::Done => Outcome::Moved,
        Place::Left | Place::Listed | Place::Batched => Outcome::Whole,
        _ => Outcome::Broken,
    };
    let broken = match outcome {
        Outcome::Broken => vec![Broken {
            rule: "under-way".to_owned(),
            text: format!("{}; it waits for {}", standing.place.words(), standing.waits_for),
        }],
        _ => Vec::new(),
    };
    let reason = match standing.place {
        Place::Listed | Place::Batched => format!("{}; it waits for {}", standing.place.words(), standing.waits_for),
        _ => standing.reason.clone(),
    };
    Row {
        address: standing.address.clone(),
        outcome,
        reason,
        broken,
        batch: standing.batch.clone(),
        hours_apart: None,
        hours_without_old_mail: None,
        work_lost: 0,
        work_lost_words: String::new(),
        junk: 0,
        delayed: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    #[test]
    fn who_is_on_the_way_is_neither_moved_nor_whole() {
        let standings = Standings::default();
        let mut standing = standings.of("ann@contoso.test", None, waits(None), Timestamp::UNIX_EPOCH);
        assert_eq!(row(&standing).outcome, Outcome::Whole);
        standing.place = Place::Copying;
        let on_the_way = row(&standing);
        assert_eq!((on_the_way.outcome, on_the_way.broken.len()), (Outcome::Broken, 1));
        standing.place = Place::Done;
        assert_eq!(row(&standing).outcome, Outcome::Moved);
    }
}
