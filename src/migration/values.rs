//! The values beside the address, judged by the column they stand in.
//!
//! What a password is never leaves this file: it is measured, counted and
//! compared by fingerprint, and neither a text nor an excerpt shows it.

use std::collections::HashMap;

use super::address::fingerprint;
use super::columns;
use super::findings::{At, Findings, Who, brief};
use super::kind::Kind;
use super::list::{FORCE_CHANGE_PASSWORD, PASSWORD};
use super::read::{Reading, SignIn};
use super::rules;
use super::scan::{self, Row};

/// Least characters of a password (Microsoft, CSV files for mailbox migration).
const SHORTEST: usize = 8;
/// Most characters of a password (Microsoft, password policies of Entra ID).
const LONGEST: usize = 256;
/// Most names that are compared: a file for IMAP has fewer rows.
const MOST_NAMES: usize = 100_000;

/// Positions of the columns, and what is counted on the way.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    password: Option<usize>,
    force: Option<usize>,
    mailbox_type: Option<usize>,
    limits: Vec<(usize, &'static str)>,
    target: Option<usize>,
    user_name: Option<usize>,
    user_root: Option<usize>,
    /// There is any of them.
    any: bool,
    /// Rows with a password; the fingerprint of the first, and whether it is
    /// that of all.
    passwords: usize,
    first: u64,
    one_for_all: bool,
    /// Rows with a target, and the first line without.
    targets: usize,
    without_target: usize,
    names: HashMap<u64, usize>,
}

impl Values {
    /// The columns of a list, by what they mean.
    pub(super) fn new(names: &[String], how: &Reading) -> Values {
        let at = |name: &str| columns::known(how.kind, name).and_then(|_| names.iter().position(|n| n == name));
        let limits = [columns::BAD_ITEM_LIMIT, columns::LARGE_ITEM_LIMIT];
        let mut values = Values {
            password: at(PASSWORD),
            force: at(FORCE_CHANGE_PASSWORD),
            mailbox_type: at(columns::MAILBOX_TYPE),
            limits: limits.into_iter().filter_map(|name| Some((at(name)?, name))).collect(),
            target: at(columns::TARGET_DATABASE),
            user_name: at(columns::USER_NAME),
            user_root: at(columns::USER_ROOT),
            one_for_all: true,
            ..Values::default()
        };
        let single = [values.password, values.force, values.mailbox_type, values.target, values.user_name];
        values.any = single.iter().any(Option::is_some) || values.user_root.is_some() || !values.limits.is_empty();
        values
    }

    /// Judges a row that is as wide as the header.
    pub(super) fn judge(&mut self, row: &Row, who: Who, how: &Reading, out: &mut Findings) {
        if !self.any {
            return;
        }
        let given = self.password(row, who, how, out);
        self.force(row, who, given, how, out);
        match how.kind {
            Kind::RemoteMove => self.move_values(row, who, out),
            Kind::Imap => self.imap_values(row, who, out),
            Kind::Staged | Kind::Cutover => {}
        }
    }

    /// Whether the row gives a password.
    fn password(&mut self, row: &Row, who: Who, how: &Reading, out: &mut Findings) -> bool {
        let Some(at) = self.password else { return false };
        let Some(cell) = row.cells.get(at) else { return false };
        let place = At::Cell(row, at, who);
        if cell.start == cell.end || cell.value(out.text).is_empty() {
            if how.kind == Kind::Imap {
                out.find(rules::EMPTY_PASSWORD, place, |_| "the row has no password".to_owned());
            }
            return false;
        }
        let value = cell.value(out.text);
        let print = fingerprint_of_secret(&value);
        if self.passwords == 0 {
            self.first = print;
        }
        self.one_for_all &= self.first == print;
        self.passwords += 1;
        if cell.marks & (scan::STRAY_QUOTE | scan::BEHIND_QUOTE | scan::OPEN_QUOTE) != 0 {
            return true;
        }
        let length = value.chars().take(LONGEST + 1).count();
        let blank = |c: Option<char>| c.is_some_and(char::is_whitespace);
        if blank(value.chars().next()) || blank(value.chars().next_back()) {
            out.find(rules::PASSWORD_BLANKS, place, |_| "the password begins or ends with a blank".to_owned());
        }
        if how.kind != Kind::Staged {
            return true;
        }
        if length < SHORTEST {
            out.find(rules::SHORT_PASSWORD, place, |_| "the password has fewer than 8 characters".to_owned());
        } else if length > LONGEST {
            out.find(rules::LONG_PASSWORD, place, |_| "the password has more than 256 characters".to_owned());
        } else if sorts(&value) < 3 {
            out.find(rules::WEAK_PASSWORD, place, |_| {
                "the password has fewer than three sorts of characters".to_owned()
            });
        }
        true
    }

    fn force(&mut self, row: &Row, who: Who, given: bool, how: &Reading, out: &mut Findings) {
        let Some(at) = self.force else { return };
        let Some(cell) = row.cells.get(at) else { return };
        let value = cell.value(out.text);
        let said = value.trim();
        let place = At::Cell(row, at, who);
        if said.is_empty() || said.eq_ignore_ascii_case("false") {
            return;
        }
        if !said.eq_ignore_ascii_case("true") {
            return out.find(rules::FORCE_CHANGE, place, |out| match out.shows(at, &value) && !out.is_loose(row) {
                true => format!("ForceChangePassword is `{}`, not True or False", brief(&value)),
                false => "ForceChangePassword is neither True nor False".to_owned(),
            });
        }
        if !given {
            out.find(rules::FORCE_WITHOUT_PASSWORD, place, |_| {
                "ForceChangePassword is True, and the list gives no password".to_owned()
            });
        }
        if how.sign_in == SignIn::Federated {
            out.find(rules::FEDERATED_FORCE, place, |_| "ForceChangePassword is True for a federated user".to_owned());
        }
    }

