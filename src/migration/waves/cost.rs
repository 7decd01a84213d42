//! What a plan parts, and what each wave costs.
//!
//! Counted when the waves are known: pieces of a component may have met in a wave
//! again. It changes no wave.

use std::collections::{BTreeSet, HashMap};

use super::expect::{self, Expected, Pace};
use super::fit::{self, Parted};
use super::graph::Bond;
use super::{Member, Wave, loads};
use crate::wire::attributes::address_key;

/// People who work together and were parted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Severed {
    /// How many people belong together.
    pub people: usize,
    /// The permissions between different waves.
    pub crossing: Vec<Bond>,
    /// Permissions that cross in any division into waves.
    pub least: u64,
    /// The waves that they are in, by position in the plan.
    pub waves: Vec<usize>,
}

/// Who was parted, once the waves are known: pieces of a component may have met in
/// a wave again.
pub(super) fn severed(waves: &[Wave], parted: &[Parted], bonds: &[Bond], size: usize) -> Vec<Severed> {
    let mut wave_of = vec![usize::MAX; size];
    for (number, wave) in waves.iter().enumerate() {
        for row in &wave.rows {
            if let Some(slot) = wave_of.get_mut(*row) {
                *slot = number;
            }
        }
    }
    let of = |row: usize| wave_of.get(row).copied().unwrap_or(usize::MAX);
    let one = |parted: &Parted| {
        let inside = |row: usize| parted.rows.binary_search(&row).is_ok();
        let crossing: Vec<Bond> = bonds
            .iter()
            .filter(|b| inside(b.owner) && inside(b.delegate) && of(b.owner) != of(b.delegate))
            .copied()
            .collect();
        let waves: BTreeSet<usize> = parted.rows.iter().map(|row| of(*row)).collect();
        let least = parted.least.min(crossing.len() as u64);
        Severed { people: parted.rows.len(), crossing, least, waves: waves.into_iter().collect() }
    };
    parted.iter().map(one).filter(|s| !s.crossing.is_empty()).collect()
}

/// The permissions that cross, each once: the wave of the owner and that of the
/// delegate, `None` for who is in no wave. `waves` are positions in the list.
pub fn crossings(
    waves: &[&[usize]],
    members: &[Member],
    delegates: &[(String, String)],
) -> Vec<(Option<usize>, Option<usize>)> {
    let mut wave_of: HashMap<String, usize> = HashMap::with_capacity(members.len());
    for (number, rows) in waves.iter().enumerate() {
        wave_of.extend(rows.iter().filter_map(|row| Some((address_key(&members.get(*row)?.address), number))));
    }
    let once: BTreeSet<(String, String)> = delegates.iter().map(|(a, b)| (address_key(a), address_key(b))).collect();
    let sides = once.iter().map(|(owner, delegate)| (wave_of.get(owner).copied(), wave_of.get(delegate).copied()));
    sides.filter(|(owner, delegate)| owner != delegate).collect()
}

/// What is expected of each wave. `waves` are positions in the list; `look` hours
/// pass at most between the end of a copy and the conversion that follows it.
/// Permissions count if their owner or delegate is in the list.
pub fn expected(
    waves: &[&[usize]],
    members: &[Member],
    delegates: &[(String, String)],
    pace: Option<&Pace>,
    look: f64,
) -> Vec<Expected> {
    let mut crossing = vec![0_usize; waves.len()];
    for (owner, delegate) in crossings(waves, members, delegates) {
        for side in [owner, delegate].into_iter().flatten() {
            if let Some(count) = crossing.get_mut(side) {
                *count += 1;
            }
        }
    }
    let loads = loads(members);
    let one = |(rows, crossing): (&&[usize], usize)| {
        let load = fit::load_of(rows, &loads);
        let inside = || rows.iter().filter_map(|row| members.get(*row));
        let unsized_mailboxes = inside().filter(|m| m.bytes.is_none()).count();
        let known = members.iter().any(|m| m.bytes.is_some());
        let without_old_mail = pace.filter(|_| known).map(|pace| load.hours(pace));
        Expected {
            seats: rows.len(),
            profiles: inside().filter(|m| m.has_desk()).count(),
            bytes: known.then_some(load.bytes),
            unsized_mailboxes,
            without_old_mail,
            apart: without_old_mail.map(|hours| hours + look),
            days: if known && pace.is_none() { expect::published_days(load.largest) } else { None },
            crossing,
        }
    };
    waves.iter().zip(crossing).map(one).collect()
}
