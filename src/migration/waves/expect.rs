//! What a wave is expected to cost the people in it, from sizes and a rate.
//!
//! The price of a staged wave is *hours without old mail* (from the forwarding to
//! the end of the copy) and *hours apart* (from the forwarding to the conversion,
//! while new mail is in one mailbox and Outlook opens the other). Both are stated
//! as what they are at most if the rate holds, whichever order the service
//! chooses. No rate is assumed: without one the vendor's published days are given.

use std::fmt;

const GB: u64 = 1 << 30;

/// How fast mailboxes are copied. Bytes count on premises; a GB has 1024³.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Bytes an hour of one mailbox.
    pub each: f64,
    /// Bytes an hour of all together, where a line or the source front end is the
    /// bottleneck.
    pub line: Option<f64>,
    /// Mailboxes copied at the same time (MaxConcurrentMigrations of the endpoint).
    pub at_once: usize,
}

/// What a wave holds, as far as limits and hours depend on it. It grows with
/// every mailbox and never shrinks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Mailboxes.
    pub mailboxes: usize,
    /// People at a desk, each of whom needs a new Outlook profile.
    pub desks: usize,
    /// Bytes of all, those of unknown size counted as the average of the others.
    pub bytes: u64,
    /// Bytes of the largest.
    pub largest: u64,
}

impl Load {
    /// Both together.
    pub fn with(self, other: Load) -> Load {
        Load {
            mailboxes: self.mailboxes + other.mailboxes,
            desks: self.desks + other.desks,
            bytes: self.bytes.saturating_add(other.bytes),
            largest: self.largest.max(other.largest),
        }
    }

    /// Hours until the last copy is complete, at most, whatever order the service
    /// takes (R. L. Graham, Bell System Technical Journal 45, 1966: a new copy
    /// begins whenever one ends).
    pub fn hours(&self, pace: &Pace) -> f64 {
        let slots = pace.at_once.max(1);
        let (all, largest) = (self.bytes as f64, self.largest as f64);
        let by_mailbox =
            if self.mailboxes <= slots { largest } else { all / slots as f64 + largest * (1.0 - 1.0 / slots as f64) };
        let by_line = pace.line.map_or(0.0, |line| all / line);
        (by_mailbox / pace.each).max(by_line)
    }
}

/// Days in which half and 90 % of mailboxes of a size were copied, as the vendor
/// publishes them (Microsoft, "Microsoft 365 and Office 365 migration performance
/// and best practices", figures of 2021). `None` beyond 200 GB, which is not
/// supported.
pub fn published_days(bytes: u64) -> Option<(u32, u32)> {
    const DAYS: [(u64, u32, u32); 4] = [(10, 1, 7), (50, 3, 14), (100, 3, 30), (200, 8, 45)];
    DAYS.iter().find(|(size, ..)| bytes < size * GB).map(|(_, half, most)| (*half, *most))
}

/// What is expected of one wave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// Mailboxes, each of which needs a seat.
    pub seats: usize,
    /// New Outlook profiles.
    pub profiles: usize,
    /// Bytes, if any size is known.
    pub bytes: Option<u64>,
    /// Mailboxes whose size is not known.
    pub unsized_mailboxes: usize,
    /// Hours without old mail, at most; known with sizes and a rate.
    pub without_old_mail: Option<f64>,
    /// Hours apart, at most: until the next look after the copy.
    pub apart: Option<f64>,
    /// Published days for the largest mailbox, half and 90 %, where there is no
    /// rate.
    pub days: Option<(u32, u32)>,
    /// Permissions with one side in this wave and the other in another wave or on
    /// premises.
    pub crossing: usize,
}

/// A text that is no rate or no size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What was read.
    pub text: String,
    /// How it is written.
    pub like: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` can't be read; it is written like {}", self.text, self.like)
    }
}

/// Bytes an hour, from `0.5 GB/h`, `300 MB/h` or, for a line, `100 Mbit/s`. Bits
/// count in thousands, bytes in 1024s, as Exchange counts.
///
/// # Errors
/// It is no rate above zero.
pub fn rate(text: &str) -> Result<f64, Unreadable> {
    let wrong = || Unreadable { text: text.to_owned(), like: "\"0.5 GB/h\" or \"100 Mbit/s\"" };
    let (amount, per) = text.trim().split_once('/').ok_or_else(wrong)?;
    let (number, unit) = parted(amount).ok_or_else(wrong)?;
    let hours = match per.trim().to_ascii_lowercase().as_str() {
        "h" | "hour" => 1.0,
        "min" => 60.0,
        "s" | "second" => 3600.0,
        "d" | "day" => 1.0 / 24.0,
        _ => return Err(wrong()),
    };
    let of_unit = match unit.to_ascii_lowercase().as_str() {
        "kbit" => 1e3 / 8.0,
        "mbit" => 1e6 / 8.0,
        "gbit" => 1e9 / 8.0,
        bytes => bytes_of(bytes).ok_or_else(wrong)?,
    };
    Some(number * of_unit * hours).filter(|r| r.is_finite() && *r > 0.0).ok_or_else(wrong)
}

/// Bytes, from what Exchange and people write: `123456B`, `1.2 GB (1,288,490,188
/// bytes)`, `1,5 GB`, or a bare number in `unit` (`B`, `KB`, …).
///
/// # Errors
/// It is no size.
pub fn size(text: &str, unit: &str) -> Result<u64, Unreadable> {
    let wrong = || Unreadable { text: text.to_owned(), like: "\"1.2 GB\" or \"123456B\"" };
    // The bytes in brackets are exact, and the rest is rounded.
    if let Some((_, inside)) = text.split_once('(')
        && inside.to_ascii_lowercase().contains("byte")
    {
        let digits: String = inside.chars().filter(char::is_ascii_digit).collect();
        return digits.parse().map_err(|_| wrong());
    }
    let (number, own) = parted(text).ok_or_else(wrong)?;
    let own = if own.is_empty() { unit } else { own };
    let bytes = number * bytes_of(&own.to_ascii_lowercase()).ok_or_else(wrong)?;
    if bytes.is_finite() && (0.0..1e18).contains(&bytes) { Ok(bytes.round() as u64) } else { Err(wrong()) }
}

fn bytes_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "b" | "byte" | "bytes" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => (1_u64 << 20) as f64,
        "g" | "gb" | "gib" => GB as f64,
        "t" | "tb" | "tib" => (1_u64 << 40) as f64,
        _ => return None,
    })
}

