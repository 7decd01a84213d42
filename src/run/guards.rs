//! The guards of `migration`, asked with live facts, and passed by force.
//!
//! Facts are read in sets, once for a call, and only where a write is due. An
//! objection refuses the write before anything has gone out. A reason passes the
//! guard that objects and nothing else: journalled and told first, then written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::batches::rows_of;
use super::journal::{Event, GROUP, Kind as EventKind};
use super::narrate::What;
use super::session::Session;
use super::{licences, recipients};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::migration::against::OnPremises;
use crate::migration::guards::{self, Connector, Objection};
use crate::migration::licences::{MailboxPlan, Sku};
use crate::migration::list::Mailboxes;
use crate::migration::read::{self, Reading};
use crate::wire::attributes::{address_key, domain_of};
use crate::wire::invoke::{Param, get, text_of};

/// Why a guard is to be passed, as the script says; nothing for not at all.
#[derive(Clone, Debug, Default)]
pub struct Force(Option<String>);

impl Force {
    /// By no force.
    pub fn none() -> Force {
        Force(None)
    }

    /// For this reason.
    ///
    /// # Errors
    /// `usage`: the reason is empty.
    pub fn because(primitive: &str, reason: &str) -> Result<Force> {
        if reason.trim().is_empty() {
            return Err(Failure::new(Kind::Usage, format!("option `force` of {primitive} is empty"))
                .hint("write the reason; it stands in the journal and in the report"));
        }
        Ok(Force(Some(reason.trim().to_owned())))
    }

    /// The reason: the script's own, else that of the command line.
    pub(super) fn reason(&self, session: &Session) -> Option<String> {
        self.0.clone().or_else(|| session.forced().map(str::to_owned))
    }
}

/// The refusal that an objection is without force.
pub(super) fn refusal(objection: &Objection) -> Failure {
    let guard = objection.guard;
    Failure::new(
        Kind::Conflict,
        format!("the guard `{}` holds `{}` back: {}", guard.name, guard.primitive, objection.text),
    )
    .during("guard", guard.name)
    .on(&objection.target)
    .detail(guard.title)
    .hint(format!("{}; to do it all the same, say why: `{}`", guard.remedy, guard.forced))
}

/// Lets a write go on to which nobody objects, or for which there is a reason.
/// What is passed by force is in the journal before this returns.
///
/// # Errors
/// `conflict`: a guard objects and there is no reason. The journal can't be
/// written.
pub(super) fn pass(session: &Session, force: &Force, objections: &[Objection]) -> Result<()> {
    let Some(first) = objections.first() else { return Ok(()) };
    let Some(reason) = force.reason(session) else {
        let mut failure = refusal(first);
        if objections.len() > 1 {
            let rest: Vec<&str> = objections.iter().skip(1).map(|o| o.text.as_str()).collect();
            failure = failure.detail(format!("{}\n{}", rest.join("\n"), first.guard.title));
        }
        return Err(failure);
    };
    let events: Vec<Event> = objections
        .iter()
        .map(|o| Event {
            kind: EventKind::Forced,
            time: session.now(),
            operation: o.guard.name.into(),
            target: o.target.clone(),
            body: json!({"primitive": o.guard.primitive, "text": o.text, "reason": reason}),
        })
        .collect();
    for group in events.chunks(GROUP) {
        session.append(group)?;
    }
    for objection in objections {
        session.note(What::Forced {
            guard: objection.guard.name.into(),
            target: objection.target.clone(),
            text: objection.text.clone(),
            reason: reason.clone(),
        });
    }
    Ok(())
}

/// Before the MX of these domains leads to the cloud.
///
/// # Errors
/// `conflict`; those of the reads.
pub(super) async fn before_mx(session: &Session, domains: &[&str], force: &Force) -> Result<()> {
    let objections = unsettled(session, domains).await?;
    if objections.is_empty()
        && let Some(_now) = session.sees().as_it_is()
    {
        on_condition(session, &unsettled(session, domains).await?);
    }
    pass(session, force, &objections)
}

/// What a plan says of a guard that will not object any more.
fn on_condition(session: &Session, objections: &[Objection]) {
    for objection in objections {
        session.on_condition(format!("the guard `{}` holds `{}` back now: {}", objection.guard.name, objection.guard.primitive, objection.text));
    }
}

