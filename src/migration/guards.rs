//! Guards: what a script may not do without saying why, because somebody would
//! lose mail or work.
//!
//! Each is a record with a stable name and a rule over plain facts. A rule says
//! what it objects to and whom it concerns; who reads the facts, and what
//! becomes of an objection, is the run's. What a guard protects can be given up
//! by force, with a reason, and never silently.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::routing;
use super::states::{BatchStatus, Outcome, UserStatus};
use crate::wire::invoke::{get, text_of};

/// One guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Stands in messages, in the journal and in `explain`; never renamed.
    pub name: &'static str,
    /// What would be lost, in one sentence without a full stop.
    pub title: &'static str,
    /// What must hold before the write.
    pub demands: &'static str,
    /// What to do instead.
    pub remedy: &'static str,
    /// Where the fact comes from.
    pub source: &'static str,
    /// The primitive that it guards.
    pub primitive: &'static str,
    /// How that is called by force.
    pub forced: &'static str,
}

/// Before the MX: all settled, or a connector.
pub const MX: Guard = Guard {
    name: "mx-before-settled",
    title: "mail to people who are not moved comes back to its senders: the cloud sends it where the MX leads, which is to itself",
    demands: "everybody with a mailbox on premises in the domain is converted, or an enabled outbound connector of type OnPremises carries the domain to the old server",
    remedy: "make an outbound connector (type OnPremises, with the old server as smart host) for the domain, or set the MX after the last wave",
    source: "Microsoft, Set up connectors to route mail between Microsoft 365 and your own servers; NDR 5.4.14",
    primitive: "set_mx",
    forced: "set_mx(domains, #{ force: \"…\" })",
};

/// Before removal: no row copying.
pub const REMOVAL: Guard = Guard {
    name: "removal-while-copying",
    title: "people whose mailbox is being copied stay forwarded into a cloud mailbox that will never be filled",
    demands: "the service is at work on no row of the batch",
    remedy: "watch the batch to its end, convert what was copied and release what failed, then remove it",
    source: "Microsoft, Remove-MigrationBatch and Perform a staged migration: a removed batch copies nothing more, and TargetAddress stays",
    primitive: "remove",
    forced: "remove(b, #{ force: \"…\" })",
};

/// Before the next start: no unlicensed mailbox of an earlier wave.
pub const START: Guard = Guard {
    name: "start-before-licences",
    title: "30 days after it was made the service disconnects a mailbox without a licence, and mail to it bounces",
    demands: "every cloud mailbox of the waves before has a licence with a mailbox plan",
    remedy: "give them theirs first: license::assign(b.provisioned) in each wave",
    source: "Microsoft, Perform a staged migration: licences within 30 days",
    primitive: "start",
    forced: "start(b, #{ force: \"…\" })",
};

/// Before autodiscover: nobody unmoved, from Exchange 2007 on.
pub const AUTODISCOVER: Guard = Guard {
    name: "autodiscover-before-moved",
    title: "Outlook of people who are not moved is led to the cloud, where it finds no mailbox of theirs",
    demands: "from Exchange 2007 on, nobody of the list has a mailbox on premises, but for those who were left whole with a reason; Exchange 2003 has no Autodiscover that could be cut off",
    remedy: "call autodiscover::set after the last wave is converted",
    source: "Microsoft, Perform a staged migration: the Autodiscover record after all mailboxes have moved; KB3211279",
    primitive: "autodiscover::set",
    forced: "autodiscover::set(domains, #{ force: \"…\" })",
};

/// Conversion soon after the copy.
pub const CONVERSION: Guard = Guard {
    name: "conversion-too-late",
    title: "what people did in the old mailbox since its copy is lost with the conversion: a staged migration copies once",
    demands: "the copy came to its end at most four days ago (waits.conversion_days of stagepost.toml)",
    remedy: "release them, which gives them back whole, and move them in a batch of another name; or carry over by hand what was done since",
    source: "Microsoft, What you need to know about a staged migration: no synchronization after the copy; the four days are ours",
    primitive: "convert_to_mail_user",
    forced: "convert_to_mail_user(mailboxes, #{ force: \"…\" })",
};

/// Every guard, in the order of the steps that they stand before.
pub const GUARDS: &[Guard] = &[START, CONVERSION, MX, REMOVAL, AUTODISCOVER];

/// The guard of a name.
pub fn guard(name: &str) -> Option<&'static Guard> {
    GUARDS.iter().find(|g| g.name == name)
}

/// What a guard says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Which guard.
    pub guard: &'static Guard,
    /// What it protects: a domain, a batch, a mailbox.
    pub target: String,
    /// One sentence without a full stop: whom it concerns, and what is missing.
    pub text: String,
}

fn objection(guard: &Guard, target: &str, text: String) -> Option<Objection> {
    // The table holds the record that lives as long as the program.
    let guard = self::guard(guard.name)?;
    Some(Objection { guard, target: target.to_owned(), text })
}

