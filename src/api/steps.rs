//! The flat primitives: the verbs of the eleven steps that an administrator
//! says aloud.

use std::sync::Arc;

use jiff::SignedDuration;
use rhai::{Dynamic, Map};
use serde::Deserialize;

use super::declare::{Arg, Call, Effect, Kind, Primitive};
use crate::base::{self, Failure, Result};
use crate::migration::kind::Kind as MigrationKind;
use crate::migration::list::Mailboxes;
use crate::run::batches::{self, Batch};
use crate::run::gate::Outcome;
use crate::run::removal;
use crate::run::report::Report;
use crate::run::session::Session;
use crate::run::start;
use crate::run::watch::{self, Watch};
use crate::run::{approvals, convert, endpoints, mailflow, preflight, validate};

/// The table.
pub const PRIMITIVES: &[Primitive] = &[
    Primitive {
        namespace: "",
        name: "project",
        args: &[],
        returns: "map",
        summary: "The settings of stagepost.toml",
        about: "name, mailboxes, domains, source, windows and the rest, as a map; relative paths start at the project's folder.",
        failures: &[],
        effect: Effect::Local,
        way_back: "",
        example: "let customer = project();\nprint(customer.domains);",
        since: "0.1",
        methods_too: false,
        call: project,
    },
    Primitive {
        namespace: "",
        name: "approve",
        args: &[
            Arg::new("text", Kind::Text, "What is about to happen, and what people will notice"),
            Arg::maybe(
                "value",
                Kind::Any,
                "What it is about (mailboxes, a batch, plain data); or a map of options: `value`, `timeout_hours`, `by_other`",
            ),
        ],
        returns: "()",
        summary: "Asks a person before something that people notice",
        about: "The answer is bound to the script, the text and the value: with any of them changed it is asked anew, and a run that goes on asks nothing again that was granted. Answered at the terminal, by --approve, or from another terminal with `stagepost approve`. `timeout_hours` ends the waiting, `by_other` asks for somebody else than who runs; [approvals] of stagepost.toml says both for all. Ends the run with exit code 5 where nobody can be asked, and when the answer is no. A rehearsal answers itself after a working day and reports it.",
        failures: &[base::Kind::Approval],
        effect: Effect::Waits,
        way_back: "",
        example: "let wave = mailboxes::read(\"mailboxes.csv\").take(5);\napprove(`New mail of ${wave.len} people will arrive only in the cloud. Start?`, wave);\napprove(\"Switch the mail?\", #{ timeout_hours: 48 });",
        since: "0.1",
        methods_too: false,
        call: approve,
    },
    Primitive {
        namespace: "",
        name: "notice",
        args: &[
            Arg::new("name", Kind::Text, "Name of the file, without folder and ending"),
            Arg::new("text", Kind::Text, "What people shall read"),
        ],
        returns: "text",
        summary: "Writes a text for people into the output folder",
        about: "One file per notice under notices/; sending it is left to you. Answers the path. Writing the same text again changes nothing.",
        failures: &[base::Kind::Usage, base::Kind::Local],
        effect: Effect::Local,
        way_back: "",
        example: "notice(\"wave-01-before\", \"On Monday your mail moves.\");",
        since: "0.1",
        methods_too: false,
        call: notice,
    },
    Primitive {
        namespace: "",
        name: "preflight",
        args: &[],
        returns: "Report",
        summary: "Step 1: is everything there, and which kind of migration is it",
        about: "Rights of the application, directory synchronization, the domain controller, versions of the servers, the RPC proxy, and the service's own test. Every check runs, so that one evening mends everything; or_stop() ends the run for what concerns everybody.",
        failures: &[],
        effect: Effect::Reads,
        way_back: "",
        example: "let report = preflight();\nprint(report.facts);\nreport.or_stop();",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let s = Arc::clone(call.session());
            Ok(Dynamic::from(call.wait(preflight::preflight(&s))?))
        },
    },
    Primitive {
        namespace: "",
        name: "validate",
        args: &[
            Arg::new("mailboxes", Kind::Mailboxes, "The list"),
            Arg::maybe("options", Kind::Options, "`kind` (staged, remote_move, cutover or imap, if not the project's)"),
        ],
        returns: "Report",
        summary: "Step 4: checks the list against both directories",
        about: "One read of each side, whatever the number of rows. A row with a fault of its own is set aside and left whole with its reason; the mailboxes that go on are the report's, and or_stop() answers them. Each rule is judged for the kind of migration; `stagepost explain SP204` tells one.",
        failures: &[base::Kind::Usage, base::Kind::Auth, base::Kind::Unavailable],
        effect: Effect::Reads,
        way_back: "",
        example: "domain::verify(project().domains);\nlet list = mailboxes::read(\"mailboxes.csv\");\ndirectory::synchronize(list);\nlist = validate(list).or_stop();\nprint(list.len);",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let s = Arc::clone(call.session());
            let list = call.get(0)?;
            let kind = match call.options::<ValidateOptions>(1)?.kind {
                Some(word) => kind_of(&word)?,
                None => validate::kind(&s),
            };
            Ok(Dynamic::from(call.wait(validate::validate(&s, &list, kind))?))
        },
    },
    Primitive {
        namespace: "",
        name: "or_stop",
        args: &[Arg::new("report", Kind::Report, "What a check found")],
        returns: "any value",
        summary: "Ends the run for findings that concern everybody",
        about: "Answers the mailboxes that go on where the check was about mailboxes, else nothing. Findings about single rows never end a run.",
        failures: &[base::Kind::Findings],
        effect: Effect::Local,
        way_back: "",
        example: "preflight().or_stop();",
        since: "0.1",
        methods_too: true,
        call: or_stop,
    },
    Primitive {
        namespace: "",
        name: "endpoint",
        args: &[
            Arg::new("name", Kind::Text, "Name of the endpoint"),
            Arg::maybe("options", Kind::Options, "`at_once` (mailboxes copied at once)"),
        ],
        returns: "map",
        summary: "Step 5: the connection that all batches use",
        about: "Makes the migration endpoint with the profile's server, proxy and credential, or brings its settings up to date; else writes nothing. Answers a map with name and changed.",
        failures: &[base::Kind::Auth, base::Kind::Refused],
        effect: Effect::Writes,
        way_back: "Remove-MigrationEndpoint, once no batch uses it",
        example: "endpoint(\"on-premises\");",
        since: "0.1",
        methods_too: false,
        call: endpoint,
    },
    Primitive {
        namespace: "",
        name: "batch",
        args: &[
            Arg::new("name", Kind::Text, "1 to 64 characters"),
            Arg::new("mailboxes", Kind::Mailboxes, "At most 2,000"),
            Arg::maybe("options", Kind::Options, "`endpoint` (name)"),
        ],
        returns: "Batch",
        summary: "Step 6: makes a migration batch",
        about: "Looks at the mailboxes first: if all of them have moved, the answer is a finished batch whose start, watch and remove do nothing. A batch of that name with the same mailboxes is taken up; with others it is a conflict.",
        failures: &[base::Kind::Validation, base::Kind::Conflict, base::Kind::Refused],
        effect: Effect::Writes,
        way_back: "Remove-MigrationBatch, as long as it was not started",
        example: "endpoint(\"on-premises\");\nlet list = mailboxes::read(\"mailboxes.csv\").take(2);\nlet b = batch(\"example\", list);\nprint(b.name);",
        since: "0.1",
        methods_too: false,
        call: batch,
    },
    Primitive {
        namespace: "",
        name: "start",
        args: &[
            Arg::new("batch", Kind::Batch, "The batch"),
            Arg::maybe("options", Kind::Options, "`force` (why the guard start-before-licences is to be passed)"),
        ],
        returns: "true or false",
        summary: "Step 7: starts a batch, or its failed rows again",
        about: "The point of no return for mail: the service makes the cloud mailboxes and writes TargetAddress on premises before it copies, so new mail arrives only in the cloud from now on. Both sides' whole images are journalled first. Refused while a cloud mailbox of an earlier wave has no licence. Answers whether it changed anything.",
        failures: &[base::Kind::Conflict, base::Kind::NotFound, base::Kind::Refused],
        effect: Effect::Writes,
        way_back: "release(b.failed) for rows that fail; for others the inverse of each write, while the old mailbox is kept",
        example: "endpoint(\"on-premises\");\nlet list = mailboxes::read(\"mailboxes.csv\").take(2);\nlet b = batch(\"example\", list);\nstart(b);",
        since: "0.1",
        methods_too: true,
        call: |call| {
            let s = Arc::clone(call.session());
            let b: Batch = call.get(0)?;
            let force = call.force(1)?;
            Ok(call.wait(start::start(&s, &b, &force))?.into())
        },
    },
    Primitive {
        namespace: "",
        name: "watch",
        args: &[
            Arg::new("batch", Kind::Batch, "The batch"),
            Arg::maybe(
                "options",
                Kind::Options,
                "`hours` (deadline, 336), `every` (minutes between two looks, 30), `up_to` (`copied`; or `provisioned`: the mailboxes are made, a day at most, and the copy goes on), `pause` (hours after which it comes back with what is complete so far; b.is_over says whether that is all)",
            ),
        ],
        returns: "Batch",
        summary: "Step 7: watches a batch until its copy is over",
        about: "Afterwards b.synced, b.failed and b.provisioned say what became of its mailboxes. Failed rows are an answer, not a failure. Staged migration has no later sync: what is done in the old mailbox after its copy is lost.",
        failures: &[base::Kind::Timeout, base::Kind::NotFound],
        effect: Effect::Waits,
        way_back: "",
        example: "endpoint(\"on-premises\");\nlet list = mailboxes::read(\"mailboxes.csv\").take(2);\nlet b = batch(\"example\", list);\nstart(b);\nwatch(b);\nprint(b.synced.len);",
        since: "0.1",
        methods_too: true,
        call: watch,
    },
    Primitive {
        namespace: "",
        name: "release",
        args: &[
            Arg::new("mailboxes", Kind::Mailboxes, "Failed rows of a batch"),
            Arg::maybe("batch", Kind::Batch, "Their batch, for the service's words as reason"),
        ],
        returns: "map",
        summary: "Gives failed rows back: wholly where they were",
        about: "A failed row is already forwarded. Takes TargetAddress back by its exact value, waits for a synchronization, carries the messages that waited in the cloud mailbox home to the old server, and lets the cloud mailbox give way. Answers released and carried.",
        failures: &[base::Kind::Conflict, base::Kind::Refused, base::Kind::Timeout],
        effect: Effect::Writes,
        way_back: "start the row again in a new batch",
        example: "let none = mailboxes::read(\"mailboxes.csv\").take(0);\nrelease(none);",
        since: "0.1",
        methods_too: false,
        call: release,
    },
    Primitive {
        namespace: "",
        name: "convert_to_mail_user",
        args: &[
            Arg::new("mailboxes", Kind::Mailboxes, "Mailboxes whose copy is done"),
            Arg::maybe("options", Kind::Options, "`force` (why the guard conversion-too-late is to be passed)"),
        ],
        returns: "map",
        summary: "Step 8: makes mail users of moved mailboxes",
        about: "One guarded LDAP modify each: the mailbox attributes go with their exact old values, every address stays, the X.500 names of both sides are added, the cloud GUID and the policy exclusion are written. Before that, shared mailboxes and rooms, which arrive as user mailboxes, get their kind in the cloud (Set-Mailbox -Type). Who is a mail user already is left alone; whose copy ended more than four days ago (waits.conversion_days of stagepost.toml) is refused, because what was done in the old mailbox since would be lost. Answers changed, already and refused (array of maps).",
        failures: &[base::Kind::Conflict, base::Kind::Refused],
        effect: Effect::Writes,
        way_back: "the inverse modify, until the store purges the old mailbox (30 days by default)",
        example: "endpoint(\"on-premises\");\nlet list = mailboxes::read(\"mailboxes.csv\").take(2);\nlet b = batch(\"example\", list);\nstart(b);\nwatch(b);\nlicense::assign(b.provisioned);\nconvert_to_mail_user(b.synced);",
        since: "0.1",
        methods_too: false,
        call: convert_them,
    },
    Primitive {
        namespace: "",
        name: "set_mx",
        args: &[
            Arg::new("domains", Kind::Texts, "The mail domains"),
            Arg::maybe("options", Kind::Options, "`force` (why the guard mx-before-settled is to be passed)"),
        ],
        returns: "true or false",
        summary: "Step 9: sends the mail of all domains to the cloud",
        about: "Asks the tenant where each domain's mail must go, lowers the time to live, waits for the old one, swaps each set whole in one signed message, and waits until all resolvers agree. Refused while somebody of a domain is not moved and no outbound connector carries their mail to the old server. Answers whether it changed anything.",
        failures: &[base::Kind::Validation, base::Kind::Conflict, base::Kind::Timeout],
        effect: Effect::Writes,
        way_back: "the swap back from the recorded new set to the recorded old one",
        example: "let domains = project().domains;\ndomain::verify(domains);\nset_mx(domains);",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let s = Arc::clone(call.session());
            let d = call.texts(0)?;
            let force = call.force(1)?;
            Ok(call.wait(mailflow::set_mx(&s, &d, &force))?.into())
        },
    },
    Primitive {
        namespace: "",
        name: "remove",
        args: &[
            Arg::new("batch", Kind::Batch, "The batch"),
            Arg::maybe("options", Kind::Options, "`force` (why the guard removal-while-copying is to be passed)"),
        ],
        returns: "true or false",
        summary: "Step 10: deletes a batch that nothing hangs on any more",
        about: "Every row is moved or left whole, 72 hours have passed since the MX change (waits.mx_hours of stagepost.toml; it waits for them), and mail flow was proved. Refused while a row is being copied; by force the batch is stopped first, and the other conditions hold for its other rows. Answers whether it changed anything.",
        failures: &[base::Kind::Conflict, base::Kind::Timeout],
        effect: Effect::Writes,
        way_back: "none: nothing is copied from on premises any more",
        example: "let b = batch(\"finished\", mailboxes::read(\"mailboxes.csv\").take(0));\nremove(b);",
        since: "0.1",
        methods_too: true,
        call: |call| {
            let s = Arc::clone(call.session());
            let b: Batch = call.get(0)?;
            let force = call.force(1)?;
            Ok(call.wait(removal::remove(&s, &b, &force))?.into())
        },
    },
];

