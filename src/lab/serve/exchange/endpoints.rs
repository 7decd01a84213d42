//! Migration endpoints and the test of a connection.
//!
//! Making or changing one calls out to the old side unless `SkipVerification`
//! says otherwise; a failed test is an object with `Result` `Failed`, not an
//! error. Passwords are checked and forgotten.

use serde_json::{Value, json};

use super::{Call, Outcome, Output, Refusal, not_found, refuse};
use crate::lab::World;
use crate::lab::serve::accounts::{self, Account};
use crate::lab::serve::state::lock;
use crate::lab::world::Endpoint;

/// Connections at a time that a tenant has.
const MOST_AT_ONCE: u64 = 300;

const OUTLOOK_ANYWHERE: &str = "ExchangeOutlookAnywhere";

/// What the service would connect to.
struct Settings<'a> {
    exchange_server: &'a str,
    rpc_proxy: &'a str,
    authentication: &'a str,
    credential: Option<(&'a str, &'a str)>,
}

/// Connects as the service would; the text is what it would say.
fn connect(world: &World, settings: &Settings<'_>) -> Result<(), String> {
    let unreachable = || {
        "MigrationTransientException: We weren't able to connect to the remote server. Please verify that the \
         migration endpoint settings are correct and your certificate is valid, and then try again. Consider using the \
         Exchange Remote Connectivity Analyzer (https://testexchangeconnectivity.com) to diagnose the connectivity \
         issues. --> Error 0x6ba (The RPC server is unavailable) from cli_NspiBind"
            .to_owned()
    };
    let known = settings.rpc_proxy.eq_ignore_ascii_case(&world.company.mail_host)
        && same_server(settings.exchange_server, &world.company.server);
    // The old proxy offers Basic and nothing else.
    if !known || settings.authentication != "Basic" {
        return Err(unreachable());
    }
    let Some((user, password)) = settings.credential else { return Ok(()) };
    match accounts::sign_in(world, user, password) {
        Ok(Account::Migration) => Ok(()),
        _ => Err("MigrationPermanentException: Couldn't connect to the source mailbox. \
                  Microsoft Exchange couldn't sign in to the user's on-premises account."
            .into()),
    }
}

/// Whole name or host part.
fn same_server(given: &str, server: &str) -> bool {
    given.eq_ignore_ascii_case(server) || server.split('.').next().is_some_and(|h| h.eq_ignore_ascii_case(given))
}

/// Servers that Autodiscover would name for an address.
fn discovered(call: &Call<'_>) -> Option<(String, String)> {
    if !call.arguments.is_set("Autodiscover") || call.world.company.exchange == "2003" {
        return None;
    }
    let address = call.arguments.text("EmailAddress")?;
    lock(&call.state.index).by_address(call.world, address)?;
    Some((call.world.company.server.clone(), call.world.company.mail_host.clone()))
}

/// New-MigrationEndpoint.
pub fn new(call: &mut Call<'_>) -> Outcome {
    let name = call.arguments.text("Name").unwrap_or_default().to_owned();
    if !call.arguments.is_set("ExchangeOutlookAnywhere") || !call.arguments.has("Credentials") {
        return Err(refuse(
            "ParameterBindingException",
            "Parameter set cannot be resolved using the specified named parameters.",
        ));
    }
    if call.world.tenant.endpoints.contains_key(&name.to_lowercase()) {
        return Err(refuse(
            "MigrationEndpointAlreadyExistsException",
            format!("A migration endpoint with the name '{name}' already exists."),
        ));
    }
    let (server, proxy) = match discovered(call) {
        Some(found) => found,
        None => {
            let text = |n: &str| call.arguments.text(n).unwrap_or_default().to_owned();
            (text("ExchangeServer"), text("RpcProxyServer"))
        }
    };
    let (user, password) = call.arguments.credential("Credentials").unwrap_or_default();
    let endpoint = Endpoint {
        name: name.clone(),
        kind: OUTLOOK_ANYWHERE.into(),
        exchange_server: server,
        rpc_proxy: proxy,
        user: user.to_owned(),
        at_once: at_once(call)?.unwrap_or(20),
        permission: call.arguments.text("MailboxPermission").unwrap_or("Admin").to_owned(),
        authentication: call.arguments.text("Authentication").unwrap_or("Basic").to_owned(),
    };
    verify(call, &endpoint, Some((user, password)))?;
    let answer = row(&endpoint);
    call.world.tenant.endpoints.insert(name.to_lowercase(), endpoint);
    call.world.wrote("exchange", &name, "endpoint-created");
    call.world.event(&name, "endpoint_created", "");
    Ok(Output::rows(vec![answer]))
}

