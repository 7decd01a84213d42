//! Licences: seats before the start, the licence in the wave, and given back by
//! a release.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::consequences;
use super::gate::{self, Change, Observed, Outcome, Repeat, Verdict, WayBack};
use super::recipients::{self, CloudUser, Held};
use super::report::{Report, plural};
use super::session::Session;
use super::shadow::unknown;
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result};
use crate::migration::errors;
use crate::migration::licences::{self as rules, MailboxPlan, Person, Sku};
use crate::migration::list::Mailboxes;
use crate::services::graph_batch::failure_of;
use crate::wire::attributes::address_key;
use crate::wire::graph::BatchRequest;

/// What is done to a user's licence.
#[derive(Clone, Debug)]
enum What {
    Location(String),
    /// The product, with its mailbox plans switched on.
    Give(Product),
    /// The whole product, which we gave.
    Take(Product),
    /// Its mailbox plans only: the person had the product before us, and other
    /// services with it.
    SwitchOff(Product),
}

/// A product and those of its service plans that make a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Product {
    sku: String,
    plans: Vec<String>,
}

impl Product {
    fn of(sku: &Sku) -> Product {
        let plans = sku.plans.iter().filter(|(id, name)| MailboxPlan::of(name, id).is_some());
        Product { sku: sku.id.clone(), plans: plans.map(|(id, _)| id.to_lowercase()).collect() }
    }

    /// Whether the mailbox plans work for somebody.
    fn works_for(&self, user: &CloudUser) -> bool {
        user.licence(&self.sku)
            .is_some_and(|held| plant::is(Plant::PlansOff) || !self.plans.iter().any(|p| held.off.contains(p)))
    }
}

/// Changes usage location or licence of users, by any of their addresses.
struct UserChange {
    users: Vec<String>,
    what: What,
}

