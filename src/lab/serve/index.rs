//! Where the directory's addresses and names are found without reading it all.
//!
//! The index only proposes: what it names is looked at again, so entries that
//! are out of date do no harm. Objects whose update number is higher than the
//! one it knows are taken in before each question.

use std::collections::HashMap;

use crate::lab::World;
use crate::lab::world::AdObject;
use crate::wire::attributes::address_key;

/// Attributes that are looked up by equality often enough to be indexed.
const INDEXED: [&str; 7] =
    ["proxyaddresses", "mail", "userprincipalname", "samaccountname", "mailnickname", "legacyexchangedn", "objectguid"];

/// Attribute and value in lower case → keys of objects that may hold it.
#[derive(Default)]
pub struct Index {
    usn: u64,
    objects: usize,
    values: HashMap<(&'static str, Vec<u8>), Vec<String>>,
}

impl Index {
    /// Whether an attribute is indexed.
    pub fn knows(attribute: &str) -> bool {
        INDEXED.iter().any(|a| a.eq_ignore_ascii_case(attribute))
    }

    /// Forgets everything: another world has taken the place of this one.
    pub fn clear(&mut self) {
        *self = Index::default();
    }

    /// Keys of the objects that may hold a value; `None` if the attribute is
    /// not indexed and all objects must be looked at.
    pub fn candidates(&mut self, world: &World, attribute: &str, value: &[u8]) -> Option<Vec<String>> {
        let attribute = INDEXED.into_iter().find(|a| a.eq_ignore_ascii_case(attribute))?;
        self.catch_up(world);
        Some(self.values.get(&(attribute, normal(attribute, value))).cloned().unwrap_or_default())
    }

    /// The key of the object that has this address as `mail` or among its
    /// proxy addresses; the first by key if there are several.
    pub fn by_address(&mut self, world: &World, address: &str) -> Option<String> {
        let wanted = address_key(address);
        let proxy = format!("smtp:{wanted}");
        let mut keys = self.candidates(world, "proxyAddresses", proxy.as_bytes()).unwrap_or_default();
        keys.extend(self.candidates(world, "mail", wanted.as_bytes()).unwrap_or_default());
        keys.sort();
        keys.into_iter().find(|key| world.directory.get(key).is_some_and(|o| has_address(o, &wanted)))
    }

    fn catch_up(&mut self, world: &World) {
        if world.usn < self.usn || world.directory.len() < self.objects {
            self.clear();
        }
        if world.usn == self.usn && world.directory.len() == self.objects {
            return;
        }
        let all = world.directory.len() != self.objects;
        for (key, object) in &world.directory {
            if !all && object.usn <= self.usn {
                continue;
            }
            for attribute in INDEXED {
                if attribute == "objectguid" {
                    self.put(attribute, &object.guid.to_directory(), key);
                }
                for value in object.entry.values(attribute) {
                    self.put(attribute, value, key);
                }
            }
        }
        self.usn = world.usn;
        self.objects = world.directory.len();
    }

    fn put(&mut self, attribute: &'static str, value: &[u8], key: &str) {
        let keys = self.values.entry((attribute, normal(attribute, value))).or_default();
        if !keys.iter().any(|k| k == key) {
            keys.push(key.to_owned());
        }
    }
}

fn normal(attribute: &str, value: &[u8]) -> Vec<u8> {
    if attribute == "objectguid" {
        return value.to_vec();
    }
    match std::str::from_utf8(value) {
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(_) => value.to_vec(),
    }
}

fn has_address(object: &AdObject, wanted: &str) -> bool {
    let mut values = object.entry.texts("proxyAddresses");
    values.extend(object.entry.text("mail"));
    values.iter().any(|v| address_key(v) == wanted)
}

#[cfg(test)]
mod tests {
    use super::super::small;
    use super::*;

    #[test]
    fn a_changed_address_is_found_and_the_old_one_is_not() {
        let mut world = small::world();
        let mut index = Index::default();
        let key = index.by_address(&world, "Ann@contoso.test").expect("Ann is in the small world");
        world.usn += 1;
        let usn = world.usn;
        let object = world.directory.get_mut(&key).expect("the key came from the index");
        object.entry.set("proxyAddresses", vec![b"SMTP:anne@contoso.test".to_vec()]);
        object.entry.set_text("mail", "anne@contoso.test");
        object.usn = usn;
        assert_eq!(index.by_address(&world, "smtp:ANNE@contoso.test"), Some(key));
        assert_eq!(index.by_address(&world, "ann@contoso.test"), None);
    }
}
