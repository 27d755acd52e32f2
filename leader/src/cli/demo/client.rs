//! The demo's own connection: TLS pinned to the certificate its server holds, then SCRAM.

use anyhow::{Context, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How to prove who is who.
pub(super) struct Login {
    /// The server's certificate chain in PEM.
    pub(super) certificate: Vec<u8>,
    /// The password of `admin`.
    pub(super) password: String,
}

/// Rows as text, null as `None`.
pub(super) type Rows = Vec<Vec<Option<String>>>;

/// Connects to the server of this process.
pub(super) async fn connect(address: SocketAddr, login: &Login) -> Result<Client> {
    let certificate = CertificateDer::from_pem_slice(&login.certificate)
        .context("could not read the TLS certificate as PEM")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned {
            certificate,
            provider,
        }))
        .with_no_client_auth();
    // A server that listens everywhere is reached on loopback.
    let host = match (address.ip().is_unspecified(), address.is_ipv4()) {
        (true, true) => "127.0.0.1".to_string(),
        (true, false) => "::1".to_string(),
        (false, _) => address.ip().to_string(),
    };
    let (client, connection) = tokio_postgres::Config::new()
        .host(host)
        .port(address.port())
        .user(crate::server::ADMIN)
        .dbname(crate::server::DATABASE)
        .password(&login.password)
        .application_name("blueshift demo")
        .ssl_mode(SslMode::Require)
        .connect(MakeRustlsConnect::new(tls))
        .await
        .context("could not connect to the demo's own server")?;
    tokio::spawn(async move {
        if let Err(error) = connection.await
            // The server's farewell when it stops is no loss.
            && error.as_db_error().is_none()
        {
            tracing::warn!(%error, "the demo's connection was lost");
        }
    });
    Ok(client)
}

/// Runs a statement and gives its rows as text.
pub(super) async fn rows(client: &Client, sql: &str) -> Result<Rows> {
    let messages = client.simple_query(sql).await.map_err(explain)?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let cells = |row: &tokio_postgres::SimpleQueryRow| {
        (0..row.len())
            .map(|column| row.get(column).map(str::to_string))
            .collect()
    };
    Ok(rows.map(cells).collect())
}

/// Puts the server's words into one line; the driver's own text is "db error".
fn explain(error: tokio_postgres::Error) -> anyhow::Error {
    let Some(told) = error.as_db_error() else {
        return error.into();
    };
    let part = |text: Option<&str>| text.map(|text| format!(" ({text})")).unwrap_or_default();
    anyhow::anyhow!(
        "{}: {}{}{}",
        told.code().code(),
        told.message(),
        part(told.detail()),
        part(told.hint())
    )
}

/// Accepts one certificate alone.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
