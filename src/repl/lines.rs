//! The prompt's memory: variables, functions and imports that persist from
//! line to line, and the evaluation of one line.
//!
//! Needs no terminal. A cancelled line ends, its variables stay.

use std::fmt::Write;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rhai::{AST, ASTNode, Dynamic, Engine, Expr, ModuleResolver, Position, Scope, Stmt};

use super::known::{Known, Shape};
use super::scan::{self, Class};
use super::{complete, help, render};
use crate::base::{Failure, Kind, SignedDuration};
use crate::check::{self, Severity};
use crate::host::frames::{self, ScriptError};
use crate::host::library::Library;
use crate::host::{self, engine};
use crate::run::session::Session;

/// What a line came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What to show; ends with a newline unless it is empty.
    pub text: String,
    /// Whether something failed.
    pub failed: bool,
    /// Whether the person wants to leave.
    pub leave: bool,
}

/// The state behind a prompt.
pub struct Lines {
    session: Arc<Session>,
    library: Library,
    engine: Engine,
    scope: Scope<'static>,
    functions: AST,
    imports: Vec<(String, String)>,
    known: Arc<Mutex<Known>>,
    count: usize,
    kept: Vec<String>,
    timed: bool,
    /// Columns of the terminal.
    pub width: usize,
    /// Whether Ctrl-C cancels the line: where a terminal is.
    pub interruptible: bool,
}

/// The variable behind `_`: the language keeps the single underscore for
/// itself.
const LAST: &str = "_last";

impl Lines {
    /// A fresh prompt over a session.
    pub fn new(session: Arc<Session>, library: Library, width: usize) -> Lines {
        let library = library.fresh();
        let mut engine = engine::running(&session, &library);
        // Functions of earlier lines are unknown to the parser of this one;
        // unknown variables are found by the check.
        engine.set_strict_variables(false);
        let mut scope = Scope::new();
        scope.push_dynamic(LAST, Dynamic::UNIT);
        let known = Known { modules: library.names(), ..Known::default() };
        Lines {
            session,
            library,
            engine,
            scope,
            functions: AST::empty(),
            imports: Vec::new(),
            known: Arc::new(Mutex::new(known)),
            count: 0,
            kept: Vec::new(),
            timed: false,
            width,
            interruptible: false,
        }
    }

    /// The picture that completion and hints look at.
    pub fn known(&self) -> Arc<Mutex<Known>> {
        self.known.clone()
    }

    /// One complete input: a command, a question or a piece of script.
    pub fn enter(&mut self, input: &str) -> Answer {
        let line = input.trim();
        if line.is_empty() {
            return Answer::default();
        }
        if matches!(line, "exit" | "quit" | "exit()" | "quit()" | "exit;" | "quit;") {
            return Answer { leave: true, ..Answer::default() };
        }
        if let Some(command) = line.strip_prefix(':') {
            return self.command(command);
        }
        if let Some(source) = line.strip_prefix("??") {
            return self.source(source.trim());
        }
        let question = line.strip_prefix('?').or_else(|| line.strip_suffix('?'));
        if let Some(question) = question {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            return shown(help::answer(question, &known, self.width));
        }
        self.count += 1;
        let answer = self.script(&format!("prompt-{}", self.count), input, line.ends_with(';'));
        if !answer.failed {
            self.kept.push(input.trim_end().to_owned());
        }
        answer
    }

    fn command(&mut self, command: &str) -> Answer {
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        match word {
            "help" | "h" | "" => shown(HELP.to_owned()),
            "quit" | "q" => Answer { leave: true, ..Answer::default() },
            "vars" => shown(self.variables()),
            "time" => {
                self.timed = !self.timed;
                shown(format!("times are {}\n", if self.timed { "shown" } else { "hidden" }))
            }
            "load" if rest.is_empty() => wrong(Failure::new(Kind::Usage, "which file?").hint(":load scripts/x.rhai")),
            "load" => match std::fs::read_to_string(rest) {
                Ok(text) => self.script(rest, &text, false),
                Err(e) => wrong(Failure::new(Kind::Local, format!("{rest} can't be read: {e}"))),
            },
            "save" if rest.is_empty() => wrong(Failure::new(Kind::Usage, "into which file?").hint(":save new.rhai")),
            "save" => self.save(Path::new(rest)),
            other => {
                let failure = Failure::new(Kind::Usage, format!("there is no command :{other}"));
                let commands = complete::COMMANDS.iter().map(|c| c.trim_matches([':', ' ']));
                wrong(match check::suggest::nearest(other, commands) {
                    Some(near) => failure.hint(format!("did you mean :{near}?")),
                    None => failure.hint(":help lists them"),
                })
            }
        }
    }

