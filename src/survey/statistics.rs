//! Exported statistics: sizes of mailboxes and rights on them, which no old server
//! tells over LDAP.
//!
//! What `Get-MailboxStatistics`, `Get-MailboxPermission` and `Get-ADPermission` give
//! to `Export-Csv`, in the spellings of Exchange 2007 and 2010, and what Exchange
//! 2003 tells over WMI. Bytes are handed in; nothing here opens a file. A row of
//! nobody is told, never guessed.

use std::collections::{BTreeMap, BTreeSet};

use super::directory::Somebody;
use crate::migration::encoding::decode;
use crate::wire::attributes::{Proxy, address_key, dn_key, split_dn};
use crate::wire::company::{Permission, Right};
use crate::wire::guid::Guid;

/// Makes the file of sizes, Exchange 2007 and 2010.
pub const SIZES_BY: &str = "Get-MailboxStatistics -Server EX07 | Select-Object MailboxGuid, LegacyDN, DisplayName, ItemCount, TotalItemSize | Export-Csv sizes.csv -NoTypeInformation -Encoding UTF8";
/// Makes the file of rights.
pub const RIGHTS_BY: &str = "Get-Mailbox -ResultSize Unlimited | Get-MailboxPermission | Select-Object Identity, User, @{n='AccessRights';e={$_.AccessRights}}, IsInherited, Deny | Export-Csv rights.csv -NoTypeInformation -Encoding UTF8";

/// Columns by what they hold, in lower case; the first that is there counts.
const GUID: &[&str] = &["mailboxguid", "exchangeguid"];
const LEGACY: &[&str] = &["legacydn", "legacyexchangedn"];
const ADDRESS: &[&str] = &["primarysmtpaddress", "emailaddress", "windowsemailaddress", "mail"];
const NAME: &[&str] = &["displayname", "mailboxdisplayname"];
const ITEMS: &[&str] = &["itemcount", "totalitems"];
const BYTES: &[&str] = &["totalitemsize", "totalitemsizeinbytes", "mailboxsize"];
/// Exchange 2003 over WMI (Exchange_Mailbox.Size): kilobytes.
const KILOBYTES: &[&str] = &["size"];
const HOLDER: &[&str] = &["user", "trustee"];
const RIGHTS: &[&str] = &["accessrights", "extendedrights"];
const MAILBOX: &[&str] = &["identity", "mailbox"];

/// Rows that are no person's: their names begin so.
const SYSTEM: &[&str] = &[
    "systemmailbox",
    "microsoft system attendant",
    "online archive",
    "discovery search",
    "smtp (",
    "system attendant",
];

/// A line that can't be understood, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1; 0 for the whole file.
    pub line: u64,
    /// One sentence without a full stop.
    pub text: String,
    /// What to change.
    pub remedy: String,
}

/// One mailbox of an export.
#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    guid: Option<Guid>,
    legacy: String,
    address: String,
    name: String,
    items: Option<i64>,
    bytes: Option<i64>,
}

/// A right of an export: mailbox and holder as it names them.
#[derive(Clone, Debug, PartialEq)]
struct Held {
    mailbox: String,
    holder: String,
    right: Right,
}

/// All that was exported.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    rows: Vec<Row>,
    rights: Vec<Held>,
}

impl Statistics {
    /// How many mailboxes and how many rights the files name.
    pub fn len(&self) -> (usize, usize) {
        (self.rows.len(), self.rights.len())
    }

