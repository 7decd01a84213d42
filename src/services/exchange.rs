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
use super::exchange_errors::{is_credential_failure, refusal, spoken};
use super::http::{Answer, Body, Call, Http, may_follow};
use super::ids::Ids;
use super::module;
use super::retry::{Class, Patience, Trouble, Verb, Verdict, verdict};
use crate::base::plant::{self, Plant};
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
        self.invoke_for(cmdlet, params, &[]).await
    }

    /// As [`Exchange::invoke`], answering only these properties of each row (all of
    /// them if none is named): a list of twenty thousand is many times smaller so.
    ///
    /// # Errors
    /// As [`Exchange::invoke`].
    pub async fn invoke_for(&self, cmdlet: &str, params: Params, properties: &[&str]) -> Result<Reply> {
        match self.attempt(cmdlet, &params, properties).await {
            Err(failure) if is_credential_failure(&failure) => match self.reseal(&params).await? {
                Some(fresh) => self.attempt(cmdlet, &fresh, properties).await,
                None => Err(failure),
            },
            other => other,
        }
    }

    /// One page of a cmdlet that reads, and the link to the next: for whoever keeps
    /// what was read so far. `from` is a link that an earlier page gave.
    ///
    /// # Errors
    /// As [`Exchange::invoke`]; `usage` for a cmdlet that writes, `protocol` for a
    /// link that leads elsewhere.
    pub async fn page_of(
        &self,
        cmdlet: &str,
        params: &Params,
        properties: &[&str],
        from: Option<&str>,
    ) -> Result<(Vec<Value>, Option<String>)> {
        if !Self::is_read(cmdlet) {
            return Err(Failure::new(Kind::Usage, format!("{cmdlet} writes, and is not read in pages")));
        }
        let url = match from {
            None => self.first(properties),
            Some(link) if may_follow(link, &self.0.host, &self.0.suffixes) => link.to_owned(),
            Some(link) => {
                let failure = Failure::new(Kind::Protocol, "the link to the next page leads to another service");
                return Err(name(failure.detail(link), cmdlet, ""));
            }
        };
        let body = invoke::request_body(cmdlet, params);
        let call =
            Invocation { cmdlet, body, verb: Verb::Read, id: self.0.ids.next().to_string(), target: String::new() };
        let page = self.page(&call, &url).await.map_err(|f| name(f, cmdlet, ""))?;
        Ok((page.rows, page.next))
    }

    /// Where an invocation is sent first.
    fn first(&self, properties: &[&str]) -> String {
        let url = format!("https://{}/adminapi/beta/{}/InvokeCommand", self.0.host, self.0.tenant);
        if properties.is_empty() { url } else { format!("{url}?$select={}", properties.join(",")) }
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

    async fn attempt(&self, cmdlet: &str, params: &Params, properties: &[&str]) -> Result<Reply> {
        let verb = if Self::is_read(cmdlet) { Verb::Read } else { Verb::Write };
        let mut body = invoke::request_body(cmdlet, params);
        #[cfg(test)]
        planted(&mut body, params);
        if verb == Verb::Write
            && !plant::is(Plant::ConfirmLeftOut)
            && !params.iter().any(|(name, _)| name.eq_ignore_ascii_case("confirm"))
        {
            body["CmdletInput"]["Parameters"]["Confirm"] = Value::Bool(false);
        }
        let target = ["Identity", "Name", "BatchId", "EmailAddress"]
            .iter()
            .find_map(|name| params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)))
            .and_then(|(_, value)| if let Param::Text(text) = value { Some(text.clone()) } else { None })
            .unwrap_or_default();
        let call = Invocation { cmdlet, body, verb, id: self.0.ids.next().to_string(), target };
        let mut reply = Reply::default();
        let mut seen = BTreeSet::new();
        let mut url = self.first(properties);
        loop {
            seen.insert(url.clone());
            let answer = self.page(&call, &url).await.map_err(|f| name(f, cmdlet, &call.target))?;
            reply.request_id = answer.request_id;
            reply.rows.extend(answer.rows);
            reply.warnings.extend(answer.warnings);
            let follows = verb == Verb::Read && !plant::is(Plant::FirstPageOfCmdlets);
            let Some(next) = answer.next.filter(|_| follows) else { return Ok(reply) };
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
                method: if plant::is(Plant::NextPageByGet) && url.contains("skiptoken") { "GET" } else { "POST" },
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
                    ("Prefer", format!("odata.maxpagesize={}", plant::page(PAGE))),
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

/// Puts the mistake into a body that a test has planted.
#[cfg(test)]
fn planted(body: &mut Value, params: &Params) {
    let given = &mut body["CmdletInput"]["Parameters"];
    for (name, value) in params {
        match value {
            Param::Bytes(bytes) if plant::is(Plant::CsvAsBase64) => {
                given[name] = crate::wire::guid::base64(bytes).into()
            }
            Param::Bool(_) if name == "Confirm" && plant::is(Plant::ConfirmLeftOut) => {
                given.as_object_mut().map(|map| map.shift_remove(name));
            }
            _ => {}
        }
    }
}

fn line_of(item: &Value) -> String {
    match item {
        Value::String(text) => text.clone(),
        Value::Object(_) => item.to_string(),
        other => invoke::text_of(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_verbs_read() {
        for cmdlet in ["Get-MigrationBatch", "test-MigrationServerAvailability", "Search-UnifiedAuditLog"] {
            assert!(Exchange::is_read(cmdlet), "{cmdlet}");
        }
        for cmdlet in ["New-MigrationBatch", "Getaway-Car", "Export-X", "Get", "Nonsense"] {
            assert!(!Exchange::is_read(cmdlet), "{cmdlet}");
        }
    }
}
