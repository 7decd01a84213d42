//! Colours for the line being written. Widths never change: only colour codes
//! are put in.

use super::known::Known;
use super::scan::{self, Class};
use crate::check::names;

const KEYWORDS: &[&str] = &[
    "let", "const", "if", "else", "for", "in", "while", "until", "do", "loop", "switch", "try", "catch", "throw", "fn",
    "private", "import", "export", "as", "return", "break", "continue", "true", "false", "this", "global",
];

/// Bold, for the bracket that belongs to the one at the cursor.
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

/// The line with colours; `pos` is the cursor's byte.
pub fn highlight(line: &str, pos: usize, known: &Known) -> String {
    let cursor = [Some(pos), pos.checked_sub(1)];
    let pair = cursor.into_iter().flatten().find_map(|at| scan::matching(line, at));
    let pieces = scan::pieces(line);
    let mut out = String::with_capacity(line.len() * 2);
    for (n, piece) in pieces.iter().enumerate() {
        let text = &line[piece.start..piece.end];
        let colour = match piece.class {
            Class::Comment => "\x1b[2m",
            Class::Text => "\x1b[32m",
            Class::Number => "\x1b[36m",
            Class::Word if KEYWORDS.contains(&text) => "\x1b[35m",
            Class::Word => {
                let next = pieces[n + 1..].iter().find(|p| p.class != Class::Space);
                let next = next.map_or("", |p| &line[p.start..p.end]);
                let space = next == ":" && names::namespaces().contains(&text);
                let called = next == "(" && is_known(text, known);
                if space || called { "\x1b[34m" } else { "" }
            }
            Class::Symbol if pair == Some(piece.start) => BOLD,
            Class::Symbol | Class::Space => "",
        };
        if colour.is_empty() {
            out.push_str(text);
        } else {
            out.push_str(colour);
            out.push_str(text);
            out.push_str(RESET);
        }
    }
    out
}

fn is_known(name: &str, known: &Known) -> bool {
    known.functions.contains_key(name) || crate::api::all().into_iter().any(|p| p.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(coloured: &str) -> String {
        let mut out = String::new();
        let mut rest = coloured;
        while let Some(at) = rest.find('\x1b') {
            out.push_str(&rest[..at]);
            let end = rest[at..].find('m').expect("a colour code has its end");
            rest = &rest[at + end + 1..];
        }
        out + rest
    }

    #[test]
    fn colours_add_no_width() {
        for line in ["let a = \"x\"; // c", "sleep(1.5) + [", "`a ${b} c`", "漢字 = 1"] {
            assert_eq!(bare(&highlight(line, line.len(), &Known::default())), line);
        }
    }

    #[test]
    fn primitives_and_keywords_have_colours_and_others_none() {
        let shown = highlight("let a = sleep(b)", 0, &Known::default());
        assert!(shown.contains("\x1b[35mlet\x1b[0m") && shown.contains("\x1b[34msleep\x1b[0m"));
        assert!(shown.contains(" a = ") && shown.contains("(b)"));
    }

    #[test]
    fn the_matching_bracket_is_bold() {
        assert!(highlight("f(1)", 4, &Known::default()).starts_with("f\x1b[1m(\x1b[0m"));
    }
}
