//! The flat primitives of every script that need no service: time and
//! retries.
//!
//! `print` and `debug` stay Rhai's own; they become notes of the run.

use std::sync::Arc;

use rhai::Dynamic;
use serde_json::json;

use super::declare::{Arg, Call, Effect, Kind, Primitive};
use crate::base::{self, Failure, Result, SignedDuration};
use crate::run::narrate::What;

/// The table.
pub const PRIMITIVES: &[Primitive] = &[
    Primitive {
        namespace: "",
        name: "now",
        args: &[],
        returns: "text",
        summary: "The present moment of the run",
        about: "The time of the run's clock as text in UTC (RFC 3339), to the second. In a rehearsal it is the lab's \
                time. Texts of this form sort by time. A resumed run is told the same as before.",
        failures: &[],
        effect: Effect::Local,
        way_back: "",
        example: "let began = now();\nprint(`Began at ${began}`);",
        since: "0.1",
        methods_too: false,
        call: now,
    },
    Primitive {
        namespace: "",
        name: "sleep",
        args: &[Arg::new("seconds", Kind::Float, "How long; at most 90 days")],
        returns: "()",
        summary: "Lets time pass",
        about: "Waits on the run's clock: real seconds against a tenant, none in a rehearsal, whose time moves on \
                instead. A cancellation ends it at once; a resumed run waits for the rest. For something that can be watched, watch it instead.",
        failures: &[],
        effect: Effect::Waits,
        way_back: "",
        example: "sleep(30);",
        since: "0.1",
        methods_too: false,
        call: sleep,
    },
    Primitive {
        namespace: "",
        name: "retry",
        args: &[
            Arg::new("times", Kind::Int, "How often at most, the first time included; 1 to 100"),
            Arg::new("work", Kind::Closure, "A closure without arguments"),
        ],
        returns: "any value",
        summary: "Calls again what may work later",
        about: "Calls the closure and answers its value. A failure that is marked retryable is followed by a wait, as \
                long as the service asked or 5 seconds doubling up to 5 minutes, and another call; any other failure, \
                and that of the last call, goes through unchanged.",
        failures: &[base::Kind::Usage],
        effect: Effect::Waits,
        way_back: "",
        example: "let answer = retry(3, || 42);\nprint(answer);",
        since: "0.1",
        methods_too: false,
        call: retry,
    },
];

fn now(call: &mut Call) -> Result<Dynamic> {
    let session = call.session();
    let text = |_: &_| Ok(json!(session.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
    let told = session.once("now", &json!([]), text)?;
    Ok(told.as_str().unwrap_or_default().to_owned().into())
}

fn sleep(call: &mut Call) -> Result<Dynamic> {
    let seconds = call.float(0)?;
    if !(0.0..=90.0 * 86_400.0).contains(&seconds) {
        let failure = Failure::new(base::Kind::Usage, format!("sleep can't wait for {seconds} seconds"));
        return Err(failure.hint("it takes 0 to 7776000 seconds, which are 90 days"));
    }
    let span = SignedDuration::from_millis((seconds * 1000.0).round() as i64);
    let session = Arc::clone(call.session());
    let until = session.now().checked_add(span).unwrap_or(base::Timestamp::MAX);
    let until = session.wait_ends("sleep", &json!([seconds]), until, "sleep")?;
    call.wait(session.clock().sleep_until(until))?;
    Ok(Dynamic::UNIT)
}

fn retry(call: &mut Call) -> Result<Dynamic> {
    let (times, work) = (call.int(0)?, call.closure(1)?);
    if !(1..=100).contains(&times) {
        let failure = Failure::new(base::Kind::Usage, format!("retry can't call something {times} times"));
        return Err(failure.hint("it takes 1 to 100"));
    }
    let session = Arc::clone(call.session());
    let mut pause = SignedDuration::from_secs(5);
    let mut left = times;
    loop {
        left -= 1;
        match call.invoke(&work, Vec::new()) {
            Err(failure) if failure.retryable && left > 0 => {
                let span = failure.retry_after.unwrap_or(pause);
                let until = session.clock().now().checked_add(span).unwrap_or(base::Timestamp::MAX);
                session.note(What::Waiting { reason: failure.message, until });
                call.wait(session.clock().sleep_until(until))?;
                pause = (pause + pause).min(SignedDuration::from_mins(5));
            }
            answer => return answer,
        }
    }
}
