//! `waves_of`: a list divided into waves, as `std/waves` and other scripts want it.
//!
//! Options become rules and facts here, columns and files are read; what a plan is
//! stands in `migration::waves`.

use std::collections::{BTreeMap, HashMap};

use rhai::{Array, Dynamic, Map};
use serde::Deserialize;

use super::declare::{Arg, Call, Effect, Kind, Primitive};
use super::mailboxes::read_bytes;
use super::rows::unfit;
use crate::base::{self, Failure, Result};
use crate::migration::list::Mailboxes;
use crate::migration::waves::expect::{self, Expected, Pace, Unreadable};
use crate::migration::waves::{Keep, Member, Rules, statistics};
use crate::run::waves::{self, Asked, Planned};
use crate::wire::attributes::address_key;

/// The table.
pub const PRIMITIVES: &[Primitive] = &[Primitive {
    namespace: "",
    name: "waves_of",
    args: &[
        Arg::new("mailboxes", Kind::Mailboxes, "Who is to move"),
        Arg::maybe(
            "options",
            Kind::Options,
            "`pilot` (5): mailboxes of the first wave; `at_most` (100): mailboxes of a wave; `together`: pairs of \
             addresses, or maps with owner and delegate; `helpdesk`: people of a wave, those whom the help desk serves \
             in a day; `size`: data of a wave, \"200 GB\"; `hours`: of the change window, in which a wave is to be \
             copied; `rate`: of one mailbox, \"0.5 GB/h\"; `line`: of all together, \"100 Mbit/s\"; `at_once` (as in \
             stagepost.toml): mailboxes copied at the same time; `measured` (false): the rate of earlier waves instead, \
             once there is one; `sizes`, `phones`: columns of the list; `statistics`: an exported file that has them; \
             `by`: a column, each of whose values has waves of its own; `schedule`: a column of dates or names, or a \
             map of them to values of that column or to addresses; `look` (6): hours between two looks at a running copy",
        ),
    ],
    returns: "array of map",
    summary: "Divides mailboxes into waves",
    about: "A pilot with one of each kind first, then waves in the order of the list; who works together stays together. \
            Where `at_most` would make over 90 batches the waves grow: a tenant holds 100 batches and none goes before \
            the MX change. The other limits don't give way; hours and data need sizes, which no old server tells over \
            LDAP. What a wave costs people is told for each. A column (`by`, `schedule`) has the last word: it may part \
            people who work together. Each wave is a map of `name`, `mailboxes`, `group` (the value of the column), \
            `when` (the date or name of the schedule) and `expected` (seats, profiles, crossing, and hours where they \
            are known). What an earlier run began keeps its wave.",
    failures: &[base::Kind::Validation, base::Kind::Local],
    effect: Effect::Reads,
    way_back: "",
    example: "let list = mailboxes::read(\"mailboxes.csv\");\nfor wave in waves_of(list, #{ pilot: 2, at_most: 10, \
              helpdesk: 8 }) {\n    print(`${wave.name}: ${wave.expected.profiles} new profiles`);\n}",
    since: "0.1",
    methods_too: false,
    call: waves_of,
}];

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Options {
    pilot: Option<usize>,
    at_most: Option<usize>,
    together: Option<Vec<Pair>>,
    helpdesk: Option<usize>,
    size: Option<String>,
    hours: Option<f64>,
    rate: Option<String>,
    line: Option<String>,
    at_once: Option<usize>,
    measured: Option<bool>,
    sizes: Option<String>,
    phones: Option<String>,
    statistics: Option<String>,
    by: Option<String>,
    schedule: Option<Schedule>,
    look: Option<f64>,
}

/// Two people who work in one mailbox.
#[derive(Deserialize)]
#[serde(untagged)]
enum Pair {
    Two(String, String),
    Named { owner: String, delegate: String },
}

