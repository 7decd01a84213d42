//! What people do in half a working day.
//!
//! Every choice is a hash of the person and the half day, so nothing hangs on who
//! comes first.

use super::desk::{Desk, Opens, opens_again};
use super::{Kind, Piece, next_tick};
use crate::lab::index::user_of;
use crate::lab::mail::{self, Sender, Side};
use crate::lab::post::{self, Landing};
use crate::lab::world::{Due, Recipient};
use crate::lab::{World, delivery, visitors};
use crate::wire::attributes::primary_smtp;

/// One in so many makes a new profile in half a day.
const NEW_PROFILE: u64 = 800;
/// One in so many desks outside the domain asks the names again in half a day.
const ASKS_AGAIN: u64 = 10;
/// One in so many answers an old internal message in half a day.
const ANSWERS: u64 = 60;
/// One in so many books a room in half a day.
const BOOKS: u64 = 40;
/// Most answers to old mail that are followed on their way in half a day.
const FOLLOWED: usize = 12;

const NO_DELEGATE: &str = "times a delegate could not open the other's mailbox";
const NO_ROOM: &str = "times a room did not answer";
const NO_MAILBOX: &str = "half days without any mailbox";
const NO_WAY: &str = "half days locked out, as the names led to the cloud too early";

/// Half a working day of everybody; the next follows by itself.
pub fn tick(world: &mut World) {
    let at = u32::try_from(world.now.as_second() - world.began.as_second()).unwrap_or(u32::MAX);
    let turn = u64::from(at / 3600);
    let mut desks = std::mem::take(&mut world.office.desks);
    let mut made = 0;
    let (mut nowhere, mut too_early) = (0, 0);
    let mut extra = Extra::default();
    for (place, desk) in desks.iter_mut().enumerate() {
        let choice = mixed(world.seed, place as u64, turn);
        let anew = choice.is_multiple_of(NEW_PROFILE) || (desk.is_outside && (choice >> 8).is_multiple_of(ASKS_AGAIN));
        if !desk.is_known || anew {
            let before = (desk.without, desk.locked_out);
            opens_again(world, place, desk, anew);
            nowhere += u64::from(desk.without > before.0);
            too_early += u64::from(desk.locked_out > before.1);
        }
        if desk.opens == Opens::Nothing {
            continue;
        }
        let copying = world.post.people.get(place).is_some_and(|d| d.copying);
        for kind in doings(choice >> 16) {
            made += 1;
            note(desk, copying, at, kind);
        }
        if (choice >> 40).is_multiple_of(ANSWERS) && extra.answers.len() < FOLLOWED {
            extra.answers.push((place, desk.opens, choice));
        }
        if (choice >> 48).is_multiple_of(BOOKS) {
            extra.bookings.push((place, desk.opens, choice));
        }
    }
    extra.bosses(world, &mut desks, at, &mut made);
    world.office.desks = desks;
    let hinder = |world: &mut World, words: &'static str, times: u64| {
        if times > 0 {
            *world.office.hindered.entry(words).or_default() += times;
        }
    };
    hinder(world, NO_MAILBOX, nowhere);
    hinder(world, NO_WAY, too_early);
    hinder(world, NO_DELEGATE, extra.shut);
    let rooms = extra.bookings.iter().filter(|(_, opens, choice)| !room_answers(world, *opens, *choice)).count();
    hinder(world, NO_ROOM, rooms as u64);
    for (place, opens, choice) in &extra.answers {
        answer_old_mail(world, *place, *opens, *choice);
    }
    if (world.now.as_second() / 3600) % 24 < 12 {
        visitors::day(world);
    }
    world.office.made += made;
    let detail = format!(
        "{made} made, {nowhere} without a mailbox, {too_early} locked out, {} delegates, {rooms} rooms",
        extra.shut
    );
    world.event("people at work", "half_a_working_day", detail);
    let next = next_tick(world.now);
    world.later(next, "people at work", Due::Work);
}

/// What is looked at once everybody has worked.
#[derive(Default)]
struct Extra {
    /// Who answers old mail: place, side, choice.
    answers: Vec<(usize, Opens, u64)>,
    /// Who books a room.
    bookings: Vec<(usize, Opens, u64)>,
    /// Delegates before a mailbox that they can't open.
    shut: u64,
}

impl Extra {
    /// Delegates work in the mailboxes of others, on whichever side these are.
    fn bosses(&mut self, world: &World, desks: &mut [Desk], at: u32, made: &mut u64) {
        let opens: Vec<Opens> = desks.iter().map(|d| d.opens).collect();
        for (worker, owners) in &world.office.works_for {
            for owner in owners {
                let choice = mixed(world.seed ^ 1, *worker as u64 * 100_003 + *owner as u64, u64::from(at / 3600));
                if !choice.is_multiple_of(3) {
                    continue;
                }
                let (Some(mine), Some(theirs)) = (opens.get(*worker), opens.get(*owner)) else { continue };
                match (mine == theirs && *mine != Opens::Nothing, desks.get_mut(*owner)) {
                    (true, Some(desk)) => {
                        let copying = world.post.people.get(*owner).is_some_and(|d| d.copying);
                        *made += 1;
                        note(desk, copying, at, Kind::Accepted);
                    }
                    _ => self.shut += 1,
                }
            }
        }
    }
}

