//! A run that asks, and an answer from another process. Whether anything was
//! written before the answer is told by the lab.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Output, Stdio};

use serde_json::Value;

use crate::support::{LabProcess, code, lines, out, run, stagepost, told};

/// A run that waits for somebody else's answer.
struct Waits {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    question: Value,
}

impl Waits {
    /// Starts a script, and reads on until it waits.
    fn start(lab: &LabProcess, script: &str, more: &[&str]) -> Waits {
        std::fs::write(lab.folder().join("ask.rhai"), script).expect("the folder may be written");
        let mut child = stagepost(lab.folder())
            .args(["run", "ask.rhai", "--profile", "lab/profile.toml", "--wait-for-approval", "--json"])
            .args(more)
            .env("USER", "ann")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let question = lines
            .by_ref()
            .map_while(Result::ok)
            .map(|line| serde_json::from_str::<Value>(&line).expect("JSON lines"))
            .find(|note| note["event"] == "question");
        let question = question.expect("the run ended without a question");
        Waits { child, lines, question }
    }

    fn id(&self) -> &str {
        self.question["id"].as_str().expect("a question has an id")
    }

    /// Waits for its end: the exit code, and what it said after the question.
    fn end(mut self) -> (i32, Vec<Value>) {
        let rest = self.lines.by_ref().map_while(Result::ok).map(|l| serde_json::from_str(&l).expect("JSON lines"));
        let rest = rest.collect();
        (self.child.wait().expect("it ends").code().expect("nobody killed it"), rest)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        // Our own child, by its id; one that has ended is not killed again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn approve(folder: &Path, user: &str, arguments: &[&str]) -> Output {
    stagepost(folder).arg("approve").args(arguments).env("USER", user).output().expect("the program starts")
}

fn endpoints_made(lab: &LabProcess) -> bool {
    lab.get("/count").to_string().contains("New-MigrationEndpoint")
}

const SCRIPT: &str = "approve(\"Make the endpoint?\", [1, 2]);\nendpoint(\"on-premises\");\n";

#[test]
fn an_answer_from_another_terminal_lets_the_run_go_on() {
    let lab = LabProcess::start(&["--make", "5"]);
    let waits = Waits::start(&lab, SCRIPT, &[]);
    let listed = approve(lab.folder(), "bob", &["--json"]);
    let [question] = lines(&listed).try_into().expect("one question");
    assert_eq!(question["id"], waits.id());
    assert_eq!((&question["text"], &question["user"]), (&"Make the endpoint?".into(), &"ann".into()));
    assert_eq!((&question["line"], &question["script"]), (&"ask.rhai:1:1".into(), &"ask.rhai".into()));
    let table = out(&approve(lab.folder(), "bob", &[]));
    assert!(table.contains(waits.id()) && table.contains("[2 items: 1, 2]"), "{table}");
    assert!(!endpoints_made(&lab), "nothing is written before the answer");
    let id = waits.id().to_owned();
    let answered = approve(lab.folder(), "bob", &[&id, "--because", "as agreed"]);
    assert_eq!(code(&answered), 0, "{}", told(&answered));
    let (code_of_run, said) = waits.end();
    assert_eq!(code_of_run, 0, "{said:?}");
    let answer = said.iter().find(|n| n["event"] == "answered").expect("the run says who answered");
    assert_eq!(answer["granted"], true);
    assert!(answer["by"].as_str().is_some_and(|by| by.starts_with("bob")), "{answer}");
    assert!(endpoints_made(&lab));
    let again = approve(lab.folder(), "bob", &[&id]);
    assert_eq!(code(&again), 1, "it is not open any more: {}", told(&again));
    assert!(lines(&approve(lab.folder(), "bob", &["--json"])).is_empty());
}

#[test]
fn a_no_from_another_terminal_ends_the_run_with_nothing_written() {
    let lab = LabProcess::start(&["--make", "5"]);
    let waits = Waits::start(&lab, SCRIPT, &[]);
    let id = waits.id().to_owned();
    let answered = approve(lab.folder(), "bob", &[&id, "--deny", "--because", "not before Monday"]);
    assert_eq!(code(&answered), 0, "{}", told(&answered));
    let (code_of_run, said) = waits.end();
    assert_eq!(code_of_run, 5, "{said:?}");
    assert!(said.iter().any(|n| n.to_string().contains("not before Monday")), "{said:?}");
    assert!(!endpoints_made(&lab));
}

#[test]
fn somebody_else_has_to_answer_where_the_project_says_so() {
    let lab = LabProcess::start(&["--make", "5"]);
    let script = SCRIPT.replace("[1, 2]", "#{ by_other: true }");
    // Neither the command line nor the same person at another terminal will do.
    let waits = Waits::start(&lab, &script, &["--approve", "endpoint"]);
    let id = waits.id().to_owned();
    assert_eq!(waits.question["by_other"], true);
    let own = approve(lab.folder(), "ann", &[&id]);
    assert_eq!(code(&own), 5, "{}", told(&own));
    assert!(told(&own).contains("somebody else than ann"), "{}", told(&own));
    assert!(!endpoints_made(&lab));
    let other = approve(lab.folder(), "bob", &[&id]);
    assert_eq!(code(&other), 0, "{}", told(&other));
    assert_eq!(waits.end().0, 0);
    assert!(endpoints_made(&lab));
}

#[test]
fn a_question_ends_the_run_when_its_time_is_up_or_nobody_can_be_asked() {
    let lab = LabProcess::start(&["--make", "5"]);
    let script = SCRIPT.replace("[1, 2]", "#{ timeout_hours: 0.00001 }");
    let (code_of_run, said) = Waits::start(&lab, &script, &[]).end();
    assert_eq!(code_of_run, 5, "{said:?}");
    assert!(said.iter().any(|n| n.to_string().contains("nobody answered until")), "{said:?}");
    // Over before anybody could look: it is no open question below.
    let over = script.replace("0.00001", "0.0000001");
    std::fs::write(lab.folder().join("ask.rhai"), over).expect("the folder may be written");
    let alone = run(lab.folder(), &["run", "ask.rhai", "--profile", "lab/profile.toml"]);
    assert_eq!(code(&alone), 5, "{}", told(&alone));
    assert!(!endpoints_made(&lab));
    // It was asked, and an answer would count for the same run.
    std::fs::write(lab.folder().join("ask.rhai"), SCRIPT).expect("the folder may be written");
    let alone = run(lab.folder(), &["run", "ask.rhai", "--profile", "lab/profile.toml"]);
    assert_eq!(code(&alone), 5, "{}", told(&alone));
    let [question] = lines(&approve(lab.folder(), "bob", &["--json"])).try_into().expect("one question");
    assert_eq!(question["state"], "approval");
    let answered = approve(lab.folder(), "bob", &[question["id"].as_str().expect("an id")]);
    assert_eq!(code(&answered), 0, "{}", told(&answered));
    assert!(!endpoints_made(&lab), "nobody is at work on it");
    let resumed = run(lab.folder(), &["resume", "--profile", "lab/profile.toml", "--json"]);
    assert_eq!(code(&resumed), 0, "{}", told(&resumed));
    let by = lines(&resumed).into_iter().find(|n| n["event"] == "answered").expect("it says who answered");
    assert!(by["by"].as_str().is_some_and(|by| by.starts_with("bob") && by.contains(" on 20")), "{by}");
    assert!(endpoints_made(&lab));
}

#[test]
fn without_a_journal_nothing_is_asked_and_nothing_is_made() {
    let folder = crate::support::folder();
    let nothing = approve(folder.path(), "bob", &[]);
    assert_eq!((code(&nothing), out(&nothing).as_str()), (0, ""), "{}", told(&nothing));
    assert_eq!(code(&approve(folder.path(), "bob", &["3fa91c02"])), 1);
    assert_eq!(code(&approve(folder.path(), "bob", &["--deny"])), 2);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}
