//! A list against the directories, through the lab's wire: each row of a company
//! that shows as many rules as a lab can hold, and what the check asks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{LabProcess, code, folder, lines, run, told};

/// Runs a script against a lab and answers what it printed.
fn script(lab: &LabProcess, text: &str) -> Vec<String> {
    std::fs::write(lab.folder().join("check.rhai"), text).expect("a writable folder");
    let output = run(lab.folder(), &["run", "check.rhai", "--profile", "lab/profile.toml", "--yes", "--json"]);
    assert!(matches!(code(&output), 0 | 6), "{}", told(&output));
    let said = lines(&output).into_iter().filter(|l| l["event"] == "said");
    said.map(|l| l["text"].as_str().expect("it is text").to_owned()).collect()
}

/// What `validate` says of each row: severity and rule.
fn verdicts(lab: &LabProcess, list: &[&str], options: &str) -> BTreeMap<String, BTreeSet<String>> {
    let csv = format!("EmailAddress\n{}\n", list.join("\n"));
    std::fs::write(lab.folder().join("list.csv"), csv).expect("a writable folder");
    let text = format!(
        "let report = validate(mailboxes::read(\"list.csv\"){options});\n\
         for f in report.findings {{ if f.rule != () {{ print(`${{f.target}} ${{f.severity}} ${{f.rule}}`); }} }}"
    );
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in script(lab, &text) {
        let (address, verdict) = line.split_once(' ').expect("address and verdict");
        found.entry(address.to_owned()).or_default().insert(verdict.to_owned());
    }
    found
}

fn lab_of(company: &Value) -> LabProcess {
    let at = folder();
    let path = at.path().join("company.json");
    std::fs::write(&path, company.to_string()).expect("a writable folder");
    LabProcess::start(&["--world", path.to_str().expect("a plain path")])
}

/// Somebody of whom everything is in order, with facts changed.
fn person(name: &str, facts: &Value) -> Value {
    let mut person = json!({"address": format!("{name}@acme.test"), "upn": format!("{name}@acme.test"), "alias": name,
        "usage_location": "DE", "dn": format!("CN={name},OU=Staff,DC=acme,DC=test")});
    let map = person.as_object_mut().expect("an object");
    for (key, value) in facts.as_object().expect("an object") {
        map.insert(key.clone(), value.clone());
    }
    person
}

/// One row for each rule that a lab can hold.
fn company() -> Value {
    let mut people: Vec<Value> = [
        ("ann", json!({})),
        ("bob", json!({"delegates": ["cy@acme.test"]})),
        ("cy", json!({})),
        ("hidden", json!({"hidden": true})),
        ("voice", json!({"um": true})),
        ("linked", json!({"type": "linked"})),
        ("nameless", json!({"alias": ""})),
        ("forwarded", json!({"target": "SMTP:x@elsewhere.example"})),
        ("inside", json!({"proxies": ["SMTP:inside@acme.test", "smtp:inside@acme.local"]})),
        ("twice", json!({"proxies": ["SMTP:twice@acme.test", "smtp:second@acme.test"]})),
        ("primary", json!({"proxies": ["SMTP:primary@acme.test", "smtp:other@acme.test"]})),
        ("system", json!({"attributes": {"msExchRecipientTypeDetails": ["16384"]}})),
        ("batched", json!({})),
        ("doubled", json!({})),
        ("filtered", json!({"extension": {"3": "AWAY"}})),
        ("suffix", json!({"upn": "suffix@acme.local"})),
        ("signs", json!({"upn": "old.name@acme.test"})),
        ("leaver", json!({"enabled": false})),
        ("room", json!({"type": "room", "enabled": false, "upn": "room4@acme.test"})),
        ("nowhere", json!({"usage_location": ""})),
        ("large", json!({"bytes": 70_000_000_000_u64})),
        ("quarantined", json!({})),
        ("last", json!({})),
    ]
    .iter()
    .map(|(name, facts)| person(name, facts))
    .collect();
    for name in ["gone1", "gone2", "gone3"] {
        let dn = format!("CN={name},OU=Leavers,DC=acme,DC=test");
        people.push(person(name, &json!({"extension": {"3": "AWAY"}, "dn": dn})));
    }
    json!({
        "version": 1,
        "company": {"name": "Acme", "domains": ["acme.test"], "base_dn": "DC=acme,DC=test"},
        "people": people,
        "objects": [{"dn": "CN=Dana,OU=Contacts,DC=acme,DC=test", "attributes": {
            "objectClass": ["top", "person", "organizationalPerson", "contact"], "displayName": ["Dana"],
            "targetAddress": ["SMTP:dana@partner.example"],
            "proxyAddresses": ["SMTP:dana@acme.test", "smtp:second@acme.test"]}}],
        "tenant": {
            "initial_domain": "acme.onmicrosoft.com",
            "domains": [{"name": "acme.test", "verified": true}],
            "skus": [{"part": "ENTERPRISEPACK", "seats": 14}],
            "users": [{"address": "other.quarantined@acme.test", "name": "By hand", "recipient": "none",
                "proxies": ["SMTP:other.quarantined@acme.test", "smtp:quarantined@acme.test"]}]
        },
        "faults": [],
        "mess": {"in_cloud": {"doubled@acme.test": "mailbox"}, "filter": "extensionAttribute3=AWAY",
            "earlier_batch": ["batched@acme.test"]}
    })
}

