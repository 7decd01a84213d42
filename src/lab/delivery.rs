//! Who delivers what: the table, and the way of one message through it.
//!
//! The rows are those of `who-delivers-what`, section 6, by their numbers and
//! marks (D documented, O observed, I inferred, U unconfirmed); the states `o0` to
//! `o4` and `c0` to `c5` are the ones defined there. What the lab does not play
//! (groups, folders, gateways, partner locks) has no row here.

use super::index::{cloud_user, old_object};
use super::mail::Side;
use super::world::Recipient;
use super::{World, sync};
use crate::wire::attributes::{Proxy, address_key, domain_of, primary_smtp};
use crate::wire::guid::Guid;

/// Hops after which the cloud gives up (`cloud_hop_limit`, unconfirmed).
const CLOUD_HOPS: u32 = 20;
/// Hops after which the old host gives up (MaxHopCount of 2007).
const OLD_HOPS: u32 = 30;

/// What an address is on premises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// Nobody.
    O0,
    /// A mailbox.
    O1,
    /// A mailbox with a target address.
    O2,
    /// A mail user with a target address.
    O3,
    /// A mail user without one.
    O4,
    /// Several objects hold the address.
    Several,
}

/// What an address is in the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// Nobody.
    C0,
    /// A mail user with an address of the company's own domains.
    C1,
    /// A mail user with a routing address of this tenant.
    C2,
    /// A mail user with a foreign address.
    C3,
    /// A mailbox.
    C4,
    /// A mailbox that is disconnected.
    C5,
}

/// Who hands a message to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The internet.
    Outside,
    /// A colleague with a mailbox on that host.
    Colleague,
    /// The other host.
    OtherSide,
}

/// What a host does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Puts it into the old mailbox.
    DeliverOld,
    /// Puts it into the cloud mailbox.
    DeliverCloud,
    /// Sends it to the target address.
    Target,
    /// Sends it to the old host through the connector.
    Connector,
    /// Sends it where the public MX leads.
    Mx,
    /// Sends it to its own tenant again: a loop.
    Own,
    /// Asks the table again, as for the mail user that shows.
    MailUser,
    /// Sends it to a foreign address.
    Out,
    /// Returns it with a text.
    Refuse(&'static str),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Number of the row in the reference.
    pub number: u8,
    /// How sure the reference is.
    pub mark: &'static str,
    /// Where the message is.
    pub host: Side,
    /// Who handed it over; empty for anybody.
    pub from: &'static [From],
    /// On premises; empty for any.
    pub old: &'static [Old],
    /// In the tenant; empty for any.
    pub cloud: &'static [Cloud],
    /// The domain is an internal relay in the tenant.
    pub relay: Option<bool>,
    /// An outbound connector serves the domain.
    pub out: Option<bool>,
    /// Where the public MX of the domain leads.
    pub mx: Option<Side>,
    /// What happens.
    pub step: Step,
}

/// What a host sees of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The host.
    pub host: Side,
    /// Who hands it over.
    pub from: From,
    /// The recipient on premises.
    pub old: Old,
    /// The recipient in the tenant.
    pub cloud: Cloud,
    /// The domain is an internal relay in the tenant.
    pub relay: bool,
    /// An outbound connector serves the next domain.
    pub out: bool,
    /// Where the public MX of the next domain leads; none for nowhere.
    pub mx: Option<Side>,
}

const fn old(number: u8, mark: &'static str, old: &'static [Old], cloud: &'static [Cloud], step: Step) -> Row {
    Row { number, mark, host: Side::Old, from: &[], old, cloud, relay: None, out: None, mx: None, step }
}

const fn cloud(number: u8, mark: &'static str, old: &'static [Old], cloud: &'static [Cloud], step: Step) -> Row {
    Row { number, mark, host: Side::Cloud, from: &[], old, cloud, relay: None, out: None, mx: None, step }
}

use Cloud::{C0, C1, C2, C3, C4, C5};
use Old::{O0, O1, O2, O3, O4, Several};

