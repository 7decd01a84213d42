//! The first page: for the customer who signs. One sheet of paper, or the top of
//! the screen.
//!
//! Everything here is bounded (so many points, so many lines of the calendar, so
//! many names), because what doesn't fit on the sheet is read by nobody; where
//! something is cut, the page says where the rest stands.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{class_of, end, escape, rich, section};
use crate::report::calendar::{self, Line};
use crate::report::front::{self, Due, Fact, Point};
use crate::report::story::{Story, Verdict};
use crate::report::words;
use crate::wire::lab::Outcome;

/// Open points on the sheet, if their lines fit.
const POINTS: usize = 7;
/// Lines that points, calendar and half of the two columns below them have
/// together, and the letters of a line of each.
const LINES: usize = 37;
const LINE: usize = 78;
const COLUMN: usize = 40;
const WHOLE_COLUMN: usize = 62;
const WAVE: usize = 18;
/// Letters of an open point: two lines.
const LETTERS: usize = 150;
/// Reasons for which mailboxes are left behind.
const REASONS: usize = 3;
/// Letters of a reason: plain words fit, foreign ones are cut.
const REASON: usize = 90;
/// Letters of a name; longer ones are cut.
const NAME: usize = 32;

/// Title, verdict and what it means.
pub(super) fn header(story: &Story, out: &mut String) {
    let _ = write!(out, "<header>\n<h1>{}</h1>\n", escape(&story.parts.title));
    let (head, rest) = front::verdict(story);
    let _ = writeln!(
        out,
        "<p class=\"verdict\"><b class=\"{}\">{}:</b> {}.</p>",
        class_of(story.verdict),
        escape(&head),
        escape(&rest)
    );
    let _ = writeln!(out, "<p>{}</p>", meaning(story));
    facts(story, out);
    let mut links = vec![("open", "Open points"), ("calendar", "Calendar"), ("mail", "Messages and work")];
    if story.tally.whole > 0 {
        links.push(("behind", "Left behind"));
    }
    let limits = if story.parts.rehearsed { "What this does not prove" } else { "What this does not tell" };
    links.extend(story.parts.rehearsed.then_some(("decision", "Decision")));
    links.extend([("timeline", "Timeline"), ("mailboxes", "Each mailbox"), ("limits", limits)]);
    out.push_str("<nav aria-label=\"Contents\"><ul>");
    for (id, name) in links {
        let _ = write!(out, "<li><a href=\"#{id}\">{name}</a></li>");
    }
    out.push_str("</ul></nav>\n</header>\n");
}

/// What the verdict means for the reader.
fn meaning(story: &Story) -> &'static str {
    match story.verdict {
        Verdict::Go if !story.parts.rehearsed => "Every mailbox of this run is in Microsoft 365.",
        Verdict::NoGo if !story.parts.rehearsed => {
            "The run stopped, or some mailboxes are on their way: `stagepost status` tells where each one stands."
        }
        Verdict::Go => {
            "Every mailbox is wholly in Microsoft 365, and new mail and Outlook find it there. A pilot wave may start."
        }
        Verdict::GoWithRowsLeft => {
            "Every mailbox is wholly on one side. Those left behind work as before, and can go in a later wave."
        }
        Verdict::NoGo => {
            "Something is neither wholly in the old system nor wholly in Microsoft 365, or the migration stopped half-way."
        }
    }
}

