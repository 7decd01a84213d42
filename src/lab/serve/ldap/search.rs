//! Searches: which objects, which attributes, in which pages.
//!
//! The limits are AD's: 1,000 entries without paging, 1,500 values of an
//! attribute at a time. The configuration partition is a naming context of its
//! own, which a search of the domain only refers to.

use std::collections::{BTreeMap, BTreeSet};

use super::super::accounts::Account;
use super::super::index::Index;
use super::filter::{Filter, operational};
use super::message::{self, Control, Outcome, Scope, Search, answer};
use crate::lab::World;
use crate::lab::world::AdObject;
use crate::wire::attributes::{dn_key, result, split_dn};

/// Paged results (RFC 2696).
pub const PAGED: &str = "1.2.840.113556.1.4.319";
/// Domain scope: no references.
pub const DOMAIN_SCOPE: &str = "1.2.840.113556.1.4.1339";
/// Permissive modify.
pub const PERMISSIVE: &str = "1.2.840.113556.1.4.1413";
/// Security descriptor flags.
pub const SD_FLAGS: &str = "1.2.840.113556.1.4.801";
/// Show deleted objects; there are none.
pub const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
/// MaxPageSize.
const LARGEST_PAGE: usize = 1000;
/// MaxValRange.
const LARGEST_RANGE: usize = 1500;

/// Attributes that the directory account may write on a user, beyond those that
/// are there already.
const WRITABLE: &[&str] = &[
    "altRecipient",
    "deliverAndRedirect",
    "displayName",
    "homeMDB",
    "homeMTA",
    "legacyExchangeDN",
    "mail",
    "mailNickname",
    "msExchHomeServerName",
    "msExchMailboxGuid",
    "msExchMailboxSecurityDescriptor",
    "msExchPoliciesExcluded",
    "msExchPoliciesIncluded",
    "msExchRecipientDisplayType",
    "msExchRecipientTypeDetails",
    "msExchVersion",
    "proxyAddresses",
    "targetAddress",
    "textEncodedORAddress",
];

/// Pages that a connection still has to fetch: cookie → keys.
#[derive(Default)]
pub struct Pages {
    next: u64,
    open: BTreeMap<u64, Vec<String>>,
}

/// Controls that are understood.
pub const CONTROLS: [&str; 5] = [PAGED, DOMAIN_SCOPE, PERMISSIVE, SD_FLAGS, SHOW_DELETED];

/// Whether the base of a search is the root of the tree.
pub fn is_root(search: &Search) -> bool {
    search.base.is_empty() && search.scope == Scope::Base
}

/// The naming contexts: domain, configuration, schema.
fn contexts(world: &World) -> [String; 3] {
    let base = world.company.base_dn.replace("dc=", "DC=");
    [base.clone(), format!("CN=Configuration,{base}"), format!("CN=Schema,CN=Configuration,{base}")]
}

