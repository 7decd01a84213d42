//! What is wrong with a company that could be read: everything, in one pass.
//!
//! Only what no company can have, or what the lab could not serve, is a fault.
//! The mess of real companies is not: one address on two objects, a mail domain
//! that nobody knows among the second addresses, a missing alias. It decides
//! nothing about what is left out, and knows the text only by its paths.

use std::collections::{BTreeMap, BTreeSet};

use super::place::join;
use super::read::{Fault, nearest};
use super::{BASE64, CompanyFile, Kind, Organization, Person, VERSION, dn, mess, surroundings};
use crate::lab::company::{sound, sound_host};
use crate::lab::settings::Settings;
use crate::lab::transport::Transport;
use crate::wire::attributes::{Proxy, attribute, dn_key, domain_of};
use crate::wire::guid::{Guid, unbase64};

/// Largest mailbox: an Exchange 2007 database ends at 16 TB.
const LARGEST: i64 = 16 << 40;
/// Accounts of the lab itself (`directory::tree`).
const RESERVED: [&str; 2] = ["admin", "svc-migration"];

/// All faults; none of a sound file.
pub(super) fn faults(file: &CompanyFile) -> Vec<Fault> {
    let domains = domains(file);
    let mut check = Check {
        file,
        base: base(file, &domains),
        domains,
        people: file.people.iter().filter_map(|p| Some(p.address.as_ref()?.to_lowercase())).collect(),
        out: Vec::new(),
    };
    match file.version {
        Some(VERSION) => {}
        Some(other) => {
            let remedy = "take the stagepost that wrote it, or write it anew as version 1";
            check.fault("version", "version", format!("version {other} of the company file is not known here"), remedy);
            return check.out;
        }
        None => check.fault("version", "version", "the file does not say its version", "write `\"version\": 1`"),
    }
    check.organization();
    check.everybody();
    check.objects();
    check.list();
    check.rights();
    for (name, value) in &file.settings {
        if let Err((said, remedy)) = Settings::default().set(name, value) {
            check.fault(&join("settings", name), "setting", said, remedy);
        }
    }
    surroundings::tenant(&mut check);
    surroundings::zones(&mut check);
    mess::check(&mut check);
    check.out
}

/// Mail domains in lower case, the main one first: as given, else the tenant's,
/// else those of the addresses.
pub(super) fn domains(file: &CompanyFile) -> Vec<String> {
    let own = file.company.as_ref().and_then(|c| c.domains.clone());
    let names = |t: &super::Tenant| t.domains.as_ref().map(|d| d.iter().filter_map(|d| d.name.clone()).collect());
    let all: Vec<String> = own.or_else(|| file.tenant.as_ref().and_then(names)).unwrap_or_else(|| {
        file.people.iter().filter_map(|p| p.address.as_deref()).filter(|a| sound(a)).map(domain_of).collect()
    });
    let mut seen = BTreeSet::new();
    all.into_iter().map(|d| d.to_lowercase()).filter(|d| seen.insert(d.clone())).collect()
}

/// The domain as a distinguished name, in its normal form.
pub(super) fn base(file: &CompanyFile, domains: &[String]) -> String {
    let given = file.company.as_ref().and_then(|c| dn::normal(c.base_dn.as_deref()?));
    given.unwrap_or_else(|| {
        let main = domains.first().map_or("", String::as_str);
        main.split('.').map(|l| format!("DC={l}")).collect::<Vec<_>>().join(",")
    })
}

/// The file, what is looked up in it often, and what was found.
pub(super) struct Check<'a> {
    pub file: &'a CompanyFile,
    pub domains: Vec<String>,
    /// The domain's distinguished name.
    base: String,
    /// Primary addresses, lower case.
    pub people: BTreeSet<String>,
    out: Vec<Fault>,
}

