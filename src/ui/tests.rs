//! The terminal as a whole, over captured streams.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::run::narrate::What;

fn at(hours: i64) -> Timestamp {
    let begin: Timestamp = "2026-01-12T09:00:00Z".parse().expect("a valid moment");
    begin + SignedDuration::from_hours(hours)
}

fn ui(mode: Mode, width: usize) -> (Ui, Captured) {
    let (streams, captured) = Streams::captured(width);
    (Ui::new(mode, ColourChoice::Auto, streams), captured)
}

fn began(id: u64, primitive: &str, subject: &str) -> What {
    What::StepBegan { id, primitive: primitive.into(), subject: subject.into() }
}

fn ended(id: u64, ok: bool, changed: u64, text: &str) -> What {
    What::StepEnded { id, ok, changed, text: text.into() }
}

fn lab() -> What {
    What::Began { script: "scripts/staged.rhai".into(), profile: "lab".into(), seed: Some(7) }
}

fn left(address: &str, reason: &str) -> What {
    What::LeftWhole { address: address.into(), reason: reason.into() }
}

/// A short rehearsal with one of everything.
fn rehearsal() -> Vec<Note> {
    let mut notes = Vec::new();
    let mut say = |hours: i64, what: What| notes.push(Note { time: at(hours), what });
    say(0, lab());
    say(0, began(1, "validate", "2,000 mailboxes"));
    for i in 0..1000 {
        let target = format!("user{i:04}@contoso.test");
        say(
            0,
            What::Finding {
                severity: "warning".into(),
                message: format!("`{target}` has Unified Messaging on"),
                hint: "switch it off before the wave and on again afterwards".into(),
                target,
            },
        );
    }
    say(1, ended(1, true, 0, "1,000 warnings"));
    say(1, What::Asked { text: "New mail of 100 people will arrive only in the cloud. Start wave-01?".into() });
    say(1, What::Waiting { reason: "for an answer".into(), until: at(24) });
    say(
        25,
        What::Answered {
            text: "New mail of 100 people will arrive only in the cloud. Start wave-01?".into(),
            granted: true,
            by: "rehearsal".into(),
        },
    );
    for wave in 1..=3 {
        let name = format!("wave-{wave:02}");
        let id = wave * 10;
        say(25, began(id, "batch", &format!("{name} (100 mailboxes)")));
        say(25, ended(id, true, 1, "created"));
        say(25, began(id + 1, "watch", &format!("{name} (100 mailboxes)")));
        for done in [0, 10, 50, 97] {
            say(
                26,
                What::Progress {
                    id: id + 1,
                    done,
                    total: 100,
                    unit: "mailboxes".into(),
                    text: format!("{done} copied, 3 failed"),
                },
            );
            say(26, What::Waiting { reason: "for the copy".into(), until: at(30) });
        }
        say(27, ended(id + 1, true, 0, "97 synced, 3 failed"));
    }
    say(28, began(90, "release", "3 mailboxes"));
    say(28, left("ann@contoso.test", "the copy broke off; 3 messages wait in the cloud"));
    say(28, left("bob@contoso.test", "the copy broke off; 5 messages wait in the cloud"));
    say(28, left("cid@contoso.test", "the mailbox is hidden from address lists"));
    say(28, ended(90, true, 3, "3 released"));
    say(28, What::Waiting { reason: "72 hours after the MX change".into(), until: at(100) });
    say(100, What::Said { text: "hello from the script".into() });
    say(100, What::Ended { ok: true, code: 6 });
    notes
}

#[test]
fn plain_lines_are_one_for_each_step() {
    let (ui, captured) = ui(Mode::Plain, 120);
    for note in rehearsal() {
        ui.note(&note);
    }
    let expected = "\
Mon 12 Jan 09:00  begins  run                       `scripts/staged.rhai` with profile `lab`, seed 7
Mon 12 Jan 10:00  ok      validate                  2,000 mailboxes: 1,000 warnings
                  warning 1,000 × `…` has Unified Messaging on
                          user0000@contoso.test, user0001@contoso.test, user0002@contoso.test and 997 more
                          hint: switch it off before the wave and on again afterwards
";
    assert!(captured.err().starts_with(expected), "{}", captured.err());
    assert_eq!(captured.out(), "hello from the script\n");
    println_for_review(&captured.err());
}

fn println_for_review(text: &str) {
    if let Ok(file) = std::env::var("STAGEPOST_SHOW") {
        let old = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(file, format!("{old}{text}\n-----\n")).expect("the review file can be written");
    }
}

