//! Directory synchronization: what of Active Directory reaches the tenant, when,
//! and what Exchange Online makes of it.
//!
//! Cycle, scope, computed addresses, quarantine: `life-of-a-mailbox`, section 1;
//! the sticky external address: KB4456110. It never writes to the directory.

use std::collections::BTreeSet;

use super::index::{cloud_user, place_of, smtp_keys};
use super::world::{AdObject, CloudUser, Due, Recipient, after};
use super::{World, company, incidents, index, mail, tenancy};
use crate::wire::attributes::{Entry, Proxy, address_key, dn_key, domain_of, primary_smtp};
use crate::wire::guid::{Guid, anchor};

/// A cycle every 30 minutes.
const CYCLE: i64 = 30 * 60;
/// From the directory to Exchange Online: 5 minutes (real: minutes to a day).
const FORWARD: i64 = 5 * 60;
/// Recipient types that the default rules leave out.
const SKIPPED_TYPES: i64 = 0x21C0_7000;

/// The source anchor of an object: ms-DS-ConsistencyGuid where it is set, else
/// objectGUID.
pub fn anchor_of(object: &AdObject) -> String {
    match object.entry.values("mS-DS-ConsistencyGuid").first() {
        Some(bytes) => anchor(bytes),
        None => anchor(&object.guid.to_directory()),
    }
}

/// One cycle of the schedule; the next follows by itself.
pub fn cycle(world: &mut World) {
    if !incidents::synchronization_stands(world) {
        run(world);
    }
    let next = after(world.now, CYCLE);
    world.later(next, "synchronization", Due::Sync);
}

/// One cycle at once, as somebody asks for it (`Start-ADSyncSyncCycle`); the
/// schedule goes on beside it.
pub fn run(world: &mut World) {
    if verified(world) != world.verified_seen {
        domains_changed(world);
    }
    if !world.dirty.is_empty() {
        let mut keys = std::mem::take(&mut world.dirty);
        keys.extend(world.index.quarantined.iter().cloned());
        for key in keys {
            object(world, &key);
        }
    }
    world.tenant.last_sync = world.now;
}

fn verified(world: &World) -> BTreeSet<String> {
    world.tenant.domains.iter().filter(|(_, d)| d.verified).map(|(name, _)| name.clone()).collect()
}

/// A custom domain was verified (or is no more): sign-in names and addresses of
/// synchronized users are computed anew, at once.
pub fn domains_changed(world: &mut World) {
    world.verified_seen =
        world.tenant.domains.iter().filter(|(_, d)| d.verified).map(|(name, _)| name.clone()).collect();
    let all: Vec<Guid> = world.index.sources.keys().copied().collect();
    for id in all {
        let Some(key) = world.index.sources.get(&id).cloned() else { continue };
        let upn = world.directory.get(&key).and_then(|ad| ad.entry.text("userPrincipalName")).unwrap_or_default();
        let wanted = upn_for(world, id, &upn);
        if let Some(user) = world.tenant.users.get_mut(&id) {
            user.upn = wanted;
        }
        compute(world, id);
    }
    mail::forget_routes(world);
}

/// A new user reaches Exchange Online.
pub fn forward(world: &mut World, id: Guid) {
    let Some(user) = world.tenant.users.get_mut(&id) else { return };
    if user.recipient != Recipient::None || user.immutable_id.is_empty() || user.synced_proxies.is_empty() {
        return;
    }
    user.recipient = Recipient::MailUser { external: user.external.clone() };
    let name = user.mail.clone();
    world.event(&name, "mail_user_created", "");
    if let Some(place) = place_of(world, id) {
        mail::touch(world, place);
    }
}

/// Brings one directory object (`dn_key`) to the tenant.
pub fn object(world: &mut World, key: &str) {
    let Some(ad) = world.directory.get(key) else { return };
    let filtered =
        |(name, value): &(String, String)| ad.entry.text(name).is_some_and(|v| v.eq_ignore_ascii_case(value));
    if !in_scope(&ad.entry) || world.company.filter.as_ref().is_some_and(filtered) {
        return;
    }
    let image = Image::of(ad);
    let known = world.index.anchors.get(&image.anchor).copied();
    let id = match known.or_else(|| soft_match(world, &image)) {
        Some(id) => id,
        None => create(world, &image),
    };
    world.index.anchors.insert(image.anchor.clone(), id);
    world.index.sources.insert(id, key.to_owned());
    let seen = world.tenant.users.get(&id).cloned();
    update(world, id, &image);
    let quarantined = world.tenant.users.get(&id).is_some_and(|u| !u.conflicts.is_empty());
    if quarantined {
        world.index.quarantined.insert(key.to_owned());
    } else {
        world.index.quarantined.remove(key);
    }
    tell(world, id, known.is_none(), seen.as_ref());
    if let Some(place) = place_of(world, id) {
        mail::touch(world, place);
    }
}

