//! Resolves names of external tables.

use super::{Named, SessionNames, into_sql};
use crate::catalog::Schema;
use crate::catalog::external::ExternalTable;
use crate::history::lock;
use crate::statement::external::source;
use blueshift_compute::external::FileLists;
use blueshift_sql::Result;
use blueshift_sql::binder::Names;
use blueshift_sql::statement::ObjectName;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::TableSource;
use std::sync::{Arc, Mutex};

/// The setting without which external tables have no pseudocolumns.
const PSEUDO_COLUMNS: &str = "spectrum_enable_pseudo_columns";

/// What a resolver knows of external tables.
#[derive(Default)]
pub(super) struct Outside {
    /// The files that the statement has listed.
    lists: Arc<FileLists>,
    /// The name of an external table that was named, not inside a view.
    named: Mutex<Option<String>>,
}

impl Outside {
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
        scanned.lists = Arc::clone(&self.outside.lists);
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
