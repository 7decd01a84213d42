//! Runs a script to its end, with an ear for Ctrl-C.
//!
//! The first Ctrl-C asks the run to end: no new write begins, those in flight
//! end or are recorded in doubt. A second one leaves at once.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::Context;
use super::lists::Script;
use crate::base::{Failure, Kind};
use crate::host::frames::{ScriptError, plain, plain_problem, within};
use crate::host::{Host, Library};
use crate::run::Session;

/// How a script ended.
pub(crate) enum End {
    /// It came to its end.
    Done,
    /// It failed; told already.
    Failed(Box<ScriptError>),
    /// A second Ctrl-C.
    Left,
}

/// Whether a script is free of faults; they are told all in one pass. Nothing
/// has been started then.
pub(crate) fn passes(context: &Context, script: &Script, library: &Library) -> bool {
    let problems = crate::check::text(&script.name, &script.text, &library.fresh());
    let faulty = problems.iter().any(|p| p.severity == crate::check::Severity::Error);
    if faulty {
        tell(context, &ScriptError::unchecked(&script.name, problems));
    }
    !faulty
}

/// Runs the script on a thread of its own.
pub(crate) fn script(
    context: &Context,
    runtime: &Runtime,
    session: &Arc<Session>,
    library: Library,
    script: &Script,
) -> End {
    session.runs(&script.text);
    let (send, ended) = oneshot::channel();
    let name = script.name.clone();
    let text = script.text.clone();
    let own = session.clone();
    let soil = crate::base::plant::here();
    std::thread::spawn(move || {
        soil.spread();
        let mut host = Host::new(own, library);
        // Nobody listens only after a second Ctrl-C.
        let _ = send.send(host.run_text(&name, &text));
    });
    let answer = runtime.block_on(async {
        tokio::pin!(ended);
        let mut presses = 0;
        loop {
            tokio::select! {
                answer = &mut ended => return Some(answer),
                pressed = tokio::signal::ctrl_c() => {
                    if pressed.is_err() {
                        // No signals on this system: just wait.
                        return Some(ended.await);
                    }
                    presses += 1;
                    if presses > 1 {
                        return None;
                    }
                    session.cancel().cancel();
                    context.ui.status("ending: no new write begins; press Ctrl-C again to leave at once");
                }
            }
        }
    });
    match answer {
        None => End::Left,
        Some(Ok(Ok(_))) => End::Done,
        Some(Ok(Err(error))) => {
            tell(context, &error);
            End::Failed(Box::new(error))
        }
        Some(Err(_)) => {
            let error = ScriptError::bare(Failure::internal("the script's thread ended without an answer"));
            tell(context, &error);
            End::Failed(Box::new(error))
        }
    }
}

/// Tells why a script failed, with its frames.
pub(crate) fn tell(context: &Context, error: &ScriptError) {
    if error.failure.kind == Kind::Cancelled {
        context.ui.status("cancelled");
        return;
    }
    let frames = if error.problems.is_empty() {
        frames_of(error)
    } else {
        error.problems.iter().map(plain_problem).collect::<Vec<_>>().join("\n")
    };
    let frames = within(&frames, context.ui.width());
    let frames = frames.trim_end();
    context.ui.error(&error.failure, (!frames.is_empty()).then_some(frames));
}

/// The frames without the head line and the hint, which the terminal's writer
/// sets itself.
fn frames_of(error: &ScriptError) -> String {
    if error.frames.is_empty() {
        return String::new();
    }
    // The head, the detail and the hint are set by the terminal's writer.
    let mut bare = error.clone();
    // A message of several lines would leave all but the first among the frames.
    bare.failure.message.clear();
    bare.failure.detail = None;
    bare.failure.hint = None;
    plain(&bare).lines().skip_while(|l| l.starts_with("error:")).collect::<Vec<_>>().join("\n")
}
