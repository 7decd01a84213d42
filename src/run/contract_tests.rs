//! What a plan allows at the gate, on a change whose world is a map, with plans
//! made by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::bare::{self, MemoryJournal};
use super::gate::{Change, Observed, Outcome, Repeat, Verdict, WayBack, pass};
use super::journal::{Event, Kind as EventKind};
use super::narrate::Keeper;
use super::plan::{Of, Plan, Planned, VERSION};
use super::session::{Mode, Session};
use super::{drift, plan_file};
use crate::base::{Clock, Failure, Kind, Result};

/// Brings each object of a map to what is wanted of it.
struct Bring {
    operation: &'static str,
    repeat: Repeat,
    world: Mutex<BTreeMap<String, Value>>,
    wanted: Vec<(String, Value)>,
    sent: Mutex<Vec<String>>,
}

#[async_trait]
impl Change for Bring {
    fn operation(&self) -> &'static str {
        self.operation
    }
    fn repeat(&self) -> Repeat {
        self.repeat
    }
    fn way_back(&self) -> WayBack {
        WayBack::Reversible
    }
    fn targets(&self) -> Vec<String> {
        self.wanted.iter().map(|(target, _)| target.clone()).collect()
    }
    async fn observe(&self, _: &Session, targets: &[String]) -> Result<Vec<Observed>> {
        let world = self.world.lock().expect("nobody panicked");
        let sent = self.sent.lock().expect("nobody panicked");
        let wanted = |t: &String| self.wanted.iter().find(|(n, _)| n == t).map(|(_, w)| w.clone()).unwrap_or_default();
        let verdict = |t: &String| if sent.contains(t) { Verdict::Same } else { Verdict::Differs(wanted(t)) };
        let before = |t: &String| world.get(t).cloned().unwrap_or_default();
        Ok(targets.iter().map(|t| Observed { target: t.clone(), before: before(t), verdict: verdict(t) }).collect())
    }
    async fn baseline(&self, _: &Session, targets: &[String]) -> Result<Vec<(String, Value)>> {
        Ok(targets.iter().map(|t| (t.clone(), json!({"whole": t}))).collect())
    }
    async fn apply(&self, _: &Session, observed: &Observed) -> Result<()> {
        self.sent.lock().expect("nobody panicked").push(observed.target.clone());
        Ok(())
    }
}

