//! What a host sees of a message: recipient on both sides, domain, connectors,
//! names, and the questions that rows ask beyond their columns.
//!
//! Everything is read from the world as it stands; nothing is remembered, and
//! what is dear to find out is only looked up by the row that asks for it.

use super::table::{Cloud, From, Old};
use super::way::Letter;
use crate::lab::index::{cloud_user, old_object, place_of};
use crate::lab::mail::{self, Side};
use crate::lab::world::{AdObject, CloudUser, Connector, History, Recipient};
use crate::lab::{World, licences, sync};
use crate::wire::attributes::{Entry, address_key, dn_key, domain_of, primary_smtp};
use crate::wire::guid::Guid;

/// Largest message of an Exchange 2003 or 2007 organization by default.
const OLD_LIMIT: u64 = 10 << 20;
/// Largest message that a tenant takes by default.
const CLOUD_LIMIT: u64 = 36 << 20;
/// Messages an hour that one cloud mailbox takes.
const MOST_PER_HOUR: u32 = 3600;

/// A message on a host.
pub struct Seen<'a> {
    /// The world.
    pub world: &'a World,
    /// The message.
    pub letter: &'a Letter<'a>,
    /// The host.
    pub host: Side,
    /// Who handed it over.
    pub from: From,
    /// The recipient's address, as it is now.
    pub to: &'a str,
    /// Its domain.
    pub domain: String,
    /// The recipient on premises.
    pub old: Old,
    /// Its object there (`dn_key`), or the one that the cloud object comes from.
    pub key: Option<&'a str>,
    /// Its target address.
    pub target: String,
    /// The recipient in the tenant.
    pub cloud: Cloud,
    /// The user there.
    pub user: Option<Guid>,
    /// External address of a mail user.
    pub external: String,
    /// The domain is an internal relay in the tenant.
    pub relay: bool,
    /// An outbound connector serves the next domain.
    pub out: bool,
    /// Where the public MX of the next domain leads; none for nowhere.
    pub mx: Option<Side>,
}

/// An address without its prefix, spelling kept.
fn bare(text: &str) -> String {
    text.split_once(':').map_or(text, |(_, rest)| rest).to_owned()
}

/// A group whose members are found by a query, on premises only.
pub(super) fn dynamic(entry: &Entry) -> bool {
    entry.is_a("msExchDynamicDistributionList")
}

/// The state of an address on premises, its object and its target.
fn old_state<'a>(world: &'a World, address: &str) -> (Old, Option<&'a str>, String) {
    let Some(holders) = world.index.old.get(&address_key(address)) else { return (Old::O0, None, String::new()) };
    if holders.len() > 1 {
        return (Old::Several, None, String::new());
    }
    let found = old_object(world, address).and_then(|k| Some((k, world.directory.get(k)?)));
    let Some((key, object)) = found else { return (Old::O0, None, String::new()) };
    let (state, target) = state_of(&object.entry);
    (state, Some(key), target)
}

fn state_of(entry: &Entry) -> (Old, String) {
    let target = entry.text("targetAddress").map(|t| bare(&t));
    let state = match (entry.has("homeMDB"), &target) {
        _ if entry.is_a("group") || dynamic(entry) => Old::OG,
        _ if entry.is_a("publicFolder") => Old::OP,
        (true, None) => Old::O1,
        (true, Some(_)) => Old::O2,
        (false, Some(_)) => Old::O3,
        (false, None) => Old::O4,
    };
    (state, target.unwrap_or_default())
}

/// The state of an address in the tenant, its user and its external address.
fn cloud_state(world: &World, address: &str, old: Option<&str>) -> (Cloud, Option<Guid>, String) {
    let Some(id) = cloud_user(world, address) else {
        // Groups and contacts are synchronized, too; the tenant keeps no list of them.
        let object = old.filter(|key| !world.dirty.contains(*key)).and_then(|key| world.directory.get(key));
        return object.map_or((Cloud::C0, None, String::new()), |o| virtual_state(world, o));
    };
    let (state, external) = match world.tenant.users.get(&id).map(|u| &u.recipient) {
        None | Some(Recipient::None) => (Cloud::C0, ""),
        Some(Recipient::Mailbox(_)) => (Cloud::C4, ""),
        Some(Recipient::Disconnected { external, .. }) => (Cloud::C5, external.as_str()),
        Some(Recipient::MailUser { external }) => (mail_user(world, external), external.as_str()),
    };
    (state, Some(id), external.to_owned())
}

