//! What a run was made from, held fast when it begins: script, modules, settings,
//! list, and the version of stagepost, each by its hash; and the texts of those
//! that people write, so that a difference can be shown.
//!
//! A text is kept once by its hash, whichever runs use it. A list is kept by its
//! hash alone: it may hold passwords. Nothing here decides whether a difference
//! matters; a person does.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::diff;
use super::journal::{Journal, Kind};
use super::plan::Pin;
use super::process::who;
use super::session::Session;
use crate::base::Result;
use crate::wire::guid::hex;

/// What a run is made from.
#[derive(Clone, Debug, Default)]
pub struct Pinned {
    /// Each with its hash.
    pub pins: Vec<Pin>,
    /// Texts by hash, of what may be shown.
    texts: BTreeMap<String, String>,
}

impl Pinned {
    /// Adds something whose text may be shown.
    pub fn text(&mut self, kind: &str, name: &str, origin: &str, text: &str) {
        let sha256 = self.add(kind, name, origin, text.as_bytes());
        self.texts.insert(sha256, text.to_owned());
    }

    /// Adds something of which only the hash is kept.
    pub fn bytes(&mut self, kind: &str, name: &str, origin: &str, bytes: &[u8]) {
        self.add(kind, name, origin, bytes);
    }

    fn add(&mut self, kind: &str, name: &str, origin: &str, bytes: &[u8]) -> String {
        let sha256 = hex(&Sha256::digest(bytes));
        self.pins.push(Pin { kind: kind.into(), name: name.into(), origin: origin.into(), sha256: sha256.clone() });
        sha256
    }
}

/// One thing that is not as it was when the run began, or when its differences
/// were last accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What: `the script staged.rhai`.
    pub what: String,
    /// The texts' difference in unified form, or a line where no text is kept.
    pub text: String,
}

/// What an earlier process of a run was made from.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// The pins in force.
    pub pins: Vec<Pin>,
    texts: BTreeMap<String, String>,
}

/// Reads what is in force for a run from the journal.
///
/// # Errors
/// The journal can't be read.
pub fn before(journal: &dyn Journal, run: &str) -> Result<Before> {
    let mut before = Before::default();
    journal.told(run, &mut |stored| {
        if !matches!(stored.event.kind, Kind::Began | Kind::Resumed) {
            return;
        }
        if let Ok(pins) = serde_json::from_value::<Vec<Pin>>(stored.event.body["pins"].clone())
            && !pins.is_empty()
        {
            before.pins = pins;
        }
    })?;
    before.texts = texts(journal)?;
    Ok(before)
}

/// Every text that the journal keeps, by hash.
fn texts(journal: &dyn Journal) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    for run in journal.runs()? {
        journal.told(&run.id, &mut |stored| {
            if matches!(stored.event.kind, Kind::Began | Kind::Resumed) {
                let kept = stored.event.body["texts"].as_object().into_iter().flatten();
                texts.extend(kept.filter_map(|(sha256, text)| Some((sha256.clone(), text.as_str()?.to_owned()))));
            }
        })?;
    }
    Ok(texts)
}

/// What differs between then and now, in the order of now.
pub fn differences(before: &Before, now: &Pinned) -> Vec<Difference> {
    let same_thing = |a: &Pin, b: &Pin| a.kind == b.kind && a.name == b.name;
    let word = |kind: &str| match kind {
        "script" => "the script",
        "module" => "the module",
        "input" => "the list",
        "settings" => "the settings",
        _ => "",
    };
    let what = |pin: &Pin| format!("{} {}", word(&pin.kind), pin.name).trim().to_owned();
    let mut all = Vec::new();
    for pin in &now.pins {
        let Some(old) = before.pins.iter().find(|old| same_thing(old, pin)) else {
            all.push(Difference { what: what(pin), text: format!("new: {}", pin.origin) });
            continue;
        };
        if old.sha256 == pin.sha256 {
            continue;
        }
        let text = match (before.texts.get(&old.sha256), now.texts.get(&pin.sha256)) {
            (Some(old), Some(new)) => diff::unified(&pin.name, old, new),
            _ => String::new(),
        };
        let hashes = || {
            let short = |sha: &str| sha.chars().take(12).collect::<String>();
            format!("it was {} and is {}", short(&old.sha256), short(&pin.sha256))
        };
        let text = match (text.is_empty(), pin.kind.as_str()) {
            (false, _) => text,
            (true, "version") => format!("it was {} and is {}", old.origin, pin.origin),
            (true, "input") => {
                format!("{} has another content; its text isn't kept, as it may hold passwords", pin.origin)
            }
            // Only ends of lines, or a text that isn't kept.
            (true, _) => hashes(),
        };
        all.push(Difference { what: what(pin), text });
    }
    for old in before.pins.iter().filter(|old| !now.pins.iter().any(|pin| same_thing(old, pin))) {
        all.push(Difference { what: what(old), text: format!("no longer used: {}", old.origin) });
    }
    all
}

