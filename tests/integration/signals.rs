//! Ctrl-C: once ends a run, and a script can't catch it; exit code 130.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::{folder, stagepost};

/// Starts a rehearsal of a script, waits until it runs, presses Ctrl-C.
fn interrupted(script: &str) -> Option<i32> {
    let at = folder();
    std::fs::write(at.path().join("loop.rhai"), script).expect("a writable folder");
    let mut child = stagepost(at.path())
        .args(["rehearse", "--json", "--make", "3", "--script", "loop.rhai"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let out = child.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(out).lines().map_while(Result::ok);
    assert!(lines.any(|l| l.contains("\"said\"")), "the script never spoke");
    let pressed =
        Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().expect("a shell is there");
    assert!(pressed.success());
    // Drain, so that the child never waits for a reader.
    lines.for_each(drop);
    child.wait().expect("it ends").code()
}

#[test]
fn an_endless_loop_ends() {
    assert_eq!(interrupted("print(\"here\"); let n = 0; loop { n += 1; }"), Some(130));
}

#[test]
fn a_script_that_catches_everything_ends_all_the_same() {
    assert_eq!(interrupted("print(\"here\"); loop { try { [1].map(|x| { loop { } }); } catch { } }"), Some(130));
}
