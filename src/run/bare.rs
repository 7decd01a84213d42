//! A session for tests of other rooms: a lab's profile in which no name leads
//! anywhere, and a journal in memory. Nothing can be reached with it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use super::approvals::{Approver, Beforehand};
use super::journal::{Event, Journal, Run, Stored};
use super::narrate::Narrator;
use super::session::{Mode, Parts, Session};
use crate::base::{Clock, Result, Secret};
use crate::migration::project::{Project, template};
use crate::services::{Secrets, Services};
use crate::wire::profile::Profile;

const PROFILE: &str = r#"
name = "nowhere"
kind = "lab"
[tenant]
id = "00000000-0000-4000-8000-000000000001"
initial_domain = "contoso.onmicrosoft.com"
client_id = "00000000-0000-4000-8000-000000000002"
client_secret = { env = "NONE" }
[directory]
host = "dc1.contoso.test"
bind = "admin@contoso.test"
password = { env = "NONE" }
[source]
rpc_proxy = "mail.contoso.test"
exchange_server = "EX07.contoso.test"
smtp = "mail.contoso.test"
account = "CONTOSO\\svc-migration"
password = { env = "NONE" }
[dns]
resolvers = []
"#;

/// Keeps events in memory.
#[derive(Default)]
pub struct MemoryJournal(pub Mutex<Vec<Event>>);

impl Journal for MemoryJournal {
    fn append(&self, events: &[Event]) -> Result<Vec<u64>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.len() as u64 + 1;
        kept.extend_from_slice(events);
        Ok((first..first + events.len() as u64).collect())
    }
    fn read(&self, run: &str) -> Result<Vec<Stored>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = |(n, e): (usize, &Event)| Stored {
            number: n as u64 + 1,
            run: run.into(),
            event: e.clone(),
            hash: String::new(),
        };
        Ok(kept.iter().enumerate().map(stored).collect())
    }
    fn past(&self, each: &mut dyn FnMut(&Event)) -> Result<()> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().for_each(each);
        Ok(())
    }
    fn runs(&self) -> Result<Vec<Run>> {
        Ok(Vec::new())
    }
    fn pulse(&self) -> Result<i64> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).len().cast_signed() as i64)
    }
    fn run(&self) -> &str {
        "test"
    }
}

fn authority() -> String {
    let key = rcgen::KeyPair::generate().expect("a key can be made");
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names are good names");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).expect("the key signs itself").pem()
}

/// The session.
pub fn session(clock: Clock, narrator: Arc<dyn Narrator>, handle: Handle, journal: Arc<dyn Journal>) -> Arc<Session> {
    asking(clock, narrator, handle, journal, Arc::new(Beforehand::default()))
}

/// The session, with another gate.
pub fn session_in(
    mode: Mode,
    clock: Clock,
    narrator: Arc<dyn Narrator>,
    handle: Handle,
    journal: Arc<dyn Journal>,
) -> Arc<Session> {
    let approver = Arc::new(Beforehand::default());
    made(clock, narrator, handle, journal, approver, |parts| parts.mode = mode)
}

/// The session, with somebody to ask.
pub fn asking(
    clock: Clock,
    narrator: Arc<dyn Narrator>,
    handle: Handle,
    journal: Arc<dyn Journal>,
    approver: Arc<dyn Approver>,
) -> Arc<Session> {
    made(clock, narrator, handle, journal, approver, |_| {})
}

/// The session, with parts that a test has changed.
pub fn made(
    clock: Clock,
    narrator: Arc<dyn Narrator>,
    handle: Handle,
    journal: Arc<dyn Journal>,
    approver: Arc<dyn Approver>,
    change: impl FnOnce(&mut Parts),
) -> Arc<Session> {
    let profile = Profile::parse(PROFILE).expect("the profile above is sound");
    let nothing = Secret::new("x");
    let secrets = Secrets {
        client_secret: nothing.clone(),
        directory: nothing.clone(),
        source: nothing.clone(),
        zones: Default::default(),
        ca: Some(authority()),
    };
    let services = Services::new(&profile, secrets, clock.clone(), None).expect("clients connect when they are used");
    let text = template("Contoso", "list.csv", &["contoso.test".to_owned()], "2007");
    let project = Project::parse(&text).expect("the template is sound");
    let folder = std::env::temp_dir();
    let mut parts = Parts {
        profile,
        project,
        project_folder: folder.clone(),
        out: folder,
        services,
        source_password: nothing,
        clock,
        narrator,
        journal,
        approver,
        handle,
        mode: Mode::Open,
    };
    change(&mut parts);
    Session::new(parts)
}
