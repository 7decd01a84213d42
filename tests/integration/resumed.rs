//! A run that was broken off and goes on under its own id: done steps, edited
//! scripts, calls in doubt, a cancellation from beside. Judged by what reached the
//! lab, which goes on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::support::{LabProcess, code, err, lines, out, run, stagepost, told};

const PROFILE: &str = "lab/profile.toml";

fn lab() -> LabProcess {
    LabProcess::start(&["--make", "30"])
}

fn write(lab: &LabProcess, name: &str, text: &str) {
    std::fs::write(lab.folder().join(name), text).expect("the folder takes a file");
}

fn begin(lab: &LabProcess, script: &str, more: &[&str]) -> Output {
    run(lab.folder(), &[&["run", script, "--profile", PROFILE], more].concat())
}

fn resume(lab: &LabProcess, more: &[&str]) -> Output {
    run(lab.folder(), &[&["resume", "--profile", PROFILE], more].concat())
}

/// Object id of somebody in the cloud.
fn somebody(lab: &LabProcess) -> String {
    lab.get("/world")["tenant"]["users"][0]["id"].as_str().expect("an id").to_owned()
}

/// How many requests of this kind reached a service.
fn requests(lab: &LabProcess, service: &str, what: &str) -> u64 {
    let counts = lab.get("/count");
    let of = counts["requests"][service].as_object().cloned().unwrap_or_default();
    of.iter().filter(|(name, _)| name.contains(what)).filter_map(|(_, n)| n.as_u64()).sum()
}

/// Effective writes of one kind.
fn writes(lab: &LabProcess, kind: &str) -> u64 {
    let world = lab.get("/world");
    let all = world["writes"].as_array().cloned().unwrap_or_default();
    all.iter().filter(|w| w["kind"] == kind).filter_map(|w| w["times"].as_u64()).sum()
}

