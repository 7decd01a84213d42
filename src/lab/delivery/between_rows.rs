//! What happens between the hosts (`who-delivers-what`, sections 3.1, 3.2, 6).
//!
//! All rows of a door that fit hold, in order, until one ends the way: a message
//! may be late, and in junk, and be delivered all the same. A colleague's
//! message that begins on a host passes no door.

use super::table::{From, Row, Stage, Step, When, plain};
use crate::lab::mail::Side;
use crate::lab::transport::{Dmarc, Enforcement, Route};

const fn to_cloud(
    name: &'static str,
    mark: &'static str,
    source: &'static str,
    about: &'static str,
    step: Step,
) -> Row {
    Row { host: Some(Side::Cloud), stage: Stage::Door, step, ..plain(name, mark, source, about) }
}

const fn to_old(name: &'static str, mark: &'static str, source: &'static str, about: &'static str, step: Step) -> Row {
    Row { host: Some(Side::Old), stage: Stage::Door, step, ..plain(name, mark, source, about) }
}

const DMARC: &str =
    "550 5.7.509 Access denied, sending domain does not pass DMARC verification and has a DMARC policy of reject";

/// The tenant's door.
pub(super) const TO_CLOUD: &[Row] = &[
    // What the old host can't send.
    Row {
        from: &[From::OtherSide],
        when: Some(When("larger than the old host's connector takes", |s| s.is_too_large_for_connector())),
        ..to_cloud(
            "connector-size",
            "D",
            "MSL07, ODSN",
            "too large for the old host's way to the tenant",
            Step::Refuse("550 5.3.4 ROUTING.SizeLimit; message size exceeds fixed maximum size for route"),
        )
    },
    Row {
        from: &[From::OtherSide],
        when: Some(When("the old host's connector demands TLS", |s| s.world.company.transport.demands_tls)),
        ..to_cloud(
            "tls-forced",
            "O",
            "TLS",
            "TLS 1.0 only, and forced on the old host's connector: it stays in the queue",
            Step::Wait(48, "550 4.4.7 QUEUE.Expired; message expired"),
        )
    },
    // Who may.
    Row {
        from: &[From::Outside, From::OtherSide],
        when: Some(When("a Partner connector for `*` doesn't list who hands over", |s| s.is_locked_out())),
        ..to_cloud(
            "33",
            "O",
            "SISI, I2642, I900",
            "a lock-down that refuses the routing domain, too",
            Step::Refuse(
                "550 5.7.51 TenantInboundAttribution; There is a partner connector configured that matched the message's recipient domain",
            ),
        )
    },
    Row {
        from: &[From::Outside, From::OtherSide],
        when: Some(When("sender of our domains, no connector, RejectDirectSend", |s| {
            s.letter.inside && !s.has_inbound() && s.world.tenant.door.reject_direct_send
        })),
        ..to_cloud(
            "direct-send",
            "D",
            "CMD, DS, MAE",
            "our own domain as sender, without a connector",
            Step::Refuse(
                "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization from unauthorized sources",
            ),
        )
    },
    Row {
        from: &[From::OtherSide],
        when: Some(When("out-of-date servers are refused; a connector, or tes_without_connector = yes", |s| {
            s.world.tenant.door.enforcement == Enforcement::Refuses
                && (s.has_inbound() || s.setting("tes_without_connector", "yes"))
        })),
        ..to_cloud(
            "out-of-date-refused",
            "D",
            "TES",
            "an out-of-date server, past the time of grace",
            Step::Refuse(
                "550 5.7.230 Connecting Exchange server version is out-of-date; connection to Exchange Online blocked",
            ),
        )
    },
    Row {
        from: &[From::OtherSide],
        when: Some(When("out-of-date servers are slowed down; a connector, or tes_without_connector = yes", |s| {
            s.world.tenant.door.enforcement == Enforcement::Delays
                && (s.has_inbound() || s.setting("tes_without_connector", "yes"))
        })),
        ..to_cloud("out-of-date-delayed", "D", "TES", "an out-of-date server (450 4.7.230)", Step::Late(1))
    },
    Row {
        from: &[From::OtherSide],
        when: Some(When("no connector, and the service slows new addresses down", |s| {
            !s.has_inbound() && s.world.tenant.door.throttles_new
        })),
        ..to_cloud("address-throttled", "D", "CDSN", "a new sending address (451 4.7.500-699)", Step::Late(1))
    },
    Row {
        from: &[From::Outside, From::OtherSide],
        when: Some(When("with a third for base64, larger than the tenant takes (36 MB)", |s| {
            s.is_too_large_for_tenant()
        })),
        ..to_cloud(
            "tenant-size",
            "U",
            "MSL, MEMP",
            "too large for the tenant",
            Step::Refuse("550 5.3.4 message size exceeds fixed maximum message size"),
        )
    },
    Row {
        from: &[From::OtherSide],
        when: Some(When("empty sender, and our own DMARC asks for more than nothing", |s| {
            s.letter.from.is_empty() && s.has_own_dmarc()
        })),
        ..to_cloud(
            "ndr-quarantined",
            "O",
            "NDRQ",
            "a return notice of the old host, as postmaster of our domain",
            Step::Quarantine("held in quarantine: DMARC of our own domain fails for a notice of the old host"),
        )
    },
    // What it is taken for.
    Row {
        from: &[From::Outside, From::OtherSide],
        when: Some(When("sender of our domains, no connector, our SPF names the old host", |s| {
            s.letter.inside && !s.has_inbound() && s.spf_names_old_host()
        })),
        ..to_cloud("own-spf-passes", "I", "DS, CMD", "our own domain, without a connector, SPF good", Step::On)
    },
    Row {
        from: &[From::Outside, From::OtherSide],
        when: Some(When("sender of our domains, no connector, our SPF doesn't name the old host", |s| {
            s.letter.inside && !s.has_inbound() && !s.spf_names_old_host()
        })),
        ..to_cloud("own-spf-fails", "I", "DS, CMD", "our own domain, without a connector, SPF fails", Step::Junk)
    },
    Row {
        when: Some(When("forwarded; DMARC is acted on; enhanced filtering finds the true source", |s| {
            s.is_forwarded() && !s.letter.inside && s.world.tenant.door.enhanced_filtering && !s.asks(Dmarc::None)
        })),
        ..to_cloud("dmarc-source-found", "D", "CMD, EF", "enhanced filtering judges the host before ours", Step::On)
    },
    Row {
        when: Some(When("forwarded from outside; the signature is still good", |s| {
            s.is_forwarded() && !s.letter.inside && s.is_signed() && !s.world.tenant.door.enhanced_filtering
        })),
        ..to_cloud("dkim-intact", "U", "SPF15, DMD", "the old host left the signature whole", Step::On)
    },
    Row {
        when: Some(When("forwarded; p=reject, acted on; signature broken", |s| {
            s.is_forwarded()
                && !s.letter.inside
                && s.asks(Dmarc::Reject)
                && s.honours_dmarc()
                && !s.is_signed()
                && !s.world.tenant.door.enhanced_filtering
        })),
        ..to_cloud(
            "dmarc-reject",
            "D",
            "CMD, CDSN, DMARC",
            "after MX, what the old host still sends on",
            Step::Refuse(DMARC),
        )
    },
    Row {
        when: Some(When("forwarded; p=quarantine, acted on; signature broken", |s| {
            s.is_forwarded()
                && !s.letter.inside
                && s.asks(Dmarc::Quarantine)
                && s.honours_dmarc()
                && !s.is_signed()
                && !s.world.tenant.door.enhanced_filtering
        })),
        ..to_cloud(
            "dmarc-quarantine",
            "D",
            "CMD, CDSN, DMARC",
            "after MX, what the old host still sends on",
            Step::Quarantine("held in quarantine: the sender's domain does not pass DMARC and asks for quarantine"),
        )
    },
    Row {
        when: Some(When("forwarded; p=reject or quarantine, not acted on; signature broken", |s| {
            s.is_forwarded() && !s.letter.inside && !s.asks(Dmarc::None) && !s.honours_dmarc() && !s.is_signed()
        })),
        ..to_cloud(
            "dmarc-not-honoured",
            "D",
            "DMARC, APP",
            "MX elsewhere: policy not honoured, junk as a rule",
            Step::Junk,
        )
    },
    Row {
        when: Some(When("forwarded; SPF of the sender fails for our address; no DMARC, signature broken", |s| {
            s.is_forwarded()
                && !s.letter.inside
                && s.letter.policy.spf
                && s.asks(Dmarc::None)
                && !s.is_signed()
                && !s.world.tenant.door.enhanced_filtering
        })),
        ..to_cloud("forwarded-spf", "O", "SPF15, DMD", "forwarded: SPF fails, spam verdict, SCL 5", Step::Junk)
    },
];

