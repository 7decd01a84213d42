//! A file from rows as services answer them, without a service.

use serde_json::{Value, json};

use super::kept::Kept;
use super::statistics::Statistics;
use super::{Surveyed, build};
use crate::base::{Result, Timestamp};
use crate::wire::profile::Profile;

fn profile() -> Profile {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/real.toml");
    Profile::parse(&std::fs::read_to_string(path).expect("the profile is there")).expect("it is sound")
}

fn mailbox(name: &str, more: Value) -> Value {
    let mut attributes = json!({
        "objectClass": ["top", "person", "organizationalPerson", "user"], "cn": [name], "sAMAccountName": [name],
        "homeMDB": ["CN=Store,CN=Configuration,DC=contoso,DC=test"], "userAccountControl": ["512"],
        "msExchRecipientTypeDetails": ["1"], "proxyAddresses": [format!("SMTP:{name}@contoso.test")],
        "mail": [format!("{name}@contoso.test")],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        attributes[key] = value.clone();
    }
    json!({"dn": format!("CN={name},CN=Users,DC=contoso,DC=test"), "attributes": attributes})
}

fn surveyed(objects: Vec<Value>, more: Vec<(&'static str, Vec<Value>)>) -> Result<Surveyed> {
    let root = json!({"dn": "", "attributes": {"defaultNamingContext": ["DC=contoso,DC=test"]}});
    let rows = [("directory.root", vec![root]), ("directory.objects", objects)].into_iter().chain(more);
    let kept = Kept::of_rows(Timestamp::UNIX_EPOCH, rows);
    build(&kept, &profile(), &[], &Statistics::default())
}

#[test]
fn what_a_typed_fact_says_less_exactly_stands_as_the_attribute_too() {
    let odd = json!({"userAccountControl": ["66048"], "msExchHideFromAddressLists": ["FALSE"],
        "msExchRecipientTypeDetails": ["2"], "publicDelegates": ["CN=Group,DC=contoso,DC=test"]});
    let found = surveyed(vec![mailbox("ann", odd), mailbox("bob", json!({}))], Vec::new()).expect("two mailboxes");
    let [ann, bob] = &found.file.people[..] else { panic!("two people") };
    // The lab refuses a linked mailbox whose account is on.
    assert_eq!(ann.enabled, None);
    for (name, value) in [
        ("userAccountControl", "66048"),
        ("msExchHideFromAddressLists", "FALSE"),
        ("publicDelegates", "CN=Group,DC=contoso,DC=test"),
    ] {
        assert_eq!(ann.attributes[name], [value], "{name}");
    }
    assert_eq!(bob.enabled, Some(true));
    assert!(!bob.attributes.contains_key("userAccountControl"));
    // What every mailbox has and this one has not.
    assert_eq!(bob.attributes["msExchVersion"], Vec::<String>::new());
    assert_eq!(found.file.zones, None);
    assert_eq!(found.file.tenant.and_then(|t| t.domains), None, "what was not read is left out, and not empty");
}

#[test]
fn mailboxes_of_the_system_and_nameless_ones_are_no_people() {
    let objects = vec![
        mailbox("ann", json!({})),
        mailbox("SystemMailbox{1}", json!({})),
        mailbox("arbitration", json!({"msExchRecipientTypeDetails": ["8388608"]})),
        mailbox("nameless", json!({"proxyAddresses": ["smtp:x@contoso.test"]})),
        mailbox("svc-stagepost", json!({"homeMDB": [], "proxyAddresses": []})),
        mailbox("krbtgt", json!({"homeMDB": [], "proxyAddresses": [], "isCriticalSystemObject": ["TRUE"]})),
    ];
    let found = surveyed(objects, Vec::new()).expect("a mailbox");
    let people: Vec<_> = found.file.people.iter().filter_map(|p| p.account.as_deref()).collect();
    assert_eq!(people, ["ann"]);
    let others = found.file.objects.expect("objects");
    assert!(others.iter().any(|o| o.attributes["cn"] == ["nameless"]));
    assert!(
        !others.iter().any(|o| ["svc-stagepost", "krbtgt"].iter().any(|n| o.attributes["cn"] == [*n])),
        "{others:?}"
    );
    assert!(found.remarks.iter().any(|r| r.contains("without a primary address: 1")), "{:?}", found.remarks);
    let none = surveyed(vec![mailbox("krbtgt", json!({"homeMDB": []}))], Vec::new());
    assert!(none.is_err_and(|f| f.message.contains("no mailbox")));
}

#[test]
fn who_has_moved_already_keeps_the_cloud_mailbox() {
    let guid = "base64:AAECAwQFBgcICQoLDA0ODw==";
    let moved = json!({"homeMDB": [], "targetAddress": ["SMTP:cy@contoso.onmicrosoft.com"], "objectGUID": [guid]});
    let user = json!({"id": "00000000-0000-4000-8000-000000000009", "userPrincipalName": "cy@contoso.test",
        "displayName": "Cy", "proxyAddresses": ["SMTP:cy@contoso.test"], "assignedLicenses": [],
        "onPremisesImmutableId": guid.trim_start_matches("base64:")});
    let of_exchange = json!({"ExternalDirectoryObjectId": "00000000-0000-4000-8000-000000000009",
        "ExchangeGuid": "00000000-0000-4000-8000-000000000010", "RecipientTypeDetails": "UserMailbox"});
    let more = vec![
        ("graph.domains", vec![json!({"id": "contoso.test", "isVerified": true, "isDefault": true})]),
        ("graph.users", vec![user]),
        ("exchange.mailboxes", vec![of_exchange]),
    ];
    let found = surveyed(vec![mailbox("ann", json!({})), mailbox("cy", moved)], more).expect("a mailbox");
    let users = found.file.tenant.and_then(|t| t.users).expect("users");
    assert_eq!(users.len(), 1);
    assert_eq!(users[0].recipient, crate::wire::company::Recipient::Mailbox);
    assert_eq!(users[0].mailbox_guid.as_deref(), Some("00000000-0000-4000-8000-000000000010"));
}
