//! Changing a zone: one signed UPDATE that is also a comparison.
//!
//! The prerequisites state the whole old set, so the server itself refuses if
//! somebody else was faster (RFC 2136, 2.4). The answer's rcode and TSIG error
//! are read before its signature is verified: refusals about keys carry none,
//! and a library that verifies first hides the reason. A lost answer is in
//! doubt, not failed.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::TSigner;
use hickory_proto::rr::rdata::tsig::{TsigAlgorithm, TsigError};
use serde_json::{Value, json};

use super::dialer::split;
use super::dns::{DnsClient, Sent, read, tcp};
use super::retry::in_doubt;
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result, Secret};
use crate::wire::dns::{self as wire, RecordSet, Swap, absolute};
use crate::wire::guid::{hex, unbase64};
use crate::wire::log::Exchange;
use crate::wire::profile::Zone;

const SERVICE: &str = "zone";
/// Seconds that the clocks may differ (RFC 8945, 10).
const FUDGE: u16 = 300;

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// All sets are as wanted.
    Applied,
    /// A set was not as expected; nothing was changed.
    Stale,
}

impl DnsClient {
    /// Replaces whole record sets of one zone if all of them are as expected:
    /// all or nothing.
    ///
    /// # Errors
    /// `validation` for a zone the profile does not hold or a value that is
    /// none, `auth` for key, signature and clock, `refused` by the server's
    /// policy; `in_doubt` if the answer was lost or does not verify.
    pub async fn swap(&self, zone: &str, swaps: &[Swap]) -> Result<Swapped> {
        let named = |failure: Failure| failure.during(SERVICE, "update").on(wire::relative(zone));
        let Some((held, secret)) = self.keyed_zone(zone).filter(|(z, _)| absolute(&z.name) == absolute(zone)) else {
            return Err(named(
                Failure::new(Kind::Validation, format!("the profile holds no zone {}", wire::relative(zone)))
                    .hint("add it under [[dns.zones]] with its primary and key"),
            ));
        };
        let inner = self.inner();
        let signer = signer(held, secret).map_err(named)?;
        let id = inner.ids.short();
        let mut message = wire::update(id, &held.name, swaps).map_err(|e| {
            named(Failure::new(Kind::Validation, e.0).hint("check the records; host names end with a dot"))
        })?;
        let broken = |e: String| named(Failure::internal(format!("an update can't be signed: {e}")));
        let now = u64::try_from(inner.clock.now().as_second()).unwrap_or_default();
        if plant::is(Plant::MxUnguarded) {
            message.answers.clear();
        }
        let verifier = match plant::is(Plant::UpdateUnsigned) {
            true => None,
            false => message.finalize(&signer, now).map_err(|e| broken(e.to_string()))?,
        };
        let bytes = message.to_vec().map_err(|e| broken(e.to_string()))?;
        let (host, port) = split(&held.server, 53);
        let answer = tcp(&inner.dialer, host, port, &bytes).await;
        let parsed = answer.as_ref().ok().map(|bytes| read(host, id, bytes));
        if let Some(tap) = &inner.tap {
            let seen = parsed.as_ref().and_then(|p| p.as_ref().ok());
            tap.exchange(shown(held, swaps, &message, seen));
        }
        let bytes = match answer {
            Ok(bytes) => bytes,
            Err(Sent::Not(failure)) => return Err(named(failure)),
            Err(Sent::Lost(failure)) => return Err(named(in_doubt(failure))),
        };
        let answer = match parsed {
            Some(Ok(answer)) => answer,
            Some(Err(failure)) => return Err(named(in_doubt(failure))),
            None => return Err(named(in_doubt(Failure::new(Kind::Protocol, "no answer was read")))),
        };
        let error = answer.signature().and_then(|t| t.data.error);
        let swapped = judged(host, answer.response_code, error).map_err(named)?;
        if let Some(mut verifier) = verifier
            && let Err(why) = verifier.verify(&bytes)
        {
            let failure = Failure::new(Kind::Protocol, format!("the signature of {host} does not verify"))
                .detail(why.to_string());
            return Err(named(in_doubt(failure)));
        }
        Ok(swapped)
    }
}

fn signer(zone: &Zone, secret: &Secret) -> Result<TSigner> {
    let bad = |why: &str| {
        Failure::new(Kind::Validation, format!("the key of zone {} can't be used: {why}", wire::relative(&zone.name)))
            .hint("copy name, algorithm and secret from the server's key, e.g. the output of tsig-keygen")
    };
    let algorithm = match zone.algorithm.to_ascii_lowercase().as_str() {
        "hmac-sha256" => TsigAlgorithm::HmacSha256,
        "hmac-sha384" => TsigAlgorithm::HmacSha384,
        "hmac-sha512" => TsigAlgorithm::HmacSha512,
        other => return Err(bad(&format!("the algorithm {other} is not known"))),
    };
    let key = unbase64(secret.expose().trim()).ok_or_else(|| bad("its secret is no base64"))?;
    let name = absolute(&zone.key).parse().map_err(|_| bad("its name is none"))?;
    TSigner::new(key, algorithm, name, FUDGE).map_err(|e| bad(&e.to_string()))
}

