//! What a list is judged by, read from both sides: one paged read of the
//! directory, of Graph's users, of Exchange's recipients and of the migration
//! users; and three small questions, whatever the number of rows: the root of
//! the directory, the tenant, its products.
//!
//! Only what the rules look at is asked for, and an answer is dropped as soon as
//! its facts are taken: twenty thousand people are read so. Nothing is judged
//! here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::recipients::{self, NAMED, unlimited};
use super::{licences, session::Session};
use crate::base::Result;
use crate::migration::against::{InCloud, OnPremises, Situation, Tenant};
use crate::migration::kind::Kind;
use crate::migration::list::Mailboxes;
use crate::wire::attributes::address_key;
use crate::wire::invoke::{get, text_of};

/// The facts of a moment.
pub struct Read {
    /// By what the list is judged; `batches` are those of others.
    pub situation: Situation,
    /// Who is in a batch of this project that was not removed, in lower case.
    pub under_way: BTreeSet<String>,
    /// Who is in somebody else's batch that runs now, in lower case.
    pub running: BTreeSet<String>,
}

/// Reads both sides for a list and a kind of migration.
///
/// # Errors
/// Those of the directory, of Graph and of Exchange.
pub async fn read(session: &Arc<Session>, list: &Mailboxes, kind: Kind) -> Result<Read> {
    let clock = session.clock();
    // Boxed: together they would fill the stack of a small thread.
    let directories = clock.both(Box::pin(on_premises(session, kind)), Box::pin(in_cloud(session, kind)));
    let small = clock.both(Box::pin(tenant(session)), Box::pin(licences::skus(session)));
    let around = clock.both(Box::pin(migration_users(session)), small);
    let ((on_premises, in_cloud), (users, (tenant, skus))) = clock.both(directories, around).await?;
    let project = session.project();
    let situation = Situation {
        list: list.clone(),
        on_premises,
        in_cloud,
        batches: BTreeMap::new(),
        sizes: BTreeMap::new(),
        tenant: Tenant { skus: Some(skus), ..tenant },
        sku: project.licence.sku.clone(),
        usage_location: project.usage_location.clone(),
    };
    let mut read = Read { situation, under_way: BTreeSet::new(), running: BTreeSet::new() };
    let running = running(&users);
    let memory = session.memory();
    for user in users {
        // Rows of our own batches are in the middle of their move.
        if memory.past.is_own(&user.batch, &user.address) {
            read.under_way.insert(user.address);
        } else {
            if running.contains(&user.batch.to_lowercase()) {
                read.running.insert(user.address.clone());
            }
            read.situation.batches.insert(user.address, user.batch);
        }
    }
    Ok(read)
}

/// Whoever has an address in the directory. What IMAP reads from need not be an
/// Exchange organization at all.
async fn on_premises(session: &Session, kind: Kind) -> Result<Vec<OnPremises>> {
    if kind == Kind::Imap {
        return Ok(Vec::new());
    }
    // Each object goes as soon as its facts are taken.
    Ok(recipients::to_judge(session).await?.into_iter().map(|entry| OnPremises::of(&entry)).collect())
}

/// Everybody of the tenant with what Exchange makes of them.
async fn in_cloud(session: &Session, kind: Kind) -> Result<Vec<InCloud>> {
    let more: &[&str] = if kind == Kind::RemoteMove { &["ExchangeGuid"] } else { &[] };
    let mut people: Vec<InCloud> = Vec::new();
    let mut rows = recipients::both_sides(session, NAMED, more, |person| people.push(person.facts)).await?;
    for person in &mut people {
        (person.recipient_type, person.guid) = rows.remove(&person.id).unwrap_or_default();
    }
    recipients::remember_ids(session, people.iter());
    Ok(people)
}

/// A row of some batch.
struct MigrationUser {
    /// In lower case.
    address: String,
    batch: String,
    status: String,
}

async fn migration_users(session: &Session) -> Result<Vec<MigrationUser>> {
    let wanted = &["Identity", "BatchId", "Status"];
    let reply = session.sees().invoke_for("Get-MigrationUser", unlimited(None), wanted).await?;
    let user = |row: &Value| MigrationUser {
        address: address_key(&text_of(get(row, "Identity"))),
        batch: text_of(get(row, "BatchId")),
        status: text_of(get(row, "Status")),
    };
    Ok(reply.rows.iter().map(user).collect())
}

/// What a user does while its batch runs.
const AT_WORK: [&str; 5] = ["Starting", "Validating", "Provisioning", "ProvisionUpdating", "Syncing"];

/// Batches that run, by name in lower case: what one's users do says it, without
/// a question for the batches. A user that is queued waits its turn once another
/// of the same batch has had its own; in a batch that was never started all are.
fn running(users: &[MigrationUser]) -> BTreeSet<String> {
    let is = |user: &MigrationUser, words: &[&str]| words.iter().any(|w| user.status.eq_ignore_ascii_case(w));
    let named = |keep: &dyn Fn(&MigrationUser) -> bool| -> BTreeSet<String> {
        users.iter().filter(|u| keep(u)).map(|u| u.batch.to_lowercase()).collect()
    };
    let queued = named(&|u| is(u, &["Queued"]));
    let begun = named(&|u| !is(u, &["Queued", "Stopped", "Stopping"]));
    let at_work = named(&|u| is(u, &AT_WORK));
    at_work.into_iter().chain(queued.intersection(&begun).cloned()).collect()
}

/// The tenant's domains and whether it is synchronized, in one question.
async fn tenant(session: &Session) -> Result<Tenant> {
    let answer = session.sees().get("/organization?$select=id,verifiedDomains,onPremisesSyncEnabled").await?;
    let organization = &answer["value"][0];
    let domains = organization["verifiedDomains"].as_array().map_or(&[][..], Vec::as_slice);
    let name = |domain: &Value| domain["name"].as_str().map(str::to_lowercase);
    Ok(Tenant {
        verified: domains.iter().filter_map(name).collect(),
        initial: domains.iter().find(|d| d["isInitial"] == true).and_then(name).unwrap_or_default(),
        // Null: it was never on.
        synchronizes: (!organization.is_null()).then(|| organization["onPremisesSyncEnabled"] == true),
        skus: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_runs_by_what_its_users_do() {
        let users: Vec<MigrationUser> = [
            ("made", "Queued"),
            ("made", "Queued"),
            ("Begun", "Queued"),
            ("begun", "Failed"),
            ("copies", "Syncing"),
            ("rests", "Stopped"),
            ("rests", "Queued"),
            ("done", "Synced"),
            ("done", "Failed"),
        ]
        .into_iter()
        .map(|(batch, status)| MigrationUser {
            address: String::new(),
            batch: batch.to_owned(),
            status: status.to_owned(),
        })
        .collect();
        assert_eq!(running(&users).into_iter().collect::<Vec<_>>(), ["begun", "copies"]);
    }
}
