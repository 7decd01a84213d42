//! What scripts see: one file for each namespace, each a table of declarations
//! and thin calls into the session.
//!
//! A primitive that isn't declared here does not exist: registration, help,
//! completion, the checker and the reference pages all read these tables. No
//! file here opens a socket, keeps a state or knows a rule of the field.

pub mod cloud;
pub mod core;
pub mod declare;
pub mod mailboxes;
pub mod services;
pub mod steps;
pub mod types;

use declare::{OwnType, Primitive};

/// The tables, one line for each namespace file.
const TABLES: &[&[Primitive]] =
    &[core::PRIMITIVES, steps::PRIMITIVES, mailboxes::PRIMITIVES, cloud::PRIMITIVES, services::PRIMITIVES];

/// The types of our own that scripts may hold.
const TYPES: &[&[OwnType]] = &[types::TYPES];

/// Every primitive, in the order of the documentation.
pub fn all() -> Vec<&'static Primitive> {
    TABLES.iter().flat_map(|table| table.iter()).collect()
}

/// Every type of our own.
pub fn types() -> Vec<&'static OwnType> {
    TYPES.iter().flat_map(|table| table.iter()).collect()
}
