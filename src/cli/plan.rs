//! `stagepost plan`: what a run of a script would change, written down.
//!
//! The script runs with the gate closed; what came of it is gathered here into
//! one file, and told. It decides nothing, and writes to nobody but that file and
//! the way back beside it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::args;
use super::drive::{self, End};
use super::environment::{self, Both, Opening};
use super::{Context, code_of, lists, resume, run, runtime};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::host::Library;
use crate::report::wirelog::WireLog;
use crate::run::Session;
use crate::run::approvals::Beforehand;
use crate::run::narrate::{Narrator, What};
use crate::run::plan::{Of, Pin, Plan, VERSION};
use crate::run::plan_file;
use crate::wire::log::{Exchange, Tap};

/// Plans the script, or shows a plan that was written; the exit code of a script that fails is that of its failure.
pub(crate) fn plan(context: &Context, args: &args::Plan) -> Result<u8> {
    if let Some(path) = &args.show {
        let filed = plan_file::read(path)?;
        context.ui.plan(&filed.plan, &filed.hash);
        return Ok(0);
    }
    let Some(of) = &args.profile else {
        return Err(Failure::new(Kind::Usage, "no profile is named").hint("name one with `--profile`"));
    };
    let here = super::here()?;
    let profile = environment::profile(of)?;
    let script = lists::script(&here, &args.script)?;
    let project = run::project(&here, of, &profile, args.mailboxes.as_deref())?;
    let library = Library::new(vec![here.join("lib")]);
    if !drive::passes(context, &script, &library) {
        return Ok(code_of(Kind::Usage));
    }
    let pinned = resume::pinned(&here, &script, &library, &project)?;
    let log = match &args.wire_log {
        Some(path) => Some(Arc::new(WireLog::create(path)?)),
        None => None,
    };
    let counted = Arc::new(Counted { log: log.clone(), requests: Mutex::default() });
    let runtime = runtime(args.threads)?;
    // With --json the plan is all that is told.
    let narrators: Vec<Arc<dyn Narrator>> = if context.json { Vec::new() } else { vec![context.ui.clone()] };
    let opened = runtime.block_on(environment::plan(Opening {
        profile: of,
        project,
        project_folder: &here,
        journal_folder: &here,
        out: &here,
        // Nobody is asked: an approval is listed.
        approver: Arc::new(Beforehand::default()),
        narrator: Arc::new(Both(narrators)),
        tap: Some(counted.clone()),
        handle: runtime.handle().clone(),
        run: None,
        mode: crate::run::Mode::Open,
    }))?;
    let session = opened.session;
    if !context.json {
        context.ui.status("planning: nothing is written to anybody; what is told from here on is foreseen");
    }
    let made = session.now();
    session.note(What::Began { script: script.name.clone(), profile: profile.name.clone(), seed: None });
    match drive::script(context, &runtime, &session, library, &script) {
        End::Left => {
            runtime.shutdown_background();
            return Ok(130);
        }
        End::Failed(error) => return Ok(code_of(error.failure.kind)),
        End::Done => {}
    }
    if let Some(log) = &log {
        log.finish()?;
    }
    let of = Of { project: opened.owner.project, tenant: opened.owner.tenant, profile: profile.name.clone() };
    let plan = gathered(&session, of, made, pinned.pins, counted.requests())?;
    let hash = plan_file::write(&args.out, &plan)?;
    let way_back = plan_file::write_way_back(&args.out, &plan, &hash)?;
    if context.json {
        context.ui.print(plan_file::text(&plan)?.trim_end());
    } else {
        context.ui.plan(&plan, &hash);
        for fence in session.project().fences.iter().flat_map(|f| f.described()) {
            context.ui.status(&format!("fence: {fence}"));
        }
        context.ui.status(&format!(
            "written to {}; the way back by hand is in {}",
            args.out.display(),
            way_back.display()
        ));
    }
    Ok(0)
}

/// The plan that a session wrote down.
fn gathered(
    session: &Session,
    of: Of,
    made: Timestamp,
    mut pins: Vec<Pin>,
    requests: BTreeMap<String, u64>,
) -> Result<Plan> {
    let recorder = session.planning().ok_or_else(|| Failure::internal("a session that writes has no plan"))?;
    let recorded = recorder.lock().clone();
    // A file that the script read is often the list, which is pinned already.
    let fresh: Vec<Pin> = recorded.inputs.into_iter().filter(|i| pins.iter().all(|p| p.sha256 != i.sha256)).collect();
    pins.extend(fresh);
    let left = session.memory().left.clone();
    Ok(Plan {
        version: VERSION,
        of,
        made,
        ends: session.now(),
        pins,
        changes: recorded.changes,
        assumptions: recorded.assumptions,
        conditions: recorded.conditions,
        approvals: recorded.approvals,
        left,
        requests,
    })
}

/// Counts requests by service on their way to a wire log, if there is one.
struct Counted {
    log: Option<Arc<WireLog>>,
    requests: Mutex<BTreeMap<String, u64>>,
}

impl Counted {
    fn requests(&self) -> BTreeMap<String, u64> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tap for Counted {
    fn exchange(&self, exchange: Exchange) {
        let service = exchange.service.to_owned();
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner).entry(service).or_default() += 1;
        if let Some(log) = &self.log {
            log.exchange(exchange);
        }
    }
}
