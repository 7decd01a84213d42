//! Mistakes planted in the requests of conversions and releases: each spoils a
//! sound request in the way in which a tool's authors would have written it.
//!
//! Compiled for tests only; see `base::plant`.

use super::super::difference::{apply, spelling};
use super::CloudMailbox;
use crate::base::plant::{self, Plant};
use crate::wire::attributes::{Entry, Mod, primary_smtp};
use crate::wire::guid::Guid;

const PROXIES: &str = "proxyAddresses";

/// The request with the mistake of this thread in it; as it is if there is none.
pub(super) fn spoil(entry: &Entry, cloud: Option<&CloudMailbox>, sound: Vec<Mod>) -> Vec<Mod> {
    let mut mods = sound;
    let legacy = entry.text("legacyExchangeDN").unwrap_or_default();
    let cloud_dn = cloud.map(|c| c.legacy_dn.clone()).unwrap_or_default();
    let converts = mods.iter().any(|m| matches!(m, Mod::Delete(name, _) if name.eq_ignore_ascii_case("homeMDB")));
    if plant::is(Plant::X500Dropped) {
        without(&mut mods, PROXIES, |v| v == format!("x500:{legacy}").as_bytes());
    }
    if plant::is(Plant::CloudX500Dropped) {
        without(&mut mods, PROXIES, |v| v == format!("x500:{cloud_dn}").as_bytes());
    }
    if plant::is(Plant::RoutingMissing) {
        without(&mut mods, PROXIES, |v| v.starts_with(b"smtp:"));
    }
    if plant::is(Plant::PolicyNotExcluded) {
        without(&mut mods, "msExchPoliciesExcluded", |_| true);
    }
    if plant::is(Plant::GuidOrder) || plant::is(Plant::GuidAsText) {
        let guid = cloud.map_or(Guid::NIL, |c| c.guid);
        let wrong = if plant::is(Plant::GuidOrder) { guid.0.to_vec() } else { guid.to_string().into_bytes() };
        instead(&mut mods, "msExchMailboxGuid", wrong);
    }
    if plant::is(Plant::HomeMdbLeft) {
        keep(&mut mods, "homeMDB");
    }
    if plant::is(Plant::PoliciesLeft) {
        keep(&mut mods, "msExchPoliciesIncluded");
    }
    let proxies = entry.texts(PROXIES);
    let primary = primary_smtp(&proxies).unwrap_or_default();
    if plant::is(Plant::ProxiesReplaced) || plant::is(Plant::ModifyUnguarded) {
        let kept: Vec<Vec<u8>> = match plant::is(Plant::ModifyUnguarded) {
            true => entry.values(PROXIES).to_vec(),
            false => vec![format!("SMTP:{primary}").into_bytes()],
        };
        for change in &mut mods {
            if let Mod::Add(name, values) = change
                && name.eq_ignore_ascii_case(PROXIES)
            {
                *change = Mod::Replace(name.clone(), kept.iter().chain(values.iter()).cloned().collect());
            }
        }
    }
    if converts && plant::is(Plant::PrimaryReplaced) {
        let routing = format!("smtp:{}", entry.text("targetAddress").unwrap_or_default().replace("SMTP:", ""));
        without(&mut mods, PROXIES, |v| v == routing.as_bytes());
        let own = spelling(entry, PROXIES);
        mods.push(Mod::Delete(own.clone(), vec![format!("SMTP:{primary}").into_bytes()]));
        let new = vec![routing.replace("smtp:", "SMTP:").into_bytes(), format!("smtp:{primary}").into_bytes()];
        mods.push(Mod::Add(own, new));
    }
    if converts && plant::is(Plant::LegacyDnOverwritten) {
        mods.push(Mod::Replace("legacyExchangeDN".into(), vec![cloud_dn.into_bytes()]));
    }
    if converts && (plant::is(Plant::TargetAtHome) || plant::is(Plant::MailRewritten)) {
        let (name, value) = match plant::is(Plant::TargetAtHome) {
            true => ("targetAddress", format!("SMTP:{primary}")),
            false => ("mail", entry.text("targetAddress").unwrap_or_default().replace("SMTP:", "")),
        };
        mods.push(Mod::Replace(name.into(), vec![value.into_bytes()]));
    }
    if !converts && plant::is(Plant::TargetAtHome) {
        mods.retain(|m| !matches!(m, Mod::Add(n, _) | Mod::Delete(n, _) if n.eq_ignore_ascii_case("targetAddress")));
        without(&mut mods, PROXIES, |v| v.starts_with(b"smtp:"));
    }
    if plant::is(Plant::ReleaseWithoutAddress) && !converts {
        without(&mut mods, PROXIES, |v| v.starts_with(b"x500:"));
    }
    // What changes nothing is no request: its authors would compare, too.
    if apply(entry, &mods).is_ok_and(|after| after == *entry) { Vec::new() } else { mods }
}

/// Takes values out of what is added.
fn without(mods: &mut Vec<Mod>, attribute: &str, unwanted: impl Fn(&[u8]) -> bool) {
    for change in mods.iter_mut() {
        if let Mod::Add(name, values) = change
            && name.eq_ignore_ascii_case(attribute)
        {
            values.retain(|v| !unwanted(v));
        }
    }
    mods.retain(|m| !matches!(m, Mod::Add(_, values) if values.is_empty()));
}

/// Adds another value than the right one.
fn instead(mods: &mut [Mod], attribute: &str, value: Vec<u8>) {
    for change in mods {
        if let Mod::Add(name, values) = change
            && name.eq_ignore_ascii_case(attribute)
        {
            *values = vec![value.clone()];
        }
    }
}

/// Leaves an attribute that should go.
fn keep(mods: &mut Vec<Mod>, attribute: &str) {
    mods.retain(|m| !matches!(m, Mod::Delete(name, _) if name.eq_ignore_ascii_case(attribute)));
}
