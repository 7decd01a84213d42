//! The command line as types: verbs, options, help. What a verb does stands in
//! the file of its name; nothing here opens, reads or decides anything.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod telling;

pub use telling::{Audit, AuditExport, AuditHead, AuditVerb, AuditVerify, Report, Runs, Show, Status, Where, Why};

use crate::ui::{ColourChoice, Verbosity};

/// Exit codes and what they mean. The table never changes meaning; help,
/// README and the terminal read it from here.
pub const EXIT_CODES: [(u8, &str); 8] = [
    (0, "done"),
    (1, "failed"),
    (2, "usage"),
    (3, "findings"),
    (4, "in doubt"),
    (5, "approval needed"),
    (6, "done with rows left whole"),
    (130, "interrupted"),
];

/// The foot of `--help`; a test holds it to [`EXIT_CODES`].
const AFTER_HELP: &str = "\
Exit codes:
  0    done
  1    failed
  2    usage
  3    findings
  4    in doubt
  5    approval needed
  6    done with rows left whole
  130  interrupted

Begin with `stagepost rehearse`: a sample company goes through all eleven steps in an embedded lab, and nothing \
leaves this machine.";

/// Moves an Exchange organization to Microsoft 365 in stages, by script.
#[derive(Clone, Debug, Parser)]
#[command(name = "stagepost", version, about, after_help = AFTER_HELP, max_term_width = 110)]
#[command(propagate_version = true, arg_required_else_help = true, infer_subcommands = false)]
pub struct Cli {
    /// What every verb takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct Global {
    /// JSON lines on standard output: every note, then a summary
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colour; `auto` respects NO_COLOR
    #[arg(long, global = true, value_enum, value_name = "auto|always|never", hide_possible_values = true)]
    #[arg(default_value_t = ColourChoice::Auto)]
    pub color: ColourChoice,
    /// Only what went wrong or was left
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// A line at each begin, and every name
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl Global {
    /// The two flags as one value.
    pub fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        }
    }
}

/// The verbs.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Run a whole migration against an embedded lab
    Rehearse(Rehearse),
    /// Run a script against the environment of a profile
    Run(Run),
    /// Answer what a run asks, from another terminal
    Approve(Approve),
    /// Write down what a run would change; reads, and writes to nobody
    Plan(Plan),
    /// Go on with a run that was broken off
    Resume(Resume),
    /// Say what became of a write in doubt; without a word, list them
    Resolve(Resolve),
    /// End a run from another terminal
    Cancel(Cancel),
    /// Take back what a run changed, newest first
    Undo(Undo),
    /// List the runs of this project, and how each ended
    Runs(Runs),
    /// Tell what a run did
    Show(Show),
    /// Tell for each mailbox where it stands and what it waits for
    Status(Status),
    /// Tell one person's whole story
    Why(Why),
    /// Write the page of a run
    Report(Report),
    /// Verify the journal, print its head, export its events
    Audit(Audit),
    /// Open a prompt with the same primitives
    Repl(Repl),
    /// Serve a lab as a process of its own and write its profile
    Lab(Lab),
    /// Find every fault of a list, and mend what is mechanical
    Validate(Validate),
    /// Write a real company as a file for --world; reads, and writes to nobody
    Survey(Survey),
    /// Check a script without running it
    Check(Check),
    /// Explain a primitive, a rule of the list or a guard
    Explain(Explain),
}

/// How much trouble the lab makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FaultLevel {
    /// None: what a sound script handles without leaving a row behind
    #[default]
    None,
    /// 2 to 4 % of the rows in trouble, and services that throttle and lose answers
    Usual,
}

impl FaultLevel {
    /// The word of the command line and of the report.
    pub fn word(self) -> &'static str {
        match self {
            FaultLevel::None => "none",
            FaultLevel::Usual => "usual",
        }
    }
}

