//! What all sessions share: the node, the transactions, the history; and what a new data directory begins with.

use crate::access::scan_limit::ScanLimits;
use crate::access::scram;
use crate::catalog::cache::{put_access, put_comment, put_schema, put_user, remove};
use crate::catalog::foreign::ForeignCatalogs;
use crate::catalog::{
    ADMIN_OID, Catalog, DATABASE_OID, INFORMATION_SCHEMA_OID, OLD_DATABASE_OID, Oid,
    PG_CATALOG_OID, PUBLIC_OID, Schema, User, database,
};
use crate::error::Result;
use crate::history::keep::Keeper;
use crate::history::statistics::Statistics;
use crate::history::{History, lock};
use crate::metrics::Registry;
use crate::planner::plan_cache::PlanCache;
use crate::planner::result_cache::{self, ResultCache};
use crate::snapshot::Snapshots;
use crate::transaction::Transactions;
use crate::wlm::config::WlmConfig;
use crate::wlm::limit::Load;
use crate::wlm::{self, Machine, Wlm, monitor};
use blueshift_compute::node::{Node, NodeOptions};
use blueshift_storage::TableId;
use blueshift_storage::store::{Commit, Store, StoreOptions};
use datafusion::execution::memory_pool::MemoryLimit;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The name of the database that every cluster begins with.
pub const DATABASE: &str = database::FIRST;

/// The name of the first superuser.
pub const ADMIN: &str = "admin";

/// Schemas of temporary tables are named so, followed by the session's process id.
pub const TEMP_SCHEMA_PREFIX: &str = database::TEMP_SCHEMA_PREFIX;

/// How to start a server.
pub struct ServerOptions {
    /// The data directory and its cache.
    pub store: StoreOptions,
    /// Threads, memory, and where COPY may read from.
    pub node: NodeOptions,
    /// Days that statements are remembered; 0 remembers nothing.
    pub history_days: u32,
    /// Whether passwords may be given and checked as md5 digests.
    pub md5: bool,
    /// What may be scanned of external tables at most.
    pub scan_limits: ScanLimits,
    /// The queues, where no superuser said otherwise.
    pub wlm: WlmConfig,
    /// Gives the SCRAM verifier of `admin`; called only for a new data directory.
    pub admin_verifier: Box<dyn FnOnce() -> Result<String> + Send>,
}

/// A running leader with its embedded node. One per process.
pub struct Server {
    /// The compute node of this process.
    pub node: Arc<Node>,
    /// When it started, in microseconds since 1970.
    pub started_us: i64,
    /// Whether passwords may be given and checked as md5 digests.
    pub md5: bool,
    /// What may be scanned of external tables at most.
    pub scan_limits: ScanLimits,
    /// Typed events and live state behind the STL_, STV_ and SVL_ tables.
    pub history: Arc<History>,
    /// Keeps it.
    keeper: Mutex<Keeper>,
    /// Asks catalogs elsewhere.
    pub foreign: ForeignCatalogs,
    /// Takes snapshots.
    pub snapshots: Arc<Snapshots>,
    /// Who gives figures to those that watch the server.
    pub metrics: Registry,
    /// Plans of queries that come again with other constants.
    pub plans: Arc<PlanCache>,
    /// Results that may answer queries again.
    pub results: Arc<ResultCache>,
    /// Lets statements in, one after the other.
    pub wlm: Arc<Wlm>,
    /// Lock table and commit path.
    pub transactions: Arc<Transactions>,
    /// Today's placement hash; tables placed under another are not taken to be co-located.
    pub placement_fingerprint: u64,
    /// The name of the data directory, once somebody asked for it.
    namespace: OnceLock<String>,
}

impl Server {
    /// Opens the data directory and starts the node. A new directory gets database `dev`, its schemas and `admin`;
    /// temporary tables that a crash left behind are dropped. Blocks.
    pub fn start(options: ServerOptions) -> Result<Arc<Server>> {
        let store = Store::open(options.store)?;
        let history = History {
            statistics: Statistics::of_kept(store.kept_statistics()?),
            is_off: options.history_days == 0,
            ..History::default()
        };
        let keeper = Keeper::open(&store, &history, options.history_days)?;
        let history = Arc::new(history);
        let transactions = Arc::new(Transactions::new(store.clone(), history.clone()));
        let catalog = transactions.committed_catalog()?;
        if catalog.users.is_empty() {
            store.commit(first_commit((options.admin_verifier)()?)?)?;
        }
        if let Some(commit) = leftover_temporary_tables(&catalog) {
            store.commit(commit)?;
        }
        if let Some(commit) = moved_access_of_database(&catalog)? {
            store.commit(commit)?;
        }
        for database in catalog.databases.values() {
            transactions.set_isolation(database.oid, database.isolation);
        }
        let foreign = ForeignCatalogs::new(options.node.object_policy.clone());
        let node = Node::start(store, options.node)?;
        let wlm = start_queues(&node, &history, options.wlm)?;
        Ok(Arc::new(Server {
            node,
            keeper: Mutex::new(keeper),
            started_us: crate::history::now_us(),
            md5: options.md5,
            scan_limits: options.scan_limits,
            history,
            foreign,
            snapshots: Arc::default(),
            metrics: Registry::default(),
            plans: Arc::default(),
            results: Arc::new(ResultCache::new(result_cache::CACHE_BYTES)),
            wlm,
            transactions,
            placement_fingerprint: blueshift_compute::distribution::fingerprint(),
            namespace: OnceLock::new(),
        }))
    }

