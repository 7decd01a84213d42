//! Step 5: the connection that all batches use.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::domains::one;
use super::gate::{self, Change, Observed, Repeat, Verdict, WayBack};
use super::session::Session;
use super::shadow::exchange::Table;
use crate::base::{Kind, Result};
use crate::migration::against::OnPremises;
use crate::wire::invoke::{Param, Params, get, text_of};

/// Creates the endpoint, or brings its settings to what the profile says.
struct EnsureEndpoint {
    name: String,
    at_once: i64,
}

impl EnsureEndpoint {
    fn wanted(&self, session: &Session) -> Value {
        let source = &session.profile().source;
        json!({
            "ExchangeServer": source.exchange_server,
            "RpcProxyServer": source.rpc_proxy,
            "Authentication": source.authentication,
            "MaxConcurrentMigrations": self.at_once.to_string(),
        })
    }
}

#[async_trait]
impl Change for EnsureEndpoint {
    fn operation(&self) -> &'static str {
        "endpoint"
    }
    fn repeat(&self) -> Repeat {
        Repeat::UniqueByName
    }
    fn way_back(&self) -> WayBack {
        WayBack::Compensable("Remove-MigrationEndpoint, once no batch uses it")
    }
    fn settles_within(&self) -> i64 {
        300
    }
    fn targets(&self) -> Vec<String> {
        vec![self.name.clone()]
    }
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let wanted = self.wanted(session);
        let found = endpoint_named(session, &self.name).await?;
        let before = found.as_ref().map_or(Value::Null, |row| {
            let mut image = serde_json::Map::new();
            for name in ["ExchangeServer", "RpcProxyServer", "Authentication", "MaxConcurrentMigrations"] {
                image.insert(name.into(), json!(text_of(get(row, name))));
            }
            Value::Object(image)
        });
        let same = wanted.as_object().is_some_and(|w| {
            w.iter().all(|(name, value)| text_of(value).eq_ignore_ascii_case(&text_of(get(&before, name))))
        });
        let verdict = if same { Verdict::Same } else { Verdict::Differs(wanted) };
        Ok(vec![Observed { target: self.name.clone(), before, verdict }])
    }
    async fn predict(&self, session: &Session, _: &[Observed]) -> Result<()> {
        let mut row = self.wanted(session);
        row["Identity"] = json!(self.name);
        session.foresee(|shadow| shadow.exchange.change(Table::Endpoints, &self.name, row.clone()));
        if endpoint_named(session, &self.name).await?.is_none() {
            session.foresee(|shadow| shadow.exchange.make(Table::Endpoints, &self.name, row));
        }
        Ok(())
    }
    async fn apply(&self, session: &Session, observed: &Observed) -> Result<()> {
        let source = &session.profile().source;
        let exchange = &session.services().exchange;
        let password = session.source_password();
        let credential = exchange.credential(&source.account, password).await?;
        let mut params: Params = Vec::new();
        let fresh = observed.before.is_null();
        if fresh {
            params.push(("Name".into(), Param::from(self.name.as_str())));
            params.push(("ExchangeOutlookAnywhere".into(), Param::Bool(true)));
        } else {
            params.push(("Identity".into(), Param::from(self.name.as_str())));
        }
        params.push(("Credentials".into(), credential));
        params.push(("ExchangeServer".into(), Param::from(source.exchange_server.as_str())));
        params.push(("RpcProxyServer".into(), Param::from(source.rpc_proxy.as_str())));
        params.push(("Authentication".into(), Param::from(source.authentication.as_str())));
        params.push(("MaxConcurrentMigrations".into(), Param::from(self.at_once.to_string())));
        if fresh {
            // The service opens one mailbox with the credential before it accepts.
            if let Some(domain) = session.project().domains.first() {
                params.push(("EmailAddress".into(), Param::from(test_mailbox(session, domain).await?)));
            }
        }
        params.push(("Confirm".into(), Param::Bool(false)));
        let cmdlet = if fresh { "New-MigrationEndpoint" } else { "Set-MigrationEndpoint" };
        exchange.invoke(cmdlet, params).await.map(|_| ())
    }
}

/// An address of the list that the service may open for its test.
async fn test_mailbox(session: &Session, domain: &str) -> Result<String> {
    let everybody = super::recipients::everybody(session).await?;
    let found = everybody
        .iter()
        .map(OnPremises::of)
        .find(|p| p.has_mailbox && !p.hidden && p.address.to_lowercase().ends_with(&format!("@{domain}")));
    Ok(found.map(|p| p.address).unwrap_or_else(|| format!("postmaster@{domain}")))
}

/// The endpoint of a name; never asked with an empty one, which would list all.
async fn endpoint_named(session: &Session, name: &str) -> Result<Option<Value>> {
    match session.sees().invoke("Get-MigrationEndpoint", vec![("Identity".into(), Param::from(name))]).await {
        Ok(reply) => Ok(reply.rows.into_iter().find(|r| text_of(get(r, "Identity")).eq_ignore_ascii_case(name))),
        Err(f) if f.kind == Kind::NotFound => Ok(None),
        Err(f) => Err(f),
    }
}

/// Makes sure that the endpoint is there with the profile's settings.
///
/// # Errors
/// Those of Exchange; a refused credential with the service's own words.
pub async fn ensure(session: &Arc<Session>, name: &str, at_once: Option<i64>) -> Result<bool> {
    let step = session.step("endpoint", name);
    let at_once = at_once.unwrap_or_else(|| i64::from(session.project().endpoint.at_once));
    let outcome = one(gate::pass(session, &EnsureEndpoint { name: name.into(), at_once }, None).await?)?;
    let text = match (outcome.changed, outcome.before.is_null()) {
        (false, _) => "there already",
        (true, true) => "made",
        (true, false) => "brought up to date",
    };
    step.end(format!("{text}, {at_once} mailboxes at once"));
    Ok(outcome.changed)
}
