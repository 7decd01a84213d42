//! What the world remembers beyond its present state.

use std::collections::BTreeSet;

use jiff::Timestamp;

/// What happened to a mailbox, for the judge.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The last batch that it was in, as named.
    pub batch: String,
    /// The last error of its row; empty if the row went well in the end.
    pub error: String,
    /// When the cloud mailbox was made.
    pub mailbox_made: Option<Timestamp>,
    /// When the service last wrote TargetAddress.
    pub target_written: Option<Timestamp>,
    /// How often it wrote it: so often may it be taken back.
    pub targets: u64,
    /// When the last copy began.
    pub copy_began: Option<Timestamp>,
    /// When the copy ended well.
    pub copy_ended: Option<Timestamp>,
    /// When the mailbox became a mail user.
    pub converted: Option<Timestamp>,
    /// The store had purged the old mailbox when the object became a mailbox again.
    pub emptied: bool,
    /// When TargetAddress was last taken back.
    pub released: Option<Timestamp>,
}

/// Connections of an endpoint: how many copy, and who waits for one.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    /// Rows that are being copied: (batch, address), lower case.
    pub running: BTreeSet<(String, String)>,
    /// Rows that wait: since when, batch, place in the file, address.
    pub waiting: BTreeSet<(Timestamp, String, usize, String)>,
}
