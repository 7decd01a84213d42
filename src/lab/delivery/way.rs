//! The way of one message through the table, from host to host.
//!
//! At each host: the hop limit, the door, the recipient's row, its step. Where a
//! step leads to several recipients, each has a way of its own. It writes
//! nothing down.

use super::group;
use super::seen::{Seen, mail_user};
use super::table::{self, From, Row, Step};
use crate::lab::World;
use crate::lab::mail::Side;
use crate::lab::transport::Policy;
use crate::wire::attributes::{Proxy, domain_of, primary_smtp};
use crate::wire::guid::Guid;

/// Visits after which the old host of 2007 sees a loop (its local limit).
const OLD_VISITS: u32 = 8;
/// Hops after which an old host gives up at all (MaxHopCount).
const OLD_HOPS: u32 = 30;
/// Most rows of a way that are kept.
const MOST_ROWS: usize = 64;
/// Groups within groups, alternates of alternates.
const DEEPEST: usize = 8;

const CLOUD_LOOP: &str = "554 5.4.14 Hop count exceeded - possible mail loop ATTR34";
const OLD_LOOP: &str = "554 5.4.6 Hop count exceeded - possible mail loop";

/// A message as a host gets it.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// Envelope sender; empty for a return notice.
    pub from: &'a str,
    /// Envelope recipient.
    pub to: &'a str,
    /// The host that gets it first.
    pub entry: Side,
    /// Who hands it over.
    pub by: From,
    /// The sender is of one of the company's domains.
    pub inside: bool,
    /// What the sender's domain publishes.
    pub policy: Policy,
    /// Bytes.
    pub size: u64,
    /// A meeting request.
    pub meeting: bool,
    /// Messages to this recipient in this hour, with this one.
    pub this_hour: u32,
}

impl<'a> Letter<'a> {
    /// A small message.
    pub fn new(world: &World, entry: Side, by: From, from: &'a str, to: &'a str) -> Letter<'a> {
        let domain = domain_of(from);
        let inside = world.company.domains.contains(&domain) || domain == world.tenant.initial_domain;
        let policy = world.company.transport.senders.get(&domain).copied().unwrap_or_default();
        Letter { from, to, entry, by, inside, policy, size: 0, meeting: false, this_hour: 1 }
    }
}

/// Where a message ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// In the old mailbox (or folder) of this object (`dn_key`).
    Old(String),
    /// In the cloud mailbox of this user.
    Cloud(Guid),
    /// Returned with this text.
    Bounced(String),
    /// Sent to a foreign address.
    Out(String),
    /// In a queue for so many hours, and then returned with this text.
    Queued(u32, String),
    /// Held where only administrators look.
    Quarantined(String),
    /// With each member of a group: address and way.
    Members(Vec<(String, Way)>),
}

/// A message's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Names of the rows that decided, in order.
    pub rows: Vec<&'static str>,
    /// Where it ended.
    pub end: End,
    /// It lies in the junk folder there.
    pub junk: bool,
    /// Hours that it came late.
    pub late: u32,
    /// A room got it and doesn't answer.
    pub unanswered: bool,
    /// It lies where its recipient doesn't look now.
    pub stranded: bool,
    /// It would end so without any migration, too.
    pub anyway: bool,
    /// It went to an alternate recipient, as the mailbox's owner wished.
    pub alternate: bool,
    /// Ways of copies: to an alternate recipient, a journal, the old mailbox.
    pub copies: Vec<(String, Way)>,
}

/// The way of a plain message that a host gets for an address. `mx` says where the
/// world's resolvers see the mail of a domain lead, none if nowhere.
pub fn way(world: &World, entry: Side, from: From, to: &str, mx: &dyn Fn(&str) -> Option<Side>) -> Way {
    let sender = if from == From::Colleague { "lab.colleague" } else { "weather@partner.example" };
    let mut letter = Letter::new(world, entry, from, sender, to);
    letter.inside = from == From::Colleague;
    send(world, &letter, mx)
}

/// The way of any message.
pub fn send(world: &World, letter: &Letter<'_>, mx: &dyn Fn(&str) -> Option<Side>) -> Way {
    Walk::new(world, letter, mx, &[]).go()
}

