//! The parts of Microsoft Graph that a staged migration speaks.
//!
//! Objects stay JSON: Graph adds members at any time, and a script may want
//! one that this file has never heard of. What is fixed here is what both sides
//! must agree on: the error body, the batch envelope, escaping.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Most inner requests of one `$batch`.
pub const BATCH_LIMIT: usize = 20;
/// Most ids of one `getByIds`.
pub const GET_BY_IDS_LIMIT: usize = 1000;

/// One inner request of a `$batch`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BatchRequest {
    /// Unique in the batch.
    pub id: String,
    /// `GET`, `POST`, `PATCH`, `DELETE`.
    pub method: String,
    /// Relative to the version root, with a leading slash.
    pub url: String,
    /// Needed with a body: `Content-Type`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub headers: Value,
    /// JSON.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub body: Value,
}

/// One inner answer; the order of answers is free.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BatchResponse {
    /// That of the request.
    pub id: String,
    /// HTTP status.
    pub status: u16,
    /// May hold `Retry-After`.
    #[serde(default)]
    pub headers: Value,
    /// JSON, null for 204.
    #[serde(default)]
    pub body: Value,
}

/// What an error body says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GraphError {
    /// `Request_BadRequest`, …; the deepest known code.
    pub code: String,
    /// The service's sentence.
    pub message: String,
    /// For support.
    pub request_id: String,
}

/// Reads an error body; members it lacks stay empty.
pub fn error_of(body: &Value) -> GraphError {
    let error = &body["error"];
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    GraphError {
        code: text(&error["code"]),
        message: text(&error["message"]),
        request_id: text(&error["innerError"]["request-id"]),
    }
}

/// Writes an error body. `date` has no zone on the wire.
pub fn error_body(code: &str, message: &str, date: &str, request_id: &str, client_request_id: &str) -> Value {
    json!({"error": {"code": code, "message": message,
        "innerError": {"date": date, "request-id": request_id, "client-request-id": client_request_id}}})
}

/// A text inside a `$filter`: quotes doubled. Percent-encoding comes later.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Percent-encodes one path segment or query value (RFC 3986 unreserved stays).
pub fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Undoes percent-encoding; `+` becomes a blank only in a form or query.
pub fn unpercent(text: &str, plus_is_blank: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(byte) = bytes.get(i) {
        let hex = text.get(i + 1..i + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (byte, hex) {
            (b'%', Some(value)) => {
                out.push(value);
                i += 2;
            }
            (b'+', _) if plus_is_blank => out.push(b' '),
            (other, _) => out.push(*other),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The pairs of a query or form.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unpercent(name, true), unpercent(value, true))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_survives_its_journey() {
        let filter = format!("internetMessageId eq {}", quoted("<o'hara+1@lab.example>"));
        assert_eq!(unpercent(&percent(&filter), true), filter);
    }

    #[test]
    fn an_error_body_is_read_back() {
        let body = error_body("Request_BadRequest", "no", "2026-08-20T09:00:00", "r1", "c1");
        let error = error_of(&body);
        assert_eq!(
            (error.code.as_str(), error.message.as_str(), error.request_id.as_str()),
            ("Request_BadRequest", "no", "r1")
        );
    }
}
