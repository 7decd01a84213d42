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
use super::world::{Company, Due, Tenant, after};
use super::{Faults, Options, World, beforehand, incidents, index, mail, mess, people, sync, tenancy, work};
use crate::wire::attributes::{Entry, dn_key, domain_of};
use crate::wire::guid::Guid;
use crate::wire::lab::Counts;

/// Every lab begins on this Monday morning, 2026-01-12T07:00:00Z.
pub const START: i64 = 1_768_201_200;
/// Bosses with a delegate, in percent.
const DELEGATES: u64 = 6;
/// People without a usage location, in percent.
const NO_LOCATION: u64 = 10;
/// Objects that were changed lately and come with the first synchronization.
const LATE: usize = 10;

/// What a file may leave out without anything being made up: it is the same in
/// every company, or follows from the other facts. Lower case.
const FOLLOWS: [&str; 10] = [
    "cn",
    "homemdb",
    "homemta",
    "mdbusedefaults",
    "msexchhomeservername",
    "msexchrecipientdisplaytype",
    "msexchuseraccountcontrol",
    "msexchversion",
    "objectcategory",
    "objectclass",
];

/// A company before its first synchronization: what a company file holds.
pub struct Draft {
    /// The world; nothing has happened in it.
    pub world: World,
    /// Everybody with a mailbox on premises, on the list or not.
    pub people: Vec<Person>,
    /// How many of its facts were given.
    pub given: u64,
    /// Whether it is settled which rows fail.
    pub dealt: bool,
}

/// Builds the world at its first moment.
///
/// # Errors
/// A sentence: an address of the list that no company can have.
pub fn build(options: &Options) -> Result<World, String> {
    Ok(draft(options)?.begin())
}

/// The company of a list or the sample, up to its first synchronization.
///
/// # Errors
/// As [`build`].
pub fn draft(options: &Options) -> Result<Draft, String> {
    let mut draft = tidy(options)?;
    if draft.dealt {
        mess::lay_left(&mut draft.world, &draft.people);
    }
    mess::lay_handled(&mut draft.world, &draft.people, options.list.is_some());
    Ok(draft)
}

/// The company as it would be if everybody were tidy.
///
/// # Errors
/// As [`build`].
pub fn tidy(options: &Options) -> Result<Draft, String> {
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
    let mut world = skeleton(options.seed, options.faults, &domains)?;
    let people = people::people(&world, &addresses, options);
    world.company.list = people.iter().map(|p| p.address.clone()).collect();

    let units = units(&world);
    directory::tree(&mut world, &units);
    people::settle(&mut world, &people);
    let members = people.iter().take(10).map(Person::dn).collect();
    directory::bystanders(&mut world, members);
    delegates(&mut world, &people, &BTreeSet::new());
    tenancy::tenant(&mut world);
    tenancy::zones(&mut world);
    let dealt = options.faults == Faults::Usual;
    // Of a list, the addresses are given.
    let given = addresses.len() as u64;
    Ok(Draft { world, people, given, dealt })
}

impl Draft {
    /// The world at its first moment.
    pub fn begin(self) -> World {
        let Draft { mut world, people, given, .. } = self;
        remember(&mut world, given);
        first_sync(&mut world, &people);
        beforehand::enter(&mut world);
        mail::prepare(&mut world);

        world.events.clear();
        world.event_numbers.clear();
        world.queue.clear();
        let start = world.now;
        let minute = i64::try_from(world.choose("first-sync", "company", 0) % 20).unwrap_or_default();
        world.later(after(start, (5 + minute) * 60), "synchronization", Due::Sync);
        world.later(after(start, 23 * 3600), "probes", Due::Probes);
        incidents::prepare(&mut world);
        work::prepare(&mut world);
        world
    }
}

/// The addresses without repetitions; or what is wrong with one.
fn checked(list: &[String]) -> Result<Vec<String>, String> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for (place, address) in list.iter().enumerate() {
        let address = address.trim();
        if !sound(address) {
            return Err(format!("entry {} of the list, `{address}`, is no address that a company can have", place + 1));
        }
        if seen.insert(address.to_lowercase()) {
            out.push(address.to_owned());
        }
    }
    if out.is_empty() { Err("the list names no mailbox".into()) } else { Ok(out) }
}

/// Whether a text is an address that a company can have.
pub fn sound(address: &str) -> bool {
    address.split_once('@').is_some_and(|(local, domain)| {
        (1..=64).contains(&local.len())
            && local.bytes().all(|b| b.is_ascii_graphic() && !b"\"(),:;<>@[\\]".contains(&b))
            && sound_host(domain)
    })
}

/// Whether a text is a host name of at least two labels.
pub fn sound_host(name: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(label)
}

