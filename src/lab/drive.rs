//! For tests: a sound tool in a few lines, which drives the world directly.

use std::collections::BTreeSet;

use hickory_proto::rr::RecordType;

use super::batches;
use super::index::{cloud_user, user_of};
use super::world::{Batch, MigrationRow, Recipient, after};
use super::{Faults, Options, World, company, licences, mail, sync, tenancy, time};
use crate::wire::attributes::{Entry, POLICY_EXCLUSION, dn_key};
use crate::wire::dns::{RecordSet, absolute};
use crate::wire::guid::Guid;

/// A sample company; a calm one is tidy, so that a test sees what it looks for.
pub fn company(make: usize, faults: Faults) -> World {
    seeded(7, make, faults)
}

/// A sample company of another seed.
pub fn seeded(seed: u64, make: usize, faults: Faults) -> World {
    let options = Options { seed, faults, list: None, make };
    // Authoritative is the stricter half of the delivery table.
    let draft = if faults == Faults::None { company::tidy(&options) } else { company::draft(&options) };
    let mut draft = draft.expect("a sample company can be built");
    for domain in draft.world.tenant.domains.values_mut() {
        domain.domain_type = "Authoritative".into();
    }
    draft.begin()
}

/// A calm sample company whose first person has one mess beside.
pub fn troubled(make: usize, name: &str) -> World {
    let options = Options { seed: 7, faults: Faults::None, list: None, make };
    let mut draft = company::tidy(&options).expect("a sample company can be built");
    let mess = super::mess::all().find(|m| m.name == name).expect("the mess is in the table");
    let person = draft.people.first().cloned().expect("there is somebody");
    super::mess::lay(&mut draft.world, mess, &person);
    draft.begin()
}

/// Lets some hours pass.
pub fn hours(world: &mut World, hours: i64) {
    let to = after(world.now, hours * 3600);
    time::advance(world, to);
}

/// Domains verified, and a synchronization seen.
pub fn prepare(world: &mut World) {
    for domain in world.tenant.domains.values_mut() {
        domain.verified = true;
    }
    sync::domains_changed(world);
    hours(world, 2);
}

/// A batch of some of the list, as the service keeps it.
pub fn batch(world: &mut World, name: &str, addresses: &[String]) {
    let row = |address: &String| MigrationRow::queued(address, world.guid("row", address));
    let batch = Batch {
        name: name.into(),
        guid: world.guid("batch", name),
        endpoint: "on-premises".into(),
        status: "Created".into(),
        created: world.now,
        started: None,
        touched: world.now,
        rows: addresses.iter().map(row).collect(),
    };
    world.tenant.batches.insert(name.to_lowercase(), batch);
}

/// Starts a batch and waits for its end.
pub fn run(world: &mut World, name: &str) {
    batches::begin(world, name);
    for _ in 0..2000 {
        hours(world, 1);
        let status = world.tenant.batches.get(name).map(|b| b.status.clone()).unwrap_or_default();
        if !matches!(status.as_str(), "Created" | "Starting" | "Syncing") {
            return;
        }
    }
    panic!("the batch never ended");
}

/// Changes a mailbox's directory object as a tool over LDAP would.
pub fn modify(world: &mut World, address: &str, change: impl FnOnce(&mut Entry)) {
    let place = super::index::place(world, address).expect("the address is on the list");
    let key = world.index.names[place].clone();
    let usn = world.usn + 1;
    world.usn = usn;
    let object = world.directory.get_mut(&key).expect("listed mailboxes are in the directory");
    let before = object.entry.clone();
    change(&mut object.entry);
    assert_eq!(dn_key(&object.entry.dn), key);
    object.usn = usn;
    sync::directory_changed(world, &key, &before);
}

/// The cloud user of a listed mailbox.
pub fn user(world: &World, address: &str) -> Guid {
    let place = super::index::place(world, address).expect("the address is on the list");
    user_of(world, place).expect("the mailbox is synchronized")
}

/// A licence, with a usage location before it.
pub fn licence(world: &mut World, address: &str) {
    let id = user(world, address);
    let entry = world.tenant.users.get_mut(&id).expect("the user is there");
    if entry.usage_location.is_empty() {
        entry.usage_location = "DE".into();
    }
    licences::assign(world, id, &[tenancy::ENTERPRISEPACK], &[]).expect("a seat is free");
}

