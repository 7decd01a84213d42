//! What the old host does with a recipient (`who-delivers-what`, sections 1, 5, 6).
//!
//! In the order in which Exchange 2003 and 2007 work: look up, restrictions and
//! limits, expansion, alternate and target addresses, store.

use super::table::Cloud::{C0, C1, C2, C3, C4, C5};
use super::table::Old::{Foreign, O0, O1, O2, O3, O4, OG, OP, Several};
use super::table::{From, Row, Step, When, plain};
use crate::lab::mail::Side;

const fn old(name: &'static str, mark: &'static str, source: &'static str, about: &'static str, step: Step) -> Row {
    Row { host: Some(Side::Old), step, ..plain(name, mark, source, about) }
}

const UNKNOWN: &str = "550 5.1.1 User unknown";
const NOT_FOUND: &str = "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found";
const AUTH: &str = "550 5.7.1 RESOLVER.RST.AuthRequired; authentication required";
const LOOP: &str = "554 5.4.6 Hop count exceeded - possible mail loop";
const NO_MDB: &str = "550 4.4.7 QUEUE.Expired; message expired (420 4.2.0 Recipient deferred because there is no Mdb)";
/// How long an old host keeps what it can't deliver: 2 days.
const EXPIRES: u32 = 48;

/// The first that fits decides.
pub(super) const ROWS: &[Row] = &[
    // Whether it is ours at all.
    Row {
        old: &[Several],
        ..old(
            "old-two-holders",
            "O",
            "KB3028012, SISI",
            "two objects hold the address",
            Step::Refuse("550 5.1.4 RESOLVER.ADR.Ambiguous; ambiguous address"),
        )
    },
    Row {
        old: &[Foreign],
        from: &[From::Outside],
        ..old(
            "old-no-relay",
            "D",
            "OAD",
            "a stranger's mail to a foreign domain",
            Step::Refuse("550 5.7.1 Unable to relay"),
        )
    },
    Row {
        old: &[Foreign],
        when: Some(When("the address is a routing address of the tenant", |s| s.is_routing())),
        ..old("old-to-tenant", "D", "KNOW", "a routing address, written by somebody on premises", Step::ToCloud)
    },
    Row {
        old: &[Foreign],
        when: Some(When("outside mail goes through the tenant; sender not of our domains", |s| {
            s.world.company.transport.through_tenant && !s.letter.inside
        })),
        ..old(
            "through-tenant",
            "D",
            "KB3169958, KB4019940",
            "the old host relays to outside through the tenant with neither our sender domain nor our certificate",
            Step::Refuse("550 5.7.64 TenantAttribution; Relay Access Denied [ATTR36]"),
        )
    },
    Row { old: &[Foreign], ..old("old-out", "D", "RR", "a foreign address", Step::Out) },
    // Restrictions and limits.
    Row {
        when: Some(When("a transport rule rejects the sender's domain", |s| {
            let domain = crate::wire::attributes::domain_of(s.letter.from);
            s.world.company.transport.rejected_senders.iter().any(|d| d.eq_ignore_ascii_case(&domain))
        })),
        anyway: true,
        ..old(
            "old-rule-rejects",
            "D",
            "ODSN",
            "a transport rule that rejects, also for mail that would only be sent on",
            Step::Refuse("550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy"),
        )
    },
    Row {
        when: Some(When("larger than the organization takes (10 MB)", |s| s.is_too_large_for_organization())),
        anyway: true,
        ..old(
            "old-size-organization",
            "D",
            "ODSN, KB960775, MSL07",
            "larger than the old organization's limit",
            Step::Refuse("550 5.3.4 ROUTING.SizeLimit; message size exceeds fixed maximum size for route"),
        )
    },
    Row {
        old: &[O1, O2, O3, OG, OP],
        when: Some(When("larger than delivContLength", |s| s.is_too_large_for_recipient())),
        anyway: true,
        ..old(
            "old-size-recipient",
            "D",
            "ODSN, KB960775",
            "larger than the recipient may get",
            Step::Refuse("550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient"),
        )
    },
    Row {
        old: &[OG],
        from: &[From::Outside],
        when: Some(When("msExchRequireAuthToSendTo", |s| s.is_restricted())),
        anyway: true,
        ..old("old-group-auth", "D", "KB2773786", "a group for known senders, a stranger writes", Step::Refuse(AUTH))
    },
    Row {
        old: &[OP],
        from: &[From::Outside],
        when: Some(When("msExchRequireAuthToSendTo", |s| s.is_restricted())),
        anyway: true,
        ..old("old-folder-auth", "D", "KB2984402", "a folder that takes nothing from strangers", Step::Refuse(AUTH))
    },
    Row {
        old: &[O1, O2, O3],
        from: &[From::Outside],
        when: Some(When("msExchRequireAuthToSendTo", |s| s.is_restricted())),
        anyway: true,
        ..old("old-auth", "O", "RR, SISI", "a mailbox for known senders, a stranger writes", Step::Refuse(AUTH))
    },
    Row {
        from: &[From::OtherSide],
        when: Some(When("msExchRequireAuthToSendTo", |s| s.is_restricted() && s.is_anonymous())),
        ..old(
            "old-auth-from-cloud",
            "I",
            "RR",
            "a recipient for known senders; a colleague in the cloud is anonymous here",
            Step::Refuse(AUTH),
        )
    },
    Row {
        old: &[O1, O2, O3, OG, OP],
        when: Some(When("authOrig doesn't name the sender", |s| s.is_not_allowed())),
        anyway: true,
        ..old(
            "old-not-allowed",
            "O",
            "RR, SISI",
            "a recipient that takes mail of some senders only",
            Step::Refuse("550 5.7.1 RESOLVER.RST.NotAuthorized; not authorized"),
        )
    },
    Row {
        old: &[O1, O2, O3],
        when: Some(When("no good primary SMTP address", |s| s.has_bad_primary())),
        anyway: true,
        ..old(
            "old-bad-primary",
            "D",
            "KB3076419",
            "primary SMTP address missing or malformed",
            Step::Refuse("550 5.2.0 RESOLVER.ADR.BadPrimary; recipient primary SMTP address is missing or invalid"),
        )
    },
    // Groups and folders.
    Row {
        old: &[OG],
        when: Some(When("its members are a query", |s| s.is_dynamic())),
        ..old("old-dynamic-group", "D", "RR", "a dynamic group, expanded by its query", Step::Expand)
    },
    Row {
        old: &[OG],
        ..old("45", "I", "RR", "a group, entering at the old host: each member by itself", Step::Expand)
    },
    Row { old: &[OP], ..old("old-folder", "D", "KB2984402", "a mail-enabled folder", Step::DeliverOld) },
    // Alternate recipients.
    Row {
        old: &[O1],
        when: Some(When("altRecipient names nobody", |s| s.has_alternate() && s.alternate().is_none())),
        anyway: true,
        ..old(
            "old-alternate-lost",
            "O",
            "SISI",
            "the alternate recipient is gone",
            Step::Refuse("550 5.2.0 RESOLVER.FWD.NotFound; misconfigured forwarding address"),
        )
    },
    Row {
        old: &[O1],
        when: Some(When("altRecipient, deliverAndRedirect", |s| s.has_alternate() && s.keeps_for_itself())),
        ..old("old-alternate-both", "D", "RR", "an alternate recipient beside the mailbox", Step::AlternateToo)
    },
    Row {
        old: &[O1],
        when: Some(When("altRecipient", |s| s.has_alternate())),
        ..old("old-alternate", "D", "RR", "an alternate recipient in the place of the mailbox", Step::Alternate)
    },
    Row {
        old: &[O2],
        when: Some(When("altRecipient; alt_vs_target = alternate", |s| {
            s.setting("alt_vs_target", "alternate") && s.alternate().is_some()
        })),
        ..old(
            "alt-vs-target",
            "U",
            "no source",
            "alternate recipient and target address, the first wins",
            Step::Alternate,
        )
    },
    // Target addresses.
    Row {
        old: &[O2],
        when: Some(When("the target lies in our own domains", |s| s.targets_own_domain())),
        ..old("old-target-own", "D", "ODSN", "a mailbox whose target is of its own organization", Step::Refuse(LOOP))
    },
    Row {
        old: &[O3],
        when: Some(When("the target is itself", |s| s.targets_itself())),
        ..old("22", "D", "ODSN, RR", "converted, and the target is its own address", Step::Refuse(LOOP))
    },
    Row {
        old: &[O3],
        when: Some(When("the target is another recipient here", |s| s.targets_another())),
        ..old("old-chain", "D", "RR", "a contact chain: looked up here again", Step::Chain)
    },
    Row {
        old: &[O3],
        when: Some(When("a contact; the target is nobody in our domains", |s| {
            s.is_contact() && s.targets_own_domain()
        })),
        anyway: true,
        ..old("old-contact-own", "D", "KB321721", "a contact whose target never leaves", Step::Refuse(NOT_FOUND))
    },
    Row {
        old: &[O3],
        when: Some(When("the target is nobody in our domains", |s| s.targets_own_domain())),
        ..old("22", "D", "KB321721", "converted, and the target is nobody in our own domain", Step::Refuse(NOT_FOUND))
    },
    Row {
        old: &[O2, O3],
        when: Some(When("the target is foreign", |s| s.targets_outside())),
        ..old("old-target-out", "D", "RR", "a target address outside", Step::Target)
    },
    Row {
        old: &[O2, O3],
        cloud: &[C4],
        from: &[From::Outside],
        when: Some(When("the published MX leads to the cloud", |s| s.published_in_cloud())),
        ..old("24", "D", "WIKI, DMARC", "after MX, migrated; a sender with the old MX or a fixed host", Step::Target)
    },
    Row {
        old: &[O2],
        cloud: &[C4],
        stranded: true,
        ..old("10", "D", "KNOW, CONV", "target written, copying or copied", Step::Target)
    },
    Row { old: &[O3], cloud: &[C4], ..old("19", "D", "CONV", "converted", Step::Target) },
    Row { old: &[O2, O3], cloud: &[C5], ..old("41", "D", "STAGE", "the licence grace is over", Step::Target) },
    Row {
        old: &[O2],
        cloud: &[C0, C1, C2, C3],
        ..old("16", "I", "no source", "target written, the cloud object still or again a mail user", Step::Target)
    },
    Row { old: &[O3], ..old("old-mail-user", "D", "RR", "a mail user, sent to its target address", Step::Target) },
    Row {
        old: &[O4],
        when: Some(When("typed as a mailbox still", |s| s.is_typed_mailbox())),
        ..old(
            "20",
            "O",
            "I2952, KB281761",
            "conversion half done: a mailbox without a store",
            Step::Wait(EXPIRES, NO_MDB),
        )
    },
    Row {
        old: &[O4],
        ..old("20", "D", "KB2685437", "conversion half done: a mail user without a target", Step::Refuse(NOT_FOUND))
    },
    // The store.
    Row {
        old: &[O1],
        when: Some(When("homeMDB names a store that isn't there", |s| s.is_without_store())),
        ..old("old-no-store", "O", "I2952, KB281761", "a mailbox whose store is gone", Step::Wait(EXPIRES, NO_MDB))
    },
    Row {
        old: &[O1],
        when: Some(When("2003 without hotfix 916783, account disabled, no associated account", |s| {
            s.is_undeliverable_2003()
        })),
        anyway: true,
        ..old(
            "old-disabled-2003",
            "D",
            "KB319047, KB838644, KB916783",
            "a disabled account on 2003: deferred half an hour at a time, event 9548",
            Step::Wait(EXPIRES, "550 4.4.7 QUEUE.Expired; message expired (event 9548, disabled account)"),
        )
    },
    Row {
        old: &[O1],
        when: Some(When("over ProhibitSendReceive", |s| s.is_full())),
        anyway: true,
        ..old("old-full", "D", "ODSN, OXF", "the old mailbox is full", Step::Refuse("550 5.2.2 Mailbox full"))
    },
    Row {
        old: &[O1],
        cloud: &[C4],
        ..old("8", "D", "TWO, KNOW", "provisioned, target not yet written (or taken back)", Step::DeliverOld)
    },
    Row {
        old: &[O1],
        when: Some(When("the account is disabled", |s| s.is_disabled())),
        ..old("old-disabled", "O", "SMARSH", "a disabled account, on 2007 or with the hotfix", Step::DeliverOld)
    },
    Row {
        old: &[O1],
        when: Some(When("hidden from address lists", |s| s.is_hidden())),
        ..old("old-hidden", "I", "OLDERR", "hidden: only the migration row can't find it", Step::DeliverOld)
    },
    Row { old: &[O1], ..old("1", "D", "RR", "a mailbox without target and forwarding", Step::DeliverOld) },
    // Nobody.
    Row {
        old: &[O0],
        when: Some(When("an internal relay that was authoritative once", |s| s.is_checked_relay())),
        anyway: true,
        ..old(
            "old-relay-checked",
            "O",
            "ESP",
            "unknown, internal relay, once authoritative: AddressBookEnabled stayed",
            Step::Refuse(UNKNOWN),
        )
    },
    Row {
        old: &[O0],
        from: &[From::OtherSide],
        when: Some(When("the old host is an internal relay", |s| s.is_old_relay())),
        ..old("30", "D", "CAD, KB321721", "unknown on both sides, both relay: round and round", Step::Mx)
    },
    Row {
        old: &[O0],
        when: Some(When("the old host is an internal relay", |s| s.is_old_relay())),
        ..old("old-relay", "D", "OAD, PRC", "unknown, internal relay: handed on", Step::Mx)
    },
    Row {
        old: &[O0],
        when: Some(When("2003 sends what it doesn't know to the tenant", |s| {
            s.is_2003() && s.world.company.transport.unresolved_to_cloud
        })),
        ..old(
            "old-unresolved-2003",
            "D",
            "KB823158, KB321721",
            "unknown on 2003, unresolved recipients to host",
            Step::ToCloud,
        )
    },
    Row {
        old: &[O0],
        from: &[From::OtherSide],
        ..old("30", "D", "CAD", "unknown on both sides; the old host is authoritative", Step::Refuse(UNKNOWN))
    },
    Row {
        old: &[O0],
        from: &[From::Colleague],
        cloud: &[C1, C2, C3, C4, C5],
        ..old(
            "cloud-only",
            "D",
            "KB3197393",
            "a recipient of the cloud only, asked for on premises",
            Step::Refuse(NOT_FOUND),
        )
    },
    Row {
        old: &[O0],
        when: Some(When("no recipient filter", |s| s.world.company.transport.unfiltered)),
        anyway: true,
        ..old(
            "old-unknown-unfiltered",
            "D",
            "RF03, RR",
            "unknown; taken and returned afterwards",
            Step::Refuse(NOT_FOUND),
        )
    },
    Row {
        old: &[O0],
        anyway: true,
        ..old("old-unknown", "D", "RF", "unknown; refused at RCPT", Step::Refuse(UNKNOWN))
    },
];
