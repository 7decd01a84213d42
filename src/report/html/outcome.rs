//! The outcome in plain words, and the timeline.

use super::{class_of, end, end_table, escape, reasons, rich, section, table};
use crate::report::gantt::{self, milestones};
use crate::report::story::{Story, Verdict};
use crate::report::words;

/// Title, verdict, what it means, the main numbers.
pub(super) fn header(story: &Story, out: &mut String) {
    out.push_str(&format!("<header>\n<h1>{}</h1>\n", escape(&story.parts.title)));
    let (head, rest) = story.sentence.split_once(": ").unwrap_or((story.verdict.words(), &story.sentence));
    out.push_str(&format!(
        "<p class=\"verdict\"><b class=\"{}\">{}:</b> {}.</p>\n",
        class_of(story.verdict),
        escape(head),
        escape(rest)
    ));
    out.push_str(&format!("<p>{}</p>\n<p>{}</p>\n", meaning(story), told(story)));
    facts(story, out);
    out.push_str(
        "<nav aria-label=\"Contents\"><ul><li><a href=\"#timeline\">Timeline</a></li><li><a href=\"#people\">What people \
         notice</a></li><li><a href=\"#mailboxes\">Mailboxes</a></li><li><a href=\"#requests\">Requests</a></li><li><a \
         href=\"#limits\">What this does not prove</a></li><li><a href=\"#repeat\">To repeat it</a></li></ul></nav>\n</header>\n",
    );
}

/// What the verdict means for the reader.
fn meaning(story: &Story) -> &'static str {
    match story.verdict {
        Verdict::Go => {
            "Every mailbox is wholly in the cloud, its addresses and its licence with it; mail and Autodiscover lead there. \
             From the rehearsal's side nothing stands against a pilot wave."
        }
        Verdict::GoWithRowsLeft => {
            "Every mailbox is wholly on one side. Those that were left work as before, in the old system; each has its reason \
             below, and can go in a later wave when that is mended."
        }
        Verdict::NoGo => {
            "Something is neither wholly in the old system nor wholly in the cloud, or the script did not come to its end. What \
             has to be mended first stands below."
        }
    }
}

/// The run in two sentences.
fn told(story: &Story) -> String {
    let mut text = format!("The script <code>{}</code> ran", escape(&story.parts.script));
    if !story.parts.profile.is_empty() {
        text.push_str(&format!(" with profile <code>{}</code>", escape(&story.parts.profile)));
    }
    if let (Some(began), Some(ended), Some(length)) = (story.began(), story.ended(), story.length()) {
        text.push_str(&format!(
            " from {} to {}: {length} of the lab’s time, {} of real time",
            escape(&words::moment_long(began)),
            escape(&words::moment_long(ended)),
            words::seconds(story.parts.wall_seconds)
        ));
    }
    text.push('.');
    let waves = story.waves.len() as u64;
    if waves > 0 {
        text.push_str(&format!(" The mailboxes went in {}.", words::counted(waves, "wave", "waves")));
    }
    let asked = story.approvals.len() as u64;
    if asked > 0 {
        let refused = story.approvals.iter().filter(|a| a.granted == Some(false)).count() as u64;
        let refused = if refused == 0 {
            "none was refused".to_owned()
        } else {
            format!("{} refused", words::counted(refused, "was", "were"))
        };
        text.push_str(&format!(
            " A person would have been asked {}; {refused}.",
            words::counted(asked, "time", "times")
        ));
    }
    text
}

fn facts(story: &Story, out: &mut String) {
    let proof = &story.parts.proof;
    out.push_str("<dl class=\"facts\">\n");
    let mut fact = |label: &str, class: &str, value: &str, small: &str| {
        let small = if small.is_empty() { String::new() } else { format!("<small>{}</small>", escape(small)) };
        out.push_str(&format!(
            "<div><dt>{}</dt><dd class=\"{class}\">{}{small}</dd></div>\n",
            escape(label),
            escape(value)
        ));
    };
    let or = |n: u64, class: &'static str| if n > 0 { class } else { "" };
    let of = format!("of {}", words::count(story.tally.all()));
    fact("Moved", or(story.tally.moved, "good"), &words::count(story.tally.moved), &of);
    fact("Left whole", or(story.tally.whole, "left"), &words::count(story.tally.whole), "where they were");
    fact("In between", or(story.tally.broken, "bad"), &words::count(story.tally.broken), "must be none");
    let probes = &proof.probes;
    fact(
        "Messages lost",
        or(probes.lost, "bad"),
        &words::count(probes.lost),
        &format!("of {} sent", words::count(probes.sent)),
    );
    if proof.rows.iter().any(|r| r.hours_apart.is_some()) {
        let worst = format!("median; worst {}", words::hours(proof.hours_apart_worst));
        fact("Hours apart", "", &words::hours(proof.hours_apart_median), &worst);
    }
    if let Some(length) = story.length() {
        fact("Lab time", "", &length, "from first to last step");
    }
    out.push_str("</dl>\n");
}

