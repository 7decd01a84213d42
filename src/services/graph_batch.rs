//! `$batch`: many small requests in few envelopes.
//!
//! Twenty in one, three envelopes at a time. Each inner request is throttled on
//! its own, so only those that were are sent again, after the longest wait that
//! any of them was told. Answers come back in any order and are matched by id.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::graph::{Graph, judged, wants_eventual};
use super::retry::{Class, Patience, Verb, Verdict, in_doubt, retry_after, verdict};
use crate::base::{Failure, Kind, Result};
use crate::wire::graph::{BATCH_LIMIT, BatchRequest, BatchResponse};

const SERVICE: &str = "graph";
/// Envelopes in flight: with four requests a mailbox allowed at once, three
/// envelopes of different users stay well below every documented limit.
const AT_ONCE: usize = 3;
/// Status of an inner answer that never came: its request is in doubt.
pub const NO_ANSWER: u16 = 0;

impl Graph {
    /// Any number of requests; one answer for each, in the order of the
    /// requests. An answer with a status of 400 and more is an answer like any
    /// other: see [`failure_of`]. Status [`NO_ANSWER`] marks a write of an
    /// envelope whose answer was lost, when others got theirs.
    ///
    /// # Errors
    /// `usage` if ids repeat; the failure of the envelopes if none was answered.
    pub async fn batch(&self, requests: Vec<BatchRequest>) -> Result<Vec<BatchResponse>> {
        let ids: BTreeSet<&str> = requests.iter().map(|r| r.id.as_str()).collect();
        if ids.len() != requests.len() {
            return Err(Failure::new(Kind::Usage, "two requests of a batch have the same id")
                .hint("number them")
                .during(SERVICE, "POST /$batch"));
        }
        let order: Vec<String> = requests.iter().map(|r| r.id.clone()).collect();
        let envelopes: Vec<Vec<BatchRequest>> = requests.chunks(BATCH_LIMIT).map(<[_]>::to_vec).collect();
        let clock = self.inner().clock.clone();
        let results = clock
            .fan_out(envelopes, AT_ONCE, |envelope| async move {
                let ids: Vec<String> = envelope.iter().map(|r| r.id.clone()).collect();
                (ids, self.envelope(envelope).await)
            })
            .await;
        let answered = results.iter().any(|(_, result)| result.is_ok());
        let mut found = BTreeMap::new();
        let mut worst: Option<Failure> = None;
        for (ids, result) in results {
            match result {
                Ok(answers) => found.extend(answers),
                Err(failure) => {
                    for id in ids {
                        found.insert(id.clone(), missing(id, &failure));
                    }
                    if worst.is_none() || failure.kind == Kind::InDoubt {
                        worst = Some(failure);
                    }
                }
            }
        }
        match worst {
            Some(failure) if !answered => Err(failure),
            _ => Ok(order.into_iter().filter_map(|id| found.remove(&id)).collect()),
        }
    }

    /// One envelope, and again for those that were throttled.
    async fn envelope(&self, requests: Vec<BatchRequest>) -> Result<BTreeMap<String, BatchResponse>> {
        let mut open: Vec<BatchRequest> = requests.into_iter().map(completed).collect();
        let first = open.first().map(|r| format!("{} {}", r.method, r.url)).unwrap_or_default();
        let mut patience = Patience::new(format!("batch {first}"));
        let mut done = BTreeMap::new();
        loop {
            let verb = if open.iter().all(|r| verb_of(r) == Verb::Read) { Verb::Read } else { Verb::Write };
            let sent = self.json("POST", "/$batch", Some(&json!({ "requests": open })), verb).await;
            let body = match sent {
                Ok(body) => body,
                // What was answered in an earlier round stays answered.
                Err(failure) if !done.is_empty() => {
                    for request in open {
                        done.insert(request.id.clone(), missing(request.id, &failure));
                    }
                    return Ok(done);
                }
                Err(failure) => return Err(failure),
            };
            let mut answers: BTreeMap<String, BatchResponse> = body["responses"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|r| serde_json::from_value::<BatchResponse>(r.clone()).ok())
                .map(|r| (r.id.clone(), r))
                .collect();
            let mut again = Vec::new();
            let mut longest: Option<SignedDuration> = None;
            let mut reason = None;
            for request in open {
                let Some(answer) = answers.remove(&request.id) else {
                    let lost = Failure::new(Kind::Protocol, "Graph left a request of a batch without an answer")
                        .hint("read the object back")
                        .during(SERVICE, format!("{} {}", request.method, request.url));
                    done.insert(request.id.clone(), missing(request.id, &in_doubt(lost)));
                    continue;
                };
                let wait = header(&answer.headers, "Retry-After")
                    .and_then(|text| retry_after(&text, self.inner().clock.now()));
                let trouble = judged(answer.status, Some(&answer.body), !answer.body.is_null(), wait);
                let failed = answer.status >= 400;
                if failed
                    && trouble.class != Class::Expired
                    && verdict(verb_of(&request), trouble.class) == Verdict::Again
                {
                    longest = longest.max(wait);
                    reason = Some(trouble.failure);
                    again.push(request.clone());
                }
                // If patience ends, the refusal is the answer.
                done.insert(request.id, answer);
            }
            let Some(mut failure) = reason else { return Ok(done) };
            failure.retry_after = longest;
            if patience.again(&self.inner().clock, failure).await.is_err() {
                return Ok(done);
            }
            open = again;
        }
    }
}