#[async_trait]
impl Change for UserChange {
    fn operation(&self) -> &'static str {
        match self.what {
            What::Location(_) => "license::location",
            What::Give(_) => "license::assign",
            What::Take(_) => "license::take_back",
            What::SwitchOff(_) => "license::switch_off",
        }
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
    fn way_back(&self) -> WayBack {
        match self.what {
            What::Location(_) => WayBack::Reversible,
            What::Give(_) => WayBack::Compensable("taking a licence away disconnects the mailbox at once"),
            What::Take(_) | What::SwitchOff(_) => {
                WayBack::Compensable("the licence given back within 30 days brings the same mailbox back")
            }
        }
    }
    fn targets(&self) -> Vec<String> {
        self.users.clone()
    }
    fn settles_within(&self) -> i64 {
        600
    }
    async fn observe(&self, session: &Session, targets: &[String]) -> Result<Vec<Observed>> {
        let users = recipients::users(session, targets).await?;
        Ok(targets
            .iter()
            .zip(users)
            .map(|(target, user)| {
                let Some(user) = user else {
                    let gone = Failure::new(Kind::NotFound, format!("{target} is no user of the tenant"))
                        .during("graph", "GET /users/{id}")
                        .on(target)
                        .hint("look at the synchronization");
                    return Observed { target: target.clone(), before: Value::Null, verdict: Verdict::Refused(gone) };
                };
                let before = json!({"licences": user.licences, "usageLocation": user.facts.usage_location});
                let same = match &self.what {
                    What::Location(_) => !user.facts.usage_location.is_empty(),
                    What::Give(product) => product.works_for(&user),
                    What::Take(product) => user.licence(&product.sku).is_none(),
                    What::SwitchOff(product) => !product.works_for(&user),
                };
                let after = match &self.what {
                    What::Location(place) => json!({"usageLocation": place}),
                    What::Give(product) => json!({"licence": product.sku}),
                    What::Take(product) => json!({"without": product.sku}),
                    What::SwitchOff(product) => json!({"licence": product.sku, "off": product.plans}),
                };
                let verdict = if same { Verdict::Same } else { Verdict::Differs(after) };
                Observed { target: target.clone(), before, verdict }
            })
            .collect())
    }
    async fn predict(&self, session: &Session, due: &[Observed]) -> Result<()> {
        let addresses: Vec<String> = due.iter().map(|one| one.target.clone()).collect();
        for (id, one) in recipients::ids(session, &addresses).await?.into_iter().zip(due) {
            let Some(id) = id else { continue };
            self.foresee(session, &id, one);
        }
        Ok(())
    }
    async fn apply(&self, session: &Session, observed: &Observed) -> Result<()> {
        let mut answers = self.apply_group(session, vec![observed]).await;
        answers.pop().unwrap_or_else(|| Err(Failure::internal("a batch of one had no answer")))
    }
    fn apply_group<'a>(&'a self, session: &'a Session, group: Vec<&'a Observed>) -> BoxFuture<'a, Vec<Result<()>>> {
        async move {
            let addresses: Vec<String> = group.iter().map(|one| one.target.clone()).collect();
            let ids = match recipients::ids(session, &addresses).await {
                Ok(ids) => ids,
                Err(failure) => return group.iter().map(|_| Err(failure.clone())).collect(),
            };
            let requests = ids
                .into_iter()
                .zip(&group)
                .enumerate()
                .map(|(i, (id, one))| {
                    // Who has no id was refused when it was observed.
                    let user = id.unwrap_or_default();
                    let (method, url, body) = match &self.what {
                        What::Location(place) => ("PATCH", format!("/users/{user}"), json!({"usageLocation": place})),
                        What::Take(product) => (
                            "POST",
                            format!("/users/{user}/assignLicense"),
                            json!({"addLicenses": [], "removeLicenses": [product.sku]}),
                        ),
                        What::Give(product) | What::SwitchOff(product) => {
                            let off = self.off(product, one);
                            let add = json!([{"skuId": product.sku, "disabledPlans": off}]);
                            (
                                "POST",
                                format!("/users/{user}/assignLicense"),
                                json!({"addLicenses": add, "removeLicenses": []}),
                            )
                        }
                    };
                    BatchRequest {
                        id: i.to_string(),
                        method: method.into(),
                        url,
                        headers: json!({"Content-Type": "application/json"}),
                        body,
                    }
                })
                .collect();
            match session.services().graph.batch(requests).await {
                Ok(answers) => answers
                    .iter()
                    .zip(&group)
                    .map(|(answer, one)| match failure_of(answer) {
                        None => Ok(()),
                        Some(failure) => {
                            let known = errors::explain(&failure.message).map(|k| k.remedy);
                            let hint = known.map(str::to_owned).or(failure.hint.clone()).unwrap_or_default();
                            let mut failure = failure.on(&one.target).hint(hint);
                            failure.message = format!("{}: {}", one.target, failure.message);
                            Err(failure)
                        }
                    })
                    .collect(),
                Err(failure) => group.iter().map(|_| Err(failure.clone())).collect(),
            }
        }
        .boxed()
    }
}

impl UserChange {
    /// Plans of a product that will be off. A licence that is held already has its
    /// plans replaced: what else was switched off stays off.
    fn off(&self, product: &Product, one: &Observed) -> Vec<String> {
        let mut off = switched_off(&one.before, &product.sku);
        off.retain(|p| !product.plans.contains(p));
        if matches!(self.what, What::SwitchOff(_)) || plant::is(Plant::PlansOff) {
            off.extend(product.plans.iter().cloned());
        }
        off
    }

