//! What the journal says about earlier work in this tenant: which batches are
//! ours, who was given back, what was handed over, when the mail was switched.
//!
//! A script that runs again asks the world first; this is for what the world
//! can't tell. It is learnt from events alone, from those of earlier runs as
//! from those of this one, and decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::journal::{Event, Kind};
use crate::base::Timestamp;
use crate::wire::attributes::address_key;

/// Operations from whose intents and outcomes something is learnt. Of a company of
/// 100,000 the others fill the journal, and needn't be read.
pub const LEARNT: [&str; 11] = [
    "batch",
    "start",
    "remove",
    "watch",
    "license::assign",
    "release",
    "release::carry_home",
    "set_mx",
    "set_mx::lower_ttl",
    "exchange::invoke",
    "graph",
];

/// What was learnt.
#[derive(Default)]
pub struct Past {
    /// Batches that this project made or was about to make: name in lower case →
    /// its name and its addresses.
    pub batches: BTreeMap<String, (String, BTreeSet<String>)>,
    /// When a batch was first started, by its name in lower case.
    pub started: BTreeMap<String, Timestamp>,
    /// How often the failed rows of a batch were started once more, by its name in
    /// lower case; and whether an intent to do so has no outcome yet.
    pub restarts: BTreeMap<String, (u64, bool)>,
    /// Names in lower case of batches that it removed.
    pub removed: BTreeSet<String>,
    /// People whose release has begun, and whom no later batch took up.
    pub releasing: BTreeSet<String>,
    /// People whose release is complete: address → reason.
    pub released: BTreeMap<String, String>,
    /// People whom a check or a release left where they are, and whom no later
    /// batch took up: address → reason.
    pub left: BTreeMap<String, String>,
    /// People whose copy was seen complete.
    pub synced: BTreeSet<String>,
    /// When a watch saw the copy of a batch come to its end, by the batch's name
    /// in lower case. One that found it at its end can't say.
    pub copied: BTreeMap<String, Timestamp>,
    /// Where the service forwards people because of a start of ours, as it was seen:
    /// address → TargetAddress.
    pub forwarded: BTreeMap<String, String>,
    /// People whom we gave a product that they did not hold before.
    pub given: BTreeSet<String>,
    /// Messages that the old server took back: address and Message-ID.
    pub carried: BTreeSet<String>,
    /// When the mail of a domain was switched last.
    pub switched: Option<Timestamp>,
    /// Sets whose time to live was lowered: `contoso.com MX` → when, and the
    /// seconds for which copies of the old set may live on.
    pub lowered: BTreeMap<String, (Timestamp, u32)>,
    /// Writes without a guard whose outcome nobody knows: operation and target.
    pub in_doubt: BTreeSet<(String, String)>,
    /// Objects whose baseline stands in the journal.
    pub baselines: BTreeSet<String>,
    /// The latest time of any event.
    pub newest: Option<Timestamp>,
    /// Names of the tenant that were typed before a first write, in lower case.
    pub named: BTreeSet<String>,
}