fn facts(story: &Story, out: &mut String) {
    let proof = &story.parts.proof;
    out.push_str("<dl class=\"facts\">\n");
    let mut fact = |label: &str, class: &str, value: &str, small: &str| {
        let small = if small.is_empty() { String::new() } else { format!("<small>{}</small>", escape(small)) };
        let _ =
            writeln!(out, "<div><dt>{}</dt><dd class=\"{class}\">{}{small}</dd></div>", escape(label), escape(value));
    };
    let or = |n: u64, class: &'static str| if n > 0 { class } else { "" };
    let of = format!("of {}", words::count(story.tally.all()));
    fact("Moved", or(story.tally.moved, "good"), &words::count(story.tally.moved), &of);
    fact("Left behind", or(story.tally.whole, "left"), &words::count(story.tally.whole), "in the old system");
    fact("In between", or(story.tally.broken, "bad"), &words::count(story.tally.broken), "must be none");
    let probes = &proof.probes;
    let sent = format!("of {} sent", words::count(probes.sent));
    if story.parts.rehearsed {
        fact("Messages lost", or(probes.lost, "bad"), &words::count(probes.lost), &sent);
    }
    let work = &proof.work;
    if work.made > 0 || work.lost > 0 {
        let made = format!("of {} things", words::count(work.made));
        fact("Work lost", or(work.lost, "left"), &words::count(work.lost), &made);
    }
    if let Some(apart) = story.apart() {
        let worst = format!("median; worst {}", calendar::hours(apart.worst));
        fact("In two mailboxes", "", &calendar::hours(apart.median), &worst);
    }
    if let Some(length) = story.length() {
        fact("Length", "", &length, "first to last step");
    }
    out.push_str("</dl>\n");
}

/// The sections of the first page.
pub(super) fn sections(story: &Story, out: &mut String) {
    open_points(story, out);
    calendar(story, out);
    notice(story, out);
    out.push_str("<div class=\"cols\">\n");
    dates(story, out);
    mail(story, out);
    behind(story, out);
    out.push_str("</div>\n");
    decision(story, out);
}

fn open_points(story: &Story, out: &mut String) {
    section(out, "open", "Open points, and who acts");
    let points = front::points(story);
    if points.is_empty() {
        out.push_str("<p>None.</p>\n");
        end(out);
        return;
    }
    cards(out, "points", "Open points", &[("", "When"), ("", "What"), ("", "Who acts")]);
    let shown = shown(&points, LINES.saturating_sub(lines_below(story)));
    point_rows(points.iter().take(shown), LETTERS, NAME, out);
    if shown < points.len() {
        let _ = writeln!(
            out,
            "<p class=\"soft small\">And {} more: all stand under <a href=\"#points\">All open points</a>.</p>",
            words::counted((points.len() - shown) as u64, "point", "points")
        );
    }
    end(out);
}

/// All points in full, if the first page holds some back.
pub(super) fn all_points(story: &Story, out: &mut String) {
    let points = front::points(story);
    let shown = shown(&points, LINES.saturating_sub(lines_below(story)));
    let cut = points.iter().take(shown).any(|p| p.text.chars().count() > LETTERS || p.who.chars().count() > NAME);
    if shown < points.len() || cut {
        section(out, "points", "All open points");
        cards(out, "points", "All open points", &[("", "When"), ("", "What"), ("", "Who acts")]);
        point_rows(points.iter(), usize::MAX, usize::MAX, out);
        end(out);
    }
}

fn point_rows<'a>(points: impl Iterator<Item = &'a Point>, letters: usize, name: usize, out: &mut String) {
    for point in points {
        let class = match point.due {
            Due::First | Due::Forced => "bad",
            Due::Before | Due::Decide => "left",
            Due::Pilot | Due::After => "soft",
        };
        let who = match point.who.as_str() {
            "" => String::new(),
            who => format!(" <span class=\"who\">{}</span>", escape(&short(who, name))),
        };
        row(
            out,
            &[
                ("When", &format!("o {class}"), point.due.words().to_owned()),
                ("What", "", format!("{}.{who}", rich(short(&point.text, letters).trim_end_matches('.')))),
                ("Who acts", "", point.owner.words().to_owned()),
            ],
        );
    }
    out.push_str("</tbody>\n</table>\n");
}

