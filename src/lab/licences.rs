//! Licences, and the clocks that run without them.
//!
//! Sources: `microsoft-graph`, section 8, for the refusals; `life-of-a-mailbox`,
//! section 2.3, for the consequences: 30 days of grace, 30 days disconnected,
//! then purged.

use std::collections::BTreeSet;

use super::index::place_of;
use super::world::{CloudUser, Due, Recipient, after};
use super::{World, batches, mail, post, sync};
use crate::wire::graph::GraphError;
use crate::wire::guid::Guid;

/// Days without a licence after a mailbox was made, in seconds.
pub const GRACE: i64 = 30 * 86_400;
/// How long a disconnected mailbox is kept, in seconds.
pub const KEPT: i64 = 30 * 86_400;

/// Licences are looked over once a day: nobody loses a mailbox sooner.
pub const RECONCILED: i64 = 86_400;

/// Service plans that give a mailbox.
const MAILBOX_PLANS: &[&str] = &["EXCHANGE_S_ENTERPRISE", "EXCHANGE_S_STANDARD", "EXCHANGE_S_DESKLESS"];

/// Whether one of the licences carries a mailbox whose plan is not switched off.
pub fn has_mailbox_plan(world: &World, user: &CloudUser) -> bool {
    let held = world.tenant.skus.iter().filter(|s| user.licences.contains(&s.id));
    held.into_iter().any(|sku| {
        let off = user.disabled_plans.get(&sku.id);
        sku.plans
            .iter()
            .any(|(id, name)| MAILBOX_PLANS.contains(&name.as_str()) && !off.is_some_and(|plans| plans.contains(id)))
    })
}

/// Bytes that a cloud mailbox may hold: 2 GB with a kiosk plan, 100 GB with the
/// large one, else 50 GB (`life-of-a-mailbox`, 2.5).
pub fn quota(world: &World, user: &CloudUser) -> u64 {
    const GB: u64 = 1 << 30;
    let held = world.tenant.skus.iter().filter(|s| user.licences.contains(&s.id));
    let on = held.flat_map(|sku| {
        let off = user.disabled_plans.get(&sku.id);
        sku.plans.iter().filter(move |(id, _)| !off.is_some_and(|plans| plans.contains(id)))
    });
    let of_plan = |name: &str| match name {
        "EXCHANGE_S_DESKLESS" => Some(2 * GB),
        "EXCHANGE_S_STANDARD" => Some(50 * GB),
        "EXCHANGE_S_ENTERPRISE" => Some(100 * GB),
        _ => None,
    };
    on.filter_map(|(_, name)| of_plan(name)).max().unwrap_or(50 * GB)
}

fn refusal(message: impl Into<String>) -> GraphError {
    GraphError { code: "Request_BadRequest".into(), message: message.into(), request_id: String::new() }
}

/// Gives and takes licences of a user; carries out the consequences for the mailbox at once
/// and counts the effective write.
///
/// # Errors
/// Graph's refusal (no usage location, no seat, unknown SKU or user): code and message.
pub fn assign(world: &mut World, user: Guid, add: &[Guid], remove: &[Guid]) -> Result<(), GraphError> {
    let add: Vec<(Guid, BTreeSet<Guid>)> = add.iter().map(|sku| (*sku, BTreeSet::new())).collect();
    assign_plans(world, user, &add, remove)
}

