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
use super::doubt;
use super::gate::{self, Change, Observed, Repeat, Verdict, WayBack};
use super::recipients::{entry_of, image};
use super::session::Session;
use super::shadow::unknown;
use super::told::{Key, without_secrets};
use crate::base::{Failure, Kind, Result};
use crate::migration::difference;
use crate::services::exchange::{Exchange, Reply};
use crate::wire::attributes::{Mod, dn_key};
use crate::wire::invoke::{Param, Params};

/// A write without before-image: sent once, answered or in doubt.
struct Once<'a> {
    operation: &'static str,
    target: String,
    call: Call<'a>,
    key: Key,
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
    fn call(&self) -> Option<&Key> {
        Some(&self.key)
    }
    fn answer(&self) -> Value {
        self.answer.lock().ok().and_then(|a| a.as_ref().map(without_secrets)).unwrap_or_default()
    }
    async fn observe(&self, _: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let sent = self.answer.lock().is_ok_and(|a| a.is_some());
        let verdict = if sent { Verdict::Same } else { Verdict::Differs(Value::Null) };
        Ok(vec![Observed { target: self.target.clone(), before: Value::Null, verdict }])
    }
    async fn predict(&self, session: &Session, _: &[Observed]) -> Result<()> {
        session.assume(format!("nothing that the plan reads afterwards hangs on {}", self.target));
        let answer = match &self.call {
            Call::Invoke(..) => json!({"rows": unknown::text(unknown::Of::Answer, &self.target)}),
            Call::Graph(..) => json!(unknown::text(unknown::Of::Answer, &self.target)),
        };
        if let Ok(mut slot) = self.answer.lock() {
            *slot = Some(answer);
        }
        Ok(())
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
        let Reply { rows, warnings, .. } = session.sees().invoke(cmdlet, params).await?;
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
    let key = session.call_key("exchange::invoke", &json!([cmdlet, open_params(&params)]));
    if let Some(answer) = told_before(session, &key, &target) {
        return Ok(answer["rows"].clone());
    }
    let question = format!("Call {target}? It has no before-image and can't be taken back by stagepost.");
    let call = Call::Invoke(cmdlet, params);
    let change = Once { operation: "exchange::invoke", target, call, key, answer: Default::default() };
    Ok(sent(session, &change, &question).await?["rows"].clone())
}

/// Sends a call once somebody has granted it, and answers what is kept of the
/// answer: a later pass gets the same.
async fn sent(session: &Arc<Session>, change: &Once<'_>, question: &str) -> Result<Value> {
    let pass = async {
        doubt::refuse(session, change.operation, &change.target)?;
        approve(session, question).await?;
        one(gate::pass(session, change, None).await?)
    };
    match pass.await {
        Ok(_) => Ok(change.answer()),
        Err(failure) => {
            // Tried again, it is the same call to a later pass.
            session.untold(&change.key);
            Err(failure)
        }
    }
}

/// What can be told of parameters: texts and switches, no bytes and no credentials.
fn open_params(params: &Params) -> Value {
    let open = |param: &Param| match param {
        Param::Sealed(_) => Value::Null,
        Param::Text(text) => json!(text),
        other => json!(format!("{other:?}")),
    };
    without_secrets(&Value::Object(params.iter().map(|(name, param)| (name.clone(), open(param))).collect()))
}

/// The answer of a call that was made in an earlier pass of the run: it is not
/// made again.
fn told_before(session: &Arc<Session>, key: &Key, target: &str) -> Option<Value> {
    let answer = session.told_before(key)?;
    session.step(&key.primitive, target).end("already done");
    Some(answer)
}

/// A Graph call that writes: `POST`, `PATCH` or `DELETE`.
///
/// # Errors
/// Those of Graph; `approval`.
pub async fn graph(session: &Arc<Session>, method: &str, path: &str, body: &Value) -> Result<Value> {
    let target = format!("{method} {path}");
    let key = session.call_key("graph", &json!([method, path, body]));
    if let Some(answer) = told_before(session, &key, &target) {
        return Ok(answer);
    }
    let question = format!("Send {target}? It has no before-image and can't be taken back by stagepost.");
    let call = Call::Graph(method, path, body);
    let change = Once { operation: "graph", target, call, key, answer: Default::default() };
    sent(session, &change, &question).await
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
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let entry = session.sees().read(self.dn).await?.ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("there is no object {}", self.dn))
                .during("ldap", "modify")
                .on(self.dn)
                .hint("look at the name: commas inside a value are written \\,")
        })?;
        let applied = self.applied.lock().is_ok_and(|a| *a);
        let verdict = if applied { Verdict::Same } else { Verdict::Differs(Value::Null) };
        Ok(vec![Observed { target: dn_key(self.dn), before: image(&entry), verdict }])
    }
    async fn predict(&self, session: &Session, due: &[Observed]) -> Result<()> {
        for one in due {
            let before = entry_of(&one.before);
            let after = difference::apply(&before, self.mods).map_err(|code| {
                Failure::new(
                    Kind::Conflict,
                    format!("{} does not hold what the modify takes away, or holds what it adds", self.dn),
                )
                .during("ldap", "modify")
                .on(self.dn)
                .status(code)
                .hint("look at the object: nothing of a modify is carried out unless all of it fits")
            })?;
            session.foresee(|shadow| shadow.directory.becomes(&before, &after));
        }
        if let Ok(mut applied) = self.applied.lock() {
            *applied = true;
        }
        Ok(())
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
