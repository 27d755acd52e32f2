//! `GET /metrics`: the figures of the server in the text format of Prometheus.
//!
//! The endpoint asks for no password and shows nothing of any user; it listens where `--metrics-listen` says, on
//! loopback if only a port is given. An answer ends its connection, so that few watchers cannot keep out others.

use crate::history::figures::{
    DURATIONS_US, EVENTS_DROPPED, Figures, PLANS_UNREAD, StatementKind, StatementOutcome,
};
use crate::history::{lock, now_us};
use crate::metrics::{Kind, Page};
use crate::server::Server;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::Listener;
use blueshift_compute::figures::SCANS;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Connections at once; others wait.
const CONNECTIONS_MAX: usize = 16;

/// The text format of Prometheus.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Reads where to listen: an address with a port, or a port of loopback.
pub fn listen_address(text: &str) -> Option<SocketAddr> {
    match text.parse::<u16>() {
        Ok(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        Err(_) => text.parse().ok(),
    }
}

/// An open port.
pub struct MetricsDoor {
    listener: TcpListener,
    server: Arc<Server>,
}

impl MetricsDoor {
    /// Binds the port; who connects waits until [`MetricsDoor::serve`].
    pub async fn open(server: Arc<Server>, listen: SocketAddr) -> anyhow::Result<Self> {
        use anyhow::Context;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("could not listen on {listen} for metrics"))?;
        Ok(Self { listener, server })
    }

    /// Gives the address bound.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stop`.
    pub async fn serve(self, stop: CancellationToken) {
        let router = Router::new()
            .route("/metrics", get(answer))
            .fallback(nothing)
            .with_state(self.server);
        let listener = Bounded {
            listener: self.listener,
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        };
        tokio::select! {
            () = stop.cancelled() => {}
            ended = async { axum::serve(listener, router).await } => {
                if let Err(error) = ended {
                    tracing::warn!(%error, "metrics are served no more");
                }
            }
        }
    }
}

async fn answer(State(server): State<Arc<Server>>) -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, TEXT_FORMAT), (CONNECTION, "close")];
    (headers, page(&server))
}

async fn nothing() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, [(CONNECTION, "close")])
}

/// Writes all figures.
pub fn page(server: &Server) -> String {
    let mut page = Page::default();
    process(server, &mut page);
    statements(&server.history.figures, &mut page);
    transactions(server, &mut page);
    storage(server, &mut page);
    files(&server.history.figures, &mut page);
    server.metrics.write(&mut page);
    page.into_text()
}

fn process(server: &Server, page: &mut Page) {
    page.family("blueshift_build_info", Kind::Gauge, "What was built.");
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    page.sample("blueshift_build_info", &version, 1);
    let started = server.started_us as f64 / 1e6;
    page.gauge(
        "blueshift_start_time_seconds",
        "When the server started, since 1970.",
        started,
    );
    let uptime = (now_us() - server.started_us) as f64 / 1e6;
    page.gauge(
        "blueshift_uptime_seconds",
        "How long the server has run.",
        uptime,
    );
    let sessions = lock(&server.history.sessions);
    let busy = sessions.iter().filter(|session| session.running.is_some());
    let (busy, open) = (busy.count(), sessions.len());
    drop(sessions);
    page.gauge("blueshift_sessions", "Sessions that are open.", open);
    page.gauge(
        "blueshift_sessions_busy",
        "Sessions that run a statement.",
        busy,
    );
    let figures = &server.history.figures;
    page.counter(
        "blueshift_sessions_opened_total",
        "Sessions that were opened.",
        figures.sessions_opened.get(),
    );
    page.counter(
        "blueshift_sessions_refused_total",
        "Sessions that a limit of a user or database kept out.",
        figures.sessions_refused.get(),
    );
    page.counter(
        "blueshift_history_dropped_total",
        "Events of the log tables that made room for newer ones.",
        EVENTS_DROPPED.get(),
    );
    page.counter(
        "blueshift_history_plans_unread_total",
        "Short statements whose steps are in no log table, as there were too many.",
        PLANS_UNREAD.get(),
    );
}

fn statements(figures: &Figures, page: &mut Page) {
    let name = "blueshift_statements_total";
    page.family(
        name,
        Kind::Counter,
        "Statements that ended, by kind and outcome.",
    );
    for kind in StatementKind::ALL {
        for outcome in StatementOutcome::ALL {
            let labels = [("kind", kind.word()), ("outcome", outcome.word())];
            page.sample(name, &labels, figures.statements(kind, outcome));
        }
    }
    page.family(
        "blueshift_statement_duration_seconds",
        Kind::Histogram,
        "How long statements took, with the sending of their rows.",
    );
    let bounds = DURATIONS_US
        .iter()
        .map(|bound| (*bound as f64 / 1e6).to_string());
    let bounds = bounds.chain(std::iter::once("+Inf".to_owned()));
    let mut count = 0;
    for (bound, more) in bounds.zip(figures.durations()) {
        count += more;
        let name = "blueshift_statement_duration_seconds_bucket";
        page.sample(name, &[("le", &bound)], count);
    }
    let sum = figures.duration_us() as f64 / 1e6;
    page.sample("blueshift_statement_duration_seconds_sum", &[], sum);
    page.sample("blueshift_statement_duration_seconds_count", &[], count);
}

