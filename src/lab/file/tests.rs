//! A company becomes a file and the file the same company.

use proptest::prelude::*;

use super::{CompanyFile, load, read, write};
use crate::lab::company::{self, Draft};
use crate::lab::world::{Fate, Recipient};
use crate::lab::{Faults, Options, World, index};
use crate::wire::attributes::dn_key;

fn sample(seed: u64, make: usize, faults: Faults) -> Draft {
    company::draft(&Options { seed, faults, list: None, make }).expect("a sample can be built")
}

fn listed(list: &[&str]) -> Draft {
    let list = Some(list.iter().map(|a| (*a).to_owned()).collect());
    company::draft(&Options { seed: 1, faults: Faults::None, list, make: 0 }).expect("the addresses are good")
}

/// Through the text, as a person who saves and opens it would.
fn again(draft: &Draft, seed: u64, faults: Faults) -> Draft {
    let text = write::text(&write::file(draft));
    let file = read(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:#?}"));
    load::draft(&file, seed, faults).expect("a checked file can be built")
}

fn built(text: &str) -> World {
    let file = read(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:#?}"));
    load::draft(&file, 1, Faults::None).expect("a checked file can be built").begin()
}

/// Everything that a run can see of a world, but for update numbers, which count
/// the order in which it was made.
fn visible(world: &World) -> String {
    let directory: Vec<_> =
        world.directory.iter().map(|(k, o)| (k, o.guid, o.changed, o.items, o.bytes, &o.entry)).collect();
    let company = &world.company;
    let company = format!("{:?} {:?} {:?} {:?}", company.list, company.fates, company.delegates, company.transport);
    let settings = world.settings.chosen();
    format!(
        "{directory:#?} {company} {settings:?} {:#?} {:#?} {:?} {:?}",
        world.tenant, world.zones, world.dirty, world.secrets
    )
}

fn same(one: World, two: World) {
    let (one, two) = (visible(&one), visible(&two));
    for (a, b) in one.lines().zip(two.lines()) {
        assert_eq!(a, b);
    }
    assert_eq!(one.len(), two.len());
}

#[test]
fn the_sample_is_a_company_file() {
    for (seed, make, faults) in [
        (77_086, 14, Faults::None),
        (1, 1, Faults::None),
        (1, 60, Faults::None),
        (7, 300, Faults::Usual),
        (3, 450, Faults::None),
    ] {
        let draft = sample(seed, make, faults);
        let reread = again(&draft, seed, faults);
        same(draft.begin(), reread.begin());
    }
}

#[test]
fn a_calm_sample_gets_the_same_trouble_when_it_is_read_with_usual_faults() {
    let calm = sample(5, 200, Faults::None);
    same(again(&calm, 5, Faults::Usual).begin(), sample(5, 200, Faults::Usual).begin());
}

#[test]
fn faults_of_the_file_are_all_there_are() {
    let text = r#"{"version": 1, "people": [{"address": "ann@a.test"}, {"address": "bob@a.test"}],
        "faults": [{"address": "Bob@a.test", "breaks": "copy", "text": "no luck"}]}"#;
    let file = read(text.as_bytes()).expect("it is sound");
    let world = load::draft(&file, 1, Faults::Usual).expect("it can be built").begin();
    assert_eq!(world.company.fates.len(), 1);
    assert_eq!(world.company.fates.get("bob@a.test"), Some(&Fate::CopyFails("no luck".into())));
    let by_hand = world.tenant.users.values().filter(|u| u.immutable_id.is_empty()).count();
    assert_eq!(by_hand, 1, "nobody was made by hand but the administrator");
}

#[test]
fn a_list_with_what_was_made_up_around_it_is_one_too() {
    let draft = listed(&["Ann.Lee@Northwind.example", "info@northwind.example", "bob@south.example"]);
    let reread = again(&draft, 1, Faults::None);
    same(draft.begin(), reread.begin());
}

#[test]
fn a_written_file_leaves_nothing_to_invent_and_another_seed_changes_no_fact_of_it() {
    let draft = sample(1, 120, Faults::Usual);
    let text = write::text(&write::file(&draft));
    let of = draft.begin().invented.1;
    for seed in [1, 2] {
        let file = read(text.as_bytes()).expect("it is sound");
        let reread = load::draft(&file, seed, Faults::Usual).expect("it can be built");
        assert_eq!(write::text(&write::file(&reread)), text);
        assert_eq!(reread.begin().invented, (0, of));
    }
}

#[test]
fn every_fact_of_the_file_is_in_the_world_and_the_rest_is_counted_as_invented() {
    let world = built(
        r#"{"version": 1,
        "company": {"name": "Acme", "domains": ["acme.test", "old.test"], "exchange": "2003", "mail_host": "mx1.acme.test",
                    "server": "ex03.acme.test", "domain_controller": "dc7.acme.test", "base_dn": "DC=ad,DC=acme,DC=local"},
        "people": [
            {"address": "Ann@acme.test", "name": "Lee, Ann", "dn": "CN=Lee\\2C Ann,OU=HR,OU=People,DC=ad,DC=acme,DC=local",
             "account": "alee", "upn": "ann@acme.local", "alias": "", "type": "none", "enabled": false, "hidden": true,
             "um": true, "usage_location": "FR", "delegates": ["bob@acme.test"], "items": 12, "bytes": 34000,
             "proxies": ["SMTP:Ann@acme.test", "X500:/O=Old/CN=ann", "smtp:ann@gone.example"],
             "legacy_dn": "/o=Acme/ou=First Administrative Group/cn=Recipients/cn=ann", "mail": "a.lee@acme.test",
             "guid": "11111111-2222-4333-8444-555555555555", "mailbox_guid": "00112233-4455-6677-8899-aabbccddeeff",
             "extension": {"7": "blue"}, "attributes": {"msExchPoliciesIncluded": [], "adminCount": ["1"],
             "mS-DS-ConsistencyGuid": ["base64:AAECAwQFBgcICQoLDA0ODw=="]}},
            {"address": "bob@acme.test", "type": "room"}, {"address": "left@old.test"}],
        "list": ["bob@acme.test", "ann@acme.test"],
        "objects": [{"dn": "CN=Partner,OU=Elsewhere,DC=ad,DC=acme,DC=local", "attributes":
                     {"objectClass": ["top", "contact"], "mail": ["p@p.test"], "proxyAddresses": ["SMTP:ann@acme.test"]}}],
        "permissions": [{"mailbox": "bob@acme.test", "holder": "ann@acme.test", "right": "full_access"}],
        "tenant": {"initial_domain": "acme1.onmicrosoft.com",
                   "domains": [{"name": "acme.test", "verified": true, "mx_host": "acme-test.o-v1.mx.microsoft",
                                "type": "InternalRelay"}],
                   "skus": [{"part": "ENTERPRISEPACK", "seats": 7}],
                   "connectors": [{"name": "Out", "outbound": true}],
                   "users": [{"address": "root@acme1.onmicrosoft.com", "licences": ["ENTERPRISEPACK"], "recipient": "mailbox"}]},
        "zones": [{"apex": "acme.test", "updates": false, "minimum": 60, "sets": [
                   {"type": "MX", "ttl": 86400, "values": ["5 MX1.acme.test"]},
                   {"type": "NS", "ttl": 86400, "values": ["ns.provider.example"]},
                   {"name": "mx1.acme.test", "type": "A", "ttl": 600, "values": ["192.0.2.9"]}]}]}"#,
    );
    let company = &world.company;
    assert_eq!(
        (company.name.as_str(), company.exchange.as_str(), company.mail_host.as_str()),
        ("Acme", "2003", "mx1.acme.test")
    );
    assert_eq!(company.list, ["bob@acme.test", "Ann@acme.test"]);
    assert_eq!(index::place(&world, "left@old.test"), None);
    assert_eq!(company.delegates, [("Ann@acme.test".to_owned(), "bob@acme.test".to_owned())]);
    assert!(company.permissions[0].full);
    let ann = &world.directory[&dn_key("CN=Lee\\, Ann,OU=HR,OU=People,DC=ad,DC=acme,DC=local")];
    assert_eq!(
        (ann.items, ann.bytes, ann.guid.to_string().as_str()),
        (12, 34000, "11111111-2222-4333-8444-555555555555")
    );
    let text = |name: &str| ann.entry.text(name);
    let expected = [
        ("displayName", Some("Lee, Ann")),
        ("cn", Some("Lee, Ann")),
        ("sAMAccountName", Some("alee")),
        ("userPrincipalName", Some("ann@acme.local")),
        ("mailNickname", None),
        ("mail", Some("a.lee@acme.test")),
        ("msExchRecipientTypeDetails", None),
        ("userAccountControl", Some("514")),
        ("msExchHideFromAddressLists", Some("TRUE")),
        ("msExchUMEnabledFlags", Some("831")),
        ("extensionAttribute7", Some("blue")),
        ("extensionAttribute1", None),
        ("msExchPoliciesIncluded", None),
        ("adminCount", Some("1")),
    ];
    for (name, value) in expected {
        assert_eq!(text(name).as_deref(), value, "{name}");
    }
    assert_eq!(ann.entry.texts("proxyAddresses").len(), 3);
    assert_eq!(ann.entry.values("mS-DS-ConsistencyGuid")[0], (0..16).collect::<Vec<u8>>());
    assert!(world.directory.contains_key("ou=hr,ou=people,dc=ad,dc=acme,dc=local"), "its containers were made");
    assert!(world.directory.contains_key("cn=partner,ou=elsewhere,dc=ad,dc=acme,dc=local"));
    assert!(!world.directory.values().any(|o| o.entry.text("sAMAccountName").as_deref() == Some("kiosk")));
    assert_eq!(index::old_object(&world, "ann@acme.test"), None, "a contact holds the address, too");
    assert_eq!(company::usage_location(&world, &ann.entry), "FR");
    let bob = &world.directory[&world.index.names[0]];
    assert_eq!(bob.entry.text("msExchRecipientTypeDetails").as_deref(), Some("16"));

    let domain = &world.tenant.domains["acme.test"];
    assert!(
        domain.verified && domain.domain_type == "InternalRelay" && domain.mx_host == "acme-test.o-v1.mx.microsoft"
    );
    assert!(!world.tenant.domains["old.test"].verified, "what the file does not name is made up");
    assert_eq!(world.tenant.initial_domain, "acme1.onmicrosoft.com");
    assert_eq!((world.tenant.skus.len(), world.tenant.skus[0].seats), (1, 7));
    assert_eq!(world.tenant.connectors[0].smart_hosts, ["mx1.acme.test"]);
    let root = world.tenant.users.values().find(|u| u.upn == "root@acme1.onmicrosoft.com").expect("the user is there");
    assert!(matches!(root.recipient, Recipient::Mailbox(_)));
    let zone = &world.zones["acme.test."];
    let set = &zone.sets[&("acme.test.".to_owned(), "MX".to_owned())];
    assert_eq!(
        (zone.updates, zone.minimum, set.ttl, set.values.as_slice()),
        (false, 60, 86400, &["5 mx1.acme.test.".to_owned()][..])
    );
    assert!(world.zones.contains_key("old.test."));
    let (invented, all) = world.invented;
    assert!(invented > 20 && all - invented > 20, "{invented} of {all}");
}

