//! Failures on their way through scripts: as the map that `catch` sees, and
//! back from whatever a script or the engine threw.
//!
//! A domain failure is always a runtime error with a map, never a system
//! error: those can't be caught. A cancellation is always a termination, so
//! that it can't be; and so is what a plan can't foresee.

use rhai::{Dynamic, EvalAltResult, Map, Position};

use super::{values, words};
use crate::base::{Failure, Kind, SignedDuration};

/// The map that a script catches. Every key is always there; what isn't known
/// is `()`.
pub fn to_map(failure: &Failure) -> Map {
    let text = |text: &Option<String>| text.clone().map_or(Dynamic::UNIT, Dynamic::from);
    let mut map = Map::new();
    map.insert("kind".into(), failure.kind.word().into());
    map.insert("message".into(), failure.message.clone().into());
    map.insert("hint".into(), text(&failure.hint));
    map.insert("service".into(), text(&failure.service));
    map.insert("operation".into(), text(&failure.operation));
    map.insert("target".into(), text(&failure.target));
    map.insert("retryable".into(), failure.retryable.into());
    map.insert("retry_after".into(), failure.retry_after.map_or(Dynamic::UNIT, |d| d.as_secs().into()));
    map.insert("status".into(), failure.status.map_or(Dynamic::UNIT, |s| i64::from(s).into()));
    map.insert("detail".into(), text(&failure.detail));
    map.insert("at".into(), text(&failure.at));
    map
}

/// The failure that a map says, as far as it says it. The message falls back
/// to the map itself, the kind to [`Kind::Script`].
pub fn of_map(map: &Map) -> Failure {
    let text = |key: &str| {
        let value = map.get(key).filter(|v| !v.is_unit())?;
        Some(value.clone().into_string().unwrap_or_else(|_| value.to_string()))
    };
    let kind = text("kind").and_then(|k| Kind::of_word(&k)).unwrap_or(Kind::Script);
    let message =
        text("message").unwrap_or_else(|| brief(format!("the script threw {}", Dynamic::from_map(map.clone()))));
    let mut failure = Failure::new(kind, message);
    failure.hint = text("hint");
    failure.service = text("service");
    failure.operation = text("operation");
    failure.target = text("target");
    failure.detail = text("detail");
    failure.at = text("at");
    failure.retryable = map.get("retryable").and_then(|v| v.as_bool().ok()).unwrap_or(false);
    failure.status = map.get("status").and_then(|v| v.as_int().ok()).and_then(|s| u16::try_from(s).ok());
    failure.retry_after = map.get("retry_after").and_then(|v| v.as_int().ok()).map(SignedDuration::from_secs);
    failure
}

/// The failure behind a thrown value: a map, a text, or anything else.
pub fn of_thrown(value: &Dynamic) -> Failure {
    if let Ok(map) = value.as_map_ref() {
        return if map.contains_key("error") && !map.contains_key("kind") {
            words::of_caught(&map)
        } else {
            of_map(&map)
        };
    }
    if value.is_unit() {
        return Failure::new(Kind::Script, "the script threw without saying what failed")
            .hint("throw a text or a map: throw #{ kind: \"conflict\", message: \"…\", hint: \"…\" }");
    }
    match value.clone().into_string() {
        Ok(text) if text.trim().is_empty() => of_thrown(&Dynamic::UNIT),
        Ok(text) => Failure::new(Kind::Script, brief(text)),
        Err(_) if value.is_array() => Failure::new(Kind::Script, brief(format!("the script threw {value}"))),
        Err(_) => Failure::new(Kind::Script, format!("the script threw {}", values::described(value))),
    }
}

/// Most characters of what a script threw: a message is read, a mailbox is not.
const LONGEST: usize = 2000;

fn brief(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// The failure behind an engine error, in words; with the place of its leaf
/// when it names none itself.
pub fn of_error(error: &EvalAltResult, source: &str) -> Failure {
    let (leaf, source) = leaf(error, source);
    let mut failure = words::of_leaf(leaf);
    if let EvalAltResult::ErrorRuntime(value, _) = leaf
        && let Ok(map) = value.as_map_ref()
        && let (None, Some(line), Some(column)) = (&failure.at, whole(&map, "line"), whole(&map, "position"))
    {
        // An engine error that was caught and thrown on: where it was first.
        failure.at = Some(format!("{source}:{line}:{column}"));
    }
    if failure.at.is_none() {
        failure.at = place(Some(source), leaf.position());
    }
    failure
}

fn whole(map: &Map, key: &str) -> Option<i64> {
    map.get(key).and_then(|v| v.as_int().ok())
}

/// The innermost error and the name of the source it happened in.
pub(crate) fn leaf<'a>(error: &'a EvalAltResult, source: &'a str) -> (&'a EvalAltResult, &'a str) {
    let (mut error, mut source) = (error, source);
    loop {
        match error {
            EvalAltResult::ErrorInFunctionCall(_, inner_source, inner, _) => {
                if !inner_source.is_empty() {
                    source = inner_source;
                }
                error = inner;
            }
            EvalAltResult::ErrorInModule(path, inner, _) => {
                if !path.is_empty() {
                    source = path;
                }
                error = inner;
            }
            leaf => return (leaf, source),
        }
    }
}

/// A failure as the error that the engine carries.
pub fn into_error(failure: Failure, position: Position) -> Box<EvalAltResult> {
    if failure.kind == Kind::Cancelled {
        return EvalAltResult::ErrorTerminated("cancelled".into(), position).into();
    }
    let map = Dynamic::from_map(to_map(&failure));
    if failure.kind == Kind::Unforeseen {
        return EvalAltResult::ErrorTerminated(map, position).into();
    }
    EvalAltResult::ErrorRuntime(map, position).into()
}

/// `file:line:column`.
pub fn place(source: Option<&str>, position: Position) -> Option<String> {
    let source = source.filter(|s| !s.is_empty())?;
    let line = position.line()?;
    Some(format!("{source}:{line}:{}", position.position().unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_way_through_a_script() {
        let mut failure = Failure::new(Kind::Throttled, "too many requests")
            .hint("wait")
            .during("exchange", "New-MigrationBatch")
            .on("wave-1")
            .status(429)
            .detail("request 1")
            .retry_after(SignedDuration::from_secs(40));
        failure.at = Some("a.rhai:3:4".to_owned());
        let back = of_map(&to_map(&failure));
        assert_eq!(format!("{failure:?}"), format!("{back:?}"));
    }

    #[test]
    fn a_text_and_a_bare_throw_have_words() {
        assert_eq!(of_thrown(&"no pilots".into()).message, "no pilots");
        assert!(of_thrown(&Dynamic::UNIT).hint.is_some());
        assert_eq!(of_thrown(&" ".into()).message, of_thrown(&Dynamic::UNIT).message);
        assert_eq!(of_thrown(&Dynamic::from(42_i64)).message, "the script threw the number 42");
        assert_eq!(of_thrown(&Dynamic::from(rhai::Instant::now())).message, "the script threw a timestamp");
        assert!(of_thrown(&"x".repeat(100_000).into()).message.len() < 3000);
    }
}