#[test]
fn each_row_of_a_company_is_judged_by_its_own_rules() {
    let lab = lab_of(&company());
    // Nobody who came late is still on the way.
    lab.post("/clock/advance", &json!({"to": later(&lab)}));
    let list: Vec<String> =
        "ann bob hidden voice linked nameless forwarded inside twice other system batched doubled filtered \
                             suffix signs leaver room nowhere large quarantined last gone1 stranger dana"
            .split_whitespace()
            .map(|name| format!("{name}@acme.test"))
            .collect();
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    let found = verdicts(&lab, &list, "");
    let of = |name: &str| -> Vec<&str> {
        found.get(&format!("{name}@acme.test")).map(|v| v.iter().map(String::as_str).collect()).unwrap_or_default()
    };
    for (name, wanted) in [
        ("ann", &[][..]),
        ("bob", &["warning SP223"]),
        ("hidden", &["error SP203"]),
        ("voice", &["error SP210"]),
        ("linked", &["error SP214"]),
        ("nameless", &["error SP215"]),
        ("forwarded", &["error SP213"]),
        ("inside", &["error SP208"]),
        ("twice", &["error SP206"]),
        ("other", &["error SP202"]),
        ("system", &["error SP211"]),
        ("batched", &["error SP209"]),
        ("doubled", &["warning SP216"]),
        ("filtered", &["error SP204"]),
        ("suffix", &["warning SP220"]),
        ("signs", &["warning SP221"]),
        ("leaver", &["warning SP222"]),
        ("room", &[]),
        ("large", &[]),
        ("quarantined", &["error SP207"]),
        ("last", &[]),
        ("gone1", &["error SP218"]),
        ("stranger", &["error SP201"]),
        ("dana", &["error SP212"]),
    ] {
        assert_eq!(of(name), wanted, "{name}: {found:#?}");
    }
}

/// Two hours after the beginning.
fn later(lab: &LabProcess) -> String {
    let now: jiff::Timestamp = lab.get("/clock")["now"].as_str().expect("a time").parse().expect("a time");
    (now + jiff::SignedDuration::from_hours(2)).to_string()
}

#[test]
fn the_same_company_is_judged_otherwise_by_another_kind() {
    let lab = lab_of(&company());
    lab.post("/clock/advance", &json!({"to": later(&lab)}));
    let list = ["ann@acme.test", "hidden@acme.test", "voice@acme.test", "doubled@acme.test"];
    let of = |kind: &str| verdicts(&lab, &list, &format!(", #{{ kind: \"{kind}\" }}"));
    // Nobody has an address of the tenant: one fault, of everybody but who has a
    // mailbox with its own address on the cloud's side only.
    let moved = of("remote_move");
    assert!(moved["ann@acme.test"].contains("error SP219"), "{moved:?}");
    let imap = of("imap");
    assert_eq!(imap.get("doubled@acme.test"), None, "{imap:?}");
    assert!(imap["hidden@acme.test"].contains("error SP224") && imap["ann@acme.test"].len() == 1, "{imap:?}");
    let cutover = of("cutover");
    assert!(cutover.values().flatten().any(|v| v == "error SP226"), "{cutover:?}");
    let output = run(lab.folder(), &["run", "wrong.rhai", "--profile", "lab/profile.toml", "--yes"]);
    assert_ne!(code(&output), 0);
}

/// A company in which every row has a finding of its own, and the script that
/// checks it.
fn faulty(people: usize) -> Value {
    let name = |n: usize| format!("p{n}@acme.test");
    let facts = |n: usize| json!({"address": name(n), "hidden": n.is_multiple_of(3), "um": n % 3 == 1, "enabled": n.is_multiple_of(2)});
    json!({
        "version": 1,
        "people": (0..people).map(facts).collect::<Vec<_>>(),
        "tenant": {"domains": [{"name": "acme.test", "verified": true}]},
        "faults": [],
        "mess": {"earlier_batch": (0..people).filter(|n| n % 3 == 2).map(name).collect::<Vec<_>>()}
    })
}

