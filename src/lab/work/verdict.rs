//! What of people's work is lost, judged by where everybody ended.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{KINDS, Kind};
use crate::lab::World;
use crate::wire::lab::{Outcome, Work};

/// How many losses are named.
const SAMPLE: usize = 12;
/// A conversion later than this after the copy loses work by delay, in seconds.
const PATIENCE: i64 = 4 * 86_400;

/// One person's lost work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// By kind.
    pub kinds: [u64; KINDS],
    /// What of it was made more than four days after the copy.
    pub by_delay: u64,
}

impl Verdict {
    /// Everything together.
    pub fn all(&self) -> u64 {
        self.kinds.iter().sum()
    }

    /// `12 sent messages, 1 draft`; empty for nothing.
    pub fn words(&self) -> String {
        let parts = Kind::ALL.iter().zip(self.kinds).filter(|(_, n)| *n > 0);
        parts
            .map(|(kind, n)| format!("{n} {}", if n == 1 { kind.words().0 } else { kind.words().1 }))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// What of a person's work is lost if it ends so.
pub fn lost_of(world: &World, place: usize, outcome: Outcome) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(desk) = world.office.desks.get(place) else { return verdict };
    let home =
        world.index.names.get(place).and_then(|k| world.directory.get(k)).is_some_and(|o| o.entry.has("homeMDB"));
    let stays = outcome == Outcome::Whole || (outcome == Outcome::Broken && home);
    if stays {
        for (count, made) in verdict.kinds.iter_mut().zip(desk.cloud) {
            *count = u64::from(made);
        }
        return verdict;
    }
    let address = world.company.list.get(place).map(|a| a.to_lowercase()).unwrap_or_default();
    let copied = world.history.get(&address).and_then(|h| h.copy_ended);
    let late = copied.map_or(i64::MAX, |t: Timestamp| t.as_second() - world.began.as_second() + PATIENCE);
    for piece in &desk.late {
        if let Some(count) = verdict.kinds.get_mut(piece.kind as usize) {
            *count += 1;
        }
        verdict.by_delay += u64::from(i64::from(piece.at) > late);
    }
    verdict
}

/// All lost work together, of (address, verdict) in list order.
pub fn told<'a>(world: &World, people: impl Iterator<Item = (&'a str, &'a Verdict)>) -> Work {
    let mut work = Work { made: world.office.made, ..Work::default() };
    let mut sums = [0u64; KINDS];
    let mut worst: Vec<(u64, &str, String)> = Vec::new();
    for (address, verdict) in people.filter(|(_, v)| v.all() > 0) {
        work.lost += verdict.all();
        work.people += 1;
        for (sum, n) in sums.iter_mut().zip(verdict.kinds) {
            *sum += n;
        }
        worst.push((verdict.all(), address, verdict.words()));
    }
    worst.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    work.sample = worst.iter().take(SAMPLE).map(|(_, address, words)| format!("{address}: {words}")).collect();
    let words = |(kind, n): (&Kind, u64)| {
        (n > 0).then(|| ((if n == 1 { kind.words().0 } else { kind.words().1 }).to_owned(), n))
    };
    work.kinds = Kind::ALL.iter().zip(sums).filter_map(words).collect::<BTreeMap<_, _>>();
    work.hindered = world.office.hindered.iter().map(|(what, n)| ((*what).to_owned(), *n)).collect();
    work
}
