//! The journal: what was intended and what became of it, in the order of
//! commits, only ever appended to.
//!
//! One trait, so that a team's database can stand behind it later; SQLite
//! beside the project now. Events are chained by hash, each over the one before
//! it, so that an edit shows. Secrets cannot reach it: bodies are plain JSON, and
//! secrets are a type without a serialized form.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::base::Result;
use crate::wire::guid::hex;

/// Most intents of one commit: what a crash can leave in doubt at once.
pub const GROUP: usize = 64;

/// What kind of thing an event records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A run begins; the body pins script, library and inputs by hash.
    Began,
    /// An object's whole image before it is touched for the first time.
    Baseline,
    /// A change is about to go out, with its before-image.
    Intent,
    /// What became of it.
    Outcome,
    /// An approval and who gave it.
    Approval,
    /// A row is left where it is, and why.
    Left,
    /// A guard is passed by force, and why.
    Forced,
    /// The run ended.
    Ended,
}

impl Kind {
    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Began => "began",
            Kind::Baseline => "baseline",
            Kind::Intent => "intent",
            Kind::Outcome => "outcome",
            Kind::Approval => "approval",
            Kind::Left => "left",
            Kind::Forced => "forced",
            Kind::Ended => "ended",
        }
    }

    /// The kind of a word.
    pub fn of_word(word: &str) -> Option<Kind> {
        [
            Kind::Began,
            Kind::Baseline,
            Kind::Intent,
            Kind::Outcome,
            Kind::Approval,
            Kind::Left,
            Kind::Forced,
            Kind::Ended,
        ]
        .into_iter()
        .find(|k| k.word() == word)
    }
}

/// One event, before it is numbered and chained.
#[derive(Clone, Debug)]
pub struct Event {
    /// What kind.
    pub kind: Kind,
    /// When, by the run's clock.
    pub time: Timestamp,
    /// `convert_to_mail_user`, `set_mx`, …
    pub operation: String,
    /// The object: an address, a zone set, a batch.
    pub target: String,
    /// Before-image, outcome, text; plain JSON.
    pub body: Value,
}

/// An event as it stands in the journal.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Position, from 1.
    pub number: u64,
    /// Id of the run.
    pub run: String,
    /// The event.
    pub event: Event,
    /// Hash over this and the hash before it, hexadecimal.
    pub hash: String,
}

/// Where events are kept.
pub trait Journal: Send + Sync {
    /// Appends a group in one commit; it is on disk when this returns. Numbers
    /// of the events, in order.
    ///
    /// # Errors
    /// Nothing of the group was recorded; the caller must not write.
    fn append(&self, events: &[Event]) -> Result<Vec<u64>>;

    /// Every event of a run, in order.
    ///
    /// # Errors
    /// The store cannot be read.
    fn read(&self, run: &str) -> Result<Vec<Stored>>;

    /// Every event that earlier runs wrote for the same tenant, in order; bodies
    /// of baselines are left out.
    ///
    /// # Errors
    /// The store cannot be read.
    fn past(&self, each: &mut dyn FnMut(&Event)) -> Result<()>;

    /// Id of the run that appends here.
    fn run(&self) -> &str;
}

/// Whose journal it is; part of every event's hash.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Name of the project.
    pub project: String,
    /// Tenant id.
    pub tenant: String,
    /// Id of the run.
    pub run: String,
}

/// The hash of an event: over the one before it, its owner and everything it
/// says.
pub fn chain(before: &str, owner: &Owner, number: u64, event: &Event) -> String {
    let mut hash = Sha256::new();
    let time = event.time.to_string();
    let body = event.body.to_string();
    let number = number.to_string();
    let parts = [
        before,
        &owner.project,
        &owner.tenant,
        &owner.run,
        &number,
        event.kind.word(),
        &time,
        &event.operation,
        &event.target,
        &body,
    ];
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}
