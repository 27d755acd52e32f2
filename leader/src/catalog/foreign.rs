//! External schemas whose tables are known elsewhere: a live PostgreSQL database, a Hive metastore, a data catalog that
//! speaks as AWS Glue does.
//!
//! What is told there is kept for a few seconds, so that a dashboard does not ask for each of its queries. A statement
//! keeps what it was told to its end. Names resolve without waiting: a table that nobody asked for yet is an error there,
//! which the session takes as the order to ask, and to run the statement again.

pub mod hive;

use super::Oid;
use super::external::{
    ExternalFormat, ExternalPartition, ExternalSchema, ExternalSource, ExternalTable, Partitions,
};
use crate::error::Error;
use crate::history::lock;
use blueshift_compute::external::metastore::{Glue, Hive, MetaPartition, MetaTable};
use blueshift_compute::external::postgres::{Login, RemoteTable, Source, Tls};
use blueshift_compute::object::{ObjectPolicy, SecretTls};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long what was told holds.
const FRESH: Duration = Duration::from_secs(10);
/// How long it holds that a table is not there.
const ABSENT: Duration = Duration::from_secs(1);
/// Answers that are kept.
const KNOWN_MAX: usize = 512;

/// What is asked of a catalog elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Want {
    /// All tables of a schema, without partitions.
    Tables,
    /// One table, with its partitions.
    Table(String),
}

/// A table that is known elsewhere.
#[derive(Debug)]
pub struct ForeignTable {
    /// As every external table is described.
    pub table: Arc<ExternalTable>,
    /// Its partitions.
    pub partitions: Arc<Partitions>,
    /// What it is in PostgreSQL.
    pub remote: Option<Arc<RemoteTable>>,
    /// Set when a query found it otherwise there.
    pub is_stale: Arc<AtomicBool>,
    /// Why it cannot be read here.
    pub refused: Option<blueshift_sql::Error>,
}

/// What a catalog elsewhere told: of one table none or one.
pub type Answer = Result<Arc<Vec<Arc<ForeignTable>>>, blueshift_sql::Error>;

/// What was told, when, and of what.
struct Known {
    schema: Arc<ExternalSchema>,
    at: Instant,
    tables: Arc<Vec<Arc<ForeignTable>>>,
}

/// Asks catalogs elsewhere, and remembers for a short time.
pub struct ForeignCatalogs {
    policy: ObjectPolicy,
    known: Mutex<HashMap<(Oid, Want), Known>>,
}

impl ForeignCatalogs {
    /// Knows nothing yet.
    pub fn new(policy: ObjectPolicy) -> Self {
        Self {
            policy,
            known: Mutex::default(),
        }
    }

    /// Whether data catalogs are elsewhere.
    pub fn has_glue(&self) -> bool {
        self.policy.glue_endpoint.is_some()
    }

    /// Gives what was told lately, if it answers the question.
    pub fn known(&self, schema: &ExternalSchema, want: &Want) -> Option<Answer> {
        let known = lock(&self.known);
        let found = known.get(&(schema.oid, asked(schema, want)))?;
        let age = found.at.elapsed();
        let tables = of_one(&found.tables, want);
        let holds = match (want, tables.is_empty()) {
            (Want::Table(_), true) => ABSENT,
            _ => FRESH,
        };
        let is_stale = tables
            .iter()
            .any(|one| one.is_stale.load(Ordering::Relaxed));
        (*found.schema == *schema && age < holds && !is_stale).then_some(Ok(tables))
    }

    /// Asks, and remembers the answer unless it is an error.
    pub async fn ask(&self, schema: &Arc<ExternalSchema>, want: &Want) -> Answer {
        let asked = asked(schema, want);
        let told = self.told(schema, &asked).await;
        let tables = Arc::new(told.map_err(|error| crate::error::sqlstate::report(&error))?);
        let mut known = lock(&self.known);
        if known.len() >= KNOWN_MAX {
            known.retain(|_, one| one.at.elapsed() < FRESH);
        }
        if known.len() < KNOWN_MAX {
            let one = Known {
                schema: Arc::clone(schema),
                at: Instant::now(),
                tables: Arc::clone(&tables),
            };
            known.insert((schema.oid, asked), one);
        }
        Ok(of_one(&tables, want))
    }

    /// Forgets what was told of a schema: a statement changed it.
    pub fn forget(&self, schema: Oid) {
        lock(&self.known).retain(|(oid, _), _| *oid != schema);
    }

    async fn told(
        &self,
        schema: &ExternalSchema,
        want: &Want,
    ) -> crate::Result<Vec<Arc<ForeignTable>>> {
        let tables: Vec<ForeignTable> = match (&schema.source, want) {
            (ExternalSource::Own, _) => {
                return Err(Error::internal("the server's own catalog is not asked"));
            }
            (ExternalSource::Postgres { .. }, _) => {
                let is_stale = Arc::new(AtomicBool::new(false));
                let source = self.source(schema, &is_stale)?;
                let tables = source.tables().await?;
                let tables = tables.into_iter();
                tables.map(|table| of_postgres(table, &is_stale)).collect()
            }
            (ExternalSource::Hive { .. }, Want::Tables) => all(self.hive(schema)?.tables().await?),
            (ExternalSource::Hive { .. }, Want::Table(name)) => {
                one(self.hive(schema)?.table(name).await?)
            }
            (ExternalSource::Glue, Want::Tables) => all(self.glue(schema)?.tables().await?),
            (ExternalSource::Glue, Want::Table(name)) => {
                one(self.glue(schema)?.table(name).await?)
            }
        };
        Ok(tables.into_iter().map(Arc::new).collect())
    }

