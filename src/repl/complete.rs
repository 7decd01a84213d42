//! Completion by context: what may stand at the cursor, and nothing else.
//!
//! Pure: from the line, the cursor and a picture of the prompt's state to the
//! candidates. Only file names ask the disk.

use std::path::Path;

use super::known::Known;
use super::scan::{self, Class};
use crate::api;
use crate::api::declare::{Kind, Primitive};
use crate::check::names;

/// Something that may stand at the cursor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// As shown in the list.
    pub display: String,
    /// As put into the line.
    pub replacement: String,
}

const KEYWORDS: &[&str] = &[
    "let ", "const ", "if ", "else ", "for ", "in ", "while ", "loop ", "switch ", "try ", "catch ", "throw ", "fn ",
    "import ", "return ", "break", "true", "false", "print(", "type_of(",
];

/// The prompt's own commands.
pub const COMMANDS: &[&str] = &[":help", ":vars", ":load ", ":save ", ":time", ":quit"];

/// Candidates for the cursor at byte `pos`, and the byte where they begin.
pub fn complete(line: &str, pos: usize, known: &Known) -> (usize, Vec<Candidate>) {
    let typed = &line[..pos];
    let (start, mut found) = candidates(typed, known);
    found.sort();
    found.dedup();
    (start, found)
}

fn candidates(typed: &str, known: &Known) -> (usize, Vec<Candidate>) {
    let trimmed = typed.trim_start();
    if let Some(path) = [":load ", ":save "].iter().find_map(|c| trimmed.strip_prefix(c)) {
        return files(typed, path);
    }
    if trimmed.starts_with(':') {
        return begins(typed.len() - trimmed.len(), trimmed, COMMANDS.iter().map(|c| (*c).to_owned()));
    }
    if trimmed.starts_with('?') {
        let word = trimmed.trim_start_matches('?');
        let names = api::all().into_iter().map(Primitive::full_name).chain(known.modules.iter().cloned());
        return begins(typed.len() - word.len(), word, names);
    }
    let pieces = scan::pieces(typed);
    let last = pieces.last().copied();
    if let Some(text) = last.filter(|p| p.class == Class::Text && !p.closed) {
        let inside = &typed[text.start + 1..];
        let before = pieces.iter().rev().skip(1).find(|p| p.class != Class::Space);
        if before.is_some_and(|p| &typed[p.start..p.end] == "import") {
            return begins(text.start + 1, inside, known.modules.iter().cloned());
        }
        return files(typed, inside);
    }
    if last.is_some_and(|p| p.class == Class::Comment) {
        return (typed.len(), Vec::new());
    }
    let word_start = last.filter(|p| p.class == Class::Word).map_or(typed.len(), |p| p.start);
    let (word, before) = (&typed[word_start..], &typed[..word_start]);
    if let Some(space) = before.strip_suffix("::") {
        let from = space.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |i| i + 1);
        return begins(word_start, word, members_of(&space[from..], known));
    }
    if let Some(receiver) = before.strip_suffix("?.").or_else(|| before.strip_suffix('.')) {
        if receiver.ends_with('.') {
            return (typed.len(), Vec::new());
        }
        return begins(word_start, word, after_dot(receiver, known));
    }
    if let Some(keys) = option_keys(before) {
        return begins(word_start, word, keys.into_iter());
    }
    if word.is_empty() && !before.trim_end().ends_with(['(', ',', '=', '[', '{', ';']) && !before.trim().is_empty() {
        return (typed.len(), Vec::new());
    }
    begins(word_start, word, everything(known))
}

fn begins(start: usize, word: &str, names: impl Iterator<Item = String>) -> (usize, Vec<Candidate>) {
    let fitting = names.filter(|n| n.starts_with(word) && n.len() > word.len());
    let candidate =
        |name: String| Candidate { display: name.trim_end_matches(['(', ' ']).to_owned(), replacement: name };
    (start, fitting.map(candidate).collect())
}

fn called(primitive: &Primitive) -> String {
    let bracket = if primitive.args.is_empty() { "()" } else { "(" };
    format!("{}{bracket}", primitive.name)
}

fn members_of<'k>(space: &str, known: &'k Known) -> Box<dyn Iterator<Item = String> + 'k> {
    match known.imports.get(space) {
        Some(functions) => Box::new(functions.keys().map(|f| format!("{f}("))),
        None => Box::new(names::primitives_in(space).into_iter().map(called).collect::<Vec<_>>().into_iter()),
    }
}

