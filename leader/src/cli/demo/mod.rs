//! `blueshift demo`: from nothing to 22 right answers. Makes TPC-H data, loads it through COPY, runs the queries and
//! stays up. Everything goes through the door: the demo is a client of its own server, over TLS, on loopback.
//!
//! Exit codes: 0 all went well, 1 the demo failed, 2 wrong arguments, 3 a query failed or an answer was wrong.

mod answer;
mod client;
mod data;
mod load;
mod query;
mod workspace;

use super::serve::{self, Launch};
use crate::config::Config;
use crate::protocol::{Door, DoorOptions};
use crate::server::Server;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use workspace::Workspace;

/// The exit code for a query that failed or an answer that was wrong.
const EXIT_WRONG: u8 = 3;
/// Redshift's port.
const PORT: u16 = 5439;

#[derive(Args)]
pub(super) struct Demo {
    /// The size of the data: 1 is 1 GB of text.
    #[arg(long, default_value = "0.1", value_parser = scale)]
    scale: f64,
    /// A data directory to keep [default: a temporary one, removed at the end].
    #[arg(long)]
    data: Option<PathBuf>,
    /// A directory to keep the text of the tables in [default: removed after the load].
    #[arg(long)]
    tables: Option<PathBuf>,
    /// Slices of a new data directory [default: one per core, at least 2].
    #[arg(long)]
    slices: Option<u32>,
    /// Where to listen [default: 127.0.0.1:5439; any free port with --exit].
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Ends after the queries instead of staying up.
    #[arg(long)]
    exit: bool,
    /// What is logged: a level, or levels by module.
    #[arg(long, env = "BLUESHIFT_LOG", default_value = "warn")]
    log: String,
}

/// What the demo asks of the server's configuration.
#[derive(Serialize)]
struct Flags {
    data: PathBuf,
    listen: SocketAddr,
    copy_root: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slices: Option<u32>,
}

fn scale(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if (0.001..=1000.0).contains(&scale) => Ok(scale),
        _ => Err("a scale is a number from 0.001 to 1000".to_string()),
    }
}

/// Runs the demo.
pub(super) fn run(demo: Demo) -> Result<ExitCode> {
    serve::log_to_stderr(&demo.log, serve::LogFormat::Text)?;
    let workspace = Workspace::make(demo.tables.as_deref())?;
    let port = if demo.exit { 0 } else { PORT };
    let flags = Flags {
        data: demo.data.clone().unwrap_or_else(|| workspace.data()),
        listen: demo
            .listen
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port))),
        copy_root: vec![workspace.tables()],
        slices: demo.slices,
    };
    let config = Config::load(None, &flags)?;
    let launch = serve::start(&config)?;
    let password = match (&launch.generated_password, &config.admin_password) {
        (Some(password), _) | (None, Some(password)) => password.clone(),
        (None, None) => bail!(
            "\"{}\" holds a warehouse already; give the password of its user admin in BLUESHIFT_ADMIN_PASSWORD",
            config.data.display()
        ),
    };
    let Launch {
        server,
        certificate,
        ..
    } = launch;
    let sockets = serve::socket_runtime()?;
    let outcome = sockets.block_on(async {
        let login = client::Login {
            certificate: certificate.chain.clone(),
            password: password.clone(),
        };
        let options = DoorOptions {
            listen: config.listen,
            insecure: false,
            connections_max: config.connections,
            certificate,
        };
        let door = Door::open(server.clone(), options)
            .await
            .context("--listen 127.0.0.1:0 takes any free port")?;
        let address = door.address()?;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(door.serve(stop.clone()));
        let canceled = Arc::new(AtomicBool::new(false));
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let verdict = OnceLock::new();
        let show = async {
            let right = show(&demo, &server, address, &login, &workspace, &canceled).await?;
            verdict.get_or_init(|| right);
            if !demo.exit {
                invite(address, &password, demo.data.is_none())?;
                std::future::pending::<()>().await;
            }
            anyhow::Ok(())
        };
        let mut shown = Ok(());
        tokio::select! {
            ended = Box::pin(show) => shown = ended,
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        canceled.store(true, Ordering::Relaxed);
        stop.cancel();
        serving.await?;
        shown?;
        match verdict.get() {
            Some(right) => Ok(*right),
            None => bail!("the demo was stopped before its answers were checked"),
        }
    });
    server.stop()?;
    Ok(match outcome? {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_WRONG),
    })
}

/// Makes, loads and queries; tells whether every answer was right.
async fn show(
    demo: &Demo,
    server: &Arc<Server>,
    address: SocketAddr,
    login: &client::Login,
    workspace: &Workspace,
    canceled: &Arc<AtomicBool>,
) -> Result<bool> {
    let client = client::connect(address, login).await?;
    load::create_tables(&client).await?;
    let missing = load::missing_tables(&client, demo.scale).await?;
    if !missing.is_empty() {
        let directory = workspace.tables();
        data::make(&directory, &missing, demo.scale, canceled.clone()).await?;
        load::copy(&client, server, &directory, &missing).await?;
        if demo.tables.is_none() {
            data::remove(&directory)?;
        }
    }
    query::run(&client, demo.scale).await
}

/// Tells a person how to connect.
fn invite(address: SocketAddr, password: &str, is_temporary: bool) -> Result<()> {
    let mut console = std::io::stdout();
    writeln!(console, "\nBlueshift listens on {address}. Connect with:")?;
    writeln!(
        console,
        "  PGPASSWORD={password} psql \"host={} port={} user=admin dbname=dev sslmode=require\"",
        address.ip(),
        address.port()
    )?;
    writeln!(
        console,
        "Ctrl-C ends it{}.",
        if is_temporary {
            " and removes the data"
        } else {
            ""
        }
    )?;
    Ok(())
}
