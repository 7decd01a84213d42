//! `stagepost run`: a script against the environment of a profile.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Run;
use super::drive::{self, End};
use super::environment::{self, Both, Opening};
use super::resume::{self, Again};
use super::{Context, asked, code_of, contracts, lists, runtime};
use crate::base::{Failure, Kind, Result};
use crate::host::Library;
use crate::migration::project::Project;
use crate::report::notes::{self, NotesFile};
use crate::report::wirelog::WireLog;
use crate::run::narrate::What;
use crate::run::{Mode, beside, pins, process};
use crate::wire::log::Tap;
use crate::wire::profile::{Behind, Profile};

/// Runs the script; exit code 6 if rows were left whole.
pub(crate) fn run(context: &Context, args: &Run) -> Result<u8> {
    pass(context, args, None)
}

/// Runs the script as a new run, or as the next pass of one that goes on.
pub(crate) fn pass(context: &Context, args: &Run, again: Option<&Again>) -> Result<u8> {
    let here = super::here()?;
    let profile = environment::profile(&args.profile)?;
    let script = lists::script(&here, &args.script)?;
    let approver = Arc::new(asked::beforehand(context, &profile, &args.answers)?);
    let project = project(&here, &args.profile, &profile, args.mailboxes.as_deref())?;
    let library = Library::new(vec![here.join("lib")]);
    if !drive::passes(context, &script, &library) {
        return Ok(code_of(Kind::Usage));
    }
    let mut pinned = resume::pinned(&here, &script, &library, &project)?;
    let filed = contracts::agreed(args, &profile, &here, &pinned.pins)?;
    if let Some((filed, path)) = filed.as_ref().zip(args.plan.as_ref()) {
        pinned.pins.extend(filed.pins(path));
    }
    if let Some(again) = again
        && !again.passes(context, &here, &pinned)?
    {
        return Ok(code_of(Kind::Usage));
    }
    let log = match &args.wire_log {
        Some(path) => Some(Arc::new(WireLog::create(path)?)),
        None => None,
    };
    let runtime = runtime(args.threads)?;
    let notes = Arc::new(NotesFile::default());
    let opened = runtime.block_on(environment::open(Opening {
        profile: &args.profile,
        project,
        project_folder: &here,
        journal_folder: &here,
        out: &here,
        approver,
        narrator: Arc::new(Both(vec![context.ui.clone(), notes.clone()])),
        tap: log.clone().map(|l| l as Arc<dyn Tap>),
        handle: runtime.handle().clone(),
        run: again.map(|again| again.run.id.clone()),
        mode: filed.map_or(Mode::Open, |filed| Mode::Contract(Box::new(filed.plan))),
    }))?;
    let session = opened.session;
    if let Err(failure) = notes.begin(&notes::path(&here, session.journal().run())) {
        // The run is recorded in the journal; its page will have no steps.
        context.ui.warning(&failure.message, failure.hint.as_deref());
    }
    match again {
        None => pins::begin(&session, "run", &script.name, &pinned)?,
        Some(again) => again.goes_on(&session, &script.name, &pinned)?,
    }
    let ui = context.ui.clone();
    session.ask_by(Arc::new(move |text: &str| ui.ask(text)));
    let _listening = beside::listen(&session)?;
    session.note(What::Began { script: script.name.clone(), profile: profile.name.clone(), seed: None });
    let code = match drive::script(context, &runtime, &session, library, &script) {
        End::Left => {
            runtime.shutdown_background();
            return Ok(130);
        }
        End::Done if session.memory().left.is_empty() => 0,
        End::Done => 6,
        End::Failed(error) => code_of(error.failure.kind),
    };
    process::end(&session, code)?;
    session.note(What::Ended { ok: matches!(code, 0 | 6), code });
    if let Some(log) = &log {
        log.finish()?;
    }
    Ok(code)
}

/// The project of this folder; without one, what the profile and the command
/// line say.
pub(crate) fn project(here: &Path, profile_path: &Path, profile: &Profile, list: Option<&Path>) -> Result<Project> {
    let mut project = match environment::project(here)? {
        Some(project) => project,
        None => {
            let domains: Vec<String> = profile.dns.zones.iter().map(|z| z.name.clone()).collect();
            if domains.is_empty() {
                return Err(Failure::new(
                    Kind::Usage,
                    "no mail domain is named, neither in stagepost.toml nor as a zone of the profile",
                )
                .hint("write a stagepost.toml with domains = [\"contoso.com\"]; see docs/project.md"));
            }
            let mut project = environment::unwritten(&profile.name, "", &domains)?;
            if profile.kind == Behind::Lab {
                project.usage_location.get_or_insert_with(|| "DE".to_owned());
            }
            project
        }
    };
    if let Some(list) = list {
        project.mailboxes = list.display().to_string();
    } else if project.mailboxes.is_empty() {
        // A lab lays its company's list beside its profile.
        let beside: PathBuf = profile_path.parent().unwrap_or(Path::new(".")).join("mailboxes.csv");
        if beside.exists() {
            project.mailboxes = beside.display().to_string();
        }
    }
    Ok(project)
}
