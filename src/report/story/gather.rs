//! The story's parts out of the notes: steps, waves, approvals, findings, seats.
//!
//! Each walks the notes once and keeps what they say; what they don't say stays
//! unknown.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Approval, Forced, Parts, Seats, Step, Tally, Wave};
use crate::report::group::{self, Group, Groups};
use crate::report::words;
use crate::run::narrate::{Note, What};
use crate::wire::lab::{Outcome, Proof, Row};

pub(super) fn steps_of(notes: &[Note]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut open: Vec<(u64, usize)> = Vec::new();
    for note in notes {
        match &note.what {
            What::StepBegan { id, primitive, subject } => {
                open.push((*id, steps.len()));
                steps.push(Step {
                    id: *id,
                    primitive: words::clean(primitive),
                    subject: words::clean(subject),
                    began: note.time,
                    ended: None,
                    ok: false,
                    changed: 0,
                    text: String::new(),
                    depth: open.len() - 1,
                    wave: None,
                });
            }
            What::StepEnded { id, ok, changed, text } => {
                let Some(at) = open.iter().rposition(|(open, _)| open == id) else { continue };
                let (_, index) = open.remove(at);
                if let Some(step) = steps.get_mut(index) {
                    step.ended = Some(note.time);
                    step.ok = *ok;
                    step.changed = *changed;
                    step.text = words::clean(text);
                }
            }
            _ => {}
        }
    }
    steps
}

/// Waves are the batches that the judge saw and those that a `batch` step
/// named. A step belongs to the wave that its subject names; the steps that
/// speak of mailboxes only belong to the batch made last before them.
pub(super) fn waves_of(rows: &[Row], steps: &mut [Step]) -> Vec<Wave> {
    let mut names: Vec<String> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let batches = steps.iter().filter(|s| s.primitive == "batch").map(|s| first_word(&s.subject));
    for name in batches.chain(rows.iter().map(|r| r.batch.as_str())) {
        if !name.is_empty() && !known.contains_key(name) {
            known.insert(name.to_owned(), names.len());
            names.push(name.to_owned());
        }
    }
    let mut waves: Vec<Wave> = names
        .into_iter()
        .map(|name| Wave { name, tally: Tally::default(), steps: Vec::new(), first: None, last: None })
        .collect();
    let mut tallies: Vec<Vec<&Row>> = vec![Vec::new(); waves.len()];
    for row in rows {
        if let Some(rows) = known.get(&row.batch).and_then(|i| tallies.get_mut(*i)) {
            rows.push(row);
        }
    }
    for (wave, rows) in waves.iter_mut().zip(tallies) {
        wave.tally = Tally::of(rows);
    }
    let mut current = None;
    for (index, step) in steps.iter_mut().enumerate() {
        let named = step.subject.split([' ', '(', ')', ',', ':', '`', '"']).find_map(|word| known.get(word)).copied();
        if step.primitive == "batch" {
            current = named;
        }
        step.wave = named.or_else(|| current.filter(|_| follows_its_batch(&step.primitive)));
        if let Some(wave) = step.wave.and_then(|w| waves.get_mut(w)) {
            wave.steps.push(index);
            wave.first = Some(wave.first.map_or(step.began, |t| t.min(step.began)));
            wave.last = wave.last.max(step.ended);
        }
    }
    waves
}

fn follows_its_batch(primitive: &str) -> bool {
    matches!(
        primitive,
        "start"
            | "watch"
            | "license::assign"
            | "release"
            | "convert_to_mail_user"
            | "permissions::apply"
            | "people::tell"
    )
}

fn first_word(text: &str) -> &str {
    text.split([' ', '(', ',', ':']).next().unwrap_or_default()
}

