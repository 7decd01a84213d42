//! Domains: their records, and the proof that they are ours.
//!
//! Verification asks the authoritative zone of the world's DNS, as it stands at
//! that moment, for the TXT value that the tenant gave out.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::{Outcome, Refusal, bad_request, collection, no_such};
use crate::lab::world::CloudDomain;
use crate::lab::{World, sync};
use crate::wire::dns::{absolute, relative};

fn custom<'a>(world: &'a World, id: &str) -> Result<&'a CloudDomain, Refusal> {
    world.tenant.domains.get(&id.to_lowercase()).ok_or_else(|| no_such(id))
}

fn value(world: &World, name: &str) -> Value {
    let initial = name.eq_ignore_ascii_case(&world.tenant.initial_domain);
    let verified = initial || world.tenant.domains.get(name).is_some_and(|d| d.verified);
    let first = world.company.domains.first().is_some_and(|d| d == name);
    json!({
        "id": name, "authenticationType": "Managed", "availabilityStatus": null, "isAdminManaged": true,
        "isDefault": first, "isInitial": initial, "isRoot": true, "isVerified": verified,
        "supportedServices": if verified { json!(["Email", "OfficeCommunicationsOnline"]) } else { json!([]) },
        "passwordValidityPeriodInDays": 2147483647, "passwordNotificationWindowInDays": 14,
        "manufacturer": null, "model": null, "state": null,
    })
}

/// GET /domains.
pub fn list(world: &World) -> Answer {
    let mut rows = vec![value(world, &world.tenant.initial_domain)];
    rows.extend(world.tenant.domains.keys().map(|name| value(world, name)));
    collection("domains", rows)
}

/// GET /domains/{id}.
pub fn one(world: &World, id: &str) -> Outcome {
    let id = id.to_lowercase();
    if id != world.tenant.initial_domain.to_lowercase() {
        custom(world, &id)?;
    }
    Ok(Answer::json(200, &value(world, &id)))
}

fn record(world: &World, kind: &str, label: &str, own: &Value) -> Value {
    let suffix = match kind {
        "Mx" => "domainDnsMxRecord",
        "CName" => "domainDnsCnameRecord",
        _ => "domainDnsTxtRecord",
    };
    let mut record = json!({
        "@odata.type": format!("#microsoft.graph.{suffix}"),
        "id": world.guid("dns record", &format!("{kind} {label} {own}")).to_string(),
        "label": label, "recordType": kind, "ttl": 3600, "isOptional": false, "supportedService": "Email",
    });
    if let (Some(record), Some(own)) = (record.as_object_mut(), own.as_object()) {
        record.extend(own.clone());
    }
    record
}

/// GET /domains/{id}/verificationDnsRecords.
pub fn verification_records(world: &World, id: &str) -> Outcome {
    let domain = custom(world, id)?;
    let digits: String = domain.verification.chars().filter(char::is_ascii_digit).collect();
    let id = id.to_lowercase();
    Ok(collection(
        "domains/verificationDnsRecords",
        vec![
            record(world, "Txt", &id, &json!({"text": domain.verification})),
            record(world, "Mx", &id, &json!({"mailExchange": format!("ms{digits}.msv1.invalid"), "preference": 32767})),
        ],
    ))
}

/// GET /domains/{id}/serviceConfigurationRecords.
pub fn service_records(world: &World, id: &str) -> Outcome {
    let domain = custom(world, id)?;
    let id = id.to_lowercase();
    let mx = relative(&domain.mx_host);
    Ok(collection(
        "domains/serviceConfigurationRecords",
        vec![
            record(world, "Mx", &id, &json!({"mailExchange": mx, "preference": 0})),
            record(world, "Txt", &id, &json!({"text": "v=spf1 include:spf.protection.outlook.com -all"})),
            record(
                world,
                "CName",
                &format!("autodiscover.{id}"),
                &json!({"canonicalName": "autodiscover.outlook.com"}),
            ),
        ],
    ))
}

/// GET /domains/{id}/domainNameReferences.
pub fn references(world: &World, id: &str) -> Outcome {
    custom(world, id)?;
    let ending = format!("@{}", id.to_lowercase());
    let rows = world
        .tenant
        .users
        .values()
        .filter(|u| {
            u.upn.to_lowercase().ends_with(&ending) || u.proxies.iter().any(|p| p.to_lowercase().ends_with(&ending))
        })
        .map(|u| {
            json!({"@odata.type": "#microsoft.graph.user", "id": u.id.to_string(), "userPrincipalName": u.upn,
                "displayName": u.display_name, "mail": u.mail})
        })
        .collect();
    Ok(collection("directoryObjects", rows))
}

/// POST /domains/{id}/verify.
pub fn verify(world: &mut World, id: &str) -> Outcome {
    let id = id.to_lowercase();
    let domain = custom(world, &id)?;
    if domain.verified {
        return Err(bad_request(format!("The domain '{id}' is already verified.")));
    }
    let apex = absolute(&id);
    let zone = world.zones.values().filter(|z| apex == z.apex || apex.ends_with(&format!(".{}", z.apex)));
    let zone = zone.max_by_key(|z| z.apex.len());
    let texts = zone.and_then(|z| z.sets.get(&(apex.clone(), "TXT".to_owned())));
    if !texts.is_some_and(|set| set.values.contains(&domain.verification)) {
        return Err(bad_request(
            "Domain verification failed with the following error: 'CannotVerifyDomain: The DNS record wasn't found. \
             It can take up to 72 hours for a new record to be seen.'",
        ));
    }
    if let Some(domain) = world.tenant.domains.get_mut(&id) {
        domain.verified = true;
    }
    world.wrote("graph", &id, "domain-verified");
    world.event(&id, "domain_verified", "");
    sync::domains_changed(world);
    let mut answer = value(world, &id);
    answer["availabilityStatus"] = json!("AvailableImmediately");
    Ok(Answer::json(200, &answer))
}
