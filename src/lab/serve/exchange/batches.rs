//! Migration batches: made, listed, started, stopped, removed.
//!
//! Which verb is legal in which state is checked here; the work itself is done
//! by the world's clock (`lab::batches`). Staged batches cannot be completed,
//! and no other kind is made here.

use serde_json::{Value, json};

use super::{Call, Outcome, Output, Refusal, csv_file, not_found, refuse};
use crate::lab::World;
use crate::lab::batches as work;
use crate::lab::world::{Batch, MigrationRow};
use crate::wire::guid::Guid;
use jiff::Timestamp;

/// Batches of a tenant (`MaxNumberOfBatches`).
pub const MOST_BATCHES: usize = 100;
/// Characters of a name.
const LONGEST_NAME: usize = 64;

/// How the service says "not yet".
pub fn date(time: Option<Timestamp>) -> String {
    match time {
        Some(time) => super::super::answer::iso(time),
        None => "1601-01-01T00:00:00Z".into(),
    }
}

/// New-MigrationBatch.
pub fn new(call: &mut Call<'_>) -> Outcome {
    let name = call.arguments.text("Name").unwrap_or_default().trim().to_owned();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(refuse(
            "ParameterBindingException",
            format!("The name of a migration batch must have between 1 and {LONGEST_NAME} characters."),
        ));
    }
    let key = name.to_lowercase();
    let now = call.world.now;
    call.world.tenant.removed_names.retain(|_, until| *until > now);
    if call.world.tenant.batches.contains_key(&key) || call.world.tenant.removed_names.contains_key(&key) {
        return Err(refuse("MigrationBatchAlreadyExistsException", "The migration batch already exists."));
    }
    if call.world.tenant.batches.len() >= MOST_BATCHES {
        return Err(refuse(
            "MaximumNumberOfBatchesReachedException",
            "The maximum number of migration batches is already running. Please remove a batch before you add another one",
        ));
    }
    let endpoint = call.arguments.text("SourceEndpoint").ok_or_else(|| {
        refuse("SourceEndpointNullException", "You must specify a SourceEndpoint for an onboarding migration batch.")
    })?;
    let endpoint = call
        .world
        .tenant
        .endpoints
        .get(&endpoint.to_lowercase())
        .map(|e| e.name.clone())
        .ok_or_else(|| not_found(endpoint))?;
    let Some(bytes) = call.arguments.bytes("CSVData") else {
        // Without a file it is a cutover of the whole organization.
        return Err(refuse(
            "MigrationPermanentException",
            "A cutover migration can't be created because directory synchronization is enabled for this organization. \
             Provide CSVData for a staged migration.",
        ));
    };
    let file = csv_file::read(bytes, call.arguments.is_set("AllowUnknownColumnsInCsv"))?;
    let guid = call.world.guid("batch", &format!("{key} {}", now.as_second()));
    let rows = file.addresses.iter().map(|a| new_row(call.world, guid, a)).collect();
    let batch = Batch {
        name: name.clone(),
        guid,
        endpoint,
        status: "Created".into(),
        created: now,
        started: None,
        touched: now,
        rows,
    };
    let total = batch.rows.len();
    call.world.tenant.batches.insert(key.clone(), batch);
    call.world.wrote("exchange", &name, "batch-created");
    call.world.event(&name, "batch_created", format!("{total} rows"));
    if call.arguments.is_set("AutoStart") {
        begin(call.world, &key, &name);
    }
    let batch = call.world.tenant.batches.get(&key).ok_or_else(|| not_found(&name))?;
    Ok(Output { rows: vec![row(batch, &file.warnings)], warnings: file.warnings, total: None })
}

fn new_row(world: &World, batch: Guid, address: &str) -> MigrationRow {
    MigrationRow::queued(address, world.guid("migration user", &format!("{batch} {}", address.to_lowercase())))
}

fn begin(world: &mut World, key: &str, name: &str) {
    world.wrote("exchange", name, "batch-started");
    work::begin(world, key);
}

/// Get-MigrationBatch.
pub fn get(call: &mut Call<'_>) -> Outcome {
    if let Some(identity) = call.arguments.text("Identity") {
        let key = find(call.world, identity)?;
        let batch = call.world.tenant.batches.get(&key).ok_or_else(|| not_found(identity))?;
        return Ok(Output::rows(vec![row(batch, &[])]));
    }
    let endpoint = call.arguments.text("Endpoint");
    let status = call.arguments.text("Status");
    let rows = call
        .world
        .tenant
        .batches
        .values()
        .filter(|b| endpoint.is_none_or(|e| b.endpoint.eq_ignore_ascii_case(e)))
        .filter(|b| status.is_none_or(|s| b.status.eq_ignore_ascii_case(s)))
        .map(|b| row(b, &[]))
        .collect();
    Ok(Output::rows(rows))
}

