//! The world's data: one company, its tenant, its zones, its mail.
//!
//! Data and the two rules that keep a rehearsal repeatable: every choice is a
//! hash of seed, purpose, object and attempt ([`World::choose`]), and everything
//! that happens later waits in one queue ordered by time and object
//! ([`World::later`]). What happens then is written in the rooms beside this
//! file; nothing here decides anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

pub use super::history::{History, Slots};
use super::index::Index;
pub use super::organization::{Beforehand, Company, DeletedUser, Fate, Permission};
use super::post::Post;
use super::settings::Settings;
use super::transport::Door;
use super::work::Office;
use crate::wire::attributes::Entry;
use crate::wire::dns::RecordSet;
use crate::wire::guid::Guid;
use crate::wire::lab::{Counts, Event};

/// Everything. Behind one mutex; servers lock it for one request at a time.
#[derive(Clone)]
pub struct World {
    /// The seed that every choice hangs on.
    pub seed: u64,
    /// The lab's time.
    pub now: Timestamp,
    /// When the lab began.
    pub began: Timestamp,
    /// How much trouble there is.
    pub faults: Faults,
    /// How the doubts of the published facts are settled here.
    pub settings: Settings,
    /// What the lab has invented, of how many facts.
    pub invented: (u64, u64),
    /// What will happen.
    pub queue: BTreeMap<(Timestamp, String, u64), Due>,
    /// What has happened.
    pub events: Vec<Event>,
    /// Number of the last event of each object.
    pub event_numbers: BTreeMap<String, u64>,
    /// How often a choice was made: `purpose\0object` → attempts.
    pub attempts: BTreeMap<String, u64>,
    /// Requests by service and operation.
    pub counts: Counts,
    /// Effective writes by the tool: (service, object, kind of change) → times.
    /// `("ldap", "ann@contoso.test", "convert")`, `("graph", …, "licence+")`,
    /// `("exchange", "wave-01", "batch-created")`, `("zone", "contoso.test.", "mx")`.
    pub writes: BTreeMap<(String, String, String), u64>,
    /// The company's own facts.
    pub company: Company,
    /// Active Directory: [`crate::wire::attributes::dn_key`] → object.
    pub directory: BTreeMap<String, AdObject>,
    /// The highest update number of the domain controller.
    pub usn: u64,
    /// Microsoft 365.
    pub tenant: Tenant,
    /// The DNS of the internet around them: zone apex (`contoso.test.`) → zone.
    pub zones: BTreeMap<String, Zone>,
    /// Copies of zones that the domain controller serves to whoever is inside, as
    /// they were made long ago; nothing that is changed outside reaches them.
    pub inside: BTreeMap<String, Zone>,
    /// What recursive resolvers hold: (resolver, name, type as text) → copy.
    pub caches: BTreeMap<(String, String, String), Cached>,
    /// Messages of the tool, by Message-ID; those of the lab's senders are kept in
    /// `post`. Ask `mail::message` and `mail::messages_in_cloud` for either.
    pub messages: BTreeMap<String, Message>,
    /// Secrets of the lab by name (`client_secret`, `directory`, `migration`,
    /// `tsig`), as its profile's files carry them.
    pub secrets: BTreeMap<String, String>,
    /// Who holds which address, on both sides; kept by the rooms that change it.
    pub index: Index,
    /// Probe messages, kept small.
    pub post: Post,
    /// People at work.
    pub office: Office,
    /// Directory objects (`dn_key`) that the next synchronization looks at.
    pub dirty: BTreeSet<String>,
    /// Custom domains that were verified when the addresses were last computed.
    pub verified_seen: BTreeSet<String>,
    /// The mailboxes' directory objects as they were at the beginning, by primary
    /// address in lower case. Shared: a snapshot does not copy it.
    pub baseline: Arc<BTreeMap<String, Entry>>,
    /// What happened to each mailbox, by primary address in lower case; stays
    /// when its batch is gone.
    pub history: BTreeMap<String, History>,
    /// Seats taken of each SKU.
    pub seats_taken: BTreeMap<Guid, u64>,
    /// Connections of each endpoint (name in lower case).
    pub slots: BTreeMap<String, Slots>,
}

/// How much trouble there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// None: what a sound script handles without leaving a row behind.
    None,
    /// 2 to 4 % of the rows, and services that throttle and lose answers.
    Usual,
}

