//! A set of mailboxes: one table that lives in Rust.
//!
//! Rows are read once and never change; a subset is a list of positions in the
//! same table, so that a script may cut a company into waves without copying a
//! cell. Passwords stay [`Secret`] and leave only through
//! [`Mailboxes::to_csv`]. Reading a file and its rules stand in `read` and
//! `rules`, what a script does with rows in `set`; nothing here judges a value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub use super::read::{Reading, read, read_with, read_with_warnings};
pub use super::rules::{Finding, Severity};
use crate::base::Secret;
use crate::wire::attributes::address_key;
use crate::wire::guid::hex;

/// Rows of one batch file of a staged migration (Microsoft, "CSV files for
/// mailbox migration"). A limit of the file, not of a company's list.
pub const ROWS_PER_FILE: usize = 2000;
/// The one column that every list has.
pub const EMAIL_ADDRESS: &str = "EmailAddress";
/// The column whose cells are secrets.
pub const PASSWORD: &str = "Password";
/// `True` or `False`; `False` for federated users.
pub const FORCE_CHANGE_PASSWORD: &str = "ForceChangePassword";
/// The columns that a staged batch file may have, in their usual order.
pub const COLUMNS: [&str; 3] = [EMAIL_ADDRESS, PASSWORD, FORCE_CHANGE_PASSWORD];

/// A set of mailboxes in list order. Clones and subsets share the rows.
#[derive(Clone)]
pub struct Mailboxes(Arc<Set>);

struct Set {
    table: Arc<Table>,
    /// Positions in the table, each once; ascending unless the set was sorted.
    rows: Vec<u32>,
}

struct Table {
    file: String,
    columns: Vec<String>,
    /// Position of [`EMAIL_ADDRESS`].
    address: usize,
    rows: Vec<Line>,
}

/// One row as it is stored.
pub(super) struct Line {
    /// Line in the file, 0 if it came from no file.
    pub(super) number: usize,
    /// One for each column.
    pub(super) cells: Vec<Cell>,
}

/// A value that may be shown, or one that may not.
#[derive(Clone, PartialEq)]
pub(super) enum Cell {
    Plain(Box<str>),
    Hidden(Secret),
}

/// One row of a set. Cheap to clone and to keep.
#[derive(Clone)]
pub struct Row {
    table: Arc<Table>,
    at: u32,
}

impl Row {
    fn line(&self) -> Option<&Line> {
        self.table.rows.get(self.at as usize)
    }

    /// The row as a set of one.
    pub fn to_set(&self) -> Mailboxes {
        Mailboxes(Arc::new(Set { table: Arc::clone(&self.table), rows: vec![self.at] }))
    }

    /// The address as the list writes it.
    pub fn address(&self) -> &str {
        match self.line().and_then(|l| l.cells.get(self.table.address)) {
            Some(Cell::Plain(text)) => text,
            _ => "",
        }
    }

    /// The address in the form in which two of them compare.
    pub fn key(&self) -> String {
        address_key(self.address())
    }

    /// Position in the table; the same in every set that shares it.
    pub(super) fn position(&self) -> u32 {
        self.at
    }

    /// Whether a column of this name (compared without case) holds secrets.
    pub fn is_secret(&self, column: &str) -> bool {
        let at = self.table.columns.iter().position(|c| c.eq_ignore_ascii_case(column));
        matches!(at.and_then(|at| self.line()?.cells.get(at)), Some(Cell::Hidden(_)))
    }

    /// Names of the columns, in the order of the file.
    pub fn columns(&self) -> &[String] {
        &self.table.columns
    }

    /// A copy of a cell, secret or not; an empty one for a column that is not there.
    pub(super) fn cell_as_stored(&self, column: &str) -> Cell {
        let at = self.table.columns.iter().position(|c| c.eq_ignore_ascii_case(column));
        at.and_then(|at| self.line()?.cells.get(at)).cloned().unwrap_or_else(|| empty_cell(column))
    }

    /// Line in the list's file, from 1; 0 if it came from no file.
    pub fn line_number(&self) -> usize {
        self.line().map_or(0, |l| l.number)
    }

    /// A cell by its column (compared without case). `None` for a column that
    /// is not there and for secrets.
    pub fn cell(&self, column: &str) -> Option<&str> {
        let at = self.table.columns.iter().position(|c| c.eq_ignore_ascii_case(column))?;
        match self.line()?.cells.get(at)? {
            Cell::Plain(text) => Some(text),
            Cell::Hidden(_) => None,
        }
    }

    /// The password of the row, if it has one.
    pub fn password(&self) -> Option<&Secret> {
        self.line()?.cells.iter().find_map(|cell| match cell {
            Cell::Hidden(secret) if !secret.is_empty() => Some(secret),
            _ => None,
        })
    }

