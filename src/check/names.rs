//! Every function name that a script may call, with its numbers of arguments
//! and its signatures.
//!
//! Three sources: the declarations, Rhai's standard packages (from the engine's
//! own metadata), and the keywords that look like functions.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::api;
use crate::api::declare::Primitive;

/// One way to call a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overload {
    /// Fewest arguments; a method's receiver counts.
    pub fewest: usize,
    /// Most arguments.
    pub most: usize,
    /// As shown to people.
    pub signature: String,
}

/// Names and their overloads.
pub type Names = BTreeMap<String, Vec<Overload>>;

/// Keywords that are called like functions, with their numbers of arguments.
const KEYWORDS: &[(&str, usize, usize)] = &[
    ("Fn", 1, 1),
    ("call", 1, 32),
    ("curry", 1, 32),
    ("debug", 0, 1),
    ("is_def_fn", 2, 3),
    ("is_def_var", 1, 1),
    ("is_shared", 1, 1),
    ("print", 0, 1),
    ("type_of", 1, 1),
];

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    functions: Vec<Function>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Function {
    name: String,
    num_params: usize,
    signature: String,
}

/// The names of Rhai's standard packages and keywords. Read once in a process:
/// they are part of the binary.
pub fn standard() -> &'static Names {
    static STANDARD: OnceLock<Names> = OnceLock::new();
    STANDARD.get_or_init(|| {
        let mut names = Names::new();
        for (name, fewest, most) in KEYWORDS {
            let signature = format!("{name}(…)");
            names.entry((*name).to_owned()).or_default().push(Overload { fewest: *fewest, most: *most, signature });
        }
        let metadata = rhai::Engine::new().gen_fn_metadata_to_json(true).unwrap_or_default();
        let metadata = serde_json::from_str::<Metadata>(&metadata).unwrap_or(Metadata { functions: Vec::new() });
        for function in metadata.functions {
            let first = function.name.chars().next().unwrap_or(' ');
            if !(first.is_alphabetic() || first == '_') || function.name.contains('$') {
                continue;
            }
            let (fewest, most) = (function.num_params, function.num_params);
            let signature = readable(&function.signature);
            names.entry(function.name).or_default().push(Overload { fewest, most, signature });
        }
        for overloads in names.values_mut() {
            overloads.sort();
            overloads.dedup();
        }
        names
    })
}

/// `push(array: &mut Array, item: ?)` → `push(array, item)`.
fn readable(signature: &str) -> String {
    let (head, rest) = signature.split_once('(').unwrap_or((signature, ")"));
    let inside = rest.rsplit_once(')').map_or(rest, |(inside, _)| inside);
    // The types are Rust's; their commas stand inside < >.
    let (mut depth, mut parts, mut part) = (0, Vec::new(), String::new());
    for letter in inside.chars() {
        match letter {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            _ => {}
        }
        if letter == ',' && depth == 0 {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(letter);
        }
    }
    parts.push(part);
    let parts = parts.iter().map(|p| p.split(':').next().unwrap_or_default().trim()).filter(|p| !p.is_empty());
    format!("{head}({})", parts.collect::<Vec<_>>().join(", "))
}

/// The declared primitive of a full name.
pub fn primitive(full_name: &str) -> Option<&'static Primitive> {
    api::all().into_iter().find(|p| p.full_name() == full_name)
}

/// The declared primitives of a namespace, or the flat ones for "".
pub fn primitives_in(namespace: &str) -> Vec<&'static Primitive> {
    api::all().into_iter().filter(|p| p.namespace == namespace).collect()
}

/// The declared namespaces, sorted.
pub fn namespaces() -> Vec<&'static str> {
    let mut spaces: Vec<&str> = api::all().into_iter().map(|p| p.namespace).filter(|n| !n.is_empty()).collect();
    spaces.sort_unstable();
    spaces.dedup();
    spaces
}

/// A primitive's overload.
pub fn overload(primitive: &Primitive) -> Overload {
    let arity = primitive.arity();
    Overload { fewest: *arity.start(), most: *arity.end(), signature: primitive.signature() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_packages_are_known_by_name() {
        let names = standard();
        for name in ["push", "len", "filter", "to_string", "type_of", "exit", "contains"] {
            assert!(names.contains_key(name), "{name}");
        }
        assert!(names["push"].iter().any(|o| o.fewest == 2));
    }

    #[test]
    fn signatures_lose_their_rust_types() {
        assert_eq!(readable("push(array: &mut Array, item: ?)"), "push(array, item)");
        assert_eq!(readable("f(a: Result<A, B>, b: i64) -> Result<(), X>"), "f(a, b)");
    }
}
