//! `stagepost repl`: the prompt, against a profile or a lab of its own.

use std::io::{BufRead, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Repl;
use super::asked::AtTerminal;
use super::environment::{self, Both, Opening};
use super::{Context, companies, rehearse, run, runtime};
use crate::base::{Cancel, Result};
use crate::host::Library;
use crate::repl::{self, Input, Options};
use crate::run::approvals::{Beforehand, Person};
use crate::ui::Ui;
use crate::wire::profile::Behind;

/// Everything the prompt shows goes through the terminal's only writer.
struct Through(Arc<Ui>);

impl Write for Through {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.print(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whoever sits at the prompt, asked by its own reader: to it Ctrl-C is a key, and
/// means no. It can't be called back, so an answer from elsewhere shows once
/// Enter is pressed.
struct AtPrompt(Arc<Ui>);

impl Person for AtPrompt {
    fn confirm(&self, question: &str, _: &Cancel) -> Option<bool> {
        self.0.confirm_by(question, &mut repl::line)
    }
    fn typed(&self, prompt: &str, _: &Cancel) -> Option<String> {
        self.0.status(prompt);
        repl::line("> ")
    }
    fn is_there(&self) -> bool {
        true
    }
}

/// Opens the prompt; exit code 1 if an input of a pipe failed.
pub(crate) fn repl(context: &Context, args: &Repl) -> Result<u8> {
    let here = super::here()?;
    let file = companies::named(context, &args.world)?;
    let runtime = runtime(None)?;
    let home = super::temporary()?;
    let terminal = std::io::stdin().is_terminal();
    let (lab, profile_path): (_, PathBuf) = match &args.profile {
        Some(path) => (None, path.clone()),
        None => {
            let draft = companies::draft(&args.world, file.as_ref(), None)?;
            let lab = runtime.block_on(rehearse::start_lab(draft, home.path()))?;
            let path = lab.profile_path().to_path_buf();
            (Some(lab), path)
        }
    };
    let profile = environment::profile(&profile_path)?;
    let project = match &lab {
        Some(lab) => rehearse::sample_project(lab, None, home.path())?,
        None => run::project(&here, &profile_path, &profile, None)?,
    };
    let ui = context.ui.clone();
    let in_lab = profile.kind == Behind::Lab;
    let folder: &Path = if lab.is_some() { home.path() } else { &here };
    let opened = runtime.block_on(environment::open(Opening {
        profile: &profile_path,
        project,
        project_folder: folder,
        journal_folder: folder,
        out: folder,
        approver: Arc::new(Beforehand {
            // Piped lines in a lab have nobody to ask and nothing to lose.
            approve: if in_lab && !terminal { vec![String::new()] } else { Vec::new() },
            deny: Vec::new(),
            person: Some(if terminal { Arc::new(AtPrompt(ui)) } else { Arc::new(AtTerminal(ui)) }),
            ..Beforehand::default()
        }),
        narrator: Arc::new(Both(vec![context.ui.clone()])),
        tap: None,
        handle: runtime.handle().clone(),
        run: None,
        mode: crate::run::Mode::Open,
    }))?;
    let session = opened.session;
    let options = Options {
        prompt: format!("{}{}> ", profile.name, if in_lab { "(lab)" } else { "" }),
        real: !in_lab,
        history: terminal.then(history).flatten(),
        colour: terminal && context.ui.paint().is_on(),
        width: context.ui.width(),
    };
    let library = Library::new(vec![here.join("lib")]);
    let mut out = Through(context.ui.clone());
    let failed = if terminal {
        repl::run(session, library, &options, Input::Terminal, &mut out)?
    } else {
        let mut input = std::io::BufReader::new(std::io::stdin());
        repl::run(session, library, &options, Input::Lines(&mut input as &mut (dyn BufRead + Send)), &mut out)?
    };
    if let Some(lab) = lab {
        runtime.block_on(lab.stop());
    }
    Ok(u8::from(!terminal && failed > 0))
}

/// The prompt's history: in the state folder of the user, if there is one.
fn history() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    let folder = state.join("stagepost");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}
