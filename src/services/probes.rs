//! Looking at the old organization from outside, as an Outlook would.
//!
//! Autodiscover says where a person's mailbox is; the RPC proxy's echo says
//! whether Outlook Anywhere is alive. Both only look. Nothing follows a
//! redirect with credentials: where one leads is part of the answer.

use std::sync::Arc;
use std::time::Duration;

use super::http::{Answer, Body, Call, Http};
use super::retry::{Class, Patience, Trouble, Verb, Verdict, verdict};
use crate::base::{Clock, Failure, Kind, Result, Secret};
use crate::wire::autodiscover;
use crate::wire::guid::base64;
use crate::wire::profile::{Profile, Source};
use crate::wire::rpc;

const LIMIT: Duration = Duration::from_secs(60);
/// Attempts of a probe: enough for a passing trouble, few enough for a check.
const TRIES: u32 = 3;

/// What stands behind the published name of the RPC proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RpcProbe {
    /// Sign-in schemes it offers: `Basic`, `NTLM`, …
    pub schemes: Vec<String>,
    /// Whether the echo came back (MS-RPCH).
    pub alive: bool,
    /// HTTP status of the last answer.
    pub status: u16,
    /// What that means, for people.
    pub detail: String,
}

/// The probing client.
#[derive(Clone)]
pub struct Probes(Arc<Inner>);

struct Inner {
    http: Http,
    clock: Clock,
    source: Source,
    password: Secret,
}

impl Probes {
    pub(super) fn new(http: Http, profile: &Profile, password: Secret, clock: Clock) -> Probes {
        Probes(Arc::new(Inner { http, clock, source: profile.source.clone(), password }))
    }

    /// What Autodiscover on `host` says about an address. Without credentials
    /// those of the migration account are used.
    ///
    /// # Errors
    /// `auth` if it does not accept the sign-in, `not_found` if there is no
    /// Autodiscover on the host, `unavailable`, `protocol`.
    pub async fn autodiscover(
        &self,
        host: &str,
        address: &str,
        credentials: Option<(&str, &Secret)>,
    ) -> Result<autodiscover::Answer> {
        let inner = &self.0;
        let (user, password) = credentials.unwrap_or((&inner.source.account, &inner.password));
        let url = format!("https://{host}{}", autodiscover::PATH);
        let headers = vec![("Authorization", basic(user, password)), ("Accept-Encoding", "identity".to_owned())];
        let answer = self
            .ask("autodiscover", "POST", &url, headers, || {
                Body::Text("text/xml; charset=utf-8", autodiscover::request(address))
            })
            .await
            .map_err(|f| f.during("autodiscover", "POST").on(address))?;
        read_autodiscover(host, &answer).map_err(|f| f.during("autodiscover", "POST").on(address))
    }

    /// Whether Outlook Anywhere is alive behind the name in the profile: first
    /// without credentials, for the schemes, then the echo.
    ///
    /// # Errors
    /// `unavailable` if the name or its certificate can't be reached at all;
    /// everything that answers is an answer.
    pub async fn rpc_proxy(&self) -> Result<RpcProbe> {
        let source = &self.0.source;
        let named = |failure: Failure| failure.during("rpc", "RPC_IN_DATA").on(&source.rpc_proxy);
        let url = format!("https://{}{}?{}:{}", source.rpc_proxy, rpc::PATH, source.exchange_server, rpc::STORE_PORT);
        let bare = vec![("Accept-Encoding", "identity".to_owned())];
        let first = self.ask("rpc", "GET", &url, bare, || Body::None).await.map_err(named)?;
        let schemes = schemes_of(&first);
        if first.status == 404 {
            let detail = "Outlook Anywhere is not installed behind this name".into();
            return Ok(RpcProbe { schemes, alive: false, status: 404, detail });
        }
        if !schemes.is_empty() && !schemes.iter().any(|s| s.eq_ignore_ascii_case("basic")) {
            let detail = format!(
                "the proxy offers {} only; the echo needs Basic, and so do staged endpoints (KB2389390)",
                schemes.join(", ")
            );
            return Ok(RpcProbe { schemes, alive: false, status: first.status, detail });
        }
        let headers = vec![
            ("Authorization", basic(&source.account, &self.0.password)),
            ("Accept", "application/rpc".to_owned()),
            ("Accept-Encoding", "identity".to_owned()),
            ("Cache-Control", "no-cache".to_owned()),
            ("Content-Length", "0".to_owned()),
        ];
        let answer = self.ask("rpc", "RPC_IN_DATA", &url, headers, || Body::None).await.map_err(named)?;
        let alive = answer.status == 200
            && answer.header("content-type").to_ascii_lowercase().starts_with("application/rpc")
            && rpc::is_echo(&answer.body);
        let detail = match answer.status {
            200 if alive => "the proxy echoes".to_owned(),
            200 => "something answers in the proxy's place; look at firewalls and publishing rules".to_owned(),
            401 => {
                "the migration account is not let in; if its password is right, look at the proxy's list of valid ports"
                    .to_owned()
            }
            403 => "the proxy refuses; look at its TLS and client certificate settings".to_owned(),
            404 => "Outlook Anywhere is not installed behind this name".to_owned(),
            503 => format!("the proxy can't reach the mailbox server: {}", answer.text().trim()),
            status => format!("the proxy answers with status {status}"),
        };
        Ok(RpcProbe { schemes, alive, status: answer.status, detail })
    }

