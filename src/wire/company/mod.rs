//! The company file, format 1: a whole company as JSON (`docs/company.md`).
//!
//! Types only, and how they are written; nothing here reads a file, decides or
//! invents. The lab loads it, a survey makes it: both know this room and not each
//! other. Every fact may be left out: the lab makes it up from the seed and counts
//! it. So every field is optional here; what must be there, the lab's check asks
//! for.
//!
//! One rule for texts that may be absent in a directory: left out means
//! *unknown, make it up*; an empty text means *there is none*.

pub mod mess;
pub mod text;
pub mod transport;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use transport::{Door, Transport};

/// The one version of the format.
pub const VERSION: i64 = 1;
/// What begins a value that is no text: its bytes follow in base64.
pub const BASE64: &str = "base64:";

/// A whole company.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompanyFile {
    /// [`VERSION`]; must be there.
    pub version: Option<i64>,
    /// The organization's own facts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<Organization>,
    /// Everybody with a mailbox on premises.
    pub people: Vec<Person>,
    /// Primary addresses of those who are to move, in order; everybody if left
    /// out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<Vec<String>>,
    /// Contacts, groups, service accounts, containers, the configuration: what is
    /// in the directory beside people. Replaces the lab's own object of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<Vec<Object>>,
    /// Microsoft 365.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
    /// The customer's zones; one that is named here is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zones: Option<Vec<Zone>>,
    /// Rights on others' mailboxes, beyond delegates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<Permission>,
    /// Rows that fail, and the service's text. If it is there, be it empty, the
    /// lab deals out no trouble of its own among the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<Vec<RowFault>>,
    /// What else is untidy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mess: Option<mess::Untidy>,
    /// How doubts of the published facts are settled, by name; see `settings`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Where the file comes from, if a survey made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub survey: Option<Origin>,
}

/// What a survey says about itself. The lab makes nothing of it but tells the
/// holes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Origin {
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<Timestamp>,
    /// Names, addresses and domains are not the company's own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pseudonyms: bool,
    /// What a service refused to show, a sentence each: the lab makes it up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<String>,
}

/// The organization.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Organization {
    /// `Contoso`: name of the Exchange organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Mail domains, the main one first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domains: Option<Vec<String>>,
    /// `DC=contoso,DC=test`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_dn: Option<String>,
    /// `2003` or `2007`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    /// Outside name of the RPC proxy and of SMTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_host: Option<String>,
    /// Name of the mailbox server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Name of the domain controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_controller: Option<String>,
    /// How mail is set up around the old host; plain if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
}

/// What kind of mailbox (`msExchRecipientTypeDetails`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// 1.
    User,
    /// 2: its account is in another forest.
    Linked,
    /// 4.
    Shared,
    /// 8: made by Exchange 2003 and not touched since.
    Legacy,
    /// 16.
    Room,
    /// 32.
    Equipment,
    /// Without the number, as Exchange 2003 leaves every mailbox.
    None,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 7] =
        [Kind::User, Kind::Linked, Kind::Shared, Kind::Legacy, Kind::Room, Kind::Equipment, Kind::None];

    /// msExchRecipientTypeDetails; empty if the mailbox has none.
    pub fn number(self) -> &'static str {
        match self {
            Kind::User => "1",
            Kind::Linked => "2",
            Kind::Shared => "4",
            Kind::Legacy => "8",
            Kind::Room => "16",
            Kind::Equipment => "32",
            Kind::None => "",
        }
    }
}

/// Somebody with a mailbox on premises.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Person {
    /// Primary SMTP address; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// displayName.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// givenName.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// sn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Distinguished name (RFC 4514).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dn: Option<String>,
    /// sAMAccountName.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// userPrincipalName.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upn: Option<String>,
    /// mailNickname.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// mail, where it differs from the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// proxyAddresses as the directory holds them, the primary and X500 included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxies: Option<Vec<String>>,
    /// legacyExchangeDN: the X.500 name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy_dn: Option<String>,
    /// targetAddress: a forwarding that is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What kind of mailbox.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Whether the account may sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Hidden from address lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// Unified Messaging is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub um: Option<bool>,
    /// `de-DE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub culture: Option<String>,
    /// Two letters, as the tenant has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_location: Option<String>,
    /// Primary addresses of those who work in this mailbox and send on behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegates: Option<Vec<String>>,
    /// Items in the mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<i64>,
    /// Bytes in the mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// objectGUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// msExchMailboxGuid, as text shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox_guid: Option<String>,
    /// extensionAttribute1 to 15 by number; what is not named is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<BTreeMap<String, String>>,
    /// Any other attribute by name; it has the last word. No value: not there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Vec<String>>,
}

