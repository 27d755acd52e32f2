//! `blueshift serve`: opens a data directory and answers until SIGTERM or SIGINT.

use crate::access::scan_limit::ScanLimits;
use crate::access::scram;
use crate::config::{Config, limit};
use crate::ingest;
use crate::maintenance::{self, MaintenanceOptions};
use crate::protocol::flight::FlightDoor;
use crate::protocol::tls::Certificate;
use crate::protocol::{Door, DoorOptions};
use crate::server::{Server, ServerOptions};
use crate::snapshot::schedule;
use crate::web::metrics::{self, MetricsDoor};
use crate::wlm::config::{DEFAULT, WlmConfig};
use anyhow::{Context, Result, anyhow, bail};
use blueshift_compute::node::NodeOptions;
use blueshift_compute::object::{ObjectPolicy, Role, Roles, Secret, SecretTls, Secrets};
use blueshift_compute::reach::Reach;
use blueshift_storage::store::StoreOptions;
use clap::{Args, ValueEnum};
use figment::Figment;
use figment::providers::{Format, Toml};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Threads that answer sockets; plans have their own.
const SOCKET_THREADS: usize = 2;
/// Stack of such a thread: it parses short statements.
const SOCKET_STACK_BYTES: usize = 8 << 20;

#[derive(Args)]
pub(super) struct Serve {
    /// A TOML file with the same names as the flags, `-` written as `_`.
    #[arg(long)]
    config: Option<PathBuf>,
    /// How log lines are written.
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// What is logged: a level, or levels by module.
    #[arg(long, env = "BLUESHIFT_LOG", default_value = "info")]
    log: String,
    #[command(flatten)]
    flags: Flags,
}

/// How log lines are written.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

/// The settings of a server, as flags.
#[derive(Args, Serialize)]
pub(super) struct Flags {
    /// The data directory [default: ./blueshift-data].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:5439].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// Where to listen for Arrow Flight SQL [default: nowhere].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    flight_listen: Option<SocketAddr>,
    /// Where figures for Prometheus are answered, as ADDRESS:PORT or a PORT of loopback [default: nowhere].
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics_listen: Option<String>,
    /// Slices of a new data directory [default: one per core, at least 2].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    slices: Option<u32>,
    /// A directory COPY may read file:// from; may be repeated.
    #[arg(long)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    copy_root: Vec<PathBuf>,
    /// A directory UNLOAD may write file:// to; may be repeated.
    #[arg(long)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unload_root: Vec<PathBuf>,
    /// A directory snapshots may be kept under; may be repeated.
    #[arg(long)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    snapshot_root: Vec<PathBuf>,
    /// A loopback, link-local or private address that stores, catalogs and databases outside may be at: host, host:port,
    /// address, address:port or network/bits; may be repeated.
    #[arg(long)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reach: Vec<String>,
    /// Where the buckets of S3 are, as http://host:port [default: AWS_ENDPOINT_URL, or Amazon].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    s3_endpoint: Option<String>,
    /// The region of buckets whose statement names none [default: AWS_REGION].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    s3_region: Option<String>,
    /// Milliseconds that a store may say nothing before it is asked again [default: 20000].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    s3_stall_ms: Option<u64>,
    /// A TOML file with the keys that each role of IAM_ROLE stands for [default: all stand for the server's own].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    role_file: Option<PathBuf>,
    /// The private key COPY ... SSH logs in to other hosts with [default: none, and no such COPY].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    ssh_key: Option<PathBuf>,
    /// A TOML file with the login that each secret of SECRET_ARN stands for.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_file: Option<PathBuf>,
    /// Where the data catalog is, as http://host:port [default: the server's own].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    glue_endpoint: Option<String>,
    /// Memory the process may use: bytes, a size such as 4GB, or percent of what the machine or its control group has
    /// [default: 80%].
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_limit: Option<String>,
    /// What all queries may have in spill files [default: 100GB].
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    spill_limit: Option<String>,
    /// What one query may have in spill files [default: as much as all].
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    spill_limit_per_query: Option<String>,
    /// Memory all queries may use, in bytes [default: what --memory-limit leaves].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<usize>,
    /// The block cache, in bytes [default: 512 MB].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<usize>,
    /// Sessions at once [default: 500].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<usize>,
    /// Accepts connections without TLS from beyond loopback.
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    insecure: bool,
    /// Lets users log in whose passwords were given as md5 digests.
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    md5: bool,
    /// Whether tables are analyzed in the background [default: true].
    #[arg(long, value_name = "BOOLEAN")]
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_analyze: Option<bool>,
    /// Whether tables are vacuumed in the background [default: true].
    #[arg(long, value_name = "BOOLEAN")]
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_vacuum: Option<bool>,
    /// Bytes of external tables that one query may scan [default: no limit].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    external_scan_bytes_per_query: Option<u64>,
    /// Bytes of external tables that one user may scan on one day [default: no limit].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    external_scan_bytes_per_day: Option<u64>,
    /// Days that statements and what they did are remembered; 0 remembers nothing [default: 7].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    history_days: Option<u32>,
    /// The queues of the workload manager: JSON, or a file that has it [default: one automatic queue].
    #[arg(long, value_name = "JSON|FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    wlm_json_configuration: Option<String>,
    /// Milliseconds between looks at what is due in the background [default: 60000].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    maintenance_interval_ms: Option<u64>,
    /// Milliseconds between looks for new files of copy jobs [default: 10000].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_job_interval_ms: Option<u64>,
    /// A certificate chain in PEM instead of the self-signed one.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_cert: Option<PathBuf>,
    /// The key of --tls-cert, in PEM.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_key: Option<PathBuf>,
}

