//! Where `import` finds its modules: the importing folder for `./x`, the
//! project's `lib/`, and last what is bundled in the binary.
//!
//! A customer's copy of a bundled module wins over it. Absolute paths and `..`
//! are refused: a project stays what it is wherever it lies. Every module that
//! a run used is recorded with its origin and hash. Modules are kept for one
//! run; a changed file counts with the next.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Scope};
use sha2::{Digest, Sha256};

use super::{bundled, failures};
use crate::base::{Failure, Kind, Result};
use crate::check::suggest;

/// The modules of one project; clones share what they found.
#[derive(Clone)]
pub struct Library(Arc<Inner>);

struct Inner {
    folders: Vec<PathBuf>,
    bundled: Vec<(String, String)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ready: BTreeMap<String, Arc<Module>>,
    loading: Vec<String>,
    used: Vec<Used>,
    sources: BTreeMap<String, Arc<str>>,
    homes: BTreeMap<String, Home>,
    closures: BTreeMap<String, String>,
    functions: BTreeMap<String, String>,
}

/// What `./` means in a source.
#[derive(Clone, Debug)]
enum Home {
    /// A folder on disk.
    Folder(PathBuf),
    /// A place in the library: `std` for `std/waves`.
    Named(String),
}

/// A module that a run used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Used {
    /// The name in the `import`.
    pub name: String,
    /// Where it came from: `lib/std/waves.rhai` or `bundled:std/waves`.
    pub origin: String,
    /// SHA-256 of its text, in hexadecimal.
    pub sha256: String,
}

/// A module that was found, not yet compiled.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it came from; also the name of its source in messages.
    pub origin: String,
    /// Its text.
    pub text: Arc<str>,
}

impl Library {
    /// A library over folders, the first one winning, and the bundled modules
    /// behind them. Folders need not exist.
    pub fn new(folders: Vec<PathBuf>) -> Library {
        let bundled = bundled::MODULES.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
        Library::with_bundled(folders, bundled)
    }

    /// The bundled modules alone.
    pub fn bundled_only() -> Library {
        Library::new(Vec::new())
    }

    pub(crate) fn with_bundled(folders: Vec<PathBuf>, bundled: Vec<(String, String)>) -> Library {
        Library(Arc::new(Inner { folders, bundled, state: Mutex::default() }))
    }

    /// The same places with nothing kept: for the next run.
    pub fn fresh(&self) -> Library {
        Library::with_bundled(self.0.folders.clone(), self.0.bundled.clone())
    }

    /// What was imported so far, in that order, for the journal's pins.
    pub fn used(&self) -> Vec<Used> {
        self.state().used.clone()
    }

    /// The text of a source by the name that positions carry.
    pub fn source(&self, name: &str) -> Option<Arc<str>> {
        self.state().sources.get(name).cloned()
    }

    /// Makes the text of a script known, for carets and for its `./` imports.
    /// The name is its path, if it has one.
    pub fn remember(&self, name: &str, text: &str) {
        let folder = Path::new(name).parent().map(Path::to_path_buf).unwrap_or_default();
        let mut state = self.state();
        state.sources.insert(name.to_owned(), text.into());
        state.homes.entry(name.to_owned()).or_insert(Home::Folder(folder));
    }

    /// Notes where the closures of a source stand. The engine gives a closure's
    /// error the source of whoever called it; its name leads back.
    pub(crate) fn remember_closures(&self, ast: &rhai::AST, source: &str) {
        let names = ast.iter_functions().map(|f| f.name).filter(|n| n.starts_with("anon$"));
        let mut state = self.state();
        state.closures.extend(names.map(|n| (n.to_owned(), source.to_owned())));
    }

    /// Notes where the functions of a prompt's line stand: all lines together
    /// are one script to the engine, named like the latest.
    pub(crate) fn remember_functions(&self, ast: &rhai::AST, source: &str) {
        let mut state = self.state();
        state.functions.extend(ast.iter_functions().map(|f| (f.name.to_owned(), source.to_owned())));
    }

    /// The true source of a function, where the engine's word `told` is not
    /// enough.
    pub(crate) fn function_source(&self, name: &str, told: &str) -> Option<String> {
        let state = self.state();
        let prompted = if told.starts_with("prompt-") { state.functions.get(name) } else { None };
        state.closures.get(name).or(prompted).cloned()
    }

