//! Mail: what the two hosts answer, what becomes of a message, and the probes.
//!
//! The way of a message is decided in `delivery`; here are the senders, the names
//! as the world's resolvers see them, and what arrives. Nothing is sent outside.

use hickory_proto::rr::RecordType;

use super::delivery::{End, From, Letter, Way, way};
use super::index::place;
use super::post::{self, Drawer, Landing, Seen};
use super::transport::Route;
use super::world::{Due, Message, MessageFate, after};
use super::{World, delivery, index, work};
use crate::wire::attributes::domain_of;
use crate::wire::dns::{absolute, relative};
use crate::wire::smtp::Reply;

/// Which host of the two a message meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The old Exchange server.
    Old,
    /// Exchange Online.
    Cloud,
}

/// Who sends a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Sender {
    /// A stranger, by the public MX.
    Outside,
    /// A colleague with an old mailbox.
    Colleague,
    /// A colleague with a cloud mailbox.
    Cloud,
}

impl Sender {
    /// One letter, for Message-IDs.
    pub fn letter(self) -> char {
        match self {
            Sender::Outside => 'o',
            Sender::Colleague => 'h',
            Sender::Cloud => 'c',
        }
    }

    /// Back from the letter.
    pub fn of(letter: &str) -> Option<Sender> {
        [Sender::Outside, Sender::Colleague, Sender::Cloud].into_iter().find(|s| letter == s.letter().to_string())
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Sender::Outside => "a sender outside",
            Sender::Colleague => "a colleague on premises",
            Sender::Cloud => "a colleague in the cloud",
        }
    }

    /// Envelope sender.
    pub fn address(self, world: &World) -> String {
        let main = world.company.domains.first().map_or("", String::as_str);
        match self {
            Sender::Outside => "weather@partner.example".into(),
            Sender::Colleague => format!("lab.colleague@{main}"),
            Sender::Cloud => format!("lab.colleague@{}", world.tenant.initial_domain),
        }
    }
}

/// Makes room for everybody's messages and notes what the zones say now.
pub fn prepare(world: &mut World) {
    world.post.people = vec![Drawer::default(); world.company.list.len()];
    let sets = world.zones.values().flat_map(|z| z.sets.iter().map(|(k, s)| (k.clone(), s.clone())));
    world.post.published = sets.collect();
    world.post.first = world.post.published.clone();
    world.post.written_to = super::visitors::groups_and_folders(world);
    for who in 0..world.company.list.len() {
        let refused = [Sender::Outside, Sender::Colleague, Sender::Cloud]
            .map(|sender| matches!(landing(world, who, sender), Landing::Lost(_)));
        if let Some(drawer) = world.post.people.get_mut(who) {
            drawer.refused = refused;
        }
    }
}

/// Where an MX set leads: to the lowest preference of a host that the lab knows.
fn side_of(world: &World, values: &[String]) -> Option<Side> {
    let mut hosts: Vec<(u16, String)> = values
        .iter()
        .filter_map(|v| v.split_once(' '))
        .filter_map(|(preference, host)| Some((preference.trim().parse().ok()?, relative(host))))
        .collect();
    hosts.sort();
    hosts.into_iter().find_map(|(_, host)| {
        if host.eq_ignore_ascii_case(&world.company.mail_host) {
            return Some(Side::Old);
        }
        if let Some(gateway) = world.company.transport.gateway.as_ref().filter(|g| g.host.eq_ignore_ascii_case(&host)) {
            return Some(if gateway.route == Route::Old { Side::Old } else { Side::Cloud });
        }
        world.tenant.domains.values().any(|d| d.mx_host.eq_ignore_ascii_case(&host)).then_some(Side::Cloud)
    })
}

/// The host of an MX set with the lowest preference.
pub fn best_host(values: &[String]) -> Option<String> {
    let hosts = values.iter().filter_map(|v| v.split_once(' '));
    hosts.filter_map(|(p, host)| Some((p.trim().parse::<u16>().ok()?, relative(host)))).min().map(|(_, host)| host)
}

