//! Numbers, dates and lists as people read them.
//!
//! Pure: text in, text out. No colour, no width, no escaping; those belong to
//! whoever draws the page or the terminal. All dates are in UTC, because lab
//! and services both speak it.

use jiff::{SignedDuration, Timestamp};

/// A number with thousands set apart: `12,345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its noun: `1 mailbox`, `2,000 mailboxes`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A moment in 16 columns: `Mon 12 Jan 09:00`.
pub fn moment(time: Timestamp) -> String {
    time.strftime("%a %e %b %H:%M").to_string()
}

/// A moment in 12 columns, for narrow places: `12 Jan 09:00`.
pub fn moment_short(time: Timestamp) -> String {
    time.strftime("%e %b %H:%M").to_string()
}

/// A day: `Mon 12 Jan 2026`.
pub fn day(time: Timestamp) -> String {
    time.strftime("%a %-d %b %Y").to_string()
}

/// A moment with its year, for the head of a page: `Mon 12 Jan 2026, 09:00`.
pub fn moment_long(time: Timestamp) -> String {
    time.strftime("%a %-d %b %Y, %H:%M").to_string()
}

/// Hours as people say them: `45 min`, `6.5 h`, `3 days 3 h`.
pub fn hours(hours: f64) -> String {
    if !hours.is_finite() || hours < 0.0 {
        return "unknown".to_owned();
    }
    if hours == 0.0 {
        return "0 h".to_owned();
    }
    let minutes = (hours * 60.0).round();
    if minutes < 60.0 {
        return format!("{minutes:.0} min");
    }
    if minutes < 72.0 * 60.0 {
        return format!("{:.1} h", minutes / 60.0).replace(".0 h", " h");
    }
    let whole = (minutes / 60.0).round();
    let (days, rest) = ((whole / 24.0).floor(), whole % 24.0);
    if rest == 0.0 { format!("{days:.0} days") } else { format!("{days:.0} days {rest:.0} h") }
}

/// Hours of many people together, in hours whatever their number: `5,749 h`.
pub fn hours_in_all(hours: f64) -> String {
    if !hours.is_finite() || hours < 0.0 {
        return "unknown".to_owned();
    }
    format!("{} h", count(hours.round() as u64))
}

/// Time between two moments as people say it: `6.5 h`, `4.5 days`, `41 days`.
pub fn between(from: Timestamp, to: Timestamp) -> String {
    let hours_between = to.duration_since(from).as_secs_f64() / 3600.0;
    if hours_between < 48.0 {
        return hours(hours_between.max(0.0));
    }
    let days = hours_between / 24.0;
    if days >= 9.95 { format!("{days:.0} days") } else { format!("{days:.1} days").replace(".0 days", " days") }
}

/// Real seconds: `0.8 s`, `42 s`, `3 min 10 s`.
pub fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round();
    if whole < 120.0 {
        return format!("{whole:.0} s");
    }
    format!("{:.0} min {:.0} s", (whole / 60.0).floor(), whole % 60.0)
}

/// A span of the clock, for waits: as [`hours`], seconds below a minute.
pub fn span(span: SignedDuration) -> String {
    if span.as_secs() < 60 { seconds(span.as_secs_f64()) } else { hours(span.as_secs_f64() / 3600.0) }
}

/// A size of memory or of a mailbox, in steps of 1,000: `183 MB`.
pub fn bytes(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if size < 999.5 {
            break;
        }
        size /= 1000.0;
        unit = next;
    }
    if unit == "B" || size >= 99.95 { format!("{size:.0} {unit}") } else { format!("{size:.1} {unit}") }
}

/// The first `most` names and how many there are beside them:
/// `ann@a.test, bob@a.test and 3 more`.
pub fn names<S: AsRef<str>>(all: &[S], most: usize) -> String {
    // One name more costs no more room than the words that leave it out.
    let shown = if all.len() == most + 1 { all.len() } else { most.min(all.len()) };
    let mut out = String::new();
    for (i, name) in all.iter().take(shown).enumerate() {
        if i > 0 {
            out.push_str(if i + 1 == all.len() { " and " } else { ", " });
        }
        out.push_str(name.as_ref());
    }
    if shown < all.len() {
        out.push_str(&format!(" and {} more", count((all.len() - shown) as u64)));
    }
    out
}

