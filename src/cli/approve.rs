//! `stagepost approve`: what runs ask, and an answer from beside them.
//!
//! It needs no lock and no profile: question and answer meet in the project's
//! journal, where the run that waits looks for it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::Context;
use super::args::Approve;
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::run::decided::{self, Open};
use crate::run::journal::Owner;
use crate::run::sqlite::{Beside, Looking};

/// How often it is looked whether something is asked.
const LOOK: Duration = Duration::from_millis(500);

/// Lists what is open, or answers one of it.
pub(crate) fn approve(context: &Context, args: &Approve) -> Result<u8> {
    let folder = super::here()?.join(".stagepost");
    let mut open = all(&folder)?;
    let words: Vec<&str> = [&args.first, &args.second].into_iter().flatten().map(String::as_str).collect();
    let wanted = wanted(&open, &words);
    let Some(id) = wanted.id else {
        if args.deny || args.because.is_some() {
            return Err(Failure::new(Kind::Usage, "an answer needs the id of its question")
                .hint("`stagepost approve` lists what is asked, with its ids"));
        }
        let of = |open: Vec<Open>| -> Vec<Open> {
            open.into_iter().filter(|o| wanted.run.as_ref().is_none_or(|run| o.run == *run)).collect()
        };
        open = of(open);
        if args.wait && open.is_empty() {
            context.ui.status("waits until something is asked; Ctrl-C ends it");
            while open.is_empty() {
                // Real time: nothing of a run's is asked here.
                std::thread::sleep(LOOK);
                open = of(all(&folder)?);
            }
        }
        list(context, &open);
        return Ok(0);
    };
    if args.wait {
        return Err(Failure::new(Kind::Usage, "--wait lists what will be asked, and answers nothing")
            .hint("leave out --wait to answer, or the id to wait"));
    }
    let question = one(&open, wanted.run.as_deref(), &id)?;
    let journal = Beside::open(&folder)?.ok_or_else(nothing)?;
    let answer = decided::answer(&journal, question, !args.deny, args.because.as_deref().unwrap_or_default())?;
    let word = if answer.granted { "approved" } else { "refused" };
    if context.json {
        let line = json!({
            "event": "answered", "id": question.id, "run": question.run, "text": question.text,
            "granted": answer.granted, "by": answer.by, "host": answer.host, "because": answer.because,
        });
        context.ui.print(&format!("{line}\n"));
    }
    context.ui.status(&format!("{word}: {}", question.text));
    if question.state != "running" {
        context.ui.status(&format!(
            "the run {} has ended; the answer counts when it goes on: stagepost resume",
            question.run
        ));
    }
    Ok(0)
}

/// Which run and which question the words of the command line mean: a run is
/// known by its form, `20261120-094512-417`.
struct Wanted {
    run: Option<String>,
    id: Option<String>,
}

fn wanted(open: &[Open], words: &[&str]) -> Wanted {
    let is_run = |word: &str| word.matches('-').count() == 2 || open.iter().any(|o| o.run == word);
    let words: Vec<&str> = words.iter().copied().filter(|w| !w.trim().is_empty()).collect();
    match words.as_slice() {
        [run, id] => Wanted { run: Some((*run).to_owned()), id: Some((*id).to_owned()) },
        [run] if is_run(run) => Wanted { run: Some((*run).to_owned()), id: None },
        [id] => Wanted { run: None, id: Some((*id).to_owned()) },
        _ => Wanted { run: None, id: None },
    }
}

fn nothing() -> Failure {
    Failure::new(Kind::NotFound, "there is no journal here, so nothing is asked")
        .hint("go to the folder of the project, where .stagepost lies")
}

/// What is open in the journal of a folder; nothing where there is none yet.
fn all(folder: &Path) -> Result<Vec<Open>> {
    let nobody = Owner { project: String::new(), tenant: String::new(), run: String::new() };
    decided::open(&Looking::open(folder, nobody)?, Timestamp::now())
}