/// What a lab is made from; `rehearse`, `repl` and `lab` take the same.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Lab")]
pub struct World {
    /// Every choice of the lab hangs on it; the same seed gives the same events
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How much trouble the lab makes; `usual` is 2 to 4 % of the rows, throttling and lost answers
    #[arg(long, value_enum, value_name = "none|usual", hide_possible_values = true)]
    #[arg(default_value_t = FaultLevel::None)]
    pub faults: FaultLevel,
    /// Size of the sample company
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub make: u32,
    /// A company of your own (JSON, docs/company.md); the lab makes up what it leaves out
    #[arg(long = "world", value_name = "FILE", conflicts_with = "make")]
    pub company: Option<PathBuf>,
    /// Settle a doubt of the published facts otherwise (docs/delivery.md); may be repeated
    #[arg(long = "setting", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
}

/// `stagepost rehearse`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost rehearse                            the sample company, 2,000 mailboxes
  stagepost rehearse --mailboxes wave1.csv      your own list; the lab invents the rest
  stagepost rehearse --world company.json       your own company, as far as you know it
  stagepost rehearse --faults usual --seed 7    with the trouble that administrators see
  stagepost rehearse --script scripts/staged.rhai --deny 'Switch the mail'
  stagepost rehearse --script mine.rhai --force 'what if'  past all guards (docs/guards.md)
  stagepost rehearse --json | jq -c 'select(.event == \"finding\")'

Approvals answer themselves after a lab working day and stand in the report. Nothing leaves this machine. \
Exit code 0 if all mailboxes moved, 6 if some were left whole where they were, 1 if anything is in between.")]
pub struct Rehearse {
    /// Your own list (CSV with EmailAddress, and optionally Password and ForceChangePassword)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["make", "company"])]
    pub mailboxes: Option<PathBuf>,
    /// A script: a file, or the name of a bundled one
    #[arg(long, value_name = "FILE|NAME", default_value = "staged")]
    pub script: String,
    /// Refuse the approval whose text contains this
    #[arg(long, value_name = "TEXT")]
    pub deny: Vec<String>,
    /// Pass every guard (docs/guards.md) for this reason; it stands in the journal and in the report
    #[arg(long, value_name = "REASON")]
    pub force: Option<String>,
    /// Folder for the report; made if it isn't there
    #[arg(long, value_name = "DIR", default_value = "rehearsal")]
    pub out: PathBuf,
    /// Write every exchange with a service to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub wire_log: Option<PathBuf>,
    /// Worker threads; they change the wall time, never the events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// What the lab is made from
    #[command(flatten)]
    pub world: World,
}

/// `stagepost run`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost run scripts/staged.rhai --profile lab/profile.toml
  stagepost run staged --profile contoso.toml --plan plan.json
                                                only what the plan lists (docs/plans.md)
  stagepost run pilot.rhai --profile lab/profile.toml --approve 'Start pilot'

An approval is asked at the terminal, and can be answered from another one with `stagepost approve`. Where nobody can be \
asked, and no --approve or --deny matches its text, the run ends with exit code 5 and names the text; with \
--wait-for-approval it waits.")]
pub struct Run {
    /// A script: a file, or the name of a bundled one
    pub script: String,
    /// Which tenant, directory and zones (TOML)
    #[arg(long, value_name = "FILE")]
    pub profile: PathBuf,
    /// The list that the script reads as `project().mailboxes`
    #[arg(long, value_name = "FILE")]
    pub mailboxes: Option<PathBuf>,
    /// Write only what this plan lists; needed against a real tenant
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Who answers
    #[command(flatten)]
    pub answers: Answers,
    /// Write every exchange with a service to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub wire_log: Option<PathBuf>,
    /// Worker threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
}

/// How the approvals of a verb that writes are answered.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Approvals")]
pub struct Answers {
    /// Grant the approvals whose text contains this
    #[arg(long, value_name = "TEXT")]
    pub approve: Vec<String>,
    /// Refuse the approvals whose text contains this; stronger than --approve
    #[arg(long, value_name = "TEXT")]
    pub deny: Vec<String>,
    /// Grant every approval; only against a lab
    #[arg(long)]
    pub yes: bool,
    /// Wait for `stagepost approve` where nobody can be asked here
    #[arg(long)]
    pub wait_for_approval: bool,
    /// The tenant's initial domain, which is to be named before the first write to a real tenant
    #[arg(long, value_name = "NAME")]
    pub tenant_name: Option<String>,
}

