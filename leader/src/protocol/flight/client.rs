//! Who is logged in: tokens, and the session behind each.

use super::Peer;
use super::prepared::Statements;
use super::run::refused;
use crate::access::{md5, scram};
use crate::error::sqlstate;
use crate::history::connection::{ConnectionFacts, Happening};
use crate::history::now_us;
use crate::protocol::Shared;
use crate::protocol::cancel::Admission;
use crate::session::{CancelHandle, LoginFacts, Session};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use blueshift_sql::SqlState;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::metadata::MetadataMap;

/// How long a session without a request stays, if its user has no SESSION TIMEOUT: clients need not say goodbye.
const IDLE_MAX: Duration = Duration::from_secs(60 * 60);
/// How long a session stays whose connection is gone: its client may come again by another.
const GONE_MAX: Duration = Duration::from_secs(30);
/// Between looks for idle sessions.
const IDLE_LOOK: Duration = Duration::from_secs(10);
/// Bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Bytes of a user's name and password in a header.
const LOGIN_BYTES_MAX: usize = 4 << 10;
/// The name a client may give the database in a header.
const DATABASE_HEADER: &str = "database";
/// The protocol's minor version as STL_CONNECTION_LOG has it: there is none.
const NO_MINOR: u16 = 0;

/// A session and what belongs to it.
pub(super) struct Client {
    /// Locked by what runs in it, to the last row.
    pub(super) session: Arc<tokio::sync::Mutex<Session>>,
    /// Cancels what runs in it.
    pub(super) cancel: CancelHandle,
    /// Its prepared statements.
    pub(super) statements: Mutex<Statements>,
    /// The open transaction, by the number the client was given.
    pub(super) transaction: Mutex<Option<u64>>,
    next_transaction: AtomicU64,
    seen: Mutex<Instant>,
    /// The connection it was seen on.
    line: Mutex<Weak<()>>,
    idle_max: Duration,
    _admission: Admission,
    _place: OwnedSemaphorePermit,
}

impl Client {
    /// Gives a number for a new transaction.
    pub(super) fn next_transaction(&self) -> u64 {
        self.next_transaction.fetch_add(1, Ordering::Relaxed)
    }

    fn is_idle(&self) -> bool {
        let is_busy = self.session.try_lock().is_err();
        let is_gone = lock(&self.line).strong_count() == 0;
        let idle_max = match is_gone {
            true => GONE_MAX.min(self.idle_max),
            false => self.idle_max,
        };
        !is_busy && lock(&self.seen).elapsed() > idle_max
    }
}

/// All who are logged in.
pub(super) struct Clients {
    /// What all connections share.
    pub(super) shared: Arc<Shared>,
    by_token: Mutex<HashMap<String, Arc<Client>>>,
}

