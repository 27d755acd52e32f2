//! A connection to the server over TLS; its self-signed certificate is accepted, it is our own child on loopback.

use crate::server::PASSWORD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::sync::Arc;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Error, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

#[derive(Debug)]
struct AcceptAny;

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Gives a TLS connector that accepts any certificate.
fn tls() -> MakeRustlsConnect {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny))
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}

/// Connects as `admin` to `dev`. What is measured is work, so that no earlier result may answer.
pub async fn connect(port: u16) -> Result<Client, Error> {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user("admin")
        .password(PASSWORD)
        .dbname("dev")
        .options("-c enable_result_cache_for_session=off")
        .ssl_mode(SslMode::Require);
    let (client, connection) = config.connect(tls()).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Runs statements and gives the last one's rows as text.
pub async fn rows(client: &Client, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let mut rows = Vec::new();
    let messages = client
        .simple_query(sql)
        .await
        .map_err(|error| match error.as_db_error() {
            Some(db) => anyhow::anyhow!(
                "{}: {} {}",
                db.code().code(),
                db.message(),
                db.detail().unwrap_or_default()
            ),
            None => anyhow::anyhow!(error),
        })?;
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                rows.push(
                    (0..row.len())
                        .map(|column| row.get(column).map(str::to_string))
                        .collect(),
                );
            }
            SimpleQueryMessage::RowDescription(_) => rows.clear(),
            _ => {}
        }
    }
    Ok(rows)
}
