//! The mess, rehearsed one by one.

use super::*;
use crate::lab::judge::proof;
use crate::lab::{Faults, Options, company, drive, mail};
use crate::wire::lab::Outcome;

#[test]
fn two_to_four_percent_get_into_trouble() {
    for rows in [1, 2, 19, 20, 50, 51, 83, 100, 101, 300, 2000, 2001] {
        let count = troubled(rows);
        let within = rows < 50 || (count * 100 >= rows * 2 && count * 100 <= rows * 4);
        assert!(within && count >= 1 && (rows < 20 || count >= 2), "{count} of {rows}");
    }
}

#[test]
fn names_are_single_and_a_copy_breaks_off_in_every_five() {
    let mut names: Vec<&str> = all().map(|m| m.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 45, "{count}");
    let breaks = ["copy-timeout", "poisoned", "over-quota", "no-progress"];
    for five in left::MESSES.chunks(5) {
        assert_eq!(five.iter().filter(|m| breaks.contains(&m.name)).count(), 1);
    }
}

#[test]
fn the_page_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mess.md");
    let there = std::fs::read_to_string(path).unwrap_or_default();
    if std::env::var("STAGEPOST_GOLDEN").is_ok_and(|v| v == "write") {
        std::fs::write(path, page()).expect("the page can be written");
    } else {
        assert!(there == page(), "docs/mess.md is not the table: run the tests with STAGEPOST_GOLDEN=write");
    }
}

#[test]
fn a_large_sample_has_all_of_it_and_a_calm_one_only_what_is_handled() {
    let made = |faults| {
        let options = Options { seed: 7, faults, list: None, make: 2000 };
        company::build(&options).expect("a sample company can be built")
    };
    let usual = made(Faults::Usual);
    let seen: Vec<String> = told(&usual).into_iter().map(|m| m.name).collect();
    let missing: Vec<&str> = all().map(|m| m.name).filter(|n| !seen.iter().any(|s| s == n)).collect();
    assert_eq!(missing, Vec::<&str>::new());
    let left = |world: &World| -> usize {
        let is_left = |name: &str| left::MESSES.iter().any(|m| m.name == name);
        told(world).iter().filter(|m| is_left(&m.name)).map(|m| m.who.len()).sum()
    };
    assert_eq!(left(&usual), troubled(2000));
    assert_eq!(left(&made(Faults::None)), 0);
}

/// A company of which one person has one mess.
fn with(mess: &Mess) -> (World, String) {
    let options = Options { seed: 5, faults: Faults::None, list: None, make: 12 };
    let mut draft = company::tidy(&options).expect("a sample company can be built");
    let person = draft.people.iter().find(|p| p.details == 1).cloned().expect("most are users");
    lay(&mut draft.world, mess, &person);
    (draft.begin(), person.address)
}

#[test]
fn each_mess_ends_as_its_record_says() {
    for mess in all().filter(|m| m.becomes != Becomes::Company) {
        let (mut world, address) = with(mess);
        drive::migrate(&mut world, 6);
        let proof = proof(&world);
        let row = proof.rows.iter().find(|r| r.address == address).expect("the row is there");
        // The tool of these tests checks nothing beforehand: only what the service
        // itself refuses is left here. The standard script's own ends are looked
        // at in `tests/integration`.
        if mess.becomes == Becomes::Moved {
            assert_eq!(row.outcome, Outcome::Moved, "{}: {:?} {}", mess.name, row.broken, row.reason);
        }
        assert_ne!(row.outcome, Outcome::Broken, "{}: {:?}", mess.name, row.broken);
        assert!(row.outcome == Outcome::Moved || !row.reason.is_empty(), "{}", mess.name);
        // This tool waits for the slowest of a wave before it converts anybody.
        let waited = |b: &&crate::wire::lab::Broken| b.rule != "work-lost-by-delay";
        let broken: Vec<_> = proof.rows.iter().flat_map(|r| &r.broken).chain(&proof.broken).filter(waited).collect();
        assert!(broken.is_empty(), "{}: {broken:?}", mess.name);
        assert_eq!(proof.probes.lost, 0, "{}: {:?}", mess.name, proof.probes.lost_sample);
    }
}

#[test]
fn a_company_goes_its_way_with_all_its_incidents() {
    let options = Options { seed: 7, faults: Faults::None, list: None, make: 40 };
    let mut world = company::build(&options).expect("a sample company can be built");
    drive::migrate(&mut world, 10);
    let happened = |what: &str| world.events.iter().any(|e| e.what == what);
    assert!(happened("edited_by_the_help_desk"));
    let stands = world.company.incidents.synchronization_stops.expect("it stops in every sample");
    let mut stopped = company::build(&options).expect("a sample company can be built");
    crate::lab::time::advance(&mut stopped, stands.1);
    assert!(stopped.tenant.last_sync < stands.0, "{} of {stands:?}", stopped.tenant.last_sync);
    drive::hours(&mut stopped, 1);
    assert!(stopped.tenant.last_sync >= stands.1, "it goes on afterwards");
    assert!(stands.1 > stands.0 && mail::mx_side(&world, "contoso.test").is_some());
}
