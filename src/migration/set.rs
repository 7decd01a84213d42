//! What a script does with a set of mailboxes: parts of it, its order, its
//! groups, and what another list says about the same people.
//!
//! A part is a list of positions in the table of the whole, so that cutting a
//! company into waves copies no cell; only sets of two different files make a
//! new table. How rows are stored stands in `list`. Secret columns can't be
//! asked, compared or kept here.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::list::{self, Cell, EMAIL_ADDRESS, Line, Mailboxes, PASSWORD, Row};
use crate::wire::attributes::address_key;

/// What rows are ordered by: numbers, then texts without regard to case, then
/// what is empty.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Nothing.
    Empty,
}

impl Key {
    /// The key that a text is; a blank one is empty.
    pub fn of_text(text: &str) -> Key {
        match text.trim() {
            "" => Key::Empty,
            text => Key::Text(text.to_lowercase()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Key::Number(_) => 0,
            Key::Text(_) => 1,
            Key::Empty => 2,
        }
    }

    /// The order of two keys; `descending` turns it, but for what is empty,
    /// which stays last.
    pub fn order(&self, other: &Key, descending: bool) -> Ordering {
        let order = match (self, other) {
            (Key::Number(a), Key::Number(b)) => a.total_cmp(b),
            (Key::Text(a), Key::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        };
        if descending && *self != Key::Empty && *other != Key::Empty { order.reverse() } else { order }
    }
}

/// Why a set can't be joined or ordered so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The list has no such column.
    NoColumn {
        /// As it was asked for.
        column: String,
        /// Those that it has and that may be asked for.
        has: Vec<String>,
    },
    /// The column holds secrets.
    Secret {
        /// Its name.
        column: String,
    },
    /// The other list names a key twice, so that nobody knows which row is meant.
    Twice {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unfit::NoColumn { column, .. } => write!(f, "the list has no column {column}"),
            Unfit::Secret { column } => write!(f, "the column {column} holds secrets, which scripts don't see"),
            Unfit::Twice { column, value } => {
                write!(f, "the other list has {value} twice in its column {column}, so that either row may be meant")
            }
        }
    }
}

impl Mailboxes {
    /// The name of a column as the list writes it.
    ///
    /// # Errors
    /// There is none of that name (compared without case), or it holds secrets.
    pub fn column(&self, name: &str) -> Result<&str, Unfit> {
        let found = self.columns().iter().find(|c| c.eq_ignore_ascii_case(name.trim()));
        match found {
            Some(column) if column == PASSWORD => Err(Unfit::Secret { column: column.clone() }),
            Some(column) => Ok(column),
            None => Err(Unfit::NoColumn { column: name.to_owned(), has: self.open_columns() }),
        }
    }

    /// Names of the columns without the secret ones.
    pub fn open_columns(&self) -> Vec<String> {
        self.columns().iter().filter(|c| *c != PASSWORD).cloned().collect()
    }

    /// The row at a position counted from 0, or from the end with -1 for the
    /// last, as arrays of scripts count.
    pub fn at(&self, index: i64) -> Option<Row> {
        let at = if index < 0 { i64::try_from(self.len()).ok()?.checked_add(index)? } else { index };
        self.get(usize::try_from(at).ok()?)
    }

    /// Its rows, one at a time; the answer keeps the set alive.
    pub fn rows(self) -> impl Iterator<Item = Row> {
        (0..self.len()).filter_map(move |at| self.get(at))
    }

    /// Rows for which the question is answered with yes.
    ///
    /// # Errors
    /// The first of the question's own.
    pub fn try_filter<E>(&self, mut keep: impl FnMut(Row) -> Result<bool, E>) -> Result<Mailboxes, E> {
        let mut rows = Vec::new();
        for row in self.iter() {
            let at = row.position();
            if keep(row)? {
                rows.push(at);
            }
        }
        Ok(self.subset(rows))
    }

    /// The rows at these positions of the set, in this order; positions beyond
    /// its end are passed over.
    pub fn pick(&self, wanted: &[usize]) -> Mailboxes {
        let all = self.positions();
        self.subset(wanted.iter().filter_map(|at| all.get(*at).copied()).collect())
    }

