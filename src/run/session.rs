//! What one run owns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::narrate::{Narrator, Note, What};
use crate::base::{Cancel, Clock};

/// Profile, clients, clock and cancellation of one run.
pub struct Session {
    cancel: Mutex<Cancel>,
    clock: Clock,
    narrator: Arc<dyn Narrator>,
    handle: tokio::runtime::Handle,
    steps: AtomicU64,
}

impl Session {
    /// A session over a clock and a runtime.
    pub fn new(clock: Clock, narrator: Arc<dyn Narrator>, handle: tokio::runtime::Handle) -> Session {
        Session { cancel: Mutex::new(Cancel::new()), clock, narrator, handle, steps: AtomicU64::new(0) }
    }

    /// The present cancellation. Ask anew for each wait: a prompt replaces it with every line.
    pub fn cancel(&self) -> Cancel {
        self.cancel.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces a cancellation that was set by a fresh one and answers it; one
    /// that is not set stays. Only the prompt does this, between two lines.
    pub fn fresh_cancel(&self) -> Cancel {
        let mut held = self.cancel.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_cancelled() {
            *held = Cancel::new();
        }
        held.clone()
    }

    /// The only source of time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Tells what happened.
    pub fn note(&self, what: What) {
        self.narrator.note(&Note { time: self.clock.now(), what });
    }

    /// The runtime that does the waiting.
    pub fn handle(&self) -> &tokio::runtime::Handle {
        &self.handle
    }

    /// The number of the next step note, counting from 1.
    pub fn next_step(&self) -> u64 {
        self.steps.fetch_add(1, Ordering::Relaxed) + 1
    }
}
