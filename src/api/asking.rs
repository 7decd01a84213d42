//! What an approval is about: the value that a script shows, in the form that is
//! kept and hashed, and in the few words that people read.
//!
//! Sets are kept by content and without their secrets, a batch by its name and its
//! mailboxes. It asks nobody.

use rhai::{Dynamic, Map};
use serde_json::{Value, json};

use super::declare::{Call, own};
use crate::base::{Failure, Kind, Result};
use crate::host::values;
use crate::migration::list::{Mailboxes, Row};
use crate::run::approvals::Question;
use crate::run::batches::Batch;
use crate::run::report::{Report, plural};

/// The options, and what each must be.
const OPTIONS: [&str; 3] = ["value", "timeout_hours", "by_other"];
/// Longest wait for an answer.
const LONGEST: f64 = crate::migration::project::Approvals::LONGEST;
/// Characters of a text that are shown.
const SHOWN: usize = 60;

/// The question that a call of `approve` asks.
///
/// # Errors
/// `usage`: an option that is not known or makes no sense, or a value that can't
/// be kept.
pub(super) fn question(call: &Call) -> Result<Question> {
    let mut question = Question::of(&call.text(0)?);
    if !call.has(1) {
        return Ok(question);
    }
    let given = call.value(1);
    let value = match options(&given)? {
        None => given,
        Some(map) => {
            if let Some(hours) = map.get("timeout_hours") {
                let hours = hours.as_float().or_else(|_| hours.as_int().map(|n| n as f64)).ok();
                let fits = hours.filter(|h| *h > 0.0 && *h <= LONGEST);
                question.timeout_hours = Some(fits.ok_or_else(|| {
                    wrong(
                        "option `timeout_hours` of approve must be hours above 0 and up to 8784",
                        "write `timeout_hours: 48`",
                    )
                })?);
            }
            if let Some(by_other) = map.get("by_other") {
                question.by_other = Some(by_other.as_bool().map_err(|_| {
                    wrong("option `by_other` of approve must be true or false", "write `by_other: true`")
                })?);
            }
            map.get("value").cloned().unwrap_or_default()
        }
    };
    if !value.is_unit() {
        question.value = form(&value, "the value")?;
        question.shown = shown(&value);
    }
    Ok(question)
}

/// A map that holds options and nothing else; `None` for what is a value.
fn options(given: &Dynamic) -> Result<Option<Map>> {
    let Ok(map) = given.as_map_ref() else { return Ok(None) };
    let known = |key: &&str| OPTIONS.contains(key);
    let near = |key: &&str| OPTIONS.iter().any(|o| strsim::damerau_levenshtein(o, key) <= 2);
    let keys: Vec<&str> = map.keys().map(|k| k.as_str()).collect();
    if keys.iter().all(known) && !keys.is_empty() {
        return Ok(Some(map.clone()));
    }
    // A misspelt option must not become a value that nobody asked for.
    match keys.iter().find(|k| near(k)) {
        None => Ok(None),
        Some(near) => {
            let other = keys.iter().find(|k| !known(k)).unwrap_or(near);
            Err(wrong(
                &format!("`{other}` is no option of approve"),
                "its options are value, timeout_hours, by_other; a map that is shown as it is goes into `value`",
            ))
        }
    }
}

fn wrong(message: &str, hint: &str) -> Failure {
    Failure::new(Kind::Usage, message).hint(hint)
}

/// A value in the form that is kept.
fn form(value: &Dynamic, place: &str) -> Result<Value> {
    if let Some(set) = own::<Mailboxes>(value) {
        return Ok(set.to_journal());
    }
    if let Some(row) = own::<Row>(value) {
        return Ok(json!({"mailbox": row.address(), "values": row.to_pairs()}));
    }
    if let Some(batch) = own::<Batch>(value) {
        return Ok(json!({"batch": batch.name(), "mailboxes": batch.mailboxes().to_journal()}));
    }
    if let Some(report) = own::<Report>(value) {
        return Ok(json!({"report": format!("{report:?}")}));
    }
    if let Ok(items) = value.as_array_ref() {
        let items: Result<Vec<Value>> =
            items.iter().enumerate().map(|(n, v)| form(v, &format!("{place}[{n}]"))).collect();
        return Ok(Value::Array(items?));
    }
    if let Ok(map) = value.as_map_ref() {
        let fields: Result<serde_json::Map<String, Value>> =
            map.iter().map(|(k, v)| Ok((k.to_string(), form(v, &format!("{place}.{k}"))?))).collect();
        return Ok(Value::Object(fields?));
    }
    values::to_json(value).map_err(|text| {
        wrong(&text.replacen("the value", place, 1), "show approve plain data, mailboxes, a batch or a report")
    })
}

