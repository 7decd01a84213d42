//! Accepted domains, connectors, and the organization's own settings.

use serde_json::{Value, json};

use super::batches::MOST_BATCHES;
use super::{Call, Outcome, Output, not_found, refuse};
use crate::lab::mail;
use crate::lab::world::{CloudDomain, Connector};

/// Get-MigrationConfig.
pub fn migration_config(call: &mut Call<'_>) -> Outcome {
    let free = call.world.tenant.batches.len() < MOST_BATCHES;
    Ok(Output::rows(vec![json!({
        "Identity": call.world.tenant.initial_domain,
        "MaxNumberOfBatches": MOST_BATCHES,
        "MaxConcurrentMigrations": "300",
        "CanSubmitNewBatch": free,
        "Features": "MultiBatch",
        "IsValid": true,
    })]))
}

/// Get-OrganizationConfig.
pub fn organization_config(call: &mut Call<'_>) -> Outcome {
    let world = &*call.world;
    Ok(Output::rows(vec![json!({
        "Identity": world.tenant.initial_domain,
        "Name": world.tenant.initial_domain,
        "DisplayName": world.company.name,
        "ExternalDirectoryOrganizationId": world.tenant.id.to_string(),
        "IsDehydrated": false,
        "MailTipsExternalRecipientsTipsEnabled": false,
        "RejectDirectSend": world.tenant.door.reject_direct_send,
    })]))
}

/// Get-AcceptedDomain.
pub fn accepted_domains(call: &mut Call<'_>) -> Outcome {
    let tenant = &call.world.tenant;
    let initial = (tenant.initial_domain.clone(), "Authoritative".to_owned());
    let custom = tenant.domains.iter().filter(|(_, d)| d.verified).map(|(n, d)| (n.clone(), d.domain_type.clone()));
    let first = call.world.company.domains.first().cloned().unwrap_or_default();
    let identity = call.arguments.text("Identity");
    let rows: Vec<Value> = std::iter::once(initial)
        .chain(custom)
        .filter(|(name, _)| identity.is_none_or(|i| i.eq_ignore_ascii_case(name)))
        .map(|(name, kind)| {
            json!({
                "Identity": name, "Name": name, "DomainName": name, "DomainType": kind,
                "Default": name == first, "MatchSubDomains": false, "InitialDomain": name == tenant.initial_domain,
                "SendingFromDomainDisabled": false, "SendingToDomainDisabled": false, "IsValid": true,
            })
        })
        .collect();
    match (identity, rows.is_empty()) {
        (Some(identity), true) => Err(not_found(identity)),
        _ => Ok(Output::rows(rows)),
    }
}

/// Set-AcceptedDomain.
pub fn set_accepted_domain(call: &mut Call<'_>) -> Outcome {
    let identity = call.arguments.text("Identity").unwrap_or_default().to_lowercase();
    let wanted = call.arguments.text("DomainType").map(str::to_owned);
    if identity == call.world.tenant.initial_domain.to_lowercase() && wanted.as_deref() == Some("InternalRelay") {
        return Err(refuse(
            "ADObjectOperationException",
            format!("You can't change the type of the initial domain '{identity}'."),
        ));
    }
    let domain: Option<&mut CloudDomain> = call.world.tenant.domains.get_mut(&identity).filter(|d| d.verified);
    let domain = domain.ok_or_else(|| not_found(&identity))?;
    match wanted {
        Some(kind) if kind != domain.domain_type => {
            domain.domain_type.clone_from(&kind);
            call.world.wrote("exchange", &identity, "domain-type");
            call.world.event(&identity, "domain_type", kind);
            mail::forget_routes(call.world);
            Ok(Output::default())
        }
        _ => {
            let text =
                format!("The command completed successfully but no settings of '{identity}' have been modified.");
            Ok(Output::warned(vec![text]))
        }
    }
}

/// Get-InboundConnector.
pub fn inbound_connectors(call: &mut Call<'_>) -> Outcome {
    connectors(call, false)
}

/// Get-OutboundConnector.
pub fn outbound_connectors(call: &mut Call<'_>) -> Outcome {
    connectors(call, true)
}

fn connectors(call: &mut Call<'_>, outbound: bool) -> Outcome {
    let identity = call.arguments.text("Identity");
    let all = call.world.tenant.connectors.iter().filter(|c| c.outbound == outbound);
    let rows: Vec<Value> =
        all.filter(|c| identity.is_none_or(|i| c.name.eq_ignore_ascii_case(i))).map(connector).collect();
    match (identity, rows.is_empty()) {
        (Some(identity), true) => Err(not_found(identity)),
        _ => Ok(Output::rows(rows)),
    }
}

fn connector(connector: &Connector) -> Value {
    let mut row = json!({
        "Identity": connector.name,
        "Name": connector.name,
        "Enabled": connector.enabled,
        "ConnectorType": connector.kind,
        "ConnectorSource": "Default",
        "CloudServicesMailEnabled": connector.kind == "OnPremises",
        "IsValid": true,
    });
    let own = if connector.outbound {
        json!({
            "RecipientDomains": connector.domains,
            "SmartHosts": connector.smart_hosts,
            "UseMXRecord": connector.smart_hosts.is_empty(),
            "RouteAllMessagesViaOnPremises": false,
            "TlsSettings": "EncryptionOnly",
            "TlsDomain": null,
            "IsTransportRuleScoped": false,
        })
    } else {
        json!({
            "SenderDomains": connector.domains.iter().map(|d| format!("smtp:{d};1")).collect::<Vec<_>>(),
            "SenderIPAddresses": [],
            "RequireTls": true,
            "TreatMessagesAsInternal": connector.treat_as_internal,
            "TlsSenderCertificateName": null,
            "RestrictDomainsToCertificate": false,
            "RestrictDomainsToIPAddresses": false,
        })
    };
    if let (Some(row), Value::Object(own)) = (row.as_object_mut(), own) {
        row.extend(own);
    }
    row
}
