//! How a list is laid out: what stands above its header, what separates its
//! values, what its columns mean.
//!
//! Everything below the header is left to others. Whatever can still be
//! understood after a fault is understood, so that the rows are judged, too.

use super::columns;
use super::encoding::{Form, Text};
use super::findings::{At, Findings, Who, brief};
use super::list::{EMAIL_ADDRESS, PASSWORD};
use super::read::Reading;
use super::rules;
use super::scan::{Row, Walk};
use super::{address, kind::Kind};

/// Most columns that are judged one by one.
const MOST_COLUMNS: usize = 100;
/// Lines in which the header is looked for.
const LINES_ABOVE: usize = 20;

/// Where things stand in a list.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// What separates the values.
    pub(super) separator: char,
    /// First byte and line of the header, or of the first row without one.
    pub(super) top: (usize, usize),
    /// The header as it stands; `None` if there is none.
    pub(super) header: Option<Row>,
    /// First byte and line below the header.
    pub(super) begin: (usize, usize),
    /// What each column means: its exact name if it is known, else as written.
    pub(super) columns: Vec<String>,
    /// Which of them holds the addresses.
    pub(super) address: usize,
    /// It is a cloud.csv.
    pub(super) is_cloud: bool,
}

/// Finds the layout; `None` if nothing below can be judged.
pub(super) fn lay_out(text: &Text, how: &Reading, out: &mut Findings) -> Option<Layout> {
    if let Some((name, rule)) = foreign(out.text) {
        out.find(rule, At::File, |_| format!("the file is {name}, not comma separated text"));
        return None;
    }
    if out.text.trim_matches(address::blank).is_empty() {
        out.find(rules::EMPTY_FILE, At::File, |_| "Upload file can't be empty: nothing stands in it".to_owned());
        return None;
    }
    if let Form::Utf16Unmarked { big } = text.form {
        let order = if big { "big" } else { "little" };
        out.find(rules::NO_MARK, At::File, |_| {
            format!("every other byte is zero, as in UTF-16 ({order}-endian) without a byte order mark")
        });
    }
    if how.kind == Kind::Cutover {
        out.find(rules::CUTOVER_LIST, At::File, |_| "a cutover moves all mailboxes and takes no list".to_owned());
    }
    let above = above(out)?;
    let (top, separator) = header_place(above, how, out);
    let mut walk = Walk::from(out.text, separator, top.0, top.1);
    let mut header = Row::default();
    walk.next(&mut header);
    if separator != ',' {
        let name = match separator {
            ';' => "semicolons",
            '\t' => "tabs",
            _ => "vertical bars",
        };
        let first = header.cells.first().map_or(header.start, |cell| cell.end);
        let at = At::Part(&header, (first, first + 1), Who::Header);
        let names = !out.text.get(header.start..header.end).unwrap_or_default().contains('@');
        let at = if names { at } else { At::Line(header.line) };
        out.find(rules::SEPARATOR, at, |_| format!("the values are separated by {name}, not by commas"));
    }
    if let Some(layout) = headless(&header, separator, how, out) {
        return Some(layout);
    }
    out.width = header.cells.len();
    let columns = names(&header, how, out)?;
    let address = columns.iter().position(|c| c == EMAIL_ADDRESS).unwrap_or(0);
    let is_cloud =
        columns::is_cloud_list(&columns) || columns.iter().any(|c| c.eq_ignore_ascii_case("CloudEmailAddress"));
    Some(Layout { separator, top, begin: walk.place(), header: Some(header), columns, address, is_cloud })
}

/// What a file is that is no list at all, and the rule that says so.
fn foreign(text: &str) -> Option<(&'static str, &'static str)> {
    let head = text.trim_start_matches(address::blank);
    let begins = |with: &str| head.get(..with.len()).is_some_and(|found| found.eq_ignore_ascii_case(with));
    let names = [
        ("<!doctype", "a web page"),
        ("<html", "a web page"),
        ("<?xml", "XML"),
        ("[{", "JSON"),
        ("{\"", "JSON"),
        ("{\n", "JSON"),
        ("{\r\n", "JSON"),
        ("[\n", "JSON"),
        ("[\r\n", "JSON"),
        ("dn: ", "LDIF"),
        ("version: 1\n", "LDIF"),
        ("begin:vcard", "a vCard"),
        ("{\\rtf", "a document of a word processor"),
    ];
    names.iter().find(|(mark, _)| begins(mark)).map(|(_, name)| (*name, rules::OTHER_FORMAT))
}

