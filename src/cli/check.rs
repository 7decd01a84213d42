//! `stagepost check`: a script's faults, without running it.

use super::args::Check;
use super::{Context, lists};
use crate::base::Result;
use crate::check::{Severity, text};
use crate::host::Library;
use crate::host::frames::{plain_problem, within};

/// Exit code 3 if there is an error.
pub(crate) fn check(context: &Context, args: &Check) -> Result<u8> {
    let here = super::here()?;
    let script = lists::script(&here, &args.script)?;
    let library = Library::new(vec![here.join("lib")]);
    let problems = text(&script.name, &script.text, &library);
    if context.json {
        for problem in &problems {
            let line = serde_json::json!({
                "severity": problem.severity.word(), "message": problem.message, "hint": problem.hint,
                "source": problem.source, "line": problem.line, "column": problem.column,
            });
            context.ui.print(&format!("{line}\n"));
        }
    } else {
        for problem in &problems {
            context.ui.print(&format!("{}\n", within(&plain_problem(problem), context.ui.width())));
        }
    }
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    if !context.json && problems.is_empty() {
        context.ui.status(&format!("{}: nothing found", script.name));
    }
    Ok(if errors > 0 { 3 } else { 0 })
}
