//! What the first page says, and in which words.

use super::super::sample::{self, End};
use super::super::story::Parts;
use super::*;
use crate::run::narrate::Note;
use crate::wire::lab::Proof;

#[test]
fn the_points_come_by_weight_and_each_has_an_owner() {
    let points = points(&sample::story(250, End::Usual));
    let due: Vec<Due> = points.iter().map(|p| p.due).collect();
    assert!(due.is_sorted(), "{due:?}");
    assert_eq!(due[0], Due::Forced);
    assert!(points[0].text.contains("the customer closes the old site on Friday"), "{}", points[0].text);
    assert!(points.iter().any(|p| p.due == Due::Decide && p.owner == Owner::Customer && p.text.contains("work")));
    assert!(points.iter().any(|p| p.due == Due::Pilot && p.text.contains("3 behaviours")));
    let room = points.iter().find(|p| p.text.contains("room")).expect("the finding is listed");
    assert_eq!((room.owner, room.due), (Owner::Tenant, Due::Before));
}

#[test]
fn what_is_broken_stands_before_what_was_forced() {
    let points = points(&sample::story(100, End::Broken));
    assert_eq!((points[0].due, points[0].owner), (Due::First, Owner::Lead));
    assert!(points[0].text.starts_with("3 mailboxes stand between"), "{}", points[0].text);
}

#[test]
fn a_finding_about_somebody_left_behind_is_no_point_of_its_own() {
    let mut parts = sample::story(10, End::Calm).parts;
    let before = points(&Story::new(parts.clone())).len();
    parts.proof.rows[0].outcome = Outcome::Whole;
    parts.proof.rows[0].reason = "hidden from address lists".into();
    let what = What::Finding {
        severity: "error".into(),
        target: parts.proof.rows[0].address.to_uppercase(),
        message: "the mailbox is hidden from address lists".into(),
        hint: "show it".into(),
    };
    parts.notes.push(Note { time: parts.notes[0].time, what });
    let story = Story::new(parts);
    assert_eq!(points(&story).len(), before);
    let behind = behind(&story);
    assert_eq!((behind.len(), behind[0].owner, behind[0].count), (1, Owner::Directory, 1));
    assert!(behind[0].why.contains("address book"), "{}", behind[0].why);
}

#[test]
fn what_was_not_counted_is_no_nought() {
    let story = Story::new(Parts::new("x", "a.rhai", Proof::default(), Vec::new()));
    for fact in mail(&story) {
        assert_eq!(fact.value, "not counted", "{}", fact.label);
    }
    let calm = mail(&sample::story(40, End::Calm));
    assert!(calm.iter().all(|f| f.value == "0" && !f.bad), "{calm:?}");
    let usual = mail(&sample::story(2000, End::Usual));
    let work = usual.iter().find(|f| f.label == "Work lost").expect("it is told");
    assert!(work.bad && work.text.contains("appointments") && !work.named.is_empty());
}

#[test]
fn the_first_page_of_a_story_without_anything_is_empty_and_stands() {
    let story = Story::new(Parts::new("x", "a.rhai", Proof::default(), Vec::new()));
    assert!(points(&story).is_empty());
    assert_eq!(verdict(&story), ("Go".into(), "there was no mailbox to move".into()));
}
