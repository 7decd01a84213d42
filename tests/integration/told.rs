//! The commands that tell: what they say is held against the lab's judge and
//! world, and what is done to a journal is found. One lab of thirty mailboxes
//! serves all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::support::{LabProcess, code, err, folder, lines, out, run, told};

const PROFILE: &str = "lab/profile.toml";

/// A list with a password for everybody.
fn with_passwords(lab: &LabProcess) -> Vec<String> {
    let list = std::fs::read_to_string(lab.folder().join("lab/mailboxes.csv")).expect("the lab wrote a list");
    let people: Vec<&str> = list.lines().skip(1).filter(|l| !l.is_empty()).collect();
    let passwords: Vec<String> = (0..people.len()).map(|i| format!("Gr4nit-{i}-Kranich")).collect();
    let mut text = "EmailAddress,Password,ForceChangePassword\n".to_owned();
    for (person, password) in people.iter().zip(&passwords) {
        text.push_str(&format!("{person},{password},false\n"));
    }
    std::fs::write(lab.folder().join("list.csv"), text).expect("the folder may be written");
    passwords
}

fn json(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = run(folder, &[arguments, &["--json"]].concat());
    assert_eq!(code(&output), 0, "{arguments:?} {}", told(&output));
    lines(&output)
}

fn standings(folder: &Path, more: &[&str]) -> BTreeMap<String, String> {
    let lines = json(folder, &[&["status"], more].concat());
    let those = lines.iter().filter(|l| l["event"] == "standing");
    those
        .map(|l| {
            (
                l["address"].as_str().expect("an address").to_lowercase(),
                l["place"].as_str().expect("a place").to_owned(),
            )
        })
        .collect()
}

/// Who is wholly in the cloud, as the lab's judge sees it.
fn moved(lab: &LabProcess) -> BTreeSet<String> {
    let proof = lab.get("/proof");
    let rows = proof["rows"].as_array().expect("a row each");
    let moved = rows.iter().filter(|r| r["outcome"] == "moved");
    moved.filter_map(|r| r["address"].as_str().map(str::to_lowercase)).collect()
}

fn is_sound(output: &Output) -> bool {
    match code(output) {
        0 => true,
        3 => false,
        _ => panic!("{}", told(output)),
    }
}

#[test]
fn what_the_commands_tell_is_what_the_lab_did() {
    let lab = LabProcess::start(&["--make", "30", "--faults", "usual", "--seed", "1"]);
    let at = lab.folder();
    nothing_is_told_of_nothing(at);
    let passwords = with_passwords(&lab);
    let begun = ["run", "staged", "--profile", PROFILE, "--mailboxes", "list.csv", "--approve", "Start"];
    let output = run(at, &[&begun[..], &["--approve", "Convert", "--json"]].concat());
    assert_eq!(code(&output), 5, "nobody answers the switch: {}", told(&output));

    let proof = lab.get("/proof");
    let rows = proof["rows"].as_array().expect("a row each");
    let by = |outcome: &str| rows.iter().filter(|r| r["outcome"] == outcome).count() as u64;
    let runs = json(at, &["runs"]);
    assert_eq!((runs.len(), &runs[0]["state"], &runs[0]["writes"]), (1, &"approval_needed".into(), &proof["writes"]));
    assert_eq!((&runs[0]["moved"], &runs[0]["left"]), (&by("moved").into(), &by("whole").into()));

    let remembered = standings(at, &[]);
    let is_converted = |place: &str| remembered.iter().filter(|(_, p)| *p == place).map(|(a, _)| a.clone()).collect();
    let those: BTreeSet<String> = is_converted("converted");
    assert_eq!((remembered.len(), &those), (30, &moved(&lab)));
    let before = lab.get("/world");
    assert_eq!(standings(at, &["--profile", PROFILE, "--mailboxes", "list.csv"]), remembered);
    a_person_is_told(
        &lab,
        those.first().expect("somebody was converted"),
        remembered.iter().find(|(_, p)| *p == "left"),
    );
    assert_eq!(lab.get("/world")["directory"], before["directory"], "who only looks writes nothing");

    let head = out(&run(at, &["audit", "head"])).trim().to_owned();
    let output = run(at, &["run", "staged", "--profile", PROFILE, "--mailboxes", "list.csv", "--yes"]);
    assert_eq!(code(&output), 6, "{}", told(&output));
    assert!(standings(at, &[]).values().all(|p| p == "done" || p == "left"));
    let verdict = json(at, &["audit", "verify", "--head", &head]);
    assert_eq!((&verdict[0]["sound"], verdict.len()), (&true.into(), 1), "{verdict:?}");
    assert_eq!(format!("{}:", verdict[0]["noted_at"]), head[..=head.find(':').expect("number and hash")]);

    a_run_is_shown(at);
    the_export_has_everything_but_secrets(at, &passwords);
    the_page_of_a_run_is_written(at, &those);
    whatever_is_done_to_the_journal_is_found(at, &head);
}

