//! The only place that connects.
//!
//! Clients use the vendor's names and ports; the profile says where they lead.
//! A lab's profile reaches what its map names, on loopback, and nothing else; a
//! real one resolves names and refuses everything on loopback, so that neither
//! can ever be mistaken for the other. Sockets have real time limits: they are
//! outside the lab's time.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

use super::tls;
use crate::base::{Failure, Kind, Result};
use crate::wire::profile::{Behind, Profile};

/// TLS over TCP, from the client's side.
pub type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// Longest wait for a TCP connection, and again for a TLS handshake.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// Connects by the rules of one profile. Clones share everything.
#[derive(Clone)]
pub struct Dialer(Arc<Inner>);

struct Inner {
    behind: Behind,
    map: BTreeMap<String, SocketAddr>,
    roots: Arc<RootCertStore>,
    config: Arc<ClientConfig>,
}

impl Dialer {
    /// The dialer of a profile. `ca_pem` is the lab's certificate authority; a
    /// real profile takes none.
    ///
    /// # Errors
    /// A lab without its authority or with a target outside loopback; a real
    /// profile with one inside.
    pub fn new(profile: &Profile, ca_pem: Option<&str>) -> Result<Dialer> {
        let mut map = BTreeMap::new();
        for (name, target) in &profile.map {
            let (host, port) = split(name, 0);
            let address: SocketAddr = target.parse().map_err(|_| {
                Failure::new(
                    Kind::Validation,
                    format!("the profile maps {name} to `{target}`, which is no address and port"),
                )
                .hint("write it as 127.0.0.1:10443")
            })?;
            allowed(profile.kind, name, address)?;
            map.insert(key(host, port), address);
        }
        let roots = match profile.kind {
            Behind::Lab => {
                for place in named_by(profile) {
                    if let Ok(address) = place.parse::<SocketAddr>() {
                        allowed(profile.kind, &place, address)?;
                        map.insert(key(&address.ip().to_string(), address.port()), address);
                    }
                }
                let pem = ca_pem.ok_or_else(|| {
                    Failure::new(Kind::Local, "the profile of a lab needs the lab's certificate authority")
                        .hint("set `lab.ca` in the profile to the PEM file that the lab wrote")
                })?;
                tls::roots(Some(pem))?
            }
            Behind::Real if ca_pem.is_some() => {
                return Err(Failure::new(
                    Kind::Usage,
                    "only the profile of a lab brings a certificate authority of its own",
                )
                .hint("remove `lab.ca` from the profile"));
            }
            Behind::Real => tls::roots(None)?,
        };
        let config = Arc::new(tls::config(roots.clone(), &[])?);
        Ok(Dialer(Arc::new(Inner { behind: profile.kind, map, roots, config })))
    }

    /// Whether a lab stands behind it.
    pub fn is_lab(&self) -> bool {
        self.0.behind == Behind::Lab
    }

