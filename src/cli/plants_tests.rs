//! Planted mistakes, each in a rehearsal of its own: all of them must be caught,
//! by the judge, by a service of the lab, or by a run that stops.
//!
//! Each ground is rehearsed without a mistake first. What counts as caught is
//! what differs from that: a rule of the judge that does not hold, or another
//! exit code. A mistake that nobody notices fails the test with its name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Parser as _;
use hickory_proto::rr::RecordType;

use super::args::{Cli, Verb};
use super::drive::{self, End};
use super::environment::{self, Both, Opened, Opening};
use super::{Context, code_of, companies, lists, rehearse, runtime};
use crate::base::plant::{ALL, Ground, Planted, Soil};
use crate::base::{Failure, Kind, Timestamp};
use crate::host::Library;
use crate::lab::World;
use crate::run::approvals::Rehearsed;
use crate::run::narrate::{Keeper, Note, What};
use crate::ui::{ColourChoice, Mode, Streams, Ui};
use crate::wire::dns::{RecordSet, absolute};
use crate::wire::lab::{Outcome, Proof};
use crate::wire::log::{Exchange, Tap};

/// Rows of a page: a small company has several.
const PAGE: u32 = 10;
/// Rehearsals at a time.
const AT_ONCE: usize = 2;
/// The approval that is refused before anything has begun.
const BEGIN: &str = "Start ";
/// The approval that is refused half-way.
const SWITCH: &str = "Switch the mail";

/// The mistakes that a rehearsal can meet.
fn rehearsed() -> Vec<&'static Planted> {
    ALL.iter().filter(|p| p.ground != Ground::Killed).collect()
}

/// What is to be seen after a rehearsal.
#[derive(Debug)]
struct Seen {
    exit: u8,
    /// Why the script ended early.
    failure: Option<Failure>,
    /// Rules that don't hold, with one of their texts and how often.
    broken: BTreeMap<String, (String, usize)>,
    /// Rows by outcome: moved, whole.
    rows: (usize, usize),
    /// How the steps ended.
    steps: Vec<String>,
}

impl Seen {
    fn new(exit: u8, failure: Option<Failure>, proof: &Proof, notes: &[Note]) -> Seen {
        let mut broken: BTreeMap<String, (String, usize)> = BTreeMap::new();
        for rule in proof.broken.iter().chain(proof.rows.iter().flat_map(|r| &r.broken)) {
            broken.entry(rule.rule.clone()).or_insert_with(|| (rule.text.clone(), 0)).1 += 1;
        }
        let count = |outcome| proof.rows.iter().filter(|r| r.outcome == outcome).count();
        let steps = notes.iter().filter_map(|n| match &n.what {
            What::StepEnded { text, .. } => Some(text.clone()),
            _ => None,
        });
        let rows = (count(Outcome::Moved), count(Outcome::Whole));
        Seen { exit, failure, broken, rows, steps: steps.collect() }
    }

    /// By what a mistake was caught that the control does not show; `None` if by
    /// nothing.
    fn caught(&self, control: &Seen) -> Option<String> {
        let mut found: Vec<String> = Vec::new();
        // A host that falls over is no host with a mistake.
        assert!(self.failure.as_ref().is_none_or(|f| f.kind != Kind::Internal), "{:?}", self.failure);
        let fresh = self.broken.iter().filter(|(rule, _)| !control.broken.contains_key(*rule));
        for (rule, (text, times)) in fresh {
            found.push(match found.is_empty() {
                true => format!("{rule} ×{times} ({})", start(text)),
                false => format!("{rule} ×{times}"),
            });
        }
        if self.exit == control.exit && found.is_empty() {
            return None;
        }
        match &self.failure {
            Some(f) if control.failure.as_ref().is_none_or(|c| c.message != f.message) => {
                let service = f.service.as_deref().map_or("the run stops", |s| s);
                found.insert(0, format!("{service}: {}", start(&f.message)));
            }
            _ => {}
        }
        if found.is_empty() {
            found.push(format!("{} moved, {} left whole", self.rows.0, self.rows.1));
        }
        let exit = match self.exit == control.exit {
            true => format!("exit {}", self.exit),
            false => format!("exit {} instead of {}", self.exit, control.exit),
        };
        Some(format!("{exit}: {}", found.join("; ")))
    }
}

