//! Where output goes, and what is known of the place.

use std::io::{BufRead, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Where data and messages go and what stands at the other end.
pub struct Streams {
    /// Data.
    pub out: Box<dyn Write + Send>,
    /// Everything else.
    pub err: Box<dyn Write + Send>,
    /// Answers of a person; `None` where nobody can be asked.
    pub input: Option<Box<dyn BufRead + Send>>,
    /// Whether data goes to a terminal.
    pub out_is_terminal: bool,
    /// Whether messages go to a terminal.
    pub err_is_terminal: bool,
    /// Whether `NO_COLOR` is set to anything.
    pub no_colour: bool,
    /// Columns.
    pub width: usize,
    /// Whether live lines are really drawn (they bypass `err`).
    pub(super) real: bool,
}

impl Streams {
    /// Standard output, error and input of the process.
    pub fn standard() -> Streams {
        let err_is_terminal = std::io::stderr().is_terminal();
        let out_is_terminal = std::io::stdout().is_terminal();
        let asks = err_is_terminal && std::io::stdin().is_terminal();
        Streams {
            out: Box::new(std::io::stdout()),
            err: Box::new(std::io::stderr()),
            input: asks.then(|| Box::new(std::io::BufReader::new(std::io::stdin())) as Box<dyn BufRead + Send>),
            out_is_terminal,
            err_is_terminal,
            // https://no-color.org: present and not empty.
            no_colour: std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()),
            width: columns(err_is_terminal || out_is_terminal),
            real: true,
        }
    }

    /// Streams that keep what is written, for tests.
    pub fn captured(width: usize) -> (Streams, Captured) {
        let captured = Captured::default();
        let streams = Streams {
            out: Box::new(captured.out.clone()),
            err: Box::new(captured.err.clone()),
            input: None,
            out_is_terminal: false,
            err_is_terminal: false,
            no_colour: false,
            width,
            real: false,
        };
        (streams, captured)
    }
}

/// What captured streams were given.
#[derive(Clone, Default)]
pub struct Captured {
    out: Buffer,
    err: Buffer,
}

impl Captured {
    /// Everything written to standard output so far.
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// Everything written to standard error so far.
    pub fn err(&self) -> String {
        self.err.text()
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Columns of the terminal, `COLUMNS` if it says so, 120 where there is none:
/// a log file is read in an editor.
fn columns(terminal: bool) -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).filter(|c| *c >= 20);
    let asked = || terminal.then(terminal_columns).flatten();
    said.or_else(asked).unwrap_or(120).clamp(40, 400)
}

/// Asks the terminal by way of the prompt's library, which opens it for a
/// moment and changes nothing.
fn terminal_columns() -> Option<usize> {
    let config = rustyline::Config::builder().behavior(rustyline::Behavior::PreferTerm).build();
    let mut editor = rustyline::Editor::<(), rustyline::history::MemHistory>::with_history(
        config,
        rustyline::history::MemHistory::new(),
    )
    .ok()?;
    editor.dimensions().map(|(columns, _)| usize::from(columns)).filter(|c| *c >= 20)
}
