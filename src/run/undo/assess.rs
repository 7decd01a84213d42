//! What an undo would do: each change of the run held against the world as it is.
//! It reads and writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::inverse::Pair;
use super::made::{Choice, Made, Story};
use super::names::{Back, Found};
use super::people::{Home, Person};
use super::raw::Raw;
use super::service::{Endpoint, Kinds};
use super::{Fate, Line, Undertaking, Work};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::run::gate::{Change, Observed, Verdict};
use crate::run::journal::Run;
use crate::run::recipients::{self, entry_of};
use crate::run::removal::may_go;
use crate::run::report::plural;
use crate::run::session::Session;
use crate::run::{batches, waiting};
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

/// Old mailboxes are kept so long where the store doesn't say: the default of
/// Exchange 2000 and later.
const RETENTION: i64 = 30 * 86_400;

/// Holds a run's changes, or a part of them, against the world.
///
/// # Errors
/// `usage`: the run has nothing of that name. Those of the reads.
pub async fn assess(session: &Session, run: Run, part: Option<&str>) -> Result<Undertaking> {
    let events = session.journal().read(&run.id)?;
    let story = Story::of(&events);
    let choice = story.choice(part)?;
    let mut sight = Sight { session, story: &story, choice: &choice, lines: Vec::new(), work: Work::default() };
    let chosen = story.chosen(&choice);
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
    Ok(Undertaking { run, part: choice.words(), lines, waits, messages, holders, work })
}

/// Everybody who comes home.
#[derive(Default)]
struct People {
    /// Who was moved or forwarded and will not be any more, by address in lower case.
    back: BTreeSet<String>,
    /// Messages that arrived in their cloud mailboxes.
    arrived: BTreeMap<String, u64>,
    /// How many cloud mailboxes are open.
    open: usize,
}

struct Sight<'a> {
    session: &'a Session,
    story: &'a Story,
    choice: &'a Choice,
    lines: Vec<Line>,
    work: Work,
}