/// As [`assign`], with the service plans to be switched off of each licence. A
/// licence that is held already only has its plans replaced.
///
/// # Errors
/// As [`assign`]; a plan that the licence does not hold.
pub fn assign_plans(
    world: &mut World,
    user: Guid,
    add: &[(Guid, BTreeSet<Guid>)],
    remove: &[Guid],
) -> Result<(), GraphError> {
    let wanted = add;
    let add: &[Guid] = &add.iter().map(|(sku, _)| *sku).collect::<Vec<_>>();
    let Some(entry) = world.tenant.users.get(&user) else {
        return Err(GraphError {
            code: "Request_ResourceNotFound".into(),
            message: format!(
                "Resource '{user}' does not exist or one of its queried reference-property objects are not present."
            ),
            request_id: String::new(),
        });
    };
    for sku in add.iter().chain(remove) {
        if !world.tenant.skus.iter().any(|s| s.id == *sku) {
            return Err(refusal(format!("License {sku} does not correspond to a valid company License.")));
        }
    }
    if let Some(sku) = add.iter().find(|s| remove.contains(s)) {
        return Err(refusal(format!("License {sku} cannot be both added and removed in the same request.")));
    }
    if let Some(sku) = remove.iter().find(|s| !entry.licences.contains(s)) {
        return Err(refusal(format!("User does not have a corresponding license. Sku: {sku}")));
    }
    for (sku, plans) in wanted {
        let known = world.tenant.skus.iter().find(|s| s.id == *sku).map(|s| &s.plans);
        if let Some(plan) = plans.iter().find(|p| !known.is_some_and(|k| k.iter().any(|(id, _)| id == *p))) {
            return Err(refusal(format!("License {sku} does not contain the service plan {plan}.")));
        }
    }
    let new: BTreeSet<Guid> = add.iter().copied().filter(|s| !entry.licences.contains(s)).collect();
    let old: BTreeSet<Guid> = remove.iter().copied().collect();
    if !new.is_empty() && entry.usage_location.is_empty() {
        return Err(refusal("License assignment cannot be done for user with invalid usage location."));
    }
    for sku in &new {
        let seats = world.tenant.skus.iter().find(|s| s.id == *sku).map_or(0, |s| s.seats);
        if consumed(world, *sku) >= seats {
            return Err(refusal(format!("Subscription with SKU {sku} does not have any available licenses.")));
        }
    }
    let name = if entry.mail.is_empty() { entry.upn.clone() } else { entry.mail.clone() };
    let had = has_mailbox_plan(world, entry);
    let mut replanned = Vec::new();
    if let Some(entry) = world.tenant.users.get_mut(&user) {
        entry.licences.retain(|s| !old.contains(s));
        entry.disabled_plans.retain(|s, _| !old.contains(s));
        entry.licences.extend(new.iter().copied());
        for (sku, plans) in wanted {
            let before = entry.disabled_plans.insert(*sku, plans.clone()).unwrap_or_default();
            if before != *plans && !new.contains(sku) {
                replanned.push(*sku);
            }
        }
    }
    for sku in &replanned {
        world.wrote("graph", &name, "plans");
        world.event(&name, "plans_changed", sku.to_string());
    }
    for (sku, given) in old.iter().map(|s| (s, false)).chain(new.iter().map(|s| (s, true))) {
        let taken = world.seats_taken.entry(*sku).or_default();
        *taken = if given { *taken + 1 } else { taken.saturating_sub(1) };
        let part = world.tenant.skus.iter().find(|s| s.id == *sku).map(|s| s.part.clone()).unwrap_or_default();
        world.wrote("graph", &name, if given { "licence+" } else { "licence-" });
        world.event(&name, if given { "licence_given" } else { "licence_taken" }, part);
    }
    let has = world.tenant.users.get(&user).is_some_and(|u| has_mailbox_plan(world, u));
    match (had, has) {
        (false, true) => connect(world, user),
        (true, false) => disconnect(world, user),
        _ => {}
    }
    sync::compute(world, user);
    if let (Some(place), true) = (place_of(world, user), !new.is_empty() || !old.is_empty() || !replanned.is_empty()) {
        mail::touch(world, place);
        mail::around_change(world, place, mail::Sender::Outside);
    }
    Ok(())
}

/// When a mailbox without a licence is disconnected, by where the days count from.
pub fn grace_ends(world: &World, user: Guid) -> jiff::Timestamp {
    let Some(entry) = world.tenant.users.get(&user) else { return world.now };
    let mailbox = match &entry.recipient {
        Recipient::Mailbox(mailbox) => mailbox.created,
        _ => world.now,
    };
    let from = if world.settings.is("grace_counts_from", "user") { entry.created.min(mailbox) } else { mailbox };
    after(from, GRACE)
}

/// Seats taken of a SKU.
pub fn consumed(world: &World, sku: Guid) -> u64 {
    world.seats_taken.get(&sku).copied().unwrap_or_default()
}

/// A licence with a mailbox plan came: a mailbox kept is connected again; a mail
/// user whose mailbox GUID was synchronized stays one.
fn connect(world: &mut World, user: Guid) {
    let anew = world.settings.is("relicensed_after_window", "empty_mailbox");
    let Some(entry) = world.tenant.users.get_mut(&user) else { return };
    let name = entry.mail.clone();
    match &entry.recipient {
        Recipient::Disconnected { mailbox, .. } => {
            entry.recipient = Recipient::Mailbox(mailbox.clone());
            world.event(&name, "mailbox_reconnected", "");
        }
        Recipient::MailUser { .. } | Recipient::None if entry.purged && anew => {
            entry.purged = false;
            batches::make_mailbox(world, user);
        }
        Recipient::MailUser { .. }
            if !entry.purged && entry.synced_guid.is_none() && !entry.immutable_id.is_empty() =>
        {
            batches::make_mailbox(world, user);
        }
        _ => {}
    }
}