/// When who goes: a column that says so, or dates and who they are for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Schedule {
    Column(String),
    Dates(BTreeMap<String, Whom>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Whom {
    One(String),
    Several(Vec<String>),
}

impl Whom {
    fn names(&self) -> &[String] {
        match self {
            Whom::One(name) => std::slice::from_ref(name),
            Whom::Several(names) => names,
        }
    }
}

fn unreadable(option: &str, why: &Unreadable) -> Failure {
    Failure::new(base::Kind::Usage, format!("option `{option}` of waves_of is wrong: {why}"))
}

fn waves_of(call: &mut Call) -> Result<Dynamic> {
    let list: Mailboxes = call.get(0)?;
    let options: Options = call.options(1)?;
    let mut rules = Rules::default();
    let is_scheduled = options.schedule.is_some();
    rules.pilot = options.pilot.unwrap_or(if is_scheduled { 0 } else { rules.pilot });
    rules.at_most = options.at_most.unwrap_or(rules.at_most);
    rules.helpdesk = options.helpdesk;
    rules.hours = options.hours;
    rules.bytes = match &options.size {
        Some(text) => Some(expect::size(text, "").map_err(|why| unreadable("size", &why))?),
        None => None,
    };
    rules.pace = pace(call, &options)?;
    let mut members = members(&list, &options)?;
    rules.groups = groups(&list, &options, &mut members)?;
    let together: Vec<(String, String)> = options
        .together
        .unwrap_or_default()
        .into_iter()
        .map(|p| match p {
            Pair::Two(a, b) | Pair::Named { owner: a, delegate: b } => (a, b),
        })
        .collect();
    rules.keep = if together.is_empty() { Keep::Nothing } else { Keep::Delegates };
    let statistics = match options.statistics {
        Some(name) => {
            let path = call.session().path(&name);
            let bytes = read_bytes(&name, &path)?;
            call.session().rests_on(&name, &path, &bytes);
            let read = statistics::read(&bytes).map_err(|why| {
                Failure::new(base::Kind::Validation, format!("{name} holds no sizes that can be read"))
                    .on(&name)
                    .detail(why)
                    .hint("export it with Get-MailboxStatistics | Select LegacyDN, TotalItemSize | Export-Csv")
            })?;
            Some((name, read))
        }
        None => None,
    };
    let look = options.look.unwrap_or(6.0);
    if !(0.0..=24.0 * 30.0).contains(&look) {
        return Err(Failure::new(base::Kind::Usage, "option `look` of waves_of is a number of hours, at most 720"));
    }
    let asked = Asked { rules, together, members, statistics, measured: options.measured.unwrap_or(false), look };
    let session = std::sync::Arc::clone(call.session());
    let planned = call.wait(waves::plan(&session, &list, asked))?;
    Ok(planned.into_iter().map(|wave| wave_map(wave, is_scheduled)).collect::<Array>().into())
}

fn pace(call: &Call, options: &Options) -> Result<Option<Pace>> {
    let read = |name: &str, text: &Option<String>| match text {
        Some(text) => expect::rate(text).map(Some).map_err(|why| unreadable(name, &why)),
        None => Ok(None),
    };
    let (each, line) = (read("rate", &options.rate)?, read("line", &options.line)?);
    let at_once = options.at_once.unwrap_or(call.session().project().endpoint.at_once as usize);
    match (each, line) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Failure::new(base::Kind::Usage, "option `line` of waves_of needs `rate` beside it")
            .hint("`line` is what all mailboxes together reach, `rate` what one of them does: rate: \"0.5 GB/h\"")),
        (Some(each), line) => Ok(Some(Pace { each, line, at_once })),
    }
}

/// What the list says of each row.
fn members(list: &Mailboxes, options: &Options) -> Result<Vec<Member>> {
    let column = |name: &Option<String>| match name {
        Some(name) => list.column(name).map(|c| Some(c.to_owned())).map_err(|why| unfit(&why)),
        None => Ok(None),
    };
    let (sizes, phones) = (column(&options.sizes)?, column(&options.phones)?);
    let unit = sizes.as_deref().map(statistics::unit_of).unwrap_or_default();
    let mut members = Vec::with_capacity(list.len());
    for row in list.iter() {
        let mut member = Member::bare(row.address());
        let wrong = |column: &str, why: String| {
            Failure::new(base::Kind::Validation, format!("{} of {} {why}", column, row.address())).on(format!(
                "{}:{}",
                list.file(),
                row.line_number()
            ))
        };
        if let Some(column) = &sizes
            && let Some(text) = row.cell(column).map(str::trim).filter(|t| !t.is_empty())
        {
            let bytes = expect::size(text, &unit).map_err(|why| wrong(column, format!("is no size: {why}")))?;
            member.bytes = Some(bytes);
        }
        if let Some(column) = &phones {
            let text = row.cell(column).unwrap_or_default();
            let yes = statistics::yes(text).ok_or_else(|| wrong(column, format!("is neither yes nor no: `{text}`")))?;
            member.phone = Some(yes);
        }
        members.push(member);
    }
    Ok(members)
}

