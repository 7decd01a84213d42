//! Waves planned with what the run knows: who began already, what kinds there are,
//! how fast earlier waves were copied.
//!
//! The rules stand in `migration::waves`; here facts are gathered, and the plan is
//! told. Kinds come from directory reads that were made anyway. Only a file of
//! sizes without addresses costs a read of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::narrate::What;
use super::recipients;
use super::report::plural;
use super::session::Session;
use crate::base::{Failure, Kind, Result};
use crate::migration::list::Mailboxes;
use crate::migration::waves::expect::{Expected, Pace};
use crate::migration::waves::statistics::{Known, Statistics};
use crate::migration::waves::{self, Member, Plan, Rules, Severed, Wave};
use crate::wire::attributes::{address_key, dn_key, primary_smtp};

/// What a plan is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The limits.
    pub rules: Rules,
    /// Pairs of owner and delegate.
    pub together: Vec<(String, String)>,
    /// Sizes, phones and groups as the list says them; one for each row.
    pub members: Vec<Member>,
    /// An exported file of sizes, with its name.
    pub statistics: Option<(String, Statistics)>,
    /// Whether the rate gives way to what earlier waves of this project showed.
    pub measured: bool,
    /// Hours between two looks at a running copy, after each of which whoever is
    /// complete is converted.
    pub look: f64,
}

/// One wave of the answer.
#[derive(Clone, Debug)]
pub struct Planned {
    /// `wave-03`.
    pub name: String,
    /// Who.
    pub mailboxes: Mailboxes,
    /// Department or date that it is a wave of; empty if the plan has none.
    pub group: String,
    /// What it costs people.
    pub expected: Expected,
}

/// Lines of a plan that people see; a larger one is drawn together.
const LINES: usize = 20;

/// Permissions that are named; the rest is counted.
const NAMED: usize = 3;

/// Plans the waves of a list and tells them.
///
/// # Errors
/// `validation`: the rules leave no room, or ask for what nobody knows; those of
/// the directory.
pub async fn plan(session: &Arc<Session>, list: &Mailboxes, mut asked: Asked) -> Result<Vec<Planned>> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let step = session.step("waves_of", plural(list.len(), "mailbox", "mailboxes"));
    if let Some((name, statistics)) = asked.statistics.take() {
        let found = apply(session, &mut asked.members, &statistics).await?;
        if found == 0 {
            return Err(Failure::new(Kind::Validation, format!("{name} names nobody of the list"))
                .on(&name)
                .hint("export it with the column LegacyDN, or add a column EmailAddress"));
        }
    }
    kinds(session, &mut asked.members);
    if asked.measured
        && let Some(pace) = measured(session, &asked)
    {
        asked.rules.pace = Some(pace);
    }
    let Made { plan, begun } = made(session, &asked)?;
    let rows: Vec<&[usize]> = plan.waves.iter().map(|w| w.rows.as_slice()).collect();
    let expected = waves::expected(&rows, &asked.members, &asked.together, asked.rules.pace.as_ref(), asked.look);
    tell(session, &plan, &expected, begun, &asked);
    let crossing: usize = plan.severed.iter().map(|s| s.crossing.len()).sum();
    let mut text = plural(plan.waves.len(), "wave", "waves");
    if begun > 0 {
        text.push_str(&format!(", {begun} begun by an earlier run"));
    }
    if crossing > 0 {
        text.push_str(&format!(", {} parted", plural(crossing, "permission is", "permissions are")));
    }
    step.end(text);
    let answer = plan.waves.into_iter().zip(expected).map(|(wave, expected)| Planned {
        mailboxes: list.pick(&wave.rows),
        group: wave.group.and_then(|at| asked.rules.groups.get(at).cloned()).unwrap_or_default(),
        name: wave.name,
        expected,
    });
    Ok(answer.collect())
}

/// All waves, those of an earlier run first.
struct Made {
    plan: Plan,
    begun: usize,
}