    /// Takes a file in.
    ///
    /// # Errors
    /// All its faults; nothing of it counts then.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), Vec<Fault>> {
        let text = decode(bytes).text;
        if text.contains('\0') {
            return Err(whole(
                "the file is no text",
                "export it with `-Encoding UTF8`, or as it comes from Export-Csv",
            ));
        }
        // Export-Csv writes the type of its objects first.
        let typed = text.starts_with("#TYPE");
        let body = if typed { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
        let header = body.lines().next().unwrap_or_default();
        let separator = [b',', b';', b'\t']
            .into_iter()
            .max_by_key(|s| (header.bytes().filter(|b| b == s).count(), *s == b','))
            .unwrap_or(b',');
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(body.as_bytes());
        let header = reader.headers().cloned().unwrap_or_default();
        let names: Vec<String> =
            header.iter().map(|h| h.trim().trim_start_matches('\u{feff}').to_lowercase()).collect();
        let place = |wanted: &[&str]| wanted.iter().find_map(|w| names.iter().position(|n| n == w));
        let shown = header.iter().map(str::trim).filter(|h| !h.is_empty()).take(12).collect::<Vec<_>>().join(", ");
        let columns = Columns {
            keys: [GUID, LEGACY, ADDRESS, NAME].map(place),
            items: place(ITEMS),
            bytes: place(BYTES),
            kilobytes: place(KILOBYTES),
            mailbox: place(MAILBOX).or_else(|| place(ADDRESS)),
            holder: place(HOLDER),
            rights: RIGHTS.iter().filter_map(|r| names.iter().position(|n| n == r)).collect(),
            inherited: place(&["isinherited"]),
            deny: place(&["deny"]),
        };
        let rights = columns.holder.is_some() && !columns.rights.is_empty();
        if rights && columns.mailbox.is_none() {
            return Err(whole(
                format!("no column says on which mailbox a right is; the columns are {shown}"),
                format!("export Identity, User and AccessRights: {RIGHTS_BY}"),
            ));
        }
        if !rights && columns.items.or(columns.bytes).or(columns.kilobytes).is_none() {
            return Err(whole(
                format!("no column holds sizes or rights; the columns are {shown}"),
                format!("export ItemCount and TotalItemSize: {SIZES_BY}"),
            ));
        }
        if !rights && columns.keys.iter().all(Option::is_none) {
            return Err(whole(
                format!("no column says whose mailbox a row is; the columns are {shown}"),
                format!("export MailboxGuid or LegacyDN beside the sizes: {SIZES_BY}"),
            ));
        }
        let mut faults = Vec::new();
        let (mut rows, mut held) = (Vec::new(), Vec::new());
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(e) => {
                    let line = e.position().map_or(0, csv::Position::line) + u64::from(typed);
                    let remedy = "export the file anew, or mend the quotes of this line".to_owned();
                    faults.push(Fault { line, text: "the line can't be read".into(), remedy });
                    continue;
                }
            };
            let line = record.position().map_or(0, csv::Position::line) + u64::from(typed);
            if record.iter().all(|f| f.trim().is_empty()) {
                continue;
            }
            if rights {
                held.extend(columns.rights_of(&record));
                continue;
            }
            match columns.row(&record) {
                Ok(row) => rows.extend(row),
                Err((text, remedy)) => faults.push(Fault { line, text, remedy }),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if rows.is_empty() && held.is_empty() && !rights {
            return Err(whole("there is no mailbox in it", format!("export it anew: {SIZES_BY}")));
        }
        self.rows.extend(rows);
        self.rights.extend(held);
        Ok(())
    }

