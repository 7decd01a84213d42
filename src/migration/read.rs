//! A list as bytes becomes [`Mailboxes`], or findings.
//!
//! All faults come in one pass: whatever can still be understood after a fault
//! is checked as well, and what is only the consequence of a fault is not said
//! twice. A sound row costs one look at each of its bytes. Addresses are
//! compared by fingerprints, so that a list of a million rows needs eight bytes
//! more for each. Bytes are handed in; nothing here opens a file.

mod twice;

pub use super::address::address_fault;
use super::address::{self, fingerprint, plain, trim};
use super::encoding::{Form, Text, decode};
use super::findings::{At, Findings, Who, brief};
use super::kind::Kind;
use super::layout::{Layout, lay_out, no_text};
use super::list::{Line, Mailboxes, PASSWORD, ROWS_PER_FILE, cell};
use super::rules::{self, Finding};
use super::scan::{self, LineEnds, Row, Walk};
use super::slips::Domains;
use super::values::Values;
use twice::compare;

/// Most rows and bytes of a file for IMAP (Microsoft, CSV files for IMAP
/// migration batches).
const IMAP_ROWS: usize = 50_000;
const IMAP_BYTES: usize = 10_000_000;
/// Most bytes of a value: a cell of Excel holds as many characters.
const LONGEST_VALUE: usize = 32_767;
/// Marks of a row that a sound one has not.
const ODD: u8 = scan::BEYOND_ASCII | scan::CONTROL | scan::STRAY_QUOTE | scan::BEHIND_QUOTE | scan::OPEN_QUOTE;
/// Marks of a value that is not what was meant.
const UNQUOTED: u8 = scan::STRAY_QUOTE | scan::BEHIND_QUOTE | scan::OPEN_QUOTE;

/// How the people of a list sign in, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignIn {
    /// Nobody has said.
    #[default]
    Unknown,
    /// In the cloud, with a password of its own.
    Cloud,
    /// With a password that is synchronized from on premises.
    Synchronized,
    /// At the organization's own service.
    Federated,
}

/// How strictly a list is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Columns that the kind doesn't know are kept in the table (and never
    /// sent) with a warning, as AllowUnknownColumnsInCsv does.
    pub unknown_columns: bool,
    /// Which columns there may be, and what stands in them.
    pub kind: Kind,
    /// Whether passwords of the list can be set at all.
    pub sign_in: SignIn,
    /// The file goes to the service as it is, so that the limits of a batch
    /// are its limits. A company's list in a script has none.
    pub is_batch_file: bool,
}

impl Reading {
    /// The list of a staged migration, as strictly as can be.
    pub const STAGED: Reading =
        Reading { unknown_columns: false, kind: Kind::Staged, sign_in: SignIn::Unknown, is_batch_file: false };
}

impl Default for Reading {
    fn default() -> Reading {
        Reading::STAGED
    }
}

/// Reads a list; warnings are passed over.
///
/// # Errors
/// Every fault of the file, warnings among them.
pub fn read(file: &str, bytes: &[u8]) -> Result<Mailboxes, Vec<Finding>> {
    let (list, findings) = read_with_warnings(file, bytes);
    list.ok_or(findings)
}

/// Reads a list, strictly; no list if there is any error.
pub fn read_with_warnings(file: &str, bytes: &[u8]) -> (Option<Mailboxes>, Vec<Finding>) {
    read_with(file, bytes, &Reading::default())
}

/// Reads a list as told.
pub fn read_with(file: &str, bytes: &[u8], how: &Reading) -> (Option<Mailboxes>, Vec<Finding>) {
    let text = decode(bytes);
    let mut reader = Reader::new(file, &text, how, true);
    reader.first_pass(no_text(bytes));
    let mut readers = [reader];
    compare(&mut readers);
    let [reader] = readers;
    let sound = reader.out.is_sound();
    let list = reader.layout.filter(|_| sound).map(|layout| Mailboxes::from_table(file, layout.columns, reader.lines));
    (list, reader.out.finish())
}

/// A file that is judged.
pub struct File<'t> {
    /// Its name, as messages show it.
    pub name: &'t str,
    /// Its text.
    pub text: &'t Text<'t>,
    /// What its bytes are if they are no text.
    pub no_text: Option<(&'static str, &'static str)>,
}

