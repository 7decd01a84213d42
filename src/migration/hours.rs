//! Hours of the week as people write them: `Mon-Fri 08:00-18:00`.
//!
//! The text is read once and asked often. Whose hours they are, a time zone says
//! that is handed in; nothing here looks at a clock.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// Days in the order in which `Mon-Fri` counts.
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Hours of some days of the week. One that ends before it begins goes over
/// midnight, and belongs to the day on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    days: [bool; 7],
    from: u16,
    to: u16,
}

impl Hours {
    /// Reads `Mon-Fri 08:00-18:00`, `Sat,Sun 00:00-24:00`, `22:00-06:00` (every
    /// day).
    ///
    /// # Errors
    /// What of the text is no such thing, as a part of a sentence.
    pub fn parse(text: &str) -> Result<Hours, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times) = match words.as_slice() {
            [times] if times.contains(':') => ([true; 7], *times),
            [days, times] => (days_of(days)?, *times),
            _ => return Err(format!("`{text}` is not days and hours")),
        };
        let (from, to) = times.split_once('-').ok_or_else(|| format!("`{times}` is not from and to"))?;
        let (from, to) = (minutes(from)?, minutes(to)?);
        if from == to || from == DAY {
            return Err(format!("`{times}` holds no time"));
        }
        Ok(Hours { days, from, to })
    }

    /// When the hours that hold a moment end; `None` outside of them.
    pub fn until(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = now.to_zoned(zone.clone()).datetime();
        // Those that began yesterday may go on over midnight.
        [local.date().yesterday().ok(), Some(local.date())].into_iter().flatten().find_map(|day| {
            let index = usize::try_from(day.weekday().to_monday_zero_offset()).ok()?;
            if !self.days.get(index).copied().unwrap_or(false) {
                return None;
            }
            let begins = at(day.to_datetime(jiff::civil::Time::midnight()), self.from)?;
            let over = if self.to <= self.from { DAY } else { 0 };
            let ends = at(day.to_datetime(jiff::civil::Time::midnight()), self.to + over)?;
            if !(begins <= local && local < ends) {
                return None;
            }
            // A local time that a change of the clocks leaves out is the next one.
            let end = ends.to_zoned(zone.clone()).ok()?.timestamp();
            // In the hour that comes twice the end may seem past already.
            Some(end.max(now))
        })
    }
}

fn at(midnight: DateTime, minutes: u16) -> Option<DateTime> {
    midnight.checked_add(i64::from(minutes).minutes()).ok()
}

fn days_of(text: &str) -> Result<[bool; 7], String> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (day(from)?, day(to)?);
        // `Fri-Mon` goes over the end of the week.
        let mut index = from;
        loop {
            if let Some(day) = days.get_mut(index) {
                *day = true;
            }
            if index == to {
                break;
            }
            index = (index + 1) % 7;
        }
    }
    Ok(days)
}

fn day(text: &str) -> Result<usize, String> {
    let lower = text.trim().to_ascii_lowercase();
    DAYS.iter().position(|(name, _)| *name == lower).ok_or_else(|| format!("`{text}` is no day of the week"))
}

fn minutes(text: &str) -> Result<u16, String> {
    let wrong = || format!("`{text}` is no time of day");
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let digits = |t: &str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return Err(wrong());
    }
    let (hours, minutes): (u16, u16) = (hours.parse().map_err(|_| wrong())?, minutes.parse().map_err(|_| wrong())?);
    let sum = hours * 60 + minutes;
    if minutes > 59 || sum > DAY { Err(wrong()) } else { Ok(sum) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn until(hours: &str, now: &str, zone: &str) -> Option<String> {
        let zone = TimeZone::get(zone).expect("a known zone");
        let hours = Hours::parse(hours).expect("hours");
        hours.until(now.parse().expect("a time"), &zone).map(|t| t.to_string())
    }

    #[test]
    fn office_hours_are_those_of_the_named_zone() {
        // 2026-01-12 is a Monday.
        let office = "Mon-Fri 08:00-18:00";
        assert_eq!(until(office, "2026-01-12T07:59:59Z", "UTC"), None);
        assert_eq!(until(office, "2026-01-12T08:00:00Z", "UTC").as_deref(), Some("2026-01-12T18:00:00Z"));
        assert_eq!(until(office, "2026-01-12T18:00:00Z", "UTC"), None);
        assert_eq!(until(office, "2026-01-17T12:00:00Z", "UTC"), None, "a Saturday");
        assert_eq!(until(office, "2026-01-12T07:30:00Z", "Europe/Berlin").as_deref(), Some("2026-01-12T17:00:00Z"));
        assert_eq!(
            until("Fri-Mon 00:00-24:00", "2026-01-18T12:00:00Z", "UTC").as_deref(),
            Some("2026-01-19T00:00:00Z")
        );
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = "Fri 22:00-06:00";
        assert_eq!(until(night, "2026-01-16T23:00:00Z", "UTC").as_deref(), Some("2026-01-17T06:00:00Z"));
        assert_eq!(until(night, "2026-01-17T05:59:00Z", "UTC").as_deref(), Some("2026-01-17T06:00:00Z"));
        assert_eq!(until(night, "2026-01-16T05:00:00Z", "UTC"), None, "Thursday's night is not meant");
        assert_eq!(until("22:00-06:00", "2026-01-16T05:00:00Z", "UTC").as_deref(), Some("2026-01-16T06:00:00Z"));
    }

    #[test]
    fn what_is_no_hours_is_named() {
        for (text, named) in [
            ("Mon-Fri", "`Mon-Fri`"),
            ("Mo 08:00-18:00", "`Mo`"),
            ("Mon 8:00-18:00", "`8:00`"),
            ("Mon 08:00-24:01", "`24:01`"),
            ("Mon 08:60-18:00", "`08:60`"),
            ("Mon 08:00-08:00", "`08:00-08:00`"),
            ("Mon 08:00 - 18:00", "is not days and hours"),
            ("", "is not days and hours"),
        ] {
            let error = Hours::parse(text).expect_err(text);
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn the_end_is_never_past_and_outside_is_outside(second in 1_700_000_000_i64..1_900_000_000, from in 0_u16..1440, to in 0_u16..=1440) {
            prop_assume!(from != to);
            let text = format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60);
            let hours = Hours::parse(&text).expect("hours");
            let now = Timestamp::from_second(second).expect("a time");
            let minute = u16::try_from(second.rem_euclid(86_400) / 60).expect("of a day");
            let inside = if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to };
            let until = hours.until(now, &TimeZone::UTC);
            prop_assert_eq!(until.is_some(), inside, "{} at {}", text, now);
            if let Some(until) = until {
                prop_assert!(until > now && until.duration_since(now).as_hours() <= 24);
                prop_assert_eq!(hours.until(until, &TimeZone::UTC).is_some(), from == (to % 1440));
            }
        }
    }
}
