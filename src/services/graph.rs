//! Microsoft Graph: a handful of verbs over JSON.
//!
//! Objects stay JSON. The rules of repeating are those of `super::retry`; a
//! POST that only reads (`getByIds`, a `$batch` of GETs) counts as a read.
//! Links to further pages are followed word for word, to Graph's own host only.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::entra::Entra;
use super::http::{Answer, Body, Call, Http, may_follow};
use super::ids::Ids;
use super::retry::{Class, Patience, Trouble, Verb, Verdict, verdict};
use crate::base::plant::{self, Plant};
use crate::base::{Clock, Failure, Kind, Result};
use crate::wire::graph as wire;
use crate::wire::profile::Profile;

const SERVICE: &str = "graph";
const LIMIT: Duration = Duration::from_secs(100);
const MOST_PAGES: usize = 10_000;

/// The client of one tenant.
#[derive(Clone)]
pub struct Graph(Arc<Inner>);

pub(super) struct Inner {
    http: Http,
    entra: Entra,
    pub(super) clock: Clock,
    ids: Ids,
    host: String,
}

/// One request while it goes on.
struct Ask<'a> {
    method: &'a str,
    url: String,
    path: &'a str,
    body: Option<&'a Value>,
    verb: Verb,
}

impl Graph {
    pub(super) fn new(http: Http, entra: Entra, ids: Ids, profile: &Profile, clock: Clock) -> Graph {
        Graph(Arc::new(Inner { http, entra, clock, ids, host: profile.cloud.graph.clone() }))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// `GET` of a path below `/v1.0`, with its query; blanks and quotes may
    /// stand there unencoded.
    ///
    /// # Errors
    /// `not_found`, `auth`, `refused` with Graph's sentence, `throttled`,
    /// `unavailable`.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.json("GET", path, None, Verb::Read).await
    }

    /// The `value` of a collection with all its pages.
    ///
    /// # Errors
    /// As [`Graph::get`]; `protocol` if the pages don't end.
    pub async fn get_all(&self, path: &str) -> Result<Vec<Value>> {
        let mut rows = Vec::new();
        self.get_each(path, |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// Each object of a collection with all its pages, one page in memory at a time.
    ///
    /// # Errors
    /// As [`Graph::get_all`]; what was handed over until then stays so.
    pub async fn get_each(&self, path: &str, mut each: impl FnMut(Value)) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut place = path.to_owned();
        loop {
            let (rows, next) = self.page(&place).await?;
            rows.into_iter().for_each(&mut each);
            seen.insert(place);
            let Some(next) = next.filter(|_| !plant::is(Plant::FirstPageOfUsers)) else { return Ok(()) };
            if seen.contains(&next) || seen.len() >= MOST_PAGES {
                return Err(endless(path, &next));
            }
            place = next;
        }
    }

    /// One page of a collection and the link to the next. `place` is a path, or a
    /// link that an earlier page gave: followed to Graph's own host only.
    ///
    /// # Errors
    /// As [`Graph::get`]; `protocol` for a link that leads elsewhere, or if the
    /// answer is no collection.
    pub async fn page(&self, place: &str) -> Result<(Vec<Value>, Option<String>)> {
        let (url, path) = match place.strip_prefix("https://") {
            Some(rest) => {
                let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
                (place.to_owned(), path.strip_prefix("/v1.0").unwrap_or(path))
            }
            None => (self.url(place)?, place),
        };
        if !may_follow(&url, &self.0.host, &[]) {
            return Err(endless(path, place));
        }
        let ask = Ask { method: "GET", url, path, body: None, verb: Verb::Read };
        let mut page = parsed(self.send(&ask).await?, &ask)?;
        match page["value"].take() {
            Value::Array(items) => Ok((items, page["@odata.nextLink"].as_str().map(str::to_owned))),
            _ => Err(Failure::new(Kind::Protocol, format!("{path} is no collection"))
                .hint("use `get` for a single object")
                .during(SERVICE, format!("GET {path}"))),
        }
    }

    /// `GET` of something that is text: `…/$value`, `/users/$count`.
    ///
    /// # Errors
    /// As [`Graph::get`].
    pub async fn text(&self, path: &str) -> Result<String> {
        let ask = Ask { method: "GET", url: self.url(path)?, path, body: None, verb: Verb::Read };
        Ok(self.send(&ask).await?.text())
    }

    /// `POST`, with an empty body for null; null where Graph answers without one.
    ///
    /// # Errors
    /// As [`Graph::get`]; `in_doubt` if the answer was lost.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let bare = path.split('?').next().unwrap_or(path);
        let verb =
            if bare.ends_with("/getByIds") || bare.ends_with("/getMemberGroups") { Verb::Read } else { Verb::Write };
        self.json("POST", path, Some(body), verb).await
    }

