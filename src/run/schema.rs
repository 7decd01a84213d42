//! The journal's tables in SQLite, and how a file of an earlier version becomes
//! one of this.
//!
//! `event` is the journal; every other table is a projection of it that can be
//! made anew, and is, when a version brings or changes one. The version stands
//! in `PRAGMA user_version`; a newer one than this build knows is refused, never
//! guessed at. A step that was released never changes: journals of every version
//! are kept with the tests and opened by each later build.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::audit::{Damage, Harm};
use super::journal::{Event, Kind, Run};

/// The version that this build writes.
pub(super) const VERSION: i64 = 3;

/// The journal itself, a statement each; an audit compares the file with them.
const EVENTS: [&str; 5] = [
    "CREATE TABLE event (
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
) STRICT",
    "CREATE INDEX event_run ON event (run, number)",
    "CREATE INDEX event_baseline ON event (target) WHERE kind = 'baseline'",
    "CREATE TRIGGER event_stays BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are only appended'); END",
    "CREATE TRIGGER event_remains BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are only appended'); END",
];

/// One line for each run.
const RUNS: &str = "
CREATE TABLE run (
    id      TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    verb    TEXT NOT NULL,
    script  TEXT NOT NULL,
    state   TEXT NOT NULL,
    code    INTEGER,
    began   TEXT NOT NULL,
    last    TEXT NOT NULL,
    events  INTEGER NOT NULL,
    intents INTEGER NOT NULL
) STRICT;
";

/// What a run keeps for its next pass, and what was decided about it, found
/// without a look at the images and the writes between them.
const TOLD: &str = "
CREATE INDEX event_told ON event (run, number)
    WHERE kind NOT IN ('baseline', 'consequence', 'left', 'forced', 'intent', 'outcome')
       OR operation IN ('exchange::invoke', 'graph') AND kind IN ('intent', 'outcome');
";

/// The condition of [`TOLD`], word for word: only so is its index used.
pub(super) const IS_TOLD: &str = "(kind NOT IN ('baseline', 'consequence', 'left', 'forced', 'intent', 'outcome')
       OR operation IN ('exchange::invoke', 'graph') AND kind IN ('intent', 'outcome'))";

/// Brings a file to this version, in one transaction. `Err(Ok(version))`: it is
/// of a newer stagepost.
pub(super) fn bring_up(connection: &mut Connection) -> Result<(), Result<i64, rusqlite::Error>> {
    let found = version(connection).map_err(Err)?;
    if found == VERSION {
        return Ok(());
    }
    if !(0..=VERSION).contains(&found) {
        return Err(Ok(found));
    }
    let work = |connection: &mut Connection| {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been first.
        let found = version(&transaction)?;
        if found < 1 {
            transaction.execute_batch(&EVENTS.join(";\n"))?;
        }
        if found < 2 {
            transaction.execute_batch(RUNS)?;
            project_all(&transaction)?;
        }
        if found < 3 {
            transaction.execute_batch(TOLD)?;
        }
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()
    };
    work(connection).map_err(Err)
}

/// The version of a file; 0 for an empty one.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |r| r.get(0))
}

/// Number and hash of the last event; 0 and nothing before the first.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<(u64, String)> {
    let mut select = connection.prepare_cached("SELECT number, hash FROM event ORDER BY number DESC LIMIT 1")?;
    let found = select.query_row([], |r| Ok((r.get::<_, i64>(0)?.unsigned_abs(), r.get(1)?))).optional()?;
    Ok(found.unwrap_or_default())
}

/// The columns of an event from `kind` on: kind, time, operation, target, body.
pub(super) fn event_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Event> {
    let wrong = |column| rusqlite::Error::InvalidColumnType(column, "event".into(), rusqlite::types::Type::Text);
    let (kind, time, body): (String, String, String) = (row.get(first)?, row.get(first + 1)?, row.get(first + 4)?);
    Ok(Event {
        kind: Kind::of_word(&kind).ok_or_else(|| wrong(first))?,
        time: time.parse().map_err(|_| wrong(first + 1))?,
        operation: row.get(first + 2)?,
        target: row.get(first + 3)?,
        body: serde_json::from_str(&body).map_err(|_| wrong(first + 4))?,
    })
}

