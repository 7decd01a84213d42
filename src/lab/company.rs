//! Builds the company: its people, its directory, its tenant, its zones, and
//! what the seed has in store for them.
//!
//! With a list, the addresses are the customer's own and everything else is
//! invented and counted; without one, a sample company is. Every choice is a
//! hash of the seed and the address, so a list in another order gives the same
//! people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::directory::{self, Person};
use super::world::{Company, Due, Fate, Tenant, after};
use super::{Faults, Options, World, index, mail, names, sync, tenancy};
use crate::wire::attributes::{Entry, dn_key, domain_of, split_dn};
use crate::wire::guid::Guid;
use crate::wire::lab::Counts;

/// Every lab begins on this Monday morning, 2026-01-12T07:00:00Z.
pub const START: i64 = 1_768_201_200;
/// Share of the sample company in its second domain, in percent.
const SECOND_DOMAIN: u64 = 15;
/// Bosses with a delegate, in percent.
const DELEGATES: u64 = 6;
/// People without a usage location, in percent.
const NO_LOCATION: u64 = 10;
/// Objects that were changed lately and come with the first synchronization.
const LATE: usize = 10;
/// Cities with an organizational unit of their own.
const CITIES: &[&str] = &["Berlin", "Dublin", "Chicago", "Zürich"];

/// Builds the world at its first moment.
///
/// # Errors
/// A sentence: an address of the list that no company can have.
pub fn build(options: &Options) -> Result<World, String> {
    let addresses = match &options.list {
        Some(list) => checked(list)?,
        None if options.make == 0 => return Err("a company needs at least one mailbox".into()),
        None => Vec::new(),
    };
    let domains: Vec<String> = match options.list {
        Some(_) => {
            let mut seen = BTreeSet::new();
            addresses.iter().map(|a| domain_of(a)).filter(|d| seen.insert(d.clone())).collect()
        }
        None => vec!["contoso.test".into(), "fabrikam.test".into()],
    };
    let mut world = skeleton(options, &domains)?;
    let people = people(&world, &addresses, options);
    world.company.list = people.iter().map(|p| p.address.clone()).collect();

    let units = units(&world);
    directory::tree(&mut world, &units);
    settle(&mut world, &people);
    let members = people.iter().take(10).map(Person::dn).collect();
    directory::bystanders(&mut world, members);
    delegates(&mut world, &people);
    tenancy::tenant(&mut world);
    tenancy::zones(&mut world);
    if options.faults == Faults::Usual {
        trouble(&mut world, &people);
    }
    remember(&mut world, options.list.is_some());
    first_sync(&mut world, &people);
    mail::prepare(&mut world);

    world.events.clear();
    world.event_numbers.clear();
    world.queue.clear();
    let start = world.now;
    let minute = i64::try_from(world.choose("first-sync", "company", 0) % 20).unwrap_or_default();
    world.later(after(start, (5 + minute) * 60), "synchronization", Due::Sync);
    world.later(after(start, 23 * 3600), "probes", Due::Probes);
    Ok(world)
}

/// The addresses without repetitions; or what is wrong with one.
fn checked(list: &[String]) -> Result<Vec<String>, String> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for (place, address) in list.iter().enumerate() {
        let address = address.trim();
        let sound = address.split_once('@').is_some_and(|(local, domain)| {
            let labels = domain.split('.').collect::<Vec<_>>();
            let label = |l: &&str| {
                (1..=63).contains(&l.len())
                    && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                    && !l.starts_with('-')
                    && !l.ends_with('-')
            };
            (1..=64).contains(&local.len())
                && local.bytes().all(|b| b.is_ascii_graphic() && !b"\"(),:;<>@[\\]".contains(&b))
                && labels.len() >= 2
                && labels.iter().all(|l| label(&l))
        });
        if !sound {
            return Err(format!("entry {} of the list, `{address}`, is no address that a company can have", place + 1));
        }
        if seen.insert(address.to_lowercase()) {
            out.push(address.to_owned());
        }
    }
    if out.is_empty() { Err("the list names no mailbox".into()) } else { Ok(out) }
}