fn start(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(110).collect()
}

/// A terminal that nobody looks at.
fn context() -> Context {
    let (streams, _) = Streams::captured(120);
    Context { ui: Arc::new(Ui::new(Mode::Plain, ColourChoice::Never, streams)), json: false }
}

/// The command line of a rehearsal on a ground.
fn arguments(ground: Ground, out: &Path) -> super::args::Rehearse {
    let mut line: Vec<String> = vec!["stagepost".into(), "rehearse".into(), "--threads".into(), "2".into()];
    let (make, seed, faults) = match ground {
        Ground::Usual | Ground::BrokenOff => (40, 2, "usual"),
        Ground::Trouble => (60, 8, "usual"),
        _ => (30, 9, "none"),
    };
    line.extend(["--make".into(), make.to_string(), "--seed".into(), seed.to_string()]);
    line.extend(["--faults".into(), faults.to_owned(), "--out".into(), out.display().to_string()]);
    if ground == Ground::Denied {
        line.extend(["--deny".into(), BEGIN.into()]);
    }
    match Cli::try_parse_from(line).expect("the options are good").verb {
        Verb::Rehearse(args) => args,
        _ => unreachable!("the verb is rehearse"),
    }
}

/// Rehearses on a ground; this thread says with which mistake.
fn seen(ground: Ground) -> Seen {
    let out = tempfile::tempdir().expect("a temporary folder");
    let args = arguments(ground, out.path());
    if !matches!(ground, Ground::Calm | Ground::Usual | Ground::Trouble | Ground::Denied) {
        return in_one_lab(ground, &args);
    }
    match rehearse::rehearsed(&context(), &args) {
        Ok((exit, Some(story))) => {
            let parts = &story.parts;
            Seen::new(exit, parts.failure.clone(), &parts.proof, &parts.notes)
        }
        Ok((exit, None)) => Seen::new(exit, None, &Proof::default(), &[]),
        Err(failure) => Seen::new(code_of(failure.kind), Some(failure), &Proof::default(), &[]),
    }
}

/// One or two runs against one lab, as `rehearse` would begin them.
fn in_one_lab(ground: Ground, args: &super::args::Rehearse) -> Seen {
    let context = context();
    let runtime = runtime(Some(2)).expect("a runtime starts");
    let home = tempfile::tempdir().expect("a temporary folder");
    let draft = companies::draft(&args.world, None, None).expect("a sample company can be built");
    let lab = runtime.block_on(rehearse::start_lab(draft, home.path())).expect("the lab starts");
    let script = lists::script(home.path(), "staged").expect("it is bundled");
    if ground == Ground::Slow {
        let world = lab.world();
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        let first = world.index.names.first().cloned().unwrap_or_default();
        world.directory.get_mut(&first).expect("the list is in the directory").bytes = 40_000_000_000;
    }
    let colleague = Arc::new(Colleague { world: lab.world(), ground, state: Mutex::default() });
    let runs: &[&[&str]] = match ground {
        Ground::Again => &[&[], &[]],
        Ground::BrokenOff => &[&[SWITCH], &[]],
        _ => &[&[]],
    };
    let mut last = None;
    for deny in runs {
        let keeper = Arc::new(Keeper::default());
        let opening = Opening {
            profile: lab.profile_path(),
            project: rehearse::sample_project(&lab, None, home.path()).expect("a project"),
            project_folder: home.path(),
            journal_folder: home.path(),
            out: &args.out,
            approver: Arc::new(Rehearsed { deny: deny.iter().map(|d| (*d).to_owned()).collect() }),
            narrator: Arc::new(Both(vec![keeper.clone(), context.ui.clone()])),
            tap: Some(colleague.clone()),
            handle: runtime.handle().clone(),
            run: None,
            mode: crate::run::Mode::Open,
        };
        let Opened { session, control, .. } = runtime.block_on(environment::open(opening)).expect("a session opens");
        let (code, failure) = match drive::script(&context, &runtime, &session, Library::bundled_only(), &script) {
            End::Done => (0, None),
            End::Failed(error) => (code_of(error.failure.kind), Some(error.failure)),
            End::Left => unreachable!("nobody presses Ctrl-C"),
        };
        let control = control.expect("a lab has a control address");
        let (proof, ..) = runtime.block_on(rehearse::ask_lab(&control)).expect("the lab answers");
        last = Some(Seen::new(rehearse::exit_code(&proof, code), failure, &proof, &keeper.notes()));
    }
    let mut seen = last.expect("there was a run");
    colleague.look(&mut seen);
    runtime.block_on(lab.stop());
    seen
}

