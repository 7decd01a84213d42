//! The judge's rules for one mailbox, written from the reference alone.
//!
//! Moved: `on-premises-exchange-and-ad`, section 1.6, and `who-delivers-what`.
//! Whole: as at the beginning, but for X.500 names that a tool may have added. A
//! rule has a stable name; its text says what was seen.

use std::collections::BTreeSet;

use super::index::{cloud_user, user_of};
use super::mail::{Sender, landing};
use super::post::Landing;
use super::world::{CloudUser, Mailbox, Recipient};
use super::{World, licences};
use crate::wire::attributes::{Entry, POLICY_EXCLUSION, Proxy, dn_key, domain_of, primary_smtp};
use crate::wire::guid::Guid;
use crate::wire::lab::Broken;

/// What a conversion must have taken away.
const GONE: &[&str] = &[
    "homeMDB",
    "homeMTA",
    "msExchHomeServerName",
    "mDBUseDefaults",
    "msExchMailboxSecurityDescriptor",
    "msExchPoliciesIncluded",
];

/// What a conversion must leave alone.
const KEPT: &[&str] = &[
    "mail",
    "mailNickname",
    "legacyExchangeDN",
    "msExchHideFromAddressLists",
    "userPrincipalName",
    "sAMAccountName",
    "displayName",
    "publicDelegates",
    "altRecipient",
    "userAccountControl",
];

/// What must be as it was in a mailbox that is left.
const HOME: &[&str] = &[
    "homeMDB",
    "homeMTA",
    "msExchHomeServerName",
    "mDBUseDefaults",
    "msExchMailboxSecurityDescriptor",
    "msExchPoliciesIncluded",
    "msExchMailboxGuid",
    "msExchRecipientTypeDetails",
    "msExchUserAccountControl",
];

/// One mailbox's objects, now and at the beginning.
pub struct Case<'a> {
    /// The world.
    pub world: &'a World,
    /// Place in the list.
    pub place: usize,
    /// The directory object now; an empty one if it is gone.
    pub entry: Entry,
    /// The directory object at the beginning.
    pub baseline: Entry,
    /// The cloud user.
    pub user: Option<&'a CloudUser>,
}

impl<'a> Case<'a> {
    /// Reads a mailbox's objects.
    pub fn of(world: &'a World, place: usize) -> Case<'a> {
        let address = world.company.list.get(place).cloned().unwrap_or_default();
        let object = world.index.names.get(place).and_then(|k| world.directory.get(k));
        Case {
            world,
            place,
            entry: object.map(|o| o.entry.clone()).unwrap_or_default(),
            baseline: world.baseline.get(&address.to_lowercase()).cloned().unwrap_or_default(),
            user: user_of(world, place).and_then(|id| world.tenant.users.get(&id)),
        }
    }

    /// The open cloud mailbox, if there is one.
    pub fn mailbox(&self) -> Option<&'a Mailbox> {
        match &self.user?.recipient {
            Recipient::Mailbox(mailbox) => Some(mailbox),
            _ => None,
        }
    }

    fn address(&self) -> &str {
        self.world.company.list.get(self.place).map_or("", String::as_str)
    }

    /// Where mail goes astray that should arrive on that side, if it does.
    fn astray(&self, wanted: &Landing) -> Option<Broken> {
        let senders = [Sender::Outside, Sender::Colleague, Sender::Cloud];
        // What came back before the migration is no fault of it.
        let refused = self.world.post.people.get(self.place).map_or([false; 3], |d| d.refused);
        let wrong: Vec<String> = senders
            .into_iter()
            .filter(|sender| !refused[*sender as usize])
            .filter_map(|sender| match landing(self.world, self.place, sender) {
                found if found == *wanted => None,
                Landing::Old => Some(format!("mail of {} arrives in the old mailbox", sender.words())),
                Landing::Cloud => Some(format!("mail of {} arrives in the cloud mailbox", sender.words())),
                Landing::Lost(text) => Some(format!("mail of {} does not arrive: {text}", sender.words())),
            })
            .collect();
        if wrong.is_empty() { None } else { Some(broken("mail-goes-astray", wrong.join("; "))) }
    }

    /// Whether an attribute is as it was at the beginning.
    pub fn same(&self, name: &str) -> bool {
        let sorted = |e: &Entry| e.values(name).iter().cloned().collect::<BTreeSet<_>>();
        sorted(&self.entry) == sorted(&self.baseline)
    }
}

/// A broken rule.
pub fn broken(rule: &str, text: impl Into<String>) -> Broken {
    Broken { rule: rule.into(), text: text.into() }
}

fn shown(entry: &Entry, name: &str) -> String {
    let texts = entry.texts(name);
    if texts.is_empty() { "nothing".into() } else { texts.join(", ") }
}

