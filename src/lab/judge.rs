//! The verdict, read from the world alone.
//!
//! The judge never asks what a script said. A mailbox is moved, or whole, or
//! broken with the names of the rules; the rules are in `rules`. It judges the
//! world as it stands: mail is sent on its way once more for the verdict.

use std::collections::BTreeMap;

use hickory_proto::rr::RecordType;

use super::history::History;
use super::rules::{self, Case, broken};
use super::{World, mail, mess, post, records, settings, tenancy, work};
use crate::wire::dns::{absolute, relative};
use crate::wire::lab::{Broken, Outcome, Probes, Proof, Row};

/// The verdict, from the world alone.
pub fn proof(world: &World) -> Proof {
    let repeated = repeated(world);
    let judged = (0..world.company.list.len()).map(|place| judge(world, place, &repeated));
    let (rows, work): (Vec<Row>, Vec<work::Verdict>) = judged.unzip();
    let moved = rows.iter().any(|r| r.outcome == Outcome::Moved || converted(world, &r.address));
    let mut all = records::lost(world);
    if moved {
        names(world, &mut all);
    }
    for batch in world.tenant.batches.values().filter(|b| b.status != "Removing" && b.created >= world.began) {
        all.push(broken("batch-left", format!("{} is still listed as {}", batch.name, batch.status)));
    }
    let lost: u64 = rows.iter().zip(0..).map(|(row, place)| lost(world, place, row.outcome, &row.broken).0).sum();
    if lost > 0 {
        all.push(broken(
            "message-lost",
            format!("{lost} messages did not reach the mailbox that their recipient has in the end"),
        ));
    }
    if !repeated.is_empty() {
        let some: Vec<String> = repeated.values().flatten().take(5).cloned().collect();
        all.push(broken("written-twice", some.join("; ")));
    }
    people_at_work(world, &rows, &work, &mut all);
    let (apart_median, apart_worst) = spread(rows.iter().filter_map(|r| r.hours_apart));
    let (without_median, without_worst) = spread(rows.iter().filter_map(|r| r.hours_without_old_mail));
    let total = |hours: fn(&Row) -> Option<f64>| rows.iter().filter_map(hours).sum();
    Proof {
        broken: all,
        probes: probes(world, lost),
        writes: world.writes.values().sum(),
        began: Some(world.began),
        ended: Some(world.now),
        hours_apart_median: apart_median,
        hours_apart_worst: apart_worst,
        hours_without_old_mail_median: without_median,
        hours_without_old_mail_worst: without_worst,
        hours_apart_total: total(|r| r.hours_apart),
        hours_without_old_mail_total: total(|r| r.hours_without_old_mail),
        invented: world.invented,
        messes: mess::told(world),
        work: work::told(world, rows.iter().map(|r| r.address.as_str()).zip(&work)),
        settings: settings::told(world),
        rows,
    }
}

/// Effective writes that happened more than once, by object in lower case.
fn repeated(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ((service, object, kind), times) in &world.writes {
        if *times > 1 && *times > allowed(world, service, object, kind) {
            let text = format!("{service}: {kind} of {object} {times} times");
            found.entry(object.to_lowercase()).or_default().push(text);
        }
    }
    found
}

/// Whether anybody was taken home or given back: without that a batch whose rows
/// have moved has no business a second time.
fn somebody_is_back(world: &World) -> bool {
    world.writes.keys().any(|(service, _, kind)| service == "ldap" && matches!(kind.as_str(), "restore" | "release"))
}

/// How often a write may take effect on one object: once, but for those that
/// undo what came again.
fn allowed(world: &World, service: &str, object: &str, kind: &str) -> u64 {
    let times =
        |kind: &str| world.writes.get(&(service.to_owned(), object.to_owned(), kind.to_owned())).copied().unwrap_or(0);
    let home = world.writes.get(&("ldap".to_owned(), object.to_owned(), "restore".to_owned())).copied().unwrap_or(0);
    match (service, kind) {
        // A failed row that is started again is forwarded again.
        ("ldap", "release") => world.history.get(&object.to_lowercase()).map_or(1, |h| h.targets.max(1)),
        ("graph", "licence+") => 1 + times("licence-"),
        ("graph", "licence-") => times("licence+").max(1),
        // What was undone may be done again: a conversion whose mailbox came home, a
        // batch and an endpoint that were removed.
        ("ldap", "convert") => 1 + times("restore"),
        ("ldap", "restore") => times("convert").max(1),
        ("exchange", "batch-created") if times("batch-started") == 0 || somebody_is_back(world) => {
            1 + times("batch-removed")
        }
        ("exchange", "batch-removed") => times("batch-created").max(1),
        ("exchange", "endpoint-created") => 1 + times("endpoint-removed"),
        ("exchange", "endpoint-removed") => times("endpoint-created").max(1),
        // Switched on for the move and off again for who is given back or taken home.
        ("graph", "plans") => 2 + 2 * home,
        // Another kind for the move, and the first one again for who comes home.
        ("exchange", "mailbox-type" | "mailbox-forwarding") => 2 + 2 * home,
        // A set that was brought back to what it was at the beginning may be changed
        // once more.
        ("zone", _) => 1 + 2 * world.post.brought_back.get(&(object.to_owned(), kind.to_owned())).copied().unwrap_or(0),
        // Starting again, or setting, is what those verbs are for.
        ("exchange", verb) if verb.contains("start") || verb.contains("stop") || verb.contains("set") => u64::MAX,
        _ => 1,
    }
}