#[test]
fn both_widths_stay_inside() {
    for (mode, width) in [(Mode::Plain, 60), (Mode::Terminal, 60), (Mode::Terminal, 120), (Mode::Terminal, 80)] {
        let (ui, captured) = ui(mode, width);
        for note in rehearsal() {
            ui.note(&note);
        }
        println_for_review(&captured.err());
        for line in captured.err().lines() {
            assert!(text::width(line) <= width, "{mode:?} {width}: {line}");
        }
    }
}

#[test]
fn json_is_one_line_for_each_note() {
    let (ui, captured) = ui(Mode::Json, 120);
    let notes = rehearsal();
    for note in &notes {
        ui.note(note);
    }
    ui.error(&Failure::new(Kind::Refused, "no"), None);
    let lines: Vec<Value> =
        captured.out().lines().map(|l| serde_json::from_str(l).expect("each line is JSON")).collect();
    assert_eq!(lines.len(), notes.len() + 1);
    assert_eq!(lines.last().map(|l| l["kind"].clone()), Some(json!("refused")));
    assert_eq!(captured.err(), "error: no\n");
}

#[test]
fn a_failure_has_title_place_and_remedy_apart() {
    let (ui, captured) = ui(Mode::Plain, 80);
    let failure = Failure::new(Kind::Throttled, "batch `pilot-1` was not started: too many requests")
        .during("exchange", "Start-MigrationBatch")
        .on("pilot-1")
        .status(429)
        .retryable()
        .detail("request 7b1e")
        .hint("the service asks to wait 40 s; wrap the call in `retry(5, || …)`");
    ui.error(&failure, Some("  ┌─ scripts/pilot.rhai:14:9\n14│   batch.start();\n  │         ^^^^^"));
    let expected = "\
error: batch `pilot-1` was not started: too many requests
  ┌─ scripts/pilot.rhai:14:9
14│   batch.start();
  │         ^^^^^
  exchange · Start-MigrationBatch · status 429 · worth another try
  request 7b1e

hint: the service asks to wait 40 s; wrap the call in `retry(5, || …)`
";
    assert_eq!(captured.err(), expected);
}

#[test]
fn colour_follows_the_choice_and_the_surroundings() {
    let shown = |colour, terminal, no_colour| {
        let (mut streams, captured) = Streams::captured(80);
        streams.err_is_terminal = terminal;
        streams.no_colour = no_colour;
        Ui::new(Mode::Terminal, colour, streams).warning("x", None);
        captured.err().contains('\u{1b}')
    };
    assert!(shown(ColourChoice::Auto, true, false));
    assert!(!shown(ColourChoice::Auto, true, true));
    assert!(!shown(ColourChoice::Auto, false, false));
    assert!(!shown(ColourChoice::Never, true, false));
    assert!(shown(ColourChoice::Always, false, true));
}

struct Refusing(std::io::ErrorKind);

impl Write for Refusing {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure_and_a_full_disk_is() {
    for (kind, fails) in [(std::io::ErrorKind::BrokenPipe, false), (std::io::ErrorKind::StorageFull, true)] {
        let (mut streams, captured) = Streams::captured(80);
        streams.out = Box::new(Refusing(kind));
        let ui = Ui::new(Mode::Plain, ColourChoice::Auto, streams);
        ui.print("one\n");
        ui.print("two\n");
        assert_eq!(ui.output_failure().is_some(), fails, "{kind}");
        assert_eq!(captured.err(), "");
    }
}

#[test]
fn quiet_shows_what_went_wrong_and_what_was_left() {
    let (streams, captured) = Streams::captured(120);
    let ui = Ui::new(Mode::Plain, ColourChoice::Auto, streams).with_verbosity(Verbosity::Quiet);
    for note in rehearsal() {
        ui.note(&note);
    }
    let text = captured.err();
    assert!(!text.contains("batch") && !text.contains("approved"), "{text}");
    assert!(text.contains("left whole") && text.contains("Unified Messaging"), "{text}");
}

#[test]
fn steps_inside_a_step_stand_below_its_begin() {
    let (ui, captured) = ui(Mode::Plain, 120);
    let what = [
        lab(),
        began(1, "step", "prepare"),
        began(2, "endpoint", "on-premises"),
        ended(2, true, 1, "created"),
        ended(1, true, 1, ""),
    ];
    for (hours, what) in what.into_iter().enumerate() {
        ui.note(&Note { time: at(hours as i64), what });
    }
    let expected = "\
Mon 12 Jan 10:00  begins  step                      prepare
Mon 12 Jan 12:00  ok        endpoint                on-premises: created  1 write
Mon 12 Jan 13:00  ok      step                      prepare  1 write
";
    assert!(captured.err().ends_with(expected), "{}", captured.err());
}

#[test]
fn a_real_run_without_a_terminal_says_when_a_long_step_begins() {
    let (ui, captured) = ui(Mode::Plain, 120);
    let progress =
        |done| What::Progress { id: 1, done, total: 9, unit: "mailboxes".into(), text: format!("{done} copied") };
    let what = [
        What::Began { script: "a.rhai".into(), profile: "contoso".into(), seed: None },
        began(1, "watch", "wave-01"),
        progress(1),
        progress(2),
        ended(1, true, 0, "all synced"),
    ];
    for (hours, what) in what.into_iter().enumerate() {
        ui.note(&Note { time: at(hours as i64), what });
    }
    assert_eq!(captured.err().lines().count(), 3, "{}", captured.err());
}

#[test]
fn a_question_takes_only_yes_or_no_and_nobody_is_none() {
    let ask = |answers: &'static str| {
        let (mut streams, captured) = Streams::captured(80);
        streams.input = Some(Box::new(answers.as_bytes()));
        let ui = Ui::new(Mode::Terminal, ColourChoice::Auto, streams);
        (ui.confirm("Start wave-01?"), captured.err().matches("Start wave-01?").count())
    };
    assert_eq!(ask("yes\n"), (Some(true), 1));
    assert_eq!(ask("maybe\nN\n"), (Some(false), 2));
    assert_eq!(ask("\n"), (None, 2));
    let (ui, _) = ui(Mode::Plain, 80);
    assert_eq!(ui.confirm("Start wave-01?"), None);
}

