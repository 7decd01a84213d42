//! The list against both directories: which rows may go, and why the others
//! stay.
//!
//! Facts come in as plain values, nobody is asked here. A row with a fault of
//! its own is set aside and left whole; the same fault in every row is the
//! fault of the environment, and is marked so, because only such a one ends a
//! run. Licences have a check of their own (`licences`).

use std::collections::{BTreeMap, BTreeSet};

use super::conversion::is_system;
use super::list::Mailboxes;
use super::rules::{EVERY_KIND, Example, Rule, Severity, rule};
use crate::wire::attributes::{Entry, Proxy, address_key, dn_key, domain_of, primary_smtp};

/// Bit of userAccountControl that says the account is disabled.
const ACCOUNT_DISABLED: i64 = 2;
/// msExchRecipientTypeDetails of a linked mailbox.
const LINKED: i64 = 2;

/// A mail object on premises.
#[derive(Clone, Debug, Default)]
pub struct OnPremises {
    /// Distinguished name.
    pub dn: String,
    /// Primary SMTP address, as written; empty if there is none.
    pub address: String,
    /// proxyAddresses.
    pub proxies: Vec<String>,
    /// mailNickname; empty if there is none.
    pub alias: String,
    /// homeMDB is there.
    pub has_mailbox: bool,
    /// Hidden from address lists.
    pub hidden: bool,
    /// Unified Messaging is on.
    pub um_enabled: bool,
    /// msExchRecipientTypeDetails; absent on Exchange 2003.
    pub type_details: Option<i64>,
    /// targetAddress, as written.
    pub target_address: Option<String>,
    /// legacyExchangeDN; empty if there is none.
    pub legacy_dn: String,
    /// The account may sign in.
    pub enabled: bool,
    /// Belongs to the system, not to a person.
    pub system: bool,
}

impl OnPremises {
    /// What a directory object says.
    pub fn of(entry: &Entry) -> OnPremises {
        let proxies = entry.texts("proxyAddresses");
        OnPremises {
            dn: entry.dn.clone(),
            address: primary_smtp(&proxies).or_else(|| entry.text("mail")).unwrap_or_default(),
            alias: entry.text("mailNickname").unwrap_or_default(),
            has_mailbox: entry.has("homeMDB"),
            hidden: entry.is_true("msExchHideFromAddressLists"),
            um_enabled: entry.number("msExchUMEnabledFlags").is_some_and(|f| f & 1 != 0),
            type_details: entry.number("msExchRecipientTypeDetails"),
            target_address: entry.text("targetAddress").filter(|t| !t.is_empty()),
            enabled: entry.number("userAccountControl").is_none_or(|f| f & ACCOUNT_DISABLED == 0),
            system: is_system(entry),
            legacy_dn: entry.text("legacyExchangeDN").unwrap_or_default(),
            proxies,
        }
    }
}

/// A user of the tenant as Graph and Exchange Online show it.
#[derive(Clone, Debug, Default)]
pub struct InCloud {
    /// Object id.
    pub id: String,
    /// userPrincipalName.
    pub upn: String,
    /// Addresses with their prefixes.
    pub proxies: Vec<String>,
    /// `MailUser`, `UserMailbox`, `SharedMailbox`, …; empty if Exchange Online
    /// has no recipient.
    pub recipient_type: String,
    /// Holds a plan with a mailbox.
    pub licensed: bool,
    /// Two letters, empty if none.
    pub usage_location: String,
    /// (property, value) of what synchronization left in quarantine.
    pub conflicts: Vec<(String, String)>,
}

impl InCloud {
    /// Whether Exchange Online has a mailbox for it.
    pub fn is_mailbox(&self) -> bool {
        self.recipient_type.to_ascii_lowercase().ends_with("mailbox")
    }
}

/// A row that stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Address as the list writes it.
    pub address: String,
    /// Identifier of the rule.
    pub rule: &'static str,
    /// One sentence without a full stop.
    pub reason: String,
    /// What to do.
    pub remedy: String,
    /// Every row has it: the environment is at fault, not the row.
    pub everybody: bool,
}

/// What came of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Every reason, in list order; a row may have several.
    pub aside: Vec<Aside>,
    /// What is worth a warning and sets nobody aside, in list order.
    pub warned: Vec<Aside>,
    /// Addresses of rows that were converted before; nothing is left to do.
    pub done: Vec<String>,
}