impl Check<'_> {
    pub(super) fn fault(&mut self, path: &str, rule: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        self.out.push(Fault::new(path, rule, text, remedy));
    }

    pub(super) fn missing(&mut self, path: &str, name: &str, remedy: &str) {
        self.fault(&join(path, name), "missing", format!("`{name}` is missing"), remedy);
    }

    /// Whether a text is an address; tells it if not.
    pub(super) fn address(&mut self, path: &str, text: &str) -> bool {
        let good = sound(text);
        if !good {
            let said = format!("`{text}` is no address that a company can have");
            self.fault(path, "address", said, "write it as name@domain.tld");
        }
        good
    }

    pub(super) fn host(&mut self, path: &str, text: &str) {
        if !sound_host(text.trim_end_matches('.')) {
            self.fault(path, "host", format!("`{text}` is no host name"), "write it in full: mail.contoso.test");
        }
    }

    pub(super) fn guid(&mut self, path: &str, text: &Option<String>) -> Option<Guid> {
        let text = text.as_ref()?;
        let guid = Guid::parse(text);
        if guid.is_none() {
            let remedy = "write xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, or leave it out";
            self.fault(path, "guid", format!("`{text}` is no GUID"), remedy);
        }
        guid
    }

    pub(super) fn number(&mut self, path: &str, value: Option<i64>, least: i64, most: i64) {
        match value {
            Some(n) if n < least => {
                let remedy = format!("write a number from {least} on");
                self.fault(path, "number", format!("{n} is too small a number"), remedy);
            }
            Some(n) if n > most => {
                let remedy = format!("write a number of at most {most}");
                self.fault(path, "number", format!("{n} is too large a number"), remedy);
            }
            _ => {}
        }
    }

    /// A name that may stand once: where it stood first, if it did.
    pub(super) fn once(&mut self, seen: &mut BTreeMap<String, String>, key: String, path: &str, name: &str) {
        if let Some(first) = seen.get(&key) {
            let said = format!("`{name}` stands already in `{first}`");
            self.fault(path, "duplicate", said, "take one of them out");
        } else {
            seen.insert(key, path.to_owned());
        }
    }

    /// Whether somebody has this primary address; tells it if not.
    pub(super) fn person(&mut self, path: &str, address: &str, rule: &'static str) {
        if !self.people.contains(&address.to_lowercase()) {
            let remedy = "add the person to `people`, or take the address out here";
            self.fault(path, rule, format!("nobody in `people` has the address `{address}`"), remedy);
        }
    }

    pub(super) fn location(&mut self, path: &str, text: &Option<String>) {
        if let Some(text) = text.as_ref().filter(|t| !t.is_empty())
            && (text.len() != 2 || !text.bytes().all(|b| b.is_ascii_uppercase()))
        {
            let remedy = "write two capitals (ISO 3166-1): DE";
            self.fault(path, "location", format!("`{text}` is no country"), remedy);
        }
    }

    fn organization(&mut self) {
        let none = Organization::default();
        let company = self.file.company.as_ref().unwrap_or(&none);
        if let Some(name) = company.name.as_ref().filter(|n| n.trim().is_empty() || n.contains('/') || n.len() > 64) {
            let remedy = "write at most 64 characters without a slash: it becomes a part of X.500 names";
            self.fault("company.name", "name", format!("`{name}` can't name an organization"), remedy);
        }
        let mut seen = BTreeMap::new();
        for (number, domain) in company.domains.iter().flatten().enumerate() {
            let path = format!("company.domains[{number}]");
            self.host(&path, domain);
            self.once(&mut seen, domain.to_lowercase(), &path, domain);
        }
        if company.domains.as_ref().is_some_and(Vec::is_empty) {
            self.fault("company.domains", "missing", "there is no mail domain", "name the main one, or leave it out");
        }
        if let Some(text) = &company.base_dn {
            let parts = dn::parts(text);
            let domain = |p: &Vec<(String, String)>| p.iter().all(|(kind, _)| kind.eq_ignore_ascii_case("dc"));
            if !parts.as_ref().is_some_and(domain) {
                let remedy = "write DC=contoso,DC=test";
                self.fault("company.base_dn", "dn", format!("`{text}` is no name of a domain"), remedy);
            }
        }
        if let Some(version) = company.exchange.as_ref().filter(|e| !matches!(e.as_str(), "2003" | "2007")) {
            let remedy = "write \"2003\" or \"2007\"";
            self.fault("company.exchange", "field", format!("there is no Exchange `{version}` here"), remedy);
        }
        if let Some(transport) = &company.transport {
            self.transport(transport);
        }
        let hosts = [
            ("mail_host", &company.mail_host),
            ("server", &company.server),
            ("domain_controller", &company.domain_controller),
        ];
        for (name, host) in hosts {
            if let Some(host) = host {
                self.host(&join("company", name), host);
            }
        }
    }

    fn transport(&mut self, transport: &Transport) {
        const AT: &str = "company.transport";
        if let Some(gateway) = &transport.gateway {
            self.host(&format!("{AT}.gateway.host"), &gateway.host);
        }
        let relays =
            [("relay_domains", &transport.relay_domains), ("checked_relay_domains", &transport.checked_relay_domains)];
        for (name, domains) in relays {
            for (number, domain) in domains.iter().enumerate() {
                surroundings::own(self, &format!("{AT}.{name}[{number}]"), domain);
            }
        }
        for (name, domain) in transport
            .senders
            .keys()
            .map(|d| ("senders", d))
            .chain(transport.rejected_senders.iter().map(|d| ("rejected_senders", d)))
        {
            self.host(&format!("{AT}.{name}"), domain);
        }
        if let Some(address) = &transport.journal {
            self.address(&format!("{AT}.journal"), address);
        }
    }

    fn everybody(&mut self) {
        if self.file.people.is_empty() {
            self.fault("people", "missing", "the company has nobody in it", "name at least one person by `address`");
        }
        let mut seen = Seen::default();
        for (number, person) in self.file.people.iter().enumerate() {
            self.one(&format!("people[{number}]"), person, &mut seen);
        }
        // Objects are checked against these names, too.
        let objects = self.file.objects.iter().flatten().enumerate();
        for (number, object) in objects {
            let path = format!("objects[{number}]");
            if let Some(name) = &object.dn {
                self.dn(&join(&path, "dn"), name, &mut seen.names);
            }
            if let Some(guid) = self.guid(&join(&path, "guid"), &object.guid) {
                self.once(&mut seen.guids, guid.to_string(), &join(&path, "guid"), &guid.to_string());
            }
            let account = object.attributes.iter().find(|(n, _)| n.eq_ignore_ascii_case("sAMAccountName"));
            if let Some(account) = account.and_then(|(_, v)| v.first()) {
                let at = join(&path, "attributes.sAMAccountName");
                self.once(&mut seen.accounts, account.to_lowercase(), &at, account);
            }
        }
    }

    fn one(&mut self, path: &str, person: &Person, seen: &mut Seen) {
        let at = |name: &str| join(path, name);
        let address = person.address.as_deref().unwrap_or_default();
        if person.address.is_none() {
            self.missing(path, "address", "name the primary address; everything else may be left out");
        } else if self.address(&at("address"), address) {
            self.once(&mut seen.primaries, address.to_lowercase(), &at("address"), address);
            if !self.domains.contains(&domain_of(address)) {
                let said = format!("`{}` is no mail domain of this company", domain_of(address));
                self.fault(&at("address"), "domain", said, "add it to `company.domains`, or correct the address");
            }
        }
        if let Some(name) = &person.dn {
            self.dn(&at("dn"), name, &mut seen.names);
        }
        if let Some(account) = &person.account {
            if account.is_empty() || account.chars().count() > 20 || account.contains(['@', '"', '/', '\\', ',']) {
                let remedy = "sAMAccountName has 1 to 20 characters, and none of @ \" / \\ ,";
                self.fault(&at("account"), "account", format!("`{account}` is no account name"), remedy);
            } else if RESERVED.contains(&account.to_lowercase().as_str()) {
                let said = format!("`{account}` is an account of the lab itself");
                self.fault(&at("account"), "account", said, "give this person another account name");
            }
            self.once(&mut seen.accounts, account.to_lowercase(), &at("account"), account);
        }
        if let Some(upn) = &person.upn {
            if upn.split_once('@').is_none_or(|(a, b)| a.is_empty() || b.is_empty() || upn.contains(' ')) {
                let remedy = "write name@suffix; the suffix need not be routable";
                self.fault(&at("upn"), "upn", format!("`{upn}` is no sign-in name"), remedy);
            }
            self.once(&mut seen.upns, upn.to_lowercase(), &at("upn"), upn);
        }
        if let Some(proxies) = &person.proxies {
            self.proxies(&at("proxies"), proxies, Some(address));
        }
        if let Some(legacy) = person.legacy_dn.as_ref().filter(|l| !l.is_empty() && !l.starts_with('/')) {
            let remedy = "write it as the directory holds it: /o=Contoso/ou=…/cn=Recipients/cn=ann";
            self.fault(&at("legacy_dn"), "x500", format!("`{legacy}` is no X.500 name"), remedy);
        }
        for (name, text) in [("mail", &person.mail), ("target", &person.target)] {
            if let Some(text) = text.as_ref().filter(|t| !t.is_empty()) {
                self.address(&at(name), text.split_once(':').map_or(text.as_str(), |(_, a)| a));
            }
        }
        self.guid(&at("mailbox_guid"), &person.mailbox_guid);
        if let Some(guid) = self.guid(&at("guid"), &person.guid) {
            self.once(&mut seen.guids, guid.to_string(), &at("guid"), &guid.to_string());
        }
        self.location(&at("usage_location"), &person.usage_location);
        for key in person.extension.iter().flat_map(|e| e.keys()) {
            let number = key.parse::<u8>().ok().filter(|n| (1..=15).contains(n) && n.to_string() == *key);
            if number.is_none() {
                let said = format!("there is no extension attribute `{key}`");
                self.fault(&join(&at("extension"), key), "extension", said, "write a number from 1 to 15");
            }
        }
        self.attributes(&at("attributes"), &person.attributes, true);
        for (number, delegate) in person.delegates.iter().flatten().enumerate() {
            let path = format!("{}[{number}]", at("delegates"));
            if delegate.eq_ignore_ascii_case(address) {
                self.fault(&path, "delegate", "nobody is a delegate of their own", "take it out");
            } else {
                self.person(&path, delegate, "delegate");
            }
        }
        self.number(&at("items"), person.items, 0, i64::MAX);
        self.number(&at("bytes"), person.bytes, 0, LARGEST);
        if let (Some(items), Some(bytes)) = (person.items, person.bytes)
            && items > bytes
            && bytes >= 0
        {
            let said = format!("{items} items can't lie in {bytes} bytes");
            self.fault(&at("items"), "number", said, "correct one of them, or leave it out");
        }
        if person.kind == Some(Kind::Linked) && person.enabled == Some(true) {
            let remedy = "leave `enabled` out, or write `\"type\": \"user\"`";
            self.fault(&at("enabled"), "type", "the account of a linked mailbox is disabled", remedy);
        }
    }

    /// Prefixes, addresses, and that the primary is the person's.
    pub(super) fn proxies(&mut self, path: &str, proxies: &[String], primary: Option<&str>) {
        let mut seen = BTreeMap::new();
        let mut primaries = 0;
        for (number, text) in proxies.iter().enumerate() {
            let path = format!("{path}[{number}]");
            let kind = text.split_once(':').map_or("", |(kind, _)| kind);
            if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                let said = format!("`{text}` has no prefix");
                self.fault(&path, "proxy", said, "write SMTP:, smtp:, X500:, x400: or what the directory has");
                continue;
            }
            let proxy = Proxy::parse(text);
            self.once(&mut seen, text.clone(), &path, text);
            if proxy.kind != "smtp" || !self.address(&path, &proxy.address) || !proxy.primary {
                continue;
            }
            primaries += 1;
            if primaries > 1 {
                let said = format!("`{text}` is a second primary address");
                self.fault(&path, "primary", said, "write all but one with smtp: in small letters");
            } else if let Some(wanted) = primary.filter(|w| !w.eq_ignore_ascii_case(&proxy.address)) {
                let said = format!("the primary address here is `{}`, and `{wanted}` in `address`", proxy.address);
                self.fault(&path, "primary", said, "make them the same");
            }
        }
        if primaries == 0 {
            self.fault(path, "primary", "there is no primary address among them", "write one with SMTP: in capitals");
        }
    }

    fn dn(&mut self, path: &str, text: &str, seen: &mut BTreeMap<String, String>) {
        let Some(name) = dn::normal(text) else {
            let remedy = "write it as RFC 4514 has it, special signs behind a backslash: CN=Lee\\, Ann,OU=Staff,DC=…";
            self.fault(path, "dn", format!("`{text}` is no distinguished name"), remedy);
            return;
        };
        let key = dn_key(&name);
        if !key.ends_with(&format!(",{}", dn_key(&self.base))) {
            let said = format!("`{text}` lies outside the domain {}", self.base);
            self.fault(path, "dn", said, "correct it, or write `company.base_dn`");
        }
        self.once(seen, key, path, text);
    }

    fn objects(&mut self) {
        for (number, object) in self.file.objects.iter().flatten().enumerate() {
            let path = format!("objects[{number}]");
            if object.dn.is_none() {
                self.missing(&path, "dn", "name the object");
            }
            if !object.attributes.keys().any(|n| n.eq_ignore_ascii_case("objectClass")) {
                self.missing(&path, "attributes.objectClass", "say what it is: [\"top\", \"group\"]");
            }
            self.attributes(&join(&path, "attributes"), &object.attributes, false);
        }
    }

    /// Names of a mailbox's attributes are held to the table (`wire::attributes`),
    /// for a slip there goes unseen; other objects may have any.
    fn attributes(&mut self, path: &str, attributes: &BTreeMap<String, Vec<String>>, of_mailbox: bool) {
        for (name, values) in attributes {
            let at = join(path, name);
            let known = attribute(name);
            if known.is_none() && of_mailbox {
                let remedy = "correct the name, or take it out: the lab serves what a migration touches";
                self.fault(&at, "attribute", format!("the lab knows no attribute `{name}`"), remedy);
            }
            if known.is_some_and(|k| k.single) && values.len() > 1 {
                let said = format!("`{name}` holds one value and there are {}", values.len());
                self.fault(&at, "attribute", said, "leave one");
            }
            for (number, value) in values.iter().enumerate() {
                let at = format!("{at}[{number}]");
                let length = match value.strip_prefix(BASE64).map(unbase64) {
                    None => value.chars().count(),
                    Some(Some(bytes)) => {
                        String::from_utf8(bytes).map_or_else(|e| e.as_bytes().len(), |t| t.chars().count())
                    }
                    Some(None) => {
                        let remedy = "write base64 with its padding behind `base64:`";
                        self.fault(&at, "attribute", format!("`{value}` is no base64"), remedy);
                        continue;
                    }
                };
                let range = known.and_then(|k| k.range);
                if let Some((least, most)) = range.filter(|(least, most)| !(least..=most).contains(&&length)) {
                    let said = format!("`{name}` has {least} to {most} characters and here are {length}");
                    self.fault(&at, "attribute", said, "correct the value");
                }
            }
        }
    }

    fn list(&mut self) {
        let Some(list) = &self.file.list else { return };
        if list.is_empty() {
            self.fault("list", "missing", "the list names no mailbox", "leave it out to move everybody");
        }
        let mut seen = BTreeMap::new();
        for (number, address) in list.iter().enumerate() {
            let path = format!("list[{number}]");
            self.person(&path, address, "list");
            self.once(&mut seen, address.to_lowercase(), &path, address);
        }
    }

    fn rights(&mut self) {
        for (number, right) in self.file.permissions.iter().enumerate() {
            let path = format!("permissions[{number}]");
            for (name, address) in [("mailbox", &right.mailbox), ("holder", &right.holder)] {
                match address {
                    Some(address) => self.person(&join(&path, name), address, "permission"),
                    None => self.missing(&path, name, "name a primary address"),
                }
            }
            if right.right.is_none() {
                self.missing(&path, "right", "write `full_access` or `send_as`");
            }
        }
        let mut seen = BTreeMap::new();
        for (number, fault) in self.file.faults.iter().flatten().enumerate() {
            let path = format!("faults[{number}]");
            match &fault.address {
                Some(address) => {
                    self.person(&join(&path, "address"), address, "fault");
                    self.once(&mut seen, address.to_lowercase(), &join(&path, "address"), address);
                }
                None => self.missing(&path, "address", "name the row by its primary address"),
            }
            if fault.breaks.is_none() {
                self.missing(&path, "breaks", "write `copy` or `provisioning`");
            }
            if fault.text.as_ref().is_none_or(|t| t.trim().is_empty()) {
                self.missing(&path, "text", "write what the service says");
            }
        }
    }

    /// A word of a fixed few.
    pub(super) fn one_of(&mut self, path: &str, word: &Option<String>, known: &[&str]) {
        if let Some(word) = word.as_ref().filter(|w| !known.contains(&w.as_str())) {
            self.fault(path, "field", format!("`{word}` is none of {}", known.join(", ")), nearest(word, known));
        }
    }
}

/// Names that may stand once, and where they stood.
#[derive(Default)]
struct Seen {
    primaries: BTreeMap<String, String>,
    accounts: BTreeMap<String, String>,
    upns: BTreeMap<String, String>,
    names: BTreeMap<String, String>,
    guids: BTreeMap<String, String>,
}
