//! Active Directory with an Exchange 2007 organization: the tree, and what one
//! mailbox looks like in it.
//!
//! It only makes entries; who they are is decided in `company`.

use super::World;
use super::world::{AdObject, choose, guid};
use crate::wire::attributes::{Entry, POLICY_EXCLUSION, SCP_URL, dn_key, escape_dn};

/// Administrative group of Exchange 2007 and later.
const ADMIN_GROUP: &str = "Exchange Administrative Group (FYDIBOHF23SPDLT)";
/// `msExchVersion` of Exchange 2007.
const VERSION_2007: &str = "4535486012416";
/// Deleted mailboxes are kept so long: 30 days in seconds.
const RETENTION: &str = "2592000";

/// One mailbox to be.
#[derive(Clone, Debug)]
pub struct Person {
    /// Primary address.
    pub address: String,
    /// As people see it.
    pub display: String,
    /// First name; empty for rooms and shared mailboxes.
    pub given: String,
    /// Family name; empty for rooms and shared mailboxes.
    pub family: String,
    /// `CN=…` value, unescaped.
    pub common: String,
    /// Container, as a distinguished name.
    pub container: String,
    /// sAMAccountName.
    pub account: String,
    /// mailNickname.
    pub alias: String,
    /// userPrincipalName.
    pub upn: String,
    /// `de-DE`.
    pub culture: &'static str,
    /// `DE`.
    pub country: &'static str,
    /// 1 user, 4 shared, 16 room.
    pub details: u32,
}

impl Person {
    /// Distinguished name.
    pub fn dn(&self) -> String {
        format!("CN={},{}", escape_dn(&self.common), self.container)
    }
}

/// Adds an object; its GUID hangs on its name, its update number on the order.
pub fn add(world: &mut World, entry: Entry, items: u64, bytes: u64) {
    let key = dn_key(&entry.dn);
    world.usn += 1;
    let object =
        AdObject { guid: world.guid("directory", &key), usn: world.usn, changed: world.began, items, bytes, entry };
    world.index.directory(&key, &Entry::default(), &object.entry);
    world.directory.insert(key, object);
}

/// An object with nothing but its classes and its name.
pub fn plain(dn: String, classes: &[&str]) -> Entry {
    let mut entry = Entry::new(dn);
    entry.set("objectClass", classes.iter().map(|c| c.as_bytes().to_vec()).collect());
    if let Some((kind, value)) = entry.dn.clone().split(',').next().and_then(|p| p.split_once('=')) {
        let name = if kind.eq_ignore_ascii_case("ou") { "ou" } else { "cn" };
        if !kind.eq_ignore_ascii_case("dc") {
            entry.set_text(name, value);
        }
    }
    entry
}

fn texts(values: &[&str]) -> Vec<Vec<u8>> {
    values.iter().map(|v| v.as_bytes().to_vec()).collect()
}

/// Name of the organization's container.
fn organization(world: &World) -> String {
    format!("CN={},CN=Microsoft Exchange,CN=Services,CN=Configuration,{}", escape_dn(&world.company.name), base(world))
}

/// The domain as a distinguished name in capitals, as AD prints it.
pub fn base(world: &World) -> String {
    world.company.base_dn.replace("dc=", "DC=")
}

/// Short name of the mailbox server.
fn server_name(world: &World) -> String {
    world.company.server.split('.').next().unwrap_or("EX07").to_owned()
}

fn server_dn(world: &World) -> String {
    format!("CN={},CN=Servers,CN={ADMIN_GROUP},CN=Administrative Groups,{}", server_name(world), organization(world))
}

/// Name of the one mailbox store.
pub fn store_dn(world: &World) -> String {
    format!("CN=Mailbox Database,CN=First Storage Group,CN=InformationStore,{}", server_dn(world))
}

/// legacyExchangeDN of a mailbox on premises.
pub fn legacy_dn(world: &World, alias: &str, old_group: bool) -> String {
    let group = if old_group { "First Administrative Group" } else { ADMIN_GROUP };
    format!("/o={}/ou={group}/cn=Recipients/cn={alias}", world.company.name)
}

