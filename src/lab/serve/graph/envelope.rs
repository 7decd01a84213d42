//! `$batch`: up to twenty requests in one, answered in any order.
//!
//! Each inner request may be throttled on its own. A predecessor that failed
//! fails its dependants with 424.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::answer::{Answer, Request};
use super::super::state::State;
use super::super::trouble::{self, Trouble};
use super::{inner, label, refuse};
use crate::lab::World;
use crate::wire::graph::{BATCH_LIMIT, BatchRequest, BatchResponse};

/// Answers the whole.
pub fn answer(state: &State, world: &mut World, request: &Request) -> Answer {
    let parsed = request.json().filter(|_| request.method == "POST").and_then(|body| read(&body["requests"]));
    let Some(parts) = parsed else {
        return refuse(world, request, 400, "BadRequest", "Invalid batch payload format.");
    };
    if parts.is_empty() || parts.len() > BATCH_LIMIT {
        let text = format!("Number of batch request steps must be between 1 and {BATCH_LIMIT}, not {}.", parts.len());
        return refuse(world, request, 400, "BadRequest", &text);
    }
    let mut statuses: BTreeMap<String, u16> = BTreeMap::new();
    let mut answers: Vec<(u64, BatchResponse)> = Vec::new();
    for (part, after) in parts {
        let failed = after.iter().any(|id| !statuses.get(id).is_some_and(|s| (200..300).contains(s)));
        let answer = if failed {
            refuse(world, request, 424, "FailedDependency", "A request that this one depends on failed.")
        } else {
            one(state, world, request, &part)
        };
        statuses.insert(part.id.clone(), answer.status);
        let order = world.choose("batch order", &format!("{} {}", part.id, part.url), 0);
        answers.push((order, response(part.id, answer)));
    }
    answers.sort_by_key(|(order, _)| *order);
    let responses: Vec<BatchResponse> = answers.into_iter().map(|(_, r)| r).collect();
    Answer::json(200, &json!({"responses": responses}))
}

/// The inner requests with the ids that they wait for; `None` if malformed.
fn read(requests: &Value) -> Option<Vec<(BatchRequest, Vec<String>)>> {
    let mut ids = BTreeSet::new();
    let mut out = Vec::new();
    for value in requests.as_array()? {
        let part: BatchRequest = serde_json::from_value(value.clone()).ok()?;
        let has_body = !part.body.is_null();
        let typed = part.headers.as_object().is_some_and(|h| h.keys().any(|k| k.eq_ignore_ascii_case("content-type")));
        if !ids.insert(part.id.clone()) || !part.url.starts_with('/') || (has_body && !typed) {
            return None;
        }
        let after =
            value["dependsOn"].as_array().map(|a| a.iter().filter_map(|i| i.as_str()).map(str::to_owned).collect());
        out.push((part, after.unwrap_or_default()));
    }
    Some(out)
}

fn one(state: &State, world: &mut World, outer: &Request, part: &BatchRequest) -> Answer {
    let mut request = Request::new(&part.method.to_uppercase(), &outer.host, &format!("/v1.0{}", part.url));
    for (name, value) in part.headers.as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap_or_default());
    }
    if !part.body.is_null() {
        request = request.body(part.body.to_string());
    }
    let label = label(&request);
    world.count(label.service, &format!("{} (batched)", label.operation));
    match trouble::http(world, label.service, &label.object, label.writes) {
        Trouble::Throttle { retry_after } => {
            let answer = refuse(world, &request, 429, "TooManyRequests", "Too many requests");
            if retry_after.is_empty() { answer } else { answer.with("Retry-After", retry_after) }
        }
        Trouble::Unavailable => refuse(world, &request, 503, "serviceNotAvailable", "Service unavailable."),
        // The connection belongs to all of them.
        Trouble::None | Trouble::DropBefore | Trouble::DropAfter => inner(state, world, &request),
    }
}

fn response(id: String, answer: Answer) -> BatchResponse {
    let is_json = answer.headers.iter().any(|(n, v)| *n == "Content-Type" && v.starts_with("application/json"));
    let body = match (answer.body.is_empty(), is_json) {
        (true, _) => Value::Null,
        (false, true) => answer.value(),
        (false, false) => json!(crate::wire::guid::base64(&answer.body)),
    };
    let headers: Map<String, Value> = answer.headers.iter().map(|(n, v)| ((*n).to_owned(), json!(v))).collect();
    BatchResponse { id, status: answer.status, headers: Value::Object(headers), body }
}
