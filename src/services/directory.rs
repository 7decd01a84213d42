//! Active Directory over LDAPS: one domain controller, one connection, many
//! operations at once.
//!
//! Searches are paged, ranges are followed and references to other naming
//! contexts dropped, so that a search answers with whole objects of this
//! directory and nothing else. A modify is one transaction; if its answer is
//! lost it is in doubt, never repeated. After one wrong password nothing more is
//! tried: the account would be locked out.

use std::sync::Arc;
use std::time::Duration;

use ldap3::adapters::{Adapter, PagedResults};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, StdStream};
use serde_json::{Value, json};
use tokio::sync::Mutex;

pub use ldap3::Scope;

use super::dialer::Dialer;
use super::ldap_codes::{explained, is_busy};
use super::ldap_entry::{entry_of, next_range, shown, shown_mod, single_values};
use super::retry::{Patience, in_doubt};
use super::tap::Listener;
use crate::base::crash::{self, Fate};
use crate::base::plant::{self, Plant};
use crate::base::{Clock, Failure, Kind, Result, Secret};
use crate::wire::attributes::{Entry, Mod, result};
use crate::wire::log::{Exchange, MASK};
use crate::wire::profile::Profile;

const SERVICE: &str = "ldap";
/// The control that asks for pages (RFC 2696).
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// The largest page that Active Directory gives.
const PAGE: u32 = 1000;
const SEARCH_LIMIT: Duration = Duration::from_secs(120);
const MODIFY_LIMIT: Duration = Duration::from_secs(60);

/// The client of one domain controller.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    dialer: Dialer,
    clock: Clock,
    tap: Listener,
    host: String,
    port: u16,
    bind: String,
    password: Secret,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ldap: Option<Ldap>,
    /// A refused sign-in, for good.
    refused: Option<Failure>,
    root: Option<Entry>,
}

/// How an operation on the wire can end without a result.
enum Gone {
    /// The connection was closed before the request was written.
    NotSent(Failure),
    /// The request may have arrived.
    Lost(Failure),
}

impl Directory {
    pub(super) fn new(dialer: &Dialer, profile: &Profile, password: Secret, clock: Clock, tap: Listener) -> Directory {
        Directory(Arc::new(Inner {
            dialer: dialer.clone(),
            clock,
            tap,
            host: profile.directory.host.clone(),
            port: profile.directory.port,
            bind: profile.directory.bind.clone(),
            password,
            state: Mutex::default(),
        }))
    }

    /// The root DSE: what this server is and which contexts it holds. Read once.
    ///
    /// # Errors
    /// As [`Directory::search`].
    pub async fn root(&self) -> Result<Entry> {
        if let Some(root) = &self.0.state.lock().await.root {
            return Ok(root.clone());
        }
        let attrs = [
            "defaultNamingContext",
            "configurationNamingContext",
            "schemaNamingContext",
            "rootDomainNamingContext",
            "dnsHostName",
            "serverName",
            "isGlobalCatalogReady",
            "domainControllerFunctionality",
            "supportedControl",
            "highestCommittedUSN",
        ];
        let found = self.rows("", Scope::Base, "(objectClass=*)", &attrs, None).await?;
        let root = found.into_iter().next().ok_or_else(|| {
            Failure::new(Kind::Protocol, format!("{} does not say what it is", self.0.host))
                .hint("check that the profile names a domain controller")
                .during(SERVICE, "search")
        })?;
        self.0.state.lock().await.root = Some(root.clone());
        Ok(root)
    }

    /// Name of the domain's naming context.
    ///
    /// # Errors
    /// As [`Directory::root`].
    pub async fn base(&self) -> Result<String> {
        self.context("defaultNamingContext").await
    }

    /// Name of the forest's configuration context.
    ///
    /// # Errors
    /// As [`Directory::root`].
    pub async fn configuration(&self) -> Result<String> {
        self.context("configurationNamingContext").await
    }

    async fn context(&self, attribute: &str) -> Result<String> {
        self.root().await?.text(attribute).ok_or_else(|| {
            Failure::new(Kind::Protocol, format!("{} names no {attribute}", self.0.host))
                .hint("check that the profile names a domain controller")
                .during(SERVICE, "search")
        })
    }

    /// All objects that a filter finds, whole values included. No attributes
    /// asked for means all of them.
    ///
    /// # Errors
    /// `not_found` if the base is not there, `auth`, `validation` for a filter
    /// that does not parse, `unavailable`.
    pub async fn search(&self, base: &str, scope: Scope, filter: &str, attrs: &[&str]) -> Result<Vec<Entry>> {
        self.search_told(base, scope, filter, attrs, &|_| {}).await
    }

