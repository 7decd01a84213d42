//! The only writer to the terminal.
//!
//! Other rooms say what happened; this one decides how it looks. Data goes to
//! standard output, everything else to standard error. Three modes: lines with
//! a live one at the foot (a terminal), plain lines (no terminal), JSON lines
//! (`--json`). It asks no service, reads no file, and never decides what a run
//! does next; it only hands on the answer to a question it was told to ask.
//!
//! A reader that closes the pipe early (`| head`) is no failure: from then on
//! data is dropped in silence. Any other failure to write is kept for `main`.

mod asking;
mod changes;
pub mod facts;
mod live;
mod plan;
pub mod spot;
mod streams;
pub mod style;
mod summary;
mod table;
mod teller;
pub mod text;

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

pub use spot::Spot;
pub use streams::{Captured, Streams};

use crate::base::{Cancel, Failure, Kind};
use crate::report::{Story, lines, words};
use crate::run::narrate::{Narrator, Note};
use crate::run::plan::Plan;
use asking::{Answers, Given};
use live::Live;
use style::Paint;
use teller::{Line, Look, Teller};

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Lines, and a live one at the foot.
    Terminal,
    /// Plain lines, words instead of signs.
    Plain,
    /// JSON lines on standard output.
    Json,
}

impl Mode {
    /// JSON if it was asked for; else by what stands at the other end.
    pub fn detect(json: bool, streams: &Streams) -> Mode {
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        match json {
            true => Mode::Json,
            false if streams.err_is_terminal && !dumb => Mode::Terminal,
            false => Mode::Plain,
        }
    }
}

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColourChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Only what went wrong or was left.
    Quiet,
    /// One line a step.
    #[default]
    Normal,
    /// Every begin and every name.
    Verbose,
}

/// The terminal.
pub struct Ui {
    mode: Mode,
    verbosity: Verbosity,
    out_paint: Paint,
    err_paint: Paint,
    width: usize,
    out_is_terminal: bool,
    inner: Mutex<Inner>,
}

struct Inner {
    streams: Streams,
    live: Live,
    teller: Teller,
    failed: Option<std::io::Error>,
    /// A question waits for its answer.
    asking: bool,
    /// What a person types, once something was asked.
    answers: Option<Answers>,
}

impl Ui {
    /// A terminal over these streams.
    pub fn new(mode: Mode, colour: ColourChoice, streams: Streams) -> Ui {
        let paint = |terminal: bool| {
            Paint::new(match colour {
                ColourChoice::Always => true,
                ColourChoice::Never => false,
                ColourChoice::Auto => terminal && !streams.no_colour,
            })
        };
        let (out_paint, err_paint) = (paint(streams.out_is_terminal), paint(streams.err_is_terminal));
        let (width, out_is_terminal) = (streams.width, streams.out_is_terminal);
        let live = Live::new(streams.real && mode == Mode::Terminal);
        let inner =
            Mutex::new(Inner { streams, live, teller: Teller::default(), failed: None, asking: false, answers: None });
        Ui { mode, verbosity: Verbosity::Normal, out_paint, err_paint, width, out_is_terminal, inner }
    }

    /// Over the process's own streams, the mode found out.
    pub fn standard(json: bool, colour: ColourChoice) -> Ui {
        let streams = Streams::standard();
        Ui::new(Mode::detect(json, &streams), colour, streams)
    }

    /// Shows less or more.
    pub fn with_verbosity(mut self, verbosity: Verbosity) -> Ui {
        self.verbosity = verbosity;
        self
    }

    /// How a run is shown.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How much is shown.
    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Colours for data, for rooms that hand ready text to [`Ui::print`].
    pub fn paint(&self) -> Paint {
        self.out_paint
    }

    /// Why data could not be written, if it could not. A reader that left early
    /// is no failure.
    pub fn output_failure(&self) -> Option<Failure> {
        let inner = self.lock();
        let e = inner.failed.as_ref().filter(|e| e.kind() != std::io::ErrorKind::BrokenPipe)?;
        let text = format!("standard output can't be written: {}", crate::report::folder::plain(e));
        Some(Failure::new(Kind::Local, text).hint("make room where it leads, or send it elsewhere"))
    }

