//! Steps 6, 7 and 10: the batch, its start, the watch over it, its end.
//!
//! `start` is the point of no return for mail: the service makes the cloud
//! mailbox and writes TargetAddress on premises before it copies. So the whole
//! image of every mailbox of the wave goes into the journal first, and a batch
//! that isn't needed any more (all its mailboxes moved) is never started again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::domains::one;
use super::gate::{self, Change, Observed, Repeat, Verdict, WayBack};
use super::journal::Kind as EventKind;
use super::narrate::What;
use super::report::plural;
use super::session::Session;
use super::{mailflow, recipients};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::migration::list::{Mailboxes, ROWS_PER_FILE};
use crate::wire::attributes::{Entry, address_key, domain_of};
use crate::wire::invoke::{Param, Params, get, number_of, text_of};

/// A migration batch, referred to by name; what is known of its rows is that of
/// the last [`watch`].
#[derive(Clone)]
pub struct Batch(Arc<Inner>);

struct Inner {
    name: String,
    mailboxes: Mailboxes,
    finished: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    status: String,
    synced: BTreeSet<String>,
    failed: BTreeMap<String, String>,
    provisioned: BTreeSet<String>,
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

    fn state(&self) -> MutexGuard<'_, State> {
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
    fn settles_within(&self) -> i64 {
        300
    }
    async fn apply(&self, session: &Session, _: &Observed) -> Result<()> {
        let params: Params = vec![
            ("Name".into(), Param::from(self.name)),
            ("SourceEndpoint".into(), Param::from(self.endpoint.as_str())),
            ("CSVData".into(), Param::Bytes(self.mailboxes.to_csv(true))),
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
    let rest = mailboxes.filter(|row| !has_moved(row.address()));
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

/// Why each of these was given back, if all were, by this batch, and are still
/// whole where they are: then the batch has nothing left to do. Another try takes
/// a batch of another name.
fn given_back(
    session: &Session,
    name: &str,
    rest: &Mailboxes,
    people: &BTreeMap<String, Entry>,
) -> Option<Vec<(String, String)>> {
    let memory = session.memory();
    rest.iter()
        .map(|row| {
            let whole = people.get(&row.key()).is_some_and(|e| e.has("homeMDB") && !e.has("targetAddress"));
            let reason = memory.past.released.get(&row.key()).filter(|_| whole)?;
            memory.past.is_own(name, row.address()).then(|| (row.address().to_owned(), reason.clone()))
        })
        .collect()
}

struct StartBatch<'a> {
    batch: &'a Batch,
    /// The failed rows once more, which a watch has seen.
    again: bool,
}

#[async_trait]
impl Change for StartBatch<'_> {
    fn operation(&self) -> &'static str {
        "start"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
    fn way_back(&self) -> WayBack {
        WayBack::Compensable("release the rows: forwarding is taken back, what came meanwhile is carried home")
    }
    fn targets(&self) -> Vec<String> {
        vec![self.batch.name().to_owned()]
    }
    fn settles_within(&self) -> i64 {
        300
    }
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let name = self.batch.name();
        let status = status_of(session, name).await?.ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("there is no batch {name}"))
                .during("exchange", "Start-MigrationBatch")
                .on(name)
                .hint("make it first: batch(name, mailboxes)")
        })?;
        let verdict = match status.to_ascii_lowercase().as_str() {
            "created" | "stopped" => Verdict::Differs(json!({"status": "Syncing"})),
            // Only for rows that a watch of this run has seen failed: a script
            // that runs again must not start anew what ended long ago.
            "failed" | "syncedwitherrors" if self.again => Verdict::Differs(json!({"status": "Syncing"})),
            "stopping" | "removing" | "corrupted" => Verdict::Refused(
                Failure::new(Kind::Conflict, format!("batch {name} can't be started while it is {status}"))
                    .during("exchange", "Start-MigrationBatch")
                    .on(name)
                    .hint("wait until it has ended, then start again"),
            ),
            _ => Verdict::Same,
        };
        Ok(vec![Observed { target: name.into(), before: json!({"status": status}), verdict }])
    }
    async fn apply(&self, session: &Session, _: &Observed) -> Result<()> {
        let params = vec![("Identity".into(), Param::from(self.batch.name()))];
        session.services().exchange.invoke("Start-MigrationBatch", params).await.map(|_| ())
    }
}

