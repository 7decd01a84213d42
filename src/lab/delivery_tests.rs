//! One test for each row of the delivery table that the lab plays.

use super::*;
use crate::lab::mail::{self, Sender, landing, rows};
use crate::lab::post::Landing;
use crate::lab::world::Mailbox;
use crate::lab::{Faults, drive};

/// A small company with verified domains, everybody still at home.
fn home() -> World {
    let mut world = drive::company(3, Faults::None);
    drive::prepare(&mut world);
    world
}

fn seen(world: &World, sender: Sender) -> (Vec<u8>, Landing) {
    (rows(world, 0, sender), landing(world, 0, sender))
}

fn lost(text: &str) -> Landing {
    Landing::Lost(text.into())
}

fn loop_in_cloud() -> Landing {
    lost("554 5.4.14 Hop count exceeded - possible mail loop ATTR34")
}

/// Puts the first person's cloud object into a state.
fn cloud_is(world: &mut World, recipient: Recipient) {
    let address = world.company.list[0].clone();
    let id = drive::user(world, &address);
    let alias = world.tenant.users[&id].alias.clone();
    let initial = world.tenant.initial_domain.clone();
    let user = world.tenant.users.get_mut(&id).expect("the user is there");
    user.recipient = recipient;
    sync::compute(world, id);
    let user = &world.tenant.users[&id];
    assert!(
        !matches!(user.recipient, Recipient::Mailbox(_)) || user.proxies.contains(&format!("smtp:{alias}@{initial}"))
    );
}

fn routing(world: &World) -> String {
    let id = drive::user(world, &world.company.list[0].clone());
    format!("{}@{}", world.tenant.users[&id].alias, world.tenant.initial_domain)
}

fn mailbox(world: &World) -> Mailbox {
    let guid = world.guid("mailbox", "test");
    Mailbox { guid, created: world.now, items: 1, items_total: 1, filled: None, kind: "UserMailbox".into() }
}

fn cloud_mailbox(world: &mut World) {
    let made = mailbox(world);
    cloud_is(world, Recipient::Mailbox(made));
}

fn forwarded(world: &mut World, target: &str) {
    let address = world.company.list[0].clone();
    let value = format!("SMTP:{target}");
    drive::modify(world, &address, |e| e.set_text("targetAddress", &value));
}

fn headless(world: &mut World) {
    let address = world.company.list[0].clone();
    drive::modify(world, &address, |e| e.set("homeMDB", Vec::new()));
}

fn mx_to_cloud(world: &mut World) {
    drive::switch(world);
}

fn no_connector(world: &mut World) {
    world.tenant.connectors.clear();
}

#[test]
fn rows_1_2_25_before_start() {
    let mut world = home();
    assert_eq!(seen(&world, Sender::Colleague), (vec![1], Landing::Old));
    assert_eq!(seen(&world, Sender::Outside), (vec![1], Landing::Old));
    assert_eq!(seen(&world, Sender::Cloud), (vec![2, 1], Landing::Old));
    mx_to_cloud(&mut world);
    assert_eq!(seen(&world, Sender::Outside), (vec![2, 1], Landing::Old));
}

#[test]
fn rows_3_4_26_without_a_connector() {
    let mut world = home();
    no_connector(&mut world);
    assert_eq!(seen(&world, Sender::Cloud), (vec![3, 1], Landing::Old));
    mx_to_cloud(&mut world);
    let (way, end) = seen(&world, Sender::Cloud);
    assert_eq!((way[0], way[1], end), (4, 26, loop_in_cloud()));
    let (way, end) = seen(&world, Sender::Outside);
    assert_eq!((way[0], end), (26, loop_in_cloud()));
}

#[test]
fn rows_5_6_7_before_synchronization() {
    let mut world = home();
    cloud_is(&mut world, Recipient::None);
    let address = world.company.list[0].clone();
    let unknown = "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup";
    assert_eq!(seen(&world, Sender::Cloud), (vec![7], lost(unknown)));
    mx_to_cloud(&mut world);
    let refused = format!("550 5.4.1 [{address}]: Recipient address rejected: Access denied");
    assert_eq!(seen(&world, Sender::Outside), (vec![5], lost(&refused)));
    for domain in world.tenant.domains.values_mut() {
        domain.domain_type = "InternalRelay".into();
    }
    assert_eq!(seen(&world, Sender::Outside), (vec![6, 1], Landing::Old));
    assert_eq!(seen(&world, Sender::Cloud), (vec![6, 1], Landing::Old));
}

#[test]
fn rows_8_9_two_mailboxes() {
    let mut world = home();
    cloud_mailbox(&mut world);
    assert_eq!(seen(&world, Sender::Colleague), (vec![8], Landing::Old));
    assert_eq!(seen(&world, Sender::Cloud), (vec![9], Landing::Cloud));
}

#[test]
fn rows_10_11_23_24_forwarded() {
    let mut world = home();
    cloud_mailbox(&mut world);
    let target = routing(&world);
    forwarded(&mut world, &target);
    assert_eq!(seen(&world, Sender::Colleague), (vec![10, 42], Landing::Cloud));
    assert_eq!(seen(&world, Sender::Cloud), (vec![11], Landing::Cloud));
    mx_to_cloud(&mut world);
    assert_eq!(seen(&world, Sender::Outside), (vec![11], Landing::Cloud));
}

