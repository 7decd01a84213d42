//! Between the LDAP library's raw answers and the house's entries.
//!
//! The library's own conversion sorts values by whether they happen to be
//! UTF-8 (a GUID can land in either map), loses their order, and panics on
//! malformed answers; this one keeps bytes and order and skips what is broken.

use std::collections::HashSet;

use ldap3::asn1::{PL, StructureTag};
use serde_json::{Map, Value, json};

use super::tap::is_secret;
use crate::wire::attributes::{Entry, Mod};
use crate::wire::guid::base64;
use crate::wire::log::MASK;

/// A search result entry; `None` if it is none.
pub fn entry_of(tag: StructureTag) -> Option<Entry> {
    let mut parts = constructed(tag)?.into_iter();
    let dn = String::from_utf8(primitive(parts.next()?)?).ok()?;
    let mut entry = Entry::new(dn);
    for attribute in constructed(parts.next()?)? {
        let mut halves = constructed(attribute)?.into_iter();
        let name = String::from_utf8(primitive(halves.next()?)?).ok()?;
        let values: Vec<Vec<u8>> = constructed(halves.next()?)?.into_iter().filter_map(primitive).collect();
        if !values.is_empty() {
            entry.set(&name, values);
        }
    }
    Some(entry)
}

fn constructed(tag: StructureTag) -> Option<Vec<StructureTag>> {
    if let PL::C(parts) = tag.payload { Some(parts) } else { None }
}

fn primitive(tag: StructureTag) -> Option<Vec<u8>> {
    if let PL::P(bytes) = tag.payload { Some(bytes) } else { None }
}

/// The first attribute of an entry that came in a range: its bare name, its
/// name with the range, and where to go on (`None`: that was the end).
pub fn next_range(entry: &Entry) -> Option<(String, String, Option<u64>)> {
    entry.iter().find_map(|(name, _)| {
        let (bare, options) = name.split_once(';')?;
        let range = options.split(';').find_map(|o| strip_no_case(o, "range="))?;
        let (_, last) = range.split_once('-')?;
        let from = if last == "*" { None } else { Some(last.parse::<u64>().ok()? + 1) };
        Some((bare.to_owned(), name.to_owned(), from))
    })
}

fn strip_no_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    if head.eq_ignore_ascii_case(prefix) { text.get(prefix.len()..) } else { None }
}

/// An entry as the wire log shows it.
pub fn shown(entry: &Entry) -> Value {
    let mut map = Map::new();
    for (name, values) in entry.iter() {
        map.insert(name.to_owned(), values_of(name, values));
    }
    json!({"dn": entry.dn, "attributes": map})
}

/// A change as the wire log shows it.
pub fn shown_mod(change: &Mod) -> Value {
    let (word, name, values) = match change {
        Mod::Add(name, values) => ("add", name, values),
        Mod::Delete(name, values) => ("delete", name, values),
        Mod::Replace(name, values) => ("replace", name, values),
    };
    json!({word: name, "values": values_of(name, values)})
}

fn values_of(name: &str, values: &[Vec<u8>]) -> Value {
    let one = |value: &Vec<u8>| {
        if is_secret(name) {
            return json!(MASK);
        }
        match std::str::from_utf8(value) {
            Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_whitespace()) => json!(text),
            _ => json!({"base64": base64(value)}),
        }
    };
    Value::Array(values.iter().map(one).collect())
}

