//! Where people who work together are parted when they are more than a wave
//! holds: where the fewest permissions cross.
//!
//! The cheapest cut of a component in two is found properly, by Stoer and
//! Wagner's algorithm (J. ACM 44, 1997), up to [`EXACT`] mailboxes. A division
//! into parts that each fit into a wave is a harder question, which has an exact
//! answer only for very small components; beyond, it is good and not proved to
//! be best, and [`Division::least`] says what no division can do better than.
//! What fits is asked; limits are not known here. Equal input is divided equally.

use std::collections::{BTreeMap, BinaryHeap};

use super::graph::Graph;

/// Most mailboxes of a component whose cheapest cut is found properly: some eight
/// million comparisons.
pub const EXACT: usize = 200;

/// Most mailboxes for which every division is looked at: some half a million.
const EVERY: usize = 12;

/// A cut of a connected graph in two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// One side, ascending; the other side has the rest.
    pub side: Vec<usize>,
    /// Permissions that cross.
    pub weight: u64,
}

/// The cheapest cut of a graph in two sides, of which neither is empty. `None`
/// for fewer than two nodes. A graph in several parts has a cut of weight 0.
pub fn cheapest(graph: &Graph) -> Option<Cut> {
    phases(graph).into_iter().min_by(|a, b| (a.weight, &a.side).cmp(&(b.weight, &b.side)))
}

/// The cut of each phase of the algorithm: the lightest of them is the lightest
/// of all.
fn phases(graph: &Graph) -> Vec<Cut> {
    let size = graph.len();
    let mut weight = vec![vec![0_u64; size]; size];
    for (a, row) in weight.iter_mut().enumerate() {
        for (b, w) in graph.near(a) {
            if let Some(cell) = row.get_mut(*b) {
                *cell = u64::from(*w);
            }
        }
    }
    let between = |weight: &[Vec<u64>], a: usize, b: usize| weight.get(a).and_then(|r| r.get(b)).copied().unwrap_or(0);
    let mut merged: Vec<Vec<usize>> = (0..size).map(|n| vec![n]).collect();
    let mut alive: Vec<usize> = (0..size).collect();
    let mut cuts = Vec::new();
    while alive.len() > 1 {
        // Whoever is bound most to those taken so far is taken next.
        let mut pull: BTreeMap<usize, u64> = alive.iter().map(|n| (*n, 0)).collect();
        let (mut before, mut last, mut heavy) = (None, None, 0);
        while let Some((next, bound)) = pull.iter().map(|(n, w)| (*n, *w)).max_by_key(|(n, w)| (*w, usize::MAX - n)) {
            pull.remove(&next);
            for (other, w) in &mut pull {
                *w += between(&weight, next, *other);
            }
            (before, last, heavy) = (last, Some(next), bound);
        }
        let (Some(before), Some(last)) = (before, last) else { break };
        let mut side = merged.get(last).cloned().unwrap_or_default();
        side.sort_unstable();
        cuts.push(Cut { side, weight: heavy });
        // The last two become one.
        for other in alive.iter().copied().filter(|n| *n != before && *n != last) {
            let sum = between(&weight, before, other) + between(&weight, last, other);
            for (a, b) in [(before, other), (other, before)] {
                if let Some(cell) = weight.get_mut(a).and_then(|r| r.get_mut(b)) {
                    *cell = sum;
                }
            }
        }
        let absorbed = merged.get_mut(last).map(std::mem::take).unwrap_or_default();
        if let Some(into) = merged.get_mut(before) {
            into.extend(absorbed);
        }
        alive.retain(|n| *n != last);
    }
    cuts
}

/// A component divided into parts that fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// The parts, each ascending, in the order of their first members.
    pub parts: Vec<Vec<usize>>,
    /// Permissions between the parts.
    pub weight: u64,
    /// Permissions that cross in any division into parts that fit.
    pub least: u64,
}

/// What is known of every division that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// It has no fewer parts.
    pub parts: usize,
    /// None of its parts has more members.
    pub members: usize,
}

