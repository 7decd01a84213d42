//! Step 8, and its counterpart: mailbox to mail user, or the forwarding taken
//! back.
//!
//! Each person is one guarded modify: every value that goes is named with its
//! exact old value, so that a colleague's edit in between refuses the whole.
//! What is to be written is decided by `migration::conversion`; this file reads
//! in sets and writes one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::gate::{self, Change, Observed, Outcome, Repeat, Verdict, WayBack};
use super::recipients::{self, ATTRIBUTES, image};
use super::report::plural;
use super::session::{Session, Step};
use super::synchronize::cycle_after;
use super::{licences, waiting};
use crate::base::{Failure, Kind, Result};
use crate::migration::conversion::{self, CloudMailbox, Profile, Refusal};
use crate::migration::list::Mailboxes;
use crate::wire::attributes::{Entry, Mod, address_key};

/// LDAP modifies in flight; a domain controller takes them one by one anyway.
const AT_ONCE: usize = 8;

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
    cloud: BTreeMap<String, CloudMailbox>,
    initial_domain: String,
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
                let plan = conversion::convert(entry, cloud, &self.initial_domain, Profile::MailUser)?;
                Ok((plan.mods, plan.after))
            }
            Way::Release => {
                let plan = conversion::release(entry, cloud)?;
                Ok((plan.mods, plan.after))
            }
        }
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
        Ok(targets
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
                    Ok((_, after)) => Verdict::Differs(image(&after)),
                    Err(refusal) => Verdict::Refused(
                        Failure::new(Kind::Conflict, format!("{target} was left as it is: {}", refusal.reason))
                            .during("ldap", self.operation())
                            .on(target)
                            .hint(refusal.remedy),
                    ),
                };
                Observed { target: target.clone(), before: image(entry), verdict }
            })
            .collect())
    }
    async fn baseline(&self, session: &Session, targets: &[String]) -> Result<Vec<(String, Value)>> {
        let entries = recipients::some(session, targets, &["*"]).await?;
        Ok(targets
            .iter()
            .filter_map(|t| entries.get(&address_key(t)).map(|e| (t.clone(), json!({"directory": image(e)}))))
            .collect())
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

async fn reshape(session: &Session, way: Way, addresses: Vec<String>, step: &Step) -> Result<Vec<Outcome>> {
    let change = Reshape {
        way,
        addresses,
        cloud: recipients::cloud_mailboxes(session).await?,
        initial_domain: session.profile().tenant.initial_domain.clone(),
    };
    let tell = |done: usize, of: usize| step.progress(done, of, "mailboxes", "written");
    gate::pass(session, &change, Some(&tell)).await
}

/// Makes mail users of mailboxes that are wholly in the cloud. Who can't be
/// converted stays as they are, with the reason.
///
/// # Errors
/// Those of the gate; the directories can't be read.
pub async fn convert(session: &Arc<Session>, mailboxes: &Mailboxes) -> Result<Vec<Outcome>> {
    if mailboxes.is_empty() {
        return Ok(Vec::new());
    }
    let step = session.step("convert_to_mail_user", plural(mailboxes.len(), "mailbox", "mailboxes"));
    let outcomes = reshape(session, Way::Convert, mailboxes.addresses(), &step).await?;
    let changed = outcomes.iter().filter(|o| o.changed).count();
    let refused: Vec<&Failure> = outcomes.iter().filter_map(|o| o.result.as_ref().err()).collect();
    for failure in &refused {
        session.note(super::narrate::What::Warned {
            text: failure.message.clone(),
            hint: failure.hint.clone().unwrap_or_default(),
        });
    }
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
    if mailboxes.is_empty() {
        return Ok(0);
    }
    let step = session.step("release", plural(mailboxes.len(), "mailbox", "mailboxes"));
    let addresses = mailboxes.addresses();
    let began = session.now();
    let outcomes = reshape(session, Way::Release, addresses.clone(), &step).await?;
    if let Some(failure) = outcomes.iter().find_map(|o| o.result.as_ref().err()) {
        return Err(failure.clone());
    }
    let provisioned = recipients::cloud_mailboxes(session).await?;
    let forwarded: Vec<String> =
        addresses.iter().filter(|a| provisioned.contains_key(&address_key(a))).cloned().collect();
    let mut carried = 0;
    if !forwarded.is_empty() {
        if outcomes.iter().any(|o| o.changed) && !cycle_after(session, began).await? {
            return Err(Failure::new(Kind::Timeout, "no synchronization has run for three hours")
                .during("graph", "GET /organization")
                .hint("start a cycle by hand, then run again: what was taken back stays taken back"));
        }
        carried = waiting::carry_home(session, &forwarded, &step).await?;
        let outcomes = licences::give_way(session, &forwarded).await?;
        if let Some(failure) = outcomes.into_iter().find_map(|o| o.result.err()) {
            return Err(failure);
        }
    }
    for address in &addresses {
        let why = reason(address).unwrap_or_else(|| "released by the script".into());
        session.leave(address, &why)?;
    }
    let given = plural(addresses.len(), "mailbox", "mailboxes");
    let there = if addresses.len() == 1 { "it was" } else { "they were" };
    step.end(match carried {
        0 => format!("{given} left where {there}, no message waited in the cloud"),
        n => format!("{given} left where {there}, {} carried home", plural(n as usize, "message", "messages")),
    });
    Ok(carried)
}