/// What of the table of events and its triggers is not as this file makes it:
/// whoever wants to change an event takes them away first.
pub(super) fn changed(connection: &Connection) -> rusqlite::Result<Vec<Damage>> {
    let mut select = connection.prepare("SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'event'")?;
    let found: Vec<(String, String, Option<String>)> =
        select.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut damage = Vec::new();
    let mut told = |text: String| damage.push(Damage::new(Harm::Schema, 0, 0, text));
    for made in EVENTS {
        let mut words = made.split_whitespace().skip(1);
        let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match found.iter().find(|(_, n, _)| n == name) {
            None => told(format!("the {} `{name}` of the table of events is gone", kind.to_lowercase())),
            Some((_, _, sql)) if sql.as_deref() != Some(made) => {
                told(format!("the {} `{name}` is not as it was made", kind.to_lowercase()));
            }
            Some(_) => {}
        }
    }
    for (kind, name, _) in found
        .iter()
        .filter(|(k, n, _)| k == "trigger" && !EVENTS.iter().any(|made| made.split_whitespace().nth(2) == Some(n)))
    {
        told(format!("the {kind} `{name}` was put on the table of events"));
    }
    Ok(damage)
}

/// Makes the projections anew from all events.
fn project_all(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM run", [])?;
    for run in runs_from_events(transaction)? {
        keep(transaction, &run)?;
    }
    Ok(())
}

/// Every run as the events alone tell it, the earliest first.
pub(super) fn runs_from_events(connection: &Connection) -> rusqlite::Result<Vec<Run>> {
    let mut select = connection.prepare(
        "SELECT project, tenant, run, kind, time, operation, target,
                CASE kind WHEN 'baseline' THEN 'null' ELSE body END FROM event ORDER BY number",
    )?;
    let mut rows = select.query([])?;
    let mut runs: std::collections::BTreeMap<String, Run> = std::collections::BTreeMap::new();
    while let Some(row) = rows.next()? {
        let event = event_at(row, 3)?;
        let id: String = row.get(2)?;
        let (project, tenant) = (row.get(0)?, row.get(1)?);
        let run = runs.entry(id.clone()).or_insert_with(|| fresh(id, project, tenant, &event));
        run.learn(&event);
    }
    Ok(runs.into_values().collect())
}

/// Every run, also of a file of an earlier version, which stays as it is.
pub(super) fn runs_of_any(connection: &Connection) -> rusqlite::Result<Vec<Run>> {
    if version(connection)? < 2 { runs_from_events(connection) } else { runs(connection) }
}

/// A run of which nothing is known yet but its first event.
fn fresh(id: String, project: String, tenant: String, first: &Event) -> Run {
    Run { id, project, tenant, began: first.time, last: first.time, ..Run::default() }
}

/// Takes new events of one run into the projections.
pub(super) fn project_new(
    transaction: &Transaction<'_>,
    owner: &super::journal::Owner,
    events: &[Event],
) -> rusqlite::Result<()> {
    let Some(first) = events.first() else { return Ok(()) };
    let mut run = run_of(transaction, &owner.run)?
        .unwrap_or_else(|| fresh(owner.run.clone(), owner.project.clone(), owner.tenant.clone(), first));
    events.iter().for_each(|e| run.learn(e));
    keep(transaction, &run)
}

const COLUMNS: &str = "id, project, tenant, verb, script, state, code, began, last, events, intents";

fn keep(transaction: &Transaction<'_>, run: &Run) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(&format!(
        "INSERT OR REPLACE INTO run ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    ))?;
    insert.execute(params![
        run.id,
        run.project,
        run.tenant,
        run.verb,
        run.script,
        run.state,
        run.code,
        run.began.to_string(),
        run.last.to_string(),
        run.events.cast_signed(),
        run.intents.cast_signed(),
    ])?;
    Ok(())
}

fn run_of(connection: &Connection, id: &str) -> rusqlite::Result<Option<Run>> {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM run WHERE id = ?1"))?;
    select.query_row([id], run_at).optional()
}

/// Every run, the earliest first.
pub(super) fn runs(connection: &Connection) -> rusqlite::Result<Vec<Run>> {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM run ORDER BY id"))?;
    select.query_map([], run_at)?.collect()
}

fn run_at(row: &Row<'_>) -> rusqlite::Result<Run> {
    let wrong = |column| rusqlite::Error::InvalidColumnType(column, "run".into(), rusqlite::types::Type::Text);
    let time = |column: usize| -> rusqlite::Result<jiff::Timestamp> {
        row.get::<_, String>(column)?.parse().map_err(|_| wrong(column))
    };
    Ok(Run {
        id: row.get(0)?,
        project: row.get(1)?,
        tenant: row.get(2)?,
        verb: row.get(3)?,
        script: row.get(4)?,
        state: row.get(5)?,
        code: row.get(6)?,
        began: time(7)?,
        last: time(8)?,
        events: row.get::<_, i64>(9)?.unsigned_abs(),
        intents: row.get::<_, i64>(10)?.unsigned_abs(),
    })
}
