//! Where the values of a JSON text stand: path → line and column.
//!
//! It walks over a text that a parser has accepted already, and only when there
//! is a fault to be told, so it checks nothing itself. On the way it finds names
//! that stand twice in one object, which a parser passes over.

use std::collections::{BTreeMap, BTreeSet};

/// Where a value begins, and how long it is on its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// Characters, at least 1; of a list or an object only its bracket.
    pub width: usize,
}

/// `people`, `[17]`, `proxies` → `people[17].proxies`.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The places of the wanted paths and of everything above them, and the paths of
/// names that stand twice.
pub(super) fn find(text: &str, wanted: &BTreeSet<String>) -> (BTreeMap<String, Place>, Vec<(String, Place)>) {
    let mut all = BTreeSet::from([String::new()]);
    for path in wanted {
        let mut path = path.as_str();
        while !path.is_empty() {
            all.insert(path.to_owned());
            path = above(path);
        }
    }
    let mut walk = Walk { text, at: 0, line: 1, begins: 0, wanted: &all, found: BTreeMap::new(), twice: Vec::new() };
    walk.value("");
    (walk.found, walk.twice)
}

/// The path of what holds a value; empty for the whole text.
pub(super) fn above(path: &str) -> &str {
    path.rfind(['.', '[']).map_or("", |at| &path[..at])
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    /// Where the line begins, in bytes.
    begins: usize,
    wanted: &'a BTreeSet<String>,
    found: BTreeMap<String, Place>,
    twice: Vec<(String, Place)>,
}

impl Walk<'_> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or_default()
    }

    /// Passes blanks and any of the signs given.
    fn pass(&mut self, signs: &[u8]) {
        while self.at < self.text.len() {
            let c = self.peek();
            if c == b'\n' {
                self.line += 1;
                self.begins = self.at + 1;
            } else if !c.is_ascii_whitespace() && !signs.contains(&c) {
                return;
            }
            self.at += 1;
        }
    }

    /// Passes a string and answers its text.
    fn string(&mut self) -> String {
        let from = self.at;
        self.at += 1;
        while self.at < self.text.len() && self.peek() != b'"' {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at = (self.at + 1).min(self.text.len());
        let raw = self.text.get(from..self.at).unwrap_or_default();
        serde_json::from_str(raw).unwrap_or_default()
    }

    fn place(&self, from: usize, to: usize) -> Place {
        let count = |a: usize, b: usize| self.text.get(a..b).map_or(0, |t| t.chars().count());
        Place { line: self.line, column: count(self.begins, from) + 1, width: count(from, to).max(1) }
    }

    fn value(&mut self, path: &str) {
        self.pass(b"");
        let from = self.at;
        let keep = self.wanted.contains(path);
        match self.peek() {
            open @ (b'{' | b'[') => {
                if keep {
                    let place = self.place(from, from + 1);
                    self.found.insert(path.to_owned(), place);
                }
                self.at += 1;
                if open == b'{' {
                    self.object(path)
                } else {
                    self.list(path)
                }
                self.at += 1;
                return;
            }
            b'"' => {
                self.string();
            }
            _ => {
                while self.at < self.text.len() && !b",]} \t\r\n".contains(&self.peek()) {
                    self.at += 1;
                }
            }
        }
        if keep {
            let place = self.place(from, self.at);
            self.found.insert(path.to_owned(), place);
        }
    }

    fn object(&mut self, path: &str) {
        let mut names = BTreeSet::new();
        self.pass(b",");
        while self.at < self.text.len() && self.peek() != b'}' {
            let from = self.at;
            let name = self.string();
            let inner = join(path, &name);
            if !names.insert(name) {
                let place = self.place(from, self.at);
                self.twice.push((inner.clone(), place));
            }
            self.pass(b":");
            self.value(&inner);
            self.pass(b",");
        }
    }

    fn list(&mut self, path: &str) {
        let mut number = 0;
        self.pass(b",");
        while self.at < self.text.len() && self.peek() != b']' {
            self.value(&format!("{path}[{number}]"));
            number += 1;
            self.pass(b",");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_their_places() {
        let text = "{\n  \"people\": [\n    {\"name\": \"Jö\\\"rg\", \"proxies\": [\"a\", \"b, ]\"], \"n\": -12},\n    {}\n  ]\n}";
        let wanted = ["people[0].proxies[1]", "people[0].n", "people[1].address"].map(str::to_owned).into();
        let (found, twice) = find(text, &wanted);
        let at = |path: &str| found.get(path).map(|p| (p.line, p.column, p.width));
        assert_eq!(at("people[0].proxies[1]"), Some((3, 41, 6)));
        assert_eq!(at("people[0].n"), Some((3, 55, 3)));
        assert_eq!((at("people[1].address"), at("people[1]")), (None, Some((4, 5, 1))));
        assert_eq!((at("people"), twice.len()), (Some((2, 13, 1)), 0));
    }

    #[test]
    fn a_name_that_stands_twice_is_found() {
        let (_, twice) = find("{\"a\": {\"b\": 1,\n \"b\": 2}, \"b\": 3}", &BTreeSet::new());
        assert_eq!(twice, [("a.b".to_owned(), Place { line: 2, column: 2, width: 3 })]);
    }
}
