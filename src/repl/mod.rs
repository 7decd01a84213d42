//! The prompt: reads lines, has them evaluated, shows what they came to.
//!
//! The loop is here; what it offers while one types is in five small
//! strategies that need no terminal: [`complete`], [`hint`], [`highlight`],
//! [`validate`] and [`render`]. It prints nothing itself: everything goes to
//! the writer that was handed in.

pub mod complete;
pub mod help;
pub mod highlight;
pub mod hint;
pub mod known;
pub mod lines;
pub mod render;
pub mod scan;
pub mod validate;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::{DefaultHistory, SearchDirection};
use rustyline::validate::{ValidationContext, ValidationResult, Validator as Validates};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::base::{Failure, Kind, Result};
use crate::host::library::Library;
use crate::host::{self, ScriptError};
use crate::run::session::Session;
use known::Known;
use lines::Lines;
use validate::Validator;

/// How the prompt should be.
#[derive(Clone, Debug)]
pub struct Options {
    /// What stands before the cursor: `tenant(lab)> `.
    pub prompt: String,
    /// Whether the target is a real tenant: its prompt is red.
    pub real: bool,
    /// File of the history; none keeps none.
    pub history: Option<PathBuf>,
    /// Whether colours may be used.
    pub colour: bool,
    /// Columns, where no terminal tells them.
    pub width: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { prompt: "stagepost> ".to_owned(), real: false, history: None, colour: false, width: 100 }
    }
}

/// Where lines come from.
pub enum Input<'a> {
    /// A person at the terminal.
    Terminal,
    /// A pipe or a file: no prompt, no greeting.
    Lines(&'a mut (dyn BufRead + Send)),
}

/// Runs the prompt until its end and answers how many inputs failed. Blocks,
/// so it is not for a thread of the runtime.
///
/// # Errors
/// [`Kind::Local`]: the terminal or the writer failed.
pub fn run(
    session: Arc<Session>,
    library: Library,
    options: &Options,
    input: Input<'_>,
    out: &mut (dyn Write + Send),
) -> Result<u64> {
    let work = || {
        let _entered = session.handle().enter();
        let mut lines = Lines::new(session.clone(), library, options.width);
        let failed = match input {
            Input::Terminal => interactive(&mut lines, options, out),
            Input::Lines(reader) => piped(&mut lines, reader, out),
        };
        failed.map_err(ScriptError::bare)
    };
    host::on_own_thread(work).map_err(|e| e.failure)
}

fn piped(lines: &mut Lines, reader: &mut dyn BufRead, out: &mut dyn Write) -> Result<u64> {
    let validator = Validator::new();
    let (mut failed, mut pending) = (0, String::new());
    loop {
        let mut line = String::new();
        let read = reader.read_line(&mut line).map_err(|e| local("the input can't be read", &e))?;
        pending.push_str(&line);
        if read > 0 && validator.is_unfinished(&pending) {
            continue;
        }
        let answer = lines.enter(&std::mem::take(&mut pending));
        failed += u64::from(answer.failed);
        out.write_all(answer.text.as_bytes()).map_err(|e| local("the answer can't be written", &e))?;
        if read == 0 || answer.leave {
            return out.flush().map_err(|e| local("the answer can't be written", &e)).map(|()| failed);
        }
    }
}

