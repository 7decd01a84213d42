//! Caching resolvers: what the world outside believes, each for itself.
//!
//! A set is kept for its time to live in lab time, an absence for the zone's
//! negative time. Changes at the zone are seen when the copy has run out, not
//! before.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use jiff::{SignedDuration, Timestamp};

use super::super::papers::RESOLVERS;
use super::authority::{Found, LONGEST_CHAIN, look, records, soa, zone_of};
use super::coded;
use crate::lab::world::Cached;
use crate::lab::{Faults, World};
use crate::wire::dns::{RecordSet, absolute};

/// Key under which a name that does not exist is remembered.
const NO_NAME: &str = "NXDOMAIN";

/// What a resolver holds about a name and type.
enum Held {
    Set(RecordSet, u32),
    Alias(RecordSet, u32),
    NoData,
    NoName,
    Foreign,
}

/// Answers a question from a resolver's copies.
pub fn answer(world: &mut World, resolver: &str, request: &Message) -> Message {
    let [query] = request.queries.as_slice() else {
        let mut response = coded(request, ResponseCode::FormErr);
        response.metadata.recursion_available = true;
        return response;
    };
    let kind = query.query_type();
    world.count("dns", &kind.to_string());
    let mut response = coded(request, ResponseCode::NoError);
    response.metadata.recursion_available = true;
    if query.query_class() != DNSClass::IN || matches!(kind, RecordType::ANY | RecordType::AXFR | RecordType::IXFR) {
        response.metadata.response_code = ResponseCode::Refused;
        return response;
    }
    let mut name = absolute(&query.name().to_ascii());
    if kind == RecordType::SOA
        && let Some(zone) = world.zones.get(&name)
    {
        response.answers.extend(soa(zone, zone.minimum));
        return response;
    }
    for _ in 0..LONGEST_CHAIN {
        match held(world, resolver, &name, kind) {
            Held::Set(set, ttl) => {
                response.answers.extend(records(&set, ttl));
                break;
            }
            Held::Alias(set, ttl) => {
                response.answers.extend(records(&set, ttl));
                name = set.values.first().cloned().unwrap_or_default();
            }
            Held::NoData => {
                authority(world, &name, &mut response);
                break;
            }
            Held::NoName => {
                response.metadata.response_code = ResponseCode::NXDomain;
                authority(world, &name, &mut response);
                break;
            }
            Held::Foreign => {
                // The lab has no root; what no zone holds does not exist.
                response.metadata.response_code = ResponseCode::NXDomain;
                break;
            }
        }
    }
    response
}

fn authority(world: &World, name: &str, response: &mut Message) {
    response.authorities.extend(zone_of(&world.zones, name).and_then(|z| soa(z, z.minimum)));
}

fn held(world: &mut World, resolver: &str, name: &str, kind: RecordType) -> Held {
    let now = world.now;
    let cname = RecordType::CNAME.to_string();
    let copy = |world: &World, kind: &str| {
        let key = (resolver.to_owned(), name.to_owned(), kind.to_owned());
        let cached = world.caches.get(&key).filter(|c| c.until > now)?;
        let left = u32::try_from(cached.until.as_second() - now.as_second()).unwrap_or(u32::MAX);
        Some((cached.set.clone(), left))
    };
    match copy(world, &kind.to_string()) {
        Some((Some(set), left)) => return Held::Set(set, left),
        Some((None, _)) => return Held::NoData,
        None => {}
    }
    if let Some((Some(set), left)) = copy(world, &cname) {
        return Held::Alias(set, left);
    }
    if copy(world, NO_NAME).is_some() {
        return Held::NoName;
    }
    let negative = |world: &World, apex: &str| world.zones.get(apex).map_or(0, |z| z.minimum);
    match look(&world.zones, name, kind) {
        Found::Set(set) => {
            keep(world, resolver, name, &kind.to_string(), Some(set.clone()), set.ttl);
            let ttl = set.ttl;
            Held::Set(set, ttl)
        }
        Found::Alias(set) => {
            keep(world, resolver, name, &cname, Some(set.clone()), set.ttl);
            let ttl = set.ttl;
            Held::Alias(set, ttl)
        }
        Found::NoData(apex) => {
            let seconds = negative(world, &apex);
            keep(world, resolver, name, &kind.to_string(), None, seconds);
            Held::NoData
        }
        Found::NoName(apex) => {
            let seconds = negative(world, &apex);
            keep(world, resolver, name, NO_NAME, None, seconds);
            Held::NoName
        }
        Found::Foreign => Held::Foreign,
    }
}

/// Somebody asks all resolvers of the world, as happens to an MX set all day: who
/// held no copy holds one now.
pub fn asked(world: &mut World, name: &str, kind: RecordType) {
    for resolver in RESOLVERS {
        held(world, resolver, name, kind);
    }
}

/// Some resolvers keep what they have for a quarter of an hour at least,
/// whatever the zone says; which, hangs on the seed.
const STUBBORN: u32 = 900;

fn keep(world: &mut World, resolver: &str, name: &str, kind: &str, set: Option<RecordSet>, seconds: u32) {
    let stubborn = world.faults == Faults::Usual && world.choose("stubborn resolver", resolver, 0).is_multiple_of(3);
    let seconds = if stubborn { seconds.max(STUBBORN) } else { seconds };
    let span = SignedDuration::from_secs(i64::from(seconds));
    let until = world.now.checked_add(span).unwrap_or(Timestamp::MAX);
    world.caches.insert((resolver.to_owned(), name.to_owned(), kind.to_owned()), Cached { set, until });
}
