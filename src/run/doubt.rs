//! Writes in doubt that nothing may repeat: raw calls whose answer was lost.
//!
//! Everything else is settled by the next run itself: it looks at the world, and
//! its guard makes a second write harmless. A raw call has neither. Here stands
//! which ones are open, how a person looks, and how their decision is kept. It
//! never decides by itself.

use serde_json::{Value, json};

use super::gate::Observed;
use super::journal::{Event, Journal, Kind as EventKind, RAW, Stored};
use super::session::Session;
use crate::base::{Failure, Kind, Result, Timestamp};

/// A write whose outcome nobody knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubt {
    /// Number of its intent in the journal.
    pub event: u64,
    /// Id of its run.
    pub run: String,
    /// When it was about to go out.
    pub time: Timestamp,
    /// `exchange::invoke` or `graph`.
    pub operation: String,
    /// `New-TransportRule Quarantine`, `POST /groups`.
    pub target: String,
    /// Line of the script, where it is known.
    pub at: Option<String>,
    /// What was there before, as far as it was known.
    pub before: Value,
    /// What the answer was, if one came that told nothing.
    pub said: Option<String>,
    /// Which call of the script.
    pub call: Value,
}

impl Doubt {
    /// How a person looks whether it was carried out.
    pub fn look(&self) -> String {
        look(&self.operation, &self.target)
    }

    /// The commands by which a person decides.
    pub fn decide(&self) -> [String; 2] {
        decide(self.event)
    }

    /// The event of a decision.
    pub fn resolved(&self, was_applied: bool, because: &str, who: &Value) -> Event {
        Event {
            kind: EventKind::Resolved,
            time: Timestamp::now(),
            operation: self.operation.clone(),
            target: self.target.clone(),
            body: json!({
                "state": if was_applied { "applied" } else { "not_applied" },
                "intent": self.event,
                "because": because,
                "who": who,
            }),
        }
    }
}

/// How a person looks whether a raw call was carried out.
pub fn look(operation: &str, target: &str) -> String {
    let (verb, rest) = target.split_once(' ').unwrap_or((target, ""));
    if operation == "graph" {
        let path = rest.split('?').next().unwrap_or_default();
        return match verb {
            "DELETE" => format!("Invoke-MgGraphRequest GET /v1.0{path}   (404: it was carried out)"),
            _ => format!("Invoke-MgGraphRequest GET /v1.0{path}"),
        };
    }
    let noun = verb.split_once('-').map_or(verb, |(_, noun)| noun);
    if rest.is_empty() { format!("Get-{noun}") } else { format!("Get-{noun} -Identity '{}'", rest.replace('\'', "''")) }
}

fn decide(event: u64) -> [String; 2] {
    ["--applied", "--not-applied"].map(|how| format!("stagepost resolve {event} {how} --because 'what you saw'"))
}

/// Every write that is in doubt, of any run, the oldest first.
///
/// # Errors
/// The journal can't be read.
pub fn open(journal: &dyn Journal) -> Result<Vec<Doubt>> {
    let mut open: Vec<Doubt> = Vec::new();
    journal.of_operations(&RAW, &mut |stored| learn(&mut open, stored))?;
    Ok(open)
}

fn learn(open: &mut Vec<Doubt>, stored: &Stored) {
    let event = &stored.event;
    let same = |d: &Doubt| d.operation == event.operation && d.target == event.target;
    match event.kind {
        EventKind::Intent => open.push(Doubt {
            event: stored.number,
            run: stored.run.clone(),
            time: event.time,
            operation: event.operation.clone(),
            target: event.target.clone(),
            at: event.body["at"].as_str().map(str::to_owned),
            before: event.body["before"].clone(),
            said: None,
            call: event.body["call"].clone(),
        }),
        EventKind::Outcome if event.body["state"] == "in_doubt" => {
            if let Some(last) = open.iter_mut().rev().find(|d| same(d)) {
                last.said = event.body["failure"].as_str().map(str::to_owned);
            }
        }
        EventKind::Outcome => {
            // An intent is answered by the outcome of its own write, the latest.
            if let Some(at) = open.iter().rposition(same) {
                open.remove(at);
            }
        }
        EventKind::Resolved => match event.body["intent"].as_u64() {
            Some(number) => open.retain(|d| d.event != number),
            None => open.retain(|d| !same(d)),
        },
        _ => {}
    }
}

