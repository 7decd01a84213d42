//! The clients against tiny servers on loopback, written by hand for one test
//! each: what the wire really carries, and what becomes of a write when its
//! answer is lost.

mod exchange;
mod ldap;
mod letters;
mod names;
mod web;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

pub use super::dialer::tests::{authority, profile};
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

/// Base64 of `0123456789abcdef0123456789abcdef`.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
