//! The wire log: one exchange a line, as JSON.
//!
//! It is how anyone can judge what stagepost really says. Masking has happened
//! before an exchange comes here; nothing is masked or dropped in this file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::{Failure, Kind, Result};
use crate::wire::log::{Exchange, Tap};

/// A file that takes exchanges. Writes are buffered; [`WireLog::finish`] (or
/// the drop) brings them to the disk. A write that fails stops the log, never
/// the run; the first failure is kept and reported once.
#[derive(Debug)]
pub struct WireLog {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: BufWriter<File>,
    lines: u64,
    failed: Option<std::io::Error>,
    stopped: bool,
}

impl WireLog {
    /// Opens the file, replacing one that is there. The folder must exist.
    ///
    /// # Errors
    /// `local`: the file can't be written.
    pub fn create(path: impl AsRef<Path>) -> Result<WireLog> {
        let path = path.as_ref().to_owned();
        let file = File::create(&path).map_err(|e| {
            Failure::new(
                Kind::Local,
                format!("the wire log `{}` can't be written: {}", path.display(), super::folder::plain(&e)),
            )
            .hint("name a file in a folder that exists and that you may write to")
            .on(path.display().to_string())
        })?;
        let state = State { file: BufWriter::with_capacity(1 << 18, file), lines: 0, failed: None, stopped: false };
        Ok(WireLog { path, state: Mutex::new(state) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many exchanges it holds.
    pub fn lines(&self) -> u64 {
        self.lock().lines
    }

    /// Brings everything to the disk.
    ///
    /// # Errors
    /// `local`: the first write that failed since the last call; it is
    /// reported once.
    pub fn finish(&self) -> Result<()> {
        let mut state = self.lock();
        if let Err(e) = state.file.flush() {
            state.stopped = true;
            state.failed.get_or_insert(e);
        }
        match state.failed.take() {
            None => Ok(()),
            Some(e) => Err(Failure::new(
                Kind::Local,
                format!("the wire log `{}` is incomplete: {}", self.path.display(), super::folder::plain(&e)),
            )
            .hint("make room on the disk and run again; the run itself went on without it")
            .on(self.path.display().to_string())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap for WireLog {
    fn exchange(&self, exchange: Exchange) {
        // Printed outside the lock: workers shouldn't wait for each other's JSON.
        let line = serde_json::to_vec(&exchange).map_err(std::io::Error::from).map(|mut line| {
            line.push(b'\n');
            line
        });
        let mut state = self.lock();
        if state.stopped {
            return;
        }
        match line.and_then(|line| state.file.write_all(&line)) {
            Ok(()) => state.lines += 1,
            Err(e) => {
                state.stopped = true;
                state.failed.get_or_insert(e);
            }
        }
    }
}

impl Drop for WireLog {
    fn drop(&mut self) {
        // `BufWriter` flushes by itself; here only to keep the order plain.
        let _ = self.lock().file.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value, json};

    fn exchange(n: u16) -> Exchange {
        Exchange {
            service: "graph",
            method: "GET".into(),
            url: "https://graph.microsoft.com/v1.0/domains".into(),
            request_headers: Map::new(),
            request_body: Value::Null,
            status: Some(n),
            response_headers: Map::new(),
            response_body: json!({ "value": ["a\nb"] }),
        }
    }

    #[test]
    fn every_exchange_is_one_line_of_json() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("wire.jsonl");
        let log = WireLog::create(&path).expect("the folder is writable");
        log.exchange(exchange(200));
        log.exchange(exchange(404));
        log.finish().expect("nothing failed");
        assert_eq!(log.lines(), 2);
        let text = std::fs::read_to_string(&path).expect("the log was written");
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("each line is JSON")).collect();
        assert_eq!(lines[1]["status"], 404);
        assert_eq!(lines[0]["response_body"]["value"][0], "a\nb");
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_clear_failure() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let failure = WireLog::create(folder.path().join("no/wire.jsonl")).expect_err("the folder is missing");
        assert_eq!(failure.kind, Kind::Local);
        assert!(failure.message.contains("wire.jsonl") && failure.hint.is_some());
        assert!(!failure.message.contains("os error"), "{}", failure.message);
    }

    #[test]
    fn a_full_disk_stops_the_log_and_is_reported_once() {
        if !Path::new("/dev/full").exists() {
            return;
        }
        let log = WireLog::create("/dev/full").expect("the device can be opened");
        log.exchange(exchange(200));
        assert_eq!(log.finish().expect_err("the device is full").kind, Kind::Local);
        log.exchange(exchange(200));
        assert_eq!(log.lines(), 1);
    }
}
