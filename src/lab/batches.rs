//! Staged batches as the service runs them.
//!
//! A started row becomes a mailbox, is forwarded, and then waits for a connection
//! to be copied (`staged-migration`, section 3): all rows of a batch are
//! provisioned first, as many as the endpoint allows are copied at a time. There
//! is no later synchronization and no completion. Removing a batch touches no
//! attribute.

use jiff::Timestamp;

use super::index::{cloud_user, old_object, place};
use super::world::{Batch, Due, Fate, Mailbox, MigrationRow, Recipient, after};
use super::{World, incidents, licences, mail, post, sync};
use crate::wire::attributes::{address_key, primary_smtp};
use crate::wire::guid::Guid;

/// Rows copied at a time where the endpoint says nothing.
const AT_ONCE: u64 = 20;
/// A mailbox's copy: what it takes before the first item.
const COPY_OVERHEAD: u64 = 20 * 60;
/// Bytes a second that one connection to an old server brings over.
const BYTES_PER_SECOND: u64 = 130_000;
/// Items an hour: many small ones are slower than few large ones.
const ITEMS_PER_HOUR: u64 = 10_000;
/// Steps in which progress shows.
const TICKS: u64 = 4;
/// A removed batch is gone, and its name free, after 10 minutes.
const REMOVAL: i64 = 10 * 60;
/// A synced batch that nobody touches is stopped after 60 days.
const IDLE: i64 = 60 * 86_400;
/// A copy that gets nothing for five hours is given up.
const TIMEOUT: i64 = 5 * 3600;

const NO_CLOUD_USER: &str = "A valid primary e-mail address couldn't be found in the cloud-based service.";
const MAILBOX_ALREADY: &str = "MigrationPermanentException: The target user already has a primary mailbox.";
const NO_CONNECTION: &str = "MigrationPermanentException: Couldn't connect to the source mailbox.";
const SILENT: &str = "SyncTimeoutException: Email migration failed for this user because no email could be downloaded for 5 hours, 0 minutes.";
const NO_SIGN_IN: &str = "Microsoft Exchange couldn't sign in to the user's on-premises account.";

/// Whether a row's state is one that ends a start.
fn at_rest(status: &str) -> bool {
    matches!(status, "Synced" | "Failed" | "Stopped")
}

/// Begins (or begins again, for failed rows) the work on a batch that exists; `name` in lower case.
pub fn begin(world: &mut World, name: &str) {
    let now = world.now;
    let Some(batch) = world.tenant.batches.get_mut(name) else { return };
    let first = batch.started.is_none();
    let mut begun = Vec::new();
    for row in &mut batch.rows {
        let again = matches!(row.status.as_str(), "Failed" | "Stopped" | "Corrupted");
        if again || first || row.attempts == 0 {
            row.status = "Queued".into();
            row.error.clear();
            row.attempts += 1;
            begun.push(row.address.clone());
        }
    }
    batch.touched = now;
    if begun.is_empty() {
        return;
    }
    batch.started = Some(now);
    batch.status = "Starting".into();
    let title = batch.name.clone();
    world.event(&title, "batch_started", format!("{} rows", begun.len()));
    if first {
        incidents::batch_started(world);
    }
    for address in &begun {
        let title = title.clone();
        world.history.entry(address_key(address)).or_default().batch = title;
    }
    next(world, name, "", 60);
    for (number, address) in begun.iter().enumerate() {
        let wait = 90 + 6 * i64::try_from(number).unwrap_or_default() + jitter(world, "validating", address, 60);
        next(world, name, address, wait);
    }
}

fn jitter(world: &World, purpose: &str, address: &str, of: u64) -> i64 {
    i64::try_from(world.choose(purpose, &address_key(address), 0) % of).unwrap_or_default()
}

