//! The wire: startup, auth, simple, extended, cancel, encode, SQLSTATE.
//!
//! A connection is a task on the socket's runtime; statements, plans and the encoding of rows run on the compute
//! runtime and hand finished bytes back through a bounded channel.

mod cancel;
mod connection;
mod damage;
mod encode;
mod extended;
pub mod flight;
mod frame;
mod parameter;
mod reply;
mod rows;
mod simple;
mod startup;
pub mod tls;
mod wire_type;

use crate::server::Server;
use pgwire::api::auth::sasl::scram::ScramServerAuth;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long a client may take from connecting to a checked password.
const STARTUP_MAX: Duration = Duration::from_secs(60);
/// Sockets beyond the connection bound that may be logging in or canceling.
const SOCKETS_EXTRA: usize = 128;
/// How long running statements may go on after a stop was asked for.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How long canceled statements may take to end.
const CANCEL_MAX: Duration = Duration::from_secs(5);
/// Pause after a failed accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
pub(crate) struct Shared {
    server: Arc<Server>,
    tls: TlsAcceptor,
    /// SCRAM bound to the certificate; `None` if its signature has no hash to bind to.
    scram_bound: Option<ScramServerAuth>,
    mock_key: [u8; 32],
    insecure: bool,
    places: Arc<Semaphore>,
    registry: Arc<cancel::Registry>,
    stop: CancellationToken,
}

/// How to open the port.
pub struct DoorOptions {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Accepts connections without TLS from beyond loopback.
    pub insecure: bool,
    /// Sessions at once.
    pub connections_max: usize,
    /// The certificate.
    pub certificate: tls::Certificate,
}

/// An open port.
pub struct Door {
    listener: TcpListener,
    shared: Arc<Shared>,
    sockets_max: usize,
}

impl Door {
    /// Binds the port; connections wait until [`Door::serve`].
    pub async fn open(server: Arc<Server>, options: DoorOptions) -> anyhow::Result<Door> {
        use anyhow::Context;
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("could not listen on {}", options.listen))?;
        let mut scram = ScramServerAuth::new();
        let bound = scram
            .configure_certificate(&options.certificate.chain)
            .is_ok();
        let shared = Shared {
            server,
            tls: TlsAcceptor::from(options.certificate.server_config_for(b"postgresql")?),
            scram_bound: bound.then_some(scram),
            mock_key: rand::random(),
            insecure: options.insecure,
            places: Arc::new(Semaphore::new(options.connections_max)),
            registry: Arc::default(),
            stop: CancellationToken::new(),
        };
        let sockets_max = options.connections_max + SOCKETS_EXTRA;
        Ok(Door {
            listener,
            shared: Arc::new(shared),
            sockets_max,
        })
    }

    /// Gives the address bound, with the port the system chose if none was named.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, then lets running statements finish, and cancels those that do not.
    pub async fn serve(self, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, peer)) if connections.len() < self.sockets_max => {
                        connections.spawn(connect(socket, peer, self.shared.clone()));
                    }
                    Ok((_, peer)) => tracing::warn!(%peer, "connection refused: too many sockets"),
                    Err(error) => {
                        tracing::warn!(%error, "accept failed");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        drop(self.listener);
        self.shared.stop.cancel();
        if !drain(&mut connections, STOP_MAX).await {
            tracing::warn!(
                connections = connections.len(),
                "statements canceled to stop"
            );
            self.shared.registry.cancel_all();
            drain(&mut connections, CANCEL_MAX).await;
        }
        connections.shutdown().await;
    }
}

/// Waits until all connections ended; `false` if that takes too long.
async fn drain(connections: &mut JoinSet<()>, at_most: Duration) -> bool {
    tokio::time::timeout(at_most, async {
        while connections.join_next().await.is_some() {}
    })
    .await
    .is_ok()
}

async fn connect(socket: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    // Answers are written whole, so waiting to fill a packet only costs time.
    let _a_slower_socket_works_too = socket.set_nodelay(true);
    let started = tokio::select! {
        () = shared.stop.cancelled() => return,
        started = tokio::time::timeout(STARTUP_MAX, Box::pin(startup::start(socket, peer, &shared))) => started,
    };
    match started {
        Ok(Ok(mut connection)) => {
            if let Err(error) = Box::pin(connection.serve()).await {
                tracing::debug!(%peer, %error, "connection lost");
            }
        }
        Ok(Err(startup::Refused::Gone)) => {}
        Ok(Err(startup::Refused::Garbage(reason))) => {
            tracing::debug!(%peer, reason, "connection closed: not the PostgreSQL protocol");
        }
        Ok(Err(startup::Refused::Told(report))) => {
            tracing::info!(%peer, code = report.code.0, reason = report.message, "login refused");
        }
        Err(_) => tracing::debug!(%peer, "connection closed: login took too long"),
    }
}
