//! The process behind a run: who works on it, on which machine, since when, and
//! how its work ended. One run may have several processes, one after the other.

use serde_json::{Value, json};

use super::journal::Kind;
use super::plan::Pin;
use super::session::Session;
use crate::base::{Result, Timestamp};

/// Who this process is, for the journal and for whoever finds the project
/// locked: user, machine, process, version, and the system's time.
pub fn who() -> Value {
    json!({
        "user": user(),
        "host": host(),
        "process": std::process::id(),
        "stagepost": env!("CARGO_PKG_VERSION"),
        "clock": Timestamp::now().to_string(),
    })
}

/// The user who works here, as the system calls them.
pub fn user() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
        .unwrap_or_else(|| "somebody".to_owned())
}

/// The machine's name; empty where the system doesn't tell.
pub fn host() -> String {
    let file = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = std::env::var("COMPUTERNAME").ok().or_else(file).or_else(|| std::env::var("HOSTNAME").ok());
    name.unwrap_or_default().trim().to_owned()
}

/// Records that a run begins.
///
/// # Errors
/// The journal can't be written.
pub fn begin(session: &Session, verb: &str, script: &str, pins: &[Pin]) -> Result<()> {
    let body = json!({"verb": verb, "script": script, "profile": session.profile().name, "who": who(), "pins": pins});
    session.record(Kind::Began, verb, script, body)
}

/// Records that this process ends its work on the run.
///
/// # Errors
/// The journal can't be written.
pub fn end(session: &Session, code: u8) -> Result<()> {
    let state = match code {
        0 | 6 => "ended",
        130 => "interrupted",
        4 => "in_doubt",
        5 => "approval",
        _ => "failed",
    };
    session.record(Kind::Ended, "end", "", json!({"code": code, "state": state, "who": who()}))
}
