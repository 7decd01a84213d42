//! Every example of every declared primitive runs against a lab, and every code
//! block of the README is true.

use serde_json::json;
use stagepost::api;

use crate::support::{LabProcess, code, run, told};

#[test]
fn every_example_of_every_primitive_runs() {
    let lab = LabProcess::start(&["--make", "12"]);
    std::fs::copy(lab.folder().join("lab/mailboxes.csv"), lab.folder().join("mailboxes.csv"))
        .expect("the lab laid its list there");
    lab.post("/snapshot", &json!({"name": "fresh"}));
    let mut broken = Vec::new();
    for primitive in api::all() {
        lab.post("/restore", &json!({"name": "fresh"}));
        let script = lab.folder().join("example.rhai");
        std::fs::write(&script, primitive.example).expect("a writable folder");
        let _ = std::fs::remove_dir_all(lab.folder().join(".stagepost"));
        let output = run(lab.folder(), &["run", "example.rhai", "--profile", "lab/profile.toml", "--yes"]);
        if !matches!(code(&output), 0 | 6) {
            broken.push(format!("{}\n{}", primitive.full_name(), told(&output)));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

/// The fenced blocks of a language in a document.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut current: Option<String> = None;
    for line in document.lines() {
        match (&mut current, line.trim_start()) {
            (None, open) if open == format!("```{language}") => current = Some(String::new()),
            (Some(block), "```") => {
                blocks.push(std::mem::take(block));
                current = None;
            }
            (Some(block), _) => {
                block.push_str(line);
                block.push('\n');
            }
            _ => {}
        }
    }
    blocks
}

#[test]
fn scripts_in_the_documents_pass_the_check() {
    let library = stagepost::host::Library::bundled_only();
    for name in ["README.md", "ARCHITECTURE.md", "STYLE.md", "docs/waves.md"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        for block in blocks(&text, "rhai") {
            let problems = stagepost::check::text(name, &block, &library);
            assert!(problems.is_empty(), "{name}: {problems:?}\n{block}");
        }
    }
}

#[test]
fn the_readme_names_both_commands_and_every_verb_it_shows_exists() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the README is there");
    assert!(text.contains("cargo run --release -- rehearse"));
    assert!(text.contains("tests/run"));
    let folder = crate::support::folder();
    let commands = blocks(&text, "sh").join("\n");
    for line in commands.lines().map(str::trim_start) {
        let Some(rest) = line.strip_prefix("stagepost ").or_else(|| line.strip_prefix("cargo run --release -- "))
        else {
            continue;
        };
        let verb = rest.split_whitespace().next().unwrap_or_default();
        if verb.is_empty() || verb.starts_with('-') || !verb.chars().all(|c| c.is_ascii_lowercase()) {
            continue;
        }
        let output = run(folder.path(), &[verb, "--help"]);
        assert_eq!(code(&output), 0, "`{line}`: {}", told(&output));
    }
}
