//! The control address: time, counts, events, the judge, the world as JSON.
//!
//! Exactly the table of `wire::lab`. There is no call that changes the judge's
//! mind, and no secret leaves.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Request, iso};
use super::state::{State, lock};
use crate::lab::world::{Batch, CloudUser, Recipient, World};
use crate::lab::{Faults, judge, time};
use crate::wire::guid::base64;
use crate::wire::lab::Now;

/// Answers a request to the control address.
pub fn answer(state: &State, request: &Request) -> Answer {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/clock") => say(&Now { now: state.lock().now }),
        ("POST", "/clock/advance") => advance(state, request),
        ("GET", "/count") => say(&state.lock().counts),
        ("GET", "/digest") => say(&time::digest(&state.lock())),
        ("GET", "/events") => events(state, request),
        ("GET", "/proof") => say(&judge::proof(&state.lock())),
        ("GET", "/world") => Answer::json(200, &world(&state.lock())),
        ("POST", "/snapshot") => snapshot(state, request),
        ("POST", "/restore") => restore(state, request),
        ("POST", "/faults") => faults(state, request),
        (_, "/clock" | "/clock/advance" | "/count" | "/digest" | "/events" | "/proof" | "/world") => {
            wrong(405, "GET, or POST to advance")
        }
        (_, "/snapshot" | "/restore" | "/faults") => wrong(405, "POST only"),
        _ => wrong(404, "no such call; see `stagepost lab --help`"),
    }
}

fn say<T: serde::Serialize>(value: &T) -> Answer {
    match serde_json::to_value(value) {
        Ok(value) => Answer::json(200, &value),
        Err(error) => wrong(500, &error.to_string()),
    }
}

fn wrong(status: u16, text: &str) -> Answer {
    Answer::json(status, &json!({"error": text}))
}

fn advance(state: &State, request: &Request) -> Answer {
    let to = request.json().and_then(|body| serde_json::from_value::<Now>(body.clone()).ok());
    let Some(Now { now: to }) = to else {
        return wrong(400, "the body is {\"to\": \"2026-08-20T09:00:00Z\"}");
    };
    let mut world = state.lock();
    if to > world.now {
        time::advance(&mut world, to);
    }
    say(&Now { now: world.now })
}

fn events(state: &State, request: &Request) -> Answer {
    let after = match request.option("after") {
        None => 0,
        Some(text) => match text.parse() {
            Ok(after) => after,
            Err(_) => return wrong(400, "`after` is a number of events"),
        },
    };
    let events = time::sorted_events(&state.lock());
    say(&events.get(after..).unwrap_or_default())
}

fn name_of(request: &Request) -> Option<String> {
    let name = request.json()?["name"].as_str()?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn snapshot(state: &State, request: &Request) -> Answer {
    let Some(name) = name_of(request) else { return wrong(400, "the body is {\"name\": \"…\"}") };
    let copy = state.lock().clone();
    lock(&state.snapshots).insert(name, copy);
    Answer::json(200, &json!({}))
}

fn restore(state: &State, request: &Request) -> Answer {
    let Some(name) = name_of(request) else { return wrong(400, "the body is {\"name\": \"…\"}") };
    let Some(copy) = lock(&state.snapshots).get(&name).cloned() else {
        return wrong(404, &format!("there is no snapshot `{name}`"));
    };
    *state.lock() = copy;
    lock(&state.index).clear();
    Answer::json(200, &json!({}))
}

fn faults(state: &State, request: &Request) -> Answer {
    let level = match request.json().and_then(|b| b["level"].as_str()) {
        Some("none") => Faults::None,
        Some("usual") => Faults::Usual,
        _ => return wrong(400, "`level` is none or usual"),
    };
    state.lock().faults = level;
    Answer::json(200, &json!({}))
}

/// The world without secrets and tokens. Messages are counted, not listed.
fn world(world: &World) -> Value {
    let directory: Map<String, Value> = world
        .directory
        .values()
        .map(|object| {
            let mut entry: Map<String, Value> = object
                .entry
                .iter()
                .map(|(name, values)| (name.to_owned(), json!(values.iter().map(|v| shown(v)).collect::<Vec<_>>())))
                .collect();
            entry.insert("objectGUID".into(), json!([object.guid.to_string()]));
            entry.insert("uSNChanged".into(), json!([object.usn.to_string()]));
            (object.entry.dn.clone(), Value::Object(entry))
        })
        .collect();
    let zones: Map<String, Value> = world
        .zones
        .values()
        .map(|zone| {
            let sets: Vec<Value> = zone
                .sets
                .iter()
                .map(|((owner, kind), set)| json!({"name": owner, "type": kind, "ttl": set.ttl, "values": set.values}))
                .collect();
            (zone.apex.clone(), json!({"serial": zone.serial, "updates": zone.updates, "sets": sets}))
        })
        .collect();
    let company = &world.company;
    json!({
        "now": iso(world.now),
        "began": iso(world.began),
        "seed": world.seed,
        "faults": if world.faults == Faults::None { "none" } else { "usual" },
        "settings": world.settings.chosen(),
        "invented": {"facts": world.invented.0, "of": world.invented.1},
        "company": {
            "name": company.name, "domains": company.domains, "base_dn": company.base_dn, "list": company.list,
            "exchange": company.exchange, "mail_host": company.mail_host, "server": company.server,
            "domain_controller": company.domain_controller,
            "permissions": company.permissions.iter().map(|p| json!({"mailbox": p.mailbox, "holder": p.holder,
                "right": if p.full { "full_access" } else { "send_as" }})).collect::<Vec<_>>(),
        },
        "tenant": {
            "id": world.tenant.id.to_string(),
            "initial_domain": world.tenant.initial_domain,
            "last_sync": iso(world.tenant.last_sync),
            "domains": world.tenant.domains.iter().map(|(name, d)| (name.clone(),
                json!({"verified": d.verified, "mx_host": d.mx_host, "type": d.domain_type}))).collect::<Map<_, _>>(),
            "users": world.tenant.users.values().map(user).collect::<Vec<_>>(),
            "batches": world.tenant.batches.values().map(batch).collect::<Vec<_>>(),
            "endpoints": world.tenant.endpoints.values().map(|e| json!({"name": e.name, "kind": e.kind,
                "exchange_server": e.exchange_server, "rpc_proxy": e.rpc_proxy, "at_once": e.at_once})).collect::<Vec<_>>(),
        },
        "directory": directory,
        "zones": zones,
        "messages": world.messages.len(),
        "waiting": world.queue.len(),
        "writes": world.writes.iter().map(|((service, object, kind), times)|
            json!({"service": service, "object": object, "kind": kind, "times": times})).collect::<Vec<_>>(),
    })
}

/// A value as text; what is no text as base64.
fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => base64(value),
    }
}