    /// One exchange, again if no answer came or the server was busy.
    async fn ask(
        &self,
        service: &'static str,
        method: &str,
        url: &str,
        headers: Vec<(&'static str, String)>,
        body: impl Fn() -> Body,
    ) -> Result<Answer> {
        let mut patience = Patience::new(format!("{method} {url}")).tries(TRIES);
        loop {
            let call = Call { service, method, url, headers: headers.clone(), body: body(), limit: LIMIT };
            let trouble = match self.0.http.exchange(call).await {
                Ok(answer) if answer.status == 429 => throttled(&answer, self.0.clock.now()),
                Ok(answer) => return Ok(answer),
                Err(broken) => broken.into(),
            };
            if verdict(Verb::Read, trouble.class) != Verdict::Again {
                return Err(trouble.failure);
            }
            patience.again(&self.0.clock, trouble.failure).await?;
        }
    }
}

fn throttled(answer: &Answer, now: jiff::Timestamp) -> Trouble {
    let mut failure = Failure::new(Kind::Throttled, "the server asks to slow down")
        .hint("try again in a while")
        .status(429)
        .retryable();
    if let Some(wait) = answer.retry_after(now) {
        failure = failure.retry_after(wait);
    }
    Trouble::new(Class::Throttled, failure)
}

fn read_autodiscover(host: &str, answer: &Answer) -> Result<autodiscover::Answer> {
    let status = answer.status;
    match status {
        200..=299 => autodiscover::parse(&answer.text()).ok_or_else(|| {
            Failure::new(Kind::Protocol, format!("{host} answers, but not as Autodiscover"))
                .hint("check what is published under that name; a web site often answers in its place")
                .status(status)
        }),
        301 | 302 | 307 | 308 if !answer.header("location").is_empty() => {
            Ok(autodiscover::Answer::RedirectUrl(answer.header("location").to_owned()))
        }
        401 | 403 => Err(Failure::new(Kind::Auth, format!("Autodiscover on {host} does not accept the sign-in"))
            .hint("check the account, and that Basic is among the schemes it offers")
            .status(status)
            .detail(schemes_of(answer).join(", "))),
        404 => Err(Failure::new(Kind::NotFound, format!("there is no Autodiscover on {host}"))
            .hint("Exchange 2003 has none; otherwise check the publishing rules")
            .status(status)),
        _ => Err(Failure::new(Kind::Unavailable, format!("Autodiscover on {host} failed with status {status}"))
            .hint("look at the server's event log")
            .status(status)
            .retryable()),
    }
}

/// The schemes of all `WWW-Authenticate` headers, each once.
fn schemes_of(answer: &Answer) -> Vec<String> {
    let mut schemes: Vec<String> = Vec::new();
    for value in answer.all("www-authenticate") {
        let scheme = value.split([' ', ',']).next().unwrap_or_default().to_owned();
        if !scheme.is_empty() && !schemes.contains(&scheme) {
            schemes.push(scheme);
        }
    }
    schemes
}

fn basic(user: &str, password: &Secret) -> String {
    let pair = zeroize::Zeroizing::new(format!("{user}:{}", password.expose()));
    format!("Basic {}", base64(pair.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Answer { status, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_redirect_is_an_answer_and_a_web_site_is_none() {
        let moved = answer(302, &[("location", "https://x/autodiscover.xml")], "");
        assert_eq!(
            read_autodiscover("h", &moved).ok(),
            Some(autodiscover::Answer::RedirectUrl("https://x/autodiscover.xml".into()))
        );
        assert_eq!(
            read_autodiscover("h", &answer(200, &[], "<html>hello</html>")).map_err(|f| f.kind),
            Err(Kind::Protocol)
        );
        assert_eq!(read_autodiscover("h", &answer(401, &[], "")).map_err(|f| f.kind), Err(Kind::Auth));
        assert_eq!(read_autodiscover("h", &answer(404, &[], "")).map_err(|f| f.kind), Err(Kind::NotFound));
    }

    #[test]
    fn schemes_are_listed_once() {
        let both = answer(
            401,
            &[("www-authenticate", "Basic realm=\"x\""), ("WWW-Authenticate", "NTLM"), ("www-authenticate", "NTLM")],
            "",
        );
        assert_eq!(schemes_of(&both), ["Basic", "NTLM"]);
    }
}
