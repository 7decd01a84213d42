//! What a plan can't say, as scripts meet it: a value that only a service knows.
//!
//! It can be handed on to any primitive, and stands in texts as a mark. To compare
//! it would choose a way that the run may not take, so a comparison ends the plan
//! at its line, and nothing catches that. Only a planning run holds such values.

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map, Position};

use super::failures;
use crate::base::{Failure, Kind};
use crate::run::shadow::unknown;

/// A value that only a service knows.
#[derive(Clone, Debug)]
pub struct Unknown(String);

impl Unknown {
    /// Its mark in texts.
    pub fn mark(&self) -> String {
        self.0.clone()
    }
}

/// An answer as a planning script gets it: unknown texts as what they are.
pub(crate) fn shown(value: Dynamic) -> Dynamic {
    if let Ok(text) = value.as_immutable_string_ref() {
        return match unknown::in_text(&text) {
            Some(_) => Dynamic::from(Unknown(text.to_string())),
            None => Dynamic::from(text.clone()),
        };
    }
    each(value, shown)
}

/// An argument as a primitive of a planning run takes it: by its mark.
pub(crate) fn marked(value: Dynamic) -> Dynamic {
    match value.clone().try_cast::<Unknown>() {
        Some(unknown) => unknown.0.into(),
        None => each(value, marked),
    }
}

fn each(value: Dynamic, change: fn(Dynamic) -> Dynamic) -> Dynamic {
    if value.is_array() {
        return value.cast::<Array>().into_iter().map(change).collect::<Array>().into();
    }
    if value.is_map() {
        return value.cast::<Map>().into_iter().map(|(name, v)| (name, change(v))).collect::<Map>().into();
    }
    value
}

/// Makes every comparison of one the end of the plan.
pub fn refuse_comparisons(engine: &mut Engine) {
    for operator in ["==", "!=", "<", "<=", ">", ">=", "contains"] {
        engine.register_fn(operator, |a: Unknown, _: Unknown| compared(&a));
        engine.register_fn(operator, |a: Unknown, _: Dynamic| compared(&a));
        engine.register_fn(operator, |_: Dynamic, b: Unknown| compared(&b));
    }
}

fn compared(value: &Unknown) -> Result<bool, Box<EvalAltResult>> {
    let what = unknown::in_text(&value.0).unwrap_or("what only the service knows");
    let failure = Failure::new(Kind::Unforeseen, format!("a plan can't say {what}, and the script compares it"))
        .hint("let a run make what the value comes from, then plan the rest; or compare something else");
    Err(failures::into_error(failure, Position::NONE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Engine {
        let mut engine = Engine::new();
        refuse_comparisons(&mut engine);
        engine.register_fn("id", || shown(unknown::text(unknown::Of::User, "ann").into()));
        engine
    }

    #[test]
    fn a_comparison_ends_the_plan_and_nothing_catches_it() {
        for text in [
            "id() == \"x\"",
            "\"x\" == id()",
            "id() != ()",
            "id() == id()",
            "id() < 3",
            "[1, id()] == [1, 2]",
            "#{ a: id() } == #{ a: 1 }",
            "id() in [1, 2]",
            "if id() != 1.5 { 2 } else { 3 }",
            "try { if id() == 1 { 2 } } catch { 3 }",
        ] {
            let error = engine().eval::<Dynamic>(text).expect_err(text);
            let failure = failures::of_error(&error, "");
            assert_eq!(failure.kind, Kind::Unforeseen, "{text}: {failure:?}");
            assert!(!failures::leaf(&error, "").0.is_catchable(), "{text}");
        }
    }

    #[test]
    fn what_is_known_beside_it_stays_what_it_is() {
        let array: Dynamic = vec![Dynamic::from("a"), unknown::text(unknown::Of::Proof, "x.test").into()].into();
        let shown = shown(array.clone());
        let items = shown.clone().cast::<Array>();
        assert!(items[0].is_string() && items[1].is::<Unknown>());
        assert_eq!(marked(shown).to_string(), array.to_string());
        assert!(engine().eval::<bool>("let x = id(); type_of(x) != \"string\"").expect("a type may be compared"));
    }
}