/// One object of Active Directory.
#[derive(Clone, Debug)]
pub struct AdObject {
    /// Name and attributes, without the operational ones below.
    pub entry: Entry,
    /// objectGUID.
    pub guid: Guid,
    /// uSNChanged.
    pub usn: u64,
    /// whenChanged.
    pub changed: Timestamp,
    /// Items in the old mailbox, if there is one.
    pub items: u64,
    /// Bytes in the old mailbox.
    pub bytes: u64,
}

/// The tenant.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Directory id.
    pub id: Guid,
    /// `contoso.onmicrosoft.com`.
    pub initial_domain: String,
    /// Application that may sign in.
    pub client_id: Guid,
    /// Custom domains.
    pub domains: BTreeMap<String, CloudDomain>,
    /// Users by object id.
    pub users: BTreeMap<Guid, CloudUser>,
    /// What licences there are.
    pub skus: Vec<Sku>,
    /// Migration batches by name in lower case.
    pub batches: BTreeMap<String, Batch>,
    /// Migration endpoints by name in lower case.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Connectors.
    pub connectors: Vec<Connector>,
    /// What the tenant does with mail at its door.
    pub door: Door,
    /// When the last synchronization cycle ended.
    pub last_sync: Timestamp,
    /// Bearer tokens in force: token → (resource host, expires).
    pub tokens: BTreeMap<String, (String, Timestamp)>,
    /// Batch names that are still taken after a removal, and until when.
    pub removed_names: BTreeMap<String, Timestamp>,
    /// Users in the recycle bin.
    pub deleted: Vec<DeletedUser>,
}

/// A domain of the tenant.
#[derive(Clone, Debug)]
pub struct CloudDomain {
    /// Whether ownership was shown.
    pub verified: bool,
    /// `MS=ms12345678`.
    pub verification: String,
    /// Where its MX must point, e.g. `contoso-test.mail.protection.outlook.com`.
    pub mx_host: String,
    /// `Authoritative` or `InternalRelay`.
    pub domain_type: String,
}

/// A user of the tenant and what Exchange Online makes of it.
#[derive(Clone, Debug)]
pub struct CloudUser {
    /// Object id.
    pub id: Guid,
    /// base64 of the source anchor.
    pub immutable_id: String,
    /// userPrincipalName.
    pub upn: String,
    /// displayName.
    pub display_name: String,
    /// As synchronized and computed (ProxyCalc).
    pub proxies: Vec<String>,
    /// mail.
    pub mail: String,
    /// mailNickname.
    pub alias: String,
    /// Two letters, empty if none.
    pub usage_location: String,
    /// SKU ids held.
    pub licences: BTreeSet<Guid>,
    /// Service plans that are switched off, by SKU.
    pub disabled_plans: BTreeMap<Guid, BTreeSet<Guid>>,
    /// Last synchronization of this object.
    pub synced: Timestamp,
    /// What Exchange Online has.
    pub recipient: Recipient,
    /// legacyExchangeDN of the cloud recipient.
    pub legacy_dn: String,
    /// GUID that came by synchronization (msExchMailboxGuid).
    pub synced_guid: Option<Guid>,
    /// accountEnabled.
    pub enabled: bool,
    /// hidden from address lists.
    pub hidden: bool,
    /// (propertyCausingError, value) of addresses in quarantine.
    pub conflicts: Vec<(String, String)>,
    /// Attributes of targetAddress as last seen; see `external_address`.
    pub synced_target: Option<String>,
    /// The addresses as they came from the directory, the X.500 form of its
    /// legacyExchangeDN included; what `proxies` is computed from.
    pub synced_proxies: Vec<String>,
    /// External address that a mail user of this object has or would have,
    /// without a prefix (KB4456110).
    pub external: String,
    /// When the user was made.
    pub created: Timestamp,
    /// A mailbox of this user was purged.
    pub purged: bool,
}

/// What a cloud user is to Exchange Online.
#[derive(Clone, Debug, PartialEq)]
pub enum Recipient {
    /// Nothing.
    None,
    /// A mail user with its external address.
    MailUser {
        /// ExternalEmailAddress, sticky as KB4456110 says.
        external: String,
    },
    /// A mailbox.
    Mailbox(Mailbox),
    /// A mailbox that lost its licence, kept 30 days; outside it looks like a
    /// mail user.
    Disconnected {
        /// The mailbox as it was.
        mailbox: Mailbox,
        /// Since when.
        since: Timestamp,
        /// External address of the mail user that shows.
        external: String,
    },
}

