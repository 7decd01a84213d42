//! `stagepost survey`: a company as a file, read from its directory, tenant and
//! zones.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::args::Survey;
use super::{Context, companies, environment, runtime};
use crate::base::{Failure, Kind, Result, Timestamp};
use crate::lab::file;
use crate::report::wirelog::WireLog;
use crate::run::narrate::{Narrator as _, Note, What};
use crate::run::report::plural;
use crate::survey::hidden::{HIDDEN, Hidden};
use crate::survey::kept::Kept;
use crate::survey::pseudonyms::{self, Key};
use crate::survey::statistics::{SIZES_BY, Statistics};
use crate::survey::{self, READS, Sources, Surveyed, Told};
use crate::ui::{Spot, Verbosity};
use crate::wire::company::CompanyFile;
use crate::wire::company::text::text;
use crate::wire::log::Tap;

/// Most bytes of a file of statistics: a line for each of a million mailboxes.
const LARGEST: u64 = 512 << 20;
/// Names that a message lists.
const NAMED: usize = 3;

/// Surveys; exit code 3 if the file is there and `--world` would refuse it.
pub(crate) fn survey(context: &Context, args: &Survey) -> Result<u8> {
    // Everything that can be wrong with the call is found before anybody is asked.
    let folder = may_be_written(&args.out, args.overwrite)?;
    let statistics = read_statistics(context, args)?;
    let key = match (&args.key, args.pseudonyms) {
        (Some(path), _) => Some(key_of(path)?),
        (None, true) => Some(Key::random()),
        (None, false) => None,
    };
    let log = match &args.wire_log {
        Some(path) => Some(Arc::new(WireLog::create(path)?)),
        None => None,
    };
    let runtime = runtime(None)?;
    let read = runtime.block_on(async {
        tokio::select! {
            biased;
            read = look(context, args, &statistics, log.clone()) => read,
            Ok(()) = tokio::signal::ctrl_c() => Err(interrupted(args)),
        }
    });
    if let Some(log) = &log {
        log.finish()?;
    }
    let (mut surveyed, kept, holes) = read?;
    for hole in &holes {
        context.ui.warning(&format!("the file has a hole: {}", hole.text), None);
    }
    if let Some(key) = &key {
        surveyed.file = pseudonyms::replaced(&surveyed.file, key)?;
    }
    let text = text(&surveyed.file);
    write(&args.out, folder, &text, args.overwrite)?;
    kept.remove()?;
    tell(context, args, &surveyed, &statistics, &text)
}

/// Reads everything and makes the file of it.
async fn look(
    context: &Context,
    args: &Survey,
    statistics: &Statistics,
    log: Option<Arc<WireLog>>,
) -> Result<(Surveyed, Kept, Vec<survey::Hole>)> {
    let looking = environment::clients(&args.profile, log.map(|l| l as Arc<dyn Tap>)).await?;
    let mut kept = Kept::open(&args.out, &looking.of, Timestamp::now())?;
    let ui = &context.ui;
    if kept.is_resumed() {
        let began = kept.began().strftime("%Y-%m-%d %H:%M UTC");
        ui.status(&format!("goes on from the survey of {began}: {} of {} reads are there", kept.whole(), READS.len()));
    }
    let tell = |told: Told| {
        let what = match told {
            Told::Began { number, name, about } => {
                What::StepBegan { id: number, primitive: name.to_owned(), subject: about.to_owned() }
            }
            Told::Sofar { number, rows, unit } => What::Progress {
                id: number,
                done: rows as u64,
                total: 0,
                unit: unit.1.to_owned(),
                text: plural(rows, unit.0, unit.1),
            },
            Told::Ended { number, rows } => What::StepEnded {
                id: number,
                ok: rows.is_some(),
                changed: 0,
                text: rows.map_or_else(|| "not read".to_owned(), |(rows, unit)| plural(rows, unit.0, unit.1)),
            },
        };
        ui.note(&Note { time: looking.clock.now(), what });
    };
    let sources = Sources {
        services: &looking.services,
        profile: &looking.profile,
        clock: &looking.clock,
        partial: args.partial,
    };
    let holes = survey::gather(&sources, &mut kept, &tell).await?;
    let surveyed = survey::build(&kept, &looking.profile, &holes, statistics)?;
    Ok((surveyed, kept, holes))
}

