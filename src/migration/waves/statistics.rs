//! Sizes and phones from a file that the old server exported.
//!
//! No old server tells the size of a mailbox over LDAP. `Get-MailboxStatistics |
//! Export-Csv` of Exchange 2007 and the list of mailboxes that System Manager of
//! Exchange 2003 exports do; neither has addresses, so that people are recognised
//! by legacyExchangeDN or, where that is missing too, by name. A file that
//! somebody made with addresses will do as well. It judges no list and makes no
//! guess: who is not in the file has no size.

use super::expect;
use crate::migration::encoding;

/// What people are recognised by in the file, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// By address.
    Address,
    /// By legacyExchangeDN.
    LegacyDn,
    /// By display name.
    Name,
}

/// One mailbox of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Address, DN or name, as the file writes it.
    pub whose: String,
    /// Its size, if the file says.
    pub bytes: Option<u64>,
    /// Whether it is read on a phone, if the file says.
    pub phone: Option<bool>,
}

/// A file of sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// What people are recognised by.
    pub known: Known,
    /// The mailboxes, in the order of the file.
    pub entries: Vec<Entry>,
}

/// Most faults that are named; the rest is counted.
const NAMED: usize = 3;

/// Names of columns, in lower case without blanks and brackets.
const ADDRESS: &[&str] = &["emailaddress", "primarysmtpaddress", "windowsemailaddress", "mail", "email", "smtpaddress"];
const LEGACY_DN: &[&str] = &["legacydn", "legacyexchangedn", "mailboxlegacydn"];
const NAME: &[&str] = &["displayname", "mailbox", "name"];
const SIZE: &[&str] = &["totalitemsize", "size", "mailboxsize", "storagelimit", "bytes"];
const PHONE: &[&str] = &["phone", "phones", "mobile", "activesync", "hasactivesyncdevicepartnership", "devices"];

/// Reads the file.
///
/// # Errors
/// No header that says whose sizes these are, or a value that is no size: in
/// words, with lines.
pub fn read(bytes: &[u8]) -> Result<Statistics, String> {
    let text = encoding::decode(bytes).text;
    // `Export-Csv` puts the type above the header.
    let skipped = text.lines().take_while(|l| l.starts_with("#TYPE") || l.trim().is_empty()).count();
    let body: String = text.lines().skip(skipped).collect::<Vec<_>>().join("\n");
    let header = body.lines().next().unwrap_or_default();
    let separators = [b',', b';', b'\t'];
    let separator =
        separators.into_iter().max_by_key(|s| (header.bytes().filter(|b| b == s).count(), *s == b',')).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(body.as_bytes());
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    let columns: Vec<(String, String)> = header.iter().map(folded).collect();
    let find = |names: &[&str]| names.iter().find_map(|name| columns.iter().position(|(column, _)| column == name));
    let who = [(Known::Address, ADDRESS), (Known::LegacyDn, LEGACY_DN), (Known::Name, NAME)];
    let who = who.into_iter().find_map(|(known, names)| Some((known, find(names)?)));
    let Some((known, whose)) = who else {
        return Err("no column says whose sizes these are: EmailAddress, LegacyDN or DisplayName".to_owned());
    };
    let (size, phone) = (find(SIZE), find(PHONE));
    if size.is_none() && phone.is_none() {
        return Err("no column holds sizes (TotalItemSize, Size) or phones (ActiveSync)".to_owned());
    }
    let unit = size.and_then(|at| columns.get(at)).map_or("B", |(_, unit)| unit);
    let mut entries = Vec::new();
    let mut wrong = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let field = |at: Option<usize>| at.and_then(|at| record.get(at)).map_or("", str::trim);
        let line = record.position().map_or(0, |p| p.line()) + skipped as u64;
        if field(Some(whose)).is_empty() {
            continue;
        }
        let bytes = match field(size) {
            "" => None,
            text => expect::size(text, unit).map_err(|e| wrong.push(format!("line {line}: {e}"))).ok(),
        };
        let phone = match field(phone) {
            _ if phone.is_none() => None,
            text => yes(text).map_or_else(
                || {
                    wrong.push(format!("line {line}: `{text}` is neither yes nor no"));
                    None
                },
                Some,
            ),
        };
        entries.push(Entry { whose: field(Some(whose)).to_owned(), bytes, phone });
    }
    if wrong.is_empty() {
        return Ok(Statistics { known, entries });
    }
    let more = wrong.len().saturating_sub(NAMED);
    wrong.truncate(NAMED);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    Err(wrong.join("\n"))
}

