//! From migrated mailbox to mail-enabled user, and the way back of a row that
//! failed, as differences of attributes.
//!
//! Both are one guarded modify: what is taken away is named with its exact old
//! value, so that a colleague's edit between reading and writing makes the
//! whole request fail with result 16 and changes nothing. Only the named
//! attributes are touched; custom attributes, the hide flag, forwarding,
//! restrictions and delegates, which the published scripts drop, stay.
//!
//! End state: Microsoft, "Convert Exchange 2007 mailboxes to mail-enabled
//! users", KB318072 (address policies); the order and the guards are ours.
//! Nothing here writes, and whether the cloud mailbox is filled and the batch
//! item synced is asked by whoever calls.

use std::collections::BTreeSet;

use super::difference::{apply, spelling};
use crate::base::plant::{self, Plant};
use crate::wire::attributes::{Entry, Mod, POLICY_EXCLUSION, Proxy, address_key, domain_of};
use crate::wire::guid::Guid;

pub use super::difference::inverse;

/// Longest value of proxyAddresses and targetAddress (Active Directory schema).
const ADDRESS_LENGTH: usize = 1123;
/// msExchVersion of Exchange 2010, "0.10 (14.0.100.0)".
const VERSION_2010: i64 = 44_220_983_382_016;
/// Bit of msExchUMEnabledFlags that says Unified Messaging is on.
const UM_ENABLED: i64 = 1;
/// msExchRecipientTypeDetails that never belong to a person: system attendant,
/// system mailbox, Microsoft Exchange, arbitration, mailbox plan, discovery,
/// public-folder mailbox, monitoring, audit log.
pub const SYSTEM_TYPES: [i64; 9] =
    [8192, 16_384, 4_194_304, 8_388_608, 16_777_216, 536_870_912, 68_719_476_736, 549_755_813_888, 4_398_046_511_104];

/// Attributes of the old mailbox that go, each with its old values.
const MAILBOX_ATTRIBUTES: [&str; 6] = [
    "homeMTA",
    "msExchHomeServerName",
    "mDBUseDefaults",
    "msExchMailboxSecurityDescriptor",
    "msExchPoliciesIncluded",
    "msExchUserAccountControl",
];

/// What is needed of the cloud mailbox.
#[derive(Clone, Debug)]
pub struct CloudMailbox {
    /// legacyExchangeDN, `/o=ExchangeLabs/…`.
    pub legacy_dn: String,
    /// ExchangeGuid.
    pub guid: Guid,
    /// EmailAddresses with their prefixes.
    pub proxies: Vec<String>,
}

/// What the person becomes on premises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A mail-enabled user, as the published procedure makes it.
    MailUser,
    /// A remote mailbox; only where the schema is of 2010 or later.
    RemoteMailbox,
}

/// A conversion, ready to be written.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// One modify request; empty if nothing is left to do.
    pub mods: Vec<Mod>,
    /// The object as it will be.
    pub after: Entry,
    /// Converted before.
    pub already: bool,
}

/// The way back of a failed row: forwarding taken away.
#[derive(Clone, Debug)]
pub struct Release {
    /// One modify request; empty if nothing is left to do.
    pub mods: Vec<Mod>,
    /// The object as it will be.
    pub after: Entry,
    /// Nothing was to be done.
    pub already: bool,
}

/// Why an object is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A stable word: `no_mailbox`, `no_target`, `foreign_target`, …
    pub rule: &'static str,
    /// One sentence without a full stop.
    pub reason: String,
    /// The next thing to try.
    pub remedy: &'static str,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refusal {}

fn refuse<T>(rule: &'static str, reason: impl Into<String>, remedy: &'static str) -> Result<T, Refusal> {
    Err(Refusal { rule, reason: reason.into(), remedy })
}

