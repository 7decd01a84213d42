//! What of an image counts when a run compares what it finds with what was
//! planned: attribute by attribute, and only those that the change itself writes
//! or is guarded by.
//!
//! One table says it for every operation. What a service counts by itself (a
//! batch's status, its numbers, times) never counts, and neither does what a
//! colleague edits beside: a telephone number may change between a plan and its
//! run, an address may not. It reads nothing and decides nothing; `contract` does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Which attributes of an operation's images count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Those that the change writes, as planned or as it would now.
    Written,
    /// These alone.
    Only(&'static [&'static str]),
    /// The addresses of a batch: fewer may come, nobody new.
    Addresses,
    /// Values and time to live of a record set, and of the set that gives way to it.
    RecordSet,
    /// The one product that the change gives or takes, with its switched-off plans.
    Licence,
    /// None: it counts only whether the plan lists the change.
    Listed,
}

/// The table: operation, what counts, and why just that.
pub const RULES: &[(&str, Judged, &str)] = &[
    ("convert_to_mail_user", Judged::Written, "each value that goes is named, so each is a guard"),
    ("release", Judged::Written, "the forwarding by its exact value"),
    ("mailbox_kind", Judged::Written, "kind and forwarding with a copy, nothing else is sent"),
    ("batch", Judged::Addresses, "its name is unique; its counts are the service's"),
    ("start", Judged::Listed, "the status is the service's own progress"),
    ("remove::stop", Judged::Listed, "the status is the service's own progress"),
    ("remove", Judged::Listed, "the status is the service's own progress"),
    ("endpoint", Judged::Written, "all its settings are sent together"),
    ("license::location", Judged::Only(&["usageLocation"]), "other licences are nobody's business here"),
    ("license::assign", Judged::Licence, "other products stay as they are"),
    ("license::take_back", Judged::Licence, "other products stay as they are"),
    ("license::switch_off", Judged::Licence, "other products stay as they are"),
    ("set_mx::lower_ttl", Judged::RecordSet, "the set is the prerequisite of its update"),
    ("set_mx", Judged::RecordSet, "the set is the prerequisite of its update"),
    ("autodiscover::set", Judged::RecordSet, "the set and the addresses that give way to it"),
    ("domain::add", Judged::Only(&["id"]), "the tenant fills in the rest"),
    ("domain::verify", Judged::Written, "of the TXT set its values, of the domain that it is verified"),
    ("release::carry_home", Judged::Listed, "what waits is known only when it waits"),
    ("exchange::invoke", Judged::Listed, "a raw call has no before-image"),
    ("graph", Judged::Listed, "a raw call has no before-image"),
    ("ldap::modify", Judged::Written, "what it deletes by value is its guard"),
];

/// What counts for an operation; of one that the table doesn't know, what it
/// writes.
pub fn judged(operation: &str) -> Judged {
    RULES.iter().find(|(known, _, _)| *known == operation).map_or(Judged::Written, |(_, judged, _)| *judged)
}

/// An image as its attributes: those without a value are left out.
pub type Attributes = BTreeMap<String, Value>;

