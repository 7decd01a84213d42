//! Exchange Online's InvokeCommand: one cmdlet, one POST.
//!
//! Undocumented as an API, and the only way to migration batches (reference:
//! admin API, 0). Reads are asked again as often as it helps; writes only when
//! the service certainly refused, and everything else about them comes back as
//! `in_doubt` for whoever can read the object back. Credentials are sealed
//! under the key that the service itself hands out.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::entra::Entra;
use super::http::{Answer, Body, Call, Http, may_follow};
use super::ids::Ids;
use super::module;
use super::retry::{Class, Patience, Trouble, Verb, Verdict, verdict};
use crate::base::{Clock, Failure, Kind, Result, Secret};
use crate::wire::invoke::{self, Param, Params, XmlKey};
use crate::wire::profile::Profile;

const SERVICE: &str = "exchange";
/// The service itself gives a cmdlet 15 minutes; Microsoft's module waits 960 s.
const LIMIT: Duration = Duration::from_secs(960);
/// The arbitration mailbox that app-only calls are routed by; the same in all
/// tenants.
const ANCHOR: &str = "SystemMailbox{bb558c35-97f1-4cb9-8ff7-d53741dc928c}";
/// Rows of one page; the service's own largest.
const PAGE: u32 = 1000;
/// A guard against a service that never ends.
const MOST_PAGES: usize = 10_000;
const MOST_REDIRECTS: usize = 3;
/// Sealed values that are remembered, so that they can be sealed again.
const REMEMBERED: usize = 16;

/// What a cmdlet answered.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// One object for each row, without annotations.
    pub rows: Vec<Value>,
    /// The service's warnings.
    pub warnings: Vec<String>,
    /// For support.
    pub request_id: String,
}

/// The client of one tenant.
#[derive(Clone)]
pub struct Exchange(Arc<Inner>);

struct Inner {
    http: Http,
    entra: Entra,
    clock: Clock,
    ids: Ids,
    host: String,
    suffixes: Vec<String>,
    tenant: String,
    module: Mutex<Option<module::Module>>,
    sealed: Mutex<VecDeque<Remembered>>,
}

struct Remembered {
    sealed: String,
    user: String,
    password: Secret,
    key: XmlKey,
}

/// One invocation while it goes on.
struct Invocation<'a> {
    cmdlet: &'a str,
    body: Value,
    verb: Verb,
    id: String,
    target: String,
}

impl Exchange {
    pub(super) fn new(http: Http, entra: Entra, ids: Ids, profile: &Profile, clock: Clock) -> Exchange {
        let host = profile.cloud.exchange.clone();
        // A regional host of the same service lies below its parent domain.
        let mut suffixes: Vec<String> =
            host.split_once('.').map(|(_, parent)| parent.to_lowercase()).into_iter().collect();
        if host.eq_ignore_ascii_case("outlook.office365.com") {
            suffixes.push("outlook.com".into());
        }
        Exchange(Arc::new(Inner {
            http,
            entra,
            clock,
            ids,
            host,
            suffixes,
            tenant: profile.tenant.id.clone(),
            module: Mutex::default(),
            sealed: Mutex::default(),
        }))
    }

    /// Whether a cmdlet only reads: `Get-`, `Test-` and `Search-` do, everything
    /// else may change something.
    pub fn is_read(cmdlet: &str) -> bool {
        let verb = cmdlet.split_once('-').map_or("", |(verb, _)| verb);
        ["get", "test", "search"].iter().any(|v| verb.eq_ignore_ascii_case(v))
    }

    /// Runs a cmdlet and follows its pages. A write is sent with
    /// `Confirm: false` unless `Confirm` is given: without it the service may
    /// answer with a question and do nothing.
    ///
    /// # Errors
    /// `not_found`, `conflict` (exists already), `auth`, `refused` with the
    /// service's sentence, `throttled`, `unavailable`; `in_doubt` for a write
    /// whose answer was lost.
    pub async fn invoke(&self, cmdlet: &str, params: Params) -> Result<Reply> {
        match self.attempt(cmdlet, &params).await {
            Err(failure) if is_credential_failure(&failure) => match self.reseal(&params).await? {
                Some(fresh) => self.attempt(cmdlet, &fresh).await,
                None => Err(failure),
            },
            other => other,
        }
    }

