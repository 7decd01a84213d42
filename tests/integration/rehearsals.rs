//! Whole migrations against the lab, judged by its world.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{LabProcess, code, folder, out, run, stagepost, summary, told};

fn rehearse(at: &Path, arguments: &[&str]) -> std::process::Output {
    let mut all = vec!["rehearse", "--json", "--out", "report"];
    all.extend_from_slice(arguments);
    run(at, &all)
}

fn rows(proof: &Value, outcome: &str) -> usize {
    proof["rows"].as_array().map_or(0, |r| r.iter().filter(|r| r["outcome"] == outcome).count())
}

#[test]
fn a_calm_rehearsal_moves_everybody() {
    let at = folder();
    let output = rehearse(at.path(), &["--make", "60", "--wire-log", "wire.jsonl"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let page = std::fs::read_to_string(at.path().join("report/report.html")).expect("the report was written");
    assert!(
        page.to_lowercase().starts_with("<!doctype html>") && !page.contains("<script src") && !page.contains("<link")
    );
    wire_log_is_what_the_vendor_would_see(&at.path().join("wire.jsonl"));
    // The kinds of the pilot come from the directory, without a read of their own.
    let told = out(&output);
    let planned: Vec<Value> = told
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|note| note["event"] == "wave_planned")
        .collect();
    assert_eq!(planned.iter().map(|n| n["seats"].as_u64().unwrap_or(0)).sum::<u64>(), 60);
    assert_eq!(planned[0]["about"], "with a pair of delegates; sizes and phones are not known");
}

/// The log's fields, hosts and masks.
fn wire_log_is_what_the_vendor_would_see(path: &Path) {
    let text = std::fs::read_to_string(path).expect("the wire log was written");
    let mut seen = std::collections::BTreeSet::new();
    let mut batches = 0;
    let mut redirected = false;
    for line in text.lines() {
        let exchange: Value = serde_json::from_str(line).expect("each line is JSON");
        for field in [
            "service",
            "method",
            "url",
            "request_headers",
            "request_body",
            "status",
            "response_headers",
            "response_body",
        ] {
            assert!(exchange.get(field).is_some(), "{field} is missing: {line}");
        }
        let service = exchange["service"].as_str().unwrap_or_default().to_owned();
        let url = exchange["url"].as_str().unwrap_or_default();
        assert!(!url.contains("127.0.0.1"), "{url}");
        if service == "exchange" {
            assert!(url.starts_with("https://outlook.office365.com/adminapi/"), "{url}");
            assert_eq!(exchange["request_headers"]["Authorization"], "***", "{line}");
        }
        if service == "autodiscover" {
            let answer = exchange["response_body"].as_str().unwrap_or_default();
            // The old server's own domain controller hears of a conversion later.
            redirected |= answer.contains("<Action>redirectAddr</Action>");
            assert!(answer.contains("<Action>"), "{line}");
            assert_eq!(exchange["request_headers"]["Authorization"], "***", "{line}");
        }
        if service == "ldap" && url.contains("?sub?") {
            assert_eq!(exchange["request_body"]["controls"][0]["type"], "1.2.840.113556.1.4.319", "{line}");
        }
        if exchange["method"] == "DATA" {
            assert!(!exchange["request_body"].as_str().unwrap_or_default().contains("From: <>"), "{line}");
        }
        let input = &exchange["request_body"]["CmdletInput"];
        if input["CmdletName"] == "New-MigrationBatch" {
            batches += 1;
            let csv = &input["Parameters"]["CSVData"];
            assert_eq!(csv["@odata.type"], "#Exchange.ByteArrayType");
            let bytes: Vec<u8> =
                csv["Data"].as_array().expect("numbers").iter().map(|n| n.as_u64().expect("a byte") as u8).collect();
            assert!(bytes.starts_with(b"EmailAddress"), "{}", String::from_utf8_lossy(&bytes));
        }
        seen.insert(service);
    }
    assert!(redirected, "Autodiscover never led a converted person on");
    assert!(batches >= 2, "{batches} batches");
    for service in ["entra", "exchange", "graph", "autodiscover", "ldap", "dns", "zone", "smtp", "rpc"] {
        assert!(seen.contains(service), "{service} is not in the log: {seen:?}");
    }
}

#[test]
fn the_usual_trouble_leaves_some_whole_and_nobody_in_between() {
    let at = folder();
    let output = rehearse(at.path(), &["--make", "200", "--faults", "usual"]);
    assert_eq!(code(&output), 6, "{}", told(&output));
}

#[test]
fn equal_seeds_give_equal_events_whatever_the_threads() {
    let digest = |arguments: &[&str]| {
        let at = folder();
        let mut all = vec!["--make", "80", "--faults", "usual"];
        all.extend_from_slice(arguments);
        let output = rehearse(at.path(), &all);
        summary(&output)["digest"]["sha256"].as_str().map(str::to_owned).unwrap_or_else(|| panic!("{}", told(&output)))
    };
    let one = digest(&["--threads", "1"]);
    assert_eq!(one, digest(&["--threads", "8"]));
    assert_eq!(one, digest(&["--threads", "8"]));
    assert_ne!(one, digest(&["--threads", "8", "--seed", "2"]));
}

/// The standard script with some lines taken out.
fn without(words: &[&str]) -> String {
    let text = include_str!("../../scripts/staged.rhai");
    let kept: Vec<&str> = text.lines().filter(|l| !words.iter().any(|w| l.contains(w))).collect();
    assert!(kept.len() < text.lines().count(), "{words:?} is nowhere in the script");
    kept.join("\n")
}

#[test]
fn the_judge_objects_to_a_script_that_skips_the_conversion() {
    let at = folder();
    let script = without(&["convert_to_mail_user(", "remove(b);"]);
    std::fs::write(at.path().join("skips.rhai"), script).expect("a writable folder");
    let output = run(at.path(), &["rehearse", "--make", "20", "--script", "skips.rhai"]);
    assert_eq!(code(&output), 1, "{}", told(&output));
    assert!(out(&output).contains("@contoso.test"), "no mailbox is named: {}", told(&output));
}

#[test]
fn the_judge_objects_to_failed_rows_left_forwarded() {
    let at = folder();
    let script = without(&["release(b.failed)", "remove(b);"]);
    std::fs::write(at.path().join("leaves.rhai"), script).expect("a writable folder");
    // Some seed of these has a row whose copy breaks off, as most do.
    let output = run(at.path(), &["rehearse", "--make", "200", "--faults", "usual", "--script", "leaves.rhai"]);
    assert_eq!(code(&output), 1, "{}", told(&output));
    assert!(out(&output).contains("forwarded"), "the rule is not named: {}", told(&output));
}

#[test]
fn a_list_of_one_and_one_beyond_the_limit_of_a_file() {
    for count in [1, 2001] {
        let at = folder();
        let mut list = String::from("EmailAddress\n");
        for n in 0..count {
            list.push_str(&format!("person{n}@fabrikam.test\n"));
        }
        std::fs::write(at.path().join("list.csv"), list).expect("a writable folder");
        let output = rehearse(at.path(), &["--mailboxes", "list.csv"]);
        assert_eq!(code(&output), 0, "{count} rows: {}", told(&output));
    }
}

#[test]
fn a_refused_approval_ends_the_run_and_writes_nothing_after_it() {
    let at = folder();
    let output = rehearse(at.path(), &["--make", "12", "--deny", "Outlook still opens"]);
    assert_eq!(code(&output), 5, "{}", told(&output));
}

#[test]
fn a_run_and_a_prompt_work_against_a_lab_beside_them() {
    let lab = LabProcess::start(&["--make", "12"]);
    let output = run(lab.folder(), &["run", "staged", "--profile", "lab/profile.toml", "--yes"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let proof = lab.get("/proof");
    assert_eq!((rows(&proof, "moved"), rows(&proof, "broken")), (12, 0), "{proof}");
    assert_eq!(proof["broken"], json!([]), "{proof}");

    let mut child = stagepost(lab.folder())
        .args(["repl", "--profile", "lab/profile.toml"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    use std::io::Write as _;
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"let list = mailboxes::read(project().mailboxes);\nprint(list.len);\n").expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(out(&output).contains("12"), "{}", told(&output));
}

#[test]
fn a_second_run_of_a_finished_script_writes_nothing() {
    let lab = LabProcess::start(&["--make", "12"]);
    let first = run(lab.folder(), &["run", "staged", "--profile", "lab/profile.toml", "--yes"]);
    assert_eq!(code(&first), 0, "{}", told(&first));
    let before = lab.get("/proof")["writes"].clone();
    let second = run(lab.folder(), &["run", "staged", "--profile", "lab/profile.toml", "--yes"]);
    assert_eq!(code(&second), 0, "{}", told(&second));
    assert_eq!(lab.get("/proof")["writes"], before);
}

#[test]
fn a_lab_talks_to_clients_that_are_not_stagepost() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let lab = LabProcess::start(&["--make", "3"]);
    let stream = std::net::TcpStream::connect(lab.address("mail.contoso.test:25")).expect("it listens");
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut writer = stream;
    let mut say = |line: &str| {
        if !line.is_empty() {
            writer.write_all(format!("{line}\r\n").as_bytes()).expect("it reads");
        }
        loop {
            let mut answer = String::new();
            reader.read_line(&mut answer).expect("it answers");
            if answer.as_bytes().get(3) != Some(&b'-') {
                return answer;
            }
        }
    };
    assert!(say("").starts_with("220 "));
    assert!(say("EHLO somebody.example").starts_with("250"));
    assert!(say("MAIL FROM:<kim@outside.example>").starts_with("250"));
    assert!(say("RCPT TO:<nobody@outside.example>").starts_with("55"), "an old server is no open relay");
    assert!(say("QUIT").starts_with("221"));
}

/// Everybody holds the product beforehand, its mailbox plan switched off, as
/// where other services came before the mail.
const HELD: &str = r#"
let sku = ();
for s in graph::get("/subscribedSkus") { if s.skuPartNumber == "ENTERPRISEPACK" { sku = s; } }
let mail = "";
for p in sku.servicePlans { if p.servicePlanName == "EXCHANGE_S_ENTERPRISE" { mail = p.servicePlanId; } }
let list = mailboxes::read(project().mailboxes);
let wanted = list.addresses;
for user in graph::get("/users?$select=id,mail,usageLocation&$top=999") {
    if !(user.mail in wanted) { continue; }
    if user.usageLocation == () { graph::patch(`/users/${user.id}`, #{ usageLocation: "DE" }); }
    graph::post(`/users/${user.id}/assignLicense`,
        #{ addLicenses: [#{ skuId: sku.skuId, disabledPlans: [mail] }], removeLicenses: [] });
}
"#;

#[test]
fn a_product_that_people_had_before_is_switched_on_and_never_taken() {
    let lab = LabProcess::start(&["--make", "40", "--faults", "usual"]);
    let count = r#"
let held = 0; let off = 0;
for user in graph::get("/users?$select=id,assignedLicenses&$top=999") {
    for l in user.assignedLicenses { held += 1; if l.disabledPlans.len() > 0 { off += 1; } }
}
print(`held ${held} off ${off}`);
"#;
    std::fs::write(lab.folder().join("held.rhai"), HELD).expect("a writable folder");
    std::fs::write(lab.folder().join("count.rhai"), count).expect("a writable folder");
    let at = ["--profile", "lab/profile.toml", "--yes"];
    let go = |script: &str| run(lab.folder(), &[&["run", script], &at[..]].concat());
    let held = go("held.rhai");
    assert_eq!(code(&held), 0, "{}", told(&held));
    let before = go("count.rhai");
    let staged = go("staged");
    assert_eq!(code(&staged), 6, "{}", told(&staged));
    let proof = lab.get("/proof");
    assert_eq!((rows(&proof, "broken"), &proof["broken"]), (0, &json!([])), "{proof}");
    let after = go("count.rhai");
    let number = |text: &str, word: &str| -> usize {
        let rest = text.split(word).nth(1).unwrap_or_default().trim_start();
        rest.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    let (before, after) = (out(&before), out(&after));
    // One who came with a later synchronization was given one by the script.
    assert!(number(&after, "held") >= number(&before, "held"), "somebody lost a product: {before} {after}");
    assert!(number(&before, "off") >= 30, "{before}");
    assert!(number(&after, "off") > 0 && number(&after, "off") <= rows(&proof, "whole"), "{after} {proof}");
}
