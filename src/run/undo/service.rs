//! What the run made or set in Exchange Online: batches, the endpoint, kinds of
//! mailboxes.
//!
//! A batch goes only when nobody hangs on it, the endpoint only when no batch uses
//! it. Both are refused by the service otherwise, too.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::made::Made;
use crate::base::{Failure, Kind, Result};
use crate::run::gate::{Change, Observed, Repeat, Verdict, WayBack};
use crate::run::session::Session;
use crate::wire::invoke::{Param, Params, get, text_of};

/// Settings of an endpoint that the service tells.
const SETTINGS: [&str; 4] = ["ExchangeServer", "RpcProxyServer", "Authentication", "MaxConcurrentMigrations"];

/// The endpoint: removed if the run made it, else set back.
pub struct Endpoint {
    name: String,
    /// Settings before; nothing if there was none.
    before: Value,
    /// Settings as the run left them.
    after: Value,
}

impl Endpoint {
    /// Of a change of the run.
    pub fn of(made: &Made) -> Endpoint {
        Endpoint { name: made.target.clone(), before: made.before.clone(), after: made.after.clone() }
    }

    /// Whether the run made it.
    pub fn is_ours(&self) -> bool {
        self.before.is_null()
    }

    async fn found(&self, session: &Session) -> Result<Option<Value>> {
        let one = vec![("Identity".into(), Param::from(self.name.as_str()))];
        let row = match session.services().exchange.invoke("Get-MigrationEndpoint", one).await {
            Ok(reply) => reply.rows.into_iter().find(|r| text_of(get(r, "Identity")).eq_ignore_ascii_case(&self.name)),
            Err(f) if f.kind == Kind::NotFound => None,
            Err(f) => return Err(f),
        };
        let image = |row: Value| {
            let settings = SETTINGS.iter().map(|n| ((*n).to_owned(), json!(text_of(get(&row, n)))));
            Value::Object(settings.collect())
        };
        Ok(row.map(image))
    }

    fn verdict(&self, found: Option<&Value>) -> Verdict {
        let like = |wanted: &Value, found: &Value| {
            SETTINGS.iter().all(|n| text_of(get(wanted, n)).eq_ignore_ascii_case(&text_of(get(found, n))))
        };
        match found {
            None if self.is_ours() => Verdict::Same,
            Some(_) if self.is_ours() => Verdict::Differs(Value::Null),
            Some(found) if like(&self.before, found) => Verdict::Same,
            Some(found) if like(&self.after, found) => Verdict::Differs(self.before.clone()),
            found => Verdict::Refused(
                Failure::new(Kind::Conflict, format!("the endpoint {} was changed by somebody else since", self.name))
                    .during("exchange", "Set-MigrationEndpoint")
                    .on(&self.name)
                    .detail(
                        found.map_or_else(
                            || "it is gone".into(),
                            |f| format!("it is {f}, and was left as {}", self.after),
                        ),
                    )
                    .hint("look who changed it; nothing was written"),
            ),
        }
    }
}

#[async_trait]
impl Change for Endpoint {
    fn operation(&self) -> &'static str {
        "undo::endpoint"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
    fn way_back(&self) -> WayBack {
        WayBack::Compensable("endpoint(name) makes it anew")
    }
    fn targets(&self) -> Vec<String> {
        vec![self.name.clone()]
    }
    fn settles_within(&self) -> i64 {
        300
    }
    async fn observe(&self, session: &Session, _: &[String]) -> Result<Vec<Observed>> {
        let found = self.found(session).await?;
        let verdict = self.verdict(found.as_ref());
        Ok(vec![Observed { target: self.name.clone(), before: found.unwrap_or_default(), verdict }])
    }
    async fn apply(&self, session: &Session, _: &Observed) -> Result<()> {
        let exchange = &session.services().exchange;
        let mut params: Params =
            vec![("Identity".into(), Param::from(self.name.as_str())), ("Confirm".into(), Param::Bool(false))];
        if self.is_ours() {
            return match exchange.invoke("Remove-MigrationEndpoint", params).await {
                Err(f) if f.kind == Kind::NotFound => Ok(()),
                other => other.map(|_| ()),
            };
        }
        let changed = SETTINGS.iter().filter(|n| get(&self.before, n) != get(&self.after, n));
        params.extend(changed.map(|n| ((*n).to_owned(), Param::from(text_of(get(&self.before, n))))));
        // The service opens a mailbox with the credential before it takes a change.
        let source = &session.profile().source;
        let credential = exchange.credential(&source.account, session.source_password()).await?;
        params.push(("Credentials".into(), credential));
        exchange.invoke("Set-MigrationEndpoint", params).await.map(|_| ())
    }
}

