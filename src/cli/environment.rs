//! From a profile to a session: secrets, dialer, clients, clock, journal.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use crate::base::{Clock, Failure, Kind, Result};
use crate::migration::project::{Project, template};
use crate::run::approvals::Approver;
use crate::run::journal::{Journal, Owner};
use crate::run::narrate::{Narrator, Note};
use crate::run::plan::{Of, Recorder};
use crate::run::plan_file;
use crate::run::sqlite::{Looking, SqliteJournal};
use crate::run::{Mode, Parts, Session};
use crate::services::{Dialer, LabClock, Secrets, Services};
use crate::wire::guid::hex;
use crate::wire::log::Tap;
use crate::wire::profile::{Behind, Profile};

/// What a session is opened with.
pub(crate) struct Opening<'a> {
    pub profile: &'a Path,
    pub project: Project,
    pub project_folder: &'a Path,
    pub journal_folder: &'a Path,
    pub out: &'a Path,
    pub approver: Arc<dyn Approver>,
    pub narrator: Arc<dyn Narrator>,
    pub tap: Option<Arc<dyn Tap>>,
    pub handle: Handle,
    /// The run that goes on; `None`: a new one.
    pub run: Option<String>,
    /// What becomes of writes.
    pub mode: Mode,
}

/// A session, and the lab's control where one stands behind the profile.
pub(crate) struct Opened {
    pub session: Arc<Session>,
    pub control: Option<Arc<LabClock>>,
    /// Whose events it appends.
    pub owner: Owner,
}

/// Reads a profile.
pub(crate) fn profile(path: &Path) -> Result<Profile> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        Failure::new(Kind::Usage, format!("the profile {} can't be read", path.display()))
            .detail(e.to_string())
            .hint("`stagepost lab` writes one for a lab; see docs/profile.md for a tenant's")
    })?;
    let fault = |what: String, hint: &str| {
        Failure::new(Kind::Usage, format!("the profile {} has a fault", path.display())).detail(what).hint(hint)
    };
    let profile = Profile::parse(&text).map_err(|e| fault(e, "see docs/profile.md"))?;
    // Both would be found at the change of the MX, weeks after the first mailbox.
    if profile.dns.resolvers.is_empty() {
        return Err(fault(
            "`dns.resolvers` names nobody".to_owned(),
            "name two resolvers as `host:port`: a change of the MX waits until they see it",
        ));
    }
    for zone in &profile.dns.zones {
        if !ALGORITHMS.contains(&zone.algorithm.to_ascii_lowercase().as_str()) {
            return Err(fault(
                format!("the zone `{}` has the algorithm `{}`, which is not known", zone.name, zone.algorithm),
                "write `hmac-sha256`, `hmac-sha384` or `hmac-sha512`, as the server's key says",
            ));
        }
    }
    Ok(profile)
}

/// How a zone's updates may be signed (RFC 8945).
const ALGORITHMS: [&str; 3] = ["hmac-sha256", "hmac-sha384", "hmac-sha512"];

/// What only looks: clients without a journal, and with no more secrets than
/// looking needs.
pub(crate) struct Clients {
    pub profile: Profile,
    pub services: Services,
    pub clock: Clock,
    /// Whose facts these are: the same word for the same profile, tenant and lab.
    pub of: String,
}

/// Opens the clients of a profile for looking.
pub(crate) async fn clients(path: &Path, tap: Option<Arc<dyn Tap>>) -> Result<Clients> {
    let profile = profile(path)?;
    let secrets = Secrets::for_reading(&profile, path.parent().unwrap_or(Path::new(".")))?;
    let dialer = Dialer::new(&profile, secrets.ca.as_deref())?;
    let (clock, _) = clock(&profile, &dialer).await?;
    let text = profile.print().map_err(|e| Failure::internal(format!("the profile has no TOML form: {e}")))?;
    let digest = Sha256::digest(format!("{}\n{text}", whose(&profile, secrets.ca.as_deref())).as_bytes());
    let services = Services::new(&profile, secrets, clock.clone(), tap)?;
    Ok(Clients { profile, services, clock, of: hex(&digest) })
}

/// The time by which a profile lives: the lab's, with its control address, or the
/// system's.
async fn clock(profile: &Profile, dialer: &Dialer) -> Result<(Clock, Option<Arc<LabClock>>)> {
    let Some(lab) = &profile.lab else { return Ok((Clock::system(), None)) };
    let control = Arc::new(LabClock::new(dialer, &lab.control)?);
    Ok((Clock::driven(control.clone(), control.now().await?), Some(control)))
}

/// The tenant of a profile, as the journal calls it.
pub(crate) fn tenant(path: &Path) -> Result<String> {
    let profile = profile(path)?;
    let secrets = Secrets::for_reading(&profile, path.parent().unwrap_or(Path::new(".")))?;
    Ok(whose(&profile, secrets.ca.as_deref()))
}

/// The journal of a project for who only looks, or decides something beside a run.
pub(crate) fn journal(folder: &Path) -> Result<Looking> {
    let owner = Owner { project: String::new(), tenant: String::new(), run: String::new() };
    Looking::open(&folder.join(".stagepost"), owner)
}

