//! Notes turned into lines: what is shown of a run, in which order, how wide.
//!
//! A state machine without a terminal: notes go in, lines come out. One line a
//! step, when it ends; what was found within a step stands below it, drawn
//! together. Only a step with steps inside gets a line at its begin, and, in a
//! real run without a terminal, one that waits.

use jiff::Timestamp;

use super::plan;
use super::style::Paint;
use super::text;
use crate::report::group::{Group, Groups, reasons};
use crate::report::words;
use crate::run::narrate::{Note, What};

/// How lines are to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Columns.
    pub width: usize,
    /// Colour of messages.
    pub paint: Paint,
    /// Signs (`✓`) instead of words (`ok`).
    pub signs: bool,
    /// A live line shows what is under way.
    pub live: bool,
    /// Only what went wrong or was left.
    pub quiet: bool,
    /// Every name, and a line at each begin.
    pub verbose: bool,
}

/// One thing to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A message.
    Message(String),
    /// Data: what the script printed.
    Data(String),
}

/// The signs a line can begin with, and the words where there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Good,
    Bad,
    Warning,
    Info,
    Left,
    Begins,
    Waits,
}

impl Mark {
    fn sign(self) -> &'static str {
        match self {
            Mark::Good => "✓",
            Mark::Bad => "✗",
            Mark::Warning => "!",
            Mark::Info => "·",
            Mark::Left => "–",
            Mark::Begins => "▸",
            Mark::Waits => "…",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Mark::Good => "ok",
            Mark::Bad => "failed",
            Mark::Warning => "warning",
            Mark::Info => "note",
            Mark::Left => "rows",
            Mark::Begins => "begins",
            Mark::Waits => "waits",
        }
    }

    fn painted(self, paint: Paint, text: &str) -> String {
        match self {
            Mark::Good => paint.good(text),
            Mark::Bad => paint.bad(text),
            Mark::Warning | Mark::Left => paint.warn(text),
            Mark::Info | Mark::Begins | Mark::Waits => paint.dim(text),
        }
    }
}

struct Open {
    id: u64,
    primitive: String,
    subject: String,
    began: Timestamp,
    /// Its begin has a line already.
    announced: bool,
    progress: Option<Progress>,
}

struct Progress {
    done: u64,
    total: u64,
    unit: String,
    text: String,
}

/// What is known of the run so far.
#[derive(Default)]
pub(super) struct Teller {
    lab: bool,
    open: Vec<Open>,
    findings: Groups,
    left: Vec<(String, String)>,
    /// Waves of a plan, told below its step.
    planned: Vec<(String, String)>,
    asked: Vec<(Timestamp, String)>,
    waiting: Option<(String, Timestamp)>,
    now: Option<Timestamp>,
}

