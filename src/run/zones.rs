//! Changes of the customer's zones: each set swapped whole, in one signed
//! message whose prerequisites state the old set.
//!
//! Never an empty moment: a resolver that asks between a delete and an add
//! would remember "no mail here" for the zone's negative time to live.

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use hickory_proto::rr::RecordType;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::fenced;
use super::gate::{Change, Observed, Repeat, Verdict, WayBack};
use super::recipients::until;
use super::session::Session;
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result};
use crate::migration::fences::{Place, Touch};
use crate::services::Swapped;
use crate::services::dns::Ask;
use crate::wire::dns::{RecordSet, Swap, absolute, relative};
use crate::wire::profile::Zone;

/// What shall stand in a set, given what stands there.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Exactly these values with this time to live.
    Exactly {
        /// Values as a zone file writes them.
        values: Vec<String>,
        /// Seconds.
        ttl: u32,
    },
    /// The same values with at most this time to live.
    TtlAtMost(u32),
    /// What is there, and this value.
    With(String),
}

/// One record set that shall be changed.
#[derive(Clone, Debug)]
pub struct Target {
    /// Owner, e.g. `contoso.com`.
    pub name: String,
    /// Its type.
    pub kind: RecordType,
    /// What shall stand there.
    pub wanted: Wanted,
}

/// A change of several sets, each in the customer's own zone.
pub struct SwapSets {
    /// `set_mx`, `autodiscover`, …
    pub operation: &'static str,
    /// The sets.
    pub sets: Vec<Target>,
}

impl SwapSets {
    fn set_of(&self, target: &str) -> Option<&Target> {
        self.sets.iter().find(|s| key(&s.name, s.kind) == target)
    }
}

/// What the journal calls a set: `contoso.com MX`.
pub fn key(name: &str, kind: RecordType) -> String {
    format!("{} {kind}", relative(name))
}

pub(super) fn image(set: Option<&RecordSet>) -> Value {
    set.map_or(Value::Null, |s| json!({"name": s.name, "type": s.kind.to_string(), "ttl": s.ttl, "values": s.values}))
}

pub(super) fn set_from(image: &Value, kind: RecordType) -> Option<RecordSet> {
    let values = image["values"].as_array()?.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    let ttl = image["ttl"].as_u64().and_then(|t| u32::try_from(t).ok())?;
    Some(RecordSet::new(image["name"].as_str()?, kind, ttl, values))
}

fn wanted(target: &Target, found: Option<&RecordSet>) -> Option<RecordSet> {
    match &target.wanted {
        Wanted::Exactly { values, ttl } => Some(RecordSet::new(&target.name, target.kind, *ttl, values.clone())),
        Wanted::TtlAtMost(most) => found.map(|set| RecordSet { ttl: set.ttl.min(*most), ..set.clone() }),
        Wanted::With(value) => {
            let mut values = found.map(|s| s.values.clone()).unwrap_or_default();
            if plant::is(Plant::ProofReplacesTxt) {
                values.clear();
            }
            if !values.contains(value) {
                values.push(value.clone());
            }
            Some(RecordSet::new(&target.name, target.kind, found.map_or(300, |s| s.ttl), values))
        }
    }
}