/// The attributes of a before-image or of an after-image. Record sets have a frame
/// before and none afterwards; here they are alike. A plain value is one attribute.
pub fn attributes(image: &Value) -> Attributes {
    let mut found = Attributes::new();
    let Value::Object(map) = image else {
        if !is_nothing(image) {
            found.insert("value".into(), image.clone());
        }
        return found;
    };
    let framed = map.contains_key("set");
    if framed || is_set(image) {
        let set = if framed { &image["set"] } else { image };
        for name in ["values", "ttl"] {
            found.insert(name.into(), set[name].clone());
        }
        found.insert("addresses beside it".into(), image["beside"]["values"].clone());
    } else {
        found.extend(map.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    found.retain(|_, value| !is_nothing(value));
    found
}

/// Whether an image is a bare record set.
fn is_set(image: &Value) -> bool {
    ["name", "type", "ttl", "values"].iter().all(|key| image.get(key).is_some())
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Whether a value is one that only the service knows.
pub fn is_unknown(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.len() == 1 && map.contains_key("unknown"))
}

/// Whether a found value is one that was planned. Lists are compared without their
/// order; a planned value that only the service knows is any one value.
pub fn fits(planned: Option<&Value>, found: Option<&Value>) -> bool {
    match (planned, found) {
        (None, None) => true,
        (Some(planned), _) if is_unknown(planned) => true,
        (Some(Value::Array(planned)), Some(Value::Array(found))) => {
            let free = planned.iter().filter(|v| is_unknown(v)).count();
            let (missing, extra) = apart(planned, found);
            missing.is_empty() && extra.len() <= free
        }
        (Some(Value::Object(planned)), Some(Value::Object(found))) => {
            let names: BTreeSet<&String> = planned.keys().chain(found.keys()).collect();
            names.into_iter().all(|name| fits(planned.get(name), found.get(name)))
        }
        (Some(planned), Some(found)) => planned == found,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Values of the one list that the other lacks, both ways; unknown ones left out.
pub fn apart<'a>(one: &'a [Value], other: &'a [Value]) -> (Vec<&'a Value>, Vec<&'a Value>) {
    let key = |v: &Value| v.to_string();
    let known = |list: &'a [Value]| -> Vec<&'a Value> { list.iter().filter(|v| !is_unknown(v)).collect() };
    let (a, b) = (known(one), known(other));
    let (in_a, in_b): (BTreeSet<String>, BTreeSet<String>) =
        (a.iter().map(|v| key(v)).collect(), b.iter().map(|v| key(v)).collect());
    (
        a.iter().filter(|v| !in_b.contains(&key(v))).copied().collect(),
        b.iter().filter(|v| !in_a.contains(&key(v))).copied().collect(),
    )
}

/// The names of attributes in which two images differ.
pub fn changed(before: &Attributes, after: &Attributes) -> BTreeSet<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |name: &&&String| match (before.get(**name), after.get(**name)) {
        // An unknown value is one that will be written.
        (_, Some(after)) if holds_unknown(after) => true,
        (before, after) => !fits(before, after),
    };
    names.iter().filter(differs).map(|name| (*name).clone()).collect()
}

fn holds_unknown(value: &Value) -> bool {
    is_unknown(value) || value.as_array().is_some_and(|items| items.iter().any(is_unknown))
}

/// One attribute that is not as it was planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub attribute: String,
    /// What was planned, as it should be found.
    pub planned: Vec<Value>,
    /// What is found, or would be written.
    pub found: Option<Value>,
    /// It isn't what is found that differs, but what would be written.
    pub in_writing: bool,
}

/// The images of one planned change.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    /// Before.
    pub before: &'a Value,
    /// Afterwards, with what the change itself names of it.
    pub after: &'a Value,
}

/// One due change: what was found, and what would be written.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    /// What was found.
    pub found: &'a Value,
    /// What would be written.
    pub writes: &'a Value,
}

/// Where a due change differs from a planned one. `states`: further images of the
/// same object that the plan goes through, which are as good as its own (a time to
/// live lowered before the switch, and the way back).
pub fn differences(operation: &str, planned: Images<'_>, due: Due<'_>, states: &[&Value]) -> Vec<Difference> {
    match judged(operation) {
        Judged::Listed => Vec::new(),
        Judged::Addresses => new_addresses(planned, due),
        Judged::Licence => licence(planned, due),
        Judged::Only(names) => compare(planned, due, states, Some(names)),
        Judged::Written | Judged::RecordSet => compare(planned, due, states, None),
    }
}

fn compare(planned: Images<'_>, due: Due<'_>, states: &[&Value], only: Option<&[&str]>) -> Vec<Difference> {
    let (before, after) = (attributes(planned.before), attributes(planned.after));
    let (found, wanted) = (attributes(due.found), attributes(due.writes));
    let others: Vec<Attributes> = states.iter().map(|s| attributes(s)).collect();
    // A raw modify doesn't say beforehand what it leaves; its own values are its guard.
    let writes = if due.writes.is_null() { BTreeSet::new() } else { changed(&found, &wanted) };
    let names: BTreeSet<String> = match only {
        Some(names) => names.iter().map(|n| (*n).to_owned()).collect(),
        None => changed(&before, &after).union(&writes).cloned().collect(),
    };
    // An unknown value fits whatever is found, also what somebody has put there; so
    // it counts as reached only where all that is known has been reached.
    let planned_writes = changed(&before, &after);
    let known: Vec<&String> = planned_writes.iter().filter(|n| !after.get(*n).is_some_and(holds_unknown)).collect();
    let is_through = !known.is_empty() && known.iter().all(|n| fits(after.get(*n), found.get(*n)));
    let mut differences = Vec::new();
    for name in names {
        let stages: Vec<Option<&Value>> = [&before, &after].into_iter().chain(&others).map(|s| s.get(&name)).collect();
        let reached = |stage: Option<&Value>| is_through || !stage.is_some_and(holds_unknown);
        let one_of = |value: Option<&Value>| stages.iter().any(|stage| reached(*stage) && fits(*stage, value));
        let mut differs = |found: Option<&Value>, expected: &[Option<&Value>], in_writing| {
            let mut planned: Vec<Value> = expected.iter().map(|v| v.cloned().unwrap_or_default()).collect();
            planned.dedup();
            differences.push(Difference { attribute: name.clone(), planned, found: found.cloned(), in_writing });
        };
        if !one_of(found.get(&name)) {
            differs(found.get(&name), stages.get(..2).unwrap_or_default(), false);
        } else if writes.contains(&name) {
            let good = fits(after.get(&name), wanted.get(&name))
                || others.iter().any(|stage| fits(stage.get(&name), wanted.get(&name)))
                || (!others.is_empty() && fits(before.get(&name), wanted.get(&name)));
            if !good {
                differs(wanted.get(&name), &[after.get(&name)], true);
            }
        }
    }
    differences
}

