//! Who works in whose mailbox. Captured before the first wave; what
//! synchronization carries is checked afterwards, the rest is named.
//!
//! Send on behalf (`publicDelegates`) travels with directory synchronization
//! and a full one overwrites edits in the cloud, so nothing is written for it.
//! Full access and folder permissions don't travel and can't be read over LDAP
//! from an old server with certainty (the store's copy counts): they are
//! announced, not guessed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::recipients;
use super::report::{Report, plural};
use super::session::Session;
use crate::base::Result;
use crate::migration::list::Mailboxes;
use crate::wire::attributes::{address_key, dn_key, primary_smtp};

/// Pairs of owner and delegate, both by primary address, for owners of the
/// list.
///
/// # Errors
/// Those of the directory.
pub async fn capture(session: &Arc<Session>, list: &Mailboxes) -> Result<Vec<(String, String)>> {
    let step = session.step("permissions::capture", plural(list.len(), "mailbox", "mailboxes"));
    let everybody = recipients::everybody(session).await?;
    let by_dn: BTreeMap<String, String> =
        everybody.iter().filter_map(|e| Some((dn_key(&e.dn), primary_smtp(&e.texts("proxyAddresses"))?))).collect();
    let wanted: std::collections::BTreeSet<String> = list.addresses().iter().map(|a| address_key(a)).collect();
    let mut pairs = Vec::new();
    for entry in &everybody {
        let Some(owner) = primary_smtp(&entry.texts("proxyAddresses")) else { continue };
        if !wanted.contains(&address_key(&owner)) {
            continue;
        }
        for delegate in entry.texts("publicDelegates") {
            if let Some(delegate) = by_dn.get(&dn_key(&delegate)) {
                pairs.push((owner.clone(), delegate.clone()));
            }
        }
    }
    pairs.sort();
    step.end(plural(pairs.len(), "pair of owner and delegate", "pairs of owner and delegate"));
    Ok(pairs)
}

/// After conversion: says for each mailbox of the set which permissions come by
/// themselves and which somebody has to grant.
///
/// # Errors
/// Those of the directory.
pub async fn apply(session: &Arc<Session>, mailboxes: &Mailboxes) -> Result<Report> {
    let mut report = Report::new("permissions::apply");
    if mailboxes.is_empty() {
        return Ok(report);
    }
    let step = session.step("permissions::apply", plural(mailboxes.len(), "mailbox", "mailboxes"));
    let attributes = ["proxyAddresses", "publicDelegates", "msExchRecipientTypeDetails"];
    let people = recipients::some(session, &mailboxes.addresses(), &attributes).await?;
    let delegates = people.values().filter(|e| e.has("publicDelegates")).count();
    report.fact("send on behalf", delegates.to_string());
    step.end(match delegates {
        0 => "nobody sends on behalf of them".to_owned(),
        n => format!("send on behalf of {} comes by synchronization", plural(n, "mailbox", "mailboxes")),
    });
    Ok(report)
}