/// Serves until told to stop.
pub(super) fn run(serve: Serve, give_back_at_once: fn()) -> Result<()> {
    log_to_stderr(&serve.log, serve.log_format)?;
    let config = Config::load(serve.config.as_deref(), &serve.flags)?;
    if config.memory_limit.is_some() {
        give_back_at_once();
    }
    let sockets = socket_runtime()?;
    let Launch {
        server,
        certificate,
        generated_password,
    } = start(&config)?;
    sockets.block_on(async {
        let options = DoorOptions {
            listen: config.listen,
            insecure: config.insecure,
            connections_max: config.connections,
            certificate: certificate.clone(),
        };
        let door = Door::open(server.clone(), options).await?;
        let address = door.address()?;
        let flight = match config.flight_listen {
            Some(listen) => Some(FlightDoor::open(&door, listen, &certificate).await?),
            None => None,
        };
        let metrics = match &config.metrics_listen {
            Some(text) => Some(metrics_door(&server, text).await?),
            None => None,
        };
        announce(address, generated_password.as_deref())?;
        if let Some(flight) = &flight {
            let address = flight.address()?;
            writeln!(std::io::stdout(), "Arrow Flight SQL: grpc+tls://{address}")?;
        }
        if let Some(metrics) = &metrics {
            let address = metrics.address()?;
            writeln!(std::io::stdout(), "Metrics: http://{address}/metrics")?;
        }
        let snapshots = schedule::run(
            Arc::downgrade(&server.snapshots),
            Arc::downgrade(&server.node),
        );
        let snapshots = server.node.resources.compute.spawn(snapshots);
        let history = tokio::spawn(maintenance::history::run(server.clone()));
        tracing::info!(%address, slices = server.node.store.slice_count(), "ready");
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let background = MaintenanceOptions {
            vacuum: config.auto_vacuum,
            analyze: config.auto_analyze,
            interval: Duration::from_millis(config.maintenance_interval_ms.max(1)),
        };
        let background = maintenance::run(server.clone(), background, stop.clone());
        let background = tokio::spawn(background);
        let interval = Duration::from_millis(config.copy_job_interval_ms);
        let jobs = ingest::copy_job::run(server.clone(), interval, stop.clone());
        let jobs = tokio::spawn(jobs);
        let flight = flight.map(|flight| tokio::spawn(flight.serve(stop.clone())));
        let metrics = metrics.map(|metrics| tokio::spawn(metrics.serve(stop.clone())));
        let mut serving = std::pin::pin!(door.serve(stop.clone()));
        tokio::select! {
            () = &mut serving => {}
            _ = terminate.recv() => stop.cancel(),
            _ = interrupt.recv() => stop.cancel(),
        }
        if stop.is_cancelled() {
            tracing::info!("stopping");
            serving.await;
        }
        stop.cancel();
        background.await?;
        jobs.await?;
        if let Some(flight) = flight {
            flight.await?;
        }
        if let Some(metrics) = metrics {
            metrics.await?;
        }
        snapshots.abort();
        history.abort();
        anyhow::Ok(())
    })?;
    server.stop()?;
    tracing::info!("stopped");
    Ok(())
}

