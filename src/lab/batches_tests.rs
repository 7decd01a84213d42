//! Staged batches: order, limits, failures, second starts, ends.

use super::*;
use crate::lab::world::Endpoint;
use crate::lab::{Faults, drive, time};
use crate::wire::lab::Event;

fn ready(people: usize, faults: Faults) -> (World, Vec<String>) {
    let mut world = drive::company(people, faults);
    drive::prepare(&mut world);
    let list = world.company.list.clone();
    drive::batch(&mut world, "Wave-01", &list);
    (world, list)
}

fn status(world: &World) -> &str {
    &world.tenant.batches["wave-01"].status
}

fn count(world: &World, wanted: &str) -> usize {
    world.tenant.batches["wave-01"].rows.iter().filter(|r| r.status == wanted).count()
}

fn minutes(world: &mut World, minutes: i64) {
    let to = after(world.now, minutes * 60);
    time::advance(world, to);
}

fn when(world: &World, address: &str, what: &str) -> Option<Timestamp> {
    let hit = |e: &&Event| e.object == address && e.what == what;
    world.events.iter().find(hit).map(|e| e.time)
}

#[test]
fn forwarding_comes_before_the_copy_and_the_copy_is_limited() {
    let (mut world, list) = ready(30, Faults::None);
    let endpoint = Endpoint {
        name: "On-Premises".into(),
        kind: "ExchangeOutlookAnywhere".into(),
        exchange_server: String::new(),
        rpc_proxy: String::new(),
        user: String::new(),
        at_once: 5,
        permission: String::new(),
        authentication: "Basic".into(),
    };
    world.tenant.endpoints.insert("on-premises".into(), endpoint);
    begin(&mut world, "wave-01");
    assert_eq!(status(&world), "Starting");
    let mut most = 0;
    while !matches!(status(&world), "Synced") {
        minutes(&mut world, 5);
        most = most.max(count(&world, "Syncing"));
        assert!(world.now < after(world.began, 20 * 86_400));
    }
    assert_eq!(most, 5);
    for address in &list {
        let made = when(&world, address, "mailbox_created").expect("it was made");
        let forwarded = when(&world, address, "target_address_written").expect("it was forwarded");
        let copied = when(&world, address, "copied").expect("it was copied");
        assert!(made < forwarded && forwarded < copied, "{address}");
        let history = &world.history[&address.to_lowercase()];
        assert!(history.copy_began.is_some_and(|t| t >= forwarded));
        assert_eq!(history.batch, "Wave-01");
    }
}

#[test]
fn a_wave_of_a_hundred_takes_ten_to_forty_hours() {
    let (mut world, _) = ready(100, Faults::None);
    let began = world.now;
    drive::run(&mut world, "wave-01");
    let hours = (world.now.as_second() - began.as_second()) / 3600;
    assert!((10..=40).contains(&hours), "{hours}");
}

#[test]
fn a_synced_batch_has_nothing_more_to_begin() {
    let (mut world, _) = ready(3, Faults::None);
    drive::run(&mut world, "wave-01");
    let events = world.events.len();
    begin(&mut world, "wave-01");
    assert_eq!((status(&world), world.events.len()), ("Synced", events));
}

#[test]
fn a_second_start_takes_the_failed_rows_and_cures_some_copies() {
    let (mut world, list) = ready(40, Faults::None);
    for address in list.iter().take(12) {
        let text = "MigrationPermanentException: Error: Job is poisoned, poison count = 6.";
        world.company.fates.insert(address.to_lowercase(), Fate::CopyFails(text.into()));
    }
    drive::run(&mut world, "wave-01");
    assert_eq!((status(&world), count(&world, "Failed")), ("SyncedWithErrors", 12));
    drive::run(&mut world, "wave-01");
    let failed = count(&world, "Failed");
    assert!((6..12).contains(&failed), "{failed}");
    let row = world.tenant.batches["wave-01"].rows.iter().find(|r| r.status == "Synced" && r.attempts == 2);
    assert!(row.is_some_and(|r| r.error.is_empty()));
    let untouched = world.tenant.batches["wave-01"].rows.iter().filter(|r| r.attempts == 1).count();
    assert_eq!(untouched, 28);
}

