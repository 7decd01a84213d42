//! The command line: one file for each verb. A verb gathers what it needs,
//! calls, and answers an exit code; only `main` exits.

mod against;
mod approve;
pub mod args;
mod asked;
mod audit;
mod cancel;
mod check;
mod companies;
mod contracts;
mod drive;
mod environment;
mod explain;
mod lab;
mod lists;
mod plan;
mod rehearse;
mod repl;
mod report;
mod resolve;
mod resume;
mod run;
mod runs;
mod show;
mod status;
mod survey;
mod undo;
mod validate;
mod why;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod plants_tests;

use std::ffi::OsString;
use std::sync::Arc;

use clap::Parser as _;
use tokio::runtime::Runtime;

use crate::base::{Failure, Kind, Result};
use crate::ui::Ui;
use args::{Cli, Verb};

/// What every verb works with.
pub(crate) struct Context {
    /// The only writer to the terminal.
    pub ui: Arc<Ui>,
    /// Whether JSON lines are wanted.
    pub json: bool,
}

/// Parses, dispatches, tells what failed, and answers the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; the rest is usage.
            let code = u8::from(error.use_stderr()) * 2;
            // A closed pipe is nobody's fault.
            let _ = error.print();
            return code;
        }
    };
    let json = cli.global.json;
    let ui = Arc::new(Ui::standard(json, cli.global.color).with_verbosity(cli.global.verbosity()));
    let context = Context { ui: ui.clone(), json };
    let answer = match cli.verb {
        Verb::Rehearse(args) => rehearse::rehearse(&context, &args),
        Verb::Run(args) => run::run(&context, &args),
        Verb::Approve(args) => approve::approve(&context, &args),
        Verb::Resume(args) => resume::resume(&context, &args),
        Verb::Resolve(args) => resolve::resolve(&context, &args),
        Verb::Cancel(args) => cancel::cancel(&context, &args),
        Verb::Undo(args) => undo::undo(&context, &args),
        Verb::Runs(args) => runs::runs(&context, &args),
        Verb::Show(args) => show::show(&context, &args),
        Verb::Status(args) => status::status(&context, &args),
        Verb::Why(args) => why::why(&context, &args),
        Verb::Report(args) => report::report(&context, &args),
        Verb::Audit(args) => audit::audit(&context, &args),
        Verb::Plan(args) => plan::plan(&context, &args),
        Verb::Repl(args) => repl::repl(&context, &args),
        Verb::Lab(args) => lab::lab(&context, &args),
        Verb::Validate(args) => validate::validate(&context, &args),
        Verb::Survey(args) => survey::survey(&context, &args),
        Verb::Check(args) => check::check(&context, &args),
        Verb::Explain(args) => explain::explain(&context, &args),
    };
    let code = match answer {
        Ok(code) => code,
        Err(failure) => {
            ui.error(&failure, None);
            code_of(failure.kind)
        }
    };
    ui.finish();
    match ui.output_failure() {
        // What could not be written may be what somebody waits for.
        Some(failure) if code == 0 => {
            ui.error(&failure, None);
            1
        }
        _ => code,
    }
}

/// The folder in which the command runs.
fn here() -> Result<std::path::PathBuf> {
    std::env::current_dir().map_err(|e| {
        Failure::new(Kind::Local, "the current folder can't be used").detail(e.to_string()).hint("go to another folder")
    })
}

/// A folder that goes when the command ends.
fn temporary() -> Result<tempfile::TempDir> {
    tempfile::tempdir().map_err(|e| {
        Failure::new(Kind::Local, "no temporary folder can be made")
            .detail(e.to_string())
            .hint("set TMPDIR to a folder that may be written")
    })
}

/// The exit code of a failure.
pub(crate) fn code_of(kind: Kind) -> u8 {
    match kind {
        Kind::Usage => 2,
        Kind::Findings | Kind::Validation => 3,
        Kind::InDoubt => 4,
        Kind::Approval => 5,
        Kind::Cancelled => 130,
        _ => 1,
    }
}

/// The runtime that carries all I/O of the process.
pub(crate) fn runtime(threads: Option<u16>) -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(usize::from(threads));
    }
    // What a test has planted here is planted on the runtime's threads, too.
    let soil = crate::base::plant::here();
    builder.on_thread_start(move || soil.spread());
    builder.enable_all().build().map_err(|e| {
        Failure::new(Kind::Local, "the system gives no threads")
            .detail(e.to_string())
            .hint("look at the limits of this user")
    })
}
