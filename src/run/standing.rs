//! Where each mailbox stands in the eleven steps, what it waits for, and the dates
//! that matter to it.
//!
//! Learnt from the events of a tenant and, where somebody looked, from what both
//! sides show now; what they show outweighs what the journal remembers. Pure:
//! nothing here reads, and nothing is decided by it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde::Serialize;
use serde_json::Value;

use super::journal::{Kind, Stored};
use crate::base::Timestamp;
use crate::migration::licences::GRACE_DAYS;
use crate::migration::routing;
use crate::wire::attributes::{address_key, domain_of};

/// Days for which the old server keeps a mailbox that was taken off its user:
/// Exchange's usual deleted-mailbox retention. A database may have another.
pub const KEPT_DAYS: i64 = 30;

/// Where a mailbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// On a list, in no batch.
    Listed,
    /// In a batch that was not started.
    Batched,
    /// Forwarded, and its copy is under way.
    Copying,
    /// Its copy failed; it is forwarded.
    Failed,
    /// Its release has begun.
    Releasing,
    /// Its copy is complete; Outlook opens the old mailbox still.
    Copied,
    /// A mail user on premises; the mail from outside takes the old way.
    Converted,
    /// The mail of its domain goes to the cloud.
    Switched,
    /// Its batch is deleted: the migration is over for it.
    Done,
    /// Left where it was, whole.
    Left,
}

impl Place {
    /// Each, in the order of the steps.
    pub const ALL: [Place; 10] = [
        Place::Listed,
        Place::Batched,
        Place::Copying,
        Place::Failed,
        Place::Releasing,
        Place::Copied,
        Place::Converted,
        Place::Switched,
        Place::Done,
        Place::Left,
    ];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Place::Listed => "listed",
            Place::Batched => "in a batch",
            Place::Copying => "copying",
            Place::Failed => "copy failed",
            Place::Releasing => "being released",
            Place::Copied => "copied",
            Place::Converted => "converted",
            Place::Switched => "mail switched",
            Place::Done => "done",
            Place::Left => "left whole",
        }
    }

    /// The last of the eleven steps that is through; 0 for who was left.
    pub fn step(self) -> u8 {
        match self {
            Place::Left => 0,
            Place::Listed => 4,
            Place::Batched => 6,
            Place::Copying | Place::Failed | Place::Releasing | Place::Copied => 7,
            Place::Converted => 8,
            Place::Switched => 9,
            Place::Done => 10,
        }
    }
}

/// What both sides show of one mailbox now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The directory on premises has an object with the address.
    pub on_premises: bool,
    /// It has a mailbox there (homeMDB).
    pub old_mailbox: bool,
    /// TargetAddress.
    pub forwarded_to: Option<String>,
    /// The tenant has a user with the address.
    pub in_cloud: bool,
    /// Exchange Online has a mailbox for it.
    pub cloud_mailbox: bool,
    /// It holds a licence.
    pub licensed: bool,
    /// Its row: batch, status, the service's words about a failure.
    pub row: Option<(String, String, String)>,
    /// Whether the MX of its domain leads to the cloud, if anybody could be asked.
    pub mail_in_cloud: Option<bool>,
}

/// A date that matters to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deadline {
    /// What happens, or may happen from then on.
    pub what: &'static str,
    /// When.
    pub at: Timestamp,
    /// Whether it has passed.
    pub over: bool,
}

/// Where one mailbox stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Address, as it was first named.
    pub address: String,
    /// Where.
    pub place: Place,
    /// The last of the eleven steps that is through.
    pub step: u8,
    /// Its batch; empty if none.
    pub batch: String,
    /// Since when, as far as anybody wrote it down.
    pub since: Option<Timestamp>,
    /// What it waits for; empty if for nothing.
    pub waits_for: String,
    /// Dates, the next one first.
    pub deadlines: Vec<Deadline>,
    /// Why it was left, or what the service said about its copy.
    pub reason: String,
    /// Run that did the last of it.
    pub run: String,
    /// Where what is seen and what the journal remembers differ.
    pub differs: String,
}

/// What the journal remembers of one mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Address, as it was first named.
    pub address: String,
    /// Name of its batch in lower case.
    pub batch: String,
    /// When its licence was given by us.
    pub licensed: Option<Timestamp>,
    /// When a watch first saw its copy complete.
    pub copied: Option<Timestamp>,
    /// What the service said about its failed copy.
    pub failed: Option<(Timestamp, String)>,
    /// When its release began.
    pub releasing: Option<Timestamp>,
    /// When and why it was left.
    pub left: Option<(Timestamp, String)>,
    /// When it was converted, and by which run.
    pub converted: Option<(Timestamp, String)>,
    /// Run that last did something to it.
    pub run: String,
}

