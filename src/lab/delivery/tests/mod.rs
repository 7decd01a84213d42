//! One scene for each row of the table: a world, a message, where it ends and by
//! which rows.

mod between;
mod cloud;
mod moments;
mod old;

use std::collections::BTreeMap;

use hickory_proto::rr::RecordType;

use super::*;
use crate::lab::mail::{self, Sender, Side, landing};
use crate::lab::post::Landing;
use crate::lab::transport::Policy;
use crate::lab::world::{Mailbox, Recipient};
use crate::lab::{Faults, World, directory, drive, index, sync};
use crate::wire::attributes::{Entry, dn_key, domain_of};

/// A message, by whom and to whom.
#[derive(Clone, Copy, Debug)]
struct Post {
    /// None: where the public MX leads.
    entry: Option<Side>,
    by: From,
    from: &'static str,
    to: &'static str,
    policy: Policy,
    size: u64,
    meeting: bool,
    this_hour: u32,
}

/// A stranger, by the public MX.
const OUTSIDE: Post = Post {
    entry: None,
    by: From::Outside,
    from: "weather@partner.example",
    to: "first",
    policy: Policy { spf: false, dkim: false, dmarc: crate::lab::transport::Dmarc::None },
    size: 0,
    meeting: false,
    this_hour: 1,
};
/// A stranger who knows the old host only.
const FIXED: Post = Post { entry: Some(Side::Old), ..OUTSIDE };
/// A colleague on premises.
const COLLEAGUE: Post = Post { entry: Some(Side::Old), by: From::Colleague, from: "kim@contoso.test", ..OUTSIDE };
/// A colleague in the cloud.
const IN_CLOUD: Post = Post { entry: Some(Side::Cloud), ..COLLEAGUE };

/// A world in a state, a message, and what becomes of it.
struct Scene {
    row: &'static str,
    arrange: fn(&mut World),
    post: Post,
    ends: &'static str,
}

fn scene(row: &'static str, arrange: fn(&mut World), post: Post, ends: &'static str) -> Scene {
    Scene { row, arrange, post, ends }
}

/// A small company with verified domains, everybody still at home.
fn home() -> World {
    let mut world = drive::company(3, Faults::None);
    drive::prepare(&mut world);
    world
}

fn first(world: &World) -> String {
    world.company.list[0].clone()
}

fn routing(world: &World) -> String {
    let id = drive::user(world, &first(world));
    format!("{}@{}", world.tenant.users[&id].alias, world.tenant.initial_domain)
}

fn address(world: &World, word: &str) -> String {
    match word {
        "first" => first(world),
        "second" => world.company.list[1].clone(),
        "routing" => routing(world),
        other => other.to_owned(),
    }
}

fn play(world: &World, post: Post) -> Way {
    let to = address(world, post.to);
    let entry = post.entry.or_else(|| mail::mx_side(world, &domain_of(&to))).expect("the domain has an MX");
    let letter = Letter::new(world, entry, post.by, post.from, &to);
    let letter =
        Letter { policy: post.policy, size: post.size, meeting: post.meeting, this_hour: post.this_hour, ..letter };
    send(world, &letter, &|domain| mail::mx_side(world, domain))
}

/// A way in a few words: `cloud junk`, `queued 48`, `554 5.4.14`.
fn words(world: &World, way: &Way) -> String {
    let own = |key: &String| world.index.names.first() == Some(key);
    let mut text = match &way.end {
        End::Old(key) if own(key) => "old".to_owned(),
        End::Old(_) => "other old".into(),
        End::Cloud(id) if index::place_of(world, *id) == Some(0) => "cloud".into(),
        End::Cloud(_) => "other cloud".into(),
        End::Bounced(text) => text.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" "),
        End::Out(address) => format!("out {address}"),
        End::Queued(hours, _) => format!("queued {hours}"),
        End::Quarantined(_) => "held".into(),
        End::Members(ways) => {
            let all: Vec<String> = ways.iter().map(|(_, way)| words(world, way)).collect();
            format!("members: {}", all.join(", "))
        }
    };
    if way.junk {
        text += " junk";
    }
    if way.late > 0 {
        text += &format!(" late {}", way.late);
    }
    if way.unanswered {
        text += " unanswered";
    }
    for (_, copy) in &way.copies {
        text += &format!(" and {}", words(world, copy));
    }
    text
}

