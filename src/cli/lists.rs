//! The customer's list and script, as named on the command line.

use std::path::{Path, PathBuf};

use super::Context;
use crate::base::{Failure, Kind, Result};
use crate::host::bundled;
use crate::migration::list::Mailboxes;
use crate::migration::read::{self, Reading};
use crate::migration::rules::{Finding, Severity};
use crate::ui::Spot;

/// Reads a list; every fault is told in one pass. `unknown_columns`: foreign
/// columns are kept and only warned about, as stagepost.toml may say.
pub(crate) fn list(context: &Context, path: &Path, unknown_columns: bool) -> Result<Mailboxes> {
    let name = path.display().to_string();
    let bytes = crate::api::mailboxes::read_bytes(&name, path).map_err(|mut failure| {
        failure.kind = Kind::Usage;
        failure
    })?;
    let (list, findings) = read::read_with(&name, &bytes, &Reading { unknown_columns, ..Reading::default() });
    let spots: Vec<Spot> = findings.iter().map(spot).collect();
    if !spots.is_empty() {
        context.ui.findings(&spots);
    }
    list.ok_or_else(|| {
        let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
        let count = crate::run::report::plural(errors, "fault", "faults");
        Failure::new(Kind::Validation, format!("the list {name} has {count}; nothing was done"))
            .hint("mend the lines above, then run again")
    })
}

pub(crate) fn spot(finding: &Finding) -> Spot {
    let (excerpt, width) = finding.excerpt.clone().unwrap_or_default();
    Spot {
        file: finding.file.clone(),
        line: finding.line as u64,
        column: finding.column as u64,
        width: width as u64,
        excerpt,
        text: finding.text.clone(),
        remedy: finding.remedy.clone(),
        rule: finding.rule.to_owned(),
        severity: finding.severity.word().to_owned(),
        row: finding.row.clone(),
        count: finding.count as u64,
    }
}

/// A script: its name for messages, and its text.
pub(crate) struct Script {
    pub name: String,
    pub text: String,
}

/// Finds a script: a file, the project's own copy of a standard one, or the
/// bundled one (`staged` for `scripts/staged.rhai`).
pub(crate) fn script(project: &Path, wanted: &str) -> Result<Script> {
    let mut tried: Vec<PathBuf> = vec![PathBuf::from(wanted)];
    if !wanted.ends_with(".rhai") {
        tried.push(project.join("scripts").join(format!("{wanted}.rhai")));
    }
    for path in &tried {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                // Notepad puts a byte order mark before UTF-8; the language knows none.
                let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
                return Ok(Script { name: path.display().to_string(), text });
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            // `staged` may be a folder, and a script by that name stand elsewhere.
            Err(_) if path.is_dir() && !wanted.ends_with(".rhai") && !wanted.contains('/') => {}
            Err(_) if path.is_dir() => {
                return Err(Failure::new(Kind::Usage, format!("the script {} is a folder", path.display()))
                    .hint("name the file itself"));
            }
            Err(e) => {
                return Err(Failure::new(Kind::Usage, format!("the script {} can't be read", path.display()))
                    .detail(e.to_string())
                    .hint("it must be a text file in UTF-8 that this user may read"));
            }
        }
    }
    let bundled_name = if wanted.ends_with(".rhai") { wanted.to_owned() } else { format!("scripts/{wanted}.rhai") };
    if let Some(text) = bundled::script(&bundled_name) {
        return Ok(Script { name: bundled_name, text: text.to_owned() });
    }
    Err(unknown(project, wanted))
}

fn unknown(project: &Path, wanted: &str) -> Failure {
    let mut names: Vec<String> = bundled::SCRIPTS
        .iter()
        .map(|(path, _)| path.trim_start_matches("scripts/").trim_end_matches(".rhai").to_owned())
        .collect();
    for folder in [project.to_path_buf(), project.join("scripts")] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".rhai") {
                names.push(name);
            }
        }
    }
    names.sort();
    names.dedup();
    let base = wanted.rsplit('/').next().unwrap_or(wanted);
    let bare = |n: &str| n.trim_end_matches(".rhai").to_owned();
    let near = names
        .iter()
        .map(|n| (strsim::damerau_levenshtein(&bare(n), &bare(base)), n))
        .filter(|(distance, n)| *distance <= 2.max(n.len() / 3) && *distance < base.len())
        .min();
    let hint = match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("there are: {}", names.join(", ")),
    };
    Failure::new(Kind::Usage, format!("there is no script `{wanted}`")).hint(hint)
}
