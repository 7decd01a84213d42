//! Rows against both directories: every rule by its example, and what no
//! situation may bring about.

use proptest::prelude::*;

use super::*;

/// What is said: rule, severity, address.
fn said(checked: &Checked) -> Vec<(&'static str, Severity, String)> {
    let errors = checked.aside.iter().map(|a| (a.rule, Severity::Error, a.address.clone()));
    errors.chain(checked.warned.iter().map(|a| (a.rule, Severity::Warning, a.address.clone()))).collect()
}

fn ids(checked: &Checked) -> Vec<&'static str> {
    said(checked).into_iter().map(|(rule, ..)| rule).collect()
}

/// Ann as she is sound, changed, judged as staged.
fn ann(change: impl FnOnce(&mut OnPremises, &mut InCloud)) -> Checked {
    let mut world = worlds::sound(Kind::Staged, &["ann", "bob"]);
    change(&mut world.situation.on_premises[0], &mut world.situation.in_cloud[0]);
    let checked = check(world.kind, &world.situation);
    assert!(said(&checked).iter().all(|(_, _, address)| address == "ann@contoso.test"), "{checked:?}");
    checked
}

#[test]
fn a_sound_row_goes_by_every_kind() {
    for kind in Kind::ALL {
        let world = worlds::sound(kind, &["ann", "bob"]);
        assert_eq!(check(kind, &world.situation), Checked::default(), "{kind:?}");
    }
}

#[test]
fn the_example_of_each_rule_breaks_it_and_only_it() {
    for rule in all() {
        let World { kind, situation } = (rule.world)();
        let checked = check(kind, &situation);
        let found: BTreeSet<&str> = ids(&checked).into_iter().collect();
        assert_eq!(found, BTreeSet::from([rule.rule.id]), "{}: {checked:?}", rule.rule.meaning);
        assert_eq!(said(&checked)[0].1, rule.severity(kind).expect("it is judged for the kind"));
        let texts = checked.aside.iter().chain(&checked.warned);
        assert!(texts.clone().all(|a| !a.reason.is_empty() && !a.reason.ends_with('.') && !a.remedy.is_empty()));
    }
}

/// The same facts under the other kinds: a rule that a kind doesn't judge is
/// never said there, and one that it does has the severity of the table.
#[test]
fn every_kind_keeps_to_its_column_of_the_table() {
    for rule in all() {
        for kind in Kind::ALL {
            for (id, severity, _) in said(&check(kind, &(rule.world)().situation)) {
                let record = of(id).expect("only rules of the table are said");
                assert_eq!(record.severity(kind), Some(severity), "{id} for {kind:?}");
            }
        }
        assert!(Kind::ALL.iter().any(|k| rule.severity(*k).is_some()));
    }
}

#[test]
fn what_is_silenced_is_a_rule_and_no_two_silence_each_other() {
    for rule in all() {
        for silenced in rule.silences {
            let other = of(silenced).unwrap_or_else(|| panic!("{} silences {silenced}", rule.rule.id));
            assert!(!other.silences.contains(&rule.rule.id), "{} and {silenced}", rule.rule.id);
            assert_ne!(*silenced, rule.rule.id);
        }
    }
}

#[test]
fn the_mailbox_of_an_earlier_try_goes_again() {
    let mailbox = |c: &mut InCloud| "UserMailbox".clone_into(&mut c.recipient_type);
    assert_eq!(ids(&ann(|_, c| mailbox(c))), [""; 0]);
    let released = ann(|o, c| {
        mailbox(c);
        c.licensed = true;
        o.proxies.push("X500:/o=ExchangeLabs/ou=x/cn=Recipients/cn=1-ann".into());
    });
    assert_eq!(ids(&released), [""; 0]);
    let forwarded = ann(|o, c| {
        mailbox(c);
        c.licensed = true;
        o.target_address = Some("SMTP:ann@contoso.mail.onmicrosoft.com".into());
    });
    assert_eq!(ids(&forwarded), [""; 0]);
}

#[test]
fn a_converted_row_is_done_and_not_aside() {
    let converted = |o: &mut OnPremises| {
        o.has_mailbox = false;
        o.target_address = Some("SMTP:ann@contoso.mail.onmicrosoft.com".into());
        o.proxies.push("x500:/o=Contoso/cn=ann".into());
    };
    let checked = ann(|o, c| {
        converted(o);
        "UserMailbox".clone_into(&mut c.recipient_type);
    });
    assert_eq!((checked.done.as_slice(), ids(&checked)), (&["ann@contoso.test".to_owned()][..], vec![]));
    assert_eq!(ids(&ann(|o, _| converted(o))), [NO_MAILBOX]);
}