/// The rows, most particular first; the first that fits decides.
pub const ROWS: &[Row] = &[
    // The old host.
    old(1, "D", &[O1], &[C0, C1], Step::DeliverOld),
    old(8, "D", &[O1], &[C4], Step::DeliverOld),
    old(36, "D", &[O1], &[], Step::DeliverOld),
    old(10, "D", &[O2], &[C4], Step::Target),
    old(16, "I", &[O2], &[], Step::Target),
    old(19, "D", &[O3], &[C4], Step::Target),
    old(41, "D", &[O3], &[], Step::Target),
    old(20, "D", &[O4], &[], Step::Refuse("550 5.1.1 RESOLVER.ADR.RecipNotFound; not found")),
    old(30, "D", &[O0], &[], Step::Refuse("550 5.1.1 User unknown")),
    // Not in the decision table, but in section 1.
    old(0, "O", &[Several], &[], Step::Refuse("550 5.1.4 RESOLVER.ADR.Ambiguous; ambiguous address")),
    // The cloud, with a mailbox.
    cloud(9, "D", &[O1], &[C4], Step::DeliverCloud),
    cloud(11, "D", &[O2], &[C4], Step::DeliverCloud),
    cloud(23, "D", &[O3], &[C4], Step::DeliverCloud),
    cloud(42, "D", &[], &[C4], Step::DeliverCloud),
    // A mailbox that was disconnected shows as the mail user it was.
    cloud(41, "U", &[], &[C5], Step::MailUser),
    // The cloud, with a mail user.
    Row { out: Some(true), ..cloud(2, "D", &[O1], &[C1], Step::Connector) },
    Row { out: Some(true), ..cloud(25, "D", &[], &[C1], Step::Connector) },
    Row { out: Some(false), mx: Some(Side::Cloud), from: &[From::Colleague], ..cloud(4, "D", &[], &[C1], Step::Mx) },
    Row { out: Some(false), mx: Some(Side::Cloud), ..cloud(26, "D", &[], &[C1], Step::Mx) },
    Row { out: Some(false), ..cloud(3, "O", &[], &[C1], Step::Mx) },
    cloud(18, "U", &[O2], &[C2], Step::Own),
    cloud(37, "D", &[], &[C2], Step::Own),
    cloud(0, "I", &[], &[C3], Step::Out),
    // The cloud, with nobody.
    Row { relay: Some(true), out: Some(true), ..cloud(6, "D", &[], &[C0], Step::Connector) },
    Row { relay: Some(true), out: Some(false), ..cloud(6, "D", &[], &[C0], Step::Mx) },
    Row {
        from: &[From::Colleague],
        ..cloud(
            7,
            "D",
            &[],
            &[C0],
            Step::Refuse("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
        )
    },
    cloud(5, "D", &[O1], &[C0], Step::Refuse("550 5.4.1 [{}]: Recipient address rejected: Access denied")),
    cloud(29, "D", &[], &[C0], Step::Refuse("550 5.4.1 [{}]: Recipient address rejected: Access denied")),
];

/// Where a message ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// In the old mailbox of this object (`dn_key`).
    Old(String),
    /// In the cloud mailbox of this user.
    Cloud(Guid),
    /// Returned with this text.
    Bounced(String),
    /// Sent to a foreign address.
    Out(String),
}

/// A message's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Numbers of the rows that decided, in order.
    pub rows: Vec<u8>,
    /// Where it ended.
    pub end: End,
}

/// The state of an address on premises, and its object and target.
fn old_state(world: &World, address: &str) -> (Old, String, String) {
    let none = |state| (state, String::new(), String::new());
    let Some(holders) = world.index.old.get(&address_key(address)) else { return none(O0) };
    if holders.len() > 1 {
        return none(Several);
    }
    let Some(key) = old_object(world, address) else { return none(O0) };
    let Some(object) = world.directory.get(key) else { return none(O0) };
    let target =
        object.entry.text("targetAddress").map(|t| t.split_once(':').map_or(t.clone(), |(_, rest)| rest.to_owned()));
    let state = match (object.entry.has("homeMDB"), &target) {
        (true, None) => O1,
        (true, Some(_)) => O2,
        (false, Some(_)) => O3,
        (false, None) => O4,
    };
    (state, key.to_owned(), target.unwrap_or_default())
}