fn next(world: &mut World, batch: &str, address: &str, seconds: i64) {
    let at = after(world.now, seconds);
    let address = address_key(address);
    let object = if address.is_empty() { batch.to_owned() } else { address.clone() };
    world.later(at, &object, Due::Row { batch: batch.to_owned(), address });
}

/// Drops what waits for the rows of a batch.
fn forget(world: &mut World, name: &str) {
    world.queue.retain(|_, due| !matches!(due, Due::Row { batch, .. } if batch == name));
    for slots in world.slots.values_mut() {
        slots.running.retain(|(batch, _)| batch != name);
        slots.waiting.retain(|(_, batch, _, _)| batch != name);
    }
}

fn endpoint_of(world: &World, name: &str) -> String {
    world.tenant.batches.get(name).map(|b| b.endpoint.to_lowercase()).unwrap_or_default()
}

/// Stops a batch.
pub fn stop(world: &mut World, name: &str) {
    let now = world.now;
    let endpoint = endpoint_of(world, name);
    forget(world, name);
    let Some(batch) = world.tenant.batches.get_mut(name) else { return };
    for row in &mut batch.rows {
        if !at_rest(&row.status) {
            row.status = "Stopped".into();
        }
    }
    batch.status = "Stopping".into();
    batch.touched = now;
    let title = batch.name.clone();
    world.event(&title, "batch_stopping", "");
    next(world, name, "", 120);
    pump(world, &endpoint);
}

/// Removes a batch: listed as Removing, gone minutes later, the name taken until then.
pub fn remove(world: &mut World, name: &str) {
    let now = world.now;
    let until = after(now, REMOVAL);
    let endpoint = endpoint_of(world, name);
    forget(world, name);
    let Some(batch) = world.tenant.batches.get_mut(name).filter(|b| b.status != "Removing") else { return };
    batch.status = "Removing".into();
    batch.touched = now;
    let title = batch.name.clone();
    world.tenant.removed_names.insert(name.to_owned(), until);
    world.event(&title, "batch_removing", "");
    world.later(until, name, Due::BatchGone(name.to_owned()));
    pump(world, &endpoint);
}

/// A removed batch leaves the lists, and its name is free.
pub fn gone(world: &mut World, name: &str) {
    if world.tenant.batches.get(name).is_some_and(|b| b.status == "Removing") {
        let title = world.tenant.batches.remove(name).map(|b| b.name).unwrap_or_default();
        world.tenant.removed_names.remove(name);
        world.event(&title, "batch_removed", "");
    }
}

/// The service stops a synced batch that nobody has touched for 60 days.
pub fn idle(world: &mut World, name: &str) {
    let now = world.now;
    let Some(batch) = world.tenant.batches.get_mut(name) else { return };
    if !matches!(batch.status.as_str(), "Synced" | "SyncedWithErrors") {
        return;
    }
    let due = after(batch.touched, IDLE);
    if due > now {
        world.later(due, name, Due::BatchIdle(name.to_owned()));
        return;
    }
    batch.status = "Stopped".into();
    batch.touched = now;
    let title = batch.name.clone();
    world.event(&title, "batch_stopped_idle", "");
}

fn row_mut<'a>(world: &'a mut World, batch: &str, address: &str) -> Option<&'a mut MigrationRow> {
    let rows = &mut world.tenant.batches.get_mut(batch)?.rows;
    rows.iter_mut().find(|r| r.address.eq_ignore_ascii_case(address))
}

/// The service takes the next step with a row; without an address, with the
/// batch itself.
pub fn step(world: &mut World, batch: &str, address: &str) {
    if address.is_empty() {
        return step_batch(world, batch);
    }
    let Some(row) = row_mut(world, batch, address) else { return };
    let (status, attempts) = (row.status.clone(), row.attempts);
    match status.as_str() {
        "Queued" => {
            row.status = "Validating".into();
            let wait = 30 + jitter(world, "validated", address, 90);
            next(world, batch, address, wait);
        }
        "Validating" => match validate(world, batch, address) {
            Ok(_) => {
                if let Some(row) = row_mut(world, batch, address) {
                    row.status = "Provisioning".into();
                }
                let wait = 60 + jitter(world, "provisioned", address, 180);
                next(world, batch, address, wait);
            }
            Err(text) => fail(world, batch, address, &text),
        },
        "Provisioning" => provision(world, batch, address),
        "Syncing" => copy(world, batch, address, attempts),
        _ => {}
    }
}

