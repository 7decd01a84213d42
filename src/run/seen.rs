//! What both sides show of everybody now: a paged read of the directory, of
//! Graph's users, of Exchange's recipients and of the migration users, and one
//! question for the MX of each domain. Reads only, and judges nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use hickory_proto::rr::RecordType;

use super::batches::{self, Row};
use super::recipients;
use super::session::Session;
use super::standing::Seen;
use crate::base::Result;
use crate::migration::against::OnPremises;
use crate::migration::routing;
use crate::services::dns::Ask;
use crate::wire::attributes::{address_key, domain_of};

/// Where the MX of a domain leads, as a resolver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leads {
    /// To Exchange Online.
    Cloud,
    /// To a filter that a company operates for many.
    Gateway(&'static str),
    /// To this host, the organization's own as far as one can tell.
    Old(String),
    /// There is no MX.
    Nowhere,
    /// No resolver answered; why.
    Unknown(String),
}

/// Everybody as both sides show them.
#[derive(Default)]
pub struct Everybody {
    seen: Vec<(String, Seen)>,
    by_address: BTreeMap<String, usize>,
}

impl Everybody {
    /// What is seen of somebody, by any address.
    pub fn of(&self, address: &str) -> Option<&Seen> {
        self.by_address.get(&address_key(address)).and_then(|at| self.seen.get(*at)).map(|(_, seen)| seen)
    }

    /// The primary address of somebody.
    pub fn primary(&self, address: &str) -> Option<&str> {
        self.by_address.get(&address_key(address)).and_then(|at| self.seen.get(*at)).map(|(own, _)| own.as_str())
    }

    /// Every address, in lower case.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.by_address.keys().map(String::as_str)
    }
}

/// Reads both sides and the MX of these domains.
///
/// # Errors
/// Those of the directory, of Graph and of Exchange. A resolver that doesn't
/// answer leaves the way of the mail unknown.
pub async fn everybody(session: &Arc<Session>, domains: &[String]) -> Result<Everybody> {
    let clock = session.clock();
    // Boxed: together they would fill the stack of a small thread.
    let cloud = clock.both(Box::pin(recipients::cloud(session)), Box::pin(batches::rows_of_everybody(session)));
    let (entries, (cloud, rows)) = clock.both(Box::pin(recipients::everybody(session)), cloud).await?;
    let mut mail: BTreeMap<String, bool> = BTreeMap::new();
    for domain in domains {
        match mail_of(session, domain).await {
            Leads::Unknown(_) => {}
            leads => drop(mail.insert(domain.to_lowercase(), leads == Leads::Cloud)),
        }
    }
    let mut rows = latest(rows);
    let mut found = Everybody::default();
    for entry in entries {
        let object = OnPremises::of(&entry);
        let seen = seen_of(&object, cloud.person(&object.address), rows.remove(&address_key(&object.address)), &mail);
        let at = found.seen.len();
        let smtp = object.proxies.iter().filter(|p| p.get(..5).is_some_and(|k| k.eq_ignore_ascii_case("smtp:")));
        for proxy in smtp.chain(std::iter::once(&object.address)).filter(|a| !a.is_empty()) {
            found.by_address.entry(address_key(proxy)).or_insert(at);
        }
        found.seen.push((object.address, seen));
    }
    Ok(found)
}

/// Of somebody whom several batches hold the row that counts: one that copied, or
/// the first.
fn latest(rows: Vec<Row>) -> BTreeMap<String, Row> {
    let mut latest: BTreeMap<String, Row> = BTreeMap::new();
    for row in rows {
        let key = address_key(&row.address);
        if latest.get(&key).is_none_or(|known| known.synced_at < row.synced_at) {
            latest.insert(key, row);
        }
    }
    latest
}

/// What is seen of one object and of the person behind it.
pub(super) fn seen_of(
    object: &OnPremises,
    person: Option<&recipients::CloudUser>,
    row: Option<Row>,
    mail: &BTreeMap<String, bool>,
) -> Seen {
    Seen {
        on_premises: true,
        old_mailbox: object.has_mailbox,
        forwarded_to: object.target_address.clone(),
        in_cloud: person.is_some(),
        cloud_mailbox: person.is_some_and(|p| p.facts.is_mailbox()),
        licensed: person.is_some_and(|p| p.facts.licensed),
        row: row.map(|r| (r.batch, r.status, r.error)),
        mail_in_cloud: mail.get(&domain_of(&object.address)).copied(),
    }
}

/// Where the MX of a domain leads, as the first resolver that answers sees it.
pub async fn mail_of(session: &Session, domain: &str) -> Leads {
    let dns = &session.services().dns;
    let mut trouble = "the profile names no resolver".to_owned();
    for resolver in dns.resolvers() {
        match dns.lookup(domain, RecordType::MX, Ask::Resolver(&resolver)).await {
            Ok(set) => return leads(&set.map(|s| s.values).unwrap_or_default()),
            // The next one may answer; what the last said is told.
            Err(failure) => trouble = failure.message,
        }
    }
    Leads::Unknown(trouble)
}

/// Where a set leads: to its host of the lowest preference.
fn leads(values: &[String]) -> Leads {
    let preference = |v: &&String| v.split_whitespace().next().and_then(|p| p.parse::<u32>().ok()).unwrap_or(u32::MAX);
    let Some(first) = values.iter().min_by_key(preference) else { return Leads::Nowhere };
    let host = routing::mx_host(first).trim_end_matches('.');
    match routing::gateway(host) {
        _ if routing::is_cloud_host(host) => Leads::Cloud,
        Some(name) => Leads::Gateway(name),
        // RFC 7505: a null MX takes no mail.
        None if host.is_empty() => Leads::Nowhere,
        None => Leads::Old(host.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_goes_to_the_host_of_the_lowest_preference() {
        let of = |values: &[&str]| leads(&values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["20 mail.contoso.test.", "0 contoso-test.mail.protection.outlook.com."]), Leads::Cloud);
        assert_eq!(of(&["10 mail.contoso.test."]), Leads::Old("mail.contoso.test".into()));
        assert_eq!((of(&[]), of(&["0 ."])), (Leads::Nowhere, Leads::Nowhere));
        assert!(matches!(of(&["5 mx1.hc1.iphmx.com."]), Leads::Gateway(_)));
    }
}
