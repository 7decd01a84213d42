//! From directory objects to people, other objects and the organization.
//!
//! It sorts and renames, and makes nothing up. What a typed fact of the file would
//! say less exactly than the attribute does, stands beside it as the attribute.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::kept::Kept;
use super::tenant::Cloud;
use crate::wire::attributes::{Entry, attribute, dn_key, domain_of, primary_smtp};
use crate::wire::company::text::{bytes, shown};
use crate::wire::company::{Kind, Object, Organization, Person};
use crate::wire::dns::relative;
use crate::wire::guid::Guid;
use crate::wire::profile::Profile;

/// What Exchange writes on every mailbox: where one of these is missing, the file
/// says so, or the lab would make it up.
const USUAL: &[&str] = &[
    "homeMDB",
    "homeMTA",
    "mDBUseDefaults",
    "msExchHomeServerName",
    "msExchMailboxGuid",
    "msExchMailboxSecurityDescriptor",
    "msExchPoliciesIncluded",
    "msExchRecipientDisplayType",
    "msExchUserAccountControl",
    "msExchVersion",
    "objectCategory",
];

/// Attributes that a person's typed facts hold.
const TYPED: &[&str] = &[
    "displayName",
    "givenName",
    "legacyExchangeDN",
    "mail",
    "mailNickname",
    "msExchHideFromAddressLists",
    "msExchRecipientTypeDetails",
    "msExchUMEnabledFlags",
    "msExchUMEnabledFlags2",
    "msExchUserCulture",
    "objectGUID",
    "proxyAddresses",
    "publicDelegates",
    "sAMAccountName",
    "sn",
    "targetAddress",
    "userAccountControl",
    "userPrincipalName",
];

/// Mailboxes of the system: of stores, of the attendant, for arbitration, discovery,
/// monitoring (msExchRecipientTypeDetails).
const SYSTEM: &[i64] = &[8192, 16_384, 8_388_608, 536_870_912, 549_755_813_888];
/// How their names begin, where the number is missing.
const SYSTEM_NAMES: &[&str] =
    &["systemmailbox{", "discoverysearchmailbox", "federatedemail.", "migration.", "healthmailbox", "systemattendant"];

/// A mailbox of the directory.
pub(super) struct Somebody {
    /// As the file has it.
    pub facts: Person,
    /// objectGUID and mS-DS-ConsistencyGuid, as synchronization's anchor writes them.
    pub anchors: Vec<String>,
}

/// Another object.
pub(super) struct Other {
    /// As the file has it.
    pub facts: Object,
    /// As those of a person.
    pub anchors: Vec<String>,
}

/// What the directory holds.
pub(super) struct Found {
    pub people: Vec<Somebody>,
    pub objects: Vec<Other>,
    pub configuration: Vec<Object>,
    pub organization: Home,
    pub remarks: Vec<String>,
    accepted: Vec<String>,
}

/// The organization as the directory knows it.
pub(super) struct Home {
    name: Option<String>,
    base: String,
    controller: Option<String>,
    versions: BTreeSet<(u32, String)>,
}

/// A row that was kept, as an entry.
fn entry(row: &Value) -> Entry {
    let mut entry = Entry::new(row["dn"].as_str().unwrap_or_default());
    for (name, values) in row["attributes"].as_object().into_iter().flatten() {
        let values = values.as_array().into_iter().flatten().filter_map(Value::as_str);
        entry.set(name, values.map(bytes).collect());
    }
    entry
}

fn anchors(entry: &Entry) -> Vec<String> {
    let raw = entry.values("mS-DS-ConsistencyGuid").iter().chain(entry.values("objectGUID"));
    raw.map(|b| crate::wire::guid::anchor(b)).collect()
}

fn guid_of(entry: &Entry, name: &str) -> Option<String> {
    Some(Guid::from_directory(entry.values(name).first()?)?.to_string())
}

