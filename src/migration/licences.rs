//! Licences before a wave: which product, how many seats, who can't have one.
//!
//! The product is chosen by its service plans in the tenant's own
//! subscribedSkus, not by a built-in list of part numbers, which public tables
//! get wrong. Nothing is assigned here, and nothing is ever taken away.
//! Sources: Microsoft Graph, subscribedSku; Exchange Online service
//! description for the sizes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::against::Aside;
use super::rules::rule;

/// Days after which the service disconnects a mailbox without licence.
pub const GRACE_DAYS: i64 = 30;

const GIB: u64 = 1 << 30;

/// A service plan that holds a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailboxPlan {
    /// `EXCHANGE_S_DESKLESS`: Kiosk, F3.
    Kiosk,
    /// `EXCHANGE_S_STANDARD`: Plan 1, Business, E1.
    Plan1,
    /// `EXCHANGE_S_ENTERPRISE`: Plan 2, E3, E5.
    Plan2,
}

impl MailboxPlan {
    /// By the name or the id of a service plan. `EXCHANGE_S_FOUNDATION` and the
    /// like come in bundles and hold no mailbox.
    pub fn of(name: &str, id: &str) -> Option<MailboxPlan> {
        match (name.to_ascii_uppercase().as_str(), id.to_ascii_lowercase().as_str()) {
            ("EXCHANGE_S_DESKLESS", _) | (_, "4a82b400-a79f-41a4-b4e2-e94f5787b113") => Some(MailboxPlan::Kiosk),
            ("EXCHANGE_S_STANDARD", _) | (_, "9aaf7827-d63c-4b61-89c3-182f06f82e5c") => Some(MailboxPlan::Plan1),
            ("EXCHANGE_S_ENTERPRISE", _) | (_, "efb87545-963c-4e0d-99df-69c6916d9eb0") => Some(MailboxPlan::Plan2),
            _ => None,
        }
    }

    /// Bytes that a mailbox may hold; the tenant's ProhibitSendReceiveQuota has
    /// the last word once the mailbox exists.
    pub fn quota(self) -> u64 {
        match self {
            MailboxPlan::Kiosk => 2 * GIB,
            MailboxPlan::Plan1 => 50 * GIB,
            MailboxPlan::Plan2 => 100 * GIB,
        }
    }

    /// Whether Outlook on a desk can open it as an Exchange mailbox.
    pub fn outlook(self) -> bool {
        self != MailboxPlan::Kiosk
    }
}

/// A product of the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sku {
    /// skuId.
    pub id: String,
    /// skuPartNumber.
    pub part: String,
    /// Can be given to users (`appliesTo`).
    pub for_users: bool,
    /// capabilityStatus.
    pub status: String,
    /// prepaidUnits.enabled.
    pub enabled: u64,
    /// prepaidUnits.warning: in their grace period, still assignable.
    pub warning: u64,
    /// consumedUnits.
    pub consumed: u64,
    /// Service plans: (id, name).
    pub plans: Vec<(String, String)>,
}

impl Sku {
    /// Reads one subscribedSku; `None` if it has no id.
    pub fn of(value: &Value) -> Option<Sku> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let units = &value["prepaidUnits"];
        let plans = value["servicePlans"].as_array().map_or(&[][..], Vec::as_slice);
        Some(Sku {
            id: value["skuId"].as_str()?.to_ascii_lowercase(),
            part: text(&value["skuPartNumber"]),
            for_users: value["appliesTo"].as_str().is_none_or(|a| a.eq_ignore_ascii_case("User")),
            status: text(&value["capabilityStatus"]),
            enabled: units["enabled"].as_u64().unwrap_or(0),
            warning: units["warning"].as_u64().unwrap_or(0),
            consumed: value["consumedUnits"].as_u64().unwrap_or(0),
            plans: plans.iter().map(|p| (text(&p["servicePlanId"]), text(&p["servicePlanName"]))).collect(),
        })
    }

    /// Seats that can be given now. More may be consumed than bought.
    pub fn free(&self) -> u64 {
        let usable = ["Enabled", "Warning"].iter().any(|s| s.eq_ignore_ascii_case(&self.status));
        if self.for_users && usable { (self.enabled + self.warning).saturating_sub(self.consumed) } else { 0 }
    }

    /// The best plan with a mailbox in it.
    pub fn mailbox_plan(&self) -> Option<MailboxPlan> {
        self.plans.iter().filter_map(|(id, name)| MailboxPlan::of(name, id)).max()
    }

    fn is(&self, wanted: &str) -> bool {
        self.part.eq_ignore_ascii_case(wanted.trim()) || self.id.eq_ignore_ascii_case(wanted.trim())
    }
}

