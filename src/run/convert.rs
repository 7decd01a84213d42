//! Step 8, and its counterpart: mailbox to mail user, or the forwarding taken
//! back.
//!
//! Each person is one guarded modify: every value that goes is named with its
//! exact old value, so that a colleague's edit in between refuses the whole.
//! What is to be written is decided by `migration::conversion`; this file reads
//! in sets and writes one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::gate::{self, Change, Observed, Outcome, Repeat, Verdict, WayBack};
use super::guards::{self, Force};
use super::narrate::What;
use super::recipients::{self, ATTRIBUTES, image};
use super::report::plural;
use super::session::{Session, Step};
use super::synchronize::cycle_after;
use super::{batches, kinds, licences, waiting};
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::migration::conversion::{self, CloudMailbox, Profile, Refusal};
use crate::migration::guards::{self as rules, Objection};
use crate::migration::list::Mailboxes;
use crate::wire::attributes::{Entry, Mod, Proxy, address_key};
use crate::wire::autodiscover::Answer;

/// LDAP modifies in flight; a domain controller takes them one by one anyway.
const AT_ONCE: usize = 8;

/// Replication inside a site takes seconds, between sites 15 minutes and more.
const REPLICATION: SignedDuration = SignedDuration::from_mins(20);
/// How often the old server is asked again.
const ASK_AGAIN: usize = 3;

/// What is done to the directory objects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Mailbox to mail user.
    Convert,
    /// The forwarding taken back.
    Release,
}

/// A set of directory objects, each changed by one guarded modify.
struct Reshape {
    way: Way,
    addresses: Vec<String>,
    cloud: Arc<BTreeMap<String, Arc<CloudMailbox>>>,
    /// Whose copy is complete, and since when if anybody knows; looked at by a
    /// conversion only.
    copied: BTreeMap<String, Option<Timestamp>>,
    initial_domain: String,
    /// Whether the guard may be passed.
    force: Force,
    /// Who passed it; the read-back asks no second time.
    passed: Mutex<BTreeSet<String>>,
}

impl Reshape {
    /// What the rules say about an object: the modifies, or why not.
    fn plan(&self, address: &str, entry: &Entry) -> Result<(Vec<Mod>, Entry), Refusal> {
        let cloud = self.cloud.get(&address_key(address));
        match self.way {
            Way::Convert => {
                let cloud = cloud.ok_or_else(|| Refusal {
                    rule: "no_cloud_mailbox",
                    reason: "there is no cloud mailbox".into(),
                    remedy: "watch the batch to its end",
                })?;
                if entry.has("homeMDB") && !self.copied.contains_key(&address_key(address)) {
                    return Err(Refusal {
                        rule: "not_copied",
                        reason: "its copy is not complete, and what is missing in the cloud would be lost".into(),
                        remedy: "watch the batch to its end, and convert b.synced only",
                    });
                }
                let plan = conversion::convert(entry, cloud, &self.initial_domain, Profile::MailUser)?;
                Ok((plan.mods, plan.after))
            }
            Way::Release => {
                let plan = conversion::release(entry, cloud.map(AsRef::as_ref))?;
                Ok((plan.mods, plan.after))
            }
        }
    }