    fn move_values(&mut self, row: &Row, who: Who, out: &mut Findings) {
        let text = out.text;
        let value = |at: usize| row.cells.get(at).map(|cell| cell.value(text)).unwrap_or_default();
        if let Some(at) = self.mailbox_type {
            let value = value(at);
            let kinds = ["", "PrimaryOnly", "ArchiveOnly", "PrimaryAndArchive"];
            if !kinds.iter().any(|kind| kind.eq_ignore_ascii_case(value.trim())) {
                out.find(rules::MAILBOX_TYPE, At::Cell(row, at, who), |out| match out.shows(at, &value) {
                    true => format!("MailboxType is `{}`", brief(&value)),
                    false => "MailboxType is none of the three".to_owned(),
                });
            }
        }
        for (at, name) in self.limits.iter().copied() {
            let value = value(at);
            let said = value.trim();
            let number = said.bytes().all(|b| b.is_ascii_digit()) && said.parse::<i32>().is_ok();
            if !(said.is_empty() || said.eq_ignore_ascii_case("unlimited") || number) {
                out.find(rules::ITEM_LIMIT, At::Cell(row, at, who), |out| match out.shows(at, &value) {
                    true => format!("{name} is `{}`", brief(&value)),
                    false => format!("{name} is no number"),
                });
            }
        }
        if let Some(at) = self.target {
            match value(at).trim().is_empty() {
                true if self.without_target == 0 => self.without_target = row.line,
                true => {}
                false => self.targets += 1,
            }
        }
    }

    fn imap_values(&mut self, row: &Row, who: Who, out: &mut Findings) {
        let text = out.text;
        let value = |at: usize| row.cells.get(at).map(|cell| cell.value(text)).unwrap_or_default();
        if let Some(at) = self.user_name {
            let (value, place) = (value(at), At::Cell(row, at, who));
            let said = value.trim();
            if said.is_empty() {
                out.find(rules::EMPTY_USER_NAME, place, |_| "the row has no UserName".to_owned());
            } else {
                if said.len() != value.len() {
                    out.find(rules::USER_NAME_BLANKS, place, |_| "there are blanks around the UserName".to_owned());
                }
                if self.names.len() < MOST_NAMES
                    && let Some(first) = self.names.insert(fingerprint(said), row.line)
                {
                    self.names.insert(fingerprint(said), first);
                    out.find(rules::SAME_USER_NAME, place, |_| format!("line {first} signs in with the same UserName"));
                }
            }
        }
        if let Some(at) = self.user_root {
            let value = value(at);
            let said = value.trim();
            if !said.is_empty() && (said.contains('\\') || !said.contains('/')) {
                out.find(rules::USER_ROOT, At::Cell(row, at, who), |_| "UserRoot is no path with slashes".to_owned());
            }
        }
    }

    /// What only the whole file shows.
    pub(super) fn whole(&self, header: Option<&Row>, how: &Reading, out: &mut Findings) {
        let Some(header) = header else { return };
        let at = |column: usize| At::Cell(header, column, Who::Header);
        if let Some(column) = self.password.filter(|_| self.passwords > 0 && how.kind == Kind::Staged) {
            let rows = match self.passwords {
                1 => "one row carries a password".to_owned(),
                many => format!("{many} rows carry a password"),
            };
            out.find(rules::PASSWORDS_GIVEN, at(column), |_| format!("{rows} in clear text"));
            if self.passwords > 1 && self.one_for_all {
                out.find(rules::SAME_PASSWORD, at(column), |_| "all rows carry the same password".to_owned());
            }
            let why = match how.sign_in {
                SignIn::Synchronized => Some("passwords are synchronized, and overwrite those of the list"),
                SignIn::Federated => Some("sign-in is federated, and asks for no password of the list"),
                SignIn::Unknown | SignIn::Cloud => None,
            };
            if let Some(why) = why {
                out.find(rules::POINTLESS_PASSWORD, at(column), |_| why.to_owned());
            }
        }
        for (column, name) in &self.limits {
            let text = format!("{name} is no longer heeded: the service judges skipped items by a score");
            out.find(rules::OLD_LIMIT, at(*column), |_| text);
        }
        if self.targets > 0 && self.without_target > 0 {
            let rows = self.targets;
            out.find(rules::NO_TARGET, At::Line(self.without_target), |_| {
                format!("the row names no TargetDatabase, and others ({rows}) do")
            });
        }
    }
}

/// Small letters, capitals, digits, others: how many of the four there are.
fn sorts(value: &str) -> usize {
    let has = |sort: fn(&char) -> bool| usize::from(value.chars().any(|c| sort(&c)));
    has(|c| c.is_lowercase()) + has(|c| c.is_uppercase()) + has(|c| c.is_numeric()) + has(|c| !c.is_alphanumeric())
}

/// Equal for equal passwords only, the case of letters included.
fn fingerprint_of_secret(value: &str) -> u64 {
    value
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}