/// Divides a connected graph into parts that fit. A node that doesn't fit alone
/// is a part alone.
pub fn divide(graph: &Graph, room: Room, fits: &dyn Fn(&[usize]) -> bool) -> Division {
    let all: Vec<usize> = (0..graph.len()).collect();
    let mut ready: Vec<Vec<usize>> = Vec::new();
    let mut ahead = vec![all];
    let mut cheapest = None;
    while let Some(part) = ahead.pop() {
        if part.len() == 1 || fits(&part) {
            ready.push(part);
            continue;
        }
        let inner = graph.among(&part);
        let outer = |side: &[usize]| side.iter().filter_map(|n| part.get(*n).copied()).collect::<Vec<usize>>();
        let is_whole = part.len() == graph.len();
        if part.len() <= EVERY {
            ready.extend(of_all(&inner, &|some| fits(&outer(some))).iter().map(|some| outer(some)));
            if is_whole {
                return whole(graph, ready, None);
            }
            continue;
        }
        let phases = if part.len() <= EXACT { phases(&inner) } else { Vec::new() };
        if is_whole {
            cheapest = phases.iter().map(|c| c.weight).min();
        }
        let side = sparsest(&inner, phases);
        let rest: Vec<usize> = (0..inner.len()).filter(|n| side.binary_search(n).is_err()).collect();
        for half in [rest, side] {
            // What hangs together no more needs no room together.
            let half = outer(&half);
            let pieces = graph.among(&half).parts();
            ahead
                .extend(pieces.into_iter().map(|p| p.iter().filter_map(|n| half.get(*n).copied()).collect::<Vec<_>>()));
        }
    }
    // Each part is cut off from the rest by no less than the cheapest cut, and
    // each permission that crosses belongs to two parts.
    let count = room.parts.max(2) as u64;
    let least = (count - 1).max((count * cheapest.unwrap_or(1)).div_ceil(2)).max(least_of_one(graph, room.members));
    whole(graph, refined(graph, merged(graph, ready, fits), fits), Some(least))
}

/// Permissions of a single mailbox that cross in any division: a part has room for
/// so many of its neighbours, at best for those who share most with it.
fn least_of_one(graph: &Graph, members: usize) -> u64 {
    let of = |at: usize| {
        let mut weights: Vec<u64> = graph.near(at).iter().map(|(_, w)| u64::from(*w)).collect();
        weights.sort_unstable_by(|a, b| b.cmp(a));
        weights.into_iter().skip(members.saturating_sub(1)).sum::<u64>()
    };
    (0..graph.len()).map(of).max().unwrap_or(0)
}

/// The division into these parts; without a bound it is the best that there is.
fn whole(graph: &Graph, mut parts: Vec<Vec<usize>>, least: Option<u64>) -> Division {
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts.sort();
    let weight = weight_between(graph, &parts);
    Division { parts, weight, least: least.map_or(weight, |least| least.min(weight)) }
}

/// Permissions between parts.
pub fn weight_between(graph: &Graph, parts: &[Vec<usize>]) -> u64 {
    let of = owner_of(graph.len(), parts);
    let mut weight = 0;
    for at in 0..graph.len() {
        let across = graph.near(at).iter().filter(|(to, _)| at < *to && of.get(*to) != of.get(at));
        weight += across.map(|(_, w)| u64::from(*w)).sum::<u64>();
    }
    weight
}

/// The part of each node.
fn owner_of(size: usize, parts: &[Vec<usize>]) -> Vec<usize> {
    let mut of = vec![usize::MAX; size];
    for (number, part) in parts.iter().enumerate() {
        for at in part {
            if let Some(slot) = of.get_mut(*at) {
                *slot = number;
            }
        }
    }
    of
}

