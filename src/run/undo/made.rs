//! What a run changed, as its journal tells it, and which part of it is meant.
//!
//! It reads events and decides nothing about the world: whether a change is still
//! there, and whether somebody else has changed it since, is asked of the world.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::{Failure, Kind, Result, Timestamp};
use crate::run::journal::{Kind as EventKind, Stored};
use crate::wire::attributes::address_key;

/// A change that took effect, or of which nobody knows.
#[derive(Clone, Debug)]
pub struct Made {
    /// Number of its intent in the journal.
    pub number: u64,
    /// When it was sent.
    pub time: Timestamp,
    /// `convert_to_mail_user`, `set_mx`, …
    pub operation: String,
    /// The object.
    pub target: String,
    /// Image before.
    pub before: Value,
    /// Image after as read back; what was planned where nobody could look.
    pub after: Value,
    /// Nobody knows what became of it.
    pub in_doubt: bool,
    /// The way back that it named.
    pub way_back: Value,
    /// Names of the steps around it, the outermost first.
    pub step: Vec<String>,
}

/// Everything that undo asks of a run's events.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Changes in the order of their intents.
    pub changes: Vec<Made>,
    /// Whole images of directory objects before the first touch, by address.
    pub baselines: BTreeMap<String, Value>,
    /// TargetAddress as the service wrote it, by address.
    pub forwarded: BTreeMap<String, String>,
    /// Addresses of each batch, by its name in lower case.
    pub rows: BTreeMap<String, Vec<String>>,
}

/// Which part of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// All of it.
    Run,
    /// The change with this number.
    Number(u64),
    /// What a step of this name did.
    Step(String),
    /// Changes of an operation: of all its objects, or of one.
    Operation(String),
}

