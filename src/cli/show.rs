//! `stagepost show`: what a run did, in the order in which it did it.
//!
//! Reads the journal alone. Equal changes in a row are one line with a count and
//! three names, unless they are asked for by `--changes` or `--target`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Context;
use super::args::Show;
use super::audit::journal;
use super::runs::{counted, state, value};
use crate::base::Result;
use crate::report::words;
use crate::run::journal::Kind;
use crate::run::reading::Of;
use crate::run::records::{Accounts, Record, differences};
use crate::ui::facts::{AccountLine, Tone};

/// Most letters of a value in a line of a change.
const SHOWN: usize = 300;

/// Tells a run.
pub(crate) fn show(context: &Context, args: &Show) -> Result<u8> {
    let reading = journal(&args.at)?;
    let run = reading.run_named(&args.run)?;
    let (tally, at_work) = counted(&reading, &run)?;
    let detailed = args.changes || args.target.is_some();
    let mut accounts = Accounts::default();
    let mut account = Account { detailed, ..Account::default() };
    let mut by = String::new();
    let json = context.json;
    if json {
        context.ui.json(&value(&run, tally, at_work.as_deref()));
    }
    reading.each(Of::Run(&run.id), false, &mut |stored| {
        let mut record = accounts.record(stored);
        if by.is_empty() && !record.user.is_empty() {
            by = on(&record.user, &record.host);
        }
        if args.target.as_ref().is_some_and(|target| !record.is_about(target)) {
            return Ok(());
        }
        if json {
            context.ui.json(&told(&record));
        } else {
            if !detailed {
                // Thousands of images are not kept for a line each.
                (record.before, record.after) = (Value::Null, Value::Null);
            }
            account.take(record);
        }
        Ok(())
    })?;
    if json {
        return Ok(0);
    }
    let what = if run.verb.is_empty() {
        "by a stagepost that did not say".to_owned()
    } else {
        format!("{} {}", run.verb, run.script)
    };
    let code = run.code.map(|c| format!(", exit code {c}")).unwrap_or_default();
    let mut facts = vec![
        ("run", run.id.clone()),
        ("what", what),
        ("state", format!("{}{code}", state(&run, at_work.as_deref()))),
        ("began", words::moment_long(run.began)),
        ("last", words::moment_long(run.last)),
        (
            "did",
            format!(
                "{}, {} moved, {} left whole",
                words::counted(tally.writes, "write", "writes"),
                words::counted(tally.moved, "mailbox", "mailboxes"),
                words::count(tally.left)
            ),
        ),
    ];
    if !by.is_empty() {
        facts.insert(2, ("by", by));
    }
    context.ui.facts(&facts);
    let lines = account.lines();
    if lines.is_empty() {
        let about = args.target.as_deref().unwrap_or_default();
        context.ui.status(&format!("the run has no event about {about}"));
    } else {
        context.ui.print("\n");
        context.ui.account(&lines);
    }
    Ok(0)
}

fn on(user: &str, host: &str) -> String {
    if host.is_empty() { user.to_owned() } else { format!("{user} on {host}") }
}

/// An event as `--json` tells it.
fn told(record: &Record) -> Value {
    let mut value = serde_json::to_value(record).unwrap_or(Value::Null);
    if let Some(map) = value.as_object_mut() {
        map.shift_insert(0, "event".to_owned(), json!("journal"));
        map.insert("differences".to_owned(), json!(differences(&record.before, &record.after)));
    }
    value
}

/// The lines of a run as they are gathered.
#[derive(Default)]
struct Account {
    detailed: bool,
    lines: Vec<AccountLine>,
    group: Option<Group>,
    /// Intents without an outcome, by operation and target.
    open: BTreeMap<(String, String), AccountLine>,
}

/// Equal changes in a row.
struct Group {
    word: String,
    tone: Tone,
    first: Record,
    last: u64,
    names: Vec<String>,
}

impl Account {
    fn take(&mut self, record: Record) {
        let key = (record.operation.clone(), record.target.clone());
        match record.event {
            Some(Kind::Intent) => {
                let text = format!("{}: nobody knows whether it was written; see `stagepost resolve`", record.target);
                self.open.insert(key, line(&record, &record.operation, Tone::Warn, text));
                return;
            }
            Some(Kind::Outcome | Kind::Resolved) => drop(self.open.remove(&key)),
            _ => {}
        }
        let groups = match (record.event, record.outcome.as_str()) {
            (Some(Kind::Baseline), _) => Some(("kept whole".to_owned(), Tone::Dim)),
            (Some(Kind::Outcome), "applied") => Some((record.operation.clone(), Tone::Good)),
            (Some(Kind::Call), _) => Some(("heard".to_owned(), Tone::Dim)),
            _ => None,
        };
        let Some((word, tone)) = groups.filter(|_| !self.detailed) else {
            self.close();
            self.lines.push(plain(&record, self.detailed));
            return;
        };
        match &mut self.group {
            Some(group) if group.word == word => {
                group.last = record.number;
                group.names.push(record.target);
            }
            _ => {
                self.close();
                let (last, names) = (record.number, vec![record.target.clone()]);
                self.group = Some(Group { word, tone, first: record, last, names });
            }
        }
    }

