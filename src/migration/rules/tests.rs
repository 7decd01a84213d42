//! Each record against the reader: its example breaks it and nothing else.

use super::*;
use crate::migration::encoding::decode;
use crate::migration::read::{File, examine, read_with};

/// Rules that an example breaks.
fn broken(example: &Example) -> Option<Vec<&'static str>> {
    let (files, how): (Vec<Vec<u8>>, Reading) = match example {
        Example::File(bytes, how) => (vec![bytes.to_vec()], *how),
        Example::Made(_, make, how) => (vec![make()], *how),
        Example::Files(files, how) => (files.iter().map(|bytes| bytes.to_vec()).collect(), *how),
        Example::Situation(_) => return None,
    };
    let texts: Vec<_> = files.iter().map(|bytes| decode(bytes)).collect();
    let files: Vec<File> =
        files.iter().zip(&texts).map(|(bytes, text)| File::new("example.csv", bytes, text)).collect();
    let mut ids: Vec<&str> = examine(&files, &how).iter().flat_map(|e| e.findings.iter().map(|f| f.rule)).collect();
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

#[test]
fn the_example_of_each_rule_breaks_it_and_only_it() {
    let mut tried = 0;
    for rule in file_rules() {
        let mut wanted: Vec<&str> = rule.implies.to_vec();
        wanted.push(rule.id);
        wanted.sort_unstable();
        assert_eq!(broken(&rule.example), Some(wanted), "{}: {}", rule.id, rule.meaning);
        tried += 1;
    }
    assert!(tried >= 70, "only {tried} rules");
}

#[test]
fn a_script_reads_what_has_warnings_and_nothing_with_errors() {
    for rule in file_rules() {
        // Limits are those of a batch's file, and files are compared by `validate`.
        let only_files = [TOO_MANY_ROWS, TOO_MANY_BYTES, OTHER_FILE, CLOUD_LIST];
        let Example::File(bytes, how) = rule.example else { continue };
        if only_files.contains(&rule.id) {
            continue;
        }
        let (list, findings) = read_with("example.csv", bytes, &Reading { is_batch_file: false, ..how });
        let error = findings.iter().any(|f| f.severity == Severity::Error);
        assert_eq!(list.is_none(), error, "{}", rule.id);
    }
}

#[test]
fn a_sound_list_of_each_kind_breaks_nothing() {
    for (kind, text) in [
        (Kind::Staged, "EmailAddress,Password,ForceChangePassword\r\nann@contoso.test,,False\r\n"),
        (Kind::RemoteMove, "EmailAddress,MailboxType,TargetDatabase\r\nann@contoso.test,PrimaryOnly,DB1\r\n"),
        (Kind::Imap, "EmailAddress,UserName,Password,UserRoot\r\nann@contoso.test,CONTOSO\\ann,x,/users/ann\r\n"),
    ] {
        assert_eq!(broken(&Example::File(text.as_bytes(), file(kind))), Some(Vec::new()), "{kind:?}");
    }
}

#[test]
fn identifiers_are_unique_and_found() {
    let mut ids: Vec<_> = every_rule().map(|r| r.id).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert!(ids.iter().all(|id| rule(id).is_some_and(|r| r.id == *id)));
    assert!(every_rule().all(|r| r.implies.iter().all(|id| rule(id).is_some() && *id != r.id)));
}

#[test]
fn identifiers_have_kept_their_meaning() {
    // Frozen when they were first published; a new rule gets a new number.
    let first: Vec<(&str, &str)> = include_str!("frozen.txt").lines().filter_map(|l| l.split_once(' ')).collect();
    assert!(first.len() >= 70);
    for (id, meaning) in first {
        assert_eq!(rule(id).map(|r| r.meaning), Some(meaning), "{id}");
    }
}

#[test]
fn the_page_is_that_of_the_records() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    if std::env::var("STAGEPOST_GOLDEN").is_ok_and(|v| v == "write") {
        std::fs::write(&path, page()).expect("docs may be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page(), "docs/rules.md is not that of the records; STAGEPOST_GOLDEN=write makes it anew");
}
