//! Connections to a PostgreSQL server: made within seconds or not at all, ended with what they still run.
//!
//! Nothing of the login is ever printed: not in an error, not in a log, and what the server says of a refused login,
//! which may name the user, is left out.

use crate::error::{Error, Result};
use crate::reach::Reach;
use blueshift_sql::SqlState;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{CancelToken, Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Until a connection stands: name, socket, TLS and login together.
const CONNECT_MAX: Duration = Duration::from_secs(4);
/// Until what was sent must have been received.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(5);
/// Between signs of life of an idle connection.
const KEEPALIVE: Duration = Duration::from_secs(2);
/// Until the server must have been asked to stop a query.
const CANCEL_MAX: Duration = Duration::from_secs(5);

/// What every session is told: texts of values must not hang on how the server is set up.
const OPTIONS: &str = "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1 -c timezone=UTC \
                       -c bytea_output=hex -c standard_conforming_strings=on -c default_transaction_read_only=on";

/// How a connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// It is not.
    Off,
    /// Against listeners: whoever answers is believed.
    Unverified,
    /// Against listeners and others: the server proves its name with a certificate that one of these signed, in PEM.
    Verified(Vec<u8>),
}

/// Who asks. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Login")
    }
}

/// A schema of a PostgreSQL database.
#[derive(Clone, Debug)]
pub struct Source {
    /// The host, a name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The schema.
    pub schema: String,
    /// Who asks.
    pub login: Login,
    /// How connections are protected; if nothing is said, they are unless the server is on this machine.
    pub tls: Option<Tls>,
    /// What may be connected to.
    pub reach: Reach,
    /// Set when what is known of the schema turned out to be out of date.
    pub is_stale: Arc<AtomicBool>,
}

/// A connection. Dropping it ends it, and what it runs.
pub(super) struct Link {
    pub(super) client: Client,
    cancel: CancelToken,
    tls: MakeRustlsConnect,
    runtime: Handle,
    /// Whether the server may still be at work.
    pub(super) is_busy: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.is_busy || self.client.is_closed() {
            return;
        }
        let (cancel, tls) = (self.cancel.clone(), self.tls.clone());
        // The server does not look whether anybody is there while it sorts or joins.
        self.runtime.spawn(async move {
            let asked = tokio::time::timeout(CANCEL_MAX, cancel.cancel_query(tls)).await;
            if !matches!(asked, Ok(Ok(()))) {
                tracing::warn!("a query could not be canceled in PostgreSQL");
            }
        });
    }
}