/// Somebody who edits what is being changed, just between the look and the
/// write.
struct Colleague {
    world: Arc<Mutex<World>>,
    ground: Ground,
    state: Mutex<Edited>,
}

#[derive(Default)]
struct Edited {
    /// What was written: where, and the value.
    wrote: Option<(String, String)>,
    /// When the time to live of the zone was lowered, and lookups since.
    lowered: Option<Timestamp>,
    lookups: usize,
}

/// Whether an exchange is a search for all that a conversion changes.
fn looks_at_mailbox(exchange: &Exchange) -> bool {
    let wanted = "msExchMailboxSecurityDescriptor";
    exchange.method == "search" && (exchange.url.contains(wanted) || exchange.request_body.to_string().contains(wanted))
}

impl Tap for Colleague {
    fn exchange(&self, exchange: Exchange) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.wrote.is_some() {
            return;
        }
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.ground, exchange.service) {
            // The look of the conversion itself is the one that reads the forwarding.
            (Ground::Colleague, "ldap") if looks_at_mailbox(&exchange) => {
                state.wrote = address(&mut world);
            }
            (Ground::ZoneColleague, "dns") => self.host(&mut world, &mut state, &exchange.url),
            _ => {}
        }
    }
}

impl Colleague {
    /// Adds a second mail host between the look at the set and its change.
    fn host(&self, world: &mut World, state: &mut Edited, url: &str) {
        let domain = world.company.domains.first().cloned().unwrap_or_default();
        let now = world.now;
        let key = (absolute(&domain), RecordType::MX.to_string());
        let Some(set) = world.zones.get(&key.0).and_then(|z| z.sets.get(&key)).cloned() else { return };
        let Some(lowered) = state.lowered else {
            state.lowered = (set.ttl <= 300).then_some(now);
            return;
        };
        // After the wait for the old time to live there are two looks: at the
        // time to live, and at the set that is swapped.
        if now == lowered || !url.ends_with(&format!("/{domain}?type=MX")) {
            return;
        }
        state.lookups += 1;
        if state.lookups == 2 {
            let host = "20 backup.partner.example.".to_owned();
            let values = set.values.iter().cloned().chain([host.clone()]).collect();
            let new = RecordSet::new(&domain, RecordType::MX, set.ttl, values);
            if let Some(zone) = world.zones.get_mut(&key.0) {
                zone.sets.insert(key, new.clone());
            }
            state.wrote = Some((domain, host));
        }
    }