/// Line numbers with runs drawn together: `14, 16–20, 31`.
pub fn ranges(numbers: &[u64]) -> String {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut out: Vec<String> = Vec::new();
    let mut rest = sorted.as_slice();
    while let Some((&first, _)) = rest.split_first() {
        let run = rest.iter().zip(first..).take_while(|(n, expected)| **n == *expected).count();
        let last = first + run as u64 - 1;
        match run {
            1 => out.push(first.to_string()),
            2 => out.extend([first.to_string(), last.to_string()]),
            _ => out.push(format!("{first}–{last}")),
        }
        rest = rest.get(run..).unwrap_or_default();
    }
    out.join(", ")
}

/// Text of foreign origin on one line, without control characters: a service's
/// answer must not move the cursor or break a page.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            blank = !out.is_empty();
        } else if !invisible(c) {
            if std::mem::take(&mut blank) {
                out.push(' ');
            }
            out.push(c);
        }
    }
    out
}

/// Marks that reorder or hide what stands around them.
pub fn invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The first letter in upper case.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("the test writes a valid moment")
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!(count(7), "7");
        assert_eq!(count(999), "999");
        assert_eq!(count(1000), "1,000");
        assert_eq!(count(1234567), "1,234,567");
        assert_eq!(counted(1, "mailbox", "mailboxes"), "1 mailbox");
        assert_eq!(counted(0, "mailbox", "mailboxes"), "0 mailboxes");
    }

    #[test]
    fn a_moment_has_always_the_same_width() {
        assert_eq!(moment(at("2026-01-12T09:00:00Z")), "Mon 12 Jan 09:00");
        assert_eq!(moment(at("2026-01-05T09:00:00Z")), "Mon  5 Jan 09:00");
        assert_eq!(moment_short(at("2026-01-05T09:00:00Z")), " 5 Jan 09:00");
        assert_eq!(day(at("2026-01-05T09:00:00Z")), "Mon 5 Jan 2026");
    }

    #[test]
    fn spans_take_the_unit_people_take() {
        assert_eq!(hours(0.0), "0 h");
        assert_eq!(hours(0.75), "45 min");
        assert_eq!(hours(6.5), "6.5 h");
        assert_eq!(hours(24.0), "24 h");
        assert_eq!(hours(49.2), "49.2 h");
        assert_eq!(hours(75.0), "3 days 3 h");
        assert_eq!(hours(71.9999), "3 days");
        assert_eq!(hours(f64::NAN), "unknown");
        assert_eq!((hours_in_all(5748.6), hours_in_all(f64::NAN)), ("5,749 h".into(), "unknown".into()));
        assert_eq!(between(at("2026-01-12T09:00:00Z"), at("2026-02-21T21:00:00Z")), "40 days");
        assert_eq!(between(at("2026-01-12T09:00:00Z"), at("2026-01-16T21:00:00Z")), "4.5 days");
        assert_eq!(seconds(4.23), "4.2 s");
        assert_eq!(seconds(190.0), "3 min 10 s");
        assert_eq!(bytes(183_400_000), "183 MB");
        assert_eq!(bytes(12), "12 B");
        assert_eq!(bytes(999_700), "1.0 MB");
    }

    #[test]
    fn names_beyond_the_most_are_counted() {
        let all = ["a", "b", "c", "d", "e"];
        assert_eq!(names(&all[..1], 3), "a");
        assert_eq!(names(&all[..2], 3), "a and b");
        assert_eq!(names(&all[..4], 3), "a, b, c and d");
        assert_eq!(names(&all, 3), "a, b, c and 2 more");
        assert_eq!(names::<&str>(&[], 3), "");
    }

    #[test]
    fn runs_of_lines_are_drawn_together() {
        assert_eq!(ranges(&[14, 16, 17, 18, 31, 32, 14]), "14, 16–18, 31, 32");
        assert_eq!(ranges(&[]), "");
    }

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n  c\u{202e}d\n"), "a [2Jb cd");
    }
}
