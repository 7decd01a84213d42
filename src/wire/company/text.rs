//! The company file as text, and its values that are no text.

use serde::Serialize;

use super::{BASE64, CompanyFile, VERSION};
use crate::wire::guid::{base64, unbase64};

/// A value as text; bytes that are no plain text as base64.
pub fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains(char::is_control) && !text.starts_with(BASE64) => text.to_owned(),
        _ => format!("{BASE64}{}", base64(value)),
    }
}

/// The bytes of a value as [`shown`] writes it.
pub fn bytes(value: &str) -> Vec<u8> {
    match value.strip_prefix(BASE64).and_then(unbase64) {
        Some(bytes) => bytes,
        None => value.as_bytes().to_vec(),
    }
}

/// The file as text: one line for each person and object, so that a difference
/// of two companies reads well.
pub fn text(file: &CompanyFile) -> String {
    let mut out = format!("{{\n  \"version\": {}", file.version.unwrap_or(VERSION));
    whole(&mut out, "company", &file.company);
    lines(&mut out, "people", &file.people);
    if let Some(list) = &file.list {
        lines(&mut out, "list", list);
    }
    if let Some(objects) = &file.objects {
        lines(&mut out, "objects", objects);
    }
    whole(&mut out, "tenant", &file.tenant);
    whole(&mut out, "zones", &file.zones);
    if !file.permissions.is_empty() {
        lines(&mut out, "permissions", &file.permissions);
    }
    if let Some(faults) = &file.faults {
        lines(&mut out, "faults", faults);
    }
    whole(&mut out, "mess", &file.mess);
    if !file.settings.is_empty() {
        whole(&mut out, "settings", &Some(&file.settings));
    }
    whole(&mut out, "survey", &file.survey);
    out.push_str("\n}\n");
    out
}

const HAS_FORM: &str = "the types of a company file have a JSON form";

fn whole<T: Serialize>(out: &mut String, name: &str, part: &Option<T>) {
    if let Some(part) = part {
        let text = serde_json::to_string_pretty(part).expect(HAS_FORM);
        out.push_str(&format!(",\n  \"{name}\": {}", text.replace('\n', "\n  ")));
    }
}

fn lines<T: Serialize>(out: &mut String, name: &str, items: &[T]) {
    out.push_str(&format!(",\n  \"{name}\": ["));
    for (number, item) in items.iter().enumerate() {
        out.push_str(if number == 0 { "\n    " } else { ",\n    " });
        out.push_str(&serde_json::to_string(item).expect(HAS_FORM));
    }
    out.push_str(if items.is_empty() { "]" } else { "\n  ]" });
}
