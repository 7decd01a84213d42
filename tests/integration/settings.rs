//! The standard script passes whatever the doubts of the published facts come to.

use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::{LabProcess, code, err, folder, run, stagepost, told};

/// Starts a rehearsal with one switch set.
fn start(at: &Path, setting: &str) -> Child {
    let mut command = stagepost(at);
    command.args(["rehearse", "--json", "--make", "12", "--out", "report", "--setting", setting]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// What the end of a rehearsal says, if it isn't a whole migration.
fn fault(setting: &str, child: Child) -> Option<String> {
    let output = child.wait_with_output().expect("the program ends");
    let last = String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned();
    let summary: Value = serde_json::from_str(&last).unwrap_or_default();
    let whole = code(&output) == 0 && summary["mailboxes"] == json!({"moved": 12, "left_whole": 0, "broken": 0});
    (!whole).then(|| format!("{setting}: {}\n{}", summary["mailboxes"], told(&output)))
}

#[test]
fn the_standard_script_passes_under_the_other_value_of_every_setting() {
    // The usual values are those of every other rehearsal; two at a time.
    let at = folder();
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/delivery.md")).expect("the page");
    let rows = text.lines().skip_while(|l| !l.starts_with("| setting |")).skip(2);
    let settings: Vec<String> = rows
        .filter_map(|row| {
            let mut cells = row.split(" | ");
            let name = cells.next()?.trim_matches(['|', ' ', '`']).to_owned();
            let value = cells.next()?.split(", ").nth(1)?.trim_matches('`').to_owned();
            Some(format!("{name}={value}"))
        })
        .collect();
    assert!(settings.len() >= 19, "{settings:?}");
    let mut faults = Vec::new();
    for pair in settings.chunks(2) {
        let folders: Vec<_> = pair.iter().map(|setting| at.path().join(setting)).collect();
        let running: Vec<Child> = pair
            .iter()
            .zip(&folders)
            .map(|(setting, folder)| {
                std::fs::create_dir(folder).expect("a writable folder");
                start(folder, setting)
            })
            .collect();
        faults.extend(pair.iter().zip(running).filter_map(|(setting, child)| fault(setting, child)));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn shared_mailboxes_and_rooms_become_what_they_were_whatever_the_cloud_does_with_disabled_accounts() {
    let at = folder();
    let company = json!({"version": 1, "people": [{"address": "ann@acme.test"},
        {"address": "info@acme.test", "type": "shared"}, {"address": "hall@acme.test", "type": "room"}]});
    std::fs::write(at.path().join("company.json"), company.to_string()).expect("a writable folder");
    let arguments = ["rehearse", "--json", "--out", "report", "--world", "company.json", "--wire-log", "wire.jsonl"];
    let output = run(at.path(), &[&arguments[..], &["--setting", "disabled_account_cloud=refused"]].concat());
    assert_eq!(code(&output), 0, "{}", told(&output));
    let log = std::fs::read_to_string(at.path().join("wire.jsonl")).expect("the wire log was written");
    let set: Vec<Value> = log
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).expect("each line is JSON")["request_body"]["CmdletInput"].clone()
        })
        .filter(|input| input["CmdletName"] == "Set-Mailbox")
        .map(|input| json!([input["Parameters"]["Identity"], input["Parameters"]["Type"]]))
        .collect();
    assert_eq!(set, [json!(["hall@acme.test", "Room"]), json!(["info@acme.test", "Shared"])]);
}

/// Three waves of almost two weeks each: the last user is older than the grace when its
/// mailbox is made, and its copy takes longer than the service needs to notice.
#[test]
fn licences_come_in_time_if_the_days_count_from_the_user() {
    let at = folder();
    let person =
        |name: &str| json!({"address": format!("{name}@acme.test"), "items": 2_900_000, "bytes": 9_000_000_000_u64});
    let company = json!({"version": 1, "people": [person("ann"), person("bob"), person("cy")]});
    std::fs::write(at.path().join("company.json"), company.to_string()).expect("a writable folder");
    let project = "name = \"Acme\"\nmailboxes = \"x.csv\"\ndomains = [\"acme.test\"]\nsource = \"2007\"\n\
                   usage_location = \"DE\"\n[waves]\npilot = 1\nat_most = 1\n";
    std::fs::write(at.path().join("stagepost.toml"), project).expect("a writable folder");
    let arguments = ["rehearse", "--json", "--out", "report", "--world", "company.json", "--setting"];
    let output = run(at.path(), &[&arguments[..], &["grace_counts_from=user"]].concat());
    assert_eq!(code(&output), 0, "{}", told(&output));
}

#[test]
fn a_setting_that_is_none_is_told_before_anything_runs() {
    let at = folder();
    for (verb, setting, word) in [
        (&["rehearse", "--out", "report"][..], "grace_ends=receives", "did you mean `grace_end`?"),
        (&["lab"], "grace_end=later", "write one of: disabled, receives"),
        (&["repl"], "grace_end", "write NAME=VALUE"),
    ] {
        let output = run(at.path(), &[verb, &["--setting", setting]].concat());
        assert_eq!(code(&output), 2, "{}", told(&output));
        assert!(err(&output).contains(word), "{}", told(&output));
    }
    assert_eq!(std::fs::read_dir(at.path()).expect("a folder").count(), 0);
}

#[test]
fn a_lab_has_the_settings_of_its_company_and_of_its_command_line() {
    let at = folder();
    let company = json!({"version": 1, "people": [{"address": "ann@acme.test"}],
        "settings": {"grace_end": "receives", "c2_outcome": "bounce"}});
    let path = at.path().join("company.json");
    std::fs::write(&path, company.to_string()).expect("a writable folder");
    let path = path.to_str().expect("a plain path");
    let lab =
        LabProcess::start(&["--world", path, "--setting", "c2_outcome=loop", "--setting", "target_keeps_copy=yes"]);
    assert_eq!(lab.get("/world")["settings"], json!({"grace_end": "receives", "target_keeps_copy": "yes"}));
    let told = lab.get("/proof")["settings"].clone();
    let of = |name: &str| told.as_array().and_then(|all| all.iter().find(|s| s["name"] == name)).cloned();
    let grace = of("grace_end").expect("it is told");
    assert_eq!((&grace["value"], &grace["usual"]), (&json!("receives"), &json!(false)));
    assert_eq!(of("c2_outcome").expect("it is told")["usual"], json!(true));
}
