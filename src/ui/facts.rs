//! A few facts with their names, one below the other, and lines of an account:
//! how a thing is told that is no table.

use super::Ui;
use super::style::Paint;
use super::text;
use crate::report::words;
use crate::ui::Mode;

/// How a line of an account looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// It went well.
    Good,
    /// Something to look at.
    Warn,
    /// Something went wrong.
    Bad,
    /// Beside the point.
    Dim,
}

impl Tone {
    fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Tone::Plain => text.to_owned(),
            Tone::Good => paint.good(text),
            Tone::Warn => paint.warn(text),
            Tone::Bad => paint.bad(text),
            Tone::Dim => paint.dim(text),
        }
    }
}

/// A line of an account.
#[derive(Clone, Debug, Default)]
pub struct AccountLine {
    /// In the first column, to the right: a number.
    pub place: String,
    /// In the second: a moment; empty in all lines where there is none.
    pub moment: String,
    /// In the third: a word.
    pub word: String,
    /// How the word looks.
    pub tone: Tone,
    /// The rest.
    pub text: String,
    /// Lines below it, further in.
    pub below: Vec<String>,
}

impl Ui {
    /// Facts with their names, to standard output. Nothing with `--json`, where
    /// the caller gives the facts as they are.
    pub fn facts(&self, facts: &[(&str, String)]) {
        if self.mode() != Mode::Json {
            self.print(&render(facts, self.width(), self.paint()));
        }
    }

    /// The lines of an account, to standard output. Nothing with `--json`.
    pub fn account(&self, lines: &[AccountLine]) {
        if self.mode() != Mode::Json {
            self.print(&account(lines, self.width(), self.paint()));
        }
    }

    /// One JSON line of data. Nothing without `--json`.
    pub fn json(&self, value: &serde_json::Value) {
        if self.mode() == Mode::Json {
            self.print(&format!("{}\n", crate::report::lines::value(value)));
        }
    }
}

fn render(facts: &[(&str, String)], columns: usize, paint: Paint) -> String {
    let wide = facts.iter().map(|(name, _)| text::width(name)).max().unwrap_or(0);
    let mut out = String::new();
    for (name, fact) in facts {
        let head = format!("{}  ", paint.bold(&text::pad(name, wide)));
        out.push_str(text::hang_at(&head, wide + 2, &words::clean(fact), columns).trim_end());
        out.push('\n');
    }
    out
}

fn account(lines: &[AccountLine], columns: usize, paint: Paint) -> String {
    let wide = |of: &dyn Fn(&AccountLine) -> usize| lines.iter().map(of).max().unwrap_or(0);
    let place = wide(&|l| text::width(&l.place));
    let moment = wide(&|l| text::width(&l.moment));
    let word = wide(&|l| text::width(&l.word)).min(22);
    let narrow = columns < 80;
    let mut out = String::new();
    for line in lines {
        let first = match moment {
            0 => text::pad_left(&line.place, place),
            _ => format!("{}  {}", text::pad_left(&line.place, place), text::pad_left(&line.moment, moment)),
        };
        let second = text::pad(&line.word, word);
        let head = format!("{}  {}  ", paint.dim(&first), line.tone.paint(paint, &second));
        let indent = text::width(&first) + text::width(&second) + 4;
        let body = words::clean(&line.text);
        if narrow && text::width(&body) + indent > columns {
            // There is no room beside the first columns: the text goes below.
            out.push_str(head.trim_end());
            out.push('\n');
            out.push_str(&text::hang("    ", &body, columns));
        } else {
            out.push_str(text::hang_at(&head, indent, &body, columns).trim_end());
        }
        out.push('\n');
        for below in &line.below {
            let inner = if narrow { 6 } else { place + 4 };
            out.push_str(&text::hang(&" ".repeat(inner), &words::clean(below), columns));
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_stand_below_each_other_and_are_wrapped_under_themselves() {
        let facts =
            [("run", "20260112-070000-000".to_owned()), ("did", "three words here and more of them".to_owned())];
        assert_eq!(
            render(&facts, 26, Paint::new(false)),
            "run  20260112-070000-000\ndid  three words here and\n     more of them\n"
        );
    }

    #[test]
    fn an_account_goes_below_its_head_where_there_is_no_room_beside() {
        let line = AccountLine {
            place: "12".into(),
            word: "changed".into(),
            text: "set_mx contoso.test MX and a longer text that has no room".into(),
            below: vec!["values: 10 a → 0 b".into()],
            ..AccountLine::default()
        };
        let wide = account(std::slice::from_ref(&line), 100, Paint::new(false));
        assert_eq!(
            wide,
            "12  changed  set_mx contoso.test MX and a longer text that has no room\n      values: 10 a → 0 b\n"
        );
        let narrow = account(&[line], 40, Paint::new(false));
        assert_eq!(
            narrow,
            "12  changed\n    set_mx contoso.test MX and a longer\n    text that has no room\n      values: 10 a → 0 b\n"
        );
    }
}
