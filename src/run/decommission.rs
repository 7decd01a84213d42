//! Step 11: what still hangs on the old servers.

use std::sync::Arc;

use hickory_proto::rr::RecordType;

use super::inside;
use super::recipients;
use super::report::{Report, plural};
use super::session::Session;
use crate::base::Result;
use crate::migration::against::OnPremises;
use crate::services::directory::Scope;
use crate::services::dns::Ask;
use crate::wire::attributes::SCP_URL;
use crate::wire::invoke::{Param, get, text_of};

/// Time to live, in seconds, that Microsoft wants of an MX record once the move
/// is over; it was lowered for the switch.
const SETTLED_TTL: u32 = 3600;

/// Looks for what must be settled before the old servers go: mailboxes left,
/// people without a licence, service connection points, batches, MX.
///
/// # Errors
/// Those of the reads; what is left is a finding.
pub async fn check(session: &Arc<Session>) -> Result<Report> {
    let step = session.step("decommission::check", session.profile().name.clone());
    let mut report = Report::new("decommission::check");
    let services = session.services();
    let sees = session.sees();
    let clock = session.clock();
    let directories = clock.both(recipients::with_mailbox(session), recipients::cloud(session));
    let all = sees.invoke("Get-MigrationBatch", vec![("ResultSize".into(), Param::from("Unlimited"))]);
    let ((people, cloud), batches) = clock.both(directories, all).await?;
    let left = people.iter().map(OnPremises::of).filter(|p| p.has_mailbox && !p.system).count();
    drop(people);
    if left > 0 {
        report.warning(
            "",
            format!("{} still on the old servers", plural(left, "mailbox is", "mailboxes are")),
            "the old servers and their outbound connector stay until these are moved or retired",
        );
    }
    let unlicensed: Vec<&str> = cloud
        .people()
        .iter()
        .filter(|p| p.facts.recipient_type.eq_ignore_ascii_case("UserMailbox") && p.licences.is_empty())
        .map(|p| p.facts.upn.as_str())
        .collect();
    if let Some(first) = unlicensed.first() {
        report.error(
            first,
            format!(
                "{} without a licence, {first} first: 30 days after it was made it is disconnected",
                plural(unlicensed.len(), "mailbox is", "mailboxes are")
            ),
            "license::assign(…)",
        );
    }
    for row in &batches.rows {
        let name = text_of(get(row, "Identity"));
        report.warning(&name, format!("the batch {name} is still there"), "remove(b) when nothing hangs on it");
    }
    for domain in &session.project().domains {
        let mx = sees.lookup(domain, RecordType::MX, Ask::Authority).await?;
        let old = &session.profile().source.smtp;
        let Some(mx) = mx else { continue };
        if mx.values.iter().any(|v| v.contains(old.as_str())) {
            report.error(domain, format!("the mail of {domain} still goes to {old}"), "set_mx(domains)");
        } else if mx.ttl < SETTLED_TTL {
            report.info(
                domain,
                format!("the MX record of {domain} lives {} seconds; it can go back to {SETTLED_TTL}", mx.ttl),
            );
        }
    }
    for inside::Misled { domain, message, hint } in
        inside::misled(session, &session.project().domains, &session.profile().cloud.autodiscover).await?
    {
        report.warning(&domain, message, &hint);
    }
    let configuration = services.directory.configuration().await?;
    let filter = format!("(&(objectClass=serviceConnectionPoint)(keywords={SCP_URL}))");
    let points = sees.search(&configuration, Scope::Subtree, &filter, &["cn", "serviceBindingInformation"]).await?;
    let speaking = points.iter().filter(|p| p.has("serviceBindingInformation")).count();
    if speaking > 0 {
        report.warning(
            "",
            format!("{} still sends Outlook inside to the old servers", plural(speaking, "service connection point", "service connection points")),
            "Set-ClientAccessServer -AutoDiscoverServiceInternalUri $null on every client access server: Outlook in the domain asks there before DNS",
        );
    }
    report.tell(session);
    report.close(step);
    Ok(report)
}