/// The question of an id; a part of an id that fits one alone will do.
fn one<'a>(open: &'a [Open], run: Option<&str>, id: &str) -> Result<&'a Open> {
    let fits = |o: &&Open| run.is_none_or(|run| o.run == run) && o.id.starts_with(&id.to_lowercase());
    let found: Vec<&Open> = open.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::new(Kind::NotFound, format!("no open question has the id {id}"))
            .hint("`stagepost approve` lists what is asked; what was answered or is over is not open")),
        several => {
            let ids: Vec<String> = several.iter().map(|o| format!("{} {}", o.run, o.id)).collect();
            Err(Failure::new(Kind::Usage, format!("{id} means {} questions", several.len()))
                .detail(ids.join("\n"))
                .hint("name the run as well: `stagepost approve RUN ID`"))
        }
    }
}

fn list(context: &Context, open: &[Open]) {
    if context.json {
        for one in open {
            let mut line = serde_json::to_value(one).unwrap_or(Value::Null);
            if let Some(map) = line.as_object_mut() {
                map.shift_insert(0, "event".into(), json!("question"));
            }
            context.ui.print(&format!("{line}\n"));
        }
        return;
    }
    if open.is_empty() {
        context.ui.status("nothing is asked");
        return;
    }
    let rows: Vec<Vec<String>> = open
        .iter()
        .map(|o| {
            let shown = if o.shown.is_empty() { String::new() } else { format!(" [{}]", o.shown) };
            let other = if o.by_other { ", by somebody else" } else { "" };
            let until = o.until.map_or_else(String::new, |t| format!(", until {}", t.strftime("%Y-%m-%d %H:%M")));
            let waits = if o.state == "running" { "waits" } else { "ended" };
            vec![
                o.id.clone(),
                o.since.strftime("%Y-%m-%d %H:%M").to_string(),
                format!("{}@{}", o.user, o.host),
                o.run.clone(),
                if o.line.is_empty() { o.script.clone() } else { o.line.clone() },
                waits.to_owned(),
                format!("{}{shown}{other}{until}", o.text),
            ]
        })
        .collect();
    context.ui.table(&["id", "since", "asked by", "run", "at", "state", "question"], &rows);
    context.ui.hint("answer with `stagepost approve ID`, or with `stagepost approve ID --deny`");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(run: &str, id: &str) -> Open {
        let now = Timestamp::UNIX_EPOCH;
        let text = String::new;
        Open {
            id: id.into(),
            run: run.into(),
            script: text(),
            state: "running".into(),
            text: "Start?".into(),
            shown: text(),
            since: now,
            until: None,
            user: text(),
            host: text(),
            line: text(),
            by_other: false,
            binding: text(),
        }
    }

    #[test]
    fn a_run_is_told_from_a_question_by_its_form() {
        let told = |words: &[&str]| {
            let wanted = wanted(&[open("r1", "3fa91c02")], words);
            (wanted.run, wanted.id)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(told(&[]), (None, None));
        assert_eq!(told(&["20261120-094512-417"]), (some("20261120-094512-417"), None));
        assert_eq!(told(&["r1"]), (some("r1"), None));
        assert_eq!(told(&["3fa91c02"]), (None, some("3fa91c02")));
        assert_eq!(told(&["r1", "3fa9"]), (some("r1"), some("3fa9")));
    }

    #[test]
    fn a_part_of_an_id_means_one_question_or_none() {
        let all = [open("r1", "3fa91c02"), open("r2", "3fb00000"), open("r2", "3fa91c02")];
        let told = |run, id| one(&all, run, id).map(|o| (o.run.as_str(), o.id.as_str())).map_err(|f| f.kind);
        assert_eq!(told(None, "3FB"), Ok(("r2", "3fb00000")));
        assert_eq!(told(Some("r1"), "3"), Ok(("r1", "3fa91c02")));
        assert_eq!(told(None, "3fa91c02"), Err(Kind::Usage));
        assert_eq!(told(Some("r1"), "3fb"), Err(Kind::NotFound));
    }
}