/// Another object of the directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Object {
    /// Distinguished name; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dn: Option<String>,
    /// objectGUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// All its attributes; `objectClass` must be among them.
    pub attributes: BTreeMap<String, Vec<String>>,
}

/// Microsoft 365.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tenant {
    /// Directory id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `contoso.onmicrosoft.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_domain: Option<String>,
    /// Custom domains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domains: Option<Vec<Domain>>,
    /// Licence products.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skus: Option<Vec<Sku>>,
    /// Connectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connectors: Option<Vec<Connector>>,
    /// Users that no synchronization brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<User>>,
    /// What it does with mail at its door; nothing beside the usual if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
}

/// A custom domain of the tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Domain {
    /// A mail domain of the company; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether ownership was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// `MS=ms12345678`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<String>,
    /// Where its MX must point in the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mx_host: Option<String>,
    /// `Authoritative` or `InternalRelay`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// A licence product.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sku {
    /// skuPartNumber; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// skuId; must be there for a product that the lab does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Seats bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seats: Option<i64>,
    /// Service plans; must be there for a product that the lab does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plans: Option<Vec<Plan>>,
}

/// A service plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// servicePlanId.
    pub id: String,
    /// servicePlanName.
    pub name: String,
}

/// A connector of the tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connector {
    /// Name; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// From the cloud to the old host, or the other way.
    pub outbound: bool,
    /// `OnPremises` (if left out) or `Partner`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Domains it serves, or `*`; the company's if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domains: Option<Vec<String>>,
    /// Smart hosts; the old mail host for an outbound one, if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smart_hosts: Option<Vec<String>>,
    /// In force; it is if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Hosts that an inbound one is for; any if left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// TreatMessagesAsInternal.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub treat_as_internal: bool,
    /// An outbound one that never sends without TLS 1.2.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub demands_tls: bool,
}

/// What a user is to Exchange Online.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// Nothing.
    #[default]
    None,
    /// A mail user.
    MailUser,
    /// A mailbox.
    Mailbox,
}

/// A user of the tenant that no synchronization brought.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct User {
    /// userPrincipalName and first address; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// displayName.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// proxyAddresses, as `SMTP:` and `smtp:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxies: Option<Vec<String>>,
    /// Two letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_location: Option<String>,
    /// Products held, by part number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub licences: Vec<String>,
    /// What it is to Exchange Online.
    pub recipient: Recipient,
    /// External address of a mail user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<String>,
    /// Items in its mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<i64>,
    /// Object id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// ExchangeGuid of its mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox_guid: Option<String>,
    /// legacyExchangeDN in the cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy_dn: Option<String>,
}

/// A zone of the customer's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Zone {
    /// `contoso.test`; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apex: Option<String>,
    /// Whether signed updates are taken; they are if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updates: Option<bool>,
    /// Negative time to live, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    /// All its record sets.
    pub sets: Vec<Set>,
}

/// A record set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Set {
    /// Owner; the apex if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `MX`, `TXT`, `CNAME`, `A`, `NS`; must be there.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Seconds; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<i64>,
    /// As a zone file writes them, TXT without quotes.
    pub values: Vec<String>,
}

/// What somebody may do with another's mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Open it and everything in it.
    FullAccess,
    /// Send as it.
    SendAs,
}

/// A right on a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permission {
    /// Primary address of the mailbox; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
    /// Primary address of who has the right; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Which; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<Right>,
}

/// Where a row fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breaks {
    /// Half-way through the copy; forwarding stays on.
    Copy,
    /// Before anything is made in the cloud.
    Provisioning,
    /// After the cloud mailbox was made: TargetAddress can't be written.
    Target,
}

/// A row that fails.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RowFault {
    /// Primary address; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Where it fails; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaks: Option<Breaks>,
    /// What the service says; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}
