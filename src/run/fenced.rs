//! The fences of `migration`, asked at the gate before anything has gone out.
//!
//! A change says what its writes would touch; without a word of its own that is
//! told from the images. One object beyond a fence refuses the whole set: what a
//! customer has fenced in is no row with a fault of its own.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::gate::{Change, Observed, Verdict};
use super::journal::Kind as EventKind;
use super::recipients;
use super::report::plural;
use super::session::Session;
use crate::base::{Failure, Kind, Result};
use crate::migration::fences::{Crossed, Fences, Place, Touch};
use crate::wire::attributes::address_key;

/// What a write of an object touches, as its images tell it.
pub fn told(observed: &Observed) -> Vec<Touch> {
    let before = &observed.before;
    let planned = match &observed.verdict {
        Verdict::Differs(after) => after,
        Verdict::Same | Verdict::Refused(_) => &Value::Null,
    };
    let object = address_key(&observed.target);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(dn) = before["dn"].as_str() {
        let place = Place::Directory { dn: dn.to_owned(), attributes: differing(before, planned) };
        return vec![Touch { object, place }];
    }
    let sets = [planned, &before["beside"]];
    let records = sets.into_iter().filter(|set| set["type"].is_string() && set["name"].is_string());
    let touches: Vec<Touch> = records
        .map(|set| Touch {
            object: object.clone(),
            place: Place::Record { zone: None, name: text(&set["name"]), kind: text(&set["type"]) },
        })
        .collect();
    if touches.is_empty() { vec![Touch { object, place: Place::Elsewhere }] } else { touches }
}

/// What a batch of these people touches once it is started: the service writes
/// their TargetAddress by itself. Whom the fences keep from being converted or
/// given back afterwards must not be forwarded at all.
///
/// # Errors
/// Those of the directory.
pub(super) async fn forwarded(session: &Session, addresses: &[String]) -> Result<Vec<Touch>> {
    let elsewhere = |address: &String| Touch { object: address_key(address), place: Place::Elsewhere };
    let fences = session.project().fences.as_ref();
    if fences.is_none_or(|f| f.search_base.is_none() && f.attributes.is_empty()) {
        return Ok(addresses.iter().map(elsewhere).collect());
    }
    let entries = recipients::some(session, addresses, &["proxyAddresses"]).await?;
    let touch = |address: &String| match entries.get(&address_key(address)) {
        None => elsewhere(address),
        Some(entry) => Touch {
            object: address_key(address),
            place: Place::Directory {
                dn: entry.dn.clone(),
                attributes: vec!["targetAddress".into(), "proxyAddresses".into()],
            },
        },
    };
    Ok(addresses.iter().map(touch).collect())
}

/// Attributes whose values differ between two images of an object.
fn differing(before: &Value, after: &Value) -> Vec<String> {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else { return Vec::new() };
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|n| *n != "dn" && before.get(*n) != after.get(*n)).cloned().collect()
}

/// Lets a set go on that lies within the fences. Answers, for each object, which
/// objects it counts as, where a fence counts them.
///
/// # Errors
/// `refused`, naming the fence and its line; the journal can't be read.
pub(super) async fn admit(session: &Session, change: &dyn Change, due: &[Observed]) -> Result<()> {
    let Some(fences) = &session.project().fences else { return Ok(()) };
    let mut beyond: Vec<(Crossed, &str)> = Vec::new();
    let mut objects = BTreeSet::new();
    for one in due {
        let touches = change.touches(session, one).await?;
        if let Some(crossed) = touches.iter().find_map(|t| fences.crossed(t)) {
            beyond.push((crossed, &one.target));
        }
        objects.extend(touches.into_iter().map(|t| t.object));
    }
    if let Some((crossed, target)) = beyond.first() {
        let more = match beyond.len() {
            1 => String::new(),
            n => format!(", and so for {} more", plural(n - 1, "object", "objects")),
        };
        return Err(refusal(fences, change.operation(), crossed.fence, &format!("{}{more}", crossed.text)).on(*target));
    }
    count(session, fences, change.operation(), objects)?;
    open_hours(session, change.operation())
}

