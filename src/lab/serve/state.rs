//! What all servers of one lab share: the world, the names under which they
//! are reached, the key of the module file, an index of the directory.
//!
//! The world stands behind one mutex that is held for one request and never
//! across a suspension point.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Encrypt, RsaPrivateKey};
use tokio::sync::watch;

use super::index::Index;
use crate::lab::World;
use crate::wire::invoke::XmlKey;
use crate::wire::profile::Cloud;

/// Shared by every listener and connection of a lab.
pub struct State {
    /// The world.
    pub world: Arc<Mutex<World>>,
    /// Hosts of the cloud.
    pub cloud: Cloud,
    /// Where the directory's addresses are found quickly.
    pub index: Mutex<Index>,
    /// Worlds kept by name (`POST /snapshot`).
    pub snapshots: Mutex<BTreeMap<String, World>>,
    key: watch::Receiver<Option<Arc<ModuleKey>>>,
}

impl State {
    /// Shares a world; the module's key is made in the background.
    pub fn new(world: World) -> State {
        let (send, key) = watch::channel(None);
        std::thread::spawn(move || {
            // A lab that has gone away needs no key.
            if let Some(key) = ModuleKey::make() {
                send.send_replace(Some(Arc::new(key)));
            }
        });
        State {
            world: Arc::new(Mutex::new(world)),
            cloud: Cloud::default(),
            index: Mutex::new(Index::default()),
            snapshots: Mutex::new(BTreeMap::new()),
            key,
        }
    }

    /// The world, for one request.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// The key of the module file; waits until it has been made. `None` only if
    /// the machine has no randomness.
    pub async fn key(&self) -> Option<Arc<ModuleKey>> {
        let mut key = self.key.clone();
        let made = key.wait_for(Option::is_some).await.ok()?;
        made.clone()
    }
}

/// Locks a mutex; a panic elsewhere does not make its content unusable here.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The RSA key under which clients encrypt credentials, 2048 bits.
pub struct ModuleKey {
    private: RsaPrivateKey,
}

impl ModuleKey {
    fn make() -> Option<ModuleKey> {
        RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).ok().map(|private| ModuleKey { private })
    }

    /// The public half as the module file carries it.
    pub fn public(&self) -> XmlKey {
        XmlKey { modulus: self.private.n().to_bytes_be(), exponent: self.private.e().to_bytes_be() }
    }

    /// Decrypts PKCS#1 v1.5; `None` if this is not the key it was encrypted for.
    pub fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.private.decrypt(Pkcs1v15Encrypt, sealed).ok()
    }
}
