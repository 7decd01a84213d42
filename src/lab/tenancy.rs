//! The tenant and the names of the internet around the company.

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::rr::RecordType;

use super::World;
use super::world::{CloudDomain, CloudUser, Connector, Mailbox, Recipient, Sku, Zone, guid};
use crate::wire::dns::{RecordSet, absolute};
use crate::wire::guid::{Guid, base64};

/// Time to live of the customer's records before anybody touches them.
const TTL: u32 = 3600;
/// Address of the old mail host.
pub const MAIL_ADDRESS: &str = "192.0.2.25";
/// Where `autodiscover` leads in the end.
pub const AUTODISCOVER: &str = "autodiscover.outlook.com";

/// `EXCHANGE_S_ENTERPRISE`, a plan with a mailbox.
pub const PLAN_ENTERPRISE: Guid = fixed(0xefb8_7545_963c_4e0d_99df_69c6_916d_9eb0);
/// `EXCHANGE_S_DESKLESS`, a plan with a small mailbox.
pub const PLAN_DESKLESS: Guid = fixed(0x4a82_b400_a79f_41a4_b4e2_e94f_5787_b113);
/// `ENTERPRISEPACK`.
pub const ENTERPRISEPACK: Guid = fixed(0x6fd2_c87f_b296_42f0_b197_1e91_e994_b900);
/// `EXCHANGEDESKLESS`.
pub const EXCHANGEDESKLESS: Guid = fixed(0x80b2_d799_d2ba_4d2a_8842_fb0d_0f3a_4b82);

const fn fixed(value: u128) -> Guid {
    Guid(value.to_be_bytes())
}

/// `contoso.test` → `contoso-test`, as MX tokens write a domain.
fn dashed(domain: &str) -> String {
    domain.replace('.', "-")
}

/// Domains, licences, connectors, an administrator; users come by
/// synchronization.
pub fn tenant(world: &mut World) {
    let domains = world.company.domains.clone();
    for (place, domain) in domains.iter().enumerate() {
        // Both forms are in use (microsoft-graph: domains); a tool must ask.
        let mx_host = match place % 2 {
            0 => format!("{}.mail.protection.outlook.com", dashed(domain)),
            _ => format!("{}.o-v1.mx.microsoft", dashed(domain)),
        };
        let digits = world.choose("verification", domain, 0) % 100_000_000;
        let entry = CloudDomain {
            verified: false,
            verification: format!("MS=ms{digits:08}"),
            mx_host,
            // As long as people are left who are unknown to the cloud, their mail
            // must be handed on (who-delivers-what, rows 6 and 28).
            domain_type: "InternalRelay".into(),
        };
        world.tenant.domains.insert(domain.clone(), entry);
    }
    let people = world.company.list.len() as u64;
    world.tenant.skus = products();
    for sku in &mut world.tenant.skus {
        sku.seats = if sku.id == ENTERPRISEPACK { people + people.div_ceil(20) + 10 } else { 5 };
    }
    world.tenant.connectors = vec![
        Connector {
            name: "From on-premises".into(),
            outbound: false,
            kind: "OnPremises".into(),
            domains: domains.clone(),
            smart_hosts: Vec::new(),
            enabled: true,
            ..Connector::default()
        },
        Connector {
            name: "To on-premises".into(),
            outbound: true,
            kind: "OnPremises".into(),
            domains,
            smart_hosts: vec![world.company.mail_host.clone()],
            enabled: true,
            ..Connector::default()
        },
    ];
    let address = format!("admin@{}", world.tenant.initial_domain);
    let mut user = blank(world, "tenant-admin", &address);
    user.display_name = "Tenant Administrator".into();
    user.usage_location = "US".into();
    user.licences.insert(ENTERPRISEPACK);
    user.recipient = Recipient::Mailbox(Mailbox {
        guid: world.guid("mailbox", &address),
        created: world.began,
        items: 12,
        items_total: 12,
        filled: Some(world.began),
        kind: "UserMailbox".into(),
        both: false,
    });
    world.seats_taken.insert(ENTERPRISEPACK, 1);
    enter(world, user);
}

/// The licence products that the lab knows, without seats.
pub fn products() -> Vec<Sku> {
    let sku = |id, part: &str, plans: &[(Guid, &str)]| Sku {
        id,
        part: part.into(),
        seats: 0,
        plans: plans.iter().map(|(id, name)| (*id, (*name).to_owned())).collect(),
    };
    vec![
        sku(
            ENTERPRISEPACK,
            "ENTERPRISEPACK",
            &[
                (PLAN_ENTERPRISE, "EXCHANGE_S_ENTERPRISE"),
                (fixed(0x5dbe_027f_2339_4123_9542_606e_4d34_8a72), "SHAREPOINTENTERPRISE"),
                (fixed(0x113f_eb6c_3fe4_4440_bddc_54d7_74bf_0318), "EXCHANGE_S_FOUNDATION"),
            ],
        ),
        sku(EXCHANGEDESKLESS, "EXCHANGEDESKLESS", &[(PLAN_DESKLESS, "EXCHANGE_S_DESKLESS")]),
    ]
}

