//! `stagepost validate`: every fault of a list before a tenant sees it, a
//! corrected copy, and the list cut into files for batches.
//!
//! Files are read here and nowhere changed: what is written is new, or nothing
//! is written. What is a fault is decided in `migration`.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::against::{self, Given, Whose};
use super::args::{ListKind, ListSignIn, Validate};
use super::{Context, lists};
use crate::api::mailboxes::unreadable;
use crate::base::{Failure, Kind, Result};
use crate::migration::encoding::{Text, decode};
use crate::migration::kind;
use crate::migration::mend::{Correction, mend};
use crate::migration::read::{Examined, File, Reading, SignIn, examine};
use crate::migration::rules::{self, Severity};
use crate::migration::split::{Uncut, split};
use crate::report::words;
use crate::ui::Spot;

/// Most bytes of all files together: ten million addresses. What is larger is
/// no list, and is refused before it fills the memory.
const LARGEST: u64 = 256 << 20;

/// Exit code 3 if there is an error; with `--fix`, in the corrected copy.
pub(crate) fn validate(context: &Context, args: &Validate) -> Result<u8> {
    let how = reading(args);
    let writes = args.fix.is_some() || args.split.is_some();
    if writes && args.files.len() > 1 {
        return Err(Failure::new(Kind::Usage, "`--fix` and `--split` take one list at a time")
            .hint("run it once for each list"));
    }
    let mut left = LARGEST;
    let mut files = Vec::with_capacity(args.files.len());
    for path in &args.files {
        let name = path.display().to_string();
        let bytes = read(&name, path, left)?;
        left = left.saturating_sub(bytes.len() as u64);
        files.push((name, bytes));
    }
    let texts: Vec<Text> = files.iter().map(|(_, bytes)| decode(bytes)).collect();
    let judged: Vec<File> =
        files.iter().zip(&texts).map(|((name, bytes), text)| File::new(name, bytes, text)).collect();
    if let (Some(out), [file], [text], [path]) = (&args.fix, &*judged, &*texts, &*args.files) {
        return fix(context, args, &how, file, text, path, out);
    }
    let mut examined = judge(&judged, &how, args);
    let given: Vec<Given> = files.iter().zip(&texts).map(|((name, bytes), text)| Given { name, bytes, text }).collect();
    let together = ask(context, args, &given, &how, &mut examined)?;
    tell(context, &examined);
    let code = summary(context, args.files.len(), &examined);
    if let (Some(most), [path], [text], [found]) = (args.split, &*args.files, &*texts, &*examined) {
        if found.findings.iter().any(|f| f.severity == Severity::Error) {
            return Err(Failure::new(Kind::Validation, "the list has faults, and was not cut")
                .hint("mend the lines above, or let `--fix` mend what is mechanical"));
        }
        // In the form that the service wants, whatever that of the list.
        let Some(copy) = mend(text, &how) else { return Ok(code) };
        return cut(context, args, &how, &copy.text, path, most, &together);
    }
    Ok(code)
}

fn reading(args: &Validate) -> Reading {
    Reading {
        unknown_columns: args.unknown_columns,
        kind: match args.kind {
            ListKind::Staged => kind::Kind::Staged,
            ListKind::RemoteMove => kind::Kind::RemoteMove,
            ListKind::Cutover => kind::Kind::Cutover,
            ListKind::Imap => kind::Kind::Imap,
        },
        sign_in: match args.sign_in {
            None => SignIn::Unknown,
            Some(ListSignIn::Cloud) => SignIn::Cloud,
            Some(ListSignIn::Synchronized) => SignIn::Synchronized,
            Some(ListSignIn::Federated) => SignIn::Federated,
        },
        is_batch_file: true,
    }
}

