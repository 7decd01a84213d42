//! Equal things said once: findings and reasons drawn together.
//!
//! A thousand rows with the same trouble are one line with a count. Two
//! texts are equal if they differ only in the mailbox they speak of or in a
//! number that stands alone ("3 messages wait"); such a number is shown as its
//! range. Error codes are never numbers in this sense.

use std::collections::HashMap;

use super::words;

/// Findings or rows that say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `error`, `warning`, `info`.
    pub severity: String,
    /// What they all say.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Whom it concerns, in order of appearance; empty strings are left out.
    pub targets: Vec<String>,
    /// How many there are, those without a target included.
    pub count: u64,
}

/// Draws findings together. Worst first, then the most frequent, then the
/// earliest.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    order: Vec<Shape>,
    by_key: HashMap<(String, String, String), usize>,
}

#[derive(Clone, Debug)]
struct Shape {
    severity: String,
    hint: String,
    targets: Vec<String>,
    count: u64,
    /// The first text as it came.
    first: String,
    /// The text cut at its numbers.
    pieces: Vec<String>,
    /// The least and the greatest number seen at each cut.
    numbers: Vec<(u64, u64)>,
}

impl Groups {
    /// None yet.
    pub fn new() -> Groups {
        Groups::default()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Adds one.
    pub fn add(&mut self, severity: &str, target: &str, message: &str, hint: &str) {
        let message = words::clean(message);
        let general = without_target(&message, target);
        let (pieces, numbers) = cut_numbers(&general);
        let key = (severity.to_owned(), pieces.join("\0"), without_target(&words::clean(hint), target));
        let index = *self.by_key.entry(key).or_insert_with(|| {
            self.order.push(Shape {
                severity: severity.to_owned(),
                hint: words::clean(hint),
                targets: Vec::new(),
                count: 0,
                first: message,
                pieces,
                numbers: numbers.iter().map(|n| (*n, *n)).collect(),
            });
            self.order.len() - 1
        });
        let Some(shape) = self.order.get_mut(index) else { return };
        shape.count += 1;
        if shape.count == 2 {
            shape.hint = without_target(&shape.hint, shape.targets.first().map_or("", String::as_str));
        }
        for (seen, number) in shape.numbers.iter_mut().zip(numbers) {
            *seen = (seen.0.min(number), seen.1.max(number));
        }
        if !target.is_empty() {
            shape.targets.push(words::clean(target));
        }
    }

    /// The groups.
    pub fn finish(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.order.into_iter().map(Shape::into_group).collect();
        groups.sort_by_key(|g| (severity_rank(&g.severity), std::cmp::Reverse(g.count)));
        groups
    }
}

impl Shape {
    fn into_group(self) -> Group {
        let message = if self.count == 1 { self.first } else { fill_numbers(&self.pieces, &self.numbers) };
        Group { severity: self.severity, message, hint: self.hint, targets: self.targets, count: self.count }
    }
}

/// Reasons with the addresses they hold for, the most frequent first.
pub fn reasons<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Group> {
    let mut groups = Groups::new();
    for (address, reason) in rows {
        groups.add("info", address, if reason.is_empty() { "no reason was recorded" } else { reason }, "");
    }
    groups.finish()
}

fn severity_rank(severity: &str) -> u8 {
    match severity {
        "error" => 0,
        "warning" => 1,
        _ => 2,
    }
}

/// The text with the address it speaks of replaced by an ellipsis.
fn without_target(message: &str, target: &str) -> String {
    if target.is_empty() {
        return message.to_owned();
    }
    // Whole words only: the domain `contoso.test` is not meant in an address.
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '@' | '-' | '_'));
    let mut out = String::with_capacity(message.len());
    let mut from = 0;
    for (at, found) in message.match_indices(target) {
        let before = message.get(..at).and_then(|t| t.chars().next_back());
        let after = message.get(at + found.len()..).and_then(|t| t.chars().next());
        if !joins(before) && !joins(after) {
            out.push_str(message.get(from..at).unwrap_or_default());
            out.push('…');
            from = at + found.len();
        }
    }
    out.push_str(message.get(from..).unwrap_or_default());
    out
}

/// Cuts at numbers that stand alone. `Error 1603` and `HTTP 429` name a thing
/// and stay.
fn cut_numbers(text: &str) -> (Vec<String>, Vec<u64>) {
    let mut pieces = vec![String::new()];
    let mut numbers = Vec::new();
    let mut before = "";
    for word in text.split_inclusive(' ') {
        let bare = word.trim_end_matches([' ', ',', ';', '.', ':']);
        let plain: String = bare.chars().filter(|c| *c != ',').collect();
        let named =
            matches!(before.to_ascii_lowercase().as_str(), "error" | "code" | "http" | "status" | "rule" | "line");
        let digits = !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit());
        match plain.parse::<u64>() {
            Ok(number) if digits && !named => {
                numbers.push(number);
                pieces.push(word.get(bare.len()..).unwrap_or_default().to_owned());
            }
            _ => {
                if let Some(last) = pieces.last_mut() {
                    last.push_str(word);
                }
            }
        }
        before = bare;
    }
    (pieces, numbers)
}

fn fill_numbers(pieces: &[String], numbers: &[(u64, u64)]) -> String {
    let mut out = String::new();
    for (i, piece) in pieces.iter().enumerate() {
        if let Some((least, most)) = i.checked_sub(1).and_then(|i| numbers.get(i)) {
            if least == most {
                out.push_str(&words::count(*least));
            } else {
                out.push_str(&format!("{}–{}", words::count(*least), words::count(*most)));
            }
        }
        out.push_str(piece);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_equal_ones_are_one_group_with_a_count() {
        let mut groups = Groups::new();
        for i in 0..1000 {
            let who = format!("user{i}@contoso.test");
            groups.add(
                "warning",
                &who,
                &format!("`{who}` has Unified Messaging on"),
                &format!("switch it off for {who}"),
            );
        }
        groups.add("error", "contoso.test", "the domain is not verified", "publish the TXT record");
        let groups = groups.finish();
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].severity, "error");
        assert_eq!(groups[1].message, "`…` has Unified Messaging on");
        assert_eq!(groups[1].hint, "switch it off for …");
        assert_eq!((groups[1].count, groups[1].targets.len()), (1000, 1000));
    }

    #[test]
    fn a_single_one_keeps_its_words() {
        let mut groups = Groups::new();
        groups.add("info", "ann@contoso.test", "ann@contoso.test waits for 3 messages", "see ann@contoso.test");
        let groups = groups.finish();
        assert_eq!(groups[0].message, "ann@contoso.test waits for 3 messages");
        assert_eq!(groups[0].hint, "see ann@contoso.test");
    }

    #[test]
    fn numbers_become_ranges_and_codes_do_not() {
        let rows = [("a", "copy failed; 3 messages wait"), ("b", "copy failed; 14 messages wait")];
        assert_eq!(reasons(rows)[0].message, "copy failed; 3–14 messages wait");
        let rows = [("a", "Error 1603 came back"), ("b", "Error 1604 came back")];
        assert_eq!(reasons(rows).len(), 2);
        let rows = [("a", "no seat of 1,200 is free."), ("b", "no seat of 1,200 is free.")];
        assert_eq!(reasons(rows)[0].message, "no seat of 1,200 is free.");
    }
}