/// A world with a company's names and nothing in it.
pub fn skeleton(seed: u64, faults: Faults, domains: &[String]) -> Result<World, String> {
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
        domains: domains.to_vec(),
        ..Company::default()
    };
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
        door: Default::default(),
        last_sync: after(start, -1500),
        tokens: BTreeMap::new(),
        removed_names: BTreeMap::new(),
        deleted: Vec::new(),
    };
    Ok(World {
        seed,
        now: start,
        began: start,
        faults,
        settings: Default::default(),
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
        inside: BTreeMap::new(),
        caches: BTreeMap::new(),
        messages: BTreeMap::new(),
        secrets: tenancy::secrets(seed),
        index: Default::default(),
        post: Default::default(),
        office: Default::default(),
        dirty: BTreeSet::new(),
        verified_seen: BTreeSet::new(),
        baseline: Arc::new(BTreeMap::new()),
        history: BTreeMap::new(),
        seats_taken: BTreeMap::new(),
        slots: BTreeMap::new(),
    })
}

/// Containers that every lab has for the people it makes up.
pub fn units(world: &World) -> Vec<String> {
    let base = directory::base(world);
    let mut units: Vec<String> =
        ["Staff", "Resources", "Contacts", "Service Accounts"].iter().map(|u| format!("OU={u},{base}")).collect();
    units.extend(people::CITIES.iter().map(|c| format!("OU={c},OU=Staff,{base}")));
    units
}

