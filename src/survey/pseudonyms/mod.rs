//! Pseudonyms: a company file that is nobody's, and behaves like the company's own.
//!
//! Every name, address, domain and id is replaced, the same one by the same one
//! everywhere (`words`), and the forms that rules depend on stay (`names`). What is
//! no name stays: counts, sizes, kinds, dates, products. In the end every text is
//! searched for the words that went in; one that is found again is a failure, never a
//! file.

mod names;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use names::{LABELS, Names, STRUCTURE};
pub use words::Key;
use words::{Words, words_of};

use crate::base::{Failure, Result};
use crate::wire::attributes::{POLICY_EXCLUSION, SCP_URL, Syntax, attribute};
use crate::wire::company::text::{bytes, shown};
use crate::wire::company::{BASE64, CompanyFile, Object, Organization, Person, Tenant, User, Zone};
use crate::wire::guid::Guid;

/// The well-known SELF, S-1-5-10.
const SELF: [u8; 12] = [1, 1, 0, 0, 0, 0, 0, 5, 10, 0, 0, 0];
/// Longest account name.
const ACCOUNT: usize = 20;
/// Shorter words are found everywhere by chance.
const TELLING: usize = 3;

/// Words that stand in texts which are no names: of the service, of classes, of
/// versions.
const ALLOWED: &[&str] = &[
    "all",
    "build",
    "com",
    "contact",
    "container",
    "default",
    "discoverysearchmailbox",
    "domainkey",
    "enterprise",
    "example",
    "exchange",
    "exchangelabs",
    "federatedemail",
    "first",
    "group",
    "healthmailbox",
    "http",
    "https",
    "include",
    "leaf",
    "local",
    "mailto",
    "microsoft",
    "migration",
    "name",
    "ncacn",
    "netbios",
    "office",
    "onmicrosoft",
    "onpremises",
    "organizationalperson",
    "outlook",
    "pack",
    "person",
    "private",
    "protection",
    "public",
    "reject",
    "server",
    "service",
    "site",
    "smtp",
    "spf",
    "store",
    "systemmailbox",
    "tcp",
    "top",
    "user",
    "version",
    "vns",
    "xml",
];

/// The file with pseudonyms.
///
/// # Errors
/// A word of the company is left in it: a fault of this room, told with its place.
pub fn replaced(file: &CompanyFile, key: &Key) -> Result<CompanyFile> {
    let mut names = Names::new(Words::new(key));
    // Once to learn the words, once to replace them.
    whole(&mut names, file);
    names.settle();
    let fresh = whole(&mut names, file);
    match left(&names, &fresh)? {
        None => Ok(fresh),
        Some(place) => {
            Err(Failure::internal(format!("a name of the company is left at {place}, so no file was written")))
        }
    }
}

fn text(names: &mut Names<'_>, text: &Option<String>) -> Option<String> {
    text.as_ref().map(|t| names.words.text(t))
}

