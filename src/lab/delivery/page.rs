//! The table as a page for people, `docs/delivery.md`.
//!
//! Written from the rows themselves, so that the page can't say anything else; a
//! test holds the two together. It returns a text and writes no file.

use super::table::{From, Row, Stage, Step, all};
use crate::lab::mail::Side;
use crate::lab::settings::SWITCHES;

const HEAD: &str = "\
# Who delivers what

What becomes of a message at every moment of a staged migration, as the lab plays it. Each row has its source, and a test that
sends a message through it. The marks: **D** documented by the vendor or a standard, **O** observed in the field, **I** inferred
from both, **U** unconfirmed. What nobody has written down is a setting of the lab ([below](#settings)); the standard script
passes under both values of each.

A message begins at a host: a stranger's where the MX of the domain leads, a colleague's at the host of their own mailbox. Each
host it comes to asks its door first (all rows that fit hold), then looks for the recipient (the first row that fits decides).
Rows named by a number are those of the decision table that migrations are planned by; of several rows of one number each is a
case of it.

How to read the short forms:

| on premises | | in the cloud | |
| --- | --- | --- | --- |
| `o0` | nobody | `c0` | nobody |
| `o1` | mailbox | `c1` | mail user with an address of our own domains |
| `o2` | mailbox with a target address | `c2` | mail user with a routing address of this tenant |
| `o3` | mail user or contact with a target address | `c3` | mail user or contact with a foreign address |
| `o4` | mail user without one | `c4` | mailbox |
| `oG`, `oP` | group, mail-enabled folder | `c5` | mailbox that lost its licence |
| `several` | more than one object holds the address | `cG` | synchronized group |
| `foreign` | nobody, in a domain that isn't ours | `foreign` | a domain that the tenant doesn't accept |

`A` and `R`: the domain is authoritative, or an internal relay, in the tenant. `out`, `-`: an outbound connector to the old host
serves the domain, or none does.
";

const SETTINGS: &str = "\
## Settings

Where the published facts disagree, or there are none, the lab has a switch. The first value is the usual one. Set another with
`--setting NAME=VALUE` of `rehearse`, `lab` and `repl`, or in the company file (`\"settings\": {\"grace_end\": \"receives\"}`).

| setting | values | what is in doubt | what to try in a pilot | source |
| --- | --- | --- | --- | --- |
";

/// The whole page.
pub fn page() -> String {
    let mut out = HEAD.to_owned();
    let of = |stage: Stage, host: Option<Side>| {
        all().filter(move |r| r.stage == stage && (host.is_none() || r.host == host)).collect::<Vec<_>>()
    };
    let moments: Vec<&Row> = all().filter(|r| matches!(r.stage, Stage::Moment | Stage::Apart)).collect();
    let parts = [
        (
            "The moment",
            "Named when a message begins its way; the rows below decide. Rows 12 and 21 stand here so that the table is whole: one is about \
             work and not about a message, the other about a name that nobody has.",
            moments,
        ),
        ("The old host looks for the recipient", "", of(Stage::Recipient, Some(Side::Old))),
        ("Exchange Online looks for the recipient", "", of(Stage::Recipient, Some(Side::Cloud))),
        ("The tenant's door", "For mail from the old host or from outside.", of(Stage::Door, Some(Side::Cloud))),
        ("The old host's door", "For mail from the tenant or from outside.", of(Stage::Door, Some(Side::Old))),
    ];
    for (title, about, rows) in parts {
        out += &format!("\n## {title}\n\n");
        if !about.is_empty() {
            out += &format!("{about}\n\n");
        }
        out += "| row | what it is about | recipient | from, domain, names | what happens | mark |\n";
        out += "| --- | --- | --- | --- | --- | --- |\n";
        for row in rows {
            out += &line(row);
        }
    }
    out += "\n";
    out += SETTINGS;
    for switch in SWITCHES {
        let values: Vec<String> = switch.values.iter().map(|v| format!("`{v}`")).collect();
        let cells = [
            format!("`{}`", switch.name),
            values.join(", "),
            switch.about.to_owned(),
            switch.pilot.to_owned(),
            switch.source.to_owned(),
        ];
        out += &format!("| {} |\n", cells.join(" | "));
    }
    out
}

fn line(row: &Row) -> String {
    let mut recipient: Vec<String> = Vec::new();
    let states = |names: Vec<String>| names.join(", ");
    if !row.old.is_empty() {
        recipient.push(states(row.old.iter().map(|o| short(&format!("{o:?}"))).collect()));
    }
    if !row.cloud.is_empty() {
        recipient.push(states(row.cloud.iter().map(|c| short(&format!("{c:?}"))).collect()));
    }
    let mut around: Vec<String> = Vec::new();
    if !row.from.is_empty() {
        around.push(row.from.iter().map(|f| by(*f)).collect::<Vec<_>>().join(" or "));
    }
    around.extend(row.relay.map(|relay| if relay { "R" } else { "A" }.to_owned()));
    around.extend(row.out.map(|out| if out { "out" } else { "-" }.to_owned()));
    around.extend(row.mx.map(|mx| if mx == Side::Old { "MX old" } else { "MX cloud" }.to_owned()));
    around.extend(row.when.map(|when| when.0.to_owned()));
    let mut happens = step(row.step);
    if row.stranded {
        happens += "; stranded: the user doesn't look there now";
    }
    let mark = format!("{} ({})", row.mark, row.source);
    let name = if row.name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("**{}**", row.name)
    } else {
        format!("`{}`", row.name)
    };
    let cells = [name, row.about.to_owned(), recipient.join(" and "), around.join("; "), happens, mark];
    format!("| {} |\n", cells.map(|c| c.replace('|', "\\|")).join(" | "))
}

/// `O1` → `o1`.
fn short(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn by(from: From) -> &'static str {
    match from {
        From::Outside => "a stranger",
        From::Colleague => "a colleague there",
        From::OtherSide => "the other side",
    }
}

fn step(step: Step) -> String {
    let text = |t: &str| format!("`{}`", t.replace("{}", "address"));
    match step {
        Step::DeliverOld => "delivered on premises".into(),
        Step::DeliverCloud => "delivered in the cloud".into(),
        Step::Unanswered => "delivered in the cloud, not processed".into(),
        Step::Target => "sent to the target address".into(),
        Step::Chain => "looked up again, as the target address".into(),
        Step::Alternate => "to the alternate recipient".into(),
        Step::AlternateToo => "delivered, and to the alternate recipient".into(),
        Step::Expand => "to each member".into(),
        Step::Connector => "to the old host".into(),
        Step::Mx => "where the MX leads".into(),
        Step::ToCloud => "to the tenant".into(),
        Step::Own => "to the tenant itself: round and round".into(),
        Step::MailUser => "as the mail user that shows".into(),
        Step::Out => "sent out".into(),
        Step::Refuse(t) => format!("returned: {}", text(t)),
        Step::Wait(hours, t) => format!("queued for {hours} hours, then returned: {}", text(t)),
        Step::Quarantine(t) => t.into(),
        Step::Junk => "goes on, into junk".into(),
        Step::Late(hours) => format!("goes on, {hours} h later"),
        Step::KeepCopy => "goes on; a copy stays".into(),
        Step::Journal => "goes on; a report is sent".into(),
        Step::On => "goes on".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `STAGEPOST_GOLDEN=write` writes the page anew, as it does the golden texts.
    #[test]
    fn the_page_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/delivery.md");
        if std::env::var("STAGEPOST_GOLDEN").is_ok_and(|v| v == "write") {
            std::fs::write(path, page()).expect("the page may be written");
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        for (number, (is, should)) in written.lines().zip(page().lines()).enumerate() {
            assert_eq!(is, should, "line {} of docs/delivery.md", number + 1);
        }
        assert_eq!(written.len(), page().len(), "docs/delivery.md is not the table");
    }
}
