//! The lab's own messages, kept small.
//!
//! Two thousand people get a message or two every day for months. What is where
//! it belongs is a number; what lies in a cloud mailbox, or came to an old one
//! after its copy had begun, is kept in eight bytes, from which the whole message
//! can be told.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::World;
use super::mail::Sender;
use super::world::{Message, MessageFate, after};

/// So many of the messages of somebody who has moved are kept one by one; of the
/// others only the number.
const LATEST: usize = 64;
/// How many lost messages are named.
const SAMPLE: usize = 20;
/// Domain of the Message-IDs of probes.
const DOMAIN: &str = "probes.lab.example";

/// All probes and their fate.
#[derive(Clone, Debug, Default)]
pub struct Post {
    /// By place in the list.
    pub people: Vec<Drawer>,
    /// Sent.
    pub sent: u64,
    /// Delivered to an old mailbox.
    pub delivered_old: u64,
    /// Delivered to a cloud mailbox.
    pub delivered_cloud: u64,
    /// Came back, as it would have before the migration.
    pub returned_as_before: u64,
    /// Mail that did not arrive and counts against no row, the earliest.
    pub beside: BTreeSet<(Timestamp, String)>,
    /// Went into the junk folder.
    pub junk: u64,
    /// Some of it, the earliest: moment, address, why.
    pub junked: BTreeSet<(Timestamp, String, String)>,
    /// Came hours late.
    pub delayed: u64,
    /// Some of it.
    pub late: BTreeSet<(Timestamp, String, String)>,
    /// Some that were lost, the earliest: moment, address, text.
    pub lost: BTreeSet<(Timestamp, String, String)>,
    /// MX sets as the world's resolvers hold them, by domain: where they lead, and
    /// until when the copy is good.
    pub seen: std::collections::BTreeMap<String, Seen>,
    /// Record sets as last published: (name, type) → set.
    pub published: std::collections::BTreeMap<(String, String), crate::wire::dns::RecordSet>,
    /// Record sets as they were at the beginning.
    pub first: std::collections::BTreeMap<(String, String), crate::wire::dns::RecordSet>,
    /// How often a set, or its time to live, was brought back to what it was at the
    /// beginning: (name, word of the change) → times.
    pub brought_back: std::collections::BTreeMap<(String, String), u64>,
    /// Groups and folders on premises, and whether a message to one has many ways.
    pub written_to: Vec<(String, bool)>,
    /// What the routes remembered below were computed from.
    pub routing: u64,
}

/// A copy of an MX set at the senders' resolvers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it leads; none for nowhere.
    pub side: Option<super::mail::Side>,
    /// Until when.
    pub until: Timestamp,
}

/// One person's messages.
#[derive(Clone, Debug, Default)]
pub struct Drawer {
    /// In the old mailbox, and in its copy if it was copied.
    pub old: u64,
    /// In the old mailbox, after the copy began.
    pub late: Vec<Kept>,
    /// In the cloud mailbox.
    pub cloud: Vec<Kept>,
    /// In the cloud mailbox of somebody who has moved, and no longer told apart.
    pub settled: u64,
    /// The mailbox on premises became a mail user.
    pub has_moved: bool,
    /// Returned to the sender, or delivered to somebody else.
    pub bounced: u64,
    /// In a mailbox that is gone.
    pub vanished: u64,
    /// When the copy began; what comes to the old mailbox later is `late`.
    pub copying: bool,
    /// Whether the last one was lost: only the first of a row is told.
    pub losing: bool,
    /// Remembered ways: old host, cloud colleague, cloud from outside.
    pub ways: [Option<Landing>; 3],
    /// In the junk folder.
    pub junk: u32,
    /// Hours late.
    pub delayed: u32,
    /// Whose mail came back before anything was done: outside, colleague, cloud.
    pub refused: [bool; 3],
}

/// Eight bytes that tell a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// Seconds since the lab began.
    pub at: u32,
    /// Who sent it.
    pub sender: Sender,
    /// The how-manyth of this sender at that moment.
    pub number: u16,
}

/// Where a probe to a person ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landing {
    /// In the person's old mailbox.
    Old,
    /// In the person's cloud mailbox.
    Cloud,
    /// Nowhere the person could look, with the reason.
    Lost(String),
}