    fn save(&self, path: &Path) -> Answer {
        if path.exists() {
            let failure = Failure::new(Kind::Local, format!("{} is there already", path.display()));
            return wrong(failure.hint("name a new file; nothing is overwritten"));
        }
        match std::fs::write(path, self.kept.join("\n") + "\n") {
            Ok(()) => shown(format!("{} lines saved to {}\n", self.kept.len(), path.display())),
            Err(e) => wrong(Failure::new(Kind::Local, format!("{} can't be written: {e}", path.display()))),
        }
    }

    fn source(&self, name: &str) -> Answer {
        if name.is_empty() {
            let names = self.library.names().join(", ");
            return wrong(
                Failure::new(Kind::Usage, "the source of which module?").hint(format!("??name, of: {names}")),
            );
        }
        match self.library.find(name, None) {
            Ok(found) => shown(format!("// {}\n{}", found.origin, ensure_newline(&found.text))),
            Err(failure) => wrong(failure),
        }
    }

    fn variables(&self) -> String {
        let mut out = String::new();
        let mut all: Vec<(String, Dynamic)> =
            self.scope.iter().map(|(name, _, value)| (name.to_owned(), value)).filter(|(n, _)| n != LAST).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let widest = all.iter().map(|(n, _)| n.len()).max().unwrap_or(0);
        for (name, value) in &all {
            let word = Shape::of(value).word;
            let text = render::value(value, usize::MAX);
            let first = match (value.as_array_ref(), value.as_map_ref()) {
                (Ok(items), _) => format!("{} items", items.len()),
                (_, Ok(map)) => map.keys().map(|k| k.as_str()).collect::<Vec<_>>().join(", "),
                _ => text.lines().next().unwrap_or_default().to_owned(),
            };
            let line = format!("{name:widest$}  {word:<12}  {first}");
            let _ = writeln!(out, "{}", render::cut(line.trim_end(), self.width));
        }
        for function in self.functions.iter_functions().filter(|f| !f.name.starts_with("anon$")) {
            let _ = writeln!(out, "fn {}({})", function.name, function.params.join(", "));
        }
        for (alias, path) in &self.imports {
            let _ = writeln!(out, "import \"{path}\" as {alias}");
        }
        if out.is_empty() { "nothing yet\n".to_owned() } else { out }
    }

