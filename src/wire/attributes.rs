//! Directory entries, attributes and addresses as Exchange keeps them in
//! Active Directory.
//!
//! The table beside this file (`attributes.csv`) lists the attributes that a
//! migration touches: OID, syntax, one or many values, length range, link
//! number. It was gathered from published schema files (OpenChange's
//! provisioning LDIF, Samba's AD schema, a dump of a live forest); an empty OID
//! means that none was found.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The value of `msExchPoliciesExcluded` that keeps address policies and the
/// Recipient Update Service away (KB318072).
pub const POLICY_EXCLUSION: &str = "{26491CFC-9E50-4857-861B-0CB8DF22B5D7}";

/// Keyword of a service connection point that holds a URL (MS-OXDISCO).
pub const SCP_URL: &str = "77378F46-2C66-4aa9-A6A6-3E7A48B19596";

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Directory string, compared without case.
    Text,
    /// Distinguished name.
    Dn,
    /// `TRUE` or `FALSE`.
    Boolean,
    /// Signed 32 bits.
    Integer,
    /// Signed 64 bits.
    LargeInteger,
    /// Bytes.
    Octets,
    /// Anything else.
    Other,
}

/// What the schema says of an attribute.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// `lDAPDisplayName`, in the schema's spelling.
    pub name: &'static str,
    /// `attributeID`; empty if none was found.
    pub oid: &'static str,
    /// How values are written.
    pub syntax: Syntax,
    /// At most one value.
    pub single: bool,
    /// Length in characters (strings) or bytes (octets), inclusive.
    pub range: Option<(usize, usize)>,
    /// Even: forward link. Odd: back link.
    pub link: Option<u16>,
}

/// Looks an attribute up, without regard to case.
pub fn attribute(name: &str) -> Option<&'static Attribute> {
    table().get(&name.to_ascii_lowercase())
}

/// Names of all attributes of the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    table().values().map(|a| a.name)
}

fn table() -> &'static BTreeMap<String, Attribute> {
    static TABLE: OnceLock<BTreeMap<String, Attribute>> = OnceLock::new();
    TABLE.get_or_init(read_table)
}

fn read_table() -> BTreeMap<String, Attribute> {
    let mut table = BTreeMap::new();
    for line in include_str!("attributes.csv").lines().skip(1) {
        let fields: Vec<&'static str> = line.split(',').collect();
        let [name, oid, syntax, values, range, link] = fields[..] else { continue };
        let syntax = match syntax {
            "text" | "ia5" | "numeric" => Syntax::Text,
            "dn" => Syntax::Dn,
            "boolean" => Syntax::Boolean,
            "integer" => Syntax::Integer,
            "large-integer" => Syntax::LargeInteger,
            "octets" | "descriptor" | "sid" => Syntax::Octets,
            _ => Syntax::Other,
        };
        let range = range.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let entry = Attribute { name, oid, syntax, single: values == "one", range, link: link.parse().ok() };
        table.insert(name.to_ascii_lowercase(), entry);
    }
    table
}

/// An attribute of an object: its name as spelled, and its values.
type Held = (Cow<'static, str>, Arc<Vec<Vec<u8>>>);

/// One directory object: its name and raw values. Attribute names keep the
/// spelling they came with and are looked up without case.
///
/// A copy shares the values until one of the two is changed: a lab keeps every
/// object as it is and as it was, and most never change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Distinguished name.
    pub dn: String,
    /// Spelling and values, sorted by name without case.
    attributes: Arc<Vec<Held>>,
}

/// Order of two names without case.
fn by_name(a: &str, b: &str) -> std::cmp::Ordering {
    a.bytes().map(|b| b.to_ascii_lowercase()).cmp(b.bytes().map(|b| b.to_ascii_lowercase()))
}

/// A name as the schema spells it costs no room of its own.
fn spelled(name: &str) -> Cow<'static, str> {
    match attribute(name) {
        Some(known) if known.name == name => Cow::Borrowed(known.name),
        _ => Cow::Owned(name.to_owned()),
    }
}

impl Entry {
    /// An object without attributes.
    pub fn new(dn: impl Into<String>) -> Entry {
        Entry { dn: dn.into(), attributes: Arc::default() }
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.attributes.binary_search_by(|(known, _)| by_name(known, name))
    }

