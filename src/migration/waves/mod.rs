//! Which mailboxes go in which wave.
//!
//! A pilot first, with one of each kind; people who work in each other's
//! mailboxes in one wave, because delegation works inside each side only
//! (KB2807149); otherwise list order, within what the change window and the help
//! desk allow. A tenant holds 100 batches and none may go before the mail switch,
//! so a large company gets larger waves instead of more. The same input gives the
//! same waves. When a wave runs is decided elsewhere, and nobody is asked here:
//! kinds, sizes and permissions come in as facts, and may be unknown.

pub mod cost;
pub mod cut;
pub mod expect;
pub mod fit;
pub mod graph;
pub mod pilot;
pub mod statistics;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::cost::{Severed, crossings, expected};
use self::expect::{Load, Pace};
use self::fit::{Limits, Packed, Parted};
use self::graph::Graph;
use super::list::ROWS_PER_FILE;

/// Batches that a tenant holds (Get-MigrationConfig, MaxNumberOfBatches).
pub const BATCHES_PER_TENANT: usize = 100;

/// What a plan has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: list order alone.
    Nothing,
    /// People who work in each other's mailboxes stay together.
    Delegates,
}

impl Keep {
    /// `nothing` or `delegates`.
    pub fn of_word(word: &str) -> Option<Keep> {
        match word {
            "nothing" => Some(Keep::Nothing),
            "delegates" => Some(Keep::Delegates),
            _ => None,
        }
    }
}

/// What a mailbox is on premises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Somebody's own.
    Person,
    /// Shared.
    Shared,
    /// A room.
    Room,
    /// A projector, a car.
    Equipment,
}

impl Kind {
    /// From msExchRecipientTypeDetails, before a conversion and after it. `None`
    /// where there is no number, as on Exchange 2003.
    pub fn of_number(details: Option<i64>) -> Option<Kind> {
        Some(match details? {
            4 | 34_359_738_368 => Kind::Shared,
            16 | 8_589_934_592 => Kind::Room,
            32 | 17_179_869_184 => Kind::Equipment,
            _ => Kind::Person,
        })
    }
}

/// What is known of a mailbox of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its address.
    pub address: String,
    /// What it is; `None` counts as a person.
    pub kind: Option<Kind>,
    /// Its size.
    pub bytes: Option<u64>,
    /// Whether its owner reads it on a phone.
    pub phone: Option<bool>,
    /// Which of the plan's [`Rules::groups`] it belongs to; none goes last.
    pub group: Option<usize>,
}

impl Member {
    /// An address of which nothing is known.
    pub fn bare(address: &str) -> Member {
        Member { address: address.to_owned(), ..Member::default() }
    }

    fn has_desk(&self) -> bool {
        matches!(self.kind, None | Some(Kind::Person))
    }
}

/// How waves are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Mailboxes of the first wave; 0 for no pilot.
    pub pilot: usize,
    /// Most mailboxes of a wave, unless that made too many waves.
    pub at_most: usize,
    /// What stays together.
    pub keep: Keep,
    /// Most waves, the pilot among them.
    pub batches: usize,
    /// Most people of a wave: those whom the help desk can serve in a day.
    pub helpdesk: Option<usize>,
    /// Most bytes of a wave.
    pub bytes: Option<u64>,
    /// Hours of the change window, in which the copy of a wave has to be complete.
    pub hours: Option<f64>,
    /// How fast mailboxes are copied, if that is known.
    pub pace: Option<Pace>,
    /// Departments, dates, sites: each has waves of its own, in this order. Empty
    /// for none; who belongs to none goes last.
    pub groups: Vec<String>,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            pilot: 5,
            at_most: 100,
            keep: Keep::Delegates,
            batches: 90,
            helpdesk: None,
            bytes: None,
            hours: None,
            pace: None,
            groups: Vec::new(),
        }
    }
}

impl Rules {
    fn limits(&self, at_most: usize) -> Limits {
        let hours = self.hours.and_then(|hours| Some((hours, self.pace?)));
        Limits { at_most, helpdesk: self.helpdesk, bytes: self.bytes, hours }
    }