/// The key of a batch by name or GUID.
pub fn find(world: &World, identity: &str) -> Result<String, Refusal> {
    let key = identity.to_lowercase();
    if world.tenant.batches.contains_key(&key) {
        return Ok(key);
    }
    let guid = Guid::parse(identity);
    let by_guid = world.tenant.batches.iter().find(|(_, b)| Some(b.guid) == guid).map(|(k, _)| k.clone());
    by_guid.ok_or_else(|| not_found(identity))
}

/// Identity, status and name of the batch that a verb names.
fn target(call: &Call<'_>) -> Result<(String, String, String), Refusal> {
    let identity = call
        .arguments
        .text("Identity")
        .ok_or_else(|| refuse("ParameterBindingException", "You must specify the Identity of a migration batch."))?;
    let key = find(call.world, identity)?;
    let batch = call.world.tenant.batches.get(&key).ok_or_else(|| not_found(identity))?;
    Ok((key, batch.status.clone(), batch.name.clone()))
}

/// Start-MigrationBatch.
pub fn start(call: &mut Call<'_>) -> Outcome {
    let (key, status, name) = target(call)?;
    let failed = call.world.tenant.batches.get(&key).is_some_and(|b| b.rows.iter().any(|r| r.status == "Failed"));
    let legal = match status.as_str() {
        "Created" | "Stopped" | "Failed" | "SyncedWithErrors" | "CompletedWithErrors" => true,
        "Removing" | "Stopping" | "Corrupted" => false,
        _ => failed,
    };
    if !legal {
        return Err(wrong_state("started", &name, &status));
    }
    begin(call.world, &key, &name);
    Ok(Output::default())
}

/// Stop-MigrationBatch.
pub fn stop(call: &mut Call<'_>) -> Outcome {
    let (key, status, name) = target(call)?;
    if !["Syncing", "Starting", "Waiting", "Synced", "IncrementalSyncing", "SyncedWithErrors"]
        .contains(&status.as_str())
    {
        return Err(wrong_state("stopped", &name, &status));
    }
    call.world.wrote("exchange", &name, "batch-stopped");
    work::stop(call.world, &key);
    Ok(Output::default())
}

/// Complete-MigrationBatch: never for the kind that the lab makes.
pub fn complete(call: &mut Call<'_>) -> Outcome {
    let (_, _, name) = target(call)?;
    Err(refuse(
        "MigrationPermanentException",
        format!(
            "The migration batch '{name}' can't be completed. Completion isn't supported for staged Exchange migrations."
        ),
    ))
}

/// Remove-MigrationBatch.
pub fn remove(call: &mut Call<'_>) -> Outcome {
    let (key, status, name) = target(call)?;
    let running = ["Syncing", "Starting", "Stopping", "Completing", "Removing", "IncrementalSyncing"];
    if running.contains(&status.as_str()) {
        return Err(wrong_state("removed", &name, &status));
    }
    if status == "Corrupted" {
        return Err(not_found(&name));
    }
    call.world.wrote("exchange", &name, "batch-removed");
    work::remove(call.world, &key);
    Ok(Output::default())
}

/// Set-MigrationBatch: only what a staged batch has to set.
pub fn set(call: &mut Call<'_>) -> Outcome {
    let (key, status, name) = target(call)?;
    if status == "Removing" {
        return Err(wrong_state("changed", &name, &status));
    }
    if call.arguments.is_set("AddUsers") {
        return add_users(call, &key, &name);
    }
    if call.arguments.has("CSVData") && status != "Created" {
        return Err(wrong_state("changed", &name, &status));
    }
    if let Some(bytes) = call.arguments.bytes("CSVData") {
        let file = csv_file::read(bytes, call.arguments.is_set("AllowUnknownColumnsInCsv"))?;
        let guid = call.world.tenant.batches.get(&key).map_or(Guid::NIL, |b| b.guid);
        let rows: Vec<MigrationRow> = file.addresses.iter().map(|a| new_row(call.world, guid, a)).collect();
        if let Some(batch) = call.world.tenant.batches.get_mut(&key) {
            batch.rows = rows;
        }
        call.world.wrote("exchange", &name, "batch-set");
        return Ok(Output::warned(file.warnings));
    }
    let settings =
        call.arguments.names().filter(|n| !["Identity", "Confirm", "WhatIf", "Partition"].contains(n)).count();
    let warnings = if settings == 0 {
        vec![format!("The command completed successfully but no settings of '{name}' have been modified.")]
    } else {
        Vec::new()
    };
    Ok(Output::warned(warnings))
}

