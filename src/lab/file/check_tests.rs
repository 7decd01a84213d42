//! Every fault of a company file, seen.

use serde_json::{Value, json};

use super::read;

/// A sound company to be spoilt.
fn sound() -> Value {
    json!({
        "version": 1,
        "company": {"name": "Acme", "domains": ["acme.test"], "base_dn": "DC=acme,DC=test", "exchange": "2007"},
        "people": [
            {"address": "ann@acme.test", "account": "ann", "upn": "ann@acme.test", "dn": "CN=Ann,OU=Staff,DC=acme,DC=test",
             "proxies": ["SMTP:ann@acme.test", "smtp:both@gone.example", "X500:/O=A/CN=ann", "x500:/o=a/cn=ann"],
             "guid": "11111111-2222-4333-8444-555555555555", "delegates": ["Bob@acme.test"], "items": 3, "bytes": 90},
            {"address": "bob@acme.test", "alias": "", "proxies": ["SMTP:bob@acme.test", "smtp:both@gone.example"]}
        ],
        "list": ["BOB@acme.test"],
        "objects": [{"dn": "CN=Dana,OU=Contacts,DC=acme,DC=test", "attributes":
                     {"objectClass": ["contact"], "groupType": ["8"], "proxyAddresses": ["SMTP:ann@acme.test"]}}],
        "tenant": {
            "id": "11111111-2222-4333-8444-555555555555", "initial_domain": "acme.onmicrosoft.com",
            "domains": [{"name": "acme.test", "mx_host": "acme-test.o-v1.mx.microsoft", "type": "Authoritative"}],
            "skus": [{"part": "ENTERPRISEPACK", "seats": 0},
                     {"part": "OWN", "id": "11111111-2222-4333-8444-555555555555",
                      "plans": [{"id": "11111111-2222-4333-8444-555555555556", "name": "EXCHANGE_S_OWN"}]}],
            "connectors": [{"name": "Out", "outbound": true, "domains": ["*"], "smart_hosts": ["mail.acme.test"]}],
            "users": [{"address": "root@acme.onmicrosoft.com", "licences": ["OWN"], "recipient": "mailbox"}]
        },
        "zones": [{"apex": "acme.test", "minimum": 300, "sets": [
            {"type": "MX", "ttl": 3600, "values": ["10 mail.acme.test."]},
            {"name": "www.acme.test", "type": "CNAME", "ttl": 60, "values": ["web.acme.test."]},
            {"type": "NS", "ttl": 86400, "values": ["ns.provider.example."]}]}],
        "permissions": [{"mailbox": "ann@acme.test", "holder": "bob@acme.test", "right": "send_as"}],
        "faults": [{"address": "ann@acme.test", "breaks": "copy", "text": "no luck"}]
    })
}

/// `path rule` of each fault of the sound company with one value put at a JSON
/// pointer (`null` takes it away).
fn spoilt(pointer: &str, value: Value) -> Vec<String> {
    let mut file = sound();
    let (above, name) = pointer.rsplit_once('/').expect("a pointer has a slash");
    match (file.pointer_mut(above).expect("the sound company has it"), name.parse::<usize>()) {
        (Value::Array(items), Ok(at)) if at < items.len() => items[at] = value,
        (Value::Array(items), _) => items.push(value),
        (Value::Object(map), _) if value.is_null() => {
            map.shift_remove(name);
        }
        (Value::Object(map), _) => {
            map.insert(name.to_owned(), value);
        }
        _ => panic!("{pointer} is nothing that holds anything"),
    }
    told(&serde_json::to_string_pretty(&file).expect("it has a form"))
}

fn told(text: &str) -> Vec<String> {
    match read(text.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(faults) => {
            for fault in &faults {
                assert!(!fault.text.is_empty() && !fault.text.ends_with('.') && !fault.remedy.is_empty(), "{fault:?}");
                assert!(fault.line > 0, "{fault:?} has no place");
            }
            faults.iter().map(|f| format!("{} {}", f.path, f.rule)).collect()
        }
    }
}

