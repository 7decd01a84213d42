//! Scenes of the old host.

use super::*;

const MB: u64 = 1 << 20;
const NOBODY: Post = Post { to: "nobody@contoso.test", ..FIXED };
const TEAM: Post = Post { to: "team@contoso.test", ..FIXED };

fn headless(w: &mut World) {
    clear(w, "homeMDB");
    clear(w, "targetAddress");
}

fn restricted(w: &mut World) {
    set(w, "msExchRequireAuthToSendTo", "TRUE");
}

fn disabled(w: &mut World) {
    set(w, "userAccountControl", "514");
}

fn alternate(w: &mut World) {
    let name = w.index.names[1].clone();
    set(w, "altRecipient", &name);
}

/// Somebody of the cloud whom no directory knows.
fn hand_made(w: &mut World) {
    let mut user = crate::lab::tenancy::blank(w, "by-hand", "new@contoso.test");
    user.recipient = Recipient::Mailbox(mailbox(w));
    crate::lab::tenancy::enter(w, user);
}

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        scene("1", |_| {}, COLLEAGUE, "old"),
        scene("1", |_| {}, OUTSIDE, "old"),
        scene("8", cloud_mailbox, COLLEAGUE, "old"),
        scene("10", forwarded, COLLEAGUE, "cloud"),
        scene(
            "16",
            |w| {
                c2(w);
                target(w, "routing");
            },
            COLLEAGUE,
            "554 5.4.14",
        ),
        scene("19", converted, COLLEAGUE, "cloud"),
        scene("20", headless, COLLEAGUE, "queued 48"),
        scene(
            "20",
            |w| {
                headless(w);
                clear(w, "msExchHomeServerName");
                set(w, "msExchRecipientTypeDetails", "128");
            },
            COLLEAGUE,
            "550 5.1.1",
        ),
        scene(
            "22",
            |w| {
                converted(w);
                target(w, "first");
            },
            COLLEAGUE,
            "554 5.4.6",
        ),
        scene(
            "22",
            |w| {
                converted(w);
                target(w, "nobody@contoso.test");
            },
            COLLEAGUE,
            "550 5.1.1",
        ),
        scene(
            "24",
            |w| {
                forwarded(w);
                mx_cloud(w);
            },
            FIXED,
            "cloud",
        ),
        scene("41", disconnected, COLLEAGUE, "554 5.4.14"),
        scene(
            "old-two-holders",
            |w| {
                let (one, two) = (first(w), w.company.list[1].clone());
                drive::modify(w, &two, |e| {
                    let mut all = e.values("proxyAddresses").to_vec();
                    all.push(format!("smtp:{one}").into_bytes());
                    e.set("proxyAddresses", all);
                });
            },
            COLLEAGUE,
            "550 5.1.4",
        ),
        scene("old-no-relay", |_| {}, Post { to: "x@elsewhere.example", ..FIXED }, "550 5.7.1"),
        scene("old-to-tenant", forwarded, Post { to: "routing", ..COLLEAGUE }, "cloud"),
        scene(
            "through-tenant",
            |w| w.company.transport.through_tenant = true,
            Post { to: "x@elsewhere.example", from: "", ..COLLEAGUE },
            "550 5.7.64",
        ),
        scene("old-out", |_| {}, Post { to: "x@elsewhere.example", ..COLLEAGUE }, "out x@elsewhere.example"),
        scene(
            "old-rule-rejects",
            |w| w.company.transport.rejected_senders.push("partner.example".into()),
            OUTSIDE,
            "550 5.7.1",
        ),
        scene("old-size-organization", |_| {}, Post { size: 11 * MB, ..OUTSIDE }, "550 5.3.4"),
        scene(
            "old-size-recipient",
            |w| set(w, "delivContLength", "1024"),
            Post { size: 2 * MB, ..COLLEAGUE },
            "550 5.2.3",
        ),
        scene(
            "old-group-auth",
            |w| {
                group(w);
                entry_of(w, "team").set_text("msExchRequireAuthToSendTo", "TRUE");
            },
            TEAM,
            "550 5.7.1",
        ),
        scene(
            "old-folder-auth",
            |w| object(w, "board", &["top", "publicFolder"], &[("msExchRequireAuthToSendTo", "TRUE")]),
            Post { to: "board@contoso.test", ..FIXED },
            "550 5.7.1",
        ),
        scene("old-auth", restricted, OUTSIDE, "550 5.7.1"),
        scene("old-auth-from-cloud", restricted, IN_CLOUD, "550 5.7.1"),
        scene(
            "old-not-allowed",
            |w| {
                let name = w.index.names[1].clone();
                set(w, "authOrig", &name);
            },
            COLLEAGUE,
            "550 5.7.1",
        ),
        scene(
            "old-bad-primary",
            |w| {
                let (address, value) = (first(w), format!("smtp:{}", first(w)));
                drive::modify(w, &address, |e| e.set("proxyAddresses", vec![value.into_bytes()]));
            },
            COLLEAGUE,
            "550 5.2.0",
        ),
        scene("45", group, TEAM, "members: old, other old"),
        scene(
            "45",
            |w| {
                group(w);
                forwarded(w);
            },
            TEAM,
            "members: cloud, other old",
        ),
        scene(
            "old-dynamic-group",
            |w| {
                object(w, "all", &["top", "msExchDynamicDistributionList"], &[("msExchDynamicDLFilter", "(homeMDB=*)")])
            },
            Post { to: "all@contoso.test", ..COLLEAGUE },
            "members: other old, old, other old",
        ),
        scene(
            "old-folder",
            |w| object(w, "board", &["top", "publicFolder"], &[]),
            Post { to: "board@contoso.test", ..FIXED },
            "other old",
        ),
        scene("old-alternate-lost", |w| set(w, "altRecipient", "CN=Gone,DC=contoso,DC=test"), COLLEAGUE, "550 5.2.0"),
        scene(
            "old-alternate-both",
            |w| {
                alternate(w);
                set(w, "deliverAndRedirect", "TRUE");
            },
            COLLEAGUE,
            "old and other old",
        ),
        scene("old-alternate", alternate, COLLEAGUE, "other old"),
        scene(
            "alt-vs-target",
            |w| {
                setting(w, "alt_vs_target", "alternate");
                alternate(w);
                forwarded(w);
            },
            COLLEAGUE,
            "other old",
        ),
        scene("old-target-own", |w| target(w, "second"), COLLEAGUE, "554 5.4.6"),
        scene(
            "old-chain",
            |w| object(w, "chain", &["top", "contact"], &[("targetAddress", &format!("SMTP:{}", first(w)))]),
            Post { to: "chain@contoso.test", ..COLLEAGUE },
            "old",
        ),
        scene(
            "old-contact-own",
            |w| object(w, "lost", &["top", "contact"], &[("targetAddress", "SMTP:nobody@contoso.test")]),
            Post { to: "lost@contoso.test", ..COLLEAGUE },
            "550 5.1.1",
        ),
        scene("old-target-out", |w| target(w, "x@elsewhere.example"), COLLEAGUE, "out x@elsewhere.example"),
        scene(
            "old-mail-user",
            |w| {
                converted(w);
                cloud_is(w, Recipient::None);
            },
            COLLEAGUE,
            "550 5.1.10",
        ),
        scene("old-no-store", |w| set(w, "homeMDB", "CN=Gone,DC=contoso,DC=test"), COLLEAGUE, "queued 48"),
        scene(
            "old-disabled-2003",
            |w| {
                disabled(w);
                w.company.exchange = "2003".into();
                w.company.transport.unpatched = true;
            },
            COLLEAGUE,
            "queued 48",
        ),
        scene(
            "old-full",
            |w| {
                set(w, "mDBUseDefaults", "FALSE");
                set(w, "mDBOverHardQuotaLimit", "1");
            },
            COLLEAGUE,
            "550 5.2.2",
        ),
        scene("old-disabled", disabled, COLLEAGUE, "old"),
        scene("old-hidden", |w| set(w, "msExchHideFromAddressLists", "TRUE"), COLLEAGUE, "old"),
        scene(
            "old-relay-checked",
            |w| {
                w.company.transport.relay_domains.push("contoso.test".into());
                w.company.transport.checked_relay_domains.push("contoso.test".into());
            },
            NOBODY,
            "550 5.1.1",
        ),
        scene(
            "30",
            |w| {
                relay(w);
                mx_cloud(w);
                w.company.transport.relay_domains.push("contoso.test".into());
            },
            Post { to: "nobody@contoso.test", ..OUTSIDE },
            "554 5.4.6",
        ),
        scene(
            "30",
            |w| {
                relay(w);
                mx_cloud(w);
            },
            Post { to: "nobody@contoso.test", ..OUTSIDE },
            "550 5.1.1",
        ),
        scene(
            "old-relay",
            |w| {
                w.company.transport.relay_domains.push("contoso.test".into());
                mx_cloud(w);
            },
            NOBODY,
            "550 5.1.10",
        ),
        scene(
            "old-unresolved-2003",
            |w| {
                w.company.exchange = "2003".into();
                w.company.transport.unresolved_to_cloud = true;
            },
            NOBODY,
            "550 5.1.10",
        ),
        scene("cloud-only", hand_made, Post { to: "new@contoso.test", ..COLLEAGUE }, "550 5.1.1"),
        scene("old-unknown-unfiltered", |w| w.company.transport.unfiltered = true, NOBODY, "550 5.1.1"),
        scene("old-unknown", |_| {}, NOBODY, "550 5.1.1"),
    ]
}

#[test]
fn the_old_host_as_the_table_says() {
    check(&scenes());
}

#[test]
fn a_disabled_account_of_2003_with_the_hotfix_or_an_associated_account_gets_its_mail() {
    let mut world = home();
    disabled(&mut world);
    world.company.exchange = "2003".into();
    assert_eq!(words(&world, &play(&world, COLLEAGUE)), "old");
    world.company.transport.unpatched = true;
    set(&mut world, "msExchMasterAccountSid", "S-1-5-10");
    assert_eq!(words(&world, &play(&world, COLLEAGUE)), "old");
}

#[test]
fn those_who_may_write_may() {
    let mut world = home();
    let name = world.index.names[1].clone();
    set(&mut world, "authOrig", &name);
    let second = world.company.list[1].clone();
    let to = first(&world);
    let letter = Letter::new(&world, Side::Old, From::Colleague, &second, &to);
    assert_eq!(words(&world, &send(&world, &letter, &|_| None)), "old");
}
