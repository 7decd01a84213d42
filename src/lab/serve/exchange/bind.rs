//! Parameters of a cmdlet, as declared, and the values bound to them.
//!
//! Binding is as strict as the service: an unknown parameter, a missing
//! required one or a value of the wrong type refuses the whole call. Byte
//! arrays come only in their tagged form, credentials only under the lab's own
//! key. Nothing here knows what a cmdlet does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::state::ModuleKey;
use crate::wire::guid::{Guid, unbase64};
use crate::wire::invoke::{HASHTABLE, bytes_of, parse_credential, parse_time};

/// Type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// String, identity, address.
    Text,
    /// 32-bit integer.
    Int,
    /// Boolean.
    Bool,
    /// Switch: a boolean on the wire.
    Switch,
    /// Tagged byte array.
    Bytes,
    /// base64 of an RSA-encrypted credential.
    Credential,
    /// Sortable date, UTC.
    Time,
    /// `d.hh:mm:ss`.
    Span,
    /// GUID.
    Guid,
    /// Array of strings, one string, or a tagged table with `Add`/`Remove`.
    Many,
    /// A number or `Unlimited`.
    Unlimited,
    /// One of these words, without regard to case.
    Word(&'static [&'static str]),
    /// Some of these words.
    Words(&'static [&'static str]),
}

/// A declared parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// In the spelling of the cmdlet's page.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether the call is refused without it.
    pub required: bool,
}

/// An optional parameter.
pub const fn opt(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, required: false }
}

/// A required parameter.
pub const fn req(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, required: true }
}

/// A bound value.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// Text, in the declared spelling where words are declared.
    Text(String),
    /// Number.
    Int(i64),
    /// Boolean or switch.
    Bool(bool),
    /// Bytes.
    Bytes(Vec<u8>),
    /// User name and password.
    Credential(String, String),
    /// Moment.
    Time(Timestamp),
    /// Several texts, replacing.
    Many(Vec<String>),
    /// `None`: unlimited.
    Limit(Option<u64>),
    /// Bound to nothing.
    Null,
}