#[async_trait]
impl Change for SwapSets {
    fn operation(&self) -> &'static str {
        self.operation
    }

    fn repeat(&self) -> Repeat {
        Repeat::Guarded
    }

    fn way_back(&self) -> WayBack {
        WayBack::Reversible
    }

    fn targets(&self) -> Vec<String> {
        self.sets.iter().map(|s| key(&s.name, s.kind)).collect()
    }

    async fn observe(&self, session: &Session, targets: &[String]) -> Result<Vec<Observed>> {
        let sets: Vec<&Target> = targets.iter().filter_map(|t| self.set_of(t)).collect();
        let found = session
            .clock()
            .fan_out(sets, 4, |set| async move {
                let found = session.sees().lookup(&set.name, set.kind, Ask::Authority).await?;
                // A CNAME takes the place of addresses; both are part of the image.
                let beside = if set.kind == RecordType::CNAME && found.is_none() {
                    session.sees().lookup(&set.name, RecordType::A, Ask::Authority).await?
                } else {
                    None
                };
                Ok::<_, Failure>((set, found, beside))
            })
            .await;
        let mut observed = Vec::with_capacity(targets.len());
        for one in found {
            let (set, found, beside) = one?;
            let target = key(&set.name, set.kind);
            let verdict = match (wanted(set, found.as_ref()), &found) {
                (None, _) => Verdict::Refused(
                    Failure::new(
                        Kind::NotFound,
                        format!("there is no {} record for {}", set.kind, relative(&set.name)),
                    )
                    .during("dns", "lookup")
                    .on(relative(&set.name)),
                ),
                (Some(new), Some(old)) if new == *old => Verdict::Same,
                (Some(new), _) => Verdict::Differs(image(Some(&new))),
            };
            let before = match beside {
                Some(a) => json!({"set": image(found.as_ref()), "beside": image(Some(&a))}),
                None => json!({"set": image(found.as_ref())}),
            };
            observed.push(Observed { target, before, verdict });
        }
        Ok(observed)
    }

    async fn touches(&self, session: &Session, observed: &Observed) -> Result<Vec<Touch>> {
        let mut touches = fenced::told(observed);
        for touch in &mut touches {
            if let Place::Record { zone, name, .. } = &mut touch.place {
                *zone = session.services().dns.zone_for(name).map(|z| z.name.clone());
            }
        }
        Ok(touches)
    }

    async fn predict(&self, session: &Session, due: &[Observed]) -> Result<()> {
        for one in due {
            let (Some(set), Verdict::Differs(after)) = (self.set_of(&one.target), &one.verdict) else { continue };
            zone_of(session, set)?;
            session.foresee(|shadow| {
                if !one.before["beside"].is_null() {
                    shadow.set(&set.name, RecordType::A, None);
                }
                shadow.set(&set.name, set.kind, set_from(after, set.kind));
            });
        }
        Ok(())
    }

    async fn apply(&self, session: &Session, observed: &Observed) -> Result<()> {
        let Some(set) = self.set_of(&observed.target) else {
            return Err(Failure::internal(format!("no set for {}", observed.target)));
        };
        let dns = &session.services().dns;
        let zone = zone_of(session, set)?;
        let Verdict::Differs(after) = &observed.verdict else { return Ok(()) };
        let mut swaps = Vec::new();
        if let Some(beside) = set_from(&observed.before["beside"], RecordType::A) {
            swaps.push(Swap { name: absolute(&set.name), kind: RecordType::A, expected: Some(beside), wanted: None });
        }
        swaps.push(Swap {
            name: absolute(&set.name),
            kind: set.kind,
            expected: set_from(&observed.before["set"], set.kind),
            wanted: set_from(after, set.kind),
        });
        if plant::is(Plant::MxDeletedFirst)
            && let [swap] = swaps.as_mut_slice()
            && swap.kind == RecordType::MX
        {
            let gone = Swap { wanted: None, ..swap.clone() };
            dns.swap(&zone.name, &[gone]).await?;
            swap.expected = None;
        }
        match dns.swap(&zone.name, &swaps).await? {
            Swapped::Applied => Ok(()),
            Swapped::Stale => Err(Failure::new(
                Kind::Conflict,
                format!("the {} record of {} is no longer what it was a moment ago", set.kind, relative(&set.name)),
            )
            .during("zone", "update")
            .on(relative(&set.name))
            .hint("somebody else changed it; look at the zone, then run again")),
        }
    }

    fn apply_group<'a>(&'a self, session: &'a Session, group: Vec<&'a Observed>) -> BoxFuture<'a, Vec<Result<()>>> {
        // One after another: the zones are few, and the order is the script's.
        async move {
            let mut answers = Vec::with_capacity(group.len());
            for one in group {
                answers.push(self.apply(session, one).await);
            }
            answers
        }
        .boxed()
    }
}

/// The zone of the profile in which a set is written.
fn zone_of<'a>(session: &'a Session, set: &Target) -> Result<&'a Zone> {
    session.services().dns.zone_for(&set.name).ok_or_else(|| {
        Failure::new(Kind::Usage, format!("{} lies in no zone of the profile", relative(&set.name)))
            .during("zone", "update")
            .hint("add the zone with its server and key to [[dns.zones]] of the profile, or change the record by hand")
    })
}

/// The time to live that a set has at the authority; `None` if there is none.
///
/// # Errors
/// Those of the name server.
pub async fn ttl_of(session: &Session, name: &str, kind: RecordType) -> Result<Option<u32>> {
    Ok(session.sees().lookup(name, kind, Ask::Authority).await?.map(|s| s.ttl))
}

/// Seconds for which some resolvers keep a copy, whatever the zone says.
const STUBBORN: u32 = 900;

/// Waits until every resolver of the profile shows the values; at most
/// `at_most` seconds, or a quarter of an hour, and five minutes.
///
/// # Errors
/// `timeout` with the resolvers that still show something else.
pub async fn agreed(session: &Session, name: &str, kind: RecordType, values: &[String], at_most: u32) -> Result<()> {
    let resolvers = session.services().dns.resolvers();
    session.assume(format!("every resolver shows the {kind} record of {} as soon as it is changed", relative(name)));
    let sorted = RecordSet::new(name, kind, 0, values.to_vec()).values;
    let lagging = std::sync::Mutex::new(Vec::new());
    let pause = SignedDuration::from_secs(60);
    let limit = SignedDuration::from_secs(i64::from(at_most.max(STUBBORN)) + 300);
    let done = until(session, pause, limit, || async {
        let mut behind = Vec::new();
        for resolver in &resolvers {
            let seen = session.sees().lookup(name, kind, Ask::Resolver(resolver)).await?;
            if seen.is_none_or(|s| s.values != sorted) {
                behind.push(resolver.clone());
            }
        }
        let all = behind.is_empty();
        if let Ok(mut lagging) = lagging.lock() {
            *lagging = behind;
        }
        Ok(all)
    })
    .await?;
    if done {
        return Ok(());
    }
    let behind = lagging.into_inner().unwrap_or_default();
    Err(Failure::new(
        Kind::Timeout,
        format!("the new {kind} record of {} is not seen by {}", relative(name), behind.join(", ")),
    )
    .during("dns", "lookup")
    .on(relative(name))
    .hint(
        "the change itself is done; look whether a resolver keeps records too long or answers from a copy of the zone",
    ))
}
