//! One HTTP exchange: sent, read, unpacked by hand, shown to the tap.
//!
//! No retry, no token, no opinion about a status: that is the business of the
//! service that asked. What this file does say is whether a request certainly
//! never left ([`Broken::NotSent`]) or may have been carried out
//! ([`Broken::Lost`]), for that decides what happens to a write.

use std::error::Error as _;
use std::io::Read;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::dialer::Dialer;
use super::retry::{Class, Trouble, retry_after};
use super::tap::{self, Listener};
use super::tls;
use crate::base::crash::{self, Fate};
use crate::base::{Failure, Kind, Result};
use crate::wire::log::Exchange;

/// Largest answer that is unpacked: a guard against compressed bombs.
const LARGEST: u64 = 256 << 20;

/// The name under which the lab's control address is asked.
pub const CONTROL: &str = "lab";

/// A client by the rules of one dialer. Clones share its connections.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    dialer: Dialer,
    tap: Listener,
}

/// What is sent.
pub struct Call<'a> {
    /// Name of the service in the wire log.
    pub service: &'static str,
    /// `GET`, `POST`, `RPC_IN_DATA`, …
    pub method: &'a str,
    /// Absolute, with the vendor's host.
    pub url: &'a str,
    /// In order.
    pub headers: Vec<(&'static str, String)>,
    /// Empty for none.
    pub body: Body,
    /// Real time for the whole exchange.
    pub limit: Duration,
}

/// What a request carries.
pub enum Body {
    /// Nothing.
    None,
    /// JSON, UTF-8.
    Json(Value),
    /// A form, already encoded; its secrets are masked in the log.
    Form(zeroize::Zeroizing<String>),
    /// Anything else, with its content type.
    Text(&'static str, String),
}

/// An answer, unpacked.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Lower-case names, in order.
    pub headers: Vec<(String, String)>,
    /// Unpacked if it was gzip, whatever its label said.
    pub body: Vec<u8>,
}

/// No answer that could be read.
#[derive(Debug)]
pub enum Broken {
    /// Nothing was sent; trying again may help.
    NotSent(Failure),
    /// Nothing was sent, and trying again changes nothing (not part of the
    /// lab, a bad certificate).
    Never(Failure),
    /// Something was sent; what became of it is not known.
    Lost(Failure),
}

impl From<Broken> for Trouble {
    fn from(broken: Broken) -> Trouble {
        match broken {
            Broken::NotSent(failure) => Trouble::new(Class::NotSent, failure),
            Broken::Never(failure) => Trouble::new(Class::Refused, failure),
            Broken::Lost(failure) => Trouble::new(Class::Lost, failure),
        }
    }
}

impl Answer {
    /// First value of a header; empty if absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, v)| v)
    }

    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone()).collect()
    }

    /// The body as JSON; `None` if it is none. An empty body is null.
    pub fn json(&self) -> Option<Value> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Some(Value::Null);
        }
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The wait that the service asks for.
    pub fn retry_after(&self, now: Timestamp) -> Option<SignedDuration> {
        retry_after(self.header("retry-after"), now)
    }
}

impl Http {
    /// A client that shows its exchanges to `tap`.
    ///
    /// # Errors
    /// Only if the TLS settings are not understood.
    pub fn new(dialer: &Dialer, tap: Listener) -> Result<Http> {
        let client =
            dialer.http()?.build().map_err(|e| Failure::internal("no HTTP client can be made").detail(chain(&e)))?;
        Ok(Http { client, dialer: dialer.clone(), tap })
    }