    /// Where the map (or a literal address) leads; `None` if the name has to be
    /// resolved.
    ///
    /// # Errors
    /// `refused`: not part of the lab, or loopback behind a real profile.
    pub fn address(&self, host: &str, port: u16) -> Result<Option<SocketAddr>> {
        if let Some(address) = self.0.map.get(&key(host, port)) {
            return Ok(Some(*address));
        }
        if self.is_lab() {
            return Err(Failure::new(Kind::Refused, format!("{host}:{port} is not part of the lab"))
                .hint("a lab's profile reaches only what its `map` names; use the profile of the real organization for this")
                .on(format!("{host}:{port}")));
        }
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => {
                let address = SocketAddr::new(ip, port);
                allowed(Behind::Real, host, address)?;
                Ok(Some(address))
            }
            Err(_) => Ok(None),
        }
    }

    /// Every address of a host, by the map or by the system's resolver.
    ///
    /// # Errors
    /// As [`Dialer::address`]; `unavailable` if the name does not resolve.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        if let Some(address) = self.address(host, port)? {
            return Ok(vec![address]);
        }
        let unknown = |why: String| {
            Failure::new(Kind::Unavailable, format!("the name {host} does not resolve"))
                .hint("check the name, and whether this machine's resolver knows it")
                .detail(why)
                .on(host)
        };
        let found = tokio::time::timeout(CONNECT_LIMIT, tokio::net::lookup_host((host, port)))
            .await
            .map_err(|_| unknown("the resolver did not answer".into()).retryable())?
            .map_err(|e| unknown(e.to_string()))?;
        let found: Vec<SocketAddr> = found.collect();
        for address in &found {
            allowed(Behind::Real, host, *address)?;
        }
        if found.is_empty() {
            return Err(unknown("no address".into()));
        }
        Ok(found)
    }

    /// A TCP connection.
    ///
    /// # Errors
    /// As [`Dialer::addresses`]; `unavailable` and retryable if nobody takes
    /// the connection.
    pub async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream> {
        let mut why = String::new();
        for address in self.addresses(host, port).await? {
            match tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Small requests and answers: waiting for more to send only costs time.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => why = format!("no connection within {} seconds", CONNECT_LIMIT.as_secs()),
            }
        }
        Err(unreachable(host, port).detail(why))
    }

    /// A UDP socket that talks to this host only.
    ///
    /// # Errors
    /// As [`Dialer::tcp`].
    pub async fn udp(&self, host: &str, port: u16) -> Result<UdpSocket> {
        let addresses = self.addresses(host, port).await?;
        let Some(address) = addresses.first() else {
            return Err(unreachable(host, port));
        };
        let from: IpAddr = match address.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(ip) if ip.is_loopback() => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let failed = |e: std::io::Error| unreachable(host, port).detail(e.to_string());
        let socket = UdpSocket::bind((from, 0)).await.map_err(failed)?;
        socket.connect(address).await.map_err(failed)?;
        Ok(socket)
    }

    /// A TLS connection; the certificate must be good for `host`.
    ///
    /// # Errors
    /// As [`Dialer::tcp`]; `unavailable` if the certificate or the protocol
    /// version is not acceptable.
    pub async fn tls(&self, host: &str, port: u16) -> Result<TlsStream> {
        let stream = self.tcp(host, port).await?;
        self.upgrade(host, stream, self.0.config.clone()).await
    }

    /// Starts TLS on a connection that began in clear text (SMTP). A bad
    /// certificate is answered as text and does not end the connection.
    ///
    /// # Errors
    /// As [`Dialer::tls`], but for certificates.
    pub async fn start_tls(&self, host: &str, stream: TcpStream) -> Result<(TlsStream, Option<String>)> {
        let (config, finding) = tls::lenient(self.0.roots.clone())?;
        let stream = self.upgrade(host, stream, Arc::new(config)).await?;
        let finding = finding.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok((stream, finding))
    }

    /// The TLS settings, for libraries that do the handshake themselves on a
    /// connection from [`Dialer::tcp`].
    pub fn config(&self) -> Arc<ClientConfig> {
        self.0.config.clone()
    }

    /// A reqwest builder whose names resolve by this dialer's rules, which
    /// follows no redirect and unpacks nothing by itself.
    ///
    /// # Errors
    /// As [`tls::config`].
    pub(super) fn http(&self) -> Result<reqwest::ClientBuilder> {
        let protocols: &[&[u8]] = if self.is_lab() { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
        let config = tls::config(self.0.roots.clone(), protocols)?;
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .dns_resolver(Arc::new(Names(self.clone())))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_LIMIT)
            // Shorter than the idle time of the services, so that a write is
            // seldom sent into a connection that is just being closed.
            .pool_idle_timeout(Duration::from_secs(20))
            .user_agent(concat!("stagepost/", env!("CARGO_PKG_VERSION")));
        // HTTP/1.1 towards the lab: a dropped connection then hits one request.
        Ok(if self.is_lab() { builder.http1_only().no_proxy() } else { builder })
    }

    async fn upgrade(&self, host: &str, stream: TcpStream, config: Arc<ClientConfig>) -> Result<TlsStream> {
        let name = ServerName::try_from(host.trim_end_matches('.').to_owned()).map_err(|_| {
            Failure::new(Kind::Validation, format!("`{host}` is no host name"))
                .hint("check the name in the profile")
                .on(host)
        })?;
        match tokio::time::timeout(CONNECT_LIMIT, TlsConnector::from(config).connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(match tls::inside(&error) {
                Some(inner) => tls::explain(host, inner),
                None => Failure::new(Kind::Unavailable, format!("TLS with {host} broke off"))
                    .hint("check that the port speaks TLS")
                    .detail(error.to_string())
                    .on(host)
                    .retryable(),
            }),
            Err(_) => Err(Failure::new(Kind::Unavailable, format!("{host} did not finish the TLS handshake in time"))
                .hint("check that the port speaks TLS")
                .on(host)
                .retryable()),
        }
    }
}

