//! From bytes to a checked company, or to all its faults at once.
//!
//! A sound file is read by the typed parser in one go. Only a file that it
//! refuses, or that breaks a rule, is looked at again piece by piece, so that
//! each unknown field and each wrong type is told with its own path. It reads
//! no file itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::place::{Place, above, find, join};
use super::{CompanyFile, Organization, Tenant, Zone, check};
use crate::lab::transport::Transport;

/// Longest line that is shown beside a fault, in bytes.
const SHOWN: usize = 2_000;

/// What is wrong with a company file, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// `people[17].proxies[2]`; empty for the whole file.
    pub path: String,
    /// Stable name of the rule.
    pub rule: &'static str,
    /// What is wrong, one sentence without a full stop.
    pub text: String,
    /// What to change.
    pub remedy: String,
    /// Line, from 1; 0 if it concerns the whole file.
    pub line: usize,
    /// Column in characters, from 1; 0 if it concerns the whole line.
    pub column: usize,
    /// Characters to underline.
    pub width: usize,
    /// The line itself, if it is short enough to be shown.
    pub excerpt: String,
}

impl Fault {
    /// A fault whose place in the text is looked up later.
    pub(super) fn new(
        path: impl Into<String>,
        rule: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Fault {
        Fault { path: path.into(), rule, text: text.into(), remedy: remedy.into(), ..Fault::default() }
    }
}

/// Reads and checks a company file.
///
/// # Errors
/// All faults, in the order of the file.
pub fn read(bytes: &[u8]) -> Result<CompanyFile, Vec<Fault>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|e| vec![no_text(bytes, e.valid_up_to())])?;
    let mut refused = false;
    let (file, mut faults) = match serde_json::from_str::<CompanyFile>(text) {
        Ok(file) => (file, Vec::new()),
        Err(_) => match serde_json::from_str::<Value>(text) {
            Ok(value) => {
                refused = true;
                pieces(value)
            }
            Err(error) => return Err(vec![syntax(text, &error)]),
        },
    };
    if file.version.is_some_and(|v| v != super::VERSION) {
        // What another version means by its fields nobody knows.
        (faults, refused) = (Vec::new(), false);
    }
    let told: BTreeSet<String> = faults.iter().map(|f| f.path.clone()).collect();
    faults.extend(check::faults(&file).into_iter().filter(|f| !told.contains(&f.path)));
    locate(text, &mut faults, refused);
    if faults.is_empty() { Ok(file) } else { Err(faults) }
}

fn no_text(bytes: &[u8], at: usize) -> Fault {
    let before = bytes.get(..at).unwrap_or_default();
    Fault {
        line: before.iter().filter(|b| **b == b'\n').count() + 1,
        ..Fault::new("", "syntax", "the file is no text in UTF-8", "save it as UTF-8")
    }
}

fn syntax(text: &str, error: &serde_json::Error) -> Fault {
    let (line, byte) = (error.line(), error.column());
    let said = error.to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
    let excerpt = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    // The parser counts bytes, people count characters.
    let column = excerpt.char_indices().filter(|(at, _)| *at < byte).count().max(1);
    Fault {
        line,
        column,
        width: 1,
        excerpt: shown(excerpt),
        ..Fault::new("", "syntax", format!("this is no JSON: {said}"), "mend the text here; the rest was not looked at")
    }
}

fn shown(line: &str) -> String {
    if line.len() > SHOWN { String::new() } else { line.trim_end_matches('\r').to_owned() }
}

/// Gives each fault the place of its path, or of what holds it, and puts them in
/// the order of the text.
fn locate(text: &str, faults: &mut Vec<Fault>, refused: bool) {
    if faults.is_empty() && !refused {
        return;
    }
    let wanted: BTreeSet<String> = faults.iter().map(|f| f.path.clone()).collect();
    let (found, twice) = find(text, &wanted);
    for fault in faults.iter_mut() {
        let mut path = fault.path.as_str();
        let place = loop {
            match found.get(path) {
                Some(place) => break *place,
                None if path.is_empty() => break Place::default(),
                None => path = above(path),
            }
        };
        (fault.line, fault.column, fault.width) = (place.line, place.column, place.width);
    }
    for (path, place) in twice {
        let name = path.rsplit('.').next().unwrap_or_default().to_owned();
        let fault = Fault::new(path, "field", format!("the name `{name}` stands twice in one object"), "take one out");
        faults.push(Fault { line: place.line, column: place.column, width: place.width, ..fault });
    }
    let lines: BTreeSet<usize> = faults.iter().map(|f| f.line).collect();
    let lines: BTreeMap<usize, String> =
        text.lines().enumerate().filter(|(n, _)| lines.contains(&(n + 1))).map(|(n, l)| (n + 1, shown(l))).collect();
    for fault in faults.iter_mut() {
        fault.excerpt = lines.get(&fault.line).cloned().unwrap_or_default();
    }
    faults.sort_by(|a, b| (a.line, a.column, &a.path).cmp(&(b.line, b.column, &b.path)));
}