/// Mailbox to mail user, in one change.
pub fn convert(world: &mut World, address: &str) {
    let id = user(world, address);
    if let Some(Recipient::Mailbox(mailbox)) = world.tenant.users.get_mut(&id).map(|u| &mut u.recipient) {
        mailbox.both = true;
    }
    let entry = &world.tenant.users[&id];
    let Recipient::Mailbox(mailbox) = &entry.recipient else { panic!("{address} has no cloud mailbox") };
    let (guid, cloud_dn) = (mailbox.guid, entry.legacy_dn.clone());
    modify(world, address, |object| {
        let legacy = object.text("legacyExchangeDN").expect("mailboxes have one");
        let routing = object.text("targetAddress").expect("it was forwarded").replacen("SMTP:", "smtp:", 1);
        let mut proxies = object.texts("proxyAddresses");
        proxies.extend([format!("x500:{cloud_dn}"), format!("x500:{legacy}"), routing]);
        object.set("proxyAddresses", proxies.into_iter().map(String::into_bytes).collect());
        let gone = [
            "homeMDB",
            "homeMTA",
            "msExchHomeServerName",
            "mDBUseDefaults",
            "msExchMailboxSecurityDescriptor",
            "msExchPoliciesIncluded",
        ];
        for name in gone {
            object.set(name, Vec::new());
        }
        object.set_text("msExchPoliciesExcluded", POLICY_EXCLUSION);
        object.set("msExchMailboxGuid", vec![guid.to_directory().to_vec()]);
    });
}

/// Takes a failed row back: forwarding off with a stray X.500 name, the waiting
/// messages carried home, the cloud mailbox closed by giving and taking a licence.
pub fn release(world: &mut World, address: &str) {
    modify(world, address, |object| {
        object.set("targetAddress", Vec::new());
        let mut proxies = object.texts("proxyAddresses");
        proxies.push("x500:/o=stray/cn=released".into());
        object.set("proxyAddresses", proxies.into_iter().map(String::into_bytes).collect());
    });
    let id = user(world, address);
    if matches!(world.tenant.users[&id].recipient, Recipient::Mailbox(_)) {
        licence(world, address);
        // The cloud must know before the mailbox gives way.
        hours(world, 1);
        carry_home(world, address);
        licences::assign(world, id, &[], &[tenancy::ENTERPRISEPACK]).expect("the licence is held");
    }
}

/// Brings what waits in the cloud mailbox to the old host.
pub fn carry_home(world: &mut World, address: &str) {
    for message in mail::messages_in_cloud(world, address) {
        mail::deliver(world, mail::Side::Old, &message.from, address, &message.id, &message.subject);
    }
}

/// A signed update of one set.
pub fn publish(world: &mut World, domain: &str, name: &str, kind: RecordType, ttl: u32, value: &str) {
    let zone = world.zones.get_mut(&absolute(domain)).expect("the customer's zone");
    let set = RecordSet::new(name, kind, ttl, vec![value.into()]);
    zone.sets.insert((set.name.clone(), kind.to_string()), set);
    mail::zone_changed(world, domain, name, &kind.to_string());
}

/// MX and autodiscover to the cloud, and the 72 hours.
pub fn switch(world: &mut World) {
    for domain in world.company.domains.clone() {
        let host = world.tenant.domains[&domain].mx_host.clone();
        publish(world, &domain, &domain, RecordType::MX, 3600, &format!("0 {host}."));
        publish(
            world,
            &domain,
            &format!("autodiscover.{domain}"),
            RecordType::CNAME,
            3600,
            "autodiscover.outlook.com.",
        );
    }
    hours(world, 73);
}

/// Deletes all batches.
pub fn clear(world: &mut World) {
    for name in world.tenant.batches.keys().cloned().collect::<Vec<_>>() {
        batches::remove(world, &name);
    }
    hours(world, 1);
}

/// A whole migration in waves.
pub fn migrate(world: &mut World, at_most: usize) {
    prepare(world);
    let list = world.company.list.clone();
    for (number, wave) in list.chunks(at_most).enumerate() {
        let name = format!("wave-{number:02}");
        batch(world, &name, wave);
        run(world, &name);
        if world.tenant.batches[&name].rows.iter().any(|r| r.status == "Failed") {
            run(world, &name);
        }
        let failed: BTreeSet<String> = world.tenant.batches[&name]
            .rows
            .iter()
            .filter(|r| r.status == "Failed")
            .map(|r| r.address.clone())
            .collect();
        for address in wave.iter().filter(|a| !failed.contains(*a)) {
            licence(world, address);
            convert(world, address);
        }
        for address in &failed {
            let place = super::index::place(world, address).expect("it came from the list");
            let forwarded = world.directory[&world.index.names[place]].entry.has("targetAddress");
            let user = user_of(world, place).and_then(|id| world.tenant.users.get(&id));
            let open = user.is_some_and(|u| matches!(u.recipient, Recipient::Mailbox(_)));
            let home = world.directory[&world.index.names[place]].entry.has("homeMDB");
            if home && (forwarded || open) {
                release(world, address);
            }
        }
        hours(world, 2);
    }
    switch(world);
    clear(world);
    assert!(list.iter().all(|a| cloud_user(world, a).is_some() || world.index.quarantined.is_empty()));
}