fn skeleton(options: &Options, domains: &[String]) -> Result<World, String> {
    let start = Timestamp::from_second(START).map_err(|e| e.to_string())?;
    let main = domains.first().cloned().unwrap_or_default();
    let label: String =
        main.split('.').next().unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let label = if label.is_empty() { "company".to_owned() } else { label };
    let name = label.chars().take(1).flat_map(char::to_uppercase).chain(label.chars().skip(1)).collect();
    let company = Company {
        name,
        base_dn: main.split('.').map(|l| format!("dc={l}")).collect::<Vec<_>>().join(","),
        list: Vec::new(),
        exchange: "2007".into(),
        mail_host: format!("mail.{main}"),
        server: format!("EX07.{main}"),
        domain_controller: format!("dc1.{main}"),
        delegates: Vec::new(),
        fates: BTreeMap::new(),
        domains: domains.to_vec(),
    };
    let seed = options.seed;
    let tenant = Tenant {
        id: super::world::guid(seed, "tenant", &main),
        initial_domain: format!("{label}.onmicrosoft.com"),
        client_id: super::world::guid(seed, "client", &main),
        domains: BTreeMap::new(),
        users: BTreeMap::new(),
        skus: Vec::new(),
        batches: BTreeMap::new(),
        endpoints: BTreeMap::new(),
        connectors: Vec::new(),
        last_sync: after(start, -1500),
        tokens: BTreeMap::new(),
        removed_names: BTreeMap::new(),
    };
    Ok(World {
        seed,
        now: start,
        began: start,
        faults: options.faults,
        invented: (0, 0),
        queue: BTreeMap::new(),
        events: Vec::new(),
        event_numbers: BTreeMap::new(),
        attempts: BTreeMap::new(),
        counts: Counts::default(),
        writes: BTreeMap::new(),
        company,
        directory: BTreeMap::new(),
        usn: 10_000,
        tenant,
        zones: BTreeMap::new(),
        caches: BTreeMap::new(),
        messages: BTreeMap::new(),
        secrets: tenancy::secrets(seed),
        index: Default::default(),
        post: Default::default(),
        dirty: BTreeSet::new(),
        verified_seen: BTreeSet::new(),
        baseline: Arc::new(BTreeMap::new()),
        history: BTreeMap::new(),
        seats_taken: BTreeMap::new(),
        slots: BTreeMap::new(),
    })
}

fn units(world: &World) -> Vec<String> {
    let base = directory::base(world);
    let mut units: Vec<String> =
        ["Staff", "Resources", "Contacts", "Service Accounts"].iter().map(|u| format!("OU={u},{base}")).collect();
    units.extend(CITIES.iter().map(|c| format!("OU={c},OU=Staff,{base}")));
    units
}

/// Everybody who is to move, with names that exist once where they must.
fn people(world: &World, addresses: &[String], options: &Options) -> Vec<Person> {
    let count = if options.list.is_some() { addresses.len() } else { options.make };
    let base = directory::base(world);
    let mut taken = Taken::default();
    let mut out = Vec::with_capacity(count);
    for place in 0..count {
        let given = addresses.get(place);
        let object = given.map_or_else(|| format!("person {place}"), |a| a.to_lowercase());
        let choice = world.choose("name", &object, 0);
        let (details, fixed) = kind_of(given.map(String::as_str), place);
        let name = match (given, &fixed) {
            (Some(address), _) => names::from_local_part(address.split('@').next().unwrap_or_default(), choice),
            _ => names::person(choice),
        };
        let display = match (given, &fixed) {
            (None, Some((display, _))) => display.clone(),
            _ if details != 1 => format!("{} {}", name.given, name.family).trim().to_owned(),
            _ if choice % 10 < 3 && !name.family.is_empty() => format!("{}, {}", name.family, name.given),
            _ => format!("{} {}", name.given, name.family).trim().to_owned(),
        };
        let address = match given {
            Some(address) => address.clone(),
            None => {
                let second = world.choose("domain", &object, 0) % 100 < SECOND_DOMAIN;
                let domain = world.company.domains.get(usize::from(second)).cloned().unwrap_or_default();
                let apostrophe = choice % 2 == 0;
                let local = match &fixed {
                    Some((_, local)) => local.clone(),
                    None => {
                        format!("{}.{}", names::ascii(&name.given, apostrophe), names::ascii(&name.family, apostrophe))
                    }
                };
                taken.address(&local, &domain)
            }
        };
        let local = address.split('@').next().unwrap_or_default();
        let city = CITIES.get(usize::try_from(choice % 97).unwrap_or_default() % CITIES.len()).unwrap_or(&"Berlin");
        let container =
            if details == 1 { format!("OU={city},OU=Staff,{base}") } else { format!("OU=Resources,{base}") };
        let account = taken.account(local);
        let upn = taken.upn(&address, &account, world, choice);
        out.push(Person {
            common: taken.common(&display, &container),
            alias: taken.alias(local),
            display,
            given: if details == 1 { name.given } else { String::new() },
            family: if details == 1 { name.family } else { String::new() },
            container,
            account,
            upn,
            culture: name.culture,
            country: name.country,
            details,
            address,
        });
    }
    out
}

