//! To be written.

pub mod args;
