//! People as both directories know them, read in sets.
//!
//! On premises: the directory object of a mailbox or mail user. In the cloud:
//! the Graph user and what Exchange Online makes of it. One paged read of a
//! whole side, or a few filters for a wave; never a request per person.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::session::Session;
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::migration::against::InCloud;
use crate::migration::conversion::CloudMailbox;
use crate::migration::waves;
use crate::services::directory::Scope;
use crate::services::graph_batch::failure_of;
use crate::wire::attributes::{Entry, address_key, escape_filter, primary_smtp};
use crate::wire::graph::BatchRequest;
use crate::wire::guid::{Guid, base64};
use crate::wire::invoke::{Param, Params, get, text_of};

/// What is asked of a person's directory object when rules look at it.
pub const ATTRIBUTES: &[&str] = &[
    "objectGUID",
    "cn",
    "displayName",
    "userPrincipalName",
    "mail",
    "mailNickname",
    "proxyAddresses",
    "legacyExchangeDN",
    "targetAddress",
    "homeMDB",
    "homeMTA",
    "mDBUseDefaults",
    "msExchHomeServerName",
    "msExchMailboxGuid",
    "msExchMailboxSecurityDescriptor",
    "msExchPoliciesIncluded",
    "msExchPoliciesExcluded",
    "msExchRecipientTypeDetails",
    "msExchRecipientDisplayType",
    "msExchRemoteRecipientType",
    "msExchVersion",
    "msExchUserAccountControl",
    "msExchUserCulture",
    "msExchHideFromAddressLists",
    "msExchUMEnabledFlags",
    "userAccountControl",
    "publicDelegates",
    "adminCount",
];

/// What is asked of everybody at once: what tells who somebody is and whether the
/// mailbox can move.
const LISTED: &[&str] = &[
    "cn",
    "mail",
    "mailNickname",
    "proxyAddresses",
    "legacyExchangeDN",
    "targetAddress",
    "homeMDB",
    "msExchRecipientTypeDetails",
    "msExchHideFromAddressLists",
    "msExchUMEnabledFlags",
    "userAccountControl",
    "publicDelegates",
];

/// What is asked of everybody when a list is judged, beyond [`LISTED`].
const JUDGED: &[&str] = &["userPrincipalName", "msExchMailboxGuid", "msExchMasterAccountSid", "isCriticalSystemObject"];

/// Most addresses of one filter; a domain controller takes many, but a filter
/// of thousands is slow to parse.
const FILTER: usize = 100;

/// Every recipient of the forest with an address, in one paged read.
///
/// # Errors
/// Those of the directory.
pub async fn everybody(session: &Session) -> Result<Vec<Entry>> {
    all_with(session, LISTED).await
}

/// As [`everybody`], with all that a list is judged by.
///
/// # Errors
/// Those of the directory.
pub async fn to_judge(session: &Session) -> Result<Vec<Entry>> {
    all_with(session, &[LISTED, JUDGED].concat()).await
}

async fn all_with(session: &Session, attributes: &[&str]) -> Result<Vec<Entry>> {
    // Contacts and groups, too: one of them may hold a person's address.
    let found = search(session, "(proxyAddresses=*)", attributes).await?;
    remember_kinds(session, &found);
    Ok(found)
}

/// Keeps what kinds of mailboxes there are, for the waves.
fn remember_kinds(session: &Session, everybody: &[Entry]) {
    let mut kinds: Option<BTreeMap<String, waves::Kind>> = None;
    for entry in everybody {
        let Some(kind) = waves::Kind::of_number(entry.number("msExchRecipientTypeDetails")) else { continue };
        let kinds = kinds.get_or_insert_default();
        if kind != waves::Kind::Person
            && let Some(address) = primary_smtp(&entry.texts("proxyAddresses"))
        {
            kinds.insert(address_key(&address), kind);
        }
    }
    session.memory().kinds = kinds;
}

/// Whoever still has a mailbox on the old servers.
///
/// # Errors
/// Those of the directory.
pub async fn with_mailbox(session: &Session) -> Result<Vec<Entry>> {
    search(session, "(&(proxyAddresses=*)(homeMDB=*))", LISTED).await
}