/// Whether a smart host leads to the old host, by itself or through the gateway.
pub fn is_old_host(world: &World, host: &str) -> bool {
    let gateway = world.company.transport.gateway.as_ref().filter(|g| g.route == Route::Old);
    host.eq_ignore_ascii_case(&world.company.mail_host) || gateway.is_some_and(|g| g.host.eq_ignore_ascii_case(host))
}

fn published_mx(world: &World, domain: &str) -> Option<(Option<Side>, u32)> {
    let name = absolute(domain);
    let set = world.zones.get(&name)?.sets.get(&(name.clone(), RecordType::MX.to_string()))?;
    Some((side_of(world, &set.values), set.ttl))
}

/// Where senders outside bring the mail of a domain: as their resolvers hold it,
/// else as it is published.
pub fn mx_side(world: &World, domain: &str) -> Option<Side> {
    let domain = domain.to_lowercase();
    match world.post.seen.get(&domain) {
        Some(seen) if seen.until > world.now => seen.side,
        _ => published_mx(world, &domain).and_then(|(side, _)| side),
    }
}

/// Where a probe to a person ends now.
pub fn landing(world: &World, who: usize, sender: Sender) -> Landing {
    let Some(to) = world.company.list.get(who) else { return Landing::Lost("nobody".into()) };
    let (entry, from) = match sender {
        Sender::Colleague => (Side::Old, From::Colleague),
        Sender::Cloud => (Side::Cloud, From::Colleague),
        Sender::Outside => match mx_side(world, &domain_of(to)) {
            Some(side) => (side, From::Outside),
            None => return Landing::Lost("no mail host is published for the domain".into()),
        },
    };
    let mx = |domain: &str| mx_side(world, domain);
    let found = way(world, entry, from, to, &mx);
    landing_of(world, who, found)
}

/// What a way means for a person on the list.
pub fn landing_of(world: &World, who: usize, found: Way) -> Landing {
    if found.alternate && matches!(found.end, End::Old(_) | End::Cloud(_) | End::Out(_)) {
        // Somebody else reads it, as the owner wished; it is where it should be.
        // Whether a copy must stay is a rule of its own (`copy-not-kept`).
        return if looks_in_cloud(world, who) { Landing::Cloud } else { Landing::Old };
    }
    match found.end {
        End::Old(key) if world.index.names.get(who) == Some(&key) => Landing::Old,
        End::Cloud(user) if index::place_of(world, user) == Some(who) => Landing::Cloud,
        End::Old(_) | End::Cloud(_) => Landing::Lost("delivered to another mailbox".into()),
        End::Out(address) => Landing::Lost(format!("sent out of the company, to {address}")),
        End::Bounced(text) | End::Queued(_, text) | End::Quarantined(text) => Landing::Lost(text),
        End::Members(_) => Landing::Lost("a group has the address".into()),
    }
}

/// Whether a person's mail belongs into the cloud mailbox by what the directory says.
fn looks_in_cloud(world: &World, who: usize) -> bool {
    let entry = world.index.names.get(who).and_then(|k| world.directory.get(k)).map(|o| &o.entry);
    entry.is_some_and(|e| !e.has("homeMDB") || e.has("targetAddress"))
}

/// Something about a person changed: its remembered ways are forgotten.
pub fn touch(world: &mut World, who: usize) {
    work::touch(world, who);
    if let Some(mailbox) = world.post.people.get_mut(who) {
        mailbox.ways = Default::default();
    }
}

/// Something about everybody changed.
pub fn forget_routes(world: &mut World) {
    for mailbox in &mut world.post.people {
        mailbox.ways = Default::default();
    }
}

/// A fingerprint of what routes depend on beside the people themselves; others
/// change connectors and domains without telling.
fn routing(world: &World) -> u64 {
    let mut text = String::new();
    for c in &world.tenant.connectors {
        text.push_str(&format!("{}{}{:?}{:?};", c.outbound, c.enabled, c.domains, c.smart_hosts));
    }
    for (name, d) in &world.tenant.domains {
        text.push_str(&format!("{name}{}{}{:?};", d.verified, d.domain_type, mx_side(world, name)));
    }
    super::world::choose(world.seed, "routing", &text, 0)
}

