//! Graph through its HTTP surface, without sockets.

use super::super::small;
use super::super::state::State;
use super::*;
use crate::lab::world::{Mailbox, Message, MessageFate, Recipient};
use crate::wire::dns::RecordSet;
use crate::wire::graph::{error_of, percent, quoted};
use crate::wire::guid::Guid;
use hickory_proto::rr::RecordType;

const HOST: &str = "graph.microsoft.com";

struct Desk {
    state: State,
    token: String,
}

impl Desk {
    fn new() -> Desk {
        let state = State::new(small::world());
        let token = entra::token_for(&mut state.lock(), HOST);
        Desk { state, token }
    }

    fn send(&self, request: Request) -> Answer {
        let request = request.header("authorization", format!("Bearer {}", self.token));
        answer(&self.state, &mut self.state.lock(), &request)
    }

    fn get(&self, target: &str) -> Answer {
        self.send(Request::new("GET", HOST, &format!("/v1.0{target}")))
    }

    fn post(&self, method: &str, target: &str, body: &Value) -> Answer {
        let request = Request::new(method, HOST, &format!("/v1.0{target}"));
        self.send(request.header("content-type", "application/json").body(body.to_string()))
    }

    fn filter(&self, filter: &str) -> usize {
        let answer = self.get(&format!("/users?$select=id&$filter={}", percent(filter)));
        assert_eq!(answer.status, 200, "{filter}: {}", answer.value());
        answer.value()["value"].as_array().map_or(0, Vec::len)
    }

    fn code(answer: &Answer) -> (u16, String) {
        (answer.status, error_of(&answer.value()).code)
    }
}

#[test]
fn users_are_found_by_address_and_paged() {
    let desk = Desk::new();
    assert_eq!(desk.filter("proxyAddresses/any(p:p eq 'smtp:ANN@contoso.test')"), 1);
    assert_eq!(desk.filter(&format!("userPrincipalName eq {}", quoted("bob@contoso.test"))), 1);
    assert_eq!(desk.filter("onPremisesSyncEnabled eq true"), 3);
    assert_eq!(Desk::code(&desk.get("/users?$filter=jobTitle%20eq%20'x'")), (400, "Request_UnsupportedQuery".into()));
    assert_eq!(Desk::code(&desk.get("/users?$top=1000")), (400, "Request_BadRequest".into()));

    let first = desk.get("/users?$select=mail&$top=2").value();
    let link = first["@odata.nextLink"].as_str().expect("three users are two pages of two").to_owned();
    let rest = desk.get(link.strip_prefix("https://graph.microsoft.com/v1.0").expect("the link is absolute")).value();
    assert_eq!(rest["value"].as_array().map(Vec::len), Some(1));
    assert!(rest["@odata.nextLink"].is_null() && rest["value"][0]["mail"].is_string());
}

#[test]
fn a_token_for_exchange_opens_nothing_here() {
    let desk = Desk::new();
    let token = entra::token_for(&mut desk.state.lock(), "outlook.office365.com");
    let request = Request::new("GET", HOST, "/v1.0/domains").header("authorization", format!("Bearer {token}"));
    let got = answer(&desk.state, &mut desk.state.lock(), &request);
    assert_eq!(Desk::code(&got), (401, "InvalidAuthenticationToken".into()));
}

#[test]
fn only_the_usage_location_can_be_patched() {
    let desk = Desk::new();
    assert_eq!(desk.post("PATCH", "/users/ann@contoso.test", &json!({"usageLocation": "de"})).status, 204);
    assert_eq!(desk.post("PATCH", "/users/ann@contoso.test", &json!({"usageLocation": "DE"})).status, 204);
    let key = ("graph".to_owned(), "ann@contoso.test".to_owned(), "usage-location".to_owned());
    assert_eq!(desk.state.lock().writes.get(&key), Some(&1));
    for body in [json!({"mail": "x@contoso.test"}), json!({"usageLocation": "Germany"})] {
        assert_eq!(desk.post("PATCH", "/users/ann@contoso.test", &body).status, 400, "{body}");
    }
    let bare = desk.post("POST", "/users/ann@contoso.test/assignLicense", &json!({"addLicenses": []}));
    assert_eq!(Desk::code(&bare), (400, "Request_BadRequest".into()));
}

