//! The rules of the field: what a staged migration is, written as pure
//! functions over plain facts.
//!
//! Lists and their rules, kinds and states, waves, the conversion as a
//! difference of attributes, licences, routing plans, the catalogue of known
//! errors. Nothing here reads a file, opens a socket, waits or asks for the
//! time; what a rule needs to know is handed to it. `lab` never imports this
//! room, or one wrong rule would prove itself.

pub mod address;
pub mod against;
pub mod columns;
pub mod conversion;
pub mod difference;
pub mod encoding;
pub mod errors;
pub mod fences;
mod findings;
pub mod guards;
pub mod hours;
pub mod kind;
pub mod landing;
mod layout;
pub mod licences;
pub mod list;
pub mod mend;
pub mod project;
pub mod read;
pub mod routing;
pub mod rules;
pub mod scan;
pub mod set;
pub mod sets;
mod slips;
pub mod split;
pub mod states;
mod values;
pub mod waves;
pub mod way_back;

pub use list::{Mailboxes, Row};