/// Writes down what a synchronization changed, if it changed something.
fn tell(world: &mut World, id: Guid, new: bool, before: Option<&CloudUser>) {
    let Some(user) = world.tenant.users.get(&id) else { return };
    let name = if user.mail.is_empty() { user.upn.clone() } else { user.mail.clone() };
    if new {
        let addresses = user.proxies.len();
        world.event(&name, "user_synchronized", format!("new, {addresses} addresses"));
        let at = after(world.now, FORWARD);
        world.later(at, &name, Due::ForwardSync(id));
        return;
    }
    let Some(before) = before else { return };
    let mut changed = Vec::new();
    let mut note = |differs: bool, what: &str| {
        if differs {
            changed.push(what.to_owned());
        }
    };
    note(before.upn != user.upn, "userPrincipalName");
    note(before.proxies != user.proxies, "proxyAddresses");
    note(before.external != user.external, "externalAddress");
    note(before.synced_guid != user.synced_guid, "exchangeGuid");
    note(before.hidden != user.hidden, "hidden");
    note(before.enabled != user.enabled, "accountEnabled");
    note(before.conflicts != user.conflicts, "quarantine");
    note(before.display_name != user.display_name, "displayName");
    if !changed.is_empty() {
        world.event(&name, "user_synchronized", changed.join(", "));
    }
}

/// What the default rules let in (users only: groups and contacts carry no
/// licence and no row).
fn in_scope(entry: &Entry) -> bool {
    let classes = entry.texts("objectClass");
    let details = entry.number("msExchRecipientTypeDetails").unwrap_or_default();
    let alias = entry.text("mailNickname").unwrap_or_default();
    classes.iter().any(|c| c.eq_ignore_ascii_case("user"))
        && entry.has("sAMAccountName")
        && !entry.has("isCriticalSystemObject")
        && !alias.starts_with("SystemMailbox{")
        && details & SKIPPED_TYPES == 0
        && details != 2
}

/// What synchronization reads of an object.
struct Image {
    anchor: String,
    upn: String,
    display: String,
    alias: String,
    shadow: Vec<String>,
    target: Option<String>,
    guid: Option<Guid>,
    hidden: bool,
    enabled: bool,
    usage: Entry,
}

impl Image {
    fn of(ad: &AdObject) -> Image {
        let entry = &ad.entry;
        // Blanks are no part of an address, and the cloud leaves them out of an alias.
        let alias = entry.text("mailNickname").unwrap_or_default().replace(' ', "");
        let mut shadow = entry.texts("proxyAddresses");
        shadow.sort();
        let exchange = !alias.is_empty();
        if let (Some(legacy), true) = (entry.text("legacyExchangeDN"), exchange) {
            let value = format!("x500:{legacy}");
            let key = Proxy::parse(&value).key();
            if !shadow.iter().any(|p| Proxy::parse(p).key() == key) {
                shadow.push(value);
            }
        }
        let mut usage = Entry::new(entry.dn.clone());
        for name in ["mail", "msExchUserCulture"] {
            usage.set(name, entry.values(name).to_vec());
        }
        Image {
            anchor: anchor_of(ad),
            upn: entry.text("userPrincipalName").unwrap_or_default(),
            display: entry.text("displayName").or_else(|| entry.text("cn")).unwrap_or_default(),
            shadow,
            target: entry.text("targetAddress").filter(|_| exchange).map(|t| bare(&t)),
            guid: entry
                .values("msExchMailboxGuid")
                .first()
                .filter(|_| exchange)
                .and_then(|b| Guid::from_directory(b))
                .filter(|g| *g != Guid::NIL),
            hidden: exchange && entry.is_true("msExchHideFromAddressLists"),
            enabled: entry.number("userAccountControl").unwrap_or_default() & 2 == 0,
            alias,
            usage,
        }
    }
}

/// An address without its prefix, spelling kept.
fn bare(text: &str) -> String {
    match text.split_once(':') {
        Some((_, rest)) => rest.to_owned(),
        None => text.to_owned(),
    }
}

/// A user without anchor with the same sign-in name or primary address.
fn soft_match(world: &World, image: &Image) -> Option<Guid> {
    let primary = primary_smtp(&image.shadow);
    let same = |user: &&CloudUser| {
        user.immutable_id.is_empty()
            && (user.upn.eq_ignore_ascii_case(&image.upn)
                || primary
                    .as_ref()
                    .is_some_and(|p| primary_smtp(&user.proxies).is_some_and(|q| q.eq_ignore_ascii_case(p))))
    };
    // Few users have no anchor; they are the hand-made ones.
    world.tenant.users.values().filter(|u| u.immutable_id.is_empty()).find(same).map(|u| u.id)
}