    /// As [`Directory::search`], saying after each page how many objects came so
    /// far. A lost connection begins the search again, and the number with it.
    ///
    /// # Errors
    /// As [`Directory::search`].
    pub async fn search_told(
        &self,
        base: &str,
        scope: Scope,
        filter: &str,
        attrs: &[&str],
        told: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<Entry>> {
        ldap3::parse_filter(filter).map_err(|()| {
            Failure::new(Kind::Validation, format!("`{filter}` is no search filter"))
                .hint("check the brackets, and escape * ( ) and \\ in values")
                .during(SERVICE, "search")
        })?;
        let mut entries = self.rows(base, scope, filter, attrs, Some(told)).await?;
        for entry in &mut entries {
            self.follow_ranges(entry).await?;
        }
        Ok(entries)
    }

    /// One object with all its attributes; `None` if it is not there.
    ///
    /// # Errors
    /// As [`Directory::search`].
    pub async fn read(&self, dn: &str) -> Result<Option<Entry>> {
        match self.search(dn, Scope::Base, "(objectClass=*)", &[]).await {
            Ok(entries) => Ok(entries.into_iter().next()),
            Err(failure) if failure.kind == Kind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// One modify request: carried out whole, in order, or not at all. With the
    /// exact old value in a [`Mod::Delete`] it is guarded.
    ///
    /// # Errors
    /// `conflict` if a value to remove is missing or one to add is there,
    /// `not_found`, `auth`, `refused`; `in_doubt` if the answer was lost.
    pub async fn modify(&self, dn: &str, mods: &[Mod]) -> Result<()> {
        let named = |failure: Failure| failure.during(SERVICE, "modify").on(dn);
        let changes = single_values(mods);
        if changes.is_empty() {
            return Ok(());
        }
        let mut patience = Patience::new(format!("modify {dn}"));
        let mut reconnected = false;
        loop {
            let mut ldap = self.connection().await.map_err(named)?;
            let bare = if plant::is(Plant::NameUnescaped) { dn.replace('\\', "") } else { dn.to_owned() };
            crash::point("ldap before").map_err(named)?;
            let sent = match crash::fate("ldap modify").await {
                Fate::Through => ldap.with_timeout(MODIFY_LIMIT).modify(&bare, changes.clone()).await,
                fate => {
                    let mut own = ldap.clone();
                    let (bare, changes) = (bare.clone(), changes.clone());
                    match fate {
                        Fate::Unanswered => {
                            let _ = own.with_timeout(MODIFY_LIMIT).modify(&bare, changes).await;
                        }
                        // Nobody waits for the answer any more.
                        Fate::Late => crash::later(async move {
                            let _ = own.with_timeout(MODIFY_LIMIT).modify(&bare, changes).await;
                        }),
                        Fate::Unsent | Fate::Through => {}
                    }
                    self.drop_connection().await;
                    return Err(named(in_doubt(crash::lost())));
                }
            };
            crash::point("ldap after").map_err(named)?;
            self.show(
                "modify",
                self.url(dn, "", "", ""),
                json!(mods.iter().map(shown_mod).collect::<Vec<_>>()),
                sent.as_ref().ok(),
                Value::Null,
            );
            match sent.map_err(|e| self.gone(e)) {
                Ok(answer) if answer.rc == 0 => return Ok(()),
                Ok(answer) if is_busy(answer.rc) => {
                    patience.again(&self.0.clock, named(explained(&answer, &self.0.host))).await?
                }
                Ok(answer) => return Err(named(explained(&answer, &self.0.host))),
                Err(Gone::NotSent(_)) if !reconnected => {
                    reconnected = true;
                    self.drop_connection().await;
                }
                Err(Gone::NotSent(failure)) => return Err(named(failure)),
                Err(Gone::Lost(failure)) => {
                    self.drop_connection().await;
                    return Err(named(in_doubt(failure)));
                }
            }
        }
    }

    /// Entries as they come, before ranges are followed. Lost connections are
    /// made anew and the search begins again: it changes nothing.
    ///
    /// In pages if somebody is to be told of each.
    async fn rows(
        &self,
        base: &str,
        scope: Scope,
        filter: &str,
        attrs: &[&str],
        paged: Option<&(dyn Fn(usize) + Sync)>,
    ) -> Result<Vec<Entry>> {
        let named =
            |failure: Failure| failure.during(SERVICE, "search").on(if base.is_empty() { &self.0.host } else { base });
        let attrs: Vec<String> = attrs.iter().map(|a| (*a).to_owned()).collect();
        let url = self.url(base, &attrs.join(","), scope_word(scope), filter);
        let asked =
            if paged.is_some() { json!({"controls": [{"type": PAGED_RESULTS, "size": page()}]}) } else { Value::Null };
        let mut patience = Patience::new(format!("search {base} {filter}")).tries(4);
        loop {
            let ldap = match self.connection().await {
                Ok(ldap) => ldap,
                Err(failure) if failure.retryable => {
                    patience.again(&self.0.clock, named(failure)).await?;
                    continue;
                }
                Err(failure) => return Err(named(failure)),
            };
            crash::point("ldap before").map_err(named)?;
            if crash::fate("ldap search").await != Fate::Through {
                // A search changes nothing: however it is lost, it is asked again.
                self.drop_connection().await;
                patience.again(&self.0.clock, named(crash::lost())).await?;
                continue;
            }
            let found = self.once(ldap, base, scope, filter, attrs.clone(), paged).await;
            crash::point("ldap after").map_err(named)?;
            match found {
                Ok((entries, answer)) => {
                    if self.0.tap.is_some() {
                        self.show(
                            "search",
                            url.clone(),
                            asked.clone(),
                            Some(&answer),
                            json!(entries.iter().map(shown).collect::<Vec<_>>()),
                        );
                    }
                    match answer.rc {
                        0 => return Ok(entries),
                        rc if is_busy(rc) => {
                            patience.again(&self.0.clock, named(explained(&answer, &self.0.host))).await?
                        }
                        _ => return Err(named(explained(&answer, &self.0.host))),
                    }
                }
                Err(error) => {
                    self.show("search", url.clone(), asked.clone(), None, Value::Null);
                    self.drop_connection().await;
                    let (Gone::NotSent(failure) | Gone::Lost(failure)) = self.gone(error);
                    if !failure.retryable {
                        return Err(named(failure));
                    }
                    patience.again(&self.0.clock, named(failure)).await?;
                }
            }
        }
    }

    async fn once(
        &self,
        mut ldap: Ldap,
        base: &str,
        scope: Scope,
        filter: &str,
        attrs: Vec<String>,
        paged: Option<&(dyn Fn(usize) + Sync)>,
    ) -> std::result::Result<(Vec<Entry>, LdapResult), LdapError> {
        let mut adapters: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> = Vec::new();
        if paged.is_some() {
            adapters.push(Box::new(PagedResults::new(page())));
        }
        let mut stream =
            ldap.with_timeout(SEARCH_LIMIT).streaming_search_with(adapters, base, scope, filter, attrs).await?;
        let mut entries: Vec<Entry> = Vec::new();
        while let Some(row) = stream.next().await? {
            if plant::is(Plant::FirstPageOfEntries) && entries.len() >= page() as usize {
                continue;
            }
            if row.is_ref() || row.is_intermediate() {
                continue;
            }
            let Some(mut entry) = entry_of(row.0) else { continue };
            if let Some(before) = entries.last() {
                entry.share_with(before);
            }
            entries.push(entry);
            if let Some(told) = paged.filter(|_| entries.len().is_multiple_of(page() as usize)) {
                told(entries.len());
            }
        }
        Ok((entries, stream.finish().await))
    }

    /// Active Directory cuts a long attribute: `member;range=0-1499`. The rest
    /// is asked for until the end.
    async fn follow_ranges(&self, entry: &mut Entry) -> Result<()> {
        while let Some((bare, ranged, from)) = next_range(entry) {
            let mut values = entry.values(&bare).to_vec();
            values.extend(entry.values(&ranged).iter().cloned());
            entry.set(&ranged, Vec::new());
            entry.set(&bare, values);
            let Some(from) = from else { continue };
            let wanted = format!("{bare};range={from}-*");
            let more = self.rows(&entry.dn.clone(), Scope::Base, "(objectClass=*)", &[&wanted], None).await?;
            let Some(more) = more.into_iter().next() else { continue };
            for (name, values) in more.iter() {
                if name.to_ascii_lowercase().starts_with(&format!("{};range=", bare.to_ascii_lowercase())) {
                    entry.set(name, values.to_vec());
                }
            }
        }
        Ok(())
    }

    /// The connection, made and signed in if there is none. The lock is held
    /// while connecting, never over a wait on the clock.
    async fn connection(&self) -> Result<Ldap> {
        let mut state = self.0.state.lock().await;
        if let Some(refused) = &state.refused {
            return Err(refused.clone());
        }
        if let Some(ldap) = &mut state.ldap
            && !ldap.is_closed()
        {
            return Ok(ldap.clone());
        }
        state.ldap = None;
        let inner = &self.0;
        if inner.password.is_empty() || inner.bind.is_empty() {
            let refused = Failure::new(Kind::Auth, "the directory account has no name or no password")
                .hint("an empty password would bind as nobody and seem to succeed (RFC 4513); set both in the profile");
            state.refused = Some(refused.clone());
            return Err(refused);
        }
        let unavailable = |why: String| {
            Failure::new(Kind::Unavailable, format!("no LDAP connection with {}", inner.host))
                .hint("check that the port speaks LDAP over TLS")
                .detail(why)
                .retryable()
        };
        crash::point("ldap before")?;
        let stream = inner.dialer.tcp(&inner.host, inner.port).await?;
        let stream = stream.into_std().map_err(|e| unavailable(e.to_string()))?;
        let settings = LdapConnSettings::new()
            .set_conn_timeout(super::dialer::CONNECT_LIMIT)
            .set_config(inner.dialer.config())
            .set_std_stream(StdStream::Tcp(stream));
        let place = format!("ldaps://{}:{}", inner.host, inner.port);
        let (driver, mut ldap) = LdapConnAsync::with_settings(settings, &place).await.map_err(|e| match &e {
            LdapError::Io { source } => match super::tls::inside(source) {
                Some(tls) => super::tls::explain(&inner.host, tls),
                None => unavailable(e.to_string()),
            },
            _ => unavailable(e.to_string()),
        })?;
        tokio::spawn(async move {
            if let Err(error) = driver.drive().await {
                tracing::debug!(%error, "the LDAP connection ended");
            }
        });
        let bound = ldap.with_timeout(MODIFY_LIMIT).simple_bind(&inner.bind, inner.password.expose()).await;
        crash::point("ldap after")?;
        let shown = json!({"name": inner.bind, "authentication": {"simple": MASK}});
        self.show("bind", self.url("", "", "", ""), shown, bound.as_ref().ok(), Value::Null);
        let answer = bound.map_err(|e| unavailable(e.to_string()))?;
        if answer.rc != 0 {
            let failure = explained(&answer, &inner.host).on(&inner.bind);
            if answer.rc == u32::from(result::INVALID_CREDENTIALS) {
                state.refused = Some(failure.clone());
            }
            return Err(failure);
        }
        state.ldap = Some(ldap.clone());
        Ok(ldap)
    }

    async fn drop_connection(&self) {
        self.0.state.lock().await.ldap = None;
    }

    fn gone(&self, error: LdapError) -> Gone {
        let host = &self.0.host;
        let text = error.to_string();
        match error {
            LdapError::OpSend { .. } => Gone::NotSent(
                Failure::new(Kind::Unavailable, format!("the connection with {host} was closed"))
                    .hint("try again")
                    .detail(text)
                    .retryable(),
            ),
            LdapError::AddNoValues | LdapError::FilterParsing => Gone::NotSent(
                Failure::new(Kind::Validation, "the request is not valid LDAP")
                    .hint("an `add` needs at least one value")
                    .detail(text),
            ),
            LdapError::Timeout { .. } => Gone::Lost(
                Failure::new(Kind::Timeout, format!("{host} did not answer in time"))
                    .hint("try again")
                    .detail(text)
                    .retryable(),
            ),
            _ => Gone::Lost(
                Failure::new(Kind::Unavailable, format!("the connection with {host} broke before the answer came"))
                    .hint("try again")
                    .detail(text)
                    .retryable(),
            ),
        }
    }

    fn url(&self, dn: &str, attrs: &str, scope: &str, filter: &str) -> String {
        let place = match self.0.port {
            636 => self.0.host.clone(),
            port => format!("{}:{port}", self.0.host),
        };
        let mut url = format!("ldaps://{place}/{dn}");
        if !scope.is_empty() {
            url.push_str(&format!("?{attrs}?{scope}?{filter}"));
        }
        url
    }

    fn show(&self, method: &str, url: String, body: Value, answer: Option<&LdapResult>, entries: Value) {
        let Some(tap) = &self.0.tap else { return };
        let text = answer.map(|a| a.text.clone()).unwrap_or_default();
        let response = match (answer, entries) {
            (None, _) => Value::Null,
            (Some(_), Value::Null) => json!({ "text": text }),
            (Some(_), entries) => json!({ "text": text, "entries": entries }),
        };
        tap.exchange(Exchange {
            service: SERVICE,
            method: method.to_owned(),
            url,
            request_headers: serde_json::Map::new(),
            request_body: body,
            status: answer.map(|a| u16::try_from(a.rc).unwrap_or(u16::MAX)),
            response_headers: serde_json::Map::new(),
            response_body: response,
        });
    }
}

fn page() -> i32 {
    i32::try_from(plant::page(PAGE)).unwrap_or(i32::MAX)
}

fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Base => "base",
        Scope::OneLevel => "one",
        Scope::Subtree => "sub",
    }
}
