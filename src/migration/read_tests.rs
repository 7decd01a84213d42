//! Lists as people really write them, and lists nobody should write.

use proptest::prelude::*;

use super::super::findings::{EXCERPT, IN_FULL};
use super::super::list::EMAIL_ADDRESS;
use super::super::rules::Severity;
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
    assert_eq!(found(&wide), [(rules::NO_MARK, 0, 0)]);
}

#[test]
fn all_faults_come_in_one_pass_with_their_places() {
    let text = "EmailAddress,Password,ForceChangePassword\nann@contoso.test,secret1,yes\nANN@contoso.test,,\nbob@@x,,\n,,\nx,\n";
    assert_eq!(
        found(text.as_bytes()),
        [
            (rules::PASSWORDS_GIVEN, 1, 14),
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
fn a_thousand_equal_faults_are_told_and_the_others_counted() {
    let text = format!("EmailAddress\n{}ann@@contoso.test\nbob@contoso.test;\n", "x\n".repeat(20_000));
    let (_, findings) = read_with_warnings("list.csv", text.as_bytes());
    assert_eq!(findings.len(), IN_FULL + 1);
    let last = findings.last().expect("there are findings");
    assert_eq!((last.rule, last.line), (rules::ADDRESS_SYNTAX, 1002));
    assert_eq!(last.text, "the same fault 19002 times more, the last in line 20003");
}

#[test]
fn every_published_form_of_a_cloud_list_is_read() {
    let three = "LegacyExchangeDN,CloudEmailAddress,OnPremiseEmailAddress\r\n\
                 /o=ExchangeLabs/cn=Recipients/cn=0a-Ann,ann@contoso.onmicrosoft.com,ann@contoso.test\r\n\
                 /o=Contoso, Ltd/ou=First, Group/cn=bob,bob@contoso.mail.onmicrosoft.com,bob@contoso.test\r\n";
    let four = three
        .replace("OnPremiseEmailAddress\r", "OnPremiseEmailAddress,MailboxGUID\r")
        .replace("@contoso.test\r", "@contoso.test,6f1c6b5e-7f0a-4f0b-9c38-0d7d1b2f2d11\r");
    let quoted = "\"LegacyExchangeDN\",\"CloudEmailAddress\",\"OnPremiseEmailAddress\"\n\
                  \"/o=x/cn=ann\",\"ann@contoso.onmicrosoft.com\",\"ann@contoso.test\"\n\
                  \"/o=Contoso, Ltd/ou=First, Group/cn=bob\",\"b@contoso.onmicrosoft.com\",\"bob@contoso.test\"\n";
    for text in [three.to_owned(), four.clone(), quoted.to_owned()] {
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [text.clone().into_bytes(), [&[0xFF, 0xFE], &little[..]].concat()] {
            let list = read("cloud.csv", &bytes).unwrap_or_else(|found| panic!("{found:?}"));
            assert_eq!(list.addresses(), ["ann@contoso.test", "bob@contoso.test"]);
            let name = list.cell(1, "LegacyExchangeDN");
            assert_eq!(name, Some("/o=Contoso, Ltd/ou=First, Group/cn=bob"));
            assert!(list.cell(0, "CloudEmailAddress").is_some_and(|a| a.ends_with("onmicrosoft.com")));
        }
    }
    let list = read("cloud.csv", four.as_bytes()).unwrap_or_else(|found| panic!("{found:?}"));
    assert_eq!(list.cell(1, "MailboxGUID"), Some("6f1c6b5e-7f0a-4f0b-9c38-0d7d1b2f2d11"));
    assert_eq!(list.columns(), ["LegacyExchangeDN", "CloudEmailAddress", EMAIL_ADDRESS, "MailboxGUID"]);
}

/// Names as they are written in eight languages, and how an address writes
/// them.
const PEOPLE: [([&str; 12], [&str; 12]); 8] = [
    (
        ["Anna", "Jürgen", "Käthe", "Björn", "Heiß", "Sören", "Ulrike", "Grit", "Jörg", "Änne", "Max", "Ruth"],
        ["Müller", "Weiß", "Schäfer", "von der Heide", "Groß", "Jäger", "Kühn", "Vogt", "Böhm", "Lang", "Roß", "Ott"],
    ),
    (
        ["Zoé", "François", "Anaïs", "Loïc", "Jean-Luc", "Chloé", "Élise", "Guy", "Noël", "Maëlle", "René", "Inès"],
        ["D'Arcy", "Lefèvre", "Le Goff", "Garçon", "Hébert", "L'Hôte", "Noël", "Bœuf", "Roy", "Dupré", "Gué", "Île"],
    ),
    (
        ["José", "Íñigo", "Begoña", "Ángel", "Lucía", "Ñusta", "Rocío", "Ana", "Raúl", "Inés", "Óscar", "Paz"],
        [
            "Núñez",
            "Ibáñez-Ruiz",
            "de la Peña",
            "Muñoz",
            "Gómez",
            "Güell",
            "Sáez",
            "Ríos",
            "Vidal",
            "Peón",
            "Gil",
            "Rey",
        ],
    ),
    (
        ["Łukasz", "Żaneta", "Paweł", "Małgorzata", "Jędrzej", "Ewa", "Ścibor", "Zofia", "Ćmil", "Ola", "Iga", "Jan"],
        ["Wałęsa", "Żółć", "Kowalska-Nowak", "Dąb", "Święcicki", "Źrebiec", "Gęś", "Łoś", "Mróz", "Ćwik", "Bąk", "Sęk"],
    ),
    (
        ["Åsa", "Björn", "Göran", "Märta", "Örjan", "Pär", "Liv", "Nils", "Ylva", "Tove", "Åke", "Eva"],
        ["Åkesson", "Öberg", "Sjöström", "Ström", "Björk", "Nyström", "Lind", "Ek", "Dahl", "Asp", "Ås", "Frö"],
    ),
    (
        ["Siobhán", "Aoife", "Seán", "Niamh", "Colm", "Róisín", "Pádraig", "Úna", "Eoin", "Máire", "Liam", "Órla"],
        [
            "O'Brien",
            "O'Neill",
            "Ó Súilleabháin",
            "McCarthy",
            "MacGowan",
            "Fitz-Gerald",
            "Daly",
            "Roe",
            "Fay",
            "Kane",
            "Walsh",
            "Ní",
        ],
    ),
    (
        ["Tomáš", "Jiří", "Růžena", "Šárka", "Vojtěch", "Žofie", "Eliška", "Ota", "Ctibor", "Hana", "Petr", "Ivo"],
        ["Dvořák", "Novák", "Řezníček", "Šťastný", "Čech", "Žižka", "Němec", "Kříž", "Hájek", "Bílý", "Malá", "Zítka"],
    ),
    (
        ["Γιώργος", "Ελένη", "Νίκος", "Άννα", "Σοφία", "Πέτρος", "Μαρία", "Λία", "Θώμη", "Ζωή", "Φώτης", "Ηώ"],
        [
            "Παπαδάκης",
            "Νικολάου",
            "Δήμου",
            "Ψαρράς",
            "Ξένος",
            "Βλάχος",
            "Ρήγας",
            "Χατζή",
            "Κόρη",
            "Μπάρκας",
            "Ιωάννου",
            "Όθων",
        ],
    ),
];

/// A name as an address writes it.
fn transliterated(name: &str) -> String {
    const LETTERS: &str = "äae öoe üue ßss åa øo æae œoe éee èee êee ëee áa àa âa ãa çc íi ìi îi ïi óo òo ôo õo úu ùu ûu ýy ñn \
        ąa ćc ęe łl ńn śs źz żz čc ďd ěe ňn řr šs ťt ůu žz αa βv γg δd εe ζz ηi θth ιi κk λl μm νn ξx οo πp ρr σs ςs τt υy \
        φf χch ψps ωo άa έe ήi ίi όo ύy ώo";
    let mut out = String::new();
    for c in name.to_lowercase().chars() {
        match LETTERS.split_whitespace().find(|pair| pair.starts_with(c)) {
            Some(pair) => out.push_str(&pair[c.len_utf8()..]),
            None if c == ' ' => {}
            None => out.push(c),
        }
    }
    out
}

#[test]
fn a_clean_list_of_eight_languages_has_no_finding() {
    let domains = ["contoso.de", "contoso.es", "contoso.co.uk", "ab.fr", "büro.test", "mail.contoso-group.test"];
    let mut text = String::from("EmailAddress,ForceChangePassword\r\n");
    let mut rows = 0;
    'rows: for n in 0.. {
        for (first, last) in &PEOPLE {
            for given in first {
                for family in last {
                    let domain = domains[(rows * 7 + n) % domains.len()].replace("büro", "xn--bro-hoa");
                    let (given, family) = (transliterated(given), transliterated(family));
                    let number = if n == 0 { String::new() } else { n.to_string() };
                    let local = match rows % 5 {
                        0 => format!("{given}.{family}{number}"),
                        1 => format!("{}.{family}{number}", &given[..1]),
                        2 => format!("{family}_{given}{number}"),
                        3 => format!("{given}-{family}+{number}x"),
                        _ => format!("{given}{number}.{family}"),
                    };
                    text.push_str(&format!("{local}.{rows}@{domain},{}\r\n", ["", "False", "false"][rows % 3]));
                    rows += 1;
                    if rows == 100_000 {
                        break 'rows;
                    }
                }
            }
        }
    }
    let (list, findings) = read_with_warnings("list.csv", text.as_bytes());
    assert!(findings.is_empty(), "{:?}", findings.first());
    assert_eq!(list.map(|l| l.len()), Some(100_000));
    // None of them needs more than a glance, which is what makes it quick.
    assert!(text.contains("o'brien") && text.contains("jean-luc") && text.contains("mueller"));
}

/// How many cases a property is tried with: more where everything is asked for
/// (`tests/run --all`), or as many as `STAGEPOST_FUZZ_CASES` says; a million for a
/// long run.
fn cases() -> u32 {
    let said = std::env::var("STAGEPOST_FUZZ_CASES").ok().and_then(|n| n.parse().ok());
    let all = std::env::var("STAGEPOST_TEST_ALL").is_ok_and(|v| v == "yes");
    said.unwrap_or(if all { 20_000 } else { 2_000 })
}

/// Bytes as they come in bad files: pieces of lists, of encodings, of nothing.
fn bad_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"EmailAddress".to_vec()),
        Just(b"Password,ForceChangePassword".to_vec()),
        Just(b"ann@contoso.test".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"\"\"".to_vec()),
        Just(b",".to_vec()),
        Just(b";".to_vec()),
        Just(b"sep=;\n".to_vec()),
        Just(b"#TYPE x\n".to_vec()),
        Just("\u{feff}\u{a0}ü“".as_bytes().to_vec()),
        Just(b"\xFF\xFE".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"UserName,MailboxType,BadItemLimit,TargetDatabase,UserRoot".to_vec()),
        Just(b"LegacyExchangeDN,CloudEmailAddress,OnPremiseEmailAddress\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn no_file_makes_it_stumble(bytes in bad_bytes(), other in bad_bytes(), kind in proptest::sample::select(Kind::ALL.to_vec())) {
        let how = Reading { kind, is_batch_file: true, ..Reading::default() };
        let texts = [decode(&bytes), decode(&other)];
        let files = [File::new("a.csv", &bytes, &texts[0]), File::new("b.csv", &other, &texts[1])];
        for found in examine(&files, &how) {
            for finding in found.findings {
                prop_assert!(rules::rule(finding.rule).is_some() && !finding.text.ends_with('.'), "{:?}", finding);
            }
        }
        read_with("a.csv", &bytes, &Reading { kind, ..Reading::default() });
        if let Some(copy) = super::super::mend::mend(&texts[0], &how) {
            let _ = super::super::split::split(&copy.text, &how, 2, &[]);
        }
    }
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
