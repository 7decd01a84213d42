//! A plan and the run that is bound by it: to the end without a false refusal, and
//! refused where the company, the list or the script is another one by now. Judged
//! by the lab's world: what it says was written, not what the run says.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{LabProcess, code, err, run, skipped, stagepost, told};

const PLAN: [&str; 6] = ["plan", "mine.rhai", "--profile", "lab/profile.toml", "--out", "plan.json"];
const BOUND: [&str; 7] = ["run", "mine.rhai", "--profile", "lab/profile.toml", "--plan", "plan.json", "--yes"];

/// The standard script as the customer's own, so that it can be edited.
fn planned(arguments: &[&str]) -> LabProcess {
    let lab = LabProcess::start(arguments);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/staged.rhai");
    std::fs::copy(script, lab.folder().join("mine.rhai")).expect("a writable folder");
    let output = run(lab.folder(), &PLAN);
    assert_eq!(code(&output), 0, "{}", told(&output));
    lab
}

fn plan_of(lab: &LabProcess) -> Value {
    let text = std::fs::read_to_string(lab.folder().join("plan.json")).expect("the plan was written");
    serde_json::from_str(&text).expect("the plan is JSON")
}

fn changes(plan: &Value, operation: &str) -> Vec<Value> {
    let all = plan["changes"].as_array().expect("a list");
    all.iter().filter(|c| c["operation"] == operation).cloned().collect()
}

/// A script of somebody else, in a folder of their own.
fn colleague(lab: &LabProcess, script: &str) {
    let folder = lab.folder().join("elsewhere");
    std::fs::create_dir_all(&folder).expect("a writable folder");
    std::fs::write(folder.join("edit.rhai"), script).expect("a writable folder");
    let output = run(&folder, &["run", "edit.rhai", "--profile", "../lab/profile.toml", "--yes"]);
    assert!(matches!(code(&output), 0 | 6), "{}", told(&output));
}

/// How often each kind of write reached each object, as the lab counted it.
fn writes(lab: &LabProcess) -> Value {
    lab.get("/world")["writes"].clone()
}

fn ended_well(arguments: &[&str]) {
    let lab = planned(arguments);
    let output = run(lab.folder(), &BOUND);
    assert!(matches!(code(&output), 0 | 6), "{}", told(&output));
    let proof = lab.get("/proof");
    assert_eq!(proof["broken"], json!([]), "{}", told(&output));
    // Nothing is left to be planned.
    let output = run(lab.folder(), &PLAN);
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert_eq!(plan_of(&lab)["changes"], json!([]));
}

#[test]
fn what_was_planned_is_run_to_its_end_and_the_second_plan_is_empty() {
    ended_well(&["--make", "30", "--seed", "1"]);
}

#[test]
fn faults_of_the_services_are_no_drift_and_failed_rows_are_given_back() {
    ended_well(&["--make", "60", "--seed", "1", "--faults", "usual"]);
}

#[test]
fn what_it_was_made_from_must_be_the_same() {
    let lab = planned(&["--make", "20", "--seed", "1"]);
    let (list, script) = (lab.folder().join("lab/mailboxes.csv"), lab.folder().join("mine.rhai"));
    for (path, extra, word) in [(&list, "eve@contoso.test\n", "input file"), (&script, "\n// once more\n", "script")] {
        let whole = std::fs::read_to_string(path).expect("it is there");
        std::fs::write(path, format!("{whole}{extra}")).expect("it may be written");
        let output = run(lab.folder(), &BOUND);
        assert_eq!(code(&output), 2, "{}", told(&output));
        let said = err(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains(&format!("the {word} ")) && said.contains("is not what the plan was made from"),
            "{said}"
        );
        std::fs::write(path, whole).expect("it may be written");
    }
    assert_eq!(writes(&lab), json!([]), "nothing was written");
    // Another lab of the same company is another tenant.
    let other = LabProcess::start(&["--make", "20", "--seed", "1"]);
    for file in ["plan.json", "mine.rhai"] {
        std::fs::copy(lab.folder().join(file), other.folder().join(file)).expect("a writable folder");
    }
    let output = run(other.folder(), &BOUND);
    assert_eq!(code(&output), 2, "{}", told(&output));
    assert!(!told(&output).contains("panicked"));
}

