//! The clients against tiny servers on loopback, written by hand for one test
//! each: what the wire really carries, and what becomes of a write when its
//! answer is lost.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

use super::dialer::tests::{authority, profile};
use super::*;
use crate::base::{Advance, Secret};
use crate::wire::graph::BatchRequest;
use crate::wire::invoke::Param;
use crate::wire::log::{Exchange as Seen, Tap};

/// A time that jumps wherever it is asked to.
struct Jump;

#[async_trait]
impl Advance for Jump {
    async fn advance(&self, to: Timestamp) -> Result<Timestamp> {
        Ok(to)
    }
}

fn clock() -> Clock {
    Clock::driven(Arc::new(Jump), "2026-11-20T09:00:00Z".parse().expect("a good time"))
}

/// Keeps what the wire log would get.
#[derive(Default)]
struct Keeper(Mutex<Vec<Seen>>);

impl Tap for Keeper {
    fn exchange(&self, exchange: Seen) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    }
}

impl Keeper {
    fn of(&self, service: &str) -> Vec<Seen> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|e| e.service == service).cloned().collect()
    }
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Request {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What the server does with it.
enum Action {
    Answer(u16, &'static [(&'static str, &'static str)], Vec<u8>),
    /// Close the connection without a word.
    Drop,
}

fn answer(status: u16, body: Value) -> Action {
    Action::Answer(status, &[("Content-Type", "application/json")], body.to_string().into_bytes())
}

const NAMES: [&str; 4] =
    ["login.microsoftonline.com", "graph.microsoft.com", "outlook.office365.com", "mail.contoso.test"];

/// One TLS server for all names. `act` gets every request but those for tokens,
/// with its number from 0.
struct Web {
    seen: Arc<Mutex<Vec<Request>>>,
    services: Services,
    keeper: Arc<Keeper>,
    clock: Clock,
}

impl Web {
    async fn start(act: impl Fn(usize, &Request) -> Action + Send + Sync + 'static) -> Web {
        let (ca, config) = authority(&NAMES);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        let map: Vec<(String, String)> = NAMES.iter().map(|n| (format!("{n}:443"), address.clone())).collect();
        let map: Vec<(&str, &str)> = map.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (act, kept) = (Arc::new(act), seen.clone());
        let acceptor = TlsAcceptor::from(config);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (act, kept, acceptor) = (act.clone(), kept.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let mut stream = BufReader::new(stream);
                    while let Some(request) = read_request(&mut stream).await {
                        let action = if request.path.ends_with("/oauth2/v2.0/token") {
                            answer(200, json!({"access_token": "T0K3N", "expires_in": 3599, "token_type": "Bearer"}))
                        } else {
                            let number = {
                                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                                kept.push(request.clone());
                                kept.len() - 1
                            };
                            act(number, &request)
                        };
                        let Action::Answer(status, headers, body) = action else { return };
                        let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
                        for (name, value) in headers {
                            head.push_str(&format!("{name}: {value}\r\n"));
                        }
                        head.push_str("\r\n");
                        let mut bytes = head.into_bytes();
                        bytes.extend(body);
                        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let keeper: Arc<Keeper> = Arc::default();
        let clock = clock();
        let services = Services::new(&profile("lab", &map), secrets(&ca), clock.clone(), Some(keeper.clone()))
            .expect("a good profile");
        Web { seen, services, keeper, clock }
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn secrets(ca: &str) -> Secrets {
    Secrets {
        client_secret: Secret::new("cl+ent/secret"),
        directory: Secret::new("d"),
        source: Secret::new("s"),
        zones: BTreeMap::from([("contoso.test".to_owned(), Secret::new(KEY))]),
        ca: Some(ca.to_owned()),
    }
}

async fn read_request<S: tokio::io::AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Request> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { method, path, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// A test must end even if a server misbehaves.
async fn bounded<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(std::time::Duration::from_secs(60), work).await.expect("the test ends in time")
}

fn params(pairs: &[(&str, &str)]) -> Vec<(String, Param)> {
    pairs.iter().map(|(n, v)| ((*n).to_owned(), Param::from(*v))).collect()
}

#[tokio::test]
async fn pages_are_fetched_by_posting_the_same_body() {
    bounded(async {
        let web = Web::start(|number, _| match number {
            0 => answer(
                200,
                json!({"@adminapi.warnings": ["There are more results available than are currently displayed"],
                "@odata.nextLink": "https://outlook.office365.com/adminapi/beta/x/InvokeCommand?$skiptoken=2",
                "value": [{"Identity": "a", "Status@odata.type": "#x", "Status": "Syncing"}]}),
            ),
            _ => answer(200, json!({"@adminapi.warnings": ["careful"], "value": [{"Identity": "b"}]})),
        })
        .await;
        let reply =
            web.services.exchange.invoke("Get-MigrationUser", params(&[("BatchId", "w-1")])).await.expect("two pages");
        assert_eq!(reply.rows, [json!({"Identity": "a", "Status": "Syncing"}), json!({"Identity": "b"})]);
        assert_eq!(reply.warnings, ["careful"]);
        let seen = web.seen();
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().all(|r| r.method == "POST"));
        assert_eq!(seen[0].body, seen[1].body);
        assert_eq!(
            seen[0].json(),
            json!({"CmdletInput": {"CmdletName": "Get-MigrationUser", "Parameters": {"BatchId": "w-1"}}})
        );
        assert_eq!(seen[1].path, "/adminapi/beta/x/InvokeCommand?$skiptoken=2");
        assert_eq!(seen[0].header("client-request-id"), seen[1].header("client-request-id"));
        assert_eq!(seen[0].header("authorization"), "Bearer T0K3N");
        assert_eq!(
            seen[0].header("x-anchormailbox"),
            "APP:SystemMailbox{bb558c35-97f1-4cb9-8ff7-d53741dc928c}@11111111-2222-3333-4444-555555555555"
        );
        let entra = web.keeper.of("entra");
        assert_eq!(entra.len(), 1);
        let form = entra[0].request_body.as_str().expect("a form is a string");
        assert!(form.contains("client_secret=***") && !form.contains("secret=cl"), "{form}");
        assert_eq!(entra[0].response_body["access_token"], json!("***"));
        assert_eq!(web.keeper.of("exchange")[0].request_headers["Authorization"], json!("***"));
    })
    .await;
}

#[tokio::test]
async fn pages_that_lead_back_or_away_are_refused() {
    bounded(async {
        for link in ["https://outlook.office365.com/adminapi/loop", "https://evil.example/x"] {
            let web = Web::start(move |_, _| answer(200, json!({"@odata.nextLink": link, "value": []}))).await;
            let failure = web.services.exchange.invoke("Get-MigrationUser", Vec::new()).await.expect_err("no end");
            assert_eq!(failure.kind, Kind::Protocol, "{link}");
            assert!(web.seen().len() <= 2);
        }
    })
    .await;
}

#[tokio::test]
async fn the_real_sentence_of_an_error_is_found() {
    bounded(async {
        let web = Web::start(|_, _| {
            answer(400, json!({"error": {"code": "BadRequest", "message": "generic", "details": [{"code": "Client", "target": "",
                "message": "{\"Message\":\"The CSV file has no column EmailAddress.\",\"TypeName\":\"x.MigrationCSVParsingException\"}"}]}}))
        })
        .await;
        let failure = web.services.exchange.invoke("New-MigrationBatch", params(&[("Name", "w-1")])).await.expect_err("refused");
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::Refused, "The CSV file has no column EmailAddress"));
        assert_eq!((failure.operation.as_deref(), failure.target.as_deref()), (Some("New-MigrationBatch"), Some("w-1")));
        assert!(failure.detail.is_some_and(|d| d.contains("MigrationCSVParsingException")));
        let seen = web.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].json()["CmdletInput"]["Parameters"]["Confirm"], json!(false));
    })
    .await;
}

#[tokio::test]
async fn a_success_with_errors_inside_is_none() {
    bounded(async {
        let web = Web::start(|_, _| {
            answer(
                200,
                json!({"@adminapi.errors": ["Ex000001|x.MigrationBatchNotFoundException|no batch"], "value": []}),
            )
        })
        .await;
        let failure =
            web.services.exchange.invoke("Start-MigrationBatch", Vec::new()).await.expect_err("an error inside");
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::NotFound, "no batch"));
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_mislabelled_as_gzip_is_read() {
    bounded(async {
        let web = Web::start(|_, _| {
            let body = json!({"error": {"code": "NotFound", "details": [{"message": "Ex1|x.ManagementObjectNotFoundException|gone"}]}});
            Action::Answer(404, &[("Content-Encoding", "gzip")], body.to_string().into_bytes())
        })
        .await;
        let failure = web.services.exchange.invoke("Get-MigrationBatch", Vec::new()).await.expect_err("not there");
        assert_eq!((failure.kind, failure.status), (Kind::NotFound, Some(404)));
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_leaves_a_write_in_doubt_and_a_read_is_asked_again() {
    bounded(async {
        let web = Web::start(|_, _| Action::Drop).await;
        let failure =
            web.services.exchange.invoke("New-MigrationBatch", params(&[("Name", "w")])).await.expect_err("lost");
        assert_eq!(failure.kind, Kind::InDoubt);
        assert_eq!(web.seen().len(), 1);
        let failure = web.services.graph.patch("/users/a", &json!({"usageLocation": "DE"})).await.expect_err("lost");
        assert_eq!(failure.kind, Kind::InDoubt);
        assert_eq!(web.seen().len(), 2);

        let web =
            Web::start(|number, _| if number < 2 { Action::Drop } else { answer(200, json!({"value": []})) }).await;
        assert!(web.services.exchange.invoke("Get-MigrationBatch", Vec::new()).await.is_ok());
        assert_eq!(web.seen().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_throttled_write_waits_as_long_as_it_is_told() {
    bounded(async {
        let web = Web::start(|number, _| match number {
            0 => Action::Answer(429, &[("Retry-After", "90.5")], Vec::new()),
            1 => Action::Answer(503, &[], b"{\"error\":{}}".to_vec()),
            _ => answer(200, json!({"value": [{"Identity": "w"}]})),
        })
        .await;
        let begin = web.clock.now();
        assert!(web.services.exchange.invoke("New-MigrationBatch", params(&[("Name", "w")])).await.is_ok());
        let waited = web.clock.now().duration_since(begin).as_millis();
        assert!((92_500..=94_500).contains(&waited), "{waited}");
        assert_eq!(web.seen().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn an_expired_token_is_renewed_once_and_then_explained() {
    bounded(async {
        let web = Web::start(|_, _| {
            Action::Answer(401, &[("WWW-Authenticate", "Bearer claims=\"eyJhIjoxfQ==\"")], Vec::new())
        })
        .await;
        let failure = web
            .services
            .exchange
            .invoke("Remove-MigrationBatch", params(&[("Identity", "w")]))
            .await
            .expect_err("no role");
        assert_eq!(failure.kind, Kind::Auth);
        assert_eq!(web.seen().len(), 2);
        let entra = web.keeper.of("entra");
        assert_eq!(entra.len(), 2);
        assert!(entra[1].request_body.as_str().is_some_and(|f| f.contains("claims=%7B%22a%22%3A1%7D")));
    })
    .await;
}

#[tokio::test]
async fn a_redirect_is_followed_only_inside_the_service() {
    bounded(async {
        let web =
            Web::start(|_, _| Action::Answer(302, &[("Location", "https://graph.microsoft.com/steal")], Vec::new()))
                .await;
        let failure = web.services.exchange.invoke("Get-MigrationBatch", Vec::new()).await.expect_err("led away");
        assert_eq!(failure.kind, Kind::Protocol);
        let web = Web::start(|number, _| match number {
            0 => Action::Answer(307, &[("Location", "https://outlook.office365.com:446/adminapi/there")], Vec::new()),
            _ => answer(200, json!({"value": []})),
        })
        .await;
        assert!(web.services.exchange.invoke("Get-MigrationBatch", params(&[("Identity", "w")])).await.is_ok());
        let seen = web.seen();
        assert_eq!((seen[1].method.as_str(), seen[1].path.as_str()), ("POST", "/adminapi/there"));
        assert_eq!(seen[0].body, seen[1].body);
    })
    .await;
}

#[tokio::test]
async fn a_credential_is_sealed_again_when_the_key_has_changed() {
    use rsa::traits::PublicKeyParts;
    bounded(async {
        let key = || {
            let private = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).expect("a key can be made");
            crate::wire::invoke::XmlKey { modulus: private.n().to_bytes_be(), exponent: private.e().to_bytes_be() }
        };
        let (old, new) = (key(), key());
        let fetched = Mutex::new(0);
        let web = Web::start(move |_, request| {
            if request.path.contains("EXOModuleFile") {
                let mut fetched = fetched.lock().unwrap_or_else(PoisonError::into_inner);
                *fetched += 1;
                let key = if *fetched == 1 { &old } else { &new };
                return answer(
                    200,
                    json!({"value": [{"fileName": "x.psm1", "fileContent": key.print(), "exportedCmdlets": "Get-X"}]}),
                );
            }
            let last = *fetched.lock().unwrap_or_else(PoisonError::into_inner);
            if last < 2 {
                return answer(
                    400,
                    json!({"error": {"code": "BadRequest", "innererror": {"internalexception":
                    {"message": "ParameterTransformationException: cannot decrypt"}}}}),
                );
            }
            answer(200, json!({"value": [{"Identity": "on-premises"}]}))
        })
        .await;
        let sealed = web.services.exchange.credential("CONTOSO\\mig", &Secret::new("s")).await.expect("sealed");
        let parameters = vec![("Name".to_owned(), Param::from("on-premises")), ("Credentials".to_owned(), sealed)];
        assert!(web.services.exchange.invoke("New-MigrationEndpoint", parameters).await.is_ok());
        let sent: Vec<String> = web
            .seen()
            .iter()
            .filter(|r| r.method == "POST")
            .map(|r| r.json()["CmdletInput"]["Parameters"]["Credentials"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(sent.len(), 2);
        assert_ne!(sent[0], sent[1]);
        let shown = web.keeper.of("exchange");
        assert!(shown.iter().all(|e| !e.request_body.to_string().contains(&sent[0])));
        assert!(web.services.exchange.allowed_cmdlets().await.is_ok_and(|c| c.contains("get-x")));
    })
    .await;
}

#[tokio::test]
async fn a_batch_is_cut_throttled_ones_go_again_and_order_holds() {
    bounded(async {
        let web = Web::start(|number, request| {
            let mut responses: Vec<Value> = request.json()["requests"]
                .as_array()
                .cloned()
                .unwrap_or_default()
                .iter()
                .map(|r| {
                    let slow = number < 3 && r["id"] == json!("r7");
                    match slow {
                        true => json!({"id": r["id"], "status": 429, "headers": {"Retry-After": "30"}, "body": {"error": {"code": "TooManyRequests"}}}),
                        false => json!({"id": r["id"], "status": 200, "body": {"url": r["url"]}}),
                    }
                })
                .collect();
            responses.reverse();
            answer(200, json!({ "responses": responses }))
        })
        .await;
        let requests: Vec<BatchRequest> = (0..45)
            .map(|i| BatchRequest {
                id: format!("r{i}"),
                method: "GET".into(),
                url: format!("/users/{i}"),
                headers: Value::Null,
                body: Value::Null,
            })
            .collect();
        let answers = web.services.graph.batch(requests.clone()).await.expect("all answered");
        assert_eq!(answers.len(), 45);
        for (i, answer) in answers.iter().enumerate() {
            assert_eq!((answer.id.clone(), answer.status), (format!("r{i}"), 200));
            assert_eq!(answer.body["url"], json!(format!("/users/{i}")));
        }
        let mut sizes: Vec<usize> =
            web.seen().iter().map(|r| r.json()["requests"].as_array().map_or(0, Vec::len)).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 5, 20, 20]);
        let twice = vec![requests[0].clone(), requests[0].clone()];
        assert_eq!(web.services.graph.batch(twice).await.map_err(|f| f.kind).err(), Some(Kind::Usage));
    })
    .await;
}

#[tokio::test]
async fn graph_collections_are_read_to_their_end() {
    bounded(async {
        let web = Web::start(|number, _| match number {
            0 => answer(
                200,
                json!({"value": [1, 2], "@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$skiptoken=x"}),
            ),
            1 => answer(200, json!({"value": [3]})),
            _ => answer(
                404,
                json!({"error": {"code": "Request_ResourceNotFound", "message": "Resource 'x' does not exist."}}),
            ),
        })
        .await;
        let graph = &web.services.graph;
        assert_eq!(
            graph.get_all("/users?$count=true&$filter=mail eq 'a b'").await.ok(),
            Some(vec![json!(1), json!(2), json!(3)])
        );
        let seen = web.seen();
        assert_eq!(seen[0].path, "/v1.0/users?$count=true&$filter=mail%20eq%20%27a%20b%27");
        assert_eq!(seen[0].header("consistencylevel"), "eventual");
        assert_eq!(seen[1].path, "/v1.0/users?$skiptoken=x");
        let failure = graph.get("/users/x").await.expect_err("not there");
        assert_eq!((failure.kind, failure.target.as_deref()), (Kind::NotFound, Some("x")));
        assert!(failure.message.contains("Resource 'x' does not exist"));
    })
    .await;
}

#[tokio::test]
async fn the_rpc_proxy_is_alive_when_it_echoes() {
    bounded(async {
        let web = Web::start(|_, request| match request.method.as_str() {
            "GET" => Action::Answer(
                401,
                &[("WWW-Authenticate", "Basic realm=\"x\""), ("WWW-Authenticate", "NTLM")],
                Vec::new(),
            ),
            _ => Action::Answer(200, &[("Content-Type", "application/rpc")], crate::wire::rpc::echo().to_vec()),
        })
        .await;
        let probe = web.services.probes.rpc_proxy().await.expect("it answers");
        assert!(probe.alive, "{probe:?}");
        assert_eq!(probe.schemes, ["Basic", "NTLM"]);
        let seen = web.seen();
        assert_eq!(seen[1].method, "RPC_IN_DATA");
        assert_eq!(seen[1].path, "/rpc/rpcproxy.dll?EX07.contoso.test:6001");
        assert_eq!((seen[1].header("content-length"), seen[1].header("accept")), ("0", "application/rpc"));
        assert!(seen[1].header("authorization").starts_with("Basic "));
    })
    .await;
}

#[tokio::test]
async fn a_foreign_certificate_is_named_and_not_tried_again() {
    bounded(async {
        let (_, config) = authority(&NAMES);
        let (other_ca, _) = authority(&NAMES);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        let count = Arc::new(Mutex::new(0));
        let counted = count.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *counted.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                let _ = TlsAcceptor::from(config.clone()).accept(stream).await;
            }
        });
        let map = [("login.microsoftonline.com:443", address.as_str())];
        let services = Services::new(&profile("lab", &map), secrets(&other_ca), clock(), None).expect("a good profile");
        let failure = services.graph.get("/organization").await.expect_err("nobody signed that");
        assert!(failure.message.contains("certificate of login.microsoftonline.com"), "{failure:?}");
        assert_eq!(*count.lock().unwrap_or_else(PoisonError::into_inner), 1);
    })
    .await;
}

/// Base64 of `0123456789abcdef0123456789abcdef`.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

mod names {
    //! A name server by hand: one MX set, UDP answers always cut, updates over
    //! TCP.

    use super::*;
    use crate::wire::dns::{self as wire, RecordSet, Swap};
    use hickory_proto::op::{Message, OpCode, ResponseCode};
    use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
    use hickory_proto::rr::{Record, TSigResponseContext, TSigner};

    fn records() -> Vec<Record> {
        let data = wire::data(RecordType::MX, "10 mail.contoso.test.").expect("a good value");
        vec![Record::from_rdata("contoso.test.".parse().expect("a good name"), 300, data)]
    }

    fn reply(bytes: &[u8], cut: bool) -> Vec<u8> {
        let question = Message::from_vec(bytes).expect("the client writes good messages");
        let mut answer = Message::response(question.id, OpCode::Query);
        answer.metadata.authoritative = !question.recursion_desired;
        answer.metadata.truncation = cut;
        answer.add_queries(question.queries.clone());
        if !cut {
            answer.add_answers(records());
        }
        answer.to_vec().expect("it is small")
    }

    fn updated(bytes: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
        let request = Message::from_vec(bytes).expect("the client writes good messages");
        let key = crate::wire::guid::unbase64(KEY).expect("good base64");
        let signer = TSigner::new(key, TsigAlgorithm::HmacSha256, "stagepost.".parse().expect("a good name"), 300)
            .expect("a good key");
        let time = 1_795_165_200;
        let mut answer = Message::response(request.id, OpCode::Update);
        answer.metadata.response_code = code;
        let context = match signer.verify_message_byte(bytes, None, true) {
            Ok((mac, when, range)) => {
                assert!(range.contains(&when));
                TSigResponseContext::new(request.id, when, signer, mac, None)
            }
            Err(_) => {
                answer.metadata.response_code = ResponseCode::NotAuth;
                TSigResponseContext::bad_signature(request.id, time, signer)
            }
        };
        let unsigned = answer.to_vec().expect("it is small");
        let tsig = context.sign(&unsigned).ok()?;
        answer.set_signature(tsig);
        answer.to_vec().ok()
    }

    /// Answers updates with this code; `None` hangs up after reading.
    async fn start(update: Option<ResponseCode>, key: &str) -> (DnsClient, Arc<Keeper>) {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = tcp.local_addr().expect("it is bound");
        let udp = UdpSocket::bind(address).await.expect("the same port is free for UDP");
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                // A stray answer to another question must not disturb.
                let stray = Message::response(0, OpCode::Query).to_vec().expect("it is small");
                let _ = udp.send_to(&stray, from).await;
                let _ = udp.send_to(&reply(&buffer[..length], true), from).await;
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let Ok(length) = stream.read_u16().await else { continue };
                let mut bytes = vec![0; usize::from(length)];
                if stream.read_exact(&mut bytes).await.is_err() {
                    continue;
                }
                let is_update = Message::from_vec(&bytes).is_ok_and(|m| m.op_code == OpCode::Update);
                let answer = match (is_update, update) {
                    (false, _) => Some(reply(&bytes, false)),
                    (true, Some(code)) => updated(&bytes, code),
                    (true, None) => None,
                };
                if let Some(answer) = answer {
                    let length = u16::try_from(answer.len()).expect("it is small");
                    let _ = stream.write_all(&length.to_be_bytes()).await;
                    let _ = stream.write_all(&answer).await;
                }
            }
        });
        let address = address.to_string();
        let map = [("resolver.test:53", address.as_str()), ("ns1.contoso.test:53", address.as_str())];
        let (ca, _) = authority(&["x.test"]);
        let mut secrets = secrets(&ca);
        secrets.zones.insert("contoso.test".into(), Secret::new(key));
        let keeper: Arc<Keeper> = Arc::default();
        let services =
            Services::new(&profile("lab", &map), secrets, clock(), Some(keeper.clone())).expect("a good profile");
        (services.dns, keeper)
    }

    fn swap() -> Vec<Swap> {
        let set = |value: &str| Some(RecordSet::new("contoso.test", RecordType::MX, 300, vec![value.to_owned()]));
        vec![Swap {
            name: "contoso.test".into(),
            kind: RecordType::MX,
            expected: set("10 mail.contoso.test."),
            wanted: set("0 contoso-test.mail.protection.outlook.com."),
        }]
    }

    #[tokio::test]
    async fn a_cut_answer_is_asked_for_over_tcp() {
        bounded(async {
            let (dns, keeper) = start(Some(ResponseCode::NoError), KEY).await;
            for from in [Ask::Resolver("resolver.test:53"), Ask::Authority] {
                let set = dns
                    .lookup("Contoso.test", RecordType::MX, from)
                    .await
                    .expect("it answers")
                    .expect("there is a set");
                assert_eq!((set.values, set.ttl), (vec!["10 mail.contoso.test.".to_owned()], 300));
            }
            let seen = keeper.of("dns");
            assert_eq!(seen[0].url, "dns://resolver.test/contoso.test?type=MX");
            assert_eq!(seen[0].status, Some(0));
            assert_eq!(dns.zone_for("a.b.contoso.test.").map(|z| z.name.as_str()), Some("contoso.test"));
            assert!(dns.zone_for("xcontoso.test").is_none());
        })
        .await;
    }

    #[tokio::test]
    async fn a_swap_is_applied_stale_refused_or_in_doubt() {
        bounded(async {
            let (dns, keeper) = start(Some(ResponseCode::NoError), KEY).await;
            assert_eq!(dns.swap("contoso.test", &swap()).await.ok(), Some(Swapped::Applied));
            let seen = keeper.of("zone");
            assert_eq!((seen[0].url.as_str(), seen[0].status), ("dns://ns1.contoso.test/contoso.test", Some(0)));
            assert_eq!(seen[0].request_body["tsig"]["time"], json!(1_795_165_200));
            let failure = dns.swap("other.test", &swap()).await.expect_err("no such zone");
            assert_eq!(failure.kind, Kind::Validation);

            let (dns, _) = start(Some(ResponseCode::NXRRSet), KEY).await;
            assert_eq!(dns.swap("contoso.test", &swap()).await.ok(), Some(Swapped::Stale));
            let (dns, _) = start(Some(ResponseCode::Refused), KEY).await;
            assert_eq!(dns.swap("contoso.test", &swap()).await.map_err(|f| f.kind), Err(Kind::Refused));
            let (dns, _) = start(Some(ResponseCode::NoError), "AAAA").await;
            assert_eq!(dns.swap("contoso.test", &swap()).await.map_err(|f| f.kind), Err(Kind::Auth));
            let (dns, _) = start(None, KEY).await;
            assert_eq!(dns.swap("contoso.test", &swap()).await.map_err(|f| f.kind), Err(Kind::InDoubt));
        })
        .await;
    }
}

mod letters {
    //! A mail server by hand.

    use super::*;

    /// Says its lines; hangs up where it should. With `tls`, STARTTLS is
    /// offered under a certificate for another name.
    async fn start(tls: bool, silent_after_data: bool) -> (Smtp, Arc<Mutex<Vec<String>>>, Arc<Keeper>) {
        let (ca, config) = authority(&["other.test"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b"220-mail.contoso.test\r\n220 ready\r\n").await;
                if tls {
                    let mut reader = BufReader::new(&mut stream);
                    let mut line = String::new();
                    let _ = reader.read_line(&mut line).await;
                    let _ = reader.write_all(b"250-mail.contoso.test\r\n250-8BITMIME\r\n250 STARTTLS\r\n").await;
                    let _ = reader.read_line(&mut line).await;
                    let _ = reader.write_all(b"220 go\r\n").await;
                    if let Ok(stream) = TlsAcceptor::from(config.clone()).accept(stream).await {
                        talk(stream, silent_after_data, &kept).await;
                    }
                } else {
                    talk(stream, silent_after_data, &kept).await;
                }
            }
        });
        let keeper: Arc<Keeper> = Arc::default();
        let map = [("mail.contoso.test:25", address.as_str())];
        let services =
            Services::new(&profile("lab", &map), secrets(&ca), clock(), Some(keeper.clone())).expect("a good profile");
        (services.smtp, heard, keeper)
    }

    async fn talk<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
        stream: S,
        silent: bool,
        kept: &Mutex<Vec<String>>,
    ) {
        let mut stream = BufReader::new(stream);
        let mut in_data = false;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(line.trim_end().to_owned());
            let reply = match line.get(..4).unwrap_or(&line) {
                ".\r\n" => {
                    in_data = false;
                    if silent {
                        return;
                    }
                    "250 queued\r\n"
                }
                _ if in_data => continue,
                "EHLO" => "250-mail.contoso.test\r\n250 SIZE 100\r\n",
                "RCPT" if line.contains("gone") => "550 5.1.1 User unknown\r\n",
                "DATA" => {
                    in_data = true;
                    "354 go on\r\n"
                }
                "QUIT" => "221 bye\r\n",
                _ => "250 ok\r\n",
            };
            if stream.write_all(reply.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }

    #[tokio::test]
    async fn a_probe_stops_after_the_recipient() {
        bounded(async {
            let (smtp, heard, keeper) = start(false, false).await;
            let sent = smtp.probe("mail.contoso.test", "", "gone@contoso.test").await.expect("it talks");
            assert_eq!((sent.rcpt.code, sent.data.clone(), sent.tls.clone()), (550, None, None));
            assert!(
                smtp.probe("mail.contoso.test", "a@x.test", "ann@contoso.test")
                    .await
                    .is_ok_and(|s| s.rcpt.is_positive())
            );
            let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
            assert_eq!(heard[..4], ["EHLO localhost", "MAIL FROM:<>", "RCPT TO:<gone@contoso.test>", "QUIT"]);
            assert!(!heard.iter().any(|l| l == "DATA"));
            let seen = keeper.of("smtp");
            assert_eq!(
                (seen[0].method.as_str(), seen[0].url.as_str(), seen[0].status),
                ("CONNECT", "smtp://mail.contoso.test:25", Some(220))
            );
        })
        .await;
    }

    #[tokio::test]
    async fn tls_is_used_and_a_bad_certificate_is_a_finding() {
        bounded(async {
            let (smtp, heard, _) = start(true, false).await;
            let sent = smtp
                .send("mail.contoso.test", "a@x.test", "ann@contoso.test", "<probe-7@x.test>", "probe", ".one\n\u{fc}")
                .await
                .expect("it talks");
            assert!(sent.is_accepted());
            let finding = sent.tls.flatten().expect("the name is wrong");
            assert!(finding.contains("not valid for name") || finding.contains("certificate"), "{finding}");
            let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
            assert!(heard.contains(&"Message-ID: <probe-7@x.test>".to_owned()));
            assert!(heard.contains(&"Date: Fri, 20 Nov 2026 09:00:00 +0000".to_owned()));
        })
        .await;
    }

    #[tokio::test]
    async fn a_message_without_its_last_reply_is_in_doubt() {
        bounded(async {
            let (smtp, heard, _) = start(false, true).await;
            let failure = smtp
                .send_raw("mail.contoso.test", "a@x.test", "ann@contoso.test", "A: b\n\n.x")
                .await
                .expect_err("silence");
            assert_eq!(failure.kind, Kind::InDoubt);
            assert!(heard.lock().unwrap_or_else(PoisonError::into_inner).contains(&"..x".to_owned()));
        })
        .await;
    }
}

#[tokio::test]
async fn the_lab_is_asked_for_its_time() {
    bounded(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let control = listener.local_addr().expect("it is bound").to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                while let Some(request) = read_request(&mut stream).await {
                    let body = match request.path.as_str() {
                        "/clock" => json!({"now": "2026-11-20T09:00:00Z"}),
                        "/clock/advance" => json!({"now": request.json()["to"]}),
                        _ => json!({"digest": 1}),
                    };
                    let body = body.to_string();
                    let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    let _ = stream.write_all(bytes.as_bytes()).await;
                }
            }
        });
        let mut profile = profile("lab", &[]);
        profile.lab = Some(crate::wire::profile::Lab { control: control.clone(), ca: "ca.pem".into() });
        let (ca, _) = authority(&["x.test"]);
        let dialer = Dialer::new(&profile, Some(&ca)).expect("a good profile");
        let lab = LabClock::new(&dialer, &control).expect("part of the lab");
        let now = lab.now().await.expect("it answers");
        let driven = Clock::driven(Arc::new(lab.clone()), now);
        driven.sleep(jiff::SignedDuration::from_hours(24)).await.expect("it advances");
        assert_eq!(driven.now().to_string(), "2026-11-21T09:00:00Z");
        assert_eq!(lab.get_json("/digest").await.ok(), Some(json!({"digest": 1})));
        assert_eq!(LabClock::new(&dialer, "127.0.0.1:1").err().map(|f| f.kind), Some(Kind::Refused));
    })
    .await;
}
