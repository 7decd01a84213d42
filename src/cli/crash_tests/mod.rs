//! A run that dies at any point where that matters, loses answers, or can't write
//! its journal, and the run after it: judged by the world against that of a run
//! that nothing happened to.
//!
//! A point is where `base::crash` has one: before and after each commit of the
//! journal, before and after each exchange on the wire. A sample is looked at in a
//! usual test run, for some seconds each; all of them with
//! `STAGEPOST_CRASH_POINTS=all`, which takes minutes.

mod cost;
mod ground;
mod picture;
mod recorded;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::Kind;
use crate::base::crash::{Ending, Fate, Life};
use crate::base::plant::Plant;
use ground::{Ground, Project, Ran, died, natural};
use picture::Picture;
use recorded::{Failing, unrecorded};

/// Labs at a time.
const AT_ONCE: usize = 2;
/// How long one sample may take, or the smallest number of cases if that takes
/// longer.
const SAMPLE: (Duration, usize) = (Duration::from_secs(4), 6);
/// A company without trouble, and one in which rows fail and are given back.
const CALM: Company = Company { make: 30, seed: 9, faults: "none" };
const USUAL: Company = Company { make: 40, seed: 2, faults: "usual" };

#[derive(Clone, Copy)]
struct Company {
    make: usize,
    seed: u64,
    faults: &'static str,
}

/// What came of a case.
struct Verdict {
    /// Whether it came to pass at all.
    met: bool,
    /// Where.
    place: &'static str,
    /// What is not as it should be.
    wrong: Vec<String>,
}

/// A run that nothing happens to.
struct Calm {
    picture: Picture,
    points: u64,
    /// What was exchanged, in order.
    exchanges: Vec<&'static str>,
    appends: u64,
}

