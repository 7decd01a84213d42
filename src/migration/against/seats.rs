//! Licences of a whole list: who has no usage location, whose mailbox is too
//! large for the plan, and from which row on the seats are used up.
//!
//! The rules are those of `licences`, which `license::check` asks before each
//! wave; here they are asked once for everybody. Nobody without a user in the
//! tenant is counted.

use std::collections::BTreeSet;

use super::facts::{InCloud, OnPremises, Situation};
use super::ids::NO_SEAT;
use super::rules::of;
use super::{Aside, Said};
use crate::migration::kind::Kind;
use crate::migration::licences::{self, Person, Sku};

/// What is to be said: about the whole list, and by row (place in the list).
pub(super) struct Seats {
    pub whole: Vec<Said>,
    pub rows: Vec<(usize, Said)>,
}

/// A row that goes.
pub(super) struct Going<'a> {
    /// Its place in the list.
    pub row: usize,
    /// Its address in lower case.
    pub key: String,
    /// Its mailbox on premises.
    pub person: Option<&'a OnPremises>,
    /// Its user.
    pub user: &'a InCloud,
}

/// Counts seats for rows that go, in list order.
pub(super) fn count(kind: Kind, situation: &Situation, skus: &[Sku], going: &[Going<'_>]) -> Seats {
    let mut seats = Seats { whole: Vec::new(), rows: Vec::new() };
    let place = situation.usage_location.as_deref().unwrap_or_default();
    let people: Vec<Person> = going
        .iter()
        .map(|Going { row, key, person, user }| Person {
            // The rules know people by a name; the place in the list is one.
            address: row.to_string(),
            usage_location: match user.usage_location.as_str() {
                "" => place.to_owned(),
                own => own.to_owned(),
            },
            held: user.held.iter().cloned().collect(),
            disabled_plans: user.off.iter().cloned().collect::<BTreeSet<String>>(),
            bytes: situation.sizes.get(key).copied(),
            // What a staged batch makes of a shared mailbox is a user's at first. Into
            // a mailbox that is there already nobody needs a licence for the copy.
            exempt: (kind == Kind::RemoteMove && person.is_some_and(OnPremises::is_shared)) || kind == Kind::Imap,
        })
        .collect();
    let severity = |id: &str| of(id).and_then(|r| r.severity(kind));
    match licences::check(&people, skus, situation.sku.as_deref()) {
        Ok(checked) => {
            for Aside { address, rule, reason, .. } in checked.aside {
                if let (Ok(row), Some(severity)) = (address.parse(), severity(rule)) {
                    seats.rows.push((row, Said { rule, severity, text: reason }));
                }
            }
        }
        Err(lacking) => seats.whole.extend(severity(NO_SEAT).map(|severity| Said {
            rule: NO_SEAT,
            severity,
            text: lacking.to_string(),
        })),
    }
    seats
}