/// Whether the tenant knows an address.
pub(super) fn is_in_cloud(world: &World, address: &str) -> bool {
    cloud_state(world, address, old_object(world, address)).0 != Cloud::C0
}

fn virtual_state(world: &World, object: &AdObject) -> (Cloud, Option<Guid>, String) {
    let entry = &object.entry;
    let none = (Cloud::C0, None, String::new());
    if !entry.has("mailNickname") || dynamic(entry) || entry.is_a("publicFolder") {
        return none;
    }
    if entry.is_a("group") {
        return (Cloud::CG, None, String::new());
    }
    match entry.text("targetAddress").map(|t| bare(&t)) {
        Some(target) if entry.is_a("contact") => (mail_user(world, &target), None, target),
        _ => none,
    }
}

/// The kind of mail user that an external address makes.
pub(super) fn mail_user(world: &World, external: &str) -> Cloud {
    let domain = domain_of(external);
    if domain == world.tenant.initial_domain {
        Cloud::C2
    } else if world.tenant.domains.contains_key(&domain) {
        Cloud::C1
    } else {
        Cloud::C3
    }
}

/// The outbound connectors in force for a domain.
fn outbound<'a>(world: &'a World, domain: &'a str) -> impl Iterator<Item = &'a Connector> {
    world.tenant.connectors.iter().filter(move |c| {
        c.outbound && c.enabled && c.domains.iter().any(|d| d == "*" || d.eq_ignore_ascii_case(domain))
    })
}