    /// `PATCH`; null where Graph answers without a body.
    ///
    /// # Errors
    /// As [`Graph::post`].
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.json("PATCH", path, Some(body), Verb::Write).await
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// As [`Graph::post`].
    pub async fn delete(&self, path: &str) -> Result<Value> {
        self.json("DELETE", path, None, Verb::Write).await
    }

    pub(super) async fn json(&self, method: &str, path: &str, body: Option<&Value>, verb: Verb) -> Result<Value> {
        let ask = Ask { method, url: self.url(path)?, path, body, verb };
        let answer = self.send(&ask).await?;
        parsed(answer, &ask)
    }

    fn url(&self, path: &str) -> Result<String> {
        if !path.starts_with('/') {
            return Err(Failure::new(Kind::Usage, format!("the path `{path}` does not begin with a slash"))
                .hint("write it below the version, e.g. /users/ann@contoso.com"));
        }
        Ok(format!("https://{}/v1.0{}", self.0.host, encoded(path)))
    }

    async fn send(&self, ask: &Ask<'_>) -> Result<Answer> {
        let inner = &self.0;
        let operation = format!("{} {}", ask.method, ask.path.split('?').next().unwrap_or(ask.path));
        let id = inner.ids.next().to_string();
        let mut patience = Patience::new(&operation);
        let mut renewed = false;
        loop {
            let token = inner.entra.token(&inner.host).await?;
            let mut headers = vec![
                ("Authorization", format!("Bearer {}", token.expose())),
                ("Accept", "application/json".to_owned()),
                ("Accept-Encoding", "identity".to_owned()),
                ("client-request-id", id.clone()),
            ];
            if wants_eventual(&ask.url) {
                headers.push(("ConsistencyLevel", "eventual".into()));
            }
            let body = ask.body.filter(|b| !b.is_null()).map_or(Body::None, |b| Body::Json(b.clone()));
            let call = Call { service: SERVICE, method: ask.method, url: &ask.url, headers, body, limit: LIMIT };
            let trouble = match inner.http.exchange(call).await {
                // A write with an unreadable success is a write nobody knows about.
                Ok(answer) if answer.is_success() && (ask.verb == Verb::Read || answer.json().is_some()) => {
                    return Ok(answer);
                }
                Ok(answer) => refusal(&answer, inner.clock.now()),
                Err(broken) => broken.into(),
            };
            if trouble.class == Class::Expired && !renewed {
                renewed = true;
                inner.entra.forget(&inner.host, &token, trouble.claims).await;
                continue;
            }
            if verdict(ask.verb, trouble.class) != Verdict::Again {
                return Err(trouble.settle(ask.verb).during(SERVICE, operation).on(target_of(ask.path)));
            }
            let failure = trouble.failure.during(SERVICE, &operation).on(target_of(ask.path));
            patience.again(&inner.clock, failure).await?;
        }
    }
}

/// Pages that lead elsewhere, or in a circle.
fn endless(path: &str, next: &str) -> Failure {
    Failure::new(Kind::Protocol, format!("the pages of {path} don't lead to an end"))
        .hint("ask for less with a filter")
        .detail(next)
        .during(SERVICE, format!("GET {path}"))
}

/// The answer as JSON.
fn parsed(answer: Answer, ask: &Ask<'_>) -> Result<Value> {
    answer.json().ok_or_else(|| {
        Failure::new(Kind::Protocol, format!("the answer to {} {} is no JSON", ask.method, ask.path))
            .hint("use `text` for `$value` and `$count`")
            .status(answer.status)
            .during(SERVICE, format!("{} {}", ask.method, ask.path))
    })
}

/// Counting and searching collections of the directory is silently wrong
/// without this header.
pub(super) fn wants_eventual(url: &str) -> bool {
    let decoded = url.replace("%24", "$");
    decoded.contains("$count") || decoded.contains("$search")
}

/// Who or what a path is about: its second segment.
fn target_of(path: &str) -> String {
    let bare = path.split('?').next().unwrap_or(path);
    let segment = bare.split('/').nth(2).filter(|s| !s.is_empty()).unwrap_or(bare);
    wire::unpercent(segment, false)
}

