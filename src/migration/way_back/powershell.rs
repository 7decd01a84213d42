//! The cloud's part of the way back as PowerShell: what can be taken back, with the
//! cmdlets that do it, and remarks for what is final or stays.
//!
//! Nothing here takes a licence, a mailbox, a user or a domain away: with them goes
//! mail that nobody has elsewhere. Each command looks first, so that the file can be
//! run again.

use serde_json::Value;

use super::{Step, final_word};
use crate::wire::invoke::{get, text_of};

/// The commands, newest first; `head` stands before them as remarks.
pub fn text(head: &[String], steps: &[Step<'_>]) -> String {
    let mut out: Vec<String> = head.iter().map(|line| remark(line)).collect();
    let mut staying: Vec<(&str, &str, usize, &str)> = Vec::new();
    for step in steps.iter().rev() {
        // A wave of equal things that stay is one remark.
        if let Some(why) = stays(step.operation) {
            match staying.iter_mut().find(|(operation, _, _, _)| *operation == step.operation) {
                Some((_, _, others, _)) => *others += 1,
                None => staying.push((step.operation, step.target, 0, why)),
            }
            continue;
        }
        let lines = commands(step);
        if !lines.is_empty() {
            out.push(String::new());
            out.push(remark(&format!("{}: {}", step.operation, step.target)));
            out.extend(lines);
        }
    }
    if !staying.is_empty() {
        out.push(String::new());
        out.push(remark("What stays as it is:"));
        for (operation, first, others, why) in staying {
            let more = if others == 0 { String::new() } else { format!(" and {others} more") };
            out.push(remark(&format!("{operation}: {first}{more}: {why}")));
        }
    }
    out.join("\n") + "\n"
}

/// Why what an operation did is left as it is.
fn stays(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "license::assign" => {
            "a licence that is taken away disconnects its mailbox at once; mail that came to the cloud is in it"
        }
        "license::location" => "a usage location changes nothing by itself",
        "license::take_back" | "license::switch_off" => {
            "the licence given back within 30 days brings the same mailbox back"
        }
        "domain::add" | "domain::verify" => "a domain is not removed: addresses of users hang on it",
        "release::carry_home" => "the message is in the old mailbox",
        _ => return None,
    })
}

fn commands(step: &Step<'_>) -> Vec<String> {
    let name = quoted(step.target);
    let there = |noun: &str, then: String| {
        vec![format!("if (Get-{noun} -Identity {name} -ErrorAction SilentlyContinue) {{ {then} }}")]
    };
    match step.operation {
        "batch" => there("MigrationBatch", format!("Remove-MigrationBatch -Identity {name} -Confirm:$false")),
        "start" => {
            let mut lines = vec![
                remark("Their mail goes to the cloud since the start; way-back.ldif takes the forwarding away."),
                remark("What lies in the cloud mailboxes by then is not carried home by this file."),
            ];
            lines.extend(there("MigrationBatch", format!("Stop-MigrationBatch -Identity {name} -Confirm:$false")));
            lines
        }
        "remove::stop" => vec![remark("a batch that was stopped and removed isn't started again")],
        "remove" => vec![remark(&format!(
            "final: {}",
            final_word(step).unwrap_or("the batch is gone; a new one would begin anew")
        ))],
        "endpoint" if step.before.is_null() => {
            there("MigrationEndpoint", format!("Remove-MigrationEndpoint -Identity {name} -Confirm:$false"))
        }
        "endpoint" => there("MigrationEndpoint", set_endpoint(&name, step.before, step.after)),
        "mailbox_kind" => there("Mailbox", set_mailbox(&name, step.before, step.after)),
        "exchange::invoke" | "graph" => vec![remark(&format!(
            "final: {}; look by hand",
            final_word(step).unwrap_or("a raw call has no before-image")
        ))],
        _ => Vec::new(),
    }
}

fn differs(before: &Value, after: &Value, name: &str) -> bool {
    !text_of(get(before, name)).eq_ignore_ascii_case(&text_of(get(after, name)))
}

/// The old settings; the credentials stay what they are.
fn set_endpoint(name: &str, before: &Value, after: &Value) -> String {
    let settings = ["ExchangeServer", "RpcProxyServer", "Authentication", "MaxConcurrentMigrations"];
    let old = settings.iter().filter(|s| differs(before, after, s));
    let old: Vec<String> = old.map(|s| format!(" -{s} {}", quoted(&text_of(get(before, s))))).collect();
    format!("Set-MigrationEndpoint -Identity {name}{} -Confirm:$false", old.concat())
}

/// Kind and forwarding with a copy, as they were.
fn set_mailbox(name: &str, before: &Value, after: &Value) -> String {
    let mut line = format!("Set-Mailbox -Identity {name}");
    if differs(before, after, "RecipientTypeDetails") {
        line.push_str(" -Type Regular");
    }
    if differs(before, after, "DeliverToMailboxAndForward") {
        line.push_str(" -DeliverToMailboxAndForward $false");
    }
    line + " -Confirm:$false"
}

/// A value between single quotes. PowerShell takes the typographic ones for the
/// same sign, so each of them is doubled.
fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            out.push(c);
        }
        out.push(c);
    }
    out + "'"
}

fn remark(line: &str) -> String {
    let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("# {clean}").trim_end().to_owned()
}
