//! The lines that a person types as answers.
//!
//! A read can't be called back, so it stands on a thread of its own: a question that
//! somebody answers elsewhere ends at once, and the read goes on for the next one. A
//! line that was begun before a question was asked is never taken for its answer.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How often it is looked whether a question was withdrawn.
const LOOK: Duration = Duration::from_millis(100);

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// A line that was typed for this question.
    Line(String),
    /// A line that was begun before it.
    Stale,
    /// Nothing: the question was withdrawn.
    Withdrawn,
    /// Nothing: the input has ended.
    Over,
}

/// Lines of an input, one for each time it is asked.
pub(super) struct Answers {
    wanted: Sender<()>,
    lines: Receiver<Option<String>>,
    /// A read goes on that an earlier question began.
    pending: bool,
}

impl Answers {
    /// Reads lines of this input, as they are asked for.
    pub(super) fn over(mut input: Box<dyn BufRead + Send>) -> Answers {
        let (wanted, asked) = channel::<()>();
        let (send, lines) = channel();
        std::thread::spawn(move || {
            while asked.recv().is_ok() {
                let mut line = String::new();
                let read = input.read_line(&mut line);
                let line = matches!(read, Ok(n) if n > 0).then_some(line);
                // The process ends, or the input has.
                if line.is_none() | send.send(line).is_err() {
                    break;
                }
            }
        });
        Answers { wanted, lines, pending: false }
    }

    /// The next line; blocks.
    pub(super) fn next(&mut self, is_withdrawn: &dyn Fn() -> bool) -> Given {
        let stale = self.pending;
        if !stale && self.wanted.send(()).is_err() {
            return Given::Over;
        }
        loop {
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => {
                    self.pending = false;
                    return match line {
                        Some(_) if stale => Given::Stale,
                        Some(line) => Given::Line(line),
                        None => Given::Over,
                    };
                }
                Err(RecvTimeoutError::Timeout) if is_withdrawn() => {
                    self.pending = true;
                    return Given::Withdrawn;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Given::Over,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// An input whose lines come when a test says so.
    struct Typed(Receiver<String>, Vec<u8>);

    impl Read for Typed {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.1.is_empty() {
                match self.0.recv() {
                    Ok(line) => self.1 = line.into_bytes(),
                    Err(_) => return Ok(0),
                }
            }
            let n = buffer.len().min(self.1.len());
            buffer[..n].copy_from_slice(&self.1[..n]);
            self.1.drain(..n);
            Ok(n)
        }
    }

    #[test]
    fn a_line_begun_for_a_withdrawn_question_answers_no_later_one() {
        let (types, typed) = channel();
        let mut answers = Answers::over(Box::new(std::io::BufReader::new(Typed(typed, Vec::new()))));
        assert_eq!(answers.next(&|| true), Given::Withdrawn);
        types.send("yes\n".to_owned()).expect("it is read");
        assert_eq!(answers.next(&|| false), Given::Stale, "meant for the question before");
        types.send("no\n".to_owned()).expect("it is read");
        assert_eq!(answers.next(&|| false), Given::Line("no\n".into()));
        drop(types);
        assert_eq!(answers.next(&|| false), Given::Over);
        assert_eq!(answers.next(&|| false), Given::Over);
    }
}
