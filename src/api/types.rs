//! The types of our own that scripts hold: `Mailboxes`, `Mailbox`, `Batch`,
//! `Report`.
//!
//! Handles over Rust values, cheap to copy; a set of mailboxes is never turned
//! into an array of maps to be looked at.

use std::any::TypeId;

use rhai::{Dynamic, Engine, EvalAltResult, Map, Position};

use super::declare::{Call, OwnType, Property, nothing, own};
use crate::base::Result;
use crate::host::failures;
use crate::host::foreseen::{self, Unknown};
use crate::migration::list::{Mailboxes, Row};
use crate::run::batches::Batch;
use crate::run::report::{Finding, Report};

/// The table.
pub const TYPES: &[OwnType] = &[
    OwnType {
        name: "Mailboxes",
        about: "A set of mailboxes from a list, in the order of the list",
        id: TypeId::of::<Mailboxes>,
        path: std::any::type_name::<Mailboxes>,
        show: |value| {
            own::<Mailboxes>(value)
                .map_or_else(String::new, |m| crate::run::report::plural(m.len(), "mailbox", "mailboxes"))
        },
        properties: &[
            Property {
                name: "len",
                returns: "whole number",
                about: "How many there are",
                get: |c| Ok((c.get::<Mailboxes>(0)?.len() as i64).into()),
            },
            Property {
                name: "is_empty",
                returns: "true or false",
                about: "Whether there is none",
                get: |c| Ok(c.get::<Mailboxes>(0)?.is_empty().into()),
            },
            Property {
                name: "columns",
                returns: "array of text",
                about: "Names of the columns, in order",
                get: |c| Ok(texts(c.get::<Mailboxes>(0)?.columns())),
            },
            Property {
                name: "addresses",
                returns: "array of text",
                about: "All addresses, in order",
                get: |c| Ok(texts(&c.get::<Mailboxes>(0)?.addresses())),
            },
            Property {
                name: "file",
                returns: "text",
                about: "The file it was read from",
                get: |c| Ok(c.get::<Mailboxes>(0)?.file().to_owned().into()),
            },
        ],
        iterate: Some(|value| Box::new(own::<Mailboxes>(value).unwrap_or_default().rows().map(Dynamic::from))),
        extra: mailboxes_extra,
    },
    OwnType {
        name: "Mailbox",
        about: "One row of a set of mailboxes; its columns are read as mailbox.Department or mailbox[\"Department\"], \
                whatever their case",
        id: TypeId::of::<Row>,
        path: std::any::type_name::<Row>,
        show: |value| own::<Row>(value).map_or_else(String::new, |r| r.address().to_owned()),
        properties: &[
            Property {
                name: "address",
                returns: "text",
                about: "Its address, as the list writes it",
                get: |c| Ok(c.get::<Row>(0)?.address().to_owned().into()),
            },
            Property {
                name: "line",
                returns: "whole number",
                about: "Its line in the file, from 1; 0 if it came from none",
                get: |c| Ok((c.get::<Row>(0)?.line_number() as i64).into()),
            },
            Property {
                name: "columns",
                returns: "array of text",
                about: "Names of the columns, in order",
                get: |c| Ok(texts(c.get::<Row>(0)?.columns())),
            },
            Property {
                name: "to_map",
                returns: "map",
                about: "Its values by column, without the secret ones",
                get: |c| Ok(map_of(&c.get::<Row>(0)?)),
            },
        ],
        iterate: None,
        extra: mailbox_extra,
    },
    OwnType {
        name: "Batch",
        about: "A migration batch, by its name; what is known of its mailboxes is that of the last watch",
        id: TypeId::of::<Batch>,
        path: std::any::type_name::<Batch>,
        show: |value| own::<Batch>(value).map_or_else(String::new, |b| format!("batch {}", b.name())),
        properties: &[
            Property {
                name: "name",
                returns: "text",
                about: "Its name",
                get: |c| Ok(c.get::<Batch>(0)?.name().to_owned().into()),
            },
            Property {
                name: "status",
                returns: "text",
                about: "Its status as last seen; empty before the first watch",
                get: |c| Ok(c.get::<Batch>(0)?.status().into()),
            },
            Property {
                name: "mailboxes",
                returns: "Mailboxes",
                about: "What it was made of",
                get: |c| Ok(Dynamic::from(c.get::<Batch>(0)?.mailboxes().clone())),
            },
            Property {
                name: "synced",
                returns: "Mailboxes",
                about: "Those whose copy is done",
                get: |c| Ok(Dynamic::from(c.get::<Batch>(0)?.synced())),
            },
            Property {
                name: "failed",
                returns: "Mailboxes",
                about: "Those that failed; they may be forwarded already",
                get: |c| Ok(Dynamic::from(c.get::<Batch>(0)?.failed())),
            },
            Property {
                name: "provisioned",
                returns: "Mailboxes",
                about: "Those that have a cloud mailbox, filled or not",
                get: |c| Ok(Dynamic::from(c.get::<Batch>(0)?.provisioned())),
            },
            Property {
                name: "is_over",
                returns: "true or false",
                about: "Whether its copy was over at the last watch",
                get: |c| Ok(c.get::<Batch>(0)?.is_over().into()),
            },
            Property {
                name: "finished",
                returns: "true or false",
                about: "Whether all its mailboxes had moved when it was asked for",
                get: |c| Ok(c.get::<Batch>(0)?.is_finished().into()),
            },
        ],
        iterate: None,
        extra: batch_extra,
    },
    OwnType {
        name: "Report",
        about: "What a check found, and the mailboxes that go on",
        id: TypeId::of::<Report>,
        path: std::any::type_name::<Report>,
        show: |value| own::<Report>(value).map_or_else(String::new, |r| format!("{}: {}", r.check, r.sentence())),
        properties: &[
            Property {
                name: "ok",
                returns: "true or false",
                about: "Whether nothing concerns everybody",
                get: |c| Ok(c.get::<Report>(0)?.is_ok().into()),
            },
            Property {
                name: "findings",
                returns: "array of map",
                about: "severity, everybody, target, message, hint; rule where a rule of the list was broken (SP204)",
                get: findings,
            },
            Property {
                name: "mailboxes",
                returns: "Mailboxes",
                about: "Those that go on; () where the check is not about mailboxes",
                get: going_on,
            },
            Property { name: "facts", returns: "map", about: "What the check learned, e.g. `kind`", get: facts },
        ],
        iterate: None,
        extra: nothing,
    },
    OwnType {
        name: "Unknown",
        about: "What a plan can't say: an identifier that only a service gives. It is handed on like any value; to \
                compare it ends the plan",
        id: TypeId::of::<Unknown>,
        path: std::any::type_name::<Unknown>,
        show: |value| own::<Unknown>(value).map_or_else(String::new, |u| u.mark()),
        properties: &[],
        iterate: None,
        extra: foreseen::refuse_comparisons,
    },
];

