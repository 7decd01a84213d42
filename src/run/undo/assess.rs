//! What an undo would do: each change of the run held against the world as it is.
//! It reads and writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::made::{Choice, Made, Story};
use super::names::{Back, Found};
use super::raw::Raw;
use super::service::Endpoint;
use super::whom::People;
use super::{Fate, Line, Undertaking, Work};
use crate::base::{Failure, Kind, Result};
use crate::run::batches;
use crate::run::gate::{Change, Verdict};
use crate::run::journal::Run;
use crate::run::recipients;
use crate::run::removal::may_go;
use crate::run::report::plural;
use crate::run::session::Session;
use crate::wire::attributes::address_key;
use crate::wire::invoke::{get, text_of};

/// What stays by rule, and why nobody lacks anything by it.
const STAYS: &[(&str, &str)] = &[
    ("license::assign", "a licence is never taken away; of whom comes home the mailbox plan is switched off"),
    ("license::location", "licences need the usage location"),
    ("domain::add", "a domain is never removed from the tenant"),
    ("domain::verify", "a domain is never removed from the tenant, and its proof does no harm"),
    ("release", "given back already; a new batch would move them"),
    ("release::carry_home", "a message that was delivered stays where it is"),
    ("license::take_back", "it belongs to a release; a new batch would give it again"),
    ("license::switch_off", "it belongs to a release; a new batch would give it again"),
    ("remove", "nothing hung on the batch any more; a new one would begin anew"),
    ("remove::stop", "the batch is gone"),
];

/// Holds a run's changes, or a part of them, against the world.
///
/// # Errors
/// `usage`: the run has nothing of that name. Those of the reads.
pub async fn assess(session: &Arc<Session>, run: Run, part: Option<&str>) -> Result<Undertaking> {
    let events = session.journal().read(&run.id)?;
    let story = Story::of(&events);
    let choice = story.choice(part)?;
    let mut sight = Sight { session, story: &story, choice: &choice, lines: Vec::new(), work: Work::default() };
    let chosen = story.chosen(&choice);
    let step = session.step("undo::look", plural(chosen.len(), "change", "changes"));
    let people = sight.people(&chosen).await?;
    sight.names(&chosen).await?;
    sight.batches(&chosen, &people).await?;
    sight.endpoints(&chosen).await?;
    sight.raw(&chosen).await?;
    sight.the_rest(&chosen);
    let Sight { mut lines, work, .. } = sight;
    lines.sort_by(|a, b| b.number.cmp(&a.number).then_with(|| a.target.cmp(&b.target)));
    let messages = people.arrived.values().sum();
    let holders = people.arrived.values().filter(|n| **n > 0).count();
    let waits = waits(&work, people.open);
    let due = lines.iter().filter(|l| l.fate == Fate::TakenBack).count();
    step.end(format!("{due} to be taken back"));
    Ok(Undertaking { run, part: choice.words(), lines, waits, messages, holders, work })
}

/// The world as an undo sees it, and what was found so far.
pub(super) struct Sight<'a> {
    pub session: &'a Session,
    pub story: &'a Story,
    pub choice: &'a Choice,
    pub lines: Vec<Line>,
    pub work: Work,
}

