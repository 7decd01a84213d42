//! A run that dies at any point where that matters, and is run again: judged by
//! the world against that of a run that nothing happened to.
//!
//! A point is where `base::crash` has one: before and after each commit of the
//! journal, before and after each exchange on the wire. A sample is looked at in a
//! usual test run, for some seconds; all of them with `STAGEPOST_CRASH_POINTS=all`.

mod ground;
mod picture;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::crash::{Ending, Life};
use ground::{Ground, Project, died, natural};
use picture::Picture;

/// Labs at a time.
const AT_ONCE: usize = 2;
/// How long a sample may take.
const SAMPLE: Duration = Duration::from_secs(8);

/// What is inflicted on a run: one case of many.
#[derive(Clone, Copy, Debug)]
struct Case {
    first: Ending,
    /// The second run dies, too, at this point.
    second: Option<u64>,
}

/// The cases to look at: all, or as many as the time allows, spread evenly. The
/// order is that of a walk with a step that meets every one once.
fn spread(cases: Vec<Case>) -> Vec<Case> {
    let count = cases.len();
    let step = (1..).find(|step| *step * 3 > count * 2 && gcd(*step, count) == 1).unwrap_or(1);
    (0..count).map(|n| cases[n * step % count]).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn all() -> bool {
    std::env::var("STAGEPOST_CRASH_POINTS").is_ok_and(|v| v == "all")
}

/// What was found: by difference, the cases in which it showed.
#[derive(Default)]
struct Found {
    looked_at: usize,
    met: usize,
    wrong: BTreeMap<String, Vec<String>>,
}

/// Looks at the cases on several labs at a time.
fn look(
    make: impl Fn() -> Ground + Sync,
    cases: Vec<Case>,
    judge: impl Fn(&Ground, &Picture, Case) -> Verdict + Sync,
) -> Found {
    let cases = spread(cases);
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Found::default());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let ground = make();
                let wanted = undisturbed(&ground).0;
                while all() || began.elapsed() < SAMPLE {
                    let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) else { break };
                    let verdict = judge(&ground, &wanted, *case);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    found.looked_at += 1;
                    found.met += usize::from(verdict.met);
                    for wrong in verdict.wrong {
                        found.wrong.entry(wrong).or_default().push(format!("{case:?} {}", verdict.place));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

struct Verdict {
    /// Whether the case came to pass.
    met: bool,
    place: String,
    wrong: Vec<String>,
}

/// A run that nothing happens to: its world, points and exchanges.
fn undisturbed(ground: &Ground) -> (Picture, u64, u64) {
    ground.fresh();
    let project = Project::new();
    let life = natural();
    let ran = ground.run(&project, &life);
    assert!(matches!(ran.code, 0 | 6), "{:?}", ran.failure);
    let picture = ground.picture();
    assert!(picture.proof.broken.is_empty(), "{:?}", picture.proof.broken);
    (picture, life.points(), life.exchanges())
}

/// Runs, dies as the case says, runs again until it is through, and compares.
fn killed(ground: &Ground, wanted: &Picture, case: Case) -> Verdict {
    ground.fresh();
    let project = Project::new();
    let life = Life::new(case.first);
    let ran = ground.run(&project, &life);
    let place = life.last().to_owned();
    let mut wrong = Vec::new();
    if matches!(case.first, Ending::Dies(_)) && life.is_over() && !died(&ran) {
        wrong.push(format!("a dead run ended with {} {:?}", ran.code, ran.failure));
    }
    if let Some(at) = case.second {
        let _ = ground.run(&project, &Life::new(Ending::Dies(at)));
    }
    let again = ground.run(&project, &natural());
    ground.settle(&life);
    if let Some(failure) = again.failure {
        wrong.push(format!("the run after it ended with {}: {}", again.code, failure.message));
    }
    wrong.extend(ground.picture().differences(wanted));
    Verdict { met: life.is_over(), place, wrong }
}

fn report(what: &str, of: usize, found: &Found, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    tell(&format!(
        "{what}: {} of {of} cases, {} came to pass, {:.1} a second",
        found.looked_at,
        found.met,
        found.looked_at as f64 / seconds
    ));
    let mut text = String::new();
    for (wrong, cases) in &found.wrong {
        let some: Vec<&str> = cases.iter().take(4).map(String::as_str).collect();
        text.push_str(&format!("{wrong}\n    in {} cases: {}\n", cases.len(), some.join("; ")));
    }
    assert!(found.wrong.is_empty(), "{what}:\n{text}");
}

/// Prints where `--nocapture` shows it.
#[allow(clippy::print_stdout, reason = "a test's own account")]
fn tell(text: &str) {
    println!("{text}");
}

fn calm() -> Ground {
    Ground::new(30, 9, "none")
}

#[test]
fn a_run_that_dies_at_any_point_is_finished_by_the_next() {
    let began = Instant::now();
    let points = undisturbed(&calm()).1;
    let cases: Vec<Case> = (1..=points).map(|n| Case { first: Ending::Dies(n), second: None }).collect();
    let count = cases.len();
    let found = look(calm, cases, killed);
    report("dies once", count, &found, began);
}
