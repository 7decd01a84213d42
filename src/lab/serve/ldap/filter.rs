//! Search filters (RFC 4511, 4.5.1.7) and how Active Directory applies them.
//!
//! An absent attribute makes an assertion false, so its negation is true, as AD
//! does it. Values are compared by the attribute's syntax.

use super::ber::{Malformed, OCTETS, Reader, SEQUENCE};
use crate::lab::world::AdObject;
use crate::wire::attributes::{Syntax, attribute, dn_key};

/// Bitwise AND.
pub const BIT_AND: &str = "1.2.840.113556.1.4.803";
/// Bitwise OR.
pub const BIT_OR: &str = "1.2.840.113556.1.4.804";
/// Deepest nesting that is taken.
const DEEPEST: usize = 50;

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    And(Vec<Filter>),
    /// One of them.
    Or(Vec<Filter>),
    /// Not.
    Not(Box<Filter>),
    /// Attribute equals value; approximate match is the same to AD.
    Equal(String, Vec<u8>),
    /// Attribute is at least the value.
    AtLeast(String, Vec<u8>),
    /// Attribute is at most the value.
    AtMost(String, Vec<u8>),
    /// Attribute has a value.
    Present(String),
    /// Parts of a text: beginning, middle, end.
    Parts(String, Vec<u8>, Vec<Vec<u8>>, Vec<u8>),
    /// A matching rule, on an attribute.
    Rule(String, String, Vec<u8>),
    /// What can never hold.
    Never,
}

/// Reads a filter.
///
/// # Errors
/// It is malformed or nested too deeply.
pub fn read(r: &mut Reader<'_>, depth: usize) -> Result<Filter, Malformed> {
    if depth > DEEPEST {
        return Err(Malformed);
    }
    let (tag, content) = r.any()?;
    let mut inner = Reader::new(content);
    let assertion = |inner: &mut Reader<'_>| Ok((inner.text()?, inner.octets()?));
    Ok(match tag {
        0xa0 | 0xa1 => {
            let mut all = Vec::new();
            while !inner.is_empty() {
                all.push(read(&mut inner, depth + 1)?);
            }
            if tag == 0xa0 { Filter::And(all) } else { Filter::Or(all) }
        }
        0xa2 => Filter::Not(Box::new(read(&mut inner, depth + 1)?)),
        0xa3 | 0xa8 => {
            let (name, value) = assertion(&mut inner)?;
            Filter::Equal(name, value)
        }
        0xa4 => parts(&mut inner)?,
        0xa5 => {
            let (name, value) = assertion(&mut inner)?;
            Filter::AtLeast(name, value)
        }
        0xa6 => {
            let (name, value) = assertion(&mut inner)?;
            Filter::AtMost(name, value)
        }
        0x87 => Filter::Present(String::from_utf8(content.to_vec()).map_err(|_| Malformed)?),
        0xa9 => rule(&mut inner)?,
        _ => return Err(Malformed),
    })
}

fn parts(r: &mut Reader<'_>) -> Result<Filter, Malformed> {
    let name = r.text()?;
    let mut list = r.inside(SEQUENCE)?;
    let (mut first, mut middle, mut last) = (Vec::new(), Vec::new(), Vec::new());
    if list.is_empty() {
        return Err(Malformed);
    }
    while !list.is_empty() {
        let (tag, content) = list.any()?;
        match tag {
            0x80 if first.is_empty() && middle.is_empty() => first = content.to_vec(),
            0x81 if last.is_empty() => middle.push(content.to_vec()),
            0x82 if list.is_empty() => last = content.to_vec(),
            _ => return Err(Malformed),
        }
    }
    Ok(Filter::Parts(name, first, middle, last))
}

