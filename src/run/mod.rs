//! A run: its session, the gate that every write passes, and what it tells.
//!
//! The rooms of the steps (`preflight`, `domains`, …) know what to read, which
//! change to make and what to say; the rules they follow stand in `migration`,
//! the clients they use in `services`. Nothing here knows Rhai or the terminal.

pub mod approvals;
mod approvers;
pub mod audit;
#[cfg(test)]
pub mod bare;
pub mod batches;
pub mod beside;
pub mod consequences;
pub mod contract;
#[cfg(test)]
mod contract_tests;
pub mod convert;
pub mod decided;
pub mod decommission;
pub mod diff;
pub mod domains;
pub mod doubt;
pub mod drift;
pub mod endpoints;
pub mod fenced;
pub mod foresee;
pub mod forwardings;
pub mod gate;
#[cfg(test)]
mod gate_tests;
pub mod guards;
pub mod inside;
pub mod journal;
pub mod kinds;
pub mod licences;
pub mod lock;
pub mod mailflow;
mod named;
pub mod narrate;
pub mod past;
pub mod permissions;
pub mod pins;
pub mod plan;
pub mod plan_file;
pub mod preflight;
pub mod process;
pub mod raw;
pub mod reading;
pub mod recipients;
pub mod records;
pub mod removal;
pub mod report;
mod schema;
pub mod seen;
pub mod session;
pub mod shadow;
pub mod sight;
pub mod situation;
pub mod sqlite;
pub mod standing;
pub mod start;
pub mod synchronize;
pub mod told;
pub mod undo;
pub mod validate;
pub mod waiting;
pub mod watch;
pub mod waves;
pub mod why;
pub mod zones;

pub use session::{Mode, Parts, Session, Step};
