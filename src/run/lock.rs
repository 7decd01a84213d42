//! The project's lock: one writer at a time, and who it is.
//!
//! The lock is the operating system's, on a file that lies beside the journal, and
//! goes with the process that holds it. What stands in the file is for people, and
//! for one case that no lock of a system covers: a folder that several machines
//! share, where one of them can't see the lock of another.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use super::journal::Run;
use super::process;
use crate::base::{Failure, Kind, Result};

/// The project's lock while it is held.
///
/// Given back by name and not by closing the file alone: a child process that
/// another thread is just starting has the open file, too, until it becomes its
/// program, and would hold the lock for that moment.
pub(super) struct Lock {
    file: File,
    /// Whether it is ours: what isn't ours is neither cleared nor given back.
    ours: bool,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.ours {
            // Who has given it back is not named any more. Closing the file is
            // left, which the system does in any case.
            let _ = self.file.set_len(0);
            let _ = self.file.unlock();
        }
    }
}

/// Who holds the lock of a project, as they wrote it down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Their name.
    pub user: String,
    /// Their machine.
    pub host: String,
    /// Their process.
    pub process: u64,
    /// Since when, by that machine's clock.
    pub since: String,
    /// The run.
    pub run: String,
}

impl Holder {
    /// What the text of a lock says; `None` if it names nobody.
    pub fn of(text: &str) -> Option<Holder> {
        let value: Value = serde_json::from_str(text).ok()?;
        let word = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let holder = Holder {
            user: word("user"),
            host: word("host"),
            process: value["process"].as_u64()?,
            since: word("clock"),
            run: word("run"),
        };
        Some(holder)
    }

    /// `process 4711 on pc7, since 2026-11-20 09:45:12 UTC`.
    fn words(&self) -> String {
        let since = match self.since.parse::<jiff::Timestamp>() {
            Ok(time) => format!(", since {}", time.strftime("%Y-%m-%d %H:%M:%S UTC")),
            Err(_) => String::new(),
        };
        let place = if self.host.is_empty() { String::new() } else { format!(" on {}", self.host) };
        format!("process {}{place}{since}", self.process)
    }
}

impl Lock {
    /// Takes the lock of a folder, if nobody has it. Who takes it is named in its
    /// file by [`Lock::name`].
    ///
    /// # Errors
    /// `conflict`: somebody has it, or has not given it back on another machine.
    /// `local`: the folder can't be written, or its file system has no locks.
    /// `run_of` tells a run of this folder's journal.
    pub(super) fn take(folder: &Path, run_of: impl Fn(&str) -> Option<Run>) -> Result<Lock> {
        let path = folder.join("lock");
        let mut options = OpenOptions::new();
        let file = options.create(true).read(true).write(true).truncate(false).open(&path).map_err(|e| {
            Failure::new(Kind::Local, format!("{} can't be opened", path.display()))
                .detail(e.to_string())
                .hint("check that the folder exists and may be written")
        })?;
        let locked = file.try_lock();
        let mut lock = Lock { file, ours: false };
        let holder = Holder::of(&lock.text());
        match locked {
            Ok(()) => match holder.filter(|h| !h.host.is_empty() && h.host != process::host()) {
                None => {
                    lock.ours = true;
                    Ok(lock)
                }
                // It is theirs: their name stays in the file.
                Some(holder) => Err(away(folder, &holder, run_of)),
            },
            Err(TryLockError::WouldBlock) => Err(held(folder, holder.as_ref(), run_of)),
            Err(TryLockError::Error(e)) => Err(Failure::new(
                Kind::Local,
                format!("{} can't be locked, so two runs could write at once", path.display()),
            )
            .detail(e.to_string())
            .hint("keep the project on a disk of this machine; some network shares have no locks")),
        }
    }

    /// Another handle of the same open file, as a child process has it between its
    /// fork and its program.
    #[cfg(test)]
    pub(super) fn inherited(&self) -> File {
        self.file.try_clone().expect("a file can be had twice")
    }

    /// Writes down who holds it, and for which run.
    pub(super) fn name(&mut self, run: &str) {
        let mut who = process::who();
        if let Some(map) = who.as_object_mut() {
            map.insert("run".into(), json!(run));
        }
        // For people alone; the lock itself is the system's.
        let _ = self.file.set_len(0).and_then(|()| self.file.rewind()).and_then(|()| writeln!(self.file, "{who}"));
        let _ = self.file.sync_data();
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        // A lock without a name is one all the same.
        let _ = self.file.rewind().and_then(|()| self.file.read_to_string(&mut text));
        text
    }
}

/// Whether a process holds the project's lock at this moment.
pub fn is_held(folder: &Path) -> bool {
    let Ok(file) = OpenOptions::new().read(true).open(folder.join("lock")) else { return false };
    match file.try_lock_shared() {
        Ok(()) => {
            // Closing the file does the same.
            let _ = file.unlock();
            false
        }
        Err(_) => true,
    }
}