/// Whether an object is a mailbox of somebody, and not of the system.
fn is_mailbox(entry: &Entry) -> bool {
    let classes = entry.texts("objectClass");
    let details = entry.number("msExchRecipientTypeDetails").unwrap_or_default();
    let names = ["mailNickname", "cn", "sAMAccountName"].into_iter().filter_map(|n| entry.text(n));
    let mut names = names.map(|n| n.to_lowercase());
    classes.iter().any(|c| c.eq_ignore_ascii_case("user"))
        && entry.has("homeMDB")
        && !SYSTEM.contains(&details)
        && !names.any(|n| SYSTEM_NAMES.iter().any(|s| n.starts_with(s)))
}

/// Mail domains that no company's own mail is addressed to.
fn is_service_domain(domain: &str) -> bool {
    domain.ends_with(".onmicrosoft.com")
}

/// The tenant's own domains, without those of the service.
pub(super) fn custom_domains(kept: &Kept) -> Vec<String> {
    let names = kept.rows("graph.domains").iter().filter_map(|d| d["id"].as_str().map(str::to_lowercase));
    names.filter(|d| !is_service_domain(d)).collect()
}

/// Mail domains as far as they are known before the zones are read: the profile's,
/// the tenant's, those of primary addresses.
pub(super) fn mail_domains(kept: &Kept, profile: &Profile) -> Vec<String> {
    let mut domains: Vec<String> = profile.dns.zones.iter().map(|z| relative(&z.name)).collect();
    domains.extend(custom_domains(kept));
    let mailboxes = kept.rows("directory.objects").iter().map(entry).filter(is_mailbox);
    domains.extend(mailboxes.filter_map(|e| primary_smtp(&e.texts("proxyAddresses"))).map(|a| domain_of(&a)));
    let mut seen = BTreeSet::new();
    domains.retain(|d| !d.is_empty() && !is_service_domain(d) && seen.insert(d.clone()));
    domains
}

impl Found {
    /// Sorts what was read.
    pub(super) fn of(kept: &Kept, profile: &Profile) -> Found {
        let root = kept.rows("directory.root").first().map(entry).unwrap_or_default();
        let base = root.text("defaultNamingContext").unwrap_or_default();
        let mut found = Found {
            people: Vec::new(),
            objects: Vec::new(),
            configuration: Vec::new(),
            organization: Home { name: None, base, controller: root.text("dnsHostName"), versions: BTreeSet::new() },
            remarks: Vec::new(),
            accepted: Vec::new(),
        };
        let entries: Vec<Entry> = kept.rows("directory.objects").iter().map(entry).collect();
        let primary = |e: &Entry| primary_smtp(&e.texts("proxyAddresses"));
        let addresses: BTreeMap<String, String> =
            entries.iter().filter(|e| is_mailbox(e)).filter_map(|e| Some((dn_key(&e.dn), primary(e)?))).collect();
        let mut nameless = 0;
        let mut seen = BTreeSet::new();
        for entry in &entries {
            match primary(entry).filter(|_| is_mailbox(entry)) {
                Some(address) if seen.insert(address.to_lowercase()) => {
                    let facts = person(entry, &address, &addresses);
                    found.people.push(Somebody { facts, anchors: anchors(entry) });
                }
                // Two mailboxes of one primary address: the second stays an object.
                Some(_) => found.objects.push(other(entry)),
                None => {
                    nameless += usize::from(is_mailbox(entry));
                    if !is_of_the_system(entry, profile) {
                        found.objects.push(other(entry));
                    }
                }
            }
        }
        if nameless > 0 {
            found.remarks.push(format!(
                "mailboxes without a primary address: {nameless}. They stand among the objects, and no row can be theirs"
            ));
        }
        found.configuration(kept);
        found
    }

