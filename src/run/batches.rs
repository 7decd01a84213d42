//! Steps 6, 7 and 10: the batch, its start, the watch over it, its end.
//!
//! `start` is the point of no return for mail: the service makes the cloud
//! mailbox and writes TargetAddress on premises before it copies. So the whole
//! image of every mailbox of the wave goes into the journal first, and a batch
//! that isn't needed any more (all its mailboxes moved) is never started again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::domains::one;
use super::fenced;
use super::gate::{self, Change, Observed, Repeat, Verdict, WayBack};
use super::recipients;
use super::report::plural;
use super::session::Session;
use super::shadow::exchange::{Table, user_key};
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::migration::fences::Touch;
use crate::migration::list::{Mailboxes, ROWS_PER_FILE};
use crate::wire::attributes::{Entry, address_key};
use crate::wire::guid::Guid;
use crate::wire::invoke::{Param, Params, get, number_of, text_of};

/// A migration batch, referred to by name; what is known of its rows is that of
/// the last [`super::watch::watch`].
#[derive(Clone)]
pub struct Batch(Arc<Inner>);

struct Inner {
    name: String,
    mailboxes: Mailboxes,
    finished: bool,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) status: String,
    pub(super) is_over: bool,
    pub(super) synced: BTreeSet<String>,
    /// Whose copy a watch over the copy has told of as complete.
    pub(super) told: BTreeSet<String>,
    pub(super) failed: BTreeMap<String, String>,
    pub(super) provisioned: BTreeSet<String>,
}

impl Batch {
    /// Name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The mailboxes it was made of.
    pub fn mailboxes(&self) -> &Mailboxes {
        &self.0.mailboxes
    }

    /// Whether all its mailboxes had moved when it was asked for.
    pub fn is_finished(&self) -> bool {
        self.0.finished
    }

    /// Whether the service had nothing more to do with it when it was last seen.
    pub fn is_over(&self) -> bool {
        self.0.finished || self.state().is_over
    }

    /// Status as last seen; empty if never.
    pub fn status(&self) -> String {
        self.state().status.clone()
    }

    /// Mailboxes whose copy is done.
    pub fn synced(&self) -> Mailboxes {
        self.part(|s| s.synced.clone())
    }

    /// Mailboxes that failed.
    pub fn failed(&self) -> Mailboxes {
        self.part(|s| s.failed.keys().cloned().collect())
    }

    /// Mailboxes that exist in the cloud, filled or not.
    pub fn provisioned(&self) -> Mailboxes {
        self.part(|s| s.provisioned.clone())
    }

    /// The service's words for a failed row.
    pub fn error_of(&self, address: &str) -> Option<String> {
        self.state().failed.get(&address_key(address)).cloned()
    }

    fn part(&self, pick: impl Fn(&State) -> BTreeSet<String>) -> Mailboxes {
        let wanted = pick(&self.state());
        self.0.mailboxes.filter(|row| wanted.contains(&address_key(row.address())))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a batch is made.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Name of the endpoint; the project's if empty.
    pub endpoint: String,
}

struct CreateBatch<'a> {
    name: &'a str,
    /// Everybody who may be in it.
    whole: &'a Mailboxes,
    /// Those who have not moved yet.
    mailboxes: &'a Mailboxes,
    endpoint: String,
}

