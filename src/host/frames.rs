//! Errors as an operator reads them: the place with its line and a caret, and
//! the calls that led there through script, library and closure.
//!
//! Rhai's own text flattens all of that into one paragraph. Positions are line
//! and column only, so the token under the caret is found in the line itself.

use std::fmt::Write;

use rhai::{EvalAltResult, Position};
use unicode_width::UnicodeWidthStr;

use super::failures;
use super::library::Library;
use crate::base::{Failure, Kind};
use crate::check::{Problem, Severity};

/// A script that did not come to its end.
#[derive(Clone, Debug)]
pub struct ScriptError {
    /// What failed.
    pub failure: Failure,
    /// Where: the failing place first, then the calls from the innermost out.
    /// Empty if the script never began.
    pub frames: Vec<Frame>,
    /// What the check found, if the script was not started for it.
    pub problems: Vec<Problem>,
}

/// Most characters of a script's line that are shown.
const LONGEST_LINE: usize = 240;

/// One place on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Name of the source: a path, `bundled:std/waves`, `<prompt>`.
    pub source: String,
    /// Line, from 1; 0 if not known.
    pub line: usize,
    /// Column in characters, from 1; 0 if not known.
    pub column: usize,
    /// Characters of the token there.
    pub width: usize,
    /// What happens there: `while calling start`, `called from run_pilot`.
    pub what: String,
    /// The text of the line; empty if the source is not known.
    pub text: String,
}

impl ScriptError {
    /// A failure outside any script.
    pub fn bare(failure: Failure) -> ScriptError {
        ScriptError { failure, frames: Vec::new(), problems: Vec::new() }
    }

    /// A script that was not started because of its problems.
    pub fn unchecked(name: &str, problems: Vec<Problem>) -> ScriptError {
        let count = problems.iter().filter(|p| p.severity == Severity::Error).count();
        let what = if count == 1 { "a fault".to_owned() } else { format!("{count} faults") };
        let failure = Failure::new(Kind::Usage, format!("{name} has {what} and was not started"));
        ScriptError { failure, frames: Vec::new(), problems }
    }

    /// Whether the run was cancelled rather than failed.
    pub fn is_cancelled(&self) -> bool {
        self.failure.kind == Kind::Cancelled
    }
}

impl std::fmt::Display for ScriptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.failure.message)
    }
}

impl std::error::Error for ScriptError {}

/// Takes an engine's error apart. `main` names the script that ran.
pub(crate) fn of(error: &EvalAltResult, main: &str, library: &Library) -> ScriptError {
    let mut calls = Vec::new();
    let (mut error, mut source) = (error, main.to_owned());
    loop {
        match error {
            EvalAltResult::ErrorInFunctionCall(name, inner_source, inner, position) => {
                let what = match name.as_str() {
                    anonymous if anonymous.starts_with("anon$") => "called from a closure".to_owned(),
                    name => format!("called from {name}"),
                };
                calls.push(frame(library, &source, *position, what));
                match library.function_source(name, inner_source) {
                    Some(own) => source = own,
                    None if inner_source.is_empty() => {}
                    None => source.clone_from(inner_source),
                }
                error = inner;
            }
            EvalAltResult::ErrorInModule(path, inner, position) => {
                calls.push(frame(library, &source, *position, "imported from".to_owned()));
                if !path.is_empty() {
                    source.clone_from(path);
                }
                error = inner;
            }
            leaf => {
                let mut failure = failures::of_error(leaf, &source);
                let mut place = frame(library, &source, leaf.position(), String::new());
                // The same line and column of another source is the same place: see `function_source`.
                if let Some(first) = failure.at.as_deref().and_then(parse_place)
                    && (first.1, first.2) != (place.line, place.column)
                {
                    // Thrown on by `throw e`: the first place tells more.
                    place.what = "thrown on".to_owned();
                    calls.push(place);
                    let position = Position::new(clip(first.1), clip(first.2));
                    place = frame(library, first.0, position, String::new());
                }
                if failure.kind == Kind::Cancelled {
                    failure.at = None;
                } else {
                    failure.at = (place.line > 0).then(|| spot(&place)).or(failure.at);
                    place.what = doing(&place);
                }
                calls.push(place);
                calls.reverse();
                return ScriptError { failure, frames: calls, problems: Vec::new() };
            }
        }
    }
}

