//! From a company file to a world: what is given is taken, what is left out is
//! made up from the seed and counted.
//!
//! The invention is the same that a mere list gets (`people`, `directory`,
//! `tenancy`); this room only lays the given facts over it. It expects a file
//! that `check` found sound, and passes over what it cannot place.

use std::collections::{BTreeMap, BTreeSet};

use super::{Breaks, CompanyFile, Kind, Person as Facts, Right, check, cloud, dn};
use crate::lab::company::{self, Draft};
use crate::lab::directory::{self, Person};
use crate::lab::settings::Settings;
use crate::lab::world::{Fate, Permission};
use crate::lab::{Faults, Options, World, mess, people, tenancy};
use crate::wire::attributes::{Entry, dn_key, escape_dn, split_dn};
use crate::wire::company::text::bytes;
use crate::wire::guid::Guid;

/// Builds the company of a file, up to its first synchronization.
///
/// # Errors
/// A sentence, if no world can be built at all.
pub fn draft(file: &CompanyFile, seed: u64, faults: Faults) -> Result<Draft, String> {
    let domains = check::domains(file);
    let mut world = company::skeleton(seed, faults, &domains)?;
    world.company.base_dn = dn_key(&check::base(file, &domains));
    world.settings = Settings::of(&file.settings);
    let mut given = organization(&mut world, file);

    let facts: Vec<&Facts> = file.people.iter().filter(|p| p.address.is_some()).collect();
    let addresses: Vec<String> = facts.iter().filter_map(|p| p.address.clone()).collect();
    let options = Options { seed, faults, list: Some(Vec::new()), make: 0 };
    let mut people = people::people(&world, &addresses, &options);
    name(&mut people, &facts, &directory::base(&world));
    let spelling: BTreeMap<String, &String> = addresses.iter().map(|a| (a.to_lowercase(), a)).collect();
    world.company.list = match &file.list {
        Some(list) => list.iter().filter_map(|a| spelling.get(&a.to_lowercase()).map(|a| (*a).clone())).collect(),
        None => addresses.clone(),
    };

    let units = company::units(&world);
    directory::tree(&mut world, &units);
    given += settle(&mut world, &people, &facts);
    given += objects(&mut world, file, &people);
    delegates(&mut world, &people, &facts);
    for p in &file.permissions {
        if let (Some(mailbox), Some(holder), Some(right)) = (&p.mailbox, &p.holder, p.right) {
            let full = right == Right::FullAccess;
            world.company.permissions.push(Permission { mailbox: mailbox.clone(), holder: holder.clone(), full });
        }
    }
    if let Some(domain) = file.tenant.as_ref().and_then(|t| t.initial_domain.as_ref()) {
        world.tenant.initial_domain = domain.to_lowercase();
        given += 1;
    }
    tenancy::tenant(&mut world);
    given += cloud::tenant(&mut world, file);
    tenancy::zones(&mut world);
    given += cloud::zones(&mut world, file);
    if let Some(untidy) = &file.mess {
        super::mess::lay(&mut world, untidy);
    }
    match &file.faults {
        Some(rows) => {
            for row in rows {
                let (Some(address), Some(breaks), Some(text)) = (&row.address, row.breaks, &row.text) else { continue };
                let fate = match breaks {
                    Breaks::Copy => Fate::CopyFails(text.clone()),
                    Breaks::Provisioning => Fate::ProvisioningFails(text.clone()),
                    Breaks::Target => Fate::TargetDenied(text.clone()),
                };
                world.company.fates.insert(address.to_lowercase(), fate);
            }
        }
        None if faults == Faults::Usual => {
            let by_address: BTreeMap<&str, &Person> = people.iter().map(|p| (p.address.as_str(), p)).collect();
            let rows: Vec<Person> =
                world.company.list.iter().filter_map(|a| by_address.get(a.as_str()).map(|p| (*p).clone())).collect();
            mess::lay_left(&mut world, &rows);
        }
        None => {}
    }
    Ok(Draft { world, people, given, dealt: file.faults.is_some() || faults == Faults::Usual })
}

