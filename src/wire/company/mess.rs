//! The mess of a company in its file: what no attribute of a directory and no
//! record of a zone says.
//!
//! Types only. What is left out is not there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the tenant has of a person beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InCloud {
    /// A licence, no mailbox.
    Licensed,
    /// A licensed mailbox beside the old one.
    Mailbox,
}

/// A user in the tenant's recycle bin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deleted {
    /// userPrincipalName; must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// displayName.
    pub name: String,
    /// Object id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Its begin.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Untidy {
    /// What the tenant has of people, by primary address.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub in_cloud: BTreeMap<String, InCloud>,
    /// X.500 names of a former life that nobody kept, by primary address.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub former_dns: BTreeMap<String, String>,
    /// Items that can't be copied, by primary address.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unreadable: BTreeMap<String, i64>,
    /// Second addresses that stand in the list as rows of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub twice_listed: Vec<String>,
    /// Domains of which the domain controller serves an old copy inside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inside_zones: Vec<String>,
    /// Who is in a batch of an earlier try.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier_batch: Vec<String>,
    /// `attribute=value` that keeps an object out of synchronization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Most sessions that the old server allows at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<i64>,
    /// No synchronization in this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronization_stops: Option<Span>,
    /// Minutes after which the old servers see a change of the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_lag_minutes: Option<i64>,
    /// The help desk edits people in the middle of the run.
    pub helpdesk: bool,
    /// The how-manyth batch that starts sees the certificate run out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_in_batch: Option<i64>,
    /// No sign-in of the migration account in this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_out: Option<Span>,
    /// Domains outside that publish p=reject.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strict_senders: Vec<String>,
    /// Senders outside of messages larger than the old connector allows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub large_senders: Vec<String>,
    /// Senders outside with an address of the company: shops, newsletters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own_senders: Vec<String>,
    /// Devices that send to the old server by its address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Users in the recycle bin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted_users: Vec<Deleted>,
    /// Names of the messes (docs/mess.md) and whom they concern, for the report.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub named: BTreeMap<String, Vec<String>>,
}