    /// Sends and reads.
    ///
    /// # Errors
    /// No readable answer; the variant says whether anything was sent.
    pub async fn exchange(&self, call: Call<'_>) -> Result<Answer, Broken> {
        let mut seen = Exchange {
            service: call.service,
            method: call.method.to_owned(),
            url: call.url.to_owned(),
            request_headers: tap::headers(call.headers.iter().map(|(n, v)| (*n, v.as_str()))),
            request_body: Value::Null,
            status: None,
            response_headers: serde_json::Map::new(),
            response_body: Value::Null,
        };
        if self.tap.is_some() {
            if let Some(kind) = call.body.content_type() {
                seen.request_headers.insert("Content-Type".into(), kind.into());
            }
            seen.request_body = call.body.shown();
        }
        let answer = self.passed(call).await;
        if let Some(tap) = &self.tap {
            if let Ok(answer) = &answer {
                seen.status = Some(answer.status);
                seen.response_headers = tap::headers(answer.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())));
                seen.response_body = tap::body(&answer.body);
            }
            tap.exchange(seen);
        }
        answer
    }

    /// Between the two points at which a process may die. The lab's clock is no
    /// service: what passes there is neither counted nor lost.
    async fn passed(&self, call: Call<'_>) -> Result<Answer, Broken> {
        if call.service == CONTROL {
            crash::alive().map_err(Broken::Never)?;
            return self.send(call).await;
        }
        crash::point("https before").map_err(Broken::Never)?;
        let answer = match crash::fate(call.service).await {
            Fate::Through => self.send(call).await,
            Fate::Unsent => return Err(Broken::Lost(crash::lost())),
            Fate::Unanswered => {
                let _ = self.send(call).await;
                return Err(Broken::Lost(crash::lost()));
            }
            Fate::Late => {
                self.send_later(call);
                return Err(Broken::Lost(crash::lost()));
            }
        };
        crash::point("https after").map_err(Broken::Never)?;
        answer
    }

    /// Keeps a request that comes late, with all it needs.
    fn send_later(&self, call: Call<'_>) {
        let (http, method, url) = (self.clone(), call.method.to_owned(), call.url.to_owned());
        let Call { service, headers, body, limit, .. } = call;
        crash::later(async move {
            // Nobody waits for the answer any more.
            let _ = http.send(Call { service, method: &method, url: &url, headers, body, limit }).await;
        });
    }

    async fn send(&self, call: Call<'_>) -> Result<Answer, Broken> {
        let url = reqwest::Url::parse(call.url).map_err(|e| {
            Broken::Never(
                Failure::new(Kind::Validation, format!("`{}` is no address", call.url))
                    .hint("check the host names in the profile")
                    .detail(e.to_string()),
            )
        })?;
        self.reachable(&url).map_err(Broken::Never)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let method = reqwest::Method::from_bytes(call.method.as_bytes())
            .map_err(|e| Broken::Never(Failure::internal(format!("`{}` is no HTTP method: {e}", call.method))))?;
        let mut request = self.client.request(method, url).timeout(call.limit);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(kind) = call.body.content_type() {
            request = request.header("Content-Type", kind);
        }
        request = match call.body {
            Body::None => request,
            Body::Json(value) => request.body(value.to_string()),
            Body::Form(text) => request.body(text.to_string()),
            Body::Text(_, text) => request.body(text),
        };
        let response = request.send().await.map_err(|e| broken(&host, &e))?;
        let status = response.status().as_u16();
        let headers: Vec<(String, String)> = response
            .headers()
            .iter()
            .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        let body = response.bytes().await.map_err(|e| match broken(&host, &e) {
            Broken::NotSent(f) | Broken::Never(f) | Broken::Lost(f) => Broken::Lost(f.status(status)),
        })?;
        let answer = Answer { status, headers, body: unpack(body.to_vec()) };
        // Graph and Exchange name it so.
        super::requests::note(answer.header("request-id"));
        Ok(answer)
    }

    /// A literal address never passes the resolver, and a port in the URL
    /// overrides the mapped one, so both are checked here.
    fn reachable(&self, url: &reqwest::Url) -> Result<()> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(443);
        let address = self.dialer.address(host, port)?;
        let mapped_elsewhere = address.is_some_and(|a| a.port() != port);
        if url.port().is_some() && mapped_elsewhere {
            return Err(Failure::new(Kind::Usage, format!("{host}:{port} can't be reached by HTTP behind a map"))
                .hint("map the host under port 443 and leave the port out"));
        }
        Ok(())
    }
}

