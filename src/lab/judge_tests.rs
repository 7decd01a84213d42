//! Whole migrations, and for each rule of the judge a fault that breaks it.

use super::*;
use hickory_proto::rr::RecordType;

use crate::lab::world::{Recipient, after};
use crate::lab::{Faults, batches, drive, licences, mail, tenancy, time};
use crate::wire::attributes::Entry;

fn broken_rules(proof: &Proof) -> Vec<String> {
    let rows =
        proof.rows.iter().flat_map(|r| r.broken.iter().map(move |b| format!("{}: {} {}", r.address, b.rule, b.text)));
    rows.chain(proof.broken.iter().map(|b| format!("{} {}", b.rule, b.text))).collect()
}

#[test]
fn a_sound_calm_migration_moves_everybody() {
    let mut world = drive::company(45, Faults::None);
    drive::migrate(&mut world, 20);
    let proof = proof(&world);
    assert_eq!(broken_rules(&proof), Vec::<String>::new());
    assert!(proof.rows.iter().all(|r| r.outcome == Outcome::Moved));
    assert_eq!(proof.probes.lost, 0);
    assert_eq!(proof.probes.sent, proof.probes.delivered);
    assert!(proof.hours_apart_median > 0.5, "{}", proof.hours_apart_median);
}

#[test]
fn a_sound_migration_with_trouble_leaves_some_whole() {
    let mut world = drive::company(60, Faults::Usual);
    drive::migrate(&mut world, 20);
    let proof = proof(&world);
    assert_eq!(broken_rules(&proof), Vec::<String>::new());
    let left = proof.rows.iter().filter(|r| r.outcome == Outcome::Whole).count();
    assert!((1..=2).contains(&left), "{left}");
    assert!(proof.rows.iter().all(|r| (r.outcome == Outcome::Whole) != r.reason.is_empty()));
}

#[test]
fn the_same_seed_gives_the_same_events() {
    let run = |seed| {
        let mut world = drive::seeded(seed, 30, Faults::Usual);
        drive::migrate(&mut world, 10);
        time::digest(&world)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).sha256, run(2).sha256);
}

/// Two people, wholly moved.
fn moved() -> World {
    let mut world = drive::company(2, Faults::None);
    drive::migrate(&mut world, 20);
    assert_eq!(broken_rules(&proof(&world)), Vec::<String>::new());
    world
}

/// Two people in a batch that has run, nothing else done.
fn copied() -> World {
    let mut world = drive::company(2, Faults::None);
    drive::prepare(&mut world);
    let list = world.company.list.clone();
    drive::batch(&mut world, "wave", &list);
    drive::run(&mut world, "wave");
    world
}

fn first(world: &World) -> String {
    world.company.list[0].clone()
}

/// Changes the first person's directory object behind everybody's back.
fn tamper(world: &mut World, change: impl FnOnce(&mut Entry)) {
    let key = world.index.names[0].clone();
    let object = world.directory.get_mut(&key).expect("the object is there");
    let before = object.entry.clone();
    change(&mut object.entry);
    let now = object.entry.clone();
    world.index.directory(&key, &before, &now);
}

/// Names of the rules that the first row breaks.
fn rules_of(world: &World) -> Vec<String> {
    let proof = proof(world);
    let row = &proof.rows[0];
    assert_eq!(row.outcome == Outcome::Broken, !row.broken.is_empty());
    row.broken.iter().map(|b| b.rule.clone()).collect()
}

fn global(world: &World) -> Vec<String> {
    proof(world).broken.iter().map(|b| b.rule.clone()).collect()
}

fn without(entry: &mut Entry, unwanted: impl Fn(&str) -> bool) {
    let left = entry.texts("proxyAddresses").into_iter().filter(|p| !unwanted(p)).map(String::into_bytes).collect();
    entry.set("proxyAddresses", left);
}

