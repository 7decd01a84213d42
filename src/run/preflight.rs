//! Step 1: is everything there that a migration needs, and which kind is it.
//!
//! Reads and probes only. Every check runs, so that one evening's work mends
//! everything.

use std::sync::Arc;

use jiff::SignedDuration;

use super::inside::{self, View};
use super::recipients;
use super::report::{Report, plural};
use super::session::Session;
use crate::base::{Result, Timestamp};
use crate::migration::against::OnPremises;
use crate::migration::kind::{self, Kind as MigrationKind, Product};
use crate::services::directory::Scope;
use crate::wire::attributes::Entry;
use crate::wire::invoke::{Param, get, text_of};

/// Cmdlets that the steps call; all of them must be granted to the application.
const NEEDED: &[&str] = &[
    "New-MigrationEndpoint",
    "Get-MigrationEndpoint",
    "Set-MigrationEndpoint",
    "Test-MigrationServerAvailability",
    "New-MigrationBatch",
    "Get-MigrationBatch",
    "Start-MigrationBatch",
    "Remove-MigrationBatch",
    "Get-MigrationUser",
    "Get-Mailbox",
    "Get-Recipient",
    "Get-AcceptedDomain",
    "Get-InboundConnector",
    "Get-OutboundConnector",
];

/// A synchronization older than this is a red flag: the cycle is 30 minutes.
const STALE: SignedDuration = SignedDuration::from_hours(3);

/// Checks server, proxy, directory, tenant and rights, and names the kind of
/// migration.
///
/// # Errors
/// Cancellation and the journal; what a probe finds is a finding.
pub async fn preflight(session: &Arc<Session>) -> Result<Report> {
    let step = session.step("preflight", session.profile().name.clone());
    let mut report = Report::new("preflight");
    rights(session, &mut report).await;
    tenant(session, &mut report).await;
    directory(session, &mut report).await;
    proxy(session, &mut report).await;
    inside(session, &mut report).await;
    report.tell(session);
    report.close(step);
    Ok(report)
}

async fn rights(session: &Session, report: &mut Report) {
    match session.services().exchange.allowed_cmdlets().await {
        Ok(allowed) => {
            let missing: Vec<&str> =
                NEEDED.iter().copied().filter(|n| !allowed.iter().any(|a| a.eq_ignore_ascii_case(n))).collect();
            if !missing.is_empty() {
                report.error(
                    "",
                    format!("the application may not call {}", missing.join(", ")),
                    "give its service principal the role Exchange Recipient Administrator, or a role group with the Migration role; new roles take time to bite",
                );
            }
        }
        Err(failure) => report.failed("", "Exchange Online", &failure),
    }
}

