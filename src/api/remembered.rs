//! What a run is told once and answers again when its script runs again: named
//! steps, chance, what a person wrote, and waits.
//!
//! `sleep` and `now` stand with the other primitives of every script in `core`;
//! what is kept and under which key stands in `run::told`.

use std::sync::Arc;

use rhai::{Dynamic, FnPtr};
use rsa::rand_core::{OsRng, RngCore as _};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::declare::{Arg, Call, Effect, Kind, Primitive};
use super::kept;
use crate::base::{self, Failure, Result, Timestamp};
use crate::run::batches::{self, Batch};
use crate::run::narrate::What;
use crate::run::session::Session;
use crate::run::shadow::unknown;
use crate::run::told::{Begun, Entered, Key};
use crate::wire::profile::Behind;

/// The table.
pub const PRIMITIVES: &[Primitive] = &[
    Primitive {
        namespace: "",
        name: "step",
        args: &[Arg::new("name", Kind::Text, "What the step is called in reports"), WORK],
        returns: "any value",
        summary: "Does something once in a run, under a name",
        about: "Calls the closure and answers its value. When the run is resumed, a step that was done is not done \
                again: its value comes from the journal. So the value must be plain data, a set of mailboxes, a report \
                or a batch; a batch is looked up again. The closure may read the variables around it and never change \
                them. A name may be used once inside the steps around it; for one of many items there is step(name, \
                item, work). Checks don't belong into a step: what they found may not be so any more.",
        failures: &[base::Kind::Usage],
        effect: Effect::Local,
        way_back: "",
        example: "let total = step(\"count\", || 2 + 3);\nprint(total);",
        since: "0.1",
        methods_too: false,
        call: |call| step(call, None, 1),
    },
    Primitive {
        namespace: "",
        name: "step",
        args: &[
            Arg::new("name", Kind::Text, "What the step is called in reports"),
            Arg::new("item", Kind::Text, "Which of many: an address, the name of a wave"),
            WORK,
        ],
        returns: "any value",
        summary: "Does something once in a run for one of many items",
        about: "As step(name, work), under the name and the item together, so that it can stand in a loop.",
        failures: &[base::Kind::Usage],
        effect: Effect::Local,
        way_back: "",
        example: "for name in [\"north\", \"south\"] {\n    step(\"greet\", name, || `Hello ${name}`);\n}",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let item = call.text(1)?;
            step(call, Some(item), 2)
        },
    },
    Primitive {
        namespace: "",
        name: "uuid",
        args: &[],
        returns: "text",
        summary: "A name that nothing else has",
        about: "A random UUID (version 4). A resumed run gets the same one again. In a lab it hangs on the lab and on \
                the place of the call, so that a rehearsal repeats itself.",
        failures: &[],
        effect: Effect::Local,
        way_back: "",
        example: "let id = uuid();\nprint(id.len());",
        since: "0.1",
        methods_too: false,
        call: uuid,
    },
    Primitive {
        namespace: "",
        name: "random",
        args: &[Arg::new("min", Kind::Int, "The smallest answer"), Arg::new("max", Kind::Int, "The largest answer")],
        returns: "whole number",
        summary: "A number by chance, both bounds included",
        about: "Each is as likely as the others. A resumed run gets the same one again; a rehearsal repeats itself. \
                Not for passwords.",
        failures: &[base::Kind::Usage],
        effect: Effect::Local,
        way_back: "",
        example: "let minutes = random(0, 59);\nprint(minutes < 60);",
        since: "0.1",
        methods_too: false,
        call: random,
    },
    Primitive {
        namespace: "",
        name: "ask",
        args: &[
            Arg::new("text", Kind::Text, "The question"),
            Arg::maybe("options", Kind::Options, "`rehearsed`: what is answered in a lab where nobody can be asked"),
        ],
        returns: "text",
        summary: "Asks a person for a line of text",
        about: "At the terminal. The answer stands in the journal, so it must be no secret; a resumed run doesn't ask \
                again. Where nobody can be asked the run ends with exit code 5. For yes or no there is approve.",
        failures: &[base::Kind::Approval],
        effect: Effect::Waits,
        way_back: "",
        example: "let ticket = ask(\"Number of the change request?\", #{ rehearsed: \"CHG-1\" });\nprint(ticket);",
        since: "0.1",
        methods_too: false,
        call: ask,
    },
    Primitive {
        namespace: "",
        name: "wait_until",
        args: &[Arg::new("time", Kind::Text, "When, as 2026-11-20T18:00:00Z or with another offset")],
        returns: "()",
        summary: "Waits until a moment",
        about: "On the run's clock; a moment that has passed is no wait. Texts as now() answers them will do. A \
                cancellation ends it at once.",
        failures: &[base::Kind::Usage],
        effect: Effect::Waits,
        way_back: "",
        example: "wait_until(now());",
        since: "0.1",
        methods_too: false,
        call: wait_until,
    },
];

