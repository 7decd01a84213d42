//! Text that must not be printed, logged, stored or handed to a script.
//!
//! The type has no `Display`, no `Serialize` and a `Debug` that shows nothing;
//! its memory is wiped when it goes. Whoever needs the text calls
//! [`Secret::expose`], so that one search finds every place that does.

use zeroize::Zeroizing;

/// A password, key or token.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one line that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is any text; an empty LDAP password is an anonymous bind
    /// that succeeds (RFC 4513, 5.1.2), so callers refuse it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes() == other.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_text() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }
}