    fn script(&mut self, name: &str, text: &str, silent: bool) -> Answer {
        let (began, before) = (Instant::now(), self.session.clock().now());
        self.session.begin_pass();
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| self.evaluate(name, text)));
        let result = result.unwrap_or_else(|panic| Err(ScriptError::bare(host::of_panic(&*panic))));
        let mut answer = match result {
            Ok(value) => {
                let text = if silent { String::new() } else { render::value(&value, self.width) };
                if !value.is_unit() {
                    self.scope.set_value(LAST, value);
                }
                shown(text)
            }
            Err(error) if error.is_cancelled() => {
                Answer { text: "cancelled; the variables are kept\n".to_owned(), failed: true, leave: false }
            }
            Err(error) if !error.problems.is_empty() => {
                let text: String = error.problems.iter().map(frames::plain_problem).collect();
                Answer { text: frames::within(&text, self.width), failed: true, leave: false }
            }
            Err(error) => {
                Answer { text: frames::within(&frames::plain(&error), self.width), failed: true, leave: false }
            }
        };
        self.scope = self.scope.clone_visible();
        self.picture();
        let (took, passed) = (began.elapsed(), self.session.clock().now().duration_since(before));
        if self.timed || (self.interruptible && took.as_secs() >= 1) {
            let _ = write!(answer.text, "took {:.3} s", took.as_secs_f64());
            if self.session.clock().is_driven() && passed > SignedDuration::ZERO {
                let _ = write!(answer.text, ", {} of the lab's time", span(passed));
            }
            answer.text.push('\n');
        }
        answer
    }

    fn evaluate(&mut self, name: &str, text: &str) -> Result<Dynamic, ScriptError> {
        let text = spelled_out(text);
        let problems = check::line(name, &text, &self.library, &self.scope, &self.functions, &self.imports);
        if problems.iter().any(|p| p.severity == Severity::Error) {
            return Err(ScriptError::unchecked(name, problems));
        }
        let explain = |e: &rhai::EvalAltResult, library: &Library| frames::of(e, name, library);
        let mut ast =
            self.engine.compile_with_scope(&self.scope, &text).map_err(|e| explain(&e.into(), &self.library))?;
        ast.set_source(name);
        self.library.remember_closures(&ast, name);
        self.library.remember_functions(&ast, name);
        let imports = literal_imports(&ast);
        if !imports.is_empty() {
            // A file that changed meanwhile counts from its next import on.
            self.library.forget_modules();
        }
        let mut all = self.functions.merge(&ast);
        all.set_source(name);
        self.functions = all.clone_functions_only();
        let cancel = self.session.fresh_cancel();
        engine::obey(&mut self.engine, cancel.clone());
        let watch = self.interruptible.then(|| {
            self.session.handle().spawn(async move {
                if tokio::signal::ctrl_c().await.is_ok() {
                    cancel.cancel();
                }
            })
        });
        let result = self.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &all);
        if let Some(watch) = watch {
            watch.abort();
        }
        for (alias, path) in imports {
            self.keep_import(&alias, &path, name);
        }
        result.map_err(|e| explain(&e, &self.library))
    }

    /// The engine forgets imports with the line; a static module stays.
    fn keep_import(&mut self, alias: &str, path: &str, from: &str) {
        let Ok(module) = self.library.resolve(&self.engine, Some(from), path, Position::NONE) else { return };
        self.engine.register_static_module(alias, module);
        self.imports.retain(|(known, _)| known != alias);
        self.imports.push((alias.to_owned(), path.to_owned()));
    }

    fn picture(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.variables = self.scope.iter().map(|(name, _, value)| (name.to_owned(), Shape::of(&value))).collect();
        known.variables.remove(LAST);
        let signature = |f: &rhai::ScriptFnMetadata<'_>| format!("{}({})", f.name, f.params.join(", "));
        let named = self.functions.iter_functions().filter(|f| !f.name.starts_with("anon$"));
        known.functions = named.map(|f| (f.name.to_owned(), signature(&f))).collect();
        known.imports = self
            .imports
            .iter()
            .filter_map(|(alias, path)| {
                let ast = self.engine.compile(&*self.library.find(path, None).ok()?.text).ok()?;
                let public = ast.iter_functions().filter(|f| f.access.is_public() && !f.name.starts_with("anon$"));
                Some((alias.clone(), public.map(|f| (f.name.to_owned(), signature(&f))).collect()))
            })
            .collect();
        known.modules = self.library.names();
    }
}

const HELP: &str = "\
?            everything there is
?name        what it does, its arguments, an example
?word        searches
??std/waves  the source of a module
Tab          completes
Ctrl-C       ends the line, keeps the variables
_            the latest value
;            at the end of a line shows nothing

:vars        variables, functions and imports
:load FILE   runs a script here
:save FILE   saves the lines so far as a script
:time        shows or hides times
:quit        leaves, as Ctrl-D does
";

fn shown(text: String) -> Answer {
    Answer { text, failed: false, leave: false }
}

fn wrong(failure: Failure) -> Answer {
    Answer { text: frames::plain(&ScriptError::bare(failure)), failed: true, leave: false }
}

fn ensure_newline(text: &str) -> String {
    if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// `_` as the variable it stands for; in a `switch` it keeps its own meaning.
pub(crate) fn spelled_out(input: &str) -> String {
    let pieces = scan::pieces(input);
    let mut out = String::with_capacity(input.len());
    for (n, piece) in pieces.iter().enumerate() {
        let text = &input[piece.start..piece.end];
        let after = input[piece.end..].trim_start();
        let own_meaning = after.starts_with("=>") || after.starts_with("if ");
        let member =
            pieces[..n].iter().rev().find(|p| p.class != Class::Space).is_some_and(|p| &input[p.start..p.end] == ".");
        out.push_str(if text == "_" && !own_meaning && !member { LAST } else { text });
    }
    out
}

/// `import "x" as y` at the top of a line.
fn literal_imports(ast: &AST) -> Vec<(String, String)> {
    let mut all = Vec::new();
    ast.walk(&mut |path| {
        if let [ASTNode::Stmt(Stmt::Import(x, _))] = path
            && let Expr::StringConstant(module, _) = &x.0
            && !x.1.name.is_empty()
        {
            all.push((x.1.name.to_string(), module.to_string()));
        }
        true
    });
    all
}

/// `3 d 4 h`, `12 s`.
fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    let parts = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let shown: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).take(2).map(|(n, unit)| format!("{n} {unit}")).collect();
    if shown.is_empty() { format!("{} ms", span.as_millis()) } else { shown.join(" ") }
}