/// The number at the begin of a text, and what follows. A comma or a dot before
/// groups of three digits only separates thousands if there are several of it, or
/// if it is a comma before exactly three.
fn parted(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && !".,\u{a0}\u{202f}' ".contains(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let bare: String = number.chars().filter(|c| c.is_ascii_digit() || ".,".contains(*c)).collect();
    let count = |sign| bare.matches(sign).count();
    let thousands =
        |sign: char| count(sign) > 1 || (sign == ',' && bare.rsplit(',').next().is_some_and(|d| d.len() == 3));
    let plain = match (count('.'), count(',')) {
        (0, 0) => bare.clone(),
        // The sign that stands last is the decimal one.
        (1.., 1..) if bare.rfind('.') > bare.rfind(',') => bare.replace(',', ""),
        (1.., 1..) => bare.replace('.', "").replace(',', "."),
        (1.., 0) if thousands('.') => bare.replace('.', ""),
        (0, 1..) if thousands(',') => bare.replace(',', ""),
        _ => bare.replace(',', "."),
    };
    let number = plain.parse::<f64>().ok()?;
    Some((number, unit.trim()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_as_exchange_writes_them() {
        let read = |text| size(text, "KB");
        assert_eq!(read("123456B"), Ok(123_456));
        assert_eq!(read("1.2 GB (1,288,490,188 bytes)"), Ok(1_288_490_188));
        assert_eq!(read("1,2 GB (1.288.490.188 Bytes)"), Ok(1_288_490_188));
        assert_eq!((read("1,5 GB"), read("1.5GB")), (Ok(3 * GB / 2), Ok(3 * GB / 2)));
        assert_eq!((read("1,234"), read("1.234.567"), read("12")), (Ok(1234 << 10), Ok(1_234_567 << 10), Ok(12 << 10)));
        assert_eq!(read("1.234,5 MB"), Ok((1234.5 * (1 << 20) as f64).round() as u64));
        assert_eq!(read("0 B"), Ok(0));
        for wrong in ["", "GB", "much", "5 parsecs", "-3 GB", "1e99 TB"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_are_read_in_bytes_and_in_bits() {
        assert_eq!(rate("0.5 GB/h"), Ok(GB as f64 / 2.0));
        assert_eq!(rate("300 MB/h"), Ok((300 << 20) as f64));
        assert_eq!(rate("100 Mbit/s"), Ok(100e6 / 8.0 * 3600.0));
        for wrong in ["0.5 GB", "0 GB/h", "fast/h", "1 GB/month", "measured"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wave_takes_as_long_as_its_largest_or_its_line() {
        let pace = Pace { each: GB as f64, line: None, at_once: 20 };
        let load = |mailboxes, bytes, largest| Load { mailboxes, desks: 0, bytes: bytes * GB, largest: largest * GB };
        assert_eq!(load(5, 20, 8).hours(&pace), 8.0);
        assert_eq!(load(40, 80, 2).hours(&pace), 80.0 / 20.0 + 2.0 * 0.95);
        assert_eq!(load(5, 20, 8).hours(&Pace { line: Some(2.0 * GB as f64), ..pace }), 10.0);
        assert_eq!(published_days(9 * GB), Some((1, 7)));
        assert_eq!((published_days(10 * GB), published_days(200 * GB)), (Some((3, 14)), None));
    }

    proptest! {
        /// Whatever order the service takes, the copy ends within the hours stated.
        #[test]
        fn no_order_takes_longer_than_stated(
            sizes in proptest::collection::vec(0u64..100, 1..40), at_once in 1usize..8, seed in any::<u64>(),
        ) {
            let pace = Pace { each: 1.0, line: None, at_once };
            let load = sizes.iter().fold(Load::default(), |sum, bytes| {
                sum.with(Load { mailboxes: 1, desks: 1, bytes: *bytes, largest: *bytes })
            });
            let mut order = sizes.clone();
            let len = order.len() as u64;
            (0..order.len()).for_each(|n| order.swap(n, (seed.rotate_left(n as u32) % len) as usize));
            let mut slots = vec![0_u64; at_once];
            for bytes in order {
                let free = slots.iter_mut().min().expect("at least one slot");
                *free += bytes;
            }
            let took = *slots.iter().max().expect("at least one slot") as f64;
            prop_assert!(took <= load.hours(&pace) + 1e-9, "{took} > {}", load.hours(&pace));
        }
    }
}