const WORK: Arg =
    Arg::new("work", Kind::Closure, "A closure without arguments; it may read variables around it, not change them");

fn step(call: &mut Call, item: Option<String>, at: usize) -> Result<Dynamic> {
    let (name, work) = (call.text(0)?, call.closure(at)?);
    if name.trim().is_empty() {
        return Err(Failure::new(base::Kind::Usage, "a step needs a name"));
    }
    let session = Arc::clone(call.session());
    let shown = item.as_ref().map_or_else(|| name.clone(), |item| format!("{name}: {item}"));
    let entered = session.enter_step(&name, item.as_deref())?;
    let id = session.next_step();
    session.note(What::StepBegan { id, primitive: "step".to_owned(), subject: shown.clone() });
    let before = session.memory().writes;
    let answer = match entered {
        Entered::Done(value) => read_back(call, &value, &Dynamic::UNIT),
        Entered::Begun(begun) => done(call, &session, &shown, &work, begun),
    };
    let changed = session.memory().writes.saturating_sub(before);
    let text = match &answer {
        Ok((_, true)) => "already done".to_owned(),
        Ok((_, false)) => String::new(),
        Err(failure) => failure.message.clone(),
    };
    session.note(What::StepEnded { id, ok: answer.is_ok(), changed, text });
    answer.map(|(value, _)| value)
}

/// Does the work of a step and keeps its value.
fn done(call: &mut Call, session: &Session, shown: &str, work: &FnPtr, begun: Begun) -> Result<(Dynamic, bool)> {
    let around: Vec<Dynamic> = work.curry().iter().map(|v| v.clone().flatten()).collect();
    let answer = call.invoke(work, Vec::new()).and_then(|value| {
        if let Some(at) =
            work.curry().iter().zip(&around).position(|(now, then)| !kept::is_same(&now.clone().flatten(), then))
        {
            let names = call.captured(work);
            let name = names.get(at).map_or_else(|| "a variable".to_owned(), |name| format!("the variable `{name}`"));
            return Err(Failure::new(base::Kind::Usage, format!("the step \"{shown}\" changes {name} from around it"))
                .hint(
                    "a resumed run doesn't do the step again, and would go on without the change; answer the value \
                       instead: let x = step(…)",
                ));
        }
        match kept::to_kept(&value) {
            Ok(kept) => Ok((value, kept)),
            Err(place) => Err(Failure::new(base::Kind::Usage, format!("step \"{shown}\" answers what can't be kept"))
                .detail(place)
                .hint("answer plain data, Mailboxes, a report or a Batch; end it with () to answer nothing")),
        }
    });
    let kept = answer.as_ref().ok().map(|(_, kept)| kept);
    session.leave_step(begun, kept)?;
    let (value, kept) = answer?;
    // As a later run will read it, text and all.
    let kept = serde_json::from_str(&kept.to_string())
        .map_err(|e| Failure::internal(format!("what was kept can't be read: {e}")))?;
    let (value, _) = read_back(call, &kept, &value)?;
    Ok((value, false))
}

/// A kept value; batches that `fresh` holds are those and aren't asked for.
fn read_back(call: &Call, kept: &serde_json::Value, fresh: &Dynamic) -> Result<(Dynamic, bool)> {
    let session = call.session();
    let mut own = Vec::new();
    batches_in(fresh, &mut own);
    let batch = |name: &str, mailboxes: &crate::migration::list::Mailboxes, finished: bool| match own
        .iter()
        .find(|b: &&Batch| b.name() == name)
    {
        Some(own) => Ok(own.clone()),
        None => call.wait(batches::again(session, name, mailboxes, finished)),
    };
    Ok((kept::of_kept(session, kept, &batch)?, true))
}

fn batches_in(value: &Dynamic, found: &mut Vec<Batch>) {
    if let Ok(items) = value.as_array_ref() {
        items.iter().for_each(|item| batches_in(item, found));
    } else if let Ok(map) = value.as_map_ref() {
        map.values().for_each(|item| batches_in(item, found));
    } else if let Some(batch) = super::declare::own::<Batch>(value) {
        found.push(batch);
    }
}

