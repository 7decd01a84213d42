//! The rehearsal lab: a small world on loopback.
//!
//! It never imports `migration` or `services`: its states, its mail and its
//! judge are written from the reference alone, or one wrong rule would prove
//! itself.

pub mod world;
