//! Resolves names of external tables, of the server's own catalog and of others.

use super::{Named, SessionNames, into_sql};
use crate::access::scan_limit::limits_of;
use crate::catalog::Schema;
use crate::catalog::external::{ExternalSchema, ExternalTable, Partitions};
use crate::catalog::foreign::{ForeignTable, Want};
use crate::history::lock;
use crate::statement::external::source;
use crate::system::SystemContext;
use blueshift_compute::external::postgres::{RemoteScan, Snapshots};
use blueshift_compute::external::{Access, ExternalTable as ScannedTable, FileLists, ScanBudget};
use blueshift_sql::Result;
use blueshift_sql::binder::Names;
use blueshift_sql::statement::ObjectName;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::TableSource;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

/// Begins to list, when an external table is first named.
type MakeLists = Box<dyn FnOnce() -> Arc<FileLists> + Send>;

/// The setting without which external tables have no pseudocolumns.
const PSEUDO_COLUMNS: &str = "spectrum_enable_pseudo_columns";
/// The setting without which scans of a live database need not see one moment.
const REPEATABLE_READ: &str = "pg_federation_repeatable_read";

/// What a resolver knows of external tables.
pub(super) struct Outside {
    /// The files that the statement has listed.
    lists: Arc<LazyLock<Arc<FileLists>, MakeLists>>,
    /// The moments at which the statement sees live databases.
    snapshots: Arc<OnceLock<Arc<Snapshots>>>,
    /// The name of an external table that was named, not inside a view.
    named: Mutex<Option<String>>,
}

impl Outside {
    /// Begins a statement.
    pub(super) fn new(system: &Arc<SystemContext>) -> Self {
        let system = Arc::clone(system);
        let begin: MakeLists = Box::new(move || {
            let limits = limits_of(system.server.scan_limits, &system.user, &system.settings);
            let today = system.server.history.scanned_today(system.user.oid);
            let budget = ScanBudget::new(limits.per_query, limits.per_day, today);
            Arc::new(FileLists::new(budget))
        });
        Self {
            lists: Arc::new(LazyLock::new(begin)),
            snapshots: Arc::default(),
            named: Mutex::default(),
        }
    }

    /// Gives what a resolver one view deeper knows.
    pub(super) fn within(&self) -> Self {
        Self {
            lists: Arc::clone(&self.lists),
            snapshots: Arc::clone(&self.snapshots),
            named: Mutex::default(),
        }
    }
}

impl SessionNames {
    /// Names an external table that was named so far, not one inside a view.
    pub fn external_used(&self) -> Option<String> {
        lock(&self.outside.named).clone()
    }

    /// Gives the lists of files of the statement, whose reading is counted.
    pub fn file_lists(&self) -> Arc<FileLists> {
        Arc::clone(LazyLock::force(&self.outside.lists))
    }

    /// Finds a table of a catalog elsewhere. Fails if that must be asked first: see
    /// [`crate::transaction::read::TableReads::want`].
    pub(super) fn foreign(
        &self,
        schema: &Schema,
        external: &Arc<ExternalSchema>,
        name: &str,
    ) -> Result<Option<Arc<ForeignTable>>> {
        let (reads, want) = (&self.system.reads, Want::Table(name.to_owned()));
        let told = reads.told(schema.oid, &want);
        let answer = match told {
            Some(answer) => answer,
            None => match self.system.server.foreign.known(external, &want) {
                Some(answer) => {
                    reads.keep(schema.oid, want, answer.clone());
                    answer
                }
                None => return Err(reads.want(external, want, &schema.name)),
            },
        };
        Ok(answer?.first().cloned())
    }

    /// Gives the partitions of an external table.
    pub fn external_partitions(
        &self,
        schema: &Schema,
        table: &ExternalTable,
    ) -> Result<Arc<Partitions>> {
        let Some(external) = self.catalog().foreign_schema(schema.oid) else {
            return Ok(self.catalog().partitions_of(table.oid));
        };
        let known = self.foreign(schema, external, &table.name)?;
        Ok(known.map_or_else(Arc::default, |known| Arc::clone(&known.partitions)))
    }

