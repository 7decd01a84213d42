//! Faults in a file: place, the line itself, a caret, a remedy.
//!
//! All faults of a file are shown in one pass. Of many equal ones the first
//! few are drawn in full and the others are named by their lines: nothing is
//! dropped, and two thousand repetitions fit on a screen.

use std::collections::BTreeMap;

use super::style::Paint;
use super::text;
use crate::report::words;

/// How many faults of one rule are drawn in full.
const IN_FULL: usize = 5;

/// One fault with its place.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Spot {
    /// File as the user named it.
    pub file: String,
    /// Line, from 1; 0 if the fault concerns the whole file.
    pub line: u64,
    /// Column in characters, from 1; 0 if it concerns the whole line.
    pub column: u64,
    /// Characters to underline, at least 1 is drawn.
    pub width: u64,
    /// The line itself, secrets already masked; empty if there is none to show.
    pub excerpt: String,
    /// What is wrong, one sentence without a full stop.
    pub text: String,
    /// What to change.
    pub remedy: String,
    /// Stable name of the rule, e.g. `duplicate-address`.
    pub rule: String,
    /// `error`, `warning` or `info`.
    pub severity: String,
    /// Which row of a table it is, for people; empty elsewhere.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub row: String,
    /// How many equal faults it stands for, itself among them.
    pub count: u64,
}

impl Spot {
    /// `file:line:column` as far as known.
    pub fn place(&self) -> String {
        let file = words::clean(&self.file);
        match (self.line, self.column) {
            (0, _) => file,
            (line, 0) => format!("{file}:{line}"),
            (line, column) => format!("{file}:{line}:{column}"),
        }
    }
}

/// All faults as text, in the order given, with a count at the end.
pub(super) fn render(spots: &[Spot], paint: Paint, columns: usize) -> String {
    let mut seen: BTreeMap<(&str, &str), Vec<&Spot>> = BTreeMap::new();
    let mut out = String::new();
    for spot in spots {
        let same = seen.entry((spot.file.as_str(), spot.rule.as_str())).or_default();
        same.push(spot);
        if same.len() <= IN_FULL {
            out.push_str(&one(spot, paint, columns));
            out.push('\n');
        }
    }
    for ((_, rule), same) in seen.iter().filter(|(_, same)| same.len() > IN_FULL) {
        let rest = same.get(IN_FULL..).unwrap_or_default();
        let lines: Vec<u64> = rest.iter().filter(|s| s.count == 1).map(|s| s.line).collect();
        let counted: u64 = rest.iter().map(|s| s.count).sum();
        let head = format!("{}: ", severity(rest.first().map_or("error", |s| s.severity.as_str()), paint));
        let many = words::counted(counted, "more", "more");
        let rule = if rule.is_empty() { String::new() } else { format!(" of `{rule}`") };
        let ranges = words::ranges(&lines);
        let line = if ranges.contains([',', '–']) { "lines" } else { "line" };
        // What was only counted lies below those whose lines are known.
        let below = match rest.iter().find(|s| s.count > 1) {
            Some(_) => " and below",
            None => "",
        };
        let text = format!("{many}{rule} in {line} {ranges}{below}");
        let indent = rest.first().map_or(7, |s| severity_width(&s.severity)) + 2;
        out.push_str(&text::hang_at(&head, indent, &text, columns));
        out.push_str("\n\n");
    }
    out.push_str(&total(spots));
    out.push('\n');
    out
}

fn severity_width(severity: &str) -> usize {
    if severity == "info" { 4 } else { severity.len().min(7) }
}

fn severity(severity: &str, paint: Paint) -> String {
    match severity {
        "warning" => paint.warn("warning"),
        "info" => paint.hint("note"),
        _ => paint.bad("error"),
    }
}

fn one(spot: &Spot, paint: Paint, columns: usize) -> String {
    let head = format!("{}: ", severity(&spot.severity, paint));
    let mut out = text::hang_at(&head, severity_width(&spot.severity) + 2, &words::clean(&spot.text), columns);
    if !spot.rule.is_empty() {
        let tag = format!("[{}]", spot.rule);
        let last = out.lines().last().map_or(0, |l| text::width(&strip(l)));
        let gap = if last + 2 + text::width(&tag) <= columns { "  " } else { "\n       " };
        out.push_str(&format!("{gap}{}", paint.dim(&tag)));
    }
    out.push('\n');
    let number = if spot.line == 0 { String::new() } else { spot.line.to_string() };
    let gutter = number.len().max(2);
    out.push_str(&format!("{}{} {}\n", " ".repeat(gutter), paint.dim("-->"), paint.hint(&spot.place())));
    if !spot.excerpt.is_empty() && spot.line > 0 {
        let (line, caret) = excerpt(spot, columns.saturating_sub(gutter + 3).max(20));
        let bar = paint.dim("|");
        out.push_str(&format!("{} {bar} {line}\n", paint.dim(&text::pad_left(&number, gutter))));
        if !caret.is_empty() {
            out.push_str(&format!("{} {bar} {}\n", " ".repeat(gutter), paint.bad(&caret)));
        }
    }
    if !spot.remedy.is_empty() {
        let head = format!("{} {} ", " ".repeat(gutter), paint.hint("= hint:"));
        out.push_str(&text::hang_at(&head, gutter + 9, &words::clean(&spot.remedy), columns));
        out.push('\n');
    }
    out
}

