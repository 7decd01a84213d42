//! LDAP messages (RFC 4511, 4): what is asked, and the bytes of the answers.

use super::ber::{BOOLEAN, ENUMERATED, INTEGER, Malformed, OCTETS, Reader, SEQUENCE, SET, Writer};
use super::filter::{self, Filter};

/// A message from a client.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its number.
    pub id: i64,
    /// What is asked.
    pub operation: Operation,
    /// Controls.
    pub controls: Vec<Control>,
}

/// A control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Object identifier.
    pub oid: String,
    /// Whether the operation must fail if it is unknown.
    pub critical: bool,
    /// Its value.
    pub value: Vec<u8>,
}

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The base alone.
    Base,
    /// Its children.
    One,
    /// It and everything below.
    Subtree,
}

/// How a modify changes an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Adds values.
    Add,
    /// Removes values, or all.
    Delete,
    /// Sets the values.
    Replace,
}

/// One change of a modify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How.
    pub verb: Verb,
    /// Attribute description.
    pub attribute: String,
    /// Values.
    pub values: Vec<Vec<u8>>,
}

/// A search.
#[derive(Clone, Debug)]
pub struct Search {
    /// Where it begins.
    pub base: String,
    /// How far it goes.
    pub scope: Scope,
    /// Most entries, 0 for no limit of the client's.
    pub size: usize,
    /// Names without values.
    pub types_only: bool,
    /// What is looked for.
    pub filter: Filter,
    /// What is to be returned.
    pub attributes: Vec<String>,
}

/// What a client asks.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Simple bind; no password means another method.
    Bind {
        /// Protocol version.
        version: i64,
        /// Who.
        name: String,
        /// Password of a simple bind.
        password: Option<Vec<u8>>,
    },
    /// The end.
    Unbind,
    /// Search.
    Search(Search),
    /// Modify.
    Modify {
        /// Object.
        dn: String,
        /// In order.
        changes: Vec<Change>,
    },
    /// Compare.
    Compare {
        /// Object.
        dn: String,
        /// Attribute.
        attribute: String,
        /// Value.
        value: Vec<u8>,
    },
    /// Add, delete, rename: the tag of the answer.
    Refused(u8),
    /// Extended operation.
    Extended(String),
    /// Abandon; never answered.
    Abandon,
}

/// Application tags of answers.
pub mod answer {
    /// BindResponse.
    pub const BIND: u8 = 0x61;
    /// SearchResultEntry.
    pub const ENTRY: u8 = 0x64;
    /// SearchResultDone.
    pub const DONE: u8 = 0x65;
    /// ModifyResponse.
    pub const MODIFY: u8 = 0x67;
    /// AddResponse.
    pub const ADD: u8 = 0x69;
    /// DelResponse.
    pub const DELETE: u8 = 0x6b;
    /// ModifyDNResponse.
    pub const RENAME: u8 = 0x6d;
    /// CompareResponse.
    pub const COMPARE: u8 = 0x6f;
    /// SearchResultReference.
    pub const REFERENCE: u8 = 0x73;
    /// ExtendedResponse.
    pub const EXTENDED: u8 = 0x78;
}

/// Reads one framed message.
///
/// # Errors
/// The bytes are no message of the protocol.
pub fn read(bytes: &[u8]) -> Result<Message, Malformed> {
    let mut outer = Reader::new(bytes).inside(SEQUENCE)?;
    let id = outer.number(INTEGER)?;
    let (tag, content) = outer.any()?;
    let mut r = Reader::new(content);
    let operation = match tag {
        0x60 => bind(&mut r)?,
        0x42 => Operation::Unbind,
        0x63 => Operation::Search(search(&mut r)?),
        0x66 => modify(&mut r)?,
        0x68 => Operation::Refused(answer::ADD),
        0x4a => Operation::Refused(answer::DELETE),
        0x6c => Operation::Refused(answer::RENAME),
        0x6e => {
            let dn = r.text()?;
            let mut assertion = r.inside(SEQUENCE)?;
            Operation::Compare { dn, attribute: assertion.text()?, value: assertion.octets()? }
        }
        0x50 => Operation::Abandon,
        0x77 => {
            let name = r.expect(0x80)?;
            Operation::Extended(String::from_utf8(name.to_vec()).map_err(|_| Malformed)?)
        }
        _ => return Err(Malformed),
    };
    let mut controls = Vec::new();
    if !outer.is_empty() {
        let mut all = outer.inside(0xa0)?;
        while !all.is_empty() {
            let mut one = all.inside(SEQUENCE)?;
            let oid = one.text()?;
            let critical = if one.peek() == Some(BOOLEAN) { one.boolean()? } else { false };
            let value = if one.is_empty() { Vec::new() } else { one.octets()? };
            controls.push(Control { oid, critical, value });
        }
    }
    Ok(Message { id, operation, controls })
}

fn bind(r: &mut Reader<'_>) -> Result<Operation, Malformed> {
    let version = r.number(INTEGER)?;
    let name = r.text()?;
    let (tag, content) = r.any()?;
    let password = match tag {
        0x80 => Some(content.to_vec()),
        0xa3 => None,
        _ => return Err(Malformed),
    };
    Ok(Operation::Bind { version, name, password })
}