/// What the bytes of a file are, if they are no text: a workbook or something
/// else.
pub(super) fn no_text(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let marks: [(&[u8], &str, &str); 12] = [
        (b"PK\x03\x04", "an Excel workbook", rules::WORKBOOK),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an old Excel workbook", rules::WORKBOOK),
        (b"%PDF-", "a PDF", rules::BINARY),
        (b"\x89PNG", "a picture", rules::BINARY),
        (b"\xFF\xD8\xFF", "a picture", rules::BINARY),
        (b"GIF8", "a picture", rules::BINARY),
        (b"\x1F\x8B", "an archive", rules::BINARY),
        (b"7z\xBC\xAF", "an archive", rules::BINARY),
        (b"Rar!", "an archive", rules::BINARY),
        (b"MZ\x90", "a program", rules::BINARY),
        (b"\x7FELF", "a program", rules::BINARY),
        (b"SQLite format 3\0", "a database", rules::BINARY),
    ];
    if let Some((_, name, rule)) = marks.iter().find(|(mark, ..)| bytes.starts_with(mark)) {
        return Some((name, rule));
    }
    let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let odd = head.iter().filter(|byte| matches!(byte, 1..=8 | 14..=31 | 0x7F)).count();
    let zeros = head.iter().filter(|byte| **byte == 0).count();
    let binary = odd * 20 > head.len() && odd > 8 || zeros * 10 > head.len() * 7 && zeros > 8;
    binary.then_some(("binary data", rules::BINARY))
}

/// Passes what exporting programs write above the header, and blank lines.
fn above(out: &mut Findings) -> Option<(usize, usize)> {
    let text = out.text;
    let (mut at, mut line) = (0, 1);
    loop {
        let rest = text.get(at..).unwrap_or_default();
        if rest.is_empty() {
            out.find(rules::EMPTY_FILE, At::File, |_| {
                "Upload file can't be empty: it holds nothing but blank rows".to_owned()
            });
            return None;
        }
        let length = rest.bytes().position(|b| b == b'\n' || b == b'\r').unwrap_or(rest.len());
        let said = rest.get(..length).unwrap_or_default();
        let bare = said.trim_matches(address::blank);
        let lower = bare.get(..bare.len().min(8)).unwrap_or_default().to_ascii_lowercase();
        if lower.starts_with("#type") {
            out.find(rules::TYPE_LINE, At::Line(line), |_| format!("`{}` stands above the header", brief(bare)));
        } else if lower.trim_start_matches('"').starts_with("sep=") && bare.len() <= 8 {
            out.find(rules::SEPARATOR_LINE, At::Line(line), |_| format!("`{bare}` stands above the header"));
        } else if bare.chars().all(|c| ",;\t|".contains(c) || address::blank(c)) {
            out.blank(line);
        } else {
            return Some((at, line));
        }
        at += length;
        at += match text.as_bytes().get(at..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([_, ..]) => 1,
            _ => 0,
        };
        line += 1;
    }
}

/// What separates the values of a line: a comma if there is one.
fn separator_of(line: &str) -> char {
    match line.contains(',') {
        true => ',',
        false => [';', '\t', '|'].into_iter().find(|c| line.contains(*c)).unwrap_or(','),
    }
}

/// Where the header stands, and the separator. Lines above it that name no
/// column are passed if one of the next is plainly the header.
fn header_place(from: (usize, usize), how: &Reading, out: &mut Findings) -> ((usize, usize), char) {
    let text = out.text;
    let line_at = |at: usize| text.get(at..).and_then(|rest| rest.split(['\n', '\r']).next()).unwrap_or_default();
    let first = separator_of(line_at(from.0));
    let is_header = |at: usize, needs: fn(Kind, &str) -> bool| {
        let line = line_at(at);
        let names = line.split(separator_of(line)).take(MOST_COLUMNS);
        names.map(|name| name.trim_matches(|c| c == '"' || address::blank(c))).any(|name| needs(how.kind, name))
    };
    let any = |kind: Kind, name: &str| {
        columns::known(kind, name).is_some() || columns::guess(kind, name).is_some() || columns::whose(name).is_some()
    };
    if is_header(from.0, any) || line_at(from.0).contains('@') {
        return (from, first);
    }
    let mut walk = Walk::from(text, first, from.0, from.1);
    let mut row = Row::default();
    for _ in 0..LINES_ABOVE {
        let (at, line) = walk.place();
        let of_address = |kind: Kind, name: &str| {
            columns::known(kind, name).or_else(|| columns::guess(kind, name)) == Some(EMAIL_ADDRESS)
        };
        if at > from.0 && is_header(at, of_address) {
            let lines = line - from.1;
            let text = match lines {
                1 => "a line stands above the header".to_owned(),
                _ => format!("{lines} lines stand above the header"),
            };
            out.find(rules::LINES_ABOVE, At::Line(from.1), |_| text);
            return ((at, line), separator_of(line_at(at)));
        }
        if !walk.next(&mut row) {
            break;
        }
    }
    (from, first)
}

