//! TLS on the SQL port. Clients that do not ask for it are served without.

use std::sync::Arc;

use pgwire::tokio::TlsAcceptor;
use pgwire::tokio::tokio_rustls::rustls::crypto::ring::default_provider;
use pgwire::tokio::tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use pgwire::tokio::tokio_rustls::rustls::{Error, ServerConfig};

use crate::error::{Result, SqlError};

/// A server's certificate with its key.
#[derive(Clone)]
pub struct Tls(pub(super) TlsAcceptor);

impl Tls {
    /// Takes a certificate and its PKCS #8 key, both in DER.
    pub fn new(certificate: Vec<u8>, key: Vec<u8>) -> Result<Self> {
        let refused = |error: Error| SqlError::internal(format!("the server's certificate cannot be used: {error}"));
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(certificate)],
                PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key)),
            )
            .map_err(refused)?;
        // Clients that begin with TLS at once, without asking, have to name the protocol.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}
