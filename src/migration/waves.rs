//! Which mailboxes go in which wave.
//!
//! A pilot first; people who work in each other's mailboxes in one wave,
//! because delegation works inside each side only (KB2807149); otherwise list
//! order. A tenant holds 100 batches and none may go before the mail switch, so
//! a large company gets larger waves instead of more. The same input gives the
//! same waves. When a wave runs is decided elsewhere.

use std::collections::BTreeMap;

use super::list::ROWS_PER_FILE;
use crate::wire::attributes::address_key;

/// Batches that a tenant holds (Get-MigrationConfig, MaxNumberOfBatches).
pub const BATCHES_PER_TENANT: usize = 100;

/// What a plan has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: list order alone.
    Nothing,
    /// People who work in each other's mailboxes stay together.
    Delegates,
}

impl Keep {
    /// `nothing` or `delegates`.
    pub fn of_word(word: &str) -> Option<Keep> {
        match word {
            "nothing" => Some(Keep::Nothing),
            "delegates" => Some(Keep::Delegates),
            _ => None,
        }
    }
}

/// How waves are made.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Mailboxes of the first wave; 0 for no pilot.
    pub pilot: usize,
    /// Most mailboxes of a wave, unless that made too many waves.
    pub at_most: usize,
    /// What stays together.
    pub keep: Keep,
    /// Most waves, the pilot among them.
    pub batches: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { pilot: 5, at_most: 100, keep: Keep::Delegates, batches: 90 }
    }
}

/// One wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// `wave-01`, in the order in which they go.
    pub name: String,
    /// Addresses in list order.
    pub addresses: Vec<String>,
    /// What a person should know of how it was made; mostly empty.
    pub remarks: Vec<String>,
}

/// Why no plan can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// `at_most` or `batches` is zero.
    NoRoom,
    /// More mailboxes than the waves can hold.
    TooMany {
        /// Mailboxes.
        mailboxes: usize,
        /// What fits.
        fits: usize,
    },
}

impl std::fmt::Display for Impossible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Impossible::NoRoom => f.write_str("waves need room: at_most and batches must be at least 1"),
            Impossible::TooMany { mailboxes, fits } => {
                write!(f, "{mailboxes} mailboxes don't fit into the batches of one tenant, which take {fits}")
            }
        }
    }
}

impl std::error::Error for Impossible {}

/// Plans the waves. `delegates` are pairs (owner, delegate); pairs of which one
/// is not in the list bind nobody.
///
/// # Errors
/// The rules leave no room for the list.
pub fn plan(addresses: &[String], delegates: &[(String, String)], rules: &Rules) -> Result<Vec<Wave>, Impossible> {
    if rules.at_most == 0 || rules.batches == 0 {
        return Err(Impossible::NoRoom);
    }
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let pairs = if rules.keep == Keep::Delegates { delegates } else { &[] };
    let groups = groups(addresses, pairs);
    // Few people and one batch: the pilot is all there is.
    let has_pilot = rules.pilot > 0 && rules.pilot < addresses.len() && rules.batches > 1;
    let (pilot, rest) = if has_pilot { take_pilot(groups, rules.pilot) } else { (None, groups) };
    let room = rules.batches - usize::from(pilot.is_some());
    let count: usize = rest.iter().map(Vec::len).sum();
    let wanted = rules.at_most.min(ROWS_PER_FILE);
    let mut limit = wanted.max(count.div_ceil(room)).min(ROWS_PER_FILE);
    let packed = loop {
        let packed = pack(&rest, limit);
        if packed.len() <= room {
            break packed;
        }
        if limit == ROWS_PER_FILE {
            return Err(Impossible::TooMany { mailboxes: addresses.len(), fits: room * ROWS_PER_FILE });
        }
        // Groups leave gaps, so the even share may not be enough.
        limit = (limit + limit.div_ceil(10)).min(ROWS_PER_FILE);
    };
    let mut waves: Vec<(Vec<usize>, Vec<String>)> = pilot.into_iter().chain(packed).collect();
    let biggest = waves.iter().map(|(rows, _)| rows.len()).max().unwrap_or(0);
    if biggest > wanted
        && let Some((_, remarks)) = waves.first_mut()
    {
        remarks.push(format!(
            "waves hold up to {biggest} mailboxes instead of {wanted}: more than {} batches would not fit into the tenant",
            rules.batches
        ));
    }
    let digits = waves.len().to_string().len().max(2);
    let wave = |(index, (mut rows, remarks)): (usize, (Vec<usize>, Vec<String>))| {
        rows.sort_unstable();
        let addresses = rows.into_iter().filter_map(|row| addresses.get(row).cloned()).collect();
        Wave { name: name(index + 1, digits), addresses, remarks }
    };
    Ok(waves.into_iter().enumerate().map(wave).collect())
}