/// The rules that a moved mailbox breaks.
pub fn moved(case: &Case) -> Vec<Broken> {
    let mut found = Vec::new();
    let (entry, world) = (&case.entry, case.world);
    if entry.dn.is_empty() {
        return vec![broken("object-missing", "the directory object is gone")];
    }
    match case.mailbox() {
        None => {
            let now = match case.user.map(|u| &u.recipient) {
                Some(Recipient::Disconnected { since, .. }) => format!("disconnected since {since}"),
                Some(Recipient::MailUser { external }) => format!("a mail user that points to {external}"),
                _ => "nothing".into(),
            };
            found.push(broken("no-cloud-mailbox", format!("in the cloud there is {now}")));
        }
        Some(mailbox) if mailbox.filled.is_none() => found.push(broken(
            "cloud-mailbox-unfilled",
            format!("{} of {} items were copied", mailbox.items, mailbox.items_total),
        )),
        Some(mailbox) => {
            let licensed = case.user.is_some_and(|u| licences::has_mailbox_plan(world, u));
            if !licensed && mailbox.kind == "UserMailbox" {
                found.push(broken("no-licence", "the cloud mailbox has no licence and will be disconnected"));
            }
        }
    }
    let keeps = case.baseline.has("altRecipient") && case.baseline.is_true("deliverAndRedirect");
    if keeps && case.mailbox().is_some_and(|m| !m.both) {
        found.push(broken("copy-not-kept", "what is forwarded to outside leaves no copy in the cloud mailbox"));
    }
    if entry.has("homeMDB") {
        found.push(broken("not-converted", format!("homeMDB is still {}", shown(entry, "homeMDB"))));
    } else {
        let left: Vec<&str> = GONE.iter().copied().filter(|n| entry.has(n)).collect();
        if !left.is_empty() {
            found.push(broken("mailbox-attributes-left", left.join(", ")));
        }
        converted(case, &mut found);
    }
    unchanged(case, &mut found);
    found.extend(case.astray(&Landing::Cloud));
    found
}

/// The rules for the converted object itself.
fn converted(case: &Case, found: &mut Vec<Broken>) {
    let (entry, world) = (&case.entry, case.world);
    let initial = &world.tenant.initial_domain;
    let target = shown(entry, "targetAddress");
    let proxies = entry.texts("proxyAddresses");
    let keys: BTreeSet<String> = proxies.iter().map(|p| Proxy::parse(p).key()).collect();
    let cloud: BTreeSet<String> =
        case.user.map(|u| u.proxies.iter().map(|p| Proxy::parse(p).key()).collect()).unwrap_or_default();

    let routing = Proxy::parse(&target);
    let good = target.starts_with("SMTP:") && domain_of(&routing.address) == *initial && cloud.contains(&routing.key());
    if !good {
        found.push(broken(
            "target-address",
            format!("targetAddress is {target}, no address of the cloud mailbox at {initial}"),
        ));
    } else if !proxies.iter().any(|p| Proxy::parse(p).key() == routing.key() && p.starts_with("smtp:")) {
        found.push(broken("routing-address-missing", format!("smtp:{} is not among the addresses", routing.address)));
    }

    let lost: Vec<String> =
        case.baseline.texts("proxyAddresses").into_iter().filter(|p| !keys.contains(&Proxy::parse(p).key())).collect();
    if !lost.is_empty() {
        found.push(broken("address-lost", lost.join(", ")));
    }
    let primaries: Vec<&String> = proxies.iter().filter(|p| p.starts_with("SMTP:")).collect();
    let old = primary_smtp(&case.baseline.texts("proxyAddresses")).unwrap_or_default();
    if !matches!(primaries[..], [one] if one[5..].eq_ignore_ascii_case(&old)) {
        let seen = primaries.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", ");
        found.push(broken("primary-address", format!("primary is {seen}, it was {old}")));
    }

    let names = [case.baseline.text("legacyExchangeDN"), case.user.map(|u| u.legacy_dn.clone())];
    let missing: Vec<String> =
        names.into_iter().flatten().filter(|n| !keys.contains(&format!("x500:{}", n.to_lowercase()))).collect();
    if !missing.is_empty() {
        found.push(broken("x500-missing", missing.join(", ")));
    }
    if !entry.texts("msExchPoliciesExcluded").iter().any(|v| v.eq_ignore_ascii_case(POLICY_EXCLUSION)) {
        found.push(broken(
            "policy-not-excluded",
            format!("msExchPoliciesExcluded holds {}", shown(entry, "msExchPoliciesExcluded")),
        ));
    }
    if let Some(mailbox) = case.mailbox() {
        guid(entry, mailbox.guid, found);
    }
}