fn verify(call: &Call<'_>, endpoint: &Endpoint, credential: Option<(&str, &str)>) -> Result<(), Refusal> {
    if call.arguments.is_set("SkipVerification") {
        return Ok(());
    }
    let settings = Settings {
        exchange_server: &endpoint.exchange_server,
        rpc_proxy: &endpoint.rpc_proxy,
        authentication: &endpoint.authentication,
        credential,
    };
    connect(call.world, &settings).map_err(|text| refuse("MigrationTransientException", text))
}

fn at_once(call: &Call<'_>) -> Result<Option<u64>, Refusal> {
    match call.arguments.limit("MaxConcurrentMigrations") {
        None => Ok(None),
        Some(limit) => {
            let limit = limit.unwrap_or(MOST_AT_ONCE);
            if (1..=MOST_AT_ONCE).contains(&limit) {
                return Ok(Some(limit));
            }
            Err(refuse(
                "MigrationMaxConcurrentMigrationsException",
                format!("MaxConcurrentMigrations must be between 1 and {MOST_AT_ONCE}."),
            ))
        }
    }
}

/// Get-MigrationEndpoint.
pub fn get(call: &mut Call<'_>) -> Outcome {
    if let Some(identity) = call.arguments.text("Identity") {
        let endpoint = call.world.tenant.endpoints.get(&identity.to_lowercase()).ok_or_else(|| not_found(identity))?;
        return Ok(Output::rows(vec![row(endpoint)]));
    }
    let kind = call.arguments.text("Type");
    let all = call.world.tenant.endpoints.values().filter(|e| kind.is_none_or(|k| e.kind.eq_ignore_ascii_case(k)));
    Ok(Output::rows(all.map(row).collect()))
}

/// Set-MigrationEndpoint.
pub fn set(call: &mut Call<'_>) -> Outcome {
    let identity = call.arguments.text("Identity").unwrap_or_default().to_owned();
    let key = identity.to_lowercase();
    let old = call.world.tenant.endpoints.get(&key).cloned().ok_or_else(|| not_found(&identity))?;
    let mut endpoint = old.clone();
    let arguments = &call.arguments;
    for (name, slot) in [
        ("ExchangeServer", &mut endpoint.exchange_server),
        ("RpcProxyServer", &mut endpoint.rpc_proxy),
        ("Authentication", &mut endpoint.authentication),
        ("MailboxPermission", &mut endpoint.permission),
    ] {
        if let Some(text) = arguments.text(name) {
            *slot = text.to_owned();
        }
    }
    if let Some(limit) = at_once(call)? {
        endpoint.at_once = limit;
    }
    let credential = call.arguments.credential("Credentials");
    if let Some((user, _)) = credential {
        endpoint.user = user.to_owned();
    }
    verify(call, &endpoint, credential)?;
    let changed = row(&endpoint) != row(&old) || credential.is_some();
    if !changed {
        let text = format!("The command completed successfully but no settings of '{identity}' have been modified.");
        return Ok(Output::warned(vec![text]));
    }
    let name = endpoint.name.clone();
    call.world.tenant.endpoints.insert(key, endpoint);
    call.world.wrote("exchange", &name, "endpoint-set");
    call.world.event(&name, "endpoint_changed", "");
    Ok(Output::default())
}