fn project(call: &mut Call) -> Result<Dynamic> {
    let value = serde_json::to_value(call.session().project())
        .map_err(|e| Failure::internal(format!("the project has no plain form: {e}")))?;
    Ok(crate::host::values::from_json(&value))
}

fn approve(call: &mut Call) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let question = super::asking::question(call)?;
    call.wait(approvals::ask(&session, question))?;
    Ok(Dynamic::UNIT)
}

fn notice(call: &mut Call) -> Result<Dynamic> {
    let name = call.text(0)?;
    let text = call.text(1)?;
    let plain = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_. ".contains(c))
        && !name.starts_with('.');
    if !plain {
        return Err(Failure::new(base::Kind::Usage, format!("`{name}` is no name for a notice"))
            .hint("letters, digits, blanks, - _ . and no folder"));
    }
    let folder = call.session().out().join("notices");
    let path = folder.join(format!("{}.txt", name.trim_end_matches(".txt")));
    // A plan tells nobody.
    if call.session().planning().is_some() || std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(path.display().to_string().into());
    }
    std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, &text)).map_err(|e| {
        Failure::new(base::Kind::Local, format!("the notice {} can't be written", path.display()))
            .detail(e.to_string())
            .hint("check that the output folder may be written")
    })?;
    Ok(path.display().to_string().into())
}

