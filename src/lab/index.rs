//! Who holds which address, on both sides.
//!
//! Two thousand mailboxes are asked for some hundred thousand times, so the
//! answers are kept ready. The index decides nothing and is never the truth: the
//! judge reads directory and tenant themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::World;
use crate::wire::attributes::{Entry, Proxy, address_key};
use crate::wire::guid::Guid;

/// Look-ups by address, name and anchor.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Primary address of a listed mailbox, lower case → place in the list.
    pub people: BTreeMap<String, usize>,
    /// Place in the list → `dn_key`.
    pub names: Vec<String>,
    /// `dn_key` of a listed mailbox → place in the list.
    pub places: BTreeMap<String, usize>,
    /// SMTP address on premises, lower case → objects (`dn_key`) that hold it.
    pub old: BTreeMap<String, BTreeSet<String>>,
    /// SMTP address in the tenant, lower case → the one user that holds it.
    pub cloud: BTreeMap<String, Guid>,
    /// Source anchor → user.
    pub anchors: BTreeMap<String, Guid>,
    /// User → `dn_key` of the object it is synchronized from.
    pub sources: BTreeMap<Guid, String>,
    /// Objects with an address in quarantine.
    pub quarantined: BTreeSet<String>,
}

/// SMTP addresses among proxies, lower case.
pub fn smtp_keys<S: AsRef<str>>(proxies: &[S]) -> BTreeSet<String> {
    let parsed = proxies.iter().map(|p| Proxy::parse(p.as_ref()));
    parsed.filter(|p| p.kind == "smtp").map(|p| p.address.to_lowercase()).collect()
}

impl Index {
    /// Takes over a changed directory object; `before` without addresses for a
    /// new one, `after` without for one that is gone.
    pub fn directory(&mut self, key: &str, before: &Entry, after: &Entry) {
        let was = smtp_keys(&before.texts("proxyAddresses"));
        let is = smtp_keys(&after.texts("proxyAddresses"));
        for address in was.difference(&is) {
            if let Some(holders) = self.old.get_mut(address) {
                holders.remove(key);
                if holders.is_empty() {
                    self.old.remove(address);
                }
            }
        }
        for address in is.difference(&was) {
            self.old.entry(address.clone()).or_default().insert(key.to_owned());
        }
    }

    /// Takes over the changed addresses of a cloud user.
    pub fn tenant(&mut self, id: Guid, before: &[String], after: &[String]) {
        for address in smtp_keys(before) {
            if self.cloud.get(&address) == Some(&id) {
                self.cloud.remove(&address);
            }
        }
        for address in smtp_keys(after) {
            self.cloud.entry(address).or_insert(id);
        }
    }
}

/// The place of a listed mailbox, by its primary address.
pub fn place(world: &World, address: &str) -> Option<usize> {
    world.index.people.get(&address_key(address)).copied()
}

/// The only object on premises that holds an address; none if nobody or several do.
pub fn old_object<'a>(world: &'a World, address: &str) -> Option<&'a str> {
    let holders = world.index.old.get(&address_key(address))?;
    match holders.len() {
        1 => holders.first().map(String::as_str),
        _ => None,
    }
}

/// The cloud user that holds an address.
pub fn cloud_user(world: &World, address: &str) -> Option<Guid> {
    world.index.cloud.get(&address_key(address)).copied()
}

/// The cloud user that is synchronized from a listed mailbox.
pub fn user_of(world: &World, place: usize) -> Option<Guid> {
    let key = world.index.names.get(place)?;
    let ad = world.directory.get(key)?;
    world.index.anchors.get(&super::sync::anchor_of(ad)).copied()
}

/// The place of the listed mailbox that a cloud user is synchronized from.
pub fn place_of(world: &World, user: Guid) -> Option<usize> {
    world.index.places.get(world.index.sources.get(&user)?).copied()
}
