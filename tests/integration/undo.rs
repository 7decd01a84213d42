//! What a run changed is taken back, and the lab says whether everybody is at home
//! again: its judge, its directory, its zones, the mail of its people.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::support::{LabProcess, code, lines, run, stagepost, told};

const PROFILE: [&str; 2] = ["--profile", "lab/profile.toml"];

/// A script of the tests, by its path.
fn script(name: &str) -> String {
    format!("{}/tests/scripts/{name}.rhai", env!("CARGO_MANIFEST_DIR"))
}

/// A lab in which a script ran to its end; the id of that run.
fn after(arguments: &[&str], name: &str) -> (LabProcess, String) {
    let lab = LabProcess::start(arguments);
    let output = run(lab.folder(), &["run", &script(name), "--profile", "lab/profile.toml", "--yes"]);
    assert!([0, 6].contains(&code(&output)), "{}", told(&output));
    let output = undo(lab.folder(), &["last", "--plan", "--json"]);
    let id = plan(&output)["run"].as_str().expect("a run").to_owned();
    (lab, id)
}

fn undo(folder: &Path, arguments: &[&str]) -> Output {
    run(folder, &[&["undo"], arguments, &PROFILE].concat())
}

/// The last line of a plan.
fn plan(output: &Output) -> Value {
    let found = lines(output).into_iter().find(|l| l["event"] == "undo_plan");
    found.unwrap_or_else(|| panic!("no plan: {}", told(output)))
}

/// Undoes with the answer that names the messages which the plan has counted.
fn approved(lab: &LabProcess, arguments: &[&str]) -> Output {
    let counted = plan(&undo(lab.folder(), &[arguments, &["--plan", "--json"]].concat()))["messages"].clone();
    let answer = if counted == 0 { "Take it back".to_owned() } else { format!("{counted} messages") };
    undo(lab.folder(), &[arguments, &["--approve", &answer]].concat())
}

/// Days pass: people work, and mail arrives.
fn days(lab: &LabProcess, days: i64) {
    let now: jiff::Timestamp = lab.get("/clock")["now"].as_str().and_then(|t| t.parse().ok()).expect("the lab's time");
    let to = now + jiff::SignedDuration::from_hours(24 * days);
    lab.post("/clock/advance", &json!({"to": to.to_string()}));
}

fn count(proof: &Value, outcome: &str) -> usize {
    proof["rows"].as_array().map_or(0, |rows| rows.iter().filter(|r| r["outcome"] == outcome).count())
}

fn row<'a>(proof: &'a Value, address: &str) -> &'a Value {
    let rows = proof["rows"].as_array().expect("rows");
    rows.iter().find(|r| r["address"] == address).unwrap_or_else(|| panic!("{address} is not judged"))
}

/// A record set of the lab's zones.
fn set(lab: &LabProcess, name: &str, kind: &str) -> Value {
    let world = lab.get("/world");
    let zone = name.strip_prefix("autodiscover.").unwrap_or(name);
    let sets = world["zones"][zone]["sets"].as_array().cloned().unwrap_or_default();
    sets.into_iter().find(|s| s["name"] == name && s["type"] == kind).unwrap_or_default()
}

/// The directory objects of the company's mailboxes, without what the directory
/// counts without the cloud mailbox's X.500 name.
fn objects(lab: &LabProcess) -> Value {
    let mut directory = lab.get("/world")["directory"].clone();
    for object in directory.as_object_mut().expect("objects").values_mut() {
        let object = object.as_object_mut().expect("attributes");
        object.remove("uSNChanged");
        // A colleague of the lab moves into another office while the run goes on.
        object.remove("displayName");
        let mut proxies: Vec<Value> =
            object.get("proxyAddresses").and_then(Value::as_array).cloned().unwrap_or_default();
        proxies.retain(|p| !p.as_str().is_some_and(|p| p.to_lowercase().starts_with("x500:/o=exchangelabs")));
        proxies.sort_by_key(ToString::to_string);
        object.insert("proxyAddresses".into(), Value::Array(proxies));
    }
    directory
}

fn whole_and_nothing_lost(proof: &Value, people: usize) {
    assert_eq!((count(proof, "whole"), &proof["broken"]), (people, &json!([])), "{proof:#}");
    assert_eq!(proof["probes"]["lost"], 0);
}