#[test]
fn a_domain_is_verified_when_its_zone_says_so() {
    let desk = Desk::new();
    assert_eq!(desk.post("POST", "/domains/contoso.test/verify", &json!({})).status, 400);
    {
        let mut world = desk.state.lock();
        let zone = world.zones.get_mut("contoso.test.").expect("the small world has this zone");
        let set = RecordSet::new("contoso.test", RecordType::TXT, 3600, vec!["MS=ms12345678".into(), "other".into()]);
        zone.sets.insert(("contoso.test.".into(), "TXT".into()), set);
    }
    assert_eq!(desk.post("POST", "/domains/contoso.test/verify", &json!({})).status, 200);
    assert_eq!(desk.get("/domains/Contoso.test").value()["isVerified"], true);
    assert_eq!(desk.post("POST", "/domains/contoso.test/verify", &json!({})).status, 400);
    let records = desk.get("/domains/contoso.test/serviceConfigurationRecords").value();
    let mx = records["value"].as_array().and_then(|r| r.iter().find(|r| r["recordType"] == "Mx")).cloned();
    assert_eq!(mx.map(|m| m["mailExchange"].clone()), Some(json!("contoso-test.mail.protection.outlook.com")));
}

#[test]
fn mail_is_there_once_the_mailbox_is() {
    let desk = Desk::new();
    let query = format!(
        "/users/ann@contoso.test/messages?$filter={}&$top=2",
        percent("internetMessageId eq '<p-7@lab.example>'")
    );
    assert_eq!(Desk::code(&desk.get(&query)), (404, "MailboxNotEnabledForRESTAPI".into()));
    {
        let mut world = desk.state.lock();
        let now = world.now;
        let user = world.tenant.users.values_mut().find(|u| u.alias == "ann").expect("Ann is in the small world");
        user.recipient = Recipient::Mailbox(Mailbox {
            guid: Guid::NIL,
            created: now,
            items: 5,
            items_total: 10,
            filled: None,
            kind: "UserMailbox".into(),
            both: false,
        });
        let message = Message {
            id: "<p-7@lab.example>".into(),
            from: "probe@lab.example".into(),
            to: "ann@contoso.test".into(),
            subject: "probe".into(),
            sent: now,
            fate: MessageFate::Cloud("ann@contoso.test".into()),
            probe: true,
        };
        world.messages.insert(message.id.clone(), message);
    }
    let found = desk.get(&query).value();
    let id = found["value"][0]["id"].as_str().expect("the message is found").to_owned();
    let mime = desk.get(&format!("/users/ann@contoso.test/messages/{id}/$value"));
    assert!(String::from_utf8_lossy(&mime.body).contains("Message-ID: <p-7@lab.example>"));
    assert_eq!(desk.get(&format!("/users/bob@contoso.test/messages/{id}")).status, 404);
    assert_eq!(desk.get("/users/ann@contoso.test/mailFolders/inbox").value()["totalItemCount"], 6);
}

#[test]
fn a_batch_answers_every_part_under_its_id() {
    let desk = Desk::new();
    let part = |id: usize, url: &str| json!({"id": id.to_string(), "method": "GET", "url": url});
    let mut parts: Vec<Value> = (0..19).map(|n| part(n, "/users/ann@contoso.test")).collect();
    parts.push(part(19, "/users/nobody@contoso.test"));
    let got = desk.post("POST", "/$batch", &json!({"requests": parts})).value();
    let responses = got["responses"].as_array().cloned().unwrap_or_default();
    assert_eq!(responses.len(), 20);
    let lost = responses.iter().find(|r| r["id"] == "19").cloned().unwrap_or_default();
    assert_eq!(lost["status"], 404);
    let order: Vec<&str> = responses.iter().filter_map(|r| r["id"].as_str()).collect();
    let sorted: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_ne!(order, sorted.iter().map(String::as_str).collect::<Vec<_>>());
    parts.push(part(20, "/users"));
    assert_eq!(desk.post("POST", "/$batch", &json!({"requests": parts})).status, 400);
}