/// The name of a wave by its number, with at least so many digits.
pub fn name(number: usize, digits: usize) -> String {
    format!("wave-{number:0digits$}")
}

/// The number in a name that [`name`] made; `None` for any other name.
pub fn number(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("wave-").filter(|d| !d.is_empty() && d.chars().all(|c| c.is_ascii_digit()))?;
    digits.parse().ok()
}

/// Positions of those who belong together, each group ascending, groups in the
/// order of their first member.
fn groups(addresses: &[String], pairs: &[(String, String)]) -> Vec<Vec<usize>> {
    let mut position = BTreeMap::new();
    for (index, address) in addresses.iter().enumerate() {
        position.entry(address_key(address)).or_insert(index);
    }
    // The smallest position of a group stands for it.
    let mut leader: Vec<usize> = (0..addresses.len()).collect();
    fn root(leader: &mut [usize], mut at: usize) -> usize {
        while let Some(up) = leader.get(at).copied().filter(|up| *up != at) {
            let above = leader.get(up).copied().unwrap_or(up);
            if let Some(slot) = leader.get_mut(at) {
                *slot = above;
            }
            at = up;
        }
        at
    }
    for (owner, delegate) in pairs {
        let (Some(a), Some(b)) = (position.get(&address_key(owner)), position.get(&address_key(delegate))) else {
            continue;
        };
        let (a, b) = (root(&mut leader, *a), root(&mut leader, *b));
        if let Some(slot) = leader.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for index in position.into_values() {
        groups.entry(root(&mut leader, index)).or_default().push(index);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    groups.iter_mut().for_each(|g| g.sort_unstable());
    groups
}

type Packed = (Vec<usize>, Vec<String>);

/// Whole groups that fit, in list order. If none does, the first people of the
/// list without regard to their groups.
fn take_pilot(groups: Vec<Vec<usize>>, size: usize) -> (Option<Packed>, Vec<Vec<usize>>) {
    let mut pilot = Vec::new();
    let mut rest = Vec::new();
    for group in groups {
        if pilot.len() + group.len() <= size {
            pilot.extend(group);
        } else {
            rest.push(group);
        }
    }
    if !pilot.is_empty() {
        return (Some((pilot, Vec::new())), rest);
    }
    let Some(first) = rest.first_mut() else { return (None, rest) };
    let tail = first.split_off(size.min(first.len()));
    let pilot = std::mem::replace(first, tail);
    let remark = "everybody works in somebody's mailbox, so the pilot parts people who belong together".to_owned();
    (Some((pilot, vec![remark])), rest)
}

/// First fit: each group into the first wave that has room for all of it. A
/// group larger than a wave is cut by list order.
fn pack(groups: &[Vec<usize>], limit: usize) -> Vec<Packed> {
    let mut waves: Vec<Packed> = Vec::new();
    // Waves before this one are full; without it a company of single people
    // would look into every wave for each of them.
    let mut open = 0;
    for group in groups {
        let pieces: Vec<&[usize]> = group.chunks(limit).collect();
        let cut = pieces.len() > 1;
        for piece in pieces {
            let fits =
                waves.iter().skip(open).position(|(rows, _)| rows.len() + piece.len() <= limit).map(|at| at + open);
            let at = fits.unwrap_or(waves.len());
            if at == waves.len() {
                waves.push((Vec::new(), Vec::new()));
            }
            let Some((rows, remarks)) = waves.get_mut(at) else { continue };
            rows.extend_from_slice(piece);
            if cut {
                remarks.push(format!("{} people who work in each other's mailboxes are more than a wave holds and were cut by list order", group.len()));
            }
        }
        while waves.get(open).is_some_and(|(rows, _)| rows.len() >= limit) {
            open += 1;
        }
    }
    waves
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn people(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("user{n:06}@contoso.test")).collect()
    }

    #[test]
    fn a_pilot_and_full_waves_in_list_order() {
        let waves = plan(&people(2000), &[], &Rules::default()).expect("2,000 fit");
        assert_eq!(waves.len(), 21);
        assert_eq!((waves[0].name.as_str(), waves[0].addresses.len()), ("wave-01", 5));
        assert_eq!((waves[20].name.as_str(), waves[20].addresses.len()), ("wave-21", 95));
        assert!(waves.iter().all(|w| w.remarks.is_empty()));
        let all: Vec<String> = waves.into_iter().flat_map(|w| w.addresses).collect();
        assert_eq!(all, people(2000));
    }

    #[test]
    fn one_person_is_one_wave() {
        let waves = plan(&people(1), &[], &Rules::default()).expect("one fits");
        assert_eq!(waves.len(), 1);
        assert!(plan(&[], &[], &Rules::default()).is_ok_and(|w| w.is_empty()));
    }

    #[test]
    fn delegates_go_together_whatever_the_case() {
        let list = people(20);
        let pairs = [
            (list[0].to_uppercase(), list[19].clone()),
            (list[19].clone(), list[7].clone()),
            (list[3].clone(), "x@y.z".into()),
        ];
        let waves = plan(&list, &pairs, &Rules { pilot: 2, at_most: 6, ..Rules::default() }).expect("20 fit");
        assert_eq!(waves[0].addresses, [list[1].clone(), list[2].clone()]);
        let with = waves.iter().find(|w| w.addresses.contains(&list[0])).expect("everybody goes");
        assert!(with.addresses.contains(&list[7]) && with.addresses.contains(&list[19]));
        let apart = Rules { pilot: 2, at_most: 6, keep: Keep::Nothing, ..Rules::default() };
        assert_eq!(plan(&list, &pairs, &apart).expect("20 fit")[0].addresses, list[..2]);
    }

    #[test]
    fn a_group_larger_than_a_wave_is_cut_and_says_so() {
        let list = people(12);
        let pairs: Vec<_> = list.windows(2).map(|w| (w[0].clone(), w[1].clone())).collect();
        let waves = plan(&list, &pairs, &Rules { pilot: 2, at_most: 4, ..Rules::default() }).expect("12 fit");
        assert!(waves[0].remarks.iter().any(|r| r.contains("pilot")));
        assert!(waves[1].remarks.iter().any(|r| r.contains("cut")));
        assert_eq!(waves.iter().map(|w| w.addresses.len()).sum::<usize>(), 12);
    }

    #[test]
    fn a_large_company_gets_larger_waves_not_more() {
        let waves = plan(&people(30_000), &[], &Rules::default()).expect("30,000 fit");
        assert!(waves.len() <= 90);
        assert!(waves.iter().all(|w| w.addresses.len() <= ROWS_PER_FILE));
        assert!(waves[0].remarks.iter().any(|r| r.contains("instead of 100")));
        let many = plan(&people(200_000), &[], &Rules::default());
        assert_eq!(many, Err(Impossible::TooMany { mailboxes: 200_000, fits: 89 * ROWS_PER_FILE }));
    }

    proptest! {
        #[test]
        fn everybody_goes_once_and_no_wave_is_too_large(
            count in 1usize..300,
            pairs in proptest::collection::vec((0usize..300, 0usize..300), 0..60),
            pilot in 0usize..8, at_most in 1usize..40, batches in 1usize..12,
        ) {
            let list = people(count);
            let pairs: Vec<_> = pairs.iter().map(|(a, b)| (list[a % count].clone(), list[b % count].clone())).collect();
            let rules = Rules { pilot, at_most, keep: Keep::Delegates, batches };
            let waves = plan(&list, &pairs, &rules).expect("2,000 rows a wave are enough here");
            prop_assert!(waves.len() <= batches);
            prop_assert!(waves.iter().all(|w| !w.addresses.is_empty() && w.addresses.len() <= ROWS_PER_FILE));
            let all: BTreeSet<_> = waves.iter().flat_map(|w| w.addresses.clone()).collect();
            prop_assert_eq!(all.len(), count);
            prop_assert_eq!(waves.iter().map(|w| w.addresses.len()).sum::<usize>(), count);
            if waves.iter().all(|w| w.remarks.is_empty()) {
                let wave_of = |a: &String| waves.iter().position(|w| w.addresses.contains(a));
                for (a, b) in &pairs {
                    prop_assert_eq!(wave_of(a), wave_of(b));
                }
            }
            prop_assert_eq!(plan(&list, &pairs, &rules), Ok(waves));
        }
    }
}
