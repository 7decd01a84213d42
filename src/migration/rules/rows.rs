//! Rules of the rows: how wide they are, how they are quoted, their addresses.

use super::*;

/// A ragged row.
pub const ROW_WIDTH: &str = "SP110";
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
/// A quote left open.
pub const OPEN_QUOTE: &str = "SP119";
/// Blanks around an address.
pub const BLANKS_AROUND: &str = "SP122";
/// An address of the tenant's own domain.
pub const TENANT_ADDRESS: &str = "SP123";
/// A quote within a value.
pub const STRAY_QUOTE: &str = "SP134";
/// Text behind a closing quote.
pub const BEHIND_QUOTE: &str = "SP135";
/// Quotes of a word processor.
pub const TYPOGRAPHIC_QUOTES: &str = "SP136";
/// A value of a hundred pages.
pub const LONG_VALUE: &str = "SP140";
/// An address that is too long.
pub const LONG_ADDRESS: &str = "SP148";
/// Letters beyond ASCII.
pub const NON_ASCII: &str = "SP149";
/// Letters of another alphabet that look Latin.
pub const LOOK_ALIKE: &str = "SP150";
/// Marks that can't be seen.
pub const INVISIBLE: &str = "SP151";
/// A blank within an address.
pub const BLANK_WITHIN: &str = "SP152";
/// No-break spaces and their like around an address.
pub const ODD_BLANKS: &str = "SP153";
/// A value that Excel calculates.
pub const FORMULA: &str = "SP154";
/// `DOMAIN\user`.
pub const LOGON_NAME: &str = "SP155";
/// An X.500 or distinguished name.
pub const DIRECTORY_NAME: &str = "SP156";
/// Several addresses in a value.
pub const SEVERAL_ADDRESSES: &str = "SP157";
/// Apostrophes around an address.
pub const APOSTROPHES: &str = "SP158";
/// A domain of examples.
pub const RESERVED_DOMAIN: &str = "SP159";
/// A domain that is nearly another one.
pub const DOMAIN_SLIP: &str = "SP160";
/// The whole row again.
pub const REPEATED_ROW: &str = "SP161";
/// The address stands in another file, too.
pub const OTHER_FILE: &str = "SP162";

fn one_slip_among_many() -> Vec<u8> {
    let rows: String = (0..50).map(|n| format!("user{n}@contoso.test\n")).collect();
    format!("EmailAddress\n{rows}ann@contsoo.test\n").into_bytes()
}

fn an_endless_value() -> Vec<u8> {
    format!("EmailAddress\n{}\nann@contoso.test\n", "a".repeat(40_000)).into_bytes()
}

fn a_long_address() -> Vec<u8> {
    format!("EmailAddress\n{}@contoso.test\n", "a".repeat(65)).into_bytes()
}