fn add_users(call: &mut Call<'_>, key: &str, name: &str) -> Outcome {
    let bytes = call
        .arguments
        .bytes("CSVData")
        .ok_or_else(|| refuse("ParameterBindingException", "You must specify CSVData together with AddUsers."))?;
    let file = csv_file::read(bytes, call.arguments.is_set("AllowUnknownColumnsInCsv"))?;
    let Some(batch) = call.world.tenant.batches.get(key) else { return Err(not_found(name)) };
    let guid = batch.guid;
    let is_new = |a: &&String| !batch.rows.iter().any(|r| r.address.eq_ignore_ascii_case(a));
    let fresh: Vec<MigrationRow> = file.addresses.iter().filter(is_new).map(|a| new_row(call.world, guid, a)).collect();
    if batch.rows.len() + fresh.len() > csv_file::MOST_ROWS {
        return Err(refuse("MigrationPermanentException", "The batch would have more than 2,000 users."));
    }
    let added = fresh.len();
    if let Some(batch) = call.world.tenant.batches.get_mut(key) {
        batch.rows.extend(fresh);
    }
    if added > 0 {
        call.world.wrote("exchange", name, "batch-set");
        call.world.event(name, "batch_users_added", format!("{added} rows"));
    }
    Ok(Output::warned(file.warnings))
}

/// No text of the service is published for an illegal verb; this is the lab's.
fn wrong_state(verb: &str, name: &str, status: &str) -> Refusal {
    refuse(
        "InvalidOperationForMigrationStateException",
        format!("The migration batch '{name}' can't be {verb} because its status is {status}."),
    )
}

/// StatusSummary of a user's status.
pub fn summary(status: &str) -> &'static str {
    match status {
        "Synced" | "IncrementalSynced" | "IncrementalSyncing" | "CompletionSynced" => "Synced",
        "Failed" | "IncrementalFailed" | "CompletionFailed" | "Corrupted" => "Failed",
        "Completed" | "CompletedWithWarnings" => "Completed",
        "Stopped" | "IncrementalStopped" => "Stopped",
        _ => "Active",
    }
}

/// How a batch looks from outside; `Identity` is wrapped, as some have seen it.
fn row(batch: &Batch, warnings: &[String]) -> Value {
    let count = |wanted: &str| batch.rows.iter().filter(|r| summary(&r.status) == wanted).count();
    let is = |status: &str| batch.rows.iter().filter(|r| r.status == status).count();
    let provisioned = batch.rows.iter().filter(|r| ["Syncing", "Synced"].contains(&r.status.as_str())).count();
    let stage = match batch.status.as_str() {
        "Created" => "Discovery",
        "Starting" => "Validation",
        _ => "Processing",
    };
    let state = match batch.status.as_str() {
        "Created" | "Waiting" => "Waiting",
        "Stopped" => "Stopped",
        "Failed" => "Failed",
        "Corrupted" => "Corrupted",
        "Completed" | "CompletedWithErrors" => "Completed",
        _ => "Active",
    };
    let initial = batch.rows.iter().filter_map(|r| r.synced).max();
    let mut row = json!({
        "Identity@odata.type": "#Exchange.GenericHashTable",
        "Identity": {"Name": batch.name, "Id": batch.name},
        "BatchGuid": batch.guid.to_string(),
        "Status@odata.type": "#Exchange.MigrationBatchStatus",
        "Status": batch.status,
        "State": state,
        "WorkflowStage": stage,
        "MigrationType": "ExchangeOutlookAnywhere",
        "BatchDirection": "Onboarding",
        "TotalCount": batch.rows.len(),
        "ActiveCount": count("Active"),
        "StoppedCount": count("Stopped"),
        "SyncedCount": count("Synced"),
        "FinalizedCount": 0,
        "FailedCount": count("Failed"),
        "FailedInitialSyncCount": count("Failed"),
        "FailedIncrementalSyncCount": 0,
        "CompletedWithWarningCount": 0,
    });
    let more = json!({
        "PendingCount": is("Queued"),
        "ProvisionedCount": provisioned,
        "CreationDateTime": date(Some(batch.created)),
        "CreationDateTimeUTC": date(Some(batch.created)),
        "StartDateTime": date(batch.started),
        "StartDateTimeUTC": date(batch.started),
        "InitialSyncDateTime": date(initial),
        "LastSyncedDateTime": date(initial),
        "FinalizedDateTime": date(None),
        "StartAfter": null,
        "StartAfterUTC": null,
        "CompleteAfter": null,
        "CompleteAfterUTC": null,
        "SourceEndpoint": {"Identity": {"Id": batch.endpoint}, "EndpointType": "ExchangeOutlookAnywhere"},
        "TargetEndpoint": null,
        "TargetDeliveryDomain": null,
        "NotificationEmails": [],
        "BadItemLimit": "Unlimited",
        "LargeItemLimit": "Unlimited",
        "MoveOptions": [],
        "SkipMerging": [],
        "DataConsistencyScore": "Perfect",
        "ValidationWarnings": warnings,
        "Report": null,
        "IsValid": true,
    });
    if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
        row.extend(more);
    }
    row
}
