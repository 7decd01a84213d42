//! Step 4: the list, checked against both directories.
//!
//! One read of Active Directory, one of Graph's users, one of Exchange's
//! recipients, one of the migration users, whatever the number of rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::recipients;
use super::report::{Report, plural};
use super::session::Session;
use crate::base::Result;
use crate::migration::against::{self, Aside, OnPremises};
use crate::migration::list::Mailboxes;
use crate::wire::attributes::address_key;
use crate::wire::invoke::{Param, get, text_of};

/// Checks every row and sets aside those with a fault of their own; the report
/// holds the mailboxes that go on.
///
/// # Errors
/// Those of the directories; the journal can't be written.
pub async fn validate(session: &Arc<Session>, list: &Mailboxes) -> Result<Report> {
    let step = session.step("validate", plural(list.len(), "mailbox", "mailboxes"));
    let exchange = &session.services().exchange;
    let (entries, cloud, users, domains) = futures::try_join!(
        recipients::everybody(session),
        recipients::cloud(session),
        exchange.invoke("Get-MigrationUser", vec![("ResultSize".into(), Param::from("Unlimited"))]),
        session.services().graph.get_all("/domains"),
    )?;
    let people: Vec<OnPremises> = entries.iter().map(OnPremises::of).collect();
    let in_batches: BTreeMap<String, String> =
        users.rows.iter().map(|u| (address_key(&text_of(get(u, "Identity"))), text_of(get(u, "BatchId")))).collect();
    let verified: BTreeSet<String> = domains
        .iter()
        .filter(|d| d["isVerified"].as_bool() == Some(true))
        .filter_map(|d| d["id"].as_str().map(str::to_lowercase))
        .collect();
    let mut report = Report::new("validate");
    let mut aside = BTreeSet::new();
    let checked = against::check(list, &people, &cloud.facts(), &in_batches, &verified);
    if !checked.done.is_empty() {
        report.info("", format!("{} already", plural(checked.done.len(), "mailbox has moved", "mailboxes have moved")));
    }
    let mut shared: BTreeMap<&str, Vec<Aside>> = BTreeMap::new();
    for fault in checked.aside {
        if fault.everybody {
            shared.entry(fault.rule).or_default().push(fault);
            continue;
        }
        session.leave(&fault.address, &fault.reason)?;
        report.aside(&fault.address, fault.reason, &fault.remedy);
        aside.insert(fault.address.to_lowercase());
    }
    // The same fault in every row is one fault, of the environment.
    for faults in shared.values() {
        if let Some(first) = faults.first() {
            let more = match faults.len() {
                1 => String::new(),
                n => format!(", and so {} more", plural(n - 1, "row", "rows")),
            };
            report.error(&first.address, format!("{}{more}", first.reason), &first.remedy);
        }
    }
    let left = list.without(&aside);
    if left.is_empty() && !list.is_empty() {
        report.error("", "no mailbox of the list can go on", "mend the findings above, then run again");
    }
    report.mailboxes = Some(left);
    report.tell(session);
    step.end(report.sentence());
    Ok(report)
}