/// Members of a plain variable; of anything else, the properties and methods
/// of our own types.
fn after_dot(receiver: &str, known: &Known) -> std::vec::IntoIter<String> {
    let from = receiver.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |i| i + 1);
    let plain = !receiver[..from].ends_with('.');
    if let Some(shape) = known.variables.get(&receiver[from..]).filter(|_| plain) {
        return shape.members.clone().into_iter();
    }
    let properties = api::types().into_iter().flat_map(|t| t.properties).map(|p| p.name.to_owned());
    let methods = api::all().into_iter().filter(|p| p.methods_too).map(called);
    properties.chain(methods).collect::<Vec<_>>().into_iter()
}

/// Keys of the options map that the cursor is in, without those written.
fn option_keys(before: &str) -> Option<Vec<String>> {
    let open = scan::open_brackets(before);
    let [.., call, map] = open.as_slice() else { return None };
    if map.bracket != '#' || !map.at_key || call.bracket != '(' {
        return None;
    }
    let shift = usize::from(call.method);
    let primitive = api::all()
        .into_iter()
        .find(|p| p.full_name() == call.name || (call.method && p.methods_too && p.name == call.name))?;
    let arg = primitive.args.get(call.commas + shift).filter(|a| a.kind == Kind::Options)?;
    Some(arg.keys().into_iter().filter(|k| !map.keys.iter().any(|w| w == k)).map(|k| format!("{k}: ")).collect())
}

fn everything(known: &Known) -> std::vec::IntoIter<String> {
    let mut all: Vec<String> = known.variables.keys().cloned().collect();
    all.extend(known.functions.keys().map(|f| format!("{f}(")));
    all.extend(known.imports.keys().map(|alias| format!("{alias}::")));
    all.extend(names::primitives_in("").into_iter().map(called));
    all.extend(names::namespaces().into_iter().map(|n| format!("{n}::")));
    all.extend(KEYWORDS.iter().map(|k| (*k).to_owned()));
    all.into_iter()
}

/// Files and folders that a path in the making may become.
fn files(typed: &str, path: &str) -> (usize, Vec<Candidate>) {
    let (folder, stem) = path.rsplit_once('/').map_or(("", path), |(f, s)| (f, s));
    let place = match folder {
        "" if path.starts_with('/') => Path::new("/"),
        "" => Path::new("."),
        folder => Path::new(folder),
    };
    let start = typed.len() - stem.len();
    let Ok(entries) = std::fs::read_dir(place) else { return (start, Vec::new()) };
    let names = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let hidden = name.starts_with('.') && !stem.starts_with('.');
        let slash = if entry.path().is_dir() { "/" } else { "" };
        (!hidden).then(|| format!("{name}{slash}"))
    });
    begins(start, stem, names.collect::<Vec<_>>().into_iter())
}

#[cfg(test)]
mod tests {
    use super::super::known::Shape;
    use super::*;

    fn known() -> Known {
        let mut known = Known { modules: vec!["std/errors".into(), "std/waves".into()], ..Known::default() };
        let map = rhai::Map::from([("mailboxes".into(), 1_i64.into()), ("domains".into(), 2_i64.into())]);
        known.variables.insert("customer".into(), Shape::of(&rhai::Dynamic::from_map(map)));
        known.variables.insert("list".into(), Shape::of(&rhai::Dynamic::from_array(vec![])));
        known.functions.insert("mine".into(), "mine(a)".into());
        known.imports.insert("errors".into(), [("of".to_owned(), "of(e)".to_owned())].into());
        known
    }

    fn offered(line: &str) -> Vec<String> {
        let (start, found) = complete(line, line.len(), &known());
        found.into_iter().map(|c| format!("{}{}", &line[..start], c.replacement)).collect()
    }

    #[test]
    fn names_of_the_prompt_and_of_primitives() {
        assert_eq!(offered("let x = sle"), ["let x = sleep("]);
        assert_eq!(offered("mi"), ["mine("]);
        assert_eq!(offered("retry(3, cus"), ["retry(3, customer"]);
        assert!(offered("print(1) ").is_empty());
    }

    #[test]
    fn members_behind_colons_and_dots() {
        assert_eq!(offered("errors::"), ["errors::of("]);
        assert_eq!(offered("customer.m"), ["customer.mailboxes", "customer.mixin("]);
        assert_eq!(offered("list.fi"), ["list.filter(", "list.find("]);
    }

    #[test]
    fn modules_files_and_commands() {
        assert_eq!(offered("import \"std/w"), ["import \"std/waves"]);
        assert_eq!(offered(":lo"), [":load "]);
        assert!(offered("?sl").contains(&"?sleep".to_owned()));
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::write(folder.path().join("wave1.csv"), "").expect("a fresh folder takes a file");
        let line = format!("mailboxes::read(\"{}/wa", folder.path().display());
        assert_eq!(offered(&line), [format!("mailboxes::read(\"{}/wave1.csv", folder.path().display())]);
    }
}