/// Addresses that a batch would have and the plan doesn't know.
fn new_addresses(planned: Images<'_>, due: Due<'_>) -> Vec<Difference> {
    let keys = |image: &Value| -> BTreeSet<String> {
        let list = image["addresses"].as_array().into_iter().flatten();
        list.filter_map(|a| a.as_str().map(str::to_lowercase)).collect()
    };
    let known = keys(planned.after);
    let strangers: Vec<Value> = keys(due.writes).difference(&known).map(|a| Value::from(a.as_str())).collect();
    if strangers.is_empty() {
        return Vec::new();
    }
    vec![Difference {
        attribute: "addresses".into(),
        planned: vec![planned.after["addresses"].clone()],
        found: Some(Value::Array(strangers)),
        in_writing: true,
    }]
}

/// The product that is given or taken: the same one, held or not held as planned.
fn licence(planned: Images<'_>, due: Due<'_>) -> Vec<Difference> {
    let mut differences = Vec::new();
    for name in ["licence", "without", "off"] {
        let (expected, wanted) = (planned.after.get(name), due.writes.get(name));
        if !fits(expected, wanted) {
            differences.push(Difference {
                attribute: name.into(),
                planned: vec![expected.cloned().unwrap_or_default()],
                found: wanted.cloned(),
                in_writing: true,
            });
        }
    }
    let product = due.writes["licence"].as_str().or(due.writes["without"].as_str()).unwrap_or_default().to_lowercase();
    let held = |image: &Value| -> Option<Value> {
        let list = image["licences"].as_array().into_iter().flatten();
        let found = list.into_iter().find(|l| l["sku"].as_str().is_some_and(|s| s.to_lowercase() == product))?;
        Some(serde_json::json!({"switched off": found["off"].as_array().cloned().unwrap_or_default()}))
    };
    let (expected, found) = (held(planned.before), held(due.found));
    let as_it_will_be = fits(held(planned.after).as_ref(), found.as_ref());
    if !as_it_will_be && !fits(expected.as_ref(), found.as_ref()) {
        differences.push(Difference {
            attribute: format!("licence {product}"),
            planned: vec![expected.unwrap_or_default()],
            found,
            in_writing: false,
        });
    }
    differences
}

impl Difference {
    /// In words: what was planned and what is there; of long lists only what
    /// differs.
    pub fn words(&self) -> String {
        let name = &self.attribute;
        let verb = if self.in_writing { "would be written" } else { "found" };
        if let (Some(Value::Array(planned)), Some(Value::Array(found))) = (self.planned.first(), &self.found) {
            let (missing, mut extra) = apart(planned, found);
            // What the plan would bring is no stranger.
            for other in self.planned.iter().skip(1).filter_map(Value::as_array) {
                extra.retain(|v| !other.contains(v));
            }
            let missing = if self.attribute == "addresses" { Vec::new() } else { missing };
            let list = |values: &[&Value]| shortened(values);
            let mut parts = Vec::new();
            if !extra.is_empty() {
                parts.push(format!("{verb} and not planned: {}", list(&extra)));
            }
            if !missing.is_empty() {
                parts.push(format!("planned and not {verb}: {}", list(&missing)));
            }
            if !parts.is_empty() {
                return format!("{name}: {}", parts.join("; "));
            }
        }
        let planned: Vec<String> = self.planned.iter().map(plain).collect();
        let found = self.found.as_ref().map_or_else(|| "nothing".to_owned(), plain);
        format!("{name}: planned {}, {verb} {found}", planned.join(" or "))
    }
}

/// At most three values, and how many more.
fn shortened(values: &[&Value]) -> String {
    let shown: Vec<String> = values.iter().take(3).map(|v| plain(v)).collect();
    match values.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A value as people write it.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::String(text) if text.is_empty() => "nothing".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(map) if is_unknown(value) => {
            let what = map.get("unknown").and_then(Value::as_str).unwrap_or_default();
            format!("<{what}>")
        }
        Value::Object(map) => map.iter().map(|(k, v)| format!("{k}: {}", plain(v))).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