/// Somebody who needs a licence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Address as the list writes it.
    pub address: String,
    /// Two letters; that of the project, if we are going to set it; empty if
    /// there is none.
    pub usage_location: String,
    /// skuIds held.
    pub held: BTreeSet<String>,
    /// servicePlanIds that are switched off for the person.
    pub disabled_plans: BTreeSet<String>,
    /// Size of the old mailbox, where it is known.
    pub bytes: Option<u64>,
    /// Shared, room and equipment mailboxes up to 50 GB need no licence once
    /// they are turned into what they were.
    pub exempt: bool,
}

/// Nobody can be given one: the whole check fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// The product that was asked for is not there.
    NoSuchSku {
        /// As asked.
        wanted: String,
        /// Part numbers with a mailbox that are there.
        have: Vec<String>,
    },
    /// It is there and holds no mailbox.
    NoMailboxPlan {
        /// Part number.
        part: String,
    },
    /// No product of the tenant holds a mailbox.
    NoneAtAll,
    /// Not one seat is free.
    NoSeat {
        /// Part number.
        part: String,
        /// How many are needed.
        needed: u64,
    },
}

impl Lacking {
    /// The next thing to try.
    pub fn remedy(&self) -> &'static str {
        match self {
            Lacking::NoSuchSku { .. } => "name one of those in licence.sku of stagepost.toml",
            Lacking::NoMailboxPlan { .. } => "name a product with an Exchange Online plan in licence.sku",
            Lacking::NoneAtAll => "buy a product with an Exchange Online plan, then try again",
            Lacking::NoSeat { .. } => "buy seats or free some, then try again",
        }
    }
}

impl std::fmt::Display for Lacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Lacking::NoSuchSku { wanted, have } if have.is_empty() => write!(f, "the tenant has no product {wanted}"),
            Lacking::NoSuchSku { wanted, have } => {
                write!(f, "the tenant has no product {wanted}; with a mailbox it has {}", have.join(", "))
            }
            Lacking::NoMailboxPlan { part } => write!(f, "the product {part} holds no mailbox"),
            Lacking::NoneAtAll => f.write_str("no product of the tenant holds a mailbox"),
            Lacking::NoSeat { part, needed } => write!(f, "{needed} seats of {part} are needed and none is free"),
        }
    }
}

impl std::error::Error for Lacking {}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The product; none if nobody needs one.
    pub sku: Option<Sku>,
    /// Addresses that will be given it, in the order of the list.
    pub give: Vec<String>,
    /// Addresses that hold a plan with a mailbox already, or need none.
    pub have: Vec<String>,
    /// Rows that can't have one.
    pub aside: Vec<Aside>,
    /// Seats that were free.
    pub free: u64,
}

/// No usage location.
pub const NO_LOCATION: &str = "SP301";
/// The seats are used up.
pub const NO_SEAT: &str = "SP302";
/// The mailbox is larger than the plan allows.
pub const TOO_LARGE: &str = "SP303";

