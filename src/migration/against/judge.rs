//! One row at a time: what is said about it, and what is left unsaid because
//! it follows from something else.
//!
//! Every rule is asked by itself; the table says whether it is judged for the
//! kind, how gravely, and what it silences. Licences are counted over all rows
//! and stand in `seats`.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{InCloud, OnPremises, Situation};
use super::ids::*;
use super::rules::of;
use super::{Aside, Said};
use crate::migration::kind::Kind;
use crate::migration::rules::Severity;
use crate::wire::attributes::{Proxy, address_key, dn_key, domain_of};

/// Mailboxes of one container that are all missing in the cloud before the
/// container is taken to be outside the scope.
const WHOLE_CONTAINER: usize = 3;

/// What is looked up for every row.
pub(super) struct Index<'a> {
    situation: &'a Situation,
    kind: Kind,
    /// SMTP address → places in `on_premises`.
    old: BTreeMap<String, Vec<usize>>,
    /// SMTP address → places in `in_cloud`.
    new: BTreeMap<String, Vec<usize>>,
    /// SMTP address in quarantine → place in `in_cloud`.
    quarantined: BTreeMap<String, usize>,
    /// Containers of which nobody came to the cloud, though others did.
    empty_containers: BTreeSet<String>,
    /// Who works with whom: address → addresses of others whose mailbox is not
    /// in the list, and whether the row is the owner.
    left_out: BTreeMap<String, Vec<(String, bool)>>,
    batches: BTreeMap<String, &'a str>,
    /// Addresses of the list.
    listed: BTreeSet<String>,
}

/// One row's verdict.
pub(super) struct Verdict {
    /// What is said, in the order of judging.
    pub said: Vec<Said>,
    /// It was converted before.
    pub done: bool,
    /// The user of the tenant who has the address.
    pub user: Option<usize>,
    /// The object on premises.
    pub person: Option<usize>,
}

impl<'a> Index<'a> {
    pub(super) fn new(kind: Kind, situation: &'a Situation) -> Index<'a> {
        let new = holders(situation.in_cloud.iter().map(|c| c.proxies.as_slice()));
        let quarantined = situation.in_cloud.iter().enumerate().flat_map(|(place, user)| {
            let smtp = user.conflicts.iter().map(|(_, value)| Proxy::parse(value)).filter(|p| p.kind == "smtp");
            smtp.map(move |p| (address_key(&p.address), place))
        });
        Index {
            kind,
            old: holders(situation.on_premises.iter().map(|o| o.proxies.as_slice())),
            quarantined: quarantined.collect(),
            empty_containers: empty_containers(situation, &new),
            left_out: left_out(situation),
            batches: situation.batches.iter().map(|(a, b)| (address_key(a), b.as_str())).collect(),
            listed: situation.list.addresses().iter().map(|a| address_key(a)).collect(),
            new,
            situation,
        }
    }

    /// Judges a row.
    pub(super) fn row(&self, address: &str) -> Verdict {
        let key = address_key(address);
        let old = self.old.get(&key).map_or(&[][..], Vec::as_slice);
        let place = pick(old, &self.situation.on_premises, &key);
        let person = place.and_then(|i| self.situation.on_premises.get(i));
        let users = self.new.get(&key).map_or(&[][..], Vec::as_slice);
        let cloud: Vec<&InCloud> = users.iter().filter_map(|i| self.situation.in_cloud.get(*i)).collect();
        let mut row = Row { index: self, said: Vec::new() };
        let mut verdict = Verdict { said: Vec::new(), done: false, user: users.first().copied(), person: place };
        match person {
            None => row.say(NOT_ON_PREMISES, "no object on premises has the address"),
            Some(person) if row.is_converted(person, &cloud) => {
                row.x500(person);
                verdict.done = true;
                verdict.said = row.said;
                return verdict;
            }
            Some(person) => {
                row.on_premises(person, &key, &cloud);
                row.addresses(person);
                row.people(person, &key);
            }
        }
        row.quarantine(&key, &cloud);
        row.scope(person, &cloud);
        row.in_cloud(person, &cloud);
        if let Some(batch) = self.batches.get(&key) {
            row.say(OTHER_BATCH, format!("the mailbox is in the batch {batch} already"));
        }
        verdict.said = unsilenced(row.said);
        verdict
    }
}

/// Leaves out what follows from something else that is said as gravely.
pub(super) fn unsilenced(mut said: Vec<Said>) -> Vec<Said> {
    let silent: BTreeSet<(&str, Severity)> = silenced(&said).collect();
    // Errors come before warnings in the order of severities.
    said.retain(|s| !silent.iter().any(|(rule, by)| *rule == s.rule && *by <= s.severity));
    said
}

/// Rules that these silence, and how grave the silencing one is.
pub(super) fn silenced(said: &[Said]) -> impl Iterator<Item = (&'static str, Severity)> + '_ {
    said.iter()
        .filter_map(|s| Some((of(s.rule)?, s.severity)))
        .flat_map(|(rule, severity)| rule.silences.iter().map(move |id| (*id, severity)))
}

/// Of several objects the one whose primary address it is, else one with a
/// mailbox, else the first.
fn pick(candidates: &[usize], all: &[OnPremises], key: &str) -> Option<usize> {
    let found = candidates.iter().filter_map(|i| Some((*i, all.get(*i)?)));
    found.min_by_key(|(i, o)| (address_key(&o.address) != key, !o.has_mailbox, *i)).map(|(i, _)| i)
}

/// Who holds which SMTP address.
fn holders<'a>(proxies: impl Iterator<Item = &'a [String]>) -> BTreeMap<String, Vec<usize>> {
    let mut holders: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, proxies) in proxies.enumerate() {
        for proxy in proxies.iter().map(|p| Proxy::parse(p)).filter(|p| p.kind == "smtp") {
            let list = holders.entry(address_key(&proxy.address)).or_default();
            if list.last() != Some(&index) {
                list.push(index);
            }
        }
    }
    holders
}

