//! The command line of the verbs that tell what happened and how things stand.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Which journal.
#[derive(Clone, Debug, Default, Args)]
pub struct Where {
    /// Folder of the project, whose .stagepost holds the journal; this folder if left out
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
}

/// `stagepost audit`
#[derive(Clone, Debug, Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Audit {
    /// What to do.
    #[command(subcommand)]
    pub verb: AuditVerb,
}

/// What `audit` does.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditVerb {
    /// Find every edit, removal, insertion and reordering of events
    Verify(AuditVerify),
    /// Print the head of the journal: number and hash of the last event
    Head(AuditHead),
    /// Print every event as a JSON line: who, when, what, before, after
    Export(AuditExport),
}

/// `stagepost audit verify`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost audit verify                        is anything edited, gone, put in or moved?
  stagepost audit verify --head 1204:9f3c...    and nothing cut off or made anew since then
  stagepost audit verify --journal /backup/contoso

Exit code 0 if it is sound, 3 if anything is wrong. Note the printed head down where nobody can change it with the \
journal: only a noted head finds a journal that was cut off or made anew. docs/audit.md says what is proved.")]
pub struct AuditVerify {
    /// A head noted down earlier: NUMBER:HASH, or 16 digits of the hash at least
    #[arg(long, value_name = "HEAD")]
    pub head: Option<String>,
    /// Which journal.
    #[command(flatten)]
    pub at: Where,
}

/// `stagepost audit head`
#[derive(Clone, Debug, Args)]
pub struct AuditHead {
    /// Which journal.
    #[command(flatten)]
    pub at: Where,
}

/// `stagepost audit export`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost audit export > events.jsonl
  stagepost audit export --run last | jq -c 'select(.kind == \"outcome\")'
  stagepost audit export --since 2026-11-20

One JSON line an event, in order (docs/audit.md). Passwords and other secrets never reach the journal.")]
pub struct AuditExport {
    /// Only events of this run: its id, the beginning or end of it, or `last`
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Only events from this moment on: 2026-11-20, or 2026-11-20T08:30:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Which journal.
    #[command(flatten)]
    pub at: Where,
}

/// `stagepost runs`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost runs                                every run, and how it ended
  stagepost runs --json | jq -r 'select(.state == \"left\").id'

States: running, ended, failed, interrupted, in doubt, approval needed, and left: its process ended without a word.")]
pub struct Runs {
    /// Which journal.
    #[command(flatten)]
    pub at: Where,
}

/// `stagepost show`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost show last                           what the last run did
  stagepost show last --changes                 with what was before and after
  stagepost show 20261120-094512-417 --target ann@contoso.com")]
pub struct Show {
    /// A run: its id, the beginning or end of it, or `last`
    pub run: String,
    /// Every change by itself, with what was before and after
    #[arg(long)]
    pub changes: bool,
    /// Only what concerns this address, batch or zone, with what was before and after
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Which journal.
    #[command(flatten)]
    pub at: Where,
}

/// `stagepost status`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost status                              as the journal knows it; asks nobody
  stagepost status --profile contoso.toml       as both directories and the service say now
  stagepost status --json | jq -c 'select(.place == \"copied\")'

A line for each mailbox: its place in the eleven steps, what it waits for, the next date. It writes to nobody, and may \
be asked beside a run.")]
pub struct Status {
    /// Ask the directories and the service of this profile (TOML) as well; nothing is written
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// The list of who is to move; with --profile
    #[arg(long, value_name = "FILE", requires = "profile")]
    pub mailboxes: Option<PathBuf>,
    /// Which journal.
    #[command(flatten)]
    pub at: Where,
}

/// `stagepost report`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost report last
  stagepost report 20261120-094512-417 --out pilot

Writes report.html, as a rehearsal does. What only a lab can know (lost messages, lost work) is left out, and said.")]
pub struct Report {
    /// A run: its id, the beginning or end of it, or `last`
    pub run: String,
    /// Folder for the report; made if it isn't there
    #[arg(long, value_name = "DIR", default_value = "report")]
    pub out: PathBuf,
    /// Which journal.
    #[command(flatten)]
    pub at: Where,
}

/// `stagepost why`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost why ann@contoso.com --profile contoso.toml
  stagepost why ann@contoso.com --profile contoso.toml --json

Everything about one person: both directories, licence, batch, what the journal says, where a message sent now would \
land, deadlines, the next command. It reads and writes to nobody. Exit code 3 if nobody has the address.")]
pub struct Why {
    /// Any address of the person
    pub address: String,
    /// Which tenant, directory and zones (TOML)
    #[arg(long, value_name = "FILE")]
    pub profile: PathBuf,
    /// Which journal.
    #[command(flatten)]
    pub at: Where,
}
