//! What the tests share: the program as a child process, a lab beside it, and
//! its control address.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The program under test, without colour and without a home.
pub fn stagepost(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagepost"));
    command.current_dir(folder).env("NO_COLOR", "1").env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// A folder that goes when the test ends.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Runs to the end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    stagepost(folder).args(arguments).output().expect("the program starts")
}

/// Exit code of an output.
pub fn code(output: &Output) -> i32 {
    output.status.code().expect("the program was not killed")
}

/// Standard output as text.
pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Both, for messages of assertions.
pub fn told(output: &Output) -> String {
    format!("exit {:?}\n--- out\n{}\n--- err\n{}", output.status.code(), out(output), err(output))
}

/// The JSON lines of an output.
pub fn lines(output: &Output) -> Vec<Value> {
    out(output).lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
}

/// The summary, the last of the JSON lines.
pub fn summary(output: &Output) -> Value {
    lines(output)
        .into_iter()
        .rev()
        .find(|l| l["event"] == "summary")
        .unwrap_or_else(|| panic!("no summary: {}", told(output)))
}

/// A lab as a process of its own; ended when it is dropped.
pub struct LabProcess {
    child: Child,
    folder: tempfile::TempDir,
    control: String,
}

impl LabProcess {
    /// Starts one and waits for its profile.
    pub fn start(arguments: &[&str]) -> LabProcess {
        let folder = folder();
        let mut child = stagepost(folder.path())
            .args(["lab", "--out", "lab"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        // The table of names comes first, then the profile's path: all listen by then.
        let out = child.stdout.take().expect("a pipe");
        let ready = BufReader::new(out).lines().map_while(Result::ok).any(|l| l.ends_with("profile.toml"));
        assert!(ready, "the lab ended before it was ready");
        let profile = std::fs::read_to_string(folder.path().join("lab/profile.toml")).expect("the profile was written");
        let profile: toml::Value = toml::from_str(&profile).expect("the profile is TOML");
        let control = profile["lab"]["control"].as_str().expect("a control address").to_owned();
        LabProcess { child, folder, control }
    }

    /// The folder in which it was started; `lab/profile.toml` lies in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a name of the profile is served: `127.0.0.1:port`.
    pub fn address(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("lab/profile.toml")).expect("the profile is there");
        let profile: toml::Value = toml::from_str(&text).expect("the profile is TOML");
        profile["map"][name].as_str().unwrap_or_else(|| panic!("{name} is not mapped")).to_owned()
    }

    /// `GET` of the control address.
    pub fn get(&self, path: &str) -> Value {
        self.ask("GET", path, "")
    }

    /// `POST` to the control address.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, &body.to_string())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(&self.control).expect("the lab listens");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("the lab reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the lab answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {head}");
        serde_json::from_str(body).unwrap_or_else(|e| panic!("{method} {path}: {e}: {body}"))
    }
}

impl Drop for LabProcess {
    fn drop(&mut self) {
        // Our own child, by its id.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says that a test is left out; where all are wanted, that is a failure.
pub fn skipped(why: &str) {
    let all = std::env::var("STAGEPOST_TEST_ALL").is_ok_and(|v| v == "yes");
    assert!(!all, "{why}, and a skip is a failure here");
    // Not by `eprintln!`, which a passing test swallows.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