impl Checked {
    /// Addresses that must not go on, converted ones included.
    pub fn out(&self) -> BTreeSet<String> {
        self.aside.iter().map(|a| a.address.clone()).chain(self.done.iter().cloned()).collect()
    }

    /// Whether something concerns everybody.
    pub fn concerns_everybody(&self) -> bool {
        self.aside.iter().any(|a| a.everybody)
    }
}

/// No object on premises has the address.
pub const NOT_ON_PREMISES: &str = "SP201";
/// It has, but as a second address.
pub const NOT_PRIMARY: &str = "SP202";
/// Hidden from address lists.
pub const HIDDEN: &str = "SP203";
/// No cloud object has the address.
pub const NOT_IN_CLOUD: &str = "SP204";
/// The cloud object is neither mail user nor mailbox of an earlier try.
pub const WRONG_RECIPIENT: &str = "SP205";
/// Two objects hold one address.
pub const SHARED_ADDRESS: &str = "SP206";
/// An address is in quarantine.
pub const CONFLICT: &str = "SP207";
/// An address of a domain that the tenant does not have.
pub const UNVERIFIED: &str = "SP208";
/// The row is in another batch.
pub const OTHER_BATCH: &str = "SP209";
/// Unified Messaging is on.
pub const UNIFIED_MESSAGING: &str = "SP210";
/// A system mailbox.
pub const SYSTEM: &str = "SP211";
/// There is an object on premises, but no mailbox.
pub const NO_MAILBOX: &str = "SP212";
/// Somebody else's forwarding.
pub const FORWARDED: &str = "SP213";
/// A linked mailbox.
pub const LINKED_MAILBOX: &str = "SP214";
/// No mailNickname.
pub const NO_ALIAS: &str = "SP215";
/// Two mailboxes: one on each side.
pub const SECOND_MAILBOX: &str = "SP216";
/// Converted without its X.500 name.
pub const NO_X500: &str = "SP217";

const KNOW: &str = "Microsoft, What you need to know about a staged migration";
const ERRORS: &str = "Microsoft, errors of staged migrations";

macro_rules! against {
    ($id:expr, $meaning:expr, $cause:expr, $remedy:expr, $source:expr, $example:expr) => {
        Rule {
            id: $id,
            severity: Severity::Error,
            meaning: $meaning,
            cause: $cause,
            remedy: $remedy,
            source: $source,
            example: Example::Situation($example),
            implies: &[],
            kinds: EVERY_KIND,
        }
    };
}

