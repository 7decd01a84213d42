//! How mail is set up around both hosts, beyond what the directory says: a
//! gateway, limits, locks, and what senders outside publish about themselves.
//!
//! Data only. Everything is absent by default, so that a company of which
//! nothing is known has plain mail; `delivery` says what each of it does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The company's side of mail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Transport {
    /// A gateway that stands before both hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// The old host takes any address of its domains and returns mail afterwards
    /// (no recipient filter: the default of 2003).
    #[serde(skip_serializing_if = "is_false")]
    pub unfiltered: bool,
    /// Domains for which the old host is an internal relay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relay_domains: Vec<String>,
    /// Of those, the ones that were authoritative once, so that unknown addresses
    /// are refused still (AddressBookEnabled).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checked_relay_domains: Vec<String>,
    /// Exchange 2003 hands recipients that it doesn't know to the tenant.
    #[serde(skip_serializing_if = "is_false")]
    pub unresolved_to_cloud: bool,
    /// Exchange 2003 without hotfix 916783: no mail for disabled accounts.
    #[serde(skip_serializing_if = "is_false")]
    pub unpatched: bool,
    /// Largest message of the old organization, in bytes; 10 MB if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Largest message on the old host's way to the tenant, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector_limit: Option<u64>,
    /// The old host takes no mail from outside whose sender is of our domains.
    #[serde(skip_serializing_if = "is_false")]
    pub refuses_own_domain: bool,
    /// A gateway at the old host does so, but lets the tenant's connector pass.
    #[serde(skip_serializing_if = "is_false")]
    pub refuses_own_outside: bool,
    /// The old host's connector lists addresses of the service that have changed.
    #[serde(skip_serializing_if = "is_false")]
    pub stale_service_addresses: bool,
    /// The old host's way to the tenant demands TLS, which it speaks as 1.0 only.
    #[serde(skip_serializing_if = "is_false")]
    pub demands_tls: bool,
    /// The old host sends mail for outside through the tenant.
    #[serde(skip_serializing_if = "is_false")]
    pub through_tenant: bool,
    /// Domains of senders that a transport rule on the old host rejects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected_senders: Vec<String>,
    /// Where the old host sends journal reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
    /// The old host is switched off.
    #[serde(skip_serializing_if = "is_false")]
    pub retired: bool,
    /// What domains of senders outside publish, by domain in lower case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub senders: BTreeMap<String, Policy>,
}

/// A gateway before both hosts: a filter, an appliance, a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// Its name, as MX records have it.
    pub host: String,
    /// Where it hands mail on to.
    pub route: Route,
    /// The tenant's inbound connector lists it.
    pub listed: bool,
    /// It refuses mail whose sender's SPF fails.
    pub checks_spf: bool,
    /// It turns first tries away for a while.
    pub greylists: bool,
}

/// One of the two hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// The old host.
    #[default]
    Old,
    /// The tenant.
    Cloud,
}

/// What a sender's domain publishes about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// SPF names its hosts and ends with `-all`.
    pub spf: bool,
    /// Its mail is signed (DKIM).
    pub dkim: bool,
    /// What DMARC asks for.
    pub dmarc: Dmarc,
}

/// What a domain asks to be done with mail that fails (RFC 7489).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dmarc {
    /// Nothing, or no record.
    #[default]
    None,
    /// `p=quarantine`.
    Quarantine,
    /// `p=reject`.
    Reject,
}

/// The tenant's side of mail, beyond connectors and accepted domains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Door {
    /// RejectDirectSend: no mail of our own domains but over a connector.
    #[serde(skip_serializing_if = "is_false")]
    pub reject_direct_send: bool,
    /// Enhanced filtering: judges the host before the one that hands over.
    #[serde(skip_serializing_if = "is_false")]
    pub enhanced_filtering: bool,
    /// What the service does with servers that are out of date.
    #[serde(skip_serializing_if = "is_default")]
    pub enforcement: Enforcement,
    /// The service slows a sending address down that it doesn't know.
    #[serde(skip_serializing_if = "is_false")]
    pub throttles_new: bool,
    /// Journal reports of other systems have an archive.
    #[serde(skip_serializing_if = "is_false")]
    pub journal_archive: bool,
    /// Largest message, in bytes; 36 MB if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// What becomes of mail from a server that is out of date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// Nothing: not begun, or paused.
    #[default]
    Off,
    /// It is delayed.
    Delays,
    /// It is refused.
    Refuses,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
