use super::*;
use crate::lab::judge::proof;
use crate::lab::{Faults, drive, time};
use crate::wire::lab::{Outcome, Proof};
use hickory_proto::rr::RecordType;

fn broken(proof: &Proof) -> Vec<String> {
    proof.rows.iter().flat_map(|r| &r.broken).chain(&proof.broken).map(|b| b.rule.clone()).collect()
}

/// A batch of everybody that has run, licensed.
fn copied(people: usize) -> World {
    let mut world = drive::company(people, Faults::None);
    drive::prepare(&mut world);
    let list = world.company.list.clone();
    drive::batch(&mut world, "wave", &list);
    drive::run(&mut world, "wave");
    for address in &list {
        drive::licence(&mut world, address);
    }
    world
}

fn convert_all(world: &mut World) {
    for address in world.company.list.clone() {
        drive::convert(world, &address);
    }
}

#[test]
fn people_work_on_working_days_only() {
    let moment: Timestamp = "2026-01-16T15:00:00Z".parse().expect("a Friday afternoon");
    assert_eq!(next_tick(moment).to_string(), "2026-01-19T10:00:00Z");
    assert_eq!(next_tick(next_tick(moment)).to_string(), "2026-01-19T15:00:00Z");
}

#[test]
fn nothing_is_lost_of_what_was_made_before_the_copy() {
    let mut world = drive::company(20, Faults::None);
    drive::hours(&mut world, 24 * 10);
    let proof = proof(&world);
    assert!(proof.work.made > 400, "{}", proof.work.made);
    assert_eq!((proof.work.lost, proof.work.people), (0, 0));
}

#[test]
fn what_is_made_after_the_copy_is_lost_and_named() {
    let mut world = copied(20);
    // Tuesday; two working days in the old mailbox.
    drive::hours(&mut world, 48);
    convert_all(&mut world);
    drive::hours(&mut world, 24 * 7);
    drive::switch(&mut world);
    drive::clear(&mut world);
    let proof = proof(&world);
    assert_eq!(broken(&proof), Vec::<String>::new());
    assert!(proof.work.lost > 60 && proof.work.people == 20, "{:?}", proof.work);
    assert!(proof.work.kinds.contains_key("sent messages") && proof.work.sample.len() > 5);
    let row = &proof.rows[0];
    assert!(row.work_lost > 0 && row.work_lost_words.contains("sent message"));
    assert!(row.hours_apart.is_some_and(|h| h > 48.0), "{:?}", row.hours_apart);
    assert_eq!(proof.work.lost, proof.rows.iter().map(|r| r.work_lost).sum::<u64>());
}

#[test]
fn a_conversion_a_week_after_the_copy_is_objected_to() {
    let mut world = copied(12);
    drive::hours(&mut world, 24 * 7);
    convert_all(&mut world);
    drive::switch(&mut world);
    drive::clear(&mut world);
    let proof = proof(&world);
    assert_eq!(broken(&proof), ["work-lost-by-delay"]);
    assert!(proof.broken[0].text.contains(&world.company.list[0]), "{}", proof.broken[0].text);
    assert!(proof.rows.iter().all(|r| r.outcome == Outcome::Moved));
}

#[test]
fn names_that_lead_to_the_cloud_too_early_lock_people_out() {
    let mut world = drive::company(80, Faults::None);
    drive::prepare(&mut world);
    for domain in world.company.domains.clone() {
        let name = format!("autodiscover.{domain}");
        drive::publish(&mut world, &domain, &name, RecordType::CNAME, 3600, "autodiscover.outlook.com.");
    }
    drive::hours(&mut world, 24 * 14);
    let proof = proof(&world);
    let found = proof.broken.iter().find(|b| b.rule == "autodiscover-too-early").expect("somebody is locked out");
    let named = world.company.list.iter().filter(|a| found.text.contains(*a)).count();
    assert!(named > 0, "{}", found.text);
    assert!(proof.work.hindered.keys().any(|k| k.contains("locked out")));
}

