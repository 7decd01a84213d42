//! A corrected copy of a list: what is mechanical, and nothing else.
//!
//! Encoding, separators, lines that no mailbox stands in, names of columns,
//! white space, quotes and prefixes around addresses, blank and repeated rows,
//! line ends. No value is invented and no address replaced by another: what has
//! to be decided stays as it is and is found again in the copy. Passwords are
//! written as they were and never looked into. Nothing here writes a file.

use std::collections::{BTreeMap, HashMap};

use super::address;
use super::columns::USER_NAME;
use super::encoding::{Form, Text};
use super::findings::Findings;
use super::layout::{Layout, lay_out};
use super::list::{EMAIL_ADDRESS, PASSWORD};
use super::read::{Reading, no_mailbox};
use super::rules;
use super::scan::{self, LineEnds, Row, Walk};

/// Marks of a value whose quotes nobody can undo with certainty.
const UNQUOTED: u8 = scan::STRAY_QUOTE | scan::BEHIND_QUOTE | scan::OPEN_QUOTE;

/// Rules whose breaches are corrected, and what is done about them.
const CORRECTIONS: [(&str, &str); 25] = [
    (rules::ENCODING, "read by its code page and written as UTF-8"),
    (rules::NO_MARK, "read as UTF-16 and written as UTF-8"),
    (rules::SEPARATOR, "commas put between the values"),
    (rules::TYPE_LINE, "the line above the header taken out"),
    (rules::SEPARATOR_LINE, "the line above the header taken out"),
    (rules::LINES_ABOVE, "the lines above the header taken out"),
    (rules::LINES_BELOW, "the count taken out"),
    (rules::RULER, "the ruler taken out"),
    (rules::HEADER_AGAIN, "the repeated header taken out"),
    (rules::NO_HEADER, "the header EmailAddress put above"),
    (rules::HEADER_CASE, "the column's name written as the service spells it"),
    (rules::HEADER_BLANKS, "blanks around the column's name taken off"),
    (rules::MISSPELT_COLUMN, "the column given the name that it means"),
    (rules::NAMELESS_COLUMN, "the empty column taken out"),
    (rules::BLANK_ROW, "the blank row taken out"),
    (rules::LINE_ENDS, "all lines end with CR LF"),
    (rules::LONE_CR, "all lines end with CR LF"),
    (rules::BLANKS_AROUND, "blanks around the value taken off"),
    (rules::ODD_BLANKS, "blanks around the value taken off"),
    (rules::USER_NAME_BLANKS, "blanks around the value taken off"),
    (rules::INVISIBLE, "marks that can't be seen taken out"),
    (rules::ADDRESS_FORM, "only the address kept"),
    (rules::APOSTROPHES, "the quotes around the address taken off"),
    (rules::ROW_WIDTH, "empty values beyond the last column taken off"),
    (rules::REPEATED_ROW, "the repeated row taken out"),
];
/// Those around an address; in the table they read as apostrophes do.
const QUOTES: (&str, &str) = (rules::TYPOGRAPHIC_QUOTES, "the quotes around the address taken off");

/// Corrections of one sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The rule that was broken.
    pub rule: &'static str,
    /// What was done.
    pub text: &'static str,
    /// Lines of the input, ascending; empty if it concerns the whole file.
    pub lines: Vec<u64>,
}

/// A corrected copy.
#[derive(Clone, Debug)]
pub struct Mended {
    /// UTF-8 without a byte order mark, commas, CR LF.
    pub text: String,
    /// What was done, by rule.
    pub corrections: Vec<Correction>,
}