/// Every rule of a list against the directories; each sets the row aside.
pub const LIST_RULES: &[Rule] = &[
    against!(
        NOT_ON_PREMISES,
        "an object on premises has the address",
        "a slip in the list, or a person who has left",
        "correct the row or take it out",
        ERRORS,
        "the list has ann@contoso.test, the directory does not"
    ),
    against!(
        NOT_PRIMARY,
        "the address is the primary one",
        "the list was made from user names or from an old address book",
        "write the primary SMTP address into the list",
        "Microsoft, CSV files for mailbox migration",
        "the list has a.smith@contoso.test, the primary address is ann@contoso.test"
    ),
    against!(
        HIDDEN,
        "the mailbox is not hidden from address lists",
        "rooms, leavers and service accounts are often hidden",
        "show it, wait for the address list to be made anew, start, and hide it again afterwards",
        ERRORS,
        "msExchHideFromAddressLists is TRUE"
    ),
    against!(
        NOT_IN_CLOUD,
        "a mail user of the tenant has the address",
        "directory synchronization is off, filters the person away, or has not run yet",
        "bring the person into the scope of directory synchronization and run a cycle",
        KNOW,
        "no user of the tenant has ann@contoso.test"
    ),
    against!(
        WRONG_RECIPIENT,
        "the cloud object is a mail user, or the mailbox of an earlier try",
        "a licence was given before the Exchange GUID was synchronized, so that two mailboxes exist",
        "decide which mailbox counts; taking the licence away makes it a mail user again",
        KNOW,
        "the cloud has a licensed mailbox that no batch has made"
    ),
    against!(
        SHARED_ADDRESS,
        "an address belongs to one object",
        "a leftover contact, a copied account, a group of the same name",
        "take the address off the wrong object and run a cycle",
        "Microsoft, duplicate attribute resiliency",
        "two objects hold smtp:ann@contoso.test"
    ),
    against!(
        CONFLICT,
        "synchronization left nothing of the person in quarantine",
        "another cloud object holds the same address or user name",
        "solve the conflict in the tenant; an hourly sweep puts the value back",
        "Microsoft, duplicate attribute resiliency",
        "ProxyAddresses SMTP:ann@contoso.test in conflict"
    ),
    against!(
        UNVERIFIED,
        "every address is of a domain that the tenant has verified",
        "an inside domain such as contoso.local, or one that was forgotten",
        "verify the domain or take the address off",
        "Microsoft Support, NotAcceptedDomainException",
        "smtp:ann@contoso.local"
    ),
    against!(
        OTHER_BATCH,
        "the mailbox is in no other batch",
        "an earlier try, or somebody else's batch",
        "remove the mailbox from that batch, or the batch",
        "Microsoft Support, UserAlreadyBeingMigratedException",
        "ann@contoso.test is in the batch `test`"
    ),
    against!(
        UNIFIED_MESSAGING,
        "Unified Messaging is off",
        "voice mail is still on for the person",
        "switch it off with Disable-UMMailbox",
        KNOW,
        "bit 1 of msExchUMEnabledFlags"
    ),
    against!(
        SYSTEM,
        "the mailbox belongs to a person",
        "an export without a filter",
        "take the row out",
        "stagepost",
        "SystemMailbox{1f05a927-...}"
    ),
    against!(
        NO_MAILBOX,
        "the object on premises has a mailbox",
        "a contact, a mail user, or a mailbox that was removed",
        "take the row out",
        ERRORS,
        "the object has no homeMDB"
    ),
    against!(
        FORWARDED,
        "nobody forwards the mailbox elsewhere by targetAddress",
        "an earlier move to another organization",
        "clear targetAddress if it is not needed any more: the service overwrites it",
        KNOW,
        "targetAddress is SMTP:ann@elsewhere.test"
    ),
    against!(
        LINKED_MAILBOX,
        "the mailbox is not linked to an account of another forest",
        "a resource forest",
        "synchronize both forests, or make it a user mailbox",
        "Microsoft, default rules of directory synchronization",
        "msExchRecipientTypeDetails is 2"
    ),
    against!(
        NO_ALIAS,
        "the object has an alias",
        "mailNickname was emptied by hand",
        "give it its alias back: without one its Exchange attributes are not synchronized",
        "Microsoft, default rules of directory synchronization",
        "mailNickname is empty"
    ),
    Rule {
        severity: Severity::Warning,
        ..against!(
            SECOND_MAILBOX,
            "the person has one mailbox",
            "a licence was given before the Exchange GUID was synchronized",
            "ask the person what the cloud mailbox holds; taking its licence away makes it a mail user again",
            KNOW,
            "the cloud has a licensed mailbox that no batch has made"
        )
    },
    Rule {
        severity: Severity::Warning,
        ..against!(
            NO_X500,
            "a converted object has kept its X.500 name",
            "it was converted by hand",
            "convert_to_mail_user of these mailboxes adds what is missing",
            KNOW,
            "a mail user without x500: of its legacyExchangeDN"
        )
    },
];