fn step_batch(world: &mut World, name: &str) {
    let now = world.now;
    let Some(batch) = world.tenant.batches.get_mut(name) else { return };
    match batch.status.as_str() {
        "Starting" => batch.status = "Syncing".into(),
        "Stopping" => {
            batch.status = "Stopped".into();
            batch.touched = now;
            let title = batch.name.clone();
            world.event(&title, "batch_stopped", "");
        }
        _ => {}
    }
}

/// The mail user (or the mailbox of an earlier try) and the mailbox on premises
/// that belong to a row.
fn validate(world: &World, batch: &str, address: &str) -> Result<(Guid, String), String> {
    let elsewhere = |slots: &super::world::Slots| {
        slots.running.iter().any(|(b, a)| a == address && b != batch)
            || slots.waiting.iter().any(|(_, b, _, a)| a == address && b != batch)
    };
    if world.slots.values().any(elsewhere) {
        return Err(format!(
            "UserAlreadyBeingMigratedException: The user '{address}' already has a pending request. Please remove the existing request and resume the current batch or start a new batch for this user."
        ));
    }
    let user = cloud_user(world, address).and_then(|id| world.tenant.users.get(&id));
    let user = user.filter(|u| {
        !u.immutable_id.is_empty() && u.mail.eq_ignore_ascii_case(address) && u.recipient != Recipient::None
    });
    let Some(user) = user else { return Err(NO_CLOUD_USER.into()) };
    // A mailbox that no earlier try made came by a licence.
    let by_licence = matches!(user.recipient, Recipient::Mailbox(_))
        && world.history.get(&address_key(address)).is_none_or(|h| h.mailbox_made.is_none());
    if by_licence && world.settings.is("existing_mailbox_in_batch", "failed") {
        return Err(MAILBOX_ALREADY.into());
    }
    let no_source = || format!("A source e-mail address {address} couldn't be found in the on-premises domain.");
    let key = old_object(world, address).ok_or_else(no_source)?;
    let entry = &world.directory.get(key).ok_or_else(no_source)?.entry;
    let primary = primary_smtp(&entry.texts("proxyAddresses")).unwrap_or_default();
    if !entry.has("homeMDB") || entry.is_true("msExchHideFromAddressLists") || !primary.eq_ignore_ascii_case(address) {
        return Err(no_source());
    }
    if entry.number("msExchUMEnabledFlags").unwrap_or_default() & 1 == 1 {
        return Err(NO_CONNECTION.into());
    }
    if let Some(Fate::ProvisioningFails(text)) = world.company.fates.get(address) {
        return Err(text.clone());
    }
    Ok((user.id, key.to_owned()))
}