/// The bytes of a list, at most so many.
fn read(name: &str, path: &Path, most: u64) -> Result<Vec<u8>> {
    let usage = |mut failure: Failure| {
        failure.kind = Kind::Usage;
        failure
    };
    let wrong = |e: std::io::Error| usage(unreadable(name, &e));
    let found = std::fs::metadata(path).map_err(wrong)?;
    if found.is_dir() {
        return Err(wrong(std::io::ErrorKind::IsADirectory.into()));
    }
    if !found.is_file() {
        return Err(Failure::new(Kind::Usage, format!("the list {name} is a pipe or a device, not a file"))
            .on(name)
            .hint("save it as a file first"));
    }
    let large = || {
        Failure::new(Kind::Usage, format!("the list {name} is too large: lists may have 256 MB in all"))
            .on(name)
            .hint("name the list of mailboxes itself; ten million addresses take less")
    };
    if found.len() > most {
        return Err(large());
    }
    let file = std::fs::File::open(path).map_err(wrong)?;
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0) + 1);
    // A file that grows is read no further than it may be.
    file.take(most + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() as u64 > most {
        return Err(large());
    }
    let after = std::fs::metadata(path).map_err(wrong)?;
    if after.len() != bytes.len() as u64 || found.len() != after.len() {
        return Err(Failure::new(Kind::Usage, format!("the list {name} changed while it was read"))
            .on(name)
            .hint("wait until it is written to its end, then run again"));
    }
    Ok(bytes)
}

/// Judges against directories as well, where the call names some; who works
/// together is known to them only.
fn ask(
    context: &Context,
    args: &Validate,
    files: &[Given],
    how: &Reading,
    examined: &mut [Examined],
) -> Result<Vec<(String, String)>> {
    let whose = match (&args.against, &args.world) {
        (Some(profile), _) => Whose::Profile(profile),
        (None, Some(company)) => Whose::World(company),
        (None, None) => return Ok(Vec::new()),
    };
    against::add(context, files, how, whose, examined)
}

/// Findings of each file. That there are too many rows is what cutting is for.
fn judge(files: &[File], how: &Reading, args: &Validate) -> Vec<Examined> {
    let mut examined = examine(files, how);
    if args.split.is_some() {
        for file in &mut examined {
            file.findings.retain(|f| ![rules::TOO_MANY_ROWS, rules::TOO_MANY_BYTES].contains(&f.rule));
        }
    }
    examined
}

fn tell(context: &Context, examined: &[Examined]) {
    let spots: Vec<Spot> = examined.iter().flat_map(|e| e.findings.iter().map(lists::spot)).collect();
    context.ui.findings(&spots);
}

