//! A plan as a contract: a run that was given one writes what it lists and nothing
//! else.
//!
//! Asked at the gate for a whole set before anything of it is recorded or sent:
//! each due change must be listed, and what is found must be what the plan saw or
//! what it leads to, judged attribute by attribute (`drift`). A set may have become
//! smaller, never larger. The way back of a listed change counts as listed: giving
//! back a row whose start was planned, starting the same batch once more, the old
//! record set where a switch was planned. It writes nothing and asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::drift::{self, Difference, Due, Images, Judged};
use super::gate::{Observed, Repeat, Verdict};
use super::plan::{Plan, Planned};
use super::session::Session;
use crate::base::{Failure, Kind, Result};
use crate::wire::attributes::address_key;

/// Most objects whose differences are told one by one.
const TOLD: usize = 10;

/// The operations that write the same record set, so that each state of one is a
/// state of the others.
const SWITCH: [&str; 2] = ["set_mx::lower_ttl", "set_mx"];

/// Holds a due set against the plan.
///
/// # Errors
/// `conflict`: something is not listed, or not as it was planned; nothing of the
/// set may be written then.
pub fn hold(session: &Session, plan: &Plan, operation: &str, repeat: Repeat, due: &[Observed]) -> Result<()> {
    let family = |other: &str| other == operation || (SWITCH.contains(&operation) && SWITCH.contains(&other));
    let mut listed: BTreeMap<String, Vec<&Planned>> = BTreeMap::new();
    for change in plan.changes.iter().filter(|c| family(&c.operation)) {
        listed.entry(change.target.to_lowercase()).or_default().push(change);
    }
    let mut unlisted: Vec<&Observed> = Vec::new();
    let mut drifted: Vec<(&Observed, Vec<Difference>)> = Vec::new();
    let mut returning = None;
    for one in due {
        match listed.get(&one.target.to_lowercase()) {
            Some(changes) => {
                let differences = closest(operation, changes, one);
                if !differences.is_empty() {
                    drifted.push((one, differences));
                }
            }
            None => {
                let back = returning.get_or_insert_with(|| Returning::of(session, plan));
                if !back.allows(session, operation, &one.target) {
                    unlisted.push(one);
                }
            }
        }
    }
    if let Some(first) = unlisted.first() {
        return Err(not_listed(operation, first, &unlisted));
    }
    if let Some((first, _)) = drifted.first() {
        return Err(not_as_planned(operation, first, &drifted));
    }
    if repeat == Repeat::None { once_each(session, operation, &listed, due) } else { Ok(()) }
}

/// The differences from that planned change which fits best; the same object may
/// be listed more than once.
fn closest(operation: &str, changes: &[&Planned], one: &Observed) -> Vec<Difference> {
    let wanted = match &one.verdict {
        Verdict::Differs(after) => after,
        Verdict::Same | Verdict::Refused(_) => &Value::Null,
    };
    let states: Vec<&Value> = match drift::judged(operation) {
        Judged::RecordSet => changes.iter().flat_map(|c| [&c.before, &c.after]).collect(),
        _ => Vec::new(),
    };
    let due = Due { found: &one.before, writes: wanted };
    let images = |c: &'_ &Planned| drift::differences(operation, images_of(c), due, &states);
    changes.iter().map(images).min_by_key(Vec::len).unwrap_or_default()
}

fn images_of(change: &Planned) -> Images<'_> {
    Images { before: &change.before, after: &change.after }
}

/// Who may be given back: people of batches whose start is planned, and people
/// whose conversion is.
struct Returning(BTreeSet<String>);

impl Returning {
    fn of(session: &Session, plan: &Plan) -> Returning {
        let of = |operation: &'static str| plan.changes.iter().filter(move |c| c.operation == operation);
        let started: BTreeSet<String> = of("start").map(|c| c.target.to_lowercase()).collect();
        let mut people: BTreeSet<String> = of("convert_to_mail_user").map(|c| address_key(&c.target)).collect();
        for batch in of("batch").filter(|c| started.contains(&c.target.to_lowercase())) {
            let addresses = batch.after["addresses"].as_array().into_iter().flatten();
            people.extend(addresses.filter_map(|a| a.as_str().map(address_key)));
        }
        // A batch that was there when the plan was made.
        let memory = session.memory();
        for (_, rows) in started.iter().filter_map(|name| memory.past.batches.get(name)) {
            people.extend(rows.iter().cloned());
        }
        Returning(people)
    }

    /// Whether a change that isn't listed belongs to a way back.
    fn allows(&self, session: &Session, operation: &str, target: &str) -> bool {
        let person = address_key(target.split(' ').next().unwrap_or_default());
        if !self.0.contains(&person) {
            return false;
        }
        match operation {
            "release" | "release::carry_home" | "license::take_back" | "license::switch_off" => true,
            // A mailbox without a licence gets one so that it can give way; only then.
            "license::assign" | "license::location" => session.memory().past.releasing.contains(&person),
            _ => false,
        }
    }
}

/// What has no guard is made as often as it is listed, and not once more.
fn once_each(
    session: &Session,
    operation: &str,
    listed: &BTreeMap<String, Vec<&Planned>>,
    due: &[Observed],
) -> Result<()> {
    let mut memory = session.memory();
    let sent = memory.facts.entry("sent_by_contract".into()).or_insert_with(|| serde_json::json!({}));
    for one in due {
        let key = format!("{operation} {}", one.target.to_lowercase());
        let before = sent[&key].as_u64().unwrap_or(0);
        let most = listed.get(&one.target.to_lowercase()).map_or(0, Vec::len) as u64;
        if before >= most {
            return Err(Failure::new(
                Kind::Conflict,
                format!("the plan lists `{operation}` of {} {most} times, and this would be one more", one.target),
            )
            .during("plan", operation)
            .on(&one.target)
            .hint(ANEW));
        }
        sent[&key] = (before + 1).into();
    }
    Ok(())
}

const ANEW: &str =
    "nothing of this was written; look at what differs, then make a new plan with `stagepost plan` and run that one";

fn and_more(all: usize) -> String {
    match all.saturating_sub(1) {
        0 => String::new(),
        1 => " and of one more".to_owned(),
        n => format!(" and of {n} more"),
    }
}

fn not_listed(operation: &str, first: &Observed, all: &[&Observed]) -> Failure {
    let shown: Vec<String> = all.iter().take(TOLD).map(|one| format!("{}: not listed", one.target)).collect();
    Failure::new(
        Kind::Conflict,
        format!("the plan doesn't list `{operation}` of {}{}", first.target, and_more(all.len())),
    )
    .during("plan", operation)
    .on(&first.target)
    .detail(lines(shown, all.len()))
    .hint(ANEW)
}

fn not_as_planned(operation: &str, first: &Observed, all: &[(&Observed, Vec<Difference>)]) -> Failure {
    let shown: Vec<String> = all
        .iter()
        .take(TOLD)
        .map(|(one, differences)| {
            let words: Vec<String> = differences.iter().map(Difference::words).collect();
            format!("{}: {}", one.target, words.join("; "))
        })
        .collect();
    let message = match all {
        [_] => format!("{} is not as it was planned for `{operation}`", first.target),
        more => format!("{} and {} more are not as they were planned for `{operation}`", first.target, more.len() - 1),
    };
    Failure::new(Kind::Conflict, message)
        .during("plan", operation)
        .on(&first.target)
        .detail(lines(shown, all.len()))
        .hint(ANEW)
}

fn lines(mut shown: Vec<String>, all: usize) -> String {
    if all > shown.len() {
        shown.push(format!("… and {} more", all - shown.len()));
    }
    shown.join("\n")
}
