//! Trouble on the way to an HTTP service, chosen by seed.
//!
//! Throttling, unavailability and lost answers; a lost answer to a write comes
//! after the write was carried out. The third attempt at the same thing always
//! gets through, so that a client with patience reaches its end.

use crate::lab::{Faults, World};

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing: it is answered.
    None,
    /// 429, with the text of `Retry-After` or without one.
    Throttle {
        /// Seconds, possibly with a fraction; empty if the service says nothing.
        retry_after: String,
    },
    /// 503.
    Unavailable,
    /// The connection ends and nothing was done.
    DropBefore,
    /// It is carried out and the connection ends without an answer.
    DropAfter,
}

/// Attempts of the same thing that can meet trouble.
const TROUBLED_ATTEMPTS: u64 = 2;

/// What happens to the next attempt at `object` (a cmdlet and its identity, a
/// method and its path) of a service.
pub fn http(world: &mut World, service: &str, object: &str, writes: bool) -> Trouble {
    if world.faults == Faults::None {
        return Trouble::None;
    }
    let purpose = format!("trouble {service}");
    let number = world.choose_next(&purpose, object);
    let attempt = world.attempts.get(&format!("{purpose}\0{object}")).copied().unwrap_or_default();
    if attempt > TROUBLED_ATTEMPTS {
        return Trouble::None;
    }
    // Of a thousand: ten throttled, five unavailable, three answers lost.
    match number % 1000 {
        0..=4 => Trouble::Throttle { retry_after: format!("{}.{:03}", 1 + number / 1000 % 20, number / 7919 % 1000) },
        5..=7 => Trouble::Throttle { retry_after: (1 + number / 1000 % 20).to_string() },
        8..=9 => Trouble::Throttle { retry_after: String::new() },
        10..=14 => Trouble::Unavailable,
        15..=17 if writes => Trouble::DropAfter,
        15..=17 => Trouble::DropBefore,
        _ => Trouble::None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::small;
    use super::*;

    #[test]
    fn a_calm_lab_makes_none_and_counts_nothing() {
        let mut world = small::world();
        assert_eq!(http(&mut world, "graph", "GET /users", false), Trouble::None);
        assert!(world.attempts.is_empty());
    }

    #[test]
    fn the_third_attempt_always_gets_through() {
        let mut world = small::world();
        world.faults = Faults::Usual;
        let mut met = 0;
        for n in 0..2000 {
            let object = format!("POST /users/{n}");
            for attempt in 0..3 {
                let trouble = http(&mut world, "graph", &object, true);
                met += usize::from(trouble != Trouble::None);
                assert!(attempt < 2 || trouble == Trouble::None);
            }
        }
        // 1.8 % of 4,000.
        assert!((40..110).contains(&met), "{met}");
    }

    #[test]
    fn the_order_of_requests_changes_nothing() {
        let mut one = small::world();
        one.faults = Faults::Usual;
        let mut other = one.clone();
        let names: Vec<String> = (0..500).map(|n| format!("x{n}")).collect();
        let forward: Vec<Trouble> = names.iter().map(|n| http(&mut one, "exchange", n, true)).collect();
        let mut backward: Vec<Trouble> = names.iter().rev().map(|n| http(&mut other, "exchange", n, true)).collect();
        backward.reverse();
        assert_eq!(forward, backward);
    }
}