/// Three names, and how many more there are.
pub fn names(who: &[String]) -> String {
    let first: Vec<&str> = who.iter().take(3).map(String::as_str).collect();
    match who.len().saturating_sub(3) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// `1 mailbox is`, `3 mailboxes are`.
fn of(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// An outbound connector, as Get-OutboundConnector shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connector {
    /// Enabled, and of type OnPremises.
    pub is_open: bool,
    /// RecipientDomains in lower case.
    pub domains: Vec<String>,
    /// SmartHosts; none where it sends by DNS.
    pub smart_hosts: Vec<String>,
}

impl Connector {
    /// Reads a row.
    pub fn of(row: &Value) -> Connector {
        let is = |name: &str, wanted: &str| text_of(get(row, name)).eq_ignore_ascii_case(wanted);
        let list = |name: &str| -> Vec<String> {
            get(row, name)
                .as_array()
                .map(|l| l.iter().map(|v| text_of(v).trim().trim_matches(['[', ']']).to_lowercase()).collect())
                .unwrap_or_default()
        };
        Connector {
            is_open: is("Enabled", "true") && is("ConnectorType", "OnPremises"),
            domains: list("RecipientDomains"),
            smart_hosts: list("SmartHosts"),
        }
    }

    /// Whether it carries mail of a domain out of the cloud. One that sends by
    /// DNS follows the MX, which is what it must not do; one whose hosts are all
    /// the cloud's own leads nowhere. A `*.contoso.com` is taken for its
    /// subdomains alone.
    pub fn leads_home(&self, domain: &str) -> bool {
        let domain = domain.to_lowercase();
        let serves = |name: &String| {
            *name == domain
                || name == "*"
                || name.strip_prefix("*.").is_some_and(|parent| domain.ends_with(&format!(".{parent}")))
        };
        self.is_open && self.domains.iter().any(serves) && self.smart_hosts.iter().any(|h| !routing::is_cloud_host(h))
    }
}

/// Before the MX of a domain leads to the cloud. `unmoved` are those with a
/// mailbox on premises and an address in the domain.
pub fn mx(domain: &str, unmoved: &[String], connectors: &[Connector]) -> Option<Objection> {
    if unmoved.is_empty() || connectors.iter().any(|c| c.leads_home(domain)) {
        return None;
    }
    let text = format!(
        "no outbound connector carries mail of {domain} to the old server, and {} not moved: {}",
        of(unmoved.len(), "mailbox is", "mailboxes are"),
        names(unmoved)
    );
    objection(&MX, domain, text)
}

/// The rows of a batch on which the service is at work.
pub fn at_work(status: &str, rows: &[(String, String)]) -> Vec<String> {
    // The rows of a batch that was never started wait for nothing.
    if BatchStatus::parse(status) == BatchStatus::Created {
        return Vec::new();
    }
    let working = |status: &str| matches!(UserStatus::parse(status).outcome(), Outcome::Waiting | Outcome::Active);
    rows.iter().filter(|(_, status)| working(status)).map(|(address, _)| address.clone()).collect()
}

/// Before a batch is removed. `copying` are its rows at work.
pub fn removal(batch: &str, copying: &[String]) -> Option<Objection> {
    if copying.is_empty() {
        return None;
    }
    let text = format!(
        "{} still being copied: {}",
        of(copying.len(), &format!("mailbox of {batch} is"), &format!("mailboxes of {batch} are")),
        names(copying)
    );
    objection(&REMOVAL, batch, text)
}

/// Before a batch is started. `unlicensed` are cloud mailboxes of earlier ones.
pub fn start(batch: &str, unlicensed: &[String]) -> Option<Objection> {
    if unlicensed.is_empty() {
        return None;
    }
    let text = format!(
        "{} without a licence: {}",
        of(unlicensed.len(), "cloud mailbox of an earlier wave is", "cloud mailboxes of earlier waves are"),
        names(unlicensed)
    );
    objection(&START, batch, text)
}

/// Before autodiscover of a domain leads to the cloud. `unmoved` are people of
/// the list with a mailbox on premises and their primary address in the domain,
/// those left whole not among them.
pub fn autodiscover(domain: &str, source: &str, unmoved: &[String]) -> Option<Objection> {
    if unmoved.is_empty() || source == "2003" {
        return None;
    }
    let text = format!(
        "{} not moved yet: {}",
        of(
            unmoved.len(),
            &format!("mailbox of the list in {domain} is"),
            &format!("mailboxes of the list in {domain} are")
        ),
        names(unmoved)
    );
    objection(&AUTODISCOVER, domain, text)
}

/// Before a mailbox is converted whose copy came to its end at `copied`.
pub fn conversion(address: &str, copied: Timestamp, now: Timestamp, days: u32) -> Option<Objection> {
    let limit = SignedDuration::from_hours(24 * i64::from(days));
    let since = now.duration_since(copied);
    if since <= limit {
        return None;
    }
    let text = format!(
        "its copy ended {} days ago, and what was done in the old mailbox since is nowhere else (at most {days} are allowed)",
        since.as_hours() / 24
    );
    objection(&CONVERSION, address, text)
}

#[cfg(test)]
#[path = "guards_tests.rs"]
mod tests;
