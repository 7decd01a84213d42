//! What went wrong, where, and the next thing to try.
//!
//! One type for the whole house. Rooms fill in what they know; `host` turns it
//! into the map a script can catch, `ui` into the frame a person reads.

use std::fmt;

use jiff::SignedDuration;

/// The stable word a script branches on (`switch e.kind`). Never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Sign-in refused, or a right is missing.
    Auth,
    /// The service asked to slow down and the patience is used up.
    Throttled,
    /// The object is not there.
    NotFound,
    /// The object is there already, or is not in the state that was expected.
    Conflict,
    /// The input breaks a rule; nothing was sent.
    Validation,
    /// A deadline passed.
    Timeout,
    /// The service understood and said no.
    Refused,
    /// The other side could not be reached.
    Unavailable,
    /// The answer makes no sense, or there was none.
    Protocol,
    /// A write may or may not have happened.
    InDoubt,
    /// A check found something that concerns everybody.
    Findings,
    /// An approval was refused, or nobody could be asked.
    Approval,
    /// Somebody pressed Ctrl-C, or the run was cancelled.
    Cancelled,
    /// The call itself is wrong: unknown option, wrong type.
    Usage,
    /// Files and folders of this machine.
    Local,
    /// The script threw it itself without a kind, or broke a rule of the
    /// language while it ran.
    Script,
    /// A plan can't say beforehand what the script asks for. Never caught.
    Unforeseen,
    /// A fault of stagepost.
    Internal,
}

impl Kind {
    /// The word as scripts and JSON see it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Auth => "auth",
            Kind::Throttled => "throttled",
            Kind::NotFound => "not_found",
            Kind::Conflict => "conflict",
            Kind::Validation => "validation",
            Kind::Timeout => "timeout",
            Kind::Refused => "refused",
            Kind::Unavailable => "unavailable",
            Kind::Protocol => "protocol",
            Kind::InDoubt => "in_doubt",
            Kind::Findings => "findings",
            Kind::Approval => "approval",
            Kind::Cancelled => "cancelled",
            Kind::Usage => "usage",
            Kind::Local => "local",
            Kind::Script => "script",
            Kind::Unforeseen => "unforeseen",
            Kind::Internal => "internal",
        }
    }

    /// Every kind, in the order of the documentation.
    pub const ALL: [Kind; 18] = [
        Kind::Auth,
        Kind::Throttled,
        Kind::NotFound,
        Kind::Conflict,
        Kind::Validation,
        Kind::Timeout,
        Kind::Refused,
        Kind::Unavailable,
        Kind::Protocol,
        Kind::InDoubt,
        Kind::Findings,
        Kind::Approval,
        Kind::Cancelled,
        Kind::Usage,
        Kind::Local,
        Kind::Script,
        Kind::Unforeseen,
        Kind::Internal,
    ];

    /// The kind of a word, for failures that a script threw itself.
    pub fn of_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.word() == word)
    }
}

/// A failure: the sentence, and everything that helps to act on it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The stable word.
    pub kind: Kind,
    /// One sentence without a full stop: what failed.
    pub message: String,
    /// The next thing to try.
    pub hint: Option<String>,
    /// Which service: `exchange`, `graph`, `ldap`, …
    pub service: Option<String>,
    /// The cmdlet, the method and path, the LDAP operation.
    pub operation: Option<String>,
    /// The mailbox, batch, zone or file concerned.
    pub target: Option<String>,
    /// Whether the same call may work later.
    pub retryable: bool,
    /// Protocol status (HTTP, LDAP result code, DNS rcode, SMTP reply).
    pub status: Option<u16>,
    /// The service's own words, request ids, exception types.
    pub detail: Option<String>,
    /// How long the service asked to wait.
    pub retry_after: Option<SignedDuration>,
    /// `file:line:column` of the script line, filled in by the host.
    pub at: Option<String>,
}

impl Failure {
    /// A failure with its sentence; the rest is added by whoever knows it.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Failure {
            kind,
            message: message.into(),
            hint: None,
            service: None,
            operation: None,
            target: None,
            retryable: false,
            status: None,
            detail: None,
            retry_after: None,
            at: None,
        }
    }

    /// Adds the next thing to try.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the service and the operation, unless a lower room already did.
    pub fn during(mut self, service: &str, operation: impl Into<String>) -> Self {
        self.service.get_or_insert_with(|| service.to_owned());
        self.operation.get_or_insert_with(|| operation.into());
        self
    }

    /// Adds the object concerned, unless a lower room already did.
    pub fn on(mut self, target: impl Into<String>) -> Self {
        self.target.get_or_insert_with(|| target.into());
        self
    }

    /// Adds the service's own words.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the protocol's status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Marks it as worth another try.
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// Adds the wait that the service asked for; implies another try.
    pub fn retry_after(mut self, wait: SignedDuration) -> Self {
        self.retry_after = Some(wait);
        self.retryable = true;
        self
    }

    /// A fault of our own: the text says which assumption did not hold.
    pub fn internal(message: impl Into<String>) -> Self {
        Failure::new(Kind::Internal, message)
            .hint("this is a fault in stagepost; please report it with the event file of the run")
    }

    /// The cancellation, as a failure.
    pub fn cancelled() -> Self {
        Failure::new(Kind::Cancelled, "cancelled")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_back_to_its_kind() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_word(kind.word()), Some(kind));
        }
    }

    #[test]
    fn the_lower_room_keeps_the_last_word() {
        let f = Failure::new(Kind::NotFound, "x").during("ldap", "search").during("run", "validate");
        assert_eq!(f.service.as_deref(), Some("ldap"));
    }
}
