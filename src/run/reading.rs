//! A project's journal for the commands that tell of it: read beside a run that
//! holds it, without a profile, of any tenant and of any version.
//!
//! Opened for reading only; nothing here can write an event, and nothing here
//! judges one but [`super::audit`], whose rows it hands out.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::audit::{Damage, Harm, Kept, Noted, Verdict, Verifier};
use super::journal::{Kind, Run, Stored};
use super::schema;
use super::sqlite::too_new;
use crate::base::{self, Failure, Result};

/// An open journal.
pub struct Reading {
    path: PathBuf,
    connection: Connection,
}

/// What a run did, counted from its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Writes that were applied.
    pub writes: u64,
    /// Mailboxes that were converted.
    pub moved: u64,
    /// Mailboxes that were left where they are.
    pub left: u64,
    /// Writes of which nobody knows what became.
    pub in_doubt: u64,
}

/// Whose events to read.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// Everybody's.
    All,
    /// Those of a run.
    Run(&'a str),
    /// Those of a tenant.
    Tenant(&'a str),
}

impl Reading {
    /// Opens the journal of a project; the folder is that of the project.
    ///
    /// # Errors
    /// `not_found`: there is none. `local`: it can't be read, or a newer stagepost
    /// wrote it.
    pub fn open(project: &Path) -> Result<Reading> {
        let path = project.join(".stagepost/journal.sqlite");
        if !path.exists() {
            return Err(Failure::new(base::Kind::NotFound, format!("{} holds no journal", project.display())).hint(
                "a journal begins with `stagepost run`; go to the folder of the project, or name it with --journal",
            ));
        }
        let connection = connect(&path).map_err(|e| damaged(&path, &e))?;
        match schema::version(&connection).map_err(|e| damaged(&path, &e))? {
            // Somebody is about to make it, or it is nobody's.
            0 => Err(Failure::new(base::Kind::NotFound, format!("{} holds no events yet", path.display()))
                .hint("a journal begins with `stagepost run`")),
            1..=schema::VERSION => Ok(Reading { path, connection }),
            newer => Err(too_new(&path, newer)),
        }
    }

    /// Every run, the earliest first.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn runs(&self) -> Result<Vec<Run>> {
        schema::runs_of_any(&self.connection).map_err(|e| self.failed(&e))
    }

    /// The id of the run that a word means: a whole id, the beginning or the end
    /// of one, or `last`.
    ///
    /// # Errors
    /// `not_found` with the nearest ids; `usage` where it means several.
    pub fn run_named(&self, word: &str) -> Result<Run> {
        let runs = self.runs()?;
        let found: Vec<&Run> = match word {
            "last" => runs.last().into_iter().collect(),
            _ if runs.iter().any(|r| r.id == word) => runs.iter().filter(|r| r.id == word).collect(),
            _ => runs.iter().filter(|r| !word.is_empty() && (r.id.starts_with(word) || r.id.ends_with(word))).collect(),
        };
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(Failure::new(base::Kind::NotFound, format!("the journal knows no run `{word}`"))
                .hint(nearest(word, &runs))),
            many => {
                let ids: Vec<&str> = many.iter().take(5).map(|r| r.id.as_str()).collect();
                let dots = if many.len() > ids.len() { ", …" } else { "" };
                Err(Failure::new(base::Kind::Usage, format!("`{word}` means {} runs", many.len()))
                    .hint(format!("name one of them: {}{dots}", ids.join(", "))))
            }
        }
    }

    /// What each run did: run → counts.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn tallies(&self) -> Result<std::collections::BTreeMap<String, Tally>> {
        let read = || -> rusqlite::Result<_> {
            let mut select = self.connection.prepare(
                "WITH told AS (
                     SELECT run, kind, operation, target,
                            CASE WHEN kind = 'outcome' AND json_valid(body) THEN json_extract(body, '$.state') END AS state
                     FROM event WHERE kind IN ('outcome', 'left'))
                 SELECT run,
                        count(CASE WHEN state = 'applied' THEN 1 END),
                        count(DISTINCT CASE WHEN state = 'applied' AND operation = 'convert_to_mail_user'
                                            THEN lower(target) END),
                        count(DISTINCT CASE WHEN kind = 'left' THEN lower(target) END),
                        count(CASE WHEN state = 'in_doubt' THEN 1 END)
                 FROM told GROUP BY run",
            )?;
            let number =
                |r: &rusqlite::Row<'_>, i: usize| Ok::<u64, rusqlite::Error>(r.get::<_, i64>(i)?.unsigned_abs());
            let rows = select.query_map([], |r| {
                let tally =
                    Tally { writes: number(r, 1)?, moved: number(r, 2)?, left: number(r, 3)?, in_doubt: number(r, 4)? };
                Ok((r.get::<_, String>(0)?, tally))
            })?;
            rows.collect()
        };
        read().map_err(|e| self.failed(&e))
    }

    /// Hands out events in order; bodies of baselines are left out where nobody
    /// wants them.
    ///
    /// # Errors
    /// The file can't be read, or holds what no build of stagepost writes.
    pub fn each(&self, of: Of<'_>, baselines: bool, each: &mut dyn FnMut(Stored) -> Result<()>) -> Result<()> {
        let body = if baselines { "body" } else { "CASE kind WHEN 'baseline' THEN 'null' ELSE body END" };
        let (condition, value) = match of {
            Of::All => ("?1 = ?1", ""),
            Of::Run(run) => ("run = ?1", run),
            Of::Tenant(tenant) => ("tenant = ?1", tenant),
        };
        let text = format!(
            "SELECT number, run, kind, time, operation, target, {body}, hash FROM event WHERE {condition} ORDER BY number"
        );
        let fail = |e| self.failed(&e);
        let mut select = self.connection.prepare(&text).map_err(fail)?;
        let mut rows = select.query([value]).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            let stored = || -> rusqlite::Result<Stored> {
                Ok(Stored {
                    number: row.get::<_, i64>(0)?.unsigned_abs(),
                    run: row.get(1)?,
                    event: schema::event_at(row, 2)?,
                    hash: row.get(7)?,
                })
            };
            each(stored().map_err(fail)?)?;
        }
        Ok(())
    }

    /// Number and hash of the last event, as it is kept.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn head(&self) -> Result<Option<(u64, String)>> {
        let last = schema::last(&self.connection).map_err(|e| self.failed(&e))?;
        Ok((last.0 > 0).then_some(last))
    }

    /// Judges the whole journal: the file, every event, the chain, the tables
    /// made from it, and the noted head where there is one.
    ///
    /// # Errors
    /// SQLite can't read the file.
    pub fn verify(&self, noted: Option<Noted>) -> Result<Verdict> {
        let mut verifier = Verifier::new(noted);
        let read = |verifier: &mut Verifier| -> rusqlite::Result<Vec<Damage>> {
            // One moment of the file, while a run may append.
            self.connection.execute_batch("BEGIN")?;
            let sound: String = self.connection.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0))?;
            if sound != "ok" {
                let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
                return Err(rusqlite::Error::SqliteFailure(error, Some(sound)));
            }
            let mut select = self.connection.prepare(
                "SELECT number, project, tenant, run, kind, time, operation, target, body, hash FROM event ORDER BY number",
            )?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let text = |i: usize| -> rusqlite::Result<String> {
                    Ok(match row.get_ref(i)? {
                        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                        // Nothing that stagepost wrote hashes to it.
                        other => format!("{other:?}"),
                    })
                };
                verifier.take(Kept {
                    number: row.get(0)?,
                    project: text(1)?,
                    tenant: text(2)?,
                    run: text(3)?,
                    kind: text(4)?,
                    time: text(5)?,
                    operation: text(6)?,
                    target: text(7)?,
                    body: text(8)?,
                    hash: text(9)?,
                });
            }
            let mut beside = schema::changed(&self.connection)?;
            beside.extend(self.projections()?);
            Ok(beside)
        };
        let beside = read(&mut verifier);
        // A read that is over changes nothing.
        let _ = self.connection.execute_batch("COMMIT");
        let beside = beside.map_err(|e| damaged(&self.path, &e))?;
        let mut verdict = verifier.finish();
        verdict.damage.extend(beside);
        Ok(verdict)
    }

    /// The tables made from events against the events.
    fn projections(&self) -> rusqlite::Result<Vec<Damage>> {
        if schema::version(&self.connection)? < 2 {
            return Ok(Vec::new());
        }
        let damage = |text: String| Damage::new(Harm::Projection, 0, 0, text);
        // Events that can't be read are named by the chain already.
        let Ok(told) = schema::runs_from_events(&self.connection) else { return Ok(Vec::new()) };
        let Ok(kept) = schema::runs(&self.connection) else {
            return Ok(vec![damage("the table of runs can't be read".to_owned())]);
        };
        let mut found = Vec::new();
        for run in &told {
            match kept.iter().find(|k| k.id == run.id) {
                None => found.push(damage(format!("the table of runs has no run {}, and events tell of it", run.id))),
                Some(k) if k != run => {
                    found.push(damage(format!("the table of runs tells run {} otherwise than its events do", run.id)));
                }
                Some(_) => {}
            }
        }
        for run in kept.iter().filter(|k| told.iter().all(|t| t.id != k.id)) {
            found.push(damage(format!("the table of runs has a run {} of which there is no event", run.id)));
        }
        Ok(found)
    }

    /// What stands in the project's lock, if some process holds it now.
    pub fn held(&self) -> Option<String> {
        let path = self.path.with_file_name("lock");
        let file = File::open(&path).ok()?;
        // For a moment, and only where a run seems to be at work.
        if file.try_lock_shared().is_ok() {
            // Closing gives it back in any case.
            let _ = file.unlock();
            return None;
        }
        Some(std::fs::read_to_string(&path).unwrap_or_default().trim().to_owned())
    }

    /// The run that the holder of the lock works on, of those that seem to be at
    /// work.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn at_work(&self, runs: &[Run]) -> Result<Option<String>> {
        let open: Vec<&Run> = runs.iter().filter(|r| r.state == "running").collect();
        if open.is_empty() {
            return Ok(None);
        }
        let Some(holder) = self.held() else { return Ok(None) };
        if let Some(run) = open.iter().find(|r| holder.contains(&r.id)) {
            return Ok(Some(run.id.clone()));
        }
        // A lock that names its process alone.
        let process: String = holder.chars().take_while(char::is_ascii_digit).collect();
        let mut at_work = None;
        for run in open {
            let mut last = String::new();
            self.each(Of::Run(&run.id), false, &mut |stored| {
                if matches!(stored.event.kind, Kind::Began | Kind::Resumed) {
                    last = stored.event.body["who"]["process"].to_string();
                }
                Ok(())
            })?;
            if !process.is_empty() && last == process {
                at_work = Some(run.id.clone());
            }
        }
        Ok(at_work)
    }

    fn failed(&self, error: &rusqlite::Error) -> Failure {
        damaged(&self.path, error)
    }
}

