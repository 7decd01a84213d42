//! What was found in a list: gathered with its places, in bounded memory,
//! without a secret.
//!
//! Lines, columns and excerpts are worked out only for what is told; of each
//! rule a thousand breaches are told in full and the others counted. What is a
//! breach is decided elsewhere.

use std::collections::BTreeMap;

use super::rules::{self, Finding, Severity};
use super::scan::{self, Row};

/// Most characters of a line that a finding keeps: a finding for each of a
/// thousand columns must not keep a thousand copies of the header.
pub(super) const EXCERPT: usize = 1000;
/// Breaches of one rule that are told in full; the others are counted.
pub(super) const IN_FULL: usize = 1000;
/// Most characters of a value within a message.
const VALUE: usize = 80;
/// What makes it unsure which value of a row is which.
const LOOSE: u8 = scan::OPEN_QUOTE | scan::BEHIND_QUOTE | scan::STRAY_QUOTE;

/// Where a breach stands.
#[derive(Clone, Copy)]
pub(super) enum At<'r> {
    /// It concerns the file as a whole.
    File,
    /// A line, with nothing of it shown.
    Line(usize),
    /// A whole row.
    Row(&'r Row, Who<'r>),
    /// A value of it.
    Cell(&'r Row, usize, Who<'r>),
    /// Some bytes of the text within a value.
    Part(&'r Row, (usize, usize), Who<'r>),
}

/// Which row it is, for people.
#[derive(Clone, Copy)]
pub(super) enum Who<'r> {
    /// The names of the columns.
    Header,
    /// A line that is no row.
    Line,
    /// A row, from 1, and its address where that may be shown.
    Row(usize, Option<&'r str>),
}

impl Who<'_> {
    fn text(self, line: usize) -> String {
        match self {
            Who::Header => "header".to_owned(),
            Who::Line => format!("line {line}"),
            Who::Row(number, None) => format!("row {number}"),
            Who::Row(number, Some(address)) => format!("row {number} ({})", brief(address)),
        }
    }
}

/// The findings of one file.
pub(super) struct Findings<'t> {
    file: &'t str,
    pub(super) text: &'t str,
    /// Position of the column that holds passwords.
    pub(super) password: Option<usize>,
    /// Columns of the header; 0 while it is unknown.
    pub(super) width: usize,
    list: Vec<Finding>,
    counts: BTreeMap<&'static str, Count>,
    /// Last line of the blank rows in hand, how many they are, and which
    /// finding tells of them.
    blanks: Option<(usize, usize, usize)>,
}

/// Breaches of one rule.
#[derive(Clone, Copy, Default)]
struct Count {
    all: usize,
    /// The first and the last line that is not told.
    first: usize,
    last: usize,
}

