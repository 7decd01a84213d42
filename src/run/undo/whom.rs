//! Who comes home, and who stays and why: conversions and starts of a run held
//! against both directories. It reads and writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::Fate;
use super::assess::Sight;
use super::inverse::Pair;
use super::made::{Choice, Made};
use super::people::{Home, Person};
use super::service::Kinds;
use crate::base::{Result, Timestamp};
use crate::run::gate::{Change, Observed, Verdict};
use crate::run::recipients::entry_of;
use crate::run::report::plural;
use crate::run::waiting;
use crate::wire::attributes::address_key;

/// Old mailboxes are kept so long where the store doesn't say: the default of
/// Exchange 2000 and later.
const RETENTION: i64 = 30 * 86_400;

/// Everybody who comes home.
#[derive(Default)]
pub(super) struct People {
    /// Who was moved or forwarded and will not be any more, by address in lower case.
    pub back: BTreeSet<String>,
    /// Messages that arrived in their cloud mailboxes.
    pub arrived: BTreeMap<String, u64>,
    /// How many cloud mailboxes are open.
    pub open: usize,
}

impl Sight<'_> {
    /// Conversions and starts: the people.
    pub(super) async fn people(&mut self, chosen: &[&Made]) -> Result<People> {
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
    pub(super) fn rows(&self, batch: &str) -> Vec<String> {
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
}

/// A moment as a date for people.
fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}