fn planned(operation: &str, target: &str, before: Value, after: Value) -> Planned {
    Planned {
        operation: operation.into(),
        target: target.into(),
        before,
        after,
        repeat: "guarded".into(),
        way_back: json!({"kind": "reversible"}),
        at: None,
        time: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn plan(changes: Vec<Planned>) -> Plan {
    Plan {
        version: VERSION,
        of: Of::default(),
        made: jiff::Timestamp::UNIX_EPOCH,
        ends: jiff::Timestamp::UNIX_EPOCH,
        pins: Vec::new(),
        changes,
        assumptions: Vec::new(),
        conditions: Vec::new(),
        approvals: Vec::new(),
        left: BTreeMap::new(),
        requests: BTreeMap::new(),
    }
}

/// What became of a set under a plan: the gate's answer, what was sent, what
/// stands in the journal.
struct Held {
    answer: Result<Vec<Outcome>>,
    sent: Vec<String>,
    events: usize,
}

impl Held {
    fn passed(&self) -> bool {
        self.answer.is_ok() && !self.sent.is_empty()
    }
    /// The refusal; nothing was sent or recorded.
    fn refusal(&self) -> &Failure {
        assert_eq!((self.sent.len(), self.events), (0, 0), "something went out");
        let failure = self.answer.as_ref().expect_err("the plan doesn't allow it");
        assert_eq!(failure.kind, Kind::Conflict);
        assert!(failure.hint.is_some());
        failure
    }
    fn said(&self) -> String {
        let failure = self.refusal();
        format!("{}\n{}", failure.message, failure.detail.clone().unwrap_or_default())
    }
}

/// `found`: target, what is there, what is wanted.
async fn under(plan: Plan, past: &[Event], operation: &'static str, found: &[(&str, Value, Value)]) -> Held {
    let repeat = if operation == "graph" { Repeat::None } else { Repeat::Guarded };
    let journal = Arc::new(MemoryJournal::default());
    let handle = tokio::runtime::Handle::current();
    let mode = Mode::Contract(Box::new(plan));
    let keeper = Arc::new(Keeper::default());
    let session = bare::session_in(mode, Clock::system(), keeper, handle, journal.clone());
    past.iter().for_each(|event| session.memory().past.learn(event));
    let change = Bring {
        operation,
        repeat,
        world: Mutex::new(found.iter().map(|(t, now, _)| ((*t).to_owned(), now.clone())).collect()),
        wanted: found.iter().map(|(t, _, wanted)| ((*t).to_owned(), wanted.clone())).collect(),
        sent: Mutex::default(),
    };
    let answer = pass(&session, &change, None).await;
    let events = journal.0.lock().expect("nobody panicked").len();
    Held { answer, sent: change.sent.into_inner().expect("nobody panicked"), events }
}

const ANN: &str = "ann@contoso.test";

fn mailbox(proxies: &[&str], phone: &str) -> Value {
    json!({
        "dn": "CN=ann,DC=contoso,DC=test", "homeMDB": ["CN=db"], "targetAddress": ["SMTP:ann@contoso.onmicrosoft.com"],
        "proxyAddresses": proxies, "telephoneNumber": [phone],
    })
}

fn mail_user(proxies: &[Value], phone: &str) -> Value {
    json!({
        "dn": "CN=ann,DC=contoso,DC=test", "targetAddress": ["SMTP:ann@contoso.onmicrosoft.com"],
        "proxyAddresses": proxies, "telephoneNumber": [phone],
        "msExchMailboxGuid": {"unknown": "the cloud mailbox's GUID"},
    })
}

fn conversion() -> Plan {
    let after = mail_user(&[json!("SMTP:ann@contoso.test"), json!({"unknown": "the cloud's X500"})], "1");
    plan(vec![planned("convert_to_mail_user", ANN, mailbox(&["SMTP:ann@contoso.test"], "1"), after)])
}

async fn converted(proxies: &[&str], phone: &str, written: &[&str]) -> Held {
    let mut after = mail_user(&written.iter().map(|p| json!(p)).collect::<Vec<_>>(), phone);
    after["msExchMailboxGuid"] = json!({"base64": ["AAEC"]});
    under(conversion(), &[], "convert_to_mail_user", &[(ANN, mailbox(proxies, phone), after)]).await
}

#[tokio::test]
async fn what_only_the_service_knew_may_be_anything_and_nothing_else_may() {
    let own = "SMTP:ann@contoso.test";
    assert!(converted(&[own], "1", &[own, "x500:/o=cloud/cn=ann"]).await.passed());
    // A colleague's edit beside.
    assert!(converted(&[own], "2", &[own, "x500:/o=cloud/cn=ann"]).await.passed());
    // A colleague's edit of what is written.
    let drifted = converted(&[own, "smtp:new@contoso.test"], "1", &[own, "smtp:new@contoso.test", "x500:/o=c"]).await;
    assert_eq!(
        drifted.said(),
        "ann@contoso.test is not as it was planned for `convert_to_mail_user`\n\
         ann@contoso.test: proxyAddresses: found and not planned: smtp:new@contoso.test"
    );
    // More would be written than was planned.
    let more = converted(&[own], "1", &[own, "x500:/o=cloud/cn=ann", "smtp:more@contoso.test"]).await;
    assert!(more.said().contains("proxyAddresses: would be written and not planned"), "{}", more.said());
}

#[tokio::test]
async fn an_attribute_that_is_as_it_will_be_is_as_it_was_planned() {
    let plan = plan(vec![planned(
        "endpoint",
        "e",
        json!({"server": "a", "at_once": "1"}),
        json!({"server": "b", "at_once": "2"}),
    )]);
    let wanted = json!({"server": "b", "at_once": "2"});
    let half = ("e", json!({"server": "b", "at_once": "1"}), wanted.clone());
    assert!(under(plan.clone(), &[], "endpoint", &[half]).await.passed());
    let other = ("e", json!({"server": "b", "at_once": "3"}), wanted);
    let said = under(plan.clone(), &[], "endpoint", &[other]).await.said();
    assert!(said.ends_with("e: at_once: planned 1 or 2, found 3"), "{said}");
    // The profile was edited: what would be written is another thing.
    let elsewhere = ("e", json!({"server": "a", "at_once": "1"}), json!({"server": "evil", "at_once": "2"}));
    let said = under(plan, &[], "endpoint", &[elsewhere]).await.said();
    assert!(said.ends_with("e: server: planned b, would be written evil"), "{said}");
}

#[tokio::test]
async fn one_of_a_set_that_is_not_listed_holds_back_the_whole_set() {
    let listed: Vec<Planned> = ["a", "b"].map(|t| planned("x", t, json!(0), json!(1))).into();
    let due = |names: &[&'static str]| names.iter().map(|n| (*n, json!(0), json!(1))).collect::<Vec<_>>();
    // A row set aside since is fine.
    assert_eq!(under(plan(listed.clone()), &[], "x", &due(&["a"])).await.sent, ["a"]);
    let grown = under(plan(listed.clone()), &[], "x", &due(&["a", "b", "c"])).await;
    assert_eq!(grown.said(), "the plan doesn't list `x` of c\nc: not listed");
    // The same object of another operation is not listed.
    assert!(under(plan(listed.clone()), &[], "y", &due(&["a"])).await.said().contains("doesn't list `y` of a"));
    let drifted = under(plan(listed), &[], "x", &[("A", json!(7), json!(1)), ("b", json!(8), json!(1))]).await;
    assert!(drifted.said().starts_with("A and 1 more are not as they were planned for `x`"), "{}", drifted.said());
}

#[tokio::test]
async fn a_batch_may_lose_rows_and_gets_none() {
    let after = json!({"rows": 2, "addresses": ["Ann@contoso.test", "bob@contoso.test"]});
    let plan = plan(vec![planned("batch", "wave-01", Value::Null, after)]);
    let due = |rows: &[&str]| [("wave-01", Value::Null, json!({"rows": rows.len(), "addresses": rows}))];
    assert!(under(plan.clone(), &[], "batch", &due(&[ANN])).await.passed());
    let said = under(plan, &[], "batch", &due(&[ANN, "eve@contoso.test"])).await.said();
    assert!(said.ends_with("addresses: would be written and not planned: eve@contoso.test"), "{said}");
}

#[tokio::test]
async fn the_services_own_progress_is_no_drift() {
    let plan = plan(vec![planned("start", "wave-01", json!({"status": "Created"}), json!({"status": "Syncing"}))]);
    let again = [("Wave-01", json!({"status": "SyncedWithErrors"}), json!({"status": "Syncing"}))];
    assert!(under(plan.clone(), &[], "start", &again).await.passed());
    let other = [("wave-02", json!({"status": "Created"}), json!({"status": "Syncing"}))];
    assert!(under(plan, &[], "start", &other).await.said().contains("doesn't list `start` of wave-02"));
}

fn started() -> Plan {
    plan(vec![
        planned("batch", "wave-01", Value::Null, json!({"rows": 1, "addresses": [ANN]})),
        planned("start", "wave-01", json!({"status": "Created"}), json!({"status": "Syncing"})),
    ])
}

#[tokio::test]
async fn who_fails_after_a_planned_start_may_be_given_back() {
    let forwarded = mailbox(&["SMTP:ann@contoso.test"], "1");
    let mut home = forwarded.clone();
    home["targetAddress"] = Value::Null;
    assert!(under(started(), &[], "release", &[(ANN, forwarded.clone(), home.clone())]).await.passed());
    let stranger = [("eve@contoso.test", forwarded.clone(), home.clone())];
    assert!(under(started(), &[], "release", &stranger).await.said().contains("doesn't list `release`"));
    // What belongs to it: mail carried home, the licence taken away.
    let message = [("ann@contoso.test <1@x>", Value::Null, json!({"delivered": true}))];
    assert!(under(started(), &[], "release::carry_home", &message).await.passed());
    let without = [(ANN, json!({"licences": []}), json!({"without": "sku"}))];
    assert!(under(started(), &[], "license::take_back", &without).await.passed());
    // A licence is given to somebody who is being released, and to nobody else.
    let give = [(ANN, json!({"licences": []}), json!({"licence": "sku"}))];
    assert!(under(started(), &[], "license::assign", &give).await.said().contains("doesn't list"));
    let began = Event {
        kind: EventKind::Intent,
        time: jiff::Timestamp::UNIX_EPOCH,
        operation: "release".into(),
        target: ANN.into(),
        body: json!({}),
    };
    assert!(under(started(), std::slice::from_ref(&began), "license::assign", &give).await.passed());
    // A batch that was made and not planned to start gives nobody back.
    let mut made = started();
    made.changes.truncate(1);
    assert!(under(made.clone(), &[], "release", &[(ANN, forwarded.clone(), home.clone())]).await.answer.is_err());
    // One that an earlier run made, and whose start is planned, does.
    made.changes = started().changes.split_off(1);
    let past = Event {
        operation: "batch".into(),
        target: "wave-01".into(),
        body: json!({"planned": {"addresses": [ANN]}}),
        ..began
    };
    assert!(under(made, &[past], "release", &[(ANN, forwarded, home)]).await.passed());
}

/// A set in its frame, as it is read before and afterwards.
fn swapped(operation: &str, target: &str, before: Value, after: Value) -> Planned {
    planned(operation, target, json!({"set": before}), json!({"set": after}))
}

fn set(values: &[&str], ttl: u32) -> Value {
    json!({"name": "contoso.test.", "type": "MX", "ttl": ttl, "values": values})
}

#[tokio::test]
async fn a_planned_switch_may_be_taken_back_and_no_other_made() {
    let (old, new, name) = ("10 mail.contoso.test.", "0 cloud.test.", "contoso.test MX");
    let plan = plan(vec![
        swapped("set_mx::lower_ttl", name, set(&[old], 3600), set(&[old], 300)),
        swapped("set_mx", name, set(&[old], 300), set(&[new], 300)),
    ]);
    let due = |now: Value, wanted: Value| [(name, json!({"set": now}), wanted)];
    assert!(under(plan.clone(), &[], "set_mx::lower_ttl", &due(set(&[old], 3600), set(&[old], 300))).await.passed());
    assert!(under(plan.clone(), &[], "set_mx", &due(set(&[old], 300), set(&[new], 300))).await.passed());
    // The way back: the old set, then its time to live.
    assert!(under(plan.clone(), &[], "set_mx", &due(set(&[new], 300), set(&[old], 300))).await.passed());
    assert!(under(plan.clone(), &[], "set_mx", &due(set(&[old], 300), set(&[old], 3600))).await.passed());
    let elsewhere = under(plan.clone(), &[], "set_mx", &due(set(&[old], 300), set(&["0 evil.test."], 300))).await;
    assert!(
        elsewhere.said().contains("values: would be written and not planned: 0 evil.test."),
        "{}",
        elsewhere.said()
    );
    let edited = under(plan.clone(), &[], "set_mx", &due(set(&[old, "20 b.test."], 300), set(&[new], 300))).await;
    assert!(edited.said().contains("values: found and not planned: 20 b.test."), "{}", edited.said());
    let slow = under(plan.clone(), &[], "set_mx", &due(set(&[old], 60), set(&[new], 300))).await;
    assert!(slow.said().contains("ttl: planned 3600 or 300, found 60"), "{}", slow.said());
    let gone = under(plan, &[], "set_mx", &[(name, json!({"set": null}), set(&[new], 300))]).await;
    assert!(gone.said().contains("values: planned 10 mail.contoso.test."), "{}", gone.said());
}

#[tokio::test]
async fn a_proof_that_only_the_tenant_knows_is_added_to_what_was_there() {
    let spf = "v=spf1 -all";
    let text = |values: Value| json!({"name": "contoso.test.", "type": "TXT", "ttl": 300, "values": values});
    let after = text(json!([spf, {"unknown": "the tenant's proof"}]));
    let plan = plan(vec![swapped("domain::verify", "contoso.test TXT", text(json!([spf])), after)]);
    let due = |now: Value, wanted: Value| [("contoso.test TXT", json!({"set": text(now)}), text(wanted))];
    assert!(under(plan.clone(), &[], "domain::verify", &due(json!([spf]), json!(["MS=ms1", spf]))).await.passed());
    let lost = under(plan, &[], "domain::verify", &due(json!([spf]), json!(["MS=ms1"]))).await;
    assert!(lost.said().contains("planned and not would be written: v=spf1 -all"), "{}", lost.said());
}

#[tokio::test]
async fn of_licences_only_the_product_in_question_counts() {
    let after = json!({"licences": [{"sku": "E3", "off": []}], "licence": "E3"});
    let plan = plan(vec![planned("license::assign", ANN, json!({"licences": []}), after)]);
    let due =
        |held: Value, sku: &str| [(ANN, json!({"licences": held, "usageLocation": "DE"}), json!({"licence": sku}))];
    assert!(
        under(plan.clone(), &[], "license::assign", &due(json!([{"sku": "visio", "off": []}]), "E3")).await.passed()
    );
    let given = under(plan.clone(), &[], "license::assign", &due(json!([{"sku": "e3", "off": ["mail"]}]), "E3")).await;
    assert!(given.said().contains("licence e3: planned nothing, found switched off: mail"), "{}", given.said());
    let other = under(plan, &[], "license::assign", &due(json!([]), "E5")).await;
    assert!(other.said().contains("licence: planned E3, would be written E5"), "{}", other.said());
}

#[tokio::test]
async fn what_has_no_guard_is_sent_as_often_as_it_is_listed() {
    let journal = Arc::new(MemoryJournal::default());
    let mode = Mode::Contract(Box::new(plan(vec![planned("graph", "POST /x", Value::Null, Value::Null)])));
    let handle = tokio::runtime::Handle::current();
    let session = bare::session_in(mode, Clock::system(), Arc::new(Keeper::default()), handle, journal);
    let call = || Bring {
        operation: "graph",
        repeat: Repeat::None,
        world: Mutex::default(),
        wanted: vec![("POST /x".into(), Value::Null)],
        sent: Mutex::default(),
    };
    assert!(pass(&session, &call(), None).await.is_ok());
    let once_more = call();
    let failure = pass(&session, &once_more, None).await.expect_err("it is listed once");
    assert!(failure.message.contains("1 times, and this would be one more"), "{}", failure.message);
    assert!(once_more.sent.into_inner().expect("nobody panicked").is_empty());
}

#[test]
fn every_operation_stands_in_the_table() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/run");
    let mut missing = Vec::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the room is there").flatten() {
        if entry.file_name().to_string_lossy().ends_with("_tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).expect("a readable source file");
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        // What `operation` answers: a word, or one of a few by the way that is gone.
        for part in code.split("fn operation(&self) -> &'static str {").skip(1) {
            let body = part.split("\n    }\n").next().unwrap_or_default();
            for word in body.split('"').skip(1).step_by(2) {
                seen += 1;
                if !drift::RULES.iter().any(|(known, _, _)| *known == word) {
                    missing.push(format!("{word} of {}", entry.file_name().display()));
                }
            }
        }
        for part in code.split("operation: \"").skip(1) {
            let word = part.split('"').next().unwrap_or_default();
            seen += 1;
            if !drift::RULES.iter().any(|(known, _, _)| *known == word) {
                missing.push(format!("{word} of {}", entry.file_name().display()));
            }
        }
    }
    assert!(seen >= 18, "only {seen} operations were found");
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn a_plan_of_ten_thousand_changes_is_written_and_read() {
    let one = |n: usize| {
        let address = format!("m{n}@contoso.test");
        planned("convert_to_mail_user", &address, mailbox(&["SMTP:ann@contoso.test"], "1"), Value::Null)
    };
    let plan = plan((0..10_000).map(one).collect());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("plan.json");
    plan_file::write(&path, &plan).expect("the folder may be written");
    assert_eq!(plan_file::read(&path).expect("it was just written").plan, plan);
}
