//! Golden families: files of one stem in `tests/golden`, a command line
//! (`.args`), what it needs (`.rhai`, `.csv`, `.toml`), and what it must say
//! (`.out`, `.err`, `.exit`).
//!
//! `~~~` in an expected text stands for anything within one line, a line of `~~~~`
//! for any number of lines. Refresh with
//! `STAGEPOST_GOLDEN=write cargo test golden`, and read the difference.

use std::path::{Path, PathBuf};

use crate::support::{code, err, folder, out, stagepost};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn stems() -> Vec<String> {
    let mut stems: Vec<String> = std::fs::read_dir(golden())
        .expect("the folder of golden files")
        .filter_map(|e| e.ok()?.file_name().to_str()?.strip_suffix(".args").map(str::to_owned))
        .collect();
    stems.sort();
    stems
}

/// Whether a text is what was expected: `~~~` stands for anything in a line, a
/// line of `~~~~` for any number of lines.
fn matches(expected: &str, found: &str) -> bool {
    let (expected, found): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    lines_match(&expected, &found)
}

fn lines_match(expected: &[&str], found: &[&str]) -> bool {
    match expected.split_first() {
        None => found.is_empty(),
        Some((&"~~~~", rest)) => (0..=found.len()).any(|skip| lines_match(rest, &found[skip..])),
        Some((line, rest)) => {
            found.split_first().is_some_and(|(first, others)| line_matches(line, first) && lines_match(rest, others))
        }
    }
}

fn line_matches(expected: &str, found: &str) -> bool {
    let mut parts = expected.split("~~~");
    let Some(mut rest) = found.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn wildcards_stand_for_anything_in_a_line() {
    assert!(matches("a ~~~ c\nd", "a b b c\nd"));
    assert!(!matches("a ~~~ c", "a b\nc"));
    assert!(!matches("a", "ab"));
    assert!(matches("~~~x~~~", "1x2"));
    assert!(matches("a\n~~~~\nd", "a\nb\nc\nd"));
    assert!(matches("a\n~~~~\nd", "a\nd"));
    assert!(!matches("a\n~~~~\nd", "a\nb"));
}

#[test]
fn every_family_says_what_it_should() {
    let stems = stems();
    assert!(stems.len() >= 20, "only {} families", stems.len());
    let write = std::env::var("STAGEPOST_GOLDEN").is_ok_and(|v| v == "write");
    let mut broken = Vec::new();
    for stem in stems {
        let at = folder();
        copy(&golden(), at.path());
        let line = std::fs::read_to_string(golden().join(format!("{stem}.args"))).expect("a command line");
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let output = stagepost(at.path()).args(&arguments).env("COLUMNS", "100").output().expect("the program starts");
        let clean = |text: String| text.replace(&at.path().display().to_string(), "{here}");
        let found =
            [("out", clean(out(&output))), ("err", clean(err(&output))), ("exit", format!("{}\n", code(&output)))];
        for (ending, found) in found {
            let path = golden().join(format!("{stem}.{ending}"));
            let expected = std::fs::read_to_string(&path).unwrap_or_default();
            if matches(&expected, &found) {
                continue;
            }
            if write {
                std::fs::write(&path, &found).expect("the golden folder may be written");
            } else {
                broken.push(format!("{stem}.{ending}\n--- expected\n{expected}--- found\n{found}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a readable folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).expect("a writable folder");
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a writable folder");
        }
    }
}