#[test]
fn each_rule_for_a_converted_object_is_broken_by_its_fault() {
    type Fault = fn(&mut Entry);
    let faults: &[(&str, Fault)] = &[
        ("x500-missing", |e| without(e, |p| p.starts_with("x500:/o=ExchangeLabs"))),
        ("x500-missing", |e| without(e, |p| p.starts_with("x500:/o=Contoso"))),
        ("routing-address-missing", |e| without(e, |p| p.starts_with("smtp:") && p.contains("onmicrosoft"))),
        ("address-lost", |e| {
            without(e, |p| p.starts_with("SMTP:"));
            let mut all = e.values("proxyAddresses").to_vec();
            all.push(b"SMTP:somebody.else@contoso.test".to_vec());
            e.set("proxyAddresses", all);
        }),
        ("primary-address", |e| {
            let all =
                e.texts("proxyAddresses").into_iter().map(|p| p.replacen("SMTP:", "smtp:", 1)).collect::<Vec<_>>();
            e.set("proxyAddresses", all.into_iter().map(String::into_bytes).collect());
        }),
        ("policy-not-excluded", |e| e.set("msExchPoliciesExcluded", Vec::new())),
        ("guid-order", |e| {
            let bytes = e.values("msExchMailboxGuid")[0].clone();
            let text = crate::wire::guid::Guid::from_directory(&bytes).expect("sixteen bytes").0;
            e.set("msExchMailboxGuid", vec![text.to_vec()]);
        }),
        ("guid-wrong", |e| e.set("msExchMailboxGuid", vec![vec![1; 16]])),
        ("mailbox-attributes-left", |e| e.set_text("homeMTA", "CN=Microsoft MTA")),
        ("attribute-changed", |e| e.set_text("mail", "other@contoso.test")),
        ("attribute-changed", |e| e.set_text("extensionAttribute7", "x")),
        ("attribute-changed", |e| e.set("mailNickname", Vec::new())),
        ("target-address", |e| {
            let target = e.text("targetAddress").expect("a mail user has one");
            e.set_text("targetAddress", &target.replacen("SMTP:", "smtp:", 1));
        }),
    ];
    let sound = moved();
    for (rule, fault) in faults {
        let mut world = sound.clone();
        tamper(&mut world, fault);
        assert!(rules_of(&world).contains(&(*rule).to_owned()), "{rule}: {:?}", broken_rules(&proof(&world)));
    }
}

#[test]
fn an_object_that_is_gone_is_missed() {
    let mut world = moved();
    let key = world.index.names[0].clone();
    world.directory.remove(&key);
    assert_eq!(rules_of(&world), ["object-missing"]);
}

#[test]
fn a_target_of_the_company_itself_is_seen_and_mail_goes_astray() {
    let mut world = moved();
    tamper(&mut world, |e| e.set_text("targetAddress", "SMTP:somebody@contoso.test"));
    assert_eq!(rules_of(&world), ["target-address", "mail-goes-astray"]);
}

#[test]
fn a_skipped_conversion_is_seen() {
    let mut world = copied();
    for address in world.company.list.clone() {
        drive::licence(&mut world, &address);
    }
    drive::switch(&mut world);
    drive::clear(&mut world);
    assert_eq!(rules_of(&world), ["not-converted"]);
}

#[test]
fn a_missing_licence_is_seen_and_a_shared_mailbox_needs_none() {
    let mut world = copied();
    for address in world.company.list.clone() {
        drive::convert(&mut world, &address);
    }
    assert_eq!(rules_of(&world), ["no-licence"]);
    let id = drive::user(&world, &first(&world));
    if let Recipient::Mailbox(mailbox) = &mut world.tenant.users.get_mut(&id).expect("the user is there").recipient {
        mailbox.kind = "SharedMailbox".into();
    }
    assert_eq!(rules_of(&world), Vec::<String>::new());
}

#[test]
fn a_licence_that_never_comes_ends_in_a_lost_mailbox() {
    let mut world = copied();
    let address = first(&world);
    drive::convert(&mut world, &address);
    drive::hours(&mut world, 31 * 24);
    let rules = rules_of(&world);
    for rule in ["no-cloud-mailbox", "mail-goes-astray", "message-lost"] {
        assert!(rules.contains(&rule.to_owned()), "{rules:?}");
    }
    drive::hours(&mut world, 31 * 24);
    assert!(world.post.people[0].vanished > 0);
}

