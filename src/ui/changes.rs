//! A plan for people: what would be changed, operation by operation, what of it is
//! final, what it rests on, and when it would be over.
//!
//! Few changes of a kind are shown with what is there and what will be; of many,
//! three names and the count stand for all, for the file holds every one. It takes
//! the facts of a plan and lays them out; judging them is the reader's.

use std::collections::BTreeMap;

use serde_json::Value;

use super::style::Paint;
use super::text;
use crate::report::words;
use crate::run::drift::{self, Attributes};
use crate::run::plan::{Assumption, Plan, Planned};

/// Up to so many changes of an operation are shown one by one.
const SMALL: usize = 3;
/// Most lines of a list of things that the plan rests on.
const LISTED: usize = 20;
/// Longest value that is shown before or after an arrow.
const VALUE: usize = 60;

/// The plan as a page of text, ending with a line end.
pub(super) fn render(plan: &Plan, hash: &str, paint: Paint, width: usize) -> String {
    let page = Page { paint, width };
    let mut out = page.head(plan, hash);
    out.push_str(&page.changes(plan));
    for (title, list) in [
        ("approvals that will be asked", &plan.approvals),
        ("objections of guards that will be settled by then", &plan.conditions),
        ("taken for granted", &plan.assumptions),
    ] {
        out.push_str(&page.rests_on(title, list));
    }
    out.push_str(&page.left(&plan.left));
    out.push_str(&page.made_from(plan));
    out
}

struct Page {
    paint: Paint,
    width: usize,
}

impl Page {
    fn title(&self, text: &str) -> String {
        format!("\n{}\n", self.paint.bold(text))
    }

    /// A line that hangs below its first word.
    fn line(&self, indent: usize, text: &str) -> String {
        format!("{}\n", text::hang(&" ".repeat(indent), text, self.width))
    }

    fn head(&self, plan: &Plan, hash: &str) -> String {
        let title = format!("plan of {}", words::moment_long(plan.made));
        let mut out = format!("{}\n", self.paint.bold(&title));
        let of = &plan.of;
        let clean = |text: &str| words::clean(text);
        out.push_str(&self.line(
            2,
            &format!("for {}, tenant {}, profile {}", clean(&of.project), clean(&of.tenant), clean(&of.profile)),
        ));
        let changes = match plan.changes.len() as u64 {
            0 => "nothing to do".to_owned(),
            n => words::counted(n, "change", "changes"),
        };
        let over = if plan.ends > plan.made {
            format!("over on {} ({})", words::moment_long(plan.ends), words::between(plan.made, plan.ends))
        } else {
            "over at once".to_owned()
        };
        out.push_str(&self.line(2, &format!("{changes}, {over}")));
        let all: u64 = plan.requests.values().sum();
        if all > 0 {
            let by: Vec<String> =
                plan.requests.iter().map(|(s, n)| format!("{} {}", words::count(*n), clean(s))).collect();
            let text = format!("{} of the planning: {}", words::counted(all, "request", "requests"), by.join(", "));
            out.push_str(&self.line(2, &text));
        }
        if !hash.is_empty() {
            out.push_str(&format!("  {}\n", self.paint.dim(&format!("hash {hash}"))));
        }
        out
    }

    fn changes(&self, plan: &Plan) -> String {
        let mut order: Vec<&str> = Vec::new();
        let mut by: BTreeMap<&str, Vec<&Planned>> = BTreeMap::new();
        for change in &plan.changes {
            if !by.contains_key(change.operation.as_str()) {
                order.push(&change.operation);
            }
            by.entry(&change.operation).or_default().push(change);
        }
        if order.is_empty() {
            return String::new();
        }
        let mut out = self.title("what would be changed, in this order");
        for operation in order {
            if let Some(list) = by.get(operation) {
                out.push_str(&self.operation(operation, list));
            }
        }
        out
    }

    fn operation(&self, operation: &str, list: &[&Planned]) -> String {
        let count = words::count(list.len() as u64);
        let mut out = format!("  {} {}", self.paint.bold(&words::clean(operation)), count);
        if let (Some(first), Some(last)) = (list.first(), list.last()) {
            let from = words::moment_short(first.time).trim().to_owned();
            let to = words::moment_short(last.time).trim().to_owned();
            let span = if from == to { from } else { format!("{from} to {to}") };
            out.push_str(&format!("  {}", self.paint.dim(&span)));
        }
        out.push('\n');
        if list.len() <= SMALL {
            list.iter().for_each(|change| out.push_str(&self.change(change)));
        } else {
            let targets: Vec<String> = list.iter().map(|c| words::clean(&c.target)).collect();
            out.push_str(&self.line(4, &words::names(&targets, SMALL)));
        }
        let mut ways: Vec<(String, usize)> = Vec::new();
        for change in list {
            let way = self.way_back(&change.way_back);
            match ways.iter_mut().find(|(known, _)| *known == way) {
                Some((_, count)) => *count += 1,
                None => ways.push((way, 1)),
            }
        }
        for (way, count) in &ways {
            let of = if ways.len() > 1 { format!(" ({})", words::count(*count as u64)) } else { String::new() };
            let (word, rest) = way.split_once(": ").unwrap_or((way, ""));
            let painted = match word {
                "final" => self.paint.warn(word),
                "reversible" => self.paint.good(word),
                _ => word.to_owned(),
            };
            let head = format!("    {painted}{of}");
            let indent = 4 + text::width(word) + text::width(&of);
            if rest.is_empty() {
                out.push_str(&format!("{head}\n"));
            } else {
                out.push_str(&format!("{}\n", text::hang_at(&format!("{head}: "), indent + 2, rest, self.width)));
            }
        }
        out
    }

