//! Scenes of the way between the hosts.

use super::*;
use crate::lab::transport::{Dmarc, Enforcement, Gateway, Route};

const MB: u64 = 1 << 20;
const STRICT: Policy = Policy { spf: true, dkim: true, dmarc: Dmarc::Reject };

fn gateway(w: &mut World, route: Route) -> &mut Gateway {
    let host = "gate.filter.example".to_owned();
    for domain in w.company.domains.clone() {
        mx(w, &domain, &host);
    }
    let gateway = Gateway { host, route, ..Gateway::default() };
    w.company.transport.gateway.insert(gateway)
}

fn lock(w: &mut World, host: &str) {
    w.tenant.connectors.push(crate::lab::world::Connector {
        name: "Lock".into(),
        kind: "Partner".into(),
        domains: vec!["*".into()],
        hosts: vec![host.into()],
        enabled: true,
        ..Default::default()
    });
}

/// Forwarded, and only the connector to the old host is there.
fn direct(w: &mut World) {
    forwarded(w);
    w.tenant.connectors.retain(|c| c.outbound);
}

fn spf(w: &mut World, value: &str) {
    txt(w, "contoso.test", value);
}

fn txt(w: &mut World, name: &str, value: &str) {
    drive::publish(w, "contoso.test", name, RecordType::TXT, 3600, value);
}

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        scene("31", |w| _ = gateway(w, Route::Old), OUTSIDE, "old"),
        scene(
            "33",
            |w| {
                forwarded(w);
                lock(w, "gate.filter.example");
            },
            COLLEAGUE,
            "550 5.7.51",
        ),
        scene(
            "44",
            |w| {
                mx_cloud(w);
                w.company.transport.retired = true;
            },
            IN_CLOUD,
            "queued 24",
        ),
        scene(
            "44",
            |w| {
                relay(w);
                mx_cloud(w);
                w.company.transport.retired = true;
            },
            Post { to: "nobody@contoso.test", ..OUTSIDE },
            "queued 24",
        ),
        scene("old-retired", |w| w.company.transport.retired = true, FIXED, "queued 120"),
        scene(
            "connector-size",
            |w| {
                forwarded(w);
                w.company.transport.connector_limit = Some(MB);
            },
            Post { size: 2 * MB, ..COLLEAGUE },
            "550 5.3.4",
        ),
        scene(
            "tls-forced",
            |w| {
                forwarded(w);
                w.company.transport.demands_tls = true;
            },
            COLLEAGUE,
            "queued 48",
        ),
        scene(
            "direct-send",
            |w| {
                direct(w);
                w.tenant.door.reject_direct_send = true;
            },
            COLLEAGUE,
            "550 5.7.68",
        ),
        scene(
            "out-of-date-refused",
            |w| {
                forwarded(w);
                w.tenant.door.enforcement = Enforcement::Refuses;
            },
            COLLEAGUE,
            "550 5.7.230",
        ),
        scene(
            "out-of-date-delayed",
            |w| {
                forwarded(w);
                w.tenant.door.enforcement = Enforcement::Delays;
            },
            COLLEAGUE,
            "cloud late 1",
        ),
        scene(
            "address-throttled",
            |w| {
                direct(w);
                w.tenant.door.throttles_new = true;
            },
            FIXED,
            "cloud late 1",
        ),
        scene(
            "tenant-size",
            |w| {
                forwarded(w);
                w.company.transport.limit = Some(100 * MB);
            },
            Post { size: 30 * MB, ..COLLEAGUE },
            "550 5.3.4",
        ),
        scene(
            "ndr-quarantined",
            |w| {
                forwarded(w);
                txt(w, "_dmarc.contoso.test", "v=DMARC1; p=reject");
            },
            Post { from: "", ..COLLEAGUE },
            "held",
        ),
        scene("own-spf-passes", direct, COLLEAGUE, "cloud"),
        scene(
            "own-spf-fails",
            |w| {
                direct(w);
                spf(w, "v=spf1 include:spf.protection.outlook.com -all");
            },
            COLLEAGUE,
            "cloud junk",
        ),
        scene(
            "dmarc-source-found",
            |w| {
                forwarded(w);
                w.tenant.door.enhanced_filtering = true;
            },
            Post { policy: STRICT, ..OUTSIDE },
            "cloud",
        ),
        scene(
            "dkim-intact",
            |w| {
                setting(w, "dkim_survives_old_host", "yes");
                forwarded(w);
            },
            Post { policy: STRICT, ..OUTSIDE },
            "cloud",
        ),
        scene(
            "dmarc-reject",
            |w| {
                forwarded(w);
                mx_cloud(w);
            },
            Post { policy: STRICT, ..FIXED },
            "550 5.7.509",
        ),
        scene(
            "dmarc-quarantine",
            |w| {
                forwarded(w);
                mx_cloud(w);
            },
            Post { policy: Policy { dmarc: Dmarc::Quarantine, ..STRICT }, ..FIXED },
            "held",
        ),
        scene("dmarc-not-honoured", forwarded, Post { policy: STRICT, ..OUTSIDE }, "cloud junk"),
        scene(
            "forwarded-spf",
            forwarded,
            Post { policy: Policy { dmarc: Dmarc::None, ..STRICT }, ..OUTSIDE },
            "cloud junk",
        ),
        scene(
            "old-refuses-own-outside",
            |w| {
                w.company.transport.refuses_own_outside = true;
                w.company.own_senders = vec!["shop@contoso.test".to_owned()];
            },
            Post { from: "shop@contoso.test", ..OUTSIDE },
            "550 5.7.1",
        ),
        scene("old-refuses-own", |w| w.company.transport.refuses_own_domain = true, IN_CLOUD, "550 5.7.1"),
        scene(
            "gateway-spf",
            |w| {
                gateway(w, Route::Old).checks_spf = true;
                spf(w, "v=spf1 mx -all");
            },
            IN_CLOUD,
            "550 5.7.23",
        ),
        scene("old-stale-addresses", |w| w.company.transport.stale_service_addresses = true, IN_CLOUD, "550 5.7.1"),
        scene("gateway-greylists", |w| gateway(w, Route::Old).greylists = true, IN_CLOUD, "old late 1"),
    ]
}

