//! A list against the directories: those of a profile, or those of a company
//! file in an embedded lab, over the same wire.
//!
//! Reads only, and makes nothing but a temporary folder for the lab. Rows of
//! several lists are judged in one go, so that a delegate in the next file is not
//! missed. What is said becomes findings with their places; telling them is left
//! to the verb.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;
use tokio::runtime::Runtime;

use super::args::{FaultLevel, World};
use super::environment::{self, Opening};
use super::{Context, companies, rehearse, run, runtime};
use crate::base::{Failure, Kind as Failed, Result};
use crate::lab::file::CompanyFile;
use crate::migration::against::{self, Aside};
use crate::migration::kind::Kind;
use crate::migration::list::Mailboxes;
use crate::migration::project::Project;
use crate::migration::rules::{Finding, Severity};
use crate::run::approvals::Rehearsed;
use crate::run::narrate::{Narrator, Note};
use crate::run::{Session, situation, validate};
use crate::wire::attributes::address_key;

/// Lab time after which the first cycle has brought everybody to the cloud.
const FIRST_CYCLE: SignedDuration = SignedDuration::from_hours(1);

/// Whose directories a list is judged against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose<'a> {
    /// Those of this profile: a tenant's, or a lab's.
    Profile(&'a Path),
    /// Those of the company in this file, in a lab of its own.
    World(&'a Path),
}

/// A list, and the text of its file where findings are to show it.
#[derive(Clone, Copy)]
pub(crate) struct Listed<'a> {
    /// As it was read.
    pub list: &'a Mailboxes,
    /// The file as text; none shows places by line alone.
    pub text: Option<&'a str>,
}

/// What the directories say.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// In the order of the lists and their lines; what concerns no row first.
    pub findings: Vec<Finding>,
    /// Who works in whose mailbox: owner and delegate by primary address, where
    /// either is in a list.
    pub delegates: Vec<(String, String)>,
    /// Rows that were converted before.
    pub done: usize,
}

