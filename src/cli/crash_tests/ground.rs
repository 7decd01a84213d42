//! A lab in the process, runs against it whose life may end early, and the world
//! put back between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use clap::Parser as _;

use super::super::args::{Cli, Verb};
use super::super::environment::{self, Opened, Opening};
use super::super::lists::Script;
use super::super::resume::{self, Again};
use super::super::{code_of, companies, lists, rehearse, runtime};
use super::picture::Picture;
use crate::base::crash::{Ending, Life};
use crate::base::plant::{Plant, Soil};
use crate::base::{Cancel, Failure, Kind, Result, Timestamp};
use crate::host::{Host, Library};
use crate::lab::World;
use crate::lab::serve::Lab;
use crate::run::approvals::{Answer, Approver, Asking, working_day_later};
use crate::run::journal::Journal;
use crate::run::narrate::Keeper;
use crate::run::session::Session;
use crate::run::{Mode, pins, process};

/// Rows of a page: a small company has several.
const PAGE: u32 = 20;

/// What a journal is wrapped into before a run gets it.
pub(super) type Wrap<'a> = &'a dyn Fn(Arc<dyn Journal>) -> Arc<dyn Journal>;

/// One lab with its company, and the standard script.
pub(super) struct Ground {
    lab: Option<Lab>,
    runtime: Option<tokio::runtime::Runtime>,
    home: tempfile::TempDir,
    before: World,
    script: Script,
}

/// A project's folder with its journal, and whoever answers for it.
pub(super) struct Project {
    folder: tempfile::TempDir,
    person: Arc<Person>,
    plant: Option<Plant>,
    resumes: bool,
}

impl Project {
    /// A fresh one, whose runs go on where the one before was broken off.
    pub(super) fn new() -> Project {
        Project { folder: folder(), person: Arc::default(), plant: None, resumes: true }
    }

    /// The same, in a folder whose commits really reach the disk.
    pub(super) fn on_disk(self) -> Project {
        Project { folder: tempfile::tempdir().expect("a temporary folder"), ..self }
    }

    /// The same, of a host with a mistake.
    pub(super) fn planted(self, plant: Option<Plant>) -> Project {
        Project { plant, ..self }
    }

    /// The same, in which each run is a new one.
    pub(super) fn anew(self, anew: bool) -> Project {
        Project { resumes: !anew, ..self }
    }

    /// The run that was broken off, if the journal knows of one.
    fn left(&self) -> Result<Option<Again>> {
        if !self.folder.path().join(".stagepost/journal.sqlite").exists() {
            return Ok(None);
        }
        let runs = environment::journal(self.folder.path())?.runs()?;
        let last = runs.into_iter().last().filter(|run| run.verb == "run" && run.state != "ended");
        Ok(last.map(|run| Again { run, accept_changes: false }))
    }

    /// Its folder.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Somebody who answers yes a working day after first asked, and at once if asked
/// the same again after that. A run that goes on may name another number of people:
/// whom an earlier one gave back is no longer among them.
#[derive(Default)]
struct Person(Mutex<BTreeMap<String, Timestamp>>);

#[async_trait]
impl Approver for Person {
    async fn ask(&self, session: &Session, asking: &Asking, _: &Cancel) -> Result<Option<Answer>> {
        let until = {
            let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let text = &asking.question.text;
            let question: String = text.split(' ').filter(|word| word.parse::<u64>().is_err()).collect();
            *asked.entry(question).or_insert_with(|| working_day_later(session.now()))
        };
        session.clock().sleep_until(until).await?;
        Ok(Some(Answer::here(true, "the person", "rehearsal")))
    }
    fn hears_others(&self) -> bool {
        false
    }
}

/// A run as it is seen from outside.
pub(super) struct Ran {
    /// Exit code of its process.
    pub code: u8,
    /// Why it ended early.
    pub failure: Option<Failure>,
}

/// A folder whose commits cost no disk, where the system has one.
pub(super) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory).ok() } else { None };
    made.unwrap_or_else(|| tempfile::tempdir().expect("a temporary folder"))
}