    /// Gives people their sizes; answers the names of rows that are nobody's.
    pub(super) fn lay(&self, people: &mut [Somebody]) -> Vec<String> {
        let mut by_guid = BTreeMap::new();
        let mut by_legacy = BTreeMap::new();
        let mut by_address = BTreeMap::new();
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, person) in people.iter().enumerate() {
            let facts = &person.facts;
            by_guid.extend(facts.mailbox_guid.as_deref().and_then(Guid::parse).map(|g| (g, place)));
            by_legacy.extend(facts.legacy_dn.as_ref().map(|l| (l.to_lowercase(), place)));
            by_address.extend(addresses(person).into_iter().map(|a| (a, place)));
            by_name.entry(facts.name.clone().unwrap_or_default().to_lowercase()).or_default().push(place);
        }
        let mut strangers = Vec::new();
        for row in &self.rows {
            let by_name = || match by_name.get(&row.name.to_lowercase()).map(Vec::as_slice) {
                // Two of one name: neither may get the other's size.
                Some([one]) if !row.name.is_empty() => Some(*one),
                _ => None,
            };
            let place = row
                .guid
                .and_then(|g| by_guid.get(&g).copied())
                .or_else(|| by_legacy.get(&row.legacy.to_lowercase()).copied().filter(|_| !row.legacy.is_empty()))
                .or_else(|| by_address.get(&address_key(&row.address)).copied())
                .or_else(by_name);
            match place.and_then(|p| people.get_mut(p)) {
                Some(person) => {
                    person.facts.items = row.items.or(person.facts.items);
                    // No item is smaller than a byte.
                    let least = person.facts.items.unwrap_or_default();
                    person.facts.bytes = row.bytes.map(|b| b.max(least)).or(person.facts.bytes);
                }
                None => {
                    let names = [&row.name, &row.address, &row.legacy];
                    let name = names.into_iter().find(|n| !n.is_empty()).cloned();
                    let name = name.or_else(|| row.guid.map(|g| g.to_string())).unwrap_or_default();
                    if !SYSTEM.iter().any(|s| name.to_lowercase().starts_with(s)) {
                        strangers.push(name);
                    }
                }
            }
        }
        strangers
    }

    /// The rights of people on people's mailboxes; others work in no mailbox that
    /// moves.
    pub(super) fn permissions(&self, people: &[Somebody]) -> Vec<Permission> {
        let mut by_name: BTreeMap<String, &str> = BTreeMap::new();
        for person in people {
            let Some(address) = person.facts.address.as_deref() else { continue };
            by_name.extend(person.facts.account.as_ref().map(|a| (a.to_lowercase(), address)));
            by_name.extend(person.facts.upn.as_ref().map(|u| (u.to_lowercase(), address)));
            let dn = person.facts.dn.as_deref().unwrap_or_default();
            by_name.insert(dn_key(dn), address);
            by_name.insert(canonical(dn).to_lowercase(), address);
            by_name.extend(addresses(person).into_iter().map(|a| (a, address)));
        }
        // `CONTOSO\bob`: accounts are of this domain, the forest has no others here.
        let find = |name: &str| {
            let bare = name.rsplit('\\').next().unwrap_or(name);
            by_name.get(&name.to_lowercase()).or_else(|| by_name.get(&bare.to_lowercase())).copied()
        };
        let mut seen = BTreeSet::new();
        let pairs = self.rights.iter().filter_map(|r| Some((find(&r.mailbox)?, find(&r.holder)?, r.right)));
        pairs
            .filter(|(mailbox, holder, right)| {
                mailbox != holder && seen.insert(format!("{mailbox} {holder} {right:?}"))
            })
            .map(|(mailbox, holder, right)| Permission {
                mailbox: Some(mailbox.to_owned()),
                holder: Some(holder.to_owned()),
                right: Some(right),
            })
            .collect()
    }
}

/// SMTP addresses of a person, as they are compared.
fn addresses(person: &Somebody) -> Vec<String> {
    let proxies = person.facts.proxies.iter().flatten().map(|p| Proxy::parse(p));
    proxies.filter(|p| p.kind == "smtp").map(|p| p.address.to_lowercase()).collect()
}

/// `contoso.test/Staff/Lee, Ann`: the canonical name, as cmdlets print an identity.
fn canonical(dn: &str) -> String {
    let parts = split_dn(dn);
    let value = |part: &String| part.split_once('=').map(|(_, v)| v.replace('\\', "")).unwrap_or_default();
    let is_domain = |part: &&String| part.get(..3).is_some_and(|k| k.eq_ignore_ascii_case("dc="));
    let domain: Vec<String> = parts.iter().filter(is_domain).map(value).collect();
    let mut path: Vec<String> = parts.iter().filter(|p| !is_domain(p)).map(value).collect();
    path.reverse();
    format!("{}/{}", domain.join("."), path.join("/"))
}

fn whole(text: impl Into<String>, remedy: impl Into<String>) -> Vec<Fault> {
    vec![Fault { line: 0, text: text.into(), remedy: remedy.into() }]
}