    /// What became of the colleague's edit.
    fn look(&self, seen: &mut Seen) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(self.ground, Ground::Colleague | Ground::ZoneColleague) {
            return;
        }
        let (place, value) = state.wrote.clone().expect("the colleague found the moment");
        let stands = match self.ground {
            Ground::Colleague => {
                world.directory.get(&place).is_some_and(|o| o.entry.texts("proxyAddresses").contains(&value))
            }
            _ => {
                let key = (absolute(&place), RecordType::MX.to_string());
                world.zones.get(&key.0).and_then(|z| z.sets.get(&key)).is_some_and(|s| s.values.contains(&value))
            }
        };
        if !stands {
            seen.broken.insert("colleague-overwritten".into(), (format!("{value} is gone from {place}"), 1));
        }
    }
}

/// Gives somebody who is forwarded and not converted a new address; the judge
/// takes it for one that was always there.
fn address(world: &mut World) -> Option<(String, String)> {
    let forwarded = |key: &&String| {
        world.directory.get(*key).is_some_and(|o| o.entry.has("homeMDB") && o.entry.has("targetAddress"))
    };
    let key = world.index.names.iter().find(forwarded)?.clone();
    let domain = world.company.domains.first().cloned().unwrap_or_default();
    let value = format!("smtp:new.name@{domain}");
    let object = world.directory.get_mut(&key)?;
    let before = object.entry.clone();
    let add = |entry: &mut crate::wire::attributes::Entry| {
        let mut values = entry.values("proxyAddresses").to_vec();
        values.push(value.clone().into_bytes());
        entry.set("proxyAddresses", values);
    };
    add(&mut object.entry);
    crate::lab::sync::directory_changed(world, &key, &before);
    Some((key, value))
}

#[test]
fn every_planted_mistake_is_caught() {
    let all = rehearsed();
    let grounds: std::collections::BTreeSet<Ground> = all.iter().map(|p| p.ground).collect();
    let mut controls = BTreeMap::new();
    for ground in grounds {
        Soil::of(None, PAGE).spread();
        let control = seen(ground);
        let expected: &[u8] = match ground {
            Ground::Calm | Ground::Slow | Ground::Colleague | Ground::Again => &[0],
            Ground::Usual | Ground::BrokenOff => &[6],
            Ground::Trouble => &[0, 6],
            // The guard holds, and the script stops before the change.
            Ground::ZoneColleague => &[1],
            Ground::Denied => &[5],
            Ground::Killed => &[],
        };
        assert!(expected.contains(&control.exit), "{ground:?} without a mistake: {control:?}");
        // Where mistakes of the way back are to show, somebody must go that way.
        let carried = control.steps.iter().any(|s| s.contains("carried home"));
        assert!(carried || ground != Ground::Usual, "nobody was given back with mail: {control:?}");
        controls.insert(ground, control);
    }
    let next = AtomicUsize::new(0);
    let lines = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(planted) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
                    Soil::of(Some(planted.plant), PAGE).spread();
                    let caught = seen(planted.ground).caught(&controls[&planted.ground]);
                    lines.lock().unwrap_or_else(PoisonError::into_inner).insert(planted.name, caught);
                }
            });
        }
    });
    let lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(&lines);
}

fn report(lines: &BTreeMap<&str, Option<String>>) {
    let line = |p: &Planted| {
        let how = lines.get(p.name).cloned().flatten().unwrap_or_else(|| "NOT CAUGHT".to_owned());
        format!("{:<26} {how}", p.name)
    };
    let all = rehearsed();
    let table: Vec<String> = all.iter().map(|p| line(p)).collect();
    let caught = lines.values().filter(|l| l.is_some()).count();
    tell(&format!("{}\ncaught {caught} of {}", table.join("\n"), all.len()));
    let missed: Vec<String> = all
        .iter()
        .filter(|p| lines.get(p.name).is_none_or(Option::is_none))
        .map(|p| format!("{}: {}", p.name, p.what))
        .collect();
    assert!(missed.is_empty(), "planted and not caught:\n{}", missed.join("\n"));
}

/// Prints where `--nocapture` shows it.
#[allow(clippy::print_stdout, reason = "a test's own account")]
fn tell(text: &str) {
    println!("{text}");
}
