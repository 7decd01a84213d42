//! From a company to its file: the sample, or a list with what was made up
//! around it.
//!
//! Everything is written that is not the same in every company, so that reading
//! the file makes nothing up. It writes a text, no file.

use std::collections::BTreeMap;

use super::load::overlay;
use super::{
    Breaks, CompanyFile, Connector, Domain, Kind, Object, Organization, Permission, Person, Plan, Recipient, Right,
    RowFault, Set, Sku, Tenant, User, VERSION, Zone,
};
use crate::lab::company::{self, Draft};
use crate::lab::directory;
use crate::lab::world::{self, CloudUser, Fate, World};
use crate::wire::attributes::{Entry, dn_key};
use crate::wire::company::text::shown;
pub use crate::wire::company::text::text;
use crate::wire::dns::{absolute, relative};
use crate::wire::guid::Guid;

/// The file of a company.
pub fn file(draft: &Draft) -> CompanyFile {
    let world = &draft.world;
    let company = &world.company;
    let everybody: Vec<String> = draft.people.iter().map(|p| p.address.clone()).collect();
    CompanyFile {
        version: Some(VERSION),
        company: Some(Organization {
            name: Some(company.name.clone()),
            domains: Some(company.domains.clone()),
            base_dn: Some(directory::base(world)),
            exchange: Some(company.exchange.clone()),
            mail_host: Some(company.mail_host.clone()),
            server: Some(company.server.clone()),
            domain_controller: Some(company.domain_controller.clone()),
            transport: Some(company.transport.clone()).filter(|t| *t != Default::default()),
        }),
        people: people(draft),
        list: (everybody != company.list).then(|| company.list.clone()),
        objects: Some(objects(draft)),
        tenant: Some(tenant(world)),
        zones: Some(zones(world)),
        permissions: company
            .permissions
            .iter()
            .map(|p| Permission {
                mailbox: Some(p.mailbox.clone()),
                holder: Some(p.holder.clone()),
                right: Some(if p.full { Right::FullAccess } else { Right::SendAs }),
            })
            .collect(),
        survey: None,
        mess: super::mess::of(world),
        faults: draft.dealt.then(|| company.fates.iter().map(|(address, fate)| row_fault(address, fate)).collect()),
        settings: world.settings.chosen(),
    }
}

fn row_fault(address: &str, fate: &Fate) -> RowFault {
    let (breaks, text) = match fate {
        Fate::CopyFails(text) => (Breaks::Copy, text),
        Fate::ProvisioningFails(text) => (Breaks::Provisioning, text),
        Fate::TargetDenied(text) => (Breaks::Target, text),
    };
    RowFault { address: Some(address.to_owned()), breaks: Some(breaks), text: Some(text.clone()) }
}

fn people(draft: &Draft) -> Vec<Person> {
    let world = &draft.world;
    let mut delegates: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (boss, delegate) in &world.company.delegates {
        delegates.entry(boss.as_str()).or_default().push(delegate.clone());
    }
    let names: BTreeMap<&str, String> = draft.people.iter().map(|p| (p.address.as_str(), p.dn())).collect();
    let one = |person: &directory::Person| {
        let object = world.directory.get(&dn_key(&person.dn()))?;
        let entry = &object.entry;
        let text = |name: &str| Some(entry.text(name).unwrap_or_default());
        let number = entry.text("msExchRecipientTypeDetails").unwrap_or_default();

        // A number that has no word here is written as an attribute below.
        let kind = Kind::ALL.into_iter().find(|k| k.number() == number).unwrap_or(Kind::User);
        let someone = kind.details() == 1;
        let delegates = delegates.remove(person.address.as_str()).unwrap_or_default();
        let mut facts = Person {
            address: Some(person.address.clone()),
            name: text("displayName"),
            given: text("givenName").filter(|t| someone || !t.is_empty()),
            family: text("sn").filter(|t| someone || !t.is_empty()),
            dn: Some(entry.dn.clone()),
            account: text("sAMAccountName"),
            upn: text("userPrincipalName"),
            alias: text("mailNickname"),
            mail: text("mail").filter(|m| *m != person.address),
            proxies: Some(entry.texts("proxyAddresses")),
            legacy_dn: text("legacyExchangeDN"),
            target: entry.text("targetAddress"),
            kind: Some(kind),
            enabled: Some(entry.number("userAccountControl").unwrap_or_default() & 2 == 0),
            hidden: entry.is_true("msExchHideFromAddressLists").then_some(true),
            um: (entry.number("msExchUMEnabledFlags").unwrap_or_default() & 1 == 1).then_some(true),
            culture: text("msExchUserCulture"),
            usage_location: Some(company::usage_location(world, entry)),
            delegates: Some(delegates),
            items: i64::try_from(object.items).ok(),
            bytes: i64::try_from(object.bytes).ok(),
            guid: Some(object.guid.to_string()),
            mailbox_guid: entry
                .values("msExchMailboxGuid")
                .first()
                .and_then(|b| Guid::from_directory(b))
                .map(|g| g.to_string()),
            extension: Some(
                (1..=15)
                    .filter_map(|n| Some((n.to_string(), entry.text(&format!("extensionAttribute{n}"))?)))
                    .collect(),
            ),
            attributes: BTreeMap::new(),
        };
        let alias = Some(person.alias.clone());
        let like = directory::Person {
            details: kind.details(),
            alias: facts.alias.clone().filter(|a| !a.is_empty()).or(alias).unwrap_or_default(),
            ..person.clone()
        };
        let mut made = directory::mailbox(world, &like);
        let given = overlay(&mut made, &facts);
        let named = facts.delegates.iter().flatten().filter_map(|d| names.get(d.as_str()));
        made.set("publicDelegates", named.map(|n| n.as_bytes().to_vec()).collect());
        facts.attributes = rest(entry, &made, &given);
        Some(facts)
    };
    draft.people.iter().filter_map(one).collect()
}