impl<'t> Findings<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Findings<'t> {
        Findings { file, text, password: None, width: 0, list: Vec::new(), counts: BTreeMap::new(), blanks: None }
    }

    /// The file as it was given.
    pub(super) fn file(&self) -> &'t str {
        self.file
    }

    /// Whether nothing is broken that stops.
    pub(super) fn is_sound(&self) -> bool {
        self.list.iter().all(|finding| finding.severity == Severity::Warning)
    }

    /// One breach. The text is made only if it is told.
    pub(super) fn find(&mut self, id: &'static str, at: At, text: impl FnOnce(&Self) -> String) {
        self.find_as(id, None, at, text);
    }

    /// One breach that is told as less than its rule says, with another remedy.
    pub(super) fn find_as(
        &mut self,
        id: &'static str,
        as_warning: Option<&str>,
        at: At,
        text: impl FnOnce(&Self) -> String,
    ) {
        let line = match at {
            At::File => 0,
            At::Line(line) => line,
            At::Row(row, _) | At::Cell(row, ..) | At::Part(row, ..) => row.line,
        };
        let count = self.counts.entry(id).or_default();
        count.all += 1;
        if count.all > IN_FULL {
            if count.all == IN_FULL + 1 {
                count.first = line;
            }
            count.last = count.last.max(line);
            return;
        }
        let rule = rules::rule(id).expect("every rule that is found stands in the table");
        let said = text(self);
        let (line, column, row, excerpt) = self.place(at);
        self.list.push(Finding {
            rule: rule.id,
            severity: if as_warning.is_some() { Severity::Warning } else { rule.severity },
            file: self.file.to_owned(),
            line,
            column,
            row,
            text: said,
            remedy: as_warning.unwrap_or(rule.remedy).to_owned(),
            excerpt,
            count: 1,
        });
    }

    /// One finding for each run of blank rows: a sheet may end in a million.
    pub(super) fn blank(&mut self, line: usize) {
        if let Some((last, count, index)) = self.blanks.filter(|(last, ..)| last + 1 == line) {
            self.blanks = Some((last + 1, count + 1, index));
            if let Some(finding) = self.list.get_mut(index) {
                finding.text = format!("{} rows from here on are blank", count + 1);
            }
            return;
        }
        let before = self.list.len();
        self.find(rules::BLANK_ROW, At::Line(line), |_| "the row is blank".to_owned());
        // Beyond what is told there is nothing to count up.
        self.blanks = (self.list.len() > before).then_some((line, 1, before));
        if let Some(finding) = self.list.get_mut(before) {
            finding.column = 1;
        }
    }

    /// What may stand in a row whose values are as many as the header's, each
    /// plainly where it belongs.
    pub(super) fn is_loose(&self, row: &Row) -> bool {
        self.password.is_some() && (row.cells.len() != self.width || row.marks & LOOSE != 0)
    }

    /// Whether a value may be shown. Where there are passwords, a shifted row
    /// may have one in any column, so only what looks like an address or is as
    /// short as a yes is shown.
    pub(super) fn shows(&self, index: usize, text: &str) -> bool {
        let Some(password) = self.password else { return true };
        let plain = !text.contains([',', ';', '"', '\n', '\r', '\t']);
        index != password && plain && (text.contains('@') || text.chars().nth(5).is_none())
    }

    fn place(&self, at: At) -> (usize, usize, String, Option<(String, usize)>) {
        let (row, cell, part, who) = match at {
            At::File => return (0, 0, String::new(), None),
            At::Line(line) => return (line, 0, Who::Line.text(line), None),
            At::Row(row, who) => (row, None, (row.start, row.end), who),
            At::Cell(row, index, who) => {
                let cell = row.cells.get(index).map_or((row.start, row.end), |cell| (cell.start, cell.end));
                (row, Some(index), cell, who)
            }
            At::Part(row, part, who) => (row, Some(usize::MAX), part, who),
        };
        let (line, start) = self.line_of(row, part.0);
        let column = self.chars(start, part.0) + 1;
        let name = who.text(row.line);
        let secret = self.password.is_some() && !matches!(who, Who::Header);
        // Where it is unsure which value is which, a password may be any.
        let hidden = secret && (cell.is_none() || self.is_loose(row)) || column >= EXCERPT;
        let excerpt = (!hidden).then(|| self.excerpt(row, start, secret)).filter(|text| !text.is_empty());
        let excerpt = excerpt.map(|text| {
            let end = part.1.min(start + self.line_end(start));
            let width = self.chars(part.0, end).clamp(1, EXCERPT);
            let width = if cell.is_none() { text.chars().count().max(1) } else { width };
            (text, width)
        });
        (line, if cell.is_none() { 1 } else { column }, name, excerpt)
    }

    /// The line of a row on which a byte stands, and where that line begins.
    fn line_of(&self, row: &Row, at: usize) -> (usize, usize) {
        let before = self.text.as_bytes().get(row.start..at).unwrap_or_default();
        let (mut line, mut start) = (row.line, row.start);
        for (place, byte) in before.iter().enumerate() {
            let next = before.get(place + 1).copied();
            if *byte == b'\n' || (*byte == b'\r' && next != Some(b'\n')) {
                line += 1;
                start = row.start + place + 1;
            }
        }
        (line, start)
    }

    fn chars(&self, from: usize, to: usize) -> usize {
        self.text.get(from..to).map_or(0, |part| part.chars().count())
    }

    /// Bytes of the line that begins at a place.
    fn line_end(&self, start: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or_default();
        rest.bytes().position(|byte| byte == b'\n' || byte == b'\r').unwrap_or(rest.len())
    }

    /// The line, with what may be a password starred out.
    fn excerpt(&self, row: &Row, start: usize, secret: bool) -> String {
        let end = start + self.line_end(start);
        let line = self.text.get(start..end).unwrap_or_default();
        let starred: Vec<(usize, usize)> = match secret {
            false => Vec::new(),
            true => {
                let cells = row.cells.iter().enumerate().take_while(|(_, cell)| cell.start < end);
                let stars = cells.filter(|(index, cell)| !self.shows(*index, &cell.value(self.text)));
                stars.map(|(_, cell)| (cell.start, cell.end)).collect()
            }
        };
        let hides = |at: usize| starred.iter().any(|(from, to)| (*from..*to).contains(&at));
        line.char_indices().take(EXCERPT).map(|(at, c)| if hides(start + at) { '*' } else { c }).collect()
    }

    /// All of them, by their places; last what was only counted.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|f| (f.line, f.column, f.rule));
        for (id, count) in &self.counts {
            let Some(rule) = rules::rule(id).filter(|_| count.all > IN_FULL) else { continue };
            let more = count.all - IN_FULL;
            let severity = self.list.iter().find(|f| f.rule == *id).map_or(rule.severity, |f| f.severity);
            self.list.push(Finding {
                rule: rule.id,
                severity,
                file: self.file.to_owned(),
                line: count.first,
                column: 0,
                row: String::new(),
                text: format!("the same fault {more} times more, the last in line {}", count.last),
                remedy: rule.remedy.to_owned(),
                excerpt: None,
                count: more,
            });
        }
        self.list
    }
}

/// A value as a message shows it: what is too long for an address is cut.
pub(super) fn brief(text: &str) -> String {
    match text.char_indices().nth(254) {
        None => text.to_owned(),
        Some(_) => text.chars().take(VALUE).chain(['…']).collect(),
    }
}