/// Containers, configuration, schema version, service accounts.
pub fn tree(world: &mut World, units: &[String]) {
    let base = base(world);
    let config = format!("CN=Configuration,{base}");
    let schema = format!("CN=Schema,{config}");
    let org = organization(world);
    let groups = format!("CN=Administrative Groups,{org}");
    let group = format!("CN={ADMIN_GROUP},{groups}");
    let servers = format!("CN=Servers,{group}");
    let server = server_dn(world);
    let main = world.company.domains.first().cloned().unwrap_or_default();
    let legacy_org = format!("/o={}", world.company.name);

    let mut domain = plain(base.clone(), &["top", "domain", "domainDNS"]);
    domain.set_text("dc", main.split('.').next().unwrap_or_default());
    add(world, domain, 0, 0);
    add(world, plain(format!("CN=Users,{base}"), &["top", "container"]), 0, 0);
    for unit in units {
        add(world, plain(unit.clone(), &["top", "organizationalUnit"]), 0, 0);
    }
    let mut objects =
        plain(format!("CN=Microsoft Exchange System Objects,{base}"), &["top", "msExchSystemObjectsContainer"]);
    objects.set_text("objectVersion", "11221");
    add(world, objects, 0, 0);

    add(world, plain(config.clone(), &["top", "configuration"]), 0, 0);
    add(world, plain(format!("CN=Services,{config}"), &["top", "container"]), 0, 0);
    add(world, plain(schema.clone(), &["top", "dMD"]), 0, 0);
    let mut version = plain(format!("CN=ms-Exch-Schema-Version-Pt,{schema}"), &["top", "attributeSchema"]);
    version.set_text("lDAPDisplayName", "msExchSchemaVersionPt");
    version.set_text("rangeUpper", "14625");
    add(world, version, 0, 0);

    let parent = format!("CN=Microsoft Exchange,CN=Services,{config}");
    add(world, plain(parent, &["top", "container", "msExchConfigurationContainer"]), 0, 0);
    let mut entry = plain(org.clone(), &["top", "container", "msExchOrganizationContainer"]);
    entry.set_text("legacyExchangeDN", &legacy_org);
    entry.set_text("objectVersion", "11222");
    add(world, entry, 0, 0);
    add(world, plain(groups, &["top", "msExchAdminGroupContainer"]), 0, 0);
    let mut entry = plain(group, &["top", "container", "msExchAdminGroup"]);
    entry.set_text("legacyExchangeDN", &format!("{legacy_org}/ou={ADMIN_GROUP}"));
    add(world, entry, 0, 0);
    add(world, plain(servers, &["top", "container", "msExchServersContainer"]), 0, 0);

    let fqdn = world.company.server.clone();
    let mut entry = plain(server.clone(), &["top", "server", "msExchExchangeServer"]);
    entry.set_text("serialNumber", "Version 8.3 (Build 30083.6)");
    entry.set_text("versionNumber", "1912832083");
    entry.set_text("serverRole", "0");
    entry.set_text("msExchCurrentServerRoles", "38");
    entry.set_text("legacyExchangeDN", &home_server(world));
    let ports = [
        format!("ncacn_vns_spp:{}", server_name(world)),
        format!("netbios:{}", server_name(world)),
        format!("ncacn_ip_tcp:{fqdn}"),
    ];
    entry.set("networkAddress", ports.iter().map(|p| p.as_bytes().to_vec()).collect());
    add(world, entry, 0, 0);

    let information = format!("CN=InformationStore,{server}");
    add(world, plain(information.clone(), &["top", "container", "msExchInformationStore"]), 0, 0);
    let storage = format!("CN=First Storage Group,{information}");
    add(world, plain(storage, &["top", "container", "msExchStorageGroup"]), 0, 0);
    let mut entry = plain(store_dn(world), &["top", "msExchMDB", "msExchPrivateMDB"]);
    entry.set_text("msExchMailboxRetentionPeriod", RETENTION);
    entry.set_text("msExchOwningServer", &server);
    add(world, entry, 0, 0);
    add(world, plain(format!("CN=Microsoft MTA,{server}"), &["top", "mTA"]), 0, 0);
    let protocols = format!("CN=Protocols,{server}");
    add(world, plain(protocols.clone(), &["top", "container", "msExchProtocolCfgProtocolContainer"]), 0, 0);
    let autodiscover = format!("CN=Autodiscover,{protocols}");
    add(world, plain(autodiscover.clone(), &["top", "container"]), 0, 0);
    let mut entry = plain(
        format!("CN={},{autodiscover}", server_name(world)),
        &["top", "leaf", "connectionPoint", "serviceConnectionPoint"],
    );
    entry.set("keywords", texts(&[SCP_URL, "Site=Default-First-Site-Name"]));
    entry.set_text("serviceClassName", "ms-Exchange-AutoDiscover-Service");
    entry.set_text("serviceDNSName", &fqdn);
    entry.set_text(
        "serviceBindingInformation",
        &format!("https://{}/autodiscover/autodiscover.xml", world.company.mail_host),
    );
    add(world, entry, 0, 0);

    let mut entry =
        account(world, &format!("CN=Directory Administrator,CN=Users,{base}"), "admin", &format!("admin@{main}"));
    entry.set_text("isCriticalSystemObject", "TRUE");
    entry.set_text("adminCount", "1");
    add(world, entry, 0, 0);
    let dn = format!("CN=Migration Service,OU=Service Accounts,{base}");
    add(world, account(world, &dn, "svc-migration", &format!("svc-migration@{main}")), 0, 0);
}