/// Counts the objects of the run, also those of its earlier processes.
fn count(session: &Session, fences: &Fences, operation: &str, objects: BTreeSet<String>) -> Result<()> {
    let Some(most) = fences.most_objects else { return Ok(()) };
    let known = session.memory().touched.clone();
    let mut touched = match known {
        Some(touched) => touched,
        None => earlier(session)?,
    };
    let before = touched.len();
    touched.extend(objects);
    if touched.len() > most {
        let text = format!(
            "this run has written to {}, and would write to {}",
            plural(before, "object", "objects"),
            plural(touched.len(), "object", "objects")
        );
        return Err(refusal(fences, operation, "most_objects", &text));
    }
    session.memory().touched = Some(touched);
    Ok(())
}

/// Objects of earlier processes of the run.
fn earlier(session: &Session) -> Result<BTreeSet<String>> {
    let events = session.journal().read(session.journal().run())?;
    let mut touched = BTreeSet::new();
    for event in events.into_iter().map(|s| s.event).filter(|e| e.kind == EventKind::Intent) {
        match event.body["objects"].as_array() {
            Some(objects) => touched.extend(objects.iter().filter_map(|o| o.as_str().map(str::to_owned))),
            None => {
                touched.insert(address_key(&event.target));
            }
        }
    }
    Ok(touched)
}

/// Which objects a write counts as, for its intent: only where a fence counts
/// them and they are others than its target.
pub(super) async fn counted(session: &Session, change: &dyn Change, one: &Observed) -> Result<Option<Value>> {
    if session.project().fences.as_ref().is_none_or(|f| f.most_objects.is_none()) {
        return Ok(None);
    }
    let objects: BTreeSet<String> = change.touches(session, one).await?.into_iter().map(|t| t.object).collect();
    let own = objects.len() == 1 && objects.contains(&address_key(&one.target));
    Ok((!own).then(|| json!(objects)))
}

/// Lets a group go on outside of the forbidden hours. A plan may be made at any
/// time.
///
/// # Errors
/// `refused` within them; `usage` if nobody knows the time zone.
pub(super) fn open_hours(session: &Session, operation: &str) -> Result<()> {
    let Some(fences) = &session.project().fences else { return Ok(()) };
    if fences.forbidden_hours.is_empty() || session.planning().is_some() {
        return Ok(());
    }
    let zone = zone(fences)?;
    let Some((hours, until)) = fences.closed_until(session.now(), &zone) else { return Ok(()) };
    let local = |t: crate::base::Timestamp| t.to_zoned(zone.clone()).strftime("%a %H:%M").to_string();
    let text = format!("it is {} in {}, within {hours}", local(session.now()), fences.zone());
    let failure = refusal(fences, operation, "forbidden_hours", &text);
    Err(failure.hint(format!("nothing further is written; go on after {} ({})", local(until), fences.zone())))
}

/// The time zone of the forbidden hours.
///
/// # Errors
/// `usage`: this machine doesn't know it.
pub fn zone(fences: &Fences) -> Result<TimeZone> {
    let name = fences.zone();
    if name.eq_ignore_ascii_case("UTC") {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|e| {
        Failure::new(Kind::Usage, format!("the time zone `{name}` of {} is not known here", place(fences, "time_zone")))
            .detail(e.to_string())
            .hint("write it as `Europe/Berlin`; where that is right, install the system's time zones (tzdata)")
    })
}

/// `stagepost.toml:31`.
fn place(fences: &Fences, fence: &str) -> String {
    match fences.lines.get(fence) {
        Some(line) => format!("stagepost.toml:{line}"),
        None => "stagepost.toml".to_owned(),
    }
}

fn refusal(fences: &Fences, operation: &str, fence: &str, text: &str) -> Failure {
    Failure::new(Kind::Refused, format!("the fence `{fence}` holds `{operation}` back: {text}"))
        .during("fence", fence)
        .detail(format!("{}: {fence}", place(fences, fence)))
        .hint("nothing of this was written; leave those objects out, or move the fence if the customer agrees")
}

#[cfg(test)]
#[path = "fenced_tests.rs"]
mod tests;