/// Judges lists against the directories. Without `kind` it is the project's.
/// `sizes` are bytes of old mailboxes by address, where statistics are at hand.
///
/// # Errors
/// The profile or the company file can't be used; nobody answers.
pub(crate) fn judge(
    context: &Context,
    lists: &[Listed<'_>],
    kind: Option<Kind>,
    whose: Whose<'_>,
    sizes: &BTreeMap<String, u64>,
) -> Result<Judged> {
    let here = std::env::current_dir().map_err(|e| {
        Failure::new(Failed::Local, "the current folder can't be used")
            .detail(e.to_string())
            .hint("go to another folder")
    })?;
    match whose {
        Whose::Profile(path) => {
            let profile = environment::profile(path)?;
            let project = run::project(&here, path, &profile, None)?;
            let runtime = runtime(None)?;
            let opened = runtime.block_on(environment::look(opening(path, project, &here, &runtime)))?;
            runtime.block_on(Box::pin(ask(&opened.session, lists, kind, sizes)))
        }
        Whose::World(path) => in_a_lab(context, lists, kind, path, &here, sizes),
    }
}

fn in_a_lab(
    context: &Context,
    lists: &[Listed<'_>],
    kind: Option<Kind>,
    path: &Path,
    here: &Path,
    sizes: &BTreeMap<String, u64>,
) -> Result<Judged> {
    let world =
        World { seed: 1, faults: FaultLevel::None, make: 1, company: Some(path.to_path_buf()), settings: Vec::new() };
    let file = companies::named(context, &world)?;
    let mut draft = companies::draft(&world, file.as_ref(), None)?;
    if let Some(file) = &file {
        verify(&mut draft.world, file);
    }
    let home = tempfile::tempdir().map_err(|e| {
        Failure::new(Failed::Local, "no temporary folder can be made")
            .detail(e.to_string())
            .hint("set TMPDIR to a folder that may be written")
    })?;
    let runtime = runtime(None)?;
    let lab = runtime.block_on(rehearse::start_lab(draft, home.path()))?;
    let project = match environment::project(here)? {
        Some(project) => project,
        None => rehearse::sample_project(&lab, None, home.path())?,
    };
    let opened = runtime.block_on(environment::look(opening(lab.profile_path(), project, home.path(), &runtime)))?;
    let judged = runtime.block_on(Box::pin(async {
        opened.session.clock().sleep(FIRST_CYCLE).await?;
        ask(&opened.session, lists, kind, sizes).await
    }));
    runtime.block_on(lab.stop());
    judged
}

/// Domains of which the file does not say whether they are verified are taken as
/// verified: nobody is told of a fault that was made up.
fn verify(world: &mut crate::lab::World, file: &CompanyFile) {
    let told = |name: &str| {
        let domains = file.tenant.iter().flat_map(|t| t.domains.iter().flatten());
        let mut told = domains.filter(|d| d.verified.is_some()).filter_map(|d| d.name.as_deref());
        told.any(|n| n.eq_ignore_ascii_case(name))
    };
    for (_, domain) in world.tenant.domains.iter_mut().filter(|(name, _)| !told(name)) {
        domain.verified = true;
    }
}

/// Nobody is asked anything, and nothing is said meanwhile.
struct Silent;

impl Narrator for Silent {
    fn note(&self, _: &Note) {}
}

fn opening<'a>(profile: &'a Path, project: Project, folder: &'a Path, runtime: &Runtime) -> Opening<'a> {
    Opening {
        profile,
        project,
        project_folder: folder,
        journal_folder: folder,
        out: folder,
        approver: Arc::new(Rehearsed { deny: Vec::new() }),
        narrator: Arc::new(Silent),
        tap: None,
        handle: runtime.handle().clone(),
    }
}

async fn ask(
    session: &Arc<Session>,
    lists: &[Listed<'_>],
    kind: Option<Kind>,
    sizes: &BTreeMap<String, u64>,
) -> Result<Judged> {
    let kind = kind.unwrap_or_else(|| validate::kind(session));
    let all = Mailboxes::from_addresses(&lists.iter().flat_map(|l| l.list.addresses()).collect::<Vec<_>>());
    let mut read = Box::pin(situation::read(session, &all, kind)).await?;
    read.situation.sizes = sizes.iter().map(|(address, bytes)| (address_key(address), *bytes)).collect();
    // Rows of the project's own batches are under way; that is no fault.
    read.situation.batches.retain(|address, _| !read.under_way.contains(address));
    let checked = against::check(kind, &read.situation);
    let delegates = read.situation.delegates();
    drop(read);
    let done = checked.done.len();
    let said = checked.aside.into_iter().map(|a| (Severity::Error, a));
    let said = said.chain(checked.warned.into_iter().map(|a| (Severity::Warning, a)));
    Ok(Judged { findings: findings(lists, said), delegates, done })
}

/// What is said, at the rows that it is said of.
fn findings(lists: &[Listed<'_>], said: impl Iterator<Item = (Severity, Aside)>) -> Vec<Finding> {
    let mut by_row: BTreeMap<String, Vec<(Severity, Aside)>> = BTreeMap::new();
    for (severity, aside) in said {
        by_row.entry(address_key(&aside.address)).or_default().push((severity, aside));
    }
    let mut findings: Vec<Finding> = Vec::new();
    let first = lists.first().map(|l| l.list.file()).unwrap_or_default();
    for (severity, aside) in by_row.remove("").unwrap_or_default() {
        findings.push(finding(severity, aside, first.to_owned(), &Place::default(), String::new()));
    }
    for listed in lists {
        let lines: Vec<&str> = listed.text.map(|t| t.lines().collect()).unwrap_or_default();
        for (number, row) in listed.list.iter().enumerate() {
            let Some(said) = by_row.get(&row.key()) else { continue };
            let place = Place::of(row.line_number(), row.address(), &lines, shows(listed.list));
            for (severity, aside) in said {
                let name = format!("row {} ({})", number + 1, row.address());
                findings.push(finding(*severity, aside.clone(), listed.list.file().to_owned(), &place, name));
            }
        }
    }
    findings
}

fn finding(severity: Severity, aside: Aside, file: String, place: &Place, row: String) -> Finding {
    Finding {
        rule: aside.rule,
        severity,
        file,
        line: place.line,
        column: place.column,
        row,
        text: aside.reason,
        remedy: aside.remedy,
        excerpt: place.excerpt.clone(),
    }
}

/// Whether lines of the list may be shown: not where one holds a password.
fn shows(list: &Mailboxes) -> bool {
    !list.columns().iter().any(|c| c.eq_ignore_ascii_case(crate::migration::list::PASSWORD))
}

/// Where an address stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
    excerpt: Option<(String, usize)>,
}

impl Place {
    fn of(line: usize, address: &str, lines: &[&str], shown: bool) -> Place {
        let text = line.checked_sub(1).and_then(|at| lines.get(at)).map(|t| t.trim_start_matches('\u{feff}'));
        let at = text.and_then(|t| t.find(address).filter(|_| !address.is_empty()).map(|at| (t, at)));
        match at {
            None => Place { line, ..Place::default() },
            Some((text, at)) => Place {
                line,
                column: text.get(..at).map_or(0, |before| before.chars().count()) + 1,
                excerpt: shown.then(|| (text.to_owned(), address.chars().count())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::read;
    use crate::ui::{ColourChoice, Ui};

    fn context() -> Context {
        Context { ui: Arc::new(Ui::standard(false, ColourChoice::Never)), json: false }
    }

    /// Rule, line, column and the marked text of each finding.
    fn told(judged: &Judged) -> Vec<(&str, usize, usize, String)> {
        let marked = |f: &Finding| {
            let (line, width) = f.excerpt.clone().unwrap_or_default();
            line.chars().skip(f.column.saturating_sub(1)).take(width).collect()
        };
        judged.findings.iter().map(|f| (f.rule, f.line, f.column, marked(f))).collect()
    }

    #[test]
    fn a_company_file_is_asked_through_a_lab_and_findings_stand_at_their_rows() {
        let at = tempfile::tempdir().expect("a temporary folder");
        let company = at.path().join("company.json");
        let text = r#"{"version": 1, "people": [
            {"address": "ann@acme.test", "upn": "ann@acme.test", "delegates": ["cy@acme.test"], "usage_location": "DE"},
            {"address": "bob@acme.test", "upn": "bob@acme.test", "hidden": true, "usage_location": "DE"},
            {"address": "cy@acme.test", "upn": "cy@acme.test", "usage_location": "DE"}]}"#;
        std::fs::write(&company, text).expect("a writable folder");
        let first = "EmailAddress,Password\nbob@acme.test,LongEnough1\n";
        let second = "\u{feff}Department,EmailAddress\nSales,Ann@acme.test\n,gone@acme.test\n";
        let how = read::Reading { unknown_columns: true };
        let list = |name: &str, text: &str| read::read_with(name, text.as_bytes(), &how).0.expect("a sound list");
        let (one, two) = (list("one.csv", first), list("two.csv", second));
        let lists = [Listed { list: &one, text: Some(first) }, Listed { list: &two, text: Some(second) }];
        let sizes = BTreeMap::from([("ANN@acme.test".to_owned(), 200 << 30)]);
        let whose = Whose::World(&company);
        let judged = judge(&context(), &lists, None, whose, &sizes).expect("the lab answers");
        assert_eq!(
            told(&judged),
            [
                // Beside a password nothing of a line is shown.
                (against::HIDDEN, 2, 1, String::new()),
                (against::TOO_LARGE, 2, 7, "Ann@acme.test".to_owned()),
                (against::DELEGATE_LEFT_OUT, 2, 7, "Ann@acme.test".to_owned()),
                (against::NOT_ON_PREMISES, 3, 2, "gone@acme.test".to_owned()),
            ]
        );
        assert_eq!(judged.done, 0);
        assert_eq!(judged.findings[1].row, "row 1 (Ann@acme.test)");
        assert_eq!(judged.findings.iter().map(|f| f.file.as_str()).collect::<Vec<_>>()[..2], ["one.csv", "two.csv"]);
        assert_eq!(judged.delegates, [("ann@acme.test".to_owned(), "cy@acme.test".to_owned())]);
        // By another kind, other rules.
        let imap = judge(&context(), &lists, Some(Kind::Imap), whose, &BTreeMap::new()).expect("the lab answers");
        assert!(imap.findings.iter().all(|f| f.rule == against::NO_CLOUD_MAILBOX) && imap.findings.len() == 3);
        let missing = judge(&context(), &lists, None, Whose::World(&at.path().join("none.json")), &sizes);
        assert_eq!(missing.expect_err("there is none").kind, Failed::Usage);
        let none = at.path().join("none.toml");
        let missing = judge(&context(), &lists, None, Whose::Profile(&none), &sizes);
        assert_eq!(missing.expect_err("there is none").kind, Failed::Usage);
    }
}
