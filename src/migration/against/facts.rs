//! What the rules are told: a mail object on premises, a user of the tenant,
//! the tenant itself, and the situation that they make together.
//!
//! Plain values, taken once from what a service answered, so that the answers
//! can be dropped before anything is judged. An attribute that was not asked for
//! reads as one that is not there. Nothing here decides.

use std::collections::{BTreeMap, BTreeSet};

use crate::migration::conversion::is_system;
use crate::migration::licences::Sku;
use crate::migration::list::Mailboxes;
use crate::wire::attributes::{Entry, address_key, dn_key, domain_of, primary_smtp, split_dn};
use crate::wire::guid::Guid;

/// Bit of userAccountControl that says the account is disabled.
const ACCOUNT_DISABLED: i64 = 2;
/// Bits of msExchRecipientTypeDetails that the default rules of synchronization
/// leave out: public folders, system mailboxes and their like.
const SKIPPED_TYPES: i64 = 0x21C0_7000;
/// msExchRecipientTypeDetails of a linked mailbox.
const LINKED: i64 = 2;
/// msExchRecipientTypeDetails of shared, room and equipment mailboxes.
const NO_PERSONS: [i64; 3] = [4, 16, 32];

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
    /// userPrincipalName; empty if there is none.
    pub upn: String,
    /// homeMDB is there.
    pub has_mailbox: bool,
    /// msExchMailboxGuid.
    pub guid: Option<Guid>,
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
    /// Another account owns the mailbox (msExchMasterAccountSid), as that of a
    /// shared or linked mailbox.
    pub has_master: bool,
    /// Belongs to the system, not to a person.
    pub system: bool,
    /// Why the default rules of synchronization pass the object over.
    pub skipped: Option<&'static str>,
    /// Names of those who send on behalf (publicDelegates).
    pub delegates: Vec<String>,
}

impl OnPremises {
    /// What a directory object says.
    pub fn of(entry: &Entry) -> OnPremises {
        let proxies = entry.texts("proxyAddresses");
        OnPremises {
            dn: entry.dn.clone(),
            address: primary_smtp(&proxies).or_else(|| entry.text("mail")).unwrap_or_default(),
            alias: entry.text("mailNickname").unwrap_or_default(),
            upn: entry.text("userPrincipalName").unwrap_or_default(),
            has_mailbox: entry.has("homeMDB"),
            guid: entry
                .values("msExchMailboxGuid")
                .first()
                .and_then(|b| Guid::from_directory(b))
                .filter(|g| *g != Guid::NIL),
            hidden: entry.is_true("msExchHideFromAddressLists"),
            um_enabled: entry.number("msExchUMEnabledFlags").is_some_and(|f| f & 1 != 0),
            type_details: entry.number("msExchRecipientTypeDetails"),
            target_address: entry.text("targetAddress").filter(|t| !t.is_empty()),
            enabled: entry.number("userAccountControl").is_none_or(|f| f & ACCOUNT_DISABLED == 0),
            has_master: entry.has("msExchMasterAccountSid"),
            system: is_system(entry),
            skipped: skipped(entry),
            legacy_dn: entry.text("legacyExchangeDN").unwrap_or_default(),
            delegates: entry.texts("publicDelegates"),
            proxies,
        }
    }

    /// Whether it is a linked mailbox.
    pub fn is_linked(&self) -> bool {
        self.type_details == Some(LINKED)
    }

    /// Whether a person signs in to it: not to a shared mailbox, a room or a
    /// device, with a type number or, on Exchange 2003, by its owner.
    pub fn is_of_a_person(&self) -> bool {
        !self.system && !self.has_master && !self.type_details.is_some_and(|t| t == LINKED || NO_PERSONS.contains(&t))
    }

    /// Whether it is a shared mailbox, a room or a device by its type number.
    pub fn is_shared(&self) -> bool {
        self.type_details.is_some_and(|t| NO_PERSONS.contains(&t))
    }

