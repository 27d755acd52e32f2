//! Server file and environment: defaults, then a TOML file, then `BLUESHIFT_*`, then flags.

use anyhow::{Context, Result, bail};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What a server can be told before it starts. The TOML keys and `BLUESHIFT_` variables are the fields' names.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data directory.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Slices of a new data directory; an existing one keeps its own.
    pub slices: u32,
    /// Directories COPY may read `file://` from.
    pub copy_root: Vec<PathBuf>,
    /// Memory queries may use in bytes; most of the machine's if absent.
    pub memory: Option<usize>,
    /// The block cache in bytes.
    pub cache: usize,
    /// Sessions at once.
    pub connections: usize,
    /// Accepts connections without TLS from beyond loopback.
    pub insecure: bool,
    /// A certificate chain in PEM; needs `tls_key`.
    pub tls_cert: Option<PathBuf>,
    /// Its key in PEM.
    pub tls_key: Option<PathBuf>,
    /// The password of `admin`.
    #[serde(skip_serializing)]
    pub admin_password: Option<String>,
}

/// The block cache if nothing else is said.
const CACHE_BYTES: usize = 512 << 20;
/// Sessions at once if nothing else is said; Redshift's bound.
const CONNECTIONS: usize = 500;

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            data: PathBuf::from("blueshift-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 5439)),
            slices: u32::try_from(cores.max(2)).unwrap_or(2),
            copy_root: Vec::new(),
            memory: None,
            cache: CACHE_BYTES,
            connections: CONNECTIONS,
            insecure: false,
            tls_cert: None,
            tls_key: None,
            admin_password: None,
        }
    }
}

impl Config {
    /// Reads all layers; `flags` has only what was given.
    pub fn load(file: Option<&Path>, flags: impl Serialize) -> Result<Config> {
        let mut figment = Figment::from(Serialized::defaults(Config::default()));
        if let Some(file) = file {
            if !file.is_file() {
                bail!("config file \"{}\" does not exist", file.display());
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        let names = [
            "data",
            "listen",
            "slices",
            "copy_root",
            "memory",
            "cache",
            "connections",
            "insecure",
            "tls_cert",
            "tls_key",
            "admin_password",
        ];
        let config: Config = figment
            .merge(Env::prefixed("BLUESHIFT_").only(&names))
            .merge(Serialized::defaults(flags))
            .extract()
            .context("the configuration is not valid")?;
        if config.slices == 0 || config.connections == 0 {
            bail!("slices and connections must be at least 1");
        }
        if config.tls_cert.is_some() != config.tls_key.is_some() {
            bail!("--tls-cert and --tls-key are given together or not at all");
        }
        Ok(config)
    }
}