/// One paged read of the whole domain.
async fn search(session: &Session, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>> {
    let directory = &session.services().directory;
    let base = directory.base().await?;
    session.sees().search(&base, Scope::Subtree, filter, attributes).await
}

/// The directory objects of some people, by primary address in lower case.
/// Who isn't there is missing in the answer; who is there twice is a failure.
///
/// # Errors
/// Those of the directory; `conflict` for an address on two objects.
pub async fn some(session: &Session, addresses: &[String], attributes: &[&str]) -> Result<BTreeMap<String, Entry>> {
    let directory = &session.services().directory;
    let base = directory.base().await?;
    let mut found: BTreeMap<String, Entry> = BTreeMap::new();
    for chunk in addresses.chunks(FILTER) {
        let any: String =
            chunk.iter().map(|a| format!("(proxyAddresses=smtp:{})", escape_filter(&address_key(a)))).collect();
        let filter = format!("(&(objectCategory=person)(objectClass=user)(|{any}))");
        for entry in session.sees().search(&base, Scope::Subtree, &filter, attributes).await? {
            let keys: Vec<String> = entry.texts("proxyAddresses").iter().map(|p| address_key(p)).collect();
            for address in chunk.iter().map(|a| address_key(a)).filter(|a| keys.contains(a)) {
                if let Some(other) = found.insert(address.clone(), entry.clone())
                    && other.dn != entry.dn
                {
                    return Err(Failure::new(Kind::Conflict, format!("{address} is on two directory objects"))
                        .during("ldap", "search")
                        .on(&address)
                        .detail(format!("{} and {}", other.dn, entry.dn))
                        .hint("take the address off one of them; neither was touched"));
                }
            }
        }
    }
    Ok(found)
}

/// A whole directory object as JSON, for journals: text where all values are
/// text, base64 otherwise.
pub fn image(entry: &Entry) -> Value {
    let mut map = Map::new();
    map.insert("dn".into(), json!(entry.dn));
    for (name, values) in entry.iter() {
        let texts: Option<Vec<&str>> = values
            .iter()
            .map(|v| {
                std::str::from_utf8(v)
                    .ok()
                    .filter(|t| !t.contains(|c: char| c.is_control() && c != '\n' && c != '\r' && c != '\t'))
            })
            .collect();
        let value = match texts {
            Some(mut texts) => {
                texts.sort_unstable();
                json!(texts)
            }
            None => json!({"base64": values.iter().map(|v| base64(v)).collect::<Vec<_>>()}),
        };
        map.insert(name.to_owned(), value);
    }
    Value::Object(map)
}

/// A user of the tenant, with what the rules don't ask for.
#[derive(Clone, Debug)]
pub struct CloudUser {
    /// As the rules want it.
    pub facts: InCloud,
    /// Licences held.
    pub licences: Vec<Held>,
}

/// A licence that somebody holds.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Held {
    /// skuId.
    pub sku: String,
    /// Ids of its service plans that are switched off.
    pub off: Vec<String>,
}

impl CloudUser {
    /// The licence of a product, if it is held.
    pub fn licence(&self, sku: &str) -> Option<&Held> {
        self.licences.iter().find(|l| l.sku.eq_ignore_ascii_case(sku))
    }
}

/// The cloud's people, found by any of their addresses. A user principal name
/// counts only where it is one of them: it may be the address of somebody else.
#[derive(Default)]
pub struct Cloud {
    people: Vec<CloudUser>,
    by_address: BTreeMap<String, usize>,
}

impl Cloud {
    /// The person with an address.
    pub fn person(&self, address: &str) -> Option<&CloudUser> {
        self.by_address.get(&address_key(address)).and_then(|i| self.people.get(*i))
    }

    /// All of them.
    pub fn people(&self) -> &[CloudUser] {
        &self.people
    }

    fn add(&mut self, person: CloudUser) {
        let index = self.people.len();
        for proxy in &person.facts.proxies {
            if proxy.get(..5).is_some_and(|p| p.eq_ignore_ascii_case("smtp:")) {
                self.by_address.entry(address_key(proxy)).or_insert(index);
            }
        }
        self.people.push(person);
    }
}

/// What is asked of a user by whom its alias concerns as well.
pub(super) const NAMED: &str =
    "id,userPrincipalName,mailNickname,proxyAddresses,usageLocation,assignedLicenses,onPremisesProvisioningErrors";
const USER: &str = "id,userPrincipalName,displayName,mail,mailNickname,proxyAddresses,usageLocation,assignedLicenses,onPremisesSyncEnabled,onPremisesProvisioningErrors";