/// The last licence went: the mailbox is disconnected at once, and outside a mail
/// user shows again.
fn disconnect(world: &mut World, user: Guid) {
    let now = world.now;
    let Some(entry) = world.tenant.users.get_mut(&user) else { return };
    let Recipient::Mailbox(mailbox) = &entry.recipient else { return };
    // Shared mailboxes and rooms live without a licence.
    if mailbox.kind != "UserMailbox" {
        return;
    }
    let (name, external) = (entry.mail.clone(), entry.external.clone());
    entry.recipient = Recipient::Disconnected { mailbox: mailbox.clone(), since: now, external };
    world.event(&name, "mailbox_disconnected", "");
    let at = after(now, KEPT);
    world.later(at, &name, Due::Purge(user));
    if let Some(place) = place_of(world, user) {
        mail::touch(world, place);
        // A colleague in the cloud writes at this very moment: outside the mail
        // user shows as the last synchronization left it.
        mail::around_change(world, place, mail::Sender::Cloud);
    }
}

/// Day 30: an unlicensed mailbox is disconnected.
pub fn grace_over(world: &mut World, user: Guid) {
    let Some(entry) = world.tenant.users.get(&user) else { return };
    let Recipient::Mailbox(mailbox) = &entry.recipient else { return };
    let due = grace_ends(world, user) <= world.now && after(mailbox.created, RECONCILED) <= world.now;
    if due && !has_mailbox_plan(world, entry) {
        let name = entry.mail.clone();
        if mailbox.kind == "UserMailbox" {
            world.event(&name, "grace_over", "");
        }
        disconnect(world, user);
    }
}