impl Source {
    /// Names the server and the database for errors.
    pub fn place(&self) -> String {
        format!("{}:{}/{}", self.host, self.port, self.database)
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Link> {
        match tokio::time::timeout(CONNECT_MAX, self.open()).await {
            Ok(opened) => opened,
            Err(_) => Err(self.unreachable(&format!(
                "no answer within {} seconds",
                CONNECT_MAX.as_secs()
            ))),
        }
    }

    async fn open(&self) -> Result<Link> {
        let addresses = self.reach.addresses(&self.host, self.port).await;
        let addresses = addresses.map_err(|error| match error {
            Error::Sql(error) => self.unreachable(&error.message),
            other => other,
        })?;
        let is_local = addresses.iter().all(|address| address.ip().is_loopback());
        let tls = match &self.tls {
            Some(tls) => tls.clone(),
            None if is_local => Tls::Off,
            None => Tls::Unverified,
        };
        let config = self.config(addresses.iter().map(|address| address.ip()), &tls);
        let tls = MakeRustlsConnect::new(client_config(&tls).map_err(|reason| {
            self.unreachable(&format!("its certificates cannot be used: {reason}"))
        })?);
        let connected = config.connect(tls.clone()).await;
        let (client, connection) = connected.map_err(|error| self.not_connected(&error))?;
        let runtime = Handle::current();
        // Its error comes out of the next request as well.
        runtime.spawn(async move { drop(connection.await) });
        Ok(Link {
            cancel: client.cancel_token(),
            client,
            tls,
            runtime,
            is_busy: false,
        })
    }

    fn config(&self, addresses: impl Iterator<Item = IpAddr>, tls: &Tls) -> Config {
        let mut config = Config::new();
        for address in addresses {
            // Resolved once: what was allowed is what is connected to.
            config.host(&self.host).hostaddr(address);
        }
        config
            .port(self.port)
            .user(&self.login.user)
            .password(&self.login.password)
            .dbname(&self.database)
            .application_name("blueshift")
            .options(OPTIONS)
            .connect_timeout(CONNECT_MAX)
            .tcp_user_timeout(UNACKNOWLEDGED_MAX)
            .keepalives_idle(KEEPALIVE)
            .keepalives_interval(KEEPALIVE)
            .keepalives_retries(2)
            .ssl_mode(match tls {
                Tls::Off => SslMode::Disable,
                Tls::Unverified | Tls::Verified(_) => SslMode::Require,
            });
        config
    }

    fn not_connected(&self, error: &tokio_postgres::Error) -> Error {
        let code = error.code().map_or("", |code| code.code());
        if code.starts_with("28") {
            return told(
                SqlState::INVALID_AUTHORIZATION,
                format!(
                    "PostgreSQL at \"{}\" refused the login of SECRET_ARN",
                    self.place()
                ),
                "Check the user and password that the server's file of secrets has for it, and pg_hba.conf there.",
            );
        }
        if code == "3D000" {
            return told(
                SqlState::INVALID_CATALOG_NAME,
                format!(
                    "database \"{}\" does not exist in PostgreSQL at \"{}:{}\"",
                    self.database, self.host, self.port
                ),
                "Check DATABASE of the external schema.",
            );
        }
        self.unreachable(&chain(error))
    }

    fn unreachable(&self, reason: &str) -> Error {
        told(
            SqlState::CONNECTION_FAILURE,
            format!(
                "could not connect to PostgreSQL at \"{}\": {reason}",
                self.place()
            ),
            "Check URI and PORT of the external schema, and that the server runs.",
        )
    }

    /// Tells why a query failed there.
    pub(super) fn failed(&self, error: &tokio_postgres::Error) -> Error {
        let place = self.place();
        let Some(answer) = error.as_db_error() else {
            return told(
                SqlState::CONNECTION_FAILURE,
                format!(
                    "lost the connection to PostgreSQL at \"{place}\": {}",
                    chain(error)
                ),
                "Try again.",
            );
        };
        let message = line(answer.message());
        let (code, hint) = match answer.code().code() {
            "42501" => (
                SqlState::INSUFFICIENT_PRIVILEGE,
                "Grant the user of the secret SELECT there.",
            ),
            "42P01" | "42703" => {
                self.is_stale.store(true, Ordering::Relaxed);
                (
                    SqlState::UNDEFINED_TABLE,
                    "The table was changed there just now: try again.",
                )
            }
            "57P01" | "57P02" | "57P03" => (SqlState::CONNECTION_FAILURE, "Try again."),
            "40001" => (SqlState::SERIALIZATION_FAILURE, "Try again."),
            _ => (
                SqlState::DATA_EXCEPTION,
                "The query that was sent stands in EXPLAIN and SVL_FEDERATED_QUERY.",
            ),
        };
        told(
            code,
            format!("PostgreSQL at \"{place}\" failed: {message}"),
            hint,
        )
    }
}

fn told(code: SqlState, message: String, hint: &str) -> Error {
    Error::Sql(blueshift_sql::Error::new(code, message).with_hint(hint))
}

/// The causes of an error in one line. None of them holds the login.
fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = match error.as_db_error() {
        Some(answer) => return line(answer.message()),
        None => error.to_string(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(each) = cause {
        text = format!("{text}: {each}");
        cause = each.source();
    }
    line(&text)
}

fn line(text: &str) -> String {
    let shown = text.chars().filter(|each| !each.is_control());
    shown.take(500).collect()
}

fn client_config(tls: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let Tls::Verified(pem) = tls else {
        let anyone = Arc::new(Anyone(provider));
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(anyone)
            .with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Believes every certificate, but not a wrong signature: for connections that were not asked to be verified.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