/// Rules of rows and addresses.
pub const ROW_RULES: &[Rule] = &[
    error(
        ROW_WIDTH,
        "every row has as many columns as the header; an empty value keeps its comma",
        "a comma in a value without quotes, or commas left away at the end",
        "add the missing commas, or put quotes around a value that holds one",
        TROUBLESHOOTER,
        staged(b"EmailAddress,Password,ForceChangePassword\nann@contoso.test,\n"),
    ),
    warning(
        BLANK_ROW,
        "there are no blank rows",
        "rows emptied in a spreadsheet but not deleted",
        "nothing: the row is passed over",
        OWN,
        staged(b"EmailAddress\nann@contoso.test\n\nbob@contoso.test\n"),
    ),
    error(
        EMPTY_ADDRESS,
        "every row has an address",
        "a mailbox without primary address in the export",
        "fill in the primary SMTP address, or take the row out",
        PRELIMINARY,
        staged(b"EmailAddress,ForceChangePassword\n,False\n"),
    ),
    error(
        ADDRESS_SYNTAX,
        "the address is a plain SMTP address: name@domain.tld, no blanks, ASCII",
        "a slip, or a user name instead of an address",
        "write the primary SMTP address of the mailbox on premises",
        "Microsoft, preliminary check of the rows; RFC 5321, 4.1.2",
        staged(b"EmailAddress\nann contoso.test\n"),
    ),
    error(
        ADDRESS_FORM,
        "the address stands alone, without SMTP: in front and without a display name",
        "copied from proxyAddresses or from a message",
        "keep only name@domain.tld",
        OWN,
        staged(b"EmailAddress\nSMTP:ann@contoso.test\n"),
    ),
    error(
        DUPLICATE,
        "every address comes once, whatever the case of its letters",
        "two exports put together",
        "take one of the rows out",
        OWN,
        staged(b"EmailAddress\nann@contoso.test\nANN@contoso.test\n"),
    ),
    error(
        OPEN_QUOTE,
        "a quote that is opened is closed",
        "a value that begins with a quote of its own",
        "close the quote, or double it if it belongs to the value",
        "RFC 4180",
        staged(b"EmailAddress\n\"ann@contoso.test\n"),
    ),
    warning(
        BLANKS_AROUND,
        "there are no blanks around an address",
        "blanks behind the commas",
        "nothing: they are taken off",
        OWN,
        staged(b"EmailAddress\n ann@contoso.test\n"),
    ),
    error(
        TENANT_ADDRESS,
        "the address is one of the organization on premises, not of the tenant",
        "a list exported from the cloud, or a routing address instead of the primary one",
        "write the primary SMTP address of the mailbox on premises",
        "Microsoft, CSV files for mailbox migration: EmailAddress is that of the on-premises mailbox",
        staged(b"EmailAddress\nann@contoso.onmicrosoft.com\n"),
    )
    .only(STAGED),
    error(
        STRAY_QUOTE,
        "a value with a quote in it stands between quotes, and the quote is doubled",
        "a program that doesn't quote what it exports",
        "take the quote out, or put the value between quotes and double it",
        "RFC 4180",
        staged(b"EmailAddress\nan\"n@contoso.test\n"),
    ),
    error(
        BEHIND_QUOTE,
        "nothing stands between a closing quote and the comma",
        "a quote within the value that was not doubled",
        "double the quotes that belong to the value",
        "RFC 4180",
        staged(b"EmailAddress\n\"ann@contoso\".test\n"),
    ),
    error(
        TYPOGRAPHIC_QUOTES,
        "quotes are straight",
        "the list went through a word processor or a mail program",
        "take the quotes away, or write straight ones",
        OWN,
        staged("EmailAddress\n“ann@contoso.test”\n".as_bytes()),
    ),
    error(
        LONG_VALUE,
        "no value is longer than 32,767 bytes, as much as a cell of Excel holds",
        "a file that lost its line ends, or that is no list",
        "look at the line in an editor",
        OWN,
        Example::Made("a value of 40,000 letters", an_endless_value, file(Kind::Staged)),
    ),
    error(
        LONG_ADDRESS,
        "an address has at most 64 characters before the @ and 254 in all",
        "two values that ran together, or a generated name",
        "write the primary SMTP address of the mailbox",
        "RFC 5321, 4.5.3.1",
        Example::Made("65 letters before @contoso.test", a_long_address, file(Kind::Staged)),
    ),
    error(
        NON_ASCII,
        "an address has ASCII letters only",
        "the name of a person instead of the address, which writes ü as ue or u",
        "write the address as Exchange shows it",
        "Microsoft, preliminary check of the rows; RFC 5321, 4.1.2",
        staged("EmailAddress\nmüller@contoso.test\n".as_bytes()),
    ),
    error(
        LOOK_ALIKE,
        "no letter of another alphabet stands in for a Latin one",
        "typed on a Cyrillic or Greek keyboard, or copied from a message that means ill",
        "type the address again",
        "Unicode, UTS 39",
        staged("EmailAddress\n\u{430}nn@contoso.test\n".as_bytes()),
    ),
    error(
        INVISIBLE,
        "there are no marks in the address that can't be seen",
        "copied from a web page or a message: zero-width spaces, marks of writing direction",
        "type the address again, or let `--fix` take them out",
        OWN,
        staged("EmailAddress\nan\u{200b}n@contoso.test\n".as_bytes()),
    ),
    error(
        BLANK_WITHIN,
        "there is no blank in the address",
        "a slip, or a value that was broken over two lines",
        "write the address without it",
        PRELIMINARY,
        staged(b"EmailAddress\nann lee@contoso.test\n"),
    ),
    warning(
        ODD_BLANKS,
        "there are no no-break spaces or other odd blanks around an address",
        "copied from a web page or from Word",
        "nothing: they are taken off",
        OWN,
        staged("EmailAddress\nann@contoso.test\u{a0}\n".as_bytes()),
    ),
    warning(
        FORMULA,
        "no address begins with =, +, - or @, which Excel takes for a formula",
        "a generated name, or a value that somebody put there to have it carried out",
        "look at the value in a text editor, and don't open the list in Excel before",
        "OWASP, CSV injection",
        staged(b"EmailAddress\n+ann@contoso.test\n"),
    ),
    error(
        LOGON_NAME,
        "the address is no logon name",
        "DOMAIN\\user was exported in place of the address",
        "write the primary SMTP address of the mailbox",
        CSV_PAGE,
        staged(b"EmailAddress\nCONTOSO\\ann\n"),
    ),
    error(
        DIRECTORY_NAME,
        "the address is no name of the directory",
        "legacyExchangeDN or a distinguished name was exported in place of the address",
        "write the primary SMTP address of the mailbox",
        "Microsoft Support, 2965789",
        staged(b"EmailAddress\n/o=Contoso/ou=First/cn=Recipients/cn=ann\n"),
    ),
    error(
        SEVERAL_ADDRESSES,
        "a row has one address",
        "all addresses of a person exported into one cell",
        "keep the primary one",
        CSV_PAGE,
        staged(b"EmailAddress\nann@contoso.test;a.lee@contoso.test\n"),
    ),
    error(
        APOSTROPHES,
        "the address doesn't stand between apostrophes",
        "a list made from a query's text",
        "take the apostrophes away",
        OWN,
        staged(b"EmailAddress\n'ann@contoso.test'\n"),
    ),
    warning(
        RESERVED_DOMAIN,
        "the domain is none that is kept for examples",
        "a row of a template was left in",
        "take the row out",
        "RFC 2606",
        staged(b"EmailAddress\nann@example.com\n"),
    ),
    warning(
        DOMAIN_SLIP,
        "no domain is one letter beside another that nearly all rows have",
        "a slip of the hand",
        "correct the domain if it is one",
        OWN,
        Example::Made("50 rows of contoso.test, one of contsoo.test", one_slip_among_many, file(Kind::Staged)),
    ),
    error(
        REPEATED_ROW,
        "no row comes twice",
        "two exports put together, or a row copied down",
        "take one of the rows out",
        OWN,
        staged(b"EmailAddress\nann@contoso.test\nann@contoso.test\n"),
    ),
    error(
        OTHER_FILE,
        "an address stands in one file only",
        "lists for several batches that overlap",
        "take the row out of one of the files: a mailbox can be in one batch",
        "Microsoft Support, UserAlreadyBeingMigratedException",
        Example::Files(&[b"EmailAddress\nann@contoso.test\n", b"EmailAddress\nAnn@contoso.test\n"], file(Kind::Staged)),
    ),
];
