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

/// One list: the kinds of events, their words in the table, and what each says.
macro_rules! kinds {
    ($($kind:ident $word:literal $what:literal;)*) => {
        /// What kind of thing an event records.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $(#[doc = $what] $kind,)*
        }

        impl Kind {
            /// The word in the table.
            pub fn word(self) -> &'static str {
                match self {
                    $(Kind::$kind => $word,)*
                }
            }

            /// The kind of a word.
            pub fn of_word(word: &str) -> Option<Kind> {
                match word {
                    $($word => Some(Kind::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    Began "began" "A run begins; the body says who, where and what, and pins script, library and inputs by hash.";
    Resumed "resumed" "A run goes on in another process; the body says who, and which differences of its pins were accepted.";
    Baseline "baseline" "An object's whole image before it is touched for the first time.";
    Intent "intent" "A change is about to go out, with its before-image.";
    Outcome "outcome" "What became of it.";
    Consequence "consequence" "What a service did by itself because of a change of ours.";
    Step "step" "A named step is done; the body keeps its value.";
    Call "call" "What the world told a script, kept for when the script runs again.";
    Wait "wait" "A wait began; the body says when it ends.";
    Asked "asked" "An approval is asked for; the body says of what.";
    Approval "approval" "An approval and who gave it.";
    Resolved "resolved" "A person decided what became of a write in doubt.";
    Cancelled "cancelled" "A person asked for the end of a run.";
    Named "named" "A person typed the tenant's name before the first write to it.";
    Left "left" "A row is left where it is, and why.";
    Forced "forced" "A guard is passed by force, and why.";
    Ended "ended" "A process ended its work on the run; the body says how.";
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

/// Operations that are never repeated by themselves: what they ask for is not
/// known to stagepost.
pub const RAW: [&str; 2] = ["exchange::invoke", "graph"];

impl Event {
    /// Whether a run that goes on, or somebody who decides about it, must know it.
    pub fn is_told(&self) -> bool {
        match self.kind {
            Kind::Baseline | Kind::Consequence | Kind::Left | Kind::Forced => false,
            Kind::Intent | Kind::Outcome => RAW.contains(&self.operation.as_str()),
            _ => true,
        }
    }
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

    /// What a run keeps for when its script runs again, and what was decided about
    /// it: its events that are neither images nor guarded writes, in order.
    ///
    /// # Errors
    /// The store cannot be read.
    fn told(&self, run: &str, each: &mut dyn FnMut(&Stored)) -> Result<()> {
        self.read(run)?.iter().filter(|s| s.event.is_told()).for_each(each);
        Ok(())
    }

    /// Every event of some operations, of any run, in order.
    ///
    /// # Errors
    /// The store cannot be read.
    fn of_operations(&self, operations: &[&str], each: &mut dyn FnMut(&Stored)) -> Result<()> {
        for run in self.runs()? {
            self.read(&run.id)?
                .iter()
                .filter(|s| operations.contains(&s.event.operation.as_str()))
                .for_each(&mut *each);
        }
        Ok(())
    }

    /// A number that changes when another process has appended.
    ///
    /// # Errors
    /// The store cannot be read.
    fn pulse(&self) -> Result<i64> {
        Ok(0)
    }

    /// Every run that the journal knows, of any tenant, in the order in which
    /// they began.
    ///
    /// # Errors
    /// The store cannot be read.
    fn runs(&self) -> Result<Vec<Run>>;

    /// What people were asked and what they decided ([`DECISIONS`]), of one run or
    /// of all, in order.
    ///
    /// # Errors
    /// The store cannot be read.
    fn decisions(&self, run: Option<&str>) -> Result<Vec<Stored>> {
        let runs = match run {
            Some(run) => vec![run.to_owned()],
            None => self.runs()?.into_iter().map(|r| r.id).collect(),
        };
        let mut found = Vec::new();
        for run in runs {
            found.extend(self.read(&run)?.into_iter().filter(|s| DECISIONS.contains(&s.event.kind)));
        }
        found.sort_by_key(|s| s.number);
        Ok(found)
    }

    /// Id of the run that appends here.
    fn run(&self) -> &str;
}

/// The kinds of events by which people are asked and decide.
pub const DECISIONS: [Kind; 5] = [Kind::Asked, Kind::Approval, Kind::Resolved, Kind::Cancelled, Kind::Named];

/// A run as its events tell it; a projection, which can be made anew from them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its id: when it began.
    pub id: String,
    /// Name of the project.
    pub project: String,
    /// Tenant id.
    pub tenant: String,
    /// `run`, `rehearse`, `undo`, `repl`; empty of a journal that did not say so.
    pub verb: String,
    /// Name of the script, or what is undone.
    pub script: String,
    /// `running`, `ended`, `failed`, `left` (its process ended without a word)
    /// is for the reader to tell: who holds the lock knows.
    pub state: String,
    /// Exit code of its last process, once that ended.
    pub code: Option<u8>,
    /// When its first event was written.
    pub began: Timestamp,
    /// When its last event was written.
    pub last: Timestamp,
    /// How many events it has.
    pub events: u64,
    /// How many intents.
    pub intents: u64,
}

impl Run {
    /// Takes an event of the run in, in the order in which it was written.
    pub fn learn(&mut self, event: &Event) {
        let text = |key: &str| event.body[key].as_str().unwrap_or_default().to_owned();
        self.events += 1;
        self.last = event.time;
        match event.kind {
            Kind::Began => {
                self.verb = text("verb");
                self.script = text("script");
                self.state = "running".into();
            }
            Kind::Resumed => {
                self.state = "running".into();
                self.code = None;
            }
            Kind::Intent => self.intents += 1,
            Kind::Ended => {
                self.code = event.body["code"].as_u64().and_then(|c| u8::try_from(c).ok());
                // Who cancelled it meant more than that this process ends.
                if !(self.state == "cancelled" && self.code == Some(130)) {
                    self.state = text("state");
                }
            }
            Kind::Cancelled => self.state = "cancelled".into(),
            _ => {}
        }
    }
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
    let time = event.time.to_string();
    let body = event.body.to_string();
    let number = number.to_string();
    link([
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
    ])
}

/// The hash over the hash before an event and its columns as they are kept:
/// project, tenant, run, number, kind, time, operation, target, body.
pub fn link(parts: [&str; 10]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}
