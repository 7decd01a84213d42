//! DNS as a client sees it: what resolvers hold, and what authoritative servers
//! serve.
//!
//! Own exchanges over the dialer: UDP, then TCP when the answer was cut. The
//! machine's own resolver is never asked about a customer's zone, for inside a
//! company it may show an internal copy. Changes are in `super::zone`.

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub use hickory_proto::rr::RecordType;

use super::dialer::{Dialer, split};
use super::ids::Ids;
use super::retry::Patience;
use super::tap::Listener;
use crate::base::crash::{self, Fate};
use crate::base::plant::{self, Plant};
use crate::base::{Clock, Failure, Kind, Result, Secret};
use crate::wire::dns as wire;
use crate::wire::dns::RecordSet;
use crate::wire::log::Exchange;
use crate::wire::profile::{Profile, Zone};

const SERVICE: &str = "dns";
/// Real time for one datagram and its answer.
const UDP_LIMIT: Duration = Duration::from_secs(2);
const UDP_TRIES: u32 = 3;
/// Real time for one exchange over TCP, connecting excluded.
pub(super) const TCP_LIMIT: Duration = Duration::from_secs(15);
/// Longest chain of aliases that is followed inside an answer.
const MOST_ALIASES: usize = 8;

/// The DNS client of one profile.
#[derive(Clone)]
pub struct DnsClient(Arc<Inner>);

