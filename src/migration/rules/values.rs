//! Rules of the values beside the address: passwords, and the columns of the
//! other kinds of migration.

use super::*;

/// Fewer than eight characters.
pub const SHORT_PASSWORD: &str = "SP117";
/// Neither True nor False.
pub const FORCE_CHANGE: &str = "SP118";
/// Passwords in clear text.
pub const PASSWORDS_GIVEN: &str = "SP163";
/// More than 256 characters.
pub const LONG_PASSWORD: &str = "SP164";
/// Too few sorts of characters.
pub const WEAK_PASSWORD: &str = "SP165";
/// Blanks at the edge of a password.
pub const PASSWORD_BLANKS: &str = "SP166";
/// One password for everybody.
pub const SAME_PASSWORD: &str = "SP167";
/// A change of no password.
pub const FORCE_WITHOUT_PASSWORD: &str = "SP168";
/// A password that can't be set.
pub const POINTLESS_PASSWORD: &str = "SP169";
/// A federated user who must change a password.
pub const FEDERATED_FORCE: &str = "SP170";
/// No type of mailbox.
pub const MAILBOX_TYPE: &str = "SP171";
/// No limit.
pub const ITEM_LIMIT: &str = "SP172";
/// A limit that the service no longer heeds.
pub const OLD_LIMIT: &str = "SP173";
/// A row without target.
pub const NO_TARGET: &str = "SP174";
/// No logon name.
pub const EMPTY_USER_NAME: &str = "SP175";
/// Blanks around a logon name.
pub const USER_NAME_BLANKS: &str = "SP176";
/// No password.
pub const EMPTY_PASSWORD: &str = "SP177";
/// A path that is none.
pub const USER_ROOT: &str = "SP178";
/// One source for two mailboxes.
pub const SAME_USER_NAME: &str = "SP179";

const PASSWORDS: &str = "Microsoft, password policies of Microsoft Entra ID";
const CONSISTENCY: &str = "Microsoft, Track and prevent migration data loss";

fn a_long_password() -> Vec<u8> {
    format!("EmailAddress,Password\nann@contoso.test,Qx7-{}\n", "a".repeat(260)).into_bytes()
}

const fn with_sign_in(bytes: &'static [u8], sign_in: SignIn) -> Example {
    Example::File(bytes, Reading { unknown_columns: false, kind: Kind::Staged, sign_in, is_batch_file: true })
}

