//! Directory objects as a plan would leave them, over those that are there.
//!
//! Kept are only the attributes that were changed and those that stood beside
//! them in the change's image; everything else is the directory's own.

use std::collections::{BTreeMap, BTreeSet};

use super::filter::Filter;
use crate::wire::attributes::{Entry, dn_key};

/// The objects, by the key of their name.
#[derive(Debug, Default)]
pub struct Directory {
    objects: BTreeMap<String, Foreseen>,
    /// Attributes that anybody's change touched, in lower case.
    touched: BTreeSet<String>,
}

#[derive(Debug)]
struct Foreseen {
    /// As it will be, as far as it is known.
    entry: Entry,
    /// What is known of it, in lower case; a name without a value is known to
    /// have none.
    known: BTreeSet<String>,
    /// What was changed, in lower case.
    changed: BTreeSet<String>,
}

impl Directory {
    /// Takes in that an object becomes another one. Both are seen in part, by
    /// the same attributes.
    pub fn becomes(&mut self, before: &Entry, after: &Entry) {
        let names: BTreeSet<String> = before.iter().chain(after.iter()).map(|(n, _)| n.to_lowercase()).collect();
        let object = self.objects.entry(dn_key(&after.dn)).or_insert_with(|| Foreseen {
            entry: Entry::new(after.dn.clone()),
            known: BTreeSet::new(),
            changed: BTreeSet::new(),
        });
        for name in names {
            if before.values(&name) != after.values(&name) {
                object.changed.insert(name.clone());
                self.touched.insert(name.clone());
            }
            let spelt = after.iter().chain(before.iter()).map(|(n, _)| n).find(|n| n.eq_ignore_ascii_case(&name));
            object.entry.set(spelt.unwrap_or(&name), after.values(&name).to_vec());
            object.known.insert(name);
        }
    }

    /// Whether nothing was foreseen.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// An object as it will be.
    pub fn look_at(&self, entry: &mut Entry, attributes: &[&str]) {
        let Some(object) = self.objects.get(&dn_key(&entry.dn)) else { return };
        lay(object, entry, attributes);
    }

    /// What a search will find.
    pub fn look(&self, base: &str, filter: &str, attributes: &[&str], found: &mut Vec<Entry>) {
        let filter = Filter::parse(filter);
        let concerned = |f: &&Filter| f.attributes().iter().any(|name| self.touched.contains(*name));
        if let Some(filter) = filter.as_ref().filter(concerned) {
            let knows = |object: &Foreseen, name: &str| object.known.contains(name);
            let mut there = BTreeSet::new();
            found.retain(|entry| {
                let key = dn_key(&entry.dn);
                let stays = self
                    .objects
                    .get(&key)
                    .is_none_or(|o| filter.finds(&o.entry, &|name| knows(o, name), false) != Some(false));
                there.insert(key);
                stays
            });
            let base = dn_key(base);
            let fresh = self.objects.iter().filter(|(key, _)| !there.contains(*key) && key.ends_with(&base));
            for (_, object) in fresh {
                if filter.finds(&object.entry, &|name| knows(object, name), true) == Some(true) {
                    found.push(Entry::new(object.entry.dn.clone()));
                    if let Some(entry) = found.last_mut() {
                        for (name, values) in object.entry.iter().filter(|(name, _)| asked(attributes, name)) {
                            entry.set(name, values.to_vec());
                        }
                    }
                }
            }
        }
        for entry in found {
            self.look_at(entry, attributes);
        }
    }
}

fn lay(object: &Foreseen, entry: &mut Entry, attributes: &[&str]) {
    for name in object.changed.iter().filter(|name| asked(attributes, name)) {
        let spelt = object.entry.iter().map(|(n, _)| n).find(|n| n.eq_ignore_ascii_case(name)).unwrap_or(name);
        entry.set(spelt, object.entry.values(name).to_vec());
    }
}

fn asked(attributes: &[&str], name: &str) -> bool {
    attributes.is_empty() || attributes.iter().any(|a| *a == "*" || a.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(dn: &str, attributes: &[(&str, &str)]) -> Entry {
        let mut entry = Entry::new(dn);
        for (name, value) in attributes {
            entry.set_text(name, value);
        }
        entry
    }

    #[test]
    fn a_search_finds_what_will_be_there() {
        let (ann, bo) = ("CN=Ann,DC=x", "CN=Bo,DC=x");
        let mut shadow = Directory::default();
        shadow.becomes(&entry(ann, &[("homeMDB", "db"), ("mail", "a@x")]), &entry(ann, &[("mail", "a@x")]));
        shadow.becomes(&entry(bo, &[("mail", "b@x")]), &entry(bo, &[("mail", "b@x"), ("targetAddress", "SMTP:b@y")]));
        let real = || vec![entry(ann, &[("homeMDB", "db")]), entry("CN=Cy,DC=x", &[("homeMDB", "db")])];
        let mut found = real();
        shadow.look("DC=x", "(homeMDB=*)", &["homeMDB"], &mut found);
        assert_eq!(found.iter().map(|e| e.dn.as_str()).collect::<Vec<_>>(), ["CN=Cy,DC=x"]);
        // Asked for something else, who is found stays found, as they will be.
        let mut found = real();
        shadow.look("DC=x", "(mail=*)", &["homeMDB"], &mut found);
        assert_eq!((found.len(), found[0].has("homeMDB"), found[1].has("homeMDB")), (2, false, true));
        // Whom the directory doesn't find now, and will.
        let mut found = Vec::new();
        shadow.look("DC=x", "(targetAddress=*)", &["mail", "targetAddress"], &mut found);
        assert_eq!((found.len(), found[0].text("mail").as_deref()), (1, Some("b@x")));
        let mut found = Vec::new();
        shadow.look("DC=x", "(&(objectClass=user)(targetAddress=*))", &[], &mut found);
        assert!(found.is_empty(), "nobody knows its classes");
    }

    #[test]
    fn an_attribute_that_is_not_asked_for_is_not_answered() {
        let mut shadow = Directory::default();
        shadow.becomes(&entry("CN=A", &[]), &entry("CN=A", &[("targetAddress", "SMTP:a@y")]));
        let mut found = vec![entry("cn=a", &[("mail", "a@x")])];
        shadow.look("", "(mail=*)", &["mail"], &mut found);
        assert!(!found[0].has("targetAddress"));
        shadow.look("", "(mail=*)", &["*"], &mut found);
        assert_eq!(found[0].text("targetaddress").as_deref(), Some("SMTP:a@y"));
    }
}
