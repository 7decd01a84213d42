//! The timeline as a drawing: lab dates from left to right, one row for each
//! step outside the waves and one for each wave.
//!
//! An SVG without script, font or colour of its own: classes are coloured by
//! the page, so that light, dark and print all read. Whoever can't see it gets
//! the same from the tables beside it.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::html::escape;
use super::story::{Step, Story, Wave};
use super::words;

const WIDTH: f64 = 960.0;
const LABELS: f64 = 190.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 30.0;
const HOUR: i64 = 3600;

/// One row of the drawing.
struct Row {
    label: String,
    bars: Vec<Bar>,
}

/// One bar: its class, its ends, and what a pointer shows.
struct Bar {
    class: &'static str,
    from: Timestamp,
    to: Timestamp,
    title: String,
}

/// When a wave was where: forwarded, filled, converted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Milestones {
    /// `start` began: from here on new mail goes to the cloud.
    pub started: Option<Timestamp>,
    /// `watch` ended: the old mail is there.
    pub filled: Option<Timestamp>,
    /// `convert_to_mail_user` ended: Outlook opens the cloud mailbox.
    pub converted: Option<Timestamp>,
}

/// The milestones of a wave, from its steps.
pub fn milestones(story: &Story, wave: &Wave) -> Milestones {
    let mut m = Milestones::default();
    for step in wave.steps.iter().filter_map(|i| story.steps.get(*i)) {
        match step.primitive.as_str() {
            "start" => m.started = m.started.or(Some(step.began)),
            "watch" => m.filled = m.filled.max(step.ended),
            "convert_to_mail_user" => m.converted = m.converted.max(step.ended),
            _ => {}
        }
    }
    m
}

/// The drawing, or nothing if there is no time to draw.
pub fn draw(story: &Story) -> Option<String> {
    let (began, ended) = (story.began()?, story.ended()?);
    let rows = rows(story, ended);
    if rows.is_empty() || ended <= began {
        return None;
    }
    let height_of_row = if rows.len() > 45 { 13.0 } else { 19.0 };
    let height = TOP + rows.len() as f64 * height_of_row + 6.0;
    let scale = Scale { began, seconds: ended.duration_since(began).as_secs_f64().max(1.0) };
    let mut svg = String::with_capacity(rows.len() * 300);
    let small = if rows.len() > 45 { " small" } else { "" };
    let _ = write!(
        svg,
        "<svg class=\"gantt{small}\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-labelledby=\"gantt-title gantt-text\">\
         <title id=\"gantt-title\">Timeline of steps and waves</title><desc id=\"gantt-text\">{}</desc>",
        escape(&describe(story, began, ended))
    );
    grid(&mut svg, &scale, began, ended, height);
    for (i, row) in rows.iter().enumerate() {
        let top = TOP + i as f64 * height_of_row;
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.1}\" class=\"label\">{}</text>",
            LABELS - 10.0,
            top + height_of_row * 0.72,
            escape(&cut(&row.label))
        );
        for bar in &row.bars {
            let x = scale.x(bar.from);
            // A step of no length is still a step.
            let width = (scale.x(bar.to) - x).max(3.0);
            let x = x.min(WIDTH - RIGHT - width);
            let _ = write!(
                svg,
                "<rect class=\"{}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
                bar.class,
                top + height_of_row * 0.18,
                height_of_row * 0.64,
                escape(&bar.title)
            );
        }
    }
    svg.push_str("</svg>");
    Some(svg)
}

struct Scale {
    began: Timestamp,
    seconds: f64,
}

impl Scale {
    fn x(&self, time: Timestamp) -> f64 {
        let at = time.duration_since(self.began).as_secs_f64() / self.seconds;
        LABELS + at.clamp(0.0, 1.0) * (WIDTH - LABELS - RIGHT)
    }
}

