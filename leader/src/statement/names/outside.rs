//! Resolves names of external tables.

use super::{Named, SessionNames, into_sql};
use crate::access::scan_limit::limits_of;
use crate::catalog::Schema;
use crate::catalog::external::ExternalTable;
use crate::history::lock;
use crate::statement::external::source;
use crate::system::SystemContext;
use blueshift_compute::external::{FileLists, ScanBudget};
use blueshift_sql::Result;
use blueshift_sql::binder::Names;
use blueshift_sql::statement::ObjectName;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::TableSource;
use std::sync::{Arc, LazyLock, Mutex};

/// Begins to list, when an external table is first named.
type MakeLists = Box<dyn FnOnce() -> Arc<FileLists> + Send>;

/// The setting without which external tables have no pseudocolumns.
const PSEUDO_COLUMNS: &str = "spectrum_enable_pseudo_columns";

/// What a resolver knows of external tables.
pub(super) struct Outside {
    /// The files that the statement has listed.
    lists: Arc<LazyLock<Arc<FileLists>, MakeLists>>,
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
            named: Mutex::default(),
        }
    }

    /// Gives what a resolver one view deeper knows.
    pub(super) fn within(&self) -> Self {
        Self {
            lists: Arc::clone(&self.lists),
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

    /// Makes the engine's table of an external one. Whoever may use the schema may read it.
    pub(super) fn external_table(
        &self,
        schema: &Schema,
        table: &ExternalTable,
        with_pseudo_columns: bool,
    ) -> Result<Arc<dyn TableSource>> {
        lock(&self.outside.named).get_or_insert_with(|| table.name.clone());
        let system = &self.system;
        let mut scanned =
            source::scanned(&system.server, &system.catalog, schema, table).map_err(into_sql)?;
        scanned.lists = self.file_lists();
        scanned.has_pseudo_columns = with_pseudo_columns && system.settings.is_on(PSEUDO_COLUMNS);
        Ok(provider_as_source(Arc::new(scanned)))
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
