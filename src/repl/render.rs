//! Values as the prompt shows them: tables for arrays of maps, fitted to the
//! width, with what was left out counted.

use std::fmt::Write;

use rhai::{Dynamic, Map};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Rows shown of a table, items of an array.
const ROWS: usize = 40;

/// Columns that say which one it is come first; the rest is sorted.
const FIRST: &[&str] = &["name", "address", "id", "kind", "state"];

/// A value on lines of at most `width` columns; nothing for `()`.
pub fn value(value: &Dynamic, width: usize) -> String {
    if value.is_unit() {
        return String::new();
    }
    if let Ok(items) = value.as_array_ref() {
        let rows: Vec<Map> = items.iter().filter_map(|i| i.as_map_ref().ok().map(|m| m.clone())).collect();
        if !rows.is_empty() && rows.len() == items.len() {
            return table(&rows, width);
        }
        return array(&items, width);
    }
    if let Ok(map) = value.as_map_ref() {
        return record(&map, width);
    }
    format!("{}\n", one(value))
}

/// A value on one line, not cut.
fn one(value: &Dynamic) -> String {
    if let Ok(text) = value.as_immutable_string_ref() {
        return format!("{:?}", text.as_str());
    }
    if let Ok(items) = value.as_array_ref() {
        return format!("[{}]", items.iter().map(one).collect::<Vec<_>>().join(", "));
    }
    if let Ok(map) = value.as_map_ref() {
        let fields = map.iter().map(|(k, v)| format!("{k}: {}", one(v)));
        let fields = fields.collect::<Vec<_>>().join(", ");
        return if fields.is_empty() { "#{}".to_owned() } else { format!("#{{ {fields} }}") };
    }
    if value.is_unit() {
        return "()".to_owned();
    }
    if let Some(own) = crate::api::types().into_iter().find(|t| (t.path)() == value.type_name()) {
        return (own.show)(value);
    }
    if value.is_fnptr() {
        return "a closure".to_owned();
    }
    value.to_string()
}

/// A cell: texts without quotes, nothing for `()`.
fn cell(value: &Dynamic) -> String {
    if value.is_unit() {
        return String::new();
    }
    match value.as_immutable_string_ref() {
        Ok(text) => text.replace(['\n', '\r', '\t'], " "),
        Err(_) => one(value),
    }
}

fn array(items: &[Dynamic], width: usize) -> String {
    let line = format!("[{}]", items.iter().map(one).collect::<Vec<_>>().join(", "));
    if line.width() <= width {
        return format!("{line}\n");
    }
    let mut out = String::from("[\n");
    for item in items.iter().take(ROWS) {
        let _ = writeln!(out, "  {},", cut(&one(item), width.saturating_sub(3)));
    }
    if items.len() > ROWS {
        let _ = writeln!(out, "  … {} more", items.len() - ROWS);
    }
    out + "]\n"
}

fn record(map: &Map, width: usize) -> String {
    if map.is_empty() {
        return "#{}\n".to_owned();
    }
    let keys = ordered(map.keys().map(ToString::to_string).collect());
    let widest = keys.iter().map(|k| k.width()).max().unwrap_or(0).min(30);
    let mut out = String::new();
    for key in keys {
        let shown = map.get(key.as_str()).map(one).unwrap_or_default();
        let gap = " ".repeat(widest.saturating_sub(key.width()) + 2);
        let _ = writeln!(out, "{key}{gap}{}", cut(&shown, width.saturating_sub(widest + 2)));
    }
    out
}

fn ordered(mut names: Vec<String>) -> Vec<String> {
    names.sort_by_key(|n| (FIRST.iter().position(|f| f == n).unwrap_or(FIRST.len()), n.clone()));
    names
}

