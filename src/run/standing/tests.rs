//! A mailbox through its steps, by the journal and by what is seen.

use serde_json::json;

use super::super::journal::Event;
use super::*;

const WAITS: Waits = Waits { conversion_days: 4, mx_hours: 72 };

fn at(day: u8) -> Timestamp {
    format!("2026-03-{day:02}T08:00:00Z").parse().expect("a day of March")
}

fn learn(standings: &mut Standings, day: u8, kind: Kind, operation: &str, target: &str, body: Value) {
    let event = Event { kind, time: at(day), operation: operation.into(), target: target.into(), body };
    standings.learn(&Stored { number: 1, run: "r1".into(), event, hash: String::new() });
}

fn done(standings: &mut Standings, day: u8, operation: &str, target: &str) {
    learn(standings, day, Kind::Outcome, operation, target, json!({"state": "applied", "after": {}}));
}

fn batched(standings: &mut Standings) {
    let planned = json!({"planned": {"addresses": ["Ann@contoso.test", "bob@contoso.test"]}});
    learn(standings, 1, Kind::Intent, "batch", "Wave-01", planned);
    done(standings, 1, "batch", "Wave-01");
}

fn watched(standings: &mut Standings, day: u8, synced: &[&str], failed: &[&str]) {
    let failed: serde_json::Map<String, Value> = failed.iter().map(|a| ((*a).to_owned(), json!("corrupt"))).collect();
    learn(standings, day, Kind::Outcome, "watch", "Wave-01", json!({"synced": synced, "failed": failed}));
}

fn switched(standings: &mut Standings, day: u8, host: &str) {
    let body = json!({"state": "applied", "after": {"set": {"values": [format!("0 {host}.")]}}});
    learn(standings, day, Kind::Outcome, "set_mx", "contoso.test MX", body);
}

fn place(standings: &Standings, who: &str) -> Place {
    standings.of(who, None, WAITS, at(20)).place
}

#[test]
fn a_mailbox_goes_through_its_steps_with_its_dates() {
    let ann = "ann@contoso.test";
    let mut standings = Standings::default();
    assert_eq!(place(&standings, ann), Place::Listed);
    batched(&mut standings);
    let now = standings.of(ann, None, WAITS, at(1));
    assert_eq!(
        (now.place, now.batch.as_str(), now.waits_for.as_str()),
        (Place::Batched, "Wave-01", "the start of Wave-01")
    );
    assert_eq!((now.address.as_str(), now.step, now.since), ("Ann@contoso.test", 6, Some(at(1))));
    done(&mut standings, 2, "start", "Wave-01");
    let now = standings.of(ann, None, WAITS, at(2));
    assert_eq!((now.place, now.since), (Place::Copying, Some(at(2))));
    assert_eq!(now.deadlines[0].at, at(2) + SignedDuration::from_hours(24 * 30), "the grace of the licence");
    done(&mut standings, 3, "license::assign", ann);
    assert_eq!(standings.of(ann, None, WAITS, at(3)).deadlines, []);
    watched(&mut standings, 4, &[ann], &[]);
    watched(&mut standings, 5, &[ann], &[]);
    let now = standings.of(ann, None, WAITS, at(9));
    assert_eq!((now.place, now.since), (Place::Copied, Some(at(4))), "the first watch that saw it");
    assert_eq!((now.deadlines[0].at, now.deadlines[0].over), (at(8), true));
    done(&mut standings, 6, "convert_to_mail_user", ann);
    let now = standings.of(ann, None, WAITS, at(6));
    assert_eq!((now.place, now.waits_for.as_str()), (Place::Converted, "the MX of contoso.test"));
    assert_eq!(now.deadlines[0].at, at(6) + SignedDuration::from_hours(24 * 30));
    switched(&mut standings, 7, "contoso-test.mail.protection.outlook.com");
    let now = standings.of(ann, None, WAITS, at(8));
    assert_eq!((now.place, now.deadlines[0].at), (Place::Switched, at(10)));
    assert_eq!(now.waits_for, "the removal of Wave-01, not yet allowed");
    assert_eq!(standings.of(ann, None, WAITS, at(11)).waits_for, "the removal of Wave-01");
    done(&mut standings, 12, "remove", "Wave-01");
    assert_eq!((place(&standings, ann), place(&standings, "bob@contoso.test")), (Place::Done, Place::Copying));
    switched(&mut standings, 13, "mail.contoso.test");
    assert_eq!(place(&standings, ann), Place::Converted, "the mail was switched back");
    let back = json!({"state": "applied", "after": {"homeMDB": ["db"]}});
    learn(&mut standings, 14, Kind::Outcome, "whatever", ann, back);
    assert_eq!(place(&standings, ann), Place::Copied, "the mailbox was given back");
}