/// What an inner answer means if it is no success.
pub fn failure_of(answer: &BatchResponse) -> Option<Failure> {
    match answer.status {
        200..400 => None,
        NO_ANSWER => {
            let lost =
                Failure::new(Kind::Unavailable, answer.body["error"]["message"].as_str().unwrap_or("no answer came"));
            Some(in_doubt(lost).during(SERVICE, "POST /$batch"))
        }
        status => {
            let wait = header(&answer.headers, "Retry-After")
                .and_then(|text| text.parse().ok())
                .map(SignedDuration::from_secs);
            Some(
                judged(status, Some(&answer.body), !answer.body.is_null(), wait)
                    .failure
                    .during(SERVICE, "POST /$batch"),
            )
        }
    }
}

/// An answer in place of one that never came.
fn missing(id: String, failure: &Failure) -> BatchResponse {
    let status = match failure.kind {
        Kind::InDoubt => NO_ANSWER,
        _ => failure.status.filter(|s| *s >= 400).unwrap_or(NO_ANSWER),
    };
    let message = match &failure.detail {
        Some(detail) => format!("{} ({detail})", failure.message),
        None => failure.message.clone(),
    };
    BatchResponse {
        id,
        status,
        headers: Value::Null,
        body: json!({"error": {"code": failure.kind.word(), "message": message}}),
    }
}

/// The headers that Graph wants for a body and for counting.
fn completed(mut request: BatchRequest) -> BatchRequest {
    if !request.headers.is_object() {
        request.headers = json!({});
    }
    if !request.body.is_null() && header(&request.headers, "Content-Type").is_none() {
        request.headers["Content-Type"] = json!("application/json");
    }
    if wants_eventual(&request.url) && header(&request.headers, "ConsistencyLevel").is_none() {
        request.headers["ConsistencyLevel"] = json!("eventual");
    }
    if request.headers.as_object().is_some_and(serde_json::Map::is_empty) {
        request.headers = Value::Null;
    }
    request
}

fn verb_of(request: &BatchRequest) -> Verb {
    let reads = request.method.eq_ignore_ascii_case("GET") || request.url.ends_with("/getByIds");
    if reads { Verb::Read } else { Verb::Write }
}

fn header(headers: &Value, name: &str) -> Option<String> {
    let value = headers.as_object()?.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?.1;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_was_answered_is_in_doubt() {
        let lost = in_doubt(Failure::new(Kind::Unavailable, "the connection broke"));
        let answer = missing("1".into(), &lost);
        assert_eq!(answer.status, NO_ANSWER);
        assert_eq!(failure_of(&answer).map(|f| f.kind), Some(Kind::InDoubt));
        let refused = Failure::new(Kind::Auth, "no").status(403);
        assert_eq!(failure_of(&missing("1".into(), &refused)).map(|f| f.kind), Some(Kind::Auth));
    }

    #[test]
    fn headers_are_completed_only_where_needed() {
        let request = |url: &str, body: Value| BatchRequest {
            id: "1".into(),
            method: "GET".into(),
            url: url.into(),
            headers: Value::Null,
            body,
        };
        assert_eq!(completed(request("/users/a", Value::Null)).headers, Value::Null);
        assert_eq!(
            completed(request("/users?$count=true", Value::Null)).headers,
            json!({"ConsistencyLevel": "eventual"})
        );
        assert_eq!(
            completed(request("/users/a", json!({"a": 1}))).headers,
            json!({"Content-Type": "application/json"})
        );
    }
}
