//! The journal in SQLite: one file beside the project, WAL, every commit on
//! disk before it returns.
//!
//! Its tables, and how they grew, stand in `schema`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::journal::{DECISIONS, Event, Journal, Kind, Owner, Run, Stored, chain};
use super::lock::Lock;
use super::past::LEARNT;
use super::schema::{self, VERSION};
use crate::base::{self, Failure, Result, crash};

/// An open journal, with the project's lock held.
pub struct SqliteJournal {
    owner: Owner,
    connection: Mutex<Connection>,
    // Given back when the journal is closed, and by the operating system when the
    // process dies.
    _lock: Lock,
}

impl SqliteJournal {
    /// Opens (or makes) `folder/journal.sqlite` for one writer. An owner without a
    /// run is that of a new one, whose id is found here.
    ///
    /// # Errors
    /// The folder can't be written, another process holds the project, or the
    /// file is of a newer stagepost.
    pub fn open(folder: &Path, owner: Owner) -> Result<SqliteJournal> {
        SqliteJournal::open_at(folder, owner, Timestamp::now())
    }

    fn open_at(folder: &Path, mut owner: Owner, now: Timestamp) -> Result<SqliteJournal> {
        std::fs::create_dir_all(folder).map_err(|e| local(folder, "made", &e))?;
        let mut lock = Lock::take(folder, |run| {
            let runs = Looking::open(folder, owner.clone()).and_then(|l| l.runs()).ok()?;
            runs.into_iter().find(|r| r.id == run)
        })?;
        let path = folder.join("journal.sqlite");
        let mut connection = Connection::open(&path).map_err(|e| broken(&path, &e))?;
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;")
            .map_err(|e| broken(&path, &e))?;
        schema::bring_up(&mut connection).map_err(|e| match e {
            Ok(newer) => too_new(&path, newer),
            Err(e) => broken(&path, &e),
        })?;
        if owner.run.is_empty() {
            owner.run = next_id(&schema::runs(&connection).map_err(|e| broken(&path, &e))?, now);
        }
        lock.name(&owner.run);
        Ok(SqliteJournal { owner, connection: Mutex::new(connection), _lock: lock })
    }
}

/// The id of a run that begins now: when, by the system's clock, and later than
/// every run that the journal knows, also if the clock was set back or two runs
/// begin in the same millisecond.
fn next_id(runs: &[Run], now: Timestamp) -> String {
    let own = format_id(now);
    let last = runs.iter().filter_map(|r| Some((time_of(&r.id)?, r.id.as_str()))).max_by_key(|(_, id)| *id);
    match last {
        Some((time, id)) if id >= own.as_str() => {
            format_id(time.checked_add(SignedDuration::from_millis(1)).unwrap_or(time))
        }
        _ => own,
    }
}

/// `20261120-094512-417`.
fn format_id(time: Timestamp) -> String {
    time.strftime("%Y%m%d-%H%M%S-%3f").to_string()
}

/// The moment of an id; `None` if it is none of this form.
fn time_of(id: &str) -> Option<Timestamp> {
    let (seconds, millis) = id.rsplit_once('-')?;
    let time = jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", seconds).ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    let time = time.checked_add(SignedDuration::from_millis(millis.parse().ok()?)).ok()?;
    (format_id(time) == id).then_some(time)
}

impl Journal for SqliteJournal {
    fn append(&self, events: &[Event]) -> Result<Vec<u64>> {
        crash::point("journal before")?;
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = append_to(&mut connection, &self.owner, events)?;
        crash::point("journal after")?;
        Ok(numbers)
    }

