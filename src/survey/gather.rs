//! Carries the reads out, one after the other, page by page into what is kept.
//!
//! A refusal is not the end: the others are read all the same, so that every right
//! that is missing is told at once. Whether a file may have holes is its caller's to
//! say. What can't be reached ends the survey; the same command goes on from there.

use serde_json::{Map, Value, json};

use super::kept::Kept;
use super::reads::{self, READS, Read, Way};
use super::{Hole, Sources, Told, directory, zones};
use crate::base::{Failure, Kind, Result};
use crate::services::Scope;
use crate::wire::attributes::{Entry, names};
use crate::wire::company::text::shown;
use crate::wire::invoke::{Param, Params};

/// A guard against a service whose pages never end.
const MOST_PAGES: usize = 10_000;
/// Largest page of Graph's users.
const PAGE: usize = 999;

/// Reads what is not kept yet. Answers what was refused, if the survey may go past
/// it.
///
/// # Errors
/// Whatever could not be reached; all refusals at once, unless the survey is
/// partial; a file that can't be written.
pub async fn gather(sources: &Sources<'_>, kept: &mut Kept, tell: &(dyn Fn(Told) + Sync)) -> Result<Vec<Hole>> {
    let mut holes = Vec::new();
    for (number, read) in (1..).zip(READS) {
        if kept.read(read.name).is_some_and(|r| r.next.is_none()) {
            continue;
        }
        tell(Told::Began { number, name: read.name, about: read.about });
        let desk = Desk { sources, read, number, tell };
        match desk.carry_out(kept).await {
            Ok(()) => {
                let rows = kept.rows(read.name).len();
                tell(Told::Ended { number, rows: Some((rows, read.unit)) });
            }
            Err(failure) if is_refusal(read, &failure) && !read.lack.is_empty() => {
                tell(Told::Ended { number, rows: None });
                kept.anew(read.name)?;
                let text = format!("{}: {}; {}", read.lack, failure.message, read.right);
                holes.push(Hole { read: read.name, text, failure });
            }
            Err(failure) => {
                tell(Told::Ended { number, rows: None });
                return Err(failure);
            }
        }
    }
    match holes.first() {
        Some(first) if !sources.partial => {
            let what = if holes.len() == 1 { "one read was refused" } else { "several reads were refused" };
            let mut failure = Failure::new(
                first.failure.kind,
                format!("{what}, and a file without them would have holes"),
            )
            .detail(holes.iter().map(|h| format!("{}: {}", h.read, h.text)).collect::<Vec<_>>().join("\n"))
            .hint(
                "give the rights named above, then run the same command again: it goes on from what was read; or \
                     write a file that says what is missing with `--partial`",
            );
            if holes.len() == 1 {
                failure.service.clone_from(&first.failure.service);
                failure.operation.clone_from(&first.failure.operation);
                failure.status = first.failure.status;
            }
            Err(failure)
        }
        _ => Ok(holes),
    }
}

/// Whether the service understood and said no: the next read may be answered.
fn is_refusal(read: &Read, failure: &Failure) -> bool {
    match failure.kind {
        // A wrong password is wrong for every read; a missing right is not.
        Kind::Auth => {
            failure.status == Some(403) || failure.service.as_deref() == Some("ldap") && failure.status == Some(50)
        }
        Kind::Refused | Kind::NotFound => true,
        // Where port 53 is shut, a file without zones is still worth something.
        Kind::Timeout | Kind::Unavailable | Kind::Protocol => matches!(read.way, Way::Zones),
        _ => false,
    }
}

/// One read while it goes on.
struct Desk<'a> {
    sources: &'a Sources<'a>,
    read: &'a Read,
    number: u64,
    tell: &'a (dyn Fn(Told) + Sync),
}

