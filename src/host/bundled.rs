//! The scripts and library modules inside the binary, as embedded texts.
//!
//! A table and nothing else: who wins over whom is the library's business.

/// Library modules by the name a script imports.
pub const MODULES: &[(&str, &str)] = &[
    ("std/errors", include_str!("../../stdlib/std/errors.rhai")),
    ("std/people", include_str!("../../stdlib/std/people.rhai")),
    ("std/waves", include_str!("../../stdlib/std/waves.rhai")),
];

/// Standard scripts by their path in a project.
pub const SCRIPTS: &[(&str, &str)] = &[("scripts/staged.rhai", include_str!("../../scripts/staged.rhai"))];

/// The text of a bundled module.
pub fn module(name: &str) -> Option<&'static str> {
    MODULES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The text of a bundled script.
pub fn script(path: &str) -> Option<&'static str> {
    SCRIPTS.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
}
