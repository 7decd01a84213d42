//! Lists as people really write them, and lists nobody should write.

use proptest::prelude::*;

use super::*;

fn found(bytes: &[u8]) -> Vec<(&'static str, usize, usize)> {
    read_with_warnings("list.csv", bytes).1.into_iter().map(|f| (f.rule, f.line, f.column)).collect()
}

#[test]
fn every_unicode_form_is_read() {
    let text = "EmailAddress\r\nann@contoso.test\r\n";
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [
        text.as_bytes().to_vec(),
        [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
        [&[0xFF, 0xFE], &wide[..]].concat(),
        [&[0xFE, 0xFF], &big[..]].concat(),
    ] {
        assert_eq!(read("list.csv", &bytes).map(|l| l.addresses()).ok(), Some(vec!["ann@contoso.test".to_owned()]));
    }
    assert_eq!(found(&wide), [(rules::NUL, 0, 0)]);
}

#[test]
fn all_faults_come_in_one_pass_with_their_places() {
    let text = "EmailAddress,Password,ForceChangePassword\nann@contoso.test,secret1,yes\nANN@contoso.test,,\nbob@@x,,\n,,\nx,\n";
    assert_eq!(
        found(text.as_bytes()),
        [
            (rules::SHORT_PASSWORD, 2, 18),
            (rules::FORCE_CHANGE, 2, 26),
            (rules::DUPLICATE, 3, 1),
            (rules::ADDRESS_SYNTAX, 4, 1),
            (rules::BLANK_ROW, 5, 1),
            (rules::ROW_WIDTH, 6, 1),
        ]
    );
}

#[test]
fn no_finding_shows_a_password() {
    let text = "EmailAddress,Password,ForceChangePassword\nann@contoso.test,hunt,no\nbob@contoso.test,hunt,er2,True\n\"c\n\",hunt,\n";
    let (_, findings) = read_with_warnings("list.csv", text.as_bytes());
    assert!(findings.len() >= 4);
    for finding in findings {
        assert!(!format!("{finding:?}").contains("hunt"), "{finding:?}");
        assert!(!format!("{finding:?}").contains("er2"), "{finding:?}");
    }
}

#[test]
fn a_blank_is_judged_where_the_row_is_ragged_too() {
    assert_eq!(found(b"EmailAddress,Password\n\nann@contoso.test,\n"), [(rules::BLANK_ROW, 2, 1)]);
    assert_eq!(found(b"\nEmailAddress\nann@contoso.test"), [(rules::BLANK_ROW, 1, 1)]);
}

#[test]
fn names_of_columns_are_guessed() {
    for (written, meant) in [
        ("Email Address", Some(EMAIL_ADDRESS)),
        ("E-Mail", Some(EMAIL_ADDRESS)),
        ("EmialAddress", Some(EMAIL_ADDRESS)),
        ("Passwrd", Some(PASSWORD)),
        ("Department", None),
        ("UserName", None),
        ("", None),
    ] {
        assert_eq!(guess(written), meant, "{written}");
    }
}

#[test]
fn addresses_are_judged_as_mail_systems_do() {
    for good in ["ann@contoso.test", "o'hara+1@lab.example", "a.b-c_d@sub.contoso.co.uk", "x@1.com"] {
        assert_eq!(address_fault(good), None, "{good}");
    }
    for bad in [
        "ann", "@x.y", "a@b", "a b@x.y", "a@b@c.d", ".a@x.y", "a..b@x.y", "ü@x.y", "a@x..y", "a@-x.y", "a@x.1",
        "a,b@x.y", "a@x_y.z",
    ] {
        assert!(address_fault(bad).is_some(), "{bad}");
    }
}

#[test]
fn a_large_company_is_no_fault() {
    let mut text = String::from("EmailAddress\n");
    for n in 0..2001 {
        text.push_str(&format!("user{n}@contoso.test\n"));
    }
    assert_eq!(read("list.csv", text.as_bytes()).map(|l| l.len()).ok(), Some(2001));
}

#[test]
fn huge_values_and_ten_thousand_columns_stay_small() {
    let wide: String = (0..10_000).map(|n| format!(",c{n}")).collect();
    let (_, findings) = read_with_warnings("list.csv", format!("EmailAddress{wide}\n").as_bytes());
    assert!(findings.iter().all(|f| f.excerpt.as_ref().is_none_or(|(text, _)| text.len() <= EXCERPT)));
    let long = format!("EmailAddress\n{}@contoso.test\n", "a".repeat(100_000));
    let (_, findings) = read_with_warnings("list.csv", long.as_bytes());
    assert!(findings.iter().all(|f| f.text.len() < 200), "{findings:?}");
}

#[test]
fn a_sheet_that_ends_in_blank_rows_says_so_once() {
    let text = format!("EmailAddress\nann@contoso.test\n{}", ",\n".repeat(1000));
    let (_, findings) = read_with_warnings("list.csv", text.as_bytes());
    let texts: Vec<&str> = findings.iter().map(|f| f.text.as_str()).collect();
    assert_eq!(texts, ["1000 rows from here on are blank"]);
}

#[test]
fn a_file_of_faults_ends_before_the_memory() {
    let text = format!("EmailAddress\n{}", "x\n".repeat(MOST + 500));
    let (_, findings) = read_with_warnings("list.csv", text.as_bytes());
    assert_eq!(findings.len(), MOST + 1);
    assert!(findings.last().is_some_and(|f| f.text.contains("nothing was looked at")));
}

#[test]
fn what_cannot_be_seen_is_named_by_its_number() {
    assert_eq!(address_fault("u\u{202e}@x.y").as_deref(), Some("there is an invisible character in it (U+202E)"));
    assert_eq!(address_fault("ü@x.y").as_deref(), Some("`ü` is not ASCII"));
}

#[test]
fn a_file_of_blank_rows_is_refused_with_its_reason() {
    let (list, findings) = read_with_warnings("list.csv", b",\n,,\n");
    assert!(list.is_none());
    assert!(findings.iter().any(|f| f.rule == rules::EMPTY_FILE && f.severity == Severity::Error), "{findings:?}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_stumble(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in any::<bool>()) {
        let mut file = if head { b"EmailAddress,Password\n".to_vec() } else { Vec::new() };
        file.extend(bytes);
        let (list, findings) = read_with_warnings("list.csv", &file);
        prop_assert!(list.is_some() || findings.iter().any(|f| f.severity == Severity::Error));
        for finding in findings {
            prop_assert!(rules::rule(finding.rule).is_some() && !finding.text.ends_with('.'));
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        names in proptest::collection::btree_set("[a-z]{1,8}", 1..30),
        password in "[ -~]{8,20}", force in proptest::sample::select(vec!["", "True", "false"]),
    ) {
        let mut file = String::from("ForceChangePassword,EmailAddress,Password\n");
        for name in &names {
            file.push_str(&format!("{force},{name}@contoso.test,\"{}\"\n", password.replace('"', "\"\"")));
        }
        let list = read("list.csv", file.as_bytes()).map_err(|f| TestCaseError::fail(format!("{f:?}")))?;
        let sent = list.to_csv(true);
        let again = read("sent.csv", &sent).map_err(|f| TestCaseError::fail(format!("{f:?}")))?;
        prop_assert_eq!(again.addresses(), list.addresses());
        prop_assert_eq!(again.to_csv(true), sent);
        prop_assert_eq!(again.get(0).and_then(|r| r.password().map(|p| p.expose().to_owned())), Some(password));
    }

    #[test]
    fn no_mistake_shows_a_password(
        at in 0usize..80, with in "[ -~\n\"]{0,3}", columns in Just(["EmailAddress", "Password", "ForceChangePassword"]).prop_shuffle(),
    ) {
        // A mistake anywhere behind the header.
        let value = |c: &&str| match *c { "EmailAddress" => "ann@contoso.test", "Password" => "Qx7Qx7Q", _ => "perhaps" };
        let header = columns.join(",");
        let row = columns.iter().map(value).collect::<Vec<_>>().join(",");
        let mut file = format!("{header}\n{row}\n{row}\n");
        let at = header.len() + 1 + at.min(file.len() - header.len() - 1);
        file.insert_str(at, &with);
        let (_, findings) = read_with_warnings("list.csv", file.as_bytes());
        prop_assert!(!findings.is_empty());
        let password_untouched = file.contains("Qx7Qx7Q");
        for finding in findings {
            prop_assert!(!password_untouched || !format!("{finding:?}").contains("Qx7Qx7Q"), "{:?}", finding);
        }
    }
}