#[test]
fn a_conversion_before_the_copy_ended_is_seen() {
    let mut world = drive::company(1, Faults::None);
    drive::prepare(&mut world);
    let address = first(&world);
    drive::batch(&mut world, "wave", std::slice::from_ref(&address));
    batches::begin(&mut world, "wave");
    while world.tenant.batches["wave"].rows[0].status != "Syncing" {
        let next = after(world.now, 60);
        time::advance(&mut world, next);
    }
    drive::convert(&mut world, &address);
    drive::licence(&mut world, &address);
    drive::hours(&mut world, 48);
    assert_eq!(
        world.tenant.batches["wave"].rows[0].error,
        "MigrationPermanentException: Couldn't connect to the source mailbox."
    );
    assert_eq!(rules_of(&world), ["cloud-mailbox-unfilled"]);
}

#[test]
fn a_failed_row_left_forwarded_is_seen() {
    let mut world = drive::troubled(1, "copy-timeout");
    drive::prepare(&mut world);
    let address = first(&world);
    drive::batch(&mut world, "wave", &[address]);
    drive::run(&mut world, "wave");
    assert_eq!(world.tenant.batches["wave"].status, "Failed");
    drive::hours(&mut world, 48);
    let rules = rules_of(&world);
    assert_eq!(rules, ["forwarded-unfilled", "message-lost"]);
    assert!(proof(&world).rows[0].reason.starts_with("SyncTimeoutException"));
}

/// The object as it was at the beginning, the forwarding gone and the cloud mailbox
/// with it.
fn taken_home(world: &mut World, address: &str) {
    let baseline = world.baseline[&address.to_lowercase()].clone();
    drive::modify(world, address, |object| *object = baseline);
    drive::release(world, address);
}

#[test]
fn an_old_mailbox_opens_again_until_its_store_purges_it() {
    for (days, rules) in [(20, false), (31, true)] {
        let mut world = copied();
        let address = world.company.list[0].clone();
        drive::licence(&mut world, &address);
        drive::convert(&mut world, &address);
        drive::hours(&mut world, days * 24);
        taken_home(&mut world, &address);
        let told = broken_rules(&proof(&world));
        let empty = told.iter().any(|r| r.contains("old-mailbox-empty"));
        assert_eq!(empty, rules, "after {days} days: {told:?}");
    }
}

#[test]
fn a_released_row_with_its_cloud_mailbox_open_is_seen() {
    let mut world = drive::troubled(1, "copy-timeout");
    drive::prepare(&mut world);
    let address = first(&world);
    drive::batch(&mut world, "wave", std::slice::from_ref(&address));
    drive::run(&mut world, "wave");
    drive::modify(&mut world, &address, |e| e.set("targetAddress", Vec::new()));
    drive::hours(&mut world, 2);
    let rules = rules_of(&world);
    assert!(rules.contains(&"two-mailboxes".to_owned()) && rules.contains(&"mail-goes-astray".to_owned()), "{rules:?}");
}

#[test]
fn a_release_without_an_address_change_leaves_the_external_address_behind() {
    let mut world = drive::troubled(1, "copy-timeout");
    drive::prepare(&mut world);
    let address = first(&world);
    drive::batch(&mut world, "wave", std::slice::from_ref(&address));
    drive::run(&mut world, "wave");
    drive::hours(&mut world, 2);
    drive::modify(&mut world, &address, |e| e.set("targetAddress", Vec::new()));
    let id = drive::user(&world, &address);
    drive::licence(&mut world, &address);
    drive::carry_home(&mut world, &address);
    licences::assign(&mut world, id, &[], &[tenancy::ENTERPRISEPACK]).expect("the licence is held");
    drive::hours(&mut world, 1);
    assert!(rules_of(&world).contains(&"mail-goes-astray".to_owned()), "KB4456110");
    drive::modify(&mut world, &address, |e| {
        let mut all = e.values("proxyAddresses").to_vec();
        all.push(b"x500:/o=stray/cn=x".to_vec());
        e.set("proxyAddresses", all);
    });
    drive::hours(&mut world, 1);
    // What somebody wrote while the cloud still led to itself stays lost.
    assert_eq!(rules_of(&world), ["message-lost"]);
}