pub(super) struct Inner {
    pub(super) dialer: Dialer,
    pub(super) clock: Clock,
    pub(super) tap: Listener,
    pub(super) ids: Ids,
    resolvers: Vec<String>,
    zones: Vec<(Zone, Secret)>,
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// A recursive resolver, `host:port`; one of [`DnsClient::resolvers`].
    Resolver(&'a str),
    /// The primary of the zone if the profile names it, else the first name
    /// server that the zone lists.
    Authority,
    /// This server, `host:port`, if it serves the zone itself.
    Server(&'a str),
}

/// What one authoritative server serves.
#[derive(Clone, Debug)]
pub struct Served {
    /// Host, with its port unless that is 53.
    pub server: String,
    /// The set (`None`: there is none), or why the server gave no answer.
    pub set: Result<Option<RecordSet>>,
}

impl DnsClient {
    pub(super) fn new(
        dialer: &Dialer,
        profile: &Profile,
        keys: Vec<(Zone, Secret)>,
        ids: Ids,
        clock: Clock,
        tap: Listener,
    ) -> DnsClient {
        DnsClient(Arc::new(Inner {
            dialer: dialer.clone(),
            clock,
            tap,
            ids,
            resolvers: profile.dns.resolvers.clone(),
            zones: keys,
        }))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The recursive resolvers of the profile, `host:port`.
    pub fn resolvers(&self) -> Vec<String> {
        self.0.resolvers.clone()
    }

    /// The zone of the profile that holds a name: the longest that fits.
    pub fn zone_for(&self, name: &str) -> Option<&Zone> {
        self.keyed_zone(name).map(|(zone, _)| zone)
    }

    pub(super) fn keyed_zone(&self, name: &str) -> Option<&(Zone, Secret)> {
        let name = wire::relative(name);
        if plant::is(Plant::ZoneOfAnother) {
            return self.0.zones.first();
        }
        let holds = |zone: &Zone| {
            let apex = wire::relative(&zone.name);
            name == apex || name.ends_with(&format!(".{apex}"))
        };
        self.0.zones.iter().filter(|(zone, _)| holds(zone)).max_by_key(|(zone, _)| zone.name.len())
    }

    /// One record set as the asked server has it; `None` if there is none. An
    /// alias inside the answer is followed, and the set carries the name at its
    /// end.
    ///
    /// # Errors
    /// `unavailable` or `timeout` if the server gives no answer, `refused` if it
    /// will not, `protocol` if an authority does not answer for the name.
    pub async fn lookup(&self, name: &str, kind: RecordType, from: Ask<'_>) -> Result<Option<RecordSet>> {
        match from {
            Ask::Resolver(place) => self.ask(place, name, kind, true).await,
            Ask::Server(place) => self.ask(place, name, kind, false).await,
            Ask::Authority => {
                let place = match self.zone_for(name) {
                    Some(zone) => zone.server.clone(),
                    None => {
                        let servers = self.name_servers(name).await?;
                        let first = servers.into_iter().next();
                        first.ok_or_else(|| no_servers(name))?
                    }
                };
                self.ask(&place, name, kind, false).await
            }
        }
    }

    /// What every authoritative server of the name's zone serves, the primary
    /// of the profile first.
    ///
    /// # Errors
    /// The name servers can't be found; a single server's trouble stands in its
    /// answer.
    pub async fn authoritative(&self, name: &str, kind: RecordType) -> Result<Vec<Served>> {
        let mut servers: Vec<String> = self.zone_for(name).map(|zone| zone.server.clone()).into_iter().collect();
        match self.name_servers(name).await {
            Ok(listed) => {
                for server in listed {
                    if !servers.iter().any(|s| split(s, 53) == split(&server, 53)) {
                        servers.push(server);
                    }
                }
            }
            // A primary that is known by name needs nobody else to find it.
            Err(failure) if servers.is_empty() => return Err(failure),
            Err(_) => {}
        }
        let mut answers = Vec::new();
        for server in servers {
            let set = self.ask(&server, name, kind, false).await;
            answers.push(Served { server, set });
        }
        Ok(answers)
    }

    /// Names of the zone's name servers, found by walking up from `name` with
    /// the resolvers of the profile.
    ///
    /// # Errors
    /// No resolver answered, or no zone was found.
    pub async fn name_servers(&self, name: &str) -> Result<Vec<String>> {
        let mut owner = wire::relative(name);
        loop {
            if let Some(set) = self.anyone(&owner, RecordType::NS).await?
                && set.name == wire::absolute(&owner)
            {
                return Ok(set.values.iter().map(|v| wire::relative(v)).collect());
            }
            match owner.split_once('.') {
                Some((_, parent)) if parent.contains('.') => owner = parent.to_owned(),
                _ => return Err(no_servers(name)),
            }
        }
    }

    /// The first answer that any resolver gives.
    async fn anyone(&self, name: &str, kind: RecordType) -> Result<Option<RecordSet>> {
        let mut last = Failure::new(Kind::Validation, "the profile names no resolver")
            .hint("add `resolvers = [\"1.1.1.1:53\", \"8.8.8.8:53\"]` under [dns]");
        for place in &self.0.resolvers {
            match self.ask(place, name, kind, true).await {
                Ok(set) => return Ok(set),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// Asks one server, again if it has a passing trouble.
    async fn ask(&self, place: &str, name: &str, kind: RecordType, recursion: bool) -> Result<Option<RecordSet>> {
        let named = |failure: Failure| failure.during(SERVICE, format!("lookup {kind}")).on(name);
        let mut patience = Patience::new(format!("{place} {name} {kind}")).tries(3);
        loop {
            match self.once(place, name, kind, recursion).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if failure.retryable => patience.again(&self.0.clock, named(failure)).await?,
                Err(failure) => return Err(named(failure)),
            }
        }
    }

    async fn once(&self, place: &str, name: &str, kind: RecordType, recursion: bool) -> Result<Option<RecordSet>> {
        let question = wire::question(self.0.ids.short(), name, kind, recursion)
            .map_err(|e| Failure::new(Kind::Validation, e.0).hint("check the name"))?;
        let bytes = question.to_vec().map_err(|e| Failure::internal(format!("a question can't be written: {e}")))?;
        let (host, port) = split(place, 53);
        let mut transport = "udp";
        let mut answer = self.udp(host, port, question.id, &bytes).await;
        if answer.as_ref().is_ok_and(|a| a.truncation) {
            transport = "tcp";
            answer = match tcp(&self.0.dialer, host, port, &bytes).await {
                Ok(bytes) => read(host, question.id, &bytes),
                Err(Sent::Not(failure) | Sent::Lost(failure)) => Err(failure),
            };
        }
        if let Some(tap) = &self.0.tap {
            tap.exchange(shown(place, name, kind, transport, answer.as_ref().ok()));
        }
        let answer = answer?;
        match answer.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => {}
            ResponseCode::ServFail => {
                return Err(Failure::new(Kind::Unavailable, format!("{host} can't answer for {name} at the moment"))
                    .hint("try again; if it stays, check the zone's servers and its DNSSEC")
                    .status(u16::from(answer.response_code))
                    .retryable());
            }
            code => {
                return Err(Failure::new(Kind::Refused, format!("{host} refuses to answer for {name}"))
                    .hint("check that this server is a resolver for you, or serves the zone")
                    .status(u16::from(code))
                    .detail(code.to_string()));
            }
        }
        if !recursion && !answer.authoritative {
            return Err(Failure::new(Kind::Protocol, format!("{host} does not answer for {name} with authority"))
                .hint("check which servers serve the zone"));
        }
        Ok(set_of(&answer, name, kind))
    }

    async fn udp(&self, host: &str, port: u16, id: u16, bytes: &[u8]) -> Result<Message> {
        crash::point("dns before")?;
        if crash::fate("dns").await != Fate::Through {
            return Err(crash::lost());
        }
        let answer = self.datagrams(host, port, id, bytes).await;
        crash::point("dns after")?;
        answer
    }

    async fn datagrams(&self, host: &str, port: u16, id: u16, bytes: &[u8]) -> Result<Message> {
        let socket = self.0.dialer.udp(host, port).await?;
        let mut buffer = vec![0; 65_535];
        for _ in 0..UDP_TRIES {
            if socket.send(bytes).await.is_err() {
                continue;
            }
            let deadline = tokio::time::Instant::now() + UDP_LIMIT;
            // What belongs to another question (a late answer) is passed over.
            while let Ok(Ok(length)) = tokio::time::timeout_at(deadline, socket.recv(&mut buffer)).await {
                if let Ok(message) = read(host, id, buffer.get(..length).unwrap_or_default()) {
                    return Ok(message);
                }
            }
        }
        Err(Failure::new(Kind::Timeout, format!("the name server {host} does not answer"))
            .hint("check that UDP and TCP port 53 to it are open")
            .on(host))
    }
}

fn no_servers(name: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("no name servers were found for {name}"))
        .hint("check that the domain is registered and delegated")
        .during(SERVICE, "lookup NS")
        .on(name)
}

/// How an exchange over TCP can end without an answer.
pub(super) enum Sent {
    /// Nothing was sent.
    Not(Failure),
    /// Something was.
    Lost(Failure),
}

/// One message over TCP and the bytes of its answer.
pub(super) async fn tcp(dialer: &Dialer, host: &str, port: u16, bytes: &[u8]) -> Result<Vec<u8>, Sent> {
    crash::point("dns before").map_err(Sent::Not)?;
    let answer = match crash::fate("dns tcp").await {
        Fate::Through => stream(dialer, host, port, bytes).await,
        Fate::Unsent => return Err(Sent::Lost(crash::lost())),
        Fate::Unanswered => {
            let _ = stream(dialer, host, port, bytes).await;
            return Err(Sent::Lost(crash::lost()));
        }
        Fate::Late => {
            let (dialer, host, bytes) = (dialer.clone(), host.to_owned(), bytes.to_vec());
            // Nobody waits for the answer any more.
            crash::later(async move { drop(stream(&dialer, &host, port, &bytes).await) });
            return Err(Sent::Lost(crash::lost()));
        }
    };
    crash::point("dns after").map_err(Sent::Not)?;
    answer
}

async fn stream(dialer: &Dialer, host: &str, port: u16, bytes: &[u8]) -> Result<Vec<u8>, Sent> {
    let mut stream = dialer.tcp(host, port).await.map_err(Sent::Not)?;
    let length = u16::try_from(bytes.len()).map_err(|_| {
        Sent::Not(Failure::new(Kind::Validation, "the DNS message is too long").hint("change fewer records at once"))
    })?;
    let exchange = async {
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(bytes);
        stream.write_all(&framed).await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let lost = |kind, why: String| {
        Sent::Lost(
            Failure::new(kind, format!("the name server {host} gave no answer over TCP"))
                .hint("check that TCP port 53 to it is open")
                .detail(why)
                .on(host)
                .retryable(),
        )
    };
    match tokio::time::timeout(TCP_LIMIT, exchange).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(lost(Kind::Unavailable, error.to_string())),
        Err(_) => Err(lost(Kind::Timeout, format!("nothing within {} seconds", TCP_LIMIT.as_secs()))),
    }
}

/// Reads an answer and checks that it is one to this question.
pub(super) fn read(host: &str, id: u16, bytes: &[u8]) -> Result<Message> {
    let bad = |why: String| {
        Failure::new(Kind::Protocol, format!("the answer of the name server {host} can't be read"))
            .hint("check that nothing in between answers in its place")
            .detail(why)
    };
    let message = Message::from_vec(bytes).map_err(|e| bad(e.to_string()))?;
    if message.id != id {
        return Err(bad("it belongs to another question".into()));
    }
    Ok(message)
}

/// The set of an answer, aliases followed inside it.
fn set_of(answer: &Message, name: &str, kind: RecordType) -> Option<RecordSet> {
    let mut owner = wire::absolute(name);
    for _ in 0..MOST_ALIASES {
        if let Some(set) = wire::set_of(&answer.answers, &owner, kind) {
            return Some(set);
        }
        let alias = wire::set_of(&answer.answers, &owner, RecordType::CNAME)?;
        owner = alias.values.first()?.clone();
    }
    None
}

fn shown(place: &str, name: &str, kind: RecordType, transport: &str, answer: Option<&Message>) -> Exchange {
    let record = |r: &hickory_proto::rr::Record| json!({"name": wire::absolute(&r.name.to_ascii()), "type": r.record_type().to_string(), "ttl": r.ttl, "value": wire::text(&r.data)});
    let body = answer.map_or(Value::Null, |a| {
        json!({"authoritative": a.authoritative, "truncated": a.truncation,
            "answers": a.answers.iter().map(record).collect::<Vec<_>>(),
            "authorities": a.authorities.iter().map(record).collect::<Vec<_>>()})
    });
    let mut request_headers = serde_json::Map::new();
    request_headers.insert("transport".into(), transport.into());
    Exchange {
        service: SERVICE,
        method: "QUERY".into(),
        url: format!("dns://{}/{}?type={kind}", place.trim_end_matches(":53"), wire::relative(name)),
        request_headers,
        request_body: Value::Null,
        status: answer.map(|a| u16::from(a.response_code)),
        response_headers: serde_json::Map::new(),
        response_body: body,
    }
}