/// What an entry holds that reading its other facts would not give.
fn rest(entry: &Entry, made: &Entry, given: &std::collections::BTreeSet<String>) -> BTreeMap<String, Vec<String>> {
    let mut rest = BTreeMap::new();
    for (name, values) in entry.iter() {
        let key = name.to_lowercase();
        if made.values(name) != values || !(company::follows(&key) || given.contains(&key)) {
            rest.insert(name.to_owned(), values.iter().map(|v| shown(v)).collect());
        }
    }
    for (name, _) in made.iter().filter(|(name, _)| !entry.has(name)) {
        rest.insert(name.to_owned(), Vec::new());
    }
    rest
}

/// What is in the directory beside people and the lab's own tree.
fn objects(draft: &Draft) -> Vec<Object> {
    let world = &draft.world;
    let people: std::collections::BTreeSet<String> = draft.people.iter().map(|p| dn_key(&p.dn())).collect();
    let domains = &world.company.domains;
    let mut bare = company::skeleton(world.seed, world.faults, domains).expect("this world was made from one");
    bare.company = world.company.clone();
    let units = company::units(&bare);
    directory::tree(&mut bare, &units);
    let differs = |key: &String| match (world.directory.get(key), bare.directory.get(key)) {
        (Some(here), Some(there)) => here.entry != there.entry || here.guid != there.guid,
        _ => true,
    };
    let others = world.directory.iter().filter(|(key, _)| !people.contains(*key) && differs(key));
    others
        .map(|(_, object)| Object {
            dn: Some(object.entry.dn.clone()),
            guid: Some(object.guid.to_string()),
            attributes: object
                .entry
                .iter()
                .map(|(name, values)| (name.to_owned(), values.iter().map(|v| shown(v)).collect()))
                .collect(),
        })
        .collect()
}

fn tenant(world: &World) -> Tenant {
    let tenant = &world.tenant;
    let parts: BTreeMap<Guid, &str> = tenant.skus.iter().map(|s| (s.id, s.part.as_str())).collect();
    Tenant {
        id: Some(tenant.id.to_string()),
        initial_domain: Some(tenant.initial_domain.clone()),
        domains: Some(
            tenant
                .domains
                .iter()
                .map(|(name, d)| Domain {
                    name: Some(name.clone()),
                    verified: Some(d.verified),
                    verification: Some(d.verification.clone()),
                    mx_host: Some(d.mx_host.clone()),
                    kind: Some(d.domain_type.clone()),
                })
                .collect(),
        ),
        skus: Some(
            tenant
                .skus
                .iter()
                .map(|s| Sku {
                    part: Some(s.part.clone()),
                    id: Some(s.id.to_string()),
                    seats: i64::try_from(s.seats).ok(),
                    plans: Some(
                        s.plans.iter().map(|(id, name)| Plan { id: id.to_string(), name: name.clone() }).collect(),
                    ),
                })
                .collect(),
        ),
        connectors: Some(
            tenant
                .connectors
                .iter()
                .map(|c| Connector {
                    name: Some(c.name.clone()),
                    outbound: c.outbound,
                    kind: Some(c.kind.clone()),
                    domains: Some(c.domains.clone()),
                    smart_hosts: Some(c.smart_hosts.clone()),
                    enabled: Some(c.enabled),
                    hosts: c.hosts.clone(),
                    treat_as_internal: c.treat_as_internal,
                    demands_tls: c.demands_tls,
                })
                .collect(),
        ),
        users: Some(tenant.users.values().map(|u| user(u, &parts)).collect()),
        door: Some(tenant.door.clone()).filter(|d| *d != Default::default()),
    }
}

fn user(user: &CloudUser, parts: &BTreeMap<Guid, &str>) -> User {
    let (recipient, mailbox) = match &user.recipient {
        world::Recipient::None => (Recipient::None, None),
        world::Recipient::MailUser { .. } | world::Recipient::Disconnected { .. } => (Recipient::MailUser, None),
        world::Recipient::Mailbox(mailbox) => (Recipient::Mailbox, Some(mailbox)),
    };
    User {
        address: Some(user.upn.clone()),
        name: Some(user.display_name.clone()),
        proxies: Some(user.proxies.clone()),
        usage_location: Some(user.usage_location.clone()),
        licences: user.licences.iter().filter_map(|id| parts.get(id).map(|p| (*p).to_owned())).collect(),
        recipient,
        external: Some(user.external.clone()).filter(|e| !e.is_empty()),
        items: mailbox.and_then(|m| i64::try_from(m.items).ok()),
        id: Some(user.id.to_string()),
        mailbox_guid: mailbox.map(|m| m.guid.to_string()),
        legacy_dn: Some(user.legacy_dn.clone()),
    }
}

/// The customer's zones; the cloud's follow from the tenant.
fn zones(world: &World) -> Vec<Zone> {
    let own = world.company.domains.iter().filter_map(|d| world.zones.get(&absolute(d)));
    own.map(|zone| Zone {
        apex: Some(relative(&zone.apex)),
        updates: Some(zone.updates),
        minimum: Some(i64::from(zone.minimum)),
        sets: zone
            .sets
            .values()
            .map(|set| Set {
                name: Some(relative(&set.name)),
                kind: Some(set.kind.to_string()),
                ttl: Some(i64::from(set.ttl)),
                values: set.values.clone(),
            })
            .collect(),
    })
    .collect()
}
