//! Step 2: the customer's domains belong to the tenant.

use std::sync::Arc;

use async_trait::async_trait;
use hickory_proto::rr::RecordType;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::gate::{self, Change, Observed, Repeat, Verdict, WayBack};
use super::recipients::until;
use super::report::{Report, plural};
use super::session::Session;
use super::shadow::exchange::Table;
use super::zones::{SwapSets, Target, Wanted};
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result};
use crate::wire::graph::percent;

/// Adds a domain to the tenant.
struct AddDomain(String);

#[async_trait]
impl Change for AddDomain {
    fn operation(&self) -> &'static str {
        "domain::add"
    }
    fn repeat(&self) -> Repeat {
        Repeat::UniqueByName
    }
    fn way_back(&self) -> WayBack {
        WayBack::Compensable("remove the domain from the tenant, as long as no address uses it")
    }
    fn targets(&self) -> Vec<String> {
        vec![self.0.clone()]
    }
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let found = domain(session, &self.0).await?;
        let verdict = if found.is_some() { Verdict::Same } else { Verdict::Differs(json!({"id": self.0})) };
        Ok(vec![Observed { target: self.0.clone(), before: found.unwrap_or_default(), verdict }])
    }
    async fn predict(&self, session: &Session, _: &[Observed]) -> Result<()> {
        // As Graph answers a POST of a domain (resource type domain, v1.0).
        let made = json!({
            "id": self.0, "authenticationType": "Managed", "availabilityStatus": null, "isAdminManaged": true,
            "isDefault": false, "isInitial": false, "isRoot": true, "isVerified": false, "supportedServices": [],
        });
        session.foresee(|shadow| shadow.graph.add_domain(&self.0, made));
        Ok(())
    }
    async fn apply(&self, session: &Session, _: &Observed) -> Result<()> {
        session.services().graph.post("/domains", &json!({"id": self.0})).await.map(|_| ())
    }
}

/// Asks the service to look for the proof of ownership.
struct Verify(String);

#[async_trait]
impl Change for Verify {
    fn operation(&self) -> &'static str {
        "domain::verify"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
    fn way_back(&self) -> WayBack {
        WayBack::Final("a verified domain stays verified until it is removed from the tenant")
    }
    fn targets(&self) -> Vec<String> {
        vec![self.0.clone()]
    }
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let found = domain(session, &self.0).await?.unwrap_or_default();
        let verified = found["isVerified"].as_bool().unwrap_or(false);
        let verdict = if verified { Verdict::Same } else { Verdict::Differs(json!({"isVerified": true})) };
        Ok(vec![Observed { target: self.0.clone(), before: json!({"isVerified": verified}), verdict }])
    }
    async fn predict(&self, session: &Session, _: &[Observed]) -> Result<()> {
        session.assume(format!("the tenant accepts the proof for {} at the first look", self.0));
        session.foresee(|shadow| {
            shadow.graph.domain(&self.0, json!({"isVerified": true}));
            // A verified domain is an accepted one; of which type, its owner says.
            let accepted = json!({"Identity": self.0, "DomainName": self.0});
            shadow.exchange.make(Table::Domains, &self.0, accepted);
        });
        Ok(())
    }
    async fn apply(&self, session: &Session, _: &Observed) -> Result<()> {
        session.services().graph.post(&format!("/domains/{}/verify", percent(&self.0)), &Value::Null).await.map(|_| ())
    }
}

async fn domain(session: &Session, name: &str) -> Result<Option<Value>> {
    match session.sees().get(&format!("/domains/{}", percent(name))).await {
        Ok(found) => Ok(Some(found)),
        Err(f) if f.kind == Kind::NotFound => Ok(None),
        Err(f) => Err(f),
    }
}

/// Makes sure that the tenant owns the domains: publishes the proof where it
/// may, waits for it to be seen, and asks the service to look.
///
/// # Errors
/// `findings`-like refusals of the service; `timeout` if a proof isn't accepted
/// within four hours; those of Graph and DNS.
pub async fn verify(session: &Arc<Session>, domains: &[String]) -> Result<Report> {
    let step = session.step("domain::verify", domains.join(", "));
    let mut report = Report::new("domain::verify");
    let mut fresh = 0;
    for name in domains.iter().filter(|_| !plant::is(Plant::DomainsUnverified)) {
        if let Some(done) = domain(session, name).await?
            && done["isVerified"].as_bool() == Some(true)
        {
            report.info(name, format!("{name} is verified"));
            continue;
        }
        one(gate::pass(session, &AddDomain(name.clone()), None).await?)?;
        let records = session.sees().get_all(&format!("/domains/{}/verificationDnsRecords", percent(name))).await?;
        let proof = records
            .iter()
            .find_map(|r| r["text"].as_str())
            .ok_or_else(|| {
                Failure::new(Kind::Protocol, format!("the tenant names no TXT record that would prove {name}"))
                    .during("graph", "verificationDnsRecords")
                    .hint("verify the domain in the admin centre, then run again")
            })?
            .to_owned();
        let publish = SwapSets {
            operation: "domain::verify",
            sets: vec![Target { name: name.clone(), kind: RecordType::TXT, wanted: Wanted::With(proof) }],
        };
        one(gate::pass(session, &publish, None).await?)?;
        // The service looks with resolvers of its own: "about 15 minutes".
        let patience = SignedDuration::from_hours(4);
        let last = std::sync::Mutex::new(None);
        let done = until(session, SignedDuration::from_mins(15), patience, || async {
            match gate::pass(session, &Verify(name.clone()), None).await?.pop().map(|o| o.result) {
                Some(Err(f)) if f.kind == Kind::Refused || f.kind == Kind::Validation => {
                    if let Ok(mut last) = last.lock() {
                        *last = Some(f);
                    }
                    Ok(false)
                }
                Some(Err(f)) => Err(f),
                _ => Ok(true),
            }
        })
        .await?;
        if !done {
            let why = last.into_inner().ok().flatten();
            return Err(Failure::new(Kind::Timeout, format!("the tenant does not accept the proof for {name}"))
                .during("graph", "verify")
                .on(name)
                .detail(why.map(|f| f.message).unwrap_or_default())
                .hint("look whether the TXT record is visible from outside; then run again"));
        }
        fresh += 1;
        report.info(name, format!("{name} was verified"));
    }
    report.tell(session);
    step.end(match fresh {
        0 => "verified already".to_owned(),
        n => format!("{} verified now", plural(n, "domain", "domains")),
    });
    Ok(report)
}

/// The outcome of a change of one object, its failure handed on.
///
/// # Errors
/// The failure of the object.
pub fn one(outcomes: Vec<gate::Outcome>) -> Result<gate::Outcome> {
    let outcome =
        outcomes.into_iter().next().ok_or_else(|| Failure::internal("a change of one object had no outcome"))?;
    match &outcome.result {
        Ok(()) => Ok(outcome),
        Err(failure) => Err(failure.clone()),
    }
}