/// Everybody of the tenant: Graph's users and Exchange's recipients, each one
/// paged read.
///
/// # Errors
/// Those of Graph and Exchange.
pub async fn cloud(session: &Session) -> Result<Cloud> {
    let mut cloud = Cloud::default();
    let mut rows = both_sides(session, USER, &[], |person| cloud.add(person)).await?;
    for person in &mut cloud.people {
        (person.facts.recipient_type, person.facts.guid) = rows.remove(&person.facts.id).unwrap_or_default();
    }
    remember_ids(session, cloud.people.iter().map(|p| &p.facts));
    Ok(cloud)
}

/// Each user of the tenant, and beside it what Exchange calls the recipients, by
/// object id: their kind, and the Exchange GUID where `more` properties name it.
///
/// # Errors
/// Those of Graph and Exchange.
pub(super) async fn both_sides(
    session: &Session,
    select: &str,
    more: &[&str],
    each: impl FnMut(CloudUser),
) -> Result<BTreeMap<String, (String, Option<Guid>)>> {
    let wanted = [&["ExternalDirectoryObjectId", "RecipientTypeDetails"], more].concat();
    let recipients = session.sees().invoke_for("Get-Recipient", unlimited(None), &wanted);
    let ((), recipients) = session.clock().both(each_user(session, select, each), recipients).await?;
    let told = recipients.rows.iter().map(|row| {
        let guid = Guid::parse(&text_of(get(row, "ExchangeGuid"))).filter(|g| *g != Guid::NIL);
        (text_of(get(row, "ExternalDirectoryObjectId")), (text_of(get(row, "RecipientTypeDetails")), guid))
    });
    Ok(told.collect())
}

/// Each user of the tenant with the selected properties, in one paged read.
/// Exchange's part of the facts is left empty.
///
/// # Errors
/// Those of Graph.
async fn each_user(session: &Session, select: &str, mut each: impl FnMut(CloudUser)) -> Result<()> {
    let path = format!("/users?$select={select}&$top={}", plant::page(999));
    session.sees().get_each(&path, |user| each(person_of(&user))).await
}

/// Object ids of people, in the order asked; `None` for who is no user of the
/// tenant. A user is found by any address and never by the user principal name,
/// which may be somebody else's address. One paged read when somebody isn't
/// known yet.
///
/// # Errors
/// Those of Graph.
pub async fn ids(session: &Session, addresses: &[String]) -> Result<Vec<Option<String>>> {
    let known = |session: &Session| -> Vec<Option<String>> {
        let memory = session.memory();
        addresses.iter().map(|a| memory.ids.get(&address_key(a)).cloned()).collect()
    };
    let found = known(session);
    if found.iter().all(Option::is_some) {
        return Ok(found);
    }
    let mut users = Vec::new();
    each_user(session, "id,userPrincipalName,proxyAddresses", |person| users.push(person.facts)).await?;
    remember_ids(session, users.iter());
    Ok(known(session))
}

/// Keeps the ids of people by each of their addresses.
pub(super) fn remember_ids<'a>(session: &Session, people: impl Iterator<Item = &'a InCloud>) {
    let mut memory = session.memory();
    for person in people {
        for proxy in person.proxies.iter().filter(|p| p.get(..5).is_some_and(|k| k.eq_ignore_ascii_case("smtp:"))) {
            memory.ids.insert(address_key(proxy), person.id.clone());
        }
    }
}

/// Some of the tenant's users, read one by one in batches by their ids: never
/// through a filter, whose index lags behind writes. `None` for who isn't there.
///
/// # Errors
/// Those of Graph.
pub async fn users(session: &Session, addresses: &[String]) -> Result<Vec<Option<CloudUser>>> {
    let ids = ids(session, addresses).await?;
    let requests = ids
        .iter()
        .enumerate()
        .filter_map(|(i, id)| {
            Some(BatchRequest {
                id: i.to_string(),
                method: "GET".into(),
                url: format!("/users/{}?$select={USER}", id.as_ref()?),
                headers: Value::Null,
                body: Value::Null,
            })
        })
        .collect();
    let answers = session.sees().batch(requests).await?;
    let mut found: Vec<Option<CloudUser>> = vec![None; addresses.len()];
    for answer in &answers {
        match failure_of(answer) {
            None => {
                if let Some(slot) = answer.id.parse::<usize>().ok().and_then(|i| found.get_mut(i)) {
                    *slot = Some(person_of(&answer.body));
                }
            }
            Some(failure) if failure.kind == Kind::NotFound => {}
            Some(failure) => return Err(failure),
        }
    }
    Ok(found)
}