/// A value in a few words.
fn shown(value: &Dynamic) -> String {
    if let Some(set) = own::<Mailboxes>(value) {
        return mailboxes(&set);
    }
    if let Some(row) = own::<Row>(value) {
        return row.address().to_owned();
    }
    if let Some(batch) = own::<Batch>(value) {
        return format!("{}: {}", batch.name(), mailboxes(batch.mailboxes()));
    }
    if let Ok(items) = value.as_array_ref() {
        let count = plural(items.len(), "item", "items");
        let first: Vec<String> = items.iter().take(3).map(shown).collect();
        return short(&listed(count, &first, items.len()));
    }
    if let Ok(map) = value.as_map_ref() {
        let fields: Vec<String> = map.iter().take(4).map(|(k, v)| format!("{k}: {}", shown(v))).collect();
        let dots = if map.len() > fields.len() { ", …" } else { "" };
        return short(&format!("{}{dots}", fields.join(", ")));
    }
    match own::<Report>(value) {
        Some(_) => "a report".to_owned(),
        None => short(&value.to_string()),
    }
}

fn mailboxes(set: &Mailboxes) -> String {
    let first: Vec<String> = set.iter().take(3).map(|row| row.address().to_owned()).collect();
    listed(plural(set.len(), "mailbox", "mailboxes"), &first, set.len())
}

/// `5 mailboxes: ann@contoso.com, bob@contoso.com, cyd@contoso.com, …`
fn listed(count: String, first: &[String], of: usize) -> String {
    if first.is_empty() {
        return count;
    }
    let dots = if of > first.len() { ", …" } else { "" };
    format!("{count}: {}{dots}", first.join(", "))
}

fn short(text: &str) -> String {
    let line = text.replace(['\n', '\r', '\t'], " ");
    let head: String = line.chars().take(SHOWN).collect();
    if head.len() < line.len() { format!("{head}…") } else { head }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::read::{Reading, read_with};

    fn list(text: &str) -> Dynamic {
        let (list, _) = read_with("wave.csv", text.as_bytes(), &Reading::default());
        Dynamic::from(list.expect("a sound list"))
    }

    fn map(entries: &[(&str, Dynamic)]) -> Dynamic {
        Dynamic::from_map(entries.iter().map(|(k, v)| ((*k).into(), v.clone())).collect())
    }

    #[test]
    fn a_value_is_kept_by_content_and_without_secrets() {
        let two = list("EmailAddress,Password\nann@contoso.com,Geheim-1\nbob@contoso.com,Geheim-2\n");
        let kept = form(&two, "the value").expect("it can be kept");
        assert!(!kept.to_string().contains("Geheim") && kept.to_string().contains("ann@contoso.com"));
        let one = form(&list("EmailAddress\nann@contoso.com\n"), "the value").expect("it can be kept");
        assert_ne!(kept, one);
        assert_eq!(shown(&two), "2 mailboxes: ann@contoso.com, bob@contoso.com");
        let nested = map(&[("name", "wave-01".into()), ("mailboxes", two)]);
        assert_eq!(shown(&nested), "mailboxes: 2 mailboxes: ann@contoso.com, bob@contoso.com, na…");
        let text = form(&nested, "the value").expect("it can be kept").to_string();
        assert!(text.contains("wave-01") && text.contains("sha256"), "{text}");
    }

    #[test]
    fn what_can_not_be_kept_is_named_with_its_place() {
        let closure = Dynamic::from(rhai::FnPtr::new("f").expect("f is a valid name"));
        let failure = form(&map(&[("each", Dynamic::from_array(vec![1_i64.into(), closure]))]), "the value");
        assert_eq!(failure.expect_err("no data").message, "the value.each[1] is a closure");
    }

    #[test]
    fn a_misspelt_option_is_no_value() {
        assert!(options(&map(&[("timeout_hours", 2_i64.into())])).expect("options").is_some());
        assert!(options(&map(&[("people", 2_i64.into())])).expect("a value").is_none());
        assert!(options(&map(&[])).expect("a value").is_none());
        let failure = options(&map(&[("timeout_hour", 2_i64.into())])).expect_err("misspelt");
        assert_eq!(failure.message, "`timeout_hour` is no option of approve");
        let failure = options(&map(&[("value", 2_i64.into()), ("people", 2_i64.into())])).expect_err("mixed");
        assert_eq!(failure.message, "`people` is no option of approve");
    }
}