fn rule(r: &mut Reader<'_>) -> Result<Filter, Malformed> {
    let (mut oid, mut name, mut value) = (String::new(), String::new(), Vec::new());
    while !r.is_empty() {
        let (tag, content) = r.any()?;
        let text = || String::from_utf8(content.to_vec()).map_err(|_| Malformed);
        match tag {
            0x81 => oid = text()?,
            0x82 => name = text()?,
            0x83 => value = content.to_vec(),
            0x84 | OCTETS => {}
            _ => return Err(Malformed),
        }
    }
    // Without a rule it is equality; without an attribute AD knows no such thing.
    Ok(match (oid.as_str(), name.as_str()) {
        (_, "") => Filter::Never,
        ("", _) => Filter::Equal(name, value),
        _ => Filter::Rule(oid, name, value),
    })
}

impl Filter {
    /// Whether an object fulfils it.
    pub fn holds(&self, object: &AdObject) -> bool {
        match self {
            Filter::And(all) => all.iter().all(|f| f.holds(object)),
            Filter::Or(all) => all.iter().any(|f| f.holds(object)),
            Filter::Not(inner) => !inner.holds(object),
            Filter::Never => false,
            Filter::Present(name) => name.eq_ignore_ascii_case("objectClass") || values(object, name).next().is_some(),
            Filter::Equal(name, wanted) => values(object, name).any(|v| same(name, &v, wanted)),
            Filter::AtLeast(name, wanted) => {
                values(object, name).any(|v| order(name, &v, wanted).is_some_and(|o| o.is_ge()))
            }
            Filter::AtMost(name, wanted) => {
                values(object, name).any(|v| order(name, &v, wanted).is_some_and(|o| o.is_le()))
            }
            Filter::Parts(name, first, middle, last) => {
                values(object, name).any(|v| has_parts(&v, first, middle, last))
            }
            Filter::Rule(oid, name, value) => {
                let Some(mask) = number(value) else { return false };
                values(object, name).filter_map(|v| number(&v)).any(|n| match oid.as_str() {
                    BIT_AND => n & mask == mask,
                    BIT_OR => n & mask != 0,
                    _ => false,
                })
            }
        }
    }

    /// Equalities of indexed attributes of which at least one must hold, if that
    /// can be said.
    pub fn keys(&self, indexed: &dyn Fn(&str) -> bool) -> Option<Vec<(&str, &[u8])>> {
        match self {
            Filter::Equal(name, value) if indexed(name) => Some(vec![(name, value)]),
            Filter::And(all) => all.iter().find_map(|f| f.keys(indexed)),
            Filter::Or(all) => {
                let each: Option<Vec<_>> = all.iter().map(|f| f.keys(indexed)).collect();
                each.map(|lists| lists.into_iter().flatten().collect())
            }
            _ => None,
        }
    }
}

/// Values of an attribute, operational ones included.
pub fn values<'a>(object: &'a AdObject, name: &str) -> Box<dyn Iterator<Item = std::borrow::Cow<'a, [u8]>> + 'a> {
    match operational(object, name) {
        Some(value) => Box::new(std::iter::once(std::borrow::Cow::Owned(value))),
        None => Box::new(object.entry.values(name).iter().map(|v| std::borrow::Cow::Borrowed(v.as_slice()))),
    }
}

/// What the directory itself knows of an object.
pub fn operational(object: &AdObject, name: &str) -> Option<Vec<u8>> {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("objectGUID") {
        Some(object.guid.to_directory().to_vec())
    } else if is("uSNChanged") {
        Some(object.usn.to_string().into_bytes())
    } else if is("whenChanged") {
        Some(object.changed.strftime("%Y%m%d%H%M%S.0Z").to_string().into_bytes())
    } else if is("distinguishedName") {
        Some(object.entry.dn.clone().into_bytes())
    } else {
        None
    }
}

fn lower(value: &[u8]) -> Option<String> {
    std::str::from_utf8(value).ok().map(str::to_lowercase)
}

