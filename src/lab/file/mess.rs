//! The mess of a company in its file: what no attribute of a directory and no
//! record of a zone says.
//!
//! The check of it, and both ways between it and a world. What is left out is not
//! there: a file gets no mess made up, but for the rows in trouble that
//! `--faults usual` deals out where the file names no `faults`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::check::Check;
use crate::lab::World;
use crate::lab::incidents::Incidents;
use crate::lab::world::{Beforehand, DeletedUser, after};
pub use crate::wire::company::mess::{Deleted, InCloud, Span, Untidy};
use crate::wire::dns::relative;
use crate::wire::guid::Guid;

fn span(times: Option<(Timestamp, Timestamp)>) -> Option<Span> {
    times.map(|(from, until)| Span { from, until })
}

/// The mess of a world; none of a tidy one.
pub(super) fn of(world: &World) -> Option<Untidy> {
    let company = &world.company;
    let incidents = &company.incidents;
    let number = |n: u64| i64::try_from(n).ok();
    let untidy = Untidy {
        in_cloud: company
            .beforehand
            .iter()
            .map(|(address, what)| {
                let what = match what {
                    Beforehand::Licensed => InCloud::Licensed,
                    Beforehand::Mailbox => InCloud::Mailbox,
                };
                (address.clone(), what)
            })
            .collect(),
        former_dns: company.former.clone(),
        unreadable: company.unreadable.iter().filter_map(|(a, n)| Some((a.clone(), number(*n)?))).collect(),
        twice_listed: company.twice.clone(),
        inside_zones: world.inside.keys().map(|apex| relative(apex)).collect(),
        earlier_batch: company.earlier_batch.iter().cloned().collect(),
        filter: company.filter.as_ref().map(|(name, value)| format!("{name}={value}")),
        sessions: company.sessions.and_then(number),
        synchronization_stops: span(incidents.synchronization_stops),
        replica_lag_minutes: Some(incidents.replica_lag / 60).filter(|m| *m > 0),
        helpdesk: incidents.helpdesk,
        certificate_in_batch: incidents.certificate_in_batch.and_then(number),
        password_out: span(incidents.password_out),
        strict_senders: company.strict_senders.clone(),
        large_senders: company.large_senders.clone(),
        own_senders: company.own_senders.clone(),
        devices: company.devices.clone(),
        deleted_users: world
            .tenant
            .deleted
            .iter()
            .map(|d| Deleted { address: Some(d.upn.clone()), name: d.name.clone(), id: Some(d.id.to_string()) })
            .collect(),
        named: company.messes.clone(),
    };
    (untidy != Untidy::default()).then_some(untidy)
}

/// Lays the mess of a file over a world.
pub(super) fn lay(world: &mut World, untidy: &Untidy) {
    let lower = |a: &String| a.to_lowercase();
    let number = |n: i64| u64::try_from(n).ok();
    let spelled: BTreeMap<String, String> = world.company.list.iter().map(|a| (lower(a), a.clone())).collect();
    let deleted = untidy.deleted_users.iter().filter_map(|d| {
        let upn = d.address.clone()?;
        let id =
            d.id.as_deref().and_then(Guid::parse).unwrap_or_else(|| world.guid("deleted-user", &upn.to_lowercase()));
        Some(DeletedUser { id, upn, name: d.name.clone(), deleted: after(world.began, -9 * 86_400) })
    });
    world.tenant.deleted = deleted.collect();
    for domain in &untidy.inside_zones {
        crate::lab::mess::copy_inside(world, &domain.to_lowercase());
    }
    let company = &mut world.company;
    company.twice.clone_from(&untidy.twice_listed);
    for (address, what) in &untidy.in_cloud {
        let what = match what {
            InCloud::Licensed => Beforehand::Licensed,
            InCloud::Mailbox => Beforehand::Mailbox,
        };
        company.beforehand.insert(lower(address), what);
    }
    company.former = untidy.former_dns.iter().map(|(a, dn)| (lower(a), dn.clone())).collect();
    company.unreadable = untidy.unreadable.iter().filter_map(|(a, n)| Some((lower(a), number(*n)?))).collect();
    company.earlier_batch =
        untidy.earlier_batch.iter().map(|a| spelled.get(&lower(a)).cloned().unwrap_or_else(|| a.clone())).collect();
    company.filter = untidy.filter.as_ref().and_then(|f| f.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned()));
    company.sessions = untidy.sessions.and_then(number);
    company.incidents = Incidents {
        synchronization_stops: untidy.synchronization_stops.map(|s| (s.from, s.until)),
        replica_lag: untidy.replica_lag_minutes.unwrap_or_default() * 60,
        helpdesk: untidy.helpdesk,
        certificate_in_batch: untidy.certificate_in_batch.and_then(number),
        password_out: untidy.password_out.map(|s| (s.from, s.until)),
        ..Incidents::default()
    };
    company.strict_senders.clone_from(&untidy.strict_senders);
    company.large_senders.clone_from(&untidy.large_senders);
    company.own_senders.clone_from(&untidy.own_senders);
    company.devices.clone_from(&untidy.devices);
    company.messes.clone_from(&untidy.named);
}