/// The old host's door.
pub(super) const TO_OLD: &[Row] = &[
    Row {
        from: &[From::OtherSide],
        when: Some(When("the old host is switched off", |s| s.world.company.transport.retired)),
        ..to_old(
            "44",
            "D",
            "QREP",
            "old host retired, the connector left",
            Step::Wait(24, "550 5.4.300 Message expired (550 5.4.316 Message expired, connection refused)"),
        )
    },
    Row {
        from: &[From::Outside],
        when: Some(When("the old host is switched off", |s| s.world.company.transport.retired)),
        ..to_old(
            "old-retired",
            "I",
            "RFC 5321",
            "a partner with a fixed host: in its queue, then lost",
            Step::Wait(120, "550 4.4.7 message expired in the sender's queue"),
        )
    },
    Row {
        from: &[From::Outside],
        anyway: true,
        when: Some(When("a sender on the internet with an address of ours, refused at a gateway", |s| {
            let company = &s.world.company;
            company.transport.refuses_own_outside && company.own_senders.iter().any(|o| o == s.letter.from)
        })),
        ..to_old(
            "old-refuses-own-outside",
            "D",
            "RCV, IROHA",
            "our own domain as sender, refused at the gateway, the tenant's connector apart",
            Step::Refuse("550 5.7.1 Client does not have permissions to send as this sender"),
        )
    },
    Row {
        from: &[From::Outside, From::OtherSide],
        when: Some(When("sender of our domains, and that is refused from outside", |s| {
            s.letter.inside && s.world.company.transport.refuses_own_domain
        })),
        ..to_old(
            "old-refuses-own",
            "D",
            "RCV, IROHA",
            "our own domain as sender, the right to it taken away against forgery",
            Step::Refuse("550 5.7.1 Client does not have permissions to send as this sender"),
        )
    },
    Row {
        from: &[From::OtherSide],
        when: Some(When("a gateway checks SPF, and ours doesn't include the service", |s| {
            let gateway = s.world.company.transport.gateway.as_ref();
            s.letter.inside && gateway.is_some_and(|g| g.checks_spf) && !s.spf_names_cloud()
        })),
        ..to_old(
            "gateway-spf",
            "D",
            "CDSN",
            "a gateway that refuses what our SPF doesn't name",
            Step::Refuse("550 5.7.23 The message was rejected because of Sender Policy Framework violation"),
        )
    },
    Row {
        from: &[From::OtherSide],
        when: Some(When("the old connector lists service addresses that have changed", |s| {
            s.world.company.transport.stale_service_addresses
        })),
        ..to_old(
            "old-stale-addresses",
            "D",
            "KB2750145",
            "a connector for listed service addresses that have changed",
            Step::Refuse("550 5.7.1 Client was not authenticated"),
        )
    },
    Row {
        from: &[From::OtherSide],
        when: Some(When("a gateway greylists", |s| {
            s.world.company.transport.gateway.as_ref().is_some_and(|g| g.greylists)
        })),
        ..to_old("gateway-greylists", "I", "no source", "each try may come from another address", Step::Late(1))
    },
    Row {
        from: &[From::Outside],
        when: Some(When("a gateway with its route to the old host", |s| s.behind_gateway(Route::Old))),
        ..to_old("31", "I", "no source", "gateway in front: as the old host, spam judged at the gateway", Step::On)
    },
];