/// A row as a map, without the secret columns.
pub fn map_of(row: &Row) -> Dynamic {
    let mut map = Map::new();
    for (name, value) in row.to_pairs() {
        map.insert(name.into(), value.into());
    }
    map.into()
}

fn mailboxes_extra(engine: &mut Engine) {
    engine.register_fn("==", |a: &mut Mailboxes, b: Mailboxes| a.addresses() == b.addresses());
    engine.register_fn("!=", |a: &mut Mailboxes, b: Mailboxes| a.addresses() != b.addresses());
    engine.register_indexer_get(|list: &mut Mailboxes, index: i64| {
        let row = list.at(index).map(Dynamic::from);
        row.ok_or_else(|| Box::new(EvalAltResult::ErrorArrayBounds(list.len(), index, Position::NONE)))
    });
}

fn mailbox_extra(engine: &mut Engine) {
    engine.register_fn("==", |a: &mut Row, b: Row| a.key() == b.key());
    engine.register_fn("!=", |a: &mut Row, b: Row| a.key() != b.key());
    engine.register_indexer_get(|row: &mut Row, column: &str| match row.cell(column) {
        Some(text) => Ok(Dynamic::from(text.to_owned())),
        None => Err(failures::into_error(super::rows::no_cell(row, column), Position::NONE)),
    });
}

fn batch_extra(engine: &mut Engine) {
    engine.register_fn("==", |a: &mut Batch, b: Batch| a.name() == b.name());
    engine.register_fn("!=", |a: &mut Batch, b: Batch| a.name() != b.name());
}

/// Texts as an array.
pub fn texts<S: AsRef<str>>(list: &[S]) -> Dynamic {
    list.iter().map(|t| Dynamic::from(t.as_ref().to_owned())).collect::<rhai::Array>().into()
}

fn finding(f: &Finding) -> Dynamic {
    let mut map = Map::new();
    map.insert("severity".into(), f.severity.word().into());
    map.insert("everybody".into(), f.everybody.into());
    map.insert("target".into(), f.target.clone().into());
    map.insert("message".into(), f.message.clone().into());
    map.insert("hint".into(), f.hint.clone().into());
    if !f.rule.is_empty() {
        map.insert("rule".into(), f.rule.into());
    }
    map.into()
}

fn findings(call: &mut Call) -> Result<Dynamic> {
    Ok(call.get::<Report>(0)?.findings.iter().map(finding).collect::<rhai::Array>().into())
}

fn going_on(call: &mut Call) -> Result<Dynamic> {
    Ok(call.get::<Report>(0)?.mailboxes.map_or(Dynamic::UNIT, Dynamic::from))
}

fn facts(call: &mut Call) -> Result<Dynamic> {
    let mut map = Map::new();
    for (name, value) in call.get::<Report>(0)?.facts {
        map.insert(name.into(), value.into());
    }
    Ok(map.into())
}