/// First the mailbox, some minutes later TargetAddress, then the wait for a
/// connection.
fn provision(world: &mut World, batch: &str, address: &str) {
    let (user, key) = match validate(world, batch, address) {
        Ok(found) => found,
        Err(text) => return fail(world, batch, address, &text),
    };
    let mailbox = world.tenant.users.get(&user).is_some_and(|u| matches!(u.recipient, Recipient::Mailbox(_)));
    if !mailbox {
        make_mailbox(world, user);
        if world.settings.is("shared_and_room_rows", "keep_type") {
            keep_type(world, user, &key);
        }
        let now = world.now;
        world.history.entry(address.to_owned()).or_default().mailbox_made = Some(now);
        let wait = 60 + jitter(world, "target", address, 120);
        next(world, batch, address, wait);
        return;
    }
    if let Some(Fate::TargetDenied(text)) = world.company.fates.get(address).cloned() {
        return fail(world, batch, address, &text);
    }
    if world.settings.is("forwarding_written", "before_copy") {
        write_target(world, user, &key, address);
    }
    let endpoint = endpoint_of(world, batch);
    let number = world
        .tenant
        .batches
        .get(batch)
        .and_then(|b| b.rows.iter().position(|r| r.address.eq_ignore_ascii_case(address)))
        .unwrap_or_default();
    let now = world.now;
    let slots = world.slots.entry(endpoint.clone()).or_default();
    slots.waiting.insert((now, batch.to_owned(), number, address.to_owned()));
    pump(world, &endpoint);
}

/// The mailbox is of the kind that the old one was.
fn keep_type(world: &mut World, user: Guid, key: &str) {
    let details = world.directory.get(key).and_then(|o| o.entry.number("msExchRecipientTypeDetails"));
    let kind = match details {
        Some(4) => "SharedMailbox",
        Some(16) => "RoomMailbox",
        Some(32) => "EquipmentMailbox",
        _ => return,
    };
    if let Some(Recipient::Mailbox(mailbox)) = world.tenant.users.get_mut(&user).map(|u| &mut u.recipient) {
        kind.clone_into(&mut mailbox.kind);
    }
}

/// Turns a mail user into a mailbox of its own GUID, without a licence.
pub fn make_mailbox(world: &mut World, user: Guid) {
    let now = world.now;
    let made = world.choose_next("mailboxes-made", &user.to_string());
    let guid = world.guid("mailbox", &format!("{user} {made}"));
    let synced = world.settings.is("batch_mailbox_guid", "synced");
    let Some(entry) = world.tenant.users.get_mut(&user) else { return };
    let guid = entry.synced_guid.filter(|_| synced).unwrap_or(guid);
    let name = entry.mail.clone();
    let kept = match &entry.recipient {
        Recipient::Disconnected { mailbox, .. } => Some(Mailbox { created: now, ..mailbox.clone() }),
        _ => None,
    };
    let what = if kept.is_some() { "mailbox_reconnected" } else { "mailbox_created" };
    let mailbox = kept.unwrap_or_else(|| Mailbox {
        guid,
        created: now,
        items: 0,
        items_total: 0,
        filled: None,
        kind: "UserMailbox".into(),
        both: false,
    });
    let shown = mailbox.guid.to_string();
    entry.recipient = Recipient::Mailbox(mailbox);
    sync::compute(world, user);
    world.event(&name, what, shown);
    let grace = licences::grace_ends(world, user).max(after(now, licences::RECONCILED));
    world.later(grace, &name, Due::Grace(user));
    if let Some(place) = super::index::place_of(world, user) {
        mail::touch(world, place);
        mail::around_change(world, place, mail::Sender::Cloud);
    }
}

/// The service's own write on premises.
fn write_target(world: &mut World, user: Guid, key: &str, address: &str) {
    let now = world.now;
    let Some(entry) = world.tenant.users.get(&user) else { return };
    let target = format!("SMTP:{}@{}", entry.alias, world.tenant.initial_domain);
    world.usn += 1;
    let usn = world.usn;
    let Some(object) = world.directory.get_mut(key) else { return };
    if object.entry.text("targetAddress").as_deref() == Some(target.as_str()) {
        return;
    }
    object.entry.set_text("targetAddress", &target);
    object.usn = usn;
    object.changed = now;
    world.dirty.insert(key.to_owned());
    let name =
        place(world, address).and_then(|p| world.company.list.get(p).cloned()).unwrap_or_else(|| address.to_owned());
    world.event(&name, "target_address_written", target);
    let history = world.history.entry(address.to_owned()).or_default();
    history.target_written = Some(now);
    history.targets += 1;
    if let Some(place) = place(world, address) {
        mail::touch(world, place);
        mail::around_change(world, place, mail::Sender::Colleague);
    }
}