/// What is wrong with it.
pub(super) fn check(check: &mut Check<'_>) {
    let Some(untidy) = &check.file.mess else { return };
    let by_address = [
        ("in_cloud", untidy.in_cloud.keys().collect::<Vec<_>>()),
        ("former_dns", untidy.former_dns.keys().collect()),
        ("unreadable", untidy.unreadable.keys().collect()),
        ("earlier_batch", untidy.earlier_batch.iter().collect()),
    ];
    for (name, addresses) in by_address {
        for address in addresses {
            check.person(&format!("mess.{name}"), address, "person");
        }
    }
    for (number, address) in untidy.twice_listed.iter().enumerate() {
        check.address(&format!("mess.twice_listed[{number}]"), address);
    }
    let is_foreign = |d: &&String| !check.domains.contains(&d.to_lowercase());
    for domain in untidy.inside_zones.iter().filter(is_foreign).cloned().collect::<Vec<_>>() {
        let said = format!("`{domain}` is no mail domain of the company");
        check.fault("mess.inside_zones", "domain", said, "name one of the company's domains");
    }
    for (address, count) in &untidy.unreadable {
        check.number(&format!("mess.unreadable.{address}"), Some(*count), 1, 1_000_000);
    }
    if let Some(filter) =
        untidy.filter.as_ref().filter(|f| !f.split_once('=').is_some_and(|(n, v)| !n.is_empty() && !v.is_empty()))
    {
        let remedy = "write attribute=value: extensionAttribute15=NoSync";
        check.fault("mess.filter", "field", format!("`{filter}` is no attribute and value"), remedy);
    }
    check.number("mess.sessions", untidy.sessions, 1, 10_000);
    check.number("mess.replica_lag_minutes", untidy.replica_lag_minutes, 0, 7 * 24 * 60);
    check.number("mess.certificate_in_batch", untidy.certificate_in_batch, 1, 1_000);
    for (name, span) in [("synchronization_stops", untidy.synchronization_stops), ("password_out", untidy.password_out)]
    {
        if let Some(span) = span.filter(|s| s.until <= s.from) {
            let said = format!("the time ends at {}, before it begins", span.until);
            check.fault(&format!("mess.{name}"), "field", said, "write `from` before `until`");
        }
    }
    for (number, domain) in untidy.strict_senders.iter().enumerate() {
        check.host(&format!("mess.strict_senders[{number}]"), domain);
    }
    for (name, senders) in
        [("large_senders", &untidy.large_senders), ("own_senders", &untidy.own_senders), ("devices", &untidy.devices)]
    {
        for (number, sender) in senders.iter().enumerate() {
            check.address(&format!("mess.{name}[{number}]"), sender);
        }
    }
    for (number, user) in untidy.deleted_users.iter().enumerate() {
        let path = format!("mess.deleted_users[{number}]");
        match &user.address {
            Some(address) => {
                check.address(&path, address);
            }
            None => check.missing(&path, "address", "name the user as it was: ann@contoso.test"),
        }
        check.guid(&path, &user.id);
    }
    for name in untidy.named.keys().filter(|n| !crate::lab::mess::all().any(|m| m.name == **n)) {
        let said = format!("no mess is called `{name}`");
        check.fault("mess.named", "field", said, "docs/mess.md has the names; or leave it out");
    }
}
