//! What a script does with the rows of a set: parts, order, groups, another
//! list's columns, and the way back into a file.
//!
//! Rows stay in the table that was read. A closure gets one row at a time, and
//! what it throws goes through unchanged, with its place. Passwords leave only
//! into a file, and only when asked.

use std::io::Write as _;
use std::path::Path;

use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};
use serde::Deserialize;

use super::declare::{Arg, Call, Effect, Kind, Primitive};
use super::types::map_of;
use crate::base::{self, Failure, Result};
use crate::check::suggest;
use crate::host::values::described;
use crate::migration::list::{EMAIL_ADDRESS, Mailboxes, Row};
use crate::migration::set::{Key, Unfit};

const SET: Arg = Arg::new("mailboxes", Kind::Mailboxes, "The set");
const OTHER: Arg = Arg::new("other", Kind::Mailboxes, "The other set");

/// A primitive on sets that stays on this machine; also a method of the set.
const fn local(
    name: &'static str,
    args: &'static [Arg],
    returns: &'static str,
    summary: &'static str,
    about: &'static str,
    example: &'static str,
    call: fn(&mut Call) -> Result<Dynamic>,
) -> Primitive {
    Primitive {
        namespace: "",
        name,
        args,
        returns,
        summary,
        about,
        failures: &[],
        effect: Effect::Local,
        way_back: "",
        example,
        since: "0.1",
        methods_too: true,
        call,
    }
}

/// The table.
pub const PRIMITIVES: &[Primitive] = &[
    local(
        "take",
        &[SET, Arg::new("count", Kind::Int, "How many")],
        "Mailboxes",
        "The first mailboxes of a set",
        "Fewer if there are not so many.",
        "let list = mailboxes::read(\"mailboxes.csv\");\nprint(list.take(5).len);",
        |call| Ok(Dynamic::from(call.get::<Mailboxes>(0)?.take(count(call)?))),
    ),
    local(
        "skip",
        &[SET, Arg::new("count", Kind::Int, "How many to leave out")],
        "Mailboxes",
        "A set without its first mailboxes",
        "Empty if there are not so many.",
        "let list = mailboxes::read(\"mailboxes.csv\");\nprint(list.skip(5).len);",
        |call| Ok(Dynamic::from(call.get::<Mailboxes>(0)?.skip(count(call)?))),
    ),
    local(
        "filter",
        &[SET, Arg::new("question", Kind::Closure, "A closure that gets a row and answers true or false")],
        "Mailboxes",
        "The mailboxes for which a question is answered with true",
        "They keep their order. The row has `address`, and its columns as properties: m.Department, or m[\"Job \
         title\"] where the name isn't a word. A column that isn't there is a failure, a blank cell is \"\".",
        "let list = mailboxes::read(\"mailboxes.csv\");\nlet here = list.filter(|m| \
         m.address.ends_with(\"@contoso.com\"));\nprint(`${here.len} of ${list.len}`);",
        filter,
    ),
    local(
        "group_by",
        &[SET, Arg::new("by", Kind::Any, "The name of a column, or a closure that gets a row and answers a value")],
        "array of map",
        "Divides a set by a column or by what a closure answers",
        "Each group is a map of `name` and `mailboxes`, as a wave is, in the order in which the groups begin in the \
         list. Names compare without case.",
        "let list = mailboxes::read(\"mailboxes.csv\");\nfor group in list.group_by(|m| m.address.split(\"@\")[1]) \
         {\n    print(`${group.name}: ${group.mailboxes.len}`);\n}",
        group_by,
    ),
    local(
        "sort_by",
        &[
            SET,
            Arg::new("by", Kind::Any, "The name of a column, or a closure that gets a row and answers a value"),
            Arg::maybe("options", Kind::Options, "`descending` (false)"),
        ],
        "Mailboxes",
        "Puts a set in order",
        "A column whose values are all numbers is sorted by number, another by text without regard to case; what is \
         blank comes last, equal rows keep their order.",
        "let list = mailboxes::read(\"mailboxes.csv\");\nprint(list.sort_by(\"EmailAddress\", #{ descending: true \
         })[0].address);",
        sort_by,
    ),
    local(
        "join",
        &[SET, OTHER, Arg::maybe("column", Kind::Text, "What rows are recognised by (EmailAddress)")],
        "Mailboxes",
        "Brings what another list says about the same people",
        "The same rows in the same order, with the other list's columns behind their own; a value that both have stays \
         as it is, unless it was blank. Who is missing in the other list gets blank cells, who is only there doesn't \
         come: `add` brings people. A key that the other list has twice is refused. The password column comes along, \
         unseen.",
        "let list = mailboxes::read(\"mailboxes.csv\");\nlet more = mailboxes::read(\"mailboxes.csv\", #{ \
         unknown_columns: true });\nprint(list.join(more).columns.len);",
        join,
    ),
    local(
        "add",
        &[SET, OTHER],
        "Mailboxes",
        "Both sets together",
        "Each address once. Parts of one list keep the order of the list; rows of another list come behind, with the \
         columns of both.",
        "let list = mailboxes::read(\"mailboxes.csv\");\nprint(list.take(2).add(list.skip(1).take(2)).len);",
        |call| Ok(Dynamic::from(call.get::<Mailboxes>(0)?.union(&call.get(1)?))),
    ),
    local(
        "without",
        &[SET, OTHER],
        "Mailboxes",
        "The mailboxes of a set that are not in another",
        "Addresses compare without case.",
        "let list = mailboxes::read(\"mailboxes.csv\");\nprint(list.without(list.take(3)).len);",
        |call| Ok(Dynamic::from(call.get::<Mailboxes>(0)?.minus(&call.get(1)?))),
    ),
    local(
        "to_maps",
        &[SET],
        "array of map",
        "A set as plain data",
        "One map for each row, without the secret columns. Maps forget the order of columns and take many times the \
         memory of the set: for a few rows, or to hand them to something that wants plain data.",
        "let list = mailboxes::read(\"mailboxes.csv\");\nprint(list.take(1).to_maps()[0].EmailAddress);",
        |call| Ok(call.get::<Mailboxes>(0)?.iter().map(|row| map_of(&row)).collect::<Array>().into()),
    ),
    Primitive {
        namespace: "mailboxes",
        name: "write",
        args: &[
            SET,
            Arg::new("path", Kind::Text, "The file; relative to the project's folder"),
            Arg::maybe(
                "options",
                Kind::Options,
                "`overwrite` (false): replaces a file that is there; `passwords` (false): writes the Password column too",
            ),
        ],
        returns: "text",
        summary: "Writes a set as the file that a batch would get",
        about: "A CSV file with the columns that a batch knows, as the service reads it; other columns stay out. Answers \
                the path. A file that is there with other content is refused, unless `overwrite` says otherwise. \
                Passwords are left out, unless `passwords` asks for them; the file is then readable for its owner only.",
        failures: &[base::Kind::Conflict, base::Kind::Local],
        effect: Effect::Local,
        way_back: "",
        example: "let list = mailboxes::read(\"mailboxes.csv\");\nlist.take(5).write(\"pilot.csv\", #{ overwrite: true });",
        since: "0.1",
        methods_too: true,
        call: write,
    },
];

