//! What the cmdlets that read will show of what a plan would make: endpoints,
//! batches, migration users, mailboxes, recipients, accepted domains.
//!
//! Rows are laid over the service's own by the key of each cmdlet. What a batch
//! goes through is told in the service's words; which words follow which, the
//! rooms say that foresee it. It asks nobody.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::base::Timestamp;
use crate::wire::attributes::address_key;
use crate::wire::invoke::{Param, Params, get, parse_time, text_of};

/// The tables of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Get-MigrationEndpoint, by name.
    Endpoints,
    /// Get-MigrationBatch, by name.
    Batches,
    /// Get-MigrationUser, by batch and address.
    Users,
    /// Get-Mailbox, by any address.
    Mailboxes,
    /// Get-Recipient, by object id.
    Recipients,
    /// Get-AcceptedDomain, by name.
    Domains,
}

impl Table {
    fn of(cmdlet: &str) -> Option<Table> {
        let known = [
            ("Get-MigrationEndpoint", Table::Endpoints),
            ("Get-MigrationBatch", Table::Batches),
            ("Get-MigrationUser", Table::Users),
            ("Get-Mailbox", Table::Mailboxes),
            ("Get-Recipient", Table::Recipients),
            ("Get-AcceptedDomain", Table::Domains),
        ];
        known.iter().find(|(name, _)| name.eq_ignore_ascii_case(cmdlet)).map(|(_, table)| *table)
    }

    /// The keys by which a row is known here.
    fn keys(self, row: &Value) -> Vec<String> {
        let text = |name: &str| text_of(get(row, name)).to_lowercase();
        match self {
            Table::Endpoints | Table::Batches => vec![text("Identity")],
            Table::Users => vec![user_key(&text("BatchId"), &text("Identity"))],
            Table::Mailboxes => addresses(row),
            Table::Recipients => vec![text("ExternalDirectoryObjectId")],
            Table::Domains => vec![text("DomainName")],
        }
    }

    /// Names by which somebody may ask for a row.
    fn names(self, row: &Value) -> Vec<String> {
        let named =
            ["Identity", "Name", "Id", "Guid", "ExchangeGuid", "ExternalDirectoryObjectId", "PrimarySmtpAddress"];
        let texts = named.iter().map(|name| text_of(get(row, name)).to_lowercase()).filter(|t| !t.is_empty());
        texts.chain(addresses(row)).collect()
    }
}

/// The key of a row of a batch.
pub fn user_key(batch: &str, address: &str) -> String {
    format!("{}\n{}", batch.to_lowercase(), address_key(address))
}

fn addresses(row: &Value) -> Vec<String> {
    let all = get(row, "EmailAddresses").as_array().map_or(&[][..], Vec::as_slice);
    let smtp = |text: &String| text.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case("smtp:"));
    all.iter().map(text_of).filter(smtp).map(|a| address_key(&a)).collect()
}

#[derive(Clone, Debug)]
enum Laid {
    /// Members that replace those of a row.
    Over(Map<String, Value>),
    /// A row that is not there yet.
    Row(Map<String, Value>),
    /// A row that is gone.
    Gone,
}

/// The rows that are foreseen.
#[derive(Debug, Default)]
pub struct Exchange {
    tables: BTreeMap<Table, BTreeMap<String, Laid>>,
    /// Batches that are being removed, in lower case: when they and their rows
    /// leave the lists.
    removed: BTreeMap<String, Timestamp>,
}

impl Exchange {
    /// Whether nothing was foreseen.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.removed.is_empty()
    }

    /// A row that will be there.
    pub fn make(&mut self, table: Table, key: &str, row: Value) {
        let Value::Object(row) = row else { return };
        self.tables.entry(table).or_default().insert(key.to_lowercase(), Laid::Row(row));
    }

    /// Members that will differ, of a row that is or will be there.
    pub fn change(&mut self, table: Table, key: &str, members: Value) {
        let Value::Object(members) = members else { return };
        let laid = self.tables.entry(table).or_default().entry(key.to_lowercase());
        match laid.or_insert_with(|| Laid::Over(Map::new())) {
            Laid::Over(row) | Laid::Row(row) => row.extend(members),
            gone @ Laid::Gone => *gone = Laid::Over(members),
        }
    }

    /// A row that will be gone.
    pub fn take(&mut self, table: Table, key: &str) {
        self.tables.entry(table).or_default().insert(key.to_lowercase(), Laid::Gone);
    }

    /// A batch that leaves the lists at a time, with its rows.
    pub fn remove_batch(&mut self, name: &str, at: Timestamp) {
        self.removed.insert(name.to_lowercase(), at);
    }

    /// What a cmdlet will answer at a time. Answers a filter that can't be judged
    /// on rows that are not there yet, if there are such rows.
    pub fn look(&self, cmdlet: &str, params: &Params, now: Timestamp, rows: &mut Vec<Value>) -> Option<String> {
        let table = Table::of(cmdlet)?;
        let laid = self.tables.get(&table);
        let mut left: BTreeMap<&String, &Laid> = laid.into_iter().flatten().collect();
        rows.retain_mut(|row| {
            for key in table.keys(row) {
                match left.remove(&key) {
                    Some(Laid::Gone) => return false,
                    Some(Laid::Over(members) | Laid::Row(members)) => {
                        if let Some(row) = row.as_object_mut() {
                            for (name, value) in members {
                                let spelt = row.keys().find(|n| n.eq_ignore_ascii_case(name)).cloned();
                                row.insert(spelt.unwrap_or_else(|| name.clone()), value.clone());
                            }
                        }
                    }
                    None => {}
                }
            }
            true
        });
        let mut unjudged = None;
        for laid in left.into_values() {
            let Laid::Row(row) = laid else { continue };
            let row = Value::Object(row.clone());
            match asked_for(table, &row, params) {
                Some(true) => rows.push(row),
                Some(false) => {}
                None => unjudged = text_param(params, "Filter"),
            }
        }
        let gone = |name: &str| self.removed.get(&name.to_lowercase()).is_some_and(|at| *at <= now);
        match table {
            Table::Batches => rows.retain(|row| !gone(&text_of(get(row, "Identity")))),
            Table::Users => rows.retain(|row| !gone(&text_of(get(row, "BatchId")))),
            _ => {}
        }
        unjudged
    }
}

