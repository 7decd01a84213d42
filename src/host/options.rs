//! A map of options read into a struct, with every fault named by its key.
//!
//! serde ignores unknown keys unless a struct asks otherwise; here a misspelt
//! option is always refused, so that it can't be silently without effect.

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

use crate::base::{Failure, Kind, Result};
use crate::check::suggest;

/// Reads a map of options for the primitive `name`.
///
/// # Errors
/// [`Kind::Usage`]: an unknown key (the known ones are named), or a value of
/// the wrong type (the key is named).
pub fn read<T: DeserializeOwned>(name: &str, options: &Value) -> Result<T> {
    let known = known_keys::<T>();
    if let (Some(known), Value::Object(given)) = (&known, options)
        && let Some(stray) = given.keys().find(|k| !known.contains(&k.as_str()))
    {
        let list = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
        let hint = match suggest::nearest(stray, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? It knows {list}"),
            None if known.is_empty() => "it takes no options".to_owned(),
            None => format!("it knows {list}"),
        };
        return Err(Failure::new(Kind::Usage, format!("{name} has no option `{stray}`")).hint(hint));
    }
    T::deserialize(options).map_err(|error| {
        let text = words_of(&error.to_string());
        match culprit::<T>(options) {
            Some(key) => Failure::new(Kind::Usage, format!("option `{key}` of {name} is wrong: {text}")),
            None => Failure::new(Kind::Usage, format!("the options of {name} are wrong: {text}")),
        }
    })
}

/// serde's words for types, in the words of scripts.
fn words_of(text: &str) -> String {
    let mut text = text.replace("a boolean", "true or false").replace("a map", "a map of options");
    for (theirs, ours) in [
        ("invalid type: ", ""),
        ("invalid value: ", ""),
        ("boolean ", ""),
        ("integer ", "the number "),
        ("floating point ", "the number "),
        ("string ", "the text "),
        ("null", "nothing"),
        ("a sequence", "an array"),
        ("a string", "a text"),
        ("sequence", "an array"),
        ("expected usize", "expected a whole number of at least 0"),
        ("expected u64", "expected a whole number of at least 0"),
        ("expected u32", "expected a whole number of at least 0"),
        ("expected i64", "expected a whole number"),
        ("expected f64", "expected a number"),
    ] {
        text = text.replace(theirs, ours);
    }
    text
}

/// The key without which the rest can be read.
fn culprit<T: DeserializeOwned>(options: &Value) -> Option<String> {
    let Value::Object(fields) = options else { return None };
    let keys: Vec<&String> = fields.keys().collect();
    keys.into_iter()
        .find(|key| {
            let mut rest = fields.clone();
            rest.shift_remove(key.as_str());
            T::deserialize(&Value::Object(rest)).is_ok()
        })
        .cloned()
}

/// The field names a struct asks for; `None` if `T` isn't a plain struct.
fn known_keys<'de, T: Deserialize<'de>>() -> Option<Vec<&'static str>> {
    struct Spy<'a>(&'a mut Option<Vec<&'static str>>);
    impl<'de> Deserializer<'de> for Spy<'_> {
        type Error = Error;
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("only asked for the fields"))
        }
        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            *self.0 = Some(fields.to_vec());
            Err(Error::custom("only asked for the fields"))
        }
        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut known = None;
    let _ = T::deserialize(Spy(&mut known));
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Default, serde::Deserialize, PartialEq)]
    #[serde(default)]
    struct Options {
        at_most: u32,
        keep: Option<String>,
        hours: f64,
    }

    #[test]
    fn a_misspelt_key_is_refused_with_the_near_one() {
        let failure = read::<Options>("waves::plan", &json!({"at_mots": 5})).expect_err("the key is unknown");
        assert_eq!(failure.message, "waves::plan has no option `at_mots`");
        assert!(failure.hint.expect("a near key exists").contains("did you mean `at_most`?"));
    }

    #[test]
    fn a_wrong_value_names_its_key() {
        let failure = read::<Options>("f", &json!({"keep": "x", "at_most": -1})).expect_err("-1 is no u32");
        assert!(failure.message.starts_with("option `at_most` of f is wrong: the number `-1`"), "{}", failure.message);
    }

    #[test]
    fn whole_numbers_serve_as_numbers() {
        let read = read::<Options>("f", &json!({"hours": 2})).expect("2 is a number");
        assert_eq!(read, Options { hours: 2.0, ..Options::default() });
    }
}