impl Past {
    /// Takes an event in, in the order in which it was written.
    pub fn learn(&mut self, event: &Event) {
        // What came from beside a run has the time of another clock.
        if !matches!(event.kind, Kind::Approval | Kind::Cancelled | Kind::Resolved) {
            self.newest = self.newest.max(Some(event.time));
        }
        if event.kind == Kind::Named {
            self.named.insert(event.target.to_lowercase());
        }
        let applied = event.body["state"] == "applied";
        let write = || (event.operation.clone(), event.target.clone());
        match event.kind {
            Kind::Intent if event.body["repeat"] == "none" => {
                self.in_doubt.insert(write());
            }
            Kind::Outcome if event.body["state"] != "in_doubt" => {
                self.in_doubt.remove(&write());
            }
            Kind::Resolved => {
                self.in_doubt.remove(&write());
            }
            _ => {}
        }
        if event.kind == Kind::Left {
            let reason = event.body["reason"].as_str().unwrap_or_default().to_owned();
            self.left.insert(address_key(&event.target), reason);
        }
        match (event.kind, event.operation.as_str()) {
            (Kind::Baseline, _) => {
                self.baselines.insert(event.target.to_lowercase());
            }
            (Kind::Intent, "batch") => {
                let rows: BTreeSet<String> = keys(&event.body["planned"]["addresses"]).collect();
                for key in &rows {
                    // A new batch takes them up again.
                    self.releasing.remove(key);
                    self.released.remove(key);
                    self.synced.remove(key);
                    self.left.remove(key);
                    self.forwarded.remove(key);
                }
                let name = event.target.to_lowercase();
                self.removed.remove(&name);
                self.copied.remove(&name);
                self.started.remove(&name);
                self.restarts.remove(&name);
                self.batches.insert(name, (event.target.clone(), rows));
            }
            (Kind::Outcome, "start") => {
                let restarts = self.restarts.entry(event.target.to_lowercase()).or_default();
                if restarts.1 && event.body["state"] != "in_doubt" {
                    *restarts = (restarts.0 + u64::from(applied), false);
                }
            }
            (Kind::Intent, "start") => {
                if is_over(&event.body["before"]["status"]) {
                    self.restarts.entry(event.target.to_lowercase()).or_default().1 = true;
                }
                self.started.entry(event.target.to_lowercase()).or_insert(event.time);
            }
            (Kind::Consequence, "start") => {
                if let Some(target) = event.body["targetAddress"].as_str() {
                    self.forwarded.insert(address_key(&event.target), target.to_owned());
                }
            }
            (Kind::Outcome, "remove") if applied => {
                self.removed.insert(event.target.to_lowercase());
            }
            (Kind::Outcome, "watch") => {
                if event.body["seen_to_end"] == true {
                    self.copied.insert(event.target.to_lowercase(), event.time);
                }
                self.synced.extend(keys(&event.body["synced"]));
                for failed in event.body["failed"].as_object().into_iter().flatten() {
                    self.synced.remove(&address_key(failed.0));
                }
            }
            (Kind::Intent, "license::assign") => {
                let sku = event.body["planned"]["licence"].as_str().unwrap_or_default();
                let held = event.body["before"]["licences"].as_array().into_iter().flatten();
                if !held.filter_map(|l| l["sku"].as_str()).any(|s| s.eq_ignore_ascii_case(sku)) {
                    self.given.insert(address_key(&event.target));
                }
            }
            (Kind::Intent, "release") => {
                self.releasing.insert(address_key(&event.target));
            }
            (Kind::Left, "release") => {
                let reason = event.body["reason"].as_str().unwrap_or_default().to_owned();
                self.released.insert(address_key(&event.target), reason);
            }
            (Kind::Outcome, "release::carry_home") if applied => {
                self.carried.insert(event.target.clone());
            }
            (Kind::Outcome, "set_mx") if applied => self.switched = Some(event.time),
            (Kind::Intent, "set_mx::lower_ttl") => {
                let ttl = event.body["before"]["set"]["ttl"].as_u64().and_then(|t| u32::try_from(t).ok());
                if let Some(ttl) = ttl {
                    self.lowered.insert(event.target.clone(), (event.time, ttl));
                }
            }
            _ => {}
        }
    }

    /// The batch of ours that a person belongs to, by its name.
    pub fn batch_of(&self, address: &str) -> Option<&str> {
        let key = address_key(address);
        self.batches.values().find(|(_, rows)| rows.contains(&key)).map(|(name, _)| name.as_str())
    }

    /// Whether a batch of ours that was not removed yet holds a person.
    pub fn under_way(&self, address: &str) -> bool {
        let key = address_key(address);
        self.batches.iter().any(|(name, (_, rows))| rows.contains(&key) && !self.removed.contains(name))
    }

    /// When the first batch of ours that holds a person was started: what lies in
    /// the cloud mailbox from before that moment was copied.
    pub fn started(&self, address: &str) -> Option<Timestamp> {
        let key = address_key(address);
        let own = self.batches.iter().filter(|(_, (_, rows))| rows.contains(&key));
        own.filter_map(|(name, _)| self.started.get(name)).min().copied()
    }

    /// Whether a batch of that name holding that person is ours.
    pub fn is_own(&self, batch: &str, address: &str) -> bool {
        self.batches.get(&batch.to_lowercase()).is_some_and(|(_, rows)| rows.contains(&address_key(address)))
    }
}

/// Whether a batch of this status has come to its end with failed rows.
fn is_over(status: &Value) -> bool {
    status.as_str().is_some_and(|s| ["failed", "syncedwitherrors"].iter().any(|over| s.eq_ignore_ascii_case(over)))
}

