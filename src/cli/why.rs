//! `stagepost why`: one person's whole story, from both directories, the service,
//! the resolvers and the journal. It never writes to anybody.

use std::path::Path;

use serde_json::{Value, json};

use super::args::Why;
use super::audit::project_of;
use super::runs::state;
use super::show::plain;
use super::status::{looking, remembered, waits};
use super::{Context, environment, run, runtime};
use crate::base::{Failure, Kind, Result};
use crate::report::words;
use crate::run::journal::Run;
use crate::run::reading::{Of, Reading};
use crate::run::records::{Accounts, Record};
use crate::run::standing::{Place, Standings};
use crate::run::why::{self, Person};
use crate::ui::facts::AccountLine;

/// Tells a person's story; exit code 3 if nobody has the address.
pub(crate) fn why(context: &Context, args: &Why) -> Result<u8> {
    let asked = args.address.trim();
    if !asked.contains('@') {
        return Err(Failure::new(Kind::Usage, format!("`{asked}` is no address"))
            .hint("name any address of the person, as ann@contoso.com"));
    }
    let folder = project_of(&args.at)?;
    let profile = environment::profile(&args.profile)?;
    let project = run::project(&folder, &args.profile, &profile, None)?;
    let runtime = runtime(None)?;
    let opened = looking(&runtime, &args.profile, project, &folder)?;
    let (session, tenant) = (opened.session, opened.owner.tenant);
    let reading = match Reading::open(&folder) {
        Ok(reading) => Some(reading),
        Err(failure) if failure.kind == Kind::NotFound => None,
        Err(failure) => return Err(failure),
    };
    let standings = match &reading {
        Some(reading) => remembered(reading, Some(&tenant))?.0,
        None => Standings::default(),
    };
    context.ui.status(&format!("both sides of {} are asked about {asked}", profile.name));
    let waits = waits(Some(session.project().waits.clone()));
    let person = runtime.block_on(Box::pin(why::ask(&session, asked, &standings, waits)))?;
    let (records, last, at_work) = match &reading {
        None => (Vec::new(), None, None),
        Some(reading) => {
            let runs: Vec<Run> = reading.runs()?.into_iter().filter(|r| r.tenant == tenant).collect();
            (about(reading, &tenant, &person)?, runs.last().cloned(), reading.at_work(&runs)?)
        }
    };
    let next = next(&person, last.as_ref(), at_work.as_deref(), &args.profile);
    if context.json {
        context.ui.json(&value(&person, &records, &next));
        return Ok(0);
    }
    tell(context, &person, &records, &next, reading.is_some());
    Ok(0)
}

/// The events of the journal that concern a person, without those that say
/// nothing of their own.
fn about(reading: &Reading, tenant: &str, person: &Person) -> Result<Vec<Record>> {
    let mut accounts = Accounts::default();
    let mut records: Vec<Record> = Vec::new();
    reading.each(Of::Tenant(tenant), false, &mut |stored| {
        let record = accounts.record(stored);
        let is_theirs = record.is_about(&person.address) || record.is_about(&person.asked);
        let is_told = record.kind != "intent" || record.operation == "release";
        // Each watch lists who is through; the first one tells it.
        let again = record.operation == "watch"
            && records.iter().any(|r| r.operation == "watch" && r.target == record.target && same(r, &record, person));
        if is_theirs && is_told && !again {
            records.push(record);
        }
        Ok(())
    })?;
    Ok(records)
}

/// Whether two watches say the same of a person.
fn same(one: &Record, other: &Record, person: &Person) -> bool {
    let synced = |r: &Record| {
        let list = r.more["synced"].as_array();
        list.is_some_and(|l| l.iter().any(|a| a.as_str().is_some_and(|a| a.eq_ignore_ascii_case(&person.address))))
    };
    synced(one) == synced(other)
}

/// The next command, and what it does.
struct Next {
    command: String,
    text: String,
}

fn next(person: &Person, last: Option<&Run>, at_work: Option<&str>, profile: &Path) -> Next {
    let profile = profile.display();
    let script = last.map(|r| r.script.as_str()).filter(|s| !s.is_empty()).unwrap_or("staged");
    let again = format!("stagepost run {script} --profile {profile}");
    let is_open = last.is_some_and(|run| !matches!(state(run, at_work), "ended" | "unknown"));
    let next = |command: String, text: &str| Next { command, text: text.to_owned() };
    if let Some(run) = at_work {
        return next(format!("stagepost show {run}"), "a run is at work now; this tells what it does");
    }
    let go_on = || match last.filter(|_| is_open) {
        Some(run) => format!("stagepost resume {} --profile {profile}", run.id),
        None => again.clone(),
    };
    match person.standing.place {
        Place::Listed => next(go_on(), "takes it up in a wave, if it is on the list"),
        Place::Left => next(go_on(), "takes it up again, once the reason is mended"),
        Place::Batched => next(go_on(), "starts its batch, after an approval"),
        Place::Copying => next(go_on(), "watches the copy and goes on with whoever is through"),
        Place::Failed | Place::Releasing => next(go_on(), "gives it back: mail goes to the old mailbox again"),
        Place::Copied => next(go_on(), "converts it, after an approval"),
        Place::Converted => next(go_on(), "switches the mail, once everybody is through"),
        Place::Switched => next(go_on(), "deletes the batch, when its date has come"),
        Place::Done => next(String::new(), "nothing is left to do"),
    }
}

