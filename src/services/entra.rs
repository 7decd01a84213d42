//! Sign-in: an application and its secret, one token for each resource.
//!
//! Tokens live in memory only and are renewed five minutes early by the
//! session's clock. One fetch at a time for each resource, but no lock is held
//! over a wait on the clock: on a driven clock the others would hold the time.
//! AADSTS codes only choose a hint; Microsoft may change them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::http::{Answer, Body, Call, Http};
use super::retry::{Class, Patience, Trouble, Verb, Verdict, verdict};
use crate::base::plant::{self, Plant};
use crate::base::{Clock, Failure, Kind, Result, Secret};
use crate::wire::graph::percent;
use crate::wire::profile::Profile;

const SERVICE: &str = "entra";
/// Tokens are renewed this long before they end.
const EARLY: SignedDuration = SignedDuration::from_mins(5);
const LIMIT: Duration = Duration::from_secs(30);

/// The sign-in client of one tenant and application.
#[derive(Clone)]
pub struct Entra(Arc<Inner>);

struct Inner {
    http: Http,
    clock: Clock,
    login: String,
    tenant: String,
    client_id: String,
    secret: Secret,
    slots: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Slot>>>>,
}

#[derive(Default)]
struct Slot {
    token: Option<Token>,
    claims: Option<String>,
}

struct Token {
    secret: Secret,
    renew: Timestamp,
}

impl Entra {
    pub(super) fn new(http: Http, profile: &Profile, secret: Secret, clock: Clock) -> Entra {
        Entra(Arc::new(Inner {
            http,
            clock,
            login: profile.cloud.login.clone(),
            tenant: profile.tenant.id.clone(),
            client_id: profile.tenant.client_id.clone(),
            secret,
            slots: Mutex::default(),
        }))
    }

    /// A token for a resource host such as `graph.microsoft.com`.
    ///
    /// # Errors
    /// `auth` with what Entra said and the next thing to try.
    pub async fn token(&self, resource: &str) -> Result<Secret> {
        let slot = self.slot(resource);
        let mut patience = Patience::new(format!("token {resource}"));
        loop {
            let trouble = {
                let mut slot = slot.lock().await;
                if let Some(token) = &slot.token
                    && (self.0.clock.now() < token.renew || plant::is(Plant::OldTokenKept))
                {
                    return Ok(token.secret.clone());
                }
                match self.fetch(resource, slot.claims.as_deref()).await {
                    Ok(token) => {
                        let secret = token.secret.clone();
                        *slot = Slot { token: Some(token), claims: None };
                        return Ok(secret);
                    }
                    Err(trouble) => trouble,
                }
            };
            let failure = trouble.failure.during(SERVICE, "token").on(resource);
            if verdict(Verb::Read, trouble.class) != Verdict::Again {
                return Err(failure);
            }
            patience.again(&self.0.clock, failure).await?;
        }
    }

    /// Drops a token that a service did not accept. The next one answers the
    /// service's challenge, if it came with one.
    pub async fn forget(&self, resource: &str, token: &Secret, claims: Option<String>) {
        let slot = self.slot(resource);
        let mut slot = slot.lock().await;
        // Somebody else may have renewed it in the meantime.
        if slot.token.as_ref().is_some_and(|t| t.secret == *token) && !plant::is(Plant::OldTokenKept) {
            *slot = Slot { token: None, claims };
        }
    }

    fn slot(&self, resource: &str) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(resource.to_owned()).or_default().clone()
    }

    async fn fetch(&self, resource: &str, claims: Option<&str>) -> Result<Token, Trouble> {
        let inner = &self.0;
        let mut fields = vec![
            ("client_id", inner.client_id.as_str()),
            ("client_secret", inner.secret.expose()),
            ("grant_type", "client_credentials"),
        ];
        let scope = format!("https://{resource}/.default");
        fields.push(("scope", &scope));
        if let Some(claims) = claims {
            fields.push(("claims", claims));
        }
        // `+` and `/` in secrets are a classic failure: everything is encoded.
        let form: Vec<zeroize::Zeroizing<String>> =
            fields.iter().map(|(n, v)| zeroize::Zeroizing::new(format!("{n}={}", percent(v)))).collect();
        let form = zeroize::Zeroizing::new(form.iter().map(|f| f.as_str()).collect::<Vec<_>>().join("&"));
        let url = format!("https://{}/{}/oauth2/v2.0/token", inner.login, inner.tenant);
        let call = Call {
            service: SERVICE,
            method: "POST",
            url: &url,
            headers: vec![("Accept", "application/json".into()), ("Accept-Encoding", "identity".into())],
            body: Body::Form(form),
            limit: LIMIT,
        };
        let answer = inner.http.exchange(call).await?;
        let now = inner.clock.now();
        if !answer.is_success() {
            return Err(refusal(&answer, now));
        }
        let body = answer.json().unwrap_or_default();
        let seconds = body["expires_in"].as_i64().or_else(|| body["expires_in"].as_str()?.parse().ok());
        match (body["access_token"].as_str(), seconds) {
            (Some(token), Some(seconds)) if !token.is_empty() => {
                let life = SignedDuration::from_secs(seconds.max(0));
                // A token that lives hardly longer than the margin would be renewed for every call.
                let use_for = if life > EARLY * 2 { life - EARLY } else { life / 2 };
                Ok(Token { secret: Secret::new(token), renew: now.checked_add(use_for).unwrap_or(now) })
            }
            _ => Err(Trouble::new(
                Class::Lost,
                Failure::new(Kind::Protocol, "the sign-in answered without a token")
                    .hint("check that the sign-in host of the profile is right and no proxy answers in its place")
                    .status(answer.status),
            )),
        }
    }
}

