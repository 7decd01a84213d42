//! One HTTP request and its answer, as plain data.
//!
//! The servers behind the HTTPS listener and the control address are functions
//! from [`Request`] to [`Answer`]; sockets, TLS and keep-alive are none of
//! their business. Nothing here knows a service.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::Value;

use crate::wire::graph::pairs;

/// A request, read to its end.
#[derive(Debug, Default)]
pub struct Request {
    /// `GET`, `POST`, `RPC_IN_DATA`, …
    pub method: String,
    /// Host as the client said it, in lower case, without a port.
    pub host: String,
    /// Path, still percent-encoded.
    pub path: String,
    /// Query without the question mark, still percent-encoded.
    pub query: String,
    /// Headers by lower-case name; of repeated ones the last.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    json: OnceLock<Option<Value>>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, host: &str, target: &str) -> Request {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Request {
            method: method.to_owned(),
            host: host.to_ascii_lowercase(),
            path: path.to_owned(),
            query: query.to_owned(),
            ..Request::default()
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Request {
        self.headers.insert(name.to_ascii_lowercase(), value.into());
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    /// A header by its lower-case name; empty if absent.
    pub fn get(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON; parsed once. `None` if it is none.
    pub fn json(&self) -> Option<&Value> {
        self.json.get_or_init(|| serde_json::from_slice(&self.body).ok()).as_ref()
    }

    /// A query option by name, decoded. Names are compared without case.
    pub fn option(&self, name: &str) -> Option<String> {
        pairs(&self.query).into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The bearer token, if there is one.
    pub fn bearer(&self) -> Option<&str> {
        let value = self.get("authorization");
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim()).filter(|t| !t.is_empty())
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Reason phrase, where the protocol puts meaning into it (`RPC Error: 6ba`).
    pub reason: Option<&'static str>,
    /// Headers in order.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A status and nothing else.
    pub fn empty(status: u16) -> Answer {
        Answer { status, reason: None, headers: Vec::new(), body: Vec::new() }
    }

    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Answer {
        Answer::text(status, "application/json; charset=utf-8", body.to_string())
    }

    /// A body of any media type.
    pub fn text(status: u16, media: &str, body: impl Into<Vec<u8>>) -> Answer {
        let headers = vec![("Content-Type", media.to_owned())];
        Answer { status, reason: None, headers, body: body.into() }
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// The body as JSON, for tests and for the batch envelope.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// `Date` header of a moment (RFC 9110, 5.6.7).
pub fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// `2026-08-20T09:00:00Z`, whole seconds.
pub fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_without_regard_to_case() {
        let request = Request::new("GET", "Graph.Microsoft.COM", "/v1.0/users?$Filter=mail%20eq%20'a+b'&$top=5");
        assert_eq!(request.host, "graph.microsoft.com");
        assert_eq!(request.option("$filter").as_deref(), Some("mail eq 'a b'"));
        assert_eq!(request.option("$skip"), None);
    }

    #[test]
    fn only_a_bearer_token_is_one() {
        assert_eq!(Request::new("GET", "x", "/").header("Authorization", "bearer abc").bearer(), Some("abc"));
        assert_eq!(Request::new("GET", "x", "/").header("Authorization", "Basic abc").bearer(), None);
        assert_eq!(Request::new("GET", "x", "/").bearer(), None);
    }

    #[test]
    fn dates_have_the_form_of_http() {
        let time: Timestamp = "2026-08-20T09:05:00Z".parse().expect("a good time");
        assert_eq!(http_date(time), "Thu, 20 Aug 2026 09:05:00 GMT");
    }
}
