//! Each kind of damage made by hand, and any number of them by chance: all are
//! found, and an untouched journal has none.

use proptest::prelude::*;

use super::*;

/// A journal of so many events.
fn journal(events: i64) -> Vec<Kept> {
    let mut rows: Vec<Kept> = (1..=events)
        .map(|number| Kept {
            number,
            project: "contoso".into(),
            tenant: "t".into(),
            run: format!("r{}", number / 7),
            kind: if number % 2 == 0 { "outcome" } else { "intent" }.into(),
            time: format!("2026-01-{:02}T07:00:00Z", 1 + number % 28),
            operation: "set_mx".into(),
            target: format!("row {}", number % 5),
            body: r#"{"state":"applied"}"#.into(),
            hash: String::new(),
        })
        .collect();
    chained(&mut rows, 0);
    rows
}

/// Makes the chain anew from a row on.
fn chained(rows: &mut [Kept], from: usize) {
    let mut before = from.checked_sub(1).and_then(|i| rows.get(i)).map(|r| r.hash.clone()).unwrap_or_default();
    for row in &mut rows[from..] {
        row.hash = row.hashed(&before, row.number);
        before.clone_from(&row.hash);
    }
}

fn numbered(rows: &mut [Kept]) {
    rows.iter_mut().zip(1..).for_each(|(row, number)| row.number = number);
}

fn verdict(rows: &[Kept], noted: Option<&str>) -> Verdict {
    let mut verifier = Verifier::new(noted.map(|text| Noted::parse(text).expect("a head")));
    let mut rows = rows.to_vec();
    rows.sort_by_key(|r| r.number);
    rows.into_iter().for_each(|row| verifier.take(row));
    verifier.finish()
}

fn found(rows: &[Kept]) -> Vec<(Harm, i64, i64)> {
    verdict(rows, None).damage.iter().map(|d| (d.kind, d.first, d.last)).collect()
}

fn head(rows: &[Kept]) -> String {
    let last = rows.last().expect("it has events");
    format!("{}:{}", last.number, last.hash)
}

#[test]
fn an_untouched_journal_has_no_damage_and_holds_its_head() {
    let mut rows = journal(40);
    let noted = head(&rows);
    assert_eq!(verdict(&rows, Some(&noted)).damage, []);
    let (number, hash) = noted.split_once(':').expect("number and hash");
    assert_eq!(verdict(&rows, Some(&hash[..16])).noted_at, number.parse().ok());
    let more = journal(45);
    rows.extend_from_slice(&more[40..]);
    let later = verdict(&rows, Some(&noted));
    assert_eq!((later.damage, later.noted_at, later.events), (vec![], Some(40), 45));
    assert_eq!(verdict(&[], None), Verdict::default());
}

#[test]
fn an_edit_is_named_by_its_event_whatever_column_it_is_in() {
    type Column = fn(&mut Kept) -> &mut String;
    let columns: [Column; 8] = [
        |r| &mut r.project,
        |r| &mut r.tenant,
        |r| &mut r.run,
        |r| &mut r.kind,
        |r| &mut r.time,
        |r| &mut r.operation,
        |r| &mut r.target,
        |r| &mut r.body,
    ];
    for column in columns {
        let mut rows = journal(20);
        column(&mut rows[6]).push(' ');
        assert_eq!(found(&rows), [(Harm::Edited, 7, 7)]);
    }
    let mut rows = journal(20);
    rows[6].hash = rows[3].hash.clone();
    assert_eq!(found(&rows), [(Harm::Edited, 7, 7)], "the next one is right itself");
    let mut rows = journal(20);
    rows[6].target.push('x');
    rows[6].hash = rows[6].hashed(&rows[5].hash, 7);
    let told = verdict(&rows, None).damage;
    assert_eq!(told[0].text, "event 8 (outcome set_mx row 3) was edited, or event 7 before it was, with its hash");
}

#[test]
fn a_moved_letter_between_two_columns_is_an_edit() {
    let mut rows = journal(5);
    let target = std::mem::take(&mut rows[2].target);
    rows[2].operation.push_str(&target);
    assert_eq!(found(&rows), [(Harm::Edited, 3, 3)]);
}

#[test]
fn removed_events_are_missing_with_or_without_new_numbers() {
    let mut rows = journal(20);
    rows.drain(4..7);
    assert_eq!(found(&rows), [(Harm::Missing, 5, 7)]);
    numbered(&mut rows);
    let told = verdict(&rows, None).damage;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].text, "3 events are missing before event 5: those up to 17 had other numbers");
    let mut rows = journal(20);
    rows.remove(0);
    assert_eq!(found(&rows), [(Harm::Missing, 1, 1)]);
}

#[test]
fn an_inserted_event_is_named_also_with_a_hash_of_its_own() {
    for own_hash in [false, true] {
        let mut rows = journal(20);
        let mut foreign = rows[9].clone();
        foreign.target = "somebody else".into();
        if own_hash {
            foreign.hash = foreign.hashed(&rows[4].hash, 6);
        }
        rows.insert(5, foreign);
        numbered(&mut rows);
        let told = verdict(&rows, None).damage;
        assert_eq!((told.len(), told[0].kind, told[0].first, told[0].last), (1, Harm::Inserted, 6, 6), "{told:?}");
    }
}