    fn configuration(&mut self, kept: &Kept) {
        let inside = format!(",{}", dn_key(&self.organization.base));
        let mut outside = 0;
        for entry in kept.rows("directory.configuration").iter().map(entry) {
            let classes: Vec<String> = entry.texts("objectClass").iter().map(|c| c.to_lowercase()).collect();
            let is = |class: &str| classes.iter().any(|c| c == class);
            if is("msexchorganizationcontainer") {
                self.organization.name = entry.text("cn");
            }
            if is("msexchexchangeserver")
                && let Some(version) = entry.text("serialNumber")
            {
                let major = version.split_once(' ').and_then(|(_, n)| n.split('.').next()?.parse().ok());
                self.organization.versions.insert((major.unwrap_or_default(), version));
            }
            if is("msexchaccepteddomain") {
                self.accepted.extend(entry.text("msExchAcceptedDomainName").or(entry.text("cn")));
            }
            if dn_key(&entry.dn).ends_with(&inside) {
                self.configuration.push(Object { guid: None, ..other(&entry).facts });
            } else {
                outside += 1;
            }
        }
        if outside > 0 {
            self.remarks.push(
                "the configuration lies in another domain of the forest: servers and stores are those that the lab \
                 makes up, and a store that is gone is not seen as gone"
                    .to_owned(),
            );
        }
    }

    /// Mail domains, the main one first: the tenant's default, else that of most
    /// mailboxes.
    pub(super) fn domains(&self, cloud: &Cloud, people: &[Somebody], profile: &Profile) -> Vec<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for address in people.iter().filter_map(|p| p.facts.address.as_deref()) {
            *counts.entry(domain_of(address)).or_default() += 1;
        }
        let accepted = self.accepted.iter().map(|d| d.trim_start_matches("*.").to_lowercase());
        let wide = |d: &String| d.contains('.') && !is_service_domain(d);
        let mut all: BTreeSet<String> = cloud.custom().chain(accepted).filter(wide).collect();
        all.extend(counts.keys().cloned());
        let first = cloud.default_domain();
        let zone = |d: &String| profile.dns.zones.iter().position(|z| relative(&z.name) == *d).unwrap_or(usize::MAX);
        let mut all: Vec<String> = all.into_iter().collect();
        all.sort_by_cached_key(|d| {
            let count = counts.get(d).copied().unwrap_or_default();
            (Some(d) != first.as_ref(), zone(d), usize::MAX - count, d.clone())
        });
        all
    }
}

/// Accounts that every domain has, and those that stagepost itself signs in with: a
/// lab has its own.
fn is_of_the_system(entry: &Entry, profile: &Profile) -> bool {
    let names = [&profile.directory.bind, &profile.source.account].map(|n| n.to_lowercase());
    let short = |n: &String| n.rsplit('\\').next().and_then(|n| n.split('@').next()).map(str::to_owned);
    let own = |n: &String| {
        *n == dn_key(&entry.dn)
            || entry.text("userPrincipalName").is_some_and(|u| u.eq_ignore_ascii_case(n))
            || !n.contains('=') && entry.text("sAMAccountName").is_some_and(|a| short(n) == Some(a.to_lowercase()))
    };
    entry.is_true("isCriticalSystemObject") || names.iter().any(own)
}

fn values(entry: &Entry, name: &str) -> Vec<String> {
    entry.values(name).iter().map(|v| shown(v)).collect()
}

fn other(entry: &Entry) -> Other {
    let attributes = entry.iter().filter(|(n, _)| !n.eq_ignore_ascii_case("objectGUID"));
    let facts = Object {
        dn: Some(entry.dn.clone()),
        guid: guid_of(entry, "objectGUID"),
        attributes: attributes.map(|(n, _)| (n.to_owned(), values(entry, n))).collect(),
    };
    Other { facts, anchors: anchors(entry) }
}