/// An edit of the company between a plan and its run, and what must come of it.
struct Drift {
    what: &'static str,
    /// Answers whose object must stay as it is, or nothing for all; `None` where the
    /// tool for it is missing.
    edit: fn(&LabProcess, &Value) -> Option<String>,
    /// The operation that is refused, and its words.
    says: &'static [&'static str],
    /// Service and kind of a write that must not have happened.
    never: &'static str,
}

/// A record set edited with `nsupdate`; false where it isn't installed.
fn nsupdate(lab: &LabProcess, commands: &str) -> bool {
    use std::io::Write as _;
    let key = std::fs::read_to_string(lab.folder().join("lab/secrets/tsig")).expect("the lab's key");
    let server = lab.address("ns1.contoso.test:53");
    let (host, port) = server.split_once(':').expect("host and port");
    let child = Command::new("nsupdate")
        .args(["-v", "-y", &format!("hmac-sha256:stagepost-lab.:{}", key.trim())])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn();
    let Ok(mut child) = child else {
        skipped("nsupdate is not installed");
        return false;
    };
    // The zones are found by their names, as whoever types them would let them be.
    let text = format!("server {host} {port}\n{commands}\nsend\n");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success(), "the lab's zone takes signed updates");
    true
}

const DRIFTS: &[Drift] = &[
    Drift {
        what: "an endpoint of that name was made by hand",
        edit: |lab, _| {
            colleague(lab, "endpoint(\"on-premises\", #{ at_once: 3 });");
            Some(String::new())
        },
        says: &["on-premises is not as it was planned for `endpoint`", "MaxConcurrentMigrations"],
        never: "endpoint",
    },
    Drift {
        what: "an address of somebody was taken away",
        edit: |lab, plan| {
            let people = changes(plan, "convert_to_mail_user");
            let second = |p: &Value| -> Option<(Value, Value, String)> {
                let all = p["before"]["proxyAddresses"].as_array()?;
                let one = all.iter().find(|a| a.as_str().is_some_and(|a| a.starts_with("smtp:")))?;
                Some((p["before"]["dn"].clone(), one.clone(), p["target"].as_str()?.to_owned()))
            };
            let (dn, address, who) = people.iter().find_map(second).expect("somebody has a second address");
            colleague(lab, &format!("ldap::modify({dn}, [#{{ remove: \"proxyAddresses\", values: [{address}] }}]);"));
            Some(who)
        },
        says: &["planned for `convert_to_mail_user`", "proxyAddresses: planned and not found: smtp:"],
        never: "convert",
    },
    Drift {
        what: "a second host takes the mail",
        edit: |lab, _| nsupdate(lab, "update add contoso.test. 3600 MX 20 backup.contoso.test.").then(String::new),
        says: &["contoso.test MX", "20 backup.contoso.test."],
        never: "MX",
    },
    Drift {
        what: "a batch of the first wave's name was made by hand",
        edit: |lab, plan| {
            let name = &changes(plan, "batch")[0]["target"];
            let lines = format!(
                "endpoint(\"on-premises\");\nlet list = mailboxes::read(\"../lab/mailboxes.csv\");\nbatch({name}, list.skip(list.len - 1));"
            );
            colleague(lab, &lines);
            Some(String::new())
        },
        says: &["is there already, with other mailboxes"],
        never: "start",
    },
];