fn number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// Whether two values of an attribute are the same to the directory.
pub fn same(name: &str, value: &[u8], wanted: &[u8]) -> bool {
    if value == wanted {
        return true;
    }
    if name.eq_ignore_ascii_case("objectGUID") {
        return false;
    }
    if name.eq_ignore_ascii_case("objectCategory") {
        // The short name of the class stands for the whole.
        let Some((value, wanted)) = lower(value).zip(lower(wanted)) else { return false };
        return dn_key(&value) == dn_key(&wanted) || value.starts_with(&format!("cn={wanted},")) || value == wanted;
    }
    match attribute(name).map(|a| a.syntax) {
        Some(Syntax::Octets) => false,
        Some(Syntax::Dn) => match (std::str::from_utf8(value), std::str::from_utf8(wanted)) {
            (Ok(a), Ok(b)) => dn_key(a) == dn_key(b),
            _ => false,
        },
        Some(Syntax::Integer | Syntax::LargeInteger) => number(value).is_some() && number(value) == number(wanted),
        // Most are plain ASCII, and most filters ask for a hundred of them.
        _ if value.is_ascii() && wanted.is_ascii() => value.eq_ignore_ascii_case(wanted),
        Some(Syntax::Text | Syntax::Boolean | Syntax::Other) | None => {
            lower(value).is_some() && lower(value) == lower(wanted)
        }
    }
}

fn order(name: &str, value: &[u8], wanted: &[u8]) -> Option<std::cmp::Ordering> {
    let numeric = name.eq_ignore_ascii_case("uSNChanged")
        || matches!(attribute(name).map(|a| a.syntax), Some(Syntax::Integer | Syntax::LargeInteger));
    if numeric {
        return Some(number(value)?.cmp(&number(wanted)?));
    }
    Some(lower(value)?.cmp(&lower(wanted)?))
}

fn has_parts(value: &[u8], first: &[u8], middle: &[Vec<u8>], last: &[u8]) -> bool {
    let Some(value) = lower(value) else { return false };
    let (Some(first), Some(last)) = (lower(first), lower(last)) else { return false };
    let Some(mut rest) = value.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        let Some(part) = lower(part) else { return false };
        match rest.find(&part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(&last)
}

#[cfg(test)]
mod tests {
    use super::super::super::small;
    use super::*;

    fn ann() -> AdObject {
        let mut world = small::world();
        world.directory.pop_first().map(|(_, o)| o).expect("Ann is the first of the small world")
    }

    fn equal(name: &str, value: &str) -> Filter {
        Filter::Equal(name.into(), value.as_bytes().to_vec())
    }

    #[test]
    fn values_are_compared_by_their_syntax() {
        let ann = ann();
        assert!(equal("ProxyAddresses", "smtp:ANN@contoso.test").holds(&ann));
        assert!(equal("objectCategory", "person").holds(&ann));
        assert!(equal("homeMDB", "cn=db1, cn=ex07,cn=configuration,dc=CONTOSO,dc=test").holds(&ann));
        assert!(Filter::Equal("objectGUID".into(), ann.guid.to_directory().to_vec()).holds(&ann));
        assert!(Filter::Rule(BIT_AND.into(), "userAccountControl".into(), b"512".to_vec()).holds(&ann));
        assert!(!Filter::Rule(BIT_AND.into(), "userAccountControl".into(), b"2".to_vec()).holds(&ann));
        assert!(Filter::AtLeast("uSNChanged".into(), b"999".to_vec()).holds(&ann));
        assert!(Filter::Parts("mail".into(), b"A".to_vec(), vec![b"@con".to_vec()], b"TEST".to_vec()).holds(&ann));
    }

    #[test]
    fn the_negation_of_an_absent_attribute_holds() {
        let ann = ann();
        assert!(Filter::Not(Box::new(equal("msExchRecipientTypeDetails", "8192"))).holds(&ann));
        assert!(!Filter::Present("targetAddress".into()).holds(&ann));
    }

    #[test]
    fn the_index_is_asked_what_must_hold() {
        let indexed = |name: &str| name != "objectClass";
        let either = Filter::Or(vec![equal("mail", "a"), equal("proxyAddresses", "smtp:a")]);
        let whole = Filter::And(vec![equal("objectClass", "user"), either]);
        assert_eq!(whole.keys(&indexed).map(|k| k.len()), Some(2));
        assert_eq!(Filter::Or(vec![equal("mail", "a"), Filter::Present("x".into())]).keys(&indexed), None);
    }
}