/// Answers a search of the root: what the server is.
pub fn root(out: &mut Vec<u8>, id: i64, world: &World, search: &Search) {
    let [domain, configuration, schema] = contexts(world);
    let host = &world.company.domain_controller;
    let short = host.split('.').next().unwrap_or(host).to_uppercase();
    let mut controls: Vec<&str> = CONTROLS.to_vec();
    controls.extend(["1.2.840.113556.1.4.473", "1.2.840.113556.1.4.528", "1.2.840.113556.1.4.529"]);
    let all: Vec<(&str, Vec<String>)> = vec![
        ("currentTime", vec![world.now.strftime("%Y%m%d%H%M%S.0Z").to_string()]),
        ("subschemaSubentry", vec![format!("CN=Aggregate,{schema}")]),
        (
            "dsServiceName",
            vec![format!("CN=NTDS Settings,CN={short},CN=Servers,CN=Default-First-Site-Name,CN=Sites,{configuration}")],
        ),
        ("namingContexts", vec![domain.clone(), configuration.clone(), schema.clone()]),
        ("defaultNamingContext", vec![domain.clone()]),
        ("rootDomainNamingContext", vec![domain.clone()]),
        ("configurationNamingContext", vec![configuration.clone()]),
        ("schemaNamingContext", vec![schema]),
        ("supportedControl", controls.iter().map(|c| (*c).to_owned()).collect()),
        ("supportedLDAPVersion", vec!["3".into(), "2".into()]),
        (
            "supportedCapabilities",
            vec!["1.2.840.113556.1.4.800".into(), "1.2.840.113556.1.4.1670".into(), "1.2.840.113556.1.4.1791".into()],
        ),
        ("supportedExtension", vec!["1.3.6.1.4.1.1466.20037".into(), "1.3.6.1.4.1.4203.1.11.3".into()]),
        ("highestCommittedUSN", vec![world.usn.to_string()]),
        ("supportedSASLMechanisms", vec!["GSSAPI".into(), "GSS-SPNEGO".into()]),
        ("dnsHostName", vec![host.clone()]),
        (
            "ldapServiceName",
            vec![format!(
                "{}:{short}$@{}",
                world.company.domains.first().map_or("", String::as_str),
                world.company.domains.first().map_or("", String::as_str).to_uppercase()
            )],
        ),
        ("serverName", vec![format!("CN={short},CN=Servers,CN=Default-First-Site-Name,CN=Sites,{configuration}")]),
        ("isSynchronized", vec!["TRUE".into()]),
        ("isGlobalCatalogReady", vec!["TRUE".into()]),
        ("domainFunctionality", vec!["3".into()]),
        ("forestFunctionality", vec!["3".into()]),
        ("domainControllerFunctionality", vec!["3".into()]),
    ];
    let everything = search.attributes.is_empty() || search.attributes.iter().any(|a| a == "*" || a == "+");
    let wanted = |name: &str| everything || search.attributes.iter().any(|a| a.eq_ignore_ascii_case(name));
    let present = match &search.filter {
        Filter::Present(name) => name.eq_ignore_ascii_case("objectClass"),
        _ => false,
    };
    if present {
        let attributes: Vec<(String, Vec<Vec<u8>>)> = all
            .into_iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, values)| (name.to_owned(), values.into_iter().map(String::into_bytes).collect()))
            .collect();
        message::write_entry(out, id, "", &attributes);
    }
    message::write_result(out, id, answer::DONE, &Outcome::success(), &[]);
}

/// What a search needs beside itself.
pub struct Desk<'a> {
    /// The world.
    pub world: &'a World,
    /// The index of its directory.
    pub index: &'a mut Index,
    /// Open pages of this connection.
    pub pages: &'a mut Pages,
    /// Who asks.
    pub account: Account,
}

/// Answers a search below the root.
pub fn run(out: &mut Vec<u8>, id: i64, desk: &mut Desk<'_>, search: &Search, controls: &[Control]) {
    let paged = controls.iter().find(|c| c.oid == PAGED);
    let paged = match paged.map(|c| message::read_paged(&c.value)) {
        None => None,
        Some(Ok(paged)) => Some(paged),
        Some(Err(_)) => {
            let outcome = Outcome::new(
                result::PROTOCOL_ERROR,
                "00000057: LdapErr: DSID-0C0907AD, comment: Error decoding ldap control, data 0, v1db1",
            );
            return message::write_result(out, id, answer::DONE, &outcome, &[]);
        }
    };
    let continues = paged.as_ref().filter(|(_, cookie)| !cookie.is_empty());
    let mut found = match continues {
        None => match matching(desk, search) {
            Ok(found) => found,
            Err(outcome) => return message::write_result(out, id, answer::DONE, &outcome, &[]),
        },
        Some((_, cookie)) => {
            let number = <[u8; 8]>::try_from(cookie.as_slice()).ok().map(u64::from_be_bytes);
            match number.and_then(|n| desk.pages.open.remove(&n)) {
                Some(rest) => rest,
                None => {
                    let outcome = Outcome::new(
                        result::UNWILLING,
                        "00000057: LdapErr: DSID-0C090802, comment: Error processing control, data 0, v1db1",
                    );
                    return message::write_result(out, id, answer::DONE, &outcome, &[]);
                }
            }
        }
    };
    let mut outcome = Outcome::success();
    let over = |limit: usize, found: &mut Vec<String>, outcome: &mut Outcome| {
        if found.len() > limit {
            found.truncate(limit);
            *outcome = Outcome::new(result::SIZE_LIMIT, "");
        }
    };
    let mut rest = Vec::new();
    match &paged {
        Some((size, _)) => {
            if search.size > 0 && continues.is_none() {
                over(search.size, &mut found, &mut outcome);
            }
            let page = if *size == 0 { LARGEST_PAGE } else { (*size).min(LARGEST_PAGE) };
            rest = found.split_off(found.len().min(page));
        }
        None => {
            over(if search.size == 0 { LARGEST_PAGE } else { search.size.min(LARGEST_PAGE) }, &mut found, &mut outcome)
        }
    }
    for key in &found {
        let Some(object) = desk.world.directory.get(key) else { continue };
        let attributes = selected(desk, object, search);
        message::write_entry(out, id, &object.entry.dn, &attributes);
    }
    if rest.is_empty() && outcome.code == result::SUCCESS && !controls.iter().any(|c| c.oid == DOMAIN_SCOPE) {
        references(out, id, desk.world, search);
    }
    let control = paged.map(|_| {
        let cookie = if rest.is_empty() {
            Vec::new()
        } else {
            desk.pages.next += 1;
            desk.pages.open.insert(desk.pages.next, rest);
            desk.pages.next.to_be_bytes().to_vec()
        };
        Control { oid: PAGED.into(), critical: false, value: message::write_paged(&cookie) }
    });
    message::write_result(out, id, answer::DONE, &outcome, control.as_slice());
}

