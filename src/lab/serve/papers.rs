//! What a lab writes for whoever wants to reach it: profile, authority,
//! secrets, the list.
//!
//! The profile says every name that stagepost uses and the loopback port that
//! stands for it. Secrets stand in files of their own that only the user reads.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use hickory_proto::rr::RecordType;

use super::{accounts, dns};
use crate::base::{Failure, Kind};
use crate::lab::World;
use crate::wire::dns::absolute;
use crate::wire::profile::{Behind, Cloud, Directory, Dns, Lab, Profile, SecretSource, Source, Tenant, Zone};

/// Names of the world's resolvers.
pub const RESOLVERS: [&str; 2] = ["resolver-1.lab.test", "resolver-2.lab.test"];

/// Where everything listens, as `address:port`.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    /// All HTTPS hosts.
    pub https: String,
    /// LDAP over TLS.
    pub ldaps: String,
    /// LDAP that begins in plain.
    pub ldap: String,
    /// Old mail host.
    pub smtp_old: String,
    /// Cloud mail hosts.
    pub smtp_cloud: String,
    /// Name server.
    pub authority: String,
    /// The domain controller's name service.
    pub inside: String,
    /// Resolvers, in the order of [`RESOLVERS`].
    pub resolvers: Vec<String>,
    /// Control address.
    pub control: String,
}

/// Second name of the cloud's Autodiscover.
pub const AUTODISCOVER_S: &str = "autodiscover-s.outlook.com";

/// Name of the primary name server.
fn name_server(world: &World) -> String {
    format!("ns1.{}", world.company.domains.first().map_or("lab.test", String::as_str))
}

/// Every name that leads to a port of the lab: `host:port` → `address:port`.
fn map(world: &World, ports: &Ports) -> BTreeMap<String, String> {
    let cloud = Cloud::default();
    let company = &world.company;
    let mut map = BTreeMap::new();
    let mut put = |host: &str, port: u16, to: &str| {
        map.insert(format!("{}:{port}", host.to_lowercase()), to.to_owned());
    };
    for host in [&cloud.login, &cloud.graph, &cloud.exchange, &cloud.autodiscover] {
        put(host, 443, &ports.https);
    }
    put(AUTODISCOVER_S, 443, &ports.https);
    put(&company.mail_host, 443, &ports.https);
    for domain in &company.domains {
        put(&format!("autodiscover.{domain}"), 443, &ports.https);
        put(domain, 443, &ports.https);
    }
    put(&company.domain_controller, 636, &ports.ldaps);
    put(&company.domain_controller, 389, &ports.ldap);
    put(&company.domain_controller, 53, &ports.inside);
    put(&company.mail_host, 25, &ports.smtp_old);
    for domain in world.tenant.domains.values() {
        put(domain.mx_host.trim_end_matches('.'), 25, &ports.smtp_cloud);
    }
    put(&name_server(world), 53, &ports.authority);
    // Whoever hosts the customer's zones: their servers, too, are this one.
    let zones = company.domains.iter().filter_map(|d| world.zones.get(&absolute(d)));
    for set in zones.flat_map(|z| z.sets.values()).filter(|set| set.kind == RecordType::NS) {
        for server in &set.values {
            put(server.trim_end_matches('.'), 53, &ports.authority);
        }
    }
    for (name, port) in RESOLVERS.iter().zip(&ports.resolvers) {
        put(name, 53, port);
    }
    map
}

/// Every host name of the map, for the certificate.
pub fn names(world: &World) -> Vec<String> {
    let ports = Ports { resolvers: vec![String::new(); RESOLVERS.len()], ..Ports::default() };
    let mut names: Vec<String> =
        map(world, &ports).into_keys().filter_map(|k| k.rsplit_once(':').map(|(h, _)| h.to_owned())).collect();
    names.push(world.company.server.to_lowercase());
    names.sort();
    names.dedup();
    names
}

