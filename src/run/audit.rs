//! Whether a journal is what was written: every event hashed again, every link
//! of the chain, every number.
//!
//! Pure over rows as they are kept, so that each kind of damage can be made and
//! found without a file. It says what is wrong and where; it mends nothing, and
//! says nothing about events that somebody appended in the proper way, or about a
//! chain made anew by somebody who had the file: only a head that was noted down
//! elsewhere finds that.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::journal::{Kind as EventKind, link};
use crate::base::{Failure, Kind, Result, Timestamp};

/// An event as its columns are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Position, from 1.
    pub number: i64,
    /// Name of the project.
    pub project: String,
    /// Tenant id.
    pub tenant: String,
    /// Id of the run.
    pub run: String,
    /// Word of the kind.
    pub kind: String,
    /// When.
    pub time: String,
    /// `convert_to_mail_user`, …
    pub operation: String,
    /// The object.
    pub target: String,
    /// JSON.
    pub body: String,
    /// The hash beside it.
    pub hash: String,
}

impl Kept {
    /// What it hashes to after an event of this hash, if it had this number.
    pub fn hashed(&self, before: &str, number: i64) -> String {
        let number = number.to_string();
        link([
            before,
            &self.project,
            &self.tenant,
            &self.run,
            &number,
            &self.kind,
            &self.time,
            &self.operation,
            &self.target,
            &self.body,
        ])
    }

    /// `outcome set_mx contoso.com MX`
    fn label(&self) -> String {
        let parts = [&self.kind, &self.operation, &self.target];
        parts.into_iter().filter(|p| !p.is_empty()).cloned().collect::<Vec<_>>().join(" ")
    }

    /// What of it no build can have written; the hash may fit all the same.
    fn odd(&self) -> Option<String> {
        if EventKind::of_word(&self.kind).is_none() {
            return Some(format!("its kind is `{}`", self.kind));
        }
        if self.time.parse::<Timestamp>().is_err() {
            return Some(format!("its time is `{}`", self.time));
        }
        serde_json::from_str::<serde_json::Value>(&self.body).is_err().then(|| "its body is no JSON".to_owned())
    }
}

/// What happened to a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// An event, or its hash, was changed.
    Edited,
    /// Events are gone.
    Missing,
    /// Events were put in.
    Inserted,
    /// Events stand in another order.
    OutOfOrder,
    /// The noted head is not in the chain.
    Head,
    /// A table made from the events says something else than they do.
    Projection,
    /// What keeps the table of events from being changed is not as it was made.
    Schema,
}

impl Harm {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Harm::Edited => "edited",
            Harm::Missing => "missing",
            Harm::Inserted => "inserted",
            Harm::OutOfOrder => "out of order",
            Harm::Head => "head",
            Harm::Projection => "table",
            Harm::Schema => "schema",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// What happened.
    pub kind: Harm,
    /// Number of the first event concerned; 0 if it is about none.
    pub first: i64,
    /// Number of the last.
    pub last: i64,
    /// A sentence.
    pub text: String,
}

impl Damage {
    /// Of events from `first` to `last`; 0 for none.
    pub fn new(kind: Harm, first: i64, last: i64, text: impl Into<String>) -> Damage {
        Damage { kind, first, last, text: text.into() }
    }
}

/// A head that somebody noted down: `1204:9f3c…`, or the hash alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Number of the last event then.
    pub number: Option<i64>,
    /// Its hash, or the first 16 digits of it at least.
    pub hash: String,
}

impl Noted {
    /// Reads what was noted.
    ///
    /// # Errors
    /// `usage`: it is no head.
    pub fn parse(text: &str) -> Result<Noted> {
        let fault = || {
            Failure::new(Kind::Usage, format!("`{text}` is no head of a journal"))
                .hint("give what `stagepost audit head` printed, `60:9f3c…`, or 16 digits of the hash at least")
        };
        let text = text.trim();
        let (number, hash) = match text.split_once(':') {
            Some((number, hash)) => (Some(number.parse::<i64>().map_err(|_| fault())?), hash),
            None => (None, text),
        };
        let is_hash = (16..=64).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_hash || number.is_some_and(|n| n < 1) {
            return Err(fault());
        }
        Ok(Noted { number, hash: hash.to_ascii_lowercase() })
    }
}

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Events that are there.
    pub events: u64,
    /// Number and hash of the last event.
    pub head: Option<(i64, String)>,
    /// The event of the noted head, if it was found: what stands up to it is what
    /// stood there then.
    pub noted_at: Option<i64>,
    /// Everything that is wrong, by the numbers of the events.
    pub damage: Vec<Damage>,
}

