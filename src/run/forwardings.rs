//! What the service does by itself because of a start: it writes TargetAddress on
//! premises. Kept in the journal when a watch first sees it, so that an undo knows
//! the exact value. It decides nothing and changes nothing.

use serde_json::json;

use super::batches::Row;
use super::journal::{Event, GROUP, Kind};
use super::recipients;
use super::session::Session;
use crate::base::Result;
use crate::wire::attributes::{address_key, domain_of};

/// Records the forwardings of these rows that the journal does not hold yet. A
/// row without one is looked at again by the next watch.
///
/// # Errors
/// The journal can't be written.
pub async fn seen(session: &Session, rows: &[Row]) -> Result<()> {
    // A plan sees what is predicted, not what was done.
    if session.planning().is_some() {
        return Ok(());
    }
    let fresh: Vec<String> = {
        let memory = session.memory();
        let made = rows.iter().filter(|r| r.has_mailbox).map(|r| address_key(&r.address));
        made.filter(|key| !memory.past.forwarded.contains_key(key)).collect()
    };
    if fresh.is_empty() {
        return Ok(());
    }
    // A directory that doesn't answer must not end a watch: the next one looks
    // again, and where none has seen it an undo asks the directory itself.
    let Ok(entries) = recipients::some(session, &fresh, &["proxyAddresses", "targetAddress"]).await else {
        return Ok(());
    };
    let tenant = session.profile().tenant.initial_domain.to_lowercase();
    let event = |key: &String| {
        let target = entries.get(key)?.text("targetAddress").filter(|t| domain_of(t) == tenant)?;
        let body = json!({"targetAddress": target, "mailbox": true});
        Some(Event {
            kind: Kind::Consequence,
            time: session.now(),
            operation: "start".into(),
            target: key.clone(),
            body,
        })
    };
    let events: Vec<Event> = fresh.iter().filter_map(event).collect();
    events.chunks(GROUP).try_for_each(|group| session.append(group))
}
