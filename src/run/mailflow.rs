//! Where mail goes: both sides reach each other, the MX change, the proof.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hickory_proto::rr::RecordType;
use jiff::SignedDuration;
use serde_json::json;

use super::gate;
use super::guards::{self, Force};
use super::inside;
use super::narrate::What;
use super::recipients::{self, until};
use super::report::{Report, plural};
use super::session::Session;
use super::zones::{SwapSets, Target, Wanted, agreed, ttl_of};
use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result};
use crate::migration::against::OnPremises;
use crate::migration::routing;
use crate::services::dns::Ask;
use crate::wire::attributes::domain_of;
use crate::wire::dns::{absolute, relative};
use crate::wire::graph::{percent, quoted};
use crate::wire::invoke::{get, text_of};

/// Time to live around the switch: short enough for a way back, long enough
/// for slow resolvers.
const SWITCH_TTL: u32 = 300;
/// Time to live that Microsoft wants at most (3600), used for the new set.
const NEW_TTL: u32 = 300;

/// Step 5b: both sides can send to each other, before anyone is forwarded.
///
/// # Errors
/// Those of the reads; what is wrong is a finding.
pub async fn verify_coexistence(session: &Arc<Session>, domains: &[String]) -> Result<Report> {
    let step = session.step("mailflow::verify_coexistence", domains.join(", "));
    let mut report = Report::new("mailflow::verify_coexistence");
    let sees = session.sees();
    let clock = session.clock();
    let connectors =
        clock.both(sees.invoke("Get-OutboundConnector", vec![]), sees.invoke("Get-InboundConnector", vec![]));
    let ((outbound, inbound), accepted) = clock.both(connectors, sees.invoke("Get-AcceptedDomain", vec![])).await?;
    let list = |v: &serde_json::Value| -> Vec<String> {
        v.as_array().map(|l| l.iter().map(|i| text_of(i).to_lowercase()).collect()).unwrap_or_default()
    };
    let enabled = |row: &&serde_json::Value| {
        text_of(get(row, "Enabled")).eq_ignore_ascii_case("true")
            && text_of(get(row, "ConnectorType")).eq_ignore_ascii_case("OnPremises")
    };
    for domain in domains {
        let serves = |names: Vec<String>| {
            names
                .iter()
                .any(|n| n == domain || n == "*" || n == &format!("*.{domain}") || n.ends_with(&format!(":{domain};1")))
        };
        if !outbound.rows.iter().filter(enabled).any(|r| serves(list(get(r, "RecipientDomains")))) {
            report.error(
                domain,
                format!("no outbound connector carries mail for {domain} to the old server"),
                "make one (type OnPremises, smart host of the old side): without it mail to people who are not moved loops once MX points to the cloud (554 5.4.14)",
            );
        }
        if !accepted.rows.iter().any(|r| text_of(get(r, "DomainName")).eq_ignore_ascii_case(domain)) {
            report.error(
                domain,
                format!("{domain} is not an accepted domain"),
                "verify it first: domain::verify(domains)",
            );
        }
    }
    if !inbound.rows.iter().any(|r| enabled(&r)) {
        report.warning(
            "",
            "no inbound connector of type OnPremises",
            "forwarded mail arrives as from a stranger: SPF of the old server decides, and RejectDirectSend would refuse it",
        );
    }
    let (everybody, cloud) = clock.both(recipients::everybody(session), recipients::cloud(session)).await?;
    let mut at_home: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for person in everybody.iter().map(OnPremises::of).filter(|p| p.has_mailbox && !p.system) {
        at_home.entry(domain_of(&person.address)).or_default().push(person.address);
    }
    for domain in domains {
        let people = at_home.get(&domain.to_lowercase()).map_or(&[][..], Vec::as_slice);
        let known = |a: &&String| cloud.person(a).is_some_and(|p| !p.facts.recipient_type.is_empty());
        let unknown: Vec<&String> = people.iter().filter(|a| !known(a)).collect();
        let relayed = accepted.rows.iter().any(|r| {
            text_of(get(r, "DomainName")).eq_ignore_ascii_case(domain)
                && text_of(get(r, "DomainType")).eq_ignore_ascii_case("InternalRelay")
        });
        let untyped = accepted
            .rows
            .iter()
            .any(|r| text_of(get(r, "DomainName")).eq_ignore_ascii_case(domain) && get(r, "DomainType").is_null());
        if let (true, Some(first), Some(_)) = (untyped, unknown.first(), session.planning()) {
            session.assume(format!(
                "{domain} will be accepted as an internal relay: {} unknown to the cloud, {first} first",
                plural(unknown.len(), "person is", "people are")
            ));
        }
        if let Some(first) = unknown.first().filter(|_| !relayed && !untyped) {
            report.error(
                domain,
                format!(
                    "{} of {domain} unknown to the cloud, {first} first: once MX points to the cloud, mail to them comes back (550 5.4.1)",
                    plural(unknown.len(), "person is", "people are")
                ),
                "bring them into the scope of synchronization, or make the accepted domain an internal relay until everybody is there (Set-AcceptedDomain -DomainType InternalRelay)",
            );
        }
        // Somebody whom both sides should know.
        let sample = people.iter().filter(|a| known(a)).min().cloned();
        let old = session.profile().source.smtp.clone();
        probe(session, &mut report, &old, domain, sample.as_deref()).await;
        if let Some(host) = cloud_host(session, domain).await? {
            probe(session, &mut report, &host, domain, sample.as_deref()).await;
        }
        let texts = session.sees().lookup(domain, RecordType::TXT, Ask::Authority).await?;
        let values = texts.map(|s| s.values).unwrap_or_default();
        spf(session, &mut report, domain, &values).await?;
    }
    report.tell(session);
    report.close(step);
    Ok(report)
}

