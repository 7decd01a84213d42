//! What a run tells while it goes: notes, each once, in order.
//!
//! `run` and `api` make them, `ui` shows them, `report` keeps them, `--json`
//! prints them. A note says what happened, never how it should look.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One note with the moment (of the run's clock) at which it was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    /// When.
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What a note can say.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A run begins.
    Began {
        /// Path of the script as given.
        script: String,
        /// Name of the profile.
        profile: String,
        /// Seed of the lab, if one stands behind it.
        seed: Option<u64>,
    },
    /// A primitive that does something begins; nested ones are numbered below
    /// it. `batch`, `start`, `set_mx`, …
    StepBegan {
        /// Unique in the run, counting from 1.
        id: u64,
        /// Name of the primitive.
        primitive: String,
        /// What it works on, for people: `wave-03 (100 mailboxes)`.
        subject: String,
    },
    /// How far a long step is.
    Progress {
        /// Id of the step.
        id: u64,
        /// Done so far.
        done: u64,
        /// Of how many.
        total: u64,
        /// What is counted: `mailboxes`, `resolvers`, …
        unit: String,
        /// A few words: `61 copied, 2 failed`.
        text: String,
    },
    /// The step ended.
    StepEnded {
        /// Id of the step.
        id: u64,
        /// Whether it did what it should.
        ok: bool,
        /// Number of effective writes.
        changed: u64,
        /// One line for people: `97 synced, 3 failed`.
        text: String,
    },
    /// A finding of a check, or a row set aside.
    Finding {
        /// `error`, `warning`, `info`.
        severity: String,
        /// Mailbox, domain or server; empty if it concerns everybody.
        target: String,
        /// What.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A row is left where it is.
    LeftWhole {
        /// Address.
        address: String,
        /// Why.
        reason: String,
    },
    /// A wave of a plan, or several in a row that are told together.
    WavePlanned {
        /// Its name, or that of the first.
        name: String,
        /// The name of the last; empty for a wave alone.
        last: String,
        /// How many waves.
        waves: u64,
        /// Department or date that it is a wave of; empty if there is none.
        group: String,
        /// What it is, in a few words: the kinds of a pilot; mostly empty.
        about: String,
        /// Mailboxes, each of which needs a seat.
        seats: u64,
        /// New Outlook profiles.
        profiles: u64,
        /// Bytes to copy, if any size is known.
        bytes: Option<u64>,
        /// Mailboxes of unknown size, counted as the average of the others.
        unknown_sizes: u64,
        /// Hours from the forwarding to the end of the copy, at most.
        hours_without_old_mail: Option<f64>,
        /// Hours from the forwarding to the conversion, at most.
        hours_apart: Option<f64>,
        /// Days in which half and 90 % of mailboxes as large as the largest were
        /// copied, as published; only where no rate is given.
        days: Option<(u32, u32)>,
        /// Permissions of its mailboxes that cross into another wave or to who is in
        /// none.
        crossing: u64,
    },
    /// Seats were counted before a wave.
    SeatsCounted {
        /// The product as the tenant names it.
        product: String,
        /// Seats that the wave needs.
        needed: u64,
        /// Seats that can be given at this moment.
        free: u64,
    },
    /// Seats were given in a wave.
    SeatsGiven {
        /// The product as the tenant names it.
        product: String,
        /// How many.
        given: u64,
    },
    /// An approval is asked.
    Asked {
        /// The text shown.
        text: String,
    },
    /// An approval waits for an answer from elsewhere: `stagepost approve ID`.
    Question {
        /// By which it is answered.
        id: String,
        /// The text shown.
        text: String,
        /// Whether somebody else than who runs must answer.
        by_other: bool,
        /// When nobody waits any longer, by the system's clock.
        until: Option<Timestamp>,
    },
    /// An approval was answered.
    Answered {
        /// The text shown.
        text: String,
        /// Yes or no.
        granted: bool,
        /// Who answered: `rehearsal`, a user name.
        by: String,
    },
    /// The run waits; the lab's date moves on, or a person has to be patient.
    Waiting {
        /// For what.
        reason: String,
        /// Until when at most.
        until: Timestamp,
    },
    /// `print` of the script.
    Said {
        /// The text.
        text: String,
    },
    /// Something to know that stops nothing.
    Warned {
        /// The text.
        text: String,
        /// What to do.
        hint: String,
    },
    /// The run ended.
    Ended {
        /// Whether the script came to its end.
        ok: bool,
        /// Exit code.
        code: u8,
    },
    /// A guard was passed by force.
    Forced {
        /// Name of the guard, `mx-before-settled`.
        guard: String,
        /// What it protected: a domain, a batch, a mailbox.
        target: String,
        /// What the guard said.
        text: String,
        /// Why it was passed, as the script or the command line says.
        reason: String,
    },
}

/// Takes notes. Implementations must be quick and must not fail.
pub trait Narrator: Send + Sync {
    /// One more.
    fn note(&self, note: &Note);
}

/// Keeps every note, for reports and tests.
#[derive(Default)]
pub struct Keeper(std::sync::Mutex<Vec<Note>>);

impl Keeper {
    /// All notes so far.
    pub fn notes(&self) -> Vec<Note> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Narrator for Keeper {
    fn note(&self, note: &Note) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(note.clone());
    }
}