/// The daily messages: to everybody one from outside, and one from a colleague,
/// whose side alternates.
pub fn daily(world: &mut World) {
    let routing = routing(world);
    if routing != world.post.routing {
        forget_routes(world);
        world.post.routing = routing;
    }
    let day = (world.now.as_second() - world.began.as_second()) / 86_400;
    let sides: Vec<Option<Side>> =
        world.company.list.iter().map(|a| domain_of(a)).map(|d| mx_side(world, &d)).collect();
    let before = (world.post.delivered_old, world.post.delivered_cloud, world.post.sent);
    for who in 0..world.company.list.len() {
        let inside = if (who as i64 + day) % 2 == 0 { Sender::Colleague } else { Sender::Cloud };
        for sender in [Sender::Outside, inside] {
            let slot = match (sender, sides.get(who).copied().flatten()) {
                (Sender::Colleague, _) => 0,
                (Sender::Cloud, _) => 1,
                (Sender::Outside, Some(Side::Cloud)) => 2,
                // From outside the old host treats nobody else than from inside.
                (Sender::Outside, _) => 0,
            };
            let known = world.post.people.get(who).and_then(|m| m.ways.get(slot).cloned().flatten());
            let landing = match known {
                Some(landing) => landing,
                None => {
                    let landing = landing(world, who, sender);
                    if let Some(way) = world.post.people.get_mut(who).and_then(|m| m.ways.get_mut(slot)) {
                        *way = Some(landing.clone());
                    }
                    landing
                }
            };
            post::record(world, who, sender, landing);
        }
    }
    let old = world.post.delivered_old - before.0;
    let cloud = world.post.delivered_cloud - before.1;
    let lost = world.post.sent - before.2 - old - cloud;
    world.event("probes", "daily_probes", format!("{old} old, {cloud} cloud, {lost} lost"));
    let next = after(world.now, 86_400);
    world.later(next, "probes", Due::Probes);
}

/// A message to the person around a change.
pub fn around_change(world: &mut World, who: usize, sender: Sender) {
    let landing = landing(world, who, sender);
    post::record(world, who, sender, landing);
}

/// The answer to RCPT TO on a host.
pub fn rcpt(world: &mut World, side: Side, from: &str, to: &str) -> Reply {
    let domain = domain_of(to);
    if to.trim().is_empty() || domain.is_empty() {
        return Reply::new(501, "5.1.3 Invalid address");
    }
    let mx = |domain: &str| mx_side(world, domain);
    match delivery::turned_away(world, side, from, to, &mx) {
        None => Reply::new(250, "2.1.5 Recipient OK"),
        Some(text) => {
            let (code, text) = text.split_once(' ').unwrap_or(("550", text.as_str()));
            Reply::new(code.parse().unwrap_or(550), text)
        }
    }
}

/// Takes a message on a host, decides its fate, and answers DATA. The same
/// Message-ID again moves the message; it is no second one.
pub fn deliver(world: &mut World, side: Side, from: &str, to: &str, id: &str, subject: &str) -> Reply {
    hand_over(world, side, From::Outside, from, to, id, subject)
}

/// A user of one side sends a message from its own mailbox (Graph's `sendMail`,
/// for the cloud).
pub fn submit(world: &mut World, side: Side, from: &str, to: &str, id: &str, subject: &str) -> Reply {
    hand_over(world, side, From::Colleague, from, to, id, subject)
}

