//! People taken home: the mailbox opens on premises again, and their mail goes
//! there from both sides.
//!
//! The order loses nothing. First the directory object becomes a mailbox again
//! and the forwarding goes, in one modify, so that whatever reaches the old host
//! stays there. A synchronization tells the cloud. What arrived in the cloud
//! mailbox is then handed to the old server, twice, for mail goes on arriving
//! while it is done. Last the cloud mailbox gives way: its licence stays, the
//! mailbox plan of it is switched off, so that the cloud sends on what its own
//! side writes, and the service keeps the mailbox for thirty days.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::inverse::{self, Difference, Pair};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::migration::conversion::CloudMailbox;
use crate::migration::difference::difference;
use crate::run::gate::{self, Change, Observed, Outcome, Repeat, Verdict, WayBack};
use crate::run::recipients::{self, ATTRIBUTES, image};
use crate::run::report::plural;
use crate::run::session::Session;
use crate::run::synchronize::cycle_after;
use crate::run::{convert, licences, waiting};
use crate::wire::attributes::{Entry, Proxy, address_key, domain_of};

/// One person, and what a run did to the object.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Address.
    pub address: String,
    /// Conversions, the newest first.
    pub conversions: Vec<Pair>,
    /// TargetAddress before the first touch.
    pub target_before: Option<String>,
    /// TargetAddress as the service wrote it, where that was seen.
    pub forwarded: Option<String>,
    /// Until when the old mailbox can be opened again.
    pub until: Option<Timestamp>,
}

/// Directory objects that become what they were, each by one guarded modify.
pub struct Home {
    people: BTreeMap<String, Person>,
    order: Vec<String>,
    cloud: Arc<BTreeMap<String, Arc<CloudMailbox>>>,
    initial_domain: String,
}

impl Home {
    /// Of these people.
    ///
    /// # Errors
    /// Those of Exchange.
    pub async fn of(session: &Session, people: &[Person]) -> Result<Home> {
        let cloud = if people.is_empty() { Arc::default() } else { recipients::cloud_mailboxes(session).await? };
        Ok(Home {
            order: people.iter().map(|p| p.address.clone()).collect(),
            people: people.iter().map(|p| (address_key(&p.address), p.clone())).collect(),
            cloud,
            initial_domain: session.profile().tenant.initial_domain.to_lowercase(),
        })
    }

    /// Whether somebody's cloud mailbox is open.
    pub fn has_cloud(&self, address: &str) -> bool {
        self.cloud.contains_key(&address_key(address))
    }

    /// The object as it was before the run, as far as it is ours.
    fn before(&self, address: &str, now: &Entry) -> Result<Entry, Vec<Difference>> {
        let key = address_key(address);
        let Some(person) = self.people.get(&key) else { return Ok(now.clone()) };
        let cloud = self.cloud.get(&key);
        // The cloud mailbox's own name stays, so that replies to what was sent from
        // there find the person. It goes by no other name that we added.
        let own: BTreeSet<String> = person
            .conversions
            .iter()
            .filter_map(|(before, _)| before.text("legacyExchangeDN"))
            .map(|dn| Proxy::parse(&format!("x500:{dn}")).key())
            .collect();
        let stays = |proxy: &Proxy| proxy.kind == "x500" && !own.contains(&proxy.key());
        let mut home = inverse::without(now, &person.conversions, &stays)?;
        // The service's doing, taken back by its exact value.
        let found = home.text("targetAddress");
        if found != person.target_before {
            let ours = |target: &String| match &person.forwarded {
                Some(written) => written.eq_ignore_ascii_case(target),
                None => {
                    let key = address_key(target);
                    let known = |c: &Arc<CloudMailbox>| c.proxies.iter().any(|p| address_key(p) == key);
                    domain_of(target) == self.initial_domain || cloud.is_some_and(known)
                }
            };
            if let Some(target) = found.as_ref().filter(|t| !ours(t)) {
                return Err(vec![Difference {
                    attribute: "targetAddress".into(),
                    ours: person.forwarded.as_ref().map_or("an address of the tenant".into(), |t| format!("`{t}`")),
                    now: format!("`{target}`"),
                }]);
            }
            let before = person.target_before.iter().map(|t| t.clone().into_bytes()).collect();
            home.set("targetAddress", before);
        }
        // An address must change, or the cloud keeps the old external address
        // (KB4456110); what `cloud_knows` waits for is this one.
        if let Some(cloud) = cloud.filter(|c| !c.legacy_dn.is_empty()) {
            let name = format!("x500:{}", cloud.legacy_dn);
            let key = Proxy::parse(&name).key();
            let mut values = home.values("proxyAddresses").to_vec();
            if !home.texts("proxyAddresses").iter().any(|p| Proxy::parse(p).key() == key) {
                values.push(name.into_bytes());
                home.set("proxyAddresses", values);
            }
        }
        Ok(home)
    }

