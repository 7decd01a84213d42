//! People who work: what they make, in which mailbox, and what of it is lost.
//!
//! Twice every working day everybody does something in the mailbox that their
//! Outlook opens. Which one that is, `desk` decides, by the profile, the service
//! connection point and Autodiscover. What is made in an old mailbox after its copy
//! began is kept by moment and kind: if the person ends in the cloud and no later
//! copy brought it over, it is lost. What is made in a cloud mailbox is lost if the
//! person ends where they were. It sends no message by itself but for replies to
//! old mail, which go the way of `delivery`.

mod desk;
mod doings;
mod verdict;

pub use desk::{Desk, Opens, opens_again};
pub use doings::tick;
pub use verdict::{Verdict, lost_of, told};

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::World;
use super::world::{Due, after};

/// What people make. The order is that of the words below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A message, in Sent Items.
    Sent,
    /// A message put into a folder.
    Filed,
    /// A draft.
    Draft,
    /// A meeting that was accepted.
    Accepted,
    /// A meeting that was changed.
    Changed,
    /// A contact or a task.
    Contact,
}

/// How many kinds there are.
pub const KINDS: usize = 6;

impl Kind {
    /// All of them, in order.
    pub const ALL: [Kind; KINDS] = [Kind::Sent, Kind::Filed, Kind::Draft, Kind::Accepted, Kind::Changed, Kind::Contact];

    /// One and several, for people.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Kind::Sent => ("sent message", "sent messages"),
            Kind::Filed => ("filed message", "filed messages"),
            Kind::Draft => ("draft", "drafts"),
            Kind::Accepted => ("accepted meeting", "accepted meetings"),
            Kind::Changed => ("changed meeting", "changed meetings"),
            Kind::Contact => ("contact or task", "contacts and tasks"),
        }
    }
}

/// Something made in an old mailbox after its copy had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Seconds since the lab began.
    pub at: u32,
    /// What it is.
    pub kind: Kind,
}

/// Everybody at work.
#[derive(Clone, Debug, Default)]
pub struct Office {
    /// By place in the list.
    pub desks: Vec<Desk>,
    /// Everything made.
    pub made: u64,
    /// What people couldn't do, in words → times.
    pub hindered: BTreeMap<&'static str, u64>,
    /// Places of the rooms on the list.
    pub rooms: Vec<usize>,
    /// Who works in whose mailbox: place → places of the mailboxes.
    pub works_for: BTreeMap<usize, Vec<usize>>,
}

/// Makes room for everybody, and lets the first working day come.
pub fn prepare(world: &mut World) {
    let place = |address: &str| super::index::place(world, address);
    let mut works_for: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let delegates = world.company.delegates.iter().map(|(boss, delegate)| (boss, delegate));
    let holders = world.company.permissions.iter().filter(|p| p.full).map(|p| (&p.mailbox, &p.holder));
    for (owner, worker) in delegates.chain(holders) {
        if let (Some(owner), Some(worker)) = (place(owner), place(worker)) {
            works_for.entry(worker).or_default().push(owner);
        }
    }
    let names = world.index.names.iter().enumerate();
    let is_room = |key: &String| {
        world.directory.get(key).is_some_and(|o| o.entry.number("msExchRecipientTypeDetails") == Some(16))
    };
    let rooms = names.filter(|(_, key)| is_room(key)).map(|(place, _)| place).collect();
    let desks = (0..world.company.list.len()).map(|place| Desk::of(world, place)).collect();
    world.office = Office { desks, rooms, works_for, ..Office::default() };
    let first = next_tick(world.now);
    world.later(first, "people at work", Due::Work);
}

/// The next half working day after a moment: ten in the morning or three in the
/// afternoon (UTC) of Monday to Friday.
fn next_tick(now: Timestamp) -> Timestamp {
    let hour = |n: i64| n * 3600;
    let midnight = now.as_second().div_euclid(86_400) * 86_400;
    (0..8)
        .flat_map(|day| [10, 15].map(|h| midnight + day * 86_400 + hour(h)))
        .filter_map(|second| Timestamp::from_second(second).ok())
        .find(|t| *t > now && is_working_day(*t))
        .unwrap_or_else(|| after(now, 86_400))
}

fn is_working_day(moment: Timestamp) -> bool {
    !matches!(moment.to_zoned(TimeZone::UTC).weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// The copy that began then ended well: what was made before it is in the cloud.
pub fn copied(world: &mut World, place: usize, began: Timestamp) {
    let at = u32::try_from(began.as_second() - world.began.as_second()).unwrap_or(u32::MAX);
    if let Some(desk) = world.office.desks.get_mut(place) {
        desk.late.retain(|piece| piece.at >= at);
    }
}

/// Something about a person changed: what their Outlook opens is looked at again.
pub fn touch(world: &mut World, place: usize) {
    if let Some(desk) = world.office.desks.get_mut(place) {
        desk.is_known = false;
    }
}

#[cfg(test)]
mod tests;
