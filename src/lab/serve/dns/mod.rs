//! Name servers: one that owns the zones of the world, and resolvers that cache.
//!
//! UDP and TCP on the same port number. Answers beyond what a client takes over
//! UDP are truncated. Time to live counts in lab time. Nothing but the zones of
//! the world is known; there is no way out.

pub mod authority;
pub mod resolver;
pub mod update;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::tsig::{TsigAlgorithm, TsigError};
use hickory_proto::rr::{Name, TSigResponseContext, TSigner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;

use super::state::State;
use crate::lab::World;
use crate::wire::dns::absolute;

/// Name of the key that may change zones.
pub const KEY: &str = "stagepost-lab.";
/// How far clocks may be apart, in seconds.
const FUDGE: u16 = 300;
/// Largest answer over UDP without EDNS.
const PLAIN_LIMIT: usize = 512;
/// Largest answer over UDP at all.
const EDNS_LIMIT: usize = 1232;

/// Who answers on a port.
#[derive(Clone)]
pub enum Server {
    /// The zones, with the key that may change them.
    Authority(TSigner),
    /// A caching resolver of this name.
    Resolver(String),
    /// The domain controller: its copies, and a resolver for everything else.
    Inside,
}

/// The key of a lab.
///
/// # Errors
/// The secret cannot be a key.
pub fn signer(secret: &[u8]) -> Result<TSigner, String> {
    let name: Name = KEY.parse().map_err(|e| format!("`{KEY}` is no name: {e}"))?;
    TSigner::new(secret.to_vec(), TsigAlgorithm::HmacSha256, name, FUDGE).map_err(|e| e.to_string())
}

/// Answers datagrams until the lab stops.
pub async fn udp(state: Arc<State>, socket: UdpSocket, server: Server, stop: CancellationToken) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return,
            received = socket.recv_from(&mut buffer) => received,
        };
        let Ok((length, from)) = received else { continue };
        let Some(bytes) = buffer.get(..length) else { continue };
        if let Some(answer) = answer(&state, &server, bytes, true) {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// Accepts connections until the lab stops.
pub async fn tcp(state: Arc<State>, listener: TcpListener, server: Server, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (state, server, stop) = (state.clone(), server.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = connection(&state, stream, &server) => {}
            }
        });
    }
}

async fn connection(state: &State, mut stream: TcpStream, server: &Server) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let length = usize::from(stream.read_u16().await?);
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await?;
        let Some(answer) = answer(state, server, &bytes, false) else { return Ok(()) };
        let mut framed = u16::try_from(answer.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
        framed.extend_from_slice(&answer);
        stream.write_all(&framed).await?;
    }
}

/// Answers one message; `None` for what deserves no answer.
fn answer(state: &State, server: &Server, bytes: &[u8], datagram: bool) -> Option<Vec<u8>> {
    let Ok(request) = Message::from_vec(bytes) else { return malformed(bytes) };
    if request.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut world = state.lock();
    let mut response = match server {
        Server::Resolver(name) => resolver::answer(&mut world, name, &request),
        Server::Inside => inside(&mut world, &request),
        Server::Authority(key) => return authoritative(&mut world, key, &request, bytes, datagram),
    };
    finish(&mut response, &request);
    fitted(&response, &request, datagram)
}

/// What a desk inside the company hears.
fn inside(world: &mut World, request: &Message) -> Message {
    let own = request
        .queries
        .first()
        .is_some_and(|q| authority::zone_of(&world.inside, &absolute(&q.name().to_ascii())).is_some());
    if own {
        return authority::answer(world, true, request);
    }
    let name = world.company.domain_controller.clone();
    resolver::answer(world, &name, request)
}

fn malformed(bytes: &[u8]) -> Option<Vec<u8>> {
    let id = u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]);
    // An answer to an answer would never end.
    if bytes.get(2)? & 0x80 != 0 {
        return None;
    }
    Message::error_msg(id, OpCode::Query, ResponseCode::FormErr).to_vec().ok()
}

