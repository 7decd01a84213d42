//! What the first page says: the facts for the customer who signs.
//!
//! Taken from the story, in words that can be read aloud: open points with their
//! owners, mail and work, who is left behind (the calendar and the dates are in
//! [`super::calendar`]). What the run doesn't tell is left out; a count that was
//! not taken is never a nought.

use std::collections::BTreeMap;

use super::group::{Group, Groups};
use super::owners::{self, Owner};
use super::story::{Story, Verdict};
use super::words;
use crate::run::narrate::What;
use crate::wire::lab::{Outcome, Work};

/// When an open point has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Stands against the migration.
    First,
    /// A safeguard was passed by force.
    Forced,
    /// A decision, not a repair: the one who signs makes it.
    Decide,
    /// Before the first wave.
    Before,
    /// Tried in the pilot wave.
    Pilot,
    /// When all waves are through.
    After,
}

impl Due {
    /// As the page says it.
    pub fn words(self) -> &'static str {
        match self {
            Due::First => "Must be mended",
            Due::Forced => "Passed by force",
            Due::Before => "Before the start",
            Due::Decide => "To decide",
            Due::Pilot => "In the pilot",
            Due::After => "After the last wave",
        }
    }
}

/// Something that somebody has to do or decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// By when.
    pub due: Due,
    /// What is so, and what to do about it.
    pub text: String,
    /// Whom it concerns, as few words.
    pub who: String,
    /// Who acts.
    pub owner: Owner,
}

/// Mailboxes that stay for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// How many.
    pub count: u64,
    /// Why, in plain words where there are some.
    pub why: String,
    /// What to do; may be empty.
    pub then: String,
    /// Their addresses.
    pub who: Vec<String>,
    /// Who acts.
    pub owner: Owner,
}

/// A count with what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What is counted.
    pub label: &'static str,
    /// The count, or that it was not taken.
    pub value: String,
    /// More in words; may be empty.
    pub text: String,
    /// Named cases.
    pub named: Vec<String>,
    /// Whether it is a loss.
    pub bad: bool,
}

/// The verdict in one sentence for the customer, its head set apart.
pub fn verdict(story: &Story) -> (String, String) {
    let (head, rest) = rehearsed(story);
    if story.parts.rehearsed {
        return (head, rest);
    }
    // A run decides nothing any more: it says how far things are.
    let head = match story.verdict {
        Verdict::Go => "Done".to_owned(),
        Verdict::GoWithRowsLeft => head.replacen("Go", "Done", 1),
        Verdict::NoGo => "Not finished".to_owned(),
    };
    (head, rest)
}

fn rehearsed(story: &Story) -> (String, String) {
    let (moved, all) = (words::count(story.tally.moved), story.tally.all());
    let mail = match (story.parts.proof.probes.sent, story.parts.proof.probes.lost) {
        (0, _) => String::new(),
        (_, 0) => ", and no message was lost".to_owned(),
        (_, n) => format!(", and {} lost", words::counted(n, "message was", "messages were")),
    };
    match story.verdict {
        Verdict::Go if all == 0 => ("Go".into(), "there was no mailbox to move".into()),
        Verdict::Go if all == 1 => ("Go".into(), format!("the one mailbox moved{mail}")),
        Verdict::Go => ("Go".into(), format!("all {moved} mailboxes moved{mail}")),
        Verdict::GoWithRowsLeft => {
            let left = words::counted(story.tally.whole, "mailbox", "mailboxes");
            (format!("Go, with {left} left behind"), format!("{moved} of {} moved{mail}", words::count(all)))
        }
        Verdict::NoGo => {
            let rest = story.sentence.split_once(": ").map_or(story.sentence.as_str(), |(_, rest)| rest);
            ("No-go".into(), rest.to_owned())
        }
    }
}

