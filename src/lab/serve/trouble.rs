//! Trouble on the way to an HTTP service, as its clients meet it.
//!
//! Whether there is any is chosen in `lab::faults`. Here it gets the forms that
//! clients must cope with: `Retry-After` whole, with a fraction, or absent
//! (DOCS21, throttling; admin API, section 3).

use crate::lab::World;
use crate::lab::faults;
pub use crate::lab::faults::Trouble;

/// What happens to a request about `object` (a cmdlet and its identity, a method
/// and its path) of a service.
pub fn http(world: &mut World, service: &str, object: &str, writes: bool) -> Trouble {
    // Who comes back too early is refused again, and it counts (DOCS21, throttling:
    // requests before the time that Retry-After names are throttled, too).
    let mark = format!("throttled until\0{service}\0{object}");
    let now = u64::try_from(world.now.as_second()).unwrap_or_default();
    match world.attempts.get(&mark).map(|until| until.saturating_sub(now)) {
        Some(left) if left > 0 => return Trouble::Throttle { retry_after: left.to_string() },
        _ => {}
    }
    match faults::http(world, service, object, writes) {
        Trouble::Throttle { retry_after } => {
            let form = world.choose_next("form of retry-after", object);
            let retry_after = match form % 10 {
                0..=3 => retry_after,
                4..=6 => format!("{retry_after}.{:03}", form / 10 % 1000),
                _ => String::new(),
            };
            if let Some(seconds) = retry_after.split('.').next().and_then(|s| s.parse::<u64>().ok()) {
                world.attempts.insert(mark, now + seconds);
            }
            Trouble::Throttle { retry_after }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::small;
    use super::*;
    use crate::lab::Faults;

    #[test]
    fn every_form_is_met_and_the_order_of_requests_changes_nothing() {
        let mut one = small::world();
        one.faults = Faults::Usual;
        let mut other = one.clone();
        let names: Vec<String> = (0..3000).map(|n| format!("x{n}")).collect();
        let forward: Vec<Trouble> = names.iter().map(|n| http(&mut one, "exchange", n, true)).collect();
        let mut backward: Vec<Trouble> = names.iter().rev().map(|n| http(&mut other, "exchange", n, true)).collect();
        backward.reverse();
        assert_eq!(forward, backward);
        let waits: Vec<&str> = forward
            .iter()
            .filter_map(|t| match t {
                Trouble::Throttle { retry_after } => Some(retry_after.as_str()),
                _ => None,
            })
            .collect();
        assert!(
            waits.contains(&"")
                && waits.iter().any(|w| w.contains('.'))
                && waits.iter().any(|w| w.parse::<u64>().is_ok())
        );
        assert!(forward.contains(&Trouble::DropAfter) && forward.contains(&Trouble::Unavailable));
    }
}