/// Containers with several mailboxes none of which has a user in the tenant,
/// while those of other containers have.
fn empty_containers(situation: &Situation, new: &BTreeMap<String, Vec<usize>>) -> BTreeSet<String> {
    let mut counted: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mailboxes = situation.on_premises.iter().filter(|o| o.has_mailbox && !o.system && !o.is_linked());
    for person in mailboxes.filter(|o| o.skipped.is_none() && !o.alias.is_empty()) {
        let (all, came) = counted.entry(person.container()).or_default();
        *all += 1;
        *came += usize::from(new.contains_key(&address_key(&person.address)));
    }
    if counted.values().all(|(_, came)| *came == 0) {
        return BTreeSet::new();
    }
    counted.into_iter().filter(|(_, (all, came))| *all >= WHOLE_CONTAINER && *came == 0).map(|(name, _)| name).collect()
}

/// Of each row those who work with it and are neither in the list nor moved.
fn left_out(situation: &Situation) -> BTreeMap<String, Vec<(String, bool)>> {
    let listed: BTreeSet<String> = situation.list.iter().map(|row| row.key()).collect();
    let pairs = situation.delegates();
    if pairs.is_empty() {
        return BTreeMap::new();
    }
    let stay: BTreeSet<String> = situation
        .on_premises
        .iter()
        .filter(|o| o.has_mailbox && !o.system)
        .map(|o| address_key(&o.address))
        .filter(|key| !listed.contains(key))
        .collect();
    let mut found: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
    for (owner, delegate) in pairs {
        let (owner_key, delegate_key) = (address_key(&owner), address_key(&delegate));
        if stay.contains(&delegate_key) {
            found.entry(owner_key).or_default().push((delegate, true));
        } else if stay.contains(&owner_key) {
            found.entry(delegate_key).or_default().push((owner, false));
        }
    }
    found
}

struct Row<'a> {
    index: &'a Index<'a>,
    said: Vec<Said>,
}