#[test]
fn the_same_fault_everywhere_is_nobodys_own() {
    let mut world = worlds::sound(Kind::Staged, &["ann", "bob"]);
    world.situation.in_cloud.clear();
    let checked = check(world.kind, &world.situation);
    assert!(checked.concerns_everybody() && checked.aside.iter().all(|a| a.everybody));
    let mut world = worlds::sound(Kind::Staged, &["ann", "bob"]);
    world.situation.batches = BTreeMap::from([("ANN@contoso.test".to_owned(), "test".to_owned())]);
    let checked = check(world.kind, &world.situation);
    assert_eq!(checked.aside.iter().map(|a| (a.rule, a.everybody)).collect::<Vec<_>>(), [(OTHER_BATCH, false)]);
}

#[test]
fn an_address_that_nobody_verified_is_said_once_for_its_domain() {
    let checked = ann(|o, _| {
        o.proxies.extend(["smtp:ann@contoso.local".into(), "smtp:a@contoso.local".into(), "smtp:a@old.test".into()]);
        o.upn = "ann@contoso.local".into();
    });
    assert_eq!(ids(&checked), [UNVERIFIED, UNVERIFIED]);
}

#[test]
fn a_primary_address_in_quarantine_is_the_cause_and_its_absence_is_not_said() {
    let mut world = worlds::sound(Kind::Staged, &["ann", "bob"]);
    let synchronized = &mut world.situation.in_cloud[0];
    synchronized.proxies = vec!["SMTP:ann@contoso.onmicrosoft.com".into()];
    synchronized.conflicts = vec![("ProxyAddress".into(), "SMTP:Ann@contoso.test".into())];
    let hand_made = InCloud { id: "hand".into(), proxies: vec!["smtp:ann@contoso.test".into()], ..InCloud::default() };
    world.situation.in_cloud.push(hand_made);
    assert_eq!(ids(&check(world.kind, &world.situation)), [CONFLICT]);
}

#[test]
fn a_routing_address_that_somebody_else_holds_is_none() {
    let mut world = worlds::sound(Kind::Staged, &["ann", "bob"]);
    world.situation.in_cloud[0].proxies.truncate(1);
    assert_eq!(ids(&check(world.kind, &world.situation)), [""; 0], "it gets one with its mailbox");
    world.situation.in_cloud[1].proxies.push("smtp:Ann@contoso.onmicrosoft.com".into());
    assert_eq!(ids(&check(world.kind, &world.situation)), [NO_ROUTING]);
    // A remote move asks for one beforehand, on both sides.
    for change in [
        |s: &mut Situation| s.on_premises[0].proxies.truncate(1),
        |s: &mut Situation| {
            s.in_cloud[0].proxies.truncate(1);
        },
    ] {
        let mut world = worlds::sound(Kind::RemoteMove, &["ann", "bob"]);
        change(&mut world.situation);
        assert_eq!(ids(&check(world.kind, &world.situation)), [NO_ROUTING]);
    }
}

#[test]
fn shared_mailboxes_have_no_account_that_signs_in() {
    for change in [|o: &mut OnPremises| o.type_details = Some(4), |o: &mut OnPremises| o.has_master = true] {
        let checked = ann(|o, _| {
            o.enabled = false;
            o.upn = "room.4@contoso.test".into();
            change(o);
        });
        assert_eq!(ids(&checked), [""; 0]);
    }
}

#[test]
fn what_the_state_of_the_tenant_says_is_not_said_of_every_row() {
    let mut world = worlds::sound(Kind::Staged, &["ann", "bob"]);
    world.situation.in_cloud.clear();
    world.situation.tenant.synchronizes = Some(false);
    let checked = check(world.kind, &world.situation);
    assert_eq!(said(&checked), [(SYNCHRONIZATION, Severity::Error, String::new())]);
    assert!(checked.concerns_everybody());
    world.kind = Kind::Cutover;
    assert_eq!(ids(&check(world.kind, &world.situation)), [""; 0], "a cutover wants it off");
    world.situation.tenant.synchronizes = Some(true);
    assert_eq!(ids(&check(world.kind, &world.situation)), [SYNCHRONIZATION]);
}

#[test]
fn seats_are_counted_for_rows_that_go() {
    let mut world = worlds::sound(Kind::Staged, &["ann", "bob", "cy"]);
    let skus = world.situation.tenant.skus.as_mut().expect("they are there");
    skus[0].enabled = 1;
    world.situation.on_premises[0].hidden = true;
    let checked = check(world.kind, &world.situation);
    assert_eq!(
        said(&checked),
        [
            (HIDDEN, Severity::Error, "ann@contoso.test".to_owned()),
            (NO_SEAT, Severity::Warning, "cy@contoso.test".to_owned())
        ]
    );
    world.situation.tenant.skus = Some(Vec::new());
    assert_eq!(said(&check(world.kind, &world.situation))[1], (NO_SEAT, Severity::Warning, String::new()));
    world.situation.tenant.skus = None;
    assert_eq!(ids(&check(world.kind, &world.situation)), [HIDDEN], "nobody asked");
}

