//! Each mailbox's outcome: broken first, then left whole, then moved.

use std::fmt::Write as _;

use super::{end, end_table, escape, rich, table};
use crate::report::story::Story;
use crate::report::words;
use crate::wire::lab::{Outcome, Row};

/// From how many moved rows on a printed page leaves them out.
const PRINTED: u64 = 120;

/// The section.
pub(super) fn section_rows(story: &Story, out: &mut String) {
    let rows = &story.parts.proof.rows;
    let many = story.tally.moved > PRINTED;
    if many {
        let _ = writeln!(
            out,
            "<p class=\"printed soft\">The {} that moved are listed in the file itself, not on paper.</p>",
            words::counted(story.tally.moved, "mailbox", "mailboxes")
        );
    }
    if rows.len() > 20 {
        out.push_str(
            "<form class=\"filter\" hidden=\"hidden\">\n<label>Find <input name=\"q\" type=\"search\" autocomplete=\"off\" \
             placeholder=\"address, wave, reason\"/></label>\n<label>Outcome <select name=\"o\"><option \
             value=\"\">all</option><option value=\"b\">in between</option><option value=\"w\">left whole</option><option \
             value=\"m\">moved</option></select></label>\n<output></output>\n</form>\n",
        );
    }
    let mut heads = vec![("", "Mailbox"), ("t", "Outcome"), ("t", "Wave"), ("n", "Apart"), ("n", "Without old mail")];
    // A column of noughts says nothing that the first page doesn't.
    let counts = Counts::of(rows);
    heads.extend(counts.heads());
    heads.push(("", "Reason, or rule that is broken"));
    let class = if many { "tall many" } else { "tall" };
    let caption = format!("{}; those in between come first, then those left, then those that moved", count(story));
    table(out, class, "Mailboxes", &caption, "mailboxes-table", &heads);
    for outcome in [Outcome::Broken, Outcome::Whole, Outcome::Moved] {
        for row in rows.iter().filter(|r| r.outcome == outcome) {
            one(row, counts, out);
        }
    }
    end_table(out);
}

/// Which counts of the rows have a column.
#[derive(Clone, Copy)]
struct Counts {
    work: bool,
    late: bool,
    junk: bool,
}

impl Counts {
    fn of(rows: &[Row]) -> Counts {
        let any = |count: fn(&Row) -> u64| rows.iter().any(|r| count(r) > 0);
        Counts { work: any(|r| r.work_lost), late: any(|r| r.delayed), junk: any(|r| r.junk) }
    }

    fn heads(self) -> Vec<(&'static str, &'static str)> {
        let all = [(self.work, "Work lost"), (self.late, "Late"), (self.junk, "In junk")];
        all.into_iter().filter(|(shown, _)| *shown).map(|(_, head)| ("n", head)).collect()
    }

    fn cells(self, row: &Row) -> String {
        let all = [(self.work, row.work_lost), (self.late, row.delayed), (self.junk, row.junk)];
        all.into_iter()
            .filter(|(shown, _)| *shown)
            .map(|(_, n)| format!("<td class=\"n\">{}</td>", words::count(n)))
            .collect()
    }
}

fn count(story: &Story) -> String {
    words::counted(story.tally.all(), "mailbox", "mailboxes")
}

/// Writes the section.
pub(super) fn section(story: &Story, out: &mut String) {
    super::section(out, "mailboxes", "Each mailbox");
    if story.parts.proof.rows.is_empty() {
        out.push_str("<p class=\"soft\">There was no mailbox to judge.</p>\n");
    } else {
        section_rows(story, out);
    }
    end(out);
}

fn one(row: &Row, counts: Counts, out: &mut String) {
    let (class, colour, word) = match row.outcome {
        Outcome::Broken => ("b", "bad", "in between"),
        Outcome::Whole => ("w", "left", "left whole"),
        Outcome::Moved => ("m", "good", "moved"),
    };
    let mut why: Vec<String> = Vec::new();
    for broken in &row.broken {
        why.push(format!("<code>{}</code> {}", escape(&broken.rule), rich(&words::clean(&broken.text))));
    }
    if !row.reason.is_empty() {
        why.push(rich(&words::clean(&row.reason)));
    }
    let hours = |h: Option<f64>| h.map(words::hours).unwrap_or_default();
    let _ = writeln!(
        out,
        "<tr class=\"{class}\"><th scope=\"row\">{}</th><td class=\"o {colour}\">{word}</td><td class=\"t\">{}</td>\
         <td class=\"n\">{}</td><td class=\"n\">{}</td>{}<td>{}</td></tr>",
        escape(&row.address),
        escape(&row.batch),
        hours(row.hours_apart),
        hours(row.hours_without_old_mail),
        counts.cells(row),
        why.join("<br/>")
    );
}