/// Type number, and for the sample company's shared mailboxes and rooms their
/// display name and local part.
fn kind_of(address: Option<&str>, place: usize) -> (u32, Option<(String, String)>) {
    let numbered = |list: &[(&str, &str)], n: usize| {
        let (display, local) = list[n % list.len()];
        match n / list.len() {
            0 => (display.to_owned(), local.to_owned()),
            more => (format!("{display} {}", more + 1), format!("{local}{}", more + 1)),
        }
    };
    match address {
        Some(address) => {
            let local = address.split('@').next().unwrap_or_default().to_lowercase();
            let shared = names::SHARED.iter().any(|(_, l)| *l == local);
            let room = local.starts_with("room.") || local.starts_with("room-") || local == "boardroom";
            (
                if room {
                    16
                } else if shared {
                    4
                } else {
                    1
                },
                None,
            )
        }
        None if place % 125 == 60 => (4, Some(numbered(names::SHARED, place / 125))),
        None if place % 200 == 90 => (16, Some(numbered(names::ROOMS, place / 200))),
        None => (1, None),
    }
}

/// Names that may exist only once.
#[derive(Default)]
struct Taken {
    addresses: BTreeSet<String>,
    accounts: BTreeSet<String>,
    aliases: BTreeSet<String>,
    upns: BTreeSet<String>,
    commons: BTreeSet<String>,
}

impl Taken {
    fn address(&mut self, local: &str, domain: &str) -> String {
        let mut number = 1;
        loop {
            let address = if number == 1 { format!("{local}@{domain}") } else { format!("{local}{number}@{domain}") };
            if self.addresses.insert(address.to_lowercase()) {
                return address;
            }
            number += 1;
        }
    }

    fn account(&mut self, local: &str) -> String {
        let clean: String =
            local.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).collect();
        let clean = if clean.is_empty() { "user".to_owned() } else { clean };
        let reserved = ["admin", "svc-migration", "kiosk", "everybody"];
        // 20 characters are the limit of sAMAccountName.
        let mut number = 1;
        loop {
            let mark = if number == 1 { String::new() } else { number.to_string() };
            let name: String = clean.chars().take(20 - mark.len()).chain(mark.chars()).collect();
            let name = name.trim_end_matches('.').to_owned();
            let key = name.to_lowercase();
            if !reserved.contains(&key.as_str()) && self.accounts.insert(key) {
                return name;
            }
            number += 1;
        }
    }

    fn alias(&mut self, local: &str) -> String {
        let mut number = 1;
        loop {
            let mark = if number == 1 { String::new() } else { number.to_string() };
            let alias: String = local.chars().take(64 - mark.len()).chain(mark.chars()).collect();
            // `admin` is the tenant's own.
            if alias != "admin" && self.aliases.insert(alias.to_lowercase()) {
                return alias;
            }
            number += 1;
        }
    }

    /// The address as a rule; some sign in with another name, and the service
    /// accounts keep theirs.
    fn upn(&mut self, address: &str, account: &str, world: &World, choice: u64) -> String {
        let main = world.company.domains.first().map_or("", String::as_str);
        let key = address.to_lowercase();
        let reserved = ["admin", "svc-migration", "kiosk.terminal"].iter().any(|r| key == format!("{r}@{main}"));
        let same = choice / 7 % 100 >= 8 && !reserved;
        let mut candidates = Vec::new();
        if same {
            candidates.push(address.to_owned());
        }
        candidates.extend([format!("{account}@{main}"), format!("{account}.1@{main}")]);
        for candidate in candidates {
            if self.upns.insert(candidate.to_lowercase()) {
                return candidate;
            }
        }
        let last = format!("{account}.{}@{main}", self.upns.len());
        self.upns.insert(last.to_lowercase());
        last
    }

    fn common(&mut self, display: &str, container: &str) -> String {
        let mut number = 1;
        loop {
            let mark = if number == 1 { String::new() } else { format!(" {number}") };
            let common: String = display.chars().take(60).chain(mark.chars()).collect();
            if self.commons.insert(format!("{}\0{container}", common.to_lowercase())) {
                return common;
            }
            number += 1;
        }
    }
}

