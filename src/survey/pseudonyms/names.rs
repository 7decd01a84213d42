//! Names that have a form: domains, hosts, addresses, distinguished and X.500 names,
//! records.
//!
//! The form stays, and so do the words that every organization has (`CN=Users`,
//! `mail.`, `autodiscover.`) and those of the service itself; the rest is replaced
//! word by word.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::words::{Words, cased};
use crate::wire::attributes::{Proxy, escape_dn, split_dn};

/// Parts of a name that every directory with Exchange has, in lower case.
pub(super) const STRUCTURE: &[&str] = &[
    "accepted domains",
    "administrative groups",
    "autodiscover",
    "builtin",
    "computers",
    "configuration",
    "connections",
    "default",
    "default-first-site-name",
    "exchange",
    "exchange administrative group (fydibohf23spdlt)",
    "exchangelabs",
    "first administrative group",
    "first routing group",
    "first storage group",
    "informationstore",
    "mailbox database",
    "mailbox store",
    "microsoft exchange",
    "microsoft exchange system objects",
    "microsoft mta",
    "person",
    "protocols",
    "public folder database",
    "public folder store",
    "recipients",
    "routing groups",
    "schema",
    "second storage group",
    "servers",
    "services",
    "sites",
    "system",
    "transport settings",
    "users",
];

/// Labels of hosts that say what a host does and not whose it is.
pub(super) const LABELS: &[&str] = &[
    "_dmarc",
    "_domainkey",
    "_mta-sts",
    "_smtp",
    "_spf",
    "_tls",
    "autodiscover",
    "dns",
    "mail",
    "mta-sts",
    "mx",
    "ns",
    "owa",
    "selector1",
    "selector2",
    "smtp",
    "spf",
    "webmail",
    "www",
];

/// Domains of the service: whose they are is no secret, but a label before them may
/// be the customer's.
const SERVICE: &[&str] = &[
    "lync.com",
    "microsoft.com",
    "microsoftonline.com",
    "mx.microsoft",
    "office.com",
    "office365.com",
    "onmicrosoft.com",
    "outlook.com",
    "windows.net",
];

/// Labels below them that are the service's own.
const SERVICE_LABELS: &[&str] = &[
    "_domainkey",
    "autodiscover",
    "clientconfig",
    "eur",
    "mail",
    "nam",
    "protection",
    "sipdir",
    "sipfed",
    "spf",
    "webdir",
];

/// Suffixes that no public name server knows; whether a name has one matters.
const PRIVATE: &[&str] = &["corp", "home", "intern", "internal", "intra", "lan", "local", "localdomain", "private"];

/// Second labels under which countries give names away.
const SECOND: &[&str] = &["ac", "co", "com", "edu", "gov", "net", "org"];

/// How names of system mailboxes begin; rules go by them.
const SYSTEM: &[&str] =
    &["systemmailbox{", "discoverysearchmailbox{", "federatedemail.", "migration.", "healthmailbox"];

/// Names with a form, on the words of one company.
pub(super) struct Names<'a> {
    pub words: Words<'a>,
    /// Domains that are somebody's: what ends in one is below it.
    known: BTreeSet<String>,
    /// The same in the order in which they came: the first has the plain name.
    seen: Vec<String>,
    /// Domain → what stands for it.
    domains: BTreeMap<String, String>,
    addresses: BTreeMap<String, String>,
}

