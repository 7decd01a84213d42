//! stub
use super::World;
use crate::wire::smtp::Reply;
/// Which host of the two a message meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The old Exchange server.
    Old,
    /// Exchange Online.
    Cloud,
}
/// The answer to RCPT TO on a host.
pub fn rcpt(_world: &mut World, _side: Side, _from: &str, _to: &str) -> Reply {
    Reply::new(250, "2.1.5 Recipient OK")
}
/// Takes a message on a host, decides its fate, and answers DATA.
pub fn deliver(_world: &mut World, _side: Side, _from: &str, _to: &str, _id: &str, _subject: &str) -> Reply {
    Reply::new(250, "2.6.0 Queued mail for delivery")
}
/// A record set was changed effectively by a signed update: event, count, probes around the change.
pub fn zone_changed(_world: &mut World, _zone: &str, _name: &str, _kind: &str) {}