/// The cloud may send for the domain, and the record is one that receivers can
/// evaluate.
async fn spf(session: &Session, report: &mut Report, domain: &str, texts: &[String]) -> Result<()> {
    let records: Vec<&String> = texts.iter().filter(|t| routing::is_spf(t)).collect();
    let include = routing::wanted(domain, &service_records(session, domain).await?).spf_include;
    match (records.as_slice(), include) {
        ([], _) => report.warning(
            domain,
            format!("{domain} has no SPF record"),
            "publish one that names the old servers and the cloud",
        ),
        ([record], Some(include)) if !routing::spf_includes(record, &include) => report.warning(
            domain,
            format!("the SPF record of {domain} does not include {include}"),
            "add it before the first mailbox sends from the cloud; keep the old addresses",
        ),
        ([record], _) if routing::spf_lookups(record) > routing::SPF_LOOKUPS => report.warning(
            domain,
            format!("the SPF record of {domain} causes more than {} lookups", routing::SPF_LOOKUPS),
            "replace includes by addresses",
        ),
        ([_], _) => {}
        (several, _) => report.warning(
            domain,
            format!("{domain} has {} SPF records; receivers take that as an error", several.len()),
            "merge them into one",
        ),
    }
    Ok(())
}

/// Asks a host whether it would take mail for somebody; no message is sent.
async fn probe(session: &Session, report: &mut Report, host: &str, domain: &str, sample: Option<&str>) {
    let Some(to) = sample else { return };
    // A planned domain or switch decides what the cloud takes; the old side is as it is.
    if host != session.profile().source.smtp && session.planning().is_some() {
        session.assume(format!("the mail host of {domain} in the cloud takes mail for {to}"));
        return;
    }
    match session.services().smtp.probe(host, "", to).await {
        Ok(sent) if sent.rcpt.is_positive() => {}
        Ok(sent) => report.error(
            domain,
            format!("{host} refuses mail for {to}: {} {}", sent.rcpt.code, sent.rcpt.text),
            "look at the accepted domain and at the recipient on that side",
        ),
        Err(failure) => report.failed(domain, &format!("{host} was not reached"), &failure),
    }
}

async fn service_records(session: &Session, domain: &str) -> Result<Vec<serde_json::Value>> {
    session.sees().get_all(&format!("/domains/{}/serviceConfigurationRecords", percent(domain))).await
}

/// Where the tenant wants a domain's mail; asked, never built from the name.
pub(super) async fn cloud_host(session: &Session, domain: &str) -> Result<Option<String>> {
    let wanted = routing::wanted(domain, &service_records(session, domain).await?);
    Ok(wanted.mx.first().map(|value| relative(routing::mx_host(value))))
}