impl<'t> File<'t> {
    /// A file of a name, its bytes and the text that they are.
    pub fn new(name: &'t str, bytes: &[u8], text: &'t Text<'t>) -> File<'t> {
        File { name, text, no_text: no_text(bytes) }
    }
}

/// What was found in a file.
#[derive(Clone, Debug)]
pub struct Examined {
    /// Mailboxes, blank rows left out.
    pub rows: usize,
    /// By line; what a rule breaks more than a thousand times is counted last.
    pub findings: Vec<Finding>,
}

/// Judges files, each by itself and all against each other, without keeping
/// their rows.
pub fn examine(files: &[File], how: &Reading) -> Vec<Examined> {
    let mut readers: Vec<Reader> = files
        .iter()
        .map(|file| {
            let mut reader = Reader::new(file.name, file.text, how, false);
            reader.first_pass(file.no_text);
            reader
        })
        .collect();
    compare(&mut readers);
    readers.into_iter().map(|reader| Examined { rows: reader.rows, findings: reader.out.finish() }).collect()
}

/// One file on its way through the rules.
struct Reader<'t> {
    how: &'t Reading,
    text: &'t Text<'t>,
    out: Findings<'t>,
    layout: Option<Layout>,
    /// Mailboxes so far.
    rows: usize,
    /// Whether the rows are kept.
    keeps: bool,
    lines: Vec<Line>,
    /// Fingerprints of the sound addresses.
    keys: Vec<u64>,
    domains: Domains,
    values: Values,
}

