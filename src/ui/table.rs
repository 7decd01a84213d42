//! Tables that fit the width.

use super::style::Paint;
use super::text;
use crate::report::words;

/// Draws a table. Columns of numbers stand to the right. With `columns` given,
/// the widest columns give way until the table fits; without, all is shown
/// (data for another program).
pub(super) fn render(headers: &[&str], rows: &[Vec<String>], columns: Option<usize>, paint: Paint) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|r| r.iter().map(|c| words::clean(c)).collect()).collect();
    let cell = |row: &[String], i: usize| row.get(i).cloned().unwrap_or_default();
    let mut widths: Vec<usize> = headers.iter().map(|h| text::width(h)).collect();
    let mut numbers: Vec<bool> = vec![!cells.is_empty(); headers.len()];
    for row in &cells {
        for (i, (width, number)) in widths.iter_mut().zip(&mut numbers).enumerate() {
            let cell = cell(row, i);
            *width = (*width).max(text::width(&cell));
            *number &= cell.is_empty() || cell.bytes().all(|b| b.is_ascii_digit() || matches!(b, b',' | b'.'));
        }
    }
    if let Some(columns) = columns {
        shrink(&mut widths, columns);
    }
    let line = |row: &[String], style: &dyn Fn(&str) -> String| {
        let mut out = String::new();
        for (i, (width, number)) in widths.iter().zip(&numbers).enumerate() {
            if i > 0 {
                out.push_str("  ");
            }
            let shown = text::shorten(&cell(row, i), *width);
            let last = i + 1 == widths.len();
            let padded = match (number, last) {
                (true, _) => text::pad_left(&shown, *width),
                (false, true) => shown,
                (false, false) => text::pad(&shown, *width),
            };
            out.push_str(&style(&padded));
        }
        format!("{}\n", out.trim_end())
    };
    let headers: Vec<String> = headers.iter().map(|h| (*h).to_owned()).collect();
    let mut out = line(&headers, &|t| paint.bold(t));
    for row in &cells {
        out.push_str(&line(row, &str::to_owned));
    }
    out
}

/// Takes columns from the widest until the sum fits; none goes below eight.
fn shrink(widths: &mut [usize], columns: usize) {
    let gaps = 2 * widths.len().saturating_sub(1);
    let mut sum: usize = widths.iter().sum::<usize>() + gaps;
    while sum > columns {
        let Some(widest) = widths.iter_mut().max() else { return };
        if *widest <= 8 {
            return;
        }
        *widest -= 1;
        sum -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        vec![
            vec!["wave-01".into(), "100".into(), "the copy broke off for three mailboxes of this wave".into()],
            vec!["wave-02".into(), "1,234".into(), "all synced".into()],
        ]
    }

    #[test]
    fn numbers_stand_to_the_right_and_all_fits() {
        let text = render(&["name", "rows", "result"], &rows(), Some(40), Paint::new(false));
        let expected = "\
name      rows  result
wave-01    100  the copy broke off for…
wave-02  1,234  all synced
";
        assert_eq!(text, expected);
    }

    #[test]
    fn data_for_a_program_is_whole() {
        let text = render(&["name", "rows", "result"], &rows(), None, Paint::new(false));
        assert!(text.contains("the copy broke off for three mailboxes of this wave"));
    }

    #[test]
    fn short_rows_and_no_rows_are_no_trouble() {
        assert_eq!(render(&["a", "b"], &[], Some(40), Paint::new(false)), "a  b\n");
        assert_eq!(render(&["a", "b"], &[vec!["1".into()]], Some(40), Paint::new(false)), "a  b\n1\n");
    }
}
