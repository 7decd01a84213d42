//! What was lost, late or in junk, in full: the judge's samples, and every person
//! who lost work.

use std::fmt::Write as _;

use super::{end, end_table, escape, section as begin, table};
use crate::report::front;
use crate::report::story::Story;
use crate::report::words;

/// Writes the section; nothing if there is nothing to name.
pub(super) fn section(story: &Story, out: &mut String) {
    let facts = front::mail(story);
    let losers: Vec<_> = story.parts.proof.rows.iter().filter(|r| r.work_lost > 0).collect();
    if losers.is_empty() && facts.iter().all(|f| f.named.is_empty()) {
        return;
    }
    begin(out, "lost", "What was lost, late or in junk");
    for fact in facts.iter().filter(|f| !f.named.is_empty()) {
        let _ = writeln!(out, "<h3>{}: {}</h3>\n<ul class=\"named\">", escape(fact.label), escape(&fact.value));
        for name in &fact.named {
            let _ = writeln!(out, "<li>{}</li>", escape(&words::clean(name)));
        }
        out.push_str("</ul>\n");
    }
    if !losers.is_empty() {
        let people = words::counted(losers.len() as u64, "person", "people");
        let _ = writeln!(out, "<details>\n<summary>The {people} who lost work</summary>");
        table(out, "", "People who lost work", "", "", &[("", "Mailbox"), ("t", "Wave"), ("n", "Lost"), ("", "What")]);
        for row in losers {
            let _ = writeln!(
                out,
                "<tr><th scope=\"row\">{}</th><td class=\"t\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
                escape(&row.address),
                escape(&row.batch),
                words::count(row.work_lost),
                escape(&words::clean(&row.work_lost_words))
            );
        }
        end_table(out);
        out.push_str("</details>\n");
    }
    end(out);
}