/// `stagepost approve`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost approve                             what is asked, by whom, since when
  stagepost approve 3fa91c02                    yes
  stagepost approve 3fa91c02 --deny --because 'not before Monday'
  stagepost approve --wait --json               waits until something is asked

Run it in the folder of the project. It answers beside the run, which goes on within a second; the answer of a run that \
has ended counts when it is resumed. Exit code 0 when answered or listed, 1 if there is no such question, 5 if somebody \
else has to answer.")]
pub struct Approve {
    /// The run, if a question of several has the same id
    #[arg(value_name = "RUN|ID")]
    pub first: Option<String>,
    /// The question; without one, what is open is listed
    #[arg(value_name = "ID")]
    pub second: Option<String>,
    /// Answer no
    #[arg(long)]
    pub deny: bool,
    /// What the run and its journal shall say beside the answer
    #[arg(long, value_name = "TEXT")]
    pub because: Option<String>,
    /// Wait until something is asked, and list it
    #[arg(long, conflicts_with_all = ["deny", "because"])]
    pub wait: bool,
}

/// `stagepost resume`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost resume --profile contoso.toml       the newest run that has not ended
  stagepost resume 20261120-181500-042 --profile contoso.toml
  stagepost resume --profile contoso.toml --accept-changes

The script runs again from its top: steps that were done answer from the journal, every verb looks first, waits go on. \
If script, library, settings or list are not what the run began with, the difference is shown, nothing is done, and \
the exit code is 2; --accept-changes goes on with it. docs/resume.md says more.")]
pub struct Resume {
    /// Id of the run, or its beginning; the newest that has not ended if left out
    pub run: Option<String>,
    /// Which tenant, directory and zones (TOML)
    #[arg(long, value_name = "FILE")]
    pub profile: PathBuf,
    /// Go on though script, library, settings or list have changed
    #[arg(long)]
    pub accept_changes: bool,
    /// Who answers
    #[command(flatten)]
    pub answers: Answers,
    /// Write every exchange with a service to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub wire_log: Option<PathBuf>,
    /// Worker threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
}

/// `stagepost resolve`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost resolve                             what is in doubt, and how to look
  stagepost resolve 1234 --applied --because 'the rule is there, made at 18:02'
  stagepost resolve 1234 --not-applied --because 'no such rule'

Only raw calls come here (exchange::invoke, graph::post, ...): nothing repeats them by itself. Exit code 4 while \
something is in doubt, 0 if nothing is.")]
pub struct Resolve {
    /// Number of the write, or id of a run with one write in doubt
    #[arg(value_name = "EVENT|RUN", requires = "because")]
    pub which: Option<String>,
    /// It was carried out: the run goes on behind it
    #[arg(long, requires = "which", conflicts_with = "not_applied")]
    pub applied: bool,
    /// It was not: the run may send it
    #[arg(long, requires = "which")]
    pub not_applied: bool,
    /// What you saw; it stands in the journal
    #[arg(long, value_name = "TEXT", requires = "which")]
    pub because: Option<String>,
}

/// `stagepost cancel`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost cancel                              the run at work, or the newest that has not ended
  stagepost cancel 20261120-181500-042

A run at work begins no new write; those in flight end or are recorded in doubt, waits end at once. `stagepost resume` \
goes on with a cancelled run only by its id.")]
pub struct Cancel {
    /// Id of the run, or its beginning
    pub run: Option<String>,
}

/// `stagepost undo`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost undo last --profile contoso.toml --plan
                                                what would be taken back, what stays, what stands in the way
  stagepost undo 20261120 --profile contoso.toml
                                                the run whose id begins so
  stagepost undo last set_mx --profile contoso.toml
                                                one operation; also a step's name or the number of a change
  stagepost undo last convert_to_mail_user:ann@contoso.com --profile contoso.toml
  stagepost undo last --profile contoso.toml --approve '12 messages'