/// Opens the port for those that watch the server.
async fn metrics_door(server: &Arc<Server>, text: &str) -> Result<MetricsDoor> {
    let listen = metrics::listen_address(text);
    let listen = listen.ok_or_else(|| {
        anyhow!(
            "--metrics-listen {text} is no address with a port, such as 127.0.0.1:9187, and no port"
        )
    })?;
    MetricsDoor::open(Arc::clone(server), listen).await
}

/// Sends the log to stderr, coloured if that is a terminal.
pub(super) fn log_to_stderr(filter: &str, format: LogFormat) -> Result<()> {
    let filter = EnvFilter::try_new(filter).context("--log is not a log filter")?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// Starts the threads that answer sockets.
pub(super) fn socket_runtime() -> Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SOCKET_THREADS)
        .thread_name("socket")
        .thread_stack_size(SOCKET_STACK_BYTES)
        .enable_all()
        .build()?;
    Ok(runtime)
}

/// An open data directory, ready to listen.
pub(super) struct Launch {
    /// The leader with its node.
    pub(super) server: Arc<Server>,
    /// What proves the server to its clients.
    pub(super) certificate: Certificate,
    /// The password made for a new data directory, if none was chosen.
    pub(super) generated_password: Option<String>,
}

/// Opens the data directory. A password that is configured becomes that of `admin`, also in an old directory.
pub(super) fn start(config: &Config) -> Result<Launch> {
    let generated = Arc::new(OnceLock::new());
    let (chosen, made) = (config.admin_password.clone(), generated.clone());
    let admin_verifier = move || {
        let password = chosen.unwrap_or_else(|| made.get_or_init(scram::generate_password).clone());
        Ok(scram::verifier(&password))
    };
    let server = Server::start(ServerOptions {
        store: StoreOptions {
            dir: config.data.clone(),
            cache_bytes: config.cache,
            slice_count: config.slices,
            sync: true,
        },
        node: NodeOptions {
            threads: None,
            limits: limit::limits(config)?,
            object_policy: object_policy(config)?,
        },
        history_days: config.history_days,
        md5: config.md5,
        scan_limits: ScanLimits {
            per_query: config.external_scan_bytes_per_query,
            per_day: config.external_scan_bytes_per_day,
        },
        wlm: queues(config.wlm_json_configuration.as_deref())?,
        admin_verifier: Box::new(admin_verifier),
    })?;
    if let Some(password) = &config.admin_password
        && server.ensure_admin_password(password)?
    {
        tracing::info!("the password of user admin is now the configured one");
    }
    Ok(Launch {
        certificate: certificate(config, &server)?,
        server,
        generated_password: generated.get().cloned(),
    })
}

/// Tells what may be read, written and connected to for users.
fn object_policy(config: &Config) -> Result<ObjectPolicy> {
    let reach = Reach::new(config.reach.iter().map(String::as_str));
    let reach = reach.map_err(|entry| {
        anyhow!(
            "--reach {entry} is no host, address or network, such as 10.0.0.5:9000 or 10.0.0.0/8"
        )
    })?;
    if let Some(endpoint) = &config.s3_endpoint
        && !endpoint.starts_with("http://")
        && !endpoint.starts_with("https://")
    {
        bail!("--s3-endpoint {endpoint} is not a URL, such as https://store.example.com:9000");
    }
    if let Some(endpoint) = &config.glue_endpoint
        && !endpoint.starts_with("http://")
        && !endpoint.starts_with("https://")
    {
        bail!(
            "--glue-endpoint {endpoint} is not a URL, such as https://glue.us-east-1.amazonaws.com"
        );
    }
    Ok(ObjectPolicy {
        copy_roots: config.copy_root.clone(),
        unload_roots: config.unload_root.clone(),
        snapshot_roots: config.snapshot_root.clone(),
        s3_endpoint: config.s3_endpoint.clone(),
        s3_region: config.s3_region.clone(),
        stall: Some(Duration::from_millis(config.s3_stall_ms.max(1))),
        reach,
        ssh_key: config.ssh_key.clone(),
        roles: roles(config.role_file.as_deref())?,
        secrets: secrets(config.secret_file.as_deref())?,
        glue_endpoint: config.glue_endpoint.clone(),
        ..ObjectPolicy::default()
    })
}