#[test]
fn how_mail_is_set_up_comes_back_and_is_no_invention() {
    let text = r#"{"version": 1, "company": {"domains": ["a.test"], "transport": {
            "gateway": {"host": "gate.a.test", "route": "cloud", "listed": true, "greylists": true},
            "unfiltered": true, "relay_domains": ["a.test"], "checked_relay_domains": ["a.test"], "limit": 5000,
            "connector_limit": 4000, "refuses_own_domain": true, "rejected_senders": ["b.test"], "journal": "j@a.test",
            "senders": {"Partner.example": {"spf": true, "dkim": true, "dmarc": "reject"}}}},
        "people": [{"address": "ann@a.test"}],
        "tenant": {"door": {"reject_direct_send": true, "enforcement": "delays", "limit": 9},
            "connectors": [{"name": "in", "hosts": ["gate.a.test"], "treat_as_internal": true},
                           {"name": "out", "outbound": true, "demands_tls": true}]},
        "settings": {"grace_end": "receives", "c2_outcome": "loop"}}"#;
    let file = read(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let draft = load::draft(&file, 1, Faults::None).expect("it can be built");
    let transport = &draft.world.company.transport;
    assert!(transport.unfiltered && transport.senders.contains_key("partner.example"), "{transport:?}");
    assert!(draft.world.tenant.door.reject_direct_send && draft.world.tenant.connectors[0].treat_as_internal);
    assert_eq!(draft.world.settings.chosen().len(), 1, "what is usual is not chosen");
    let reread = again(&draft, 1, Faults::None);
    same(draft.begin(), reread.begin());
    assert!(write::file(&sample(1, 2, Faults::None)).company.expect("it has one").transport.is_none());
}

