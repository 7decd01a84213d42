//! The journal in SQLite: one file beside the project, WAL, every commit on
//! disk before it returns.
//!
//! The file's schema carries a version (`PRAGMA user_version`); a newer one than
//! this build knows is refused, never guessed at.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, params};

use super::journal::{Event, Journal, Kind, Owner, Stored, chain};
use crate::base::{self, Failure, Result};

const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE event (
    number    INTEGER PRIMARY KEY,
    project   TEXT NOT NULL,
    tenant    TEXT NOT NULL,
    run       TEXT NOT NULL,
    kind      TEXT NOT NULL,
    time      TEXT NOT NULL,
    operation TEXT NOT NULL,
    target    TEXT NOT NULL,
    body      TEXT NOT NULL,
    hash      TEXT NOT NULL
) STRICT;
CREATE INDEX event_run ON event (run, number);
CREATE INDEX event_baseline ON event (target) WHERE kind = 'baseline';
CREATE TRIGGER event_stays BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are only appended'); END;
CREATE TRIGGER event_remains BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are only appended'); END;
";

/// An open journal, with the project's lock held.
pub struct SqliteJournal {
    owner: Owner,
    inner: Mutex<Inner>,
    // Given back when the journal is closed, and by the operating system when the
    // process dies.
    _lock: Lock,
}

/// The project's lock while it is held.
///
/// Given back by name and not by closing the file alone: a child process that
/// another thread is just starting has the open file, too, until it becomes its
/// program, and would hold the lock for that moment.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is left, which the system does in any case.
        let _ = self.0.unlock();
    }
}

struct Inner {
    connection: Connection,
    last: (u64, String),
}

impl SqliteJournal {
    /// Opens (or makes) `folder/journal.sqlite` for one writer.
    ///
    /// # Errors
    /// The folder can't be written, another process holds the project, or the
    /// file is of a newer stagepost.
    pub fn open(folder: &Path, owner: Owner) -> Result<SqliteJournal> {
        std::fs::create_dir_all(folder).map_err(|e| local(folder, "made", &e))?;
        let lock = take_lock(folder)?;
        let path = folder.join("journal.sqlite");
        let connection = Connection::open(&path).map_err(|e| broken(&path, &e))?;
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;")
            .map_err(|e| broken(&path, &e))?;
        let version: i64 =
            connection.query_row("PRAGMA user_version", [], |r| r.get(0)).map_err(|e| broken(&path, &e))?;
        match version {
            0 => connection
                .execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;"))
                .map_err(|e| broken(&path, &e))?,
            VERSION => {}
            newer => return Err(too_new(&path, newer)),
        }
        let last = connection
            .query_row("SELECT number, hash FROM event ORDER BY number DESC LIMIT 1", [], |r| {
                Ok((r.get::<_, i64>(0)?.unsigned_abs(), r.get(1)?))
            })
            .or_else(|e| if e == rusqlite::Error::QueryReturnedNoRows { Ok((0, String::new())) } else { Err(e) })
            .map_err(|e| broken(&path, &e))?;
        Ok(SqliteJournal { owner, inner: Mutex::new(Inner { connection, last }), _lock: lock })
    }
}

fn take_lock(folder: &Path) -> Result<Lock> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| local(&path, "opened", &e))?;
    match file.try_lock() {
        Ok(()) => {
            // Only for people who look; the lock itself is the system's.
            let _ = file.set_len(0).and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
            Ok(Lock(file))
        }
        Err(_) => {
            let holder = std::fs::read_to_string(&path).unwrap_or_default();
            Err(Failure::new(base::Kind::Conflict, format!("another stagepost works in {}", folder.display()))
                .detail(format!("process {}", holder.trim()))
                .hint("wait until it ends, or end it; the lock goes with the process"))
        }
    }
}

