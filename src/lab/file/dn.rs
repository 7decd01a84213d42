//! Distinguished names of a company file in their one normal form.
//!
//! RFC 4514 lets one name be written in several ways (`\,` and `\2C`); the lab's
//! directory compares text. Several attributes in one part (`CN=a+OU=b`) are
//! refused: no mailbox of Exchange has such a name.

use crate::wire::attributes::{escape_dn, split_dn};

/// The parts as (type, value without escapes); `None` for what is no name.
pub(super) fn parts(dn: &str) -> Option<Vec<(String, String)>> {
    let parts = split_dn(dn);
    let parts: Option<Vec<_>> = parts
        .iter()
        .map(|part| {
            let (kind, value) = part.split_once('=')?;
            let (kind, value) = (kind.trim(), plain(value.trim_start())?);
            let sound = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            (sound && !value.trim().is_empty()).then(|| (kind.to_owned(), value))
        })
        .collect();
    parts.filter(|p| !p.is_empty())
}

/// The name in its normal form.
pub(super) fn normal(dn: &str) -> Option<String> {
    let parts = parts(dn)?;
    Some(parts.iter().map(|(kind, value)| format!("{kind}={}", escape_dn(value))).collect::<Vec<_>>().join(","))
}

/// A value without escapes; `None` if a sign that must be escaped is not.
fn plain(value: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chars = value.chars();
    let mut kept = 0;
    while let Some(c) = chars.next() {
        let mut utf8 = [0; 4];
        match c {
            '\\' => {
                let next = chars.next()?;
                match (next.to_digit(16), chars.clone().next().and_then(|c| c.to_digit(16))) {
                    (Some(high), Some(low)) => {
                        chars.next();
                        bytes.push(u8::try_from(high * 16 + low).ok()?);
                    }
                    _ => bytes.extend_from_slice(next.encode_utf8(&mut utf8).as_bytes()),
                }
                kept = bytes.len();
            }
            '+' | '"' | '<' | '>' | ';' => return None,
            _ => bytes.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()),
        }
    }
    // Blanks at the end count only where they are escaped.
    while bytes.len() > kept && bytes.last() == Some(&b' ') {
        bytes.pop();
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_a_name_become_one() {
        let wanted = Some("CN=Müller\\, Jörg,OU=Staff,DC=contoso,DC=test".to_owned());
        assert_eq!(normal("CN=Müller\\, Jörg,OU=Staff,DC=contoso,DC=test"), wanted);
        assert_eq!(normal("CN=M\\C3\\BCller\\2C J\\C3\\B6rg , OU=Staff, DC=contoso,DC=test"), wanted);
        assert_eq!(parts("CN=a\\ ,DC=x").map(|p| p[0].1.clone()).as_deref(), Some("a "));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", "Ann", "CN=,DC=x", "CN=a+OU=b,DC=x", "CN=a\\", "=a", "CN=a,,DC=x", "CN=a\\FF,DC=x"] {
            assert_eq!(normal(bad), None, "{bad}");
        }
    }
}