    /// The container, in the form in which two of them compare.
    pub(super) fn container(&self) -> String {
        split_dn(&dn_key(&self.dn)).split_first().map(|(_, rest)| rest.join(",")).unwrap_or_default()
    }
}

/// What the default rules of directory synchronization leave out (Microsoft,
/// "Understanding the default configuration" of Entra Connect). A linked mailbox
/// is left out as well, by a rule of its own.
fn skipped(entry: &Entry) -> Option<&'static str> {
    let name = entry.text("cn").unwrap_or_default();
    let alias = entry.text("mailNickname").unwrap_or_default();
    if entry.has("isCriticalSystemObject") {
        return Some("it is a critical system object");
    }
    if ["AAD_", "MSOL_"].iter().any(|p| name.starts_with(p)) || name == "SUPPORT_388945a0" {
        return Some("its name is one of those that are passed over");
    }
    if entry.dn.contains("\\0ACNF:") {
        return Some("it is what a replication conflict left");
    }
    if alias.starts_with("SystemMailbox{") || (alias.starts_with("CAS_") && alias.contains('}')) {
        return Some("its alias is one of those that are passed over");
    }
    if entry.number("msExchRecipientTypeDetails").is_some_and(|t| t & SKIPPED_TYPES != 0) {
        return Some("its recipient type is passed over");
    }
    None
}

