//! Two runs of one project at once, a holder that was killed, and one on another
//! machine.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::{LabProcess, code, err, run, stagepost, told};

const RUN: [&str; 5] = ["run", "endpoint.rhai", "--profile", "lab/profile.toml", "--yes"];

/// A lab with two scripts: one makes the endpoint, one waits for an answer first.
fn lab() -> LabProcess {
    let lab = LabProcess::start(&["--make", "5"]);
    for (name, text) in [("endpoint.rhai", ""), ("waits.rhai", "approve(\"Begin?\");\n")] {
        let text = format!("{text}endpoint(\"on-premises\");\n");
        std::fs::write(lab.folder().join(name), text).expect("the folder may be written");
    }
    lab
}

/// A run that holds the project until somebody answers.
fn holder(lab: &LabProcess) -> Child {
    let mut child = stagepost(lab.folder())
        .args(["run", "waits.rhai", "--profile", "lab/profile.toml", "--wait-for-approval", "--json"])
        .env("USER", "ann")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let out = child.stdout.take().expect("a pipe");
    let asks = |line: String| serde_json::from_str::<Value>(&line).is_ok_and(|note| note["event"] == "question");
    assert!(BufReader::new(out).lines().map_while(Result::ok).any(asks), "it waits");
    child
}

fn endpoints_made(lab: &LabProcess) -> bool {
    lab.get("/count").to_string().contains("New-MigrationEndpoint")
}

#[test]
fn a_second_run_is_told_who_holds_the_project_and_writes_nothing() {
    let lab = lab();
    let mut first = holder(&lab);
    let second = run(lab.folder(), &RUN);
    assert_eq!(code(&second), 1, "{}", told(&second));
    let said = err(&second);
    for word in ["ann works in this project", &format!("process {}", first.id()), "since 20", "waits.rhai"] {
        assert!(said.contains(word), "`{word}` in {said}");
    }
    assert!(said.contains("stagepost status") && said.contains("stagepost cancel"), "{said}");
    assert!(!endpoints_made(&lab));
    // The lock goes with the process, however that ends.
    first.kill().expect("our own child");
    first.wait().expect("it ends");
    let third = run(lab.folder(), &RUN);
    assert_eq!(code(&third), 0, "{}", told(&third));
    assert!(endpoints_made(&lab));
}

#[test]
fn a_holder_on_another_machine_is_named_and_not_passed_over() {
    let lab = lab();
    let journal = lab.folder().join(".stagepost");
    std::fs::create_dir_all(&journal).expect("the folder may be written");
    let theirs = json!({
        "user": "bob", "host": "somewhere-else", "process": 4711, "clock": "2026-11-20T09:45:12Z", "run": "r7",
    });
    std::fs::write(journal.join("lock"), theirs.to_string()).expect("the folder may be written");
    let refused = run(lab.folder(), &RUN);
    assert_eq!(code(&refused), 1, "{}", told(&refused));
    let said = err(&refused);
    assert!(said.contains("bob took this project on another machine") && said.contains("somewhere-else"), "{said}");
    assert!(!endpoints_made(&lab));
    // The way on that the message names.
    std::fs::remove_file(journal.join("lock")).expect("it may be removed");
    let goes = run(lab.folder(), &RUN);
    assert_eq!(code(&goes), 0, "{}", told(&goes));
}