fn interrupted(args: &Survey) -> Failure {
    let kept = survey::kept::path_beside(&args.out);
    let mut hint = "run the same command again: it goes on from there".to_owned();
    if args.pseudonyms {
        hint.push_str("; until then that file holds the company's own names");
    }
    let said = format!("the survey was interrupted; what was read lies in {}", kept.display());
    Failure::new(Kind::Cancelled, said).hint(hint)
}

/// Whether the company file may be written there; answers its folder.
fn may_be_written(out: &Path, overwrite: bool) -> Result<&Path> {
    let name = out.display();
    let folder = out.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match std::fs::metadata(out) {
        Ok(found) if found.is_dir() => {
            Err(Failure::new(Kind::Usage, format!("{name} is a folder"))
                .hint("name the company file itself with `--out`"))
        }
        Ok(found) if !found.is_file() => {
            Err(Failure::new(Kind::Usage, format!("{name} is a pipe or a device, not a file"))
                .hint("name a file with `--out`"))
        }
        Ok(_) if !overwrite => Err(is_there(out)),
        _ if !folder.is_dir() => Err(Failure::new(Kind::Usage, format!("there is no folder {}", folder.display()))
            .hint("make it first, or name a file elsewhere with `--out`")),
        _ => Ok(folder),
    }
}

fn is_there(out: &Path) -> Failure {
    Failure::new(Kind::Local, format!("the file {} is there already, and may have been edited", out.display()))
        .hint("name another one with `--out`, or write over it with `--overwrite`")
}

/// Writes the file whole or not at all.
fn write(out: &Path, folder: &Path, text: &str, overwrite: bool) -> Result<()> {
    let wrong = |e: &std::io::Error| {
        Failure::new(Kind::Local, format!("the company file {} can't be written", out.display()))
            .detail(e.to_string())
            .hint("make room or name another place with `--out`; what was read is kept, and the same command goes on")
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| wrong(&e))?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(|e| wrong(&e))?;
    let written = if overwrite { file.persist(out) } else { file.persist_noclobber(out) };
    written.map(|_| ()).map_err(|e| match e.error.kind() {
        // Somebody else made it meanwhile.
        std::io::ErrorKind::AlreadyExists => is_there(out),
        _ => wrong(&e.error),
    })
}

/// The bytes of a small file that is named on the command line.
fn bytes(what: &str, path: &Path, largest: u64) -> Result<Vec<u8>> {
    let name = path.display();
    let wrong = |e: std::io::Error| {
        Failure::new(Kind::Usage, format!("the {what} {name} can't be read"))
            .detail(e.to_string())
            .hint("check the name")
    };
    let found = std::fs::metadata(path).map_err(wrong)?;
    if !found.is_file() {
        return Err(Failure::new(Kind::Usage, format!("the {what} {name} is no file")).hint("name the file itself"));
    }
    if found.len() > largest {
        return Err(Failure::new(Kind::Usage, format!("the {what} {name} is larger than {} MB", largest >> 20))
            .hint("is it the right file?"));
    }
    std::fs::read(path).map_err(wrong)
}

fn key_of(path: &Path) -> Result<Key> {
    let bytes = bytes("key file", path, 1 << 20)?;
    Key::of(&bytes).ok_or_else(|| {
        Failure::new(Kind::Usage, format!("the key file {} has fewer than 16 bytes", path.display()))
            .hint("make one that nobody guesses: `openssl rand -hex 32`")
    })
}

/// Reads the files of `--statistics`; all faults are told.
fn read_statistics(context: &Context, args: &Survey) -> Result<Statistics> {
    let mut statistics = Statistics::default();
    let mut faulty = Vec::new();
    for path in &args.statistics {
        let name = path.display().to_string();
        let bytes = bytes("statistics file", path, LARGEST)?;
        if let Err(faults) = statistics.read(&bytes) {
            let spot = |f: &survey::statistics::Fault| Spot {
                file: name.clone(),
                line: f.line,
                text: f.text.clone(),
                remedy: f.remedy.clone(),
                rule: "statistics".to_owned(),
                severity: "error".to_owned(),
                column: 0,
                width: 0,
                excerpt: String::new(),
                row: String::new(),
                count: 1,
            };
            context.ui.findings(&faults.iter().map(spot).collect::<Vec<_>>());
            faulty.push(name);
        }
    }
    if faulty.is_empty() {
        return Ok(statistics);
    }
    let which = faulty.join(", ");
    Err(Failure::new(Kind::Validation, format!("{which} can't be understood; nobody was asked anything"))
        .hint("docs/survey.md has the columns, and the commands that export them"))
}