/// Step 9: sends the mail of all domains to the cloud. Lowers the time to live,
/// waits for the old one, swaps each set whole, waits until resolvers agree.
///
/// # Errors
/// `conflict`: the guard `mx-before-settled` objects. `validation` for a domain
/// behind a gateway; those of Graph, DNS and the gate.
pub async fn set_mx(session: &Arc<Session>, domains: &[String], force: &Force) -> Result<bool> {
    let step = session.step("set_mx", domains.join(", "));
    let mut sets = Vec::new();
    let mut settled = Vec::new();
    let mut slowest = 0;
    let domains = if plant::is(Plant::MxOfFirstDomain) { &domains[..1] } else { domains };
    for domain in domains {
        let wanted = routing::wanted(domain, &service_records(session, domain).await?);
        let found = session.sees().lookup(domain, RecordType::MX, Ask::Authority).await?;
        let current = found.as_ref().map(|s| s.values.clone()).unwrap_or_default();
        let switch =
            routing::switch(&current, &wanted, NEW_TTL, session.project().leave_gateway).map_err(|refusal| {
                Failure::new(Kind::Validation, refusal.to_string())
                    .during("dns", "set_mx")
                    .on(domain)
                    .hint(refusal.remedy())
            })?;
        if switch.already {
            settled.push((domain.clone(), switch.wanted));
            continue;
        }
        if let Some(ttl) = found.map(|s| s.ttl)
            && ttl > SWITCH_TTL
        {
            slowest = slowest.max(ttl);
        }
        let beside = if plant::is(Plant::MxAppended) { current } else { Vec::new() };
        let values: Vec<String> = switch.wanted.into_iter().chain(beside).collect();
        sets.push((domain.clone(), values));
    }
    // A run that was broken off after its change has not seen the resolvers agree.
    for (domain, values) in &settled {
        agreed(session, domain, RecordType::MX, values, old_copies(session, domain).max(NEW_TTL)).await?;
    }
    if sets.is_empty() {
        step.end("leads to the cloud already");
        return Ok(false);
    }
    // Before the time to live is lowered, which is a write too.
    let due: Vec<&str> = sets.iter().map(|(domain, _)| domain.as_str()).collect();
    guards::before_mx(session, &due, force).await?;
    if slowest > 0 {
        let lower = SwapSets {
            operation: "set_mx::lower_ttl",
            sets: sets
                .iter()
                .map(|(d, _)| Target { name: d.clone(), kind: RecordType::MX, wanted: Wanted::TtlAtMost(SWITCH_TTL) })
                .collect(),
        };
        every(gate::pass(session, &lower, None).await?)?;
    }
    // Also what a run that was broken off lowered: resolvers keep the old copy for
    // as long as it said, whoever waits.
    let longest = sets.iter().map(|(domain, _)| old_copies(session, domain)).max().unwrap_or(0).max(slowest);
    if longest > 0 && !plant::is(Plant::TtlUnwaited) {
        let wake = session.now() + SignedDuration::from_secs(i64::from(longest));
        session.note(What::Waiting { reason: "copies with the old time to live to run out".into(), until: wake });
        session.clock().sleep_until(wake).await?;
    }
    let mut old_ttl = 0;
    for (domain, _) in &sets {
        old_ttl = old_ttl.max(ttl_of(session, domain, RecordType::MX).await?.unwrap_or(0));
    }
    let swap = SwapSets {
        operation: "set_mx",
        sets: sets
            .iter()
            .map(|(d, values)| Target {
                name: d.clone(),
                kind: RecordType::MX,
                wanted: Wanted::Exactly { values: values.clone(), ttl: NEW_TTL },
            })
            .collect(),
    };
    every(gate::pass(session, &swap, None).await?)?;
    for (domain, values) in &sets {
        agreed(session, domain, RecordType::MX, values, old_ttl.max(NEW_TTL)).await?;
    }
    step.end(format!("{} switched, all resolvers agree", plural(sets.len(), "domain", "domains")));
    Ok(true)
}

/// Seconds for which a resolver may still hold the set that was there before its
/// time to live was lowered.
fn old_copies(session: &Session, domain: &str) -> u32 {
    let lowered = session.memory().past.lowered.get(&super::zones::key(domain, RecordType::MX)).copied();
    lowered.map_or(0, |(when, ttl)| {
        let over = when + SignedDuration::from_secs(i64::from(ttl));
        u32::try_from(over.duration_since(session.now()).as_secs()).unwrap_or(0)
    })
}