fn script_of(run: Option<Run>) -> String {
    run.map(|r| r.script).filter(|s| !s.is_empty()).map_or_else(String::new, |script| format!(" of {script}"))
}

fn held(folder: &Path, holder: Option<&Holder>, run_of: impl Fn(&str) -> Option<Run>) -> Failure {
    let Some(holder) = holder else {
        return Failure::new(Kind::Conflict, format!("another stagepost works in {}", folder.display()))
            .hint("wait until it ends, or end it; the lock goes with the process");
    };
    Failure::new(Kind::Conflict, format!("{} works in this project: {}", holder.user, holder.words()))
        .detail(format!("run {}{}, in {}", holder.run, script_of(run_of(&holder.run)), folder.display()))
        .hint("`stagepost status` shows how far it is, `stagepost cancel` ends it; the lock goes with the process")
}

fn away(folder: &Path, holder: &Holder, run_of: impl Fn(&str) -> Option<Run>) -> Failure {
    Failure::new(
        Kind::Conflict,
        format!("{} took this project on another machine and has not given it back: {}", holder.user, holder.words()),
    )
    .detail(format!("run {}{}, in {}", holder.run, script_of(run_of(&holder.run)), folder.display()))
    .hint(format!(
        "look on {} whether stagepost still works there, since its lock may not reach this machine; if not, remove {} and \
         run again",
        holder.host,
        folder.join("lock").display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody(_: &str) -> Option<Run> {
        None
    }

    #[test]
    fn a_lock_that_was_given_back_names_nobody() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let read = || std::fs::read_to_string(folder.path().join("lock")).expect("the lock's file");
        let mut lock = Lock::take(folder.path(), nobody).expect("it is free");
        lock.name("20261120-094512-417");
        let holder = Holder::of(&read()).expect("it names its holder");
        assert_eq!((holder.process, holder.run.as_str()), (u64::from(std::process::id()), "20261120-094512-417"));
        assert!(holder.since.parse::<jiff::Timestamp>().is_ok() && holder.user == process::user());
        drop(lock);
        assert_eq!(read(), "");
    }

    #[test]
    fn who_is_refused_learns_who_holds_the_project_and_the_way_on() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut lock = Lock::take(folder.path(), nobody).expect("it is free");
        lock.name("20261120-094512-417");
        let told = |id: &str| Some(Run { id: id.into(), script: "scripts/staged.rhai".into(), ..Run::default() });
        let failure = Lock::take(folder.path(), told).map(|_| ()).expect_err("it is held");
        let said = format!("{} {}", failure.message, failure.detail.as_deref().unwrap_or_default());
        assert_eq!(failure.kind, Kind::Conflict);
        for word in [
            process::user(),
            process::host(),
            format!("process {}", std::process::id()),
            "since 20".into(),
            "run 20261120-094512-417 of scripts/staged.rhai".into(),
        ] {
            assert!(said.contains(&word), "`{word}` in: {said}");
        }
        let hint = failure.hint.unwrap_or_default();
        assert!(hint.contains("stagepost status") && hint.contains("stagepost cancel"), "{hint}");
        // Being refused has not taken the holder's name away.
        assert!(Holder::of(&std::fs::read_to_string(folder.path().join("lock")).expect("a file")).is_some());
    }

    #[test]
    fn a_holder_on_another_machine_is_named_and_not_passed_over() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lock");
        let theirs =
            r#"{"user":"bob","host":"somewhere-else","process":4711,"clock":"2026-11-20T09:45:12Z","run":"r7"}"#;
        std::fs::write(&path, theirs).expect("the folder may be written");
        let failure = Lock::take(folder.path(), nobody).map(|_| ()).expect_err("it may still be held there");
        assert_eq!(failure.kind, Kind::Conflict);
        assert_eq!(
            failure.message,
            "bob took this project on another machine and has not given it back: process 4711 on somewhere-else, since \
             2026-11-20 09:45:12 UTC"
        );
        let hint = failure.hint.unwrap_or_default();
        assert!(hint.contains("look on somewhere-else") && hint.contains("lock"), "{hint}");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), theirs, "their name stays");
        // The way on that the message names.
        std::fs::remove_file(&path).expect("it is ours to remove");
        Lock::take(folder.path(), nobody).expect("nobody has it");
    }

    #[test]
    fn what_a_killed_process_of_this_machine_left_is_no_hindrance() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut who = process::who();
        who["run"] = json!("r1");
        std::fs::write(folder.path().join("lock"), who.to_string()).expect("the folder may be written");
        Lock::take(folder.path(), nobody).expect("the lock went with the process");
        // As earlier builds wrote it.
        std::fs::write(folder.path().join("lock"), "4711\n").expect("the folder may be written");
        Lock::take(folder.path(), nobody).expect("the lock went with the process");
    }
}