/// Says what was found, what should be known of it, and what no wire shows.
fn tell(context: &Context, args: &Survey, surveyed: &Surveyed, statistics: &Statistics, text: &str) -> Result<u8> {
    let ui = &context.ui;
    let file = &surveyed.file;
    let out = args.out.display().to_string();
    let sized = file.people.iter().filter(|p| p.bytes.is_some()).count();
    let unsized_people = file.people.len() - sized;
    let hidden: Vec<&Hidden> = HIDDEN.iter().filter(|h| !is_brought(h, file)).collect();
    let faults = file::read(text.as_bytes()).err().unwrap_or_default();
    let name = file.company.as_ref().and_then(|c| c.name.clone()).unwrap_or_else(|| "the company".to_owned());
    let mailboxes = plural(file.people.len(), "mailbox", "mailboxes");
    let objects = plural(file.objects.as_ref().map_or(0, Vec::len), "other object", "other objects");
    ui.status(&format!("{name} with {mailboxes} and {objects} stands in {out}"));
    for remark in &surveyed.remarks {
        ui.status(&format!("note: {remark}"));
    }
    if !surveyed.strangers.is_empty() {
        let some: Vec<&str> = surveyed.strangers.iter().take(NAMED).map(String::as_str).collect();
        let more = surveyed.strangers.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let rows = plural(surveyed.strangers.len(), "row", "rows");
        ui.warning(
            &format!("{rows} of the statistics are nobody's in the directory: {}{more}", some.join("; ")),
            Some("export MailboxGuid or LegacyDN beside the names; who left since the export is no fault"),
        );
    }
    if unsized_people > 0 {
        let who = plural(unsized_people, "mailbox", "mailboxes");
        ui.status(&format!(
            "note: sizes of {who} are not in it; the lab makes them up, and a rehearsal counts them among the invented \
             facts. `--statistics` brings them: {SIZES_BY}"
        ));
    }
    let whats: Vec<&str> = hidden.iter().map(|h| h.what).collect();
    if ui.verbosity() == Verbosity::Verbose {
        for h in &hidden {
            ui.status(&format!("no wire shows {} ({}): {}", h.what, h.path, h.why));
        }
    } else {
        ui.status(&format!("note: no wire shows {}", whats.join("; ")));
    }
    if !faults.is_empty() {
        let spots: Vec<Spot> = faults.iter().map(|f| companies::spot(&out, f)).collect();
        ui.findings(&spots);
        let count = plural(faults.len(), "place", "places");
        ui.warning(
            &format!("`--world` refuses {count} of the file: the lab can't play what stands there"),
            Some("mend them as said above; what is wrong in the directory itself is better mended there"),
        );
    }
    let code = if faults.is_empty() { 0 } else { 3 };
    if context.json {
        let whole = json!({
            "event": "summary",
            "company": name,
            "mailboxes": file.people.len(),
            "objects": file.objects.as_ref().map_or(0, Vec::len),
            "domains": file.company.as_ref().and_then(|c| c.domains.as_ref()),
            "sizes": {"given": sized, "left_out": unsized_people, "rows": statistics.len().0},
            "permissions": file.permissions.len(),
            "pseudonyms": args.pseudonyms,
            "holes": file.survey.as_ref().map(|s| &s.holes),
            "notes": surveyed.remarks,
            "strangers": surveyed.strangers,
            "hidden": hidden.iter().map(|h| json!({"path": h.path, "what": h.what, "why": h.why})).collect::<Vec<_>>(),
            "faults": faults.len(),
            "file": out,
            "exit": code,
        });
        ui.print(&format!("{whole}\n"));
    } else {
        ui.print(&format!("{out}\n"));
    }
    Ok(code)
}

/// Whether the file has what no wire shows all the same: an export brought it.
fn is_brought(hidden: &Hidden, file: &CompanyFile) -> bool {
    match hidden.path {
        "people[].items" => file.people.iter().all(|p| p.items.is_some()),
        "people[].bytes" => file.people.iter().all(|p| p.bytes.is_some()),
        "permissions*" => !file.permissions.is_empty(),
        _ => false,
    }
}