impl<'t> Reader<'t> {
    fn new(file: &'t str, text: &'t Text<'t>, how: &'t Reading, keeps: bool) -> Reader<'t> {
        Reader {
            how,
            text,
            out: Findings::new(file, &text.text),
            layout: None,
            rows: 0,
            keeps,
            lines: Vec::new(),
            keys: Vec::new(),
            domains: Domains::default(),
            values: Values::default(),
        }
    }

    fn first_pass(&mut self, no_text: Option<(&'static str, &'static str)>) {
        if let Some((name, rule)) = no_text {
            return self.out.find(rule, At::File, |_| format!("the file is {name}, not comma separated text"));
        }
        let Some(layout) = lay_out(self.text, self.how, &mut self.out) else { return };
        let text = self.out.text;
        if let Some(header) = &layout.header {
            self.letters(header, Who::Header);
            self.quotes(header, Who::Header);
        }
        self.values = Values::new(&layout.columns, self.how);
        // Exactly as many as there can be: growing would cost half as much again.
        self.keys = Vec::with_capacity(text.bytes().filter(|b| *b == b'\n').count() + 1);
        let mut walk = Walk::from(text, layout.separator, layout.begin.0, layout.begin.1);
        walk.ends = LineEnds::of(text.get(..layout.begin.0).unwrap_or_default());
        let mut row = Row::default();
        let width = self.out.width;
        while walk.next(&mut row) {
            let first = row.cells.first().map_or(0, |cell| cell.end - cell.start);
            if first < 64 && row.is_blank(text) {
                self.out.blank(row.line);
                continue;
            }
            if row.cells.len() == width && row.marks & ODD == 0 && self.passes(&row, &layout) {
                self.rows += 1;
            } else if !self.is_no_mailbox(&row, &layout) {
                self.rows += 1;
                self.closely(&row, &layout);
            } else {
                continue;
            }
            if self.keeps && row.cells.len() == width {
                self.lines.push(Line { number: row.line, cells: cells(&row, &layout, text) });
            } else if self.keeps && layout.is_cloud && row.cells.len() > width {
                self.lines.push(Line { number: row.line, cells: cells_of_cloud(&row, &layout, text) });
            }
        }
        self.ends(&walk);
        self.whole(&layout);
        self.layout = Some(layout);
    }

    /// Whether a row is sound at the first look; nothing is said of it then.
    fn passes(&mut self, row: &Row, layout: &Layout) -> bool {
        let text = self.out.text;
        let Some(address) = row.cells.get(layout.address).and_then(|cell| cell.plain(text)) else { return false };
        let Some((key, at)) = plain(address) else { return false };
        let domain = address.get(at + 1..).unwrap_or_default();
        if row.end - row.start > LONGEST_VALUE || !self.domains.passes(domain, self.how.kind, row.line) {
            return false;
        }
        self.keys.push(key);
        let who = Who::Row(self.rows + 1, Some(address));
        self.values.judge(row, who, self.how, &mut self.out);
        true
    }

    /// Lines among the rows that are none: a repeated header, a ruler, a count.
    fn is_no_mailbox(&mut self, row: &Row, layout: &Layout) -> bool {
        let text = self.out.text;
        let Some(rule) = no_mailbox(row, layout, text) else { return false };
        self.out.find(rule, At::Line(row.line), |_| match rule {
            rules::RULER => "the line is a ruler, not a mailbox".to_owned(),
            rules::HEADER_AGAIN => "the header stands here once more".to_owned(),
            _ => format!(
                "`{}` is a count, not a mailbox",
                brief(text.get(row.start..row.end).unwrap_or_default().trim())
            ),
        });
        true
    }

    /// Judges a row that is not plainly sound.
    fn closely(&mut self, row: &Row, layout: &Layout) {
        let text = self.out.text;
        let ragged = row.cells.len() != self.out.width && !(layout.is_cloud && row.cells.len() > self.out.width);
        let loose = self.out.is_loose(row);
        let address_cell = row.cells.get(layout.address);
        let value = address_cell.map(|cell| cell.value(text)).unwrap_or_default();
        let value = match layout.is_cloud && row.cells.len() > self.out.width {
            true => cloud_value(row, layout, layout.address, text).into(),
            false => value,
        };
        let bare = trim(&value);
        let named = bare.contains('@') && !loose && self.out.shows(layout.address, bare);
        let who = Who::Row(self.rows, named.then_some(bare));
        let garbled = self.letters(row, who);
        self.quotes(row, who);
        if ragged && row.marks & scan::OPEN_QUOTE == 0 {
            let (number, found, width) = (self.rows, row.cells.len(), self.out.width);
            self.out.find(rules::ROW_WIDTH, At::Row(row, who), |_| {
                format!(
                    "Row {number} has the wrong number of columns. Expected number: {width}. Actual number: {found}. \
                     Please edit this row and re-submit the file"
                )
            });
        }
        let mut long = false;
        for (index, cell) in row.cells.iter().enumerate().filter(|(_, c)| c.end - c.start > LONGEST_VALUE) {
            long |= index == layout.address;
            let length = cell.end - cell.start;
            self.out.find(rules::LONG_VALUE, At::Line(row.line), |_| format!("a value has {length} bytes"));
        }
        let unquoted = address_cell.is_some_and(|cell| cell.marks & UNQUOTED != 0);
        // Beside a password nobody knows which value of a ragged row is which.
        let unsure = ragged && self.out.password.is_some() || address_cell.is_none();
        if !(unsure || garbled || long || unquoted) {
            self.address(row, layout, &value, who);
        }
        if !ragged && row.marks & scan::OPEN_QUOTE == 0 {
            self.values.judge(row, who, self.how, &mut self.out);
        }
    }

    fn address(&mut self, row: &Row, layout: &Layout, value: &str, who: Who) {
        let at = At::Cell(row, layout.address, who);
        let bare = trim(value);
        if bare.is_empty() {
            return self.out.find(rules::EMPTY_ADDRESS, at, |_| "the row has no address".to_owned());
        }
        let judged = address::judge(value, self.how.kind);
        let whole = row.cells.get(layout.address).filter(|cell| cell.plain(self.out.text) == Some(value));
        for fault in judged.faults {
            // Where quotes were undone, a part of the value is nowhere in the text.
            let start = whole.map(|cell| cell.start + usize::from(cell.marks & scan::QUOTED != 0));
            let at = match (fault.part, start) {
                (Some((from, to)), Some(start)) => At::Part(row, (start + from, start + to), who),
                _ => at,
            };
            let names = [rules::ADDRESS_FORM, rules::FORMULA, rules::BLANKS_AROUND, rules::ODD_BLANKS];
            self.out.find(fault.rule, at, |out| match out.shows(layout.address, bare) && !out.is_loose(row) {
                true if names.contains(&fault.rule) || fault.rule == rules::RESERVED_DOMAIN => fault.text,
                true if fault.rule == rules::TENANT_ADDRESS => format!("{bare} is an address of the tenant"),
                true => format!("`{}` is no address: {}", brief(bare), fault.text),
                false if names.contains(&fault.rule) => "the address is not as it should be".to_owned(),
                false => format!("there is no address: {}", fault.text),
            });
        }
        if judged.sound {
            self.keys.push(fingerprint(bare));
            self.domains.passes(address::domain(bare), self.how.kind, row.line);
        }
    }

    /// Letters that are not what was meant; whether there are any.
    fn letters(&mut self, row: &Row, who: Who) -> bool {
        if row.marks & (scan::CONTROL | scan::BEYOND_ASCII) == 0 {
            return false;
        }
        let text = self.out.text;
        let said = text.get(row.start..row.end).unwrap_or_default();
        let first = |wanted: fn(char) -> bool| said.char_indices().find(|(_, c)| wanted(*c));
        let mut garbled = false;
        let mut say = |out: &mut Findings, rule, found: Option<(usize, char)>, text: String| {
            if let Some((at, c)) = found {
                garbled = true;
                let from = row.start + at;
                out.find(rule, At::Part(row, (from, from + c.len_utf8()), who), |_| text);
            }
        };
        if row.marks & scan::CONTROL != 0 {
            let nul = first(|c| c == '\0');
            say(&mut self.out, rules::NUL, nul, "the line holds a NUL character".to_owned());
            let control = first(|c| c.is_ascii_control() && !matches!(c, '\0' | '\t' | '\r' | '\n'));
            let number = control.map_or(0, |(_, c)| u32::from(c));
            let said = format!("the line holds a control character (U+{number:04X})");
            say(&mut self.out, rules::CONTROL, control, said);
        }
        if row.marks & scan::BEYOND_ASCII != 0 {
            match self.text.form {
                Form::CodePage(page) => {
                    let said = format!("the line holds bytes that are no UTF-8; they look like {page}");
                    say(&mut self.out, rules::ENCODING, first(|c| !c.is_ascii()), said);
                }
                _ => {
                    let said = "a letter of the line was lost between two encodings".to_owned();
                    say(&mut self.out, rules::MIXED_ENCODING, first(|c| c == '\u{FFFD}'), said);
                }
            }
        }
        garbled
    }

    fn quotes(&mut self, row: &Row, who: Who) {
        if row.marks & UNQUOTED == 0 {
            return;
        }
        for (index, cell) in row.cells.iter().enumerate().filter(|(_, cell)| cell.marks & UNQUOTED != 0) {
            let (rule, text) = if cell.marks & scan::OPEN_QUOTE != 0 {
                (rules::OPEN_QUOTE, "a quote is opened here and never closed")
            } else if cell.marks & scan::BEHIND_QUOTE != 0 {
                (rules::BEHIND_QUOTE, "text stands behind a closing quote")
            } else {
                (rules::STRAY_QUOTE, "a quote stands within a value that is not quoted")
            };
            self.out.find(rule, At::Cell(row, index, who), |_| text.to_owned());
        }
    }

    fn ends(&mut self, walk: &Walk) {
        let ends = walk.ends;
        if ends.cr > 0 {
            let count = ends.cr;
            self.out.find(rules::LONE_CR, At::File, |_| match count {
                1 => "a line ends with a carriage return alone".to_owned(),
                _ => format!("{count} lines end with a carriage return alone"),
            });
        } else if ends.lf.min(ends.crlf) > 0 {
            let text = format!("{} lines end with CR LF, {} with LF", ends.crlf, ends.lf);
            self.out.find(rules::LINE_ENDS, At::File, |_| text);
        }
    }

    /// What only the whole file shows.
    fn whole(&mut self, layout: &Layout) {
        if self.rows == 0 {
            self.out.find(rules::NO_ROWS, At::File, |_| "there is no mailbox below the header".to_owned());
        }
        self.values.whole(layout.header.as_ref(), self.how, &mut self.out);
        for (line, text) in self.domains.slips() {
            self.out.find(rules::DOMAIN_SLIP, At::Line(line), |_| text);
        }
        if !self.how.is_batch_file {
            return;
        }
        let (most, shown) = match self.how.kind {
            Kind::Staged => (ROWS_PER_FILE, "2,000"),
            Kind::Imap => (IMAP_ROWS, "50,000"),
            Kind::RemoteMove | Kind::Cutover => (usize::MAX, ""),
        };
        if self.rows > most {
            let rows = self.rows;
            self.out.find(rules::TOO_MANY_ROWS, At::File, |_| {
                format!(
                    "The CSV file contains more than {shown} rows. Please divide the file into two or more files and \
                     submit them separately: it has {rows}"
                )
            });
        }
        if self.how.kind == Kind::Imap && self.text.bytes > IMAP_BYTES {
            let bytes = self.text.bytes;
            self.out.find(rules::TOO_MANY_BYTES, At::File, |_| format!("the file has {bytes} bytes, more than 10 MB"));
        }
    }
}