/// Gives some bosses a delegate, but for those (lower case) of whom it is known.
pub fn delegates(world: &mut World, people: &[Person], known: &BTreeSet<String>) {
    let users: Vec<&Person> = people.iter().filter(|p| p.details == 1).collect();
    if users.len() < 2 {
        return;
    }
    for (place, boss) in users.iter().enumerate() {
        let key = boss.address.to_lowercase();
        if known.contains(&key) || world.choose("has-delegate", &key, 0) % 100 >= DELEGATES {
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

/// Whether an attribute (lower case) is no fact of its own; see `FOLLOWS`.
pub fn follows(attribute: &str) -> bool {
    FOLLOWS.contains(&attribute)
}

/// Keeps the objects as they are now, and counts what was invented.
fn remember(world: &mut World, given: u64) {
    let mut baseline = BTreeMap::new();
    let mut facts = surroundings(world);
    for (place, address) in world.company.list.iter().enumerate() {
        let Some(object) = world.index.names.get(place).and_then(|n| world.directory.get(n)) else { continue };
        // Items, bytes and usage location are facts, too.
        facts += object.entry.iter().filter(|(n, _)| !follows(&n.to_lowercase())).count() as u64 + 3;
        baseline.insert(address.to_lowercase(), object.entry.clone());
    }
    world.baseline = Arc::new(baseline);
    world.invented = (facts.saturating_sub(given), facts);
}

/// Facts around the mailboxes: the organization's six, the tenant's, record sets
/// of the customer's zones, other objects.
fn surroundings(world: &World) -> u64 {
    let tenant = &world.tenant;
    let by_hand = tenant.users.values().filter(|u| u.immutable_id.is_empty()).count();
    let of_tenant = 1 + 3 * tenant.domains.len() + tenant.skus.len() + tenant.connectors.len() + by_hand;
    let zones = world.company.domains.iter().filter_map(|d| world.zones.get(&format!("{d}.")));
    6 + (of_tenant + zones.map(|z| z.sets.len()).sum::<usize>()) as u64 + others(world)
}

/// How many objects beside the listed mailboxes have an address.
pub fn others(world: &World) -> u64 {
    let others = world.directory.iter().filter(|(key, _)| !world.index.places.contains_key(*key));
    others.filter(|(_, object)| object.entry.has("mail")).count() as u64
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
    // Whose address a user made by hand holds is met by a cycle of the run, not
    // before it.
    let is_made_by_hand = |p: &&Person| {
        let user = index::cloud_user(world, &p.address).and_then(|id| world.tenant.users.get(&id));
        user.is_some_and(|u| u.immutable_id.is_empty())
    };
    let met: Vec<String> = people.iter().filter(is_made_by_hand).map(|p| dn_key(&p.dn())).collect();
    world.dirty.extend(met);
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
    if let Some(known) = world.company.locations.get(&dn_key(&entry.dn)) {
        return known.clone();
    }
    let key = entry.text("mail").unwrap_or_default().to_lowercase();
    if index::place(world, &key).is_none() || world.choose("usage-location", &key, 0) % 100 < NO_LOCATION {
        return String::new();
    }
    entry
        .text("msExchUserCulture")
        .and_then(|c| c.split_once('-').map(|(_, country)| country.to_owned()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::drive;
    use crate::wire::attributes::attribute;

    fn listed(list: &[&str]) -> Result<World, String> {
        let list = Some(list.iter().map(|a| (*a).to_owned()).collect());
        build(&Options { seed: 1, faults: Faults::None, list, make: 0 })
    }

    #[test]
    fn the_sample_company_has_its_shape() {
        let world = drive::company(2000, Faults::None);
        let list = &world.company.list;
        assert_eq!((list.len(), world.now.to_string().as_str()), (2000, "2026-01-12T07:00:00Z"));
        assert_eq!(world.company.domains, ["contoso.test", "fabrikam.test"]);
        let second = list.iter().filter(|a| a.ends_with("@fabrikam.test")).count();
        assert!((200..400).contains(&second), "{second}");
        assert!((80..160).contains(&world.company.delegates.len()), "{}", world.company.delegates.len());
        assert!(list.iter().all(|a| a.is_ascii()));
        assert!(list.iter().any(|a| a.contains('\'')));
        let names = || world.index.names.iter();
        assert!(
            names().any(|n| n.contains("\\,")) && names().any(|n| n.contains('ü')) && names().any(|n| n.contains('\''))
        );
        assert_eq!(world.invented.0, world.invented.1);
        assert_eq!(world.company.fates.len(), 0);
        let empty =
            world.tenant.users.values().filter(|u| u.usage_location.is_empty() && !u.proxies.is_empty()).count();
        assert!((100..300).contains(&empty), "{empty}");
    }

    #[test]
    fn names_that_must_be_single_are() {
        let world = drive::company(2000, Faults::Usual);
        for name in ["sAMAccountName", "userPrincipalName"] {
            let mut seen = BTreeSet::new();
            for object in world.directory.values() {
                if let Some(value) = object.entry.text(name) {
                    assert!(seen.insert(value.to_lowercase()), "{name} {value} twice");
                    assert!(name != "sAMAccountName" || value.len() <= 20);
                }
            }
        }
        let guids: BTreeSet<Guid> = world.directory.values().map(|o| o.guid).collect();
        assert_eq!(guids.len(), world.directory.len());
        for (key, object) in &world.directory {
            assert_eq!(*key, dn_key(&object.entry.dn));
            let parent = key.split_once(',').map(|(_, p)| p).unwrap_or_default();
            let escaped = key.contains("\\,");
            assert!(escaped || parent == "dc=test" || world.directory.contains_key(parent), "{key} has no parent");
        }
    }

    #[test]
    fn every_attribute_fits_the_schema() {
        let world = drive::company(300, Faults::Usual);
        for key in &world.index.names {
            for (name, values) in world.directory[key].entry.iter() {
                let known = attribute(name).unwrap_or_else(|| panic!("{name} is not in the table"));
                assert!(!known.single || values.len() == 1, "{name} of {key}");
                for value in values {
                    let length = String::from_utf8(value.clone()).map_or(value.len(), |t| t.chars().count());
                    let fits = known.range.is_none_or(|(least, most)| (least..=most).contains(&length));
                    assert!(fits, "{name} of {key} has {length}");
                }
            }
        }
    }

    #[test]
    fn a_list_gives_its_own_company() {
        let world = listed(&[
            "Ann.Lee@Northwind.example",
            "info@northwind.example",
            "bob@south.example",
            "ANN.LEE@northwind.example",
        ]);
        let world = world.expect("the addresses are good");
        assert_eq!(world.company.name, "Northwind");
        assert_eq!(world.company.list, ["Ann.Lee@Northwind.example", "info@northwind.example", "bob@south.example"]);
        assert_eq!(world.company.domains, ["northwind.example", "south.example"]);
        assert_eq!(world.tenant.initial_domain, "northwind.onmicrosoft.com");
        let (invented, all) = world.invented;
        assert_eq!(all - invented, 3);
        let hosts: Vec<&str> = world.tenant.domains.values().map(|d| d.mx_host.as_str()).collect();
        assert_eq!(hosts, ["northwind-example.mail.protection.outlook.com", "south-example.o-v1.mx.microsoft"]);
    }

    #[test]
    fn what_no_company_can_have_is_named() {
        for bad in ["ann", "ann@localhost", "ann@-x.test", "a b@contoso.test", "änn@contoso.test", "ann@contoso..test"]
        {
            let said = listed(&["good@contoso.test", bad]).err().unwrap_or_default();
            assert!(said.contains("entry 2") && said.contains(bad), "{bad}: {said}");
        }
        assert!(listed(&[]).is_err());
        assert!(build(&Options { seed: 1, faults: Faults::None, list: None, make: 0 }).is_err());
    }

    #[test]
    fn the_same_seed_gives_the_same_company_and_another_one_differs() {
        let text = |seed| {
            let world = drive::seeded(seed, 50, Faults::Usual);
            format!("{:?} {:?} {:?} {:?}", world.directory, world.tenant, world.zones, world.secrets)
        };
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }
}
