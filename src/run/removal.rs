//! Step 10: a batch goes when nothing hangs on it any more.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::batches::{Batch, rows_of, status_of};
use super::domains::one;
use super::gate::{self, Change, Observed, Repeat, Verdict, WayBack};
use super::guards::{self, Force};
use super::narrate::What;
use super::session::Session;
use super::shadow::exchange::{Table, user_key};
use super::{mailflow, recipients};
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::migration::routing;
use crate::migration::states::{BatchStatus, Legal, Verb};
use crate::wire::attributes::{address_key, domain_of};
use crate::wire::invoke::Param;

/// The service removes no batch that runs; one that is removed by force is
/// stopped first.
pub(super) struct StopBatch<'a>(pub(super) &'a str);

#[async_trait]
impl Change for StopBatch<'_> {
    fn operation(&self) -> &'static str {
        "remove::stop"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
    fn way_back(&self) -> WayBack {
        WayBack::Compensable("Start-MigrationBatch, as long as the batch is there")
    }
    fn targets(&self) -> Vec<String> {
        vec![self.0.to_owned()]
    }
    fn settles_within(&self) -> i64 {
        1800
    }
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let status = status_of(session, self.0).await?;
        let runs = status.as_deref().is_some_and(|s| !may_go(s));
        let verdict = if runs { Verdict::Differs(json!({"status": "Stopped"})) } else { Verdict::Same };
        Ok(vec![Observed { target: self.0.into(), before: json!({"status": status}), verdict }])
    }
    async fn predict(&self, session: &Session, _: &[Observed]) -> Result<()> {
        let rows = rows_of(session, self.0).await?;
        session.foresee(|shadow| {
            for row in rows.iter().filter(|row| row.is_at_work()) {
                shadow.exchange.change(Table::Users, &user_key(self.0, &row.address), json!({"Status": "Stopped"}));
            }
            shadow.exchange.change(Table::Batches, self.0, json!({"Status": "Stopped"}));
        });
        Ok(())
    }
    async fn apply(&self, session: &Session, _: &Observed) -> Result<()> {
        let params = vec![("Identity".into(), Param::from(self.0)), ("Confirm".into(), Param::Bool(false))];
        session.services().exchange.invoke("Stop-MigrationBatch", params).await.map(|_| ())
    }
}

/// For how long a plan takes a batch to be listed as being removed; its name is
/// free then.
const LINGERS: SignedDuration = SignedDuration::from_mins(10);

/// Whether the service takes a removal of a batch in this state.
pub(super) fn may_go(status: &str) -> bool {
    matches!(BatchStatus::parse(status).allows(Verb::Remove), Legal::Yes | Legal::Already)
}

/// The removal itself; what must be so before it is asked by [`remove`].
pub(super) struct RemoveBatch<'a>(pub(super) &'a str);

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
    async fn predict(&self, session: &Session, _: &[Observed]) -> Result<()> {
        let gone = session.now() + LINGERS;
        session.assume(format!("the service takes {} minutes to remove {}", LINGERS.as_mins(), self.0));
        session.foresee(|shadow| {
            shadow.exchange.change(Table::Batches, self.0, json!({"Status": "Removing"}));
            shadow.exchange.remove_batch(self.0, gone);
        });
        Ok(())
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
/// `conflict` naming the guard `removal-while-copying`, the row or the condition
/// that still holds it. By force the guard alone is passed: rows that are being
/// copied count for nothing then, every other condition stays.
pub async fn remove(session: &Arc<Session>, batch: &Batch, force: &Force) -> Result<bool> {
    let name = batch.name();
    let status = status_of(session, name).await?;
    if plant::is(Plant::BatchKept) || batch.is_finished() && status.is_none() {
        return Ok(false);
    }
    let step = session.step("remove", name);
    let given_up = match status.as_deref() {
        Some(status) if !status.eq_ignore_ascii_case("Removing") => {
            guards::before_removal(session, name, status, force).await?
        }
        _ => BTreeSet::new(),
    };
    nothing_hangs_on(session, batch, &given_up).await?;
    wait_after_switch(session).await?;
    if !given_up.is_empty() {
        one(gate::pass(session, &StopBatch(name), None).await?)?;
    }
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

async fn nothing_hangs_on(session: &Session, batch: &Batch, given_up: &BTreeSet<String>) -> Result<()> {
    let addresses = batch.mailboxes().addresses();
    let people = recipients::some(session, &addresses, &["proxyAddresses", "homeMDB", "targetAddress"]).await?;
    let between: Vec<String> = addresses
        .iter()
        .filter(|a| !given_up.contains(&address_key(a)))
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
    let until = routing::batches_may_go(cut, hours);
    if session.now() < until {
        session.note(What::Waiting { reason: format!("{hours} hours since the MX change"), until });
        session.clock().sleep_until(until).await?;
    }
    Ok(())
}
