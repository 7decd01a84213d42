//! A world as it is compared with another: everything that a migration brings
//! about, and nothing that hangs on the minute at which it did.
//!
//! Compared are every object of the directory with all its values; every cloud user
//! with addresses, licences, plans, and the kind and content of its recipient; the
//! tenant's domains, endpoints and batches; every record set; how often each object
//! was written effectively; how each row was judged, and by which rules. Left out
//! are times, serial and update numbers, and how much daily mail went by; lost mail
//! and lost work are looked at apart.

use std::collections::BTreeMap;

use crate::lab::world::{CloudUser, Recipient};
use crate::lab::{World, judge};
use crate::wire::guid::hex;
use crate::wire::lab::Proof;

/// Pieces of work that may be lost beside those of an undisturbed run. A run that
/// goes on looks at everything first and is minutes later; if people's hour of work
/// falls into them, those whose conversion was broken off make something more in
/// their old mailboxes. A pause or a night more would cost dozens.
const LATER: u64 = 4;

/// What is compared, each thing under its name.
#[derive(Debug, Default)]
pub(super) struct Picture {
    lines: BTreeMap<String, String>,
    /// The verdict.
    pub proof: Proof,
}

impl Picture {
    pub(super) fn of(world: &World) -> Picture {
        let mut lines = BTreeMap::new();
        for object in world.directory.values() {
            for (name, values) in object.entry.iter() {
                let mut values: Vec<String> = values.iter().map(|v| shown(v)).collect();
                values.sort();
                lines.insert(format!("directory {} {}", object.entry.dn, name.to_lowercase()), values.join("|"));
            }
        }
        for user in world.tenant.users.values() {
            lines.insert(format!("cloud {}", user.id), cloud(user));
        }
        for (name, domain) in &world.tenant.domains {
            let text = format!("verified {} {} {}", domain.verified, domain.mx_host, domain.domain_type);
            lines.insert(format!("domain {name}"), text);
        }
        for (name, endpoint) in &world.tenant.endpoints {
            let text = format!("{} {} {}", endpoint.kind, endpoint.rpc_proxy, endpoint.user);
            lines.insert(format!("endpoint {name}"), text);
        }
        for (name, batch) in &world.tenant.batches {
            let rows: Vec<String> = batch.rows.iter().map(|r| format!("{} {}", r.address, r.status)).collect();
            lines.insert(format!("batch {name}"), format!("{}: {}", batch.status, rows.join(", ")));
        }
        for zone in world.zones.values() {
            for ((owner, kind), set) in zone.sets.iter().filter(|((_, kind), _)| kind != "SOA") {
                lines.insert(format!("zone {} {owner} {kind}", zone.apex), format!("{} {:?}", set.ttl, set.values));
            }
        }
        for ((service, object, kind), times) in &world.writes {
            lines.insert(format!("written {service} {object} {kind}"), times.to_string());
        }
        let proof = judge::proof(world);
        for row in &proof.rows {
            let broken: Vec<&str> = row.broken.iter().map(|b| b.rule.as_str()).collect();
            lines.insert(format!("row {}", row.address), format!("{:?} {} {broken:?}", row.outcome, row.reason));
        }
        let broken: Vec<String> = proof.broken.iter().map(|b| format!("{}: {}", b.rule, b.text)).collect();
        lines.insert("broken".into(), broken.join("; "));
        lines.insert("messages lost".into(), proof.probes.lost.to_string());
        Picture { lines, proof }
    }

    /// What is otherwise here than there: name, there, here.
    pub(super) fn differences(&self, there: &Picture) -> Vec<String> {
        let none = String::new();
        let mut found = Vec::new();
        let names: std::collections::BTreeSet<&String> = self.lines.keys().chain(there.lines.keys()).collect();
        for name in names {
            let (before, now) = (there.lines.get(name).unwrap_or(&none), self.lines.get(name).unwrap_or(&none));
            if before != now {
                found.push(format!("{name}: `{now}` instead of `{before}`"));
            }
        }
        let (lost, before) = (self.proof.work.lost, there.proof.work.lost);
        if lost > before + LATER {
            found.push(format!("work lost: {lost} pieces instead of {before}"));
        }
        found
    }
}

fn cloud(user: &CloudUser) -> String {
    let recipient = match &user.recipient {
        Recipient::None => "nobody".to_owned(),
        Recipient::MailUser { external } => format!("mail user {external}"),
        Recipient::Mailbox(m) => {
            format!("mailbox {} {} {} filled {}", m.guid, m.kind, m.items_total, m.filled.is_some())
        }
        Recipient::Disconnected { mailbox, external, .. } => format!("disconnected {} {external}", mailbox.guid),
    };
    let mut proxies = user.proxies.clone();
    proxies.sort();
    format!(
        "{} {} {proxies:?} {} {:?} {:?} {recipient} {} {}",
        user.upn, user.mail, user.usage_location, user.licences, user.disabled_plans, user.legacy_dn, user.external
    )
}

fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => hex(value),
    }
}
