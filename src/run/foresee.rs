//! The gate, closed: a change is looked at, compared, written down, and said to
//! be done. Nothing is sent.
//!
//! What a change leaves behind it says itself ([`Change::predict`]); then it is
//! read back as a run would read it back, through what is foreseen. So the image
//! afterwards is made by the code that makes it in a run, and a prediction that
//! its own comparison doesn't take for done is a fault that shows at once.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::gate::{Change, Observed, Outcome, Progress, Verdict};
use super::journal::{Event, GROUP, Kind as EventKind};
use super::plan::{Assumption, Pin, Planned, Recorder};
use super::session::Session;
use super::shadow::{Shadow, unknown};
use crate::base::{Failure, Result};
use crate::wire::guid::hex;

impl Session {
    /// Lets a plan know what would be true from now on; a run that writes asks
    /// the services themselves.
    pub fn foresee(&self, tell: impl FnOnce(&mut Shadow)) {
        if let Some(recorder) = self.planning() {
            tell(&mut recorder.shadow());
        }
    }

    /// Writes down what a plan takes for granted, with the line that is at work;
    /// the same thing once for a line.
    pub fn assume(&self, text: impl Into<String>) {
        if let Some(recorder) = self.planning() {
            let assumption = self.here(text.into());
            let mut recorded = recorder.lock();
            let same = |a: &Assumption| a.text == assumption.text && a.at == assumption.at;
            if !recorded.assumptions.iter().any(same) {
                recorded.assumptions.push(assumption);
            }
        }
    }

    /// Whether this run only plans, and so takes an approval for granted. It is
    /// listed in the plan.
    pub fn takes_for_granted(&self, approval: &str) -> bool {
        let Some(recorder) = self.planning() else { return false };
        let asked = self.here(approval.to_owned());
        recorder.lock().approvals.push(asked);
        true
    }

    /// Writes down that a guard objects now, and will not once what is planned
    /// before its write is done.
    pub fn on_condition(&self, text: impl Into<String>) {
        if let Some(recorder) = self.planning() {
            let condition = self.here(text.into());
            recorder.lock().conditions.push(condition);
        }
    }

    /// Writes down a file that a plan was made from.
    pub fn rests_on(&self, name: &str, path: &Path, bytes: &[u8]) {
        if let Some(recorder) = self.planning() {
            let pin = Pin {
                kind: "input".into(),
                name: name.to_owned(),
                origin: path.display().to_string(),
                sha256: hex(&Sha256::digest(bytes)),
            };
            let mut recorded = recorder.lock();
            if !recorded.inputs.contains(&pin) {
                recorded.inputs.push(pin);
            }
        }
    }

    fn here(&self, text: String) -> Assumption {
        Assumption { text, at: self.place(), time: self.now() }
    }
}

/// Writes a set of changes down and lets them be true.
///
/// # Errors
/// `unforeseen`: nobody can say what they leave behind, or an identifier that
/// only the service knows would stand where none may. The reading failed.
pub(super) async fn foresee(
    session: &Session,
    recorder: &Recorder,
    change: &dyn Change,
    due: Vec<Observed>,
    progress: Option<Progress<'_>>,
) -> Result<Vec<Outcome>> {
    if due.is_empty() {
        return Ok(Vec::new());
    }
    if session.cancel().is_cancelled() {
        return Err(Failure::cancelled());
    }
    remember(session, change, &due)?;
    change.predict(session, &due).await?;
    let targets: Vec<String> = due.iter().map(|one| one.target.clone()).collect();
    let seen = change.observe(session, &targets).await?;
    let mut outcomes = Vec::with_capacity(due.len());
    for (before, after) in due.into_iter().zip(seen) {
        if !matches!(after.verdict, Verdict::Same) {
            let text = format!("what {} would leave of {} was not foreseen", change.operation(), before.target);
            return Err(Failure::internal(text).detail(format!("foreseen: {}", after.before)));
        }
        let planned = Planned {
            operation: change.operation().to_owned(),
            target: unknown::name(&before.target)?.to_owned(),
            before: unknown::shown(&before.before)?,
            after: unknown::shown(&with_written(&before.verdict, after.before.clone()))?,
            repeat: change.repeat().word().to_owned(),
            way_back: change.way_back().json(),
            at: session.place(),
            time: session.now(),
        };
        recorder.lock().changes.push(planned);
        outcomes.push(Outcome {
            target: before.target,
            changed: true,
            before: before.before,
            after: after.before,
            result: Ok(()),
        });
    }
    let events: Vec<Event> = outcomes
        .iter()
        .map(|one| {
            event(session, EventKind::Outcome, change, &one.target, json!({"state": "applied", "after": one.after}))
        })
        .collect();
    append(session, &events)?;
    session.memory().writes += outcomes.len() as u64;
    if let Some(progress) = progress {
        progress(outcomes.len(), outcomes.len());
    }
    Ok(outcomes)
}

/// An image afterwards with what the change itself names of it and a read doesn't
/// show in the same words: the product that is given, the addresses of a batch.
fn with_written(verdict: &Verdict, mut image: Value) -> Value {
    if let (Verdict::Differs(Value::Object(wanted)), Some(image)) = (verdict, image.as_object_mut())
        // A record set has a frame, and stands whole in it.
        && !image.contains_key("set")
    {
        for (name, value) in wanted {
            image.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    image
}

/// What a run would have in its journal, remembered for what comes later.
fn remember(session: &Session, change: &dyn Change, due: &[Observed]) -> Result<()> {
    let intent = |one: &Observed| {
        let planned = match &one.verdict {
            Verdict::Differs(after) => after.clone(),
            _ => Value::Null,
        };
        // A plan is in doubt about nothing, so it says nothing of repeating.
        event(session, EventKind::Intent, change, &one.target, json!({"before": one.before, "planned": planned}))
    };
    append(session, &due.iter().map(intent).collect::<Vec<_>>())
}

fn event(session: &Session, kind: EventKind, change: &dyn Change, target: &str, body: Value) -> Event {
    Event { kind, time: session.now(), operation: change.operation().into(), target: target.into(), body }
}

fn append(session: &Session, events: &[Event]) -> Result<()> {
    events.chunks(GROUP).try_for_each(|group| session.append(group))
}
