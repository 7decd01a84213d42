//! Calls below the primitives: any cmdlet, any Graph path, any LDAP modify.
//!
//! Reads go straight through. What writes, and everything unknown, passes the
//! gate like the primitives do: `ldap::modify` with its whole before-image and
//! exact guards; a `Set-X` with what `Get-X` told of the same properties; of a POST
//! the id is kept that was returned. The rest has no before-image and is final. But
//! for the modify none is repeated by itself, and each needs an approval.

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
use crate::migration::fences::{Place, Touch};
use crate::services::exchange::{Exchange, Reply};
use crate::wire::attributes::{Mod, dn_key};
use crate::wire::invoke::{Param, Params, get, text_of};

/// A write that is sent once, answered or in doubt.
struct Once<'a> {
    operation: &'static str,
    target: String,
    call: Call<'a>,
    key: Key,
    answer: std::sync::Mutex<Option<Value>>,
    /// What a `Set-X` sets can be read before and after.
    look: Option<Look>,
}

/// The properties that a `Set-X` names, as `Get-X` tells them.
struct Look {
    cmdlet: String,
    identity: String,
    /// Name and wanted value as text.
    properties: Vec<(String, String)>,
}

impl Look {
    /// Of a cmdlet that sets something plain; none where a secret is among it.
    fn of(cmdlet: &str, identity: &str, params: &Params) -> Option<Look> {
        let (verb, noun) = cmdlet.split_once('-')?;
        let plain = |p: &Param| match p {
            Param::Text(text) => Some(text.clone()),
            Param::Int(number) => Some(number.to_string()),
            Param::Bool(yes) => Some(yes.to_string()),
            _ => None,
        };
        if !verb.eq_ignore_ascii_case("set") || identity.is_empty() {
            return None;
        }
        let is_switch = |name: &str| ["Identity", "Confirm", "WhatIf"].iter().any(|s| name.eq_ignore_ascii_case(s));
        let set = params.iter().filter(|(name, _)| !is_switch(name));
        let properties: Option<Vec<(String, String)>> = set.map(|(n, p)| Some((n.clone(), plain(p)?))).collect();
        let properties = properties.filter(|p| !p.is_empty())?;
        Some(Look { cmdlet: format!("Get-{noun}"), identity: identity.to_owned(), properties })
    }

    /// The properties now; nothing where the service doesn't tell each of them.
    async fn read(&self, session: &Session) -> Result<Value> {
        let one = vec![("Identity".into(), Param::from(self.identity.as_str()))];
        let row = match session.sees().invoke(&self.cmdlet, one).await {
            Ok(reply) => reply.rows.into_iter().next().unwrap_or_default(),
            // No such cmdlet, or no such object: the call itself will say so.
            Err(f) if matches!(f.kind, Kind::NotFound | Kind::Refused | Kind::Validation) => Value::Null,
            Err(f) => return Err(f),
        };
        let is_told = |name: &str| row.as_object().is_some_and(|r| r.keys().any(|k| k.eq_ignore_ascii_case(name)));
        let told = |(name, _): &(String, String)| is_told(name).then(|| (name.clone(), get(&row, name).clone()));
        let found: Option<serde_json::Map<String, Value>> = self.properties.iter().map(told).collect();
        Ok(found.map_or(Value::Null, |properties| json!({"properties": properties})))
    }

    fn is_reached(&self, image: &Value) -> bool {
        self.properties.iter().all(|(n, wanted)| text_of(&image["properties"][n]).eq_ignore_ascii_case(wanted))
    }
}

/// How often a service is asked again that tells a change late.
const LATE: u32 = 5;

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
        match (&self.call, &self.look) {
            (_, Some(_)) => WayBack::Reversible,
            (Call::Graph("POST", ..), _) => WayBack::Compensable("DELETE of what it made, by the id that was returned"),
            _ => WayBack::Final("a raw call has no before-image"),
        }
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
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let answer = self.answer.lock().ok().and_then(|a| a.clone());
        let verdict = if answer.is_some() { Verdict::Same } else { Verdict::Differs(Value::Null) };
        let image = match (&self.look, &answer) {
            (Some(look), sent) => {
                let mut image = look.read(session).await?;
                for _ in 0..LATE {
                    // What a plan only foresees never shows.
                    let shows = image.is_null() || look.is_reached(&image) || session.planning().is_some();
                    if sent.is_none() || shows {
                        break;
                    }
                    session.clock().sleep(jiff::SignedDuration::from_secs(10)).await?;
                    image = look.read(session).await?;
                }
                image
            }
            (None, Some(answer)) => self.made(answer),
            (None, None) => Value::Null,
        };
        Ok(vec![Observed { target: self.target.clone(), before: image, verdict }])
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

impl Once<'_> {
    /// The id of what a POST to a collection made. An action answers an object, too,
    /// but makes none.
    fn made(&self, answer: &Value) -> Value {
        let Call::Graph("POST", path, _) = self.call else { return Value::Null };
        let last =
            path.split('?').next().unwrap_or_default().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        // `groups`, `members`; not `assignLicense`, nor `revokeSignInSessions`.
        let is_collection = last.ends_with('s') && last.chars().all(|c| c.is_ascii_lowercase());
        match answer["id"].as_str() {
            Some(id) if is_collection => json!({"id": id}),
            _ => Value::Null,
        }
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
            Param::Text(t) => t.clone(),
            _ => String::new(),
        })
        .unwrap_or_default();
    let target = format!("{cmdlet} {identity}").trim().to_owned();
    let key = session.call_key("exchange::invoke", &json!([cmdlet, open_params(&params)]));
    if let Some(answer) = told_before(session, &key, &target) {
        return Ok(answer["rows"].clone());
    }
    doubt::refuse(session, "exchange::invoke", &target)?;
    let mut look = Look::of(cmdlet, &identity, &params);
    if let Some(known) = &look
        && known.read(session).await?.is_null()
    {
        look = None;
    }
    let way = match look {
        Some(_) => "What it sets is kept, and `stagepost undo` sets it back.",
        None => "It has no before-image and can't be taken back by stagepost.",
    };
    approve(session, &format!("Call {target}? {way}")).await?;
    let call = Call::Invoke(cmdlet, params);
    let change = Once { operation: "exchange::invoke", target, call, key, answer: Default::default(), look };
    one(gate::pass(session, &change, None).await?)?;
    Ok(change.answer()["rows"].clone())
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
    doubt::refuse(session, "graph", &target)?;
    let way = match method {
        "POST" => "It has no before-image; what it makes in a collection `stagepost undo` deletes again.",
        _ => "It has no before-image and can't be taken back by stagepost.",
    };
    approve(session, &format!("Send {target}? {way}")).await?;
    let call = Call::Graph(method, path, body);
    let change = Once { operation: "graph", target, call, key, answer: Default::default(), look: None };
    one(gate::pass(session, &change, None).await?)?;
    Ok(change.answer())
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
        let entry = session.sees().read(self.dn).await?.ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("there is no object {}", self.dn))
                .during("ldap", "modify")
                .on(self.dn)
                .hint("look at the name: commas inside a value are written \\,")
        })?;
        let applied = self.applied.lock().is_ok_and(|a| *a);
        // What doesn't fit the directory itself refuses, in its own words.
        let after = difference::apply(&entry, self.mods).map_or(Value::Null, |after| image(&after));
        let verdict = if applied { Verdict::Same } else { Verdict::Differs(after) };
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