impl Clients {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            by_token: Mutex::default(),
        }
    }

    /// Checks the password of the header `authorization: Basic` and opens a session; gives its token. All wrong names
    /// and passwords look alike.
    pub(super) async fn log_in(
        &self,
        headers: &MetadataMap,
        peer: Option<Peer>,
    ) -> Result<String, Status> {
        let (user, password) = name_and_password(headers)?;
        let find = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let database = find(DATABASE_HEADER).unwrap_or(crate::server::DATABASE);
        let line = peer.as_ref().map(|peer| Arc::downgrade(&peer.line));
        let facts = Arc::new(ConnectionFacts {
            peer: peer.as_ref().map(|peer| peer.address),
            database: database.to_owned(),
            user,
            is_encrypted: peer.is_some_and(|peer| peer.is_encrypted),
            application_name: find("user-agent").unwrap_or_default().to_owned(),
            driver_version: String::new(),
            os_version: String::new(),
            plugin_name: String::new(),
            protocol_minor: NO_MINOR,
            begun_us: now_us(),
        });
        let outcome = self.begin(&facts, password, line.unwrap_or_default()).await;
        if outcome.is_err() {
            let history = &self.shared.server.history;
            history.connection(Happening::Failed, 0, &facts);
        }
        outcome
    }

    async fn begin(
        &self,
        facts: &Arc<ConnectionFacts>,
        password: String,
        line: Weak<()>,
    ) -> Result<String, Status> {
        let host = facts.peer.map(|peer| peer.ip().to_canonical());
        let is_near = host.is_some_and(|host| host.is_loopback());
        if !facts.is_encrypted && !self.shared.insecure && !is_near {
            return Err(Status::unauthenticated(
                "no encryption: connect with grpc+tls://, or start the server with --insecure on a network you trust",
            ));
        }
        let Ok(place) = self.shared.places.clone().try_acquire_owned() else {
            return Err(Status::resource_exhausted(
                "sorry, too many clients already",
            ));
        };
        let admission = self.shared.registry.admit(NO_MINOR);
        let login = LoginFacts {
            user: facts.user.clone(),
            database: facts.database.clone(),
            parameters: Vec::new(),
            options: Vec::new(),
            peer: facts.peer,
            pid: admission.pid,
            connection: Some(Arc::clone(facts)),
        };
        let server = Arc::clone(&self.shared.server);
        let opened = tokio::task::spawn_blocking(move || {
            let found = server.user(&login.user)?;
            // A password that is no longer valid is as good as none.
            let found =
                found.filter(|user| user.valid_until_us.is_none_or(|until| now_us() < until));
            let is_right = match found.and_then(|user| user.verifier.clone()) {
                Some(digest) if md5::is_digest(&digest) => {
                    server.md5 && md5::digest(&login.user, &password) == digest.to_ascii_lowercase()
                }
                Some(verifier) => scram::matches(&verifier, &password),
                None => {
                    // It takes as long as a wrong password.
                    scram::verifier(&password);
                    false
                }
            };
            match is_right {
                true => Session::open(server, login),
                false => Err(crate::Error::new(
                    SqlState::INVALID_PASSWORD,
                    format!("password authentication failed for user \"{}\"", login.user),
                )),
            }
        });
        let session = match opened.await {
            Ok(opened) => opened.map_err(|error| refused(&sqlstate::report(&error)))?,
            Err(_) => return Err(refused(&sqlstate::panicked())),
        };
        let history = &self.shared.server.history;
        history.connection(Happening::Authenticated, admission.pid, facts);
        let cancel = session.cancel_handle();
        admission.set_handle(cancel.clone());
        let client = Client {
            idle_max: session.idle_limit().unwrap_or(IDLE_MAX),
            session: Arc::new(tokio::sync::Mutex::new(session)),
            cancel,
            statements: Mutex::default(),
            transaction: Mutex::default(),
            next_transaction: AtomicU64::new(1),
            seen: Mutex::new(Instant::now()),
            line: Mutex::new(line),
            _admission: admission,
            _place: place,
        };
        let token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; TOKEN_BYTES]>());
        lock(&self.by_token).insert(token.clone(), Arc::new(client));
        Ok(token)
    }

    /// Finds who sends a request, by the header `authorization: Bearer`.
    pub(super) fn of(
        &self,
        headers: &MetadataMap,
        line: Option<&Arc<()>>,
    ) -> Result<Arc<Client>, Status> {
        let client = token(headers).and_then(|token| lock(&self.by_token).get(token).cloned());
        let client = client.ok_or_else(|| {
            Status::unauthenticated("not logged in, or the session was idle for too long: log in with user and password")
        })?;
        *lock(&client.seen) = Instant::now();
        if let Some(line) = line {
            *lock(&client.line) = Arc::downgrade(line);
        }
        Ok(client)
    }

    /// Ends a session: what runs in it is canceled.
    pub(super) fn close(&self, headers: &MetadataMap) {
        let closed = token(headers).and_then(|token| lock(&self.by_token).remove(token));
        if let Some(client) = closed {
            client.cancel.cancel();
        }
    }

    /// Ends sessions that were idle for too long, until `stop`.
    pub(super) async fn close_idle(&self, stop: CancellationToken) {
        while tokio::time::timeout(IDLE_LOOK, stop.cancelled())
            .await
            .is_err()
        {
            // Sessions end outside the lock: that may drop temporary tables.
            let idle: Vec<_> = lock(&self.by_token)
                .extract_if(|_, client| client.is_idle())
                .collect();
            drop(idle);
        }
    }

    /// Ends all sessions.
    pub(super) fn close_all(&self) {
        let all = std::mem::take(&mut *lock(&self.by_token));
        drop(all);
    }
}

fn token(headers: &MetadataMap) -> Option<&str> {
    headers
        .get("authorization")?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

/// Reads `authorization: Basic`, whose user and password are parted by the first colon.
fn name_and_password(headers: &MetadataMap) -> Result<(String, String), Status> {
    let wrong =
        || Status::unauthenticated("log in with a user and a password (authorization: Basic)");
    let header = headers.get("authorization").ok_or_else(wrong)?;
    let coded = header
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Basic "));
    let coded = coded
        .filter(|coded| coded.len() <= LOGIN_BYTES_MAX)
        .ok_or_else(wrong)?;
    // Clients in Go leave the padding out.
    let coded = coded.trim_end_matches('=');
    let text = BASE64_STANDARD_NO_PAD.decode(coded).map_err(|_| wrong())?;
    let text = String::from_utf8(text).map_err(|_| wrong())?;
    let (user, password) = text.split_once(':').ok_or_else(wrong)?;
    Ok((user.to_owned(), password.to_owned()))
}

/// Locks, also after a panic: what is kept here is never half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