#[test]
fn what_is_wrong_with_transport_door_and_settings_has_its_path() {
    let text = r#"{"version": 1, "company": {"domains": ["a.test"], "transport": {"gateway": {"host": "gate"},
            "unfilterd": true, "relay_domains": ["b.test"]}}, "people": [{"address": "ann@a.test"}],
        "tenant": {"door": {"enforcement": "sometimes"}}, "settings": {"grace_ends": "receives", "c2_outcome": "x"}}"#;
    let faults = read(text.as_bytes()).expect_err("it has faults");
    let paths: Vec<&str> = faults.iter().map(|f| f.path.as_str()).collect();
    let expected = [
        "company.transport.gateway.host",
        "company.transport.unfilterd",
        "company.transport.relay_domains[0]",
        "tenant.door.enforcement",
        "settings.grace_ends",
        "settings.c2_outcome",
    ];
    assert_eq!(paths, expected);
    assert_eq!(faults[1].remedy, "did you mean `unfiltered`?");
    assert_eq!(faults[3].remedy, "write one of `off`, `delays`, `refuses`");
}

#[test]
fn an_address_alone_is_a_company() {
    let world = built(r#"{"version": 1, "people": [{"address": "ann.lee@northwind.example"}]}"#);
    let list = listed(&["ann.lee@northwind.example"]).begin();
    // A list alone gets the mess of a company around it; a file only what it names.
    assert_eq!(list.invented.0 - 4, world.invented.0);
    let ann = |world: &World| format!("{:?}", world.directory.get(&world.index.names[0]).map(|o| &o.entry));
    assert_eq!(ann(&world), ann(&list));
    assert_eq!(format!("{:?}", world.tenant.skus), format!("{:?}", list.tenant.skus));
}

#[test]
fn invented_names_make_way_for_given_ones() {
    let world = built(
        r#"{"version": 1, "people": [{"address": "ann@a.test"}, {"address": "ann@b.test"},
            {"address": "c@a.test", "account": "ann", "upn": "ann@a.test"},
            {"address": "d@a.test", "account": "ann2"}]}"#,
    );
    let accounts: std::collections::BTreeSet<String> =
        world.index.names.iter().filter_map(|n| world.directory[n].entry.text("sAMAccountName")).collect();
    assert_eq!(accounts.len(), 4);
}

