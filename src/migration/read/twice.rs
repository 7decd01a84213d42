//! Addresses that come twice, within a file and between files.
//!
//! Where addresses stand is forgotten as soon as they are passed; only their
//! fingerprints are kept. Which addresses are sound is not decided here.

use super::super::address::{address_fault, fingerprint, trim};
use super::super::findings::{At, Who};
use super::super::rules;
use super::super::scan::{Row, Walk};
use super::Reader;

/// Where an address stood first. Half of a list may come twice, so places are
/// kept short; beyond four gigabytes nothing is compared.
#[derive(Clone, Copy, Default)]
struct First {
    file: u32,
    /// 0 as long as it stood nowhere.
    line: u32,
    /// The address and the whole row in the text.
    address: (u32, u32),
    row: (u32, u32),
}

fn short(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// Finds addresses that come twice, within a file and between files. Only where
/// two fingerprints are equal the files are walked once more.
pub(super) fn compare(readers: &mut [Reader]) {
    let mut keys: Vec<u64> = match readers {
        [one] => std::mem::take(&mut one.keys),
        _ => readers.iter_mut().flat_map(|reader| std::mem::take(&mut reader.keys)).collect(),
    };
    keys.sort_unstable();
    let mut twice: Vec<u64> = Vec::new();
    for pair in keys.windows(2) {
        if let [a, b] = pair
            && a == b
            && twice.last() != Some(a)
        {
            twice.push(*a);
        }
    }
    drop(keys);
    if twice.is_empty() {
        return;
    }
    let mut seen = vec![First::default(); twice.len()];
    let files: Vec<(&str, &str)> = readers.iter().map(|r| (r.out.text, r.out.file())).collect();
    for (index, reader) in readers.iter_mut().enumerate() {
        let Some(layout) = &reader.layout else { continue };
        let text = reader.out.text;
        let part = |file: u32, at: (u32, u32)| {
            files.get(file as usize).and_then(|(text, _)| text.get(at.0 as usize..at.1 as usize))
        };
        let mut walk = Walk::from(text, layout.separator, layout.begin.0, layout.begin.1);
        let (mut row, mut number) = (Row::default(), 0);
        while walk.next(&mut row) {
            number += usize::from(!row.is_blank(text));
            let value = match layout.is_cloud && row.cells.len() > reader.out.width {
                true => continue,
                false => row.cells.get(layout.address).and_then(|cell| cell.plain(text)),
            };
            let Some(bare) = value.map(trim).filter(|v| !v.is_empty() && !reader.out.is_loose(&row)) else { continue };
            let key = fingerprint(bare);
            let Ok(place) = twice.binary_search(&key) else { continue };
            let Some(slot) = seen.get_mut(place).filter(|_| address_fault(bare).is_none()) else { continue };
            let start = bare.as_ptr() as usize - text.as_ptr() as usize;
            let first = *slot;
            if first.line == 0 {
                *slot = First {
                    file: short(index),
                    line: short(row.line),
                    address: (short(start), short(start + bare.len())),
                    row: (short(row.start), short(row.end)),
                };
                continue;
            }
            if !part(first.file, first.address).is_some_and(|other| other.eq_ignore_ascii_case(bare)) {
                continue;
            }
            let shown = if reader.out.shows(layout.address, bare) { bare } else { "the address" };
            let who = Who::Row(number, reader.out.shows(layout.address, bare).then_some(bare));
            let (line, at) = (first.line, At::Cell(&row, layout.address, who));
            let whole = part(first.file, first.row) == text.get(row.start..row.end);
            if first.file != short(index) {
                let other = files.get(first.file as usize).map_or("", |(_, name)| name);
                let text = format!("{shown} stands already in {other}, line {line}");
                reader.out.find(rules::OTHER_FILE, at, |_| text);
            } else if whole {
                let text = format!("the row of {shown} stands already in line {line}");
                reader.out.find(rules::REPEATED_ROW, at, |_| text);
            } else {
                reader.out.find(rules::DUPLICATE, at, |_| format!("{shown} stands already in line {line}"));
            }
        }
    }
}