impl<'a> Names<'a> {
    pub(super) fn new(words: Words<'a>) -> Names<'a> {
        Names { words, known: BTreeSet::new(), seen: Vec::new(), domains: BTreeMap::new(), addresses: BTreeMap::new() }
    }

    /// Everything was gathered.
    pub(super) fn settle(&mut self) {
        self.words.settle();
        let bases: Vec<String> = self.seen.iter().map(|d| base_of(d, &self.known).to_owned()).collect();
        let mut taken = BTreeSet::new();
        for base in bases {
            if self.domains.contains_key(&base) {
                continue;
            }
            let (first, rest) = base.split_once('.').unwrap_or((&base, ""));
            let word = self.words.text(first);
            let ending = rest.rsplit('.').next().filter(|l| PRIVATE.contains(l)).unwrap_or("example");
            let mut name = format!("{word}.{ending}");
            if !taken.insert(name.clone()) {
                name = format!("{word}-{}.{ending}", self.words.text(rest).replace('.', "-"));
                taken.insert(name.clone());
            }
            self.domains.insert(base, name);
        }
    }

    /// Original domains that must not be found again.
    pub(super) fn known(&self) -> &BTreeSet<String> {
        &self.known
    }

    /// A domain or a host; upper case and a final dot stay.
    pub(super) fn host(&mut self, host: &str) -> String {
        let lower = host.trim_end_matches('.').to_lowercase();
        if lower.is_empty() || lower == "*" {
            return host.to_owned();
        }
        if let Some(address) = lower.trim_matches(['[', ']']).parse::<Ipv4Addr>().ok().map(|a| self.v4(a)) {
            return if lower.starts_with('[') { format!("[{address}]") } else { address };
        }
        let fresh = match SERVICE.iter().find(|s| lower == **s || lower.ends_with(&format!(".{s}"))) {
            Some(service) => self.service_host(&lower, service),
            None if !lower.contains('.') => self.label(&lower),
            None => self.own_host(&lower),
        };
        let fresh = if fresh.len() == lower.len() { cased(host.trim_end_matches('.'), &fresh) } else { fresh };
        if host.ends_with('.') { format!("{fresh}.") } else { fresh }
    }

    fn own_host(&mut self, lower: &str) -> String {
        if self.words.is_gathering() {
            if self.known.insert(lower.to_owned()) {
                self.seen.push(lower.to_owned());
            }
            for label in lower.split('.').filter(|l| !LABELS.contains(l)) {
                self.words.text(label);
            }
            return lower.to_owned();
        }
        let base = base_of(lower, &self.known).to_owned();
        let fresh = self.domains.get(&base).cloned().unwrap_or_else(|| "unknown.example".to_owned());
        match lower.strip_suffix(base.as_str()).map(|f| f.trim_end_matches('.')).filter(|f| !f.is_empty()) {
            None => fresh,
            Some(front) => {
                let labels: Vec<String> = front.split('.').map(|l| self.label(l)).collect();
                format!("{}.{fresh}", labels.join("."))
            }
        }
    }

    /// A label of a host, kept if it says only what the host does.
    fn label(&mut self, label: &str) -> String {
        let bare = label.trim_end_matches(|c: char| c.is_ascii_digit());
        if LABELS.contains(&label) || LABELS.contains(&bare) { label.to_owned() } else { self.words.text(label) }
    }

    /// `contoso-test.mail.protection.outlook.com`: the customer's domain with dashes
    /// stays what it is, a dashed domain.
    fn service_host(&mut self, lower: &str, service: &str) -> String {
        let front = lower.strip_suffix(service).unwrap_or_default().trim_end_matches('.');
        if front.is_empty() {
            return lower.to_owned();
        }
        let mut labels = Vec::new();
        for label in front.split('.') {
            let regional = label.len() == 4 && label.contains('-') || label.starts_with("o-v");
            if SERVICE_LABELS.contains(&label) || regional {
                labels.push(label.to_owned());
                continue;
            }
            let dashed = self.known.iter().filter(|d| label.ends_with(&d.replace('.', "-")));
            let dashed = dashed.max_by_key(|d| d.len()).cloned().filter(|_| !self.words.is_gathering());
            labels.push(match dashed {
                Some(domain) => {
                    let prefix = label.strip_suffix(&domain.replace('.', "-")).unwrap_or_default();
                    let own = prefix.trim_end_matches('-');
                    let kept = if LABELS.contains(&own) { prefix.to_owned() } else { self.words.text(prefix) };
                    format!("{kept}{}", self.host(&domain).replace('.', "-"))
                }
                None => self.words.text(label),
            });
        }
        format!("{}.{service}", labels.join("."))
    }

    /// An address of the ranges for documentation (RFC 5737), always the same one.
    fn v4(&mut self, address: Ipv4Addr) -> String {
        const NETS: [[u8; 3]; 3] = [[192, 0, 2], [198, 51, 100], [203, 0, 113]];
        let number = self.addresses.len();
        let made = || match NETS.get(number / 254) {
            Some([a, b, c]) => format!("{a}.{b}.{c}.{}", number % 254 + 1),
            // RFC 2544, for measurements: room for more than anybody publishes.
            None => format!("198.18.{}.{}", number / 254 % 256, number % 254 + 1),
        };
        if self.words.is_gathering() {
            return address.to_string();
        }
        self.addresses.entry(address.to_string()).or_insert_with(made).clone()
    }

    /// An address or a sign-in name, with or without a prefix.
    pub(super) fn address(&mut self, text: &str) -> String {
        if let Some((kind, rest)) = text.split_once(':') {
            return format!("{kind}:{}", self.address(rest));
        }
        let Some((local, domain)) = text.rsplit_once('@') else { return self.local(text) };
        let local = match local.split_once("#EXT#") {
            Some((guest, rest)) => format!("{}#EXT#{rest}", self.words.text(guest)),
            None => self.local(local),
        };
        format!("{local}@{}", self.host(domain))
    }

    /// A local part, an alias or an account.
    pub(super) fn local(&mut self, text: &str) -> String {
        let lower = text.to_lowercase();
        match SYSTEM.iter().find(|s| lower.starts_with(**s)) {
            Some(front) => {
                let (front, rest) = text.split_at_checked(front.len()).unwrap_or((text, ""));
                format!("{front}{}", self.words.text(rest))
            }
            None => self.words.text(text),
        }
    }

    /// A value of proxyAddresses.
    pub(super) fn proxy(&mut self, text: &str) -> String {
        let Some((prefix, rest)) = text.split_once(':') else { return self.address(text) };
        let rest = match Proxy::parse(text).kind.as_str() {
            "x500" => self.x500(rest),
            "x400" => self.x400(rest),
            _ if rest.contains('@') => self.address(rest),
            _ => self.words.text(rest),
        };
        format!("{prefix}:{rest}")
    }

    /// A part of a name, kept if every directory has it.
    pub(super) fn part(&mut self, value: &str) -> String {
        if STRUCTURE.contains(&value.to_lowercase().as_str()) { value.to_owned() } else { self.local(value) }
    }

    /// `/o=Contoso/ou=…/cn=Recipients/cn=ann`.
    pub(super) fn x500(&mut self, text: &str) -> String {
        let mut parts = Vec::new();
        for part in text.split('/') {
            parts.push(match part.split_once('=') {
                Some((kind, value)) => format!("{kind}={}", self.part(value)),
                None => self.part(part),
            });
        }
        parts.join("/")
    }

    /// `C=US;A= ;P=Contoso;O=Exchange;S=ann;`.
    fn x400(&mut self, text: &str) -> String {
        let mut parts = Vec::new();
        for part in text.split(';') {
            parts.push(match part.split_once('=') {
                Some((kind, _)) if ["c", "a"].contains(&kind.trim().to_lowercase().as_str()) => part.to_owned(),
                Some((kind, value)) => format!("{kind}={}", self.part(value)),
                None => self.words.text(part),
            });
        }
        parts.join(";")
    }

    /// A distinguished name; its domain becomes the domain's.
    pub(super) fn dn(&mut self, text: &str) -> String {
        let mut parts = Vec::new();
        let mut domain = Vec::new();
        let mut kind_of_domain = "DC";
        let pieces = split_dn(text);
        for piece in &pieces {
            match piece.split_once('=') {
                Some((kind, value)) if kind.trim().eq_ignore_ascii_case("dc") => {
                    if kind.trim() == "dc" {
                        kind_of_domain = "dc";
                    }
                    domain.push(value.trim().to_owned());
                }
                Some((kind, value)) => {
                    let fresh = self.part(&unescaped(value));
                    parts.push(format!("{kind}={}", escape_dn(&fresh)));
                }
                None => parts.push(self.words.text(piece)),
            }
        }
        if !domain.is_empty() {
            let fresh = self.host(&domain.join("."));
            parts.extend(fresh.split('.').map(|label| format!("{kind_of_domain}={label}")));
        }
        parts.join(",")
    }

    /// `https://mail.contoso.test/autodiscover/autodiscover.xml`.
    pub(super) fn url(&mut self, text: &str) -> String {
        let Some((scheme, rest)) = text.split_once("://") else { return self.words.text(text) };
        let (host, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).unwrap_or((rest, ""));
        let (host, port) = host.split_once(':').map_or((host, String::new()), |(h, p)| (h, format!(":{p}")));
        let known = path.is_empty() || path.eq_ignore_ascii_case("/autodiscover/autodiscover.xml");
        let path = if known { path.to_owned() } else { self.words.text(path) };
        format!("{scheme}://{}{port}{path}", self.host(host))
    }

    /// A value of a record.
    pub(super) fn record(&mut self, kind: &str, value: &str) -> String {
        match kind {
            "MX" => match value.split_once(' ') {
                Some((preference, host)) => format!("{preference} {}", self.host(host)),
                None => self.host(value),
            },
            "TXT" => self.txt(value),
            _ => self.host(value),
        }
    }

    fn txt(&mut self, value: &str) -> String {
        let lower = value.to_lowercase();
        if lower.starts_with("v=spf1") {
            let terms: Vec<String> = value.split(' ').map(|t| self.spf(t)).collect();
            return terms.join(" ");
        }
        if ["v=dmarc1", "v=dkim1", "v=stsv1", "v=tlsrptv1", "k=rsa"].iter().any(|v| lower.starts_with(v)) {
            let tags: Vec<String> = value.split(';').map(|t| self.tag(t)).collect();
            return tags.join(";");
        }
        self.verification(value)
    }

    /// `MS=ms12345678`: the tenant's value and the record's stay the same one.
    pub(super) fn verification(&mut self, value: &str) -> String {
        match value.split_once('=') {
            Some(("MS", rest)) if rest.starts_with("ms") => {
                format!("MS=ms{}", self.words.numbers(rest.get(2..).unwrap_or_default()))
            }
            Some((what, rest)) if !rest.is_empty() => format!("{}={}", self.words.text(what), self.words.token(rest)),
            _ => self.words.text(value),
        }
    }

    /// `include:spf.partner.example`, `ip4:192.0.2.25/32`, `-all`.
    fn spf(&mut self, term: &str) -> String {
        let Some(at) = term.find([':', '=']) else { return term.to_owned() };
        let (name, value) = term.split_at_checked(at + 1).unwrap_or((term, ""));
        let (value, length) = value.split_once('/').map_or((value, String::new()), |(v, l)| (v, format!("/{l}")));
        let fresh = match name.trim_start_matches(['+', '-', '~', '?']) {
            "v=" => value.to_owned(),
            "ip4:" => match value.parse::<Ipv4Addr>() {
                Ok(address) => self.v4(address),
                Err(_) => self.words.numbers(value),
            },
            "ip6:" => {
                let bytes = self.words.bytes("ip6", value.as_bytes());
                let last = bytes.iter().take(2).fold(0, |sum: u16, b| sum << 8 | u16::from(*b));
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).to_string()
            }
            _ if value.contains('%') => "exists.example".to_owned(),
            _ => self.host(value),
        };
        format!("{name}{fresh}{length}")
    }

