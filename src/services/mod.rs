//! Clients of every service that a migration speaks to.
//!
//! Protocol comes from `wire`, connections from the dialer, time from the
//! session's clock. Clients know how to ask, when asking again is safe, and how
//! to say what a refusal means; they know nothing of migrations, keep no
//! journal and decide nothing. A write whose answer was lost comes back as
//! `in_doubt`, never as failed and never a second time.

pub mod dialer;
pub mod entra;
pub mod exchange;
mod http;
mod ids;
pub mod lab_clock;
mod module;
pub mod retry;
pub mod secrets;
pub mod tap;
mod tls;
