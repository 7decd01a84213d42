//! The walk over a compiled script: each call against the known names.
//!
//! Rhai's syntax tree is used here, in `steps` and in `imports`; its shape may
//! change with any version of the crate.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, Namespace, Position, Scope, Stmt};

use super::names::{self, Names, Overload};
use super::{Problem, Severity, steps, suggest};
use crate::base::{Failure, Kind};
use crate::host::library::Library;
use crate::host::words;

/// Collects problems over a script and the modules it imports.
pub(crate) struct Findings<'a> {
    engine: &'a Engine,
    strict: &'a Engine,
    library: &'a Library,
    problems: Vec<Problem>,
    /// Modules already read, by origin; a cycle ends here.
    modules: BTreeMap<String, Names>,
    /// Functions of the prompt's earlier lines.
    known: Names,
    /// Imports of the prompt's earlier lines.
    imports: BTreeMap<String, Option<Names>>,
}

/// What one source can call.
struct Source<'s> {
    name: &'s str,
    text: &'s str,
    functions: Names,
    imports: BTreeMap<String, Option<Names>>,
    /// Keys that may hold a closure, which makes any of them callable as a method.
    keys: BTreeSet<String>,
    /// Every variable defined anywhere in it.
    variables: BTreeSet<String>,
    /// Variables that closures capture, and those of the prompt: the parser
    /// leaves their uses unresolved.
    captured: BTreeSet<String>,
}

impl<'a> Findings<'a> {
    /// `engine` compiles past unknown variables, so that all of them are found;
    /// `strict` has the last word.
    pub(crate) fn new(engine: &'a Engine, strict: &'a Engine, library: &'a Library) -> Self {
        Findings {
            engine,
            strict,
            library,
            problems: Vec::new(),
            modules: BTreeMap::new(),
            known: Names::new(),
            imports: BTreeMap::new(),
        }
    }

    pub(crate) fn know_functions(&mut self, functions: &AST) {
        collect_functions(functions, &mut self.known);
    }

    pub(crate) fn know_import(&mut self, alias: &str, path: &str) {
        let names = self.module(path, None).ok().flatten();
        self.imports.insert(alias.to_owned(), names);
    }

    /// All problems, by place.
    pub(crate) fn done(mut self) -> Vec<Problem> {
        self.problems.sort_by(|a, b| (&a.source, a.line, a.column).cmp(&(&b.source, b.line, b.column)));
        self.problems.dedup();
        self.problems
    }

    pub(crate) fn script(&mut self, name: &str, text: &str, scope: &Scope) {
        self.library.remember(name, text);
        let compiled = self.engine.compile_with_scope(scope, text).and_then(|ast| {
            self.walk(name, text, &ast, scope);
            // What the walk can't see, it sees.
            if self.problems.is_empty() { self.strict.compile_with_scope(scope, text).map(|_| ()) } else { Ok(()) }
        });
        // To the parser a comment may end with the file; what it swallowed would
        // be passed over without a word.
        if compiled.is_ok()
            && let Some((line, column)) = self.open_comment(text, scope)
        {
            let failure = Failure::new(Kind::Usage, "a comment is never closed".to_owned())
                .hint("close it with */; what stands behind it would not run");
            let clip = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
            self.problems.push(Problem::at(name, text, Position::new(clip(line), clip(column)), &failure));
        }
        if let Err(error) = compiled {
            let failure = words::syntax(error.err_type());
            self.problems.push(Problem::at(name, text, error.position(), &failure));
        }
    }

    /// Where a comment begins that never ends. A bracket that nothing opened is
    /// a fault wherever the parser sees it: behind the text, it sees none only
    /// in a comment.
    fn open_comment(&self, text: &str, scope: &Scope) -> Option<(usize, usize)> {
        let swallowed = |before: &str| self.engine.compile_with_scope(scope, format!("{before}\n)")).is_ok();
        if !swallowed(text) {
            return None;
        }
        // Within a comment, another `/*` is a part of it.
        let opened = text.rmatch_indices("/*").map(|(at, _)| &text[..at]).find(|before| !swallowed(before))?;
        let line = opened.matches('\n').count() + 1;
        let column = opened.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Some((line, column))
    }

    fn engine_names(&self) -> Vec<String> {
        names::namespaces().into_iter().map(str::to_owned).collect()
    }