/// Thirty days disconnected: the mailbox and what is in it are gone.
pub fn purge(world: &mut World, user: Guid) {
    let now = world.now;
    let disabled = world.settings.is("delicensed_object", "mail_disabled");
    let Some(entry) = world.tenant.users.get_mut(&user) else { return };
    let Recipient::Disconnected { since, external, .. } = &entry.recipient else { return };
    if after(*since, KEPT) > now {
        return;
    }
    let name = entry.mail.clone();
    let shown = Recipient::MailUser { external: external.clone() };
    entry.recipient = if disabled { Recipient::None } else { shown };
    entry.purged = true;
    world.event(&name, "mailbox_purged", "");
    if let Some(place) = place_of(world, user) {
        post::vanished(world, place);
        mail::touch(world, place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::tenancy::{ENTERPRISEPACK, EXCHANGEDESKLESS};
    use crate::lab::{Faults, drive, mail};

    fn migrated(people: usize) -> (World, Vec<String>) {
        let mut world = drive::company(people, Faults::None);
        drive::prepare(&mut world);
        let list = world.company.list.clone();
        drive::batch(&mut world, "wave", &list);
        drive::run(&mut world, "wave");
        (world, list)
    }

    fn recipient<'a>(world: &'a World, address: &str) -> &'a Recipient {
        &world.tenant.users[&drive::user(world, address)].recipient
    }

    #[test]
    fn refusals_carry_the_texts_of_graph() {
        let (mut world, list) = migrated(8);
        let id = drive::user(&world, &list[0]);
        let say = |world: &mut World, id, add: &[Guid], remove: &[Guid]| {
            assign(world, id, add, remove).err().map(|e| (e.code, e.message)).unwrap_or_default()
        };
        if let Some(user) = world.tenant.users.get_mut(&id) {
            user.usage_location.clear();
        }
        let (code, text) = say(&mut world, id, &[ENTERPRISEPACK], &[]);
        assert_eq!(
            (code.as_str(), text.as_str()),
            ("Request_BadRequest", "License assignment cannot be done for user with invalid usage location.")
        );
        assert!(world.writes.is_empty());
        for address in &list {
            let id = drive::user(&world, address);
            if let Some(user) = world.tenant.users.get_mut(&id) {
                user.usage_location = "DE".into();
            }
        }
        for address in &list[..5] {
            let id = drive::user(&world, address);
            assert_eq!(assign(&mut world, id, &[EXCHANGEDESKLESS], &[]), Ok(()));
        }
        let sixth = drive::user(&world, &list[5]);
        assert!(say(&mut world, sixth, &[EXCHANGEDESKLESS], &[]).1.contains("does not have any available licenses"));
        assert_eq!(say(&mut world, Guid::NIL, &[], &[]).0, "Request_ResourceNotFound");
        assert_eq!(say(&mut world, id, &[Guid::NIL], &[]).0, "Request_BadRequest");
        assert_eq!(say(&mut world, sixth, &[], &[ENTERPRISEPACK]).0, "Request_BadRequest");
        let writes = world.writes.clone();
        assert_eq!(assign(&mut world, id, &[EXCHANGEDESKLESS], &[]), Ok(()));
        assert_eq!(world.writes, writes, "what is held already changes nothing");
    }

    #[test]
    fn the_clock_runs_without_a_licence() {
        let (mut world, list) = migrated(2);
        drive::licence(&mut world, &list[1]);
        drive::hours(&mut world, 30 * 24);
        assert!(matches!(recipient(&world, &list[0]), Recipient::Disconnected { .. }));
        assert!(matches!(recipient(&world, &list[1]), Recipient::Mailbox(_)));
        drive::licence(&mut world, &list[0]);
        assert!(matches!(recipient(&world, &list[0]), Recipient::Mailbox(m) if m.filled.is_some()), "the same mailbox");
    }

    #[test]
    fn a_mailbox_kept_too_long_is_purged() {
        let (mut world, list) = migrated(1);
        drive::hours(&mut world, 61 * 24);
        assert!(matches!(recipient(&world, &list[0]), Recipient::MailUser { .. }));
    }

    #[test]
    fn a_licence_taken_away_disconnects_at_once_and_given_back_connects() {
        let (mut world, list) = migrated(1);
        let id = drive::user(&world, &list[0]);
        drive::licence(&mut world, &list[0]);
        assert_eq!(consumed(&world, ENTERPRISEPACK), 2);
        assert_eq!(assign(&mut world, id, &[], &[ENTERPRISEPACK]), Ok(()));
        assert!(matches!(recipient(&world, &list[0]), Recipient::Disconnected { .. }));
        assert_eq!(consumed(&world, ENTERPRISEPACK), 1);
        let waiting = mail::messages_in_cloud(&world, &list[0]).len();
        drive::licence(&mut world, &list[0]);
        assert!(matches!(recipient(&world, &list[0]), Recipient::Mailbox(_)));
        assert!(mail::messages_in_cloud(&world, &list[0]).len() >= waiting);
    }

    #[test]
    fn a_licence_before_the_batch_makes_no_mailbox_while_a_guid_is_synchronized() {
        let mut world = drive::company(2, Faults::None);
        drive::prepare(&mut world);
        let address = world.company.list[0].clone();
        drive::licence(&mut world, &address);
        assert!(matches!(recipient(&world, &address), Recipient::MailUser { .. }));
        let id = drive::user(&world, &address);
        assert!(
            world.tenant.users[&id].proxies.iter().any(|p| p.ends_with(".onmicrosoft.com")),
            "the routing address is stamped"
        );
    }

    #[test]
    fn a_plan_switched_off_disconnects_and_takes_no_seat_when_it_comes_back() {
        let mut world = drive::company(12, Faults::None);
        drive::prepare(&mut world);
        let address = world.company.list[0].clone();
        drive::batch(&mut world, "w", std::slice::from_ref(&address));
        drive::run(&mut world, "w");
        drive::licence(&mut world, &address);
        let id = drive::user(&world, &address);
        let mail: BTreeSet<Guid> = world
            .tenant
            .skus
            .iter()
            .find(|s| s.id == ENTERPRISEPACK)
            .expect("the product is there")
            .plans
            .iter()
            .filter(|(_, name)| MAILBOX_PLANS.contains(&name.as_str()))
            .map(|(plan, _)| *plan)
            .collect();
        let taken = consumed(&world, ENTERPRISEPACK);
        assign_plans(&mut world, id, &[(ENTERPRISEPACK, mail)], &[]).expect("the licence is held");
        assert!(matches!(world.tenant.users[&id].recipient, Recipient::Disconnected { .. }));
        assert!(world.tenant.users[&id].licences.contains(&ENTERPRISEPACK));
        assign_plans(&mut world, id, &[(ENTERPRISEPACK, BTreeSet::new())], &[]).expect("the licence is held");
        assert!(matches!(world.tenant.users[&id].recipient, Recipient::Mailbox(_)));
        assert_eq!(consumed(&world, ENTERPRISEPACK), taken);
        let strange = BTreeSet::from([EXCHANGEDESKLESS]);
        assert!(assign_plans(&mut world, id, &[(ENTERPRISEPACK, strange)], &[]).is_err());
    }
}