    /// Lets what is listed, read and asked of stores be that of the statement.
    fn noting(&self, scanned: ScannedTable) -> ScannedTable {
        let access = Access {
            policy: scanned.access.policy.noting(self.system.plans.requests()),
            ..scanned.access
        };
        ScannedTable {
            lists: self.file_lists(),
            access,
            ..scanned
        }
    }

    /// Makes the engine's table of one that another catalog knows.
    fn foreign_table(
        &self,
        schema: &Schema,
        external: &Arc<ExternalSchema>,
        known: &ForeignTable,
        with_pseudo_columns: bool,
    ) -> Result<Arc<dyn TableSource>> {
        if let Some(refused) = &known.refused {
            return Err(refused.clone());
        }
        let system = &self.system;
        let Some(remote) = &known.remote else {
            let partitions = &known.partitions;
            let table = &known.table;
            let scanned = source::scanned_of(&system.server, external, schema, table, partitions);
            let mut scanned = self.noting(scanned.map_err(into_sql)?);
            scanned.has_pseudo_columns =
                with_pseudo_columns && system.settings.is_on(PSEUDO_COLUMNS);
            return Ok(provider_as_source(Arc::new(scanned)));
        };
        let foreign = &system.server.foreign;
        let source = foreign.source(external, &known.is_stale);
        let source = Arc::new(source.map_err(into_sql)?);
        let snapshots = self.outside.snapshots.get_or_init(|| {
            let is_repeatable = system.settings.is_on(REPEATABLE_READ);
            Arc::new(Snapshots::new(is_repeatable))
        });
        snapshots.name(&source);
        let scan = RemoteScan::new(
            format!("{}.{}", schema.name, remote.name),
            source,
            Arc::clone(remote),
            Arc::clone(snapshots),
        );
        Ok(provider_as_source(Arc::new(scan)))
    }

    /// Makes the engine's table of an external one. Whoever may use the schema may read it.
    pub(super) fn external_table(
        &self,
        schema: &Schema,
        table: &ExternalTable,
        with_pseudo_columns: bool,
    ) -> Result<Arc<dyn TableSource>> {
        lock(&self.outside.named).get_or_insert_with(|| table.name.clone());
        let system = &self.system;
        if let Some(external) = system.catalog.foreign_schema(schema.oid) {
            let known = self.foreign(schema, external, &table.name)?;
            let known = known.ok_or_else(|| Self::no_external(schema, &table.name))?;
            return self.foreign_table(schema, external, &known, with_pseudo_columns);
        }
        let scanned = source::scanned(&system.server, &system.catalog, schema, table);
        let mut scanned = self.noting(scanned.map_err(into_sql)?);
        scanned.has_pseudo_columns = with_pseudo_columns && system.settings.is_on(PSEUDO_COLUMNS);
        Ok(provider_as_source(Arc::new(scanned)))
    }

    fn no_external(schema: &Schema, table: &str) -> blueshift_sql::Error {
        let text = format!("relation \"{}.{table}\" does not exist", schema.name);
        blueshift_sql::Error::new(blueshift_sql::SqlState::UNDEFINED_TABLE, text)
    }

    /// Finds a table, an external one with its pseudocolumns.
    pub(super) fn named_with_pseudo_columns(
        &self,
        name: &ObjectName,
    ) -> Result<Arc<dyn TableSource>> {
        let is_written = self.source(name).is_none() && name.schema.is_some();
        if is_written
            && self.elsewhere(name)?.is_none()
            && let Ok(Named::External(schema, table)) = self.find(name)
        {
            self.ensure_lookup(None, &table.name)?;
            return self.external_table(&schema, &table, true);
        }
        self.table(name)
    }
}