impl Sight<'_> {
    pub(super) fn line(&mut self, made: &Made, fate: Fate, text: impl Into<String>) -> &mut Line {
        self.lines.push(Line {
            number: made.number,
            operation: made.operation.clone(),
            target: made.target.clone(),
            fate,
            text: text.into(),
            detail: None,
            until: None,
            messages: None,
        });
        self.lines.last_mut().expect("a line was pushed just now")
    }

    /// The line of a change by its comparison; whether it is due.
    fn judged(&mut self, made: &Made, verdict: &Verdict, how: impl Into<String>) -> bool {
        match verdict {
            Verdict::Differs(_) => {
                self.line(made, Fate::TakenBack, how);
                true
            }
            Verdict::Same => {
                self.line(made, Fate::Already, "it is as it was");
                false
            }
            Verdict::Refused(failure) => {
                let detail = failure.detail.clone().filter(|d| !d.is_empty());
                self.line(made, Fate::Left, failure.message.clone()).detail = detail;
                false
            }
        }
    }

    /// Record sets, each held against what the zone will say by then.
    async fn names(&mut self, chosen: &[&Made]) -> Result<()> {
        const OURS: [&str; 3] = ["set_mx", "set_mx::lower_ttl", "autodiscover::set"];
        let mut by_then: BTreeMap<String, Option<Found>> = BTreeMap::new();
        let mut all = Vec::new();
        for made in chosen.iter().filter(|m| OURS.contains(&m.operation.as_str())) {
            match Back::of(made) {
                Some(back) => all.push((made, back)),
                None => {
                    self.line(made, Fate::Left, "the journal has no image of the set that was there");
                }
            }
        }
        for (place, (made, back)) in all.iter().enumerate() {
            let found = match by_then.get(back.target()) {
                Some(Some(then)) => then.clone(),
                Some(None) => {
                    self.line(made, Fate::Left, "a newer change of the same set stays, and stands on it");
                    continue;
                }
                None => back.found(self.session).await?,
            };
            // An older change of the same set may be back already, and this one with it.
            let older = all.iter().skip(place + 1).map(|(_, older)| older).filter(|o| o.target() == back.target());
            let is_back = older.into_iter().any(|o| matches!(o.verdict(&found), Verdict::Same));
            let verdict = if is_back { Verdict::Same } else { back.verdict(&found) };
            let due = self.judged(made, &verdict, back.words());
            let then = match verdict {
                Verdict::Refused(_) => None,
                Verdict::Differs(_) => Some(back.then()),
                Verdict::Same => Some(found),
            };
            by_then.insert(back.target().to_owned(), then);
            if due {
                self.work.names.push(back.clone());
            }
        }
        Ok(())
    }

    /// Batches that the run made, and whether they are to be stopped first.
    async fn batches(&mut self, chosen: &[&Made], people: &People) -> Result<()> {
        for made in chosen.iter().filter(|m| m.operation == "start") {
            if let Some(status) = batches::status_of(self.session, &made.target).await?
                && !may_go(&status)
                && !self.work.stops.contains(&made.target)
            {
                self.work.stops.push(made.target.clone());
            }
        }
        for made in chosen.iter().filter(|m| m.operation == "batch") {
            if batches::status_of(self.session, &made.target).await?.is_none() {
                self.line(made, Fate::Already, "it is gone");
                continue;
            }
            let rows = self.rows(&made.target);
            let wanted = ["proxyAddresses", "homeMDB", "targetAddress"];
            let entries = recipients::some(self.session, &rows, &wanted).await?;
            let hangs = |a: &&String| {
                let key = address_key(a);
                let is_on_its_way = entries.get(&key).is_some_and(|e| e.has("targetAddress"));
                is_on_its_way && !people.back.contains(&key)
            };
            let hanging: Vec<&String> = rows.iter().filter(hangs).collect();
            if let Some(first) = hanging.first() {
                let text = format!(
                    "{} of it moved or on the way, {first} first",
                    plural(hanging.len(), "mailbox is", "mailboxes are")
                );
                self.line(made, Fate::Left, text);
                continue;
            }
            self.work.batches.push((made.target.clone(), rows.clone()));
            self.line(made, Fate::TakenBack, "the batch is removed");
        }
        Ok(())
    }

    async fn endpoints(&mut self, chosen: &[&Made]) -> Result<()> {
        let mut seen = BTreeSet::new();
        for made in chosen.iter().filter(|m| m.operation == "endpoint") {
            // Of several settings the newest is judged; older ones are set back by
            // what it goes back to.
            if !seen.insert(made.target.clone()) {
                self.line(made, Fate::Left, "a newer change of the same endpoint comes first; undo again afterwards");
                continue;
            }
            let endpoint = Endpoint::of(made);
            let observed = endpoint.observe(self.session, &[]).await?;
            let Some(one) = observed.into_iter().next() else { continue };
            if endpoint.is_ours() && matches!(one.verdict, Verdict::Differs(_)) {
                let others = self.users_of(&made.target).await?;
                if let Some(first) = others.first() {
                    let text = format!("{} it, {first} first", plural(others.len(), "batch uses", "batches use"));
                    self.line(made, Fate::Left, text);
                    continue;
                }
            }
            let how = if endpoint.is_ours() { "the endpoint is removed" } else { "its settings are set back" };
            if self.judged(made, &one.verdict, how) {
                self.work.endpoints.push(endpoint);
            }
        }
        Ok(())
    }

    /// Batches that use an endpoint and stay.
    async fn users_of(&self, endpoint: &str) -> Result<Vec<String>> {
        let all = self.session.services().exchange.invoke("Get-MigrationBatch", Vec::new()).await?;
        let uses = |row: &&serde_json::Value| {
            text_of(get(get(row, "SourceEndpoint"), "Identity")).eq_ignore_ascii_case(endpoint)
        };
        let names = all.rows.iter().filter(uses).map(|row| text_of(get(row, "Identity")));
        Ok(names.filter(|n| !self.work.batches.iter().any(|(b, _)| b.eq_ignore_ascii_case(n))).collect())
    }

    /// Raw calls: those newer than the first conversion or start go first.
    async fn raw(&mut self, chosen: &[&Made]) -> Result<()> {
        let first = chosen.iter().filter(|m| ["start", "convert_to_mail_user"].contains(&m.operation.as_str()));
        let first = first.map(|m| m.number).min();
        let mut seen = BTreeSet::new();
        for made in
            chosen.iter().filter(|m| ["ldap::modify", "exchange::invoke", "graph"].contains(&m.operation.as_str()))
        {
            let Some(raw) = Raw::of(made) else {
                let why = made.way_back["why"].as_str().unwrap_or("it has no before-image");
                let known = if made.in_doubt { "nobody knows what became of it" } else { why };
                self.line(made, Fate::Left, format!("final: {known}"));
                continue;
            };
            // What an older one will find is what a newer one leaves.
            let verdict = if seen.insert(made.target.clone()) {
                let observed = raw.observe(self.session, &[]).await?;
                observed.into_iter().next().map_or(Verdict::Same, |one| one.verdict)
            } else {
                Verdict::Differs(serde_json::Value::Null)
            };
            let how = match &raw {
                Raw::Modify { .. } => "the exact inverse is written",
                Raw::Set { .. } => "its properties are set back",
                Raw::Post { .. } => "what it made is deleted",
            };
            if self.judged(made, &verdict, how) {
                let is_newer = first.is_some_and(|first| made.number > first);
                if is_newer { self.work.raw_newer.push(raw) } else { self.work.raw_older.push(raw) }
            }
        }
        Ok(())
    }

    /// What stays by rule, and what nothing here knows.
    fn the_rest(&mut self, chosen: &[&Made]) {
        let told: BTreeSet<u64> = self.lines.iter().map(|l| l.number).collect();
        let known = ["convert_to_mail_user", "start", "mailbox_kind"];
        for made in chosen.iter().filter(|m| !told.contains(&m.number)) {
            if known.contains(&made.operation.as_str()) {
                // Told with a newer change of the same object.
                continue;
            }
            if made.operation.starts_with("undo::") {
                self.line(made, Fate::Stays, "an undo is taken back by running the script again");
                continue;
            }
            match STAYS.iter().find(|(operation, _)| *operation == made.operation) {
                Some((_, why)) => self.line(made, Fate::Stays, *why),
                None => {
                    self.line(made, Fate::Left, "no way back of it is known here; see the reference of the primitive")
                }
            };
        }
    }
}