/// The change that turns a migrated mailbox into a mail-enabled user that
/// leads to the cloud mailbox.
///
/// An object without homeMDB whose targetAddress leads to the cloud mailbox
/// counts as converted; what it lacks of the end state is added.
///
/// # Errors
/// The object is not one that may be converted; nothing should be written.
pub fn convert(
    entry: &Entry,
    cloud: &CloudMailbox,
    initial_domain: &str,
    profile: Profile,
) -> Result<Conversion, Refusal> {
    refuse_special(entry)?;
    let had_mailbox = entry.has("homeMDB");
    let Some(target) = entry.text("targetAddress") else {
        return if had_mailbox {
            refuse(
                "no_target",
                "the mailbox has no targetAddress, so the service has not moved it",
                "look whether its row is synced, and start the batch again if not",
            )
        } else {
            refuse("no_mailbox", "the object has no mailbox to convert", "take the row out of the list")
        };
    };
    let addresses: BTreeSet<String> = smtp_keys(&cloud.proxies);
    if !addresses.contains(&address_key(&target)) {
        return refuse(
            "foreign_target",
            format!("targetAddress {target} is no address of the cloud mailbox"),
            "find out who set it; somebody may forward this mailbox elsewhere",
        );
    }
    if cloud.guid == Guid::NIL || cloud.legacy_dn.is_empty() {
        return refuse(
            "no_cloud_mailbox",
            "the cloud recipient has no Exchange GUID or no legacyExchangeDN",
            "wait until the service has made the mailbox, then try again",
        );
    }
    if !entry.has("mailNickname") {
        return refuse(
            "no_alias",
            "the object has no mailNickname, so directory synchronization would drop its Exchange attributes",
            "give it its alias back and try again",
        );
    }
    let proxies = entry.texts("proxyAddresses");
    let primaries = proxies.iter().map(|p| Proxy::parse(p)).filter(|p| p.kind == "smtp" && p.primary).count();
    if primaries != 1 {
        return refuse(
            "primary",
            format!("the object has {primaries} primary SMTP addresses instead of one"),
            "leave exactly one SMTP: in capitals in proxyAddresses",
        );
    }

    let mut change = Change::new(entry);
    change.remove_all("homeMDB");
    for name in MAILBOX_ATTRIBUTES {
        change.remove_all(name);
    }
    let target = routing_target(&target, &cloud.proxies, initial_domain, profile)?;
    change.set_text("targetAddress", &target);
    let legacy = entry.text("legacyExchangeDN").filter(|dn| !dn.is_empty());
    let wanted = [
        Some(format!("x500:{}", cloud.legacy_dn)),
        legacy.map(|dn| format!("x500:{dn}")),
        Some(format!("smtp:{}", bare(&target))),
    ];
    change.add_proxies(wanted.into_iter().flatten())?;
    change.set("msExchMailboxGuid", cloud.guid.to_directory().to_vec());
    let excluded = entry.texts("msExchPoliciesExcluded");
    if !excluded.iter().any(|e| e.eq_ignore_ascii_case(POLICY_EXCLUSION)) {
        change.add("msExchPoliciesExcluded", vec![POLICY_EXCLUSION.as_bytes().to_vec()]);
    }
    for (name, number) in type_numbers(entry, profile) {
        change.set_text(name, &number.to_string());
    }
    change.spoil(Some(cloud));
    let already = !had_mailbox && change.mods.is_empty();
    // A target that stays is the guard of all that hangs on it: whoever takes it
    // away in the meantime refuses the whole, and nobody is converted into the
    // void. Taken and given back in the same request, it changes nothing.
    let unchanged = entry.text("targetAddress").filter(|old| *old == target);
    let unchanged = unchanged.filter(|_| !plant::is(Plant::ModifyUnguarded) && !plant::is(Plant::TargetAtHome));
    if let Some(old) = unchanged.filter(|_| !change.mods.is_empty()) {
        let value = vec![old.into_bytes()];
        change.mods.push(Mod::Delete("targetAddress".into(), value.clone()));
        change.mods.push(Mod::Add("targetAddress".into(), value));
    }
    let (mods, after) = change.finish();
    Ok(Conversion { mods, after, already })
}

