//! Server file and environment: defaults, then a TOML file, then `BLUESHIFT_*`, then flags.

pub(crate) mod limit;

use anyhow::{Context, Result, bail};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
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
    /// Where to listen for Arrow Flight SQL; nowhere if absent.
    pub flight_listen: Option<SocketAddr>,
    /// Where to answer who watches the server: an address with a port, or a port of loopback; nowhere if absent.
    pub metrics_listen: Option<String>,
    /// Slices of a new data directory; an existing one keeps its own.
    pub slices: u32,
    /// Directories COPY may read `file://` from: a list, or one text with `:` between them.
    #[serde(deserialize_with = "paths")]
    pub copy_root: Vec<PathBuf>,
    /// Directories UNLOAD may write `file://` to, in the same form. Apart from those COPY reads: who may read files need
    /// not be let write some.
    #[serde(deserialize_with = "paths")]
    pub unload_root: Vec<PathBuf>,
    /// Directories snapshots may be kept under, in the same form.
    #[serde(deserialize_with = "paths")]
    pub snapshot_root: Vec<PathBuf>,
    /// Loopback, link-local and private addresses that stores, catalogs and databases outside may be at: hosts, hosts with
    /// ports, addresses, networks; a list, or one text with commas between them.
    #[serde(deserialize_with = "words")]
    pub reach: Vec<String>,
    /// Where the buckets of S3 are; those of Amazon if absent. What AWS_ENDPOINT_URL says else.
    pub s3_endpoint: Option<String>,
    /// The region of buckets whose statement names none.
    pub s3_region: Option<String>,
    /// Milliseconds that a store may say nothing before it is asked again.
    pub s3_stall_ms: u64,
    /// A TOML file with a table for each role of IAM_ROLE, which has the keys it stands for. Without it every role stands
    /// for what the server itself logs in with.
    pub role_file: Option<PathBuf>,
    /// The private key that COPY ... SSH logs in to other hosts with; without it there is no such COPY.
    pub ssh_key: Option<PathBuf>,
    /// A TOML file with a table for each secret of SECRET_ARN, which has the login of a database.
    pub secret_file: Option<PathBuf>,
    /// Where the data catalog is, as AWS Glue speaks; the server's own if absent.
    pub glue_endpoint: Option<String>,
    /// Memory the process may use: bytes, a size with a unit, or percent of what there is; 80 % if absent.
    pub memory_limit: Option<String>,
    /// Of that, memory all queries may use in bytes; what is left beside the block cache if absent.
    pub memory: Option<usize>,
    /// What all queries may have in spill files, in bytes or with a unit; 100 GB if absent.
    pub spill_limit: Option<String>,
    /// What one query may have in spill files; as much as all if absent.
    pub spill_limit_per_query: Option<String>,
    /// The block cache in bytes.
    pub cache: usize,
    /// Sessions at once.
    pub connections: usize,
    /// Accepts connections without TLS from beyond loopback.
    pub insecure: bool,
    /// Lets users log in whose passwords were given as md5 digests.
    pub md5: bool,
    /// Analyzes tables in the background, when enough of their rows changed and nobody runs a statement.
    pub auto_analyze: bool,
    /// Vacuums tables in the background, likewise.
    pub auto_vacuum: bool,
    /// Bytes of external tables that one query may scan; no limit if absent.
    pub external_scan_bytes_per_query: Option<u64>,
    /// Bytes of external tables that one user may scan on one day; no limit if absent.
    pub external_scan_bytes_per_day: Option<u64>,
    /// Days that statements and what they did are remembered; 0 remembers nothing, and STL_QUERY and its like are empty.
    pub history_days: u32,
    /// The queues of the workload manager: JSON, or the name of a file that has it. What ALTER SYSTEM said goes before it.
    pub wlm_json_configuration: Option<String>,
    /// Milliseconds between looks at what is due in the background.
    pub maintenance_interval_ms: u64,
    /// Milliseconds between looks for new files of copy jobs.
    pub copy_job_interval_ms: u64,
    /// A certificate chain in PEM; needs `tls_key`.
    pub tls_cert: Option<PathBuf>,
    /// Its key in PEM.
    pub tls_key: Option<PathBuf>,
    /// The password of `admin`.
    #[serde(skip_serializing)]
    pub admin_password: Option<String>,
}