/// Starts a batch, or starts it again for its failed rows. Before the first
/// start the whole image of every mailbox goes into the journal.
///
/// # Errors
/// Those of the gate; `conflict` while the batch can't be started.
pub async fn start(session: &Arc<Session>, batch: &Batch) -> Result<bool> {
    if batch.is_finished() {
        return Ok(false);
    }
    let again = !batch.state().failed.is_empty();
    let subject = if again {
        format!("{} again ({})", batch.name(), plural(batch.failed().len(), "failed mailbox", "failed mailboxes"))
    } else {
        format!("{} ({})", batch.name(), plural(batch.mailboxes().len(), "mailbox", "mailboxes"))
    };
    let step = session.step("start", subject);
    if a_release_began(session, batch) {
        // The service would start every failed row of the batch and forward
        // again whom a release has given back.
        step.end("not started again: mailboxes of it were given back");
        return Ok(false);
    }
    if !again {
        keep_images(session, batch.mailboxes()).await?;
    }
    let outcome = one(gate::pass(session, &StartBatch { batch, again }, None).await?)?;
    step.end(if outcome.changed { "new mail goes to the cloud from now on" } else { "was started already" });
    Ok(outcome.changed)
}

fn a_release_began(session: &Session, batch: &Batch) -> bool {
    let memory = session.memory();
    batch
        .mailboxes()
        .iter()
        .any(|row| memory.past.releasing.contains(&row.key()) && memory.past.is_own(batch.name(), row.address()))
}

/// Both sides' whole images of people, into the journal, once.
///
/// # Errors
/// Those of the directories; the journal can't be written.
pub async fn keep_images(session: &Session, mailboxes: &Mailboxes) -> Result<()> {
    let fresh: Vec<String> = {
        let memory = session.memory();
        mailboxes.addresses().iter().map(|a| address_key(a)).filter(|a| !memory.past.baselines.contains(a)).collect()
    };
    if fresh.is_empty() {
        return Ok(());
    }
    let entries = recipients::some(session, &fresh, &["*"]).await?;
    let cloud = recipients::users(session, &fresh).await?;
    let images = fresh
        .into_iter()
        .zip(cloud)
        .map(|(address, user)| {
            let directory = entries.get(&address).map_or(Value::Null, recipients::image);
            let user = user.map_or(Value::Null, |u| {
                json!({"id": u.facts.id, "upn": u.facts.upn, "proxies": u.facts.proxies, "licences": u.licences, "usageLocation": u.facts.usage_location})
            });
            let image = json!({"directory": directory, "cloud": user});
            (address, image)
        })
        .collect();
    gate::keep_baselines(session, "start", images)
}

/// How a batch is watched.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Longest time to wait.
    pub deadline: SignedDuration,
    /// Time between two looks.
    pub every: SignedDuration,
}

impl Default for Watch {
    fn default() -> Self {
        // 90 % of mailboxes of up to 10 GB are through in a week; a row without
        // progress is not looked into before 8 hours (reference: throughput).
        Watch { deadline: SignedDuration::from_hours(14 * 24), every: SignedDuration::from_mins(30) }
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
    session.note(What::Waiting { reason: format!("the copy of {name}"), until: deadline });
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
            _ => {}
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
    step.end(if failed == 0 { format!("{synced} copied") } else { format!("{synced} copied, {failed} failed") });
    Ok(())
}

struct RemoveBatch<'a>(&'a str);

