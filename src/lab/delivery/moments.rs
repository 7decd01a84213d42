//! The moments of a migration: rows that name the case a message begins in and
//! leave the outcome to other rows.
//!
//! They are read from what happened to the mailbox, so that a way tells why a
//! mailbox is as it is: failed, undone, its batch removed.

use super::table::Cloud::{C0, C1, C4};
use super::table::Old::{O1, O2, O3};
use super::table::{From, Row, Stage, Step, When, plain};
use crate::lab::mail::Side;

const fn moment(name: &'static str, mark: &'static str, source: &'static str, about: &'static str) -> Row {
    Row { stage: Stage::Moment, ..plain(name, mark, source, about) }
}

/// All that fit are named, before anything is decided.
pub(super) const ROWS: &[Row] = &[
    Row {
        old: &[O1],
        cloud: &[C0, C1],
        when: Some(When("its row failed, nothing was made", |s| {
            s.history().is_some_and(|h| !h.error.is_empty() && h.mailbox_made.is_none())
        })),
        ..moment("13", "D", "KNOW", "failed, no mail user found: as rows 1 to 7")
    },
    Row {
        old: &[O1],
        cloud: &[C4],
        when: Some(When("its row failed, the target was never written", |s| {
            s.history().is_some_and(|h| !h.error.is_empty() && h.mailbox_made.is_some() && h.target_written.is_none())
        })),
        stranded: true,
        ..moment(
            "14",
            "I",
            "no source",
            "failed, mailbox made, target not written: as 8 and 9, for good until repaired",
        )
    },
    Row {
        old: &[O2],
        cloud: &[C4],
        when: Some(When("its row failed in the copy", |s| {
            s.history().is_some_and(|h| !h.error.is_empty() && h.copy_began.is_some() && h.copy_ended.is_none())
        })),
        stranded: true,
        ..moment("15", "D", "KNOW", "failed, copy broken off: new mail in the cloud, history in the old mailbox")
    },
    Row {
        old: &[O2, O3],
        cloud: &[C4],
        when: Some(When("its batch is removed", |s| s.batch_is_removed())),
        ..moment("34", "I", "no source", "batch removed: as 10, 19; removal touches no attribute")
    },
    Row {
        old: &[O1],
        cloud: &[C4],
        host: Some(Side::Old),
        when: Some(When("its batch is removed", |s| s.batch_is_removed())),
        stranded: true,
        ..moment("35", "D", "STAGE", "batch removed, mail lands in an old mailbox: stranded for ever")
    },
    Row {
        old: &[O1],
        cloud: &[C4],
        when: Some(When("its target was taken back", |s| s.history().is_some_and(|h| h.released.is_some()))),
        stranded: true,
        ..moment("36", "D", "TWO", "undo: target cleared, cloud mailbox kept: as 8 and 9")
    },
    Row {
        old: &[O1],
        cloud: &[C1],
        when: Some(When("its target was taken back", |s| s.history().is_some_and(|h| h.released.is_some()))),
        ..moment("38", "D", "KB4456110", "undo, and an address change was synchronized: as rows 2 to 4")
    },
    Row {
        old: &[O1],
        cloud: &[C4],
        when: Some(When("copied, and the mailbox is on premises again", |s| {
            s.history().is_some_and(|h| h.copy_ended.is_some() && h.released.is_none() && h.converted.is_none())
        })),
        stranded: true,
        ..moment("39", "I", "no source", "undo of the conversion, mailbox reconnected: as 8 and 9")
    },
    Row {
        from: &[From::Outside],
        host: Some(Side::Old),
        when: Some(When("the MX was switched and switched back", |s| s.is_switched_back())),
        ..moment(
            "40",
            "I",
            "RFC 2181",
            "undo of the MX: as on the old host, once the new record's time to live is over",
        )
    },
    Row {
        old: &[O2],
        host: Some(Side::Old),
        when: Some(When("target_keeps_copy = yes", |s| s.setting("target_keeps_copy", "yes"))),
        step: Step::KeepCopy,
        ..moment("old-keeps-copy", "O", "XT", "the old mailbox keeps a copy of what it sends on")
    },
    Row {
        host: Some(Side::Old),
        when: Some(When("the old host writes a journal", |s| s.world.company.transport.journal.is_some())),
        step: Step::Journal,
        ..moment("old-journal", "D", "JRN, CDSN", "a journal report is sent where the message is looked up")
    },
];

/// Rows that no look-up finds: one is about work and not about a message, the
/// other about a name that nobody has.
pub(super) const APART: &[Row] = &[
    Row {
        old: &[O2],
        cloud: &[C4],
        stage: Stage::Apart,
        stranded: true,
        ..moment(
            "12",
            "D",
            "KNOW",
            "saved, sent or drafted in the old mailbox after its copy: stays there, nothing synchronizes it",
        )
    },
    Row {
        old: &[O3],
        cloud: &[C4],
        host: Some(Side::Old),
        stage: Stage::Apart,
        step: Step::Refuse("550 5.1.11 RESOLVER.ADR.ExRecipNotFound; not found"),
        ..moment("21", "D", "IMC", "converted, X500 not written: an old reply or meeting update")
    },
];
