//! The zones' part of the way back as commands of `nsupdate` (RFC 2136): each set
//! whole, in one message whose prerequisites state the set that the plan leaves.
//!
//! The name server refuses a message whose set is another one by now. Which server
//! and which key is for whoever types; the commands name only what is written. An
//! empty line would send, so there is none.

use serde_json::Value;

use super::{Step, is_unknown};

/// The commands, newest first; `head` stands before them as remarks.
pub fn text(head: &[String], steps: &[Step<'_>]) -> String {
    let mut out: Vec<String> = head.iter().map(|line| remark(line)).collect();
    for step in steps.iter().rev() {
        if step.before.get("set").is_some() {
            out.push(remark(""));
            out.extend(set(step));
        }
    }
    out.join("\n") + "\n"
}

/// Whether a plan changes a zone at all.
pub fn concerns(steps: &[Step<'_>]) -> bool {
    steps.iter().any(|s| s.before.get("set").is_some())
}

fn set(step: &Step<'_>) -> Vec<String> {
    let (before, beside) = (&step.before["set"], &step.before["beside"]);
    let mut lines = vec![remark(&format!("{}: {}", step.operation, step.target))];
    let after = &step.after["set"];
    let owner = [after, before].into_iter().find_map(|s| s["name"].as_str()).unwrap_or_default();
    let kind = [after, before].into_iter().find_map(|s| s["type"].as_str()).unwrap_or_default();
    if owner.is_empty() || kind.is_empty() {
        lines.push(remark("the plan doesn't know the set; look at the zone by hand"));
        return lines;
    }
    let list = |set: &Value| set["values"].as_array().cloned().unwrap_or_default();
    if list(after).iter().any(is_unknown) {
        // What can't be named can't be taken away, and a prerequisite can't hold.
        lines
            .push(remark("a value that only the tenant knows was added, and stays: a proof of ownership harms nobody"));
        return lines;
    }
    let text =
        |set: &Value| -> Vec<String> { list(set).iter().filter_map(|v| v.as_str().map(str::to_owned)).collect() };
    let (old, new) = (text(before), text(after));
    if new.is_empty() {
        lines.push(format!("prereq nxrrset {owner} IN {kind}"));
    }
    lines.extend(new.iter().map(|v| format!("prereq yxrrset {owner} IN {kind} {}", data(kind, v))));
    if !new.is_empty() {
        lines.push(format!("update delete {owner} IN {kind}"));
    }
    let add = |set: &Value, kind: &str, value: &str| {
        let ttl = set["ttl"].as_u64().unwrap_or(3600);
        format!("update add {owner} {ttl} IN {kind} {}", data(kind, value))
    };
    lines.extend(old.iter().map(|v| add(before, kind, v)));
    // The addresses that gave way to an alias.
    lines.extend(text(beside).iter().map(|v| add(beside, "A", v)));
    lines.push("send".into());
    lines
}

/// A value as a zone file writes it: texts in quotes, in pieces of 255 bytes.
fn data(kind: &str, value: &str) -> String {
    if kind != "TXT" {
        return value.to_owned();
    }
    let pieces = value.as_bytes().chunks(255).map(|piece| {
        let mut out = String::from("\"");
        for byte in piece {
            match byte {
                b'"' | b'\\' => out.extend(['\\', char::from(*byte)]),
                // Also `;` is safe between quotes.
                0x20..=0x7e => out.push(char::from(*byte)),
                other => out.push_str(&format!("\\{other:03}")),
            }
        }
        out + "\""
    });
    pieces.collect::<Vec<_>>().join(" ")
}

fn remark(line: &str) -> String {
    let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("; {clean}").trim_end().to_owned()
}