/// Keys of the objects of a search, in their order.
fn matching(desk: &mut Desk<'_>, search: &Search) -> Result<Vec<String>, Outcome> {
    let world = desk.world;
    let base = dn_key(&search.base);
    exists(world, &base)?;
    let is_match = |key: &str| world.directory.get(key).is_some_and(|o| search.filter.holds(o));
    if search.scope == Scope::Base {
        return Ok(if is_match(&base) { vec![base] } else { Vec::new() });
    }
    let [_, configuration, _] = contexts(world).map(|c| dn_key(&c));
    let inside_configuration = is_below(&base, &configuration) || base == configuration;
    let in_scope = |key: &str| match search.scope {
        Scope::Base => key == base,
        Scope::One => is_below(key, &base) && parent(key).as_deref() == Some(base.as_str()),
        Scope::Subtree => {
            let same_context = inside_configuration || !(key == configuration || is_below(key, &configuration));
            (key == base || is_below(key, &base)) && same_context
        }
    };
    let found = match search.filter.keys(&Index::knows) {
        Some(keys) => {
            let mut candidates = BTreeSet::new();
            for (name, value) in keys {
                candidates.extend(desk.index.candidates(world, name, value).unwrap_or_default());
            }
            candidates.into_iter().filter(|k| in_scope(k) && is_match(k)).collect()
        }
        None => world
            .directory
            .iter()
            .filter(|(key, object)| in_scope(key) && search.filter.holds(object))
            .map(|(key, _)| key.clone())
            .collect(),
    };
    Ok(found)
}

fn is_below(key: &str, base: &str) -> bool {
    let Some(front) = key.strip_suffix(base) else { return false };
    front.ends_with(',') && !front.ends_with("\\,")
}

fn parent(key: &str) -> Option<String> {
    let parts = split_dn(key);
    parts.split_first().map(|(_, rest)| rest.join(","))
}

/// Whether a base is there: an object, or a container of objects.
///
/// # Errors
/// Result 32 with the nearest name that is.
pub fn exists(world: &World, base: &str) -> Result<(), Outcome> {
    let is_there = |key: &str| {
        world.directory.contains_key(key)
            || contexts(world).iter().any(|c| dn_key(c) == key)
            || world.directory.keys().any(|k| is_below(k, key))
    };
    if is_there(base) {
        return Ok(());
    }
    let mut nearest = parent(base).unwrap_or_default();
    while !nearest.is_empty() && !is_there(&nearest) {
        nearest = parent(&nearest).unwrap_or_default();
    }
    let shown = world.directory.get(&nearest).map_or(nearest.clone(), |o| o.entry.dn.clone());
    Err(Outcome {
        code: result::NO_SUCH_OBJECT,
        text: format!(
            "0000208D: NameErr: DSID-03100241, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'{shown}'\n"
        ),
        matched: shown,
    })
}

