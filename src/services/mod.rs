//! Clients of every service that a migration speaks to.
//!
//! Protocol comes from `wire`, connections from the dialer, time from the
//! session's clock. Clients know how to ask, when asking again is safe, and how
//! to say what a refusal means; they know nothing of migrations, keep no
//! journal and decide nothing. A write whose answer was lost comes back as
//! `in_doubt`, never as failed and never a second time.

pub mod dialer;
pub mod directory;
pub mod dns;
pub mod entra;
pub mod exchange;
mod exchange_errors;
pub mod graph;
pub mod graph_batch;
mod http;
mod ids;
pub mod lab_clock;
mod ldap_codes;
mod ldap_entry;
mod module;
pub mod probes;
pub mod requests;
pub mod retry;
pub mod secrets;
pub mod smtp;
pub mod tap;
mod tls;
pub mod zone;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::base::{Clock, Failure, Kind, Result};
use crate::wire::log::Tap;
use crate::wire::profile::Profile;

pub use dialer::Dialer;
pub use directory::{Directory, Scope};
pub use dns::{Ask, DnsClient, RecordType, Served};
pub use entra::Entra;
pub use exchange::{Exchange, Reply};
pub use graph::Graph;
pub use lab_clock::LabClock;
pub use probes::{Probes, RpcProbe};
pub use secrets::Secrets;
pub use smtp::{Sent, Smtp};
pub use zone::Swapped;

/// All clients of one session. They share dialer, clock and tap.
#[derive(Clone)]
pub struct Services {
    /// Sign-in.
    pub entra: Entra,
    /// Exchange Online.
    pub exchange: Exchange,
    /// Microsoft Graph.
    pub graph: Graph,
    /// Active Directory.
    pub directory: Directory,
    /// Resolvers and zones.
    pub dns: DnsClient,
    /// Mail, from outside.
    pub smtp: Smtp,
    /// Autodiscover and the RPC proxy.
    pub probes: Probes,
    /// What they connect through.
    pub dialer: Dialer,
}

impl Services {
    /// The clients of a profile. Nothing is sent yet.
    ///
    /// # Errors
    /// The profile breaks a rule of the dialer, or a zone has no key.
    pub fn new(profile: &Profile, secrets: Secrets, clock: Clock, tap: Option<Arc<dyn Tap>>) -> Result<Services> {
        let dialer = Dialer::new(profile, secrets.ca.as_deref())?;
        let http = http::Http::new(&dialer, tap.clone())?;
        let ids = ids::Ids::new(dialer.is_lab());
        let entra = Entra::new(http.clone(), profile, secrets.client_secret, clock.clone());
        let mut keys = Vec::new();
        for zone in &profile.dns.zones {
            let key = secrets.zones.get(&zone.name).cloned().ok_or_else(|| {
                Failure::new(Kind::Local, format!("the key of zone {} is missing", zone.name))
                    .hint("name its source as `secret` under [[dns.zones]]")
            })?;
            keys.push((zone.clone(), key));
        }
        Ok(Services {
            exchange: Exchange::new(http.clone(), entra.clone(), ids.clone(), profile, clock.clone()),
            graph: Graph::new(http.clone(), entra.clone(), ids.clone(), profile, clock.clone()),
            directory: Directory::new(&dialer, profile, secrets.directory, clock.clone(), tap.clone()),
            dns: DnsClient::new(&dialer, profile, keys, ids, clock.clone(), tap.clone()),
            smtp: Smtp::new(&dialer, clock.clone(), tap, &profile.tenant.initial_domain),
            probes: Probes::new(http, profile, secrets.source, clock),
            entra,
            dialer,
        })
    }
}