/// What a host answers to RCPT, if it turns a recipient away: what its door
/// refuses, and what it knows there of the address.
pub fn turned_away(
    world: &World,
    host: Side,
    from: &str,
    to: &str,
    mx: &dyn Fn(&str) -> Option<Side>,
) -> Option<String> {
    let letter = Letter::new(world, host, From::Outside, from, to);
    let seen = Seen::new(&letter, world, host, From::Outside, to, mx);
    let door = table::door(host).iter().filter(|r| r.fits(&seen));
    let refused = door.filter_map(refusal).next();
    // Only what hangs on the address alone is known at RCPT.
    let at_once = ["old-no-relay", "old-unknown", "old-relay-checked", "cloud-not-accepted", "5", "27", "29"];
    let recipient = || table::recipient(&seen).filter(|r| at_once.contains(&r.name)).and_then(refusal);
    refused.or_else(recipient).map(|text| text.replace("{}", to))
}

fn refusal(row: &Row) -> Option<&'static str> {
    match row.step {
        Step::Refuse(text) => Some(text),
        _ => None,
    }
}

/// A message on its way.
struct Walk<'w> {
    world: &'w World,
    letter: &'w Letter<'w>,
    mx: &'w dyn Fn(&str) -> Option<Side>,
    /// Objects that brought the message here: groups, mailboxes with alternates.
    trail: Vec<String>,
    /// It begins on its host, as a part of a message that passed the door.
    within: bool,
    way: Way,
}

/// What a step leads to.
enum Next {
    /// Another host, or the same again.
    Host(Side, From, String),
    /// The same host, another recipient, no hop.
    Again(String),
    /// The end.
    End(End),
}

