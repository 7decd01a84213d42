//! What a second pass of a run sees: the values of done steps, the answers of
//! calls, and nothing that was not kept.

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use rhai::Dynamic;
use serde_json::json;

use super::plain;
use crate::api::kept;
use crate::base::{Clock, Failure, Kind, Result};
use crate::host::{Host, Library, ScriptError};
use crate::migration::list::Mailboxes;
use crate::run::bare::{self, MemoryJournal};
use crate::run::journal::{Event, Journal as _, Kind as EventKind};
use crate::run::narrate::{Keeper, What};
use crate::run::session::Session;

/// A run of which every pass has a session of its own over the same journal.
struct Passes {
    journal: Arc<MemoryJournal>,
    keeper: Arc<Keeper>,
    clock: Clock,
    runtime: tokio::runtime::Runtime,
}

struct Owner;

#[async_trait::async_trait]
impl crate::base::Advance for Owner {
    async fn advance(&self, to: Timestamp) -> Result<Timestamp> {
        Ok(to)
    }
}

impl Passes {
    fn new() -> Passes {
        let start = Timestamp::from_second(1_700_000_000).expect("a valid time");
        Passes {
            journal: Arc::default(),
            keeper: Arc::default(),
            clock: Clock::driven(Arc::new(Owner), start),
            runtime: tokio::runtime::Runtime::new().expect("a runtime can be built"),
        }
    }

    fn session(&self) -> Arc<Session> {
        let (keeper, handle) = (self.keeper.clone(), self.runtime.handle().clone());
        let session = bare::session(self.clock.clone(), keeper, handle, self.journal.clone());
        session.recall().expect("memory is readable");
        session
    }

    /// One pass; it ends with a word in the journal, as a process does.
    fn pass(&self, text: &str) -> Result<Dynamic, ScriptError> {
        let session = self.session();
        let answer = Host::new(session.clone(), Library::bundled_only()).run_text("test.rhai", text);
        session.record(EventKind::Ended, "end", "", json!({"code": 0})).expect("memory takes it");
        answer
    }

    fn text(&self, text: &str) -> String {
        self.pass(text).map_err(|e| plain(&e)).expect("the script succeeds").to_string()
    }

    fn said(&self) -> Vec<String> {
        let notes = self.keeper.notes().into_iter();
        notes.filter_map(|n| if let What::Said { text } = n.what { Some(text) } else { None }).collect()
    }

    fn kept(&self, kind: EventKind) -> usize {
        self.journal.0.lock().expect("nobody panicked").iter().filter(|e| e.kind == kind).count()
    }
}

fn refused(text: &str) -> Failure {
    Passes::new().pass(text).expect_err("it is refused").failure
}

#[test]
fn a_done_step_answers_and_is_not_done_again() {
    let passes = Passes::new();
    let text = "step(\"a\", || { print(\"works\"); [1, 2.0, \"x\", #{ b: (), a: 'c' }] })";
    let first = passes.text(text);
    assert_eq!((first.as_str(), passes.text(text)), ("[1, 2.0, \"x\", #{\"a\": 'c', \"b\": ()}]", first.clone()));
    assert_eq!(passes.said(), ["works"]);
    assert_eq!(passes.kept(EventKind::Step), 1);
}

#[test]
fn steps_are_known_by_the_names_around_them_and_not_by_their_place() {
    let passes = Passes::new();
    let each = "for w in [\"north\", \"south\"] { step(\"wave\", w, || { step(\"start\", || print(w)); w }); }";
    passes.text(each);
    // Another step in front, the other order: what is done stays done.
    let edited = each.replacen("[\"north\", \"south\"]", "[\"east\", \"south\", \"north\"]", 1);
    passes.text(&format!("step(\"first\", || print(0)); {edited}"));
    assert_eq!(passes.said(), ["north", "south", "0", "east"]);
}

#[test]
fn a_step_that_failed_is_done_again_in_the_same_pass_and_in_the_next() {
    let passes = Passes::new();
    let text = "let n = [];\nretry(2, || step(\"a\", || { print(1); throw #{ kind: \"throttled\", message: \"slow\", \
                retryable: true, retry_after: 0 }; }))";
    for _ in 0..2 {
        assert_eq!(passes.pass(text).expect_err("it fails").failure.kind, Kind::Throttled);
    }
    assert_eq!((passes.said().len(), passes.kept(EventKind::Step)), (4, 0));
}

#[test]
fn a_name_is_used_once() {
    let failure = refused("for n in [1, 2] { step(\"a\" + \"\", || n); }");
    assert_eq!((failure.kind, failure.message.as_str()), (Kind::Usage, "the step \"a\" is there a second time"));
    let failure = refused("let f = [\"x\", \"x\"]; for n in f { step(\"a\", n, || 1); }");
    assert_eq!(failure.message, "the step \"a\" for \"x\" is there a second time");
    assert_eq!(Passes::new().text("step(\"a\", || step(\"a\", || 3))"), "3");
}