#[test]
fn names_that_lead_to_the_old_side_lock_nobody_out() {
    let mut world = drive::company(80, Faults::None);
    drive::hours(&mut world, 24 * 14);
    assert_eq!(broken(&proof(&world)), Vec::<String>::new());
    assert!(world.office.desks.iter().all(|d| d.opens == Opens::Old && d.locked_out == 0));
}

#[test]
fn a_new_profile_of_a_converted_person_finds_the_cloud() {
    let mut world = copied(6);
    assert!(world.office.desks.iter().all(|d| d.opens == Opens::Old), "the old server still opens it");
    convert_all(&mut world);
    let next = next_tick(world.now);
    time::advance(&mut world, next);
    assert!(world.office.desks.iter().all(|d| d.opens == Opens::Cloud), "{:?}", world.office.desks);
}

#[test]
fn delegates_across_the_sides_are_hindered_and_rooms_are_silent() {
    let mut world = drive::company(40, Faults::None);
    drive::prepare(&mut world);
    world.office.works_for = (20..40).map(|worker| (worker, vec![worker - 20])).collect();
    world.office.rooms = vec![0];
    let half: Vec<String> = world.company.list.iter().take(20).cloned().collect();
    drive::batch(&mut world, "half", &half);
    drive::run(&mut world, "half");
    for address in &half {
        drive::licence(&mut world, address);
        drive::convert(&mut world, address);
    }
    drive::hours(&mut world, 24 * 14);
    let hindered = proof(&world).work.hindered;
    assert!(hindered.keys().any(|k| k.contains("delegate")), "{hindered:?}");
    assert!(hindered.keys().any(|k| k.contains("room")), "{hindered:?}");
}

#[test]
fn a_row_given_back_loses_what_was_made_in_the_cloud_only() {
    let mut world = drive::troubled(4, "copy-timeout");
    drive::prepare(&mut world);
    let address = world.company.list[0].clone();
    drive::batch(&mut world, "wave", std::slice::from_ref(&address));
    drive::run(&mut world, "wave");
    drive::hours(&mut world, 48);
    drive::release(&mut world, &address);
    drive::hours(&mut world, 4);
    assert!(!world.office.desks[0].late.is_empty());
    assert_eq!(lost_of(&world, 0, Outcome::Whole).all(), 0);
    world.office.desks[0].cloud[Kind::Draft as usize] = 2;
    assert_eq!(lost_of(&world, 0, Outcome::Whole).words(), "2 drafts");
}

#[test]
fn a_second_copy_brings_over_what_the_first_had_missed() {
    let mut world = copied(2);
    drive::hours(&mut world, 48);
    let late = world.office.desks[0].late.clone();
    assert!(late.len() > 3);
    let middle = crate::lab::world::after(world.began, i64::from(late[2].at));
    super::copied(&mut world, 0, middle);
    assert_eq!(world.office.desks[0].late, late[2..]);
}

#[test]
fn an_answer_to_old_mail_comes_back_where_the_x500_name_is_missing() {
    let mut world = copied(60);
    convert_all(&mut world);
    drive::hours(&mut world, 2);
    let before = world.post.lost.len();
    for address in world.company.list.clone() {
        drive::modify(&mut world, &address, |e| e.set_text("legacyExchangeDN", "/o=other/cn=x"));
    }
    let strip = |p: &String| !p.to_lowercase().starts_with("x500:/o=contoso");
    for user in world.tenant.users.values_mut() {
        user.proxies.retain(strip);
        user.synced_proxies.retain(strip);
    }
    world.dirty.clear();
    drive::hours(&mut world, 24 * 14);
    let bounced = world.post.lost.iter().filter(|(_, _, text)| text.contains("IMCEAEX")).count();
    assert!(before == 0 && bounced > 0, "{:?}", world.post.lost);
}