fn interactive(lines: &mut Lines, options: &Options, out: &mut dyn Write) -> Result<u64> {
    let terminal = |e: ReadlineError| local("the terminal can't be used", &e);
    let config = Config::builder()
        .history_ignore_space(true)
        .max_history_size(10_000)
        .and_then(|b| b.history_ignore_dups(true))
        .map_err(terminal)?
        .completion_type(CompletionType::List)
        .auto_add_history(true)
        .build();
    let mut editor: Editor<Assist, DefaultHistory> = Editor::with_config(config).map_err(terminal)?;
    let assist = Assist { known: lines.known(), validator: Validator::new(), colour: options.colour };
    editor.set_helper(Some(assist));
    if let Some(path) = options.history.as_ref().filter(|p| p.exists()) {
        // A history that can't be read is none; nobody should be kept out for it.
        let _ = editor.load_history(path);
    }
    lines.interruptible = true;
    let colour = if options.real { "\x1b[31m" } else { "\x1b[36m" };
    let styled = if options.colour { format!("{colour}{}\x1b[0m", options.prompt) } else { options.prompt.clone() };
    let prompt = (options.prompt.clone(), styled);
    let written = |e: std::io::Error| local("the answer can't be written", &e);
    writeln!(out, "Tab completes, ? explains, :help shows the rest, Ctrl-D leaves").map_err(written)?;
    let mut failed = 0;
    loop {
        if let Some((columns, _)) = editor.dimensions() {
            lines.width = usize::from(columns).max(20);
        }
        match editor.readline(&prompt) {
            Ok(line) => {
                let answer = lines.enter(&line);
                failed += u64::from(answer.failed);
                out.write_all(answer.text.as_bytes()).and_then(|()| out.flush()).map_err(written)?;
                if answer.leave {
                    break;
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(ReadlineError::Signal(_)) => {}
            Err(error) => return Err(terminal(error)),
        }
    }
    if let Some(path) = &options.history {
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(e) = folder.map_err(ReadlineError::from).and_then(|()| editor.append_history(path)) {
            writeln!(out, "the history was not saved to {}: {e}", path.display()).map_err(written)?;
        }
    }
    Ok(failed)
}

/// One line after a prompt of its own, for a question within a call. Ctrl-C
/// means no; `None` at the end of the input.
pub fn line(prompt: &str) -> Option<String> {
    let mut editor: Editor<(), DefaultHistory> = Editor::new().ok()?;
    match editor.readline(prompt) {
        Ok(line) => Some(line),
        Err(ReadlineError::Interrupted) => Some("no".to_owned()),
        Err(_) => None,
    }
}

fn local(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Kind::Local, format!("{what}: {error}"))
}

/// The strategies, as rustyline wants them.
struct Assist {
    known: Arc<Mutex<Known>>,
    validator: Validator,
    colour: bool,
}

impl Assist {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Helper for Assist {}

impl Completer for Assist {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, found) = complete::complete(line, pos, &self.known());
        let pairs = found.into_iter().map(|c| Pair { display: c.display, replacement: c.replacement });
        Ok((start, pairs.collect()))
    }
}

/// Grey words; only those from the history can be taken over.
struct Grey {
    text: String,
    takeable: bool,
}

impl Hint for Grey {
    fn display(&self) -> &str {
        &self.text
    }

    fn completion(&self) -> Option<&str> {
        self.takeable.then_some(&*self.text)
    }
}

impl Hinter for Assist {
    type Hint = Grey;

    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<Grey> {
        if pos < line.len() || line.contains('\n') {
            return None;
        }
        if let Some(text) = hint::signature(line, &self.known()) {
            return Some(Grey { text, takeable: false });
        }
        let history = context.history();
        let newest_first = (0..history.len()).rev().filter_map(|n| {
            history.get(n, SearchDirection::Reverse).ok().flatten().map(|found| found.entry.into_owned())
        });
        let earlier: Vec<String> = newest_first.take(1_000).collect();
        hint::from_history(line, earlier.iter().map(String::as_str)).map(|text| Grey { text, takeable: true })
    }
}

impl Highlighter for Assist {
    fn highlight<'l>(&self, line: &'l str, pos: usize) -> Cow<'l, str> {
        if self.colour { Cow::Owned(highlight::highlight(line, pos, &self.known())) } else { Cow::Borrowed(line) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colour { Cow::Owned(format!("\x1b[2m{hint}\x1b[0m")) } else { Cow::Borrowed(hint) }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.colour
    }
}

impl Validates for Assist {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let unfinished = self.validator.is_unfinished(context.input());
        Ok(if unfinished { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}
