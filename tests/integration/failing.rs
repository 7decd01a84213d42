//! Runs that can't write their journal, that are stopped by another run, or that
//! kill themselves: nothing is written that isn't recorded, and the next run
//! finishes. Judged by the lab, which goes on.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use stagepost::run::journal::{Journal, Kind, Owner};
use stagepost::run::sqlite::Looking;

use crate::support::{LabProcess, code, folder, lines, out, stagepost, told};

/// A run of the standard script in a folder of its own, against a lab.
fn command(lab: &LabProcess, folder: &Path, verb: &[&str]) -> Command {
    let mut command = stagepost(folder);
    let profile = lab.folder().join("lab/profile.toml");
    command.args(verb).arg("--profile").arg(profile).args(["--yes", "--json"]);
    command
}

fn run(lab: &LabProcess, folder: &Path) -> Output {
    command(lab, folder, &["run", "staged"]).output().expect("the program starts")
}

/// What took effect in the lab's world: object in lower case → kinds of change.
fn written(lab: &LabProcess) -> BTreeMap<String, Vec<String>> {
    let mut written: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for write in lab.get("/world")["writes"].as_array().expect("a list") {
        let text = |key: &str| write[key].as_str().unwrap_or_default().to_lowercase();
        written.entry(text("object").trim_end_matches('.').to_owned()).or_default().push(text("kind"));
    }
    written
}

/// Everything in the world that took effect has its intent in the folder's journal.
fn all_is_recorded(lab: &LabProcess, folder: &Path, what: &str) {
    let owner = Owner { project: String::new(), tenant: String::new(), run: String::new() };
    let journal = Looking::open(&folder.join(".stagepost"), owner).expect("the journal can be read");
    let mut intents = Vec::new();
    for run in journal.runs().expect("the journal can be read") {
        let events = journal.read(&run.id).expect("the journal can be read");
        let targets = events.iter().filter(|s| s.event.kind == Kind::Intent).map(|s| s.event.target.to_lowercase());
        intents.extend(targets);
    }
    for (object, kinds) in written(lab) {
        // `contoso.test` is written by changes of `contoso.test MX` and its kin.
        let known = intents.iter().any(|t| *t == object || t.strip_prefix(&object).is_some_and(|r| r.starts_with(' ')));
        assert!(known, "{what}: {object} was written ({}) and the journal knows nothing of it", kinds.join(", "));
    }
}

fn proved(lab: &LabProcess, what: &str) {
    let proof = lab.get("/proof");
    assert_eq!(proof["broken"], json!([]), "{what}");
    let rows = proof["rows"].as_array().expect("a list");
    assert!(rows.iter().all(|r| r["outcome"] == "moved"), "{what}: {proof}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_a_run_before_a_write_that_is_not_recorded() {
    let lab = LabProcess::start(&["--make", "30", "--seed", "9"]);
    lab.post("/snapshot", &json!({"name": "before"}));
    let mut stopped = 0;
    // Kibibytes that a file may have. The smallest has no room for the tables, the
    // largest nearly for all.
    for limit in [8, 48, 100, 160, 220, 280, 340] {
        lab.post("/restore", &json!({"name": "before"}));
        let folder = folder();
        let plain = command(&lab, folder.path(), &["run", "staged"]);
        let mut limited = Command::new("bash");
        limited.current_dir(folder.path()).env("NO_COLOR", "1").stdin(Stdio::null());
        limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\""));
        let output = limited.arg(plain.get_program()).args(plain.get_args()).output().expect("there is a bash");
        let what = format!("{limit} KiB");
        if code(&output) == 0 {
            proved(&lab, &what);
            continue;
        }
        stopped += 1;
        let text = told(&output);
        assert_eq!(code(&output), 1, "{what}: {text}");
        assert!(text.contains("the journal") && text.contains("hint"), "{what}: {text}");
        assert!(text.contains("can't be written") || text.contains("can't be opened"), "{what}: {text}");
        if folder.path().join(".stagepost/journal.sqlite").exists() && limit > 8 {
            all_is_recorded(&lab, folder.path(), &what);
        } else {
            assert_eq!(written(&lab), BTreeMap::new(), "{what}");
        }
        // With room again, the next one finishes.
        let after = run(&lab, folder.path());
        assert_eq!(code(&after), 0, "after {what}: {}", told(&after));
        proved(&lab, &what);
        all_is_recorded(&lab, folder.path(), &what);
    }
    assert!(stopped >= 4, "only {stopped} were stopped");
}