fn text_param(params: &Params, name: &str) -> Option<String> {
    params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).and_then(|(_, value)| match value {
        Param::Text(text) => Some(text.clone()),
        _ => None,
    })
}

/// Whether somebody asked for a row with these parameters; `None` for a filter
/// that can't be judged here.
fn asked_for(table: Table, row: &Value, params: &Params) -> Option<bool> {
    for (name, value) in params {
        let Param::Text(wanted) = value else { continue };
        let fits = match name.to_lowercase().as_str() {
            "resultsize" | "confirm" => true,
            "identity" | "emailaddress" => table.names(row).contains(&wanted.to_lowercase()),
            "filter" => made_since(row, wanted)?,
            other => text_of(get(row, other)).eq_ignore_ascii_case(wanted),
        };
        if !fits {
            return Some(false);
        }
    }
    Some(true)
}

/// The one filter of the rooms: `WhenMailboxCreated -gt '2026-01-12T09:00:00Z'`.
fn made_since(row: &Value, filter: &str) -> Option<bool> {
    let since = filter.trim().strip_prefix("WhenMailboxCreated -gt '")?.strip_suffix('\'')?;
    Some(parse_time(&text_of(get(row, "WhenMailboxCreated")))? > since.parse::<Timestamp>().ok()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn by(name: &str, value: &str) -> Params {
        vec![(name.to_owned(), Param::from(value)), ("ResultSize".into(), Param::from("Unlimited"))]
    }

    #[test]
    fn a_batch_is_there_until_it_is_gone_with_its_rows() {
        let mut shadow = Exchange::default();
        let now = at("2026-01-12T09:00:00Z");
        shadow.make(Table::Batches, "Wave-01", json!({"Identity": "Wave-01", "Status": "Created"}));
        let row = json!({"Identity": "Ann@x.test", "BatchId": "Wave-01", "Status": "Queued"});
        shadow.make(Table::Users, &user_key("Wave-01", "Ann@x.test"), row);
        shadow.change(Table::Batches, "wave-01", json!({"Status": "Synced"}));
        let seen = |shadow: &Exchange, cmdlet: &str, params: &Params, now: Timestamp| {
            let mut rows = vec![json!({"identity": "other", "BatchId": {"Name": "other"}, "Status": "Synced"})];
            assert_eq!(shadow.look(cmdlet, params, now, &mut rows), None);
            rows.iter().map(|r| text_of(get(r, "Identity"))).collect::<Vec<_>>()
        };
        assert_eq!(seen(&shadow, "get-migrationbatch", &by("Identity", "wave-01"), now), ["other", "Wave-01"]);
        assert_eq!(seen(&shadow, "Get-MigrationUser", &by("BatchId", "wave-02"), now), ["other"]);
        shadow.remove_batch("wave-01", now);
        assert_eq!(seen(&shadow, "Get-MigrationBatch", &Params::new(), at("2026-01-12T08:59:59Z")).len(), 2);
        assert_eq!(seen(&shadow, "Get-MigrationBatch", &Params::new(), now), ["other"]);
        assert_eq!(seen(&shadow, "Get-MigrationUser", &Params::new(), now), ["other"]);
    }

    #[test]
    fn rows_that_are_there_show_what_will_differ() {
        let mut shadow = Exchange::default();
        shadow.change(Table::Mailboxes, "ann@x.test", json!({"RecipientTypeDetails": "RoomMailbox"}));
        shadow.take(Table::Mailboxes, "bo@x.test");
        let mailbox = |a: &str| json!({"EmailAddresses": [format!("SMTP:{a}")], "recipientTypeDetails": "UserMailbox"});
        let mut rows = vec![mailbox("Ann@x.test"), mailbox("bo@x.test"), mailbox("cy@x.test")];
        shadow.look("Get-Mailbox", &Params::new(), Timestamp::UNIX_EPOCH, &mut rows);
        let kinds: Vec<String> = rows.iter().map(|r| text_of(get(r, "RecipientTypeDetails"))).collect();
        assert_eq!(kinds, ["RoomMailbox", "UserMailbox"]);
        assert_eq!(rows[0].as_object().map(Map::len), Some(2), "the member is not there twice");
    }

    #[test]
    fn a_filter_that_nobody_can_judge_is_said() {
        let mut shadow = Exchange::default();
        let row = json!({"EmailAddresses": ["SMTP:ann@x.test"], "WhenMailboxCreated": "2026-01-12T09:00:00Z"});
        shadow.make(Table::Mailboxes, "ann@x.test", row);
        let look = |filter: &str| {
            let mut rows = Vec::new();
            let unjudged = shadow.look("Get-Mailbox", &by("Filter", filter), Timestamp::UNIX_EPOCH, &mut rows);
            (rows.len(), unjudged.is_some())
        };
        assert_eq!(look("WhenMailboxCreated -gt '2026-01-12T08:00:00Z'"), (1, false));
        assert_eq!(look("WhenMailboxCreated -gt '2026-01-12T10:00:00Z'"), (0, false));
        assert_eq!(look("Office -eq 'Berlin'"), (0, true));
    }
}