#[test]
fn a_variable_around_a_step_must_stay_as_it_is() {
    for (text, name) in [
        ("let total = 0; let f = || { total += 1; }; step(\"a\", f);", "`total`"),
        ("let other = 1; let list = [1]; let f = || { list.push(other); }; step(\"a\", f);", "`list`"),
        ("let m = #{ deep: #{ x: [1] } }; let f = || { m.deep.x[0] = 2; }; step(\"a\", f);", "`m`"),
        ("let n = 0; let f = || { [1].for_each(|| n += this); }; step(\"a\", f);", "`n`"),
    ] {
        let failure = refused(text);
        assert!(
            failure.message.contains("changes the variable ") && failure.message.contains(name),
            "{text}: {failure}"
        );
    }
    assert_eq!(Passes::new().text("let n = 1; let l = [n]; step(\"a\", || { let l2 = l; l2.push(n); l2.len() })"), "2");
}

#[test]
fn what_can_not_be_kept_is_refused_with_its_place() {
    let failure = refused("step(\"a\", || #{ list: [1, timestamp()] })");
    assert_eq!(failure.detail.as_deref(), Some("the value.list[1] is a timestamp"));
    assert!(refused("step(\"a\", || 1..3)").detail.expect("a place").contains("range"));
}

#[test]
fn calls_answer_as_before_by_step_arguments_and_occurrence() {
    let passes = Passes::new();
    let text = "let a = now(); sleep(5); let b = now(); step(\"x\", || [uuid(), random(1, 1000000), now()]) + [a, b, \
                uuid(), random(1, 1000000), random(1, 1000000)]";
    let first = passes.text(text);
    assert_eq!(passes.text(text), first);
    // A call in front, with other arguments, changes nothing for the others.
    assert_eq!(passes.text(&format!("random(0, 9); {text}")), first);
    let parts: std::collections::BTreeSet<String> =
        first.trim_matches(['[', ']']).split(", ").map(str::to_owned).collect();
    assert_eq!(parts.len(), 8 - 1, "only the moment after the wait comes twice: {first}");
}

#[test]
fn a_wait_goes_on_where_it_was() {
    let passes = Passes::new();
    let long = passes.clock.now();
    passes.text("sleep(86400)");
    assert_eq!(passes.clock.now().duration_since(long).as_secs(), 86_400);
    let again = passes.clock.now();
    passes.text("sleep(86400)");
    assert_eq!(passes.clock.now(), again, "it has passed");
    passes.text("sleep(86400); sleep(86400)");
    assert_eq!(passes.clock.now().duration_since(again).as_secs(), 86_400, "the second one is another");
}

#[test]
fn waits_until_a_moment_end_there() {
    let passes = Passes::new();
    passes.text("wait_until(\"2023-11-15T00:00:00Z\"); wait_until(\"2023-11-01T00:00:00+01:00\");");
    assert_eq!(passes.clock.now().to_string(), "2023-11-15T00:00:00Z");
    assert_eq!(refused("wait_until(\"tomorrow\")").kind, Kind::Usage);
}

#[test]
fn a_person_is_asked_once_and_a_rehearsal_answers_itself() {
    let passes = Passes::new();
    let text = "ask(\"Ticket?\", #{ rehearsed: \"CHG-1\" })";
    assert_eq!(passes.text(text), "CHG-1");
    assert_eq!(refused("ask(\"Ticket?\")").kind, Kind::Approval);
    let session = passes.session();
    session.ask_by(Arc::new(|_: &str| panic!("asked again")));
    let mut host = Host::new(session, Library::bundled_only());
    assert_eq!(host.run_text("a", text).expect("it answers").to_string(), "CHG-1");
}

#[test]
fn a_list_that_changed_meanwhile_is_refused_until_that_is_accepted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("list.csv");
    let text =
        format!("step(\"read\", || mailboxes::read(\"{0}\")).len + mailboxes::read(\"{0}\").len", path.display());
    let write = |text: &str| std::fs::write(&path, text).expect("a fresh folder takes a file");
    write("EmailAddress,Password\na@contoso.test,Geheim-12345\nb@contoso.test,\n");
    let passes = Passes::new();
    assert_eq!(passes.text(&text), "4");
    write("EmailAddress,Password\na@contoso.test,Geheim-12345\n");
    let failure = passes.pass(&text).expect_err("it is another list").failure;
    assert_eq!(failure.kind, Kind::Conflict);
    let session = passes.session();
    session.accept_changes();
    let mut host = Host::new(session.clone(), Library::bundled_only());
    assert_eq!(host.run_text("a", &text).expect("accepted").to_string(), "3", "what a step answered stays");
    session.record(EventKind::Ended, "end", "", json!({})).expect("memory takes it");
    assert_eq!(passes.text(&text), "3", "what was accepted is the list now");
    let kept = format!("{:?}", passes.journal.0.lock().expect("nobody panicked"));
    assert!(!kept.contains("Geheim-12345"));
}

