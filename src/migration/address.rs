//! Whether a text is a plain SMTP address, and if not, what is wrong with it.
//!
//! Two ways lead through: nearly every row of a list is sound and is passed by
//! one look at each byte, which also makes its fingerprint; whatever that look
//! doesn't know is judged slowly and named. Whether anybody has the address is
//! not known here.

use std::borrow::Cow;

use super::kind::Kind;
use super::rules;

/// Longest address, and longest part before the @ (RFC 5321, 4.5.3.1).
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;
/// Longest label of a domain (RFC 1035, 2.3.4).
const LONGEST_LABEL: usize = 63;

const ODD: u8 = 0;
const ALWAYS: u8 = 1;
const LOCAL: u8 = 2;
const DOT: u8 = 3;
const DASH: u8 = 4;
const AT: u8 = 5;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [ODD; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => ALWAYS,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'/' | b'=' | b'?' | b'^' | b'_' | b'`' | b'{'
            | b'|' | b'}' | b'~' => LOCAL,
            b'.' => DOT,
            b'-' => DASH,
            b'@' => AT,
            _ => ODD,
        };
        byte += 1;
    }
    classes
}

/// The fingerprint of an address: the same whatever the case of its letters.
pub fn fingerprint(address: &str) -> u64 {
    let mut hash = SEED;
    for byte in address.bytes() {
        hash = mix(hash, byte);
    }
    finish(hash)
}

/// FNV-1a, with a last stir so that the high bits are as good as the low ones.
const SEED: u64 = 0xCBF2_9CE4_8422_2325;

fn mix(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0000_0100_0000_01B3)
}

fn finish(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    hash ^ (hash >> 29)
}

/// The fingerprint of an address as nearly all are, and where its @ stands.
/// `None` says only that it must be looked at closely.
pub fn plain(address: &str) -> Option<(u64, usize)> {
    let bytes = address.as_bytes();
    if bytes.len() > LONGEST_LOCAL
        || bytes.first().is_none_or(|b| matches!(b, b'=' | b'+' | b'-' | b'@' | b'\'' | b'/'))
    {
        return None;
    }
    let (mut hash, mut at, mut dotted, mut before) = (SEED, None, false, DOT);
    for (place, byte) in bytes.iter().enumerate() {
        let class = CLASSES.get(usize::from(*byte)).copied().unwrap_or(ODD);
        match class {
            ALWAYS => {}
            DOT if before == DOT || before == AT || (before == DASH && at.is_some()) => return None,
            DOT => dotted |= at.is_some(),
            DASH if at.is_some() && (before == DOT || before == AT) => return None,
            DASH => {}
            LOCAL if at.is_none() => {}
            AT if at.is_none() && before != DOT => at = Some(place),
            _ => return None,
        }
        hash = mix(hash, *byte);
        before = class;
    }
    let sound = dotted && bytes.last().is_some_and(u8::is_ascii_alphabetic);
    at.filter(|_| sound).map(|at| (finish(hash), at))
}

/// What is wrong with a value that should be an address.
pub struct Fault {
    /// The rule it breaks.
    pub rule: &'static str,
    /// What is wrong, in a few words.
    pub text: String,
    /// Bytes of the value that are concerned, if not all of it.
    pub part: Option<(usize, usize)>,
}

/// What is found on the way to the address within a value.
#[derive(Default)]
pub struct Judged {
    /// Of each rule at most one; the last may be one that stops.
    pub faults: Vec<Fault>,
    /// The address is one, and may be compared with others.
    pub sound: bool,
}

/// Judges a value as it stands in its cell. An empty one is no business of
/// this function.
pub fn judge(value: &str, kind: Kind) -> Judged {
    let mut judged = Judged::default();
    let mut say = |rule, text: String, part| judged.faults.push(Fault { rule, text, part });
    let address = trim(value);
    if let Some(first) = address.chars().next().filter(|c| "=+-@".contains(*c)) {
        say(rules::FORMULA, format!("a value that begins with `{first}` is a formula for Excel"), None);
    }
    if address.len() != value.len() {
        let odd = value.chars().any(|c| c.is_whitespace() && !c.is_ascii());
        let outside = value.replace(address, "");
        match odd && !outside.is_ascii() {
            true => say(rules::ODD_BLANKS, format!("there are blanks around {address} that look like none"), None),
            false => say(rules::BLANKS_AROUND, format!("there are blanks around {address}"), None),
        }
    }
    if let Some((rule, text, part)) = stops(address, kind) {
        // Around what is no address at all, blanks are no matter of their own.
        judged.faults.retain(|fault| fault.rule == rules::FORMULA);
        let ahead = value.len() - value.trim_start_matches(blank).len();
        let part = part.map(|(from, to)| (from + ahead, to + ahead));
        judged.faults.push(Fault { rule, text, part });
        return judged;
    }
    if is_reserved(domain(address)) {
        let text = format!("{} is a domain of examples", domain(address));
        judged.faults.push(Fault { rule: rules::RESERVED_DOMAIN, text, part: None });
    }
    judged.sound = true;
    judged
}