/// Checks whether everybody can be given a licence. `wanted` is a part number
/// or an id; without it the product is chosen: one with enough free seats, then
/// one that holds the largest mailbox, then the smallest plan that does.
///
/// # Errors
/// Nobody can be given one.
pub fn check(people: &[Person], skus: &[Sku], wanted: Option<&str>) -> Result<Checked, Lacking> {
    let holds = |p: &Person| p.exempt || held_plan(p, skus).is_some();
    let (have, need): (Vec<&Person>, Vec<&Person>) = people.iter().partition(|p| holds(p));
    let (mut give, mut aside) = (Vec::new(), Vec::new());
    let stays = |person: &Person, id: &'static str, reason: String| {
        let remedy = rule(id).map_or("", |r| r.remedy).to_owned();
        Aside { address: person.address.clone(), rule: id, reason, remedy, everybody: false }
    };
    for person in &have {
        // Without a licence a shared mailbox has what the plan of 50 GB gives.
        let plan = held_plan(person, skus).unwrap_or(MailboxPlan::Plan1);
        if let Some(bytes) = person.bytes.filter(|b| *b > plan.quota()) {
            let reason = format!("the mailbox holds {} and its plan allows {}", gib(bytes), gib(plan.quota()));
            aside.push(stays(person, TOO_LARGE, reason));
        }
    }
    let fits = |p: &&&Person| aside.iter().all(|a| a.address != p.address);
    let have = have.iter().filter(fits).map(|p| p.address.clone()).collect();
    if need.is_empty() {
        return Ok(Checked { sku: None, give, have, aside, free: 0 });
    }
    let sku = choose(&need, skus, wanted)?;
    let plan = sku.mailbox_plan().ok_or_else(|| Lacking::NoMailboxPlan { part: sku.part.clone() })?;
    let free = sku.free();
    if free == 0 {
        return Err(Lacking::NoSeat { part: sku.part.clone(), needed: need.len() as u64 });
    }
    for person in need {
        if person.usage_location.is_empty() {
            let reason = "the person has no usage location, so no licence can be given".to_owned();
            aside.push(stays(person, NO_LOCATION, reason));
        } else if let Some(bytes) = person.bytes.filter(|b| *b > plan.quota()) {
            let reason = format!("the mailbox holds {} and {} allows {}", gib(bytes), sku.part, gib(plan.quota()));
            aside.push(stays(person, TOO_LARGE, reason));
        } else if give.len() as u64 >= free {
            let reason = format!("all {free} free seats of {} are taken by rows before it", sku.part);
            aside.push(stays(person, NO_SEAT, reason));
        } else {
            give.push(person.address.clone());
        }
    }
    Ok(Checked { sku: Some(sku.clone()), give, have, aside, free })
}

/// The best plan with a mailbox that a person holds and that is switched on.
fn held_plan(person: &Person, skus: &[Sku]) -> Option<MailboxPlan> {
    let held = skus.iter().filter(|s| person.held.iter().any(|h| h.eq_ignore_ascii_case(&s.id)));
    let plans = held.flat_map(|s| &s.plans).filter(|(id, _)| !person.disabled_plans.contains(id));
    plans.filter_map(|(id, name)| MailboxPlan::of(name, id)).max()
}