/// The organization's own facts; how many were given.
fn organization(world: &mut World, file: &CompanyFile) -> u64 {
    let Some(own) = &file.company else { return 0 };
    let mut given = u64::from(own.base_dn.is_some());
    let mut take = |to: &mut String, from: &Option<String>| {
        if let Some(text) = from {
            text.clone_into(to);
            given += 1;
        }
    };
    let company = &mut world.company;
    company.transport = own.transport.clone().unwrap_or_default();
    // Names of domains are compared in lower case.
    let senders = std::mem::take(&mut company.transport.senders);
    company.transport.senders = senders.into_iter().map(|(d, p)| (d.to_lowercase(), p)).collect();
    take(&mut company.name, &own.name);
    take(&mut company.exchange, &own.exchange);
    take(&mut company.mail_host, &own.mail_host);
    take(&mut company.server, &own.server);
    take(&mut company.domain_controller, &own.domain_controller);
    given
}

impl Kind {
    /// The number that the invention of a mailbox goes by: 1 for whatever has an
    /// account of a living person.
    pub(super) fn details(self) -> u32 {
        match self {
            Kind::User | Kind::Legacy | Kind::None => 1,
            Kind::Linked => 2,
            Kind::Shared => 4,
            Kind::Room => 16,
            Kind::Equipment => 32,
        }
    }
}

/// Lays given names over the invented ones; an invented name that somebody was
/// given makes way.
fn name(people: &mut [Person], facts: &[&Facts], base: &str) {
    let lower = |t: &Option<String>| t.as_ref().map(|t| t.to_lowercase());
    let mut accounts: BTreeSet<String> = facts.iter().filter_map(|f| lower(&f.account)).collect();
    let mut upns: BTreeSet<String> = facts.iter().filter_map(|f| lower(&f.upn)).collect();
    let mut names: BTreeSet<String> =
        facts.iter().filter_map(|f| dn::normal(f.dn.as_deref()?)).map(|d| dn_key(&d)).collect();
    for (person, facts) in people.iter_mut().zip(facts) {
        let text = |to: &mut String, from: &Option<String>| {
            if let Some(text) = from {
                text.clone_into(to);
            }
        };
        if let Some(kind) = facts.kind.map(Kind::details).filter(|k| *k != person.details) {
            person.details = kind;
            person.container = match kind {
                1 => format!("OU={},OU=Staff,{base}", people::CITIES.first().unwrap_or(&"Berlin")),
                _ => format!("OU=Resources,{base}"),
            };
            if kind != 1 {
                (person.given, person.family) = Default::default();
            }
        }
        if let Some(name) = facts.name.as_ref().filter(|n| !n.trim().is_empty()) {
            person.common = name.trim().chars().take(60).collect();
        }
        text(&mut person.display, &facts.name);
        text(&mut person.given, &facts.given);
        text(&mut person.family, &facts.family);
        if facts.alias.as_ref().is_some_and(|a| !a.is_empty()) {
            text(&mut person.alias, &facts.alias);
        }
        match &facts.account {
            Some(account) => account.clone_into(&mut person.account),
            None => {
                let stem: String = person.account.chars().take(16).collect();
                person.account = free(&person.account, &mut accounts, |n| format!("{stem}{n}"));
            }
        }
        match &facts.upn {
            Some(upn) => upn.clone_into(&mut person.upn),
            None => {
                let (local, domain) = person.upn.split_once('@').unwrap_or((&person.upn, ""));
                person.upn = free(&person.upn, &mut upns, |n| format!("{local}.{n}@{domain}"));
            }
        }
        match facts.dn.as_deref().and_then(dn::parts) {
            Some(parts) => {
                let normal = parts.iter().map(|(k, v)| (k, escape_dn(v)));
                let normal: Vec<String> = normal.map(|(k, v)| format!("{k}={v}")).collect();
                person.common = parts.first().map(|(_, value)| value.clone()).unwrap_or_default();
                person.container = normal.get(1..).unwrap_or_default().join(",");
            }
            None => {
                let stem = person.common.clone();
                let mut number = 1;
                while !names.insert(dn_key(&person.dn())) {
                    number += 1;
                    person.common = format!("{stem} {number}");
                }
            }
        }
    }
}