/// Values of a row as the table keeps them.
fn cells(row: &Row, layout: &Layout, text: &str) -> Vec<super::list::Cell> {
    let pairs = layout.columns.iter().zip(&row.cells);
    pairs
        .map(|(column, found)| {
            let value = found.value(text);
            cell(column, if column == PASSWORD { &value } else { trim(&value) })
        })
        .collect()
}

/// A row of a cloud.csv with commas in its X.500 name: the file is written
/// without quotes, and only its first column can have any.
fn cells_of_cloud(row: &Row, layout: &Layout, text: &str) -> Vec<super::list::Cell> {
    layout.columns.iter().enumerate().map(|(at, column)| cell(column, &cloud_value(row, layout, at, text))).collect()
}

fn cloud_value(row: &Row, layout: &Layout, column: usize, text: &str) -> String {
    let more = row.cells.len() - layout.columns.len().min(row.cells.len());
    if column == 0 {
        let end = row.cells.get(more).map_or(row.start, |cell| cell.end);
        return trim(text.get(row.start..end).unwrap_or_default()).to_owned();
    }
    let value = row.cells.get(column + more).map(|cell| cell.value(text)).unwrap_or_default();
    trim(&value).to_owned()
}

/// The rule that a row breaks in which no mailbox can stand.
pub(super) fn no_mailbox(row: &Row, layout: &Layout, text: &str) -> Option<&'static str> {
    let said = text.get(row.start..row.end).filter(|said| said.len() <= 2000)?;
    if said.matches(['-', '=']).count() > 2 && said.chars().all(|c| "-=+|, \t;\"".contains(c)) {
        return Some(rules::RULER);
    }
    if is_header_again(row, layout, text) {
        return Some(rules::HEADER_AGAIN);
    }
    is_count(said).then_some(rules::LINES_BELOW)
}