/// What a refused token request means.
fn refusal(answer: &Answer, now: Timestamp) -> Trouble {
    let body = answer.json().unwrap_or_default();
    let error = body["error"].as_str().unwrap_or_default();
    let described = body["error_description"].as_str().unwrap_or_default();
    let codes: Vec<i64> = body["error_codes"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    let ids = format!(
        "{described} (trace {}, correlation {})",
        body["trace_id"].as_str().unwrap_or("unknown"),
        body["correlation_id"].as_str().unwrap_or("unknown")
    );
    let passing = error == "temporarily_unavailable" || codes.iter().any(|c| TRANSIENT.contains(c));
    let (class, kind) = match answer.status {
        429 => (Class::Throttled, Kind::Throttled),
        _ if passing => (Class::Transient, Kind::Unavailable),
        500.. => (Class::Transient, Kind::Unavailable),
        _ => (Class::Refused, Kind::Auth),
    };
    let what = if error.is_empty() { format!("status {}", answer.status) } else { error.to_owned() };
    let hint = codes.iter().find_map(|c| hint(*c)).unwrap_or(match kind {
        Kind::Auth => "check tenant id, client id and secret in the profile, and the application in the Entra portal",
        _ => "the sign-in service is busy; try again in a while",
    });
    let mut failure =
        Failure::new(kind, format!("the sign-in was refused ({what})")).hint(hint).detail(ids).status(answer.status);
    if let Some(wait) = answer.retry_after(now) {
        failure = failure.retry_after(wait);
    }
    failure.retryable = class != Class::Refused;
    Trouble::new(class, failure)
}

/// Codes that pass by themselves (reference: admin API, 8.6).
const TRANSIENT: [i64; 5] = [90006, 90024, 90033, 90090, 50000];

/// The next thing to try after an AADSTS code.
fn hint(code: i64) -> Option<&'static str> {
    Some(match code {
        700016 => {
            "the application is unknown in this tenant: check client id, tenant id and cloud, and that it was consented to"
        }
        7000215 => "the secret is wrong; often its id was pasted in place of its value",
        7000222 => "the secret has expired; make a new one in the Entra portal",
        7000218 => "no secret arrived: the application is set up as a public client, or its flows are switched off",
        700027 | 50012 => {
            "the certificate's signature is not accepted: check that it was uploaded, and wait a minute if it was just rotated"
        }
        700024 | 500133 => "the assertion is outside its time: check this machine's clock",
        500011 | 50001 => {
            "the resource is unknown in the tenant: check the hosts of the cloud in the profile, and that the tenant has Exchange"
        }
        650052 => "the tenant has no service principal for the resource: check its subscriptions",
        90002 | 900023 | 90038 => {
            "the tenant was not found: check the tenant id, and whether it lives in a national cloud"
        }
        65001 | 90094 => "an administrator has to consent to the application's permissions",
        50076 | 50079 => "the sign-in asks for a second factor; use an application with its own secret",
        53003 | 530032 => "Conditional Access blocks the sign-in; ask for an exception for this application",
        50020 | 50177 => "the account is foreign to this tenant",
        70011 | 28002 | 700022 => "the scope is wrong: check the hosts of the cloud in the profile",
        9002313 | 900144 => "the request was malformed, most often because the secret is empty",
        7000112 => "the application is disabled in the tenant",
        code if TRANSIENT.contains(&code) => "the sign-in service has a passing problem; try again in a while",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: vec![("retry-after".into(), "7".into())], body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_wrong_secret_is_explained_and_not_repeated() {
        let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.",
            "error_codes":[7000215],"trace_id":"t1","correlation_id":"c1"}"#;
        let trouble = refusal(&answer(401, body), Timestamp::UNIX_EPOCH);
        assert_eq!((trouble.class, trouble.failure.kind), (Class::Refused, Kind::Auth));
        assert!(trouble.failure.hint.is_some_and(|h| h.contains("its id was pasted")));
        assert!(trouble.failure.detail.is_some_and(|d| d.contains("trace t1, correlation c1")));
    }

    #[test]
    fn a_busy_sign_in_is_asked_again() {
        let trouble = refusal(&answer(429, ""), Timestamp::UNIX_EPOCH);
        assert_eq!(trouble.class, Class::Throttled);
        assert_eq!(trouble.failure.retry_after, Some(SignedDuration::from_secs(7)));
        let trouble =
            refusal(&answer(400, r#"{"error":"invalid_request","error_codes":[90033]}"#), Timestamp::UNIX_EPOCH);
        assert_eq!(trouble.class, Class::Transient);
    }
}