#[test]
fn sizes_that_are_half_known_fit() {
    let world = built(
        r#"{"version": 1, "people": [{"address": "a@a.test", "items": 400000}, {"address": "b@a.test", "bytes": 0},
            {"address": "c@a.test", "items": 0}]}"#,
    );
    let sizes: Vec<(u64, u64)> =
        world.index.names.iter().map(|n| (world.directory[n].items, world.directory[n].bytes)).collect();
    assert!(sizes[0].0 == 400_000 && sizes[0].1 > 400_000 * 1000, "{sizes:?}");
    assert_eq!((sizes[1], sizes[2]), ((0, 0), (0, 0)));
}

#[test]
fn the_example_of_the_documentation_is_sound() {
    let page = include_str!("../../../docs/company.md");
    let example = page.split("```json\n").nth(1).and_then(|t| t.split("```").next()).expect("the page has an example");
    let world = built(example);
    assert!(world.company.list.len() >= 2);
    let file: CompanyFile = serde_json::from_str(example).expect("it is sound");
    let names = serde_json::to_value(&file).expect("it has a form");
    for part in ["company", "people", "objects", "tenant", "zones", "permissions", "faults"] {
        assert!(!names[part].is_null(), "the example shows no {part}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_sample_comes_back(seed in 0_u64..1_000_000, make in 1_usize..40, usual: bool) {
        let faults = if usual { Faults::Usual } else { Faults::None };
        let draft = sample(seed, make, faults);
        let reread = again(&draft, seed, faults);
        prop_assert_eq!(visible(&draft.begin()), visible(&reread.begin()));
    }
}
