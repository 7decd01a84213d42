//! `stagepost validate`: what it says, what it writes, and what it refuses to
//! read.

use std::path::Path;

use crate::support::{code, err, folder, lines, out, run, stagepost, told};

fn write(at: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(at.join(name), bytes).expect("a writable folder");
}

fn rules(lines: &[serde_json::Value]) -> Vec<String> {
    let faults = lines.iter().filter(|l| l["event"] == "fault");
    faults.map(|l| l["rule"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_sound_list_ends_with_zero_and_a_faulty_one_with_three() {
    let at = folder();
    write(at.path(), "sound.csv", b"EmailAddress\r\nann@contoso.test\r\n");
    write(at.path(), "warned.csv", b"emailaddress\r\nann@contoso.test\r\n");
    write(at.path(), "faulty.csv", b"EmailAddress\r\nann@contoso.test\r\nann\r\n");
    for (name, exit) in [("sound.csv", 0), ("warned.csv", 0), ("faulty.csv", 3)] {
        let output = run(at.path(), &["validate", name]);
        assert_eq!(code(&output), exit, "{}", told(&output));
    }
    let output = run(at.path(), &["validate", "faulty.csv", "--json"]);
    let all = lines(&output);
    let fault = &all[0];
    assert_eq!((&fault["file"], &fault["line"], &fault["column"]), (&"faulty.csv".into(), &3.into(), &1.into()));
    assert_eq!((&fault["rule"], &fault["severity"]), (&"SP114".into(), &"error".into()));
    assert_eq!((&fault["row"], &fault["excerpt"]), (&"row 2".into(), &"ann".into()));
    assert!(fault["remedy"].as_str().is_some_and(|r| !r.is_empty()) && fault["text"].is_string());
    let last = &all[all.len() - 1];
    assert_eq!((&last["event"], &last["rows"], &last["errors"]), (&"summary".into(), &2.into(), &1.into()));
}

#[test]
fn lists_given_together_are_held_against_each_other() {
    let at = folder();
    write(at.path(), "a.csv", b"EmailAddress\r\nann@contoso.test\r\n");
    write(at.path(), "b.csv", b"EmailAddress\r\nbob@contoso.test\r\nAnn@contoso.test\r\n");
    let output = run(at.path(), &["validate", "a.csv", "b.csv"]);
    assert_eq!(code(&output), 3);
    assert!(err(&output).contains("Ann@contoso.test stands already in a.csv, line 2  [SP162]"), "{}", told(&output));
}

#[test]
fn the_kind_decides_the_columns() {
    let at = folder();
    write(at.path(), "imap.csv", b"EmailAddress,UserName,Password\r\nann@contoso.test,ann,Secret-77\r\n");
    assert_eq!(code(&run(at.path(), &["validate", "imap.csv", "--kind", "imap"])), 0);
    let output = run(at.path(), &["validate", "imap.csv", "--kind", "remote_move", "--json"]);
    assert_eq!(rules(&lines(&output)), ["SP108", "SP108"]);
    assert!(!told(&output).contains("Secret-77"), "{}", told(&output));
    let output = run(at.path(), &["validate", "imap.csv", "--kind", "cutover", "--json"]);
    assert!(rules(&lines(&output)).contains(&"SP143".to_owned()));
    assert_eq!(code(&run(at.path(), &["validate", "imap.csv", "--kind", "pst"])), 2);
}

#[test]
fn the_corrected_copy_is_new_and_sound_and_the_input_is_as_it_was() {
    let at = folder();
    let list = "sep=;\nemailaddress;Password\n\u{a0}ann@contoso.test;Se;cret\n\nbob@contoso.test;\"Long-Enough7\"\n";
    let list = list.replace("Se;cret", "Hidden-Secret1");
    write(at.path(), "list.csv", list.as_bytes());
    let output = run(at.path(), &["validate", "list.csv", "--fix", "copy.csv"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert!(
        err(&output).contains("corrected [SP129]") && err(&output).contains("corrected [SP112]"),
        "{}",
        told(&output)
    );
    assert!(!told(&output).contains("Hidden-Secret1"));
    let copy = std::fs::read_to_string(at.path().join("copy.csv")).expect("it is written");
    assert_eq!(copy, "EmailAddress,Password\r\nann@contoso.test,Hidden-Secret1\r\nbob@contoso.test,Long-Enough7\r\n");
    assert_eq!(std::fs::read(at.path().join("list.csv")).expect("it is there"), list.as_bytes());
    // Neither the copy nor the input is written over.
    for out in ["copy.csv", "list.csv", "./list.csv"] {
        let output = run(at.path(), &["validate", "list.csv", "--fix", out]);
        assert_eq!(code(&output), 2, "{}", told(&output));
        assert!(err(&output).contains("is there already"), "{}", told(&output));
    }
    assert_eq!(std::fs::read(at.path().join("list.csv")).expect("it is there"), list.as_bytes());
    assert_eq!(std::fs::read_to_string(at.path().join("copy.csv")).ok(), Some(copy));
}

#[test]
fn a_list_is_cut_beside_itself_or_into_a_folder() {
    let at = folder();
    let rows: String = (0..2001).map(|n| format!("user{n}@contoso.test\r\n")).collect();
    write(at.path(), "company.csv", format!("EmailAddress\r\n{rows}").as_bytes());
    let output = run(at.path(), &["validate", "company.csv"]);
    assert_eq!(code(&output), 3);
    assert!(err(&output).contains("The CSV file contains more than 2,000 rows"), "{}", told(&output));
    let output = run(at.path(), &["validate", "company.csv", "--split", "900"]);
    assert_eq!((code(&output), out(&output).as_str()), (0, "company-01.csv\ncompany-02.csv\ncompany-03.csv\n"));
    assert!(!err(&output).contains("more than 2,000 rows"), "{}", told(&output));
    let parts = ["company-01.csv", "company-02.csv", "company-03.csv"];
    assert_eq!(code(&run(at.path(), &["validate", parts[0], parts[1], parts[2]])), 0);
    let third = std::fs::read_to_string(at.path().join(parts[2])).expect("it is written");
    assert_eq!((third.lines().next(), third.lines().count()), (Some("EmailAddress"), 202));
    // Nothing is written where one of them is there.
    std::fs::remove_file(at.path().join(parts[0])).expect("it is there");
    assert_eq!(code(&run(at.path(), &["validate", "company.csv", "--split", "900"])), 2);
    assert!(!at.path().join(parts[0]).exists());
    assert_eq!(code(&run(at.path(), &["validate", "company.csv", "--split", "900", "--into", "waves"])), 0);
    assert!(at.path().join("waves/company-03.csv").exists());
}

#[test]
fn a_list_with_faults_is_not_cut() {
    let at = folder();
    write(at.path(), "list.csv", b"EmailAddress\r\nann\r\n");
    let output = run(at.path(), &["validate", "list.csv", "--split", "10"]);
    assert_eq!(code(&output), 3, "{}", told(&output));
    assert!(!at.path().join("list-01.csv").exists());
}

#[test]
fn what_is_no_list_is_refused_with_its_reason() {
    let at = folder();
    std::fs::create_dir(at.path().join("folder.csv")).expect("a writable folder");
    let huge = std::fs::File::create(at.path().join("huge.csv")).expect("a writable folder");
    huge.set_len(10 << 30).expect("a file with a hole");
    let cases = [
        ("nowhere.csv", 2, "is not there"),
        ("folder.csv", 2, "is a folder"),
        ("/dev/zero", 2, "is a pipe or a device"),
        ("huge.csv", 2, "is too large"),
    ];
    for (name, exit, said) in cases {
        let output = run(at.path(), &["validate", name]);
        assert_eq!(code(&output), exit, "{name}: {}", told(&output));
        assert!(err(&output).contains(said), "{name}: {}", told(&output));
    }
}

#[test]
fn what_is_hardly_a_list_is_judged_in_a_few_lines() {
    let at = folder();
    let wide: String = (0..10_000).map(|n| format!(",c{n}")).collect();
    let field = "a".repeat(100 << 20);
    let binary: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("empty.csv", Vec::new(), "Upload file can't be empty"),
        ("header.csv", b"EmailAddress\r\n".to_vec(), "there is no mailbox below the header"),
        ("wide.csv", format!("EmailAddress{wide}\nann@contoso.test\n").into_bytes(), "the header has 10001 columns"),
        ("field.csv", format!("EmailAddress\n{field}\n").into_bytes(), "a value has 104857600 bytes"),
        ("binary.csv", binary, "binary data"),
        ("zip.csv", b"PK\x03\x04\x14\x00\x06\x00".to_vec(), "an Excel workbook"),
    ];
    for (name, bytes, said) in cases {
        write(at.path(), name, &bytes);
        let output = run(at.path(), &["validate", name]);
        assert_eq!(code(&output), 3, "{name}: {}", told(&output));
        assert!(err(&output).contains(said) && err(&output).len() < 4000, "{name}: {}", err(&output));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_grows_while_it_is_read_is_refused() {
    // The system makes this one while it is read: it had no bytes before.
    let at = folder();
    let output = run(at.path(), &["validate", "/proc/self/status"]);
    assert_eq!(code(&output), 2, "{}", told(&output));
    assert!(err(&output).contains("changed while it was read"), "{}", told(&output));
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let at = folder();
    write(at.path(), "list.csv", b"EmailAddress\r\n");
    let path = at.path().join("list.csv");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("it is ours");
    let plain = stagepost(at.path());
    let mut command = match std::fs::read(&path) {
        // Who is root reads everything, unless that right is left behind.
        Ok(_) => {
            let mut without = std::process::Command::new("setpriv");
            without.args(["--bounding-set=-dac_override,-dac_read_search", "--"]).arg(plain.get_program());
            without.current_dir(at.path()).env("NO_COLOR", "1");
            without
        }
        Err(_) => plain,
    };
    let output = command.args(["validate", "list.csv"]).output().expect("util-linux is there");
    assert_eq!(code(&output), 2, "{}", told(&output));
    assert!(err(&output).contains("may not be read"), "{}", told(&output));
}

#[test]
fn a_thousand_equal_faults_fit_on_a_screen() {
    let at = folder();
    let rows: String = (0..1900).map(|n| format!("user{n}\n")).collect();
    write(at.path(), "list.csv", format!("EmailAddress\n{rows}").as_bytes());
    let output = run(at.path(), &["validate", "list.csv"]);
    let said = err(&output);
    assert!(said.contains("1,895 more of `SP114` in lines 7–1001 and below"), "{said}");
    assert!(said.contains("1,900 errors in `list.csv`") && said.lines().count() < 60, "{said}");
}

#[test]
fn the_record_of_a_rule_is_printed_whole() {
    let at = folder();
    let said = out(&run(at.path(), &["explain", "sp170"]));
    for part in
        ["SP170 (error)", "Cause: ", "Remedy: ", "Kinds: staged", "Implies: SP168", "Example\n  EmailAddress,Force"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}
