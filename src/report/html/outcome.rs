//! What stopped or broke, why rows were left, and the timeline.

use super::{end, end_table, escape, reasons, rich, section, table};
use crate::report::gantt::{self, milestones};
use crate::report::story::Story;
use crate::report::words;

/// The run in two sentences.
fn told(story: &Story) -> String {
    let mut text = format!("The script <code>{}</code> ran", escape(&story.parts.script));
    if !story.parts.profile.is_empty() {
        text.push_str(&format!(" with profile <code>{}</code>", escape(&story.parts.profile)));
    }
    if let (Some(began), Some(ended), Some(length)) = (story.began(), story.ended(), story.length()) {
        let (began, ended) = (words::moment_long(began), words::moment_long(ended));
        text.push_str(&format!(" from {} to {}: {length}", escape(&began), escape(&ended)));
        if story.parts.rehearsed {
            text.push_str(&format!(" of the lab’s time, {} of real time", words::seconds(story.parts.wall_seconds)));
        }
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
        let was = if story.parts.rehearsed { "would have been" } else { "was" };
        text.push_str(&format!(" A person {was} asked {}; {refused}.", words::counted(asked, "time", "times")));
    }
    text
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

/// Guards that were passed by force.
pub(super) fn forced(story: &Story, out: &mut String) {
    if story.forced.is_empty() {
        return;
    }
    section(out, "forced", "Safeguards passed by force");
    out.push_str(
        "<p>Each of these stood in the way of something that can lose mail, and somebody decided to go on.</p>\n",
    );
    let heads = [("t", "When"), ("", "Safeguard"), ("", "Protects"), ("", "It said"), ("", "Reason given")];
    table(out, "", "Safeguards passed by force", "", "", &heads);
    for one in &story.forced {
        out.push_str(&format!(
            "<tr><td class=\"t\">{}</td><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            words::moment(one.time),
            escape(&one.guard),
            escape(&one.target),
            rich(&one.text),
            rich(&one.reason)
        ));
    }
    end_table(out);
    end(out);
}

/// What is untidy in the company.
pub(super) fn messes(story: &Story, out: &mut String) {
    let messes = &story.parts.proof.messes;
    if messes.is_empty() {
        return;
    }
    section(out, "untidy", "What is untidy in the company");
    out.push_str("<p>As it showed in the directory, the tenant and the mail. None of it was mended by the rehearsal.</p>\n<ul class=\"reasons\">\n");
    for mess in messes {
        out.push_str(&format!(
            "<li><span class=\"count\">{}</span>{} <code>{}</code><span class=\"who\">{}</span></li>\n",
            words::count(mess.who.len() as u64),
            rich(&words::capital(&words::clean(&mess.about))),
            escape(&mess.name),
            escape(&words::names(&mess.who, 8))
        ));
    }
    out.push_str("</ul>\n");
    end(out);
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
    out.push_str(&format!("<p>{}</p>\n", told(story)));
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