async fn unsettled(session: &Session, domains: &[&str]) -> Result<Vec<Objection>> {
    let reply = session.sees().invoke("Get-OutboundConnector", Vec::new()).await?;
    let connectors: Vec<Connector> = reply.rows.iter().map(Connector::of).collect();
    let without: Vec<&str> = domains.iter().copied().filter(|d| !connectors.iter().any(|c| c.leads_home(d))).collect();
    if without.is_empty() {
        return Ok(Vec::new());
    }
    let people = unmoved(session).await?;
    Ok(without
        .into_iter()
        .filter_map(|domain| {
            // Mail to a second address takes the way of that address' domain.
            let within = |p: &&OnPremises| p.proxies.iter().any(|a| is_smtp(a) && same_domain(&address_key(a), domain));
            let mut those: Vec<String> = people.iter().filter(within).map(|p| p.address.clone()).collect();
            those.sort();
            guards::mx(domain, &those, &connectors)
        })
        .collect())
}

fn is_smtp(proxy: &str) -> bool {
    proxy.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case("smtp:"))
}

fn same_domain(address: &str, domain: &str) -> bool {
    domain_of(address).eq_ignore_ascii_case(domain)
}

/// Everybody of the forest with a mailbox on premises.
async fn unmoved(session: &Session) -> Result<Vec<OnPremises>> {
    let everybody = recipients::everybody(session).await?;
    Ok(everybody.iter().map(OnPremises::of).filter(|p| p.has_mailbox && !p.system).collect())
}

/// Before autodiscover of these domains leads to the cloud. Who was left whole
/// with a reason doesn't hold it up, and is named in a warning.
///
/// # Errors
/// `conflict`; those of the reads.
pub(super) async fn before_autodiscover(session: &Session, domains: &[&str], force: &Force) -> Result<()> {
    let source = &session.project().source;
    if source == "2003" {
        return Ok(()); // It has no Autodiscover that could be cut off.
    }
    let (objections, mut behind) = misled(session, source, domains).await?;
    if objections.is_empty()
        && let Some(_now) = session.sees().as_it_is()
    {
        on_condition(session, &misled(session, source, domains).await?.0);
    }
    pass(session, force, &objections)?;
    if !behind.is_empty() {
        behind.sort();
        let (who, verb) = match behind.len() {
            1 => ("1 mailbox".to_owned(), "was"),
            n => (super::report::plural(n, "mailbox", "mailboxes"), "were"),
        };
        session.note(What::Warned {
            text: format!("{who} that {verb} left whole will not be found by a new Outlook profile: {}", guards::names(&behind)),
            hint: "let them keep their profile until they move, or give their Outlook the old server's answer in a local file (PreferLocalXML)".into(),
        });
    }
    Ok(())
}

/// What the guard of autodiscover objects to, and whom of the list it leaves
/// behind because they were left whole.
async fn misled(session: &Session, source: &str, domains: &[&str]) -> Result<(Vec<Objection>, Vec<String>)> {
    let people = unmoved(session).await?;
    let list = listed(session);
    let left = left_whole(session);
    let mut objections = Vec::new();
    let mut behind = Vec::new();
    for domain in domains {
        let of_list = people
            .iter()
            .filter(|p| same_domain(&p.address, domain) && list.as_ref().is_none_or(|l| l.contains(&p.address)));
        let (stay, mut wait): (Vec<String>, Vec<String>) =
            of_list.map(|p| p.address.clone()).partition(|a| left.contains(&address_key(a)));
        behind.extend(stay);
        wait.sort();
        objections.extend(guards::autodiscover(domain, source, &wait));
    }
    Ok((objections, behind))
}