    fn walk(&mut self, name: &str, text: &str, ast: &AST, scope: &Scope) {
        let mut source = Source {
            name,
            text,
            functions: self.known.clone(),
            imports: self.imports.clone(),
            keys: BTreeSet::new(),
            variables: scope.iter_raw().map(|(name, ..)| name.to_owned()).collect(),
            captured: scope.iter_raw().map(|(name, ..)| name.to_owned()).collect(),
        };
        collect_functions(ast, &mut source.functions);
        for (function, _) in ast.iter_functions().map(|f| (f.name.to_owned(), f.params.len())) {
            if let Some(primitive) = names::primitive(&function) {
                let failure = Failure::new(Kind::Usage, format!("the function `{function}` hides a primitive"))
                    .hint(format!("give it another name; the hidden one is {}", primitive.signature()));
                let position = position_of_definition(text, &function);
                self.push(&source, position, Severity::Warning, &failure);
            }
        }
        // Imports and keys first: they may stand below their use.
        ast.walk(&mut |path| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Import(x, position))) => self.import(&mut source, &x.0, &x.1.name, *position),
                Some(ASTNode::Expr(Expr::Map(x, _))) => {
                    source.keys.extend(x.1.keys().map(ToString::to_string));
                    source.keys.extend(x.0.iter().map(|(k, _)| k.name.to_string()));
                }
                Some(ASTNode::Expr(Expr::Property(x, _))) => {
                    source.keys.insert(x.2.to_string());
                }
                Some(ASTNode::Stmt(Stmt::Var(x, ..))) => {
                    source.variables.insert(x.0.name.to_string());
                }
                Some(ASTNode::Stmt(Stmt::For(x, _))) => {
                    source.variables.insert(x.0.name.to_string());
                    source.variables.extend(x.1.iter().map(|i| i.name.to_string()));
                }
                Some(ASTNode::Expr(Expr::FnCall(x, _))) if x.name == "curry" => {
                    for arg in &x.args {
                        if let Expr::Variable(v, short, _) = arg
                            && (v.0.is_some() || short.is_some())
                        {
                            source.captured.insert(v.1.to_string());
                        }
                    }
                }
                _ => {}
            }
            true
        });
        ast.walk(&mut |path| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => self.call(&source, call, *position),
                Some(ASTNode::Expr(Expr::FnCall(call, position))) => self.call(&source, call, *position),
                Some(ASTNode::Expr(Expr::MethodCall(call, position))) => self.method(&source, call, *position),
                Some(ASTNode::Expr(Expr::Variable(x, short, position))) => {
                    let resolved = x.0.is_some() || short.is_some();
                    self.variable(&source, &x.1, &x.2, resolved, *position);
                }
                _ => {}
            }
            true
        });
        for (position, severity, failure) in steps::faults(ast) {
            self.push(&source, position, severity, &failure);
        }
    }

    fn push(&mut self, source: &Source, position: Position, severity: Severity, failure: &Failure) {
        let problem = Problem::at(source.name, source.text, position, failure);
        self.problems.push(Problem { severity, ..problem });
    }

    fn import(&mut self, source: &mut Source, path: &Expr, alias: &str, position: Position) {
        let Expr::StringConstant(module, place) = path else {
            // Only known when it runs: nothing under this alias can be judged.
            source.imports.insert(alias.to_owned(), None);
            return;
        };
        match self.module(module, Some(source.name)) {
            Ok(names) => {
                source.imports.insert(alias.to_owned(), names);
            }
            Err(failure) => {
                source.imports.insert(alias.to_owned(), None);
                let place = if place.is_none() { position } else { *place };
                self.push(source, place, Severity::Error, &failure);
            }
        }
    }

    /// The exported functions of a module, which is checked on the way. `None`
    /// if its text doesn't compile; that is a problem of its own already.
    fn module(&mut self, name: &str, from: Option<&str>) -> Result<Option<Names>, Failure> {
        let found = self.library.find(name, from)?;
        if let Some(names) = self.modules.get(&found.origin) {
            return Ok(Some(names.clone()));
        }
        let ast = match self.engine.compile(&*found.text) {
            Ok(ast) => ast,
            Err(error) => {
                let failure = words::syntax(error.err_type());
                let problem = Problem::at(&found.origin, &found.text, error.position(), &failure);
                self.problems.push(problem);
                return Ok(None);
            }
        };
        let mut exported = Names::new();
        for function in ast.iter_functions().filter(|f| f.access.is_public()) {
            add_function(&function, &mut exported);
        }
        self.modules.insert(found.origin.clone(), exported.clone());
        // The prompt's own functions and imports are not seen by modules.
        let (known, imports) = (std::mem::take(&mut self.known), std::mem::take(&mut self.imports));
        self.walk(&found.origin, &found.text, &ast, &Scope::new());
        (self.known, self.imports) = (known, imports);
        Ok(Some(exported))
    }

    fn call(&mut self, source: &Source, call: &FnCallExpr, position: Position) {
        if call.is_operator_call() || call.name.starts_with("anon$") {
            return;
        }
        let (name, count) = (call.name.as_str(), call.args.len());
        if !call.namespace.is_empty() {
            let parts: Vec<&str> = call.namespace.path.iter().map(|i| i.name.as_str()).collect();
            self.qualified(source, &parts, call.namespace.position(), name, count);
            return;
        }
        // `call!(…)` and Rhai's own helper for captured variables.
        if call.capture_parent_scope {
            return;
        }
        let mut overloads = Vec::new();
        if let Some(own) = source.functions.get(name) {
            overloads.extend(own.iter().cloned());
        }
        overloads.extend(declared("", name));
        overloads.extend(properties(name));
        let shown = overloads.len();
        overloads.extend(names::standard().get(name).cloned().unwrap_or_default());
        if overloads.is_empty() {
            let failure = self.unknown(source, name);
            self.push(source, position, Severity::Error, &failure);
        } else if !overloads.iter().any(|o| (o.fewest..=o.most).contains(&count)) {
            // Ours are meant where both exist.
            let shown = if shown > 0 { &overloads[..shown] } else { &overloads[..] };
            let failure = arity(name, count, shown);
            self.push(source, position, Severity::Error, &failure);
        }
    }

    fn variable(&mut self, source: &Source, name: &str, space: &Namespace, resolved: bool, position: Position) {
        if let Some(root) = space.path.first().map(|i| i.name.as_str()) {
            let known =
                source.imports.contains_key(root) || root == "global" || self.engine_names().contains(&root.to_owned());
            if !known {
                let failure = words::unknown_namespace(root, source.imports.keys().cloned().chain(self.engine_names()));
                self.push(source, space.position(), Severity::Error, &failure);
            }
        } else if !resolved && !source.captured.contains(name) && !source.functions.contains_key(name) {
            let failure = words::unknown_variable(name, source.variables.iter().cloned());
            self.push(source, position, Severity::Error, &failure);
        }
    }

    fn unknown(&self, source: &Source, name: &str) -> Failure {
        let failure = Failure::new(Kind::Usage, format!("there is no function `{name}`"));
        if source.variables.contains(name) {
            return failure.hint(format!("a closure in a variable is called by {name}.call(…)"));
        }
        // The verb alone, of a namespace that has it.
        let owner = crate::api::all().into_iter().find(|p| p.name == name && !p.namespace.is_empty());
        if let Some(primitive) = owner {
            return failure.hint(format!("did you mean `{}`?", primitive.full_name()));
        }
        let module = source.imports.iter().find(|(_, n)| n.as_ref().is_some_and(|n| n.contains_key(name)));
        if let Some((alias, _)) = module {
            return failure.hint(format!("did you mean `{alias}::{name}`?"));
        }
        let own = source.functions.keys().cloned();
        let ours = crate::api::all().into_iter().map(|p| p.full_name());
        let near = suggest::nearest(name, own.chain(ours).collect::<Vec<_>>());
        match near.or_else(|| suggest::nearest(name, names::standard().keys())) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("the prompt lists all of them: ?"),
        }
    }

    fn qualified(&mut self, source: &Source, path: &[&str], position: Position, name: &str, count: usize) {
        let space = path.join("::");
        let full = format!("{space}::{name}");
        let overloads = match source.imports.get(&space) {
            Some(None) => return,
            Some(Some(exported)) => match exported.get(name) {
                Some(overloads) => overloads.clone(),
                None => {
                    let failure = Failure::new(Kind::Usage, format!("the module `{space}` has no function `{name}`"));
                    let failure = failure.hint(member_hint(name, &space, exported.keys().map(String::as_str)));
                    self.push(source, position, Severity::Error, &failure);
                    return;
                }
            },
            None if path.len() > 1 && source.imports.contains_key(path[0]) => return,
            None => declared(&space, name),
        };
        if overloads.is_empty() {
            let members = names::primitives_in(&space);
            let failure = if members.is_empty() {
                words::unknown_namespace(&space, source.imports.keys().cloned().chain(self.engine_names()))
            } else {
                let failure = Failure::new(Kind::Usage, format!("the namespace `{space}` has no `{name}`"));
                failure.hint(member_hint(name, &space, members.iter().map(|p| p.name)))
            };
            self.push(source, position, Severity::Error, &failure);
        } else if !overloads.iter().any(|o| (o.fewest..=o.most).contains(&count)) {
            let failure = arity(&full, count, &overloads);
            self.push(source, position, Severity::Error, &failure);
        }
    }

    fn method(&mut self, source: &Source, call: &FnCallExpr, position: Position) {
        let (name, count) = (call.name.as_str(), call.args.len() + 1);
        if source.keys.contains(name) {
            return;
        }
        let mut overloads: Vec<Overload> = Vec::new();
        // A script's function gets the receiver as `this`, which isn't counted.
        for own in source.functions.get(name).into_iter().flatten() {
            overloads.push(Overload { fewest: own.fewest + 1, most: own.most + 1, ..own.clone() });
        }
        for primitive in crate::api::all() {
            let as_method = primitive.namespace.is_empty() || primitive.methods_too;
            if primitive.name == name && as_method && *primitive.arity().end() > 0 {
                overloads.push(names::overload(primitive));
            }
        }
        overloads.extend(properties(name));
        let shown = overloads.len();
        overloads.extend(names::standard().get(name).cloned().unwrap_or_default());
        if overloads.is_empty() {
            let failure = Failure::new(Kind::Usage, format!("there is no method `{name}`"));
            let ours = crate::api::all().into_iter().filter(|p| p.methods_too).map(|p| p.name.to_owned());
            let theirs = names::standard().keys().cloned();
            let properties = crate::api::types().into_iter().flat_map(|t| t.properties).map(|p| p.name.to_owned());
            let own = source.functions.keys().cloned();
            let candidates: Vec<String> = own.chain(ours).chain(properties).chain(theirs).collect();
            let failure = match suggest::nearest(name, candidates) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("the prompt lists what a value has: type its name, a dot and Tab"),
            };
            self.push(source, position, Severity::Error, &failure);
        } else if !overloads.iter().any(|o| (o.fewest..=o.most).contains(&count)) {
            let shown = if shown > 0 { &overloads[..shown] } else { &overloads[..] };
            let failure = arity(name, count, shown);
            self.push(source, position, Severity::Error, &failure);
        }
    }
}