impl Calm {
    /// Numbers of the exchanges of these names.
    fn numbers(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = u64> {
        (1..).zip(&self.exchanges).filter(move |(_, name)| wanted(name)).map(|(number, _)| number)
    }
}

/// What was found over many cases.
struct Found {
    of: usize,
    looked_at: usize,
    met: usize,
    /// Cases of which something was wrong.
    caught: usize,
    /// By what was wrong, the cases in which it was.
    wrong: BTreeMap<String, Vec<String>>,
    took: Duration,
}

fn all() -> bool {
    std::env::var("STAGEPOST_CRASH_POINTS").is_ok_and(|v| v == "all")
}

/// Cases in an order in which any first part is spread over the whole.
fn spread<C: Copy>(cases: &[C]) -> Vec<C> {
    fn common(a: usize, b: usize) -> usize {
        if b == 0 { a } else { common(b, a % b) }
    }
    let count = cases.len();
    let step = (1..=count.max(1)).find(|step| step * 8 > count * 5 && common(*step, count) == 1).unwrap_or(1);
    (0..count).filter_map(|n| cases.get(n * step % count).copied()).collect()
}

/// Looks at cases on several labs at a time: at all, or at as many as the time
/// allows, and at least until something was wrong in `enough` of them.
fn look<C: Copy + Debug + Sync>(
    company: Company,
    enough: usize,
    cases: impl Fn(&Calm) -> Vec<C> + Sync,
    judge: impl Fn(&Ground, &Calm, C) -> Verdict + Sync,
) -> Found {
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let empty = Found { of: 0, looked_at: 0, met: 0, caught: 0, wrong: BTreeMap::new(), took: Duration::ZERO };
    let found = Mutex::new(empty);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let ground = Ground::new(company.make, company.seed, company.faults);
                let calm = undisturbed(&ground);
                let cases = spread(&cases(&calm));
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let caught = found.lock().unwrap_or_else(PoisonError::into_inner).caught >= enough;
                    let enough = caught && began.elapsed() > SAMPLE.0 && number >= SAMPLE.1 && !all();
                    let Some(case) = cases.get(number).filter(|_| !enough) else { break };
                    let verdict = judge(&ground, &calm, *case);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    found.of = cases.len();
                    found.looked_at += 1;
                    found.met += usize::from(verdict.met);
                    found.caught += usize::from(!verdict.wrong.is_empty());
                    for wrong in verdict.wrong {
                        found.wrong.entry(wrong).or_default().push(format!("{case:?} {}", verdict.place));
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Found { took: began.elapsed(), ..found }
}

fn undisturbed(ground: &Ground) -> Calm {
    ground.fresh();
    let (project, life) = (Project::new(), natural());
    let count = Arc::new(AtomicUsize::new(0));
    let ran = ground.run_with(&project, &life, &|journal| Arc::new(recorded::Counting::new(journal, count.clone())));
    assert!(matches!(ran.code, 0 | 6), "{:?}", ran.failure);
    let picture = ground.picture();
    assert!(picture.proof.broken.is_empty(), "{:?}", picture.proof.broken);
    assert_eq!(unrecorded(&ground.snapshot(), project.path()), Vec::<String>::new());
    let appends = count.load(Ordering::SeqCst) as u64;
    Calm { picture, points: life.points(), exchanges: life.exchanges(), appends }
}

/// The run after one that was broken off: it must come to its end, and then all be
/// as if nothing had happened.
fn finished(ground: &Ground, calm: &Calm, project: &Project, wrong: &mut Vec<String>) {
    let again = ground.run(project, &natural());
    complaint(&again, "the run after it", wrong);
    wrong.extend(ground.picture().differences(&calm.picture));
    wrong.extend(unrecorded(&ground.snapshot(), project.path()));
}

fn complaint(ran: &Ran, who: &str, wrong: &mut Vec<String>) {
    if let Some(failure) = &ran.failure {
        wrong.push(format!("{who} ended with {}: {}", ran.code, failure.message));
    }
}

/// Dies, once or again in the run after it, and is finished.
fn killed(ground: &Ground, calm: &Calm, first: u64, second: Option<u64>, plant: Option<Plant>) -> Verdict {
    ground.fresh();
    // Half of them are resumed, half are run anew.
    let project = Project::new().planted(plant).anew(first.is_multiple_of(2));
    let life = Life::new(Ending::Dies(first));
    let ran = ground.run(&project, &life);
    let mut wrong = unrecorded(&ground.snapshot(), project.path());
    if life.is_over() && !died(&ran) {
        wrong.push(format!("a dead run ended with {} {:?}", ran.code, ran.failure));
    }
    let mut met = life.is_over();
    if let Some(at) = second {
        let life = Life::new(Ending::Dies(at));
        ground.run(&project, &life);
        met &= life.is_over();
    }
    finished(ground, calm, &project, &mut wrong);
    Verdict { met, place: life.last(), wrong }
}

/// Loses an exchange, and must come to its end by itself.
fn lost(ground: &Ground, calm: &Calm, ending: Ending, plant: Option<Plant>) -> Verdict {
    ground.fresh();
    let project = Project::new().planted(plant);
    let life = Life::new(ending);
    let ran = ground.run(&project, &life);
    ground.settle(&life);
    let mut wrong = Vec::new();
    complaint(&ran, "it", &mut wrong);
    wrong.extend(ground.picture().differences(&calm.picture));
    wrong.extend(unrecorded(&ground.snapshot(), project.path()));
    Verdict { met: life.is_over(), place: "", wrong }
}

fn report(what: &str, found: &Found) {
    told(what, found);
    let mut text = String::new();
    for (wrong, cases) in &found.wrong {
        let some: Vec<&str> = cases.iter().take(6).map(String::as_str).collect();
        text.push_str(&format!("{wrong}\n    in {} cases: {}\n", cases.len(), some.join("; ")));
    }
    assert!(found.wrong.is_empty(), "{what}:\n{text}");
}

fn told(what: &str, found: &Found) {
    tell(&format!(
        "{what}: {} of {} cases, {} came to pass, {:.1} a second",
        found.looked_at,
        found.of,
        found.met,
        found.looked_at as f64 / found.took.as_secs_f64()
    ));
}

/// Prints where `--nocapture` shows it.
#[allow(clippy::print_stdout, reason = "a test's own account")]
fn tell(text: &str) {
    println!("{text}");
}

/// A number of two others that looks like chance and is always the same.
fn mixed(a: u64, b: u64) -> u64 {
    let mut x = a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b.wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^ x >> 32
}

#[test]
fn a_run_that_dies_at_any_point_is_finished_by_the_next() {
    let points = |calm: &Calm| (1..=calm.points).collect();
    report("dies", &look(CALM, 0, points, |ground, calm, at| killed(ground, calm, at, None, None)));
}

#[test]
fn a_run_in_which_rows_fail_dies_at_any_point_and_is_finished_by_the_next() {
    let points = |calm: &Calm| (1..=calm.points).collect();
    report("dies where rows fail", &look(USUAL, 0, points, |ground, calm, at| killed(ground, calm, at, None, None)));
}

#[test]
fn a_run_that_dies_again_in_the_next_is_finished_by_the_third() {
    let points = |calm: &Calm| (1..=calm.points).map(|n| (n, 1 + mixed(n, 1) % calm.points)).collect();
    report("dies twice", &look(CALM, 0, points, |ground, calm, (a, b)| killed(ground, calm, a, Some(b), None)));
}

#[test]
fn a_lost_request_and_a_lost_answer_change_nothing() {
    let cases = |calm: &Calm| {
        let each = |n| [Fate::Unsent, Fate::Unanswered].map(|fate| Ending::Fails(n, fate));
        calm.numbers(|_| true).flat_map(each).collect()
    };
    report("lost", &look(CALM, 0, cases, |ground, calm, ending| lost(ground, calm, ending, None)));
}

#[test]
fn a_request_that_comes_late_changes_nothing() {
    let cases = |calm: &Calm| {
        let each = |n| [2, 3, 60].map(|after| Ending::Late(n, after));
        calm.numbers(|_| true).flat_map(each).collect()
    };
    report("late", &look(CALM, 0, cases, |ground, calm, ending| lost(ground, calm, ending, None)));
}

#[test]
fn a_journal_that_fails_at_any_append_stops_the_run_before_its_next_write() {
    let cases = |calm: &Calm| (1..=calm.appends).flat_map(|n| [(n, false), (n, true)]).collect();
    let found = look(CALM, 0, cases, |ground, calm, (at, once)| {
        ground.fresh();
        let project = Project::new();
        let ran = ground.run_with(&project, &natural(), &|journal| Arc::new(Failing::new(journal, at, once)));
        let mut wrong = unrecorded(&ground.snapshot(), project.path());
        let said = ran.failure.as_ref().is_some_and(|f| f.kind == Kind::Local && f.message.contains("journal"));
        if ran.code != 1 || !said {
            wrong.push(format!("it ended with {}: {:?}", ran.code, ran.failure.map(|f| f.message)));
        }
        finished(ground, calm, &project, &mut wrong);
        Verdict { met: true, place: "", wrong }
    });
    report("journal fails", &found);
}

#[test]
fn a_finished_script_writes_nothing_the_second_time() {
    for company in [CALM, USUAL] {
        let ground = Ground::new(company.make, company.seed, company.faults);
        ground.fresh();
        let project = Project::new();
        let first = ground.run(&project, &natural());
        let before = ground.snapshot();
        let second = ground.run(&project, &natural());
        assert!(second.failure.is_none() && first.code == second.code, "{:?}", second.failure);
        let after = ground.snapshot();
        assert_eq!(before.writes, after.writes);
        let sent: Vec<String> = recorded::write_requests(&after)
            .into_iter()
            .filter(|(name, count)| recorded::write_requests(&before).get(name) != Some(count))
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        assert_eq!(sent, Vec::<String>::new(), "requests that write");
    }
}

/// Loses a request, and somebody edits while it is not known what became of it: when
/// it is sent again, that edit must stay.
fn edited(ground: &Ground, at: u64, plant: Option<Plant>) -> Verdict {
    ground.fresh();
    let project = Project::new().planted(plant);
    let edits = Arc::new(Mutex::new(Vec::new()));
    let (world, made) = (ground.world(), edits.clone());
    let life = Life::beside(Ending::Fails(at, Fate::Unsent), move || {
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        made.lock().unwrap_or_else(PoisonError::into_inner).extend(recorded::add_addresses(&mut world));
    });
    ground.run(&project, &life);
    // Whoever was edited may have been left; the next run takes them up.
    ground.run(&project.anew(true), &natural());
    let world = ground.snapshot();
    let edits = edits.lock().unwrap_or_else(PoisonError::into_inner);
    let stands = |(key, value): &&(String, String)| {
        world.directory.get(key).is_some_and(|o| o.entry.texts("proxyAddresses").contains(value))
    };
    let gone = edits.iter().filter(|edit| !stands(edit)).count();
    let wrong = if gone > 0 { vec!["an address that a colleague added is gone".to_owned()] } else { Vec::new() };
    Verdict { met: life.is_over() && !edits.is_empty(), place: "", wrong }
}

#[test]
fn what_a_colleague_edits_while_an_answer_is_lost_stays() {
    let modifies = |calm: &Calm| calm.numbers(|name| name == "ldap modify").collect();
    report("edited meanwhile", &look(CALM, 0, modifies, |ground, _, at| edited(ground, at, None)));
}

#[test]
fn planted_mistakes_show_when_a_run_fails() {
    let dies = |calm: &Calm| (1..=calm.points).collect();
    let services = |name: &str| ["ldap modify", "exchange"].contains(&name);
    let loses = |calm: &Calm| calm.numbers(services).map(|n| Ending::Fails(n, Fate::Unanswered)).collect();
    let modifies = |calm: &Calm| calm.numbers(|name| name == "ldap modify").collect();
    let found = [
        ("doubt-repeated", look(CALM, 1, loses, |g, calm, e| lost(g, calm, e, Some(Plant::DoubtRepeated)))),
        (
            "intent-afterwards",
            look(CALM, 1, dies, |g, calm, at| killed(g, calm, at, None, Some(Plant::IntentAfterwards))),
        ),
        ("modify-unguarded", look(CALM, 1, modifies, |g, _, at| edited(g, at, Some(Plant::ModifyUnguarded)))),
    ];
    for (name, found) in &found {
        told(name, found);
        let some: Vec<String> = found.wrong.iter().take(3).map(|(w, cases)| format!("{w} ×{}", cases.len())).collect();
        tell(&format!("    caught in {} of {} cases: {}", found.caught, found.looked_at, some.join("; ")));
    }
    for (name, found) in &found {
        assert!(found.caught > 0, "{name} was planted and not caught in {} cases", found.looked_at);
    }
}
