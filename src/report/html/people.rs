//! What people notice: hours apart, hours without their old mail.

use std::fmt::Write as _;

use super::{end, end_table, escape, table};
use crate::report::story::{Hours, Story};
use crate::report::words;
use crate::wire::lab::Row;

/// Columns of a drawing.
const BINS: usize = 12;

/// The section.
pub(super) fn section_of(story: &Story) -> Option<String> {
    let proof = &story.parts.proof;
    let apart: Vec<f64> = proof.rows.iter().filter_map(|r| r.hours_apart).collect();
    let without: Vec<f64> = proof.rows.iter().filter_map(|r| r.hours_without_old_mail).collect();
    if apart.is_empty() && without.is_empty() {
        return None;
    }
    let mut out = String::new();
    out.push_str(
        "<p>From the start of a wave a person’s new mail arrives in the cloud while Outlook still opens the old mailbox; from \
         the conversion on Outlook opens the cloud mailbox. The time between is the price of a wave, and what is done in the \
         old mailbox after its copy stays behind.</p>\n<div class=\"pair\">\n",
    );
    if let Some(hours) = story.apart() {
        histogram(&mut out, "apart", "Hours apart", &apart, hours);
    }
    if let Some(hours) = story.without_old_mail() {
        histogram(&mut out, "old", "Hours without old mail", &without, hours);
    }
    out.push_str("</div>\n");
    longest(&mut out, &proof.rows);
    Some(out)
}

/// Writes the section, or a word about its absence.
pub(super) fn section(story: &Story, out: &mut String) {
    super::section(out, "people", "What people notice");
    match section_of(story) {
        Some(text) => out.push_str(&text),
        None => out.push_str("<p class=\"soft\">Nobody was forwarded, so nobody noticed anything.</p>\n"),
    }
    end(out);
}

fn histogram(out: &mut String, class: &str, heading: &str, hours: &[f64], told: Hours) {
    if hours.is_empty() {
        return;
    }
    let top = hours.iter().copied().fold(0.0, f64::max);
    let width = bin_width(top);
    let mut bins = vec![0_u64; BINS];
    for h in hours {
        let at = ((h / width).floor().max(0.0) as usize).min(BINS - 1);
        if let Some(bin) = bins.get_mut(at) {
            *bin += 1;
        }
    }
    let used = bins.iter().rposition(|n| *n > 0).map_or(1, |i| i + 1).max(4);
    bins.truncate(used);
    let most = bins.iter().copied().max().unwrap_or(1).max(1);
    let columns: Vec<String> = bins
        .iter()
        .enumerate()
        .filter(|(_, n)| **n > 0)
        .map(|(i, n)| {
            format!("{} to {} h: {}", edge(i, width), edge(i + 1, width), words::counted(*n, "person", "people"))
        })
        .collect();
    let _ = write!(
        out,
        "<figure>\n<h3>{heading}</h3>\n<p>{}.</p>\n<svg class=\"bars {class}\" viewBox=\"0 0 400 150\" role=\"img\" \
         aria-label=\"{}\">",
        words::capital(&told.words()),
        escape(&format!("{heading}. {}", columns.join("; ")))
    );
    let step = 400.0 / used as f64;
    for (i, n) in bins.iter().enumerate() {
        let height = 100.0 * *n as f64 / most as f64;
        let height = if *n > 0 { height.max(1.5) } else { 0.0 };
        let x = i as f64 * step;
        let _ = write!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
            x + step * 0.08,
            122.0 - height,
            step * 0.84
        );
        if *n > 0 {
            let _ = write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + step / 2.0,
                117.0 - height,
                words::count(*n)
            );
        }
        if i > 0 {
            let _ = write!(out, "<text x=\"{x:.1}\" y=\"138\">{}</text>", edge(i, width));
        }
    }
    out.push_str("<line x1=\"0\" x2=\"400\" y1=\"122.5\" y2=\"122.5\"/></svg>\n<figcaption>People by hours</figcaption>\n</figure>\n");
}

/// Round hours for each column, so that all fit twelve.
fn bin_width(top: f64) -> f64 {
    [0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 12.0, 24.0, 48.0, 72.0, 168.0, 336.0]
        .into_iter()
        .find(|w| top < w * BINS as f64)
        .unwrap_or_else(|| (top / BINS as f64 / 168.0).ceil() * 168.0)
}

fn edge(i: usize, width: f64) -> String {
    let hours = i as f64 * width;
    if hours.fract() == 0.0 { format!("{hours:.0}") } else { format!("{hours:.1}") }
}

/// The ten who wait longest, if some wait visibly longer than others.
fn longest(out: &mut String, rows: &[Row]) {
    let mut waiting: Vec<(&Row, f64)> = rows.iter().filter_map(|r| Some((r, r.hours_apart?))).collect();
    if waiting.len() < 10 {
        return;
    }
    waiting.sort_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| a.address.cmp(&b.address)));
    out.push_str("<details>\n<summary>The ten who are apart longest</summary>\n");
    let heads = [("", "Mailbox"), ("t", "Wave"), ("n", "Apart"), ("n", "Without old mail")];
    table(out, "", "Longest apart", "", "", &heads);
    for (row, apart) in waiting.iter().take(10) {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"t\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(&row.address),
            escape(&row.batch),
            words::hours(*apart),
            row.hours_without_old_mail.map(words::hours).unwrap_or_default()
        );
    }
    end_table(out);
    out.push_str("</details>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hour_has_its_column() {
        for top in [0.0, 0.4, 6.0, 11.99, 12.0, 100.0, 4031.0, 5000.0, 1e6] {
            let width = bin_width(top);
            assert!(top / width <= BINS as f64, "{top} {width}");
        }
        let mut out = String::new();
        let told = Hours { median: 0.0, worst: 1e9, total: f64::NAN };
        histogram(&mut out, "x", "X", &[0.0, f64::NAN, -1.0, 1e9], told);
        assert!(out.contains("</svg>"));
    }
}
