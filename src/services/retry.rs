//! When a request is sent again, and how long to wait before.
//!
//! One table for all HTTP services, by what is known about the first attempt
//! and by whether it changes something (reference: admin API, 4.1 and 10.4).
//! Reads are free; a write is repeated only when the service certainly did not
//! carry it out. Everything else about a write is in doubt and belongs to
//! whoever can read the object back. Nothing here sends, and no wait uses a
//! source of randomness: a rehearsal must repeat itself.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::base::plant::{self, Plant};
use crate::base::{Clock, Failure, Kind, Result};

/// Most attempts, the first included.
pub const TRIES: u32 = 6;
/// First wait without a `Retry-After`; doubled each time.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(2);
/// Most time spent waiting for one request.
const PATIENCE: SignedDuration = SignedDuration::from_mins(15);

/// Whether a request may change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It can't.
    Read,
    /// It may.
    Write,
}

/// What is known about an attempt that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The service understood and said no; asking again changes nothing.
    Refused,
    /// The token was not accepted; a new one may be.
    Expired,
    /// The request never left: no connection could be made.
    NotSent,
    /// 429, or the sentence about concurrent requests.
    Throttled,
    /// 503 with a body: the service itself said that it did nothing.
    Busy,
    /// The service said that it failed for a passing reason.
    Transient,
    /// No answer, a gateway's answer, or an unreadable one.
    Lost,
}

/// What to do after such an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Wait, then send it again.
    Again,
    /// Tell the caller.
    Final,
    /// Tell the caller that it may have happened.
    InDoubt,
}

/// The table.
pub fn verdict(verb: Verb, class: Class) -> Verdict {
    match (class, verb) {
        (Class::Refused | Class::Expired, _) => Verdict::Final,
        (Class::NotSent | Class::Throttled | Class::Busy, _) => Verdict::Again,
        (Class::Transient | Class::Lost, Verb::Read) => Verdict::Again,
        (Class::Transient, Verb::Write) => Verdict::Final,
        (Class::Lost, Verb::Write) => Verdict::InDoubt,
    }
}

/// An attempt that did not succeed.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// What is known about it.
    pub class: Class,
    /// As a person should read it if this was the last attempt.
    pub failure: Failure,
    /// The `claims` of a challenge, decoded, if the service sent one.
    pub claims: Option<String>,
}

impl Trouble {
    /// From its parts.
    pub fn new(class: Class, failure: Failure) -> Trouble {
        Trouble { class, failure, claims: None }
    }

    /// The failure to hand up when it is not tried again.
    pub fn settle(self, verb: Verb) -> Failure {
        match verdict(verb, self.class) {
            Verdict::InDoubt => in_doubt(self.failure),
            Verdict::Final | Verdict::Again => self.failure,
        }
    }
}

/// Turns a lost answer into a write in doubt; what was known stays as detail.
pub fn in_doubt(lost: Failure) -> Failure {
    let detail = match &lost.detail {
        Some(detail) => format!("{}; {detail}", lost.message),
        None => lost.message.clone(),
    };
    Failure {
        kind: Kind::InDoubt,
        message: "the answer to a change was lost, so it may or may not have been carried out".into(),
        hint: Some("read the object back before trying again".into()),
        detail: Some(detail),
        retryable: false,
        retry_after: None,
        ..lost
    }
}

/// The waits of one request.
pub struct Patience {
    object: String,
    failed: u32,
    tries: u32,
    spent: SignedDuration,
}

impl Patience {
    /// For a request on `object`, which only spreads the waits of many.
    pub fn new(object: impl Into<String>) -> Patience {
        Patience { object: object.into(), failed: 0, tries: TRIES, spent: SignedDuration::ZERO }
    }

    /// With another number of attempts.
    pub fn tries(mut self, tries: u32) -> Patience {
        self.tries = tries;
        self
    }

    /// How long to wait after this failure.
    ///
    /// # Errors
    /// The failure itself, when the attempts or the patience are used up.
    pub fn plan(&mut self, failure: Failure) -> Result<SignedDuration> {
        self.failed += 1;
        let wait = failure.retry_after.unwrap_or_else(|| back_off(&self.object, self.failed - 1));
        let spent = self.spent.checked_add(wait).unwrap_or(SignedDuration::MAX);
        if self.failed >= self.tries || spent > PATIENCE {
            let tries = format!("gave up after {} attempts", self.failed);
            let detail = match &failure.detail {
                Some(detail) => format!("{detail}; {tries}"),
                None => tries,
            };
            return Err(failure.detail(detail).retryable());
        }
        self.spent = spent;
        Ok(wait)
    }

