//! The company file, as named on the command line: read, told, written.

use std::io::Write as _;
use std::path::Path;

use super::Context;
use super::args::{FaultLevel, World};
use crate::base::{Failure, Kind, Result};
use crate::lab::company::{self, Draft};
use crate::lab::file::{self, CompanyFile, Fault};
use crate::lab::settings::Settings;
use crate::lab::{Faults, Options};
use crate::migration::list::Mailboxes;
use crate::run::report::plural;
use crate::ui::Spot;

/// Most bytes of a company file: some 200,000 people with all their facts.
const LARGEST: u64 = 256 << 20;

/// Reads the company file of `--world`, if one is named; every fault is told in
/// one pass. Settings of the command line are looked at first.
pub(crate) fn named(context: &Context, world: &World) -> Result<Option<CompanyFile>> {
    settle(&mut Settings::default(), world)?;
    world.company.as_deref().map(|path| read(context, path)).transpose()
}

/// Lays the settings of the command line over those of the company.
fn settle(settings: &mut Settings, world: &World) -> Result<()> {
    for pair in &world.settings {
        settings.set_pair(pair).map_err(|(said, remedy)| Failure::new(Kind::Usage, said).hint(remedy))?;
    }
    Ok(())
}

fn read(context: &Context, path: &Path) -> Result<CompanyFile> {
    let name = path.display().to_string();
    let bytes = bytes(&name, path)?;
    let file = file::read(&bytes).map_err(|faults| {
        let spots: Vec<Spot> = faults.iter().map(|fault| spot(&name, fault)).collect();
        context.ui.findings(&spots);
        let count = plural(faults.len(), "fault", "faults");
        Failure::new(Kind::Validation, format!("the company file {name} has {count}; nothing was done"))
            .hint("mend the places above, then run again; docs/company.md has the format")
    })?;
    for hole in file.survey.iter().flat_map(|s| &s.holes) {
        context.ui.warning(
            &format!("the survey could not read {hole}"),
            Some("the lab makes it up; survey again with that right, or write it into the file"),
        );
    }
    Ok(file)
}

fn bytes(name: &str, path: &Path) -> Result<Vec<u8>> {
    let wrong = |e: std::io::Error| {
        let (what, hint) = match e.kind() {
            std::io::ErrorKind::NotFound => {
                ("is not there", "check the name; `stagepost lab --write-company FILE` writes one to begin with")
            }
            std::io::ErrorKind::PermissionDenied => ("may not be read", "give this user the right to read it"),
            std::io::ErrorKind::IsADirectory => ("is a folder", "name the JSON file itself"),
            _ => ("can't be read", "check the disk and the name"),
        };
        Failure::new(Kind::Usage, format!("the company file {name} {what}")).detail(e.to_string()).hint(hint)
    };
    let found = std::fs::metadata(path).map_err(wrong)?;
    if !found.is_file() && !found.is_dir() {
        return Err(Failure::new(Kind::Usage, format!("the company file {name} is a pipe or a device, not a file"))
            .hint("save it as a file first"));
    }
    if found.is_file() && found.len() > LARGEST {
        return Err(Failure::new(Kind::Usage, format!("the company file {name} is larger than 256 MB"))
            .hint("a company of 200,000 mailboxes takes less"));
    }
    std::fs::read(path).map_err(wrong)
}

/// A fault as the terminal shows it.
pub(crate) fn spot(name: &str, fault: &Fault) -> Spot {
    let text = match fault.path.as_str() {
        "" => fault.text.clone(),
        path => format!("{path}: {}", fault.text),
    };
    Spot {
        file: name.to_owned(),
        line: fault.line as u64,
        column: fault.column as u64,
        width: fault.width as u64,
        excerpt: fault.excerpt.clone(),
        text,
        remedy: fault.remedy.clone(),
        rule: fault.rule.to_owned(),
        severity: "error".to_owned(),
        row: String::new(),
        count: 1,
    }
}

/// The company that the lab is made from: of a file, of a list, or the sample.
pub(crate) fn draft(world: &World, file: Option<&CompanyFile>, list: Option<&Mailboxes>) -> Result<Draft> {
    let faults = match world.faults {
        FaultLevel::None => Faults::None,
        FaultLevel::Usual => Faults::Usual,
    };
    let draft = match file {
        Some(file) => file::load::draft(file, world.seed, faults),
        None => company::draft(&Options {
            seed: world.seed,
            faults,
            list: list.map(Mailboxes::addresses),
            make: world.make as usize,
        }),
    };
    let mut draft = draft.map_err(|why| {
        let hint = if file.is_some() { "correct the company file" } else { "correct the list" };
        Failure::new(Kind::Validation, format!("the lab can't build this company: {why}"))
            .hint(format!("{hint}, then run again"))
    })?;
    settle(&mut draft.world.settings, world)?;
    Ok(draft)
}

/// Writes a company as a file that is not there yet; how many people are in it.
pub(crate) fn write(draft: &Draft, path: &Path) -> Result<usize> {
    let file = file::write::file(draft);
    let name = path.display();
    let wrong = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(Kind::Local, format!("the file {name} is there already, and may have been edited"))
                .hint("name another one, or take it away first")
        }
        _ => Failure::new(Kind::Local, format!("the company file {name} can't be written"))
            .detail(e.to_string())
            .hint("name a file in a folder that may be written"),
    };
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(wrong)?;
    out.write_all(file::write::text(&file).as_bytes()).map_err(wrong)?;
    Ok(file.people.len())
}
