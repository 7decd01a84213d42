//! Answers from the zones themselves: those of the world, or the copies that the
//! domain controller keeps inside.

use std::collections::BTreeMap;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::coded;
use crate::lab::World;
use crate::lab::world::Zone;
use crate::wire::dns::{RecordSet, absolute, data};

/// Longest chain of CNAMEs that is followed.
pub const LONGEST_CHAIN: usize = 8;

/// What the zones say about a name and type.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The set.
    Set(RecordSet),
    /// The name is another name's.
    Alias(RecordSet),
    /// The name is there, the type is not: apex of the zone.
    NoData(String),
    /// The name is not there: apex of the zone.
    NoName(String),
    /// No zone of these holds it.
    Foreign,
}

/// The zone that a name (absolute, lower case) lies in.
pub fn zone_of<'a>(zones: &'a BTreeMap<String, Zone>, name: &str) -> Option<&'a Zone> {
    let mut rest = name;
    loop {
        if let Some(zone) = zones.get(rest) {
            return Some(zone);
        }
        rest = rest.split_once('.').map(|(_, r)| r).filter(|r| !r.is_empty())?;
    }
}

/// Looks a name and type up.
pub fn look(zones: &BTreeMap<String, Zone>, name: &str, kind: RecordType) -> Found {
    let Some(zone) = zone_of(zones, name) else { return Found::Foreign };
    if let Some(set) = zone.sets.get(&(name.to_owned(), kind.to_string())) {
        return Found::Set(set.clone());
    }
    if let Some(set) = zone.sets.get(&(name.to_owned(), RecordType::CNAME.to_string())) {
        return Found::Alias(set.clone());
    }
    let below = format!(".{name}");
    let is_there = name == zone.apex || zone.sets.keys().any(|(owner, _)| owner == name || owner.ends_with(&below));
    if is_there { Found::NoData(zone.apex.clone()) } else { Found::NoName(zone.apex.clone()) }
}

/// The records of a set.
pub fn records(set: &RecordSet, ttl: u32) -> Vec<Record> {
    let Ok(owner) = Name::from_ascii(&set.name) else { return Vec::new() };
    let data = set.values.iter().filter_map(|v| data(set.kind, v).ok());
    data.map(|d| {
        let mut record = Record::from_rdata(owner.clone(), ttl, d);
        record.dns_class = DNSClass::IN;
        record
    })
    .collect()
}

/// The SOA record of a zone.
pub fn soa(zone: &Zone, ttl: u32) -> Option<Record> {
    let name = |text: &str| Name::from_ascii(text).ok();
    let primary = zone.sets.get(&(zone.apex.clone(), RecordType::NS.to_string())).and_then(|s| s.values.first());
    let primary = primary.cloned().unwrap_or_else(|| format!("ns1.{}", zone.apex));
    let soa = SOA::new(
        name(&primary)?,
        name(&format!("hostmaster.{}", zone.apex))?,
        zone.serial,
        3600,
        600,
        1_209_600,
        zone.minimum,
    );
    let mut record = Record::from_rdata(name(&zone.apex)?, ttl, RData::SOA(soa));
    record.dns_class = DNSClass::IN;
    Some(record)
}

/// Answers a question with authority; `inside` from the domain controller's
/// copies.
pub fn answer(world: &mut World, inside: bool, request: &Message) -> Message {
    let [query] = request.queries.as_slice() else { return coded(request, ResponseCode::FormErr) };
    let kind = query.query_type();
    world.count("dns", &kind.to_string());
    let zones = if inside { &world.inside } else { &world.zones };
    let mut name = absolute(&query.name().to_ascii());
    if zone_of(zones, &name).is_none() || query.query_class() != DNSClass::IN {
        return coded(request, ResponseCode::Refused);
    }
    if matches!(kind, RecordType::AXFR | RecordType::IXFR) {
        return coded(request, ResponseCode::Refused);
    }
    let mut response = coded(request, ResponseCode::NoError);
    response.metadata.authoritative = true;
    if kind == RecordType::SOA
        && let Some(zone) = zones.get(&name)
    {
        response.answers.extend(soa(zone, zone.minimum));
        return response;
    }
    if kind == RecordType::ANY {
        let sets = zone_of(zones, &name).into_iter().flat_map(|z| z.sets.values()).filter(|s| s.name == name);
        response.answers.extend(sets.flat_map(|s| records(s, s.ttl)));
        return response;
    }
    for _ in 0..LONGEST_CHAIN {
        match look(zones, &name, kind) {
            Found::Set(set) => {
                response.answers.extend(records(&set, set.ttl));
                break;
            }
            Found::Alias(set) => {
                response.answers.extend(records(&set, set.ttl));
                name = set.values.first().cloned().unwrap_or_default();
            }
            Found::NoData(apex) => {
                response.authorities.extend(zones.get(&apex).and_then(|z| soa(z, z.minimum)));
                break;
            }
            Found::NoName(apex) => {
                response.metadata.response_code = ResponseCode::NXDomain;
                response.authorities.extend(zones.get(&apex).and_then(|z| soa(z, z.minimum)));
                break;
            }
            Found::Foreign => break,
        }
    }
    response
}
