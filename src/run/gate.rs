//! The gate: the only way by which anything reaches somebody else's system.
//!
//! One order for every change:
//!
//! ```text
//! observe → compare → fences → tenant's name → baseline (first touch)
//!         → intents and before-images into the journal
//!         → apply, guarded → read back → outcomes into the journal
//! ```
//!
//! A change names its own guard ([`Repeat`]). A lost answer leaves a write in
//! doubt: it is read back, and only a guard allows a second try; what has none
//! asks a person. Sets go carefully: one, then five, then the rest in groups
//! whose intents are committed together; equal failures of our own stop them.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::contract;
use super::doubt;
use super::foresee;
use super::journal::{Event, GROUP, Kind as EventKind};
use super::session::Session;
use super::told::Key;
use super::{fenced, named};
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result};
use crate::migration::fences::Touch;
use crate::migration::sets::Sets;
use crate::services::requests;

/// What makes a second try safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The write carries its before-image; a second one finds another image and
    /// is refused.
    Guarded,
    /// The object's name is unique; a second one is refused as existing.
    UniqueByName,
    /// Doing it twice is doing it once.
    Idempotent,
    /// Nothing; a person has to look.
    None,
}

impl Repeat {
    pub(super) fn word(self) -> &'static str {
        match self {
            Repeat::Guarded => "guarded",
            Repeat::UniqueByName => "unique_by_name",
            Repeat::Idempotent => "idempotent",
            Repeat::None => "none",
        }
    }
}

/// The way back of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayBack {
    /// The inverse write restores what was.
    Reversible,
    /// A named way, at a cost.
    Compensable(&'static str),
    /// There is none; the text says why.
    Final(&'static str),
}

impl WayBack {
    pub(super) fn json(self) -> Value {
        match self {
            WayBack::Reversible => json!({"kind": "reversible"}),
            WayBack::Compensable(way) => json!({"kind": "compensable", "way": way}),
            WayBack::Final(why) => json!({"kind": "final", "why": why}),
        }
    }
}

/// How what is there compares with what shall be.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is so already.
    Same,
    /// A write makes it so; the image that is expected afterwards.
    Differs(Value),
    /// A rule forbids it; the row is left as it is.
    Refused(Failure),
}

/// One object as it was found.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Which object.
    pub target: String,
    /// Its image: what the change looks at.
    pub before: Value,
    /// The comparison.
    pub verdict: Verdict,
}

/// Something that alters somebody else's system: one object or a set.
#[async_trait]
pub trait Change: Send + Sync {
    /// `convert_to_mail_user`, `set_mx`, …; stands in the journal.
    fn operation(&self) -> &'static str;
    /// What makes a second try safe.
    fn repeat(&self) -> Repeat;
    /// The way back.
    fn way_back(&self) -> WayBack;
    /// The objects, in order.
    fn targets(&self) -> Vec<String>;
    /// How many may be applied at a time; an input of a rehearsal.
    fn at_once(&self) -> usize {
        1
    }
    /// Reads the objects as they are, all at once, in the order asked.
    ///
    /// # Errors
    /// The reading failed as a whole.
    async fn observe(&self, session: &Session, targets: &[String]) -> Result<Vec<Observed>>;
    /// Whole images of objects before they are touched for the first time;
    /// empty where the before-image is the whole object.
    ///
    /// # Errors
    /// The reading failed.
    async fn baseline(&self, _session: &Session, _targets: &[String]) -> Result<Vec<(String, Value)>> {
        Ok(Vec::new())
    }
    /// Writes one object with the strongest guard that the service offers.
    ///
    /// # Errors
    /// `conflict`: the guard held. `in_doubt`: no answer came.
    async fn apply(&self, session: &Session, observed: &Observed) -> Result<()>;
    /// Writes a group; answers in its order. For services that take many at
    /// once.
    fn apply_group<'a>(&'a self, session: &'a Session, group: Vec<&'a Observed>) -> BoxFuture<'a, Vec<Result<()>>> {
        async move {
            session
                .clock()
                .fan_out(group, self.at_once(), |one| requests::about(&one.target, self.apply(session, one)))
                .await
        }
        .boxed()
    }
    /// What a write of one object touches, for the fences; told from its images
    /// unless the change knows better.
    ///
    /// # Errors
    /// What it has to read for that can't be read.
    async fn touches(&self, _session: &Session, observed: &Observed) -> Result<Vec<Touch>> {
        Ok(fenced::told(observed))
    }
    /// Tells a plan what would be true once these objects are written: the
    /// session's reads show it from then on, the service's own effects included.
    /// Nothing is sent.
    ///
    /// # Errors
    /// `unforeseen`: nobody can say. Whatever a write would be refused with for
    /// what the objects are.
    async fn predict(&self, _session: &Session, _due: &[Observed]) -> Result<()> {
        Err(Failure::new(Kind::Unforeseen, format!("nobody can say what {} would leave behind", self.operation()))
            .hint("plan a script without it, or run without a plan"))
    }
    /// How long a read may lag behind a write, in seconds of the session's
    /// clock; the read-back is repeated until then.
    fn settles_within(&self) -> i64 {
        0
    }
    /// Which call of the script it is, for one whose answer can't be had again.
    fn call(&self) -> Option<&Key> {
        None
    }
    /// What the service answered, for when the script runs again; no secrets.
    fn answer(&self) -> Value {
        Value::Null
    }
}