#[test]
fn a_failed_row_is_released_left_and_taken_up_again() {
    let bob = "bob@contoso.test";
    let mut standings = Standings::default();
    batched(&mut standings);
    done(&mut standings, 2, "start", "Wave-01");
    watched(&mut standings, 3, &[], &[bob]);
    let now = standings.of(bob, None, WAITS, at(3));
    assert_eq!((now.place, now.reason.as_str()), (Place::Failed, "corrupt"));
    learn(&mut standings, 4, Kind::Intent, "release", bob, json!({}));
    assert_eq!(place(&standings, bob), Place::Releasing);
    learn(&mut standings, 5, Kind::Left, "release", bob, json!({"reason": "its copy failed: corrupt"}));
    let now = standings.of(bob, None, WAITS, at(5));
    assert_eq!((now.place, now.step, now.reason.as_str()), (Place::Left, 0, "its copy failed: corrupt"));
    batched(&mut standings);
    assert_eq!(place(&standings, bob), Place::Batched);
}

#[test]
fn what_was_undone_is_whole_on_premises() {
    let ann = "ann@contoso.test";
    let mut standings = Standings::default();
    batched(&mut standings);
    done(&mut standings, 2, "start", "Wave-01");
    watched(&mut standings, 3, &[ann], &[]);
    done(&mut standings, 4, "convert_to_mail_user", ann);
    switched(&mut standings, 5, "contoso-test.mail.protection.outlook.com");
    let values = json!({"state": "applied", "after": {"set": {"values": ["10 mail.contoso.test."]}}});
    learn(&mut standings, 6, Kind::Outcome, "undo::zone", "contoso.test MX", values);
    assert_eq!(place(&standings, ann), Place::Converted);
    learn(&mut standings, 6, Kind::Outcome, "undo::mailbox", ann, json!({"state": "applied", "after": {}}));
    assert_eq!(place(&standings, ann), Place::Left);
}

#[test]
fn a_batch_that_the_service_refused_holds_nobody() {
    let mut standings = Standings::default();
    let planned = json!({"planned": {"addresses": ["ann@contoso.test"]}});
    learn(&mut standings, 1, Kind::Intent, "batch", "w", planned);
    learn(&mut standings, 1, Kind::Outcome, "batch", "w", json!({"state": "not_applied"}));
    assert_eq!(place(&standings, "ann@contoso.test"), Place::Listed);
}

#[test]
fn what_is_seen_outweighs_what_is_remembered() {
    let ann = "ann@contoso.test";
    let mut standings = Standings::default();
    batched(&mut standings);
    done(&mut standings, 2, "start", "Wave-01");
    let row = |status: &str| Some(("Wave-01".to_owned(), status.to_owned(), String::new()));
    let target = Some("SMTP:ann@contoso.onmicrosoft.test".to_owned());
    let seen = |old_mailbox: bool, forwarded_to: Option<String>, row| Seen {
        on_premises: true,
        old_mailbox,
        forwarded_to,
        row,
        ..Seen::default()
    };
    let of = |seen: &Seen| standings.of(ann, Some(seen), WAITS, at(3));
    let copied = of(&seen(true, target.clone(), row("Synced")));
    assert_eq!((copied.place, copied.differs.as_str()), (Place::Copied, "the journal remembers it as copying"));
    assert_eq!(of(&seen(true, target.clone(), row("Syncing"))).place, Place::Copying);
    assert_eq!(of(&seen(true, target.clone(), row("Failed"))).place, Place::Failed);
    assert_eq!(of(&seen(true, target.clone(), None)).place, Place::Failed, "forwarded, and no batch fills it");
    let moved = seen(false, target, row("Synced"));
    assert_eq!(of(&moved).place, Place::Converted);
    assert_eq!(of(&Seen { mail_in_cloud: Some(true), ..moved }).place, Place::Switched, "somebody else switched it");
    assert_eq!(of(&seen(true, None, row("Queued"))).place, Place::Batched);
    assert_eq!(of(&seen(true, None, None)).place, Place::Listed);
    let stranger = standings.of("zoe@contoso.test", Some(&seen(true, None, None)), WAITS, at(3));
    assert_eq!((stranger.place, stranger.differs.as_str()), (Place::Listed, ""));
}
