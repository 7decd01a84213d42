//! Synchronization: scope, addresses, clocks, the sticky external address.

use super::*;
use crate::lab::{Faults, batches, drive, licences, tenancy, time};

fn first(world: &World) -> String {
    world.company.list[0].clone()
}

fn user<'a>(world: &'a World, address: &str) -> &'a CloudUser {
    &world.tenant.users[&drive::user(world, address)]
}

fn add_proxy(world: &mut World, address: &str, value: &str) {
    drive::modify(world, address, |e| {
        let mut all = e.values("proxyAddresses").to_vec();
        all.push(value.as_bytes().to_vec());
        e.set("proxyAddresses", all);
    });
}

#[test]
fn late_objects_come_with_the_first_cycle() {
    let mut world = drive::company(100, Faults::None);
    let mail_users = |world: &World| {
        world.tenant.users.values().filter(|u| matches!(u.recipient, Recipient::MailUser { .. })).count()
    };
    assert_eq!(mail_users(&world), 95);
    let cycle = world.queue.iter().find(|(_, d)| **d == Due::Sync).map(|(k, _)| k.0).expect("a cycle is due");
    time::advance(&mut world, cycle);
    assert_eq!((mail_users(&world), world.tenant.last_sync), (95, cycle));
    time::advance(&mut world, after(cycle, FORWARD));
    assert_eq!(mail_users(&world), 100);
}

#[test]
fn system_objects_stay_out() {
    let world = drive::company(5, Faults::None);
    assert!(
        world
            .tenant
            .users
            .values()
            .all(|u| !u.alias.starts_with("SystemMailbox") && !u.upn.starts_with("admin@contoso.test"))
    );
    assert!(
        world.tenant.users.values().any(|u| u.display_name == "Migration Service" && u.recipient == Recipient::None)
    );
}

#[test]
fn sign_in_names_follow_the_verified_domains() {
    let mut world = drive::company(4, Faults::None);
    let address =
        world.company.list.iter().find(|a| place_of_user(&world, a)).cloned().expect("somebody is synchronized");
    let initial = world.tenant.initial_domain.clone();
    assert!(user(&world, &address).upn.ends_with(&initial));
    drive::prepare(&mut world);
    assert!(!user(&world, &address).upn.ends_with(&initial));
}

fn place_of_user(world: &World, address: &str) -> bool {
    index::place(world, address).and_then(|p| index::user_of(world, p)).is_some()
}

#[test]
fn a_verification_nobody_told_of_is_seen_by_the_next_cycle() {
    let mut world = drive::company(2, Faults::None);
    for domain in world.tenant.domains.values_mut() {
        domain.verified = true;
    }
    drive::hours(&mut world, 1);
    let initial = world.tenant.initial_domain.clone();
    assert!(!user(&world, &first(&world)).upn.ends_with(&initial));
}

#[test]
fn addresses_of_unverified_domains_stay_until_a_licence_comes() {
    let mut world = drive::company(2, Faults::None);
    drive::prepare(&mut world);
    let address = first(&world);
    add_proxy(&mut world, &address, "smtp:old.name@elsewhere.test");
    drive::hours(&mut world, 1);
    let has = |world: &World| user(world, &address).proxies.iter().any(|p| p.ends_with("@elsewhere.test"));
    assert!(has(&world));
    drive::licence(&mut world, &address);
    assert!(!has(&world));
}

#[test]
fn the_external_address_sticks_until_an_address_changes() {
    let mut world = drive::company(2, Faults::None);
    drive::prepare(&mut world);
    let address = first(&world);
    assert_eq!(user(&world, &address).external, address);
    drive::modify(&mut world, &address, |e| e.set_text("targetAddress", "SMTP:a@partner.example"));
    drive::hours(&mut world, 1);
    assert_eq!(user(&world, &address).recipient, Recipient::MailUser { external: "a@partner.example".into() });
    drive::modify(&mut world, &address, |e| e.set("targetAddress", Vec::new()));
    drive::hours(&mut world, 1);
    assert_eq!(user(&world, &address).external, "a@partner.example", "KB4456110");
    drive::hours(&mut world, 24);
    assert_eq!(user(&world, &address).external, "a@partner.example");
    add_proxy(&mut world, &address, "x500:/o=stray/cn=x");
    drive::hours(&mut world, 1);
    assert_eq!(user(&world, &address).recipient, Recipient::MailUser { external: address });
}

