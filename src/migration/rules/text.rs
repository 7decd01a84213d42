//! Rules of the file as a text: how it is encoded and separated, what stands
//! above and below the rows, the header.

use super::*;

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
/// Semicolons or tabs.
pub const SEPARATOR: &str = "SP111";
/// A header and nothing below.
pub const NO_ROWS: &str = "SP120";
/// Header in other letters.
pub const HEADER_CASE: &str = "SP121";
/// Letters of two encodings, or lost ones.
pub const MIXED_ENCODING: &str = "SP124";
/// UTF-16 without its mark.
pub const NO_MARK: &str = "SP125";
/// Line ends of several sorts.
pub const LINE_ENDS: &str = "SP126";
/// Lines that end with CR alone.
pub const LONE_CR: &str = "SP127";
/// `#TYPE` above the header.
pub const TYPE_LINE: &str = "SP128";
/// `sep=;` above the header.
pub const SEPARATOR_LINE: &str = "SP129";
/// A title above the header.
pub const LINES_ABOVE: &str = "SP130";
/// A count below the last row.
pub const LINES_BELOW: &str = "SP131";
/// Dashes below the header.
pub const RULER: &str = "SP132";
/// The header again among the rows.
pub const HEADER_AGAIN: &str = "SP133";
/// Control characters.
pub const CONTROL: &str = "SP137";
/// No text at all.
pub const BINARY: &str = "SP138";
/// Text of another format.
pub const OTHER_FORMAT: &str = "SP139";
/// More rows than the kind allows.
pub const TOO_MANY_ROWS: &str = "SP141";
/// More bytes than the kind allows.
pub const TOO_MANY_BYTES: &str = "SP142";
/// A list for a cutover.
pub const CUTOVER_LIST: &str = "SP143";
/// Blanks around a column's name.
pub const HEADER_BLANKS: &str = "SP144";
/// A column without name.
pub const NAMELESS_COLUMN: &str = "SP145";
/// Thousands of columns.
pub const MANY_COLUMNS: &str = "SP146";
/// A cloud.csv given for a batch.
pub const CLOUD_LIST: &str = "SP147";
/// A column absent that the kind requires beside EmailAddress.
pub const REQUIRED_COLUMN: &str = "SP180";

fn rows_beyond_the_limit() -> Vec<u8> {
    let rows: String = (0..=2000).map(|n| format!("user{n}@contoso.test\n")).collect();
    format!("EmailAddress\n{rows}").into_bytes()
}

fn bytes_beyond_the_limit() -> Vec<u8> {
    let root = "a".repeat(2000);
    let rows: String = (0..5300).map(|n| format!("user{n}@contoso.test,user{n},Qx7-{n:06},/mail/{root}\n")).collect();
    format!("EmailAddress,UserName,Password,UserRoot\n{rows}").into_bytes()
}

fn hundreds_of_columns() -> Vec<u8> {
    let names: String = (0..200).map(|n| format!(",c{n}")).collect();
    format!("EmailAddress{names}\nann@contoso.test{}\n", ",".repeat(200)).into_bytes()
}