/// How many points fit into so many lines. The first always does.
fn shown(points: &[Point], mut room: usize) -> usize {
    let fits = |point: &&Point| {
        let letters = point.text.chars().count().min(LETTERS) + point.who.chars().count().min(NAME);
        let lines = letters.div_ceil(LINE);
        let fits = room >= lines;
        room = room.saturating_sub(lines);
        fits
    };
    points.iter().take(POINTS).take_while(fits).count().max(points.len().min(1))
}

/// Lines below the points: the calendar, and half of what stands in two columns.
fn lines_below(story: &Story) -> usize {
    let lines = |letters: usize| letters.div_ceil(COLUMN).max(1);
    let letters = |text: &str| text.chars().count();
    let mut columns = 0;
    for (_, when) in calendar::dates(story) {
        columns += lines(letters(&when));
    }
    for fact in front::mail(story) {
        let named = fact.named.first().map_or(0, |name| letters(&named(name)) + 10);
        columns += lines(letters(&fact.value) + letters(&fact.text) + named);
    }
    let behind = front::behind(story);
    for one in behind.iter().take(REASONS) {
        let rest = letters(&words::names(&one.who, 1)).min(2 * NAME) + letters(one.owner.words()) + letters(&one.then);
        columns += letters(&one.why).min(REASON).div_ceil(WHOLE_COLUMN) + rest.div_ceil(WHOLE_COLUMN);
    }
    columns += usize::from(behind.len() > REASONS);
    let calendar = calendar::calendar(story);
    // Long names of waves leave the heads of the columns less than a line.
    let heads = usize::from(calendar.iter().any(|line| letters(&line.name) > WAVE));
    calendar.len() + heads + columns.div_ceil(2)
}

fn calendar(story: &Story, out: &mut String) {
    section(out, "calendar", "The calendar of the waves");
    let lines = calendar::calendar(story);
    if lines.is_empty() {
        out.push_str("<p>No wave was started.</p>\n");
        end(out);
        return;
    }
    let heads = [
        ("", "Wave"),
        ("n", "People"),
        ("", "Notice goes out by"),
        ("", "New mail only in the new mailbox"),
        ("", "Old mail all there"),
        ("", "New Outlook profile"),
    ];
    cards(out, "waves", "Calendar of the waves", &heads);
    for line in &lines {
        let cells = calendar_cells(story, line);
        let cells: Vec<(&str, &str, String)> =
            heads.iter().zip(cells).map(|((class, head), cell)| (*head, *class, cell)).collect();
        row(out, &cells);
    }
    out.push_str("</tbody>\n</table>\n");
    let first = story
        .began()
        .map(|t| format!(" Day 1 is {} in this rehearsal; the days hold for whatever start is agreed.", words::day(t)));
    let _ = writeln!(
        out,
        "<p class=\"soft small\">A wave is a group that moves together.{}</p>",
        first.unwrap_or_default()
    );
    end(out);
}

fn calendar_cells(story: &Story, line: &Line) -> [String; 6] {
    let span = |times: Option<(Timestamp, Timestamp)>| match times {
        Some((from, to)) => between(story, from, to),
        None => "–".to_owned(),
    };
    [
        escape(&line.name),
        words::count(line.people),
        span(line.started.map(|(from, to)| (calendar::notice_day(from), calendar::notice_day(to)))),
        span(line.started),
        span(line.filled),
        span(line.converted),
    ]
}

/// `day 2, Tue 13 Jan`; for the waves of a week `12–15 Jan`.
fn between(story: &Story, from: Timestamp, to: Timestamp) -> String {
    let one = |t: Timestamp| t.strftime("%a %-d %b").to_string();
    let (first, last) = (one(from), one(to));
    if first == last {
        // A notice for the first day goes out before it: such a day has no number.
        return match calendar::number(story, from).filter(|n| *n > 0) {
            Some(n) => format!("<span class=\"day\">day {n}</span> {first}"),
            None => first,
        };
    }
    let same_month = from.strftime("%b").to_string() == to.strftime("%b").to_string();
    let begin = from.strftime(if same_month { "%-d" } else { "%-d %b " }).to_string();
    let end = to.strftime(if same_month { "%-d %b" } else { " %-d %b" }).to_string();
    format!("{begin}–{end}")
}

