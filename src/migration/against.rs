//! The list against both directories. (see below)
use super::rules::Rule;
/// Rules.
pub const LIST_RULES: &[Rule] = &[];