    fn close(&mut self) {
        let Some(group) = self.group.take() else { return };
        let text = match group.names.len() {
            1 => group.names.concat(),
            n => format!("{}: {}", words::count(n as u64), words::names(&group.names, 3)),
        };
        let mut line = line(&group.first, &group.word, group.tone, text);
        if group.last > group.first.number {
            line.place = format!("{}-{}", group.first.number, group.last);
        }
        self.lines.push(line);
    }

    fn lines(mut self) -> Vec<AccountLine> {
        self.close();
        self.lines.extend(self.open.into_values());
        self.lines
    }
}

fn line(record: &Record, word: &str, tone: Tone, text: impl Into<String>) -> AccountLine {
    AccountLine {
        place: record.number.to_string(),
        moment: words::moment_short(record.time),
        word: word.to_owned(),
        tone,
        text: text.into(),
        below: Vec::new(),
    }
}

/// One event by itself.
pub(crate) fn plain(record: &Record, detailed: bool) -> AccountLine {
    let said = |key: &str| record.more[key].as_str().unwrap_or_default();
    let target = record.target.as_str();
    let by = |record: &Record| if record.by.is_empty() { String::new() } else { format!(" (by {})", record.by) };
    let mut line = match record.event {
        Some(Kind::Began | Kind::Resumed) => {
            let process = record.more["who"]["process"].as_u64().map(|p| format!(", process {p}")).unwrap_or_default();
            let script = [record.operation.as_str(), target].join(" ");
            let text = format!("{} by {}{process}", script.trim(), on(&record.user, &record.host));
            line(record, record.kind, Tone::Dim, text)
        }
        Some(Kind::Outcome) if record.operation == "watch" => {
            let count = |key: &str| match &record.more[key] {
                Value::Array(list) => list.len(),
                Value::Object(map) => map.len(),
                _ => 0,
            };
            let text = format!("{target}: {}, {} synced, {} failed", said("status"), count("synced"), count("failed"));
            line(record, "watch", Tone::Plain, text)
        }
        Some(Kind::Outcome) => match record.outcome.as_str() {
            "applied" => line(record, &record.operation, Tone::Good, target),
            "in_doubt" => {
                line(record, &record.operation, Tone::Warn, format!("{target}: in doubt: {}", record.failure))
            }
            _ => line(record, &record.operation, Tone::Bad, format!("{target}: not done: {}", record.failure)),
        },
        Some(Kind::Baseline) => line(record, "kept whole", Tone::Dim, target),
        Some(Kind::Approval) => {
            let tone = if record.outcome == "refused" { Tone::Bad } else { Tone::Good };
            let word = if record.outcome == "refused" { "refused" } else { "approved" };
            line(record, word, tone, format!("{target}{}", by(record)))
        }
        Some(Kind::Left) => line(record, "left whole", Tone::Warn, format!("{target}: {}", said("reason"))),
        Some(Kind::Forced) => {
            let text = format!("{} on {target}: {}; because: {}", record.operation, said("text"), said("reason"));
            line(record, "forced", Tone::Warn, text)
        }
        Some(Kind::Ended) => {
            let code = record.more["code"].as_u64().map(|c| format!(", exit code {c}")).unwrap_or_default();
            line(record, "ended", Tone::Dim, format!("{}{code}", said("state").replace('_', " ")))
        }
        _ => {
            let more = if record.more.is_null() { String::new() } else { short(&record.more.to_string()) };
            let text = [record.operation.as_str(), target, &more].map(str::trim).join(" ");
            line(record, record.kind, Tone::Plain, format!("{}{}", text.trim(), by(record)))
        }
    };
    if detailed && matches!(record.event, Some(Kind::Outcome | Kind::Consequence)) {
        let changes = differences(&record.before, &record.after);
        let none = |text: &str| if text.is_empty() { "nothing".to_owned() } else { short(text) };
        line.below.extend(changes.iter().map(|d| format!("{}: {} → {}", d.name, none(&d.before), none(&d.after))));
    }
    line
}

/// A value that is too long for a line, cut.
fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