fn choose<'a>(need: &[&Person], skus: &'a [Sku], wanted: Option<&str>) -> Result<&'a Sku, Lacking> {
    let mut with_mailbox: Vec<&Sku> = skus.iter().filter(|s| s.for_users && s.mailbox_plan().is_some()).collect();
    with_mailbox.sort_by(|a, b| a.part.cmp(&b.part));
    if let Some(wanted) = wanted.filter(|w| !w.trim().is_empty()) {
        let have = with_mailbox.iter().map(|s| s.part.clone()).collect();
        return skus.iter().find(|s| s.is(wanted)).ok_or(Lacking::NoSuchSku { wanted: wanted.to_owned(), have });
    }
    let largest = need.iter().filter_map(|p| p.bytes).max().unwrap_or(0);
    let order = |s: &&&Sku| {
        let plan = s.mailbox_plan();
        let enough = s.free() >= need.len() as u64;
        let fits = plan.is_some_and(|p| p.outlook() && p.quota() >= largest);
        (!enough, !fits, u64::MAX - s.free() * u64::from(!enough), plan)
    };
    with_mailbox.iter().min_by_key(order).copied().ok_or(Lacking::NoneAtAll)
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / GIB as f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sku(part: &str, plan: &str, enabled: u64, consumed: u64) -> Sku {
        let value = json!({"skuId": format!("ID-{part}"), "skuPartNumber": part, "appliesTo": "User", "capabilityStatus": "Enabled",
            "consumedUnits": consumed, "prepaidUnits": {"enabled": enabled, "warning": 0, "suspended": 7, "lockedOut": 0},
            "servicePlans": [{"servicePlanId": "113feb6c-3fe4-4440-bddc-54d774bf0318", "servicePlanName": "EXCHANGE_S_FOUNDATION"},
                             {"servicePlanId": format!("plan-{plan}"), "servicePlanName": plan}]});
        Sku::of(&value).expect("it has an id")
    }

    fn people(count: usize) -> Vec<Person> {
        let person =
            |n| Person { address: format!("p{n}@contoso.test"), usage_location: "DE".into(), ..Person::default() };
        (0..count).map(person).collect()
    }

    #[test]
    fn seats_are_counted_as_the_portal_counts_them() {
        assert_eq!(sku("E3", "EXCHANGE_S_ENTERPRISE", 10, 4).free(), 6);
        assert_eq!(sku("E3", "EXCHANGE_S_ENTERPRISE", 10, 12).free(), 0);
        assert_eq!(Sku { warning: 5, ..sku("E3", "EXCHANGE_S_ENTERPRISE", 0, 4) }.free(), 1);
        assert_eq!(Sku { status: "Suspended".into(), ..sku("E3", "EXCHANGE_S_ENTERPRISE", 10, 4) }.free(), 0);
        assert_eq!(Sku { for_users: false, ..sku("E3", "EXCHANGE_S_ENTERPRISE", 10, 4) }.free(), 0);
    }

    #[test]
    fn the_product_is_chosen_by_its_plan() {
        let skus = [
            sku("TEAMS", "EXCHANGE_S_FOUNDATION", 500, 0),
            sku("F3", "EXCHANGE_S_DESKLESS", 500, 0),
            sku("E1", "EXCHANGE_S_STANDARD", 50, 0),
            sku("E3", "EXCHANGE_S_ENTERPRISE", 50, 0),
        ];
        let part = |people: &[Person], wanted| check(people, &skus, wanted).map(|c| c.sku.map(|s| s.part));
        assert_eq!(part(&people(10), None), Ok(Some("E1".into())));
        let mut large = people(10);
        large[3].bytes = Some(60 * GIB);
        assert_eq!(part(&large, None), Ok(Some("E3".into())));
        assert_eq!(part(&people(10), Some("e3")), Ok(Some("E3".into())));
        assert_eq!(part(&people(10), Some("TEAMS")), Err(Lacking::NoMailboxPlan { part: "TEAMS".into() }));
        let missing = part(&people(1), Some("E5")).expect_err("it is not there");
        assert_eq!(missing.to_string(), "the tenant has no product E5; with a mailbox it has E1, E3, F3");
        assert_eq!(check(&people(1), &skus[..1], None), Err(Lacking::NoneAtAll));
    }

    #[test]
    fn who_cannot_have_one_is_set_aside() {
        let skus = [sku("E1", "EXCHANGE_S_STANDARD", 2, 0)];
        let mut all = people(6);
        all[0].usage_location.clear();
        all[1].bytes = Some(51 * GIB);
        all[2].held.insert("id-e1".into());
        let checked = check(&all, &skus, None).expect("two seats are free");
        assert_eq!(checked.have, ["p2@contoso.test"]);
        assert_eq!(checked.give, ["p3@contoso.test", "p4@contoso.test"]);
        assert_eq!(checked.aside.iter().map(|a| a.rule).collect::<Vec<_>>(), [NO_LOCATION, TOO_LARGE, NO_SEAT]);
        let full = [sku("E1", "EXCHANGE_S_STANDARD", 2, 2)];
        assert_eq!(check(&all, &full, None), Err(Lacking::NoSeat { part: "E1".into(), needed: 5 }));
    }

    #[test]
    fn a_plan_that_is_switched_off_counts_for_nothing() {
        let skus = [sku("E1", "EXCHANGE_S_STANDARD", 2, 0)];
        let mut all = people(2);
        all[0].held.insert("id-e1".into());
        all[0].disabled_plans.insert("plan-EXCHANGE_S_STANDARD".into());
        all[1].exempt = true;
        let checked = check(&all, &skus, None).expect("seats are free");
        assert_eq!((checked.give.len(), checked.have), (1, vec!["p1@contoso.test".to_owned()]));
    }
}