fn made(session: &Session, asked: &Asked) -> Result<Made> {
    // What an earlier run began keeps its batch: a wave that shifts by one row
    // would meet a batch of its name with other mailboxes.
    let mut begun: BTreeMap<(usize, String), Vec<usize>> = BTreeMap::new();
    let mut fresh = Vec::new();
    let last = {
        let memory = session.memory();
        for (row, member) in asked.members.iter().enumerate() {
            match memory.past.batch_of(&member.address).and_then(|name| Some((waves::number(name)?, name.to_owned()))) {
                Some(wave) => begun.entry(wave).or_default().push(row),
                None => fresh.push(row),
            }
        }
        memory.past.batches.keys().filter_map(|name| waves::number(name)).max().unwrap_or(0)
    };
    let mut rules = asked.rules.clone();
    if !begun.is_empty() {
        rules.pilot = 0;
        rules.batches = rules.batches.saturating_sub(begun.len()).max(1);
    }
    let members: Vec<Member> = fresh.iter().filter_map(|row| asked.members.get(*row).cloned()).collect();
    let planned = waves::plan(&members, &asked.together, &rules)
        .map_err(|why| Failure::new(Kind::Validation, why.to_string()).hint(why.remedy()))?;
    let count = begun.len();
    let of_list = |row: usize| fresh.get(row).copied();
    let mut all: Vec<Wave> = begun
        .into_iter()
        .map(|((_, name), rows)| {
            let group = rows.first().and_then(|row| asked.members.get(*row)?.group);
            let group = group.filter(|_| !rules.groups.is_empty());
            Wave { name, rows, group, about: "begun by an earlier run".to_owned(), ..Wave::default() }
        })
        .collect();
    all.extend(planned.waves.into_iter().map(|wave| Wave {
        name: match waves::number(&wave.name) {
            Some(number) if last > 0 => waves::name(number + last, 2),
            _ => wave.name,
        },
        rows: wave.rows.into_iter().filter_map(of_list).collect(),
        ..wave
    }));
    let severed = planned.severed.into_iter().map(|severed| Severed {
        crossing: severed
            .crossing
            .into_iter()
            .filter_map(|b| Some(waves::graph::Bond { owner: of_list(b.owner)?, delegate: of_list(b.delegate)? }))
            .collect(),
        waves: severed.waves.into_iter().map(|at| at + count).collect(),
        ..severed
    });
    Ok(Made { plan: Plan { severed: severed.collect(), waves: all }, begun: count })
}

/// Kinds as the directory told them to this run; nothing is known before it was
/// read, and of an Exchange 2003, which has no numbers for them.
fn kinds(session: &Session, members: &mut [Member]) {
    let memory = session.memory();
    let Some(kinds) = &memory.kinds else { return };
    for member in members {
        member.kind = Some(kinds.get(&address_key(&member.address)).copied().unwrap_or(waves::Kind::Person));
    }
}

/// Enters the sizes of a file; answers of how many people it knew something. A
/// size that the list says itself stays.
async fn apply(session: &Arc<Session>, members: &mut [Member], statistics: &Statistics) -> Result<usize> {
    let mut by_name: HashMap<String, Option<String>> = HashMap::new();
    if statistics.known != Known::Address {
        for entry in recipients::everybody(session).await? {
            let Some(address) = primary_smtp(&entry.texts("proxyAddresses")) else { continue };
            let name = match statistics.known {
                Known::LegacyDn => entry.text("legacyExchangeDN").map(|dn| dn_key(&dn)),
                _ => entry.text("cn").map(|name| name.trim().to_lowercase()),
            };
            if let Some(name) = name.filter(|n| !n.is_empty()) {
                // Of two people of one name nobody knows which is meant.
                by_name.entry(name).and_modify(|held| *held = None).or_insert(Some(address_key(&address)));
            }
        }
    }
    let rows: HashMap<String, usize> =
        members.iter().enumerate().map(|(at, m)| (address_key(&m.address), at)).collect();
    let mut found = BTreeSet::new();
    for entry in &statistics.entries {
        let address = match statistics.known {
            Known::Address => Some(address_key(&entry.whose)),
            Known::LegacyDn => by_name.get(&dn_key(&entry.whose)).cloned().flatten(),
            Known::Name => by_name.get(&entry.whose.trim().to_lowercase()).cloned().flatten(),
        };
        let Some(row) = address.and_then(|a| rows.get(&a).copied()) else { continue };
        let Some(member) = members.get_mut(row) else { continue };
        member.bytes = member.bytes.or(entry.bytes);
        member.phone = member.phone.or(entry.phone);
        found.insert(row);
    }
    Ok(found.len())
}

/// The pace that earlier waves showed, if any was watched to its end and has
/// sizes. What the slowest mailbox of a wave took is no less than what its largest
/// took, so the true rate is no lower. Whether a line is full shows only in a wave
/// that used all its connections.
fn measured(session: &Session, asked: &Asked) -> Option<Pace> {
    let at_once = asked.rules.pace.map_or(session.project().endpoint.at_once as usize, |p| p.at_once);
    let bytes: HashMap<String, u64> =
        asked.members.iter().filter_map(|m| Some((address_key(&m.address), m.bytes?))).collect();
    let memory = session.memory();
    let (mut each, mut line): (Option<f64>, Option<f64>) = (None, None);
    for (key, (_, people)) in &memory.past.batches {
        let (Some(from), Some(to)) = (memory.past.started.get(key), memory.past.copied.get(key)) else { continue };
        let hours = to.duration_since(*from).as_secs_f64() / 3600.0;
        let sizes: Vec<u64> = people.iter().filter_map(|p| bytes.get(p).copied()).collect();
        let Some(largest) = sizes.iter().max().filter(|l| **l > 0 && hours > 0.0) else { continue };
        each = Some(each.unwrap_or(0.0).max(*largest as f64 / hours));
        if sizes.len() >= at_once {
            line = Some(line.unwrap_or(0.0).max(sizes.iter().sum::<u64>() as f64 / hours));
        }
    }
    Some(Pace { each: each?, line, at_once })
}