impl<'a> Seen<'a> {
    /// Looks a recipient up on both sides.
    pub fn new(
        letter: &'a Letter<'a>,
        world: &'a World,
        host: Side,
        from: From,
        to: &'a str,
        mx: &dyn Fn(&str) -> Option<Side>,
    ) -> Seen<'a> {
        let domain = domain_of(to);
        let (mut old, mut key, mut target) = old_state(world, to);
        let (cloud, user, external) = cloud_state(world, to, key);
        if old == Old::O0
            && let Some(source) = user.and_then(|id| world.index.sources.get(&id))
            && let Some(object) = world.directory.get(source).filter(|_| host == Side::Cloud)
        {
            // A routing address is nobody's on premises; its holder is.
            (old, target) = state_of(&object.entry);
            key = Some(source.as_str());
        }
        let own = world.company.domains.contains(&domain);
        if host == Side::Old && old == Old::O0 && !own {
            old = Old::Foreign;
        }
        let accepted = host == Side::Old || sync::accepted(world, &domain);
        let relay =
            world.tenant.domains.get(&domain).is_some_and(|d| d.domain_type.eq_ignore_ascii_case("InternalRelay"));
        let next = if external.is_empty() { domain.clone() } else { domain_of(&external) };
        let host_of = |c: &Connector| c.smart_hosts.iter().any(|h| mail::is_old_host(world, h));
        let out = outbound(world, &next).any(host_of);
        let mx = mx(&next);
        let cloud = if accepted { cloud } else { Cloud::Foreign };
        Seen { world, letter, host, from, to, domain, old, key, target, cloud, user, external, relay, out, mx }
    }

    /// Whether a doubt is settled so.
    pub fn setting(&self, name: &str, value: &str) -> bool {
        self.world.settings.is(name, value)
    }

    /// The recipient's directory object.
    pub fn entry(&self) -> Option<&'a Entry> {
        self.object().map(|o| &o.entry)
    }

    fn object(&self) -> Option<&'a AdObject> {
        self.world.directory.get(self.key?)
    }

    /// The recipient's cloud user.
    pub fn cloud_user(&self) -> Option<&'a CloudUser> {
        self.world.tenant.users.get(&self.user?)
    }

    fn has(&self, name: &str) -> bool {
        self.entry().is_some_and(|e| e.has(name))
    }

    fn is_true(&self, name: &str) -> bool {
        self.entry().is_some_and(|e| e.is_true(name))
    }

    /// The old side is Exchange 2003.
    pub fn is_2003(&self) -> bool {
        self.world.company.exchange == "2003"
    }

    /// The address lies in one of the company's domains.
    pub fn own(&self) -> bool {
        self.world.company.domains.contains(&self.domain)
    }

    /// The address lies in the tenant's initial domain.
    pub fn is_routing(&self) -> bool {
        self.domain == self.world.tenant.initial_domain
    }

    // Of the recipient.

    /// The account is disabled.
    pub fn is_disabled(&self) -> bool {
        self.entry().and_then(|e| e.number("userAccountControl")).unwrap_or_default() & 2 != 0
    }

    /// Exchange 2003 can't deliver: a disabled account, no associated one, no hotfix.
    pub fn is_undeliverable_2003(&self) -> bool {
        self.is_2003()
            && self.world.company.transport.unpatched
            && self.is_disabled()
            && !self.has("msExchMasterAccountSid")
    }

    /// Hidden from address lists.
    pub fn is_hidden(&self) -> bool {
        self.is_true("msExchHideFromAddressLists")
    }

    /// The store that homeMDB names is not in the directory.
    pub fn is_without_store(&self) -> bool {
        let store = self.entry().and_then(|e| e.text("homeMDB"));
        store.is_some_and(|s| !self.world.directory.contains_key(&dn_key(&s)))
    }

    /// No primary SMTP address, or one that is none.
    pub fn has_bad_primary(&self) -> bool {
        let primary = self.entry().and_then(|e| primary_smtp(&e.texts("proxyAddresses")));
        !primary.is_some_and(|p| p.split_once('@').is_some_and(|(l, d)| !l.is_empty() && d.contains('.')))
    }

    /// Typed as a mailbox, whatever else it has.
    pub fn is_typed_mailbox(&self) -> bool {
        let details = self.entry().and_then(|e| e.number("msExchRecipientTypeDetails")).unwrap_or_default();
        self.has("msExchHomeServerName") || matches!(details, 1 | 2 | 4 | 8 | 16 | 32)
    }

    /// A contact.
    pub fn is_contact(&self) -> bool {
        self.entry().is_some_and(|e| e.is_a("contact"))
    }

    /// A group that is a query.
    pub fn is_dynamic(&self) -> bool {
        self.entry().is_some_and(dynamic)
    }

    /// Only known senders may write to it (msExchRequireAuthToSendTo).
    pub fn is_restricted(&self) -> bool {
        self.is_true("msExchRequireAuthToSendTo")
    }

    /// The sender is not among those who may write to it (authOrig).
    pub fn is_not_allowed(&self) -> bool {
        let Some(allowed) = self.entry().map(|e| e.texts("authOrig")).filter(|a| !a.is_empty()) else { return false };
        let sender = old_object(self.world, self.letter.from);
        !allowed.iter().any(|name| sender == Some(dn_key(name).as_str()))
    }

    /// Larger than the recipient may get (delivContLength, in KB).
    pub fn is_too_large_for_recipient(&self) -> bool {
        let most = self.entry().and_then(|e| e.number("delivContLength")).and_then(|k| u64::try_from(k).ok());
        most.is_some_and(|k| self.letter.size > k * 1024)
    }

    /// Larger than the old organization takes.
    pub fn is_too_large_for_organization(&self) -> bool {
        self.letter.size > self.world.company.transport.limit.unwrap_or(OLD_LIMIT)
    }

    /// Larger than the old host's connector takes.
    pub fn is_too_large_for_connector(&self) -> bool {
        self.world.company.transport.connector_limit.is_some_and(|most| self.letter.size > most)
    }

    /// Larger than the tenant takes; base64 adds a third on the way.
    pub fn is_too_large_for_tenant(&self) -> bool {
        self.letter.size / 3 * 4 > self.world.tenant.door.limit.unwrap_or(CLOUD_LIMIT)
    }

    /// The old mailbox holds more than it may (mDBOverHardQuotaLimit, in KB).
    pub fn is_full(&self) -> bool {
        let most =
            self.entry().filter(|e| !e.is_true("mDBUseDefaults")).and_then(|e| e.number("mDBOverHardQuotaLimit"));
        let held = self.object().map_or(0, |o| o.bytes / 1024);
        most.and_then(|k| u64::try_from(k).ok()).is_some_and(|k| held > k)
    }

    /// The cloud mailbox holds more than its plan allows.
    pub fn is_cloud_full(&self) -> bool {
        let Some(user) = self.cloud_user() else { return false };
        let filled = matches!(&user.recipient, Recipient::Mailbox(m) if m.filled.is_some());
        filled && self.object().is_some_and(|o| o.bytes > licences::quota(self.world, user))
    }

    /// More comes to the mailbox in this hour than it takes.
    pub fn is_flooded(&self) -> bool {
        self.letter.this_hour > MOST_PER_HOUR
    }

    /// Mail goes to somebody else, too or only (altRecipient).
    pub fn has_alternate(&self) -> bool {
        self.has("altRecipient")
    }

    /// The alternate recipient's address; none if there is no such object.
    pub fn alternate(&self) -> Option<String> {
        let name = self.entry()?.text("altRecipient")?;
        primary_smtp(&self.world.directory.get(&dn_key(&name))?.entry.texts("proxyAddresses"))
    }

    /// The mailbox itself gets what its alternate recipient gets.
    pub fn keeps_for_itself(&self) -> bool {
        self.is_true("deliverAndRedirect")
    }

    /// The cloud mailbox keeps a copy of what it forwards.
    pub fn keeps_in_cloud(&self) -> bool {
        self.cloud_user().is_some_and(|u| matches!(&u.recipient, Recipient::Mailbox(m) if m.both))
    }

    /// The target lies in one of the company's own domains.
    pub fn targets_own_domain(&self) -> bool {
        self.world.company.domains.contains(&domain_of(&self.target))
    }

    /// The target is this object itself.
    pub fn targets_itself(&self) -> bool {
        self.targets_own_domain() && old_object(self.world, &self.target) == self.key
    }

    /// The target is another recipient on this host, or unknown in a relay domain.
    pub fn targets_another(&self) -> bool {
        let held = self.world.index.old.contains_key(&address_key(&self.target));
        self.targets_own_domain() && (held || self.relays(&domain_of(&self.target)))
    }

    /// The target leads out of company and tenant.
    pub fn targets_outside(&self) -> bool {
        !self.targets_own_domain() && domain_of(&self.target) != self.world.tenant.initial_domain
    }

    /// A room, in the cloud or by the directory.
    pub fn is_room(&self) -> bool {
        let kind = self.cloud_user().and_then(|u| match &u.recipient {
            Recipient::Mailbox(m) => Some(m.kind.as_str()),
            _ => None,
        });
        kind == Some("RoomMailbox")
            || self.entry().and_then(|e| e.number("msExchRecipientTypeDetails")).is_some_and(|d| d == 16)
    }

    /// A user mailbox in the cloud whose account is disabled, and no shared mailbox or
    /// room by its synchronized type: those are known to work.
    pub fn is_cloud_leaver(&self) -> bool {
        let details = self.entry().and_then(|e| e.number("msExchRecipientTypeDetails")).unwrap_or_default();
        let user = |u: &CloudUser| matches!(&u.recipient, Recipient::Mailbox(m) if m.kind == "UserMailbox");
        !matches!(details, 4 | 16 | 32) && self.cloud_user().is_some_and(|u| !u.enabled && user(u))
    }

    /// Disconnected, and kept still.
    pub fn is_kept(&self) -> bool {
        let since = self.cloud_user().and_then(|u| match &u.recipient {
            Recipient::Disconnected { since, .. } => Some(*since),
            _ => None,
        });
        since.is_some_and(|s| crate::lab::world::after(s, licences::KEPT) > self.world.now)
    }

    // Of the domain.

    /// The old host relays what it doesn't know of a domain.
    fn relays(&self, domain: &str) -> bool {
        let transport = &self.world.company.transport;
        transport.relay_domains.iter().any(|d| d.eq_ignore_ascii_case(domain))
    }

    /// The old host is an internal relay for the address.
    pub fn is_old_relay(&self) -> bool {
        self.relays(&self.domain)
    }

    /// The same, but unknown addresses are refused still.
    pub fn is_checked_relay(&self) -> bool {
        let checked = &self.world.company.transport.checked_relay_domains;
        self.is_old_relay() && checked.iter().any(|d| d.eq_ignore_ascii_case(&self.domain))
    }

    /// An outbound connector serves the next domain by DNS, without a smart host.
    pub fn connector_by_mx(&self) -> bool {
        let next = if self.external.is_empty() { self.domain.clone() } else { domain_of(&self.external) };
        outbound(self.world, &next).any(|c| c.smart_hosts.is_empty())
    }

    /// The outbound connector demands TLS that the old host can't speak.
    pub fn connector_demands_tls(&self) -> bool {
        let next = if self.external.is_empty() { self.domain.clone() } else { domain_of(&self.external) };
        outbound(self.world, &next).any(|c| c.demands_tls)
    }

    // Of the recipient's history.

    /// What happened to the recipient's mailbox.
    pub fn history(&self) -> Option<&'a History> {
        let place = match self.user.and_then(|id| place_of(self.world, id)) {
            Some(place) => place,
            None => *self.world.index.places.get(self.key?)?,
        };
        self.world.history.get(&self.world.company.list.get(place)?.to_lowercase())
    }

    /// The batch that the mailbox was in is gone, or going.
    pub fn batch_is_removed(&self) -> bool {
        self.history().filter(|h| !h.batch.is_empty()).is_some_and(|h| {
            self.world.tenant.batches.get(&h.batch.to_lowercase()).is_none_or(|b| b.status == "Removing")
        })
    }
}
