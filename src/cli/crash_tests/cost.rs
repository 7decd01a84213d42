//! What the journal costs: whole runs with it on the disk and with one in memory,
//! side by side.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ground::{Ground, Project, natural};
use super::tell;
use crate::base::Result;
use crate::run::journal::{Event, Journal, Run, Stored};

/// The most that a run may take with its journal, in times of one without.
const LIMIT: f64 = 1.3;
/// Mailboxes, and pairs of runs.
const MAKE: usize = 500;
const PAIRS: usize = 7;

/// A journal that nothing of is kept on a disk.
struct Memory(Mutex<Vec<Event>>);

impl Journal for Memory {
    fn append(&self, events: &[Event]) -> Result<Vec<u64>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.len() as u64 + 1;
        kept.extend_from_slice(events);
        Ok((first..first + events.len() as u64).collect())
    }
    fn read(&self, _: &str) -> Result<Vec<Stored>> {
        Ok(Vec::new())
    }
    fn past(&self, _: &mut dyn FnMut(&Event)) -> Result<()> {
        Ok(())
    }
    fn runs(&self) -> Result<Vec<Run>> {
        Ok(Vec::new())
    }
    fn run(&self) -> &'static str {
        "in memory"
    }
}

/// Only by name, in a release build: `benches/journal`.
#[test]
#[ignore = "a measurement; benches/journal runs it"]
fn a_journal_costs_little() {
    let ground = Ground::new(MAKE, 9, "none");
    let mut took = [Vec::new(), Vec::new()];
    // The first pair warms the machine up.
    for pair in 0..=PAIRS {
        for (kind, times) in took.iter_mut().enumerate() {
            ground.fresh();
            let project = Project::new().on_disk();
            let began = Instant::now();
            let ran = ground.run_with(&project, &natural(), &|journal| match kind {
                0 => journal,
                _ => Arc::new(Memory(Mutex::default())),
            });
            let span = began.elapsed();
            // Some rows of this company are left whole.
            assert!(matches!(ran.code, 0 | 6), "{:?}", ran.failure);
            if pair > 0 {
                times.push(span);
            }
        }
    }
    let [disk, memory] = took.map(median);
    let ratio = disk.as_secs_f64() / memory.as_secs_f64();
    tell(&format!(
        "a run of {MAKE} mailboxes: {:.2} s with its journal, {:.2} s with one in memory, {ratio:.2} times as long",
        disk.as_secs_f64(),
        memory.as_secs_f64()
    ));
    assert!(ratio <= LIMIT, "a journal may cost at most {LIMIT} times");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