fn value(person: &Person, records: &[Record], next: &Next) -> Value {
    let mut value = serde_json::to_value(person).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.shift_insert(0, "event".to_owned(), json!("why"));
        map.insert("journal".to_owned(), json!(records));
        map.insert("next".to_owned(), json!({"command": next.command, "text": next.text}));
    }
    value
}

fn tell(context: &Context, person: &Person, records: &[Record], next: &Next, journal: bool) {
    let standing = &person.standing;
    let mut facts: Vec<(&str, String)> = Vec::new();
    let name = if person.name.is_empty() { String::new() } else { format!("{}, ", person.name) };
    let asked = match person.asked.eq_ignore_ascii_case(&person.address) {
        true => String::new(),
        false => format!(" (asked for by {})", person.asked),
    };
    facts.push(("person", format!("{name}{}{asked}", person.address)));
    let since = standing.since.map(|t| format!(" since {}", words::moment_long(t))).unwrap_or_default();
    let step = if standing.step == 0 { String::new() } else { format!(", step {} of 11", standing.step) };
    facts.push(("place", format!("{}{step}{since}", standing.place.words())));
    for (name, text) in [("reason", &standing.reason), ("waits for", &standing.waits_for), ("but", &standing.differs)] {
        if !text.is_empty() {
            facts.push((name, text.clone()));
        }
    }
    for date in &standing.deadlines {
        let over = if date.over { " (over)" } else { "" };
        facts.push(("date", format!("{}{over}: {}", words::moment_long(date.at), date.what)));
    }
    if person.on_premises.is_empty() {
        facts.push(("on premises", "nothing has the address".to_owned()));
    }
    if person.on_premises.len() > 1 {
        facts.push(("on premises", format!("{} objects hold the address; none is moved so", person.on_premises.len())));
    }
    for object in &person.on_premises {
        let place = match object.server.is_empty() {
            true => String::new(),
            false => format!(" on {}, {}", object.server, object.database),
        };
        facts.push(("on premises", format!("{}{place}; {}", object.kind, object.dn)));
        if let Some(target) = &object.forwarded_to {
            facts.push(("", format!("forwarded to {target}")));
        }
        if let Some(guid) = &object.guid {
            facts.push(("", format!("mailbox GUID {guid}")));
        }
        facts.push(("", format!("addresses {}", object.addresses.join(", "))));
    }
    match &person.cloud {
        None => facts.push(("cloud", "no user of the tenant has the address".to_owned())),
        Some(cloud) => {
            let kind = if cloud.kind.is_empty() { "no recipient of Exchange Online" } else { &cloud.kind };
            facts.push(("cloud", format!("{kind}; {}", cloud.upn)));
            if let Some(guid) = &cloud.guid {
                facts.push(("", format!("mailbox GUID {guid}")));
            }
            let licences = match cloud.licences.is_empty() {
                true => "no licence".to_owned(),
                false => format!("licences {}", cloud.licences.join(", ")),
            };
            let place = if cloud.usage_location.is_empty() { "none" } else { &cloud.usage_location };
            facts.push(("", format!("{licences}; usage location {place}")));
            facts.push(("", format!("addresses {}", cloud.addresses.join(", "))));
            for conflict in &cloud.conflicts {
                facts.push(("", format!("in quarantine of synchronization: {conflict}")));
            }
        }
    }
    facts.push((
        "batch",
        match &person.row {
            None => "in none".to_owned(),
            Some(row) => {
                let at = row.synced_at.map(|t| format!(", copied {}", words::moment_long(t))).unwrap_or_default();
                let skipped = if row.skipped > 0 {
                    format!(", {} items skipped", words::count(row.skipped))
                } else {
                    String::new()
                };
                let error = if row.error.is_empty() { String::new() } else { format!(": {}", row.error) };
                format!("{}: {}{at}{skipped}{error}", row.batch, row.status)
            }
        },
    ));
    facts.push(("mail now", person.mx.clone()));
    for landing in &person.landing {
        let way = if landing.way.is_empty() { String::new() } else { format!(" ({})", landing.way) };
        facts.push(("", format!("{}: {}{way}", landing.from.words(), landing.lands.words())));
    }
    let command = if next.command.is_empty() { String::new() } else { format!("`{}` ", next.command) };
    facts.push(("next", format!("{command}{}", next.text)));
    context.ui.facts(&facts);
    if records.is_empty() {
        let text = if journal { "the journal tells nothing of this person" } else { "this project has no journal yet" };
        context.ui.status(text);
        return;
    }
    context.ui.print("\n");
    let lines: Vec<AccountLine> = records.iter().map(|record| plain(record, false)).collect();
    context.ui.account(&lines);
    let mut runs: Vec<&str> = records.iter().map(|r| r.run.as_str()).collect();
    runs.dedup();
    context.ui.status(&format!("of {}: {}", words::counted(runs.len() as u64, "run", "runs"), words::names(&runs, 3)));
}
