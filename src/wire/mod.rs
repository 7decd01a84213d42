//! Protocol types and codecs. No I/O, no clock, no opinion.
//!
//! Clients (`services`) and the rehearsal lab (`lab`) both speak through these
//! and know nothing of each other: what one writes, the other reads, and both
//! are judged by the vendor's published shapes.

pub mod attributes;
pub mod autodiscover;
pub mod company;
pub mod dns;
pub mod graph;
pub mod guid;
pub mod invoke;
pub mod lab;
pub mod log;
pub mod profile;
pub mod rpc;
pub mod smtp;
