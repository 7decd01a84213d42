//! Checks what stands around the directory: tenant and zones.
//!
//! A part of `check`, in a file of its own for its length.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Check;
use super::place::join;
use super::read::near;
use super::{Recipient, Set, User, Zone};
use crate::lab::tenancy;
use crate::wire::attributes::domain_of;
use crate::wire::dns::{absolute, data};

/// More seats than any organization has bought.
const SEATS: i64 = 10_000_000;
/// Longest time to live (RFC 2181, 8).
const TTL: i64 = 2_147_483_647;

/// The tenant: domains, products, connectors, users.
pub(super) fn tenant(check: &mut Check<'_>) {
    let Some(tenant) = &check.file.tenant else { return };
    check.guid("tenant.id", &tenant.id);
    let initial = tenant.initial_domain.as_ref();
    if let Some(domain) = initial.filter(|d| !d.ends_with(".onmicrosoft.com") || d.split('.').count() != 3) {
        let said = format!("`{domain}` is no initial domain");
        check.fault("tenant.initial_domain", "domain", said, "write it as contoso.onmicrosoft.com");
    }
    let mut seen = BTreeMap::new();
    for (number, domain) in tenant.domains.iter().flatten().enumerate() {
        let path = format!("tenant.domains[{number}]");
        match &domain.name {
            Some(name) => {
                own(check, &join(&path, "name"), name);
                check.once(&mut seen, name.to_lowercase(), &join(&path, "name"), name);
            }
            None => check.missing(&path, "name", "name a mail domain of the company"),
        }
        if let Some(host) = &domain.mx_host {
            check.host(&join(&path, "mx_host"), host);
        }
        check.one_of(&join(&path, "type"), &domain.kind, &["Authoritative", "InternalRelay"]);
    }
    let mut seen = BTreeMap::new();
    for (number, sku) in tenant.skus.iter().flatten().enumerate() {
        let path = format!("tenant.skus[{number}]");
        match &sku.part {
            Some(part) => {
                check.once(&mut seen, part.to_lowercase(), &join(&path, "part"), part);
                let known = tenancy::products();
                let known: Vec<&str> = known.iter().map(|p| p.part.as_str()).collect();
                if !known.contains(&part.as_str()) && (sku.id.is_none() || sku.plans.is_none()) {
                    let said = format!("the lab does not know the product `{part}`");
                    let remedy = match near(part, &known) {
                        Some(near) => {
                            format!("did you mean `{near}`? If not, write its `id` and its `plans` beside it")
                        }
                        None => "write its `id` and its `plans` beside it".to_owned(),
                    };
                    check.fault(&join(&path, "part"), "sku", said, remedy);
                }
            }
            None => check.missing(&path, "part", "name the product: ENTERPRISEPACK"),
        }
        check.guid(&join(&path, "id"), &sku.id);
        check.number(&join(&path, "seats"), sku.seats, 0, SEATS);
        for (number, plan) in sku.plans.iter().flatten().enumerate() {
            let path = format!("{}[{number}]", join(&path, "plans"));
            check.guid(&join(&path, "id"), &Some(plan.id.clone()));
            if plan.name.is_empty() {
                check.missing(&path, "name", "name the service plan: EXCHANGE_S_ENTERPRISE");
            }
        }
    }
    let mut seen = BTreeMap::new();
    for (number, connector) in tenant.connectors.iter().flatten().enumerate() {
        let path = format!("tenant.connectors[{number}]");
        match &connector.name {
            Some(name) => check.once(&mut seen, name.to_lowercase(), &join(&path, "name"), name),
            None => check.missing(&path, "name", "name the connector"),
        }
        check.one_of(&join(&path, "type"), &connector.kind, &["OnPremises", "Partner"]);
        for (number, domain) in connector.domains.iter().flatten().enumerate().filter(|(_, d)| *d != "*") {
            own(check, &format!("{}[{number}]", join(&path, "domains")), domain);
        }
        for (number, host) in connector.smart_hosts.iter().flatten().enumerate() {
            check.host(&format!("{}[{number}]", join(&path, "smart_hosts")), host);
        }
    }
    let mut seen = (BTreeMap::new(), BTreeMap::new());
    for (number, user) in tenant.users.iter().flatten().enumerate() {
        cloud_user(check, &format!("tenant.users[{number}]"), user, &mut seen);
    }
}

/// A domain must be one of the company's.
pub(super) fn own(check: &mut Check<'_>, path: &str, domain: &str) {
    if !check.domains.contains(&domain.to_lowercase()) {
        let said = format!("`{domain}` is no mail domain of this company");
        check.fault(path, "domain", said, "add it to `company.domains`, or take it out here");
    }
}

type Names = BTreeMap<String, String>;

fn cloud_user(check: &mut Check<'_>, path: &str, user: &User, seen: &mut (Names, Names)) {
    let at = |name: &str| join(path, name);
    match &user.address {
        Some(address) => {
            if check.address(&at("address"), address) {
                let domain = domain_of(address);
                if !domain.ends_with(".onmicrosoft.com") {
                    own(check, &at("address"), &domain);
                }
            }
            check.once(&mut seen.0, address.to_lowercase(), &at("address"), address);
        }
        None => check.missing(path, "address", "name its sign-in name"),
    }
    if let Some(proxies) = &user.proxies {
        check.proxies(&at("proxies"), proxies, None);
    }
    check.location(&at("usage_location"), &user.usage_location);
    let given = check.file.tenant.as_ref().and_then(|t| t.skus.as_ref());
    let known: Vec<String> = match given {
        Some(skus) => skus.iter().filter_map(|s| s.part.clone()).collect(),
        None => tenancy::products().into_iter().map(|p| p.part).collect(),
    };
    for (number, part) in user.licences.iter().enumerate().filter(|(_, p)| !known.contains(p)) {
        let path = format!("{}[{number}]", at("licences"));
        check.fault(&path, "sku", format!("the tenant has no product `{part}`"), "add it to `tenant.skus`");
    }
    match (&user.external, user.recipient) {
        (Some(external), _) => {
            check.address(&at("external"), external);
        }
        (None, Recipient::MailUser) => check.missing(path, "external", "a mail user has an external address"),
        _ => {}
    }
    check.number(&at("items"), user.items, 0, i64::MAX);
    check.guid(&at("mailbox_guid"), &user.mailbox_guid);
    if let Some(id) = check.guid(&at("id"), &user.id) {
        check.once(&mut seen.1, id.to_string(), &at("id"), &id.to_string());
    }
}

