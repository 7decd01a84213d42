//! Questions about a message's sender and way: connectors, gateway, locks, SPF,
//! DKIM, DMARC, names as they are published.
//!
//! A part of `seen`, in a file of its own for its length.

use std::net::Ipv4Addr;

use hickory_proto::rr::RecordType;

use super::seen::Seen;
use super::table::From;
use crate::lab::mail;
use crate::lab::transport::{Dmarc, Gateway, Route};
use crate::lab::world::Connector;
use crate::lab::{World, tenancy};
use crate::wire::dns::absolute;

impl<'a> Seen<'a> {
    /// The old host can't tell that the sender is a colleague: mail from elsewhere
    /// is anonymous to 2003 and 2007.
    pub fn is_anonymous(&self) -> bool {
        self.from != From::Colleague
    }

    /// The cloud can't tell that the sender is a colleague.
    pub fn is_stranger(&self) -> bool {
        match self.from {
            From::Colleague => false,
            From::Outside => true,
            From::OtherSide => !(self.letter.inside && self.is_trusted()),
        }
    }

    /// An inbound connector takes what the old host hands over as internal.
    pub fn is_trusted(&self) -> bool {
        self.inbound().any(|c| c.treat_as_internal)
    }

    fn inbound(&self) -> impl Iterator<Item = &'a Connector> {
        self.world.tenant.connectors.iter().filter(|c| !c.outbound && c.enabled && c.kind == "OnPremises")
    }

    /// There is an inbound connector for the old host.
    pub fn has_inbound(&self) -> bool {
        self.inbound().next().is_some()
    }

    fn gateway(&self) -> Option<&'a Gateway> {
        self.world.company.transport.gateway.as_ref()
    }

    /// Mail of the domain comes through a gateway that hands on to the old host.
    pub fn behind_gateway(&self, route: Route) -> bool {
        self.gateway().is_some_and(|g| {
            g.route == route && published(self.world, &self.domain).is_some_and(|h| h.eq_ignore_ascii_case(&g.host))
        })
    }

    /// A Partner connector for everything doesn't list who hands the message over.
    pub fn is_locked_out(&self) -> bool {
        let locks = self.world.tenant.connectors.iter();
        let mut locks = locks
            .filter(|c| !c.outbound && c.enabled && c.kind == "Partner" && c.domains.iter().any(|d| d == "*"))
            .peekable();
        let by = match self.from {
            From::Outside if self.behind_gateway(Route::Cloud) => self.gateway().map_or("", |g| g.host.as_str()),
            From::Outside => "",
            _ => self.world.company.mail_host.as_str(),
        };
        locks.peek().is_some() && !locks.any(|c| c.hosts.iter().any(|h| h.eq_ignore_ascii_case(by)))
    }

    /// The message comes from another host than its sender's: the old one, or a
    /// gateway that the tenant doesn't know.
    pub fn is_forwarded(&self) -> bool {
        match self.from {
            From::OtherSide => true,
            From::Outside => self.behind_gateway(Route::Cloud) && !self.gateway().is_some_and(|g| g.listed),
            From::Colleague => false,
        }
    }

    /// The signature of the sender's domain is still good.
    pub fn is_signed(&self) -> bool {
        self.letter.policy.dkim && self.setting("dkim_survives_old_host", "yes")
    }

    /// The service acts on DMARC: the public MX leads to it, or it judges the host
    /// before ours.
    pub fn honours_dmarc(&self) -> bool {
        self.world.tenant.door.enhanced_filtering || self.published_in_cloud()
    }

    /// The sender's domain asks for more than nothing.
    pub fn asks(&self, dmarc: Dmarc) -> bool {
        self.letter.policy.dmarc == dmarc
    }

    /// The public MX of the company's main domain leads to the cloud.
    pub fn published_in_cloud(&self) -> bool {
        let domain = match self.own() {
            true => self.domain.clone(),
            false => self.world.company.domains.first().cloned().unwrap_or_default(),
        };
        let host = published(self.world, &domain);
        host.is_some_and(|host| self.world.tenant.domains.values().any(|d| d.mx_host.eq_ignore_ascii_case(&host)))
    }

    /// The MX of the domain was switched, and has been switched back.
    pub fn is_switched_back(&self) -> bool {
        let owner = absolute(&self.domain);
        let times = self.world.writes.get(&("zone".to_owned(), owner, "mx".to_owned())).copied().unwrap_or(0);
        times > 1 && self.from == From::Outside && !self.published_in_cloud()
    }

    /// Our SPF record names the old host's address.
    pub fn spf_names_old_host(&self) -> bool {
        let main = self.world.company.domains.first().cloned().unwrap_or_default();
        let host = &self.world.company.mail_host;
        let address = self.old_address();
        texts(self.world, &main).iter().filter(|t| t.to_lowercase().starts_with("v=spf1")).any(|record| {
            let record = record.to_lowercase();
            record.split_whitespace().any(|word| match word.trim_start_matches('+') {
                "all" => true,
                "mx" => !self.published_in_cloud(),
                word => match (word.strip_prefix("ip4:"), word.strip_prefix("a:")) {
                    (Some(range), _) => within(range, address),
                    (_, Some(name)) => name.eq_ignore_ascii_case(host),
                    _ => false,
                },
            })
        })
    }

    /// Our SPF record includes the service.
    pub fn spf_names_cloud(&self) -> bool {
        let main = self.world.company.domains.first().cloned().unwrap_or_default();
        texts(self.world, &main).iter().any(|t| t.to_lowercase().contains("include:spf.protection.outlook.com"))
    }

    /// Our own domain asks for mail that fails to be held or refused.
    pub fn has_own_dmarc(&self) -> bool {
        let main = self.world.company.domains.first().cloned().unwrap_or_default();
        let records = texts(self.world, &format!("_dmarc.{main}"));
        records.iter().any(|t| {
            let asked = t.to_lowercase().replace(' ', "");
            asked.contains(";p=reject") || asked.contains(";p=quarantine")
        })
    }

    fn old_address(&self) -> Ipv4Addr {
        let name = absolute(&self.world.company.mail_host);
        let key = (name, RecordType::A.to_string());
        let found =
            self.world.zones.values().find_map(|z| z.sets.get(&key)).and_then(|s| s.values.first()?.parse().ok());
        found.or_else(|| tenancy::MAIL_ADDRESS.parse().ok()).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }
}

/// The host of the published MX of a domain.
fn published(world: &World, domain: &str) -> Option<String> {
    let name = absolute(domain);
    let set = world.zones.get(&name)?.sets.get(&(name, RecordType::MX.to_string()))?;
    mail::best_host(&set.values)
}

/// The texts of a name in the customer's zones.
fn texts(world: &World, name: &str) -> Vec<String> {
    let key = (absolute(name), RecordType::TXT.to_string());
    world.zones.values().find_map(|z| z.sets.get(&key)).map(|s| s.values.clone()).unwrap_or_default()
}

/// Whether an address lies in a range, `192.0.2.0/24`.
fn within(range: &str, address: Ipv4Addr) -> bool {
    let (net, length) = range.split_once('/').unwrap_or((range, "32"));
    let (Ok(net), Ok(length)) = (net.parse::<Ipv4Addr>(), length.parse::<u32>()) else { return false };
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0);
    u32::from(net) & mask == u32::from(address) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_addresses() {
        let address = Ipv4Addr::new(192, 0, 2, 25);
        assert!(within("192.0.2.25", address) && within("192.0.2.0/24", address) && within("0.0.0.0/0", address));
        assert!(!within("192.0.2.24", address) && !within("192.0.3.0/24", address) && !within("mail", address));
    }
}