impl Body {
    fn content_type(&self) -> Option<&'static str> {
        match self {
            Body::None => None,
            Body::Json(_) => Some("application/json; charset=utf-8"),
            Body::Form(_) => Some("application/x-www-form-urlencoded"),
            Body::Text(kind, _) => Some(kind),
        }
    }

    fn shown(&self) -> Value {
        match self {
            Body::None => Value::Null,
            Body::Json(value) => {
                let mut value = value.clone();
                tap::mask(&mut value);
                value
            }
            Body::Form(text) => tap::form(text),
            Body::Text(_, text) => Value::String(text.clone()),
        }
    }
}

/// Error replies sometimes carry `Content-Encoding: gzip` on a body that is not
/// gzip, and the other way round: the bytes decide.
fn unpack(body: Vec<u8>) -> Vec<u8> {
    if !body.starts_with(&[0x1f, 0x8b]) {
        return body;
    }
    let mut out = Vec::new();
    match flate2::read::GzDecoder::new(body.as_slice()).take(LARGEST).read_to_end(&mut out) {
        Ok(_) => out,
        Err(_) => body,
    }
}

fn broken(host: &str, error: &reqwest::Error) -> Broken {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return if failure.retryable { Broken::NotSent(failure.clone()) } else { Broken::Never(failure.clone()) };
        }
        let io = cause.downcast_ref::<std::io::Error>().and_then(tls::inside);
        if let Some(inner) = io.or_else(|| cause.downcast_ref::<rustls::Error>()) {
            // After the handshake a TLS error is just a broken connection.
            if error.is_connect() {
                return Broken::Never(tls::explain(host, inner));
            }
        }
        source = cause.source();
    }
    if error.is_connect() {
        // On one address the port alone tells a lab from the next.
        let port = error.url().and_then(|u| u.port()).map(|p| format!(":{p}")).unwrap_or_default();
        return Broken::NotSent(
            Failure::new(Kind::Unavailable, format!("{host}{port} takes no connection"))
                .hint("check the network and the firewalls in between")
                .detail(chain(error))
                .retryable(),
        );
    }
    if error.is_builder() {
        return Broken::Never(Failure::internal("a request can't be built").detail(chain(error)));
    }
    let (kind, message) = if error.is_timeout() {
        (Kind::Timeout, format!("{host} did not answer in time"))
    } else {
        (Kind::Unavailable, format!("the connection to {host} broke before the answer was read"))
    };
    Broken::Lost(Failure::new(kind, message).hint("try again in a while").detail(chain(error)).retryable())
}

/// An error with everything below it.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Whether a token for `home` may travel to `url`: over TLS, to the same host or
/// one below the given suffixes.
pub fn may_follow(url: &str, home: &str, suffixes: &[String]) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let Some(host) = url.host_str() else { return false };
    let own =
        host.eq_ignore_ascii_case(home) || suffixes.iter().any(|s| host.to_lowercase().ends_with(&format!(".{s}")));
    url.scheme() == "https" && matches!(url.port(), None | Some(443)) && own
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_bytes_decide_what_is_packed() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(b"{\"a\":1}").expect("memory takes bytes");
        let packed = packer.finish().expect("memory takes bytes");
        assert_eq!(unpack(packed.clone()), b"{\"a\":1}");
        assert_eq!(unpack(b"{\"a\":1}".to_vec()), b"{\"a\":1}");
        let torn = packed.get(..12).expect("longer than that").to_vec();
        assert_eq!(unpack(torn.clone()), torn);
    }

    #[test]
    fn a_token_stays_with_its_service() {
        let suffixes = vec!["office365.com".to_owned()];
        let home = "outlook.office365.com";
        assert!(may_follow("https://outlook.office365.com/adminapi?x=1", home, &suffixes));
        assert!(may_follow("https://eurprd01.outlook.office365.com/adminapi", home, &suffixes));
        for bad in [
            "http://outlook.office365.com/",
            "https://office365.com.evil.example/",
            "https://eviloffice365.com/",
            "https://outlook.office365.com:8443/",
            "https://graph.microsoft.com/",
            "nonsense",
        ] {
            assert!(!may_follow(bad, home, &suffixes), "{bad}");
        }
    }
}
