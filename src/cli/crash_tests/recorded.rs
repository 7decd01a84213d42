//! What a journal knows of what was written: every write that took effect in the
//! world has its intent, and a journal that fails at one of its appends.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::base::{Failure, Kind, Result};
use crate::lab::World;
use crate::run::journal::{Event, Journal, Kind as EventKind, Owner, Run, Stored};
use crate::run::sqlite::Looking;

/// Writes of the world that no intent of the journal in this folder announces.
pub(super) fn unrecorded(world: &World, folder: &Path) -> Vec<String> {
    let owner = Owner { project: String::new(), tenant: String::new(), run: String::new() };
    let journal = Looking::open(&folder.join(".stagepost"), owner).expect("the journal can be read");
    let mut intents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for run in journal.runs().expect("the journal can be read") {
        for stored in journal.read(&run.id).expect("the journal can be read") {
            if stored.event.kind == EventKind::Intent {
                intents.entry(stored.event.target.to_lowercase()).or_default().push(stored.event.operation);
            }
        }
    }
    let known = |service: &str, object: &str, kind: &str| match service {
        // `contoso.test.` is written by changes of `contoso.test MX` and its kin.
        "zone" => {
            let start = format!("{} ", object.trim_end_matches('.').to_lowercase());
            intents.keys().any(|target| target.starts_with(&start))
        }
        _ => {
            intents.get(&object.to_lowercase()).is_some_and(|operations| operations.iter().any(|o| announces(o, kind)))
        }
    };
    let writes = world.writes.keys().filter(|(service, object, kind)| !known(service, object, kind));
    writes.map(|(service, object, kind)| format!("not in the journal: {service} {object} {kind}")).collect()
}

/// Whether an operation can bring about a write of this kind.
fn announces(operation: &str, kind: &str) -> bool {
    let operations: &[&str] = match kind {
        "convert" => &["convert_to_mail_user"],
        "release" => &["release"],
        "other" => &["convert_to_mail_user", "release"],
        "usage-location" => &["license::location"],
        "domain-verified" => &["domain::verify"],
        "licence+" => &["license::assign"],
        "licence-" => &["license::take_back"],
        "plans" => &["license::assign", "license::take_back", "license::switch_off"],
        "batch-created" => &["batch"],
        "batch-started" => &["start"],
        "batch-stopped" => &["remove::stop"],
        "batch-removed" => &["remove"],
        "endpoint-created" | "endpoint-set" => &["endpoint"],
        _ => &["mailbox_kind"],
    };
    operations.contains(&operation)
}

/// A journal that can't be written: from an append on, or at that one alone.
pub(super) struct Failing {
    inner: Arc<dyn Journal>,
    at: u64,
    once: bool,
    appends: AtomicU64,
}

impl Failing {
    /// Fails at the `at`-th append, the first being 1.
    pub(super) fn new(inner: Arc<dyn Journal>, at: u64, once: bool) -> Failing {
        Failing { inner, at, once, appends: AtomicU64::new(0) }
    }
}

impl Journal for Failing {
    fn append(&self, events: &[Event]) -> Result<Vec<u64>> {
        let number = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.at || (number > self.at && !self.once) {
            return Err(Failure::new(Kind::Local, "the journal can't be written; nothing is sent that isn't recorded")
                .detail("database or disk is full"));
        }
        self.inner.append(events)
    }
    fn read(&self, run: &str) -> Result<Vec<Stored>> {
        self.inner.read(run)
    }
    fn past(&self, each: &mut dyn FnMut(&Event)) -> Result<()> {
        self.inner.past(each)
    }
    fn runs(&self) -> Result<Vec<Run>> {
        self.inner.runs()
    }
    fn run(&self) -> &str {
        self.inner.run()
    }
}

/// Counts what is appended to a journal.
pub(super) struct Counting {
    inner: Arc<dyn Journal>,
    count: Arc<AtomicUsize>,
}

impl Counting {
    pub(super) fn new(inner: Arc<dyn Journal>, count: Arc<AtomicUsize>) -> Counting {
        Counting { inner, count }
    }
}

impl Journal for Counting {
    fn append(&self, events: &[Event]) -> Result<Vec<u64>> {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.inner.append(events)
    }
    fn read(&self, run: &str) -> Result<Vec<Stored>> {
        self.inner.read(run)
    }
    fn past(&self, each: &mut dyn FnMut(&Event)) -> Result<()> {
        self.inner.past(each)
    }
    fn runs(&self) -> Result<Vec<Run>> {
        self.inner.runs()
    }
    fn run(&self) -> &str {
        self.inner.run()
    }
}

/// How many requests that write each service of the lab has answered, by name.
pub(super) fn write_requests(world: &World) -> BTreeMap<String, u64> {
    let writes = |service: &str, operation: &str| match service {
        "exchange" => !["Get-", "Test-", "EXOModuleFile"].iter().any(|verb| operation.starts_with(verb)),
        "ldap" => operation != "search" && operation != "bind" && operation != "unbind",
        // An envelope may hold reads alone; what took effect is counted elsewhere.
        "graph" => !operation.starts_with("GET") && operation != "POST /$batch",
        "zone" => true,
        _ => false,
    };
    let all = world.counts.requests.iter().flat_map(|(s, operations)| operations.iter().map(move |(o, n)| (s, o, n)));
    all.filter(|(s, o, _)| writes(s, o)).map(|(s, o, n)| (format!("{s} {o}"), *n)).collect()
}

/// Gives everybody who is forwarded and not converted a new address, as a colleague
/// might; answers whom, and which.
pub(super) fn add_addresses(world: &mut World) -> Vec<(String, String)> {
    let domain = world.company.domains.first().cloned().unwrap_or_default();
    let mut added = Vec::new();
    for (number, key) in world.index.names.clone().into_iter().enumerate() {
        let value = format!("smtp:new.name{number}@{domain}");
        let Some(object) = world.directory.get_mut(&key) else { continue };
        if !object.entry.has("homeMDB") || !object.entry.has("targetAddress") {
            continue;
        }
        let before = object.entry.clone();
        let mut values = object.entry.values("proxyAddresses").to_vec();
        values.push(value.clone().into_bytes());
        object.entry.set("proxyAddresses", values);
        crate::lab::sync::directory_changed(world, &key, &before);
        added.push((key, value));
    }
    added
}