/// What became of one object.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which object.
    pub target: String,
    /// Whether we wrote.
    pub changed: bool,
    /// Image before.
    pub before: Value,
    /// Image after, as read back.
    pub after: Value,
    /// Done, or why not.
    pub result: Result<(), Failure>,
}

/// Tells how many of a set are through.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Send + Sync);

/// Passes a change through the gate. Rows that a rule or a guard left alone,
/// and rows that failed, are among the outcomes; the whole fails only if
/// nothing more may be written.
///
/// # Errors
/// `cancelled`; the journal can't be written; the reading failed; a write
/// without guard is in doubt; the breaker stopped the set.
pub async fn pass(session: &Session, change: &dyn Change, progress: Option<Progress<'_>>) -> Result<Vec<Outcome>> {
    // An object that is named twice is one object, and is written once.
    let mut seen = BTreeSet::new();
    let targets: Vec<String> = change.targets().into_iter().filter(|t| seen.insert(t.clone())).collect();
    if change.repeat() == Repeat::None {
        targets.iter().try_for_each(|target| doubt::refuse(session, change.operation(), target))?;
    }
    let observed = change.observe(session, &targets).await?;
    let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
    let mut due: Vec<Observed> = Vec::new();
    for one in observed {
        let settled = match &one.verdict {
            Verdict::Same => Some(Ok(())),
            Verdict::Refused(failure) => Some(Err(failure.clone())),
            Verdict::Differs(_) => None,
        };
        match settled {
            Some(result) => {
                let outcome = Outcome {
                    target: one.target.clone(),
                    changed: false,
                    before: one.before.clone(),
                    after: one.before,
                    result,
                };
                outcomes.insert(one.target, outcome);
            }
            None => due.push(one),
        }
    }
    if !due.is_empty() {
        fenced::admit(session, change, &due).await?;
    }
    if let Some(recorder) = session.planning() {
        for outcome in foresee::foresee(session, recorder, change, due, progress).await? {
            outcomes.insert(outcome.target.clone(), outcome);
        }
        return Ok(targets.into_iter().filter_map(|t| outcomes.remove(&t)).collect());
    }
    if let Some(plan) = session.contract() {
        // The whole set, before anything of it is recorded or sent.
        contract::hold(session, plan, change.operation(), change.repeat(), &due)?;
    }
    if !due.is_empty() {
        named::tenant(session).await?;
        first_touch(session, change, &due).await?;
    }
    let total = due.len();
    let mut done = 0;
    let sets = &session.project().sets;
    let mut breaker = Breaker::new(total, sets);
    for size in sets.stages(total) {
        let group: Vec<Observed> = due.drain(..size.min(due.len())).collect();
        if session.cancel().is_cancelled() {
            return Err(Failure::cancelled());
        }
        // A long set may come into hours in which nothing may be written.
        fenced::open_hours(session, change.operation())?;
        for outcome in write_group(session, change, &group).await? {
            breaker.count(&outcome);
            outcomes.insert(outcome.target.clone(), outcome);
        }
        done += group.len();
        if let Some(progress) = progress {
            progress(done, total);
        }
        if let Some(failure) = breaker.open(change.operation(), done, total) {
            return Err(failure);
        }
    }
    Ok(targets.into_iter().filter_map(|t| outcomes.remove(&t)).collect())
}