/// What the undo will wait for.
fn waits(work: &Work, open: usize) -> Vec<String> {
    let mut waits = Vec::new();
    if !work.stops.is_empty() {
        waits.push(format!("{} to stop", plural(work.stops.len(), "batch", "batches")));
    }
    let copies = work.names.iter().filter(|n| n.is_mail()).map(|n| n.copies().max(900)).max();
    if let Some(seconds) = copies {
        waits.push(format!("{} minutes until no resolver holds the MX record of the cloud", seconds.div_ceil(60)));
    }
    if open > 0 {
        waits.push("a synchronization, by which the cloud learns that they are home (half an hour, as a rule)".into());
    }
    waits
}

/// The run that is meant: its id, the beginning of one, or `last`.
///
/// # Errors
/// `usage`: none, or several, or one of another tenant.
pub fn run_named(runs: Vec<Run>, tenant: &str, word: &str) -> Result<Run> {
    let usage = |text: String, hint: &str| Err(Failure::new(Kind::Usage, text).hint(hint));
    let undoable = |r: &&Run| r.tenant == tenant && r.verb != "undo" && r.intents > 0;
    if word == "last" {
        return match runs.iter().rfind(undoable) {
            Some(run) => Ok(run.clone()),
            None => usage("no run of this tenant has changed anything".into(), "`stagepost runs` lists all"),
        };
    }
    let found: Vec<&Run> = runs.iter().filter(|r| r.id == word || r.id.starts_with(word)).collect();
    match found[..] {
        [run] if run.tenant == tenant => Ok(run.clone()),
        [run] => usage(
            format!("run {} belongs to another tenant or lab than this profile", run.id),
            "name the profile with which it ran",
        ),
        [] => usage(format!("the journal knows no run {word}"), "`stagepost runs` lists all; `last` is the latest"),
        _ => usage(format!("{} runs begin with {word}", found.len()), "write more of the id"),
    }
}
