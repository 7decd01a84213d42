//! A desk: which Outlook stands there, and which mailbox it opens.
//!
//! `life-of-a-mailbox`, section 3: a profile keeps its server until the mailbox is
//! gone from it; a new one asks the service connection point (inside the domain)
//! or the names of the internet, and whoever answers decides. It changes nothing
//! outside the desk.

use hickory_proto::rr::RecordType;
use jiff::Timestamp;

use super::{KINDS, Piece};
use crate::lab::index::user_of;
use crate::lab::world::Recipient;
use crate::lab::{World, tenancy};
use crate::wire::attributes::{Proxy, domain_of};
use crate::wire::dns::{absolute, relative};

/// Desks outside the domain, which find their mailbox by name alone, in percent.
const OUTSIDE: u64 = 15;

/// What an Outlook opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opens {
    /// The mailbox on premises.
    #[default]
    Old,
    /// The mailbox in the cloud.
    Cloud,
    /// None: the profile leads nowhere.
    Nothing,
}

/// One person's desk.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// Outside the domain: no service connection point.
    pub is_outside: bool,
    /// What the profile opens.
    pub opens: Opens,
    /// Whether `opens` was looked at since the last change.
    pub is_known: bool,
    /// Made in the old mailbox after its copy began.
    pub late: Vec<Piece>,
    /// Made in the cloud mailbox, by kind.
    pub cloud: [u32; KINDS],
    /// When Outlook first opened the cloud.
    pub opened_cloud: Option<Timestamp>,
    /// Half days without any mailbox, since the names led to the cloud too early.
    pub locked_out: u32,
    /// Half days without any mailbox for another reason.
    pub without: u32,
}

impl Desk {
    /// A desk as it stands at the beginning.
    pub fn of(world: &World, place: usize) -> Desk {
        let address = world.company.list.get(place).map_or("", String::as_str).to_lowercase();
        Desk { is_outside: world.choose("desk", &address, 0) % 100 < OUTSIDE, ..Desk::default() }
    }
}

/// Whether the old server has a mailbox of a person that can be opened.
fn old_mailbox(world: &World, place: usize) -> bool {
    world.index.names.get(place).and_then(|k| world.directory.get(k)).is_some_and(|o| o.entry.has("homeMDB"))
}

/// Whether the cloud has an open mailbox of a person.
fn cloud_mailbox(world: &World, place: usize) -> bool {
    let user = user_of(world, place).and_then(|id| world.tenant.users.get(&id));
    user.is_some_and(|u| matches!(u.recipient, Recipient::Mailbox(_)))
}

/// Who answers for `autodiscover` of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    Old,
    Cloud,
    Nowhere,
}

fn autodiscover(world: &World, domain: &str) -> Leads {
    let name = absolute(&format!("autodiscover.{domain}"));
    let set = world
        .zones
        .get(&absolute(domain))
        .and_then(|z| z.sets.get(&(name, RecordType::CNAME.to_string())))
        .and_then(|s| s.values.first().map(|v| relative(v)));
    match set {
        Some(host) if host.eq_ignore_ascii_case(&world.company.mail_host) => Leads::Old,
        Some(host) if host.eq_ignore_ascii_case(tenancy::AUTODISCOVER) => Leads::Cloud,
        _ => Leads::Nowhere,
    }
}

/// What a new profile opens, and whether the names led to the cloud too early.
fn discover(world: &World, place: usize, is_outside: bool) -> (Opens, bool) {
    let old = |world: &World| match (old_mailbox(world, place), sent_on(world, place)) {
        (true, _) => Opens::Old,
        (false, true) if cloud_mailbox(world, place) => Opens::Cloud,
        _ => Opens::Nothing,
    };
    let by_hand = if old_mailbox(world, place) { Opens::Old } else { Opens::Nothing };
    let address = world.company.list.get(place).map_or("", String::as_str);
    let leads = autodiscover(world, &domain_of(address));
    // Exchange 2003 has neither Autodiscover nor a service connection point.
    if world.company.exchange == "2003" {
        return match leads {
            Leads::Cloud if cloud_mailbox(world, place) && !old_mailbox(world, place) => (Opens::Cloud, false),
            _ => (by_hand, false),
        };
    }
    if !is_outside {
        return (old(world), false);
    }
    match leads {
        Leads::Old => (old(world), false),
        Leads::Cloud if cloud_mailbox(world, place) => (Opens::Cloud, false),
        // The cloud knows a mail user only, and sends it back to the same domain.
        Leads::Cloud => (Opens::Nothing, old_mailbox(world, place)),
        Leads::Nowhere => (by_hand, false),
    }
}

/// Whether the old server sends a mail user on to the routing address.
fn sent_on(world: &World, place: usize) -> bool {
    let entry = world.index.names.get(place).and_then(|k| world.directory.get(k)).map(|o| &o.entry);
    let target = entry.and_then(|e| e.text("targetAddress")).map(|t| Proxy::parse(&t).address);
    target.is_some_and(|t| domain_of(&t) == world.tenant.initial_domain)
}

/// What a desk opens at a moment. `anew`: somebody makes a new profile, or the
/// old one asks again.
pub fn opens_again(world: &World, place: usize, desk: &mut Desk, anew: bool) {
    let still = match desk.opens {
        Opens::Old => old_mailbox(world, place),
        Opens::Cloud => cloud_mailbox(world, place),
        Opens::Nothing => false,
    };
    if still && !anew {
        desk.is_known = true;
        return;
    }
    let (opens, too_early) = discover(world, place, desk.is_outside);
    desk.opens = opens;
    desk.is_known = opens != Opens::Nothing;
    if opens == Opens::Nothing {
        let count = if too_early { &mut desk.locked_out } else { &mut desk.without };
        *count += 1;
    }
    if opens == Opens::Cloud && desk.opened_cloud.is_none() {
        desk.opened_cloud = Some(world.now);
    }
}
