//! A world made by hand for the tests of the servers: one domain, a few people.

use std::collections::BTreeMap;

use hickory_proto::rr::RecordType;
use jiff::Timestamp;

use crate::lab::world::{CloudDomain, Company, Connector, Recipient, Sku, Tenant, World, Zone, guid};
use crate::lab::{Faults, Options, company, directory, tenancy};
use crate::wire::attributes::{Entry, dn_key};
use crate::wire::dns::RecordSet;
use crate::wire::guid::{Guid, anchor, base64};

/// Secrets of the small world.
pub const CLIENT_SECRET: &str = "a+b/c=&d";

/// The moment at which the small world begins.
pub fn began() -> Timestamp {
    "2026-08-20T09:00:00Z".parse().expect("a good time")
}

/// Ann, Bob and Cleo of contoso.test.
pub fn world() -> World {
    of(&["ann", "bob", "cleo"])
}

/// A company of these people.
pub fn of(people: &[&str]) -> World {
    let tenant_id = guid(7, "tenant", "contoso");
    let tenant = Tenant {
        id: tenant_id,
        initial_domain: "contoso.onmicrosoft.com".into(),
        client_id: guid(7, "client", "contoso"),
        domains: BTreeMap::from([(
            "contoso.test".to_owned(),
            CloudDomain {
                verified: false,
                verification: "MS=ms12345678".into(),
                mx_host: "contoso-test.mail.protection.outlook.com".into(),
                domain_type: "Authoritative".into(),
            },
        )]),
        users: BTreeMap::new(),
        skus: vec![Sku {
            id: Guid::parse("4b9405b0-7788-4568-add1-99614e613b69").expect("a well-formed GUID"),
            part: "EXCHANGESTANDARD".into(),
            seats: 10,
            plans: vec![(
                Guid::parse("9aaf7827-d63c-4b61-89c3-182f06f82e5c").expect("a well-formed GUID"),
                "EXCHANGE_S_STANDARD".into(),
            )],
        }],
        batches: BTreeMap::new(),
        endpoints: BTreeMap::new(),
        connectors: vec![Connector {
            name: "To on-premises".into(),
            outbound: true,
            kind: "OnPremises".into(),
            domains: vec!["contoso.test".into()],
            smart_hosts: vec!["mail.contoso.test".into()],
            enabled: true,
            ..Connector::default()
        }],
        door: Default::default(),
        last_sync: began(),
        tokens: BTreeMap::new(),
        removed_names: BTreeMap::new(),
        deleted: Vec::new(),
    };
    // Whatever else a world has comes from a company of one; nobody of it stays.
    let one = Options { seed: 7, faults: Faults::None, list: Some(vec!["nobody@contoso.test".into()]), make: 0 };
    let rest = company::build(&one).expect("a company of one can be built");
    let mut world = World {
        seed: 7,
        now: began(),
        began: began(),
        faults: Faults::None,
        settings: Default::default(),
        invented: (0, 0),
        queue: BTreeMap::new(),
        events: Vec::new(),
        event_numbers: BTreeMap::new(),
        attempts: BTreeMap::new(),
        counts: Default::default(),
        writes: BTreeMap::new(),
        company: Company {
            name: "Contoso".into(),
            domains: vec!["contoso.test".into()],
            base_dn: "DC=contoso,DC=test".into(),
            list: people.iter().map(|p| format!("{p}@contoso.test")).collect(),
            exchange: "2007".into(),
            mail_host: "mail.contoso.test".into(),
            server: "EX07.contoso.test".into(),
            domain_controller: "dc1.contoso.test".into(),
            delegates: Vec::new(),
            fates: BTreeMap::new(),
            ..Company::default()
        },
        directory: BTreeMap::new(),
        usn: 1000,
        tenant,
        zones: zones(),
        inside: BTreeMap::new(),
        caches: BTreeMap::new(),
        messages: BTreeMap::new(),
        secrets: BTreeMap::from([
            ("client_secret".to_owned(), CLIENT_SECRET.to_owned()),
            ("directory".to_owned(), "admin's word".to_owned()),
            ("migration".to_owned(), "Mov3r!".to_owned()),
            ("tsig".to_owned(), base64(&[7; 32])),
        ]),
        index: Default::default(),
        post: Default::default(),
        office: Default::default(),
        history: Default::default(),
        ..rest
    };
    world.dirty.clear();
    world.verified_seen.clear();
    world.seats_taken.clear();
    for person in people {
        add(&mut world, person);
    }
    world
}

