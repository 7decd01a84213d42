//! The mess of real companies: what consultants meet, each as it shows on the
//! wire.
//!
//! One record for each mess: what it is, where it shows, what the standard script
//! does about it, what becomes of the row. Those that a sound script handles
//! without leaving a row behind are in every company that the lab makes up; the
//! others come with the usual faults, to two to four percent of the rows. It only
//! lays the mess out: what follows from it happens in the rooms beside.

mod company;
mod handled;
mod left;
mod page;

use super::World;
use super::directory::Person;
use crate::wire::attributes::{Entry, dn_key};

pub use company::copy_inside;
pub use page::page;

/// What becomes of a row that has the mess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// It moves.
    Moved,
    /// It is left whole, with its reason.
    Left,
    /// It concerns no row: the company as a whole.
    Company,
}

/// How it is laid out.
#[derive(Clone, Copy)]
enum Lay {
    /// For one person.
    Person(fn(&mut World, &Person)),
    /// For one person, and the list that the lab writes; a list that is given
    /// stays as it is.
    Listed(fn(&mut World, &Person)),
    /// For the company; answers whom or what it concerns.
    Company(fn(&mut World, &[Person]) -> Vec<String>),
    /// For the company, with the usual faults only.
    Trouble(fn(&mut World, &[Person]) -> Vec<String>),
}

/// One mess.
#[derive(Clone, Copy)]
pub struct Mess {
    /// Stable name.
    pub name: &'static str,
    /// What it is, one sentence without a full stop.
    pub about: &'static str,
    /// Where it shows on the wire.
    pub wire: &'static str,
    /// What the standard script does about it.
    pub script: &'static str,
    /// What becomes of the row.
    pub becomes: Becomes,
    lay: Lay,
}

/// Every mess, in the order of the page: handled, left, company.
pub fn all() -> impl Iterator<Item = &'static Mess> {
    handled::MESSES.iter().chain(left::MESSES).chain(company::MESSES)
}

/// How many rows of a list get into trouble under the usual faults.
pub fn troubled(rows: usize) -> usize {
    let least = match rows {
        0 => 0,
        1..20 => 1,
        _ => 2,
    };
    least.max((rows * 3 + 50) / 100)
}

/// How many rows have a mess that is handled: a few in every hundred.
fn untidy(rows: usize) -> usize {
    if rows < 4 { 0 } else { (rows / 40).max(handled::MESSES.len().min(rows / 4)) }
}

/// Places of a list in the order in which mess is dealt out.
fn order(world: &World, people: &[Person]) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> =
        people.iter().enumerate().map(|(i, p)| (world.choose("trouble", &p.address.to_lowercase(), 0), i)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, i)| i).collect()
}

/// Lays out what a sound script leaves no row behind for, over a company that the
/// lab makes up; `given` if the list is somebody's own.
pub fn lay_handled(world: &mut World, people: &[Person], given: bool) {
    let messes: Vec<&Mess> = handled::MESSES.iter().filter(|m| !(given && matches!(m.lay, Lay::Listed(_)))).collect();
    let turn = usize::try_from(world.choose("mess-turn", "handled", 0) % 64).unwrap_or_default();
    // Those in trouble come from the other end of the same order.
    let order = order(world, people);
    let free = order.len().saturating_sub(troubled(order.len()));
    let someone = order.iter().rev().take(free).filter_map(|i| people.get(*i)).filter(|p| p.details == 1);
    for (number, person) in someone.take(untidy(people.len())).enumerate() {
        let Some(mess) = messes.get((number + turn) % messes.len()) else { continue };
        lay(world, mess, person);
    }
    lay_company(world, people, false);
}

/// Lays out what concerns the company; `trouble` or the rest.
fn lay_company(world: &mut World, people: &[Person], trouble: bool) {
    for mess in company::MESSES {
        let lay = match mess.lay {
            Lay::Company(lay) if !trouble => lay,
            Lay::Trouble(lay) if trouble => lay,
            _ => continue,
        };
        let who = lay(world, people);
        if !who.is_empty() {
            remember(world, mess, who);
        }
    }
}

/// Deals out over a list what leaves rows behind.
pub fn lay_left(world: &mut World, people: &[Person]) {
    let turn = usize::try_from(world.choose("mess-turn", "left", 0) % 64).unwrap_or_default();
    for (number, place) in order(world, people).into_iter().take(troubled(people.len())).enumerate() {
        let mess = left::MESSES.get((number + turn) % left::MESSES.len());
        if let (Some(person), Some(mess)) = (people.get(place), mess) {
            lay(world, mess, person);
        }
    }
    lay_company(world, people, true);
}

/// Lays one mess out for one person.
pub fn lay(world: &mut World, mess: &Mess, person: &Person) {
    if let Lay::Person(lay) | Lay::Listed(lay) = mess.lay {
        lay(world, person);
        remember(world, mess, vec![person.address.clone()]);
    }
}

fn remember(world: &mut World, mess: &Mess, who: Vec<String>) {
    world.company.messes.entry(mess.name.to_owned()).or_default().extend(who);
}

/// What is untidy in a world, as the proof tells it.
pub fn told(world: &World) -> Vec<crate::wire::lab::Mess> {
    let known = |name: &str| all().find(|m| m.name == name);
    let messes = world.company.messes.iter().filter_map(|(name, who)| Some((known(name)?, who)));
    messes
        .map(|(mess, who)| crate::wire::lab::Mess {
            name: mess.name.to_owned(),
            about: mess.about.to_owned(),
            who: who.clone(),
        })
        .collect()
}

/// Changes a person's directory object before anything has happened.
fn edit(world: &mut World, person: &Person, change: impl FnOnce(&mut Entry)) {
    let key = dn_key(&person.dn());
    let Some(object) = world.directory.get_mut(&key) else { return };
    let before = object.entry.clone();
    change(&mut object.entry);
    world.index.directory(&key, &before, &object.entry);
}

fn set(world: &mut World, person: &Person, name: &str, value: &str) {
    edit(world, person, |entry| entry.set_text(name, value));
}

/// Adds an address (with its prefix) to a person.
fn add_address(world: &mut World, person: &Person, value: &str) {
    edit(world, person, |entry| {
        let mut values = entry.values("proxyAddresses").to_vec();
        values.push(value.as_bytes().to_vec());
        entry.set("proxyAddresses", values);
    });
}

#[cfg(test)]
mod tests;
