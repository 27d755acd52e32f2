//! Who connected, how, and for how long: STL_CONNECTION_LOG.

use super::{History, now_us, push};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// What is known of a connection from its first message on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ConnectionFacts {
    /// The other end.
    pub peer: Option<SocketAddr>,
    /// The database asked for.
    pub database: String,
    /// The user's name, as given.
    pub user: String,
    /// Whether it is encrypted.
    pub is_encrypted: bool,
    /// The start-up parameter of this name.
    pub application_name: String,
    /// The start-up parameter of this name.
    pub driver_version: String,
    /// The start-up parameter of this name.
    pub os_version: String,
    /// The start-up parameter of this name.
    pub plugin_name: String,
    /// The protocol's minor version.
    pub protocol_minor: u16,
    /// When it began, in microseconds since 1970.
    pub begun_us: i64,
}

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Happening {
    /// The password was right and a session is there.
    Authenticated,
    /// The login was refused.
    Failed,
    /// The session ended.
    Disconnected,
}

impl Happening {
    /// Gives Redshift's words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Authenticated => "authenticated",
            Self::Failed => "authentication failure",
            Self::Disconnected => "disconnecting session",
        }
    }
}

/// A row of STL_CONNECTION_LOG.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ConnectionEvent {
    /// What happened.
    pub happening: Happening,
    /// When, in microseconds since 1970.
    pub recordtime_us: i64,
    /// The process id of the session; 0 if it did not come to one.
    pub pid: i32,
    /// The connection.
    pub facts: Arc<ConnectionFacts>,
}

impl History {
    /// Records what happened to a connection.
    pub fn connection(&self, happening: Happening, pid: i32, facts: &Arc<ConnectionFacts>) {
        push(
            &self.connections,
            ConnectionEvent {
                happening,
                recordtime_us: now_us(),
                pid,
                facts: Arc::clone(facts),
            },
        );
    }
}
