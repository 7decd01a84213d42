//! The CSV file of a staged batch, as the service reads it.
//!
//! Header, columns and width are checked as the guides say; rows whose values
//! cannot be used are reported and left out. The texts are the service's where
//! one was found.

use std::collections::BTreeSet;

use super::{Refusal, refuse};

/// Most rows of a staged file.
pub const MOST_ROWS: usize = 2000;
/// Columns of a staged file.
const COLUMNS: [&str; 3] = ["EmailAddress", "Password", "ForceChangePassword"];

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Addresses as written, in file order.
    pub addresses: Vec<String>,
    /// One for each row that was left out.
    pub warnings: Vec<String>,
}

/// Reads a file.
///
/// # Errors
/// The file as a whole cannot be used.
pub fn read(bytes: &[u8], unknown_columns: bool) -> Result<File, Refusal> {
    let wrong = |text: String| refuse("MigrationCSVParsingException", text);
    let text = decode(bytes).ok_or_else(|| {
        wrong("The CSV file isn't in a supported encoding. Please save it as UTF-8 and re-submit it.".into())
    })?;
    if text.trim().is_empty() {
        return Err(wrong("Upload file can't be empty".into()));
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records = reader.records();
    let broken = |e: csv::Error| wrong(format!("The CSV file can't be read: {e}"));
    let header = records.next().ok_or_else(|| wrong("Upload file can't be empty".into()))?.map_err(broken)?;
    let names: Vec<String> = header.iter().map(|n| n.trim().to_owned()).collect();
    let place = |column: &str| names.iter().position(|n| n.eq_ignore_ascii_case(column));
    let address_at = place("EmailAddress").ok_or_else(|| {
        wrong(
            "Column \"EmailAddress\" is missing from the CSV file. The import process can't continue because this \
             column is required. Please edit the CSV file and re-submit it."
                .into(),
        )
    })?;
    let unknown: Vec<&str> =
        names.iter().filter(|n| !COLUMNS.iter().any(|c| c.eq_ignore_ascii_case(n))).map(String::as_str).collect();
    if !unknown.is_empty() && !unknown_columns {
        // No text of the service was found for this one.
        return Err(wrong(format!(
            "The CSV file contains unknown columns: \"{}\". Remove them, or set AllowUnknownColumnsInCsv.",
            unknown.join("\", \"")
        )));
    }
    let mut distinct = BTreeSet::new();
    for name in &names {
        if !distinct.insert(name.to_lowercase()) {
            return Err(wrong(format!("Column \"{name}\" occurs more than once in the CSV file.")));
        }
    }
    let (password_at, force_at) = (place("Password"), place("ForceChangePassword"));
    let mut file = File::default();
    let mut seen = BTreeSet::new();
    let mut rows = 0;
    for record in records {
        let record = record.map_err(broken)?;
        rows += 1;
        if record.len() != names.len() {
            return Err(wrong(format!(
                "Row {rows} has the wrong number of columns. Expected number: {}. Actual number: {}. Please edit this \
                 row and re-submit the file.",
                names.len(),
                record.len()
            )));
        }
        if rows > MOST_ROWS {
            return Err(wrong(
                "The CSV file contains more than 2,000 rows. Please divide the file into two or more files and submit \
                 them separately."
                    .into(),
            ));
        }
        let cell = |at: Option<usize>| at.and_then(|i| record.get(i)).unwrap_or_default();
        let address = cell(Some(address_at)).trim();
        match fault(address, cell(password_at), cell(force_at)) {
            Some(fault) => file.warnings.push(format!("Row {rows} ({address}): {fault}")),
            None if !seen.insert(address.to_lowercase()) => {
                file.warnings.push(format!("Row {rows} ({address}): the address occurs more than once in the file."));
            }
            None => file.addresses.push(address.to_owned()),
        }
    }
    if rows == 0 {
        return Err(wrong("The CSV file doesn't contain any rows.".into()));
    }
    if file.addresses.is_empty() {
        return Err(wrong(format!("No row of the CSV file can be used. {}", file.warnings.join(" "))));
    }
    Ok(file)
}

fn fault(address: &str, password: &str, force: &str) -> Option<&'static str> {
    if !is_address(address) {
        return Some("the value isn't a valid SMTP address.");
    }
    if !password.is_empty() && password.chars().count() < 8 {
        return Some("the password must have at least 8 characters.");
    }
    let force = force.trim();
    if !force.is_empty() && !force.eq_ignore_ascii_case("true") && !force.eq_ignore_ascii_case("false") {
        return Some("ForceChangePassword must be True or False.");
    }
    None
}

fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    !local.is_empty()
        && !local.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@')
        && domain.contains('.')
        && domain.split('.').all(|l| !l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || c == '-'))
}

/// UTF-8 with or without a mark, or UTF-16 with one.
fn decode(bytes: &[u8]) -> Option<String> {
    let units = |pairs: &[u8], swap: bool| -> Vec<u16> {
        pairs
            .chunks_exact(2)
            .map(|p| match (p.first(), p.get(1)) {
                (Some(a), Some(b)) if swap => u16::from_be_bytes([*a, *b]),
                (Some(a), Some(b)) => u16::from_le_bytes([*a, *b]),
                _ => 0,
            })
            .collect()
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        [0xff, 0xfe, rest @ ..] => String::from_utf16(&units(rest, false)).ok(),
        [0xfe, 0xff, rest @ ..] => String::from_utf16(&units(rest, true)).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(csv: &str) -> String {
        read(csv.as_bytes(), false).err().map(|r| r.error.text).unwrap_or_default()
    }

    #[test]
    fn the_service_texts_name_the_fault() {
        assert_eq!(text_of(""), "Upload file can't be empty");
        assert!(text_of("Email Address\r\nann@contoso.test\r\n").starts_with("Column \"EmailAddress\" is missing"));
        let ragged = text_of("EmailAddress,Password,ForceChangePassword\r\nann@contoso.test,\r\n");
        assert!(ragged.starts_with("Row 1 has the wrong number of columns. Expected number: 3. Actual number: 2."));
        assert!(text_of("EmailAddress,Pasword\nann@contoso.test,\n").contains("\"Pasword\""));
        let many: String = (0..2001).map(|n| format!("u{n}@contoso.test\n")).collect();
        assert!(text_of(&format!("EmailAddress\n{many}")).contains("more than 2,000 rows"));
    }

    #[test]
    fn quotes_marks_and_other_columns_are_taken() {
        let csv =
            "\u{feff}\"EmailAddress\",\"Note\"\r\n\"Ann@contoso.test\",\"a, b\"\r\nann@contoso.test,\r\nnobody,\r\n";
        let file = read(csv.as_bytes(), true).expect("the file is good but for two rows");
        assert_eq!(file.addresses, ["Ann@contoso.test"]);
        assert_eq!(file.warnings.len(), 2);
    }

    #[test]
    fn two_thousand_rows_are_no_limit_crossed() {
        let many: String = (0..2000).map(|n| format!("u{n}@contoso.test\n")).collect();
        let file = read(format!("EmailAddress\n{many}").as_bytes(), false);
        assert_eq!(file.map(|f| f.addresses.len()).ok(), Some(2000));
    }
}
