//! stub
use super::World;
use crate::wire::lab::{Digest, Event};
use jiff::Timestamp;
/// Moves the world to `to`: carries out everything due until then, in order. Never back.
pub fn advance(_world: &mut World, _to: Timestamp) {}
/// All events sorted by (time, object, number).
pub fn sorted_events(_world: &World) -> Vec<Event> {
    Vec::new()
}
/// The fingerprint over the sorted events.
pub fn digest(_world: &World) -> Digest {
    Digest { sha256: String::new(), events: 0 }
}