fn user(user: &CloudUser) -> Value {
    let recipient = match &user.recipient {
        Recipient::None => json!("none"),
        Recipient::MailUser { external } => json!({"mail_user": external}),
        Recipient::Mailbox(m) => {
            json!({"mailbox": m.guid.to_string(), "created": iso(m.created), "items": m.items, "kind": m.kind})
        }
        Recipient::Disconnected { since, external, .. } => {
            json!({"disconnected": iso(*since), "mail_user": external})
        }
    };
    json!({
        "id": user.id.to_string(), "upn": user.upn, "mail": user.mail, "proxies": user.proxies,
        "usage_location": user.usage_location, "synced": iso(user.synced), "recipient": recipient,
        "licences": user.licences.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn batch(batch: &Batch) -> Value {
    let rows: Vec<Value> = batch
        .rows
        .iter()
        .map(|r| json!({"address": r.address, "status": r.status, "error": r.error, "items": r.synced_items}))
        .collect();
    json!({"name": batch.name, "status": batch.status, "endpoint": batch.endpoint, "created": iso(batch.created), "rows": rows})
}

#[cfg(test)]
mod tests {
    use super::super::small;
    use super::*;

    fn call(state: &State, method: &str, target: &str, body: &Value) -> Answer {
        answer(state, &Request::new(method, "127.0.0.1", target).body(body.to_string()))
    }

    #[test]
    fn a_restored_world_is_the_kept_one() {
        let state = State::new(small::world());
        assert_eq!(call(&state, "POST", "/snapshot", &json!({"name": "before"})).status, 200);
        state.lock().wrote("ldap", "ann", "convert");
        assert_eq!(call(&state, "POST", "/restore", &json!({"name": "before"})).status, 200);
        assert!(state.lock().writes.is_empty());
        assert_eq!(call(&state, "POST", "/restore", &json!({"name": "other"})).status, 404);
    }

    #[test]
    fn the_world_is_shown_without_its_secrets() {
        let state = State::new(small::world());
        let shown = call(&state, "GET", "/world", &Value::Null);
        let text = String::from_utf8_lossy(&shown.body).into_owned();
        assert!(text.contains("CN=ann,OU=Users,DC=contoso,DC=test"));
        let world = state.lock();
        for secret in world.secrets.values() {
            assert!(!text.contains(secret.as_str()));
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        let state = State::new(small::world());
        for (method, target, status) in [
            ("POST", "/clock/advance", 400),
            ("POST", "/faults", 400),
            ("DELETE", "/clock", 405),
            ("GET", "/answer", 404),
            ("GET", "/events?after=x", 400),
        ] {
            let got = call(&state, method, target, &json!({}));
            assert_eq!(got.status, status, "{target}");
            assert!(got.value()["error"].is_string());
        }
    }
}
