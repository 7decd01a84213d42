//! The summary of a rehearsal: the outcome first, then the numbers.

use super::style::Paint;
use super::text;
use crate::report::front;
use crate::report::group::Group;
use crate::report::story::{Story, Verdict};
use crate::report::words;

/// How many names stand beside a reason.
const NAMES: usize = 5;
/// How many cases stand below a count of messages or of work.
const CASES: usize = 3;

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
    forced(story, &mut facts);
    time_and_mail(story, &mut facts);
    work(story, &mut facts);
    approvals(story, &mut facts);
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
    if let Some(apart) = story.apart() {
        facts.fact("Hours apart", &apart.words());
    }
    if let Some(without) = story.without_old_mail() {
        facts.fact("Without old mail", &without.words());
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
    facts.cases(&probes.lost_sample, NAMES);
    if probes.sent > 0 {
        facts.fact("Delayed", &words::counted(probes.delayed, "message", "messages"));
        facts.cases(&probes.delayed_sample, CASES);
        facts.fact("In junk", &words::counted(probes.junk, "message", "messages"));
        facts.cases(&probes.junk_sample, CASES);
    }
    if probes.returned_as_before > 0 {
        let returned = words::counted(probes.returned_as_before, "message", "messages");
        facts.fact("Returned anyway", &format!("{returned}, too large or not allowed; not by the migration"));
    }
    if !probes.beside.is_empty() {
        let beside = words::counted(probes.beside.len() as u64, "message", "messages");
        facts.fact("Lost beside these", &format!("{beside} to groups, folders or devices"));
        facts.cases(&probes.beside, CASES);
    }
}

/// What people made in a mailbox after its copy. Without people at work there is
/// nothing to count, and no line: a nought would be a claim.
fn work(story: &Story, facts: &mut Facts) {
    let work = &story.parts.proof.work;
    if work.made > 0 || work.lost > 0 {
        let text = front::work_words(story);
        facts.fact("Work lost", &format!("{} {text}", words::count(work.lost)));
        facts.cases(&work.sample, CASES);
    }
    if !work.hindered.is_empty() {
        let kinds: Vec<String> = work.hindered.iter().map(|(what, n)| front::hindered_words(what, *n)).collect();
        facts.fact("Hindered", &kinds.join(", "));
    }
}

/// Guards that somebody passed by force; they stand right below the mailboxes.
fn forced(story: &Story, facts: &mut Facts) {
    if story.forced.is_empty() {
        return;
    }
    let count = words::counted(story.forced.len() as u64, "guard", "guards");
    let count = facts.paint.warn(&format!("{count} passed by force"));
    facts.fact("Forced", &count);
    for one in story.forced.iter().take(NAMES) {
        let on = if one.target.is_empty() { String::new() } else { format!(" on {}", one.target) };
        facts.below(&format!("`{}`{on}, because: {}", one.guard, one.reason));
    }
    if let Some(more) = story.forced.len().checked_sub(NAMES).filter(|n| *n > 0) {
        facts.below(&format!("and {} more", words::count(more as u64)));
    }
}

fn approvals(story: &Story, facts: &mut Facts) {
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

    /// Cases as the judge names them.
    fn cases(&mut self, cases: &[String], most: usize) {
        for case in cases.iter().take(most) {
            self.below(&words::clean(case));
        }
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