    /// Sets all values of an attribute; none removes it.
    pub fn set(&mut self, name: &str, values: Vec<Vec<u8>>) {
        match (self.place(name), values.is_empty()) {
            (Ok(at), true) => {
                Arc::make_mut(&mut self.attributes).remove(at);
            }
            (Err(_), true) => {}
            (Ok(at), false) => {
                if let Some(slot) = Arc::make_mut(&mut self.attributes).get_mut(at) {
                    *slot = (spelled(name), Arc::new(values));
                }
            }
            (Err(at), false) => Arc::make_mut(&mut self.attributes).insert(at, (spelled(name), Arc::new(values))),
        }
    }

    /// Sets one text value.
    pub fn set_text(&mut self, name: &str, value: &str) {
        self.set(name, vec![value.as_bytes().to_vec()]);
    }

    /// Shares with another object what both hold: of thousands of mailboxes the
    /// store, the server, the classes and the policy are the same.
    pub fn share_with(&mut self, other: &Entry) {
        if other.attributes.is_empty() || Arc::ptr_eq(&self.attributes, &other.attributes) {
            return;
        }
        for (name, values) in Arc::make_mut(&mut self.attributes) {
            if let Some((_, known)) = other.place(name).ok().and_then(|at| other.attributes.get(at))
                && known == values
            {
                *values = known.clone();
            }
        }
    }

    /// Whether the object is of a class.
    pub fn is_a(&self, class: &str) -> bool {
        self.values("objectClass").iter().any(|c| c.eq_ignore_ascii_case(class.as_bytes()))
    }

    /// Raw values; empty if absent.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        self.place(name).ok().and_then(|at| self.attributes.get(at)).map_or(&[], |(_, v)| v.as_slice())
    }

    /// First value as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.values(name).first().map(|v| String::from_utf8_lossy(v).into_owned())
    }

    /// All values as text.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.values(name).iter().map(|v| String::from_utf8_lossy(v).into_owned()).collect()
    }

    /// First value as number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.trim().parse().ok()
    }

    /// Whether a boolean attribute is `TRUE`.
    pub fn is_true(&self, name: &str) -> bool {
        self.text(name).is_some_and(|t| t.eq_ignore_ascii_case("TRUE"))
    }

    /// Whether the attribute has a value.
    pub fn has(&self, name: &str) -> bool {
        !self.values(name).is_empty()
    }

    /// Spelling and values of all attributes, sorted by lower-case name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Vec<u8>])> {
        self.attributes.iter().map(|(name, values)| (name.as_ref(), values.as_slice()))
    }
}

/// One change of a modify request; the request is carried out whole or not at
/// all, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mod {
    /// Adds values; result 20 if one is there.
    Add(String, Vec<Vec<u8>>),
    /// Removes just these values, or the attribute if none is given; result 16
    /// if one is missing. With the exact old value this is the guard.
    Delete(String, Vec<Vec<u8>>),
    /// Sets the values; none clears without complaint.
    Replace(String, Vec<Vec<u8>>),
}

/// LDAP result codes that matter here (RFC 4511, 4.1.9).
pub mod result {
    /// Done.
    pub const SUCCESS: u16 = 0;
    /// The request makes no sense.
    pub const PROTOCOL_ERROR: u16 = 2;
    /// A limit cut the answer; AD without paging after 1000 entries.
    pub const SIZE_LIMIT: u16 = 4;
    /// TLS or signing is demanded.
    pub const STRONGER_AUTH: u16 = 8;
    /// A value or attribute to remove is missing: the guard held.
    pub const NO_SUCH_ATTRIBUTE: u16 = 16;
    /// A schema rule is broken.
    pub const CONSTRAINT: u16 = 19;
    /// A value to add is there already.
    pub const VALUE_EXISTS: u16 = 20;
    /// A value is malformed.
    pub const INVALID_SYNTAX: u16 = 21;
    /// No such entry.
    pub const NO_SUCH_OBJECT: u16 = 32;
    /// Wrong name or password; the text carries `data 52e`, ….
    pub const INVALID_CREDENTIALS: u16 = 49;
    /// No right to do it.
    pub const INSUFFICIENT_ACCESS: u16 = 50;
    /// The server will not.
    pub const UNWILLING: u16 = 53;
    /// The entry is there already.
    pub const ENTRY_EXISTS: u16 = 68;
}

/// An address of `proxyAddresses`: a prefix, the address, and whether it is the
/// primary one of its prefix (written in capitals).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Lower-case prefix: `smtp`, `x500`, `sip`, `eum`, …
    pub kind: String,
    /// What follows the colon.
    pub address: String,
    /// Prefix in capitals.
    pub primary: bool,
}