/// The state of an address in the tenant, and its user and external address.
fn cloud_state(world: &World, address: &str) -> (Cloud, Option<Guid>, String) {
    let Some(id) = cloud_user(world, address) else { return (C0, None, String::new()) };
    let (state, external) = match world.tenant.users.get(&id).map(|u| &u.recipient) {
        None | Some(Recipient::None) => (C0, ""),
        Some(Recipient::Mailbox(_)) => (C4, ""),
        Some(Recipient::Disconnected { external, .. }) => (C5, external.as_str()),
        Some(Recipient::MailUser { external }) => (mail_user(world, external), external.as_str()),
    };
    (state, Some(id), external.to_owned())
}

fn mail_user(world: &World, external: &str) -> Cloud {
    let domain = domain_of(external);
    if domain == world.tenant.initial_domain {
        C2
    } else if world.tenant.domains.contains_key(&domain) {
        C1
    } else {
        C3
    }
}

/// Whether an enabled outbound connector to the old host serves a domain.
fn connected(world: &World, domain: &str) -> bool {
    world.tenant.connectors.iter().any(|c| {
        let host = |h: &String| h.eq_ignore_ascii_case(&world.company.mail_host);
        c.outbound
            && c.enabled
            && c.domains.iter().any(|d| d == "*" || d.eq_ignore_ascii_case(domain))
            && c.smart_hosts.iter().any(host)
    })
}

/// The row that decides.
pub fn row(seen: Situation) -> Option<&'static Row> {
    ROWS.iter().find(|r| {
        r.host == seen.host
            && (r.from.is_empty() || r.from.contains(&seen.from))
            && (r.old.is_empty() || r.old.contains(&seen.old))
            && (r.cloud.is_empty() || r.cloud.contains(&seen.cloud))
            && r.relay.is_none_or(|x| x == seen.relay)
            && r.out.is_none_or(|x| x == seen.out)
            && r.mx.is_none_or(|x| Some(x) == seen.mx)
    })
}

