//! Connections over TLS, as Redshift's drivers make them; the self-signed certificate is accepted.

use crate::server::PASSWORD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, Error, SimpleQueryMessage};
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
pub fn tls() -> MakeRustlsConnect {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny))
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}

/// How long statements may take: one that hangs fails its test, and not the whole run.
const ANSWER_MAX: Duration = Duration::from_secs(600);

/// A connection.
pub struct Client {
    /// The driver's own client.
    pub inner: tokio_postgres::Client,
}

/// Connects as `admin` to `dev`.
pub async fn connect(port: u16) -> Client {
    try_connect(port).await.expect("connect")
}

/// Connects as `admin` to `dev`, or says why not.
pub async fn try_connect(port: u16) -> Result<Client, Error> {
    try_connect_as(port, "admin", PASSWORD, "dev").await
}

/// Connects, or says why not.
pub async fn try_connect_as(
    port: u16,
    user: &str,
    password: &str,
    database: &str,
) -> Result<Client, Error> {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user(user)
        .password(password)
        .dbname(database)
        .ssl_mode(SslMode::Require);
    let (inner, connection) = config.connect(tls()).await?;
    tokio::spawn(connection);
    Ok(Client { inner })
}

impl Client {
    /// Runs statements; the last one's rows as text, `None` for null. Panics if they do not end in [`ANSWER_MAX`].
    pub async fn try_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        let mut rows = Vec::new();
        let answer = tokio::time::timeout(ANSWER_MAX, self.inner.simple_query(sql)).await;
        let messages = answer.unwrap_or_else(|_| panic!("no answer in {ANSWER_MAX:?}: {sql}"))?;
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

    /// Runs statements; the last one's rows as text, null as `NULL`, columns parted by `|`.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        let rows = self
            .try_rows(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {}", explain(&error)));
        let line = |row: Vec<Option<String>>| {
            row.into_iter()
                .map(|cell| cell.unwrap_or_else(|| "NULL".into()))
                .collect::<Vec<_>>()
                .join("|")
        };
        rows.into_iter().map(line).collect()
    }

    /// Runs a statement with one value.
    pub async fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql} gave {} rows", rows.len());
        rows.into_iter().next().unwrap_or_default()
    }

    /// Runs statements for their effect.
    pub async fn run(&self, sql: &str) {
        self.try_rows(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {}", explain(&error)));
    }

    /// Runs a statement that must fail, and gives its SQLSTATE and message.
    pub async fn failure(&self, sql: &str) -> (String, String) {
        match self.try_rows(sql).await {
            Ok(rows) => panic!("{sql} should have failed, but gave {} rows", rows.len()),
            Err(error) => match error.as_db_error() {
                Some(db) => (db.code().code().to_string(), explain(&error)),
                None => panic!("{sql}: no answer from the server: {error}"),
            },
        }
    }
}

/// Prints an error of the server with its code, detail and hint.
pub fn explain(error: &Error) -> String {
    match error.as_db_error() {
        Some(db) => format!(
            "{}: {}{}{}",
            db.code().code(),
            db.message(),
            db.detail()
                .map(|text| format!(" [{text}]"))
                .unwrap_or_default(),
            db.hint()
                .map(|text| format!(" ({text})"))
                .unwrap_or_default(),
        ),
        None => error.to_string(),
    }
}
