//! Rows against both directories: each rule by its smallest case.

use super::*;

fn person(name: &str) -> OnPremises {
    OnPremises {
        dn: format!("CN={name},DC=contoso,DC=test"),
        address: format!("{name}@contoso.test"),
        proxies: vec![format!("SMTP:{name}@contoso.test")],
        alias: name.to_owned(),
        has_mailbox: true,
        enabled: true,
        ..OnPremises::default()
    }
}

fn user(name: &str) -> InCloud {
    InCloud {
        id: name.to_owned(),
        upn: format!("{name}@contoso.test"),
        proxies: vec![format!("SMTP:{name}@contoso.test"), format!("smtp:{name}@contoso.onmicrosoft.com")],
        recipient_type: "MailUser".into(),
        ..InCloud::default()
    }
}

fn verified() -> BTreeSet<String> {
    BTreeSet::from(["contoso.test".to_owned(), "contoso.onmicrosoft.com".to_owned()])
}

/// Ann has the fault, Bob has none.
fn one(ann: OnPremises, cloud: &[InCloud]) -> Vec<&'static str> {
    let list = Mailboxes::from_addresses(&["ann@contoso.test", "bob@contoso.test"]);
    let mut users = cloud.to_vec();
    users.push(user("bob"));
    let checked = check(&list, &[ann, person("bob")], &users, &BTreeMap::new(), &verified());
    assert!(checked.aside.iter().all(|a| a.address == "ann@contoso.test" && !a.everybody && !a.remedy.is_empty()));
    checked.aside.iter().map(|a| a.rule).collect()
}

#[test]
fn a_sound_row_goes() {
    assert_eq!(one(person("ann"), &[user("ann")]), [""; 0]);
}

#[test]
fn each_fault_sets_the_row_aside_by_its_own_rule() {
    let p = || person("ann");
    let cases: Vec<(OnPremises, &str)> = vec![
        (OnPremises { proxies: vec!["SMTP:other@contoso.test".into()], ..p() }, NOT_ON_PREMISES),
        (
            OnPremises {
                address: "a@contoso.test".into(),
                proxies: vec!["SMTP:a@contoso.test".into(), "smtp:ann@contoso.test".into()],
                ..p()
            },
            NOT_PRIMARY,
        ),
        (OnPremises { hidden: true, ..p() }, HIDDEN),
        (OnPremises { um_enabled: true, ..p() }, UNIFIED_MESSAGING),
        (OnPremises { system: true, ..p() }, SYSTEM),
        (OnPremises { type_details: Some(2), ..p() }, LINKED_MAILBOX),
        (OnPremises { alias: String::new(), ..p() }, NO_ALIAS),
        (OnPremises { target_address: Some("SMTP:ann@elsewhere.test".into()), ..p() }, FORWARDED),
        (OnPremises { has_mailbox: false, ..p() }, NO_MAILBOX),
        (
            OnPremises { proxies: vec!["SMTP:ann@contoso.test".into(), "smtp:ann@contoso.local".into()], ..p() },
            UNVERIFIED,
        ),
        (
            OnPremises { proxies: vec!["SMTP:ann@contoso.test".into(), "smtp:bob@contoso.test".into()], ..p() },
            SHARED_ADDRESS,
        ),
    ];
    for (ann, rule) in cases {
        if rule == SHARED_ADDRESS {
            // Bob shares it, so both stay.
            let list = Mailboxes::from_addresses(&["ann@contoso.test"]);
            let checked = check(&list, &[ann, person("bob")], &[user("ann")], &BTreeMap::new(), &verified());
            assert_eq!(checked.aside.iter().map(|a| a.rule).collect::<Vec<_>>(), [rule]);
            continue;
        }
        assert_eq!(one(ann, &[user("ann")]), [rule]);
    }
    assert_eq!(one(p(), &[]), [NOT_IN_CLOUD]);
    assert_eq!(one(p(), &[InCloud { recipient_type: String::new(), ..user("ann") }]), [NOT_IN_CLOUD]);
    let conflicts = vec![("ProxyAddresses".to_owned(), "SMTP:x@contoso.test".to_owned())];
    assert_eq!(one(p(), &[InCloud { conflicts, ..user("ann") }]), [CONFLICT]);
    assert_eq!(one(p(), &[user("ann"), InCloud { id: "2".into(), ..user("ann") }]), [SHARED_ADDRESS]);
    let made = InCloud { recipient_type: "UserMailbox".into(), licensed: true, ..user("ann") };
    let list = Mailboxes::from_addresses(&["ann@contoso.test"]);
    let checked = check(&list, &[p()], &[made], &BTreeMap::new(), &verified());
    assert_eq!((checked.aside.len(), checked.warned[0].rule), (0, SECOND_MAILBOX));
    let hand = OnPremises {
        has_mailbox: false,
        legacy_dn: "/o=A/cn=ann".into(),
        target_address: Some("SMTP:ann@contoso.test".into()),
        ..p()
    };
    let mailbox = InCloud { recipient_type: "UserMailbox".into(), licensed: true, ..user("ann") };
    let checked = check(&list, &[hand], &[mailbox], &BTreeMap::new(), &verified());
    assert_eq!((checked.done.len(), checked.warned[0].rule), (1, NO_X500));
}