impl Sight<'_> {
    fn line(&mut self, made: &Made, fate: Fate, text: impl Into<String>) -> &mut Line {
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

    /// Conversions and starts: the people.
    async fn people(&mut self, chosen: &[&Made]) -> Result<People> {
        let mut order: Vec<String> = Vec::new();
        let mut people: BTreeMap<String, Person> = BTreeMap::new();
        let mut stores = BTreeMap::new();
        for made in chosen {
            match made.operation.as_str() {
                "convert_to_mail_user" => {
                    let pair: Pair = (entry_of(&made.before), entry_of(&made.after));
                    let until = made.time + self.retention(&pair, &mut stores).await?;
                    let person = self.enter(&mut people, &mut order, &made.target);
                    if pair.0.has("homeMDB") {
                        person.until = Some(until);
                    }
                    person.conversions.push(pair);
                }
                "start" => {
                    for address in self.rows(&made.target) {
                        self.enter(&mut people, &mut order, &address);
                    }
                }
                _ => {}
            }
        }
        if people.is_empty() {
            return Ok(People::default());
        }
        let all: Vec<Person> = order.iter().filter_map(|k| people.get(k).cloned()).collect();
        let home = Home::of(self.session, &all).await?;
        let targets: Vec<String> = all.iter().map(|p| p.address.clone()).collect();
        let observed = home.observe(self.session, &targets).await?;
        let mut answer = People::default();
        let mut left: BTreeMap<String, (String, Option<String>)> = BTreeMap::new();
        let mut due = Vec::new();
        for (person, one) in all.iter().zip(&observed) {
            let key = address_key(&person.address);
            match self.stands(person, one) {
                Some(why) => {
                    left.insert(key, why);
                }
                None if matches!(one.verdict, Verdict::Differs(_)) || home.has_cloud(&person.address) => {
                    answer.back.insert(key);
                    due.push(person.clone());
                }
                None => {}
            }
        }
        let open: Vec<String> = due.iter().map(|p| p.address.clone()).filter(|a| home.has_cloud(a)).collect();
        answer.open = open.len();
        let counted = waiting::counted(self.session, &open).await?;
        answer.arrived = open.iter().map(|a| address_key(a)).zip(counted).collect();
        self.kinds(chosen, &answer.back);
        self.tell_people(chosen, &people, &answer, &left);
        self.work.people = due;
        Ok(answer)
    }

    /// Finds or makes a person.
    fn enter<'p>(
        &self,
        people: &'p mut BTreeMap<String, Person>,
        order: &mut Vec<String>,
        address: &str,
    ) -> &'p mut Person {
        let key = address_key(address);
        let story = self.story;
        people.entry(key.clone()).or_insert_with(|| {
            order.push(key.clone());
            let baseline = story.baselines.get(&key).map(|image| entry_of(&image["directory"]));
            Person {
                address: address.to_owned(),
                target_before: baseline.and_then(|b| b.text("targetAddress")),
                forwarded: story.forwarded.get(&key).cloned(),
                ..Person::default()
            }
        })
    }

    /// Rows of a batch, as the run made it or as the journal knows it.
    fn rows(&self, batch: &str) -> Vec<String> {
        let key = batch.to_lowercase();
        if let Some(rows) = self.story.rows.get(&key) {
            return rows.clone();
        }
        let memory = self.session.memory();
        memory.past.batches.get(&key).map(|(_, rows)| rows.iter().cloned().collect()).unwrap_or_default()
    }

    /// What keeps somebody where they are.
    fn stands(&self, person: &Person, one: &Observed) -> Option<(String, Option<String>)> {
        let now = self.session.now();
        let is_converted = one.before.is_object() && !entry_of(&one.before).has("homeMDB");
        if let Some(until) = person.until.filter(|until| is_converted && *until <= now) {
            return Some((
                format!(
                    "too late: the old store keeps a mailbox until {}, and opens an empty one afterwards",
                    day(until)
                ),
                None,
            ));
        }
        let key = address_key(&person.address);
        let converted = |m: &&Made| m.operation == "convert_to_mail_user" && address_key(&m.target) == key;
        if let Some(made) = self.story.changes.iter().find(converted).filter(|_| is_converted)
            && person.conversions.is_empty()
        {
            return Some((
                format!(
                    "a mail user by now: undo convert_to_mail_user:{} (change {}), too",
                    person.address, made.number
                ),
                None,
            ));
        }
        match &one.verdict {
            Verdict::Refused(failure) => {
                Some((failure.message.clone(), failure.detail.clone().filter(|d| !d.is_empty())))
            }
            _ => None,
        }
    }

    /// How long the store of an old mailbox keeps it after it was taken off.
    async fn retention(&self, pair: &Pair, stores: &mut BTreeMap<String, i64>) -> Result<SignedDuration> {
        let Some(store) = pair.0.text("homeMDB") else { return Ok(SignedDuration::from_secs(RETENTION)) };
        let seconds = match stores.get(&store) {
            Some(known) => *known,
            None => {
                let found = self.session.services().directory.read(&store).await?;
                let told = found.and_then(|e| e.number("msExchMailboxRetentionPeriod")).unwrap_or(RETENTION);
                stores.insert(store, told);
                told
            }
        };
        Ok(SignedDuration::from_secs(seconds))
    }

    fn tell_people(
        &mut self,
        chosen: &[&Made],
        people: &BTreeMap<String, Person>,
        found: &People,
        left: &BTreeMap<String, (String, Option<String>)>,
    ) {
        let mut told = BTreeSet::new();
        for made in chosen {
            match made.operation.as_str() {
                "convert_to_mail_user" => {
                    let key = address_key(&made.target);
                    // A second conversion of somebody completes the first.
                    if !told.insert(key.clone()) {
                        continue;
                    }
                    let until = people.get(&key).and_then(|p| p.until);
                    if let Some((why, detail)) = left.get(&key) {
                        self.line(made, Fate::Left, why.clone()).detail = detail.clone();
                    } else if found.back.contains(&key) {
                        let messages = found.arrived.get(&key).copied();
                        let line = self.line(
                            made,
                            Fate::TakenBack,
                            "the old mailbox opens again, and the forwarding of its mail is taken away",
                        );
                        line.until = until;
                        line.messages = messages;
                    } else {
                        self.line(made, Fate::Already, "it is as it was");
                    }
                }
                "start" => {
                    let rows: Vec<String> = self.rows(&made.target).iter().map(|a| address_key(a)).collect();
                    let back = rows.iter().filter(|k| found.back.contains(*k)).count();
                    let stuck: Vec<&String> = rows.iter().filter(|k| left.contains_key(*k)).collect();
                    if let Some(first) = stuck.first() {
                        let why = left.get(*first).map(|(why, _)| why.clone()).unwrap_or_default();
                        let text =
                            format!("{} of it stay, {first} first: {why}", plural(stuck.len(), "mailbox", "mailboxes"));
                        self.line(made, Fate::Left, text);
                    } else if back > 0 {
                        let text = format!("the forwarding of {} is taken away", plural(back, "mailbox", "mailboxes"));
                        self.line(made, Fate::TakenBack, text);
                    } else {
                        self.line(made, Fate::Already, "nobody of it is forwarded any more");
                    }
                }
                _ => {}
            }
        }
    }

    /// Kinds of the mailboxes that come home, chosen or not: as a shared mailbox one
    /// would stay open without a licence. And kinds that are meant by themselves.
    fn kinds(&mut self, chosen: &[&Made], back: &BTreeSet<String>) {
        let row = |made: &Made| (made.target.clone(), made.before.clone(), made.after.clone());
        let is_kind = |made: &&Made| made.operation == "mailbox_kind" && made.before.is_object();
        let with = self.story.changes.iter().filter(is_kind).filter(|m| back.contains(&address_key(&m.target)));
        self.work.kinds = Kinds { rows: with.map(row).collect() };
        for made in chosen.iter().copied().filter(|m| is_kind(m)) {
            let kind = made.before["RecipientTypeDetails"].as_str().unwrap_or_default();
            if !back.contains(&address_key(&made.target)) && *self.choice != Choice::Run {
                self.work.kinds_alone.rows.push(row(made));
            }
            self.line(made, Fate::TakenBack, format!("the cloud mailbox becomes a {kind} again"));
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
            self.work.batches.push(made.target.clone());
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
        Ok(names.filter(|n| !self.work.batches.iter().any(|b| b.eq_ignore_ascii_case(n))).collect())
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

/// A moment as a date for people.
fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// The run that is meant: its id, the beginning of one, or `last`.
///
/// # Errors
/// `usage`: none, or several, or one of another tenant.
pub fn run_named(runs: Vec<Run>, tenant: &str, word: &str) -> Result<Run> {
    let usage = |text: String, hint: &str| Err(Failure::new(Kind::Usage, text).hint(hint));
    let undoable = |r: &&Run| r.tenant == tenant && r.verb != "undo" && r.intents > 0;
    if word == "last" {
        return match runs.iter().filter(undoable).next_back() {
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