#[async_trait]
impl Change for RemoveBatch<'_> {
    fn operation(&self) -> &'static str {
        "remove"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
    fn way_back(&self) -> WayBack {
        WayBack::Final("nothing is copied from on premises any more; a new batch would begin anew")
    }
    fn targets(&self) -> Vec<String> {
        vec![self.0.to_owned()]
    }
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let status = status_of(session, self.0).await?;
        let verdict = match status.as_deref() {
            None => Verdict::Same,
            Some(s) if s.eq_ignore_ascii_case("Removing") => Verdict::Same,
            Some(s) if ["Syncing", "Starting", "Stopping"].iter().any(|r| s.eq_ignore_ascii_case(r)) => {
                Verdict::Refused(
                    Failure::new(Kind::Conflict, format!("batch {} can't be removed while it is {s}", self.0))
                        .during("exchange", "Remove-MigrationBatch")
                        .on(self.0)
                        .hint("watch it to its end first"),
                )
            }
            Some(_) => Verdict::Differs(Value::Null),
        };
        Ok(vec![Observed { target: self.0.into(), before: json!({"status": status}), verdict }])
    }
    async fn apply(&self, session: &Session, _: &Observed) -> Result<()> {
        let params = vec![("Identity".into(), Param::from(self.0)), ("Confirm".into(), Param::Bool(false))];
        match session.services().exchange.invoke("Remove-MigrationBatch", params).await {
            Err(f) if f.kind == Kind::NotFound => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// Removes a batch once nothing hangs on it any more: every row is moved or
/// left whole, nobody is forwarded to an unfilled mailbox, the waiting time
/// since the MX change is over, and mail flow was proved.
///
/// # Errors
/// `conflict` naming the row or the condition that still holds it.
pub async fn remove(session: &Arc<Session>, batch: &Batch) -> Result<bool> {
    let name = batch.name();
    if batch.is_finished() && status_of(session, name).await?.is_none() {
        return Ok(false);
    }
    let step = session.step("remove", name);
    nothing_hangs_on(session, batch).await?;
    wait_after_switch(session).await?;
    let outcome = one(gate::pass(session, &RemoveBatch(name), None).await?)?;
    let gone = recipients::until(session, SignedDuration::from_mins(5), SignedDuration::from_hours(6), || async {
        Ok(status_of(session, name).await?.is_none())
    })
    .await?;
    if !gone {
        return Err(Failure::new(Kind::Timeout, format!("the batch {name} is still being removed after six hours"))
            .during("exchange", "Remove-MigrationBatch")
            .on(name)
            .hint("look at it in the admin centre; run again later"));
    }
    step.end("gone");
    Ok(outcome.changed)
}

async fn nothing_hangs_on(session: &Session, batch: &Batch) -> Result<()> {
    let addresses = batch.mailboxes().addresses();
    let people = recipients::some(session, &addresses, &["proxyAddresses", "homeMDB", "targetAddress"]).await?;
    let between: Vec<String> = addresses
        .iter()
        .filter(|a| people.get(&address_key(a)).is_some_and(|e| e.has("homeMDB") && e.has("targetAddress")))
        .cloned()
        .collect();
    if let Some(first) = between.first() {
        let more = if between.len() > 1 { format!(" and {} more", between.len() - 1) } else { String::new() };
        return Err(Failure::new(
            Kind::Conflict,
            format!("{first}{more} in {} is forwarded but neither converted nor released", batch.name()),
        )
        .on(batch.name())
        .hint("convert_to_mail_user(b.synced) and release(b.failed) first"));
    }
    let half = {
        let memory = session.memory();
        let begun = |a: &&String| {
            let key = address_key(a);
            memory.past.releasing.contains(&key) && !memory.past.released.contains_key(&key)
        };
        addresses.iter().find(begun).cloned()
    };
    if let Some(first) = half {
        return Err(Failure::new(
            Kind::Conflict,
            format!("the release of {first} in {} was begun and not finished", batch.name()),
        )
        .on(batch.name())
        .hint("release(b.failed) once more: mail may wait in its cloud mailbox"));
    }
    let domains: BTreeSet<String> = addresses.iter().map(|a| domain_of(a)).collect();
    if let Some(domain) = mailflow::still_at_home(session, &domains).await? {
        return Err(Failure::new(
            Kind::Conflict,
            format!("the mail of {domain} still goes to the old server, {} stays", batch.name()),
        )
        .on(batch.name())
        .hint("call set_mx(domains) first"));
    }
    if !session.memory().facts.contains_key("mail_flow") {
        return Err(Failure::new(Kind::Conflict, format!("mail flow was not proved, {} stays", batch.name()))
            .on(batch.name())
            .hint("call mailflow::verify(domains).or_stop() after set_mx"));
    }
    Ok(())
}

/// Waits until the project's hours since the MX change are over; from now on if
/// the moment of the change isn't known.
async fn wait_after_switch(session: &Session) -> Result<()> {
    let hours = i64::from(session.project().waits.mx_hours);
    let cut: Timestamp = {
        let mut memory = session.memory();
        let known = memory.facts.get("mx_switched").and_then(|v| v.as_str()?.parse().ok());
        match known.max(memory.past.switched) {
            Some(time) => time,
            None => {
                let now = session.now();
                memory.facts.insert("mx_switched".into(), json!(now.to_string()));
                now
            }
        }
    };
    let until = cut + SignedDuration::from_hours(hours);
    if session.now() < until {
        session.note(What::Waiting { reason: format!("{hours} hours since the MX change"), until });
        session.clock().sleep_until(until).await?;
    }
    Ok(())
}

/// One row of a batch as the service tells it.
pub struct Row {
    /// Address.
    pub address: String,
    /// Status.
    pub status: String,
    /// ErrorSummary.
    pub error: String,
}

impl Row {
    fn is_synced(&self) -> bool {
        ["Synced", "Completed", "CompletedWithWarnings", "IncrementalSynced"]
            .iter()
            .any(|s| self.status.eq_ignore_ascii_case(s))
    }
}

impl Row {
    /// Whether the service still has something to do with it.
    fn is_at_work(&self) -> bool {
        ["Queued", "Validating", "Provisioning", "ProvisionUpdating", "Starting", "Syncing", "IncrementalSyncing"]
            .iter()
            .any(|s| self.status.eq_ignore_ascii_case(s))
    }
}

async fn rows_of(session: &Session, name: &str) -> Result<Vec<Row>> {
    rows_where(session, vec![("BatchId".into(), Param::from(name))]).await
}

async fn rows_where(session: &Session, mut params: Params) -> Result<Vec<Row>> {
    params.push(("ResultSize".into(), Param::from("Unlimited")));
    let reply = session.services().exchange.invoke("Get-MigrationUser", params).await?;
    Ok(reply
        .rows
        .iter()
        .map(|r| Row {
            address: text_of(get(r, "Identity")),
            status: text_of(get(r, "Status")),
            error: text_of(get(r, "ErrorSummary")),
        })
        .collect())
}

/// What a migration user's status says about its copy, by address; everybody
/// whom a batch holds.
///
/// # Errors
/// Those of Exchange.
pub async fn copied(session: &Session) -> Result<BTreeMap<String, bool>> {
    let rows = rows_where(session, Vec::new()).await?;
    Ok(rows.into_iter().map(|r| (address_key(&r.address), r.is_synced())).collect())
}

async fn batch_named(session: &Session, name: &str) -> Result<Option<Value>> {
    match session.services().exchange.invoke("Get-MigrationBatch", vec![("Identity".into(), Param::from(name))]).await {
        Ok(reply) => Ok(reply.rows.into_iter().find(|r| text_of(get(r, "Identity")).eq_ignore_ascii_case(name))),
        Err(f) if f.kind == Kind::NotFound => Ok(None),
        Err(f) => Err(f),
    }
}

async fn status_of(session: &Session, name: &str) -> Result<Option<String>> {
    Ok(batch_named(session, name).await?.map(|b| text_of(get(&b, "Status"))))
}
