//! Users, their licences, and the products of the tenant.
//!
//! Of a synchronized user only the usage location and the licences can be
//! written here. Consequences of a licence belong to `lab::licences`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::answer::{Answer, Request, iso};
use super::super::state::{State, lock};
use super::filter::Filter;
use super::{Outcome, Refusal, bad_request, collection, context, no_such};
use crate::lab::World;
use crate::lab::licences;
use crate::lab::world::{CloudUser, Sku};
use crate::wire::graph::{GET_BY_IDS_LIMIT, pairs, percent};
use crate::wire::guid::{Guid, unbase64};

/// Largest page of users.
const LARGEST_PAGE: usize = 999;
/// Page without `$top`.
const PAGE: usize = 100;

/// What a user has without `$select`.
const DEFAULT_MEMBERS: [&str; 11] = [
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
];

/// A user by object id or UPN.
pub fn find(world: &World, id: &str) -> Result<Guid, Refusal> {
    if let Some(guid) = Guid::parse(id) {
        return world.tenant.users.get(&guid).map(|u| u.id).ok_or_else(|| no_such(id));
    }
    world.tenant.users.values().find(|u| u.upn.eq_ignore_ascii_case(id)).map(|u| u.id).ok_or_else(|| no_such(id))
}

pub fn user<'a>(world: &'a World, id: &str) -> Result<&'a CloudUser, Refusal> {
    let guid = find(world, id)?;
    world.tenant.users.get(&guid).ok_or_else(|| no_such(id))
}

/// A user; of what costs most only what is selected.
fn whole(state: &State, world: &World, user: &CloudUser, select: Option<&str>) -> Value {
    let select = select.map(str::to_lowercase).filter(|s| !s.trim().is_empty());
    let wants = |name: &str| select.as_ref().is_none_or(|s| s.contains(name));
    let has_source = wants("onpremisesdistinguishedname") || wants("onpremisessamaccountname");
    let source = unbase64(&user.immutable_id)
        .filter(|_| has_source)
        .and_then(|raw| lock(&state.index).candidates(world, "objectGUID", &raw))
        .and_then(|keys| keys.first().and_then(|k| world.directory.get(k)));
    let distinguished = source.map(|o| o.entry.dn.clone());
    let account = source.and_then(|o| o.entry.text("sAMAccountName"));
    let errors: Vec<Value> = user
        .conflicts
        .iter()
        .map(|(property, value)| {
            json!({"category": "PropertyConflict", "occurredDateTime": iso(user.synced),
                "propertyCausingError": property, "value": value})
        })
        .collect();
    let off = |sku: &Guid| -> Vec<String> {
        user.disabled_plans.get(sku).into_iter().flatten().map(Guid::to_string).collect()
    };
    let assigned: Vec<Value> =
        user.licences.iter().map(|l| json!({"skuId": l.to_string(), "disabledPlans": off(l)})).collect();
    let with_states = wants("licenseassignmentstates");
    let states: Vec<Value> = user
        .licences
        .iter()
        .filter(|_| with_states)
        .map(|l| {
            json!({"skuId": l.to_string(), "disabledPlans": off(l), "assignedByGroup": null, "state": "Active",
                "error": "None", "lastUpdatedDateTime": iso(world.now)})
        })
        .collect();
    let location = if user.usage_location.is_empty() { Value::Null } else { json!(user.usage_location) };
    json!({
        "businessPhones": [], "givenName": null, "jobTitle": null, "mobilePhone": null, "officeLocation": null,
        "preferredLanguage": null, "surname": null,
        "id": user.id.to_string(),
        "displayName": user.display_name,
        "userPrincipalName": user.upn,
        "mail": if user.mail.is_empty() { Value::Null } else { json!(user.mail) },
        "mailNickname": user.alias,
        "proxyAddresses": user.proxies,
        "usageLocation": location,
        "accountEnabled": user.enabled,
        "userType": "Member",
        "onPremisesImmutableId": user.immutable_id,
        "onPremisesSyncEnabled": true,
        "onPremisesLastSyncDateTime": iso(user.synced),
        "onPremisesDistinguishedName": distinguished,
        "onPremisesSamAccountName": account,
        "onPremisesUserPrincipalName": user.upn,
        "onPremisesDomainName": world.company.domains.first(),
        "onPremisesProvisioningErrors": errors,
        "serviceProvisioningErrors": [],
        "assignedLicenses": assigned,
        "licenseAssignmentStates": states,
        "assignedPlans": if wants("assignedplans") { plans(world, user) } else { Vec::new() },
        "provisionedPlans": [],
        "showInAddressList": null,
    })
}