/// What the journal remembers of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub made: Option<Timestamp>,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// When it was deleted.
    pub removed: Option<Timestamp>,
}

/// Hours and days of the project that decide dates.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// Days between the end of a copy and the conversion, at most.
    pub conversion_days: i64,
    /// Hours between the MX change and the removal of batches.
    pub mx_hours: i64,
}

/// What the journal remembers of everybody.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    people: BTreeMap<String, Remembered>,
    batches: BTreeMap<String, Batch>,
    /// When the mail of a domain was switched last.
    switched: BTreeMap<String, Timestamp>,
    last: Option<Timestamp>,
}

impl Standings {
    /// Takes an event in, in the order in which it was written.
    pub fn learn(&mut self, stored: &Stored) {
        let event = &stored.event;
        self.last = self.last.max(Some(event.time));
        let applied = event.kind == Kind::Outcome && event.body["state"] == "applied";
        let name = event.target.to_lowercase();
        match (event.kind, event.operation.as_str()) {
            (Kind::Intent, "batch") => {
                let batch = Batch { name: event.target.clone(), ..Batch::default() };
                self.batches.insert(name.clone(), batch);
                for address in texts(&event.body["planned"]["addresses"]) {
                    // A batch takes them up anew, whatever was before.
                    let person = self.person(&address, &stored.run);
                    let (address, licensed) = (person.address.clone(), person.licensed);
                    *person = Remembered {
                        address,
                        licensed,
                        batch: name.clone(),
                        run: stored.run.clone(),
                        ..Remembered::default()
                    };
                }
            }
            (Kind::Outcome, "batch") if applied => {
                self.batches.entry(name).or_default().made = Some(event.time);
            }
            (Kind::Outcome, "batch") if event.body["state"] == "not_applied" => {
                self.batches.remove(&name);
                self.people.values_mut().filter(|p| p.batch == name).for_each(|p| p.batch.clear());
            }
            (Kind::Outcome, "start") if applied => {
                self.batches.entry(name).or_default().started.get_or_insert(event.time);
            }
            (Kind::Outcome, "remove") if applied => {
                self.batches.entry(name).or_default().removed = Some(event.time);
            }
            (Kind::Outcome, "watch") => self.learn_watch(stored),
            (Kind::Outcome, "license::assign") if applied => {
                self.person(&event.target, &stored.run).licensed.get_or_insert(event.time);
            }
            (Kind::Outcome, "convert_to_mail_user") if applied => {
                let person = self.person(&event.target, &stored.run);
                person.converted = Some((event.time, stored.run.clone()));
                (person.left, person.failed, person.releasing) = (None, None, None);
            }
            (Kind::Intent, "release") => {
                self.person(&event.target, &stored.run).releasing = Some(event.time);
            }
            (Kind::Outcome, "undo::mailbox") if applied => {
                let person = self.person(&event.target, &stored.run);
                (person.converted, person.copied, person.failed, person.releasing) = (None, None, None, None);
                person.left = Some((event.time, "it was taken back: `stagepost undo`".to_owned()));
            }
            (Kind::Outcome, "set_mx" | "undo::zone") if applied && event.target.ends_with(" MX") => {
                let domain = domain_of_set(&event.target);
                let values = texts(&event.body["after"]["set"]["values"]);
                match values.iter().any(|v| routing::is_cloud_host(routing::mx_host(v))) {
                    true => self.switched.insert(domain, event.time),
                    // Switched back.
                    false => self.switched.remove(&domain),
                };
            }
            (Kind::Left, _) => {
                let reason = event.body["reason"].as_str().unwrap_or_default().to_owned();
                let person = self.person(&event.target, &stored.run);
                person.left = Some((event.time, reason));
                person.releasing = None;
            }
            // Whatever gave the mailbox back.
            (Kind::Outcome, _) if applied && !event.body["after"]["homeMDB"].is_null() => {
                if let Some(person) = self.people.get_mut(&address_key(&event.target)) {
                    person.converted = None;
                }
            }
            _ => {}
        }
    }

