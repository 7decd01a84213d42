//! Search filters of a directory (RFC 4515), judged on objects that are not
//! there yet.
//!
//! Only what a plan has changed is judged here; who is asked for the rest is the
//! directory itself. What an object holds is known in part, so an answer may be
//! "nobody knows". It opens no connection.

use crate::wire::attributes::Entry;

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    And(Vec<Filter>),
    /// Any of them.
    Or(Vec<Filter>),
    /// Not this one.
    Not(Box<Filter>),
    /// Attribute, and the parts of the value between asterisks in lower case; a
    /// lone asterisk has two empty parts.
    Like(String, Vec<String>),
    /// A comparison that is not judged (`>=`, `<=`, `~=`, rules by OID).
    Other(String),
}

impl Filter {
    /// Reads a filter; `None` for one that is none.
    pub fn parse(text: &str) -> Option<Filter> {
        let (filter, rest) = one(text.trim())?;
        rest.trim().is_empty().then_some(filter)
    }

    /// The attributes that it looks at, in lower case.
    pub fn attributes(&self) -> Vec<&str> {
        match self {
            Filter::And(all) | Filter::Or(all) => all.iter().flat_map(Filter::attributes).collect(),
            Filter::Not(inner) => inner.attributes(),
            Filter::Like(name, _) | Filter::Other(name) => vec![name],
        }
    }

    /// Whether it finds an object of which these attributes are known, in lower
    /// case; `None` if nobody can say. Who asks only whether it surely does
    /// (`surely`) is spared what can't change that.
    pub fn finds(&self, entry: &Entry, knows: &dyn Fn(&str) -> bool, surely: bool) -> Option<bool> {
        match self {
            Filter::And(all) => {
                let mut answer = Some(true);
                for part in all {
                    match part.finds(entry, knows, surely) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None if surely => return None,
                        None => answer = None,
                    }
                }
                answer
            }
            Filter::Or(all) => {
                let mut answer = Some(false);
                for part in all {
                    match part.finds(entry, knows, surely) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => answer = None,
                    }
                }
                answer
            }
            Filter::Not(inner) => inner.finds(entry, knows, false).map(|found| !found),
            Filter::Like(name, parts) => {
                knows(name).then(|| entry.values(name).iter().any(|v| like(&String::from_utf8_lossy(v), parts)))
            }
            Filter::Other(_) => None,
        }
    }
}

fn like(value: &str, parts: &[String]) -> bool {
    let value = value.to_lowercase();
    let [first, middle @ .., last] = parts else {
        return parts.first().is_some_and(|only| *only == value);
    };
    let Some(mut rest) = value.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        let Some(at) = rest.find(part.as_str()) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last.as_str())
}

/// The filter at the beginning of a text, and what follows it.
fn one(text: &str) -> Option<(Filter, &str)> {
    let inside = text.strip_prefix('(')?.trim_start();
    let (filter, rest) = match inside.chars().next()? {
        '&' => several(inside.get(1..)?).map(|(all, rest)| (Filter::And(all), rest))?,
        '|' => several(inside.get(1..)?).map(|(all, rest)| (Filter::Or(all), rest))?,
        '!' => one(inside.get(1..)?.trim_start()).map(|(inner, rest)| (Filter::Not(Box::new(inner)), rest))?,
        _ => {
            // A bracket inside a value is written \28 or \29.
            let end = inside.find(')')?;
            (item(inside.get(..end)?)?, inside.get(end..)?)
        }
    };
    Some((filter, rest.trim_start().strip_prefix(')')?))
}

fn several(mut text: &str) -> Option<(Vec<Filter>, &str)> {
    let mut all = Vec::new();
    loop {
        text = text.trim_start();
        if !text.starts_with('(') {
            return Some((all, text));
        }
        let (filter, rest) = one(text)?;
        all.push(filter);
        text = rest;
    }
}

fn item(text: &str) -> Option<Filter> {
    let (name, value) = text.split_once('=')?;
    let name = name.trim().to_lowercase();
    if name.ends_with(['>', '<', '~', ':']) {
        return Some(Filter::Other(name.trim_end_matches(['>', '<', '~', ':']).to_owned()));
    }
    Some(Filter::Like(name, value.split('*').map(|p| unescaped(p).to_lowercase()).collect()))
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, more @ ..] = rest {
        let code = more.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (byte, code.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'\\', Some(code)) => {
                bytes.push(code);
                rest = more.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*byte);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(filter: &str, known: &[&str]) -> Option<bool> {
        let mut entry = Entry::new("CN=Ann");
        entry.set("proxyAddresses", vec![b"SMTP:Ann@contoso.test".to_vec(), b"x500:/o=Old (1)/cn=ann".to_vec()]);
        entry.set_text("targetAddress", "SMTP:ann@contoso.onmicrosoft.test");
        let filter = Filter::parse(filter).expect("a sound filter");
        let knows = |name: &str| known.contains(&name);
        let answer = filter.finds(&entry, &knows, false);
        assert_eq!(filter.finds(&entry, &knows, true) == Some(true), answer == Some(true));
        answer
    }

    #[test]
    fn a_filter_is_judged_by_what_is_known() {
        let known = ["proxyaddresses", "targetaddress", "homemdb"];
        assert_eq!(finds("(proxyAddresses=smtp:ann@contoso.test)", &known), Some(true));
        assert_eq!(finds("(proxyAddresses=X500:/o=old \\281\\29*)", &known), Some(true));
        assert_eq!(finds("(&(proxyAddresses=*)(homeMDB=*))", &known), Some(false));
        assert_eq!(finds("(&(objectClass=user)(homeMDB=*))", &known), Some(false));
        assert_eq!(finds("(&(objectClass=user)(targetAddress=*onmicrosoft*))", &known), None);
        assert_eq!(finds("(|(objectClass=user)(targetAddress=*.test))", &known), Some(true));
        assert_eq!(finds("(!(homeMDB=*))", &known), Some(true));
        assert_eq!(finds("(uSNChanged>=12)", &known), None);
        assert_eq!(finds("(mail=ann@contoso.test)", &known), None);
    }

    #[test]
    fn what_is_no_filter_is_none() {
        for text in ["", "mail=*", "(mail=*", "(&(mail=*)", "(mail=*)x", "(mail)"] {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
        assert_eq!(Filter::parse("(&(a=b)(|(c=*)(!(d=e))))").expect("sound").attributes(), ["a", "c", "d"]);
    }
}
