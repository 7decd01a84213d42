//! What a step answers, as the journal keeps it, and back.
//!
//! Plain data is JSON; a set of mailboxes and a report are kept by content, a
//! batch by its name. A first run gets the stored form back like every later one,
//! so that both see the same. Secrets are no part of it: a set gets those of its
//! list when it is read back. Anything else is refused with its place.

use rhai::{Blob, Dynamic, Map};
use serde_json::{Value, json};

use super::declare::own;
use crate::base::{Failure, Result};
use crate::host::values::described;
use crate::migration::list::{Mailboxes, Row};
use crate::migration::rules;
use crate::run::batches::Batch;
use crate::run::report::{Finding, Report, Severity};
use crate::run::session::Session;
use crate::wire::guid::hex;

/// The key of what is no plain JSON.
const MARK: &str = "$stagepost";

/// A value as it is kept.
///
/// # Errors
/// Where inside the value something stands that can't be kept, and what it is.
pub fn to_kept(value: &Dynamic) -> Result<Value, String> {
    walk(value, "the value")
}

fn walk(value: &Dynamic, place: &str) -> Result<Value, String> {
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = value.as_bool() {
        return Ok(Value::Bool(flag));
    }
    if let Ok(number) = value.as_int() {
        return Ok(json!(number));
    }
    if let Ok(number) = value.as_float() {
        return Ok(float(number));
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(Value::String(text.to_string()));
    }
    if let Ok(letter) = value.as_char() {
        return Ok(json!({MARK: "char", "text": letter.to_string()}));
    }
    if let Ok(items) = value.as_array_ref() {
        let items = items.iter().enumerate().map(|(n, item)| walk(item, &format!("{place}[{n}]")));
        return items.collect::<Result<Vec<_>, _>>().map(Value::Array);
    }
    if let Ok(map) = value.as_map_ref() {
        let fields = map.iter().map(|(k, v)| Ok((k.to_string(), walk(v, &format!("{place}.{k}"))?)));
        let fields = fields.collect::<Result<serde_json::Map<_, _>, String>>()?;
        // A map of the script's own with our key is told apart.
        return Ok(if fields.contains_key(MARK) {
            json!({MARK: "map", "fields": fields})
        } else {
            Value::Object(fields)
        });
    }
    if let Some(bytes) = own::<Blob>(value) {
        return Ok(json!({MARK: "blob", "hex": hex(&bytes)}));
    }
    if let Some(set) = own::<Mailboxes>(value) {
        return Ok(of_set(&set));
    }
    if let Some(row) = own::<Row>(value) {
        return Ok(json!({MARK: "Mailbox", "set": of_set(&row.to_set())}));
    }
    if let Some(batch) = own::<Batch>(value) {
        let mailboxes = of_set(batch.mailboxes());
        return Ok(
            json!({MARK: "Batch", "name": batch.name(), "finished": batch.is_finished(), "mailboxes": mailboxes}),
        );
    }
    if let Some(report) = own::<Report>(value) {
        return Ok(of_report(&report));
    }
    Err(format!("{place} is {}", described(value)))
}

/// A number that every reader of JSON gives back bit by bit; the others as text.
fn float(number: f64) -> Value {
    let json = serde_json::Number::from_f64(number);
    let back = json.as_ref().and_then(|n| serde_json::from_str::<f64>(&n.to_string()).ok());
    match (json, back) {
        (Some(json), Some(back)) if back.to_bits() == number.to_bits() => Value::Number(json),
        _ => json!({MARK: "number", "text": number.to_string()}),
    }
}

fn of_set(set: &Mailboxes) -> Value {
    let mut kept = set.to_journal();
    kept[MARK] = json!("Mailboxes");
    kept["file"] = json!(set.file());
    kept
}

fn of_report(report: &Report) -> Value {
    let finding = |f: &Finding| {
        json!({
            "severity": f.severity.word(), "everybody": f.everybody, "target": f.target, "message": f.message,
            "hint": f.hint, "rule": f.rule,
        })
    };
    json!({
        MARK: "Report",
        "check": report.check,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "mailboxes": report.mailboxes.as_ref().map(of_set),
        "facts": report.facts,
    })
}