impl<'w> Walk<'w> {
    fn new(
        world: &'w World,
        letter: &'w Letter<'w>,
        mx: &'w dyn Fn(&str) -> Option<Side>,
        trail: &[String],
    ) -> Walk<'w> {
        let way = Way {
            rows: Vec::new(),
            end: End::Bounced(String::new()),
            junk: false,
            late: 0,
            unanswered: false,
            stranded: false,
            anyway: false,
            alternate: false,
            copies: Vec::new(),
        };
        Walk { world, letter, mx, trail: trail.to_vec(), within: false, way }
    }

    fn note(&mut self, row: &Row) {
        if self.way.rows.len() < MOST_ROWS {
            self.way.rows.push(row.name);
        }
        self.way.stranded |= row.stranded;
    }

    fn go(mut self) -> Way {
        self.way.end = self.end();
        let arrived = matches!(self.way.end, End::Old(_) | End::Cloud(_) | End::Members(_));
        self.way.stranded &= arrived;
        self.way.junk &= arrived;
        self.way
    }

    fn end(&mut self) -> End {
        let cloud_hops: u32 = self.world.settings.get("cloud_hop_limit").parse().unwrap_or(20);
        let local = if self.world.company.exchange == "2003" { OLD_HOPS } else { OLD_VISITS };
        let (mut side, mut from, mut to) = (self.letter.entry, self.letter.by, self.letter.to.to_owned());
        let (mut hop, mut visits, mut again) = (1, 0, false);
        let mut doors: Vec<(Side, From)> = Vec::new();
        loop {
            if !again {
                visits += u32::from(side == Side::Old);
                if side == Side::Cloud && hop > cloud_hops {
                    return End::Bounced(CLOUD_LOOP.into());
                }
                if side == Side::Old && (hop > OLD_HOPS || visits > local) {
                    return End::Bounced(OLD_LOOP.into());
                }
            }
            let seen = Seen::new(self.letter, self.world, side, from, &to, self.mx);
            let passed = again || (self.within && hop == 1) || from == From::Colleague;
            if !passed && !doors.contains(&(side, from)) {
                doors.push((side, from));
                if let Some(end) = self.door(&seen) {
                    return end;
                }
            }
            if hop == 1 && !again {
                self.moments(&seen);
            }
            let Some((row, seen)) = self.recipient(seen) else {
                return End::Bounced("550 5.4.4 Unable to route".into());
            };
            match self.step(row, &seen) {
                Next::End(end) => return end,
                Next::Again(address) => {
                    let key = seen.key.unwrap_or_default().to_owned();
                    if self.trail.contains(&key) || self.trail.len() > DEEPEST {
                        let text = if side == Side::Old { OLD_LOOP } else { CLOUD_LOOP };
                        return End::Bounced(text.into());
                    }
                    self.trail.push(key);
                    (to, again) = (address, true);
                }
                Next::Host(host, by, address) => (side, from, to, again, hop) = (host, by, address, false, hop + 1),
            }
        }
    }

    /// Asks a host's door; the end, if it goes no further.
    fn door(&mut self, seen: &Seen<'_>) -> Option<End> {
        for row in table::door(seen.host).iter().filter(|r| r.fits(seen)) {
            self.note(row);
            match row.step {
                Step::Junk => self.way.junk = true,
                Step::Late(hours) => self.way.late += hours,
                Step::Refuse(_) | Step::Wait(..) | Step::Quarantine(_) => return Some(self.stop(row, seen)),
                _ => {}
            }
        }
        None
    }

    fn moments(&mut self, seen: &Seen<'_>) {
        for row in table::moments(seen) {
            self.note(row);
            match row.step {
                Step::KeepCopy => {
                    let key = seen.key.unwrap_or_default().to_owned();
                    let kept = Way { end: End::Old(key), rows: vec![row.name], ..self.blank() };
                    self.way.copies.push((seen.to.to_owned(), kept));
                }
                Step::Journal => self.journal(row),
                _ => {}
            }
        }
    }

    fn blank(&self) -> Way {
        Walk::new(self.world, self.letter, self.mx, &[]).way
    }

    /// A journal report goes to its mailbox; the tenant takes those of other systems
    /// only with an archive for them.
    fn journal(&mut self, row: &Row) {
        let Some(address) = self.world.company.transport.journal.clone() else { return };
        let letter = Letter { to: &address, entry: Side::Old, by: From::Colleague, inside: true, ..*self.letter };
        // Reports of reports are not written.
        if self.trail.iter().any(|t| t == row.name) {
            return;
        }
        let mut report = Walk::new(self.world, &letter, self.mx, &[row.name.to_owned()]).go();
        if matches!(report.end, End::Cloud(_)) && !self.world.tenant.door.journal_archive {
            report.end =
                End::Bounced("550 5.3.190 Journaling on-premises messages to Microsoft 365 is not supported".into());
        }
        self.way.copies.push((address, report));
    }

    /// The row that decides, with what was seen: for a mailbox without a licence
    /// that of the mail user that shows.
    fn recipient<'s>(&mut self, mut seen: Seen<'s>) -> Option<(&'static Row, Seen<'s>)> {
        let mut row = table::recipient(&seen)?;
        if row.step == Step::MailUser {
            self.note(row);
            seen.cloud = mail_user(self.world, &seen.external);
            row = table::recipient(&seen).filter(|r| r.step != Step::MailUser)?;
        }
        self.note(row);
        Some((row, seen))
    }

    fn stop(&mut self, row: &Row, seen: &Seen<'_>) -> End {
        self.way.anyway = row.anyway;
        match row.step {
            Step::Wait(hours, text) => End::Queued(hours, text.replace("{}", seen.to)),
            Step::Quarantine(text) => End::Quarantined(text.into()),
            Step::Refuse(text) => End::Bounced(text.replace("{}", seen.to)),
            _ => End::Bounced("550 5.4.4 Unable to route".into()),
        }
    }

    fn step(&mut self, row: &Row, seen: &Seen<'_>) -> Next {
        let key = || seen.key.unwrap_or_default().to_owned();
        let outer = || if seen.external.is_empty() { seen.to.to_owned() } else { seen.external.clone() };
        match row.step {
            Step::DeliverOld => Next::End(End::Old(key())),
            Step::DeliverCloud | Step::Unanswered => {
                self.way.unanswered = row.step == Step::Unanswered;
                Next::End(seen.user.map_or_else(|| End::Out(seen.to.to_owned()), End::Cloud))
            }
            Step::Target if seen.targets_outside() => Next::End(End::Out(seen.target.clone())),
            Step::Target => Next::Host(Side::Cloud, From::OtherSide, seen.target.clone()),
            Step::Chain => Next::Again(seen.target.clone()),
            Step::Alternate => {
                self.way.alternate = true;
                match seen.alternate() {
                    // The service sends it on as its own.
                    Some(address) if self.leaves(seen, &address) => Next::End(End::Out(address)),
                    Some(address) => Next::Again(address),
                    None => Next::End(self.stop(row, seen)),
                }
            }
            Step::AlternateToo => {
                if let Some(address) = seen.alternate() {
                    self.branch(seen, &key(), &address);
                }
                Next::End(match (seen.host, seen.user) {
                    (Side::Cloud, Some(user)) => End::Cloud(user),
                    _ => End::Old(key()),
                })
            }
            Step::Expand => Next::End(self.expand(seen, &key())),
            Step::Connector => Next::Host(Side::Old, From::OtherSide, outer()),
            Step::ToCloud => Next::Host(Side::Cloud, From::OtherSide, seen.to.to_owned()),
            Step::Mx => match seen.mx {
                Some(side) => Next::Host(side, From::OtherSide, outer()),
                None => {
                    let text = format!("550 5.4.316 Message expired, connection refused [{}]", outer());
                    Next::End(End::Bounced(text))
                }
            },
            // The routing address may be another user's; else it goes round.
            Step::Own => Next::Host(Side::Cloud, From::OtherSide, seen.external.clone()),
            Step::Out => {
                let address = if seen.external.is_empty() { seen.to } else { &seen.external };
                Next::End(End::Out(address.to_owned()))
            }
            _ => Next::End(self.stop(row, seen)),
        }
    }

    /// Whether the cloud sends a forwarded message out: the address is none of ours.
    fn leaves(&self, seen: &Seen<'_>, address: &str) -> bool {
        let domain = domain_of(address);
        let ours = self.world.company.domains.contains(&domain) || domain == self.world.tenant.initial_domain;
        seen.host == Side::Cloud && !ours
    }

    /// A message for another recipient that begins on this host, as handed over here.
    fn onward(&self, seen: &Seen<'_>, trail: &[String], to: &str) -> Way {
        let letter = Letter { to, entry: seen.host, by: seen.from, ..*self.letter };
        let mut walk = Walk::new(self.world, &letter, self.mx, trail);
        walk.within = true;
        walk.go()
    }

    /// Copy to the alternate recipient, unless it is already on the trail: two who
    /// copy to each other are a harmless loop.
    fn branch(&mut self, seen: &Seen<'_>, key: &str, address: &str) {
        if self.trail.iter().any(|t| t == key) || self.trail.len() > DEEPEST {
            return;
        }
        let trail: Vec<String> = self.trail.iter().cloned().chain([key.to_owned()]).collect();
        let copy = match self.leaves(seen, address) {
            true => Way { end: End::Out(address.to_owned()), ..self.blank() },
            false => self.onward(seen, &trail, address),
        };
        self.way.copies.push((address.to_owned(), copy));
    }

    fn expand(&mut self, seen: &Seen<'_>, key: &str) -> End {
        if self.trail.iter().any(|t| t == key) || self.trail.len() > DEEPEST {
            // A group within itself is passed over.
            return End::Members(Vec::new());
        }
        let trail: Vec<String> = self.trail.iter().cloned().chain([key.to_owned()]).collect();
        let ways = group::members(seen).into_iter().map(|address| {
            let way = self.onward(seen, &trail, &address);
            (address, way)
        });
        End::Members(ways.collect())
    }
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
        None => {
            // Row 21: it comes back to an address made of the name.
            let text =
                format!("550 5.1.11 RESOLVER.ADR.ExRecipNotFound; not found (IMCEAEX-{})", name.replace('/', "_"));
            let letter = Letter::new(world, host, From::Colleague, "", name);
            let blank = Walk::new(world, &letter, mx, &[]).way;
            Way { rows: vec!["21"], end: End::Bounced(text), ..blank }
        }
    }
}
