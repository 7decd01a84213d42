//! `stagepost rehearse`: a whole migration against the embedded lab.
//!
//! The lab runs in this process, and everything speaks to it over the same
//! sockets and the same profile as to one of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::args::Rehearse;
use super::drive::{self, End};
use super::environment::{self, Both, Opened, Opening};
use super::{Context, code_of, companies, lists, runtime};
use crate::base::{Failure, Kind, Result};
use crate::host::Library;
use crate::lab::company::Draft;
use crate::lab::serve::Lab;
use crate::migration::project::Project;
use crate::report::story::{self, Parts, Story};
use crate::report::{folder, wirelog::WireLog};
use crate::run::approvals::Rehearsed;
use crate::run::narrate::{Keeper, Narrator as _, Note, What};
use crate::services::LabClock;
use crate::wire::lab::{Counts, Digest, Proof};
use crate::wire::log::Tap;

/// Runs the rehearsal; the exit code is the judge's and the script's together.
pub(crate) fn rehearse(context: &Context, args: &Rehearse) -> Result<u8> {
    rehearsed(context, args).map(|(exit, _)| exit)
}

/// Runs the rehearsal: its exit code, and its story if it came to one.
pub(crate) fn rehearsed(context: &Context, args: &Rehearse) -> Result<(u8, Option<Story>)> {
    let began = Instant::now();
    let here = super::here()?;
    // Everything that can be wrong with the call is found before anything runs.
    if args.force.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        return Err(Failure::new(Kind::Usage, "--force needs a reason and got an empty one")
            .hint("write why the guards are to be passed; it stands in the journal and in the report"));
    }
    let project = environment::project(&here)?;
    let script = lists::script(&here, &args.script)?;
    let file = companies::named(context, &args.world)?;
    // A company file says itself who is to move.
    let listed = || project.as_ref().filter(|_| file.is_none()).map(|p| PathBuf::from(&p.mailboxes));
    let named = args.mailboxes.clone().or_else(listed);
    let list = match &named {
        Some(path) => Some(lists::list(context, path, project.as_ref().is_some_and(|p| p.unknown_columns))?),
        None => None,
    };
    let own_folder = named.is_some() || project.is_some();
    let library = Library::new(vec![here.join("lib")]);
    if !drive::passes(context, &script, &library) {
        return Ok((code_of(Kind::Usage), None));
    }
    folder::prepare(&args.out)?;
    let log = match &args.wire_log {
        Some(path) => Some(Arc::new(WireLog::create(path)?)),
        None => None,
    };

    let runtime = runtime(args.threads)?;
    let home = super::temporary()?;
    let draft = companies::draft(&args.world, file.as_ref(), list.as_ref())?;
    let lab = runtime.block_on(start_lab(draft, home.path()))?;
    let project = match project {
        Some(project) => Project {
            mailboxes: match &file {
                Some(_) => home.path().join("mailboxes.csv").display().to_string(),
                None => project.mailboxes.clone(),
            },
            domains: if project.domains.is_empty() { lab.domains() } else { project.domains.clone() },
            ..project
        },
        None => sample_project(&lab, named.as_deref(), home.path())?,
    };
    let keeper = Arc::new(Keeper::default());
    let opened = runtime.block_on(environment::open(Opening {
        profile: lab.profile_path(),
        project,
        project_folder: if own_folder { &here } else { home.path() },
        journal_folder: home.path(),
        out: &args.out,
        approver: Arc::new(Rehearsed { deny: args.deny.clone() }),
        narrator: Arc::new(Both(vec![keeper.clone(), context.ui.clone()])),
        tap: log.clone().map(|l| l as Arc<dyn Tap>),
        handle: runtime.handle().clone(),
        run: None,
        mode: crate::run::Mode::Open,
    }))?;
    let Opened { session, control, .. } = opened;
    if let Some(reason) = &args.force {
        session.force_guards(reason.trim());
    }
    session.note(What::Began {
        script: script.name.clone(),
        profile: session.profile().name.clone(),
        seed: Some(args.world.seed),
    });

    let end = drive::script(context, &runtime, &session, library, &script);
    let (code, failure) = match &end {
        End::Left => {
            runtime.shutdown_background();
            return Ok((130, None));
        }
        End::Done => (0, None),
        End::Failed(error) => (code_of(error.failure.kind), Some(error.failure.clone())),
    };
    let control = control.ok_or_else(|| Failure::internal("a lab's profile without a control address"))?;
    let asked = runtime.block_on(ask_lab(&control));
    let (proof, counts, digest) = asked?;
    // It has said all it knows, and the report needs the room.
    runtime.block_on(lab.stop());
    if failure.is_some() && counts.requests.is_empty() {
        // It ended before it asked anybody anything: there is nothing to report.
        return Ok((code, None));
    }
    let exit = exit_code(&proof, code);
    let end_note = Note { time: session.now(), what: What::Ended { ok: failure.is_none(), code: exit } };
    keeper.note(&end_note);
    context.ui.note(&end_note);
    // Told at the end: the rehearsal itself has an outcome.
    let logged = log.as_ref().map_or(Ok(()), |log| log.finish());

    let mut parts = Parts::new(
        format!("Rehearsal of {}", company(&session.project().name)),
        script.name.clone(),
        proof,
        keeper.notes(),
    );
    parts.profile = session.profile().name.clone();
    parts.seed = Some(args.world.seed);
    parts.faults = args.world.faults.word().to_owned();
    parts.threads =
        args.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    parts.counts = counts;
    parts.digest = Some(digest);
    parts.failure = failure;
    parts.exit = exit;
    parts.wire_log = args.wire_log.clone();
    parts.report = Some(args.out.join("report.html"));
    parts.peak_memory = peak_memory();
    parts.wall_seconds = began.elapsed().as_secs_f64();
    let story = Story::new(parts);
    folder::write_page(&args.out, &story)?;
    context.ui.summary(&story);
    for unheard in args.deny.iter().filter(|d| !asked_for(d, &keeper.notes())) {
        context.ui.warning(
            &format!("no approval was asked whose text contains `{unheard}`, so none was refused for it"),
            Some("the texts stand in the lines `approved` above, and in the report"),
        );
    }
    if args.force.is_some() && !keeper.notes().iter().any(|n| matches!(n.what, What::Forced { .. })) {
        context
            .ui
            .warning("no guard objected, so --force passed none", Some("leave it out: the script needs no force"));
    }
    logged?;
    Ok((exit, Some(story)))
}