    fn are_hard(&self) -> bool {
        self.helpdesk.is_some() || self.bytes.is_some() || self.hours.is_some() || !self.groups.is_empty()
    }
}

/// One wave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wave {
    /// `wave-01`, in the order in which they go.
    pub name: String,
    /// Who, by position in the list, ascending.
    pub rows: Vec<usize>,
    /// The group that it is a wave of, if the plan has groups.
    pub group: Option<usize>,
    /// What it is: the kinds of a pilot; mostly empty.
    pub about: String,
    /// What a person should know of how it was made; mostly empty.
    pub remarks: Vec<String>,
}

/// All waves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In the order in which they go.
    pub waves: Vec<Wave>,
    /// Who was parted, in the order of the list.
    pub severed: Vec<Severed>,
}

/// Why no plan can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// A limit is zero.
    NoRoom,
    /// More mailboxes than the waves can hold.
    TooMany {
        /// Mailboxes.
        mailboxes: usize,
        /// What fits.
        fits: usize,
    },
    /// The limits make more waves than a tenant has batches.
    TooManyWaves {
        /// Mailboxes.
        mailboxes: usize,
        /// Waves that there may be.
        batches: usize,
    },
    /// Hours can't be kept where no size, or no rate, is known.
    NoMeasure {
        /// The limit.
        limit: &'static str,
        /// What it needs.
        needs: &'static str,
    },
}

impl std::fmt::Display for Impossible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Impossible::NoRoom => f.write_str("waves need room: their limits must be above zero"),
            Impossible::TooMany { mailboxes, fits } => {
                write!(f, "{mailboxes} mailboxes don't fit into the batches of one tenant, which take {fits}")
            }
            Impossible::TooManyWaves { mailboxes, batches } => write!(
                f,
                "with these limits {mailboxes} mailboxes need more than {batches} waves; a tenant holds \
                 {BATCHES_PER_TENANT} batches, and none goes before the mail switch"
            ),
            Impossible::NoMeasure { limit, needs } => write!(f, "`{limit}` can't be kept without {needs}"),
        }
    }
}

impl std::error::Error for Impossible {}

impl Impossible {
    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Impossible::NoRoom | Impossible::TooMany { .. } => "change `pilot` or `at_most`",
            Impossible::TooManyWaves { .. } => {
                "allow a wave more hours, bytes or people, or plan by fewer groups; what is copied at night needs no \
                 shorter window"
            }
            Impossible::NoMeasure { needs, .. } if needs.contains("rate") => {
                "give a `rate`, \"0.5 GB/h\"; with `measured: true` it holds until a wave has been copied"
            }
            Impossible::NoMeasure { .. } => {
                "name a column of the list with `sizes`, or a file with `statistics`: Get-MailboxStatistics, exported"
            }
        }
    }
}

/// What each member weighs. Whose size is unknown counts as the average of those
/// that are known.
pub fn loads(members: &[Member]) -> Vec<Load> {
    let known: Vec<u64> = members.iter().filter_map(|m| m.bytes).collect();
    let average = match known.len() as u128 {
        0 => 0,
        count => (known.iter().map(|b| u128::from(*b)).sum::<u128>() / count) as u64,
    };
    let load = |m: &Member| {
        let bytes = m.bytes.unwrap_or(average);
        Load { mailboxes: 1, desks: usize::from(m.has_desk()), bytes, largest: bytes }
    };
    members.iter().map(load).collect()
}

