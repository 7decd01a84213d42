//! `stagepost explain`: a primitive, a rule or a guard, from its record.

use super::Context;
use super::args::Explain;
use crate::api::{self, declare::Primitive};
use crate::base::{Failure, Kind, Result};
use crate::migration::against::{self, ListRule};
use crate::migration::{guards, rules};

/// Prints the record; all names without one.
pub(crate) fn explain(context: &Context, args: &Explain) -> Result<u8> {
    let Some(name) = &args.name else {
        let rows: Vec<Vec<String>> =
            api::all().iter().map(|p| vec![p.full_name(), p.effect.word().to_owned(), p.summary.to_owned()]).collect();
        context.ui.table(&["primitive", "effect", "what it does"], &rows);
        let rows: Vec<Vec<String>> = guards::GUARDS
            .iter()
            .map(|g| vec![g.name.to_owned(), g.primitive.to_owned(), g.title.to_owned()])
            .collect();
        context.ui.table(&["guard", "stands before", "what would be lost"], &rows);
        return Ok(0);
    };
    if let Some(primitive) = api::all().into_iter().find(|p| p.full_name() == *name || p.name == name) {
        context.ui.print(&of_primitive(primitive));
        return Ok(0);
    }
    if let Some(rule) = rules::rule(name) {
        context.ui.print(&of_rule(rule));
        return Ok(0);
    }
    if let Some(guard) = guards::guard(name) {
        context.ui.print(&format!(
            "{} stands before {}\n\nLost without it: {}\nDemands: {}\nRemedy: {}\nBy force: {}\nSource: {}\n",
            guard.name, guard.primitive, guard.title, guard.demands, guard.remedy, guard.forced, guard.source
        ));
        return Ok(0);
    }
    let near = api::all()
        .into_iter()
        .map(Primitive::full_name)
        .chain(guards::GUARDS.iter().map(|g| g.name.to_owned()))
        .min_by_key(|n| strsim::damerau_levenshtein(n, name))
        .unwrap_or_default();
    Err(Failure::new(Kind::Usage, format!("there is no primitive, no rule and no guard {name}"))
        .hint(format!("did you mean `{near}`? `stagepost explain` lists all")))
}

fn of_rule(rule: &rules::Rule) -> String {
    let listed = against::of(rule.id);
    let mut out = format!(
        "{} ({}): {}\n\nCause: {}\nRemedy: {}\nKinds: {}\nSource: {}\n",
        rule.id,
        rule.severity.word(),
        rule.meaning,
        rule.cause,
        rule.remedy,
        listed.map_or_else(|| rule.kinds_text(), ListRule::kinds_text),
        rule.source
    );
    if let Some(listed) = listed {
        out.push_str(&format!("Looks: {}\n", listed.side.word()));
        if !listed.silences.is_empty() {
            out.push_str(&format!("Not said beside it: {}\n", listed.silences.join(", ")));
        }
    }
    if !rule.implies.is_empty() {
        out.push_str(&format!("Implies: {}\n", rule.implies.join(", ")));
    }
    out.push_str(&format!("\nExample\n{}", rule.example.text()));
    out
}

fn of_primitive(p: &Primitive) -> String {
    let mut out = format!("{}\n\n{}. {}\n", p.signature(), p.summary, p.about);
    if !p.args.is_empty() {
        out.push_str("\nArguments\n");
        for arg in p.args {
            out.push_str(&format!("  {}: {}. {}\n", arg.name, arg.kind, arg.about));
        }
    }
    out.push_str(&format!("\nEffect: {}\n", p.effect.word()));
    if !p.way_back.is_empty() {
        out.push_str(&format!("Way back: {}\n", p.way_back));
    }
    if !p.failures.is_empty() {
        let kinds: Vec<&str> = p.failures.iter().map(|k| k.word()).collect();
        out.push_str(&format!("Failures: {}\n", kinds.join(", ")));
    }
    let example: Vec<String> = p.example.lines().map(|l| format!("  {l}")).collect();
    out.push_str(&format!("\nExample\n{}\n", example.join("\n")));
    out
}
