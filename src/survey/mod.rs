//! A survey: what directory, tenant and zones say of a company, as a company file.
//!
//! Reads in sets, each kept as soon as it is there (`kept`), so that a survey that
//! was killed goes on where it was. It writes to nobody, opens no socket of its own,
//! and invents nothing: what it can't see it leaves out, and `hidden` lists what no
//! wire shows. It knows no lab; both know `wire::company`.

mod directory;
mod gather;
pub mod hidden;
pub mod kept;
pub mod pseudonyms;
mod reads;
pub mod statistics;
mod tenant;
mod zones;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use gather::gather;
pub use reads::READS;

use crate::base::{Clock, Failure, Kind, Result};
use crate::services::Services;
use crate::wire::company::{CompanyFile, Origin, VERSION};
use crate::wire::profile::Profile;
use kept::Kept;
use statistics::Statistics;

/// What is asked, and by whose time.
pub struct Sources<'a> {
    /// The clients; nothing of them writes here.
    pub services: &'a Services,
    /// Which tenant, directory and zones.
    pub profile: &'a Profile,
    /// For waits that a service asks for.
    pub clock: &'a Clock,
    /// Goes on where a service refuses; the file says so.
    pub partial: bool,
}

/// What a survey tells while it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A read begins.
    Began {
        /// Its number, from 1.
        number: u64,
        /// Its stable name.
        name: &'static str,
        /// What is read, for people.
        about: &'static str,
    },
    /// So many rows are there.
    Sofar {
        /// The read's number.
        number: u64,
        /// Rows so far.
        rows: usize,
        /// What a row is, one or several.
        unit: (&'static str, &'static str),
    },
    /// The read ended.
    Ended {
        /// The read's number.
        number: u64,
        /// How many rows there are of what, one or several; none of a read that
        /// was refused or broken off.
        rows: Option<(usize, (&'static str, &'static str))>,
    },
}

/// A refusal that a partial survey went past.
#[derive(Clone, Debug)]
pub struct Hole {
    /// Name of the read.
    pub read: &'static str,
    /// What is missing in the file, and which right would show it.
    pub text: String,
    /// What the service said.
    pub failure: Failure,
}

/// A surveyed company.
pub struct Surveyed {
    /// The file, with the company's own names.
    pub file: CompanyFile,
    /// What should be known before it is used: a sentence each.
    pub remarks: Vec<String>,
    /// Statistics of nobody: names as the file has them.
    pub strangers: Vec<String>,
}

/// Makes the company file of what was read.
///
/// # Errors
/// There is no mailbox in the directory.
pub fn build(kept: &Kept, profile: &Profile, holes: &[Hole], statistics: &Statistics) -> Result<Surveyed> {
    let mut remarks = Vec::new();
    let mut found = directory::Found::of(kept, profile);
    let mut people = std::mem::take(&mut found.people);
    let cloud = tenant::Cloud::of(kept);
    if people.is_empty() {
        return Err(Failure::new(Kind::Findings, "the directory shows no mailbox")
            .hint("check that the profile's directory account may read the domain in which the mailboxes are")
            .during("ldap", "search")
            .on(&profile.directory.host));
    }
    let synchronized = cloud.settle(&mut people);
    let unknown = people.iter().filter(|p| !synchronized.contains(p.facts.address.as_deref().unwrap_or_default()));
    let unknown = unknown.count();
    if unknown > 0 {
        remarks.push(format!(
            "{unknown} of {} mailboxes have no user in the tenant: not synchronized yet, or out of scope. The lab \
             synchronizes everybody whom the usual rules let in",
            people.len()
        ));
    }
    let strangers = statistics.lay(&mut people);
    let permissions = statistics.permissions(&people);
    let domains = found.domains(&cloud, &people, profile);
    let addresses: BTreeSet<String> =
        people.iter().filter_map(|p| p.facts.address.as_ref().map(|a| a.to_lowercase())).collect();
    let file = CompanyFile {
        version: Some(VERSION),
        company: Some(found.organization.facts(&domains, profile, &mut remarks)),
        tenant: Some(cloud.facts(profile, &domains, &found.objects)),
        zones: Some(zones::facts(kept, profile, &domains, &mut remarks)).filter(|z| !z.is_empty()),
        mess: cloud.mess(&people, &addresses, &domains, &mut remarks),
        people: people.into_iter().map(|p| p.facts).collect(),
        objects: Some(found.objects.into_iter().map(|o| o.facts).chain(found.configuration).collect()),
        permissions,
        survey: Some(Origin {
            taken: Some(kept.began()),
            pseudonyms: false,
            holes: holes.iter().map(|h| h.text.clone()).collect(),
        }),
        ..CompanyFile::default()
    };
    remarks.extend(found.remarks);
    Ok(Surveyed { file, remarks, strangers })
}
