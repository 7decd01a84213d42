//! What Exchange Online does with a recipient (`who-delivers-what`, sections 2.2, 5, 6).
//!
//! Soft-deleted and inactive mailboxes have no row: nothing in the lab deletes a
//! user.

use super::seen::mail_user;
use super::table::Cloud::{C0, C1, C2, C3, C4, C5, CG, Foreign};
use super::table::Old::{O0, O1, O2, O3, OG, OP};
use super::table::{From, Row, Step, When, plain};
use crate::lab::mail::Side;
use crate::lab::transport::Route;

const fn cloud(name: &'static str, mark: &'static str, source: &'static str, about: &'static str, step: Step) -> Row {
    Row { host: Some(Side::Cloud), step, ..plain(name, mark, source, about) }
}

const DENIED: &str = "550 5.4.1 [{}]: Recipient address rejected: Access denied";
const NOT_FOUND: &str = "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup";
/// How long the tenant keeps what it can't hand over: a day.
const EXPIRES: u32 = 24;

/// The first that fits decides.
pub(super) const ROWS: &[Row] = &[
    // Domains that the tenant doesn't accept (yet).
    Row {
        cloud: &[Foreign],
        from: &[From::Colleague],
        mx: Some(Side::Old),
        ..cloud(
            "cloud-not-accepted-mx",
            "D",
            "KB2415053",
            "a domain not verified yet; the MX leads to the old host",
            Step::Mx,
        )
    },
    Row {
        cloud: &[Foreign],
        from: &[From::Colleague],
        when: Some(When("the domain is not the company's", |s| !s.own())),
        ..cloud("cloud-out", "D", "CON", "a foreign address", Step::Out)
    },
    Row {
        cloud: &[Foreign],
        ..cloud(
            "cloud-not-accepted",
            "D",
            "KB2415053, CDSN",
            "a domain that the tenant doesn't accept",
            Step::Refuse("550 5.4.1 Relay Access Denied [{}]"),
        )
    },
    // Restrictions.
    Row {
        cloud: &[C4],
        from: &[From::OtherSide],
        when: Some(When("for known senders; a colleague writes, no header trust", |s| {
            s.is_restricted() && s.letter.inside && s.is_stranger()
        })),
        ..cloud(
            "46",
            "I",
            "HF, KB2663556",
            "an old user writes to a restricted cloud mailbox",
            Step::Refuse("550 5.7.134 RESOLVER.RST.SenderNotAuthenticatedForMailbox; authentication required"),
        )
    },
    Row {
        cloud: &[CG],
        from: &[From::OtherSide],
        when: Some(When("for known senders; a colleague writes, no header trust", |s| {
            s.is_restricted() && s.letter.inside && s.is_stranger()
        })),
        ..cloud(
            "46",
            "I",
            "HF, KB2663556",
            "an old user writes to a restricted cloud group",
            Step::Refuse("550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required"),
        )
    },
    Row {
        cloud: &[CG],
        when: Some(When("for known senders; a stranger writes", |s| s.is_restricted() && s.is_stranger())),
        anyway: true,
        ..cloud(
            "cloud-group-auth",
            "D",
            "CDSN",
            "a synchronized group for known senders",
            Step::Refuse("550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required"),
        )
    },
    Row {
        cloud: &[C4],
        when: Some(When("for known senders; a stranger writes", |s| s.is_restricted() && s.is_stranger())),
        anyway: true,
        ..cloud(
            "cloud-mailbox-auth",
            "D",
            "CDSN",
            "a cloud mailbox for known senders",
            Step::Refuse("550 5.7.134 RESOLVER.RST.SenderNotAuthenticatedForMailbox; authentication required"),
        )
    },
    Row {
        cloud: &[C1, C2, C3],
        when: Some(When("for known senders; a stranger writes", |s| s.is_restricted() && s.is_stranger())),
        anyway: true,
        ..cloud(
            "cloud-mail-user-auth",
            "D",
            "CDSN",
            "a mail user for known senders",
            Step::Refuse("550 5.7.136 RESOLVER.RST.SenderNotAuthenticatedForMailUser; authentication required"),
        )
    },
    // Groups.
    Row {
        cloud: &[CG],
        ..cloud("45", "I", "RR", "a group, entering at the cloud: each member by itself", Step::Expand)
    },
    // A mailbox.
    Row {
        cloud: &[C4],
        when: Some(When("disabled user mailbox; disabled_account_cloud = refused", |s| {
            s.is_cloud_leaver() && s.setting("disabled_account_cloud", "refused")
        })),
        ..cloud(
            "cloud-disabled",
            "U",
            "571",
            "the account is disabled on premises",
            Step::Refuse("550 5.7.129 the sender doesn't have permission to send to this recipient"),
        )
    },
    Row {
        cloud: &[C4],
        when: Some(When("holds more than its plan", |s| s.is_cloud_full())),
        ..cloud(
            "cloud-full",
            "O",
            "MEPF, TSEC",
            "the cloud mailbox is full",
            Step::Refuse("554 5.2.2 mailbox full; STOREDRV.Deliver; QuotaExceeded"),
        )
    },
    Row {
        cloud: &[C4],
        when: Some(When("more than 3,600 messages this hour", |s| s.is_flooded())),
        ..cloud(
            "cloud-flooded",
            "O",
            "CDSN, CCS",
            "a released queue: more than the mailbox takes in an hour",
            Step::Refuse(
                "550 5.2.122 The recipient has exceeded their limit for the number of messages they can receive per hour",
            ),
        )
    },
    Row {
        cloud: &[C4],
        when: Some(When("altRecipient was synchronized, DeliverToMailboxAndForward", |s| {
            s.alternate().is_some() && s.keeps_in_cloud()
        })),
        ..cloud(
            "cloud-forwarding-both",
            "D",
            "CMD",
            "alternate recipient beside the mailbox: DeliverToMailboxAndForward was set in the cloud",
            Step::AlternateToo,
        )
    },
    Row {
        cloud: &[C4],
        when: Some(When("altRecipient was synchronized as ForwardingAddress", |s| s.alternate().is_some())),
        ..cloud(
            "cloud-forwarding",
            "I",
            "E-attr",
            "alternate recipient; deliverAndRedirect isn't synchronized, so no copy stays",
            Step::Alternate,
        )
    },
    Row {
        cloud: &[C4],
        from: &[From::OtherSide],
        when: Some(When("a meeting request to a room, no header trust", |s| {
            s.letter.meeting && s.is_room() && s.is_stranger()
        })),
        ..cloud("47", "D", "ROOM", "a meeting request of the old side to a cloud room", Step::Unanswered)
    },
    Row {
        cloud: &[C4],
        old: &[O3],
        when: Some(When("the old host is switched off", |s| s.world.company.transport.retired)),
        ..cloud("42", "D", "STAGE", "old host retired, directory still synchronized", Step::DeliverCloud)
    },
    Row {
        cloud: &[C4],
        old: &[O2, O3],
        from: &[From::Outside],
        ..cloud("23", "D", "KNOW, DBEB", "after MX, migrated", Step::DeliverCloud)
    },
    Row {
        cloud: &[C4],
        old: &[O1],
        stranded: true,
        ..cloud("9", "D", "TWO", "provisioned, target not yet written (or taken back)", Step::DeliverCloud)
    },
    Row { cloud: &[C4], old: &[O2, O3], ..cloud("11", "D", "TWO", "forwarded or converted", Step::DeliverCloud) },
    Row {
        cloud: &[C4],
        ..cloud("cloud-mailbox", "D", "KNOW, STAGE", "a mailbox of the cloud only", Step::DeliverCloud)
    },
    // A mailbox without a licence.
    Row {
        cloud: &[C5],
        when: Some(When("kept still; grace_end = receives", |s| s.is_kept() && s.setting("grace_end", "receives"))),
        stranded: true,
        ..cloud("41", "U", "KB3158794, 571", "without a licence, taking mail for another 30 days", Step::DeliverCloud)
    },
    Row {
        cloud: &[C5],
        from: &[From::Colleague],
        when: Some(When("delicensed_object = mail_disabled", |s| s.setting("delicensed_object", "mail_disabled"))),
        ..cloud("41", "U", "I5712, DELI", "without a licence, mail-disabled", Step::Refuse(NOT_FOUND))
    },
    Row {
        cloud: &[C5],
        when: Some(When("delicensed_object = mail_disabled", |s| s.setting("delicensed_object", "mail_disabled"))),
        ..cloud("41", "U", "I5712, DELI", "without a licence, mail-disabled", Step::Refuse(DENIED))
    },
    Row {
        cloud: &[C5],
        when: Some(When("points into its own tenant; mail_to_disconnected = bounce", |s| {
            mail_user(s.world, &s.external) == C2 && s.setting("mail_to_disconnected", "bounce")
        })),
        ..cloud("41", "U", "STAGE", "without a licence, returned at once", Step::Refuse(NOT_FOUND))
    },
    Row {
        cloud: &[C5],
        ..cloud("41", "U", "STAGE, MICH", "without a licence: the mail user that shows", Step::MailUser)
    },
    // A mail user of our own domains.
    Row {
        cloud: &[C1],
        out: Some(true),
        when: Some(When("the connector demands TLS 1.2", |s| s.connector_demands_tls())),
        ..cloud(
            "out-tls",
            "D",
            "TLS, CDSN",
            "the connector demands TLS, the old host speaks 1.0",
            Step::Wait(EXPIRES, "550 5.4.317 Message expired, cannot connect to remote server (TLS)"),
        )
    },
    Row {
        cloud: &[C1],
        out: Some(true),
        when: Some(When("a gateway with its route to the tenant", |s| s.behind_gateway(Route::Cloud))),
        ..cloud("32", "O", "A6N, SHERO", "gateway before the tenant, connector to the old host", Step::Connector)
    },
    Row {
        cloud: &[C1],
        out: Some(false),
        when: Some(When("a gateway with its route to the tenant", |s| s.behind_gateway(Route::Cloud))),
        ..cloud("32", "O", "A6N, SHERO", "gateway and tenant hand it to each other", Step::Mx)
    },
    Row {
        cloud: &[C1],
        out: Some(false),
        when: Some(When("the connector routes by DNS", |s| s.connector_by_mx())),
        ..cloud("out-by-mx", "D", "LOOP", "a connector without a smart host", Step::Mx)
    },
    Row {
        cloud: &[C1],
        old: &[O1],
        out: Some(true),
        from: &[From::Outside],
        ..cloud("25", "D", "ROUTE", "after MX, not migrated, with a connector", Step::Connector)
    },
    Row {
        cloud: &[C1],
        old: &[O1],
        out: Some(true),
        ..cloud("2", "D", "ROUTE, CON", "not migrated, with a connector", Step::Connector)
    },
    Row {
        cloud: &[C1],
        out: Some(true),
        ..cloud(
            "cloud-mail-user",
            "D",
            "ROUTE, CON",
            "a mail user of our own domains, with a connector",
            Step::Connector,
        )
    },
    Row {
        cloud: &[C1],
        out: Some(false),
        mx: Some(Side::Cloud),
        when: Some(When("the old host is switched off", |s| s.world.company.transport.retired)),
        ..cloud("43", "I", "LOOP", "old host retired, a mail user left that points to our own domain", Step::Mx)
    },
    Row {
        cloud: &[C1],
        out: Some(false),
        mx: Some(Side::Cloud),
        from: &[From::Colleague],
        ..cloud("4", "D", "LOOP, A6N", "not migrated, no connector, MX in the cloud", Step::Mx)
    },
    Row {
        cloud: &[C1],
        out: Some(false),
        mx: Some(Side::Cloud),
        ..cloud("26", "D", "LOOP", "after MX, not migrated, no connector", Step::Mx)
    },
    Row {
        cloud: &[C1],
        out: Some(false),
        ..cloud("3", "O", "UF15", "not migrated, no connector, MX still old", Step::Mx)
    },
    // A mail user that points into this tenant, or away.
    Row {
        cloud: &[C2],
        when: Some(When("c2_outcome = bounce", |s| s.setting("c2_outcome", "bounce"))),
        ..cloud(
            "c2-bounce",
            "U",
            "no source",
            "a mail user that points to its own tenant, returned",
            Step::Refuse(NOT_FOUND),
        )
    },
    Row {
        cloud: &[C2],
        old: &[O2],
        ..cloud("18", "U", "no source", "target written, the cloud object a mail user: out of reach", Step::Own)
    },
    Row {
        cloud: &[C2],
        ..cloud("37", "D", "KB4456110", "target cleared, mailbox gone, no address change synchronized", Step::Own)
    },
    Row {
        cloud: &[C3],
        ..cloud("cloud-foreign", "I", "SRS", "a mail user or contact with a foreign address", Step::Out)
    },
    // Nobody.
    Row {
        cloud: &[C0],
        from: &[From::Outside],
        old: &[OG, OP],
        relay: Some(true),
        out: Some(true),
        ..cloud("28", "D", "CAD", "a dynamic group or folder of the old side, internal relay", Step::Connector)
    },
    Row {
        cloud: &[C0],
        from: &[From::Outside],
        old: &[OG, OP],
        relay: Some(false),
        ..cloud("27", "D", "DBEB, DBEB25", "a dynamic group or folder of the old side, after MX", Step::Refuse(DENIED))
    },
    Row {
        cloud: &[C0],
        from: &[From::Outside],
        old: &[O0],
        relay: Some(true),
        out: Some(true),
        ..cloud("30", "D", "CAD, KB321721", "unknown everywhere, internal relay", Step::Connector)
    },
    Row {
        cloud: &[C0],
        from: &[From::Outside],
        relay: Some(true),
        out: Some(true),
        ..cloud("6", "D", "CAD", "not synchronized yet, internal relay", Step::Connector)
    },
    Row {
        cloud: &[C0],
        relay: Some(true),
        out: Some(true),
        ..cloud(
            "7",
            "D",
            "CDSN, KB2730609",
            "not synchronized yet, internal relay, a colleague writes",
            Step::Connector,
        )
    },
    Row {
        cloud: &[C0],
        relay: Some(true),
        out: Some(false),
        ..cloud("cloud-relay-mx", "I", "CAD", "unknown, internal relay, no connector: where the MX leads", Step::Mx)
    },
    Row {
        cloud: &[C0],
        from: &[From::Colleague],
        ..cloud("7", "D", "CDSN", "unknown, a colleague in the cloud writes", Step::Refuse(NOT_FOUND))
    },
    Row {
        cloud: &[C0],
        from: &[From::OtherSide],
        when: Some(When("over the connector; attributed_unknown = 5.1.10", |s| {
            s.has_inbound() && s.setting("attributed_unknown", "5.1.10")
        })),
        ..cloud("17", "I", "CDSN", "a routing address that nobody has", Step::Refuse(NOT_FOUND))
    },
    Row {
        cloud: &[C0],
        from: &[From::OtherSide],
        ..cloud("17", "I", "DBEB", "a routing address that nobody has, at the edge", Step::Refuse(DENIED))
    },
    Row {
        cloud: &[C0],
        old: &[O0],
        anyway: true,
        ..cloud("29", "D", "DBEB", "unknown everywhere", Step::Refuse(DENIED))
    },
    Row { cloud: &[C0], ..cloud("5", "D", "DBEB", "not synchronized yet, a stranger writes", Step::Refuse(DENIED)) },
];