/// Rows of maps as a table.
pub fn table(rows: &[Map], width: usize) -> String {
    let mut names: Vec<String> = rows.iter().flat_map(Map::keys).map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    let names = ordered(names);
    let shown = &rows[..rows.len().min(ROWS)];
    let of = |row: &Map, name: &str| row.get(name).map(cell).unwrap_or_default();
    let number =
        |name: &str| rows.iter().all(|r| r.get(name).is_none_or(|v| v.is_int() || v.is_float() || v.is_unit()));
    let mut widths: Vec<usize> = names
        .iter()
        .map(|n| shown.iter().map(|r| of(r, n).width()).chain([n.width()]).max().unwrap_or(1).max(1))
        .collect();
    // The widest columns give way first, down to 8; then the last ones go.
    let fits = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1) <= width;
    while !fits(&widths) {
        match widths.iter().enumerate().max_by_key(|(_, w)| **w) {
            Some((at, w)) if *w > 8 => widths[at] -= 1,
            _ if widths.len() > 1 => {
                widths.pop();
            }
            _ => break,
        }
    }
    let names = &names[..widths.len()];
    let mut out = String::new();
    let mut line = |cells: Vec<(String, bool)>| {
        let mut text = String::new();
        for ((cell, right), width) in cells.into_iter().zip(&widths) {
            let cell = cut(&cell, *width);
            let gap = " ".repeat(width.saturating_sub(cell.width()));
            let _ = if right { write!(text, "{gap}{cell}  ") } else { write!(text, "{cell}{gap}  ") };
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(names.iter().map(|n| (n.clone(), number(n))).collect());
    line(names.iter().zip(&widths).map(|(_, w)| ("─".repeat(*w), false)).collect());
    for row in shown {
        line(names.iter().map(|n| (of(row, n), number(n))).collect());
    }
    let all: std::collections::BTreeSet<&str> = rows.iter().flat_map(Map::keys).map(|k| k.as_str()).collect();
    let (more_rows, more_columns) = (rows.len() - shown.len(), all.len() - names.len());
    match (more_rows, more_columns) {
        (0, 0) => {}
        (0, c) => out.push_str(&format!("… {c} more columns\n")),
        (r, 0) => out.push_str(&format!("… {r} more rows\n")),
        (r, c) => out.push_str(&format!("… {r} more rows, {c} more columns\n")),
    }
    out
}

/// A text of at most `width` columns, with `…` where it was cut.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let wide = letter.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        out.push(letter);
    }
    out + "…"
}

/// A paragraph broken into lines of at most `width` columns.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        if used > 0 && used + 1 + word.width() > width {
            out.push('\n');
            used = 0;
        }
        if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += word.width();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: i64) -> Dynamic {
        let row = |n: i64| {
            Dynamic::from_map(Map::from([
                ("size".into(), (n * 100).into()),
                ("name".into(), format!("user{n}").into()),
                ("note".into(), "a rather long remark about this one".into()),
            ]))
        };
        Dynamic::from_array((1..=count).map(row).collect())
    }

    #[test]
    fn an_array_of_maps_is_a_table_that_fits() {
        assert_eq!(
            value(&rows(2), 40),
            "name   note                         size\n\
             ─────  ───────────────────────────  ────\n\
             user1  a rather long remark about…   100\n\
             user2  a rather long remark about…   200\n"
        );
        for width in [10, 20, 30] {
            assert!(value(&rows(3), width).lines().filter(|l| !l.starts_with('…')).all(|l| l.width() <= width));
        }
    }

    #[test]
    fn what_is_left_out_is_counted() {
        assert!(value(&rows(100), 80).ends_with("… 60 more rows\n"));
    }

    #[test]
    fn plain_values_read_back_as_they_were_written() {
        assert_eq!(value(&Dynamic::UNIT, 80), "");
        assert_eq!(value(&"a\"b".into(), 80), "\"a\\\"b\"\n");
        assert_eq!(value(&Dynamic::from_array(vec![1_i64.into(), "x".into()]), 80), "[1, \"x\"]\n");
    }

    #[test]
    fn wide_letters_are_cut_by_their_width() {
        assert_eq!(cut("漢字漢字", 5), "漢字…");
    }
}