/// Steps outside the waves under their own names, in order; equal ones share a
/// row (a check before each of twenty waves is one line).
fn rows(story: &Story, ended: Timestamp) -> Vec<Row> {
    let mut rows: Vec<(Timestamp, Row)> = Vec::new();
    for step in story.steps.iter().filter(|s| s.depth == 0) {
        if step.wave.is_some() && step.primitive != "remove" {
            continue;
        }
        let bar = bar_of_step(step, ended);
        match rows.iter_mut().find(|(_, row)| row.label == step.primitive) {
            Some((_, row)) => row.bars.push(bar),
            None => rows.push((step.began, Row { label: step.primitive.clone(), bars: vec![bar] })),
        }
    }
    for wave in &story.waves {
        let Some(first) = wave.first else { continue };
        rows.push((first, Row { label: label_of(wave), bars: bars_of_wave(story, wave, ended) }));
    }
    rows.sort_by_key(|(began, _)| *began);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn label_of(wave: &Wave) -> String {
    match wave.tally.all() {
        0 => wave.name.clone(),
        n => format!("{} ({})", wave.name, words::count(n)),
    }
}

fn bar_of_step(step: &Step, ended: Timestamp) -> Bar {
    let to = step.ended.unwrap_or(ended);
    let class = if step.ok { "step" } else { "bad" };
    Bar { class, from: step.began, to, title: said(step, to) }
}

fn said(step: &Step, to: Timestamp) -> String {
    let from = words::moment(step.began);
    let until = words::moment(to);
    let when = if from == until { from } else { format!("{from} to {until}") };
    let what = [step.primitive.as_str(), step.subject.as_str(), step.text.as_str()];
    let what: Vec<&str> = what.into_iter().filter(|t| !t.is_empty()).collect();
    format!("{}, {when}", what.join(": "))
}

fn bars_of_wave(story: &Story, wave: &Wave, ended: Timestamp) -> Vec<Bar> {
    let m = milestones(story, wave);
    let mut bars = Vec::new();
    let mut bar = |class, from, to, what: &str| {
        let title = format!("{}: {what}, {} to {}", wave.name, words::moment(from), words::moment(to));
        bars.push(Bar { class, from, to, title });
    };
    match m.started {
        Some(started) => {
            let filled = m.filled.unwrap_or(ended).max(started);
            bar("copy", started, filled, "new mail in the cloud, old mail on its way");
            if let Some(filled) = m.filled {
                let converted = m.converted.unwrap_or(ended).max(filled);
                bar("apart", filled, converted, "copied, Outlook still opens the old mailbox");
            }
        }
        None => {
            if let (Some(first), Some(last)) = (wave.first, wave.last) {
                bar("step", first, last, "prepared");
            }
        }
    }
    for step in wave.steps.iter().filter_map(|i| story.steps.get(*i)).filter(|s| !s.ok) {
        bars.push(bar_of_step(step, ended));
    }
    bars
}

fn grid(svg: &mut String, scale: &Scale, began: Timestamp, ended: Timestamp, height: f64) {
    let hours = scale.seconds / 3600.0;
    if hours > 48.0 && hours < 24.0 * 150.0 {
        for saturday in days(began, ended).filter(|t| t.strftime("%a").to_string() == "Sat") {
            let monday = saturday.saturating_add(SignedDuration::from_hours(48)).unwrap_or(ended);
            let (from, to) = (scale.x(saturday), scale.x(monday.min(ended)));
            if to <= from {
                continue;
            }
            let _ = write!(
                svg,
                "<rect class=\"weekend\" x=\"{from:.1}\" y=\"{:.0}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                TOP - 4.0,
                to - from,
                height - TOP + 2.0
            );
        }
    }
    for (time, text) in ticks(began, ended) {
        let x = scale.x(time);
        let _ = write!(
            svg,
            "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.0}\" y2=\"{:.0}\"/>\
             <text class=\"tick\" x=\"{x:.1}\" y=\"{:.0}\">{text}</text>",
            TOP - 6.0,
            height - 2.0,
            TOP - 11.0
        );
    }
}

/// Midnights from the first after the begin.
fn days(began: Timestamp, ended: Timestamp) -> impl Iterator<Item = Timestamp> {
    let day = 24 * HOUR;
    let first = (began.as_second() + day - 1).div_euclid(day);
    let last = ended.as_second().div_euclid(day);
    // The Saturday before the begin matters too when the lab begins on a Sunday.
    (first - 2..=last).filter_map(move |d| Timestamp::from_second(d * day).ok())
}

/// At most ten dates, at round steps; weeks begin on Monday.
fn ticks(began: Timestamp, ended: Timestamp) -> Vec<(Timestamp, String)> {
    let span = ended.as_second() - began.as_second();
    let steps = [1, 3, 6, 12, 24, 48, 168, 336, 672, 1344, 2688, 8736].map(|h| h * HOUR);
    let step = steps.into_iter().find(|s| span / s < 10).unwrap_or(52 * 168 * HOUR);
    // 1970-01-05 was the first Monday.
    let origin = if step >= 168 * HOUR { 4 * 24 * HOUR } else { 0 };
    let first = (began.as_second() - origin + step - 1).div_euclid(step);
    let last = (ended.as_second() - origin).div_euclid(step);
    let format = if step < 24 * HOUR { "%-d %b %H:%M" } else { "%a %-d %b" };
    // A label at the very edge would be cut off.
    let edge = began.as_second() + span - span / 24;
    (first..=last)
        .filter_map(|n| Timestamp::from_second(n * step + origin).ok())
        .filter(|t| t.as_second() <= edge)
        .map(|t| (t, t.strftime(format).to_string()))
        .collect()
}

fn describe(story: &Story, began: Timestamp, ended: Timestamp) -> String {
    format!(
        "{} and {} from {} to {}. The tables below say the same in words.",
        words::counted(story.steps.iter().filter(|s| s.depth == 0).count() as u64, "step", "steps"),
        words::counted(story.waves.len() as u64, "wave", "waves"),
        words::moment_long(began),
        words::moment_long(ended)
    )
}

/// Some 26 characters fit the label column.
fn cut(label: &str) -> String {
    if label.chars().count() <= 27 {
        return label.to_owned();
    }
    format!("{}…", label.chars().take(26).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("the test writes a valid moment")
    }

    #[test]
    fn ticks_are_few_round_and_inside() {
        for (ended, first) in [
            ("2026-01-12T20:00:00Z", "12 Jan 12:00"),
            ("2026-01-14T20:00:00Z", "12 Jan 12:00"),
            ("2026-02-22T09:00:00Z", "Mon 19 Jan"),
            ("2027-02-22T09:00:00Z", "Mon"),
            ("2046-02-22T09:00:00Z", "Mon"),
        ] {
            let (began, ended) = (at("2026-01-12T09:30:00Z"), at(ended));
            let ticks = ticks(began, ended);
            assert!((1..=21).contains(&ticks.len()), "{ended}: {}", ticks.len());
            assert!(ticks[0].1.starts_with(first), "{ended}: {:?}", ticks[0]);
            assert!(ticks.iter().all(|(t, _)| *t >= began && *t <= ended));
        }
    }

    #[test]
    fn long_labels_are_cut() {
        assert_eq!(cut("mailflow::verify_coexistence").chars().count(), 27);
        assert_eq!(cut("batch"), "batch");
    }
}
