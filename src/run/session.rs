//! One session: a profile, its clients, its clock, its journal, its
//! cancellation. Nothing is process-wide, so many tenants in one process are
//! only a matter of more sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::approvals::{Approvals, Approver, hash_of};
use super::journal::{Event, Journal, Kind as EventKind};
use super::narrate::{Narrator, Note, What};
use super::past::Past;
use super::plan::{Plan, Recorder};
use super::told::Told;
use crate::base::{Cancel, Clock, Result, Secret, Timestamp};
use crate::migration::conversion::CloudMailbox;
use crate::migration::project::Project;
use crate::migration::waves;
use crate::services::Services;
use crate::wire::profile::Profile;

/// Everything that one run works with. Shared; clones of the `Arc` only.
pub struct Session {
    profile: Profile,
    project: Project,
    project_folder: PathBuf,
    out: PathBuf,
    services: Services,
    source_password: Secret,
    clock: Clock,
    cancel: RwLock<Cancel>,
    narrator: Arc<dyn Narrator>,
    journal: Arc<dyn Journal>,
    approver: Arc<dyn Approver>,
    handle: Handle,
    mode: Mode,
    place: Mutex<Option<String>>,
    steps: AtomicU64,
    writing: tokio::sync::watch::Sender<usize>,
    force: OnceLock<String>,
    script: OnceLock<String>,
    naming: tokio::sync::Mutex<()>,
    memory: Mutex<Memory>,
    told: Mutex<Told>,
    asker: OnceLock<Asker>,
}

/// Asks a person for a text and blocks until there is one; `None` if nobody can be
/// asked.
pub type Asker = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What becomes of a write at the gate.
#[derive(Default)]
pub enum Mode {
    /// It is made.
    #[default]
    Open,
    /// It is written down, and nothing is made. The session's clock is one that
    /// doesn't wait ([`Clock::foreseen`]), and its journal one that keeps nothing.
    Plan(Recorder),
    /// It is made if the plan lists it.
    Contract(Box<Plan>),
}

/// What a session remembers of its own run.
#[derive(Default)]
pub struct Memory {
    /// Rows left where they are: address → reason.
    pub left: BTreeMap<String, String>,
    /// Object ids of the tenant's users by any of their addresses in lower case;
    /// an id never changes.
    pub ids: BTreeMap<String, String>,
    /// Cloud mailboxes as last read, by every SMTP address in lower case.
    pub mailboxes: Arc<BTreeMap<String, Arc<CloudMailbox>>>,
    /// Rows that a check of this run let go on, in lower case: what an earlier
    /// run left them for is over.
    pub going_on: BTreeSet<String>,
    /// What the service said about rows that failed: address → its words.
    pub failed_rows: BTreeMap<String, String>,
    /// What the journal says about earlier work, kept up to date.
    pub past: Past,
    /// Whose kind and forwarding this run has seen to, by address in lower case.
    pub kept: BTreeSet<String>,
    /// Who was seen with a licence that gives a mailbox, by address in lower case.
    pub licensed: BTreeSet<String>,
    /// How often this run has started the failed rows of a batch once more, or found
    /// that an earlier one had; by the batch's name in lower case.
    pub restarts: BTreeMap<String, u64>,
    /// Effective writes so far.
    pub writes: u64,
    /// Kinds of the mailboxes on premises that are no persons, by address in lower
    /// case; `None` before the directory was read, or if it has no kinds.
    pub kinds: Option<BTreeMap<String, waves::Kind>>,
    /// What was approved, and how often it was asked.
    pub approvals: Approvals,
    /// Objects that this run has written to or was about to, if a fence counts
    /// them; `None` before the first.
    pub touched: Option<BTreeSet<String>>,
    /// Whether a clock that is behind the journal's newest event was told.
    pub told_clock: bool,
    /// Facts kept by a primitive for a later one of the same run, by name.
    pub facts: BTreeMap<String, Value>,
}

/// What a session is made of.
pub struct Parts {
    /// Which tenant, directory and zones.
    pub profile: Profile,
    /// The customer's settings.
    pub project: Project,
    /// Folder of `stagepost.toml`; relative paths start here.
    pub project_folder: PathBuf,
    /// Where reports and notices go.
    pub out: PathBuf,
    /// The clients.
    pub services: Services,
    /// Password of the migration account; travels sealed in the endpoint's
    /// credential.
    pub source_password: Secret,
    /// The only source of time.
    pub clock: Clock,
    /// Who hears the notes.
    pub narrator: Arc<dyn Narrator>,
    /// Where events are kept.
    pub journal: Arc<dyn Journal>,
    /// Who answers approvals.
    pub approver: Arc<dyn Approver>,
    /// The runtime that carries the I/O.
    pub handle: Handle,
    /// What becomes of writes.
    pub mode: Mode,
}

