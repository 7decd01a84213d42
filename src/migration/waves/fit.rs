//! What fits into a wave, and which wave takes whom.
//!
//! Whole groups go into the first wave that has room for all of them, in the order
//! of the list; a group larger than a wave is divided first. It keeps limits and
//! chooses none.

use super::cut;
use super::expect::{Load, Pace};
use super::graph::Graph;

/// What a wave may hold. A mailbox that exceeds a limit alone is a wave of its own.
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

    /// The number of waves below which nothing could hold this.
    fn waves_for(&self, load: &Load) -> usize {
        let of = |all: usize, most: usize| all.div_ceil(most.max(1));
        let by_bytes = self.bytes.map_or(1, |most| load.bytes.div_ceil(most.max(1)) as usize);
        let desks = self.helpdesk.map_or(1, |most| of(load.desks, most));
        of(load.mailboxes, self.at_most).max(desks).max(by_bytes).max(1)
    }
}

/// Mailboxes that go in one wave, by position in the list, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Who.
    pub rows: Vec<usize>,
    /// The component that it was cut from, if it was.
    pub cut: Option<usize>,
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

/// Groups as pieces that fit; those that were cut, in order.
pub fn pieces(groups: &[Vec<usize>], graph: &Graph, loads: &[Load], limits: &Limits) -> (Vec<Piece>, Vec<Parted>) {
    let mut pieces = Vec::with_capacity(groups.len());
    let mut parted = Vec::new();
    for group in groups {
        let load = load_of(group, loads);
        if group.len() <= 1 || limits.hold(&load) {
            pieces.push(Piece { rows: group.clone(), cut: None });
            continue;
        }
        let rows = |some: &[usize]| some.iter().filter_map(|n| group.get(*n).copied()).collect::<Vec<usize>>();
        // One that fits nowhere takes a wave without filling it.
        let too_large = group.iter().any(|row| !limits.hold(&load_of(&[*row], loads)));
        let at_least = if too_large { 2 } else { limits.waves_for(&load) };
        let division = cut::divide(&graph.among(group), at_least, &|some| limits.hold(&load_of(&rows(some), loads)));
        pieces.extend(division.parts.iter().map(|part| Piece { rows: rows(part), cut: Some(parted.len()) }));
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
pub fn pack(pieces: &[Piece], loads: &[Load], limits: &Limits, room: usize) -> Option<Vec<Packed>> {
    let mut waves: Vec<Packed> = Vec::new();
    // Waves before this one are full; without it a company of single people
    // would look into every wave for each of them.
    let mut open = 0;
    for piece in pieces {
        let load = load_of(&piece.rows, loads);
        let fits = waves.iter().skip(open).position(|wave| limits.hold(&wave.load.with(load)));
        let at = fits.map_or(waves.len(), |at| at + open);
        if at == waves.len() {
            if at == room {
                return None;
            }
            waves.push(Packed::default());
        }
        if let Some(wave) = waves.get_mut(at) {
            wave.rows.extend_from_slice(&piece.rows);
            wave.load = wave.load.with(load);
        }
        while waves.get(open).is_some_and(|wave| wave.load.mailboxes >= limits.at_most) {
            open += 1;
        }
    }
    Some(waves)
}
