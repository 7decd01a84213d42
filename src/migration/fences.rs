//! Fences: what a run may never touch, as the customer's `stagepost.toml` says.
//!
//! A rule over what a write would touch. Who makes the write says what that is
//! (real names, attributes, zones); the gate asks before anything has gone out.
//! A fence that is not set up fences nothing in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::hours::Hours;
use crate::wire::attributes::split_dn;

/// `[fences]` of stagepost.toml.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fences {
    /// Objects of the directory are written only below this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_base: Option<String>,
    /// Only these of their attributes; empty: all that the primitives write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// Records only in these zones; empty: in every zone of the profile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// Only these types of records; empty: all that the primitives write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub record_types: Vec<String>,
    /// Most objects that one run may write to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_objects: Option<usize>,
    /// When nothing may be written: `Mon-Fri 08:00-18:00`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbidden_hours: Vec<String>,
    /// Whose hours these are: `Europe/Berlin`; UTC if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Line of each fence in stagepost.toml, from 1.
    #[serde(skip)]
    pub lines: BTreeMap<String, usize>,
}

/// What a write would touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The object, as it is counted: a person in both directories is one.
    pub object: String,
    /// Where.
    pub place: Place,
}

/// Where a write would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An object on premises.
    Directory {
        /// Its distinguished name.
        dn: String,
        /// The attributes that would differ afterwards.
        attributes: Vec<String>,
    },
    /// A record set.
    Record {
        /// The zone that would take it, where that is known.
        zone: Option<String>,
        /// Its owner.
        name: String,
        /// Its type: `MX`.
        kind: String,
    },
    /// Anything of the tenant, or of a server.
    Elsewhere,
}

/// A fence that a write would cross.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossed {
    /// The fence's word in stagepost.toml.
    pub fence: &'static str,
    /// What would lie beyond it, as a sentence without a full stop.
    pub text: String,
}

impl Fences {
    /// The fence that a write would cross, if it crosses one.
    pub fn crossed(&self, touch: &Touch) -> Option<Crossed> {
        let crossed = |fence, text| Some(Crossed { fence, text });
        match &touch.place {
            Place::Directory { dn, attributes } => {
                if let Some(base) = self.search_base.as_deref().filter(|base| !lies_below(dn, base)) {
                    return crossed("search_base", format!("{dn} does not lie below {base}"));
                }
                if self.attributes.is_empty() {
                    return None;
                }
                let beyond = attributes.iter().find(|a| !self.attributes.iter().any(|own| own.eq_ignore_ascii_case(a)));
                crossed("attributes", format!("{} of {dn} is none of the attributes that may be written", beyond?))
            }
            Place::Record { zone, name, kind } => {
                let inside = |own: &String| match zone {
                    Some(zone) => host(zone) == host(own),
                    None => host(name) == host(own) || host(name).ends_with(&format!(".{}", host(own))),
                };
                if !self.zones.is_empty() && !self.zones.iter().any(inside) {
                    let zone = zone.as_deref().map_or_else(String::new, |z| format!(" of the zone {}", host(z)));
                    return crossed(
                        "zones",
                        format!("{}{zone} lies in none of the zones that may be written", host(name)),
                    );
                }
                let known =
                    self.record_types.is_empty() || self.record_types.iter().any(|t| t.eq_ignore_ascii_case(kind));
                if known {
                    None
                } else {
                    crossed(
                        "record_types",
                        format!("{kind} of {} is none of the types of records that may be written", host(name)),
                    )
                }
            }
            Place::Elsewhere => None,
        }
    }

    /// Until when nothing may be written now, and the hours that say so.
    pub fn closed_until(&self, now: Timestamp, zone: &TimeZone) -> Option<(&str, Timestamp)> {
        // What is no hours was refused when the project was read.
        let ends = |text: &String| Hours::parse(text).ok()?.until(now, zone);
        self.forbidden_hours.iter().filter_map(|t| Some((t.as_str(), ends(t)?))).max_by_key(|(_, until)| *until)
    }

    /// The name of the time zone of the forbidden hours.
    pub fn zone(&self) -> &str {
        self.time_zone.as_deref().unwrap_or("UTC")
    }

    /// What of the fences makes no sense: the fence, a sentence, and what to
    /// write instead.
    pub fn fault(&self) -> Option<(&'static str, String, &'static str)> {
        if let Some(base) = self.search_base.as_ref().filter(|b| split_dn(b).iter().any(|part| !part.contains('='))) {
            return Some((
                "search_base",
                format!("`{base}` is no name of the directory"),
                "write it as \"OU=People,DC=contoso,DC=com\"",
            ));
        }
        let blank = |list: &[String]| list.iter().any(|t| t.trim().is_empty() || t.contains(char::is_whitespace));
        for (name, list) in
            [("attributes", &self.attributes), ("zones", &self.zones), ("record_types", &self.record_types)]
        {
            if blank(list) {
                return Some((
                    name,
                    format!("a name among `{name}` is empty or holds a blank"),
                    "write one name in each pair of quotes",
                ));
            }
        }
        if self.most_objects == Some(0) {
            return Some((
                "most_objects",
                "no object at all may be written".into(),
                "write a number from 1, or leave it out",
            ));
        }
        let wrong = self.forbidden_hours.iter().find_map(|t| Hours::parse(t).err());
        wrong.map(|text| ("forbidden_hours", text, "write them as \"Mon-Fri 08:00-18:00\""))
    }