/// The project's list; `None` if it can't be read, and everybody counts.
fn listed(session: &Session) -> Option<Mailboxes> {
    let name = &session.project().mailboxes;
    let path = session.path(name);
    if !std::fs::metadata(&path).is_ok_and(|m| m.is_file()) {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    let how = Reading { unknown_columns: session.project().unknown_columns, ..Reading::default() };
    read::read_with(name, &bytes, &how).0
}

/// Who was left where they are: by this run, or by an earlier one unless a check
/// of this run let them go on.
fn left_whole(session: &Session) -> BTreeSet<String> {
    let memory = session.memory();
    let earlier = memory.past.left.keys().filter(|a| !memory.going_on.contains(*a));
    memory.left.keys().chain(earlier).cloned().collect()
}

/// Before a batch is removed. Answers its rows at work, over which it goes by
/// force.
///
/// # Errors
/// `conflict`; those of the reads.
pub(super) async fn before_removal(
    session: &Session,
    batch: &str,
    status: &str,
    force: &Force,
) -> Result<BTreeSet<String>> {
    let rows = rows_of(session, batch).await?;
    let rows: Vec<(String, String)> = rows.into_iter().map(|r| (r.address, r.status)).collect();
    let copying = guards::at_work(status, &rows);
    let objections: Vec<Objection> = guards::removal(batch, &copying).into_iter().collect();
    pass(session, force, &objections)?;
    Ok(copying.iter().map(|a| address_key(a)).collect())
}

/// Before a batch is started: what the guard says about the waves before it.
///
/// # Errors
/// Those of the reads.
pub(super) async fn before_start(session: &Session, batch: &str, own: &Mailboxes) -> Result<Option<Objection>> {
    let (earlier, copied): (BTreeSet<String>, BTreeSet<String>) = {
        let memory = session.memory();
        let others = memory.past.batches.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(batch));
        let begun = others.filter(|(name, _)| memory.past.started.contains_key(*name));
        let rows = begun.flat_map(|(_, (_, rows))| rows.iter());
        // Whom this run has seen with a licence keeps it: nothing here takes one
        // away but a release.
        let open = rows.filter(|a| !memory.past.released.contains_key(*a) && !memory.licensed.contains(*a));
        let earlier = open.cloned();
        (earlier.collect(), memory.past.synced.clone())
    };
    let own: BTreeSet<String> = own.iter().map(|row| row.key()).collect();
    let earlier: Vec<String> = earlier.difference(&own).cloned().collect();
    if earlier.is_empty() {
        return Ok(None);
    }
    let skus = licences::skus(session).await?;
    let without = unlicensed(session, earlier, &skus).await?;
    if without.is_empty() {
        return Ok(None);
    }
    // Only now: shared mailboxes and rooms need none, and who failed before a
    // mailbox was made has none that could go. A mailbox that was disconnected
    // already is not listed any more, but was copied.
    let all = vec![("ResultSize".into(), Param::from("Unlimited"))];
    let reply = session.sees().invoke("Get-Mailbox", all).await?;
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    for row in &reply.rows {
        let kind = text_of(get(row, "RecipientTypeDetails"));
        for proxy in get(row, "EmailAddresses").as_array().into_iter().flatten().map(text_of).filter(|p| is_smtp(p)) {
            kinds.insert(address_key(&proxy), kind.clone());
        }
    }
    let counts = |address: &String| match kinds.get(address) {
        Some(kind) => kind.eq_ignore_ascii_case("UserMailbox"),
        None => copied.contains(address),
    };
    let without: Vec<String> = without.into_iter().filter(counts).collect();
    Ok(guards::start(batch, &without))
}

/// Those of these people without a licence whose mailbox plan is on. One paged
/// read of all users; who seems to have none is asked for by id, because a list
/// may lag behind an assignment.
async fn unlicensed(session: &Session, people: Vec<String>, skus: &[Sku]) -> Result<Vec<String>> {
    let holds = |sku: &str, off: &dyn Fn(&str) -> bool| {
        let product = skus.iter().find(|s| s.id.eq_ignore_ascii_case(sku));
        product.is_some_and(|s| s.plans.iter().any(|(id, name)| MailboxPlan::of(name, id).is_some() && !off(id)))
    };
    let path = "/users?$select=id,proxyAddresses,assignedLicenses&$top=999";
    let mut licensed: BTreeSet<String> = BTreeSet::new();
    for user in session.sees().get_all(path).await? {
        let list = |name: &str| user[name].as_array().cloned().unwrap_or_default();
        let has = list("assignedLicenses").iter().any(|l| {
            let off = |id: &str| {
                let plans = l["disabledPlans"].as_array().into_iter().flatten();
                plans.filter_map(|p| p.as_str()).any(|p| p.eq_ignore_ascii_case(id))
            };
            holds(l["skuId"].as_str().unwrap_or_default(), &off)
        });
        if has {
            let proxies = list("proxyAddresses");
            licensed.extend(proxies.iter().filter_map(|p| p.as_str()).filter(|p| is_smtp(p)).map(address_key));
        }
    }
    let seem: Vec<String> = people.into_iter().filter(|a| !licensed.contains(a)).collect();
    if seem.is_empty() {
        return Ok(seem);
    }
    let users = recipients::users(session, &seem).await?;
    let lacks = |user: &Option<recipients::CloudUser>| {
        user.as_ref().is_some_and(|u| {
            !u.licences.iter().any(|l| holds(&l.sku, &|id: &str| l.off.iter().any(|o| o.eq_ignore_ascii_case(id))))
        })
    };
    Ok(seem.into_iter().zip(users).filter(|(_, user)| lacks(user)).map(|(address, _)| address).collect())
}