It compares only what the run changed: what somebody else has changed since stays, and is listed. Mail that arrived in \
the cloud since is counted, and an --approve must name the count. Exit code 0 if all was taken back, 6 if changes had \
to stay for reasons of their own, 5 if the approval is missing. docs/undo.md has the order and the ways back.")]
pub struct Undo {
    /// Which run: its id, the beginning of it, or `last`
    pub run: String,
    /// Which part: a step's name, the number of a change, an operation, or operation:object
    #[arg(value_name = "STEP|CHANGE")]
    pub change: Option<String>,
    /// Which tenant, directory and zones (TOML)
    #[arg(long, value_name = "FILE")]
    pub profile: PathBuf,
    /// Show what would be done, and write nothing
    #[arg(long)]
    pub plan: bool,
    /// Grant the approval if its text contains this; where mail has arrived since, it must name how many messages
    #[arg(long, value_name = "TEXT")]
    pub approve: Vec<String>,
    /// Refuse the approval if its text contains this; stronger than --approve
    #[arg(long, value_name = "TEXT")]
    pub deny: Vec<String>,
    /// Wait for `stagepost approve` where nobody can be asked here
    #[arg(long)]
    pub wait_for_approval: bool,
    /// The tenant's initial domain, which is to be named before the first write to a real tenant
    #[arg(long, value_name = "NAME")]
    pub tenant_name: Option<String>,
    /// Write every exchange with a service to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub wire_log: Option<PathBuf>,
}

/// `stagepost plan`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost plan --profile lab/profile.toml                     the standard script; writes plan.json
  stagepost plan pilot.rhai --profile contoso.toml --out pilot.json
  stagepost plan --show pilot.json                              for whoever has to approve it

The script runs with the gate closed: reads are real, a write is written down with its image before and after, and \
what comes later sees it as done. Waits end at once at the later time, approvals are listed and taken as granted, \
nothing is sent to anybody. docs/plans.md says what a plan rests on.")]
pub struct Plan {
    /// A script: a file, or the name of a bundled one
    #[arg(value_name = "SCRIPT", default_value = "staged")]
    pub script: String,
    /// Which tenant, directory and zones (TOML)
    #[arg(long, value_name = "FILE", required_unless_present = "show")]
    pub profile: Option<PathBuf>,
    /// Show a plan that was written, and make none
    #[arg(long, value_name = "FILE", conflicts_with_all = ["profile", "mailboxes", "wire_log"])]
    pub show: Option<PathBuf>,
    /// The list that the script reads as `project().mailboxes`
    #[arg(long, value_name = "FILE")]
    pub mailboxes: Option<PathBuf>,
    /// Where the plan is written
    #[arg(long, value_name = "FILE", default_value = "plan.json")]
    pub out: PathBuf,
    /// Write every exchange with a service to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub wire_log: Option<PathBuf>,
    /// Worker threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
}

/// `stagepost repl`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost repl                                a fresh lab of the sample company
  stagepost repl --make 20                      a small one
  stagepost repl --profile lab/profile.toml     a lab that `stagepost lab` serves
  echo 'print(mailboxes::read(\"wave1.csv\").len)' | stagepost repl

At the prompt: ?name for help, Tab completes, Ctrl-C ends a call and keeps the variables, Ctrl-D leaves.")]
pub struct Repl {
    /// Which environment (TOML); a fresh lab if left out
    #[arg(long, value_name = "FILE", conflicts_with_all = ["company", "settings"])]
    pub profile: Option<PathBuf>,
    /// What the lab is made from
    #[command(flatten)]
    pub world: World,
}

/// `stagepost lab`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost lab                                 writes lab/profile.toml, serves until Ctrl-C
  stagepost run staged --profile lab/profile.toml
                                                in another terminal
  stagepost lab --mailboxes wave1.csv --faults usual
  stagepost lab --make 30 --write-company company.json
                                                writes the sample company and ends

All services listen on loopback, on ports that the lab picks itself; the profile names them.")]
pub struct Lab {
    /// Folder for the profile, the secrets and the certificate authority
    #[arg(long, value_name = "DIR", default_value = "lab")]
    pub out: PathBuf,
    /// Your own list; the lab invents the rest
    #[arg(long, value_name = "FILE", conflicts_with_all = ["make", "company"])]
    pub mailboxes: Option<PathBuf>,
    /// Write the company as a file for --world, and end without serving it
    #[arg(long, value_name = "FILE")]
    pub write_company: Option<PathBuf>,
    /// What the lab is made from
    #[command(flatten)]
    pub world: World,
}