#[test]
fn a_mailbox_left_whole_must_be_as_it_was() {
    let mut sound = drive::company(2, Faults::None);
    drive::prepare(&mut sound);
    assert_eq!(rules_of(&sound), Vec::<String>::new());
    let mut world = sound.clone();
    tamper(&mut world, |e| e.set("msExchMailboxGuid", vec![vec![2; 16]]));
    assert_eq!(rules_of(&world), ["home-changed"]);
    let mut world = sound.clone();
    tamper(&mut world, |e| {
        let mut all = e.values("proxyAddresses").to_vec();
        all.push(b"smtp:more@contoso.test".to_vec());
        e.set("proxyAddresses", all);
    });
    assert_eq!(rules_of(&world), ["address-changed"]);
    let mut world = sound.clone();
    tamper(&mut world, |e| {
        let mut all = e.values("proxyAddresses").to_vec();
        all.push(b"x500:/o=stray/cn=x".to_vec());
        e.set("proxyAddresses", all);
    });
    assert_eq!(rules_of(&world), Vec::<String>::new(), "stray X.500 names are allowed");
    assert_eq!(proof(&world).rows[0].reason, "never part of a batch");
}

#[test]
fn names_must_lead_to_the_cloud_when_somebody_moved() {
    let mut world = drive::company(2, Faults::None);
    assert_eq!(global(&world), Vec::<String>::new(), "nobody moved, nothing to switch");
    drive::prepare(&mut world);
    let list = world.company.list.clone();
    drive::batch(&mut world, "wave", &list);
    drive::run(&mut world, "wave");
    for address in &list {
        drive::licence(&mut world, address);
        drive::convert(&mut world, address);
    }
    let rules = global(&world);
    for rule in ["mx-not-in-cloud", "autodiscover-not-in-cloud", "batch-left"] {
        assert!(rules.contains(&rule.to_owned()), "{rules:?}");
    }
    drive::switch(&mut world);
    drive::clear(&mut world);
    assert_eq!(global(&world), Vec::<String>::new());
}

#[test]
fn what_is_written_twice_is_seen() {
    let mut world = moved();
    let address = first(&world);
    world.wrote("ldap", &address, "convert");
    assert_eq!(rules_of(&world), ["written-twice"]);
    assert_eq!(global(&world), ["written-twice"]);
    let mut world = moved();
    let domain = world.company.domains[0].clone();
    let host = world.tenant.domains[&domain].mx_host.clone();
    drive::publish(&mut world, &domain, &domain, RecordType::MX, 300, &format!("0 {host}."));
    assert_eq!(global(&world), Vec::<String>::new(), "a time to live is a change of its own");
    drive::publish(&mut world, &domain, &domain, RecordType::MX, 300, &format!("5 {host}."));
    assert!(global(&world).contains(&"written-twice".to_owned()));
}

#[test]
fn a_message_that_bounces_is_lost() {
    let mut world = moved();
    for connector in &mut world.tenant.connectors {
        connector.enabled = false;
    }
    let domain = world.company.domains[0].clone();
    drive::publish(&mut world, &domain, &domain, RecordType::MX, 300, "10 elsewhere.example.");
    drive::hours(&mut world, 30);
    let rules = global(&world);
    assert!(rules.contains(&"message-lost".to_owned()) && rules.contains(&"mx-not-in-cloud".to_owned()), "{rules:?}");
    assert!(!proof(&world).probes.lost_sample.is_empty());
    assert!(rules_of(&world).contains(&"message-lost".to_owned()));
}

#[test]
fn a_message_of_the_tool_is_found_where_it_arrived() {
    let mut world = moved();
    let address = first(&world);
    let id = "<one@tool.example>";
    assert_eq!(mail::deliver(&mut world, mail::Side::Cloud, "t@partner.example", &address, id, "hello").code, 250);
    assert!(mail::messages_in_cloud(&world, &address).iter().any(|m| m.id == id));
    assert_eq!(mail::message(&world, id).map(|m| m.to), Some(address));
    let later = after(world.now, 60);
    time::advance(&mut world, later);
    assert_eq!(mail::message(&world, "<two@tool.example>").map(|m| m.to), None);
}

#[test]
fn a_forwarding_that_no_longer_keeps_a_copy_is_seen() {
    let mut world = drive::troubled(3, "forwarding");
    drive::migrate(&mut world, 3);
    assert_eq!(broken_rules(&proof(&world)), Vec::<String>::new());
    let id = drive::user(&world, &first(&world));
    if let Recipient::Mailbox(mailbox) = &mut world.tenant.users.get_mut(&id).expect("the user is there").recipient {
        mailbox.both = false;
    }
    assert_eq!(rules_of(&world), ["copy-not-kept"]);
}
