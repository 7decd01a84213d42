//! What scripts see of a set of mailboxes.

use std::sync::Arc;

use rhai::Dynamic;

use crate::base::{Clock, Kind};
use crate::host::frames::plain;
use crate::host::{Host, Library, ScriptError};
use crate::run::bare;
use crate::run::narrate::Keeper;

const LIST: &str = "EmailAddress,Department,Password,Size\nann@contoso.test,Sales,secret-one,10\n\
                    bob@contoso.test,IT,,9\ncyd@contoso.test,sales,,100\n";

/// Runs a script that finds the list as `list` and a folder of its own as `folder`.
fn run(folder: &tempfile::TempDir, text: &str) -> Result<Dynamic, ScriptError> {
    let path = folder.path().join("list.csv");
    std::fs::write(&path, LIST).expect("a writable folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let journal = Arc::new(bare::MemoryJournal::default());
    let keeper = Arc::new(Keeper::default());
    let session = bare::session(Clock::system(), keeper.clone(), runtime.handle().clone(), journal);
    let head = format!(
        "let folder = `{}`; let list = mailboxes::read(`{}`, #{{ unknown_columns: true }});\n",
        folder.path().display(),
        path.display()
    );
    let answer = Host::new(session, Library::bundled_only()).run_text("test.rhai", &format!("{head}{text}"));
    let told = |note: &crate::run::narrate::Note| format!("{:?}", note.what);
    assert!(
        !keeper.notes().iter().any(|n| told(n).contains("is no column")),
        "columns that were asked for are no warning"
    );
    answer
}

/// What a script answers, as text.
fn told(text: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder can be made");
    run(&folder, text).map_err(|e| plain(&e)).expect("the script succeeds").to_string()
}

fn fails(text: &str) -> ScriptError {
    let folder = tempfile::tempdir().expect("a folder can be made");
    run(&folder, text).expect_err("the script fails")
}

#[test]
fn a_row_has_its_columns_as_properties() {
    assert_eq!(
        told("let all = \"\"; for m in list { all += `${m.address} ${m.department} ${m[\"SIZE\"]} ${m.line};`; } all"),
        "ann@contoso.test Sales 10 2;bob@contoso.test IT 9 3;cyd@contoso.test sales 100 4;"
    );
    assert_eq!(
        told("`${list[0]} ${list[-1].EmailAddress} ${type_of(list[0])}`"),
        "ann@contoso.test cyd@contoso.test Mailbox"
    );
    assert_eq!(told("list[1] == list.skip(1)[0] && list[0] != list[1]"), "true");
    assert_eq!(told("list[0].to_map().keys()"), r#"["Department", "EmailAddress", "Size"]"#);
    assert_eq!(told("`${list.len} ${list.len()} ${list.columns.len} ${list[0].columns.len}`"), "3 3 4 4");
}

#[test]
fn a_column_that_is_not_there_and_a_secret_one_are_refused_with_their_place() {
    let error = fails("list[0].Departmnt");
    assert_eq!(error.failure.kind, Kind::Usage);
    assert_eq!(error.failure.hint.as_deref(), Some("did you mean `Department`?"));
    assert_eq!(error.failure.at.as_deref(), Some("test.rhai:2:8"), "{}", plain(&error));
    for text in
        ["list[0].Password", "list[0][\"password\"]", "list.group_by(\"Password\")", "list.sort_by(\"password\")"]
    {
        let error = fails(text);
        assert!(error.failure.message.contains("holds secrets"), "{text}: {}", plain(&error));
        assert!(!plain(&error).contains("secret-one"));
    }
    assert!(!told("list[0].to_map()").contains("secret-one"));
    assert!(!told("list.to_maps()").contains("secret-one"));
}

#[test]
fn an_index_beyond_the_end_is_an_error_and_minus_one_is_the_last() {
    assert_eq!(told("list[-3].address"), "ann@contoso.test");
    for text in ["list[3]", "list[-4]", "list.take(0)[0]"] {
        assert!(plain(&fails(text)).contains("test.rhai:2:"), "{text}");
    }
}

#[test]
fn sets_are_filtered_grouped_and_ordered_by_column_and_by_closure() {
    assert_eq!(told("list.filter(|m| m.Department == \"IT\")[0].address"), "bob@contoso.test");
    assert_eq!(told("let least = 50; list.filter(|m| parse_int(m.Size) > least).len"), "1");
    let groups = "let all = \"\"; for g in list.group_by(HOW) { all += `${g.name}=${g.mailboxes.len} `; } all";
    assert_eq!(told(&groups.replace("HOW", "\"department\"")), "Sales=2 IT=1 ");
    assert_eq!(told(&groups.replace("HOW", "|m| m.Size.len")), "2=1 1=1 3=1 ");
    assert_eq!(told("list.sort_by(\"Size\").addresses[0]"), "bob@contoso.test");
    assert_eq!(told("list.sort_by(|m| -parse_int(m.Size)).addresses[0]"), "cyd@contoso.test");
    assert_eq!(told("list.sort_by(\"EmailAddress\", #{ descending: true })[0].address"), "cyd@contoso.test");
    assert_eq!(told("list.without(list.take(1)).add(list.skip(2)).len"), "2");
    // Arrays keep their own.
    assert_eq!(told("[1, 2, 3].filter(|n| n > 1).len"), "2");
}

#[test]
fn what_a_closure_throws_keeps_its_place_and_a_wrong_answer_names_the_row() {
    let error = fails(
        "let f = |m| {\n    if m.address.starts_with(\"bob\") { throw \"not bob\"; }\n    true\n};\nlist.filter(f)",
    );
    assert_eq!(error.failure.message, "not bob");
    assert_eq!(error.failure.at.as_deref(), Some("test.rhai:3:39"), "{}", plain(&error));
    let error = fails("list.sort_by(|m| m.Nothing)");
    assert_eq!(error.failure.at.as_deref(), Some("test.rhai:2:19"), "{}", plain(&error));
    let error = fails("list.filter(|m| m.Department)");
    assert!(error.failure.message.contains("the text \"Sales\" for ann@contoso.test"), "{}", plain(&error));
    assert_eq!(told("let n = 0; try { list.group_by(|m| m.Nothing); } catch (e) { n = e.kind; } n"), "usage");
    assert_eq!(fails("list.group_by(7)").failure.kind, Kind::Usage);
}

#[test]
fn a_list_is_joined_with_what_another_says() {
    let other = "let more = list.sort_by(\"Size\").take(2); let bare = mailboxes::of(list.addresses); ";
    assert_eq!(told(&format!("{other} bare.join(more)[0].Department")), "Sales");
    assert_eq!(told(&format!("{other} bare.join(more)[2].Department")), "");
    assert_eq!(told(&format!("{other} bare.join(more, \"EmailAddress\").columns.len")), "4");
    assert_eq!(fails(&format!("{other} bare.join(more, \"Department\")")).failure.kind, Kind::Usage);
}

#[test]
fn a_file_is_written_once_and_without_passwords() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let read = || std::fs::read_to_string(folder.path().join("wave.csv")).expect("it was written");
    let write = |text: &str| drop(run(&folder, text).map_err(|e| plain(&e)).expect("it is written"));
    write("list.take(2).write(folder + \"/wave.csv\")");
    assert_eq!(read(), "EmailAddress\r\nann@contoso.test\r\nbob@contoso.test\r\n");
    write("list.take(2).write(folder + \"/wave.csv\")");
    let error = run(&folder, "list.write(folder + \"/wave.csv\")").expect_err("other content");
    assert_eq!(error.failure.kind, Kind::Conflict);
    let all = "mailboxes::write(list, folder + \"/wave.csv\", #{ overwrite: true, passwords: true })";
    write(all);
    assert!(read().starts_with("EmailAddress,Password\r\nann@contoso.test,secret-one\r\n"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let found = std::fs::metadata(folder.path().join("wave.csv")).expect("it is there");
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
    let error = run(&folder, "list.write(folder + \"/nowhere/wave.csv\")").expect_err("no such folder");
    assert_eq!(error.failure.kind, Kind::Local);
}
