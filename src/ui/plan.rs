//! A planned wave in words: what it holds, and what it costs the people in it.
//!
//! It takes the facts of a note and makes a sentence of them; where the line
//! stands and how wide it is belongs to the teller.

use crate::report::words;
use crate::run::narrate::What;

/// The name of a planned wave, and what is expected of it.
pub(super) fn of_note(what: &What) -> Option<(String, String)> {
    let What::WavePlanned {
        name,
        last,
        waves,
        group,
        about,
        seats,
        profiles,
        bytes,
        unknown_sizes,
        hours_without_old_mail,
        hours_apart,
        days,
        crossing,
    } = what
    else {
        return None;
    };
    let mut parts = Vec::new();
    if *waves > 1 {
        parts.push(words::counted(*waves, "wave", "waves"));
    }
    if seats == profiles {
        parts.push(words::counted(*seats, "mailbox, seat and new profile", "mailboxes, seats and new profiles"));
    } else {
        parts.push(words::counted(*seats, "mailbox and seat", "mailboxes and seats"));
        parts.push(words::counted(*profiles, "new profile", "new profiles"));
    }
    if let Some(bytes) = bytes {
        let guessed = if *unknown_sizes == 0 {
            String::new()
        } else {
            format!(" ({} of unknown size)", words::count(*unknown_sizes))
        };
        parts.push(format!("{}{guessed}", data(*bytes)));
    }
    match (hours_without_old_mail, hours_apart, days) {
        (Some(without), Some(apart), _) => {
            parts.push(format!(
                "without old mail up to {}, apart up to {}",
                words::hours(*without),
                words::hours(*apart)
            ));
        }
        (_, _, Some((half, most))) => {
            let half = words::counted(u64::from(*half), "day", "days");
            parts.push(format!("without old mail {half} for half of them, {most} for 90 % (published figures)"));
        }
        _ if bytes.is_some() => parts.push("hours are not known without a rate".to_owned()),
        _ => {}
    }
    if *crossing > 0 {
        parts.push(words::counted(*crossing, "permission crosses", "permissions cross"));
    }
    let about = [group, about].into_iter().filter(|t| !t.is_empty()).map(|t| words::clean(t)).collect::<Vec<_>>();
    let mut text = parts.join(", ");
    if !about.is_empty() {
        text = format!("{text}; {}", about.join("; "));
    }
    let name =
        if last.is_empty() { words::clean(name) } else { format!("{} to {}", words::clean(name), words::clean(last)) };
    Some((name, text))
}

/// Data as Exchange counts it, in steps of 1,024, so that it compares with what a
/// script asked for.
fn data(bytes: u64) -> String {
    let gigabytes = bytes as f64 / (1_u64 << 30) as f64;
    match gigabytes {
        small if small < 0.1 => format!("{} MB", bytes.div_ceil(1 << 20)),
        large if large >= 99.95 => format!("{} GB", words::count(large.round() as u64)),
        some => format!("{some:.1} GB"),
    }
}
