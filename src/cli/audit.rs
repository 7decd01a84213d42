//! `stagepost audit`: whether the journal is what was written, its head, and its
//! events for whoever keeps them elsewhere. Opens the journal for reading only.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::Context;
use super::args::{Audit, AuditExport, AuditVerb, AuditVerify, Where};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::report::words;
use crate::run::audit::Noted;
use crate::run::reading::{Of, Reading};
use crate::run::records::Accounts;
use crate::ui::facts::{AccountLine, Tone};

/// Exit code 3 if a journal is not what was written.
pub(crate) fn audit(context: &Context, args: &Audit) -> Result<u8> {
    match &args.verb {
        AuditVerb::Verify(args) => verify(context, args),
        AuditVerb::Head(args) => head(context, &args.at),
        AuditVerb::Export(args) => export(context, args),
    }
}

/// Opens the journal that the command line means: of a project's folder, of its
/// `.stagepost`, or of this folder.
pub(crate) fn journal(at: &Where) -> Result<Reading> {
    Reading::open(&project_of(at)?)
}

/// The folder of the project whose journal is meant.
pub(crate) fn project_of(at: &Where) -> Result<PathBuf> {
    let Some(given) = &at.journal else { return super::here() };
    let inside = given.file_name().is_some_and(|n| n == "journal.sqlite");
    let folder = if inside { given.parent().unwrap_or(Path::new(".")) } else { given };
    if folder.file_name().is_some_and(|n| n == ".stagepost") {
        return Ok(folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf());
    }
    Ok(folder.to_path_buf())
}

fn verify(context: &Context, args: &AuditVerify) -> Result<u8> {
    let noted = args.head.as_deref().map(Noted::parse).transpose()?;
    let reading = journal(&args.at)?;
    context.ui.status("every event is hashed again");
    let verdict = reading.verify(noted.clone())?;
    let sound = verdict.damage.is_empty();
    let head = verdict.head.as_ref().map(|(number, hash)| format!("{number}:{hash}"));
    let proof = proof(noted.is_some(), verdict.noted_at);
    for damage in &verdict.damage {
        context.ui.json(&json!({
            "event": "damage", "kind": damage.kind, "first": damage.first, "last": damage.last, "text": damage.text,
        }));
    }
    context.ui.json(&json!({
        "event": "audit",
        "sound": sound,
        "events": verdict.events,
        "damage": verdict.damage.len(),
        "head": head,
        "noted_at": verdict.noted_at,
        "proves": if sound { proof.proves.as_str() } else { "" },
        "leaves_open": proof.leaves_open,
    }));
    let lines: Vec<AccountLine> = verdict
        .damage
        .iter()
        .map(|damage| AccountLine {
            place: match (damage.first, damage.last) {
                (0, _) => String::new(),
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            },
            word: damage.kind.words().to_owned(),
            tone: Tone::Bad,
            text: damage.text.clone(),
            ..AccountLine::default()
        })
        .collect();
    context.ui.account(&lines);
    let events = words::counted(verdict.events, "event", "events");
    let mut facts = vec![(
        "journal",
        match sound {
            true => format!("sound: {events}, numbers without gaps, every hash and every table made from them fits"),
            false => format!(
                "not what was written: {} in {events}",
                words::counted(verdict.damage.len() as u64, "finding", "findings")
            ),
        },
    )];
    facts.push(("head", head.clone().unwrap_or_else(|| "none; it holds no event".to_owned())));
    if let Some(number) = verdict.noted_at {
        let since = verdict.events.saturating_sub(number.unsigned_abs());
        let after = words::counted(since, "event", "events");
        facts.push(("noted", format!("the noted head is event {number}; {after} came after it")));
    }
    if sound {
        facts.push(("proves", proof.proves));
    }
    facts.push(("leaves open", proof.leaves_open));
    context.ui.facts(&facts);
    if !sound {
        context.ui.hint(
            "keep the file as it is, and compare it with a copy: `stagepost audit verify --journal COPY`; \
             `stagepost audit export` tells the events of either",
        );
        return Ok(3);
    }
    if let Some(head) = head.filter(|_| noted.is_none()) {
        context.ui.hint(&format!(
            "note the head down where nobody can change it together with the journal; then `stagepost audit verify \
             --head {head}` finds a cut end and a chain made anew, too"
        ));
    }
    Ok(0)
}

struct Proof {
    proves: String,
    leaves_open: String,
}

/// What a sound journal proves, and what it doesn't.
fn proof(noted: bool, at: Option<i64>) -> Proof {
    match (noted, at) {
        (true, Some(at)) => Proof {
            proves: format!(
                "events 1 to {at} are those that stood there when the head was noted, in the same order and to the letter"
            ),
            leaves_open: format!("what came after event {at}, until a later head is noted"),
        },
        _ => Proof {
            proves:
                "no event was edited, removed, put in or moved by anybody who did not also make every later hash anew"
                    .to_owned(),
            leaves_open:
                "a journal cut off at its end, and one whose hashes were all made anew: only a noted head (--head) \
                          finds these"
                    .to_owned(),
        },
    }
}

fn head(context: &Context, at: &Where) -> Result<u8> {
    let reading = journal(at)?;
    let Some((number, hash)) = reading.head()? else {
        return Err(Failure::new(Kind::NotFound, "the journal holds no event, so it has no head")
            .hint("a journal begins with `stagepost run`"));
    };
    match context.json {
        true => context.ui.json(&json!({"event": "head", "number": number, "hash": hash})),
        false => context.ui.print(&format!("{number}:{hash}\n")),
    }
    Ok(0)
}

/// Events are JSON lines with or without `--json`: they are for programs.
fn export(context: &Context, args: &AuditExport) -> Result<u8> {
    let since = args.since.as_deref().map(moment).transpose()?;
    let reading = journal(&args.at)?;
    let run = args.run.as_deref().map(|word| reading.run_named(word)).transpose()?;
    let of = run.as_ref().map_or(Of::All, |run| Of::Run(&run.id));
    let mut accounts = Accounts::default();
    reading.each(of, true, &mut |stored| {
        let record = accounts.record(stored);
        if since.is_none_or(|since| record.time >= since) {
            let value = serde_json::to_value(&record)
                .map_err(|e| Failure::internal(format!("an event has no JSON form: {e}")))?;
            context.ui.print(&format!("{}\n", crate::report::lines::value(&value)));
        }
        Ok(())
    })?;
    Ok(0)
}

/// A moment as people write it: a day, or one with its time.
fn moment(text: &str) -> Result<Timestamp> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map_err(|_| {
        Failure::new(Kind::Usage, format!("`{text}` is no moment"))
            .hint("write a day, 2026-11-20, or a moment in UTC, 2026-11-20T08:30:00Z")
    })
}
