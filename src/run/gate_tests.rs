//! The gate's order and its promises, on a change whose world is a map.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::bare::{self, MemoryJournal};
use super::gate::{Change, Observed, Repeat, Verdict, WayBack, pass};
use super::journal::{Event, Journal, Kind as EventKind, Run, Stored};
use super::narrate::Keeper;
use super::session::Session;
use crate::base::{Clock, Failure, Kind, Result};

/// What happens to a write on its way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Arrives,
    AnswerLost,
    RequestLost,
    /// The try before it, taken for lost, comes first, and this one is refused.
    Overtaken,
    Refused,
}

/// Sets every target of a map to 1.
struct SetOne {
    world: Mutex<BTreeMap<String, i64>>,
    ways: Mutex<BTreeMap<String, Vec<Way>>>,
    applied: Mutex<Vec<String>>,
    repeat: Repeat,
    journal: Arc<MemoryJournal>,
}

impl SetOne {
    fn new(targets: &[&str], repeat: Repeat, journal: &Arc<MemoryJournal>) -> SetOne {
        SetOne {
            world: Mutex::new(targets.iter().map(|t| ((*t).to_owned(), 0)).collect()),
            ways: Mutex::default(),
            applied: Mutex::default(),
            repeat,
            journal: journal.clone(),
        }
    }
    fn way(self, target: &str, ways: &[Way]) -> SetOne {
        // Taken from the end.
        let ways = ways.iter().rev().copied().collect();
        self.ways.lock().expect("nobody panicked").insert(target.into(), ways);
        self
    }
    fn writes(&self, target: &str) -> usize {
        self.applied.lock().expect("nobody panicked").iter().filter(|t| *t == target).count()
    }
}

#[async_trait]
impl Change for SetOne {
    fn operation(&self) -> &'static str {
        "set_one"
    }
    fn repeat(&self) -> Repeat {
        self.repeat
    }
    fn way_back(&self) -> WayBack {
        WayBack::Reversible
    }
    fn targets(&self) -> Vec<String> {
        self.world.lock().expect("nobody panicked").keys().cloned().collect()
    }
    async fn observe(&self, _: &Session, targets: &[String]) -> Result<Vec<Observed>> {
        let world = self.world.lock().expect("nobody panicked");
        Ok(targets
            .iter()
            .map(|t| {
                let value = world.get(t).copied().unwrap_or(0);
                let verdict = if value == 1 { Verdict::Same } else { Verdict::Differs(json!(1)) };
                Observed { target: t.clone(), before: json!(value), verdict }
            })
            .collect())
    }
    async fn baseline(&self, _: &Session, targets: &[String]) -> Result<Vec<(String, Value)>> {
        Ok(targets.iter().map(|t| (t.clone(), json!({"whole": t}))).collect())
    }
    async fn apply(&self, _: &Session, observed: &Observed) -> Result<()> {
        let target = &observed.target;
        // The promise: nothing is sent whose intent isn't on disk.
        let recorded = self.journal.0.lock().expect("nobody panicked");
        assert!(recorded.iter().any(|e| e.kind == EventKind::Intent && e.target == *target), "{target} without intent");
        drop(recorded);
        self.applied.lock().expect("nobody panicked").push(target.clone());
        let way = self.ways.lock().expect("nobody panicked").get_mut(target).and_then(Vec::pop).unwrap_or(Way::Arrives);
        if matches!(way, Way::Arrives | Way::AnswerLost | Way::Overtaken) {
            self.world.lock().expect("nobody panicked").insert(target.clone(), 1);
        }
        match way {
            Way::Arrives => Ok(()),
            Way::AnswerLost | Way::RequestLost => Err(Failure::new(Kind::InDoubt, "no answer came")),
            Way::Overtaken => Err(Failure::new(Kind::Refused, "it is so already").on(target)),
            Way::Refused => Err(Failure::new(Kind::Refused, "no right").on(target)),
        }
    }
}

fn session(journal: &Arc<MemoryJournal>) -> Arc<Session> {
    let handle = tokio::runtime::Handle::current();
    bare::session(Clock::system(), Arc::new(Keeper::default()), handle, journal.clone())
}

fn kinds(journal: &MemoryJournal, kind: EventKind) -> Vec<String> {
    let events = journal.0.lock().expect("nobody panicked");
    events.iter().filter(|e| e.kind == kind).map(|e| e.target.clone()).collect()
}

#[tokio::test]
async fn a_second_pass_writes_nothing() {
    let journal = Arc::new(MemoryJournal::default());
    let session = session(&journal);
    let change = SetOne::new(&["a", "b", "c"], Repeat::Guarded, &journal);
    let first = pass(&session, &change, None).await.expect("nothing is in the way");
    assert!(first.iter().all(|o| o.changed && o.before == json!(0) && o.after == json!(1)));
    let second = pass(&session, &change, None).await.expect("nothing is in the way");
    assert!(second.iter().all(|o| !o.changed && o.result.is_ok()));
    assert_eq!(change.applied.lock().expect("nobody panicked").len(), 3);
    assert_eq!(kinds(&journal, EventKind::Baseline).len(), 3);
    assert_eq!(kinds(&journal, EventKind::Intent).len(), kinds(&journal, EventKind::Outcome).len());
}

