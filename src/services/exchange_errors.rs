//! What a refusal of Exchange Online means.
//!
//! The generic line never helps; status, exception type and the service's own
//! sentence do (reference: admin API, 3). Each is classed by what it proves
//! about the request: refused for good, refused for now, or lost.

use serde_json::Value;

use super::http::Answer;
use super::retry::{Class, Trouble};
use crate::base::{Failure, Kind};
use crate::wire::invoke;

/// Texts that mean a passing trouble inside the service (reference: admin API,
/// 4.1).
const TRANSIENT: [&str; 5] = [
    "DCOverloadedException",
    "SuitabilityDirectoryException",
    "ServerInMMException",
    "ADServerSettingsChangedException",
    "StorageTransientException",
];

/// What an answer that is no success means.
pub(super) fn refusal(answer: &Answer, request_id: &str, now: jiff::Timestamp) -> Trouble {
    let text = answer.text();
    let body = answer.json().filter(Value::is_object);
    let error = body.as_ref().map(invoke::error_of).unwrap_or_default();
    let wait = answer.retry_after(now);
    let mut detail = format!("request {request_id}");
    for part in [&error.message_id, &error.exception] {
        if !part.is_empty() {
            detail = format!("{part}, {detail}");
        }
    }
    let busy = |class, kind, message: &str| {
        let mut failure = Failure::new(kind, message)
            .hint("try again in a while")
            .detail(detail.clone())
            .status(answer.status)
            .retryable();
        if let Some(wait) = wait {
            failure = failure.retry_after(wait);
        }
        Trouble::new(class, failure)
    };
    // Plain text, with whatever status.
    if text.contains("maximum number of concurrent requests") || answer.status == 429 {
        return busy(Class::Throttled, Kind::Throttled, "Exchange Online asks to slow down");
    }
    if TRANSIENT.iter().any(|t| error.exception.contains(t) || error.text.contains(t) || text.contains(t)) {
        let mut trouble = busy(Class::Transient, Kind::Unavailable, "Exchange Online has a passing problem");
        trouble.failure.detail = Some(format!("{}: {detail}", error.text));
        return trouble;
    }
    match (answer.status, &body) {
        (401, _) => {
            let challenge = answer.all("www-authenticate").join(", ");
            let mut failure = Failure::new(Kind::Auth, "Exchange Online does not accept the sign-in for this cmdlet")
                .hint("the application needs Exchange.ManageAsApp and a role that holds the cmdlet, such as Recipient Management")
                .status(401)
                .detail(detail.clone());
            if !error.text.is_empty() {
                failure = failure.detail(format!("{}: {detail}", error.text));
            }
            Trouble { class: Class::Expired, failure, claims: claims_of(&challenge) }
        }
        (403, _) => Trouble::new(
            Class::Refused,
            Failure::new(Kind::Auth, "the application has no role in Exchange Online that allows this")
                .hint("give its service principal an Entra role such as Exchange Recipient Administrator; a new role takes a while to bite")
                .status(403)
                .detail(if error.text.is_empty() { detail.clone() } else { format!("{}: {detail}", error.text) }),
        ),
        (503, _) if !text.trim().is_empty() => busy(Class::Busy, Kind::Unavailable, "Exchange Online is busy"),
        (408 | 502 | 503 | 504, _) => busy(Class::Lost, Kind::Timeout, "Exchange Online did not finish in time"),
        (200..300, _) | (_, None) => busy(Class::Lost, Kind::Protocol, "the answer of Exchange Online can't be read"),
        (status, Some(_)) if error.text.is_empty() && status >= 500 => {
            busy(Class::Lost, Kind::Unavailable, "Exchange Online failed without saying why")
        }
        (status, Some(_)) => Trouble::new(Class::Refused, spoken(&error, status).detail(detail)),
    }
}