    /// The fences in words, one line each, for every plan.
    pub fn described(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(base) = &self.search_base {
            lines.push(format!("objects of the directory are written only below {base}"));
        }
        for (what, list) in [
            ("attributes of the directory", &self.attributes),
            ("zones", &self.zones),
            ("types of records", &self.record_types),
        ] {
            if !list.is_empty() {
                lines.push(format!("only these {what} are written: {}", list.join(", ")));
            }
        }
        if let Some(most) = self.most_objects {
            lines.push(format!("at most {most} objects are written to in one run"));
        }
        if !self.forbidden_hours.is_empty() {
            lines.push(format!("nothing is written {} ({})", self.forbidden_hours.join(", "), self.zone()));
        }
        lines
    }
}

/// A name of the domain system in the form in which two are compared.
fn host(name: &str) -> String {
    name.trim().trim_end_matches('.').to_lowercase()
}

/// Whether an object is that of a name, or lies below it. An escaped comma
/// divides nothing: `CN=x\,OU=People,DC=contoso` lies below `DC=contoso` alone.
pub fn lies_below(dn: &str, base: &str) -> bool {
    let (dn, base) = (parts(dn), parts(base));
    dn.ends_with(&base)
}

/// The parts of a name in the form in which two are compared: without regard to
/// case, to blanks around signs and to the way in which a sign is escaped
/// (RFC 4514, section 2.4).
fn parts(dn: &str) -> Vec<String> {
    let part = |part: String| match part.split_once('=') {
        Some((kind, value)) => format!("{}={}", kind.trim().to_lowercase(), unescaped(value)),
        None => part.trim().to_lowercase(),
    };
    split_dn(dn).into_iter().map(part).collect()
}