/// Reads the queues of the workload manager: JSON as it is, or a file of it.
#[expect(
    clippy::disallowed_methods,
    reason = "the queues are the operator's file, read once"
)]
pub(super) fn queues(given: Option<&str>) -> Result<WlmConfig> {
    let text = match given.map(str::trim) {
        None => DEFAULT.to_owned(),
        Some(json) if json.starts_with(['[', '{']) => json.to_owned(),
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("could not read \"{file}\" of the workload manager"))?,
    };
    WlmConfig::parse(&text).map_err(|error| match &error.hint {
        Some(hint) => anyhow!("{}: {hint}", error.message),
        None => anyhow!("{}", error.message),
    })
}

/// Reads the file of roles. What is wrong with it is told without its text, which has secrets.
#[expect(
    clippy::disallowed_methods,
    reason = "the file of roles is the operator's, read once at the start"
)]
fn roles(file: Option<&Path>) -> Result<Roles> {
    let Some(file) = file else {
        return Ok(Roles::default());
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("could not read \"{}\" of --role-file", file.display()))?;
    let roles: BTreeMap<String, Role> = Figment::from(Toml::string(&text)).extract().map_err(|_| {
        anyhow!(
            "\"{}\" of --role-file has no table of access_key_id and secret_access_key for each role",
            file.display()
        )
    })?;
    Ok(Roles::new(roles))
}

/// Reads the file of secrets. What is wrong with it is told without its text.
#[expect(
    clippy::disallowed_methods,
    reason = "the file of secrets and its certificates are the operator's, read once at the start"
)]
fn secrets(file: Option<&Path>) -> Result<Secrets> {
    let Some(file) = file else {
        return Ok(Secrets::default());
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("could not read \"{}\" of --secret-file", file.display()))?;
    let secrets = Figment::from(Toml::string(&text)).extract();
    let mut secrets: BTreeMap<String, Secret> = secrets.map_err(|_| {
        anyhow!(
            "\"{}\" of --secret-file has no table of username, password and host for each secret",
            file.display()
        )
    })?;
    for (name, secret) in &mut secrets {
        match &secret.tls_ca {
            Some(path) => {
                secret.tls_ca_pem = std::fs::read(path).with_context(|| {
                    format!(
                        "could not read \"{}\", tls_ca of secret {name}",
                        path.display()
                    )
                })?;
            }
            None if secret.tls == Some(SecretTls::Verify) => {
                bail!("secret {name} has tls = \"verify\" and needs tls_ca");
            }
            None => {}
        }
    }
    Ok(Secrets::new(secrets))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the certificate is the operator's file, read once at the start"
)]
fn certificate(config: &Config, server: &Server) -> Result<Certificate> {
    let read = |flag: &str, path: &PathBuf| {
        std::fs::read(path)
            .with_context(|| format!("could not read \"{}\" of {flag}", path.display()))
    };
    match (&config.tls_cert, &config.tls_key) {
        (Some(chain), Some(key)) => Ok(Certificate {
            chain: read("--tls-cert", chain)?,
            key: read("--tls-key", key)?,
        }),
        _ => Certificate::ensure(&server.node.store),
    }
}

/// Tells a person how to connect, on standard output. The password is shown there alone, once, and never in the log,
/// which goes to standard error.
fn announce(address: SocketAddr, password: Option<&str>) -> Result<()> {
    let mut console = std::io::stdout();
    if let Some(password) = password {
        writeln!(console, "The password of user admin is: {password}")?;
        writeln!(console, "It is shown only this once.")?;
    }
    writeln!(console, "Blueshift listens on {address}. Connect with:")?;
    writeln!(
        console,
        "  psql \"host={} port={} user=admin dbname=dev sslmode=require\"",
        address.ip(),
        address.port()
    )?;
    Ok(())
}
