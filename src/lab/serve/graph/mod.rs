//! Microsoft Graph, as far as a staged migration asks it.
//!
//! Routing, tokens, errors and headers; users, domains and mail stand beside
//! this file. What is mastered on premises is refused, mailboxes that do not
//! exist answer as they do in the field, and pages link to themselves.

mod domains;
mod envelope;
mod filter;
mod mail;
mod users;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::answer::{Answer, Request, iso};
use super::entra::{self, BadToken};
use super::https::Label;
use super::state::State;
use crate::lab::World;
use crate::wire::graph::{error_body, unpercent};

/// A refusal: status, code, message.
type Refusal = (u16, &'static str, String);
type Outcome = Result<Answer, Refusal>;

fn bad_request(message: impl Into<String>) -> Refusal {
    (400, "Request_BadRequest", message.into())
}

fn no_such(what: &str) -> Refusal {
    let text =
        format!("Resource '{what}' does not exist or one of its queried reference-property objects are not present.");
    (404, "Request_ResourceNotFound", text)
}

/// How a request is counted, and for what trouble is chosen.
pub fn label(request: &Request) -> Label {
    let path = request.path.trim_start_matches("/v1.0").trim_end_matches('/');
    let mut operation = format!("{} ", request.method);
    for (i, part) in path.split('/').filter(|p| !p.is_empty()).enumerate() {
        let is_name = i == 1 && !part.starts_with('$') && part != "getByIds"
            || i == 3 && !part.starts_with('$') && part != "inbox";
        operation.push('/');
        operation.push_str(if is_name { "{id}" } else { part });
    }
    let mut object = format!("{} {path}", request.method);
    let envelope = path == "/$batch";
    if envelope {
        let body = String::from_utf8_lossy(&request.body);
        object.push_str(&format!(" {:016x}", crate::lab::world::choose(0, "batch body", &body, 0)));
    }
    Label { service: "graph", operation, object, writes: request.method != "GET" }
}

/// Answers a request to the Graph host.
pub fn answer(state: &State, world: &mut World, request: &Request) -> Answer {
    if let Err(bad) = entra::check(world, request, &state.cloud.graph) {
        let text = match bad {
            BadToken::Absent => "Access token is empty.",
            BadToken::Unknown => "CompactToken parsing failed with error code: 80049217",
            BadToken::Expired => "Lifetime validation failed, the token is expired.",
            BadToken::Audience => "Access token validation failure. Invalid audience.",
        };
        return refuse(world, request, 401, "InvalidAuthenticationToken", text);
    }
    if request.path == "/v1.0/$batch" {
        return envelope::answer(state, world, request);
    }
    inner(state, world, request)
}

/// One request whose token has been looked at.
fn inner(state: &State, world: &mut World, request: &Request) -> Answer {
    match route(state, world, request) {
        Ok(answer) => {
            let id = request_id(world);
            let echo = request.get("client-request-id").to_owned();
            let answer = answer.with("request-id", id).with("x-ms-ags-diagnostic", diagnostic());
            if echo.is_empty() { answer } else { answer.with("client-request-id", echo) }
        }
        Err((status, code, message)) => refuse(world, request, status, code, &message),
    }
}

/// A refusal in Graph's form.
pub fn refuse(world: &mut World, request: &Request, status: u16, code: &str, message: &str) -> Answer {
    let id = request_id(world);
    let echo = request.get("client-request-id");
    let echo = if echo.is_empty() { id.clone() } else { echo.to_owned() };
    let date = world.now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    Answer::json(status, &error_body(code, message, &date, &id, &echo))
        .with("request-id", id)
        .with("client-request-id", echo)
        .with("x-ms-ags-diagnostic", diagnostic())
}

fn request_id(world: &mut World) -> String {
    let number = world.choose_next("graph request", "");
    world.guid("graph request", &number.to_string()).to_string()
}

fn diagnostic() -> &'static str {
    "{\"ServerInfo\":{\"DataCenter\":\"Lab\",\"Slice\":\"E\",\"Ring\":\"1\",\"ScaleUnit\":\"001\",\"RoleInstance\":\"LAB0001\"}}"
}

