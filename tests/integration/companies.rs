//! The company file: the sample is one, a faulty one changes nothing, and a lab
//! is what its file says.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{LabProcess, code, err, folder, run, summary, told};

/// Everything of a summary that hangs on the world and not on the machine.
fn outcome(at: &Path, arguments: &[&str]) -> Value {
    let mut all = vec!["rehearse", "--json", "--out", "report"];
    all.extend_from_slice(arguments);
    let output = run(at, &all);
    assert!(matches!(code(&output), 0 | 6), "{}", told(&output));
    let mut summary = summary(&output);
    for machine in ["wall_seconds", "peak_memory", "report", "wire_log"] {
        summary.as_object_mut().expect("a summary is an object").remove(machine);
    }
    summary
}

fn write(at: &Path, arguments: &[&str]) {
    let mut all = vec!["lab", "--write-company", "company.json"];
    all.extend_from_slice(arguments);
    let output = run(at, &all);
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert!(!at.join("lab").exists(), "it writes the file and nothing else");
}

#[test]
fn a_rehearsal_of_the_written_sample_is_that_of_the_sample_itself() {
    for lab in [&["--seed", "1"][..], &["--faults", "usual", "--seed", "4"]] {
        let at = folder();
        let with = |more: &[&'static str]| [more, lab].concat();
        write(at.path(), &with(&["--make", "60"]));
        let mut sample = outcome(at.path(), &with(&["--make", "60"]));
        let mut file = outcome(at.path(), &with(&["--world", "company.json"]));
        assert!(file["digest"]["sha256"].as_str().is_some_and(|d| d.len() == 64), "{file}");
        // All of the sample is made up, and nothing of its file.
        let facts = |summary: &mut Value| {
            summary.as_object_mut().expect("an object").remove("invented").expect("it is counted")
        };
        let (made, read) = (facts(&mut sample), facts(&mut file));
        assert_eq!((&made["facts"], &read["facts"], &read["of"]), (&made["of"], &json!(0), &made["of"]));
        // Digest, the outcome of each row, messages, writes, requests.
        assert_eq!(sample, file);
    }
}

#[test]
fn who_is_to_move_the_company_file_says() {
    let at = folder();
    let company = json!({"version": 1,
        "people": [{"address": "ann@acme.test", "delegates": ["bob@acme.test"]}, {"address": "bob@acme.test"},
                   {"address": "cy@acme.test", "type": "room"}],
        "list": ["cy@acme.test", "ann@acme.test"]});
    std::fs::write(at.path().join("company.json"), company.to_string()).expect("a writable folder");
    let alone = outcome(at.path(), &["--world", "company.json"]);
    assert_eq!(alone["mailboxes"], json!({"moved": 2, "left_whole": 0, "broken": 0}));
    let facts = &alone["invented"];
    assert!(facts["facts"].as_u64() < facts["of"].as_u64() && facts["facts"].as_u64() > Some(0), "{facts}");
    // Beside a project of another list.
    let project = "name = \"Acme\"\nmailboxes = \"nowhere.csv\"\ndomains = [\"acme.test\"]\nsource = \"2007\"\nusage_location = \"DE\"\n";
    std::fs::write(at.path().join("stagepost.toml"), project).expect("a writable folder");
    assert_eq!(outcome(at.path(), &["--world", "company.json"])["mailboxes"], alone["mailboxes"]);
}

#[test]
fn a_row_fails_with_the_text_of_the_file_and_is_left_whole() {
    let at = folder();
    let text = "Microsoft Exchange couldn't sign in to the user's on-premises account.";
    let company = json!({"version": 1, "people": [{"address": "ann@acme.test"}, {"address": "bob@acme.test"}],
        "faults": [{"address": "bob@acme.test", "breaks": "provisioning", "text": text}]});
    std::fs::write(at.path().join("company.json"), company.to_string()).expect("a writable folder");
    let outcome = outcome(at.path(), &["--world", "company.json"]);
    assert_eq!(outcome["mailboxes"], json!({"moved": 1, "left_whole": 1, "broken": 0}), "{outcome}");
    assert!(outcome["left_whole"].to_string().contains("bob@acme.test"), "{outcome}");
}

#[test]
fn zones_that_a_provider_hosts_are_served_under_its_names() {
    let at = folder();
    let set = |name: &str, kind: &str, value: &str| json!({"name": name, "type": kind, "ttl": 7200, "values": [value]});
    let company = json!({"version": 1, "company": {"mail_host": "mx.acme.test"}, "people": [{"address": "ann@acme.test"}],
        "zones": [{"apex": "acme.test", "sets": [
            set("acme.test", "NS", "ns.provider.example."), set("acme.test", "MX", "10 mx.acme.test."),
            set("mx.acme.test", "A", "192.0.2.25"), set("autodiscover.acme.test", "CNAME", "mx.acme.test.")]}]});
    std::fs::write(at.path().join("company.json"), company.to_string()).expect("a writable folder");
    let outcome = outcome(at.path(), &["--world", "company.json"]);
    assert_eq!(outcome["mailboxes"], json!({"moved": 1, "left_whole": 0, "broken": 0}), "{outcome}");
}

#[test]
fn a_lab_serves_the_company_of_a_file() {
    let at = folder();
    write(at.path(), &["--make", "5"]);
    let path = at.path().join("company.json");
    let text = std::fs::read_to_string(&path).expect("it was written");
    let mut company: Value = serde_json::from_str(&text).expect("it is JSON");
    company["people"][0]["name"] = json!("Somebody Else");
    let (boss, holder) = (company["people"][0]["address"].clone(), company["people"][1]["address"].clone());
    company["permissions"] = json!([{"mailbox": boss, "holder": holder, "right": "full_access"}]);
    std::fs::write(&path, company.to_string()).expect("a writable folder");
    let lab = LabProcess::start(&["--world", path.to_str().expect("a plain path")]);
    let world = lab.get("/world");
    assert_eq!(world["company"]["permissions"], company["permissions"]);
    let name = company["people"][0]["dn"].as_str().expect("it has a name");
    assert_eq!(world["directory"][name]["displayName"], json!(["Somebody Else"]));
    assert_eq!(world["invented"]["facts"], 0);
}

#[test]
fn a_faulty_company_is_told_and_nothing_happens() {
    let at = folder();
    let company = r#"{"version": 1, "people": [{"address": "ann@acme.test", "items": -4}], "list": ["bob@acme.test"]}"#;
    std::fs::write(at.path().join("company.json"), company).expect("a writable folder");
    for verb in [&["rehearse", "--out", "report"][..], &["lab"], &["lab", "--write-company", "new.json"], &["repl"]] {
        let output = run(at.path(), &[verb, &["--world", "company.json"]].concat());
        assert_eq!(code(&output), 3, "{}", told(&output));
        assert!(err(&output).contains("people[0].items") && err(&output).contains("list[0]"), "{}", told(&output));
    }
    let left: Vec<_> = std::fs::read_dir(at.path()).expect("a folder").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["company.json"]);
}

#[test]
fn a_company_that_is_there_is_not_written_over() {
    let at = folder();
    std::fs::write(at.path().join("company.json"), "mine").expect("a writable folder");
    let output = run(at.path(), &["lab", "--make", "3", "--write-company", "company.json"]);
    assert_eq!(code(&output), 1, "{}", told(&output));
    assert_eq!(std::fs::read_to_string(at.path().join("company.json")).expect("it is there"), "mine");
}

#[test]
fn a_list_can_be_written_as_a_company_and_grow() {
    let at = folder();
    std::fs::write(at.path().join("list.csv"), "EmailAddress\nann@acme.test\nbob@acme.test\n")
        .expect("a writable folder");
    write(at.path(), &["--mailboxes", "list.csv"]);
    let mut list = outcome(at.path(), &["--mailboxes", "list.csv"]);
    let mut file = outcome(at.path(), &["--world", "company.json"]);
    for summary in [&mut list, &mut file] {
        summary.as_object_mut().expect("an object").remove("invented");
    }
    assert_eq!(list, file);
}