#[test]
fn the_mailbox_of_an_earlier_try_goes_again() {
    let mailbox = InCloud { recipient_type: "UserMailbox".into(), ..user("ann") };
    assert_eq!(one(person("ann"), std::slice::from_ref(&mailbox)), [""; 0]);
    let licensed = InCloud { licensed: true, ..mailbox };
    let mut released = person("ann");
    released.proxies.push("X500:/o=ExchangeLabs/ou=x/cn=Recipients/cn=1-ann".into());
    assert_eq!(one(released, std::slice::from_ref(&licensed)), [""; 0]);
    let forwarded = OnPremises { target_address: Some("SMTP:ann@contoso.onmicrosoft.com".into()), ..person("ann") };
    assert_eq!(one(forwarded, &[licensed]), [""; 0]);
}

#[test]
fn a_converted_row_is_done_and_not_aside() {
    let list = Mailboxes::from_addresses(&["Ann@contoso.test"]);
    let converted = OnPremises {
        has_mailbox: false,
        target_address: Some("SMTP:ann@contoso.onmicrosoft.com".into()),
        ..person("ann")
    };
    let mailbox = InCloud { recipient_type: "UserMailbox".into(), licensed: true, ..user("ann") };
    let checked = check(&list, std::slice::from_ref(&converted), &[mailbox], &BTreeMap::new(), &verified());
    assert_eq!((checked.done.as_slice(), checked.aside.len()), (&["Ann@contoso.test".to_owned()][..], 0));
    let lost = check(&list, &[converted], &[user("ann")], &BTreeMap::new(), &verified());
    assert_eq!(lost.aside.iter().map(|a| a.rule).collect::<Vec<_>>(), [NO_MAILBOX]);
}

#[test]
fn the_same_fault_everywhere_is_nobodys_own() {
    let list = Mailboxes::from_addresses(&["ann@contoso.test", "bob@contoso.test"]);
    let people = [person("ann"), person("bob")];
    let checked = check(&list, &people, &[], &BTreeMap::new(), &verified());
    assert!(checked.concerns_everybody() && checked.aside.iter().all(|a| a.everybody));
    let batches = BTreeMap::from([("ANN@contoso.test".to_owned(), "test".to_owned())]);
    let checked = check(&list, &people, &[user("ann"), user("bob")], &batches, &verified());
    assert_eq!(checked.aside.iter().map(|a| (a.rule, a.everybody)).collect::<Vec<_>>(), [(OTHER_BATCH, false)]);
}
