//! Record sets swapped back: each from what the run left to what was there, in one
//! update whose prerequisites state the whole set that must be found.
//!
//! A set that somebody else has changed since is left alone, with the difference.
//! The time to live is no prerequisite of the protocol (RFC 2136, 2.4.2), so it is
//! compared before the update goes out.

use async_trait::async_trait;
use hickory_proto::rr::RecordType;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::made::Made;
use crate::base::{Failure, Kind, Result};
use crate::run::domains::one;
use crate::run::gate::{self, Change, Observed, Repeat, Verdict, WayBack};
use crate::run::narrate::What;
use crate::run::session::Session;
use crate::run::zones::{agreed, image, set_from};
use crate::services::Swapped;
use crate::services::dns::Ask;
use crate::wire::dns::{RecordSet, Swap, absolute, relative};

/// Longest that a resolver keeps a copy whatever the zone says.
const STUBBORN: u32 = 900;

/// One set that is swapped back.
#[derive(Clone, Debug)]
pub struct Back {
    target: String,
    name: String,
    kind: RecordType,
    was: Option<RecordSet>,
    /// Addresses that a CNAME had to take the place of.
    beside: Option<RecordSet>,
    left: Option<RecordSet>,
}

impl Back {
    /// The way back of a change of a set; none if its images are no sets.
    pub fn of(made: &Made) -> Option<Back> {
        let (name, kind) = made.target.rsplit_once(' ')?;
        let kind: RecordType = kind.parse().ok()?;
        let set = |value: &Value| set_from(value, kind);
        // Read back it is `{set}`, planned it is the set alone.
        let left = if made.after["set"].is_object() { set(&made.after["set"]) } else { set(&made.after) };
        left.as_ref()?;
        Some(Back {
            target: made.target.clone(),
            name: absolute(name),
            kind,
            was: set(&made.before["set"]),
            beside: set_from(&made.before["beside"], RecordType::A),
            left,
        })
    }

    /// Whether mail goes another way by it.
    pub fn is_mail(&self) -> bool {
        self.kind == RecordType::MX && self.was.as_ref().map(|s| &s.values) != self.left.as_ref().map(|s| &s.values)
    }

    /// The domain of the set.
    pub fn domain(&self) -> String {
        relative(&self.name)
    }

    /// From and to, for people.
    pub fn words(&self) -> String {
        format!("from {} to {}", shown(self.left.as_ref()), shown(self.was.as_ref().or(self.beside.as_ref())))
    }

    /// Seconds for which copies of what the run left may live on.
    pub fn copies(&self) -> u32 {
        self.left.as_ref().map_or(0, |s| s.ttl)
    }

    /// What the zone's own server says now.
    ///
    /// # Errors
    /// Those of the name server.
    pub async fn found(&self, session: &Session) -> Result<Found> {
        let dns = &session.services().dns;
        let set = dns.lookup(&self.name, self.kind, Ask::Authority).await?;
        let beside = match (&self.beside, &set) {
            (Some(_), None) => dns.lookup(&self.name, RecordType::A, Ask::Authority).await?,
            _ => None,
        };
        Ok(Found { set, beside })
    }

    /// What the zone will say once this is swapped back.
    pub fn then(&self) -> Found {
        Found { set: self.was.clone(), beside: self.beside.clone() }
    }

    /// Whether what stands there is ours, is back already, or is somebody else's.
    pub fn verdict(&self, found: &Found) -> Verdict {
        if found.set == self.was && (self.beside.is_none() || found.beside == self.beside) {
            return Verdict::Same;
        }
        if found.set == self.left {
            return Verdict::Differs(json!({"set": image(self.was.as_ref()), "beside": image(self.beside.as_ref())}));
        }
        Verdict::Refused(
            Failure::new(
                Kind::Conflict,
                format!("the {} record of {} was changed by somebody else since", self.kind, self.domain()),
            )
            .during("zone", "update")
            .on(&self.target)
            .detail(format!("it is {}, and was left as {}", shown(found.set.as_ref()), shown(self.left.as_ref())))
            .hint("look who changed it and why; set it back to what the run left, and undo again, or leave it so"),
        )
    }

    /// The set's name in the journal.
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// What stands in a zone.
#[derive(Clone, Debug, Default)]
pub struct Found {
    set: Option<RecordSet>,
    /// Addresses where there is no CNAME.
    beside: Option<RecordSet>,
}

/// A set for people: its values and its time to live.
fn shown(set: Option<&RecordSet>) -> String {
    set.map_or_else(|| "nothing".into(), |s| format!("{} (time to live {})", s.values.join(", "), s.ttl))
}

#[async_trait]
impl Change for Back {
    fn operation(&self) -> &'static str {
        "undo::zone"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Guarded
    }
    fn way_back(&self) -> WayBack {
        WayBack::Reversible
    }
    fn targets(&self) -> Vec<String> {
        vec![self.target.clone()]
    }
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let found = self.found(session).await?;
        let before = json!({"set": image(found.set.as_ref())});
        Ok(vec![Observed { target: self.target.clone(), before, verdict: self.verdict(&found) }])
    }
    async fn apply(&self, session: &Session, _: &Observed) -> Result<()> {
        let dns = &session.services().dns;
        let zone = dns.zone_for(&self.name).ok_or_else(|| {
            Failure::new(Kind::Usage, format!("{} lies in no zone of the profile", self.domain()))
                .during("zone", "update")
                .hint("add the zone with its server and key to [[dns.zones]] of the profile, or change the record by hand")
        })?;
        let name = &self.name;
        let swap = |kind, expected, wanted| Swap { name: name.clone(), kind, expected, wanted };
        let mut swaps = vec![swap(self.kind, self.left.clone(), self.was.clone())];
        if let Some(beside) = &self.beside {
            swaps.push(swap(RecordType::A, None, Some(beside.clone())));
        }
        match dns.swap(&zone.name, &swaps).await? {
            Swapped::Applied => Ok(()),
            Swapped::Stale => Err(Failure::new(
                Kind::Conflict,
                format!("the {} record of {} is no longer what it was a moment ago", self.kind, self.domain()),
            )
            .during("zone", "update")
            .on(&self.target)
            .hint("somebody else changed it; look at the zone, then undo again")),
        }
    }
}

/// Swaps sets back, in the order given, and waits until nobody holds a copy of what
/// the run had published for mail.
///
/// # Errors
/// Those of the gate and of the name servers.
pub async fn bring(session: &Session, sets: &[Back]) -> Result<Vec<gate::Outcome>> {
    let mut outcomes = Vec::new();
    let mut until = None;
    for set in sets {
        let outcome = gate::pass(session, set, None).await?;
        if let Ok(done) = one(outcome.clone())
            && done.changed
            && set.is_mail()
        {
            until = until.max(Some(session.now() + SignedDuration::from_secs(i64::from(set.copies().max(STUBBORN)))));
        }
        outcomes.extend(outcome);
    }
    for set in sets.iter().filter(|s| s.is_mail()) {
        if let Some(was) = &set.was {
            let is_back = outcomes.iter().any(|o| o.target == set.target && o.result.is_ok());
            if is_back {
                agreed(session, &set.name, set.kind, &was.values, set.copies()).await?;
            }
        }
    }
    if let Some(until) = until.filter(|u| *u > session.now()) {
        session.note(What::Waiting { reason: "copies of the MX records to run out".into(), until });
        session.clock().sleep_until(until).await?;
    }
    Ok(outcomes)
}