fn count(call: &Call) -> Result<usize> {
    Ok(usize::try_from(call.int(1)?).unwrap_or(0))
}

/// Why a column can't be asked for.
pub fn unfit(why: &Unfit) -> Failure {
    let failure = Failure::new(base::Kind::Usage, why.to_string());
    match why {
        Unfit::NoColumn { column, has } => failure.hint(match suggest::nearest(column, has) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", has.join(", ")),
        }),
        Unfit::Secret { .. } => failure.hint("mailboxes::write puts passwords into a file, when told to"),
        Unfit::Twice { .. } => failure.hint("leave one of the two rows out, or join by another column"),
    }
}

/// Why a row has no such value.
pub fn no_cell(row: &Row, column: &str) -> Failure {
    if row.is_secret(column) {
        return unfit(&Unfit::Secret { column: column.to_owned() }).on(row.address());
    }
    let has: Vec<String> = row.columns().iter().filter(|c| !row.is_secret(c)).cloned().collect();
    unfit(&Unfit::NoColumn { column: column.to_owned(), has })
}

/// What a row is grouped or ordered by.
enum By {
    Column(String),
    Closure(FnPtr),
}

fn by(call: &Call) -> Result<By> {
    let value = call.value(1);
    if let Some(closure) = value.clone().try_cast::<FnPtr>() {
        return Ok(By::Closure(closure));
    }
    match value.as_immutable_string_ref() {
        Ok(name) => Ok(By::Column(name.to_string())),
        Err(_) => Err(Failure::new(
            base::Kind::Usage,
            format!("{} needs the name of a column or a closure and got {}", call.name(), described(&value)),
        )
        .hint("name a column, \"Department\", or answer a value of each row, |m| m.Department")),
    }
}

/// The answer of a closure that can't be used.
fn answered(call: &Call, row: &Row, value: &Dynamic, wanted: &str) -> Failure {
    Failure::new(
        base::Kind::Usage,
        format!("the closure of {} answered {} for {}, not {wanted}", call.name(), described(value), row.address()),
    )
}

fn filter(call: &mut Call) -> Result<Dynamic> {
    let list: Mailboxes = call.get(0)?;
    let question = call.closure(1)?;
    let kept = list.try_filter(|row| {
        let answer = call.invoke(&question, vec![Dynamic::from(row.clone())])?;
        answer.as_bool().map_err(|_| {
            answered(call, &row, &answer, "true or false")
                .hint("end it with a comparison: |m| m.Department == \"Sales\"")
        })
    })?;
    Ok(Dynamic::from(kept))
}