/// Checks every row. `in_batches` leads from an address to the batch that holds
/// it, without the batches that this migration made itself. `verified` are the
/// tenant's domains in lower case, the initial one among them; an empty set
/// leaves the rule out.
pub fn check(
    list: &Mailboxes,
    on_premises: &[OnPremises],
    in_cloud: &[InCloud],
    in_batches: &BTreeMap<String, String>,
    verified: &BTreeSet<String>,
) -> Checked {
    let holders = holders(on_premises.iter().map(|o| o.proxies.as_slice()));
    let cloud_holders = holders_of_cloud(in_cloud);
    let in_batches: BTreeMap<String, &String> = in_batches.iter().map(|(a, b)| (address_key(a), b)).collect();
    let mut checked = Checked::default();
    for row in list.iter() {
        let key = row.key();
        let mut judge = Judge { address: row.address(), aside: Vec::new(), warned: Vec::new() };
        let mine = holders.get(&key).map_or(&[][..], Vec::as_slice);
        let person = pick(mine.iter().filter_map(|i| on_premises.get(*i)), &key);
        let cloud: Vec<&InCloud> =
            cloud_holders.get(&key).into_iter().flatten().filter_map(|i| in_cloud.get(*i)).collect();
        let done = match person {
            None => {
                judge.say(NOT_ON_PREMISES, "no object on premises has the address".into());
                false
            }
            Some(person) => {
                let done = judge.on_premises(person, &key, &cloud);
                if !done {
                    judge.addresses(person, &holders, on_premises, verified);
                }
                done
            }
        };
        if done {
            checked.warned.append(&mut judge.warned);
            checked.done.push(row.address().to_owned());
            continue;
        }
        // Nothing that follows would be more than an echo.
        if !judge.has(NOT_PRIMARY) && !judge.has(SYSTEM) && !judge.has(NOT_ON_PREMISES) {
            judge.in_cloud(person, &cloud);
        }
        if let Some(batch) = in_batches.get(&key) {
            judge.say(OTHER_BATCH, format!("the mailbox is in the batch {batch} already"));
        }
        checked.aside.append(&mut judge.aside);
        checked.warned.append(&mut judge.warned);
    }
    mark_everybody(list.len(), &mut checked.aside);
    checked
}

/// Of several objects the one whose primary address it is, else one with a
/// mailbox, else the first.
fn pick<'a>(candidates: impl Iterator<Item = &'a OnPremises>, key: &str) -> Option<&'a OnPremises> {
    candidates.enumerate().min_by_key(|(i, o)| (address_key(&o.address) != key, !o.has_mailbox, *i)).map(|(_, o)| o)
}

/// Who holds which SMTP address.
fn holders<'a>(proxies: impl Iterator<Item = &'a [String]>) -> BTreeMap<String, Vec<usize>> {
    let mut holders: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, proxies) in proxies.enumerate() {
        for proxy in proxies.iter().map(|p| Proxy::parse(p)).filter(|p| p.kind == "smtp") {
            let list = holders.entry(proxy.address.trim().to_lowercase()).or_default();
            if list.last() != Some(&index) {
                list.push(index);
            }
        }
    }
    holders
}

fn holders_of_cloud(in_cloud: &[InCloud]) -> BTreeMap<String, Vec<usize>> {
    holders(in_cloud.iter().map(|c| c.proxies.as_slice()))
}

struct Judge<'a> {
    address: &'a str,
    aside: Vec<Aside>,
    warned: Vec<Aside>,
}

