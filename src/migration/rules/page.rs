//! The table of the rules, for the documentation.

use super::{Example, Rule, Severity, SignIn, every_rule};
use crate::migration::against::{self, ListRule};
use crate::migration::kind::Kind;

/// The page `docs/rules.md` as it must stand.
pub fn page() -> String {
    let mut out = String::from(
        "# The rules of a list\n\n\
         What `stagepost validate` looks for, and what a list must keep before a batch is made of it. An identifier never \
         changes its meaning. SP1xx are rules of the file alone, SP2xx of the list against the directories, SP3xx of \
         licences; what those are for a kind of migration stands in its column, and an empty cell is not judged. An error stops, \
         a warning is said and gone on. A test reads each example and finds that it breaks its rule, those that it implies, \
         and no other; for SP2xx and SP3xx the example is a small company. `stagepost explain SP114` says the same as this page, with cause and \
         remedy.\n",
    );
    for (heading, with) in [("The file", "SP1"), ("The list against the directories", "SP2"), ("Licences", "SP3")] {
        let mut rules: Vec<&Rule> = every_rule().filter(|rule| rule.id.starts_with(with)).collect();
        if rules.is_empty() {
            continue;
        }
        rules.sort_by_key(|rule| rule.id);
        out.push_str(&format!("\n## {heading}\n\n"));
        if let Some(listed) = rules.iter().map(|rule| against::of(rule.id)).collect::<Option<Vec<_>>>() {
            out.push_str(&of_directories(&listed));
            continue;
        }
        out.push_str("| rule | severity | what it demands | kinds | source | example | implies |\n");
        out.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
        for rule in rules {
            let severity = match rule.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let cells = [
                rule.id.to_owned(),
                severity.to_owned(),
                rule.meaning.to_owned(),
                kinds(rule),
                rule.source.to_owned(),
                shown(&rule.example),
                rule.implies.join(", "),
            ];
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            out.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    out
}

/// Rules that look at the directories: how grave each is hangs on the kind.
fn of_directories(rules: &[&ListRule]) -> String {
    let mut out = String::from(
        "| rule | staged | remote move | cutover | IMAP | looks | what it demands | source | example | not said beside it |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for listed in rules {
        let mut cells = vec![listed.rule.id.to_owned()];
        cells.extend(Kind::ALL.map(|kind| listed.severity(kind).map_or("", Severity::word).to_owned()));
        cells.extend([
            listed.side.word().to_owned(),
            listed.rule.meaning.to_owned(),
            listed.rule.source.to_owned(),
            shown(&listed.rule.example),
            listed.silences.join(", "),
        ]);
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out
}

/// For which kinds a rule holds, in words.
pub(super) fn kinds(rule: &Rule) -> String {
    let all = [Kind::Staged, Kind::RemoteMove, Kind::Imap];
    if all.iter().all(|kind| rule.kinds.contains(kind)) {
        return "all".to_owned();
    }
    let words: Vec<&str> = rule.kinds.iter().map(|kind| kind.word()).collect();
    words.join(", ")
}

/// An example on one line; bytes that are no text in hexadecimal.
fn shown(example: &Example) -> String {
    match example {
        Example::File(bytes, how) => match how.sign_in {
            SignIn::Synchronized => format!("`{}` with `--sign-in synchronized`", escaped(bytes)),
            SignIn::Federated => format!("`{}` with `--sign-in federated`", escaped(bytes)),
            SignIn::Unknown | SignIn::Cloud => format!("`{}`", escaped(bytes)),
        },
        Example::Made(about, ..) => (*about).to_owned(),
        Example::Files(files, _) => {
            files.iter().map(|bytes| format!("`{}`", escaped(bytes))).collect::<Vec<_>>().join(" and ")
        }
        Example::Situation(text) => (*text).to_owned(),
    }
}

/// Text with what can't be seen written out.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '`' => out.push('\''),
                c if c.is_control()
                    || (!c.is_ascii() && (c.is_whitespace() || crate::migration::address::is_invisible(c))) =>
                {
                    out.push_str(&format!("\\u{{{:04X}}}", u32::from(c)));
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02X}"));
        }
    }
    out
}

impl Example {
    /// The example for `explain`: a file line by line, anything else in words.
    pub fn text(&self) -> String {
        let lines = |bytes: &[u8]| -> String {
            let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            bytes.split(|b| *b == b'\n').map(|line| format!("  {}\n", escaped(line))).collect()
        };
        match self {
            Example::File(bytes, _) => lines(bytes),
            Example::Files(files, _) => {
                let each = files.iter().enumerate().map(|(n, bytes)| format!("  file {}\n{}", n + 1, lines(bytes)));
                each.collect()
            }
            Example::Made(text, ..) | Example::Situation(text) => format!("  {text}\n"),
        }
    }
}

impl Rule {
    /// For which kinds it holds, in words.
    pub fn kinds_text(&self) -> String {
        kinds(self)
    }
}