    fn verdict(&self, address: &str, now: &Entry) -> Verdict {
        let refuse = |text: String, detail: String, hint: &str| {
            Verdict::Refused(
                Failure::new(Kind::Conflict, format!("{address} was left as it is: {text}"))
                    .during("ldap", "undo::mailbox")
                    .on(address)
                    .detail(detail)
                    .hint(hint),
            )
        };
        match self.before(address, now) {
            Err(differences) => refuse(
                "somebody else has changed it since".into(),
                differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
                "look who changed it and why; set it back to what the run left, and undo again, or leave it so",
            ),
            Ok(home) if !home.has("homeMDB") => refuse(
                "it has no mailbox on premises, and this run took none away".into(),
                String::new(),
                "undo the run that converted it: `stagepost runs` lists them",
            ),
            Ok(home) if difference(now, &home).is_empty() => Verdict::Same,
            Ok(home) => Verdict::Differs(image(&home)),
        }
    }
}

#[async_trait]
impl Change for Home {
    fn operation(&self) -> &'static str {
        "undo::mailbox"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Guarded
    }
    fn way_back(&self) -> WayBack {
        WayBack::Compensable("run the script again: the mailbox is moved anew")
    }
    fn targets(&self) -> Vec<String> {
        self.order.clone()
    }
    fn at_once(&self) -> usize {
        8
    }
    async fn observe(&self, session: &Session, targets: &[String]) -> Result<Vec<Observed>> {
        let entries = recipients::some(session, targets, ATTRIBUTES).await?;
        let one = |target: &String| match entries.get(&address_key(target)) {
            Some(entry) => {
                Observed { target: target.clone(), before: image(entry), verdict: self.verdict(target, entry) }
            }
            None => {
                let gone = Failure::new(Kind::NotFound, format!("no directory object has the address {target}"))
                    .during("ldap", "search")
                    .on(target)
                    .hint("look for the person in the directory; nothing was written");
                Observed { target: target.clone(), before: Value::Null, verdict: Verdict::Refused(gone) }
            }
        };
        Ok(targets.iter().map(one).collect())
    }
    async fn apply(&self, session: &Session, observed: &Observed) -> Result<()> {
        // From the image that was journalled, not from a second look: the values
        // that the intent shows are the guard.
        let now = recipients::entry_of(&observed.before);
        let home = self.before(&observed.target, &now).map_err(|differences| {
            let text = differences.first().map(ToString::to_string).unwrap_or_default();
            Failure::new(Kind::Conflict, text).on(&observed.target)
        })?;
        session.services().directory.modify(&now.dn, &difference(&now, &home)).await
    }
}

/// Takes people home; answers what became of each, and how many messages were
/// carried. `kinds` is done while the cloud mailboxes are still open.
///
/// # Errors
/// Those of the gate, Graph and SMTP. Whatever was taken back stays so; the same
/// undo goes on where it ended.
pub async fn bring(
    session: &Arc<Session>,
    people: &[Person],
    kinds: Option<&dyn Change>,
) -> Result<(Vec<Outcome>, u64)> {
    let home = Home::of(session, people).await?;
    let step = session.step("undo::mailbox", plural(people.len(), "mailbox", "mailboxes"));
    let tell = |done: usize, of: usize| step.progress(done, of, "mailboxes", "taken back");
    let outcomes = gate::pass(session, &home, Some(&tell)).await?;
    let written = session.now();
    let back: Vec<String> = outcomes.iter().filter(|o| o.result.is_ok()).map(|o| o.target.clone()).collect();
    // Also where nothing was written now: an undo that was broken off may have
    // written it a moment ago, and the cloud doesn't know yet.
    let open: Vec<String> = back.iter().filter(|a| home.has_cloud(a)).cloned().collect();
    let mut carried = 0;
    if !open.is_empty() {
        if !cycle_after(session, written).await? {
            return Err(Failure::new(Kind::Timeout, "no synchronization has run for a day")
                .during("graph", "GET /organization")
                .hint("start a cycle by hand, then undo again: what was taken back stays taken back"));
        }
        convert::cloud_knows(session, &open, &home.cloud).await?;
        carried = waiting::carry_home(session, &open, &step).await?;
        // What came while the others' messages were carried; known ones are not
        // sent twice.
        carried += waiting::carry_home(session, &open, &step).await?;
        if let Some(kinds) = kinds {
            // As a shared mailbox it would stay open without a licence, and go on
            // catching mail.
            for outcome in gate::pass(session, kinds, None).await? {
                outcome.result?;
            }
        }
        for outcome in licences::give_way(session, &open, licences::Ours::Kept).await? {
            outcome.result?;
        }
    }
    let left = outcomes.iter().filter(|o| o.result.is_err()).count();
    let mut parts = vec![format!("{} on premises again", plural(back.len(), "mailbox", "mailboxes"))];
    match carried {
        0 => {}
        n => parts
            .push(format!("{} carried home", plural(usize::try_from(n).unwrap_or(usize::MAX), "message", "messages"))),
    }
    if left > 0 {
        parts.push(format!("{left} left as they are"));
    }
    step.end(parts.join(", "));
    Ok((outcomes, carried))
}
