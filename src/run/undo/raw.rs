//! Ways back of raw calls: an exact inverse of `ldap::modify`, a cmdlet that set
//! something from its before-image, and the removal of what a POST made.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::inverse;
use super::made::Made;
use crate::base::{Failure, Kind, Result};
use crate::migration::difference::difference;
use crate::run::gate::{Change, Observed, Repeat, Verdict, WayBack};
use crate::run::recipients::{entry_of, image};
use crate::run::session::Session;
use crate::wire::attributes::Entry;
use crate::wire::graph::percent;
use crate::wire::invoke::{Param, Params, get, text_of};

/// A raw call that has a way back.
pub enum Raw {
    /// The object before and after.
    Modify {
        /// Distinguished name as the journal has it.
        target: String,
        /// Whole image before.
        before: Entry,
        /// Whole image after.
        after: Entry,
    },
    /// Properties of an object before and after.
    Set {
        /// As the journal has it.
        target: String,
        /// `Mailbox` of `Set-Mailbox`.
        noun: String,
        /// Whose.
        identity: String,
        /// Before.
        before: Value,
        /// After.
        after: Value,
    },
    /// Something that a POST made.
    Post {
        /// As the journal has it.
        target: String,
        /// Where it is.
        path: String,
    },
}

impl Raw {
    /// The way back of a raw call; none where there is none.
    pub fn of(made: &Made) -> Option<Raw> {
        let target = made.target.clone();
        match made.operation.as_str() {
            "ldap::modify" if !made.in_doubt && made.before.is_object() && made.after.is_object() => {
                Some(Raw::Modify { target, before: settled(&made.before), after: settled(&made.after) })
            }
            "exchange::invoke" => {
                let (cmdlet, identity) = target.split_once(' ')?;
                let (verb, noun) = cmdlet.split_once('-')?;
                let (before, after) = (&made.before["properties"], &made.after["properties"]);
                let known = verb.eq_ignore_ascii_case("set") && before.is_object() && after.is_object();
                known.then(|| Raw::Set {
                    noun: noun.to_owned(),
                    identity: identity.to_owned(),
                    before: before.clone(),
                    after: after.clone(),
                    target: target.clone(),
                })
            }
            "graph" => {
                let path = target.strip_prefix("POST ")?;
                let id = made.after["id"].as_str()?;
                let path = path.split('?').next().unwrap_or(path).trim_end_matches('/');
                // Users and domains are never removed.
                if ["users", "domains"].iter().any(|kept| path.trim_start_matches('/').eq_ignore_ascii_case(kept)) {
                    return None;
                }
                Some(Raw::Post { path: format!("{path}/{}", percent(id)), target: target.clone() })
            }
            _ => None,
        }
    }

    fn target(&self) -> &str {
        match self {
            Raw::Modify { target, .. } | Raw::Set { target, .. } | Raw::Post { target, .. } => target,
        }
    }

    fn conflict(&self, detail: String) -> Verdict {
        Verdict::Refused(
            Failure::new(Kind::Conflict, format!("{} was changed by somebody else since", self.target()))
                .on(self.target())
                .detail(detail)
                .hint("look who changed it and why; nothing was written"),
        )
    }
}

/// An image without what the directory itself counts and stamps.
fn settled(image: &Value) -> Entry {
    let mut entry = entry_of(image);
    for name in ["whenChanged", "uSNChanged", "modifyTimeStamp", "dSCorePropagationData"] {
        entry.set(name, Vec::new());
    }
    entry
}

#[async_trait]
impl Change for Raw {
    fn operation(&self) -> &'static str {
        match self {
            Raw::Modify { .. } => "undo::modify",
            Raw::Set { .. } => "undo::set",
            Raw::Post { .. } => "undo::post",
        }
    }
    fn repeat(&self) -> Repeat {
        match self {
            Raw::Modify { .. } => Repeat::Guarded,
            Raw::Set { .. } | Raw::Post { .. } => Repeat::Idempotent,
        }
    }
    fn way_back(&self) -> WayBack {
        match self {
            Raw::Post { .. } => WayBack::Final("what was deleted has to be made anew"),
            _ => WayBack::Reversible,
        }
    }
    fn targets(&self) -> Vec<String> {
        vec![self.target().to_owned()]
    }
    fn settles_within(&self) -> i64 {
        match self {
            Raw::Modify { .. } => 0,
            _ => 300,
        }
    }
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let services = session.services();
        let (before, verdict) = match self {
            Raw::Modify { before, after, .. } => {
                let dn = if after.dn.is_empty() { &before.dn } else { &after.dn };
                match services.directory.read(dn).await? {
                    None => (Value::Null, self.conflict(format!("there is no object {dn} any more"))),
                    Some(now) => {
                        let found = inverse::without(&now, &[(before.clone(), after.clone())], &|_| false);
                        let verdict = match found {
                            Err(found) => {
                                self.conflict(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
                            }
                            Ok(home) if difference(&now, &home).is_empty() => Verdict::Same,
                            Ok(home) => Verdict::Differs(image(&home)),
                        };
                        (image(&now), verdict)
                    }
                }
            }
            Raw::Set { noun, identity, before, after, .. } => {
                let one = vec![("Identity".into(), Param::from(identity.as_str()))];
                let reply = services.exchange.invoke(&format!("Get-{noun}"), one).await?;
                let row = reply.rows.into_iter().next().unwrap_or_default();
                let names = before.as_object().into_iter().flatten().map(|(n, _)| n);
                let now = Value::Object(names.map(|n| (n.clone(), get(&row, n).clone())).collect());
                let verdict = if now == *before {
                    Verdict::Same
                } else if now == *after {
                    Verdict::Differs(before.clone())
                } else {
                    self.conflict(format!("it is {now}, and was left as {after}"))
                };
                (now, verdict)
            }
            Raw::Post { path, .. } => match services.graph.get(path).await {
                Ok(found) => (json!({"id": found["id"]}), Verdict::Differs(Value::Null)),
                Err(f) if f.kind == Kind::NotFound => (Value::Null, Verdict::Same),
                Err(f) => return Err(f),
            },
        };
        Ok(vec![Observed { target: self.target().to_owned(), before, verdict }])
    }
    async fn apply(&self, session: &Session, observed: &Observed) -> Result<()> {
        let services = session.services();
        match self {
            Raw::Modify { before, after, .. } => {
                let now = entry_of(&observed.before);
                let home = inverse::without(&now, &[(before.clone(), after.clone())], &|_| false).map_err(|found| {
                    let text = found.first().map(ToString::to_string).unwrap_or_default();
                    Failure::new(Kind::Conflict, text).on(self.target())
                })?;
                services.directory.modify(&now.dn, &difference(&now, &home)).await
            }
            Raw::Set { noun, identity, before, after, .. } => {
                let mut params: Params =
                    vec![("Identity".into(), Param::from(identity.as_str())), ("Confirm".into(), Param::Bool(false))];
                for (name, value) in before.as_object().into_iter().flatten().filter(|(n, v)| after[n.as_str()] != **v)
                {
                    params.push((name.clone(), param_of(value)));
                }
                services.exchange.invoke(&format!("Set-{noun}"), params).await.map(|_| ())
            }
            Raw::Post { path, .. } => services.graph.delete(path).await.map(|_| ()),
        }
    }
}

/// A property as a parameter of the cmdlet that sets it.
fn param_of(value: &Value) -> Param {
    match value {
        Value::Bool(yes) => Param::Bool(*yes),
        Value::Null => Param::Null,
        other => Param::from(text_of(other)),
    }
}