    fn past(&self, each: &mut dyn FnMut(&Event)) -> Result<()> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        past_of(&connection, &self.owner.tenant, each)
    }

    fn read(&self, run: &str) -> Result<Vec<Stored>> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        read_of(&connection, run).map_err(|e| unreadable(&e))
    }

    fn told(&self, run: &str, each: &mut dyn FnMut(&Stored)) -> Result<()> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = format!("run = ?1 AND {}", schema::IS_TOLD);
        stored_where(&connection, &wanted, &[run], each).map_err(|e| unreadable(&e))
    }

    fn of_operations(&self, operations: &[&str], each: &mut dyn FnMut(&Stored)) -> Result<()> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let marks = vec!["?"; operations.len()].join(", ");
        let wanted = format!("operation IN ({marks})");
        stored_where(&connection, &wanted, operations, each).map_err(|e| unreadable(&e))
    }

    fn pulse(&self) -> Result<i64> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.query_row("PRAGMA data_version", [], |r| r.get(0)).map_err(|e| unreadable(&e))
    }

    fn runs(&self) -> Result<Vec<Run>> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        schema::runs(&connection).map_err(|e| unreadable(&e))
    }

    fn decisions(&self, run: Option<&str>) -> Result<Vec<Stored>> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        decisions_of(&connection, run).map_err(|e| unreadable(&e))
    }

    fn run(&self) -> &str {
        &self.owner.run
    }
}

/// Appends a group in one commit. The end of the chain is read under the same
/// lock of the file that the commit takes: who answers an approval appends beside
/// the run.
fn append_to(connection: &mut Connection, owner: &Owner, events: &[Event]) -> Result<Vec<u64>> {
    append_if(connection, owner, events, |_| Ok(()))
}

/// Appends a group unless somebody objects, who sees what a later commit can't
/// change any more.
fn append_if(
    connection: &mut Connection,
    owner: &Owner,
    events: &[Event],
    allowed: impl FnOnce(&Connection) -> Result<()>,
) -> Result<Vec<u64>> {
    let work = || -> rusqlite::Result<Result<Vec<u64>>> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Err(objection) = allowed(&transaction) {
            return Ok(Err(objection));
        }
        let mut last = schema::last(&transaction)?;
        let mut numbers = Vec::with_capacity(events.len());
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO event (number, project, tenant, run, kind, time, operation, target, body, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            for event in events {
                let number = last.0 + 1;
                let hash = chain(&last.1, owner, number, event);
                insert.execute(params![
                    number.cast_signed(),
                    owner.project,
                    owner.tenant,
                    owner.run,
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
        schema::project_new(&transaction, owner, events)?;
        transaction.commit()?;
        Ok(Ok(numbers))
    };
    work().map_err(|e| {
        Failure::new(base::Kind::Local, "the journal can't be written; nothing is sent that isn't recorded")
            .detail(e.to_string())
            .hint("free space on the disk of .stagepost, then run again")
    })?
}

/// Every event of a run, in order.
fn read_of(connection: &Connection, run: &str) -> rusqlite::Result<Vec<Stored>> {
    let mut all = Vec::new();
    stored_where(connection, "run = ?1", &[run], &mut |stored| all.push(stored.clone()))?;
    Ok(all)
}

/// Every event of which a condition holds, in order.
fn stored_where(
    connection: &Connection,
    wanted: &str,
    parameters: &[&str],
    each: &mut dyn FnMut(&Stored),
) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT number, run, kind, time, operation, target, body, hash FROM event WHERE {wanted} ORDER BY number"
    ))?;
    let mut rows = select.query(rusqlite::params_from_iter(parameters))?;
    while let Some(r) = rows.next()? {
        each(&Stored {
            number: r.get::<_, i64>(0)?.unsigned_abs(),
            run: r.get(1)?,
            event: schema::event_at(r, 2)?,
            hash: r.get(7)?,
        });
    }
    Ok(())
}

/// What people were asked and what they decided, of one run or of all, in order.
fn decisions_of(connection: &Connection, run: Option<&str>) -> rusqlite::Result<Vec<Stored>> {
    let kinds = DECISIONS.map(|kind| format!("'{}'", kind.word())).join(", ");
    let mut all = Vec::new();
    let mut keep = |stored: &Stored| all.push(stored.clone());
    match run {
        Some(run) => stored_where(connection, &format!("kind IN ({kinds}) AND run = ?1"), &[run], &mut keep)?,
        None => stored_where(connection, &format!("kind IN ({kinds})"), &[], &mut keep)?,
    }
    Ok(all)
}

