//! Step 7, afterwards: the watch over a batch until its copy is over.
//!
//! It changes nothing. A failed row is an answer; what becomes of it is the
//! script's decision.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;

use super::batches::{Batch, Row, State, batch_named, rows_of};
use super::journal::Kind as EventKind;
use super::narrate::What;
use super::recipients;
use super::session::Session;
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
/// synced and which failed. A failed batch is an answer, not a failure.
///
/// # Errors
/// `timeout` at the deadline; those of Exchange.
pub async fn watch(session: &Arc<Session>, batch: &Batch, how: &Watch) -> Result<()> {
    if batch.is_finished() {
        return Ok(());
    }
    let name = batch.name();
    let step = session.step("watch", name);
    let deadline = session.now() + how.deadline;
    let reason = if how.until_provisioned { format!("the mailboxes of {name}") } else { format!("the copy of {name}") };
    session.note(What::Waiting { reason, until: deadline });
    let (status, rows) = loop {
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
                    break (status, rows);
                }
            }
            "stopped" => break (status, rows_of(session, name).await?),
            "corrupted" => {
                return Err(Failure::new(Kind::Refused, format!("the batch {name} is corrupted"))
                    .during("exchange", "Get-MigrationBatch")
                    .on(name)
                    .hint("open a support request; its rows' state stands in both directories"));
            }
            _ if how.until_provisioned => {
                let rows = rows_of(session, name).await?;
                let mailboxes = recipients::cloud_mailboxes(session).await?;
                let made = |r: &Row| !r.is_at_work() || mailboxes.contains_key(&address_key(&r.address));
                if rows.iter().all(made) {
                    break (status, rows);
                }
            }
            _ => {}
        }
        if how.until_provisioned && session.now() >= deadline {
            break (status, rows_of(session, name).await?);
        }
        if session.now() >= deadline {
            return Err(Failure::new(
                Kind::Timeout,
                format!("the batch {name} is still {status} after {} days", how.deadline.as_hours() / 24),
            )
            .during("exchange", "Get-MigrationBatch")
            .on(name)
            .hint("look at Get-MigrationUser for rows without progress, then run again: the watch goes on"));
        }
        session.clock().sleep(how.every).await?;
    };
    let mailboxes = recipients::cloud_mailboxes(session).await?;
    let mut state = State { status: status.clone(), ..State::default() };
    for row in &rows {
        let key = address_key(&row.address);
        if mailboxes.contains_key(&key) {
            state.provisioned.insert(key.clone());
        }
        if row.is_synced() {
            state.synced.insert(key);
        } else if how.until_provisioned && row.is_at_work() {
            continue;
        } else {
            let why = if row.error.is_empty() { format!("the service says {}", row.status) } else { row.error.clone() };
            state.failed.insert(key, why);
        }
    }
    let (synced, failed) = (state.synced.len(), state.failed.len());
    session.record(
        EventKind::Outcome,
        "watch",
        name,
        json!({"status": status, "synced": state.synced, "failed": state.failed, "provisioned": state.provisioned.len()}),
    )?;
    session.memory().failed_rows.extend(state.failed.clone());
    *batch.state() = state;
    if how.until_provisioned {
        let made = batch.provisioned().len();
        step.end(format!("{made} of {} have their cloud mailbox", rows.len()));
        return Ok(());
    }
    step.end(if failed == 0 { format!("{synced} copied") } else { format!("{synced} copied, {failed} failed") });
    Ok(())
}
