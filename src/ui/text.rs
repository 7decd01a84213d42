//! Text in columns: measuring, wrapping, shortening, padding.
//!
//! Widths are those of terminals (`unicode-width`), never bytes or characters.
//! Everything here takes text without colour; colour is added after layout.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text with blanks up to `columns`; a longer one stays as it is.
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// The text with blanks before it up to `columns`.
pub fn pad_left(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{}{text}", " ".repeat(missing))
}

/// Breaks a text into lines between words. `first` columns remain on the first
/// line, `rest` on the others. A word wider than its line stands alone and
/// whole: an address or an error code that was cut can't be searched for.
pub fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut room = first;
    for word in text.split_whitespace() {
        let needed = width(word) + usize::from(!line.is_empty());
        if !line.is_empty() && width(&line) + needed > room {
            lines.push(std::mem::take(&mut line));
            room = rest;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// A prefix, then the text wrapped with all further lines set in below where
/// the prefix ends. No line end at the end.
pub fn hang(prefix: &str, text: &str, columns: usize) -> String {
    hang_at(prefix, width(prefix), text, columns)
}

/// As [`hang`] with the indent given, for prefixes that carry colour.
pub fn hang_at(prefix: &str, indent: usize, text: &str, columns: usize) -> String {
    let room = columns.saturating_sub(indent).max(20);
    let blank = format!("\n{}", " ".repeat(indent));
    format!("{prefix}{}", wrap(text, room, room).join(&blank))
}

/// The text in at most `columns`, cut between words where that loses little,
/// with an ellipsis for what is missing. For live lines and table cells only.
pub fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let mut taken = 0;
    let mut end = 0;
    let mut last_blank = None;
    for (at, c) in text.char_indices() {
        let w = c.width().unwrap_or(0);
        if taken + w > columns - 1 {
            break;
        }
        if c == ' ' {
            last_blank = Some((at, taken));
        }
        taken += w;
        end = at + c.len_utf8();
    }
    if let Some((at, before)) = last_blank
        && before * 4 >= columns * 3
    {
        end = at;
    }
    format!("{}…", text.get(..end).unwrap_or_default().trim_end())
}

/// Foreign text of several lines, without control characters but line ends;
/// tabs become four blanks.
pub fn clean_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            c if c.is_control() || crate::report::words::invisible(c) => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_never_cut_by_wrapping() {
        let text = "the mailbox ann.with.a.very.long.name@subsidiary.contoso.test was left whole";
        for columns in [10, 24, 40, 60, 120] {
            let lines = wrap(text, columns, columns);
            assert_eq!(lines.join(" "), text);
            for line in &lines {
                assert!(width(line) <= columns || !line.contains(' '), "{columns}: {line}");
            }
        }
    }

    #[test]
    fn the_first_line_may_have_less_room() {
        assert_eq!(wrap("one two three", 3, 20), ["one", "two three"]);
        assert_eq!(wrap("", 10, 10), [""]);
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(width("日本"), 4);
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(shorten("日本語テスト", 7), "日本語…");
        assert_eq!(wrap("日本 語テ スト", 9, 9), ["日本 語テ", "スト"]);
    }

    #[test]
    fn shortening_prefers_the_gap_between_words() {
        assert_eq!(shorten("sixty one copied", 16), "sixty one copied");
        assert_eq!(shorten("sixty one copied, two failed", 20), "sixty one copied,…");
        assert_eq!(shorten("a extraordinarily-long-word", 12), "a extraordi…");
        assert_eq!(shorten("abc", 0), "");
        for columns in 1..30 {
            assert!(width(&shorten("wave-03 (100 mailboxes) 日本語", columns)) <= columns);
        }
    }

    #[test]
    fn hanging_lines_stand_below_the_text() {
        assert_eq!(hang("hint: ", "one two three four five", 26), "hint: one two three four\n      five");
    }
}