/// A file on a medium that can't be written is read as it lies there, if no
/// writes wait beside it.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let open = |path: &str, flags: OpenFlags| -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.execute_batch("PRAGMA busy_timeout = 5000; SELECT count(*) FROM sqlite_master;")?;
        Ok(connection)
    };
    let plain = open(&path.to_string_lossy(), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let waiting = std::fs::metadata(path.with_file_name("journal.sqlite-wal")).is_ok_and(|m| m.len() > 0);
    match plain {
        Err(rusqlite::Error::SqliteFailure(e, _)) if e.code == rusqlite::ErrorCode::CannotOpen && !waiting => {
            let uri: String = path.to_string_lossy().bytes().fold("file:".to_owned(), |mut uri, b| {
                match b {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(b)),
                    _ => uri.push_str(&format!("%{b:02X}")),
                }
                uri
            });
            open(&format!("{uri}?immutable=1"), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
        }
        plain => plain,
    }
}

/// The ids that are most like a word.
fn nearest(word: &str, runs: &[Run]) -> String {
    if runs.is_empty() {
        return "it knows none at all yet".to_owned();
    }
    let alike = |id: &str| id.bytes().zip(word.bytes()).take_while(|(a, b)| a == b).count();
    let mut ids: Vec<&str> = runs.iter().rev().map(|r| r.id.as_str()).collect();
    // Stable: of those that are as like, the latest first.
    ids.sort_by_key(|id| std::cmp::Reverse(alike(id)));
    ids.truncate(3);
    format!("`stagepost runs` lists them; the nearest: {}", ids.join(", "))
}