fn transactions(server: &Server, page: &mut Page) {
    let figures = &server.history.figures;
    page.gauge(
        "blueshift_transactions_open",
        "Transactions that have begun and not ended.",
        server.transactions.open().len(),
    );
    for (name, help, value) in [
        (
            "blueshift_commits_total",
            "Transactions that changed something and are durable.",
            &figures.commits,
        ),
        (
            "blueshift_rollbacks_total",
            "Transactions that changed something and were undone.",
            &figures.rollbacks,
        ),
        (
            "blueshift_transaction_conflicts_total",
            "Transactions that were refused for what another has done.",
            &figures.conflicts,
        ),
    ] {
        page.counter(name, help, value.get());
    }
}

fn storage(server: &Server, page: &mut Page) {
    let cache = server.node.store.row_groups().cache_figures();
    page.counter(
        "blueshift_block_cache_hits_total",
        "Blocks found in the block cache.",
        cache.hits,
    );
    page.counter(
        "blueshift_block_cache_misses_total",
        "Blocks read into the block cache.",
        cache.misses,
    );
    page.gauge(
        "blueshift_block_cache_bytes",
        "Bytes in the block cache.",
        cache.bytes,
    );
    page.gauge(
        "blueshift_block_cache_limit_bytes",
        "Bytes the block cache may take.",
        cache.bytes_max,
    );
    page.counter(
        "blueshift_plan_cache_hits_total",
        "Queries planned as an earlier one of the same shape.",
        server.plans.hits(),
    );
    page.gauge(
        "blueshift_plan_cache_shapes",
        "Shapes of queries in the plan cache.",
        server.plans.shapes(),
    );
    let results = server.results.figures();
    page.counter(
        "blueshift_result_cache_hits_total",
        "Queries answered by an earlier result.",
        results.hits,
    );
    page.counter(
        "blueshift_result_cache_misses_total",
        "Queries that no earlier result answered.",
        results.misses,
    );
    page.gauge(
        "blueshift_result_cache_results",
        "Results in the result cache.",
        results.results,
    );
    page.gauge(
        "blueshift_result_cache_bytes",
        "Bytes in the result cache.",
        results.bytes,
    );
    for (name, help, value) in [
        (
            "blueshift_scan_rows_total",
            "Rows of the zones that scans looked into.",
            &SCANS.rows,
        ),
        (
            "blueshift_scan_bytes_total",
            "Encoded bytes that scans read, from cache or disk.",
            &SCANS.bytes,
        ),
        (
            "blueshift_scan_disk_bytes_total",
            "Of those, bytes that came from disk.",
            &SCANS.bytes_from_disk,
        ),
        (
            "blueshift_scan_blocks_read_total",
            "Blocks that scans read.",
            &SCANS.blocks_read,
        ),
        (
            "blueshift_scan_blocks_pruned_total",
            "Blocks that scans skipped.",
            &SCANS.blocks_pruned,
        ),
    ] {
        page.counter(name, help, value.get());
    }
    let memory = server.node.resources.figures();
    page.gauge(
        "blueshift_memory_pool_bytes",
        "Memory that queries have reserved.",
        memory.reserved,
    );
    page.gauge(
        "blueshift_memory_pool_limit_bytes",
        "Memory that queries may reserve.",
        memory.limit,
    );
    page.gauge(
        "blueshift_spill_bytes",
        "Bytes in spill files now.",
        memory.spill,
    );
    page.counter(
        "blueshift_spilled_bytes_total",
        "Bytes written to spill files.",
        memory.spilled,
    );
}

fn files(figures: &Figures, page: &mut Page) {
    for (name, help, value) in [
        (
            "blueshift_loads_total",
            "COPY commands that loaded.",
            &figures.loads,
        ),
        (
            "blueshift_load_failures_total",
            "COPY commands that failed.",
            &figures.loads_failed,
        ),
        (
            "blueshift_load_rows_total",
            "Rows that COPY loaded.",
            &figures.load_rows,
        ),
        (
            "blueshift_load_bytes_total",
            "Bytes that COPY read, after decompression.",
            &figures.load_bytes,
        ),
        (
            "blueshift_load_files_total",
            "Files that COPY read.",
            &figures.load_files,
        ),
        (
            "blueshift_load_rows_refused_total",
            "Rows that COPY refused.",
            &figures.load_rows_refused,
        ),
        (
            "blueshift_unloads_total",
            "UNLOAD commands that wrote their files.",
            &figures.unloads,
        ),
        (
            "blueshift_unload_failures_total",
            "UNLOAD commands that failed.",
            &figures.unloads_failed,
        ),
        (
            "blueshift_unload_rows_total",
            "Rows that UNLOAD wrote.",
            &figures.unload_rows,
        ),
        (
            "blueshift_unload_bytes_total",
            "Bytes of the files that UNLOAD wrote.",
            &figures.unload_bytes,
        ),
        (
            "blueshift_unload_files_total",
            "Files that UNLOAD wrote.",
            &figures.unload_files,
        ),
    ] {
        page.counter(name, help, value.get());
    }
}

/// A port that accepts no more connections than there are places.
struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

/// A connection and its place.
struct Placed {
    socket: TcpStream,
    _place: Option<OwnedSemaphorePermit>,
}

impl Listener for Bounded {
    type Io = Placed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Placed, SocketAddr) {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (socket, peer) = Listener::accept(&mut self.listener).await;
        let placed = Placed {
            socket,
            _place: place,
        };
        (placed, peer)
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_loopback() {
        let check = |text, expected: Option<&str>| {
            let address = listen_address(text).map(|address| address.to_string());
            assert_eq!(address.as_deref(), expected, "{text}");
        };
        check("9187", Some("127.0.0.1:9187"));
        check("0.0.0.0:9187", Some("0.0.0.0:9187"));
        check("[::1]:0", Some("[::1]:0"));
        check("99999", None);
        check("localhost", None);
    }
}