type Stop = (&'static str, String, Option<(usize, usize)>);

/// The first thing that makes it no address.
fn stops(address: &str, kind: Kind) -> Option<Stop> {
    let whole = |rule, text: String| Some((rule, text, None));
    let at = |c: char| address.find(c).map(|from| (from, from + c.len_utf8()));
    if let Some(c) = address.chars().find(|c| is_invisible(*c)) {
        let text = format!("there is an invisible character in it (U+{:04X})", u32::from(c));
        return Some((rules::INVISIBLE, text, at(c)));
    }
    if let Some(c) = address.chars().find(|c| is_typographic_quote(*c)) {
        return Some((rules::TYPOGRAPHIC_QUOTES, format!("`{c}` is a quote of a word processor"), at(c)));
    }
    if address.len() > 2 && address.starts_with('\'') && address.ends_with('\'') {
        return whole(rules::APOSTROPHES, "the address stands between apostrophes".to_owned());
    }
    if let Some(text) = directory_name(address) {
        return whole(rules::DIRECTORY_NAME, text);
    }
    if let Some(text) = wrong_form(address) {
        return whole(rules::ADDRESS_FORM, text);
    }
    if let Some((domain, user)) = address.split_once('\\')
        && !domain.is_empty()
        && !user.is_empty()
        && !address.contains(char::is_whitespace)
    {
        return whole(rules::LOGON_NAME, "it is a logon name, not an address".to_owned());
    }
    let several = |c: char| c == ';' || c == ',' || c.is_whitespace();
    let parts = address.split(several).filter(|part| part.contains('@')).count();
    if parts > 1 {
        return whole(rules::SEVERAL_ADDRESSES, format!("there are {parts} addresses in one value"));
    }
    if let Some(c) = address.chars().find(|c| c.is_whitespace()).filter(|_| address.contains('@')) {
        return Some((rules::BLANK_WITHIN, "there is a blank in it".to_owned(), at(c)));
    }
    if let Some((c, twin)) = address.chars().find_map(|c| Some((c, twin(c)?))) {
        let text = format!("`{c}` (U+{:04X}) only looks like the letter {twin}", u32::from(c));
        return Some((rules::LOOK_ALIKE, text, at(c)));
    }
    if let Some(c) = address.chars().find(|c| !c.is_ascii()) {
        return Some((rules::NON_ASCII, format!("`{c}` is not ASCII"), at(c)));
    }
    if let Some(text) = too_long(address).filter(|_| address.contains('@')) {
        return whole(rules::LONG_ADDRESS, text);
    }
    if let Some(text) = address_fault(address) {
        return whole(rules::ADDRESS_SYNTAX, text);
    }
    if kind == Kind::Staged && is_of_tenant(domain(address)) {
        return whole(rules::TENANT_ADDRESS, "it is an address of the tenant".to_owned());
    }
    None
}

/// White space of every sort, and the byte order mark that files glued
/// together carry at a seam.
pub fn blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

/// A value without what only looks like nothing around it.
pub fn trim(value: &str) -> &str {
    value.trim_matches(blank)
}

/// Marks that take no room: zero-width, joining, reordering, soft hyphens.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Quotes that word processors put in place of the straight one.
pub fn is_typographic_quote(c: char) -> bool {
    matches!(c, '“' | '”' | '„' | '‟' | '«' | '»' | '‘' | '‚' | '‛' | '″')
}

/// The Latin letter that another alphabet's letter looks like (Unicode,
/// UTS 39, the letters of its table that occur in names).
fn twin(c: char) -> Option<char> {
    const TWINS: &str = "аa еe оo рp сc уy хx ѕs іi јj ԁd һh ԛq ѡw ӏl АA ВB ЕE КK МM НH ОO РP СC ТT ХX ІI ЈJ ЅS \
                         αa οo ρp νv ιi υu κk γy ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX";
    if c.is_ascii() {
        return None;
    }
    if ('！'..='～').contains(&c) {
        // Full-width forms stand in the order of ASCII.
        return char::from_u32(u32::from(c) - 0xFEE0);
    }
    TWINS.split(' ').find_map(|pair| {
        let mut chars = pair.chars();
        (chars.next() == Some(c)).then(|| chars.next()).flatten()
    })
}

/// A name of a directory in place of an address.
fn directory_name(text: &str) -> Option<String> {
    let begins = |with: &str| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    if begins("/o=") || begins("x500:") {
        return Some("it is an X.500 name, not an SMTP address".to_owned());
    }
    (begins("cn=") || begins("ou=")).then(|| "it is a distinguished name, not an SMTP address".to_owned())
}

/// `SMTP:` in front, or a display name around the address.
fn wrong_form(text: &str) -> Option<String> {
    if let Some((prefix, _)) = text.split_once(':') {
        let name = prefix.to_ascii_lowercase();
        if ["smtp", "mailto", "sip"].contains(&name.as_str()) {
            return Some(format!("the address carries the prefix `{prefix}:`"));
        }
    }
    (text.contains('<') && text.contains('>')).then(|| "the address carries a display name".to_owned())
}

/// The address within a value that has it in a wrong form; the value as it is
/// if no address can be told from it.
pub fn bare(value: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(trim(value));
    if text.contains(is_invisible) {
        text = Cow::Owned(text.chars().filter(|c| !is_invisible(*c)).collect());
    }
    loop {
        let shorter = shed(&text);
        match shorter.len() == text.len() {
            true => return text,
            false => text = Cow::Owned(shorter.to_owned()),
        }
    }
}

/// One layer less around an address.
pub(super) fn shed(text: &str) -> &str {
    let text = trim(text);
    let between = |open: fn(char) -> bool, close: fn(char) -> bool| {
        text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).filter(|inner| inner.contains('@'))
    };
    if let Some(inner) =
        between(is_typographic_quote, |c| is_typographic_quote(c) || c == '’').or(between(|c| c == '\'', |c| c == '\''))
    {
        return inner;
    }
    if let Some((_, rest)) = text.split_once('<')
        && let Some((inner, after)) = rest.split_once('>')
        && inner.contains('@')
        && !rest.contains('<')
        && after.trim().is_empty()
    {
        return inner;
    }
    match text.split_once(':') {
        Some((prefix, rest)) if wrong_form(text).is_some() && !prefix.contains('<') && rest.contains('@') => rest,
        _ => text,
    }
}