/// The way of a message that a host gets for an address. `mx` says where the
/// world's resolvers see the mail of a domain lead, none if nowhere.
pub fn way(world: &World, entry: Side, from: From, to: &str, mx: &dyn Fn(&str) -> Option<Side>) -> Way {
    let mut rows = Vec::new();
    let (mut side, mut from, mut to) = (entry, from, to.to_owned());
    let bounced = |rows: Vec<u8>, text: &str, to: &str| Way { rows, end: End::Bounced(text.replace("{}", to)) };
    for hop in 1u32.. {
        if side == Side::Cloud && hop > CLOUD_HOPS {
            return bounced(rows, "554 5.4.14 Hop count exceeded - possible mail loop ATTR34", &to);
        }
        if side == Side::Old && hop > OLD_HOPS {
            return bounced(rows, "554 5.4.6 Hop count exceeded - possible mail loop", &to);
        }
        let domain = domain_of(&to);
        let own = world.company.domains.contains(&domain);
        if side == Side::Old && !own && old_state(world, &to).0 == O0 {
            // Not the old host's own: it sends on, for those it knows.
            if from == From::Outside {
                return bounced(rows, "550 5.7.1 Unable to relay", &to);
            }
            if domain != world.tenant.initial_domain {
                return Way { rows, end: End::Out(to) };
            }
            (side, from) = (Side::Cloud, From::OtherSide);
            continue;
        }
        if side == Side::Cloud && !sync::accepted(world, &domain) {
            match (from, mx(&domain)) {
                // A colleague's mail to a domain that is not ours follows the MX.
                (From::Colleague, Some(Side::Old)) => (side, from) = (Side::Old, From::Outside),
                (From::Colleague, _) if !own => return Way { rows, end: End::Out(to) },
                _ => return bounced(rows, "550 5.4.1 Relay Access Denied [{}]", &to),
            }
            continue;
        }
        let (old, key, target) = old_state(world, &to);
        let (cloud, user, external) = cloud_state(world, &to);
        let relay =
            world.tenant.domains.get(&domain).is_some_and(|d| d.domain_type.eq_ignore_ascii_case("InternalRelay"));
        let next_domain = if external.is_empty() { domain.clone() } else { domain_of(&external) };
        let out = connected(world, &next_domain);
        let mut seen = Situation { host: side, from, old, cloud, relay, out, mx: mx(&next_domain) };
        let mut found = row(seen);
        if let Some(shown) = found.filter(|r| r.step == Step::MailUser) {
            rows.push(shown.number);
            seen.cloud = mail_user(world, &external);
            found = row(seen);
        }
        let Some(found) = found else { return bounced(rows, "550 5.4.4 Unable to route", &to) };
        if rows.len() < 64 {
            rows.push(found.number);
        }
        match found.step {
            Step::DeliverOld => return Way { rows, end: End::Old(key) },
            Step::DeliverCloud => {
                let end = user.map_or(End::Out(to), End::Cloud);
                return Way { rows, end };
            }
            Step::Refuse(text) => return bounced(rows, text, &to),
            Step::Out => return Way { rows, end: End::Out(external) },
            Step::Target => {
                let target_domain = domain_of(&target);
                if world.company.domains.contains(&target_domain) {
                    // Row 22: the organization would send to itself.
                    rows.push(22);
                    return bounced(rows, "554 5.4.6 Hop count exceeded - possible mail loop", &to);
                }
                if target_domain != world.tenant.initial_domain {
                    return Way { rows, end: End::Out(target) };
                }
                if cloud_user(world, &target).is_none() {
                    rows.push(17);
                }
                (side, from, to) = (Side::Cloud, From::OtherSide, target);
            }
            Step::Connector => {
                let next = if external.is_empty() { to } else { external };
                (side, from, to) = (Side::Old, From::OtherSide, next);
            }
            Step::Mx => {
                let next = if external.is_empty() { to } else { external };
                to = next;
                match seen.mx {
                    Some(Side::Old) => (side, from) = (Side::Old, From::OtherSide),
                    Some(Side::Cloud) => from = From::OtherSide,
                    None => return bounced(rows, "550 5.4.316 Message expired, connection refused [{}]", &to),
                }
            }
            Step::Own => {
                // The routing address may be another user's; else it goes round.
                (from, to) = (From::OtherSide, external);
            }
            Step::MailUser => return bounced(rows, "550 5.4.4 Unable to route", &to),
        }
    }
    bounced(rows, "554 5.4.6 Hop count exceeded - possible mail loop", &to)
}

/// The way of a reply to old mail: the recipient is an X.500 name, matched on the
/// host that resolves it by legacyExchangeDN, then by X500 addresses.
pub fn reply_way(world: &World, host: Side, name: &str, mx: &dyn Fn(&str) -> Option<Side>) -> Way {
    let key = format!("x500:{}", name.to_lowercase());
    let has = |proxies: &[String]| proxies.iter().any(|p| Proxy::parse(p).key() == key);
    let found = match host {
        Side::Old => world
            .directory
            .values()
            .map(|o| &o.entry)
            .find(|e| {
                e.text("legacyExchangeDN").is_some_and(|d| d.eq_ignore_ascii_case(name))
                    || has(&e.texts("proxyAddresses"))
            })
            .and_then(|e| primary_smtp(&e.texts("proxyAddresses"))),
        Side::Cloud => world
            .tenant
            .users
            .values()
            .find(|u| u.legacy_dn.eq_ignore_ascii_case(name) || has(&u.proxies))
            .map(|u| u.mail.clone()),
    };
    match found {
        Some(address) => way(world, host, From::Colleague, &address, mx),
        // Row 21: it comes back to an address made of the name.
        None => Way {
            rows: vec![21],
            end: End::Bounced(format!(
                "550 5.1.11 RESOLVER.ADR.ExRecipNotFound; not found (IMCEAEX-{})",
                name.replace('/', "_")
            )),
        },
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