/// Remove-MigrationEndpoint.
pub fn remove(call: &mut Call<'_>) -> Outcome {
    let identity = call.arguments.text("Identity").unwrap_or_default().to_owned();
    let key = identity.to_lowercase();
    let endpoint = call.world.tenant.endpoints.get(&key).ok_or_else(|| not_found(&identity))?;
    let name = endpoint.name.clone();
    let user = call.world.tenant.batches.values().find(|b| b.endpoint.eq_ignore_ascii_case(&name));
    if let Some(batch) = user {
        let text = format!(
            "The migration endpoint '{name}' can't be removed because it is used by the migration batch '{}'.",
            batch.name
        );
        return Err(refuse("CannotRemoveEndpointWithAssociatedBatchesException", text));
    }
    call.world.tenant.endpoints.remove(&key);
    call.world.wrote("exchange", &name, "endpoint-removed");
    call.world.event(&name, "endpoint_removed", "");
    Ok(Output::default())
}

/// Test-MigrationServerAvailability.
pub fn test(call: &mut Call<'_>) -> Outcome {
    let stored = match call.arguments.text("Endpoint") {
        Some(name) => {
            let endpoint = call.world.tenant.endpoints.get(&name.to_lowercase()).ok_or_else(|| not_found(name))?;
            Some(endpoint.clone())
        }
        None => None,
    };
    let (server, proxy, authentication) = match (&stored, discovered(call)) {
        (Some(e), _) => (e.exchange_server.clone(), e.rpc_proxy.clone(), e.authentication.clone()),
        (None, _) if !call.arguments.is_set("ExchangeOutlookAnywhere") => {
            return Err(refuse(
                "ParameterBindingException",
                "Parameter set cannot be resolved using the specified named parameters.",
            ));
        }
        (None, found) => {
            let text = |n: &str| call.arguments.text(n).unwrap_or_default().to_owned();
            let (server, proxy) = found.unwrap_or_else(|| (text("ExchangeServer"), text("RPCProxyServer")));
            (server, proxy, call.arguments.text("Authentication").unwrap_or("Basic").to_owned())
        }
    };
    let settings = Settings {
        exchange_server: &server,
        rpc_proxy: &proxy,
        authentication: &authentication,
        credential: call.arguments.credential("Credentials"),
    };
    let outcome = connect(call.world, &settings);
    let detail = match &outcome {
        Ok(()) => Value::Null,
        Err(text) => json!(format!("internal error:{text}")),
    };
    let message = outcome.as_ref().err().map_or(String::new(), |t| t.split(" --> ").next().unwrap_or(t).to_owned());
    Ok(Output::rows(vec![json!({
        "RunspaceId": call.world.guid("runspace", &call.world.tenant.initial_domain).to_string(),
        "Result": if outcome.is_ok() { "Success" } else { "Failed" },
        "Message": message,
        "ConnectionSettings": format!("<ExchangeConnectionSettings ExchangeServer='{server}' RpcProxyServer='{proxy}' />"),
        "SupportsCutover": false,
        "ErrorDetail": detail,
        "IsValid": true,
    })]))
}

fn row(endpoint: &Endpoint) -> Value {
    json!({
        "Identity": endpoint.name,
        "EndpointType": endpoint.kind,
        "ExchangeServer": endpoint.exchange_server,
        "RpcProxyServer": endpoint.rpc_proxy,
        "RemoteServer": null,
        "NspiServer": null,
        "Port": null,
        "Security": null,
        "Username": endpoint.user,
        "Authentication": endpoint.authentication,
        "MailboxPermission": endpoint.permission,
        "UseAutoDiscover": false,
        "AcceptUntrustedCertificates": false,
        "SourceMailboxLegacyDN": null,
        "MaxConcurrentMigrations": endpoint.at_once.to_string(),
        "MaxConcurrentIncrementalSyncs": endpoint.at_once.min(10).to_string(),
        "ActiveMigrationCount": null,
        "ActiveIncrementalSyncCount": null,
        "IsValid": true,
    })
}
