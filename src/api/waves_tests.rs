//! What scripts see of a plan, and what they are refused.

use std::sync::Arc;

use rhai::Dynamic;

use crate::base::{Clock, Kind};
use crate::host::frames::plain;
use crate::host::{Host, Library, ScriptError};
use crate::run::bare;
use crate::run::narrate::{Keeper, What};

/// Runs a script that finds twelve people as `list`; answers what was told, too.
fn run(text: &str) -> (Result<Dynamic, ScriptError>, Vec<What>) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let row = |n: usize| {
        let date = ["2026-03-14", "2026-02-28", ""][n % 3];
        format!("user{n:02}@contoso.test,{},{}.5 GB,{},{date}\n", ["Sales", "IT"][n % 2], n + 1, ["yes", "no"][n % 2])
    };
    let rows: String = (0..12).map(row).collect();
    std::fs::write(folder.path().join("list.csv"), format!("EmailAddress,Department,Size,Phone,Date\n{rows}"))
        .expect("a writable folder");
    std::fs::write(folder.path().join("sizes.csv"), "EmailAddress,TotalItemSize\nUSER03@contoso.test,2097152B\n")
        .expect("a writable folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let journal = Arc::new(bare::MemoryJournal::default());
    let keeper = Arc::new(Keeper::default());
    let session = bare::session(Clock::system(), keeper.clone(), runtime.handle().clone(), journal);
    let path = folder.path().display();
    let head =
        format!("let at = `{path}`; let list = mailboxes::read(`{path}/list.csv`, #{{ unknown_columns: true }});\n");
    let answer = Host::new(session, Library::bundled_only()).run_text("test.rhai", &format!("{head}{text}"));
    (answer, keeper.notes().into_iter().map(|n| n.what).collect())
}

fn told(text: &str) -> String {
    run(text).0.map_err(|e| plain(&e)).expect("the script succeeds").to_string()
}

fn refused(text: &str) -> crate::base::Failure {
    run(text).0.expect_err("the script fails").failure
}

/// Each wave of a plan: its names and its size.
fn waves(options: &str) -> String {
    told(&format!(
        "let all = \"\"; for w in waves_of(list, #{{ {options} }}) {{ all += `${{w.name}}|${{w.group}}|${{w.when}}|${{w.mailboxes.len}} `; }} all"
    ))
}

#[test]
fn a_plan_is_made_by_count_by_column_and_by_schedule() {
    assert_eq!(waves("pilot: 2, at_most: 5"), "wave-01|||2 wave-02|||5 wave-03|||5 ");
    assert_eq!(waves("pilot: 0, by: \"department\""), "wave-01|Sales||6 wave-02|IT||6 ");
    assert_eq!(
        waves("schedule: \"Date\""),
        "wave-01|2026-02-28|2026-02-28|4 wave-02|2026-03-14|2026-03-14|4 wave-03|||4 "
    );
    assert_eq!(
        waves("by: \"Department\", schedule: #{ \"2026-05-02\": \"sales\", \"2026-04-01\": [\"IT\"] }"),
        "wave-01|2026-04-01|2026-04-01|6 wave-02|2026-05-02|2026-05-02|6 "
    );
    assert_eq!(waves("schedule: #{ night: [\"USER03@contoso.test\"] }"), "wave-01|night|night|1 wave-02|||11 ");
}

