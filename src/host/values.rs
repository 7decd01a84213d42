//! Values at the border between Rust and scripts: which ones may cross, their
//! names for people, and plain data as JSON.
//!
//! Rhai compares a `usize` with a whole number as unequal without a word, so
//! nothing but the seven kinds below and types of our own ever crosses.

use rhai::{Array, Dynamic, FnPtr, Map};
use serde_json::Value;

/// Whether a primitive may answer this: `i64`, `f64`, `bool`, text, array,
/// map, `()`, a closure, a letter or bytes that were handed in, or a type of our
/// own.
///
/// # Errors
/// The Rust name of the first value that may not cross.
pub fn may_cross(value: &Dynamic) -> Result<(), String> {
    if let Ok(items) = value.as_array_ref() {
        return items.iter().try_for_each(may_cross);
    }
    if let Ok(map) = value.as_map_ref() {
        return map.values().try_for_each(may_cross);
    }
    // A step answers what its closure did, also a letter or bytes.
    let handed_in = value.is::<FnPtr>() || value.is::<char>() || value.is::<rhai::Blob>();
    let plain = value.is_unit() || value.is_int() || value.is_float() || value.is_bool() || value.is_string();
    let name = value.type_name();
    if plain || handed_in || name.starts_with("stagepost::") { Ok(()) } else { Err(name.to_owned()) }
}

/// A value as a person calls it: `a text`, `an array`, `a Batch`, `nothing`.
pub fn described(value: &Dynamic) -> String {
    if value.is_unit() {
        return "nothing".to_owned();
    }
    if let Ok(flag) = value.as_bool() {
        return flag.to_string();
    }
    if let Ok(number) = value.as_int() {
        return format!("the number {number}");
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        let short: String = text.chars().take(40).collect();
        let dots = if short.len() < text.len() { "…" } else { "" };
        return format!("the text \"{short}{dots}\"");
    }
    with_article(&type_word(value.type_name()))
}

/// `array` → `an array`; names of our own types and phrases stay readable.
pub fn with_article(word: &str) -> String {
    if word.starts_with("true") || word.starts_with("nothing") || word.starts_with("any ") || word == "options" {
        return word.to_owned();
    }
    if word == "Mailboxes" {
        return "a set of mailboxes".to_owned();
    }
    let vowel = word.chars().next().is_some_and(|c| "aeiouAEIO".contains(c));
    format!("{} {word}", if vowel { "an" } else { "a" })
}

/// The name of a type as scripts know it, from Rust's or Rhai's name of it.
pub fn type_word(name: &str) -> String {
    let name = name.trim();
    if name.contains('|') {
        return name.split('|').next().map(type_word).unwrap_or_default();
    }
    match name {
        "i64" | "INT" | "int" => "whole number".to_owned(),
        "f64" | "FLOAT" | "float" => "number".to_owned(),
        "bool" => "true or false".to_owned(),
        "()" => "nothing".to_owned(),
        "string" | "&str" | "String" | "ImmutableString" | "char" | "rhai::ImmutableString" => "text".to_owned(),
        "array" | "Array" => "array".to_owned(),
        "map" | "Map" => "map".to_owned(),
        "Fn" | "FnPtr" | "rhai::FnPtr" => "closure".to_owned(),
        "timestamp" | "Instant" => "timestamp".to_owned(),
        "range" | "range=" => "range".to_owned(),
        other => own_name(other).unwrap_or(other).to_owned(),
    }
}

/// The display name of a type of our own, by its Rust path.
fn own_name(path: &str) -> Option<&'static str> {
    crate::api::types().into_iter().find(|t| (t.path)() == path).map(|t| t.name)
}

/// Plain data as JSON. Keys of maps come sorted, as Rhai keeps them.
///
/// # Errors
/// Where inside the value something stands that isn't plain, and what it is.
pub fn to_json(value: &Dynamic) -> Result<Value, String> {
    fn walk(value: &Dynamic, place: &str) -> Result<Value, String> {
        if value.is_unit() {
            return Ok(Value::Null);
        }
        if let Ok(flag) = value.as_bool() {
            return Ok(Value::Bool(flag));
        }
        if let Ok(number) = value.as_int() {
            return Ok(Value::from(number));
        }
        if let Ok(number) = value.as_float() {
            let json = serde_json::Number::from_f64(number);
            return json.map(Value::Number).ok_or_else(|| format!("{place} is not a finite number"));
        }
        if let Ok(text) = value.as_immutable_string_ref() {
            return Ok(Value::String(text.to_string()));
        }
        if let Ok(letter) = value.as_char() {
            return Ok(Value::String(letter.to_string()));
        }
        if let Ok(items) = value.as_array_ref() {
            let items = items.iter().enumerate().map(|(n, item)| walk(item, &format!("{place}[{n}]")));
            return items.collect::<Result<Vec<_>, _>>().map(Value::Array);
        }
        if let Ok(map) = value.as_map_ref() {
            let fields = map.iter().map(|(k, v)| Ok((k.to_string(), walk(v, &format!("{place}.{k}"))?)));
            return fields.collect::<Result<serde_json::Map<_, _>, String>>().map(Value::Object);
        }
        Err(format!("{place} is {}", described(value)))
    }
    walk(value, "the value")
}

/// JSON as a value of scripts. A number that fits neither `i64` nor `f64`
/// exactly (an unsigned one beyond 2^63) comes as text, so that it keeps all
/// its digits.
pub fn from_json(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => Dynamic::from(*flag),
        Value::Number(number) => match (number.as_i64(), number.is_f64(), number.as_f64()) {
            (Some(whole), ..) => Dynamic::from(whole),
            (None, true, Some(float)) => Dynamic::from(float),
            _ => Dynamic::from(number.to_string()),
        },
        Value::String(text) => Dynamic::from(text.clone()),
        Value::Array(items) => Dynamic::from_array(items.iter().map(from_json).collect::<Array>()),
        Value::Object(fields) => {
            Dynamic::from_map(fields.iter().map(|(k, v)| (k.as_str().into(), from_json(v))).collect::<Map>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_integers_do_not_cross() {
        assert!(may_cross(&Dynamic::from(3_i64)).is_ok());
        assert!(may_cross(&Dynamic::from(3_usize)).is_err());
        assert!(may_cross(&Dynamic::from_array(vec![Dynamic::from(3_i32)])).is_err());
        assert!(may_cross(&Dynamic::from("text".to_owned())).is_ok());
    }

    #[test]
    fn json_keeps_digits_that_no_number_holds() {
        let value = from_json(&serde_json::json!({"big": u64::MAX, "small": 3, "half": 0.5}));
        let map = value.cast::<Map>();
        assert_eq!(map["big"].clone().cast::<String>(), "18446744073709551615");
        assert_eq!(map["small"].as_int(), Ok(3));
        assert_eq!(map["half"].as_float(), Ok(0.5));
    }

    #[test]
    fn a_closure_is_not_plain_and_its_place_is_named() {
        let mut map = Map::new();
        let closure = FnPtr::new("f").expect("f is a valid name");
        map.insert("each".into(), Dynamic::from_array(vec![1_i64.into(), Dynamic::from(closure)]));
        assert_eq!(to_json(&Dynamic::from_map(map)), Err("the value.each[1] is a closure".to_owned()));
    }

    #[test]
    fn people_read_words_not_rust() {
        assert_eq!(described(&Dynamic::from(7_i64)), "the number 7");
        assert_eq!(described(&Dynamic::from_array(vec![])), "an array");
        assert_eq!(type_word("&str | ImmutableString | String"), "text");
    }
}