fn unescaped(value: &str) -> String {
    let mut bytes: Vec<u8> = Vec::with_capacity(value.len());
    let mut rest = value.trim().as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let hex = after.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (hex, after.split_first()) {
            (Some(byte), _) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (None, Some((sign, after))) => {
                bytes.push(*sign);
                rest = after;
            }
            (None, None) => {}
        }
    }
    String::from_utf8_lossy(&bytes).to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn person(dn: &str, attributes: &[&str]) -> Touch {
        let attributes = attributes.iter().map(|a| (*a).to_owned()).collect();
        Touch { object: "ann@contoso.com".into(), place: Place::Directory { dn: dn.into(), attributes } }
    }

    fn record(zone: Option<&str>, name: &str, kind: &str) -> Touch {
        let place = Place::Record { zone: zone.map(str::to_owned), name: name.into(), kind: kind.into() };
        Touch { object: name.into(), place }
    }

    fn fences() -> Fences {
        Fences {
            search_base: Some("OU=People, dc=contoso,DC=com".into()),
            attributes: vec!["proxyAddresses".into(), "targetAddress".into()],
            zones: vec!["contoso.com".into()],
            record_types: vec!["mx".into()],
            ..Fences::default()
        }
    }

    fn crossed(touch: &Touch) -> Option<&'static str> {
        fences().crossed(touch).map(|c| c.fence)
    }

    #[test]
    fn each_fence_holds_what_lies_beyond_it() {
        let inside = "CN=Ann,ou=people,DC=Contoso,DC=com";
        assert_eq!(crossed(&person(inside, &["TARGETADDRESS"])), None);
        assert_eq!(crossed(&person("CN=Ann,OU=Board,DC=contoso,DC=com", &["targetAddress"])), Some("search_base"));
        assert_eq!(crossed(&person(inside, &["targetAddress", "homeMDB"])), Some("attributes"));
        assert_eq!(crossed(&record(None, "Contoso.com.", "MX")), None);
        assert_eq!(crossed(&record(None, "autodiscover.contoso.com", "CNAME")), Some("record_types"));
        assert_eq!(crossed(&record(None, "notcontoso.com", "MX")), Some("zones"));
        // Another zone may begin below: what takes the record counts.
        assert_eq!(crossed(&record(Some("lab.contoso.com"), "x.lab.contoso.com", "MX")), Some("zones"));
        assert_eq!(crossed(&Touch { object: "wave-01".into(), place: Place::Elsewhere }), None);
        assert_eq!(Fences::default().crossed(&person("CN=Ann,DC=else", &["homeMDB"])), None);
    }

    #[test]
    fn a_comma_in_a_name_divides_nothing() {
        let base = "OU=People,DC=contoso,DC=com";
        assert!(!lies_below(r"CN=Ann\,OU=People,DC=contoso,DC=com", base));
        assert!(!lies_below(r"CN=Ann\2COU=People,DC=contoso,DC=com", base));
        assert!(lies_below(r"CN=Klein\, Ann,OU=People,DC=contoso,DC=com", base));
        assert!(lies_below(r"CN=Ann,OU=R\2CD,DC=contoso", r"OU=r\,d,DC=contoso"));
        assert!(lies_below(base, base));
        assert!(!lies_below("DC=contoso,DC=com", base));
    }

    #[test]
    fn the_hours_that_end_last_count() {
        let fences = Fences {
            forbidden_hours: vec!["Mon-Fri 08:00-18:00".into(), "Mon 12:00-20:00".into()],
            ..Fences::default()
        };
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let closed = |time: &str| fences.closed_until(at(time), &TimeZone::UTC);
        assert_eq!(closed("2026-01-12T13:00:00Z"), Some(("Mon 12:00-20:00", at("2026-01-12T20:00:00Z"))));
        assert_eq!(closed("2026-01-13T13:00:00Z"), Some(("Mon-Fri 08:00-18:00", at("2026-01-13T18:00:00Z"))));
        assert_eq!(closed("2026-01-17T13:00:00Z"), None);
    }

    #[test]
    fn fences_are_told_in_words() {
        let mut all = fences();
        all.most_objects = Some(500);
        all.forbidden_hours = vec!["Mon-Fri 08:00-18:00".into()];
        all.time_zone = Some("Europe/Berlin".into());
        assert_eq!(
            all.described(),
            [
                "objects of the directory are written only below OU=People, dc=contoso,DC=com",
                "only these attributes of the directory are written: proxyAddresses, targetAddress",
                "only these zones are written: contoso.com",
                "only these types of records are written: mx",
                "at most 500 objects are written to in one run",
                "nothing is written Mon-Fri 08:00-18:00 (Europe/Berlin)",
            ]
        );
        assert!(Fences::default().described().is_empty());
    }

    #[test]
    fn a_fence_that_makes_no_sense_is_named() {
        let fault = |fences: Fences| fences.fault().map(|(fence, ..)| fence);
        assert_eq!(fault(fences()), None);
        assert_eq!(fault(Fences { search_base: Some("People".into()), ..Fences::default() }), Some("search_base"));
        assert_eq!(fault(Fences { zones: vec![" ".into()], ..Fences::default() }), Some("zones"));
        assert_eq!(fault(Fences { most_objects: Some(0), ..Fences::default() }), Some("most_objects"));
        assert_eq!(
            fault(Fences { forbidden_hours: vec!["always".into()], ..Fences::default() }),
            Some("forbidden_hours")
        );
    }

    fn name() -> impl Strategy<Value = String> {
        // Letters, and signs that have to be escaped.
        proptest::collection::vec(("[A-Za-z]{1,6}", proptest::option::of(r"(\\,|\\2C|\\=|\\\\| )")), 1..3).prop_map(
            |parts| {
                parts.into_iter().map(|(text, sign)| text + sign.unwrap_or_default().as_str()).collect::<String>() + "x"
            },
        )
    }

    fn names() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec(name().prop_map(|n| format!("OU={n}")), 1..5)
    }

    proptest! {
        #[test]
        fn what_is_put_before_a_name_lies_below_it_in_any_case(above in names(), below in names()) {
            let base = above.join(",");
            let dn = format!("{},{base}", below.join(", "));
            prop_assert!(lies_below(&dn, &base));
            prop_assert!(lies_below(&dn.to_lowercase(), &base.to_uppercase()));
            // And nothing lies below what is longer than itself.
            prop_assert!(!lies_below(&base, &dn));
        }

        #[test]
        fn one_sign_more_in_a_part_is_another_part(above in names(), below in names()) {
            let base = above.join(",");
            let other = format!("{},{base}y", below.join(","));
            prop_assert!(!lies_below(&other, &base));
            // The name grown together with the base by an escaped comma.
            let grown = format!("{}\\,{base}", below.join(","));
            prop_assert!(!lies_below(&grown, &base));
        }

        #[test]
        fn a_zone_holds_its_names_and_no_neighbour(labels in proptest::collection::vec("[a-z]{1,8}", 0..3), zone in "[a-z]{1,8}\\.(com|test)") {
            let fences = Fences { zones: vec![zone.to_uppercase()], ..Fences::default() };
            let mut name = labels.clone();
            name.push(zone.clone());
            prop_assert_eq!(fences.crossed(&record(None, &name.join("."), "MX")), None);
            let neighbour = format!("x{zone}");
            prop_assert_eq!(fences.crossed(&record(None, &neighbour, "MX")).map(|c| c.fence), Some("zones"));
        }
    }
}