    /// What the guard says about a conversion that is due: what was done in the
    /// old mailbox since its copy would be lost.
    fn too_late(&self, session: &Session, address: &str, entry: &Entry) -> Option<Objection> {
        let key = address_key(address);
        // Whose mailbox is gone from the object has nothing left to lose.
        if self.way != Way::Convert || !entry.has("homeMDB") {
            return None;
        }
        let copied = self.copied.get(&key).copied().flatten()?;
        if self.passed.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
            return None;
        }
        rules::conversion(address, copied, session.now(), session.project().waits.conversion_days)
    }

    /// Passes by force whoever of a set would come too late; the rest of them
    /// are refused one by one.
    fn guard(&self, session: &Session, observed: &mut [Observed], late: Vec<Objection>) -> Result<()> {
        if self.force.reason(session).is_some() {
            guards::pass(session, &self.force, &late)?;
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            passed.extend(late.iter().map(|o| address_key(&o.target)));
            return Ok(());
        }
        let by_target: BTreeMap<&str, &Objection> = late.iter().map(|o| (o.target.as_str(), o)).collect();
        for one in observed {
            if let Some(objection) = by_target.get(one.target.as_str()) {
                let mut failure = guards::refusal(objection);
                failure.message = format!("{} was left as it is: {}", one.target, failure.message);
                one.verdict = Verdict::Refused(failure);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Change for Reshape {
    fn operation(&self) -> &'static str {
        match self.way {
            Way::Convert => "convert_to_mail_user",
            Way::Release => "release",
        }
    }
    fn repeat(&self) -> Repeat {
        Repeat::Guarded
    }
    fn way_back(&self) -> WayBack {
        match self.way {
            Way::Convert => {
                WayBack::Compensable("the inverse modify, until the store purges the old mailbox (30 days by default)")
            }
            Way::Release => WayBack::Reversible,
        }
    }
    fn targets(&self) -> Vec<String> {
        self.addresses.clone()
    }
    fn at_once(&self) -> usize {
        AT_ONCE
    }
    async fn observe(&self, session: &Session, targets: &[String]) -> Result<Vec<Observed>> {
        let entries = recipients::some(session, targets, ATTRIBUTES).await?;
        let mut late = Vec::new();
        let mut observed: Vec<Observed> = targets
            .iter()
            .map(|target| {
                let Some(entry) = entries.get(&address_key(target)) else {
                    let gone = Failure::new(Kind::NotFound, format!("no directory object has the address {target}"))
                        .during("ldap", "search")
                        .on(target)
                        .hint("look for the person in the directory; nothing was written");
                    return Observed { target: target.clone(), before: Value::Null, verdict: Verdict::Refused(gone) };
                };
                let verdict = match self.plan(target, entry) {
                    Ok((mods, _)) if mods.is_empty() => Verdict::Same,
                    Ok((_, after)) => {
                        late.extend(self.too_late(session, target, entry));
                        Verdict::Differs(image(&after))
                    }
                    Err(refusal) => Verdict::Refused(
                        Failure::new(Kind::Conflict, format!("{target} was left as it is: {}", refusal.reason))
                            .during("ldap", self.operation())
                            .on(target)
                            .hint(refusal.remedy),
                    ),
                };
                Observed { target: target.clone(), before: image(entry), verdict }
            })
            .collect();
        self.guard(session, &mut observed, late)?;
        Ok(observed)
    }
    async fn baseline(&self, session: &Session, targets: &[String]) -> Result<Vec<(String, Value)>> {
        let entries = recipients::some(session, targets, &["*"]).await?;
        Ok(targets
            .iter()
            .filter_map(|t| entries.get(&address_key(t)).map(|e| (t.clone(), json!({"directory": image(e)}))))
            .collect())
    }
    async fn predict(&self, session: &Session, due: &[Observed]) -> Result<()> {
        session.foresee(|shadow| {
            for one in due {
                if let Verdict::Differs(after) = &one.verdict {
                    shadow.directory.becomes(&recipients::entry_of(&one.before), &recipients::entry_of(after));
                }
            }
        });
        Ok(())
    }
    async fn apply(&self, session: &Session, observed: &Observed) -> Result<()> {
        // The modify is made from the image that was journalled, not from a
        // second look: its guards are the values the intent shows.
        let entry = recipients::entry_of(&observed.before);
        let (mods, _) = self.plan(&observed.target, &entry).map_err(|refusal| {
            Failure::new(Kind::Conflict, refusal.reason).on(&observed.target).hint(refusal.remedy)
        })?;
        session.services().directory.modify(&entry.dn, &mods).await
    }
}

async fn reshape(
    session: &Session,
    way: Way,
    addresses: Vec<String>,
    force: &Force,
    step: &Step,
) -> Result<Vec<Outcome>> {
    let cloud = match way {
        Way::Convert => recipients::mailboxes_of(session, &addresses).await?,
        // A mailbox that gave way already must not be found again.
        Way::Release => recipients::cloud_mailboxes(session).await?,
    };
    // The service's word first; for a batch that is gone, what a watch has seen.
    let copied = match way {
        Way::Release => BTreeMap::new(),
        Way::Convert => {
            let rows = batches::rows_of_people(session, &addresses).await?;
            let seen: Vec<String> = {
                let memory = session.memory();
                let absent = addresses.iter().map(|a| address_key(a)).filter(|a| !rows.contains_key(a));
                absent.filter(|a| memory.past.synced.contains(a)).collect()
            };
            let gone = seen.into_iter().map(|a| {
                let when = guards::copied_at(session, &a, None, "");
                (a, when)
            });
            let there = rows.iter().filter(|(_, row)| row.is_synced());
            let there = there.map(|(a, row)| (a.clone(), guards::copied_at(session, a, row.synced_at, &row.batch)));
            gone.chain(there).collect()
        }
    };
    let change = Reshape {
        way,
        addresses,
        cloud,
        copied,
        initial_domain: session.profile().tenant.initial_domain.clone(),
        force: force.clone(),
        passed: Mutex::default(),
    };
    let tell = |done: usize, of: usize| step.progress(done, of, "mailboxes", "written");
    gate::pass(session, &change, Some(&tell)).await
}

/// Makes mail users of mailboxes that are wholly in the cloud. Who can't be
/// converted stays as they are, with the reason; so does, unless by force, whose
/// copy is older than the guard `conversion-too-late` allows.
///
/// # Errors
/// Those of the gate; the directories can't be read.
pub async fn convert(session: &Arc<Session>, mailboxes: &Mailboxes, force: &Force) -> Result<Vec<Outcome>> {
    if mailboxes.is_empty() {
        return Ok(Vec::new());
    }
    // Before the directory forgets what they were: shared mailboxes and rooms arrived as users.
    kinds::keep(session, &mailboxes.addresses()).await?;
    let step = session.step("convert_to_mail_user", plural(mailboxes.len(), "mailbox", "mailboxes"));
    let outcomes = reshape(session, Way::Convert, mailboxes.addresses(), force, &step).await?;
    let changed = outcomes.iter().filter(|o| o.changed).count();
    let refused: Vec<&Failure> = outcomes.iter().filter_map(|o| o.result.as_ref().err()).collect();
    warn_refused(session, &refused);
    prove_outside(session, &outcomes).await;
    let already = outcomes.len() - changed - refused.len();
    let mut parts = vec![format!("{changed} converted")];
    if already > 0 {
        parts.push(format!("{already} were mail users already"));
    }
    if !refused.is_empty() {
        parts.push(format!("{} left as they are", refused.len()));
    }
    step.end(parts.join(", "));
    Ok(outcomes)
}

/// Says who was left as they are. Those whom the guard holds back are one line,
/// for a wave comes too late as a whole.
fn warn_refused(session: &Session, refused: &[&Failure]) {
    let by_guard = |f: &&Failure| f.operation.as_deref() == Some(rules::CONVERSION.name);
    let late: Vec<&Failure> = refused.iter().copied().filter(by_guard).collect();
    let warn = |text: String, failure: &Failure| {
        session.note(What::Warned { text, hint: failure.hint.clone().unwrap_or_default() });
    };
    for failure in refused.iter().filter(|f| late.len() < 2 || !by_guard(f)) {
        warn(failure.message.clone(), failure);
    }
    if let [first, _, ..] = late[..] {
        let who: Vec<String> = late.iter().filter_map(|f| f.target.clone()).collect();
        let text = format!(
            "{} were left as they are by the guard `{}`: {}: {}",
            plural(late.len(), "mailbox", "mailboxes"),
            rules::CONVERSION.name,
            rules::CONVERSION.title,
            rules::names(&who)
        );
        warn(text, first);
    }
}

/// Asks the old server's Autodiscover for one of those who were converted. It
/// must send Outlook on to the routing address: nothing else shows from outside
/// that the old server sees the conversion too. One is asked for all, because
/// what keeps the server from seeing it (replication, its own memory) concerns
/// them alike; an answer that is wrong or missing is a finding, never the end.
async fn prove_outside(session: &Session, outcomes: &[Outcome]) {
    if session.project().source == "2003" || session.planning().is_some() {
        return; // Exchange 2003 has no Autodiscover, and a plan has converted nobody.
    }
    let Some(address) = outcomes.iter().find(|o| o.changed && o.result.is_ok()).map(|o| o.target.as_str()) else {
        return;
    };
    let host = &session.profile().source.rpc_proxy;
    let mut answer = session.services().probes.autodiscover(host, address, None).await;
    // The old server may ask a domain controller that hears of it later.
    for _ in 0..ASK_AGAIN {
        if !matches!(answer, Ok(Answer::Settings { .. })) || session.clock().sleep(REPLICATION).await.is_err() {
            break;
        }
        answer = session.services().probes.autodiscover(host, address, None).await;
    }
    let (message, hint) = match answer {
        Ok(Answer::RedirectAddr(to)) if !to.eq_ignore_ascii_case(address) => return,
        Ok(Answer::RedirectAddr(_)) => (
            format!("Autodiscover on {host} sends {address} back to the same address"),
            "look at targetAddress: it must be the routing address at the tenant's initial domain".to_owned(),
        ),
        Ok(Answer::RedirectUrl(url)) => (
            format!("Autodiscover on {host} leads to {url}, so nothing shows yet that the old server lets {address} go"),
            "ask the server behind that address by hand; it must answer redirectAddr".to_owned(),
        ),
        Ok(Answer::Settings { .. }) => (
            format!("Autodiscover on {host} still opens the old mailbox of {address}"),
            "look whether the change has reached the server's own domain controller; Outlook finds the cloud once it answers redirectAddr"
                .to_owned(),
        ),
        Ok(Answer::Error { code, message }) => (
            format!("Autodiscover on {host} does not know {address}: {message} ({code})"),
            "look at mailNickname, proxyAddresses and targetAddress of the person".to_owned(),
        ),
        Err(failure) => (
            format!("Autodiscover on {host} could not be asked about {address}: {}", failure.message),
            failure.hint.unwrap_or_else(|| "ask by hand; it must answer redirectAddr".to_owned()),
        ),
    };
    session.note(What::Finding { severity: "warning".into(), target: address.to_owned(), message, hint });
}

/// Gives failed rows back: the forwarding is taken back by its exact value, a
/// synchronization makes the cloud send to the old side again, messages that
/// waited in the cloud mailbox are carried home, and the cloud mailbox gives
/// way. Each row ends wholly where it was, with its reason.
///
/// # Errors
/// Those of the gate, Graph and SMTP; a row whose forwarding could not be taken
/// back is a failure, for it is neither moved nor whole.
pub async fn release(
    session: &Arc<Session>,
    mailboxes: &Mailboxes,
    reason: impl Fn(&str) -> Option<String>,
) -> Result<u64> {
    if mailboxes.is_empty() || plant::is(Plant::ReleaseForgotten) {
        return Ok(0);
    }
    let step = session.step("release", plural(mailboxes.len(), "mailbox", "mailboxes"));
    let addresses = mailboxes.addresses();
    let outcomes = reshape(session, Way::Release, addresses, &Force::none(), &step).await?;
    // One that can't be given back holds nobody else up: the others' forwarding
    // is gone already, and only the rest of the way makes them whole.
    let mut stuck = None;
    for outcome in &outcomes {
        let Err(failure) = &outcome.result else { continue };
        let entry = recipients::entry_of(&outcome.before);
        let has_moved = !entry.has("homeMDB") && entry.has("targetAddress");
        if failure.kind != Kind::NotFound && !has_moved {
            stuck.get_or_insert_with(|| failure.clone());
            continue;
        }
        // Somebody who has left, or who is in the cloud for good: there is no
        // forwarding to take back, and the others must not wait for it.
        session.note(super::narrate::What::Warned {
            text: failure.message.clone(),
            hint: failure.hint.clone().unwrap_or_default(),
        });
        if failure.kind == Kind::NotFound {
            session.leave(&outcome.target, "no directory object has the address any more")?;
        }
    }
    let addresses: Vec<String> = outcomes.iter().filter(|o| o.result.is_ok()).map(|o| o.target.clone()).collect();
    let taken_back = session.now();
    let provisioned = session.memory().mailboxes.clone();
    let forwarded: Vec<String> =
        addresses.iter().filter(|a| provisioned.contains_key(&address_key(a))).cloned().collect();
    let mut carried = 0;
    if !forwarded.is_empty() {
        // Also where nothing was written now: a run that was broken off may have
        // written it a moment ago, and the cloud doesn't know yet.
        if !cycle_after(session, taken_back).await? {
            return Err(Failure::new(Kind::Timeout, "no synchronization has run for a day")
                .during("graph", "GET /organization")
                .hint("start a cycle by hand, then run again: what was taken back stays taken back"));
        }
        cloud_knows(session, &forwarded, &provisioned).await?;
        carried = waiting::carry_home(session, &forwarded, &step).await?;
        // What came while the others' messages were carried; known ones are not
        // sent twice.
        carried += waiting::carry_home(session, &forwarded, &step).await?;
        let outcomes = licences::give_way(session, &forwarded, licences::Ours::Taken).await?;
        if let Some(failure) = outcomes.into_iter().find_map(|o| o.result.err()) {
            return Err(failure);
        }
    }
    for address in &addresses {
        let why = reason(address).unwrap_or_else(|| "released by the script".into());
        session.leave_after("release", address, &why)?;
    }
    if let Some(failure) = stuck {
        return Err(failure);
    }
    let given = plural(addresses.len(), "mailbox", "mailboxes");
    let there = if addresses.len() == 1 { "it was" } else { "they were" };
    step.end(match carried {
        0 => format!("{given} left where {there}, no message waited in the cloud"),
        n => format!("{given} left where {there}, {} carried home", plural(n as usize, "message", "messages")),
    });
    Ok(carried)
}

/// Waits until the cloud shows the address that every release adds (the cloud
/// mailbox's own X.500 name). A cycle may have read the directory just before
/// the write and ended after it; what a person's object shows is the proof.
pub(super) async fn cloud_knows(
    session: &Session,
    people: &[String],
    mailboxes: &BTreeMap<String, Arc<CloudMailbox>>,
) -> Result<()> {
    // A plan takes the synchronization for granted.
    if plant::is(Plant::ReleaseUnsynced) || session.planning().is_some() {
        return Ok(());
    }
    let (pause, patience) = (SignedDuration::from_mins(10), SignedDuration::from_hours(3));
    let known = recipients::until(session, pause, patience, || async {
        let users = recipients::users(session, people).await?;
        Ok(people.iter().zip(users).all(|(address, user)| {
            let Some(mailbox) = mailboxes.get(&address_key(address)) else { return true };
            let wanted = Proxy::parse(&format!("x500:{}", mailbox.legacy_dn)).key();
            user.is_some_and(|u| u.facts.proxies.iter().any(|p| Proxy::parse(p).key() == wanted))
        }))
    })
    .await?;
    if known {
        return Ok(());
    }
    Err(Failure::new(Kind::Timeout, "the synchronization does not bring what a release has changed")
        .during("graph", "GET /users/{id}")
        .hint("look at the synchronization's errors for these people, then run again: what was taken back stays taken back"))
}
