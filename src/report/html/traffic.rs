//! Findings and approvals, requests, how to repeat the rehearsal, its limits.

use std::fmt::Write as _;

use super::{end, end_table, escape, rich, section, table};
use crate::report::limits;
use crate::report::story::Story;
use crate::report::words;

/// Findings and approvals.
pub(super) fn notes(story: &Story, out: &mut String) {
    if !story.findings.is_empty() {
        section(out, "findings", "Findings and warnings");
        let heads = [("t", "Weight"), ("n", "Times"), ("", "What"), ("", "What to do"), ("", "Concerns")];
        table(out, "", "Findings", "", "", &heads);
        for group in &story.findings {
            let class = match group.severity.as_str() {
                "error" => "bad",
                "warning" => "left",
                _ => "soft",
            };
            let _ = writeln!(
                out,
                "<tr><td class=\"o {class}\">{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(&group.severity),
                words::count(group.count),
                rich(&group.message),
                rich(&group.hint),
                escape(&words::names(&group.targets, 3))
            );
        }
        end_table(out);
        end(out);
    }
    if story.approvals.is_empty() {
        return;
    }
    section(out, "approvals", "Approvals");
    let refused = story.approvals.iter().filter(|a| a.granted == Some(false)).count() as u64;
    let _ = writeln!(
        out,
        "<p>Where the script asks a person{} {} asked for, {} refused.</p>",
        match story.parts.rehearsed {
            true => "; in a rehearsal the answer comes by itself after a working day of the lab.",
            false => ".",
        },
        words::counted(story.approvals.len() as u64, "approval was", "approvals were"),
        if refused == 0 { "none".to_owned() } else { words::count(refused) }
    );
    let long = story.approvals.len() > 8;
    if long {
        let asked = words::counted(story.approvals.len() as u64, "approval", "approvals");
        let _ = writeln!(out, "<details>\n<summary>All {asked}</summary>");
    }
    table(
        out,
        "",
        "Approvals",
        "",
        "",
        &[("t", "Asked"), ("t", "Answered"), ("", "Question"), ("t", "Answer"), ("t", "By")],
    );
    for approval in &story.approvals {
        let (class, answer) = match approval.granted {
            Some(true) => ("good", "granted"),
            Some(false) => ("bad", "refused"),
            None => ("left", "open"),
        };
        let _ = writeln!(
            out,
            "<tr><td class=\"t\">{}</td><td class=\"t\">{}</td><td>{}</td><td class=\"o {class}\">{answer}</td><td class=\"t\">{}</td></tr>",
            words::moment(approval.asked),
            approval.answered.map(words::moment).unwrap_or_default(),
            rich(&approval.text),
            escape(&approval.by)
        );
    }
    end_table(out);
    if long {
        out.push_str("</details>\n");
    }
    end(out);
}

/// Requests to each service.
pub(super) fn requests(story: &Story, out: &mut String) {
    section(out, "requests", "Requests");
    let requests = story.requests();
    if requests.is_empty() {
        out.push_str("<p class=\"soft\">No request was counted.</p>\n");
        end(out);
        return;
    }
    let sum: u64 = requests.iter().map(|(_, n, _)| n).sum();
    let _ = writeln!(
        out,
        "<p>{} to {}, over the real protocols; {} changed something.</p>",
        words::counted(sum, "request", "requests"),
        words::counted(requests.len() as u64, "service", "services"),
        words::count(story.parts.proof.writes)
    );
    table(out, "", "Requests", "", "", &[("t", "Service"), ("", "Operation"), ("n", "Requests")]);
    for (service, sum, operations) in &requests {
        let _ = writeln!(
            out,
            "<tr class=\"sum\"><th scope=\"row\" class=\"t\">{}</th><td>all</td><td class=\"n\">{}</td></tr>",
            escape(service),
            words::count(*sum)
        );
        let mut operations: Vec<_> = operations.iter().collect();
        operations.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        for (operation, n) in operations {
            let _ = writeln!(
                out,
                "<tr><td></td><td>{}</td><td class=\"n\">{}</td></tr>",
                escape(operation),
                words::count(*n)
            );
        }
    }
    end_table(out);
    end(out);
}

/// What this rehearsal does not prove; the last page.
pub(super) fn limits(story: &Story, out: &mut String) {
    if !story.parts.rehearsed {
        return untold(out);
    }
    section(out, "limits", "What this rehearsal does not prove");
    out.push_str("<p>Each of these has a check in the pilot wave that would prove it.</p>\n<div class=\"limits\">\n");
    let mut head = String::new();
    for limit in limits::limits(story) {
        if limit.head != head {
            let close = if head.is_empty() { "" } else { "</ul>\n" };
            let _ = writeln!(out, "{close}<h3>{}</h3>\n<ul>", escape(&limit.head));
            head.clone_from(&limit.head);
        }
        let _ = writeln!(
            out,
            "<li>{}<span class=\"pilot\"><b>Pilot check:</b> {}</span></li>",
            rich(&limit.text),
            rich(&limit.pilot)
        );
    }
    out.push_str("</ul>\n</div>\n");
    end(out);
}

/// What only a lab's judge knows of a run.
fn untold(out: &mut String) {
    section(out, "limits", "What this page does not tell");
    out.push_str(
        "<p>It is made of what the run said and of its journal. Only a rehearsal has a judge who sees every mailbox and \
         every message from within.</p>\n<ul>\n<li>Whether a message was lost, came late or went into junk.</li>\n\
         <li>What people did in an old mailbox after its copy, and whether it is in the cloud.</li>\n\
         <li>For how long somebody had new mail in one mailbox and Outlook in the other.</li>\n\
         <li>What became of a mailbox after the last event of the run.</li>\n</ul>\n",
    );
    end(out);
}

/// Everything needed to see the same again.
pub(super) fn repeat(story: &Story, out: &mut String) {
    let parts = &story.parts;
    if !parts.rehearsed {
        return;
    }
    section(out, "repeat", "To repeat it");
    out.push_str("<p>The same version, script, list, seed and faults give the same events, whatever the machine.</p>\n<dl class=\"sheet\">\n");
    let mut fact = |label: &str, value: String| {
        let _ = writeln!(out, "<dt>{}</dt><dd>{value}</dd>", escape(label));
    };
    fact("Script", format!("<code>{}</code>", escape(&parts.script)));
    if let Some(seed) = parts.seed {
        fact("Seed", format!("<code>{seed}</code>"));
    }
    fact("Faults", format!("<code>{}</code>", escape(&parts.faults)));
    if let Some(digest) = &parts.digest {
        fact(
            "Digest",
            format!(
                "<code>{}</code> over {}",
                escape(&digest.sha256),
                words::counted(digest.events, "event", "events")
            ),
        );
    }
    if let Some(invented) = story.invented() {
        fact("Invented", escape(&invented));
    }
    let memory = parts.peak_memory.map(|m| format!(", {} of memory at most", words::bytes(m))).unwrap_or_default();
    let threads = words::counted(parts.threads as u64, "thread", "threads");
    fact("Real time", format!("{}{memory}, {threads}", words::seconds(parts.wall_seconds)));
    fact("Version", format!("stagepost {}", env!("CARGO_PKG_VERSION")));
    fact("Exit code", parts.exit.to_string());
    out.push_str("</dl>\n");
    end(out);
}