fn plans(world: &World, user: &CloudUser) -> Vec<Value> {
    let held = world.tenant.skus.iter().filter(|s| user.licences.contains(&s.id));
    held.flat_map(|s| &s.plans)
        .map(|(id, _)| {
            json!({"servicePlanId": id.to_string(), "service": "exchange", "capabilityStatus": "Enabled",
                "assignedDateTime": iso(world.now)})
        })
        .collect()
}

/// Keeps the selected members. Unknown ones refuse the request.
fn selected(whole: &Value, select: Option<&str>) -> Result<Value, Refusal> {
    let Some(map) = whole.as_object() else { return Ok(Value::Null) };
    let mut out = Map::new();
    match select.filter(|s| !s.trim().is_empty()) {
        None => {
            for name in DEFAULT_MEMBERS {
                out.insert(name.to_owned(), map.get(name).cloned().unwrap_or(Value::Null));
            }
        }
        Some(select) => {
            for name in select.split(',').map(str::trim).filter(|n| !n.is_empty()) {
                let found = map.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
                let (name, value) = found.ok_or_else(|| {
                    let text = format!(
                        "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type \
                         'microsoft.graph.user'."
                    );
                    (400, "BadRequest", text)
                })?;
                out.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(Value::Object(out))
}

fn is_eventual(request: &Request) -> bool {
    request.get("consistencylevel").eq_ignore_ascii_case("eventual")
}

/// The users that a request's filter leaves, in order of their ids.
fn filtered(state: &State, world: &World, request: &Request) -> Result<Vec<Guid>, Refusal> {
    let Some(text) = request.option("$filter") else { return Ok(world.tenant.users.keys().copied().collect()) };
    let unsupported = |what: &str| (400, "Request_UnsupportedQuery", what.to_owned());
    let filter =
        Filter::parse(&text).ok_or_else(|| unsupported("Unsupported or invalid query filter clause specified."))?;
    let counts = request.option("$count").is_some_and(|c| c == "true");
    if filter.is_advanced() && !(counts && is_eventual(request)) {
        return Err(unsupported(
            "Operator is not supported because the required parameters might be missing. Try adding $count=true query \
             parameter and ConsistencyLevel:eventual header.",
        ));
    }
    let users = world.tenant.users.values();
    Ok(match filter.simple() {
        Some(("proxyAddresses", text)) => {
            let text = text.to_lowercase();
            users
                .filter(|u| u.proxies.iter().any(|p| p.len() == text.len() && p.to_lowercase() == text))
                .map(|u| u.id)
                .collect()
        }
        Some(("userPrincipalName", text)) => users.filter(|u| u.upn.eq_ignore_ascii_case(text)).map(|u| u.id).collect(),
        Some(("mail", text)) => users.filter(|u| u.mail.eq_ignore_ascii_case(text)).map(|u| u.id).collect(),
        _ => users.filter(|u| filter.holds(&whole(state, world, u, None))).map(|u| u.id).collect(),
    })
}

/// GET /users.
pub fn list(state: &State, world: &World, request: &Request) -> Outcome {
    let top = match request.option("$top") {
        None => PAGE,
        Some(text) => text.parse().ok().filter(|n| (1..=LARGEST_PAGE).contains(n)).ok_or_else(|| {
            bad_request(format!(
                "Invalid page size specified: '{text}'. Must be between 1 and {LARGEST_PAGE} inclusive."
            ))
        })?,
    };
    if request.option("$search").is_some() || request.option("$orderby").is_some() || request.option("$skip").is_some()
    {
        return Err((
            400,
            "Request_UnsupportedQuery",
            "'$skip', '$search' and '$orderby' are not supported here.".into(),
        ));
    }
    let skip = match request.option("$skiptoken") {
        None => 0,
        Some(token) => token.parse().map_err(|_| bad_request("Invalid value specified for $skiptoken."))?,
    };
    let found = filtered(state, world, request)?;
    let select = request.option("$select");
    let mut rows = Vec::new();
    for user in found.iter().skip(skip).take(top).filter_map(|id| world.tenant.users.get(id)) {
        rows.push(selected(&whole(state, world, user, select.as_deref()), select.as_deref())?);
    }
    let mut body = Map::new();
    body.insert("@odata.context".into(), json!(context("users")));
    if is_eventual(request) && request.option("$count").is_some_and(|c| c == "true") {
        body.insert("@odata.count".into(), json!(found.len()));
    }
    let next = skip + rows.len();
    if next < found.len() && !rows.is_empty() {
        let kept: Vec<String> = pairs(&request.query)
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("$skiptoken"))
            .map(|(name, value)| format!("{name}={}", percent(value)))
            .collect();
        let link = format!("https://{}/v1.0/users?{}&$skiptoken={next}", request.host, kept.join("&"));
        body.insert("@odata.nextLink".into(), json!(link.replace("?&", "?")));
    }
    body.insert("value".into(), Value::Array(rows));
    Ok(Answer::json(200, &Value::Object(body)))
}

/// GET /users/$count.
pub fn count(state: &State, world: &World, request: &Request) -> Outcome {
    if !is_eventual(request) {
        return Err(bad_request("$count is not currently supported."));
    }
    let found = filtered(state, world, request)?;
    Ok(Answer::text(200, "text/plain", found.len().to_string()))
}

/// GET /users/{id}.
pub fn one(state: &State, world: &World, request: &Request, id: &str) -> Outcome {
    let user = user(world, id)?;
    let mut value = selected(
        &whole(state, world, user, request.option("$select").as_deref()),
        request.option("$select").as_deref(),
    )?;
    if let Some(map) = value.as_object_mut() {
        map.insert("@odata.context".into(), json!(context("users/$entity")));
    }
    Ok(Answer::json(200, &value))
}

fn body(request: &Request) -> Result<&Map<String, Value>, Refusal> {
    if !request.get("content-type").to_ascii_lowercase().starts_with("application/json") {
        return Err(bad_request("Write requests (excluding DELETE) must contain the Content-Type header declaration."));
    }
    request.json().and_then(Value::as_object).ok_or_else(|| bad_request("Unable to read JSON request payload."))
}

/// PATCH /users/{id}: the usage location and nothing else.
pub fn patch(world: &mut World, request: &Request, id: &str) -> Outcome {
    let changes = body(request)?;
    let guid = find(world, id)?;
    if changes.keys().any(|k| !k.eq_ignore_ascii_case("usageLocation")) {
        return Err(bad_request(
            "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects \
             currently undergoing migration.",
        ));
    }
    for value in changes.values() {
        let location = match value {
            Value::Null => String::new(),
            Value::String(text) if text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()) => {
                text.to_ascii_uppercase()
            }
            _ => return Err(bad_request("Invalid value specified for property 'usageLocation' of resource 'User'.")),
        };
        let Some(user) = world.tenant.users.get_mut(&guid) else { return Err(no_such(id)) };
        if user.usage_location == location {
            continue;
        }
        user.usage_location.clone_from(&location);
        let address = if user.mail.is_empty() { user.upn.clone() } else { user.mail.clone() };
        world.wrote("graph", &address, "usage-location");
        world.event(&address, "usage_location", location);
    }
    Ok(Answer::empty(204))
}

/// POST /users/{id}/assignLicense.
pub fn assign_license(state: &State, world: &mut World, request: &Request, id: &str) -> Outcome {
    let given = body(request)?;
    let member = |name: &str| given.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v);
    let lists = (member("addLicenses").and_then(Value::as_array), member("removeLicenses").and_then(Value::as_array));
    let (Some(add), Some(remove)) = lists else {
        let missing = if lists.0.is_none() { "addLicenses" } else { "removeLicenses" };
        return Err(bad_request(format!(
            "One or more parameters of the operation 'assignLicense' are missing from the request payload. The missing \
             parameters are: {missing}."
        )));
    };
    let sku = |value: &Value| value.as_str().and_then(Guid::parse);
    let plans = |value: &Value| -> Option<BTreeSet<Guid>> {
        value["disabledPlans"].as_array().map_or(Some(BTreeSet::new()), |l| l.iter().map(sku).collect())
    };
    let add: Option<Vec<(Guid, BTreeSet<Guid>)>> = add.iter().map(|a| Some((sku(&a["skuId"])?, plans(a)?))).collect();
    let remove: Option<Vec<Guid>> = remove.iter().map(sku).collect();
    let (Some(add), Some(remove)) = (add, remove) else {
        return Err(bad_request("Cannot convert a value to target type 'Edm.Guid'."));
    };
    let guid = find(world, id)?;
    if let Err(error) = licences::assign_plans(world, guid, &add, &remove) {
        let (status, code) = match error.code.as_str() {
            "Request_ResourceNotFound" => (404, "Request_ResourceNotFound"),
            _ => (400, "Request_BadRequest"),
        };
        return Err((status, code, error.message));
    }
    let user = world.tenant.users.get(&guid).ok_or_else(|| no_such(id))?;
    let mut value = selected(&whole(state, world, user, None), None)?;
    if let Some(map) = value.as_object_mut() {
        map.insert("@odata.context".into(), json!(context("users/$entity")));
    }
    Ok(Answer::json(200, &value))
}