/// The best of all divisions into parts that fit: the one that keeps most
/// permissions inside, and of equal ones one with few parts. Who doesn't fit
/// alone is a part alone.
fn of_all(graph: &Graph, fits: &dyn Fn(&[usize]) -> bool) -> Vec<Vec<usize>> {
    let size = graph.len();
    let full = (1_usize << size) - 1;
    let members = |set: usize| (0..size).filter(move |n| set >> n & 1 == 1);
    // What a set keeps inside, if it may be a part.
    let inside: Vec<Option<u64>> = (0..=full)
        .map(|set| {
            let some: Vec<usize> = members(set).collect();
            let kept = some.iter().flat_map(|n| graph.near(*n)).filter(|(to, _)| set >> to & 1 == 1);
            let kept = kept.map(|(_, w)| u64::from(*w)).sum::<u64>() / 2;
            (some.len() == 1 || (!some.is_empty() && fits(&some))).then_some(kept)
        })
        .collect();
    let kept = |set: usize| inside.get(set).copied().flatten();
    // For each set: what its best division keeps, in how many parts, and the
    // part of its lowest member.
    let mut best: Vec<(u64, usize, usize)> = vec![(0, 0, 0); full + 1];
    for set in 1..=full {
        let lowest = set & set.wrapping_neg();
        let others = set ^ lowest;
        let mut more = others;
        let mut found = (0, usize::MAX, lowest);
        loop {
            let part = more | lowest;
            if let (Some(mine), Some((theirs, count, _))) = (kept(part), best.get(set ^ part)) {
                let (sum, count) = (mine + theirs, count + 1);
                if sum > found.0 || (sum == found.0 && count < found.1) {
                    found = (sum, count, part);
                }
            }
            if more == 0 {
                break;
            }
            more = (more - 1) & others;
        }
        if let Some(slot) = best.get_mut(set) {
            *slot = found;
        }
    }
    let mut parts = Vec::new();
    let mut rest = full;
    while let Some((_, _, part)) = best.get(rest).filter(|_| rest != 0) {
        parts.push(members(*part).collect());
        rest ^= part;
    }
    parts
}

/// The cut with the fewest permissions for each mailbox of its smaller side,
/// among those of the algorithm and those met while a side grows: a cheap cut
/// that takes off one person alone brings nobody nearer to a wave.
fn sparsest(graph: &Graph, phases: Vec<Cut>) -> Vec<usize> {
    let size = graph.len();
    let mut best: Option<(u64, usize, Vec<usize>)> = None;
    let mut offer = |weight: u64, side: &[usize]| {
        let smaller = side.len().min(size - side.len());
        if smaller == 0 {
            return;
        }
        let better = best.as_ref().is_none_or(|(w, s, _)| {
            let (mine, theirs) = (u128::from(weight) * *s as u128, u128::from(*w) * smaller as u128);
            mine < theirs || (mine == theirs && smaller > *s)
        });
        if better {
            best = Some((weight, smaller, side.to_vec()));
        }
    };
    for cut in phases {
        offer(cut.weight, &cut.side);
    }
    let seeds = if size <= 10 * EXACT { 8 } else { 2 };
    for seed in (0..size).step_by(size.div_ceil(seeds).max(1)) {
        grow(graph, seed, &mut offer);
    }
    let mut side = best.map_or_else(|| vec![0], |(_, _, side)| side);
    side.sort_unstable();
    side
}

/// Lets a side grow from a node, always by whoever is bound most to it, and
/// offers those sides on the way that could be the best of it.
fn grow(graph: &Graph, seed: usize, offer: &mut impl FnMut(u64, &[usize])) {
    let size = graph.len();
    let mut pull = vec![0_u64; size];
    let mut inside = vec![false; size];
    let mut heap = BinaryHeap::from([(0_u64, usize::MAX - seed)]);
    let mut order = Vec::with_capacity(size);
    let mut across = Vec::with_capacity(size);
    let mut weight = 0_u64;
    while let Some((bound, turned)) = heap.pop() {
        let at = usize::MAX - turned;
        let stale = inside.get(at).copied().unwrap_or(true) || pull.get(at).is_none_or(|p| *p != bound);
        if stale {
            continue;
        }
        if let Some(flag) = inside.get_mut(at) {
            *flag = true;
        }
        order.push(at);
        let whole: u64 = graph.near(at).iter().map(|(_, w)| u64::from(*w)).sum();
        weight = weight + whole - 2 * bound;
        across.push(weight);
        for (to, w) in graph.near(at) {
            if !inside.get(*to).copied().unwrap_or(true)
                && let Some(pull) = pull.get_mut(*to)
            {
                *pull += u64::from(*w);
                heap.push((*pull, usize::MAX - to));
            }
        }
    }
    // Copies of a side are dear, so only the best of this growth is offered.
    let score = |at: usize, weight: u64| {
        let smaller = (at + 1).min(size - at - 1).max(1);
        weight as f64 / smaller as f64
    };
    let best = across.iter().enumerate().filter(|(at, _)| at + 1 < size);
    let best = best.min_by(|a, b| {
        let middle = |at: usize| (2 * (at + 1)).abs_diff(size);
        score(a.0, *a.1).total_cmp(&score(b.0, *b.1)).then(middle(a.0).cmp(&middle(b.0)))
    });
    if let Some((at, weight)) = best {
        offer(*weight, order.get(..=at).unwrap_or_default());
    }
}