/// Kinds of migration that a list is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ListKind {
    /// From Exchange 2003 or 2007
    #[default]
    Staged,
    /// Hybrid, from Exchange 2010 on
    RemoteMove,
    /// All at once; takes no list
    Cutover,
    /// From any IMAP server
    Imap,
}

/// How the people of a list sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListSignIn {
    /// With a password of the cloud
    Cloud,
    /// With a password synchronized from on premises
    Synchronized,
    /// At the organization's own service
    Federated,
}

/// `stagepost validate`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost validate wave1.csv                  every fault, with its place and its remedy
  stagepost validate wave1.csv wave2.csv        also what stands in both
  stagepost validate export.csv --fix wave1.csv
                                                a corrected copy, and what was corrected
  stagepost validate company.csv --split 2000   company-01.csv, company-02.csv, ...
  stagepost validate wave1.csv --against contoso.toml
                                                also against Active Directory and the tenant, reading only
  stagepost validate wave1.csv --world company.json
                                                the same against a company file (docs/company.md)
  stagepost validate imap.csv --kind imap --json | jq .rule

Exit code 0 without errors, 3 with errors, 2 if a file can't be used; with --fix it is that of the copy. docs/rules.md \
lists the rules, `stagepost explain SP114` explains one.")]
pub struct Validate {
    /// Lists of mailboxes (CSV)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the list is for: it decides the columns and the limits
    #[arg(long, value_enum, value_name = "staged|remote_move|cutover|imap", hide_possible_values = true)]
    #[arg(default_value_t = ListKind::Staged)]
    pub kind: ListKind,
    /// The directories of this profile (TOML) are asked about every row; nothing is written
    #[arg(long, value_name = "PROFILE", conflicts_with = "world")]
    pub against: Option<PathBuf>,
    /// The same against a company file (JSON, docs/company.md), in a lab of its own
    #[arg(long, value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// How the people sign in, where it is known: whether passwords of a list can be set
    #[arg(long, value_enum, value_name = "cloud|synchronized|federated", hide_possible_values = true)]
    pub sign_in: Option<ListSignIn>,
    /// Columns that the kind doesn't know are a warning
    #[arg(long)]
    pub unknown_columns: bool,
    /// Write a corrected copy; a file that is there is never written over
    #[arg(long, value_name = "OUT")]
    pub fix: Option<PathBuf>,
    /// Cut the list, or its corrected copy, into files of at most N rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub split: Option<u32>,
    /// Folder for the cut files; beside the list if left out
    #[arg(long, value_name = "DIR", requires = "split")]
    pub into: Option<PathBuf>,
}

/// `stagepost survey`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost survey contoso.toml                 writes company.json
  stagepost survey contoso.toml --statistics sizes.csv
  stagepost survey contoso.toml --pseudonyms --out for-the-vendor.json
  stagepost rehearse --world company.json       the company in the lab

It reads, page by page, and writes to nobody. What was read lies in FILE.part until the file is whole: after a \
Ctrl-C or a broken line the same command goes on from there. docs/survey.md says what no service shows.")]
pub struct Survey {
    /// Which tenant, directory and zones (TOML)
    pub profile: PathBuf,
    /// The company file
    #[arg(long, value_name = "FILE", default_value = "company.json")]
    pub out: PathBuf,
    /// Sizes or rights as Export-Csv writes them (docs/survey.md); may be repeated
    #[arg(long, value_name = "FILE")]
    pub statistics: Vec<PathBuf>,
    /// Replace names, addresses, domains and ids, each by one that stands for it everywhere
    #[arg(long)]
    pub pseudonyms: bool,
    /// The same pseudonyms as the last time with this file: any 16 bytes or more
    #[arg(long, value_name = "FILE", requires = "pseudonyms")]
    pub key: Option<PathBuf>,
    /// Go on where a service refuses; the file then says what is missing
    #[arg(long)]
    pub partial: bool,
    /// Write over a company file that is there
    #[arg(long)]
    pub overwrite: bool,
    /// Write every exchange with a service to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub wire_log: Option<PathBuf>,
}

/// `stagepost check`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Finds syntax errors, unknown functions and wrong numbers of arguments. Exit code 3 if there is a finding.")]
pub struct Check {
    /// A script: a file, or the name of a bundled one
    pub script: String,
}

