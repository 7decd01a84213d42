//! What every room may use and what itself uses no room: time, failures,
//! secrets, cancellation, the points at which a process may die.
//!
//! Nothing here knows Exchange, a protocol, a script or a terminal. A function
//! that needs one of those belongs into the room that has it.

pub mod cancel;
pub mod clock;
pub(crate) mod crash;
pub mod failure;
pub(crate) mod plant;
pub mod secret;

pub use cancel::Cancel;
pub use clock::{Advance, Clock};
pub use failure::{Failure, Kind};
pub use jiff::{SignedDuration, Timestamp};
pub use secret::Secret;

/// The result of anything that can fail for a reason a person should read.
pub type Result<T, E = Failure> = std::result::Result<T, E>;