/// Gives free connections to rows that wait.
fn pump(world: &mut World, endpoint: &str) {
    let at_once = world.tenant.endpoints.get(endpoint).map_or(AT_ONCE, |e| e.at_once.max(1));
    // The old server has the last word on how many sessions it bears.
    let at_once = world.company.sessions.map_or(at_once, |most| at_once.min(most.max(1)));
    loop {
        let Some(slots) = world.slots.get_mut(endpoint) else { return };
        if slots.running.len() as u64 >= at_once {
            return;
        }
        let Some((_, batch, _, address)) = slots.waiting.pop_first() else { return };
        slots.running.insert((batch.clone(), address.clone()));
        begin_copy(world, &batch, &address);
    }
}

fn begin_copy(world: &mut World, batch: &str, address: &str) {
    let now = world.now;
    let object = old_object(world, address).and_then(|k| world.directory.get(k));
    let (items, bytes) = object.map_or((0, 0), |o| (o.items, o.bytes));
    if let Some(row) = row_mut(world, batch, address) {
        row.status = "Syncing".into();
        row.synced_items = 0;
    }
    with_mailbox(world, address, |mailbox| {
        mailbox.items_total = items;
        mailbox.items = 0;
        mailbox.filled = None;
    });
    let history = world.history.entry(address.to_owned()).or_default();
    history.copy_began = Some(now);
    history.copy_ended = None;
    if let Some(place) = place(world, address) {
        post::copying(world, place);
    }
    if world.settings.is("forwarding_written", "after_copy_begins")
        && let (Some(user), Some(key)) = (cloud_user(world, address), old_object(world, address).map(str::to_owned))
    {
        write_target(world, user, &key, address);
    }
    next(world, batch, address, tick(items, bytes));
}

/// A quarter of what the copy takes, in seconds.
fn tick(items: u64, bytes: u64) -> i64 {
    let whole = COPY_OVERHEAD + bytes / BYTES_PER_SECOND + items * 3600 / ITEMS_PER_HOUR;
    i64::try_from(whole.div_ceil(TICKS)).unwrap_or(i64::MAX)
}

fn with_mailbox(world: &mut World, address: &str, change: impl FnOnce(&mut Mailbox)) {
    let Some(id) = cloud_user(world, address) else { return };
    if let Some(Recipient::Mailbox(mailbox)) = world.tenant.users.get_mut(&id).map(|u| &mut u.recipient) {
        change(mailbox);
    }
}

/// A quarter more has been copied, if source and target are still there.
fn copy(world: &mut World, batch: &str, address: &str, attempts: u64) {
    let object = old_object(world, address).and_then(|k| world.directory.get(k));
    let Some((items, bytes)) = object.filter(|o| o.entry.has("homeMDB")).map(|o| (o.items, o.bytes)) else {
        return fail(world, batch, address, NO_CONNECTION);
    };
    let mut found = None;
    let part = items.div_ceil(TICKS);
    with_mailbox(world, address, |mailbox| found = Some(mailbox.items));
    let Some(done) = found else {
        return fail(world, batch, address, NO_CLOUD_USER);
    };
    if incidents::password_is_out(world) {
        return fail(world, batch, address, NO_SIGN_IN);
    }
    if incidents::unreachable_until(world).is_some() {
        return silent(world, batch, address, attempts, SILENT);
    }
    // Some get stuck half-way, most of them for good.
    let stuck = match world.company.fates.get(address) {
        Some(Fate::CopyFails(text)) if !cured(world, address, attempts) => Some(text.clone()),
        _ => None,
    };
    if let Some(text) = stuck.filter(|_| done >= part * (TICKS / 2)) {
        if text.starts_with("SyncTimeoutException") {
            return silent(world, batch, address, attempts, &text);
        }
        return fail(world, batch, address, &text);
    }
    let done = (done + part).min(items);
    let unreadable = world.company.unreadable.get(address).copied().unwrap_or_default();
    if let Some(row) = row_mut(world, batch, address) {
        row.skipped_items = unreadable;
    }
    with_mailbox(world, address, |mailbox| mailbox.items = done);
    if let Some(row) = row_mut(world, batch, address) {
        row.synced_items = done;
    }
    if done < items {
        return next(world, batch, address, tick(items, bytes));
    }
    finish(world, batch, address);
}