    /// Says to a plan what a user will hold.
    fn foresee(&self, session: &Session, id: &str, one: &Observed) {
        let mut held: Vec<Held> = serde_json::from_value(one.before["licences"].clone()).unwrap_or_default();
        let (product, gives) = match &self.what {
            What::Location(place) => {
                session.foresee(|shadow| {
                    // Who is still to come may bring one along.
                    let coming = unknown::text(unknown::Of::Location, &address_key(&one.target));
                    let place = if shadow.graph.is_coming(id) { &coming } else { place };
                    shadow.graph.user(id, json!({"usageLocation": place}));
                });
                return;
            }
            What::Give(product) | What::SwitchOff(product) => (product, true),
            What::Take(product) => (product, false),
        };
        let had = held.len();
        held.retain(|l| !l.sku.eq_ignore_ascii_case(&product.sku));
        let seats = i64::from(gives) - i64::from(held.len() < had);
        if gives {
            held.push(Held { sku: product.sku.clone(), off: self.off(product, one) });
        }
        held.sort_by(|a, b| a.sku.cmp(&b.sku));
        let licences: Vec<Value> = held.iter().map(|l| json!({"skuId": l.sku, "disabledPlans": l.off})).collect();
        session.foresee(|shadow| {
            shadow.graph.user(id, json!({"assignedLicenses": licences}));
            if seats != 0 {
                shadow.graph.seat(&product.sku, seats);
            }
        });
        if matches!(self.what, What::Take(_) | What::SwitchOff(_)) {
            consequences::gave_way(session, id, &one.target);
        }
    }
}

/// Plans of a product that are switched off in a before-image.
fn switched_off(before: &Value, sku: &str) -> Vec<String> {
    let held: Vec<Held> = serde_json::from_value(before["licences"].clone()).unwrap_or_default();
    held.into_iter().find(|l| l.sku.eq_ignore_ascii_case(sku)).map(|l| l.off).unwrap_or_default()
}

/// The tenant's products.
///
/// # Errors
/// Those of Graph.
pub async fn skus(session: &Session) -> Result<Vec<Sku>> {
    let rows = session.sees().get_all("/subscribedSkus").await?;
    Ok(rows.iter().filter_map(Sku::of).collect())
}

/// What the rules say about licences for these people; a usage location of the
/// project counts for who has none.
async fn needed(session: &Session, addresses: &[String]) -> Result<Needed> {
    let (skus, users) = session.clock().both(skus(session), recipients::users(session, addresses)).await?;
    let place = session.project().usage_location.clone().unwrap_or_default();
    let mut homeless = Vec::new();
    let people: Vec<Person> = addresses
        .iter()
        .zip(users)
        .filter_map(|(address, user)| {
            let user = user?;
            let location = &user.facts.usage_location;
            if location.is_empty() {
                homeless.push(address.clone());
            }
            Some(Person {
                address: address.clone(),
                usage_location: if location.is_empty() { place.clone() } else { location.clone() },
                disabled_plans: user.licences.iter().flat_map(|l| l.off.iter().cloned()).collect(),
                held: user.licences.into_iter().map(|l| l.sku).collect(),
                ..Person::default()
            })
        })
        .collect();
    let checked = rules::check(&people, &skus, session.project().licence.sku.as_deref()).map_err(|lacking| {
        Failure::new(Kind::Findings, lacking.to_string()).during("graph", "GET /subscribedSkus").hint(lacking.remedy())
    })?;
    Ok(Needed { checked, homeless })
}

/// What the rules say, and who has no usage location of their own.
struct Needed {
    checked: rules::Checked,
    homeless: Vec<String>,
}

