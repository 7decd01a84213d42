//! What a result code of LDAP, and the text of Active Directory beside it, mean.
//!
//! The text has the shape `<8 hex digits>: <class>: DSID-…, comment: …, data
//! <hex>, v…`; the first number is a Win32 code, the data of result 49 says why
//! a sign-in failed (reference: on-premises Exchange and AD, 3.4).

use ldap3::LdapResult;

use crate::base::{Failure, Kind};
use crate::wire::attributes::result;

/// Results that pass by themselves: busy and unavailable (RFC 4511).
pub fn is_busy(rc: u32) -> bool {
    matches!(rc, 51 | 52)
}

/// A result that is no success, as a failure.
pub fn explained(answer: &LdapResult, host: &str) -> Failure {
    let rc = u16::try_from(answer.rc).unwrap_or(u16::MAX);
    let failure = reason(rc, &answer.text, host).status(rc);
    let failure = if is_busy(answer.rc) { failure.retryable() } else { failure };
    match answer.text.trim() {
        "" => failure,
        text => failure.detail(text),
    }
}

fn reason(rc: u16, text: &str, host: &str) -> Failure {
    match rc {
        result::NO_SUCH_ATTRIBUTE => Failure::new(Kind::Conflict, "the object has changed: a value to remove is not there")
            .hint("read the object again; nothing was written"),
        result::VALUE_EXISTS => Failure::new(Kind::Conflict, "a value to add is there already")
            .hint("read the object again; nothing was written"),
        result::ENTRY_EXISTS => Failure::new(Kind::Conflict, "an object of that name is there already").hint("read it and compare"),
        result::NO_SUCH_OBJECT => {
            Failure::new(Kind::NotFound, "the directory has no such object").hint("check the name; it may have been moved or renamed")
        }
        result::INVALID_CREDENTIALS => sign_in(text),
        result::INSUFFICIENT_ACCESS => Failure::new(Kind::Auth, "the directory account may not do this")
            .hint("give it the right on the object; protected accounts (adminCount=1) lose delegated rights every hour"),
        result::STRONGER_AUTH => Failure::new(Kind::Auth, format!("{host} demands TLS or signing"))
            .hint("use LDAP over TLS on port 636 in the profile"),
        result::CONSTRAINT | result::INVALID_SYNTAX => Failure::new(Kind::Refused, format!("a value breaks the schema{}", win32(text)))
            .hint("check length and form of the values; single-valued attributes take one value only"),
        result::UNWILLING => Failure::new(Kind::Refused, format!("{host} is not willing to do this{}", win32(text)))
            .hint("read the server's text; read-only domain controllers refuse every write"),
        10 => Failure::new(Kind::Refused, format!("{host} refers to another server{}", win32(text)))
            .hint("name a writable domain controller of the right domain in the profile, not a global catalogue or a read-only one"),
        17 | 65 => Failure::new(Kind::Refused, format!("the schema has no place for an attribute{}", win32(text)))
            .hint("check the attribute's name and the object's class; is the Exchange schema there"),
        result::SIZE_LIMIT | 3 | 11 => {
            Failure::new(Kind::Refused, "the directory cut the answer short").hint("ask for less with a narrower base or filter")
        }
        result::PROTOCOL_ERROR => Failure::new(Kind::Protocol, format!("{host} does not understand the request")).hint("report it with the wire log"),
        34 => Failure::new(Kind::Validation, "a distinguished name is malformed").hint("escape commas and other special characters in it"),
        1 if text.contains("successful bind") || text.starts_with("000004DC") => {
            Failure::new(Kind::Auth, format!("{host} wants a sign-in before it answers")).hint("check the directory account of the profile")
        }
        51 | 52 => Failure::new(Kind::Unavailable, format!("{host} is busy")).hint("try again in a while"),
        _ => Failure::new(Kind::Refused, format!("{host} refused with result {rc}{}", win32(text))).hint("read the server's text"),
    }
}

/// Why a sign-in failed.
fn sign_in(text: &str) -> Failure {
    let data = text
        .split_once("data ")
        .map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default().to_ascii_lowercase());
    let (message, hint) = match data.as_deref() {
        Some("525") => (
            "the directory knows no such account",
            "check the name; write it as user@domain, DOMAIN\\user or a distinguished name",
        ),
        Some("52e") => (
            "the password of the directory account is wrong",
            "correct it; nothing more is tried, for the account would be locked out",
        ),
        Some("530") => ("the directory account may not sign in at this hour", "change its logon hours"),
        Some("531") => ("the directory account may not sign in from this machine", "change its list of workstations"),
        Some("532") => (
            "the password of the directory account has expired",
            "set a new one, and that it does not expire during the migration",
        ),
        Some("773") => ("the directory account must change its password first", "set a new one without that demand"),
        Some("533") => ("the directory account is disabled", "enable it"),
        Some("701") => ("the directory account has expired", "extend it"),
        Some("775") => ("the directory account is locked out", "unlock it, and find out who tried wrong passwords"),
        Some("80090346") => (
            "the server demands a channel binding",
            "use a simple bind over TLS, or relax the policy of the domain controller",
        ),
        _ => (
            "the directory does not accept name and password",
            "check the directory account of the profile; nothing more is tried",
        ),
    };
    Failure::new(Kind::Auth, message).hint(hint)
}

/// A few words for the Win32 code that a text begins with.
fn win32(text: &str) -> String {
    let words = match text.get(..8).unwrap_or_default().to_ascii_uppercase().as_str() {
        "00002028" => "stronger authentication required",
        "0000202B" => "referral",
        "00002098" => "insufficient access",
        "00002030" | "0000208D" => "no such object",
        "00002081" => "more than one value for a single-valued attribute",
        "00002082" => "a value is too long or too short",
        "00002085" => "a value to remove is missing",
        "0000207D" => "the attribute is not defined for the class",
        "00002014" => "class violation",
        "00002035" => "unwilling to perform",
        "00002077" => "illegal modify",
        "0000200A" => "no such attribute",
        _ => return String::new(),
    };
    format!(": {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(rc: u32, text: &str) -> Failure {
        let answer = LdapResult { rc, matched: String::new(), text: text.into(), refs: Vec::new(), ctrls: Vec::new() };
        explained(&answer, "dc1.contoso.test")
    }

    #[test]
    fn a_stale_guard_is_a_conflict() {
        let failure = answer(16, "00002085: AttrErr: DSID-03151E2C, #1: 0: 00002085: DSID-03151E2C, problem 1001");
        assert_eq!((failure.kind, failure.status), (Kind::Conflict, Some(16)));
    }

    #[test]
    fn sign_in_failures_say_why() {
        let text = "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 775, v4563";
        assert!(answer(49, text).message.contains("locked out"));
        let text = "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 52e, v4563";
        assert!(answer(49, text).message.contains("is wrong"));
        assert_eq!(answer(49, "").kind, Kind::Auth);
    }

    #[test]
    fn win32_codes_are_put_into_words() {
        assert!(answer(19, "00002082: AtrErr: x").message.ends_with("too long or too short"));
        assert!(answer(80, "").message.ends_with("result 80"));
        assert!(answer(51, "").retryable);
    }
}
