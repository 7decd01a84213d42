//! Which modules a script imports, by itself and through others, found without
//! running it: what a run pins when it begins.
//!
//! A module whose name is made while the script runs can't be found here.

use std::collections::BTreeSet;
use std::sync::Arc;

use rhai::{ASTNode, Engine, Expr, Stmt};

use crate::host::engine;
use crate::host::library::Library;

/// A module that a script imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The name in the `import`.
    pub name: String,
    /// Where it comes from: `lib/std/waves.rhai` or `bundled:std/waves`.
    pub origin: String,
    /// Its text.
    pub text: Arc<str>,
}

/// Every module of a script, in the order of the imports, each once. What can't be
/// found or read is left out: the check tells it.
pub fn modules(name: &str, text: &str, library: &Library) -> Vec<Imported> {
    let library = library.fresh();
    library.remember(name, text);
    let engine = engine::checking(&library, false);
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    walk(&engine, &library, name, text, &mut found, &mut seen);
    found
}

fn walk(
    engine: &Engine,
    library: &Library,
    source: &str,
    text: &str,
    found: &mut Vec<Imported>,
    seen: &mut BTreeSet<String>,
) {
    let Ok(ast) = engine.compile(text) else { return };
    let mut names = Vec::new();
    ast.walk(&mut |path| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, _))) = path.last()
            && let Expr::StringConstant(module, _) = &import.0
        {
            names.push(module.to_string());
        }
        true
    });
    for name in names {
        let Ok(module) = library.find(&name, Some(source)) else { continue };
        if seen.insert(module.origin.clone()) {
            found.push(Imported { name, origin: module.origin.clone(), text: module.text.clone() });
            walk(engine, library, &module.origin, &module.text, found, seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_of_modules_are_found_and_each_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("b.rhai"), "fn x() { import \"a\" as a; 1 }").expect("a fresh folder");
        std::fs::write(folder.path().join("a.rhai"), "import \"b\" as b; import \"std/waves\" as w;")
            .expect("the same");
        let library = Library::new(vec![folder.path().to_path_buf()]);
        let text = "if true { import \"b\" as b; } let n = \"std/people\"; import n as p;";
        let names: Vec<String> = modules("s.rhai", text, &library).into_iter().map(|m| m.name).collect();
        assert_eq!(names, ["b", "a", "std/waves"]);
    }
}
