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
    let clock = session.clock();
    let directories = clock.both(recipients::everybody(session), recipients::cloud(session));
    let tenant = clock.both(
        exchange.invoke("Get-MigrationUser", vec![("ResultSize".into(), Param::from("Unlimited"))]),
        session.services().graph.get_all("/domains"),
    );
    let ((entries, cloud), (users, domains)) = clock.both(directories, tenant).await?;
    let people: Vec<OnPremises> = entries.iter().map(OnPremises::of).collect();
    // Rows of our own batches are in the middle of their move and go on: to set
    // one aside now would leave it forwarded, with nobody to finish it.
    let (under_way, in_batches): (BTreeMap<String, String>, BTreeMap<String, String>) = {
        let memory = session.memory();
        let rows = users.rows.iter();
        rows.map(|u| (address_key(&text_of(get(u, "Identity"))), text_of(get(u, "BatchId"))))
            .partition(|(address, batch)| memory.past.is_own(batch, address))
    };
    // Somebody else's batch that runs will forward its rows in a moment.
    let running: BTreeSet<String> = if in_batches.is_empty() {
        BTreeSet::new()
    } else {
        let all = vec![("ResultSize".into(), Param::from("Unlimited"))];
        let batches = exchange.invoke("Get-MigrationBatch", all).await?;
        let runs = |status: &str| ["Starting", "Syncing"].iter().any(|s| status.eq_ignore_ascii_case(s));
        let rows = batches.rows.iter().filter(|r| runs(&text_of(get(r, "Status"))));
        rows.map(|r| text_of(get(r, "Identity")).to_lowercase()).collect()
    };
    let between: BTreeSet<String> = people
        .iter()
        .filter(|p| p.has_mailbox && p.target_address.as_deref().is_some_and(|t| cloud.person(t).is_some()))
        .map(|p| address_key(&p.address))
        .collect();
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
    for one in &checked.warned {
        report.warning(&one.address, format!("{}: {}", one.address, one.reason), &one.remedy);
    }
    let mut halfway: Vec<Aside> = Vec::new();
    let mut shared: BTreeMap<&str, Vec<Aside>> = BTreeMap::new();
    for fault in checked.aside {
        let key = address_key(&fault.address);
        if under_way.contains_key(&key) {
            report.warning(&fault.address, format!("{}: {}", fault.address, fault.reason), &fault.remedy);
            continue;
        }
        let runs = in_batches.get(&key).is_some_and(|batch| running.contains(&batch.to_lowercase()));
        if between.contains(&key) || runs {
            halfway.push(fault);
            continue;
        }
        if fault.everybody {
            shared.entry(fault.rule).or_default().push(fault);
            continue;
        }
        session.leave(&fault.address, &fault.reason)?;
        report.aside(&fault.address, fault.reason, &fault.remedy);
        aside.insert(fault.address.to_lowercase());
    }
    if let Some(first) = halfway.first() {
        let more = match halfway.len() {
            1 => String::new(),
            n => format!(", and so {} more", plural(n - 1, "mailbox", "mailboxes")),
        };
        report.error(
            &first.address,
            format!("{} is in the middle of a move that this project did not begin{more}: {}", first.address, first.reason),
            "run in the folder whose .stagepost began it, or take the rows out of the list; who is in between is never left behind",
        );
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
    session.memory().going_on.extend(left.iter().map(|row| row.key()));
    if left.is_empty() && !list.is_empty() {
        report.error("", "no mailbox of the list can go on", "mend the findings above, then run again");
    }
    report.mailboxes = Some(left);
    report.tell(session);
    report.close(step);
    Ok(report)
}