/// A path with everything encoded that must not stand in a URL. What is
/// encoded already stays; a bare `+` would be read as a blank.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c.is_ascii_alphanumeric() || "-._~/?=&%$(),:@;!*'".contains(c) {
            out.push(c);
        } else {
            let mut bytes = [0; 4];
            out.push_str(&wire::percent(c.encode_utf8(&mut bytes)));
        }
    }
    out
}

/// What an answer that is no success means.
pub(super) fn refusal(answer: &Answer, now: jiff::Timestamp) -> Trouble {
    let body = answer.json().filter(Value::is_object);
    let wait = answer.retry_after(now);
    judged(answer.status, body.as_ref(), !answer.body.is_empty(), wait)
}

pub(super) fn judged(status: u16, body: Option<&Value>, has_body: bool, wait: Option<jiff::SignedDuration>) -> Trouble {
    let error = body.map(wire::error_of).unwrap_or_default();
    let sentence = error.message.trim().trim_end_matches('.');
    let (class, kind, message, hint) = match status {
        401 => (
            Class::Expired,
            Kind::Auth,
            "Graph does not accept the sign-in",
            "check tenant and application of the profile",
        ),
        403 => (
            Class::Refused,
            Kind::Auth,
            "the application may not do this in Graph",
            "consent to the permission that the call needs; an access policy may shut the mailbox too",
        ),
        404 => (
            Class::Refused,
            Kind::NotFound,
            "Graph knows no such object",
            "check the name; a new object takes a moment",
        ),
        409 | 412 => (Class::Refused, Kind::Conflict, "the object is not as expected", "read it again and compare"),
        429 => (Class::Throttled, Kind::Throttled, "Graph asks to slow down", "try again in a while"),
        503 if has_body => (Class::Busy, Kind::Unavailable, "Graph is busy", "try again in a while"),
        408 | 500.. => (Class::Lost, Kind::Unavailable, "Graph did not finish the request", "try again in a while"),
        0..300 => (Class::Lost, Kind::Protocol, "the answer of Graph can't be read", "try again in a while"),
        _ => (
            Class::Refused,
            Kind::Refused,
            "Graph refused the request",
            "read Graph's sentence and the documentation of the call",
        ),
    };
    let says = |message: &str| if sentence.is_empty() { message.to_owned() } else { format!("{message}: {sentence}") };
    let mut failure = Failure::new(kind, says(message)).hint(hint).status(status);
    if !error.code.is_empty() {
        failure = failure.detail(format!("{} (request {})", error.code, error.request_id));
    }
    failure.retryable = !matches!(class, Class::Refused | Class::Expired);
    if let Some(wait) = wait.filter(|_| failure.retryable) {
        failure = failure.retry_after(wait);
    }
    Trouble::new(class, failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_written_as_people_write_it() {
        let path = "/users/ann@contoso.test/messages?$filter=internetMessageId eq '<a+1@lab.test>'&$top=2";
        assert_eq!(
            encoded(path),
            "/users/ann@contoso.test/messages?$filter=internetMessageId%20eq%20'%3Ca%2B1@lab.test%3E'&$top=2"
        );
        assert_eq!(encoded("/a?x=%3Cb%3E"), "/a?x=%3Cb%3E");
        assert_eq!(encoded("/users/m\u{fc}ller#EXT#"), "/users/m%C3%BCller%23EXT%23");
        assert_eq!(target_of("/users/ann%40contoso.test/assignLicense?x"), "ann@contoso.test");
    }

    #[test]
    fn the_header_for_counting_comes_by_itself() {
        assert!(wants_eventual("https://g/v1.0/users?$count=true"));
        assert!(wants_eventual("https://g/v1.0/users/%24count"));
        assert!(!wants_eventual("https://g/v1.0/users?$top=1"));
    }

    #[test]
    fn statuses_are_classed_by_what_they_prove() {
        let class = |status, has_body| judged(status, None, has_body, None).class;
        assert_eq!(class(400, true), Class::Refused);
        assert_eq!(class(429, false), Class::Throttled);
        assert_eq!(class(503, true), Class::Busy);
        assert_eq!(class(503, false), Class::Lost);
        assert_eq!(class(504, true), Class::Lost);
        assert_eq!(class(200, true), Class::Lost);
    }
}