/// What the names of variables begin with.
const ENVIRONMENT: &str = "BLUESHIFT_";
/// Fields whose variables are read as text.
const TEXTS: [&str; 19] = [
    "memory_limit",
    "spill_limit",
    "spill_limit_per_query",
    "metrics_listen",
    "wlm_json_configuration",
    "ssh_key",
    "data",
    "copy_root",
    "unload_root",
    "snapshot_root",
    "reach",
    "s3_endpoint",
    "s3_region",
    "role_file",
    "secret_file",
    "glue_endpoint",
    "tls_cert",
    "tls_key",
    "admin_password",
];
/// Fields whose variables are read as numbers, addresses and truth.
const NUMBERS: [&str; 16] = [
    "s3_stall_ms",
    "listen",
    "flight_listen",
    "slices",
    "memory",
    "cache",
    "connections",
    "insecure",
    "md5",
    "auto_analyze",
    "auto_vacuum",
    "external_scan_bytes_per_query",
    "external_scan_bytes_per_day",
    "history_days",
    "maintenance_interval_ms",
    "copy_job_interval_ms",
];
/// The block cache if nothing else is said.
const CACHE_BYTES: usize = 512 << 20;
/// Sessions at once if nothing else is said; Redshift's bound.
const CONNECTIONS: usize = 500;

/// Days of history if nothing else is said; what Redshift keeps.
const HISTORY_DAYS: u32 = 7;

/// Silence of a store, if nothing else is said.
const S3_STALL_MS: u64 = 20_000;

/// Between looks at what is due in the background, if nothing else is said.
const MAINTENANCE_INTERVAL_MS: u64 = 60_000;

/// Between looks for new files of copy jobs, if nothing else is said.
const COPY_JOB_INTERVAL_MS: u64 = 10_000;

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            data: PathBuf::from("blueshift-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 5439)),
            flight_listen: None,
            metrics_listen: None,
            slices: u32::try_from(cores.max(2)).unwrap_or(2),
            copy_root: Vec::new(),
            unload_root: Vec::new(),
            snapshot_root: Vec::new(),
            reach: Vec::new(),
            s3_endpoint: None,
            s3_region: None,
            s3_stall_ms: S3_STALL_MS,
            role_file: None,
            ssh_key: None,
            secret_file: None,
            glue_endpoint: None,
            memory_limit: None,
            memory: None,
            spill_limit: None,
            spill_limit_per_query: None,
            cache: CACHE_BYTES,
            connections: CONNECTIONS,
            insecure: false,
            md5: false,
            auto_analyze: true,
            auto_vacuum: true,
            external_scan_bytes_per_query: None,
            external_scan_bytes_per_day: None,
            history_days: HISTORY_DAYS,
            wlm_json_configuration: None,
            maintenance_interval_ms: MAINTENANCE_INTERVAL_MS,
            copy_job_interval_ms: COPY_JOB_INTERVAL_MS,
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
        // Text that looks like a number or a list to figment, such as a password of digits, stays text.
        let texts: BTreeMap<&str, String> = TEXTS
            .into_iter()
            .filter_map(|name| {
                let variable = format!("{ENVIRONMENT}{}", name.to_uppercase());
                Some((name, std::env::var(variable).ok()?))
            })
            .collect();
        for variable in unknown_variables() {
            tracing::warn!(%variable, "no setting has the name of this variable");
        }
        let config: Config = figment
            .merge(Env::prefixed(ENVIRONMENT).only(&NUMBERS))
            .merge(Serialized::defaults(texts))
            .merge(Serialized::defaults(flags))
            .extract()
            .context("the configuration is not valid")?;
        if config.slices == 0 || config.connections == 0 {
            bail!("slices and connections must be at least 1");
        }
        if config.tls_cert.is_some() != config.tls_key.is_some() {
            bail!("--tls-cert and --tls-key are given together or not at all");
        }
        limit::limits(&config)?;
        Ok(config)
    }
}

/// A setting, and where its value came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// Its name, as in the file.
    pub name: String,
    /// Its value; secrets are masked.
    pub value: Option<String>,
    /// A flag, a variable, a file, or `default`.
    pub origin: String,
}

impl Config {
    /// Lists every setting with its origin, for the layers [`Config::load`] would read.
    pub fn origins(file: Option<&Path>, flags: impl Serialize) -> Result<Vec<Setting>> {
        let given = serde_json::to_value(&flags)?;
        let config = Self::load(file, flags)?;
        let mut values = serde_json::to_value(&config)?;
        let has_password = config.admin_password.is_some();
        if let Some(values) = values.as_object_mut() {
            values.insert(
                "admin_password".into(),
                has_password.then_some("(hidden)").into(),
            );
        }
        let of_file = file.map(|file| (file, Figment::from(Toml::file_exact(file))));
        let origin = |name: &str| {
            if given.get(name).is_some() {
                return format!("flag --{}", name.replace('_', "-"));
            }
            let variable = format!("{ENVIRONMENT}{}", name.to_uppercase());
            if std::env::var_os(&variable).is_some() {
                return format!("variable {variable}");
            }
            match &of_file {
                Some((file, figment)) if figment.contains(name) => {
                    format!("file {}", file.display())
                }
                _ => "default".to_owned(),
            }
        };
        let settings = values.as_object().into_iter().flatten();
        let settings = settings.map(|(name, value)| Setting {
            name: name.clone(),
            value: match value {
                serde_json::Value::Null => None,
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Array(parts) => {
                    let parts = parts.iter().filter_map(|part| part.as_str());
                    Some(parts.collect::<Vec<_>>().join(":"))
                }
                other => Some(other.to_string()),
            },
            origin: origin(name),
        });
        Ok(settings.collect())
    }
}

