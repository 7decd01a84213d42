//! What scripts see: one file for each namespace, each a table of declarations
//! and thin calls into the session.
//!
//! A primitive that isn't declared here does not exist: registration, help,
//! completion, the checker and the reference pages all read these tables. No
//! file here opens a socket, keeps a state or knows a rule of the field.

mod asking;
pub mod cloud;
pub mod core;
pub mod declare;
pub mod kept;
pub mod mailboxes;
pub mod remembered;
pub mod rows;
pub mod services;
pub mod steps;
pub mod types;
pub mod waves;

use declare::{OwnType, Primitive};

/// The tables, one line for each namespace file.
const TABLES: &[&[Primitive]] = &[
    core::PRIMITIVES,
    remembered::PRIMITIVES,
    steps::PRIMITIVES,
    mailboxes::PRIMITIVES,
    rows::PRIMITIVES,
    waves::PRIMITIVES,
    cloud::PRIMITIVES,
    services::PRIMITIVES,
];

/// The types of our own that scripts may hold.
const TYPES: &[&[OwnType]] = &[types::TYPES];

/// Every primitive, in the order of the documentation.
pub fn all() -> Vec<&'static Primitive> {
    TABLES.iter().flat_map(|table| table.iter()).collect()
}

/// Every type of our own.
pub fn types() -> Vec<&'static OwnType> {
    TYPES.iter().flat_map(|table| table.iter()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::declare::{Effect, Kind};
    use super::*;
    use crate::check;
    use crate::host::Library;

    #[test]
    fn every_name_is_declared_once_for_each_number_of_arguments() {
        let mut seen = BTreeSet::new();
        for primitive in all() {
            for arity in primitive.arity() {
                assert!(seen.insert((primitive.full_name(), arity)), "{primitive:?} is declared twice");
            }
        }
    }

    #[test]
    fn every_declaration_is_complete() {
        for p in all() {
            let name = p.full_name();
            for (what, text) in [("summary", p.summary), ("about", p.about), ("returns", p.returns), ("since", p.since)]
            {
                assert!(!text.trim().is_empty(), "{name} has no {what}");
            }
            assert!(!p.summary.ends_with('.'), "the summary of {name} ends with a full stop");
            assert!(!p.example.trim().is_empty(), "{name} has no example");
            assert!(p.effect != Effect::Writes || !p.way_back.is_empty(), "{name} writes and names no way back");
            assert!(p.example.contains(p.name), "the example of {name} doesn't call it");
            let mut optional = false;
            for arg in p.args {
                assert!(!arg.about.is_empty(), "`{}` of {name} has no words", arg.name);
                assert!(arg.optional || !optional, "`{}` of {name} stands behind an optional one", arg.name);
                assert!(arg.kind != Kind::Options || arg.optional, "options of {name} are not optional");
                optional = arg.optional;
            }
            assert!(!p.methods_too || !p.args.is_empty(), "{name} is a method of nothing");
        }
    }

    #[test]
    fn every_name_can_be_called() {
        for p in all() {
            for word in [p.namespace, p.name].into_iter().filter(|w| !w.is_empty()) {
                assert!(rhai::is_valid_function_name(word), "`{word}` of {p:?} is a reserved word");
            }
        }
        for own in types() {
            for property in own.properties {
                assert!(rhai::is_valid_function_name(property.name), "{}.{}", own.name, property.name);
            }
        }
    }

    #[test]
    fn every_example_passes_the_check() {
        for p in all() {
            let found = check::text(&p.full_name(), p.example, &Library::bundled_only());
            let shown: String = found.iter().map(crate::host::frames::plain_problem).collect();
            assert!(found.is_empty(), "the example of {}:\n{shown}", p.full_name());
        }
    }

    /// Nothing but these crosses into scripts; the host refuses the rest when
    /// it meets it in a debug build.
    #[test]
    fn every_return_is_a_kind_that_may_cross() {
        use Kind::*;
        let kinds = [Text, Int, Float, Bool, Array, Map, Mailboxes, Batch, Wave, Endpoint, Report, Any];
        let mut words: BTreeSet<String> = kinds.iter().map(|k| k.word().to_owned()).collect();
        words.extend(types().iter().map(|t| t.name.to_owned()));
        words.insert("()".to_owned());
        let known = |text: &str| words.contains(text.strip_prefix("array of ").unwrap_or(text));
        let properties = types().into_iter().flat_map(|t| t.properties.iter().map(move |p| (t.name, p)));
        let returns = all().into_iter().map(|p| (p.full_name(), p.returns));
        for (name, text) in returns.chain(properties.map(|(t, p)| (format!("{t}.{}", p.name), p.returns))) {
            assert!(known(text) || text.split(" or ").all(known), "{name} answers `{text}`, which is no kind of value");
        }
    }

    #[test]
    fn own_types_are_named_once() {
        let names: BTreeSet<&str> = types().iter().map(|t| t.name).collect();
        assert_eq!(names.len(), types().len());
    }
}
