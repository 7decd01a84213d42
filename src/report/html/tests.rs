//! The page as a whole.

use super::super::sample::{End, story};
use super::super::story::Parts;
use super::*;
use crate::wire::lab::{Broken, Outcome, Proof, Row};

/// Reads the page as XML: every element closed, every attribute quoted, every
/// entity known. Answers all text.
fn read(page: &str) -> String {
    let mut reader = quick_xml::Reader::from_str(page);
    reader.config_mut().check_end_names = true;
    let mut text = String::new();
    let mut depth = 0;
    loop {
        match reader.read_event().unwrap_or_else(|e| panic!("not well-formed at {}: {e}", reader.error_position())) {
            quick_xml::events::Event::Start(e) => {
                depth += 1;
                e.attributes().for_each(|a| drop(a.expect("attributes are quoted and stand once")));
            }
            quick_xml::events::Event::End(_) => depth -= 1,
            quick_xml::events::Event::Text(t) => text.push_str(t.as_ref()),
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    text
}

#[test]
fn the_page_is_well_formed_small_and_loads_nothing() {
    for end in [End::Calm, End::Usual, End::Broken] {
        let page = page(&story(2000, end));
        read(&page);
        assert!(page.len() < 2_000_000, "{end:?}: {} bytes", page.len());
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{end:?} has {outside}");
        }
        if let Ok(folder) = std::env::var("STAGEPOST_REVIEW") {
            let file = std::path::Path::new(&folder).join(format!("{end:?}.html").to_lowercase());
            std::fs::write(file, &page).expect("the review folder can be written");
        }
    }
}

#[test]
fn headings_go_down_one_level_at_a_time_and_ids_are_unique() {
    let page = page(&story(300, End::Broken));
    let mut last = 0;
    for at in page.match_indices("<h").map(|(i, _)| i) {
        let Some(level) = page.get(at + 2..at + 3).and_then(|d| d.parse::<u8>().ok()) else { continue };
        assert!(level <= last + 1, "h{level} after h{last}");
        last = level;
    }
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(ids.contains(&target), "#{target} leads nowhere");
    }
    for label in page.split("aria-labelledby=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(label.split(' ').all(|id| ids.contains(&id)), "{label}");
    }
}

#[test]
fn all_mailboxes_stand_in_the_table_and_the_broken_come_first() {
    let story = story(2000, End::Broken);
    let page = page(&story);
    assert_eq!(page.matches("<tr class=\"b\">").count() as u64, story.tally.broken);
    assert_eq!(page.matches("<tr class=\"w\">").count() as u64, story.tally.whole);
    assert_eq!(page.matches("<tr class=\"m\">").count() as u64, story.tally.moved);
    assert!(page.rfind("<tr class=\"b\">") < page.find("<tr class=\"w\">"));
    assert!(page.rfind("<tr class=\"w\">") < page.find("<tr class=\"m\">"));
}

#[test]
fn foreign_text_is_escaped_everywhere() {
    let evil = "<script>alert(1)</script>&\"'\u{0}\u{202e}";
    let row = Row {
        address: evil.into(),
        outcome: Outcome::Broken,
        reason: evil.into(),
        broken: vec![Broken { rule: evil.into(), text: evil.into() }],
        batch: evil.into(),
        hours_apart: Some(1.0),
        hours_without_old_mail: None,
        work_lost: 0,
        work_lost_words: String::new(),
        junk: 0,
        delayed: 0,
    };
    let proof = Proof { rows: vec![row], ..Proof::default() };
    let time = "2026-01-12T09:00:00Z".parse().expect("a valid moment");
    use crate::run::narrate::{Note, What};
    let notes = vec![
        Note { time, what: What::StepBegan { id: 1, primitive: evil.into(), subject: evil.into() } },
        Note { time, what: What::Asked { text: evil.into() } },
        Note { time, what: What::Warned { text: evil.into(), hint: evil.into() } },
    ];
    let mut parts = Parts::new(evil, evil, proof, notes);
    parts.profile = evil.into();
    parts.failure = Some(crate::base::Failure::new(crate::base::Kind::Refused, evil).hint(evil).detail(evil));
    parts.counts.requests.entry(evil.into()).or_default().insert(evil.into(), 1);
    let page = page(&Story::new(parts));
    read(&page);
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(!page.contains('\u{202e}') && !page.contains('\u{0}'));
}

#[test]
fn a_rehearsal_that_never_began_has_a_page_too() {
    let page = page(&Story::new(Parts::new("Rehearsal", "a.rhai", Proof::default(), Vec::new())));
    let text = read(&page);
    assert!(text.contains("There was no mailbox to judge."));
}

#[test]
fn companies_of_any_size_have_a_page() {
    for size in [0, 1, 19, 21, 9001] {
        let page = page(&story(size, End::Usual));
        read(&page);
        assert_eq!(page.matches("<caption>").count(), page.matches("<table").count());
        if let Ok(folder) = std::env::var("STAGEPOST_REVIEW") {
            let file = std::path::Path::new(&folder).join(format!("size{size}.html"));
            std::fs::write(file, &page).expect("the review folder can be written");
        }
    }
}

#[test]
fn backticks_become_code_and_a_lone_one_stays() {
    assert_eq!(rich("use `a<b` now"), "use <code>a&lt;b</code> now");
    assert_eq!(rich("a ` b"), "a ` b");
}