#[test]
fn a_set_comes_back_as_a_part_of_its_list_with_passwords_and_lines() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("list.csv");
    std::fs::write(&path, "EmailAddress,Password\na@contoso.test,Geheim-12345\nb@contoso.test,Auch-12345\n")
        .expect("a file");
    let passes = Passes::new();
    let text = format!("let s = step(\"a\", || mailboxes::read(\"{}\").skip(1)); s[0].line", path.display());
    let text = format!("{text} + s[0].columns.len()");
    let first = passes.text(&text);
    assert_eq!((first.as_str(), passes.text(&text)), ("5", "5".to_owned()));
    let session = passes.session();
    let answer =
        Host::new(session, Library::bundled_only()).run_text("t", &text.replace("s[0].line + s[0].columns.len()", "s"));
    let set = answer.expect("it succeeds").cast::<Mailboxes>();
    let secret = set.get(0).and_then(|row| row.password().map(|s| s.expose().to_owned()));
    assert_eq!(secret.as_deref(), Some("Auch-12345"));
}

#[test]
fn what_is_told_is_written_with_the_next_event_and_what_fails_stays() {
    let passes = Passes::new();
    let session = passes.session();
    session.once("now", &json!([]), |_| Ok(json!(1))).expect("it asks");
    assert_eq!(passes.kept(EventKind::Call), 0);
    let event = Event {
        kind: EventKind::Intent,
        time: session.now(),
        operation: "x".into(),
        target: "y".into(),
        body: json!({}),
    };
    session.append(&[event]).expect("memory takes it");
    let kinds: Vec<EventKind> =
        passes.journal.read("test").expect("memory").into_iter().map(|s| s.event.kind).collect();
    assert_eq!(kinds, [EventKind::Call, EventKind::Intent], "what a write hangs on is there before it");
}

fn dynamic() -> impl Strategy<Value = Dynamic> {
    let leaf = prop_oneof![
        Just(Dynamic::UNIT),
        any::<bool>().prop_map(Dynamic::from),
        any::<i64>().prop_map(Dynamic::from),
        any::<u64>().prop_map(|bits| Dynamic::from(f64::from_bits(bits))),
        any::<f64>().prop_map(Dynamic::from),
        ".*".prop_map(Dynamic::from),
        any::<char>().prop_map(Dynamic::from),
        proptest::collection::vec(any::<u8>(), 0..9).prop_map(Dynamic::from_blob),
        proptest::collection::vec("[a-z]{1,4}@contoso\\.test", 0..5)
            .prop_map(|a| Dynamic::from(Mailboxes::from_addresses(&a))),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Dynamic::from_array),
            proptest::collection::btree_map(prop_oneof!["[a-z]{1,3}", Just("$stagepost".to_owned())], inner, 0..6)
                .prop_map(|m| Dynamic::from_map(m.into_iter().map(|(k, v)| (k.into(), v)).collect())),
        ]
    })
}

/// As a person compares: types, bits and order, nothing rounded.
fn told(value: &Dynamic) -> String {
    if let Ok(float) = value.as_float() {
        return if float.is_nan() { "NaN".to_owned() } else { format!("float {}", float.to_bits()) };
    }
    if let Ok(items) = value.as_array_ref() {
        return format!("[{}]", items.iter().map(told).collect::<Vec<_>>().join(","));
    }
    if let Ok(map) = value.as_map_ref() {
        return format!("{{{}}}", map.iter().map(|(k, v)| format!("{k:?}:{}", told(v))).collect::<Vec<_>>().join(","));
    }
    if let Some(set) = value.clone().try_cast::<Mailboxes>() {
        return format!("{:?}", set.addresses());
    }
    format!("{} {value:?}", value.type_name())
}

proptest! {
    #[test]
    fn a_value_comes_back_from_the_journal_as_it_went_in(value in dynamic()) {
        let passes = Passes::new();
        let session = passes.session();
        let kept = kept::to_kept(&value).expect("all of it can be kept");
        let read: serde_json::Value = serde_json::from_str(&kept.to_string()).expect("it is JSON");
        prop_assert_eq!(&read.to_string(), &kept.to_string(), "its hash is the same");
        let back = kept::of_kept(&session, &read, &|_, _, _| Err(Failure::internal("no batch"))).expect("readable");
        prop_assert_eq!(told(&back), told(&value));
        prop_assert!(kept::is_same(&back, &value));
    }
}