#[test]
fn swapped_events_are_out_of_order() {
    for (one, other) in [(4, 5), (4, 6), (3, 17), (0, 1), (0, 19)] {
        let mut rows = journal(20);
        rows.swap(one, other);
        numbered(&mut rows);
        let told = found(&rows);
        assert!(told.iter().any(|(harm, ..)| *harm == Harm::OutOfOrder), "{one} {other}: {told:?}");
        assert!(told.iter().all(|(harm, ..)| *harm == Harm::OutOfOrder), "{one} {other}: {told:?}");
    }
}

#[test]
fn a_cut_end_and_a_new_chain_are_found_with_the_noted_head_alone() {
    let rows = journal(20);
    let noted = head(&rows);
    let cut = &rows[..15];
    assert_eq!(found(cut), []);
    let told = verdict(cut, Some(&noted)).damage;
    assert_eq!((told[0].kind, told[0].first, told[0].last), (Harm::Head, 16, 20));
    let mut anew = rows.clone();
    anew[3].body = "{}".into();
    chained(&mut anew, 3);
    assert_eq!(found(&anew), []);
    assert_eq!(verdict(&anew, Some(&noted)).damage[0].kind, Harm::Head);
    assert_eq!(verdict(&[], Some(&noted)).damage[0].kind, Harm::Head);
}

#[test]
fn what_no_build_writes_is_told_even_where_the_chain_fits() {
    let mut rows = journal(6);
    rows[5].kind = "gossip".into();
    chained(&mut rows, 5);
    assert_eq!(found(&rows), [(Harm::Edited, 6, 6)]);
}

#[test]
fn what_is_no_head_is_refused() {
    for text in ["", "abc", "0:0123456789abcdef", "x:0123456789abcdef", "60:", "0123456789abcdeg"] {
        assert!(Noted::parse(text).is_err(), "{text}");
    }
}

/// One thing that somebody does to a journal.
#[derive(Clone, Debug)]
enum Deed {
    Edit(usize, usize),
    EditAndHash(usize),
    Remove(usize, bool),
    Insert(usize, bool),
    Swap(usize, usize),
    Cut(usize),
    Anew(usize),
}

fn deeds() -> impl Strategy<Value = Deed> {
    let place = 0..200_usize;
    prop_oneof![
        (place.clone(), 0..9_usize).prop_map(|(at, column)| Deed::Edit(at, column)),
        place.clone().prop_map(Deed::EditAndHash),
        (place.clone(), any::<bool>()).prop_map(|(at, anew)| Deed::Remove(at, anew)),
        (place.clone(), any::<bool>()).prop_map(|(at, hashed)| Deed::Insert(at, hashed)),
        (place.clone(), place.clone()).prop_map(|(one, other)| Deed::Swap(one, other)),
        place.clone().prop_map(Deed::Cut),
        place.prop_map(Deed::Anew),
    ]
}

fn done(rows: &mut Vec<Kept>, deed: &Deed) {
    if rows.is_empty() {
        return;
    }
    let within = |at: usize, rows: &[Kept]| at % rows.len();
    match *deed {
        Deed::Edit(at, column) => {
            let at = within(at, rows);
            let row = &mut rows[at];
            let column = match column {
                0 => &mut row.project,
                1 => &mut row.tenant,
                2 => &mut row.run,
                3 => &mut row.kind,
                4 => &mut row.time,
                5 => &mut row.operation,
                6 => &mut row.target,
                7 => &mut row.body,
                _ => &mut row.hash,
            };
            column.insert(0, '0');
        }
        Deed::EditAndHash(at) => {
            let at = within(at, rows);
            rows[at].body.insert(0, ' ');
            let before = at.checked_sub(1).map(|i| rows[i].hash.clone()).unwrap_or_default();
            rows[at].hash = rows[at].hashed(&before, rows[at].number);
        }
        Deed::Remove(at, anew) => {
            let at = within(at, rows);
            rows.remove(at);
            if anew {
                numbered(rows);
            }
        }
        Deed::Insert(at, hashed) => {
            let at = within(at, rows);
            let mut row = rows[at].clone();
            row.target.push('x');
            if hashed {
                let before = at.checked_sub(1).map(|i| rows[i].hash.clone()).unwrap_or_default();
                row.hash = row.hashed(&before, at as i64 + 1);
            }
            rows.insert(at, row);
            numbered(rows);
        }
        Deed::Swap(one, other) => {
            let (one, other) = (within(one, rows), within(other, rows));
            rows.swap(one, other);
            numbered(rows);
        }
        Deed::Cut(at) => {
            let at = within(at, rows);
            rows.truncate(at);
        }
        Deed::Anew(at) => {
            let at = within(at, rows);
            rows[at].time = "2027-01-01T00:00:00Z".into();
            chained(rows, at);
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_done_to_a_journal_is_found(events in 1..90_i64, deeds in prop::collection::vec(deeds(), 1..4)) {
        let before = journal(events);
        let noted = head(&before);
        let mut rows = before.clone();
        deeds.iter().for_each(|deed| done(&mut rows, deed));
        let told = verdict(&rows, Some(&noted));
        prop_assert_eq!(rows == before, told.damage.is_empty(), "{:?} {:?}", deeds, told.damage);
        // Without the head, whatever leaves the chain broken; a chain that holds was
        // cut or made anew.
        let mut holds = String::new();
        let whole = rows.iter().zip(1..).all(|(row, number)| {
            let fits = row.number == number && row.hashed(&holds, number) == row.hash;
            holds.clone_from(&row.hash);
            fits
        });
        prop_assert!(whole || !verdict(&rows, None).damage.is_empty(), "{:?}", deeds);
    }
}