/// Rows whose place is searched for at most; beyond, they are called edited.
const SEARCHED: usize = 32;
/// How far beside its place an event is looked for as the rows go by.
const NEAR: i64 = 8;
/// How far when all were seen.
const FAR: usize = 500;

/// Takes the rows of a journal in by number and judges them.
pub struct Verifier {
    noted: Option<Noted>,
    /// Number and kept hash of each row so far.
    seen: Vec<(i64, String)>,
    /// What the row before hashes to, where that is not what is kept.
    computed: Option<String>,
    /// By how much the rows are moved that go by now.
    shift: Option<i64>,
    shifted: BTreeMap<i64, i64>,
    wrong: BTreeMap<i64, String>,
    searched: Vec<(usize, Kept)>,
    searches: usize,
    damage: Vec<Damage>,
    found: Option<i64>,
}

impl Verifier {
    /// Before the first row.
    pub fn new(noted: Option<Noted>) -> Verifier {
        Verifier {
            noted,
            seen: Vec::new(),
            computed: None,
            shift: None,
            shifted: BTreeMap::new(),
            wrong: BTreeMap::new(),
            searched: Vec::new(),
            searches: 0,
            damage: Vec::new(),
            found: None,
        }
    }

    /// Takes one more row.
    pub fn take(&mut self, row: Kept) {
        let (last, before) = self.seen.last().map_or((0, ""), |(n, h)| (*n, h.as_str()));
        let number = row.number;
        let gap = number > last + 1;
        if gap {
            self.damage.push(Damage::new(Harm::Missing, last + 1, number - 1, missing(last + 1, number - 1)));
        } else if number <= last {
            let text = format!("the number {number} stands twice");
            self.damage.push(Damage::new(Harm::Inserted, number, number, text));
        }
        let own = row.hashed(before, number);
        let fits = own == row.hash;
        if fits {
            (self.computed, self.shift) = (None, None);
            self.look_for_head(&row);
            if let Some(odd) = row.odd() {
                let text = format!("event {number} ({}) can't have been written by stagepost: {odd}", row.label());
                self.damage.push(Damage::new(Harm::Edited, number, number, text));
            }
        } else if gap || self.computed.as_ref().is_some_and(|c| row.hashed(c, number) == row.hash) {
            // After a gap nothing says what it should hash to; after an edited hash
            // it is right itself.
            (self.computed, self.shift) = (None, None);
        } else {
            let by = self.shift.filter(|by| row.hashed(before, number - by) == row.hash);
            self.computed = Some(own);
            match by.or_else(|| self.moved_near(&row)) {
                Some(by) => {
                    self.shift = Some(by);
                    self.shifted.insert(number, by);
                }
                None => {
                    self.shift = None;
                    self.wrong.insert(number, row.label());
                    if self.searched.len() < SEARCHED {
                        self.searched.push((self.seen.len(), row.clone()));
                    }
                }
            }
        }
        self.seen.push((number, row.hash));
    }

    fn look_for_head(&mut self, row: &Kept) {
        if self.noted.as_ref().is_some_and(|noted| row.hash.starts_with(&noted.hash)) {
            self.found = Some(row.number);
        }
    }

    /// By how much a row was moved, if it comes from a place close by.
    fn moved_near(&mut self, row: &Kept) -> Option<i64> {
        if self.searches >= 2 * SEARCHED {
            return None;
        }
        self.searches += 1;
        let first = String::new();
        let befores: Vec<&String> =
            self.seen.iter().rev().take(9).map(|(_, hash)| hash).chain(std::iter::once(&first)).collect();
        (1..=NEAR)
            .flat_map(|by| [by, -by])
            .find(|by| befores.iter().any(|b| row.hashed(b, row.number - by) == row.hash))
    }

