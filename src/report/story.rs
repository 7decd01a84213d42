//! The story of a rehearsal: everything a page or a summary says about it,
//! gathered once from the notes and the proof.
//!
//! The sentences live here so that the terminal, the page and the JSON lines
//! say the same words. What the notes don't tell is left out, never guessed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::group::Group;
use super::words;
use crate::base::Failure;
use crate::run::narrate::Note;
use crate::wire::lab::{Counts, Digest, Outcome, Proof, Row};

mod gather;

/// What a story is made from. [`Parts::new`] fills in what can be left out.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Head of the page: `Rehearsal of contoso.test`.
    pub title: String,
    /// Path of the script as given.
    pub script: String,
    /// Name of the profile.
    pub profile: String,
    /// Seed of the lab.
    pub seed: Option<u64>,
    /// `none` or `usual`.
    pub faults: String,
    /// Worker threads; they change the wall time, never the events.
    pub threads: usize,
    /// The judge's verdict.
    pub proof: Proof,
    /// Requests the lab answered.
    pub counts: Counts,
    /// Fingerprint of the events.
    pub digest: Option<Digest>,
    /// Everything the run told, in order.
    pub notes: Vec<Note>,
    /// Real time.
    pub wall_seconds: f64,
    /// Highest resident memory in bytes.
    pub peak_memory: Option<u64>,
    /// Why the script ended early, if it did.
    pub failure: Option<Failure>,
    /// Exit code of the process, see [`exit_code`].
    pub exit: u8,
    /// Where the page is.
    pub report: Option<PathBuf>,
    /// Where the wire log is.
    pub wire_log: Option<PathBuf>,
    /// Whether it was a rehearsal; of a run no judge knows what became of
    /// messages and work.
    pub rehearsed: bool,
}

impl Parts {
    /// The parts nobody can do without; the others are empty or unknown.
    pub fn new(title: impl Into<String>, script: impl Into<String>, proof: Proof, notes: Vec<Note>) -> Parts {
        Parts {
            title: title.into(),
            script: script.into(),
            profile: String::new(),
            seed: None,
            faults: "none".to_owned(),
            threads: 1,
            proof,
            counts: Counts::default(),
            digest: None,
            notes,
            wall_seconds: 0.0,
            peak_memory: None,
            failure: None,
            exit: 0,
            report: None,
            wire_log: None,
            rehearsed: true,
        }
    }
}

/// The exit code of a rehearsal: a script that ended early keeps its own code;
/// else 1 if the judge found anything in between, 6 if rows were left whole,
/// 0 if all moved.
pub fn exit_code(proof: &Proof, script: u8) -> u8 {
    if !matches!(script, 0 | 6) {
        return script;
    }
    let any = |outcome| proof.rows.iter().any(|r| r.outcome == outcome);
    if any(Outcome::Broken) || !proof.broken.is_empty() {
        1
    } else if any(Outcome::Whole) {
        6
    } else {
        0
    }
}

/// The answer to "may we do this for real?", as far as a rehearsal can give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All moved.
    Go,
    /// Everything is wholly on one side, some of it on the old one.
    GoWithRowsLeft,
    /// Something is in between, or the script didn't come to its end.
    NoGo,
}

impl Verdict {
    /// `Go`, `Go, with mailboxes left behind`, `No-go`.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Go => "Go",
            Verdict::GoWithRowsLeft => "Go, with mailboxes left behind",
            Verdict::NoGo => "No-go",
        }
    }
}

/// Numbers of mailboxes by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Wholly in the cloud.
    pub moved: u64,
    /// Wholly where they were.
    pub whole: u64,
    /// In between.
    pub broken: u64,
}

impl Tally {
    /// Counts rows.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Tally {
        let mut tally = Tally::default();
        for row in rows {
            match row.outcome {
                Outcome::Moved => tally.moved += 1,
                Outcome::Whole => tally.whole += 1,
                Outcome::Broken => tally.broken += 1,
            }
        }
        tally
    }

    /// All of them.
    pub fn all(self) -> u64 {
        self.moved + self.whole + self.broken
    }
}

/// A step as the notes told it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Id in the run.
    pub id: u64,
    /// Name of the primitive.
    pub primitive: String,
    /// What it worked on.
    pub subject: String,
    /// When it began.
    pub began: Timestamp,
    /// When it ended; `None` if the run ended first.
    pub ended: Option<Timestamp>,
    /// Whether it did what it should.
    pub ok: bool,
    /// Effective writes.
    pub changed: u64,
    /// Its own line at the end.
    pub text: String,
    /// How many steps were open around it.
    pub depth: usize,
    /// Index into [`Story::waves`].
    pub wave: Option<usize>,
}

