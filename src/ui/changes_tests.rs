//! How a plan looks: wide, narrow, in colour, empty.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::run::plan::{Of, Pin, VERSION};

fn at(hours: i64) -> jiff::Timestamp {
    let begin: jiff::Timestamp = "2026-01-12T09:00:00Z".parse().expect("a valid moment");
    begin + jiff::SignedDuration::from_hours(hours)
}

fn change(hours: i64, operation: &str, target: &str, before: Value, after: Value, way: Value) -> Planned {
    Planned {
        operation: operation.into(),
        target: target.into(),
        before,
        after,
        repeat: "guarded".into(),
        way_back: way,
        at: Some("staged.rhai:52:5".into()),
        time: at(hours),
    }
}

fn empty() -> Plan {
    Plan {
        version: VERSION,
        of: Of { project: "Contoso".into(), tenant: "4f1c".into(), profile: "contoso".into() },
        made: at(0),
        ends: at(0),
        pins: Vec::new(),
        changes: Vec::new(),
        assumptions: Vec::new(),
        conditions: Vec::new(),
        approvals: Vec::new(),
        left: BTreeMap::new(),
        requests: BTreeMap::new(),
    }
}

fn plan() -> Plan {
    let reversible = || json!({"kind": "reversible"});
    let compensable = |way: &str| json!({"kind": "compensable", "way": way});
    let set = |ttl: u32, value: &str| json!({"name": "contoso.test.", "type": "MX", "ttl": ttl, "values": [value]});
    let (old, new) = ("10 mail.contoso.test.", "0 contoso-test.mail.protection.outlook.com.");
    let addresses: Vec<String> = (0..40).map(|n| format!("user{n:02}@contoso.test")).collect();
    let settings = json!({"ExchangeServer": "EX07.contoso.test", "MaxConcurrentMigrations": "20"});
    let endpoint = compensable("Remove-MigrationEndpoint, once no batch uses it");
    let mut changes = vec![
        change(0, "endpoint", "on-premises", Value::Null, settings, endpoint),
        change(
            1,
            "batch",
            "wave-01",
            Value::Null,
            json!({"rows": 40, "addresses": addresses}),
            compensable("Remove-MigrationBatch, as long as it was not started"),
        ),
        change(
            1,
            "start",
            "wave-01",
            json!({"status": "Created"}),
            json!({"status": "Syncing"}),
            compensable("release the rows: forwarding is taken back, what came meanwhile is carried home"),
        ),
    ];
    let inverse = "the inverse modify, until the store purges the old mailbox (30 days by default)";
    let licences = json!({"proxies": ["smtp:a@contoso.test", "smtp:b@contoso.test"]});
    let unknown = json!({"unknown": "legacyExchangeDN of the cloud mailbox"});
    let more = json!({"proxies": ["smtp:a@contoso.test", "smtp:c@contoso.test", unknown]});
    changes.push(change(2, "ldap::modify", "cn=ann", licences, more, reversible()));
    for (n, address) in addresses.iter().enumerate() {
        let (before, after) = (json!({"homeMDB": ["x"]}), json!({}));
        let n = i64::try_from(n).expect("a small number");
        changes.push(change(30 + n, "convert_to_mail_user", address, before, after, compensable(inverse)));
    }
    let mx = "contoso.test MX";
    changes.push(change(80, "set_mx::lower_ttl", mx, json!({"set": set(3600, old)}), set(300, old), reversible()));
    changes.push(change(81, "set_mx", mx, json!({"set": set(300, old)}), set(300, new), reversible()));
    let gone =
        json!({"kind": "final", "why": "nothing is copied from on premises any more; a new batch would begin anew"});
    changes.push(change(160, "remove", "wave-01", json!({"status": "Synced"}), Value::Null, gone));
    let rests =
        |hours: i64, text: &str| Assumption { text: text.into(), at: Some("staged.rhai:57:5".into()), time: at(hours) };
    Plan {
        ends: at(161),
        pins: vec![
            Pin { kind: "script".into(), name: "staged.rhai".into(), origin: "".into(), sha256: "a1".repeat(32) },
            Pin { kind: "input".into(), name: "mailboxes.csv".into(), origin: "".into(), sha256: "b2".repeat(32) },
        ],
        changes,
        assumptions: vec![rests(30, "every row of wave-01 is synced")],
        conditions: vec![rests(80, "mx-before-settled: 40 mailboxes are not converted yet")],
        approvals: vec![rests(
            1,
            "New mail of 40 people will arrive only in the cloud, while Outlook still opens the old mailbox. Start wave-01?",
        )],
        left: [("eve@contoso.test".to_owned(), "Unified Messaging is on".to_owned())].into(),
        requests: [("exchange".to_owned(), 1234), ("graph".to_owned(), 7)].into(),
        ..empty()
    }
}

fn golden(name: &str, found: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plan-shown");
    let path = folder.join(name);
    if std::env::var("STAGEPOST_GOLDEN").is_ok_and(|v| v == "write") {
        std::fs::create_dir_all(&folder).expect("the golden folder may be written");
        std::fs::write(&path, found).expect("the golden folder may be written");
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap_or_default(), "{name}");
}

#[test]
fn a_plan_is_readable_wide_narrow_and_in_colour() {
    let hash = "c3".repeat(32);
    golden("wide.txt", &render(&plan(), &hash, Paint::new(false), 120));
    let narrow = render(&plan(), &hash, Paint::new(false), 60);
    let long = narrow.lines().find(|l| text::width(l) > 60 && l.split_whitespace().count() > 2);
    assert_eq!(long, None);
    golden("narrow.txt", &narrow);
    golden("colour.txt", &render(&plan(), &hash, Paint::new(true), 100));
}

#[test]
fn a_plan_of_nothing_says_so() {
    let text = render(&empty(), "", Paint::new(false), 80);
    let expected =
        "plan of Mon 12 Jan 2026, 09:00\n  for Contoso, tenant 4f1c, profile contoso\n  nothing to do, over at once\n";
    assert_eq!(text, expected);
}

#[test]
fn foreign_text_moves_no_cursor() {
    let mut plan = plan();
    plan.changes.truncate(1);
    plan.changes[0].target = "evil\u{1b}[2J\u{202e}name".into();
    plan.changes[0].after = json!({"Exchange\u{1b}Server": "a\u{7}b"});
    plan.assumptions[0].text = "x\u{1b}]0;title\u{7}".into();
    let text = render(&plan, "", Paint::new(false), 80);
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
}
