//! A run that is killed at any moment, and run again: the second one finishes
//! the job, and a third writes nothing. Judged by the lab, which goes on.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::support::{LabProcess, code, lines, run, stagepost, told};

const RUN: [&str; 6] = ["run", "staged", "--profile", "lab/profile.toml", "--yes", "--json"];

/// Kills a run, without any warning, when it tells for the nth time that a step
/// of this name begins.
fn killed_at(lab: &LabProcess, primitive: &str, nth: usize) {
    let mut child = stagepost(lab.folder())
        .args(RUN)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let out = child.stdout.take().expect("a pipe");
    let begins = |line: &String| {
        let note: Value = serde_json::from_str(line).unwrap_or_default();
        note["event"] == "step_began" && note["primitive"] == primitive
    };
    let seen = BufReader::new(out).lines().map_while(Result::ok).filter(begins).take(nth).count();
    child.kill().expect("our own child");
    child.wait().expect("it ends");
    assert_eq!(seen, nth, "the run ended before it came to {primitive}");
}

fn finished_by_the_next(make: &str, seed: &str, kills: &[(&str, usize)]) {
    let lab = LabProcess::start(&["--make", make, "--faults", "usual", "--seed", seed]);
    for (primitive, nth) in kills {
        killed_at(&lab, primitive, *nth);
    }
    let output = run(lab.folder(), &RUN);
    assert_eq!(code(&output), 6, "{}", told(&output));
    let proof = lab.get("/proof");
    assert_eq!(proof["broken"], serde_json::json!([]), "after {kills:?}");
    let open = proof["rows"].as_array().map_or(0, |r| r.iter().filter(|r| r["outcome"] == "broken").count());
    assert_eq!(open, 0);
    let again = run(lab.folder(), &RUN);
    assert_eq!(code(&again), 6, "{}", told(&again));
    let changed: u64 = lines(&again).iter().filter_map(|l| l["changed"].as_u64()).sum();
    assert_eq!((changed, &lab.get("/proof")["writes"]), (0, &proof["writes"]), "a finished run writes nothing");
}

#[test]
fn a_run_that_was_killed_while_a_wave_was_copied_is_finished_by_the_next() {
    finished_by_the_next("60", "1", &[("watch", 2)]);
}

#[test]
fn a_run_that_was_killed_between_its_steps_again_and_again_is_finished() {
    let kills = [("start", 1), ("convert_to_mail_user", 1), ("license::assign", 2), ("set_mx", 1), ("remove", 1)];
    finished_by_the_next("60", "1", &kills);
}

#[test]
fn a_release_that_was_killed_is_finished_and_nobody_is_forwarded_again() {
    finished_by_the_next("200", "3", &[("release", 1), ("release", 1)]);
}

#[test]
fn without_its_journal_a_run_leaves_nobody_in_between() {
    let lab = LabProcess::start(&["--make", "60", "--seed", "1"]);
    killed_at(&lab, "watch", 2);
    std::fs::remove_dir_all(lab.folder().join(".stagepost")).expect("the run left its journal");
    let output = run(lab.folder(), &RUN);
    assert_eq!(code(&output), 3, "{}", told(&output));
    let changed: u64 = lines(&output).iter().filter_map(|l| l["changed"].as_u64()).sum();
    assert_eq!(changed, 0, "somebody else's move is not gone on with");
    let told = told(&output);
    assert!(told.contains("a move that this project did not begin") && told.contains(".stagepost"), "{told}");
}