/// Whether a cell says yes. A count is one from 1 on, a blank is none; `None` for
/// what says neither.
pub fn yes(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "" | "no" | "false" | "none" | "n" | "-" | "nein" | "non" => Some(false),
        "yes" | "true" | "y" | "x" | "ja" | "oui" => Some(true),
        number => number.parse::<u64>().ok().map(|count| count > 0),
    }
}

/// The unit in which a column counts, from its header: `Size (KB)`, `SizeInMB`;
/// bytes, if it says none.
pub fn unit_of(column: &str) -> String {
    folded(column).1
}

/// A header without blanks, brackets and its unit; and the unit.
fn folded(header: &str) -> (String, String) {
    let bare: String = header.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    for unit in ["kb", "mb", "gb", "bytes"] {
        if let Some(name) = bare.strip_suffix(unit).filter(|name| !name.is_empty()) {
            return (name.strip_suffix("in").unwrap_or(name).to_owned(), unit.to_owned());
        }
    }
    (bare, "B".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_export_of_exchange_2007_is_read() {
        let text = "#TYPE Microsoft.Exchange.Data.Mapi.MailboxStatistics\r\n\"DisplayName\",\"LegacyDN\",\"TotalItemSize\"\r\n\
                    \"Ann, Sales\",\"/o=x/cn=ann\",\"2048B\"\r\n\"Bob\",\"/o=x/cn=bob\",\"\"\r\n";
        let found = read(text.as_bytes()).expect("it is sound");
        assert_eq!(found.known, Known::LegacyDn);
        let entry = |whose: &str, bytes| Entry { whose: whose.into(), bytes, phone: None };
        assert_eq!(found.entries, [entry("/o=x/cn=ann", Some(2048)), entry("/o=x/cn=bob", None)]);
    }

    #[test]
    fn the_export_of_system_manager_is_read() {
        let text: Vec<u8> = "\u{feff}Mailbox\tSize (KB)\tTotal Items\nMüller, Ann\t1,024\t7\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let found = read(&text).expect("it is sound");
        assert_eq!((found.known, found.entries[0].bytes), (Known::Name, Some(1 << 20)));
        assert_eq!(found.entries[0].whose, "Müller, Ann");
    }

    #[test]
    fn a_file_with_addresses_and_phones_is_read() {
        let found =
            read(b"EmailAddress;SizeInMB;ActiveSync\nann@x.y;12;True\nbob@x.y;1;2\ncyd@x.y;;\n").expect("sound");
        let told: Vec<_> = found.entries.iter().map(|e| (e.bytes, e.phone)).collect();
        assert_eq!(told, [(Some(12 << 20), Some(true)), (Some(1 << 20), Some(true)), (None, Some(false))]);
        assert_eq!((unit_of("Size (KB)"), unit_of("TotalItemSize")), ("kb".to_owned(), "B".to_owned()));
    }

    #[test]
    fn what_is_no_such_file_says_why() {
        assert!(read(b"").is_err_and(|e| e.contains("whose")));
        assert!(read(b"EmailAddress\nann@x.y\n").is_err_and(|e| e.contains("sizes")));
        let wrong = read(b"EmailAddress,Size\na@x.y,much\nb@x.y,1\nc@x.y,2 cows\n").expect_err("two are no sizes");
        assert!(wrong.contains("line 2: `much`") && wrong.contains("line 4: `2 cows`"), "{wrong}");
    }
}
