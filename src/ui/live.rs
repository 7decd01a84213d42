//! The live line at the foot of the terminal.
//!
//! One line, redrawn at most eight times a second, gone when nothing is under
//! way. Everything else is written while it is lifted ([`Live::lifted`]).

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A live line, or the absence of one.
pub(super) struct Live {
    bar: Option<ProgressBar>,
    real: bool,
}

impl Live {
    /// None yet. `real` draws to standard error; otherwise nothing is drawn.
    pub(super) fn new(real: bool) -> Live {
        Live { bar: None, real }
    }

    /// Shows a date and a text, or takes the line away.
    pub(super) fn show(&mut self, line: Option<(String, String)>) {
        match line {
            None => self.clear(),
            Some((date, text)) if self.real => match &self.bar {
                Some(bar) => {
                    bar.set_prefix(date);
                    bar.set_message(text);
                }
                None => {
                    let style = ProgressStyle::with_template("{prefix}{spinner} {wide_msg}")
                        .unwrap_or_else(|_| ProgressStyle::default_spinner())
                        .tick_strings(&["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "]);
                    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8))
                        .with_style(style)
                        .with_prefix(date)
                        .with_message(text);
                    bar.enable_steady_tick(Duration::from_millis(125));
                    self.bar = Some(bar);
                }
            },
            Some(_) => {}
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Does something while the line is out of the way.
    pub(super) fn lifted<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}