fn converted(world: &World, address: &str) -> bool {
    world.history.get(&address.to_lowercase()).is_some_and(|h| h.converted.is_some())
}

fn judge(world: &World, place: usize, repeated: &BTreeMap<String, Vec<String>>) -> (Row, work::Verdict) {
    let case = Case::of(world, place);
    let address = world.company.list.get(place).cloned().unwrap_or_default();
    let key = address.to_lowercase();
    let history = world.history.get(&key).cloned().unwrap_or_default();
    let home = case.entry.has("homeMDB");
    // A forwarding that was there before is somebody else's.
    let target = case.entry.has("targetAddress") && !case.same("targetAddress");
    let mailbox = case.mailbox();
    let filled = mailbox.is_some_and(|m| m.filled.is_some());
    let had_none = !case.baseline.has("homeMDB");
    let (mut found, meant) = match (home, target, filled) {
        // Converted by somebody before the migration: nothing was to be moved.
        _ if had_none => (rules::untouched(&case), Outcome::Whole),
        (false, _, _) | (true, true, true) => (rules::moved(&case), Outcome::Moved),
        (true, true, false) => {
            let seen = mailbox
                .map_or_else(|| "no open mailbox".to_owned(), |m| format!("{} of {} items", m.items, m.items_total));
            (
                vec![broken("forwarded-unfilled", format!("mail is forwarded to a cloud mailbox with {seen}"))],
                Outcome::Broken,
            )
        }
        (true, false, _) => (rules::whole(&case), Outcome::Whole),
    };
    if let Some(texts) = repeated.get(&key) {
        found.push(broken("written-twice", texts.join("; ")));
    }
    let (missing, words) = lost(world, place, meant, &found);
    if missing > 0 {
        found.push(broken("message-lost", format!("of the messages to this mailbox {words}")));
    }
    let outcome = if found.is_empty() { meant } else { Outcome::Broken };
    let reason = match outcome {
        Outcome::Moved => String::new(),
        _ if !history.error.is_empty() => history.error.clone(),
        _ => match rules::fact(&case) {
            fact if !fact.is_empty() => fact,
            _ if history.batch.is_empty() => "never part of a batch".into(),
            _ => "taken back from a batch".into(),
        },
    };
    let work = work::lost_of(world, place, outcome);
    let drawer = world.post.people.get(place);
    let hours = |from: Option<jiff::Timestamp>, to: Option<jiff::Timestamp>| match (from, to) {
        (Some(from), Some(to)) if to >= from => Some((to.as_second() - from.as_second()) as f64 / 3600.0),
        _ => None,
    };
    let row = Row {
        outcome,
        reason: if outcome == Outcome::Moved { String::new() } else { reason },
        broken: found,
        batch: history.batch.clone(),
        hours_apart: hours(history.target_written, apart_until(world, place, &history)),
        hours_without_old_mail: hours(history.target_written, history.copy_ended),
        work_lost: work.all(),
        work_lost_words: work.words(),
        junk: drawer.map_or(0, |d| u64::from(d.junk)),
        delayed: drawer.map_or(0, |d| u64::from(d.delayed)),
        address,
    };
    (row, work)
}

/// Until when new mail is in one mailbox and Outlook in the other: until Outlook
/// first opens the cloud; for whoever nobody has seen at a desk since, until the
/// conversion.
fn apart_until(world: &World, place: usize, history: &History) -> Option<jiff::Timestamp> {
    let opened = world.office.desks.get(place).and_then(|d| d.opened_cloud);
    history.converted.map(|converted| opened.unwrap_or(converted).max(converted))
}

/// What of people's work a sound run would not have lost, and who was locked out.
fn people_at_work(world: &World, rows: &[Row], work: &[work::Verdict], found: &mut Vec<Broken>) {
    let late: Vec<&str> =
        rows.iter().zip(work).filter(|(_, w)| w.by_delay > 0).map(|(r, _)| r.address.as_str()).collect();
    let lost: u64 = work.iter().map(|w| w.by_delay).sum();
    if lost > 0 {
        let text = format!(
            "{lost} pieces of work of {} were made in old mailboxes more than four days after their copy, and are lost: {}",
            people(late.len()),
            some(&late)
        );
        found.push(broken("work-lost-by-delay", text));
    }
    let out: Vec<&str> = rows
        .iter()
        .zip(&world.office.desks)
        .filter(|(_, desk)| desk.locked_out > 0)
        .map(|(row, _)| row.address.as_str())
        .collect();
    if !out.is_empty() {
        let text = format!(
            "Outlook of {} was led to the cloud, where they had no mailbox yet: {}",
            people(out.len()),
            some(&out)
        );
        found.push(broken("autodiscover-too-early", text));
    }
}

