//! All integration tests in one binary: linking happens once.
//!
//! A test judges from the lab's world, the zone or the directory, not from the
//! program's own account; none sleeps or depends on speed.

mod against;
mod approvals;
mod borders;
mod companies;
mod contracts;
mod examples;
mod failing;
mod golden;
mod guards;
mod locks;
mod messes;
mod pages;
mod plans;
mod rehearsals;
mod resumed;
mod resumes;
mod settings;
mod signals;
mod support;
mod survey;
mod told;
mod undo;
mod validate;
