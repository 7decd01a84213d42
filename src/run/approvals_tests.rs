//! Approvals over a journal in memory: what is asked, what is remembered, whose
//! answer counts.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::super::bare::{self, MemoryJournal};
use super::super::journal::Event;
use super::super::narrate::Keeper;
use super::*;
use crate::base::Clock;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

/// Answers from a list, and counts what was asked.
struct Listed {
    answers: Mutex<Vec<Option<bool>>>,
    asked: Mutex<Vec<Asking>>,
}

#[async_trait]
impl Approver for Listed {
    async fn ask(&self, _: &Session, asking: &Asking, _: &Cancel) -> Result<Option<Answer>> {
        self.asked.lock().expect("nobody panicked").push(asking.clone());
        let next = self.answers.lock().expect("nobody panicked").remove(0);
        Ok(next.map(|granted| Answer::here(granted, "ann", "terminal")))
    }
}

fn listed(answers: &[Option<bool>]) -> Arc<Listed> {
    Arc::new(Listed { answers: Mutex::new(answers.to_vec()), asked: Mutex::default() })
}

/// A process of a run whose journal is this one.
fn process_of(
    runtime: &tokio::runtime::Runtime,
    journal: &Arc<MemoryJournal>,
    approver: Arc<dyn Approver>,
    script: &str,
) -> Arc<Session> {
    let keeper = Arc::new(Keeper::default());
    let session = bare::asking(Clock::system(), keeper, runtime.handle().clone(), journal.clone(), approver);
    session.runs(script);
    session
}

fn bodies(journal: &MemoryJournal, kind: EventKind) -> Vec<Value> {
    let events = journal.0.lock().expect("nobody panicked");
    events.iter().filter(|e| e.kind == kind).map(|e| e.body.clone()).collect()
}

#[test]
fn what_was_granted_is_not_asked_again_and_any_difference_is() {
    let (runtime, journal) = (runtime(), Arc::new(MemoryJournal::default()));
    let of = |text: &str, value: Value| Question { text: text.into(), value, ..Question::default() };
    let first = process_of(&runtime, &journal, listed(&[Some(true), Some(true)]), "a script");
    runtime.block_on(ask(&first, of("Start?", json!(["ann"])))).expect("granted");
    runtime.block_on(approve(&first, "Switch?")).expect("granted");
    // The process ends, another goes on with the same run.
    let approver = listed(&[Some(true), Some(true), Some(true)]);
    let next = process_of(&runtime, &journal, approver.clone(), "a script");
    let asked = || approver.asked.lock().expect("nobody panicked").len();
    runtime.block_on(ask(&next, of("Start?", json!(["ann"])))).expect("granted before");
    runtime.block_on(approve(&next, "Switch?")).expect("granted before");
    assert_eq!(asked(), 0);
    runtime.block_on(ask(&next, of("Start?", json!(["ann", "bob"])))).expect("granted");
    assert_eq!(asked(), 1, "another value");
    runtime.block_on(approve(&next, "Switch all?")).expect("granted");
    assert_eq!(asked(), 2, "another text");
    runtime.block_on(approve(&next, "Switch?")).expect("granted");
    assert_eq!(asked(), 3, "asked twice by the script, it was granted once");
    let edited = listed(&[Some(true)]);
    let edited_session = process_of(&runtime, &journal, edited.clone(), "an edited script");
    runtime.block_on(approve(&edited_session, "Switch?")).expect("granted");
    assert_eq!(edited.asked.lock().expect("nobody panicked").len(), 1, "another script");
}

