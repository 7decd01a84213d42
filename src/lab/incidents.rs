//! What happens to a company at a time of its own: synchronization stops, the
//! help desk edits, a certificate runs out.
//!
//! The times stand in the company; what follows is done here, or asked here by
//! the rooms that it concerns.

use std::sync::Arc;

use jiff::Timestamp;

use super::World;
use super::world::{Due, after};
use crate::wire::attributes::{domain_of, primary_smtp};

/// The help desk edits somebody every so often, in seconds.
const HELPDESK: i64 = 47 * 3600;
/// A certificate that ran out is renewed after so long, in seconds.
const RENEWED: i64 = 11 * 3600;
/// It runs out so long after the batch was started, in seconds.
const RUNS_OUT: i64 = 3 * 3600;

/// What is to happen, and what does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incidents {
    /// No synchronization cycle from, until.
    pub synchronization_stops: Option<(Timestamp, Timestamp)>,
    /// Seconds after which the old servers see a change of the directory.
    pub replica_lag: i64,
    /// Whether the help desk edits people.
    pub helpdesk: bool,
    /// The how-manyth batch that starts sees the certificate run out.
    pub certificate_in_batch: Option<u64>,
    /// No sign-in of the migration account from, until.
    pub password_out: Option<(Timestamp, Timestamp)>,
    /// Batches started so far.
    pub started: u64,
    /// No connection to the old server from, until; set when it happens.
    pub certificate_out: Option<(Timestamp, Timestamp)>,
}

fn within(span: Option<(Timestamp, Timestamp)>, now: Timestamp) -> bool {
    span.is_some_and(|(from, until)| from <= now && now < until)
}

/// Whether the synchronization stands still.
pub fn synchronization_stands(world: &World) -> bool {
    within(world.company.incidents.synchronization_stops, world.now)
}

/// When the old server can be reached again, if it can't now.
pub fn unreachable_until(world: &World) -> Option<Timestamp> {
    let out = world.company.incidents.certificate_out;
    out.filter(|_| within(out, world.now)).map(|(_, until)| until)
}

/// Whether the migration account is refused.
pub fn password_is_out(world: &World) -> bool {
    within(world.company.incidents.password_out, world.now)
}

/// A batch was started for the first time.
pub fn batch_started(world: &mut World) {
    world.company.incidents.started += 1;
    if world.company.incidents.certificate_in_batch == Some(world.company.incidents.started) {
        let from = after(world.now, RUNS_OUT);
        world.company.incidents.certificate_out = Some((from, after(from, RENEWED)));
        let host = world.company.mail_host.clone();
        world.event(&host, "certificate_runs_out", format!("at {from}"));
    }
}

/// Puts what has a time of its own into the queue.
pub fn prepare(world: &mut World) {
    if world.company.incidents.helpdesk {
        let at = after(world.now, HELPDESK);
        world.later(at, "help desk", Due::Helpdesk);
    }
}

/// The help desk edits somebody: a display name, or one address more.
pub fn helpdesk(world: &mut World) {
    let next = after(world.now, HELPDESK);
    world.later(next, "help desk", Due::Helpdesk);
    let people = world.index.names.len();
    if people == 0 {
        return;
    }
    let choice = world.choose_next("help-desk", "");
    let Some(place) = usize::try_from(choice % people as u64).ok() else { return };
    let Some(key) = world.index.names.get(place).cloned() else { return };
    let Some(object) = world.directory.get(&key) else { return };
    let before = object.entry.clone();
    let mut entry = before.clone();
    let what = if (choice / 1000).is_multiple_of(3) {
        let primary = primary_smtp(&entry.texts("proxyAddresses")).unwrap_or_default();
        let address = format!("extra{}@{}", choice / 7 % 1_000_000, domain_of(&primary));
        if primary.is_empty() || world.index.old.contains_key(&address) {
            return;
        }
        let mut values = entry.values("proxyAddresses").to_vec();
        values.push(format!("smtp:{address}").into_bytes());
        entry.set("proxyAddresses", values);
        "proxyAddresses"
    } else {
        let name = entry.text("displayName").unwrap_or_default();
        entry.set_text("displayName", &format!("{} (moved to the annex)", name.replace(" (moved to the annex)", "")));
        "displayName"
    };
    if entry.values(what) == before.values(what) {
        return;
    }
    // What others write is as it should be: the judge compares with it.
    let address = world.company.list.get(place).cloned().unwrap_or_default();
    if let Some(kept) = Arc::make_mut(&mut world.baseline).get_mut(&address.to_lowercase()) {
        let mut values = kept.values(what).to_vec();
        if what == "displayName" {
            values.clear();
        }
        let new = entry.values(what).iter().filter(|v| !before.values(what).contains(v));
        values.extend(new.cloned());
        kept.set(what, values);
    }
    world.usn += 1;
    let (usn, now) = (world.usn, world.now);
    if let Some(object) = world.directory.get_mut(&key) {
        object.entry = entry.clone();
        object.usn = usn;
        object.changed = now;
    }
    world.index.directory(&key, &before, &entry);
    world.dirty.insert(key);
    world.event(&address, "edited_by_the_help_desk", what);
}
