//! Licences: seats before the start, the licence in the wave, and given back by
//! a release.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::gate::{self, Change, Observed, Outcome, Repeat, Verdict, WayBack};
use super::recipients;
use super::report::{Report, plural};
use super::session::Session;
use crate::base::{Failure, Kind, Result};
use crate::migration::errors;
use crate::migration::licences::{self as rules, Person, Sku};
use crate::migration::list::Mailboxes;
use crate::services::graph_batch::failure_of;
use crate::wire::graph::BatchRequest;

/// What is done to a user's licence.
#[derive(Clone, Debug)]
enum What {
    Location(String),
    Give(String),
    Take(String),
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
        }
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
    fn way_back(&self) -> WayBack {
        match self.what {
            What::Location(_) => WayBack::Reversible,
            What::Give(_) => WayBack::Compensable("taking a licence away disconnects the mailbox at once"),
            What::Take(_) => WayBack::Compensable("the licence given back within 30 days brings the same mailbox back"),
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
                let has = |sku: &String| user.licences.iter().any(|l| l.eq_ignore_ascii_case(sku));
                let same = match &self.what {
                    What::Location(_) => !user.facts.usage_location.is_empty(),
                    What::Give(sku) => has(sku),
                    What::Take(sku) => !has(sku),
                };
                let after = match &self.what {
                    What::Location(place) => json!({"usageLocation": place}),
                    What::Give(sku) => json!({"licence": sku}),
                    What::Take(sku) => json!({"without": sku}),
                };
                let verdict = if same { Verdict::Same } else { Verdict::Differs(after) };
                Observed { target: target.clone(), before, verdict }
            })
            .collect())
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
                .enumerate()
                .map(|(i, id)| {
                    // Who has no id was refused when it was observed.
                    let user = id.unwrap_or_default();
                    let (method, url, body) = match &self.what {
                        What::Location(place) => ("PATCH", format!("/users/{user}"), json!({"usageLocation": place})),
                        What::Give(sku) => (
                            "POST",
                            format!("/users/{user}/assignLicense"),
                            json!({"addLicenses": [{"skuId": sku, "disabledPlans": []}], "removeLicenses": []}),
                        ),
                        What::Take(sku) => (
                            "POST",
                            format!("/users/{user}/assignLicense"),
                            json!({"addLicenses": [], "removeLicenses": [sku]}),
                        ),
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

/// The tenant's products.
///
/// # Errors
/// Those of Graph.
pub async fn skus(session: &Session) -> Result<Vec<Sku>> {
    let rows = session.services().graph.get_all("/subscribedSkus").await?;
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
                held: user.licences.into_iter().collect(),
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
    let Needed { checked, homeless } = needed(session, &mailboxes.addresses()).await?;
    let Some(sku) = checked.sku else {
        step.end("everybody has one");
        return Ok(0);
    };
    for fault in &checked.aside {
        session.note(super::narrate::What::Warned {
            text: format!("{}: {}", fault.address, fault.reason),
            hint: fault.remedy.clone(),
        });
    }
    locate(session, homeless).await?;
    let total = mailboxes.len();
    let change = UserChange { users: checked.give, what: What::Give(sku.id) };
    let tell = |done: usize, of: usize| step.progress(done, of, "licences", "given");
    let outcomes = gate::pass(session, &change, Some(&tell)).await?;
    let given = outcomes.iter().filter(|o| o.changed).count();
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
    if let Some(place) = session.project().usage_location.clone()
        && !users.is_empty()
    {
        let change = UserChange { users, what: What::Location(place) };
        warn_refused(session, gate::pass(session, &change, None).await?);
    }
    Ok(())
}

/// Takes licences away so that the cloud mailboxes give way: those that a
/// `release` concerns. A mailbox that never had one gets it first: only the
/// removal of a licence disconnects at once (otherwise the grace of 30 days).
///
/// # Errors
/// Those of the gate.
pub async fn give_way(session: &Session, users: &[String]) -> Result<Vec<Outcome>> {
    let (found, skus) = session.clock().both(recipients::users(session, users), skus(session)).await?;
    // What holds no mailbox (a project plan, a telephone) is none of our business.
    let mailbox: BTreeSet<String> =
        skus.into_iter().filter(|s| s.mailbox_plan().is_some()).map(|s| s.id.to_lowercase()).collect();
    let mut by_sku: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut without = Vec::new();
    for (address, user) in users.iter().zip(found) {
        let held: Vec<String> = user.map(|u| u.licences).unwrap_or_default();
        let held: Vec<String> = held.into_iter().filter(|sku| mailbox.contains(&sku.to_lowercase())).collect();
        if held.is_empty() {
            without.push(address.clone());
        }
        for sku in held {
            by_sku.entry(sku).or_default().push(address.clone());
        }
    }
    if !without.is_empty() {
        let Needed { checked, homeless } = needed(session, &without).await?;
        let sku = checked.sku.ok_or_else(|| {
            Failure::new(Kind::Validation, "no product of the tenant gives a mailbox")
                .hint("look at the tenant's subscriptions")
        })?;
        locate(session, homeless).await?;
        // Who doesn't get it has nothing that could be taken, and the mailbox would
        // stay and go on catching mail.
        let given =
            gate::pass(session, &UserChange { users: without.clone(), what: What::Give(sku.id.clone()) }, None).await?;
        if let Some(failure) = given.into_iter().find_map(|o| o.result.err()) {
            return Err(failure);
        }
        by_sku.entry(sku.id).or_default().extend(without);
    }
    let mut outcomes = Vec::new();
    for (sku, users) in by_sku {
        outcomes.extend(gate::pass(session, &UserChange { users, what: What::Take(sku) }, None).await?);
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
