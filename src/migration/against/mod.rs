//! The list against both directories: which rows may go, and why the others
//! stay.
//!
//! Facts come in as plain values (`facts`), nobody is asked here. The rules are
//! records (`rules`), each judged for the kinds of migration that it names. A row
//! with a fault of its own is set aside and left whole; the same fault in every
//! row is the fault of the environment, and is marked so, because only such a one
//! ends a run.

mod facts;
mod ids;
mod judge;
mod record;
mod rules;
mod seats;
mod worlds;

use std::collections::{BTreeMap, BTreeSet};

pub use facts::{InCloud, OnPremises, Situation, Tenant, delegates};
pub use ids::*;
pub use record::{ListRule, Side};
pub use rules::{LICENCE_RULES, LIST_RULES, all, of};
pub use worlds::World;

use super::kind::Kind;
use super::rules::Severity;
use crate::wire::attributes::address_key;

/// A row that stays where it is, or a warning about one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Address as the list writes it; empty for what concerns no row.
    pub address: String,
    /// Identifier of the rule.
    pub rule: &'static str,
    /// One sentence without a full stop.
    pub reason: String,
    /// What to do.
    pub remedy: String,
    /// Every row has it: the environment is at fault, not the row.
    pub everybody: bool,
}

/// What a rule says of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    rule: &'static str,
    severity: Severity,
    text: String,
}

/// What came of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Every reason, in list order; a row may have several.
    pub aside: Vec<Aside>,
    /// What is worth a warning and sets nobody aside, in list order.
    pub warned: Vec<Aside>,
    /// Addresses of rows that were converted before; nothing is left to do.
    pub done: Vec<String>,
}

impl Checked {
    /// Addresses that must not go on, converted ones included.
    pub fn out(&self) -> BTreeSet<String> {
        self.aside.iter().map(|a| a.address.clone()).chain(self.done.iter().cloned()).collect()
    }

    /// Whether something concerns everybody.
    pub fn concerns_everybody(&self) -> bool {
        self.aside.iter().any(|a| a.everybody)
    }

    fn take(&mut self, address: &str, said: Said) {
        let severity = said.severity;
        let one = judge::aside(address, said);
        match severity {
            Severity::Error => self.aside.push(one),
            Severity::Warning => self.warned.push(one),
        }
    }
}

/// Judges every row of a situation by the rules of a kind.
pub fn check(kind: Kind, situation: &Situation) -> Checked {
    let index = judge::Index::new(kind, situation);
    let verdicts: Vec<(String, judge::Verdict)> =
        situation.list.iter().map(|row| (row.address().to_owned(), index.row(row.address()))).collect();
    let going: Vec<_> = verdicts
        .iter()
        .enumerate()
        .filter(|(_, (_, v))| !v.done && !judge::stays(&v.said))
        .filter_map(|(row, (address, v))| {
            let user = situation.in_cloud.get(v.user?)?;
            let person = v.person.and_then(|i| situation.on_premises.get(i));
            Some(seats::Going { row, key: address_key(address), person, user })
        })
        .collect();
    let seats = match &situation.tenant.skus {
        Some(skus) => seats::count(kind, situation, skus, &going),
        None => seats::Seats { whole: Vec::new(), rows: Vec::new() },
    };
    let mut of_rows: BTreeMap<usize, Vec<Said>> = BTreeMap::new();
    for (row, said) in seats.rows {
        of_rows.entry(row).or_default().push(said);
    }
    let whole: Vec<Said> = synchronization(kind, situation).into_iter().chain(seats.whole).collect();
    // What follows from the state of the tenant is not said of every row again.
    let silent: BTreeSet<&str> = judge::silenced(&whole).map(|(rule, _)| rule).collect();
    let mut checked = Checked::default();
    for said in whole {
        checked.take("", said);
    }
    for one in checked.aside.iter_mut().chain(&mut checked.warned) {
        one.everybody = true;
    }
    for (row, (address, mut verdict)) in verdicts.into_iter().enumerate() {
        verdict.said.extend(of_rows.remove(&row).unwrap_or_default());
        for said in judge::unsilenced(verdict.said).into_iter().filter(|s| !silent.contains(s.rule)) {
            checked.take(&address, said);
        }
        if verdict.done {
            checked.done.push(address);
        }
    }
    mark_everybody(situation.list.len(), &mut checked.aside);
    checked
}

/// Whether directory synchronization is as the kind needs it.
fn synchronization(kind: Kind, situation: &Situation) -> Option<Said> {
    let is_on = situation.tenant.synchronizes?;
    let severity = of(SYNCHRONIZATION)?.severity(kind)?;
    let text = match (kind, is_on) {
        (Kind::Cutover, true) => "directory synchronization is on, and a cutover makes its users itself",
        (Kind::Staged | Kind::RemoteMove, false) => {
            "directory synchronization is off, and without it nobody has a mail user"
        }
        _ => return None,
    };
    Some(Said { rule: SYNCHRONIZATION, severity, text: text.to_owned() })
}

/// The same rule in every row of a list of several: not the rows are at fault.
fn mark_everybody(rows: usize, aside: &mut [Aside]) {
    if rows < 2 {
        return;
    }
    let mut by_rule: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for a in aside.iter() {
        by_rule.entry(a.rule).or_default().insert(&a.address);
    }
    let all: BTreeSet<&'static str> =
        aside.iter().map(|a| a.rule).filter(|r| by_rule.get(r).is_some_and(|w| w.len() == rows)).collect();
    for a in aside.iter_mut().filter(|a| all.contains(a.rule)) {
        a.everybody = true;
    }
}

#[cfg(test)]
mod tests;