fn unreachable(host: &str, port: u16) -> Failure {
    Failure::new(Kind::Unavailable, format!("{host} takes no connection on port {port}"))
        .hint("check the name, the port and the firewalls in between")
        .on(format!("{host}:{port}"))
        .retryable()
}

/// What a profile names without its map and what must therefore be reachable.
fn named_by(profile: &Profile) -> Vec<String> {
    let mut places: Vec<String> = profile.lab.iter().map(|lab| lab.control.clone()).collect();
    places.extend(profile.dns.resolvers.iter().cloned());
    places.extend(profile.dns.zones.iter().map(|zone| zone.server.clone()));
    places.push(format!("{}:{}", profile.directory.host, profile.directory.port));
    places
}

fn allowed(behind: Behind, name: &str, address: SocketAddr) -> Result<()> {
    let ip = address.ip().to_canonical();
    let inside = ip.is_loopback() || ip.is_unspecified();
    match behind {
        Behind::Lab if !ip.is_loopback() => {
            Err(Failure::new(Kind::Refused, format!("the lab's profile leads {name} to {ip}, outside this machine"))
                .hint("a lab lives on loopback only; start `stagepost lab` again to get a fresh profile")
                .on(name))
        }
        Behind::Real if inside => Err(Failure::new(
            Kind::Refused,
            format!("{name} leads to {ip}, this machine, behind the profile of a real organization"),
        )
        .hint("a profile of kind `real` reaches nothing on loopback; check the hosts file, or use the lab's profile")
        .on(name)),
        _ => Ok(()),
    }
}

/// Host and port of `host:port`; the port may be left out.
pub fn split(place: &str, port: u16) -> (&str, u16) {
    match place.rsplit_once(':') {
        Some((host, digits)) if !host.contains(':') || host.ends_with(']') => match digits.parse() {
            Ok(port) => (host, port),
            Err(_) => (place, port),
        },
        _ => (place, port),
    }
}

fn key(host: &str, port: u16) -> String {
    format!("{}:{port}", host.trim_matches(['[', ']']).trim_end_matches('.').to_lowercase())
}

/// The dialer as reqwest's resolver. URLs carry no port (`super::http` sees to
/// it), so the port of the answer is the one that is connected to.
struct Names(Dialer);