fn member_hint<'n>(name: &str, space: &str, members: impl Iterator<Item = &'n str>) -> String {
    let members: Vec<&str> = members.collect();
    match suggest::nearest(name, members.iter().copied()) {
        Some(near) => format!("did you mean `{space}::{near}`?"),
        None if members.is_empty() => "it has no functions at all".to_owned(),
        None => format!("it has {}", members.join(", ")),
    }
}

fn declared(namespace: &str, name: &str) -> Vec<Overload> {
    let all = crate::api::all().into_iter().filter(|p| p.namespace == namespace && p.name == name);
    all.map(names::overload).collect()
}

/// Properties are methods of one argument: the value.
fn properties(name: &str) -> Vec<Overload> {
    let own = crate::api::types().into_iter();
    own.flat_map(|t| t.properties.iter().map(move |p| (t, p)))
        .filter(|(_, p)| p.name == name)
        .map(|(t, p)| Overload { fewest: 1, most: 1, signature: format!("{}.{}()", t.name, p.name) })
        .collect()
}

fn arity(name: &str, count: usize, overloads: &[Overload]) -> Failure {
    let given = match count {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        n => format!("{n} arguments"),
    };
    let mut signatures: Vec<&str> = overloads.iter().map(|o| o.signature.as_str()).collect();
    signatures.dedup();
    signatures.truncate(4);
    Failure::new(Kind::Usage, format!("`{name}` can't be called with {given}"))
        .hint(format!("it is called as {}", signatures.join(" or ")))
}

fn collect_functions(ast: &AST, names: &mut Names) {
    for function in ast.iter_functions() {
        add_function(&function, names);
    }
}

fn add_function(function: &rhai::ScriptFnMetadata<'_>, names: &mut Names) {
    let count = function.params.len();
    let signature = format!("{}({})", function.name, function.params.join(", "));
    names.entry(function.name.to_owned()).or_default().push(Overload { fewest: count, most: count, signature });
}

/// Where `fn name` stands; the syntax tree doesn't keep it.
fn position_of_definition(text: &str, name: &str) -> Position {
    for (n, line) in text.lines().enumerate() {
        let Some(found) = line.find(&format!("fn {name}")) else { continue };
        let column = line[..found].chars().count() + 4;
        if let (Ok(line), Ok(column)) = (u16::try_from(n + 1), u16::try_from(column)) {
            return Position::new(line, column);
        }
    }
    Position::NONE
}