#[test]
fn foreign_text_cannot_steer_the_terminal() {
    let (ui, captured) = ui(Mode::Plain, 80);
    ui.note(&Note { time: at(0), what: left("ann@contoso.test", "\u{1b}[2Jgone\r\nerror: fake") });
    ui.error(&Failure::new(Kind::Refused, "a\u{1b}]0;x\u{7}b").detail("c\u{1b}[1Ad"), Some("e\u{1b}[1Af"));
    assert!(!captured.err().contains(['\u{1b}', '\u{7}', '\r']), "{:?}", captured.err());
    assert!(!captured.err().contains("\nerror: fake"));
}

#[test]
fn the_summary_begins_with_the_outcome_and_names_who_was_left() {
    use crate::report::sample::{End, story};
    for (end, width) in [(End::Calm, 120), (End::Usual, 100), (End::Broken, 60)] {
        let (ui, captured) = ui(Mode::Plain, width);
        ui.summary(&story(2000, end));
        let text = captured.out();
        println_for_review(&text);
        let head = if end == End::Broken { "\nNo-go: " } else { "\nGo" };
        assert!(text.starts_with(head), "{text}");
        for fact in
            ["88,000 sent", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "183 MB", "report.html"]
        {
            assert!(text.contains(fact), "{fact}: {text}");
        }
        assert_eq!(text.contains("× Migration"), end != End::Calm, "{text}");
        let digest = 64 + 20;
        assert!(text.lines().all(|l| text::width(l) <= width.max(digest)), "{text}");
    }
}

/// The lines of a summary from the one that begins with this label to the next
/// label.
fn part<'a>(text: &'a str, label: &str) -> Vec<&'a str> {
    let mut lines = text.lines().skip_while(|l| !l.trim_start().starts_with(label));
    let first = lines.next().unwrap_or_else(|| panic!("no {label}: {text}"));
    let rest = lines.take_while(|l| l.starts_with("    "));
    std::iter::once(first).chain(rest).collect()
}

#[test]
fn the_summary_counts_waiting_mail_and_work_at_both_widths() {
    use crate::report::sample::{End, story};
    let shown = |end, width| {
        let (ui, captured) = ui(Mode::Plain, width);
        ui.summary(&story(2000, end));
        captured.out()
    };
    let wide = shown(End::Usual, 120);
    assert_eq!(part(&wide, "Hours apart"), ["  Hours apart       median 43.3 h, worst 48.7 h, 84,319 h in all"]);
    assert_eq!(part(&wide, "Without old mail"), ["  Without old mail  median 19.3 h, worst 24.7 h, 37,615 h in all"]);
    assert_eq!(part(&wide, "Delayed")[0], "  Delayed           21 messages");
    assert_eq!(part(&wide, "In junk")[0], "  In junk           9 messages");
    assert_eq!(
        part(&wide, "Work lost")[0],
        "  Work lost         100 of 62,000 things that people made, lost by 67 people: 50 appointments, 50 messages filed"
    );
    assert_eq!(part(&wide, "Work lost").len(), 4);
    assert_eq!(part(&wide, "Hindered"), ["  Hindered          a delegate could not open the mailbox: 7 times"]);
    assert_eq!(
        part(&wide, "Forced"),
        [
            "  Forced            1 guard passed by force",
            "                    `mx-before-settled` on fabrikam.test, because: the customer closes the old site on Friday"
        ]
    );
    let narrow = shown(End::Usual, 60);
    assert_eq!(
        part(&narrow, "Work lost")[..3],
        [
            "  Work lost         100 of 62,000 things that people made,",
            "                    lost by 67 people: 50 appointments, 50",
            "                    messages filed"
        ]
    );
    for text in [&wide, &narrow] {
        println_for_review(text);
    }
    let calm = shown(End::Calm, 120);
    assert_eq!(part(&calm, "Work lost"), ["  Work lost         0 of 62,000 things that people made"]);
    assert_eq!(part(&calm, "Delayed"), ["  Delayed           0 messages"]);
    assert!(!calm.contains("Forced") && !calm.contains("Hindered"), "{calm}");
}

