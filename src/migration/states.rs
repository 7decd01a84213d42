//! The states of batches and of their rows, and which verb is legal in which.
//!
//! Names are the service's (Get-MigrationBatch, Get-MigrationUser); a name that
//! is not known is kept and printed as it came, because the service adds states
//! without notice. What to do in a state is decided elsewhere.

use std::fmt;

macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A name that this version doesn't know.
            Other(String),
        }

        impl $name {
            /// Every known status.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// Reads the service's name, whatever its case.
            pub fn parse(text: &str) -> $name {
                let text = text.trim();
                $(if text.eq_ignore_ascii_case(stringify!($variant)) { return $name::$variant; })+
                $name::Other(text.to_owned())
            }

            /// The service's name.
            pub fn word(&self) -> &str {
                match self {
                    $($name::$variant => stringify!($variant),)+
                    $name::Other(text) => text,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

status! {
    /// Status of a batch (15 values).
    BatchStatus {
        /// Made, never started.
        Created,
        /// Just after the start.
        Starting,
        /// Listed, explained by no page.
        Waiting,
        /// The first copy runs.
        Syncing,
        /// The first copy is done for all.
        Synced,
        /// The first copy is done, some rows failed.
        SyncedWithErrors,
        /// A periodic copy runs; never seen for staged.
        IncrementalSyncing,
        /// A stop was asked.
        Stopping,
        /// Stopped, by us or by the service.
        Stopped,
        /// A completion was asked.
        Completing,
        /// Completed.
        Completed,
        /// Completed, some rows failed.
        CompletedWithErrors,
        /// Nobody got through, or the batch itself failed.
        Failed,
        /// A removal was asked; a query fails once it is gone.
        Removing,
        /// Unusable.
        Corrupted,
    }
}

status! {
    /// Status of a row (21 values).
    UserStatus {
        /// Waits for a free connection.
        Queued,
        /// The row is checked.
        Validating,
        /// The mail user becomes a mailbox.
        Provisioning,
        /// Made, some links are missing.
        ProvisionUpdating,
        /// The copy runs.
        Syncing,
        /// The copy is done.
        Synced,
        /// A periodic copy runs.
        IncrementalSyncing,
        /// A periodic copy is done.
        IncrementalSynced,
        /// A periodic copy failed.
        IncrementalFailed,
        /// Periodic copies were stopped.
        IncrementalStopped,
        /// The switch runs.
        Completing,
        /// The last copy is done.
        CompletionSynced,
        /// Switched.
        Completed,
        /// Switched, with something to read.
        CompletedWithWarnings,
        /// The switch failed.
        CompletionFailed,
        /// Provisioning or the copy failed; a mailbox made but not filled too.
        Failed,
        /// A start was asked.
        Starting,
        /// A stop was asked.
        Stopping,
        /// Stopped.
        Stopped,
        /// A removal was asked.
        Removing,
        /// Unusable.
        Corrupted,
    }
}

/// What is asked of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Start-MigrationBatch.
    Start,
    /// Stop-MigrationBatch.
    Stop,
    /// Complete-MigrationBatch; not for staged, cutover and IMAP.
    Complete,
    /// Set-MigrationBatch.
    Set,
    /// Remove-MigrationBatch.
    Remove,
}

/// Whether a verb may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Legal {
    /// Yes.
    Yes,
    /// Not yet: send this first and wait for its end.
    After(Verb),
    /// No, and nothing that we do changes it.
    No,
    /// What was asked is so already, or under way.
    Already,
}

impl BatchStatus {
    /// Whether a verb may be sent now. The service's own list (Microsoft,
    /// Start-, Stop-, Remove-MigrationBatch), narrowed to what a product does:
    /// a running batch is stopped before it is removed.
    pub fn allows(&self, verb: Verb) -> Legal {
        use BatchStatus::*;
        match (verb, self) {
            (_, Other(_)) => Legal::No,
            (Verb::Remove, Removing) => Legal::Already,
            (_, Removing) => Legal::No,
            (Verb::Remove, Corrupted) => Legal::Yes,
            (_, Corrupted) => Legal::No,

            (Verb::Start, Created | Stopped | Failed | SyncedWithErrors | CompletedWithErrors) => Legal::Yes,
            (Verb::Start, Starting | Syncing | Waiting | Synced | IncrementalSyncing | Completing | Completed) => {
                Legal::Already
            }
            (Verb::Start, Stopping) => Legal::No,

            (Verb::Stop, Starting | Syncing | Waiting | Synced | IncrementalSyncing | Completing) => Legal::Yes,
            (Verb::Stop, Stopping | Stopped | Created) => Legal::Already,
            (Verb::Stop, SyncedWithErrors | Completed | CompletedWithErrors | Failed) => Legal::No,

            (Verb::Complete, Synced | SyncedWithErrors) => Legal::Yes,
            (Verb::Complete, Completing | Completed | CompletedWithErrors) => Legal::Already,
            (Verb::Complete, _) => Legal::No,

            (Verb::Set, _) => Legal::Yes,

            (Verb::Remove, Starting | Syncing | Waiting | IncrementalSyncing | Completing) => Legal::After(Verb::Stop),
            (Verb::Remove, Stopping) => Legal::No,
            (Verb::Remove, _) => Legal::Yes,
        }
    }

    /// Whether the copy of a staged batch has come to its end, for better or
    /// worse.
    pub fn is_finished(&self) -> bool {
        use BatchStatus::*;
        matches!(self, Synced | SyncedWithErrors | Completed | CompletedWithErrors | Failed | Stopped | Corrupted)
    }
}

/// What a status of a row comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nothing has happened yet.
    Waiting,
    /// Under way.
    Active,
    /// The mailbox is copied.
    Synced,
    /// It failed; it may be forwarded already.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

impl UserStatus {
    /// What it comes to. A name that is not known counts as under way: waiting
    /// for it has a deadline, and nothing is concluded from it.
    pub fn outcome(&self) -> Outcome {
        use UserStatus::*;
        match self {
            Queued | Validating | Starting => Outcome::Waiting,
            Provisioning | ProvisionUpdating | Syncing | Completing | Stopping | Removing | Other(_) => Outcome::Active,
            Synced | IncrementalSyncing | IncrementalSynced | IncrementalFailed | IncrementalStopped => Outcome::Synced,
            CompletionSynced | Completed | CompletedWithWarnings | CompletionFailed => Outcome::Synced,
            Failed | Corrupted => Outcome::Failed,
            Stopped => Outcome::Stopped,
        }
    }

    /// Whether nothing more will happen by itself.
    pub fn is_finished(&self) -> bool {
        !matches!(self.outcome(), Outcome::Waiting | Outcome::Active)
    }
}

/// Whether a row's status, as the service writes it, is final.
pub fn is_finished(status: &str) -> bool {
    UserStatus::parse(status).is_finished()
}

/// Rows by what came of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub total: u64,
    /// Not begun.
    pub waiting: u64,
    /// Under way.
    pub active: u64,
    /// Copied.
    pub synced: u64,
    /// Failed.
    pub failed: u64,
    /// Stopped.
    pub stopped: u64,
}

