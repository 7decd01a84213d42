//! A forgiving scanner of what is being typed: words, texts, comments and
//! brackets, complete or not.
//!
//! The engine's own lexer drops comments, misreads the tail of interpolated
//! texts and never ends; an editor needs every character, with its place.

/// What a piece of the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A name or keyword.
    Word,
    /// A number.
    Number,
    /// A text in any quotes.
    Text,
    /// A comment.
    Comment,
    /// One character of punctuation.
    Symbol,
    /// Blanks.
    Space,
}

/// One piece, by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub class: Class,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Whether a text or comment has its end.
    pub closed: bool,
}

/// All pieces of the input, without gaps.
pub fn pieces(input: &str) -> Vec<Piece> {
    let mut all = Vec::new();
    let mut start = 0;
    while let Some(first) = input[start..].chars().next() {
        let rest = &input[start..];
        let run = |test: fn(char) -> bool| rest.find(|c| !test(c)).unwrap_or(rest.len());
        let (class, length, closed) = match first {
            c if c.is_whitespace() => (Class::Space, run(char::is_whitespace), true),
            c if c.is_alphabetic() || c == '_' => (Class::Word, run(|c| c.is_alphanumeric() || c == '_'), true),
            c if c.is_ascii_digit() => (Class::Number, number(rest), true),
            '/' if rest.starts_with("//") => (Class::Comment, rest.find('\n').unwrap_or(rest.len()), true),
            '/' if rest.starts_with("/*") => match rest.find("*/") {
                Some(end) => (Class::Comment, end + 2, true),
                None => (Class::Comment, rest.len(), false),
            },
            '"' | '\'' | '`' => {
                let (length, closed) = text(rest, first);
                (Class::Text, length, closed)
            }
            c => (Class::Symbol, c.len_utf8(), true),
        };
        all.push(Piece { class, start, end: start + length, closed });
        start += length;
    }
    all
}

/// `1_000`, `0xff`, `1.5e3`; but `1..3` is two numbers and `3.max` a call.
fn number(rest: &str) -> usize {
    let whole = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let mut tail = rest[whole..].chars();
    if tail.next() == Some('.') && tail.next().is_some_and(|c| c.is_ascii_digit()) {
        let more = &rest[whole + 1..];
        return whole + 1 + more.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(more.len());
    }
    whole
}

/// Length of a text and whether it is closed. A text in backticks goes over
/// `${ … }` with whatever stands in it.
fn text(rest: &str, quote: char) -> (usize, bool) {
    let mut letters = rest.char_indices().skip(1).peekable();
    let mut depth = 0usize;
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if quote != '`' => {
                letters.next();
            }
            '$' if quote == '`' && depth == 0 && letters.peek().is_some_and(|(_, c)| *c == '{') => {
                letters.next();
                depth = 1;
            }
            '{' if depth > 0 => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '\n' if quote != '`' => return (at, false),
            c if c == quote && depth == 0 => return (at + 1, true),
            _ => {}
        }
    }
    (rest.len(), false)
}

/// A bracket that is open at the end of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// `(`, `[`, `{`, or `#` for the brace of a map.
    pub bracket: char,
    /// The name before it: `domain::verify`, `start`; empty if there is none.
    pub name: String,
    /// Whether the name stands behind a dot.
    pub method: bool,
    /// Commas inside so far.
    pub commas: usize,
    /// Whether a key may stand at the end of the input: for a map, right
    /// behind the brace or a comma.
    pub at_key: bool,
    /// Keys of a map written so far.
    pub keys: Vec<String>,
}