    /// Drops compiled modules, so that files are read again.
    pub(crate) fn forget_modules(&self) {
        self.state().ready.clear();
    }

    /// Every plain name that could be imported, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.bundled.iter().map(|(n, _)| n.clone()).collect();
        for folder in &self.0.folders {
            list(folder, "", 3, &mut names);
        }
        names.sort();
        names.dedup();
        names
    }

    /// Finds the text of a module.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a refused path, [`Kind::NotFound`] with the nearest
    /// name, [`Kind::Local`] if the file is there and can't be read.
    pub fn find(&self, name: &str, from: Option<&str>) -> Result<Found> {
        let plain = plain_name(name)?;
        let found = match plain.strip_prefix("./") {
            None => self.find_plain(plain)?,
            Some(rest) => match from.and_then(|f| self.state().homes.get(f).cloned()) {
                Some(Home::Named(space)) if space.is_empty() => self.find_plain(rest)?,
                Some(Home::Named(space)) => self.find_plain(&format!("{space}/{rest}"))?,
                Some(Home::Folder(folder)) => self.read(&folder.join(format!("{rest}.rhai")), None)?,
                None => self.read(Path::new(&format!("{rest}.rhai")), None)?,
            },
        };
        found.ok_or_else(|| {
            let failure = Failure::new(Kind::NotFound, format!("there is no module \"{name}\""));
            match suggest::nearest(plain, self.names()) {
                Some(near) => failure.hint(format!("did you mean \"{near}\"?")),
                None if plain.starts_with("./") => {
                    failure.hint(format!("\"./\" looks beside the importing file for {}.rhai", &plain[2..]))
                }
                None => failure.hint(format!("the library has {}", self.names().join(", "))),
            }
        })
    }

    fn find_plain(&self, plain: &str) -> Result<Option<Found>> {
        let space = plain.rsplit_once('/').map_or("", |(space, _)| space).to_owned();
        for folder in &self.0.folders {
            let home = Home::Named(space.clone());
            if let Some(found) = self.read(&folder.join(format!("{plain}.rhai")), Some(home))? {
                return Ok(Some(found));
            }
        }
        let Some((name, text)) = self.0.bundled.iter().find(|(n, _)| n == plain) else { return Ok(None) };
        let found = Found { origin: format!("bundled:{name}"), text: text.as_str().into() };
        self.keep_source(&found, Home::Named(space));
        Ok(Some(found))
    }

    fn read(&self, path: &Path, home: Option<Home>) -> Result<Option<Found>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => {
                let failure = Failure::new(Kind::Local, format!("module {} can't be read: {e}", path.display()));
                return Err(failure.hint("check that it is a text file in UTF-8 and that you may read it"));
            }
        };
        // Notepad puts a byte order mark before UTF-8; the language knows none.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let found = Found { origin: path.display().to_string(), text: text.into() };
        let home = home.unwrap_or_else(|| Home::Folder(path.parent().map(Path::to_path_buf).unwrap_or_default()));
        self.keep_source(&found, home);
        Ok(Some(found))
    }

    fn keep_source(&self, found: &Found, home: Home) {
        let mut state = self.state();
        state.sources.insert(found.origin.clone(), found.text.clone());
        state.homes.insert(found.origin.clone(), home);
    }

    fn load(&self, engine: &Engine, name: &str, found: &Found, position: Position) -> Resolved {
        let wrap = |error: Box<EvalAltResult>| -> Box<EvalAltResult> {
            // A cancellation stays bare: wrapped, a `try` could catch it.
            let (leaf, _) = failures::leaf(&error, "");
            let bare = !leaf.is_catchable() && !matches!(leaf, EvalAltResult::ErrorParsing(..));
            if bare { error } else { EvalAltResult::ErrorInModule(found.origin.clone(), error, position).into() }
        };
        let mut ast = engine.compile(&*found.text).map_err(|e| wrap(Box::new(e.into())))?;
        ast.set_source(found.origin.as_str());
        self.remember_closures(&ast, &found.origin);
        let module = Arc::new(Module::eval_ast_as_new(Scope::new(), &ast, engine).map_err(wrap)?);
        let mut state = self.state();
        state.used.push(Used { name: name.to_owned(), origin: found.origin.clone(), sha256: sha256(&found.text) });
        state.ready.insert(found.origin.clone(), module.clone());
        Ok(module)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Resolved = Result<Arc<Module>, Box<EvalAltResult>>;

impl ModuleResolver for Library {
    fn resolve(&self, engine: &Engine, from: Option<&str>, name: &str, position: Position) -> Resolved {
        let refuse = |mut failure: Failure| {
            failure.at = failures::place(from, position);
            failures::into_error(failure, position)
        };
        let found = self.find(name, from).map_err(refuse)?;
        if let Some(ready) = self.state().ready.get(&found.origin) {
            return Ok(ready.clone());
        }
        {
            let mut state = self.state();
            if state.loading.contains(&found.origin) {
                // Unstopped, this would overflow the stack and end the process.
                let chain = state.loading.join(" → ");
                let failure = Failure::new(Kind::Usage, format!("module \"{name}\" imports itself"))
                    .detail(format!("{chain} → {}", found.origin))
                    .hint("move what both need into a third module");
                return Err(refuse(failure));
            }
            state.loading.push(found.origin.clone());
        }
        let loaded = self.load(engine, name, &found, position);
        self.state().loading.retain(|origin| *origin != found.origin);
        loaded
    }
}

/// The name without a trailing `.rhai`, if it may be imported.
fn plain_name(name: &str) -> Result<&str> {
    let refused = |why: &str| {
        let text = format!("module \"{name}\" is refused: {why}");
        Err(Failure::new(Kind::Usage, text).hint("name modules like \"std/waves\", or \"./local\" beside the script"))
    };
    if name.trim().is_empty() {
        return refused("the name is empty");
    }
    if name.starts_with('/') || name.starts_with('\\') || name.contains(':') || name.starts_with('~') {
        return refused("absolute paths are not allowed");
    }
    if name.contains('\\') {
        return refused("folders are separated by /");
    }
    let name_only = name.strip_suffix(".rhai").unwrap_or(name);
    let parts = name_only.strip_prefix("./").unwrap_or(name_only);
    if parts.split('/').any(|part| part == "..") {
        return refused("a path may not leave its folder by ..");
    }
    if parts.split('/').any(|part| part.is_empty() || part == ".") {
        return refused("a part of the path is empty");
    }
    Ok(name_only)
}

fn list(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(stem) = path.file_stem().and_then(|s| s.to_str()) else { continue };
        if path.is_dir() {
            if depth > 1 {
                list(&path, &format!("{prefix}{stem}/"), depth - 1, names);
            }
        } else if path.extension().is_some_and(|e| e == "rhai") && !stem.ends_with(".test") {
            names.push(format!("{prefix}{stem}"));
        }
    }
}

