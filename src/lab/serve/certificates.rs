//! The lab's own certificate authority, and one certificate for all its names.
//!
//! Made at the start, never stored but for the authority's public half.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::base::Failure;

/// What TLS listeners need, and what clients must trust.
pub struct Certificates {
    /// Accepts TLS with the one certificate.
    pub acceptor: TlsAcceptor,
    /// The authority, PEM.
    pub authority: String,
}

/// Makes an authority and a certificate for these names (and 127.0.0.1).
///
/// # Errors
/// A name cannot stand in a certificate.
pub fn make(names: &[String]) -> Result<Certificates, Failure> {
    let bad = |e: &dyn std::fmt::Display| Failure::internal(format!("the lab's certificate could not be made: {e}"));
    let mut params = CertificateParams::new(Vec::<String>::new()).map_err(|e| bad(&e))?;
    params.distinguished_name.push(DnType::CommonName, "stagepost rehearsal lab");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().map_err(|e| bad(&e))?;
    let authority = CertifiedIssuer::self_signed(params, key).map_err(|e| bad(&e))?;

    let mut all = names.to_vec();
    all.extend(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    all.sort();
    all.dedup();
    let mut params = CertificateParams::new(all).map_err(|e| bad(&e))?;
    params.distinguished_name.push(DnType::CommonName, "stagepost rehearsal lab server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(|e| bad(&e))?;
    let certificate = params.signed_by(&key, &authority).map_err(|e| bad(&e))?;

    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(&e))?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone(), authority.der().clone()], private)
        .map_err(|e| bad(&e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Certificates { acceptor: TlsAcceptor::from(Arc::new(config)), authority: authority.pem() })
}
