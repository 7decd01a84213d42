//! Mail beside the daily probes: partners with a strict policy, messages that are
//! too large, a web shop with our own address, devices, groups and folders.
//!
//! A handful every working day. What arrives is counted with the probes; what
//! comes back counts against a person only if it would have arrived before the
//! migration. A sender or a group that the company has not is never played.

use super::delivery::{self, End, From, Letter};
use super::mail::{self, Sender, Side};
use super::post::{self, Landing};
use super::{World, index};
use crate::wire::attributes::{domain_of, primary_smtp};

/// Bytes of a message with plans in it.
const LARGE: u64 = 24 << 20;
/// A group by query is written to this seldom, in working days; each time costs a
/// way for every member.
const GROUP_EVERY: u64 = 20;
/// Members of a group that is written to every day.
const MEMBERS_MOST: usize = 50;
/// Largest company whose groups by query are written to.
const GROUP_MOST: usize = 5_000;

/// One working day's.
pub fn day(world: &mut World) {
    let day = u64::try_from((world.now.as_second() - world.began.as_second()) / 86_400).unwrap_or_default();
    for sender in world.company.strict_senders.clone() {
        from_outside(world, &format!("alerts@{sender}"), day, 0);
    }
    if day % 7 == 1 {
        for sender in world.company.large_senders.clone() {
            from_outside(world, &sender, day, LARGE);
        }
    }
    for sender in world.company.own_senders.clone() {
        from_outside(world, &sender, day, 0);
    }
    for device in world.company.devices.clone() {
        if let Some((place, to)) = somebody(world, &device, day) {
            send(world, place, &device, &to, Side::Old, From::Colleague, 0);
        }
    }
    for (address, costly) in world.post.written_to.clone() {
        if !costly || (day % GROUP_EVERY == 2 && world.company.list.len() <= GROUP_MOST) {
            to_group(world, &address);
        }
    }
}

/// Somebody of the list, another one every day.
fn somebody(world: &World, sender: &str, day: u64) -> Option<(usize, String)> {
    let people = world.company.list.len() as u64;
    let place = usize::try_from(world.choose("visitor", sender, day) % people.max(1)).ok()?;
    Some((place, world.company.list.get(place)?.clone()))
}

fn from_outside(world: &mut World, sender: &str, day: u64, size: u64) {
    let Some((place, to)) = somebody(world, sender, day) else { return };
    let Some(side) = mail::mx_side(world, &domain_of(&to)) else { return };
    send(world, place, sender, &to, side, From::Outside, size);
}

fn send(world: &mut World, place: usize, sender: &str, to: &str, entry: Side, by: From, size: u64) {
    let mx = |domain: &str| mail::mx_side(world, domain);
    let letter = Letter { size, ..Letter::new(world, entry, by, sender, to) };
    let way = delivery::send(world, &letter, &mx);
    let (junk, late, anyway) = (way.junk, way.late, way.anyway);
    match mail::landing_of(world, place, way) {
        Landing::Lost(_) if anyway => world.post.returned_as_before += 1,
        landing => {
            let arrived = !matches!(landing, Landing::Lost(_));
            post::record(world, place, Sender::Outside, landing);
            if arrived {
                post::noticed(world, place, sender, junk, late);
            }
        }
    }
}

/// Primary addresses of groups and folders on premises, and whether a message to
/// one has many ways to go: the directory says it, whoever made the company.
pub fn groups_and_folders(world: &World) -> Vec<(String, bool)> {
    let found = world.directory.values().map(|o| &o.entry).filter_map(|entry| {
        let by_query = entry.is_a("msExchDynamicDistributionList");
        if !by_query && !entry.is_a("group") && !entry.is_a("publicFolder") {
            return None;
        }
        let address = primary_smtp(&entry.texts("proxyAddresses"))?;
        Some((address, by_query || entry.values("member").len() > MEMBERS_MOST))
    });
    found.collect()
}

fn to_group(world: &mut World, address: &str) {
    let Some(side) = mail::mx_side(world, &domain_of(address)) else { return };
    let mx = |domain: &str| mail::mx_side(world, domain);
    let sender = Sender::Outside.address(world);
    let letter = Letter::new(world, side, From::Outside, &sender, address);
    let way = delivery::send(world, &letter, &mx);
    match way.end {
        End::Bounced(_) | End::Queued(..) if way.anyway || is_for_members(world, address) => {
            world.post.returned_as_before += 1;
        }
        End::Bounced(text) | End::Queued(_, text) => post::beside(world, format!("{address}, from outside: {text}")),
        _ => {}
    }
}

/// Whether a group takes mail of colleagues only: strangers were refused before.
fn is_for_members(world: &World, address: &str) -> bool {
    let object = index::old_object(world, address).and_then(|key| world.directory.get(key));
    object.is_some_and(|o| o.entry.is_true("msExchRequireAuthToSendTo"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Faults, Options, company, drive, judge};

    fn sample() -> World {
        let options = Options { seed: 7, faults: Faults::None, list: None, make: 40 };
        company::build(&options).expect("a sample company can be built")
    }

    #[test]
    fn what_came_back_before_is_told_apart() {
        let mut world = sample();
        drive::hours(&mut world, 24 * 21);
        assert!(world.post.returned_as_before > 15, "{}", world.post.returned_as_before);
        let proof = judge::proof(&world);
        assert_eq!((proof.probes.lost, proof.probes.beside.len()), (0, 0), "{:?}", proof.probes);
    }

    #[test]
    fn a_folder_that_the_cloud_does_not_know_loses_its_mail_where_the_domain_is_authoritative() {
        let mut world = sample();
        drive::prepare(&mut world);
        for domain in world.tenant.domains.values_mut() {
            domain.domain_type = "Authoritative".into();
        }
        drive::switch(&mut world);
        drive::hours(&mut world, 48);
        let beside = judge::proof(&world).probes.beside;
        assert!(beside.iter().any(|b| b.contains("5.4.1")), "{beside:?}");
    }
}
