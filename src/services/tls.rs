//! TLS settings of the dialer: whom it believes, and what a refusal means.
//!
//! rustls with ring, passed explicitly. A lab's profile believes the lab's own
//! certificate authority and nobody else; a real one believes Mozilla's roots.
//! SMTP between strangers is opportunistic, so there (and only there) a bad
//! certificate is a finding and not the end.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::base::{Failure, Kind, Result};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The roots to believe: those of the PEM text, or the world's.
///
/// # Errors
/// The text holds no certificate.
pub fn roots(ca_pem: Option<&str>) -> Result<Arc<RootCertStore>> {
    let mut store = RootCertStore::empty();
    let Some(pem) = ca_pem else {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(Arc::new(store));
    };
    let bad = |why: String| {
        Failure::new(Kind::Local, "the certificate authority of the lab can't be read")
            .hint("point `lab.ca` of the profile at the PEM file that the lab wrote")
            .detail(why)
    };
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        store.add(certificate.map_err(|e| bad(e.to_string()))?).map_err(|e| bad(e.to_string()))?;
    }
    if store.is_empty() {
        return Err(bad("the text holds no certificate".into()));
    }
    Ok(Arc::new(store))
}

/// A configuration that believes these roots and offers these protocols.
///
/// # Errors
/// Only if the TLS library lacks its own protocol versions.
pub fn config(roots: Arc<RootCertStore>, protocols: &[&[u8]]) -> Result<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| Failure::internal(format!("the TLS library offers no protocol version: {e}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    Ok(config)
}

/// Where a lenient verification leaves what it found.
pub type Finding = Arc<Mutex<Option<String>>>;

/// A configuration that goes on with a bad certificate and says what is wrong
/// with it.
///
/// # Errors
/// As [`config`].
pub fn lenient(roots: Arc<RootCertStore>) -> Result<(ClientConfig, Finding)> {
    let inner = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider())
        .build()
        .map_err(|e| Failure::internal(format!("no certificate verifier can be made: {e}")))?;
    let finding: Finding = Arc::default();
    let mut config = config(roots, &[])?;
    config.dangerous().set_certificate_verifier(Arc::new(Lenient { inner, finding: finding.clone() }));
    Ok((config, finding))
}

#[derive(Debug)]
struct Lenient {
    inner: Arc<WebPkiServerVerifier>,
    finding: Finding,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let verified = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if let Err(error) = verified {
            *self.finding.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// What a TLS error means to an administrator.
pub fn explain(host: &str, error: &rustls::Error) -> Failure {
    let failure = match error {
        rustls::Error::InvalidCertificate(_) => {
            Failure::new(Kind::Unavailable, format!("the certificate of {host} is not accepted"))
                .hint("check its dates, its names and the authority that signed it; the cloud checks them too")
        }
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure) => {
            Failure::new(Kind::Unavailable, format!("{host} offers no TLS 1.2 or later"))
                .hint("servers of the Windows 2003 and 2008 era speak TLS 1.0 only; publish them through a proxy that speaks TLS 1.2")
        }
        _ => Failure::new(Kind::Unavailable, format!("TLS with {host} failed"))
            .hint("check that the port speaks TLS and that nothing in between intercepts it"),
    };
    failure.detail(error.to_string()).on(host)
}

/// The TLS error inside an I/O error, if that is what it is. Connectors wrap
/// one I/O error in another.
pub fn inside(error: &std::io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<rustls::Error>().or_else(|| inside(inner.downcast_ref::<std::io::Error>()?))
}
