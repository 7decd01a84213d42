//! The small namespaces of the steps: `domain`, `directory`, `license`,
//! `permissions`, `mailflow`, `autodiscover`, `decommission`.

use std::sync::Arc;

use rhai::{Array, Dynamic, Map};

use super::declare::{Arg, Call, Effect, Kind, Primitive};
use crate::base::{self, Result};
use crate::migration::list::Mailboxes;
use crate::run::{decommission, domains, licences, mailflow, permissions, synchronize};

/// The table.
pub const PRIMITIVES: &[Primitive] = &[
    Primitive {
        namespace: "domain",
        name: "verify",
        args: &[Arg::new("domains", Kind::Texts, "The mail domains")],
        returns: "Report",
        summary: "Step 2: the tenant owns the domains",
        about: "Adds a missing domain, publishes the proof by a signed update, and asks the service to look until it agrees (four hours at most). A verified domain is left alone.",
        failures: &[base::Kind::Timeout, base::Kind::Refused],
        effect: Effect::Writes,
        way_back: "remove the TXT record; a verified domain stays until it is removed from the tenant",
        example: "domain::verify(project().domains);",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let s = Arc::clone(call.session());
            let d = call.texts(0)?;
            Ok(Dynamic::from(call.wait(domains::verify(&s, &d))?))
        },
    },
    Primitive {
        namespace: "directory",
        name: "synchronize",
        args: &[Arg::new("mailboxes", Kind::Mailboxes, "Who must be known to the cloud")],
        returns: "Report",
        summary: "Step 3: everybody exists in the cloud",
        about: "Starts a synchronization cycle where the profile names a command, else waits for the schedule, until everybody is a recipient in the cloud; three hours at most. Who still isn't is warned about, and validate sets them aside.",
        failures: &[base::Kind::Auth, base::Kind::Unavailable],
        effect: Effect::Waits,
        way_back: "",
        example: "directory::synchronize(mailboxes::read(\"mailboxes.csv\"));",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let s = Arc::clone(call.session());
            let list: Mailboxes = call.get(0)?;
            Ok(Dynamic::from(call.wait(synchronize::synchronize(&s, &list))?))
        },
    },
    Primitive {
        namespace: "license",
        name: "check",
        args: &[Arg::new("mailboxes", Kind::Mailboxes, "A wave")],
        returns: "Report",
        summary: "Seats and usage locations, before the start",
        about: "Counts free seats of the product that gives the mailboxes (licence.sku of stagepost.toml, else the one with most free seats) and looks for usage locations. Too few seats concern everybody; who can get no licence is set aside.",
        failures: &[base::Kind::Validation],
        effect: Effect::Reads,
        way_back: "",
        example: "let wave = license::check(mailboxes::read(\"mailboxes.csv\").take(2)).or_stop();\nprint(wave.len);",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let s = Arc::clone(call.session());
            let list: Mailboxes = call.get(0)?;
            Ok(Dynamic::from(call.wait(licences::check(&s, &list))?))
        },
    },
    Primitive {
        namespace: "license",
        name: "assign",
        args: &[Arg::new("mailboxes", Kind::Mailboxes, "Mailboxes that the service has made")],
        returns: "whole number",
        summary: "Gives each mailbox its licence",
        about: "Thirty days after a mailbox was made it is disconnected without one. Writes a usage location first where there is none. Who has the licence is left alone. Answers how many were given.",
        failures: &[base::Kind::Refused, base::Kind::Validation],
        effect: Effect::Writes,
        way_back: "taking a licence away disconnects the mailbox at once; given back within 30 days it is the same mailbox",
        example: "license::assign(mailboxes::read(\"mailboxes.csv\").take(1));",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let s = Arc::clone(call.session());
            let list: Mailboxes = call.get(0)?;
            Ok((call.wait(licences::assign(&s, &list))? as i64).into())
        },
    },
    Primitive {
        namespace: "permissions",
        name: "capture",
        args: &[Arg::new("mailboxes", Kind::Mailboxes, "Owners")],
        returns: "array of map",
        summary: "Who may send on behalf of whom",
        about: "Reads publicDelegates of the directory. Answers maps with owner and delegate, so that waves can keep people together who work in one mailbox.",
        failures: &[base::Kind::Auth, base::Kind::Unavailable],
        effect: Effect::Reads,
        way_back: "",
        example: "print(permissions::capture(mailboxes::read(\"mailboxes.csv\")));",
        since: "0.1",
        methods_too: false,
        call: capture,
    },
    Primitive {
        namespace: "permissions",
        name: "apply",
        args: &[Arg::new("mailboxes", Kind::Mailboxes, "Converted mailboxes")],
        returns: "Report",
        summary: "What becomes of permissions after the conversion",
        about: "Send on behalf travels with directory synchronization; nothing is written for it, since a full synchronization overwrites edits in the cloud. Says for how many. Full access and folder permissions don't travel and have to be granted in the cloud.",
        failures: &[base::Kind::Auth, base::Kind::Unavailable],
        effect: Effect::Reads,
        way_back: "",
        example: "permissions::apply(mailboxes::read(\"mailboxes.csv\").take(1));",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let s = Arc::clone(call.session());
            let list: Mailboxes = call.get(0)?;
            Ok(Dynamic::from(call.wait(permissions::apply(&s, &list))?))
        },
    },
    Primitive {
        namespace: "mailflow",
        name: "verify_coexistence",
        args: &[Arg::new("domains", Kind::Texts, "The mail domains")],
        returns: "Report",
        summary: "Both sides can send to each other, before anyone is forwarded",
        about: "Connectors, accepted domains, SPF, and a question to both hosts whether they take mail for somebody; no message is sent.",
        failures: &[base::Kind::Auth, base::Kind::Unavailable],
        effect: Effect::Reads,
        way_back: "",
        example: "let domains = project().domains;\ndomain::verify(domains);\nmailflow::verify_coexistence(domains).or_stop();",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let s = Arc::clone(call.session());
            let d = call.texts(0)?;
            Ok(Dynamic::from(call.wait(mailflow::verify_coexistence(&s, &d))?))
        },
    },
    Primitive {
        namespace: "mailflow",
        name: "verify",
        args: &[Arg::new("domains", Kind::Texts, "The mail domains")],
        returns: "Report",
        summary: "Mail from outside reaches the new mailboxes",
        about: "Sends one message to a moved person of each domain through the published MX and looks for it in the cloud mailbox; asks the same host whether it takes mail for somebody who was left.",
        failures: &[base::Kind::Unavailable],
        effect: Effect::Reads,
        way_back: "",
        example: "let domains = project().domains;\ndomain::verify(domains);\nset_mx(domains);\nmailflow::verify(domains).or_stop();",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let s = Arc::clone(call.session());
            let d = call.texts(0)?;
            Ok(Dynamic::from(call.wait(mailflow::verify(&s, &d))?))
        },
    },
    Primitive {
        namespace: "autodiscover",
        name: "set",
        args: &[
            Arg::new("domains", Kind::Texts, "The mail domains"),
            Arg::maybe("options", Kind::Options, "`force` (why the guard autodiscover-before-moved is to be passed)"),
        ],
        returns: "true or false",
        summary: "Step 11: Outlook finds the cloud",
        about: "Points autodiscover of each domain to the cloud, in one signed message each, and waits until all resolvers agree. Outlook inside the domain asks the service connection point first: see decommission::check. From Exchange 2007 on it is refused while somebody of the list is not moved; who was left whole is named in a warning. Answers whether it changed anything.",
        failures: &[base::Kind::Conflict, base::Kind::Timeout],
        effect: Effect::Writes,
        way_back: "the swap back from the recorded new set to the recorded old one",
        example: "// The lab's people have not moved yet; at the end of a migration no force is needed.\nautodiscover::set(project().domains, #{ force: \"a try in the lab\" });",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let s = Arc::clone(call.session());
            let d = call.texts(0)?;
            let force = call.force(1)?;
            Ok(call.wait(mailflow::set_autodiscover(&s, &d, &force))?.into())
        },
    },
    Primitive {
        namespace: "decommission",
        name: "check",
        args: &[],
        returns: "Report",
        summary: "Step 11: what still hangs on the old servers",
        about: "Mailboxes left there, people without a licence, batches, MX, service connection points.",
        failures: &[base::Kind::Auth, base::Kind::Unavailable],
        effect: Effect::Reads,
        way_back: "",
        example: "decommission::check();",
        since: "0.1",
        methods_too: false,
        call: |call| {
            let s = Arc::clone(call.session());
            Ok(Dynamic::from(call.wait(decommission::check(&s))?))
        },
    },
];

fn capture(call: &mut Call) -> Result<Dynamic> {
    let session = Arc::clone(call.session());
    let list: Mailboxes = call.get(0)?;
    let pairs = call.wait(permissions::capture(&session, &list))?;
    let rows: Array = pairs
        .into_iter()
        .map(|(owner, delegate)| {
            let mut map = Map::new();
            map.insert("owner".into(), owner.into());
            map.insert("delegate".into(), delegate.into());
            map.into()
        })
        .collect();
    Ok(rows.into())
}
