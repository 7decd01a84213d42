//! Calls below the primitives: any cmdlet, any Graph path, any LDAP modify.
//!
//! Reads go straight through. What writes, and everything unknown, passes the
//! gate like the primitives do: `ldap::modify` with its whole before-image and
//! exact guards; the rest has no before-image, is final, is never repeated by
//! itself and needs an approval.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::approvals::approve;
use super::domains::one;
use super::gate::{self, Change, Observed, Repeat, Verdict, WayBack};
use super::recipients::image;
use super::session::Session;
use crate::base::{Failure, Kind, Result};
use crate::migration::fences::{Place, Touch};
use crate::services::exchange::{Exchange, Reply};
use crate::wire::attributes::{Mod, dn_key};
use crate::wire::invoke::Params;

/// A write without before-image: sent once, answered or in doubt.
struct Once<'a> {
    operation: &'static str,
    target: String,
    call: Call<'a>,
    answer: std::sync::Mutex<Option<Value>>,
}

enum Call<'a> {
    Invoke(&'a str, Params),
    Graph(&'a str, &'a str, &'a Value),
}

#[async_trait]
impl Change for Once<'_> {
    fn operation(&self) -> &'static str {
        self.operation
    }
    fn repeat(&self) -> Repeat {
        Repeat::None
    }
    fn way_back(&self) -> WayBack {
        WayBack::Final("a raw call has no before-image")
    }
    fn targets(&self) -> Vec<String> {
        vec![self.target.clone()]
    }
    async fn observe(&self, _: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let sent = self.answer.lock().is_ok_and(|a| a.is_some());
        let verdict = if sent { Verdict::Same } else { Verdict::Differs(Value::Null) };
        Ok(vec![Observed { target: self.target.clone(), before: Value::Null, verdict }])
    }
    async fn apply(&self, session: &Session, _: &Observed) -> Result<()> {
        let services = session.services();
        let answer = match &self.call {
            Call::Invoke(cmdlet, params) => {
                let reply = services.exchange.invoke(cmdlet, params.clone()).await?;
                json!({"rows": reply.rows, "warnings": reply.warnings, "request_id": reply.request_id})
            }
            Call::Graph("POST", path, body) => services.graph.post(path, body).await?,
            Call::Graph("PATCH", path, body) => services.graph.patch(path, body).await?,
            Call::Graph(_, path, _) => services.graph.delete(path).await?,
        };
        if let Ok(mut slot) = self.answer.lock() {
            *slot = Some(answer);
        }
        Ok(())
    }
}

/// Any cmdlet.
///
/// # Errors
/// Those of Exchange; `approval` for one that writes.
pub async fn invoke(session: &Arc<Session>, cmdlet: &str, params: Params) -> Result<Value> {
    if Exchange::is_read(cmdlet) {
        let Reply { rows, warnings, .. } = session.services().exchange.invoke(cmdlet, params).await?;
        for text in warnings {
            session.note(super::narrate::What::Warned { text, hint: String::new() });
        }
        return Ok(Value::Array(rows));
    }
    let identity = params
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case("Identity") || n.eq_ignore_ascii_case("Name"))
        .map(|(_, p)| match p {
            crate::wire::invoke::Param::Text(t) => t.clone(),
            _ => String::new(),
        })
        .unwrap_or_default();
    let target = format!("{cmdlet} {identity}").trim().to_owned();
    let warning = doubt(session, "exchange::invoke", &target);
    approve(session, &format!("{warning}Call {target}? It has no before-image and can't be taken back by stagepost."))
        .await?;
    let change =
        Once { operation: "exchange::invoke", target, call: Call::Invoke(cmdlet, params), answer: Default::default() };
    one(gate::pass(session, &change, None).await?)?;
    let answer = change.answer.into_inner().ok().flatten().unwrap_or_default();
    Ok(answer["rows"].clone())
}

/// What whoever approves must know of the same call made before.
fn doubt(session: &Session, operation: &str, target: &str) -> &'static str {
    if session.memory().past.in_doubt.contains(&(operation.to_owned(), target.to_owned())) {
        "The same call was made before and nobody knows what became of it; look first. "
    } else {
        ""
    }
}

/// A Graph call that writes: `POST`, `PATCH` or `DELETE`.
///
/// # Errors
/// Those of Graph; `approval`.
pub async fn graph(session: &Arc<Session>, method: &str, path: &str, body: &Value) -> Result<Value> {
    let target = format!("{method} {path}");
    let warning = doubt(session, "graph", &target);
    approve(session, &format!("{warning}Send {target}? It has no before-image and can't be taken back by stagepost."))
        .await?;
    let change = Once { operation: "graph", target, call: Call::Graph(method, path, body), answer: Default::default() };
    one(gate::pass(session, &change, None).await?)?;
    Ok(change.answer.into_inner().ok().flatten().unwrap_or_default())
}

/// One modify with its whole before-image.
struct Modify<'a> {
    dn: &'a str,
    mods: &'a [Mod],
    applied: std::sync::Mutex<bool>,
}

#[async_trait]
impl Change for Modify<'_> {
    fn operation(&self) -> &'static str {
        "ldap::modify"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Guarded
    }
    fn way_back(&self) -> WayBack {
        WayBack::Reversible
    }
    fn targets(&self) -> Vec<String> {
        vec![dn_key(self.dn)]
    }
    async fn touches(&self, _: &Session, _: &Observed) -> Result<Vec<Touch>> {
        let attributes = self.mods.iter().map(|m| match m {
            Mod::Add(name, _) | Mod::Delete(name, _) | Mod::Replace(name, _) => name.clone(),
        });
        let place = Place::Directory { dn: self.dn.to_owned(), attributes: attributes.collect() };
        Ok(vec![Touch { object: dn_key(self.dn), place }])
    }
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let entry = session.services().directory.read(self.dn).await?.ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("there is no object {}", self.dn))
                .during("ldap", "modify")
                .on(self.dn)
                .hint("look at the name: commas inside a value are written \\,")
        })?;
        let applied = self.applied.lock().is_ok_and(|a| *a);
        let verdict = if applied { Verdict::Same } else { Verdict::Differs(Value::Null) };
        Ok(vec![Observed { target: dn_key(self.dn), before: image(&entry), verdict }])
    }
    async fn apply(&self, session: &Session, _: &Observed) -> Result<()> {
        session.services().directory.modify(self.dn, self.mods).await?;
        if let Ok(mut applied) = self.applied.lock() {
            *applied = true;
        }
        Ok(())
    }
}

/// An LDAP modify; its own deletes of exact values are its guard.
///
/// # Errors
/// Those of the directory.
pub async fn modify(session: &Arc<Session>, dn: &str, mods: &[Mod]) -> Result<(Value, Value)> {
    let change = Modify { dn, mods, applied: Default::default() };
    let outcome = one(gate::pass(session, &change, None).await?)?;
    Ok((outcome.before, outcome.after))
}
