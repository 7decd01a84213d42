//! Where a process can die so that it matters: the journal's commit and the
//! transport's exchange, before and after each. Nowhere else does the program meet
//! the world or its own memory of it.
//!
//! Three forms. In a usual build a point is a constant `Ok`. With the feature
//! `crash-points` the process kills itself, without any warning, at the n-th point
//! that it passes (`STAGEPOST_CRASH_AT`); the feature is for tests and is never
//! part of what is handed out. In the tests of this crate a `Life` is planted on
//! the threads of one run: from its n-th point on that run is dead, which means that
//! nothing of it reaches the world or the journal any more, and no script can catch
//! it; or the answer of its n-th exchange is lost, or its request comes late.
//!
//! Nothing here knows what is exchanged.

use super::Result;

/// What becomes of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "tests alone lose what is exchanged"))]
pub(crate) enum Fate {
    /// It goes out, and its answer comes back.
    Through,
    /// It never arrives; its sender can't know.
    Unsent,
    /// It is carried out, and its answer never comes back.
    Unanswered,
    /// It is carried out after its sender has given up on it: by then others of
    /// its exchanges are through.
    Late,
}

/// A place where a process may die; `name` says which kind.
///
/// # Errors
/// Only in tests, and only of a run that is dead.
#[cfg(not(any(test, feature = "crash-points")))]
#[inline]
pub(crate) const fn point(_: &'static str) -> Result<()> {
    Ok(())
}

/// Counts, and ends the process at the point that it was told.
#[cfg(all(feature = "crash-points", not(test)))]
pub(crate) fn point(_: &'static str) -> Result<()> {
    child::pass();
    Ok(())
}

/// What becomes of the exchange that begins here: it goes through.
#[cfg(not(test))]
#[inline]
#[allow(clippy::unused_async, reason = "tests wait here for what comes late")]
pub(crate) async fn fate(_: &'static str) -> Fate {
    Fate::Through
}

/// Whether anything of this run may still go out: yes.
///
/// # Errors
/// Never outside tests.
#[cfg(not(test))]
#[inline]
pub(crate) const fn alive() -> Result<()> {
    Ok(())
}

/// Keeps a request that comes late; only tests have one.
#[cfg(not(test))]
#[inline]
pub(crate) fn later<F>(_: F) {}

/// What the sender of a lost request is told.
pub(crate) fn lost() -> super::Failure {
    super::Failure::new(super::Kind::Unavailable, "the connection broke before the answer came")
        .hint("try again in a while")
        .retryable()
}

#[cfg(all(feature = "crash-points", not(test)))]
mod child {
    //! A process that kills itself. The count is that of the process: there is
    //! one run in it.

    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PASSED: AtomicU64 = AtomicU64::new(0);
    static LAST: OnceLock<u64> = OnceLock::new();

    pub(super) fn pass() {
        let last = *LAST
            .get_or_init(|| std::env::var("STAGEPOST_CRASH_AT").ok().and_then(|n| n.parse().ok()).unwrap_or(u64::MAX));
        if PASSED.fetch_add(1, Ordering::SeqCst) + 1 >= last {
            die();
        }
    }

    /// No destructor runs, nothing is flushed, no handler is asked.
    #[cfg(unix)]
    fn die() {
        // There is no process that can't kill itself; the loop is for the moment
        // until the system has done it.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }

    #[cfg(not(unix))]
    fn die() {
        std::process::abort();
    }
}

#[cfg(test)]
pub(crate) use living::{Ending, Life, alive, fate, later, point};

#[cfg(test)]
mod living {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::sync::{Arc, Mutex, PoisonError};

    use super::{Fate, Result};
    use crate::base::Failure;
    use crate::base::plant;

    /// How the life of a run goes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Ending {
        /// Nothing happens to it.
        Natural,
        /// It is dead from this point on, the first being 1.
        Dies(u64),
        /// This exchange, the first being 1, has another fate.
        Fails(u64, Fate),
        /// This exchange is carried out late: when so many others have begun since.
        Late(u64, u64),
    }

    /// A request that is still under way.
    struct Straggler {
        due: u64,
        request: Pin<Box<dyn Future<Output = ()> + Send>>,
    }

    /// What has happened to a run so far, and what will.
    pub(crate) struct Life {
        ending: Ending,
        points: AtomicU64,
        /// What was exchanged, in order.
        exchanges: Mutex<Vec<&'static str>>,
        dead: AtomicBool,
        /// Which point it died at.
        last: Mutex<&'static str>,
        straggler: Mutex<Option<Straggler>>,
        /// What happens beside it when its exchange is lost.
        beside: Option<Box<dyn Fn() + Send + Sync>>,
    }

    impl Life {
        pub(crate) fn new(ending: Ending) -> Arc<Life> {
            Arc::new(Life::with(ending, None))
        }

        /// A life in which something happens beside the run when its exchange is
        /// lost.
        pub(crate) fn beside(ending: Ending, beside: impl Fn() + Send + Sync + 'static) -> Arc<Life> {
            Arc::new(Life::with(ending, Some(Box::new(beside))))
        }

