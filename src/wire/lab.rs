//! The lab's control address: what it takes and answers.
//!
//! Plain HTTP on loopback, JSON both ways. A program in any language can drive
//! a lab with it; stagepost's own clock does. The lab is never told what answer
//! a script hopes for: there is no call that changes the judge's mind.
//!
//! | call | body | answer |
//! | --- | --- | --- |
//! | `GET /clock` | | [`Now`] |
//! | `POST /clock/advance` | [`Now`] | [`Now`] |
//! | `GET /count` | | [`Counts`] |
//! | `GET /digest` | | [`Digest`] |
//! | `GET /events?after=N` | | array of [`Event`], sorted |
//! | `GET /proof` | | [`Proof`] |
//! | `GET /world` | | the world as JSON, without secrets |
//! | `POST /snapshot`, `POST /restore` | `{"name":…}` | `{}` |
//! | `POST /faults` | `{"level":"none"\|"usual"}` | `{}` |

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A moment of the lab's time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Now {
    /// The moment.
    #[serde(alias = "to")]
    pub now: Timestamp,
}

/// Requests answered, by service and operation, since the lab began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// `service` → `operation` → number.
    pub requests: BTreeMap<String, BTreeMap<String, u64>>,
}

/// The fingerprint of everything that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// SHA-256 over the sorted events, hexadecimal.
    pub sha256: String,
    /// How many events.
    pub events: u64,
}

/// Something that happened in the lab's world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Event {
    /// When, in the lab's time.
    pub time: Timestamp,
    /// What it happened to: an address, a zone, a batch.
    pub object: String,
    /// The how-manyth event of that object, from 1.
    pub number: u64,
    /// A stable word: `mailbox_created`, `target_address_written`, …
    pub what: String,
    /// More, in words.
    pub detail: String,
}

/// The judge's verdict, read from the world alone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Proof {
    /// One for each mailbox of the company.
    pub rows: Vec<Row>,
    /// Rules that are broken but concern no single mailbox.
    pub broken: Vec<Broken>,
    /// Probe messages of the lab's own senders.
    pub probes: Probes,
    /// Effective writes to customer objects that happened more than once or not
    /// as allowed are listed in `broken` or the row; this is their number.
    pub writes: u64,
    /// First and last moment.
    pub began: Option<Timestamp>,
    /// The moment of the verdict.
    pub ended: Option<Timestamp>,
    /// Median hours between a person's forwarding and their conversion.
    pub hours_apart_median: f64,
    /// The worst of them.
    pub hours_apart_worst: f64,
    /// Median hours between forwarding and the end of the copy.
    pub hours_without_old_mail_median: f64,
    /// The worst of them.
    pub hours_without_old_mail_worst: f64,
    /// Hours apart of everybody together.
    #[serde(default)]
    pub hours_apart_total: f64,
    /// Hours without old mail of everybody together.
    #[serde(default)]
    pub hours_without_old_mail_total: f64,
    /// How many facts of the company the lab invented, of how many.
    pub invented: (u64, u64),
    /// What the lab's people made while they worked, and what of it is lost.
    #[serde(default)]
    pub work: Work,
    /// Doubts of the published facts, and how this lab settles them.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// What is untidy in this company, as it showed on the wire.
    #[serde(default)]
    pub messes: Vec<Mess>,
}

/// What people made in their mailboxes, and what became of it. Work is lost if it
/// was made in a mailbox after its copy and isn't in the cloud in the end; in a
/// staged migration some always is, so it is counted and named and breaks no rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Everything made: messages sent, filed or drafted, meetings, tasks.
    pub made: u64,
    /// What of it is lost.
    pub lost: u64,
    /// People who lost something.
    pub people: u64,
    /// The lost by kind, in words for people: `appointments` → 12.
    pub kinds: BTreeMap<String, u64>,
    /// Some of it: address, moment, what.
    pub sample: Vec<String>,
    /// Things people couldn't do for a while, though nothing is lost by it (a
    /// delegate who can't open the mailbox, a room that doesn't answer), in words
    /// for people → times.
    pub hindered: BTreeMap<String, u64>,
}

/// A doubt of the published facts that the lab has as a switch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Stable name, `target_keeps_copy`.
    pub name: String,
    /// The value in force.
    pub value: String,
    /// Whether it is the value that the lab has by itself.
    pub usual: bool,
    /// What is in doubt, one sentence for an administrator.
    pub about: String,
    /// What to try in a pilot to know, one sentence.
    pub pilot: String,
}

/// Something untidy in the company.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mess {
    /// Stable name, `two-holders`.
    pub name: String,
    /// What it is, one sentence.
    pub about: String,
    /// Whom or what it concerns: addresses, names.
    pub who: Vec<String>,
}

/// One mailbox's outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Primary address.
    pub address: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was left, in the service's or the directory's words; empty for a
    /// moved row.
    pub reason: String,
    /// The rules it breaks; empty unless `outcome` is `broken`.
    pub broken: Vec<Broken>,
    /// Wave it went in, by the batch's name; empty if none.
    pub batch: String,
    /// Hours between forwarding and conversion, if both happened.
    pub hours_apart: Option<f64>,
    /// Hours between forwarding and the end of the copy, if both happened.
    pub hours_without_old_mail: Option<f64>,
    /// Things this person made that are lost; see [`Work`].
    #[serde(default)]
    pub work_lost: u64,
    /// What they are, in words; empty if none.
    #[serde(default)]
    pub work_lost_words: String,
    /// Messages to this person that went into junk.
    #[serde(default)]
    pub junk: u64,
    /// Messages to this person that came late.
    #[serde(default)]
    pub delayed: u64,
}

/// What became of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Wholly in the cloud.
    Moved,
    /// Wholly where it was.
    Whole,
    /// Anything in between.
    Broken,
}

/// A rule of the judge that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Stable name of the rule, e.g. `forwarded-unfilled`.
    pub rule: String,
    /// What is wrong, with the values seen.
    pub text: String,
}

/// Mail sent by the lab's senders to everybody, daily and around each change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Probes {
    /// Sent.
    pub sent: u64,
    /// Arrived in a mailbox.
    pub delivered: u64,
    /// Of those, on the old side.
    pub delivered_old: u64,
    /// Of those, in the cloud.
    pub delivered_cloud: u64,
    /// Came back to the sender, or vanished.
    pub lost: u64,
    /// A sample of the lost: address, moment and the text of the bounce.
    pub lost_sample: Vec<String>,
    /// Delivered, but into the junk folder.
    #[serde(default)]
    pub junk: u64,
    /// Some of them: address, moment and why.
    #[serde(default)]
    pub junk_sample: Vec<String>,
    /// Delivered hours later than they were sent.
    #[serde(default)]
    pub delayed: u64,
    /// Some of them: address, moment and why.
    #[serde(default)]
    pub delayed_sample: Vec<String>,
    /// Returned to the sender, and would have been before the migration, too (too
    /// large, a recipient for members only); not among the lost.
    #[serde(default)]
    pub returned_as_before: u64,
    /// Mail to what is no mailbox on the list (groups, folders, devices' mail)
    /// that did not arrive because of the migration: what, moment, text.
    #[serde(default)]
    pub beside: Vec<String>,
}
