//! stagepost moves an Exchange organization to Microsoft 365 in stages, by
//! script.
//!
//! The rooms and which way data flows between them stand in ARCHITECTURE.md.

pub mod api;
pub mod base;
pub mod check;
pub mod cli;
pub mod host;
pub mod lab;
pub mod migration;
pub mod repl;
pub mod report;
pub mod run;
pub mod services;
pub mod survey;
pub mod ui;
pub mod wire;
