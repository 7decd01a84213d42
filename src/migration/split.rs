//! One list cut into several: at most so many rows each, and who works together
//! in one of them.
//!
//! Rows keep their order as far as that allows. A group larger than a file is
//! named, never torn apart. Who works together is told from outside.

use super::encoding::decode;
use super::findings::Findings;
use super::layout::lay_out;
use super::read::Reading;
use super::scan::{Row, Walk};
use super::waves::graph::{Graph, bonds};
use crate::wire::attributes::address_key;

/// Why a list can't be cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uncut {
    /// It has no header, or no column for addresses.
    NoList,
    /// These work together, and are more than a file may have.
    TooLarge(Vec<String>),
}

/// Cuts a list that has no errors into files of at most `most` rows. Each has
/// the header, CR LF, and its rows as they stand in the list.
///
/// # Errors
/// A group of `together` that no file can hold; a text that is no list.
pub fn split(text: &str, how: &Reading, most: usize, together: &[(String, String)]) -> Result<Vec<String>, Uncut> {
    let decoded = decode(text.as_bytes());
    let mut out = Findings::new("", &decoded.text);
    let layout = lay_out(&decoded, how, &mut out).ok_or(Uncut::NoList)?;
    let header = layout.header.as_ref().ok_or(Uncut::NoList)?;
    let text: &str = &decoded.text;
    let mut rows: Vec<(usize, usize)> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    let mut walk = Walk::from(text, layout.separator, layout.begin.0, layout.begin.1);
    let mut row = Row::default();
    while walk.next(&mut row) {
        if row.is_blank(text) {
            continue;
        }
        rows.push((row.start, row.end));
        if !together.is_empty() {
            keys.push(row.cells.get(layout.address).map(|c| address_key(&c.value(text))).unwrap_or_default());
        }
    }
    let groups = Graph::new(rows.len(), &bonds(&keys, together)).parts();
    let most = most.max(1);
    let mut files: Vec<Vec<usize>> = Vec::new();
    // Files before this one are full.
    let mut open = 0;
    for group in groups {
        if group.len() > most {
            return Err(Uncut::TooLarge(group.iter().filter_map(|at| keys.get(*at).cloned()).collect()));
        }
        let room = files.iter().enumerate().skip(open).find(|(_, file)| file.len() + group.len() <= most);
        match room.map(|(at, _)| at).and_then(|at| files.get_mut(at)) {
            Some(file) => file.extend(group),
            None => files.push(group),
        }
        while files.get(open).is_some_and(|file| file.len() >= most) {
            open += 1;
        }
    }
    let head = text.get(header.start..header.end).unwrap_or_default();
    let write = |mut file: Vec<usize>| {
        file.sort_unstable();
        let mut out = format!("{head}\r\n");
        for at in file {
            let (from, to) = rows.get(at).copied().unwrap_or_default();
            out.push_str(text.get(from..to).unwrap_or_default());
            out.push_str("\r\n");
        }
        out
    };
    Ok(files.into_iter().map(write).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: usize) -> String {
        let rows: String = (0..count).map(|n| format!("u{n}@contoso.test,\"a,b\"\r\n")).collect();
        format!("EmailAddress,Department\r\n{rows}")
    }

    fn how() -> Reading {
        Reading { unknown_columns: true, ..Reading::default() }
    }

    fn pair(a: usize, b: usize) -> (String, String) {
        (format!("u{a}@contoso.test"), format!("U{b}@Contoso.test"))
    }

    #[test]
    fn without_groups_the_order_is_kept() {
        let files = split(&list(5), &how(), 2, &[]).expect("it can be cut");
        assert_eq!(files.len(), 3);
        let rows: Vec<&str> = files.iter().flat_map(|f| f.lines().skip(1)).collect();
        let list = list(5);
        let whole: Vec<&str> = list.lines().skip(1).collect();
        assert_eq!(rows, whole);
        assert!(files.iter().all(|f| f.starts_with("EmailAddress,Department\r\n")));
    }

    #[test]
    fn who_works_together_stands_in_one_file() {
        let together = [pair(0, 5), pair(5, 3)];
        let files = split(&list(7), &how(), 3, &together).expect("it can be cut");
        let of = |n: usize| files.iter().position(|f| f.contains(&format!("u{n}@"))).expect("it is in a file");
        assert!(of(0) == of(3) && of(3) == of(5));
        assert_eq!(files.iter().map(|f| f.lines().count() - 1).sum::<usize>(), 7);
        assert!(files.iter().all(|f| f.lines().count() <= 4));
    }

    #[test]
    fn a_group_larger_than_a_file_is_named() {
        let Err(Uncut::TooLarge(who)) = split(&list(4), &how(), 2, &[pair(0, 1), pair(1, 3)]) else {
            panic!("it was cut");
        };
        assert_eq!(who, ["u0@contoso.test", "u1@contoso.test", "u3@contoso.test"]);
    }
}