/// Places of the columns.
struct Columns {
    keys: [Option<usize>; 4],
    items: Option<usize>,
    bytes: Option<usize>,
    kilobytes: Option<usize>,
    mailbox: Option<usize>,
    holder: Option<usize>,
    rights: Vec<usize>,
    inherited: Option<usize>,
    deny: Option<usize>,
}

impl Columns {
    /// One row of sizes; none of an archive.
    fn row(&self, record: &csv::StringRecord) -> Result<Option<Row>, (String, String)> {
        let cell = |place: Option<usize>| place.and_then(|p| record.get(p)).map(str::trim).unwrap_or_default();
        let [guid, legacy, address, name] = self.keys.map(|k| cell(k).to_owned());
        let number = |text: &str, what: &str, read: fn(&str) -> Option<i64>| match text {
            "" => Ok(None),
            text => read(text).map(Some).ok_or_else(|| {
                let remedy =
                    "write a number, or as Exchange does: `1.2 GB (1,288,490,189 bytes)`, `1234567B`".to_owned();
                (format!("`{text}` is no {what}"), remedy)
            }),
        };
        let kilobytes = number(cell(self.kilobytes), "size", size)?.map(|k| k.saturating_mul(1024));
        let row = Row {
            guid: Guid::parse(&guid),
            legacy,
            address,
            name,
            items: number(cell(self.items), "number of items", plain)?,
            bytes: number(cell(self.bytes), "size", size)?.or(kilobytes),
        };
        Ok((row.items.is_some() || row.bytes.is_some()).then_some(row))
    }

    /// The rights of one row: none that is inherited, denied or the owner's.
    fn rights_of(&self, record: &csv::StringRecord) -> Vec<Held> {
        let cell = |place: Option<usize>| place.and_then(|p| record.get(p)).map(str::trim).unwrap_or_default();
        let is = |place| cell(place).eq_ignore_ascii_case("true");
        let (mailbox, holder) = (cell(self.mailbox), cell(self.holder));
        if is(self.inherited) || is(self.deny) || holder.to_uppercase().starts_with("NT AUTHORITY\\") {
            return Vec::new();
        }
        let said: String = self.rights.iter().map(|p| cell(Some(*p)).to_lowercase().replace(['-', ' '], "")).collect();
        let held = |right| Held { mailbox: mailbox.to_owned(), holder: holder.to_owned(), right };
        let known = [("fullaccess", Right::FullAccess), ("sendas", Right::SendAs)];
        known.into_iter().filter(|(word, _)| said.contains(word)).map(|(_, right)| held(right)).collect()
    }
}

/// A whole number, thousands apart or not.
fn plain(text: &str) -> Option<i64> {
    let digits: String =
        text.chars().filter(|c| !matches!(c, ',' | '.' | ' ' | '\'' | '\u{a0}' | '\u{202f}')).collect();
    digits.parse().ok().filter(|n| *n >= 0)
}