#[async_trait]
impl Change for CreateBatch<'_> {
    fn operation(&self) -> &'static str {
        "batch"
    }
    fn repeat(&self) -> Repeat {
        Repeat::UniqueByName
    }
    fn way_back(&self) -> WayBack {
        WayBack::Compensable("Remove-MigrationBatch, as long as it was not started")
    }
    fn targets(&self) -> Vec<String> {
        vec![self.name.to_owned()]
    }
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let Some(found) = batch_named(session, self.name).await? else {
            // The addresses make the batch known as ours when the script runs again.
            let verdict = Verdict::Differs(json!({
                "rows": self.mailboxes.len(),
                "addresses": self.mailboxes.addresses(),
            }));
            return Ok(vec![Observed { target: self.name.into(), before: Value::Null, verdict }]);
        };
        let rows = number_of(get(&found, "TotalCount")).unwrap_or(0);
        let there: BTreeSet<String> =
            rows_of(session, self.name).await?.into_iter().map(|r| address_key(&r.address)).collect();
        let keys = |list: &Mailboxes| list.addresses().iter().map(|a| address_key(a)).collect::<BTreeSet<String>>();
        let (whole, wanted) = (keys(self.whole), keys(self.mailboxes));
        // The rows of a fresh batch are listed one by one; their number is known first.
        let listed = there.is_superset(&wanted) || usize::try_from(rows).is_ok_and(|n| n == wanted.len());
        let verdict = if listed && there.is_subset(&whole) {
            Verdict::Same
        } else {
            Verdict::Refused(
                Failure::new(
                    Kind::Conflict,
                    format!("a batch {} is there already, with other mailboxes ({rows})", self.name),
                )
                .during("exchange", "New-MigrationBatch")
                .on(self.name)
                .hint("give the wave another name, or remove that batch if it is yours"),
            )
        };
        Ok(vec![Observed { target: self.name.into(), before: json!({"rows": rows}), verdict }])
    }
    async fn touches(&self, session: &Session, _: &Observed) -> Result<Vec<Touch>> {
        fenced::forwarded(session, &self.mailboxes.addresses()).await
    }
    fn settles_within(&self) -> i64 {
        300
    }
    async fn predict(&self, session: &Session, _: &[Observed]) -> Result<()> {
        let (name, rows) = (self.name, self.mailboxes.addresses());
        session.foresee(|shadow| {
            let batch = json!({
                "Identity": name, "Status": "Created", "SourceEndpoint": self.endpoint,
                "TotalCount": rows.len(), "SyncedCount": 0, "FailedCount": 0,
            });
            shadow.exchange.make(Table::Batches, name, batch);
            for address in &rows {
                let row = json!({
                    "Identity": address, "BatchId": name, "Status": "Queued", "ErrorSummary": "",
                    "SyncedItemCount": 0, "SkippedItemCount": 0, "MailboxGuid": Guid::NIL.to_string(),
                    "LastSuccessfulSyncTime": Value::Null,
                });
                shadow.exchange.make(Table::Users, &user_key(name, address), row);
            }
        });
        Ok(())
    }
    async fn apply(&self, session: &Session, _: &Observed) -> Result<()> {
        let params: Params = vec![
            ("Name".into(), Param::from(self.name)),
            ("SourceEndpoint".into(), Param::from(self.endpoint.as_str())),
            ("CSVData".into(), Param::Bytes(planted_csv(self.mailboxes.to_csv(true)))),
        ];
        session.services().exchange.invoke("New-MigrationBatch", params).await.map(|_| ())
    }
}

/// Makes sure that there is a batch of these mailboxes. It looks at the
/// mailboxes first: if all of them have moved, it answers a finished batch
/// whose `start`, `watch` and `remove` do nothing.
///
/// # Errors
/// `validation` for an empty set, a bad name or more rows than a file may
/// have; `conflict` for a batch of that name with other mailboxes.
pub async fn ensure(session: &Arc<Session>, name: &str, mailboxes: &Mailboxes, options: &Options) -> Result<Batch> {
    let refuse = |message: String, hint: &str| Err(Failure::new(Kind::Validation, message).on(name).hint(hint));
    if name.trim().is_empty() || name.chars().count() > 64 {
        return refuse(format!("`{name}` is no name for a batch"), "a name has 1 to 64 characters");
    }
    if mailboxes.len() > ROWS_PER_FILE {
        return refuse(
            format!("a batch takes at most {ROWS_PER_FILE} mailboxes, {name} has {}", mailboxes.len()),
            "plan waves: import \"std/waves\" as waves; waves::plan(list)",
        );
    }
    let finished = |status: &str| {
        Batch(Arc::new(Inner {
            name: name.into(),
            mailboxes: mailboxes.clone(),
            finished: true,
            state: Mutex::new(State { status: status.into(), ..State::default() }),
        }))
    };
    let step = session.step("batch", format!("{name} ({})", plural(mailboxes.len(), "mailbox", "mailboxes")));
    if mailboxes.is_empty() {
        step.end("no mailbox goes on, nothing to do");
        return Ok(finished("empty"));
    }
    let people =
        recipients::some(session, &mailboxes.addresses(), &["proxyAddresses", "homeMDB", "targetAddress"]).await?;
    let has_moved =
        |address: &str| people.get(&address_key(address)).is_some_and(|e| !e.has("homeMDB") && e.has("targetAddress"));
    let rest = mailboxes.filter(|row| plant::is(Plant::MovedAgain) || !has_moved(row.address()));
    if rest.is_empty() {
        step.end("all moved already");
        return Ok(finished("Completed"));
    }
    if let Some(reasons) = given_back(session, name, &rest, &people) {
        for (address, reason) in &reasons {
            session.leave(address, reason)?;
        }
        step.end(format!("done already, {} left where they were", plural(reasons.len(), "mailbox", "mailboxes")));
        return Ok(finished("CompletedWithErrors"));
    }
    let endpoint =
        if options.endpoint.is_empty() { session.project().endpoint.name.clone() } else { options.endpoint.clone() };
    let outcome =
        one(gate::pass(session, &CreateBatch { name, whole: mailboxes, mailboxes: &rest, endpoint }, None).await?)?;
    step.end(if outcome.changed { "made" } else { "there already" });
    Ok(Batch(Arc::new(Inner {
        name: name.into(),
        mailboxes: mailboxes.clone(),
        finished: false,
        state: Mutex::new(State::default()),
    })))
}

