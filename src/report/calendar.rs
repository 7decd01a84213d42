//! The calendar of the waves, and the dates and deadlines that follow from it.
//!
//! From the steps as they were told; lengths of time that the vendor sets stand
//! here as constants with their source. It plans nothing: the days are those of
//! the rehearsal.

use jiff::{SignedDuration, Timestamp};

use super::gantt::milestones;
use super::story::Story;
use super::words;

/// Lines of the calendar; more waves are drawn together by weeks, then months.
const CALENDAR: usize = 10;
/// Days for which the service keeps a new mailbox without a licence (Microsoft,
/// Perform a staged migration).
const GRACE: i64 = 30;
/// Days for which Exchange keeps a mailbox that was disconnected, unless its store
/// says otherwise (`msExchMailboxRetentionPeriod`).
const RETENTION: i64 = 30;

/// A line of the calendar: a wave, or the waves of a week or month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `wave-03`, or `wave-03 to wave-07`.
    pub name: String,
    /// People in it.
    pub people: u64,
    /// New mail goes to the new mailbox from the first to the last of these.
    pub started: Option<(Timestamp, Timestamp)>,
    /// The old mail is all there.
    pub filled: Option<(Timestamp, Timestamp)>,
    /// Outlook opens the new mailbox.
    pub converted: Option<(Timestamp, Timestamp)>,
}

/// The waves in order; many are drawn together.
pub fn calendar(story: &Story) -> Vec<Line> {
    let waves: Vec<Line> = story
        .waves
        .iter()
        .filter_map(|wave| {
            let m = milestones(story, wave);
            let both = |t: Option<Timestamp>| t.map(|t| (t, t));
            (m.started.is_some() || m.converted.is_some()).then(|| Line {
                name: wave.name.clone(),
                people: wave.tally.all(),
                started: both(m.started),
                filled: both(m.filled),
                converted: both(m.converted),
            })
        })
        .collect();
    if waves.len() <= CALENDAR {
        return waves;
    }
    let by_weeks = together(&waves, |t| (t.as_second() / 86_400 + 3).div_euclid(7));
    if by_weeks.len() <= CALENDAR {
        return by_weeks;
    }
    let by_months = together(&waves, |t| t.strftime("%Y%m").to_string().parse().unwrap_or_default());
    if by_months.len() <= CALENDAR { by_months } else { together(&waves, |_| 0) }
}

fn together(waves: &[Line], key: impl Fn(Timestamp) -> i64) -> Vec<Line> {
    let mut lines: Vec<(i64, Line, String)> = Vec::new();
    let join = |a: Option<(Timestamp, Timestamp)>, b: Option<(Timestamp, Timestamp)>| match (a, b) {
        (Some((f, l)), Some((g, m))) => Some((f.min(g), l.max(m))),
        (one, other) => one.or(other),
    };
    for wave in waves {
        let of = wave.started.or(wave.converted).map(|(t, _)| key(t)).unwrap_or_default();
        match lines.last_mut() {
            Some((last, line, name)) if *last == of => {
                line.people += wave.people;
                line.name = format!("{name} to {}", wave.name);
                line.started = join(line.started, wave.started);
                line.filled = join(line.filled, wave.filled);
                line.converted = join(line.converted, wave.converted);
            }
            _ => lines.push((of, wave.clone(), wave.name.clone())),
        }
    }
    lines.into_iter().map(|(_, line, _)| line).collect()
}

/// The day on which a notice has to be out: the last working day before.
pub fn notice_day(started: Timestamp) -> Timestamp {
    let day = |n: i64| started.saturating_sub(SignedDuration::from_hours(24 * n)).unwrap_or(started);
    (1..=3).map(day).find(|t| !matches!(t.strftime("%u").to_string().as_str(), "6" | "7")).unwrap_or(started)
}

/// The last day on which the old mailbox can be had back.
pub fn way_back(converted: Timestamp) -> Timestamp {
    converted.saturating_add(SignedDuration::from_hours(24 * RETENTION)).unwrap_or(converted)
}

/// Seats, dates and deadlines: what, when, in words.
pub fn dates(story: &Story) -> Vec<(&'static str, String)> {
    let mut dates = Vec::new();
    if let Some(seats) = &story.seats {
        let free = seats.free.map(|n| format!("; {} free before the first wave", words::count(n))).unwrap_or_default();
        let short = seats.free.is_some_and(|free| free < seats.needed);
        let short = if short { ", too few" } else { "" };
        dates.push((
            "Licences",
            format!(
                "{} needed, {} given{free}{short} ({})",
                words::count(seats.needed),
                words::count(seats.given),
                seats.product
            ),
        ));
    }
    let waves = calendar(story);
    let first = waves.iter().filter_map(|w| w.started).map(|(t, _)| t).min();
    let last = waves.iter().filter_map(|w| w.converted).map(|(_, t)| t).max();
    if let Some(first) = first {
        dates.push(("First wave", on(story, first)));
        let grace = first.saturating_add(SignedDuration::from_hours(24 * GRACE)).unwrap_or(first);
        dates.push((
            "Licences due",
            format!(
                "{GRACE} days after a wave starts, first on {}; without one a new mailbox closes",
                on(story, grace)
            ),
        ));
    }
    if let Some(last) = last {
        dates.push(("Last change-over", on(story, last)));
    }
    let switched = story.ended_step("set_mx");
    if let Some(switched) = switched {
        dates.push(("Mail switched over", format!("{}: mail from outside goes direct", on(story, switched))));
    }
    let settled = story.settled.or_else(|| switched.and_then(|t| t.checked_add(SignedDuration::from_hours(72)).ok()));
    let settled = settled.map(|t| format!("not before {}, three days after that", words::day(t)));
    match (story.ended_step("remove"), settled) {
        (Some(removed), Some(settled)) => {
            dates.push(("Old link closed", format!("{}; {settled}", on(story, removed))));
        }
        (Some(removed), None) => dates.push(("Old link closed", on(story, removed))),
        (None, Some(settled)) => dates.push(("Old link closed", settled)),
        (None, None) => {}
    }
    if let (Some(one), Some(other)) = (waves.iter().filter_map(|w| w.converted).map(|(t, _)| t).min(), last) {
        let (one, other) = (way_back(one), way_back(other));
        let when = if words::day(one) == words::day(other) {
            on(story, one)
        } else {
            format!("{} (first wave) to {} (last)", on(story, one), words::day(other))
        };
        dates.push((
            "Way back until",
            format!("{when}, if the old servers keep closed mailboxes for the usual {RETENTION} days"),
        ));
    }
    dates
}

/// `day 3, Wed 14 Jan 2026`.
pub fn on(story: &Story, time: Timestamp) -> String {
    let day = words::day(time);
    number(story, time).map_or(day.clone(), |n| format!("day {n}, {day}"))
}

/// Hours as somebody says them who doesn't count them: `6.5 h`, `4 days`.
pub fn hours(hours: f64) -> String {
    if hours.is_finite() && hours >= 72.0 { format!("{:.0} days", hours / 24.0) } else { words::hours(hours) }
}

/// The how-manyth day of the rehearsal, from 1.
pub fn number(story: &Story, time: Timestamp) -> Option<i64> {
    let of = |t: Timestamp| t.as_second().div_euclid(86_400);
    Some(of(time) - of(story.began()?) + 1)
}

#[cfg(test)]
mod tests;
