//! `$filter` of the users collection: the forms that the directory indexes.
//!
//! Comparison by `eq`, `ne`, `in`, `startsWith`, `endsWith`, `any` over a
//! collection, joined by `and`, `or` and `not`. Text is compared without case.
//! What needs the advanced query pair says so; anything else is refused.

use serde_json::Value;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Both.
    And(Box<Filter>, Box<Filter>),
    /// One of them.
    Or(Box<Filter>, Box<Filter>),
    /// Not.
    Not(Box<Filter>),
    /// Member equals literal.
    Eq(String, Value),
    /// Member differs from literal.
    Ne(String, Value),
    /// Member is one of these.
    In(String, Vec<Value>),
    /// Text begins so.
    StartsWith(String, String),
    /// Text ends so.
    EndsWith(String, String),
    /// Some element of a collection equals the literal; with a member of the
    /// element, that member does.
    Any(String, Option<String>, Value),
}

/// Members that can be compared.
const MEMBERS: &[&str] = &[
    "id",
    "userPrincipalName",
    "mail",
    "mailNickname",
    "displayName",
    "usageLocation",
    "accountEnabled",
    "onPremisesSyncEnabled",
    "onPremisesImmutableId",
    "onPremisesLastSyncDateTime",
    "userType",
];
/// Collections that `any` goes over.
const COLLECTIONS: &[&str] =
    &["proxyAddresses", "assignedLicenses", "onPremisesProvisioningErrors", "licenseAssignmentStates"];

impl Filter {
    /// Reads a filter; `None` if it is none that the directory supports.
    pub fn parse(text: &str) -> Option<Filter> {
        let mut reader = Reader { tokens: tokens(text)?, at: 0 };
        let filter = reader.either()?;
        (reader.at == reader.tokens.len()).then_some(filter)
    }

    /// Whether `ConsistencyLevel: eventual` and `$count=true` are needed.
    pub fn is_advanced(&self) -> bool {
        match self {
            Filter::And(a, b) | Filter::Or(a, b) => a.is_advanced() || b.is_advanced(),
            Filter::Not(_) | Filter::Ne(..) | Filter::EndsWith(..) => true,
            Filter::Any(collection, ..) => collection == "onPremisesProvisioningErrors",
            Filter::Eq(..) | Filter::In(..) | Filter::StartsWith(..) => false,
        }
    }

    /// Whether an object fulfils it.
    pub fn holds(&self, object: &Value) -> bool {
        match self {
            Filter::And(a, b) => a.holds(object) && b.holds(object),
            Filter::Or(a, b) => a.holds(object) || b.holds(object),
            Filter::Not(a) => !a.holds(object),
            Filter::Eq(member, value) => same(&object[member], value),
            Filter::Ne(member, value) => !same(&object[member], value),
            Filter::In(member, values) => values.iter().any(|v| same(&object[member], v)),
            Filter::StartsWith(member, text) => lower(&object[member]).starts_with(&text.to_lowercase()),
            Filter::EndsWith(member, text) => lower(&object[member]).ends_with(&text.to_lowercase()),
            Filter::Any(collection, member, value) => object[collection].as_array().is_some_and(|items| {
                items.iter().any(|item| match member {
                    Some(member) => same(&item[member], value),
                    None => same(item, value),
                })
            }),
        }
    }

    /// The literal of a filter that is one `any` over `proxyAddresses`, or one
    /// `eq` on a name: the common question, answered without building objects.
    pub fn simple(&self) -> Option<(&str, &str)> {
        match self {
            Filter::Any(collection, None, Value::String(text)) if collection == "proxyAddresses" => {
                Some((collection, text))
            }
            Filter::Eq(member, Value::String(text))
                if ["userPrincipalName", "mail", "id"].contains(&member.as_str()) =>
            {
                Some((member, text))
            }
            _ => None,
        }
    }
}