#[test]
fn the_way_between_the_hosts_as_the_table_says() {
    check(&scenes());
}

#[test]
fn a_lock_that_lists_who_hands_over_lets_it_pass() {
    let mut world = home();
    forwarded(&mut world);
    lock(&mut world, "mail.contoso.test");
    assert_eq!(words(&world, &play(&world, COLLEAGUE)), "cloud");
    gateway(&mut world, Route::Cloud).listed = true;
    assert_eq!(words(&world, &play(&world, OUTSIDE)), "550 5.7.51", "the gateway is not listed");
    lock(&mut world, "gate.filter.example");
    assert_eq!(words(&world, &play(&world, OUTSIDE)), "cloud");
}

#[test]
fn a_gateway_that_the_tenant_does_not_know_is_a_stranger_with_our_mail() {
    let mut world = home();
    forwarded(&mut world);
    gateway(&mut world, Route::Cloud);
    let post = Post { policy: STRICT, ..OUTSIDE };
    assert_eq!(words(&world, &play(&world, post)), "cloud junk");
    world.company.transport.gateway.as_mut().expect("it was set").listed = true;
    assert_eq!(words(&world, &play(&world, post)), "cloud");
}

#[test]
fn our_spf_names_the_old_host_in_more_than_one_way() {
    for (record, passes) in [
        ("v=spf1 ip4:192.0.2.25 -all", true),
        ("v=spf1 ip4:192.0.2.0/24 -all", true),
        ("v=spf1 mx -all", true),
        ("v=spf1 a:mail.contoso.test ~all", true),
        ("v=spf1 +all", true),
        ("v=spf1 ip4:198.51.100.1 -all", false),
        ("google-site-verification=mx", false),
    ] {
        let mut world = home();
        direct(&mut world);
        spf(&mut world, record);
        assert_eq!(play(&world, COLLEAGUE).junk, !passes, "{record}");
    }
}

#[test]
fn a_message_in_circles_is_neither_late_nor_junk_nor_stranded() {
    let mut world = home();
    c2(&mut world);
    target(&mut world, "routing");
    let way = play(&world, Post { policy: STRICT, ..OUTSIDE });
    assert!(!way.junk && !way.stranded && matches!(way.end, End::Bounced(_)), "{way:?}");
}