fn is_header_again(row: &Row, layout: &Layout, text: &str) -> bool {
    let (Some(header), Some(cell)) = (&layout.header, row.cells.get(layout.address)) else { return false };
    let same = |(a, b): (&scan::Cell, &scan::Cell)| trim(&a.value(text)).eq_ignore_ascii_case(trim(&b.value(text)));
    !cell.value(text).contains('@')
        && header.cells.len() == row.cells.len()
        && header.cells.iter().zip(&row.cells).all(same)
}

/// `(23 rows affected)`, `23 rows selected.`, `Total: 23`.
fn is_count(said: &str) -> bool {
    let said = said.trim_matches(|c: char| ",;\t\" ".contains(c)).to_ascii_lowercase();
    let inner = said.trim_start_matches('(').trim_end_matches([')', '.']);
    let words: Vec<&str> = inner.split([' ', ':', '=']).filter(|word| !word.is_empty()).collect();
    let number = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || ".,'".contains(c));
    match words.as_slice() {
        [
            n,
            "row" | "rows" | "row(s)" | "records" | "record(s" | "row(s",
            "affected" | "selected" | "returned" | "exported",
        ]
        | [n, "rows" | "row" | "row(s" | "records" | "zeilen" | "lignes" | "filas"] => number(n),
        ["total" | "count" | "rows" | "summe" | "anzahl" | "gesamt", n] => number(n),
        _ => false,
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