fn lower(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_lowercase()
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase(),
        (a, b) => a == b,
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        if c == '\'' {
            let mut value = String::new();
            let mut tail = rest.get(1..)?;
            loop {
                let (before, after) = tail.split_once('\'')?;
                value.push_str(before);
                match after.strip_prefix('\'') {
                    Some(more) => {
                        value.push('\'');
                        tail = more;
                    }
                    None => {
                        tail = after;
                        break;
                    }
                }
            }
            out.push(Token::Text(value));
            rest = tail;
        } else if matches!(c, '(' | ')' | ',' | ':') {
            out.push(Token::Mark(c));
            rest = rest.get(1..)?;
        } else {
            let end = rest
                .find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ':' | '\''))
                .unwrap_or(rest.len());
            // A time of day holds colons; nothing else that begins with a digit does.
            let end = match c.is_ascii_digit() {
                true => rest.find(|c: char| c.is_whitespace() || matches!(c, ')' | ',')).unwrap_or(rest.len()),
                false => end,
            };
            out.push(Token::Word(rest.get(..end)?.to_owned()));
            rest = rest.get(end..)?;
        }
        rest = rest.trim_start();
    }
    Some(out)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, word: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
        self.at += usize::from(is);
        is
    }

    fn mark(&mut self, mark: char) -> Option<()> {
        (self.next()? == Token::Mark(mark)).then_some(())
    }

    fn either(&mut self) -> Option<Filter> {
        let mut left = self.both()?;
        while self.takes("or") {
            left = Filter::Or(Box::new(left), Box::new(self.both()?));
        }
        Some(left)
    }

    fn both(&mut self) -> Option<Filter> {
        let mut left = self.one()?;
        while self.takes("and") {
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Some(left)
    }

    fn one(&mut self) -> Option<Filter> {
        if self.takes("not") {
            return Some(Filter::Not(Box::new(self.one()?)));
        }
        if self.tokens.get(self.at) == Some(&Token::Mark('(')) {
            self.at += 1;
            let inner = self.either()?;
            self.mark(')')?;
            return Some(inner);
        }
        let Token::Word(word) = self.next()? else { return None };
        for (name, starts) in [("startsWith", true), ("endsWith", false)] {
            if word.eq_ignore_ascii_case(name) {
                self.mark('(')?;
                let member = self.member()?;
                self.mark(',')?;
                let Token::Text(text) = self.next()? else { return None };
                self.mark(')')?;
                return Some(if starts { Filter::StartsWith(member, text) } else { Filter::EndsWith(member, text) });
            }
        }
        if let Some(collection) = word.strip_suffix("/any") {
            return self.any(collection);
        }
        let member = known(MEMBERS, &word)?;
        if self.takes("eq") {
            return Some(Filter::Eq(member, self.literal()?));
        }
        if self.takes("ne") {
            return Some(Filter::Ne(member, self.literal()?));
        }
        if self.takes("in") {
            self.mark('(')?;
            let mut values = vec![self.literal()?];
            loop {
                match self.next()? {
                    Token::Mark(',') => values.push(self.literal()?),
                    Token::Mark(')') => return Some(Filter::In(member, values)),
                    _ => return None,
                }
            }
        }
        None
    }

    /// `any(p:p eq 'x')` or `any(l:l/skuId eq x)`.
    fn any(&mut self, collection: &str) -> Option<Filter> {
        let collection = known(COLLECTIONS, collection)?;
        self.mark('(')?;
        let Token::Word(variable) = self.next()? else { return None };
        self.mark(':')?;
        let Token::Word(path) = self.next()? else { return None };
        let member = match path.strip_prefix(&variable)? {
            "" => None,
            member => Some(member.strip_prefix('/')?.to_owned()),
        };
        if !self.takes("eq") {
            return None;
        }
        let value = self.literal()?;
        self.mark(')')?;
        Some(Filter::Any(collection, member, value))
    }

    fn member(&mut self) -> Option<String> {
        match self.next()? {
            Token::Word(word) => known(MEMBERS, &word),
            _ => None,
        }
    }

    fn literal(&mut self) -> Option<Value> {
        Some(match self.next()? {
            Token::Text(text) => Value::String(text),
            Token::Word(word) => match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => Value::String(word),
            },
            Token::Mark(_) => return None,
        })
    }
}

fn known(names: &[&str], word: &str) -> Option<String> {
    names.iter().find(|n| n.eq_ignore_ascii_case(word)).map(|n| (*n).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_forms_of_the_reference_are_read() {
        let object = json!({
            "userPrincipalName": "Ann@contoso.test", "mail": "o'hara@contoso.test", "onPremisesSyncEnabled": true,
            "proxyAddresses": ["SMTP:ann@contoso.test"], "assignedLicenses": [{"skuId": "4b9405b0-7788-4568-add1-99614e613b69"}],
        });
        for (text, expected) in [
            ("proxyAddresses/any(p:p eq 'smtp:ANN@contoso.test')", true),
            ("mail eq 'o''hara@contoso.test'", true),
            ("onPremisesSyncEnabled eq true and userPrincipalName eq 'x'", false),
            ("onPremisesSyncEnabled eq true or userPrincipalName eq 'x'", true),
            ("assignedLicenses/any(l:l/skuId eq 4b9405b0-7788-4568-add1-99614e613b69)", true),
            ("startsWith(mail,'O')", true),
            ("userPrincipalName in ('a', 'ann@contoso.test')", true),
            ("not(mail eq 'x')", true),
        ] {
            let filter = Filter::parse(text).unwrap_or_else(|| panic!("{text} is a filter"));
            assert_eq!(filter.holds(&object), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_indexed_is_refused() {
        for text in
            ["", "mail", "mail like 'x'", "jobTitle eq 'x'", "mail eq 'x", "proxyAddresses eq 'x'", "mail eq 'x' and"]
        {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
        assert!(Filter::parse("endsWith(mail,'x')").is_some_and(|f| f.is_advanced()));
    }
}
