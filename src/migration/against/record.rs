//! What a rule of a list against the directories is: its record, and how the
//! table of them is written. Which rules there are stands in `rules`.

use super::worlds::World;
use crate::migration::kind::Kind;
use crate::migration::rules::{EVERY_KIND, Example, Rule, Severity};

/// Where a rule looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Active Directory.
    OnPremises,
    /// The tenant: Graph's users, Exchange's recipients, migration users.
    Cloud,
    /// Both, and whether they agree.
    Both,
}

impl Side {
    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Side::OnPremises => "on premises",
            Side::Cloud => "in the cloud",
            Side::Both => "on both sides",
        }
    }
}

/// A rule of a list against the directories.
#[derive(Clone, Copy, Debug)]
pub struct ListRule {
    /// Its record; the severity is the gravest of all kinds, and that of
    /// `license::check` where that asks the rule as well.
    pub rule: Rule,
    /// Where it looks.
    pub side: Side,
    /// How grave it is for staged, remote move, cutover and IMAP; `None` where
    /// it is not judged.
    pub at: [Option<Severity>; 4],
    /// Rules that are not said for a row of which this one is said as gravely:
    /// they follow from it, or mean nothing beside it. Licences are counted only
    /// for rows without an error.
    pub silences: &'static [&'static str],
    /// A small company that breaks it and nothing else.
    pub world: fn() -> World,
}

impl ListRule {
    /// How grave it is for a kind; `None` if it is not judged.
    pub fn severity(&self, kind: Kind) -> Option<Severity> {
        let [staged, remote_move, cutover, imap] = self.at;
        match kind {
            Kind::Staged => staged,
            Kind::RemoteMove => remote_move,
            Kind::Cutover => cutover,
            Kind::Imap => imap,
        }
    }

    /// For which kinds it is judged and how gravely: `staged error, imap warning`.
    pub fn kinds_text(&self) -> String {
        let of_kind = |kind: Kind| self.severity(kind).map(|s| format!("{} {}", kind.word(), s.word()));
        Kind::ALL.into_iter().filter_map(of_kind).collect::<Vec<_>>().join(", ")
    }
}

/// An error.
pub(super) const E: Option<Severity> = Some(Severity::Error);
/// A warning.
pub(super) const W: Option<Severity> = Some(Severity::Warning);
/// Not judged for the kind.
pub(super) const NO: Option<Severity> = None;

/// One record; the order of the texts is meaning, cause, remedy, source, example.
pub(super) const fn list_rule(
    id: &'static str,
    side: Side,
    at: [Option<Severity>; 4],
    silences: &'static [&'static str],
    texts: [&'static str; 5],
    world: fn() -> World,
) -> ListRule {
    let [meaning, cause, remedy, source, example] = texts;
    let rule = Rule {
        id,
        severity: gravest(at),
        meaning,
        cause,
        remedy,
        source,
        example: Example::Situation(example),
        implies: &[],
        kinds: kinds(at),
    };
    ListRule { rule, side, at, silences, world }
}

/// A rule that `license::check` sets rows aside by, whatever a list's check says.
pub(super) const fn grave(mut rule: ListRule) -> ListRule {
    rule.rule.severity = Severity::Error;
    rule
}

const fn gravest(at: [Option<Severity>; 4]) -> Severity {
    let [a, b, c, d] = at;
    if matches!((a, b, c, d), (E, ..) | (_, E, ..) | (_, _, E, _) | (.., E)) {
        Severity::Error
    } else {
        Severity::Warning
    }
}

/// The kinds for which a rule is judged at all.
const fn kinds(at: [Option<Severity>; 4]) -> &'static [Kind] {
    let [staged, remote_move, cutover, imap] = at;
    match (staged.is_some(), remote_move.is_some(), cutover.is_some(), imap.is_some()) {
        (true, true, true, true) => EVERY_KIND,
        (true, true, true, false) => &[Kind::Staged, Kind::RemoteMove, Kind::Cutover],
        (true, true, false, false) => &[Kind::Staged, Kind::RemoteMove],
        (true, false, true, false) => &[Kind::Staged, Kind::Cutover],
        (true, false, false, false) => &[Kind::Staged],
        (false, true, false, false) => &[Kind::RemoteMove],
        (false, false, false, true) => &[Kind::Imap],
        // Any other is a row of the table that nobody has written yet: building
        // it fails.
        _ => panic!("a rule for these kinds needs an arm of its own"),
    }
}
