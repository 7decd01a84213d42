//! Stand-ins for what only a service knows: the names and numbers that it gives
//! to what a plan would make.
//!
//! Inside a planning run a stand-in is a value like any other, so that the rules
//! reckon with it as they would with the real one. Whatever leaves the run, the
//! plan's images and the answers to scripts, shows it as what it is. A stand-in
//! may stand only in the fields that `DECLARED` lists: identifiers, and where
//! somebody lives whom the tenant doesn't know yet. States, counts, names and
//! whether something changes are always foretold.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::base::{Failure, Kind, Result};
use crate::wire::guid::{Guid, unbase64};

/// What every stand-in text begins with.
const MARK: &str = "stagepost-unknown-";
/// What every stand-in GUID begins with; the bytes are no text.
const MAGIC: [u8; 8] = [0xf5, 0x7a, 0x9e, 0xb0, 0xff, 0xc1, 0x4f, 0xfe];

/// What a stand-in text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The X.500 name that the service gives to a cloud mailbox.
    LegacyName,
    /// The text by which the tenant knows the owner of a domain.
    Proof,
    /// The host that takes the mail of a domain in the cloud.
    MailHost,
    /// The object id of a user who is still to come.
    User,
    /// The usage location of a user who is still to come.
    Location,
    /// What a script gets by chance.
    Chance,
    /// What a call without a declared result answers.
    Answer,
}

const TEXTS: &[(Of, &str, &str)] = &[
    (Of::LegacyName, "x500", "the X.500 name that the service gives to the cloud mailbox"),
    (Of::Proof, "proof", "the text by which the tenant proves the domain"),
    (Of::MailHost, "mx", "the host that takes the domain's mail in the cloud"),
    (Of::User, "user", "the id that the tenant gives to the user"),
    (Of::Location, "location", "the usage location that comes with the user, or else the project's"),
    (Of::Chance, "chance", "what chance will choose in the run"),
    (Of::Answer, "answer", "what the service answers to the call"),
];

const GUID: &str = "the GUID that the service gives to the cloud mailbox";

/// Fields of an image in which a stand-in may stand.
const DECLARED: &[&str] = &["msExchMailboxGuid", "proxyAddresses", "values", "usageLocation"];

/// A stand-in text.
pub fn text(of: Of, object: &str) -> String {
    let slug = TEXTS.iter().find(|(known, ..)| *known == of).map_or("answer", |(_, slug, _)| slug);
    format!("{MARK}{slug}-{object}")
}

/// A stand-in GUID, the same for the same object.
pub fn guid(object: &str) -> Guid {
    let digest = Sha256::digest(object.as_bytes());
    let mut bytes = [0; 16];
    let parts = MAGIC.iter().chain(digest.iter());
    for (slot, byte) in bytes.iter_mut().zip(parts) {
        *slot = *byte;
    }
    Guid(bytes)
}

fn is_stand_in(guid: Guid) -> bool {
    guid.0.starts_with(&MAGIC)
}

/// What a text stands for, if a stand-in is in it.
pub fn in_text(text: &str) -> Option<&'static str> {
    if let Some((_, rest)) = text.split_once(MARK) {
        let found = TEXTS.iter().find(|(_, slug, _)| rest.starts_with(&format!("{slug}-")));
        return found.map(|(.., words)| *words);
    }
    Guid::parse(text).filter(|g| is_stand_in(*g)).map(|_| GUID)
}

fn in_bytes(coded: &str) -> Option<&'static str> {
    let guid = Guid::from_directory(&unbase64(coded)?)?;
    is_stand_in(guid).then_some(GUID)
}

/// An image as it leaves the run: each stand-in as `{"unknown": "…"}`.
///
/// # Errors
/// `unforeseen`: one stands in a field that is not declared for it.
pub fn shown(image: &Value) -> Result<Value> {
    walk(image, "")
}

fn walk(value: &Value, field: &str) -> Result<Value> {
    let unknown = |words: &str| {
        if DECLARED.iter().any(|d| d.eq_ignore_ascii_case(field)) {
            return Ok(json!({"unknown": words}));
        }
        Err(Failure::new(Kind::Unforeseen, format!("a plan can't say {words}, and `{field}` hangs on it"))
            .hint("let a run make what the value comes from, then plan the rest"))
    };
    match value {
        Value::String(text) => match in_text(text) {
            Some(words) => unknown(words),
            None => Ok(value.clone()),
        },
        Value::Array(items) => items.iter().map(|i| walk(i, field)).collect::<Result<Vec<_>>>().map(Value::Array),
        Value::Object(map) => {
            let coded = map.get("base64").and_then(Value::as_array).filter(|_| map.len() == 1);
            if let Some(words) = coded.into_iter().flatten().find_map(|v| in_bytes(v.as_str()?)) {
                return unknown(words);
            }
            let fields = map.iter().map(|(name, v)| Ok((name.clone(), walk(v, name)?)));
            fields.collect::<Result<Map<_, _>>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

/// A name, as it leaves the run.
///
/// # Errors
/// `unforeseen`: a stand-in is in it.
pub fn name(text: &str) -> Result<&str> {
    match in_text(text) {
        None => Ok(text),
        Some(words) => Err(Failure::new(Kind::Unforeseen, format!("a plan can't say {words}, which names an object"))
            .hint("let a run make what the name comes from, then plan the rest")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::recipients::image;
    use crate::wire::attributes::Entry;

    #[test]
    fn stand_ins_leave_an_image_as_what_they_stand_for() {
        let mut entry = Entry::new("CN=Ann,DC=contoso,DC=test");
        let proxies = ["SMTP:ann@contoso.test".to_owned(), format!("x500:/o=X/cn={}", text(Of::LegacyName, "ann"))];
        entry.set("proxyAddresses", proxies.iter().map(|p| p.as_bytes().to_vec()).collect());
        entry.set("msExchMailboxGuid", vec![guid("ann").to_directory().to_vec()]);
        let shown = shown(&image(&entry)).expect("both fields are declared");
        assert_eq!(shown["msExchMailboxGuid"], json!({"unknown": GUID}));
        assert_eq!(shown["proxyAddresses"][0], "SMTP:ann@contoso.test");
        assert_eq!(shown["proxyAddresses"][1]["unknown"], TEXTS[0].2);
        assert!(in_text(&guid("ann").to_string()).is_some() && in_text("stagepost-unknown-other").is_none());
        assert_ne!(guid("ann"), guid("bo"));
    }

    #[test]
    fn an_unknown_in_an_undeclared_field_is_refused() {
        let image = json!({"targetAddress": [text(Of::LegacyName, "ann")]});
        assert_eq!(shown(&image).expect_err("a target is never unknown").kind, Kind::Unforeseen);
        assert_eq!(name(&text(Of::Answer, "x")).expect_err("nor is a name").kind, Kind::Unforeseen);
    }
}