impl Teller {
    /// Takes a note and says what to write.
    pub(super) fn tell(&mut self, note: &Note, look: Look) -> Vec<Line> {
        self.now = Some(note.time);
        let mut lines = Vec::new();
        match &note.what {
            What::Began { script, profile, seed } => {
                self.lab = seed.is_some();
                let seed = seed.map(|s| format!(", seed {s}")).unwrap_or_default();
                if !look.quiet {
                    let what = format!("`{}` with profile `{}`{seed}", words::clean(script), words::clean(profile));
                    lines.push(entry(look, note.time, Mark::Begins, 0, "run", &what, ""));
                }
            }
            What::StepBegan { id, primitive, subject } => {
                self.flush(look, &mut lines);
                self.announce(look, self.open.len(), &mut lines);
                self.waiting = None;
                self.open.push(Open {
                    id: *id,
                    primitive: words::clean(primitive),
                    subject: words::clean(subject),
                    began: note.time,
                    announced: false,
                    progress: None,
                });
                if look.verbose {
                    self.announce(look, self.open.len(), &mut lines);
                }
            }
            What::Progress { id, done, total, unit, text } => {
                self.waiting = None;
                if let Some(open) = self.open.iter_mut().rev().find(|o| o.id == *id) {
                    let (unit, text) = (words::clean(unit), words::clean(text));
                    open.progress = Some(Progress { done: *done, total: *total, unit, text });
                }
                if !self.lab && !look.live {
                    self.announce(look, self.open.len(), &mut lines);
                }
            }
            What::StepEnded { id, ok, changed, text } => {
                self.waiting = None;
                let (depth, open) = match self.open.iter().rposition(|o| o.id == *id) {
                    Some(at) => (at, Some(self.open.remove(at))),
                    None => (self.open.len(), None),
                };
                let (name, subject) = open.map(|o| (o.primitive, o.subject)).unwrap_or_default();
                let rest = said_of(&subject, &words::clean(text));
                let changed = if *changed == 0 { String::new() } else { words::counted(*changed, "write", "writes") };
                if !look.quiet || !ok {
                    let mark = if *ok { Mark::Good } else { Mark::Bad };
                    lines.push(entry(look, note.time, mark, depth, &name, &rest, &changed));
                }
                self.flush(look, &mut lines);
            }
            What::Finding { severity, target, message, hint } => self.findings.add(severity, target, message, hint),
            What::LeftWhole { address, reason } => self.left.push((words::clean(address), words::clean(reason))),
            What::Asked { text } => self.asked.push((note.time, words::clean(text))),
            What::Answered { text, granted, by } => {
                self.waiting = None;
                self.flush(look, &mut lines);
                let text = words::clean(text);
                if let Some(at) = self.asked.iter().rposition(|(_, asked)| *asked == text) {
                    self.asked.remove(at);
                }
                let (mark, name) = if *granted { (Mark::Good, "approved") } else { (Mark::Bad, "refused") };
                if !look.quiet || !granted {
                    let by = format!("by {}", words::clean(by));
                    lines.push(entry(look, note.time, mark, self.open.len(), name, &text, &by));
                }
            }
            What::Waiting { reason, until } => {
                let reason = words::clean(reason);
                let fresh = self.waiting.as_ref().is_none_or(|(old, _)| *old != reason);
                // A question says itself when it is answered; in a lab, at once.
                let shown = match (self.lab, self.asked.is_empty()) {
                    (true, false) => false,
                    (true, true) => self.open.is_empty(),
                    (false, _) => self.open.is_empty() || !look.live,
                };
                if fresh && shown && !look.quiet {
                    self.flush(look, &mut lines);
                    self.announce(look, self.open.len(), &mut lines);
                    let what = format!("{reason}, until {} at most", words::moment(*until).trim_start());
                    lines.push(entry(look, note.time, Mark::Waits, self.open.len(), "wait", &what, ""));
                }
                self.waiting = Some((reason, *until));
            }
            What::Question { id, by_other, until, .. } => {
                self.flush(look, &mut lines);
                self.announce(look, self.open.len(), &mut lines);
                let whom = if *by_other { " by somebody else" } else { "" };
                let by =
                    until.map_or_else(String::new, |t| format!(", until {} at most", words::moment(t).trim_start()));
                let asked = self.asked.last().map_or("", |(_, text)| text.as_str());
                let what = format!("for `stagepost approve {id}`{whom}{by}: {asked}");
                lines.push(entry(look, note.time, Mark::Waits, self.open.len(), "wait", &what, ""));
            }
            What::Said { text } => {
                self.flush(look, &mut lines);
                lines.push(Line::Data(format!("{text}\n")));
            }
            What::Warned { text, hint } => {
                self.findings.add("warning", "", text, hint);
                if self.open.is_empty() {
                    self.flush(look, &mut lines);
                }
            }
            What::WavePlanned { .. } => self.planned.extend(plan::of_note(&note.what)),
            // The step that follows says it in numbers.
            What::SeatsCounted { .. } | What::SeatsGiven { .. } => {}
            What::Forced { guard, target, text, reason } => {
                let what = format!("the guard `{guard}` was passed by force ({reason}); it said: {text}");
                self.findings.add("warning", target, &what, "");
                if self.open.is_empty() {
                    self.flush(look, &mut lines);
                }
            }
            What::Ended { ok, code } => {
                self.finish(look, &mut lines);
                if !look.quiet {
                    let (mark, text) = if *ok { (Mark::Good, done(*code)) } else { (Mark::Bad, ended(*code)) };
                    lines.push(entry(look, note.time, mark, 0, "run", &text, ""));
                }
            }
        }
        lines
    }

    /// Forgets what is under way; what was collected is written.
    pub(super) fn finish(&mut self, look: Look, lines: &mut Vec<Line>) {
        self.flush(look, lines);
        self.open.clear();
        self.asked.clear();
        self.waiting = None;
    }