/// Behind the @; empty if there is none.
pub fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

fn is_below(domain: &str, given: &str) -> bool {
    let head = domain.len().saturating_sub(given.len());
    let tail = domain.get(head..).is_some_and(|tail| tail.eq_ignore_ascii_case(given));
    tail && (head == 0 || domain.as_bytes().get(head - 1) == Some(&b'.'))
}

/// Whether a domain is one that Microsoft gives to tenants: nobody else's MX
/// can lead there, so no mailbox on premises has its primary address there.
pub fn is_of_tenant(domain: &str) -> bool {
    ["onmicrosoft.com", "onmicrosoft.us", "onmicrosoft.de", "partner.onmschina.cn"]
        .iter()
        .any(|given| is_below(domain, given))
}

/// Whether a domain is kept for examples, so that nobody can have it (RFC 2606).
pub fn is_reserved(domain: &str) -> bool {
    ["example.com", "example.net", "example.org"].iter().any(|given| is_below(domain, given))
}

fn too_long(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    if local.len() > LONGEST_LOCAL {
        return Some(format!("{} characters stand before the @, and {LONGEST_LOCAL} may", local.len()));
    }
    if address.len() > LONGEST {
        return Some(format!("it has {} characters, and {LONGEST} may be", address.len()));
    }
    let label = domain.split('.').find(|label| label.len() > LONGEST_LABEL)?;
    Some(format!("a part of its domain has {} characters, and {LONGEST_LABEL} may be", label.len()))
}

