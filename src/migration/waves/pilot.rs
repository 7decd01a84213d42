//! Who goes first: a few mailboxes, and among them one of each kind, so that what
//! nobody thought of hurts few and shows early.
//!
//! A pair of delegates, a shared mailbox, a room, a large mailbox and somebody with
//! a phone, as far as that is known; then the first of the list. It parts people
//! who work together only where everybody does.

use super::fit::{Limits, load_of};
use super::{Kind, Member};

/// What a pilot should have one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Somebody who works in somebody's mailbox, with that mailbox.
    Delegates,
    /// A shared mailbox.
    Shared,
    /// A room or a piece of equipment.
    Room,
    /// The largest mailbox that fits.
    Large,
    /// Somebody whose phone has to be set up anew.
    Phone,
}

impl Sort {
    const ALL: [Sort; 5] = [Sort::Delegates, Sort::Shared, Sort::Room, Sort::Large, Sort::Phone];

    /// As a person says it.
    pub fn words(self) -> &'static str {
        match self {
            Sort::Delegates => "a pair of delegates",
            Sort::Shared => "a shared mailbox",
            Sort::Room => "a room",
            Sort::Large => "the largest mailbox that fits",
            Sort::Phone => "somebody with a phone",
        }
    }
}

/// A pilot, and who is left for the waves after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pilot {
    /// Who, by position in the list.
    pub rows: Vec<usize>,
    /// Which kinds are in it.
    pub has: Vec<Sort>,
    /// Which kinds are in the list and found no room.
    pub lacks: Vec<Sort>,
    /// Whether people who belong together were parted for it.
    pub parts: bool,
}

/// Chooses a pilot of at most `size` mailboxes among groups that belong together,
/// and takes it out of them.
pub fn choose(groups: &mut Vec<Vec<usize>>, members: &[Member], size: usize, limits: &Limits) -> Pilot {
    let loads: Vec<_> = super::loads(members);
    let fits = |rows: &[usize]| rows.len() <= size && limits.hold(&load_of(rows, &loads));
    let small: Vec<usize> = groups.iter().enumerate().filter(|(_, g)| fits(g)).map(|(at, _)| at).collect();
    let largest = small.iter().filter_map(|at| groups.get(*at)).flatten();
    let largest = largest.filter_map(|row| members.get(*row)?.bytes).max();
    let sorts = |group: &[usize]| -> Vec<Sort> {
        let any = |is: &dyn Fn(&Member) -> bool| group.iter().filter_map(|row| members.get(*row)).any(is);
        let is = |sort: &Sort| match sort {
            Sort::Delegates => group.len() > 1,
            Sort::Shared => any(&|m| m.kind == Some(Kind::Shared)),
            Sort::Room => any(&|m| matches!(m.kind, Some(Kind::Room | Kind::Equipment))),
            Sort::Large => largest.is_some() && any(&|m| m.bytes == largest),
            Sort::Phone => any(&|m| m.phone == Some(true)),
        };
        Sort::ALL.into_iter().filter(is).collect()
    };
    let offered: Vec<(usize, Vec<Sort>)> = {
        let each = small.iter().filter_map(|at| Some((*at, sorts(groups.get(*at)?))));
        each.filter(|(_, sorts)| !sorts.is_empty()).collect()
    };
    let mut pilot = Pilot::default();
    let mut chosen = std::collections::BTreeSet::new();
    let room_for = |pilot: &Pilot, group: &[usize]| fits(&[pilot.rows.as_slice(), group].concat());
    // Whoever brings most of what is missing, in few mailboxes, first of the list.
    loop {
        let missing = |sorts: &[Sort]| sorts.iter().filter(|s| !pilot.has.contains(s)).count();
        let open = offered
            .iter()
            .filter(|(at, sorts)| missing(sorts) > 0 && groups.get(*at).is_some_and(|group| room_for(&pilot, group)));
        let best = open.min_by_key(|(at, sorts)| {
            let first = Sort::ALL.iter().position(|s| sorts.contains(s) && !pilot.has.contains(s));
            (std::cmp::Reverse(missing(sorts)), first, groups.get(*at).map_or(0, Vec::len), *at)
        });
        let Some((at, sorts)) = best else { break };
        pilot.rows.extend(groups.get(*at).into_iter().flatten());
        pilot.has.extend(sorts);
        pilot.has.sort_unstable();
        pilot.has.dedup();
        chosen.insert(*at);
    }
    for at in small {
        if pilot.rows.len() >= size {
            break;
        }
        if let Some(group) = groups.get(at).filter(|g| !chosen.contains(&at) && room_for(&pilot, g)) {
            pilot.rows.extend(group);
            chosen.insert(at);
        }
    }
    let anywhere: Vec<Sort> = offered.into_iter().flat_map(|(_, sorts)| sorts).collect();
    pilot.lacks = Sort::ALL.into_iter().filter(|s| anywhere.contains(s) && !pilot.has.contains(s)).collect();
    let mut at = 0;
    groups.retain(|_| {
        at += 1;
        !chosen.contains(&(at - 1))
    });
    if pilot.rows.is_empty()
        && let Some(first) = groups.first_mut()
    {
        let tail = first.split_off(size.min(first.len()));
        pilot.rows = std::mem::replace(first, tail);
        pilot.parts = true;
        groups.retain(|group| !group.is_empty());
    }
    pilot.rows.sort_unstable();
    pilot
}
