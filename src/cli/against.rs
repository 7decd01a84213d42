//! `stagepost validate --against` and `--world`: a list against the directories
//! of a profile, or of a company file in an embedded lab, over the same wire.
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
use crate::base::Result;
use crate::lab::file::CompanyFile;
use crate::migration::against::{self, Aside};
use crate::migration::encoding::Text;
use crate::migration::kind::Kind;
use crate::migration::list::Mailboxes;
use crate::migration::project::Project;
use crate::migration::read::{self, Examined, Reading};
use crate::migration::rules::{Finding, Severity};
use crate::report::words;
use crate::run::approvals::Rehearsed;
use crate::run::narrate::{Narrator, Note};
use crate::run::{Session, situation};
use crate::wire::attributes::address_key;

/// Findings of one rule in one list that are told in full; the others are counted.
const IN_FULL: usize = 1000;
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

/// A file of the verb.
pub(crate) struct Given<'a> {
    /// As messages show it.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The text that they are.
    pub text: &'a Text<'a>,
}

/// Judges what was examined against directories as well, and adds to its
/// findings. A file with errors of its own is not taken there, which is said.
/// Answers who works in whose mailbox.
///
/// # Errors
/// As [`judge`].
pub(crate) fn add(
    context: &Context,
    files: &[Given<'_>],
    how: &Reading,
    whose: Whose<'_>,
    examined: &mut [Examined],
) -> Result<Vec<(String, String)>> {
    // Limits of a batch's file keep nobody from being looked for.
    let how = Reading { is_batch_file: false, ..*how };
    let mut lists = Vec::with_capacity(files.len());
    for (at, file) in files.iter().enumerate() {
        match read::read_with(file.name, file.bytes, &how).0 {
            Some(list) => lists.push((at, list)),
            None => context
                .ui
                .status(&format!("{} is not taken to the directories before its errors are mended", file.name)),
        }
    }
    if lists.is_empty() {
        return Ok(Vec::new());
    }
    let listed: Vec<Listed> =
        lists.iter().filter_map(|(at, list)| Some(Listed { list, text: Some(&files.get(*at)?.text.text) })).collect();
    let judged = judge(context, &listed, how.kind, whose, &BTreeMap::new())?;
    for ((at, _), findings) in lists.iter().zip(judged.findings) {
        if let Some(one) = examined.get_mut(*at) {
            one.findings.extend(findings);
        }
    }
    if judged.done > 0 {
        let moved = words::counted(judged.done as u64, "mailbox has moved", "mailboxes have moved");
        context.ui.status(&format!("{moved} already"));
    }
    Ok(judged.delegates)
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
    /// Of each list, in the order of its lines; what concerns no row first, and
    /// with the first list.
    pub findings: Vec<Vec<Finding>>,
    /// Who works in whose mailbox: owner and delegate by primary address, where
    /// either is in a list.
    pub delegates: Vec<(String, String)>,
    /// Rows that were converted before.
    pub done: usize,
}

/// Judges lists against the directories. `sizes` are bytes of old mailboxes by address, where statistics are at hand.
///
/// # Errors
/// The profile or the company file can't be used; nobody answers.
pub(crate) fn judge(
    context: &Context,
    lists: &[Listed<'_>],
    kind: Kind,
    whose: Whose<'_>,
    sizes: &BTreeMap<String, u64>,
) -> Result<Judged> {
    let here = super::here()?;
    match whose {
        Whose::Profile(path) => {
            let profile = environment::profile(path)?;
            let project = run::project(&here, path, &profile, None)?;
            context.ui.status(&format!("the directories of {} are read", profile.name));
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
    kind: Kind,
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
    let home = super::temporary()?;
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
        run: None,
        mode: crate::run::Mode::Open,
    }
}

async fn ask(
    session: &Arc<Session>,
    lists: &[Listed<'_>],
    kind: Kind,
    sizes: &BTreeMap<String, u64>,
) -> Result<Judged> {
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
fn findings(lists: &[Listed<'_>], said: impl Iterator<Item = (Severity, Aside)>) -> Vec<Vec<Finding>> {
    let mut by_row: BTreeMap<String, Vec<(Severity, Aside)>> = BTreeMap::new();
    let mut everybodys: Vec<(Severity, Aside, usize)> = Vec::new();
    for (severity, aside) in said {
        if !aside.everybody {
            by_row.entry(address_key(&aside.address)).or_default().push((severity, aside));
            continue;
        }
        // One fault of the environment, however many rows there are.
        match everybodys.iter_mut().find(|(_, known, _)| known.rule == aside.rule) {
            Some((_, _, count)) => *count += 1,
            None => everybodys.push((severity, aside, 1)),
        }
    }
    let of_all = everybodys.into_iter().map(|(severity, mut aside, count)| {
        if count > 1 {
            aside.reason = format!("it is so for everybody; {}: {}", aside.address, aside.reason);
        }
        let file = lists.first().map(|l| l.list.file()).unwrap_or_default().to_owned();
        Finding { count, ..finding(severity, aside, file, &Place::default(), String::new()) }
    });
    let mut all = vec![of_all.collect::<Vec<_>>()];
    all.resize_with(lists.len().max(1), Vec::new);
    for (listed, found) in lists.iter().zip(&mut all) {
        let lines: Vec<&str> = listed.text.map(|t| t.lines().collect()).unwrap_or_default();
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        let mut more: BTreeMap<&'static str, Finding> = BTreeMap::new();
        for (number, row) in listed.list.iter().enumerate() {
            let Some(said) = by_row.get(&row.key()) else { continue };
            let place = Place::of(row.line_number(), row.address(), &lines, shows(listed.list));
            for (severity, aside) in said {
                let count = counts.entry(aside.rule).or_default();
                *count += 1;
                if *count > IN_FULL {
                    more.entry(aside.rule)
                        .and_modify(|rest| rest.count += 1)
                        .or_insert_with(|| rest(*severity, aside, listed.list.file(), row.line_number()));
                    continue;
                }
                let name = format!("row {} ({})", number + 1, row.address());
                found.push(finding(*severity, aside.clone(), listed.list.file().to_owned(), &place, name));
            }
        }
        found.extend(more.into_values().map(|one| Finding {
            text: format!("the same fault {} times more", words::count(one.count as u64)),
            ..one
        }));
    }
    all
}

/// What stands for equal findings that are not told one by one.
fn rest(severity: Severity, aside: &Aside, file: &str, line: usize) -> Finding {
    finding(severity, aside.clone(), file.to_owned(), &Place { line, ..Place::default() }, String::new())
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
        count: 1,
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
    use crate::base::Kind as Failed;
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
        judged.findings.iter().flatten().map(|f| (f.rule, f.line, f.column, marked(f))).collect()
    }

    #[test]
    fn a_thousand_equal_findings_are_told_and_the_others_counted() {
        let addresses: Vec<String> = (0..1500).map(|n| format!("p{n}@acme.test")).collect();
        let list = Mailboxes::from_addresses(&addresses);
        let aside = |address: &String| Aside {
            address: address.clone(),
            rule: against::HIDDEN,
            reason: "it is hidden".into(),
            remedy: "show it".into(),
            everybody: false,
        };
        let said = addresses.iter().map(|a| (Severity::Error, aside(a)));
        let found = findings(&[Listed { list: &list, text: None }], said);
        assert_eq!((found.len(), found[0].len(), found[0][1000].count), (1, 1001, 500));
        assert_eq!(found[0][1000].text, "the same fault 500 times more");
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
        let how = Reading { unknown_columns: true, ..Reading::default() };
        let list = |name: &str, text: &str| read::read_with(name, text.as_bytes(), &how).0.expect("a sound list");
        let (one, two) = (list("one.csv", first), list("two.csv", second));
        let lists = [Listed { list: &one, text: Some(first) }, Listed { list: &two, text: Some(second) }];
        let sizes = BTreeMap::from([("ANN@acme.test".to_owned(), 200 << 30)]);
        let whose = Whose::World(&company);
        let judged = judge(&context(), &lists, Kind::Staged, whose, &sizes).expect("the lab answers");
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
        assert_eq!(judged.findings[1][0].row, "row 1 (Ann@acme.test)");
        assert!(judged.findings[0].iter().all(|f| f.file == "one.csv") && judged.findings[1][0].file == "two.csv");
        assert_eq!(judged.delegates, [("ann@acme.test".to_owned(), "cy@acme.test".to_owned())]);
        // By another kind, other rules.
        let imap = judge(&context(), &lists, Kind::Imap, whose, &BTreeMap::new()).expect("the lab answers");
        // Nobody has a mailbox to copy into: one fault of all three.
        let all: Vec<_> = imap.findings.iter().flatten().map(|f| (f.rule, f.count, f.line)).collect();
        assert_eq!(all, [(against::NO_CLOUD_MAILBOX, 3, 0)]);
        let missing = judge(&context(), &lists, Kind::Staged, Whose::World(&at.path().join("none.json")), &sizes);
        assert_eq!(missing.expect_err("there is none").kind, Failed::Usage);
        let none = at.path().join("none.toml");
        let missing = judge(&context(), &lists, Kind::Staged, Whose::Profile(&none), &sizes);
        assert_eq!(missing.expect_err("there is none").kind, Failed::Usage);
    }
}
