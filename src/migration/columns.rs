//! Names of columns: those each kind of migration knows, and those people write.
//!
//! Where a row stands in the file is not known here.

use super::kind::Kind;
use super::list::{EMAIL_ADDRESS, FORCE_CHANGE_PASSWORD, PASSWORD};

/// `PrimaryOnly`, `ArchiveOnly` or `PrimaryAndArchive`.
pub const MAILBOX_TYPE: &str = "MailboxType";
/// `Unlimited` or a number.
pub const BAD_ITEM_LIMIT: &str = "BadItemLimit";
/// `Unlimited` or a number.
pub const LARGE_ITEM_LIMIT: &str = "LargeItemLimit";
/// A database on premises, for a move back.
pub const TARGET_DATABASE: &str = "TargetDatabase";
/// The same for the archive.
pub const TARGET_ARCHIVE_DATABASE: &str = "TargetArchiveDatabase";
/// Logon at the IMAP server.
pub const USER_NAME: &str = "UserName";
/// Path of the mailbox at the IMAP server.
pub const USER_ROOT: &str = "UserRoot";

/// Columns of the conversion script's cloud.csv (Microsoft, convert Exchange
/// 2007 mailboxes to mail-enabled users); for 2003 without the last.
pub const CLOUD_COLUMNS: [&str; 4] = ["LegacyExchangeDN", "CloudEmailAddress", ON_PREMISES_ADDRESS, "MailboxGUID"];
/// Its column that other lists call EmailAddress.
pub const ON_PREMISES_ADDRESS: &str = "OnPremiseEmailAddress";

/// Columns that a list of this kind may have (Microsoft, CSV files for mailbox
/// migration; CSV files for IMAP migration batches). A cutover takes no list.
pub fn of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Staged => &[EMAIL_ADDRESS, PASSWORD, FORCE_CHANGE_PASSWORD],
        Kind::RemoteMove => {
            &[EMAIL_ADDRESS, MAILBOX_TYPE, BAD_ITEM_LIMIT, LARGE_ITEM_LIMIT, TARGET_DATABASE, TARGET_ARCHIVE_DATABASE]
        }
        Kind::Imap => &[EMAIL_ADDRESS, USER_NAME, PASSWORD, USER_ROOT],
        Kind::Cutover => &[EMAIL_ADDRESS],
    }
}

/// Columns that it must have.
pub fn required(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Imap => &[EMAIL_ADDRESS, USER_NAME, PASSWORD],
        Kind::Staged | Kind::RemoteMove | Kind::Cutover => &[EMAIL_ADDRESS],
    }
}

/// What a list of the kind is for, with its article.
pub fn purpose(kind: Kind) -> &'static str {
    match kind {
        Kind::Staged => "a staged batch",
        Kind::RemoteMove => "a remote move",
        Kind::Cutover => "a cutover",
        Kind::Imap => "an IMAP migration",
    }
}

/// Columns of any kind, so that a message can say whose they are.
const WHOSE: [(&str, &str); 12] = [
    (PASSWORD, "a staged batch or an IMAP migration"),
    (FORCE_CHANGE_PASSWORD, "a staged batch"),
    (MAILBOX_TYPE, "a remote move"),
    (BAD_ITEM_LIMIT, "a remote move"),
    (LARGE_ITEM_LIMIT, "a remote move"),
    (TARGET_DATABASE, "a move back on premises"),
    (TARGET_ARCHIVE_DATABASE, "a move back on premises"),
    (USER_NAME, "an IMAP migration"),
    (USER_ROOT, "an IMAP migration"),
    ("LegacyExchangeDN", "the conversion script's cloud.csv"),
    ("CloudEmailAddress", "the conversion script's cloud.csv"),
    (ON_PREMISES_ADDRESS, "the conversion script's cloud.csv"),
];

/// Whose column it is, if another kind of list has it: its exact name, and
/// whose.
pub fn whose(written: &str) -> Option<(&'static str, &'static str)> {
    WHOSE.iter().find(|(name, _)| name.eq_ignore_ascii_case(written)).copied()
}

/// What people call the columns.
const ALIASES: [(&str, &str); 22] = [
    ("email", EMAIL_ADDRESS),
    ("mail", EMAIL_ADDRESS),
    ("emails", EMAIL_ADDRESS),
    ("address", EMAIL_ADDRESS),
    ("smtpaddress", EMAIL_ADDRESS),
    ("primarysmtpaddress", EMAIL_ADDRESS),
    ("windowsemailaddress", EMAIL_ADDRESS),
    ("userprincipalname", EMAIL_ADDRESS),
    ("pwd", PASSWORD),
    ("initialpassword", PASSWORD),
    ("kennwort", PASSWORD),
    ("passwort", PASSWORD),
    ("motdepasse", PASSWORD),
    ("contraseña", PASSWORD),
    ("wachtwoord", PASSWORD),
    ("forcechange", FORCE_CHANGE_PASSWORD),
    ("changepassword", FORCE_CHANGE_PASSWORD),
    ("login", USER_NAME),
    ("logon", USER_NAME),
    ("logonname", USER_NAME),
    ("benutzername", USER_NAME),
    ("rootfolder", USER_ROOT),
];

/// The exact name of a column of the kind, whatever the case of its letters.
pub fn known(kind: Kind, written: &str) -> Option<&'static str> {
    of(kind).iter().copied().find(|name| name.eq_ignore_ascii_case(written))
}

/// The column that a misspelt name means.
pub fn guess(kind: Kind, written: &str) -> Option<&'static str> {
    // A name of ten thousand letters is no slip.
    let plain: String = written.chars().take(64).filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    if plain.is_empty() || WHOSE.iter().any(|(name, _)| name.to_lowercase() == plain && known(kind, name).is_none()) {
        return None;
    }
    let alias = ALIASES.iter().find(|(alias, _)| *alias == plain).map(|(_, name)| *name);
    alias.filter(|name| of(kind).contains(name)).or_else(|| {
        of(kind).iter().copied().find(|name| {
            let name = name.to_lowercase();
            strsim::damerau_levenshtein(&plain, &name) <= if name.len() > 8 { 2 } else { 1 }
        })
    })
}

/// Whether these are the columns of a cloud.csv.
pub fn is_cloud_list(names: &[String]) -> bool {
    let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    has("CloudEmailAddress") && has(ON_PREMISES_ADDRESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_are_guessed() {
        for (written, meant) in [
            ("Email Address", Some(EMAIL_ADDRESS)),
            ("E-Mail", Some(EMAIL_ADDRESS)),
            ("EmialAddress", Some(EMAIL_ADDRESS)),
            ("Passwrd", Some(PASSWORD)),
            ("Department", None),
            ("UserName", None),
            ("", None),
        ] {
            assert_eq!(guess(Kind::Staged, written), meant, "{written}");
        }
        assert_eq!(guess(Kind::Imap, "Log-on"), Some(USER_NAME));
        assert_eq!(guess(Kind::RemoteMove, "Password"), None);
        assert_eq!(guess(Kind::RemoteMove, "Mailbox Type"), Some(MAILBOX_TYPE));
    }
}
