//! The rules that a list of mailboxes must keep, each one record.
//!
//! Identifiers never change their meaning: they stand in reports, in
//! `explain SP105` and in suppression lists. SP1xx concern the file, SP2xx the
//! list against both directories. What each says comes from Microsoft's page on
//! CSV files for mailbox migration and the texts of its troubleshooter; where
//! nothing was found the rule says so. Nothing here reads a byte; that is
//! `read` and `against`.

use super::kind::Kind;
use super::read::Reading;

/// Whether a finding stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is sent before it is mended.
    Error,
    /// Said, and gone on.
    Warning,
}

impl Severity {
    /// `error` or `warning`, as notes and JSON say it.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `SP101`, never renamed.
    pub id: &'static str,
    /// Whether breaking it stops.
    pub severity: Severity,
    /// What the rule demands.
    pub meaning: &'static str,
    /// How it usually comes to be broken.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Where the rule comes from, or that it is ours.
    pub source: &'static str,
    /// What breaks it.
    pub example: Example,
    /// Rules that whatever breaks this one breaks as well; nothing else is
    /// broken by the example.
    pub implies: &'static [&'static str],
    /// Kinds of migration whose lists must keep it.
    pub kinds: &'static [Kind],
}

/// What breaks a rule.
#[derive(Clone, Copy, Debug)]
pub enum Example {
    /// A file, and how it is read.
    File(&'static [u8], Reading),
    /// A file that is too long to stand here: what it is, and what makes it.
    Made(&'static str, fn() -> Vec<u8>, Reading),
    /// Files that are given together.
    Files(&'static [&'static [u8]], Reading),
    /// What is found in the directories, in words.
    Situation(&'static str),
}

/// Rules that hold for the list of every kind.
pub const EVERY_KIND: &[Kind] = &[Kind::Staged, Kind::RemoteMove, Kind::Cutover, Kind::Imap];

/// The text is no UTF-8.
pub const ENCODING: &str = "SP101";
/// It is a workbook.
pub const WORKBOOK: &str = "SP102";
/// NUL characters.
pub const NUL: &str = "SP103";
/// Nothing in it.
pub const EMPTY_FILE: &str = "SP104";
/// No header.
pub const NO_HEADER: &str = "SP105";
/// Required column absent.
pub const MISSING_COLUMN: &str = "SP106";
/// A name that means a known column.
pub const MISSPELT_COLUMN: &str = "SP107";
/// A name that nobody knows.
pub const UNKNOWN_COLUMN: &str = "SP108";
/// A column twice.
pub const DOUBLED_COLUMN: &str = "SP109";
/// A ragged row.
pub const ROW_WIDTH: &str = "SP110";
/// Semicolons or tabs.
pub const SEPARATOR: &str = "SP111";
/// A row of blanks.
pub const BLANK_ROW: &str = "SP112";
/// A row without address.
pub const EMPTY_ADDRESS: &str = "SP113";
/// Not an address.
pub const ADDRESS_SYNTAX: &str = "SP114";
/// `SMTP:` or a display name around the address.
pub const ADDRESS_FORM: &str = "SP115";
/// The address again.
pub const DUPLICATE: &str = "SP116";
/// Fewer than eight characters.
pub const SHORT_PASSWORD: &str = "SP117";
/// Neither True nor False.
pub const FORCE_CHANGE: &str = "SP118";
/// A quote left open.
pub const OPEN_QUOTE: &str = "SP119";
/// A header and nothing below.
pub const NO_ROWS: &str = "SP120";
/// Header in other letters.
pub const HEADER_CASE: &str = "SP121";
/// Blanks around an address.
pub const BLANKS_AROUND: &str = "SP122";
/// An address of the tenant's own domain.
pub const TENANT_ADDRESS: &str = "SP123";

const CSV_PAGE: &str = "Microsoft, CSV files for mailbox migration";
const GUIDE: &str = "Microsoft, Perform a staged migration";
const TROUBLESHOOTER: &str = "Microsoft Support, troubleshoot issues with mailbox migration";
const OWN: &str = "stagepost; no text of the service was found";

/// Every rule of a file, in the order of their numbers.
pub const FILE_RULES: &[Rule] = &[
    Rule {
        id: ENCODING,
        severity: Severity::Error,
        meaning: "the file is UTF-8, or UTF-16 with a byte order mark",
        cause: "Excel's plain \"CSV\" saves in the code page of the machine, so that ü is one byte",
        remedy: "save the file again as \"CSV UTF-8\"",
        source: GUIDE,
        example: Example::File(b"EmailAddress\nm\xFCller@contoso.test\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: WORKBOOK,
        severity: Severity::Error,
        meaning: "the file is comma separated text",
        cause: "an Excel workbook was given, perhaps only renamed to .csv",
        remedy: "open it in Excel and save it as \"CSV UTF-8\"",
        source: GUIDE,
        example: Example::File(b"PK\x03\x04\x14\x00\x06\x00", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: NUL,
        severity: Severity::Error,
        meaning: "there are no NUL characters in the text",
        cause: "UTF-16 without a byte order mark, or a damaged file",
        remedy: "save the file again as UTF-8",
        source: OWN,
        example: Example::File(b"EmailAddress\nann@contoso.test\0\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: EMPTY_FILE,
        severity: Severity::Error,
        meaning: "the file is not empty",
        cause: "an export that failed, or the wrong file",
        remedy: "give the list that holds the mailboxes",
        source: TROUBLESHOOTER,
        example: Example::File(b"\xEF\xBB\xBF\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: NO_HEADER,
        severity: Severity::Error,
        meaning: "the first row names the columns",
        cause: "a bare list of addresses",
        remedy: "write EmailAddress above the addresses",
        source: CSV_PAGE,
        example: Example::File(b"ann@contoso.test\nbob@contoso.test\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: MISSING_COLUMN,
        severity: Severity::Error,
        meaning: "there is a column EmailAddress",
        cause: "a list made for another purpose",
        remedy: "name the column that holds the primary SMTP addresses EmailAddress",
        source: TROUBLESHOOTER,
        example: Example::File(b"Password,ForceChangePassword\nLongEnough1,True\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: MISSPELT_COLUMN,
        severity: Severity::Error,
        meaning: "columns are named exactly EmailAddress, Password, ForceChangePassword",
        cause: "a slip, or a name with a blank such as `Email Address`, which the service refuses",
        remedy: "write the name as one word, exactly as given",
        source: CSV_PAGE,
        example: Example::File(b"Email Address\nann@contoso.test\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: UNKNOWN_COLUMN,
        severity: Severity::Error,
        meaning: "there are no columns but those that a staged batch knows",
        cause: "a list that carries more, or columns of another kind of migration",
        remedy: "take the column out, or allow unknown columns in stagepost.toml; they are never sent",
        source: "Microsoft, New-MigrationBatch, AllowUnknownColumnsInCsv",
        example: Example::File(b"EmailAddress,Department\nann@contoso.test,Sales\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: DOUBLED_COLUMN,
        severity: Severity::Error,
        meaning: "every column is named once",
        cause: "two exports pasted side by side",
        remedy: "take one of the two out",
        source: OWN,
        example: Example::File(b"EmailAddress,EmailAddress\nann@contoso.test,bob@contoso.test\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: ROW_WIDTH,
        severity: Severity::Error,
        meaning: "every row has as many columns as the header; an empty value keeps its comma",
        cause: "a comma in a value without quotes, or commas left away at the end",
        remedy: "add the missing commas, or put quotes around a value that holds one",
        source: TROUBLESHOOTER,
        example: Example::File(
            b"EmailAddress,Password,ForceChangePassword\nann@contoso.test,LongEnough1\n",
            Reading::STAGED,
        ),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: SEPARATOR,
        severity: Severity::Error,
        meaning: "values are separated by commas",
        cause: "Excel takes the list separator of the region, a semicolon in much of Europe",
        remedy: "save the list with commas, or replace the separators",
        source: GUIDE,
        example: Example::File(b"EmailAddress;Password\nann@contoso.test;LongEnough1\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: BLANK_ROW,
        severity: Severity::Warning,
        meaning: "there are no blank rows",
        cause: "rows emptied in a spreadsheet but not deleted",
        remedy: "nothing: the row is passed over",
        source: OWN,
        example: Example::File(b"EmailAddress\nann@contoso.test\n\nbob@contoso.test\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: EMPTY_ADDRESS,
        severity: Severity::Error,
        meaning: "every row has an address",
        cause: "a mailbox without primary address in the export",
        remedy: "fill in the primary SMTP address, or take the row out",
        source: "Microsoft, preliminary check of the rows",
        example: Example::File(b"EmailAddress,Password\n,LongEnough1\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: ADDRESS_SYNTAX,
        severity: Severity::Error,
        meaning: "the address is a plain SMTP address: name@domain.tld, no blanks, ASCII",
        cause: "a slip, or a user name instead of an address",
        remedy: "write the primary SMTP address of the mailbox on premises",
        source: "Microsoft, preliminary check of the rows; RFC 5321, 4.1.2",
        example: Example::File(b"EmailAddress\nann contoso.test\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: ADDRESS_FORM,
        severity: Severity::Error,
        meaning: "the address stands alone, without SMTP: in front and without a display name",
        cause: "copied from proxyAddresses or from a message",
        remedy: "keep only name@domain.tld",
        source: OWN,
        example: Example::File(b"EmailAddress\nSMTP:ann@contoso.test\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: DUPLICATE,
        severity: Severity::Error,
        meaning: "every address comes once, whatever the case of its letters",
        cause: "two exports put together",
        remedy: "take one of the rows out",
        source: OWN,
        example: Example::File(b"EmailAddress\nann@contoso.test\nANN@contoso.test\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: SHORT_PASSWORD,
        severity: Severity::Error,
        meaning: "a password has at least 8 characters",
        cause: "a password made up for a test",
        remedy: "give a longer one, or leave the cell empty: synchronized users keep their own",
        source: CSV_PAGE,
        example: Example::File(b"EmailAddress,Password\nann@contoso.test,short\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: FORCE_CHANGE,
        severity: Severity::Error,
        meaning: "ForceChangePassword is True, False or empty",
        cause: "yes/no, 1/0 or the word of another language",
        remedy: "write True or False; False for federated users",
        source: CSV_PAGE,
        example: Example::File(b"EmailAddress,ForceChangePassword\nann@contoso.test,yes\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: OPEN_QUOTE,
        severity: Severity::Error,
        meaning: "a quote that is opened is closed",
        cause: "a value that begins with a quote of its own",
        remedy: "close the quote, or double it if it belongs to the value",
        source: "RFC 4180",
        example: Example::File(b"EmailAddress\n\"ann@contoso.test\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: NO_ROWS,
        severity: Severity::Error,
        meaning: "there is at least one mailbox below the header",
        cause: "a template that was not filled in",
        remedy: "add the mailboxes",
        source: GUIDE,
        example: Example::File(b"EmailAddress,Password\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: HEADER_CASE,
        severity: Severity::Warning,
        meaning: "columns are spelt with the service's capitals",
        cause: "a header written by hand",
        remedy: "nothing: stagepost sends the exact name",
        source: OWN,
        example: Example::File(b"emailaddress\nann@contoso.test\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: BLANKS_AROUND,
        severity: Severity::Warning,
        meaning: "there are no blanks around an address",
        cause: "blanks behind the commas",
        remedy: "nothing: they are taken off",
        source: OWN,
        example: Example::File(b"EmailAddress\n ann@contoso.test\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
    Rule {
        id: TENANT_ADDRESS,
        severity: Severity::Error,
        meaning: "the address is one of the organization on premises, not of the tenant",
        cause: "a list exported from the cloud, or a routing address instead of the primary one",
        remedy: "write the primary SMTP address of the mailbox on premises",
        source: "Microsoft, CSV files for mailbox migration: EmailAddress is that of the on-premises mailbox",
        example: Example::File(b"EmailAddress\nann@contoso.onmicrosoft.com\n", Reading::STAGED),
        implies: &[],
        kinds: EVERY_KIND,
    },
];

/// Looks a rule up by its identifier.
pub fn rule(id: &str) -> Option<&'static Rule> {
    FILE_RULES.iter().chain(super::against::all().map(|r| &r.rule)).find(|r| r.id.eq_ignore_ascii_case(id))
}

/// One breach of a rule, with its place.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Identifier of the rule.
    pub rule: &'static str,
    /// That of the rule.
    pub severity: Severity,
    /// The file as it was given.
    pub file: String,
    /// Line, from 1; 0 if it concerns the whole file.
    pub line: usize,
    /// Character column in that line, from 1; 0 likewise.
    pub column: usize,
    /// Which row, for people: `header`, `row 17`, `row 17 (ann@contoso.test)`.
    pub row: String,
    /// One sentence without a full stop: what is wrong.
    pub text: String,
    /// What to do.
    pub remedy: String,
    /// The line with passwords starred out, and how many characters are
    /// concerned, from `column` on.
    pub excerpt: Option<(String, usize)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::read;

    #[test]
    fn the_example_of_each_rule_breaks_it_and_only_it() {
        for rule in FILE_RULES {
            let Example::File(bytes, how) = rule.example else { panic!("{} has no file", rule.id) };
            let (list, findings) = read::read_with("example.csv", bytes, &how);
            let ids: Vec<_> = findings.iter().map(|f| f.rule).collect();
            assert_eq!(ids, [rule.id], "{}", rule.meaning);
            assert_eq!(findings.first().map(|f| f.severity), Some(rule.severity));
            assert_eq!(list.is_none(), rule.severity == Severity::Error, "{}", rule.id);
        }
    }

    #[test]
    fn identifiers_are_unique_and_found() {
        let mut ids: Vec<_> =
            FILE_RULES.iter().chain(super::super::against::all().map(|r| &r.rule)).map(|r| r.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert!(ids.iter().all(|id| rule(id).is_some_and(|r| r.id == *id)));
    }
}
