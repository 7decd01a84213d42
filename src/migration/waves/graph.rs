//! Who works in whose mailbox, as a graph: mailboxes are its nodes, permissions
//! its edges, and an edge weighs as many permissions as it stands for.
//!
//! It knows addresses only to build itself; limits and waves are none of its
//! business.

use std::collections::{BTreeMap, HashMap};

use crate::wire::attributes::address_key;

/// Permissions between the mailboxes of a list, by position in the list.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// For each mailbox its neighbours, ascending, with the number of permissions.
    near: Vec<Vec<(usize, u32)>>,
}

/// One permission, by position in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bond {
    /// Whose mailbox.
    pub owner: usize,
    /// Who works in it.
    pub delegate: usize,
}

/// The permissions of which both sides are in the list, in the order given, each
/// once. An address that comes twice in the list counts where it comes first.
pub fn bonds(addresses: &[String], pairs: &[(String, String)]) -> Vec<Bond> {
    if pairs.is_empty() {
        return Vec::new();
    }
    let mut position: HashMap<String, usize> = HashMap::with_capacity(addresses.len());
    for (at, address) in addresses.iter().enumerate() {
        position.entry(address_key(address)).or_insert(at);
    }
    let mut seen = std::collections::HashSet::new();
    let bond = |(owner, delegate): &(String, String)| {
        let (owner, delegate) = (*position.get(&address_key(owner))?, *position.get(&address_key(delegate))?);
        Some(Bond { owner, delegate }).filter(|_| owner != delegate)
    };
    pairs.iter().filter_map(bond).filter(|b| seen.insert((b.owner, b.delegate))).collect()
}

impl Graph {
    /// The graph of so many mailboxes.
    pub fn new(size: usize, bonds: &[Bond]) -> Graph {
        let mut edges: BTreeMap<(usize, usize), u32> = BTreeMap::new();
        for bond in bonds.iter().filter(|b| b.owner < size && b.delegate < size && b.owner != b.delegate) {
            *edges.entry((bond.owner.min(bond.delegate), bond.owner.max(bond.delegate))).or_insert(0) += 1;
        }
        let mut near = vec![Vec::new(); size];
        for ((a, b), weight) in edges {
            for (from, to) in [(a, b), (b, a)] {
                if let Some(list) = near.get_mut(from) {
                    list.push((to, weight));
                }
            }
        }
        near.iter_mut().for_each(|list| list.sort_unstable());
        Graph { near }
    }

    /// How many mailboxes.
    pub fn len(&self) -> usize {
        self.near.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.near.is_empty()
    }

    /// The neighbours of a mailbox, ascending, with the permissions between.
    pub fn near(&self, at: usize) -> &[(usize, u32)] {
        self.near.get(at).map_or(&[], Vec::as_slice)
    }

    /// The same permissions among some of the mailboxes, which are numbered anew
    /// in the order given.
    pub fn among(&self, some: &[usize]) -> Graph {
        let number: HashMap<usize, usize> = some.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let near = some.iter().map(|old| {
            let mut list: Vec<(usize, u32)> =
                self.near(*old).iter().filter_map(|(to, weight)| Some((*number.get(to)?, *weight))).collect();
            list.sort_unstable();
            list
        });
        Graph { near: near.collect() }
    }

    /// Those who belong together, each part ascending, parts in the order of
    /// their first member. Who shares nothing with anybody is a part alone.
    pub fn parts(&self) -> Vec<Vec<usize>> {
        let mut seen = vec![false; self.len()];
        let mut parts = Vec::new();
        for first in 0..self.len() {
            if seen.get(first).copied().unwrap_or(true) {
                continue;
            }
            let mut part = Vec::new();
            let mut ahead = vec![first];
            while let Some(at) = ahead.pop() {
                match seen.get_mut(at) {
                    Some(seen) if !*seen => *seen = true,
                    _ => continue,
                }
                part.push(at);
                ahead.extend(self.near(at).iter().map(|(to, _)| *to));
            }
            part.sort_unstable();
            parts.push(part);
        }
        parts
    }

    /// Permissions between the mailboxes for which `inside` is true and the others.
    pub fn weight_across(&self, inside: impl Fn(usize) -> bool) -> u64 {
        let from =
            |at: usize| self.near(at).iter().filter(|(to, _)| !inside(*to)).map(|(_, w)| u64::from(*w)).sum::<u64>();
        (0..self.len()).filter(|at| inside(*at)).map(from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bonds_are_found_whatever_the_case_and_outsiders_bind_nobody() {
        let list = ["a@x.y", "b@x.y", "A@X.Y", "c@x.y"].map(str::to_owned);
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let pairs = [
            pair("B@x.y", "a@x.y"),
            pair("a@x.y", "smtp:b@x.y"),
            pair("b@x.y", "A@x.y"),
            pair("c@x.y", "z@x.y"),
            pair("a@x.y", "A@x.y"),
        ];
        let bonds = bonds(&list, &pairs);
        assert_eq!(bonds, [Bond { owner: 1, delegate: 0 }, Bond { owner: 0, delegate: 1 }]);
        let graph = Graph::new(4, &bonds);
        assert_eq!(graph.near(0), [(1, 2)]);
        assert_eq!(graph.parts(), [vec![0, 1], vec![2], vec![3]]);
        assert_eq!(graph.weight_across(|at| at == 1), 2);
        assert_eq!(graph.among(&[3, 1, 0]).near(1), [(2, 2)]);
    }
}