    /// `ForceChangePassword`, if the row says.
    pub fn force_change_password(&self) -> Option<bool> {
        match self.cell(FORCE_CHANGE_PASSWORD)?.trim() {
            t if t.eq_ignore_ascii_case("true") => Some(true),
            t if t.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// Columns and values without the secret ones.
    pub fn to_pairs(&self) -> Vec<(String, String)> {
        let Some(line) = self.line() else { return Vec::new() };
        self.table
            .columns
            .iter()
            .zip(&line.cells)
            .filter_map(|(column, cell)| match cell {
                Cell::Plain(text) => Some((column.clone(), text.to_string())),
                Cell::Hidden(_) => None,
            })
            .collect()
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({})", self.address())
    }
}

impl fmt::Debug for Mailboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailboxes({} of {})", self.len(), self.file())
    }
}

/// Same rows in the same order, secrets left out of the comparison.
impl PartialEq for Mailboxes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.len() == other.len() && self.digest() == other.digest())
    }
}

impl Default for Mailboxes {
    fn default() -> Self {
        Mailboxes::from_addresses::<&str>(&[])
    }
}

impl Mailboxes {
    /// A whole table. The first column named EmailAddress holds the addresses.
    pub(super) fn from_table(file: &str, columns: Vec<String>, rows: Vec<Line>) -> Mailboxes {
        let address = columns.iter().position(|c| c == EMAIL_ADDRESS).unwrap_or(0);
        let all = (0..rows.len() as u32).collect();
        let table = Arc::new(Table { file: file.to_owned(), columns, address, rows });
        Mailboxes(Arc::new(Set { table, rows: all }))
    }

    /// A set that came from no file. An address that comes twice (without
    /// regard to case) is taken once.
    pub fn from_addresses<S: AsRef<str>>(addresses: &[S]) -> Mailboxes {
        let mut seen = BTreeSet::new();
        let rows = addresses
            .iter()
            .filter(|a| seen.insert(address_key(a.as_ref())))
            .map(|a| Line { number: 0, cells: vec![Cell::Plain(a.as_ref().into())] })
            .collect();
        Mailboxes::from_table("", vec![EMAIL_ADDRESS.to_owned()], rows)
    }

    /// Rows of the same table, by position.
    pub(super) fn subset(&self, rows: Vec<u32>) -> Mailboxes {
        Mailboxes(Arc::new(Set { table: Arc::clone(&self.0.table), rows }))
    }

    /// Positions of the rows in the table, in the order of the set.
    pub(super) fn positions(&self) -> &[u32] {
        &self.0.rows
    }

    /// Whether both are rows of one table in memory, so that neither is a copy.
    pub fn shares_rows_with(&self, other: &Mailboxes) -> bool {
        Arc::ptr_eq(&self.0.table, &other.0.table)
    }

    fn row(&self, at: u32) -> Row {
        Row { table: Arc::clone(&self.0.table), at }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.rows.is_empty()
    }

    /// Names of the columns, in the order of the file.
    pub fn columns(&self) -> &[String] {
        &self.0.table.columns
    }

    /// Name of the file as it was given; empty if the set came from none.
    pub fn file(&self) -> &str {
        &self.0.table.file
    }

    /// Addresses in list order, as the list writes them.
    pub fn addresses(&self) -> Vec<String> {
        self.iter().map(|r| r.address().to_owned()).collect()
    }

    /// The row at a position of this set, from 0.
    pub fn get(&self, index: usize) -> Option<Row> {
        self.0.rows.get(index).map(|at| self.row(*at))
    }

    /// Rows in list order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row> + '_ {
        self.0.rows.iter().map(|at| self.row(*at))
    }

    /// A cell of the row at a position; see [`Row::cell`].
    pub fn cell(&self, index: usize, column: &str) -> Option<&str> {
        let table = &self.0.table;
        let at = table.columns.iter().position(|c| c.eq_ignore_ascii_case(column))?;
        match table.rows.get(*self.0.rows.get(index)? as usize)?.cells.get(at)? {
            Cell::Plain(text) => Some(text),
            Cell::Hidden(_) => None,
        }
    }

    /// Whether an address is in the set.
    pub fn contains(&self, address: &str) -> bool {
        let key = address_key(address);
        self.iter().any(|r| r.key() == key)
    }

    /// Rows for which the question is answered with yes.
    pub fn filter(&self, mut keep: impl FnMut(&Row) -> bool) -> Mailboxes {
        self.subset(self.0.rows.iter().copied().filter(|at| keep(&self.row(*at))).collect())
    }

    /// Rows whose address is named, in list order. Names that are not in the
    /// set are passed over.
    pub fn with_addresses<S: AsRef<str>>(&self, addresses: &[S]) -> Mailboxes {
        let keys: BTreeSet<String> = addresses.iter().map(|a| address_key(a.as_ref())).collect();
        self.filter(|row| keys.contains(&row.key()))
    }

    /// Rows whose address is not named.
    pub fn without(&self, addresses: &BTreeSet<String>) -> Mailboxes {
        let keys: BTreeSet<String> = addresses.iter().map(|a| address_key(a)).collect();
        self.filter(|row| !keys.contains(&row.key()))
    }

    /// The first rows.
    pub fn take(&self, count: usize) -> Mailboxes {
        self.subset(self.0.rows.iter().copied().take(count).collect())
    }

    /// All but the first rows.
    pub fn skip(&self, count: usize) -> Mailboxes {
        self.subset(self.0.rows.iter().copied().skip(count).collect())
    }

    /// SHA-256 of columns and rows without the secret columns, in lower-case
    /// hexadecimal. The same content gives the same digest, whatever its file.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut put = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        for column in self.columns().iter().filter(|c| *c != PASSWORD) {
            put(column);
        }
        for row in self.iter() {
            put("\u{0}row");
            for (_, value) in row.to_pairs() {
                put(&value);
            }
        }
        hex(&hash.finalize())
    }

    /// The set as the service reads it: a header, CR LF, quotes where needed,
    /// and of the columns only those of [`COLUMNS`] that the list has. Without
    /// `secrets` there is no password column.
    pub fn to_csv(&self, secrets: bool) -> Vec<u8> {
        let wanted: Vec<(&str, usize)> = COLUMNS
            .into_iter()
            .filter(|name| secrets || *name != PASSWORD)
            .filter_map(|name| Some((name, self.columns().iter().position(|c| c == name)?)))
            .collect();
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        let mut write = |fields: Vec<&str>| writer.write_record(fields).expect("writing to memory never fails");
        write(wanted.iter().map(|(name, _)| *name).collect());
        for at in &self.0.rows {
            let Some(line) = self.0.table.rows.get(*at as usize) else { continue };
            let cells = wanted.iter().map(|(_, at)| match line.cells.get(*at) {
                Some(Cell::Plain(text)) => &**text,
                Some(Cell::Hidden(secret)) => secret.expose(),
                None => "",
            });
            write(cells.collect());
        }
        writer.into_inner().expect("writing to memory never fails")
    }

    /// How many of the set belong to each domain, in lower case.
    pub fn domains(&self) -> BTreeMap<String, usize> {
        let mut domains = BTreeMap::new();
        for row in self.iter() {
            *domains.entry(crate::wire::attributes::domain_of(row.address())).or_insert(0) += 1;
        }
        domains
    }
}

