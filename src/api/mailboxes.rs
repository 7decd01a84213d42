//! `mailboxes::…` and what is done with a set of mailboxes without a service.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rhai::{Array, Dynamic, Map};
use serde::Deserialize;

use super::declare::{Arg, Call, Effect, Kind, Primitive};
use crate::base::{self, Failure, Result};
use crate::migration::list::Mailboxes;
use crate::migration::read::{self, Reading};
use crate::migration::rules::{Finding, Severity};
use crate::migration::waves::{self, Keep, Rules};
use crate::run::narrate::What;

/// The table.
pub const PRIMITIVES: &[Primitive] = &[
    Primitive {
        namespace: "mailboxes",
        name: "read",
        args: &[Arg::new("path", Kind::Text, "The list; relative to the project's folder")],
        returns: "Mailboxes",
        summary: "Reads a list of mailboxes",
        about: "A CSV file with the column EmailAddress, and optionally Password and ForceChangePassword. Every fault \
                of the file is found in one pass; with a fault nothing is read. The limit of 2,000 rows belongs to a \
                batch, not to a company's list.",
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
    Primitive {
        namespace: "",
        name: "take",
        args: &[Arg::new("mailboxes", Kind::Mailboxes, "The set"), Arg::new("count", Kind::Int, "How many")],
        returns: "Mailboxes",
        summary: "The first mailboxes of a set",
        about: "Fewer if there are not so many.",
        failures: &[],
        effect: Effect::Local,
        way_back: "",
        example: "let list = mailboxes::read(\"mailboxes.csv\");\nprint(list.take(5).len);",
        since: "0.1",
        methods_too: true,
        call: |call| {
            let count = usize::try_from(call.int(1)?).unwrap_or(0);
            Ok(Dynamic::from(call.get::<Mailboxes>(0)?.take(count)))
        },
    },
    Primitive {
        namespace: "",
        name: "skip",
        args: &[
            Arg::new("mailboxes", Kind::Mailboxes, "The set"),
            Arg::new("count", Kind::Int, "How many to leave out"),
        ],
        returns: "Mailboxes",
        summary: "A set without its first mailboxes",
        about: "Empty if there are not so many.",
        failures: &[],
        effect: Effect::Local,
        way_back: "",
        example: "let list = mailboxes::read(\"mailboxes.csv\");\nprint(list.skip(5).len);",
        since: "0.1",
        methods_too: true,
        call: |call| {
            let count = usize::try_from(call.int(1)?).unwrap_or(0);
            Ok(Dynamic::from(call.get::<Mailboxes>(0)?.skip(count)))
        },
    },
    Primitive {
        namespace: "",
        name: "waves_of",
        args: &[
            Arg::new("mailboxes", Kind::Mailboxes, "Who is to move"),
            Arg::maybe(
                "options",
                Kind::Options,
                "`pilot` (5), `at_most` (100), `together` (pairs of addresses, or maps with owner and delegate)",
            ),
        ],
        returns: "array of map",
        summary: "Divides mailboxes into waves",
        about: "A pilot first, then waves of at most `at_most`; who works together stays together. Where that would \
                make over 90 batches the waves grow: a tenant holds 100 batches and none goes before the MX change. \
                Each wave is a map with name and mailboxes.",
        failures: &[base::Kind::Validation],
        effect: Effect::Local,
        way_back: "",
        example: "let list = mailboxes::read(\"mailboxes.csv\");\nfor wave in waves_of(list, #{ pilot: 2, at_most: 10 }) { print(wave.name); }",
        since: "0.1",
        methods_too: false,
        call: waves_of,
    },
];

fn read_list(call: &mut Call) -> Result<Dynamic> {
    let name = call.text(0)?;
    let path = call.session().path(&name);
    let bytes = read_bytes(&name, &path)?;
    let how = Reading { unknown_columns: call.session().project().unknown_columns, ..Reading::default() };
    let (list, findings) = read::read_with(&name, &bytes, &how);
    for finding in findings.iter().filter(|f| f.severity == Severity::Warning) {
        call.session().note(What::Finding {
            severity: "warning".into(),
            target: format!("{}:{}", finding.file, finding.line),
            message: finding.text.clone(),
            hint: finding.remedy.clone(),
        });
    }
    match list {
        Some(list) => Ok(Dynamic::from(list)),
        None => Err(list_failure(&name, &findings)),
    }
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

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WaveOptions {
    pilot: Option<usize>,
    at_most: Option<usize>,
    together: Option<Vec<Pair>>,
}

/// Two people who work in one mailbox.
#[derive(Deserialize)]
#[serde(untagged)]
enum Pair {
    Two(String, String),
    Named { owner: String, delegate: String },
}

fn waves_of(call: &mut Call) -> Result<Dynamic> {
    let list: Mailboxes = call.get(0)?;
    let options: WaveOptions = call.options(1)?;
    let mut rules = Rules::default();
    rules.pilot = options.pilot.unwrap_or(rules.pilot);
    rules.at_most = options.at_most.unwrap_or(rules.at_most);
    let together: Vec<(String, String)> = options
        .together
        .unwrap_or_default()
        .into_iter()
        .map(|p| match p {
            Pair::Two(a, b) | Pair::Named { owner: a, delegate: b } => (a, b),
        })
        .collect();
    rules.keep = if together.is_empty() { Keep::Nothing } else { Keep::Delegates };
    // What an earlier run began keeps its batch: a wave that shifts by one row
    // would meet a batch of its name with other mailboxes.
    let mut begun: BTreeMap<String, Vec<String>> = BTreeMap::new();
    {
        let memory = call.session().memory();
        for address in list.addresses() {
            if let Some(name) = memory.past.batch_of(&address).filter(|n| waves::number(n).is_some()) {
                begun.entry(name.to_owned()).or_default().push(address);
            }
        }
    }
    let names: BTreeSet<String> = call.session().memory().past.batches.keys().cloned().collect();
    let last = names.iter().filter_map(|n| waves::number(n)).max().unwrap_or(0);
    if !begun.is_empty() {
        rules.pilot = 0;
        rules.batches = rules.batches.saturating_sub(begun.len()).max(1);
    }
    let fresh = list.without(&begun.values().flatten().cloned().collect());
    let mut plan: Vec<waves::Wave> =
        begun.into_iter().map(|(name, addresses)| waves::Wave { name, addresses, remarks: Vec::new() }).collect();
    plan.sort_by_key(|wave| waves::number(&wave.name));
    let planned = waves::plan(&fresh.addresses(), &together, &rules)
        .map_err(|why| Failure::new(base::Kind::Validation, why.to_string()).hint("change `pilot` or `at_most`"))?;
    plan.extend(planned.into_iter().map(|wave| match waves::number(&wave.name) {
        Some(number) if last > 0 => waves::Wave { name: waves::name(number + last, 2), ..wave },
        _ => wave,
    }));
    let mut waves = Array::with_capacity(plan.len());
    for wave in plan {
        for text in &wave.remarks {
            call.session().note(What::Warned { text: format!("{}: {text}", wave.name), hint: String::new() });
        }
        let mut map: BTreeMap<&str, Dynamic> = BTreeMap::new();
        map.insert("name", wave.name.into());
        map.insert("mailboxes", Dynamic::from(list.with_addresses(&wave.addresses)));
        waves.push(map.into_iter().map(|(k, v)| (k.into(), v)).collect::<Map>().into());
    }
    Ok(waves.into())
}