/// Refuses a call that was made before and whose outcome nobody knows.
///
/// # Errors
/// `in_doubt`, with the commands to look and to decide.
pub fn refuse(session: &Session, operation: &str, target: &str) -> Result<()> {
    if !session.memory().past.in_doubt.contains(&(operation.to_owned(), target.to_owned())) {
        return Ok(());
    }
    let failure = Failure::new(
        Kind::InDoubt,
        format!("{target} was sent before and nobody knows what became of it; it is not sent a second time"),
    );
    Err(with_commands(session, failure.on(target), operation, target))
}

/// A lost answer of a call that nothing may repeat, with the commands to look and
/// to decide.
pub fn explained(session: &Session, failure: Failure, operation: &str, group: &[Observed]) -> Failure {
    match group.first() {
        Some(one) => with_commands(session, failure, operation, &one.target),
        None => failure,
    }
}

fn with_commands(session: &Session, failure: Failure, operation: &str, target: &str) -> Failure {
    // Without the journal there is no number; the list of `resolve` has it.
    let open = open(session.journal()).unwrap_or_default();
    let event = open.iter().rev().find(|d| d.operation == operation && d.target == target).map(|d| d.event);
    let commands = match event {
        Some(event) => decide(event).join("\n"),
        None => "stagepost resolve".to_owned(),
    };
    let mut lines = vec![
        format!("look:   {}", look(operation, target)),
        format!("decide: {}", commands.replace('\n', "\n        ")),
    ];
    if let Some(before) = &failure.detail {
        lines.insert(0, before.clone());
    }
    failure
        .detail(lines.join("\n"))
        .hint("look at the object, say with `stagepost resolve` what you saw, then `stagepost resume`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, target: &str, body: Value) -> Event {
        Event { kind, time: Timestamp::UNIX_EPOCH, operation: "graph".into(), target: target.into(), body }
    }

    fn left(events: Vec<Event>) -> Vec<u64> {
        let mut open = Vec::new();
        for (n, event) in events.into_iter().enumerate() {
            learn(&mut open, &Stored { number: n as u64 + 1, run: "r".into(), event, hash: String::new() });
        }
        open.iter().map(|d| d.event).collect()
    }

    #[test]
    fn each_intent_is_answered_by_its_own_outcome_or_by_a_person() {
        let intent = |target| event(EventKind::Intent, target, json!({"repeat": "none"}));
        let outcome = |target, state: &str| event(EventKind::Outcome, target, json!({"state": state}));
        assert_eq!(left(vec![intent("POST /a"), intent("POST /b"), outcome("POST /a", "applied")]), [2]);
        assert_eq!(left(vec![intent("POST /a"), outcome("POST /a", "in_doubt")]), [1]);
        let resolved = event(EventKind::Resolved, "POST /a", json!({"state": "applied", "intent": 1}));
        assert_eq!(left(vec![intent("POST /a"), outcome("POST /a", "in_doubt"), resolved, intent("POST /a")]), [4]);
    }

    #[test]
    fn the_way_to_look_is_a_command() {
        assert_eq!(look("exchange::invoke", "New-TransportRule Don't"), "Get-TransportRule -Identity 'Don''t'");
        assert_eq!(look("exchange::invoke", "Set-OrganizationConfig"), "Get-OrganizationConfig");
        assert_eq!(look("graph", "PATCH /users/7?x=1"), "Invoke-MgGraphRequest GET /v1.0/users/7");
    }
}