/// The change that takes the forwarding of a failed row back.
///
/// Beside targetAddress an address changes: the cloud keeps the old external
/// address of a mail user until some address change is synchronized
/// (KB4456110). The one that is added is the cloud mailbox's legacyExchangeDN,
/// so that replies to what was sent from there find the person.
///
/// # Errors
/// There is no mailbox on premises to go back to, or somebody else's
/// forwarding stands there.
pub fn release(entry: &Entry, cloud: Option<&CloudMailbox>) -> Result<Release, Refusal> {
    if !entry.has("homeMDB") {
        return refuse(
            "no_mailbox",
            "there is no mailbox on premises that mail could go back to",
            "undo the conversion first",
        );
    }
    if let (Some(target), Some(cloud)) = (entry.text("targetAddress"), cloud)
        && !smtp_keys(&cloud.proxies).contains(&address_key(&target))
    {
        return refuse(
            "foreign_target",
            format!("targetAddress {target} is no address of the cloud mailbox, so the migration has not set it"),
            "find out who set it; somebody may forward this mailbox elsewhere",
        );
    }
    let mut change = Change::new(entry);
    change.remove_all("targetAddress");
    let address = cloud.filter(|c| !c.legacy_dn.is_empty()).map(|c| format!("x500:{}", c.legacy_dn));
    change.add_proxies(address.into_iter())?;
    change.spoil(cloud);
    let already = change.mods.is_empty();
    let (mods, after) = change.finish();
    Ok(Release { mods, after, already })
}

/// Refuses what no conversion may touch.
fn refuse_special(entry: &Entry) -> Result<(), Refusal> {
    if is_system(entry) {
        return refuse("system", "the object is a system mailbox", "take the row out of the list");
    }
    if entry.number("msExchUMEnabledFlags").is_some_and(|flags| flags & UM_ENABLED != 0) {
        return refuse(
            "um_enabled",
            "Unified Messaging is on for the mailbox",
            "switch it off with Disable-UMMailbox before the batch starts",
        );
    }
    Ok(())
}

/// Whether the object belongs to the system and not to a person.
pub fn is_system(entry: &Entry) -> bool {
    let name = entry
        .text("cn")
        .or_else(|| entry.dn.split(',').next().map(|rdn| rdn[rdn.find('=').map_or(0, |i| i + 1)..].to_owned()));
    let marks = ["systemmailbox{", "healthmailbox", "discoverysearchmailbox", "federatedemail.", "migration.8f3e7716"];
    let marked = |text: String| {
        let text = text.to_lowercase();
        marks.iter().any(|mark| text.starts_with(mark))
    };
    entry.number("msExchRecipientTypeDetails").is_some_and(|t| SYSTEM_TYPES.contains(&t))
        || name.is_some_and(marked)
        || entry.text("mailNickname").is_some_and(marked)
}

/// Where the mail user must lead: an onmicrosoft address of the cloud mailbox,
/// never one that the organization on premises hosts (a loop). What is right
/// stays as it is written.
fn routing_target(target: &str, proxies: &[String], initial_domain: &str, profile: Profile) -> Result<String, Refusal> {
    let initial = initial_domain.to_lowercase();
    let mail = initial.split_once('.').map(|(tenant, rest)| format!("{tenant}.mail.{rest}")).unwrap_or_default();
    let is_routing = |address: &str| [&initial, &mail].contains(&&domain_of(address));
    if is_routing(&address_key(target)) && target.contains(':') {
        return Ok(target.to_owned());
    }
    let order = match profile {
        Profile::MailUser => [&initial, &mail],
        Profile::RemoteMailbox => [&mail, &initial],
    };
    let candidate = order.into_iter().find_map(|domain| {
        let mut found: Vec<String> = smtp_keys(proxies).into_iter().filter(|a| domain_of(a) == *domain).collect();
        found.sort();
        found.into_iter().next()
    });
    match candidate {
        Some(address) => Ok(format!("SMTP:{address}")),
        None => refuse(
            "no_routing_address",
            format!("the cloud mailbox has no address at {initial_domain}"),
            "wait for the service to stamp it, or give the mailbox one",
        ),
    }
}