impl Counts {
    /// Counts rows.
    pub fn of<'a>(statuses: impl IntoIterator<Item = &'a UserStatus>) -> Counts {
        let mut counts = Counts::default();
        for status in statuses {
            counts.total += 1;
            match status.outcome() {
                Outcome::Waiting => counts.waiting += 1,
                Outcome::Active => counts.active += 1,
                Outcome::Synced => counts.synced += 1,
                Outcome::Failed => counts.failed += 1,
                Outcome::Stopped => counts.stopped += 1,
            }
        }
        counts
    }

    /// Rows for which nothing more will happen by itself.
    pub fn finished(&self) -> u64 {
        self.synced + self.failed + self.stopped
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = [
            (self.synced, "copied"),
            (self.failed, "failed"),
            (self.stopped, "stopped"),
            (self.active, "under way"),
            (self.waiting, "waiting"),
        ]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
        if parts.is_empty() { f.write_str("no mailboxes") } else { f.write_str(&parts.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_whatever_their_case() {
        assert_eq!((BatchStatus::ALL.len(), UserStatus::ALL.len()), (15, 21));
        for status in BatchStatus::ALL {
            assert_eq!(&BatchStatus::parse(&status.word().to_lowercase()), status);
        }
        for status in UserStatus::ALL {
            assert_eq!(&UserStatus::parse(status.word()), status);
        }
        // One page of the service writes it so.
        assert_eq!(BatchStatus::parse("SyncedwithErrors"), BatchStatus::SyncedWithErrors);
        assert_eq!(BatchStatus::parse("Thawing").to_string(), "Thawing");
    }

    #[test]
    fn verbs_are_legal_where_the_reference_says() {
        use BatchStatus::*;
        assert_eq!(Created.allows(Verb::Start), Legal::Yes);
        assert_eq!(SyncedWithErrors.allows(Verb::Start), Legal::Yes);
        assert_eq!(Synced.allows(Verb::Start), Legal::Already);
        assert_eq!(Syncing.allows(Verb::Remove), Legal::After(Verb::Stop));
        assert_eq!(Synced.allows(Verb::Remove), Legal::Yes);
        assert_eq!(Failed.allows(Verb::Stop), Legal::No);
        assert_eq!(Removing.allows(Verb::Remove), Legal::Already);
        assert_eq!(Other("Thawing".into()).allows(Verb::Start), Legal::No);
        for status in BatchStatus::ALL {
            if let Legal::After(verb) = status.allows(Verb::Remove) {
                assert_eq!(status.allows(verb), Legal::Yes, "{status}");
            }
        }
    }

    #[test]
    fn rows_are_counted_by_what_came_of_them() {
        let rows = ["Synced", "Synced", "Failed", "Syncing", "Queued", "Thawing"].map(UserStatus::parse);
        let counts = Counts::of(&rows);
        assert_eq!(counts, Counts { total: 6, waiting: 1, active: 2, synced: 2, failed: 1, stopped: 0 });
        assert_eq!(counts.to_string(), "2 copied, 1 failed, 2 under way, 1 waiting");
        assert_eq!(counts.finished(), 3);
        assert!(is_finished("failed") && !is_finished("Provisioning") && !is_finished("Thawing"));
    }
}