/// The profile of a world behind these ports.
pub fn profile(world: &World, ports: &Ports) -> Profile {
    let company = &world.company;
    let first = company.domains.first().cloned().unwrap_or_default();
    let secret = |name: &str| SecretSource::File(format!("secrets/{name}"));
    let zones = company
        .domains
        .iter()
        .filter(|d| world.zones.get(&format!("{d}.")).is_some_and(|z| z.updates))
        .map(|d| Zone {
            name: d.clone(),
            server: format!("{}:53", name_server(world)),
            key: dns::KEY.to_owned(),
            algorithm: "hmac-sha256".into(),
            secret: secret("tsig"),
        })
        .collect();
    Profile {
        name: format!("lab of {}", company.name),
        kind: Behind::Lab,
        tenant: Tenant {
            id: world.tenant.id.to_string(),
            initial_domain: world.tenant.initial_domain.clone(),
            client_id: world.tenant.client_id.to_string(),
            client_secret: secret("client_secret"),
        },
        cloud: Cloud::default(),
        directory: Directory {
            host: company.domain_controller.clone(),
            port: 636,
            bind: format!("{}@{first}", accounts::DIRECTORY),
            password: secret("directory"),
            sync_command: Vec::new(),
        },
        source: Source {
            rpc_proxy: company.mail_host.clone(),
            exchange_server: company.server.clone(),
            smtp: company.mail_host.clone(),
            account: accounts::migration_account(world),
            password: secret("migration"),
            authentication: "Basic".into(),
        },
        dns: Dns { resolvers: RESOLVERS.iter().map(|r| format!("{r}:53")).collect(), zones },
        lab: Some(Lab { control: ports.control.clone(), ca: "ca.pem".into() }),
        map: map(world, ports),
    }
}

/// Writes everything into a folder that exists or can be made; answers the
/// profile's path.
///
/// # Errors
/// The folder or a file cannot be written.
pub fn write(world: &World, profile: &Profile, authority: &str, folder: &Path) -> Result<PathBuf, Failure> {
    let secrets = folder.join("secrets");
    fs::create_dir_all(&secrets).map_err(|e| unwritable(&secrets, &e))?;
    for (name, value) in &world.secrets {
        secret(&secrets.join(name), value)?;
    }
    let plain = |name: &str, text: &str| -> Result<PathBuf, Failure> {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|e| unwritable(&path, &e))?;
        Ok(path)
    };
    plain("ca.pem", authority)?;
    let mut list = String::from("EmailAddress\r\n");
    for address in world.company.list.iter().chain(&world.company.twice) {
        list.push_str(address);
        list.push_str("\r\n");
    }
    plain("mailboxes.csv", &list)?;
    let text = profile.print().map_err(|e| Failure::internal(format!("the lab's profile has no TOML form: {e}")))?;
    plain("profile.toml", &text)
}

fn secret(path: &Path, value: &str) -> Result<(), Failure> {
    // A file of an earlier lab may be wider open than this one must be.
    let _ = fs::remove_file(path);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|e| unwritable(path, &e))?;
    file.write_all(value.as_bytes()).map_err(|e| unwritable(path, &e))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Local, format!("`{}` cannot be written: {error}", path.display()))
        .hint("choose a folder that you may write to")
        .on(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::super::small;
    use super::*;

    #[test]
    fn everything_that_is_mapped_leads_to_loopback() {
        let world = small::world();
        let here = || "127.0.0.1:4711".to_owned();
        let ports = Ports {
            https: here(),
            ldaps: here(),
            ldap: here(),
            smtp_old: here(),
            smtp_cloud: here(),
            authority: here(),
            inside: here(),
            resolvers: vec![here(), here()],
            control: here(),
        };
        let profile = profile(&world, &ports);
        assert!(profile.map.values().all(|to| to.starts_with("127.0.0.1:")));
        for name in [
            "login.microsoftonline.com:443",
            "graph.microsoft.com:443",
            "outlook.office365.com:443",
            "autodiscover.contoso.test:443",
            "mail.contoso.test:443",
            "mail.contoso.test:25",
            "dc1.contoso.test:636",
            "contoso-test.mail.protection.outlook.com:25",
            "resolver-2.lab.test:53",
            "ns1.contoso.test:53",
        ] {
            assert!(profile.map.contains_key(name), "{name}");
        }
        let text = profile.print().expect("a profile has a TOML form");
        assert_eq!(Profile::parse(&text).map(|p| p.map), Ok(profile.map));
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_the_users_own() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let world = small::world();
        let profile = profile(&world, &Ports::default());
        write(&world, &profile, "", folder.path()).expect("the folder can be written");
        write(&world, &profile, "", folder.path()).expect("it can be written again");
        let file = folder.path().join("secrets/directory");
        let mode = fs::metadata(&file).map(|m| m.permissions().mode() & 0o777);
        assert_eq!(mode.ok(), Some(0o600));
        assert_eq!(fs::read_to_string(file).ok().as_deref(), Some("admin's word"));
    }
}
