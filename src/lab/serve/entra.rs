//! The token endpoint: client credentials, one resource for each token.
//!
//! Tokens are opaque and hang on seed, resource and attempt. Errors carry the
//! codes that Entra publishes. There is no other grant.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::answer::{Answer, Request};
use crate::lab::World;
use crate::wire::graph::pairs;
use crate::wire::guid::{Guid, hex};
use crate::wire::profile::Cloud;

/// Life of a token in seconds, as Entra says it.
pub const TOKEN_LIFE: i64 = 3599;

/// Answers a request to the sign-in host.
pub fn answer(world: &mut World, cloud: &Cloud, request: &Request) -> Answer {
    let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    let [tenant, "oauth2", "v2.0", "token"] = parts[..] else { return Answer::empty(404) };
    if request.method != "POST" {
        return Answer::empty(405).with("Allow", "POST");
    }
    match token(world, cloud, tenant, request) {
        Ok(body) => body.with("Cache-Control", "no-store, no-cache"),
        Err(refusal) => refusal.answer(world, request),
    }
}

struct Refusal {
    status: u16,
    error: &'static str,
    code: u32,
    text: String,
}

fn refuse(status: u16, error: &'static str, code: u32, text: impl Into<String>) -> Refusal {
    Refusal { status, error, code, text: text.into() }
}

impl Refusal {
    fn answer(self, world: &mut World, request: &Request) -> Answer {
        let number = world.choose_next("entra trace", &request.path);
        let trace = world.guid("entra trace", &format!("{number}"));
        let correlation = Guid::parse(request.get("client-request-id"))
            .unwrap_or_else(|| world.guid("entra correlation", &format!("{number}")));
        let stamp = world.now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let description = format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}",
            self.code, self.text
        );
        let body = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [self.code],
            "timestamp": stamp,
            "trace_id": trace.to_string(),
            "correlation_id": correlation.to_string(),
            "error_uri": format!("https://{}/error?code={}", request.host, self.code),
        });
        Answer::json(self.status, &body)
    }
}

fn token(world: &mut World, cloud: &Cloud, tenant: &str, request: &Request) -> Result<Answer, Refusal> {
    let is_form = request.get("content-type").to_ascii_lowercase().starts_with("application/x-www-form-urlencoded");
    let form = std::str::from_utf8(&request.body).ok().filter(|_| is_form).map(pairs).unwrap_or_default();
    let field = |name: &'static str| {
        let value = form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty());
        value.ok_or_else(|| {
            let text = format!("The request body must contain the following parameter: '{name}'.");
            refuse(400, "invalid_request", 900144, text)
        })
    };
    let known = world.tenant.id.to_string().eq_ignore_ascii_case(tenant)
        || world.tenant.initial_domain.eq_ignore_ascii_case(tenant)
        || world.tenant.domains.iter().any(|(name, d)| d.verified && name.eq_ignore_ascii_case(tenant));
    if !known {
        let text = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the \
             correct cloud. Check with your subscription administrator, this may happen if there are no active \
             subscriptions for the tenant."
        );
        return Err(refuse(400, "invalid_request", 90002, text));
    }
    let grant = field("grant_type")?;
    if grant != "client_credentials" {
        let text = format!("The app requested an unsupported grant type '{grant}'.");
        return Err(refuse(400, "unsupported_grant_type", 70003, text));
    }
    let client = field("client_id")?;
    if !world.tenant.client_id.to_string().eq_ignore_ascii_case(client) {
        let text = format!(
            "Application with identifier '{client}' was not found in the directory '{}'. This can happen if the \
             application has not been installed by the administrator of the tenant or consented to by any user in the \
             tenant. You may have sent your authentication request to the wrong tenant.",
            world.company.name
        );
        return Err(refuse(400, "unauthorized_client", 700016, text));
    }
    let scope = field("scope")?;
    let resource = resource_of(cloud, &world.company.name, scope)?;
    let secret = form.iter().find(|(n, _)| n == "client_secret").map_or("", |(_, v)| v.as_str());
    if secret.is_empty() {
        let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(refuse(401, "invalid_client", 7000218, text));
    }
    if world.secrets.get("client_secret").map(String::as_str) != Some(secret) {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID, for a secret added to app '{client}'."
        );
        return Err(refuse(401, "invalid_client", 7000215, text));
    }
    let token = issue(world, &resource);
    let body =
        json!({"token_type": "Bearer", "expires_in": TOKEN_LIFE, "ext_expires_in": TOKEN_LIFE, "access_token": token});
    Ok(Answer::json(200, &body))
}

/// The host that a scope names, if it is one of ours.
fn resource_of(cloud: &Cloud, organization: &str, scope: &str) -> Result<String, Refusal> {
    if scope.split_whitespace().count() > 1 {
        let text =
            format!("Provided value for the input parameter scope '{scope}' is not valid: two resources in one scope.");
        return Err(refuse(400, "invalid_request", 28002, text));
    }
    let Some(resource) = scope.strip_suffix("/.default") else {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
             /.default suffixed to the resource identifier (application ID URI)."
        );
        return Err(refuse(400, "invalid_scope", 1002012, text));
    };
    let host = resource.strip_prefix("https://").unwrap_or(resource).trim_end_matches('/').to_ascii_lowercase();
    if !resource.starts_with("https://") || ![&cloud.graph, &cloud.exchange].contains(&&host) {
        let text = format!(
            "The resource principal named {resource} was not found in the tenant named {organization}. This can happen if the \
             application has not been installed by the administrator of the tenant or consented to by any user in the \
             tenant. You might have sent your authentication request to the wrong tenant."
        );
        return Err(refuse(400, "invalid_resource", 500011, text));
    }
    Ok(host)
}