fn account(world: &World, dn: &str, name: &str, upn: &str) -> Entry {
    let mut entry = plain(dn.to_owned(), &["top", "person", "organizationalPerson", "user"]);
    entry.set_text("objectCategory", &format!("CN=Person,CN=Schema,CN=Configuration,{}", base(world)));
    entry.set_text("displayName", dn.split(['=', ',']).nth(1).unwrap_or(name));
    entry.set_text("sAMAccountName", name);
    entry.set_text("userPrincipalName", upn);
    entry.set_text("userAccountControl", "66048");
    entry
}

fn home_server(world: &World) -> String {
    format!("/o={}/ou={ADMIN_GROUP}/cn=Configuration/cn=Servers/cn={}", world.company.name, server_name(world))
}

/// The directory object of a mailbox, as Exchange 2007 leaves it.
pub fn mailbox(world: &World, person: &Person) -> Entry {
    let seed = world.seed;
    let key = person.address.to_lowercase();
    let roll = |purpose: &str, of: u64| choose(seed, purpose, &key, 0) % of;
    let server = server_dn(world);
    let mut entry = Entry::new(person.dn());
    entry.set("objectClass", texts(&["top", "person", "organizationalPerson", "user"]));
    entry.set_text("objectCategory", &format!("CN=Person,CN=Schema,CN=Configuration,{}", base(world)));
    entry.set_text("cn", &person.common);
    entry.set_text("displayName", &person.display);
    for (name, value) in [("givenName", &person.given), ("sn", &person.family)] {
        if !value.is_empty() {
            entry.set_text(name, value);
        }
    }
    entry.set_text("sAMAccountName", &person.account);
    entry.set_text("userPrincipalName", &person.upn);
    let disabled = person.details != 1;
    entry.set_text("userAccountControl", if disabled { "514" } else { "512" });
    entry.set_text("mail", &person.address);
    entry.set_text("mailNickname", &person.alias);

    let legacy = legacy_dn(world, &person.alias, roll("old-group", 5) == 0);
    let mut proxies = vec![format!("SMTP:{}", person.address)];
    let (local, domain) = person.address.rsplit_once('@').unwrap_or((&person.address, ""));
    if roll("alias", 4) == 0 {
        proxies.push(format!("smtp:{}@{domain}", alias_of(local, &person.account)));
    }
    if roll("x500", 16) == 0 {
        proxies.push(format!("X500:/O=OLDCO/OU=SITE1/CN=RECIPIENTS/CN={}", person.account.to_uppercase()));
    }
    if roll("x400", 12) == 0 {
        proxies.push(format!("X400:C=US;A= ;P={};O=Exchange;S={};", world.company.name, person.account));
    }
    entry.set("proxyAddresses", proxies.into_iter().map(String::into_bytes).collect());
    entry.set_text("legacyExchangeDN", &legacy);

    entry.set_text("homeMDB", &store_dn(world));
    entry.set_text("homeMTA", &format!("CN=Microsoft MTA,{server}"));
    entry.set_text("msExchHomeServerName", &home_server(world));
    entry.set_text("mDBUseDefaults", "TRUE");
    entry.set("msExchMailboxGuid", vec![guid(seed, "old-mailbox", &key).to_directory().to_vec()]);
    let mut descriptor = vec![1, 0, 4, 0x80, 0x14, 0, 0, 0, 0x24, 0, 0, 0, 0, 0, 0, 0, 0x2c, 0, 0, 0];
    descriptor.extend_from_slice(&guid(seed, "descriptor", &key).0);
    descriptor.extend_from_slice(&[1, 1, 0, 0, 0, 0, 0, 5, 10, 0, 0, 0]);
    entry.set("msExchMailboxSecurityDescriptor", vec![descriptor]);
    let policy = guid(seed, "address-policy", "default").to_string().to_uppercase();
    entry.set_text("msExchPoliciesIncluded", &format!("{{{policy}}},{POLICY_EXCLUSION}"));
    entry.set_text("msExchRecipientTypeDetails", &person.details.to_string());
    let display = match person.details {
        16 => "7",
        32 => "8",
        4 => "0",
        _ => "1073741824",
    };
    entry.set_text("msExchRecipientDisplayType", display);
    entry.set_text("msExchVersion", VERSION_2007);
    entry.set_text("msExchUserAccountControl", if disabled { "2" } else { "0" });
    entry.set_text("msExchUserCulture", person.culture);
    if roll("attribute-1", 5) == 0 {
        entry.set_text("extensionAttribute1", ["EMP", "EXT", "TMP"][roll("attribute-1-value", 3) as usize]);
    }
    entry
}