    /// `reversible`, `compensable: …`, `final: …`.
    fn way_back(&self, way: &Value) -> String {
        let kind = way["kind"].as_str().unwrap_or("unknown");
        let words = ["way", "why", "cost", "until"];
        let rest: Vec<String> = words.iter().filter_map(|key| way[*key].as_str()).map(words::clean).collect();
        if rest.is_empty() { kind.to_owned() } else { format!("{kind}: {}", rest.join("; ")) }
    }

    /// One object: what is there, and what will be.
    fn change(&self, change: &Planned) -> String {
        let at = change.at.as_ref().map(|at| format!("  {}", self.paint.dim(&words::clean(at)))).unwrap_or_default();
        let mut out = format!("    {}{at}\n", self.paint.hint(&words::clean(&change.target)));
        let (before, after) = (drift::attributes(&change.before), drift::attributes(&change.after));
        for name in drift::changed(&before, &after) {
            out.push_str(&self.line(6, &words_of(&name, &before, &after)));
        }
        out
    }

    fn rests_on(&self, title: &str, list: &[Assumption]) -> String {
        if list.is_empty() {
            return String::new();
        }
        let mut out = self.title(&format!("{title} ({})", words::count(list.len() as u64)));
        for one in list.iter().take(LISTED) {
            let time = words::moment_short(one.time).trim().to_owned();
            let at = one.at.as_ref().map(|at| format!(" ({})", words::clean(at))).unwrap_or_default();
            let text = format!("{}{at}", words::clean(&one.text));
            let head = format!("  {}  ", self.paint.dim(&text::pad(&time, 12)));
            out.push_str(&format!("{}\n", text::hang_at(&head, 16, &text, self.width)));
        }
        out + self.more(list.len()).as_str()
    }

    fn left(&self, left: &BTreeMap<String, String>) -> String {
        if left.is_empty() {
            return String::new();
        }
        let mut by: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (address, reason) in left {
            by.entry(reason).or_default().push(words::clean(address));
        }
        let mut out = self.title(&format!("rows left where they are ({})", words::count(left.len() as u64)));
        for (reason, who) in by.iter().take(LISTED) {
            out.push_str(&self.line(2, &format!("{}: {}", words::names(who, SMALL), words::clean(reason))));
        }
        out + self.more(by.len()).as_str()
    }

    fn made_from(&self, plan: &Plan) -> String {
        if plan.pins.is_empty() {
            return String::new();
        }
        let mut out = self.title("made from");
        for pin in plan.pins.iter().take(LISTED) {
            let hash: String = pin.sha256.chars().take(12).collect();
            let text = format!("{} {} ({hash})", words::clean(&pin.kind), words::clean(&pin.name));
            out.push_str(&self.line(2, &text));
        }
        out + self.more(plan.pins.len()).as_str()
    }

    fn more(&self, all: usize) -> String {
        match all.saturating_sub(LISTED) {
            0 => String::new(),
            more => format!("  … and {} more; the file has them all\n", words::count(more as u64)),
        }
    }
}

/// `ttl: 3600 → 300`; of lists what goes and what comes.
fn words_of(name: &str, before: &Attributes, after: &Attributes) -> String {
    let shown = |value: &Value| text::shorten(&words::clean(&drift::plain(value)), VALUE);
    let (was, will) = (before.get(name), after.get(name));
    let name = words::clean(name);
    if let (Some(Value::Array(was)), Some(Value::Array(will))) = (was, will) {
        let (gone, mut come) = drift::apart(was, will);
        come.extend(will.iter().filter(|v| drift::is_unknown(v)));
        if let ([gone], [come]) = (&gone[..], &come[..]) {
            return format!("{name}: {} → {}", shown(gone), shown(come));
        }
        let list = |sign: &str, values: &[&Value]| -> Vec<String> {
            let more = values.len().saturating_sub(SMALL);
            let mut out: Vec<String> = values.iter().take(SMALL).map(|v| format!("{sign} {}", shown(v))).collect();
            if more > 0 {
                out.push(format!("{sign} {more} more"));
            }
            out
        };
        return format!("{name}: {}", [list("-", &gone), list("+", &come)].concat().join("; "));
    }
    if let (None, Some(Value::Array(will))) = (was, will)
        && will.len() > SMALL
    {
        let values: Vec<String> = will.iter().map(&shown).collect();
        return format!("{name}: {}", words::names(&values, SMALL));
    }
    let nothing = || "nothing".to_owned();
    match (was, will) {
        (None, Some(will)) => format!("{name}: {}", shown(will)),
        (was, will) => format!("{name}: {} → {}", was.map_or_else(nothing, shown), will.map_or_else(nothing, shown)),
    }
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
