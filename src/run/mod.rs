//! A run: its session, the gate that every write passes, and what it tells.

pub mod narrate;
pub mod session;