fn group_by(call: &mut Call) -> Result<Dynamic> {
    let list: Mailboxes = call.get(0)?;
    let mut names = Vec::with_capacity(list.len());
    match by(call)? {
        By::Column(column) => {
            let column = list.column(&column).map_err(|why| unfit(&why))?;
            names.extend(list.iter().map(|row| row.cell(column).unwrap_or_default().to_owned()));
        }
        By::Closure(closure) => {
            for row in list.iter() {
                let answer = call.invoke(&closure, vec![Dynamic::from(row.clone())])?;
                let plain = answer.is_string() || answer.is_int() || answer.is_float() || answer.is_bool();
                if !plain && !answer.is_unit() {
                    return Err(answered(call, &row, &answer, "a text, a number, true or false"));
                }
                names.push(answer.to_string());
            }
        }
    }
    let group = |(name, mailboxes): (String, Mailboxes)| {
        let mut map = Map::new();
        map.insert("name".into(), name.into());
        map.insert("mailboxes".into(), Dynamic::from(mailboxes));
        Dynamic::from(map)
    };
    Ok(list.grouped(&names).into_iter().map(group).collect::<Array>().into())
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct SortOptions {
    descending: Option<bool>,
}

fn sort_by(call: &mut Call) -> Result<Dynamic> {
    let list: Mailboxes = call.get(0)?;
    let options: SortOptions = call.options(2)?;
    let keys = match by(call)? {
        By::Column(column) => list.keys_of(&column).map_err(|why| unfit(&why))?,
        By::Closure(closure) => {
            let mut keys = Vec::with_capacity(list.len());
            for row in list.iter() {
                let answer = call.invoke(&closure, vec![Dynamic::from(row.clone())])?;
                keys.push(key(&answer).ok_or_else(|| answered(call, &row, &answer, "a text or a number"))?);
            }
            keys
        }
    };
    Ok(Dynamic::from(list.sorted(&keys, options.descending.unwrap_or(false))))
}

fn key(value: &Dynamic) -> Option<Key> {
    if value.is_unit() {
        return Some(Key::Empty);
    }
    if let Ok(number) = value.as_int() {
        return Some(Key::Number(number as f64));
    }
    if let Ok(number) = value.as_float() {
        return Some(Key::Number(number));
    }
    if let Ok(flag) = value.as_bool() {
        return Some(Key::Number(f64::from(u8::from(flag))));
    }
    value.clone().try_cast::<ImmutableString>().map(|text| Key::of_text(&text))
}

fn join(call: &mut Call) -> Result<Dynamic> {
    let (list, other): (Mailboxes, Mailboxes) = (call.get(0)?, call.get(1)?);
    let column = if call.has(2) { call.text(2)? } else { EMAIL_ADDRESS.to_owned() };
    list.join(&other, &column).map(Dynamic::from).map_err(|why| unfit(&why))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WriteOptions {
    overwrite: Option<bool>,
    passwords: Option<bool>,
}

fn write(call: &mut Call) -> Result<Dynamic> {
    let list: Mailboxes = call.get(0)?;
    let name = call.text(1)?;
    let options: WriteOptions = call.options(2)?;
    let path = call.session().path(&name);
    let bytes = list.to_csv(options.passwords.unwrap_or(false));
    // Written before by the same script: there is nothing to do.
    if std::fs::read(&path).is_ok_and(|there| there == bytes) {
        return Ok(path.display().to_string().into());
    }
    let written = put(&path, &bytes, options.overwrite.unwrap_or(false), options.passwords.unwrap_or(false));
    written.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return Failure::new(base::Kind::Conflict, format!("the file {name} is there already, with other content"))
                .on(&name)
                .hint("write another file, or replace it with #{ overwrite: true }");
        }
        Failure::new(base::Kind::Local, format!("the file {name} can't be written"))
            .on(&name)
            .detail(error.to_string())
            .hint("check that its folder is there and may be written")
    })?;
    Ok(path.display().to_string().into())
}

/// Writes a file whole or not at all. With `secret`, only its owner may read it.
fn put(path: &Path, bytes: &[u8], overwrite: bool, secret: bool) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    // What is to be replaced is replaced at once; a new file may simply grow.
    let place = if overwrite { Path::new(&beside) } else { path };
    let mut how = std::fs::OpenOptions::new();
    how.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
    }
    #[cfg(not(unix))]
    let _ = secret;
    let mut file = how.open(place)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let written = written.and_then(|()| if overwrite { std::fs::rename(place, path) } else { Ok(()) });
    if written.is_err() {
        // Half a list is worse than none; the first error counts.
        let _ = std::fs::remove_file(place);
    }
    written
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