impl Judge<'_> {
    fn has(&self, id: &str) -> bool {
        self.aside.iter().any(|a| a.rule == id)
    }

    fn warn(&mut self, id: &'static str, reason: String) {
        let remedy = rule(id).map_or("", |r| r.remedy).to_owned();
        self.warned.push(Aside { address: self.address.to_owned(), rule: id, reason, remedy, everybody: false });
    }

    fn say(&mut self, id: &'static str, reason: String) {
        let remedy = rule(id).map_or("", |r| r.remedy).to_owned();
        self.aside.push(Aside { address: self.address.to_owned(), rule: id, reason, remedy, everybody: false });
    }

    /// The object on premises; answers whether the row is done.
    fn on_premises(&mut self, person: &OnPremises, key: &str, cloud: &[&InCloud]) -> bool {
        let leads_to_cloud = person.target_address.as_deref().is_some_and(|target| {
            let target = address_key(target);
            cloud.iter().any(|c| c.proxies.iter().any(|p| address_key(p) == target))
        });
        if !person.has_mailbox {
            if leads_to_cloud && cloud.iter().any(|c| c.is_mailbox()) {
                let own = format!("x500:{}", person.legacy_dn.to_lowercase());
                if !person.legacy_dn.is_empty() && !person.proxies.iter().any(|p| p.to_lowercase() == own) {
                    let text = "it was converted without its X.500 name: replies to old mail come back";
                    self.warn(NO_X500, text.to_owned());
                }
                return true;
            }
            let text = if leads_to_cloud {
                "the mailbox was converted, but the cloud has no mailbox for it"
            } else {
                "the object on premises has no mailbox"
            };
            self.say(NO_MAILBOX, text.to_owned());
            return false;
        }
        if person.system {
            self.say(SYSTEM, "it is a system mailbox".to_owned());
            return false;
        }
        if address_key(&person.address) != key {
            self.say(NOT_PRIMARY, format!("the primary address of the mailbox is {}", person.address));
        }
        if person.hidden {
            self.say(HIDDEN, "the mailbox is hidden from address lists, where the service looks for it".to_owned());
        }
        if person.um_enabled {
            self.say(UNIFIED_MESSAGING, "Unified Messaging is on for the mailbox".to_owned());
        }
        if person.type_details == Some(LINKED) {
            self.say(LINKED_MAILBOX, "it is a linked mailbox".to_owned());
        }
        if person.alias.is_empty() {
            self.say(NO_ALIAS, "the object has no alias".to_owned());
        }
        if let Some(target) = person.target_address.as_deref().filter(|_| !leads_to_cloud && !cloud.is_empty()) {
            self.say(FORWARDED, format!("the mailbox is forwarded to {target}"));
        }
        false
    }

    fn addresses(
        &mut self,
        person: &OnPremises,
        holders: &BTreeMap<String, Vec<usize>>,
        all: &[OnPremises],
        verified: &BTreeSet<String>,
    ) {
        let proxies = person.proxies.iter().map(|p| Proxy::parse(p)).filter(|p| p.kind == "smtp");
        let mut unverified = BTreeSet::new();
        for proxy in proxies {
            let address = proxy.address.trim().to_lowercase();
            let others = holders.get(&address).into_iter().flatten().filter_map(|i| all.get(*i));
            let me = dn_key(&person.dn);
            if let Some(other) = others.into_iter().find(|o| dn_key(&o.dn) != me) {
                self.say(SHARED_ADDRESS, format!("{address} belongs to {} as well", other.dn));
            }
            let domain = domain_of(&address);
            if !verified.is_empty() && !verified.contains(&domain) && unverified.insert(domain.clone()) {
                self.say(UNVERIFIED, format!("{address} is of the domain {domain}, which the tenant has not verified"));
            }
        }
    }

    fn in_cloud(&mut self, person: Option<&OnPremises>, cloud: &[&InCloud]) {
        let Some(first) = cloud.first() else {
            return self.say(NOT_IN_CLOUD, "no user of the tenant has the address".to_owned());
        };
        if cloud.len() > 1 {
            let names: Vec<&str> = cloud.iter().map(|c| c.upn.as_str()).collect();
            self.say(
                SHARED_ADDRESS,
                format!("{} users of the tenant have the address: {}", cloud.len(), names.join(", ")),
            );
        }
        for (property, value) in cloud.iter().flat_map(|c| &c.conflicts) {
            self.say(CONFLICT, format!("synchronization left {value} out of {property} because another object has it"));
        }
        let kind = first.recipient_type.as_str();
        if first.is_mailbox() {
            // Only a batch makes a mailbox without a licence, writes
            // targetAddress, or leaves the cloud's X500 behind on premises.
            let traces = person.is_some_and(|p| {
                p.target_address.is_some()
                    || p.proxies.iter().any(|x| x.to_ascii_lowercase().starts_with("x500:/o=exchangelabs"))
            });
            if first.licensed && !traces {
                // The service takes a mailbox that is there (documented after an
                // earlier try; otherwise unconfirmed), and a row that it refuses
                // can be given back. Left alone, the person would have two for good.
                let text =
                    "the cloud has a mailbox for the person that no batch has made; the old one is copied into it";
                self.warn(SECOND_MAILBOX, text.to_owned());
            }
        } else if kind.is_empty() {
            self.say(NOT_IN_CLOUD, format!("the user {} is no mail user yet", first.upn));
        } else if !kind.eq_ignore_ascii_case("MailUser") {
            self.say(WRONG_RECIPIENT, format!("the cloud object is a {kind}, not a mail user"));
        }
    }
}

/// The same rule in every row of a list of several: not the rows are at fault.
fn mark_everybody(rows: usize, aside: &mut [Aside]) {
    if rows < 2 {
        return;
    }
    let mut by_rule: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for a in aside.iter() {
        by_rule.entry(a.rule).or_default().insert(&a.address);
    }
    let all: BTreeSet<&'static str> =
        aside.iter().map(|a| a.rule).filter(|r| by_rule.get(r).is_some_and(|w| w.len() == rows)).collect();
    for a in aside.iter_mut().filter(|a| all.contains(a.rule)) {
        a.everybody = true;
    }
}

#[cfg(test)]
#[path = "against_tests.rs"]
mod tests;