/// Every event of a tenant that something is learnt from, in order; bodies of
/// baselines are left out.
fn past_of(connection: &Connection, tenant: &str, each: &mut dyn FnMut(&Event)) -> Result<()> {
    let mut read = || -> rusqlite::Result<()> {
        let learnt = LEARNT.map(|name| format!("'{name}'")).join(", ");
        let mut select = connection.prepare_cached(&format!(
            "SELECT kind, time, operation, target, CASE kind WHEN 'baseline' THEN 'null' ELSE body END
             FROM event
             WHERE tenant = ?1 AND kind NOT IN ('began', 'resumed', 'step', 'call', 'wait')
               AND (kind NOT IN ('intent', 'outcome') OR operation IN ({learnt}))
             ORDER BY number"
        ))?;
        let mut rows = select.query([tenant])?;
        while let Some(r) = rows.next()? {
            each(&schema::event_at(r, 0)?);
        }
        Ok(())
    };
    read().map_err(|e| unreadable(&e))
}

/// Appends a decision beside a run: without the project's lock, which the run
/// holds. Numbers of the events.
///
/// # Errors
/// There is no journal, it is of a newer stagepost, or it can't be written.
pub fn append_beside(folder: &Path, owner: &Owner, events: &[Event]) -> Result<Vec<u64>> {
    let path = folder.join("journal.sqlite");
    let mut connection =
        Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|e| broken(&path, &e))?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;")
        .map_err(|e| broken(&path, &e))?;
    schema::bring_up(&mut connection).map_err(|e| match e {
        Ok(newer) => too_new(&path, newer),
        Err(e) => broken(&path, &e),
    })?;
    append_to(&mut connection, owner, events)
}

/// A project's journal for who decides something beside a run: without its lock,
/// and for decisions alone.
pub struct Beside {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Beside {
    /// Opens `folder/journal.sqlite`; `None` if there is none.
    ///
    /// # Errors
    /// It can't be opened, or is of another version: it is brought up by a run,
    /// never beside one.
    pub fn open(folder: &Path) -> Result<Option<Beside>> {
        let path = folder.join("journal.sqlite");
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = Connection::open_with_flags(&path, flags).map_err(|e| broken(&path, &e))?;
        connection
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;")
            .map_err(|e| broken(&path, &e))?;
        match schema::version(&connection).map_err(|e| broken(&path, &e))? {
            VERSION => Ok(Some(Beside { path, connection: Mutex::new(connection) })),
            newer if newer > VERSION => Err(too_new(&path, newer)),
            older => Err(Failure::new(
                base::Kind::Local,
                format!("the journal {} has version {older}, this stagepost writes {VERSION}", path.display()),
            )
            .hint("decide with the stagepost that runs, or let a run of this one begin first")),
        }
    }

    /// Appends a decision on a run, if what was decided before allows it; one
    /// commit, so that of two people one is first.
    ///
    /// # Errors
    /// That of `allowed`; `not_found` for a run that the journal doesn't know;
    /// `internal` for an event that is no decision; the journal can't be written.
    pub fn decide(&self, run: &str, event: &Event, allowed: &mut dyn FnMut(&[Stored]) -> Result<()>) -> Result<u64> {
        if !DECISIONS.contains(&event.kind) || event.kind == Kind::Asked {
            return Err(Failure::internal(format!("{} is no decision", event.kind.word())));
        }
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let known = schema::runs(&connection).map_err(|e| unreadable(&e))?.into_iter().find(|r| r.id == run);
        let run = known.ok_or_else(|| {
            Failure::new(base::Kind::NotFound, format!("the journal {} knows no run {run}", self.path.display()))
                .hint("`stagepost runs` lists them")
        })?;
        let owner = Owner { project: run.project, tenant: run.tenant, run: run.id };
        let numbers = append_if(&mut connection, &owner, std::slice::from_ref(event), |connection| {
            allowed(&decisions_of(connection, Some(&owner.run)).map_err(|e| unreadable(&e))?)
        })?;
        Ok(numbers.first().copied().unwrap_or_default())
    }
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
        match schema::version(&connection).map_err(|e| broken(&path, &e))? {
            // Somebody is about to make it.
            0 => Ok(Looking { owner, connection: None }),
            1..=VERSION => Ok(Looking { owner, connection: Some(Mutex::new(connection)) }),
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

    fn read(&self, run: &str) -> Result<Vec<Stored>> {
        let Some(connection) = &self.connection else { return Ok(Vec::new()) };
        read_of(&connection.lock().unwrap_or_else(PoisonError::into_inner), run).map_err(|e| unreadable(&e))
    }

    fn told(&self, run: &str, each: &mut dyn FnMut(&Stored)) -> Result<()> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = format!("run = ?1 AND {}", schema::IS_TOLD);
        stored_where(&connection, &wanted, &[run], each).map_err(|e| unreadable(&e))
    }

