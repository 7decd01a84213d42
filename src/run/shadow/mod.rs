//! The world as a plan would leave it: after-images laid over what is really
//! there, the services' own effects among them.
//!
//! A planning run writes nothing. Each change says here what would be true after
//! it, in the terms in which the services themselves are read, so that every
//! later read sees it, a room's as a script's own. What is really there is read
//! once: nothing of it changes because of a plan. Nothing here talks to anybody.

pub mod directory;
pub mod exchange;
mod filter;
pub mod graph;
pub mod unknown;

use std::collections::BTreeMap;

use hickory_proto::rr::RecordType;
use serde_json::Value;

use crate::base::Failure;
use crate::services::exchange::Reply;
use crate::wire::attributes::Entry;
use crate::wire::dns::{RecordSet, absolute};

/// What is foreseen, and what was read.
#[derive(Debug, Default)]
pub struct Shadow {
    /// Directory objects.
    pub directory: directory::Directory,
    /// What cmdlets show.
    pub exchange: exchange::Exchange,
    /// What Graph shows.
    pub graph: graph::Graph,
    sets: BTreeMap<(String, String), Option<RecordSet>>,
    /// What was read, by question.
    pub(super) read: Read,
    /// Nothing foreseen is shown: somebody asks how things are now.
    pub(super) away: bool,
}

/// Answers of the services, by question.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub replies: BTreeMap<String, Result<Reply, Failure>>,
    pub objects: BTreeMap<String, Result<Value, Failure>>,
    pub lists: BTreeMap<String, Vec<Value>>,
    pub entries: BTreeMap<String, Vec<Entry>>,
    pub sets: BTreeMap<String, Option<RecordSet>>,
}

impl Shadow {
    /// A record set that will be there, or none of that name and type.
    pub fn set(&mut self, name: &str, kind: RecordType, set: Option<RecordSet>) {
        self.sets.insert(key(name, kind), set);
    }

    /// What a lookup will answer; `None` where nothing is foreseen.
    pub fn look_up(&self, name: &str, kind: RecordType) -> Option<Option<RecordSet>> {
        self.sets.get(&key(name, kind)).cloned()
    }

    /// Whether nothing was foreseen yet.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.directory.is_empty() && self.exchange.is_empty() && self.graph.is_empty()
    }
}

fn key(name: &str, kind: RecordType) -> (String, String) {
    (absolute(name).to_lowercase(), kind.to_string())
}