/// 16 bytes by chance: of the system against a tenant, of the lab and the place of
/// the call in a lab.
fn chance(session: &Session, key: &Key) -> [u8; 16] {
    let mut bytes = [0; 16];
    if session.profile().kind == Behind::Lab {
        let digest = Sha256::digest(format!("{}\n{}", session.profile().tenant.id, key.json()).as_bytes());
        bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    } else {
        OsRng.fill_bytes(&mut bytes);
    }
    bytes
}

fn uuid(call: &mut Call) -> Result<Dynamic> {
    let session = call.session();
    if by_chance(session) {
        return Ok(unknown::text(unknown::Of::Chance, &session.place().unwrap_or_default()).into());
    }
    let value = session.once("uuid", &json!([]), |key| {
        let number = u128::from_be_bytes(chance(session, key));
        // Version 4 and variant 1 (RFC 9562).
        let number = number & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{number:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        Ok(json!(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))))
    })?;
    Ok(value.as_str().unwrap_or_default().to_owned().into())
}

/// Whether a plan can't say what chance will choose; a lab's is the same each time.
fn by_chance(session: &Session) -> bool {
    session.planning().is_some() && session.profile().kind != Behind::Lab
}

fn random(call: &mut Call) -> Result<Dynamic> {
    let (min, max) = (call.int(0)?, call.int(1)?);
    if min > max {
        return Err(Failure::new(base::Kind::Usage, format!("random has nothing between {min} and {max}"))
            .hint("name the smaller number first"));
    }
    let session = call.session();
    if by_chance(session) {
        return Err(Failure::new(base::Kind::Unforeseen, "a plan can't say what chance will choose")
            .hint("take the number from the list or from the settings, so that plan and run have the same"));
    }
    let value = session.once("random", &json!([min, max]), |key| {
        // 128 bits over at most 2^64 values: no answer is noticeably likelier.
        let count = (i128::from(max) - i128::from(min) + 1).unsigned_abs();
        let offset = u128::from_be_bytes(chance(session, key)) % count;
        Ok(json!(i128::from(min).checked_add_unsigned(offset).and_then(|n| i64::try_from(n).ok()).unwrap_or(min)))
    })?;
    Ok(value.as_i64().unwrap_or(min).into())
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct AskOptions {
    rehearsed: Option<String>,
}

fn ask(call: &mut Call) -> Result<Dynamic> {
    let text = call.text(0)?;
    let options: AskOptions = call.options(1)?;
    let session = Arc::clone(call.session());
    let key = session.call_key("ask", &json!([text]));
    if let Some(answer) = session.told_before(&key) {
        return Ok(answer["text"].as_str().unwrap_or_default().to_owned().into());
    }
    let asker = session.asker().cloned();
    let answer = call.wait(async {
        let Some(asker) = asker else { return Ok(None) };
        // A question at the terminal blocks, and a read can't be called back.
        let (send, answered) = tokio::sync::oneshot::channel();
        let question = text.clone();
        std::thread::spawn(move || {
            // Nobody listens only after a Ctrl-C.
            let _ = send.send(asker(&question));
        });
        Ok(answered.await.unwrap_or(None))
    })?;
    let by = if answer.is_some() { crate::run::process::user() } else { "rehearsal".to_owned() };
    let rehearsed = options.rehearsed.filter(|_| session.profile().kind == Behind::Lab);
    let Some(answer) = answer.or(rehearsed) else {
        return Err(Failure::new(base::Kind::Approval, format!("nobody can be asked: {text}"))
            .hint("run at a terminal; in a lab, say in the script what is `rehearsed`"));
    };
    session.assume(format!("the answer to \"{text}\" will be \"{answer}\""));
    session.tell(&key, json!({"text": answer, "by": by}), true)?;
    Ok(answer.into())
}

fn wait_until(call: &mut Call) -> Result<Dynamic> {
    let text = call.text(0)?;
    let until: Timestamp = text.trim().parse().map_err(|_| {
        Failure::new(base::Kind::Usage, format!("wait_until can't read the time \"{text}\""))
            .hint("write it as 2026-11-20T18:00:00Z, or 2026-11-20T18:00:00+01:00")
    })?;
    let session = Arc::clone(call.session());
    if until > session.now() {
        let until = session.wait_ends("wait_until", &json!([text]), until, "a moment that the script named")?;
        session.note(What::Waiting { reason: "the moment that the script named".to_owned(), until });
        call.wait(session.clock().sleep_until(until))?;
    }
    Ok(Dynamic::UNIT)
}