fn add(world: &mut World, person: &str) {
    let address = format!("{person}@contoso.test");
    let dn = format!("CN={person},OU=Users,DC=contoso,DC=test");
    let mut entry = Entry::new(&dn);
    entry.set("objectClass", ["top", "person", "organizationalPerson", "user"].map(|c| c.as_bytes().to_vec()).to_vec());
    entry.set_text("objectCategory", "CN=Person,CN=Schema,CN=Configuration,DC=contoso,DC=test");
    entry.set_text("cn", person);
    entry.set_text("displayName", person);
    entry.set_text("sAMAccountName", person);
    entry.set_text("userPrincipalName", &address);
    entry.set_text("mail", &address);
    entry.set_text("mailNickname", person);
    entry.set("proxyAddresses", vec![format!("SMTP:{address}").into_bytes()]);
    entry.set_text("legacyExchangeDN", &format!("/o=Contoso/ou=First/cn=Recipients/cn={person}"));
    entry.set_text("homeMDB", "CN=DB1,CN=EX07,CN=Configuration,DC=contoso,DC=test");
    entry.set_text("userAccountControl", "512");
    entry.set("msExchMailboxGuid", vec![guid(7, "mailbox", person).to_directory().to_vec()]);
    let key = dn_key(&dn);
    directory::add(world, entry, 100, 5_000_000);
    let place = world.index.names.len();
    world.index.people.insert(address.clone(), place);
    world.index.names.push(key.clone());
    world.index.places.insert(key.clone(), place);
    let id = world.directory.get(&key).expect("it was just added").guid;
    let mut user = tenancy::blank(world, "user", &address);
    user.immutable_id = anchor(&id.to_directory());
    user.display_name = person.to_owned();
    user.proxies.push(format!("smtp:{person}@contoso.onmicrosoft.com"));
    user.recipient = Recipient::MailUser { external: address };
    tenancy::enter(world, user);
}

fn zones() -> BTreeMap<String, Zone> {
    let sets = [
        ("contoso.test.", RecordType::MX, 3600, vec!["10 mail.contoso.test."]),
        ("contoso.test.", RecordType::NS, 86400, vec!["ns1.contoso.test."]),
        ("contoso.test.", RecordType::TXT, 3600, vec!["v=spf1 ip4:192.0.2.7 -all"]),
        ("mail.contoso.test.", RecordType::A, 3600, vec!["192.0.2.7"]),
        ("ns1.contoso.test.", RecordType::A, 3600, vec!["192.0.2.53"]),
        ("autodiscover.contoso.test.", RecordType::A, 3600, vec!["192.0.2.7"]),
        ("www.contoso.test.", RecordType::CNAME, 600, vec!["mail.contoso.test."]),
        ("outside.contoso.test.", RecordType::CNAME, 600, vec!["autodiscover.outlook.com."]),
    ];
    let contoso = zone("contoso.test.", true, &sets);
    let outlook = zone("outlook.com.", false, &[("autodiscover.outlook.com.", RecordType::A, 60, vec!["192.0.2.99"])]);
    BTreeMap::from([("contoso.test.".to_owned(), contoso), ("outlook.com.".to_owned(), outlook)])
}

fn zone(apex: &str, updates: bool, sets: &[(&str, RecordType, u32, Vec<&str>)]) -> Zone {
    let sets = sets
        .iter()
        .map(|(name, kind, ttl, values)| {
            let values = values.iter().map(|v| (*v).to_owned()).collect();
            (((*name).to_owned(), kind.to_string()), RecordSet::new(name, *kind, *ttl, values))
        })
        .collect();
    Zone { apex: apex.to_owned(), serial: 2026082001, minimum: 300, sets, updates }
}

/// A TLS configuration that trusts the authority written into a folder.
pub fn tls(folder: &std::path::Path) -> rustls::ClientConfig {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(folder.join("ca.pem")).expect("the lab wrote its authority") {
        roots.add(certificate.expect("the authority is PEM")).expect("the authority is a certificate");
    }
    rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