impl Proxy {
    /// Reads `SMTP:ann@contoso.com`. A text without a colon is an SMTP address.
    pub fn parse(text: &str) -> Proxy {
        match text.split_once(':') {
            Some((kind, address)) => Proxy {
                kind: kind.to_ascii_lowercase(),
                address: address.to_owned(),
                primary: !kind.is_empty() && kind.chars().all(|c| !c.is_ascii_lowercase()),
            },
            None => Proxy { kind: "smtp".into(), address: text.to_owned(), primary: false },
        }
    }

    /// The form in which two values are the same to Exchange.
    pub fn key(&self) -> String {
        format!("{}:{}", self.kind, self.address.to_lowercase())
    }
}

/// The primary SMTP address among proxies.
pub fn primary_smtp<S: AsRef<str>>(proxies: &[S]) -> Option<String> {
    proxies.iter().map(|p| Proxy::parse(p.as_ref())).find(|p| p.kind == "smtp" && p.primary).map(|p| p.address)
}

/// An address without an `smtp:` prefix, in lower case: how mail systems compare
/// them.
pub fn address_key(text: &str) -> String {
    let bare = match text.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("smtp:") => &text[5..],
        _ => text,
    };
    bare.trim().to_lowercase()
}

/// Domain of an address, in lower case; empty if there is none.
pub fn domain_of(address: &str) -> String {
    address.rsplit_once('@').map(|(_, d)| d.to_lowercase()).unwrap_or_default()
}

/// A name in the form in which two distinguished names are compared: types in
/// lower case, no blanks around commas, values in lower case, escapes kept.
pub fn dn_key(dn: &str) -> String {
    split_dn(dn)
        .into_iter()
        .map(|part| match part.split_once('=') {
            Some((kind, value)) => format!("{}={}", kind.trim().to_lowercase(), value.trim().to_lowercase()),
            None => part.trim().to_lowercase(),
        })
        .collect::<Vec<_>>()
        .join(",")
}

/// The parts of a distinguished name, split at commas that are not escaped.
pub fn split_dn(dn: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut escaped = false;
    for c in dn.chars() {
        match c {
            ',' if !escaped => parts.push(std::mem::take(&mut part)),
            _ => part.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    if !part.is_empty() || !parts.is_empty() {
        parts.push(part);
    }
    parts
}

/// Escapes a value for a distinguished name (RFC 4514).
pub fn escape_dn(value: &str) -> String {
    let mut out = String::new();
    for (i, c) in value.chars().enumerate() {
        if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=') || (i == 0 && matches!(c, '#' | ' ')) {
            out.push('\\');
        }
        out.push(c);
    }
    if out.ends_with(' ') && !out.ends_with("\\ ") {
        out.pop();
        out.push_str("\\ ");
    }
    out
}

/// Escapes a value for a search filter (RFC 4515).
pub fn escape_filter(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        match c {
            '*' | '(' | ')' | '\\' | '\0' => out.push_str(&format!("\\{:02x}", c as u32)),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_knows_what_a_conversion_touches() {
        let guid = attribute("MSEXCHMAILBOXGUID").expect("msExchMailboxGuid is in the table");
        assert_eq!((guid.syntax, guid.single, guid.range), (Syntax::Octets, true, Some((16, 16))));
        assert_eq!(attribute("homeMDB").and_then(|a| a.link), Some(32));
        assert_eq!(attribute("proxyAddresses").map(|a| a.single), Some(false));
        assert_eq!(attribute("msExchRecipientTypeDetails").map(|a| a.syntax), Some(Syntax::LargeInteger));
        assert!(attribute("nonsense").is_none());
    }

    #[test]
    fn names_with_commas_and_umlauts_compare() {
        assert_eq!(
            dn_key("CN=Müller\\, Ann, OU=Users,DC=contoso,DC=test"),
            dn_key("cn=müller\\, ann,ou=USERS,dc=Contoso,dc=TEST")
        );
        assert_eq!(escape_dn("O'Hara, Jr. "), "O'Hara\\, Jr.\\ ");
        assert_eq!(escape_filter("a(b)*\\"), "a\\28b\\29\\2a\\5c");
    }

    #[test]
    fn capitals_mark_the_primary() {
        let list = ["smtp:a@x", "X500:/o=X", "SMTP:Ann@contoso.test"];
        assert_eq!(primary_smtp(&list).as_deref(), Some("Ann@contoso.test"));
        assert_eq!(Proxy::parse("x500:/O=A").key(), Proxy::parse("X500:/o=a").key());
        assert_eq!(address_key("SMTP:Ann@Contoso.Test"), "ann@contoso.test");
    }
}