fn or_stop(call: &mut Call) -> Result<Dynamic> {
    let report: Report = call.get(0)?;
    report.or_stop()?;
    Ok(report.mailboxes.map_or(Dynamic::UNIT, Dynamic::from))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct EndpointOptions {
    at_once: Option<i64>,
}

fn endpoint(call: &mut Call) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let name = call.text(0)?;
    let options: EndpointOptions = call.options(1)?;
    if options.at_once.is_some_and(|n| !(1..=300).contains(&n)) {
        return Err(Failure::new(base::Kind::Usage, "`at_once` of an endpoint is 1 to 300"));
    }
    let changed = call.wait(endpoints::ensure(&session, &name, options.at_once))?;
    let mut map = Map::new();
    map.insert("name".into(), name.into());
    map.insert("changed".into(), changed.into());
    Ok(map.into())
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ValidateOptions {
    kind: Option<String>,
}

fn kind_of(word: &str) -> Result<MigrationKind> {
    MigrationKind::of_word(word).ok_or_else(|| {
        let words: Vec<&str> = MigrationKind::ALL.iter().map(|k| k.word()).collect();
        Failure::new(base::Kind::Usage, format!("there is no kind of migration `{word}`"))
            .hint(format!("write one of {}", words.join(", ")))
    })
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct BatchOptions {
    endpoint: Option<String>,
}

fn batch(call: &mut Call) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let name = call.text(0)?;
    let list: Mailboxes = call.get(1)?;
    let options: BatchOptions = call.options(2)?;
    let options = batches::Options { endpoint: options.endpoint.unwrap_or_default() };
    Ok(Dynamic::from(call.wait(batches::ensure(&session, &name, &list, &options))?))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WatchOptions {
    hours: Option<i64>,
    every: Option<i64>,
    pause: Option<i64>,
    up_to: Option<String>,
}

fn watch(call: &mut Call) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let b: Batch = call.get(0)?;
    let options: WatchOptions = call.options(1)?;
    let mut how = match options.up_to.as_deref() {
        None | Some("copied") => Watch::default(),
        Some("provisioned") => Watch::provisioned(),
        Some(other) => {
            let said = format!("`up_to` of a watch is `copied` or `provisioned`, not `{other}`");
            return Err(Failure::new(base::Kind::Usage, said));
        }
    };
    if let Some(hours) = options.hours {
        if !(1..=90 * 24).contains(&hours) {
            return Err(Failure::new(base::Kind::Usage, "`hours` of a watch is 1 to 2160"));
        }
        how.deadline = SignedDuration::from_hours(hours);
    }
    if let Some(minutes) = options.every {
        if !(1..=1440).contains(&minutes) {
            return Err(Failure::new(base::Kind::Usage, "`every` of a watch is 1 to 1440 minutes"));
        }
        how.every = SignedDuration::from_mins(minutes);
    }
    if let Some(hours) = options.pause {
        if !(1..=24 * 14).contains(&hours) {
            return Err(Failure::new(base::Kind::Usage, "`pause` of a watch is 1 to 336 hours"));
        }
        how.pause = Some(SignedDuration::from_hours(hours));
    }
    call.wait(watch::watch(&session, &b, &how))?;
    Ok(Dynamic::from(b))
}

fn release(call: &mut Call) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let list: Mailboxes = call.get(0)?;
    let from: Option<Batch> = if call.has(1) { Some(call.get(1)?) } else { None };
    let words =
        |address: &str| from.as_ref().and_then(|b| b.error_of(address)).or_else(|| known_reason(&session, address));
    let carried = call.wait(convert::release(&session, &list, words))?;
    let mut map = Map::new();
    map.insert("released".into(), (list.len() as i64).into());
    map.insert("carried".into(), (carried as i64).into());
    Ok(map.into())
}

/// What a watch of this run said about a row.
fn known_reason(session: &Session, address: &str) -> Option<String> {
    session.memory().failed_rows.get(&address.to_lowercase()).cloned()
}

fn convert_them(call: &mut Call) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let list: Mailboxes = call.get(0)?;
    let force = call.force(1)?;
    let outcomes = call.wait(convert::convert(&session, &list, &force))?;
    let mut map = Map::new();
    let changed = outcomes.iter().filter(|o| o.changed).count();
    let refused: rhai::Array = outcomes.iter().filter_map(refusal).collect();
    map.insert("changed".into(), (changed as i64).into());
    map.insert("already".into(), ((outcomes.len() - changed - refused.len()) as i64).into());
    map.insert("refused".into(), refused.into());
    Ok(map.into())
}

fn refusal(outcome: &Outcome) -> Option<Dynamic> {
    let failure = outcome.result.as_ref().err()?;
    let mut map = Map::new();
    map.insert("address".into(), outcome.target.clone().into());
    map.insert("reason".into(), failure.message.clone().into());
    map.insert("hint".into(), failure.hint.clone().unwrap_or_default().into());
    Some(map.into())
}