    /// Data, as it is, to standard output.
    pub fn print(&self, text: &str) {
        self.lock().data(text);
    }

    /// One line of what is going on. Not shown with `--quiet`.
    pub fn status(&self, text: &str) {
        if self.verbosity != Verbosity::Quiet {
            let text = text::hang("", &words::clean(text), self.width);
            self.lock().message(&format!("{text}\n"));
        }
    }

    /// Something to know and what to do about it.
    pub fn warning(&self, text: &str, hint: Option<&str>) {
        let head = format!("{}: ", self.err_paint.warn("warning"));
        let mut out = format!("{}\n", text::hang_at(&head, 9, &words::clean(text), self.width));
        if let Some(hint) = hint {
            out.push_str(&format!("\n{}\n", self.hint_text(hint)));
        }
        self.lock().message(&out);
    }

    /// The next thing to try.
    pub fn hint(&self, text: &str) {
        let text = self.hint_text(text);
        self.lock().message(&format!("{text}\n"));
    }

    fn hint_text(&self, hint: &str) -> String {
        text::hang_at(&format!("{}: ", self.err_paint.hint("hint")), 6, &words::clean(hint), self.width)
    }

    /// A failure: title, place, remedy, each apart. `frames` is the script's
    /// own picture of the place; without one `file:line:column` is shown.
    pub fn error(&self, failure: &Failure, frames: Option<&str>) {
        let text = self.error_text(failure, frames);
        let mut inner = self.lock();
        let mut rest = Vec::new();
        inner.teller.finish(self.look(), &mut rest);
        inner.live.clear();
        if self.mode == Mode::Json {
            inner.data(&format!("{}\n", lines::value(&lines::failure(failure))));
        } else {
            inner.write(rest);
        }
        inner.message(&text);
    }

    fn error_text(&self, failure: &Failure, frames: Option<&str>) -> String {
        let paint = self.err_paint;
        let head = format!("{}: ", paint.bad("error"));
        let mut out = text::hang_at(&head, 7, &words::clean(&failure.message), self.width);
        out.push('\n');
        match (frames, &failure.at) {
            (Some(frames), _) => {
                for line in text::clean_lines(frames).lines() {
                    out.push_str(&self.frame_line(line));
                    out.push('\n');
                }
            }
            (None, Some(at)) => out.push_str(&format!("  {} {}\n", paint.dim("-->"), paint.hint(&words::clean(at)))),
            (None, None) => {}
        }
        let known = [
            failure.service.as_deref().map(words::clean),
            failure.operation.as_deref().map(words::clean),
            failure.target.as_deref().map(words::clean).filter(|t| !failure.message.contains(t.as_str())),
            failure.status.map(|s| format!("status {s}")),
            failure.retryable.then(|| "worth another try".to_owned()),
        ];
        let known: Vec<String> = known.into_iter().flatten().collect();
        if !known.is_empty() {
            self.detail(&mut out, &known.join(" · "));
        }
        if let Some(detail) = &failure.detail {
            for line in text::clean_lines(detail).lines().filter(|l| !l.trim().is_empty()) {
                self.detail(&mut out, line);
            }
        }
        if let Some(hint) = &failure.hint {
            out.push_str(&format!("\n{}\n", self.hint_text(hint)));
        }
        out
    }

    fn detail(&self, out: &mut String, text: &str) {
        // What fits keeps its blanks: an excerpt with its caret comes as detail.
        if text::width(text) + 2 <= self.width {
            out.push_str(&format!("  {}\n", self.err_paint.dim(text.trim_end())));
            return;
        }
        for line in text::wrap(text, self.width.saturating_sub(2), self.width.saturating_sub(2)) {
            out.push_str(&format!("  {}\n", self.err_paint.dim(&line)));
        }
    }

