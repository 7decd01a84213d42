//! The HTTPS listener: all names of the vendor and of the old side on one port.
//!
//! HTTP/1.1 only, so that a lost connection hits one request. The `Host` header
//! decides who answers; each request is counted, may meet trouble, and is
//! answered under one lock of the world. Nothing is decided here about what an
//! answer says.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, Request, http_date};
use super::state::State;
use super::trouble::{self, Trouble};
use super::{autodiscover, control, entra, exchange, graph, rpc};
use crate::lab::World;

/// Largest body that is read.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// Who answers on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// The vendor's hosts and the old side.
    World,
    /// The lab's own control address.
    Control,
}

/// A request as it is counted and as trouble is chosen for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// `entra`, `exchange`, `graph`, `autodiscover`, `rpc`.
    pub service: &'static str,
    /// Cmdlet, or method and path without names of objects.
    pub operation: String,
    /// What it is about, with names.
    pub object: String,
    /// Whether it may change something.
    pub writes: bool,
}

/// Accepts connections until the lab stops.
pub async fn listen(
    state: Arc<State>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    front: Front,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (state, tls, stop) = (state.clone(), tls.clone(), stop.clone());
        tokio::spawn(async move {
            let served = connection(state, stream, tls, front);
            tokio::select! {
                () = stop.cancelled() => {}
                () = served => {}
            }
        });
    }
}

async fn connection(state: Arc<State>, stream: TcpStream, tls: Option<TlsAcceptor>, front: Front) {
    // Small answers must not wait for the delayed acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    match tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(state, stream, front).await;
            }
        }
        None => serve(state, stream, front).await,
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(state: Arc<State>, stream: S, front: Front) {
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { one(&state, request, front).await }
    });
    // A client that goes away in the middle is the client's affair.
    let _ = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service).await;
}

/// The connection ends without an answer.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the lab drops this connection")
    }
}

impl std::error::Error for Dropped {}

async fn one(state: &State, request: hyper::Request<Incoming>, front: Front) -> Result<Response<Full<Bytes>>, Dropped> {
    let (parts, body) = request.into_parts();
    let host = parts.headers.get("host").and_then(|h| h.to_str().ok()).unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(name, port)| if port.parse::<u16>().is_ok() { name } else { host });
    let target = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let mut plain = Request::new(parts.method.as_str(), host, target);
    for (name, value) in &parts.headers {
        plain.headers.insert(name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    let answer = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(collected) => {
            plain.body = collected.to_bytes().to_vec();
            match front {
                Front::Control => Some(control::answer(state, &plain)),
                Front::World => answer(state, &plain).await,
            }
        }
        Err(_) => Some(Answer::empty(413)),
    };
    let answer = answer.ok_or(Dropped)?;
    let now = state.lock().now;
    Ok(response(answer, &http_date(now)).unwrap_or_else(|infallible| match infallible {}))
}

fn response(answer: Answer, date: &str) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(reason) = answer.reason {
        response.extensions_mut().insert(ReasonPhrase::from_static(reason.as_bytes()));
    }
    let date = [("Date", date.to_owned())];
    for (name, value) in answer.headers.into_iter().chain(date) {
        if let Ok(value) = value.parse() {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

/// Answers one request to the world; `None` drops the connection.
pub async fn answer(state: &State, request: &Request) -> Option<Answer> {
    let service = {
        let world = state.lock();
        service_of(state, &world, request)
    };
    let Some(service) = service else {
        return Some(Answer::text(421, "text/plain", format!("no service of this lab is called {}", request.host)));
    };
    let label = match service {
        Service::Entra => {
            Label { service: "entra", operation: "token".into(), object: request.path.clone(), writes: false }
        }
        Service::Exchange => exchange::label(request),
        Service::Graph => graph::label(request),
        Service::AutodiscoverOld | Service::AutodiscoverCloud => autodiscover::label(request),
        Service::Rpc => rpc::label(request),
    };
    // Made in the background at the start; waited for outside the lock.
    let key = if service == Service::Exchange { Some(state.key().await?) } else { None };

    let mut world = state.lock();
    world.count(label.service, &label.operation);
    let trouble = match service {
        Service::Exchange | Service::Graph => trouble::http(&mut world, label.service, &label.object, label.writes),
        _ => Trouble::None,
    };
    match trouble {
        Trouble::DropBefore => return None,
        Trouble::Throttle { retry_after } => return Some(throttled(service, &mut world, request, &retry_after)),
        Trouble::Unavailable => {
            let answer = unavailable(service);
            // Error bodies of Exchange Online sometimes claim to be compressed and
            // are not (admin API, section 4.3).
            let mislabelled =
                service == Service::Exchange && world.choose("mislabelled", &label.object, 0).is_multiple_of(2);
            return Some(if mislabelled { answer.with("Content-Encoding", "gzip") } else { answer });
        }
        Trouble::None | Trouble::DropAfter => {}
    }
    let world = &mut *world;
    let answer = match (service, key) {
        (Service::Entra, _) => entra::answer(world, &state.cloud, request),
        (Service::Exchange, Some(key)) => exchange::answer(state, world, &key, request),
        (Service::Exchange, None) => return None,
        (Service::Graph, _) => graph::answer(state, world, request),
        (Service::AutodiscoverOld, _) => autodiscover::old(state, world, request),
        (Service::AutodiscoverCloud, _) => autodiscover::cloud(world, request),
        (Service::Rpc, _) => rpc::answer(world, request),
    };
    (trouble != Trouble::DropAfter).then_some(answer)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Entra,
    Exchange,
    Graph,
    AutodiscoverOld,
    AutodiscoverCloud,
    Rpc,
}

fn service_of(state: &State, world: &World, request: &Request) -> Option<Service> {
    let host = request.host.as_str();
    let path = request.path.to_ascii_lowercase();
    let cloud = &state.cloud;
    let is_autodiscover = path.starts_with("/autodiscover/");
    if host == cloud.login {
        return Some(Service::Entra);
    }
    if host == cloud.graph {
        return Some(Service::Graph);
    }
    if host == cloud.autodiscover || host == "autodiscover-s.outlook.com" {
        return Some(Service::AutodiscoverCloud);
    }
    if host == cloud.exchange {
        return Some(if is_autodiscover { Service::AutodiscoverCloud } else { Service::Exchange });
    }
    let company = &world.company;
    let old = host.eq_ignore_ascii_case(&company.mail_host)
        || company.domains.iter().any(|d| host == d.as_str() || host.strip_prefix("autodiscover.") == Some(d.as_str()));
    match (old, is_autodiscover) {
        (true, true) => Some(Service::AutodiscoverOld),
        (true, false) => Some(Service::Rpc),
        (false, _) => None,
    }
}

fn throttled(service: Service, world: &mut World, request: &Request, retry_after: &str) -> Answer {
    let answer = match service {
        Service::Graph => graph::refuse(world, request, 429, "TooManyRequests", "Too many requests"),
        // The shape of the body is not published; clients must not need one.
        _ => Answer::text(429, "text/plain", "Too many requests."),
    };
    if retry_after.is_empty() { answer } else { answer.with("Retry-After", retry_after) }
}

fn unavailable(service: Service) -> Answer {
    match service {
        Service::Graph => Answer::json(
            503,
            &serde_json::json!({"error": {"code": "serviceNotAvailable", "message": "Service unavailable."}}),
        ),
        _ => Answer::text(503, "text/html", "<html><body><h2>Service Unavailable</h2></body></html>"),
    }
}
