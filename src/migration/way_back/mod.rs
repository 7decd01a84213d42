//! The way back of a plan as text that works without stagepost: LDIF for the
//! directory, `nsupdate` for the zones, PowerShell for the cloud, and a page that
//! says in which order.
//!
//! Made from the planned images alone. Every command is guarded by what the plan
//! leaves, where the service can be told so; what the run didn't reach is refused
//! there and stays as it is. What is final is said, not hidden, and nothing removes a
//! licence, a mailbox, a user or a domain.

pub mod ldif;
pub mod nsupdate;
pub mod powershell;

use serde_json::Value;

/// One planned change, as the way back sees it.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// `convert_to_mail_user`, `set_mx`, …
    pub operation: &'a str,
    /// The object.
    pub target: &'a str,
    /// Its image before.
    pub before: &'a Value,
    /// Its image afterwards.
    pub after: &'a Value,
    /// Its way back, as in the journal's intents.
    pub way_back: &'a Value,
}

/// Which plan it is the way back of, for the heads of the files.
#[derive(Clone, Debug)]
pub struct About {
    /// Name of the project.
    pub project: String,
    /// Tenant.
    pub tenant: String,
    /// When the plan was made.
    pub made: String,
    /// The plan's hash.
    pub hash: String,
}

/// The files: name and text. A file for which there is nothing to do is left out.
pub fn files(about: &About, steps: &[Step<'_>]) -> Vec<(&'static str, String)> {
    let head = |what: &str| {
        vec![
            format!("The way back of a plan of stagepost: {what}, newest first."),
            format!("{}, tenant {}, plan of {}, hash {}", about.project, about.tenant, about.made, about.hash),
            "Read README.txt beside it first.".to_owned(),
        ]
    };
    let mut files = Vec::new();
    let records = ldif::records(steps);
    if nsupdate::concerns(steps) {
        files.push((NSUPDATE, nsupdate::text(&head("the zones"), steps)));
    }
    files.push((POWERSHELL, powershell::text(&head("the cloud"), steps)));
    if !records.is_empty() {
        files.push((LDIF, ldif::text(&head("the directory"), &records)));
    }
    let readme = readme(about, steps, &files.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    files.insert(0, (README, readme));
    files
}

/// Name of the page.
pub const README: &str = "README.txt";
/// Name of the zones' file.
pub const NSUPDATE: &str = "way-back.nsupdate";
/// Name of the cloud's file.
pub const POWERSHELL: &str = "way-back.ps1";
/// Name of the directory's file.
pub const LDIF: &str = "way-back.ldif";

fn readme(about: &About, steps: &[Step<'_>], files: &[&str]) -> String {
    let mut out = format!(
        "The way back of a plan of stagepost, without stagepost\n\n\
         project  {}\ntenant   {}\nplan of  {}\nhash     {}\n\n\
         These files take back what a run of the plan has done. As long as stagepost\n\
         works, `stagepost undo` is better: it knows what was really written, waits where\n\
         it must, and counts the mail that has come since. Use these where it is not at\n\
         hand. Each command names what it expects to find; where the run has not come so\n\
         far, the service refuses it, and nothing happens to that object.\n\nIn this order:\n",
        about.project, about.tenant, about.made, about.hash
    );
    let mut number = 0;
    for (name, what) in ORDER {
        if files.contains(&name) {
            number += 1;
            out.push_str(&format!("\n{number}. {name}\n"));
            what.iter().for_each(|line| out.push_str(&format!("   {line}\n")));
        }
    }
    number += 1;
    out.push_str(&format!(
        "\n{number}. Start a cycle of directory synchronization, and look whether the cloud sends\n   \
         mail for these people to the old server again.\n"
    ));
    let converted = steps.iter().filter(|s| s.operation == "convert_to_mail_user").count();
    if converted > 0 {
        out.push_str(&format!(
            "\n{converted} of the people are converted by the plan. Their old mailboxes open again only\n\
             until the store purges them (30 days by default), and mail that came to the cloud\n\
             meanwhile stays in the cloud mailboxes: carry it home before anything happens to them.\n"
        ));
    }
    let mut finals: Vec<(&str, &str, usize)> = Vec::new();
    for step in steps {
        let Some(why) = final_word(step) else { continue };
        match finals.iter_mut().find(|(operation, known, _)| *operation == step.operation && *known == why) {
            Some((_, _, count)) => *count += 1,
            None => finals.push((step.operation, why, 1)),
        }
    }
    if !finals.is_empty() {
        out.push_str("\nFinal, whatever is done:\n");
        for (operation, why, count) in finals {
            out.push_str(&format!("   {operation} ({count}): {why}\n"));
        }
    }
    out.push_str(
        "\nLicences, mailboxes, users and domains are never removed by these files. Whoever\n\
         does it takes mail away that nobody has elsewhere.\n",
    );
    out
}

/// The files in the order in which they are used, and how.
const ORDER: [(&str, &[&str]); 3] = [
    (
        NSUPDATE,
        &[
            "The mail of the domains goes to the old server again, and Outlook finds it.",
            "nsupdate -k KEYFILE way-back.nsupdate   (or type `server NAME` first)",
            "Wait until the time to live is over and resolvers show the old sets.",
        ],
    ),
    (
        POWERSHELL,
        &[
            "Batches are stopped and removed, so that the service forwards nobody any more.",
            "Connect-ExchangeOnline; .\\way-back.ps1",
        ],
    ),
    (
        LDIF,
        &[
            "Mail users become mailboxes again, and the forwarding goes.",
            "ldapmodify -c -H ldaps://DC -D USER -W -f way-back.ldif",
            "ldifde -i -k -f way-back.ldif           (on a domain controller)",
            "Its records stand newest first; don't sort them.",
        ],
    ),
];

/// Why a change can't be taken back, if it can't.
pub(crate) fn final_word<'a>(step: &Step<'a>) -> Option<&'a str> {
    (step.way_back["kind"] == "final").then(|| step.way_back["why"].as_str().unwrap_or_default())
}

/// The people of a batch that is planned.
pub(crate) fn people_of(batch: &str, all: &[Step<'_>]) -> Vec<String> {
    let made = all.iter().find(|s| s.operation == "batch" && s.target.eq_ignore_ascii_case(batch));
    let addresses = made.and_then(|s| s.after["addresses"].as_array());
    addresses.into_iter().flatten().filter_map(|a| a.as_str().map(str::to_owned)).collect()
}

/// Whether a value is one that only the service knows.
pub(crate) fn is_unknown(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.len() == 1 && map.contains_key("unknown"))
}

#[cfg(test)]
mod tests;