/// Names the `BLUESHIFT_` variables that no setting reads. They may be meant for another program, such as those a
/// container platform makes of a service's name, so a server tells of them and goes on.
pub fn unknown_variables() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<String> = names.filter(|name| is_unknown(name)).collect();
    unknown.sort_unstable();
    unknown
}

fn is_unknown(variable: &str) -> bool {
    let Some(rest) = variable.strip_prefix(ENVIRONMENT) else {
        return false;
    };
    let name = rest.to_lowercase();
    let is_setting = TEXTS.contains(&name.as_str()) || NUMBERS.contains(&name.as_str());
    !is_setting && rest != "LOG" && !rest.starts_with("TEST_")
}

/// Reads a list of paths, or one text with `:` between them.
fn paths<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Paths {
        List(Vec<PathBuf>),
        Text(String),
    }
    Ok(match Paths::deserialize(from)? {
        Paths::List(list) => list,
        Paths::Text(text) => std::env::split_paths(&text)
            .filter(|path| !path.as_os_str().is_empty())
            .collect(),
    })
}

/// Reads a list of words, or one text with commas between them.
fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Words::deserialize(from)? {
        Words::List(list) => list,
        Words::Text(text) => text
            .split(',')
            .map(|word| word.trim().to_owned())
            .filter(|word| !word.is_empty())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reach_is_a_list_or_one_text() {
        let reach = |toml: &str| {
            let figment = Figment::from(Serialized::defaults(Config::default()));
            let config: Config = figment.merge(Toml::string(toml)).extract().unwrap();
            config.reach
        };
        assert_eq!(
            reach("reach = [\"a:1\", \"10.0.0.0/8\"]"),
            ["a:1", "10.0.0.0/8"]
        );
        assert_eq!(reach("reach = \"a:1, 10.0.0.0/8\""), ["a:1", "10.0.0.0/8"]);
        assert!(reach("").is_empty());
    }

    fn copy_root(toml: &str) -> Vec<PathBuf> {
        let figment = Figment::from(Serialized::defaults(Config::default()));
        let config: Config = figment.merge(Toml::string(toml)).extract().unwrap();
        config.copy_root
    }

    #[test]
    fn copy_roots_are_a_list_or_one_text() {
        let both = vec![PathBuf::from("/a"), PathBuf::from("/b c")];
        assert_eq!(copy_root("copy_root = [\"/a\", \"/b c\"]"), both);
        assert_eq!(copy_root("copy_root = \"/a:/b c\""), both);
        assert_eq!(copy_root("copy_root = \"/a\""), [PathBuf::from("/a")]);
        assert!(copy_root("copy_root = \"\"").is_empty());
    }

    #[test]
    fn a_variable_that_nothing_reads_is_told_of() {
        for known in [
            "BLUESHIFT_DATA",
            "BLUESHIFT_LOG",
            "BLUESHIFT_TEST_SEED",
            "PATH",
        ] {
            assert!(!is_unknown(known), "{known}");
        }
        assert!(is_unknown("BLUESHIFT_LISTN"));
    }

    #[test]
    fn every_setting_is_read_from_the_environment() {
        let settings = Config::origins(None, serde_json::json!({"admin_password": "Secret-1"}));
        let settings = settings.unwrap();
        for setting in &settings {
            let variable = format!("BLUESHIFT_{}", setting.name.to_uppercase());
            assert!(!is_unknown(&variable), "{variable}");
            assert!(!format!("{setting:?}").contains("Secret-1"));
        }
        let password = settings
            .iter()
            .find(|setting| setting.name == "admin_password");
        assert_eq!(password.unwrap().origin, "flag --admin-password");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let figment = Figment::from(Serialized::defaults(Config::default()));
        let outcome = figment
            .merge(Toml::string("slicess = 3"))
            .extract::<Config>();
        assert!(outcome.is_err_and(|error| error.to_string().contains("slicess")));
    }
}
