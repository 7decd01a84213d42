//! Step 4: the list, checked against both directories.
//!
//! What is read stands in `situation`, what is judged in `migration::against`.
//! Here is decided who is set aside, and what ends a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::report::{Report, plural};
use super::session::Session;
use super::situation;
use crate::base::Result;
use crate::migration::against::{self, Aside};
use crate::migration::kind::Kind;
use crate::migration::list::Mailboxes;
use crate::wire::attributes::address_key;

/// The kind of a project whose source names none: an old server's.
const USUAL: Kind = Kind::Staged;

/// The kind of migration that a list of this session is judged by.
pub fn kind(session: &Session) -> Kind {
    session.project().kind().unwrap_or(USUAL)
}

/// Checks every row and sets aside those with a fault of their own; the report
/// holds the mailboxes that go on.
///
/// # Errors
/// Those of the directories; the journal can't be written.
pub async fn validate(session: &Arc<Session>, list: &Mailboxes, kind: Kind) -> Result<Report> {
    let step = session.step("validate", plural(list.len(), "mailbox", "mailboxes"));
    let situation::Read { situation, under_way, running } = situation::read(session, list, kind).await?;
    // To set aside now who is in the middle of a move would leave them forwarded,
    // with nobody to finish it.
    let between = between(&situation);
    let mut report = Report::new("validate");
    let mut aside = BTreeSet::new();
    let checked = against::check(kind, &situation);
    drop(situation);
    if !checked.done.is_empty() {
        report.info("", format!("{} already", plural(checked.done.len(), "mailbox has moved", "mailboxes have moved")));
    }
    for one in &checked.warned {
        let text = match one.address.as_str() {
            "" => one.reason.clone(),
            address => format!("{address}: {}", one.reason),
        };
        report.warning(&one.address, text, &one.remedy);
        report.by_rule(one.rule);
    }
    let mut halfway: Vec<Aside> = Vec::new();
    let mut shared: BTreeMap<&str, Vec<Aside>> = BTreeMap::new();
    for fault in checked.aside {
        let key = address_key(&fault.address);
        if under_way.contains(&key) {
            report.warning(&fault.address, format!("{}: {}", fault.address, fault.reason), &fault.remedy);
            report.by_rule(fault.rule);
            continue;
        }
        if between.contains(&key) || running.contains(&key) {
            halfway.push(fault);
            continue;
        }
        if fault.everybody {
            shared.entry(fault.rule).or_default().push(fault);
            continue;
        }
        session.leave(&fault.address, &fault.reason)?;
        report.aside(&fault.address, fault.reason, &fault.remedy);
        report.by_rule(fault.rule);
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
            report.by_rule(first.rule);
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

/// Whose old mailbox leads to the cloud already, by address in lower case.
fn between(situation: &against::Situation) -> BTreeSet<String> {
    let forwarded = situation.on_premises.iter().filter(|p| p.has_mailbox);
    let forwarded: Vec<(String, String)> =
        forwarded.filter_map(|p| Some((address_key(p.target_address.as_deref()?), address_key(&p.address)))).collect();
    if forwarded.is_empty() {
        return BTreeSet::new();
    }
    let known: BTreeSet<String> = situation
        .in_cloud
        .iter()
        .flat_map(|c| &c.proxies)
        .filter(|p| p.get(..5).is_some_and(|k| k.eq_ignore_ascii_case("smtp:")))
        .map(|p| address_key(p))
        .collect();
    forwarded.into_iter().filter(|(target, _)| known.contains(target)).map(|(_, address)| address).collect()
}