/// Journals whole images of what is touched for the first time.
async fn first_touch(session: &Session, change: &dyn Change, due: &[Observed]) -> Result<()> {
    let fresh: Vec<String> = {
        let memory = session.memory();
        due.iter().map(|o| o.target.clone()).filter(|t| !memory.past.baselines.contains(&t.to_lowercase())).collect()
    };
    if fresh.is_empty() {
        return Ok(());
    }
    keep_baselines(session, change.operation(), change.baseline(session, &fresh).await?)
}

/// Appends baselines that the journal does not hold yet.
///
/// # Errors
/// The journal can't be written.
pub fn keep_baselines(session: &Session, operation: &str, images: Vec<(String, Value)>) -> Result<()> {
    let mut events = Vec::new();
    {
        let memory = session.memory();
        for (target, image) in images {
            if !memory.past.baselines.contains(&target.to_lowercase()) {
                events.push(Event {
                    kind: EventKind::Baseline,
                    time: session.now(),
                    operation: operation.into(),
                    target: target.to_lowercase(),
                    body: image,
                });
            }
        }
    }
    for group in events.chunks(GROUP) {
        session.append(group)?;
    }
    Ok(())
}

/// Intents, writes, read-back, outcomes of one group.
async fn write_group(session: &Session, change: &dyn Change, group: &[Observed]) -> Result<Vec<Outcome>> {
    let steps = session.steps_around();
    let mut intents: Vec<Event> = group
        .iter()
        .map(|one| {
            let mut body = json!({
                "before": one.before,
                "planned": match &one.verdict { Verdict::Differs(after) => after.clone(), _ => Value::Null },
                "repeat": change.repeat().word(),
                "way_back": change.way_back().json(),
            });
            if let Some(key) = change.call() {
                body["call"] = key.json();
                body["at"] = json!(session.place());
            }
            if !steps.is_empty() {
                // So that an undo finds what a step did.
                body["step"] = json!(steps);
            }
            Event {
                kind: EventKind::Intent,
                time: session.now(),
                operation: change.operation().into(),
                target: one.target.clone(),
                body,
            }
        })
        .collect();
    for (intent, one) in intents.iter_mut().zip(group) {
        if let Some(objects) = fenced::counted(session, change, one).await? {
            intent.body["objects"] = objects;
        }
    }
    if !plant::is(Plant::IntentAfterwards) {
        session.append(&intents)?;
    }
    // From here to the outcome a cancellation waits: what is in flight ends.
    let _in_flight = session.in_flight();

    let (mut results, mut given) = requests::collected(change.apply_group(session, group.iter().collect())).await;
    if plant::is(Plant::IntentAfterwards) {
        session.append(&intents)?;
    }
    if plant::is(Plant::DoubtRepeated) {
        for (one, result) in group.iter().zip(&mut results).filter(|(_, r)| in_doubt(Some(r))) {
            // Nobody looks: what the second answer says is the outcome.
            *result = change.apply(session, one).await.map_err(|f| Failure { kind: Kind::Refused, ..f });
        }
    }
    let mut after = match read_back(session, change, group, &results).await {
        Ok(after) => after,
        Err(failure) => return Err(unseen(session, change, group, &results, failure)),
    };
    // A lost answer may be a late one: look, and try again only under a guard.
    let mut tried_again = BTreeSet::new();
    for _ in 0..2 {
        let again: Vec<usize> =
            (0..group.len()).filter(|i| in_doubt(results.get(*i)) && !is_same(after.get(*i))).collect();
        if again.is_empty() || change.repeat() == Repeat::None || session.cancel().is_cancelled() {
            break;
        }
        let retried: Vec<&Observed> = again.iter().filter_map(|i| group.get(*i)).collect();
        let (answers, more) = requests::collected(change.apply_group(session, retried)).await;
        given.add(more);
        tried_again.extend(again.iter().copied());
        for (i, answer) in again.into_iter().zip(answers) {
            if let Some(slot) = results.get_mut(i) {
                *slot = answer;
            }
        }
        after = match read_back(session, change, group, &results).await {
            Ok(after) => after,
            Err(failure) => return Err(unseen(session, change, group, &results, failure)),
        };
    }

    let mut outcomes = Vec::with_capacity(group.len());
    let mut events = Vec::with_capacity(group.len());
    let mut doubt = None;
    for (i, ((one, result), seen)) in group.iter().zip(results).zip(after).enumerate() {
        let same = matches!(seen.verdict, Verdict::Same);
        let result = match result {
            // Whatever the answer was, the world is as it should be.
            Ok(()) | Err(Failure { kind: Kind::InDoubt | Kind::Conflict, .. }) if same => Ok(()),
            // The first try came late, and the second was told that it is so already,
            // in whatever words the service has for that.
            Err(_) if same && tried_again.contains(&i) => Ok(()),
            Ok(()) => Err(Failure::new(Kind::Conflict, format!("{}{ODD}", one.target))
                .on(&one.target)
                .detail(format!("read back: {}", seen.before))
                .hint("somebody else may be editing it; look at the object, then run again")),
            Err(failure) => Err(failure),
        };
        let state = match &result {
            Ok(()) => "applied",
            Err(f) if f.kind == Kind::InDoubt => "in_doubt",
            Err(_) => "not_applied",
        };
        if let Err(f) = &result
            && f.kind == Kind::InDoubt
            && change.repeat() == Repeat::None
        {
            doubt = Some(f.clone());
        }
        let mut body = json!({
            "state": state,
            "after": seen.before,
            "failure": result.as_ref().err().map(|f| f.message.clone()),
            "requests": given.of(&one.target),
        });
        if change.call().is_some() {
            body["answer"] = change.answer();
        }
        events.push(Event {
            kind: EventKind::Outcome,
            time: session.now(),
            operation: change.operation().into(),
            target: one.target.clone(),
            body,
        });
        let changed = result.is_ok();
        if changed {
            session.memory().writes += 1;
        }
        outcomes.push(Outcome {
            target: one.target.clone(),
            changed,
            before: one.before.clone(),
            after: seen.before,
            result,
        });
    }
    session.append(&events)?;
    match doubt {
        Some(failure) => Err(doubt::explained(session, failure, change.operation(), group)),
        None => Ok(outcomes),
    }
}