#[test]
fn a_converted_and_switched_company_opens_and_receives_at_home_again() {
    let lab = LabProcess::start(&["--make", "30"]);
    let (directory, mx, names) =
        (objects(&lab), set(&lab, "contoso.test.", "MX"), set(&lab, "autodiscover.contoso.test.", "CNAME"));
    let output = run(lab.folder(), &["run", &script("to-the-switch"), "--profile", "lab/profile.toml", "--yes"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let proof = lab.get("/proof");
    assert_eq!(count(&proof, "moved"), 30);
    assert_ne!(set(&lab, "contoso.test.", "MX"), mx);
    days(&lab, 5);

    // The plan writes nothing, not even into the journal.
    let planned = undo(lab.folder(), &["last", "--plan", "--json"]);
    assert_eq!(code(&planned), 0, "{}", told(&planned));
    let arrived = plan(&planned)["messages"].as_u64().expect("a number");
    assert!(arrived > 60, "two a day and person: {arrived}");
    assert_eq!(lab.get("/proof")["writes"], proof["writes"]);

    // Nobody has named the count.
    for answer in [vec![], vec!["--approve", "Take it back"], vec!["--approve", "1 messages"]] {
        let refused = undo(lab.folder(), &[vec!["last"], answer.clone()].concat());
        assert_eq!(code(&refused), 5, "{answer:?}: {}", told(&refused));
        assert!(told(&refused).contains(&format!("{arrived} messages in 30 cloud mailboxes")), "{}", told(&refused));
        assert_eq!(lab.get("/proof")["writes"], proof["writes"], "{answer:?}");
    }

    let done = undo(lab.folder(), &["last", "--approve", &format!("{arrived} messages")]);
    assert_eq!(code(&done), 0, "{}", told(&done));
    whole_and_nothing_lost(&lab.get("/proof"), 30);
    assert_eq!(objects(&lab), directory, "every attribute is what it was");
    assert_eq!(set(&lab, "contoso.test.", "MX"), mx);
    assert_eq!(set(&lab, "autodiscover.contoso.test.", "CNAME"), names);
    let world = lab.get("/world");
    let users = world["tenant"]["users"].as_array().cloned().unwrap_or_default();
    let licensed = users.iter().filter(|u| u["licences"].as_array().is_some_and(|l| !l.is_empty())).count();
    assert!(licensed >= 30, "no licence is taken away: {licensed}");

    // Weeks later mail still arrives where people look, and a second undo has
    // nothing to do.
    days(&lab, 40);
    let later = lab.get("/proof");
    whole_and_nothing_lost(&later, 30);
    let again = undo(lab.folder(), &["last"]);
    assert_eq!(code(&again), 0, "{}", told(&again));
    assert_eq!(lab.get("/proof")["writes"], later["writes"], "the second undo writes nothing");
}

#[test]
fn one_person_comes_home_while_the_others_stay_moved() {
    let (lab, id) = after(&["--make", "30"], "to-the-switch");
    days(&lab, 3);
    let address = lab.get("/proof")["rows"][3]["address"].as_str().expect("somebody").to_owned();
    let done = approved(&lab, &[&id, &format!("convert_to_mail_user:{address}")]);
    assert_eq!(code(&done), 0, "{}", told(&done));
    days(&lab, 10);
    let proof = lab.get("/proof");
    assert_eq!((count(&proof, "whole"), count(&proof, "moved")), (1, 29), "{proof:#}");
    assert_eq!(row(&proof, &address)["outcome"], "whole");
    assert_eq!(proof["probes"]["lost"], 0);
}

#[test]
fn the_mail_alone_is_switched_back_and_everybody_stays_moved() {
    let (lab, id) = after(&["--make", "30"], "to-the-switch");
    let done = undo(lab.folder(), &[&id, "set_mx", "--approve", "Take it back"]);
    assert_eq!(code(&done), 0, "{}", told(&done));
    let mx = set(&lab, "contoso.test.", "MX");
    assert_eq!((&mx["values"], &mx["ttl"]), (&json!(["10 mail.contoso.test."]), &json!(3600)), "as before the run");
    days(&lab, 5);
    let proof = lab.get("/proof");
    assert_eq!((count(&proof, "moved"), &proof["probes"]["lost"]), (30, &json!(0)), "{proof:#}");
}

#[test]
fn what_a_colleague_did_since_stays_and_stands_in_the_way() {
    let (lab, id) = after(&["--make", "30"], "to-the-switch");
    let output = run(lab.folder(), &["run", &script("colleagues"), "--profile", "lab/profile.toml", "--yes"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let rows = lab.get("/proof")["rows"].clone();
    let (first, second) = (rows[0]["address"].as_str().expect("one"), rows[1]["address"].as_str().expect("two"));
    let done = approved(&lab, &[&id]);
    assert_eq!(code(&done), 6, "{}", told(&done));
    let text = told(&done);
    assert!(text.contains(&format!("{second} was left as it is: somebody else has changed it since")), "{text}");
    assert!(text.contains("homeMDB is `CN=Another Store,DC=contoso,DC=test`, and was left as nothing"), "{text}");
    let world = lab.get("/world");
    let of = |address: &str| {
        let holds = |o: &&Value| o["mail"][0] == address;
        world["directory"].as_object().expect("objects").values().find(holds).expect("an object").clone()
    };
    let has =
        |object: &Value, proxy: &str| object["proxyAddresses"].as_array().is_some_and(|l| l.contains(&json!(proxy)));
    assert!(has(&of(first), "smtp:colleague.was.here@contoso.test"), "what others added stays");
    assert!(of(first)["targetAddress"].is_null() && !of(first)["homeMDB"].is_null());
    assert_eq!(of(second)["homeMDB"], json!(["CN=Another Store,DC=contoso,DC=test"]));
    assert!(!of(second)["targetAddress"].is_null(), "who is left is left wholly as they are");
    let proof = lab.get("/proof");
    assert!(count(&proof, "whole") >= 28, "{proof:#}");
}

#[test]
fn a_start_is_taken_back_while_the_service_copies() {
    let (lab, id) = after(&["--make", "30"], "to-the-start");
    let batch = |lab: &LabProcess| lab.get("/world")["tenant"]["batches"].to_string();
    assert!(batch(&lab).contains("Syncing"), "{}", batch(&lab));
    let done = approved(&lab, &[&id]);
    assert_eq!(code(&done), 0, "{}", told(&done));
    days(&lab, 20);
    whole_and_nothing_lost(&lab.get("/proof"), 30);
}

#[test]
fn an_undo_that_was_killed_is_finished_by_the_next() {
    let (lab, id) = after(&["--make", "30"], "to-the-switch");
    days(&lab, 2);
    for (kill, nth) in [("undo::zone", 1), ("undo::mailbox", 1), ("undo::batch", 1)] {
        let counted = plan(&undo(lab.folder(), &[&id, "--plan", "--json"]))["messages"].clone();
        let mut child = stagepost(lab.folder())
            .args([
                "undo",
                &id,
                "--json",
                "--approve",
                &format!("{counted} messages"),
                "--approve",
                "no message has arrived",
            ])
            .args(PROFILE)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let out = child.stdout.take().expect("a pipe");
        let begins = |line: &String| {
            let note: Value = serde_json::from_str(line).unwrap_or_default();
            note["event"] == "step_began" && note["primitive"] == kill
        };
        let seen = BufReader::new(out).lines().map_while(Result::ok).filter(begins).take(nth).count();
        child.kill().expect("our own child");
        child.wait().expect("it ends");
        assert_eq!(seen, nth, "the undo ended before it came to {kill}");
    }
    let done = approved(&lab, &[&id]);
    assert_eq!(code(&done), 0, "{}", told(&done));
    whole_and_nothing_lost(&lab.get("/proof"), 30);
}

#[test]
fn after_thirty_days_nobody_is_brought_back_into_an_empty_mailbox() {
    let (lab, id) = after(&["--make", "10"], "to-the-switch");
    days(&lab, 35);
    let before = lab.get("/proof");
    let late = undo(lab.folder(), &[&id, "convert_to_mail_user"]);
    assert_eq!(code(&late), 6, "{}", told(&late));
    assert!(told(&late).contains("too late: the old store keeps a mailbox until 20"), "{}", told(&late));
    let after = lab.get("/proof");
    assert_eq!((&after["writes"], count(&after, "moved")), (&before["writes"], 10), "nothing was attempted");
}

#[test]
fn what_a_step_called_by_hand_is_set_back() {
    let (lab, _) = after(&["--make", "10"], "to-the-start");
    let before = objects(&lab);
    let output = run(lab.folder(), &["run", &script("by-hand"), "--profile", "lab/profile.toml", "--yes"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let keeps = |lab: &LabProcess| {
        let events = lab.get("/events").as_array().cloned().unwrap_or_default();
        events.iter().filter(|e| e["what"] == "mailbox_forwarding").count()
    };
    assert_ne!(objects(&lab), before);
    assert_eq!(keeps(&lab), 1);
    let done = undo(lab.folder(), &["last", "settings", "--approve", "Take it back"]);
    assert_eq!(code(&done), 0, "{}", told(&done));
    assert_eq!(objects(&lab), before, "the modify is taken back");
    assert_eq!(keeps(&lab), 2, "and the setting");
    let again = undo(lab.folder(), &["last", "settings"]);
    assert_eq!(code(&again), 0, "{}", told(&again));
    assert_eq!(keeps(&lab), 2);
}

#[test]
fn a_run_or_a_change_that_is_not_there_is_said_so() {
    let (lab, id) = after(&["--make", "5"], "to-the-start");
    let wrong = undo(lab.folder(), &["1999", "--plan"]);
    assert_eq!(code(&wrong), 2, "{}", told(&wrong));
    let wrong = undo(lab.folder(), &[&id, "set_mx", "--plan"]);
    assert_eq!(code(&wrong), 2, "{}", told(&wrong));
    assert!(told(&wrong).contains("the run changed nothing that is called `set_mx`"), "{}", told(&wrong));
}
