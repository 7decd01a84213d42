//! What Exchange Online's module file tells: the public key that credentials
//! are sealed under, and the cmdlets that the caller's roles allow.
//!
//! The key rotates, so it is fetched for each session and never shipped. RSA
//! with PKCS#1 v1.5 over compact JSON is what the service expects (reference:
//! admin API, 2.4); it leaves room for 245 bytes.

use std::collections::BTreeSet;

use rsa::{BigUint, Pkcs1v15Encrypt, RsaPublicKey};
use serde_json::Value;

use crate::base::plant::{self, Plant};
use crate::base::{Failure, Kind, Result, Secret};
use crate::wire::guid::{base64, unbase64};
use crate::wire::invoke::{self, CREDENTIAL_LIMIT, XmlKey};

/// The module version that is asked for.
pub const VERSION: &str = "3.9.2";

/// The useful parts of an `EXOModuleFile` answer.
#[derive(Clone, Debug)]
pub struct Module {
    /// Credentials are sealed under it.
    pub key: XmlKey,
    /// In lower case; empty if the answer did not list them.
    pub cmdlets: BTreeSet<String>,
}

impl Module {
    /// Reads the answer; `None` if no file of it holds a key.
    pub fn read(body: &Value) -> Option<Module> {
        let files = body["value"].as_array().cloned().unwrap_or_default();
        let key = files.iter().find_map(|file| {
            let content = invoke::get(file, "fileContent").as_str()?;
            XmlKey::find(content).or_else(|| {
                let decoded = String::from_utf8(unbase64(content.trim())?).ok()?;
                XmlKey::find(&decoded)
            })
        })?;
        let mut cmdlets = BTreeSet::new();
        for place in std::iter::once(body).chain(&files) {
            let list = invoke::get(place, "exportedCmdlets");
            let names: Vec<String> = match list {
                Value::String(text) => text.split(',').map(str::to_owned).collect(),
                Value::Array(items) => items.iter().map(invoke::text_of).collect(),
                _ => Vec::new(),
            };
            cmdlets.extend(names.iter().map(|n| n.trim().to_lowercase()).filter(|n| !n.is_empty()));
        }
        Some(Module { key, cmdlets })
    }
}

/// Refuses a credential that can't be sealed, before anything is sent.
///
/// # Errors
/// `validation`, with the number of bytes that are too many.
pub fn check_length(user: &str, password: &Secret) -> Result<()> {
    let length = invoke::credential_text(user, password.expose()).len();
    if length <= CREDENTIAL_LIMIT {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Validation,
        format!("the credential of {user} is {} bytes too long for the service's key", length - CREDENTIAL_LIMIT),
    )
    .hint(format!(
        "user name and password must fit into {CREDENTIAL_LIMIT} bytes together with their JSON, quotes and backslashes counting twice; shorten the password"
    ))
    .during("exchange", "credential")
    .on(user))
}

/// Seals a credential: base64 of RSA over its compact JSON.
///
/// # Errors
/// As [`check_length`]; `protocol` if the key is none.
pub fn seal(user: &str, password: &Secret, key: &XmlKey) -> Result<String> {
    check_length(user, password)?;
    let bad = |why: String| {
        Failure::new(Kind::Protocol, "the key of Exchange Online can't seal a credential")
            .hint("create the endpoint in the admin centre and refer to it by name")
            .detail(why)
            .during("exchange", "credential")
    };
    let public = RsaPublicKey::new(BigUint::from_bytes_be(&key.modulus), BigUint::from_bytes_be(&key.exponent))
        .map_err(|e| bad(e.to_string()))?;
    let text = invoke::credential_text(user, password.expose());
    if plant::is(Plant::PasswordUnsealed) {
        return Ok(base64(text.as_bytes()));
    }
    let sealed =
        public.encrypt(&mut rsa::rand_core::OsRng, Pkcs1v15Encrypt, text.as_bytes()).map_err(|e| bad(e.to_string()))?;
    Ok(base64(&sealed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsa::traits::PublicKeyParts;
    use serde_json::json;

    #[test]
    fn what_is_sealed_is_opened_by_the_service() {
        let private = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("a key can be made");
        let key = XmlKey { modulus: private.n().to_bytes_be(), exponent: private.e().to_bytes_be() };
        let sealed = seal("CONTOSO\\mig", &Secret::new("pä\"ss"), &key).expect("short enough");
        let opened = private.decrypt(Pkcs1v15Encrypt, &unbase64(&sealed).expect("base64")).expect("our own key");
        let text = String::from_utf8(opened).expect("UTF-8");
        assert_eq!(text, r#"{"UserName":"CONTOSO\\mig","Password":"pä\"ss"}"#);
    }

    #[test]
    fn the_limit_counts_escapes_and_is_said_before_sending() {
        // {"UserName":"u","Password":"…"} has 30 bytes besides the password.
        assert!(check_length("u", &Secret::new("x".repeat(215))).is_ok());
        let failure = check_length("u", &Secret::new("x".repeat(216))).expect_err("too long");
        assert_eq!(failure.kind, Kind::Validation);
        assert!(failure.message.contains("1 bytes too long"), "{failure}");
        assert!(check_length("u", &Secret::new("\"".repeat(109))).is_err());
    }

    #[test]
    fn key_and_cmdlets_are_found_wherever_they_stand() {
        let key = XmlKey { modulus: vec![200; 256], exponent: vec![1, 0, 1] };
        let content = format!("$x = 1\n$key = '{}'", key.print());
        let body = json!({"value": [{"fileName": "a.psd1", "fileContent": ""},
            {"fileName": "b.psm1", "fileContent": content, "exportedCmdlets": "Get-MigrationBatch, New-MigrationBatch"}]});
        let module = Module::read(&body).expect("there is a key");
        assert_eq!(module.key, key);
        assert!(module.cmdlets.contains("new-migrationbatch"));
        assert!(Module::read(&json!({"value": []})).is_none());
    }
}
