//! What a run was told and what it has done: values of named steps, answers of
//! calls that would answer otherwise the next time, ends of waits.
//!
//! A run that goes on runs its script again from the top. What is here makes the
//! second pass see what the first one saw. Keys are names, never positions, so
//! that a script may be edited in between: a step by the names around it, a call
//! by its step, its primitive, its arguments and how often it came before.
//!
//! Writes are not remembered here: they look at the world first. It decides
//! nothing about them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::journal::{Event, Kind as EventKind};
use super::session::Session;
use crate::base::{Failure, Kind, Result, SignedDuration, Timestamp};
use crate::migration::list::Mailboxes;
use crate::wire::guid::hex;

/// Arguments longer than this stand in a key as their hash.
const LONGEST: usize = 200;

/// A wait shorter than this begins anew after a crash: a commit would cost more
/// than it saves.
const SHORT: SignedDuration = SignedDuration::from_secs(60);

/// What took less than this and wrote nothing is written with the next event,
/// not in a commit of its own.
const QUICK: Duration = Duration::from_secs(1);

/// Which call: one of a pass of the script.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Names of the steps around it.
    pub path: String,
    /// `now`, `ask`, `mailboxes::read`, …
    pub primitive: String,
    /// Its arguments, or their hash.
    pub arguments: String,
    /// The how manieth such call, from 1.
    pub nth: u64,
}

impl Key {
    /// As an event's body names it, beside the path and the primitive.
    pub fn json(&self) -> Value {
        json!({"path": self.path, "primitive": self.primitive, "arguments": self.arguments, "nth": self.nth})
    }

    /// The key that [`Key::json`] wrote.
    pub fn of_json(value: &Value) -> Option<Key> {
        Some(Key {
            path: value["path"].as_str()?.to_owned(),
            primitive: value["primitive"].as_str()?.to_owned(),
            arguments: value["arguments"].as_str()?.to_owned(),
            nth: value["nth"].as_u64()?,
        })
    }

    fn of_event(event: &Event) -> Option<Key> {
        Some(Key {
            path: event.target.clone(),
            primitive: event.operation.clone(),
            arguments: event.body["arguments"].as_str()?.to_owned(),
            nth: event.body["nth"].as_u64()?,
        })
    }
}

/// What is remembered of a run, and where its present pass is.
#[derive(Default)]
pub struct Told {
    steps: BTreeMap<String, Value>,
    calls: BTreeMap<Key, Value>,
    waits: BTreeMap<Key, Value>,
    /// Raw writes of this run whose outcome is open: operation and target → call.
    open: BTreeMap<(String, String), Key>,
    /// Names of the steps that the pass is in.
    path: Vec<String>,
    /// Steps that this pass is in or has passed.
    used: BTreeSet<String>,
    counts: BTreeMap<(String, String, String), u64>,
    /// What is written with the next event.
    pending: Vec<Event>,
    /// Lists that this pass has read, by file.
    lists: BTreeMap<String, Mailboxes>,
    /// How many groups were appended; whether a step wrote is seen by it.
    appended: u64,
    /// Whether inputs may differ from those of the first pass.
    accepts_changes: bool,
}

