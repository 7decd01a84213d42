//! The only source of time in the host.
//!
//! Token life, `Retry-After`, back-off, TTLs and journal stamps all ask one
//! [`Clock`]. Against a real tenant it is the system's. Against a lab it is
//! driven: time moves only when every activity of the run waits, to the
//! earliest wake, by one absolute request to the lab ([`Advance`]). Sockets and
//! TLS keep real time; tokio's paused clock is never used.
//!
//! An *activity* is whatever may still do something now: the script, and each
//! worker of a [`Clock::fan_out`]. The count of running ones is exact, so that
//! six weeks pass in the same order whatever the number of cores.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use super::{Failure, Kind, Result};

/// Whoever owns the time of a driven clock: the lab, through its control
/// address.
#[async_trait]
pub trait Advance: Send + Sync {
    /// Moves the lab's time to `to` (never back) and answers what it is now.
    async fn advance(&self, to: Timestamp) -> Result<Timestamp>;
}

/// How far a plan looks ahead.
const HORIZON: SignedDuration = SignedDuration::from_hours(400 * 24);

/// A shared handle; clones show the same time.
#[derive(Clone)]
pub struct Clock(Arc<Source>);

enum Source {
    System,
    Foreseen { from: Timestamp, now: Mutex<Timestamp>, beneath: Option<Clock> },
    Driven { owner: Arc<dyn Advance>, state: Mutex<Driven> },
}

struct Driven {
    now: Timestamp,
    running: usize,
    sequence: u64,
    waiting: BTreeMap<(Timestamp, u64), oneshot::Sender<Result<()>>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Clock {
        Clock(Arc::new(Source::System))
    }

    /// A clock that the lab owns, showing `now`. The caller is its first
    /// activity.
    pub fn driven(owner: Arc<dyn Advance>, now: Timestamp) -> Clock {
        let state = Driven { now, running: 1, sequence: 0, waiting: BTreeMap::new() };
        Clock(Arc::new(Source::Driven { owner, state: Mutex::new(state) }))
    }

    /// A clock that waits for nobody: whoever sleeps on it wakes at once, at the
    /// later time. For a plan, which foresees when things would happen.
    pub fn foreseen(from: Timestamp) -> Clock {
        Clock(Arc::new(Source::Foreseen { from, now: Mutex::new(from), beneath: None }))
    }

    /// As [`Clock::foreseen`], from this clock's present moment on. What is done at
    /// a time here is counted there, for whom it asks lives by this one.
    pub fn foresee(&self) -> Clock {
        let from = self.now();
        Clock(Arc::new(Source::Foreseen { from, now: Mutex::new(from), beneath: Some(self.clone()) }))
    }

