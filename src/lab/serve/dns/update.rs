//! Signed updates (RFC 2136): prerequisites, then changes, all or nothing.
//!
//! With BIND's habits: the time to live of an added record becomes that of its
//! whole set, and a CNAME beside other data is ignored with NOERROR. The
//! signature has been checked before this room is entered.

use std::collections::BTreeMap;

use hickory_proto::op::update_message::UpdateMessage;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Record, RecordData, RecordType};

use super::resolver;
use crate::lab::World;
use crate::lab::mail;
use crate::wire::dns::{RecordSet, absolute, text};

type Sets = BTreeMap<(String, String), RecordSet>;

/// Types that the key may change.
const ALLOWED: [RecordType; 4] = [RecordType::A, RecordType::CNAME, RecordType::MX, RecordType::TXT];

/// Carries an update out and answers its code.
pub fn apply(world: &mut World, request: &Message) -> ResponseCode {
    let [zone] = request.zones() else { return ResponseCode::FormErr };
    if zone.query_type() != RecordType::SOA || zone.query_class() != DNSClass::IN {
        return ResponseCode::FormErr;
    }
    let apex = absolute(&zone.name().to_ascii());
    let Some(found) = world.zones.get(&apex) else { return ResponseCode::NotAuth };
    if !found.updates {
        return ResponseCode::Refused;
    }
    let before = found.sets.clone();
    if let Err(code) = prerequisites(&apex, &before, request.prerequisites()) {
        return code;
    }
    if let Err(code) = scan(&apex, request.updates()) {
        return code;
    }
    let mut after = before.clone();
    for record in request.updates() {
        change(&apex, &mut after, record);
    }
    let changed: Vec<(String, String)> = before
        .keys()
        .chain(after.keys().filter(|k| !before.contains_key(*k)))
        .filter(|key| before.get(*key) != after.get(*key))
        .cloned()
        .collect();
    if changed.is_empty() {
        return ResponseCode::NoError;
    }
    for (owner, _) in changed.iter().filter(|(_, kind)| kind == "MX") {
        resolver::asked(world, owner, RecordType::MX);
    }
    if let Some(zone) = world.zones.get_mut(&apex) {
        zone.sets = after;
        zone.serial = zone.serial.wrapping_add(1);
    }
    for (owner, kind) in changed {
        mail::zone_changed(world, &apex, &owner, &kind);
    }
    ResponseCode::NoError
}

fn owner_of(apex: &str, record: &Record) -> Result<String, ResponseCode> {
    let owner = absolute(&record.name.to_ascii());
    if owner == apex || owner.ends_with(&format!(".{apex}")) { Ok(owner) } else { Err(ResponseCode::NotZone) }
}

/// RFC 2136, 3.2.
fn prerequisites(apex: &str, sets: &Sets, records: &[Record]) -> Result<(), ResponseCode> {
    let mut whole: BTreeMap<(String, String), (RecordType, Vec<String>)> = BTreeMap::new();
    for record in records {
        if record.ttl != 0 {
            return Err(ResponseCode::FormErr);
        }
        let owner = owner_of(apex, record)?;
        let kind = record.record_type();
        let in_use = sets.keys().any(|(name, _)| *name == owner) || owner == apex;
        let exists =
            sets.contains_key(&(owner.clone(), kind.to_string())) || (owner == apex && kind == RecordType::SOA);
        match (record.dns_class, record.data.is_update(), kind) {
            (DNSClass::ANY, true, RecordType::ANY) if !in_use => return Err(ResponseCode::NXDomain),
            (DNSClass::NONE, true, RecordType::ANY) if in_use => return Err(ResponseCode::YXDomain),
            (DNSClass::ANY | DNSClass::NONE, true, RecordType::ANY) => {}
            (DNSClass::ANY, true, _) if !exists => return Err(ResponseCode::NXRRSet),
            (DNSClass::NONE, true, _) if exists => return Err(ResponseCode::YXRRSet),
            (DNSClass::ANY | DNSClass::NONE, true, _) => {}
            (DNSClass::IN, false, _) => {
                let entry = whole.entry((owner, kind.to_string())).or_insert_with(|| (kind, Vec::new()));
                entry.1.push(text(&record.data));
            }
            _ => return Err(ResponseCode::FormErr),
        }
    }
    for ((owner, name), (kind, values)) in whole {
        let stated = RecordSet::new(&owner, kind, 0, values);
        let found = sets.get(&(owner, name));
        if found.map(|s| &s.values) != Some(&stated.values) {
            return Err(ResponseCode::NXRRSet);
        }
    }
    Ok(())
}

/// RFC 2136, 3.4.1, and the policy.
fn scan(apex: &str, records: &[Record]) -> Result<(), ResponseCode> {
    for record in records {
        owner_of(apex, record)?;
        let kind = record.record_type();
        let empty = record.data.is_update();
        let good = match record.dns_class {
            DNSClass::IN => !empty && kind != RecordType::ANY,
            DNSClass::ANY => empty && record.ttl == 0,
            DNSClass::NONE => !empty && record.ttl == 0 && kind != RecordType::ANY,
            _ => false,
        };
        if !good {
            return Err(ResponseCode::FormErr);
        }
        if kind != RecordType::ANY && !ALLOWED.contains(&kind) {
            return Err(ResponseCode::Refused);
        }
    }
    Ok(())
}

/// RFC 2136, 3.4.2.
fn change(apex: &str, sets: &mut Sets, record: &Record) {
    let Ok(owner) = owner_of(apex, record) else { return };
    let kind = record.record_type();
    let key = (owner.clone(), kind.to_string());
    match record.dns_class {
        DNSClass::ANY if kind == RecordType::ANY => {
            let keep = |(name, kind): &(String, String)| *name != owner || (owner == apex && kind == "NS");
            sets.retain(|key, _| keep(key));
        }
        DNSClass::ANY => {
            sets.remove(&key);
        }
        DNSClass::NONE => {
            let value = text(&record.data);
            let emptied = sets.get_mut(&key).is_some_and(|set| {
                set.values.retain(|v| *v != value);
                set.values.is_empty()
            });
            if emptied {
                sets.remove(&key);
            }
        }
        _ => {
            let cname = RecordType::CNAME.to_string();
            let others = sets.keys().any(|(name, k)| *name == owner && *k != cname);
            let alias = sets.contains_key(&(owner.clone(), cname));
            if (kind == RecordType::CNAME && others) || (kind != RecordType::CNAME && alias) {
                return;
            }
            let mut values = match sets.get(&key) {
                Some(set) if kind != RecordType::CNAME => set.values.clone(),
                _ => Vec::new(),
            };
            values.push(text(&record.data));
            sets.insert(key, RecordSet::new(&owner, kind, record.ttl, values));
        }
    }
}