/// The first of these domains whose mail still leads to the old server, at the
/// authority.
///
/// # Errors
/// Those of the name server.
pub async fn still_at_home(session: &Session, domains: &BTreeSet<String>) -> Result<Option<String>> {
    let old = relative(&session.profile().source.smtp);
    for domain in domains {
        let found = session.sees().lookup(domain, RecordType::MX, Ask::Authority).await?;
        if found.is_some_and(|s| s.values.iter().any(|v| relative(routing::mx_host(v)) == old)) {
            return Ok(Some(domain.clone()));
        }
    }
    Ok(None)
}

fn every(outcomes: Vec<gate::Outcome>) -> Result<()> {
    outcomes.into_iter().try_for_each(|o| o.result)
}

/// Sends a message to one moved person of each domain, by the domain's MX as the
/// world sees it, and looks for it in the cloud mailbox; asks the same host
/// whether it takes mail for those left behind.
///
/// # Errors
/// Those of the clients; mail that goes astray is a finding.
pub async fn verify(session: &Arc<Session>, domains: &[String]) -> Result<Report> {
    let step = session.step("mailflow::verify", domains.join(", "));
    let mut report = Report::new("mailflow::verify");
    let people = recipients::everybody(session).await?;
    let facts: Vec<_> = people.iter().map(OnPremises::of).collect();
    let left: BTreeMap<String, String> = session.memory().left.clone();
    let initial = &session.profile().tenant.initial_domain.to_lowercase();
    for domain in domains {
        let Some(host) = published_host(session, domain, &mut report).await? else { continue };
        let of_domain = |address: &str| domain_of(address) == domain.to_lowercase();
        // Contacts have a target, too; who has moved has one in the tenant.
        let to_tenant = |p: &&OnPremises| p.target_address.as_deref().is_some_and(|t| domain_of(t) == *initial);
        let moved = facts
            .iter()
            .filter(|p| !p.has_mailbox && of_domain(&p.address))
            .filter(to_tenant)
            .map(|p| p.address.clone())
            .min();
        match moved {
            Some(to) => arrives(session, &mut report, &host, domain, &to).await?,
            None => report.info(domain, format!("nobody of {domain} has moved, no message was sent")),
        }
        if let Some(behind) = left.keys().find(|a| of_domain(a)) {
            probe(session, &mut report, &host, domain, Some(behind)).await;
        }
    }
    if report.is_ok() {
        session.memory().facts.insert("mail_flow".into(), json!(session.now().to_string()));
    }
    report.tell(session);
    report.close(step);
    Ok(report)
}

async fn published_host(session: &Session, domain: &str, report: &mut Report) -> Result<Option<String>> {
    let resolvers = session.services().dns.resolvers();
    let Some(resolver) = resolvers.first() else {
        report.error(
            domain,
            "the profile names no resolver, so nobody can say where the world sends mail",
            "name some under [dns]: resolvers = [\"1.1.1.1:53\"]",
        );
        return Ok(None);
    };
    let found = session.sees().lookup(domain, RecordType::MX, Ask::Resolver(resolver)).await?;
    let host = found.and_then(|s| {
        s.values
            .iter()
            .filter_map(|v| v.split_once(' ').and_then(|(p, h)| Some((p.parse::<u16>().ok()?, relative(h)))))
            .min()
            .map(|(_, host)| host)
    });
    if host.is_none() {
        report.error(domain, format!("{domain} has no MX record"), "set it: set_mx(domains)");
    }
    Ok(host)
}