#[test]
fn a_journal_that_can_not_be_made_or_read_stops_a_run_at_once() {
    let lab = LabProcess::start(&["--make", "10", "--seed", "9"]);
    // A file in place of the folder; something else in place of the journal.
    for damage in ["folder", "file"] {
        let folder = folder();
        let place = folder.path().join(".stagepost");
        if damage == "folder" {
            std::fs::write(&place, "no folder").expect("a file");
        } else {
            std::fs::create_dir(&place).expect("a folder");
            std::fs::write(place.join("journal.sqlite"), "no journal ".repeat(500)).expect("a file");
        }
        let output = run(&lab, folder.path());
        let text = told(&output);
        assert_eq!(code(&output), 1, "{text}");
        assert!(text.contains(".stagepost") && text.contains("hint"), "{text}");
        assert_eq!(written(&lab), BTreeMap::new());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_can_not_be_written_stops_a_run_at_once() {
    let lab = LabProcess::start(&["--make", "10", "--seed", "9"]);
    let folder = folder();
    // The system's own tree: nobody may write there, not even root.
    std::os::unix::fs::symlink("/sys", folder.path().join(".stagepost")).expect("a link");
    let output = run(&lab, folder.path());
    let text = told(&output);
    assert_eq!(code(&output), 1, "{text}");
    assert!(text.contains(".stagepost/lock can't be opened") && text.contains("may be written"), "{text}");
    assert_eq!(written(&lab), BTreeMap::new());
}

/// A run that is held still at the beginning of a step, as if it were slow.
#[cfg(unix)]
struct Held {
    child: std::process::Child,
    rest: BufReader<std::process::ChildStdout>,
}

#[cfg(unix)]
impl Held {
    fn at(lab: &LabProcess, folder: &Path, primitive: &str) -> Held {
        let mut child = command(lab, folder, &["run", "staged"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut rest = BufReader::new(child.stdout.take().expect("a pipe"));
        loop {
            let mut line = String::new();
            assert_ne!(rest.read_line(&mut line).expect("a pipe"), 0, "the run ended before {primitive}");
            let note: Value = serde_json::from_str(&line).unwrap_or_default();
            if note["event"] == "step_began" && note["primitive"] == primitive {
                break;
            }
        }
        let held = Held { child, rest };
        held.signal("-STOP");
        held
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("there is a kill");
        assert!(sent.success());
    }

    /// Lets it go on to its end.
    fn finish(mut self) -> Option<i32> {
        self.signal("-CONT");
        while (&mut self.rest).lines().next().is_some() {}
        self.child.wait().expect("it ends").code()
    }
}

#[cfg(unix)]
#[test]
fn a_second_run_in_one_project_is_refused_and_writes_nothing() {
    let lab = LabProcess::start(&["--make", "30", "--seed", "9"]);
    let folder = folder();
    let first = Held::at(&lab, folder.path(), "convert_to_mail_user");
    let before = lab.get("/world")["writes"].clone();
    for verb in [&["run", "staged"][..], &["resume"][..]] {
        let second = command(&lab, folder.path(), verb).output().expect("the program starts");
        let text = told(&second);
        assert_eq!(code(&second), 1, "{text}");
        assert!(text.contains("somebody works in this project"), "{text}");
    }
    // What was under way may have come to its end; nothing new began.
    let after = lab.get("/world")["writes"].clone();
    let of = |writes: &Value| {
        let kinds =
            writes.as_array().into_iter().flatten().map(|w| (w["kind"].clone().to_string(), w["service"].to_string()));
        kinds.collect::<std::collections::BTreeSet<_>>()
    };
    let fresh: Vec<_> = of(&after).difference(&of(&before)).cloned().collect();
    assert!(fresh.iter().all(|(kind, _)| kind == "\"convert\""), "{fresh:?}");
    assert_eq!(first.finish(), Some(0));
    proved(&lab, "the first run");
}

#[cfg(unix)]
#[test]
fn a_second_operator_does_not_go_on_with_the_work_of_the_first() {
    let lab = LabProcess::start(&["--make", "30", "--seed", "9"]);
    let (one, other) = (folder(), folder());
    let first = Held::at(&lab, one.path(), "convert_to_mail_user");
    let second = run(&lab, other.path());
    let text = told(&second);
    assert_eq!(code(&second), 3, "{text}");
    assert!(text.contains("a move that this project did not begin"), "{text}");
    let changed: u64 = lines(&second).iter().filter_map(|l| l["changed"].as_u64()).sum();
    assert_eq!(changed, 0, "somebody else's move is not gone on with");
    assert_eq!(first.finish(), Some(0));
    proved(&lab, "the first operator");
    all_is_recorded(&lab, one.path(), "the first operator");
    // When the first is through, there is nothing left to do for the second.
    let again = run(&lab, other.path());
    assert_eq!(out(&again).matches("\"what\":\"converted\"").count(), 0);
    proved(&lab, "both");
}

/// The program kills itself at a point, without a word, and is resumed. Only of a
/// build with the feature: `cargo test --features crash-points`.
#[cfg(all(unix, feature = "crash-points"))]
#[test]
fn a_run_that_kills_itself_at_a_point_is_finished_by_the_next() {
    use std::os::unix::process::ExitStatusExt;

    let lab = LabProcess::start(&["--make", "30", "--seed", "9"]);
    lab.post("/snapshot", &json!({"name": "before"}));
    let mut deaths = 0;
    let mut at = 3_u64;
    loop {
        lab.post("/restore", &json!({"name": "before"}));
        let folder = folder();
        let mut killing = command(&lab, folder.path(), &["run", "staged"]);
        let output = killing.env("STAGEPOST_CRASH_AT", at.to_string()).output().expect("the program starts");
        let died = output.status.signal() == Some(9);
        if died {
            deaths += 1;
            if folder.path().join(".stagepost/journal.sqlite").exists() {
                all_is_recorded(&lab, folder.path(), &format!("point {at}"));
            }
            let resumed = command(&lab, folder.path(), &["resume"]).output().expect("the program starts");
            // Killed before its first event, there is nothing to resume.
            let ended = if code(&resumed) == 0 { resumed } else { run(&lab, folder.path()) };
            assert_eq!(code(&ended), 0, "after point {at}: {}", told(&ended));
        } else {
            assert_eq!(code(&output), 0, "{}", told(&output));
        }
        proved(&lab, &format!("point {at}"));
        if !died {
            break;
        }
        at += if std::env::var("STAGEPOST_CRASH_POINTS").is_ok_and(|v| v == "all") { 1 } else { 61 };
    }
    assert!(deaths > 5, "{deaths}");
}
