//! Who a group is: its members' addresses, as one of the hosts sees them.
//!
//! The old host asks the directory, and for a dynamic group its query. The cloud
//! has no dynamic group of the old side, and of a synchronized one only those
//! members that are synchronized, too; the others are silently not there.

use super::seen::{Seen, dynamic, is_in_cloud};
use crate::lab::World;
use crate::lab::mail::Side;
use crate::wire::attributes::{Entry, dn_key, primary_smtp};

/// Primary addresses of a group's members on this host, in the directory's order.
pub(super) fn members(seen: &Seen<'_>) -> Vec<String> {
    let Some(entry) = seen.entry() else { return Vec::new() };
    let all = if dynamic(entry) { everybody(seen.world, entry) } else { listed(seen.world, entry) };
    match seen.host {
        Side::Old => all,
        Side::Cloud => all.into_iter().filter(|a| is_in_cloud(seen.world, a)).collect(),
    }
}

fn listed(world: &World, group: &Entry) -> Vec<String> {
    let objects = group.texts("member").into_iter().filter_map(|name| world.directory.get(&dn_key(&name)));
    objects.filter_map(|o| primary_smtp(&o.entry.texts("proxyAddresses"))).collect()
}

/// The one query that the lab knows: all users with mail; those with a mailbox on
/// premises, if the filter asks for homeMDB.
fn everybody(world: &World, group: &Entry) -> Vec<String> {
    let filter = group.text("msExchDynamicDLFilter").unwrap_or_default().to_lowercase();
    let asked = |entry: &Entry| {
        let system = entry.text("mailNickname").is_none_or(|a| a.starts_with("SystemMailbox{"));
        entry.is_a("user") && !system && (!filter.contains("homemdb") || entry.has("homeMDB"))
    };
    let objects = world.directory.values().map(|o| &o.entry).filter(|e| asked(e));
    objects.filter_map(|e| primary_smtp(&e.texts("proxyAddresses"))).collect()
}