impl Story {
    /// Reads a run's events.
    pub fn of(events: &[Stored]) -> Story {
        let mut story = Story::default();
        let mut open: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut refused = Vec::new();
        for Stored { number, event, .. } in events {
            let key = (event.operation.clone(), event.target.clone());
            match event.kind {
                EventKind::Baseline => {
                    story.baselines.entry(address_key(&event.target)).or_insert_with(|| event.body.clone());
                }
                EventKind::Consequence if event.operation == "start" => {
                    if let Some(target) = event.body["targetAddress"].as_str() {
                        story.forwarded.insert(address_key(&event.target), target.to_owned());
                    }
                }
                EventKind::Intent => {
                    let step = event.body["step"].as_array().into_iter().flatten();
                    if event.operation == "batch" {
                        let rows = event.body["planned"]["addresses"].as_array().into_iter().flatten();
                        let rows = rows.filter_map(|a| a.as_str().map(str::to_owned)).collect();
                        story.rows.insert(event.target.to_lowercase(), rows);
                    }
                    open.insert(key, story.changes.len());
                    story.changes.push(Made {
                        number: *number,
                        time: event.time,
                        operation: event.operation.clone(),
                        target: event.target.clone(),
                        before: event.body["before"].clone(),
                        after: event.body["planned"].clone(),
                        in_doubt: true,
                        way_back: event.body["way_back"].clone(),
                        step: step.filter_map(|s| s.as_str().map(str::to_owned)).collect(),
                    });
                }
                EventKind::Outcome => {
                    let Some(place) = open.remove(&key) else { continue };
                    match event.body["state"].as_str() {
                        Some("not_applied") => refused.push(place),
                        state => {
                            let Some(made) = story.changes.get_mut(place) else { continue };
                            made.in_doubt = state != Some("applied");
                            if !event.body["after"].is_null() && !made.in_doubt {
                                made.after = event.body["after"].clone();
                            }
                        }
                    }
                }
                // What a person decided of a write in doubt.
                EventKind::Resolved => {
                    let decided = |made: &Made| match event.body["intent"].as_u64() {
                        Some(number) => made.number == number,
                        None => made.in_doubt && made.operation == event.operation && made.target == event.target,
                    };
                    let Some(place) = story.changes.iter().rposition(decided) else { continue };
                    open.remove(&key);
                    match event.body["state"].as_str() {
                        Some("not_applied") => refused.push(place),
                        _ => {
                            if let Some(made) = story.changes.get_mut(place) {
                                made.in_doubt = false;
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        let mut place = 0;
        story.changes.retain(|_| {
            place += 1;
            !refused.contains(&(place - 1))
        });
        story
    }

    /// What a word of the command line means here: the number of a change, the
    /// name of a step, an operation, or `operation:object`.
    ///
    /// # Errors
    /// `usage`: the run has nothing of that name.
    pub fn choice(&self, word: Option<&str>) -> Result<Choice> {
        let Some(word) = word.map(str::trim) else { return Ok(Choice::Run) };
        let number = word.strip_prefix('#').unwrap_or(word).parse::<u64>().ok();
        let choices =
            [number.map(Choice::Number), Some(Choice::Step(word.to_owned())), Some(Choice::Operation(word.to_owned()))];
        let found = choices.into_iter().flatten().find(|c| self.changes.iter().any(|m| c.means(m)));
        found.ok_or_else(|| {
            let mut names: Vec<&str> = self.changes.iter().map(|m| m.operation.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let near = names.iter().min_by_key(|n| strsim::damerau_levenshtein(n, word)).copied().unwrap_or_default();
            Failure::new(Kind::Usage, format!("the run changed nothing that is called `{word}`")).hint(match near {
                "" => "leave the name out; the run changed nothing at all".to_owned(),
                near => format!(
                    "name a step, a change by its number, an operation like `{near}`, or one object of it: `{near}:ann@contoso.com`"
                ),
            })
        })
    }

    /// The changes that are meant, the newest first.
    pub fn chosen(&self, choice: &Choice) -> Vec<&Made> {
        let mut chosen: Vec<&Made> = self.changes.iter().filter(|m| choice.means(m)).collect();
        chosen.sort_by_key(|m| std::cmp::Reverse(m.number));
        chosen
    }
}

impl Choice {
    fn means(&self, made: &Made) -> bool {
        match self {
            Choice::Run => true,
            Choice::Number(number) => made.number == *number,
            // `wave[wave-02]` is a use of `wave`, and `outer/inner` a step in a step.
            Choice::Step(name) => {
                let is_use = |step: &String| step == name || step.split('[').next() == Some(name);
                made.step.iter().any(is_use) || (!made.step.is_empty() && made.step.join("/") == *name)
            }
            Choice::Operation(word) => {
                let word = word.to_lowercase();
                let operation = made.operation.to_lowercase();
                let target = made.target.to_lowercase();
                // `contoso.com MX` is found by its domain, too.
                let first = target.split_whitespace().next().unwrap_or_default();
                // What belongs to a verb is undone with it: `set_mx::lower_ttl`.
                let of = |name: &str| operation == name || operation.starts_with(&format!("{name}::"));
                of(&word)
                    || [target.as_str(), first]
                        .iter()
                        .any(|t| word.strip_suffix(t).and_then(|rest| rest.strip_suffix(':')).is_some_and(of))
            }
        }
    }

    /// The word for people.
    pub fn words(&self) -> String {
        match self {
            Choice::Run => String::new(),
            Choice::Number(number) => format!("change {number}"),
            Choice::Step(name) => format!("step {name}"),
            Choice::Operation(name) => name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::run::journal::Event;

    fn stored(number: u64, kind: EventKind, operation: &str, target: &str, body: Value) -> Stored {
        let time = Timestamp::UNIX_EPOCH;
        let event = Event { kind, time, operation: operation.into(), target: target.into(), body };
        Stored { number, run: "r".into(), event, hash: String::new() }
    }

    fn story() -> Story {
        Story::of(&[
            stored(
                1,
                EventKind::Intent,
                "set_mx",
                "contoso.test MX",
                json!({"before": 1, "planned": 2, "step": ["mail"]}),
            ),
            stored(2, EventKind::Outcome, "set_mx", "contoso.test MX", json!({"state": "applied", "after": 3})),
            stored(3, EventKind::Intent, "set_mx::lower_ttl", "contoso.test MX", json!({})),
            stored(4, EventKind::Intent, "convert_to_mail_user", "ann@contoso.test", json!({})),
            stored(5, EventKind::Outcome, "convert_to_mail_user", "ann@contoso.test", json!({"state": "not_applied"})),
            stored(6, EventKind::Intent, "convert_to_mail_user", "ann@contoso.test", json!({"planned": 4})),
        ])
    }

    #[test]
    fn what_was_refused_is_no_change_and_what_has_no_outcome_is_one_in_doubt() {
        let story = story();
        let seen: Vec<(u64, bool)> = story.changes.iter().map(|m| (m.number, m.in_doubt)).collect();
        assert_eq!(seen, [(1, false), (3, true), (6, true)]);
        assert_eq!((&story.changes[0].after, &story.changes[2].after), (&json!(3), &json!(4)));
    }

    #[test]
    fn what_a_person_decided_of_a_write_in_doubt_counts() {
        let decided = |state: &str| {
            let story = Story::of(&[
                stored(1, EventKind::Intent, "graph", "POST /groups", json!({"step": ["wave[one]"]})),
                stored(2, EventKind::Outcome, "graph", "POST /groups", json!({"state": "in_doubt"})),
                stored(3, EventKind::Resolved, "graph", "POST /groups", json!({"state": state, "intent": 1})),
            ]);
            let choice = story.choice(Some("wave"));
            (story.changes.len(), choice.ok(), story.changes.first().map(|m| m.in_doubt))
        };
        assert_eq!(decided("applied"), (1, Some(Choice::Step("wave".into())), Some(false)));
        assert_eq!(decided("not_applied"), (0, None, None));
    }

    #[test]
    fn a_word_means_a_number_a_step_an_operation_or_one_object_of_it() {
        let story = story();
        let chosen = |word: &str| -> Vec<u64> {
            let choice = story.choice(Some(word)).expect("the run has it");
            story.chosen(&choice).iter().map(|m| m.number).collect()
        };
        assert_eq!(chosen("6"), [6]);
        assert_eq!(chosen("mail"), [1]);
        assert_eq!(chosen("set_mx"), [3, 1]);
        assert_eq!(chosen("set_mx:contoso.test"), [3, 1]);
        assert_eq!(chosen("convert_to_mail_user:Ann@contoso.test"), [6]);
        assert_eq!(story.choice(Some("set_mxx")).expect_err("no such thing").kind, Kind::Usage);
        assert_eq!(story.chosen(&Choice::Run).len(), 3);
    }
}