impl reqwest::dns::Resolve for Names {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let dialer = self.0.clone();
        Box::pin(async move {
            let found = dialer.addresses(name.as_str(), 443).await?;
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn profile(kind: &str, map: &[(&str, &str)]) -> Profile {
        let mut text = format!(
            "name = \"test\"\nkind = \"{kind}\"\n\
             [tenant]\nid = \"11111111-2222-3333-4444-555555555555\"\ninitial_domain = \"contoso.onmicrosoft.com\"\n\
             client_id = \"66666666-7777-8888-9999-000000000000\"\nclient_secret = {{ env = \"X_SECRET\" }}\n\
             [directory]\nhost = \"dc1.contoso.test\"\nbind = \"CONTOSO\\\\op\"\npassword = {{ file = \"dir.secret\" }}\n\
             [source]\nrpc_proxy = \"mail.contoso.test\"\nexchange_server = \"EX07.contoso.test\"\nsmtp = \"mail.contoso.test\"\n\
             account = \"CONTOSO\\\\mig\"\npassword = {{ file = \"src.secret\" }}\n\
             [dns]\nresolvers = [\"resolver.test:53\"]\n\
             [[dns.zones]]\nname = \"contoso.test\"\nserver = \"ns1.contoso.test:53\"\nkey = \"stagepost\"\n\
             secret = {{ file = \"tsig.secret\" }}\n[map]\n"
        );
        for (name, target) in map {
            text.push_str(&format!("\"{name}\" = \"{target}\"\n"));
        }
        Profile::parse(&text).expect("the profile of the tests is good")
    }

    /// A certificate authority and a leaf for these names, as PEM and as a
    /// server's configuration.
    pub fn authority(names: &[&str]) -> (String, Arc<rustls::ServerConfig>) {
        let ca_key = rcgen::KeyPair::generate().expect("a key can be made");
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names are good names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = params.self_signed(&ca_key).expect("the authority signs itself");
        let issuer = rcgen::Issuer::new(params, ca_key);
        let key = rcgen::KeyPair::generate().expect("a key can be made");
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let leaf = rcgen::CertificateParams::new(names)
            .expect("host names are good names")
            .signed_by(&key, &issuer)
            .expect("the authority signs");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let der = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("the key is PKCS#8");
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows the versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], der)
            .expect("certificate and key fit");
        (ca.pem(), Arc::new(config))
    }

    fn dialer(kind: &str, map: &[(&str, &str)]) -> Result<Dialer> {
        let pem = (kind == "lab").then(|| authority(&["x.test"]).0);
        Dialer::new(&profile(kind, map), pem.as_deref())
    }

    #[test]
    fn a_lab_reaches_its_map_and_nothing_else() {
        let dialer = dialer("lab", &[("Graph.microsoft.com:443", "127.0.0.1:4001")]).expect("the map is good");
        let there = dialer.address("graph.MICROSOFT.com", 443).expect("mapped");
        assert_eq!(there, Some("127.0.0.1:4001".parse().expect("an address")));
        for (host, port) in [("graph.microsoft.com", 80), ("example.com", 443), ("127.0.0.1", 22), ("192.0.2.1", 443)] {
            let refused = dialer.address(host, port).expect_err("not mapped");
            assert_eq!(refused.kind, Kind::Refused);
            assert!(refused.message.contains("is not part of the lab"), "{}", refused.message);
        }
    }

    #[test]
    fn a_lab_leads_nowhere_but_to_loopback() {
        let refused = dialer("lab", &[("graph.microsoft.com:443", "192.0.2.1:443")]).err().expect("refused");
        assert_eq!(refused.kind, Kind::Refused);
        let broken = dialer("lab", &[("graph.microsoft.com:443", "localhost")]).err().expect("refused");
        assert_eq!(broken.kind, Kind::Validation);
        let without = Dialer::new(&profile("lab", &[]), None).err().expect("refused");
        assert_eq!(without.kind, Kind::Local);
    }

    #[tokio::test]
    async fn a_real_profile_refuses_everything_inside() {
        assert_eq!(dialer("real", &[("a.test:1", "127.0.0.1:1")]).err().map(|f| f.kind), Some(Kind::Refused));
        let dialer = dialer("real", &[]).expect("nothing mapped");
        for host in ["127.0.0.1", "::1", "0.0.0.0", "::ffff:127.0.0.1", "localhost"] {
            let refused = dialer.addresses(host, 443).await.expect_err("loopback");
            assert_eq!(refused.kind, Kind::Refused, "{host}: {refused}");
        }
        assert_eq!(dialer.address("192.0.2.1", 443).ok().flatten().map(|a| a.port()), Some(443));
    }

    #[test]
    fn places_are_split_at_the_port() {
        assert_eq!(split("ns1.contoso.test:5353", 53), ("ns1.contoso.test", 5353));
        assert_eq!(split("ns1.contoso.test", 53), ("ns1.contoso.test", 53));
        assert_eq!(split("::1", 53), ("::1", 53));
        assert_eq!(split("[::1]:54", 53), ("[::1]", 54));
    }
}
