//! Events as an auditor or an administrator reads them: who was at work, which
//! change an outcome belongs to, what differs between before and after.
//!
//! Reads events in order and leaves out nothing of them; how it looks is decided
//! elsewhere.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::journal::{Kind, Stored};
use crate::base::Timestamp;
use crate::wire::attributes::address_key;

/// One event with what the others say about it.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Position in the journal.
    pub number: u64,
    /// When, by the run's clock.
    pub time: Timestamp,
    /// Id of the run.
    pub run: String,
    /// Who ran the process, as its system calls them; empty where it was not kept.
    pub user: String,
    /// The machine.
    pub host: String,
    /// Word of the event's kind.
    pub kind: &'static str,
    /// `convert_to_mail_user`, `set_mx`, …
    pub operation: String,
    /// The object: an address, a zone set, a batch.
    pub target: String,
    /// The image before; of an outcome that of its intent.
    pub before: Value,
    /// The image after, as read back; of an intent the planned one.
    pub after: Value,
    /// Ids of the requests that the services gave, as far as they were kept.
    pub requests: Value,
    /// `applied`, `not_applied`, `in_doubt`; of an approval `granted` or `refused`.
    pub outcome: String,
    /// Why it failed.
    pub failure: String,
    /// Number of the intent that an outcome belongs to.
    pub intent: Option<u64>,
    /// Who decided, of an approval or a decision.
    pub by: String,
    /// Whatever else the event says.
    pub more: Value,
    /// Hash of the event, over the one before it.
    pub hash: String,
    /// Kind as the journal knows it.
    #[serde(skip)]
    pub event: Option<Kind>,
    /// Of an outcome, what its intent planned.
    #[serde(skip)]
    planned: Value,
}

/// An intent that waits for its outcome.
struct Opened {
    number: u64,
    before: Value,
    planned: Value,
}

/// Makes records of events, in their order.
#[derive(Default)]
pub struct Accounts {
    who: BTreeMap<String, (String, String)>,
    open: BTreeMap<(String, String, String), Opened>,
}

impl Accounts {
    /// The record of the next event.
    pub fn record(&mut self, stored: Stored) -> Record {
        let Stored { number, run, event, hash } = stored;
        let mut body = match event.body {
            Value::Object(body) => body,
            Value::Null => Map::new(),
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        let said =
            |body: &Map<String, Value>, key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if matches!(event.kind, Kind::Began | Kind::Resumed) {
            let who = body.get("who").and_then(Value::as_object).cloned().unwrap_or_default();
            self.who.insert(run.clone(), (said(&who, "user"), said(&who, "host")));
        }
        let (user, host) = self.who.get(&run).cloned().unwrap_or_default();
        let key = || (run.clone(), event.operation.clone(), event.target.clone());
        let mut take = |name: &str| body.shift_remove(name).unwrap_or(Value::Null);
        let (mut intent, mut planned) = (None, Value::Null);
        let (before, after) = match event.kind {
            Kind::Baseline => (Value::Object(std::mem::take(&mut body)), Value::Null),
            Kind::Intent => {
                let (before, after) = (take("before"), take("planned"));
                self.open.insert(key(), Opened { number, before: before.clone(), planned: after.clone() });
                (before, after)
            }
            Kind::Outcome => {
                let known = take("before");
                let before = match self.open.remove(&key()) {
                    Some(opened) => {
                        (intent, planned) = (Some(opened.number), opened.planned);
                        opened.before
                    }
                    None => known,
                };
                (before, take("after"))
            }
            _ => (Value::Null, Value::Null),
        };
        let outcome = match (event.kind, body.get("granted")) {
            (Kind::Outcome | Kind::Resolved, _) => said(&body, "state"),
            (Kind::Approval, Some(Value::Bool(granted))) => if *granted { "granted" } else { "refused" }.to_owned(),
            _ => String::new(),
        };
        if event.kind == Kind::Outcome {
            body.shift_remove("state");
        }
        let requests = body.shift_remove("requests").unwrap_or(Value::Null);
        let failure = body.shift_remove("failure").and_then(|f| f.as_str().map(str::to_owned)).unwrap_or_default();
        let by = match body.get("by") {
            Some(Value::String(by)) => by.clone(),
            Some(Value::Object(who)) => said(who, "user"),
            _ => String::new(),
        };
        Record {
            number,
            time: event.time,
            run,
            user,
            host,
            kind: event.kind.word(),
            operation: event.operation,
            target: event.target,
            before,
            after,
            requests,
            outcome,
            failure,
            intent,
            by,
            more: if body.is_empty() { Value::Null } else { Value::Object(body) },
            hash,
            event: Some(event.kind),
            planned,
        }
    }
}

impl Record {
    /// Whether it is about an object that somebody names: an address in whatever
    /// case, a batch, a zone set or the beginning of one.
    pub fn is_about(&self, target: &str) -> bool {
        let (own, wanted) = (address_key(&self.target), address_key(target));
        if own == wanted || own.starts_with(&format!("{wanted} ")) {
            return true;
        }
        // A batch holds people, and a watch saw them.
        let listed = |list: &Value| match list {
            Value::Array(items) => items.iter().any(|i| i.as_str().is_some_and(|i| address_key(i) == wanted)),
            Value::Object(map) => map.keys().any(|k| address_key(k) == wanted),
            _ => false,
        };
        listed(&self.after["addresses"])
            || listed(&self.planned["addresses"])
            || listed(&self.more["synced"])
            || listed(&self.more["failed"])
    }
}

/// One value that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Name of the attribute, with the names around it: `set.values`.
    pub name: String,
    /// What it was; of a list what went. Empty: nothing.
    pub before: String,
    /// What it is; of a list what came.
    pub after: String,
}