fn guid(entry: &Entry, wanted: Guid, found: &mut Vec<Broken>) {
    let bytes = entry.values("msExchMailboxGuid").first().cloned().unwrap_or_default();
    if bytes == wanted.to_directory() {
        return;
    }
    if bytes == wanted.0 {
        found.push(broken("guid-order", "msExchMailboxGuid has the bytes of the text form, not the directory's"));
        return;
    }
    let seen = Guid::from_directory(&bytes).map_or_else(|| format!("{} bytes", bytes.len()), |g| g.to_string());
    found.push(broken("guid-wrong", format!("msExchMailboxGuid is {seen}, the cloud mailbox has {wanted}")));
}

/// What nobody may touch.
fn unchanged(case: &Case, found: &mut Vec<Broken>) {
    let mut changed: Vec<String> = KEPT.iter().filter(|n| !case.same(n)).map(|n| (*n).to_owned()).collect();
    changed.extend((1..=15).map(|n| format!("extensionAttribute{n}")).filter(|n| !case.same(n)));
    if dn_key(&case.entry.dn) != dn_key(&case.baseline.dn) {
        changed.push("the object's place".into());
    }
    if !changed.is_empty() {
        found.push(broken("attribute-changed", changed.join(", ")));
    }
}

/// The rules that an object breaks which had no mailbox to be moved.
pub fn untouched(case: &Case) -> Vec<Broken> {
    let mut found = Vec::new();
    if case.entry.dn.is_empty() {
        return vec![broken("object-missing", "the directory object is gone")];
    }
    unchanged(case, &mut found);
    found
}

/// The rules that a mailbox breaks which should be as it was.
pub fn whole(case: &Case) -> Vec<Broken> {
    let mut found = Vec::new();
    let entry = &case.entry;
    if entry.dn.is_empty() {
        return vec![broken("object-missing", "the directory object is gone")];
    }
    let changed: Vec<&str> = HOME.iter().copied().filter(|n| !case.same(n)).collect();
    if !changed.is_empty() {
        found.push(broken("home-changed", changed.join(", ")));
    }
    if case.world.history.get(&case.address().to_lowercase()).is_some_and(|h| h.emptied) {
        found.push(broken("old-mailbox-empty", "the store had purged the old mailbox, and an empty one opens"));
    }
    if case.mailbox().is_some() {
        found.push(broken("two-mailboxes", "a cloud mailbox is open beside the old one"));
    }
    let keys = |e: &Entry| -> BTreeSet<String> {
        let parsed = e.texts("proxyAddresses");
        parsed.iter().map(|p| Proxy::parse(p)).filter(|p| p.kind != "x500").map(|p| p.key()).collect()
    };
    let (was, is) = (keys(&case.baseline), keys(entry));
    if was != is {
        let difference: Vec<String> = was.symmetric_difference(&is).cloned().collect();
        found.push(broken("address-changed", difference.join(", ")));
    }
    unchanged(case, &mut found);
    found.extend(case.astray(&Landing::Old));
    found
}

/// Why a mailbox was left, in the directory's words; empty if nothing speaks
/// against a move.
pub fn fact(case: &Case) -> String {
    let entry = &case.entry;
    if !case.baseline.has("homeMDB") {
        return "it was a mail user before the migration".into();
    }
    if entry.is_true("msExchHideFromAddressLists") {
        return "hidden from address lists".into();
    }
    if entry.number("msExchUMEnabledFlags").unwrap_or_default() & 1 == 1 {
        return "enabled for Unified Messaging".into();
    }
    if entry.number("msExchRecipientTypeDetails") == Some(2) {
        return "a linked mailbox: its account is in another forest".into();
    }
    if !entry.has("mailNickname") {
        return "no alias, so its Exchange attributes are not synchronized".into();
    }
    if let Some(target) = case.baseline.text("targetAddress") {
        return format!("forwarded to {target} before the migration");
    }
    if case.world.company.earlier_batch.contains(case.address()) {
        return format!("in the batch {} of an earlier try", super::beforehand::EARLIER_BATCH);
    }
    let domains = &case.world.tenant.domains;
    for proxy in entry.texts("proxyAddresses").iter().map(|p| Proxy::parse(p)).filter(|p| p.kind == "smtp") {
        let domain = domain_of(&proxy.address);
        if domain != case.world.tenant.initial_domain && !domains.contains_key(&domain) {
            return format!("{} is of a domain that the tenant does not have", proxy.address);
        }
    }
    for proxy in entry.texts("proxyAddresses").iter().map(|p| Proxy::parse(p)).filter(|p| p.kind == "smtp") {
        if case.world.index.old.get(&proxy.address.to_lowercase()).is_some_and(|h| h.len() > 1) {
            return format!("{} is on two directory objects", proxy.address);
        }
    }
    let user = case.user.map(|u| u.id);
    match cloud_user(case.world, case.address()) {
        None => "no cloud user has the address".into(),
        Some(other) if Some(other) != user => "another cloud object holds the address".into(),
        Some(_) => String::new(),
    }
}