#[test]
fn drift_of_the_company_is_refused_with_the_difference() {
    let lab = planned(&["--make", "20", "--seed", "1"]);
    let plan = plan_of(&lab);
    lab.post("/snapshot", &json!({"name": "planned"}));
    for drift in DRIFTS {
        lab.post("/restore", &json!({"name": "planned"}));
        // Its own events are of a time that is no more.
        let _ = std::fs::remove_dir_all(lab.folder().join(".stagepost"));
        let _ = std::fs::remove_dir_all(lab.folder().join("elsewhere"));
        let Some(who) = (drift.edit)(&lab, &plan) else { continue };
        let before = count(&writes(&lab), drift.never, &who);
        let output = run(lab.folder(), &BOUND);
        assert!(matches!(code(&output), 1 | 3), "{}: {}", drift.what, told(&output));
        let said = told(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        for words in drift.says {
            assert!(said.contains(words), "{}: {words}\n{}", drift.what, told(&output));
        }
        assert_eq!(count(&writes(&lab), drift.never, &who), before, "{}: {}", drift.what, writes(&lab));
    }
}

/// How many writes have this word in their kind or their object, which is one of
/// this name if one is given.
fn count(writes: &Value, word: &str, who: &str) -> u64 {
    let all = writes.as_array().into_iter().flatten();
    let named = |w: &&Value| ["kind", "object"].iter().any(|k| w[k].as_str().is_some_and(|t| t.contains(word)));
    let is_of = |w: &&Value| w["object"].as_str().is_some_and(|object| object.contains(who));
    all.filter(named).filter(is_of).filter_map(|w| w["times"].as_u64()).sum()
}

#[test]
fn an_edit_beside_is_no_drift() {
    let lab = planned(&["--make", "20", "--seed", "1"]);
    let person = changes(&plan_of(&lab), "convert_to_mail_user")[0]["before"]["dn"].clone();
    let edit = "#{ replace: \"telephoneNumber\", values: [\"+49 30 1234\"] }";
    colleague(&lab, &format!("ldap::modify({person}, [{edit}]);"));
    let output = run(lab.folder(), &BOUND);
    assert!(matches!(code(&output), 0 | 6), "{}", told(&output));
    assert_eq!(lab.get("/proof")["broken"], json!([]));
}

#[test]
fn the_way_back_by_hand_brings_the_mail_home() {
    let lab = planned(&["--make", "20", "--seed", "1"]);
    let output = run(lab.folder(), &BOUND);
    assert!(matches!(code(&output), 0 | 6), "{}", told(&output));
    let folder = lab.folder().join("plan.way-back");
    let commands = std::fs::read_to_string(folder.join("way-back.nsupdate")).expect("a zone is changed");
    if !nsupdate(&lab, commands.trim_end().trim_end_matches("send")) {
        return;
    }
    let zones = lab.get("/world")["zones"].clone();
    let mx = zones["contoso.test."]["sets"].as_array().and_then(|s| s.iter().find(|s| s["type"] == "MX").cloned());
    assert_eq!(mx.expect("there is one")["values"], json!(["10 mail.contoso.test."]));
    let address = lab.address("dc1.contoso.test:636");
    let profile = std::fs::read_to_string(lab.folder().join("lab/profile.toml")).expect("the profile is there");
    let profile: toml::Value = toml::from_str(&profile).expect("the profile is TOML");
    let user = profile["directory"]["bind"].as_str().expect("an account").to_owned();
    let output = Command::new("ldapmodify")
        .env("LDAPTLS_CACERT", lab.folder().join("lab/ca.pem"))
        .args(["-c", "-x", "-H", &format!("ldaps://{address}"), "-D", &user, "-y"])
        .arg(lab.folder().join("lab/secrets/directory"))
        .arg("-f")
        .arg(folder.join("way-back.ldif"))
        .output();
    let Ok(output) = output else {
        skipped("ldapmodify is not installed");
        return;
    };
    let world = lab.get("/world");
    let plan = plan_of(&lab);
    for person in changes(&plan, "convert_to_mail_user") {
        let dn = person["before"]["dn"].as_str().expect("a name");
        let now = &world["directory"][dn];
        let stays = proof_of_failure(&lab, person["target"].as_str().expect("an address"));
        assert!(
            stays || now["homeMDB"].is_array() && now["targetAddress"].is_null(),
            "{dn}: {now}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Whether a row was left whole by the run, so that nothing was to be taken back.
fn proof_of_failure(lab: &LabProcess, address: &str) -> bool {
    let rows = lab.get("/proof")["rows"].clone();
    rows.as_array().into_iter().flatten().any(|r| r["address"] == address && r["outcome"] == "left_whole")
}

#[test]
fn a_plan_is_shown_and_an_edited_one_is_not() {
    let lab = planned(&["--make", "20", "--seed", "1"]);
    let output = stagepost(lab.folder()).args(["plan", "--show", "plan.json"]).output().expect("the program starts");
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert!(told(&output).contains("convert_to_mail_user"), "{}", told(&output));
    let path = lab.folder().join("plan.json");
    let text = std::fs::read_to_string(&path).expect("it is there");
    std::fs::write(&path, text.replacen("contoso.test", "contoso.tset", 1)).expect("it may be written");
    for arguments in [&["plan", "--show", "plan.json"][..], &BOUND[..]] {
        let output = run(lab.folder(), arguments);
        assert_eq!(code(&output), 2, "{}", told(&output));
        assert!(told(&output).contains("was edited after it was made"), "{}", told(&output));
    }
}