impl Told {
    /// Takes an event of the run in, in the order in which it was written.
    pub fn learn(&mut self, event: &Event) {
        match event.kind {
            EventKind::Step => {
                self.steps.insert(event.target.clone(), event.body["value"].clone());
            }
            EventKind::Call => {
                if let Some(key) = Key::of_event(event) {
                    self.calls.insert(key, event.body["value"].clone());
                }
            }
            EventKind::Wait => {
                if let Some(key) = Key::of_event(event) {
                    self.waits.insert(key, event.body.clone());
                }
            }
            EventKind::Intent => {
                if let Some(key) = Key::of_json(&event.body["call"]) {
                    self.open.insert((event.operation.clone(), event.target.clone()), key);
                }
            }
            EventKind::Outcome | EventKind::Resolved => {
                let write = (event.operation.clone(), event.target.clone());
                match event.body["state"].as_str() {
                    Some("applied") => {
                        if let Some(key) = self.open.remove(&write) {
                            self.calls.insert(key, event.body["answer"].clone());
                        }
                    }
                    Some("not_applied") => {
                        self.open.remove(&write);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Begins a pass: a script from its top, or a line of a prompt.
    pub fn begin_pass(&mut self) {
        self.path.clear();
        self.used.clear();
        self.counts.clear();
        self.lists.clear();
    }

    fn path(&self) -> String {
        self.path.join("/")
    }
}

/// A name as a part of a path; `item` tells the uses of one name apart.
fn part(name: &str, item: Option<&str>) -> String {
    let plain = |text: &str| text.replace('\\', "\\\\").replace('/', "\\/").replace('[', "\\[");
    match item {
        None => plain(name),
        Some(item) => format!("{}[{}]", plain(name), plain(item)),
    }
}

/// A step that has begun, or one that was done before.
pub enum Entered {
    /// Its value, as it was kept.
    Done(Value),
    /// It is to be done.
    Begun(Begun),
}

/// A step in progress.
pub struct Begun {
    path: String,
    appended: u64,
    since: Instant,
}

impl Session {
    /// Enters a step. It must be left by [`Session::leave_step`] unless it was done.
    ///
    /// # Errors
    /// `usage`: this pass has used the name already.
    pub fn enter_step(&self, name: &str, item: Option<&str>) -> Result<Entered> {
        let mut told = self.told();
        told.path.push(part(name, item));
        let path = told.path();
        if !told.used.insert(path.clone()) {
            told.path.pop();
            let shown = item.map_or_else(|| format!("\"{name}\""), |item| format!("\"{name}\" for \"{item}\""));
            return Err(Failure::new(Kind::Usage, format!("the step {shown} is there a second time")).hint(
                "each step needs its own name: its value is kept under it; for one of many items write \
                       step(name, item, || …)",
            ));
        }
        if let Some(value) = told.steps.get(&path).cloned() {
            told.path.pop();
            return Ok(Entered::Done(value));
        }
        Ok(Entered::Begun(Begun { path, appended: told.appended, since: Instant::now() }))
    }

    /// Leaves a step, with the value that is kept if it was done. One that failed
    /// may be used again.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn leave_step(&self, begun: Begun, value: Option<&Value>) -> Result<()> {
        let alone = {
            let mut told = self.told();
            told.path.pop();
            if value.is_none() {
                told.used.remove(&begun.path);
            }
            told.appended != begun.appended || begun.since.elapsed() >= QUICK
        };
        let Some(value) = value else { return Ok(()) };
        self.keep(
            Event {
                kind: EventKind::Step,
                time: self.now(),
                operation: "step".into(),
                target: begun.path,
                body: json!({"value": value}),
            },
            alone,
        )
    }

    /// Names of the steps that the pass is in, the outermost first.
    pub fn steps_around(&self) -> Vec<String> {
        self.told().path.clone()
    }

    /// The key of a call that is made now.
    pub fn call_key(&self, primitive: &str, arguments: &Value) -> Key {
        let mut text = without_secrets(arguments).to_string();
        if text.len() > LONGEST {
            text = format!("sha256:{}", hex(&Sha256::digest(text.as_bytes())));
        }
        let mut told = self.told();
        let path = told.path();
        let nth = told.counts.entry((path.clone(), primitive.to_owned(), text.clone())).or_default();
        *nth += 1;
        Key { path, primitive: primitive.to_owned(), arguments: text, nth: *nth }
    }

    /// What a call was told in an earlier pass.
    pub fn told_before(&self, key: &Key) -> Option<Value> {
        self.told().calls.get(key).cloned()
    }

    /// Keeps what a call is told; `at_once` where it must not be asked twice,
    /// otherwise with the next event, before which nothing can hang on it.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn tell(&self, key: &Key, value: Value, at_once: bool) -> Result<()> {
        self.keep(self.of_key(EventKind::Call, key, json!({"value": value})), at_once)
    }

    /// Answers a call as before, or asks `now` and keeps what it says.
    ///
    /// # Errors
    /// Those of the asking; the journal can't be written.
    pub fn once(&self, primitive: &str, arguments: &Value, ask: impl FnOnce(&Key) -> Result<Value>) -> Result<Value> {
        let key = self.call_key(primitive, arguments);
        if let Some(value) = self.told_before(&key) {
            return Ok(value);
        }
        let value = ask(&key)?;
        self.tell(&key, value.clone(), false)?;
        Ok(value)
    }

    /// Until when a wait lasts that would end at `until` if it began now: a wait of
    /// an earlier pass goes on instead of beginning anew. `reason` says for people
    /// what is waited for.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn wait_ends(&self, primitive: &str, arguments: &Value, until: Timestamp, reason: &str) -> Result<Timestamp> {
        let key = self.call_key(primitive, arguments);
        let before = self.told().waits.get(&key).and_then(|body| body["until"].as_str()?.parse().ok());
        if let Some(before) = before {
            return Ok(before);
        }
        let body = json!({"until": until.to_string(), "reason": reason});
        let is_long = until.duration_since(self.now()) >= SHORT;
        self.keep(self.of_key(EventKind::Wait, &key, body), is_long)?;
        Ok(until)
    }

    /// As [`Session::wait_ends`] for the latest moment of something that is looked
    /// at again and again. One that has passed before this pass came to it begins
    /// anew: whoever resumes after a deadline wants to wait on.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn deadline(&self, primitive: &str, arguments: &Value, until: Timestamp, reason: &str) -> Result<Timestamp> {
        let kept = self.wait_ends(primitive, arguments, until, reason)?;
        Ok(if kept > self.now() { kept } else { until })
    }

    /// Lets inputs differ from those of the first pass.
    pub fn accept_changes(&self) {
        self.told().accepts_changes = true;
    }

    /// Pins a file that the script reads by the hash of its content.
    ///
    /// # Errors
    /// `conflict`: it was another one when the run read it first.
    pub fn pin_file(&self, primitive: &str, name: &str, bytes: &[u8]) -> Result<()> {
        let key = self.call_key(primitive, &json!([name]));
        let now = json!({"sha256": hex(&Sha256::digest(bytes))});
        match self.told_before(&key) {
            Some(before) if before == now => Ok(()),
            Some(_) if !self.told().accepts_changes => {
                Err(Failure::new(Kind::Conflict, format!("{name} is not as it was when this run read it"))
                    .on(name)
                    .hint("put the file back as it was, or resume with --accept-changes"))
            }
            _ => self.tell(&key, now, false),
        }
    }

    /// Notes a list that was read, for values that are kept without its secrets.
    pub fn list_was_read(&self, list: &Mailboxes) {
        self.told().lists.insert(list.file().to_owned(), list.clone());
    }

    /// A list that this pass has read, by its file.
    pub fn list_read(&self, file: &str) -> Option<Mailboxes> {
        self.told().lists.get(file).cloned()
    }

    fn of_key(&self, kind: EventKind, key: &Key, mut body: Value) -> Event {
        body["arguments"] = json!(key.arguments);
        body["nth"] = json!(key.nth);
        Event { kind, time: self.now(), operation: key.primitive.clone(), target: key.path.clone(), body }
    }

    fn keep(&self, event: Event, at_once: bool) -> Result<()> {
        if at_once {
            return self.append(&[event]);
        }
        self.told().pending.push(event);
        Ok(())
    }

    /// What was told since the last append, in front of what is appended now.
    pub(super) fn with_pending(&self, events: &[Event]) -> Vec<Event> {
        let mut told = self.told();
        told.appended += 1;
        let mut all = std::mem::take(&mut told.pending);
        all.extend_from_slice(events);
        all
    }

    /// Puts what could not be appended back.
    pub(super) fn keep_pending(&self, mut events: Vec<Event>, own: usize) {
        events.truncate(events.len().saturating_sub(own));
        self.told().pending.splice(0..0, events);
    }
}

/// Names of fields whose values are secrets wherever they come.
const SECRET: [&str; 6] = ["password", "secret", "token", "credential", "privatekey", "keycredential"];

/// A value of foreign origin without what its names call a secret.
pub fn without_secrets(value: &Value) -> Value {
    let is_secret = |name: &str| {
        let name = name.to_lowercase();
        SECRET.iter().any(|word| name.contains(word))
    };
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| {
                    let value =
                        if is_secret(name) && !value.is_boolean() { Value::Null } else { without_secrets(value) };
                    (name.clone(), value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_secrets).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, operation: &str, target: &str, body: Value) -> Event {
        Event { kind, time: Timestamp::UNIX_EPOCH, operation: operation.into(), target: target.into(), body }
    }

    #[test]
    fn names_with_marks_of_paths_stay_apart() {
        let all =
            [part("a/b", None), part("a[b]", None), part("a", Some("b")), part("a", Some("b]/[")), part("a\\", None)];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
        assert_eq!(part("a/b", None), "a\\/b");
    }

    #[test]
    fn an_open_raw_write_answers_once_somebody_says_that_it_was_applied() {
        let key = Key { path: String::new(), primitive: "graph".into(), arguments: "[]".into(), nth: 1 };
        let intent = event(EventKind::Intent, "graph", "POST /x", json!({"repeat": "none", "call": key.json()}));
        for (kind, body, answer) in [
            (EventKind::Outcome, json!({"state": "applied", "answer": {"id": 7}}), Some(json!({"id": 7}))),
            (EventKind::Outcome, json!({"state": "in_doubt"}), None),
            (EventKind::Resolved, json!({"state": "applied"}), Some(Value::Null)),
            (EventKind::Resolved, json!({"state": "not_applied"}), None),
        ] {
            let mut told = Told::default();
            told.learn(&intent);
            told.learn(&event(kind, "graph", "POST /x", body));
            assert_eq!(told.calls.get(&key).cloned(), answer);
        }
    }

    #[test]
    fn secrets_of_foreign_values_are_left_out() {
        let value = json!({"Name": "x", "Password": "p", "rows": [{"secretText": "s", "passwordNeverExpires": true}]});
        let kept = without_secrets(&value);
        assert_eq!(
            kept,
            json!({"Name": "x", "Password": null, "rows": [{"secretText": null, "passwordNeverExpires": true}]})
        );
    }
}
