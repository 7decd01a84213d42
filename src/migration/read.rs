//! A list as bytes becomes [`Mailboxes`], or findings.
//!
//! All faults come in one pass: whatever can still be understood after a fault
//! is checked as well, and what is only the consequence of a fault is not said
//! twice. Bytes are handed in; nothing here opens a file.

use std::collections::{BTreeMap, BTreeSet};

use super::list::{COLUMNS, EMAIL_ADDRESS, FORCE_CHANGE_PASSWORD, Line, Mailboxes, PASSWORD, cell};
use super::rules::{self, Finding, Severity};
use super::scan::{Field, Record, scan};
use crate::wire::attributes::address_key;

/// Least characters of a password (Microsoft, CSV files for mailbox migration).
const PASSWORD_LENGTH: usize = 8;

/// Most characters of a line that a finding keeps: a finding for each of ten
/// thousand columns must not keep ten thousand copies of the header.
const EXCERPT: usize = 1000;
/// Most findings of a list: what has more is mended by a program, not by hand.
const MOST: usize = 20_000;
/// Most characters of a value within a message.
const VALUE: usize = 80;

/// Columns of other kinds of migration, so that a message can say whose they
/// are.
const FOREIGN: [(&str, &str); 8] = [
    ("MailboxType", "a remote move"),
    ("BadItemLimit", "a remote move"),
    ("LargeItemLimit", "a remote move"),
    ("TargetDatabase", "a move back on premises"),
    ("TargetArchiveDatabase", "a move back on premises"),
    ("UserName", "an IMAP migration"),
    ("UserRoot", "an IMAP migration"),
    ("CloudEmailAddress", "the conversion script's cloud.csv"),
];

/// What people call the columns.
const ALIASES: [(&str, &str); 16] = [
    ("email", EMAIL_ADDRESS),
    ("mail", EMAIL_ADDRESS),
    ("emails", EMAIL_ADDRESS),
    ("address", EMAIL_ADDRESS),
    ("smtpaddress", EMAIL_ADDRESS),
    ("primarysmtpaddress", EMAIL_ADDRESS),
    ("windowsemailaddress", EMAIL_ADDRESS),
    ("userprincipalname", EMAIL_ADDRESS),
    ("pwd", PASSWORD),
    ("initialpassword", PASSWORD),
    ("kennwort", PASSWORD),
    ("motdepasse", PASSWORD),
    ("contraseña", PASSWORD),
    ("wachtwoord", PASSWORD),
    ("forcechange", FORCE_CHANGE_PASSWORD),
    ("changepassword", FORCE_CHANGE_PASSWORD),
];

/// How strictly a list is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// Columns that a staged batch doesn't know are kept in the table (and
    /// never sent) with a warning, as AllowUnknownColumnsInCsv does.
    pub unknown_columns: bool,
}

impl Reading {
    /// The list of a staged migration, as strictly as can be.
    pub const STAGED: Reading = Reading { unknown_columns: false };
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
    let mut reader = Reader {
        file,
        how,
        lines: Vec::new(),
        garbled: BTreeMap::new(),
        password: None,
        findings: Vec::new(),
        broken: BTreeSet::new(),
        blanks: (0, 0),
    };
    let list = reader.read(bytes);
    let mut findings = reader.findings;
    findings.sort_by_key(|f| (f.line, f.column, f.rule));
    let sound = findings.iter().all(|f| f.severity == Severity::Warning);
    (list.filter(|_| sound), findings)
}

struct Reader<'a> {
    file: &'a str,
    how: &'a Reading,
    lines: Vec<String>,
    /// Lines whose text is not what was meant; their addresses aren't judged.
    garbled: BTreeMap<usize, ()>,
    /// Position of the password column.
    password: Option<usize>,
    findings: Vec<Finding>,
    /// Rules among the findings: asked for every row.
    broken: BTreeSet<&'static str>,
    /// Last line of the blank rows in hand, and how many they are.
    blanks: (usize, usize),
}