const STEPS: &str = r#"
let id = step("one", || {
    print("works");
    for user in graph::get("/users?$select=id") { graph::patch(`/users/${user.id}`, #{ usageLocation: "FR" }); }
    [uuid(), now(), random(1, 1000000)]
});
print(`has ${id}`);
sleep(86400);
print(`at ${now()}`);
approve("Go on?");
print("through");
"#;

fn said(output: &Output) -> Vec<String> {
    lines(output)
        .iter()
        .filter(|l| l["event"] == "said")
        .map(|l| l["text"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn done_steps_are_not_done_again_and_answer_as_before() {
    let lab = lab();
    write(&lab, "a.rhai", STEPS);
    let first = begin(&lab, "a.rhai", &["--json", "--approve", "Send "]);
    assert_eq!(code(&first), 5, "{}", told(&first));
    let sent = (requests(&lab, "graph", "PATCH"), writes(&lab, "usage-location"));
    assert!(sent.1 > 0, "{sent:?}");
    let then = lab.get("/clock");
    // Nothing but the last question is left: no wait, no write, the same values.
    let second = resume(&lab, &["--json", "--approve", "Go on"]);
    assert_eq!(code(&second), 0, "{}", told(&second));
    assert_eq!((requests(&lab, "graph", "PATCH"), writes(&lab, "usage-location")), sent);
    assert_eq!(lab.get("/clock"), then, "the wait had passed");
    let (first, second) = (said(&first), said(&second));
    assert_eq!((first[0].as_str(), &first[1..]), ("works", &second[..2]));
    assert_eq!(second[2], "through");
    let again = resume(&lab, &[]);
    assert_eq!(code(&again), 2, "{}", told(&again));
    assert!(err(&again).contains("no run of this tenant is left to go on with"), "{}", told(&again));
    // A new run is a new one.
    let new = begin(&lab, "a.rhai", &["--json", "--yes"]);
    assert_eq!(said(&new)[0], "works");
}

#[test]
fn an_edit_is_shown_as_a_difference_and_needs_a_word() {
    let lab = lab();
    std::fs::create_dir(lab.folder().join("lib")).expect("a fresh folder");
    write(&lab, "lib/own.rhai", "fn word() { \"one\" }\n");
    let script = "import \"own\" as own;\nstep(\"a\", || print(own::word()));\napprove(\"Go on?\");\nprint(\"end\");\n";
    write(&lab, "a.rhai", script);
    assert_eq!(code(&begin(&lab, "a.rhai", &[])), 5);
    // A comment, and a harmful edit of a module: both are shown.
    write(&lab, "a.rhai", &script.replace("approve", "// a person decides\napprove"));
    let refused = resume(&lab, &["--yes"]);
    assert_eq!(code(&refused), 2, "{}", told(&refused));
    let shown = err(&refused);
    for line in ["--- a.rhai, as the run began", "+// a person decides", " approve(\"Go on?\");", "--accept-changes"] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    write(&lab, "lib/own.rhai", "fn word() { \"two\" }\n");
    let refused = resume(&lab, &["--yes", "--json"]);
    assert_eq!(code(&refused), 2);
    let failure =
        lines(&refused).into_iter().find(|l| l["event"] == "failed").unwrap_or_else(|| panic!("{}", told(&refused)));
    let shown = failure.to_string();
    assert!(shown.contains("-fn word() { \\\"one\\\" }") && shown.contains("+fn word() { \\\"two\\\" }"), "{shown}");
    // The refused ones did nothing; with the flag it goes on, and done steps stay done.
    let accepted = resume(&lab, &["--accept-changes", "--yes", "--json"]);
    assert_eq!((code(&accepted), said(&accepted)), (0, vec!["end".to_owned()]), "{}", told(&accepted));
}

#[test]
fn what_was_accepted_is_not_asked_for_again() {
    let lab = lab();
    write(&lab, "a.rhai", "approve(\"Go on?\");\n");
    assert_eq!(code(&begin(&lab, "a.rhai", &[])), 5);
    write(&lab, "a.rhai", "// one\napprove(\"Go on?\");\n");
    assert_eq!(code(&resume(&lab, &["--accept-changes"])), 5);
    let last = resume(&lab, &["--yes"]);
    assert_eq!(code(&last), 0, "{}", told(&last));
}

/// Passes the bytes of one service on, and swallows every answer to a request: the
/// request arrives, its answer never does.
fn swallow_answers(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the system's choice");
    let address = listener.local_addr().expect("it listens").to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(&to).expect("the lab listens");
            let asked = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            let (mut from, mut into) = (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
            let heard = asked.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 16_384];
                while let Ok(n @ 1..) = from.read(&mut buffer) {
                    if !heard.load(std::sync::atomic::Ordering::SeqCst) && into.write_all(&buffer[..n]).is_err() {
                        return;
                    }
                }
            });
            let (mut client, mut server) = (client, server);
            std::thread::spawn(move || {
                // Of the client's records of application data the first is the end of its
                // handshake, the second is the request (RFC 8446, section 5).
                let (mut head, mut data) = ([0; 5], 0);
                while client.read_exact(&mut head).is_ok() {
                    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
                    if client.read_exact(&mut body).is_err() {
                        return;
                    }
                    data += u32::from(head[0] == 0x17);
                    if data == 2 {
                        asked.store(true, std::sync::atomic::Ordering::SeqCst);
                    }
                    if server.write_all(&head).and_then(|()| server.write_all(&body)).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn spawned(lab: &LabProcess, arguments: &[&str]) -> Child {
    let mut command: Command = stagepost(lab.folder());
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// A run that was killed after its raw call was carried out and before the answer
/// came.
fn killed_in_doubt() -> (LabProcess, String) {
    let lab = lab();
    let who = somebody(&lab);
    write(
        &lab,
        "a.rhai",
        &format!("let r = graph::patch(\"/users/{who}\", #{{ usageLocation: \"FR\" }});\nprint(\"behind it\");\n"),
    );
    let through = swallow_answers(lab.address("graph.microsoft.com:443"));
    let profile = std::fs::read_to_string(lab.folder().join(PROFILE)).expect("the lab wrote it");
    // One port serves many names of the lab; only this one goes through the relay.
    let graph = profile.lines().find(|line| line.contains("graph.microsoft.com:443")).expect("Graph has an address");
    let own = profile.replace(graph, &graph.replace(&lab.address("graph.microsoft.com:443"), &through));
    assert_ne!(own, profile);
    write(&lab, "lab/through.toml", &own);
    let mut child = spawned(&lab, &["run", "a.rhai", "--profile", "lab/through.toml", "--yes"]);
    while writes(&lab, "usage-location") == 0 {
        assert!(child.try_wait().expect("our own child").is_none(), "the run ended");
        std::thread::yield_now();
    }
    child.kill().expect("our own child");
    child.wait().expect("it ends");
    (lab, who)
}

#[test]
fn a_raw_call_in_doubt_is_never_repeated_and_answers_once_it_is_known_as_applied() {
    let (lab, who) = killed_in_doubt();
    let stopped = resume(&lab, &["--yes"]);
    assert_eq!(code(&stopped), 4, "{}", told(&stopped));
    let shown = err(&stopped);
    for word in ["nobody knows what became of it", "Invoke-MgGraphRequest GET", "stagepost resolve ", "--not-applied"] {
        assert!(shown.contains(word), "{word} is not in {shown}");
    }
    // A new run doesn't repeat it, either.
    assert_eq!(code(&begin(&lab, "a.rhai", &["--yes"])), 4);
    assert_eq!(requests(&lab, "graph", "PATCH"), 1);
    let listed = run(lab.folder(), &["resolve", "--json"]);
    assert_eq!(code(&listed), 4, "{}", told(&listed));
    let doubt = &lines(&listed)[0];
    assert_eq!(doubt["target"], format!("PATCH /users/{who}"));
    assert_eq!(lines(&listed).len(), 1, "the run that was refused has sent nothing");
    assert!(out(&run(lab.folder(), &["resolve"])).contains("Invoke-MgGraphRequest GET"));
    let number = doubt["number"].to_string();
    for wrong in
        [vec!["resolve", "999", "--applied", "--because", "x"], vec!["resolve", &number, "--applied", "--because", " "]]
    {
        assert_eq!(code(&run(lab.folder(), &wrong)), 2, "{wrong:?}");
    }
    let kept = run(lab.folder(), &["resolve", &number, "--applied", "--because", "she is in FR"]);
    assert_eq!(code(&kept), 0, "{}", told(&kept));
    assert_eq!(code(&run(lab.folder(), &["resolve"])), 0, "nothing is left");
    let id = doubt["run"].as_str().expect("an id").to_owned();
    let through = resume(&lab, &[&id, "--yes", "--json"]);
    assert_eq!((code(&through), said(&through)), (0, vec!["behind it".to_owned()]), "{}", told(&through));
    assert_eq!(requests(&lab, "graph", "PATCH"), 1, "it was not sent again");
}

#[test]
fn a_raw_call_that_was_not_applied_is_sent_after_a_person_said_so() {
    let (lab, _) = killed_in_doubt();
    let listed = run(lab.folder(), &["resolve", "--json"]);
    let doubt = lines(&listed)[0].clone();
    let run_id = doubt["run"].as_str().expect("an id").to_owned();
    let kept = run(lab.folder(), &["resolve", &run_id, "--not-applied", "--because", "looked"]);
    assert_eq!(code(&kept), 0, "{}", told(&kept));
    let through = resume(&lab, &["--yes", "--json"]);
    assert_eq!((code(&through), said(&through)), (0, vec!["behind it".to_owned()]), "{}", told(&through));
    assert_eq!(requests(&lab, "graph", "PATCH"), 2, "and sent once more");
}

#[test]
fn a_run_is_cancelled_from_beside() {
    let lab = lab();
    write(&lab, "a.rhai", "print(\"begun\");\nloop { sleep(1); }\n");
    let mut child = spawned(&lab, &["run", "a.rhai", "--profile", PROFILE, "--json"]);
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut notes = output.lines().map_while(Result::ok);
    assert!(notes.any(|line| line.contains("begun")), "it says so");
    let cancelled = run(lab.folder(), &["cancel", "--json"]);
    assert_eq!(code(&cancelled), 0, "{}", told(&cancelled));
    assert_eq!(lines(&cancelled)[0]["at_work"], Value::Bool(true));
    // Read to its end, or it would wait for room in the pipe.
    let _ = notes.count();
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    // Without a name it is not gone on with, and by its name it is.
    let open = resume(&lab, &[]);
    assert_eq!(code(&open), 2, "{}", told(&open));
    let id = lines(&cancelled)[0]["run"].as_str().expect("an id").to_owned();
    write(&lab, "a.rhai", "print(\"begun\");\n");
    let again = resume(&lab, &[&id, "--accept-changes"]);
    assert_eq!(code(&again), 0, "{}", told(&again));
    assert_eq!(code(&run(lab.folder(), &["cancel"])), 2, "no run is left");
}

#[test]
fn a_run_that_nobody_works_on_is_only_marked() {
    let lab = lab();
    write(&lab, "a.rhai", "approve(\"Go on?\");\n");
    assert_eq!(code(&begin(&lab, "a.rhai", &[])), 5);
    let cancelled = run(lab.folder(), &["cancel"]);
    assert_eq!(code(&cancelled), 0, "{}", told(&cancelled));
    assert!(err(&cancelled).contains("nobody was at work on it"), "{}", told(&cancelled));
    assert_eq!(code(&resume(&lab, &[])), 2);
}

#[test]
fn the_standard_script_is_gone_on_with_under_the_same_id() {
    let lab = lab();
    let mut child = spawned(&lab, &["run", "staged", "--profile", PROFILE, "--yes", "--json"]);
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let seen = output.lines().map_while(Result::ok).any(|l| {
        let note: Value = serde_json::from_str(&l).unwrap_or_default();
        note["event"] == "step_began" && note["primitive"] == "convert_to_mail_user"
    });
    child.kill().expect("our own child");
    child.wait().expect("it ends");
    assert!(seen);
    let through = resume(&lab, &["--yes", "--json"]);
    assert!(matches!(code(&through), 0 | 6), "{}", told(&through));
    assert_eq!(lab.get("/proof")["broken"], serde_json::json!([]));
}
