//! The sentences, the exit code, and how steps find their waves.

use super::super::sample::{self, End};
use super::*;
use crate::run::narrate::What;
use crate::wire::lab::Broken;

#[test]
fn the_sentence_says_the_outcome_with_its_numbers() {
    let calm = sample::story(2000, End::Calm);
    assert_eq!(calm.verdict, Verdict::Go);
    assert_eq!(calm.sentence, "Go: all 2,000 mailboxes moved in 64 days, and no message was lost");
    let usual = sample::story(2000, End::Usual);
    assert_eq!((usual.verdict, usual.parts.exit), (Verdict::GoWithRowsLeft, 6));
    assert_eq!(
        usual.sentence,
        "Go, with rows left: 1,946 of 2,000 mailboxes moved in 64 days, 54 were left whole where they were, and no message was lost"
    );
    let broken = sample::story(100, End::Broken);
    assert_eq!((broken.verdict, broken.parts.exit), (Verdict::NoGo, 1));
    assert!(
        broken.sentence.starts_with("No-go: 3 of 100 mailboxes are between the two systems (dora."),
        "{}",
        broken.sentence
    );
}

#[test]
fn an_early_end_is_no_go_even_if_nothing_broke() {
    let mut parts = Parts::new("x", "a.rhai", Proof::default(), Vec::new());
    parts.exit = 5;
    let story = Story::new(parts.clone());
    assert_eq!(story.sentence, "No-go: the script did not come to its end (exit code 5)");
    parts.failure = Some(Failure::new(crate::base::Kind::Approval, "the approval `Start?` was refused"));
    let story = Story::new(parts);
    assert_eq!(story.sentence, "No-go: the script stopped before its end (the approval `Start?` was refused)");
}

#[test]
fn the_exit_code_follows_the_judge_unless_the_script_ended_early() {
    let mut proof = sample::story(10, End::Calm).parts.proof;
    assert_eq!(exit_code(&proof, 0), 0);
    assert_eq!(exit_code(&proof, 5), 5);
    proof.rows[3].outcome = Outcome::Whole;
    assert_eq!((exit_code(&proof, 0), exit_code(&proof, 6)), (6, 6));
    proof.broken.push(Broken { rule: "mx".into(), text: "leads to the old host".into() });
    assert_eq!(exit_code(&proof, 0), 1);
}

#[test]
fn steps_find_their_wave_by_name_or_by_the_batch_before_them() {
    let story = sample::story(250, End::Usual);
    let names: Vec<&str> = story.waves.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(names, ["wave-01", "wave-02", "wave-03", "wave-04"]);
    let wave = &story.waves[1];
    let steps: Vec<&str> = wave.steps.iter().map(|i| story.steps[*i].primitive.as_str()).collect();
    let expected = [
        "license::check",
        "people::tell",
        "batch",
        "start",
        "watch",
        "license::assign",
        "release",
        "convert_to_mail_user",
        "remove",
    ];
    assert_eq!(steps, expected);
    assert_eq!((wave.tally.all(), wave.tally.whole), (100, 3));
    let set_mx = story.steps.iter().find(|s| s.primitive == "set_mx").expect("it was told");
    assert_eq!(set_mx.wave, None);
}

#[test]
fn the_judge_decides_who_was_left_and_the_run_may_say_why() {
    let mut parts = sample::story(10, End::Calm).parts;
    parts.proof.rows[0].outcome = Outcome::Whole;
    let address = parts.proof.rows[0].address.to_uppercase();
    let time = parts.notes[0].time;
    parts.notes.push(Note { time, what: What::LeftWhole { address, reason: "no seat is free".into() } });
    let other = What::LeftWhole { address: parts.proof.rows[1].address.clone(), reason: "moved after all".into() };
    parts.notes.push(Note { time, what: other });
    let story = Story::new(parts);
    assert_eq!(story.left.len(), 1);
    assert_eq!(story.left[0].message, "no seat is free");
}

#[test]
fn steps_that_never_ended_are_told_so() {
    let time = "2026-01-12T09:00:00Z".parse().expect("a valid moment");
    let notes = vec![
        Note { time, what: What::StepBegan { id: 1, primitive: "watch".into(), subject: "wave-01".into() } },
        Note { time, what: What::StepEnded { id: 9, ok: true, changed: 0, text: String::new() } },
    ];
    let story = Story::new(Parts::new("x", "a.rhai", Proof::default(), notes));
    assert_eq!((story.steps.len(), story.steps[0].ended), (1, None));
}

#[test]
fn forced_guards_seats_and_the_end_of_the_wait_are_gathered() {
    let story = sample::story(250, End::Usual);
    assert_eq!(story.forced.len(), 1);
    assert_eq!((story.forced[0].guard.as_str(), story.forced[0].reason.is_empty()), ("mx-before-settled", false));
    let seats = story.seats.as_ref().expect("they were counted");
    assert_eq!((seats.needed, seats.given, seats.free), (250, 250, Some(300)));
    let switched = story.ended_step("set_mx").expect("it was told");
    assert_eq!(story.settled, Some(switched + jiff::SignedDuration::from_hours(72)));
    let calm = sample::story(10, End::Calm);
    assert!(calm.forced.is_empty());
}

#[test]
fn seats_counted_twice_are_needed_once() {
    let time = "2026-01-12T09:00:00Z".parse().expect("a valid moment");
    let counted = |needed, free| Note { time, what: What::SeatsCounted { product: "E3".into(), needed, free } };
    let given = |given| Note { time, what: What::SeatsGiven { product: "E3".into(), given } };
    let notes = vec![counted(30, 40), counted(10, 40), given(10), counted(20, 30), given(18)];
    let seats = Story::new(Parts::new("x", "a.rhai", Proof::default(), notes)).seats.expect("they were counted");
    assert_eq!((seats.needed, seats.given, seats.free), (30, 28, Some(40)));
    assert_eq!(Story::new(Parts::new("x", "a.rhai", Proof::default(), Vec::new())).seats, None);
}