/// Rules of passwords and of the columns of other kinds.
pub const VALUE_RULES: &[Rule] = &[
    error(
        SHORT_PASSWORD,
        "a password has at least 8 characters",
        "a password made up for a test",
        "give a longer one, or leave the cell empty: synchronized users keep their own",
        CSV_PAGE,
        staged(b"EmailAddress,Password\nann@contoso.test,short\n"),
    )
    .implying(&[PASSWORDS_GIVEN])
    .only(STAGED),
    error(
        FORCE_CHANGE,
        "ForceChangePassword is True, False or empty",
        "yes/no, 1/0 or the word of another language",
        "write True or False; False for federated users",
        CSV_PAGE,
        staged(b"EmailAddress,ForceChangePassword\nann@contoso.test,yes\n"),
    )
    .only(STAGED),
    warning(
        PASSWORDS_GIVEN,
        "the list carries no passwords",
        "a template with the column Password was filled in",
        "leave the column out: synchronized users keep their passwords, and who reads the file reads them all",
        "stagepost; Password is optional by Microsoft, CSV files for mailbox migration",
        staged(b"EmailAddress,Password\nann@contoso.test,Long-Enough1\n"),
    )
    .only(STAGED),
    error(
        LONG_PASSWORD,
        "a password has at most 256 characters",
        "two values that ran together",
        "give a shorter one, or leave the cell empty",
        PASSWORDS,
        Example::Made("a password of 264 characters", a_long_password, file(Kind::Staged)),
    )
    .implying(&[PASSWORDS_GIVEN])
    .only(STAGED),
    warning(
        WEAK_PASSWORD,
        "a password has three of four: small letters, capitals, digits, others",
        "a password made up for a test",
        "give one that the tenant's rules allow, or leave the cell empty",
        PASSWORDS,
        staged(b"EmailAddress,Password\nann@contoso.test,longenough\n"),
    )
    .implying(&[PASSWORDS_GIVEN])
    .only(STAGED),
    warning(
        PASSWORD_BLANKS,
        "a password neither begins nor ends with a blank",
        "blanks behind the commas: here they belong to the password",
        "take the blank away unless it is meant",
        OWN,
        staged(b"EmailAddress,Password\nann@contoso.test, Long-Enough1\n"),
    )
    .implying(&[PASSWORDS_GIVEN])
    .only(&[Kind::Staged, Kind::Imap]),
    warning(
        SAME_PASSWORD,
        "everybody has a password of their own",
        "one first password for the whole company",
        "give each a password of their own, or leave the column out",
        OWN,
        staged(b"EmailAddress,Password\nann@contoso.test,Long-Enough1\nbob@contoso.test,Long-Enough1\n"),
    )
    .implying(&[PASSWORDS_GIVEN])
    .only(STAGED),
    warning(
        FORCE_WITHOUT_PASSWORD,
        "who must change a password is given one",
        "ForceChangePassword filled in for everybody",
        "write False or leave the cell empty: without a password of the list there is none to change",
        CSV_PAGE,
        staged(b"EmailAddress,ForceChangePassword\nann@contoso.test,True\n"),
    )
    .only(STAGED),
    warning(
        POINTLESS_PASSWORD,
        "where passwords are synchronized or sign-in is federated, the list gives none",
        "the template of a company that signs in otherwise",
        "leave the column out: the password of the list is overwritten, or never asked for",
        CSV_PAGE,
        with_sign_in(b"EmailAddress,Password\nann@contoso.test,Long-Enough1\n", SignIn::Synchronized),
    )
    .implying(&[PASSWORDS_GIVEN])
    .only(STAGED),
    error(
        FEDERATED_FORCE,
        "where sign-in is federated, ForceChangePassword is False",
        "the template of a company that signs in otherwise",
        "write False: the service fails such a row with 0x80048210",
        "Microsoft Support, 2845956",
        with_sign_in(b"EmailAddress,ForceChangePassword\nann@contoso.test,True\n", SignIn::Federated),
    )
    .implying(&[FORCE_WITHOUT_PASSWORD])
    .only(STAGED),
    error(
        MAILBOX_TYPE,
        "MailboxType is PrimaryOnly, ArchiveOnly, PrimaryAndArchive or empty",
        "the type of the recipient was exported",
        "write one of the three, or leave the cell empty for both",
        CSV_PAGE,
        moved(b"EmailAddress,MailboxType\nann@contoso.test,UserMailbox\n"),
    )
    .only(MOVES),
    error(
        ITEM_LIMIT,
        "BadItemLimit and LargeItemLimit are Unlimited, 0 to 2147483647 or empty",
        "a slip, or a number with its thousands apart",
        "write the number in digits, or Unlimited",
        CSV_PAGE,
        moved(b"EmailAddress,BadItemLimit\nann@contoso.test,ten\n"),
    )
    .implying(&[OLD_LIMIT])
    .only(MOVES),
    warning(
        OLD_LIMIT,
        "skipped items are judged by the data consistency score, not by limits",
        "a list made for an older service",
        "leave the column out, and approve skipped items when the score asks for it",
        CONSISTENCY,
        moved(b"EmailAddress,BadItemLimit\nann@contoso.test,10\n"),
    )
    .only(MOVES),
    warning(
        NO_TARGET,
        "where one row names a TargetDatabase, all do",
        "rows added later, or an export of several organizations",
        "fill in the database, or name it for the batch",
        CSV_PAGE,
        moved(b"EmailAddress,TargetDatabase\nann@contoso.test,DB1\nbob@contoso.test,\n"),
    )
    .only(MOVES),
    error(
        EMPTY_USER_NAME,
        "every row has the name that signs in at the IMAP server",
        "a mailbox without account in the export",
        "fill in UserName, or take the row out",
        PRELIMINARY,
        imap(b"EmailAddress,UserName,Password\nann@contoso.test,,Long-Enough1\n"),
    )
    .only(IMAP),
    error(
        USER_NAME_BLANKS,
        "there are no blanks around a UserName",
        "blanks behind the commas",
        "take the blanks away",
        PRELIMINARY,
        imap(b"EmailAddress,UserName,Password\nann@contoso.test, ann,Long-Enough1\n"),
    )
    .only(IMAP),
    error(
        EMPTY_PASSWORD,
        "every row has the password for the IMAP server",
        "passwords that were not known when the list was made",
        "fill in Password, or use an administrator's account in UserName",
        PRELIMINARY,
        imap(b"EmailAddress,UserName,Password\nann@contoso.test,ann,\n"),
    )
    .only(IMAP),
    warning(
        USER_ROOT,
        "UserRoot is a path with slashes, such as /users/ann",
        "a path of Windows, or the name of the user",
        "write the path as the IMAP server names it",
        IMAP_PAGE,
        imap(b"EmailAddress,UserName,Password,UserRoot\nann@contoso.test,ann,Long-Enough1,users\\ann\n"),
    )
    .only(IMAP),
    warning(
        SAME_USER_NAME,
        "every row signs in as somebody else",
        "an administrator's name without the user's behind it, or a row copied down",
        "write the name in the server's notation, such as domain/admin/user",
        IMAP_PAGE,
        imap(
            b"EmailAddress,UserName,Password\nann@contoso.test,admin,Long-Enough1\nbob@contoso.test,admin,Long-Enough1\n",
        ),
    )
    .only(IMAP),
];
