//! The zones of the mail domains, as their own servers answer.
//!
//! No server hands a whole zone out, so only names are asked for that mail has to
//! do with: those of a table, and those that other records mention. It decides
//! nothing about what they say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Sources;
use super::kept::Kept;
use crate::base::{Failure, Result};
use crate::services::{Ask, RecordType};
use crate::wire::company::{Set, Zone};
use crate::wire::dns::{RecordSet, absolute, relative};
use crate::wire::profile::Profile;

/// Most lookups at a time.
const AT_ONCE: usize = 4;
/// Most names of a zone that other records mention.
const MENTIONED: usize = 50;

/// Names below a mail domain that mail has to do with, and what they hold if they
/// are no alias.
const NAMES: &[(&str, &[RecordType])] = &[
    ("autodiscover", &[RecordType::A]),
    ("mail", &[RecordType::A]),
    ("smtp", &[RecordType::A]),
    ("mx", &[RecordType::A]),
    ("webmail", &[RecordType::A]),
    ("owa", &[RecordType::A]),
    ("www", &[RecordType::A]),
    // DKIM: the two selectors of Exchange Online.
    ("selector1._domainkey", &[RecordType::TXT]),
    ("selector2._domainkey", &[RecordType::TXT]),
    ("_dmarc", &[RecordType::TXT]),
    // RFC 8461 and RFC 8460.
    ("_mta-sts", &[RecordType::TXT]),
    ("mta-sts", &[RecordType::A]),
    ("_smtp._tls", &[RecordType::TXT]),
];

/// Everything about one domain, as a row.
///
/// # Errors
/// Neither the zone's servers nor the resolvers answer.
pub(super) async fn ask(sources: &Sources<'_>, domain: &str) -> Result<Value> {
    let mut asked = Asked { sources, domain, sets: BTreeMap::new(), second_hand: false };
    let apex = asked.look(domain, RecordType::NS).await?.is_some();
    for kind in [RecordType::MX, RecordType::TXT, RecordType::A] {
        asked.look(domain, kind).await?;
    }
    let minimum = match apex {
        true => asked.one(domain, RecordType::SOA).await?.and_then(|set| minimum(&set)),
        false => None,
    };
    // A copy that the domain controller keeps for whoever is inside; where its name
    // service can't be asked, nothing is known of one.
    let controller = format!("{}:53", sources.profile.directory.host);
    let inside = sources.services.dns.lookup(domain, RecordType::MX, Ask::Server(&controller)).await.is_ok();
    let mut known: BTreeSet<String> = BTreeSet::from([absolute(domain)]);
    let mut names: Vec<(String, Vec<RecordType>)> =
        NAMES.iter().map(|(label, kinds)| (absolute(&format!("{label}.{domain}")), kinds.to_vec())).collect();
    let profile = &sources.profile.source;
    let hosts = [&profile.rpc_proxy, &profile.smtp, &profile.exchange_server].map(|h| absolute(h));
    names.extend(hosts.into_iter().chain(asked.mentioned()).map(|name| (name, vec![RecordType::A])));
    // Aliases name further hosts of the zone; theirs are the last round's.
    for _ in 0..3 {
        names.retain(|(name, _)| asked.is_inside(name) && known.insert(name.clone()));
        asked.round(std::mem::take(&mut names)).await?;
        names = asked.mentioned().into_iter().map(|name| (name, vec![RecordType::A])).collect();
    }
    let sets: Vec<Value> = asked
        .sets
        .values()
        .map(|s| json!({"name": relative(&s.name), "type": s.kind.to_string(), "ttl": s.ttl, "values": s.values}))
        .collect();
    Ok(
        json!({"domain": domain, "apex": apex, "minimum": minimum, "second_hand": asked.second_hand, "inside": inside, "sets": sets}),
    )
}

/// The negative time to live in a zone's SOA (RFC 2308).
fn minimum(set: &RecordSet) -> Option<u32> {
    set.values.first()?.rsplit(' ').next()?.parse().ok()
}

struct Asked<'a> {
    sources: &'a Sources<'a>,
    domain: &'a str,
    sets: BTreeMap<(String, String), RecordSet>,
    /// A resolver had to answer for the zone's servers.
    second_hand: bool,
}