/// Outcomes of a group that could not be read back: what was refused is known,
/// the rest is in doubt. The failure is that of the reading.
fn unseen(
    session: &Session,
    change: &dyn Change,
    group: &[Observed],
    results: &[Result<()>],
    failure: Failure,
) -> Failure {
    let outcome = |(one, result): (&Observed, &Result<()>)| Event {
        kind: EventKind::Outcome,
        time: session.now(),
        operation: change.operation().into(),
        target: one.target.clone(),
        body: json!({
            "state": match result {
                Err(f) if f.kind != Kind::InDoubt => "not_applied",
                _ => "in_doubt",
            },
            "after": Value::Null,
            "failure": result.as_ref().err().unwrap_or(&failure).message,
        }),
    };
    let events: Vec<Event> = group.iter().zip(results).map(outcome).collect();
    match session.append(&events) {
        Ok(()) => failure,
        // An intent without an outcome says the same.
        Err(_) => failure,
    }
}

fn in_doubt(result: Option<&Result<()>>) -> bool {
    matches!(result, Some(Err(f)) if f.kind == Kind::InDoubt)
}

/// How the message of a write ends that the read-back does not show.
const ODD: &str = " was written, but reads back differently";

fn is_same(observed: Option<&Observed>) -> bool {
    matches!(observed, Some(Observed { verdict: Verdict::Same, .. }))
}