/// The brackets that are open at the end of the input, outermost first.
pub fn open_brackets(input: &str) -> Vec<Open> {
    let mut stack: Vec<Open> = Vec::new();
    let (mut name, mut method, mut before) = (String::new(), false, ' ');
    for piece in pieces(input) {
        let text = &input[piece.start..piece.end];
        match piece.class {
            Class::Space | Class::Comment => continue,
            Class::Word => {
                if name.ends_with("::") {
                    name.push_str(text);
                } else {
                    method = before == '.';
                    text.clone_into(&mut name);
                }
                if let Some(top) = stack.last_mut().filter(|o| o.bracket == '#' && o.at_key) {
                    // A key once its colon comes; a word in the making until then.
                    top.name = text.to_owned();
                }
                before = 'a';
                continue;
            }
            Class::Symbol => match text {
                ":" => {
                    if !name.is_empty() {
                        name.push(':');
                    }
                    let key = name.trim_end_matches(':').to_owned();
                    if let Some(top) = stack.last_mut().filter(|o| o.bracket == '#' && o.at_key) {
                        top.keys.push(key);
                        top.at_key = false;
                    }
                    before = ':';
                    continue;
                }
                "(" | "[" | "{" => {
                    let bracket = if text == "{" && before == '#' { '#' } else { text.chars().next().unwrap_or('(') };
                    let called = if text == "(" && before == 'a' { std::mem::take(&mut name) } else { String::new() };
                    let at_key = bracket == '#';
                    stack.push(Open { bracket, name: called, method, commas: 0, at_key, keys: Vec::new() });
                }
                ")" | "]" | "}" => {
                    stack.pop();
                }
                "," => {
                    if let Some(top) = stack.last_mut() {
                        top.commas += 1;
                        top.at_key = top.bracket == '#';
                    }
                }
                _ => {}
            },
            Class::Number | Class::Text => {}
        }
        name.clear();
        before = text.chars().next_back().unwrap_or(' ');
    }
    stack
}

/// The byte of the bracket that belongs to the one at `at`, if both are there.
pub fn matching(input: &str, at: usize) -> Option<usize> {
    let brackets: Vec<(usize, char)> = pieces(input)
        .into_iter()
        .filter(|p| p.class == Class::Symbol)
        .filter_map(|p| input[p.start..p.end].chars().next().map(|c| (p.start, c)))
        .filter(|(_, c)| "()[]{}".contains(*c))
        .collect();
    let mut stack: Vec<(usize, char)> = Vec::new();
    for (place, bracket) in brackets {
        match bracket {
            '(' | '[' | '{' => stack.push((place, bracket)),
            _ => {
                let (opened, open) = stack.pop()?;
                if !matches!((open, bracket), ('(', ')') | ('[', ']') | ('{', '}')) {
                    return None;
                }
                if opened == at {
                    return Some(place);
                }
                if place == at {
                    return Some(opened);
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn classes(input: &str) -> Vec<(Class, &str)> {
        let all = pieces(input);
        all.iter().filter(|p| p.class != Class::Space).map(|p| (p.class, &input[p.start..p.end])).collect()
    }

    #[test]
    fn pieces_of_a_line() {
        assert_eq!(
            classes("let a = `x ${f(\"}\")} y`; // c"),
            [
                (Class::Word, "let"),
                (Class::Word, "a"),
                (Class::Symbol, "="),
                (Class::Text, "`x ${f(\"}\")} y`"),
                (Class::Symbol, ";"),
                (Class::Comment, "// c"),
            ]
        );
        assert_eq!(
            classes("1..3 1.5 3.max"),
            [
                (Class::Number, "1"),
                (Class::Symbol, "."),
                (Class::Symbol, "."),
                (Class::Number, "3"),
                (Class::Number, "1.5"),
                (Class::Number, "3"),
                (Class::Symbol, "."),
                (Class::Word, "max"),
            ]
        );
    }

    #[test]
    fn the_call_under_the_cursor() {
        let open = open_brackets("let b = waves::plan(list, #{ pilot: 5, at_");
        assert_eq!((open[0].name.as_str(), open[0].commas, open[0].method), ("waves::plan", 1, false));
        assert_eq!((open[1].bracket, open[1].at_key, open[1].keys.clone()), ('#', true, vec!["pilot".to_owned()]));
        let open = open_brackets("b.start(");
        assert_eq!((open[0].name.as_str(), open[0].method), ("start", true));
        assert!(!open_brackets("f(#{ a: ").last().expect("the map is open").at_key);
        assert!(open_brackets("f(\"(\", [1]) // (").is_empty());
    }

    #[test]
    fn brackets_find_each_other_outside_texts() {
        assert_eq!(matching("f(\")\", [1])", 1), Some(10));
        assert_eq!(matching("f(\")\", [1])", 9), Some(7));
        assert_eq!(matching("f(", 1), None);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_breaks(input in "[a-z0-9\"'`$\\{\\}()\\[\\]#:.,/* \n\\\\é漢]{0,40}") {
            let all = pieces(&input);
            let joined: String = all.iter().map(|p| &input[p.start..p.end]).collect();
            prop_assert_eq!(&joined, &input);
            open_brackets(&input);
            for at in 0..input.len() {
                matching(&input, at);
            }
        }
    }
}