/// A user that no directory knows, with one address.
pub fn blank(world: &World, purpose: &str, address: &str) -> CloudUser {
    let alias = address.split('@').next().unwrap_or_default().to_owned();
    CloudUser {
        id: world.guid(purpose, address),
        immutable_id: String::new(),
        upn: address.to_owned(),
        display_name: alias.clone(),
        proxies: vec![format!("SMTP:{address}")],
        mail: address.to_owned(),
        legacy_dn: legacy_dn(world, address, &alias),
        alias,
        usage_location: String::new(),
        licences: BTreeSet::new(),
        disabled_plans: Default::default(),
        synced: world.now,
        recipient: Recipient::None,
        synced_guid: None,
        enabled: true,
        hidden: false,
        conflicts: Vec::new(),
        synced_target: None,
        synced_proxies: Vec::new(),
        external: String::new(),
        created: world.now,
        purged: false,
    }
}

/// legacyExchangeDN that the cloud makes for a recipient.
pub fn legacy_dn(world: &World, object: &str, alias: &str) -> String {
    let id = world.guid("cloud-legacy", object).to_string().replace('-', "");
    format!("/o=ExchangeLabs/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn={id}-{alias}")
}

/// Puts a user into the tenant.
pub fn enter(world: &mut World, user: CloudUser) {
    world.index.tenant(user.id, &[], &user.proxies);
    world.tenant.users.insert(user.id, user);
}

/// The customer's zones and the few names of the cloud that mail needs.
pub fn zones(world: &mut World) {
    let domains = world.company.domains.clone();
    let main = domains.first().cloned().unwrap_or_default();
    let mail = absolute(&world.company.mail_host);
    for domain in &domains {
        let mut zone = empty(domain, true);
        put(&mut zone, domain, RecordType::NS, vec![format!("ns1.{main}.")]);
        put(&mut zone, domain, RecordType::MX, vec![format!("10 {mail}")]);
        let spf = format!("v=spf1 ip4:{MAIL_ADDRESS} include:spf.protection.outlook.com -all");
        put(&mut zone, domain, RecordType::TXT, vec![spf]);
        put(&mut zone, &format!("autodiscover.{domain}"), RecordType::CNAME, vec![mail.clone()]);
        if *domain == main {
            put(&mut zone, &mail, RecordType::A, vec![MAIL_ADDRESS.into()]);
            put(&mut zone, &format!("ns1.{main}"), RecordType::A, vec!["192.0.2.53".into()]);
        }
        world.zones.insert(zone.apex.clone(), zone);
    }
    let hosts: Vec<String> = world.tenant.domains.values().map(|d| d.mx_host.clone()).collect();
    for (number, host) in hosts.iter().enumerate() {
        let apex = host.split_once('.').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let zone = world.zones.entry(absolute(&apex)).or_insert_with(|| empty(&apex, false));
        put(zone, host, RecordType::A, vec![format!("198.51.100.{}", 10 + number % 200)]);
    }
    let mut zone = empty("outlook.com", false);
    put(&mut zone, AUTODISCOVER, RecordType::A, vec!["203.0.113.10".into()]);
    world.zones.insert(zone.apex.clone(), zone);
}

/// The record types that the lab's zones hold.
pub fn record_type(text: &str) -> Option<RecordType> {
    let known = [RecordType::MX, RecordType::TXT, RecordType::CNAME, RecordType::A, RecordType::NS];
    known.into_iter().find(|kind| kind.to_string().eq_ignore_ascii_case(text))
}

/// A zone without records.
pub fn empty(apex: &str, updates: bool) -> Zone {
    Zone { apex: absolute(apex), serial: 2_026_011_201, minimum: 300, sets: BTreeMap::new(), updates }
}

fn put(zone: &mut Zone, name: &str, kind: RecordType, values: Vec<String>) {
    let set = RecordSet::new(name, kind, TTL, values);
    zone.sets.insert((set.name.clone(), kind.to_string()), set);
}

/// The lab's secrets, from the seed: nothing that they open exists elsewhere.
pub fn secrets(seed: u64) -> BTreeMap<String, String> {
    let text = |name: &str| {
        let bytes = [guid(seed, "secret", name).0, guid(seed, "secret-2", name).0].concat();
        base64(&bytes)
    };
    let password = |name: &str| format!("Lab-{}-9", guid(seed, "password", name).to_string().replace('-', ""));
    BTreeMap::from([
        ("client_secret".to_owned(), text("client_secret").replace(['+', '/', '='], "~")),
        ("directory".to_owned(), password("directory")),
        ("migration".to_owned(), password("migration")),
        ("tsig".to_owned(), text("tsig")),
    ])
}