#[test]
fn the_question_stands_in_the_journal_before_anybody_is_asked() {
    struct Looks(Arc<MemoryJournal>);
    #[async_trait]
    impl Approver for Looks {
        async fn ask(&self, _: &Session, asking: &Asking, _: &Cancel) -> Result<Option<Answer>> {
            let asked = bodies(&self.0, EventKind::Asked);
            assert_eq!(asked.last().map(|b| b["id"].clone()), Some(json!(asking.id)));
            Ok(Some(Answer::here(false, "ann", "terminal")))
        }
    }
    let (runtime, journal) = (runtime(), Arc::new(MemoryJournal::default()));
    let session = process_of(&runtime, &journal, Arc::new(Looks(journal.clone())), "");
    let failure = runtime.block_on(approve(&session, "Start?")).expect_err("refused");
    assert_eq!(failure.kind, Kind::Approval);
    let (asked, given) = (bodies(&journal, EventKind::Asked), bodies(&journal, EventKind::Approval));
    assert_eq!((asked[0]["id"].clone(), given[0]["granted"].clone()), (given[0]["of"].clone(), json!(false)));
    // A no holds for this process; the next one asks anew.
    let approver = listed(&[Some(true)]);
    let next = process_of(&runtime, &journal, approver.clone(), "");
    runtime.block_on(approve(&next, "Start?")).expect("granted now");
    assert_eq!(approver.asked.lock().expect("nobody panicked").len(), 1);
}

#[test]
fn nobody_to_ask_ends_the_run_and_says_the_way_on() {
    let (runtime, journal) = (runtime(), Arc::new(MemoryJournal::default()));
    let session = process_of(&runtime, &journal, listed(&[None]), "");
    let failure = runtime.block_on(approve(&session, "Start?")).expect_err("nobody is there");
    assert_eq!((failure.kind, failure.message.as_str()), (Kind::Approval, "nobody can be asked: Start?"));
    assert!(failure.hint.is_some_and(|h| h.contains("--wait-for-approval") && h.contains("stagepost approve")));
}

#[test]
fn a_question_that_nobody_answers_in_time_is_over() {
    let (runtime, journal) = (runtime(), Arc::new(MemoryJournal::default()));
    let waits = Arc::new(Beforehand { wait: true, ..Beforehand::default() });
    let session = process_of(&runtime, &journal, waits, "");
    let question = Question { timeout_hours: Some(0.000_01), ..Question::of("Start?") };
    let failure = runtime.block_on(ask(&session, question)).expect_err("nobody answers");
    assert_eq!(failure.kind, Kind::Approval);
    assert!(failure.message.starts_with("nobody answered until 20"), "{}", failure.message);
    assert!(bodies(&journal, EventKind::Approval).is_empty());
}

#[test]
fn a_rehearsal_keeps_the_deadline_by_the_time_of_its_lab() {
    let runtime = runtime();
    let monday: Timestamp = "2026-01-12T09:30:00Z".parse().expect("a time");
    let asked = |hours: f64| {
        let rehearsed = Arc::new(Rehearsed { deny: Vec::new() });
        let keeper = Arc::new(Keeper::default());
        let clock = Clock::foreseen(monday);
        let journal = Arc::new(MemoryJournal::default());
        let session = bare::asking(clock, keeper, runtime.handle().clone(), journal, rehearsed);
        let question = Question { timeout_hours: Some(hours), ..Question::of("Start?") };
        let answer = runtime.block_on(ask(&session, question)).map_err(|f| f.message);
        (answer, session.now().to_string())
    };
    assert_eq!(asked(48.0), (Ok(()), "2026-01-13T09:30:00Z".into()));
    let (late, now) = asked(4.0);
    assert_eq!(late, Err("nobody answered until 2026-01-12 13:30:00: Start?".into()));
    assert_eq!(now, "2026-01-12T13:30:00Z");
}

#[test]
fn who_runs_can_not_approve_what_another_must() {
    let (runtime, journal) = (runtime(), Arc::new(MemoryJournal::default()));
    let said = Beforehand { approve: vec!["Start".into()], ..Beforehand::default() };
    let session = process_of(&runtime, &journal, Arc::new(said), "");
    let by_other = || Question { by_other: Some(true), ..Question::of("Start?") };
    let failure = runtime.block_on(ask(&session, by_other())).expect_err("the command line is of who runs");
    assert!(failure.message.starts_with("somebody else than "), "{}", failure.message);
    let denied = Beforehand { deny: vec!["Start".into()], ..Beforehand::default() };
    let session = process_of(&runtime, &journal, Arc::new(denied), "");
    let failure = runtime.block_on(ask(&session, by_other())).expect_err("anybody may refuse");
    assert_eq!(failure.message, "refused by --deny: Start?");
}

