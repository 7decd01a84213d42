//! What a service does by itself because of a change of ours, as a plan foresees
//! it.
//!
//! A started batch makes cloud mailboxes, writes TargetAddress on premises and
//! copies; a licence taken away lets a mailbox give way. A run reads all that; a
//! plan takes for granted that it goes well, and says so with its line. Facts:
//! Microsoft, "What you need to know about a staged email migration".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::batches::{Row, rows_of, status_of};
use super::recipients;
use super::report::plural;
use super::session::Session;
use super::shadow::exchange::{Table, user_key};
use super::shadow::unknown;
use crate::base::Result;
use crate::migration::against::{InCloud, OnPremises};
use crate::wire::attributes::address_key;
use crate::wire::invoke::time_text;

/// A batch was started: its rows are at work, each with a cloud mailbox, and new
/// mail is forwarded.
///
/// # Errors
/// Those of the reads.
pub(super) async fn started(session: &Session, batch: &str) -> Result<()> {
    let rows: Vec<Row> = rows_of(session, batch).await?.into_iter().filter(|row| !row.is_synced()).collect();
    provisioned(session, batch, &rows).await?;
    session.foresee(|shadow| shadow.exchange.change(Table::Batches, batch, json!({"Status": "Starting"})));
    Ok(())
}

/// Rows of a batch get their cloud mailbox, unless they have one, and forwarding.
async fn provisioned(session: &Session, batch: &str, rows: &[Row]) -> Result<()> {
    let addresses: Vec<String> = rows.iter().map(|row| row.address.clone()).collect();
    let mailboxes = recipients::cloud_mailboxes(session).await?;
    let users = recipients::users(session, &addresses).await?;
    let attributes = ["proxyAddresses", "homeMDB", "targetAddress"];
    let entries = recipients::some(session, &addresses, &attributes).await?;
    let initial = &session.profile().tenant.initial_domain;
    let now = time_text(session.now());
    let mut made = 0;
    session.foresee(|shadow| {
        for (address, user) in addresses.iter().zip(users) {
            let Some(user) = user.map(|u| u.facts) else { continue };
            let key = address_key(address);
            let routing = format!("{}@{initial}", user.alias);
            let guid = match mailboxes.get(&key) {
                Some(there) => there.guid,
                None => {
                    made += 1;
                    let mut proxies = user.proxies.clone();
                    if !proxies.iter().any(|p| address_key(p) == address_key(&routing)) {
                        proxies.push(format!("smtp:{routing}"));
                    }
                    let guid = unknown::guid(&key);
                    let legacy = unknown::text(unknown::Of::LegacyName, &key);
                    let mailbox = json!({
                        "Identity": address, "PrimarySmtpAddress": address, "ExternalDirectoryObjectId": user.id,
                        "EmailAddresses": proxies, "ExchangeGuid": guid.to_string(), "LegacyExchangeDN": legacy,
                        "RecipientTypeDetails": "UserMailbox", "DeliverToMailboxAndForward": false,
                        "WhenMailboxCreated": now,
                    });
                    shadow.exchange.make(Table::Mailboxes, &key, mailbox);
                    let kind = json!({"RecipientTypeDetails": "UserMailbox", "ExchangeGuid": guid.to_string()});
                    shadow.exchange.change(Table::Recipients, &user.id, kind);
                    guid
                }
            };
            let row = json!({"Status": "Syncing", "ErrorSummary": "", "MailboxGuid": guid.to_string()});
            shadow.exchange.change(Table::Users, &user_key(batch, address), row);
            if let Some(entry) = entries.get(&key).filter(|entry| entry.has("homeMDB")) {
                let mut after = entry.clone();
                after.set_text("targetAddress", &format!("SMTP:{routing}"));
                shadow.directory.becomes(entry, &after);
            }
        }
    });
    if made > 0 {
        session.assume(format!(
            "the service makes {} of {batch} and writes the TargetAddress of each",
            plural(made, "cloud mailbox", "cloud mailboxes")
        ));
    }
    Ok(())
}