/// A wave: what went in one batch.
#[derive(Clone, Debug)]
pub struct Wave {
    /// Name of the batch.
    pub name: String,
    /// Its mailboxes by outcome, as the judge saw them.
    pub tally: Tally,
    /// Its steps, indices into [`Story::steps`].
    pub steps: Vec<usize>,
    /// First step's begin.
    pub first: Option<Timestamp>,
    /// Last step's end.
    pub last: Option<Timestamp>,
}

/// An approval that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// When asked.
    pub asked: Timestamp,
    /// When answered.
    pub answered: Option<Timestamp>,
    /// The text.
    pub text: String,
    /// The answer.
    pub granted: Option<bool>,
    /// Who gave it.
    pub by: String,
}

/// A guard that was passed by force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forced {
    /// When.
    pub time: Timestamp,
    /// Name of the guard.
    pub guard: String,
    /// What it protected.
    pub target: String,
    /// What it said.
    pub text: String,
    /// Why it was passed.
    pub reason: String,
}

/// Seats of the product that gives the mailboxes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seats {
    /// The product.
    pub product: String,
    /// Needed by all waves together.
    pub needed: u64,
    /// Given in all waves together.
    pub given: u64,
    /// Free before the first wave, if they were counted.
    pub free: Option<u64>,
}

/// Hours that people wait: the middle one, the worst, everybody's together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hours {
    /// Half of the people wait less.
    pub median: f64,
    /// Nobody waits longer.
    pub worst: f64,
    /// Of everybody together.
    pub total: f64,
}

impl Hours {
    /// `median 38.2 h, worst 4 days, 5,749 h in all`.
    pub fn words(&self) -> String {
        let (median, worst) = (words::hours(self.median), words::hours(self.worst));
        format!("median {median}, worst {worst}, {} in all", words::hours_in_all(self.total))
    }
}

/// Everything there is to tell.
#[derive(Clone, Debug)]
pub struct Story {
    /// The parts as given.
    pub parts: Parts,
    /// The verdict.
    pub verdict: Verdict,
    /// The outcome in one sentence, without a full stop.
    pub sentence: String,
    /// Mailboxes by outcome.
    pub tally: Tally,
    /// All steps in order of their begin.
    pub steps: Vec<Step>,
    /// All waves in order of their first step.
    pub waves: Vec<Wave>,
    /// All approvals in order.
    pub approvals: Vec<Approval>,
    /// Findings and warnings drawn together, worst first.
    pub findings: Vec<Group>,
    /// Reasons for which rows were left whole, the most frequent first.
    pub left: Vec<Group>,
    /// Rules that don't hold, with the mailboxes that break them; a rule about
    /// nobody in particular has no targets.
    pub broken: Vec<Group>,
    /// Guards that were passed by force, in order.
    pub forced: Vec<Forced>,
    /// Seats, if they were counted or given.
    pub seats: Option<Seats>,
    /// Until when batches have to stay after the MX change, if the run waited.
    pub settled: Option<Timestamp>,
}

impl Story {
    /// Gathers the story.
    pub fn new(parts: Parts) -> Story {
        let tally = Tally::of(&parts.proof.rows);
        let mut steps = gather::steps_of(&parts.notes);
        let waves = gather::waves_of(&parts.proof.rows, &mut steps);
        let verdict = verdict_of(&parts, tally);
        let mut story = Story {
            verdict,
            sentence: String::new(),
            tally,
            approvals: gather::approvals_of(&parts.notes),
            findings: gather::findings_of(&parts.notes),
            left: gather::left_of(&parts),
            broken: gather::broken_of(&parts.proof),
            forced: gather::forced_of(&parts.notes),
            seats: gather::seats_of(&parts.notes),
            settled: gather::settled_of(&parts.notes),
            steps,
            waves,
            parts,
        };
        story.sentence = story.tell();
        story
    }

    /// When the lab (or the run) began.
    pub fn began(&self) -> Option<Timestamp> {
        self.parts.proof.began.or_else(|| self.parts.notes.first().map(|n| n.time))
    }

    /// When it ended.
    pub fn ended(&self) -> Option<Timestamp> {
        self.parts.proof.ended.or_else(|| self.parts.notes.last().map(|n| n.time))
    }

    /// `41 days`, if anything is known of the time.
    pub fn length(&self) -> Option<String> {
        Some(words::between(self.began()?, self.ended()?))
    }

    /// Requests by service with their sums, the busiest first.
    pub fn requests(&self) -> Vec<(&str, u64, &BTreeMap<String, u64>)> {
        let mut all: Vec<_> =
            self.parts.counts.requests.iter().map(|(s, ops)| (s.as_str(), ops.values().sum(), ops)).collect();
        all.sort_by_key(|(_, sum, _): &(&str, u64, _)| std::cmp::Reverse(*sum));
        all
    }