    /// A tag of DMARC, DKIM, MTA-STS or TLS reporting.
    fn tag(&mut self, tag: &str) -> String {
        let Some((name, value)) = tag.split_once('=') else { return tag.to_owned() };
        match name.trim() {
            "rua" | "ruf" => {
                let places: Vec<String> = value
                    .split(',')
                    .map(|place| match place.trim().strip_prefix("mailto:") {
                        Some(address) => format!("mailto:{}", self.address(address)),
                        None => self.url(place.trim()),
                    })
                    .collect();
                format!("{name}={}", places.join(","))
            }
            // A public key is a name, too.
            "p" if value.len() > 20 => format!("{name}={}", self.words.token(value)),
            "n" | "s" | "i" => format!("{name}={}", self.words.text(value)),
            _ => tag.to_owned(),
        }
    }

    /// An LDAP filter: attributes and signs stay, values are replaced.
    pub(super) fn filter(&mut self, text: &str) -> String {
        let mut out = String::new();
        for (number, piece) in text.split('(').enumerate() {
            if number > 0 {
                out.push('(');
            }
            let Some((name, rest)) = piece.split_once('=') else {
                out.push_str(piece);
                continue;
            };
            let (value, closing) = rest.split_at_checked(rest.find(')').unwrap_or(rest.len())).unwrap_or((rest, ""));
            let is_plain = value.chars().all(|c| c == '*' || c.is_ascii_digit())
                || ["TRUE", "FALSE"].contains(&value)
                || ["objectClass", "objectCategory"].iter().any(|n| n.eq_ignore_ascii_case(name.trim()));
            let fresh = match value {
                value if is_plain => value.to_owned(),
                value if value.contains("DC=") || value.contains("dc=") => self.dn(value),
                value => self.words.text(value),
            };
            out.push_str(&format!("{name}={fresh}{closing}"));
        }
        out
    }
}