fn nothing_is_told_of_nothing(at: &Path) {
    let commands: [&[&str]; 6] =
        [&["runs"], &["show", "last"], &["status"], &["audit", "verify"], &["audit", "head"], &["report", "last"]];
    for arguments in commands {
        let output = run(at, arguments);
        assert_eq!((code(&output), out(&output).as_str()), (1, ""), "{}", told(&output));
        assert!(err(&output).contains("no journal") && err(&output).contains("stagepost run"), "{}", told(&output));
    }
    assert!(!at.join(".stagepost").exists(), "who only tells makes nothing");
}

fn a_person_is_told(lab: &LabProcess, moved: &str, left: Option<(&String, &String)>) {
    let at = lab.folder();
    let why = |address: &str| json(at, &["why", address, "--profile", PROFILE]).remove(0);
    let person = why(moved);
    assert_eq!((&person["standing"]["place"], &person["cloud"]["kind"]), (&"converted".into(), &"UserMailbox".into()));
    assert_eq!(person["cloud"]["guid"], person["on_premises"][0]["guid"], "the conversion gave it the cloud's GUID");
    let lands: Vec<&Value> = person["landing"].as_array().expect("three ways").iter().map(|l| &l["lands"]).collect();
    assert_eq!(lands, ["cloud", "cloud", "cloud"]);
    assert!(person["journal"].as_array().expect("events").iter().any(|e| e["operation"] == "convert_to_mail_user"));
    assert!(person["next"]["command"].as_str().expect("a command").contains(PROFILE));
    // By another of the person's addresses it is the same story.
    let addresses = person["on_premises"][0]["addresses"].as_array().expect("addresses");
    let second =
        addresses.iter().filter_map(Value::as_str).find_map(|a| a.strip_prefix("smtp:")).expect("a second one");
    assert_eq!(why(second)["address"], person["address"]);

    let (left, _) = left.expect("somebody was left");
    let person = why(left);
    assert_eq!(person["on_premises"][0]["kind"], "mailbox");
    assert_eq!(person["landing"][2]["lands"], "old", "{person}");
    assert!(!person["standing"]["reason"].as_str().expect("a reason").is_empty());

    let almost = moved.replacen('@', "x@", 1);
    let output = run(at, &["why", &almost, "--profile", PROFILE]);
    assert_eq!(code(&output), 3, "{}", told(&output));
    assert!(err(&output).contains(moved), "the nearest is named: {}", told(&output));
    assert_eq!(code(&run(at, &["why", "ann", "--profile", PROFILE])), 2);
}

fn a_run_is_shown(at: &Path) {
    let runs = json(at, &["runs"]);
    assert_eq!(runs.len(), 2);
    let first = runs[0]["id"].as_str().expect("an id");
    let events = json(at, &["show", first]);
    assert_eq!(events.len() as u64 - 1, runs[0]["events"].as_u64().expect("a number"), "each event once");
    let shown = run(at, &["show", first, "--changes"]);
    assert!(out(&shown).contains("homeMDB") && out(&shown).contains("left whole"), "{}", told(&shown));
    let narrow = run(at, &["show", first, "--target", "wave-01"]);
    assert!(out(&narrow).contains("wave-01") && !out(&narrow).contains("wave-02"), "{}", told(&narrow));
    let unknown = run(at, &["show", "19990101"]);
    assert_eq!(code(&unknown), 1);
    assert!(err(&unknown).contains(first), "the nearest is named: {}", told(&unknown));
}

fn the_export_has_everything_but_secrets(at: &Path, passwords: &[String]) {
    let output = run(at, &["audit", "export"]);
    let events = lines(&output);
    let all: u64 = json(at, &["runs"]).iter().filter_map(|r| r["events"].as_u64()).sum();
    assert_eq!(events.len() as u64, all);
    let outcomes: Vec<&Value> = events.iter().filter(|e| e["kind"] == "outcome" && e["operation"] != "watch").collect();
    assert!(
        outcomes.iter().all(|e| e["intent"].is_u64() && e["host"].is_string() && e["outcome"] != ""),
        "{outcomes:?}"
    );
    let conversion =
        outcomes.iter().find(|e| e["operation"] == "convert_to_mail_user").expect("somebody was converted");
    assert!(conversion["before"]["homeMDB"].is_array() && conversion["after"]["homeMDB"].is_null());
    let batch = outcomes.iter().find(|e| e["operation"] == "batch").expect("a batch was made");
    assert!(batch["requests"].as_array().is_some_and(|ids| !ids.is_empty()), "{batch}");
    let since = events.last().expect("it has events")["time"].as_str().expect("a time").to_owned();
    assert!(lines(&run(at, &["audit", "export", "--since", &since])).len() < events.len());
    assert_eq!(code(&run(at, &["audit", "export", "--since", "soon"])), 2);

    let journal = std::fs::read(at.join(".stagepost/journal.sqlite")).expect("the journal");
    let notes = std::fs::read_dir(at.join(".stagepost/notes")).expect("the notes of the runs");
    let mut kept = vec![journal, output.stdout.clone()];
    kept.extend(notes.map(|n| std::fs::read(n.expect("a file").path()).expect("readable")));
    let mut secrets: Vec<String> = passwords.to_vec();
    for file in std::fs::read_dir(at.join("lab/secrets")).expect("the lab's secrets") {
        secrets.push(std::fs::read_to_string(file.expect("a file").path()).expect("text").trim().to_owned());
    }
    assert!(secrets.len() > passwords.len());
    for secret in secrets.iter().filter(|s| s.len() >= 8) {
        let found = |bytes: &Vec<u8>| bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(!kept.iter().any(found), "a secret is kept");
    }
}