/// Records that a run begins, with what it is made from.
///
/// # Errors
/// The journal can't be read or written.
pub fn begin(session: &Session, verb: &str, script: &str, pinned: &Pinned) -> Result<()> {
    let body = json!({
        "verb": verb,
        "script": script,
        "profile": session.profile().name,
        "who": who(),
        "pins": pinned.pins,
        "texts": fresh_texts(session, pinned)?,
    });
    session.record(Kind::Began, verb, script, body)
}

/// Records that a run goes on, with what it is made from now and which
/// differences were accepted.
///
/// # Errors
/// The journal can't be read or written.
pub fn resume(session: &Session, script: &str, pinned: &Pinned, accepted: &[Difference]) -> Result<()> {
    let accepted: Vec<Value> = accepted.iter().map(|d| json!({"what": d.what, "difference": d.text})).collect();
    let body = json!({
        "who": who(),
        "pins": pinned.pins,
        "texts": fresh_texts(session, pinned)?,
        "accepted": accepted,
    });
    session.record(Kind::Resumed, "resume", script, body)
}

/// The texts that the journal doesn't keep yet.
fn fresh_texts(session: &Session, pinned: &Pinned) -> Result<Value> {
    let kept = texts(session.journal())?;
    let fresh = pinned.texts.iter().filter(|(sha256, _)| !kept.contains_key(*sha256));
    Ok(Value::Object(fresh.map(|(sha256, text)| (sha256.clone(), json!(text))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned(script: &str, list: &[u8]) -> Pinned {
        let mut pinned = Pinned::default();
        pinned.text("script", "a.rhai", "a.rhai", script);
        pinned.bytes("input", "list.csv", "list.csv", list);
        pinned
    }

    #[test]
    fn a_comment_is_a_difference_and_a_list_shows_no_content() {
        let old = pinned("print(1);\n", b"EmailAddress,Password\na@b.test,geheim");
        let before = Before { pins: old.pins.clone(), texts: old.texts.clone() };
        assert!(differences(&before, &old).is_empty());
        let now = pinned("// why\nprint(1);\n", b"EmailAddress,Password\na@b.test,anders");
        let found = differences(&before, &now);
        assert_eq!((found.len(), found[0].what.as_str()), (2, "the script a.rhai"));
        assert!(found[0].text.ends_with("@@ -1,1 +1,2 @@\n+// why\n print(1);\n"), "{}", found[0].text);
        assert!(found[1].text.contains("another content") && !found[1].text.contains("geheim"));
    }

    #[test]
    fn what_came_and_what_went_is_named() {
        let before = Before { pins: pinned("x", b"").pins, texts: BTreeMap::new() };
        let mut now = pinned("x", b"");
        now.pins.remove(1);
        now.text("module", "std/waves", "lib/std/waves.rhai", "y");
        let told: Vec<String> =
            differences(&before, &now).into_iter().map(|d| format!("{}: {}", d.what, d.text)).collect();
        assert_eq!(
            told,
            ["the module std/waves: new: lib/std/waves.rhai", "the list list.csv: no longer used: list.csv"]
        );
    }
}