/// What Graph says of a user; Exchange's part is left empty.
fn person_of(user: &Value) -> CloudUser {
    let text = |name: &str| user[name].as_str().unwrap_or_default().to_owned();
    let list = |name: &str| user[name].as_array().cloned().unwrap_or_default();
    let of = |v: &Value, name: &str| v[name].as_str().unwrap_or_default().to_owned();
    let plans = |l: &Value| -> Vec<String> {
        l["disabledPlans"].as_array().into_iter().flatten().filter_map(|p| p.as_str().map(str::to_lowercase)).collect()
    };
    let licences: Vec<Held> =
        list("assignedLicenses").iter().map(|l| Held { sku: of(l, "skuId"), off: plans(l) }).collect();
    CloudUser {
        facts: InCloud {
            id: text("id"),
            upn: text("userPrincipalName"),
            alias: text("mailNickname"),
            recipient_type: String::new(),
            guid: None,
            held: licences.iter().map(|l| l.sku.clone()).collect(),
            off: licences.iter().flat_map(|l| l.off.iter().cloned()).collect(),
            proxies: match plant::is(Plant::PeopleBySignIn) {
                true => vec![format!("smtp:{}", text("userPrincipalName"))],
                false => list("proxyAddresses").iter().filter_map(|p| p.as_str().map(str::to_owned)).collect(),
            },
            licensed: !licences.is_empty(),
            usage_location: text("usageLocation"),
            conflicts: list("onPremisesProvisioningErrors")
                .iter()
                .map(|e| (of(e, "propertyCausingError"), of(e, "value")))
                .collect(),
        },
        licences,
    }
}

/// The cloud mailboxes, by every SMTP address in lower case, read now: one paged
/// read.
///
/// # Errors
/// Those of Exchange.
pub async fn cloud_mailboxes(session: &Session) -> Result<Arc<BTreeMap<String, Arc<CloudMailbox>>>> {
    let reply = session.sees().invoke_for("Get-Mailbox", unlimited(None), MAILBOX).await?;
    let mut mailboxes = BTreeMap::new();
    enter(&mut mailboxes, &reply.rows);
    let mailboxes = Arc::new(mailboxes);
    session.memory().mailboxes = mailboxes.clone();
    Ok(mailboxes)
}

/// What is asked of a cloud mailbox.
const MAILBOX: &[&str] = &["ExchangeGuid", "EmailAddresses", "LegacyExchangeDN"];

pub(super) fn unlimited(filter: Option<String>) -> Params {
    let mut params = vec![("ResultSize".into(), Param::from("Unlimited"))];
    params.extend(filter.map(|f| ("Filter".into(), Param::from(f.as_str()))));
    params
}

/// Takes rows of Get-Mailbox in.
fn enter(mailboxes: &mut BTreeMap<String, Arc<CloudMailbox>>, rows: &[Value]) {
    for row in rows {
        let Some(guid) = Guid::parse(&text_of(get(row, "ExchangeGuid"))).filter(|g| *g != Guid::NIL) else { continue };
        let proxies: Vec<String> =
            get(row, "EmailAddresses").as_array().map(|l| l.iter().map(text_of).collect()).unwrap_or_default();
        let mailbox = Arc::new(CloudMailbox { legacy_dn: text_of(get(row, "LegacyExchangeDN")), guid, proxies });
        for proxy in mailbox.proxies.iter().filter(|p| p.get(..5).is_some_and(|k| k.eq_ignore_ascii_case("smtp:"))) {
            mailboxes.insert(address_key(proxy), mailbox.clone());
        }
    }
}

/// Mailboxes that were there before their batch are asked for one by one, if they
/// are no more than this.
const FEW: usize = 20;