/// Plans the waves. `delegates` are pairs (owner, delegate); pairs of which one
/// is not in the list bind nobody.
///
/// # Errors
/// The rules leave no room for the list, or ask for what nobody knows.
pub fn plan(members: &[Member], delegates: &[(String, String)], rules: &Rules) -> Result<Plan, Impossible> {
    let is_zero = rules.at_most == 0 || rules.batches == 0 || rules.helpdesk == Some(0) || rules.bytes == Some(0);
    if is_zero || rules.hours.is_some_and(|h| h.is_nan() || h <= 0.0) {
        return Err(Impossible::NoRoom);
    }
    if members.is_empty() {
        return Ok(Plan::default());
    }
    measured(members, rules)?;
    let addresses: Vec<String> = members.iter().map(|m| m.address.clone()).collect();
    let bonds = if rules.keep == Keep::Delegates { graph::bonds(&addresses, delegates) } else { Vec::new() };
    let graph = Graph::new(members.len(), &bonds);
    let loads = loads(members);
    let wanted = rules.at_most.min(ROWS_PER_FILE);
    let mut groups = graph.parts();
    // Few people and one batch: the pilot is all there is.
    let has_pilot = rules.pilot > 0 && rules.pilot < members.len() && rules.batches > 1;
    let first = has_pilot.then(|| pilot::choose(&mut groups, members, rules.pilot, &rules.limits(ROWS_PER_FILE)));
    let room = rules.batches - usize::from(first.is_some());
    let count: usize = groups.iter().map(Vec::len).sum();
    let even = if rules.groups.is_empty() { count.div_ceil(room) } else { 0 };
    let mut limit = wanted.max(even).min(ROWS_PER_FILE);
    let by_group = by_group(&groups, members, rules.groups.len());
    let (packed, parted) = loop {
        if let Some(packed) = packed(&by_group, &graph, &loads, &rules.limits(limit), room) {
            break packed;
        }
        if limit == ROWS_PER_FILE {
            return Err(match rules.are_hard() {
                true => Impossible::TooManyWaves { mailboxes: members.len(), batches: rules.batches },
                false => Impossible::TooMany { mailboxes: members.len(), fits: room * ROWS_PER_FILE },
            });
        }
        // Groups leave gaps, so the even share may not be enough.
        limit = (limit + limit.div_ceil(10)).min(ROWS_PER_FILE);
    };
    let has_groups = !rules.groups.is_empty();
    let mut waves: Vec<Wave> = first.into_iter().map(|pilot| of_pilot(pilot, members)).collect();
    waves.extend(
        packed.into_iter().map(|(group, packed)| of_packed(packed, group, has_groups, &loads, &rules.limits(limit))),
    );
    let biggest = waves.iter().map(|w| w.rows.len()).max().unwrap_or(0);
    if biggest > wanted
        && let Some(wave) = waves.first_mut()
    {
        wave.remarks.push(format!(
            "waves hold up to {biggest} mailboxes instead of {wanted}: more than {} batches would not fit into the tenant",
            rules.batches
        ));
    }
    let digits = waves.len().to_string().len().max(2);
    for (index, wave) in waves.iter_mut().enumerate() {
        wave.rows.sort_unstable();
        wave.name = name(index + 1, digits);
    }
    let severed = cost::severed(&waves, &parted, &bonds, members.len());
    Ok(Plan { waves, severed })
}

/// Whether what is asked can be known.
fn measured(members: &[Member], rules: &Rules) -> Result<(), Impossible> {
    let has_sizes = members.iter().any(|m| m.bytes.is_some());
    if rules.hours.is_some() && rules.pace.is_none() {
        return Err(Impossible::NoMeasure { limit: "hours", needs: "a rate" });
    }
    match (rules.hours.is_some(), rules.bytes.is_some()) {
        (true, _) if !has_sizes => Err(Impossible::NoMeasure { limit: "hours", needs: "the sizes of mailboxes" }),
        (_, true) if !has_sizes => Err(Impossible::NoMeasure { limit: "size", needs: "the sizes of mailboxes" }),
        _ => Ok(()),
    }
}

/// The groups of each of the plan's groups, those without one last.
fn by_group(groups: &[Vec<usize>], members: &[Member], count: usize) -> Vec<(Option<usize>, Vec<Vec<usize>>)> {
    if count == 0 {
        return vec![(None, groups.to_vec())];
    }
    let mut sorted: Vec<(Option<usize>, Vec<Vec<usize>>)> = (0..count).map(|n| (Some(n), Vec::new())).collect();
    sorted.push((None, Vec::new()));
    for group in groups {
        // A column has the last word: who belongs together and stands in two of
        // its groups is parted.
        let mut shares: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for row in group {
            let own = members.get(*row).and_then(|m| m.group).filter(|n| *n < count).unwrap_or(count);
            shares.entry(own).or_default().push(*row);
        }
        for (own, share) in shares {
            if let Some((_, list)) = sorted.get_mut(own) {
                list.push(share);
            }
        }
    }
    sorted
}

