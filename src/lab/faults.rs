//! Trouble on the wire, by seed: throttling, services that are away, answers that
//! get lost.
//!
//! Each choice hangs on service, object and how often that object was asked; so
//! concurrency does not change it. A client that tries a third time gets through.

use super::{Faults, World};

/// What happens to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// 429.
    Throttle {
        /// Text of the `Retry-After` header: seconds.
        retry_after: String,
    },
    /// 503, nothing done.
    Unavailable,
    /// The connection dies before anything is done.
    DropBefore,
    /// It is carried out, then the connection dies.
    DropAfter,
}

/// Of 1,000 requests: throttled.
const THROTTLED: u64 = 10;
/// Of 1,000 requests: service away.
const AWAY: u64 = 5;
/// Of 1,000 requests: answer lost.
const LOST: u64 = 3;
/// So many times in a row at most.
const IN_A_ROW: u64 = 2;

/// What happens to a request of a service that concerns an object. `writes`: it
/// would change something; only then can an answer be lost after the deed.
///
/// `object` must not hang on the order of requests: an address, a cmdlet with its
/// identity, a zone.
pub fn http(world: &mut World, service: &str, object: &str, writes: bool) -> Trouble {
    if world.faults == Faults::None {
        return Trouble::None;
    }
    let purpose = format!("fault {service}");
    let choice = world.choose_next(&purpose, object);
    let row = world.attempts.entry(format!("faults in a row {service}\0{object}")).or_default();
    let trouble = match choice % 1000 {
        n if n < THROTTLED => Trouble::Throttle { retry_after: (5 + choice / 1000 % 55).to_string() },
        n if n < THROTTLED + AWAY => Trouble::Unavailable,
        n if n < THROTTLED + AWAY + LOST => match (writes, choice / 1000 % 2) {
            (true, 0) => Trouble::DropAfter,
            _ => Trouble::DropBefore,
        },
        _ => Trouble::None,
    };
    if trouble == Trouble::None || *row >= IN_A_ROW {
        *row = 0;
        return Trouble::None;
    }
    *row += 1;
    trouble
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::drive;

    #[test]
    fn a_calm_lab_has_none() {
        let mut world = drive::company(3, Faults::None);
        assert!((0..2000).all(|_| http(&mut world, "graph", "ann", true) == Trouble::None));
    }

    #[test]
    fn trouble_is_rare_repeatable_and_ends() {
        let mut first = drive::company(3, Faults::Usual);
        let mut second = drive::company(3, Faults::Usual);
        let mut hits = 0;
        let mut row = 0;
        for number in 0..20_000 {
            let object = format!("object {}", number % 50);
            let trouble = http(&mut first, "graph", &object, true);
            assert_eq!(trouble, http(&mut second, "graph", &object, true));
            hits += u64::from(trouble != Trouble::None);
        }
        assert!((200..600).contains(&hits), "{hits} of 20000");
        for _ in 0..20_000 {
            let trouble = http(&mut first, "exchange", "one", false);
            assert_ne!(trouble, Trouble::DropAfter);
            row = if trouble == Trouble::None { 0 } else { row + 1 };
            assert!(row <= IN_A_ROW);
        }
    }
}