/// SHA-256 of a text in hexadecimal.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_project_are_refused() {
        let library = Library::bundled_only();
        for name in ["/etc/passwd", "../secret", "a/../../b", "C:/x", "..\\x", "a//b", "", "./../x", "~/x"] {
            let failure = library.find(name, None).expect_err(name);
            assert_eq!(failure.kind, Kind::Usage, "{name}: {failure}");
        }
    }

    #[test]
    fn the_customers_copy_wins_and_the_bundled_one_stands_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let std_folder = folder.path().join("std");
        std::fs::create_dir(&std_folder).expect("a fresh folder takes a folder");
        let library = Library::with_bundled(
            vec![folder.path().to_path_buf()],
            vec![("std/a".into(), "fn x() { 1 }".into()), ("std/b".into(), "fn x() { 2 }".into())],
        );
        std::fs::write(std_folder.join("a.rhai"), "fn x() { 3 }").expect("a fresh folder takes a file");
        assert_eq!(&*library.find("std/a", None).expect("it is there").text, "fn x() { 3 }");
        assert_eq!(library.find("std/b", None).expect("it is bundled").origin, "bundled:std/b");
        // A relative import from the copy reaches the bundled neighbour.
        let from = std_folder.join("a.rhai").display().to_string();
        assert_eq!(library.find("./b", Some(&from)).expect("the neighbour is bundled").origin, "bundled:std/b");
    }

    #[test]
    fn a_missing_module_names_the_near_one() {
        let failure = Library::bundled_only().find("std/wave", None).expect_err("there is none");
        assert_eq!(failure.hint.as_deref(), Some("did you mean \"std/waves\"?"));
    }
}
