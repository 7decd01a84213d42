//! The inverse of a change of a directory object: what we did to it is taken
//! away, what others did stays.
//!
//! Pure: images in, an image or the differences out. Of a single-valued attribute
//! the value must be ours still; of one with many values ours go and those that we
//! took come back, whatever others have added beside them.

use std::collections::BTreeSet;

use crate::wire::attributes::{Entry, Proxy, attribute};

/// An attribute that somebody else has changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub attribute: String,
    /// What we left there.
    pub ours: String,
    /// What stands there now.
    pub now: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Difference { attribute, ours, now } = self;
        write!(f, "{attribute} is {now}, and was left as {ours}")
    }
}

/// A before-image and an after-image of one change.
pub type Pair = (Entry, Entry);

/// The object as it is without the changes, which come newest first.
///
/// Addresses that `stays` names are not taken away.
///
/// # Errors
/// What somebody else has changed since.
pub fn without(now: &Entry, changes: &[Pair], stays: &dyn Fn(&Proxy) -> bool) -> Result<Entry, Vec<Difference>> {
    let mut work = now.clone();
    let mut found = Vec::new();
    for (place, (before, after)) in changes.iter().enumerate() {
        // What an older change would bring back is no edit of somebody else's: an
        // undo that was broken off has brought it back already.
        let older = changes.get(place..).unwrap_or_default();
        for name in touched(before, after) {
            let (old, new, held) = (before.values(&name), after.values(&name), work.values(&name).to_vec());
            if is_single(&name, old, new) {
                if same(&held, new) {
                    work.set(&name, old.to_vec());
                } else if !older.iter().any(|(before, _)| same(&held, before.values(&name))) {
                    found.push(Difference { ours: shown(new), now: shown(&held), attribute: name });
                }
                continue;
            }
            let is_address = name.eq_ignore_ascii_case("proxyAddresses");
            let keeps = |value: &[u8]| is_address && stays(&Proxy::parse(&String::from_utf8_lossy(value)));
            let mut values: Vec<Vec<u8>> =
                held.into_iter().filter(|v| !new.contains(v) || old.contains(v) || keeps(v)).collect();
            let missing: Vec<Vec<u8>> =
                old.iter().filter(|v| !new.contains(v) && !values.contains(v)).cloned().collect();
            values.extend(missing);
            work.set(&name, values);
        }
    }
    if found.is_empty() { Ok(work) } else { Err(found) }
}

/// Attributes in which two images differ.
fn touched(before: &Entry, after: &Entry) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let names = before.iter().chain(after.iter()).map(|(name, _)| name);
    let fresh = names.filter(|name| seen.insert(name.to_lowercase()));
    fresh.filter(|name| !same(before.values(name), after.values(name))).map(str::to_owned).collect()
}

fn is_single(name: &str, old: &[Vec<u8>], new: &[Vec<u8>]) -> bool {
    attribute(name).map_or(old.len() <= 1 && new.len() <= 1, |known| known.single)
}

fn same(a: &[Vec<u8>], b: &[Vec<u8>]) -> bool {
    a.iter().collect::<BTreeSet<_>>() == b.iter().collect::<BTreeSet<_>>()
}

/// Values for people; bytes that are no text are counted.
fn shown(values: &[Vec<u8>]) -> String {
    if values.is_empty() {
        return "nothing".into();
    }
    let one = |value: &Vec<u8>| match std::str::from_utf8(value) {
        Ok(text) if !text.chars().any(char::is_control) => format!("`{text}`"),
        _ => format!("{} bytes", value.len()),
    };
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::migration::difference::{apply, difference};

    fn entry(values: &[(&str, &[&str])]) -> Entry {
        let mut entry = Entry::new("CN=Ann,DC=contoso,DC=test");
        for (name, values) in values {
            entry.set(name, values.iter().map(|v| v.as_bytes().to_vec()).collect());
        }
        entry
    }

    const NONE: &dyn Fn(&Proxy) -> bool = &|_| false;

    #[test]
    fn what_others_added_stays_and_what_they_changed_is_a_conflict() {
        let before = entry(&[("homeMDB", &["CN=Store"]), ("proxyAddresses", &["SMTP:a@x.test"])]);
        let after = entry(&[("proxyAddresses", &["SMTP:a@x.test", "x500:/o=ours"])]);
        let now = entry(&[
            ("proxyAddresses", &["SMTP:a@x.test", "x500:/o=ours", "smtp:colleague@x.test"]),
            ("displayName", &["Ann"]),
        ]);
        let home = without(&now, &[(before.clone(), after.clone())], NONE).expect("nobody is in the way");
        assert_eq!(home.texts("proxyAddresses"), ["SMTP:a@x.test", "smtp:colleague@x.test"]);
        assert_eq!((home.text("homeMDB"), home.text("displayName")), (Some("CN=Store".into()), Some("Ann".into())));
        let keeps = without(&now, &[(before.clone(), after.clone())], &|p| p.kind == "x500").expect("as before");
        assert_eq!(keeps.values("proxyAddresses").len(), 3);
        let elsewhere = entry(&[("homeMDB", &["CN=Other"]), ("proxyAddresses", &["SMTP:a@x.test"])]);
        let found = without(&elsewhere, &[(before, after)], NONE).expect_err("somebody gave another store");
        assert_eq!(found.iter().map(|d| d.attribute.as_str()).collect::<Vec<_>>(), ["homeMDB"]);
        assert_eq!(found[0].to_string(), "homeMDB is `CN=Other`, and was left as nothing");
    }

    #[test]
    fn taken_back_twice_writes_nothing() {
        let before = entry(&[("homeMDB", &["CN=Store"]), ("mail", &["a@x.test"])]);
        let after = entry(&[("targetAddress", &["SMTP:a@t.test"]), ("mail", &["a@x.test"])]);
        let home = without(&after, &[(before.clone(), after.clone())], NONE).expect("it is ours");
        assert_eq!(home, before);
        let again = without(&home, &[(before, after)], NONE).expect("it is back");
        assert!(difference(&home, &again).is_empty());
    }

    fn images() -> impl Strategy<Value = Entry> {
        let values = prop::collection::btree_set("[a-d]", 0..3);
        prop::collection::vec(values, 3).prop_map(|all| {
            let mut entry = Entry::new("CN=x");
            for (name, values) in ["mail", "proxyAddresses", "publicDelegates"].iter().zip(all) {
                let single = *name == "mail";
                let values: Vec<Vec<u8>> =
                    values.into_iter().take(if single { 1 } else { 9 }).map(String::into_bytes).collect();
                entry.set(name, values);
            }
            entry
        })
    }

    fn sorted(entry: &Entry) -> Vec<(String, BTreeSet<Vec<u8>>)> {
        entry.iter().map(|(n, v)| (n.to_owned(), v.iter().cloned().collect())).collect()
    }

    proptest! {
        #[test]
        fn two_changes_taken_back_leave_what_was(first in images(), second in images(), third in images()) {
            let changes = [(second.clone(), third.clone()), (first.clone(), second)];
            let home = without(&third, &changes, NONE).expect("nobody was between");
            prop_assert_eq!(sorted(&home), sorted(&first));
            let written = apply(&third, &difference(&third, &home));
            prop_assert_eq!(written.map(|e| sorted(&e)), Ok(sorted(&first)));
        }
    }
}