/// The layout of a list without header: an address stands in its first row.
fn headless(header: &Row, separator: char, how: &Reading, out: &mut Findings) -> Option<Layout> {
    let text = out.text;
    let values: Vec<String> = header.cells.iter().take(MOST_COLUMNS).map(|c| c.value(text).into_owned()).collect();
    let named = values.iter().any(|v| columns::known(how.kind, v.trim()).is_some());
    let at = values.iter().position(|v| v.contains('@')).filter(|_| !named)?;
    // What stands beside an address without a name may be a password.
    out.password = Some(if at == 0 { 1 } else { 0 });
    out.width = header.cells.len();
    out.find(rules::NO_HEADER, At::Row(header, Who::Line), |_| {
        "the first row holds an address instead of the names of the columns".to_owned()
    });
    let mut columns: Vec<String> = (0..header.cells.len()).map(|i| format!("column {}", i + 1)).collect();
    if let Some(slot) = columns.get_mut(at) {
        EMAIL_ADDRESS.clone_into(slot);
    }
    let top = (header.start, header.line);
    Some(Layout { separator, top, header: None, begin: top, columns, address: at, is_cloud: false })
}

/// What each column means; `None` without one for the addresses.
fn names(header: &Row, how: &Reading, out: &mut Findings) -> Option<Vec<String>> {
    let text = out.text;
    let kind = how.kind;
    if header.cells.len() > MOST_COLUMNS {
        let count = header.cells.len();
        out.find(rules::MANY_COLUMNS, At::Line(header.line), |_| format!("the header has {count} columns"));
    }
    let written: Vec<String> = header.cells.iter().map(|c| c.value(text).into_owned()).collect();
    let bare = |name: &str| name.trim_matches(|c| address::blank(c) || address::is_invisible(c)).to_owned();
    let exact: Vec<&str> = written.iter().filter_map(|name| columns::known(kind, &bare(name))).collect();
    let cloud = columns::is_cloud_list(&written.iter().map(|w| bare(w)).collect::<Vec<_>>());
    if cloud && how.is_batch_file {
        out.find(rules::CLOUD_LIST, At::Line(header.line), |_| "the columns are those of a cloud.csv".to_owned());
    }
    let mut columns: Vec<String> = Vec::with_capacity(written.len());
    for (index, whole) in written.iter().enumerate() {
        let name = bare(whole);
        let at = At::Cell(header, index, Who::Header);
        if cloud {
            columns.push(of_cloud(&name));
            continue;
        }
        let known = columns::known(kind, &name);
        let few = written.len() <= MOST_COLUMNS;
        let meant = known.or_else(|| columns::guess(kind, &name).filter(|g| few && !exact.contains(g)));
        match (known, meant) {
            (Some(known), _) if columns.iter().any(|c| c == known) => {
                out.find(rules::DOUBLED_COLUMN, at, |_| format!("the column {known} is there twice"));
            }
            (Some(known), _) => {
                if name != known {
                    out.find(rules::HEADER_CASE, at, |_| format!("the column {known} is written `{name}`"));
                }
                if *whole != name {
                    out.find(rules::HEADER_BLANKS, at, |_| format!("there are blanks around {known}"));
                }
            }
            (None, Some(meant)) => out.find(rules::MISSPELT_COLUMN, at, |_| {
                format!("`{}` is no column of {}; did you mean {meant}?", brief(&name), columns::purpose(kind))
            }),
            (None, None) if few => unknown(&name, &columns, how, at, out),
            (None, None) => {}
        }
        let foreign = columns::whose(&name).map(|(exact, _)| exact);
        columns.push(meant.or(foreign).map_or(name, str::to_owned));
    }
    out.password = columns.iter().position(|c| c == PASSWORD);
    let mut judged = true;
    for required in columns::required(kind) {
        if columns.iter().any(|c| c == required) {
            continue;
        }
        judged &= *required != EMAIL_ADDRESS;
        let rule = if *required == EMAIL_ADDRESS { rules::MISSING_COLUMN } else { rules::REQUIRED_COLUMN };
        out.find(rule, At::Row(header, Who::Header), |_| {
            format!(
                "Column \"{required}\" is missing from the CSV file. The import process can't continue because this \
                 column is required. Please edit the CSV file and re-submit it"
            )
        });
    }
    judged.then_some(columns)
}

/// The column of a cloud.csv as the rest of stagepost calls it.
fn of_cloud(name: &str) -> String {
    match columns::CLOUD_COLUMNS.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        Some(&columns::ON_PREMISES_ADDRESS) => EMAIL_ADDRESS.to_owned(),
        Some(known) => (*known).to_owned(),
        None => name.to_owned(),
    }
}

fn unknown(name: &str, before: &[String], how: &Reading, at: At, out: &mut Findings) {
    if name.is_empty() {
        return out.find(rules::NAMELESS_COLUMN, at, |_| "a column has no name".to_owned());
    }
    if before.iter().any(|c| c == name) {
        return out.find(rules::DOUBLED_COLUMN, at, |_| format!("the column {} is there twice", brief(name)));
    }
    let purpose = columns::purpose(how.kind);
    let text = match columns::whose(name) {
        Some((name, whose)) => format!("the column {name} belongs to {whose}, not to {purpose}"),
        None => format!("`{}` is no column of {purpose}", brief(name)),
    };
    let remedy = how.unknown_columns.then_some("nothing: the column is kept here and never sent");
    out.find_as(rules::UNKNOWN_COLUMN, remedy, at, |_| text);
}