/// Bytes: `1.2 GB (1,288,490,189 bytes)`, `1234567B`, `1234567`, `4.5 MB`.
fn size(text: &str) -> Option<i64> {
    if let Some((_, inside)) = text.split_once('(') {
        // The word after it is in the language of the server.
        let digits = inside.trim_end_matches(')').trim_end_matches(|c: char| c.is_alphabetic()).trim();
        return plain(digits);
    }
    let unit = text.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let number = text.strip_suffix(unit)?.trim();
    let factor: i64 = match unit.to_ascii_uppercase().as_str() {
        "" | "B" | "BYTES" => return plain(number),
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return None,
    };
    let amount: f64 =
        number.replace(',', ".").parse().ok().filter(|n: &f64| n.is_finite() && (0.0..1e9).contains(n))?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    Some((amount * factor as f64) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Statistics, Vec<Fault>> {
        let mut statistics = Statistics::default();
        statistics.read(text.as_bytes()).map(|()| statistics)
    }

    #[test]
    fn sizes_of_every_server_are_understood() {
        for (text, bytes) in [
            ("1.2 GB (1,288,490,189 bytes)", 1_288_490_189),
            ("1,2 GB (1.288.490.189 Bytes)", 1_288_490_189),
            ("1234567B", 1_234_567),
            ("1234567", 1_234_567),
            ("0B", 0),
            ("1.5 MB", 1_572_864),
            ("1,5 KB", 1536),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["big", "1.2 XB", "-5", "(x bytes)"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn exports_of_2003_2007_and_2010_are_read() {
        let guid = "00112233-4455-6677-8899-aabbccddeeff";
        let of = |text: &str| read(text).expect("it is sound").rows;
        let seven = of(&format!(
            "#TYPE Microsoft.Exchange.Data.Mapi.MailboxStatistics\r\nDisplayName,ItemCount,LegacyDN,MailboxGuid,TotalItemSize\r\n\"Lee, Ann\",12,/o=X/cn=ann,{guid},1234567B\r\n"
        ));
        assert_eq!((seven[0].name.as_str(), seven[0].items, seven[0].bytes), ("Lee, Ann", Some(12), Some(1_234_567)));
        assert_eq!(seven[0].guid, Guid::parse(guid));
        let ten = of("\"DisplayName\";\"TotalItemSize\"\n\"Ann\";\"1.2 GB (1,288,490,189 bytes)\"\n");
        assert_eq!((ten[0].items, ten[0].bytes), (None, Some(1_288_490_189)));
        let three = of("MailboxDisplayName,LegacyDN,Size,TotalItems\nAnn,/o=X/cn=ann,2048,7\n");
        assert_eq!((three[0].items, three[0].bytes), (Some(7), Some(2_097_152)));
    }

    #[test]
    fn utf_16_and_a_western_code_page_are_text() {
        let text = "DisplayName,ItemCount\nJörg,3\n";
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
        for bytes in [wide, latin] {
            let mut statistics = Statistics::default();
            assert_eq!(statistics.read(&bytes), Ok(()));
            assert_eq!(statistics.rows[0].name, "Jörg");
        }
        assert!(Statistics::default().read(b"PK\x03\x04\0\0").is_err());
    }

    #[test]
    fn what_is_missing_or_no_number_is_said_with_its_line() {
        let said = |text: &str| read(text).expect_err("it has a fault")[0].text.clone();
        assert!(said("Who,Size2\nann,3\n").contains("the columns are Who, Size2"));
        assert!(said("ItemCount,TotalItemSize\n3,4B\n").contains("whose mailbox"));
        assert!(said("DisplayName,ItemCount\n").contains("no mailbox"));
        let faults = read("#TYPE x\nDisplayName,ItemCount\nAnn,many\nBob,2\nCy,-1\n").expect_err("two faults");
        assert_eq!(faults.iter().map(|f| f.line).collect::<Vec<_>>(), [3, 5]);
    }

    #[test]
    fn rights_that_are_inherited_denied_or_the_owners_are_none() {
        let text = "Identity,User,AccessRights,IsInherited,Deny\n\
            contoso.test/Staff/Ann,CONTOSO\\bob,{FullAccess},False,False\n\
            contoso.test/Staff/Ann,NT AUTHORITY\\SELF,\"FullAccess, ReadPermission\",False,False\n\
            contoso.test/Staff/Ann,CONTOSO\\Admins,FullAccess,True,False\n\
            contoso.test/Staff/Ann,CONTOSO\\cy,FullAccess,False,True\n";
        let rights = read(text).expect("it is sound").rights;
        assert_eq!(rights.len(), 1);
        assert_eq!((rights[0].holder.as_str(), rights[0].right), ("CONTOSO\\bob", Right::FullAccess));
        let text = "Identity,User,ExtendedRights\ncontoso.test/Staff/Ann,CONTOSO\\bob,{Send-As}\n";
        assert_eq!(read(text).expect("it is sound").rights[0].right, Right::SendAs);
        assert_eq!(canonical("CN=Lee\\, Ann,OU=Staff,DC=contoso,DC=test"), "contoso.test/Staff/Lee, Ann");
    }
}