        fn with(ending: Ending, beside: Option<Box<dyn Fn() + Send + Sync>>) -> Life {
            Life {
                ending,
                points: AtomicU64::new(0),
                exchanges: Mutex::default(),
                dead: AtomicBool::new(false),
                last: Mutex::new(""),
                straggler: Mutex::new(None),
                beside,
            }
        }

        /// Points passed; of a dead run that at which it died.
        pub(crate) fn points(&self) -> u64 {
            self.points.load(Ordering::SeqCst)
        }

        /// Exchanges begun, by what they were called.
        pub(crate) fn exchanges(&self) -> Vec<&'static str> {
            self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clone()
        }

        fn begin(&self, name: &'static str) -> u64 {
            let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
            exchanges.push(name);
            exchanges.len() as u64
        }

        /// Whether it died, or met the exchange that it was to lose.
        pub(crate) fn is_over(&self) -> bool {
            match self.ending {
                Ending::Natural => false,
                Ending::Dies(_) => self.dead.load(Ordering::SeqCst),
                Ending::Fails(at, _) | Ending::Late(at, _) => self.exchanges().len() as u64 >= at,
            }
        }

        /// Where it died: `journal before`, `ldap after`, ….
        pub(crate) fn last(&self) -> &'static str {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Carries out what never came to its turn.
        pub(crate) async fn settle(&self) {
            let straggler = self.straggler.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(straggler) = straggler {
                straggler.request.await;
            }
        }

        fn pass(&self, name: &'static str) -> Result<()> {
            self.alive()?;
            let number = self.points.fetch_add(1, Ordering::SeqCst) + 1;
            if matches!(self.ending, Ending::Dies(at) if number >= at) {
                if !self.dead.swap(true, Ordering::SeqCst) {
                    *self.last.lock().unwrap_or_else(PoisonError::into_inner) = name;
                }
                return Err(Failure::cancelled());
            }
            Ok(())
        }

        /// A cancellation is the one failure that no script can catch and no
        /// client tries again.
        fn alive(&self) -> Result<()> {
            if self.dead.load(Ordering::SeqCst) { Err(Failure::cancelled()) } else { Ok(()) }
        }
    }

    /// A place where a run may die.
    pub(crate) fn point(name: &'static str) -> Result<()> {
        plant::life().map_or(Ok(()), |life| life.pass(name))
    }

    /// Whether anything of this run may still go out.
    pub(crate) fn alive() -> Result<()> {
        plant::life().map_or(Ok(()), |life| life.alive())
    }

    /// What becomes of the exchange that begins here, and is called so. A request
    /// that was to come late and is due is carried out first.
    pub(crate) async fn fate(name: &'static str) -> Fate {
        let Some(life) = plant::life() else { return Fate::Through };
        let number = life.begin(name);
        let due = {
            let mut straggler = life.straggler.lock().unwrap_or_else(PoisonError::into_inner);
            if straggler.as_ref().is_some_and(|s| s.due <= number) { straggler.take() } else { None }
        };
        if let Some(straggler) = due {
            straggler.request.await;
        }
        let fate = match life.ending {
            Ending::Fails(at, fate) if at == number => fate,
            Ending::Late(at, _) if at == number => Fate::Late,
            _ => Fate::Through,
        };
        if let Some(beside) = life.beside.as_ref().filter(|_| fate != Fate::Through) {
            beside();
        }
        fate
    }

    /// Keeps a request that comes late.
    pub(crate) fn later(request: impl Future<Output = ()> + Send + 'static) {
        let Some(life) = plant::life() else { return };
        let Ending::Late(at, after) = life.ending else { return };
        *life.straggler.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Straggler { due: at + after, request: Box::pin(request) });
    }

    #[test]
    fn a_run_is_dead_from_its_point_on() {
        let life = Life::new(Ending::Dies(3));
        plant::Soil::BARE.living(life.clone()).spread();
        assert!(point("a").is_ok() && point("b").is_ok() && alive().is_ok());
        assert_eq!(point("c").map_err(|f| f.kind), Err(crate::base::Kind::Cancelled));
        assert!(point("d").is_err() && alive().is_err());
        assert_eq!((life.points(), life.last(), life.is_over()), (3, "c", true));
        plant::Soil::BARE.spread();
        assert!(point("e").is_ok(), "others live on");
    }

    #[tokio::test]
    async fn what_comes_late_comes_when_others_are_through() {
        let life = Life::new(Ending::Late(1, 2));
        plant::Soil::BARE.living(life.clone()).spread();
        let carried = Arc::new(AtomicBool::new(false));
        assert_eq!(fate("x").await, Fate::Late);
        let own = carried.clone();
        later(async move { own.store(true, Ordering::SeqCst) });
        assert_eq!(fate("x").await, Fate::Through);
        assert!(!carried.load(Ordering::SeqCst));
        assert_eq!(fate("x").await, Fate::Through);
        assert!(carried.load(Ordering::SeqCst) && life.is_over());
        plant::Soil::BARE.spread();
    }
}