#[tokio::test]
async fn a_lost_answer_is_looked_at_before_anything_is_repeated() {
    let journal = Arc::new(MemoryJournal::default());
    let session = session(&journal);
    let change = SetOne::new(&["late", "later", "lost"], Repeat::Guarded, &journal)
        .way("late", &[Way::AnswerLost])
        .way("later", &[Way::RequestLost, Way::Overtaken])
        .way("lost", &[Way::RequestLost]);
    let outcomes = pass(&session, &change, None).await.expect("both are settled");
    assert!(outcomes.iter().all(|o| o.result.is_ok()));
    assert_eq!((change.writes("late"), change.writes("lost")), (1, 2));
}

#[tokio::test]
async fn without_a_guard_nothing_is_ever_repeated() {
    let journal = Arc::new(MemoryJournal::default());
    let session = session(&journal);
    let change = SetOne::new(&["x"], Repeat::None, &journal).way("x", &[Way::RequestLost]);
    let failure = pass(&session, &change, None).await.expect_err("a person has to look");
    assert_eq!((failure.kind, change.writes("x")), (Kind::InDoubt, 1));
    assert_eq!(kinds(&journal, EventKind::Outcome), ["x"]);
}

#[tokio::test]
async fn equal_failures_stop_a_set_before_it_is_through() {
    let journal = Arc::new(MemoryJournal::default());
    let session = session(&journal);
    let names: Vec<String> = (0..200).map(|n| format!("m{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut change = SetOne::new(&names, Repeat::Guarded, &journal);
    for name in &names {
        change = change.way(name, &[Way::Refused]);
    }
    let failure = pass(&session, &change, None).await.expect_err("three equal failures");
    assert!(failure.message.contains("stopped after 6 of 200"), "{}", failure.message);
    assert_eq!(change.applied.lock().expect("nobody panicked").len(), 6);
}

#[tokio::test]
async fn a_cancelled_run_begins_no_new_write() {
    let journal = Arc::new(MemoryJournal::default());
    let session = session(&journal);
    session.cancel().cancel();
    let change = SetOne::new(&["a"], Repeat::Guarded, &journal);
    let failure = pass(&session, &change, None).await.expect_err("it is cancelled");
    assert_eq!((failure.kind, change.writes("a")), (Kind::Cancelled, 0));
}

#[tokio::test]
async fn a_cancellation_waits_for_the_outcome_of_what_is_in_flight() {
    /// Cancels its own run in the middle of the write.
    struct Midway(SetOne);
    #[async_trait]
    impl Change for Midway {
        fn operation(&self) -> &'static str {
            "midway"
        }
        fn repeat(&self) -> Repeat {
            Repeat::Guarded
        }
        fn way_back(&self) -> WayBack {
            WayBack::Reversible
        }
        fn targets(&self) -> Vec<String> {
            self.0.targets()
        }
        async fn observe(&self, session: &Session, targets: &[String]) -> Result<Vec<Observed>> {
            self.0.observe(session, targets).await
        }
        async fn apply(&self, session: &Session, observed: &Observed) -> Result<()> {
            session.cancel().cancel();
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            self.0.apply(session, observed).await
        }
    }
    let journal = Arc::new(MemoryJournal::default());
    let session = session(&journal);
    let change = Midway(SetOne::new(&["a", "b"], Repeat::Guarded, &journal));
    let answer = session.unless_cancelled(pass(&session, &change, None)).await;
    assert!(answer.is_none_or(|a| a.is_err_and(|f| f.kind == Kind::Cancelled)));
    assert_eq!(
        (kinds(&journal, EventKind::Intent), kinds(&journal, EventKind::Outcome)),
        (vec!["a".into()], vec!["a".into()])
    );
    assert_eq!((change.0.writes("a"), change.0.writes("b")), (1, 0));
}

/// A journal on a full disk.
struct Full;

impl Journal for Full {
    fn append(&self, _: &[Event]) -> Result<Vec<u64>> {
        Err(Failure::new(Kind::Local, "the disk is full"))
    }
    fn read(&self, _: &str) -> Result<Vec<Stored>> {
        Ok(Vec::new())
    }
    fn past(&self, _: &mut dyn FnMut(&Event)) -> Result<()> {
        Ok(())
    }
    fn runs(&self) -> Result<Vec<Run>> {
        Ok(Vec::new())
    }
    fn run(&self) -> &str {
        "full"
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_written() {
    let memory = Arc::new(MemoryJournal::default());
    let handle = tokio::runtime::Handle::current();
    let session = bare::session(Clock::system(), Arc::new(Keeper::default()), handle, Arc::new(Full));
    let change = SetOne::new(&["a"], Repeat::Guarded, &memory);
    let failure = pass(&session, &change, None).await.expect_err("nothing can be recorded");
    assert_eq!((failure.kind, change.writes("a")), (Kind::Local, 0));
}