fn hand_over(world: &mut World, side: Side, by: From, from: &str, to: &str, id: &str, subject: &str) -> Reply {
    let mx = |domain: &str| mx_side(world, domain);
    let letter = Letter::new(world, side, by, from, to);
    let found = delivery::send(world, &letter, &mx);
    let accepted = Reply::new(250, format!("2.6.0 {id} Queued mail for delivery"));
    let fate = match outcome(found.end.clone()) {
        End::Old(key) => MessageFate::Old(holder(world, &key).unwrap_or_else(|| to.to_owned())),
        End::Cloud(user) => {
            let name = index::place_of(world, user).and_then(|p| world.company.list.get(p).cloned());
            let mail = world.tenant.users.get(&user).map(|u| u.mail.clone()).unwrap_or_default();
            MessageFate::Cloud(name.unwrap_or(mail))
        }
        End::Out(address) => MessageFate::Bounced(format!("550 5.4.4 {address} is not reachable from the lab")),
        End::Bounced(text) => MessageFate::Bounced(text),
        End::Quarantined(text) => MessageFate::Bounced(text),
        End::Queued(hours, text) => queue(world, side, id, hours, text),
        End::Members(_) => MessageFate::Bounced("550 5.1.1 the group has no members".into()),
    };
    if let Some((who, kept)) = post::parse(id) {
        let own = world.company.list.get(who).cloned().unwrap_or_default();
        if matches!(&fate, MessageFate::Old(a) if a.eq_ignore_ascii_case(&own)) && post::carry_home(world, who, kept) {
            world.event(&own, "message_carried_home", "");
        }
        return accepted;
    }
    let sent = world.messages.get(id).map_or(world.now, |m| m.sent);
    let what = match &fate {
        MessageFate::Queued => "message_queued",
        MessageFate::Old(_) => "message_delivered_old",
        MessageFate::Cloud(_) => "message_delivered_cloud",
        _ => "message_returned",
    };
    let message = Message {
        id: id.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        subject: subject.to_owned(),
        sent,
        fate,
        probe: false,
    };
    world.messages.insert(id.to_owned(), message);
    world.event(&to.to_lowercase(), what, if found.junk { "junk" } else { "" });
    accepted
}

/// Of a message to a group, what concerns its sender: what came back, else the
/// first mailbox that it is in.
fn outcome(end: End) -> End {
    let End::Members(ways) = end else { return end };
    let mut ends: Vec<End> = ways.into_iter().map(|(_, way)| outcome(way.end)).collect();
    let returned = ends.iter().position(|e| matches!(e, End::Bounced(_) | End::Queued(..)));
    match returned {
        Some(place) => ends.swap_remove(place),
        None => ends.into_iter().next().unwrap_or(End::Members(Vec::new())),
    }
}

/// A message that waits is tried again every hour until its time is over.
fn queue(world: &mut World, side: Side, id: &str, hours: u32, text: String) -> MessageFate {
    let sent = world.messages.get(id).map_or(world.now, |m| m.sent);
    if after(sent, i64::from(hours) * 3600) <= world.now {
        return MessageFate::Bounced(text);
    }
    // Where it began, so that another try takes the same way.
    world.attempts.insert(format!("queued-on\0{id}"), u64::from(side == Side::Cloud));
    let at = after(world.now, 3600);
    world.later(at, id, Due::Retry(id.to_owned()));
    MessageFate::Queued
}

/// The listed mailbox of a directory object.
fn holder(world: &World, key: &str) -> Option<String> {
    world.index.places.get(key).and_then(|p| world.company.list.get(*p)).cloned()
}

/// A message waiting in a queue is tried again.
pub fn retry(world: &mut World, id: &str) {
    let Some(message) = world.messages.get(id).filter(|m| m.fate == MessageFate::Queued).cloned() else { return };
    let cloud = world.attempts.get(&format!("queued-on\0{id}")) == Some(&1);
    let side = if cloud { Side::Cloud } else { Side::Old };
    deliver(world, side, &message.from, &message.to, id, &message.subject);
}

/// Messages in the cloud mailbox of an address (any of its addresses), oldest first.
pub fn messages_in_cloud(world: &World, address: &str) -> Vec<Message> {
    let who =
        index::cloud_user(world, address).and_then(|u| index::place_of(world, u)).or_else(|| place(world, address));
    let name = who.and_then(|w| world.company.list.get(w).cloned()).unwrap_or_else(|| address.to_owned());
    let mut found: Vec<Message> = world
        .messages
        .values()
        .filter(|m| matches!(&m.fate, MessageFate::Cloud(a) if a.eq_ignore_ascii_case(&name)))
        .cloned()
        .collect();
    if let Some((who, mailbox)) = who.and_then(|w| Some((w, world.post.people.get(w)?))) {
        found.extend(mailbox.cloud.iter().map(|k| post::tell(world, who, *k, MessageFate::Cloud(name.clone()))));
    }
    found.sort_by(|a, b| (a.sent, &a.id).cmp(&(b.sent, &b.id)));
    found
}