fn create(world: &mut World, image: &Image) -> Guid {
    let id = world.guid("cloud-user", &image.anchor);
    let name = if image.alias.is_empty() {
        bare(image.upn.split('@').next().unwrap_or_default())
    } else {
        image.alias.clone()
    };
    let mut user = tenancy::blank(world, "cloud-user", &format!("{name}@{}", world.tenant.initial_domain));
    user.id = id;
    user.legacy_dn = tenancy::legacy_dn(world, &image.anchor, &name);
    user.proxies = Vec::new();
    user.mail = String::new();
    user.upn = String::new();
    user.usage_location = company::usage_location(world, &image.usage);
    world.tenant.users.insert(id, user);
    id
}

fn update(world: &mut World, id: Guid, image: &Image) {
    let upn = upn_for(world, id, &image.upn);
    let now = world.now;
    let sticky = world.settings.is("stale_external_address", "yes");
    let freezes = world.settings.is("other_guid_synced", "freezes");
    let Some(user) = world.tenant.users.get_mut(&id) else { return };
    user.immutable_id = image.anchor.clone();
    user.upn = upn;
    user.display_name = image.display.clone();
    user.enabled = image.enabled;
    user.synced = now;
    // The other world of the doubt: a GUID that isn't the mailbox's is a validation
    // error, and nothing of the object but its addresses, which the directory of the
    // cloud computes, arrives any more.
    let own = match &user.recipient {
        Recipient::Mailbox(mailbox) | Recipient::Disconnected { mailbox, .. } => Some(mailbox.guid),
        _ => None,
    };
    if freezes && own.is_some() && image.guid.is_some() && image.guid != own {
        user.synced_proxies = image.shadow.clone();
        return compute(world, id);
    }
    if !image.alias.is_empty() {
        user.alias = image.alias.clone();
    }
    user.hidden = image.hidden;
    user.synced_guid = image.guid;
    let readdressed = address_set(&user.synced_proxies) != address_set(&image.shadow);
    user.synced_proxies = image.shadow.clone();
    match &image.target {
        Some(target) => {
            user.external = target.clone();
            user.synced_target = Some(target.clone());
        }
        // KB4456110: cleared alone, the old value stays until an address changes.
        None if sticky && user.synced_target.is_some() && !readdressed => {}
        None => {
            user.external = primary_smtp(&image.shadow).unwrap_or_default();
            user.synced_target = None;
        }
    }
    let outside = user.external.clone();
    match &mut user.recipient {
        Recipient::MailUser { external } | Recipient::Disconnected { external, .. } => *external = outside,
        Recipient::None | Recipient::Mailbox(_) => {}
    }
    compute(world, id);
}

fn address_set(proxies: &[String]) -> BTreeSet<(String, bool)> {
    proxies.iter().map(|p| Proxy::parse(p)).map(|p| (p.key(), p.primary && p.kind == "smtp")).collect()
}

/// Whether the tenant accepts mail for a domain.
pub fn accepted(world: &World, domain: &str) -> bool {
    domain.eq_ignore_ascii_case(&world.tenant.initial_domain)
        || world.tenant.domains.get(&domain.to_lowercase()).is_some_and(|d| d.verified)
}

fn upn_for(world: &World, id: Guid, upn: &str) -> String {
    let Some(user) = world.tenant.users.get(&id) else { return upn.to_owned() };
    if accepted(world, &domain_of(upn)) {
        return upn.to_owned();
    }
    let prefix = if user.alias.is_empty() { upn.split('@').next().unwrap_or_default() } else { &user.alias };
    format!("{prefix}@{}", world.tenant.initial_domain)
}

