//! The lab's servers: one world, served over the protocols that it really
//! speaks, on loopback ports that the system picks.
//!
//! All of them answer from [`World`] under one lock and by its time. They
//! listen on 127.0.0.1 and nowhere else, and connect to nobody.

mod accounts;
mod answer;
mod autodiscover;
mod certificates;
mod control;
mod dns;
mod entra;
mod exchange;
mod graph;
mod https;
mod index;
mod ldap;
mod papers;
mod rpc;
mod smtp;
mod state;
mod trouble;

#[cfg(test)]
mod small;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::base::{Failure, Kind};
use crate::lab::World;
use crate::lab::mail::Side;
use crate::wire::guid::unbase64;
use crate::wire::profile::Profile;
use https::Front;
use papers::Ports;
use state::State;

/// Address that everything listens on.
const LOOPBACK: &str = "127.0.0.1:0";
/// Tries to find a port number that is free for UDP and TCP.
const PORT_TRIES: usize = 20;

/// A running lab. Dropped or stopped, its listeners and connections close.
pub struct Lab {
    state: Arc<State>,
    profile: Profile,
    path: PathBuf,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Lab {
    /// Serves a world and writes `profile.toml`, `ca.pem`, `secrets/` and
    /// `mailboxes.csv` into a folder.
    ///
    /// # Errors
    /// No port, no certificate, or the folder cannot be written.
    pub async fn start(world: World, folder: &Path) -> Result<Lab, Failure> {
        let certificates = certificates::make(&papers::names(&world))?;
        let tls = certificates.acceptor.clone();
        let secret = world.secrets.get("tsig").map(String::as_str).unwrap_or_default();
        let secret = unbase64(secret).filter(|s| !s.is_empty());
        let secret = secret.ok_or_else(|| Failure::internal("the lab's TSIG secret is no base64"))?;
        let signer = dns::signer(&secret).map_err(Failure::internal)?;

        let https = tcp().await?;
        let ldaps = tcp().await?;
        let ldap = tcp().await?;
        let smtp_old = tcp().await?;
        let smtp_cloud = tcp().await?;
        let control = tcp().await?;
        let authority = both().await?;
        let inside = both().await?;
        let mut resolvers = Vec::new();
        for _ in papers::RESOLVERS {
            resolvers.push(both().await?);
        }
        let mut ports = Ports {
            https: address(&https)?,
            ldaps: address(&ldaps)?,
            ldap: address(&ldap)?,
            smtp_old: address(&smtp_old)?,
            smtp_cloud: address(&smtp_cloud)?,
            authority: address(&authority.0)?,
            inside: address(&inside.0)?,
            resolvers: Vec::new(),
            control: address(&control)?,
        };
        for (listener, _) in &resolvers {
            ports.resolvers.push(address(listener)?);
        }
        let profile = papers::profile(&world, &ports);
        let path = papers::write(&world, &profile, &certificates.authority, folder)?;

        let state = Arc::new(State::new(world));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let own = || (state.clone(), stop.clone());
        for (listener, tls, front) in [(https, Some(tls.clone()), Front::World), (control, None, Front::Control)] {
            let (state, stop) = own();
            tasks.spawn(https::listen(state, listener, tls, front, stop));
        }
        for (listener, plain) in [(ldaps, false), (ldap, true)] {
            let (state, stop) = own();
            tasks.spawn(ldap::listen(state, listener, tls.clone(), plain, stop));
        }
        for (listener, side) in [(smtp_old, Side::Old), (smtp_cloud, Side::Cloud)] {
            let (state, stop) = own();
            tasks.spawn(smtp::listen(state, listener, tls.clone(), side, stop));
        }
        let mut servers = vec![(authority, dns::Server::Authority(signer)), (inside, dns::Server::Inside)];
        for (sockets, name) in resolvers.into_iter().zip(papers::RESOLVERS) {
            servers.push((sockets, dns::Server::Resolver(name.to_owned())));
        }
        for ((listener, socket), server) in servers {
            let (state, stop) = own();
            tasks.spawn(dns::tcp(state, listener, server.clone(), stop));
            let (state, stop) = own();
            tasks.spawn(dns::udp(state, socket, server, stop));
        }
        Ok(Lab { state, profile, path, stop, tasks })
    }

    /// How to reach it.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Where the profile was written.
    pub fn profile_path(&self) -> &Path {
        &self.path
    }

    /// The world itself.
    pub fn world(&self) -> Arc<Mutex<World>> {
        self.state.world.clone()
    }

    /// Puts another world in the place of this one, as `POST /restore` does.
    #[cfg(test)]
    pub(crate) fn put(&self, world: World) {
        *self.state.lock() = world;
        state::lock(&self.state.index).clear();
    }

    /// Mail domains of the company, the main one first.
    pub fn domains(&self) -> Vec<String> {
        self.state.lock().company.domains.clone()
    }

    /// Closes listeners and connections.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn no_port(error: &std::io::Error) -> Failure {
    Failure::new(Kind::Local, format!("the lab found no free port on loopback: {error}"))
        .hint("check that this machine allows programs to listen on 127.0.0.1")
}

async fn tcp() -> Result<TcpListener, Failure> {
    TcpListener::bind(LOOPBACK).await.map_err(|e| no_port(&e))
}

/// One port number for TCP and UDP.
async fn both() -> Result<(TcpListener, UdpSocket), Failure> {
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    for _ in 0..PORT_TRIES {
        let listener = tcp().await?;
        let address = listener.local_addr().map_err(|e| no_port(&e))?;
        match UdpSocket::bind(address).await {
            Ok(socket) => return Ok((listener, socket)),
            Err(error) => last = error,
        }
    }
    Err(no_port(&last))
}

fn address(listener: &TcpListener) -> Result<String, Failure> {
    listener.local_addr().map(|a| a.to_string()).map_err(|e| no_port(&e))
}
