//! What the prompt knows at the moment, for completion and hints: a plain
//! picture of variables, functions and imports, renewed after every line.

use std::collections::BTreeMap;

use rhai::Dynamic;

use crate::api;
use crate::check::names;

/// A picture of the prompt's state.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Variables and what they hold.
    pub variables: BTreeMap<String, Shape>,
    /// Functions defined at the prompt, with their parameters: `f(a, b)`.
    pub functions: BTreeMap<String, String>,
    /// Imported modules: alias, then function and its signature.
    pub imports: BTreeMap<String, BTreeMap<String, String>>,
    /// Modules that could be imported.
    pub modules: Vec<String>,
}

/// What a variable holds, as far as completion needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The type's name for people.
    pub word: String,
    /// What may stand behind a dot: keys, properties, and methods with `(`.
    pub members: Vec<String>,
}

/// Methods worth offering; the standard packages have many more.
const ARRAY: &[&str] = &[
    "len",
    "push(",
    "pop()",
    "insert(",
    "remove(",
    "filter(",
    "map(",
    "for_each(",
    "find(",
    "some(",
    "all(",
    "sort(",
    "reverse()",
    "contains(",
    "index_of(",
    "extract(",
    "reduce(",
    "dedup()",
    "is_empty()",
];
const TEXT: &[&str] = &[
    "len",
    "contains(",
    "starts_with(",
    "ends_with(",
    "split(",
    "replace(",
    "trim()",
    "to_lower()",
    "to_upper()",
    "sub_string(",
    "index_of(",
    "is_empty()",
];
const MAP: &[&str] = &["keys()", "values()", "len()", "get(", "contains(", "remove(", "mixin("];
const NUMBER: &[&str] = &["to_string()", "abs()", "max(", "min(", "to_float()"];
const CLOSURE: &[&str] = &["call(", "curry("];

impl Shape {
    /// The shape of a value.
    pub fn of(value: &Dynamic) -> Shape {
        let value = value.clone().flatten();
        let word = crate::host::values::type_word(value.type_name());
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let mut members = match word.as_str() {
            "array" => owned(ARRAY),
            "text" => owned(TEXT),
            "whole number" | "number" => owned(NUMBER),
            "closure" => owned(CLOSURE),
            "map" => {
                let keys = value.as_map_ref().map(|m| m.keys().map(ToString::to_string).collect::<Vec<_>>());
                keys.unwrap_or_default().into_iter().chain(owned(MAP)).collect()
            }
            _ => Vec::new(),
        };
        if let Some(own) = api::types().into_iter().find(|t| t.name == word) {
            members.extend(own.properties.iter().map(|p| p.name.to_owned()));
            let methods = api::all().into_iter().filter(|p| p.methods_too);
            let fitting = methods.filter(|p| p.args.first().is_some_and(|a| a.kind.word() == word));
            members.extend(fitting.map(|p| format!("{}{}", p.name, if p.args.len() > 1 { "(" } else { "()" })));
        }
        Shape { word, members }
    }
}

impl Known {
    /// The signature of a name as it is called: of a primitive, of a function
    /// of the prompt, or of an imported module. A method counts its receiver.
    pub fn signature(&self, name: &str) -> Option<String> {
        if let Some(own) = self.functions.get(name) {
            return Some(own.clone());
        }
        if let Some((alias, function)) = name.rsplit_once("::")
            && let Some(signature) = self.imports.get(alias).and_then(|m| m.get(function))
        {
            return Some(format!("{alias}::{signature}"));
        }
        if let Some(primitive) = names::primitive(name) {
            return Some(primitive.signature());
        }
        names::standard().get(name).and_then(|all| all.first()).map(|o| o.signature.clone())
    }
}