impl Asked<'_> {
    fn is_inside(&self, name: &str) -> bool {
        let apex = absolute(self.domain);
        name == apex || name.ends_with(&format!(".{apex}"))
    }

    /// One set of just this name.
    async fn one(&mut self, name: &str, kind: RecordType) -> Result<Option<RecordSet>> {
        let (set, second_hand) = one(self.sources, name, kind).await?;
        self.second_hand |= second_hand;
        Ok(set)
    }

    async fn look(&mut self, name: &str, kind: RecordType) -> Result<Option<RecordSet>> {
        let set = self.one(name, kind).await?;
        if let Some(set) = &set {
            self.sets.insert((set.name.clone(), kind.to_string()), set.clone());
        }
        Ok(set)
    }

    /// Several names at a time: an alias, or what else is there.
    async fn round(&mut self, names: Vec<(String, Vec<RecordType>)>) -> Result<()> {
        let sources = self.sources;
        let answers = sources
            .clock
            .fan_out(names, AT_ONCE, |(name, kinds)| async move {
                let (alias, mut second_hand) = one(sources, &name, RecordType::CNAME).await?;
                if let Some(alias) = alias {
                    return Ok((vec![alias], second_hand));
                }
                let mut sets = Vec::new();
                for kind in kinds {
                    let (set, again) = one(sources, &name, kind).await?;
                    second_hand |= again;
                    sets.extend(set);
                }
                Ok::<_, Failure>((sets, second_hand))
            })
            .await;
        for answer in answers {
            let (sets, second_hand) = answer?;
            self.second_hand |= second_hand;
            for set in sets {
                self.sets.insert((set.name.clone(), set.kind.to_string()), set);
            }
        }
        Ok(())
    }

    /// Hosts of this zone that its records mention.
    fn mentioned(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for set in self.sets.values() {
            for value in &set.values {
                match set.kind {
                    RecordType::MX => found.extend(value.split_once(' ').map(|(_, host)| absolute(host))),
                    RecordType::CNAME | RecordType::NS => {
                        found.insert(absolute(value));
                    }
                    // SPF: a:, mx:, and policies of a name of our own.
                    RecordType::TXT => found.extend(
                        value
                            .split(' ')
                            .filter_map(|term| term.split_once([':', '=']))
                            .map(|(_, host)| absolute(host.split('/').next().unwrap_or_default())),
                    ),
                    _ => {}
                }
            }
        }
        found.into_iter().filter(|name| self.is_inside(name)).take(MENTIONED).collect()
    }
}

/// One set of just this name, from the zone's own servers; from a resolver if they
/// give no answer, whose time to live is what is left of it.
async fn one(sources: &Sources<'_>, name: &str, kind: RecordType) -> Result<(Option<RecordSet>, bool)> {
    let dns = &sources.services.dns;
    let (set, second_hand) = match dns.lookup(name, kind, Ask::Authority).await {
        Ok(set) => (set, false),
        Err(failure) => {
            let resolvers = dns.resolvers();
            let mut answer = Err(failure);
            for resolver in &resolvers {
                answer = dns.lookup(name, kind, Ask::Resolver(resolver)).await;
                if answer.is_ok() {
                    break;
                }
            }
            (answer?, true)
        }
    };
    // At the end of an alias stands another name.
    Ok((set.filter(|s| s.name == absolute(name)), second_hand))
}

/// The zones of the file.
pub(super) fn facts(kept: &Kept, profile: &Profile, domains: &[String], remarks: &mut Vec<String>) -> Vec<Zone> {
    let mut zones: BTreeMap<String, Zone> = BTreeMap::new();
    let mut inner = Vec::new();
    let mut second_hand = Vec::new();
    for row in kept.rows("dns.zones") {
        let domain = row["domain"].as_str().unwrap_or_default().to_owned();
        let sets: Vec<Set> = row["sets"].as_array().into_iter().flatten().filter_map(set).collect();
        if row["second_hand"] == true {
            second_hand.push(domain.clone());
        }
        if row["apex"] == true && domains.contains(&domain) {
            let updates = profile.dns.zones.iter().any(|z| relative(&z.name) == domain);
            let minimum = row["minimum"].as_i64().filter(|m| *m > 0);
            zones.insert(domain.clone(), Zone { apex: Some(domain), updates: Some(updates), minimum, sets });
        } else if !sets.is_empty() {
            inner.push((domain, sets));
        }
    }
    // A mail domain without a zone of its own lies in that of another.
    for (domain, sets) in inner {
        let above = zones.iter_mut().filter(|(apex, _)| domain.ends_with(&format!(".{apex}")));
        match above.max_by_key(|(apex, _)| apex.len()) {
            Some((_, zone)) => {
                // Its records may mention names below, which are there then.
                let known: BTreeSet<_> = zone.sets.iter().map(|s| (s.name.clone(), s.kind.clone())).collect();
                zone.sets.extend(sets.into_iter().filter(|s| !known.contains(&(s.name.clone(), s.kind.clone()))));
            }
            None => remarks
                .push(format!("{domain} is no zone of its own, and no mail domain holds it: the lab makes one up")),
        }
    }
    if !second_hand.is_empty() {
        remarks.push(format!(
            "the servers of {} gave no answer: times to live are what a resolver had left of them",
            second_hand.join(", ")
        ));
    }
    let place = |zone: &Zone| domains.iter().position(|d| Some(d) == zone.apex.as_ref());
    let mut zones: Vec<Zone> = zones.into_values().collect();
    zones.sort_by_key(place);
    zones
}

fn set(row: &Value) -> Option<Set> {
    Some(Set {
        name: Some(row["name"].as_str()?.to_owned()),
        kind: Some(row["type"].as_str()?.to_owned()),
        // Resolvers disagree about 0.
        ttl: Some(row["ttl"].as_i64()?.max(1)),
        values: row["values"].as_array()?.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
    })
}