fn notice(story: &Story, out: &mut String) {
    section(out, "notice", "What people will notice, and when");
    let waves = calendar::calendar(story);
    if waves.is_empty() {
        out.push_str("<p>Nobody was moved, so nobody notices anything.</p>\n");
        end(out);
        return;
    }
    let apart = story.apart().map(|h| match (calendar::hours(h.median), calendar::hours(h.worst)) {
        (median, worst) if median == worst => format!(" It lasts up to {worst}."),
        (median, worst) => format!(" It lasts {median} for half of the people, {worst} at most."),
    });
    let without = story.without_old_mail().map(|h| match (calendar::hours(h.median), calendar::hours(h.worst)) {
        (median, worst) if median == worst => format!(" Everybody has it within {worst}."),
        (median, worst) => format!(" Half of the people have it within {median}, all within {worst}."),
    });
    terms(
        out,
        "days",
        &[
            ("Before a wave".into(), "A notice says what comes, and what to leave alone meanwhile.".into()),
            (
                "First day of a wave".into(),
                format!(
                    "New mail arrives only in the new mailbox, in the browser. Outlook still shows the old one, as on a quiet \
                     day.{}",
                    apart.unwrap_or_default()
                ),
            ),
            ("The days after".into(), format!("The old mail follows into the new mailbox.{}", without.unwrap_or_default())),
            (
                "Day of the new profile".into(),
                "The old mailbox no longer opens. Outlook needs a new profile, the phone a new account; the help desk is \
                 at hand."
                    .into(),
            ),
        ],
    );
    end(out);
}

fn dates(story: &Story, out: &mut String) {
    section(out, "dates", "Licences, dates and deadlines");
    let dates = calendar::dates(story);
    if dates.is_empty() {
        out.push_str("<p>None were told.</p>\n");
    } else {
        let dates: Vec<(String, String)> =
            dates.into_iter().map(|(what, when)| (what.to_owned(), escape(&when))).collect();
        terms(out, "terms", &dates);
    }
    end(out);
}

fn mail(story: &Story, out: &mut String) {
    section(out, "mail", "Messages and work");
    let facts: Vec<(String, String)> = front::mail(story).iter().map(|f| (f.label.to_owned(), of_fact(f))).collect();
    terms(out, "terms", &facts);
    end(out);
}

fn of_fact(fact: &Fact) -> String {
    let class = if fact.bad { " class=\"left\"" } else { "" };
    let text = if fact.text.is_empty() { String::new() } else { format!(" {}", escape(&fact.text)) };
    let among = if fact.named.len() > 1 { "such as " } else { "" };
    let named = match fact.named.first() {
        None => String::new(),
        Some(one) => format!(" <span class=\"who\">{among}{}</span>", escape(&named(one))),
    };
    format!("<b{class}>{}</b>{text}{named}", escape(&fact.value))
}

/// Whom a named case is about; moment and text of it stand further down.
fn named(case: &str) -> String {
    let address = case.split([',', ':', ' ']).next().filter(|word| word.contains('@'));
    let who = address.unwrap_or_else(|| case.split(", ").next().unwrap_or(case));
    // An address is known by its beginning, words are not.
    short(who, if who.contains('@') { NAME } else { 2 * NAME })
}

/// Foreign text cut to what the sheet holds; in full it stands further down.
fn short(text: &str, letters: usize) -> String {
    let text = words::clean(text);
    if text.chars().count() <= letters {
        return text;
    }
    format!("{}…", text.chars().take(letters.saturating_sub(1)).collect::<String>().trim_end())
}

