//! The rules that a list of mailboxes must keep, each one record.
//!
//! Identifiers never change their meaning: they stand in reports, in
//! `explain SP105` and in suppression lists. SP1xx concern the file, SP2xx the
//! list against both directories. What each says comes from Microsoft's page on
//! CSV files for mailbox migration and the texts of its troubleshooter; where
//! nothing was found the rule says so. Nothing here reads a byte; that is
//! `read` and `against`.

mod page;
mod rows;
mod text;
mod values;

pub use page::page;
pub use rows::*;
pub use text::*;
pub use values::*;

use super::kind::Kind;
use super::read::{Reading, SignIn};

/// Whether a finding stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is sent before it is mended.
    Error,
    /// Said, and gone on.
    Warning,
}

impl Severity {
    /// `error` or `warning`, as notes and JSON say it.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `SP101`, never renamed.
    pub id: &'static str,
    /// Whether breaking it stops.
    pub severity: Severity,
    /// What the rule demands.
    pub meaning: &'static str,
    /// How it usually comes to be broken.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Where the rule comes from, or that it is ours.
    pub source: &'static str,
    /// What breaks it.
    pub example: Example,
    /// Rules that whatever breaks this one breaks as well; nothing else is
    /// broken by the example.
    pub implies: &'static [&'static str],
    /// Kinds of migration whose lists must keep it.
    pub kinds: &'static [Kind],
}

/// What breaks a rule.
#[derive(Clone, Copy, Debug)]
pub enum Example {
    /// A file, and how it is read.
    File(&'static [u8], Reading),
    /// A file that is too long to stand here: what it is, and what makes it.
    Made(&'static str, fn() -> Vec<u8>, Reading),
    /// Files that are given together.
    Files(&'static [&'static [u8]], Reading),
    /// What is found in the directories, in words.
    Situation(&'static str),
}

/// Rules that hold for the list of every kind.
pub const EVERY_KIND: &[Kind] = &[Kind::Staged, Kind::RemoteMove, Kind::Cutover, Kind::Imap];
/// Rules of every kind that takes a list.
const LISTED: &[Kind] = &[Kind::Staged, Kind::RemoteMove, Kind::Imap];
const STAGED: &[Kind] = &[Kind::Staged];
const MOVES: &[Kind] = &[Kind::RemoteMove];
const IMAP: &[Kind] = &[Kind::Imap];

const CSV_PAGE: &str = "Microsoft, CSV files for mailbox migration";
const IMAP_PAGE: &str = "Microsoft, CSV files for IMAP migration batches";
const GUIDE: &str = "Microsoft, Perform a staged migration";
const TROUBLESHOOTER: &str = "Microsoft Support, troubleshoot issues with mailbox migration";
const PRELIMINARY: &str = "Microsoft, preliminary check of the rows";
const OWN: &str = "stagepost; no text of the service was found";

/// A file as it goes to the service, with the limits of its kind.
const fn file(kind: Kind) -> Reading {
    Reading { unknown_columns: false, kind, sign_in: SignIn::Unknown, is_batch_file: true }
}

const fn staged(bytes: &'static [u8]) -> Example {
    Example::File(bytes, file(Kind::Staged))
}

const fn moved(bytes: &'static [u8]) -> Example {
    Example::File(bytes, file(Kind::RemoteMove))
}

const fn imap(bytes: &'static [u8]) -> Example {
    Example::File(bytes, file(Kind::Imap))
}

/// A record in the order in which it is read: id, what is demanded, how it
/// comes to be broken, what to do, where it comes from, an example.
const fn error(
    id: &'static str,
    meaning: &'static str,
    cause: &'static str,
    remedy: &'static str,
    source: &'static str,
    example: Example,
) -> Rule {
    Rule { id, severity: Severity::Error, meaning, cause, remedy, source, example, implies: &[], kinds: LISTED }
}

const fn warning(
    id: &'static str,
    meaning: &'static str,
    cause: &'static str,
    remedy: &'static str,
    source: &'static str,
    example: Example,
) -> Rule {
    let rule = error(id, meaning, cause, remedy, source, example);
    Rule { severity: Severity::Warning, ..rule }
}

impl Rule {
    const fn implying(self, implies: &'static [&'static str]) -> Rule {
        Rule { implies, ..self }
    }

    const fn only(self, kinds: &'static [Kind]) -> Rule {
        Rule { kinds, ..self }
    }
}

/// Every rule of a file, in the order of what it concerns: the text, the rows,
/// the values.
pub fn file_rules() -> impl Iterator<Item = &'static Rule> {
    TEXT_RULES.iter().chain(ROW_RULES).chain(VALUE_RULES)
}

/// Every rule there is.
pub fn every_rule() -> impl Iterator<Item = &'static Rule> {
    file_rules().chain(super::against::all().map(|r| &r.rule))
}

/// Looks a rule up by its identifier.
pub fn rule(id: &str) -> Option<&'static Rule> {
    every_rule().find(|r| r.id.eq_ignore_ascii_case(id))
}

/// One breach of a rule, with its place.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Identifier of the rule.
    pub rule: &'static str,
    /// That of the rule.
    pub severity: Severity,
    /// The file as it was given.
    pub file: String,
    /// Line, from 1; 0 if it concerns the whole file.
    pub line: usize,
    /// Character column in that line, from 1; 0 likewise.
    pub column: usize,
    /// Which row, for people: `header`, `row 17`, `row 17 (ann@contoso.test)`.
    pub row: String,
    /// One sentence without a full stop: what is wrong.
    pub text: String,
    /// What to do.
    pub remedy: String,
    /// The line with passwords starred out, and how many characters are
    /// concerned, from `column` on.
    pub excerpt: Option<(String, usize)>,
    /// How many breaches it stands for; more than one where the rest of a
    /// thousand equal ones was only counted.
    pub count: usize,
}

#[cfg(test)]
#[path = "rules/tests.rs"]
mod tests;