/// Keeps something made, where it may be lost.
fn note(desk: &mut Desk, copying: bool, at: u32, kind: Kind) {
    match desk.opens {
        Opens::Old if copying => desk.late.push(Piece { at, kind }),
        Opens::Cloud => {
            if let Some(count) = desk.cloud.get_mut(kind as usize) {
                *count += 1;
            }
        }
        // What is made before the copy comes along.
        Opens::Old | Opens::Nothing => {}
    }
}

/// What somebody makes: a message sent and one filed, and now and then more.
fn doings(choice: u64) -> impl Iterator<Item = Kind> {
    let often = [(Kind::Sent, 1), (Kind::Filed, 1), (Kind::Draft, 8), (Kind::Accepted, 4), (Kind::Changed, 12)];
    let more = [(Kind::Contact, 20)];
    often
        .into_iter()
        .chain(more)
        .enumerate()
        .filter(move |(n, (_, of))| (choice >> (n * 3)).is_multiple_of(*of))
        .map(|(_, (kind, _))| kind)
}

/// Whether a room that somebody books answers. One in the cloud takes a request
/// of the old side for one from outside, and leaves it lying (row 47).
fn room_answers(world: &World, organiser: Opens, choice: u64) -> bool {
    let rooms = &world.office.rooms;
    let Some(room) = usize::try_from(choice >> 20).ok().and_then(|n| rooms.get(n % rooms.len().max(1))) else {
        return true;
    };
    let user = user_of(world, *room).and_then(|id| world.tenant.users.get(&id));
    let in_cloud = user.is_some_and(|u| matches!(u.recipient, Recipient::Mailbox(_)));
    let forwarded =
        world.index.names.get(*room).and_then(|k| world.directory.get(k)).is_some_and(|o| o.entry.has("targetAddress"));
    !(organiser == Opens::Old && in_cloud && forwarded)
}

/// Somebody answers old internal mail of a colleague: the address is the
/// colleague's X.500 name on premises, resolved on the side of who answers.
fn answer_old_mail(world: &mut World, place: usize, opens: Opens, choice: u64) {
    let people = world.index.names.len();
    let Some(other) = usize::try_from(choice >> 24).ok().map(|n| n % people.max(1)).filter(|o| *o != place) else {
        return;
    };
    let address = world.company.list.get(other).map(|a| a.to_lowercase()).unwrap_or_default();
    let former = world.company.former.get(&address).cloned().filter(|_| choice.is_multiple_of(2));
    let (side, sender) = match opens {
        Opens::Cloud => (Side::Cloud, Sender::Cloud),
        Opens::Old | Opens::Nothing => (Side::Old, Sender::Colleague),
    };
    if former.is_some() {
        // Nobody kept that name: it came back before, and does now.
        world.post.returned_as_before += 1;
        return;
    }
    let Some(name) = world.baseline.get(&address).and_then(|e| e.text("legacyExchangeDN")) else { return };
    let mx = |domain: &str| mail::mx_side(world, domain);
    let way = match known_by(world, other, side, &name) {
        Some(address) => delivery::way(world, side, delivery::From::Colleague, &address, &mx),
        // Nobody on that side is known by it, or somebody else is.
        None => delivery::reply_way(world, side, &name, &mx),
    };
    let landing = mail::landing_of(world, other, way);
    if let (Landing::Lost(text), Side::Cloud, true) = (&landing, side, is_unknown(world, other, &address)) {
        // The cloud never learnt the name, by no fault of a tool: it is named, and
        // counts against nobody.
        post::beside(world, format!("{address}, an answer to old mail from the cloud: {text}"));
        return;
    }
    post::record(world, other, sender, landing);
}

/// Whether synchronization never brought a person's X.500 name to the cloud: an
/// object out of its scope, or one without an alias.
fn is_unknown(world: &World, place: usize, address: &str) -> bool {
    let alias = world.baseline.get(address).is_some_and(|e| e.has("mailNickname"));
    user_of(world, place).is_none() || !alias
}

/// The address of a colleague on a side where the X.500 name is known as theirs:
/// what nearly every such answer finds, without looking through everybody.
fn known_by(world: &World, place: usize, side: Side, name: &str) -> Option<String> {
    match side {
        Side::Old => {
            let entry = &world.directory.get(world.index.names.get(place)?)?.entry;
            let own = entry.text("legacyExchangeDN").is_some_and(|d| d.eq_ignore_ascii_case(name));
            primary_smtp(&entry.texts("proxyAddresses")).filter(|_| own)
        }
        Side::Cloud => {
            let user = world.tenant.users.get(&user_of(world, place)?)?;
            let is_name = |p: &String| {
                p.split_once(':').is_some_and(|(k, v)| k.eq_ignore_ascii_case("x500") && v.eq_ignore_ascii_case(name))
            };
            user.proxies.iter().any(is_name).then(|| user.mail.clone())
        }
    }
}

/// A number that hangs on the seed, the place and the half day; splitmix64, which
/// is enough for what people happen to do, and fast.
fn mixed(seed: u64, place: u64, turn: u64) -> u64 {
    let mut z = seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ turn.wrapping_mul(0xd1b5_4a32_d192_ed03);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