#[test]
fn rows_16_18_37_a_mail_user_that_points_to_its_own_tenant() {
    let mut world = home();
    let target = routing(&world);
    cloud_mailbox(&mut world);
    cloud_is(&mut world, Recipient::MailUser { external: target.clone() });
    assert_eq!(seen(&world, Sender::Cloud), (std::iter::repeat_n(37, 20).collect(), loop_in_cloud()));
    forwarded(&mut world, &target);
    let (way, end) = seen(&world, Sender::Colleague);
    assert_eq!((way[0], way[1], end), (16, 37, loop_in_cloud()));
    assert_eq!(seen(&world, Sender::Cloud).0[0], 18);
}

#[test]
fn row_17_a_target_that_nobody_has() {
    let mut world = home();
    cloud_mailbox(&mut world);
    let target = format!("nobody@{}", world.tenant.initial_domain);
    forwarded(&mut world, &target);
    let refused = format!("550 5.4.1 [{target}]: Recipient address rejected: Access denied");
    assert_eq!(seen(&world, Sender::Colleague), (vec![10, 17, 29], lost(&refused)));
}

#[test]
fn rows_19_20_22_converted() {
    let mut world = home();
    cloud_mailbox(&mut world);
    let target = routing(&world);
    forwarded(&mut world, &target);
    headless(&mut world);
    assert_eq!(seen(&world, Sender::Colleague), (vec![19, 42], Landing::Cloud));
    let own = world.company.list[1].clone();
    forwarded(&mut world, &own);
    assert_eq!(seen(&world, Sender::Colleague).0, vec![19, 22]);
    let address = world.company.list[0].clone();
    drive::modify(&mut world, &address, |e| e.set("targetAddress", Vec::new()));
    let (way, end) = seen(&world, Sender::Colleague);
    assert_eq!((way, end), (vec![20], lost("550 5.1.1 RESOLVER.ADR.RecipNotFound; not found")));
}

#[test]
fn row_21_a_reply_to_old_mail() {
    let mut world = home();
    let address = world.company.list[0].clone();
    let id = drive::user(&world, &address);
    let name = world.tenant.users[&id].legacy_dn.clone();
    let mx = |_: &str| Some(Side::Old);
    assert_eq!(reply_way(&world, Side::Old, &name, &mx).rows, vec![21]);
    let value = format!("X500:{}", name.to_uppercase());
    drive::modify(&mut world, &address, |e| {
        let mut all = e.texts("proxyAddresses");
        all.push(value.clone());
        e.set("proxyAddresses", all.into_iter().map(String::into_bytes).collect());
    });
    assert_eq!(reply_way(&world, Side::Old, &name, &mx).rows, vec![1]);
}

#[test]
fn rows_29_30_nobody_anywhere() {
    let mut world = home();
    let mx = |_: &str| Some(Side::Cloud);
    let to = "nobody@contoso.test";
    assert_eq!(way(&world, Side::Cloud, From::Outside, to, &mx).rows, vec![29]);
    assert_eq!(way(&world, Side::Old, From::Outside, to, &mx).rows, vec![30]);
    assert_eq!(mail::rcpt(&mut world, Side::Cloud, "", to).code, 550);
    assert_eq!(mail::rcpt(&mut world, Side::Old, "", to).code, 550);
    let outside = way(&world, Side::Old, From::Outside, "x@elsewhere.example", &mx);
    assert_eq!(outside.end, End::Bounced("550 5.7.1 Unable to relay".into()));
}

#[test]
fn row_36_undo_with_the_cloud_mailbox_kept_and_row_40_undo_of_mx() {
    let mut world = home();
    cloud_mailbox(&mut world);
    mx_to_cloud(&mut world);
    let domain = domain_of(&world.company.list[0]);
    let old = format!("10 {}.", world.company.mail_host);
    drive::publish(&mut world, &domain, &domain, hickory_proto::rr::RecordType::MX, 300, &old);
    assert_eq!(landing(&world, 0, Sender::Outside), Landing::Cloud, "resolvers hold the set that was replaced");
    drive::hours(&mut world, 2);
    assert_eq!(seen(&world, Sender::Outside), (vec![8], Landing::Old));
}

#[test]
fn row_41_disconnected() {
    let mut world = home();
    cloud_mailbox(&mut world);
    let (target, since, kept) = (routing(&world), world.now, mailbox(&world));
    cloud_is(&mut world, Recipient::Disconnected { mailbox: kept, since, external: target.clone() });
    forwarded(&mut world, &target);
    headless(&mut world);
    let (way, end) = seen(&world, Sender::Colleague);
    assert_eq!((&way[..3], end), (&[41, 41, 37][..], loop_in_cloud()));
}

#[test]
fn several_holders_are_ambiguous() {
    let mut world = home();
    let (first, second) = (world.company.list[0].clone(), world.company.list[1].clone());
    drive::modify(&mut world, &second, |e| {
        let mut all = e.texts("proxyAddresses");
        all.push(format!("smtp:{first}"));
        e.set("proxyAddresses", all.into_iter().map(String::into_bytes).collect());
    });
    let (_, end) = seen(&world, Sender::Colleague);
    assert_eq!(end, lost("550 5.1.4 RESOLVER.ADR.Ambiguous; ambiguous address"));
}

#[test]
fn unverified_domains_follow_the_mx() {
    let world = drive::company(3, Faults::None);
    assert_eq!(seen(&world, Sender::Cloud).1, Landing::Old);
    let mx = |_: &str| Some(Side::Cloud);
    let end = way(&world, Side::Cloud, From::Outside, &world.company.list[0], &mx).end;
    assert!(matches!(end, End::Bounced(text) if text.starts_with("550 5.4.1 Relay Access Denied")));
}