/// Reads a group back; where reads lag behind writes, until what was written
/// shows or the time is up.
async fn read_back(
    session: &Session,
    change: &dyn Change,
    group: &[Observed],
    results: &[Result<()>],
) -> Result<Vec<Observed>> {
    let targets: Vec<String> = group.iter().map(|o| o.target.clone()).collect();
    let deadline = session.now() + jiff::SignedDuration::from_secs(change.settles_within());
    let mut pause = 2;
    loop {
        let seen = change.observe(session, &targets).await?;
        let lags = results
            .iter()
            .zip(&seen)
            .any(|(r, s)| (r.is_ok() || in_doubt(Some(r))) && matches!(s.verdict, Verdict::Differs(_)));
        if !lags || session.now() >= deadline || session.cancel().is_cancelled() {
            return Ok(seen);
        }
        session.clock().sleep(jiff::SignedDuration::from_secs(pause)).await?;
        pause = (pause * 2).min(60);
    }
}

/// Stops a set when our own writes keep failing, as the project's settings say:
/// three equal ones, or more than 2 % and at least three. What a guard or a rule left alone is counted apart.
struct Breaker<'a> {
    sets: &'a Sets,
    total: usize,
    failed: usize,
    equal: BTreeMap<(Kind, String), usize>,
    last: Option<Failure>,
}

impl<'a> Breaker<'a> {
    fn new(total: usize, sets: &'a Sets) -> Breaker<'a> {
        Breaker { sets, total, failed: 0, equal: BTreeMap::new(), last: None }
    }

    fn count(&mut self, outcome: &Outcome) {
        let Err(failure) = &outcome.result else { return };
        // A guard that held wrote nothing; what was written and isn't there did.
        if failure.kind == Kind::Conflict && !failure.message.ends_with(ODD) {
            return;
        }
        self.failed += 1;
        let said = failure
            .detail
            .clone()
            .filter(|_| failure.kind != Kind::Conflict)
            .unwrap_or_else(|| failure.message.replace(&outcome.target, "…"));
        *self.equal.entry((failure.kind, said)).or_default() += 1;
        self.last = Some(failure.clone());
    }

    fn open(&self, operation: &str, done: usize, total: usize) -> Option<Failure> {
        let equal = self.equal.values().copied().max().unwrap_or(0);
        if !self.sets.ends(self.failed, equal, self.total) {
            return None;
        }
        let last = self.last.clone()?;
        let mut failure = last.clone();
        failure.message = format!(
            "{operation} stopped after {done} of {total}: {} writes failed, the last with: {}",
            self.failed, last.message
        );
        Some(
            failure.hint(last.hint.unwrap_or_else(|| "mend the cause, then run again; what is done stays done".into())),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(target: &str, kind: Kind, text: &str) -> Outcome {
        Outcome {
            target: target.into(),
            changed: false,
            before: Value::Null,
            after: Value::Null,
            result: Err(Failure::new(kind, format!("{target}: {text}"))),
        }
    }

    #[test]
    fn three_equal_failures_stop_a_set_and_guards_do_not_count() {
        let sets = Sets::default();
        let mut breaker = Breaker::new(1000, &sets);
        for target in ["a", "b", "c", "d"] {
            breaker.count(&failed(target, Kind::Conflict, "edited by a colleague"));
        }
        assert!(breaker.open("x", 4, 1000).is_none());
        for target in ["aa", "bb"] {
            breaker.count(&failed(target, Kind::Refused, "no right"));
        }
        assert!(breaker.open("x", 6, 1000).is_none());
        breaker.count(&failed("cc", Kind::Refused, "no right"));
        let failure = breaker.open("x", 7, 1000).expect("three equal failures");
        assert!(failure.message.contains("3 writes failed"), "{}", failure.message);
    }
}