/// Kinds and forwardings of cloud mailboxes as they were, before they give way.
#[derive(Default)]
pub struct Kinds {
    /// Address, image before, image after.
    pub rows: Vec<(String, Value, Value)>,
}

impl Kinds {
    fn row(&self, target: &str) -> Option<&(String, Value, Value)> {
        self.rows.iter().find(|(address, ..)| address == target)
    }
}

/// What a kind is called by `Set-Mailbox -Type`.
fn word_of(kind: &str) -> &'static str {
    match kind {
        "SharedMailbox" => "Shared",
        "RoomMailbox" => "Room",
        "EquipmentMailbox" => "Equipment",
        _ => "Regular",
    }
}

#[async_trait]
impl Change for Kinds {
    fn operation(&self) -> &'static str {
        "undo::mailbox_kind"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
    fn way_back(&self) -> WayBack {
        WayBack::Reversible
    }
    fn targets(&self) -> Vec<String> {
        self.rows.iter().map(|(address, ..)| address.clone()).collect()
    }
    fn settles_within(&self) -> i64 {
        600
    }
    async fn observe(&self, session: &Session, targets: &[String]) -> Result<Vec<Observed>> {
        let mut observed = Vec::with_capacity(targets.len());
        for target in targets {
            let one = vec![("Identity".into(), Param::from(target.as_str()))];
            let found = match session.services().exchange.invoke("Get-Mailbox", one).await {
                Ok(reply) => reply.rows.into_iter().next(),
                // It gave way already.
                Err(f) if f.kind == Kind::NotFound => None,
                Err(f) => return Err(f),
            };
            let now = found.map_or(Value::Null, |row| {
                json!({
                    "RecipientTypeDetails": text_of(get(&row, "RecipientTypeDetails")),
                    "DeliverToMailboxAndForward":
                        text_of(get(&row, "DeliverToMailboxAndForward")).eq_ignore_ascii_case("true"),
                })
            });
            // A kind that somebody else has given since stays: it is theirs.
            let ours = self.row(target).filter(|(_, before, after)| now == *after && before != after);
            let verdict = match ours {
                Some((_, before, _)) if !now.is_null() => Verdict::Differs(before.clone()),
                _ => Verdict::Same,
            };
            observed.push(Observed { target: target.clone(), before: now, verdict });
        }
        Ok(observed)
    }
    async fn apply(&self, session: &Session, observed: &Observed) -> Result<()> {
        let Some((address, before, after)) = self.row(&observed.target) else { return Ok(()) };
        let mut params: Params =
            vec![("Identity".into(), Param::from(address.as_str())), ("Confirm".into(), Param::Bool(false))];
        if before["RecipientTypeDetails"] != after["RecipientTypeDetails"] {
            let kind = before["RecipientTypeDetails"].as_str().unwrap_or_default();
            params.push(("Type".into(), Param::from(word_of(kind))));
        }
        if before["DeliverToMailboxAndForward"] != after["DeliverToMailboxAndForward"] {
            let both = before["DeliverToMailboxAndForward"] == true;
            params.push(("DeliverToMailboxAndForward".into(), Param::Bool(both)));
        }
        session.services().exchange.invoke("Set-Mailbox", params).await.map(|_| ())
    }
}
