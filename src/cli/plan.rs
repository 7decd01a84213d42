//! `stagepost plan`: what a run of a script would change, written down.
//!
//! The script runs with the gate closed; what came of it is gathered here into
//! one file, and told in short. It decides nothing, and writes to nobody but that
//! file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::args;
use super::drive::{self, End};
use super::environment::{self, Both, Opening};
use super::{Context, code_of, lists, run, runtime};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::host::Library;
use crate::report::wirelog::WireLog;
use crate::run::Session;
use crate::run::approvals::Beforehand;
use crate::run::narrate::{Narrator, What};
use crate::run::plan::{Assumption, Of, Pin, Plan, Planned, VERSION};
use crate::run::report::{plural, thousands};
use crate::wire::guid::hex;
use crate::wire::log::{Exchange, Tap};

/// Plans the script; the exit code of a script that fails is that of its failure.
pub(crate) fn plan(context: &Context, args: &args::Plan) -> Result<u8> {
    let here = super::here()?;
    let profile = environment::profile(&args.profile)?;
    let script = lists::script(&here, &args.script)?;
    let project = run::project(&here, &args.profile, &profile, args.mailboxes.as_deref())?;
    let library = Library::new(vec![here.join("lib")]);
    if !drive::passes(context, &script, &library) {
        return Ok(code_of(Kind::Usage));
    }
    let log = match &args.wire_log {
        Some(path) => Some(Arc::new(WireLog::create(path)?)),
        None => None,
    };
    let counted = Arc::new(Counted { log: log.clone(), requests: Mutex::default() });
    let runtime = runtime(args.threads)?;
    // With --json the plan is all that is told.
    let narrators: Vec<Arc<dyn Narrator>> = if context.json { Vec::new() } else { vec![context.ui.clone()] };
    let opened = runtime.block_on(environment::plan(Opening {
        profile: &args.profile,
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
    let pins = vec![Pin {
        kind: "script".into(),
        name: script.name.clone(),
        origin: args.script.clone(),
        sha256: hex(&Sha256::digest(script.text.as_bytes())),
    }];
    let plan = gathered(&session, of, made, pins, counted.requests())?;
    write(&plan, &args.out)?;
    if context.json {
        context.ui.print(&text_of(&plan)?);
    } else {
        tell(context, &plan, &args.out);
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
    pins.extend(recorded.inputs);
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

fn text_of(plan: &Plan) -> Result<String> {
    serde_json::to_string(plan).map_err(|e| Failure::internal(format!("the plan has no JSON form: {e}")))
}

fn write(plan: &Plan, path: &Path) -> Result<()> {
    std::fs::write(path, text_of(plan)? + "\n").map_err(|e| {
        Failure::new(Kind::Local, format!("the plan {} can't be written", path.display()))
            .detail(e.to_string())
            .hint("name a file in a folder that you may write to: --out plan.json")
    })
}

/// The plan in short.
fn tell(context: &Context, plan: &Plan, path: &Path) {
    let ui = &context.ui;
    if plan.changes.is_empty() {
        ui.status("nothing is to be changed: all that the script asks for is so already");
    } else {
        ui.table(&["change", "objects", "first", "last", "way back"], &rows(&plan.changes));
    }
    list(context, "rests on", &plan.assumptions);
    list(context, "holds only after what is planned before it", &plan.conditions);
    list(context, "will be asked", &plan.approvals);
    for (address, reason) in &plan.left {
        ui.status(&format!("left where it is: {address}: {reason}"));
    }
    let requests: u64 = plan.requests.values().sum();
    let days = plan.ends.duration_since(plan.made).as_hours().div_euclid(24);
    ui.status(&format!(
        "{} planned, over by {} if nothing takes longer ({}), with {} read; {}",
        plural(plan.changes.len(), "change", "changes"),
        moment(plan.ends),
        plural(usize::try_from(days).unwrap_or_default(), "day", "days"),
        plural(usize::try_from(requests).unwrap_or(usize::MAX), "request", "requests"),
        path.display()
    ));
}

fn list(context: &Context, what: &str, all: &[Assumption]) {
    for one in all {
        let at = one.at.as_deref().unwrap_or("the run");
        context.ui.status(&format!("{what}: {} ({at})", one.text));
    }
}

/// One line for each operation, in the order in which they come first.
fn rows(changes: &[Planned]) -> Vec<Vec<String>> {
    let mut order: Vec<&str> = Vec::new();
    let mut by: BTreeMap<&str, Vec<&Planned>> = BTreeMap::new();
    for change in changes {
        let all = by.entry(&change.operation).or_default();
        if all.is_empty() {
            order.push(&change.operation);
        }
        all.push(change);
    }
    let row = |operation: &str| {
        let all = by.get(operation)?;
        let (first, last) = (all.iter().map(|c| c.time).min()?, all.iter().map(|c| c.time).max()?);
        let way = &all.first()?.way_back;
        let text = |name: &str| way[name].as_str().unwrap_or_default();
        let way = match text("kind") {
            "compensable" => text("way").to_owned(),
            "final" => format!("none: {}", text("why")),
            kind => kind.to_owned(),
        };
        Some(vec![operation.to_owned(), thousands(all.len()), moment(first), moment(last), way])
    };
    order.into_iter().filter_map(row).collect()
}

fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
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
