//! What desks inside the company hear of its domains.
//!
//! The domain controller may serve a copy of a zone, made long ago, to whoever is
//! inside; where the directory's domain has the name of the mail domain it always
//! does. Nothing that is changed outside reaches it. So it is never asked whether
//! a change is done: that it differs is a finding of its own, and its mending is
//! work for a person. Where its name service can't be asked, nothing is said of
//! it. It changes nothing.

use hickory_proto::rr::RecordType;

use super::session::Session;
use crate::base::{Kind, Result};
use crate::services::dns::Ask;
use crate::wire::dns::relative;

/// A record set that the domain controller serves otherwise than the world sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differs {
    /// Owner without a final dot.
    pub name: String,
    /// Its type.
    pub kind: RecordType,
    /// Values inside; empty for none.
    pub inside: Vec<String>,
    /// Values outside; empty for none.
    pub outside: Vec<String>,
}

impl Differs {
    /// `MX ex07.contoso.test inside, mail.contoso.test outside`.
    pub fn words(&self) -> String {
        let list = |values: &[String]| match values {
            [] => "nothing".to_owned(),
            _ => values.iter().map(|v| relative(v)).collect::<Vec<_>>().join(", "),
        };
        format!("{} {}: {} inside, {} outside", self.name, self.kind, list(&self.inside), list(&self.outside))
    }
}

/// What the domain controller says of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// Its name service gives no answer: nothing is known.
    Silent,
    /// It serves no zone of this name.
    None,
    /// It does, with these differences.
    Own(Vec<Differs>),
}

/// A domain whose copy inside leads Outlook elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misled {
    /// The domain.
    pub domain: String,
    /// What is so.
    pub message: String,
    /// What to do by hand.
    pub hint: String,
}

/// What the domain controller serves of a domain, beside what the zone itself says:
/// where mail goes, and where Outlook asks.
///
/// # Errors
/// The zone itself can't be read, or the run was cancelled.
pub async fn view(session: &Session, domain: &str) -> Result<View> {
    let dns = session.sees();
    let place = format!("{}:53", session.profile().directory.host);
    let autodiscover = format!("autodiscover.{domain}");
    let mut differences = Vec::new();
    for (name, kind) in [(domain, RecordType::MX), (&autodiscover, RecordType::CNAME)] {
        let inside = match dns.lookup(name, kind, Ask::Server(&place)).await {
            Ok(set) => set.map(|s| s.values).unwrap_or_default(),
            Err(failure) if failure.kind == Kind::Cancelled => return Err(failure),
            // It answers, and not for this zone.
            Err(failure) if matches!(failure.kind, Kind::Protocol | Kind::Refused) => return Ok(View::None),
            Err(_) => return Ok(View::Silent),
        };
        let outside = dns.lookup(name, kind, Ask::Authority).await?.map(|s| s.values).unwrap_or_default();
        if inside != outside {
            differences.push(Differs { name: name.to_owned(), kind, inside, outside });
        }
    }
    Ok(View::Own(differences))
}

/// Domains whose copy inside leads Outlook elsewhere than `host`.
///
/// # Errors
/// As [`view`].
pub async fn misled(session: &Session, domains: &[String], host: &str) -> Result<Vec<Misled>> {
    let mut misled = Vec::new();
    let server = &session.profile().directory.host;
    for domain in domains {
        match view(session, domain).await? {
            // One that gives no answer gives none for the next domain either.
            View::Silent => break,
            View::None => {}
            View::Own(differences) => {
                let name = format!("autodiscover.{domain}");
                let Some(found) =
                    differences.iter().find(|d| d.name == name && d.outside.iter().any(|v| relative(v) == host))
                else {
                    continue;
                };
                let leads = found.inside.first().map_or("nowhere".to_owned(), |v| format!("to {}", relative(v)));
                misled.push(Misled {
                    domain: domain.clone(),
                    message: format!("inside, {server} still leads {name} {leads}: its copy of the zone does not hear of changes"),
                    hint: format!(
                        "change the copy by hand: dnscmd {server} /recorddelete {domain} autodiscover CNAME /f, then dnscmd {server} /recordadd {domain} autodiscover CNAME {host}."
                    ),
                });
            }
        }
    }
    Ok(misled)
}