type Grouped = Vec<(Option<usize>, Packed)>;

fn packed(
    by_group: &[(Option<usize>, Vec<Vec<usize>>)],
    graph: &Graph,
    loads: &[Load],
    limits: &Limits,
    room: usize,
) -> Option<(Grouped, Vec<Parted>)> {
    let (mut waves, mut parted): (Grouped, Vec<Parted>) = (Vec::new(), Vec::new());
    for (group, groups) in by_group {
        // Who takes longer than the window alone would make a wave each of them.
        let is_usual = |some: &Vec<usize>| some.iter().all(|row| limits.hold(&fit::load_of(&[*row], loads)));
        let (mut usual, large): (Vec<_>, Vec<_>) = groups.iter().cloned().partition(is_usual);
        let relaxed = limits.without_window();
        let (pieces, cut) = fit::pieces(&large, graph, loads, &relaxed);
        // Whom they were cut off from has a window like everybody.
        let (others, large): (Vec<_>, Vec<_>) = pieces.into_iter().partition(is_usual);
        usual.extend(others);
        let (pieces, more) = fit::pieces(&usual, graph, loads, limits);
        let is_counted = |rows: &[usize]| rows.first().is_some_and(|row| cut.iter().any(|c| c.rows.contains(row)));
        let more: Vec<Parted> = more.into_iter().filter(|parted| !is_counted(&parted.rows)).collect();
        for (pieces, limits) in [(pieces, limits), (large, &relaxed)] {
            let more = fit::pack(&pieces, loads, limits, room - waves.len())?;
            waves.extend(more.into_iter().map(|wave| (*group, wave)));
        }
        parted.extend(more);
        parted.extend(cut);
    }
    parted.sort_by(|a, b| a.rows.cmp(&b.rows));
    Some((waves, parted))
}

fn of_pilot(pilot: pilot::Pilot, members: &[Member]) -> Wave {
    let words = |sorts: &[pilot::Sort]| sorts.iter().map(|s| s.words()).collect::<Vec<_>>().join(", ");
    let mut about = Vec::new();
    if !pilot.has.is_empty() {
        about.push(format!("with {}", words(&pilot.has)));
    }
    if !pilot.lacks.is_empty() {
        about.push(format!("no room for {}", words(&pilot.lacks)));
    }
    let unknown = [
        ("kinds", members.iter().all(|m| m.kind.is_none())),
        ("sizes", members.iter().all(|m| m.bytes.is_none())),
        ("phones", members.iter().all(|m| m.phone.is_none())),
    ];
    let unknown: Vec<&str> = unknown.into_iter().filter(|(_, is)| *is).map(|(word, _)| word).collect();
    if !unknown.is_empty() {
        let text = match unknown.as_slice() {
            [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
            other => other.concat(),
        };
        about.push(format!("{text} are not known"));
    }
    let mut remarks = Vec::new();
    if pilot.parts {
        remarks.push("everybody works in somebody's mailbox, so the pilot parts people who belong together".to_owned());
    }
    Wave { rows: pilot.rows, about: about.join("; "), remarks, ..Wave::default() }
}

fn of_packed(packed: Packed, group: Option<usize>, has_groups: bool, loads: &[Load], limits: &Limits) -> Wave {
    let too_large = packed.rows.iter().filter(|row| !limits.hold(&fit::load_of(&[**row], loads))).count();
    let mut about = Vec::new();
    if has_groups && group.is_none() {
        about.push("in none of the groups".to_owned());
    }
    match too_large {
        0 => {}
        1 => about.push("with a mailbox that exceeds the window alone".to_owned()),
        n => about.push(format!("with {n} mailboxes that exceed the window alone")),
    }
    let about = about.join("; ");
    Wave { rows: packed.rows, group, about, ..Wave::default() }
}

/// The name of a wave by its number, with at least so many digits.
pub fn name(number: usize, digits: usize) -> String {
    format!("wave-{number:0digits$}")
}

/// The number in a name that [`name`] made; `None` for any other name.
pub fn number(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("wave-").filter(|d| !d.is_empty() && d.chars().all(|c| c.is_ascii_digit()))?;
    digits.parse().ok()
}
