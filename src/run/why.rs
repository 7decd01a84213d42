//! One person's whole story: what both directories show, the row of the batch,
//! where they stand, where a message sent now would land.
//!
//! A handful of reads, whatever the size of the company; the tenant's users are
//! paged through once, because no filter of the service is sure to know an
//! address. It writes to nobody, and decides nothing: the rules stand in
//! `migration`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::seen::{self, Leads};
use super::standing::{Standing, Standings, Waits};
use super::{batches, licences, recipients, session::Session};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::migration::against::OnPremises;
use crate::migration::landing::{Entry, Landing, Recipient, Sender, landing};
use crate::migration::waves;
use crate::services::directory::Scope;
use crate::wire::attributes::{Entry as Object, address_key, domain_of, escape_filter, split_dn};
use crate::wire::guid::Guid;
use crate::wire::invoke::{Param, get, text_of};

/// What is asked of the object on premises.
const ATTRIBUTES: &[&str] = &[
    "objectClass",
    "cn",
    "displayName",
    "mail",
    "mailNickname",
    "userPrincipalName",
    "proxyAddresses",
    "targetAddress",
    "homeMDB",
    "msExchHomeServerName",
    "msExchMailboxGuid",
    "msExchRecipientTypeDetails",
    "msExchHideFromAddressLists",
    "msExchMasterAccountSid",
    "userAccountControl",
    "publicDelegates",
];

/// An object on premises.
#[derive(Clone, Debug, Serialize)]
pub struct OldSide {
    /// Distinguished name.
    pub dn: String,
    /// Name that people see.
    pub name: String,
    /// `mailbox`, `shared mailbox`, `mail user`, `contact`, …
    pub kind: &'static str,
    /// Server and database; empty without a mailbox.
    pub server: String,
    /// Name of the database (homeMDB).
    pub database: String,
    /// Addresses with their prefixes.
    pub addresses: Vec<String>,
    /// TargetAddress.
    pub forwarded_to: Option<String>,
    /// msExchMailboxGuid.
    pub guid: Option<String>,
}

/// The person in the tenant.
#[derive(Clone, Debug, Serialize)]
pub struct CloudSide {
    /// User principal name.
    pub upn: String,
    /// Object id.
    pub id: String,
    /// `UserMailbox`, `MailUser`, …; empty if Exchange Online has no recipient.
    pub kind: String,
    /// GUID of the mailbox.
    pub guid: Option<String>,
    /// Licences by the names of their products.
    pub licences: Vec<String>,
    /// Two letters; empty if none.
    pub usage_location: String,
    /// Addresses with their prefixes.
    pub addresses: Vec<String>,
    /// What synchronization left in quarantine.
    pub conflicts: Vec<String>,
}

/// The row of a batch.
#[derive(Clone, Debug, Serialize)]
pub struct RowSide {
    /// Name of the batch.
    pub batch: String,
    /// Status.
    pub status: String,
    /// The service's words about a failure; empty if none.
    pub error: String,
    /// Items that were skipped.
    pub skipped: u64,
    /// When its copy came to its end.
    pub synced_at: Option<Timestamp>,
}

/// Everything about one person.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    /// The address that was asked for.
    pub asked: String,
    /// Primary address.
    pub address: String,
    /// Name that people see; empty if nobody says.
    pub name: String,
    /// Objects on premises that hold the address; one, as a rule.
    pub on_premises: Vec<OldSide>,
    /// The person in the tenant.
    pub cloud: Option<CloudSide>,
    /// The row of a batch.
    pub row: Option<RowSide>,
    /// Where they stand.
    pub standing: Standing,
    /// Where the MX of the domain leads, in words.
    pub mx: String,
    /// Where a message sent now would land.
    pub landing: Vec<Landing>,
}

