//! What a rehearsal or a run leaves for people and machines: the story of it,
//! the HTML page, the JSON lines, the wire log.
//!
//! Reads notes and the judge's proof and decides nothing: no rule of the field
//! lives here, and nothing here writes to the terminal (that is `ui`) or to a
//! service.

pub mod calendar;
pub mod folder;
pub mod front;
pub mod gantt;
pub mod group;
pub mod html;
pub mod limits;
pub mod lines;
pub mod notes;
pub mod owners;
#[cfg(test)]
pub(crate) mod sample;
pub mod story;
pub mod wirelog;
pub mod words;

pub use story::{Parts, Story, Verdict, exit_code};
pub use wirelog::WireLog;