fn by(of: fn(&mut Names<'_>, &str) -> String, names: &mut Names<'_>, text: &Option<String>) -> Option<String> {
    text.as_ref().map(|t| of(names, t))
}

fn all(of: fn(&mut Names<'_>, &str) -> String, names: &mut Names<'_>, texts: &[String]) -> Vec<String> {
    texts.iter().map(|t| of(names, t)).collect()
}

fn address(names: &mut Names<'_>, text: &str) -> String {
    names.address(text)
}

fn host(names: &mut Names<'_>, text: &str) -> String {
    names.host(text)
}

fn guid(names: &mut Names<'_>, text: &str) -> String {
    Guid::parse(text).map_or_else(|| text.to_owned(), |g| names.words.guid(g).to_string())
}

fn whole(names: &mut Names<'_>, file: &CompanyFile) -> CompanyFile {
    let company = file.company.as_ref().map(|c| organization(names, c));
    let people = file.people.iter().map(|p| person(names, p)).collect();
    let objects = file.objects.as_ref().map(|o| o.iter().map(|o| object(names, o)).collect());
    let tenant = file.tenant.as_ref().map(|t| tenant(names, t));
    let zones = file.zones.as_ref().map(|z| z.iter().map(|z| zone(names, z)).collect());
    let mut permissions = file.permissions.clone();
    for right in &mut permissions {
        right.mailbox = by(address, names, &right.mailbox);
        right.holder = by(address, names, &right.holder);
    }
    let mess = file.mess.clone().map(|mut m| {
        m.in_cloud = m.in_cloud.into_iter().map(|(a, what)| (names.address(&a), what)).collect();
        m.filter = m.filter.map(|f| match f.split_once('=') {
            Some((name, value)) => format!("{name}={}", names.words.text(value)),
            None => names.words.text(&f),
        });
        m.twice_listed = all(address, names, &m.twice_listed);
        m.inside_zones = all(host, names, &m.inside_zones);
        m.earlier_batch = all(address, names, &m.earlier_batch);
        for user in &mut m.deleted_users {
            user.address = by(address, names, &user.address);
            user.name = names.words.text(&user.name);
            user.id = by(guid, names, &user.id);
        }
        m
    });
    let survey = file.survey.clone().map(|mut s| {
        s.pseudonyms = true;
        // What the service said may name somebody.
        s.holes = s.holes.iter().map(|h| h.split(':').next().unwrap_or_default().to_owned()).collect();
        s
    });
    let list = file.list.as_ref().map(|l| all(address, names, l));
    CompanyFile {
        version: file.version,
        company,
        people,
        list,
        objects,
        tenant,
        zones,
        permissions,
        faults: None,
        mess,
        settings: file.settings.clone(),
        survey,
    }
}

fn organization(names: &mut Names<'_>, own: &Organization) -> Organization {
    Organization {
        domains: own.domains.as_ref().map(|d| all(host, names, d)),
        base_dn: by(|n, t| n.dn(t), names, &own.base_dn),
        name: by(|n, t| n.part(t), names, &own.name),
        exchange: own.exchange.clone(),
        mail_host: by(host, names, &own.mail_host),
        server: by(host, names, &own.server),
        domain_controller: by(host, names, &own.domain_controller),
        // A survey sees nothing of it.
        transport: None,
    }
}

fn person(names: &mut Names<'_>, own: &Person) -> Person {
    let mut account = by(|n, t| n.local(t), names, &own.account);
    if let Some(account) = account.as_mut().filter(|a| a.chars().count() > ACCOUNT) {
        *account = account.chars().take(ACCOUNT).collect();
    }
    Person {
        address: by(address, names, &own.address),
        name: text(names, &own.name),
        given: text(names, &own.given),
        family: text(names, &own.family),
        dn: by(|n, t| n.dn(t), names, &own.dn),
        account,
        upn: by(address, names, &own.upn),
        alias: by(|n, t| n.local(t), names, &own.alias),
        mail: by(address, names, &own.mail),
        proxies: own.proxies.as_ref().map(|p| all(|n, t| n.proxy(t), names, p)),
        legacy_dn: by(|n, t| n.x500(t), names, &own.legacy_dn),
        target: by(|n, t| n.proxy(t), names, &own.target),
        delegates: own.delegates.as_ref().map(|d| all(address, names, d)),
        guid: by(guid, names, &own.guid),
        mailbox_guid: by(guid, names, &own.mailbox_guid),
        extension: own
            .extension
            .as_ref()
            .map(|e| e.iter().map(|(number, value)| (number.clone(), names.words.text(value))).collect()),
        attributes: attributes(names, &own.attributes),
        ..own.clone()
    }
}

fn object(names: &mut Names<'_>, own: &Object) -> Object {
    Object {
        dn: by(|n, t| n.dn(t), names, &own.dn),
        guid: by(guid, names, &own.guid),
        attributes: attributes(names, &own.attributes),
    }
}

fn attributes(names: &mut Names<'_>, own: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    let one = |(name, values): (&String, &Vec<String>)| {
        (name.clone(), values.iter().map(|v| value(names, &name.to_lowercase(), v)).collect())
    };
    own.iter().map(one).collect()
}

/// The value of an attribute (its name in lower case).
fn value(names: &mut Names<'_>, name: &str, value: &str) -> String {
    let syntax = attribute(name).map(|a| a.syntax);
    if value.starts_with(BASE64) || syntax == Some(Syntax::Octets) {
        return octets(names, name, value);
    }
    let is_number = value.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
    match name {
        "objectclass" | "serviceclassname" | "servicednsnametype" | "serialnumber" | "msexchuserculture" => {
            value.to_owned()
        }
        "proxyaddresses"
        | "targetaddress"
        | "msexchshadowproxyaddresses"
        | "gatewayproxy"
        | "disabledgatewayproxy"
        | "msexchumaddresses"
        | "mail"
        | "userprincipalname"
        | "forwardingaddress"
        | "msexchgenericforwardingaddress" => names.proxy(value),
        "legacyexchangedn" | "msexchhomeservername" | "msexchexpansionservername" => names.x500(value),
        "textencodedoraddress" => names.proxy(&format!("x400:{value}")).split_off("x400:".len()),
        "samaccountname" | "mailnickname" => names.local(value),
        "cn" | "ou" | "name" => names.part(value),
        "servicednsname" | "dnshostname" | "msexchaccepteddomainname" => names.host(value),
        "servicebindinginformation" | "msexchmailboxurl" => names.url(value),
        "networkaddress" => match value.split_once(':') {
            Some((kind, host)) => format!("{kind}:{}", names.host(host)),
            None => names.host(value),
        },
        "keywords" if value.eq_ignore_ascii_case(SCP_URL) => value.to_owned(),
        "keywords" => match value.split_once('=') {
            Some((what, site)) => format!("{what}={}", names.part(site)),
            None => names.words.text(value),
        },
        "msexchpoliciesincluded" | "msexchpoliciesexcluded" => {
            let ids: Vec<String> = value
                .split(',')
                .map(|id| if id.eq_ignore_ascii_case(POLICY_EXCLUSION) { id.to_owned() } else { names.words.text(id) })
                .collect();
            ids.join(",")
        }
        "msexchdynamicdlfilter" | "purportedsearch" | "msexchpurportedsearchui" => names.filter(value),
        "telephonenumber" | "msexchumcallinglineids" | "msexchumfaxid" | "msexchumoperatornumber" => {
            names.words.numbers(value)
        }
        _ if matches!(syntax, Some(Syntax::Integer | Syntax::LargeInteger | Syntax::Boolean)) => value.to_owned(),
        // Flags that the table doesn't know.
        "grouptype" | "msexchaccepteddomainflags" if is_number => value.to_owned(),
        _ if syntax == Some(Syntax::Dn) || value.to_lowercase().contains(",dc=") => names.dn(value),
        _ => names.words.text(value),
    }
}

/// Bytes: ids become ids, names of accounts stay well-known or become unknown, what
/// else there is keeps its length.
fn octets(names: &mut Names<'_>, name: &str, value: &str) -> String {
    let raw = bytes(value);
    if names.words.is_gathering() {
        return value.to_owned();
    }
    let fresh = match (name, Guid::from_directory(&raw)) {
        (_, Some(guid)) => names.words.guid(guid).to_directory().to_vec(),
        ("msexchmasteraccountsid", _) if raw == SELF => raw,
        (name, _) => {
            // The head of a descriptor or of an account's id says its form.
            let head = match name {
                "msexchmailboxsecuritydescriptor" => 20,
                "msexchmasteraccountsid" => 8,
                _ => 0,
            };
            let (head, rest) = raw.split_at_checked(head).unwrap_or((&[], &raw));
            [head, &names.words.bytes(name, rest)].concat()
        }
    };
    shown(&fresh)
}

fn tenant(names: &mut Names<'_>, own: &Tenant) -> Tenant {
    let mut fresh = own.clone();
    fresh.id = by(guid, names, &own.id);
    fresh.initial_domain = by(host, names, &own.initial_domain);
    for domain in fresh.domains.iter_mut().flatten() {
        domain.name = by(host, names, &domain.name);
        domain.verification = by(|n, t| n.verification(t), names, &domain.verification);
        domain.mx_host = by(host, names, &domain.mx_host);
    }
    for connector in fresh.connectors.iter_mut().flatten() {
        connector.name = text(names, &connector.name);
        connector.domains = connector.domains.as_ref().map(|d| all(host, names, d));
        connector.smart_hosts = connector.smart_hosts.as_ref().map(|h| all(host, names, h));
        connector.hosts = all(host, names, &connector.hosts);
    }
    for user in fresh.users.iter_mut().flatten() {
        *user = User {
            address: by(address, names, &user.address),
            name: text(names, &user.name),
            proxies: user.proxies.as_ref().map(|p| all(|n, t| n.proxy(t), names, p)),
            external: by(|n, t| n.proxy(t), names, &user.external),
            id: by(guid, names, &user.id),
            mailbox_guid: by(guid, names, &user.mailbox_guid),
            legacy_dn: by(|n, t| n.x500(t), names, &user.legacy_dn),
            ..user.clone()
        };
    }
    fresh
}

fn zone(names: &mut Names<'_>, own: &Zone) -> Zone {
    let mut fresh = own.clone();
    fresh.apex = by(host, names, &own.apex);
    for set in &mut fresh.sets {
        set.name = by(host, names, &set.name);
        let kind = set.kind.clone().unwrap_or_default();
        set.values = set.values.iter().map(|v| names.record(&kind, v)).collect();
    }
    fresh
}

/// Where a word of the company is left, if one is.
fn left(names: &Names<'_>, file: &CompanyFile) -> Result<Option<String>> {
    let whole = serde_json::to_value(file).map_err(|e| Failure::internal(format!("the file has no form: {e}")))?;
    let mut allowed: BTreeSet<String> = STRUCTURE.iter().chain(LABELS).flat_map(|t| words_of(t)).collect();
    allowed.extend(ALLOWED.iter().map(|w| (*w).to_owned()));
    let telling = |word: &str| word.chars().count() >= TELLING && !allowed.contains(word);
    let search = |text: &str| {
        let lower = text.to_lowercase();
        let word = words_of(text).any(|w| telling(&w) && names.words.originals().contains(&w));
        // A whole domain, even one that is made of words that everybody has.
        word || names.known().iter().any(|d| {
            let found = lower.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_')));
            found.into_iter().any(|piece| piece.trim_end_matches('.') == d)
        })
    };
    let mut open = vec![(String::new(), &whole)];
    while let Some((path, value)) = open.pop() {
        // Products, classes and words of the format are no names.
        let exempt = ["skus", "licences", "objectClass", "settings", "taken", "type", "right", "recipient", "holes"];
        if exempt.iter().any(|e| path.ends_with(&format!(".{e}"))) {
            continue;
        }
        match value {
            Value::String(text) if !text.starts_with(BASE64) && search(text) => return Ok(Some(path)),
            Value::Array(items) => {
                open.extend(
                    items
                        .iter()
                        .enumerate()
                        .map(|(n, v)| (format!("{path}[{n}]"), v))
                        .filter(|(p, _)| !exempt.iter().any(|e| p.contains(&format!(".{e}[")))),
                );
            }
            Value::Object(map) => open.extend(map.iter().map(|(name, v)| (format!("{path}.{name}"), v))),
            _ => {}
        }
    }
    Ok(None)
}
