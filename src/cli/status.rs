//! `stagepost status`: a line for each mailbox, from the journal, and where a
//! profile is named from what both sides show now. It never writes to anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;
use tokio::runtime::Runtime;

use super::args::Status;
use super::audit::project_of;
use super::environment::{self, Opened, Opening};
use super::{Context, lists, run, runtime};
use crate::base::{Kind, Result, Timestamp};
use crate::migration::project::{Project, Waits as ProjectWaits};
use crate::report::words;
use crate::run::approvals::Rehearsed;
use crate::run::narrate::{Narrator, Note};
use crate::run::reading::{Of, Reading};
use crate::run::seen::{self, Everybody};
use crate::run::standing::{Place, Seen, Standing, Standings, Waits};
use crate::wire::attributes::address_key;

/// Tells where everybody stands.
pub(crate) fn status(context: &Context, args: &Status) -> Result<u8> {
    let folder = project_of(&args.at)?;
    let now = Timestamp::now();
    let told = match &args.profile {
        None => {
            let reading = Reading::open(&folder)?;
            let (standings, tenant) = remembered(&reading, None)?;
            let waits = waits(environment::project(&folder)?.map(|p| p.waits));
            // A lab has a time of its own: that of the last event.
            let now = if tenant.contains(" of lab ") { standings.last().unwrap_or(now) } else { now };
            let all = standings.known().iter().map(|a| (standings.of(a, None, waits, now), None)).collect();
            Told { now, tenant, all, seen: false }
        }
        Some(profile) => with_profile(context, args, &folder, profile)?,
    };
    tell(context, told);
    Ok(0)
}

/// What is told.
struct Told {
    now: Timestamp,
    tenant: String,
    all: Vec<(Standing, Option<Seen>)>,
    seen: bool,
}

fn with_profile(context: &Context, args: &Status, folder: &Path, profile: &Path) -> Result<Told> {
    let runtime = runtime(None)?;
    let project = run::project(folder, profile, &environment::profile(profile)?, args.mailboxes.as_deref())?;
    let list = match project.mailboxes.as_str() {
        "" => None,
        path => Some(lists::list(context, &folder.join(path), project.unknown_columns)?),
    };
    let opened = looking(&runtime, profile, project, folder)?;
    let (session, tenant) = (opened.session, opened.owner.tenant);
    let standings = match Reading::open(folder) {
        Ok(reading) => remembered(&reading, Some(&tenant))?.0,
        // Before the first run.
        Err(failure) if failure.kind == Kind::NotFound => Standings::default(),
        Err(failure) => return Err(failure),
    };
    context.ui.status(&format!("both sides of {} are read", session.profile().name));
    let domains = session.project().domains.clone();
    let everybody: Everybody = runtime.block_on(Box::pin(seen::everybody(&session, &domains)))?;
    let waits = waits(Some(session.project().waits.clone()));
    let now = session.now();
    // By primary address, so that nobody stands there twice.
    let own = |address: &str| address_key(everybody.primary(address).unwrap_or(address));
    let mut people: BTreeSet<String> = standings.known().iter().map(|a| own(a)).collect();
    people.extend(list.iter().flat_map(|l| l.addresses()).map(|a| own(&a)));
    let nobody = Seen::default();
    let all = people
        .iter()
        .map(|address| {
            let seen = everybody.of(address).unwrap_or(&nobody);
            (standings.of(address, Some(seen), waits, now), Some(seen.clone()))
        })
        .collect();
    Ok(Told { now, tenant, all, seen: true })
}

/// Opens a session that reads, and whose writes are refused.
pub(crate) fn looking(runtime: &Runtime, profile: &Path, project: Project, folder: &Path) -> Result<Opened> {
    runtime.block_on(environment::look(Opening {
        profile,
        project,
        project_folder: folder,
        journal_folder: folder,
        out: folder,
        approver: std::sync::Arc::new(Rehearsed { deny: Vec::new() }),
        narrator: std::sync::Arc::new(Silent),
        tap: None,
        handle: runtime.handle().clone(),
        run: None,
        mode: crate::run::Mode::Open,
    }))
}

/// Nothing is told while both sides are read.
struct Silent;

impl Narrator for Silent {
    fn note(&self, _: &Note) {}
}

