//! Waves drawn together, working days, and what binds when.

use super::super::sample::{self, End};
use super::super::story::Parts;
use super::*;
use crate::wire::lab::Proof;

#[test]
fn few_waves_stand_one_by_one_and_many_by_week() {
    let few = calendar(&sample::story(250, End::Usual));
    assert_eq!(few.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["wave-01", "wave-02", "wave-03", "wave-04"]);
    for size in [2000, 9001] {
        let story = sample::story(size, End::Usual);
        let many = calendar(&story);
        assert!((2..=CALENDAR).contains(&many.len()), "{size}: {} lines", many.len());
        assert_eq!(many.iter().map(|l| l.people).sum::<u64>(), size as u64);
        assert!(many[1].name.contains(" to wave-"), "{}", many[1].name);
    }
}

#[test]
fn a_notice_goes_out_on_a_working_day() {
    let at = |text: &str| text.parse::<Timestamp>().expect("a valid moment");
    for (start, notice) in [
        ("2026-01-13T08:00:00Z", "Mon 12 Jan 2026"),
        ("2026-01-12T08:00:00Z", "Fri 9 Jan 2026"),
        ("2026-01-18T08:00:00Z", "Fri 16 Jan 2026"),
    ] {
        assert_eq!(words::day(notice_day(at(start))), notice);
    }
}

#[test]
fn deadlines_follow_from_the_waves() {
    let story = sample::story(250, End::Usual);
    let dates = dates(&story);
    let date = |what: &str| dates.iter().find(|(w, _)| *w == what).map(|(_, d)| d.as_str()).unwrap_or_default();
    assert_eq!(date("Licences"), "250 needed, 250 given; 300 free before the first wave (ENTERPRISEPACK)");
    assert_eq!(date("First wave"), "day 2, Tue 13 Jan 2026");
    assert!(date("Licences due").contains("first on day 32, Thu 12 Feb 2026"), "{}", date("Licences due"));
    assert!(date("Way back until").contains("2026 (first wave) to "), "{}", date("Way back until"));
    assert!(date("Old link closed").contains("three days after"));
}

#[test]
fn a_story_without_steps_has_no_dates() {
    let story = Story::new(Parts::new("x", "a.rhai", Proof::default(), Vec::new()));
    assert!(calendar(&story).is_empty() && dates(&story).is_empty());
}

#[test]
fn long_waits_are_told_in_days() {
    assert_eq!((hours(6.5), hours(95.8), hours(f64::NAN)), ("6.5 h".into(), "4 days".into(), "unknown".into()));
}
