//! The borders of the house, read from its own source: what must never be.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{} holds no {ending}", folder.display());
    found
}

/// Code without comments and without what stands below `mod tests`.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a readable source file");
    if path.components().any(|part| part.as_os_str().to_string_lossy().contains("tests"))
        && path.starts_with(root().join("src"))
    {
        return String::new();
    }
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// No file of a room may hold any of these words.
fn never(room: &str, words: &[&str]) {
    let mut broken = Vec::new();
    for path in files(&root().join("src").join(room), ".rs") {
        let code = code(&path);
        for word in words {
            if code.contains(word) {
                broken.push(format!("{} holds `{word}`", path.strip_prefix(root()).unwrap_or(&path).display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

const IO: &[&str] = &["std::net", "std::fs", "tokio::", "reqwest", "ldap3::", "rusqlite", "std::process", "std::env"];

#[test]
fn wire_and_migration_do_no_input_or_output() {
    never("wire", IO);
    never("migration", IO);
    never("wire", &["crate::services", "crate::lab", "crate::run", "crate::migration", "crate::host", "crate::ui"]);
    never("migration", &["crate::services", "crate::lab", "crate::run", "crate::host", "crate::ui"]);
}

#[test]
fn services_and_the_lab_never_meet_and_the_lab_writes_its_own_rules() {
    never("services", &["crate::lab", "crate::migration", "crate::run", "crate::host", "crate::ui"]);
    never("lab", &["crate::services", "crate::migration", "crate::run", "crate::host", "crate::ui"]);
}

#[test]
fn a_survey_writes_to_nobody_and_knows_no_lab() {
    never(
        "survey",
        &["crate::lab", "crate::run", "crate::host", "crate::api", "crate::ui", "crate::report", "crate::cli"],
    );
    never("survey", &["rusqlite", "std::net::Tcp", "std::net::Udp", "reqwest", "ldap3::", "std::process"]);
    // Every call of a client that could change something; `page_of` refuses cmdlets that write.
    never("survey", &[".post(", ".patch(", ".modify(", ".delete(", ".invoke", ".swap(", ".send(", ".credential("]);
}

#[test]
fn base_knows_nobody() {
    let rooms = [
        "wire",
        "services",
        "lab",
        "migration",
        "survey",
        "run",
        "host",
        "api",
        "check",
        "repl",
        "ui",
        "cli",
        "report",
    ];
    let words: Vec<String> = rooms.iter().map(|r| format!("crate::{r}")).collect();
    never("base", &words.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn only_the_dialer_connects_and_only_the_lab_listens() {
    let sockets = ["TcpStream::connect", "UdpSocket::bind", "TcpListener", "TcpSocket", "UnixStream"];
    for room in ["host", "api", "check", "repl", "run", "survey", "cli", "ui", "report", "base"] {
        never(room, &sockets);
    }
    for path in files(&root().join("src/services"), ".rs") {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let code = code(&path);
        assert!(!code.contains("TcpListener"), "{name} listens");
        if name != "dialer.rs" {
            for word in ["TcpStream::connect", "UdpSocket::bind", "TcpSocket::new"] {
                assert!(!code.contains(word), "{name} holds `{word}`, which is the dialer's");
            }
        }
    }
    never("lab", &["TcpStream::connect"]);
}

#[test]
fn only_run_touches_the_journal() {
    for room in ["services", "lab", "host", "api", "check", "repl", "ui", "report", "wire", "migration", "base"] {
        never(room, &["rusqlite"]);
    }
    for path in files(&root().join("src"), ".rs") {
        let inside = path.strip_prefix(root().join("src")).expect("below src").to_owned();
        if code(&path).contains("rusqlite") {
            let known = ["run/sqlite.rs", "run/schema.rs"].map(Path::new);
            assert!(known.contains(&inside.as_path()), "SQLite stands in two files, not in {}", inside.display());
        }
    }
}

#[test]
fn only_main_exits_and_only_the_terminals_writer_prints() {
    for path in files(&root().join("src"), ".rs") {
        let code = code(&path);
        let inside = path.strip_prefix(root().join("src")).expect("below src").display().to_string();
        assert!(!code.contains("process::exit"), "{inside} exits");
        if !inside.starts_with("ui/") {
            for word in ["println!", "eprintln!", "print!(", "eprint!("] {
                assert!(!code.contains(word), "{inside} holds `{word}`");
            }
        }
    }
}

#[test]
fn writes_reach_a_service_only_through_the_gate() {
    // Every mutating call of a client stands inside an `apply` of a change, or
    // in one of the few files that hold changes.
    let writes =
        [".post(", ".patch(", ".modify(", "dns.swap(", ".send_raw(", "services.graph.delete(", "graph.delete("];
    for path in files(&root().join("src"), ".rs") {
        let inside = path.strip_prefix(root().join("src")).expect("below src").display().to_string();
        if inside.starts_with("services/") || inside.starts_with("lab/") || !code(&path).contains("services()") {
            continue;
        }
        let code = code(&path);
        let mut outside = code.clone();
        // Take the bodies of `impl Change for` away; what is left may not write.
        while let Some(start) = outside.find("Change for ") {
            let open = start + outside[start..].find('{').expect("an impl has a body");
            let mut depth = 0;
            let end = outside[open..]
                .char_indices()
                .find_map(|(i, c)| {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    (depth == 0).then_some(open + i + 1)
                })
                .expect("braces are paired");
            outside.replace_range(start..end, "");
        }
        for word in writes {
            assert!(!outside.contains(word), "{inside} writes with `{word}` outside a change");
        }
    }
}

/// The code of a file without the bodies of `impl Change for`.
fn outside_of_changes(code: &str) -> String {
    let mut outside = code.to_owned();
    while let Some(start) = outside.find("Change for ") {
        let open = start + outside[start..].find('{').expect("an impl has a body");
        let mut depth = 0;
        let end = outside[open..].char_indices().find_map(|(i, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth == 0).then_some(open + i + 1)
        });
        outside.replace_range(start..end.expect("braces are paired"), "");
    }
    outside
}

/// The functions of a file in which a change passes the gate inside a loop.
fn passes_in_loops(code: &str) -> Vec<String> {
    let mut blocks: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for line in code.lines() {
        if line.contains("gate::pass(")
            && blocks.iter().any(|b| ["for ", "while ", "loop "].iter().any(|w| b.starts_with(w)))
        {
            let function = blocks.iter().rev().find_map(|b| b.split("fn ").nth(1)).unwrap_or_default();
            found.push(function.split(['(', '<']).next().unwrap_or_default().to_owned());
        }
        for c in line.chars() {
            match c {
                '{' => blocks.push(line.trim_start()),
                '}' => drop(blocks.pop()),
                _ => {}
            }
        }
    }
    found
}

#[test]
fn every_set_reaches_its_service_in_the_gates_stages() {
    // One, then five, then groups, with a breaker: that is the gate's, and nobody
    // applies a change beside it.
    let mut loops = Vec::new();
    for path in files(&root().join("src/run"), ".rs") {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let code = code(&path);
        if name != "gate.rs" {
            let outside = outside_of_changes(&code);
            for word in [".apply(", ".apply_group("] {
                assert!(!outside.contains(word), "{name} holds `{word}` outside of a change: that is the gate's");
            }
        }
        loops.extend(passes_in_loops(&code).into_iter().map(|function| format!("{name} {function}")));
    }
    // A pass for each object would be a set without stages. These are none: each
    // pass of them is a set, or few, and the first failure ends the loop.
    let known = [
        "domains.rs verify",    // a handful of domains, each waited for
        "licences.rs give_way", // one set for each product
        "licences.rs give_way",
        "waiting.rs carry_home", // one set for each person: their messages
    ];
    assert_eq!(loops, known, "hand the whole set to the gate, or say here why not");
}

#[test]
fn the_library_and_the_scripts_use_public_primitives_only() {
    use stagepost::host::{Library, bundled};
    let library = Library::bundled_only();
    for (name, text) in bundled::SCRIPTS.iter().chain(bundled::MODULES) {
        let problems = stagepost::check::text(name, text, &library);
        assert!(problems.is_empty(), "{name}: {problems:?}");
    }
}

#[test]
fn every_module_begins_with_its_reason() {
    let bare: Vec<String> = files(&root().join("src"), ".rs")
        .into_iter()
        .filter(|p| !std::fs::read_to_string(p).unwrap_or_default().starts_with("//!"))
        .map(|p| p.display().to_string())
        .collect();
    assert!(bare.is_empty(), "without a head: {}", bare.join(", "));
}

#[test]
fn nothing_is_process_wide_but_what_must_be() {
    for path in files(&root().join("src"), ".rs") {
        let code = code(&path);
        for line in code.lines().filter(|l| l.trim_start().starts_with("static ") || l.contains(" static mut ")) {
            let constant = line.contains("OnceLock")
                || line.contains("LazyLock")
                || line.contains("NULL")
                || line.contains("NOTHING")
                || line.contains("&'static")
                || line.contains("Value = ")
                // The allocator, which only the program itself may choose.
                || (path.ends_with("main.rs") && line.contains("MiMalloc"));
            assert!(constant, "{}: {line}", path.display());
        }
    }
}

#[test]
fn planted_mistakes_exist_in_tests_alone() {
    let path = root().join("src/base/plant.rs");
    let source = std::fs::read_to_string(&path).expect("a readable source file");
    // Outside tests the question has one answer, and nothing can choose another.
    let constant = "#[cfg(not(test))]\npub(crate) const fn is(_: Plant) -> bool {\n    false\n}";
    assert!(source.contains(constant), "the constant answer is gone from {}", path.display());
    let gated = ["thread_local!", "pub(crate) const ALL", "pub(crate) const fn of(", "pub(crate) fn is("];
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    for word in gated {
        let at = lines.iter().position(|l| l.starts_with(word)).unwrap_or_else(|| panic!("no `{word}`"));
        let before = lines[..at].iter().rev().take_while(|l| !l.is_empty()).any(|l| *l == "#[cfg(test)]");
        assert!(before, "`{word}` is compiled outside tests");
    }
    // Not one of the sentences stands in the program.
    let whats: Vec<&str> = source
        .lines()
        .filter_map(|l| l.strip_prefix("        \"")?.strip_suffix("\";"))
        .filter(|w| w.contains(' ') && w.len() > 40)
        .collect();
    assert!(whats.len() >= 20, "{} sentences", whats.len());
    let program = std::fs::read(env!("CARGO_BIN_EXE_stagepost")).expect("the program was built");
    let program = String::from_utf8_lossy(&program);
    for what in [whats[0], whats[whats.len() / 2], whats[whats.len() - 1]] {
        assert!(!program.contains(what), "the program holds: {what}");
    }
}

#[test]
fn the_lab_knows_nothing_of_planted_mistakes() {
    // What both sides share would carry a mistake to the lab, too.
    for room in ["lab", "wire", "survey", "ui", "report", "api", "check", "repl"] {
        never(room, &["plant::", "Plant"]);
    }
}
