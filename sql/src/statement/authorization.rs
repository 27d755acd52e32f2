//! How COPY and UNLOAD log in to where the files are: IAM_ROLE, keys, CREDENTIALS.

use super::copy::{conflict, value_error};
use super::master_key::MasterKey;
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;

/// Secrets; has no useful `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Authorization {
    /// The server's own environment.
    #[default]
    None,
    /// IAM_ROLE default | 'arn'.
    IamRole(String),
    /// ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, or CREDENTIALS with keys.
    Keys {
        /// ACCESS_KEY_ID
        access_key_id: String,
        /// SECRET_ACCESS_KEY
        secret_access_key: String,
        /// SESSION_TOKEN
        session_token: Option<String>,
    },
}

/// Authorization in parts, as the options give them.
#[derive(Default)]
pub(super) struct Keys {
    role: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    session_token: Option<String>,
    credentials: Option<Authorization>,
    master_key: Option<MasterKey>,
    /// CREDENTIALS holds the master key too.
    has_key_inside: bool,
}

impl Keys {
    /// Takes the value of an option whose word was read; `false` if it is none of authorization's.
    pub(super) fn take(&mut self, cursor: &mut Cursor<'_>, word: &str) -> Result<bool> {
        match word {
            "iam_role" => {
                self.role = Some(if cursor.take_word("default") {
                    "default".to_owned()
                } else {
                    cursor.raw_string()?
                });
            }
            "access_key_id" => self.access_key_id = Some(secret(cursor, "ACCESS_KEY_ID")?),
            "secret_access_key" => {
                self.secret_access_key = Some(secret(cursor, "SECRET_ACCESS_KEY")?);
            }
            "session_token" => self.session_token = Some(secret(cursor, "SESSION_TOKEN")?),
            "master_symmetric_key" => {
                let position = cursor.position();
                let text = secret(cursor, "MASTER_SYMMETRIC_KEY")?;
                let read = MasterKey::read(&text);
                self.master_key = Some(read.map_err(|error| error.at(position))?);
            }
            "credentials" => {
                let position = cursor.position();
                let text = secret(cursor, "CREDENTIALS")?;
                let read = credentials(&text).map_err(|error| error.at(position))?;
                self.credentials = Some(read.0);
                if read.1.is_some() {
                    self.has_key_inside = true;
                    self.master_key = read.1;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Tells whether CREDENTIALS was given.
    pub(super) fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// Gives the key of files that are encrypted by their client. It goes with ENCRYPTED, and not beside CREDENTIALS.
    pub(super) fn master_key(&mut self, is_encrypted: bool) -> Result<Option<MasterKey>> {
        if self.master_key.is_some() && !is_encrypted {
            return Err(conflict("MASTER_SYMMETRIC_KEY needs ENCRYPTED"));
        }
        if self.master_key.is_some() && self.has_credentials() && !self.has_key_inside {
            return Err(
                conflict("CREDENTIALS does not go with MASTER_SYMMETRIC_KEY")
                    .with_hint("Write master_symmetric_key=... within CREDENTIALS"),
            );
        }
        Ok(self.master_key.take())
    }

    /// Puts the parts together; only one way may be given.
    pub(super) fn finish(self) -> Result<Authorization> {
        let keys = self.access_key_id.is_some()
            || self.secret_access_key.is_some()
            || self.session_token.is_some();
        let ways = usize::from(self.role.is_some())
            + usize::from(keys)
            + usize::from(self.credentials.is_some());
        if ways > 1 {
            return Err(conflict(
                "only one of IAM_ROLE, ACCESS_KEY_ID and CREDENTIALS may be given",
            ));
        }
        match (self.role, self.access_key_id, self.secret_access_key) {
            (Some(role), _, _) => Ok(Authorization::IamRole(role)),
            (None, Some(access_key_id), Some(secret_access_key)) => Ok(Authorization::Keys {
                access_key_id,
                secret_access_key,
                session_token: self.session_token,
            }),
            (None, None, None) if !keys => Ok(self.credentials.unwrap_or_default()),
            _ => Err(conflict(
                "ACCESS_KEY_ID and SECRET_ACCESS_KEY must be given together",
            )),
        }
    }
}

/// `[AS] 'text'`, never shown: not even where it lacks its quotes.
fn secret(cursor: &mut Cursor<'_>, name: &str) -> Result<String> {
    cursor.take_word("as");
    cursor
        .raw_string()
        .map_err(|_| Error::syntax(format!("{name} needs a quoted text"), None))
}

/// `aws_iam_role=...` or `aws_access_key_id=...;aws_secret_access_key=...[;token=...]`, and `[;master_symmetric_key=...]`.
/// Errors never show the text.
fn credentials(text: &str) -> Result<(Authorization, Option<MasterKey>)> {
    let mut keys = Keys::default();
    for part in text.split(';').filter(|part| !part.is_empty()) {
        let Some((name, value)) = part.split_once('=') else {
            return Err(value_error(
                "CREDENTIALS must be name=value pairs divided by semicolons",
            ));
        };
        let value = Some(value.to_owned());
        match name.trim() {
            "aws_iam_role" => keys.role = value,
            "aws_access_key_id" => keys.access_key_id = value,
            "aws_secret_access_key" => keys.secret_access_key = value,
            "token" => keys.session_token = value,
            "master_symmetric_key" => {
                keys.master_key = Some(MasterKey::read(value.as_deref().unwrap_or_default())?);
            }
            _ => {
                return Err(value_error("CREDENTIALS has an unknown name").with_hint(
                    "Known are aws_iam_role, aws_access_key_id, aws_secret_access_key, token and \
                     master_symmetric_key",
                ));
            }
        }
    }
    let master_key = keys.master_key.take();
    let authorization = match keys {
        Keys {
            role: Some(role),
            access_key_id: None,
            secret_access_key: None,
            ..
        } => Ok(Authorization::IamRole(role)),
        Keys {
            role: None,
            access_key_id: Some(access_key_id),
            secret_access_key: Some(secret_access_key),
            session_token,
            ..
        } => Ok(Authorization::Keys {
            access_key_id,
            secret_access_key,
            session_token,
        }),
        _ => Err(value_error("CREDENTIALS must hold a role or both keys")),
    };
    Ok((authorization?, master_key))
}