    /// Carets in red, the rest as it came.
    fn frame_line(&self, line: &str) -> String {
        let bare = line.trim_start_matches([' ', '|', '│']);
        if bare.starts_with('^') {
            let (before, carets) = line.split_at(line.len() - bare.len());
            return format!("{before}{}", self.err_paint.bad(carets));
        }
        line.to_owned()
    }

    /// Faults of files, all in one pass.
    pub fn findings(&self, spots: &[Spot]) {
        if spots.is_empty() {
            return;
        }
        let mut inner = self.lock();
        if self.mode == Mode::Json {
            for spot in spots {
                let mut value = serde_json::to_value(spot).unwrap_or(Value::Null);
                if let Some(map) = value.as_object_mut() {
                    map.shift_insert(0, "event".to_owned(), json!("fault"));
                }
                inner.data(&format!("{}\n", lines::value(&value)));
            }
            return;
        }
        inner.message(&spot::render(spots, self.err_paint, self.width));
    }

    /// A table on standard output; fits the width on a terminal, is whole
    /// elsewhere, and one object a row with `--json`.
    pub fn table(&self, headers: &[&str], rows: &[Vec<String>]) {
        if self.mode == Mode::Json {
            let mut inner = self.lock();
            for row in rows {
                let cells = headers.iter().zip(row).map(|(h, c)| ((*h).to_owned(), json!(c)));
                inner.data(&format!("{}\n", lines::value(&Value::Object(cells.collect::<Map<_, _>>()))));
            }
            return;
        }
        let columns = self.out_is_terminal.then_some(self.width);
        let text = table::render(headers, rows, columns, self.out_paint);
        self.lock().data(&text);
    }

    /// The summary of a rehearsal.
    pub fn summary(&self, story: &Story) {
        let text = match self.mode {
            Mode::Json => format!("{}\n", lines::value(&lines::summary(story))),
            Mode::Terminal | Mode::Plain => summary::render(story, self.out_paint, self.width),
        };
        self.finish();
        self.lock().data(&text);
    }

    /// A plan; as JSON whole, on one line.
    pub fn plan(&self, plan: &Plan, hash: &str) {
        let text = match self.mode {
            Mode::Json => format!("{}\n", lines::value(&json!({"event": "plan", "hash": hash, "plan": plan}))),
            Mode::Terminal | Mode::Plain => changes::render(plan, hash, self.out_paint, self.width),
        };
        self.finish();
        self.lock().data(&text);
    }

    /// Asks a person for yes or no. `None`: nobody can be asked (no terminal,
    /// `--json`, or the input has ended).
    pub fn confirm(&self, question: &str) -> Option<bool> {
        self.confirm_until(question, &Cancel::new())
    }

    /// As [`Ui::confirm`], until the question is withdrawn because somebody has
    /// answered it elsewhere: then it ends with `None`.
    pub fn confirm_until(&self, question: &str, withdrawn: &Cancel) -> Option<bool> {
        let mut answers = self.answers()?;
        let answer = self.confirm_by(question, &mut |prompt| self.line_of(&mut answers, prompt, withdrawn));
        self.lock().answers = Some(answers);
        answer
    }

    /// Has a person type a line. `None` as for [`Ui::confirm_until`].
    pub fn typed_until(&self, question: &str, withdrawn: &Cancel) -> Option<String> {
        let mut answers = self.answers()?;
        let text = text::hang("", &words::clean(question), self.width);
        self.lock().message(&format!("\n{}\n", self.err_paint.bold(&text)));
        let line = self.line_of(&mut answers, "> ", withdrawn);
        self.lock().answers = Some(answers);
        line.map(|line| line.trim().to_owned())
    }

    /// Whether a person can be asked here.
    pub fn can_ask(&self) -> bool {
        let inner = self.lock();
        self.mode != Mode::Json && (inner.streams.input.is_some() || inner.answers.is_some())
    }

    /// The lines that a person types, for one question.
    fn answers(&self) -> Option<Answers> {
        if self.mode == Mode::Json {
            return None;
        }
        let mut inner = self.lock();
        inner.live.clear();
        let input = &mut inner.streams.input;
        let fresh = input.take().map(Answers::over);
        fresh.or_else(|| inner.answers.take())
    }