/// The library keeps values in hash sets, whose order differs from run to run.
/// One change for each value says the same and keeps the caller's order, so that
/// a rehearsal sends the same bytes twice.
pub fn single_values(mods: &[Mod]) -> Vec<ldap3::Mod<Vec<u8>>> {
    let mut out = Vec::new();
    let one = |value: &Vec<u8>| HashSet::from([value.clone()]);
    for change in mods {
        match change {
            Mod::Add(name, values) => {
                out.extend(values.iter().map(|v| ldap3::Mod::Add(name.clone().into_bytes(), one(v))));
            }
            Mod::Delete(name, values) if values.is_empty() => {
                out.push(ldap3::Mod::Delete(name.clone().into_bytes(), HashSet::new()));
            }
            Mod::Delete(name, values) => {
                out.extend(values.iter().map(|v| ldap3::Mod::Delete(name.clone().into_bytes(), one(v))));
            }
            Mod::Replace(name, values) => {
                let (first, rest) = match values.split_first() {
                    Some((first, rest)) => (one(first), rest),
                    None => (HashSet::new(), &[][..]),
                };
                out.push(ldap3::Mod::Replace(name.clone().into_bytes(), first));
                out.extend(rest.iter().map(|v| ldap3::Mod::Add(name.clone().into_bytes(), one(v))));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3::asn1::TagClass;

    fn octets(bytes: &[u8]) -> StructureTag {
        StructureTag { class: TagClass::Universal, id: 4, payload: PL::P(bytes.to_vec()) }
    }

    fn sequence(parts: Vec<StructureTag>) -> StructureTag {
        StructureTag { class: TagClass::Universal, id: 16, payload: PL::C(parts) }
    }

    #[test]
    fn bytes_and_order_survive() {
        let attributes = sequence(vec![
            sequence(vec![octets(b"objectGUID"), sequence(vec![octets(b"0123456789abcdef")])]),
            sequence(vec![
                octets(b"proxyAddresses"),
                sequence(vec![octets(b"smtp:z"), octets(b"SMTP:a"), octets(&[0xFF])]),
            ]),
            sequence(vec![octets(b"member"), sequence(Vec::new())]),
        ]);
        let entry = entry_of(sequence(vec![octets("CN=Müller".as_bytes()), attributes])).expect("an entry");
        assert_eq!(entry.dn, "CN=Müller");
        assert_eq!(entry.values("objectguid"), [b"0123456789abcdef".to_vec()]);
        assert_eq!(entry.values("proxyAddresses"), [b"smtp:z".to_vec(), b"SMTP:a".to_vec(), vec![0xFF]]);
        assert!(!entry.has("member"));
        assert_eq!(shown(&entry)["attributes"]["proxyAddresses"][2], json!({"base64": "/w=="}));
        assert!(entry_of(octets(b"x")).is_none());
    }

    #[test]
    fn ranges_are_seen_and_their_end_too() {
        let mut entry = Entry::new("CN=g");
        assert_eq!(next_range(&entry), None);
        entry.set("member;range=0-1499", vec![b"CN=a".to_vec()]);
        assert_eq!(next_range(&entry), Some(("member".into(), "member;range=0-1499".into(), Some(1500))));
        entry.set("member;range=0-1499", Vec::new());
        entry.set("member;Range=1500-*", vec![b"CN=b".to_vec()]);
        assert_eq!(next_range(&entry), Some(("member".into(), "member;Range=1500-*".into(), None)));
    }

    #[test]
    fn passwords_are_not_shown() {
        let change = Mod::Replace("unicodePwd".into(), vec![vec![1, 2]]);
        assert_eq!(shown_mod(&change), json!({"replace": "unicodePwd", "values": ["***"]}));
    }

    #[test]
    fn every_value_travels_alone_and_in_order() {
        let mods = vec![
            Mod::Delete("homeMDB".into(), vec![b"CN=x".to_vec()]),
            Mod::Delete("msExchUserCulture".into(), Vec::new()),
            Mod::Replace("proxyAddresses".into(), vec![b"SMTP:a".to_vec(), b"smtp:b".to_vec()]),
            Mod::Replace("mDBUseDefaults".into(), Vec::new()),
            Mod::Add("proxyAddresses".into(), vec![b"X500:c".to_vec()]),
        ];
        let words: Vec<String> = single_values(&mods)
            .into_iter()
            .map(|m| {
                let (word, name, values) = match m {
                    ldap3::Mod::Add(n, v) => ("add", n, v),
                    ldap3::Mod::Delete(n, v) => ("delete", n, v),
                    ldap3::Mod::Replace(n, v) => ("replace", n, v),
                    ldap3::Mod::Increment(n, _) => ("increment", n, HashSet::new()),
                };
                let values: Vec<String> = values.iter().map(|v| String::from_utf8_lossy(v).into_owned()).collect();
                format!("{word} {} {}", String::from_utf8_lossy(&name), values.join(","))
            })
            .collect();
        assert_eq!(
            words,
            [
                "delete homeMDB CN=x",
                "delete msExchUserCulture ",
                "replace proxyAddresses SMTP:a",
                "add proxyAddresses smtp:b",
                "replace mDBUseDefaults ",
                "add proxyAddresses X500:c",
            ]
        );
    }
}
