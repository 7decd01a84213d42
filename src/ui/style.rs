//! Colour by role. Every text must make sense without it.

/// Paints or doesn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Paints if `on`.
    pub fn new(on: bool) -> Paint {
        Paint { on }
    }

    /// Whether it paints.
    pub fn is_on(self) -> bool {
        self.on
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Done, moved, granted: green.
    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Errors: red and bold.
    pub fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// Warnings: yellow.
    pub fn warn(self, text: &str) -> String {
        self.with("33", text)
    }

    /// Hints, paths, names of things: cyan.
    pub fn hint(self, text: &str) -> String {
        self.with("36", text)
    }

    /// Details: dim.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// Titles: bold.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_the_text_is_bare() {
        assert_eq!(Paint::new(false).bad("x"), "x");
        assert_eq!(Paint::new(true).bad("x"), "\u{1b}[1;31mx\u{1b}[0m");
        assert_eq!(Paint::new(true).dim(""), "");
    }
}