/// Rules of the text and of the header.
pub const TEXT_RULES: &[Rule] = &[
    error(
        ENCODING,
        "the file is UTF-8, or UTF-16 with a byte order mark",
        "Excel's plain \"CSV\" saves in the code page of the machine, so that ü is one byte",
        "save the file again as \"CSV UTF-8\"",
        GUIDE,
        staged(b"EmailAddress\nm\xFCller@contoso.test\n"),
    ),
    error(
        WORKBOOK,
        "the file is comma separated text",
        "an Excel workbook was given, perhaps only renamed to .csv",
        "open it in Excel and save it as \"CSV UTF-8\"",
        GUIDE,
        staged(b"PK\x03\x04\x14\x00\x06\x00"),
    ),
    error(
        NUL,
        "there are no NUL characters in the text",
        "UTF-16 without a byte order mark, or a damaged file",
        "save the file again as UTF-8",
        OWN,
        staged(b"EmailAddress\nann@contoso.test\0\n"),
    ),
    error(
        EMPTY_FILE,
        "the file is not empty",
        "an export that failed, or the wrong file",
        "give the list that holds the mailboxes",
        TROUBLESHOOTER,
        staged(b"\xEF\xBB\xBF\n"),
    ),
    error(
        NO_HEADER,
        "the first row names the columns",
        "a bare list of addresses",
        "write EmailAddress above the addresses",
        CSV_PAGE,
        staged(b"ann@contoso.test\nbob@contoso.test\n"),
    ),
    error(
        MISSING_COLUMN,
        "there is a column EmailAddress",
        "a list made for another purpose",
        "name the column that holds the primary SMTP addresses EmailAddress",
        TROUBLESHOOTER,
        staged(b"Password,ForceChangePassword\nLong-Enough1,True\n"),
    ),
    error(
        MISSPELT_COLUMN,
        "columns are named exactly EmailAddress, Password, ForceChangePassword",
        "a slip, or a name with a blank such as `Email Address`, which the service refuses",
        "write the name as one word, exactly as given",
        CSV_PAGE,
        staged(b"Email Address\nann@contoso.test\n"),
    ),
    error(
        UNKNOWN_COLUMN,
        "there are no columns but those that a staged batch knows",
        "a list that carries more, or columns of another kind of migration",
        "take the column out, or allow unknown columns in stagepost.toml; they are never sent",
        "Microsoft, New-MigrationBatch, AllowUnknownColumnsInCsv",
        staged(b"EmailAddress,Department\nann@contoso.test,Sales\n"),
    ),
    error(
        DOUBLED_COLUMN,
        "every column is named once",
        "two exports pasted side by side",
        "take one of the two out",
        OWN,
        staged(b"EmailAddress,EmailAddress\nann@contoso.test,bob@contoso.test\n"),
    ),
    error(
        SEPARATOR,
        "values are separated by commas",
        "Excel takes the list separator of the region, a semicolon in much of Europe",
        "save the list with commas, or replace the separators",
        GUIDE,
        staged(b"EmailAddress;ForceChangePassword\nann@contoso.test;False\n"),
    ),
    error(
        NO_ROWS,
        "there is at least one mailbox below the header",
        "a template that was not filled in",
        "add the mailboxes",
        GUIDE,
        staged(b"EmailAddress,Password\n"),
    ),
    warning(
        HEADER_CASE,
        "columns are spelt with the service's capitals",
        "a header written by hand",
        "nothing: stagepost sends the exact name",
        OWN,
        staged(b"emailaddress\nann@contoso.test\n"),
    ),
    error(
        MIXED_ENCODING,
        "the text is of one encoding throughout, and no letter was lost in a conversion",
        "two files of different encodings put together, or one that was converted wrongly before",
        "put the lost letters back by hand, and save the file as UTF-8",
        OWN,
        staged(b"EmailAddress\nm\xC3\xBCll\xFCer@contoso.test\n"),
    ),
    error(
        NO_MARK,
        "UTF-16 begins with its byte order mark",
        "a program that writes UTF-16 bare, such as a query tool",
        "save the file again as UTF-8",
        GUIDE,
        staged(b"E\0m\0a\0i\0l\0A\0d\0d\0r\0e\0s\0s\0\n\0a\0n\0n\0@\0c\0o\0n\0t\0o\0s\0o\0.\0t\0e\0s\0t\0\n\0"),
    ),
    warning(
        LINE_ENDS,
        "all lines end in the same way",
        "files of Windows and of Unix put together",
        "nothing: stagepost sends CR LF",
        OWN,
        staged(b"EmailAddress\r\nann@contoso.test\nbob@contoso.test\r\n"),
    ),
    warning(
        LONE_CR,
        "no line ends with a carriage return alone",
        "Excel's \"CSV (Macintosh)\"",
        "nothing: stagepost sends CR LF",
        OWN,
        staged(b"EmailAddress\rann@contoso.test\r"),
    ),
    error(
        TYPE_LINE,
        "no #TYPE line stands above the header",
        "Export-Csv of Windows PowerShell without -NoTypeInformation",
        "export it again with -NoTypeInformation, or delete the line",
        CSV_PAGE,
        staged(b"#TYPE System.Management.Automation.PSCustomObject\nEmailAddress\nann@contoso.test\n"),
    ),
    error(
        SEPARATOR_LINE,
        "no sep= line stands above the header",
        "a hint for Excel that the exporting program wrote",
        "delete the line",
        CSV_PAGE,
        staged(b"sep=,\nEmailAddress\nann@contoso.test\n"),
    ),
    error(
        LINES_ABOVE,
        "nothing stands above the header",
        "a title or a date that a report puts above its table",
        "delete the lines above the header",
        CSV_PAGE,
        staged(b"Mailboxes of Contoso\nEmailAddress\nann@contoso.test\n"),
    ),
    error(
        LINES_BELOW,
        "nothing but mailboxes stands below the header",
        "the count that a query or a report writes below its rows",
        "delete the line",
        OWN,
        staged(b"EmailAddress\nann@contoso.test\n(1 rows affected)\n"),
    ),
    error(
        RULER,
        "no line of dashes stands below the header",
        "Format-Table or a query tool, redirected into a file",
        "delete the line, or use Export-Csv",
        OWN,
        staged(b"EmailAddress\n------------\nann@contoso.test\n"),
    ),
    error(
        HEADER_AGAIN,
        "the header stands at the top only",
        "several files put together as they were",
        "delete the repeated headers",
        OWN,
        staged(b"EmailAddress\nann@contoso.test\nEmailAddress\nbob@contoso.test\n"),
    ),
    error(
        CONTROL,
        "there are no control characters in the text",
        "a value copied from a terminal, or a damaged file",
        "type the value again",
        OWN,
        staged(b"EmailAddress\nann\x07@contoso.test\n"),
    ),
    error(
        BINARY,
        "the file is text",
        "a picture, a PDF, an archive or another program's file was named",
        "name the list itself",
        GUIDE,
        staged(b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n"),
    ),
    error(
        OTHER_FORMAT,
        "the file is a table of comma separated values",
        "a web page, JSON, XML or LDIF was saved under the list's name",
        "export the mailboxes as CSV",
        GUIDE,
        staged(b"[{\"EmailAddress\": \"ann@contoso.test\"}]\n"),
    ),
    error(
        TOO_MANY_ROWS,
        "a file has at most 2,000 rows, for IMAP 50,000; a remote move has no known limit",
        "the whole company in one file",
        "cut it with `--split 2000`",
        CSV_PAGE,
        Example::Made("a header and 2,001 addresses", rows_beyond_the_limit, file(Kind::Staged)),
    )
    .only(&[Kind::Staged, Kind::Imap]),
    error(
        TOO_MANY_BYTES,
        "a file for IMAP has at most 10 MB",
        "long paths in UserRoot, or columns that are not needed",
        "cut it with `--split`",
        IMAP_PAGE,
        Example::Made("5,300 rows of 2,050 characters", bytes_beyond_the_limit, file(Kind::Imap)),
    )
    .only(IMAP),
    error(
        CUTOVER_LIST,
        "a cutover takes no list: it moves all mailboxes at once",
        "the list of another kind of migration",
        "leave the list out, or choose the kind that takes one",
        CSV_PAGE,
        Example::File(b"EmailAddress\nann@contoso.test\n", file(Kind::Cutover)),
    )
    .only(&[Kind::Cutover]),
    warning(
        HEADER_BLANKS,
        "there are no blanks around the names of columns",
        "blanks behind the commas of the header",
        "nothing: they are taken off",
        OWN,
        staged(b"EmailAddress, ForceChangePassword\nann@contoso.test,False\n"),
    ),
    error(
        NAMELESS_COLUMN,
        "every column has a name",
        "a spreadsheet in which a column was emptied but not deleted",
        "delete the column, or name it",
        OWN,
        staged(b"EmailAddress,\nann@contoso.test,\n"),
    ),
    error(
        MANY_COLUMNS,
        "there are at most 100 columns",
        "a table that lies on its side, or another program's export",
        "name the list that has the columns of the migration",
        OWN,
        Example::Made("EmailAddress and 200 more columns", hundreds_of_columns, file(Kind::Staged)),
    ),
    error(
        CLOUD_LIST,
        "the list for a batch is no cloud.csv",
        "the file that the conversion script exports and reads was named",
        "name the list with EmailAddress; mailboxes::read takes a cloud.csv",
        "Microsoft, Convert Exchange 2007 mailboxes to mail-enabled users",
        staged(
            b"LegacyExchangeDN,CloudEmailAddress,OnPremiseEmailAddress\n\
              /o=x/cn=ann,ann@contoso.onmicrosoft.com,ann@contoso.test\n",
        ),
    )
    .only(STAGED),
    error(
        REQUIRED_COLUMN,
        "the columns that the kind requires beside EmailAddress are there: for IMAP UserName and Password",
        "the list of another kind of migration",
        "add the column",
        IMAP_PAGE,
        imap(b"EmailAddress,UserName\nann@contoso.test,ann\n"),
    )
    .only(IMAP),
];