/// The wanted name if nobody has it, else the first variant that is free.
fn free(wanted: &str, taken: &mut BTreeSet<String>, variant: impl Fn(u64) -> String) -> String {
    let mut name = wanted.to_owned();
    let mut number = 1;
    while !taken.insert(name.to_lowercase()) {
        number += 1;
        name = variant(number);
    }
    name
}

/// Puts the mailboxes into the directory; how many facts of those on the list
/// were given.
fn settle(world: &mut World, people: &[Person], facts: &[&Facts]) -> u64 {
    let places: BTreeMap<String, usize> =
        world.company.list.iter().enumerate().map(|(place, a)| (a.to_lowercase(), place)).collect();
    world.index.names = vec![String::new(); places.len()];
    let mut count = 0;
    for (person, facts) in people.iter().zip(facts) {
        let key = person.address.to_lowercase();
        let mut entry = directory::mailbox(world, person);
        let given = overlay(&mut entry, facts);
        let name = dn_key(&entry.dn);
        let (mut items, mut bytes) = people::size(world, &key);
        match (number(facts.items), number(facts.bytes)) {
            (Some(i), Some(b)) => (items, bytes) = (i, b),
            (Some(i), None) => (items, bytes) = (i, i.saturating_mul(bytes / items.max(1))),
            (None, Some(b)) => (items, bytes) = (b / (bytes / items.max(1)).max(1), b),
            (None, None) => {}
        }
        parents(world, &entry.dn);
        let known = entry.iter().map(|(n, _)| n.to_lowercase());
        let known = known.filter(|n| given.contains(n) && !company::follows(n)).count() as u64
            + [
                facts.items.is_some(),
                facts.bytes.is_some(),
                facts.usage_location.is_some(),
                // Their attribute is written when everybody has a name.
                facts.delegates.as_ref().is_some_and(|d| !d.is_empty()) && !entry.has("publicDelegates"),
            ]
            .into_iter()
            .map(u64::from)
            .sum::<u64>();
        directory::add(world, entry, items, bytes);
        if let (Some(guid), Some(object)) = (guid(&facts.guid), world.directory.get_mut(&name)) {
            object.guid = guid;
        }
        if let Some(location) = &facts.usage_location {
            world.company.locations.insert(name.clone(), location.clone());
        }
        if let Some(place) = places.get(&key).copied() {
            world.index.people.insert(key, place);
            if let Some(slot) = world.index.names.get_mut(place) {
                name.clone_into(slot);
            }
            world.index.places.insert(name, place);
            count += known;
        }
    }
    count
}

/// A number that is none below zero.
pub(super) fn number(value: Option<i64>) -> Option<u64> {
    value.and_then(|n| u64::try_from(n).ok())
}

/// A GUID that was given.
pub(super) fn guid(text: &Option<String>) -> Option<Guid> {
    Guid::parse(text.as_ref()?)
}

