//! stub
use super::World;
/// A directory object was changed effectively over LDAP: event, count of the kind of change
/// (`convert`, `release`, `other`), and what follows.
pub fn directory_changed(_world: &mut World, _dn_key: &str, _before: &crate::wire::attributes::Entry) {}