/// A place that a finding points at.
struct Place {
    line: usize,
    column: usize,
    row: String,
    excerpt: Option<(String, usize)>,
}

impl Reader<'_> {
    fn read(&mut self, bytes: &[u8]) -> Option<Mailboxes> {
        if bytes.starts_with(b"PK\x03\x04") {
            self.whole(rules::WORKBOOK, "the file is an Excel workbook, not comma separated text");
            return None;
        }
        let text = self.decode(bytes)?;
        if text.trim().is_empty() {
            self.whole(rules::EMPTY_FILE, "the file is empty");
            return None;
        }
        self.lines = text.replace("\r\n", "\n").split(['\n', '\r']).map(str::to_owned).collect();
        let separator = self.separator();
        let scanned = scan(&text, separator);
        if let Some((line, column)) = scanned.unclosed {
            let place = Place { line, column, row: format!("line {line}"), excerpt: None };
            self.find(rules::OPEN_QUOTE, "a quote is opened here and never closed", place);
        }
        let mut records = scanned.records.into_iter().peekable();
        while let Some(blank) = records.next_if(Record::is_blank) {
            self.blank(&blank);
        }
        let Some(header) = records.peek().cloned() else {
            self.whole(rules::EMPTY_FILE, "the file holds nothing but blank rows");
            return None;
        };
        let columns = self.header(&header)?;
        if !self.has(rules::NO_HEADER) {
            records.next();
        }
        self.rows(&columns, header.fields.len(), records.collect())
    }

    // ── bytes to text ────────────────────────────────────────────────────

    fn decode(&mut self, bytes: &[u8]) -> Option<String> {
        let wide = |bytes: &[u8], big: bool| -> Vec<u16> {
            let pair = |p: &[u8]| match p {
                [a, b] if big => u16::from_be_bytes([*a, *b]),
                [a, b] => u16::from_le_bytes([*a, *b]),
                _ => 0xFFFD,
            };
            bytes.chunks(2).map(pair).collect()
        };
        let text = match bytes {
            [0xFF, 0xFE, rest @ ..] => String::from_utf16_lossy(&wide(rest, false)),
            [0xFE, 0xFF, rest @ ..] => String::from_utf16_lossy(&wide(rest, true)),
            _ => {
                let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
                let zeros = bytes.iter().filter(|b| **b == 0).count();
                if zeros > 1 && zeros * 3 > bytes.len() {
                    self.whole(rules::NUL, "every other byte is zero, as in UTF-16 without a byte order mark");
                    return None;
                }
                String::from_utf8_lossy(bytes).into_owned()
            }
        };
        self.lines = text.replace("\r\n", "\n").split(['\n', '\r']).map(str::to_owned).collect();
        let lines = std::mem::take(&mut self.lines);
        for (index, line) in lines.iter().enumerate() {
            let number = index + 1;
            for (mark, rule, text) in [
                ('\u{FFFD}', rules::ENCODING, "the line holds bytes that are no UTF-8"),
                ('\0', rules::NUL, "the line holds a NUL character"),
            ] {
                if let Some(at) = line.chars().position(|c| c == mark) {
                    self.garbled.insert(number, ());
                    let place = Place { line: number, column: at + 1, row: format!("line {number}"), excerpt: None };
                    self.find(rule, text, place);
                }
            }
            if self.findings.len() >= MOST {
                break;
            }
        }
        self.lines = lines;
        Some(text.replace('\0', ""))
    }

    fn separator(&mut self) -> char {
        let Some((index, line)) = self.lines.iter().enumerate().find(|(_, l)| !l.trim().is_empty()) else { return ',' };
        let found =
            [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")].into_iter().find(|(c, _)| line.contains(*c));
        match found {
            Some((separator, name)) if !line.contains(',') => {
                let column = line.chars().position(|c| c == separator).unwrap_or(0) + 1;
                let excerpt = Some((line.clone(), 1)).filter(|_| !line.contains('@'));
                let place = Place { line: index + 1, column, row: "header".into(), excerpt };
                self.find(rules::SEPARATOR, format!("the values are separated by {name}, not by commas"), place);
                separator
            }
            _ => ',',
        }
    }

    // ── the header ───────────────────────────────────────────────────────

    /// What each column means; `None` if nothing below can be judged.
    fn header(&mut self, header: &Record) -> Option<Vec<String>> {
        let known = |text: &str| COLUMNS.into_iter().find(|c| c.eq_ignore_ascii_case(text.trim()));
        let is_data = header.fields.iter().any(|f| f.text.contains('@'))
            && !header.fields.iter().any(|f| known(&f.text).is_some());
        if is_data {
            let place = self.at(header, None, "line 1");
            self.find(rules::NO_HEADER, "the first row holds an address instead of the names of the columns", place);
            let mut columns: Vec<String> = (0..header.fields.len()).map(|i| format!("column {}", i + 1)).collect();
            let address = header.fields.iter().position(|f| f.text.contains('@'))?;
            // What stands beside an address without a name may be a password.
            self.password = Some(if address == 0 { 1 } else { 0 });
            if let Some(slot) = columns.get_mut(address) {
                EMAIL_ADDRESS.clone_into(slot);
            }
            return Some(columns);
        }
        let exact: Vec<&str> = header.fields.iter().filter_map(|f| known(&f.text)).collect();
        let mut columns: Vec<String> = Vec::new();
        for (index, field) in header.fields.iter().enumerate() {
            let written = field.text.trim();
            let meant = known(written).or_else(|| guess(written).filter(|g| !exact.contains(g)));
            let place = self.at(header, Some(index), "header");
            match (known(written), meant) {
                (Some(name), _) if columns.iter().any(|c| c == name) => {
                    self.find(rules::DOUBLED_COLUMN, format!("the column {name} is there twice"), place);
                }
                (Some(name), _) if field.text != name => {
                    self.find(rules::HEADER_CASE, format!("the column {name} is written `{}`", field.text), place);
                }
                (Some(_), _) => {}
                (None, Some(name)) => {
                    self.find(
                        rules::MISSPELT_COLUMN,
                        format!("`{written}` is no column of a staged batch; did you mean {name}?"),
                        place,
                    );
                }
                (None, None) => self.unknown(written, &columns, place),
            }
            columns.push(meant.map_or_else(|| written.to_owned(), str::to_owned));
        }
        self.password = columns.iter().position(|c| c == PASSWORD);
        if !columns.iter().any(|c| c == EMAIL_ADDRESS) {
            let place = self.at(header, None, "header");
            self.find(
                rules::MISSING_COLUMN,
                "Column \"EmailAddress\" is missing from the CSV file. The import process can't continue because this column \
                 is required. Please edit the CSV file and re-submit it",
                place,
            );
            return None;
        }
        Some(columns)
    }

    fn unknown(&mut self, written: &str, before: &[String], place: Place) {
        if before.iter().any(|c| c == written) && !written.is_empty() {
            return self.find(rules::DOUBLED_COLUMN, format!("the column {written} is there twice"), place);
        }
        let foreign = FOREIGN.iter().find(|(name, _)| name.eq_ignore_ascii_case(written));
        let text = match (written, foreign) {
            ("", _) => "a column has no name".to_owned(),
            (_, Some((name, whose))) => format!("the column {name} belongs to {whose}, not to a staged batch"),
            _ => format!("`{}` is no column of a staged batch", brief(written)),
        };
        self.find(rules::UNKNOWN_COLUMN, text, place);
        if let Some(last) = self.findings.last_mut().filter(|_| self.how.unknown_columns && !written.is_empty()) {
            last.severity = Severity::Warning;
            "nothing: the column is kept here and never sent".clone_into(&mut last.remedy);
        }
    }

    // ── the rows ─────────────────────────────────────────────────────────

    fn rows(&mut self, columns: &[String], width: usize, records: Vec<Record>) -> Option<Mailboxes> {
        let address_at = columns.iter().position(|c| c == EMAIL_ADDRESS)?;
        let force_at = columns.iter().position(|c| c == FORCE_CHANGE_PASSWORD);
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut rows = Vec::with_capacity(records.len());
        let mut number = 0;
        for record in &records {
            if self.findings.len() >= MOST {
                self.enough(record.line);
                return None;
            }
            if record.is_blank() {
                // The end of the file is no row, and neither is a row that a
                // quote left open has swallowed.
                self.blank(record);
                continue;
            }
            number += 1;
            let field = |at: Option<usize>| at.and_then(|at| record.fields.get(at));
            let address = field(Some(address_at)).map_or("", |f| f.text.trim());
            let ragged = record.fields.len() != width;
            let named =
                address.contains('@') && !(ragged && self.password.is_some()) && self.shows(address_at, address);
            let row = if named { format!("row {number} ({address})") } else { format!("row {number}") };
            if ragged && !self.has(rules::OPEN_QUOTE) {
                let place = self.at(record, None, &row);
                let text = format!(
                    "Row {number} has the wrong number of columns. Expected number: {width}. Actual number: {}. Please edit \
                     this row and re-submit the file",
                    record.fields.len()
                );
                self.find(rules::ROW_WIDTH, text, place);
            }
            // Beside a password nobody knows which value of a ragged row is which.
            if !(ragged && self.password.is_some()) {
                self.address(record, address_at, &row, &mut seen);
            }
            if ragged {
                continue;
            }
            if let Some(password) = field(self.password.filter(|_| !self.has(rules::NO_HEADER)))
                && (1..PASSWORD_LENGTH).contains(&password.text.chars().count())
            {
                let place = self.at(record, self.password, &row);
                self.find(rules::SHORT_PASSWORD, "the password has fewer than 8 characters", place);
            }
            if let Some(force) = field(force_at)
                && !["", "true", "false"].contains(&force.text.trim().to_ascii_lowercase().as_str())
            {
                let place = self.at(record, force_at, &row);
                let text = match force_at.filter(|at| self.shows(*at, &force.text)) {
                    Some(_) => format!("ForceChangePassword is `{}`, not True or False", brief(&force.text)),
                    None => "ForceChangePassword is neither True nor False".to_owned(),
                };
                self.find(rules::FORCE_CHANGE, text, place);
            }
            let cells = columns.iter().zip(&record.fields).map(|(column, field)| {
                let text = if column == PASSWORD { &*field.text } else { field.text.trim() };
                cell(column, text)
            });
            rows.push(Line { number: record.line, cells: cells.collect() });
        }
        if number == 0 {
            self.whole(rules::NO_ROWS, "there is no mailbox below the header");
        }
        Some(Mailboxes::from_table(self.file, columns.to_vec(), rows))
    }

    fn address(&mut self, record: &Record, at: usize, row: &str, seen: &mut BTreeMap<String, usize>) {
        let Some(field) = record.fields.get(at) else { return };
        let address = field.text.trim();
        let place = |reader: &Self| reader.at(record, Some(at), row);
        if self.garbled.contains_key(&record.line) || self.has(rules::OPEN_QUOTE) {
            return;
        }
        if address.is_empty() {
            let place = place(self);
            return self.find(rules::EMPTY_ADDRESS, "the row has no address", place);
        }
        if let Some(text) = wrong_form(address) {
            let place = place(self);
            return self.find(rules::ADDRESS_FORM, text, place);
        }
        if let Some(text) = address_fault(address) {
            let place = place(self);
            let shown = if self.shows(at, address) {
                format!("`{}` is no address: {text}", brief(address))
            } else {
                format!("there is no address: {text}")
            };
            return self.find(rules::ADDRESS_SYNTAX, shown, place);
        }
        if of_tenant(address) {
            let place = place(self);
            return self.find(rules::TENANT_ADDRESS, format!("{address} is an address of the tenant"), place);
        }
        if address != field.text {
            let place = place(self);
            self.find(rules::BLANKS_AROUND, format!("there are blanks around {address}"), place);
        }
        let key = address_key(address);
        if let Some(first) = seen.get(&key) {
            let text = format!("{address} stands already in line {first}");
            let place = place(self);
            return self.find(rules::DUPLICATE, text, place);
        }
        seen.insert(key, record.line);
    }

    // ── findings ─────────────────────────────────────────────────────────

    fn has(&self, rule: &str) -> bool {
        self.broken.contains(rule)
    }

    /// One finding for each run of blank rows: a sheet may end in a million.
    fn blank(&mut self, record: &Record) {
        let (last, count) = self.blanks;
        if last + 1 == record.line
            && let Some(finding) = self.findings.last_mut().filter(|f| f.rule == rules::BLANK_ROW)
        {
            self.blanks = (record.line, count + 1);
            finding.text = format!("{} rows from here on are blank", count + 1);
            return;
        }
        self.blanks = (record.line, 1);
        let place = Place { line: record.line, column: 1, row: format!("line {}", record.line), excerpt: None };
        self.find(rules::BLANK_ROW, "the row is blank", place);
    }

    /// The end of a file that is something else, or has one fault in every row.
    fn enough(&mut self, line: usize) {
        let Some(rule) = self.findings.last().map(|f| f.rule) else { return };
        let place = Place { line, column: 0, row: format!("line {line}"), excerpt: None };
        self.find(rule, format!("there are too many faults; from line {line} on nothing was looked at"), place);
    }

    fn whole(&mut self, rule: &'static str, text: &str) {
        self.find(rule, text, Place { line: 0, column: 0, row: String::new(), excerpt: None });
    }

    fn find(&mut self, id: &'static str, text: impl Into<String>, place: Place) {
        let rule = rules::rule(id).expect("every rule that is found stands in the table");
        self.broken.insert(rule.id);
        self.findings.push(Finding {
            rule: rule.id,
            severity: rule.severity,
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            row: place.row,
            text: text.into(),
            remedy: rule.remedy.to_owned(),
            excerpt: place.excerpt,
        });
    }

    /// Whether a value may be shown. Where there are passwords, a shifted row
    /// may have one in any column, so only what looks like an address or is as
    /// short as a yes is shown.
    fn shows(&self, index: usize, text: &str) -> bool {
        let Some(password) = self.password else { return true };
        let plain = !text.contains([',', ';', '"', '\n', '\r', '\t']);
        index != password && plain && (text.contains('@') || text.chars().count() <= 5)
    }

    /// The place of a field, or of a whole row, with what may be a password
    /// starred out. A ragged row that may hold one isn't shown at all.
    fn at(&self, record: &Record, field: Option<usize>, row: &str) -> Place {
        let line = self.lines.get(record.line.saturating_sub(1)).map_or("", String::as_str);
        let mut chars: Vec<char> = line.chars().take(EXCERPT).collect();
        let starred = |(index, field): &(usize, &Field)| row != "header" && !self.shows(*index, &field.text);
        for (_, field) in record.fields.iter().enumerate().filter(starred) {
            let from = field.column.saturating_sub(1).min(chars.len());
            // A quoted value may run on: everything behind is starred.
            let runs_on = field.text.contains(['\n', '\r']);
            let to = if runs_on { chars.len() } else { (from + field.width).min(chars.len()) };
            for c in chars.iter_mut().take(to).skip(from) {
                *c = '*';
            }
        }
        let cut = chars.len() == EXCERPT;
        let shown: String = chars.into_iter().collect();
        let (column, width) = match field.and_then(|at| record.fields.get(at)) {
            Some(field) => (field.column, field.width.min(EXCERPT)),
            None => (1, shown.chars().count().max(1)),
        };
        // A place behind what is shown can't be pointed at.
        let hidden = (self.password.is_some() && field.is_none() && row != "header") || (cut && column >= EXCERPT);
        let excerpt = Some((shown, width)).filter(|(text, _)| !text.is_empty() && !hidden);
        Place { line: record.line, column, row: row.to_owned(), excerpt }
    }
}