/// The line, cut around the fault if it is too long, and the carets below it.
fn excerpt(spot: &Spot, room: usize) -> (String, String) {
    let chars: Vec<char> = spot
        .excerpt
        .trim_end_matches(['\r', '\n'])
        .chars()
        .map(|c| if c.is_control() || words::invisible(c) { ' ' } else { c })
        .collect();
    let from = (spot.column.max(1) as usize - 1).min(chars.len());
    let to = from.saturating_add(spot.width.max(1) as usize).min(chars.len().max(from + 1));
    let columns = |part: &[char]| text::width(&part.iter().collect::<String>());
    let mut start = 0;
    if columns(&chars) > room {
        // The fault a third from the left keeps what stands before it readable.
        while start < from && columns(chars.get(start..from).unwrap_or_default()) > room / 3 {
            start += 1;
        }
    }
    let lead = if start > 0 { "…" } else { "" };
    let shown: String = chars.get(start..).unwrap_or_default().iter().collect();
    let line = format!("{lead}{}", text::shorten(&shown, room - text::width(lead)));
    if spot.column == 0 {
        return (line, String::new());
    }
    let before = text::width(lead) + columns(chars.get(start..from).unwrap_or_default());
    let carets = columns(chars.get(from..to.min(chars.len())).unwrap_or_default()).max(1);
    let carets = carets.min(room.saturating_sub(before).max(1));
    (line, format!("{}{}", " ".repeat(before), "^".repeat(carets)))
}

fn strip(text: &str) -> String {
    let mut out = String::new();
    let mut escaped = false;
    for c in text.chars() {
        match c {
            '\u{1b}' => escaped = true,
            'm' if escaped => escaped = false,
            _ if escaped => {}
            c => out.push(c),
        }
    }
    out
}

fn total(spots: &[Spot]) -> String {
    let count = |s: &str| spots.iter().filter(|spot| spot.severity == s).map(|spot| spot.count).sum::<u64>();
    let (warnings, infos) = (count("warning"), count("info"));
    let errors = spots.iter().map(|spot| spot.count).sum::<u64>() - warnings - infos;
    let mut parts = Vec::new();
    for (n, one, many) in [(errors, "error", "errors"), (warnings, "warning", "warnings"), (infos, "note", "notes")] {
        if n > 0 {
            parts.push(words::counted(n, one, many));
        }
    }
    let mut files: Vec<&str> = spots.iter().map(|s| s.file.as_str()).collect();
    files.dedup();
    files.sort_unstable();
    files.dedup();
    let files: Vec<String> = files.into_iter().map(|f| format!("`{}`", words::clean(f))).collect();
    format!("{} in {}", words::names(&parts, 3), words::names(&files, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(line: u64, column: u64, width: u64, excerpt: &str) -> Spot {
        Spot {
            file: "wave1.csv".into(),
            line,
            column,
            width,
            excerpt: excerpt.into(),
            text: "`ann` is no address".into(),
            remedy: "write it as name@domain".into(),
            rule: "address".into(),
            severity: "error".into(),
            row: String::new(),
            count: 1,
        }
    }

    #[test]
    fn title_place_line_caret_and_remedy() {
        let text = render(&[spot(14, 1, 3, "ann,,False")], Paint::new(false), 100);
        let expected = "\
error: `ann` is no address  [address]
  --> wave1.csv:14:1
14 | ann,,False
   | ^^^
   = hint: write it as name@domain

1 error in `wave1.csv`
";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_caret_stands_below_wide_characters() {
        let text = render(&[spot(2, 4, 2, "日本,語テ")], Paint::new(false), 100);
        assert!(text.contains(" 2 | 日本,語テ\n   |      ^^^^\n"), "{text}");
    }

    #[test]
    fn a_long_line_is_cut_around_the_fault() {
        let long = format!("{}ann{}", "x".repeat(300), "y".repeat(300));
        let text = render(&[spot(2, 301, 3, &long)], Paint::new(false), 60);
        let lines: Vec<&str> = text.lines().collect();
        let at = |line: &str, what: &str| text::width(&line[..line.find(what).expect("it is there")]);
        assert_eq!(at(lines[2], "ann"), at(lines[3], "^"));
        assert!(lines.iter().all(|l| text::width(l) <= 60), "{text}");
    }

    #[test]
    fn places_at_the_end_of_a_line_or_beyond_do_not_panic() {
        for (column, width) in [(0, 0), (11, 1), (400, 9), (1, u64::MAX)] {
            render(&[spot(1, column, width, "ann,,False")], Paint::new(true), 60);
        }
    }

    #[test]
    fn many_equal_ones_are_named_by_their_lines() {
        let spots: Vec<Spot> = (2..=101).map(|line| spot(line, 1, 3, "ann")).collect();
        let text = render(&spots, Paint::new(false), 100);
        assert!(text.contains("error: 95 more of `address` in lines 7–101\n"), "{text}");
        assert!(text.ends_with("100 errors in `wave1.csv`\n"));
        assert!(text.lines().count() < 40);
    }
}