/// Why the script stopped, and rules that don't hold.
pub(super) fn stopped_and_broken(story: &Story, out: &mut String) {
    if let Some(failure) = &story.parts.failure {
        section(out, "stopped", "Why the script stopped");
        out.push_str(&format!("<p>{}.</p>\n", rich(&words::capital(&words::clean(&failure.message)))));
        if let Some(at) = &failure.at {
            out.push_str(&format!("<p class=\"soft\">At <code>{}</code></p>\n", escape(&words::clean(at))));
        }
        if let Some(detail) = &failure.detail {
            out.push_str(&format!("<p class=\"soft small\">{}</p>\n", escape(&words::clean(detail))));
        }
        if let Some(hint) = &failure.hint {
            out.push_str(&format!("<p>What to try: {}.</p>\n", rich(&words::clean(hint))));
        }
        end(out);
    }
    if !story.broken.is_empty() {
        section(out, "broken", "What is broken");
        out.push_str(
            "<p>The judge reads the lab’s world, not the script’s account. These of its rules do not hold:</p>\n",
        );
        reasons(out, &story.broken, 8);
        end(out);
    }
}

/// Why rows were left.
pub(super) fn left(story: &Story, out: &mut String) {
    if !story.left.is_empty() {
        section(out, "left", "Left whole, and why");
        reasons(out, &story.left, 5);
        end(out);
    }
}

/// The drawing and the two tables that say the same.
pub(super) fn timeline(story: &Story, out: &mut String) {
    section(out, "timeline", "Timeline");
    match gantt::draw(story) {
        Some(svg) => {
            out.push_str(
                "<figure>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Timeline drawing\">\n",
            );
            out.push_str(&svg);
            out.push_str(
                "\n</div>\n<figcaption><span class=\"key\"><i class=\"copy\"></i>new mail in the cloud, old mail on its \
                 way</span> <span class=\"key\"><i class=\"apart\"></i>all mail in the cloud, Outlook still on the old \
                 mailbox</span> <span class=\"key\"><i class=\"step\"></i>other steps</span> <span class=\"key\"><i \
                 class=\"badkey\"></i>failed</span></figcaption>\n</figure>\n",
            );
        }
        None => out.push_str("<p class=\"soft\">There is no step to draw.</p>\n"),
    }
    if !story.waves.is_empty() {
        out.push_str("<details>\n<summary>The waves as a table</summary>\n");
        waves(story, out);
        out.push_str("</details>\n");
    }
    if !story.steps.is_empty() {
        out.push_str(&format!(
            "<details>\n<summary>All {} as a table</summary>\n",
            words::counted(story.steps.len() as u64, "step", "steps")
        ));
        steps(story, out);
        out.push_str("</details>\n");
    }
    end(out);
}

fn waves(story: &Story, out: &mut String) {
    let heads = [
        ("", "Wave"),
        ("n", "Mailboxes"),
        ("n", "Moved"),
        ("n", "Left whole"),
        ("n", "In between"),
        ("t", "New mail to the cloud"),
        ("t", "Old mail copied"),
        ("t", "Converted"),
    ];
    table(out, "", "Waves", "", "", &heads);
    for wave in &story.waves {
        let m = milestones(story, wave);
        out.push_str(&format!("<tr><th scope=\"row\" class=\"t\">{}</th>", escape(&wave.name)));
        for n in [wave.tally.all(), wave.tally.moved, wave.tally.whole, wave.tally.broken] {
            out.push_str(&format!("<td class=\"n\">{}</td>", words::count(n)));
        }
        for time in [m.started, m.filled, m.converted] {
            out.push_str(&format!("<td class=\"t\">{}</td>", time.map(words::moment).unwrap_or_default()));
        }
        out.push_str("</tr>\n");
    }
    end_table(out);
}

fn steps(story: &Story, out: &mut String) {
    let heads = [("t", "Began"), ("", "Step"), ("", "On"), ("n", "Took"), ("", "Result"), ("n", "Writes")];
    table(out, "", "Steps", "", "", &heads);
    for step in &story.steps {
        let inset = "\u{a0}\u{a0}".repeat(step.depth);
        let took = step.ended.map(|e| words::between(step.began, e)).unwrap_or_default();
        let result = match (step.ended, step.ok) {
            (None, _) => "<b class=\"bad\">not ended</b>".to_owned(),
            (Some(_), true) => rich(&step.text),
            (Some(_), false) => format!("<b class=\"bad\">failed</b> {}", rich(&step.text)),
        };
        out.push_str(&format!(
            "<tr><td class=\"t\">{}</td><th scope=\"row\">{inset}<code>{}</code></th><td>{}</td><td class=\"n\">{took}</td>\
             <td>{result}</td><td class=\"n\">{}</td></tr>\n",
            words::moment(step.began),
            escape(&step.primitive),
            rich(&step.subject),
            words::count(step.changed)
        ));
    }
    end_table(out);
}