#[test]
fn an_answer_from_beside_is_heard_and_withdraws_the_question_at_the_terminal() {
    /// Somebody who never answers, and says when the question was withdrawn.
    struct Silent(std::sync::mpsc::Sender<()>, Arc<MemoryJournal>, bool);
    impl Person for Silent {
        fn confirm(&self, _: &str, withdrawn: &Cancel) -> Option<bool> {
            // Another process answers while the question stands here.
            let asked = bodies(&self.1, EventKind::Asked).pop().expect("it was recorded");
            let body = json!({
                "of": asked["id"], "binding": asked["binding"], "granted": self.2, "by": "bob", "host": "pc2",
                "because": "as agreed",
            });
            let event = Event {
                kind: EventKind::Approval,
                time: Timestamp::now(),
                operation: "approve".into(),
                target: "Start?".into(),
                body,
            };
            self.1.0.lock().expect("nobody panicked").push(event);
            futures::executor::block_on(withdrawn.cancelled());
            self.0.send(()).ok();
            None
        }
        fn typed(&self, _: &str, _: &Cancel) -> Option<String> {
            None
        }
        fn is_there(&self) -> bool {
            true
        }
    }
    for granted in [true, false] {
        let (runtime, journal) = (runtime(), Arc::new(MemoryJournal::default()));
        let (send, withdrawn) = std::sync::mpsc::channel();
        let person: Arc<dyn Person> = Arc::new(Silent(send, journal.clone(), granted));
        let approver = Beforehand { person: Some(person), ..Beforehand::default() };
        let session = process_of(&runtime, &journal, Arc::new(approver), "");
        let answer = runtime.block_on(approve(&session, "Start?"));
        withdrawn.recv().expect("the question at the terminal ends");
        assert_eq!(answer.is_ok(), granted);
        if let Err(failure) = answer {
            assert_eq!(failure.message, "refused by bob on pc2: Start?");
            assert_eq!(failure.detail.as_deref(), Some("because: as agreed"));
        }
        assert_eq!(bodies(&journal, EventKind::Approval).len(), 1, "it is not recorded twice");
    }
}

#[test]
fn ctrl_c_ends_a_question_that_nobody_answers() {
    struct Waits(Mutex<std::sync::mpsc::Sender<()>>, Mutex<std::sync::mpsc::Receiver<bool>>);
    impl Person for Waits {
        fn confirm(&self, _: &str, _: &Cancel) -> Option<bool> {
            self.0.lock().ok()?.send(()).ok()?;
            self.1.lock().ok()?.recv().ok()
        }
        fn typed(&self, _: &str, _: &Cancel) -> Option<String> {
            None
        }
        fn is_there(&self) -> bool {
            true
        }
    }
    let runtime = runtime();
    let (asked, was_asked) = std::sync::mpsc::channel();
    let (_never, answer) = std::sync::mpsc::channel::<bool>();
    let person: Arc<dyn Person> = Arc::new(Waits(Mutex::new(asked), Mutex::new(answer)));
    let approver = Beforehand { person: Some(person), ..Beforehand::default() };
    let session = process_of(&runtime, &Arc::new(MemoryJournal::default()), Arc::new(approver), "");
    let cancel = session.cancel();
    let presses = std::thread::spawn(move || {
        was_asked.recv().expect("the question is asked");
        cancel.cancel();
    });
    let ended = runtime.block_on(approve(&session, "Start wave-01?"));
    assert_eq!(ended.map_err(|f| f.kind), Err(Kind::Cancelled));
    presses.join().expect("it pressed");
}