/// The domain that a host lies in: the shortest known one that it ends in, else its
/// last two labels, or three where the country gives names away below a second.
fn base_of<'d>(host: &'d str, known: &BTreeSet<String>) -> &'d str {
    let labels: Vec<&str> = host.split('.').collect();
    let ends = |count: usize| {
        let skipped: usize = labels.iter().take(labels.len().saturating_sub(count)).map(|l| l.len() + 1).sum();
        host.get(skipped..).unwrap_or(host)
    };
    let last = labels.last().copied().unwrap_or_default();
    let second = labels.len().checked_sub(2).and_then(|at| labels.get(at)).copied().unwrap_or_default();
    let usual = if last.len() == 2 && SECOND.contains(&second) { 3 } else { 2 };
    let least = usual.min(labels.len());
    (least..=labels.len()).map(ends).find(|d| known.contains(*d)).map_or(ends(least), |found| {
        // Whoever owns the longer name owns the shorter one; both keep one base.
        if found.len() > ends(least).len() { ends(least) } else { found }
    })
}

/// A value of a distinguished name without its escapes (RFC 4514).
fn unescaped(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.chars().peekable();
    while let Some(c) = rest.next() {
        let mut utf8 = [0; 4];
        let c = match c {
            '\\' => rest.next().unwrap_or('\\'),
            other => {
                bytes.extend_from_slice(other.encode_utf8(&mut utf8).as_bytes());
                continue;
            }
        };
        match (c.to_digit(16), rest.peek().and_then(|n| n.to_digit(16))) {
            (Some(high), Some(low)) => {
                rest.next();
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            }
            _ => bytes.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::words::Key;
    use super::*;

    fn both(texts: &[&str], mut of: impl FnMut(&mut Names<'_>, &str) -> String) -> Vec<String> {
        let key = Key::of(&[5; 32]).expect("long enough");
        let mut names = Names::new(Words::new(&key));
        names.host("contoso.test");
        for text in texts {
            of(&mut names, text);
        }
        names.settle();
        texts.iter().map(|t| of(&mut names, t)).collect()
    }

    #[test]
    fn domains_keep_their_kin() {
        let hosts = [
            "contoso.test",
            "mail.contoso.test.",
            "EX07.contoso.test",
            "contoso.de",
            "contoso.local",
            "contoso-test.mail.protection.outlook.com",
            "contoso.onmicrosoft.com",
            "autodiscover.outlook.com",
            "selector1-contoso-test._domainkey.contoso.onmicrosoft.com",
            "spf.partner.co.uk",
        ];
        let fresh = both(&hosts, |n, t| n.host(t));
        let word = fresh[0].strip_suffix(".example").expect("an example name");
        assert_eq!(fresh[1], format!("mail.{word}.example."));
        assert!(fresh[2].ends_with(&format!("07.{word}.example")), "{}", fresh[2]);
        assert!(fresh[3].starts_with(&format!("{word}-")) || fresh[0].contains('-'), "{fresh:?}");
        assert_eq!(fresh[4], format!("{word}.local"));
        assert_eq!(fresh[5], format!("{word}-example.mail.protection.outlook.com"));
        assert_eq!(fresh[6], format!("{word}.onmicrosoft.com"));
        assert_eq!(fresh[7], hosts[7]);
        assert_eq!(fresh[8], format!("selector1-{word}-example._domainkey.{word}.onmicrosoft.com"));
        assert!(fresh[9].starts_with("spf.") && fresh[9].ends_with(".example") && fresh[9].split('.').count() == 3);
    }

    #[test]
    fn names_of_a_directory_keep_their_form() {
        let texts = ["CN=Lee\\, Ann,OU=Staff,DC=contoso,DC=test", "CN=Lee\\2C Ann,CN=Users,DC=contoso,DC=test"];
        let fresh = both(&texts, |n, t| n.dn(t));
        let first: Vec<&str> = fresh[0].split(",OU=").collect();
        assert!(fresh[1].starts_with(&format!("{},CN=Users,DC=", first[0])) && first[0].contains("\\, "), "{fresh:?}");
        assert!(fresh[0].ends_with(",DC=example"), "{fresh:?}");
        let x500 = both(&["/o=Contoso/ou=First Administrative Group/cn=Recipients/cn=ann"], |n, t| n.x500(t));
        assert!(x500[0].contains("/ou=First Administrative Group/cn=Recipients/cn=") && !x500[0].contains("Contoso"));
    }

    #[test]
    fn records_keep_what_a_check_reads() {
        let texts = [
            "v=spf1 mx a:mail.contoso.test ip4:203.0.113.77/32 include:spf.protection.outlook.com ~all",
            "MS=ms12345678",
            "v=DMARC1; p=reject; rua=mailto:dmarc@contoso.test",
            "google-site-verification=abcdef0123",
        ];
        let fresh = both(&texts, |n, t| n.record("TXT", t));
        assert!(
            fresh[0].starts_with("v=spf1 mx a:mail.")
                && fresh[0].ends_with("/32 include:spf.protection.outlook.com ~all")
        );
        assert!(fresh[0].contains(" ip4:192.0.2.1/32 "), "{}", fresh[0]);
        assert!(fresh[1].starts_with("MS=ms") && fresh[1].len() == 13 && fresh[1] != texts[1]);
        assert!(fresh[2].starts_with("v=DMARC1; p=reject; rua=mailto:") && !fresh[2].contains("contoso"));
        assert!(!fresh[3].contains("abcdef") && !fresh[3].contains("google"));
        let filter = both(&["(&(objectClass=user)(department=Sales)(homeMDB=*))"], |n, t| n.filter(t));
        assert!(filter[0].starts_with("(&(objectClass=user)(department=") && filter[0].ends_with(")(homeMDB=*))"));
        assert!(!filter[0].contains("Sales"));
    }
}