impl Row<'_> {
    /// Says what a rule found, if the rule is judged for the kind.
    fn say(&mut self, id: &'static str, text: impl Into<String>) {
        if let Some(severity) = of(id).and_then(|r| r.severity(self.index.kind)) {
            self.said.push(Said { rule: id, severity, text: text.into() });
        }
    }

    /// Whether the object was turned into a mail user before, and its mailbox is
    /// in the cloud.
    fn is_converted(&self, person: &OnPremises, cloud: &[&InCloud]) -> bool {
        self.index.kind != Kind::Imap
            && !person.has_mailbox
            && leads_to(person, cloud)
            && cloud.iter().any(|c| c.is_mailbox())
    }

    fn x500(&mut self, person: &OnPremises) {
        let own = format!("x500:{}", person.legacy_dn.to_lowercase());
        if !person.legacy_dn.is_empty() && !person.proxies.iter().any(|p| p.to_lowercase() == own) {
            self.say(NO_X500, "it was converted without its X.500 name: replies to old mail come back");
        }
    }

    /// The object itself.
    fn on_premises(&mut self, person: &OnPremises, key: &str, cloud: &[&InCloud]) {
        let leads_to_cloud = leads_to(person, cloud);
        if !person.has_mailbox {
            self.say(
                NO_MAILBOX,
                match leads_to_cloud {
                    true => "the mailbox was converted, but the cloud has no mailbox for it",
                    false => "the object on premises has no mailbox",
                },
            );
        }
        if person.system {
            self.say(SYSTEM, "it is a system mailbox");
        }
        if address_key(&person.address) != key {
            let primary = &person.address;
            let too =
                if self.index.listed.contains(&address_key(primary)) { ", which stands in the list, too" } else { "" };
            self.say(NOT_PRIMARY, format!("the primary address of the mailbox is {primary}{too}"));
        }
        if person.hidden {
            self.say(HIDDEN, "the mailbox is hidden from address lists, where the service looks for it");
        }
        if person.um_enabled {
            self.say(UNIFIED_MESSAGING, "Unified Messaging is on for the mailbox");
        }
        if person.is_linked() {
            self.say(LINKED_MAILBOX, "it is a linked mailbox");
        }
        if person.alias.is_empty() {
            self.say(NO_ALIAS, "the object has no alias");
        }
        if let Some(target) = person.target_address.as_deref().filter(|_| !leads_to_cloud && !cloud.is_empty()) {
            self.say(FORWARDED, format!("the mailbox is forwarded to {target}"));
        }
    }

    /// Its addresses.
    fn addresses(&mut self, person: &OnPremises) {
        let index = self.index;
        let verified = &index.situation.tenant.verified;
        let mut unverified = BTreeSet::new();
        let me = dn_key(&person.dn);
        for proxy in person.proxies.iter().map(|p| Proxy::parse(p)).filter(|p| p.kind == "smtp") {
            let address = address_key(&proxy.address);
            let others = index.old.get(&address).into_iter().flatten();
            let mut others = others.filter_map(|i| index.situation.on_premises.get(*i));
            // Whom imap moves, no directory on premises has to know.
            let shared = others.find(|o| dn_key(&o.dn) != me).filter(|_| index.kind != Kind::Imap);
            if let Some(other) = shared {
                self.say(SHARED_ADDRESS, format!("{address} belongs to {} as well", other.dn));
            }
            let domain = domain_of(&address);
            if !verified.is_empty() && !verified.contains(&domain) && unverified.insert(domain.clone()) {
                self.say(UNVERIFIED, format!("{address} is of the domain {domain}, which the tenant has not verified"));
            }
        }
    }

    /// Who signs in to it, and who works in it.
    fn people(&mut self, person: &OnPremises, key: &str) {
        if person.is_of_a_person() {
            let verified = &self.index.situation.tenant.verified;
            let suffix = domain_of(&person.upn);
            if !person.upn.is_empty() && !verified.is_empty() && !verified.contains(&suffix) {
                let text = format!("the sign-in name {} is of a domain that the tenant has not verified", person.upn);
                self.say(UPN_SUFFIX, text);
            }
            if !person.upn.is_empty() && address_key(&person.upn) != address_key(&person.address) {
                self.say(UPN_UNLIKE, format!("the person signs in as {}", person.upn));
            }
            if !person.enabled {
                self.say(DISABLED, "the account is disabled");
            }
        }
        let index = self.index;
        for (other, is_owner) in index.left_out.get(key).into_iter().flatten() {
            self.say(
                DELEGATE_LEFT_OUT,
                match is_owner {
                    true => format!("{other} works in the mailbox and is not in the list"),
                    false => format!("it works in the mailbox of {other}, who is not in the list"),
                },
            );
        }
    }

    /// What synchronization could not give the person.
    fn quarantine(&mut self, key: &str, cloud: &[&InCloud]) {
        let index = self.index;
        let own = cloud.iter().flat_map(|c| &c.conflicts);
        // A quarantined primary address is found at nobody: by its value only.
        let missed = index.quarantined.get(key).and_then(|i| index.situation.in_cloud.get(*i));
        let missed = missed.filter(|user| !cloud.iter().any(|c| c.id == user.id)).into_iter();
        let missed = missed.flat_map(|user| &user.conflicts);
        let missed = missed.filter(|(_, value)| Proxy::parse(value).kind == "smtp" && address_key(value) == key);
        let all: Vec<&(String, String)> = own.chain(missed).collect();
        for (property, value) in all {
            self.say(CONFLICT, format!("synchronization left {value} out of {property} because another object has it"));
        }
    }

    /// Whether synchronization would bring the person at all.
    fn scope(&mut self, person: Option<&OnPremises>, cloud: &[&InCloud]) {
        let Some(person) = person.filter(|p| p.has_mailbox && cloud.is_empty() && !p.system) else { return };
        if let Some(why) = person.skipped {
            return self.say(OUT_OF_SCOPE, format!("synchronization passes the object over: {why}"));
        }
        let container = person.container();
        if self.index.empty_containers.contains(&container) {
            self.say(OUT_OF_SCOPE, format!("nobody of {container} is in the cloud, while others are"));
        }
    }

    /// The user of the tenant.
    fn in_cloud(&mut self, person: Option<&OnPremises>, cloud: &[&InCloud]) {
        let index = self.index;
        let Some(first) = cloud.first() else {
            self.say(NOT_IN_CLOUD, "no user of the tenant has the address");
            return self.say(NO_CLOUD_MAILBOX, "no user of the tenant has the address");
        };
        // Nothing of the cloud is judged beside an address that is not the person's.
        let foreign = |s: &Said| [NOT_PRIMARY, NOT_ON_PREMISES, SYSTEM].contains(&s.rule);
        if cloud.len() > 1 && !self.said.iter().any(foreign) {
            let names: Vec<&str> = cloud.iter().map(|c| c.upn.as_str()).collect();
            let text = format!("{} users of the tenant have the address: {}", cloud.len(), names.join(", "));
            self.say(SHARED_ADDRESS, text);
        }
        let kind = first.recipient_type.as_str();
        if !first.is_mailbox() {
            let text = match kind {
                "" => format!("the user {} is no recipient", first.upn),
                kind => format!("the cloud object is a {kind}, not a mailbox"),
            };
            self.say(NO_CLOUD_MAILBOX, text);
        }
        if first.is_mailbox() {
            self.second_mailbox(person, first);
        } else if kind.is_empty() {
            self.say(NOT_IN_CLOUD, format!("the user {} is no mail user yet", first.upn));
        } else if index.kind == Kind::Cutover {
            self.say(
                WRONG_RECIPIENT,
                format!("the cloud has a {kind} of the address, where the service makes a mailbox"),
            );
        } else if !kind.eq_ignore_ascii_case("MailUser") {
            self.say(WRONG_RECIPIENT, format!("the cloud object is a {kind}, not a mail user"));
        }
        if let Some(person) = person {
            self.routing(person, first);
            self.guid(person, first);
        }
    }

    fn second_mailbox(&mut self, person: Option<&OnPremises>, user: &InCloud) {
        // Only a batch makes a mailbox without a licence, writes targetAddress, or
        // leaves the cloud's X500 behind on premises.
        let traces = person.is_some_and(|p| {
            p.target_address.is_some()
                || p.proxies.iter().any(|x| x.to_ascii_lowercase().starts_with("x500:/o=exchangelabs"))
        });
        if !user.licensed || traces {
            return;
        }
        // The service takes a mailbox that is there (documented after an earlier
        // try; otherwise unconfirmed), and a row that it refuses can be given back.
        // Left alone, the person would have two for good.
        self.say(
            SECOND_MAILBOX,
            match self.index.kind {
                Kind::RemoteMove => "the cloud has a mailbox for the person already, and a move makes one of its own",
                _ => "the cloud has a mailbox for the person that no batch has made; the old one is copied into it",
            },
        );
    }

    /// Whether the old side can send to the new one.
    fn routing(&mut self, person: &OnPremises, user: &InCloud) {
        let index = self.index;
        let tenant = &index.situation.tenant;
        if tenant.initial.is_empty() {
            return;
        }
        let routes = |proxies: &[String]| {
            proxies.iter().map(|p| Proxy::parse(p)).any(|p| p.kind == "smtp" && tenant.routes(&p.address))
        };
        if index.kind == Kind::RemoteMove {
            let text = match (routes(&person.proxies), routes(&user.proxies)) {
                (true, true) => return,
                (false, true) => "the mailbox on premises has no address of the tenant",
                (true, false) => "the address of the tenant is on premises only: the mail user of the cloud lacks it",
                (false, false) => "neither the mailbox nor the mail user of the cloud has an address of the tenant",
            };
            return self.say(NO_ROUTING, text);
        }
        if routes(&user.proxies) {
            return;
        }
        if user.is_mailbox() {
            return self.say(NO_ROUTING, "the cloud mailbox has no address of the tenant to forward to");
        }
        // A mail user gets one when its mailbox is made, if nobody else holds it.
        let alias = if user.alias.is_empty() { person.alias.replace(' ', "") } else { user.alias.clone() };
        let address = format!("{alias}@{}", tenant.initial).to_lowercase();
        let holder = index.new.get(&address).and_then(|h| h.first()).and_then(|i| index.situation.in_cloud.get(*i));
        if let Some(holder) = holder.filter(|h| h.id != user.id && !alias.is_empty()) {
            self.say(NO_ROUTING, format!("{address}, to which mail would be forwarded, belongs to {}", holder.upn));
        }
    }

    fn guid(&mut self, person: &OnPremises, user: &InCloud) {
        if user.is_mailbox() || person.guid.is_none() || person.guid == user.guid {
            return;
        }
        self.say(
            OTHER_GUID,
            match user.guid {
                None => "the mail user of the cloud has no Exchange GUID",
                Some(_) => "the mail user of the cloud has the Exchange GUID of another mailbox",
            },
        );
    }
}

/// Whether targetAddress is an address of these users.
fn leads_to(person: &OnPremises, cloud: &[&InCloud]) -> bool {
    person.target_address.as_deref().is_some_and(|target| {
        let target = address_key(target);
        cloud.iter().any(|c| c.proxies.iter().any(|p| address_key(p) == target))
    })
}

/// Whether something said keeps the row where it is.
pub(super) fn stays(said: &[Said]) -> bool {
    said.iter().any(|s| s.severity == Severity::Error)
}

/// As [`Aside`], for a row.
pub(super) fn aside(address: &str, said: Said) -> Aside {
    let remedy = of(said.rule).map_or("", |r| r.rule.remedy).to_owned();
    Aside { address: address.to_owned(), rule: said.rule, reason: said.text, remedy, everybody: false }
}