impl Journal for SqliteJournal {
    fn append(&self, events: &[Event]) -> Result<Vec<u64>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = inner.last.clone();
        let numbers = (|| {
            let transaction = inner.connection.transaction()?;
            let mut numbers = Vec::with_capacity(events.len());
            {
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO event (number, project, tenant, run, kind, time, operation, target, body, hash)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?;
                for event in events {
                    let number = last.0 + 1;
                    let hash = chain(&last.1, &self.owner, number, event);
                    insert.execute(params![
                        number.cast_signed(),
                        self.owner.project,
                        self.owner.tenant,
                        self.owner.run,
                        event.kind.word(),
                        event.time.to_string(),
                        event.operation,
                        event.target,
                        event.body.to_string(),
                        hash,
                    ])?;
                    numbers.push(number);
                    last = (number, hash);
                }
            }
            transaction.commit()?;
            Ok(numbers)
        })()
        .map_err(|e: rusqlite::Error| {
            Failure::new(base::Kind::Local, "the journal can't be written; nothing is sent that isn't recorded")
                .detail(e.to_string())
                .hint("free space on the disk of .stagepost, then run again")
        })?;
        inner.last = last;
        Ok(numbers)
    }

    fn past(&self, each: &mut dyn FnMut(&Event)) -> Result<()> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        past_of(&inner.connection, &self.owner.tenant, each)
    }

    fn read(&self, run: &str) -> Result<Vec<Stored>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || -> rusqlite::Result<Vec<Stored>> {
            let mut select = inner.connection.prepare_cached(
                "SELECT number, run, kind, time, operation, target, body, hash FROM event WHERE run = ?1 ORDER BY number",
            )?;
            let rows = select.query_map([run], |r| {
                let time: String = r.get(3)?;
                let body: String = r.get(6)?;
                let kind: String = r.get(2)?;
                let wrong =
                    |column| rusqlite::Error::InvalidColumnType(column, "event".into(), rusqlite::types::Type::Text);
                Ok(Stored {
                    number: r.get::<_, i64>(0)?.unsigned_abs(),
                    run: r.get(1)?,
                    event: Event {
                        kind: Kind::of_word(&kind).ok_or_else(|| wrong(2))?,
                        time: time.parse().map_err(|_| wrong(3))?,
                        operation: r.get(4)?,
                        target: r.get(5)?,
                        body: serde_json::from_str(&body).map_err(|_| wrong(6))?,
                    },
                    hash: r.get(7)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|e| unreadable(&e))
    }

    fn run(&self) -> &str {
        &self.owner.run
    }
}

/// Every event of a tenant, in order; bodies of baselines are left out.
fn past_of(connection: &Connection, tenant: &str, each: &mut dyn FnMut(&Event)) -> Result<()> {
    let mut read = || -> rusqlite::Result<()> {
        let mut select = connection.prepare_cached(
            "SELECT kind, time, operation, target, CASE kind WHEN 'baseline' THEN 'null' ELSE body END
             FROM event WHERE tenant = ?1 ORDER BY number",
        )?;
        let mut rows = select.query([tenant])?;
        while let Some(r) = rows.next()? {
            let wrong =
                |column| rusqlite::Error::InvalidColumnType(column, "event".into(), rusqlite::types::Type::Text);
            let (kind, time, body): (String, String, String) = (r.get(0)?, r.get(1)?, r.get(4)?);
            each(&Event {
                kind: Kind::of_word(&kind).ok_or_else(|| wrong(0))?,
                time: time.parse().map_err(|_| wrong(1))?,
                operation: r.get(2)?,
                target: r.get(3)?,
                body: serde_json::from_str(&body).map_err(|_| wrong(4))?,
            });
        }
        Ok(())
    };
    read().map_err(|e| unreadable(&e))
}

/// A project's journal for who only looks: without its lock, beside a run that
/// holds it, and with nothing made where there is none.
pub struct Looking {
    owner: Owner,
    connection: Option<Mutex<Connection>>,
}

impl Looking {
    /// Opens `folder/journal.sqlite`, if it is there.
    ///
    /// # Errors
    /// It is there and can't be opened, or is of a newer stagepost.
    pub fn open(folder: &Path, owner: Owner) -> Result<Looking> {
        let path = folder.join("journal.sqlite");
        if !path.exists() {
            return Ok(Looking { owner, connection: None });
        }
        let connection =
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|e| broken(&path, &e))?;
        connection.execute_batch("PRAGMA busy_timeout = 5000;").map_err(|e| broken(&path, &e))?;
        let version: i64 =
            connection.query_row("PRAGMA user_version", [], |r| r.get(0)).map_err(|e| broken(&path, &e))?;
        match version {
            // Somebody is about to make it.
            0 => Ok(Looking { owner, connection: None }),
            VERSION => Ok(Looking { owner, connection: Some(Mutex::new(connection)) }),
            newer => Err(too_new(&path, newer)),
        }
    }
}

impl Journal for Looking {
    /// Refuses: without a journal nothing is written to anybody.
    fn append(&self, _: &[Event]) -> Result<Vec<u64>> {
        Err(Failure::new(base::Kind::Refused, "this run only reads, and a write was about to be recorded")
            .hint("use `stagepost run` for what writes"))
    }

    fn past(&self, each: &mut dyn FnMut(&Event)) -> Result<()> {
        let Some(connection) = &self.connection else { return Ok(()) };
        past_of(&connection.lock().unwrap_or_else(PoisonError::into_inner), &self.owner.tenant, each)
    }

    fn read(&self, _: &str) -> Result<Vec<Stored>> {
        Ok(Vec::new())
    }

    fn run(&self) -> &str {
        &self.owner.run
    }
}

fn too_new(path: &Path, version: i64) -> Failure {
    Failure::new(
        base::Kind::Local,
        format!("the journal {} has version {version}, this stagepost knows up to {VERSION}", path.display()),
    )
    .hint("use the stagepost that wrote it, or a newer one")
}

fn local(path: &Path, done: &str, error: &std::io::Error) -> Failure {
    Failure::new(base::Kind::Local, format!("{} can't be {done}", path.display()))
        .detail(error.to_string())
        .hint("check that the folder exists and may be written")
}

fn unreadable(error: &rusqlite::Error) -> Failure {
    Failure::new(base::Kind::Local, "the journal can't be read")
        .detail(error.to_string())
        .hint("restore .stagepost from a copy")
}

fn broken(path: &Path, error: &rusqlite::Error) -> Failure {
    Failure::new(base::Kind::Local, format!("the journal {} can't be opened", path.display()))
        .detail(error.to_string())
        .hint("check that the folder may be written; if the file is damaged, restore it from a copy")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owner() -> Owner {
        Owner { project: "p".into(), tenant: "t".into(), run: "r1".into() }
    }

    fn event(target: &str) -> Event {
        Event {
            kind: Kind::Intent,
            time: jiff::Timestamp::UNIX_EPOCH,
            operation: "set_mx".into(),
            target: target.into(),
            body: json!({"a": 1}),
        }
    }

    #[test]
    fn what_is_appended_is_read_back_in_a_chain() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        {
            let journal = SqliteJournal::open(folder.path(), owner()).expect("a fresh folder");
            assert_eq!(journal.append(&[event("a"), event("b")]).expect("room on the disk"), vec![1, 2]);
        }
        let journal = SqliteJournal::open(folder.path(), owner()).expect("the same folder again");
        journal.append(&[event("c")]).expect("room on the disk");
        let all = journal.read("r1").expect("readable");
        let mut before = String::new();
        for stored in &all {
            assert_eq!(stored.hash, chain(&before, &owner(), stored.number, &stored.event));
            before.clone_from(&stored.hash);
        }
        assert_eq!(all.iter().map(|s| s.event.target.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn the_past_is_that_of_the_same_tenant_in_all_its_runs() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let open = |tenant: &str, run: &str| {
            let owner = Owner { project: "p".into(), tenant: tenant.into(), run: run.into() };
            SqliteJournal::open(folder.path(), owner).expect("the folder may be written")
        };
        open("t", "r1").append(&[event("a")]).expect("room on the disk");
        open("other", "r2").append(&[event("b")]).expect("room on the disk");
        let journal = open("t", "r3");
        journal.append(&[event("c")]).expect("room on the disk");
        let mut seen = Vec::new();
        journal.past(&mut |e| seen.push((e.target.clone(), e.body.clone()))).expect("readable");
        assert_eq!(seen, [("a".to_owned(), json!({"a": 1})), ("c".to_owned(), json!({"a": 1}))]);
    }

    #[test]
    fn a_second_writer_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let _first = SqliteJournal::open(folder.path(), owner()).expect("a fresh folder");
        let second = SqliteJournal::open(folder.path(), owner()).map(|_| ());
        assert_eq!(second.expect_err("the lock is held").kind, base::Kind::Conflict);
    }

    #[test]
    fn the_lock_goes_with_the_journal_whoever_still_has_its_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = SqliteJournal::open(folder.path(), owner()).expect("a fresh folder");
        // As a child process has it between its fork and its program.
        let _inherited = first._lock.0.try_clone().expect("a file can be had twice");
        drop(first);
        SqliteJournal::open(folder.path(), owner()).expect("the first is closed");
    }

    #[test]
    fn who_only_looks_reads_beside_the_writer_and_writes_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let nothing = Looking::open(folder.path(), owner()).expect("there need be no journal");
        nothing.past(&mut |e| panic!("{}", e.target)).expect("nothing happened");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "and none was made");
        let writer = SqliteJournal::open(folder.path(), owner()).expect("a fresh folder");
        writer.append(&[event("a")]).expect("room on the disk");
        let looking = Looking::open(folder.path(), owner()).expect("the lock is no hindrance");
        let mut seen = Vec::new();
        looking.past(&mut |e| seen.push(e.target.clone())).expect("readable");
        assert_eq!(seen, ["a"]);
        assert_eq!(looking.append(&[event("b")]).expect_err("it only reads").kind, base::Kind::Refused);
    }

    #[test]
    fn events_can_be_neither_edited_nor_removed_in_place() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let journal = SqliteJournal::open(folder.path(), owner()).expect("a fresh folder");
        journal.append(&[event("a")]).expect("room on the disk");
        let inner = journal.inner.lock().expect("nobody panicked");
        assert!(inner.connection.execute("UPDATE event SET body = '{}'", []).is_err());
        assert!(inner.connection.execute("DELETE FROM event", []).is_err());
    }
}