/// The cloud mailboxes of these people: as read before, if all of them were
/// there. What a conversion looks at (GUID, X.500 name, routing address) never
/// changes while a mailbox lives. Of a wave only those are read that were made
/// since its start (WhenMailboxCreated is a filterable property), and who was there
/// before by name; everybody, if that leaves many unknown.
///
/// # Errors
/// Those of Exchange.
pub async fn mailboxes_of(session: &Session, addresses: &[String]) -> Result<Arc<BTreeMap<String, Arc<CloudMailbox>>>> {
    let (known, since) = {
        let memory = session.memory();
        let unknown = |a: &&String| !memory.mailboxes.contains_key(&address_key(a));
        let mut since = Some(Timestamp::MAX);
        for address in addresses.iter().filter(unknown) {
            since = since.and_then(|earliest| Some(earliest.min(memory.past.started(address)?)));
        }
        (memory.mailboxes.clone(), since)
    };
    let Some(since) = since else { return cloud_mailboxes(session).await };
    if since == Timestamp::MAX {
        return Ok(known);
    }
    // The clocks of both sides are not the same.
    let since = since.checked_sub(SignedDuration::from_hours(1)).unwrap_or(since);
    let filter = format!("WhenMailboxCreated -gt '{}'", since.strftime("%Y-%m-%dT%H:%M:%SZ"));
    let mut found = Vec::new();
    match session.sees().invoke_for("Get-Mailbox", unlimited(Some(filter)), MAILBOX).await {
        Ok(reply) => found.extend(reply.rows),
        // A service that won't filter by it is asked for all.
        Err(f) if matches!(f.kind, Kind::Refused | Kind::Validation | Kind::NotFound) => {
            return cloud_mailboxes(session).await;
        }
        Err(f) => return Err(f),
    }
    let mut fresh = BTreeMap::new();
    enter(&mut fresh, &found);
    let is_absent = |a: &&String| !known.contains_key(&address_key(a)) && !fresh.contains_key(&address_key(a));
    let absent: Vec<String> = addresses.iter().filter(is_absent).cloned().collect();
    if absent.len() > FEW {
        return cloud_mailboxes(session).await;
    }
    for address in absent {
        match session.sees().invoke("Get-Mailbox", vec![("Identity".into(), Param::from(address.as_str()))]).await {
            Ok(reply) => enter(&mut fresh, &reply.rows),
            Err(f) if f.kind == Kind::NotFound => {}
            Err(f) => return Err(f),
        }
    }
    let mut memory = session.memory();
    // Nobody else holds it now, as a rule, so nothing is copied.
    drop(known);
    Arc::make_mut(&mut memory.mailboxes).append(&mut fresh);
    Ok(memory.mailboxes.clone())
}

/// Waits until something holds, asking every `pause`; `false` when the deadline
/// passed first.
///
/// # Errors
/// Those of the question, or of the clock.
pub async fn until<F, Fut>(
    session: &Session,
    pause: SignedDuration,
    at_most: SignedDuration,
    mut holds: F,
) -> Result<bool>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<bool>>,
{
    let deadline = session.now() + at_most;
    loop {
        if holds().await? {
            return Ok(true);
        }
        if session.now() >= deadline {
            return Ok(false);
        }
        session.clock().sleep(pause).await?;
    }
}

/// The directory object of an [`image`].
pub fn entry_of(image: &Value) -> Entry {
    let mut entry = Entry::new(image["dn"].as_str().unwrap_or_default());
    for (name, value) in image.as_object().into_iter().flatten().filter(|(n, _)| *n != "dn") {
        let values = match value {
            Value::Array(texts) => texts.iter().filter_map(|t| t.as_str().map(|t| t.as_bytes().to_vec())).collect(),
            Value::Object(_) => value["base64"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|t| t.as_str().and_then(crate::wire::guid::unbase64))
                .collect(),
            _ => Vec::new(),
        };
        entry.set(name, values);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_gives_the_object_back_with_bytes_that_happen_to_be_text() {
        let mut entry = Entry::new("CN=Müller\\, Ann,DC=contoso,DC=test");
        entry.set_text("mail", "ann@contoso.test");
        entry.set("proxyAddresses", vec![b"SMTP:ann@contoso.test".to_vec(), b"smtp:a@contoso.test".to_vec()]);
        entry.set("msExchMailboxGuid", vec![b"abcdefghijklmnop".to_vec()]);
        entry.set("msExchMailboxSecurityDescriptor", vec![vec![1, 0, 4, 0x80, 255]]);
        assert_eq!(entry_of(&image(&entry)), entry);
    }
}
