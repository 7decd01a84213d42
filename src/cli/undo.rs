//! `stagepost undo`: what a run changed is shown, approved, and taken back.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use serde_json::json;

use super::args::{Answers, Undo};
use super::environment::{self, Both, Opening};
use super::{Context, asked, code_of, run, runtime};
use crate::base::{Cancel, Failure, Result};
use crate::report::wirelog::WireLog;
use crate::run::approvals::{Answer, Approver, Asking, Beforehand};
use crate::run::narrate::What;
use crate::run::report::plural;
use crate::run::undo::{self, Fate, Line, Undertaking};
use crate::run::{Session, process};
use crate::wire::log::Tap;

/// Shows what would be taken back, asks, and takes it back.
pub(crate) fn undo(context: &Context, args: &Undo) -> Result<u8> {
    let here = super::here()?;
    let profile = environment::profile(&args.profile)?;
    let answers = Answers {
        deny: args.deny.clone(),
        approve: args.approve.clone(),
        wait_for_approval: args.wait_for_approval,
        tenant_name: args.tenant_name.clone(),
        ..Answers::default()
    };
    let answers = asked::beforehand(context, &profile, &answers)?;
    let project = run::project(&here, &args.profile, &profile, None)?;
    let log = match &args.wire_log {
        Some(path) => Some(Arc::new(WireLog::create(path)?)),
        None => None,
    };
    let runtime = runtime(None)?;
    let approver = Arc::new(ByCount { answers, count: OnceLock::new() });
    let opening = Opening {
        profile: &args.profile,
        project,
        project_folder: &here,
        journal_folder: &here,
        out: &here,
        approver: approver.clone(),
        narrator: Arc::new(Both(vec![context.ui.clone()])),
        tap: log.clone().map(|l| l as Arc<dyn Tap>),
        handle: runtime.handle().clone(),
        run: None,
        mode: crate::run::Mode::Open,
    };
    let opened = runtime.block_on(async {
        if args.plan { environment::look(opening).await } else { environment::open(opening).await }
    })?;
    let session = opened.session;
    let of = undo::run_named(session.journal().runs()?, &opened.owner.tenant, &args.run)?;
    if !args.plan {
        let what = args.change.as_ref().map_or(of.id.clone(), |c| format!("{} {c}", of.id));
        process::begin(&session, "undo", &what, &[])?;
    }
    let work = async {
        let undertaking = undo::assess(&session, of, args.change.as_deref()).await?;
        show(context, &undertaking);
        if args.plan || !undertaking.is_due() {
            return Ok((undertaking.count(Fate::Left), None));
        }
        // Set once; a later answer could only be the same.
        let _ = approver.count.set(undertaking.arrived().unwrap_or_default());
        let ended = undo::carry_out(&session, undertaking).await?;
        Ok((ended.left, Some(ended)))
    };
    let answer = runtime.block_on(interruptible(context, &session, work));
    let code = match &answer {
        Ok((0, _)) => 0,
        Ok(_) => 6,
        Err(failure) => code_of(failure.kind),
    };
    if !args.plan {
        process::end(&session, code)?;
    }
    if let Some(log) = &log {
        log.finish()?;
    }
    let (left, ended) = answer?;
    if let Some(ended) = ended {
        session.note(What::Ended { ok: true, code });
        if context.json {
            let line = json!({"event": "undone", "changed": ended.changed, "carried": ended.carried, "left": left});
            context.ui.print(&format!("{line}\n"));
        } else {
            context.ui.status(&format!(
                "{} taken back, {} carried home, {left} left",
                plural(ended.changed, "object", "objects"),
                plural(usize::try_from(ended.carried).unwrap_or(usize::MAX), "message", "messages"),
            ));
        }
    }
    Ok(code)
}

/// Waits for the undo with an ear for Ctrl-C: the first one lets writes in flight
/// end, the second leaves at once.
async fn interruptible<T>(context: &Context, session: &Session, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::pin!(work);
    let mut presses = 0;
    loop {
        tokio::select! {
            answer = session.unless_cancelled(&mut work) => return answer.unwrap_or_else(|| Err(Failure::cancelled())),
            pressed = tokio::signal::ctrl_c() => {
                if pressed.is_err() {
                    // No signals on this system: just wait.
                    return work.await;
                }
                presses += 1;
                if presses > 1 {
                    return Err(Failure::cancelled());
                }
                session.cancel().cancel();
                context.ui.status("ending: no new write begins; press Ctrl-C again to leave at once");
            }
        }
    }
}

/// An answer given beforehand counts only if it names how many messages have
/// arrived since: whoever wrote it must have seen the number.
struct ByCount {
    answers: Beforehand,
    count: OnceLock<String>,
}

