//! The summary of a rehearsal: the outcome first, then the numbers.

use super::style::Paint;
use super::text;
use crate::report::group::Group;
use crate::report::story::{Story, Verdict};
use crate::report::words;

/// How many names stand beside a reason.
const NAMES: usize = 5;

/// The summary as text.
pub(super) fn render(story: &Story, paint: Paint, columns: usize) -> String {
    let mut out = String::from("\n");
    let sentence = text::hang("", &story.sentence, columns);
    out.push_str(&match story.verdict {
        Verdict::Go => paint.good(&sentence),
        Verdict::GoWithRowsLeft => paint.warn(&sentence),
        Verdict::NoGo => paint.bad(&sentence),
    });
    out.push_str("\n\n");
    let mut facts = Facts { out, paint, columns };
    mailboxes(story, &mut facts);
    time_and_mail(story, &mut facts);
    traffic(story, &mut facts);
    facts.out
}

fn mailboxes(story: &Story, facts: &mut Facts) {
    facts.fact("Moved", &words::counted(story.tally.moved, "mailbox", "mailboxes"));
    facts.fact("Left whole", &words::counted(story.tally.whole, "mailbox", "mailboxes"));
    facts.groups(&story.left);
    if story.tally.broken > 0 {
        facts.fact("In between", &words::counted(story.tally.broken, "mailbox", "mailboxes"));
    }
    if !story.broken.is_empty() {
        facts.fact("Rules broken", &words::count(story.broken.iter().map(|g| g.count).sum()));
        facts.groups(&story.broken);
    }
}

fn time_and_mail(story: &Story, facts: &mut Facts) {
    let proof = &story.parts.proof;
    if let (Some(began), Some(ended), Some(length)) = (story.began(), story.ended(), story.length()) {
        facts.fact("Lab time", &format!("{length}, {} to {}", words::day(began), words::day(ended)));
    }
    if proof.rows.iter().any(|r| r.hours_apart.is_some()) {
        let line = |median, worst| format!("median {}, worst {}", words::hours(median), words::hours(worst));
        facts.fact("Hours apart", &line(proof.hours_apart_median, proof.hours_apart_worst));
        facts.fact("Without old mail", &line(proof.hours_without_old_mail_median, proof.hours_without_old_mail_worst));
    }
    let probes = &proof.probes;
    let delivered = format!(
        "{} sent, {} delivered ({} on the old side, {} in the cloud), {} lost",
        words::count(probes.sent),
        words::count(probes.delivered),
        words::count(probes.delivered_old),
        words::count(probes.delivered_cloud),
        words::count(probes.lost)
    );
    facts.fact("Probe messages", &delivered);
    for lost in probes.lost_sample.iter().take(NAMES) {
        facts.below(&words::clean(lost));
    }
    let refused = story.approvals.iter().filter(|a| a.granted == Some(false)).count() as u64;
    if !story.approvals.is_empty() {
        let asked = story.approvals.len() as u64;
        let refused = if refused == 0 { String::new() } else { format!(", {} refused", words::count(refused)) };
        facts.fact("Approvals", &format!("{} asked{refused}", words::count(asked)));
    }
}

fn traffic(story: &Story, facts: &mut Facts) {
    let requests = story.requests();
    if !requests.is_empty() {
        let sum: u64 = requests.iter().map(|(_, n, _)| n).sum();
        let each: Vec<String> = requests.iter().map(|(s, n, _)| format!("{s} {}", words::count(*n))).collect();
        facts.fact("Requests", &format!("{}: {}", words::count(sum), each.join(", ")));
    }
    facts.fact("Effective writes", &words::count(story.parts.proof.writes));
    if let Some(invented) = story.invented() {
        facts.fact("Invented", &invented);
    }
    let faults = format!("faults {}", story.parts.faults);
    let threads = words::counted(story.parts.threads as u64, "thread", "threads");
    match story.parts.seed {
        Some(seed) => facts.fact("Seed", &format!("{seed}, {faults}, {threads}")),
        None => facts.fact("Faults", &story.parts.faults),
    }
    if let Some(digest) = &story.parts.digest {
        facts.fact("Digest", &format!("{} ({})", digest.sha256, words::counted(digest.events, "event", "events")));
    }
    let memory = story.parts.peak_memory.map(|m| format!(", {} at most", words::bytes(m))).unwrap_or_default();
    facts.fact("Real time", &format!("{}{memory}", words::seconds(story.parts.wall_seconds)));
    if let Some(log) = &story.parts.wire_log {
        facts.fact("Wire log", &log.display().to_string());
    }
    if let Some(report) = &story.parts.report {
        facts.fact("Report", &report.display().to_string());
    }
}

struct Facts {
    out: String,
    paint: Paint,
    columns: usize,
}

impl Facts {
    const LABEL: usize = 18;

    fn fact(&mut self, label: &str, value: &str) {
        let head = format!("  {}", self.paint.dim(&text::pad(label, Self::LABEL)));
        // A digest is copied whole: below its label it fits where beside it the
        // terminal would break it.
        let widest = value.split_whitespace().map(text::width).max().unwrap_or(0);
        if widest + Self::LABEL + 2 > self.columns {
            self.out.push_str(&format!("{}\n", head.trim_end()));
            self.out.push_str(&text::hang_at("    ", 4, value, self.columns));
            self.out.push('\n');
            return;
        }
        self.out.push_str(&text::hang_at(&head, Self::LABEL + 2, value, self.columns));
        self.out.push('\n');
    }

    /// Where what belongs to a fact stands: below its value, or, on a narrow
    /// screen, below its label.
    fn indent(&self) -> usize {
        if self.columns < 80 { 4 } else { Self::LABEL + 2 }
    }

    fn below(&mut self, value: &str) {
        let indent = self.indent();
        self.out.push_str(&text::hang_at(&" ".repeat(indent), indent + 2, value, self.columns));
        self.out.push('\n');
    }

    fn groups(&mut self, groups: &[Group]) {
        for group in groups {
            self.below(&format!("{} × {}", words::count(group.count), group.message));
            let indent = self.indent() + 2;
            let room = self.columns.saturating_sub(indent);
            for row in text::wrap(&words::names(&group.targets, NAMES), room, room) {
                if !row.is_empty() {
                    self.out.push_str(&format!("{}{}\n", " ".repeat(indent), self.paint.dim(&row)));
                }
            }
        }
    }
}
