//! Messages that wait in a cloud mailbox whose row is given back.
//!
//! While a row was forwarded its new mail went to the cloud. When it is
//! released, each of those messages is handed to the old server as it is, with
//! its own Message-ID, so that nothing stays where nobody looks.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::gate::{self, Change, Observed, Repeat, Verdict, WayBack};
use super::recipients;
use super::session::{Session, Step};
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::migration::fences::{Place, Touch};
use crate::wire::attributes::address_key;
use crate::wire::graph::percent;
use crate::wire::invoke::{Param, get, number_of};

/// Messages that the old server took in this run, until their outcomes stand in
/// the journal.
const TAKEN: &str = "carried_home";

/// Mailboxes that are counted at a time.
const COUNTED_AT_ONCE: usize = 8;

/// A message in a cloud mailbox.
struct Waiting {
    /// Graph's id of it.
    id: String,
    /// What the journal calls it: the person and the Message-ID, or Graph's id
    /// where there is none or another message has the same.
    target: String,
    from: String,
}

/// One person's waiting messages, handed over one by one.
struct CarryHome {
    address: String,
    /// Object id of the person.
    user: String,
    messages: Vec<Waiting>,
}

#[async_trait]
impl Change for CarryHome {
    fn operation(&self) -> &'static str {
        "release::carry_home"
    }
    fn repeat(&self) -> Repeat {
        // The old server drops a message whose Message-ID it has delivered to
        // the same mailbox within the hour (duplicate detection).
        Repeat::Idempotent
    }
    fn way_back(&self) -> WayBack {
        WayBack::Final("a delivered message is in the person's mailbox; the original stays in the cloud for 30 days")
    }
    fn targets(&self) -> Vec<String> {
        self.messages.iter().map(|m| m.target.clone()).collect()
    }
    async fn touches(&self, _: &Session, _: &Observed) -> Result<Vec<Touch>> {
        // Whatever their number, they are one person's.
        Ok(vec![Touch { object: address_key(&self.address), place: Place::Elsewhere }])
    }
    async fn observe(&self, session: &Session, targets: &[String]) -> Result<Vec<Observed>> {
        // Nobody can look into the old mailbox over SMTP; what was handed over
        // is known from the server's own "250", which the journal keeps.
        let memory = session.memory();
        let taken = memory.facts.get(TAKEN);
        let done =
            |target: &String| memory.past.carried.contains(target) || taken.is_some_and(|t| t[target.as_str()] == true);
        Ok(targets
            .iter()
            .map(|target| Observed {
                target: target.clone(),
                before: Value::Null,
                verdict: if done(target) { Verdict::Same } else { Verdict::Differs(json!({"delivered": true})) },
            })
            .collect())
    }
    async fn predict(&self, session: &Session, due: &[Observed]) -> Result<()> {
        due.iter().for_each(|one| taken(session, &one.target));
        Ok(())
    }
    async fn apply(&self, session: &Session, observed: &Observed) -> Result<()> {
        let found = self.messages.iter().find(|m| observed.target == m.target);
        let Some(Waiting { id, from, .. }) = found else {
            return Err(Failure::internal(format!("no message for {}", observed.target)));
        };
        let path = format!("/users/{}/messages/{}/$value", self.user, percent(id));
        let mime = session.services().graph.text(&path).await?;
        let host = &session.profile().source.smtp;
        #[cfg(test)]
        let (host, mime) = (&planted_host(session, host, &self.address).await?, planted_mime(mime));
        let sent = session.services().smtp.send_raw(host, from, &self.address, &mime).await?;
        let last = sent.data.as_ref().unwrap_or(&sent.rcpt);
        if !last.is_positive() {
            return Err(Failure::new(Kind::Refused, format!("{host} does not take a message for {} back", self.address))
                .during("smtp", "DATA")
                .on(&self.address)
                .status(last.code)
                .detail(last.text.clone())
                .hint("let the old server accept mail from this machine, then run again; the message is still in the cloud mailbox"));
        }
        taken(session, &observed.target);
        Ok(())
    }
}

/// Remembers a message that the old server took.
fn taken(session: &Session, target: &str) {
    let mut memory = session.memory();
    let taken = memory.facts.entry(TAKEN.into()).or_insert_with(|| json!({}));
    taken[target] = json!(true);
}