fn check(scenes: &[Scene]) {
    let home = home();
    for Scene { row, arrange, post, ends } in scenes {
        let mut world = home.clone();
        arrange(&mut world);
        let way = play(&world, *post);
        assert!(way.rows.contains(row), "row {row}: {post:?} went by {:?} to {:?}", way.rows, way.end);
        assert_eq!(words(&world, &way), *ends, "row {row}, by {:?}: {:?}", way.rows, way.end);
    }
}

// What scenes change.

fn set(world: &mut World, name: &str, value: &str) {
    let address = first(world);
    drive::modify(world, &address, |e| e.set_text(name, value));
}

fn clear(world: &mut World, name: &str) {
    let address = first(world);
    drive::modify(world, &address, |e| e.set(name, Vec::new()));
}

/// Puts the first person's cloud object into a state.
fn cloud_is(world: &mut World, recipient: Recipient) {
    let id = drive::user(world, &first(world));
    world.tenant.users.get_mut(&id).expect("the user is there").recipient = recipient;
    sync::compute(world, id);
}

fn mailbox(world: &World) -> Mailbox {
    let guid = world.guid("mailbox", "test");
    Mailbox {
        guid,
        created: world.now,
        items: 1,
        items_total: 1,
        filled: None,
        kind: "UserMailbox".into(),
        both: false,
    }
}

fn cloud_mailbox(world: &mut World) {
    let made = mailbox(world);
    cloud_is(world, Recipient::Mailbox(made));
}

fn target(world: &mut World, target: &str) {
    let target = address(world, target);
    set(world, "targetAddress", &format!("SMTP:{target}"));
}

/// Provisioned, and the target written.
fn forwarded(world: &mut World) {
    cloud_mailbox(world);
    target(world, "routing");
}

fn converted(world: &mut World) {
    forwarded(world);
    clear(world, "homeMDB");
}

/// A mail user that points to its own tenant.
fn c2(world: &mut World) {
    cloud_mailbox(world);
    let external = routing(world);
    cloud_is(world, Recipient::MailUser { external });
}

/// A mailbox that lost its licence, of a converted row.
fn disconnected(world: &mut World) {
    converted(world);
    let (mailbox, since, external) = (mailbox(world), world.now, routing(world));
    cloud_is(world, Recipient::Disconnected { mailbox, since, external });
}

fn mx_cloud(world: &mut World) {
    for domain in world.company.domains.clone() {
        let host = world.tenant.domains[&domain].mx_host.clone();
        mx(world, &domain, &host);
    }
}

fn mx(world: &mut World, domain: &str, host: &str) {
    drive::publish(world, domain, domain, RecordType::MX, 300, &format!("0 {host}."));
    drive::hours(world, 2);
}

fn no_connector(world: &mut World) {
    world.tenant.connectors.clear();
}

fn relay(world: &mut World) {
    for domain in world.tenant.domains.values_mut() {
        domain.domain_type = "InternalRelay".into();
    }
}

fn setting(world: &mut World, name: &str, value: &str) {
    world.settings.set(name, value).expect("the switch is there");
}

/// Another object with an address in the main domain, and other attributes.
fn object(world: &mut World, local: &str, classes: &[&str], attributes: &[(&str, &str)]) {
    let base = directory::base(world);
    let mut entry = directory::plain(format!("CN={local},OU=Contacts,{base}"), classes);
    entry.set_text("mailNickname", local);
    entry.set("proxyAddresses", vec![format!("SMTP:{local}@contoso.test").into_bytes()]);
    for (name, value) in attributes {
        entry.set_text(name, value);
    }
    directory::add(world, entry, 0, 0);
}