impl Session {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Arc<Session> {
        Arc::new(Session {
            profile: parts.profile,
            project: parts.project,
            project_folder: parts.project_folder,
            out: parts.out,
            services: parts.services,
            source_password: parts.source_password,
            clock: parts.clock,
            cancel: RwLock::new(Cancel::new()),
            narrator: parts.narrator,
            journal: parts.journal,
            approver: parts.approver,
            handle: parts.handle,
            mode: parts.mode,
            place: Mutex::new(None),
            steps: AtomicU64::new(0),
            writing: tokio::sync::watch::Sender::new(0),
            force: OnceLock::new(),
            script: OnceLock::new(),
            naming: tokio::sync::Mutex::new(()),
            memory: Mutex::new(Memory::default()),
            told: Mutex::new(Told::default()),
            asker: OnceLock::new(),
        })
    }

    /// Which tenant, directory and zones.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The customer's settings.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// A path of the project, as written in a script or in `stagepost.toml`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.project_folder.join(name)
    }

    /// Where reports and notices go.
    pub fn out(&self) -> &std::path::Path {
        &self.out
    }

    /// The clients.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Password of the migration account.
    pub fn source_password(&self) -> &Secret {
        &self.source_password
    }

    /// The only source of time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The runtime that carries the I/O.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What becomes of a write at the gate.
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// Where what would be written is written down, if this run only plans.
    pub fn planning(&self) -> Option<&Recorder> {
        match &self.mode {
            Mode::Plan(recorder) => Some(recorder),
            Mode::Open | Mode::Contract(_) => None,
        }
    }

    /// The plan that binds this run, if one was given.
    pub fn contract(&self) -> Option<&Plan> {
        match &self.mode {
            Mode::Contract(plan) => Some(plan),
            Mode::Open | Mode::Plan(_) => None,
        }
    }

    /// Says which line of the script is at work: `staged.rhai:52:5`.
    pub fn at(&self, place: Option<String>) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }

    /// The line of the script that is at work.
    pub fn place(&self) -> Option<String> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The cancellation in force.
    pub fn cancel(&self) -> Cancel {
        self.cancel.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says that writes are in flight until the answer is dropped.
    pub fn in_flight(&self) -> InFlight<'_> {
        self.writing.send_modify(|n| *n += 1);
        InFlight(self)
    }

    /// Waits for a future until it ends (`Some`) or the run is cancelled
    /// (`None`). Writes in flight end first, so that their outcomes are known.
    pub async fn unless_cancelled<F: Future>(&self, future: F) -> Option<F::Output> {
        let cancel = self.cancel();
        let mut writing = self.writing.subscribe();
        let ended = async {
            cancel.cancelled().await;
            // The sender lives as long as the session.
            let _ = writing.wait_for(|n| *n == 0).await;
        };
        tokio::select! {
            biased;
            answer = future => Some(answer),
            () = ended => None,
        }
    }

    /// Replaces a cancellation that was set by a fresh one and answers it; one
    /// that is not set stays. Only a prompt does this, between two lines: whatever
    /// still holds the old one ends.
    pub fn fresh_cancel(&self) -> Cancel {
        let mut held = self.cancel.write().unwrap_or_else(PoisonError::into_inner);
        if held.is_cancelled() {
            *held = Cancel::new();
        }
        held.clone()
    }

    /// Passes every guard of the session with this reason; the first one given
    /// stays. A rehearsal alone does this.
    pub fn force_guards(&self, reason: &str) {
        // One given before is in force already.
        let _ = self.force.set(reason.to_owned());
    }

    /// The reason with which every guard is passed, if one was given.
    pub fn forced(&self) -> Option<&str> {
        self.force.get().map(String::as_str)
    }

    /// Says which script runs: what is approved is bound to its text.
    pub fn runs(&self, text: &str) {
        // The first one stays: a run has one script.
        let _ = self.script.set(hash_of(text));
    }

    /// The hash of the script's text; empty at a prompt.
    pub fn script(&self) -> &str {
        self.script.get().map(String::as_str).unwrap_or_default()
    }

    /// Held while the tenant's name is asked for, so that it is asked for once.
    pub(super) fn naming(&self) -> &tokio::sync::Mutex<()> {
        &self.naming
    }

    /// The journal.
    pub fn journal(&self) -> &dyn Journal {
        &*self.journal
    }

    /// Who answers approvals.
    pub fn approver(&self) -> &dyn Approver {
        &*self.approver
    }

    /// Tells a note.
    pub fn note(&self, what: What) {
        self.narrator.note(&Note { time: self.clock.now(), what });
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the session remembers.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this run was told and has done so far.
    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says who is asked for texts; the first one named stays.
    pub fn ask_by(&self, asker: Asker) {
        // One named before is in force already.
        let _ = self.asker.set(asker);
    }

    /// Who is asked for texts, if there is somebody.
    pub fn asker(&self) -> Option<&Asker> {
        self.asker.get()
    }

    /// Begins a pass of a script, from its top.
    pub fn begin_pass(&self) {
        self.told().begin_pass();
    }

    /// Learns what earlier runs wrote into the journal for this tenant, and what
    /// this run was told if it goes on. Without it a run that was broken off would
    /// be taken for somebody else's work.
    ///
    /// # Errors
    /// The journal can't be read.
    pub fn recall(&self) -> Result<()> {
        let mut memory = self.memory();
        self.journal.past(&mut |event| memory.past.learn(event))?;
        let mut told = self.told();
        self.journal.told(self.journal.run(), &mut |stored| told.learn(&stored.event))
    }

    /// Warns if the clock stands behind the journal's newest event.
    pub fn look_at_clock(&self) {
        let told = behind(&mut self.memory(), self.now());
        if let Some(what) = told {
            self.note(what);
        }
    }

    /// Appends a group of events in one commit, and remembers what they say. A
    /// planning run remembers them and keeps nothing.
    ///
    /// # Errors
    /// The journal can't be written; nothing of the group was.
    pub fn append(&self, events: &[Event]) -> Result<()> {
        if self.planning().is_none() {
            let all = self.with_pending(events);
            if let Err(failure) = self.journal.append(&all) {
                self.keep_pending(all, events.len());
                return Err(failure);
            }
        }
        let behind = {
            let mut memory = self.memory();
            let behind = events.first().and_then(|first| behind(&mut memory, first.time));
            events.iter().for_each(|e| memory.past.learn(e));
            behind
        };
        if let Some(what) = behind {
            self.note(what);
        }
        Ok(())
    }

    /// Records one event.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn record(&self, kind: EventKind, operation: &str, target: &str, body: Value) -> Result<()> {
        let event = Event { kind, time: self.now(), operation: operation.into(), target: target.into(), body };
        self.append(&[event])
    }

    /// Leaves a row where it is, with its reason: told, recorded, remembered.
    /// The first reason stays.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn leave(&self, address: &str, reason: &str) -> Result<()> {
        self.leave_after("left", address, reason)
    }

    /// As [`Session::leave`], saying which primitive did it.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn leave_after(&self, operation: &str, address: &str, reason: &str) -> Result<()> {
        let key = address.to_lowercase();
        let first = {
            let mut memory = self.memory();
            let first = !memory.left.contains_key(&key);
            memory.left.entry(key.clone()).or_insert_with(|| reason.to_owned());
            first
        };
        if first {
            self.note(What::LeftWhole { address: address.to_owned(), reason: reason.to_owned() });
        } else if operation == "left" {
            return Ok(());
        }
        self.record(EventKind::Left, operation, &key, json!({"reason": reason}))
    }

    /// A number for a step that somebody else tells about.
    pub fn next_step(&self) -> u64 {
        self.steps.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Begins a step that people see; ended by [`Step::end`], or as failed when
    /// it is dropped.
    pub fn step(self: &Arc<Self>, primitive: &str, subject: impl Into<String>) -> Step {
        let id = self.next_step();
        self.note(What::StepBegan { id, primitive: primitive.into(), subject: subject.into() });
        Step { session: self.clone(), id, ended: false, writes: self.memory().writes }
    }
}

