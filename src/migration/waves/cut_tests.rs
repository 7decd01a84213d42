//! Cuts and divisions, against looking at every one.

use proptest::prelude::*;

use super::super::graph::Bond;
use super::*;

fn graph(size: usize, edges: &[(usize, usize)]) -> Graph {
    let bonds: Vec<Bond> = edges.iter().map(|(owner, delegate)| Bond { owner: *owner, delegate: *delegate }).collect();
    Graph::new(size, &bonds)
}

fn room(parts: usize, members: usize) -> Room {
    Room { parts, members }
}

/// The lightest cut of all, by looking at each.
fn brute(graph: &Graph) -> Option<u64> {
    let size = graph.len();
    (1_u32..(1 << size) - 1).map(|mask| graph.weight_across(|n| mask >> n & 1 == 1)).min()
}

/// The lightest division into parts of at most so many, by looking at each.
fn brute_division(graph: &Graph, limit: usize) -> u64 {
    fn place(graph: &Graph, limit: usize, at: usize, parts: &mut Vec<Vec<usize>>, best: &mut u64) {
        if at == graph.len() {
            *best = (*best).min(weight_between(graph, parts));
            return;
        }
        for part in 0..=parts.len() {
            if part == parts.len() {
                parts.push(Vec::new());
            }
            if parts[part].len() < limit {
                parts[part].push(at);
                place(graph, limit, at + 1, parts, best);
                parts[part].pop();
            }
            if parts.last().is_some_and(Vec::is_empty) {
                parts.pop();
            }
        }
    }
    let mut best = u64::MAX;
    place(graph, limit, 0, &mut Vec::new(), &mut best);
    best
}

/// A circle of people who all work together, from one number on.
fn circle(from: usize, size: usize) -> Vec<(usize, usize)> {
    (from..from + size).flat_map(|a| (from..from + size).filter(move |b| a != *b).map(move |b| (a, b))).collect()
}

#[test]
fn two_circles_are_parted_at_their_bridge() {
    let mut edges = circle(0, 8);
    edges.extend(circle(8, 8));
    edges.push((3, 12));
    let graph = graph(16, &edges);
    assert_eq!(cheapest(&graph), Some(Cut { side: (8..16).collect(), weight: 1 }));
    let division = divide(&graph, room(2, 10), &|part| part.len() <= 10);
    assert_eq!(division.parts, [(0..8).collect::<Vec<_>>(), (8..16).collect()]);
    assert_eq!((division.weight, division.least), (1, 1));
}

#[test]
fn a_leaf_is_no_reason_to_part_a_circle_in_the_wrong_place() {
    // Two circles of 30 and one permission between them; each has a leaf.
    let mut edges = circle(0, 30);
    edges.extend(circle(30, 30));
    edges.extend([(5, 40), (60, 2), (61, 33)]);
    let division = divide(&graph(62, &edges), room(2, 35), &|part| part.len() <= 35);
    assert_eq!(division.weight, 1);
    assert_eq!(division.parts.len(), 2);
}

#[test]
fn of_a_shared_mailbox_with_many_delegates_as_few_as_possible_are_parted() {
    let edges: Vec<(usize, usize)> = (1..250).map(|n| (0, n)).collect();
    let division = divide(&graph(250, &edges), room(3, 100), &|part| part.len() <= 100);
    assert_eq!((division.weight, division.least), (150, 150));
    assert!(division.parts.iter().any(|part| part.len() == 100 && part[0] == 0));
    let large: Vec<(usize, usize)> = (1..2000).map(|n| (0, n)).collect();
    assert_eq!(divide(&graph(2000, &large), room(20, 100), &|part| part.len() <= 100).weight, 1900);
}

#[test]
fn who_fits_nowhere_is_alone() {
    let division = divide(&graph(3, &[(0, 1), (1, 2)]), room(2, 2), &|part| !part.contains(&1));
    assert_eq!(division.parts, [vec![0, 2], vec![1]]);
    assert_eq!(division.weight, 2);
}

fn small() -> impl Strategy<Value = Graph> {
    (2usize..9).prop_flat_map(|size| {
        proptest::collection::vec((0..size, 0..size), 1..24).prop_map(move |mut edges| {
            // A path through all of them makes it one component.
            edges.extend((1..size).map(|n| (n - 1, n)));
            graph(size, &edges)
        })
    })
}

proptest! {
    #[test]
    fn no_cut_is_cheaper_than_the_cheapest(graph in small()) {
        let cut = cheapest(&graph).expect("two nodes can be parted");
        prop_assert_eq!(graph.weight_across(|n| cut.side.contains(&n)), cut.weight);
        prop_assert!(!cut.side.is_empty() && cut.side.len() < graph.len());
        prop_assert_eq!(Some(cut.weight), brute(&graph));
    }

    #[test]
    fn a_small_component_is_divided_as_cheaply_as_it_can_be(graph in small(), limit in 1usize..8) {
        prop_assume!(graph.len() > limit);
        let division = divide(&graph, room(2, limit), &|part| part.len() <= limit);
        prop_assert_eq!(division.weight, brute_division(&graph, limit));
        prop_assert_eq!(division.least, division.weight);
    }

    #[test]
    fn every_division_fits_loses_nobody_and_keeps_its_bound(
        size in 2usize..70, edges in proptest::collection::vec((0usize..70, 0usize..70), 0..150), limit in 1usize..40,
    ) {
        let mut edges: Vec<(usize, usize)> = edges.into_iter().map(|(a, b)| (a % size, b % size)).collect();
        edges.extend((1..size).map(|n| (n / 2, n)));
        let graph = graph(size, &edges);
        let at_least = size.div_ceil(limit);
        prop_assume!(at_least > 1);
        let division = divide(&graph, room(at_least, limit), &|part| part.len() <= limit);
        let mut all: Vec<usize> = division.parts.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..size).collect::<Vec<_>>());
        prop_assert!(division.parts.iter().all(|part| part.len() <= limit));
        prop_assert_eq!(division.weight, weight_between(&graph, &division.parts));
        prop_assert!(division.least <= division.weight && division.least >= at_least as u64 - 1);
        prop_assert_eq!(divide(&graph, room(at_least, limit), &|part| part.len() <= limit), division);
    }
}