async fn arrives(session: &Session, report: &mut Report, host: &str, domain: &str, to: &str) -> Result<()> {
    if session.planning().is_some() {
        session.assume(format!("a message to {to} by the mail host of {domain} arrives in the cloud"));
        return Ok(());
    }
    let stamp = session.now().as_second();
    // Named after the tenant, not after the domain: its own DMARC policy would
    // refuse a message in its name from a stranger.
    let tenant = &session.profile().tenant.initial_domain;
    let id = format!("<stagepost-{stamp}-{}@{tenant}>", domain.replace('.', "-"));
    let text = "This message shows that mail reaches the new mailbox.";
    let send = || session.services().smtp.send(host, "", to, &id, "stagepost: mail flow check", text);
    let mut sent = send().await;
    // Whether it is there is looked up by its Message-ID; a second one is no harm.
    if sent.as_ref().is_err_and(|f| f.kind == Kind::InDoubt) {
        sent = send().await;
    }
    match sent {
        Ok(sent) if sent.data.as_ref().is_some_and(|d| d.is_positive()) => {}
        Ok(sent) => {
            let last = sent.data.as_ref().unwrap_or(&sent.rcpt);
            report.error(
                domain,
                format!("{host} refused a message to {to}: {} {}", last.code, last.text),
                "look at the recipient in the cloud and at the accepted domain",
            );
            return Ok(());
        }
        Err(failure) => {
            report.failed(domain, &format!("{host} was not reached"), &failure);
            return Ok(());
        }
    }
    let filter = percent(&format!("internetMessageId eq {}", quoted(&id)));
    let ids = recipients::ids(session, &[to.to_owned()]).await?;
    let user = ids.into_iter().flatten().next().unwrap_or_default();
    let path = format!("/users/{user}/messages?$filter={filter}&$select=id,internetMessageId,parentFolderId&$top=2");
    let found = until(session, SignedDuration::from_mins(1), SignedDuration::from_mins(30), || async {
        match session.sees().get(&path).await {
            Ok(answer) => Ok(answer["value"].as_array().is_some_and(|v| !v.is_empty())),
            Err(f) if f.kind == Kind::NotFound => Ok(false),
            Err(f) => Err(f),
        }
    })
    .await?;
    if found {
        report.info(domain, format!("a message to {to} arrived in the cloud"));
    } else {
        report.error(
            domain,
            format!("a message to {to} was accepted by {host} but is not in the cloud mailbox after 30 minutes"),
            "look for it in the message trace",
        );
    }
    Ok(())
}

/// Step 11: Outlook finds the cloud. The old answer of `autodiscover.<domain>`
/// is replaced by the cloud's name.
///
/// # Errors
/// `conflict`: the guard `autodiscover-before-moved` objects. Those of DNS and
/// the gate.
pub async fn set_autodiscover(session: &Arc<Session>, domains: &[String], force: &Force) -> Result<bool> {
    let step = session.step("autodiscover::set", domains.join(", "));
    let at_tenant = format!("autodiscover.{}", session.profile().tenant.initial_domain);
    let name = if plant::is(Plant::AutodiscoverElsewhere) { &at_tenant } else { &session.profile().cloud.autodiscover };
    let value = absolute(name);
    let swap = SwapSets {
        operation: "autodiscover::set",
        sets: domains
            .iter()
            .map(|d| Target {
                name: format!("autodiscover.{d}"),
                kind: RecordType::CNAME,
                wanted: Wanted::Exactly { values: vec![value.clone()], ttl: 3600 },
            })
            .collect(),
    };
    let mut old = 0;
    let mut due = Vec::new();
    for domain in domains {
        let name = format!("autodiscover.{domain}");
        let found = session.sees().lookup(&name, RecordType::CNAME, Ask::Authority).await?;
        old = old.max(found.as_ref().map_or(0, |s| s.ttl));
        if found.is_none_or(|s| s.values != [value.clone()]) {
            due.push(domain.as_str());
        }
    }
    if !due.is_empty() {
        guards::before_autodiscover(session, &due, force).await?;
    }
    let outcomes = gate::pass(session, &swap, None).await?;
    let changed = outcomes.iter().filter(|o| o.changed).count();
    every(outcomes)?;
    if changed > 0 {
        for domain in domains {
            agreed(
                session,
                &format!("autodiscover.{domain}"),
                RecordType::CNAME,
                std::slice::from_ref(&value),
                old.max(3600),
            )
            .await?;
        }
    }
    for inside::Misled { domain, message, hint } in inside::misled(session, domains, name).await? {
        session.note(What::Finding { severity: "warning".into(), target: domain, message, hint });
    }
    step.end(match changed {
        0 => "leads to the cloud already".to_owned(),
        n => format!("{} switched", plural(n, "domain", "domains")),
    });
    Ok(changed > 0)
}
