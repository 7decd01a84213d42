//! The engine's own errors in words that an administrator reads at night.
//!
//! Rhai names Rust types and says what its evaluator met; here stands what the
//! author of a script did and what to write instead.

use rhai::{EvalAltResult, LexError, Map, ParseErrorType, Position};

use super::{failures, values};
use crate::base::{Failure, Kind};
use crate::check::suggest;

/// The innermost error of a run, as a failure.
pub(crate) fn of_leaf(error: &EvalAltResult) -> Failure {
    use EvalAltResult::*;
    let script = |text: String| Failure::new(Kind::Script, text);
    match error {
        ErrorRuntime(value, _) => failures::of_thrown(value),
        ErrorTerminated(why, _) if why.is_map() => failures::of_thrown(why),
        ErrorTerminated(..) => Failure::cancelled(),
        ErrorParsing(what, _) => syntax(what),
        ErrorFunctionNotFound(signature, _) => function(signature),
        ErrorModuleNotFound(name, _) => Failure::new(Kind::Usage, format!("there is no module \"{name}\"")),
        ErrorVariableNotFound(name, _) => script(format!("there is no variable `{name}` here"))
            .hint("a function sees only its arguments and what it makes itself; hand the value in"),
        ErrorVariableExists(name, _) => script(format!("the variable `{name}` exists already")),
        ErrorForbiddenVariable(name, _) => script(format!("`{name}` can't be the name of a variable")),
        ErrorPropertyNotFound(name, _) => script(format!("the map has no `{name}`"))
            .hint(format!("for one that may be missing write m.get(\"{name}\") ?? something")),
        ErrorIndexNotFound(index, _) => script(format!("there is nothing under the index {index}")),
        ErrorUnboundThis(_) => {
            script("`this` stands for nothing here".to_owned()).hint("call the function as a method: value.name()")
        }
        ErrorMismatchDataType(wanted, got, _) | ErrorMismatchOutputType(wanted, got, _) => mismatch(wanted, got),
        ErrorIndexingType(signature, _) => {
            let word = values::type_word(signature.split('[').next().unwrap_or(signature));
            script(format!("{} can't be asked by [ ]", values::with_article(&word)))
        }
        ErrorArrayBounds(length, index, _) => beyond("array", "items", *length, *index),
        ErrorStringBounds(length, index, _) => beyond("text", "characters", *length, *index),
        ErrorBitFieldBounds(length, index, _) => beyond("number", "bits", *length, *index),
        ErrorFor(_) => script("`for` can't go over this value".to_owned())
            .hint("it goes over arrays, ranges, texts and sets of mailboxes; over a map by: for key in map.keys()"),
        ErrorDataRace(name, _) => script(format!("`{name}` is read and changed at the same time"))
            .hint("a closure that works on a value must not capture it; hand it in as an argument"),
        ErrorNonPureMethodCallOnConstant(name, _) => {
            let name = name.trim_start_matches("set$").trim_start_matches("get$");
            script(format!("`{name}` would change a constant"))
        }
        ErrorAssignmentToConstant(name, _) => script(format!("`{name}` is a constant and can't be changed")),
        ErrorDotExpr(text, _) => property(text),
        ErrorArithmetic(text, _) => script(lower_first(text)),
        ErrorTooManyOperations(_) => script("the script does more operations than it may here".to_owned()),
        ErrorTooManyVariables(_) => script("the script has more variables than it may".to_owned()),
        ErrorTooManyModules(_) => script("the script imports more modules than it may".to_owned()),
        ErrorStackOverflow(_) => {
            script("functions call each other too deeply".to_owned()).hint("a function that calls itself needs an end")
        }
        ErrorDataTooLarge(what, _) => {
            let what = match what.as_str() {
                "Length of string" => "a text",
                "Size of array/BLOB" => "an array",
                "Size of object map" => "a map",
                other => other,
            };
            script(format!("{what} grew larger than a script may make it"))
                .hint("look for a loop that adds to it and never ends")
        }
        ErrorSystem(text, inner) if text.is_empty() => Failure::internal(inner.to_string()),
        ErrorSystem(text, inner) => Failure::internal(format!("{text}: {inner}")),
        other => Failure::internal(lower_first(&other.to_string())),
    }
}