fn tell(session: &Session, plan: &Plan, expected: &[Expected], begun: usize, asked: &Asked) {
    let all: Vec<(&Wave, &Expected)> = plan.waves.iter().zip(expected).collect();
    let rows: Vec<&[usize]> = plan.waves.iter().map(|w| w.rows.as_slice()).collect();
    let crossings = waves::crossings(&rows, &asked.members, &asked.together);
    let mut from = 0;
    for some in lines(&all) {
        // What crosses between two waves of one line is one permission still.
        let of_line = |side: &Option<usize>| side.is_some_and(|wave| (from..from + some.len()).contains(&wave));
        let crossing = crossings.iter().filter(|(owner, delegate)| of_line(owner) || of_line(delegate)).count();
        session.note(planned(some, crossing as u64, asked));
        from += some.len();
    }
    for wave in plan.waves.iter().skip(begun) {
        for text in &wave.remarks {
            session.note(What::Warned { text: format!("{}: {text}", wave.name), hint: String::new() });
        }
    }
    for severed in &plan.severed {
        let (text, hint) = parted(severed, plan, asked);
        session.note(What::Warned { text, hint });
    }
}

/// The waves as lines: each alone, or, of many, several in a row together, of one
/// group as far as that leaves few lines. The first, the pilot as a rule, is
/// always alone.
fn lines<'a>(all: &'a [(&'a Wave, &'a Expected)]) -> Vec<&'a [(&'a Wave, &'a Expected)]> {
    if all.len() <= LINES {
        return all.chunks(1).collect();
    }
    let (first, others) = all.split_at(1);
    let mut runs: Vec<_> = others.chunk_by(|a, b| a.0.group == b.0.group).collect();
    if runs.len() > LINES / 2 {
        runs = vec![others];
    }
    let share = others.len().div_ceil(LINES - runs.len());
    std::iter::once(first).chain(runs.into_iter().flat_map(|run| run.chunks(share))).collect()
}

/// Some waves in a row as one note.
fn planned(some: &[(&Wave, &Expected)], crossing: u64, asked: &Asked) -> What {
    let sum = |of: fn(&Expected) -> usize| some.iter().map(|(_, e)| of(e) as u64).sum::<u64>();
    let most = |of: fn(&Expected) -> Option<f64>| some.iter().filter_map(|(_, e)| of(e)).max_by(f64::total_cmp);
    let same = |of: &dyn Fn(&Wave) -> String| {
        let mut texts = some.iter().map(|(wave, _)| of(wave));
        let first = texts.next().unwrap_or_default();
        if texts.all(|t| t == first) { first } else { String::new() }
    };
    let group = |wave: &Wave| wave.group.and_then(|at| asked.rules.groups.get(at).cloned()).unwrap_or_default();
    let names = |at: Option<&(&Wave, &Expected)>| at.map(|(wave, _)| wave.name.clone()).unwrap_or_default();
    What::WavePlanned {
        name: names(some.first()),
        last: if some.len() > 1 { names(some.last()) } else { String::new() },
        waves: some.len() as u64,
        group: same(&group),
        about: same(&|wave| wave.about.clone()),
        seats: sum(|e| e.seats),
        profiles: sum(|e| e.profiles),
        bytes: some.iter().map(|(_, e)| e.bytes).sum::<Option<u64>>(),
        unknown_sizes: sum(|e| e.unsized_mailboxes),
        hours_without_old_mail: most(|e| e.without_old_mail),
        hours_apart: most(|e| e.apart),
        days: some.iter().filter_map(|(_, e)| e.days).max(),
        crossing,
    }
}