/// Everything that was bound, by declared name.
#[derive(Clone, Debug, Default)]
pub struct Arguments(BTreeMap<&'static str, Bound>);

impl Arguments {
    /// Text; `None` if absent, null or empty: an empty identity names everything.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Bound::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Whether a boolean or switch is given and true.
    pub fn is_set(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Bound::Bool(true))
    }

    /// The boolean, if given.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.0.get(name) {
            Some(Bound::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// Bytes.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.0.get(name) {
            Some(Bound::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// User name and password.
    pub fn credential(&self, name: &str) -> Option<(&str, &str)> {
        match self.0.get(name) {
            Some(Bound::Credential(user, password)) => Some((user, password)),
            _ => None,
        }
    }

    /// Several texts.
    pub fn many(&self, name: &str) -> &[String] {
        match self.0.get(name) {
            Some(Bound::Many(texts)) => texts,
            _ => &[],
        }
    }

    /// `Some(None)` is unlimited.
    pub fn limit(&self, name: &str) -> Option<Option<u64>> {
        match self.0.get(name) {
            Some(Bound::Limit(limit)) => Some(*limit),
            _ => None,
        }
    }

    /// Whether anything was bound to a name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The names that were bound.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

/// Parameters that every cmdlet takes.
const COMMON: &[Parameter] = &[
    opt("ErrorAction", Kind::Text),
    opt("WarningAction", Kind::Text),
    opt("InformationAction", Kind::Text),
    opt("Verbose", Kind::Switch),
    opt("Debug", Kind::Switch),
];

/// Binds what a request brought to what a cmdlet declares.
///
/// # Errors
/// The binder's sentence.
pub fn bind(
    cmdlet: &str,
    declared: &'static [Parameter],
    given: &Map<String, Value>,
    key: &ModuleKey,
) -> Result<Arguments, String> {
    let mut bound = BTreeMap::new();
    for (name, value) in given {
        if name.contains("@odata.type") {
            continue;
        }
        let parameter = declared.iter().chain(COMMON).find(|p| p.name.eq_ignore_ascii_case(name));
        let parameter =
            parameter.ok_or_else(|| format!("A parameter cannot be found that matches parameter name '{name}'."))?;
        let value = convert(parameter, value, key)?;
        if bound.insert(parameter.name, value).is_some() {
            return Err(format!(
                "Cannot bind parameter because parameter '{}' is specified more than once.",
                parameter.name
            ));
        }
    }
    let missing: Vec<&str> = declared
        .iter()
        .filter(|p| p.required && matches!(bound.get(p.name), None | Some(Bound::Null)))
        .map(|p| p.name)
        .collect();
    if missing.is_empty() {
        return Ok(Arguments(bound));
    }
    Err(format!(
        "Cannot process command because of one or more missing mandatory parameters: {}. ({cmdlet})",
        missing.join(" ")
    ))
}

fn convert(parameter: &Parameter, value: &Value, key: &ModuleKey) -> Result<Bound, String> {
    let wrong = |to: &str| {
        let shown = match value {
            Value::String(text) => text.clone(),
            Value::Object(_) => "System.Collections.Hashtable".to_owned(),
            other => other.to_string(),
        };
        format!(
            "Cannot process argument transformation on parameter '{}'. Cannot convert value \"{shown}\" to type \"{to}\".",
            parameter.name
        )
    };
    if value.is_null() {
        return Ok(Bound::Null);
    }
    let text = || match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Ok(match parameter.kind {
        Kind::Text => Bound::Text(text().ok_or_else(|| wrong("System.String"))?),
        Kind::Int => {
            let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
            let number = number.filter(|n| i32::try_from(*n).is_ok());
            Bound::Int(number.ok_or_else(|| wrong("System.Int32"))?)
        }
        Kind::Bool => Bound::Bool(value.as_bool().ok_or_else(|| wrong("System.Boolean"))?),
        Kind::Switch => {
            Bound::Bool(value.as_bool().ok_or_else(|| wrong("System.Management.Automation.SwitchParameter"))?)
        }
        Kind::Bytes => {
            let bytes = bytes_of(value);
            Bound::Bytes(bytes.map_err(|e| {
                format!("Cannot process argument transformation on parameter '{}'. {}", parameter.name, e.0)
            })?)
        }
        Kind::Credential => credential(value, key).ok_or_else(|| wrong("System.Management.Automation.PSCredential"))?,
        Kind::Time => Bound::Time(value.as_str().and_then(parse_time).ok_or_else(|| wrong("System.DateTime"))?),
        Kind::Span => {
            let text = value.as_str().filter(|t| is_span(t)).ok_or_else(|| wrong("System.TimeSpan"))?;
            Bound::Text(text.to_owned())
        }
        Kind::Guid => {
            let guid = value.as_str().and_then(Guid::parse).ok_or_else(|| wrong("System.Guid"))?;
            Bound::Text(guid.to_string())
        }
        Kind::Many => Bound::Many(many(value).ok_or_else(|| wrong("Microsoft.Exchange.Data.MultiValuedProperty"))?),
        Kind::Unlimited => match value.as_str() {
            Some(text) if text.eq_ignore_ascii_case("unlimited") => Bound::Limit(None),
            _ => {
                let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
                Bound::Limit(Some(number.ok_or_else(|| wrong("Microsoft.Exchange.Data.Unlimited"))?))
            }
        },
        Kind::Word(words) => {
            let word = value.as_str().and_then(|v| words.iter().find(|w| w.eq_ignore_ascii_case(v)));
            Bound::Text(
                (*word.ok_or_else(|| {
                    format!("{} The possible enumeration values are \"{}\".", wrong("System.Enum"), words.join(", "))
                })?)
                .to_owned(),
            )
        }
        Kind::Words(words) => {
            let given = many(value).ok_or_else(|| wrong("System.Enum[]"))?;
            let known = |v: &String| words.iter().find(|w| w.eq_ignore_ascii_case(v)).map(|w| (*w).to_owned());
            let all: Option<Vec<String>> = given.iter().map(known).collect();
            Bound::Many(all.ok_or_else(|| wrong("System.Enum[]"))?)
        }
    })
}

fn many(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|i| i.as_str().map(str::to_owned)).collect(),
        // Untagged tables do not bind; a tagged one adds.
        Value::Object(map) if map.get("@odata.type").and_then(Value::as_str) == Some(HASHTABLE) => {
            let add = map.iter().find(|(k, _)| k.eq_ignore_ascii_case("Add")).map(|(_, v)| v);
            add.map_or(Some(Vec::new()), many)
        }
        _ => None,
    }
}

fn credential(value: &Value, key: &ModuleKey) -> Option<Bound> {
    let sealed = unbase64(value.as_str()?)?;
    let text = String::from_utf8(key.decrypt(&sealed)?).ok()?;
    let (user, password) = parse_credential(&text)?;
    Some(Bound::Credential(user, password))
}

fn is_span(text: &str) -> bool {
    let (days, rest) = text.split_once('.').unwrap_or(("0", text));
    let parts: Vec<&str> = rest.split(':').collect();
    days.parse::<u32>().is_ok() && parts.len() == 3 && parts.iter().all(|p| p.parse::<u32>().is_ok_and(|n| n < 60))
}