    /// The verdict over all rows.
    pub fn finish(mut self) -> Verdict {
        self.place_the_rest();
        self.name_what_moved();
        for (number, label) in std::mem::take(&mut self.wrong) {
            let before = if number > 1 {
                format!(", or event {} before it was, with its hash", number - 1)
            } else {
                String::new()
            };
            let text = format!("event {number} ({label}) was edited{before}");
            self.damage.push(Damage::new(Harm::Edited, number, number, text));
        }
        self.judge_head();
        self.damage.sort_by_key(|d| (d.first, d.kind));
        Verdict {
            events: self.seen.len() as u64,
            head: self.seen.last().cloned(),
            noted_at: self.found,
            damage: self.damage,
        }
    }

    /// Looks for the place from which each odd row came, now that all are known.
    fn place_the_rest(&mut self) {
        for (at, row) in std::mem::take(&mut self.searched) {
            let near = self.seen.get(at.saturating_sub(FAR)..(at + FAR).min(self.seen.len())).unwrap_or_default();
            let place = near.iter().find_map(|(number, hash)| {
                [number + 1, *number, row.number].into_iter().find(|n| row.hashed(hash, *n) == row.hash)
            });
            let place = place.or_else(|| (row.hashed("", 1) == row.hash).then_some(1));
            match place {
                // It stands where it stood; what was before it doesn't.
                Some(number) if number == row.number => {
                    self.wrong.remove(&row.number);
                }
                Some(number) => {
                    self.wrong.remove(&row.number);
                    self.shifted.insert(row.number, row.number - number);
                }
                None => {}
            }
        }
    }

    /// Makes sentences of what was moved: rows numbered anew tell of events put in
    /// or taken out before them.
    fn name_what_moved(&mut self) {
        let signs: BTreeSet<i64> = self.shifted.values().map(|by| by.signum()).collect();
        let mut blocks: Vec<(i64, i64, i64)> = Vec::new();
        for (number, by) in &self.shifted {
            match blocks.last_mut() {
                Some((_, last, of)) if *of == *by && *last + 1 == *number => *last = *number,
                _ => blocks.push((*number, *number, *by)),
            }
        }
        if signs.len() > 1 {
            if let (Some(first), Some(last)) = (self.shifted.keys().next(), self.shifted.keys().next_back()) {
                let text = format!("events {first} to {last} don't stand in the order in which they were written");
                self.damage.push(Damage::new(Harm::OutOfOrder, *first, *last, text));
            }
            return;
        }
        let mut so_far = 0;
        for (first, last, by) in blocks {
            let more = by - so_far;
            so_far = by;
            let damage = if more > 0 {
                let (from, to) = ((first - more).max(1), first - 1);
                (from..=to).for_each(|n| drop(self.wrong.remove(&n)));
                let which =
                    if from == to { format!("event {from} was") } else { format!("events {from} to {to} were") };
                let text = format!("{which} put in: those from {first} to {last} had other numbers");
                Damage::new(Harm::Inserted, from, to, text)
            } else {
                // The first after the hole can't be told from an edited one.
                self.wrong.remove(&(first - 1));
                let gone = match -more {
                    1 => "an event is missing".to_owned(),
                    n => format!("{n} events are missing"),
                };
                let text = format!("{gone} before event {}: those up to {last} had other numbers", first - 1);
                Damage::new(Harm::Missing, first - 1, first - 1, text)
            };
            self.damage.push(damage);
        }
    }

    fn judge_head(&mut self) {
        let Some(noted) = self.noted.as_ref().filter(|_| self.found.is_none()) else { return };
        let last = self.seen.last().map_or(0, |(n, _)| *n);
        let damage = match noted.number {
            Some(number) if last < number => {
                let text = format!(
                    "the journal ends with event {last} and had {number} when the head was noted: the end was cut off"
                );
                Damage::new(Harm::Head, last + 1, number, text)
            }
            Some(number) => {
                let text = format!(
                    "event {number} isn't the one that was noted: the chain was made anew from it or from an earlier \
                     event, or the head is of another journal"
                );
                Damage::new(Harm::Head, number, number, text)
            }
            None => {
                let text = "the noted head isn't in the chain: the end was cut off, the chain was made anew, or the \
                            head is of another journal";
                Damage::new(Harm::Head, 0, 0, text)
            }
        };
        self.damage.push(damage);
    }
}

fn missing(from: i64, to: i64) -> String {
    if from == to { format!("event {from} is missing") } else { format!("events {from} to {to} are missing") }
}

#[cfg(test)]
mod tests;