/// An engine error that a script caught, from the map it became.
pub(crate) fn of_caught(map: &Map) -> Failure {
    use EvalAltResult::*;
    let text = |key: &str| map.get(key).and_then(|v| v.clone().into_string().ok()).unwrap_or_default();
    let number = |key: &str| map.get(key).and_then(|v| v.as_int().ok()).unwrap_or_default();
    let length = || usize::try_from(number("length")).unwrap_or_default();
    let none = Position::NONE;
    match text("error").as_str() {
        "ErrorArrayBounds" => of_leaf(&ErrorArrayBounds(length(), number("index"), none)),
        "ErrorStringBounds" => of_leaf(&ErrorStringBounds(length(), number("index"), none)),
        "ErrorPropertyNotFound" => of_leaf(&ErrorPropertyNotFound(text("variable"), none)),
        "ErrorVariableNotFound" => of_leaf(&ErrorVariableNotFound(text("variable"), none)),
        "ErrorFunctionNotFound" => function(&text("function")),
        "ErrorMismatchDataType" | "ErrorMismatchOutputType" => mismatch(&text("requested"), &text("actual")),
        "ErrorFor" => of_leaf(&ErrorFor(none)),
        "ErrorDotExpr" => property(&text("property")),
        _ => {
            // The first line is the error itself, its place appended.
            let message = text("message");
            let first = message.lines().next().unwrap_or_default();
            Failure::new(Kind::Script, lower_first(first.split(" (line ").next().unwrap_or_default()))
        }
    }
}

/// A syntax error, from the parser's own words.
pub(crate) fn syntax(what: &ParseErrorType) -> Failure {
    use ParseErrorType::*;
    let usage = |text: String| Failure::new(Kind::Usage, text);
    match what {
        UnexpectedEOF => usage("the script ends in the middle of something".to_owned())
            .hint("look for a bracket, brace or quote that is never closed"),
        BadInput(LexError::UnterminatedString) => usage("a text is never closed".to_owned())
            .hint("a text in \"…\" ends on its line; one in `…` may span lines"),
        BadInput(LexError::ImproperSymbol(symbol, _)) if symbol == "eval" => {
            usage("`eval` is switched off".to_owned()).hint("what it would run could not be checked; write it out")
        }
        BadInput(LexError::Runtime(text)) => usage(lower_first(text)),
        MissingToken(token, why) => usage(format!("`{token}` is missing {}", lower_first(why)).trim_end().to_owned()),
        VariableUndefined(name) => unknown_variable(name, std::iter::empty()),
        ModuleUndefined(name) => usage(format!("there is no namespace `{name}`")),
        FnDuplicatedDefinition(name, _) => usage(format!("the function `{name}` is defined twice")),
        Reserved(name) if !name.starts_with(char::is_alphabetic) => usage(format!("`{name}` has no meaning here")),
        Reserved(name) => usage(format!("`{name}` is a reserved word of the language"))
            .hint("choose another name; as the key of a map write it in quotes"),
        AssignmentToConstant(name) => usage(format!("`{name}` is a constant and can't be changed")),
        WrongFnDefinition => usage("a function can be defined at the top of a script only".to_owned())
            .hint("move it out of the block, or use a closure: |x| …"),
        other => usage(lower_first(&other.to_string())),
    }
}