/// How far the clock may stand behind the journal's newest event before it is
/// told: clocks of two machines differ by that much.
const BEHIND: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// The warning of a clock that was set back, once: order in the journal is by
/// number, so nothing goes wrong, but what waits until a time waits longer.
fn behind(memory: &mut Memory, now: Timestamp) -> Option<What> {
    let newest = memory.past.newest?;
    if memory.told_clock || newest.duration_since(now) <= BEHIND {
        return None;
    }
    memory.told_clock = true;
    let time = |t: Timestamp| t.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    Some(What::Warned {
        text: format!(
            "the clock says {}, and the newest event of the journal is of {}: the clock was set back, or was ahead before",
            time(now),
            time(newest)
        ),
        hint: "set the clock right; waits that the journal keeps end at their time, so they last longer by that much"
            .into(),
    })
}

/// Writes in flight; see [`Session::in_flight`].
pub struct InFlight<'a>(&'a Session);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.writing.send_modify(|n| *n -= 1);
    }
}

/// A step in progress.
pub struct Step {
    session: Arc<Session>,
    id: u64,
    ended: bool,
    writes: u64,
}

impl Step {
    /// Tells how far it is.
    pub fn progress(&self, done: usize, total: usize, unit: &str, text: impl Into<String>) {
        self.session.note(What::Progress {
            id: self.id,
            done: done as u64,
            total: total as u64,
            unit: unit.into(),
            text: text.into(),
        });
    }

    /// Ends it well.
    pub fn end(mut self, text: impl Into<String>) {
        self.finish(true, text.into());
    }

    /// Ends it with findings or refusals that the caller hands on.
    pub fn end_badly(mut self, text: impl Into<String>) {
        self.finish(false, text.into());
    }

    fn finish(&mut self, ok: bool, text: String) {
        self.ended = true;
        let changed = self.session.memory().writes.saturating_sub(self.writes);
        self.session.note(What::StepEnded { id: self.id, ok, changed, text });
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.ended {
            self.finish(false, "not finished".into());
        }
    }
}