/// The last line, and the exit code.
fn summary(context: &Context, files: usize, examined: &[Examined]) -> u8 {
    let count = |severity: Severity| -> usize {
        let all = examined.iter().flat_map(|e| &e.findings);
        all.filter(|f| f.severity == severity).map(|f| f.count).sum()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let rows: usize = examined.iter().map(|e| e.rows).sum();
    if context.json {
        let line = json!({"event": "summary", "files": files, "rows": rows, "errors": errors, "warnings": warnings});
        context.ui.print(&format!("{line}\n"));
    } else {
        let rows = words::counted(rows as u64, "row", "rows");
        let said = match errors {
            0 => "nothing that stops a batch".to_owned(),
            _ => words::counted(errors as u64, "error", "errors"),
        };
        context.ui.status(&format!("{rows} read, {said}"));
    }
    if errors > 0 { 3 } else { 0 }
}

/// Writes the corrected copy and judges it.
fn fix(
    context: &Context,
    args: &Validate,
    how: &Reading,
    file: &File,
    text: &Text,
    path: &Path,
    out: &Path,
) -> Result<u8> {
    let copy = match file.no_text {
        None => mend(text, how),
        Some(_) => None,
    };
    let Some(copy) = copy else {
        let examined = examine(std::slice::from_ref(file), how);
        tell(context, &examined);
        return Err(Failure::new(Kind::Validation, format!("nothing of {} can be corrected by itself", file.name))
            .hint("mend what stands above by hand"));
    };
    write_new(&[(out.to_owned(), copy.text.as_bytes())])?;
    for correction in &copy.corrections {
        told(context, &path.display().to_string(), correction);
    }
    let name = out.display().to_string();
    let decoded = decode(copy.text.as_bytes());
    let bytes = copy.text.as_bytes();
    let mut examined = judge(&[File::new(&name, bytes, &decoded)], how, args);
    let given = [Given { name: &name, bytes, text: &decoded }];
    let together = ask(context, args, &given, how, &mut examined)?;
    tell(context, &examined);
    if !context.json {
        let done = match copy.corrections.len() {
            0 => "there was nothing to correct".to_owned(),
            n => words::counted(n as u64, "sort of fault corrected", "sorts of faults corrected"),
        };
        context.ui.status(&format!("{name} is written: {done}"));
    }
    let code = summary(context, 1, &examined);
    match args.split {
        Some(most) if code == 0 => cut(context, args, how, &copy.text, out, most, &together),
        Some(_) => Err(Failure::new(Kind::Validation, format!("{name} still has faults, and was not cut"))
            .hint("mend the lines above in the copy, then cut it")),
        None => Ok(code),
    }
}

/// One sort of correction on one line.
fn told(context: &Context, name: &str, correction: &Correction) {
    if context.json {
        let line = json!({
            "event": "correction", "file": name, "rule": correction.rule, "text": correction.text,
            "lines": correction.lines,
        });
        return context.ui.print(&format!("{line}\n"));
    }
    let place = match correction.lines.as_slice() {
        [] => String::new(),
        [line] => format!(", line {line}"),
        lines => format!(", {} lines: {}", words::count(lines.len() as u64), ranges(lines)),
    };
    context.ui.status(&format!("corrected [{}]: {}{place}", correction.rule, correction.text));
}

/// Lines as ranges; of very many the first.
fn ranges(lines: &[u64]) -> String {
    const SHOWN: usize = 200;
    let text = words::ranges(lines.get(..lines.len().min(SHOWN)).unwrap_or_default());
    if lines.len() > SHOWN { format!("{text}, …") } else { text }
}

/// Cuts a sound list into files beside it, or into a folder.
fn cut(
    context: &Context,
    args: &Validate,
    how: &Reading,
    text: &str,
    path: &Path,
    most: u32,
    together: &[(String, String)],
) -> Result<u8> {
    let parts = split(text, how, most as usize, together).map_err(|uncut| match uncut {
        Uncut::NoList => Failure::new(Kind::Validation, format!("{} is no list that can be cut", path.display())),
        Uncut::TooLarge(who) => {
            Failure::new(Kind::Validation, format!("{} mailboxes work together, and a file may have {most}", who.len()))
                .detail(words::names(&who, 10))
                .hint("allow more rows a file")
        }
    })?;
    let stem = path.file_stem().map_or_else(|| "list".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let folder = args.into.clone().unwrap_or_else(|| path.parent().map(Path::to_path_buf).unwrap_or_default());
    let digits = parts.len().to_string().len().max(2);
    let named: Vec<(PathBuf, &[u8])> = parts
        .iter()
        .enumerate()
        .map(|(n, part)| (folder.join(format!("{stem}-{:0digits$}.csv", n + 1)), part.as_bytes()))
        .collect();
    if args.into.is_some() {
        std::fs::create_dir_all(&folder).map_err(|e| unwritable(&folder, &e))?;
    }
    write_new(&named)?;
    for (path, part) in &named {
        let rows = part.iter().filter(|byte| **byte == b'\n').count().saturating_sub(1);
        let path = path.display().to_string();
        if context.json {
            let line = json!({"event": "file", "file": path, "rows": rows});
            context.ui.print(&format!("{line}\n"));
        } else {
            context.ui.print(&format!("{path}\n"));
        }
    }
    Ok(0)
}

/// Writes files that must not be there yet; none if one of them is.
fn write_new(files: &[(PathBuf, &[u8])]) -> Result<()> {
    if let Some((path, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        return Err(there_already(path));
    }
    for (path, bytes) in files {
        let made = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
        let mut file = made.map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => there_already(path),
            _ => unwritable(path, &e),
        })?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| unwritable(path, &e))?;
    }
    Ok(())
}

fn there_already(path: &Path) -> Failure {
    Failure::new(Kind::Usage, format!("{} is there already, and is not written over", path.display()))
        .hint("name a file that isn't there, or move this one away")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Usage, format!("{} can't be written", path.display()))
        .detail(error.to_string())
        .hint("name a folder that you may write to")
}
