//! The script host: runs Rhai scripts for a session, on a thread of their own.
//!
//! It turns declarations into functions, failures into maps and back, errors
//! into frames, and a cancellation into the end of a script. It opens no
//! socket, touches no journal and writes nothing for people.

pub mod bridge;
pub mod bundled;
pub mod engine;
pub mod failures;
pub mod foreseen;
pub mod frames;
pub mod library;
pub mod options;
pub mod values;
pub(crate) mod words;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use rhai::{Dynamic, Engine, Scope};

pub use frames::{Frame, ScriptError};
pub use library::Library;

use crate::base::{Failure, Kind};
use crate::check::{self, Problem, Severity};
use crate::run::narrate::What;
use crate::run::session::Session;

/// Runs scripts of one project for one session.
pub struct Host {
    session: Arc<Session>,
    library: Library,
}

impl Host {
    /// A host over a session and the modules of a project.
    pub fn new(session: Arc<Session>, library: Library) -> Host {
        Host { session, library }
    }

    /// The library with what the latest run used of it.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Reads and runs a script file. Blocks until it ended, so it is not for a
    /// thread of the runtime.
    ///
    /// # Errors
    /// As [`Host::run_text`], or [`Kind::Local`] if the file can't be read.
    pub fn run_file(&mut self, path: &Path) -> Result<Dynamic, ScriptError> {
        let text = read(path).map_err(ScriptError::bare)?;
        self.run_text(&path.display().to_string(), &text)
    }

    /// Checks a script and runs it on a thread of its own. Answers its last
    /// value, or what it gave to `exit`. `name` is what messages call it: its
    /// path, from which `./` imports are found.
    ///
    /// # Errors
    /// The faults found by the check (nothing has run then), what the script
    /// threw, or the cancellation.
    pub fn run_text(&mut self, name: &str, text: &str) -> Result<Dynamic, ScriptError> {
        self.library = self.library.fresh();
        let (session, library) = (&self.session, &self.library);
        on_own_thread(|| {
            let problems = check::text(name, text, library);
            if problems.iter().any(|p| p.severity == Severity::Error) {
                return Err(ScriptError::unchecked(name, problems));
            }
            for problem in problems {
                let text = format!("{}:{}:{}: {}", problem.source, problem.line, problem.column, problem.message);
                session.note(What::Warned { text, hint: problem.hint.unwrap_or_default() });
            }
            session.begin_pass();
            let engine = engine::running(session, library);
            let _entered = session.handle().enter();
            evaluate(&engine, &mut Scope::new(), name, text, library)
        })
    }

    /// Checks a script without running it: every fault of it in one pass.
    pub fn check_text(&self, name: &str, text: &str) -> Vec<Problem> {
        let library = self.library.fresh();
        match on_own_thread(|| Ok(check::text(name, text, &library))) {
            Ok(problems) => problems,
            Err(error) => vec![Problem::of_failure(name, &error.failure)],
        }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| {
        let failure = Failure::new(Kind::Local, format!("script {} can't be read: {e}", path.display()));
        match e.kind() {
            std::io::ErrorKind::NotFound => {
                let folder = path.parent().unwrap_or(Path::new("."));
                let beside = std::fs::read_dir(folder).map(|entries| {
                    let names = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
                    names.filter(|n| n.ends_with(".rhai")).collect::<Vec<_>>()
                });
                let wanted = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                match check::suggest::nearest(&wanted, beside.unwrap_or_default()) {
                    Some(near) => failure.hint(format!("did you mean {}?", folder.join(near).display())),
                    None => failure.hint("give the path of a script, such as scripts/staged.rhai"),
                }
            }
            std::io::ErrorKind::InvalidData => failure.hint("save it as UTF-8"),
            _ => failure.hint("check that you may read it"),
        }
    })
}

/// Evaluates a text that was checked.
pub(crate) fn evaluate(
    engine: &Engine,
    scope: &mut Scope,
    name: &str,
    text: &str,
    library: &Library,
) -> Result<Dynamic, ScriptError> {
    library.remember(name, text);
    let mut ast = engine.compile_with_scope(scope, text).map_err(|e| frames::of(&e.into(), name, library))?;
    ast.set_source(name);
    library.remember_closures(&ast, name);
    engine.eval_ast_with_scope::<Dynamic>(scope, &ast).map_err(|e| frames::of(&e, name, library))
}

/// Runs something on a fresh thread with the stack that scripts need; a panic
/// comes back as a failure.
pub(crate) fn on_own_thread<T: Send>(work: impl FnOnce() -> Result<T, ScriptError> + Send) -> Result<T, ScriptError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("script".to_owned()).stack_size(engine::STACK);
        let soil = crate::base::plant::here();
        let caught = move || {
            soil.spread();
            std::panic::catch_unwind(AssertUnwindSafe(work))
        };
        let running = thread.spawn_scoped(scope, caught).map_err(|e| {
            ScriptError::bare(Failure::new(Kind::Local, format!("no thread could be started for the script: {e}")))
        })?;
        match running.join() {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) | Err(panic) => Err(ScriptError::bare(of_panic(&*panic))),
        }
    })
}

pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Failure::internal(format!("the script host broke: {}", text.unwrap_or_else(|| "no reason was given".to_owned())))
}