    /// Gives the database of a schema FROM POSTGRES, with the login of its secret.
    pub fn source(
        &self,
        schema: &ExternalSchema,
        is_stale: &Arc<AtomicBool>,
    ) -> crate::Result<Source> {
        let ExternalSource::Postgres {
            schema: name,
            uri,
            port,
            secret,
        } = &schema.source
        else {
            return Err(Error::internal("a live database was expected"));
        };
        let secret = self.policy.secrets.find(secret, uri)?;
        Ok(Source {
            host: uri.clone(),
            port: *port,
            database: schema.database.clone(),
            schema: name.clone(),
            login: Login {
                user: secret.username.clone(),
                password: secret.password.clone(),
            },
            tls: secret.tls.map(|tls| match tls {
                SecretTls::Off => Tls::Off,
                SecretTls::On => Tls::Unverified,
                SecretTls::Verify => Tls::Verified(secret.tls_ca_pem.clone()),
            }),
            reach: self.policy.reach.clone(),
            is_stale: Arc::clone(is_stale),
        })
    }

    fn hive(&self, schema: &ExternalSchema) -> crate::Result<Hive> {
        let ExternalSource::Hive { uri, port } = &schema.source else {
            return Err(Error::internal("a Hive metastore was expected"));
        };
        Ok(Hive {
            host: uri.clone(),
            port: *port,
            database: schema.database.clone(),
            reach: self.policy.reach.clone(),
        })
    }

    /// Gives the data catalog of a schema.
    pub fn glue(&self, schema: &ExternalSchema) -> crate::Result<Glue> {
        let Some(endpoint) = &self.policy.glue_endpoint else {
            return Err(blueshift_sql::Error::new(
                blueshift_sql::SqlState::CONNECTION_FAILURE,
                "the data catalog of this external schema is elsewhere, and the server is not told where",
            )
            .with_hint("Start the server with --glue-endpoint.")
            .into());
        };
        let role = schema.catalog_role.as_ref().unwrap_or(&schema.iam_role);
        Ok(Glue {
            endpoint: endpoint.clone(),
            database: schema.database.clone(),
            catalog_id: schema.catalog_id.clone(),
            region: schema.region.clone(),
            role: role.clone(),
            policy: self.policy.clone(),
        })
    }
}

/// A live database tells all its tables at once.
fn asked(schema: &ExternalSchema, want: &Want) -> Want {
    match schema.source {
        ExternalSource::Postgres { .. } => Want::Tables,
        _ => want.clone(),
    }
}

fn of_one(tables: &Arc<Vec<Arc<ForeignTable>>>, want: &Want) -> Arc<Vec<Arc<ForeignTable>>> {
    match want {
        Want::Tables => Arc::clone(tables),
        Want::Table(name) => {
            let tables = tables.iter().filter(|one| one.table.name == *name);
            Arc::new(tables.cloned().collect())
        }
    }
}

fn all(tables: Vec<MetaTable>) -> Vec<ForeignTable> {
    let tables = tables.into_iter();
    let mut tables: Vec<_> = tables.map(|table| hive::read(table, Vec::new())).collect();
    tables.sort_by(|one, other| one.table.name.cmp(&other.table.name));
    tables
}

fn one(found: Option<(MetaTable, Vec<MetaPartition>)>) -> Vec<ForeignTable> {
    let found = found.map(|(table, partitions)| hive::read(table, partitions));
    found.into_iter().collect()
}

fn of_postgres(remote: Arc<RemoteTable>, is_stale: &Arc<AtomicBool>) -> ForeignTable {
    let columns = remote.columns.iter();
    let columns = columns.map(|column| (column.name.clone(), column.ty));
    let mut properties = BTreeMap::new();
    if let Some(rows) = remote.rows {
        properties.insert("numRows".to_owned(), rows.to_string());
    }
    ForeignTable {
        table: Arc::new(ExternalTable {
            oid: 0,
            database: 0,
            name: remote.name.clone(),
            columns: columns.collect(),
            nested: BTreeMap::new(),
            partitioned_by: Vec::new(),
            format: ExternalFormat::Remote,
            location: String::new(),
            properties,
            created_us: 0,
        }),
        partitions: Arc::default(),
        remote: Some(remote),
        is_stale: Arc::clone(is_stale),
        refused: None,
    }
}

/// Numbers partitions as they come.
fn numbered(partitions: Vec<MetaPartition>) -> Partitions {
    let partitions = (0_u32..).zip(partitions);
    partitions
        .map(|(number, one)| {
            let partition = ExternalPartition {
                values: one.values,
                location: hive::place(&one.location),
            };
            (number, partition)
        })
        .collect()
}