#[test]
fn a_quarantined_address_comes_back_when_it_is_free() {
    let mut world = drive::company(3, Faults::None);
    drive::prepare(&mut world);
    let (a, b) = (world.company.list[0].clone(), world.company.list[1].clone());
    add_proxy(&mut world, &b, "smtp:both@contoso.test");
    drive::hours(&mut world, 1);
    add_proxy(&mut world, &a, "smtp:both@contoso.test");
    drive::hours(&mut world, 1);
    assert_eq!(user(&world, &a).conflicts, [("ProxyAddress".to_owned(), "smtp:both@contoso.test".to_owned())]);
    drive::modify(&mut world, &b, |e| {
        let left =
            e.texts("proxyAddresses").into_iter().filter(|p| !p.starts_with("smtp:both")).map(String::into_bytes);
        let left = left.collect();
        e.set("proxyAddresses", left);
    });
    drive::hours(&mut world, 2);
    drive::modify(&mut world, &b, |e| e.set_text("displayName", "Somebody"));
    drive::hours(&mut world, 1);
    assert_eq!(user(&world, &a).conflicts, []);
}

#[test]
fn the_x500_form_of_the_old_name_arrives() {
    let mut world = drive::company(1, Faults::None);
    drive::prepare(&mut world);
    let address = first(&world);
    let legacy = world.baseline[&address.to_lowercase()].text("legacyExchangeDN").expect("mailboxes have one");
    assert!(user(&world, &address).proxies.contains(&format!("x500:{legacy}")));
    assert_eq!(
        user(&world, &address).synced_guid,
        world.baseline[&address.to_lowercase()]
            .values("msExchMailboxGuid")
            .first()
            .and_then(|b| Guid::from_directory(b))
    );
}

#[test]
fn a_synchronized_guid_never_changes_a_mailbox() {
    let mut world = drive::company(1, Faults::None);
    drive::prepare(&mut world);
    let address = first(&world);
    drive::batch(&mut world, "wave", std::slice::from_ref(&address));
    drive::run(&mut world, "wave");
    let before = user(&world, &address).recipient.clone();
    drive::modify(&mut world, &address, |e| e.set("msExchMailboxGuid", vec![vec![9; 16]]));
    drive::hours(&mut world, 1);
    assert_eq!(user(&world, &address).recipient, before);
}

#[test]
fn changes_over_ldap_are_told_apart() {
    let mut world = drive::company(3, Faults::None);
    drive::prepare(&mut world);
    let list = world.company.list.clone();
    drive::batch(&mut world, "wave", &list);
    drive::run(&mut world, "wave");
    drive::convert(&mut world, &list[0]);
    drive::modify(&mut world, &list[1], |e| e.set("targetAddress", Vec::new()));
    drive::modify(&mut world, &list[2], |e| e.set_text("displayName", "New Name"));
    let kind = |address: &str, kind: &str| {
        world.writes.get(&("ldap".to_owned(), address.to_owned(), kind.to_owned())).copied()
    };
    assert_eq!(kind(&list[0], "convert"), Some(1));
    assert_eq!(kind(&list[1], "release"), Some(1));
    assert_eq!(kind(&list[2], "other"), Some(1));
    assert_eq!(world.writes.len(), 3, "what the service writes is not the tool's");
}

#[test]
fn order_of_requests_at_one_moment_changes_nothing() {
    let run = |backwards: bool| {
        let mut world = drive::company(12, Faults::None);
        drive::prepare(&mut world);
        let mut list = world.company.list.clone();
        drive::batch(&mut world, "wave", &list);
        drive::run(&mut world, "wave");
        if backwards {
            list.reverse();
        }
        for address in &list {
            drive::licence(&mut world, address);
        }
        for address in &list {
            drive::convert(&mut world, address);
        }
        drive::hours(&mut world, 30);
        batches::remove(&mut world, "wave");
        drive::hours(&mut world, 30);
        let id = drive::user(&world, &world.company.list[0].clone());
        licences::assign(&mut world, id, &[], &[tenancy::ENTERPRISEPACK]).expect("the licence is held");
        (time::digest(&world), format!("{:?}", crate::lab::judge::proof(&world)))
    };
    assert_eq!(run(false), run(true));
}
