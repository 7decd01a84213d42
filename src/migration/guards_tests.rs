//! Tests of the guards' rules.

use serde_json::json;

use super::*;

fn people(n: usize) -> Vec<String> {
    (1..=n).map(|i| format!("p{i}@contoso.test")).collect()
}

fn connector() -> Value {
    json!({"Enabled": true, "ConnectorType": "OnPremises", "RecipientDomains": ["Contoso.test"],
        "SmartHosts": ["mail.contoso.test"]})
}

#[test]
fn every_guard_is_complete_and_found_by_its_name() {
    for guard in GUARDS {
        assert_eq!(super::guard(guard.name), Some(guard));
        for text in [guard.title, guard.demands, guard.remedy, guard.source] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", guard.name);
        }
        assert!(guard.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", guard.name);
        assert!(guard.forced.starts_with(guard.primitive) && guard.forced.contains("force:"), "{}", guard.name);
    }
    assert_eq!(super::guard("mx"), None);
}

#[test]
fn a_connector_or_nobody_left_lets_the_mx_go() {
    let open = [Connector::of(&connector())];
    assert_eq!(mx("contoso.test", &[], &[]), None);
    assert_eq!(mx("CONTOSO.test", &people(4), &open), None);
    let objection = mx("contoso.test", &people(4), &[]).expect("four are not moved");
    assert_eq!((objection.guard.name, objection.target.as_str()), ("mx-before-settled", "contoso.test"));
    assert_eq!(
        objection.text,
        "no outbound connector carries mail of contoso.test to the old server, and 4 mailboxes are not moved: \
         p1@contoso.test, p2@contoso.test, p3@contoso.test and 1 more"
    );
}

#[test]
fn a_connector_that_does_not_lead_home_is_none() {
    let with = |name: &str, value: Value| {
        let mut row = connector();
        row[name] = value;
        mx("contoso.test", &people(1), &[Connector::of(&row)]).is_none()
    };
    assert!(with("Name", json!("x")));
    assert!(with("RecipientDomains", json!(["*"])) && with("RecipientDomains", json!(["*.test"])));
    assert!(!with("RecipientDomains", json!(["*.contoso.test"])), "that is its subdomains");
    assert!(with("SmartHosts", json!(["[192.0.2.25]"])));
    assert!(!with("Enabled", json!(false)));
    assert!(!with("ConnectorType", json!("Partner")));
    assert!(!with("RecipientDomains", json!(["fabrikam.test", "notcontoso.test"])));
    assert!(!with("SmartHosts", json!([])), "it would follow the MX");
    assert!(!with("SmartHosts", json!(["contoso-test.mail.protection.outlook.com"])), "it would loop");
}

#[test]
fn rows_at_work_are_counted_in_a_batch_that_was_started() {
    let rows: Vec<(String, String)> =
        ["Synced", "Syncing", "Failed", "Queued", "Stopped", "Provisioning", "Thawing", "CompletedWithWarnings"]
            .iter()
            .map(|s| ((*s).to_lowercase(), (*s).to_owned()))
            .collect();
    assert_eq!(at_work("Syncing", &rows), ["syncing", "queued", "provisioning", "thawing"]);
    assert_eq!(at_work("Synced", &rows).len(), 4, "the rows have the last word");
    assert!(at_work("Created", &rows).is_empty());
    assert_eq!(removal("wave-01", &[]), None);
    let said = removal("wave-01", &people(1)).expect("one is copied").text;
    assert_eq!(said, "1 mailbox of wave-01 is still being copied: p1@contoso.test");
}

#[test]
fn the_next_start_waits_for_licences() {
    assert_eq!(start("wave-02", &[]), None);
    let objection = start("wave-02", &people(2)).expect("two have none");
    assert_eq!((objection.target.as_str(), objection.guard.name), ("wave-02", "start-before-licences"));
    assert!(
        objection.text.starts_with("2 cloud mailboxes of earlier waves are without a licence: "),
        "{}",
        objection.text
    );
}

#[test]
fn autodiscover_waits_for_everybody_but_on_exchange_2003() {
    assert_eq!(autodiscover("contoso.test", "2007", &[]), None);
    assert_eq!(autodiscover("contoso.test", "2003", &people(3)), None);
    for source in ["2007", "2010", "SE"] {
        assert!(autodiscover("contoso.test", source, &people(3)).is_some(), "{source}");
    }
}

#[test]
fn four_days_are_four_days() {
    let copied: Timestamp = "2026-01-12T09:00:00Z".parse().expect("a time");
    let after = |seconds: i64| copied + SignedDuration::from_secs(seconds);
    assert_eq!(conversion("a@contoso.test", copied, after(4 * 86_400), 4), None);
    assert!(conversion("a@contoso.test", copied, after(4 * 86_400 + 1), 4).is_some());
    assert_eq!(conversion("a@contoso.test", copied, after(-60), 4), None, "clocks disagree");
    assert_eq!(conversion("a@contoso.test", copied, after(7 * 86_400), 7), None);
    let said = conversion("a@contoso.test", copied, after(7 * 86_400), 4).expect("a week").text;
    assert!(said.starts_with("its copy ended 7 days ago") && said.contains("at most 4"), "{said}");
}

#[test]
fn the_document_says_of_each_guard_what_the_table_says() {
    let document = include_str!("../../docs/guards.md");
    let mut sections: Vec<String> = document.split("\n## `").skip(1).map(|s| format!("## `{s}")).collect();
    assert_eq!(sections.len(), GUARDS.len(), "a section for each guard and no other");
    for guard in GUARDS {
        let expected = format!(
            "## `{}`\n\n- Stands before: `{}`\n- Lost without it: {}\n- Demands: {}\n- Remedy: {}\n- By force: `{}`\n- Source: {}\n\n",
            guard.name, guard.primitive, guard.title, guard.demands, guard.remedy, guard.forced, guard.source
        );
        assert!(sections.remove(0).starts_with(&expected), "docs/guards.md should say:\n{expected}");
    }
}