fn damaged(path: &Path, error: &rusqlite::Error) -> Failure {
    Failure::new(base::Kind::Local, format!("the journal {} can't be read", path.display()))
        .detail(error.to_string())
        .hint("if the file is damaged, restore it from a copy; `stagepost audit verify` says whether a copy is sound")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::super::journal::{Event, Journal as _, Owner};
    use super::super::past::Past;
    use super::super::sqlite::SqliteJournal;
    use super::*;

    /// Journals as builds of each version of the schema left them, by real runs of
    /// the standard script over five mailboxes.
    const KEPT: [(i64, &[u8], usize); 2] = [
        (1, include_bytes!("../../tests/journals/v1.sqlite"), 60),
        (2, include_bytes!("../../tests/journals/v2.sqlite"), 64),
    ];

    fn laid(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inside = folder.path().join(".stagepost");
        std::fs::create_dir_all(&inside).expect("a folder");
        let path = inside.join("journal.sqlite");
        std::fs::write(&path, bytes).expect("room on the disk");
        (folder, path)
    }

    #[test]
    fn a_journal_of_each_version_is_sound_and_tells_its_runs() {
        for (version, bytes, events) in KEPT {
            let (folder, path) = laid(bytes);
            let reading = Reading::open(folder.path()).expect("it is a journal");
            let verdict = reading.verify(None).expect("readable");
            assert_eq!((verdict.damage, verdict.events), (vec![], events as u64), "version {version}");
            let runs = reading.runs().expect("readable");
            assert_eq!((runs.len(), runs[0].events), (1, events as u64), "version {version}");
            let tally = reading.tallies().expect("readable")[&runs[0].id];
            assert_eq!((tally.moved, tally.left, tally.in_doubt), (5, 0, 0), "version {version}");
            drop(reading);
            assert_eq!(std::fs::read(path).expect("it is there"), bytes, "who only reads changes nothing");
        }
    }

    #[test]
    fn a_run_of_each_version_goes_on_and_its_past_is_known() {
        for (version, bytes, events) in KEPT {
            let (folder, _) = laid(bytes);
            let before = Reading::open(folder.path()).expect("it is a journal");
            let (run, head) = (before.run_named("last").expect("one run"), before.head().expect("readable"));
            let head = head.expect("it has events");
            let owner = Owner { project: run.project.clone(), tenant: run.tenant.clone(), run: run.id.clone() };
            let journal = SqliteJournal::open(&folder.path().join(".stagepost"), owner).expect("brought up");
            let mut past = Past::default();
            journal.past(&mut |event| past.learn(event)).expect("readable");
            assert_eq!((past.batches.len(), past.baselines.len(), past.synced.len()), (1, 5, 5), "version {version}");
            assert!(past.switched.is_some() && past.in_doubt.is_empty() && past.removed.contains("wave-01"));
            let body = json!({"who": {"user": "ann"}});
            let event =
                Event { kind: Kind::Resumed, time: run.last, operation: "resume".into(), target: String::new(), body };
            assert_eq!(journal.append(&[event]).expect("room on the disk"), [events as u64 + 1]);
            assert_eq!(journal.runs().expect("readable")[0].state, "running");
            drop(journal);
            let noted = Noted::parse(&format!("{}:{}", head.0, head.1)).expect("a head");
            let verdict = Reading::open(folder.path()).and_then(|r| r.verify(Some(noted))).expect("readable");
            assert_eq!((verdict.damage, verdict.noted_at), (vec![], Some(events as i64)), "version {version}");
        }
    }

    #[test]
    fn a_run_is_meant_by_its_id_its_beginning_its_end_or_last() {
        let (folder, _) = laid(KEPT[1].1);
        let reading = Reading::open(folder.path()).expect("it is a journal");
        let id = reading.runs().expect("readable")[0].id.clone();
        for word in [id.as_str(), "last", &id[..8], &id[id.len() - 3..]] {
            assert_eq!(reading.run_named(word).expect("it means one").id, id, "{word}");
        }
        let unknown = reading.run_named("2019").expect_err("there is none");
        assert!(unknown.hint.expect("it has one").contains(&id));
        assert_eq!(reading.run_named("").expect_err("it means nothing").kind, base::Kind::NotFound);
    }

    #[test]
    fn what_is_done_to_the_file_beside_its_events_is_found() {
        type Deed = (&'static str, Harm);
        let deeds: [Deed; 7] = [
            ("DROP TRIGGER event_stays", Harm::Schema),
            ("CREATE TRIGGER more AFTER INSERT ON event BEGIN SELECT 1; END", Harm::Schema),
            ("UPDATE run SET state = 'ended', code = 1", Harm::Projection),
            ("DELETE FROM run", Harm::Projection),
            ("INSERT INTO run SELECT 'x', project, tenant, verb, script, state, code, began, last, 1, 1 FROM run", Harm::Projection),
            ("DROP TABLE run", Harm::Projection),
            ("DROP TRIGGER event_stays; UPDATE event SET body = '{}' WHERE number = 9;
              CREATE TRIGGER event_stays BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are only appended'); END",
             Harm::Edited),
        ];
        for (deed, harm) in deeds {
            let (folder, path) = laid(KEPT[1].1);
            Connection::open(&path).and_then(|c| c.execute_batch(deed)).expect("an attacker may do that");
            let verdict = Reading::open(folder.path()).and_then(|r| r.verify(None)).expect("readable");
            let found: Vec<Harm> = verdict.damage.iter().map(|d| d.kind).collect();
            assert_eq!(found, [harm], "{deed}");
        }
    }

    #[test]
    fn a_damaged_file_is_a_plain_failure() {
        let mut bytes = KEPT[1].1.to_vec();
        for byte in &mut bytes[4096 * 3..4096 * 5] {
            *byte = 0xA5;
        }
        for bytes in [bytes.as_slice(), b"no database", &KEPT[1].1[..6000]] {
            let (folder, _) = laid(bytes);
            let failure = Reading::open(folder.path()).and_then(|r| r.verify(None)).expect_err("it is damaged");
            assert_eq!(failure.kind, base::Kind::Local, "{failure:?}");
            assert!(failure.message.contains("journal.sqlite") && failure.hint.is_some());
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let none = Reading::open(folder.path()).map(|_| ()).expect_err("there is none");
        assert_eq!(none.kind, base::Kind::NotFound);
    }
}
