//! A copy without faults, of the same mailboxes.

use super::*;
use crate::migration::encoding::decode;
use crate::migration::read::{File, Reading, examine, read_with};
use proptest::prelude::*;

fn strict() -> Reading {
    Reading { is_batch_file: true, ..Reading::default() }
}

fn mended(bytes: &[u8]) -> Mended {
    mend(&decode(bytes), &strict()).expect("it is a list")
}

fn faults(bytes: &[u8]) -> Vec<&'static str> {
    let text = decode(bytes);
    let found = examine(&[File::new("list.csv", bytes, &text)], &strict());
    found.iter().flat_map(|e| e.findings.iter().map(|f| f.rule)).collect()
}

/// The file of every mechanical fault; its people are `ann` to `hal`.
fn everything() -> Vec<u8> {
    let text = "#TYPE System.Management.Automation.PSCustomObject\r\nsep=;\r\nMailboxes of Contoso\r\n\r\n\
        E-Mail; forcechangepassword ;\n------------;----;\r\nann@contoso.test;False;\r\n\
        \u{a0}bob@contoso.test ;False;\r\n;;\r\nSMTP:cy@contoso.test;;;;\r\nann@contoso.test;False;\r\n\
        Dee Lee <dee@contoso.test>; ;\r\n'eve@contoso.test';;\r\n“fay@contoso.test”;;\r\n\
        E-Mail; forcechangepassword ;\r\ngu\u{200b}s@contoso.test;False;\r\n\"hal@contoso.test\";\"False\";\r\n\
        (8 rows affected)\r\n";
    // Bare UTF-16, as some query tools write it.
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn every_mechanical_fault_is_mended_and_everybody_kept() {
    let file = everything();
    let mended = mended(&file);
    let names = ["ann", "bob", "cy", "dee", "eve", "fay", "gus", "hal"];
    let rows: String = names
        .iter()
        .map(|n| format!("{n}@contoso.test,{}\r\n", if ["cy", "dee", "eve", "fay"].contains(n) { "" } else { "False" }))
        .collect();
    assert_eq!(mended.text, format!("EmailAddress,ForceChangePassword\r\n{rows}"));
    assert_eq!(faults(mended.text.as_bytes()), [""; 0]);
    let done: Vec<&str> = mended.corrections.iter().map(|c| c.rule).collect();
    let wanted: Vec<&str> = CORRECTIONS
        .iter()
        .chain([&QUOTES])
        .map(|(rule, _)| *rule)
        .filter(|rule| {
            ![rules::ENCODING, rules::NO_HEADER, rules::LONE_CR, rules::USER_NAME_BLANKS, rules::ODD_BLANKS]
                .contains(rule)
        })
        .collect();
    for rule in wanted {
        assert!(done.contains(&rule), "{rule} of {done:?}");
    }
    // Every line that was touched is told.
    let blanks = mended.corrections.iter().find(|c| c.rule == rules::BLANKS_AROUND).map(|c| c.lines.clone());
    assert_eq!(blanks.as_deref(), Some(&[8, 12][..]));
}

#[test]
fn what_is_left_of_the_rules_is_mended_too() {
    let cases: [(&[u8], &str); 4] = [
        (
            b"EmailAddress,Password\nann@contoso.test,Schl\xFCssel1\n",
            "EmailAddress,Password\r\nann@contoso.test,Schlüssel1\r\n",
        ),
        (b"ann@contoso.test\nbob@contoso.test\n", "EmailAddress\r\nann@contoso.test\r\nbob@contoso.test\r\n"),
        (b"EmailAddress\rann@contoso.test\r", "EmailAddress\r\nann@contoso.test\r\n"),
        (
            b"EmailAddress|ForceChangePassword\nann@contoso.test|False\n",
            "EmailAddress,ForceChangePassword\r\nann@contoso.test,False\r\n",
        ),
    ];
    for (file, copy) in cases {
        assert_eq!(mended(file).text, copy);
        assert!(!mended(file).corrections.is_empty());
    }
}

#[test]
fn what_has_to_be_decided_stays_and_is_found_again() {
    for text in [
        "EmailAddress\r\nann@contoso.test\r\nANN@contoso.test\r\n",
        "EmailAddress\r\nmüller@contoso.test\r\n",
        "EmailAddress,Department\r\nann@contoso.test,Sales\r\n",
        "EmailAddress\r\n\"ann@contoso.test\r\n",
        "EmailAddress\r\n\"ann@contoso\".test\r\n",
        "EmailAddress,ForceChangePassword\r\nann@contoso.test\r\n",
    ] {
        let copy = mended(text.as_bytes());
        assert_eq!(copy.text, text);
        assert_eq!(copy.corrections, [], "{text}");
        assert_eq!(faults(copy.text.as_bytes()), faults(text.as_bytes()));
    }
}

#[test]
fn a_password_is_written_as_it_was() {
    let copy = mended("EmailAddress;Password\nann@contoso.test; Pa\"\"ss,wörd-1 \n".as_bytes());
    assert_eq!(copy.text, "EmailAddress,Password\r\nann@contoso.test,\" Pa\"\"\"\"ss,wörd-1 \"\r\n");
    let copy = mended("EmailAddress;Password\nann@contoso.test;\" Pass;wörd,-1 \"\n".as_bytes());
    assert_eq!(copy.text, "EmailAddress,Password\r\nann@contoso.test,\" Pass;wörd,-1 \"\r\n");
}

proptest! {
    #[test]
    fn a_mended_copy_needs_no_mending(text in "(EmailAddress|Email Address|emailaddress ;Password)[,;]?(\n|\r\n)[a-c@.,;' \u{a0}\n\r<>:]{0,60}") {
        if let Some(once) = mend(&decode(text.as_bytes()), &strict())
            && let Some(twice) = mend(&decode(once.text.as_bytes()), &strict())
        {
            prop_assert_eq!(&once.text, &twice.text);
        }
    }

    #[test]
    fn the_mailboxes_are_the_same(
        names in proptest::collection::vec("[a-c]{1,3}", 1..12), ends in proptest::collection::vec("[ ]{0,2}", 12),
        blanks in proptest::collection::vec(any::<bool>(), 12), separator in proptest::sample::select(vec![',', ';', '\t']),
    ) {
        let mut file = format!("emailaddress{separator}ForceChangePassword\n");
        for ((name, end), blank) in names.iter().zip(&ends).zip(&blanks) {
            file.push_str(&format!("{end}{name}@contoso.test{end}{separator}False\r\n"));
            if *blank { file.push_str("\r\n"); }
        }
        let copy = mended(file.as_bytes());
        let (list, findings) = read_with("copy.csv", copy.text.as_bytes(), &strict());
        prop_assert!(findings.is_empty(), "{findings:?}");
        let mut wanted: Vec<String> = names.iter().map(|n| format!("{n}@contoso.test")).collect();
        let mut seen = std::collections::BTreeSet::new();
        wanted.retain(|name| seen.insert(name.clone()));
        prop_assert_eq!(list.map(|l| l.addresses()), Some(wanted));
    }
}