pub(super) fn approvals_of(notes: &[Note]) -> Vec<Approval> {
    let mut approvals: Vec<Approval> = Vec::new();
    for note in notes {
        match &note.what {
            What::Asked { text } => approvals.push(Approval {
                asked: note.time,
                answered: None,
                text: words::clean(text),
                granted: None,
                by: String::new(),
            }),
            What::Answered { text, granted, by } => {
                let text = words::clean(text);
                let found = approvals.iter_mut().rev().find(|a| a.text == text && a.granted.is_none());
                match found {
                    Some(approval) => {
                        approval.answered = Some(note.time);
                        approval.granted = Some(*granted);
                        approval.by = words::clean(by);
                    }
                    None => approvals.push(Approval {
                        asked: note.time,
                        answered: Some(note.time),
                        text,
                        granted: Some(*granted),
                        by: words::clean(by),
                    }),
                }
            }
            _ => {}
        }
    }
    approvals
}

pub(super) fn findings_of(notes: &[Note]) -> Vec<Group> {
    let mut groups = Groups::new();
    for note in notes {
        match &note.what {
            What::Finding { severity, target, message, hint } => groups.add(severity, target, message, hint),
            What::Warned { text, hint } => groups.add("warning", "", text, hint),
            _ => {}
        }
    }
    groups.finish()
}

pub(super) fn forced_of(notes: &[Note]) -> Vec<Forced> {
    let forced = notes.iter().filter_map(|note| match &note.what {
        What::Forced { guard, target, text, reason } => Some(Forced {
            time: note.time,
            guard: words::clean(guard),
            target: words::clean(target),
            text: words::clean(text),
            reason: words::clean(reason),
        }),
        _ => None,
    });
    forced.collect()
}

/// A script may count the seats of everybody first and of each wave again, so the
/// needs are not added up: they are how far the free seats would have gone down.
pub(super) fn seats_of(notes: &[Note]) -> Option<Seats> {
    let mut seats: Option<Seats> = None;
    let mut least: Option<u64> = None;
    for note in notes {
        match &note.what {
            What::SeatsCounted { product, needed, free } => {
                let seats = seats.get_or_insert_with(Seats::default);
                seats.product = words::clean(product);
                seats.free.get_or_insert(*free);
                let rest = free.saturating_sub(*needed);
                least = Some(least.map_or(rest, |l| l.min(rest)));
            }
            What::SeatsGiven { product, given } => {
                let seats = seats.get_or_insert_with(Seats::default);
                seats.product = words::clean(product);
                seats.given += given;
            }
            _ => {}
        }
    }
    let mut seats = seats?;
    let used = seats.free.zip(least).map_or(0, |(free, least)| free.saturating_sub(least));
    seats.needed = used.max(seats.given);
    Some(seats)
}

/// The end of the wait that stands inside the removal of a batch.
pub(super) fn settled_of(notes: &[Note]) -> Option<Timestamp> {
    let mut removing = None;
    let mut settled = None;
    for note in notes {
        match &note.what {
            What::StepBegan { id, primitive, .. } if primitive == "remove" => removing = Some(*id),
            What::StepEnded { id, .. } if removing == Some(*id) => removing = None,
            What::Waiting { until, .. } if removing.is_some() => settled = settled.max(Some(*until)),
            _ => {}
        }
    }
    settled
}

/// The run's own account of a row says more than the judge's; the judge's
/// decides which rows are listed.
pub(super) fn left_of(parts: &Parts) -> Vec<Group> {
    let mut told: BTreeMap<String, &str> = BTreeMap::new();
    for note in &parts.notes {
        if let What::LeftWhole { address, reason } = &note.what {
            told.insert(address.to_lowercase(), reason);
        }
    }
    group::reasons(parts.proof.rows.iter().filter(|r| r.outcome == Outcome::Whole).map(|row| {
        let told = told.get(&row.address.to_lowercase()).copied().unwrap_or_default();
        (row.address.as_str(), if row.reason.is_empty() { told } else { row.reason.as_str() })
    }))
}

pub(super) fn broken_of(proof: &Proof) -> Vec<Group> {
    let mut groups = Groups::new();
    for rule in &proof.broken {
        groups.add("error", "", &format!("`{}`: {}", rule.rule, rule.text), "");
    }
    for row in &proof.rows {
        for rule in &row.broken {
            groups.add("error", &row.address, &format!("`{}`: {}", rule.rule, rule.text), "");
        }
    }
    groups.finish()
}
