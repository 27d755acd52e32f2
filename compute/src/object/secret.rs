//! What SECRET_ARN stands for: the operator names secrets and gives each the login of a database.

use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The login of a database. Has no useful `Debug`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
    /// The host it is for. It is sent to no other, whatever a statement says.
    pub host: String,
    /// How connections are protected: if nothing is said, they are, unless the host is this machine.
    #[serde(default)]
    pub tls: Option<SecretTls>,
    /// A PEM file with the certificate of the host or the one that signed it; needed for `verify`.
    #[serde(default)]
    pub tls_ca: Option<PathBuf>,
    /// What is in that file.
    #[serde(skip)]
    pub tls_ca_pem: Vec<u8>,
}

/// How connections are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretTls {
    /// They are not.
    Off,
    /// With TLS, whoever answers.
    On,
    /// With TLS, and the host proves its name.
    Verify,
}

/// The secrets there are, by ARN.
#[derive(Clone, Default)]
pub struct Secrets {
    by_name: Arc<BTreeMap<String, Secret>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.by_name.keys()).finish()
    }
}

impl Secrets {
    /// Takes the secrets of a configuration.
    pub fn new(by_name: BTreeMap<String, Secret>) -> Self {
        Self {
            by_name: Arc::new(by_name),
        }
    }

    /// Finds the secret for a host.
    pub fn find(&self, name: &str, host: &str) -> Result<&Secret> {
        let refused = |message: String, hint: &str| {
            Error::Sql(
                blueshift_sql::Error::new(SqlState::INVALID_AUTHORIZATION, message).with_hint(hint),
            )
        };
        let secret = self.by_name.get(name).ok_or_else(|| {
            refused(
                format!("the server knows no secret \"{name}\""),
                "Start the server with --secret-file naming a file that has it.",
            )
        })?;
        match secret.host.eq_ignore_ascii_case(host) {
            true => Ok(secret),
            false => Err(refused(
                format!("secret \"{name}\" is not for host \"{host}\""),
                "URI must be the host that the secret has in the server's file of secrets.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_its_host_and_is_not_shown() {
        let secret = Secret {
            username: "reader".to_owned(),
            password: "hidden".to_owned(),
            host: "db.example.com".to_owned(),
            tls: None,
            tls_ca: None,
            tls_ca_pem: Vec::new(),
        };
        let secrets = Secrets::new([("arn:1".to_owned(), secret)].into());
        assert_eq!(format!("{secrets:?}"), "{\"arn:1\"}");
        assert!(secrets.find("arn:1", "DB.example.com").is_ok());
        assert!(secrets.find("arn:1", "evil.example.com").is_err());
        assert!(secrets.find("arn:2", "db.example.com").is_err());
    }
}