/// Writes down a probe to a person.
pub fn record(world: &mut World, place: usize, sender: Sender, landing: Landing) {
    let at = u32::try_from(world.now.as_second() - world.began.as_second()).unwrap_or(u32::MAX);
    let now = world.now;
    world.post.sent += 1;
    let Some(mailbox) = world.post.people.get_mut(place) else { return };
    let kept = Kept { at, sender, number: 0 };
    match landing {
        Landing::Old => {
            world.post.delivered_old += 1;
            mailbox.losing = false;
            if mailbox.copying {
                push(&mut mailbox.late, kept);
            } else {
                mailbox.old += 1;
            }
        }
        Landing::Cloud => {
            world.post.delivered_cloud += 1;
            mailbox.losing = false;
            push(&mut mailbox.cloud, kept);
            if mailbox.has_moved && mailbox.cloud.len() > LATEST {
                mailbox.settled += (mailbox.cloud.len() - LATEST / 2) as u64;
                mailbox.cloud.drain(..mailbox.cloud.len() - LATEST / 2);
            }
        }
        Landing::Lost(_) if mailbox.refused[sender as usize] => world.post.returned_as_before += 1,
        Landing::Lost(text) => {
            mailbox.bounced += 1;
            let first = !mailbox.losing;
            mailbox.losing = true;
            let address = world.company.list.get(place).cloned().unwrap_or_default();
            keep(&mut world.post.lost, (now, address.clone(), text.clone()));
            if first {
                world.event(&address, "message_lost", text);
            }
        }
    }
}

/// Names mail that did not arrive and counts against no row.
pub fn beside(world: &mut World, text: String) {
    keep(&mut world.post.beside, (world.now, text));
}

/// Keeps the earliest of some.
fn keep<T: Ord>(some: &mut BTreeSet<T>, one: T) {
    some.insert(one);
    if some.len() > SAMPLE {
        some.pop_last();
    }
}

/// Counts a message to a person that lies in junk, or came hours late.
pub fn noticed(world: &mut World, place: usize, sender: &str, junk: bool, late: u32) {
    let now = world.now;
    let address = world.company.list.get(place).cloned().unwrap_or_default();
    if junk {
        world.post.junk += 1;
        keep(&mut world.post.junked, (now, address.clone(), format!("from {sender}")));
    }
    if late > 0 {
        world.post.delayed += 1;
        keep(&mut world.post.late, (now, address, format!("from {sender}, {late} hours")));
    }
    if let Some(drawer) = world.post.people.get_mut(place) {
        drawer.junk += u32::from(junk);
        drawer.delayed += u32::from(late > 0);
    }
}

fn push(list: &mut Vec<Kept>, mut kept: Kept) {
    let same = list.iter().rev().take_while(|k| k.at == kept.at).filter(|k| k.sender == kept.sender).count();
    kept.number = u16::try_from(same).unwrap_or(u16::MAX);
    list.push(kept);
}

/// The copy of a person's mailbox began.
pub fn copying(world: &mut World, place: usize) {
    if let Some(mailbox) = world.post.people.get_mut(place) {
        mailbox.copying = true;
    }
}

/// The copy that began then ended well: what was in the old mailbox before it is
/// in the cloud, too.
pub fn copied(world: &mut World, place: usize, began: Timestamp) {
    let at = u32::try_from(began.as_second() - world.began.as_second()).unwrap_or(u32::MAX);
    if let Some(mailbox) = world.post.people.get_mut(place) {
        let before = mailbox.late.len();
        mailbox.late.retain(|k| k.at >= at);
        mailbox.old += (before - mailbox.late.len()) as u64;
    }
    super::work::copied(world, place, began);
}

/// A cloud mailbox was purged with what was in it.
pub fn vanished(world: &mut World, place: usize) {
    let address = world.company.list.get(place).cloned().unwrap_or_default();
    if let Some(mailbox) = world.post.people.get_mut(place) {
        mailbox.vanished += mailbox.cloud.len() as u64 + mailbox.settled;
        mailbox.settled = 0;
        mailbox.cloud.clear();
    }
    for message in world.messages.values_mut() {
        if matches!(&message.fate, MessageFate::Cloud(a) if a.eq_ignore_ascii_case(&address)) {
            message.fate = MessageFate::Vanished;
        }
    }
}

/// Message-ID of a kept probe to a person.
fn id_of(place: usize, kept: Kept) -> String {
    format!("<{}.{}.{}.{place}@{DOMAIN}>", kept.sender.letter(), kept.at, kept.number)
}

/// Person and bytes of a probe's Message-ID.
pub fn parse(id: &str) -> Option<(usize, Kept)> {
    let (local, domain) = id.trim().trim_start_matches('<').trim_end_matches('>').split_once('@')?;
    if domain != DOMAIN {
        return None;
    }
    let parts: Vec<&str> = local.split('.').collect();
    let [letter, at, number, place] = parts[..] else { return None };
    let kept = Kept { at: at.parse().ok()?, sender: Sender::of(letter)?, number: number.parse().ok()? };
    Some((place.parse().ok()?, kept))
}