impl Desk<'_> {
    fn sofar(&self, rows: usize) {
        (self.tell)(Told::Sofar { number: self.number, rows, unit: self.read.unit });
    }

    async fn carry_out(&self, kept: &mut Kept) -> Result<()> {
        let services = self.sources.services;
        match self.read.way {
            Way::Root => {
                let root = services.directory.root().await?;
                kept.page(self.read.name, vec![row(&root)], None)
            }
            Way::Objects => {
                let base = services.directory.base().await?;
                self.search(kept, &base, reads::OBJECTS).await
            }
            Way::Configuration => {
                let base = services.directory.configuration().await?;
                self.search(kept, &base, reads::CONFIGURATION).await
            }
            Way::Graph(path) => {
                let path = match path {
                    "/users" => format!("{path}?$select={}&$top={PAGE}", reads::USER),
                    _ => path.to_owned(),
                };
                self.pages(kept, async |from: Option<String>| {
                    services.graph.page(from.as_deref().unwrap_or(&path)).await
                })
                .await
            }
            Way::Exchange(cmdlet, unlimited, properties) => {
                let mut params = Params::new();
                if unlimited {
                    params.push(("ResultSize".into(), Param::from("Unlimited")));
                }
                self.pages(kept, async |from: Option<String>| {
                    services.exchange.page_of(cmdlet, &params, properties, from.as_deref()).await
                })
                .await
            }
            Way::DomainRecords => {
                let domains = directory::custom_domains(kept);
                self.each(kept, domains, async |domain: &str| {
                    let all =
                        async |what: &str| match services.graph.get_all(&format!("/domains/{domain}/{what}")).await {
                            // A domain that isn't verified may have no such records yet.
                            Err(f) if matches!(f.kind, Kind::NotFound | Kind::Refused) => Ok(Vec::new()),
                            other => other,
                        };
                    let verification = all("verificationDnsRecords").await?;
                    let service = all("serviceConfigurationRecords").await?;
                    Ok(json!({"domain": domain, "verification": verification, "service": service}))
                })
                .await
            }
            Way::Zones => {
                let domains = directory::mail_domains(kept, self.sources.profile);
                self.each(kept, domains, async |domain: &str| zones::ask(self.sources, domain).await).await
            }
        }
    }

    /// One paged search; kept when it is whole, since its pages end with the
    /// connection (RFC 2696).
    async fn search(&self, kept: &mut Kept, base: &str, filter: &str) -> Result<()> {
        let asked: Vec<&str> = names()
            .filter(|n| !reads::NOT_ASKED.iter().any(|no| no.eq_ignore_ascii_case(n)))
            .chain(reads::ALSO_ASKED.iter().copied())
            .collect();
        let told = |rows| self.sofar(rows);
        let found = self.sources.services.directory.search_told(base, Scope::Subtree, filter, &asked, &told).await?;
        kept.page(self.read.name, found.iter().map(row).collect(), None)
    }

    /// The pages of a collection, each kept with the link to the next. A link that
    /// an earlier survey left and the service has forgotten begins the read again.
    async fn pages(
        &self,
        kept: &mut Kept,
        ask: impl AsyncFn(Option<String>) -> Result<(Vec<Value>, Option<String>)>,
    ) -> Result<()> {
        let mut from = kept.read(self.read.name).and_then(|r| r.next.clone());
        let mut old = from.is_some();
        for _ in 0..MOST_PAGES {
            let (rows, next) = match ask(from.clone()).await {
                Err(f) if old && matches!(f.kind, Kind::NotFound | Kind::Refused | Kind::Protocol) => {
                    kept.anew(self.read.name)?;
                    (old, from) = (false, None);
                    continue;
                }
                other => other?,
            };
            old = false;
            if next.is_some() && next == from {
                break;
            }
            kept.page(self.read.name, rows, next.clone())?;
            if next.is_none() {
                return Ok(());
            }
            self.sofar(kept.rows(self.read.name).len());
            from = next;
        }
        Err(Failure::new(Kind::Protocol, format!("the pages of {} don't lead to an end", self.read.about))
            .hint("report it with the wire log"))
    }

    /// One row for each domain, each kept with the name of the next.
    async fn each(
        &self,
        kept: &mut Kept,
        domains: Vec<String>,
        ask: impl AsyncFn(&str) -> Result<Value>,
    ) -> Result<()> {
        let from = kept.read(self.read.name).and_then(|r| r.next.clone());
        let from = from.and_then(|from| domains.iter().position(|d| *d == from)).unwrap_or_default();
        if domains.is_empty() {
            return kept.page(self.read.name, Vec::new(), None);
        }
        for (place, domain) in domains.iter().enumerate().skip(from) {
            let row = ask(domain).await?;
            kept.page(self.read.name, vec![row], domains.get(place + 1).cloned())?;
            self.sofar(place + 1);
        }
        Ok(())
    }
}

/// A directory object as it is kept: its name, and its values as a company file
/// writes them.
fn row(entry: &Entry) -> Value {
    let values = |v: &[Vec<u8>]| Value::from(v.iter().map(|v| shown(v)).collect::<Vec<_>>());
    let attributes: Map<String, Value> = entry.iter().map(|(n, v)| (n.to_owned(), values(v))).collect();
    json!({"dn": entry.dn, "attributes": attributes})
}