/// Opens a session that may write: it holds the project's journal.
pub(crate) async fn open(opening: Opening<'_>) -> Result<Opened> {
    opened(opening, |folder, owner| Ok(Arc::new(SqliteJournal::open(folder, owner)?))).await
}

/// Opens a session that may write, over a journal with something in between.
#[cfg(test)]
pub(crate) async fn open_wrapped(
    opening: Opening<'_>,
    wrap: &dyn Fn(Arc<dyn Journal>) -> Arc<dyn Journal>,
) -> Result<Opened> {
    opened(opening, |folder, owner| Ok(wrap(Arc::new(SqliteJournal::open(folder, owner)?)))).await
}

/// Opens a session that only reads: beside a run that holds the journal, and
/// without making one. Any write is refused before it is sent.
pub(crate) async fn look(opening: Opening<'_>) -> Result<Opened> {
    opened(opening, |folder, owner| Ok(Arc::new(Looking::open(folder, owner)?))).await
}

/// Opens a session that plans: it reads the journal's past and keeps nothing, and
/// waits for nobody.
pub(crate) async fn plan(opening: Opening<'_>) -> Result<Opened> {
    let opening = Opening { mode: Mode::Plan(Recorder::default()), ..opening };
    opened(opening, |folder, owner| Ok(Arc::new(Looking::open(folder, owner)?))).await
}

async fn opened(
    opening: Opening<'_>,
    journal: impl FnOnce(&Path, Owner) -> Result<Arc<dyn Journal>>,
) -> Result<Opened> {
    let profile = profile(opening.profile)?;
    if let Some(fences) = &opening.project.fences {
        // Weeks may pass before the first write would find it out.
        crate::run::fenced::zone(fences)?;
    }
    let folder = opening.profile.parent().unwrap_or(Path::new("."));
    let secrets = Secrets::read(&profile, folder)?;
    let dialer = Dialer::new(&profile, secrets.ca.as_deref())?;
    let (clock, control) = clock(&profile, &dialer).await?;
    let source_password = secrets.source.clone();
    let authority = secrets.ca.clone();
    let services = Services::new(&profile, secrets, clock.clone(), opening.tap)?;
    // The services keep their time; only what happens by the plan is foreseen.
    let clock = if matches!(opening.mode, Mode::Plan(_)) { clock.foresee() } else { clock };
    let owner = Owner {
        project: opening.project.name.clone(),
        tenant: whose(&profile, authority.as_deref()),
        // A new run's id is found once the journal is open.
        run: opening.run.unwrap_or_default(),
    };
    if let Mode::Contract(plan) = &opening.mode {
        let here = Of { project: owner.project.clone(), tenant: owner.tenant.clone(), profile: profile.name.clone() };
        plan_file::belongs(plan, &here)?;
    }
    let journal = journal(&opening.journal_folder.join(".stagepost"), owner.clone())?;
    let session = Session::new(Parts {
        profile,
        project: opening.project,
        project_folder: opening.project_folder.to_path_buf(),
        out: opening.out.to_path_buf(),
        services,
        source_password,
        clock,
        narrator: opening.narrator,
        journal,
        approver: opening.approver,
        handle: opening.handle,
        mode: opening.mode,
    });
    session.recall()?;
    session.look_at_clock();
    let owner = Owner { run: session.journal().run().to_owned(), ..owner };
    Ok(Opened { session, control, owner })
}

/// Whose events these are. Each lab makes a certificate authority of its own,
/// and what was done in one lab says nothing about the next of the same name.
fn whose(profile: &Profile, authority: Option<&str>) -> String {
    match (profile.kind, authority) {
        (Behind::Lab, Some(authority)) => {
            let digest = Sha256::digest(authority.as_bytes());
            format!("{} of lab {}", profile.tenant.id, hex(digest.get(..8).unwrap_or_default()))
        }
        _ => profile.tenant.id.clone(),
    }
}

/// Hands each note to several.
pub(crate) struct Both(pub Vec<Arc<dyn Narrator>>);

impl Narrator for Both {
    fn note(&self, note: &Note) {
        for narrator in &self.0 {
            narrator.note(note);
        }
    }
}

/// The project of a folder: its `stagepost.toml`, if there is one.
pub(crate) fn project(folder: &Path) -> Result<Option<Project>> {
    let path = folder.join("stagepost.toml");
    match std::fs::read_to_string(&path) {
        Ok(text) => Project::parse(&text).map(Some).map_err(|e| {
            Failure::new(Kind::Usage, format!("{}:{}:{}: {}", path.display(), e.line, e.column, e.message)).hint(e.hint)
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::new(Kind::Usage, format!("{} can't be read", path.display())).detail(e.to_string())),
    }
}

/// A project that no file describes: the usual settings for a company.
pub(crate) fn unwritten(name: &str, list: &str, domains: &[String]) -> Result<Project> {
    let text = template(name, list, domains, "2007");
    Project::parse(&text)
        .map_err(|e| Failure::internal(format!("the project's own template has a fault: {}", e.message)))
}