/// The whole message.
pub fn tell(world: &World, place: usize, kept: Kept, fate: MessageFate) -> Message {
    let to = world.company.list.get(place).cloned().unwrap_or_default();
    Message {
        id: id_of(place, kept),
        from: kept.sender.address(world),
        subject: format!("Probe of {}", kept.sender.words()),
        sent: after(world.began, i64::from(kept.at)),
        to,
        fate,
        probe: true,
    }
}

/// Moves a kept probe to the old mailbox; false if it is in no cloud mailbox.
pub fn carry_home(world: &mut World, place: usize, kept: Kept) -> bool {
    let Some(mailbox) = world.post.people.get_mut(place) else { return false };
    let Ok(found) = mailbox
        .cloud
        .binary_search_by(|k| (k.at, k.sender, k.number).cmp(&(kept.at, kept.sender, kept.number)))
        .or_else(|_| mailbox.cloud.iter().position(|k| *k == kept).ok_or(()))
    else {
        return false;
    };
    mailbox.cloud.remove(found);
    mailbox.late.push(kept);
    world.post.delivered_cloud = world.post.delivered_cloud.saturating_sub(1);
    world.post.delivered_old += 1;
    true
}

/// Messages of a person that lie where the person does not look in the end, and
/// what happened to them, in words.
pub fn astray(world: &World, place: usize, in_cloud: bool) -> (u64, String) {
    let address = world.company.list.get(place).map(String::as_str).unwrap_or_default();
    let Some(drawer) = world.post.people.get(place) else { return (0, String::new()) };
    let mut kept = if in_cloud { drawer.late.len() as u64 } else { drawer.cloud.len() as u64 + drawer.settled };
    let returned = drawer.bounced;
    let mut vanished = drawer.vanished;
    for message in world.messages.values() {
        let own = message.to.eq_ignore_ascii_case(address);
        match &message.fate {
            MessageFate::Cloud(a) if !in_cloud && a.eq_ignore_ascii_case(address) => kept += 1,
            // What a tool sent and got back was its own test.
            MessageFate::Vanished if own => vanished += 1,
            _ => {}
        }
    }
    let side = if in_cloud { "came to the old mailbox after its copy had begun" } else { "wait in the cloud mailbox" };
    let parts = [(kept, side), (returned, "came back to the sender"), (vanished, "are gone with a purged mailbox")];
    let words: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    (kept + returned + vanished, words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{drive, mail};

    #[test]
    fn a_carried_message_moves_and_is_no_second_one() {
        let mut world = drive::troubled(1, "copy-timeout");
        drive::prepare(&mut world);
        let address = world.company.list[0].clone();
        drive::batch(&mut world, "wave", std::slice::from_ref(&address));
        drive::run(&mut world, "wave");
        drive::hours(&mut world, 30);
        let waiting = mail::messages_in_cloud(&world, &address);
        assert!(waiting.len() >= 3, "{}", waiting.len());
        assert!(waiting.iter().all(|m| m.probe && m.to == address));
        drive::modify(&mut world, &address, |e| e.set("targetAddress", Vec::new()));
        let before = (world.post.sent, world.post.delivered_old + world.post.delivered_cloud);
        let lost = astray(&world, 0, false).0;
        drive::carry_home(&mut world, &address);
        assert_eq!((world.post.sent, world.post.delivered_old + world.post.delivered_cloud), before);
        assert!(mail::messages_in_cloud(&world, &address).is_empty());
        assert_eq!(astray(&world, 0, false).0, lost - waiting.len() as u64);
        for message in &waiting {
            let now = mail::message(&world, &message.id).expect("it is kept");
            assert_eq!((now.fate, now.sent), (MessageFate::Old(address.clone()), message.sent));
        }
        // Once more changes nothing.
        let again = waiting.first().expect("there were some");
        mail::deliver(&mut world, mail::Side::Old, &again.from, &address, &again.id, &again.subject);
        assert!(world.messages.is_empty());
    }

    #[test]
    fn a_message_id_tells_person_and_moment() {
        let kept = Kept { at: 90_000, sender: Sender::Cloud, number: 2 };
        assert_eq!(parse(&id_of(17, kept)), Some((17, kept)));
        assert_eq!(parse("<one@tool.example>"), None);
        assert_eq!(parse("<x.1.2.3@probes.lab.example>"), None);
        assert!(std::mem::size_of::<Kept>() <= 8);
    }
}