/// A second address: `ann.lee` → `a.lee`, else the account with a mark.
fn alias_of(local: &str, account: &str) -> String {
    match local.split_once('.') {
        Some((first, last)) if first.len() > 1 && !last.is_empty() => {
            let initial: String = first.chars().take(1).collect();
            format!("{initial}.{last}.{}", account.to_lowercase())
        }
        _ => format!("{}.x", account.to_lowercase()),
    }
}

/// Objects that are there and are no mailbox to be moved: a system mailbox, a
/// contact, a group, a user without mail.
pub fn bystanders(world: &mut World, members: Vec<String>) {
    let base = base(world);
    let main = world.company.domains.first().cloned().unwrap_or_default();
    let id = world.guid("system-mailbox", "1").to_string().to_uppercase();
    let common = format!("SystemMailbox{{{id}}}");
    let mut entry = plain(
        format!("CN={common},CN=Microsoft Exchange System Objects,{base}"),
        &["top", "person", "organizationalPerson", "user", "msExchSystemMailbox"],
    );
    entry.set_text("sAMAccountName", "SystemMailbox");
    entry.set_text("mailNickname", &common);
    entry.set_text("mail", &format!("{common}@{main}"));
    entry.set("proxyAddresses", vec![format!("SMTP:{common}@{main}").into_bytes()]);
    entry.set_text("homeMDB", &store_dn(world));
    entry.set_text("msExchRecipientTypeDetails", "16384");
    entry.set_text("msExchHideFromAddressLists", "TRUE");
    add(world, entry, 0, 0);

    let unit = format!("OU=Contacts,{base}");
    let mut entry = plain(format!("CN=Dana Partner,{unit}"), &["top", "person", "organizationalPerson", "contact"]);
    entry.set_text("displayName", "Dana Partner");
    entry.set_text("mail", "dana@partner.example");
    entry.set_text("mailNickname", "dana.partner");
    entry.set_text("targetAddress", "SMTP:dana@partner.example");
    entry.set("proxyAddresses", vec![format!("SMTP:dana.partner.contact@{main}").into_bytes()]);
    entry.set_text("legacyExchangeDN", &legacy_dn(world, "dana.partner", false));
    entry.set_text("msExchRecipientTypeDetails", "64");
    add(world, entry, 0, 0);

    let mut entry = plain(format!("CN=Everybody in Town,{unit}"), &["top", "group"]);
    entry.set_text("sAMAccountName", "everybody");
    entry.set_text("displayName", "Everybody in Town");
    entry.set_text("mail", &format!("everybody.list@{main}"));
    entry.set_text("mailNickname", "everybody.list");
    entry.set("proxyAddresses", vec![format!("SMTP:everybody.list@{main}").into_bytes()]);
    entry.set_text("groupType", "8");
    entry.set("member", members.into_iter().map(String::into_bytes).collect());
    add(world, entry, 0, 0);

    let mut entry =
        account(world, &format!("CN=Kiosk Terminal,CN=Users,{base}"), "kiosk", &format!("kiosk.terminal@{main}"));
    entry.set_text("userAccountControl", "514");
    add(world, entry, 0, 0);
}
