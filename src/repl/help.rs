//! `?name` and `?text`: what the declarations say, for reading.

use std::fmt::Write;

use super::known::Known;
use super::render::wrapped;
use crate::api;
use crate::api::declare::{OwnType, Primitive};
use crate::check::{names, suggest};

/// Answers a question; `width` is that of the terminal.
pub fn answer(question: &str, known: &Known, width: usize) -> String {
    let question = question.trim().trim_end_matches("()");
    let width = width.clamp(40, 100);
    if question.is_empty() {
        return overview(width);
    }
    if let Some(primitive) = names::primitive(question) {
        return of_primitive(primitive, width);
    }
    if let Some(own) = api::types().into_iter().find(|t| t.name == question) {
        return of_type(own, width);
    }
    let members = names::primitives_in(question);
    if !members.is_empty() {
        return list(&members, width);
    }
    if let Some(functions) = known.imports.get(question) {
        return functions.values().map(|s| format!("{question}::{s}\n")).collect();
    }
    if let Some(shape) = known.variables.get(question) {
        let members = if shape.members.is_empty() { "nothing".to_owned() } else { shape.members.join(", ") };
        return format!("{question} is {}\nbehind a dot: {}\n", shape.word, wrapped(&members, width - 14));
    }
    if let Some(signature) = known.signature(question) {
        return format!("{signature}\n");
    }
    search(question, known, width)
}

fn overview(width: usize) -> String {
    let mut out = list(&names::primitives_in(""), width);
    for space in names::namespaces() {
        let members: Vec<&str> = names::primitives_in(space).iter().map(|p| p.name).collect();
        let _ = writeln!(out, "{space}::{{{}}}", members.join(", "));
    }
    out.push_str("\n?name explains one, ?word searches\n");
    out
}

fn list(primitives: &[&Primitive], width: usize) -> String {
    let widest = primitives.iter().map(|p| p.full_name().len()).max().unwrap_or(0);
    let below = format!("\n{}", " ".repeat(widest + 2));
    let summary = |p: &Primitive| wrapped(p.summary, width.saturating_sub(widest + 2).max(20)).replace('\n', &below);
    primitives.iter().map(|p| format!("{:widest$}  {}\n", p.full_name(), summary(p))).collect()
}

fn search(word: &str, known: &Known, width: usize) -> String {
    if known.modules.iter().any(|m| m == word) {
        return format!("`{word}` is a module; ??{word} shows its source\n");
    }
    let wanted = word.to_lowercase();
    let holds = |p: &&Primitive| {
        [p.full_name().as_str(), p.summary, p.about].iter().any(|text| text.to_lowercase().contains(&wanted))
    };
    let found: Vec<&Primitive> = api::all().into_iter().filter(holds).collect();
    if !found.is_empty() {
        return list(&found, width);
    }
    let all = api::all().into_iter().map(Primitive::full_name).chain(names::standard().keys().cloned());
    match suggest::nearest(word, all.collect::<Vec<_>>()) {
        Some(near) => format!("nothing is called `{word}`; did you mean ?{near}\n"),
        None => format!("nothing is called `{word}` or speaks of it; ? lists everything\n"),
    }
}

/// The page of one primitive.
pub fn of_primitive(primitive: &Primitive, width: usize) -> String {
    let mut out = format!("{}\n\n{}. {}\n", primitive.signature(), primitive.summary, "");
    out.truncate(out.trim_end().len());
    let _ = writeln!(out, "\n{}\n", wrapped(primitive.about, width));
    let widest = primitive.args.iter().map(|a| a.name.len()).max().unwrap_or(0);
    for arg in primitive.args {
        let optional = if arg.optional { ", may be left out" } else { "" };
        let words = format!("{}{optional}. {}", arg.kind, arg.about);
        let indented = wrapped(&words, width - widest - 4).replace('\n', &format!("\n{}", " ".repeat(widest + 4)));
        let _ = writeln!(out, "  {:widest$}  {indented}", arg.name);
    }
    if !primitive.args.is_empty() {
        out.push('\n');
    }
    let mut line = |word: &str, text: &str| {
        if !text.is_empty() {
            let indented = wrapped(text, width - 12).replace('\n', &format!("\n{}", " ".repeat(12)));
            let _ = writeln!(out, "{word:<12}{indented}");
        }
    };
    line("effect", primitive.effect.word());
    line("way back", primitive.way_back);
    let kinds: Vec<&str> = primitive.failures.iter().map(|k| k.word()).collect();
    line("failures", &kinds.join(", "));
    if primitive.methods_too {
        line("method", &format!("also as value.{}(…)", primitive.name));
    }
    line("since", primitive.since);
    let _ = writeln!(out, "\n    {}", primitive.example.trim().replace('\n', "\n    "));
    out
}

fn of_type(own: &OwnType, width: usize) -> String {
    let mut out = format!("{}\n\n{}\n\n", own.name, wrapped(own.about, width));
    let widest = own.properties.iter().map(|p| p.name.len()).max().unwrap_or(0);
    for property in own.properties {
        let _ = writeln!(out, "  .{:widest$}  {}. {}", property.name, property.returns, property.about);
    }
    let methods = api::all().into_iter().filter(|p| p.methods_too);
    let fitting = methods.filter(|p| p.args.first().is_some_and(|a| a.kind.word() == own.name));
    for primitive in fitting {
        let _ = writeln!(out, "  .{}(…)  {}", primitive.name, primitive.summary);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_a_part_of_a_name_and_a_word() {
        let known = Known::default();
        let page = answer("retry", &known, 80);
        for part in
            ["retry(times: whole number, work: closure)", "failures    usage", "effect      waits", "let answer"]
        {
            assert!(page.contains(part), "{part} in\n{page}");
        }
        assert!(answer("doubling", &known, 80).contains("retry"));
        assert!(answer("retyr", &known, 80).contains("did you mean ?retry"));
        assert!(answer("", &known, 80).contains("sleep"));
        assert!(answer("push", &known, 80).contains("push(array, item)"));
    }

    #[test]
    fn lists_fit_the_terminal() {
        for width in [60, 80] {
            for page in [answer("", &Known::default(), width), answer("mail", &Known::default(), width)] {
                for line in page.lines() {
                    assert!(unicode_width::UnicodeWidthStr::width(line) <= width, "{line}");
                }
            }
        }
    }

    #[test]
    fn every_page_fits_the_terminal() {
        for primitive in api::all() {
            let page = of_primitive(primitive, 80);
            let lines = page.lines().skip(1).filter(|l| !l.starts_with("    "));
            for line in lines {
                assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
            }
        }
    }
}