fn clip(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn parse_place(at: &str) -> Option<(&str, usize, usize)> {
    let (rest, column) = at.rsplit_once(':')?;
    let (source, line) = rest.rsplit_once(':')?;
    Some((source, line.parse().ok()?, column.parse().ok()?))
}

fn frame(library: &Library, source: &str, position: Position, what: String) -> Frame {
    let line = position.line().unwrap_or(0);
    let column = if line > 0 { position.position().unwrap_or(1) } else { 0 };
    let text = library.source(source).and_then(|t| line_of(&t, line)).unwrap_or_default();
    let width = token_width(&text, column);
    Frame { source: source.to_owned(), line, column, width, what, text }
}

/// Line `line` (from 1) of a text.
pub(crate) fn line_of(text: &str, line: usize) -> Option<String> {
    line.checked_sub(1).and_then(|n| text.lines().nth(n)).map(str::to_owned)
}

/// How many characters the token at `column` (from 1) has; at least 1.
pub(crate) fn token_width(line: &str, column: usize) -> usize {
    let letters: Vec<char> = line.chars().skip(column.saturating_sub(1)).collect();
    let Some(first) = letters.first() else { return 1 };
    let word = |c: &char| c.is_alphanumeric() || *c == '_';
    if word(first) {
        let mut width = letters.iter().take_while(|c| word(c)).count();
        // `domain::verify` is one name to its reader.
        while letters.get(width) == Some(&':') && letters.get(width + 1) == Some(&':') {
            let more = letters.iter().skip(width + 2).take_while(|c| word(c)).count();
            if more == 0 {
                break;
            }
            width += 2 + more;
        }
        return width;
    }
    if matches!(first, '"' | '`' | '\'') {
        let mut escaped = false;
        for (n, letter) in letters.iter().enumerate().skip(1) {
            match letter {
                _ if escaped => escaped = false,
                '\\' if *first != '`' => escaped = true,
                l if l == first => return n + 1,
                _ => {}
            }
        }
        return letters.len();
    }
    1
}

/// `while calling start`, if the token is a name before a bracket.
fn doing(frame: &Frame) -> String {
    let token: String = frame.text.chars().skip(frame.column.saturating_sub(1)).take(frame.width).collect();
    let after = frame.text.chars().skip(frame.column.saturating_sub(1) + frame.width).find(|c| !c.is_whitespace());
    let is_name = token.starts_with(|c: char| c.is_alphabetic() || c == '_');
    if is_name && after == Some('(') && !matches!(token.as_str(), "if" | "while" | "for" | "switch" | "throw") {
        format!("while calling {token}")
    } else {
        String::new()
    }
}

/// The error as plain lines.
pub fn plain(error: &ScriptError) -> String {
    let mut out = String::new();
    if !error.problems.is_empty() {
        for problem in &error.problems {
            out.push_str(&plain_problem(problem));
        }
        let _ = writeln!(out, "error: {}", error.failure.message);
        return out;
    }
    let failure = &error.failure;
    head(&mut out, "error", &failure.message, failure.kind.word());
    if let Some(leaf) = error.frames.first() {
        excerpt(&mut out, leaf);
    }
    let calls = error.frames.get(1..).unwrap_or_default();
    let widest = calls.iter().map(|c| c.what.width()).max().unwrap_or(0);
    for call in calls {
        let gap = " ".repeat(widest - call.what.width() + 6);
        let _ = writeln!(out, "  = {}{gap}{}", call.what, spot(call));
    }
    notes(&mut out, failure.detail.as_deref(), failure.hint.as_deref());
    out
}

/// One problem of a check as plain lines.
pub fn plain_problem(problem: &Problem) -> String {
    let mut out = String::new();
    head(&mut out, problem.severity.word(), &problem.message, "");
    let place = Frame {
        source: problem.source.clone(),
        line: problem.line,
        column: problem.column,
        width: problem.width,
        what: String::new(),
        text: problem.text.clone(),
    };
    excerpt(&mut out, &place);
    notes(&mut out, None, problem.hint.as_deref());
    out
}

/// Ready lines in at most so many columns: messages and hints are wrapped below
/// where their text begins, lines of a script and their carets stay as they are.
pub fn within(text: &str, columns: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let indent = ["error: ", "warning: ", "  = hint: ", "  = detail: "]
            .iter()
            .find(|head| line.starts_with(**head))
            .map(|head| head.len());
        match indent.filter(|_| line.width() > columns) {
            None => out.push_str(line),
            Some(indent) => {
                let (head, rest) = line.split_at(indent);
                let mut used = indent;
                out.push_str(head);
                for word in rest.split_whitespace() {
                    if used > indent && used + 1 + word.width() > columns {
                        out.push('\n');
                        out.push_str(&" ".repeat(indent));
                        used = indent;
                    } else if used > indent {
                        out.push(' ');
                        used += 1;
                    }
                    out.push_str(word);
                    used += word.width();
                }
            }
        }
        out.push('\n');
    }
    out
}

