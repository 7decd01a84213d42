//! All integration tests in one binary: linking happens once.
//!
//! A test judges from the lab's world, the zone or the directory, not from the
//! program's own account; none sleeps or depends on speed.

mod against;
mod borders;
mod companies;
mod examples;
mod failing;
mod golden;
mod guards;
mod messes;
mod pages;
mod rehearsals;
mod resumes;
mod settings;
mod signals;
mod support;
mod survey;
mod validate;