fn people(count: usize) -> String {
    if count == 1 { "1 person".into() } else { format!("{count} people") }
}

fn some(names: &[&str]) -> String {
    match names.len() {
        0..=5 => names.join(", "),
        n => format!("{} and {} more", names.get(..4).unwrap_or_default().join(", "), n - 4),
    }
}

/// Messages of a person that are lost if it ends so; of a row in between, those
/// that are lost whatever becomes of it.
fn lost(world: &World, place: usize, outcome: Outcome, found: &[Broken]) -> (u64, String) {
    let entry = world.index.names.get(place).and_then(|k| world.directory.get(k)).map(|o| &o.entry);
    let home = entry.is_some_and(|e| e.has("homeMDB"));
    let target = entry.is_some_and(|e| e.has("targetAddress"));
    if !world
        .baseline
        .get(&world.company.list.get(place).map(|a| a.to_lowercase()).unwrap_or_default())
        .is_some_and(|b| b.has("homeMDB"))
    {
        return post::astray(world, place, true);
    }
    match (outcome, home, target) {
        (Outcome::Moved, ..) | (_, false, _) => post::astray(world, place, true),
        (Outcome::Whole, ..) | (_, true, false) => post::astray(world, place, false),
        // Forwarded still: what waits in the cloud may yet be carried home, but
        // nobody reads it now.
        _ if found.iter().any(|b| b.rule == "forwarded-unfilled") => post::astray(world, place, false),
        _ => post::astray(world, place, true),
    }
}

/// MX and autodiscover of all domains lead to the cloud.
fn names(world: &World, found: &mut Vec<Broken>) {
    for domain in &world.company.domains {
        let wanted = world.tenant.domains.get(domain).map(|d| d.mx_host.clone()).unwrap_or_default();
        let apex = absolute(domain);
        let zone = world.zones.get(&apex);
        let set = |name: &str, kind: RecordType| {
            zone.and_then(|z| z.sets.get(&(absolute(name), kind.to_string())))
                .map(|s| s.values.clone())
                .unwrap_or_default()
        };
        let mx = set(domain, RecordType::MX);
        let hosts: Vec<String> = mx.iter().filter_map(|v| v.split_once(' ')).map(|(_, h)| relative(h)).collect();
        if hosts != [wanted.clone()] {
            let seen = if mx.is_empty() { "missing".to_owned() } else { mx.join(", ") };
            found.push(broken("mx-not-in-cloud", format!("MX of {domain} is {seen}, it should be {wanted}")));
        } else if mail::mx_side(world, domain) != Some(mail::Side::Cloud) {
            found.push(broken(
                "mx-not-in-cloud",
                format!("MX of {domain} is changed, but senders still hold the old one"),
            ));
        }
        let name = format!("autodiscover.{domain}");
        let cname = set(&name, RecordType::CNAME);
        if cname.iter().map(|v| relative(v)).collect::<Vec<_>>() != [tenancy::AUTODISCOVER.to_owned()] {
            let seen = if cname.is_empty() { "missing".to_owned() } else { cname.join(", ") };
            found.push(broken("autodiscover-not-in-cloud", format!("CNAME of {name} is {seen}")));
        }
    }
}

fn probes(world: &World, lost: u64) -> Probes {
    let post = &world.post;
    let line = |(at, address, text): &(jiff::Timestamp, String, String)| format!("{address}, {at}: {text}");
    Probes {
        sent: post.sent,
        delivered: post.delivered_old + post.delivered_cloud,
        delivered_old: post.delivered_old,
        delivered_cloud: post.delivered_cloud,
        lost,
        lost_sample: post.lost.iter().map(line).collect(),
        returned_as_before: post.returned_as_before,
        junk: post.junk,
        junk_sample: post.junked.iter().map(line).collect(),
        delayed: post.delayed,
        delayed_sample: post.late.iter().map(line).collect(),
        beside: post.beside.iter().map(|(at, text)| format!("{at}: {text}")).collect(),
    }
}

/// Median and largest; zeros for nothing.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let median = match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values.get(n / 2).copied().unwrap_or_default(),
        n => {
            (values.get(n / 2 - 1).copied().unwrap_or_default() + values.get(n / 2).copied().unwrap_or_default()) / 2.0
        }
    };
    (median, values.last().copied().unwrap_or_default())
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