/// The rest of a batch is copied, at once and without a failure; rows that have
/// failed already stay failed.
///
/// # Errors
/// Those of the reads.
pub(super) async fn copied(session: &Session, batch: &str, until_provisioned: bool) -> Result<()> {
    let rows = rows_of(session, batch).await?;
    let (at_work, rest): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(Row::is_at_work);
    // Who only waits for a start has nothing that could be foreseen.
    let begun = status_of(session, batch).await?.is_some_and(|s| !s.eq_ignore_ascii_case("Created"));
    if at_work.is_empty() || !begun {
        return Ok(());
    }
    let bare: Vec<Row> = at_work.iter().filter(|row| !row.has_mailbox).cloned().collect();
    if !bare.is_empty() {
        provisioned(session, batch, &bare).await?;
    }
    if until_provisioned {
        return Ok(());
    }
    session.assume(format!(
        "the {} of {batch} still to be copied are copied without a failure; how long that takes is not foreseen",
        plural(at_work.len(), "mailbox", "mailboxes")
    ));
    let failed = rest.iter().filter(|row| !row.is_synced()).count();
    let total = at_work.len() + rest.len();
    let now = session.now().to_string();
    session.foresee(|shadow| {
        for row in &at_work {
            let done = json!({"Status": "Synced", "LastSuccessfulSyncTime": now});
            shadow.exchange.change(Table::Users, &user_key(batch, &row.address), done);
        }
        let status = if failed > 0 { "SyncedWithErrors" } else { "Synced" };
        let counts = json!({
            "Status": status, "TotalCount": total, "SyncedCount": total - failed, "FailedCount": failed,
        });
        shadow.exchange.change(Table::Batches, batch, counts);
    });
    Ok(())
}

/// A licence was taken away, or its mailbox plan: the mailbox gives way, and the
/// person is a mail user again.
pub(super) fn gave_way(session: &Session, id: &str, address: &str) {
    session.foresee(|shadow| {
        shadow.exchange.take(Table::Mailboxes, &address_key(address));
        let kind = json!({"RecipientTypeDetails": "MailUser", "ExchangeGuid": Value::Null});
        shadow.exchange.change(Table::Recipients, id, kind);
    });
}

/// A synchronization brings those of the list to the cloud whom the tenant doesn't
/// know yet and whom its default rules let in. Answers the others.
///
/// # Errors
/// Those of the reads.
pub(super) async fn synchronized(session: &Session, absent: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    if absent.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (entries, cloud) = session.clock().both(recipients::to_judge(session), recipients::cloud(session)).await?;
    let by_address: BTreeMap<String, OnPremises> = entries
        .iter()
        .map(OnPremises::of)
        .filter(|p| p.skipped.is_none() && !p.is_linked() && !p.system && !p.alias.is_empty())
        .map(|p| (address_key(&p.address), p))
        .collect();
    let mut by_alias: BTreeMap<String, &InCloud> = BTreeMap::new();
    for person in cloud.people().iter().map(|p| &p.facts) {
        by_alias.insert(person.alias.to_lowercase(), person);
    }
    let (mut coming, mut rest) = (0, BTreeSet::new());
    session.foresee(|shadow| {
        for address in absent {
            let Some(person) = by_address.get(&address_key(address)) else {
                rest.insert(address.clone());
                continue;
            };
            coming += 1;
            let known = cloud.person(address).map(|p| &p.facts);
            // A licensed user has no address of a domain that isn't verified yet.
            let known = known.or_else(|| by_alias.get(&person.alias.to_lowercase()).copied());
            let mut proxies = person.proxies.clone();
            if !person.legacy_dn.is_empty() {
                proxies.push(format!("x500:{}", person.legacy_dn));
            }
            let keys: BTreeSet<String> = proxies.iter().map(|p| address_key(p)).collect();
            let more = known.into_iter().flat_map(|k| &k.proxies).filter(|p| !keys.contains(&address_key(p)));
            proxies.extend(more.map(|p| p.replacen("SMTP:", "smtp:", 1)));
            let id = known.map_or_else(|| unknown::text(unknown::Of::User, &address_key(address)), |k| k.id.clone());
            match known {
                Some(_) => shadow.graph.user(&id, json!({"proxyAddresses": proxies, "mail": address})),
                None => shadow.graph.add_user(
                    &id,
                    json!({
                        "id": id, "userPrincipalName": person.upn, "displayName": person.alias, "mail": address,
                        "mailNickname": person.alias.replace(' ', ""), "proxyAddresses": proxies,
                        "usageLocation": null, "assignedLicenses": [], "onPremisesSyncEnabled": true,
                        "onPremisesProvisioningErrors": [],
                    }),
                ),
            }
            if known.is_none_or(|k| k.recipient_type.is_empty()) {
                let kind = json!({
                    "ExternalDirectoryObjectId": id, "RecipientTypeDetails": "MailUser", "EmailAddresses": proxies,
                    "PrimarySmtpAddress": address, "Identity": address, "ExchangeGuid": null,
                });
                shadow.exchange.make(Table::Recipients, &id, kind);
            }
        }
    });
    if coming > 0 {
        session.assume(format!(
            "a synchronization brings {} to the cloud within an hour",
            plural(coming, "person of the list", "people of the list")
        ));
        session.clock().sleep(jiff::SignedDuration::from_hours(1)).await?;
    }
    if !rest.is_empty() {
        session.assume(format!(
            "no synchronization brings {} to the cloud",
            plural(rest.len(), "person of the list", "people of the list")
        ));
    }
    Ok(rest)
}
