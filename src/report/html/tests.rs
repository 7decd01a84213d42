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
        // 5 MB are promised for two thousand mailboxes.
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

/// Everything from the title to the signatures.
fn first_page(page: &str) -> &str {
    let page = page.split("<header>").nth(1).and_then(|rest| rest.split("<div class=\"detail\">").next());
    page.expect("the page has a first page and details")
}

#[test]
fn the_first_page_can_be_read_aloud() {
    use super::super::owners::JARGON;
    for (end, size) in [(End::Calm, 40), (End::Usual, 250), (End::Broken, 250), (End::Usual, 2000)] {
        let page = page(&story(size, end));
        // The name of a safeguard is a name.
        let first = first_page(&page).replace("mx-before-settled", "");
        let mut text = String::new();
        for piece in first.split('<') {
            text.push_str(piece.split_once('>').map_or(piece, |(_, text)| text));
            text.push(' ');
        }
        let text = text.to_lowercase();
        for word in JARGON {
            assert!(!text.contains(word), "{end:?} {size}: `{word}` in {text}");
        }
        for section in ["open", "calendar", "notice", "dates", "mail", "behind", "decision"] {
            assert_eq!(first.matches(&format!("<section id=\"{section}\"")).count(), 1, "{end:?}: {section}");
        }
        assert!(text.contains("signature"));
    }
}

#[test]
fn what_was_forced_and_what_is_untidy_stands_first_and_in_full() {
    let page = page(&story(250, End::Usual));
    let first = first_page(&page);
    let forced = first.find("Passed by force").expect("it is an open point");
    assert!(first.find("Before the start").is_some_and(|other| forced < other));
    assert!(first.contains("2 matters"));
    for text in
        ["3 mailboxes of the domain are neither moved", "<code>two-holders</code>", "the customer closes the old site"]
    {
        assert!(page.split("<div class=\"detail\">").nth(1).is_some_and(|detail| detail.contains(text)), "{text}");
    }
    let calm = super::page(&story(40, End::Calm));
    assert!(!calm.contains("id=\"forced\"") && !calm.contains("id=\"untidy\"") && !calm.contains("id=\"lost\""));
}

#[test]
fn the_last_section_is_what_is_not_proved() {
    for end in [End::Calm, End::Usual, End::Broken] {
        let page = page(&story(40, end));
        let last = page.rfind("<section id=").expect("there are sections");
        assert!(page[last..].starts_with("<section id=\"limits\""), "{end:?}");
        assert_eq!(page[last..].matches("Pilot check:").count(), page[last..].matches("<li>").count());
    }
}

#[test]
fn lost_work_has_a_column_only_where_there_is_some() {
    let usual = page(&story(250, End::Usual));
    assert!(usual.contains(">Work lost</th>") && usual.contains("people who lost work"));
    let calm = page(&story(250, End::Calm));
    assert!(!calm.contains(">Work lost</th>") && calm.contains("of 7,750 things made"));
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
