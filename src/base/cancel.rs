//! A cancellation that stays set.
//!
//! Rhai wraps a termination that comes out of a callback or a module in an
//! error which `try` can catch. A flag that stays set ends such a script at its
//! next operation; one that is taken back would be swallowed.

use std::future::Future;

use tokio_util::sync::CancellationToken;

/// Shared by everything that belongs to one session. Set once, never unset.
#[derive(Clone, Debug, Default)]
pub struct Cancel(CancellationToken);

impl Cancel {
    /// A fresh one, not yet set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything to end: no new write begins, those in flight end or are
    /// recorded in doubt.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether it has been set.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Runs a future until it ends (`Some`) or the cancellation comes (`None`).
    pub async fn guard<F: Future>(&self, future: F) -> Option<F::Output> {
        self.0.run_until_cancelled(future).await
    }

    /// Waits for the cancellation.
    pub async fn cancelled(&self) {
        self.0.cancelled().await
    }
}