/// What the journal remembers of a tenant; of that of the last run, if none is
/// named.
pub(crate) fn remembered(reading: &Reading, tenant: Option<&str>) -> Result<(Standings, String)> {
    let tenant = match tenant {
        Some(tenant) => tenant.to_owned(),
        None => reading.runs()?.last().map(|r| r.tenant.clone()).unwrap_or_default(),
    };
    let mut standings = Standings::default();
    reading.each(Of::Tenant(&tenant), false, &mut |stored| {
        standings.learn(&stored);
        Ok(())
    })?;
    Ok((standings, tenant))
}

/// The hours and days that decide dates: those of the project, or the usual ones.
pub(crate) fn waits(project: Option<ProjectWaits>) -> Waits {
    let waits = project.unwrap_or_default();
    Waits { conversion_days: i64::from(waits.conversion_days), mx_hours: i64::from(waits.mx_hours) }
}

fn tell(context: &Context, mut told: Told) {
    // Who has least time first, within a place.
    told.all.sort_by_key(|(s, _)| (s.place, s.deadlines.first().map(|d| d.at), s.address.to_lowercase()));
    let mut counts: BTreeMap<Place, u64> = BTreeMap::new();
    for (standing, _) in &told.all {
        *counts.entry(standing.place).or_default() += 1;
    }
    if context.json {
        for (standing, seen) in &told.all {
            let mut value = serde_json::to_value(standing).unwrap_or_default();
            if let Some(map) = value.as_object_mut() {
                map.shift_insert(0, "event".to_owned(), json!("standing"));
                map.insert("seen".to_owned(), json!(seen));
            }
            context.ui.json(&value);
        }
        let places: serde_json::Map<String, serde_json::Value> = Place::ALL
            .iter()
            .filter_map(|p| {
                Some((serde_json::to_value(p).ok()?.as_str()?.to_owned(), json!(counts.get(p).unwrap_or(&0))))
            })
            .collect();
        context.ui.json(&json!({
            "event": "status", "now": told.now, "tenant": told.tenant, "asked": told.seen, "mailboxes": told.all.len(),
            "places": places,
        }));
        return;
    }
    let rows: Vec<Vec<String>> = told
        .all
        .iter()
        .map(|(s, _)| {
            let next = s.deadlines.first();
            vec![
                s.address.clone(),
                if s.step == 0 { "-".to_owned() } else { s.step.to_string() },
                s.place.words().to_owned(),
                if s.batch.is_empty() { "-".to_owned() } else { s.batch.clone() },
                next.map(|d| format!("{}{}", day(d.at), if d.over { " (over)" } else { "" })).unwrap_or_default(),
                match (s.waits_for.as_str(), s.reason.as_str(), next) {
                    ("", "", Some(d)) => d.what.to_owned(),
                    ("", reason, _) => reason.to_owned(),
                    (waits, "", _) => waits.to_owned(),
                    (waits, reason, _) => format!("{waits} ({reason})"),
                },
            ]
        })
        .collect();
    context.ui.table(&["mailbox", "step", "place", "batch", "date", "waits for"], &rows);
    let sums: Vec<String> = counts.iter().map(|(place, n)| format!("{} {}", words::count(*n), place.words())).collect();
    let whole = words::counted(told.all.len() as u64, "mailbox", "mailboxes");
    let how = if told.seen { "as both sides show it" } else { "as the journal remembers it; nobody was asked" };
    let sums = if sums.is_empty() { "none is known".to_owned() } else { sums.join(", ") };
    context.ui.status(&format!("{whole}: {sums}; {}, {how}", words::moment_long(told.now)));
    let over: Vec<&str> = told
        .all
        .iter()
        .filter(|(s, _)| s.deadlines.iter().any(|d| d.over && d.what.starts_with("converted")))
        .map(|(s, _)| s.address.as_str())
        .collect();
    if !over.is_empty() {
        context.ui.warning(
            &format!(
                "the conversion of {} is late: what was done there since the copy is nowhere else",
                words::names(&over, 3)
            ),
            Some("docs/guards.md, `conversion-too-late`, says what there is to do"),
        );
    }
    if let Some((standing, _)) = told.all.first() {
        context.ui.hint(&format!("`stagepost why {} --profile …` tells one person's whole story", standing.address));
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
