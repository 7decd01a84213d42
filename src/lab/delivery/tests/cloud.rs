//! Scenes of Exchange Online.

use super::*;
use crate::lab::transport::{Gateway, Route};

const NOBODY: Post = Post { to: "nobody@contoso.test", ..OUTSIDE };
const TEAM: Post = Post { to: "team@contoso.test", ..IN_CLOUD };

fn unsynced(w: &mut World) {
    cloud_is(w, Recipient::None);
}

fn unverified(w: &mut World) {
    for domain in w.tenant.domains.values_mut() {
        domain.verified = false;
    }
}

fn restricted(w: &mut World) {
    set(w, "msExchRequireAuthToSendTo", "TRUE");
}

fn restricted_team(w: &mut World) {
    group(w);
    entry_of(w, "team").set_text("msExchRequireAuthToSendTo", "TRUE");
}

fn folder(w: &mut World) {
    object(w, "board", &["top", "publicFolder"], &[]);
    mx_cloud(w);
}

fn gateway(w: &mut World) {
    let host = "gate.filter.example".to_owned();
    for domain in w.company.domains.clone() {
        mx(w, &domain, &host);
    }
    w.company.transport.gateway = Some(Gateway { host, route: Route::Cloud, listed: true, ..Gateway::default() });
}

fn demands_tls(w: &mut World) {
    for connector in w.tenant.connectors.iter_mut().filter(|c| c.outbound) {
        connector.demands_tls = true;
    }
}

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        scene("2", |_| {}, IN_CLOUD, "old"),
        scene("3", no_connector, IN_CLOUD, "old"),
        scene(
            "4",
            |w| {
                no_connector(w);
                mx_cloud(w);
            },
            IN_CLOUD,
            "554 5.4.14",
        ),
        scene(
            "5",
            |w| {
                unsynced(w);
                mx_cloud(w);
            },
            OUTSIDE,
            "550 5.4.1",
        ),
        scene(
            "6",
            |w| {
                unsynced(w);
                relay(w);
                mx_cloud(w);
            },
            OUTSIDE,
            "old",
        ),
        scene("7", unsynced, IN_CLOUD, "550 5.1.10"),
        scene(
            "7",
            |w| {
                unsynced(w);
                relay(w);
            },
            IN_CLOUD,
            "old",
        ),
        scene("9", cloud_mailbox, IN_CLOUD, "cloud"),
        scene("11", forwarded, IN_CLOUD, "cloud"),
        scene("11", converted, IN_CLOUD, "cloud"),
        scene(
            "17",
            |w| {
                cloud_mailbox(w);
                target(w, "nobody@contoso.onmicrosoft.com");
            },
            COLLEAGUE,
            "550 5.1.10",
        ),
        scene(
            "17",
            |w| {
                setting(w, "attributed_unknown", "5.4.1");
                cloud_mailbox(w);
                target(w, "nobody@contoso.onmicrosoft.com");
            },
            COLLEAGUE,
            "550 5.4.1",
        ),
        scene(
            "18",
            |w| {
                c2(w);
                target(w, "routing");
            },
            IN_CLOUD,
            "554 5.4.14",
        ),
        scene(
            "23",
            |w| {
                forwarded(w);
                mx_cloud(w);
            },
            OUTSIDE,
            "cloud",
        ),
        scene("25", mx_cloud, OUTSIDE, "old"),
        scene(
            "26",
            |w| {
                no_connector(w);
                mx_cloud(w);
            },
            OUTSIDE,
            "554 5.4.14",
        ),
        scene("27", folder, Post { to: "board@contoso.test", ..OUTSIDE }, "550 5.4.1"),
        scene(
            "27",
            |w| {
                object(w, "all", &["top", "msExchDynamicDistributionList"], &[]);
                mx_cloud(w);
            },
            Post { to: "all@contoso.test", ..OUTSIDE },
            "550 5.4.1",
        ),
        scene(
            "28",
            |w| {
                folder(w);
                relay(w);
            },
            Post { to: "board@contoso.test", ..OUTSIDE },
            "other old",
        ),
        scene("29", mx_cloud, NOBODY, "550 5.4.1"),
        scene(
            "30",
            |w| {
                relay(w);
                mx_cloud(w);
            },
            NOBODY,
            "550 5.1.1",
        ),
        scene("32", gateway, OUTSIDE, "old"),
        scene(
            "32",
            |w| {
                gateway(w);
                no_connector(w);
            },
            OUTSIDE,
            "554 5.4.14",
        ),
        scene("37", c2, IN_CLOUD, "554 5.4.14"),
        scene("41", disconnected, IN_CLOUD, "554 5.4.14"),
        scene(
            "41",
            |w| {
                setting(w, "mail_to_disconnected", "bounce");
                disconnected(w);
            },
            IN_CLOUD,
            "550 5.1.10",
        ),
        scene(
            "41",
            |w| {
                setting(w, "grace_end", "receives");
                disconnected(w);
            },
            IN_CLOUD,
            "cloud",
        ),
        scene(
            "41",
            |w| {
                setting(w, "delicensed_object", "mail_disabled");
                disconnected(w);
            },
            IN_CLOUD,
            "550 5.1.10",
        ),
        scene(
            "41",
            |w| {
                setting(w, "delicensed_object", "mail_disabled");
                disconnected(w);
                mx_cloud(w);
            },
            OUTSIDE,
            "550 5.4.1",
        ),
        scene(
            "42",
            |w| {
                converted(w);
                mx_cloud(w);
                w.company.transport.retired = true;
            },
            OUTSIDE,
            "cloud",
        ),
        scene(
            "43",
            |w| {
                mx_cloud(w);
                no_connector(w);
                w.company.transport.retired = true;
            },
            OUTSIDE,
            "554 5.4.14",
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
            "46",
            |w| {
                forwarded(w);
                restricted(w);
            },
            COLLEAGUE,
            "550 5.7.134",
        ),
        scene(
            "46",
            |w| {
                restricted_team(w);
                let domain = "contoso.test".to_owned();
                w.company.transport.relay_domains.push(domain);
                // Carried on from a chain: an old contact that points to the group's routing address.
                object(w, "chain", &["top", "contact"], &[("targetAddress", "SMTP:team@contoso.onmicrosoft.com")]);
                let key = "smtp:team@contoso.onmicrosoft.com";
                let mut all = entry_of(w, "team").values("proxyAddresses").to_vec();
                all.push(key.as_bytes().to_vec());
                let before = entry_of(w, "team").clone();
                entry_of(w, "team").set("proxyAddresses", all);
                let (after, name) = (entry_of(w, "team").clone(), dn_key(&before.dn));
                w.index.directory(&name, &before, &after);
            },
            Post { to: "chain@contoso.test", ..COLLEAGUE },
            "550 5.7.133",
        ),
        scene(
            "47",
            |w| {
                forwarded(w);
                let room = Mailbox { kind: "RoomMailbox".into(), ..mailbox(w) };
                cloud_is(w, Recipient::Mailbox(room));
            },
            Post { meeting: true, ..COLLEAGUE },
            "cloud unanswered",
        ),
        scene("cloud-not-accepted-mx", unverified, IN_CLOUD, "old"),
        scene("cloud-out", |_| {}, Post { to: "x@elsewhere.example", ..IN_CLOUD }, "out x@elsewhere.example"),
        scene(
            "cloud-not-accepted",
            |w| {
                unverified(w);
                mx_cloud(w);
            },
            OUTSIDE,
            "550 5.4.1",
        ),
        scene(
            "cloud-group-auth",
            |w| {
                restricted_team(w);
                mx_cloud(w);
            },
            Post { entry: None, by: From::Outside, from: "weather@partner.example", ..TEAM },
            "550 5.7.133",
        ),
        scene(
            "cloud-mailbox-auth",
            |w| {
                forwarded(w);
                restricted(w);
                mx_cloud(w);
            },
            OUTSIDE,
            "550 5.7.134",
        ),
        scene(
            "cloud-mail-user-auth",
            |w| {
                restricted(w);
                mx_cloud(w);
            },
            OUTSIDE,
            "550 5.7.136",
        ),
        scene(
            "cloud-disabled",
            |w| {
                setting(w, "disabled_account_cloud", "refused");
                forwarded(w);
                set(w, "userAccountControl", "514");
                drive::hours(w, 1);
            },
            IN_CLOUD,
            "550 5.7.129",
        ),
        scene(
            "cloud-full",
            |w| {
                forwarded(w);
                let full = Mailbox { filled: Some(w.now), ..mailbox(w) };
                cloud_is(w, Recipient::Mailbox(full));
                let name = w.index.names[0].clone();
                w.directory.get_mut(&name).expect("it is there").bytes = 60 << 30;
            },
            IN_CLOUD,
            "554 5.2.2",
        ),
        scene("cloud-flooded", forwarded, Post { this_hour: 3601, ..IN_CLOUD }, "550 5.2.122"),
        scene(
            "cloud-forwarding",
            |w| {
                forwarded(w);
                let name = w.index.names[1].clone();
                set(w, "altRecipient", &name);
                set(w, "deliverAndRedirect", "TRUE");
            },
            IN_CLOUD,
            "other old",
        ),
        scene(
            "cloud-forwarding-both",
            |w| {
                forwarded(w);
                let name = w.index.names[1].clone();
                set(w, "altRecipient", &name);
                cloud_is(w, Recipient::Mailbox(Mailbox { both: true, ..mailbox(w) }));
            },
            IN_CLOUD,
            "cloud and other old",
        ),
        scene("cloud-mailbox", |_| {}, Post { to: "admin@contoso.onmicrosoft.com", ..IN_CLOUD }, "other cloud"),
        scene("out-tls", demands_tls, IN_CLOUD, "queued 24"),
        scene(
            "out-by-mx",
            |w| {
                for connector in &mut w.tenant.connectors {
                    connector.smart_hosts.clear();
                }
                mx_cloud(w);
            },
            IN_CLOUD,
            "554 5.4.14",
        ),
        scene(
            "cloud-mail-user",
            |w| object(w, "chain", &["top", "contact"], &[("targetAddress", &format!("SMTP:{}", first(w)))]),
            Post { to: "chain@contoso.test", ..IN_CLOUD },
            "old",
        ),
        scene(
            "c2-bounce",
            |w| {
                setting(w, "c2_outcome", "bounce");
                c2(w);
            },
            IN_CLOUD,
            "550 5.1.10",
        ),
        scene(
            "cloud-foreign",
            |w| object(w, "dave", &["top", "contact"], &[("targetAddress", "SMTP:dave@partner.example")]),
            Post { to: "dave@contoso.test", ..IN_CLOUD },
            "out dave@partner.example",
        ),
        scene(
            "cloud-relay-mx",
            |w| {
                unsynced(w);
                relay(w);
                no_connector(w);
            },
            IN_CLOUD,
            "old",
        ),
        scene(
            "cloud-relay-mx",
            |w| {
                unsynced(w);
                relay(w);
                no_connector(w);
                mx_cloud(w);
            },
            OUTSIDE,
            "554 5.4.14",
        ),
    ]
}

#[test]
fn the_cloud_as_the_table_says() {
    check(&scenes());
}

#[test]
fn a_trusted_connector_lets_colleagues_of_the_old_side_in() {
    let mut world = home();
    forwarded(&mut world);
    restricted(&mut world);
    for connector in world.tenant.connectors.iter_mut().filter(|c| !c.outbound) {
        connector.treat_as_internal = true;
    }
    assert_eq!(words(&world, &play(&world, COLLEAGUE)), "cloud");
    // Trust is for our own people.
    assert_eq!(words(&world, &play(&world, FIXED)), "550 5.7.1");
}

#[test]
fn the_cloud_gives_up_after_its_own_number_of_rounds() {
    let mut world = home();
    c2(&mut world);
    assert_eq!(play(&world, IN_CLOUD).rows.len(), 20);
    setting(&mut world, "cloud_hop_limit", "30");
    assert_eq!(play(&world, IN_CLOUD).rows.len(), 30);
}