    fn learn_watch(&mut self, stored: &Stored) {
        let event = &stored.event;
        for address in texts(&event.body["synced"]) {
            let person = self.person(&address, &stored.run);
            person.copied.get_or_insert(event.time);
            person.failed = None;
        }
        for (address, words) in event.body["failed"].as_object().into_iter().flatten() {
            let person = self.person(address, &stored.run);
            person.copied = None;
            person.failed.get_or_insert((event.time, words.as_str().unwrap_or_default().to_owned()));
        }
    }

    fn person(&mut self, address: &str, run: &str) -> &mut Remembered {
        let person = self.people.entry(address_key(address)).or_default();
        if person.address.is_empty() {
            person.address = address.to_owned();
        }
        run.clone_into(&mut person.run);
        person
    }

    /// Everybody of whom the journal tells, by address in lower case.
    pub fn known(&self) -> BTreeSet<String> {
        self.people.keys().cloned().collect()
    }

    /// What the journal remembers of somebody.
    pub fn remembered(&self, address: &str) -> Option<&Remembered> {
        self.people.get(&address_key(address))
    }

    /// What the journal remembers of a batch.
    pub fn batch(&self, name: &str) -> Option<&Batch> {
        self.batches.get(&name.to_lowercase())
    }

    /// When the mail of a domain was switched, if it was.
    pub fn switched(&self, domain: &str) -> Option<Timestamp> {
        self.switched.get(&domain.to_lowercase()).copied()
    }

    /// When the last event was written.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Where somebody stands.
    pub fn of(&self, address: &str, seen: Option<&Seen>, waits: Waits, now: Timestamp) -> Standing {
        let nobody = Remembered { address: address.to_owned(), ..Remembered::default() };
        let person = self.remembered(address).unwrap_or(&nobody);
        let batch = self.batches.get(&person.batch);
        let switched = self.switched(&domain_of(address));
        let remembered = place_of(person, batch, switched.is_some());
        let place = seen.map_or(remembered, |seen| {
            let mail = seen.mail_in_cloud.unwrap_or(switched.is_some());
            seen_place(seen, remembered, person, batch, mail)
        });
        let started = batch.and_then(|b| b.started);
        let removal = switched.map(|s| routing::batches_may_go(s, waits.mx_hours));
        let name = match (batch, seen.and_then(|s| s.row.as_ref())) {
            (Some(batch), _) => batch.name.clone(),
            (None, Some((batch, ..))) => batch.clone(),
            (None, None) => String::new(),
        };
        let since = match place {
            Place::Listed => None,
            Place::Batched => batch.and_then(|b| b.made),
            Place::Copying => started,
            Place::Failed => person.failed.as_ref().map(|f| f.0),
            Place::Releasing => person.releasing,
            Place::Copied => person.copied,
            Place::Converted => person.converted.as_ref().map(|c| c.0),
            Place::Switched => switched,
            Place::Done => batch.and_then(|b| b.removed),
            Place::Left => person.left.as_ref().map(|l| l.0),
        };
        let reason = match place {
            Place::Left => person.left.as_ref().map(|l| l.1.clone()),
            Place::Failed | Place::Releasing => {
                let told = seen.and_then(|s| s.row.as_ref()).map(|(.., words)| words.clone()).filter(|w| !w.is_empty());
                told.or_else(|| person.failed.as_ref().map(|f| f.1.clone()))
            }
            _ => None,
        };
        let licensed = seen.map_or(person.licensed.is_some(), |s| s.licensed);
        let dates = Dates { started, removal, licensed, waits, now };
        Standing {
            address: person.address.clone(),
            place,
            step: place.step(),
            since,
            waits_for: waits_for(place, &name, &domain_of(address), removal, now),
            deadlines: dates.of(place, person),
            reason: reason.unwrap_or_default(),
            run: person.run.clone(),
            differs: match place == remembered || person.run.is_empty() {
                true => String::new(),
                false => format!("the journal remembers it as {}", remembered.words()),
            },
            batch: name,
        }
    }
}

/// By the journal alone.
fn place_of(person: &Remembered, batch: Option<&Batch>, switched: bool) -> Place {
    if person.converted.is_some() {
        return moved(batch, switched);
    }
    if person.left.is_some() {
        return Place::Left;
    }
    if person.releasing.is_some() {
        return Place::Releasing;
    }
    if person.failed.is_some() {
        return Place::Failed;
    }
    if person.copied.is_some() {
        return Place::Copied;
    }
    match batch {
        None => Place::Listed,
        Some(batch) if batch.started.is_some() => Place::Copying,
        Some(_) => Place::Batched,
    }
}

