//! `stagepost resume`: the next pass of a run that was broken off.
//!
//! It runs the same script under the same id. What it was made from is compared
//! with what the journal pinned; a difference is shown, and nothing is done
//! without `--accept-changes`.

use std::path::Path;

use super::args::{Resume, Run as RunArgs};
use super::lists::Script;
use super::{Context, environment, run};
use crate::base::{Failure, Kind, Result};
use crate::check::imports;
use crate::host::Library;
use crate::migration::project::Project;
use crate::run::beside;
use crate::run::journal::Run;
use crate::run::pins::{self, Difference, Pinned};
use crate::run::session::Session;

/// A run that goes on.
pub(crate) struct Again {
    /// Which.
    pub run: Run,
    /// Whether differences are accepted.
    pub accept_changes: bool,
}

/// Goes on with the run; exit code as of `stagepost run`, 2 if something has
/// changed and was not accepted.
pub(crate) fn resume(context: &Context, args: &Resume) -> Result<u8> {
    let here = super::here()?;
    let tenant = environment::tenant(&args.profile)?;
    let journal = environment::journal(&here)?;
    let is_open =
        |run: &Run| run.verb == "run" && run.tenant == tenant && !matches!(run.state.as_str(), "ended" | "cancelled");
    let found = beside::meant(&journal, args.run.as_deref(), "no run of this tenant is left to go on with", is_open)?;
    let wrong = |message: String, hint: &str| Err(Failure::new(Kind::Usage, message).hint(hint));
    if found.tenant != tenant {
        return wrong(
            format!("the run {} belongs to another tenant than {}", found.id, args.profile.display()),
            "name the profile that it was begun with",
        );
    }
    if found.verb != "run" {
        let verb = if found.verb.is_empty() { "an earlier stagepost" } else { &found.verb };
        return wrong(format!("the run {} is one of {verb} and can't be resumed", found.id), "begin it again");
    }
    if found.state == "ended" {
        return wrong(format!("the run {} has ended", found.id), "to run the script once more, use `stagepost run`");
    }
    let before = pins::before(&journal, &found.id)?;
    // As the run was begun: the list of its command line, too.
    let list = before.pins.iter().find(|pin| pin.kind == "input").map(|pin| pin.name.clone().into());
    context.ui.status(&format!("run {}: {}", found.id, found.script));
    let again = RunArgs {
        script: found.script.clone(),
        profile: args.profile.clone(),
        mailboxes: list,
        answers: args.answers.clone(),
        wire_log: args.wire_log.clone(),
        threads: args.threads,
        plan: before.pins.iter().find(|pin| pin.kind == "plan").map(|pin| pin.origin.clone().into()),
    };
    run::pass(context, &again, Some(&Again { run: found, accept_changes: args.accept_changes }))
}

impl Again {
    /// Whether the run may go on with what it is made from now. Every difference is
    /// shown.
    pub(crate) fn passes(&self, context: &Context, here: &Path, now: &Pinned) -> Result<bool> {
        let found = self.differences(here, now)?;
        if found.is_empty() {
            return Ok(true);
        }
        let names: Vec<&str> = found.iter().map(|d| d.what.as_str()).collect();
        let shown: Vec<String> = found.iter().map(|d| format!("{}:\n{}", d.what, d.text.trim_end())).collect();
        if self.accept_changes {
            for text in shown.join("\n").lines() {
                context.ui.status(text);
            }
            context.ui.status(&format!("accepted: {}", names.join(", ")));
            return Ok(true);
        }
        let verb = if found.len() == 1 { "is" } else { "are" };
        let message = format!("{} {verb} not as the run {} began with", names.join(", "), self.run.id);
        let failure = Failure::new(Kind::Usage, message)
            .detail(shown.join("\n"))
            .hint("put it back as it was, or go on with it: `--accept-changes`; steps already done stay done");
        context.ui.error(&failure, None);
        Ok(false)
    }

    /// Records that the run goes on in this process.
    pub(crate) fn goes_on(&self, session: &Session, script: &str, now: &Pinned) -> Result<()> {
        let before = pins::before(session.journal(), &self.run.id)?;
        if self.accept_changes {
            session.accept_changes();
        }
        pins::resume(session, script, now, &pins::differences(&before, now))
    }

    fn differences(&self, here: &Path, now: &Pinned) -> Result<Vec<Difference>> {
        let before = pins::before(&environment::journal(here)?, &self.run.id)?;
        Ok(pins::differences(&before, now))
    }
}

/// What a run of this script would be made from.
pub(crate) fn pinned(here: &Path, script: &Script, library: &Library, project: &Project) -> Result<Pinned> {
    let mut pinned = Pinned::default();
    pinned.text("script", &script.name, &script.name, &script.text);
    for module in imports::modules(&script.name, &script.text, library) {
        pinned.text("module", &module.name, &module.origin, &module.text);
    }
    let version = env!("CARGO_PKG_VERSION");
    pinned.bytes("version", "stagepost", version, version.as_bytes());
    if let Ok(text) = std::fs::read_to_string(here.join("stagepost.toml")) {
        pinned.text("settings", "stagepost.toml", "stagepost.toml", &text);
    }
    if !project.mailboxes.is_empty() {
        let path = here.join(&project.mailboxes);
        // A script needn't read the list; one that does says what is wrong with it.
        if let Ok(bytes) = crate::api::mailboxes::read_bytes(&project.mailboxes, &path) {
            pinned.bytes("input", &project.mailboxes, &path.display().to_string(), &bytes);
        }
    }
    Ok(pinned)
}