    fn of_operations(&self, operations: &[&str], each: &mut dyn FnMut(&Stored)) -> Result<()> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let marks = vec!["?"; operations.len()].join(", ");
        let wanted = format!("operation IN ({marks})");
        stored_where(&connection, &wanted, operations, each).map_err(|e| unreadable(&e))
    }

    /// None of a journal that no later build has written to yet.
    fn runs(&self) -> Result<Vec<Run>> {
        let Some(connection) = &self.connection else { return Ok(Vec::new()) };
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        schema::runs_of_any(&connection).map_err(|e| unreadable(&e))
    }

    fn decisions(&self, run: Option<&str>) -> Result<Vec<Stored>> {
        let Some(connection) = &self.connection else { return Ok(Vec::new()) };
        decisions_of(&connection.lock().unwrap_or_else(PoisonError::into_inner), run).map_err(|e| unreadable(&e))
    }

    fn run(&self) -> &str {
        &self.owner.run
    }
}

pub(super) fn too_new(path: &Path, version: i64) -> Failure {
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

    use super::super::journal::Kind;
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
        let _inherited = first._lock.inherited();
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
    fn two_processes_append_to_one_chain() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = SqliteJournal::open(folder.path(), owner()).expect("a fresh folder");
        run.append(&[event("a")]).expect("room on the disk");
        let mut beside = Connection::open(folder.path().join("journal.sqlite")).expect("the same file");
        append_to(&mut beside, &owner(), &[event("b")]).expect("the file is free");
        run.append(&[event("c")]).expect("room on the disk");
        let all = run.read("r1").expect("readable");
        let mut before = String::new();
        for stored in &all {
            assert_eq!(stored.hash, chain(&before, &owner(), stored.number, &stored.event));
            before.clone_from(&stored.hash);
        }
        assert_eq!(all.iter().map(|s| s.event.target.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn a_decision_from_beside_is_news_and_its_number_and_hash_go_on() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(Beside::open(folder.path()).expect("there need be no journal").is_none());
        let run = SqliteJournal::open(folder.path(), owner()).expect("a fresh folder");
        run.append(&[event("a")]).expect("room on the disk");
        let before = run.pulse().expect("readable");
        run.append(&[event("b")]).expect("room on the disk");
        assert_eq!(run.pulse().expect("readable"), before, "its own events are no news");
        let beside = Beside::open(folder.path()).expect("no lock is needed").expect("there is one");
        let answer = Event { kind: Kind::Approval, ..event("Start?") };
        assert_eq!(beside.decide("r1", &answer, &mut |_| Ok(())).expect("room on the disk"), 3);
        assert_ne!(run.pulse().expect("readable"), before);
        run.append(&[event("c")]).expect("room on the disk");
        let decisions = run.decisions(Some("r1")).expect("readable");
        assert_eq!(decisions.iter().map(|s| (s.number, s.event.kind)).collect::<Vec<_>>(), [(3, Kind::Approval)]);
        assert_eq!(run.decisions(None).expect("readable").len(), 1);
        assert!(run.decisions(Some("r2")).expect("readable").is_empty());
        let mut hash = String::new();
        for stored in run.read("r1").expect("readable") {
            assert_eq!(stored.hash, chain(&hash, &owner(), stored.number, &stored.event));
            hash.clone_from(&stored.hash);
        }
    }

    #[test]
    fn beside_a_run_only_decisions_are_appended_and_only_if_they_are_allowed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = SqliteJournal::open(folder.path(), owner()).expect("a fresh folder");
        run.append(&[event("a")]).expect("room on the disk");
        let beside = Beside::open(folder.path()).expect("no lock is needed").expect("there is one");
        let mut yes = |_: &[Stored]| Ok(());
        assert_eq!(beside.decide("r1", &event("b"), &mut yes).expect_err("an intent").kind, base::Kind::Internal);
        let answer = Event { kind: Kind::Approval, ..event("Start?") };
        assert_eq!(beside.decide("r9", &answer, &mut yes).expect_err("no such run").kind, base::Kind::NotFound);
        let mut no = |_: &[Stored]| Err(Failure::new(base::Kind::Conflict, "somebody was first"));
        assert_eq!(beside.decide("r1", &answer, &mut no).expect_err("it is objected to").kind, base::Kind::Conflict);
        assert_eq!(run.read("r1").expect("readable").len(), 1, "and nothing was written");
    }

    #[test]
    fn ids_of_runs_are_unique_and_sorted_whatever_the_clock_does() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let new = |time: &str| {
            let owner = Owner { run: String::new(), ..owner() };
            let now: Timestamp = time.parse().expect("a time");
            let journal = SqliteJournal::open_at(folder.path(), owner, now).expect("the folder may be written");
            journal.append(&[event("a")]).expect("room on the disk");
            journal.run().to_owned()
        };
        let ids = [
            new("2026-11-20T09:45:12.417Z"),
            new("2026-11-20T09:45:12.417Z"),
            // Two days back.
            new("2026-11-18T09:00:00Z"),
            new("2026-11-20T09:45:13Z"),
        ];
        let expected = ["20261120-094512-417", "20261120-094512-418", "20261120-094512-419", "20261120-094513-000"];
        assert_eq!(ids, expected);
        // An id of another form doesn't hinder.
        let journal = SqliteJournal::open(folder.path(), owner()).expect("the folder may be written");
        journal.append(&[event("a")]).expect("room on the disk");
        drop(journal);
        assert_eq!(new("2026-11-20T09:45:13Z"), "20261120-094513-001");
    }

    #[test]
    fn a_journal_of_the_first_version_is_brought_up_and_its_runs_are_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        {
            let journal = SqliteJournal::open(folder.path(), owner()).expect("a fresh folder");
            journal.append(&[event("a"), event("b")]).expect("room on the disk");
            let connection = journal.connection.lock().expect("nobody panicked");
            connection
                .execute_batch("DROP TABLE run; DROP INDEX event_told; PRAGMA user_version = 1;")
                .expect("as it was");
        }
        let looking = Looking::open(folder.path(), owner()).expect("it reads what is older");
        let told = looking.runs().expect("readable");
        assert_eq!((told.len(), told[0].id.as_str(), told[0].events, told[0].intents), (1, "r1", 2, 2));
        let journal = SqliteJournal::open(folder.path(), owner()).expect("brought up");
        assert_eq!(journal.runs().expect("readable"), told);
        journal.append(&[event("c")]).expect("room on the disk");
        assert_eq!(journal.runs().expect("readable")[0].events, 3);
    }

    #[test]
    fn events_can_be_neither_edited_nor_removed_in_place() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let journal = SqliteJournal::open(folder.path(), owner()).expect("a fresh folder");
        journal.append(&[event("a")]).expect("room on the disk");
        let connection = journal.connection.lock().expect("nobody panicked");
        assert!(connection.execute("UPDATE event SET body = '{}'", []).is_err());
        assert!(connection.execute("DELETE FROM event", []).is_err());
    }
}