/// The column that a misspelt name means.
fn guess(written: &str) -> Option<&'static str> {
    let plain: String = written.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    if plain.is_empty() || FOREIGN.iter().any(|(name, _)| name.to_lowercase() == plain) {
        return None;
    }
    let alias = ALIASES.iter().find(|(alias, _)| *alias == plain).map(|(_, name)| *name);
    alias.or_else(|| {
        COLUMNS.into_iter().find(|name| {
            let name = name.to_lowercase();
            strsim::damerau_levenshtein(&plain, &name) <= if name.len() > 8 { 2 } else { 1 }
        })
    })
}

/// `SMTP:` in front, or a display name around the address.
fn wrong_form(text: &str) -> Option<String> {
    if let Some((prefix, _)) = text.split_once(':') {
        let name = prefix.to_ascii_lowercase();
        if ["smtp", "mailto", "x500", "sip"].contains(&name.as_str()) {
            return Some(format!("the address carries the prefix `{prefix}:`"));
        }
    }
    (text.contains('<') && text.contains('>')).then(|| "the address carries a display name".to_owned())
}

/// Whether an address is of a domain that Microsoft gives to tenants: nobody
/// else's MX can lead there, so no mailbox on premises has it as its primary.
fn of_tenant(address: &str) -> bool {
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain).to_ascii_lowercase();
    ["onmicrosoft.com", "onmicrosoft.us", "onmicrosoft.de", "partner.onmschina.cn"]
        .iter()
        .any(|given| domain.strip_suffix(given).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// A value as a message shows it: what is too long for an address is cut.
fn brief(text: &str) -> String {
    match text.char_indices().nth(254) {
        None => text.to_owned(),
        Some(_) => text.chars().take(VALUE).chain(['…']).collect(),
    }
}

/// What is wrong with an address, in a few words; `None` if nothing is.
/// Narrower than RFC 5321: quoted local parts and address literals don't occur
/// as primary addresses of mailboxes.
pub fn address_fault(address: &str) -> Option<String> {
    let say = |text: &str| Some(text.to_owned());
    if let Some(c) = address.chars().find(|c| !c.is_ascii()) {
        // Marks that can't be seen are named by their number.
        return Some(if c.is_alphanumeric() || unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) > 0 {
            format!("`{c}` is not ASCII")
        } else {
            format!("there is an invisible character in it (U+{:04X})", u32::from(c))
        });
    }
    if address.contains(char::is_whitespace) {
        return say("there is a blank in it");
    }
    let Some((local, domain)) = address.rsplit_once('@') else { return say("there is no @") };
    if local.contains('@') {
        return say("there is more than one @");
    }
    if local.is_empty() {
        return say("nothing stands before the @");
    }
    if local.len() > 64 || address.len() > 254 {
        return say("it is too long");
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return say("a dot stands where none may");
    }
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
    if let Some(c) = local.chars().find(|c| odd(*c)) {
        return Some(format!("`{c}` may not stand before the @"));
    }
    let labels: Vec<&str> = domain.split('.').collect();
    if labels.len() < 2 {
        return say("the domain has no dot");
    }
    let bad = |l: &&str| {
        l.is_empty()
            || l.len() > 63
            || l.starts_with('-')
            || l.ends_with('-')
            || l.contains(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
    };
    if labels.iter().any(bad) || labels.last().is_some_and(|l| l.chars().all(|c| c.is_ascii_digit())) {
        return Some(format!("`{domain}` is no domain"));
    }
    None
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
