//! Step 3: everybody of the list exists in the cloud.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;

use super::narrate::What;
use super::recipients::{self, until};
use super::report::{Report, plural};
use super::session::Session;
use crate::base::{Result, Timestamp};
use crate::migration::list::Mailboxes;

/// The scheduler runs every 30 minutes; two rounds and the way to Exchange
/// Online, which is "usually under 30 minutes".
const PATIENCE: SignedDuration = SignedDuration::from_hours(3);
const PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// Starts a cycle where the profile names a command, else waits for the
/// schedule, until everybody of the list is a recipient in the cloud. Who still
/// isn't is warned about; `validate` sets them aside.
///
/// # Errors
/// Those of Graph, Exchange and the clock.
pub async fn synchronize(session: &Arc<Session>, list: &Mailboxes) -> Result<Report> {
    let step = session.step("directory::synchronize", plural(list.len(), "mailbox", "mailboxes"));
    let addresses = list.addresses();
    let mut report = Report::new("directory::synchronize");
    start_cycle(session, &mut report).await?;
    let missing = std::sync::Mutex::new(BTreeSet::new());
    let told = std::sync::atomic::AtomicBool::new(false);
    until(session, PAUSE, PATIENCE, || async {
        let cloud = recipients::cloud(session).await?;
        let absent: BTreeSet<String> = addresses
            .iter()
            .filter(|a| cloud.person(a).is_none_or(|p| p.facts.recipient_type.is_empty()))
            .cloned()
            .collect();
        step.progress(addresses.len() - absent.len(), addresses.len(), "mailboxes", "known to the cloud");
        let done = absent.is_empty();
        if !done && !told.swap(true, std::sync::atomic::Ordering::Relaxed) {
            session.note(What::Waiting {
                reason: format!("the synchronization of {}", plural(absent.len(), "person", "people")),
                until: session.now() + PATIENCE,
            });
        }
        if let Ok(mut missing) = missing.lock() {
            *missing = absent;
        }
        Ok(done)
    })
    .await?;
    let missing = missing.into_inner().unwrap_or_default();
    for address in &missing {
        report.warning(
            address,
            format!("{address} is not known to the cloud after {} hours", PATIENCE.as_hours()),
            "look at the synchronization's scope and errors",
        );
    }
    report.tell(session);
    step.end(format!("{} of {} known to the cloud", addresses.len() - missing.len(), addresses.len()));
    Ok(report)
}

/// Runs the profile's command, if there is one.
async fn start_cycle(session: &Session, report: &mut Report) -> Result<()> {
    let command = &session.profile().directory.sync_command;
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let program = program.clone();
    let arguments = arguments.to_vec();
    let output =
        tokio::task::spawn_blocking(move || std::process::Command::new(program).args(arguments).output()).await;
    match output {
        Ok(Ok(out)) if out.status.success() => {}
        Ok(Ok(out)) => report.warning(
            "",
            format!("the command that starts a synchronization ended with {}", out.status),
            "run it by hand; stagepost waits for the schedule meanwhile",
        ),
        Ok(Err(e)) => report.warning(
            "",
            format!("the command that starts a synchronization can't be run: {e}"),
            "correct sync_command in the profile; stagepost waits for the schedule meanwhile",
        ),
        Err(_) => {}
    }
    Ok(())
}

/// Waits until a cycle has ended that began after `since`, and until what it
/// brought is likely to have reached Exchange Online.
///
/// # Errors
/// Those of Graph and the clock.
pub async fn cycle_after(session: &Session, since: Timestamp) -> Result<bool> {
    let mut ignored = Report::default();
    start_cycle(session, &mut ignored).await?;
    until(session, PAUSE, PATIENCE, || async {
        let answer = session.services().graph.get("/organization?$select=id,onPremisesLastSyncDateTime").await?;
        let last = answer["value"][0]["onPremisesLastSyncDateTime"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
        Ok(last.is_some_and(|l| l > since))
    })
    .await
}
