//! How long a resumed run takes to its first new action, the whole process: with
//! the journal of a company that was moved already, its list in a step.
//!
//! `cargo bench --bench resume`; `STAGEPOST_BENCH_ROWS` changes the size of the
//! company. The bound is one second for 2,000 mailboxes and five for 100,000.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stagepost::run::journal::{Event, Journal, Kind, Owner};
use stagepost::run::sqlite::{Looking, append_beside};

fn main() {
    let sizes: Vec<usize> = match std::env::var("STAGEPOST_BENCH_ROWS").ok().and_then(|n| n.parse().ok()) {
        Some(rows) => vec![rows],
        None => vec![2_000, 100_000],
    };
    for rows in sizes {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut lab = lab(folder.path());
        write_company(folder.path(), rows);
        let bytes = std::fs::metadata(folder.path().join(".stagepost/journal.sqlite")).map_or(0, |m| m.len());
        let mut took: Vec<Duration> = (0..5).map(|_| resume(folder.path())).collect();
        took.sort();
        tell(&format!(
            "{rows} mailboxes, journal of {} MB: {:.2} s to the first new action (of 5: {:.2} to {:.2})",
            bytes >> 20,
            took[2].as_secs_f64(),
            took[0].as_secs_f64(),
            took[4].as_secs_f64(),
        ));
        lab.kill().expect("our own child");
        lab.wait().expect("it ends");
    }
}

fn tell(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("somebody reads");
}

fn stagepost(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagepost"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    command
}

fn lab(folder: &Path) -> Child {
    let mut child = stagepost(folder, &["lab", "--out", "lab", "--make", "30"]).spawn().expect("the program starts");
    let out = child.stdout.take().expect("a pipe");
    let ready = BufReader::new(out).lines().map_while(Result::ok).any(|l| l.ends_with("profile.toml"));
    assert!(ready, "the lab ended");
    child
}

fn address(n: usize) -> String {
    format!("given.family{n}@contoso.test")
}

/// A run that stopped at a question, and in its journal what the move of the whole
/// company writes.
fn write_company(folder: &Path, rows: usize) {
    let list: String = (0..rows).map(|n| format!("{}\r\n", address(n))).collect();
    std::fs::write(folder.join("list.csv"), format!("EmailAddress\r\n{list}")).expect("a list");
    let script = "let list = step(\"list\", || mailboxes::read(\"list.csv\"));\napprove(\"Go on?\");\nprint(`first of ${list.len}`);\n";
    std::fs::write(folder.join("a.rhai"), script).expect("a script");
    let begun = stagepost(folder, &["run", "a.rhai", "--profile", "lab/profile.toml"]).output().expect("it starts");
    assert_eq!(begun.status.code(), Some(5), "it asks");
    let nobody = Owner { project: String::new(), tenant: String::new(), run: String::new() };
    let home = folder.join(".stagepost");
    let run = Looking::open(&home, nobody).and_then(|j| j.runs()).expect("readable").pop().expect("it began");
    let owner = Owner { project: run.project.clone(), tenant: run.tenant.clone(), run: run.id.clone() };
    let time = run.last;
    let event = |kind, operation: &str, target: String, body: Value| Event {
        kind,
        time,
        operation: operation.into(),
        target,
        body,
    };
    let image = |n: usize| {
        json!({"dn": format!("CN=Given Family{n},OU=People,DC=contoso,DC=test"), "proxyAddresses":
            (0..6).map(|a| format!("smtp:alias{a}.{}", address(n))).collect::<Vec<_>>(),
            "homeMDB": "CN=Mailbox Store,CN=First Storage Group,CN=InformationStore,CN=EX07,CN=Servers,CN=Exchange",
            "legacyExchangeDN": format!("/o=Contoso/ou=First Administrative Group/cn=Recipients/cn=family{n}"),
            "memberOf": (0..8).map(|g| format!("CN=Group {g},OU=Groups,DC=contoso,DC=test")).collect::<Vec<_>>()})
    };
    for first in (0..rows).step_by(2_000) {
        let wave: Vec<usize> = (first..rows.min(first + 2_000)).collect();
        let name = format!("wave-{:03}", first / 2_000 + 1);
        let addresses: Vec<String> = wave.iter().map(|n| address(*n)).collect();
        let applied = || json!({"state": "applied", "after": null});
        let mut events: Vec<Event> =
            wave.iter().map(|n| event(Kind::Baseline, "start", address(*n), image(*n))).collect();
        let planned = json!({"before": null, "planned": {"rows": wave.len(), "addresses": addresses}, "repeat": "unique_by_name"});
        events.push(event(Kind::Intent, "batch", name.clone(), planned));
        events.push(event(Kind::Outcome, "batch", name.clone(), applied()));
        events.push(event(Kind::Intent, "start", name.clone(), json!({"repeat": "idempotent"})));
        events.push(event(Kind::Outcome, "start", name.clone(), applied()));
        for n in &wave {
            let licence =
                json!({"before": {"licences": []}, "planned": {"licence": "EXCHANGESTANDARD"}, "repeat": "idempotent"});
            events.push(event(Kind::Intent, "license::assign", address(*n), licence));
            events.push(event(Kind::Outcome, "license::assign", address(*n), applied()));
        }
        events.push(event(
            Kind::Outcome,
            "watch",
            name,
            json!({"synced": addresses, "failed": {}, "seen_to_end": true}),
        ));
        for n in &wave {
            let intent = json!({"before": image(*n), "planned": image(*n), "repeat": "guarded"});
            events.push(event(Kind::Intent, "convert_to_mail_user", address(*n), intent));
            let outcome = json!({"state": "applied", "after": image(*n)});
            events.push(event(Kind::Outcome, "convert_to_mail_user", address(*n), outcome));
        }
        append_beside(&home, &owner, &events).expect("room on the disk");
    }
}

/// From the start of the process to the first thing that the run did not do before.
fn resume(folder: &Path) -> Duration {
    let began = Instant::now();
    let arguments = ["resume", "--profile", "lab/profile.toml", "--json"];
    let mut child = stagepost(folder, &arguments).spawn().expect("the program starts");
    let out = child.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(out).lines().map_while(Result::ok);
    // The question is the first new action; nobody answers it, so that the next
    // resume comes to it, too.
    assert!(lines.any(|l| l.contains("\"asked\"")), "it asks");
    let took = began.elapsed();
    assert_eq!(child.wait().expect("it ends").code(), Some(5));
    took
}
