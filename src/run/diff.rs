//! The difference of two texts, line by line, in the unified form that everybody
//! reads.
//!
//! For scripts and settings of some hundred lines; of texts that have little in
//! common it doesn't look for the shortest form.

use std::fmt::Write as _;

/// Lines around a difference.
const CONTEXT: usize = 3;

/// Most cells of the table that finds what two texts have in common.
const CELLS: usize = 4 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Old,
    New,
}

/// The unified difference; empty if the lines are the same.
pub fn unified(name: &str, old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let edits = edits(&a, &b);
    if edits.iter().all(|e| *e == Edit::Keep) {
        return String::new();
    }
    let mut out = format!("--- {name}, as the run began\n+++ {name}, as it is now\n");
    // Places before each edit, in both texts.
    let (mut at, mut places) = ((0, 0), Vec::with_capacity(edits.len()));
    for edit in &edits {
        places.push(at);
        at.0 += usize::from(*edit != Edit::New);
        at.1 += usize::from(*edit != Edit::Old);
    }
    let mut next = 0;
    while let Some(first) = edits.iter().skip(next).position(|e| *e != Edit::Keep).map(|n| n + next) {
        let mut last = first;
        while let Some(more) =
            edits.iter().enumerate().skip(last + 1).take(2 * CONTEXT + 1).find(|(_, e)| **e != Edit::Keep)
        {
            last = more.0;
        }
        let (from, to) = (first.saturating_sub(CONTEXT), (last + CONTEXT + 1).min(edits.len()));
        let hunk = edits.get(from..to).unwrap_or_default();
        let count = |not: Edit| hunk.iter().filter(|e| **e != not).count();
        let (from_a, from_b) = places.get(from).copied().unwrap_or_default();
        // The field counts lines from 1; of nothing, it names the line before.
        let start = |place: usize, count: usize| if count == 0 { place } else { place + 1 };
        let (of_a, of_b) = (count(Edit::New), count(Edit::Old));
        let _ = writeln!(out, "@@ -{},{of_a} +{},{of_b} @@", start(from_a, of_a), start(from_b, of_b));
        for (edit, (x, y)) in hunk.iter().zip(places.iter().skip(from)) {
            let (mark, line) = match edit {
                Edit::Keep => (' ', a.get(*x)),
                Edit::Old => ('-', a.get(*x)),
                Edit::New => ('+', b.get(*y)),
            };
            let _ = writeln!(out, "{mark}{}", line.copied().unwrap_or_default());
        }
        next = to;
    }
    out
}

/// How the first becomes the second.
fn edits(a: &[&str], b: &[&str]) -> Vec<Edit> {
    let same = |(x, y): &(&&str, &&str)| x == y;
    let head = a.iter().zip(b).take_while(same).count();
    let (rest_a, rest_b) = (a.get(head..).unwrap_or_default(), b.get(head..).unwrap_or_default());
    let tail = rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(same).count();
    let middle_a = rest_a.get(..rest_a.len() - tail).unwrap_or_default();
    let middle_b = rest_b.get(..rest_b.len() - tail).unwrap_or_default();
    let mut edits = vec![Edit::Keep; head];
    edits.extend(middle(middle_a, middle_b));
    edits.extend(std::iter::repeat_n(Edit::Keep, tail));
    edits
}

/// As [`edits`], by the longest common part.
fn middle(a: &[&str], b: &[&str]) -> Vec<Edit> {
    let apart = || {
        let old = std::iter::repeat_n(Edit::Old, a.len());
        old.chain(std::iter::repeat_n(Edit::New, b.len())).collect()
    };
    if a.is_empty() || b.is_empty() || a.len().saturating_mul(b.len()) > CELLS {
        return apart();
    }
    // common[i][j]: lines that a from i on and b from j on have in common.
    let width = b.len() + 1;
    let mut common = vec![0u32; (a.len() + 1) * width];
    let cell = |table: &[u32], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or(0);
    for (i, x) in a.iter().enumerate().rev() {
        for (j, y) in b.iter().enumerate().rev() {
            let best = if x == y {
                cell(&common, i + 1, j + 1) + 1
            } else {
                cell(&common, i + 1, j).max(cell(&common, i, j + 1))
            };
            if let Some(slot) = common.get_mut(i * width + j) {
                *slot = best;
            }
        }
    }
    let (mut i, mut j, mut edits) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        if x == y {
            edits.push(Edit::Keep);
            (i, j) = (i + 1, j + 1);
        } else if cell(&common, i + 1, j) >= cell(&common, i, j + 1) {
            edits.push(Edit::Old);
            i += 1;
        } else {
            edits.push(Edit::New);
            j += 1;
        }
    }
    edits.extend(std::iter::repeat_n(Edit::Old, a.len() - i));
    edits.extend(std::iter::repeat_n(Edit::New, b.len() - j));
    edits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_difference_reads_as_people_know_it() {
        let old = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";
        let new = "one\ntwo\n2 and a half\nthree\nfour\nfive\nsix\n";
        assert_eq!(
            unified("a.rhai", old, new),
            "--- a.rhai, as the run began\n+++ a.rhai, as it is now\n@@ -1,7 +1,7 @@\n one\n two\n+2 and a half\n three\n four\n five\n six\n-seven\n"
        );
        assert_eq!(unified("a", old, old), "");
        assert_eq!(unified("a", "", "x\n").lines().nth(2), Some("@@ -0,0 +1,1 @@"));
    }

    proptest! {
        #[test]
        fn the_edits_lead_from_one_to_the_other(a in proptest::collection::vec("[ab]{0,2}", 0..30), b in proptest::collection::vec("[ab]{0,2}", 0..30)) {
            let (a, b): (Vec<&str>, Vec<&str>) = (a.iter().map(String::as_str).collect(), b.iter().map(String::as_str).collect());
            let (mut i, mut j, mut made) = (0, 0, Vec::new());
            for edit in edits(&a, &b) {
                match edit {
                    Edit::Keep => { prop_assert_eq!(a[i], b[j]); made.push(a[i]); i += 1; j += 1; }
                    Edit::Old => i += 1,
                    Edit::New => { made.push(b[j]); j += 1; }
                }
            }
            prop_assert_eq!((i, made), (a.len(), b));
        }
    }
}