    /// A credential as the service takes it: sealed under its own key, which is
    /// fetched once for a session.
    ///
    /// # Errors
    /// `validation` if user and password are too long together; those of
    /// fetching the key.
    pub async fn credential(&self, user: &str, password: &Secret) -> Result<Param> {
        module::check_length(user, password)?;
        let key = self.module().await?.key;
        self.seal(user, password, key)
    }

    /// The cmdlets that the application's roles allow, in lower case.
    ///
    /// # Errors
    /// Those of fetching the service's module.
    pub async fn allowed_cmdlets(&self) -> Result<BTreeSet<String>> {
        Ok(self.module().await?.cmdlets)
    }

    async fn attempt(&self, cmdlet: &str, params: &Params) -> Result<Reply> {
        let verb = if Self::is_read(cmdlet) { Verb::Read } else { Verb::Write };
        let mut body = invoke::request_body(cmdlet, params);
        if verb == Verb::Write && !params.iter().any(|(name, _)| name.eq_ignore_ascii_case("confirm")) {
            body["CmdletInput"]["Parameters"]["Confirm"] = Value::Bool(false);
        }
        let target = ["Identity", "Name", "BatchId", "EmailAddress"]
            .iter()
            .find_map(|name| params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)))
            .and_then(|(_, value)| if let Param::Text(text) = value { Some(text.clone()) } else { None })
            .unwrap_or_default();
        let call = Invocation { cmdlet, body, verb, id: self.0.ids.next().to_string(), target };
        let first = format!("https://{}/adminapi/beta/{}/InvokeCommand", self.0.host, self.0.tenant);
        let mut reply = Reply::default();
        let mut seen = BTreeSet::new();
        let mut url = first;
        loop {
            seen.insert(url.clone());
            let answer = self.page(&call, &url).await.map_err(|f| name(f, cmdlet, &call.target))?;
            reply.request_id = answer.request_id;
            reply.rows.extend(answer.rows);
            reply.warnings.extend(answer.warnings);
            let Some(next) = answer.next.filter(|_| verb == Verb::Read) else { return Ok(reply) };
            let wrong = if !may_follow(&next, &self.0.host, &self.0.suffixes) {
                Some("the link to the next page leads to another service")
            } else if seen.contains(&next) {
                Some("the link to the next page leads back to a page that was read already")
            } else if seen.len() >= MOST_PAGES {
                Some("there is no end of pages")
            } else {
                None
            };
            if let Some(wrong) = wrong {
                let failure = Failure::new(Kind::Protocol, format!("{cmdlet} can't be read to its end: {wrong}"))
                    .hint("ask for less with a filter, and report it with the request id")
                    .detail(format!("{next} (request {})", reply.request_id));
                return Err(name(failure, cmdlet, &call.target));
            }
            url = next;
        }
    }

    /// One page, with retries.
    async fn page(&self, call: &Invocation<'_>, url: &str) -> Result<Page> {
        let mut patience = Patience::new(format!("{} {}", call.cmdlet, call.target));
        let mut renewed = false;
        loop {
            // A token for each request: long pages and watches never carry a stale one.
            let token = self.0.entra.token(&self.0.host).await?;
            let trouble = match self.post(call, url, &token).await {
                Ok(page) => return Ok(page),
                Err(trouble) => trouble,
            };
            if trouble.class == Class::Expired && !renewed {
                renewed = true;
                self.0.entra.forget(&self.0.host, &token, trouble.claims).await;
                continue;
            }
            if verdict(call.verb, trouble.class) != Verdict::Again {
                return Err(trouble.settle(call.verb));
            }
            patience.again(&self.0.clock, name(trouble.failure, call.cmdlet, &call.target)).await?;
        }
    }

    async fn post(&self, call: &Invocation<'_>, url: &str, token: &Secret) -> Result<Page, Trouble> {
        let inner = &self.0;
        let mut url = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let request = Call {
                service: SERVICE,
                method: "POST",
                url: &url,
                headers: vec![
                    ("Authorization", format!("Bearer {}", token.expose())),
                    ("Accept", "application/json".into()),
                    ("Accept-Charset", "UTF-8".into()),
                    ("Accept-Encoding", "gzip".into()),
                    // Error texts are localised by it.
                    ("Accept-Language", "en-US".into()),
                    ("X-CmdletName", call.cmdlet.to_owned()),
                    ("X-ResponseFormat", "json".into()),
                    ("X-ClientApplication", "stagepost".into()),
                    ("X-AnchorMailbox", format!("APP:{ANCHOR}@{}", inner.tenant)),
                    ("Prefer", format!("odata.maxpagesize={PAGE}")),
                    ("client-request-id", call.id.clone()),
                ],
                body: Body::Json(call.body.clone()),
                limit: LIMIT,
            };
            let answer = inner.http.exchange(request).await?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return self.read(call, &answer);
            }
            url = self.redirected(&answer)?;
        }
        Err(Trouble::new(Class::Refused, Failure::new(Kind::Protocol, "the service redirects in circles").status(302)))
    }

    fn redirected(&self, answer: &Answer) -> Result<String, Trouble> {
        // Back ends name their own port, which the outside does not reach.
        let to = answer.header("location").replacen(":446/", "/", 1);
        if may_follow(&to, &self.0.host, &self.0.suffixes) {
            return Ok(to);
        }
        Err(Trouble::new(
            Class::Refused,
            Failure::new(Kind::Protocol, "the service redirects to a host that the token must not reach")
                .hint("check that no proxy intercepts the connection, and the hosts of the cloud in the profile")
                .status(answer.status)
                .detail(to),
        ))
    }

    fn read(&self, call: &Invocation<'_>, answer: &Answer) -> Result<Page, Trouble> {
        let request_id = [answer.header("request-id"), answer.header("client-request-id"), &call.id]
            .into_iter()
            .find(|id| !id.is_empty())
            .unwrap_or_default()
            .to_owned();
        let body = answer.json();
        let Some(body) = body.filter(|_| answer.is_success()) else {
            return Err(refusal(answer, &request_id, self.0.clock.now()));
        };
        if !invoke::get(&body, "@adminapi.confirmationmessage").is_null() {
            return Err(Trouble::new(
                Class::Refused,
                Failure::new(Kind::Refused, format!("{} asks for a confirmation and did nothing", call.cmdlet))
                    .hint("send `Confirm: false`")
                    .detail(invoke::text_of(invoke::get(&body, "@adminapi.confirmationmessage"))),
            ));
        }
        let lines = |name: &str| -> Vec<String> {
            let items = invoke::get(&body, name).as_array().cloned().unwrap_or_default();
            items.iter().map(line_of).filter(|l| !l.is_empty()).collect()
        };
        // A 200 can still carry failure: handled exceptions that the module reports as errors.
        let errors = lines("@adminapi.errors");
        if let Some(first) = errors.first() {
            let wrapped = serde_json::json!({"error": {"details": [{"message": first}]}});
            let failure = spoken(&invoke::error_of(&wrapped), answer.status)
                .detail(format!("request {request_id}: {}", errors.join("; ")));
            return Err(Trouble::new(Class::Refused, failure));
        }
        let next = invoke::get(&body, "@odata.nextLink").as_str().map(str::to_owned);
        let mut warnings = lines("@adminapi.warnings");
        if next.is_some() {
            // While paging, the remark that there is more is only noise.
            warnings.retain(|w| !w.to_lowercase().contains("more results"));
        }
        Ok(Page { rows: invoke::rows(&body), warnings, next, request_id })
    }

    async fn module(&self) -> Result<module::Module> {
        let known = self.0.module.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(module) => Ok(module),
            None => self.fetch_module().await,
        }
    }

    async fn fetch_module(&self) -> Result<module::Module> {
        let inner = &self.0;
        let url =
            format!("https://{}/adminapi/v1.0/{}/EXOModuleFile?Version={}", inner.host, inner.tenant, module::VERSION);
        let id = inner.ids.next().to_string();
        let mut patience = Patience::new("EXOModuleFile");
        let mut renewed = false;
        loop {
            let token = inner.entra.token(&inner.host).await?;
            let call = Call {
                service: SERVICE,
                method: "GET",
                url: &url,
                headers: vec![
                    ("Authorization", format!("Bearer {}", token.expose())),
                    ("Accept", "application/json".into()),
                    ("Accept-Encoding", "gzip".into()),
                    ("Accept-Language", "en-US".into()),
                    ("CommandName", "*".into()),
                    ("X-ClientApplication", "stagepost".into()),
                    ("X-AnchorMailbox", format!("APP:{ANCHOR}@{}", inner.tenant)),
                    ("client-request-id", id.clone()),
                ],
                body: Body::None,
                limit: Duration::from_secs(120),
            };
            let answer = inner.http.exchange(call).await.map_err(Trouble::from);
            let trouble = match answer {
                Ok(answer) if answer.is_success() => match answer.json().and_then(|body| module::Module::read(&body)) {
                    Some(module) => {
                        *inner.module.lock().unwrap_or_else(PoisonError::into_inner) = Some(module.clone());
                        return Ok(module);
                    }
                    None => Trouble::new(
                        Class::Refused,
                        Failure::new(Kind::Protocol, "Exchange Online handed out no key to seal credentials with")
                            .hint("create the endpoint in the admin centre and refer to it by name"),
                    ),
                },
                Ok(answer) => refusal(&answer, &id, inner.clock.now()),
                Err(trouble) => trouble,
            };
            if trouble.class == Class::Expired && !renewed {
                renewed = true;
                inner.entra.forget(&inner.host, &token, trouble.claims).await;
                continue;
            }
            let failure = trouble.failure.during(SERVICE, "EXOModuleFile");
            if verdict(Verb::Read, trouble.class) != Verdict::Again {
                return Err(failure);
            }
            patience.again(&inner.clock, failure).await?;
        }
    }

    fn seal(&self, user: &str, password: &Secret, key: XmlKey) -> Result<Param> {
        let sealed = module::seal(user, password, &key)?;
        let mut kept = self.0.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= REMEMBERED {
            kept.pop_front();
        }
        kept.push_back(Remembered { sealed: sealed.clone(), user: user.to_owned(), password: password.clone(), key });
        Ok(Param::Sealed(sealed))
    }

    /// The same parameters under a newly fetched key; `None` if the key is the
    /// old one or nothing was sealed here.
    async fn reseal(&self, params: &Params) -> Result<Option<Params>> {
        let known: Vec<(usize, String, Secret, XmlKey)> = {
            let kept = self.0.sealed.lock().unwrap_or_else(PoisonError::into_inner);
            params
                .iter()
                .enumerate()
                .filter_map(|(i, (_, value))| {
                    let Param::Sealed(text) = value else { return None };
                    let known = kept.iter().find(|r| r.sealed == *text)?;
                    Some((i, known.user.clone(), known.password.clone(), known.key.clone()))
                })
                .collect()
        };
        if known.is_empty() {
            return Ok(None);
        }
        let key = self.fetch_module().await?.key;
        if known.iter().all(|(_, _, _, old)| *old == key) {
            return Ok(None);
        }
        let mut fresh = params.clone();
        for (index, user, password, _) in known {
            if let Some((_, value)) = fresh.get_mut(index) {
                *value = self.seal(&user, &password, key.clone())?;
            }
        }
        Ok(Some(fresh))
    }
}

struct Page {
    rows: Vec<Value>,
    warnings: Vec<String>,
    next: Option<String>,
    request_id: String,
}

fn name(failure: Failure, cmdlet: &str, target: &str) -> Failure {
    let failure = failure.during(SERVICE, cmdlet);
    if target.is_empty() { failure } else { failure.on(target) }
}

fn line_of(item: &Value) -> String {
    match item {
        Value::String(text) => text.clone(),
        Value::Object(_) => item.to_string(),
        other => invoke::text_of(other),
    }
}

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
fn refusal(answer: &Answer, request_id: &str, now: jiff::Timestamp) -> Trouble {
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
fn spoken(error: &invoke::CmdletError, status: u16) -> Failure {
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
fn is_credential_failure(failure: &Failure) -> bool {
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
    fn only_three_verbs_read() {
        for cmdlet in ["Get-MigrationBatch", "test-MigrationServerAvailability", "Search-UnifiedAuditLog"] {
            assert!(Exchange::is_read(cmdlet), "{cmdlet}");
        }
        for cmdlet in ["New-MigrationBatch", "Getaway-Car", "Export-X", "Get", "Nonsense"] {
            assert!(!Exchange::is_read(cmdlet), "{cmdlet}");
        }
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