    /// The rows ordered by their keys, one for each row; equal ones keep their
    /// order.
    pub fn sorted(&self, keys: &[Key], descending: bool) -> Mailboxes {
        let mut order: Vec<usize> = (0..self.len()).collect();
        let key = |at: usize| keys.get(at).unwrap_or(&Key::Empty);
        order.sort_by(|a, b| key(*a).order(key(*b), descending));
        self.pick(&order)
    }

    /// The keys of a column: numbers if every value of it that is not blank is
    /// one, texts otherwise.
    ///
    /// # Errors
    /// As [`Mailboxes::column`].
    pub fn keys_of(&self, column: &str) -> Result<Vec<Key>, Unfit> {
        let column = self.column(column)?;
        let rows: Vec<Row> = self.iter().collect();
        let texts = || rows.iter().map(|r| r.cell(column).unwrap_or_default().trim());
        let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite());
        if texts().any(|t| !t.is_empty() && number(t).is_none()) {
            return Ok(texts().map(Key::of_text).collect());
        }
        Ok(texts().map(|t| number(t).map_or(Key::Empty, Key::Number)).collect())
    }

    /// Groups of rows with the same name, in the order of their first rows;
    /// `names` has one for each row. Names compare without case and without
    /// blanks around them, and a group has that of its first row.
    pub fn grouped(&self, names: &[String]) -> Vec<(String, Mailboxes)> {
        let mut order: Vec<(String, Vec<u32>)> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for (name, at) in names.iter().zip(self.positions()) {
            let group = *known.entry(name.trim().to_lowercase()).or_insert_with(|| {
                order.push((name.trim().to_owned(), Vec::new()));
                order.len() - 1
            });
            if let Some((_, rows)) = order.get_mut(group) {
                rows.push(*at);
            }
        }
        order.into_iter().map(|(name, rows)| (name, self.subset(rows))).collect()
    }

    /// Both together, each address once. Parts of one list keep its order, unless
    /// one of them was sorted; otherwise the other's rows come after, with the
    /// columns of both.
    pub fn union(&self, other: &Mailboxes) -> Mailboxes {
        let is_ascending = |set: &Mailboxes| set.positions().is_sorted();
        if self.shares_rows_with(other) {
            if is_ascending(self) && is_ascending(other) {
                let rows: BTreeSet<u32> = self.positions().iter().chain(other.positions()).copied().collect();
                return self.subset(rows.into_iter().collect());
            }
            let mut seen = BTreeSet::new();
            let rows = self.positions().iter().chain(other.positions()).copied();
            return self.subset(rows.filter(|at| seen.insert(*at)).collect());
        }
        let mut columns = self.columns().to_vec();
        columns.extend(other.columns().iter().filter(|c| !self.columns().contains(c)).cloned());
        let mut seen = BTreeSet::new();
        let mut rows = Vec::new();
        for row in self.iter().chain(other.iter()).filter(|row| seen.insert(row.key())) {
            let cells = columns.iter().map(|column| row.cell_as_stored(column)).collect();
            rows.push(Line { number: row.line_number(), cells });
        }
        let file = if self.file().is_empty() { other.file() } else { self.file() };
        Mailboxes::from_table(file, columns, rows)
    }

    /// Rows whose address is not in the other set.
    pub fn minus(&self, other: &Mailboxes) -> Mailboxes {
        let gone: BTreeSet<String> = other.iter().map(|r| r.key()).collect();
        self.filter(|row| !gone.contains(&row.key()))
    }

    /// The same rows with what another list says about them: its columns behind
    /// the own ones, and its values where an own cell is blank. Rows belong
    /// together that have the same value in `column`, compared without case;
    /// who is not in the other list keeps blank cells, and who is only there
    /// doesn't come.
    ///
    /// # Errors
    /// The column is missing in either list or holds secrets; the other list has
    /// a value twice.
    pub fn join(&self, other: &Mailboxes, column: &str) -> Result<Mailboxes, Unfit> {
        let (mine, theirs) = (self.column(column)?, other.column(column)?);
        let mut known: BTreeMap<String, Row> = BTreeMap::new();
        for row in other.iter() {
            let value = row.cell(theirs).unwrap_or_default().to_owned();
            let key = address_key(&value);
            if !key.is_empty() && known.insert(key, row).is_some() {
                return Err(Unfit::Twice { column: theirs.to_owned(), value });
            }
        }
        let mut columns = self.columns().to_vec();
        let added = other.columns().iter().filter(|c| !columns.iter().any(|own| own.eq_ignore_ascii_case(c)));
        let added: Vec<String> = added.cloned().collect();
        columns.extend(added);
        let is_blank = |cell: &Cell| match cell {
            Cell::Plain(text) => text.trim().is_empty(),
            Cell::Hidden(secret) => secret.is_empty(),
        };
        let joined = |row: Row| {
            let found = known.get(&address_key(row.cell(mine).unwrap_or_default()));
            let cells = columns.iter().map(|column| {
                let own = row.cell_as_stored(column);
                match found {
                    // Whom a row is about is never taken from another list.
                    Some(found) if is_blank(&own) && column != EMAIL_ADDRESS => found.cell_as_stored(column),
                    _ => own,
                }
            });
            Line { number: row.line_number(), cells: cells.collect() }
        };
        let rows = self.iter().map(joined).collect();
        Ok(Mailboxes::from_table(self.file(), columns.clone(), rows))
    }

    /// The set as a journal keeps it: by content, in the order of its columns,
    /// without the secret ones, with the hash by which it is recognised.
    pub fn to_journal(&self) -> Value {
        let rows: Vec<Vec<String>> =
            self.iter().map(|r| r.to_pairs().into_iter().map(|(_, value)| value).collect()).collect();
        json!({"columns": self.open_columns(), "rows": rows, "sha256": self.digest()})
    }

    /// The set that [`Mailboxes::to_journal`] kept. It came from no file, and has
    /// no secrets any more. `None` if the value is none, or was changed.
    pub fn of_journal(value: &Value) -> Option<Mailboxes> {
        let columns: Vec<String> = serde_json::from_value(value.get("columns")?.clone()).ok()?;
        let texts: Vec<Vec<String>> = serde_json::from_value(value.get("rows")?.clone()).ok()?;
        if !columns.iter().any(|c| c == EMAIL_ADDRESS) || texts.iter().any(|row| row.len() != columns.len()) {
            return None;
        }
        let line = |row: Vec<String>| Line {
            number: 0,
            cells: columns.iter().zip(row).map(|(c, text)| list::cell(c, &text)).collect(),
        };
        let rows = texts.into_iter().map(line).collect();
        let set = Mailboxes::from_table("", columns.clone(), rows);
        (value.get("sha256")?.as_str()? == set.digest()).then_some(set)
    }

    /// A set that [`Mailboxes::of_journal`] gave back, as a part of the list that it
    /// came from: with its line numbers and its secrets. Rows that the list has
    /// otherwise, or no more, stay as they were kept, with the list's secrets for
    /// the same address.
    pub fn as_part_of(&self, list: &Mailboxes) -> Mailboxes {
        let mut known: HashMap<String, usize> = HashMap::with_capacity(list.len());
        for (at, row) in list.iter().enumerate() {
            known.entry(row.key()).or_insert(at);
        }
        let place = |row: &Row| known.get(&row.key()).copied();
        let is_same = |row: &Row, at: usize| list.get(at).is_some_and(|found| found.to_pairs() == row.to_pairs());
        let places: Option<Vec<usize>> = self.iter().map(|row| place(&row).filter(|at| is_same(&row, *at))).collect();
        if let Some(places) = places.filter(|_| self.open_columns() == list.open_columns()) {
            return list.pick(&places);
        }
        let mut columns = self.columns().to_vec();
        columns.extend(list.columns().iter().filter(|c| *c == PASSWORD && !self.columns().contains(c)).cloned());
        let rows = self.iter().map(|row| {
            let found = place(&row).and_then(|at| list.get(at));
            let cells = columns.iter().map(|column| match &found {
                Some(found) if column == PASSWORD => found.cell_as_stored(column),
                _ => row.cell_as_stored(column),
            });
            Line { number: found.as_ref().map_or(0, Row::line_number), cells: cells.collect() }
        });
        let rows = rows.collect();
        Mailboxes::from_table(list.file(), columns.clone(), rows)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::migration::read::{Reading, read_with};

    fn list(text: &str) -> Mailboxes {
        read_with("list.csv", text.as_bytes(), &Reading { unknown_columns: true, ..Reading::default() })
            .0
            .expect("the list is sound")
    }

    fn people() -> Mailboxes {
        list(
            "EmailAddress,Department,Password,Size\nann@contoso.test,Sales,secret-one,10\nbob@contoso.test,it,,9\n\
             cyd@contoso.test,Sales ,,\ndan@contoso.test,IT,,100\n",
        )
    }

    #[test]
    fn parts_share_the_rows_of_the_whole() {
        let text: String = (0..100_000).map(|n| format!("user{n}@contoso.test,{}\n", n % 7)).collect();
        let list = list(&format!("EmailAddress,Number\n{text}"));
        assert_eq!(list.len(), 100_000);
        let half = list.try_filter(|row| Ok::<_, ()>(row.cell("Number") == Some("3"))).expect("no question fails");
        let sorted = list.sorted(&list.keys_of("number").expect("the column is there"), true);
        let groups = list.grouped(&vec!["one".to_owned(); 100_000]);
        let parts = [half, sorted, list.take(10), list.skip(99_990), list.pick(&[5, 3]), groups[0].1.clone()];
        assert!(parts.iter().all(|part| part.shares_rows_with(&list)));
        assert!(parts[0].union(&parts[2]).shares_rows_with(&list));
        // A set of the same content that is a copy doesn't.
        assert!(!Mailboxes::of_journal(&list.to_journal()).expect("as kept").shares_rows_with(&list));
    }

    #[test]
    fn numbers_sort_as_numbers_and_what_is_blank_is_last_both_ways() {
        let people = people();
        let by_size = |descending| people.sorted(&people.keys_of("Size").expect("there"), descending).addresses();
        let names = |order: &str| order.split(' ').map(|n| format!("{n}@contoso.test")).collect::<Vec<_>>();
        assert_eq!(by_size(false), names("bob ann dan cyd"));
        assert_eq!(by_size(true), names("dan ann bob cyd"));
        let by_text = people.sorted(&people.keys_of("department").expect("there"), false);
        assert_eq!(by_text.addresses(), names("bob dan ann cyd"));
    }

    #[test]
    fn groups_stand_in_the_order_of_their_first_rows() {
        let people = people();
        let names: Vec<String> = people.iter().map(|r| r.cell("Department").unwrap_or_default().to_owned()).collect();
        let groups = people.grouped(&names);
        let told: Vec<(&str, usize)> = groups.iter().map(|(name, set)| (name.as_str(), set.len())).collect();
        assert_eq!(told, [("Sales", 2), ("it", 2)]);
    }

    #[test]
    fn a_negative_index_counts_from_the_end() {
        let people = people();
        let address = |at| people.at(at).map(|r| r.address().to_owned());
        assert_eq!(address(-1).as_deref(), Some("dan@contoso.test"));
        assert_eq!(address(-4), address(0));
        assert_eq!((address(-5), address(4), address(i64::MIN)), (None, None, None));
    }

    #[test]
    fn a_join_brings_columns_and_fills_what_is_blank() {
        let other = list(
            "EmailAddress,Size,Floor,Password\nCYD@contoso.test,7,3rd,secret-two\nann@contoso.test,99,1st,other-one\n\
             eve@contoso.test,1,2nd,\n",
        );
        let joined = people().join(&other, "emailaddress").expect("both have it");
        assert_eq!(joined.columns(), ["EmailAddress", "Department", "Password", "Size", "Floor"]);
        assert_eq!(joined.addresses(), people().addresses());
        assert_eq!((joined.cell(0, "Size"), joined.cell(0, "Floor")), (Some("10"), Some("1st")));
        assert_eq!((joined.cell(2, "Size"), joined.cell(2, "Floor")), (Some("7"), Some("3rd")));
        assert_eq!(joined.cell(1, "Floor"), Some(""));
        let secret = |at| joined.get(at).and_then(|r| r.password().map(|s| s.expose().to_owned()));
        assert_eq!((secret(0).as_deref(), secret(2).as_deref()), (Some("secret-one"), Some("secret-two")));
    }

    #[test]
    fn a_join_refuses_what_nobody_could_answer() {
        let two = list("EmailAddress,Floor\nx@contoso.test,1\ny@contoso.test,1\n");
        assert!(matches!(people().join(&two, "Floor"), Err(Unfit::NoColumn { .. })));
        let floors = people().join(&list("EmailAddress,Floor\nann@contoso.test,1\n"), EMAIL_ADDRESS).expect("joined");
        assert_eq!(floors.join(&two, "Floor"), Err(Unfit::Twice { column: "Floor".into(), value: "1".into() }));
        assert_eq!(people().join(&people(), "password"), Err(Unfit::Secret { column: PASSWORD.into() }));
    }

    #[test]
    fn a_set_is_kept_by_content_and_without_secrets() {
        let kept = people().to_journal();
        assert!(!kept.to_string().contains("secret-one") && !kept.to_string().contains(PASSWORD));
        let back = Mailboxes::of_journal(&kept).expect("as kept");
        assert_eq!(back, people());
        assert_eq!(back.columns(), ["EmailAddress", "Department", "Size"]);
        let mut forged = kept.clone();
        forged["rows"][0][0] = "eve@contoso.test".into();
        assert_eq!(Mailboxes::of_journal(&forged), None);
        assert_ne!(people().sorted(&people().keys_of("Size").expect("there"), false).to_journal(), kept);
    }

    #[test]
    fn what_was_kept_is_a_part_of_its_list_again_with_its_secrets() {
        let people = people();
        let part = people.pick(&[3, 0]);
        let kept = Mailboxes::of_journal(&part.to_journal()).expect("as kept");
        let back = kept.as_part_of(&people);
        assert!(back.shares_rows_with(&people) && back == part);
        assert_eq!(
            back.get(1).and_then(|r| r.password().map(|s| s.expose().to_owned())).as_deref(),
            Some("secret-one")
        );
        // The list has changed: what was kept stays, secrets are the list's.
        let other = list("EmailAddress,Department,Password,Size\nann@contoso.test,Board,secret-two,11\n");
        let back = kept.as_part_of(&other);
        assert_eq!((back.cell(1, "Department"), back.len()), (Some("Sales"), 2));
        assert_eq!(
            back.get(1).and_then(|r| r.password().map(|s| s.expose().to_owned())).as_deref(),
            Some("secret-two")
        );
    }

    proptest! {
        #[test]
        fn sorting_and_grouping_lose_nobody(values in proptest::collection::vec(0u8..6, 1..60), descending: bool) {
            let text: String = values.iter().enumerate().map(|(n, v)| format!("u{n}@contoso.test,{v}\n")).collect();
            let list = list(&format!("EmailAddress,Value\n{text}"));
            let keys = list.keys_of("Value").expect("there");
            let sorted = list.sorted(&keys, descending);
            let mut back = sorted.addresses();
            back.sort();
            let mut all = list.addresses();
            all.sort();
            prop_assert_eq!(back, all);
            let found: Vec<u8> = sorted.iter().filter_map(|r| r.cell("Value")?.parse().ok()).collect();
            let mut expected = values.clone();
            expected.sort_unstable();
            if descending {
                expected.reverse();
            }
            prop_assert_eq!(found, expected);
            let names: Vec<String> = values.iter().map(u8::to_string).collect();
            prop_assert_eq!(list.grouped(&names).iter().map(|(_, set)| set.len()).sum::<usize>(), list.len());
        }
    }
}