fn function(signature: &str) -> Failure {
    let (name, types) = signature.split_once('(').unwrap_or((signature, ""));
    let name = name.trim();
    if let Some(property) = name.strip_prefix("get$").or_else(|| name.strip_prefix("set$")) {
        return property_of(property, types);
    }
    let types = types.trim_end_matches(')');
    let words: Vec<String> = types.split(',').map(values::type_word).filter(|t| !t.is_empty()).collect();
    let given = if words.is_empty() { "no arguments".to_owned() } else { words.join(", ") };
    if !name.chars().any(char::is_alphanumeric) {
        return Failure::new(Kind::Script, format!("`{name}` doesn't work on {}", words.join(" and ")));
    }
    if name.starts_with("anon$") {
        let given = match words.len() {
            0 => given,
            1 => "1 argument".to_owned(),
            many => format!("{many} arguments"),
        };
        return Failure::new(Kind::Usage, format!("the closure can't be called with {given}"))
            .hint("give it as many as stand between its bars: |a, b|");
    }
    let failure = Failure::new(Kind::Usage, format!("`{name}` can't be called with {given}"));
    let declared = crate::api::all();
    let plain = name.replace(" :: ", "::");
    match declared.iter().find(|p| p.full_name() == plain) {
        Some(primitive) => failure.hint(format!("it is called as {}", primitive.signature())),
        None => match suggest::nearest(&plain, declared.iter().map(|p| p.full_name()).collect::<Vec<_>>()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure,
        },
    }
}

/// `Unknown property 'x' - a getter is not registered for type 'Batch'`.
fn property(text: &str) -> Failure {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    match (quoted.next(), quoted.next()) {
        (Some(name), Some(of)) => property_of(name, of),
        _ => Failure::new(Kind::Script, lower_first(text)),
    }
}

fn property_of(name: &str, of: &str) -> Failure {
    let word = values::type_word(of.trim_end_matches(')'));
    let failure = Failure::new(Kind::Script, format!("{} has no `{name}`", values::with_article(&word)));
    let Some(own) = crate::api::types().into_iter().find(|t| t.name == word) else { return failure };
    let names: Vec<&str> = own.properties.iter().map(|p| p.name).collect();
    match suggest::nearest(name, names.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint(format!("it has {}", names.join(", "))),
    }
}

fn mismatch(wanted: &str, got: &str) -> Failure {
    let (wanted, got) = (values::type_word(wanted), values::type_word(got));
    let text = match (wanted.as_str(), got.as_str()) {
        (wanted, "") => format!("{} is needed here", values::with_article(wanted)),
        ("", got) => format!("{} doesn't fit here", values::with_article(got)),
        (wanted, got) => format!("{} is needed here, not {}", values::with_article(wanted), values::with_article(got)),
    };
    Failure::new(Kind::Script, text)
}

fn beyond(what: &str, items: &str, length: usize, index: i64) -> Failure {
    let text = match length {
        0 => format!("index {index} is beyond the end: the {what} is empty"),
        1 => format!("index {index} is beyond the end: the {what} has 1 {}", items.trim_end_matches('s')),
        _ => format!("index {index} is beyond the end: the {what} has {length} {items}"),
    };
    Failure::new(Kind::Script, text).hint("the first one has the index 0; check .len first")
}

pub(crate) fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect::<String>().trim_end_matches('.').to_owned(),
        None => String::new(),
    }
}

/// A variable that is nowhere defined.
pub(crate) fn unknown_variable(name: &str, known: impl Iterator<Item = String>) -> Failure {
    let failure = Failure::new(Kind::Usage, format!("there is no variable `{name}` here"));
    match suggest::nearest(name, known.collect::<Vec<_>>()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure
            .hint("a function sees only its arguments and what it makes itself; make a variable with: let name = …"),
    }
}

/// A namespace that is neither declared nor imported.
pub(crate) fn unknown_namespace(name: &str, known: impl Iterator<Item = String>) -> Failure {
    let failure = Failure::new(Kind::Usage, format!("there is no namespace `{name}`"));
    let library = ["waves", "people", "errors"];
    match suggest::nearest(name, known.collect::<Vec<_>>()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => match suggest::nearest(name, library.iter().copied()) {
            Some(near) => failure.hint(format!("is a line missing at the top: import \"std/{near}\" as {near};")),
            None => failure.hint("the prompt lists all of them: ?"),
        },
    }
}
