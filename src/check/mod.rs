//! Static checks of scripts: every fault that can be found without running
//! anything, all of them in one pass.
//!
//! Rhai looks functions up when it reaches them, so a misspelt name in hour
//! nine would be found in hour nine. Names and numbers of arguments are known
//! beforehand: from the declarations, the standard packages, the script itself
//! and the modules it imports. Types are not judged here.

pub mod imports;
pub mod names;
mod steps;
pub mod suggest;
mod walk;

use rhai::ParseErrorType;

use crate::base::Failure;
use crate::host::engine;
use crate::host::frames::{line_of, token_width};
use crate::host::library::Library;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The script is not started.
    Error,
    /// Worth a look.
    Warning,
}

impl Severity {
    /// The word in messages.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One thing wrong with a script.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// One sentence without a full stop.
    pub message: String,
    /// The next thing to try.
    pub hint: Option<String>,
    /// Name of the source: its path, or `bundled:std/waves`.
    pub source: String,
    /// Line, from 1; 0 if the whole source is meant.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters of the token there.
    pub width: usize,
    /// The text of the line.
    pub text: String,
}

impl Problem {
    /// A failure as a problem of the whole source.
    pub fn of_failure(source: &str, failure: &Failure) -> Problem {
        Problem {
            severity: Severity::Error,
            message: failure.message.clone(),
            hint: failure.hint.clone(),
            source: source.to_owned(),
            line: 0,
            column: 0,
            width: 0,
            text: String::new(),
        }
    }

    pub(crate) fn at(source: &str, text: &str, position: rhai::Position, failure: &Failure) -> Problem {
        let (line, column) = match (position.line(), position.position()) {
            // The parser counts the end of input as a line of its own.
            (Some(line), column) => (line, column.unwrap_or(1)).min(end_of(text)),
            // The parser names no place for an end of input: it is the end.
            (None, _) => end_of(text),
        };
        let shown = line_of(text, line).unwrap_or_default();
        let width = token_width(&shown, column);
        Problem { line, column, width, text: shown, ..Problem::of_failure(source, failure) }
    }
}

fn end_of(text: &str) -> (usize, usize) {
    let line = text.lines().count().max(1);
    let column = text.lines().last().map_or(1, |l| l.trim_end().chars().count() + 1);
    (line, column)
}

/// Checks a script text; a syntax error is a problem like any other. Modules
/// it imports are looked up in the library and checked as well.
pub fn text(name: &str, text: &str, library: &Library) -> Vec<Problem> {
    let (engine, strict) = (engine::checking(library, false), engine::checking(library, true));
    let mut found = walk::Findings::new(&engine, &strict, library);
    found.script(name, text, &rhai::Scope::new());
    found.done()
}

/// Checks one line of a prompt against the variables, functions and imports
/// that are there already.
pub fn line(
    name: &str,
    text: &str,
    library: &Library,
    scope: &rhai::Scope,
    functions: &rhai::AST,
    imports: &[(String, String)],
) -> Vec<Problem> {
    // A strict engine would not know the functions of earlier lines.
    let engine = engine::checking(library, false);
    let mut found = walk::Findings::new(&engine, &engine, library);
    found.know_functions(functions);
    for (alias, path) in imports {
        found.know_import(alias, path);
    }
    found.script(name, text, scope);
    found.done()
}

/// Whether a text is complete, or a person is still in the middle of it.
pub fn is_unfinished(error: &ParseErrorType, text: &str, position: rhai::Position) -> bool {
    let at_end = match position.line() {
        None => true,
        Some(line) => (line, position.position().unwrap_or(1)) >= end_of(text),
    };
    match error {
        ParseErrorType::UnexpectedEOF => true,
        ParseErrorType::MissingToken(..) => at_end,
        // Only a text in backticks may go on on the next line.
        ParseErrorType::BadInput(rhai::LexError::UnterminatedString) => {
            let opened = line_of(text, position.line().unwrap_or(1));
            let column = position.position().unwrap_or(1).saturating_sub(1);
            opened.is_some_and(|l| l.chars().nth(column) == Some('`'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