async fn tenant(session: &Session, report: &mut Report) {
    let path = "/organization?$select=id,displayName,verifiedDomains,onPremisesSyncEnabled,onPremisesLastSyncDateTime";
    let answer = match session.sees().get(path).await {
        Ok(answer) => answer,
        Err(failure) => return report.failed("", "Microsoft Graph", &failure),
    };
    let organization = &answer["value"][0];
    if organization["onPremisesSyncEnabled"].as_bool() != Some(true) {
        report.error(
            "",
            "directory synchronization is off",
            "a staged migration needs it: the service looks for a mail user of every row",
        );
    }
    let last = organization["onPremisesLastSyncDateTime"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
    if last.is_none_or(|l| session.now().duration_since(l) > STALE) {
        let when = last.map_or("never".to_owned(), |l| l.strftime("%Y-%m-%d %H:%M").to_string());
        report.warning(
            "",
            format!("the last synchronization ended {when} UTC"),
            "look at the synchronization server; people of the list may be missing in the cloud",
        );
    }
}

async fn directory(session: &Session, report: &mut Report) {
    let directory = &session.services().directory;
    let found = async {
        let root = directory.root().await?;
        let configuration = directory.configuration().await?;
        let sees = session.sees();
        let servers = sees
            .search(
                &configuration,
                Scope::Subtree,
                "(objectClass=msExchExchangeServer)",
                &["cn", "serialNumber", "versionNumber", "networkAddress", "msExchCurrentServerRoles"],
            )
            .await?;
        let people = recipients::everybody(session).await?;
        let journal = "(&(objectClass=msExchMDB)(msExchMessageJournalRecipient=*))";
        let stores = sees.search(&configuration, Scope::Subtree, journal, &["cn"]).await?;
        Ok::<_, crate::base::Failure>((root, servers, people, stores))
    }
    .await;
    let (root, servers, people, journalled) = match found {
        Ok(found) => found,
        Err(failure) => return report.failed("", "Active Directory", &failure),
    };
    if let Some(host) = root.text("dnsHostName") {
        report.fact("domain controller", host);
    }
    kind_of(session, report, &servers);
    for store in &journalled {
        let name = store.text("cn").unwrap_or_default();
        report.warning(
            &name,
            format!("every message of the store {name} is journalled"),
            "make a journal rule in the cloud before the mail switch: what goes there directly never passes the old store",
        );
    }
    let unified = people.iter().map(OnPremises::of).filter(|p| p.has_mailbox && p.um_enabled).count();
    if unified > 0 {
        report.warning(
            "",
            format!("Unified Messaging is on for {}", plural(unified, "mailbox", "mailboxes")),
            "switch it off (Disable-UMMailbox) before their wave; validate sets them aside",
        );
    }
}

fn kind_of(session: &Session, report: &mut Report, servers: &[Entry]) {
    if servers.is_empty() {
        report.error(
            "",
            "no Exchange server is in the directory",
            "bind to a domain controller of the forest that holds Exchange",
        );
        return;
    }
    let mut newest: Option<Product> = None;
    for server in servers {
        let name = server.text("cn").unwrap_or_default();
        let serial = server.text("serialNumber").unwrap_or_default();
        let version = kind::of_serial(&serial).or_else(|| server.number("versionNumber").and_then(kind::of_number));
        match version {
            Some(version) => {
                report.fact("server", format!("{name} (Exchange {})", version.product.name()));
                newest = newest.max(Some(version.product));
            }
            None => report.warning(
                &name,
                format!("the version of {name} is not known: {serial}"),
                "look at its serialNumber in the directory",
            ),
        }
    }
    let Some(newest) = newest else { return };
    let Some(kind) = kind::of_source(newest.name()) else { return };
    report.fact("kind", kind.word());
    if kind != MigrationKind::Staged {
        report.error(
            "",
            format!("Exchange {} is moved by {}, not in stages by this script", newest.name(), kind.word()),
            "Exchange 2010 and later take the hybrid remote move",
        );
    }
    let said = &session.project().source;
    if Product::of_name(said).is_some_and(|p| p != newest) {
        report.warning(
            "",
            format!("stagepost.toml says Exchange {said}, the directory says Exchange {}", newest.name()),
            "correct source in stagepost.toml",
        );
    }
}

/// A domain controller that serves the zone itself: what is changed outside must be
/// changed there, too.
async fn inside(session: &Session, report: &mut Report) {
    let server = &session.profile().directory.host;
    for domain in &session.project().domains {
        let differences = match inside::view(session, domain).await {
            Ok(View::Own(differences)) => differences,
            Ok(View::None) => continue,
            Ok(View::Silent) => {
                report.fact("view inside", format!("not verified: {server} does not answer on port 53"));
                return;
            }
            Err(failure) => return report.failed(domain, "DNS", &failure),
        };
        let now = match differences.as_slice() {
            [] => "with the same records at the moment".to_owned(),
            some => some.iter().map(inside::Differs::words).collect::<Vec<_>>().join("; "),
        };
        report.warning(
            domain,
            format!("inside, {server} answers from a copy of the zone {domain} of its own ({now})"),
            "no change of the zone reaches that copy: autodiscover above all is set there by hand, once everybody has moved",
        );
    }
}

async fn proxy(session: &Session, report: &mut Report) {
    let source = &session.profile().source;
    match session.services().probes.rpc_proxy().await {
        Ok(probe) => {
            if !probe.schemes.iter().any(|s| s.eq_ignore_ascii_case(&source.authentication)) {
                report.error(
                    &source.rpc_proxy,
                    format!(
                        "the RPC proxy offers {}, the profile wants {}",
                        words(&probe.schemes),
                        source.authentication
                    ),
                    "switch Basic authentication on for Outlook Anywhere, or change authentication in the profile",
                );
            }
            if !probe.alive {
                report.error(
                    &source.rpc_proxy,
                    format!("Outlook Anywhere does not answer behind {}: {}", source.rpc_proxy, probe.detail),
                    "look at the RPC proxy's ValidPorts and at the store; 401 with a right password means the server is not listed there",
                );
            }
        }
        Err(failure) => report.failed(&source.rpc_proxy, "the RPC proxy", &failure),
    }
    availability(session, report).await;
}

/// The service's own test from its side of the internet. A failed test is an
/// object with `Result: Failed`, not an error of the cmdlet (KB2975731).
async fn availability(session: &Session, report: &mut Report) {
    let source = &session.profile().source;
    let exchange = &session.services().exchange;
    let tested = async {
        let credential = exchange.credential(&source.account, session.source_password()).await?;
        let params = vec![
            ("ExchangeOutlookAnywhere".into(), Param::Bool(true)),
            ("ExchangeServer".into(), Param::from(source.exchange_server.as_str())),
            ("RPCProxyServer".into(), Param::from(source.rpc_proxy.as_str())),
            ("Authentication".into(), Param::from(source.authentication.as_str())),
            ("Credentials".into(), credential),
        ];
        exchange.invoke("Test-MigrationServerAvailability", params).await
    }
    .await;
    match tested {
        Ok(reply) => {
            let row = reply.rows.first().cloned().unwrap_or_default();
            if !text_of(get(&row, "Result")).eq_ignore_ascii_case("Success") {
                report.error(
                    &source.rpc_proxy,
                    format!("the service can't reach the old server: {}", text_of(get(&row, "Message"))),
                    "look at the migration account's rights, the certificate and the proxy's name, all as seen from outside",
                );
            }
        }
        Err(failure) => report.failed(&source.rpc_proxy, "Test-MigrationServerAvailability", &failure),
    }
}

fn words(list: &[String]) -> String {
    if list.is_empty() { "no authentication".into() } else { list.join(", ") }
}
