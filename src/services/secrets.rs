//! The secrets of a session, read once at its start.
//!
//! A profile names where each one stands ([`SecretSource`]); this file fetches
//! them and says plainly which one is missing, and where it was looked for.
//! Nothing is written, cached on disk or printed.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::{Failure, Kind, Result, Secret};
use crate::wire::profile::{Profile, SecretSource};

/// Everything that a profile only names.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The application's secret.
    pub client_secret: Secret,
    /// Password of the directory account.
    pub directory: Secret,
    /// Password of the migration account on the old side.
    pub source: Secret,
    /// TSIG keys (base64) by zone name, as the profile spells it.
    pub zones: BTreeMap<String, Secret>,
    /// The lab's certificate authority, PEM. No secret, but a file beside them
    /// that is needed at the same moment; none behind a real profile.
    pub ca: Option<String>,
}

impl Secrets {
    /// Reads them all. `folder` is the folder of the profile; files are
    /// relative to it.
    ///
    /// # Errors
    /// The first that is missing or empty, with its name and place.
    pub fn read(profile: &Profile, folder: &Path) -> Result<Secrets> {
        let read = |name: &str, source: &SecretSource| fetch(name, source, folder);
        let mut zones = BTreeMap::new();
        for zone in &profile.dns.zones {
            zones.insert(zone.name.clone(), read(&format!("the key of zone {}", zone.name), &zone.secret)?);
        }
        let looking = Secrets::for_reading(profile, folder)?;
        let source = read("the password of the migration account", &profile.source.password)?;
        Ok(Secrets { source, zones, ..looking })
    }

    /// Reads those that whoever only looks has need of: the application's and the
    /// directory account's. Keys of zones and the migration account's password stay
    /// empty, so that nothing can be written with them by mistake.
    ///
    /// # Errors
    /// As [`Secrets::read`].
    pub fn for_reading(profile: &Profile, folder: &Path) -> Result<Secrets> {
        let read = |name: &str, source: &SecretSource| fetch(name, source, folder);
        let ca = match &profile.lab {
            Some(lab) => Some(std::fs::read_to_string(folder.join(&lab.ca)).map_err(|e| {
                Failure::new(
                    Kind::Local,
                    format!("the lab's certificate authority {} can't be read", folder.join(&lab.ca).display()),
                )
                .hint("start `stagepost lab` again; it writes the file beside the profile")
                .detail(e.to_string())
            })?),
            None => None,
        };
        Ok(Secrets {
            client_secret: read("the client secret of the tenant", &profile.tenant.client_secret)?,
            directory: read("the password of the directory account", &profile.directory.password)?,
            source: Secret::new(""),
            zones: profile.dns.zones.iter().map(|zone| (zone.name.clone(), Secret::new(""))).collect(),
            ca,
        })
    }
}

fn fetch(name: &str, source: &SecretSource, folder: &Path) -> Result<Secret> {
    let (secret, place) = match source {
        SecretSource::Env(variable) => {
            let text = std::env::var(variable).map_err(|e| {
                Failure::new(Kind::Local, format!("{name} is missing: the environment variable {variable} is not set"))
                    .hint(format!("set {variable}, or name another source in the profile"))
                    .detail(e.to_string())
            })?;
            (Secret::new(text), format!("the environment variable {variable}"))
        }
        SecretSource::File(path) => {
            let path = folder.join(path);
            let text = std::fs::read_to_string(&path).map_err(|e| {
                Failure::new(Kind::Local, format!("{name} is missing: the file {} can't be read", path.display()))
                    .hint(
                        "write the secret into that file, readable by you alone, or name another source in the profile",
                    )
                    .detail(e.to_string())
            })?;
            // Editors end a file with a line end that is no part of the secret.
            (Secret::new(text.trim_end_matches(['\r', '\n'])), format!("the file {}", path.display()))
        }
    };
    if secret.is_empty() {
        return Err(Failure::new(Kind::Local, format!("{name} is empty in {place}"))
            .hint("an empty password would sign in as nobody; write the secret there"));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_loses_its_line_end_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("s"), " p w \r\n").expect("it can be written");
        let secret = fetch("x", &SecretSource::File("s".into()), folder.path()).expect("it is there");
        assert_eq!(secret.expose(), " p w ");
    }

    #[test]
    fn what_is_missing_is_named_with_its_place() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let failure =
            fetch("the key of zone a.test", &SecretSource::File("gone".into()), folder.path()).expect_err("gone");
        assert!(failure.message.contains("the key of zone a.test") && failure.message.contains("gone"), "{failure}");
        let failure =
            fetch("x", &SecretSource::Env("STAGEPOST_NO_SUCH_VARIABLE".into()), folder.path()).expect_err("unset");
        assert!(failure.message.contains("STAGEPOST_NO_SUCH_VARIABLE") && failure.hint.is_some());
        std::fs::write(folder.path().join("e"), "\n").expect("it can be written");
        assert!(fetch("x", &SecretSource::File("e".into()), folder.path()).is_err());
    }
}