/// When the copy of a mailbox came to its end, as far as anybody knows: the
/// service's own moment for the row; where it tells none, that at which a watch saw
/// the whole batch come to its end.
pub(super) fn copied_at(session: &Session, address: &str, own: Option<Timestamp>, batch: &str) -> Option<Timestamp> {
    let memory = session.memory();
    let name = if batch.is_empty() { memory.past.batch_of(address).unwrap_or_default() } else { batch };
    own.or_else(|| memory.past.copied.get(&name.to_lowercase()).copied())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::Clock;
    use crate::run::bare::{self, MemoryJournal};
    use crate::run::narrate::Keeper;

    fn session() -> (Arc<Session>, Arc<Keeper>, Arc<MemoryJournal>, tokio::runtime::Runtime) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        let (keeper, journal) = (Arc::new(Keeper::default()), Arc::new(MemoryJournal::default()));
        let session = bare::session(Clock::system(), keeper.clone(), runtime.handle().clone(), journal.clone());
        (session, keeper, journal, runtime)
    }

    #[test]
    fn the_reason_of_the_script_is_stronger_than_that_of_the_command_line() {
        let (session, keeper, journal, _runtime) = session();
        let objections: Vec<Objection> =
            guards::start("wave-02", &["ann@contoso.test".to_owned()]).into_iter().collect();
        let refused = pass(&session, &Force::none(), &objections).expect_err("nobody gave a reason");
        assert_eq!((refused.kind, refused.operation.as_deref()), (Kind::Conflict, Some("start-before-licences")));
        assert!(journal.0.lock().expect("one thread").is_empty() && keeper.notes().is_empty());
        session.force_guards("what if");
        pass(&session, &Force::none(), &objections).expect("the command line gave one");
        pass(&session, &Force::because("start", " ours ").expect("a reason"), &objections)
            .expect("the script gave one");
        assert!(pass(&session, &Force::none(), &[]).is_ok());
        let reasons: Vec<String> = keeper
            .notes()
            .into_iter()
            .filter_map(|n| match n.what {
                What::Forced { reason, .. } => Some(reason),
                _ => None,
            })
            .collect();
        assert_eq!(reasons, ["what if", "ours"]);
        let events = journal.0.lock().expect("one thread");
        assert!(events.iter().all(|e| e.kind == EventKind::Forced && e.target == "wave-02") && events.len() == 2);
        assert_eq!(Force::because("start", "\t ").expect_err("it says nothing").kind, Kind::Usage);
    }

    #[test]
    fn a_copy_is_over_when_the_service_says_so_or_when_a_watch_saw_its_batch_end() {
        let (session, ..) = session();
        let (own, seen): (Timestamp, Timestamp) =
            ("2026-01-12T09:00:00Z".parse().expect("a time"), "2026-01-13T09:00:00Z".parse().expect("a time"));
        let at = |own, batch| copied_at(&session, "ann@contoso.test", own, batch);
        assert_eq!(at(Some(own), "Wave-01"), Some(own), "no watch saw it: the service's own moment");
        session.memory().past.copied.insert("wave-01".into(), seen);
        assert_eq!(at(Some(own), "Wave-01"), Some(own), "the row's own moment counts");
        assert_eq!(at(None, "Wave-01"), Some(seen));
        assert_eq!(at(None, ""), None, "nobody knows");
        let rows = BTreeSet::from(["ann@contoso.test".to_owned()]);
        session.memory().past.batches.insert("wave-01".into(), ("wave-01".into(), rows));
        assert_eq!(at(None, ""), Some(seen), "the batch is gone, the journal knows whose it was");
    }
}