fn moved(batch: Option<&Batch>, switched: bool) -> Place {
    match (switched, batch.is_some_and(|b| b.removed.is_some())) {
        (true, true) => Place::Done,
        (true, false) => Place::Switched,
        (false, _) => Place::Converted,
    }
}

/// By what both sides show; what they can't show is remembered.
fn seen_place(seen: &Seen, remembered: Place, person: &Remembered, batch: Option<&Batch>, switched: bool) -> Place {
    let status = seen.row.as_ref().map(|(_, status, _)| status.as_str()).unwrap_or_default();
    let is = |words: &[&str]| words.iter().any(|w| w.eq_ignore_ascii_case(status));
    let copied = is(&["Synced", "Completed", "CompletedWithWarnings", "IncrementalSynced"]);
    match (seen.old_mailbox, seen.forwarded_to.is_some()) {
        // A row that is there says that its batch is, too.
        (false, true) => moved(batch.filter(|_| seen.row.is_none()), switched),
        (true, true) if person.releasing.is_some() && person.left.is_none() => Place::Releasing,
        (true, true) if copied => Place::Copied,
        (true, true) if is(&["Failed", "Corrupted", "Stopped"]) || seen.row.is_none() => Place::Failed,
        (true, true) => Place::Copying,
        (true, false) | (false, false) => match remembered {
            // It has been given back, or never began.
            Place::Left => Place::Left,
            _ if seen.row.is_some() && !is(&["Failed", "Corrupted", "Stopped"]) => Place::Batched,
            Place::Releasing => Place::Releasing,
            _ => Place::Listed,
        },
    }
}

fn waits_for(place: Place, batch: &str, domain: &str, removal: Option<Timestamp>, now: Timestamp) -> String {
    match place {
        Place::Listed => "a batch".to_owned(),
        Place::Batched => format!("the start of {batch}"),
        Place::Copying => "the end of its copy".to_owned(),
        Place::Failed => "its release: it is forwarded".to_owned(),
        Place::Releasing => "the end of its release".to_owned(),
        Place::Copied => "its conversion".to_owned(),
        Place::Converted => format!("the MX of {domain}"),
        Place::Switched if removal.is_some_and(|at| at > now) => {
            format!("the removal of {}, not yet allowed", if batch.is_empty() { "its batch" } else { batch })
        }
        Place::Switched => format!("the removal of {}", if batch.is_empty() { "its batch" } else { batch }),
        Place::Done | Place::Left => String::new(),
    }
}

struct Dates {
    started: Option<Timestamp>,
    removal: Option<Timestamp>,
    licensed: bool,
    waits: Waits,
    now: Timestamp,
}

impl Dates {
    fn of(&self, place: Place, person: &Remembered) -> Vec<Deadline> {
        let days = |from: Timestamp, days: i64| from.checked_add(SignedDuration::from_hours(24 * days)).ok();
        let under_way = matches!(place, Place::Copying | Place::Copied | Place::Failed | Place::Releasing);
        let has_moved = matches!(place, Place::Converted | Place::Switched | Place::Done);
        let grace = self.started.filter(|_| !self.licensed && (under_way || has_moved));
        let late = person.copied.filter(|_| place == Place::Copied);
        let purge = person.converted.as_ref().map(|c| c.0).filter(|_| has_moved);
        let all = [
            ("without a licence its cloud mailbox is disconnected", grace.and_then(|t| days(t, GRACE_DAYS))),
            (
                "converted later, what was done in the old mailbox meanwhile is lost",
                late.and_then(|t| days(t, self.waits.conversion_days)),
            ),
            ("its batch may be deleted", self.removal.filter(|_| place == Place::Switched)),
            ("the old server purges its old mailbox: no way back after that", purge.and_then(|t| days(t, KEPT_DAYS))),
        ];
        let mut dates: Vec<Deadline> =
            all.into_iter().filter_map(|(what, at)| at.map(|at| Deadline { what, at, over: at < self.now })).collect();
        dates.sort_by_key(|d| (d.over, d.at));
        dates
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// `contoso.com MX` → `contoso.com`
fn domain_of_set(target: &str) -> String {
    target.split_whitespace().next().unwrap_or_default().trim_end_matches('.').to_lowercase()
}

#[cfg(test)]
mod tests;