/// What the server's answer means, before its signature is looked at.
fn judged(host: &str, code: ResponseCode, error: Option<TsigError>) -> Result<Swapped> {
    let say = |kind, message: String, hint: &str| {
        let detail = match error {
            Some(error) => format!("{code}, TSIG error {error:?}"),
            None => code.to_string(),
        };
        Err(Failure::new(kind, message).hint(hint).status(u16::from(code)).detail(detail))
    };
    match error {
        Some(TsigError::BadTime) => {
            return say(
                Kind::Auth,
                format!("the clock of {host} differs by more than {} minutes", FUDGE / 60),
                "set both clocks by NTP",
            );
        }
        Some(TsigError::BadKey) => {
            return say(Kind::Auth, format!("{host} knows no key of that name"), "check name and algorithm of the key");
        }
        Some(_) => {
            return say(Kind::Auth, format!("{host} does not accept the signature"), "check the secret of the key");
        }
        None => {}
    }
    match code {
        ResponseCode::NoError => Ok(Swapped::Applied),
        ResponseCode::NXRRSet | ResponseCode::YXRRSet | ResponseCode::NXDomain | ResponseCode::YXDomain => {
            Ok(Swapped::Stale)
        }
        ResponseCode::Refused => say(
            Kind::Refused,
            format!("{host} refuses the update"),
            "allow the key to change these records (`update-policy` on BIND, an ACL on Knot)",
        ),
        ResponseCode::NotAuth => say(
            Kind::Auth,
            format!("{host} does not serve the zone, or not to this key"),
            "check the server and the key of the zone",
        ),
        ResponseCode::ServFail => say(
            Kind::Unavailable,
            format!("{host} failed and changed nothing"),
            "check the server's log; its zone file or journal may not be writable",
        ),
        ResponseCode::NotImp => say(
            Kind::Refused,
            format!("{host} takes no updates"),
            "change the records where the zone is edited, by hand",
        ),
        _ => say(Kind::Refused, format!("{host} refuses the update"), "check the zone's name and the records"),
    }
}

fn shown(zone: &Zone, swaps: &[Swap], message: &Message, answer: Option<&Message>) -> Exchange {
    let set = |set: &Option<RecordSet>| match set {
        Some(set) => json!({"ttl": set.ttl, "values": set.values}),
        None => Value::Null,
    };
    let swaps: Vec<Value> = swaps
        .iter()
        .map(|s| json!({"name": absolute(&s.name), "type": s.kind.to_string(), "expected": set(&s.expected), "wanted": set(&s.wanted)}))
        .collect();
    let signature = |message: &Message| {
        message.signature().map_or(Value::Null, |t| {
            json!({"key": t.name.to_ascii(), "algorithm": t.data.algorithm.to_string(), "time": t.data.time,
                "fudge": t.data.fudge, "mac": hex(&t.data.mac), "error": t.data.error.map(u16::from)})
        })
    };
    Exchange {
        service: SERVICE,
        method: "UPDATE".into(),
        url: format!("dns://{}/{}", zone.server.trim_end_matches(":53"), wire::relative(&zone.name)),
        request_headers: serde_json::Map::new(),
        request_body: json!({"swaps": swaps, "tsig": signature(message)}),
        status: answer.map(|a| u16::from(a.response_code)),
        response_headers: serde_json::Map::new(),
        response_body: answer.map_or(Value::Null, |a| json!({"tsig": signature(a)})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_about_the_key_are_told_apart() {
        let kind = |code, error| judged("ns1", code, error).map_err(|f| (f.kind, f.message));
        assert_eq!(kind(ResponseCode::NoError, None), Ok(Swapped::Applied));
        assert_eq!(kind(ResponseCode::NXRRSet, None), Ok(Swapped::Stale));
        assert_eq!(kind(ResponseCode::YXRRSet, None), Ok(Swapped::Stale));
        let (auth, message) = kind(ResponseCode::NotAuth, Some(TsigError::BadTime)).expect_err("a refusal");
        assert_eq!(auth, Kind::Auth);
        assert!(message.contains("clock"), "{message}");
        assert_eq!(kind(ResponseCode::Refused, None).map_err(|e| e.0), Err(Kind::Refused));
        assert_eq!(kind(ResponseCode::NotAuth, None).map_err(|e| e.0), Err(Kind::Auth));
    }
}
