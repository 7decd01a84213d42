//! The profile: which tenant, directory and zones, and how to reach them.
//!
//! Clients always use the vendor's names and ports; [`Profile::map`] says where
//! a name really leads. A lab's profile maps all of them to loopback and
//! nothing else may be dialled; a real one maps nothing to loopback.
//!
//! Secrets stand here by name only ([`SecretSource`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One customer environment, as read from a TOML file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// How people call it; shown in the prompt and in every report.
    pub name: String,
    /// Whether a lab or a real organization stands behind it.
    pub kind: Behind,
    /// The Microsoft 365 tenant.
    pub tenant: Tenant,
    /// Hosts of the cloud; the worldwide one if left out.
    #[serde(default)]
    pub cloud: Cloud,
    /// Active Directory.
    pub directory: Directory,
    /// The old mail system.
    pub source: Source,
    /// Name servers and zones.
    pub dns: Dns,
    /// Only in a lab's profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lab: Option<Lab>,
    /// `host:port` as the client says it → `address:port` to connect to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub map: BTreeMap<String, String>,
}

/// What stands behind a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Behind {
    /// A rehearsal lab on loopback.
    Lab,
    /// A customer's organization.
    Real,
}

/// The tenant and the application that signs in to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Directory (tenant) id, a GUID.
    pub id: String,
    /// `contoso.onmicrosoft.com`.
    pub initial_domain: String,
    /// Application (client) id, a GUID.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretSource,
}

/// Hosts of one of the clouds (`reference: admin API, section 7`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cloud {
    /// Sign-in host.
    pub login: String,
    /// Graph host.
    pub graph: String,
    /// Exchange Online host.
    pub exchange: String,
    /// What `autodiscover.<domain>` points to in the end.
    pub autodiscover: String,
}

impl Default for Cloud {
    fn default() -> Self {
        Cloud {
            login: "login.microsoftonline.com".into(),
            graph: "graph.microsoft.com".into(),
            exchange: "outlook.office365.com".into(),
            autodiscover: "autodiscover.outlook.com".into(),
        }
    }
}

/// One writable domain controller, used for every read and write.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Full name of the domain controller; LDAPS on 636 unless `port` says else.
    pub host: String,
    /// Port of LDAP over TLS.
    #[serde(default = "ldaps")]
    pub port: u16,
    /// UPN, `DOMAIN\user` or distinguished name.
    pub bind: String,
    /// Its password.
    pub password: SecretSource,
    /// A program and its arguments that start a synchronization cycle; without
    /// one, stagepost waits for the schedule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sync_command: Vec<String>,
}

fn ldaps() -> u16 {
    636
}

/// The old Exchange organization, as seen from outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name under which RPC over HTTP is published, e.g. `mail.contoso.com`.
    pub rpc_proxy: String,
    /// The mailbox server behind it, as the proxy knows it.
    pub exchange_server: String,
    /// SMTP host of the old side.
    pub smtp: String,
    /// The migration account, `DOMAIN\user`.
    pub account: String,
    /// Its password; travels encrypted in the endpoint's credential.
    pub password: SecretSource,
    /// `Basic` or `Ntlm`.
    #[serde(default = "basic")]
    pub authentication: String,
}

fn basic() -> String {
    "Basic".into()
}

/// Who answers and who takes changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// `host:port` of the recursive resolvers that stand for the world's.
    pub resolvers: Vec<String>,
    /// The zones that stagepost may change.
    #[serde(default)]
    pub zones: Vec<Zone>,
}

/// A zone that takes signed updates (RFC 2136, RFC 8945).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// `contoso.com`.
    pub name: String,
    /// `host:port` of its primary.
    pub server: String,
    /// Name of the TSIG key.
    pub key: String,
    /// `hmac-sha256`, `hmac-sha384` or `hmac-sha512`.
    #[serde(default = "hmac")]
    pub algorithm: String,
    /// The key itself, base64.
    pub secret: SecretSource,
}

fn hmac() -> String {
    "hmac-sha256".into()
}

/// How to reach a lab that is not a customer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lab {
    /// `127.0.0.1:port` of the control address (plain HTTP).
    pub control: String,
    /// File of the lab's certificate authority, PEM; relative to the profile.
    pub ca: String,
}

/// Where a secret comes from; never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file, relative to the profile; trailing line ends are cut.
    File(String),
}

impl Profile {
    /// Reads the TOML text.
    ///
    /// # Errors
    /// The parser's text, with line and column.
    pub fn parse(text: &str) -> Result<Profile, String> {
        toml::from_str(text).map_err(|e| e.to_string())
    }

    /// Writes the TOML text.
    ///
    /// # Errors
    /// Only if a value has no TOML form.
    pub fn print(&self) -> Result<String, String> {
        toml::to_string_pretty(self).map_err(|e| e.to_string())
    }
}
