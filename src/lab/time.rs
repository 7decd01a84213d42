//! The lab's time: what is due happens in order, and what happened is told in
//! order.
//!
//! Time moves only here. Equal moments are ordered by object, so nothing hangs on
//! which request came first.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::world::Due;
use super::{World, batches, incidents, licences, mail, sync, work};
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
        Due::Helpdesk => incidents::helpdesk(world),
        Due::Work => work::tick(world),
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
    use crate::lab::world::after;
    use crate::lab::{Faults, drive};

    #[test]
    fn time_never_goes_back_and_long_times_stay_small() {
        let mut world = drive::company(10, Faults::None);
        let later = after(world.now, 80 * 86_400);
        advance(&mut world, later);
        let began = world.began;
        advance(&mut world, began);
        assert_eq!(world.now, later);
        assert!(world.queue.len() < 10, "{}", world.queue.len());
        assert!(world.events.len() < 250, "{}", world.events.len());
        // Two a day to each of ten, and what people answer to old mail.
        assert!((80 * 20..80 * 21).contains(&world.post.sent), "{}", world.post.sent);
    }

    #[test]
    fn events_are_told_in_order_and_numbered() {
        let mut world = drive::company(5, Faults::None);
        drive::prepare(&mut world);
        let events = sorted_events(&world);
        assert!(events.windows(2).all(|w| w[0] <= w[1]));
        let all = digest(&world);
        assert_eq!((all.events as usize, all.sha256.len()), (events.len(), 64));
        world.event("a", "more", "line\nbreak");
        assert_ne!(digest(&world).sha256, all.sha256);
    }
}