/// A batch that an earlier pass of the run made, by its name: what is known of its
/// mailboxes is asked now. Makes nothing and changes nothing.
///
/// # Errors
/// Those of Exchange.
pub async fn again(session: &Arc<Session>, name: &str, mailboxes: &Mailboxes, finished: bool) -> Result<Batch> {
    let mut state = State::default();
    let mut finished = finished;
    if !finished {
        match batch_named(session, name).await? {
            // Removed by us: nothing is left to do with it.
            None => finished = session.memory().past.removed.contains(&name.to_lowercase()),
            Some(found) => {
                state.status = text_of(get(&found, "Status"));
                let rows = rows_of(session, name).await?;
                let ended = ["synced", "syncedwitherrors", "failed", "completed", "completedwitherrors", "stopped"];
                state.is_over =
                    ended.iter().any(|s| state.status.eq_ignore_ascii_case(s)) && !rows.iter().any(Row::is_at_work);
                for row in rows {
                    let key = address_key(&row.address);
                    if row.has_mailbox {
                        state.provisioned.insert(key.clone());
                    }
                    if row.is_synced() {
                        state.synced.insert(key);
                    } else if !row.is_at_work() {
                        let words = format!("the service says {}", row.status);
                        state.failed.insert(key, if row.error.is_empty() { words } else { row.error });
                    }
                }
            }
        }
    }
    let mailboxes = mailboxes.clone();
    Ok(Batch(Arc::new(Inner { name: name.into(), mailboxes, finished, state: Mutex::new(state) })))
}

/// Why each of these was given back, if all were, by this batch, and are still
/// whole where they are: then the batch has nothing left to do. Another try takes
/// a batch of another name.
fn given_back(
    session: &Session,
    name: &str,
    rest: &Mailboxes,
    people: &BTreeMap<String, Entry>,
) -> Option<Vec<(String, String)>> {
    if plant::is(Plant::ReleasesForgotten) {
        return None;
    }
    let memory = session.memory();
    rest.iter()
        .map(|row| {
            let whole = people.get(&row.key()).is_some_and(|e| e.has("homeMDB") && !e.has("targetAddress"));
            let reason = memory.past.released.get(&row.key()).filter(|_| whole)?;
            memory.past.is_own(name, row.address()).then(|| (row.address().to_owned(), reason.clone()))
        })
        .collect()
}

/// The list as it is sent, with the mistake that a test has planted.
fn planted_csv(csv: Vec<u8>) -> Vec<u8> {
    if !plant::is(Plant::CsvHeader) {
        return csv;
    }
    String::from_utf8_lossy(&csv).replacen("EmailAddress", "Email", 1).into_bytes()
}

/// One row of a batch as the service tells it.
#[derive(Clone)]
pub struct Row {
    /// Address.
    pub address: String,
    /// Status.
    pub status: String,
    /// ErrorSummary.
    pub error: String,
    /// SkippedItemCount: too large or broken, and not in the cloud.
    pub skipped: u64,
    /// Name of its batch.
    pub batch: String,
    /// MailboxGuid names a mailbox in the cloud.
    pub has_mailbox: bool,
    /// LastSuccessfulSyncTime; the service writes 1601 for never.
    pub synced_at: Option<Timestamp>,
}

impl Row {
    pub(super) fn is_synced(&self) -> bool {
        ["Synced", "Completed", "CompletedWithWarnings", "IncrementalSynced"]
            .iter()
            .any(|s| self.status.eq_ignore_ascii_case(s))
            || (plant::is(Plant::FailedTakenForSynced) && self.status.eq_ignore_ascii_case("Failed"))
    }
}