fn head(out: &mut String, word: &str, message: &str, kind: &str) {
    let line = format!("{word}: {message}");
    if kind.is_empty() {
        let _ = writeln!(out, "{line}");
        return;
    }
    let gap = 66usize.saturating_sub(line.width()).max(2);
    let _ = writeln!(out, "{line}{}[{kind}]", " ".repeat(gap));
}

fn notes(out: &mut String, detail: Option<&str>, hint: Option<&str>) {
    for (word, text) in [("detail", detail), ("hint", hint)] {
        for (n, line) in text.unwrap_or_default().lines().enumerate() {
            let lead = if n == 0 { format!("= {word}: ") } else { " ".repeat(word.len() + 4) };
            let _ = writeln!(out, "  {lead}{line}");
        }
    }
}

fn spot(frame: &Frame) -> String {
    match frame.line {
        0 => frame.source.clone(),
        line => format!("{}:{line}:{}", frame.source, frame.column),
    }
}

fn excerpt(out: &mut String, place: &Frame) {
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let _ = writeln!(out, "{margin}┌─ {}", spot(place));
    if place.text.trim().is_empty() {
        return;
    }
    // Leading blanks are cut evenly, tabs shown as four.
    let spread = |text: &str| text.replace('\t', "    ");
    // Of a line that nobody wrote by hand only the neighbourhood is shown.
    let at = place.column.saturating_sub(1);
    let long = place.text.chars().nth(LONGEST_LINE).is_some();
    let skipped = if long { at.saturating_sub(LONGEST_LINE / 3) } else { 0 };
    let lead = if skipped > 0 { "…" } else { "" };
    let before: String = place.text.chars().take(at).skip(skipped).collect();
    let room = if long { LONGEST_LINE - before.chars().count() } else { usize::MAX };
    let token: String = place.text.chars().skip(at).take(place.width.min(room)).collect();
    let behind: String = place.text.chars().skip(at).take(room).collect();
    let tail = if long && place.text.chars().nth(skipped + LONGEST_LINE).is_some() { "…" } else { "" };
    let before = format!("{lead}{before}");
    let carets = "^".repeat(spread(&token).width().max(1));
    let shown = format!("{before}{behind}");
    let _ = writeln!(out, "{number}│   {}{tail}", spread(shown.trim_end()));
    let what = if place.what.is_empty() { String::new() } else { format!(" {}", place.what) };
    let _ = writeln!(out, "{margin}│   {}{carets}{what}", " ".repeat(spread(&before).width()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_under_a_column() {
        assert_eq!(token_width("    batch.start();", 11), 5);
        assert_eq!(token_width("domain::verify(x)", 1), 14);
        assert_eq!(token_width("import \"a b\" as x", 8), 5);
        assert_eq!(token_width("x + 1", 3), 1);
        assert_eq!(token_width("x", 9), 1);
    }

    #[test]
    fn hints_are_wrapped_and_source_is_not() {
        let text =
            "error: one two three                  [script]\n1│   one two three four five\n  = hint: one two three\n";
        let want = "error: one two\n       three\n       [script]\n1│   one two three four five\n  = hint: one two\n          three\n";
        assert_eq!(within(text, 18), want);
    }

    #[test]
    fn of_an_endless_line_the_neighbourhood_is_shown() {
        let text = format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000));
        for column in [1, 5001, 9999, 20_000] {
            let (source, what) = ("a.rhai".to_owned(), String::new());
            let place = Frame { source, line: 1, column, width: 4, what, text: text.clone() };
            let mut out = String::new();
            excerpt(&mut out, &place);
            assert!(out.lines().all(|l| l.chars().count() <= LONGEST_LINE + 10), "{out}");
            if column == 5001 {
                let lines: Vec<&str> = out.lines().collect();
                let at = |line: &str, what: &str| line.split(what).next().map(|l| l.chars().count());
                assert_eq!(at(lines[1], "HERE"), at(lines[2], "^"));
            }
        }
    }

    #[test]
    fn carets_stand_below_wide_letters_and_tabs() {
        let place =
            Frame {
                source: "a.rhai".into(), line: 3, column: 4, width: 1, what: String::new(), text: "\t漢;x".into()
            };
        let mut out = String::new();
        excerpt(&mut out, &place);
        assert_eq!(out, " ┌─ a.rhai:3:4\n3│       漢;x\n │          ^\n");
    }
}