/// Corrects what is mechanical; `None` if the file is no list that could be
/// written again.
pub fn mend(text: &Text, how: &Reading) -> Option<Mended> {
    let mut out = Findings::new("", &text.text);
    let layout = lay_out(text, how, &mut out)?;
    let mut log = Log::default();
    for finding in out.finish() {
        match finding.rule {
            rules::NO_HEADER if layout.columns.len() > 1 => {}
            // Whether a nameless column is empty only its rows can tell.
            rules::NAMELESS_COLUMN => {}
            rule => log.note(rule, finding.line),
        }
    }
    match text.form {
        Form::CodePage(_) => log.note(rules::ENCODING, 0),
        Form::Utf16Unmarked { .. } => log.note(rules::NO_MARK, 0),
        Form::Utf8 | Form::Utf16 | Form::Mixed => {}
    }
    let kept = kept_columns(&text.text, &layout, &mut log);
    let mut copy = String::with_capacity(text.text.len() + text.text.len() / 16);
    if layout.header.is_some() {
        let names = names(&text.text, &layout);
        let names: Vec<&str> = kept.iter().filter_map(|at| names.get(*at).map(String::as_str)).collect();
        put(&mut copy, names.into_iter());
    } else if layout.columns.len() == 1 {
        put(&mut copy, std::iter::once(EMAIL_ADDRESS));
    }
    rows(&text.text, &layout, &kept, &mut copy, &mut log);
    Some(Mended { text: copy, corrections: log.finish() })
}

/// What was done, by rule.
#[derive(Default)]
struct Log(BTreeMap<&'static str, Vec<u64>>);

impl Log {
    fn note(&mut self, rule: &'static str, line: usize) {
        let lines = self.0.entry(rule).or_default();
        if line > 0 && lines.last() != Some(&(line as u64)) {
            lines.push(line as u64);
        }
    }

    /// Only what is corrected; other rules are found again in the copy.
    fn finish(mut self) -> Vec<Correction> {
        let table = CORRECTIONS.iter().chain([&QUOTES]);
        let mut found: Vec<Correction> = table
            .filter_map(|(rule, text)| self.0.remove(rule).map(|lines| Correction { rule, text, lines }))
            .collect();
        found.sort_by_key(|correction| correction.rule);
        found
    }
}

/// Positions of the columns that are written: all but nameless ones in which
/// nothing stands.
fn kept_columns(text: &str, layout: &Layout, log: &mut Log) -> Vec<usize> {
    let nameless: Vec<usize> =
        layout.columns.iter().enumerate().filter(|(_, name)| name.is_empty()).map(|(at, _)| at).collect();
    let all = 0..layout.columns.len();
    if nameless.is_empty() {
        return all.collect();
    }
    let mut used = vec![false; layout.columns.len()];
    let mut walk = Walk::from(text, layout.separator, layout.begin.0, layout.begin.1);
    let mut row = Row::default();
    while walk.next(&mut row) {
        for at in &nameless {
            let filled = row.cells.get(*at).is_some_and(|cell| !address::trim(&cell.value(text)).is_empty());
            // What is ragged may have its values anywhere.
            if let Some(slot) = used.get_mut(*at) {
                *slot |= filled;
            }
        }
    }
    let empty = |at: &usize| nameless.contains(at) && used.get(*at) == Some(&false);
    if nameless.iter().any(empty) {
        log.note(rules::NAMELESS_COLUMN, layout.top.1);
    }
    all.filter(|at| !empty(at)).collect()
}

/// Names of the columns as they are written: what is known by its exact name,
/// the first of several that mean the same.
fn names(text: &str, layout: &Layout) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(layout.columns.len());
    let cells = layout.header.iter().flat_map(|header| &header.cells);
    for (name, cell) in layout.columns.iter().zip(cells) {
        let written = cell.value(text);
        let written = written.trim_matches(|c| address::blank(c) || address::is_invisible(c));
        let again = out.iter().any(|other| other == name);
        let spelt = written.eq_ignore_ascii_case(name);
        out.push(if layout.is_cloud || (again && !spelt) { written.to_owned() } else { name.clone() });
    }
    out
}

