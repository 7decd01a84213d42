//! `mailboxes::…` and what is done with a set of mailboxes without a service.

use std::path::Path;

use rhai::Dynamic;
use serde::Deserialize;

use super::declare::{Arg, Call, Effect, Kind, Primitive};
use crate::base::{self, Failure, Result};
use crate::migration::list::Mailboxes;
use crate::migration::read::{self, Reading};
use crate::migration::rules::{Finding, Severity, UNKNOWN_COLUMN};
use crate::run::narrate::What;
use crate::run::session::Session;

/// The table.
pub const PRIMITIVES: &[Primitive] = &[
    Primitive {
        namespace: "mailboxes",
        name: "read",
        args: &[
            Arg::new("path", Kind::Text, "The list; relative to the project's folder"),
            Arg::maybe(
                "options",
                Kind::Options,
                "`unknown_columns` (as in stagepost.toml): true keeps columns that a batch doesn't know, for a list that \
                 says more about people",
            ),
        ],
        returns: "Mailboxes",
        summary: "Reads a list of mailboxes",
        about: "A CSV file with the column EmailAddress, and optionally Password and ForceChangePassword. Every fault \
                of the file is found in one pass; with a fault nothing is read. The limit of 2,000 rows belongs to a \
                batch, not to a company's list. A column that a batch doesn't know is a fault, as it may be a slip, \
                unless `unknown_columns` keeps it; it is never sent.",
        failures: &[base::Kind::Validation, base::Kind::Local],
        effect: Effect::Local,
        way_back: "",
        example: "let list = mailboxes::read(\"mailboxes.csv\");\nprint(list.len);",
        since: "0.1",
        methods_too: false,
        call: read_list,
    },
    Primitive {
        namespace: "mailboxes",
        name: "of",
        args: &[Arg::new("addresses", Kind::Texts, "Primary addresses")],
        returns: "Mailboxes",
        summary: "Makes a set of mailboxes from addresses",
        about: "For a few mailboxes at the prompt; a wave comes from a list.",
        failures: &[],
        effect: Effect::Local,
        way_back: "",
        example: "let two = mailboxes::of([\"ann@contoso.test\", \"bo@contoso.test\"]);\nprint(two.len);",
        since: "0.1",
        methods_too: false,
        call: |call| Ok(Dynamic::from(Mailboxes::from_addresses(&call.texts(0)?))),
    },
];

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ReadOptions {
    unknown_columns: Option<bool>,
}

fn read_list(call: &mut Call) -> Result<Dynamic> {
    let name = call.text(0)?;
    let options: ReadOptions = call.options(1)?;
    let path = call.session().path(&name);
    let bytes = read_bytes(&name, &path)?;
    call.session().pin_file("mailboxes::read", &name, &bytes)?;
    call.session().rests_on(&name, &path, &bytes);
    let unknown_columns = options.unknown_columns.unwrap_or(call.session().project().unknown_columns);
    let how = Reading { unknown_columns, ..Reading::default() };
    let (list, findings) = read::read_with(&name, &bytes, &how);
    // Who asked for unknown columns knows that they are there.
    let is_asked_for = |f: &Finding| options.unknown_columns == Some(true) && f.rule == UNKNOWN_COLUMN;
    for finding in findings.iter().filter(|f| f.severity == Severity::Warning && !is_asked_for(f)) {
        call.session().note(What::Finding {
            severity: "warning".into(),
            target: format!("{}:{}", finding.file, finding.line),
            message: finding.text.clone(),
            hint: finding.remedy.clone(),
        });
    }
    match list {
        Some(list) => {
            call.session().list_was_read(&list);
            Ok(Dynamic::from(list))
        }
        None => Err(list_failure(&name, &findings)),
    }
}

/// A list that a kept set came from: as this pass has read it, or as its file is
/// now. `None` if the file is gone or has faults; what was kept is whole without
/// it, but for secrets.
pub fn list_of(session: &Session, file: &str) -> Option<Mailboxes> {
    if let Some(list) = session.list_read(file) {
        return Some(list);
    }
    let bytes = read_bytes(file, &session.path(file)).ok()?;
    let list = read::read_with(file, &bytes, &Reading { unknown_columns: true, ..Reading::default() }).0?;
    session.list_was_read(&list);
    Some(list)
}

/// Most bytes of a list: some 200,000 rows, while a disk image named by
/// mistake is refused before it fills the memory.
const LARGEST: u64 = 8 << 20;

/// The bytes of a list. It is read again by the script, so that a pipe, whose
/// bytes come once, can't be one; a device has no end.
///
/// # Errors
/// `local`: not there, not a file, may not be read, larger than 8 MB.
pub fn read_bytes(name: &str, path: &Path) -> Result<Vec<u8>> {
    let wrong = |e: std::io::Error| unreadable(name, &e);
    let found = std::fs::metadata(path).map_err(wrong)?;
    if !found.is_file() && !found.is_dir() {
        return Err(Failure::new(base::Kind::Local, format!("the list {name} is a pipe or a device, not a file"))
            .on(name)
            .hint("save it as a file first: it is read more than once"));
    }
    if found.len() > LARGEST && found.is_file() {
        return Err(Failure::new(base::Kind::Local, format!("the list {name} is larger than 8 MB"))
            .on(name)
            .hint("name the list of mailboxes itself; a company of 200,000 mailboxes takes less"));
    }
    std::fs::read(path).map_err(wrong)
}

/// Why a list's file can't be read.
pub fn unreadable(name: &str, error: &std::io::Error) -> Failure {
    let (what, hint) = match error.kind() {
        std::io::ErrorKind::NotFound => {
            ("is not there", "check the name; relative paths start at the project's folder")
        }
        std::io::ErrorKind::PermissionDenied => ("may not be read", "give this user the right to read it"),
        std::io::ErrorKind::IsADirectory => ("is a folder", "name the CSV file itself"),
        _ => ("can't be read", "check the disk and the name"),
    };
    Failure::new(base::Kind::Local, format!("the list {name} {what}")).on(name).detail(error.to_string()).hint(hint)
}

/// All faults of a list as one failure.
pub fn list_failure(name: &str, findings: &[Finding]) -> Failure {
    let errors: Vec<&Finding> = findings.iter().filter(|f| f.severity == Severity::Error).collect();
    let count = crate::run::report::plural(errors.len(), "fault", "faults");
    let lines: Vec<String> =
        errors.iter().take(50).map(|f| format!("{}:{}:{} {} {}", f.file, f.line, f.column, f.rule, f.text)).collect();
    let more = errors.len().saturating_sub(lines.len());
    let mut detail = lines.join("\n");
    if more > 0 {
        detail.push_str(&format!("\nand {more} more"));
    }
    let remedy = errors.first().map(|f| f.remedy.clone()).unwrap_or_default();
    Failure::new(base::Kind::Validation, format!("the list {name} has {count}")).on(name).detail(detail).hint(remedy)
}
