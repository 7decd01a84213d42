//! What a check found: findings, and the mailboxes that go on.

use crate::base::{Failure, Kind, Result};
use crate::migration::list::Mailboxes;

use super::narrate::What;
use super::session::{Session, Step};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it before it hurts.
    Warning,
    /// Stands in the way.
    Error,
}

impl Severity {
    /// The word in notes and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One thing that a check found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// Whether it concerns everybody; only such errors end a run.
    pub everybody: bool,
    /// Mailbox, domain, server; empty for none.
    pub target: String,
    /// What.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Identifier of the rule of a list that was broken; empty for none.
    pub rule: &'static str,
}

/// The outcome of a check.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Name of the check: `preflight`, `validate`, …
    pub check: String,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The mailboxes that go on, where the check is about mailboxes.
    pub mailboxes: Option<Mailboxes>,
    /// Facts worth keeping, as pairs of words: `kind` → `staged`.
    pub facts: Vec<(String, String)>,
}

impl Report {
    /// An empty one.
    pub fn new(check: &str) -> Report {
        Report { check: check.into(), ..Report::default() }
    }

    /// Adds a fact.
    pub fn fact(&mut self, name: &str, value: impl Into<String>) {
        self.facts.push((name.into(), value.into()));
    }

    /// Adds something good to know.
    pub fn info(&mut self, target: &str, message: impl Into<String>) {
        self.add(Severity::Info, false, target, message.into(), "");
    }

    /// Adds something to look at.
    pub fn warning(&mut self, target: &str, message: impl Into<String>, hint: &str) {
        self.add(Severity::Warning, false, target, message.into(), hint);
    }

    /// Adds something that stands in everybody's way.
    pub fn error(&mut self, target: &str, message: impl Into<String>, hint: &str) {
        self.add(Severity::Error, true, target, message.into(), hint);
    }

    /// Adds a fault of one row, which is set aside.
    pub fn aside(&mut self, target: &str, message: impl Into<String>, hint: &str) {
        self.add(Severity::Error, false, target, message.into(), hint);
    }

    /// Says of the last finding by which rule it was found.
    pub fn by_rule(&mut self, rule: &'static str) {
        if let Some(last) = self.findings.last_mut() {
            last.rule = rule;
        }
    }

    fn add(&mut self, severity: Severity, everybody: bool, target: &str, message: String, hint: &str) {
        let (target, hint) = (target.into(), hint.into());
        self.findings.push(Finding { severity, everybody, target, message, hint, rule: "" });
    }

    /// Adds a failure of a probe as an error for everybody.
    pub fn failed(&mut self, target: &str, what: &str, failure: &Failure) {
        let message = match &failure.detail {
            Some(detail) => format!("{what}: {} ({detail})", failure.message),
            None => format!("{what}: {}", failure.message),
        };
        self.error(target, message, failure.hint.as_deref().unwrap_or("look at the service, then run again"));
    }

    /// Whether nothing concerns everybody.
    pub fn is_ok(&self) -> bool {
        !self.findings.iter().any(|f| f.everybody && f.severity == Severity::Error)
    }

    /// Tells every finding as a note.
    pub fn tell(&self, session: &Session) {
        for finding in &self.findings {
            session.note(What::Finding {
                severity: finding.severity.word().into(),
                target: finding.target.clone(),
                message: finding.message.clone(),
                hint: finding.hint.clone(),
            });
        }
    }

    /// One line for people.
    pub fn sentence(&self) -> String {
        let count = |s: Severity| self.findings.iter().filter(|f| f.severity == s).count();
        let errors = count(Severity::Error);
        let warnings = count(Severity::Warning);
        let mut text = match (errors, warnings) {
            (0, 0) => "nothing in the way".to_owned(),
            (e, w) => {
                let mut parts = Vec::new();
                if e > 0 {
                    parts.push(plural(e, "finding", "findings"));
                }
                if w > 0 {
                    parts.push(plural(w, "warning", "warnings"));
                }
                parts.join(", ")
            }
        };
        if let Some(list) = &self.mailboxes {
            text = format!("{} go on, {text}", plural(list.len(), "mailbox", "mailboxes"));
        }
        text
    }

    /// Ends the step of the check: badly if something concerns everybody.
    pub fn close(&self, step: Step) {
        if self.is_ok() {
            step.end(self.sentence());
        } else {
            step.end_badly(self.sentence());
        }
    }

    /// Ends the run for findings that concern everybody.
    ///
    /// # Errors
    /// `findings`.
    pub fn or_stop(&self) -> Result<()> {
        let grave: Vec<&Finding> =
            self.findings.iter().filter(|f| f.everybody && f.severity == Severity::Error).collect();
        let Some(first) = grave.first() else { return Ok(()) };
        let mut failure = Failure::new(
            Kind::Findings,
            format!(
                "{} found {} everybody: {}",
                self.check,
                plural(grave.len(), "thing that concerns", "things that concern"),
                first.message
            ),
        )
        .hint(if first.hint.is_empty() { "mend it, then run again" } else { &first.hint });
        if grave.len() > 1 {
            failure = failure.detail(grave.iter().skip(1).map(|f| f.message.as_str()).collect::<Vec<_>>().join("; "));
        }
        if !first.target.is_empty() {
            failure = failure.on(&first.target);
        }
        Err(failure)
    }
}

/// `1 mailbox`, `3 mailboxes`, with thousands set apart.
pub fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {many}", thousands(count)) }
}

/// `12,345`.
pub fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}
