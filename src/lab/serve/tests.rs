//! A whole lab over real sockets: names through the profile's map, TLS under
//! the lab's own authority.

use std::path::Path;

use serde_json::{Value, json};

use super::{Lab, small};
use crate::wire::graph::percent;

/// A client that knows the lab's names as the profile maps them.
fn client(lab: &Lab, folder: &Path) -> reqwest::Client {
    let mut builder = reqwest::Client::builder().no_proxy().use_preconfigured_tls(small::tls(folder));
    for (name, to) in &lab.profile().map {
        if let Some(host) = name.strip_suffix(":443") {
            builder = builder.resolve(host, to.parse().expect("the map leads to addresses"));
        }
    }
    builder.build().expect("the client can be built")
}

fn port(lab: &Lab, name: &str) -> u16 {
    let to = lab.profile().map.get(name).expect("the profile maps this name");
    to.rsplit_once(':').and_then(|(_, p)| p.parse().ok()).expect("an address has a port")
}

#[tokio::test]
async fn sign_in_and_graph_over_tls() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let lab = Lab::start(small::world(), folder.path()).await.expect("loopback has free ports");
    let client = client(&lab, folder.path());
    let https = port(&lab, "login.microsoftonline.com:443");
    let profile = lab.profile();
    let secret = std::fs::read_to_string(folder.path().join("secrets/client_secret")).expect("the secret is there");
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
        profile.tenant.client_id,
        percent(&secret),
        percent("https://graph.microsoft.com/.default")
    );
    let url = format!("https://login.microsoftonline.com:{https}/{}/oauth2/v2.0/token", profile.tenant.id);
    let answer = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .expect("the lab answers");
    // Dates are the lab's.
    assert_eq!(answer.headers()["date"], "Thu, 20 Aug 2026 09:00:00 GMT");
    let token: Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
    let token = token["access_token"].as_str().expect("a token").to_owned();
    let url = format!("https://graph.microsoft.com:{https}/v1.0/users/ann@contoso.test?$select=mail");
    let user = client.get(url).bearer_auth(token).send().await.expect("the lab answers");
    assert_eq!(user.status(), 200);
    let text = user.text().await.expect("a body");
    assert!(text.contains("\"mail\":\"ann@contoso.test\""), "{text}");
    let counts = lab.world().lock().expect("nobody panicked").counts.clone();
    assert_eq!(counts.requests["graph"]["GET /users/{id}"], 1);
    lab.stop().await;
}

#[tokio::test]
async fn the_control_address_answers_in_plain() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let lab = Lab::start(small::world(), folder.path()).await.expect("loopback has free ports");
    let control = lab.profile().lab.as_ref().expect("a lab's profile says so").control.clone();
    let client = reqwest::Client::builder().no_proxy().use_preconfigured_tls(small::tls(folder.path())).build();
    let client = client.expect("the client can be built");
    let now = client.get(format!("http://{control}/clock")).send().await.expect("the lab answers");
    let now: Value = serde_json::from_str(&now.text().await.expect("a body")).expect("JSON");
    assert_eq!(now, json!({"now": "2026-08-20T09:00:00Z"}));
    lab.stop().await;
    assert!(client.get(format!("http://{control}/clock")).send().await.is_err());
}