/// The company in the name of a lab's profile: its report is about the company.
fn company(name: &str) -> &str {
    name.strip_prefix("lab of ").unwrap_or(name)
}

/// Whether an approval was asked that `deny` meant.
fn asked_for(deny: &str, notes: &[Note]) -> bool {
    let deny = deny.to_lowercase();
    notes.iter().any(|n| matches!(&n.what, What::Asked { text } if text.to_lowercase().contains(&deny)))
}

/// A row that is neither moved nor whole outweighs whatever the script thinks
/// of itself; only an interruption stays one.
pub(crate) fn exit_code(proof: &Proof, script: u8) -> u8 {
    if script == 130 {
        return 130;
    }
    match story::exit_code(proof, 0) {
        1 => 1,
        judged if script == 0 => judged,
        _ => script,
    }
}

/// Serves a lab of this company.
pub(crate) async fn start_lab(draft: Draft, home: &Path) -> Result<Lab> {
    Lab::start(draft.begin(), home).await
}

/// The project of a rehearsal without one.
pub(crate) fn sample_project(lab: &Lab, list: Option<&Path>, home: &Path) -> Result<Project> {
    let list = list.map_or_else(|| home.join("mailboxes.csv"), Path::to_path_buf);
    let mut project = environment::unwritten(&lab.profile().name, &list.display().to_string(), &lab.domains())?;
    project.usage_location.get_or_insert_with(|| "DE".to_owned());
    Ok(project)
}

/// What the lab says in the end.
pub(crate) async fn ask_lab(control: &LabClock) -> Result<(Proof, Counts, Digest)> {
    Ok((control.get("/proof").await?, control.get("/count").await?, control.get("/digest").await?))
}

/// Highest resident memory of this process in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