/// Parts put together again where the union fits, those with most permissions
/// between them first.
fn merged(graph: &Graph, mut parts: Vec<Vec<usize>>, fits: &dyn Fn(&[usize]) -> bool) -> Vec<Vec<usize>> {
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts.sort();
    let mut refused = std::collections::BTreeSet::new();
    let of = owner_of(graph.len(), &parts);
    let mut between: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for at in 0..graph.len() {
        for (to, w) in graph.near(at).iter().filter(|(to, _)| at < *to) {
            if let (Some(a), Some(b)) = (of.get(at), of.get(*to))
                && a != b
            {
                *between.entry((*a.min(b), *a.max(b))).or_insert(0) += u64::from(*w);
            }
        }
    }
    loop {
        let open = between.iter().filter(|(pair, _)| !refused.contains(*pair));
        let Some((a, b)) = open.max_by_key(|(pair, w)| (**w, std::cmp::Reverse(**pair))).map(|(pair, _)| *pair) else {
            break;
        };
        let (Some(first), Some(second)) = (parts.get(a), parts.get(b)) else { break };
        let mut union = [first.as_slice(), second.as_slice()].concat();
        union.sort_unstable();
        if !fits(&union) {
            // Both can only grow, so this pair never fits.
            refused.insert((a, b));
            continue;
        }
        if let Some(slot) = parts.get_mut(a) {
            *slot = union;
        }
        if let Some(slot) = parts.get_mut(b) {
            slot.clear();
        }
        let moved: Vec<((usize, usize), u64)> =
            between.iter().filter(|((x, y), _)| *x == b || *y == b).map(|(pair, w)| (*pair, *w)).collect();
        for ((x, y), w) in moved {
            between.remove(&(x, y));
            let other = if x == b { y } else { x };
            if other != a {
                *between.entry((a.min(other), a.max(other))).or_insert(0) += w;
            }
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Single mailboxes moved to the part that they are bound to more, as long as
/// that saves permissions.
fn refined(graph: &Graph, mut parts: Vec<Vec<usize>>, fits: &dyn Fn(&[usize]) -> bool) -> Vec<Vec<usize>> {
    let mut of = owner_of(graph.len(), &parts);
    for _ in 0..4 {
        let mut moved = false;
        for at in 0..graph.len() {
            let mut to_part: BTreeMap<usize, u64> = BTreeMap::new();
            for (to, w) in graph.near(at) {
                if let Some(part) = of.get(*to) {
                    *to_part.entry(*part).or_insert(0) += u64::from(*w);
                }
            }
            let Some(own) = of.get(at).copied() else { continue };
            let kept = to_part.get(&own).copied().unwrap_or(0);
            let better = to_part.iter().filter(|(part, w)| **part != own && **w > kept);
            let Some((target, _)) = better.max_by_key(|(part, w)| (**w, std::cmp::Reverse(**part))) else { continue };
            let mut grown = parts.get(*target).cloned().unwrap_or_default();
            grown.push(at);
            if !fits(&grown) {
                continue;
            }
            if let Some(slot) = parts.get_mut(own) {
                slot.retain(|n| *n != at);
            }
            if let (Some(slot), Some(mine)) = (parts.get_mut(*target), of.get_mut(at)) {
                *slot = grown;
                *mine = *target;
            }
            moved = true;
        }
        if !moved {
            break;
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
#[path = "cut_tests.rs"]
mod tests;