/// An empty value of a column: hidden where the column holds secrets.
pub(super) fn empty_cell(column: &str) -> Cell {
    cell(column, "")
}

/// A value of a column.
pub(super) fn cell(column: &str, text: &str) -> Cell {
    if column == PASSWORD { Cell::Hidden(Secret::new(text)) } else { Cell::Plain(text.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Mailboxes {
        let text = "EmailAddress,Department,Password,ForceChangePassword\nann@contoso.test,Sales,\"pa,ss\"\"word\",True\n\
                    bob@contoso.test,IT,,\nCyd@fabrikam.test,IT,longenough,False\n";
        let options = super::super::read::Reading { unknown_columns: true, ..Reading::default() };
        super::super::read::read_with("list.csv", text.as_bytes(), &options).0.expect("the list is sound")
    }

    #[test]
    fn subsets_keep_the_order_of_the_list() {
        let list = list();
        assert_eq!(
            list.with_addresses(&["CYD@fabrikam.test", "ann@contoso.test"]).addresses(),
            ["ann@contoso.test", "Cyd@fabrikam.test"]
        );
        assert_eq!(list.without(&BTreeSet::from(["BOB@contoso.test".to_owned()])).len(), 2);
        let (head, tail) = (list.take(1), list.skip(1));
        assert_eq!(tail.union(&head), list);
        assert_eq!(list.filter(|r| r.cell("department") == Some("IT")).len(), 2);
        assert_eq!(list.domains().get("fabrikam.test"), Some(&1));
    }

    #[test]
    fn sets_of_two_lists_join_by_address() {
        let joined =
            Mailboxes::from_addresses(&["dan@contoso.test", "ANN@contoso.test", "dan@contoso.test"]).union(&list());
        assert_eq!(
            joined.addresses(),
            ["dan@contoso.test", "ANN@contoso.test", "bob@contoso.test", "Cyd@fabrikam.test"]
        );
        assert_eq!(joined.cell(3, "Department"), Some("IT"));
        assert!(joined.get(3).is_some_and(|r| r.password().is_some()));
    }

    #[test]
    fn a_password_leaves_only_with_the_file() {
        let list = list();
        assert_eq!(list.cell(0, PASSWORD), None);
        assert!(!format!("{list:?}{:?}", list.get(0)).contains("pa,ss"));
        assert!(list.get(0).is_some_and(|r| r.to_pairs().iter().all(|(c, _)| c != PASSWORD)));
        let file = String::from_utf8(list.to_csv(true)).expect("a list is text");
        assert_eq!(
            file,
            "EmailAddress,Password,ForceChangePassword\r\nann@contoso.test,\"pa,ss\"\"word\",True\r\nbob@contoso.test,,\r\n\
             Cyd@fabrikam.test,longenough,False\r\n"
        );
        assert!(!String::from_utf8_lossy(&list.to_csv(false)).contains("longenough"));
    }

    #[test]
    fn the_digest_is_of_the_content_alone() {
        let list = list();
        assert_eq!(list.digest(), list.take(3).digest());
        assert_ne!(list.digest(), list.take(2).digest());
        let other = Mailboxes::from_addresses(&["ab", "c"]);
        assert_ne!(other.digest(), Mailboxes::from_addresses(&["a", "bc"]).digest());
    }
}
