//! Modify requests as values: carried out on an entry, turned round, and made
//! from two entries.
//!
//! The directory's own rules are kept as far as they decide whether a request
//! is carried out: all or nothing, result 16 for what is missing, 20 for what is
//! there already. Nothing here talks to a directory.

use crate::wire::attributes::{Entry, Mod, Syntax, attribute, dn_key, result};

/// The name as the object spells it, else as given.
pub fn spelling(entry: &Entry, name: &str) -> String {
    let found = entry.iter().map(|(spelt, _)| spelt).find(|spelt| spelt.eq_ignore_ascii_case(name));
    found.unwrap_or(name).to_owned()
}

/// Whether two values of an attribute are the same to the directory.
fn same(name: &str, a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    let text = |v: &[u8]| String::from_utf8(v.to_vec()).ok();
    match attribute(name).map(|a| a.syntax) {
        Some(Syntax::Text) => matches!((text(a), text(b)), (Some(a), Some(b)) if a.to_lowercase() == b.to_lowercase()),
        Some(Syntax::Dn) => matches!((text(a), text(b)), (Some(a), Some(b)) if dn_key(&a) == dn_key(&b)),
        _ => false,
    }
}

/// Carries a request out on a copy.
///
/// # Errors
/// The LDAP result code with which the directory would refuse all of it.
pub fn apply(entry: &Entry, mods: &[Mod]) -> Result<Entry, u16> {
    let mut after = entry.clone();
    for change in mods {
        match change {
            Mod::Add(name, values) => {
                let mut all = after.values(name).to_vec();
                for value in values {
                    if all.iter().any(|v| same(name, v, value)) {
                        return Err(result::VALUE_EXISTS);
                    }
                    all.push(value.clone());
                }
                if all.len() > 1 && attribute(name).is_some_and(|a| a.single) {
                    return Err(result::CONSTRAINT);
                }
                after.set(&spelling(&after, name), all);
            }
            Mod::Delete(name, values) if values.is_empty() => {
                if !after.has(name) {
                    return Err(result::NO_SUCH_ATTRIBUTE);
                }
                after.set(name, Vec::new());
            }
            Mod::Delete(name, values) => {
                let mut all = after.values(name).to_vec();
                for value in values {
                    let at = all.iter().position(|v| same(name, v, value)).ok_or(result::NO_SUCH_ATTRIBUTE)?;
                    all.remove(at);
                }
                after.set(&spelling(&after, name), all);
            }
            Mod::Replace(name, values) => after.set(&spelling(&after, name), values.clone()),
        }
    }
    Ok(after)
}

/// The request that takes one back: in reverse order, what was added goes and
/// what went comes back, each with its exact value, so that it is guarded by
/// the after-image. `Replace` and a delete without values don't say what they
/// took away and are left out; conversions never hold them. For requests that
/// may, use [`difference`] on the two images.
pub fn inverse(mods: &[Mod]) -> Vec<Mod> {
    let turned = mods.iter().rev().filter_map(|change| match change {
        Mod::Add(name, values) => Some(Mod::Delete(name.clone(), values.clone())),
        Mod::Delete(name, values) if !values.is_empty() => Some(Mod::Add(name.clone(), values.clone())),
        Mod::Delete(..) | Mod::Replace(..) => None,
    });
    turned.collect()
}

/// The guarded request that leads from one image to another of the same
/// object: exact old values are deleted before new ones are added.
pub fn difference(from: &Entry, to: &Entry) -> Vec<Mod> {
    let mut mods = Vec::new();
    let names = from.iter().map(|(n, _)| n).chain(to.iter().map(|(n, _)| n).filter(|n| !from.has(n)));
    for name in names {
        let (old, new) = (from.values(name), to.values(name));
        let gone: Vec<Vec<u8>> = old.iter().filter(|v| !new.contains(v)).cloned().collect();
        let come: Vec<Vec<u8>> = new.iter().filter(|v| !old.contains(v)).cloned().collect();
        if !gone.is_empty() {
            mods.push(Mod::Delete(name.to_owned(), gone));
        }
        if !come.is_empty() {
            mods.push(Mod::Add(name.to_owned(), come));
        }
    }
    mods
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let mut entry = Entry::new("cn=ann,dc=contoso,dc=test");
        entry.set("proxyAddresses", vec![b"SMTP:ann@contoso.test".to_vec(), b"smtp:a@contoso.test".to_vec()]);
        entry.set_text("homeMDB", "CN=Store,DC=contoso,DC=test");
        entry
    }

    #[test]
    fn a_request_is_refused_as_a_directory_would() {
        let add = |v: &str| vec![Mod::Add("proxyaddresses".into(), vec![v.as_bytes().to_vec()])];
        assert_eq!(apply(&entry(), &add("SMTP:A@contoso.test")), Err(result::VALUE_EXISTS));
        let delete = |n: &str, v: &str| vec![Mod::Delete(n.into(), vec![v.as_bytes().to_vec()])];
        assert_eq!(apply(&entry(), &delete("targetAddress", "x")), Err(result::NO_SUCH_ATTRIBUTE));
        assert_eq!(apply(&entry(), &[Mod::Delete("targetAddress".into(), vec![])]), Err(result::NO_SUCH_ATTRIBUTE));
        let second = vec![Mod::Add("homeMDB".into(), vec![b"CN=Other".to_vec()])];
        assert_eq!(apply(&entry(), &second), Err(result::CONSTRAINT));
        let after =
            apply(&entry(), &delete("HOMEMDB", "cn=store, dc=contoso,dc=test")).expect("names compare without case");
        assert!(!after.has("homeMDB"));
    }

    #[test]
    fn two_images_make_the_way_between_them() {
        let (before, mut after) = (entry(), entry());
        after.set("homeMDB", Vec::new());
        after.set("proxyAddresses", vec![b"SMTP:ann@contoso.test".to_vec(), b"x500:/o=x".to_vec()]);
        after.set_text("targetAddress", "SMTP:ann@contoso.onmicrosoft.com");
        assert_eq!(apply(&before, &difference(&before, &after)).as_ref(), Ok(&after));
        let back = apply(&after, &difference(&after, &before)).expect("the way back is as open");
        assert_eq!(difference(&back, &before), vec![]);
        assert_eq!(difference(&before, &before), vec![]);
    }
}