impl Ground {
    /// A lab over a company of so many, with or without the usual faults.
    pub(super) fn new(make: usize, seed: u64, faults: &str) -> Ground {
        Soil::of(None, PAGE).spread();
        let line =
            ["stagepost", "rehearse", "--make", &make.to_string(), "--seed", &seed.to_string(), "--faults", faults]
                .map(str::to_owned);
        let Verb::Rehearse(args) = Cli::try_parse_from(line).expect("the options are good").verb else {
            unreachable!("the verb is rehearse")
        };
        let runtime = runtime(Some(1)).expect("a runtime starts");
        let home = folder();
        let draft = companies::draft(&args.world, None, None).expect("a sample company can be built");
        let lab = runtime.block_on(rehearse::start_lab(draft, home.path())).expect("the lab starts");
        let mut before = lab.world().lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Whom the help desk edits hangs on the hour at which a run ends.
        before.queue.retain(|(_, object, _), _| object != "help desk");
        let script = lists::script(home.path(), "staged").expect("it is bundled");
        Ground { lab: Some(lab), runtime: Some(runtime), home, before, script }
    }

    fn lab(&self) -> &Lab {
        self.lab.as_ref().expect("it is there until it is dropped")
    }

    /// The world as it was before the first run.
    pub(super) fn fresh(&self) {
        self.lab().put(self.before.clone());
    }

    /// The world, for whoever edits it beside a run.
    pub(super) fn world(&self) -> Arc<Mutex<World>> {
        self.lab().world()
    }

    /// The world as it is now.
    pub(super) fn snapshot(&self) -> World {
        self.lab().world().lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What there is to compare.
    pub(super) fn picture(&self) -> Picture {
        Picture::of(&self.snapshot())
    }

    /// A run of a project that comes to its end, or not.
    pub(super) fn run(&self, project: &Project, life: &Arc<Life>) -> Ran {
        self.run_with(project, life, &|journal| journal)
    }

    /// The same, over a journal that is wrapped.
    pub(super) fn run_with(&self, project: &Project, life: &Arc<Life>, wrap: Wrap<'_>) -> Ran {
        Soil::of(project.plant, PAGE).living(life.clone()).spread();
        let ran = self.process(project, wrap);
        Soil::of(None, PAGE).spread();
        ran
    }

    /// What one process does: it opens, runs, and is gone with all its threads.
    fn process(&self, project: &Project, wrap: Wrap<'_>) -> Ran {
        let runtime = runtime(Some(1)).expect("a runtime starts");
        let end = self.session(project, wrap, &runtime);
        // What was under way is cut off, as when a process dies.
        runtime.shutdown_timeout(Duration::from_secs(10));
        let (code, failure) = match end {
            Ok(code) => (code, None),
            Err(failure) => (code_of(failure.kind), Some(failure)),
        };
        Ran { code, failure }
    }

    fn session(&self, project: &Project, wrap: Wrap<'_>, runtime: &tokio::runtime::Runtime) -> Result<u8> {
        let again = if project.resumes { project.left()? } else { None };
        let opening = Opening {
            profile: self.lab().profile_path(),
            project: rehearse::sample_project(self.lab(), None, self.home.path())?,
            project_folder: self.home.path(),
            journal_folder: project.folder.path(),
            out: project.folder.path(),
            approver: project.person.clone(),
            narrator: Arc::new(Keeper::default()),
            tap: None,
            handle: runtime.handle().clone(),
            run: again.as_ref().map(|again| again.run.id.clone()),
            mode: Mode::Open,
        };
        let Opened { session, .. } = runtime.block_on(environment::open_wrapped(opening, wrap))?;
        let library = Library::bundled_only();
        let pinned = resume::pinned(self.home.path(), &self.script, &library, session.project())?;
        match again {
            None => pins::begin(&session, "run", &self.script.name, &pinned)?,
            Some(again) => again.goes_on(&session, &self.script.name, &pinned)?,
        }
        let mut host = Host::new(session.clone(), library);
        let ended = host.run_text(&self.script.name, &self.script.text);
        let code = match &ended {
            Ok(_) if session.memory().left.is_empty() => 0,
            Ok(_) => 6,
            Err(error) => code_of(error.failure.kind),
        };
        process::end(&session, code)?;
        match ended {
            Ok(_) => Ok(code),
            Err(error) => Err(error.failure),
        }
    }

    /// Carries out what a run sent and gave up on, and what was never its turn.
    pub(super) fn settle(&self, life: &Life) {
        self.runtime.as_ref().expect("it is there until it is dropped").block_on(life.settle());
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let (Some(runtime), Some(lab)) = (self.runtime.take(), self.lab.take()) {
            runtime.block_on(lab.stop());
            runtime.shutdown_background();
        }
    }
}

/// A run on which nothing is inflicted.
pub(super) fn natural() -> Arc<Life> {
    Life::new(Ending::Natural)
}

/// Whether a run ended because it was dead and for no other reason.
pub(super) fn died(ran: &Ran) -> bool {
    ran.failure.as_ref().is_some_and(|f| f.kind == Kind::Cancelled)
}