/// Recipient type numbers of the end state. On 2003 there are none and none
/// are made; 2007 gets those of a mail user, 2010 and later those of one that
/// is prepared for a move.
fn type_numbers(entry: &Entry, profile: Profile) -> Vec<(&'static str, i64)> {
    const DETAILS: &str = "msExchRecipientTypeDetails";
    const DISPLAY: &str = "msExchRecipientDisplayType";
    let details = entry.number(DETAILS);
    let version = entry.number("msExchVersion");
    match profile {
        Profile::MailUser if details.is_none() && version.is_none() => Vec::new(),
        Profile::MailUser if version.is_some_and(|v| v >= VERSION_2010) => {
            vec![(DETAILS, 128), (DISPLAY, -2_147_483_642)]
        }
        Profile::MailUser => vec![(DETAILS, 128), (DISPLAY, 6)],
        Profile::RemoteMailbox => {
            // The kind stays what it was: a room becomes a remote room.
            let (kind, display, remote) = match details.unwrap_or(1) {
                4 | 34_359_738_368 => (34_359_738_368, -2_147_483_642, 100),
                16 | 8_589_934_592 => (8_589_934_592, -2_147_481_850, 36),
                32 | 17_179_869_184 => (17_179_869_184, -2_147_481_594, 68),
                _ => (2_147_483_648, -2_147_483_642, 4),
            };
            let version = version.unwrap_or(0).max(VERSION_2010);
            vec![(DETAILS, kind), (DISPLAY, display), ("msExchRemoteRecipientType", remote), ("msExchVersion", version)]
        }
    }
}

fn bare(target: &str) -> &str {
    target.split_once(':').map_or(target, |(_, address)| address)
}

/// SMTP addresses among proxies, in the form in which they compare.
fn smtp_keys(proxies: &[String]) -> BTreeSet<String> {
    proxies
        .iter()
        .map(|p| Proxy::parse(p))
        .filter(|p| p.kind == "smtp")
        .map(|p| p.address.trim().to_lowercase())
        .collect()
}

/// A modify request in the making: only real differences become part of it.
struct Change<'a> {
    entry: &'a Entry,
    mods: Vec<Mod>,
}

impl<'a> Change<'a> {
    fn new(entry: &'a Entry) -> Self {
        Change { entry, mods: Vec::new() }
    }

    fn remove_all(&mut self, name: &str) {
        let old = self.entry.values(name);
        if !old.is_empty() {
            self.mods.push(Mod::Delete(spelling(self.entry, name), old.to_vec()));
        }
    }

    fn add(&mut self, name: &str, values: Vec<Vec<u8>>) {
        self.mods.push(Mod::Add(spelling(self.entry, name), values));
    }

    fn set(&mut self, name: &str, value: Vec<u8>) {
        if self.entry.values(name) != [value.clone()] {
            self.remove_all(name);
            self.add(name, vec![value]);
        }
    }

    fn set_text(&mut self, name: &str, value: &str) {
        self.set(name, value.as_bytes().to_vec());
    }

    /// Adds the missing ones, compared as Exchange does: without case, prefix
    /// included. A value that differs only by case is there already, and
    /// adding it would fail.
    fn add_proxies(&mut self, wanted: impl Iterator<Item = String>) -> Result<(), Refusal> {
        let mut have: BTreeSet<String> =
            self.entry.texts("proxyAddresses").iter().map(|p| Proxy::parse(p).key()).collect();
        let missing: Vec<String> = wanted.filter(|p| have.insert(Proxy::parse(p).key())).collect();
        if let Some(long) = missing.iter().find(|p| p.chars().count() > ADDRESS_LENGTH) {
            let start: String = long.chars().take(60).collect();
            return refuse(
                "too_long",
                format!("the address {start}… is longer than the {ADDRESS_LENGTH} characters that the directory holds"),
                "look at the legacyExchangeDN of the object; it is damaged",
            );
        }
        if !missing.is_empty() {
            self.add("proxyAddresses", missing.into_iter().map(String::into_bytes).collect());
        }
        Ok(())
    }

    /// Puts the mistake in that a test has planted.
    fn spoil(&mut self, _cloud: Option<&CloudMailbox>) {
        #[cfg(test)]
        {
            self.mods = plants::spoil(self.entry, _cloud, std::mem::take(&mut self.mods));
        }
    }

    fn finish(self) -> (Vec<Mod>, Entry) {
        let after = apply(self.entry, &self.mods).expect("a change is made of what the object holds");
        (self.mods, after)
    }
}

#[cfg(test)]
#[path = "conversion_plants.rs"]
mod plants;
#[cfg(test)]
#[path = "conversion_tests.rs"]
mod tests;