/// What is wrong with an address, in a few words; `None` if nothing is.
/// Narrower than RFC 5321: quoted local parts and address literals don't occur
/// as primary addresses of mailboxes.
pub fn address_fault(address: &str) -> Option<String> {
    let say = |text: &str| Some(text.to_owned());
    if let Some(c) = address.chars().find(|c| !c.is_ascii()) {
        // Marks that can't be seen are named by their number.
        return Some(if c.is_alphanumeric() || unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) > 0 {
            format!("`{c}` is not ASCII")
        } else {
            format!("there is an invisible character in it (U+{:04X})", u32::from(c))
        });
    }
    if address.contains(char::is_whitespace) {
        return say("there is a blank in it");
    }
    let Some((local, domain)) = address.rsplit_once('@') else { return say("there is no @") };
    if local.contains('@') {
        return say("there is more than one @");
    }
    if local.is_empty() {
        return say("nothing stands before the @");
    }
    if local.len() > LONGEST_LOCAL || address.len() > LONGEST {
        return say("it is too long");
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return say("a dot stands where none may");
    }
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
    if let Some(c) = local.chars().find(|c| odd(*c)) {
        return Some(format!("`{c}` may not stand before the @"));
    }
    let labels: Vec<&str> = domain.split('.').collect();
    if labels.len() < 2 {
        return say("the domain has no dot");
    }
    let bad = |l: &&str| {
        l.is_empty()
            || l.len() > LONGEST_LABEL
            || l.starts_with('-')
            || l.ends_with('-')
            || l.contains(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
    };
    if labels.iter().any(bad) || labels.last().is_some_and(|l| l.chars().all(|c| c.is_ascii_digit())) {
        return Some(format!("`{domain}` is no domain"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_judged_as_mail_systems_do() {
        for good in ["ann@contoso.test", "o'hara+1@lab.example", "a.b-c_d@sub.contoso.co.uk", "x@1.com"] {
            assert_eq!(address_fault(good), None, "{good}");
        }
        for bad in [
            "ann", "@x.y", "a@b", "a b@x.y", "a@b@c.d", ".a@x.y", "a..b@x.y", "ü@x.y", "a@x..y", "a@-x.y", "a@x.1",
            "a,b@x.y", "a@x_y.z",
        ] {
            assert!(address_fault(bad).is_some(), "{bad}");
            assert_eq!(plain(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_named_by_its_number() {
        assert_eq!(address_fault("u\u{202e}@x.y").as_deref(), Some("there is an invisible character in it (U+202E)"));
        assert_eq!(address_fault("ü@x.y").as_deref(), Some("`ü` is not ASCII"));
    }

    #[test]
    fn the_address_within_other_forms_is_found() {
        for (written, bare_one) in [
            (" ann@x.y\u{a0}", "ann@x.y"),
            ("SMTP:ann@x.y", "ann@x.y"),
            ("Ann Lee <smtp:ann@x.y>", "ann@x.y"),
            ("'ann@x.y'", "ann@x.y"),
            ("“ann@x.y”", "ann@x.y"),
            ("an\u{200b}n@x.y", "ann@x.y"),
            ("Ann Lee", "Ann Lee"),
            ("a@x.y <b@x.y> <c@x.y>", "a@x.y <b@x.y> <c@x.y>"),
        ] {
            assert_eq!(bare(written), bare_one, "{written}");
        }
    }

    #[test]
    fn a_list_of_tenant_domains_is_no_list_of_endings() {
        assert!(is_of_tenant("contoso.onmicrosoft.com") && is_of_tenant("a.mail.ONMICROSOFT.com"));
        assert!(!is_of_tenant("notonmicrosoft.com") && !is_reserved("myexample.com"));
    }

    proptest! {
        #[test]
        fn the_quick_look_never_passes_what_the_slow_one_refuses(text in "[-a-c0A@.'+_ü/= ]{0,14}") {
            if let Some((print, at)) = plain(&text) {
                prop_assert_eq!(address_fault(&text), None);
                prop_assert_eq!(text.as_bytes()[at], b'@');
                prop_assert_eq!(print, fingerprint(&text.to_ascii_uppercase()));
                let judged = judge(&text, Kind::Staged);
                prop_assert!(judged.sound && judged.faults.is_empty());
            }
        }

        #[test]
        fn what_is_shed_is_shed_once(text in "[a@.<>:' “”\u{a0}\u{200b}SMTP]{0,16}") {
            let once = bare(&text).into_owned();
            let twice = bare(&once).into_owned();
            prop_assert_eq!(once, twice);
        }
    }
}