/// Step before `start`: seats and usage locations. Who can't get a licence is
/// set aside; no free seat at all concerns everybody.
///
/// # Errors
/// Those of Graph; the journal can't be written.
pub async fn check(session: &Arc<Session>, mailboxes: &Mailboxes) -> Result<Report> {
    let step = session.step("license::check", plural(mailboxes.len(), "mailbox", "mailboxes"));
    let mut report = Report::new("license::check");
    let addresses = mailboxes.addresses();
    let checked = match needed(session, &addresses).await {
        Ok(needed) => needed.checked,
        Err(failure) if failure.kind == Kind::Findings => {
            report.error("", failure.message, failure.hint.as_deref().unwrap_or_default());
            report.mailboxes = Some(mailboxes.take(0));
            report.tell(session);
            report.close(step);
            return Ok(report);
        }
        Err(failure) => return Err(failure),
    };
    let mut aside = std::collections::BTreeSet::new();
    for fault in checked.aside {
        // A batch holds the row already: it can't be left behind any more, only
        // helped before its thirty days are over.
        if session.memory().past.under_way(&fault.address) {
            report.warning(&fault.address, format!("{}: {}", fault.address, fault.reason), &fault.remedy);
            continue;
        }
        session.leave(&fault.address, &fault.reason)?;
        report.aside(&fault.address, fault.reason, &fault.remedy);
        aside.insert(fault.address.to_lowercase());
    }
    report.mailboxes = Some(mailboxes.without(&aside));
    report.tell(session);
    if let Some(sku) = &checked.sku {
        let (needed, free) = (checked.give.len() as u64, checked.free);
        session.note(super::narrate::What::SeatsCounted { product: sku.part.clone(), needed, free });
    }
    step.end(match &checked.sku {
        None => "everybody has one".to_owned(),
        Some(sku) => {
            report.fact("product", &sku.part);
            format!("{} of {} free seats of {}", checked.give.len(), checked.free, sku.part)
        }
    });
    Ok(report)
}

/// Gives each mailbox its licence, and a usage location to those without.
///
/// # Errors
/// Those of the gate. A row that is refused is warned about.
pub async fn assign(session: &Arc<Session>, mailboxes: &Mailboxes) -> Result<usize> {
    if mailboxes.is_empty() {
        return Ok(0);
    }
    let step = session.step("license::assign", plural(mailboxes.len(), "mailbox", "mailboxes"));
    // Whom this run has seen with one is not asked for again; a later run asks.
    let fresh: Vec<String> = {
        let memory = session.memory();
        mailboxes.addresses().into_iter().filter(|a| !memory.licensed.contains(&address_key(a))).collect()
    };
    if fresh.is_empty() {
        step.end("everybody has one");
        return Ok(0);
    }
    let Needed { checked, homeless } = needed(session, &fresh).await?;
    let without: BTreeSet<String> =
        checked.give.iter().chain(checked.aside.iter().map(|a| &a.address)).map(|a| address_key(a)).collect();
    session.memory().licensed.extend(fresh.iter().map(|a| address_key(a)).filter(|a| !without.contains(a)));
    let Some(sku) = checked.sku else {
        step.end("everybody has one");
        return Ok(0);
    };
    if plant::is(Plant::LicenceNever) {
        return Ok(mailboxes.len());
    }
    if plant::is(Plant::LicenceLate) {
        session.clock().sleep(jiff::SignedDuration::from_hours(31 * 24)).await?;
    }
    let another = if plant::is(Plant::LicenceOfAnother) { skus(session).await?.pop() } else { None };
    let sku = another.unwrap_or(sku);
    for fault in &checked.aside {
        session.note(super::narrate::What::Warned {
            text: format!("{}: {}", fault.address, fault.reason),
            hint: fault.remedy.clone(),
        });
    }
    locate(session, homeless).await?;
    let total = mailboxes.len();
    let product = sku.part.clone();
    let change = UserChange { users: checked.give, what: What::Give(Product::of(&sku)) };
    let tell = |done: usize, of: usize| step.progress(done, of, "licences", "given");
    let outcomes = gate::pass(session, &change, Some(&tell)).await?;
    let given = outcomes.iter().filter(|o| o.changed).count();
    let good = outcomes.iter().filter(|o| o.result.is_ok()).map(|o| address_key(&o.target));
    session.memory().licensed.extend(good);
    session.note(super::narrate::What::SeatsGiven { product, given: given as u64 });
    let refused = warn_refused(session, outcomes) + checked.aside.len();
    step.end(match (given, refused) {
        (g, 0) if g == total => format!("{g} given"),
        (g, 0) => format!("{g} given, {} had one", total - g),
        (g, r) => format!("{g} given, {r} refused"),
    });
    Ok(given)
}

