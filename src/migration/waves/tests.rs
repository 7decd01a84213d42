//! What a plan keeps, whatever the company is like.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn people(count: usize) -> Vec<Member> {
    (0..count).map(|n| Member::bare(&format!("user{n:06}@contoso.test"))).collect()
}

fn pairs(list: &[Member], edges: &[(usize, usize)]) -> Vec<(String, String)> {
    edges.iter().map(|(a, b)| (list[a % list.len()].address.clone(), list[b % list.len()].address.clone())).collect()
}

fn sizes(plan: &Plan) -> Vec<usize> {
    plan.waves.iter().map(|w| w.rows.len()).collect()
}

fn made(list: &[Member], together: &[(String, String)], rules: &Rules) -> Plan {
    plan(list, together, rules).expect("the rules leave room")
}

#[test]
fn a_pilot_and_full_waves_in_list_order() {
    let plan = made(&people(2000), &[], &Rules::default());
    assert_eq!(plan.waves.len(), 21);
    assert_eq!((plan.waves[0].name.as_str(), sizes(&plan)[0]), ("wave-01", 5));
    assert_eq!((plan.waves[20].name.as_str(), sizes(&plan)[20]), ("wave-21", 95));
    assert!(plan.waves.iter().all(|w| w.remarks.is_empty()) && plan.severed.is_empty());
    let all: Vec<usize> = plan.waves.into_iter().flat_map(|w| w.rows).collect();
    assert_eq!(all, (0..2000).collect::<Vec<_>>());
}

#[test]
fn one_person_is_one_wave() {
    assert_eq!(sizes(&made(&people(1), &[], &Rules::default())), [1]);
    assert!(made(&[], &[], &Rules::default()).waves.is_empty());
}

#[test]
fn delegates_go_together_whatever_the_case() {
    let list = people(20);
    let mut together = pairs(&list, &[(0, 19), (19, 7)]);
    together[0].0 = together[0].0.to_uppercase();
    together.push((list[3].address.clone(), "x@y.z".into()));
    let rules = Rules { pilot: 2, at_most: 6, ..Rules::default() };
    let plan = made(&list, &together, &rules);
    assert_eq!(plan.waves[0].rows, [1, 2]);
    assert!(plan.waves.iter().any(|w| [0, 7, 19].iter().all(|row| w.rows.contains(row))));
    let apart = Rules { keep: Keep::Nothing, ..rules };
    assert_eq!(made(&list, &together, &apart).waves[0].rows, [0, 1]);
}

#[test]
fn the_pilot_has_one_of_each_kind() {
    let mut list = people(200);
    list[50].kind = Some(Kind::Shared);
    list[60].kind = Some(Kind::Room);
    list[61].kind = Some(Kind::Room);
    list[120].bytes = Some(9 << 30);
    list[3].bytes = Some(1 << 20);
    list[150].phone = Some(true);
    let together = pairs(&list, &[(100, 101), (30, 31), (31, 32)]);
    let plan = made(&list, &together, &Rules { pilot: 8, ..Rules::default() });
    assert_eq!(plan.waves[0].rows, [0, 1, 50, 60, 100, 101, 120, 150]);
    assert_eq!(
        plan.waves[0].about,
        "with a pair of delegates, a shared mailbox, a room, the largest mailbox that fits, somebody with a phone"
    );
    // A pair of which one is a shared mailbox and has a phone serves for three.
    let together = pairs(&list, &[(50, 150), (100, 101)]);
    let small = made(&list, &together, &Rules { pilot: 3, ..Rules::default() });
    assert_eq!(small.waves[0].rows, [50, 60, 150]);
    assert!(small.waves[0].about.contains("no room for the largest mailbox that fits"), "{}", small.waves[0].about);
}

#[test]
fn a_group_larger_than_a_wave_is_cut_where_least_crosses() {
    let list = people(12);
    let chain: Vec<(usize, usize)> = (1..12).map(|n| (n - 1, n)).collect();
    let plan = made(&list, &pairs(&list, &chain), &Rules { pilot: 2, at_most: 4, ..Rules::default() });
    assert!(plan.waves[0].remarks.iter().any(|r| r.contains("pilot")));
    assert_eq!(sizes(&plan).iter().sum::<usize>(), 12);
    let severed = &plan.severed[0];
    assert_eq!((severed.people, severed.crossing.len(), severed.least), (10, 2, 2));
}