fn service_plans(sku: &Sku) -> Vec<Value> {
    sku.plans
        .iter()
        .map(|(id, name)| {
            json!({"servicePlanId": id.to_string(), "servicePlanName": name, "provisioningStatus": "Success",
                "appliesTo": "User"})
        })
        .collect()
}

/// GET /users/{id}/licenseDetails.
pub fn license_details(world: &World, id: &str) -> Outcome {
    let user = user(world, id)?;
    let held = world.tenant.skus.iter().filter(|s| user.licences.contains(&s.id));
    let rows = held
        .map(|s| {
            json!({"id": format!("{}_{}", user.id, s.id), "skuId": s.id.to_string(), "skuPartNumber": s.part,
                "servicePlans": service_plans(s)})
        })
        .collect();
    Ok(collection("users/licenseDetails", rows))
}

/// GET /subscribedSkus.
pub fn subscribed_skus(world: &World) -> Answer {
    let rows = world
        .tenant
        .skus
        .iter()
        .map(|s| {
            json!({
                "id": format!("{}_{}", world.tenant.id, s.id), "accountId": world.tenant.id.to_string(),
                "accountName": world.company.name, "appliesTo": "User", "capabilityStatus": "Enabled",
                "consumedUnits": licences::consumed(world, s.id),
                "prepaidUnits": {"enabled": s.seats, "warning": 0, "suspended": 0, "lockedOut": 0},
                "servicePlans": service_plans(s), "skuId": s.id.to_string(), "skuPartNumber": s.part,
                "subscriptionIds": [],
            })
        })
        .collect();
    collection("subscribedSkus", rows)
}

/// POST /directoryObjects/getByIds.
pub fn by_ids(state: &State, world: &World, request: &Request) -> Outcome {
    let given = body(request)?;
    let ids = given.get("ids").and_then(Value::as_array).ok_or_else(|| bad_request("'ids' is missing."))?;
    if ids.len() > GET_BY_IDS_LIMIT {
        return Err(bad_request(format!("Too many ids: {}. The limit is {GET_BY_IDS_LIMIT}.", ids.len())));
    }
    let users = given.get("types").and_then(Value::as_array).is_none_or(|t| t.iter().any(|t| t == "user"));
    let mut rows = Vec::new();
    for id in ids.iter().filter(|_| users) {
        let guid =
            id.as_str().and_then(Guid::parse).ok_or_else(|| bad_request(format!("Invalid object identifier {id}.")))?;
        let Some(user) = world.tenant.users.get(&guid) else { continue };
        let mut value = selected(
            &whole(state, world, user, request.option("$select").as_deref()),
            request.option("$select").as_deref(),
        )?;
        if let Some(map) = value.as_object_mut() {
            map.insert("@odata.type".into(), json!("#microsoft.graph.user"));
        }
        rows.push(value);
    }
    Ok(collection("directoryObjects", rows))
}