    /// Gives the unique name of the cluster as `CURRENT_NAMESPACE` shows it; it stays with the data directory.
    pub fn namespace(&self) -> Result<String> {
        if let Some(known) = self.namespace.get() {
            return Ok(known.clone());
        }
        let made = self.snapshots.namespace(&self.node.store)?;
        Ok(self.namespace.get_or_init(|| made).clone())
    }

    /// Writes a checkpoint and closes the data directory; later commits fail. Blocks.
    pub fn stop(&self) -> Result<()> {
        self.keep_new_statistics();
        self.keep_history();
        Ok(self.node.store.close()?)
    }

    /// Keeps what is known of a table over a restart, unless it is temporary. Blocks.
    pub fn keep_statistics(&self, table: Oid) -> Result<()> {
        let catalog = self.transactions.committed_catalog()?;
        let schema = catalog.tables.get(&table).map(|table| table.schema);
        let schema = schema.and_then(|schema| catalog.schemas.get(&schema));
        if schema.is_some_and(|schema| schema.name.starts_with(TEMP_SCHEMA_PREFIX)) {
            return Ok(());
        }
        self.history.statistics.keep(&self.node.store, table)
    }

    /// Keeps what is known of tables and not kept yet. What cannot be kept is told: it costs an ANALYZE. Blocks.
    pub fn keep_new_statistics(&self) {
        for table in self.history.statistics.unkept() {
            if let Err(error) = self.keep_statistics(table) {
                tracing::warn!(table_id = table, %error, "could not keep the statistics of a table");
            }
        }
    }

    /// Keeps what happened since the last time. What cannot be kept is told. Blocks.
    pub fn keep_history(&self) {
        if let Err(error) = lock(&self.keeper).keep(&self.history) {
            tracing::warn!(%error, "could not keep a part of the history");
        }
    }

    /// Makes `password` that of `admin`, and tells whether it was another before. Blocks.
    pub fn ensure_admin_password(&self, password: &str) -> Result<bool> {
        let catalog = self.transactions.committed_catalog()?;
        let Some(admin) = catalog.users.get(&ADMIN_OID) else {
            return Ok(false);
        };
        let verifier = admin.verifier.as_deref();
        if verifier.is_some_and(|verifier| scram::matches(verifier, password)) {
            return Ok(false);
        }
        let admin = User {
            verifier: Some(scram::verifier(password)),
            ..User::clone(admin)
        };
        self.node.store.commit(Commit {
            catalog: vec![put_user(&admin)?],
            ..Commit::default()
        })?;
        Ok(true)
    }

    /// Finds a user as last committed, for the login.
    pub fn user(&self, name: &str) -> Result<Option<Arc<User>>> {
        Ok(self
            .transactions
            .committed_catalog()?
            .user_named(name)
            .cloned())
    }

    /// Gives a fresh oid for an object.
    pub fn next_oid(&self) -> Result<Oid> {
        let id = self.node.store.next_id();
        Oid::try_from(id).map_err(|_| {
            crate::Error::new(
                blueshift_sql::SqlState::PROGRAM_LIMIT_EXCEEDED,
                "no object ids are left in this database",
            )
        })
    }
}

/// Opens the queues as they were left, and starts what looks after them.
fn start_queues(node: &Arc<Node>, history: &Arc<History>, given: WlmConfig) -> Result<Arc<Wlm>> {
    let given = Arc::new(given);
    let kept = wlm::kept(
        node.store
            .read_view()
            .catalog
            .get(wlm::KEY)
            .map(|value| &**value),
    );
    let machine = Machine {
        processors: node.resources.threads,
        memory_bytes: memory_of(node).1,
    };
    let now = kept.unwrap_or_else(|| Arc::clone(&given));
    let wlm = Arc::new(Wlm::new(Arc::clone(history), machine, given, now));
    let node = Arc::downgrade(node);
    let (mut busy, mut looked) = (Duration::ZERO, Instant::now());
    let load = move || {
        let Some(node) = node.upgrade() else {
            return Load::default();
        };
        // Short plans take processors too.
        let running = [&node.resources.compute, &node.resources.express];
        let now: Duration = running.iter().map(|runtime| busy_of(runtime)).sum();
        let since = looked
            .elapsed()
            .mul_f64(node.resources.threads.max(1) as f64);
        let cpu = now.saturating_sub(busy).as_secs_f64() / since.as_secs_f64().max(1e-3);
        (busy, looked) = (now, Instant::now());
        let (taken, all) = memory_of(&node);
        Load {
            cpu_percent: (cpu * 100.0).clamp(0.0, 100.0) as u32,
            memory_percent: u32::try_from(taken * 100 / all.max(1)).unwrap_or(100),
        }
    };
    monitor::start(&wlm, load).map_err(crate::Error::internal)?;
    Ok(wlm)
}

