//! The server's certificate: the one given, else a self-signed one made at the first start and kept.

use anyhow::{Context, Result};
use blueshift_storage::store::Store;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// Where the made certificate and key are kept in the data directory.
const CERTIFICATE_FILE: &str = "server.crt";
const KEY_FILE: &str = "server.key";

/// A certificate chain and its key, in PEM.
#[derive(Clone)]
pub struct Certificate {
    /// The chain, the server's own first.
    pub chain: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
}

impl Certificate {
    /// Gives the kept certificate, or makes one for `localhost` and this machine's name and keeps it.
    pub fn ensure(store: &Store) -> Result<Certificate> {
        let kept = (
            store.read_private(CERTIFICATE_FILE)?,
            store.read_private(KEY_FILE)?,
        );
        if let (Some(chain), Some(key)) = kept {
            return Ok(Certificate { chain, key });
        }
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_string);
        let made =
            rcgen::generate_simple_self_signed(names).context("could not make a certificate")?;
        let chain = made.cert.pem().into_bytes();
        let key = made.signing_key.serialize_pem().into_bytes();
        store.write_private(KEY_FILE, &key)?;
        store.write_private(CERTIFICATE_FILE, &chain)?;
        Ok(Certificate { chain, key })
    }

    /// Makes the TLS side of a port: 1.2 and 1.3, no client certificates. `protocol` is its name for ALPN.
    pub(super) fn server_config_for(&self, protocol: &[u8]) -> Result<Arc<ServerConfig>> {
        let chain = CertificateDer::pem_slice_iter(&self.chain)
            .collect::<Result<Vec<_>, _>>()
            .context("could not read the TLS certificate (--tls-cert) as PEM")?;
        if chain.is_empty() {
            anyhow::bail!("the TLS certificate file (--tls-cert) holds no certificate in PEM");
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .context("could not read the TLS key (--tls-key) as PEM")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .context(
                "the TLS certificate (--tls-cert) and key (--tls-key) do not fit each other",
            )?;
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Arc::new(config))
    }
}