    /// `invented 14,000 of 16,000 facts (88 %)`, or nothing if nothing is known.
    pub fn invented(&self) -> Option<String> {
        let (made, of) = self.parts.proof.invented;
        (of > 0).then(|| {
            let percent = (made as f64 / of as f64 * 100.0).round();
            format!("{} of {} facts ({percent:.0} %)", words::count(made), words::count(of))
        })
    }

    /// The judge's rows of an outcome.
    pub fn rows(&self, outcome: Outcome) -> impl Iterator<Item = &Row> {
        self.parts.proof.rows.iter().filter(move |r| r.outcome == outcome)
    }

    /// When the last step of this name ended well.
    pub fn ended_step(&self, primitive: &str) -> Option<Timestamp> {
        self.steps.iter().filter(|s| s.primitive == primitive && s.ok).filter_map(|s| s.ended).max()
    }

    /// How long people had new mail in one mailbox and Outlook in the other;
    /// nothing if that happened to nobody.
    pub fn apart(&self) -> Option<Hours> {
        let proof = &self.parts.proof;
        proof.rows.iter().any(|r| r.hours_apart.is_some()).then_some(Hours {
            median: proof.hours_apart_median,
            worst: proof.hours_apart_worst,
            total: proof.hours_apart_total,
        })
    }

    /// How long people were without their old mail; nothing if nobody was.
    pub fn without_old_mail(&self) -> Option<Hours> {
        let proof = &self.parts.proof;
        proof.rows.iter().any(|r| r.hours_without_old_mail.is_some()).then_some(Hours {
            median: proof.hours_without_old_mail_median,
            worst: proof.hours_without_old_mail_worst,
            total: proof.hours_without_old_mail_total,
        })
    }

    fn tell(&self) -> String {
        let all = self.tally.all();
        let lost = self.parts.proof.probes.lost;
        let in_time = self.length().map(|l| format!(" in {l}")).unwrap_or_default();
        let mail = match (self.parts.proof.probes.sent, lost) {
            (0, _) => String::new(),
            (_, 0) => ", and no message was lost".to_owned(),
            (_, n) => format!(", and {} lost", words::counted(n, "message was", "messages were")),
        };
        match self.verdict {
            Verdict::Go => {
                let who = match all {
                    0 => "there was no mailbox to move".to_owned(),
                    1 => "the one mailbox moved".to_owned(),
                    n => format!("all {} mailboxes moved", words::count(n)),
                };
                format!("Go: {who}{in_time}{mail}")
            }
            Verdict::GoWithRowsLeft => {
                let left = match self.tally.whole {
                    1 => "1 was left whole where it was".to_owned(),
                    n => format!("{} were left whole where they were", words::count(n)),
                };
                let (moved, all) = (words::count(self.tally.moved), words::count(all));
                format!("Go, with rows left: {moved} of {all} mailboxes moved{in_time}, {left}{mail}")
            }
            Verdict::NoGo => self.tell_no_go(all, lost),
        }
    }

    fn tell_no_go(&self, all: u64, lost: u64) -> String {
        let mut why = Vec::new();
        if let Some(failure) = &self.parts.failure {
            why.push(format!("the script stopped before its end ({})", words::clean(&failure.message)));
        } else if self.parts.exit != 0 && self.tally.broken == 0 && self.parts.proof.broken.is_empty() {
            why.push(format!("the script did not come to its end (exit code {})", self.parts.exit));
        }
        if self.tally.broken > 0 {
            let who: Vec<&str> = self
                .parts
                .proof
                .rows
                .iter()
                .filter(|r| r.outcome == Outcome::Broken)
                .map(|r| r.address.as_str())
                .collect();
            let is = if self.tally.broken == 1 { "is" } else { "are" };
            why.push(format!(
                "{} of {} {is} between the two systems ({})",
                words::count(self.tally.broken),
                words::counted(all, "mailbox", "mailboxes"),
                words::names(&who, 3)
            ));
        }
        match self.parts.proof.broken.len() {
            0 => {}
            1 => why.push(format!(
                "a rule is broken ({})",
                self.parts.proof.broken.first().map_or("", |b| b.rule.as_str())
            )),
            n => why.push(format!("{n} rules are broken")),
        }
        if lost > 0 {
            why.push(words::counted(lost, "message was lost", "messages were lost"));
        }
        if why.is_empty() {
            let what = if self.parts.rehearsed { "rehearsal" } else { "run" };
            why.push(format!("the {what} was not finished"));
        }
        format!("No-go: {}", why.join("; "))
    }
}

fn verdict_of(parts: &Parts, tally: Tally) -> Verdict {
    if tally.broken > 0 || !parts.proof.broken.is_empty() || parts.failure.is_some() || !matches!(parts.exit, 0 | 6) {
        Verdict::NoGo
    } else if tally.whole > 0 {
        Verdict::GoWithRowsLeft
    } else {
        Verdict::Go
    }
}

#[cfg(test)]
mod tests;