fn issue(world: &mut World, resource: &str) -> String {
    let now = world.now;
    world.tenant.tokens.retain(|_, (_, expires)| *expires > now);
    let number = world.choose_next("token", resource);
    let token = format!(
        "lab.{}{}",
        hex(&world.guid("token", &format!("{resource} {number}")).0),
        hex(&world.guid("token tail", &format!("{resource} {number}")).0)
    );
    let expires = now.checked_add(SignedDuration::from_secs(TOKEN_LIFE)).unwrap_or(Timestamp::MAX);
    world.tenant.tokens.insert(token.clone(), (resource.to_owned(), expires));
    token
}

/// Why a bearer token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadToken {
    /// There is none.
    Absent,
    /// Nobody issued it.
    Unknown,
    /// Its life is over.
    Expired,
    /// It is for another resource.
    Audience,
}

/// Whether a request's token opens a resource now.
///
/// # Errors
/// Why it does not.
pub fn check(world: &World, request: &Request, resource: &str) -> Result<(), BadToken> {
    let token = request.bearer().ok_or(BadToken::Absent)?;
    let (host, expires) = world.tenant.tokens.get(token).ok_or(BadToken::Unknown)?;
    if host != resource {
        return Err(BadToken::Audience);
    }
    if *expires <= world.now { Err(BadToken::Expired) } else { Ok(()) }
}

/// Issues a token without asking for a secret, for tests of other servers.
#[cfg(test)]
pub fn token_for(world: &mut World, resource: &str) -> String {
    issue(world, resource)
}

#[cfg(test)]
mod tests {
    use super::super::small;
    use super::*;
    use crate::wire::graph::percent;

    fn ask(world: &mut World, tenant: &str, fields: &[(&str, &str)]) -> Answer {
        let form: Vec<String> = fields.iter().map(|(n, v)| format!("{n}={}", percent(v))).collect();
        let request = Request::new("POST", "login.microsoftonline.com", &format!("/{tenant}/oauth2/v2.0/token"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form.join("&"));
        answer(world, &Cloud::default(), &request)
    }

    fn fields<'a>(client: &'a str, secret: &'a str, scope: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret), ("scope", scope)]
    }

    #[test]
    fn a_token_opens_one_resource_until_it_expires() {
        let mut world = small::world();
        let (id, client) = (world.tenant.id.to_string(), world.tenant.client_id.to_string());
        let scope = "https://graph.microsoft.com/.default";
        let got = ask(&mut world, &id, &fields(&client, small::CLIENT_SECRET, scope));
        assert_eq!((got.status, got.value()["expires_in"].as_i64()), (200, Some(3599)));
        let token = got.value()["access_token"].as_str().expect("a token is text").to_owned();
        let request =
            Request::new("GET", "graph.microsoft.com", "/").header("authorization", format!("Bearer {token}"));
        assert_eq!(check(&world, &request, "graph.microsoft.com"), Ok(()));
        assert_eq!(check(&world, &request, "outlook.office365.com"), Err(BadToken::Audience));
        world.now = world.now.checked_add(SignedDuration::from_hours(1)).expect("an hour later is a time");
        assert_eq!(check(&world, &request, "graph.microsoft.com"), Err(BadToken::Expired));
    }

    #[test]
    fn each_mistake_has_its_code() {
        let mut world = small::world();
        let (id, client) = (world.tenant.id.to_string(), world.tenant.client_id.to_string());
        let good = "https://outlook.office365.com/.default";
        let mut code = |tenant: &str, fields: &[(&str, &str)]| {
            let got = ask(&mut world, tenant, fields).value();
            assert!(got["trace_id"].is_string() && got["correlation_id"].is_string());
            got["error_codes"][0].as_u64().unwrap_or_default()
        };
        // A blank where a plus was: the secret was not percent-encoded.
        assert_eq!(code(&id, &fields(&client, "a b/c=&d", good)), 7000215);
        assert_eq!(code(&id, &fields("11111111-1111-1111-1111-111111111111", small::CLIENT_SECRET, good)), 700016);
        assert_eq!(code("fabrikam.test", &fields(&client, small::CLIENT_SECRET, good)), 90002);
        assert_eq!(code(&id, &fields(&client, small::CLIENT_SECRET, "https://example.test/.default")), 500011);
        assert_eq!(code(&id, &fields(&client, small::CLIENT_SECRET, "https://graph.microsoft.com/Mail.Read")), 1002012);
        assert_eq!(code(&id, &[("grant_type", "client_credentials"), ("client_id", &client)]), 900144);
        assert_eq!(code(&id, &[("grant_type", "password")]), 70003);
    }
}