/// A message by its Message-ID, with angle brackets: the tool's own, or a probe
/// that is kept. Probes that arrived in an old mailbox before its copy are only
/// counted.
pub fn message(world: &World, id: &str) -> Option<Message> {
    if let Some(message) = world.messages.get(id) {
        return Some(message.clone());
    }
    let (who, kept) = post::parse(id)?;
    let mailbox = world.post.people.get(who)?;
    let address = world.company.list.get(who)?.clone();
    if mailbox.cloud.contains(&kept) {
        return Some(post::tell(world, who, kept, MessageFate::Cloud(address)));
    }
    mailbox.late.contains(&kept).then(|| post::tell(world, who, kept, MessageFate::Old(address)))
}

/// A record set was changed effectively by a signed update: event, count, probes around the change.
pub fn zone_changed(world: &mut World, zone: &str, name: &str, kind: &str) {
    let (apex, owner, kind) = (absolute(zone), absolute(name), kind.to_uppercase());
    let key = (owner.clone(), kind.clone());
    let first = world.post.first.get(&key).cloned();
    let now_set = world.zones.get(&apex).and_then(|z| z.sets.get(&key)).cloned();
    let before = match &now_set {
        Some(set) => world.post.published.insert(key, set.clone()),
        None => world.post.published.remove(&key),
    };
    // A new time to live alone is a change of its own kind.
    let same = before.as_ref().map(|s| &s.values) == now_set.as_ref().map(|s| &s.values);
    let word = if same { format!("{}-ttl", kind.to_lowercase()) } else { kind.to_lowercase() };
    world.wrote("zone", &owner, &word);
    let is_first = match same {
        true => now_set == first,
        false => now_set.as_ref().map(|s| &s.values) == first.as_ref().map(|s| &s.values),
    };
    if is_first {
        *world.post.brought_back.entry((owner.clone(), word.clone())).or_default() += 1;
    }
    let detail = match &now_set {
        Some(set) => format!("{kind} {} ttl {}", set.values.join(", "), set.ttl),
        None => format!("{kind} removed"),
    };
    world.event(&owner, "zone_changed", detail);
    if kind != "MX" || same {
        return;
    }
    let domain = relative(&owner);
    let seen = match (before, now_set) {
        // Somebody asks in an empty moment and remembers that there is no mail here
        // (RFC 2308: for the zone's negative time to live).
        (Some(_), None) => {
            let negative = world.zones.get(&apex).map_or(0, |z| z.minimum);
            Some(Seen { side: None, until: after(world.now, i64::from(negative)) })
        }
        // Somebody asked just before and keeps the old set for its whole life.
        (Some(set), _) => Some(Seen { side: side_of(world, &set.values), until: after(world.now, i64::from(set.ttl)) }),
        (None, _) => None,
    };
    if let Some(seen) = seen {
        world.post.seen.insert(domain.clone(), seen);
    }
    forget_routes(world);
    for who in 0..world.company.list.len() {
        if world.company.list.get(who).is_some_and(|a| domain_of(a) == domain) {
            around_change(world, who, Sender::Outside);
        }
    }
}

/// The rows of the delivery table by which a probe to a person goes now.
pub fn rows(world: &World, who: usize, sender: Sender) -> Vec<&'static str> {
    let Some(to) = world.company.list.get(who) else { return Vec::new() };
    let (entry, from) = match sender {
        Sender::Colleague => (Side::Old, From::Colleague),
        Sender::Cloud => (Side::Cloud, From::Colleague),
        Sender::Outside => (mx_side(world, &domain_of(to)).unwrap_or(Side::Old), From::Outside),
    };
    let mx = |domain: &str| mx_side(world, domain);
    delivery::way(world, entry, from, to, &mx).rows
}