fn the_page_of_a_run_is_written(at: &Path, converted: &BTreeSet<String>) {
    let output = run(at, &["report", "last", "--out", "page"]);
    assert_eq!((code(&output), out(&output).trim()), (0, "page/report.html"), "{}", told(&output));
    let page = std::fs::read_to_string(at.join("page/report.html")).expect("the page");
    let mut plain = converted.iter().filter(|a| !a.contains('\''));
    assert!(plain.all(|a| page.contains(a)), "everybody stands in it");
    assert!(page.contains("What this page does not tell") && !page.contains("What this rehearsal does not prove"));
    assert!(page.contains("Done, with 1 mailbox left behind"), "its head says how far it is");
}

fn whatever_is_done_to_the_journal_is_found(at: &Path, head: &str) {
    let last: u64 = json(at, &["audit", "head"])[0]["number"].as_u64().expect("a number");
    let bare = "DROP TRIGGER event_stays; DROP TRIGGER event_remains;";
    let cut = format!("DELETE FROM event WHERE number > {};", last - 3);
    let early = "DELETE FROM event WHERE number > 20;";
    let deeds: [(&str, &str, &str, bool); 6] = [
        ("edited", "UPDATE event SET target = 'x' WHERE number = 30;", "event 30 ", false),
        ("missing", "DELETE FROM event WHERE number BETWEEN 12 AND 14;", "events 12 to 14 are missing", false),
        (
            "out_of_order",
            "UPDATE event SET number = -1 WHERE number = 8; UPDATE event SET number = 8 WHERE number = 22;
             UPDATE event SET number = 22 WHERE number = -1;",
            "events 8 to 22",
            false,
        ),
        (
            "inserted",
            "UPDATE event SET number = -number - 1 WHERE number > 9; UPDATE event SET number = -number WHERE number < 0;
             INSERT INTO event SELECT 10, project, tenant, run, kind, time, operation, 'x', body, hash FROM event WHERE number = 5;",
            "event 10 was put in",
            false,
        ),
        ("projection", &cut, "the table of runs", false),
        ("head", early, "the end was cut off", true),
    ];
    for (kind, deed, text, with_head) in deeds {
        let copy = folder();
        let inside = copy.path().join(".stagepost");
        std::fs::create_dir_all(&inside).expect("a folder");
        let path = inside.join("journal.sqlite");
        std::fs::copy(at.join(".stagepost/journal.sqlite"), &path).expect("no run is at work");
        let connection = rusqlite::Connection::open(&path).expect("a journal");
        connection.execute_batch(&format!("{bare}{deed}")).expect("an attacker may do that");
        drop(connection);
        let mut arguments = vec!["audit", "verify", "--json"];
        if with_head {
            arguments.extend(["--head", head]);
        }
        let output = run(copy.path(), &arguments);
        assert!(!is_sound(&output), "{kind}: {}", told(&output));
        let found = lines(&output);
        let named = found.iter().any(|d| d["kind"] == kind && d["text"].as_str().is_some_and(|t| t.contains(text)));
        assert!(named, "{kind}: {}", told(&output));
        assert!(found.iter().any(|d| d["kind"] == "schema"), "the triggers are missed, too: {}", told(&output));
    }
    assert!(is_sound(&run(at, &["audit", "verify"])));
}

#[cfg(unix)]
#[test]
fn a_run_is_running_while_its_process_lives_and_left_when_it_was_killed() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let lab = LabProcess::start(&["--make", "10"]);
    let mut child = crate::support::stagepost(lab.folder())
        .args(["run", "staged", "--profile", PROFILE, "--yes", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let out = child.stdout.take().expect("a pipe");
    let began = BufReader::new(out).lines().map_while(Result::ok).find(|l| l.contains("\"batch\""));
    assert!(began.is_some(), "the run came to its first batch");
    let halted = Command::new("kill").args(["-STOP", &child.id().to_string()]).status().expect("kill is there");
    assert!(halted.success());
    let state = || json(lab.folder(), &["runs"])[0]["state"].clone();
    let running = state();
    child.kill().expect("our own child");
    child.wait().expect("it ends");
    assert_eq!((running, state()), ("running".into(), "left".into()));
}
