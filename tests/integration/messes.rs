//! The mess of real companies: each ends as its record says.

use std::collections::BTreeMap;

use serde_json::Value;
use stagepost::lab::mess::{self, Becomes};

use crate::support::{LabProcess, code, run, told};

/// Every mess of the table is in one company, the standard script goes through
/// it, and the lab's world says what became of each row.
#[test]
fn every_mess_ends_as_its_record_says() {
    let lab = LabProcess::start(&["--make", "800", "--faults", "usual"]);
    let output = run(lab.folder(), &["run", "staged", "--profile", "lab/profile.toml", "--yes"]);
    assert_eq!(code(&output), 6, "{}", told(&output));
    let proof = lab.get("/proof");
    let rows: BTreeMap<&str, &Value> = proof["rows"]
        .as_array()
        .expect("there are rows")
        .iter()
        .map(|row| (row["address"].as_str().unwrap_or_default(), row))
        .collect();
    assert_eq!(proof["broken"], serde_json::json!([]), "{}", proof["broken"]);
    let mut seen = 0;
    let laid = proof["messes"].as_array().expect("messes are told");
    for record in mess::all() {
        let Some(found) = laid.iter().find(|m| m["name"] == record.name) else {
            panic!("{} is not in the sample", record.name);
        };
        seen += 1;
        if record.becomes == Becomes::Company {
            continue;
        }
        for who in found["who"].as_array().expect("names").iter().filter_map(Value::as_str) {
            let outcome = rows[who]["outcome"].as_str().unwrap_or_default();
            // A quarter of the copies that break off get through at the second try,
            // and the last seat may be short for anybody.
            let wanted: &[&str] = match record.becomes {
                Becomes::Left if ["copy-timeout", "poisoned", "over-quota", "no-progress"].contains(&record.name) => {
                    &["whole", "moved"]
                }
                Becomes::Left => &["whole"],
                _ => &["moved"],
            };
            assert!(wanted.contains(&outcome), "{}: {who} is {outcome}: {}", record.name, rows[who]);
        }
    }
    assert!(seen >= 45, "{seen}");
    // A second row of somebody is set aside, and says whose it is.
    let list = std::fs::read_to_string(lab.folder().join("lab/mailboxes.csv")).expect("the lab writes its list");
    let twice: Vec<&str> = list.lines().skip(1).filter(|row| !rows.contains_key(row)).collect();
    assert!(!twice.is_empty() && list.lines().count() == 801 + twice.len(), "{twice:?}");
    let words = told(&output);
    assert!(words.contains(", which stands in the list, too"), "{words}");
    // The domain controller's copy of the zone is named where it matters.
    assert!(words.contains("answers from a copy of the zone contoso.test of its own"), "{words}");
    assert!(words.contains("still leads autodiscover.contoso.test to mail.contoso.test"), "{words}");
    let count = |outcome: &str| rows.values().filter(|r| r["outcome"] == outcome).count();
    assert_eq!(count("broken"), 0);
    let left = count("whole") * 1000 / rows.len();
    assert!((20..=40).contains(&left), "{left} of 1,000 rows are left");
}