/// Lays a person's facts over an invented mailbox; answers the names of the
/// attributes that were given, in lower case. Delegates come later, when
/// everybody has a name.
pub(super) fn overlay(entry: &mut Entry, facts: &Facts) -> BTreeSet<String> {
    // The address is the one fact that is always there.
    let mut given = BTreeSet::from(["mail".to_owned()]);
    let mut put = |entry: &mut Entry, name: &str, values: Vec<Vec<u8>>| {
        entry.set(name, values);
        given.insert(name.to_lowercase());
    };
    let one = |text: &str| if text.is_empty() { Vec::new() } else { vec![text.as_bytes().to_vec()] };
    let texts = [
        ("displayName", &facts.name),
        ("givenName", &facts.given),
        ("sn", &facts.family),
        ("sAMAccountName", &facts.account),
        ("userPrincipalName", &facts.upn),
        ("mailNickname", &facts.alias),
        ("mail", &facts.mail),
        ("legacyExchangeDN", &facts.legacy_dn),
        ("targetAddress", &facts.target),
        ("msExchUserCulture", &facts.culture),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            put(entry, name, one(text));
        }
    }
    if let Some(kind) = facts.kind {
        put(entry, "msExchRecipientTypeDetails", one(kind.number()));
    }
    if let Some(enabled) = facts.enabled {
        put(entry, "userAccountControl", one(if enabled { "512" } else { "514" }));
    }
    if let Some(hidden) = facts.hidden {
        put(entry, "msExchHideFromAddressLists", one(if hidden { "TRUE" } else { "" }));
    }
    if let Some(on) = facts.um {
        put(entry, "msExchUMEnabledFlags", one(if on { "831" } else { "" }));
        put(entry, "msExchUMEnabledFlags2", one(if on { "-1" } else { "" }));
    }
    if let Some(proxies) = &facts.proxies {
        put(entry, "proxyAddresses", proxies.iter().map(|p| p.as_bytes().to_vec()).collect());
    }
    if let Some(guid) = guid(&facts.mailbox_guid) {
        put(entry, "msExchMailboxGuid", vec![guid.to_directory().to_vec()]);
    }
    if let Some(extension) = &facts.extension {
        for number in 1..=15 {
            let value = extension.get(&number.to_string()).map_or("", String::as_str);
            put(entry, &format!("extensionAttribute{number}"), one(value));
        }
    }
    if facts.delegates.is_some() {
        put(entry, "publicDelegates", Vec::new());
    }
    for (name, values) in &facts.attributes {
        put(entry, name, values.iter().map(|v| bytes(v)).collect());
    }
    given
}

/// Makes the containers above an object that are not there.
fn parents(world: &mut World, name: &str) {
    let parts = split_dn(name);
    for from in (1..parts.len()).rev() {
        let above = parts.get(from..).unwrap_or_default().join(",");
        let kind = above.split('=').next().unwrap_or_default().to_lowercase();
        if kind == "dc" || world.directory.contains_key(&dn_key(&above)) {
            continue;
        }
        let class = if kind == "ou" { "organizationalUnit" } else { "container" };
        let entry = directory::plain(above, &["top", class]);
        directory::add(world, entry, 0, 0);
    }
}

/// The other objects: those of the file, or the lab's own few; how many facts
/// were given.
fn objects(world: &mut World, file: &CompanyFile, people: &[Person]) -> u64 {
    let Some(objects) = &file.objects else {
        let members = people.iter().take(10).map(Person::dn).collect();
        directory::bystanders(world, members);
        return 0;
    };
    for object in objects {
        let Some(name) = object.dn.as_deref().and_then(dn::normal) else { continue };
        let key = dn_key(&name);
        parents(world, &name);
        let mut entry = directory::plain(name, &[]);
        for (name, values) in &object.attributes {
            entry.set(name, values.iter().map(|v| bytes(v)).collect());
        }
        match world.directory.get_mut(&key) {
            Some(known) => {
                let before = std::mem::replace(&mut known.entry, entry.clone());
                world.index.directory(&key, &before, &entry);
            }
            None => directory::add(world, entry, 0, 0),
        }
        if let (Some(guid), Some(object)) = (guid(&object.guid), world.directory.get_mut(&key)) {
            object.guid = guid;
        }
    }
    company::others(world)
}

fn delegates(world: &mut World, people: &[Person], facts: &[&Facts]) {
    let known: BTreeSet<String> = facts
        .iter()
        .filter(|f| f.delegates.is_some())
        .filter_map(|f| Some(f.address.as_ref()?.to_lowercase()))
        .collect();
    company::delegates(world, people, &known);
    let by_address: BTreeMap<String, &Person> = people.iter().map(|p| (p.address.to_lowercase(), p)).collect();
    for (boss, facts) in people.iter().zip(facts) {
        let mut names = Vec::new();
        for delegate in facts.delegates.iter().flatten().filter_map(|d| by_address.get(&d.to_lowercase())) {
            world.company.delegates.push((boss.address.clone(), delegate.address.clone()));
            names.push(delegate.dn().into_bytes());
        }
        // An attribute that is named by itself has the last word.
        let raw = facts.attributes.keys().any(|n| n.eq_ignore_ascii_case("publicDelegates"));
        if let Some(object) = world.directory.get_mut(&dn_key(&boss.dn())).filter(|_| !names.is_empty() && !raw) {
            object.entry.set("publicDelegates", names);
        }
    }
}
