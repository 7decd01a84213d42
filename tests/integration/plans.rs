//! A plan changes nothing, says what the run will do, and is empty once that is
//! done. Judged by the lab's world and by what runs wrote into their journals.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{LabProcess, code, err, out, run, told};

const PROFILE: &str = "lab/profile.toml";

/// Plans a script against a lab; the plan.
fn planned(lab: &LabProcess, script: &str) -> Value {
    let output = run(lab.folder(), &["plan", script, "--profile", PROFILE, "--json"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let plan: Value = serde_json::from_str(&out(&output)).unwrap_or_else(|e| panic!("{e}: {}", told(&output)));
    let kept = std::fs::read_to_string(lab.folder().join("plan.json")).expect("the plan was written");
    assert_eq!(serde_json::from_str::<Value>(&kept).expect("JSON")["changes"], plan["changes"]);
    plan
}

/// What was really written, by the journal: object → its image before and after,
/// as it was read back.
fn written(folder: &Path) -> BTreeMap<(String, String), (Value, Value)> {
    let file = folder.join(".stagepost/journal.sqlite");
    let journal = rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("a run left its journal");
    let mut all = journal
        .prepare("SELECT kind, operation, target, body FROM event WHERE kind IN ('intent', 'outcome') ORDER BY number")
        .expect("the table of events");
    let rows = all
        .query_map([], |row| {
            Ok((row.get::<_, String>(0)?, (row.get(1)?, row.get(2)?), row.get::<_, String>(3)?))
        })
        .expect("readable");
    let mut before: BTreeMap<(String, String), Value> = BTreeMap::new();
    let mut written = BTreeMap::new();
    for row in rows {
        let (kind, object, body) = row.expect("an event");
        let body: Value = serde_json::from_str(&body).expect("a body is JSON");
        if kind == "intent" {
            before.insert(object, body["before"].clone());
        } else if body["state"] == "applied" {
            let first = before.get(&object).cloned().unwrap_or_default();
            written.insert(object, (first, body["after"].clone()));
        }
    }
    written
}

fn objects(plan: &Value) -> BTreeMap<(String, String), (Value, Value)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let changes = plan["changes"].as_array().expect("a list of changes");
    let objects: BTreeMap<_, _> = changes
        .iter()
        .map(|c| ((text(&c["operation"]), text(&c["target"])), (c["before"].clone(), c["after"].clone())))
        .collect();
    assert_eq!(objects.len(), changes.len(), "an object is changed once by one operation");
    objects
}

fn is_unknown(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.len() == 1 && map.contains_key("unknown"))
}

/// Where two images differ, but for what the plan says it doesn't know.
fn differences(planned: &Value, real: &Value, at: &str, found: &mut BTreeSet<String>) {
    match (planned, real) {
        (planned, _) if is_unknown(planned) => {}
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let null = Value::Null;
                let (a, b) = (a.get(name).unwrap_or(&null), b.get(name).unwrap_or(&null));
                differences(a, b, &format!("{at}/{name}"), found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            let known: Vec<&Value> = a.iter().filter(|v| !is_unknown(v)).collect();
            let same = a.len() == b.len() && if known.len() == a.len() { a == b } else { known.iter().all(|v| b.contains(v)) };
            if !same {
                found.insert(at.to_owned());
            }
        }
        (a, b) if a == b => {}
        _ => {
            found.insert(at.to_owned());
        }
    }
}

/// What an image afterwards says beside what a read shows.
const WRITTEN: [&str; 4] = ["addresses", "licence", "without", "off"];

fn writes(lab: &LabProcess) -> Value {
    lab.get("/count")["writes"].clone()
}