#[test]
fn a_large_company_gets_larger_waves_not_more() {
    let plan = made(&people(30_000), &[], &Rules::default());
    assert!(plan.waves.len() <= 90 && sizes(&plan).iter().all(|n| *n <= ROWS_PER_FILE));
    assert!(plan.waves[0].remarks.iter().any(|r| r.contains("instead of 100")));
    let many = super::plan(&people(200_000), &[], &Rules::default());
    assert_eq!(many, Err(Impossible::TooMany { mailboxes: 200_000, fits: 89 * ROWS_PER_FILE }));
}

#[test]
fn a_column_makes_waves_of_its_own_and_who_has_none_goes_last() {
    let mut list = people(10);
    for (at, member) in list.iter_mut().enumerate() {
        member.group = [Some(1), Some(0), None][at % 3];
    }
    let rules = Rules { pilot: 0, at_most: 3, groups: vec!["Sales".into(), "IT".into()], ..Rules::default() };
    let plan = made(&list, &pairs(&list, &[(0, 1)]), &rules);
    let told: Vec<_> = plan.waves.iter().map(|w| (w.group, w.rows.clone())).collect();
    assert_eq!(told, [(Some(0), vec![1, 4, 7]), (Some(1), vec![0, 3, 6]), (Some(1), vec![9]), (None, vec![2, 5, 8])]);
}

#[test]
fn what_nobody_knows_is_refused_and_not_passed_over() {
    let mut list = people(10);
    let hours = Rules { hours: Some(8.0), ..Rules::default() };
    assert!(matches!(plan(&list, &[], &hours), Err(Impossible::NoMeasure { needs: "a rate", .. })));
    let pace = Pace { each: 1e9, line: None, at_once: 20 };
    let hours = Rules { pace: Some(pace), ..hours };
    assert!(matches!(plan(&list, &[], &hours), Err(Impossible::NoMeasure { limit: "hours", .. })));
    list[0].bytes = Some(90_000_000_000);
    let made = plan(&list, &[], &Rules { pilot: 0, ..hours.clone() }).expect("a size is known");
    // Ninety gigabytes don't fit into the window, whoever goes with them.
    assert_eq!((made.waves.len(), made.waves[0].rows.len()), (1, 10));
    for small in [1, 3, 4] {
        list[small].bytes = Some(1_000_000_000);
    }
    list[2].bytes = Some(90_000_000_000);
    let rules = Rules { pilot: 0, helpdesk: Some(2), ..hours };
    let made = plan(&list[..5], &[], &rules).expect("sizes are known");
    assert_eq!(made.waves.last().map(|w| w.rows.clone()), Some(vec![0, 2]), "{made:?}");
    assert!(made.waves.last().is_some_and(|w| w.about.contains("2 mailboxes that exceed")), "{made:?}");
    for zero in [Rules { at_most: 0, ..Rules::default() }, Rules { helpdesk: Some(0), ..Rules::default() }] {
        assert_eq!(plan(&list, &[], &zero), Err(Impossible::NoRoom));
    }
    let tight = Rules { helpdesk: Some(1), batches: 4, ..Rules::default() };
    assert_eq!(plan(&list, &[], &tight), Err(Impossible::TooManyWaves { mailboxes: 10, batches: 4 }));
}

#[test]
fn what_is_expected_of_a_wave() {
    let mut list = people(4);
    list[0].bytes = Some(2 << 30);
    list[1].bytes = Some(4 << 30);
    list[1].kind = Some(Kind::Shared);
    let mut together = pairs(&list, &[(0, 1), (0, 2), (2, 0)]);
    together.push((list[1].address.clone(), "elsewhere@contoso.test".into()));
    let pace = Pace { each: (1_u64 << 30) as f64, line: None, at_once: 20 };
    let found = expected(&[&[0, 1], &[2, 3]], &list, &together, Some(&pace), 6.0);
    let first = &found[0];
    assert_eq!((first.seats, first.profiles, first.unsized_mailboxes, first.crossing), (2, 1, 0, 3));
    assert_eq!((first.without_old_mail, first.apart, first.bytes), (Some(4.0), Some(10.0), Some(6 << 30)));
    let sides = [(Some(0), Some(1)), (Some(0), None), (Some(1), Some(0))];
    assert_eq!(crossings(&[&[0, 1], &[2, 3]], &list, &together), sides);
    assert_eq!((found[1].crossing, found[1].unsized_mailboxes, found[1].bytes), (2, 2, Some(6 << 30)));
    assert_eq!(expected(&[&[0]], &list, &[], None, 6.0)[0].days, Some((1, 7)));
    assert_eq!(expected(&[&[0]], &people(4), &[], Some(&pace), 6.0)[0].without_old_mail, None);
}