fn authoritative(world: &mut World, key: &TSigner, request: &Message, bytes: &[u8], datagram: bool) -> Option<Vec<u8>> {
    let signed = Signed::check(world, key, request, bytes);
    let mut response = match &signed {
        Signed::Bad(..) => {
            world.count(if request.metadata.op_code == OpCode::Update { "zone" } else { "dns" }, "refused");
            coded(request, ResponseCode::NotAuth)
        }
        Signed::No | Signed::Good(_) => match request.metadata.op_code {
            OpCode::Query => authority::answer(world, false, request),
            OpCode::Update => {
                world.count("zone", "update");
                let code = match signed {
                    Signed::Good(_) => update::apply(world, request),
                    _ => ResponseCode::Refused,
                };
                coded(request, code)
            }
            _ => coded(request, ResponseCode::NotImp),
        },
    };
    finish(&mut response, request);
    let context = match signed {
        Signed::No => return fitted(&response, request, datagram),
        Signed::Good(context) | Signed::Bad(context) => context,
    };
    let unsigned = response.to_vec().ok()?;
    response.set_signature(context.sign(&unsigned).ok()?);
    response.to_vec().ok()
}

/// What the signature of a request is worth.
enum Signed {
    No,
    Good(TSigResponseContext),
    Bad(TSigResponseContext),
}

impl Signed {
    fn check(world: &World, key: &TSigner, request: &Message, bytes: &[u8]) -> Signed {
        let Some(signature) = request.signature() else { return Signed::No };
        let id = request.metadata.id;
        // Our own tool lives in lab time; nsupdate beside it in the machine's. Each
        // is answered in its own, or it would blame the clocks for a wrong key.
        let clocks = [seconds(world.now.as_second()), seconds(jiff::Timestamp::now().as_second())];
        let asked = signature.data.time;
        let now = clocks.into_iter().min_by_key(|now| now.abs_diff(asked)).unwrap_or_default();
        if signature.name != *key.signer_name() || signature.data.algorithm != *key.algorithm() {
            return Signed::Bad(TSigResponseContext::unknown_key(id, now, signature.name.clone()));
        }
        let Ok((mac, time, _)) = key.verify_message_byte(bytes, None, true) else {
            return Signed::Bad(TSigResponseContext::bad_signature(id, now, key.clone()));
        };
        if now.abs_diff(time) <= u64::from(FUDGE) {
            Signed::Good(TSigResponseContext::new(id, now, key.clone(), mac, None))
        } else {
            Signed::Bad(TSigResponseContext::new(id, now, key.clone(), mac, Some(TsigError::BadTime)))
        }
    }
}

fn seconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or_default()
}

/// An answer that is a code and nothing else.
pub fn coded(request: &Message, code: ResponseCode) -> Message {
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.response_code = code;
    response
}

fn finish(response: &mut Message, request: &Message) {
    response.metadata.recursion_desired = request.metadata.recursion_desired;
    response.queries.clone_from(&request.queries);
    if request.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(u16::try_from(EDNS_LIMIT).unwrap_or(u16::MAX));
        response.set_edns(edns);
    }
}

fn fitted(response: &Message, request: &Message, datagram: bool) -> Option<Vec<u8>> {
    let bytes = response.to_vec().ok()?;
    let limit = match &request.edns {
        Some(edns) => usize::from(edns.max_payload()).clamp(PLAIN_LIMIT, EDNS_LIMIT),
        None => PLAIN_LIMIT,
    };
    if !datagram || bytes.len() <= limit {
        return Some(bytes);
    }
    let mut cut = coded(request, response.metadata.response_code);
    cut.metadata.authoritative = response.metadata.authoritative;
    cut.metadata.recursion_available = response.metadata.recursion_available;
    cut.metadata.truncation = true;
    finish(&mut cut, request);
    cut.to_vec().ok()
}
