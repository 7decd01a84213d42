//! A plan: what a run would change, before and after, with what it rests on.
//!
//! It is made by the same script with the gate closed ([`Recorder`]), written as
//! one file with a hash over all it says, and is a contract for a run that is
//! given it. This file holds what a plan *is*; the gate decides what goes in, and
//! what a listed change allows.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::shadow::Shadow;
use crate::base::Timestamp;

/// Version of the file; another one is refused.
pub const VERSION: u32 = 1;

/// A plan as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`VERSION`].
    pub version: u32,
    /// Whose: project, tenant and profile, as in the journal.
    pub of: Of,
    /// When it was made, by the run's clock.
    pub made: Timestamp,
    /// When the run would end, all its waits included.
    pub ends: Timestamp,
    /// What it was made from: script, modules, inputs.
    pub pins: Vec<Pin>,
    /// What would be changed, in order.
    pub changes: Vec<Planned>,
    /// What was taken for granted.
    pub assumptions: Vec<Assumption>,
    /// Guards that object now and will not once what is planned before them is
    /// done.
    pub conditions: Vec<Assumption>,
    /// Approvals that will be asked for, in order.
    pub approvals: Vec<Assumption>,
    /// Rows that stay where they are: address → reason.
    pub left: BTreeMap<String, String>,
    /// How many requests the planning took, by service.
    pub requests: BTreeMap<String, u64>,
}

/// Whose plan it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Of {
    /// Name of the project.
    pub project: String,
    /// Tenant id, with the lab's mark where a lab stands behind it.
    pub tenant: String,
    /// Name of the profile.
    pub profile: String,
}

/// Something that a plan or a run was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// `script`, `module`, `input`, `settings`.
    pub kind: String,
    /// Its name: `staged`, `std/waves`, `mailboxes.csv`.
    pub name: String,
    /// Where it came from.
    pub origin: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

/// One change of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// `convert_to_mail_user`, `set_mx`, …
    pub operation: String,
    /// The object, as in the journal.
    pub target: String,
    /// Its image now, or as changes before this one will leave it.
    pub before: Value,
    /// Its image afterwards. A value that only the service knows is
    /// `{"unknown": "…"}`, and only in fields that the change declares so.
    pub after: Value,
    /// What makes a second try safe: `guarded`, `unique_by_name`, `idempotent`,
    /// `none`.
    pub repeat: String,
    /// The way back, as in the journal's intents.
    pub way_back: Value,
    /// Line of the script.
    pub at: Option<String>,
    /// When it would be written.
    pub time: Timestamp,
}

/// Something that the plan rests on, with its line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumption {
    /// In words for people.
    pub text: String,
    /// Line of the script.
    pub at: Option<String>,
    /// By when it would be so.
    pub time: Timestamp,
}

/// What a planning run writes down instead of writing to anybody, and the world
/// as it would be then.
#[derive(Debug, Default)]
pub struct Recorder {
    recorded: Mutex<Recorded>,
    shadow: Mutex<Shadow>,
}

/// What was written down so far.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Changes, in order.
    pub changes: Vec<Planned>,
    /// What was taken for granted.
    pub assumptions: Vec<Assumption>,
    /// Guards that object now.
    pub conditions: Vec<Assumption>,
    /// Approvals that were passed over.
    pub approvals: Vec<Assumption>,
    /// Files that were read.
    pub inputs: Vec<Pin>,
}

impl Recorder {
    /// What was written down so far.
    pub fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world as what was written down would leave it.
    pub fn shadow(&self) -> MutexGuard<'_, Shadow> {
        self.shadow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