    fn line_of(&self, answers: &mut Answers, prompt: &str, withdrawn: &Cancel) -> Option<String> {
        loop {
            self.lock().message(prompt);
            self.lock().asking = true;
            let answer = answers.next(&|| withdrawn.is_cancelled());
            // Only Enter ends the line of the prompt.
            let ended = !matches!(answer, Given::Withdrawn) || !self.lock().asking;
            self.lock().asking = false;
            match answer {
                Given::Line(line) => return Some(line),
                Given::Over => return None,
                Given::Withdrawn => {
                    if !ended {
                        self.lock().message("\n");
                    }
                    return None;
                }
                // Begun before this was asked: it may have been meant for another.
                Given::Stale => {}
            }
        }
    }

    /// Asks a person for a line of text. `None`: nobody can be asked, as with
    /// [`Ui::confirm`].
    pub fn ask(&self, question: &str) -> Option<String> {
        self.typed_until(question, &Cancel::new())
    }

    /// Asks, and has somebody else show the prompt and read the line. `None`:
    /// no line came.
    pub fn confirm_by(&self, question: &str, read: &mut dyn FnMut(&str) -> Option<String>) -> Option<bool> {
        self.lock().live.clear();
        // Not under the lock: a person may take days, and the run still talks.
        loop {
            let text = text::hang("", &words::clean(question), self.width);
            self.lock().message(&format!("\n{}\n", self.err_paint.bold(&text)));
            match read("Answer yes or no: ")?.trim().to_lowercase().as_str() {
                "y" | "yes" => return Some(true),
                "n" | "no" => return Some(false),
                _ => {}
            }
        }
    }

    /// Writes what was still collected and takes the live line away.
    pub fn finish(&self) {
        let mut inner = self.lock();
        let mut rest = Vec::new();
        inner.teller.finish(self.look(), &mut rest);
        inner.live.clear();
        if self.mode != Mode::Json {
            inner.write(rest);
        }
    }

    fn look(&self) -> Look {
        Look {
            width: self.width,
            paint: self.err_paint,
            signs: self.mode == Mode::Terminal,
            live: self.mode == Mode::Terminal,
            quiet: self.verbosity == Verbosity::Quiet,
            verbose: self.verbosity == Verbosity::Verbose,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Narrator for Ui {
    fn note(&self, note: &Note) {
        let mut inner = self.lock();
        if self.mode == Mode::Json {
            inner.data(&format!("{}\n", lines::note(note)));
            return;
        }
        let look = self.look();
        let told = inner.teller.tell(note, look);
        // First the live line, or what was under way is drawn once more below
        // the line that says it has ended.
        let live = inner.teller.live(look);
        inner.live.show(live);
        inner.write(told);
    }
}

impl Inner {
    fn write(&mut self, told: Vec<Line>) {
        let mut messages = String::new();
        for line in told {
            match line {
                Line::Message(text) => messages.push_str(&text),
                Line::Data(text) => {
                    self.message(&std::mem::take(&mut messages));
                    let text = if self.streams.out_is_terminal { text::clean_lines(&text) } else { text };
                    self.data(&text);
                }
            }
        }
        self.message(&messages);
    }

    fn data(&mut self, text: &str) {
        if self.failed.is_some() || text.is_empty() {
            return;
        }
        let out = &mut self.streams.out;
        let written = self.live.lifted(|| out.write_all(text.as_bytes()).and_then(|()| out.flush()));
        // From now on there is nobody to write to; see `Ui::output_failure`.
        self.failed = written.err();
    }

    fn message(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let err = &mut self.streams.err;
        // The cursor stands behind the question.
        let text = if std::mem::take(&mut self.asking) { &format!("\n{text}") } else { text };
        // There is no third place to complain to.
        let _ = self.live.lifted(|| err.write_all(text.as_bytes()).and_then(|()| err.flush()));
    }
}

#[cfg(test)]
mod tests;