/// Asks both sides about an address.
///
/// # Errors
/// `findings`: nobody has the address, with the nearest ones. Those of the
/// reads.
pub async fn ask(session: &Arc<Session>, asked: &str, standings: &Standings, waits: Waits) -> Result<Person> {
    let objects = on_premises(session, asked).await?;
    let facts: Vec<OnPremises> = objects.iter().map(OnPremises::of).collect();
    // Their name elsewhere is the primary address, whichever was asked for.
    let own = facts.iter().map(|o| o.address.as_str()).find(|a| !a.is_empty());
    let address = own.unwrap_or(asked).to_owned();
    let users = recipients::users(session, &[address.clone(), asked.to_owned()]).await?;
    let user = users.into_iter().flatten().next();
    if facts.is_empty() && user.is_none() && standings.remembered(asked).is_none() {
        return Err(unknown(session, asked).await?);
    }
    let mut row = batches::rows_of_people(session, std::slice::from_ref(&address)).await?;
    let row = row.remove(&address_key(&address));
    let (cloud, person) = match user {
        None => (None, None),
        Some(mut user) => {
            let (kind, guid) = in_exchange(session, &address).await?;
            (user.facts.recipient_type, user.facts.guid) = (kind, guid);
            (Some(cloud_side(session, &user).await?), Some(user))
        }
    };
    let domain = domain_of(&address);
    let leads = seen::mail_of(session, &domain).await;
    let mail = match &leads {
        Leads::Unknown(_) => BTreeMap::new(),
        leads => BTreeMap::from([(domain.clone(), *leads == Leads::Cloud)]),
    };
    let told = row.as_ref().map(|r| RowSide {
        batch: r.batch.clone(),
        status: r.status.clone(),
        error: r.error.clone(),
        skipped: r.skipped,
        synced_at: r.synced_at,
    });
    let object = facts.first().cloned().unwrap_or_default();
    let mut seen = seen::seen_of(&object, person.as_ref(), row, &mail);
    seen.on_premises = !facts.is_empty();
    seen.mail_in_cloud = mail.get(&domain).copied();
    let recipient = Recipient {
        on_premises: seen.on_premises,
        old_mailbox: seen.old_mailbox,
        forwarded_to: seen.forwarded_to.clone(),
        cloud_mailbox: seen.cloud_mailbox,
        cloud_recipient: cloud.as_ref().is_some_and(|c| !c.kind.is_empty()),
        relay: relays(session, &domain).await?,
        entry: match &leads {
            Leads::Cloud => Entry::Cloud,
            Leads::Old(_) => Entry::Old,
            Leads::Nowhere => Entry::Nowhere,
            Leads::Gateway(_) | Leads::Unknown(_) => Entry::Elsewhere,
        },
    };
    let on_premises: Vec<OldSide> = objects.iter().zip(&facts).map(|(entry, facts)| old_side(entry, facts)).collect();
    Ok(Person {
        asked: asked.to_owned(),
        name: on_premises.first().map(|o| o.name.clone()).unwrap_or_default(),
        on_premises,
        cloud,
        row: told,
        standing: standings.of(&address, Some(&seen), waits, session.now()),
        mx: match leads {
            Leads::Cloud => format!("the MX of {domain} leads to the cloud"),
            Leads::Old(host) => format!("the MX of {domain} leads to {host}"),
            Leads::Gateway(name) => format!("the MX of {domain} leads to {name}, which decides"),
            Leads::Nowhere => format!("{domain} has no MX"),
            Leads::Unknown(why) => format!("no resolver could be asked for the MX of {domain}: {why}"),
        },
        landing: Sender::ALL.iter().map(|from| landing(*from, &recipient)).collect(),
        address,
    })
}

/// Whatever holds the address: as one of its addresses, as its mail, or as the
/// name with which somebody signs in.
async fn on_premises(session: &Session, asked: &str) -> Result<Vec<Object>> {
    let directory = &session.services().directory;
    let base = directory.base().await?;
    let key = escape_filter(&address_key(asked));
    let filter = format!("(|(proxyAddresses=smtp:{key})(mail={key})(userPrincipalName={key}))");
    let mut found = directory.search(&base, Scope::Subtree, &filter, ATTRIBUTES).await?;
    // Who has it as an address comes before who only signs in with it.
    let holds = |entry: &Object| entry.texts("proxyAddresses").iter().any(|p| address_key(p) == address_key(asked));
    found.sort_by_key(|entry| !holds(entry));
    if found.first().is_some_and(holds) {
        found.retain(holds);
    }
    Ok(found)
}

