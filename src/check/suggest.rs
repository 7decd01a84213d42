//! "Did you mean": the nearest known word, if one is near enough.

/// The nearest of the candidates, unless all are too far to be a slip.
pub fn nearest<S: AsRef<str>>(wanted: &str, candidates: impl IntoIterator<Item = S>) -> Option<String> {
    let folded = fold(wanted);
    // A slip is a letter or two; of a word of two letters nothing would be left.
    let limit = match folded.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let name = candidate.as_ref();
            let distance = strsim::damerau_levenshtein(&folded, &fold(name));
            // `convert` for `convert_to_mail_user`: the beginning of a name is a good guess too.
            let begins = wanted.len() >= 4 && fold(name).starts_with(&folded);
            let distance = if begins { distance.min(limit) } else { distance };
            (distance <= limit && name != wanted).then(|| (distance, name.to_owned()))
        })
        .min()
        .map(|(_, name)| name)
}

/// Letters only matter: `setMx`, `set-mx` and `set_mx` are one word.
fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["start", "set_mx", "convert_to_mail_user", "watch"];
        assert_eq!(nearest("strat", known).as_deref(), Some("start"));
        assert_eq!(nearest("setMx", known).as_deref(), Some("set_mx"));
        assert_eq!(nearest("convert", known).as_deref(), Some("convert_to_mail_user"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest("x", ["E"]), None);
    }
}