fn route(state: &State, world: &mut World, request: &Request) -> Outcome {
    let parts: Vec<String> = request.path.split('/').filter(|p| !p.is_empty()).map(|p| unpercent(p, false)).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let Some((&"v1.0", parts)) = parts.split_first() else {
        return Err(bad_request("Invalid version."));
    };
    match (request.method.as_str(), parts) {
        ("GET", ["organization"]) => Ok(organization(world)),
        ("GET", ["subscribedSkus"]) => Ok(users::subscribed_skus(world)),
        ("GET", ["domains"]) => Ok(domains::list(world)),
        ("GET", ["domains", id]) => domains::one(world, id),
        ("GET", ["domains", id, "verificationDnsRecords"]) => domains::verification_records(world, id),
        ("GET", ["domains", id, "serviceConfigurationRecords"]) => domains::service_records(world, id),
        ("GET", ["domains", id, "domainNameReferences"]) => domains::references(world, id),
        ("POST", ["domains", id, "verify"]) => domains::verify(world, id),
        ("GET", ["users"]) => users::list(state, world, request),
        ("GET", ["users", "$count"]) => users::count(state, world, request),
        ("GET", ["users", id]) => users::one(state, world, request, id),
        ("PATCH", ["users", id]) => users::patch(world, request, id),
        ("POST", ["users", id, "assignLicense"]) => users::assign_license(state, world, request, id),
        ("GET", ["users", id, "licenseDetails"]) => users::license_details(world, id),
        ("POST", ["users", id, "sendMail"]) => mail::send(world, request, id),
        ("GET", ["users", id, "mailFolders", "inbox"]) => mail::inbox(world, id),
        ("GET", ["users", id, "mailboxSettings"]) => mail::settings(world, id),
        ("GET", ["users", id, "messages"]) => mail::messages(world, request, id),
        ("GET", ["users", id, "messages", message]) => mail::message(world, id, message),
        ("GET", ["users", id, "messages", message, "$value"]) => mail::mime(world, id, message),
        ("GET", ["directory", "deletedItems", "microsoft.graph.user"]) => Ok(deleted_users(world)),
        // Delegated only: an application never sees it.
        ("GET", ["directory", "onPremisesSynchronization"]) => {
            Err((403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.".into()))
        }
        ("POST", ["directoryObjects", "getByIds"]) => users::by_ids(state, world, request),
        (_, [first, ..]) => Err(bad_request(format!("Resource not found for the segment '{first}'."))),
        (_, []) => Err(bad_request("Empty path.")),
    }
}

/// The recycle bin: users that were deleted less than 30 days ago.
fn deleted_users(world: &World) -> Answer {
    let kept = |deleted: jiff::Timestamp| crate::lab::world::after(deleted, crate::lab::licences::KEPT) > world.now;
    let users = world.tenant.deleted.iter().filter(|d| kept(d.deleted));
    let rows = users.map(|d| {
        json!({"id": d.id.to_string(), "displayName": d.name, "mail": d.upn,
            // A deleted user's name carries its id in front.
            "userPrincipalName": format!("{}{}", d.id.to_string().replace('-', ""), d.upn),
            "deletedDateTime": iso(d.deleted)})
    });
    collection("directoryObjects/microsoft.graph.user", rows.collect())
}

fn organization(world: &World) -> Answer {
    let tenant = &world.tenant;
    let first = world.company.domains.first().map_or("", String::as_str);
    let domain = |name: &str, initial: bool| {
        json!({"name": name, "isInitial": initial, "isDefault": !initial && name == first,
            "type": "Managed", "capabilities": "Email, OfficeCommunicationsOnline"})
    };
    let mut verified = vec![domain(&tenant.initial_domain, true)];
    verified.extend(tenant.domains.iter().filter(|(_, d)| d.verified).map(|(name, _)| domain(name, false)));
    collection(
        "organization",
        vec![json!({
            "id": tenant.id.to_string(),
            "displayName": world.company.name,
            "verifiedDomains": verified,
            "onPremisesSyncEnabled": true,
            "onPremisesLastSyncDateTime": iso(tenant.last_sync),
            "assignedPlans": [],
        })],
    )
}

fn context(what: &str) -> String {
    format!("https://graph.microsoft.com/v1.0/$metadata#{what}")
}

fn collection(what: &str, rows: Vec<Value>) -> Answer {
    Answer::json(200, &json!({"@odata.context": context(what), "value": rows}))
}