/// The file as far as it can be read, and each field that can't.
fn pieces(value: Value) -> (CompanyFile, Vec<Fault>) {
    let mut faults = Vec::new();
    let out = &mut faults;
    let Value::Object(mut map) = value else {
        let text = "a company file is one object: `{\"version\": 1, \"people\": […]}`";
        return (CompanyFile::default(), vec![Fault::new("", "field", text, "see docs/company.md")]);
    };
    let people = list(take(&mut map, "people"), "people", out).unwrap_or_default();
    let objects = list(take(&mut map, "objects"), "objects", out);
    let zones = take(&mut map, "zones").map(|v| zones(v, out));
    let tenant = take(&mut map, "tenant").map(|v| tenant(v, out));
    let permissions = list(take(&mut map, "permissions"), "permissions", out).unwrap_or_default();
    let row_faults = list(take(&mut map, "faults"), "faults", out);
    let company = take(&mut map, "company").map(|v| organization(v, out));
    let rest: CompanyFile = fields(Value::Object(map), "", out);
    (CompanyFile { people, objects, zones, tenant, permissions, faults: row_faults, company, ..rest }, faults)
}

/// Takes a field out of an object; `null` says nothing.
fn take(map: &mut Map<String, Value>, name: &str) -> Option<Value> {
    map.shift_remove(name).filter(|v| !v.is_null())
}

fn organization(value: Value, out: &mut Vec<Fault>) -> Organization {
    let Value::Object(mut map) = value else { return fields(value, "company", out) };
    let transport = take(&mut map, "transport").map(|v| transport(v, out));
    Organization { transport, ..fields(Value::Object(map), "company", out) }
}

fn transport(value: Value, out: &mut Vec<Fault>) -> Transport {
    let Value::Object(mut map) = value else { return fields(value, "company.transport", out) };
    let gateway = take(&mut map, "gateway").map(|v| fields(v, "company.transport.gateway", out));
    Transport { gateway, ..fields(Value::Object(map), "company.transport", out) }
}

fn tenant(value: Value, out: &mut Vec<Fault>) -> Tenant {
    let Value::Object(mut map) = value else { return fields(value, "tenant", out) };
    let domains = list(take(&mut map, "domains"), "tenant.domains", out);
    let skus = list(take(&mut map, "skus"), "tenant.skus", out);
    let connectors = list(take(&mut map, "connectors"), "tenant.connectors", out);
    let users = list(take(&mut map, "users"), "tenant.users", out);
    let door = take(&mut map, "door").map(|v| fields(v, "tenant.door", out));
    Tenant { domains, skus, connectors, users, door, ..fields(Value::Object(map), "tenant", out) }
}

fn zones(value: Value, out: &mut Vec<Fault>) -> Vec<Zone> {
    let Value::Array(items) = value else { return list(Some(value), "zones", out).unwrap_or_default() };
    let one = |(number, item): (usize, Value)| {
        let path = format!("zones[{number}]");
        let Value::Object(mut map) = item else { return fields(item, &path, out) };
        let sets = list(take(&mut map, "sets"), &join(&path, "sets"), out).unwrap_or_default();
        Zone { sets, ..fields(Value::Object(map), &path, out) }
    };
    items.into_iter().enumerate().map(one).collect()
}

fn list<T: DeserializeOwned + Default>(value: Option<Value>, path: &str, out: &mut Vec<Fault>) -> Option<Vec<T>> {
    match value? {
        Value::Array(items) => {
            let one = |(number, item)| fields(item, &format!("{path}[{number}]"), out);
            Some(items.into_iter().enumerate().map(one).collect())
        }
        other => {
            out.push(Fault::new(path, "field", format!("{} is no list", named(&other)), "write a list: `[…]`"));
            None
        }
    }
}

/// An object whose fields may each be left out: what can be read of it; each
/// field that can't is a fault.
fn fields<T: DeserializeOwned + Default>(value: Value, path: &str, out: &mut Vec<Fault>) -> T {
    let Value::Object(map) = value else {
        out.push(Fault::new(path, "field", format!("{} is no object", named(&value)), "write an object: `{…}`"));
        return T::default();
    };
    if let Ok(whole) = serde_json::from_value(Value::Object(map.clone())) {
        return whole;
    }
    let mut good = Map::new();
    for (name, value) in map {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        match serde_json::from_value::<T>(Value::Object(alone)) {
            Ok(_) => {
                good.insert(name, value);
            }
            Err(error) => out.push(field(&name, &join(path, &name), &error.to_string())),
        }
    }
    serde_json::from_value(Value::Object(good)).unwrap_or_default()
}

fn field(name: &str, path: &str, said: &str) -> Fault {
    let quoted: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    if said.starts_with("unknown field") && quoted.first() == Some(&name) {
        let known = quoted.get(1..).unwrap_or_default();
        return Fault::new(path, "field", format!("there is no field `{name}`"), nearest(name, known));
    }
    if said.starts_with("unknown variant") {
        let known: Vec<String> = quoted.iter().skip(1).map(|k| format!("`{k}`")).collect();
        let wrong = quoted.first().copied().unwrap_or_default();
        let remedy = format!("write one of {}", known.join(", "));
        return Fault::new(path, "field", format!("`{wrong}` is no {name}"), remedy);
    }
    Fault::new(path, "field", said.to_owned(), "see docs/company.md for what stands here")
}

/// A remedy for an unknown name.
pub(in crate::lab) fn nearest(name: &str, known: &[&str]) -> String {
    match near(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("take it out, or write one of: {}", known.join(", ")),
    }
}

/// The known name that was meant, if one is near enough.
pub(super) fn near<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |k: &str| strsim::damerau_levenshtein(&k.to_lowercase(), &name.to_lowercase());
    let nearest = known.iter().map(|k| (distance(k), *k)).min();
    nearest.filter(|(distance, _)| *distance <= 2.max(name.len() / 4)).map(|(_, near)| near)
}

fn named(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