    /// Waits on the clock before the next attempt.
    ///
    /// # Errors
    /// As [`Patience::plan`], or the clock's.
    pub async fn again(&mut self, clock: &Clock, failure: Failure) -> Result<()> {
        let wait = self.plan(failure)?;
        let wait = if plant::is(Plant::RetryAfterIgnored) { SignedDuration::ZERO } else { wait };
        clock.sleep(wait).await
    }
}

/// 2 s × 2ⁿ, between half and the whole of it: a hash of object and attempt
/// decides, so that many don't come back together and a rehearsal repeats.
pub fn back_off(object: &str, failed: u32) -> SignedDuration {
    let whole = FIRST_WAIT.as_millis() << failed.min(10);
    let mut hash = Sha256::new();
    hash.update(object.as_bytes());
    hash.update(failed.to_be_bytes());
    let digest = hash.finalize();
    let part = digest.iter().take(2).fold(0_i128, |n, b| n << 8 | i128::from(*b));
    let wait = whole / 2 + whole / 2 * part / 0xFFFF;
    SignedDuration::from_millis(i64::try_from(wait).unwrap_or(i64::MAX))
}

/// Reads `Retry-After`: seconds, possibly with a fraction (Graph sends
/// `2.128`), or an HTTP date.
pub fn retry_after(header: &str, now: Timestamp) -> Option<SignedDuration> {
    let text = header.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        if !seconds.is_finite() {
            return None;
        }
        let millis = (seconds.clamp(0.0, 604_800.0) * 1000.0).ceil();
        return Some(SignedDuration::from_millis(millis as i64));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(at.duration_since(now).max(SignedDuration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_repeated_only_when_it_was_certainly_refused() {
        for class in [Class::NotSent, Class::Throttled, Class::Busy] {
            assert_eq!(verdict(Verb::Write, class), Verdict::Again, "{class:?}");
        }
        assert_eq!(verdict(Verb::Write, Class::Lost), Verdict::InDoubt);
        assert_eq!(verdict(Verb::Write, Class::Transient), Verdict::Final);
        assert_eq!(verdict(Verb::Read, Class::Lost), Verdict::Again);
        assert_eq!(verdict(Verb::Read, Class::Refused), Verdict::Final);
    }

    #[test]
    fn the_wait_of_the_service_wins_and_is_read_in_both_forms() {
        let now: Timestamp = "2026-11-20T09:00:00Z".parse().expect("a good time");
        assert_eq!(retry_after("2.128", now), Some(SignedDuration::from_millis(2128)));
        assert_eq!(retry_after("17", now), Some(SignedDuration::from_secs(17)));
        assert_eq!(retry_after("Fri, 20 Nov 2026 09:00:30 GMT", now), Some(SignedDuration::from_secs(30)));
        assert_eq!(retry_after("Fri, 20 Nov 2026 08:00:30 GMT", now), Some(SignedDuration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        let asked = Failure::new(Kind::Throttled, "slow down").retry_after(SignedDuration::from_secs(90));
        let mut patience = Patience::new("x");
        assert_eq!(patience.plan(asked).ok(), Some(SignedDuration::from_secs(90)));
    }

    #[test]
    fn waits_double_repeat_themselves_and_end() {
        let waits: Vec<_> = (0..5).map(|n| back_off("Get-MigrationBatch", n)).collect();
        assert_eq!(waits, (0..5).map(|n| back_off("Get-MigrationBatch", n)).collect::<Vec<_>>());
        for (n, wait) in waits.iter().enumerate() {
            let whole = 2000_i128 << n;
            assert!(wait.as_millis() >= whole / 2 && wait.as_millis() <= whole, "{n}: {wait:?}");
        }
        assert_ne!(back_off("a", 3), back_off("b", 3));
        let mut patience = Patience::new("x");
        let busy = || Failure::new(Kind::Unavailable, "busy");
        for _ in 1..TRIES {
            assert!(patience.plan(busy()).is_ok());
        }
        assert!(patience.plan(busy()).is_err());
    }

    #[test]
    fn one_long_wait_uses_the_patience_up() {
        let mut patience = Patience::new("x");
        let long = Failure::new(Kind::Throttled, "slow down").retry_after(SignedDuration::from_hours(2));
        assert_eq!(patience.plan(long).map_err(|f| f.kind), Err(Kind::Throttled));
    }
}