/// Gives how long the threads of a runtime have been busy, together.
fn busy_of(runtime: &tokio::runtime::Handle) -> Duration {
    let metrics = runtime.metrics();
    let workers = 0..metrics.num_workers();
    workers
        .map(|one| metrics.worker_total_busy_duration(one))
        .sum()
}

/// Gives the memory that queries have taken, and that there is for them, in bytes.
fn memory_of(node: &Node) -> (u64, u64) {
    let pool = &node.resources.runtime_env.memory_pool;
    let all = match pool.memory_limit() {
        MemoryLimit::Finite(bytes) => bytes,
        _ => blueshift_compute::resource::default_memory_bytes(),
    };
    (pool.reserved() as u64, all as u64)
}

/// What a new data directory begins with.
fn first_commit(verifier: String) -> Result<Commit> {
    let schemas = [
        (PG_CATALOG_OID, "pg_catalog"),
        (PUBLIC_OID, "public"),
        (INFORMATION_SCHEMA_OID, "information_schema"),
    ];
    let mut catalog = Vec::new();
    for (oid, name) in schemas {
        catalog.push(put_schema(&Schema {
            oid,
            name: name.to_string(),
            owner: ADMIN_OID,
            database: DATABASE_OID,
            quota: None,
        })?);
    }
    catalog.push(put_user(&User {
        oid: ADMIN_OID,
        name: ADMIN.to_string(),
        superuser: true,
        create_database: true,
        verifier: Some(verifier),
        ..User::default()
    })?);
    Ok(Commit {
        catalog,
        ..Commit::default()
    })
}

/// Puts what an earlier version kept beside the oid of database `dev` beside its oid of today; what is a table's own
/// stays.
fn moved_access_of_database(catalog: &Catalog) -> Result<Option<Commit>> {
    let old = OLD_DATABASE_OID;
    let is_object = catalog.relation(old).is_some()
        || catalog.schemas.contains_key(&old)
        || catalog.routines.contains_key(&old)
        || catalog.databases.contains_key(&old);
    if is_object {
        return Ok(None);
    }
    let mut changes = Vec::new();
    if let Some(list) = catalog.access.get(&old) {
        changes.push(put_access(DATABASE_OID, list)?);
        changes.push(remove("access", old));
    }
    if let Some(text) = catalog.comments.get(&(old, 0)) {
        changes.push(put_comment(DATABASE_OID, 0, Some(text)));
        changes.push(put_comment(old, 0, None));
    }
    Ok((!changes.is_empty()).then(|| Commit {
        catalog: changes,
        ..Commit::default()
    }))
}

/// Drops the temporary tables of sessions that a crash ended.
fn leftover_temporary_tables(catalog: &Catalog) -> Option<Commit> {
    let schemas: Vec<_> = catalog
        .schemas
        .values()
        .filter(|schema| schema.name.starts_with(TEMP_SCHEMA_PREFIX))
        .map(|schema| schema.oid)
        .collect();
    let commits = schemas
        .into_iter()
        .map(|schema| drop_schema_contents(catalog, schema));
    commits.reduce(|mut all, one| {
        all.dropped_tables.extend(one.dropped_tables);
        all.catalog.extend(one.catalog);
        all
    })
}

/// Drops a schema with its tables and views: the end of a session's temporary tables.
pub fn drop_schema_contents(catalog: &Catalog, schema: Oid) -> Commit {
    let mut commit = Commit::default();
    for table in catalog
        .tables
        .values()
        .filter(|table| table.schema == schema)
    {
        commit.dropped_tables.push(TableId(u64::from(table.oid)));
        commit.catalog.push(remove("table", table.oid));
        if catalog.access.contains_key(&table.oid) {
            commit.catalog.push(remove("access", table.oid));
        }
    }
    for view in catalog.views.values().filter(|view| view.schema == schema) {
        commit.catalog.push(remove("view", view.oid));
    }
    commit.catalog.push(remove("schema", schema));
    commit
}