    /// The live line: its date, and what is under way.
    pub(super) fn live(&self, look: Look) -> Option<(String, String)> {
        let now = self.now.filter(|_| look.live && !look.quiet)?;
        let indent = columns_before(look);
        let date = text::pad(&date_of(look, now), indent.saturating_sub(2));
        let room = look.width.saturating_sub(indent + 1);
        let waits = |reason: &str, until: &Timestamp| {
            let until = look.paint.dim(&format!("until {} at most", words::moment(*until).trim_start()));
            format!("{reason} {until}")
        };
        let Some(open) = self.open.last() else {
            if let Some((reason, until)) = &self.waiting {
                return Some((date, waits(reason, until)));
            }
            return self.asked.last().map(|(_, asked)| (date, text::shorten(&format!("approval: {asked}"), room)));
        };
        let mut line = format!("{}  {}", open.primitive, open.subject);
        if let Some((_, asked)) = self.asked.last() {
            line = format!("approval: {asked}");
        } else if let Some(p) = open.progress.as_ref().filter(|p| p.total == 0) {
            // Nobody knows of how many.
            line = format!("{line}  {}", p.text);
        } else if let Some(p) = &open.progress {
            let counted = format!("{}/{} {}", words::count(p.done), words::count(p.total), p.unit);
            line = format!("{line}  {}  {counted}", bar(p.done, p.total, if room >= 80 { 16 } else { 10 }));
            if !p.text.is_empty() {
                line = format!("{line}  {}", p.text);
            }
        } else if let Some((reason, _)) = &self.waiting {
            line = format!("{line}  {reason}");
        }
        Some((date, text::shorten(line.trim_end(), room)))
    }

    /// Gives the first `count` open steps their line.
    fn announce(&mut self, look: Look, count: usize, lines: &mut Vec<Line>) {
        if look.quiet {
            return;
        }
        for (depth, open) in self.open.iter_mut().take(count).enumerate() {
            if !std::mem::replace(&mut open.announced, true) {
                lines.push(entry(look, open.began, Mark::Begins, depth, &open.primitive, &open.subject, ""));
            }
        }
    }

    /// Writes findings and rows left whole, drawn together.
    fn flush(&mut self, look: Look, lines: &mut Vec<Line>) {
        let planned = std::mem::take(&mut self.planned);
        let widest = planned.iter().map(|(name, _)| text::width(name)).max().unwrap_or(0);
        for (name, what) in planned.iter().filter(|_| !look.quiet) {
            lines.push(wave(look, name, widest, what));
        }
        for group in std::mem::take(&mut self.findings).finish() {
            let mark = match group.severity.as_str() {
                "error" => Mark::Bad,
                "warning" => Mark::Warning,
                _ => Mark::Info,
            };
            if !look.quiet || mark != Mark::Info {
                lines.push(below(look, mark, &group));
            }
        }
        let left = std::mem::take(&mut self.left);
        for group in reasons(left.iter().map(|(a, r)| (a.as_str(), r.as_str()))) {
            lines.push(below(look, Mark::Left, &group));
        }
    }
}

/// `wave-03 (100 mailboxes): 97 synced, 3 failed`, nothing said twice.
fn said_of(subject: &str, text: &str) -> String {
    match (subject, text) {
        ("", text) => text.to_owned(),
        (subject, "") => subject.to_owned(),
        (subject, text) if text.starts_with(subject) => text.to_owned(),
        (subject, text) => format!("{subject}: {text}"),
    }
}

fn meaning(code: u8) -> Option<&'static str> {
    crate::cli::args::EXIT_CODES.iter().find(|(c, _)| *c == code).map(|(_, m)| *m)
}

fn done(code: u8) -> String {
    meaning(code).filter(|m| m.starts_with("done")).unwrap_or("done").to_owned()
}

fn ended(code: u8) -> String {
    match meaning(code) {
        Some(meaning) => format!("ended with exit code {code} ({meaning})"),
        None => format!("ended with exit code {code}"),
    }
}

fn date_of(look: Look, time: Timestamp) -> String {
    if look.width < 80 { words::moment_short(time) } else { words::moment(time) }
}

/// Columns before the name: date, gap, mark, gap.
fn columns_before(look: Look) -> usize {
    let date = if look.width < 80 { 12 + 1 } else { 16 + 2 };
    date + mark_columns(look) + 1
}

fn mark_columns(look: Look) -> usize {
    if look.signs { 1 } else { 7 }
}

