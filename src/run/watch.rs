//! Step 7, afterwards: the watch over a batch until its copy is over.
//!
//! It changes nothing. A failed row is an answer; what becomes of it is the
//! script's decision.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;

use super::batches::{Batch, Row, State, batch_named, rows_of};
use super::consequences;
use super::forwardings;
use super::journal::Kind as EventKind;
use super::narrate::What;
use super::report::plural;
use super::session::Session;
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result};
use crate::wire::attributes::address_key;
use crate::wire::invoke::{get, number_of, text_of};

/// How a batch is watched.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Longest time to wait.
    pub deadline: SignedDuration,
    /// Time between two looks.
    pub every: SignedDuration,
    /// Come back after so long with what is complete, though the batch isn't over.
    pub pause: Option<SignedDuration>,
    /// Ends when every row has its cloud mailbox or has failed; the copy goes on.
    pub until_provisioned: bool,
}

impl Default for Watch {
    fn default() -> Self {
        // 90 % of mailboxes of up to 10 GB are through in a week; a row without
        // progress is not looked into before 8 hours (reference: throughput).
        Watch {
            deadline: SignedDuration::from_hours(14 * 24),
            every: SignedDuration::from_mins(30),
            pause: None,
            until_provisioned: false,
        }
    }
}

impl Watch {
    /// Until the mailboxes are made, a day at most: a row that takes longer must not
    /// keep the others from their licences.
    pub fn provisioned() -> Watch {
        Watch { deadline: SignedDuration::from_hours(24), until_provisioned: true, ..Watch::default() }
    }
}

/// Watches a batch until its initial copy is over, and learns which rows are
/// synced and which failed. A failed batch is an answer, not a failure. With a
/// pause it comes back once the time is over and somebody's copy is complete who
/// was not told of yet, the first time at once: what is done in an old mailbox after its copy is lost, so
/// nobody should wait for the slowest of the wave.
///
/// # Errors
/// `timeout` at the deadline; those of Exchange.
pub async fn watch(session: &Arc<Session>, batch: &Batch, how: &Watch) -> Result<()> {
    if batch.is_finished() {
        return Ok(());
    }
    let name = batch.name();
    let step = session.step("watch", name);
    let reason = if how.until_provisioned { format!("the mailboxes of {name}") } else { format!("the copy of {name}") };
    // A watch of an earlier pass goes on: its time is not counted anew.
    let which = json!([name, how.until_provisioned]);
    let deadline = session.deadline("watch", &which, session.now() + how.deadline, &reason)?;
    let back = match how.pause {
        Some(pause) => Some(session.wait_ends("watch::pause", &which, session.now() + pause, &reason)?),
        None => None,
    };
    session.note(What::Waiting { reason, until: deadline });
    let known = batch.state().told.len();
    // Who is complete before anything was told is not kept waiting for a pause: an
    // earlier run may have been broken off just before their conversion.
    let mut at_once = how.pause.is_some() && known == 0;
    // Whoever finds a batch at its end doesn't know since when.
    let mut seen_at_work = false;
    if session.planning().is_some() {
        consequences::copied(session, name, how.until_provisioned).await?;
    }
    let (status, rows, is_over) = loop {
        let found = batch_named(session, name).await?.ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("the batch {name} is gone"))
                .during("exchange", "Get-MigrationBatch")
                .on(name)
                .hint("look who removed it; the mailboxes' own state stands in both directories")
        })?;
        let count = |field: &str| usize::try_from(number_of(get(&found, field)).unwrap_or(0)).unwrap_or(0);
        let status = text_of(get(&found, "Status"));
        let (done, failed) = (count("SyncedCount"), count("FailedCount"));
        let text = if failed > 0 { format!("copied, {failed} failed") } else { "copied".to_owned() };
        step.progress(done, count("TotalCount"), "mailboxes", text);
        match status.to_ascii_lowercase().as_str() {
            "synced" | "syncedwitherrors" | "failed" | "completed" | "completedwitherrors" => {
                // The rows have the last word: one that is still at work is no
                // failure, and to release it would undo a copy that runs.
                let rows = rows_of(session, name).await?;
                if !rows.iter().any(Row::is_at_work) {
                    break (status, rows, true);
                }
            }
            _ if plant::is(Plant::WatchEndsEarly) => break (status, rows_of(session, name).await?, true),
            "stopped" => break (status, rows_of(session, name).await?, true),
            "corrupted" => {
                return Err(Failure::new(Kind::Refused, format!("the batch {name} is corrupted"))
                    .during("exchange", "Get-MigrationBatch")
                    .on(name)
                    .hint("open a support request; its rows' state stands in both directories"));
            }
            _ if how.until_provisioned => {
                let rows = rows_of(session, name).await?;
                if rows.iter().all(|r| r.has_mailbox || !r.is_at_work()) {
                    break (status, rows, false);
                }
            }
            _ => {}
        }
        if how.until_provisioned && session.now() >= deadline {
            break (status, rows_of(session, name).await?, false);
        }
        if (at_once || back.is_some_and(|at| session.now() >= at)) && done > known {
            break (status, rows_of(session, name).await?, false);
        }
        at_once = false;
        if session.now() >= deadline {
            return Err(Failure::new(
                Kind::Timeout,
                format!("the batch {name} is still {status} after {} days", how.deadline.as_hours() / 24),
            )
            .during("exchange", "Get-MigrationBatch")
            .on(name)
            .hint("look at Get-MigrationUser for rows without progress, then run again: the watch goes on"));
        }
        seen_at_work = true;
        session.clock().sleep(how.every).await?;
    };
    let (before, told) = {
        let state = batch.state();
        (state.synced.clone(), state.told.clone())
    };
    let mut state = State { status: status.clone(), is_over, ..State::default() };
    for row in &rows {
        let key = address_key(&row.address);
        if row.has_mailbox {
            state.provisioned.insert(key.clone());
        }
        if row.is_synced() {
            if row.skipped > 0 && !before.contains(&key) {
                session.note(What::Finding {
                    severity: "warning".into(),
                    target: row.address.clone(),
                    message: format!(
                        "{} of {} not copied: too large (over 150 MB) or broken",
                        plural(usize::try_from(row.skipped).unwrap_or(usize::MAX), "item was", "items were"),
                        row.address
                    ),
                    hint: "export them from the old mailbox before its store purges it (30 days after the conversion)"
                        .into(),
                });
            }
            state.synced.insert(key);
        } else if is_over || !row.is_at_work() {
            let why = if row.error.is_empty() { format!("the service says {}", row.status) } else { row.error.clone() };
            state.failed.insert(key, why);
        }
    }
    forwardings::seen(session, &rows).await?;
    let (synced, failed) = (state.synced.len(), state.failed.len());
    session.record(
        EventKind::Outcome,
        "watch",
        name,
        json!({"status": status, "synced": state.synced, "failed": state.failed, "provisioned": state.provisioned.len(), "seen_to_end": seen_at_work && is_over}),
    )?;
    session.memory().failed_rows.extend(state.failed.clone());
    state.told = if how.until_provisioned { told } else { state.synced.clone() };
    *batch.state() = state;
    if how.until_provisioned {
        let made = batch.provisioned().len();
        step.end(format!("{made} of {} have their cloud mailbox", rows.len()));
        return Ok(());
    }
    let of = batch.mailboxes().len();
    step.end(match (is_over, failed) {
        (false, _) => format!("{synced} of {of} copied so far"),
        (true, 0) => format!("{synced} copied"),
        (true, _) => format!("{synced} copied, {failed} failed"),
    });
    Ok(())
}