fn rows(text: &str, layout: &Layout, kept: &[usize], copy: &mut String, log: &mut Log) {
    let mut walk = Walk::from(text, layout.separator, layout.begin.0, layout.begin.1);
    walk.ends = LineEnds::of(text.get(..layout.begin.0).unwrap_or_default());
    let mut row = Row::default();
    let width = layout.columns.len();
    // A row of the copy by its fingerprint, to be compared in full.
    let mut seen: HashMap<u64, (usize, usize)> = HashMap::new();
    while walk.next(&mut row) {
        if row.is_blank(text) {
            log.note(rules::BLANK_ROW, row.line);
            continue;
        }
        if let Some(rule) = no_mailbox(&row, layout, text) {
            log.note(rule, row.line);
            continue;
        }
        let surplus = row.cells.get(width..).unwrap_or_default();
        let values = row.cells.len() - surplus.len();
        let shed = !surplus.is_empty() && surplus.iter().all(|cell| cell.value(text).trim().is_empty());
        if shed {
            log.note(rules::ROW_WIDTH, row.line);
        }
        // A value that is missing below a column that goes is not missed.
        let whole = (values..width).all(|at| !kept.contains(&at));
        let sure = whole && (shed || surplus.is_empty()) && row.marks & UNQUOTED == 0;
        let start = copy.len();
        let mut first = true;
        for (at, cell) in row.cells.iter().enumerate().take(if shed { width } else { usize::MAX }) {
            if at < width && !kept.contains(&at) && (sure || cell.value(text).trim().is_empty()) {
                continue;
            }
            if !std::mem::take(&mut first) {
                copy.push(',');
            }
            // Between commas it stays as it stands, and is found again.
            if cell.marks & UNQUOTED != 0 && layout.separator == ',' {
                copy.push_str(text.get(cell.start..cell.end).unwrap_or_default());
                continue;
            }
            let value = match cell.marks & UNQUOTED {
                0 => cell.value(text),
                _ => text.get(cell.start..cell.end).unwrap_or_default().into(),
            };
            match layout.columns.get(at).filter(|_| sure) {
                Some(column) if column == PASSWORD => quoted(copy, &value),
                Some(column) => quoted(copy, &corrected(column, &value, row.line, log)),
                None => quoted(copy, &value),
            }
        }
        let written = copy.get(start..).unwrap_or_default();
        let key = address::fingerprint(written);
        let again = seen.get(&key).and_then(|(from, to)| copy.get(*from..*to)).is_some_and(|other| other == written);
        if again && sure {
            copy.truncate(start);
            log.note(rules::REPEATED_ROW, row.line);
            continue;
        }
        seen.entry(key).or_insert((start, copy.len()));
        copy.push_str("\r\n");
    }
    let ends = walk.ends;
    if ends.cr > 0 {
        log.note(rules::LONE_CR, 0);
    } else if ends.lf > 0 && ends.crlf > 0 {
        log.note(rules::LINE_ENDS, 0);
    }
}

/// A value without what is mechanically wrong with it.
fn corrected<'v>(column: &str, value: &'v str, line: usize, log: &mut Log) -> std::borrow::Cow<'v, str> {
    let trimmed = address::trim(value);
    if column != EMAIL_ADDRESS || address::plain(value).is_some() {
        if trimmed.len() != value.len() {
            log.note(if column == USER_NAME { rules::USER_NAME_BLANKS } else { rules::BLANKS_AROUND }, line);
        }
        return trimmed.into();
    }
    let bare = address::bare(value);
    if bare == value {
        return bare;
    }
    if trimmed.len() != value.len() {
        log.note(rules::BLANKS_AROUND, line);
    }
    // Each layer breaks a rule of its own; each is judged once it is outermost.
    let mut layer = trimmed.to_owned();
    for _ in 0..8 {
        let judged = address::judge(&layer, super::kind::Kind::Imap);
        let rule = judged.faults.iter().map(|fault| fault.rule).find(|rule| {
            [rules::INVISIBLE, rules::TYPOGRAPHIC_QUOTES, rules::APOSTROPHES, rules::ADDRESS_FORM].contains(rule)
        });
        let Some(rule) = rule.filter(|_| layer != bare) else { break };
        log.note(rule, line);
        layer = match rule {
            rules::INVISIBLE => layer.chars().filter(|c| !address::is_invisible(*c)).collect(),
            _ => address::shed(&layer).to_owned(),
        };
    }
    bare
}

/// One row of the copy.
fn put<'v>(copy: &mut String, values: impl Iterator<Item = &'v str>) {
    for (at, value) in values.enumerate() {
        if at > 0 {
            copy.push(',');
        }
        quoted(copy, value);
    }
    copy.push_str("\r\n");
}

/// A value, between quotes where it needs them.
fn quoted(copy: &mut String, value: &str) {
    if !value.contains([',', '"', '\n', '\r']) {
        return copy.push_str(value);
    }
    copy.push('"');
    copy.push_str(&value.replace('"', "\"\""));
    copy.push('"');
}

#[cfg(test)]
#[path = "mend_tests.rs"]
mod tests;
