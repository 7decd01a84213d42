//! Step 3: everybody of the list exists in the cloud.

use std::collections::BTreeSet;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::consequences;
use super::narrate::What;
use super::recipients::{self, until};
use super::report::{Report, plural};
use super::session::Session;
use crate::base::plant::{self, Plant};
use crate::base::{Result, Timestamp};
use crate::migration::list::Mailboxes;

/// The scheduler runs every 30 minutes; two rounds and the way to Exchange
/// Online, which is "usually under 30 minutes".
const PATIENCE: SignedDuration = SignedDuration::from_hours(3);
/// A schedule that stands still is somebody's to mend, and often is in the
/// morning: a run waits that long for a cycle, and says so after [`PATIENCE`].
const OVERNIGHT: SignedDuration = SignedDuration::from_hours(24);
/// Longest time for the profile's command; by the system's clock, as it is a
/// program of this machine.
const COMMAND_LIMIT: Duration = Duration::from_secs(10 * 60);
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
    // Nothing comes because of a plan: it looks once.
    let patience = if session.planning().is_some() { SignedDuration::ZERO } else { PATIENCE };
    let missing = std::sync::Mutex::new(BTreeSet::new());
    let told = std::sync::atomic::AtomicBool::new(false);
    until(session, PAUSE, patience, || async {
        let cloud = recipients::cloud(session).await?;
        let absent: BTreeSet<String> = addresses
            .iter()
            .filter(|a| cloud.person(a).is_none_or(|p| p.facts.recipient_type.is_empty()))
            .cloned()
            .collect();
        step.progress(addresses.len() - absent.len(), addresses.len(), "mailboxes", "known to the cloud");
        let done = absent.is_empty() || plant::is(Plant::SyncNotAwaited);
        if !done && session.planning().is_none() && !told.swap(true, std::sync::atomic::Ordering::Relaxed) {
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
    let missing = match session.planning() {
        Some(_) => consequences::synchronized(session, &missing).await?,
        None => missing,
    };
    for address in &missing {
        let when =
            if session.planning().is_some() { String::new() } else { format!(" after {} hours", PATIENCE.as_hours()) };
        report.warning(
            address,
            format!("{address} is not known to the cloud{when}"),
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
    if session.planning().is_some() {
        session.assume(format!("{program} starts a synchronization"));
        return Ok(());
    }
    let program = program.clone();
    let arguments = arguments.to_vec();
    let cancel = session.cancel();
    let ended =
        tokio::task::spawn_blocking(move || finish(&program, &arguments, COMMAND_LIMIT, &|| cancel.is_cancelled()));
    match ended.await {
        Ok(Ok(Some(status))) if status.success() => {}
        Ok(Ok(Some(status))) => report.warning(
            "",
            format!("the command that starts a synchronization ended with {status}"),
            "run it by hand; stagepost waits for the schedule meanwhile",
        ),
        Ok(Ok(None)) => report.warning(
            "",
            format!(
                "the command that starts a synchronization was ended after {} minutes",
                COMMAND_LIMIT.as_secs() / 60
            ),
            "run it by hand and see what it waits for; stagepost waits for the schedule meanwhile",
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

/// Runs a command to its end, without a terminal to ask questions at; ends it at
/// the limit or when nobody waits for it any more (`None`).
fn finish(
    program: &str,
    arguments: &[String],
    limit: Duration,
    given_up: &dyn Fn() -> bool,
) -> std::io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() >= limit || given_up() {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until a cycle has ended that began after `since`, and until what it
/// brought is likely to have reached Exchange Online.
///
/// # Errors
/// Those of Graph and the clock.
pub async fn cycle_after(session: &Session, since: Timestamp) -> Result<bool> {
    let mut ignored = Report::default();
    start_cycle(session, &mut ignored).await?;
    if session.planning().is_some() {
        session.assume("the synchronization takes an hour to bring what was changed");
        session.clock().sleep(SignedDuration::from_hours(1)).await?;
        return Ok(true);
    }
    if plant::is(Plant::ReleaseUnsynced) {
        return Ok(true);
    }
    let told = std::sync::atomic::AtomicBool::new(false);
    let warn = session.now() + PATIENCE;
    until(session, PAUSE, OVERNIGHT, || async {
        if session.now() >= warn && !told.swap(true, std::sync::atomic::Ordering::Relaxed) {
            session.note(What::Warned {
                text: format!("no synchronization has ended for {} hours", PATIENCE.as_hours()),
                hint: format!(
                    "look at the synchronization server (Start-ADSyncSyncCycle); the run waits {} hours in all",
                    OVERNIGHT.as_hours()
                ),
            });
        }
        let answer = session.sees().get("/organization?$select=id,onPremisesLastSyncDateTime").await?;
        let last = answer["value"][0]["onPremisesLastSyncDateTime"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
        Ok(last.is_some_and(|l| l > since))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_never_ends_is_ended() {
        let forever = ["-c".to_owned(), "exec sleep 60".to_owned()];
        let ended = finish("sh", &forever, Duration::ZERO, &|| false).expect("a shell is there");
        assert!(ended.is_none());
        let given_up = finish("sh", &forever, COMMAND_LIMIT, &|| true).expect("a shell is there");
        assert!(given_up.is_none());
        let asks = ["-c".to_owned(), "read answer || exit 3".to_owned()];
        let status = finish("sh", &asks, COMMAND_LIMIT, &|| false).expect("a shell is there").expect("it ends");
        assert_eq!(status.code(), Some(3), "nobody sits there to answer");
    }
}
