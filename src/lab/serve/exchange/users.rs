//! Migration users: the rows of the batches, one by one and counted.
//!
//! Reads only. A user has one object for each batch that it is in.

use serde_json::{Value, json};

use super::batches::{date, find, summary};
use super::{Call, Outcome, Output, not_found};
use crate::lab::world::{Batch, CloudUser, MigrationRow, Recipient};
use crate::lab::{World, index};
use crate::wire::guid::Guid;

/// Get-MigrationUser.
pub fn get(call: &mut Call<'_>) -> Outcome {
    let world = &*call.world;
    let arguments = &call.arguments;
    let identity = arguments.text("Identity").or(arguments.text("EmailAddress"));
    let batch = match arguments.text("BatchId") {
        Some(id) => Some(find(world, id)?),
        None => None,
    };
    let guid = arguments.text("MailboxGuid").and_then(Guid::parse);
    let mut users = Vec::new();
    for (key, found) in &world.tenant.batches {
        if batch.as_ref().is_some_and(|b| b != key) {
            continue;
        }
        for user in &found.rows {
            if identity.is_some_and(|i| !is(user, i))
                || arguments.text("Status").is_some_and(|s| user.status != s)
                || arguments.text("StatusSummary").is_some_and(|s| summary(&user.status) != s)
            {
                continue;
            }
            if guid.is_some() && mailbox_guid(cloud_user(world, &user.address)) != guid {
                continue;
            }
            users.push((found, user));
        }
    }
    match (identity, users.is_empty()) {
        (Some(identity), true) => Err(not_found(identity)),
        _ => Ok(call.show(users, |(batch, user)| row(batch, user, cloud_user(world, &user.address)))),
    }
}

fn is(user: &MigrationRow, identity: &str) -> bool {
    user.address.eq_ignore_ascii_case(identity) || Guid::parse(identity) == Some(user.guid)
}

/// The cloud user that holds this address.
fn cloud_user<'a>(world: &'a World, address: &str) -> Option<&'a CloudUser> {
    index::cloud_user(world, address).and_then(|id| world.tenant.users.get(&id))
}

fn mailbox_guid(user: Option<&CloudUser>) -> Option<Guid> {
    match &user?.recipient {
        Recipient::Mailbox(mailbox) => Some(mailbox.guid),
        _ => None,
    }
}

fn row(batch: &Batch, user: &MigrationRow, cloud: Option<&CloudUser>) -> Value {
    let guid = mailbox_guid(cloud);
    json!({
        "Identity": user.address,
        "Guid": user.guid.to_string(),
        "BatchId@odata.type": "#Exchange.GenericHashTable",
        "BatchId": {"Name": batch.name, "Id": batch.name},
        "MailboxEmailAddress": user.address,
        "MailboxIdentifier": user.address,
        "MailboxGuid": guid.unwrap_or(Guid::NIL).to_string(),
        "RequestGuid": user.guid.to_string(),
        "RecipientType": if guid.is_some() { "Mailbox" } else { "Mailuser" },
        "MigrationType": "ExchangeOutlookAnywhere",
        "Status": user.status,
        "StatusSummary": summary(&user.status),
        "State": if summary(&user.status) == "Failed" { "Failed" } else { "Active" },
        "ErrorSummary": user.error,
        "SyncedItemCount": user.synced_items,
        "SkippedItemCount": user.skipped_items,
        "LastSuccessfulSyncTime": date(user.synced),
        "LastSyncTime": date(user.synced),
        "LastSubscriptionCheckTime": date(Some(batch.touched)),
        "DataConsistencyScore": "Perfect",
        "HasUnapprovedSkippedItems": false,
        "IsValid": true,
    })
}

/// Get-MigrationUserStatistics.
pub fn statistics(call: &mut Call<'_>) -> Outcome {
    let identity = call.arguments.text("Identity").unwrap_or_default().to_owned();
    let world = &*call.world;
    let found = world.tenant.batches.values().find_map(|b| b.rows.iter().find(|r| is(r, &identity)).map(|r| (b, r)));
    let (batch, user) = found.ok_or_else(|| not_found(&identity))?;
    let cloud = cloud_user(world, &user.address);
    let key = super::super::state::lock(&call.state.index).by_address(world, &user.address);
    let (items, bytes) = key.and_then(|k| world.directory.get(&k)).map_or((0, 0), |o| (o.items, o.bytes));
    let done = (user.synced_items * 100).checked_div(items).unwrap_or_default().min(100);
    let mut value = row(batch, user, cloud);
    let more = json!({
        "EmailAddress": user.address,
        "EstimatedTotalTransferCount": items,
        "EstimatedTotalTransferSize": size(bytes),
        "BytesTransferred": size(bytes.saturating_mul(done) / 100),
        "PercentageComplete": if user.status == "Synced" { 100 } else { done },
        "Error": user.error,
        "ErrorType": user.error.split(':').next().filter(|t| t.ends_with("Exception")).unwrap_or_default(),
        "SkippedItems": [],
        "Report": if call.arguments.is_set("IncludeReport") { json!(report(user)) } else { Value::Null },
        "DiagnosticInfo": "",
    });
    if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
        value.extend(more);
    }
    Ok(Output::rows(vec![value]))
}

fn report(user: &MigrationRow) -> String {
    let mut lines = vec![format!("Attempts: {}.", user.attempts)];
    if !user.error.is_empty() {
        lines.push(format!("FailureSide: Source. Message: {}", user.error));
    }
    lines.join("\n")
}

/// `1.5 GB (1,610,612,736 bytes)`.
pub fn size(bytes: u64) -> String {
    let digits = bytes.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let units = [("GB", 1_u64 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    let (unit, one) = units.into_iter().find(|(_, one)| bytes >= *one).unwrap_or(("B", 1));
    #[allow(clippy::cast_precision_loss)]
    let amount = bytes as f64 / one as f64;
    let amount = format!("{amount:.3}");
    format!("{} {unit} ({grouped} bytes)", amount.trim_end_matches('0').trim_end_matches('.'))
}

/// Get-MigrationStatistics: all batches together.
pub fn totals(call: &mut Call<'_>) -> Outcome {
    let rows: Vec<&MigrationRow> = call.world.tenant.batches.values().flat_map(|b| &b.rows).collect();
    let count = |wanted: &str| rows.iter().filter(|r| summary(&r.status) == wanted).count();
    Ok(Output::rows(vec![json!({
        "Identity": "", "MigrationType": "ExchangeOutlookAnywhere", "DiagnosticInfo": "",
        "ActiveCount": count("Active"), "FailedCount": count("Failed"), "FinalizedCount": 0,
        "PendingCount": rows.iter().filter(|r| r.status == "Queued").count(),
        "ProvisionedCount": rows.iter().filter(|r| ["Syncing", "Synced"].contains(&r.status.as_str())).count(),
        "StoppedCount": count("Stopped"), "SyncedCount": count("Synced"), "TotalCount": rows.len(),
    })]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::invoke::number_of;

    #[test]
    fn sizes_are_printed_as_exchange_prints_them() {
        assert_eq!(size(1_610_612_736), "1.5 GB (1,610,612,736 bytes)");
        assert_eq!(number_of(&json!(size(4_999))), Some(4_999));
        assert_eq!(size(0), "0 B (0 bytes)");
    }
}