    /// The clock that counts activities: a driven one, if one lies beneath.
    fn ground(&self) -> &Clock {
        match &*self.0 {
            Source::Foreseen { beneath: Some(beneath), .. } => beneath.ground(),
            _ => self,
        }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Source::System => Timestamp::now(),
            Source::Foreseen { now, .. } => *lock(now),
            Source::Driven { state, .. } => lock(state).now,
        }
    }

    /// Whether a lab owns the time.
    pub fn is_driven(&self) -> bool {
        matches!(&*self.0, Source::Driven { .. })
    }

    /// Waits until `until`; at once if that is past.
    ///
    /// # Errors
    /// On a driven clock: the lab could not be asked to advance. On a foreseen one:
    /// `timeout`, for somebody waits for more than a year.
    pub async fn sleep_until(&self, until: Timestamp) -> Result<()> {
        match &*self.0 {
            Source::System => {
                // Long waits are cut, so that a suspended laptop or a corrected
                // system clock delays a wake by at most a minute.
                loop {
                    let left = until.duration_since(Timestamp::now());
                    if left <= SignedDuration::ZERO {
                        return Ok(());
                    }
                    let step = left.min(SignedDuration::from_secs(60));
                    tokio::time::sleep(step.unsigned_abs()).await;
                }
            }
            Source::Foreseen { from, now, .. } => {
                if until.duration_since(*from) > HORIZON {
                    return Err(Failure::new(Kind::Timeout, "the plan would wait for more than a year")
                        .hint("does the script wait for something that nothing in the plan brings about?"));
                }
                let mut now = lock(now);
                *now = until.max(*now);
                Ok(())
            }
            Source::Driven { state, .. } => {
                let woken = {
                    let mut s = lock(state);
                    if until <= s.now {
                        return Ok(());
                    }
                    s.sequence += 1;
                    let key = (until, s.sequence);
                    let (send, woken) = oneshot::channel();
                    s.waiting.insert(key, send);
                    s.running = s.running.saturating_sub(1);
                    Waiting { clock: self.clone(), key, woken: Some(woken) }
                };
                woken.wait().await
            }
        }
    }

    /// Waits for a span.
    ///
    /// # Errors
    /// As [`Clock::sleep_until`].
    pub async fn sleep(&self, span: SignedDuration) -> Result<()> {
        let until = self.now().checked_add(span).unwrap_or(Timestamp::MAX);
        self.sleep_until(until).await
    }

    /// Does `work` on every item, at most `at_once` at a time, and answers in
    /// the order of the items.
    ///
    /// Items are taken in order. Each worker is an activity of its own, so a
    /// driven clock moves when all of them wait and not before. `at_once` is an
    /// input of a rehearsal: the same number gives the same events.
    pub async fn fan_out<I, T, F, Fut>(&self, items: Vec<I>, at_once: usize, work: F) -> Vec<T>
    where
        F: Fn(I) -> Fut,
        Fut: Future<Output = T>,
    {
        let workers = at_once.min(items.len());
        if workers == 0 {
            return Vec::new();
        }
        let count = items.len();
        let queue = Mutex::new(items.into_iter().enumerate());
        let results: Mutex<Vec<Option<T>>> = Mutex::new((0..count).map(|_| None).collect());
        self.add_running(workers - 1);
        let left = Workers { clock: self, left: AtomicUsize::new(workers) };
        let worker = || async {
            loop {
                let next = lock(&queue).next();
                let Some((index, item)) = next else { break };
                let answer = work(item).await;
                if let Some(slot) = lock(&results).get_mut(index) {
                    *slot = Some(answer);
                }
            }
            // The last worker hands its place back to the caller.
            if left.left.fetch_sub(1, Ordering::SeqCst) > 1 {
                self.stop_running().await;
            }
        };
        futures::future::join_all((0..workers).map(|_| worker())).await;
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.into_iter().flatten().collect()
    }

    /// Does two things at a time, each an activity of its own, and answers both.
    /// Whatever may wait on the clock must not be joined by other means: two
    /// sleepers that count as one would move a driven clock too early, and the
    /// later of them would never be woken.
    ///
    /// # Errors
    /// That of the first to fail, in the order of the arguments; both end first.
    pub async fn both<A, B>(
        &self,
        a: impl Future<Output = Result<A>>,
        b: impl Future<Output = Result<B>>,
    ) -> Result<(A, B)> {
        self.add_running(1);
        let left = Workers { clock: self, left: AtomicUsize::new(2) };
        let (a, b) = futures::future::join(self.branch(&left, a), self.branch(&left, b)).await;
        Ok((a?, b?))
    }

    async fn branch<T>(&self, left: &Workers<'_>, work: impl Future<Output = T>) -> T {
        let answer = work.await;
        // The last one hands its place back to the caller.
        if left.left.fetch_sub(1, Ordering::SeqCst) > 1 {
            self.stop_running().await;
        }
        answer
    }

    fn add_running(&self, more: usize) {
        if let Source::Driven { state, .. } = &*self.ground().0 {
            lock(state).running += more;
        }
    }

    async fn stop_running(&self) {
        let ground = self.ground();
        if let Source::Driven { state, .. } = &*ground.0 {
            let idle = {
                let mut s = lock(state);
                s.running = s.running.saturating_sub(1);
                s.running == 0 && !s.waiting.is_empty()
            };
            if idle {
                ground.move_on().await;
            }
        }
    }

    /// Asks the lab for the earliest wake and wakes whoever waits for it.
    async fn move_on(&self) {
        let Source::Driven { owner, state } = &*self.0 else { return };
        let to = {
            let s = lock(state);
            if s.running > 0 {
                return;
            }
            match s.waiting.keys().next() {
                Some((to, _)) => *to,
                None => return,
            }
        };
        let answer = owner.advance(to).await;
        let mut s = lock(state);
        match answer {
            Ok(now) => {
                let now = s.now.max(now).max(to);
                s.now = now;
                while let Some(entry) = s.waiting.first_entry() {
                    if entry.key().0 > now {
                        break;
                    }
                    let sender = entry.remove();
                    s.running += 1;
                    if sender.send(Ok(())).is_err() {
                        s.running -= 1;
                    }
                }
            }
            Err(failure) => {
                let all = std::mem::take(&mut s.waiting);
                for (_, sender) in all {
                    s.running += 1;
                    if sender.send(Err(failure.clone())).is_err() {
                        s.running -= 1;
                    }
                }
            }
        }
    }
}

/// The workers of a fan-out. Dropped in the middle (a cancelled run), those
/// that were left are no longer counted, but for the caller itself.
struct Workers<'a> {
    clock: &'a Clock,
    left: AtomicUsize,
}

impl Drop for Workers<'_> {
    fn drop(&mut self) {
        let left = *self.left.get_mut();
        if let (Source::Driven { state, .. }, true) = (&*self.clock.ground().0, left > 1) {
            let mut s = lock(state);
            s.running = s.running.saturating_sub(left - 1);
        }
    }
}

/// One sleeper's place in the queue. Dropped before its time (a cancelled
/// wait), it counts as running again.
struct Waiting {
    clock: Clock,
    key: (Timestamp, u64),
    woken: Option<oneshot::Receiver<Result<()>>>,
}

