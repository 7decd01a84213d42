//! The people of the company: from the customer's list, or invented.
//!
//! Names that may exist once do exist once; two of the same name get a number, as
//! in every real company.

use std::collections::BTreeSet;

use super::directory::{self, Person};
use super::{Options, World, names};
use crate::wire::attributes::{Entry, dn_key};

/// Share of the sample company in its second domain, in percent.
const SECOND_DOMAIN: u64 = 15;
/// Cities with an organizational unit of their own.
pub const CITIES: &[&str] = &["Berlin", "Dublin", "Chicago", "Zürich"];

/// Everybody who is to move, with names that exist once where they must.
pub fn people(world: &World, addresses: &[String], options: &Options) -> Vec<Person> {
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
                let apostrophe = choice.is_multiple_of(2);
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
pub fn settle(world: &mut World, people: &[Person]) {
    let mut before = Entry::default();
    for (place, person) in people.iter().enumerate() {
        let key = person.address.to_lowercase();
        let mut entry = directory::mailbox(world, person);
        entry.share_with(&before);
        before = entry.clone();
        let name = dn_key(&entry.dn);
        let (items, bytes) = size(world, &key);
        directory::add(world, entry, items, bytes);
        world.index.people.insert(key, place);
        world.index.names.push(name.clone());
        world.index.places.insert(name, place);
    }
}

/// Items and bytes of a mailbox: many small ones, few large ones.
pub fn size(world: &World, key: &str) -> (u64, u64) {
    let spread = world.choose("size", key, 0) % 1000;
    // A square makes the large ones rare: 60 MB to 5 GB, a third of it on average.
    let megabytes = 60 + 5000 * spread * spread / 1_000_000;
    let per_item = 70 + world.choose("item-size", key, 0) % 120;
    let jitter = world.choose("size-bytes", key, 0) % 1_000_000;
    (megabytes * 1000 / per_item, megabytes * 1_000_000 + jitter)
}
