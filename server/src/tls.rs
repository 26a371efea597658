//! The certificate and key of HTTPS: read and matched before the server says that it listens, and the pin by which
//! a phone knows the certificate again.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

use crate::config::Settings;

/// What is wrong with a certificate or its key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the two is not set.
    #[error("tls_cert and tls_key go together: one of them is not set")]
    Half,
    /// A file holds no certificate.
    #[error("the TLS certificate {path} cannot be used: {why}")]
    Certificate {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// A file holds no private key.
    #[error("the TLS key {path} cannot be used: {why}")]
    Key {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// The two do not belong together.
    #[error("the TLS certificate and key do not belong together: {0}")]
    Pair(rustls::Error),
}

/// What HTTPS is served with.
#[derive(Clone, Debug)]
pub struct Tls {
    /// For the listener.
    pub config: Arc<ServerConfig>,
    /// The pin of the certificate, hexadecimal.
    pub pin: String,
}

/// Reads certificate and key; none where none are set.
///
/// # Errors
/// In words for the operator: what cannot be used, and why.
pub fn load(settings: &Settings) -> Result<Option<Tls>, TlsError> {
    let (certificate, key) = match (&settings.tls_cert, &settings.tls_key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) | (None, Some(_)) => return Err(TlsError::Half),
    };
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    let chain = chain(certificate)?;
    let pin = pin_of(certificate, &chain)?;
    let key_of = |why: String| TlsError::Key { path: key.display().to_string(), why };
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| key_of(error.to_string()))?;
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(Tls { config: Arc::new(config), pin }))
}

/// The pin of a certificate file: SHA-256 of its public key (`SubjectPublicKeyInfo`), hexadecimal. A certificate that
/// is renewed with the same key keeps it.
///
/// # Errors
/// Where the file holds no certificate.
pub fn pin(certificate: &Path) -> Result<String, TlsError> {
    pin_of(certificate, &chain(certificate)?)
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> TlsError {
    TlsError::Certificate { path: path.display().to_string(), why: why.to_string() }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| unusable(path, error))
}

fn pin_of(path: &Path, chain: &[CertificateDer<'static>]) -> Result<String, TlsError> {
    let first = chain.first().ok_or_else(|| unusable(path, "it holds no certificate"))?;
    let parsed = webpki::EndEntityCert::try_from(first).map_err(|error| unusable(path, error))?;
    Ok(hex::encode(Sha256::digest(parsed.subject_public_key_info())))
}
