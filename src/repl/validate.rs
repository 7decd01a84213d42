//! Whether a line is complete, asked of the true parser.

use rhai::Engine;

use super::scan::Class;
use crate::check;
use crate::host::engine;
use crate::host::library::Library;

/// Judges input as it is entered.
pub struct Validator {
    engine: Engine,
}

impl Validator {
    /// One with an engine of its own, which only compiles.
    pub fn new() -> Validator {
        Validator { engine: engine::checking(&Library::bundled_only(), false) }
    }

    /// Whether more lines must follow. A faulty line needs none: it is entered
    /// and its fault shown.
    pub fn is_unfinished(&self, input: &str) -> bool {
        let trimmed = input.trim();
        if trimmed.is_empty() || trimmed.starts_with([':', '?']) || trimmed.ends_with('?') {
            return false;
        }
        let spelled = super::lines::spelled_out(input);
        match self.engine.compile(&spelled) {
            // To the parser a comment may end with the text.
            Ok(_) => super::scan::pieces(input).last().is_some_and(|p| p.class == Class::Comment && !p.closed),
            Err(error) => check::is_unfinished(error.err_type(), &spelled, error.position()),
        }
    }
}

impl Default for Validator {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_goes_on_until_it_is_closed() {
        let validator = Validator::new();
        assert!(validator.is_unfinished("for x in [1] {"));
        assert!(validator.is_unfinished("for x in [1] {\n  print(x);\n"));
        assert!(!validator.is_unfinished("for x in [1] {\n  print(x);\n}"));
        assert!(!validator.is_unfinished("let x = ;"));
        assert!(!validator.is_unfinished(":load x"));
        assert!(!validator.is_unfinished("?start"));
        assert!(!validator.is_unfinished("_ + 1"));
        assert!(validator.is_unfinished("/* open"));
        assert!(!validator.is_unfinished("/* closed */ 1 // \"/*"));
    }
}