/// Carries the waiting messages of these people home; answers how many.
///
/// # Errors
/// Those of Graph and SMTP: a message that the old server refuses stays where it
/// is, and the release isn't finished.
pub async fn carry_home(session: &Arc<Session>, addresses: &[String], step: &Step) -> Result<u64> {
    let mut carried = 0;
    if plant::is(Plant::MailLeftWaiting) {
        return Ok(0);
    }
    if !addresses.is_empty() {
        session.assume("no more messages wait in the cloud mailboxes of released rows than now");
    }
    let ids = recipients::ids(session, addresses).await?;
    for (done, (address, user)) in addresses.iter().zip(ids).enumerate() {
        let Some(user) = user else { continue };
        let messages = arrived(session, address, &user).await?;
        if messages.is_empty() {
            continue;
        }
        let change = CarryHome { address: address.clone(), user, messages };
        let outcomes = gate::pass(session, &change, None).await?;
        if let Some(failure) = outcomes.iter().find_map(|o| o.result.as_ref().err()) {
            return Err(failure.clone());
        }
        carried += outcomes.iter().filter(|o| o.changed).count() as u64;
        step.progress(done + 1, addresses.len(), "mailboxes", format!("{carried} messages carried home"));
    }
    Ok(carried)
}

/// How many messages in each of these people's cloud mailboxes arrived there and
/// were not carried home yet, in the order asked.
///
/// # Errors
/// Those of Graph and Exchange.
pub async fn counted(session: &Session, addresses: &[String]) -> Result<Vec<u64>> {
    let ids = recipients::ids(session, addresses).await?;
    let people: Vec<(&String, Option<String>)> = addresses.iter().zip(ids).collect();
    let one = |(address, user): (&String, Option<String>)| {
        let address = address.clone();
        async move {
            let Some(user) = user else { return Ok(0) };
            let messages = arrived(session, &address, &user).await?;
            let memory = session.memory();
            Ok(messages.iter().filter(|m| !memory.past.carried.contains(&m.target)).count() as u64)
        }
    };
    session.clock().fan_out(people, COUNTED_AT_ONCE, one).await.into_iter().collect()
}

/// What lies in a cloud mailbox and did not come there by the copy. Drafts stay
/// behind: nobody has sent them.
async fn arrived(session: &Session, address: &str, user: &str) -> Result<Vec<Waiting>> {
    let path = format!("/users/{user}/messages?$select=id,internetMessageId,from,receivedDateTime,isDraft&$top=100");
    let rows = match session.sees().get_all(&path).await {
        Ok(rows) => rows,
        // No mailbox (any more): nothing waits.
        Err(f) if f.kind == Kind::NotFound => return Ok(Vec::new()),
        Err(f) => return Err(f),
    };
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    // The copy has brought old mail along, which the old mailbox still has. An
    // hour's grace for clocks that disagree.
    let since = match copied_nothing(session, address).await? {
        true => None,
        false => session.memory().past.started(address).map(|t| t - jiff::SignedDuration::from_hours(1)),
    };
    let is_new = |m: &Value| {
        let received = m["receivedDateTime"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
        received.zip(since).is_none_or(|(received, since)| received >= since)
    };
    let mut seen = std::collections::BTreeSet::new();
    let new = rows.iter().filter(|m| is_new(m) && m["isDraft"] != true);
    Ok(new
        .map(|m| {
            let (id, message) = (text(&m["id"]), text(&m["internetMessageId"]));
            let name = if !message.is_empty() && seen.insert(message.clone()) { message } else { id.clone() };
            let target = format!("{address} {name}");
            Waiting { id, target, from: text(&m["from"]["emailAddress"]["address"]) }
        })
        .collect())
}

/// Whether the row's copy brought nothing along: then all that lies in the cloud
/// mailbox came there by itself, also before the batch, and the old one has none
/// of it. Where the service doesn't know the row, it may have.
async fn copied_nothing(session: &Session, address: &str) -> Result<bool> {
    let one = vec![("Identity".into(), Param::from(address))];
    let reply = match session.sees().invoke("Get-MigrationUser", one).await {
        Ok(reply) => reply,
        Err(f) if f.kind == Kind::NotFound => return Ok(false),
        Err(f) => return Err(f),
    };
    Ok(reply.rows.first().is_some_and(|row| number_of(get(row, "SyncedItemCount")) == Some(0)))
}

/// The host that a message is handed to, with the mistake that a test has planted.
#[cfg(test)]
async fn planted_host(session: &Session, host: &str, address: &str) -> Result<String> {
    if !plant::is(Plant::CarriedToTheCloud) {
        return Ok(host.to_owned());
    }
    let domain = crate::wire::attributes::domain_of(address);
    Ok(super::mailflow::cloud_host(session, &domain).await?.unwrap_or_default())
}

/// The message that is handed over, with the mistake that a test has planted.
#[cfg(test)]
fn planted_mime(mime: String) -> String {
    let is_id = |line: &str| line.to_ascii_lowercase().starts_with("message-id:");
    match mime.lines().find(|l| is_id(l)) {
        Some(line) if plant::is(Plant::NewMessageId) => {
            let new = format!("Message-ID: <own-{}@stagepost.example>", line.len() + mime.len());
            mime.replace(line, &new)
        }
        _ => mime,
    }
}