fn behind(story: &Story, out: &mut String) {
    section(out, "behind", "Who is left behind, and why");
    let all = front::behind(story);
    if all.is_empty() {
        let nobody = story.rows(Outcome::Whole).next().is_none();
        out.push_str(if nobody { "<p>Nobody.</p>\n" } else { "<p>See below.</p>\n" });
        end(out);
        return;
    }
    out.push_str("<ul class=\"reasons tight\">\n");
    for one in all.iter().take(REASONS) {
        let then = if one.then.is_empty() { String::new() } else { format!(": {}", escape(&one.then)) };
        let _ = writeln!(
            out,
            "<li><span class=\"count\">{}</span>{}. <span class=\"who\">{}. {}{then}</span></li>",
            words::count(one.count),
            rich(short(&words::capital(&one.why), REASON).trim_end_matches('.')),
            escape(&short(&words::names(&one.who, 1), 2 * NAME)),
            escape(&words::capital(one.owner.words())),
        );
    }
    out.push_str("</ul>\n");
    if let Some(rest) = all.get(REASONS..).filter(|r| !r.is_empty()) {
        let n = rest.iter().map(|b| b.count).sum();
        let _ = writeln!(
            out,
            "<p class=\"soft small\">And {} for other reasons, under “Left whole, and why”.</p>",
            words::counted(n, "mailbox", "mailboxes")
        );
    }
    end(out);
}

fn decision(story: &Story, out: &mut String) {
    if !story.parts.rehearsed {
        return;
    }
    section(out, "decision", "Decision");
    let _ = write!(
        out,
        "<p>The rehearsal says: <b class=\"{}\">{}</b>. What it does not prove stands on the last page.</p>\n\
         <ul class=\"boxes\"><li>Go</li><li>Go, when the open points are closed</li><li>No-go</li></ul>\n<dl class=\"sign\">\n",
        class_of(story.verdict),
        escape(&front::verdict(story).0)
    );
    for who in ["For the customer", "For the migration"] {
        let _ = writeln!(
            out,
            "<div><dt>{who}</dt><dd><span class=\"line\">Name</span> <span class=\"line\">Date</span> <span class=\"line \
             long\">Signature</span></dd></div>"
        );
    }
    out.push_str("</dl>\n");
    end(out);
}

/// A list of terms; the values are markup already.
fn terms(out: &mut String, class: &str, facts: &[(String, String)]) {
    let _ = writeln!(out, "<dl class=\"{class}\">");
    for (label, value) in facts {
        let _ = writeln!(out, "<div><dt>{}</dt><dd>{value}</dd></div>", escape(label));
    }
    out.push_str("</dl>\n");
}

/// Begins a table whose rows become cards in a narrow window. The roles are
/// written out, because a table that is laid out otherwise loses its own.
fn cards(out: &mut String, class: &str, caption: &str, heads: &[(&str, &str)]) {
    let _ = write!(
        out,
        "<table class=\"cards {class}\" role=\"table\">\n<caption><span class=\"vh\">{}</span></caption>\n<thead \
         role=\"rowgroup\"><tr role=\"row\">",
        escape(caption)
    );
    for (class, head) in heads {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let _ = write!(out, "<th scope=\"col\" role=\"columnheader\"{class}>{}</th>", escape(head));
    }
    out.push_str("</tr></thead>\n<tbody role=\"rowgroup\">\n");
}

/// A row of such a table: label, class, markup.
fn row(out: &mut String, cells: &[(&str, &str, String)]) {
    out.push_str("<tr role=\"row\">");
    for (i, (label, class, value)) in cells.iter().enumerate() {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let (tag, role) = if i == 0 { ("th scope=\"row\"", "rowheader") } else { ("td", "cell") };
        let close = if i == 0 { "th" } else { "td" };
        let _ = write!(
            out,
            "<{tag} role=\"{role}\"{class} data-label=\"{}\"><span>{value}</span></{close}>",
            escape(label)
        );
    }
    out.push_str("</tr>\n");
}