/// What is said of people who are parted.
fn parted(severed: &Severed, plan: &Plan, asked: &Asked) -> (String, String) {
    let names: Vec<&str> = severed.waves.iter().filter_map(|at| plan.waves.get(*at)).map(|w| w.name.as_str()).collect();
    let names = match names.as_slice() {
        [] => String::new(),
        [first, .., last] if names.len() > 3 => format!("{first} to {last}"),
        few => few.join(", "),
    };
    let address = |row: usize| asked.members.get(row).map_or("", |m| m.address.as_str());
    let told: Vec<String> = severed
        .crossing
        .iter()
        .take(NAMED)
        .map(|b| format!("{} works for {}", address(b.delegate), address(b.owner)))
        .collect();
    let more = match severed.crossing.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => format!(", and {n} more"),
    };
    let crossing = severed.crossing.len();
    let bound = match severed.least {
        least if least == crossing as u64 => "no division crosses fewer".to_owned(),
        least => format!("no division crosses fewer than {least}"),
    };
    (
        format!(
            "{names}: {} people who work in each other's mailboxes are more than a wave holds and are parted where {} \
             ({bound}): {}{more}",
            severed.people,
            plural(crossing, "permission crosses", "permissions cross"),
            told.join(", ")
        ),
        "a delegate can't open a mailbox on the other side until both have moved; let these waves follow each other \
         closely, or let a wave hold more"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock, Timestamp};
    use crate::run::bare;
    use crate::run::narrate::Keeper;

    fn asked(count: usize) -> Asked {
        Asked {
            rules: Rules::default(),
            together: Vec::new(),
            members: (0..count).map(|n| Member::bare(&format!("user{n}@contoso.test"))).collect(),
            statistics: None,
            measured: true,
            look: 6.0,
        }
    }

    fn session(runtime: &tokio::runtime::Runtime) -> Arc<Session> {
        let journal = Arc::new(bare::MemoryJournal::default());
        bare::session(Clock::system(), Arc::new(Keeper::default()), runtime.handle().clone(), journal)
    }

    #[test]
    fn what_was_begun_keeps_its_wave_and_tells_the_rate() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
        let session = session(&runtime);
        let mut asked = asked(30);
        for member in &mut asked.members {
            member.bytes = Some(2 << 30);
        }
        assert_eq!(measured(&session, &asked), None);
        let at = |text: &str| text.parse::<Timestamp>().expect("a moment");
        {
            let past = &mut session.memory().past;
            let rows = (20..23).map(|n| format!("user{n}@contoso.test")).collect();
            past.batches.insert("wave-02".into(), ("wave-02".into(), rows));
            past.batches
                .insert("by-hand".into(), ("by-hand".into(), BTreeSet::from(["user1@contoso.test".to_owned()])));
            past.started.insert("wave-02".into(), at("2026-01-12T09:00:00Z"));
            past.copied.insert("wave-02".into(), at("2026-01-12T13:00:00Z"));
        }
        let pace = measured(&session, &asked).expect("a wave was watched to its end");
        assert_eq!((pace.each, pace.line), (f64::from(1 << 29), None));
        let made = made(&session, &asked).expect("30 fit");
        assert_eq!(made.begun, 1);
        let told: Vec<(&str, usize)> = made.plan.waves.iter().map(|w| (w.name.as_str(), w.rows.len())).collect();
        assert_eq!(told, [("wave-02", 3), ("wave-03", 27)], "no second pilot, and the numbers go on");
        assert_eq!(made.plan.waves[0].rows, [20, 21, 22]);
        asked.rules.pace = Some(Pace { each: 1.0, line: None, at_once: 3 });
        assert!(measured(&session, &asked).is_some_and(|p| p.line == Some(f64::from(1 << 29) * 3.0)));
    }

    #[test]
    fn kinds_come_from_the_directory_and_are_unknown_before() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
        let session = session(&runtime);
        let mut members = asked(2).members;
        kinds(&session, &mut members);
        assert_eq!(members[0].kind, None);
        session.memory().kinds = Some(BTreeMap::from([("user1@contoso.test".to_owned(), waves::Kind::Room)]));
        kinds(&session, &mut members);
        assert_eq!((members[0].kind, members[1].kind), (Some(waves::Kind::Person), Some(waves::Kind::Room)));
    }

    fn drawn(groups: &[Option<usize>]) -> Vec<usize> {
        let waves: Vec<Wave> = groups.iter().map(|group| Wave { group: *group, ..Wave::default() }).collect();
        let expected = Expected::default();
        let all: Vec<(&Wave, &Expected)> = waves.iter().map(|w| (w, &expected)).collect();
        lines(&all).iter().map(|some| some.len()).collect()
    }

    #[test]
    fn many_waves_are_few_lines_and_the_pilot_is_alone() {
        assert_eq!(drawn(&[None; 20]), [1; 20]);
        for count in [21, 90, 200, 1999] {
            let lines = drawn(&vec![None; count]);
            assert!(lines.len() <= LINES && lines[0] == 1 && lines.iter().sum::<usize>() == count, "{lines:?}");
        }
        let mut departments = vec![None];
        departments.extend((0..80).map(|n| Some(n / 20)));
        let lines = drawn(&departments);
        assert_eq!(lines, [1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]);
        let lines = drawn(&(0..80).map(Some).collect::<Vec<_>>());
        assert!(lines.len() <= LINES, "{lines:?}");
    }
}