#[test]
fn a_check_costs_one_read_of_each_source_whatever_is_found() {
    let mut counted = Vec::new();
    for people in [50, 500] {
        let lab = lab_of(&faulty(people));
        let text =
            "let list = mailboxes::read(\"lab/mailboxes.csv\");\nlet r = validate(list);\nprint(r.findings.len);";
        let said = script(&lab, text);
        let findings: usize = said[0].parse().expect("a number");
        assert!(findings >= people, "every row has one: {findings}");
        let mut requests = lab.get("/count")["requests"].clone();
        // Tokens are asked for by time, not by rows.
        let all = requests.as_object_mut().expect("an object");
        all.remove("entra");
        counted.push(requests);
    }
    assert_eq!(counted[0], counted[1], "500 rows cost what 50 do: all fit into one page");
    assert_eq!(
        counted[0],
        json!({
            "exchange": {"Get-MigrationUser": 1, "Get-Recipient": 1},
            "graph": {"GET /organization": 1, "GET /subscribedSkus": 1, "GET /users": 1},
            // The root of the directory, and everybody.
            "ldap": {"bind": 1, "search": 2}
        })
    );
}

#[test]
fn the_verb_says_it_of_a_file_whether_of_a_profile_or_of_a_company_file() {
    let lab = lab_of(&company());
    lab.post("/clock/advance", &json!({"to": later(&lab)}));
    let at = lab.folder();
    std::fs::write(at.join("company.json"), company().to_string()).expect("a writable folder");
    let list = "EmailAddress\nann@acme.test\nhidden@acme.test\nbob@acme.test\nstranger@acme.test\n";
    std::fs::write(at.join("list.csv"), list).expect("a writable folder");
    let told_of = |whose: &[&str], wanted: i32| -> Vec<(String, u64, u64)> {
        let output = run(at, &[&["validate", "list.csv", "--json"], whose].concat());
        assert_eq!(code(&output), wanted, "{}", told(&output));
        let text = |l: &Value, name: &str| l[name].as_str().unwrap_or_default().to_owned();
        let number = |l: &Value, name: &str| l[name].as_u64().unwrap_or_default();
        let found = lines(&output).into_iter().filter(|l| l.get("rule").is_some());
        found.map(|l| (text(&l, "rule"), number(&l, "line"), number(&l, "column"))).collect()
    };
    assert_eq!(told_of(&[], 0), []);
    let before = lab.get("/count")["requests"]["ldap"]["search"].as_u64().unwrap_or_default();
    let of_profile = told_of(&["--against", "lab/profile.toml"], 3);
    let searches = lab.get("/count")["requests"]["ldap"]["search"].as_u64().unwrap_or_default() - before;
    assert_eq!(searches, 2);
    assert_eq!(
        of_profile,
        [("SP203".to_owned(), 3, 1), ("SP223".to_owned(), 4, 1), ("SP201".to_owned(), 5, 1)],
        "by line, with the column of the address"
    );
    assert_eq!(told_of(&["--world", "company.json"], 3), of_profile);
    // By another kind, other rules: nobody has a mailbox to copy into.
    std::fs::write(at.join("imap.csv"), "EmailAddress,UserName,Password\nann@acme.test,ann,Long-Enough1\n")
        .expect("a writable folder");
    let output = run(at, &["validate", "imap.csv", "--kind", "imap", "--world", "company.json"]);
    assert_eq!(code(&output), 3, "{}", told(&output));
    assert!(err_and_out(&output).contains("SP224") && !err_and_out(&output).contains("Long-Enough1"));
    assert!(!at.join(".stagepost").exists(), "who only reads makes no journal");
    // Both at once, and what isn't there.
    for wrong in [
        &["--against", "lab/profile.toml", "--world", "company.json"][..],
        &["--against", "nowhere.toml"],
        &["--world", "nowhere.json"],
    ] {
        let output = run(at, &[&["validate", "list.csv"], wrong].concat());
        assert_eq!(code(&output), 2, "{}", told(&output));
    }
}

fn err_and_out(output: &std::process::Output) -> String {
    format!("{}{}", crate::support::err(output), crate::support::out(output))
}

#[test]
fn delegates_are_cut_into_one_file() {
    let at = folder();
    std::fs::write(at.path().join("company.json"), company().to_string()).expect("a writable folder");
    let list = "EmailAddress\nann@acme.test\nbob@acme.test\nlast@acme.test\ncy@acme.test\n";
    std::fs::write(at.path().join("list.csv"), list).expect("a writable folder");
    let output = run(at.path(), &["validate", "list.csv", "--world", "company.json", "--split", "2"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let cut = |n: usize| std::fs::read_to_string(at.path().join(format!("list-0{n}.csv"))).expect("it was cut");
    let together = (1..=2).map(cut).find(|text| text.contains("bob@")).expect("bob is somewhere");
    assert!(together.contains("cy@"), "{together}");
}
