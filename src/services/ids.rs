//! Correlation ids for requests: GUIDs that support can find in the service's
//! logs.
//!
//! A counter under a per-session seed, hashed: unique, and not worth a random
//! number generator of its own. Behind a lab the seed is fixed, so that two
//! rehearsals send the same ids as far as the order of requests is the same.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use crate::wire::guid::Guid;

/// A source of ids, shared by the clients of one session.
#[derive(Clone)]
pub struct Ids(Arc<(u64, AtomicU64)>);

impl Ids {
    /// `repeatable`: the same ids in every session.
    pub fn new(repeatable: bool) -> Ids {
        // The keys of a hash map's state come from the operating system.
        let seed = if repeatable { 0 } else { std::hash::RandomState::new().build_hasher().finish() };
        Ids(Arc::new((seed, AtomicU64::new(0))))
    }

    /// The next id.
    pub fn next(&self) -> Guid {
        let mut hash = Sha256::new();
        hash.update(self.0.0.to_be_bytes());
        hash.update(self.0.1.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let mut bytes = [0; 16];
        for (slot, byte) in bytes.iter_mut().zip(hash.finalize()) {
            *slot = byte;
        }
        // Version 8, variant 1: made by its owner's own rule (RFC 9562, 5.8).
        bytes[6] = bytes[6] & 0x0F | 0x80;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Guid(bytes)
    }

    /// Sixteen bits for a DNS message.
    pub fn short(&self) -> u16 {
        let id = self.next().0;
        u16::from_be_bytes([id[0], id[1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_repeat_only_on_request() {
        let (a, b) = (Ids::new(true), Ids::new(true));
        let first = a.next();
        assert_eq!(first, b.next());
        assert_ne!(first, a.next());
        assert_ne!(Ids::new(false).next(), Ids::new(false).next());
    }
}