/// Puts the mailboxes into the directory.
fn settle(world: &mut World, people: &[Person]) {
    for (place, person) in people.iter().enumerate() {
        let key = person.address.to_lowercase();
        let entry = directory::mailbox(world, person);
        let name = dn_key(&entry.dn);
        let (items, bytes) = size(world, &key);
        directory::add(world, entry, items, bytes);
        world.index.people.insert(key, place);
        world.index.names.push(name.clone());
        world.index.places.insert(name, place);
    }
}

/// Items and bytes of a mailbox: many small ones, few large ones.
fn size(world: &World, key: &str) -> (u64, u64) {
    let spread = world.choose("size", key, 0) % 1000;
    // A square makes the large ones rare: 60 MB to 5 GB, a third of it on average.
    let megabytes = 60 + 5000 * spread * spread / 1_000_000;
    let per_item = 70 + world.choose("item-size", key, 0) % 120;
    let jitter = world.choose("size-bytes", key, 0) % 1_000_000;
    (megabytes * 1000 / per_item, megabytes * 1_000_000 + jitter)
}

fn delegates(world: &mut World, people: &[Person]) {
    let users: Vec<&Person> = people.iter().filter(|p| p.details == 1).collect();
    if users.len() < 2 {
        return;
    }
    for (place, boss) in users.iter().enumerate() {
        let key = boss.address.to_lowercase();
        if world.choose("has-delegate", &key, 0) % 100 >= DELEGATES {
            continue;
        }
        let step =
            1 + usize::try_from(world.choose("delegate", &key, 0) % (users.len() as u64 - 1)).unwrap_or_default();
        let Some(delegate) = users.get((place + step) % users.len()) else { continue };
        world.company.delegates.push((boss.address.clone(), delegate.address.clone()));
        if let Some(object) = world.directory.get_mut(&dn_key(&boss.dn())) {
            object.entry.set_text("publicDelegates", &delegate.dn());
        }
    }
}

/// How many rows of a list get into trouble under the usual faults.
pub fn troubled(rows: usize) -> usize {
    let least = match rows {
        0 => 0,
        1..20 => 1,
        _ => 2,
    };
    least.max((rows * 3 + 50) / 100)
}

/// Kinds of trouble, in the order in which they are dealt out.
const TROUBLES: &[&str] =
    &["copy-timeout", "hidden", "sign-in", "poisoned", "voice", "two-holders", "quarantine", "no-progress"];

fn trouble(world: &mut World, people: &[Person]) {
    let mut order: Vec<(u64, usize)> = (0..people.len())
        .filter_map(|i| Some((world.choose("trouble", &people.get(i)?.address.to_lowercase(), 0), i)))
        .collect();
    order.sort_unstable();
    for (number, (_, place)) in order.into_iter().take(troubled(people.len())).enumerate() {
        let Some(person) = people.get(place) else { continue };
        let kind = TROUBLES.get(number % TROUBLES.len()).copied().unwrap_or_default();
        afflict(world, person, kind);
    }
}