/// What differs between two images, in the order of the first.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    differ("", before, after, &mut found);
    found
}

fn differ(name: &str, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    let empty = Map::new();
    let object = |value: &Value| value.as_object().filter(|o| !o.contains_key("base64")).cloned();
    if object(before).is_some() || object(after).is_some() {
        let (old, new) = (object(before).unwrap_or_else(|| empty.clone()), object(after).unwrap_or(empty));
        let inner = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        for (key, value) in &old {
            differ(&inner(key), value, new.get(key).unwrap_or(&Value::Null), found);
        }
        for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
            differ(&inner(key), &Value::Null, value, found);
        }
        return;
    }
    let (was, is) = (texts(before), texts(after));
    // Of a list only what came and went: the rest is still there.
    let only = |these: &[String], others: &[String]| -> String {
        these.iter().filter(|t| !others.contains(t)).cloned().collect::<Vec<_>>().join(", ")
    };
    let (gone, come) = (only(&was, &is), only(&is, &was));
    if !gone.is_empty() || !come.is_empty() {
        found.push(Difference { name: name.to_owned(), before: gone, after: come });
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        // Bytes, in the form in which the journal keeps them.
        Value::Object(bytes) => bytes.values().flat_map(texts).collect(),
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::journal::Event;
    use super::*;

    fn stored(number: u64, kind: Kind, operation: &str, target: &str, body: Value) -> Stored {
        let event =
            Event { kind, time: Timestamp::UNIX_EPOCH, operation: operation.into(), target: target.into(), body };
        Stored { number, run: "r".into(), event, hash: "h".into() }
    }

    #[test]
    fn an_outcome_has_the_before_image_of_its_intent_and_the_name_of_who_ran_it() {
        let mut accounts = Accounts::default();
        let who = json!({"verb": "run", "who": {"user": "ann", "host": "vm"}});
        accounts.record(stored(1, Kind::Began, "run", "staged", who));
        let mx = "contoso.test MX";
        let intent = json!({"before": {"ttl": 1}, "planned": {"ttl": 2}, "repeat": "guarded"});
        accounts.record(stored(2, Kind::Intent, "set_mx", mx, intent));
        let outcome = json!({"state": "applied", "after": {"ttl": 2}, "failure": null, "requests": ["a"]});
        let record = accounts.record(stored(3, Kind::Outcome, "set_mx", mx, outcome.clone()));
        assert_eq!((record.before, record.after), (json!({"ttl": 1}), json!({"ttl": 2})));
        assert_eq!((record.user.as_str(), record.host.as_str(), record.intent), ("ann", "vm", Some(2)));
        assert_eq!((record.outcome.as_str(), record.requests, record.more), ("applied", json!(["a"]), Value::Null));
        let late = accounts.record(stored(4, Kind::Outcome, "set_mx", mx, outcome));
        assert_eq!((late.before, late.intent), (Value::Null, None));
        let answer = json!({"granted": false, "by": "bob"});
        let approval = accounts.record(stored(5, Kind::Approval, "approve", "Start?", answer));
        assert_eq!((approval.outcome.as_str(), approval.by.as_str()), ("refused", "bob"));
    }

    #[test]
    fn only_what_differs_is_told_and_of_a_list_what_came_and_went() {
        let before = json!({"dn": "x", "homeMDB": ["db"], "proxyAddresses": ["a", "b"], "guid": {"base64": ["AA=="]}});
        let after =
            json!({"dn": "x", "proxyAddresses": ["b", "c"], "guid": {"base64": ["BB=="]}, "targetAddress": ["t"]});
        let told = differences(&before, &after);
        let told: Vec<(&str, &str, &str)> =
            told.iter().map(|d| (d.name.as_str(), d.before.as_str(), d.after.as_str())).collect();
        let expected =
            [("homeMDB", "db", ""), ("proxyAddresses", "a", "c"), ("guid", "AA==", "BB=="), ("targetAddress", "", "t")];
        assert_eq!(told, expected);
        assert_eq!(differences(&before, &before), []);
        assert_eq!(differences(&Value::Null, &json!({"set": {"ttl": 5}}))[0].name, "set.ttl");
    }

    #[test]
    fn who_is_named_in_a_batch_is_concerned_by_it() {
        let mut accounts = Accounts::default();
        let planned = json!({"planned": {"addresses": ["Ann@contoso.test"]}});
        let batch = accounts.record(stored(1, Kind::Intent, "batch", "wave-01", planned));
        assert!(batch.is_about("ann@contoso.test") && batch.is_about("WAVE-01") && !batch.is_about("bob@contoso.test"));
        let made = accounts.record(stored(2, Kind::Outcome, "batch", "wave-01", json!({"after": {"rows": 1}})));
        assert!(made.is_about("ann@contoso.test") && !made.is_about("bob@contoso.test"));
        let zone = accounts.record(stored(3, Kind::Outcome, "set_mx", "contoso.test MX", json!({})));
        assert!(zone.is_about("contoso.test") && !zone.is_about("contoso"));
    }
}