/// References to the other naming contexts, from a search of the whole domain.
fn references(out: &mut Vec<u8>, id: i64, world: &World, search: &Search) {
    let [domain, configuration, _] = contexts(world);
    if search.scope != Scope::Subtree || dn_key(&search.base) != dn_key(&domain) {
        return;
    }
    let host = world.company.domains.first().map_or("", String::as_str);
    for url in [
        format!("ldap://ForestDnsZones.{host}/DC=ForestDnsZones,{domain}"),
        format!("ldap://DomainDnsZones.{host}/DC=DomainDnsZones,{domain}"),
        format!("ldap://{host}/{configuration}"),
    ] {
        message::write_reference(out, id, &url);
    }
}

/// The attributes that a search asks for, in the spelling of the object.
fn selected(desk: &Desk<'_>, object: &AdObject, search: &Search) -> Vec<(String, Vec<Vec<u8>>)> {
    let mut out: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    let mut put = |name: &str, values: Vec<Vec<u8>>| {
        if !values.is_empty() && !out.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
            out.push((name.to_owned(), if search.types_only { Vec::new() } else { values }));
        }
    };
    let all = search.attributes.is_empty() || search.attributes.iter().any(|a| a == "*");
    let names = search.attributes.iter().filter(|a| !["*", "1.1", "+"].contains(&a.as_str()));
    let mut ranged = Vec::new();
    for asked in names {
        let (name, options) = asked.split_once(';').unwrap_or((asked, ""));
        let range = options.split(';').find_map(|o| o.to_ascii_lowercase().strip_prefix("range=").map(str::to_owned));
        if let Some(value) = operational(object, name) {
            put(operational_name(name), vec![value]);
        } else if name.eq_ignore_ascii_case("allowedAttributesEffective") {
            put("allowedAttributesEffective", writable(desk, object));
        } else if let Some((spelling, values)) = object.entry.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            let from = match &range {
                Some(range) => range.split('-').next().and_then(|n| n.parse().ok()).unwrap_or(0),
                None => 0,
            };
            if range.is_none() && values.len() <= LARGEST_RANGE {
                put(spelling, values.to_vec());
            } else {
                ranged.extend(slice(spelling, values, from));
            }
        }
    }
    if all {
        for name in ["distinguishedName", "objectGUID", "uSNChanged", "whenChanged"] {
            put(name, operational(object, name).into_iter().collect());
        }
        for (spelling, values) in object.entry.iter() {
            if values.len() <= LARGEST_RANGE {
                put(spelling, values.to_vec());
            } else {
                ranged.extend(slice(spelling, values, 0));
            }
        }
    }
    out.extend(ranged);
    out
}

/// One range of a large attribute, beside the plain name without values.
fn slice(name: &str, values: &[Vec<u8>], from: usize) -> Vec<(String, Vec<Vec<u8>>)> {
    let part: Vec<Vec<u8>> = values.iter().skip(from).take(LARGEST_RANGE).cloned().collect();
    if part.is_empty() {
        return Vec::new();
    }
    let end = from + part.len();
    let last = if end >= values.len() { "*".to_owned() } else { (end - 1).to_string() };
    vec![(name.to_owned(), Vec::new()), (format!("{name};range={from}-{last}"), part)]
}

fn operational_name(name: &str) -> &'static str {
    ["objectGUID", "uSNChanged", "whenChanged", "distinguishedName"]
        .into_iter()
        .find(|n| n.eq_ignore_ascii_case(name))
        .unwrap_or("distinguishedName")
}

/// What the asking account may write on an object (MS-ADTS, 3.1.1.4.5.7).
fn writable(desk: &Desk<'_>, object: &AdObject) -> Vec<Vec<u8>> {
    match desk.account {
        Account::Migration => vec![b"targetAddress".to_vec()],
        Account::Directory => {
            let mut names: BTreeSet<String> = WRITABLE.iter().map(|n| (*n).to_owned()).collect();
            names.extend(object.entry.iter().map(|(n, _)| n.to_owned()).filter(|n| n != "objectClass"));
            names.into_iter().map(String::into_bytes).collect()
        }
    }
}