impl Row {
    /// Whether the service still has something to do with it.
    pub(super) fn is_at_work(&self) -> bool {
        ["Queued", "Validating", "Provisioning", "ProvisionUpdating", "Starting", "Syncing", "IncrementalSyncing"]
            .iter()
            .any(|s| self.status.eq_ignore_ascii_case(s))
    }
}

pub(super) async fn rows_of(session: &Session, name: &str) -> Result<Vec<Row>> {
    rows_where(session, vec![("BatchId".into(), Param::from(name))]).await
}

async fn rows_where(session: &Session, mut params: Params) -> Result<Vec<Row>> {
    params.push(("ResultSize".into(), Param::from("Unlimited")));
    let wanted =
        &["Identity", "Status", "ErrorSummary", "SkippedItemCount", "BatchId", "MailboxGuid", "LastSuccessfulSyncTime"];
    let reply = session.sees().invoke_for("Get-MigrationUser", params, wanted).await?;
    Ok(reply
        .rows
        .iter()
        .map(|r| Row {
            address: text_of(get(r, "Identity")),
            status: text_of(get(r, "Status")),
            error: text_of(get(r, "ErrorSummary")),
            skipped: number_of(get(r, "SkippedItemCount")).and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            batch: text_of(get(r, "BatchId")),
            has_mailbox: Guid::parse(&text_of(get(r, "MailboxGuid"))).is_some_and(|g| g != Guid::NIL),
            synced_at: text_of(get(r, "LastSuccessfulSyncTime"))
                .parse()
                .ok()
                .filter(|t: &Timestamp| *t > Timestamp::UNIX_EPOCH),
        })
        .collect())
}

/// Migration users by address, of these people at least: those of the batches of
/// ours that hold them, and everybody whom a batch holds if there is somebody of
/// whom that isn't known. Of somebody whom several hold, as after a release, the
/// row of the batch that was started last counts: what the others say is over.
///
/// # Errors
/// Those of Exchange.
pub async fn rows_of_people(session: &Session, addresses: &[String]) -> Result<BTreeMap<String, Row>> {
    let names: Option<BTreeSet<String>> = {
        let memory = session.memory();
        let keys: BTreeSet<String> = addresses.iter().map(|a| address_key(a)).collect();
        let listed = memory.past.batches.iter().filter(|(name, _)| !memory.past.removed.contains(*name));
        let holding: Vec<&(String, BTreeSet<String>)> =
            listed.map(|(_, batch)| batch).filter(|(_, rows)| !rows.is_disjoint(&keys)).collect();
        let all = keys.iter().all(|key| holding.iter().any(|(_, rows)| rows.contains(key)));
        all.then(|| holding.into_iter().map(|(name, _)| name.clone()).collect())
    };
    let rows = match names {
        None => rows_where(session, Vec::new()).await?,
        Some(names) => {
            let mut rows = Vec::new();
            for name in names {
                match rows_of(session, &name).await {
                    Err(f) if f.kind == Kind::NotFound => {}
                    found => rows.extend(found?),
                }
            }
            rows
        }
    };
    let memory = session.memory();
    let age = |row: &Row| (memory.past.started.get(&row.batch.to_lowercase()).copied(), row.synced_at);
    let mut latest: BTreeMap<String, Row> = BTreeMap::new();
    for row in rows {
        let key = address_key(&row.address);
        if latest.get(&key).is_none_or(|known| age(known) <= age(&row)) {
            latest.insert(key, row);
        }
    }
    Ok(latest)
}

/// Everybody's row, of whatever batch: one paged read.
///
/// # Errors
/// Those of Exchange.
pub(super) async fn rows_of_everybody(session: &Session) -> Result<Vec<Row>> {
    rows_where(session, Vec::new()).await
}

pub(super) async fn batch_named(session: &Session, name: &str) -> Result<Option<Value>> {
    match session.sees().invoke("Get-MigrationBatch", vec![("Identity".into(), Param::from(name))]).await {
        Ok(reply) => Ok(reply.rows.into_iter().find(|r| text_of(get(r, "Identity")).eq_ignore_ascii_case(name))),
        Err(f) if f.kind == Kind::NotFound => Ok(None),
        Err(f) => Err(f),
    }
}

pub(super) async fn status_of(session: &Session, name: &str) -> Result<Option<String>> {
    Ok(batch_named(session, name).await?.map(|b| text_of(get(&b, "Status"))))
}