/// Gives a usage location to those without, where the project names one.
async fn locate(session: &Session, users: Vec<String>) -> Result<()> {
    if plant::is(Plant::LocationMissing) {
        return Ok(());
    }
    if let Some(place) = session.project().usage_location.clone()
        && !users.is_empty()
    {
        let change = UserChange { users, what: What::Location(place) };
        warn_refused(session, gate::pass(session, &change, None).await?);
    }
    Ok(())
}

/// What becomes of a product that an earlier step gave to whose mailbox gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// It goes whole: a release leaves nothing of a row that failed.
    Taken,
    /// It stays, with its mailbox plans switched off: an undo removes no licence,
    /// and switched on again they bring the mailbox back.
    Kept,
}

/// Lets cloud mailboxes give way: those that a `release` or an undo concerns. Of a
/// product that a person had before us only the mailbox plans are switched off, for
/// other services hang on it. A mailbox that never had a licence gets one first, and
/// loses it: only that disconnects at once (otherwise the grace of 30 days).
///
/// # Errors
/// Those of the gate.
pub async fn give_way(session: &Session, users: &[String], given_earlier: Ours) -> Result<Vec<Outcome>> {
    if plant::is(Plant::MailboxKept) {
        return Ok(Vec::new());
    }
    for address in users {
        session.memory().licensed.remove(&address_key(address));
    }
    let (found, skus) = session.clock().both(recipients::users(session, users), skus(session)).await?;
    // What holds no mailbox (a project plan, a telephone) is none of our business.
    let products: Vec<Product> = skus.iter().filter(|s| s.mailbox_plan().is_some()).map(Product::of).collect();
    let mut ours: BTreeMap<Product, Vec<String>> = BTreeMap::new();
    let mut theirs: BTreeMap<Product, Vec<String>> = BTreeMap::new();
    let mut without = Vec::new();
    for (address, user) in users.iter().zip(found) {
        let Some(user) = user else { continue };
        let working: Vec<&Product> = products.iter().filter(|p| p.works_for(&user)).collect();
        if working.is_empty() {
            without.push(address.clone());
        }
        let given = given_earlier == Ours::Taken && session.memory().past.given.contains(&address_key(address));
        for product in working {
            let side = if given { &mut ours } else { &mut theirs };
            side.entry(product.clone()).or_default().push(address.clone());
        }
    }
    if !without.is_empty() {
        let Needed { checked, homeless } = needed(session, &without).await?;
        let sku = checked.sku.ok_or_else(|| {
            Failure::new(Kind::Validation, "no product of the tenant gives a mailbox")
                .hint("look at the tenant's subscriptions")
        })?;
        locate(session, homeless).await?;
        let product = Product::of(&sku);
        // Who doesn't get it has nothing that could be taken, and the mailbox would
        // stay and go on catching mail.
        let give = UserChange { users: without.clone(), what: What::Give(product.clone()) };
        if let Some(failure) = gate::pass(session, &give, None).await?.into_iter().find_map(|o| o.result.err()) {
            return Err(failure);
        }
        for address in without {
            let given = session.memory().past.given.contains(&address_key(&address));
            let side = if given { &mut ours } else { &mut theirs };
            side.entry(product.clone()).or_default().push(address);
        }
    }
    let mut outcomes = Vec::new();
    for (product, users) in ours {
        outcomes.extend(gate::pass(session, &UserChange { users, what: What::Take(product) }, None).await?);
    }
    for (product, users) in theirs {
        outcomes.extend(gate::pass(session, &UserChange { users, what: What::SwitchOff(product) }, None).await?);
    }
    Ok(outcomes)
}

fn warn_refused(session: &Session, outcomes: Vec<Outcome>) -> usize {
    let mut refused = 0;
    for failure in outcomes.into_iter().filter_map(|o| o.result.err()) {
        refused += 1;
        session.note(super::narrate::What::Warned {
            text: failure.message.clone(),
            hint: failure.hint.unwrap_or_default(),
        });
    }
    refused
}