#[test]
fn a_mailbox_is_measured_against_the_plan_that_is_held_as_well() {
    for kind in [Kind::Staged, Kind::RemoteMove, Kind::Imap] {
        let mut world = worlds::sound(kind, &["ann", "bob"]);
        world.situation.in_cloud[0].held.push("product".into());
        world.situation.sizes = BTreeMap::from([("ann@contoso.test".to_owned(), 60 << 30)]);
        assert_eq!(ids(&check(kind, &world.situation)), [TOO_LARGE]);
    }
}

prop_compose! {
    fn person(names: &'static [&'static str])(
        name in prop::sample::select(names),
        other in prop::sample::select(names),
        flags in prop::collection::vec(any::<bool>(), 8),
        details in prop::option::of(prop::sample::select(&[1_i64, 2, 4, 16, 128, 4096][..])),
        domain in prop::sample::select(&["contoso.test", "contoso.local", "contoso.onmicrosoft.com"][..]),
    ) -> OnPremises {
        OnPremises {
            dn: format!("CN={name},OU={other},DC=contoso,DC=test"),
            address: format!("{name}@contoso.test"),
            proxies: vec![format!("SMTP:{name}@contoso.test"), format!("smtp:{other}@{domain}")],
            alias: if flags[0] { String::new() } else { name.to_owned() },
            upn: format!("{other}@{domain}"),
            has_mailbox: flags[1],
            hidden: flags[2],
            um_enabled: flags[3],
            enabled: flags[4],
            system: flags[5] && flags[6],
            skipped: flags[6].then_some("it is passed over"),
            target_address: flags[7].then(|| format!("SMTP:{other}@{domain}")),
            type_details: details,
            delegates: vec![format!("CN={other},OU={name},DC=contoso,DC=test")],
            ..OnPremises::default()
        }
    }
}

prop_compose! {
    fn user(names: &'static [&'static str])(
        name in prop::sample::select(names),
        other in prop::sample::select(names),
        kind in prop::sample::select(&["", "MailUser", "UserMailbox", "GuestMailUser"][..]),
        flags in prop::collection::vec(any::<bool>(), 3),
    ) -> InCloud {
        InCloud {
            id: format!("{name} {other}"),
            upn: format!("{other}@contoso.test"),
            alias: name.to_owned(),
            proxies: vec![format!("SMTP:{name}@contoso.test"), format!("smtp:{other}@contoso.onmicrosoft.com")],
            recipient_type: kind.to_owned(),
            licensed: flags[0],
            held: if flags[0] { vec!["product".into()] } else { Vec::new() },
            usage_location: if flags[1] { "DE".into() } else { String::new() },
            conflicts: if flags[2] { vec![("ProxyAddress".into(), format!("smtp:{other}@contoso.test"))] } else { Vec::new() },
            ..InCloud::default()
        }
    }
}

const NAMES: &[&str] = &["ann", "bob", "cy", "di", "eve"];

proptest! {
    /// Whatever the facts: a row is done, or has a reason, or goes; what is said
    /// is of the list, of the kind's column, and no echo of something else.
    #[test]
    fn nothing_is_said_twice_and_nothing_of_strangers(
        kind in prop::sample::select(&Kind::ALL[..]),
        listed in prop::sample::subsequence(NAMES, 1..5),
        on_premises in prop::collection::vec(person(NAMES), 0..7),
        in_cloud in prop::collection::vec(user(NAMES), 0..7),
        seats in 0_u64..4,
    ) {
        let mut world = worlds::sound(kind, &listed);
        world.situation.on_premises = on_premises;
        world.situation.in_cloud = in_cloud;
        world.situation.tenant.skus.iter_mut().flatten().for_each(|s| s.enabled = seats);
        let checked = check(kind, &world.situation);
        let keys: BTreeSet<String> = world.situation.list.addresses().into_iter().collect();
        for address in &keys {
            let of_row: Vec<_> = said(&checked).into_iter().filter(|(_, _, a)| a == address).collect();
            for (id, severity, _) in &of_row {
                let rule = of(id).expect("a rule of the table");
                prop_assert_eq!(rule.severity(kind), Some(*severity));
                for (other, as_grave, _) in &of_row {
                    prop_assert!(!(rule.silences.contains(other) && severity <= as_grave), "{} says {}", id, other);
                }
            }
            let errors = of_row.iter().any(|(_, s, _)| *s == Severity::Error);
            prop_assert!(!(errors && checked.done.contains(address)));
        }
        for (_, _, address) in said(&checked) {
            prop_assert!(address.is_empty() || keys.contains(&address));
        }
    }
}

#[test]
fn a_list_of_twenty_thousand_is_judged_in_one_go() {
    let names: Vec<String> = (0..20_000).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = worlds::sound(Kind::Staged, &names);
    for person in &mut world.situation.on_premises {
        person.delegates = vec![person.dn.replace("CN=p", "CN=p1")];
    }
    world.situation.tenant.skus = None;
    let checked = check(world.kind, &world.situation);
    assert_eq!((checked.aside.len(), checked.warned.len()), (0, 0));
}