fn search(r: &mut Reader<'_>) -> Result<Search, Malformed> {
    let base = r.text()?;
    let scope = match r.number(ENUMERATED)? {
        0 => Scope::Base,
        1 => Scope::One,
        2 => Scope::Subtree,
        _ => return Err(Malformed),
    };
    let deref = r.number(ENUMERATED)?;
    let size = usize::try_from(r.number(INTEGER)?).map_err(|_| Malformed)?;
    let time = r.number(INTEGER)?;
    if !(0..=3).contains(&deref) || time < 0 {
        return Err(Malformed);
    }
    let types_only = r.boolean()?;
    let filter = filter::read(r, 0)?;
    let mut list = r.inside(SEQUENCE)?;
    let mut attributes = Vec::new();
    while !list.is_empty() {
        attributes.push(list.text()?);
    }
    Ok(Search { base, scope, size, types_only, filter, attributes })
}

fn modify(r: &mut Reader<'_>) -> Result<Operation, Malformed> {
    let dn = r.text()?;
    let mut list = r.inside(SEQUENCE)?;
    let mut changes = Vec::new();
    while !list.is_empty() {
        let mut change = list.inside(SEQUENCE)?;
        let verb = match change.number(ENUMERATED)? {
            0 => Verb::Add,
            1 => Verb::Delete,
            2 => Verb::Replace,
            _ => return Err(Malformed),
        };
        let mut partial = change.inside(SEQUENCE)?;
        let attribute = partial.text()?;
        let mut set = partial.inside(SET)?;
        let mut values = Vec::new();
        while !set.is_empty() {
            values.push(set.octets()?);
        }
        changes.push(Change { verb, attribute, values });
    }
    Ok(Operation::Modify { dn, changes })
}

/// A message with an answer.
fn message(out: &mut Vec<u8>, id: i64, tag: u8, controls: &[Control], write: impl FnOnce(&mut Writer)) {
    let mut writer = Writer::default();
    writer.within(SEQUENCE, |w| {
        w.number(INTEGER, id).within(tag, write);
        if !controls.is_empty() {
            w.within(0xa0, |w| {
                for control in controls {
                    w.within(SEQUENCE, |w| {
                        w.octets(control.oid.as_bytes());
                        if control.critical {
                            w.element(BOOLEAN, &[0xff]);
                        }
                        w.octets(&control.value);
                    });
                }
            });
        }
    });
    out.extend_from_slice(&writer.0);
}

/// A result: code, matched name, text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Result code.
    pub code: u16,
    /// The nearest entry that is there.
    pub matched: String,
    /// The server's text.
    pub text: String,
}

impl Outcome {
    /// Done.
    pub fn success() -> Outcome {
        Outcome::default()
    }

    /// A code with a text.
    pub fn new(code: u16, text: impl Into<String>) -> Outcome {
        Outcome { code, matched: String::new(), text: text.into() }
    }
}

/// Appends a result message.
pub fn write_result(out: &mut Vec<u8>, id: i64, tag: u8, outcome: &Outcome, controls: &[Control]) {
    message(out, id, tag, controls, |w| {
        w.number(ENUMERATED, i64::from(outcome.code));
        w.octets(outcome.matched.as_bytes()).octets(outcome.text.as_bytes());
    });
}

/// Appends an extended result with a name.
pub fn write_extended(out: &mut Vec<u8>, id: i64, outcome: &Outcome, oid: &str) {
    message(out, id, answer::EXTENDED, &[], |w| {
        w.number(ENUMERATED, i64::from(outcome.code));
        w.octets(outcome.matched.as_bytes()).octets(outcome.text.as_bytes());
        w.element(0x8a, oid.as_bytes());
    });
}

/// Appends an extended result with a value and no name, as "Who am I?" wants it
/// (RFC 4532).
pub fn write_value(out: &mut Vec<u8>, id: i64, value: &str) {
    message(out, id, answer::EXTENDED, &[], |w| {
        w.number(ENUMERATED, 0).octets(b"").octets(b"").element(0x8b, value.as_bytes());
    });
}

/// Appends an entry.
pub fn write_entry(out: &mut Vec<u8>, id: i64, dn: &str, attributes: &[(String, Vec<Vec<u8>>)]) {
    message(out, id, answer::ENTRY, &[], |w| {
        w.octets(dn.as_bytes()).within(SEQUENCE, |w| {
            for (name, values) in attributes {
                w.within(SEQUENCE, |w| {
                    w.octets(name.as_bytes()).within(SET, |w| {
                        for value in values {
                            w.octets(value);
                        }
                    });
                });
            }
        });
    });
}

/// Appends a search reference.
pub fn write_reference(out: &mut Vec<u8>, id: i64, url: &str) {
    message(out, id, answer::REFERENCE, &[], |w| {
        w.octets(url.as_bytes());
    });
}

/// Size and cookie of the paged-results control (RFC 2696).
///
/// # Errors
/// The value is malformed.
pub fn read_paged(value: &[u8]) -> Result<(usize, Vec<u8>), Malformed> {
    let mut r = Reader::new(value).inside(SEQUENCE)?;
    let size = usize::try_from(r.number(INTEGER)?).map_err(|_| Malformed)?;
    Ok((size, r.expect(OCTETS)?.to_vec()))
}

/// Value of the paged-results control of an answer.
pub fn write_paged(cookie: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.within(SEQUENCE, |w| {
        w.number(INTEGER, 0).octets(cookie);
    });
    writer.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_bring_the_reader_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = super::super::ber::frame(&bytes);
            let mut framed = Writer::default();
            framed.element(SEQUENCE, &bytes);
            let _ = read(&framed.0);
            let _ = read_paged(&bytes);
        }
    }
}