/// Everything open, the most pressing first.
pub fn points(story: &Story) -> Vec<Point> {
    let mut points = Vec::new();
    let mut add = |due, owner, who: String, text: String| points.push(Point { due, text, who, owner });
    if let Some(failure) = &story.parts.failure {
        let hint = failure.hint.as_deref().map(|h| format!(": {}", words::clean(h))).unwrap_or_default();
        add(Due::First, Owner::Lead, String::new(), format!("The migration script stopped before its end{hint}"));
    }
    if story.tally.broken > 0 {
        let who: Vec<&str> = story.rows(Outcome::Broken).map(|r| r.address.as_str()).collect();
        let text = format!(
            "{} between the old system and the new one",
            words::counted(story.tally.broken, "mailbox stands", "mailboxes stand")
        );
        add(Due::First, Owner::Lead, words::names(&who, 3), text);
    }
    if !story.parts.proof.broken.is_empty() {
        let n = story.parts.proof.broken.len() as u64;
        let text = format!("{} not hold at the end (see “What is broken”)", words::counted(n, "rule does", "rules do"));
        add(Due::First, Owner::Lead, String::new(), text);
    }
    let probes = &story.parts.proof.probes;
    if probes.lost > 0 {
        let text = format!(
            "{} lost; find out why before anybody moves",
            words::counted(probes.lost, "message was", "messages were")
        );
        add(Due::First, Owner::Lead, String::new(), text);
    }
    for forced in &story.forced {
        let text = format!("The safeguard “{}” was passed by force, because: {}", forced.guard, forced.reason);
        add(Due::Forced, Owner::Lead, forced.target.clone(), text);
    }
    for approval in story.approvals.iter().filter(|a| a.granted == Some(false)) {
        let place = if story.parts.rehearsed { " in the rehearsal" } else { "" };
        add(Due::Decide, Owner::Customer, String::new(), format!("Refused{place}: {}", approval.text));
    }
    for (owner, due, group) in findings(story) {
        let times = if group.count > 1 { format!("{} times: ", words::count(group.count)) } else { String::new() };
        let then = if group.hint.is_empty() { String::new() } else { format!("; {}", group.hint) };
        let text = words::capital(&format!("{times}{}{then}", group.message));
        add(due, owner, words::names(&group.targets, 1), text);
    }
    if !story.parts.proof.messes.is_empty() {
        let n = story.parts.proof.messes.len() as u64;
        let text = format!(
            "Tidy up what is in the way of the move ({}, listed below)",
            words::counted(n, "matter", "matters")
        );
        add(Due::Before, Owner::Directory, String::new(), text);
    }
    let work = &story.parts.proof.work;
    if work.lost > 0 {
        let text = format!(
            "Whether {} may be lost: what people do in the old mailbox after its copy does not come along",
            words::counted(work.lost, "piece of work", "pieces of work")
        );
        add(Due::Decide, Owner::Customer, String::new(), text);
    }
    let (made, of) = story.parts.proof.invented;
    if made > 0 && of > 0 {
        // Never "100 %" while one fact is real.
        let share = match (made as f64 / of as f64 * 100.0).round().min(99.0) {
            _ if made >= of => "All".to_owned(),
            percent => format!("{percent:.0} % of the"),
        };
        let text = format!("{share} facts about the company were made up; rehearse again with the real ones");
        add(Due::Before, Owner::Lead, String::new(), text);
    }
    if !story.parts.proof.settings.is_empty() {
        let n = story.parts.proof.settings.len() as u64;
        let text = format!(
            "Try {} of Microsoft 365 that no public source settles (last page)",
            words::counted(n, "behaviour", "behaviours")
        );
        add(Due::Pilot, Owner::Lead, String::new(), text);
    }
    points.sort_by_key(|p| p.due);
    points
}

/// Findings that ask for something, in plain words, by owner. What concerns a
/// mailbox that is left behind stands there already.
fn findings(story: &Story) -> Vec<(Owner, Due, Group)> {
    let left: std::collections::BTreeSet<String> =
        story.rows(Outcome::Whole).map(|r| r.address.to_lowercase()).collect();
    let mut open: Vec<(u64, &str)> = Vec::new();
    let mut sorted: BTreeMap<(Owner, Due), Groups> = BTreeMap::new();
    let mut add = |step: &str, severity: &str, target: &str, message: &str, hint: &str| {
        let (owner, what, then) = match owners::plain(message) {
            Some(plain) => (plain.owner, plain.what, plain.then),
            None => (owners::owner(step, target), message, hint),
        };
        // What the last step finds is in nobody's way before it.
        let due = match severity {
            "error" => Due::First,
            _ if step.starts_with("decommission") => Due::After,
            _ => Due::Before,
        };
        sorted.entry((owner, due)).or_default().add(severity, target, what, then);
    };
    for note in &story.parts.notes {
        let step = open.last().map_or("", |(_, name)| *name);
        match &note.what {
            What::StepBegan { id, primitive, .. } => open.push((*id, primitive)),
            What::StepEnded { id, .. } => open.retain(|(o, _)| o != id),
            What::Finding { severity, target, message, hint }
                if severity != "info" && !left.contains(&target.to_lowercase()) =>
            {
                add(step, severity, target, message, hint);
            }
            What::Warned { text, hint } => add(step, "warning", "", text, hint),
            _ => {}
        }
    }
    let mut all: Vec<(Owner, Due, Group)> = Vec::new();
    for ((owner, due), groups) in sorted {
        all.extend(groups.finish().into_iter().map(|group| (owner, due, group)));
    }
    all.sort_by_key(|(_, due, group)| (*due, std::cmp::Reverse(group.count)));
    all
}