fn old_side(entry: &Object, facts: &OnPremises) -> OldSide {
    let is = |class: &str| entry.texts("objectClass").iter().any(|c| c.eq_ignore_ascii_case(class));
    let kind = match (facts.has_mailbox, waves::Kind::of_number(facts.type_details)) {
        (true, _) if facts.is_linked() => "linked mailbox",
        (true, Some(waves::Kind::Shared)) => "shared mailbox",
        (true, Some(waves::Kind::Room)) => "room mailbox",
        (true, Some(waves::Kind::Equipment)) => "equipment mailbox",
        (true, _) => "mailbox",
        (false, _) if is("group") => "group",
        (false, _) if is("contact") => "contact",
        (false, _) if facts.target_address.is_some() => "mail user",
        (false, _) => "user without a mailbox",
    };
    let last = |text: &str, by: char| text.rsplit(by).next().unwrap_or_default().to_owned();
    let database = entry.text("homeMDB").map(|dn| split_dn(&dn).into_iter().next().unwrap_or_default());
    let server = entry.text("msExchHomeServerName").map(|name| last(&last(&name, '/'), '='));
    OldSide {
        dn: entry.dn.clone(),
        name: entry.text("displayName").or_else(|| entry.text("cn")).unwrap_or_default(),
        kind,
        server: server.unwrap_or_default(),
        database: database.map(|rdn| last(&rdn, '=')).unwrap_or_default(),
        addresses: facts.proxies.clone(),
        forwarded_to: facts.target_address.clone(),
        guid: facts.guid.map(|g| g.to_string()),
    }
}

/// What Exchange Online makes of an address, and the GUID of its mailbox.
async fn in_exchange(session: &Session, address: &str) -> Result<(String, Option<Guid>)> {
    let named = vec![("Identity".into(), Param::from(address))];
    match session.services().exchange.invoke("Get-Recipient", named).await {
        Ok(reply) => Ok(reply.rows.first().map_or_else(Default::default, |row| {
            let guid = Guid::parse(&text_of(get(row, "ExchangeGuid"))).filter(|g| *g != Guid::NIL);
            (text_of(get(row, "RecipientTypeDetails")), guid)
        })),
        Err(f) if f.kind == Kind::NotFound => Ok((String::new(), None)),
        Err(f) => Err(f),
    }
}

async fn cloud_side(session: &Session, user: &recipients::CloudUser) -> Result<CloudSide> {
    let products = match user.licences.is_empty() {
        true => Vec::new(),
        false => licences::skus(session).await?,
    };
    let name = |id: &String| products.iter().find(|s| s.id.eq_ignore_ascii_case(id)).map_or(id, |s| &s.part).clone();
    let facts = &user.facts;
    Ok(CloudSide {
        upn: facts.upn.clone(),
        id: facts.id.clone(),
        kind: facts.recipient_type.clone(),
        guid: facts.guid.map(|g| g.to_string()),
        licences: facts.held.iter().map(name).collect(),
        usage_location: facts.usage_location.clone(),
        addresses: facts.proxies.clone(),
        conflicts: facts.conflicts.iter().map(|(property, value)| format!("{property} {value}")).collect(),
    })
}

/// Whether the cloud relays what it doesn't know in a domain.
async fn relays(session: &Session, domain: &str) -> Result<Option<bool>> {
    let reply = session.services().exchange.invoke("Get-AcceptedDomain", Vec::new()).await?;
    let row = reply.rows.iter().find(|r| text_of(get(r, "DomainName")).eq_ignore_ascii_case(domain));
    Ok(row.map(|r| text_of(get(r, "DomainType")).eq_ignore_ascii_case("InternalRelay")))
}

/// Nobody has the address: the three that are most like it.
async fn unknown(session: &Session, asked: &str) -> Result<Failure> {
    let key = address_key(asked);
    let mut near: Vec<(usize, String)> = Vec::new();
    for entry in recipients::everybody(session).await? {
        for proxy in entry.texts("proxyAddresses").iter().filter(|p| p.to_ascii_lowercase().starts_with("smtp:")) {
            let address = address_key(proxy);
            near.push((strsim::damerau_levenshtein(&key, &address), address));
        }
    }
    near.sort();
    near.truncate(3);
    let names: Vec<&str> = near.iter().map(|(_, address)| address.as_str()).collect();
    let failure = Failure::new(Kind::Findings, format!("nobody has the address {asked}, on premises or in the tenant"));
    Ok(match names.is_empty() {
        true => failure.hint("the directory holds no address at all: is it that of the profile?"),
        false => failure.hint(format!("the nearest: {}", names.join(", "))),
    })
}