/// Texts as administrators saw them (staged-migration, section 10).
fn afflict(world: &mut World, person: &Person, kind: &str) {
    let key = person.address.to_lowercase();
    let copy = |text: &str| Fate::CopyFails(text.to_owned());
    let fate = match kind {
        "copy-timeout" => Some(copy(
            "SyncTimeoutException: Email migration failed for this user because no email could be downloaded for 5 hours, 0 minutes.",
        )),
        "poisoned" => Some(copy("MigrationPermanentException: Error: Job is poisoned, poison count = 6.")),
        "no-progress" => {
            Some(copy("MigrationPermanentException: Error: The job has not made progress since the last report."))
        }
        "sign-in" => Some(Fate::ProvisioningFails(
            "Microsoft Exchange couldn't sign in to the user's on-premises account.".to_owned(),
        )),
        _ => None,
    };
    if let Some(fate) = fate {
        world.company.fates.insert(key, fate);
        return;
    }
    match kind {
        "hidden" => set(world, person, "msExchHideFromAddressLists", "TRUE"),
        "voice" => {
            set(world, person, "msExchUMEnabledFlags", "831");
            set(world, person, "msExchUMEnabledFlags2", "-1");
        }
        "two-holders" => {
            // A leaver's account that kept an address which the person has, too.
            let domain = domain_of(&person.address);
            let alias = format!("{}.former@{domain}", person.account.to_lowercase());
            let name = dn_key(&person.dn());
            if let Some(object) = world.directory.get_mut(&name) {
                let before = object.entry.clone();
                let mut values = object.entry.values("proxyAddresses").to_vec();
                values.push(format!("smtp:{alias}").into_bytes());
                object.entry.set("proxyAddresses", values);
                world.index.directory(&name, &before, &object.entry);
            }
            let mut entry = Entry::new(format!("CN={} (left),OU=Contacts,{}", person.account, directory::base(world)));
            entry.set(
                "objectClass",
                ["top", "person", "organizationalPerson", "contact"].iter().map(|c| c.as_bytes().to_vec()).collect(),
            );
            entry.set_text("cn", &format!("{} (left)", person.account));
            entry.set_text("displayName", &format!("{} (left)", person.display));
            entry.set_text("mail", &alias);
            entry.set_text("targetAddress", "SMTP:somewhere.else@partner.example");
            entry.set("proxyAddresses", vec![format!("SMTP:{alias}").into_bytes()]);
            directory::add(world, entry, 0, 0);
        }
        _ => {
            // Somebody made a mail user by hand and gave it the address as a second
            // one; no soft match on that, so the synchronized primary is quarantined.
            let address = format!("trial-{}@{}", person.alias.to_lowercase(), world.tenant.initial_domain);
            let mut user = tenancy::blank(world, "hand-made", &address);
            user.display_name = format!("{} (trial)", person.display);
            user.proxies.push(format!("smtp:{}", person.address));
            user.external = person.address.clone();
            user.recipient = super::world::Recipient::MailUser { external: person.address.clone() };
            tenancy::enter(world, user);
        }
    }
}

fn set(world: &mut World, person: &Person, name: &str, value: &str) {
    if let Some(object) = world.directory.get_mut(&dn_key(&person.dn())) {
        object.entry.set_text(name, value);
    }
}

/// Keeps the objects as they are now, and counts what was invented.
fn remember(world: &mut World, listed: bool) {
    let mut baseline = BTreeMap::new();
    let mut facts = 0;
    for (place, address) in world.company.list.iter().enumerate() {
        let Some(object) = world.index.names.get(place).and_then(|n| world.directory.get(n)) else { continue };
        // Items, bytes and usage location are facts, too.
        facts += object.entry.iter().count() as u64 + 3;
        baseline.insert(address.to_lowercase(), object.entry.clone());
    }
    let given = if listed { world.company.list.len() as u64 } else { 0 };
    world.baseline = Arc::new(baseline);
    world.invented = (facts - given.min(facts), facts);
}

/// Everybody is in the cloud already but for a few that were changed lately.
fn first_sync(world: &mut World, people: &[Person]) {
    let late = (people.len() / 20).clamp(1, LATE);
    let mut order: Vec<(u64, String)> = people
        .iter()
        .map(|p| (world.choose("changed-lately", &p.address.to_lowercase(), 0), dn_key(&p.dn())))
        .collect();
    order.sort();
    world.dirty = order.into_iter().take(late).map(|(_, key)| key).collect();
    let config = format!("cn=configuration,{}", dn_key(&directory::base(world)));
    let keys: Vec<String> = world.directory.keys().filter(|k| !k.ends_with(&config)).cloned().collect();
    for key in keys {
        if !world.dirty.contains(&key) {
            sync::object(world, &key);
        }
    }
    let created: Vec<Guid> = world.tenant.users.keys().copied().collect();
    for id in created {
        sync::forward(world, id);
    }
    world.seats_taken.entry(tenancy::ENTERPRISEPACK).or_default();
}

/// The usage location that the tenant knows of a person from before, empty for
/// one in ten.
pub fn usage_location(world: &World, entry: &Entry) -> String {
    let key = entry.text("mail").unwrap_or_default().to_lowercase();
    if index::place(world, &key).is_none() || world.choose("usage-location", &key, 0) % 100 < NO_LOCATION {
        return String::new();
    }
    entry
        .text("msExchUserCulture")
        .and_then(|c| c.split_once('-').map(|(_, country)| country.to_owned()))
        .unwrap_or_default()
}

/// The container of an object, for comparisons.
pub fn parent(dn: &str) -> String {
    dn_key(&split_dn(dn).into_iter().skip(1).collect::<Vec<_>>().join(","))
}