/// `team@contoso.test` with the first two people.
fn group(world: &mut World) {
    object(world, "team", &["top", "group"], &[]);
    let names: Vec<Vec<u8>> = world.index.names[..2].iter().map(|n| n.clone().into_bytes()).collect();
    entry_of(world, "team").set("member", names);
}

fn entry_of<'a>(world: &'a mut World, local: &str) -> &'a mut Entry {
    let key = dn_key(&format!("CN={local},OU=Contacts,{}", directory::base(world)));
    &mut world.directory.get_mut(&key).expect("it was added").entry
}

fn history(world: &mut World, change: fn(&mut crate::lab::world::History, jiff::Timestamp)) {
    let (address, now) = (first(world).to_lowercase(), world.now);
    change(world.history.entry(address).or_default(), now);
}

/// Every scene of all files.
fn scenes() -> Vec<Scene> {
    [moments::scenes(), old::scenes(), cloud::scenes(), between::scenes()].into_iter().flatten().collect()
}

#[test]
fn every_row_has_a_scene() {
    let mut played: BTreeMap<&str, usize> = BTreeMap::new();
    for scene in scenes() {
        *played.entry(scene.row).or_default() += 1;
    }
    // They have tests of their own; no message finds them.
    let apart = ["12", "21"];
    let mut missing = Vec::new();
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for row in table::all() {
        *rows.entry(row.name).or_default() += 1;
    }
    for (name, records) in &rows {
        let scenes = played.get(name).copied().unwrap_or_default();
        if scenes < *records && !apart.contains(name) {
            missing.push(format!("{name} has {records} records and {scenes} scenes"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    let strange: Vec<&&str> = played.keys().filter(|name| !rows.contains_key(**name)).collect();
    assert!(strange.is_empty(), "scenes of no row: {strange:?}");
}

#[test]
fn the_decision_table_is_whole() {
    for number in 1..=47 {
        let name = number.to_string();
        assert!(table::all().any(|r| r.name == name), "row {number} is missing");
    }
    for row in table::all() {
        assert!(["D", "O", "I", "U"].contains(&row.mark), "{}: {}", row.name, row.mark);
        assert!(!row.source.is_empty() && !row.about.is_empty(), "{}", row.name);
    }
}

#[test]
fn probes_land_as_the_table_says() {
    let mut world = home();
    assert_eq!(landing(&world, 0, Sender::Outside), Landing::Old);
    forwarded(&mut world);
    assert_eq!(landing(&world, 0, Sender::Colleague), Landing::Cloud);
    clear(&mut world, "homeMDB");
    clear(&mut world, "targetAddress");
    assert!(matches!(landing(&world, 0, Sender::Colleague), Landing::Lost(text) if text.contains("no Mdb")));
}

#[test]
fn what_an_owner_forwards_has_arrived() {
    let mut world = home();
    let name = world.index.names[1].clone();
    set(&mut world, "altRecipient", &name);
    assert_eq!(landing(&world, 0, Sender::Colleague), Landing::Old);
    world.company.list[2] = "nobody@contoso.test".into();
    assert!(matches!(landing(&world, 2, Sender::Colleague), Landing::Lost(_)));
}

#[test]
fn a_message_that_waits_is_tried_again_and_comes_back_in_the_end() {
    let mut world = home();
    no_connector(&mut world);
    world.company.transport.demands_tls = true;
    forwarded(&mut world);
    let (id, to) = ("<one@tool.example>", first(&world));
    mail::deliver(&mut world, Side::Old, "weather@partner.example", &to, id, "hello");
    let fate = |world: &World| mail::message(world, id).expect("it is known").fate;
    assert_eq!(fate(&world), crate::lab::world::MessageFate::Queued);
    let waiting = world.clone();
    drive::hours(&mut world, 50);
    assert!(matches!(fate(&world), crate::lab::world::MessageFate::Bounced(text) if text.contains("4.4.7")));
    let mut world = waiting;
    drive::hours(&mut world, 5);
    world.company.transport.demands_tls = false;
    drive::hours(&mut world, 2);
    assert_eq!(fate(&world), crate::lab::world::MessageFate::Cloud(to));
}

#[test]
fn only_what_hangs_on_the_address_is_refused_at_rcpt() {
    let mut world = home();
    let code = |world: &mut World, side, to: &str| mail::rcpt(world, side, "weather@partner.example", to).line();
    let to = first(&world);
    assert!(code(&mut world, Side::Cloud, &to).starts_with("250"));
    assert!(code(&mut world, Side::Old, "nobody@contoso.test").starts_with("550 5.1.1 User unknown"));
    assert!(code(&mut world, Side::Cloud, "nobody@contoso.test").starts_with("550 5.4.1 [nobody@contoso.test]"));
    assert!(code(&mut world, Side::Old, "x@elsewhere.example").starts_with("550 5.7.1 Unable to relay"));
    assert!(code(&mut world, Side::Cloud, "x@elsewhere.example").starts_with("550 5.4.1 Relay Access Denied"));
    world.company.transport.unfiltered = true;
    assert!(code(&mut world, Side::Old, "nobody@contoso.test").starts_with("250"), "returned afterwards");
    set(&mut world, "msExchRequireAuthToSendTo", "TRUE");
    assert!(code(&mut world, Side::Old, &to).starts_with("250"));
    let domain = domain_of(&to);
    world.tenant.domains.get_mut(&domain).expect("it is the company's").verified = false;
    assert!(code(&mut world, Side::Cloud, &to).starts_with("550 5.4.1 Relay"));
}

#[test]
fn a_copy_of_an_mx_set_counts_until_its_time_is_over() {
    let mut world = home();
    cloud_mailbox(&mut world);
    mx_cloud(&mut world);
    let domain = domain_of(&first(&world));
    let old = format!("10 {}.", world.company.mail_host);
    drive::publish(&mut world, &domain, &domain, RecordType::MX, 300, &old);
    assert_eq!(landing(&world, 0, Sender::Outside), Landing::Cloud, "resolvers hold the set that was replaced");
    drive::hours(&mut world, 2);
    assert_eq!(landing(&world, 0, Sender::Outside), Landing::Old);
    let rows = mail::rows(&world, 0, Sender::Outside);
    assert!(rows.starts_with(&["40"]), "{rows:?}");
}

#[test]
fn groups_within_themselves_end() {
    let mut world = home();
    group(&mut world);
    object(&mut world, "outer", &["top", "group"], &[]);
    let inner = dn_key(&format!("CN=team,OU=Contacts,{}", directory::base(&world)));
    let outer = dn_key(&format!("CN=outer,OU=Contacts,{}", directory::base(&world)));
    entry_of(&mut world, "outer").set("member", vec![inner.into_bytes()]);
    let more = entry_of(&mut world, "team").values("member").to_vec();
    entry_of(&mut world, "team").set("member", [more, vec![outer.into_bytes()]].concat());
    let way = play(&world, Post { to: "outer@contoso.test", ..COLLEAGUE });
    assert_eq!(words(&world, &way), "members: members: old, other old, members: ");
}

#[test]
fn of_a_group_in_the_cloud_only_those_are_there_who_are_synchronized() {
    let mut world = home();
    group(&mut world);
    cloud_is(&mut world, Recipient::None);
    let way = play(&world, Post { to: "team@contoso.test", ..IN_CLOUD });
    assert_eq!(words(&world, &way), "members: other old");
}

#[test]
fn two_who_copy_to_each_other_are_harmless_and_two_who_only_forward_are_not() {
    let mut world = home();
    let names = world.index.names.clone();
    set(&mut world, "altRecipient", &names[1]);
    let second = world.company.list[1].clone();
    drive::modify(&mut world, &second, |e| e.set_text("altRecipient", &names[0]));
    assert_eq!(words(&world, &play(&world, COLLEAGUE)), "554 5.4.6");
    set(&mut world, "deliverAndRedirect", "TRUE");
    drive::modify(&mut world, &second, |e| e.set_text("deliverAndRedirect", "TRUE"));
    assert_eq!(words(&world, &play(&world, COLLEAGUE)), "old and other old and old");
}
