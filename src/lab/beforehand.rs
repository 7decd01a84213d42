//! What the tenant has of people before the migration begins: early licences, a
//! second mailbox, a batch of an earlier try.
//!
//! It comes after the first synchronization, for it stands on the users that
//! this one brings.

use super::index::cloud_user;
use super::world::{Batch, Beforehand, Mailbox, MigrationRow, Recipient, after};
use super::{World, sync, tenancy};

/// Name of the batch of an earlier try.
pub const EARLIER_BATCH: &str = "Test before the summer";

/// Enters all of it.
pub fn enter(world: &mut World) {
    for (address, what) in world.company.beforehand.clone() {
        let Some(id) = cloud_user(world, &address) else { continue };
        let items = super::index::place(world, &address)
            .and_then(|p| world.directory.get(world.index.names.get(p)?))
            .map_or(0, |o| o.items);
        let mailbox = Mailbox {
            guid: world.guid("mailbox-beforehand", &address),
            created: after(world.began, -200 * 86_400),
            items,
            items_total: items,
            filled: Some(after(world.began, -199 * 86_400)),
            kind: "UserMailbox".into(),
            both: false,
        };
        let Some(user) = world.tenant.users.get_mut(&id) else { continue };
        if user.usage_location.is_empty() {
            user.usage_location = "DE".into();
        }
        if user.licences.insert(tenancy::ENTERPRISEPACK) {
            *world.seats_taken.entry(tenancy::ENTERPRISEPACK).or_default() += 1;
        }
        if what == Beforehand::Mailbox {
            user.recipient = Recipient::Mailbox(mailbox);
        }
        sync::compute(world, id);
    }
    earlier_batch(world);
}

fn earlier_batch(world: &mut World) {
    if world.company.earlier_batch.is_empty() {
        return;
    }
    let created = after(world.began, -60 * 86_400);
    let rows = world.company.earlier_batch.iter().map(|address| MigrationRow {
        status: "Stopped".into(),
        ..MigrationRow::queued(address, world.guid("row", &format!("earlier {address}")))
    });
    let batch = Batch {
        name: EARLIER_BATCH.into(),
        guid: world.guid("batch", EARLIER_BATCH),
        endpoint: "earlier".into(),
        status: "Stopped".into(),
        created,
        started: None,
        touched: created,
        rows: rows.collect(),
    };
    world.tenant.batches.insert(EARLIER_BATCH.to_lowercase(), batch);
}