#[test]
fn limits_of_data_and_hours_are_kept_and_told() {
    assert_eq!(waves("pilot: 0, size: \"40 GB\", sizes: \"Size\""), "wave-01|||8 wave-02|||3 wave-03|||1 ");
    let expected =
        "waves_of(list, #{ pilot: 0, rate: \"1 GB/h\", sizes: \"Size\", phones: \"Phone\" })[0].expected.hours_apart";
    assert_eq!(told(expected), "18.5");
    assert_eq!(told("waves_of(list, #{ pilot: 0 })[0].expected.hours_apart == ()"), "true");
    // Five millions of a second file, and the average of it for the others.
    let sized = "waves_of(list, #{ pilot: 0, statistics: at + \"/sizes.csv\" })[0].expected.bytes";
    assert_eq!(told(sized), (12 * 2_097_152).to_string());
    let (_, notes) = run(
        "waves_of(list, #{ pilot: 3, phones: \"Phone\", together: [[\"user04@contoso.test\", \"user05@contoso.test\"]] })",
    );
    let planned = notes.iter().find_map(|what| match what {
        What::WavePlanned { about, seats: 3, .. } => Some(about.as_str()),
        _ => None,
    });
    assert_eq!(planned, Some("with a pair of delegates, somebody with a phone; kinds and sizes are not known"));
}

#[test]
fn who_is_parted_is_named_with_what_no_division_could_do_better() {
    let (_, notes) = run(
        "let together = []; for n in 1..12 { together.push(#{ owner: list[0].address, delegate: list[n].address }); }\n\
         waves_of(list, #{ pilot: 0, at_most: 10, together: together })",
    );
    let text = notes.iter().find_map(|what| match what {
        What::Warned { text, .. } => Some(text.as_str()),
        _ => None,
    });
    let text = text.expect("it is said");
    assert!(text.starts_with("wave-01, wave-02: 12 people who work in each other's mailboxes"), "{text}");
    assert!(text.contains("2 permissions cross (no division crosses fewer)"), "{text}");
}

#[test]
fn what_can_not_be_planned_is_refused_with_a_way_out() {
    for (options, kind, part) in [
        ("hours: 8", Kind::Validation, "without a rate"),
        ("hours: 8, rate: \"1 GB/h\"", Kind::Validation, "without the sizes"),
        ("rate: \"quick\"", Kind::Usage, "can't be read"),
        ("line: \"100 Mbit/s\"", Kind::Usage, "needs `rate`"),
        ("by: \"Departement\"", Kind::Usage, "no column"),
        ("sizes: \"Department\"", Kind::Validation, "is no size"),
        ("phones: \"Size\"", Kind::Validation, "neither yes nor no"),
        ("schedule: \"Date\", by: \"Department\"", Kind::Usage, "two columns"),
        ("by: \"Department\", schedule: #{ monday: \"Sails\" }", Kind::Usage, "is not in Department"),
        ("by: \"Department\", schedule: #{ monday: \"IT\", friday: \"it\" }", Kind::Usage, "twice"),
        ("statistics: \"nowhere.csv\"", Kind::Local, "is not there"),
        ("statistics: at + \"/list.csv\", size: \"2 parsecs\"", Kind::Usage, "can't be read"),
        ("helpdesk: 0", Kind::Validation, "above zero"),
        ("look: -1", Kind::Usage, "hours"),
    ] {
        let failure = refused(&format!("waves_of(list, #{{ {options} }})"));
        assert_eq!(failure.kind, kind, "{options}: {failure:?}");
        assert!(failure.message.contains(part), "{options}: {}", failure.message);
    }
}

#[test]
fn the_library_hands_its_options_on() {
    let plan = "import \"std/waves\" as waves; waves::plan(list, #{ keep: \"nothing\", OPTIONS })";
    let with = |options: &str| plan.replace("OPTIONS", options);
    assert_eq!(told(&(with("pilot: 3, windows: [\"at night\"]") + "[0].windows")), "[\"at night\"]");
    assert_eq!(told(&(with("schedule: \"Date\", windows: [\"at night\"]") + "[0].windows")), "[\"2026-02-28\"]");
    assert_eq!(told(&(with("helpdesk: 4") + ".len")), "3");
    let failure = refused(&with("helpdesks: 4"));
    assert_eq!(failure.message, "waves::plan has no option \"helpdesks\"");
    assert!(failure.hint.is_some_and(|h| h.starts_with("its options are keep, windows, pilot, at_most")));
}