impl Waiting {
    async fn wait(mut self) -> Result<()> {
        self.clock.move_on().await;
        let Some(woken) = self.woken.as_mut() else { return Ok(()) };
        let answer = woken.await;
        self.woken = None;
        answer.unwrap_or_else(|_| Err(Failure::internal("a waiting activity was forgotten by the clock")))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.woken.take().is_none() {
            return;
        }
        if let Source::Driven { state, .. } = &*self.clock.0 {
            let mut s = lock(state);
            // Woken already, it was counted then.
            if s.waiting.remove(&self.key).is_some() {
                s.running += 1;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Recorder(Mutex<Vec<i64>>);

    #[async_trait]
    impl Advance for Recorder {
        async fn advance(&self, to: Timestamp) -> Result<Timestamp> {
            lock(&self.0).push(to.as_second());
            Ok(to)
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small number of seconds is a time")
    }

    fn driven() -> (Clock, Arc<Recorder>) {
        let owner = Arc::new(Recorder(Mutex::new(Vec::new())));
        (Clock::driven(owner.clone(), at(0)), owner)
    }

    #[tokio::test]
    async fn a_foreseen_clock_waits_for_nobody_and_never_goes_back() {
        let clock = Clock::foreseen(at(10));
        clock.sleep(SignedDuration::from_hours(72)).await.expect("nobody is asked");
        assert_eq!(clock.now(), at(10 + 72 * 3600));
        clock.sleep_until(at(5)).await.expect("nobody is asked");
        assert_eq!(clock.now(), at(10 + 72 * 3600));
    }

    #[tokio::test]
    async fn what_is_done_at_a_time_on_a_foreseen_clock_is_counted_by_the_one_beneath() {
        let (clock, owner) = driven();
        let plan = clock.foresee();
        // Two services that are asked at a time, and both back off.
        let nap = |seconds: i64| {
            let clock = clock.clone();
            async move { clock.sleep(SignedDuration::from_secs(seconds)).await }
        };
        let both = tokio::time::timeout(std::time::Duration::from_secs(20), plan.both(nap(20), nap(5)));
        both.await.expect("nobody is forgotten").expect("the recorder never fails");
        assert_eq!(*lock(&owner.0), vec![5, 20]);
        assert_eq!(plan.now(), at(0), "what is foreseen has a time of its own");
        let late = plan.sleep(SignedDuration::from_hours(401 * 24)).await.expect_err("nothing is foreseen so far");
        assert_eq!((late.kind, plan.now()), (Kind::Timeout, at(0)));
    }

    #[tokio::test]
    async fn time_moves_to_the_earliest_wake_only_when_all_wait() {
        let (clock, owner) = driven();
        let spans = vec![30, 10, 20];
        let done = clock
            .fan_out(spans, 3, |s| {
                let clock = clock.clone();
                async move {
                    clock.sleep(SignedDuration::from_secs(s)).await.expect("the recorder never fails");
                    clock.now().as_second()
                }
            })
            .await;
        assert_eq!(done, vec![30, 10, 20]);
        assert_eq!(*lock(&owner.0), vec![10, 20, 30]);
    }

    #[tokio::test]
    async fn a_worker_that_still_works_holds_the_time() {
        let (clock, owner) = driven();
        let seen = clock
            .fan_out(vec![true, false], 2, |sleeps| {
                let clock = clock.clone();
                async move {
                    if sleeps {
                        clock.sleep(SignedDuration::from_secs(5)).await.expect("the recorder never fails");
                    } else {
                        for _ in 0..50 {
                            tokio::task::yield_now().await;
                        }
                        assert_eq!(clock.now(), at(0));
                    }
                    clock.now().as_second()
                }
            })
            .await;
        assert_eq!(seen, vec![5, 0]);
        assert_eq!(*lock(&owner.0), vec![5]);
    }

    #[tokio::test]
    async fn two_joined_sleepers_are_both_woken_in_their_order() {
        let (clock, owner) = driven();
        let nap = |seconds: i64| {
            let clock = clock.clone();
            async move {
                clock.sleep(SignedDuration::from_secs(seconds)).await?;
                Ok(clock.now().as_second())
            }
        };
        // Both must end; a sleeper that is forgotten would hang here.
        let joined =
            tokio::time::timeout(std::time::Duration::from_secs(20), clock.both(nap(20), clock.both(nap(5), nap(9))));
        let (late, (early, middle)) = joined.await.expect("nobody is forgotten").expect("the recorder never fails");
        assert_eq!((late, early, middle), (20, 5, 9));
        assert_eq!(*lock(&owner.0), vec![5, 9, 20]);
        clock.sleep(SignedDuration::from_secs(1)).await.expect("the caller counts as one again");
    }

    #[tokio::test]
    async fn a_cancelled_wait_counts_as_running_again() {
        let (clock, owner) = driven();
        {
            let mut wait = Box::pin(clock.fan_out(vec![60, 1], 2, |s| {
                let clock = clock.clone();
                async move { clock.sleep(SignedDuration::from_secs(s)).await }
            }));
            let _ = futures::poll!(wait.as_mut());
        }
        clock.sleep(SignedDuration::from_secs(100)).await.expect("the recorder never fails");
        assert!(lock(&owner.0).last().is_some_and(|t| *t >= 100));
    }
}