/// A user of the tenant as Graph and Exchange Online show it.
#[derive(Clone, Debug, Default)]
pub struct InCloud {
    /// Object id.
    pub id: String,
    /// userPrincipalName.
    pub upn: String,
    /// mailNickname; empty if it was not asked for.
    pub alias: String,
    /// Addresses with their prefixes.
    pub proxies: Vec<String>,
    /// `MailUser`, `UserMailbox`, `SharedMailbox`, …; empty if Exchange Online
    /// has no recipient.
    pub recipient_type: String,
    /// ExchangeGuid, if it was asked for and is not nil.
    pub guid: Option<Guid>,
    /// Holds a licence.
    pub licensed: bool,
    /// skuIds held.
    pub held: Vec<String>,
    /// servicePlanIds that are switched off for the person.
    pub off: Vec<String>,
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

/// What is known of the tenant as a whole.
#[derive(Clone, Debug, Default)]
pub struct Tenant {
    /// Its verified domains in lower case, the initial one among them; empty if
    /// nobody asked.
    pub verified: BTreeSet<String>,
    /// `contoso.onmicrosoft.com`, in lower case; empty if nobody asked.
    pub initial: String,
    /// Whether directory synchronization is on.
    pub synchronizes: Option<bool>,
    /// Its products, if they were read.
    pub skus: Option<Vec<Sku>>,
}

impl Tenant {
    /// Whether an address is one to which mail can be sent across: at
    /// `tenant.onmicrosoft.com` or `tenant.mail.onmicrosoft.com`.
    pub fn routes(&self, address: &str) -> bool {
        let domain = domain_of(address);
        let mail = self.initial.split_once('.').map(|(tenant, rest)| format!("{tenant}.mail.{rest}"));
        !self.initial.is_empty() && (domain == self.initial || Some(domain) == mail)
    }
}

/// Everything that a list is judged by.
#[derive(Clone, Debug, Default)]
pub struct Situation {
    /// The list.
    pub list: Mailboxes,
    /// Whoever has an address in the directory, contacts and groups among them.
    pub on_premises: Vec<OnPremises>,
    /// Every user of the tenant.
    pub in_cloud: Vec<InCloud>,
    /// From an address in lower case to the batch that holds it, without the
    /// batches that this migration made itself.
    pub batches: BTreeMap<String, String>,
    /// Bytes of old mailboxes by address in lower case, where statistics were at
    /// hand: no directory knows them.
    pub sizes: BTreeMap<String, u64>,
    /// The tenant.
    pub tenant: Tenant,
    /// The product to give (`licence.sku` of the project); chosen if none is named.
    pub sku: Option<String>,
    /// The country that the project sets where a person has none.
    pub usage_location: Option<String>,
}

impl Situation {
    /// Who works in whose mailbox, for owners or delegates of the list: pairs of
    /// owner and delegate by primary address, sorted.
    pub fn delegates(&self) -> Vec<(String, String)> {
        delegates(&self.list, &self.on_premises)
    }
}

/// Pairs of owner and delegate by primary address, where either is in the list.
/// Of delegates only those count that have an address.
pub fn delegates(list: &Mailboxes, on_premises: &[OnPremises]) -> Vec<(String, String)> {
    let listed: BTreeSet<String> = list.iter().map(|row| row.key()).collect();
    let wanted: BTreeSet<String> = on_premises.iter().flat_map(|o| &o.delegates).map(|dn| dn_key(dn)).collect();
    let by_dn: BTreeMap<String, &str> = on_premises
        .iter()
        .filter(|o| !wanted.is_empty() && !o.address.is_empty())
        .map(|o| (dn_key(&o.dn), o.address.as_str()))
        .filter(|(dn, _)| wanted.contains(dn))
        .collect();
    let mut pairs = Vec::new();
    for owner in on_premises.iter().filter(|o| !o.address.is_empty()) {
        for delegate in owner.delegates.iter().filter_map(|dn| by_dn.get(&dn_key(dn))) {
            if listed.contains(&address_key(&owner.address)) || listed.contains(&address_key(delegate)) {
                pairs.push((owner.address.clone(), (*delegate).to_owned()));
            }
        }
    }
    pairs.sort();
    pairs.dedup();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_synchronization_passes_over_is_seen_in_the_directory() {
        let of = |name: &str, value: &str| {
            let mut entry = Entry::new("CN=x,DC=contoso,DC=test");
            entry.set_text(name, value);
            OnPremises::of(&entry).skipped.is_some()
        };
        assert!(of("isCriticalSystemObject", "TRUE") && of("cn", "MSOL_4d") && of("mailNickname", "CAS_{4d}"));
        assert!(of("msExchRecipientTypeDetails", "4096") && of("msExchRecipientTypeDetails", "536870912"));
        assert!(!of("msExchRecipientTypeDetails", "4") && !of("mailNickname", "cas") && !of("cn", "Ann"));
        let torn = OnPremises::of(&Entry::new("CN=Ann\\0ACNF:6f,DC=contoso,DC=test"));
        assert!(torn.skipped.is_some());
    }

    #[test]
    fn both_forms_of_the_tenants_domain_lead_to_it() {
        let tenant = Tenant { initial: "contoso.onmicrosoft.com".into(), ..Tenant::default() };
        for (address, routes) in [
            ("ann@contoso.onmicrosoft.com", true),
            ("ann@Contoso.Mail.onmicrosoft.com", true),
            ("ann@other.onmicrosoft.com", false),
            ("ann@contoso.test", false),
        ] {
            assert_eq!(tenant.routes(address), routes, "{address}");
        }
        assert!(!Tenant::default().routes("ann@contoso.onmicrosoft.com"));
    }

    #[test]
    fn pairs_are_told_where_either_is_in_the_list() {
        let object = |name: &str, delegates: &[&str]| OnPremises {
            dn: format!("CN={name},DC=contoso,DC=test"),
            address: format!("{name}@contoso.test"),
            delegates: delegates.iter().map(|d| format!("cn={d}, dc=contoso,dc=test")).collect(),
            ..OnPremises::default()
        };
        let all = [object("ann", &["bob", "nobody"]), object("bob", &["cy"]), object("cy", &[]), object("di", &["cy"])];
        let pair = |a: &str, b: &str| (format!("{a}@contoso.test"), format!("{b}@contoso.test"));
        let pairs = |names: &[&str]| delegates(&Mailboxes::from_addresses(names), &all);
        assert_eq!(pairs(&["Ann@contoso.test"]), [pair("ann", "bob")]);
        assert_eq!(pairs(&["bob@contoso.test"]), [pair("ann", "bob"), pair("bob", "cy")]);
        assert_eq!(pairs(&["eve@contoso.test"]), []);
    }
}
