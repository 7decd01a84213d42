//! JSON lines: one note a line, for machines that follow a run.
//!
//! The shape of a line is that of [`Note`]: `time`, `event` and the fields of
//! the event. New events and new fields may come; old ones keep their meaning.

use serde_json::{Value, json};

use super::Story;
use crate::base::Failure;
use crate::run::narrate::Note;

/// One note as one line, without the line end.
pub fn note(note: &Note) -> String {
    serde_json::to_string(note).unwrap_or_else(|e| unprintable(&e))
}

/// Any value as one line, without the line end.
pub fn value(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|e| unprintable(&e))
}

/// A note holds texts, numbers and times only; should one ever fail to print,
/// the stream says so instead of ending.
fn unprintable(e: &serde_json::Error) -> String {
    json!({ "event": "unprintable", "text": e.to_string() }).to_string()
}

/// A failure as one event: `{"event":"failed","kind":…,"message":…}`.
pub fn failure(failure: &Failure) -> Value {
    json!({
        "event": "failed",
        "kind": failure.kind.word(),
        "message": failure.message,
        "hint": failure.hint,
        "service": failure.service,
        "operation": failure.operation,
        "target": failure.target,
        "retryable": failure.retryable,
        "status": failure.status,
        "detail": failure.detail,
        "at": failure.at,
    })
}

fn forced(forced: &super::story::Forced) -> Value {
    json!({ "guard": forced.guard, "target": forced.target, "text": forced.text, "reason": forced.reason })
}

/// The summary of a rehearsal as one event, the last of the stream.
pub fn summary(story: &Story) -> Value {
    let proof = &story.parts.proof;
    let reasons = |groups: &[super::group::Group]| -> Vec<Value> {
        groups.iter().map(|g| json!({ "reason": g.message, "count": g.count, "mailboxes": g.targets })).collect()
    };
    json!({
        "event": "summary",
        "sentence": story.sentence,
        "exit": story.parts.exit,
        "mailboxes": { "moved": story.tally.moved, "left_whole": story.tally.whole, "broken": story.tally.broken },
        "left_whole": reasons(&story.left),
        "broken": reasons(&story.broken),
        "forced": story.forced.iter().map(forced).collect::<Vec<_>>(),
        "began": story.began(),
        "ended": story.ended(),
        "hours_apart": {
            "median": proof.hours_apart_median,
            "worst": proof.hours_apart_worst,
            "total": proof.hours_apart_total,
        },
        "hours_without_old_mail": {
            "median": proof.hours_without_old_mail_median,
            "worst": proof.hours_without_old_mail_worst,
            "total": proof.hours_without_old_mail_total,
        },
        "work": proof.work,
        "probes": proof.probes,
        "requests": story.parts.counts.requests,
        "writes": proof.writes,
        "invented": { "facts": proof.invented.0, "of": proof.invented.1 },
        "seed": story.parts.seed,
        "faults": story.parts.faults,
        "digest": story.parts.digest,
        "wall_seconds": (story.parts.wall_seconds * 1000.0).round() / 1000.0,
        "peak_memory": story.parts.peak_memory,
        "report": story.parts.report,
        "wire_log": story.parts.wire_log,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Kind;
    use crate::run::narrate::What;

    #[test]
    fn a_note_is_one_line_with_time_and_event() {
        let time = "2026-01-12T09:00:00Z".parse().expect("a valid moment");
        let line = note(&Note { time, what: What::Said { text: "two\nlines".into() } });
        assert_eq!(line, r#"{"time":"2026-01-12T09:00:00Z","event":"said","text":"two\nlines"}"#);
    }

    #[test]
    fn a_failure_keeps_its_word() {
        let value = failure(&Failure::new(Kind::InDoubt, "the reply was lost").on("ann@contoso.test"));
        assert_eq!(value["kind"], "in_doubt");
        assert_eq!(value["target"], "ann@contoso.test");
        assert!(value["hint"].is_null());
    }
}