/// Computes the addresses of a user ("ProxyCalc") from what was synchronized, its
/// licences and its recipient.
pub fn compute(world: &mut World, id: Guid) {
    let Some(user) = world.tenant.users.get(&id) else { return };
    if user.immutable_id.is_empty() || user.synced_proxies.is_empty() {
        return;
    }
    let licensed = super::licences::has_mailbox_plan(world, user);
    let mailbox = matches!(user.recipient, Recipient::Mailbox(_) | Recipient::Disconnected { .. });
    let routing = format!("{}@{}", user.alias, world.tenant.initial_domain);
    // Once stamped, the routing address stays.
    let stamped = smtp_keys(&user.proxies).contains(&routing.to_lowercase());
    let mut proxies: Vec<String> = Vec::new();
    let mut keys = BTreeSet::new();
    let mut conflicts = Vec::new();
    for value in &user.synced_proxies {
        let proxy = Proxy::parse(value);
        if proxy.kind == "smtp" {
            if licensed && !accepted(world, &domain_of(&proxy.address)) {
                continue;
            }
            if cloud_user(world, &proxy.address).is_some_and(|holder| holder != id) {
                conflicts.push(("ProxyAddress".to_owned(), value.clone()));
                continue;
            }
        }
        if keys.insert(proxy.key()) {
            proxies.push(value.clone());
        }
    }
    let mut stamp = |address: &str| {
        let free = cloud_user(world, address).is_none_or(|holder| holder == id);
        if free && keys.insert(format!("smtp:{}", address.to_lowercase())) {
            proxies.push(format!("smtp:{address}"));
        }
    };
    if licensed && accepted(world, &domain_of(&user.upn)) {
        stamp(&user.upn);
    }
    if licensed || mailbox || stamped {
        stamp(&routing);
    }
    if primary_smtp(&proxies).is_none() {
        // Without its primary a user falls back to an address of the initial domain.
        let key = format!("smtp:{}", routing.to_lowercase());
        proxies.retain(|p| Proxy::parse(p).key() != key);
        proxies.push(format!("SMTP:{routing}"));
    }
    let before = user.proxies.clone();
    world.index.tenant(id, &before, &proxies);
    if let Some(user) = world.tenant.users.get_mut(&id) {
        user.mail = primary_smtp(&proxies).unwrap_or_default();
        user.proxies = proxies;
        user.conflicts = conflicts;
    }
}

/// A directory object was changed effectively over LDAP: event, count of the kind of change
/// (`convert`, `release`, `other`), and what follows.
pub fn directory_changed(world: &mut World, dn_key: &str, before: &Entry) {
    let after_image = world.directory.get(dn_key).map(|ad| ad.entry.clone()).unwrap_or_default();
    world.index.directory(dn_key, before, &after_image);
    world.dirty.insert(dn_key.to_owned());
    let kind = match (before.has("homeMDB"), after_image.has("homeMDB")) {
        (true, false) => "convert",
        (true, true) if before.has("targetAddress") && !after_image.has("targetAddress") => "release",
        _ => "other",
    };
    let place = world.index.places.get(dn_key).copied();
    let name = match place.and_then(|p| world.company.list.get(p)) {
        Some(address) => address.clone(),
        None => primary_smtp(&before.texts("proxyAddresses"))
            .or_else(|| primary_smtp(&after_image.texts("proxyAddresses")))
            .unwrap_or_else(|| dn_key.to_owned()),
    };
    world.wrote("ldap", &name, kind);
    let what = match kind {
        "convert" => "converted",
        "release" => "released",
        _ => "directory_changed",
    };
    world.event(&name, what, differing(before, &after_image).join(", "));
    // Whoever shares an address with this object may now be found, or not.
    let touched = smtp_keys(&before.texts("proxyAddresses"));
    for address in touched.symmetric_difference(&smtp_keys(&after_image.texts("proxyAddresses"))) {
        if let Some(other) = index::place(world, address) {
            mail::touch(world, other);
        }
    }
    if let Some(place) = place {
        let now = world.now;
        let kept = retention(world, &after_image);
        let history = world.history.entry(address_key(&name)).or_default();
        match kind {
            "convert" => {
                history.converted = Some(now);
                if let Some(drawer) = world.post.people.get_mut(place) {
                    drawer.has_moved = true;
                }
            }
            "release" => history.released = Some(now),
            _ if !before.has("homeMDB") && after_image.has("homeMDB") => {
                // Purged, it opens empty (`life-of-a-mailbox`, 3.5).
                let purged = history.converted.take().is_some_and(|since| after(since, kept) <= now);
                history.emptied |= purged;
                if let Some(drawer) = world.post.people.get_mut(place) {
                    drawer.has_moved = false;
                }
            }
            _ => {}
        }
        mail::touch(world, place);
        mail::around_change(world, place, mail::Sender::Colleague);
    }
}

/// Seconds for which the store of a mailbox keeps one that was taken off
/// (`msExchMailboxRetentionPeriod`; 30 days where it says nothing).
fn retention(world: &World, mailbox: &Entry) -> i64 {
    let store = mailbox.text("homeMDB").and_then(|dn| world.directory.get(&dn_key(&dn)));
    store.and_then(|s| s.entry.number("msExchMailboxRetentionPeriod")).unwrap_or(30 * 86_400)
}

/// Names of the attributes in which two images differ, sorted.
fn differing(before: &Entry, now: &Entry) -> Vec<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (name, values) in before.iter().chain(now.iter()) {
        let other = if before.values(name) == values { now } else { before };
        let mut left = other.values(name).to_vec();
        let mut right = values.to_vec();
        left.sort();
        right.sort();
        if left != right {
            names.insert(name.to_owned());
        }
    }
    names.into_iter().collect()
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
