//! What a rehearsal does not prove, each with the check in a pilot that would.
//!
//! The last page of the report. It leaves nothing out because it was asked for
//! twice: a customer who signs must have read it.

use super::story::Story;
use super::words;

/// A thing that stays unproved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its kind: `Real throughput`.
    pub head: String,
    /// Why the rehearsal doesn't prove it.
    pub text: String,
    /// What to do in a pilot to know; never empty.
    pub pilot: String,
}

fn limit(head: &str, text: impl Into<String>, pilot: impl Into<String>) -> Limit {
    Limit { head: head.into(), text: text.into(), pilot: pilot.into() }
}

/// Everything this rehearsal does not prove, in the order of its weight.
pub fn limits(story: &Story) -> Vec<Limit> {
    let mut limits = Vec::new();
    let (made, of) = story.parts.proof.invented;
    if made > 0 {
        limits.push(limit(
            "Invented facts",
            format!(
                "{} of {} facts about directory, mailbox sizes, permissions and the tenant were made up by the lab. A real \
                 directory has habits that no lab makes up.",
                words::count(made),
                words::count(of)
            ),
            "Write what you know into a company file and rehearse again. Choose the people of the pilot so that it has the \
             largest mailbox, a delegate with their superior, a room, a shared mailbox and somebody with voice mail.",
        ));
    }
    limits.push(limit(
        "Real throughput",
        "The lab copies at a rate of its own. How long a wave takes for real hangs on the old server, the line and the \
         service’s throttling.",
        "Note for each mailbox of the pilot its size and the hours of its copy, on a working day. Size the waves by the \
         slowest, not by the average.",
    ));
    limits.push(limit(
        "Real clients",
        "Outlook profiles, phones, shared calendars, add-ins, and the printers and programs that send mail are not part of \
         the lab.",
        "Have one of each kind in the pilot: every version of Outlook in use, every kind of phone, one shared calendar, one \
         device that sends mail. Let each person send, receive, answer an old message and accept a meeting after the move.",
    ));
    let settings = &story.parts.proof.settings;
    if settings.is_empty() {
        limits.push(limit(
            "Unconfirmed behaviour",
            "Where public sources don’t settle what the service does, the lab follows one reading, and a real tenant may \
             answer otherwise. This rehearsal did not list these points.",
            "Compare after each step of the pilot what the service shows with what this report says; stop the wave where \
             they differ.",
        ));
    }
    for setting in settings {
        let usual = if setting.usual { "" } else { ", against its custom" };
        let pilot = match setting.pilot.trim() {
            "" => "Look at it in the pilot, before the first large wave.".to_owned(),
            pilot => sentence(pilot),
        };
        limits.push(limit(
            "Unconfirmed behaviour",
            format!(
                "{} This rehearsal took it as `{}`{usual} (`{}`).",
                sentence(&setting.about),
                setting.value,
                setting.name
            ),
            pilot,
        ));
    }
    if story.parts.proof.work.made == 0 {
        limits.push(limit(
            "People at work",
            "Nobody sent, filed or answered anything in the mailboxes of this rehearsal, so work that is lost could not be \
             counted.",
            "Ask the people of the pilot a day after the move what they miss.",
        ));
    }
    if story.parts.faults == "none" {
        limits.push(limit(
            "Trouble",
            "This rehearsal ran without faults.",
            "Before the pilot, rehearse with `--faults usual`: throttling, lost answers and failing mailboxes as \
             administrators see them.",
        ));
    }
    limits
}

/// Text of the lab as a sentence: first letter large, a full stop.
fn sentence(text: &str) -> String {
    let text = words::capital(&words::clean(text));
    if text.ends_with(['.', '?', '!']) || text.is_empty() { text } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{End, story};
    use super::*;

    #[test]
    fn every_limit_has_its_pilot_check() {
        for end in [End::Calm, End::Usual, End::Broken] {
            let mut story = story(40, end);
            for settings in [true, false] {
                if !settings {
                    story.parts.proof.settings.clear();
                }
                let limits = limits(&story);
                let heads: Vec<&str> = limits.iter().map(|l| l.head.as_str()).collect();
                for head in ["Invented facts", "Real throughput", "Real clients", "Unconfirmed behaviour"] {
                    assert!(heads.contains(&head), "{end:?}: {head}");
                }
                for limit in &limits {
                    assert!(limit.pilot.len() > 20 && limit.pilot.ends_with('.'), "{}: {}", limit.head, limit.pilot);
                }
            }
        }
    }

    #[test]
    fn each_doubt_stands_by_itself_and_an_unusual_value_is_said() {
        let story = story(40, End::Usual);
        let limits = limits(&story);
        let doubts: Vec<&Limit> = limits.iter().filter(|l| l.head == "Unconfirmed behaviour").collect();
        assert_eq!(doubts.len(), story.parts.proof.settings.len());
        assert!(doubts.iter().any(|d| d.text.contains("against its custom")));
    }
}
