//! The conversion as a difference: end state, inverse, repetition.

use proptest::prelude::*;

use super::super::difference::{apply, difference};
use super::*;

const DOMAIN: &str = "contoso.onmicrosoft.com";
const CLOUD_DN: &str =
    "/o=ExchangeLabs/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=0123456789abcdef-ann";
const OLD_DN: &str = "/o=Contoso/ou=First Administrative Group/cn=Recipients/cn=ann";

fn cloud() -> CloudMailbox {
    CloudMailbox {
        legacy_dn: CLOUD_DN.into(),
        guid: Guid([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        proxies: vec![
            "SMTP:ann@contoso.test".into(),
            "smtp:ann@contoso.onmicrosoft.com".into(),
            format!("X500:{OLD_DN}"),
        ],
    }
}

fn mailbox() -> Entry {
    let mut e = Entry::new("CN=Ann,OU=People,DC=contoso,DC=test");
    for (name, value) in [
        ("cn", "Ann"),
        ("mail", "ann@contoso.test"),
        ("mailNickname", "ann"),
        ("homeMDB", "CN=Mailbox Store,CN=EX07,DC=contoso,DC=test"),
        ("homeMTA", "CN=Microsoft MTA,CN=EX07,DC=contoso,DC=test"),
        ("msExchHomeServerName", "/o=Contoso/ou=First/cn=Configuration/cn=Servers/cn=EX07"),
        ("mDBUseDefaults", "TRUE"),
        ("msExchUserAccountControl", "0"),
        ("legacyExchangeDN", OLD_DN),
        ("targetAddress", "SMTP:ann@contoso.onmicrosoft.com"),
        ("msExchRecipientTypeDetails", "1"),
        ("msExchRecipientDisplayType", "1073741824"),
        ("msExchVersion", "4535486012416"),
        ("extensionAttribute7", "Sales"),
        ("msExchHideFromAddressLists", "TRUE"),
    ] {
        e.set_text(name, value);
    }
    e.set("proxyAddresses", vec![b"SMTP:ann@contoso.test".to_vec(), b"smtp:a.smith@contoso.test".to_vec()]);
    e.set("msExchMailboxGuid", vec![vec![9; 16]]);
    e.set("msExchPoliciesIncluded", vec![b"{A}".to_vec(), b"{B}".to_vec()]);
    e.set("msExchMailboxSecurityDescriptor", vec![vec![1, 0, 0xFF, 0x80]]);
    e
}

fn without(name: &str) -> Entry {
    let mut entry = mailbox();
    entry.set(name, Vec::new());
    entry
}

fn convert_it(entry: &Entry) -> Result<Conversion, Refusal> {
    convert(entry, &cloud(), DOMAIN, Profile::MailUser)
}

#[test]
fn the_end_state_is_that_of_the_published_procedure() {
    let done = convert_it(&mailbox()).expect("a migrated mailbox converts");
    let after = &done.after;
    for gone in MAILBOX_ATTRIBUTES.iter().chain(&["homeMDB"]) {
        assert!(!after.has(gone), "{gone}");
    }
    assert_eq!(
        after.texts("proxyAddresses"),
        [
            "SMTP:ann@contoso.test".to_owned(),
            "smtp:a.smith@contoso.test".into(),
            format!("x500:{CLOUD_DN}"),
            format!("x500:{OLD_DN}"),
            "smtp:ann@contoso.onmicrosoft.com".into(),
        ]
    );
    assert_eq!(after.values("msExchMailboxGuid"), [cloud().guid.to_directory().to_vec()]);
    assert_eq!(after.texts("msExchPoliciesExcluded"), [POLICY_EXCLUSION]);
    assert_eq!(
        (after.number("msExchRecipientTypeDetails"), after.number("msExchRecipientDisplayType")),
        (Some(128), Some(6))
    );
    for kept in [
        "mail",
        "mailNickname",
        "legacyExchangeDN",
        "targetAddress",
        "extensionAttribute7",
        "msExchHideFromAddressLists",
    ] {
        assert_eq!(after.values(kept), mailbox().values(kept), "{kept}");
    }
    assert!(!done.already);
}

#[test]
fn every_deletion_names_its_old_values() {
    for change in convert_it(&mailbox()).expect("converts").mods {
        match change {
            Mod::Delete(name, values) => assert_eq!(values, mailbox().values(&name), "{name}"),
            Mod::Add(..) => {}
            Mod::Replace(name, _) => panic!("{name} is replaced without a guard"),
        }
    }
}

#[test]
fn an_x500_that_differs_by_case_is_there_already() {
    let mut entry = mailbox();
    entry.set(
        "proxyAddresses",
        vec![b"SMTP:ann@contoso.test".to_vec(), format!("X500:{}", CLOUD_DN.to_uppercase()).into_bytes()],
    );
    let after = convert_it(&entry).expect("converts").after;
    assert_eq!(after.texts("proxyAddresses").iter().filter(|p| p.to_lowercase().contains("exchangelabs")).count(), 1);
}

#[test]
fn the_2003_mailbox_gets_no_type_numbers() {
    let mut entry = mailbox();
    for name in ["msExchRecipientTypeDetails", "msExchRecipientDisplayType", "msExchVersion"] {
        entry.set(name, Vec::new());
    }
    let after = convert_it(&entry).expect("converts").after;
    assert!(!after.has("msExchRecipientTypeDetails") && !after.has("msExchVersion"));
}

#[test]
fn a_remote_room_stays_a_room() {
    let mut entry = mailbox();
    entry.set_text("msExchRecipientTypeDetails", "16");
    entry.set_text("msExchVersion", "88218628259840");
    let done = convert(&entry, &cloud(), DOMAIN, Profile::RemoteMailbox).expect("converts");
    assert_eq!(done.after.number("msExchRecipientTypeDetails"), Some(8_589_934_592));
    assert_eq!(done.after.number("msExchRemoteRecipientType"), Some(36));
    assert_eq!(done.after.number("msExchVersion"), Some(88_218_628_259_840));
    let again = convert(&done.after, &cloud(), DOMAIN, Profile::RemoteMailbox).expect("is recognised");
    assert!(again.already && again.mods.is_empty());
}

#[test]
fn a_target_that_would_loop_is_exchanged() {
    let mut entry = mailbox();
    entry.set_text("targetAddress", "SMTP:ann@contoso.test");
    assert_eq!(
        convert_it(&entry).expect("converts").after.text("targetAddress").as_deref(),
        Some("SMTP:ann@contoso.onmicrosoft.com")
    );
    let mut homeless = cloud();
    homeless.proxies.retain(|p| !p.contains("onmicrosoft"));
    let refusal = convert(&entry, &homeless, DOMAIN, Profile::MailUser).expect_err("there is nowhere to lead");
    assert_eq!(refusal.rule, "no_routing_address");
}

#[test]
fn what_may_not_be_converted_is_refused() {
    let with = |name: &str, value: &str| {
        let mut entry = mailbox();
        entry.set_text(name, value);
        entry
    };
    let mut two = mailbox();
    two.set("proxyAddresses", vec![b"SMTP:ann@contoso.test".to_vec(), b"SMTP:b@contoso.test".to_vec()]);
    let mut nobody = without("homeMDB");
    nobody.set("targetAddress", Vec::new());
    for (entry, rule) in [
        (nobody, "no_mailbox"),
        (without("targetAddress"), "no_target"),
        (with("targetAddress", "SMTP:ann@elsewhere.test"), "foreign_target"),
        (with("msExchUMEnabledFlags", "833"), "um_enabled"),
        (with("msExchRecipientTypeDetails", "8388608"), "system"),
        (with("cn", "SystemMailbox{1f05a927}"), "system"),
        (without("mailNickname"), "no_alias"),
        (two, "primary"),
    ] {
        assert_eq!(convert_it(&entry).map(|_| ()).map_err(|r| r.rule), Err(rule));
    }
    let empty = CloudMailbox { guid: Guid::NIL, ..cloud() };
    assert_eq!(
        convert(&mailbox(), &empty, DOMAIN, Profile::MailUser).map(|_| ()).map_err(|r| r.rule),
        Err("no_cloud_mailbox")
    );
}

#[test]
fn a_half_converted_user_is_completed() {
    let mut entry = convert_it(&mailbox()).expect("converts").after;
    entry.set("msExchPoliciesExcluded", Vec::new());
    let done = convert_it(&entry).expect("is completed");
    assert!(!done.already);
    assert_eq!(done.mods[..1], [Mod::Add("msExchPoliciesExcluded".into(), vec![POLICY_EXCLUSION.as_bytes().to_vec()])]);
}

#[test]
fn a_release_takes_the_forwarding_and_leaves_an_address() {
    let done = release(&mailbox(), Some(&cloud())).expect("is released");
    assert_eq!(
        done.mods,
        [
            Mod::Delete("targetAddress".into(), vec![b"SMTP:ann@contoso.onmicrosoft.com".to_vec()]),
            Mod::Add("proxyAddresses".into(), vec![format!("x500:{CLOUD_DN}").into_bytes()]),
        ]
    );
    let again = release(&done.after, Some(&cloud())).expect("is released already");
    assert!(again.already && again.mods.is_empty());
    let plain = release(&mailbox(), None).expect("is released");
    assert_eq!(plain.mods.len(), 1);
    assert!(release(&plain.after, None).is_ok_and(|r| r.already));
    assert_eq!(release(&without("homeMDB"), None).map(|_| ()).map_err(|r| r.rule), Err("no_mailbox"));
    let mut other = mailbox();
    other.set_text("targetAddress", "SMTP:ann@elsewhere.test");
    assert_eq!(release(&other, Some(&cloud())).map(|_| ()).map_err(|r| r.rule), Err("foreign_target"));
}

/// Mailboxes of every sort that converts.
fn any_mailbox() -> impl Strategy<Value = Entry> {
    let extra = proptest::collection::btree_set("[a-z]{1,6}@(contoso|fabrikam)\\.test", 0..5);
    (
        extra,
        proptest::sample::subsequence(MAILBOX_ATTRIBUTES.to_vec(), 0..=MAILBOX_ATTRIBUTES.len()),
        any::<[bool; 7]>(),
        proptest::sample::select(vec![None, Some(1), Some(4), Some(16), Some(32)]),
        proptest::sample::select(vec![None, Some(4_535_486_012_416), Some(VERSION_2010)]),
    )
        .prop_map(|(extra, absent, flags, details, version)| {
            let [cloud_x500, old_x500, shout, guid, excluded, routing, loops] = flags;
            let mut entry = mailbox();
            for name in absent {
                entry.set(name, Vec::new());
            }
            let mut proxies = vec!["SMTP:ann@contoso.test".to_owned()];
            proxies.extend(extra.into_iter().filter(|a| a != "ann@contoso.test").map(|a| format!("smtp:{a}")));
            let say = |text: String| if shout { text.to_uppercase() } else { text };
            if cloud_x500 {
                proxies.push(say(format!("x500:{CLOUD_DN}")));
            }
            if old_x500 {
                proxies.push(say(format!("X500:{OLD_DN}")));
            }
            if routing {
                proxies.push("smtp:Ann@contoso.onmicrosoft.com".into());
            }
            entry.set("proxyAddresses", proxies.into_iter().map(String::into_bytes).collect());
            if guid {
                entry.set("msExchMailboxGuid", vec![cloud().guid.to_directory().to_vec()]);
            }
            if excluded {
                entry.set_text("msexchpoliciesexcluded", &POLICY_EXCLUSION.to_lowercase());
            }
            if loops {
                entry.set_text("targetAddress", "smtp:Ann@Contoso.test");
            }
            let number = |n: Option<i64>| n.map(|n| n.to_string().into_bytes()).into_iter().collect::<Vec<_>>();
            entry.set("msExchRecipientTypeDetails", number(details));
            entry.set("msExchVersion", number(version));
            entry
        })
}

proptest! {
    #[test]
    fn a_conversion_is_exact_and_can_be_taken_back(entry in any_mailbox(), remote in any::<bool>()) {
        let profile = if remote { Profile::RemoteMailbox } else { Profile::MailUser };
        let done = convert(&entry, &cloud(), DOMAIN, profile).expect("every such mailbox converts");
        prop_assert_eq!(apply(&entry, &done.mods), Ok(done.after.clone()));
        prop_assert_eq!(difference(&apply(&done.after, &inverse(&done.mods)).expect("the way back is open"), &entry), vec![]);

        let again = convert(&done.after, &cloud(), DOMAIN, profile).expect("a converted user is recognised");
        prop_assert!(again.already && again.mods.is_empty(), "{:?}", again.mods);

        let key = |p: &String| Proxy::parse(p).key();
        let (before, after) = (entry.texts("proxyAddresses"), done.after.texts("proxyAddresses"));
        prop_assert!(before.iter().all(|p| after.contains(p)), "an address was lost");
        let keys: BTreeSet<_> = after.iter().map(key).collect();
        prop_assert_eq!(keys.len(), after.len(), "an address is there twice");
        let primaries: Vec<_> = after.iter().filter(|p| p.starts_with("SMTP:")).collect();
        prop_assert_eq!(primaries, vec!["SMTP:ann@contoso.test"]);
        for wanted in [format!("x500:{CLOUD_DN}"), format!("x500:{OLD_DN}"), "smtp:ann@contoso.onmicrosoft.com".to_owned()] {
            prop_assert!(keys.contains(&key(&wanted)), "{}", wanted);
        }
    }

    #[test]
    fn a_release_can_be_taken_back(entry in any_mailbox(), made in any::<bool>()) {
        let cloud = cloud();
        let done = release(&entry, made.then_some(&cloud)).expect("every such mailbox is released");
        prop_assert_eq!(apply(&entry, &done.mods), Ok(done.after.clone()));
        prop_assert!(!done.after.has("targetAddress"));
        prop_assert_eq!(difference(&apply(&done.after, &inverse(&done.mods)).expect("the way back is open"), &entry), vec![]);
        prop_assert!(release(&done.after, made.then_some(&cloud)).expect("is recognised").already);
    }
}

#[test]
fn a_target_that_somebody_takes_away_refuses_the_whole() {
    let entry = mailbox();
    let plan = convert_it(&entry).expect("it may be converted");
    let mut edited = entry.clone();
    edited.set("targetAddress", Vec::new());
    assert_eq!(
        apply(&edited, &plan.mods).expect_err("the guard holds"),
        crate::wire::attributes::result::NO_SUCH_ATTRIBUTE
    );
    assert_eq!(apply(&entry, &plan.mods).expect("nobody edited it"), plan.after);
}
