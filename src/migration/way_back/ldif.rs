//! The directory's part of the way back as LDIF (RFC 2849): one modify for each
//! object, newest first, as `ldapmodify` and `ldifde` take it.
//!
//! Each value that goes is named with its exact text, so that the directory itself
//! refuses a modify of an object that is no longer what the plan leaves. A value
//! that only a service knows can't be named: the one of a single value is replaced
//! or taken away whole, one of a list stays where it is.

use serde_json::Value;

use super::{Step, is_unknown, people_of};
use crate::wire::attributes::Mod;
use crate::wire::guid::{base64, unbase64};

/// Longest line before it is folded (RFC 2849, note 10).
const WIDTH: usize = 76;

/// One modify, or only a remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is, for people.
    pub remarks: Vec<String>,
    /// The object.
    pub dn: String,
    /// The modify; none: there is nothing to be written for it.
    pub mods: Vec<Mod>,
}

/// The records of a plan, newest first.
pub fn records(steps: &[Step<'_>]) -> Vec<Record> {
    steps.iter().rev().flat_map(|step| of_step(step, steps)).collect()
}

fn of_step(step: &Step<'_>, all: &[Step<'_>]) -> Vec<Record> {
    match step.operation {
        "convert_to_mail_user" | "release" | "ldap::modify" => vec![inverse(step)],
        "start" => people_of(step.target, all).into_iter().map(|who| unforward(&who, all)).collect(),
        _ => Vec::new(),
    }
}

/// From the image afterwards to the image before.
fn inverse(step: &Step<'_>) -> Record {
    let dn = step.before["dn"].as_str().or(step.after["dn"].as_str()).unwrap_or_default().to_owned();
    let mut remarks = vec![format!("{}: {}", step.operation, step.target)];
    let mut mods = Vec::new();
    if step.after.is_null() {
        remarks.push("the plan doesn't know what it leaves; look at the object by hand".into());
        return Record { remarks, dn, mods };
    }
    let names = |image: &Value| -> Vec<String> {
        image.as_object().into_iter().flatten().map(|(n, _)| n.clone()).filter(|n| n != "dn").collect()
    };
    let (before, after) = (names(step.before), names(step.after));
    let more = before.iter().filter(|n| !after.contains(n)).cloned();
    for name in after.iter().cloned().chain(more) {
        let (was, will) = (values(&step.before[&name]), values(&step.after[&name]));
        if is_unknown(&step.after[&name]) {
            // Nothing names the value; the others of the request are its guard.
            mods.push(if was.is_empty() { Mod::Delete(name, Vec::new()) } else { Mod::Replace(name, was) });
            continue;
        }
        if step.after[&name].as_array().is_some_and(|list| list.iter().any(is_unknown)) {
            remarks.push(format!("a value of {name} that only the service knows stays: it harms nobody"));
        }
        let gone: Vec<Vec<u8>> = will.iter().filter(|v| !was.contains(v)).cloned().collect();
        let back: Vec<Vec<u8>> = was.iter().filter(|v| !will.contains(v)).cloned().collect();
        if !gone.is_empty() {
            mods.push(Mod::Delete(name.clone(), gone));
        }
        if !back.is_empty() {
            mods.push(Mod::Add(name, back));
        }
    }
    Record { remarks, dn, mods }
}

/// The forwarding that the service sets when a batch is started, taken away by its
/// exact value.
fn unforward(who: &str, all: &[Step<'_>]) -> Record {
    let found = all.iter().find(|s| s.operation == "convert_to_mail_user" && s.target.eq_ignore_ascii_case(who));
    let mut remarks = vec![format!("start: {who} is forwarded to the cloud by the service; mail goes home again")];
    let dn = found.and_then(|s| s.before["dn"].as_str()).unwrap_or_default().to_owned();
    let target = found.map(|s| &s.before["targetAddress"]);
    let mods = match target {
        Some(target) if !dn.is_empty() => vec![Mod::Delete("targetAddress".into(), values(target))],
        _ => {
            remarks.push("the plan doesn't know the object: look for it, and take targetAddress away by hand".into());
            Vec::new()
        }
    };
    Record { remarks, dn, mods }
}

/// The values of an attribute of an image; those that only a service knows are left
/// out.
pub fn values(value: &Value) -> Vec<Vec<u8>> {
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    match value {
        Value::Array(_) => texts(value).into_iter().map(String::into_bytes).collect(),
        Value::Object(_) => texts(&value["base64"]).iter().filter_map(|t| unbase64(t)).collect(),
        _ => Vec::new(),
    }
}

/// The records as the text of a file; `head` stands before them as remarks.
pub fn text(head: &[String], records: &[Record]) -> String {
    let mut out = String::new();
    for line in head {
        remark(&mut out, line);
    }
    for record in records {
        out.push('\n');
        for line in &record.remarks {
            remark(&mut out, line);
        }
        if record.mods.is_empty() {
            continue;
        }
        attribute(&mut out, "dn", record.dn.as_bytes());
        out.push_str("changetype: modify\n");
        for change in &record.mods {
            let (word, name, values) = match change {
                Mod::Add(name, values) => ("add", name, values),
                Mod::Delete(name, values) => ("delete", name, values),
                Mod::Replace(name, values) => ("replace", name, values),
            };
            attribute(&mut out, word, name.as_bytes());
            for value in values {
                attribute(&mut out, name, value);
            }
            out.push_str("-\n");
        }
    }
    out
}

/// A remark; what stands in it can't end it.
fn remark(out: &mut String, line: &str) {
    let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    out.push_str(&format!("# {clean}\n"));
}

/// One line, folded; as base64 where its value is no safe string.
fn attribute(out: &mut String, name: &str, value: &[u8]) {
    let line = match std::str::from_utf8(value).ok().filter(|text| is_safe(text)) {
        Some("") => format!("{name}:"),
        Some(text) => format!("{name}: {text}"),
        None => format!("{name}:: {}", base64(value)),
    };
    // All of it is ASCII by now, so any place is a place to fold at.
    let bytes = line.as_bytes();
    let (first, rest) = bytes.split_at(WIDTH.min(bytes.len()));
    out.push_str(&String::from_utf8_lossy(first));
    for piece in rest.chunks(WIDTH - 1) {
        out.push_str("\n ");
        out.push_str(&String::from_utf8_lossy(piece));
    }
    out.push('\n');
}

/// SAFE-STRING of RFC 2849, and no space at its end.
fn is_safe(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii() && !matches!(b, 0 | b'\n' | b'\r'));
    plain && !text.starts_with([' ', ':', '<']) && !text.ends_with(' ')
}