fn keys(list: &Value) -> impl Iterator<Item = String> + '_ {
    list.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(address_key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: Kind, operation: &str, target: &str, body: Value) -> Event {
        Event { kind, time: jiff::Timestamp::UNIX_EPOCH, operation: operation.into(), target: target.into(), body }
    }

    #[test]
    fn every_operation_that_something_is_learnt_from_is_listed() {
        let (source, _) = include_str!("past.rs").split_once("mod tests {").expect("the tests stand last");
        for kind in ["Intent", "Outcome"] {
            for named in source.split(&format!("(Kind::{kind}, \"")).skip(1) {
                let name = named.split('"').next().unwrap_or_default();
                assert!(LEARNT.contains(&name), "{name} is learnt from and never read");
            }
        }
        assert!(super::super::journal::RAW.iter().all(|raw| LEARNT.contains(raw)));
    }

    #[test]
    fn a_released_row_stays_released_until_another_batch_takes_it_up() {
        let mut past = Past::default();
        let made =
            |name: &str| event(Kind::Intent, "batch", name, json!({"planned": {"addresses": ["Ann@contoso.test"]}}));
        past.learn(&made("wave-01"));
        assert!(past.is_own("WAVE-01", "ann@contoso.test") && !past.is_own("wave-02", "ann@contoso.test"));
        past.learn(&event(Kind::Intent, "release", "Ann@contoso.test", json!({})));
        assert!(past.releasing.contains("ann@contoso.test") && past.released.is_empty());
        past.learn(&event(Kind::Left, "release", "ann@contoso.test", json!({"reason": "corrupt"})));
        past.learn(&event(Kind::Outcome, "remove", "wave-01", json!({"state": "not_applied"})));
        assert!(past.removed.is_empty() && past.under_way("ann@contoso.test"));
        past.learn(&event(Kind::Outcome, "remove", "wave-01", json!({"state": "applied"})));
        assert!(!past.under_way("ann@contoso.test"));
        assert_eq!(past.released["ann@contoso.test"], "corrupt");
        past.learn(&made("again"));
        assert!(past.released.is_empty() && past.releasing.is_empty() && past.removed.contains("wave-01"));
        assert!(past.left.is_empty());
        past.learn(&event(Kind::Left, "left", "Ann@contoso.test", json!({"reason": "no seat is free"})));
        assert_eq!(past.left["ann@contoso.test"], "no seat is free");
    }

    #[test]
    fn only_a_watch_that_saw_the_copy_end_says_when() {
        let mut past = Past::default();
        past.learn(&event(Kind::Outcome, "watch", "Wave-01", json!({"synced": ["a@b.test"]})));
        assert!(past.copied.is_empty() && past.synced.contains("a@b.test"));
        past.learn(&event(Kind::Outcome, "watch", "Wave-01", json!({"seen_to_end": true})));
        assert_eq!(past.copied["wave-01"], jiff::Timestamp::UNIX_EPOCH);
        past.learn(&event(Kind::Intent, "batch", "wave-01", json!({"planned": {"addresses": ["a@b.test"]}})));
        assert!(past.copied.is_empty(), "it is another copy");
    }

    #[test]
    fn a_start_of_failed_rows_counts_once_it_is_known_to_be_applied() {
        let mut past = Past::default();
        let start = |status: &str| event(Kind::Intent, "start", "Wave-01", json!({"before": {"status": status}}));
        let became = |state: &str| event(Kind::Outcome, "start", "Wave-01", json!({"state": state}));
        past.learn(&start("Created"));
        past.learn(&became("applied"));
        assert_eq!(past.restarts["wave-01"], (0, false), "the first start is none");
        past.learn(&start("SyncedWithErrors"));
        past.learn(&became("in_doubt"));
        assert_eq!(past.restarts["wave-01"], (0, true));
        past.learn(&became("applied"));
        assert_eq!(past.restarts["wave-01"], (1, false));
    }

    #[test]
    fn an_unguarded_write_without_outcome_stays_in_doubt() {
        let mut past = Past::default();
        let intent = || event(Kind::Intent, "graph", "POST /x", json!({"repeat": "none"}));
        past.learn(&intent());
        assert_eq!(past.in_doubt.len(), 1);
        past.learn(&event(Kind::Outcome, "graph", "POST /x", json!({"state": "in_doubt"})));
        assert_eq!(past.in_doubt.len(), 1);
        past.learn(&event(Kind::Outcome, "graph", "POST /x", json!({"state": "applied"})));
        assert!(past.in_doubt.is_empty());
        past.learn(&intent());
        past.learn(&event(Kind::Resolved, "graph", "POST /x", json!({"state": "not_applied"})));
        assert!(past.in_doubt.is_empty(), "a person has looked");
    }

    #[test]
    fn a_lowered_time_to_live_is_known_with_its_old_value() {
        let mut past = Past::default();
        let before = json!({"before": {"set": {"ttl": 86400}}});
        past.learn(&event(Kind::Intent, "set_mx::lower_ttl", "contoso.test MX", before));
        assert_eq!(past.lowered["contoso.test MX"].1, 86_400);
    }
}