/// Messages and work: each a count, or that it was not counted.
pub fn mail(story: &Story) -> Vec<Fact> {
    let proof = &story.parts.proof;
    let probes = &proof.probes;
    let none_sent = probes.sent == 0;
    let mut facts = Vec::new();
    let counted = |n: u64| if none_sent { "not counted".to_owned() } else { words::count(n) };
    let sent = if !story.parts.rehearsed {
        "only a rehearsal knows".to_owned()
    } else if none_sent {
        "no trial message was sent".to_owned()
    } else {
        format!("of {}", words::counted(probes.sent, "trial message", "trial messages"))
    };
    facts.push(Fact {
        label: "Messages lost",
        value: counted(probes.lost),
        text: sent,
        named: probes.lost_sample.clone(),
        bad: probes.lost > 0,
    });
    facts.push(Fact {
        label: "Messages late",
        value: counted(probes.delayed),
        text: String::new(),
        named: probes.delayed_sample.clone(),
        bad: false,
    });
    facts.push(Fact {
        label: "Messages in junk",
        value: counted(probes.junk),
        text: String::new(),
        named: probes.junk_sample.clone(),
        bad: false,
    });
    if probes.returned_as_before > 0 {
        facts.push(Fact {
            label: "Returned as ever",
            value: words::count(probes.returned_as_before),
            text: "too large, or for members only; not by the move".into(),
            named: Vec::new(),
            bad: false,
        });
    }
    if !probes.beside.is_empty() {
        facts.push(Fact {
            label: "Lost beside these",
            value: words::count(probes.beside.len() as u64),
            text: "to groups, folders or devices".into(),
            named: probes.beside.clone(),
            bad: true,
        });
    }
    let work = &proof.work;
    if work.made == 0 && work.lost == 0 {
        facts.push(Fact {
            label: "Work lost",
            value: "not counted".into(),
            text: match story.parts.rehearsed {
                true => "nobody worked in the mailboxes of this rehearsal".into(),
                false => "only a rehearsal knows".into(),
            },
            named: Vec::new(),
            bad: false,
        });
    } else {
        facts.push(Fact {
            label: "Work lost",
            value: words::count(work.lost),
            text: work_in_short(work),
            named: work.sample.clone(),
            bad: work.lost > 0,
        });
    }
    if !work.hindered.is_empty() {
        let sum: u64 = work.hindered.values().sum();
        let named = work.hindered.iter().map(|(what, n)| hindered_words(what, *n)).collect();
        facts.push(Fact {
            label: "Hindered",
            value: words::counted(sum, "time", "times"),
            text: "for a while; nothing is lost by it".into(),
            named,
            bad: false,
        });
    }
    facts
}

/// `a delegate could not open the mailbox: 7 times`; the lab may say the times
/// itself, in front of the words.
pub fn hindered_words(what: &str, times: u64) -> String {
    let what = what.strip_prefix("times ").unwrap_or(what);
    format!("{what}: {}", words::counted(times, "time", "times"))
}

/// Kinds of lost work that the first page names.
const KINDS: usize = 3;

/// `of 4,310 things, by 21 people: 12 appointments, 3 drafts`, the largest kinds.
fn work_in_short(work: &Work) -> String {
    let made = format!("of {}", words::counted(work.made, "thing made", "things made"));
    if work.lost == 0 {
        return made;
    }
    let mut kinds: Vec<(&String, &u64)> = work.kinds.iter().collect();
    kinds.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let rest: u64 = kinds.iter().skip(KINDS).map(|(_, n)| **n).sum();
    let mut kinds: Vec<String> =
        kinds.iter().take(KINDS).map(|(kind, n)| format!("{} {kind}", words::count(**n))).collect();
    if rest > 0 {
        kinds.push(format!("{} others", words::count(rest)));
    }
    let kinds = if kinds.is_empty() { String::new() } else { format!(": {}", kinds.join(", ")) };
    format!("{made}, by {}{kinds}", words::counted(work.people, "person", "people"))
}

/// `of 4,310 things that people made, by 21 people: 12 appointments, 3 drafts`.
pub fn work_words(story: &Story) -> String {
    let work = &story.parts.proof.work;
    let made = format!("of {} that people made", words::counted(work.made, "thing", "things"));
    if work.lost == 0 {
        return made;
    }
    let kinds: Vec<String> = work.kinds.iter().map(|(kind, n)| format!("{} {kind}", words::count(*n))).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(": {}", kinds.join(", ")) };
    format!("{made}, lost by {}{kinds}", words::counted(work.people, "person", "people"))
}

/// Who is left behind and why, the most frequent reason first.
pub fn behind(story: &Story) -> Vec<Behind> {
    let mut all: Vec<Behind> = Vec::new();
    for group in &story.left {
        let (owner, why, then) = match owners::plain(&group.message) {
            Some(plain) => (plain.owner, plain.what.to_owned(), plain.then.to_owned()),
            None => (
                owners::owner("", group.targets.first().map_or("", String::as_str)),
                group.message.clone(),
                String::new(),
            ),
        };
        // Two texts of the service may mean the same.
        if let Some(known) = all.iter_mut().find(|b| b.why == why) {
            known.count += group.count;
            known.who.extend(group.targets.iter().cloned());
        } else {
            all.push(Behind { count: group.count, why, then, who: group.targets.clone(), owner });
        }
    }
    all.sort_by_key(|b| std::cmp::Reverse(b.count));
    all
}

#[cfg(test)]
mod tests;