#[test]
fn work_that_nobody_counted_is_no_nought() {
    let mut parts = crate::report::sample::story(20, crate::report::sample::End::Usual).parts;
    parts.proof.work = crate::wire::lab::Work::default();
    let (ui, captured) = ui(Mode::Plain, 120);
    ui.summary(&Story::new(parts));
    assert!(!captured.out().contains("Work lost"), "{}", captured.out());
}

#[test]
fn a_guard_passed_by_force_is_a_warning_line() {
    let (ui, captured) = ui(Mode::Plain, 120);
    let what = What::Forced {
        guard: "mx-before-settled".into(),
        target: "contoso.test".into(),
        text: "3 mailboxes are in between".into(),
        reason: "agreed with the customer".into(),
    };
    ui.note(&Note { time: at(0), what });
    let line = captured.err();
    assert!(line.contains("warning contoso.test: the guard `mx-before-settled` was passed by force"), "{line}");
    assert!(line.contains("(agreed with the customer)"), "{line}");
}

#[test]
fn the_summary_is_one_json_line() {
    let (ui, captured) = ui(Mode::Json, 80);
    ui.summary(&crate::report::sample::story(100, crate::report::sample::End::Usual));
    let value: Value = serde_json::from_str(captured.out().trim_end()).expect("it is JSON");
    assert_eq!(value["mailboxes"]["moved"], 97);
    assert_eq!(value["exit"], 6);
    assert_eq!(
        (value["work"]["people"].clone(), value["forced"][0]["guard"].clone()),
        (json!(4), json!("mx-before-settled"))
    );
    assert!(value["hours_apart"]["total"].as_f64().is_some_and(|h| h > 0.0));
    assert_eq!(captured.out().lines().count(), 1);
}

fn planned(name: &str, last: &str, about: &str) -> What {
    What::WavePlanned {
        name: name.into(),
        last: last.into(),
        waves: if last.is_empty() { 1 } else { 4 },
        group: String::new(),
        about: about.into(),
        seats: 40,
        profiles: 38,
        bytes: Some(3 << 30),
        unknown_sizes: if last.is_empty() { 0 } else { 7 },
        hours_without_old_mail: Some(6.5),
        hours_apart: Some(12.5),
        days: None,
        crossing: if last.is_empty() { 0 } else { 2 },
    }
}

#[test]
fn a_plan_stands_below_its_step_and_is_readable_on_a_narrow_screen() {
    let shown = |width| {
        let (ui, captured) = ui(Mode::Plain, width);
        let what = [
            lab(),
            began(1, "waves_of", "200 mailboxes"),
            planned("wave-01", "", "with a pair of delegates; phones are not known"),
            planned("wave-02", "wave-05", ""),
            ended(1, true, 0, "5 waves"),
        ];
        for what in what {
            ui.note(&Note { time: at(0), what });
        }
        captured.err().lines().skip(1).map(|l| format!("{l}\n")).collect::<String>()
    };
    assert_eq!(
        shown(120),
        "Mon 12 Jan 09:00  ok      waves_of                  200 mailboxes: 5 waves
                  note    wave-01             40 mailboxes and seats, 38 new profiles, 3.0 GB, without old mail up to
                                              6.5 h, apart up to 12.5 h; with a pair of delegates; phones are not known
                  note    wave-02 to wave-05  4 waves, 40 mailboxes and seats, 38 new profiles, 3.0 GB (7 of unknown
                                              size), without old mail up to 6.5 h, apart up to 12.5 h, 2 permissions
                                              cross
"
    );
    assert!(shown(60).lines().all(|l| text::width(l) <= 60), "{}", shown(60));
    assert!(shown(60).contains("\n             note    wave-01 "), "{}", shown(60));
}
