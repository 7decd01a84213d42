//! `stagepost resolve`: what is in doubt, and a person's word on what became of
//! it.

use serde_json::json;

use super::args::Resolve;
use super::{Context, code_of, environment};
use crate::base::{Failure, Kind, Result};
use crate::run::doubt::{self, Doubt};
use crate::run::journal::{Journal as _, Owner};
use crate::run::report::plural;
use crate::run::{process, sqlite};

/// Lists what is in doubt (exit code 4 if something is), or keeps a decision.
pub(crate) fn resolve(context: &Context, args: &Resolve) -> Result<u8> {
    let here = super::here()?;
    let journal = environment::journal(&here)?;
    let open = doubt::open(&journal)?;
    let Some(which) = &args.which else { return Ok(list(context, &open)) };
    if args.applied == args.not_applied {
        return Err(Failure::new(Kind::Usage, "say what became of it").hint("--applied, or --not-applied"));
    }
    let because = args.because.as_deref().unwrap_or_default().trim();
    if because.is_empty() {
        return Err(Failure::new(Kind::Usage, "a decision needs a reason: who reads the journal will ask for it")
            .hint("--because 'what you saw'"));
    }
    let one = chosen(&open, which)?;
    let run = journal.runs()?.into_iter().find(|run| run.id == one.run).unwrap_or_default();
    let owner = Owner { project: run.project, tenant: run.tenant, run: one.run.clone() };
    let event = one.resolved(args.applied, because, &process::who());
    sqlite::append_beside(&here.join(".stagepost"), &owner, &[event])?;
    let left = open.iter().filter(|d| d.run == one.run && d.event != one.event).count();
    if context.json {
        let state = if args.applied { "applied" } else { "not_applied" };
        let line = json!({"event": "resolved", "number": one.event, "run": one.run, "target": one.target, "state": state, "left": left});
        context.ui.print(&format!("{line}\n"));
    } else {
        let word = if args.applied { "was carried out" } else { "was not carried out" };
        context.ui.status(&format!("kept: {} {word}", one.target));
        match left {
            0 => context.ui.status(&format!("go on with: stagepost resume {} --profile …", one.run)),
            n => context.ui.status(&format!(
                "{} of this run still in doubt: stagepost resolve",
                plural(n, "write is", "writes are")
            )),
        }
    }
    Ok(0)
}

/// The write that is meant: by its number, or the only one of a run.
fn chosen<'d>(open: &'d [Doubt], which: &str) -> Result<&'d Doubt> {
    if let Some(one) = which.parse().ok().and_then(|number: u64| open.iter().find(|d| d.event == number)) {
        return Ok(one);
    }
    let of_run: Vec<&Doubt> = open.iter().filter(|d| d.run == which).collect();
    match of_run.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::new(Kind::Usage, format!("nothing in doubt is called {which}"))
            .hint("`stagepost resolve` lists what is in doubt, with the numbers")),
        several => Err(Failure::new(
            Kind::Usage,
            format!("{} of the run {which} are in doubt", plural(several.len(), "write", "writes")),
        )
        .detail(several.iter().map(|d| format!("{}  {}", d.event, d.target)).collect::<Vec<_>>().join("\n"))
        .hint("decide one after the other, by their numbers")),
    }
}

fn list(context: &Context, open: &[Doubt]) -> u8 {
    if context.json {
        for one in open {
            let line = json!({
                "event": "in_doubt", "number": one.event, "run": one.run, "time": one.time.to_string(),
                "operation": one.operation, "target": one.target, "at": one.at, "before": one.before,
                "said": one.said, "look": one.look(), "decide": one.decide(),
            });
            context.ui.print(&format!("{line}\n"));
        }
    } else {
        for one in open {
            context.ui.print(&shown(one));
        }
        if open.is_empty() {
            context.ui.status("nothing is in doubt");
        }
    }
    if open.is_empty() { 0 } else { code_of(Kind::InDoubt) }
}

fn shown(one: &Doubt) -> String {
    let [applied, not_applied] = one.decide();
    let mut lines = vec![
        format!("{}  {}  {}", one.event, one.time.strftime("%Y-%m-%d %H:%M:%SZ"), one.target),
        format!("    by:      {} in the run {}", one.operation, one.run),
    ];
    if let Some(at) = &one.at {
        lines.push(format!("    line:    {at}"));
    }
    let before =
        if one.before.is_null() { "nobody looked before it was sent".to_owned() } else { one.before.to_string() };
    lines.push(format!("    before:  {before}"));
    let said = one.said.as_deref().unwrap_or("the process ended before an answer came");
    lines.push(format!("    after:   {said}"));
    lines.push(format!("    look:    {}", one.look()));
    lines.push(format!("    decide:  {applied}"));
    lines.push(format!("             {not_applied}"));
    lines.join("\n") + "\n"
}
