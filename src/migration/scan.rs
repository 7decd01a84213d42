//! Separated text, row by row, without a copy of anything.
//!
//! The csv crate skips blank lines and does not say where a value stands. Both
//! matter in a message that an administrator reads, so the few states of the
//! format (RFC 4180) are walked here, on bytes; a row is a handful of places in
//! the text and its memory is used again for the next. What a value means is
//! not decided here, and columns are counted only when somebody asks.

use std::borrow::Cow;

/// A byte beyond ASCII stands in the row.
pub const BEYOND_ASCII: u8 = 1;
/// A control character other than a tab, or U+007F.
pub const CONTROL: u8 = 2;
/// A quote within a value that begins without one.
pub const STRAY_QUOTE: u8 = 4;
/// A value that begins with a quote.
pub const QUOTED: u8 = 8;
/// Text behind a closing quote.
pub const BEHIND_QUOTE: u8 = 16;
/// A quote that is opened and not closed; the value ends with its line.
pub const OPEN_QUOTE: u8 = 32;
/// Ends a value: the separator, a line end.
const STOP: u8 = 128;

/// One value: where it stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// First byte, the opening quote included.
    pub start: usize,
    /// Byte behind the last one.
    pub end: usize,
    /// The closing quote, if the value begins with a quote.
    close: Option<usize>,
    /// Quotes within it are doubled, or text follows the closing one.
    knotted: bool,
    /// What is odd about it.
    pub marks: u8,
}

impl Cell {
    /// The value, quotes undone.
    pub fn value<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        match self.close {
            None => Cow::Borrowed(part(self.start, self.end)),
            Some(close) if !self.knotted => Cow::Borrowed(part(self.start + 1, close)),
            // What stands behind a closing quote is taken as it is, as Excel does.
            Some(close) => Cow::Owned(
                part(self.start + 1, close).replace("\"\"", "\"") + part((close + 1).min(self.end), self.end),
            ),
        }
    }

    /// The value where it needs no copy: not with doubled quotes in it.
    pub fn plain<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self.close {
            None => text.get(self.start..self.end),
            Some(close) if !self.knotted => text.get(self.start + 1..close),
            Some(_) => None,
        }
    }
}

/// One row; walked into again and again.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Line on which it begins, from 1.
    pub line: usize,
    /// Its first byte.
    pub start: usize,
    /// Byte behind its last one, the line end left out.
    pub end: usize,
    /// At least one value.
    pub cells: Vec<Cell>,
    /// What is odd about any of its values.
    pub marks: u8,
}

impl Row {
    /// Whether nothing but blanks stands in it.
    pub fn is_blank(&self, text: &str) -> bool {
        self.cells.iter().all(|cell| cell.start == cell.end || cell.value(text).trim().is_empty())
    }
}

/// How lines end, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineEnds {
    /// LF alone.
    pub lf: usize,
    /// CR LF.
    pub crlf: usize,
    /// CR alone.
    pub cr: usize,
}

impl LineEnds {
    /// Those of a text without quotes.
    pub fn of(text: &str) -> LineEnds {
        let (mut ends, mut before) = (LineEnds::default(), 0);
        for byte in text.bytes() {
            match (before, byte) {
                (b'\r', b'\n') => {
                    ends.cr = ends.cr.saturating_sub(1);
                    ends.crlf += 1;
                }
                (_, b'\n') => ends.lf += 1,
                (_, b'\r') => ends.cr += 1,
                _ => {}
            }
            before = byte;
        }
        ends
    }
}

/// Walks a text. LF, CR LF and a lone CR end a row.
#[derive(Clone, Debug)]
pub struct Walk<'t> {
    text: &'t str,
    classes: [u8; 256],
    separator: u8,
    at: usize,
    line: usize,
    /// Line ends so far, those within quotes left out.
    pub ends: LineEnds,
}

