//! Arrow Flight SQL: bulk results as arrow batches over gRPC, for ADBC, JDBC and whoever reads arrow.
//!
//! A second port beside the PostgreSQL one, with the same certificate, users, sessions and limits. A client logs in
//! with its password (`Basic`) and gets a token; a token stands for one session, so settings, temporary tables and a
//! transaction live as long as it does. Statements of one session run one after the other.

mod batch;
mod catalog;
mod client;
mod info;
mod prepared;
mod run;
mod service;

use crate::protocol::connection::Socket;
use crate::protocol::{ACCEPT_PAUSE, Door, Shared};
use arrow_flight::flight_service_server::FlightServiceServer;
use client::Clients;
use futures::stream::{FuturesUnordered, StreamExt};
use service::Service;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

/// The largest message a client may send: parameters of many rows.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Sockets that may be in their TLS handshake at once.
const HANDSHAKES_MAX: usize = 128;
/// How long one may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(20);
/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// An open Flight SQL port.
pub struct FlightDoor {
    listener: TcpListener,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
}

impl FlightDoor {
    /// Binds the port beside `door`, whose users, limits and certificate it shares.
    pub async fn open(
        door: &Door,
        listen: SocketAddr,
        certificate: &super::tls::Certificate,
    ) -> anyhow::Result<FlightDoor> {
        use anyhow::Context;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("could not listen on {listen} (--flight-listen)"))?;
        Ok(FlightDoor {
            listener,
            tls: TlsAcceptor::from(certificate.server_config_for(b"h2")?),
            shared: Arc::clone(&door.shared),
        })
    }

    /// Gives the address bound, with the port the system chose if none was named.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`; streams that are being read may end.
    pub async fn serve(self, stop: CancellationToken) {
        let clients = Arc::new(Clients::new(Arc::clone(&self.shared)));
        let service = FlightServiceServer::new(Service::new(Arc::clone(&clients)))
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let (listener, tls) = (self.listener, self.tls);
        let incoming = incoming(listener, tls, stop.clone());
        let served = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, stop.cancelled());
        let idle = clients.close_idle(stop.clone());
        let (served, ()) = tokio::join!(served, idle);
        if let Err(error) = served {
            tracing::warn!(%error, "the Flight SQL port failed");
        }
        clients.close_all();
    }
}

/// Accepts sockets; TLS handshakes go on beside each other.
fn incoming(
    listener: TcpListener,
    tls: TlsAcceptor,
    stop: CancellationToken,
) -> impl futures::Stream<Item = io::Result<Line>> {
    let state = (listener, tls, stop, FuturesUnordered::new());
    futures::stream::unfold(state, async |(listener, tls, stop, mut greeted)| {
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                Some(line) = greeted.next() => match line {
                    Ok(line) => return Some((Ok(line), (listener, tls, stop, greeted))),
                    Err(error) => {
                        let error: io::Error = error;
                        tracing::debug!(%error, "Flight SQL connection closed: no handshake");
                    }
                },
                accepted = listener.accept(), if greeted.len() < HANDSHAKES_MAX => match accepted {
                    Ok((socket, peer)) => greeted.push(greet(socket, peer, tls.clone())),
                    Err(error) => {
                        tracing::warn!(%error, "accept failed");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    })
}

/// Finds out whether a client speaks TLS, and if so shakes hands.
async fn greet(socket: TcpStream, peer: SocketAddr, tls: TlsAcceptor) -> io::Result<Line> {
    let greeted = async {
        let mut first = [0_u8; 1];
        if socket.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let _a_slower_socket_works_too = socket.set_nodelay(true);
        let is_encrypted = first == [TLS_HANDSHAKE];
        let stream: Box<dyn Socket> = match is_encrypted {
            true => Box::new(tls.accept(socket).await?),
            false => Box::new(socket),
        };
        let peer = Peer {
            address: peer,
            is_encrypted,
            line: Arc::default(),
        };
        Ok(Line { stream, peer })
    };
    let slow = |_| io::Error::from(io::ErrorKind::TimedOut);
    tokio::time::timeout(HANDSHAKE_MAX, greeted)
        .await
        .map_err(slow)?
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// The address.
    pub(super) address: SocketAddr,
    /// Whether it is encrypted.
    pub(super) is_encrypted: bool,
    /// Held as long as the connection is open.
    pub(super) line: Arc<()>,
}

/// A connection, encrypted or not.
struct Line {
    stream: Box<dyn Socket>,
    peer: Peer,
}

impl Connected for Line {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