/// A cloud mailbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Mailbox {
    /// ExchangeGuid.
    pub guid: Guid,
    /// When it was made; the licence clock starts here.
    pub created: Timestamp,
    /// Items copied so far.
    pub items: u64,
    /// Items that the old mailbox held when the copy began.
    pub items_total: u64,
    /// When the copy ended.
    pub filled: Option<Timestamp>,
    /// `UserMailbox`, `SharedMailbox`, `RoomMailbox`.
    pub kind: String,
    /// DeliverToMailboxAndForward: a copy of what is forwarded stays.
    pub both: bool,
}

/// A licence product.
#[derive(Clone, Debug)]
pub struct Sku {
    /// skuId.
    pub id: Guid,
    /// skuPartNumber.
    pub part: String,
    /// Seats bought.
    pub seats: u64,
    /// Service plans: (id, name).
    pub plans: Vec<(Guid, String)>,
}

/// A migration endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Name as given.
    pub name: String,
    /// `ExchangeOutlookAnywhere`.
    pub kind: String,
    /// ExchangeServer.
    pub exchange_server: String,
    /// RpcProxyServer.
    pub rpc_proxy: String,
    /// User name of its credential.
    pub user: String,
    /// MaxConcurrentMigrations.
    pub at_once: u64,
    /// MailboxPermission.
    pub permission: String,
    /// Authentication.
    pub authentication: String,
}

/// A migration batch.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Name as given.
    pub name: String,
    /// BatchGuid.
    pub guid: Guid,
    /// SourceEndpoint.
    pub endpoint: String,
    /// `Created`, `Syncing`, `Synced`, …
    pub status: String,
    /// When made.
    pub created: Timestamp,
    /// When started.
    pub started: Option<Timestamp>,
    /// Last change by the service.
    pub touched: Timestamp,
    /// Rows by address in lower case, in file order.
    pub rows: Vec<MigrationRow>,
}

/// One row of a batch: a migration user.
#[derive(Clone, Debug)]
pub struct MigrationRow {
    /// Address as in the file.
    pub address: String,
    /// Row's Guid.
    pub guid: Guid,
    /// `Queued`, `Validating`, `Provisioning`, `Syncing`, `Synced`, `Failed`, …
    pub status: String,
    /// ErrorSummary.
    pub error: String,
    /// Items copied.
    pub synced_items: u64,
    /// Items skipped.
    pub skipped_items: u64,
    /// When the copy ended.
    pub synced: Option<Timestamp>,
    /// How often it was started.
    pub attempts: u64,
}

impl MigrationRow {
    /// A row as a new batch holds it.
    pub fn queued(address: &str, guid: Guid) -> MigrationRow {
        MigrationRow {
            address: address.to_owned(),
            guid,
            status: "Queued".into(),
            error: String::new(),
            synced_items: 0,
            skipped_items: 0,
            synced: None,
            attempts: 0,
        }
    }
}

/// A connector of the tenant.
#[derive(Clone, Debug, Default)]
pub struct Connector {
    /// Name.
    pub name: String,
    /// From the cloud to the old host, or the other way.
    pub outbound: bool,
    /// `OnPremises` or `Partner`.
    pub kind: String,
    /// Domains it serves.
    pub domains: Vec<String>,
    /// Smart hosts (outbound).
    pub smart_hosts: Vec<String>,
    /// In force.
    pub enabled: bool,
    /// Hosts that an inbound one is for, by name; none for any.
    pub hosts: Vec<String>,
    /// TreatMessagesAsInternal (inbound).
    pub treat_as_internal: bool,
    /// Never sends without TLS 1.2 (outbound).
    pub demands_tls: bool,
}

/// An authoritative zone.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Apex with final dot.
    pub apex: String,
    /// SOA serial.
    pub serial: u32,
    /// SOA minimum: negative time to live.
    pub minimum: u32,
    /// (owner, type as text) → set.
    pub sets: BTreeMap<(String, String), RecordSet>,
    /// Whether signed updates are taken (the customer's zones).
    pub updates: bool,
}

/// What a resolver holds.
#[derive(Clone, Debug)]
pub struct Cached {
    /// The set, or none (negative answer).
    pub set: Option<RecordSet>,
    /// Until when.
    pub until: Timestamp,
}