#[test]
fn the_mess_of_real_companies_is_no_fault() {
    assert_eq!(told(&sound().to_string()), Vec::<String>::new());
}

#[test]
fn every_check_is_seen_failing() {
    let guid = "11111111-2222-4333-8444-555555555555";
    let long = "x".repeat(70);
    let cases: Vec<(&str, Value, &str)> = vec![
        ("/version", json!(2), "version version"),
        ("/version", json!(null), "version version"),
        ("/people", json!([]), "people missing"),
        // The organization.
        ("/company/name", json!("A/B"), "company.name name"),
        ("/company/name", json!(long), "company.name name"),
        ("/company/domains/1", json!("nodot"), "company.domains[1] host"),
        ("/company/domains/1", json!("ACME.test"), "company.domains[1] duplicate"),
        ("/company/domains", json!([]), "company.domains missing"),
        ("/company/base_dn", json!("OU=x,DC=acme"), "company.base_dn dn"),
        ("/company/exchange", json!("2013"), "company.exchange field"),
        ("/company/mail_host", json!("mail"), "company.mail_host host"),
        ("/company/server", json!("-x.test"), "company.server host"),
        ("/company/domain_controller", json!(""), "company.domain_controller host"),
        // People.
        ("/people/1/address", json!(null), "people[1].address missing"),
        ("/people/1/address", json!("bob@"), "people[1].address address"),
        ("/people/2", json!({"address": "ANN@acme.test"}), "people[2].address duplicate"),
        ("/people/2", json!({"address": "cy@other.test"}), "people[2].address domain"),
        ("/people/0/dn", json!("Ann"), "people[0].dn dn"),
        ("/people/0/dn", json!("CN=Ann,DC=other,DC=test"), "people[0].dn dn"),
        ("/people/1/dn", json!("cn=ann, ou=staff,dc=acme,dc=test"), "people[1].dn duplicate"),
        ("/people/1/account", json!("Ann"), "people[1].account duplicate"),
        ("/people/1/account", json!(long), "people[1].account account"),
        ("/people/1/account", json!("admin"), "people[1].account account"),
        ("/people/1/upn", json!("ANN@acme.test"), "people[1].upn duplicate"),
        ("/people/1/upn", json!("bob"), "people[1].upn upn"),
        ("/people/0/proxies/1", json!("ann@acme.test"), "people[0].proxies[1] proxy"),
        ("/people/0/proxies/1", json!("smtp:a b@acme.test"), "people[0].proxies[1] address"),
        ("/people/0/proxies/1", json!("SMTP:a@acme.test"), "people[0].proxies[1] primary"),
        ("/people/0/proxies/1", json!("X500:/O=A/CN=ann"), "people[0].proxies[2] duplicate"),
        ("/people/0/proxies/0", json!("SMTP:other@acme.test"), "people[0].proxies[0] primary"),
        ("/people/0/proxies", json!(["smtp:ann@acme.test"]), "people[0].proxies primary"),
        ("/people/0/legacy_dn", json!("o=Acme"), "people[0].legacy_dn x500"),
        ("/people/0/mail", json!("ann"), "people[0].mail address"),
        ("/people/0/target", json!("SMTP:ann"), "people[0].target address"),
        ("/people/0/mailbox_guid", json!("1"), "people[0].mailbox_guid guid"),
        ("/people/0/guid", json!("{}"), "people[0].guid guid"),
        ("/people/1/guid", json!(guid), "people[1].guid duplicate"),
        ("/people/0/usage_location", json!("de"), "people[0].usage_location location"),
        ("/people/0/extension", json!({"16": "x"}), "people[0].extension.16 extension"),
        ("/people/0/extension", json!({"01": "x"}), "people[0].extension.01 extension"),
        ("/people/0/attributes", json!({"nickname": ["x"]}), "people[0].attributes.nickname attribute"),
        ("/people/0/attributes", json!({"homeMDB": ["a", "b"]}), "people[0].attributes.homeMDB attribute"),
        (
            "/people/0/attributes",
            json!({"msExchMailboxGuid": ["x"]}),
            "people[0].attributes.msExchMailboxGuid[0] attribute",
        ),
        ("/people/0/attributes", json!({"sn": ["base64:?"]}), "people[0].attributes.sn[0] attribute"),
        ("/people/0/delegates/0", json!("nobody@acme.test"), "people[0].delegates[0] delegate"),
        ("/people/0/delegates/0", json!("ann@acme.test"), "people[0].delegates[0] delegate"),
        ("/people/0/items", json!(-1), "people[0].items number"),
        ("/people/0/bytes", json!(-1), "people[0].bytes number"),
        ("/people/0/bytes", json!(1_i64 << 50), "people[0].bytes number"),
        ("/people/0/items", json!(91), "people[0].items number"),
        ("/people/0/type", json!("person"), "people[0].type field"),
        ("/people/0/adress", json!("x"), "people[0].adress field"),
        ("/people/0/proxies/1", json!(7), "people[0].proxies field"),
        ("/people/1", json!("bob@acme.test"), "people[1] field"),
        // Lists of names.
        ("/list", json!([]), "list missing"),
        ("/list/1", json!("nobody@acme.test"), "list[1] list"),
        ("/list/1", json!("bob@acme.test"), "list[1] duplicate"),
        ("/permissions/0/mailbox", json!("nobody@acme.test"), "permissions[0].mailbox permission"),
        ("/permissions/0/holder", json!(null), "permissions[0].holder missing"),
        ("/permissions/0/right", json!(null), "permissions[0].right missing"),
        ("/faults/0/address", json!("nobody@acme.test"), "faults[0].address fault"),
        ("/faults/0/breaks", json!(null), "faults[0].breaks missing"),
        ("/faults/0/text", json!(" "), "faults[0].text missing"),
        (
            "/faults/1",
            json!({"address": "ANN@acme.test", "breaks": "copy", "text": "x"}),
            "faults[1].address duplicate",
        ),
        // Objects.
        ("/objects/0/dn", json!(null), "objects[0].dn missing"),
        ("/objects/0/dn", json!("CN=Ann,OU=Staff,DC=acme,DC=test"), "objects[0].dn duplicate"),
        ("/objects/0/attributes", json!({}), "objects[0].attributes.objectClass missing"),
        ("/objects/0/guid", json!(guid), "objects[0].guid duplicate"),
        ("/objects/0/attributes/sAMAccountName", json!(["ANN"]), "objects[0].attributes.sAMAccountName duplicate"),
        // The tenant.
        ("/tenant/id", json!("x"), "tenant.id guid"),
        ("/tenant/initial_domain", json!("acme.test"), "tenant.initial_domain domain"),
        ("/tenant/domains/0/name", json!(null), "tenant.domains[0].name missing"),
        ("/tenant/domains/1", json!({"name": "other.test"}), "tenant.domains[1].name domain"),
        ("/tenant/domains/1", json!({"name": "Acme.test"}), "tenant.domains[1].name duplicate"),
        ("/tenant/domains/0/mx_host", json!(""), "tenant.domains[0].mx_host host"),
        ("/tenant/domains/0/type", json!("Relay"), "tenant.domains[0].type field"),
        ("/tenant/skus/2", json!({"part": "E9"}), "tenant.skus[2].part sku"),
        ("/tenant/skus/2", json!({"seats": 1}), "tenant.skus[2].part missing"),
        ("/tenant/skus/2", json!({"part": "own"}), "tenant.skus[2].part duplicate"),
        ("/tenant/skus/0/seats", json!(-1), "tenant.skus[0].seats number"),
        ("/tenant/skus/0/seats", json!(99_999_999), "tenant.skus[0].seats number"),
        ("/tenant/skus/1/id", json!("x"), "tenant.skus[1].id guid"),
        ("/tenant/skus/1/plans/0", json!({"id": "x", "name": "P"}), "tenant.skus[1].plans[0].id guid"),
        ("/tenant/skus/1/plans/0/name", json!(""), "tenant.skus[1].plans[0].name missing"),
        ("/tenant/connectors/1", json!({"name": "OUT"}), "tenant.connectors[1].name duplicate"),
        ("/tenant/connectors/1", json!({}), "tenant.connectors[1].name missing"),
        ("/tenant/connectors/0/type", json!("Other"), "tenant.connectors[0].type field"),
        ("/tenant/connectors/0/domains/0", json!("other.test"), "tenant.connectors[0].domains[0] domain"),
        ("/tenant/connectors/0/smart_hosts/0", json!("mail"), "tenant.connectors[0].smart_hosts[0] host"),
        ("/tenant/users/0/address", json!(null), "tenant.users[0].address missing"),
        ("/tenant/users/0/address", json!("root@other.test"), "tenant.users[0].address domain"),
        ("/tenant/users/1", json!({"address": "ROOT@acme.onmicrosoft.com"}), "tenant.users[1].address duplicate"),
        ("/tenant/users/0/licences/0", json!("EXCHANGEDESKLESS"), "tenant.users[0].licences[0] sku"),
        ("/tenant/users/0/recipient", json!("mail_user"), "tenant.users[0].external missing"),
        ("/tenant/users/0/external", json!("x"), "tenant.users[0].external address"),
        ("/tenant/users/0/items", json!(-5), "tenant.users[0].items number"),
        ("/tenant/users/0/proxies", json!(["smtp:a@acme.test"]), "tenant.users[0].proxies primary"),
        ("/tenant/users/0/usage_location", json!("Germany"), "tenant.users[0].usage_location location"),
        // The zones.
        ("/zones/0/apex", json!(null), "zones[0].apex missing"),
        ("/zones/1", json!({"apex": "ACME.test."}), "zones[1].apex duplicate"),
        ("/zones/0/minimum", json!(0), "zones[0].minimum number"),
        ("/zones/0/sets/0/ttl", json!(0), "zones[0].sets[0].ttl ttl"),
        ("/zones/0/sets/0/ttl", json!(-1), "zones[0].sets[0].ttl number"),
        ("/zones/0/sets/0/ttl", json!(1_i64 << 31), "zones[0].sets[0].ttl number"),
        ("/zones/0/sets/0/ttl", json!(null), "zones[0].sets[0].ttl missing"),
        ("/zones/0/sets/0/type", json!(null), "zones[0].sets[0].type missing"),
        ("/zones/0/sets/0/type", json!("SRV"), "zones[0].sets[0].type zone"),
        ("/zones/0/sets/0/values/0", json!("10"), "zones[0].sets[0].values[0] mx"),
        ("/zones/0/sets/0/values/0", json!("10 "), "zones[0].sets[0].values[0] mx"),
        ("/zones/0/sets/0/values/0", json!("mail.acme.test."), "zones[0].sets[0].values[0] mx"),
        ("/zones/0/sets/0/values", json!([]), "zones[0].sets[0].values missing"),
        ("/zones/0/sets/1/name", json!("www.other.test"), "zones[0].sets[1].name zone"),
        ("/zones/0/sets/1/values/1", json!("web2.acme.test."), "zones[0].sets[1].values zone"),
        ("/zones/0/sets/1/name", json!("acme.test"), "zones[0].sets[1] zone"),
        ("/zones/0/sets/3", json!({"type": "mx", "ttl": 5, "values": ["1 a.test."]}), "zones[0].sets[3] duplicate"),
        (
            "/zones/0/sets/3",
            json!({"name": "x.acme.test", "type": "A", "ttl": 5, "values": ["::1"]}),
            "zones[0].sets[3].values[0] zone",
        ),
        ("/zones/0/sets/0/til", json!(1), "zones[0].sets[0].til field"),
        ("/zones/0/updates", json!("yes"), "zones[0].updates field"),
        ("/zones/0/sets/2/name", json!("sub.acme.test"), "zones[0].sets zone"),
        ("/tenant/domains", json!({}), "tenant.domains field"),
        ("/tenant", json!(3), "tenant field"),
        ("/mailboxes", json!([]), "mailboxes field"),
    ];
    let mut wrong = Vec::new();
    for (pointer, value, expected) in cases {
        let found = spoilt(pointer, value.clone());
        if !found.iter().any(|f| f == expected) {
            wrong.push(format!("{pointer} = {value}: expected {expected}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_faults_come_in_one_pass_with_their_places_in_the_order_of_the_text() {
    let text = "{\n  \"version\": 1,\n  \"people\": [\n    {\"address\": \"ann\", \"nmae\": \"x\", \"items\": \"7\"},\n    \
                {\"address\": \"b@a.test\", \"bytes\": -3}\n  ],\n  \"list\": [\"c@a.test\"]\n}";
    let faults = read(text.as_bytes()).expect_err("it has four");
    let told: Vec<_> = faults.iter().map(|f| (f.path.as_str(), f.rule, f.line, f.column, f.width)).collect();
    assert_eq!(
        told,
        [
            ("people[0].address", "address", 4, 17, 5),
            ("people[0].nmae", "field", 4, 32, 3),
            ("people[0].items", "field", 4, 46, 3),
            ("people[1].bytes", "number", 5, 38, 2),
            ("list[0]", "list", 7, 12, 10),
        ]
    );
    assert_eq!(faults[1].remedy, "did you mean `name`?");
    assert_eq!(faults[4].excerpt, "  \"list\": [\"c@a.test\"]");
}

#[test]
fn what_is_no_json_has_its_line_and_column() {
    let place = |text: &str| {
        let faults = read(text.as_bytes()).expect_err("it is broken");
        assert_eq!((faults.len(), faults[0].rule), (1, "syntax"));
        (faults[0].line, faults[0].column, faults[0].text.clone())
    };
    let (line, column, text) = place("{\n  \"näme\": tru,\n}");
    assert_eq!((line, column), (2, 14), "{text}");
    assert_eq!(place("").0, 1);
    assert_eq!(place("{\"version\": 1").0, 1);
    let faults = read(b"{\"version\": 1,\n\"people\": \"\xff\"}").expect_err("it is no UTF-8");
    assert_eq!((faults[0].line, faults[0].rule), (2, "syntax"));
    assert!(read(b"\xef\xbb\xbf{\"version\": 1, \"people\": [{\"address\": \"a@a.test\"}]}").is_ok());
}

#[test]
fn a_name_that_stands_twice_is_a_fault() {
    let text = r#"{"version": 1, "people": [{"address": "a@a.test", "name": "A", "name": "B"}]}"#;
    assert_eq!(told(text), ["people[0].name field"]);
}

#[test]
fn of_another_version_only_that_is_said() {
    assert_eq!(told(r#"{"version": 9, "people": 3, "stores": [], "version_of": {}}"#), ["version version"]);
}

#[test]
fn a_list_of_ten_thousand_faults_is_told_without_delay() {
    let people: Vec<Value> = (0..10_000).map(|n| json!({"address": format!("p{n}"), "x": n})).collect();
    let text = json!({"version": 1, "people": people}).to_string();
    let faults = read(text.as_bytes()).expect_err("all are bad");
    assert_eq!(faults.len(), 20_000);
    assert!(faults[0].excerpt.is_empty(), "a line without end is not shown");
}