/// `stagepost explain`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  stagepost explain convert_to_mail_user        what it does, its arguments, an example
  stagepost explain SP114                       a rule of the list
  stagepost explain mx-before-settled           a guard
  stagepost explain                             all names")]
pub struct Explain {
    /// A primitive (`start`, `license::assign`), a rule or a guard; all names if left out
    pub name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_derivation_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn examples_fit_a_screen() {
        for verb in Cli::command().get_subcommands_mut() {
            let help = verb.render_long_help().to_string();
            let examples = help.split("Examples:").nth(1).unwrap_or_default();
            let long = examples.lines().find(|l| l.starts_with("  ") && l.chars().count() > 98);
            assert_eq!(long, None, "{}", verb.get_name());
        }
    }

    #[test]
    fn help_lists_every_exit_code() {
        for (code, meaning) in EXIT_CODES {
            assert!(AFTER_HELP.contains(&format!("\n  {code:<4} {meaning}\n")), "{code} {meaning}");
        }
    }

    #[test]
    fn the_documents_list_every_exit_code_and_no_other() {
        let documents = [include_str!("../../README.md"), include_str!("../../docs/exit-codes.md")];
        for document in documents {
            let rows: Vec<(u8, &str)> = document
                .lines()
                .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
                .filter_map(|(code, rest)| Some((code.parse().ok()?, rest.split(" |").next()?)))
                .collect();
            assert_eq!(rows, EXIT_CODES);
        }
    }

    #[test]
    fn every_verb_of_the_readme_exists() {
        let readme = include_str!("../../README.md");
        let mut tried = 0;
        for line in readme.lines().filter_map(|l| l.strip_prefix("cargo run --release -- ")) {
            let line = line.split(" #").next().unwrap_or_default();
            parse(&format!("stagepost {line}")).unwrap_or_else(|e| panic!("{line}: {e}"));
            tried += 1;
        }
        assert!(tried >= 5);
    }

    #[test]
    fn a_bare_rehearse_has_its_defaults() {
        let cli = parse("stagepost rehearse").expect("it is a whole command");
        let Verb::Rehearse(r) = cli.verb else { panic!("another verb") };
        assert_eq!((r.world.seed, r.world.make, r.world.faults), (1, 2000, FaultLevel::None));
        assert_eq!((r.script.as_str(), r.out.as_path()), ("staged", std::path::Path::new("rehearsal")));
    }

    #[test]
    fn the_whole_line_of_the_reference_parses() {
        let cli = parse(
            "stagepost rehearse --mailboxes wave1.csv --script scripts/staged.rhai --seed 7 --faults usual --deny TEXT \
             --out DIR --wire-log FILE --json --threads 8",
        )
        .expect("it is a whole command");
        assert!(cli.global.json);
        let Verb::Rehearse(r) = cli.verb else { panic!("another verb") };
        assert_eq!((r.world.faults.word(), r.threads, r.deny.len()), ("usual", Some(8), 1));
    }

    #[test]
    fn wrong_values_are_refused() {
        for line in
            ["rehearse --make 0", "rehearse --threads 0", "rehearse --faults many", "run staged", "rehearse -q -v"]
        {
            assert!(parse(&format!("stagepost {line}")).is_err(), "{line}");
        }
        assert!(parse("stagepost rehearse --mailboxes a.csv --make 5").is_err());
        assert!(parse("stagepost repl --world a.json").is_ok());
        for verb in ["rehearse", "lab", "repl"] {
            assert!(parse(&format!("stagepost {verb} --world a.json --make 5")).is_err(), "{verb}");
        }
        for verb in ["rehearse", "lab"] {
            assert!(parse(&format!("stagepost {verb} --world a.json --mailboxes a.csv")).is_err(), "{verb}");
        }
        assert!(parse("stagepost repl --world a.json --profile lab/profile.toml").is_err());
        for verb in ["rehearse", "lab", "repl"] {
            assert!(parse(&format!("stagepost {verb} --setting a=b --setting c=d")).is_ok(), "{verb}");
        }
        assert!(parse("stagepost repl --setting a=b --profile lab/profile.toml").is_err());
    }
}