/// A message and its fate.
#[derive(Clone, Debug)]
pub struct Message {
    /// Message-ID with angle brackets.
    pub id: String,
    /// Envelope sender.
    pub from: String,
    /// Envelope recipient.
    pub to: String,
    /// Subject.
    pub subject: String,
    /// When sent.
    pub sent: Timestamp,
    /// Where it is now.
    pub fate: MessageFate,
    /// Whether the lab's own senders sent it.
    pub probe: bool,
}

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageFate {
    /// In the old mailbox of this address.
    Old(String),
    /// In the cloud mailbox of this address.
    Cloud(String),
    /// Returned to the sender with this text.
    Bounced(String),
    /// Waiting in a queue for another try.
    Queued,
    /// In a mailbox that is gone.
    Vanished,
}

/// What can be due later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// A directory synchronization cycle.
    Sync,
    /// A changed user reaches Exchange Online.
    ForwardSync(Guid),
    /// The service takes the next step with a row of a batch.
    Row {
        /// Batch, lower case.
        batch: String,
        /// Address, lower case.
        address: String,
    },
    /// The licence grace of a mailbox ends.
    Grace(Guid),
    /// A disconnected mailbox is purged.
    Purge(Guid),
    /// The daily probe to everybody.
    Probes,
    /// A message is tried again.
    Retry(String),
    /// A removed batch is gone.
    BatchGone(String),
    /// A batch may have been idle for so long that the service stops it.
    BatchIdle(String),
    /// The help desk edits somebody.
    Helpdesk,
    /// Half a working day of everybody.
    Work,
}

/// A moment some seconds after another; the end of time if there is none.
pub fn after(moment: Timestamp, seconds: i64) -> Timestamp {
    moment.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

impl World {
    /// A number that hangs on seed, purpose, object and attempt, and on nothing
    /// else: not on the order of requests, not on the number of cores.
    pub fn choose(&self, purpose: &str, object: &str, attempt: u64) -> u64 {
        choose(self.seed, purpose, object, attempt)
    }

    /// As [`World::choose`] with the attempts of this purpose and object counted.
    pub fn choose_next(&mut self, purpose: &str, object: &str) -> u64 {
        let attempt = self.attempts.entry(format!("{purpose}\0{object}")).or_default();
        *attempt += 1;
        let attempt = *attempt;
        choose(self.seed, purpose, object, attempt)
    }

    /// A GUID for an object, from the seed.
    pub fn guid(&self, purpose: &str, object: &str) -> Guid {
        guid(self.seed, purpose, object)
    }

    /// Writes down what happened.
    pub fn event(&mut self, object: &str, what: &str, detail: impl Into<String>) {
        let number = self.event_numbers.entry(object.to_owned()).or_default();
        *number += 1;
        let number = *number;
        self.events.push(Event {
            time: self.now,
            object: object.to_owned(),
            number,
            what: what.to_owned(),
            detail: detail.into(),
        });
    }

    /// Lets something happen later. Equal times are ordered by object, then by
    /// the number of things that object has waiting.
    pub fn later(&mut self, at: Timestamp, object: &str, due: Due) {
        let mut number = 0;
        while self.queue.contains_key(&(at, object.to_owned(), number)) {
            number += 1;
        }
        self.queue.insert((at, object.to_owned(), number), due);
    }

    /// Counts a request.
    pub fn count(&mut self, service: &str, operation: &str) {
        *self.counts.requests.entry(service.to_owned()).or_default().entry(operation.to_owned()).or_default() += 1;
    }

    /// Counts an effective write of the tool.
    pub fn wrote(&mut self, service: &str, object: &str, kind: &str) {
        *self.writes.entry((service.to_owned(), object.to_owned(), kind.to_owned())).or_default() += 1;
    }
}

/// See [`World::choose`].
pub fn choose(seed: u64, purpose: &str, object: &str, attempt: u64) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for part in [purpose, object] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(attempt.to_le_bytes());
    let bytes = hash.finalize();
    bytes.iter().take(8).fold(0, |n, b| (n << 8) | u64::from(*b))
}

/// A version-4-looking GUID from the seed.
pub fn guid(seed: u64, purpose: &str, object: &str) -> Guid {
    let mut bytes = [0; 16];
    for (half, chunk) in bytes.chunks_mut(8).enumerate() {
        chunk.copy_from_slice(&choose(seed, purpose, object, half as u64).to_be_bytes());
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Guid(bytes)
}