/// The value that was kept. `batch` answers a batch by its name, its mailboxes
/// and whether it was finished.
///
/// # Errors
/// `internal` if the journal holds what no step could have kept; those of `batch`.
pub fn of_kept(
    session: &Session,
    kept: &Value,
    batch: &dyn Fn(&str, &Mailboxes, bool) -> Result<Batch>,
) -> Result<Dynamic> {
    let odd = || Failure::internal(format!("the journal keeps a value that no step could answer: {}", brief(kept)));
    let text = |key: &str| kept[key].as_str().ok_or_else(odd);
    Ok(match kept {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => Dynamic::from(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Dynamic::from(whole),
            (None, Some(float)) => Dynamic::from(float),
            (None, None) => return Err(odd()),
        },
        Value::String(text) => Dynamic::from(text.clone()),
        Value::Array(items) => {
            let items = items.iter().map(|item| of_kept(session, item, batch));
            Dynamic::from_array(items.collect::<Result<_>>()?)
        }
        Value::Object(fields) => match fields.get(MARK).and_then(Value::as_str) {
            None => map_of(session, fields, batch)?,
            Some("map") => map_of(session, kept["fields"].as_object().ok_or_else(odd)?, batch)?,
            Some("char") => Dynamic::from(text("text")?.chars().next().ok_or_else(odd)?),
            Some("number") => Dynamic::from(text("text")?.parse::<f64>().map_err(|_| odd())?),
            Some("blob") => Dynamic::from_blob(bytes_of(text("hex")?).ok_or_else(odd)?),
            Some("Mailboxes") => Dynamic::from(set_of(session, kept).ok_or_else(odd)?),
            Some("Mailbox") => {
                let row = set_of(session, &kept["set"]).and_then(|set| set.at(0)).ok_or_else(odd)?;
                Dynamic::from(row)
            }
            Some("Batch") => {
                let mailboxes = set_of(session, &kept["mailboxes"]).ok_or_else(odd)?;
                Dynamic::from(batch(text("name")?, &mailboxes, kept["finished"] == true)?)
            }
            Some("Report") => Dynamic::from(report_of(session, kept).ok_or_else(odd)?),
            Some(_) => return Err(odd()),
        },
    })
}

fn map_of(
    session: &Session,
    fields: &serde_json::Map<String, Value>,
    batch: &dyn Fn(&str, &Mailboxes, bool) -> Result<Batch>,
) -> Result<Dynamic> {
    let fields = fields.iter().map(|(k, v)| Ok((k.as_str().into(), of_kept(session, v, batch)?)));
    Ok(Dynamic::from_map(fields.collect::<Result<Map>>()?))
}

fn brief(kept: &Value) -> String {
    kept.to_string().chars().take(80).collect()
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().map(|b| char::from(b).to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

fn set_of(session: &Session, kept: &Value) -> Option<Mailboxes> {
    let set = Mailboxes::of_journal(kept)?;
    let file = kept["file"].as_str().filter(|f| !f.is_empty());
    Some(match file.and_then(|file| super::mailboxes::list_of(session, file)) {
        Some(list) => set.as_part_of(&list),
        None => set,
    })
}

fn report_of(session: &Session, kept: &Value) -> Option<Report> {
    let mut report = Report::new(kept["check"].as_str()?);
    for finding in kept["findings"].as_array()? {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let severities = [Severity::Info, Severity::Warning, Severity::Error];
        report.findings.push(Finding {
            severity: severities.into_iter().find(|s| s.word() == text("severity"))?,
            everybody: finding["everybody"] == true,
            target: text("target"),
            message: text("message"),
            hint: text("hint"),
            // A rule of another version is no rule of this one.
            rule: rules::rule(&text("rule")).map_or("", |rule| rule.id),
        });
    }
    if !kept["mailboxes"].is_null() {
        report.mailboxes = Some(set_of(session, &kept["mailboxes"])?);
    }
    report.facts = serde_json::from_value(kept["facts"].clone()).ok()?;
    Some(report)
}

/// Whether a value is as it was; of values that are looked up (a batch) only which
/// one it is counts.
pub fn is_same(a: &Dynamic, b: &Dynamic) -> bool {
    if let (Ok(a), Ok(b)) = (a.as_array_ref(), b.as_array_ref()) {
        return a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| is_same(a, b));
    }
    if let (Ok(a), Ok(b)) = (a.as_map_ref(), b.as_map_ref()) {
        return a.len() == b.len() && a.iter().zip(b.iter()).all(|((k, a), (l, b))| k == l && is_same(a, b));
    }
    if let (Some(a), Some(b)) = (own::<Mailboxes>(a), own::<Mailboxes>(b)) {
        return a == b;
    }
    if let (Some(a), Some(b)) = (own::<Batch>(a), own::<Batch>(b)) {
        return a.name() == b.name();
    }
    if a.type_name() != b.type_name() {
        return false;
    }
    match (to_kept(a), to_kept(b)) {
        (Ok(a), Ok(b)) => a == b,
        // A closure or a range can't be changed in place.
        _ => a.to_string() == b.to_string(),
    }
}