/// A mailbox as the file has it. `addresses`: primary addresses of mailboxes by
/// their names.
fn person(entry: &Entry, address: &str, addresses: &BTreeMap<String, String>) -> Person {
    let text = |name: &str| Some(entry.text(name).unwrap_or_default());
    let details = entry.text("msExchRecipientTypeDetails").unwrap_or_default();
    let kind = Kind::ALL.into_iter().find(|k| k.number() == details).unwrap_or(Kind::User);
    let control = entry.number("userAccountControl");
    let mut enabled = Some(control.unwrap_or_default() & 2 == 0);
    let hidden = entry.is_true("msExchHideFromAddressLists").then_some(true);
    let um = (entry.number("msExchUMEnabledFlags").unwrap_or_default() & 1 == 1).then_some(true);
    if kind == Kind::Linked && enabled == Some(true) {
        enabled = None;
    }
    let named: Vec<String> = entry.texts("publicDelegates");
    let delegates: Vec<String> = named.iter().filter_map(|d| addresses.get(&dn_key(d)).cloned()).collect();
    let extension = |n: u8| Some((n.to_string(), entry.text(&format!("extensionAttribute{n}"))?));
    let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // What the typed facts say less exactly.
    let says = |on: Option<bool>, yes: &str, no: &str| match on {
        Some(true) => yes.to_owned(),
        Some(false) => no.to_owned(),
        None => String::new(),
    };
    let typed = [
        ("msExchRecipientTypeDetails", kind.number().to_owned()),
        ("userAccountControl", says(enabled, "512", "514")),
        ("msExchHideFromAddressLists", says(hidden, "TRUE", "")),
        ("msExchUMEnabledFlags", says(um, "831", "")),
        ("msExchUMEnabledFlags2", says(um, "-1", "")),
    ];
    for (name, said) in typed {
        if entry.text(name).unwrap_or_default() != said {
            attributes.insert(name.to_owned(), values(entry, name));
        }
    }
    // A delegate without a mailbox is named by the attribute alone.
    let own = delegates.iter().any(|d| d.eq_ignore_ascii_case(address));
    if delegates.len() != named.len() || own {
        attributes.insert("publicDelegates".into(), values(entry, "publicDelegates"));
    }
    for (name, _) in entry.iter() {
        let is_typed = TYPED.iter().any(|t| t.eq_ignore_ascii_case(name))
            || name.to_ascii_lowercase().starts_with("extensionattribute")
            || name.eq_ignore_ascii_case("msExchMailboxGuid") && guid_of(entry, name).is_some();
        if !is_typed && attribute(name).is_some() {
            attributes.insert(name.to_owned(), values(entry, name));
        }
    }
    for name in USUAL.iter().filter(|n| !entry.has(n)) {
        attributes.insert((*name).to_owned(), Vec::new());
    }
    Person {
        address: Some(address.to_owned()),
        name: text("displayName"),
        given: text("givenName"),
        family: text("sn"),
        dn: Some(entry.dn.clone()),
        account: entry.text("sAMAccountName"),
        upn: text("userPrincipalName").filter(|u| !u.is_empty()),
        alias: text("mailNickname"),
        mail: text("mail").filter(|m| m != address),
        proxies: Some(entry.texts("proxyAddresses")),
        legacy_dn: text("legacyExchangeDN"),
        target: entry.text("targetAddress"),
        kind: Some(kind),
        enabled,
        hidden,
        um,
        culture: text("msExchUserCulture"),
        delegates: Some(delegates.into_iter().filter(|d| !d.eq_ignore_ascii_case(address)).collect()),
        guid: guid_of(entry, "objectGUID"),
        mailbox_guid: guid_of(entry, "msExchMailboxGuid"),
        extension: Some((1..=15).filter_map(extension).collect()),
        attributes,
        ..Person::default()
    }
}

impl Home {
    /// The organization's facts.
    pub(super) fn facts(&self, domains: &[String], profile: &Profile, remarks: &mut Vec<String>) -> Organization {
        let newest = self.versions.last();
        let exchange = newest.map(|(major, version)| match major {
            0..=6 => "2003",
            7 | 8 => "2007",
            _ => {
                remarks.push(format!(
                    "the newest server says `{version}`: the lab plays Exchange 2003 and 2007, and takes it for 2007"
                ));
                "2007"
            }
        });
        Organization {
            name: self.name.clone(),
            domains: Some(domains.to_vec()),
            base_dn: Some(self.base.clone()).filter(|b| !b.is_empty()),
            exchange: exchange.map(str::to_owned),
            mail_host: Some(profile.source.rpc_proxy.clone()),
            server: Some(profile.source.exchange_server.clone()).filter(|s| s.contains('.')),
            domain_controller: self.controller.clone(),
            transport: None,
        }
    }
}