impl<'t> Walk<'t> {
    /// A walk from the beginning. The separator is an ASCII character.
    pub fn new(text: &'t str, separator: char) -> Walk<'t> {
        Walk::from(text, separator, 0, 1)
    }

    /// A walk from a place on, which is the beginning of a line.
    pub fn from(text: &'t str, separator: char, at: usize, line: usize) -> Walk<'t> {
        let separator = u8::try_from(separator).unwrap_or(b',');
        let mut classes = [0u8; 256];
        for (byte, class) in classes.iter_mut().enumerate() {
            *class = match byte {
                0x0A | 0x0D => STOP,
                0x09 => 0,
                0x22 => STRAY_QUOTE,
                0..0x20 | 0x7F => CONTROL,
                0x80.. => BEYOND_ASCII,
                _ => 0,
            };
            if byte == usize::from(separator) {
                *class = STOP;
            }
        }
        Walk { text, classes, separator, at, line, ends: LineEnds::default() }
    }

    /// Whether there is another row, which then stands in `row`.
    pub fn next(&mut self, row: &mut Row) -> bool {
        row.cells.clear();
        row.marks = 0;
        row.line = self.line;
        row.start = self.at;
        if self.at >= self.text.len() {
            return false;
        }
        loop {
            let start = self.at;
            let cell = if self.byte(start) == Some(b'"') { self.quoted(start) } else { self.bare(start, 0) };
            row.marks |= cell.marks;
            row.end = cell.end;
            row.cells.push(cell);
            self.at = cell.end;
            match self.byte(self.at) {
                Some(byte) if byte == self.separator => self.at += 1,
                Some(b'\n') => {
                    self.ends.lf += 1;
                    self.at += 1;
                    break;
                }
                Some(_) if self.byte(self.at + 1) == Some(b'\n') => {
                    self.ends.crlf += 1;
                    self.at += 2;
                    break;
                }
                Some(_) => {
                    self.ends.cr += 1;
                    self.at += 1;
                    break;
                }
                None => return true,
            }
        }
        self.line += 1;
        true
    }

    /// Where the walk stands: the beginning of the next row, and its line.
    pub fn place(&self) -> (usize, usize) {
        (self.at, self.line)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// A value without quotes around it.
    fn bare(&self, start: usize, marks: u8) -> Cell {
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let mut seen = marks;
        let mut length = rest.len();
        for (at, byte) in rest.iter().enumerate() {
            let class = self.classes.get(usize::from(*byte)).copied().unwrap_or(0);
            if class == STOP {
                length = at;
                break;
            }
            seen |= class;
        }
        Cell { start, end: start + length, close: None, knotted: false, marks: seen }
    }

    /// A value that begins with a quote. A quote that is never closed, or only
    /// by one that stands lines below within other text, was left open: then
    /// the value ends with its line, and what follows is read as if nothing had
    /// happened.
    fn quoted(&mut self, start: usize) -> Cell {
        let bytes = self.text.as_bytes();
        let (mut at, mut lines, mut knotted) = (start + 1, 0, false);
        let mut marks = QUOTED;
        let close = loop {
            match self.byte(at) {
                None => return self.bare(start, OPEN_QUOTE),
                Some(b'"') if self.byte(at + 1) == Some(b'"') => {
                    knotted = true;
                    at += 2;
                }
                Some(b'"') => break at,
                Some(b'\n') => {
                    lines += 1;
                    at += 1;
                }
                Some(b'\r') => {
                    lines += usize::from(self.byte(at + 1) != Some(b'\n'));
                    at += 1;
                }
                Some(byte) => {
                    marks |= self.classes.get(usize::from(byte)).copied().unwrap_or(0) & (BEYOND_ASCII | CONTROL);
                    at += 1;
                }
            }
        };
        let behind = bytes.get(close + 1).copied();
        let ends = behind.is_none_or(|byte| byte == self.separator || byte == b'\n' || byte == b'\r');
        if !ends && lines > 0 {
            return self.bare(start, OPEN_QUOTE);
        }
        self.line += lines;
        if ends {
            return Cell { start, end: close + 1, close: Some(close), knotted, marks };
        }
        let rest = self.bare(close + 1, 0);
        let marks = marks | BEHIND_QUOTE | (rest.marks & !STRAY_QUOTE);
        Cell { start, end: rest.end, close: Some(close), knotted: true, marks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Row> {
        let (mut walk, mut row, mut all) = (Walk::new(text, ','), Row::default(), Vec::new());
        while walk.next(&mut row) {
            all.push(row.clone());
        }
        all
    }

    fn texts(text: &str) -> Vec<Vec<String>> {
        rows(text).iter().map(|r| r.cells.iter().map(|c| c.value(text).into_owned()).collect()).collect()
    }

    #[test]
    fn every_line_end_ends_a_row() {
        let want = vec![vec!["a".to_owned(), "b".into()], vec!["c".into(), String::new()]];
        for text in ["a,b\nc,\n", "a,b\r\nc,\r\n", "a,b\rc,", "\"a\",b\n\"c\",\n"] {
            assert_eq!(texts(text), want, "{text:?}");
        }
    }

    #[test]
    fn values_know_their_place() {
        let text = "EmailAddress,Password\n\"ann, a\"\"b\",x\n\n,y\n";
        let places: Vec<_> =
            rows(text).iter().map(|r| (r.line, r.cells.iter().map(|c| (c.start, c.end)).collect::<Vec<_>>())).collect();
        assert_eq!(
            places,
            vec![
                (1, vec![(0, 12), (13, 21)]),
                (2, vec![(22, 33), (34, 35)]),
                (3, vec![(36, 36)]),
                (4, vec![(37, 37), (38, 39)])
            ]
        );
        assert_eq!(texts(text)[1][0], "ann, a\"b");
        assert!(rows(text)[2].is_blank(text));
    }

    #[test]
    fn a_quote_left_open_costs_its_own_line_only() {
        let text = "\"a,b\nc,d\n";
        assert_eq!(texts(text), [["\"a", "b"], ["c", "d"]]);
        assert_eq!(rows(text)[0].marks & OPEN_QUOTE, OPEN_QUOTE);
        // The next quote of the file is no end of it.
        let text = "\"a,b\n\"c\",d\n";
        assert_eq!(texts(text), [["\"a", "b"], ["c", "d"]]);
        assert_eq!(rows(text).iter().map(|r| (r.line, r.marks & OPEN_QUOTE)).collect::<Vec<_>>(), [(1, 32), (2, 0)]);
    }

    #[test]
    fn lines_within_quotes_are_counted() {
        let text = "\"a\r\nb\nc\",x\ny,z";
        assert_eq!(rows(text).iter().map(|r| r.line).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(texts(text)[0][0], "a\r\nb\nc");
    }

    #[test]
    fn odd_quotes_are_marked() {
        let marks = |text| rows(text)[0].marks;
        assert_eq!(marks("a\"b,c"), STRAY_QUOTE);
        assert_eq!(marks("\"a\"b,c"), QUOTED | BEHIND_QUOTE);
        assert_eq!(marks("\"a\"\"b\",c"), QUOTED);
        assert_eq!(marks("a\u{1},ü"), CONTROL | BEYOND_ASCII);
        assert_eq!(texts("\"a\"b,c"), [["ab", "c"]]);
    }

    #[test]
    fn ends_of_lines_are_counted_by_their_sort() {
        let mut walk = Walk::new("a\r\nb\nc\rd", ',');
        let mut row = Row::default();
        while walk.next(&mut row) {}
        assert_eq!(walk.ends, LineEnds { lf: 1, crlf: 1, cr: 1 });
    }

    proptest::proptest! {
        #[test]
        fn it_reads_what_the_csv_crate_reads(cells in proptest::collection::vec(
            proptest::collection::vec("[a-z@., \"\n]{0,6}", 2..4), 1..6)) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &cells { writer.write_record(row).expect("memory takes it"); }
            let text = String::from_utf8(writer.into_inner().expect("memory takes it")).expect("it is text");
            proptest::prop_assert_eq!(texts(&text), cells);
        }

        #[test]
        fn any_text_is_walked_to_its_end(text in "[a-z,\"\r\n;ü]{0,60}") {
            let all = rows(&text);
            proptest::prop_assert!(all.iter().all(|r| !r.cells.is_empty() && r.end <= text.len()));
            let lines: Vec<usize> = all.iter().map(|r| r.line).collect();
            proptest::prop_assert!(lines.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
