//! Lays a file's tenant and zones over the invented ones.
//!
//! A part of `load`, in a file of its own for its length.

use std::collections::BTreeMap;

use super::load::{guid, number};
use super::{CompanyFile, Recipient};
use crate::lab::world::{Connector, Mailbox, Sku};
use crate::lab::{World, tenancy};
use crate::wire::attributes::primary_smtp;
use crate::wire::dns::{RecordSet, absolute, data, relative, text};
use crate::wire::guid::Guid;

/// Lays the tenant's facts over the invented one; how many were given.
pub(super) fn tenant(world: &mut World, file: &CompanyFile) -> u64 {
    let Some(own) = &file.tenant else { return 0 };
    let mut given = 0;
    if let Some(id) = guid(&own.id) {
        world.tenant.id = id;
    }
    for domain in own.domains.iter().flatten() {
        let name = domain.name.as_deref().unwrap_or_default().to_lowercase();
        let Some(known) = world.tenant.domains.get_mut(&name) else { continue };
        if let Some(verified) = domain.verified {
            known.verified = verified;
            given += 1;
        }
        if let Some(host) = &domain.mx_host {
            known.mx_host = relative(host);
            given += 1;
        }
        if let Some(kind) = &domain.kind {
            kind.clone_into(&mut known.domain_type);
            given += 1;
        }
        if let Some(text) = &domain.verification {
            text.clone_into(&mut known.verification);
        }
    }
    if let Some(skus) = &own.skus {
        let usual = world.tenant.skus.clone();
        let mut sku = |wanted: &super::Sku| {
            let part = wanted.part.clone().unwrap_or_default();
            let known = usual.iter().find(|s| s.part == part);
            let plans = wanted.plans.as_ref().map(|plans| {
                plans.iter().filter_map(|p| Some((Guid::parse(&p.id)?, p.name.clone()))).collect::<Vec<_>>()
            });
            given += u64::from(wanted.seats.is_some());
            Some(Sku {
                id: guid(&wanted.id).or(known.map(|k| k.id))?,
                seats: number(wanted.seats).or(known.map(|k| k.seats)).unwrap_or(usual.first().map_or(0, |s| s.seats)),
                plans: plans.or(known.map(|k| k.plans.clone()))?,
                part,
            })
        };
        world.tenant.skus = skus.iter().filter_map(&mut sku).collect();
    }
    if let Some(connectors) = &own.connectors {
        let (domains, host) = (world.company.domains.clone(), world.company.mail_host.clone());
        let usual = |outbound: bool| if outbound { vec![host.clone()] } else { Vec::new() };
        world.tenant.connectors = connectors
            .iter()
            .map(|c| Connector {
                name: c.name.clone().unwrap_or_default(),
                outbound: c.outbound,
                kind: c.kind.clone().unwrap_or_else(|| "OnPremises".into()),
                domains: c.domains.clone().unwrap_or_else(|| domains.clone()),
                smart_hosts: c.smart_hosts.clone().unwrap_or_else(|| usual(c.outbound)),
                enabled: c.enabled.unwrap_or(true),
                hosts: c.hosts.clone(),
                treat_as_internal: c.treat_as_internal,
                demands_tls: c.demands_tls,
            })
            .collect();
        given += connectors.len() as u64;
    }
    world.tenant.door = own.door.clone().unwrap_or_default();
    given + users(world, own)
}

/// Users that no synchronization brought: those of the file, or the lab's own
/// administrator; how many were given.
fn users(world: &mut World, own: &super::Tenant) -> u64 {
    let ids: BTreeMap<String, Guid> = world.tenant.skus.iter().map(|s| (s.part.clone(), s.id)).collect();
    let Some(users) = &own.users else {
        // A product that the tenant has not can't be held.
        for user in world.tenant.users.values_mut() {
            user.licences.retain(|id| ids.values().any(|known| known == id));
        }
        world.seats_taken.retain(|id, _| ids.values().any(|known| known == id));
        return 0;
    };
    world.tenant.users.clear();
    world.index.cloud.clear();
    world.seats_taken.clear();
    for facts in users {
        let Some(address) = &facts.address else { continue };
        let mut user = tenancy::blank(world, "by-hand", address);
        user.id = guid(&facts.id).unwrap_or(user.id);
        if let Some(name) = &facts.name {
            name.clone_into(&mut user.display_name);
        }
        if let Some(proxies) = &facts.proxies {
            user.proxies.clone_from(proxies);
            user.mail = primary_smtp(proxies).unwrap_or(user.mail);
        }
        if let Some(legacy) = &facts.legacy_dn {
            legacy.clone_into(&mut user.legacy_dn);
        }
        user.usage_location = facts.usage_location.clone().unwrap_or_default();
        user.licences = facts.licences.iter().filter_map(|part| ids.get(part).copied()).collect();
        user.external = facts.external.clone().unwrap_or_default();
        let items = number(facts.items).unwrap_or_default();
        user.recipient = match facts.recipient {
            Recipient::None => crate::lab::world::Recipient::None,
            Recipient::MailUser => crate::lab::world::Recipient::MailUser { external: user.external.clone() },
            Recipient::Mailbox => crate::lab::world::Recipient::Mailbox(Mailbox {
                guid: guid(&facts.mailbox_guid).unwrap_or_else(|| world.guid("mailbox", address)),
                created: world.began,
                items,
                items_total: items,
                filled: Some(world.began),
                kind: "UserMailbox".into(),
                both: false,
            }),
        };
        for id in &user.licences {
            *world.seats_taken.entry(*id).or_default() += 1;
        }
        tenancy::enter(world, user);
    }
    users.len() as u64
}

/// Puts the file's zones in the place of the invented ones; how many record sets
/// were given.
pub(super) fn zones(world: &mut World, file: &CompanyFile) -> u64 {
    let mut given = 0;
    for own in file.zones.iter().flatten() {
        let Some(apex) = &own.apex else { continue };
        let mut zone = tenancy::empty(apex, own.updates.unwrap_or(true));
        if let Some(minimum) = own.minimum.and_then(|n| u32::try_from(n).ok()) {
            zone.minimum = minimum;
        }
        for set in &own.sets {
            let kind = set.kind.as_deref().and_then(tenancy::record_type);
            let (Some(kind), Some(ttl)) = (kind, set.ttl.and_then(|n| u32::try_from(n).ok())) else { continue };
            let values = set.values.iter().filter_map(|v| Some(text(&data(kind, v).ok()?))).collect();
            let set = RecordSet::new(set.name.as_deref().unwrap_or(apex), kind, ttl, values);
            zone.sets.insert((set.name.clone(), kind.to_string()), set);
        }
        if world.company.domains.iter().any(|d| absolute(d) == zone.apex) {
            given += zone.sets.len() as u64;
        }
        world.zones.insert(zone.apex.clone(), zone);
    }
    given
}