/// A dated line: date, mark, name, what, and a dim addition.
fn entry(look: Look, time: Timestamp, mark: Mark, depth: usize, name: &str, what: &str, addition: &str) -> Line {
    let paint = look.paint;
    let gap = if look.width < 80 { " " } else { "  " };
    let sign = text::pad(if look.signs { mark.sign() } else { mark.word() }, mark_columns(look));
    let inset = "  ".repeat(depth);
    let aligned = look.width >= if look.signs { 96 } else { 110 };
    let name = if aligned { text::pad(name, 24_usize.saturating_sub(depth * 2)) } else { name.to_owned() };
    let head = format!(
        "{}{gap}{} {inset}{}  ",
        paint.dim(&date_of(look, time)),
        mark.painted(paint, &sign),
        paint.bold(&name)
    );
    let before = columns_before(look) + depth * 2;
    let used = before + text::width(&name) + 2;
    // On a wide screen further lines stand below the text, on a narrow one
    // below the name: there is no room to give away.
    let indent = if aligned { used } else { before };
    let first = look.width.saturating_sub(used);
    let mut rows = text::wrap(what, first, look.width.saturating_sub(indent).max(20));
    let mut addition_row = None;
    if !addition.is_empty() {
        let last = rows.last().map_or(0, |r| text::width(r)) + if rows.len() == 1 { used } else { indent };
        if last + 3 + text::width(addition) <= look.width && !what.is_empty() {
            if let Some(row) = rows.last_mut() {
                row.push_str(&format!("  {}", paint.dim(addition)));
            }
        } else if look.width >= 80 || what.is_empty() {
            addition_row = Some(paint.dim(addition));
        }
    }
    rows.extend(addition_row);
    let blank = format!("\n{}", " ".repeat(indent));
    Line::Message(format!("{}\n", format!("{head}{}", rows.join(&blank)).trim_end()))
}

/// An undated line below a step: mark, count, text, names, hint.
fn below(look: Look, mark: Mark, group: &Group) -> Line {
    let paint = look.paint;
    let before = columns_before(look);
    let sign = text::pad(if look.signs { mark.sign() } else { mark.word() }, mark_columns(look));
    let lead = before - mark_columns(look) - 1;
    let head = format!("{}{} ", " ".repeat(lead), mark.painted(paint, &sign));
    let most = if look.verbose { usize::MAX - 1 } else { 3 };
    let names = words::names(&group.targets, most);
    let alone = group.count == 1;
    let message = match (mark, alone) {
        (Mark::Left, true) => format!("{names} left whole: {}", group.message),
        (Mark::Left, false) => format!("{} left whole: {}", words::count(group.count), group.message),
        (_, true) if names.is_empty() || group.message.contains(&names) => group.message.clone(),
        (_, true) => format!("{names}: {}", group.message),
        (_, false) => format!("{} × {}", words::count(group.count), group.message),
    };
    let mut out = text::hang_at(&head, before, &message, look.width);
    let blank = " ".repeat(before);
    if !alone && !names.is_empty() {
        let rows = text::wrap(&names, look.width.saturating_sub(before), look.width.saturating_sub(before));
        for row in rows {
            out.push_str(&format!("\n{blank}{}", paint.dim(&row)));
        }
    }
    if !group.hint.is_empty() {
        out.push('\n');
        out.push_str(&text::hang_at(&format!("{blank}{} ", paint.hint("hint:")), before + 6, &group.hint, look.width));
    }
    out.push('\n');
    Line::Message(out)
}

/// The line of a planned wave.
fn wave(look: Look, name: &str, widest: usize, what: &str) -> Line {
    let before = columns_before(look);
    let mark = text::pad(if look.signs { Mark::Info.sign() } else { Mark::Info.word() }, mark_columns(look));
    let lead = " ".repeat(before - mark_columns(look) - 1);
    let head =
        format!("{lead}{} {}  ", Mark::Info.painted(look.paint, &mark), look.paint.bold(&text::pad(name, widest)));
    // On a narrow screen the text goes on below the name.
    let indent = if look.width >= 96 { before + widest + 2 } else { before + 2 };
    let first = look.width.saturating_sub(before + widest + 2);
    let rows = text::wrap(what, first, look.width.saturating_sub(indent).max(20));
    Line::Message(format!("{head}{}\n", rows.join(&format!("\n{}", " ".repeat(indent)))))
}

/// `━━━━━━────`
fn bar(done: u64, total: u64, columns: u64) -> String {
    let full =
        if total == 0 { 0 } else { (u128::from(done.min(total)) * u128::from(columns) / u128::from(total)) as u64 };
    format!("{}{}", "━".repeat(full as usize), "─".repeat((columns - full) as usize))
}