#[async_trait]
impl Approver for ByCount {
    async fn ask(&self, session: &Session, asking: &Asking, withdrawn: &Cancel) -> Result<Option<Answer>> {
        let count = self.count.get().map(|c| c.to_lowercase()).unwrap_or_default();
        let names_it = |part: &&String| names(part, &count);
        let approve = self.answers.approve.iter().filter(names_it).cloned().collect();
        Beforehand { approve, ..self.answers.clone() }.ask(session, asking, withdrawn).await
    }
    async fn typed(&self, session: &Session, prompt: &str) -> Result<Option<(String, &'static str)>> {
        self.answers.typed(session, prompt).await
    }
    fn waits(&self, asking: &Asking) -> bool {
        self.answers.waits(asking)
    }
}

/// Whether a part of an answer names the count, and not the end of a larger one.
fn names(part: &str, count: &str) -> bool {
    let part = part.to_lowercase();
    part.match_indices(count).any(|(at, _)| {
        let before = part.get(..at).and_then(|b| b.chars().next_back());
        !before.is_some_and(|c| c.is_ascii_digit() || c == ',')
    })
}

/// Shows every change and what becomes of it, the same with and without `--plan`.
fn show(context: &Context, undertaking: &Undertaking) {
    if context.json {
        for line in &undertaking.lines {
            let mut value = json!(line);
            value["event"] = json!("undo");
            context.ui.print(&format!("{value}\n"));
        }
        let asked = undertaking.is_due().then(|| undertaking.question());
        let summary = json!({
            "event": "undo_plan", "run": undertaking.run.id, "part": undertaking.part,
            "taken_back": undertaking.count(Fate::TakenBack), "already": undertaking.count(Fate::Already),
            "stays": undertaking.count(Fate::Stays), "left": undertaking.count(Fate::Left),
            "messages": undertaking.messages, "mailboxes": undertaking.holders,
            "waits": undertaking.waits, "question": asked,
        });
        context.ui.print(&format!("{summary}\n"));
        return;
    }
    context.ui.print(&text_of(undertaking));
}

/// The undertaking for people: groups of equal lines, the newest first.
fn text_of(undertaking: &Undertaking) -> String {
    let run = &undertaking.run;
    let part = if undertaking.part.is_empty() { String::new() } else { format!(", {}", undertaking.part) };
    let mut out = format!("Run {} ({} {}){part}\n", run.id, run.verb, run.script);
    let headings = [
        (Fate::TakenBack, "Taken back, the newest first"),
        (Fate::Left, "Stands in the way, and stays as it is"),
        (Fate::Stays, "Stays by rule"),
        (Fate::Already, "Is as it was already"),
    ];
    for (fate, heading) in headings {
        let lines: Vec<&Line> = undertaking.lines.iter().filter(|l| l.fate == fate).collect();
        if lines.is_empty() {
            continue;
        }
        out.push_str(&format!("\n{heading}\n"));
        for group in groups(&lines) {
            out.push_str(&group);
        }
    }
    if undertaking.messages > 0 {
        out.push_str(&format!(
            "\nArrived since in the cloud: {} in {}. They are carried home; what people made there besides (drafts, appointments) \
             stays in the cloud mailbox, which the service keeps for 30 days, and which opens again if its licence's mailbox plan is switched on.\n",
            plural(usize::try_from(undertaking.messages).unwrap_or(usize::MAX), "message", "messages"),
            plural(undertaking.holders, "mailbox", "mailboxes"),
        ));
    }
    if !undertaking.waits.is_empty() {
        out.push_str("\nIt waits for\n");
        for wait in &undertaking.waits {
            out.push_str(&format!("  {wait}\n"));
        }
    }
    if !undertaking.is_due() {
        out.push_str("\nNothing is left to take back.\n");
    }
    out
}

/// Lines of one operation with the same text are one group: a count, three names,
/// the earliest deadline and the messages.
fn groups(lines: &[&Line]) -> Vec<String> {
    let mut order: Vec<(&str, &str, Option<&str>)> = Vec::new();
    for line in lines {
        let key = (line.operation.as_str(), line.text.as_str(), line.detail.as_deref());
        if !order.contains(&key) {
            order.push(key);
        }
    }
    let of = |(operation, text, detail): (&str, &str, Option<&str>)| {
        let same = |l: &&&Line| l.operation == operation && l.text == text && l.detail.as_deref() == detail;
        let all: Vec<&&Line> = lines.iter().filter(same).collect();
        let mut names: Vec<&str> = all.iter().take(3).map(|l| l.target.as_str()).collect();
        let more = all.len().saturating_sub(3);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        names.dedup();
        let mut out = format!("  {operation}  {}{more}\n    {text}\n", names.join(", "));
        if let Some(detail) = detail {
            out.push_str(&format!("    {detail}\n"));
        }
        if let Some(until) = all.iter().filter_map(|l| l.until).min() {
            out.push_str(&format!("    possible until {} at the earliest\n", until.strftime("%Y-%m-%d")));
        }
        out
    };
    order.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_must_name_the_count_itself() {
        assert!(names("carry 12 messages home", "12 messages"));
        assert!(!names("carry 112 messages home", "12 messages"));
        assert!(!names("carry 1,112 messages home", "112 messages"));
        assert!(!names("undo", "12 messages"));
        assert!(names("undo", ""), "where none arrived, nothing is to be named");
    }
}
