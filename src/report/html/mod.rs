//! The page: one file without outside parts, for the customer and for print.
//!
//! The first page is the customer's, in plain words; then come the timeline, the
//! people, each mailbox and the traffic, and on the last page what a rehearsal
//! doesn't prove. Everything foreign
//! is escaped ([`escape`]); a content policy in the head forbids the page to
//! load anything. It is well-formed XML too, which a test uses.

mod front;
mod mailboxes;
mod outcome;
mod people;
mod traffic;
mod work;

use super::story::{Story, Verdict};
use super::words;

const CSS: &str = include_str!("page.css");
const JS: &str = include_str!("page.js");

/// The outcome in the page's title.
fn title(story: &Story) -> String {
    match story.parts.rehearsed {
        true => story.verdict.words().to_owned(),
        false => crate::report::front::verdict(story).0,
    }
}

/// The page of a story.
pub fn page(story: &Story) -> String {
    let mut out = String::with_capacity(64 * 1024 + story.parts.proof.rows.len() * 320);
    out.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\"/>\n<meta name=\"referrer\" content=\"no-referrer\"/>\n\
         <meta name=\"generator\" content=\"stagepost\"/>\n",
    );
    out.push_str(&format!("<title>{}: {}</title>\n", escape(&title(story)), escape(&story.parts.title)));
    out.push_str(&format!("<style>\n{CSS}</style>\n</head>\n<body>\n"));
    out.push_str("<a class=\"skip\" href=\"#timeline\">To the timeline</a>\n");
    front::header(story, &mut out);
    out.push_str("<main>\n");
    front::sections(story, &mut out);
    // On paper a new page begins here.
    out.push_str("<div class=\"detail\">\n");
    front::all_points(story, &mut out);
    outcome::stopped_and_broken(story, &mut out);
    outcome::forced(story, &mut out);
    outcome::timeline(story, &mut out);
    outcome::left(story, &mut out);
    people::section(story, &mut out);
    work::section(story, &mut out);
    mailboxes::section(story, &mut out);
    outcome::messes(story, &mut out);
    traffic::notes(story, &mut out);
    traffic::requests(story, &mut out);
    traffic::repeat(story, &mut out);
    out.push_str("</div>\n");
    traffic::limits(story, &mut out);
    out.push_str("</main>\n<footer>\n<p>Made by stagepost ");
    out.push_str(env!("CARGO_PKG_VERSION"));
    out.push_str(". All dates are in UTC. This page loads nothing from anywhere.</p>\n</footer>\n");
    out.push_str(&format!("<script>\n{JS}</script>\n</body>\n</html>\n"));
    out
}

/// Text made safe for element content and quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if (c.is_control() && c != '\n' && c != '\t') || words::invisible(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Escaped text in which what stands between backticks is code.
fn rich(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split('`').peekable();
    let mut code = false;
    while let Some(part) = parts.next() {
        // A backtick without a partner is only a backtick.
        if code && parts.peek().is_none() {
            out.push('`');
            out.push_str(&escape(part));
        } else if code {
            out.push_str(&format!("<code>{}</code>", escape(part)));
        } else {
            out.push_str(&escape(part));
        }
        code = !code;
    }
    out
}

/// The class that colours a verdict.
fn class_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Go => "good",
        Verdict::GoWithRowsLeft => "left",
        Verdict::NoGo => "bad",
    }
}

/// Begins a section with its heading.
fn section(out: &mut String, id: &str, heading: &str) {
    out.push_str(&format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-h\">\n<h2 id=\"{id}-h\">{}</h2>\n",
        escape(heading)
    ));
}

fn end(out: &mut String) {
    out.push_str("</section>\n");
}

/// Begins a table in a place of its own that scrolls; `class` may add `tall`.
fn table(out: &mut String, class: &str, label: &str, caption: &str, id: &str, heads: &[(&str, &str)]) {
    let id = if id.is_empty() { String::new() } else { format!(" id=\"{id}\"") };
    out.push_str(&format!(
        "<div class=\"scroll {class}\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n<table{id} class=\"wide\">\n",
        escape(label)
    ));
    if caption.is_empty() {
        // The heading above says it to the eye.
        out.push_str(&format!("<caption><span class=\"vh\">{}</span></caption>\n", escape(label)));
    } else {
        out.push_str(&format!("<caption>{}</caption>\n", escape(caption)));
    }
    out.push_str("<thead><tr>");
    for (class, head) in heads {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        out.push_str(&format!("<th scope=\"col\"{class}>{}</th>", escape(head)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
}

fn end_table(out: &mut String) {
    out.push_str("</tbody>\n</table>\n</div>\n");
}

/// Reasons with counts and names, as a list.
fn reasons(out: &mut String, groups: &[super::group::Group], most: usize) {
    out.push_str("<ul class=\"reasons\">\n");
    for group in groups {
        let names = words::names(&group.targets, most);
        let who =
            if names.is_empty() { String::new() } else { format!("<span class=\"who\">{}</span>", escape(&names)) };
        out.push_str(&format!(
            "<li><span class=\"count\">{}</span>{}{who}</li>\n",
            words::count(group.count),
            rich(&words::capital(&group.message))
        ));
    }
    out.push_str("</ul>\n");
}

#[cfg(test)]
mod tests;