/// A copy that gets nothing: five silent hours, then the service gives up.
fn silent(world: &mut World, batch: &str, address: &str, attempts: u64, text: &str) {
    let waited = world.attempts.insert(format!("silent\0{address}"), attempts) == Some(attempts);
    if waited { fail(world, batch, address, text) } else { next(world, batch, address, TIMEOUT) }
}

/// A quarter of the copies that fail get through at the second try.
fn cured(world: &World, address: &str, attempts: u64) -> bool {
    attempts >= 2 && world.choose("cured", address, 0).is_multiple_of(4)
}

fn finish(world: &mut World, batch: &str, address: &str) {
    let now = world.now;
    with_mailbox(world, address, |mailbox| {
        mailbox.items = mailbox.items_total;
        mailbox.filled = Some(now);
    });
    if let Some(row) = row_mut(world, batch, address) {
        row.status = "Synced".into();
        row.error.clear();
        row.synced = Some(now);
    }
    let history = world.history.entry(address.to_owned()).or_default();
    history.copy_ended = Some(now);
    history.error.clear();
    let began = history.copy_began.unwrap_or(now);
    tell(world, address, "copied", String::new());
    if let Some(place) = place(world, address) {
        post::copied(world, place, began);
    }
    rest(world, batch, address);
}

fn fail(world: &mut World, batch: &str, address: &str, text: &str) {
    if let Some(row) = row_mut(world, batch, address) {
        row.status = "Failed".into();
        row.error = text.to_owned();
    }
    world.history.entry(address.to_owned()).or_default().error = text.to_owned();
    tell(world, address, "row_failed", text.to_owned());
    rest(world, batch, address);
}

fn tell(world: &mut World, address: &str, what: &str, detail: String) {
    let name =
        place(world, address).and_then(|p| world.company.list.get(p).cloned()).unwrap_or_else(|| address.to_owned());
    world.event(&name, what, detail);
}

/// A row came to rest: its connection is free, and the batch may be done.
fn rest(world: &mut World, batch: &str, address: &str) {
    let now = world.now;
    let endpoint = endpoint_of(world, batch);
    if let Some(slots) = world.slots.get_mut(&endpoint) {
        slots.running.remove(&(batch.to_owned(), address.to_owned()));
    }
    if let Some(entry) = world.tenant.batches.get_mut(batch) {
        entry.touched = now;
        if entry.rows.iter().all(|r| at_rest(&r.status)) {
            end(world, batch, now);
        }
    }
    pump(world, &endpoint);
}

fn end(world: &mut World, name: &str, now: Timestamp) {
    let Some(batch) = world.tenant.batches.get_mut(name) else { return };
    let count = |batch: &Batch, status: &str| batch.rows.iter().filter(|r| r.status == status).count();
    let (synced, failed) = (count(batch, "Synced"), count(batch, "Failed"));
    batch.status = match (synced, failed) {
        (_, 0) => "Synced",
        (0, _) => "Failed",
        _ => "SyncedWithErrors",
    }
    .into();
    let title = batch.name.clone();
    world.event(&title, "batch_done", format!("{synced} synced, {failed} failed"));
    let at = after(now, IDLE);
    world.later(at, name, Due::BatchIdle(name.to_owned()));
}

#[cfg(test)]
#[path = "batches_tests.rs"]
mod tests;