fn company() -> impl Strategy<Value = (Vec<Member>, Vec<(usize, usize)>)> {
    let member = (any::<u8>(), 0u64..60, any::<bool>());
    (proptest::collection::vec(member, 1..120), proptest::collection::vec((0usize..120, 0usize..120), 0..60)).prop_map(
        |(facts, edges)| {
            let mut list = people(facts.len());
            for (member, (kind, size, phone)) in list.iter_mut().zip(facts) {
                member.kind = [None, Some(Kind::Person), Some(Kind::Shared), Some(Kind::Room)]
                    .get(kind as usize % 4)
                    .copied()
                    .flatten();
                member.bytes = (size > 0).then_some(size << 30);
                member.phone = Some(phone);
                member.group = Some(usize::from(kind) % 3);
            }
            (list, edges)
        },
    )
}

fn rules() -> impl Strategy<Value = Rules> {
    (
        0usize..8,
        1usize..40,
        proptest::option::of(1usize..30),
        proptest::option::of(1u64..200),
        proptest::option::of(1u32..80),
    )
        .prop_map(|(pilot, at_most, helpdesk, bytes, hours)| Rules {
            pilot,
            at_most,
            helpdesk,
            bytes: bytes.map(|b| b << 30),
            hours: hours.map(f64::from),
            pace: Some(Pace { each: (1_u64 << 30) as f64, line: Some(20.0 * (1_u64 << 30) as f64), at_once: 4 }),
            batches: 1000,
            ..Rules::default()
        })
}

proptest! {
    #[test]
    fn everybody_goes_once_within_the_limits_and_nobody_is_parted_without_need(
        (mut list, edges) in company(), rules in rules(), columns in any::<bool>(),
    ) {
        list[0].bytes = Some(1 << 30);
        let rules = if columns { Rules { groups: vec!["a".into(), "b".into()], ..rules } } else { rules };
        let together = pairs(&list, &edges);
        let plan = super::plan(&list, &together, &rules).expect("a thousand waves are enough");
        let all: Vec<usize> = plan.waves.iter().flat_map(|w| w.rows.clone()).collect();
        prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), list.len());
        prop_assert_eq!(all.len(), list.len());
        let loads = loads(&list);
        for wave in &plan.waves {
            let limits = rules.limits(rules.at_most.max(rules.pilot));
            prop_assert!(!wave.rows.is_empty());
            let load = fit::load_of(&wave.rows, &loads);
            let has_large = wave.rows.iter().any(|row| !limits.hold(&loads[*row]));
            prop_assert!(limits.hold(&load) || (has_large && limits.without_window().hold(&load)) || !wave.remarks.is_empty());
        }
        let wave_of = |row: usize| plan.waves.iter().position(|w| w.rows.contains(&row));
        let addresses: Vec<String> = list.iter().map(|m| m.address.clone()).collect();
        let bonds = graph::bonds(&addresses, &together);
        let pilot_parts = plan.waves[0].remarks.iter().any(|r| r.contains("pilot"));
        for part in Graph::new(list.len(), &bonds).parts() {
            let waves: BTreeSet<_> = part.iter().map(|row| wave_of(*row)).collect();
            let limits = rules.limits(rules.at_most);
            let is_large = part.iter().any(|row| !limits.hold(&loads[*row]));
            let limits = if is_large { limits.without_window() } else { limits };
            let fits = limits.hold(&fit::load_of(&part, &loads));
            prop_assert!(waves.len() == 1 || !fits || columns || pilot_parts, "{part:?} is parted");
        }
        for severed in &plan.severed {
            prop_assert!(severed.crossing.iter().all(|b| wave_of(b.owner) != wave_of(b.delegate)));
            prop_assert!(severed.least <= severed.crossing.len() as u64);
        }
        if !columns && !pilot_parts {
            let crossing = bonds.iter().filter(|b| wave_of(b.owner) != wave_of(b.delegate)).count();
            prop_assert_eq!(plan.severed.iter().map(|s| s.crossing.len()).sum::<usize>(), crossing);
        }
        prop_assert_eq!(super::plan(&list, &together, &rules), Ok(plan));
    }

    #[test]
    fn few_batches_make_larger_waves(
        count in 1usize..300, edges in proptest::collection::vec((0usize..300, 0usize..300), 0..60),
        pilot in 0usize..8, at_most in 1usize..40, batches in 1usize..12,
    ) {
        let list = people(count);
        let rules = Rules { pilot, at_most, batches, ..Rules::default() };
        let plan = super::plan(&list, &pairs(&list, &edges), &rules).expect("2,000 rows a wave are enough here");
        prop_assert!(plan.waves.len() <= batches);
        prop_assert_eq!(sizes(&plan).iter().sum::<usize>(), count);
    }
}