/// A cmdlet's own words as a failure.
pub(super) fn spoken(error: &invoke::CmdletError, status: u16) -> Failure {
    let exception = error.exception.as_str();
    let lower = error.text.to_lowercase();
    let kind = if exception.contains("NotFound") || error.code == "NotFound" || status == 404 {
        Kind::NotFound
    } else if exception.contains("AlreadyExist") || lower.contains("already exists") || status == 409 {
        Kind::Conflict
    } else if exception.contains("AccessDenied") || exception.contains("Unauthorized") {
        Kind::Auth
    } else {
        Kind::Refused
    };
    let text = error.text.trim().trim_end_matches('.');
    let text = if text.is_empty() { "Exchange Online refused without saying why" } else { text };
    let hint = match kind {
        Kind::NotFound => "check the name; a new object takes a moment until every server knows it",
        Kind::Conflict => "look at what is there already before creating it again",
        Kind::Auth => "check the roles of the application in Exchange Online",
        _ => "read the service's sentence; `stagepost why` knows the common ones",
    };
    Failure::new(kind, text).hint(hint).status(status)
}

/// The `claims` of a `WWW-Authenticate` challenge, decoded.
fn claims_of(challenge: &str) -> Option<String> {
    let rest = challenge.split_once("claims=\"")?.1;
    let encoded = rest.split_once('"')?.0;
    let padded = format!("{}{}", encoded.replace('-', "+").replace('_', "/"), "=".repeat((4 - encoded.len() % 4) % 4));
    String::from_utf8(crate::wire::guid::unbase64(&padded)?).ok()
}

/// Whether a refusal may come from a sealed value that the service could not
/// open. Which error that gives is unconfirmed, so the test is wide; a new
/// attempt is made only if the key has really changed.
pub(super) fn is_credential_failure(failure: &Failure) -> bool {
    if failure.kind != Kind::Refused {
        return false;
    }
    let text = format!("{} {}", failure.message, failure.detail.as_deref().unwrap_or_default()).to_lowercase();
    ["decrypt", "cryptograph", "parametertransformation", "pscredential", "bad data"].iter().any(|w| text.contains(w))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    fn class(status: u16, body: &str) -> (Class, Kind) {
        let trouble = refusal(&answer(status, body), "r1", jiff::Timestamp::UNIX_EPOCH);
        (trouble.class, trouble.failure.kind)
    }

    #[test]
    fn statuses_are_classed_by_what_they_prove() {
        let not_found = r#"{"error":{"code":"NotFound","message":"x","details":[{"message":"Ex94914C|Microsoft.Exchange.ManagementObjectNotFoundException|gone"}]}}"#;
        assert_eq!(class(404, not_found), (Class::Refused, Kind::NotFound));
        let exists = r#"{"error":{"code":"BadRequest","details":[{"message":"{\"Message\":\"x\",\"TypeName\":\"a.ADObjectAlreadyExistsException\"}"}]}}"#;
        assert_eq!(class(400, exists), (Class::Refused, Kind::Conflict));
        assert_eq!(class(429, ""), (Class::Throttled, Kind::Throttled));
        let crowd = "The maximum number of concurrent requests per tenant was reached";
        assert_eq!(class(500, crowd), (Class::Throttled, Kind::Throttled));
        assert_eq!(class(503, "busy"), (Class::Busy, Kind::Unavailable));
        assert_eq!(class(503, ""), (Class::Lost, Kind::Timeout));
        assert_eq!(class(504, "x"), (Class::Lost, Kind::Timeout));
        assert_eq!(class(500, "<html>"), (Class::Lost, Kind::Protocol));
        assert_eq!(class(200, "<html>"), (Class::Lost, Kind::Protocol));
        assert_eq!(class(403, ""), (Class::Refused, Kind::Auth));
        assert_eq!(class(401, "").0, Class::Expired);
        let passing = r#"{"error":{"details":[{"message":"|x.StorageTransientException|wait"}]}}"#;
        assert_eq!(class(400, passing), (Class::Transient, Kind::Unavailable));
    }

    #[test]
    fn a_claims_challenge_is_decoded() {
        let challenge = r#"Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ""#;
        assert_eq!(claims_of(challenge).as_deref(), Some(r#"{"access_token":{}}"#));
        assert_eq!(claims_of("Bearer"), None);
    }
}