#[test]
fn rows_fail_with_the_texts_that_administrators_see() {
    let (mut world, list) = ready(4, Faults::None);
    drive::modify(&mut world, &list[0], |e| e.set_text("msExchHideFromAddressLists", "TRUE"));
    let id = drive::user(&world, &list[1]);
    if let Some(user) = world.tenant.users.get_mut(&id) {
        user.recipient = Recipient::None;
    }
    world.company.fates.insert(list[2].to_lowercase(), Fate::ProvisioningFails("no sign-in".into()));
    drive::run(&mut world, "wave-01");
    let errors: Vec<&str> = world.tenant.batches["wave-01"].rows.iter().map(|r| r.error.as_str()).collect();
    let hidden =
        format!("A source e-mail address {} couldn't be found in the on-premises domain.", list[0].to_lowercase());
    assert_eq!(errors, [hidden.as_str(), NO_CLOUD_USER, "no sign-in", ""]);
    for address in &list[..3] {
        assert!(when(&world, address, "mailbox_created").is_none(), "nothing is made before the checks");
    }
}

#[test]
fn stop_and_start_again() {
    let (mut world, _) = ready(30, Faults::None);
    begin(&mut world, "wave-01");
    minutes(&mut world, 120);
    assert!(count(&world, "Syncing") > 0);
    stop(&mut world, "wave-01");
    assert_eq!(status(&world), "Stopping");
    minutes(&mut world, 5);
    assert_eq!((status(&world), count(&world, "Syncing")), ("Stopped", 0));
    drive::run(&mut world, "wave-01");
    assert_eq!((status(&world), count(&world, "Synced")), ("Synced", 30));
    let created = world.events.iter().filter(|e| e.what == "mailbox_created").count();
    assert_eq!(created, 30, "a mailbox of the first try is used again");
}

#[test]
fn a_removed_batch_goes_minutes_later_and_touches_nothing() {
    let (mut world, list) = ready(2, Faults::None);
    drive::run(&mut world, "wave-01");
    let target = |world: &World| {
        let place = place(world, &list[0]).expect("listed");
        world.directory[&world.index.names[place]].entry.text("targetAddress")
    };
    let before = target(&world);
    assert!(before.is_some());
    remove(&mut world, "wave-01");
    assert_eq!(status(&world), "Removing");
    assert!(world.tenant.removed_names.contains_key("wave-01"));
    minutes(&mut world, 11);
    assert!(world.tenant.batches.is_empty() && world.tenant.removed_names.is_empty());
    assert_eq!(target(&world), before);
}

#[test]
fn an_idle_batch_is_stopped_after_sixty_days() {
    let (mut world, _) = ready(1, Faults::None);
    drive::run(&mut world, "wave-01");
    drive::hours(&mut world, 59 * 24);
    assert_eq!(status(&world), "Synced");
    drive::hours(&mut world, 25);
    assert_eq!(status(&world), "Stopped");
}

#[test]
fn one_person_in_two_batches_is_refused() {
    let (mut world, list) = ready(2, Faults::None);
    drive::batch(&mut world, "other", &list[..1]);
    begin(&mut world, "wave-01");
    while count(&world, "Syncing") == 0 {
        minutes(&mut world, 1);
    }
    let running = world.tenant.batches["wave-01"].rows.iter().any(|r| r.address == list[0] && r.status == "Syncing");
    begin(&mut world, "other");
    minutes(&mut world, 8);
    let error = &world.tenant.batches["other"].rows[0].error;
    assert!(!running || error.starts_with("UserAlreadyBeingMigratedException"), "{error}");
}