#[test]
fn a_plan_changes_nothing_and_says_what_the_run_does_and_is_empty_afterwards() {
    let lab = LabProcess::start(&["--make", "30", "--seed", "1"]);
    let (world, count) = (lab.get("/world"), writes(&lab));
    let plan = planned(&lab, "staged");
    assert_eq!(lab.get("/world"), world, "the world is as it was");
    assert_eq!(writes(&lab), count, "nothing was written");
    assert!(!lab.folder().join(".stagepost").exists() && !lab.folder().join("notices").exists(), "here neither");

    let again = planned(&lab, "staged");
    assert_eq!((&again["changes"], &again["assumptions"]), (&plan["changes"], &plan["assumptions"]));

    let output = run(lab.folder(), &["run", "staged", "--profile", PROFILE, "--yes"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let (planned_changes, real) = (objects(&plan), written(lab.folder()));
    assert!(real.len() > 70, "{} writes", real.len());
    let missing: Vec<_> = real.keys().filter(|o| !planned_changes.contains_key(*o)).collect();
    assert!(missing.is_empty(), "the run wrote what no plan said: {missing:?}");
    let idle: Vec<_> = planned_changes.keys().filter(|o| !real.contains_key(*o)).collect();
    // Who is still to come may bring a usage location along.
    assert!(idle.iter().all(|(operation, _)| operation == "license::location") && idle.len() < 2, "{idle:?}");
    for (object, (before, after)) in &planned_changes {
        let Some((real_before, real_after)) = real.get(object) else { continue };
        let mut found = BTreeSet::new();
        differences(before, real_before, "before", &mut found);
        // The plan also names what is written in the change's own words.
        let mut after = after.clone();
        if let (Some(after), Some(real)) = (after.as_object_mut(), real_after.as_object()) {
            after.retain(|name, _| real.contains_key(name) || !WRITTEN.contains(&name.as_str()));
        }
        differences(&after, real_after, "after", &mut found);
        // The lab's help desk renames somebody in between.
        found.retain(|at| !at.ends_with("/displayName"));
        assert!(found.is_empty(), "{object:?}: {found:?}\nplanned {before} {after}\nreal {real_before} {real_after}");
    }

    let after = planned(&lab, "staged");
    assert_eq!(after["changes"], json!([]), "all is done");
    assert_eq!(after["left"], json!({}));
}

#[test]
fn a_plan_says_what_it_rests_on_with_its_lines() {
    let lab = LabProcess::start(&["--make", "12", "--seed", "2"]);
    let plan = planned(&lab, "staged");
    let lines = |list: &str| -> Vec<String> {
        let all = plan[list].as_array().unwrap_or_else(|| panic!("no {list}"));
        all.iter().map(|a| format!("{} {}", a["at"].as_str().unwrap_or_default(), a["text"].as_str().unwrap_or_default())).collect()
    };
    let has = |list: &str, at: &str, words: &str| {
        let all = lines(list);
        assert!(all.iter().any(|l| l.starts_with(at) && l.contains(words)), "{list}: {words}: {all:#?}");
    };
    has("assumptions", "scripts/staged.rhai:", "writes the TargetAddress");
    has("assumptions", "scripts/staged.rhai:", "copied without a failure");
    has("assumptions", "scripts/staged.rhai:", "every resolver shows the MX record");
    has("approvals", "scripts/staged.rhai:", "Switch the mail of all domains?");
    has("conditions", "scripts/staged.rhai:", "autodiscover-before-moved");
    let of = |operation: &str| {
        let found = plan["changes"].as_array().and_then(|all| all.iter().find(|c| c["operation"] == operation).cloned());
        found.unwrap_or_else(|| panic!("no {operation}"))
    };
    assert_eq!(of("remove")["way_back"]["kind"], "final");
    assert!(is_unknown(&of("convert_to_mail_user")["after"]["msExchMailboxGuid"]));
    let time = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    assert!(time(&of("remove")["time"]) > time(&of("set_mx")["time"]), "72 hours lie between");
    assert!(time(&plan["ends"]) > time(&plan["made"]));
    assert!(["exchange", "graph", "ldap", "dns"].iter().all(|s| plan["requests"][s].as_u64() > Some(0)), "{plan}");
    assert!(plan["pins"].as_array().is_some_and(|pins| pins.iter().any(|p| p["kind"] == "input")));
}

#[test]
fn a_guard_that_would_stop_the_run_stops_the_plan() {
    let lab = LabProcess::start(&["--make", "12", "--seed", "2"]);
    let scripts = [
        ("autodiscover", "autodiscover::set(project().domains);", "autodiscover-before-moved"),
        (
            "remove",
            "let list = mailboxes::read(project().mailboxes).take(2);\nlet domains = project().domains;\n\
             domain::verify(domains);\nendpoint(\"on-premises\");\nlet b = batch(\"early\", list);\nstart(b);\nremove(b);",
            "removal-while-copying",
        ),
    ];
    for (name, script, guard) in scripts {
        std::fs::write(lab.folder().join(format!("{name}.rhai")), script).expect("a script");
        let file = format!("{name}.rhai");
        let output = run(lab.folder(), &["plan", &file, "--profile", PROFILE]);
        assert_eq!(code(&output), 1, "{}", told(&output));
        assert!(err(&output).contains(guard), "{}", told(&output));
        assert!(!lab.folder().join("plan.json").exists(), "a plan that fails is none");
    }
}

#[test]
fn what_only_the_service_knows_may_be_handed_on_and_not_compared() {
    let lab = LabProcess::start(&["--make", "12", "--seed", "2"]);
    let script = "let list = mailboxes::read(project().mailboxes).take(1);\n\
                  domain::verify(project().domains);\n\
                  endpoint(\"on-premises\");\n\
                  let b = batch(\"one\", list);\n\
                  start(b);\n\
                  watch(b);\n\
                  let rows = exchange::invoke(\"Get-Mailbox\", #{ Identity: list.addresses[0] });\n\
                  print(rows[0].RecipientTypeDetails);\n\
                  let guid = rows[0].ExchangeGuid;\n";
    let folder = lab.folder();
    std::fs::write(folder.join("handed.rhai"), format!("{script}print(type_of(guid));")).expect("a script");
    let output = run(folder, &["plan", "handed.rhai", "--profile", PROFILE]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert!(told(&output).contains("UserMailbox") && told(&output).contains("Unknown"), "{}", told(&output));
    let compares = "try { if guid == \"x\" { print(1); } } catch (e) { print(2); }";
    std::fs::write(folder.join("compared.rhai"), format!("{script}{compares}")).expect("a script");
    let output = run(folder, &["plan", "compared.rhai", "--profile", PROFILE]);
    assert_eq!(code(&output), 1, "{}", told(&output));
    let told = told(&output);
    assert!(told.contains("a plan can't say the GUID") && told.contains("compared.rhai:10:"), "{told}");
}
