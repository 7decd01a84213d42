//! Comma separated text with the place of every field.
//!
//! The csv crate skips blank lines and does not say where a field stands. Both
//! matter in a message that an administrator reads, so the few states of the
//! format (RFC 4180) are walked here. What the fields mean is not decided here.

/// One field and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The value, quotes undone.
    pub text: String,
    /// Character column in its line, from 1.
    pub column: usize,
    /// Characters it takes in its line, at least 1.
    pub width: usize,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Line on which it begins, from 1.
    pub line: usize,
    /// Its fields, at least one.
    pub fields: Vec<Field>,
}

impl Record {
    /// Whether nothing but blanks stands in it.
    pub fn is_blank(&self) -> bool {
        self.fields.iter().all(|f| f.text.trim().is_empty())
    }
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// Every row, blank ones included, but for the end of the last line.
    pub records: Vec<Record>,
    /// Line and column of a quote that was opened and never closed.
    pub unclosed: Option<(usize, usize)>,
}

/// Walks the text. LF, CR LF and a lone CR end a row.
pub fn scan(text: &str, separator: char) -> Scanned {
    let mut walk =
        Walk { chars: text.chars().peekable(), separator, line: 1, column: 1, end: None, out: Scanned::default() };
    while walk.chars.peek().is_some() {
        let record = walk.record();
        walk.out.records.push(record);
    }
    walk.out
}

struct Walk<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    separator: char,
    line: usize,
    column: usize,
    /// Where the field in hand ends on the line on which it began.
    end: Option<usize>,
    out: Scanned,
}

impl Walk<'_> {
    fn next(&mut self) -> Option<char> {
        if let Some(c) = self.chars.peek()
            && matches!(*c, '\n' | '\r')
        {
            self.end.get_or_insert(self.column);
        }
        let c = self.chars.next()?;
        match c {
            '\r' if self.chars.peek() == Some(&'\n') => self.column += 1,
            '\n' | '\r' => {
                self.line += 1;
                self.column = 1;
            }
            _ => self.column += 1,
        }
        Some(c)
    }

    fn record(&mut self) -> Record {
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            let column = self.column;
            self.end = None;
            let (text, more) = self.field();
            let width = self.end.unwrap_or(column).saturating_sub(column).max(1);
            fields.push(Field { text, column, width });
            if !more {
                return Record { line, fields };
            }
        }
    }

    /// One field, and whether another follows on the same row.
    fn field(&mut self) -> (String, bool) {
        let mut text = String::new();
        if self.chars.peek() == Some(&'"') {
            let opened = (self.line, self.column);
            self.next();
            loop {
                match self.next() {
                    Some('"') if self.chars.peek() == Some(&'"') => {
                        self.next();
                        text.push('"');
                    }
                    Some('"') => break,
                    Some(c) => text.push(c),
                    None => {
                        self.out.unclosed.get_or_insert(opened);
                        return (text, false);
                    }
                }
            }
        }
        // What stands behind a closing quote is taken as it is, as Excel does.
        loop {
            match self.next() {
                None => {
                    self.end.get_or_insert(self.column);
                    return (text, false);
                }
                Some('\n') => return (text, false),
                Some('\r') => {
                    if self.chars.peek() == Some(&'\n') {
                        self.next();
                    }
                    return (text, false);
                }
                Some(c) if c == self.separator => {
                    self.end.get_or_insert(self.column - 1);
                    return (text, true);
                }
                Some(c) => text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<Vec<String>> {
        scan(text, ',').records.into_iter().map(|r| r.fields.into_iter().map(|f| f.text).collect()).collect()
    }

    #[test]
    fn every_line_end_ends_a_row() {
        let want = vec![vec!["a".to_owned(), "b".into()], vec!["c".into(), String::new()]];
        for text in ["a,b\nc,\n", "a,b\r\nc,\r\n", "a,b\rc,", "\"a\",b\n\"c\",\n"] {
            assert_eq!(texts(text), want, "{text:?}");
        }
    }

    #[test]
    fn fields_know_their_place() {
        let scanned = scan("EmailAddress,Password\n\"ann, a\"\"b\",x\n\n,y\n", ',');
        let places: Vec<_> = scanned
            .records
            .iter()
            .map(|r| (r.line, r.fields.iter().map(|f| (f.column, f.width)).collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            places,
            vec![
                (1, vec![(1, 12), (14, 8)]),
                (2, vec![(1, 11), (13, 1)]),
                (3, vec![(1, 1)]),
                (4, vec![(1, 1), (2, 1)]),
            ]
        );
        assert!(scanned.records[2].is_blank());
        assert_eq!(scanned.records[1].fields[0].text, "ann, a\"b");
    }

    #[test]
    fn a_quote_left_open_is_named() {
        assert_eq!(scan("a\n\"b,c\nd", ',').unclosed, Some((2, 1)));
    }
}