/// The zones: names, types, times to live, values.
pub(super) fn zones(check: &mut Check<'_>) {
    let mut seen = BTreeMap::new();
    for (number, zone) in check.file.zones.iter().flatten().enumerate() {
        let path = format!("zones[{number}]");
        match &zone.apex {
            Some(apex) => {
                check.host(&join(&path, "apex"), apex);
                check.once(&mut seen, absolute(apex), &join(&path, "apex"), apex);
            }
            None => check.missing(&path, "apex", "name the zone: contoso.test"),
        }
        check.number(&join(&path, "minimum"), zone.minimum, 1, TTL);
        let mut names = BTreeMap::new();
        for (number, set) in zone.sets.iter().enumerate() {
            record_set(check, &format!("{path}.sets[{number}]"), zone, set, &mut names);
        }
        aliases(check, &path, zone);
        let servers = |s: &Set| {
            let here = |n: &String| absolute(n) == absolute(zone.apex.as_deref().unwrap_or_default());
            s.kind.as_deref().is_some_and(|k| k.eq_ignore_ascii_case("NS")) && s.name.as_ref().is_none_or(here)
        };
        if !zone.sets.iter().any(servers) {
            let remedy = "add {\"type\": \"NS\", \"ttl\": 86400, \"values\": [\"ns1.contoso.test.\"]}; the lab plays whatever server it names";
            check.fault(&join(&path, "sets"), "zone", "the zone names no name server", remedy);
        }
    }
}

fn record_set(check: &mut Check<'_>, path: &str, zone: &Zone, set: &Set, seen: &mut Names) {
    let at = |name: &str| join(path, name);
    let apex = absolute(zone.apex.as_deref().unwrap_or_default());
    let name = set.name.as_deref().map_or_else(|| apex.clone(), absolute);
    if name != apex && !name.ends_with(&format!(".{apex}")) {
        let said = format!("`{name}` does not lie in the zone `{apex}`");
        check.fault(&at("name"), "zone", said, "write the name in full: autodiscover.contoso.test");
    }
    match set.ttl {
        None => check.missing(path, "ttl", "write the time to live in seconds"),
        Some(0) => {
            let remedy = "write the seconds that the zone says, from 1 on";
            check.fault(&at("ttl"), "ttl", "resolvers disagree about a time to live of 0", remedy);
        }
        ttl => check.number(&at("ttl"), ttl, 1, TTL),
    }
    let Some(text) = &set.kind else {
        return check.missing(path, "type", "write MX, TXT, CNAME, A or NS");
    };
    let Some(kind) = tenancy::record_type(text) else {
        let said = format!("the lab serves no records of type `{text}`");
        return check.fault(&at("type"), "zone", said, "write MX, TXT, CNAME, A or NS, or take the set out");
    };
    check.once(seen, format!("{name} {kind}"), path, &format!("{name} {kind}"));
    if set.values.is_empty() {
        check.missing(path, "values", "write at least one value, or take the set out");
    }
    for (number, value) in set.values.iter().enumerate() {
        let path = format!("{}[{number}]", at("values"));
        let (rule, remedy) = match kind.to_string().as_str() {
            "MX" => ("mx", "write preference and host: 10 mail.contoso.test."),
            _ => ("zone", "write it as a zone file does, TXT without quotes"),
        };
        let host = match kind.to_string().as_str() {
            "MX" => value.split_once(' ').map(|(_, host)| host.trim()),
            "CNAME" | "NS" => Some(value.trim()),
            _ => None,
        };
        // The root (`0 .`) says that a domain takes no mail (RFC 7505).
        let nameless = host.is_some_and(str::is_empty);
        if data(kind, value).is_err() || nameless {
            check.fault(&path, rule, format!("`{value}` is no {kind} value"), remedy);
        }
    }
}

/// A name with a CNAME has nothing else, and one of them (RFC 1034, 3.6.2).
fn aliases(check: &mut Check<'_>, path: &str, zone: &Zone) {
    let apex = absolute(zone.apex.as_deref().unwrap_or_default());
    let name = |set: &Set| set.name.as_deref().map_or_else(|| apex.clone(), absolute);
    let alias = |set: &Set| set.kind.as_deref().is_some_and(|k| k.eq_ignore_ascii_case("CNAME"));
    let others: BTreeSet<String> = zone.sets.iter().filter(|s| !alias(s)).map(name).collect();
    for (number, set) in zone.sets.iter().enumerate().filter(|(_, s)| alias(s)) {
        let at = format!("{path}.sets[{number}]");
        if set.values.len() > 1 {
            let said = format!("`{}` is an alias of {} names", name(set), set.values.len());
            check.fault(&join(&at, "values"), "zone", said, "leave one");
        }
        if others.contains(&name(set)) {
            let said = format!("`{}` is an alias and holds other records, too", name(set));
            check.fault(&at, "zone", said, "take the alias out, or the others");
        }
    }
}
