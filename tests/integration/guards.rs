//! Scripts that lose something, each past its guard by force, and the twin of
//! each without: the judge names what was lost, or the guard holds and nothing
//! reaches the world.
//!
//! The scripts stand in `tests/scripts`, named after their guards.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::support::{LabProcess, code, folder, lines, out, run, summary, told};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(name)
}

/// Rehearses a script with a lab that `lab` says.
fn rehearse(name: &str, lab: &[&str], more: &[&str]) -> Output {
    let at = folder();
    let path = script(name).display().to_string();
    let mut arguments = vec!["rehearse", "--json", "--out", "report", "--script", &path];
    arguments.extend_from_slice(lab);
    arguments.extend_from_slice(more);
    run(at.path(), &arguments)
}

fn world(name: &str) -> Vec<String> {
    vec!["--world".into(), script(name).display().to_string()]
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

/// The notes of guards that were passed: what each protected.
fn forced(output: &Output, guard: &str) -> Vec<String> {
    let notes = lines(output);
    let those = notes.iter().filter(|n| n["event"] == "forced" && n["guard"] == guard);
    those
        .map(|n| {
            assert!(!n["text"].as_str().unwrap_or_default().is_empty(), "{n}");
            assert!(!n["reason"].as_str().unwrap_or_default().is_empty(), "{n}");
            n["target"].as_str().unwrap_or_default().to_owned()
        })
        .collect()
}

/// Who breaks a rule of the judge, by name.
fn who(output: &Output, rule: &str) -> Vec<String> {
    let summary = summary(output);
    let groups = summary["broken"].as_array().cloned().unwrap_or_default();
    let those = groups.iter().filter(|g| g["reason"].as_str().is_some_and(|r| r.contains(&format!("`{rule}`"))));
    let mut names: Vec<String> = those
        .flat_map(|g| g["mailboxes"].as_array().cloned().unwrap_or_default())
        .filter_map(|a| a.as_str().map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// The judge objects by a rule that is about the company, and names people.
fn objected(output: &Output, rule: &str) {
    assert_eq!(code(output), 1, "{}", told(output));
    let summary = summary(output);
    let groups = summary["broken"].as_array().cloned().unwrap_or_default();
    let reasons = groups.iter().filter_map(|g| g["reason"].as_str());
    let found = reasons.filter(|r| r.contains(&format!("`{rule}`"))).any(|r| r.contains("@contoso.test"));
    assert!(found, "{rule} names nobody: {}", told(output));
}

/// The failure that ended a script, which must be the refusal of a guard.
fn refusal(output: &Output, guard: &str) -> Value {
    assert_eq!(code(output), 1, "{}", told(output));
    let failure =
        lines(output).into_iter().find(|l| l["event"] == "failed").unwrap_or_else(|| panic!("{}", told(output)));
    assert_eq!(failure["kind"], "conflict", "{failure}");
    let (message, hint) =
        (failure["message"].as_str().unwrap_or_default(), failure["hint"].as_str().unwrap_or_default());
    assert!(message.contains(&format!("`{guard}`")), "{failure}");
    assert!(hint.contains("force: \"…\""), "it says how to force: {failure}");
    assert!(forced(output, guard).is_empty(), "{}", told(output));
    failure
}

/// Runs a twin against a lab that stays there to be looked at.
fn twin(lab: &LabProcess, name: &str) -> Output {
    let path = script(name).display().to_string();
    run(lab.folder(), &["run", &path, "--profile", "lab/profile.toml", "--yes", "--json"])
}

/// How often something happened in a lab, with the object's name.
fn happened(lab: &LabProcess, what: &str, object: &str) -> usize {
    let events = lab.get("/events?after=0");
    let is = |e: &&Value| e.to_string().contains(what) && e.to_string().contains(object);
    events.as_array().map_or(0, |events| events.iter().filter(is).count())
}

/// Values and time to live of a record set in a lab.
fn record(lab: &LabProcess, apex: &str, name: &str, kind: &str) -> (Value, Value) {
    let world = lab.get("/world");
    let zones = world["zones"].as_object().expect("the zones of the world");
    let (_, zone) = zones.iter().find(|(a, _)| a.trim_end_matches('.') == apex).expect("the zone");
    let sets = zone["sets"].as_array().expect("the sets of a zone");
    let is = |s: &&Value| s["name"].as_str().is_some_and(|n| n.trim_end_matches('.') == name) && s["type"] == kind;
    let set = sets.iter().find(is).unwrap_or_else(|| panic!("{name} {kind}: {zone}"));
    (set["values"].clone(), set["ttl"].clone())
}

const SECOND_HALF: [&str; 6] =
    ["gus@acme.test", "hana@acme.test", "ivo@acme.test", "jana@acme.test", "karl@acme.test", "lena@acme.test"];

#[test]
fn an_mx_set_early_without_a_connector_loses_mail_of_those_not_moved() {
    let output = rehearse("mx-before-settled-forced.rhai", &texts(&world("no-connector.json")), &[]);
    assert_eq!(code(&output), 1, "{}", told(&output));
    assert_eq!(forced(&output, "mx-before-settled"), ["acme.test"]);
    assert_eq!(who(&output, "message-lost"), SECOND_HALF, "{}", told(&output));
}

#[test]
fn the_guard_leaves_the_mx_where_it_is() {
    let lab = LabProcess::start(&texts(&world("no-connector.json")));
    let before = record(&lab, "acme.test", "acme.test", "MX");
    let output = twin(&lab, "mx-before-settled.rhai");
    let failure = refusal(&output, "mx-before-settled");
    assert!(failure["message"].as_str().is_some_and(|m| m.contains("6 mailboxes") && m.contains("gus@acme.test")));
    assert_eq!(record(&lab, "acme.test", "acme.test", "MX"), before, "the time to live stays too");
}

#[test]
fn a_batch_removed_while_it_copies_leaves_people_forwarded_and_unfilled() {
    let output = rehearse("removal-while-copying-forced.rhai", &texts(&world("large-mailboxes.json")), &[]);
    assert_eq!(code(&output), 1, "{}", told(&output));
    assert_eq!(forced(&output, "removal-while-copying"), ["second-half"]);
    assert_eq!(who(&output, "forwarded-unfilled"), SECOND_HALF, "{}", told(&output));
    let asked = &summary(&output)["requests"]["exchange"];
    assert_eq!(asked["Remove-MigrationBatch"], 1, "{asked}");
}

#[test]
fn the_guard_leaves_a_batch_that_copies_alone() {
    let lab = LabProcess::start(&texts(&world("large-mailboxes.json")));
    let output = twin(&lab, "removal-while-copying.rhai");
    refusal(&output, "removal-while-copying");
    assert_eq!(happened(&lab, "batch_started", "second-half"), 1);
    assert_eq!((happened(&lab, "batch_stopping", ""), happened(&lab, "batch_removing", "")), (0, 0));
}

#[test]
fn licences_after_the_last_wave_of_a_long_project_lose_mail() {
    let output = rehearse("start-before-licences-forced.rhai", &["--make", "24"], &[]);
    assert_eq!(code(&output), 1, "{}", told(&output));
    let passed = forced(&output, "start-before-licences");
    assert_eq!((passed.len(), passed[0].as_str()), (11, "wave-02"), "each start but the first: {passed:?}");
    let lost = who(&output, "message-lost");
    assert!(lost.len() >= 2 && lost.len() < 24, "the first waves lose, the last don't: {lost:?}");
}

#[test]
fn the_guard_holds_the_second_wave_back_until_the_first_is_licensed() {
    let lab = LabProcess::start(&["--make", "6"]);
    let output = twin(&lab, "start-before-licences.rhai");
    let failure = refusal(&output, "start-before-licences");
    assert_eq!(failure["target"], "wave-02");
    assert!(failure["message"].as_str().is_some_and(|m| m.contains("2 cloud mailboxes of earlier waves")), "{failure}");
    assert_eq!((happened(&lab, "batch_started", "wave-01"), happened(&lab, "batch_started", "wave-02")), (1, 0));
}

#[test]
fn an_early_autodiscover_is_forced_and_told() {
    let output = rehearse("autodiscover-before-moved-forced.rhai", &["--make", "80"], &[]);
    assert_eq!(forced(&output, "autodiscover-before-moved").len(), 2, "one for each domain: {}", told(&output));
    objected(&output, "autodiscover-too-early");
}

#[test]
fn the_guard_leaves_autodiscover_where_it_is() {
    let lab = LabProcess::start(&["--make", "12"]);
    let at = |kind| record(&lab, "contoso.test", "autodiscover.contoso.test", kind);
    let before = at("CNAME");
    refusal(&twin(&lab, "autodiscover-before-moved.rhai"), "autodiscover-before-moved");
    assert_eq!(at("CNAME"), before);
}

#[test]
fn a_conversion_a_week_after_the_copy_is_forced_and_told() {
    let output = rehearse("conversion-too-late-forced.rhai", &["--make", "12"], &[]);
    assert_eq!(forced(&output, "conversion-too-late").len(), 12, "each of them: {}", told(&output));
    objected(&output, "work-lost-by-delay");
}

#[test]
fn the_guard_converts_nobody_a_week_after_the_copy() {
    let output = rehearse("conversion-too-late.rhai", &["--make", "12"], &[]);
    let failure = refusal(&output, "conversion-too-late");
    assert!(failure["message"].as_str().is_some_and(|m| m.starts_with("12 of 12")), "{failure}");
    assert_eq!(who(&output, "not-converted").len(), 12, "the judge sees each as it was: {}", told(&output));
    let said = lines(&output).into_iter().filter(|n| n["event"] == "warned").map(|n| n["text"].to_string());
    let said: Vec<String> = said.filter(|t| t.contains("conversion-too-late")).collect();
    assert_eq!(said.len(), 1, "twelve are one line: {said:?}");
}

#[test]
fn who_came_too_late_is_released_and_moved_by_another_batch() {
    let output = rehearse("conversion-too-late-mended.rhai", &["--make", "12"], &[]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert!(out(&output).contains("12 came too late"), "{}", told(&output));
    assert!(forced(&output, "conversion-too-late").is_empty());
    assert_eq!(summary(&output)["mailboxes"]["moved"], 12, "{}", told(&output));
}

#[test]
fn the_command_line_passes_all_guards_of_a_rehearsal() {
    let output = rehearse("mx-before-settled.rhai", &texts(&world("no-connector.json")), &["--force", "what if"]);
    assert_eq!(forced(&output, "mx-before-settled"), ["acme.test"]);
    assert_eq!(who(&output, "message-lost"), SECOND_HALF, "{}", told(&output));
    let reasons: Vec<Value> = lines(&output).into_iter().filter(|n| n["event"] == "forced").collect();
    assert!(reasons.iter().all(|n| n["reason"] == "what if"), "{reasons:?}");
}

#[test]
fn what_is_forced_stands_in_the_journal_before_the_write_and_is_asked_once() {
    let lab = LabProcess::start(&["--make", "6"]);
    let forced_run = twin(&lab, "autodiscover-before-moved-forced.rhai");
    assert_eq!(code(&forced_run), 0, "{}", told(&forced_run));
    let journal = rusqlite::Connection::open(lab.folder().join(".stagepost/journal.sqlite")).expect("the journal");
    let first = |kind: &str, operation: &str| -> (i64, String) {
        let sql = "SELECT number, body FROM event WHERE kind = ?1 AND operation = ?2 ORDER BY number LIMIT 1";
        journal.query_row(sql, [kind, operation], |r| Ok((r.get(0)?, r.get(1)?))).expect("such an event")
    };
    let (forced, body) = first("forced", "autodiscover-before-moved");
    let (intent, _) = first("intent", "autodiscover::set");
    assert!(forced < intent, "{forced} {intent}");
    assert!(body.contains("one thing less to do at the end"), "{body}");
    // What is so already writes nothing, and needs no force.
    let again = twin(&lab, "autodiscover-before-moved.rhai");
    assert_eq!(code(&again), 0, "{}", told(&again));
}

#[test]
fn who_was_left_whole_holds_autodiscover_up_no_more_and_is_named() {
    let output = rehearse_standard(&["--make", "60", "--faults", "usual"]);
    assert_eq!(code(&output), 6, "{}", told(&output));
    let warned = lines(&output).into_iter().filter(|n| n["event"] == "warned");
    let named = warned.filter(|n| n["text"].as_str().is_some_and(|t| t.contains("left whole will not be found")));
    assert_eq!(named.count(), 1, "{}", told(&output));
    assert!(!lines(&output).iter().any(|n| n["event"] == "forced"), "the standard script needs no force");
}

fn rehearse_standard(lab: &[&str]) -> Output {
    let at = folder();
    run(at.path(), &[&["rehearse", "--json", "--out", "report"], lab].concat())
}

#[test]
fn exchange_2003_may_have_its_autodiscover_early() {
    let at = folder();
    let company = r#"{"version": 1, "company": {"exchange": "2003"},
        "people": [{"address": "ann@acme.test"}, {"address": "bob@acme.test"}]}"#;
    std::fs::write(at.path().join("company.json"), company).expect("a writable folder");
    let project = "name = \"Acme\"\nmailboxes = \"x.csv\"\ndomains = [\"acme.test\"]\nsource = \"2003\"\nusage_location = \"DE\"\n";
    std::fs::write(at.path().join("stagepost.toml"), project).expect("a writable folder");
    let output = run(at.path(), &["rehearse", "--json", "--out", "report", "--world", "company.json"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let begun =
        lines(&output).into_iter().filter(|n| n["event"] == "step_began" && n["primitive"] == "autodiscover::set");
    assert_eq!(begun.count(), 2, "before the waves, and after them");
}