/// The names of the plan's groups in their order; each member learns its own.
fn groups(list: &Mailboxes, options: &Options, members: &mut [Member]) -> Result<Vec<String>> {
    let column = match (&options.schedule, &options.by) {
        (Some(Schedule::Column(_)), Some(_)) => {
            return Err(Failure::new(base::Kind::Usage, "waves_of can't plan by two columns, `by` and `schedule`")
                .hint("leave one out, or give `schedule` a map of dates to values of `by`"));
        }
        (Some(Schedule::Column(name)), None) | (_, Some(name)) => {
            Some(list.column(name).map_err(|why| unfit(&why))?.to_owned())
        }
        (_, None) => None,
    };
    let value = |row: &crate::migration::Row| match &column {
        Some(column) => row.cell(column).unwrap_or_default().trim().to_owned(),
        None => row.address().to_owned(),
    };
    let fold = |text: &str| if column.is_some() { text.trim().to_lowercase() } else { address_key(text) };
    let mut names: Vec<String> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    if let Some(Schedule::Dates(dates)) = &options.schedule {
        for (date, whom) in dates {
            for name in whom.names() {
                if known.insert(fold(name), names.len()).is_some() {
                    return Err(Failure::new(base::Kind::Usage, format!("`{name}` stands twice in the schedule")));
                }
            }
            names.push(date.clone());
        }
        let there: std::collections::HashSet<String> = list.iter().map(|row| fold(&value(&row))).collect();
        let missing = dates.values().flat_map(Whom::names).filter(|name| !there.contains(&fold(name)));
        if let Some(name) = missing.min() {
            let of = column.as_deref().unwrap_or("the list");
            return Err(Failure::new(base::Kind::Usage, format!("`{name}` of the schedule is not in {of}"))
                .hint("a slip would leave these people to the end; take it out if nobody is meant"));
        }
    } else if column.is_some() {
        let mut rows: Vec<String> = list.iter().map(|row| value(&row)).filter(|v| !v.is_empty()).collect();
        if options.schedule.is_some() && rows.iter().all(|v| is_date(v)) {
            // Dates of this form sort by time.
            rows.sort();
        }
        for name in rows {
            known.entry(fold(&name)).or_insert_with(|| {
                names.push(name);
                names.len() - 1
            });
        }
    } else {
        return Ok(names);
    }
    for (row, member) in list.iter().zip(members) {
        member.group = known.get(&fold(&value(&row))).copied();
    }
    Ok(names)
}

/// `2026-03-01`, with a time behind it or without.
fn is_date(text: &str) -> bool {
    text.get(..10).is_some_and(|date| date.parse::<jiff::civil::Date>().is_ok())
}

fn wave_map(wave: Planned, is_scheduled: bool) -> Dynamic {
    let mut map = Map::new();
    map.insert("name".into(), wave.name.into());
    map.insert("mailboxes".into(), Dynamic::from(wave.mailboxes));
    map.insert("when".into(), if is_scheduled { wave.group.clone().into() } else { "".into() });
    map.insert("group".into(), wave.group.into());
    map.insert("expected".into(), expected_map(&wave.expected).into());
    map.into()
}

fn expected_map(expected: &Expected) -> Map {
    let hours = |hours: Option<f64>| hours.map_or(Dynamic::UNIT, Dynamic::from);
    let mut map = Map::new();
    map.insert("seats".into(), (expected.seats as i64).into());
    map.insert("profiles".into(), (expected.profiles as i64).into());
    map.insert("crossing".into(), (expected.crossing as i64).into());
    map.insert("bytes".into(), expected.bytes.map_or(Dynamic::UNIT, |b| i64::try_from(b).unwrap_or(i64::MAX).into()));
    map.insert("hours_without_old_mail".into(), hours(expected.without_old_mail));
    map.insert("hours_apart".into(), hours(expected.apart));
    map
}

#[cfg(test)]
#[path = "waves_tests.rs"]
mod tests;
