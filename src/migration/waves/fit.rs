//! What fits into a wave, and which wave takes whom.
//!
//! Whole groups go into the first wave that has room for all of them, in the order
//! of the list; a group larger than a wave is divided first. It keeps limits and
//! chooses none.

use super::cut::{self, Room};
use super::expect::{Load, Pace};
use super::graph::Graph;

/// What a wave may hold. Mailboxes that exceed a window alone go in waves of their
/// own, with those who belong to them: see [`Limits::without_window`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Mailboxes.
    pub at_most: usize,
    /// People at a desk: those whom the help desk can serve in a day.
    pub helpdesk: Option<usize>,
    /// Bytes.
    pub bytes: Option<u64>,
    /// Hours of the change window, in which the copy has to be complete.
    pub hours: Option<(f64, Pace)>,
}

impl Limits {
    /// Whether a wave may hold this.
    pub fn hold(&self, load: &Load) -> bool {
        load.mailboxes <= self.at_most
            && self.helpdesk.is_none_or(|most| load.desks <= most)
            && self.bytes.is_none_or(|most| load.bytes <= most)
            && self.hours.is_none_or(|(most, pace)| load.hours(&pace) <= most)
    }

    /// The limits but for hours and bytes.
    pub fn without_window(&self) -> Limits {
        Limits { bytes: None, hours: None, ..*self }
    }

    /// What is known of every division of this into waves.
    fn room_for(&self, load: &Load) -> Room {
        // Who has no desk takes nothing of the help desk's day.
        let desks = self.helpdesk.map_or(usize::MAX, |most| most.saturating_add(load.mailboxes - load.desks));
        Room { parts: self.waves_for(load), members: self.at_most.min(desks) }
    }

    /// The number of waves below which nothing could hold this.
    fn waves_for(&self, load: &Load) -> usize {
        let of = |all: usize, most: usize| all.div_ceil(most.max(1));
        let by_bytes = self.bytes.map_or(1, |most| load.bytes.div_ceil(most.max(1)) as usize);
        let desks = self.helpdesk.map_or(1, |most| of(load.desks, most));
        of(load.mailboxes, self.at_most).max(desks).max(by_bytes).max(1)
    }
}

/// A component that was cut: its people, and what no division could do better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parted {
    /// Who, ascending.
    pub rows: Vec<usize>,
    /// Permissions that cross in any division.
    pub least: u64,
}

/// The load of some rows; rows beyond the end weigh nothing.
pub fn load_of(rows: &[usize], loads: &[Load]) -> Load {
    rows.iter().filter_map(|row| loads.get(*row)).fold(Load::default(), |sum, load| sum.with(*load))
}

/// Groups as pieces that fit, each by position in the list; and those that were
/// cut, in order.
pub fn pieces(groups: &[Vec<usize>], graph: &Graph, loads: &[Load], limits: &Limits) -> (Vec<Vec<usize>>, Vec<Parted>) {
    let mut pieces = Vec::with_capacity(groups.len());
    let mut parted = Vec::new();
    for group in groups {
        let load = load_of(group, loads);
        if group.len() <= 1 || limits.hold(&load) {
            pieces.push(group.clone());
            continue;
        }
        let rows = |some: &[usize]| some.iter().filter_map(|n| group.get(*n).copied()).collect::<Vec<usize>>();
        let division =
            cut::divide(&graph.among(group), limits.room_for(&load), &|some| limits.hold(&load_of(&rows(some), loads)));
        pieces.extend(division.parts.iter().map(|part| rows(part)));
        parted.push(Parted { rows: group.clone(), least: division.least });
    }
    (pieces, parted)
}

/// A wave as it fills.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    /// Who, in the order of packing.
    pub rows: Vec<usize>,
    /// What they weigh together.
    pub load: Load,
}

/// First fit, in the order of the pieces; `None` if more than `room` waves would
/// be needed.
pub fn pack(pieces: &[Vec<usize>], loads: &[Load], limits: &Limits, room: usize) -> Option<Vec<Packed>> {
    let mut waves: Vec<Packed> = Vec::new();
    // Waves before this one are full; without it a company of single people
    // would look into every wave for each of them.
    let mut open = 0;
    for piece in pieces {
        let load = load_of(piece, loads);
        let fits = waves.iter().skip(open).position(|wave| limits.hold(&wave.load.with(load)));
        let at = fits.map_or(waves.len(), |at| at + open);
        if at == waves.len() {
            if at == room {
                return None;
            }
            waves.push(Packed::default());
        }
        if let Some(wave) = waves.get_mut(at) {
            wave.rows.extend_from_slice(piece);
            wave.load = wave.load.with(load);
        }
        while waves.get(open).is_some_and(|wave| wave.load.mailboxes >= limits.at_most) {
            open += 1;
        }
    }
    Some(waves)
}
