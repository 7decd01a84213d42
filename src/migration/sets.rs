//! How carefully a set is written: a few first, then the rest in groups, and
//! when failures end it.
//!
//! The numbers are settings of the project, on by default. The gate walks the
//! stages and counts; what a count means is decided here.

use serde::{Deserialize, Serialize};

/// Most objects whose intents are committed at a time.
pub const MOST: usize = 64;

/// `[sets]` of stagepost.toml.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sets {
    /// Sizes of the first groups.
    pub first: Vec<usize>,
    /// Most objects of every group after them.
    pub group: usize,
    /// So many equal failures of our own writes end a set.
    pub equal_failures: usize,
    /// More failures than this share of the set, in percent, end it …
    pub failed_share: usize,
    /// … once there are so many.
    pub failed_least: usize,
}

impl Default for Sets {
    fn default() -> Self {
        Sets { first: vec![1, 5], group: MOST, equal_failures: 3, failed_share: 2, failed_least: 3 }
    }
}

impl Sets {
    /// What of the settings makes no sense: the setting, a sentence, and what to
    /// write instead.
    pub fn fault(&self) -> Option<(&'static str, String, &'static str)> {
        if self.first.len() > 10 || self.first.iter().any(|n| !(1..=MOST).contains(n)) {
            let first: Vec<String> = self.first.iter().map(usize::to_string).collect();
            return Some((
                "first",
                format!("the first groups of a set can't be [{}]", first.join(", ")),
                "write at most ten numbers from 1 to 64, such as [1, 5]",
            ));
        }
        let bounds = [
            ("group", self.group, MOST, "a group can't hold", "write a number from 1 to 64"),
            ("equal_failures", self.equal_failures, 1000, "a set can't end after", "write a number from 1 to 1000"),
            ("failed_least", self.failed_least, 1000, "a set can't end after", "write a number from 1 to 1000"),
        ];
        for (name, value, most, text, hint) in bounds {
            if !(1..=most).contains(&value) {
                return Some((name, format!("{text} {value}"), hint));
            }
        }
        (self.failed_share > 100).then(|| {
            ("failed_share", format!("{} % is more than all", self.failed_share), "write a number from 0 to 100")
        })
    }

    /// The sizes of the groups in which a set of so many is written.
    pub fn stages(&self, total: usize) -> Vec<usize> {
        let mut left = total;
        let mut stages = Vec::new();
        let mut first = self.first.iter();
        while left > 0 {
            let size = first.next().copied().unwrap_or(self.group).clamp(1, MOST).min(left);
            stages.push(size);
            left -= size;
        }
        stages
    }

    /// Whether so many failures, of which at most `equal` are equal, end a set.
    pub fn ends(&self, failed: usize, equal: usize, total: usize) -> bool {
        equal >= self.equal_failures || (failed >= self.failed_least && failed * 100 > self.failed_share * total)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sets_go_one_then_five_then_groups() {
        let sets = Sets::default();
        assert_eq!(sets.stages(0), Vec::<usize>::new());
        assert_eq!(sets.stages(1), [1]);
        assert_eq!(sets.stages(4), [1, 3]);
        assert_eq!(sets.stages(100), [1, 5, 64, 30]);
        assert_eq!(Sets { first: vec![2], group: 3, ..sets }.stages(9), [2, 3, 3, 1]);
    }

    #[test]
    fn three_equal_failures_or_more_than_two_percent_end_a_set() {
        let sets = Sets::default();
        assert!(!sets.ends(2, 2, 10) && sets.ends(3, 3, 10_000));
        assert!(!sets.ends(3, 1, 150) && sets.ends(3, 1, 149));
        let patient = Sets { equal_failures: 10, failed_share: 50, ..sets };
        assert!(!patient.ends(9, 9, 20) && patient.ends(11, 9, 20) && patient.ends(10, 10, 1000));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let faulty = |change: &dyn Fn(&mut Sets)| {
            let mut sets = Sets::default();
            change(&mut sets);
            sets.fault().map(|(name, ..)| name)
        };
        assert_eq!(Sets::default().fault(), None);
        assert_eq!(faulty(&|s| s.first = vec![]), None, "straight to the groups");
        assert_eq!(faulty(&|s| s.first = vec![1, 65]), Some("first"));
        assert_eq!(faulty(&|s| s.group = 65), Some("group"));
        assert_eq!(faulty(&|s| s.group = 0), Some("group"));
        assert_eq!(faulty(&|s| s.equal_failures = 0), Some("equal_failures"));
        assert_eq!(faulty(&|s| s.failed_least = 1001), Some("failed_least"));
        assert_eq!(faulty(&|s| s.failed_share = 101), Some("failed_share"));
    }

    proptest! {
        #[test]
        fn every_object_is_in_one_group_and_none_is_too_large(
            total in 0_usize..5000, first in proptest::collection::vec(1_usize..=64, 0..10), group in 1_usize..=64,
        ) {
            let sets = Sets { first, group, ..Sets::default() };
            prop_assert_eq!(sets.fault(), None);
            let stages = sets.stages(total);
            prop_assert_eq!(stages.iter().sum::<usize>(), total);
            prop_assert!(stages.iter().all(|n| (1..=MOST).contains(n)));
        }
    }
}
