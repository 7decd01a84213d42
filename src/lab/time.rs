//! The lab's time: what is due happens in order, and what happened is told in
//! order.
//!
//! Time moves only here. Equal moments are ordered by object, so nothing hangs on
//! which request came first.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::world::Due;
use super::{World, batches, licences, mail, sync};
use crate::wire::guid::hex;
use crate::wire::lab::{Digest, Event};

/// Moves the world to `to`: carries out everything due until then, in order. Never back.
pub fn advance(world: &mut World, to: Timestamp) {
    while let Some(next) = world.queue.first_entry() {
        if next.key().0 > to {
            break;
        }
        let ((at, _, _), due) = next.remove_entry();
        // A due moment in the past belongs to something entered late.
        world.now = world.now.max(at);
        happen(world, due);
    }
    world.now = world.now.max(to);
}

fn happen(world: &mut World, due: Due) {
    match due {
        Due::Sync => sync::cycle(world),
        Due::ForwardSync(user) => sync::forward(world, user),
        Due::Row { batch, address } => batches::step(world, &batch, &address),
        Due::Grace(user) => licences::grace_over(world, user),
        Due::Purge(user) => licences::purge(world, user),
        Due::Probes => mail::daily(world),
        Due::Retry(id) => mail::retry(world, &id),
        Due::BatchGone(batch) => batches::gone(world, &batch),
        Due::BatchIdle(batch) => batches::idle(world, &batch),
    }
}

/// All events sorted by (time, object, number).
pub fn sorted_events(world: &World) -> Vec<Event> {
    let mut events = world.events.clone();
    events.sort();
    events
}

/// The fingerprint over the sorted events: one line each, of time, object,
/// number, word and detail.
pub fn digest(world: &World) -> Digest {
    let mut order: Vec<&Event> = world.events.iter().collect();
    order.sort();
    let mut hash = Sha256::new();
    for event in &order {
        let head = format!("{}\t{}\t{}\t", event.time, event.object, event.number);
        hash.update(head.as_bytes());
        hash.update(event.what.as_bytes());
        hash.update(b"\t");
        // A detail of several lines must not look like two events.
        hash.update(event.detail.replace(['\n', '\r'], " ").as_bytes());
        hash.update(b"\n");
    }
    Digest { sha256: hex(&hash.finalize()), events: order.len() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Faults, drive};

    #[test]
    #[ignore = "a measurement"]
    fn measure() {
        let t0 = std::time::Instant::now();
        let mut world = drive::company(2000, Faults::Usual);
        let t1 = std::time::Instant::now();
        drive::migrate(&mut world, 100);
        let t2 = std::time::Instant::now();
        let proof = crate::lab::judge::proof(&world);
        let t3 = std::time::Instant::now();
        let d = digest(&world);
        let rss = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let rss: Vec<&str> = rss.lines().filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS")).collect();
        let left = proof.rows.iter().filter(|r| !r.reason.is_empty()).count();
        panic!(
            "build {:?} migrate {:?} proof {:?} digest {:?}, {} events, {} queue, now {}, probes {:?}, left {left}, apart {} {} without {} {} {rss:?} broken {:?}",
            t1 - t0,
            t2 - t1,
            t3 - t2,
            t3.elapsed(),
            d.events,
            world.queue.len(),
            world.now,
            (proof.probes.sent, proof.probes.lost),
            proof.hours_apart_median,
            proof.hours_apart_worst,
            proof.hours_without_old_mail_median,
            proof.hours_without_old_mail_worst,
            proof.broken
        );
    }
}
