//! The rehearsal lab: a small world on loopback.
//!
//! It never imports `migration` or `services`: its states, its mail and its
//! judge are written from the reference alone, or one wrong rule would prove
//! itself.

pub mod batches;
pub mod beforehand;
pub mod company;
pub mod delivery;
pub mod directory;
pub mod faults;
pub mod file;
pub mod history;
pub mod incidents;
pub mod index;
pub mod judge;
pub mod licences;
pub mod mail;
pub mod mess;
pub mod names;
pub mod organization;
pub mod people;
pub mod post;
pub mod records;
pub mod rules;
pub mod serve;
pub mod settings;
pub mod sync;
pub mod tenancy;
pub mod time;
pub mod visitors;
pub mod work;
pub mod world;

#[cfg(test)]
mod drive;

pub use crate::wire::company::transport;
pub use world::{Faults, World};

/// What a lab is made from.
#[derive(Clone, Debug)]
pub struct Options {
    /// Every choice hangs on it.
    pub seed: u64,
    /// How much trouble.
    pub faults: Faults,
    /// Primary addresses of the mailboxes that are to move; `None` invents
    /// a sample company of [`Options::make`] mailboxes.
    pub list: Option<Vec<String>>,
    /// Size of the sample company.
    pub make: usize,
}
