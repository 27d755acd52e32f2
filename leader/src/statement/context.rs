//! What a statement gets: who asks, what they see, what they may change.

use super::answer::Notice;
use super::cursor::OpenCursor;
use super::names::SessionNames;
use crate::catalog::database::Database;
use crate::catalog::{Catalog, Oid, Schema, User};
use crate::error::{Error, Result};
use crate::planner::log::PlanLog;
use crate::server::Server;
use crate::settings::Settings;
use crate::system::{Asked, SystemContext};
use crate::transaction::Transaction;
use crate::transaction::read::TableReads;
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::session::Prepare;
use blueshift_storage::store::ReadView;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use std::collections::HashMap;
use std::sync::Arc;

/// What `pg_last_copy_count()` and its like answer. Source: Redshift's guide, PG_LAST_COPY_ID and PG_LAST_COPY_COUNT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastStatements {
    /// Rows of the last COPY; 0 if it failed while loading.
    pub copy_count: i64,
    /// The query id of the last COPY that began to load; -1 before the first.
    pub copy_id: Option<i64>,
    /// Whether that COPY failed while loading: then its id, by which STL_LOAD_ERRORS is asked, outlives the rollback.
    pub is_copy_failed: bool,
    /// Rows of the last UNLOAD; 0 if it failed while unloading.
    pub unload_count: i64,
    /// The query id of the last UNLOAD that began to unload; -1 before the first.
    pub unload_id: Option<i64>,
    /// Whether that UNLOAD failed while unloading.
    pub is_unload_failed: bool,
    /// The query id of the last statement that ran on slices; -1 before the first.
    pub query_id: Option<i64>,
}

impl LastStatements {
    /// Takes back what a transaction that did not commit had loaded or unloaded; `before` is what was there when it began.
    pub fn roll_back(&mut self, before: LastStatements) {
        if !self.is_copy_failed {
            self.copy_count = before.copy_count;
            self.copy_id = before.copy_id;
            self.is_copy_failed = before.is_copy_failed;
        }
        if !self.is_unload_failed {
            self.unload_count = before.unload_count;
            self.unload_id = before.unload_id;
            self.is_unload_failed = before.is_unload_failed;
        }
    }
}

/// One statement's surroundings, lent by the session.
pub struct Context<'a> {
    /// What all sessions share.
    pub server: &'a Arc<Server>,
    /// Who asks.
    pub user: &'a Arc<User>,
    /// The process id of the session.
    pub pid: i32,
    /// The database the session is connected to.
    pub connected: &'a Arc<Database>,
    /// The database chosen with USE.
    pub used: &'a mut Option<Oid>,
    /// The query id.
    pub query: i64,
    /// The transaction.
    pub transaction: &'a mut Transaction,
    /// The session's parameters.
    pub settings: &'a mut Settings,
    /// What `set_config` asked for so far.
    pub asked: Asked,
    /// The tables the statement reads.
    pub reads: Arc<TableReads>,
    /// The plans it runs.
    pub plans: Arc<PlanLog>,
    /// Statements of PREPARE, by name.
    pub prepared: &'a mut HashMap<String, Prepare>,
    /// The session's open cursor.
    pub cursor: &'a mut Option<OpenCursor>,
    /// For `pg_last_copy_count()` and its like.
    pub last: &'a mut LastStatements,
    /// The schema of the session's temporary tables, once there is one.
    pub temp_schema: &'a mut Option<Oid>,
    /// Values of `$1`...
    pub parameters: &'a [datafusion::common::ScalarValue],
    /// Messages to send before the answer.
    pub notices: Vec<Notice>,
}

impl Context<'_> {
    /// Makes the resolver of names as of the transaction's view.
    pub fn names(&mut self) -> Result<SessionNames> {
        let view = self.transaction.view()?;
        self.names_in(view)
    }

    /// Makes a resolver of names for a statement that reads no table: it need not see the transaction's own rows.
    pub fn names_to_write(&mut self) -> Result<SessionNames> {
        let view = self.transaction.view_of_names()?;
        self.names_in(view)
    }

    fn names_in(&mut self, view: Arc<ReadView>) -> Result<SessionNames> {
        let catalog = self.transaction.catalog_of(&view)?;
        let path = self.search_path(&catalog);
        let system = SystemContext {
            server: self.server.clone(),
            view,
            catalog,
            user: self.user.clone(),
            pid: self.pid,
            connected: self.connected.clone(),
            transaction_us: self.transaction.began_us(),
            settings: self.settings.clone(),
            asked: self.asked.clone(),
            reads: self.reads.clone(),
            plans: self.plans.clone(),
            search_path: path,
        };
        Ok(SessionNames::new(Arc::new(system), *self.last))
    }

    /// Gives the schemas that names are looked for in: temporary tables first, then those of `search_path` that
    /// exist and the user may use.
    fn search_path(&self, catalog: &Catalog) -> Vec<Oid> {
        let named = self.settings.search_path(&self.user.name);
        let found = named.iter().filter_map(|name| catalog.schema_named(name));
        // External schemas are never looked in but by name.
        let usable = found.filter(|schema| {
            !catalog.is_external(schema.oid)
                && crate::access::check::may_use_schema(catalog, self.user, schema)
        });
        self.temp_schema
            .iter()
            .copied()
            .chain(usable.map(|schema| schema.oid))
            .collect()
    }

    /// Finds the schema a new object goes to: the named one, or the first of the search path.
    pub fn schema_for_new(&mut self, name: &ObjectName) -> Result<Arc<Schema>> {
        let catalog = self.transaction.catalog()?;
        if let Some(schema) = &name.schema {
            let found = catalog.schema_named(schema).cloned();
            let found = found.ok_or_else(|| no_schema(schema, &catalog))?;
            super::external::schema::ensure_local(&catalog, found.oid)?;
            return Ok(found);
        }
        let temporary = *self.temp_schema;
        self.search_path(&catalog)
            .into_iter()
            .find(|oid| Some(*oid) != temporary)
            .and_then(|oid| catalog.schemas.get(&oid).cloned())
            .ok_or_else(|| {
                Error::new(
                    SqlState::INVALID_SCHEMA_NAME,
                    "no schema has been selected to create in",
                )
            })
    }

    /// Optimizes a bound plan and makes it physical, `$n` replaced, and waits until it may run.
    pub async fn plan(
        &self,
        state: &SessionState,
        bound: LogicalPlan,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.plan_only(state, bound).await?;
        self.plans.admit(&plan).await?;
        Ok(plan)
    }

    /// Does the same for a plan that may not run.
    pub async fn plan_only(
        &self,
        state: &SessionState,
        bound: LogicalPlan,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let bound = self.with_parameters(bound)?;
        crate::planner::plan(state, bound).await
    }

    /// Replaces `$n` by the values given.
    pub fn with_parameters(&self, bound: LogicalPlan) -> Result<LogicalPlan> {
        if self.parameters.is_empty() {
            return Ok(bound);
        }
        Ok(bound.with_param_values(self.parameters.to_vec())?)
    }

    /// Gives the types of the parameters given, for the binder.
    pub fn parameter_types(&self) -> Vec<Option<arrow_schema::DataType>> {
        self.parameters
            .iter()
            .map(|value| (!value.data_type().is_null()).then(|| value.data_type()))
            .collect()
    }

    /// Makes the engine's context to run a plan in.
    pub fn task(&self, state: &SessionState) -> Arc<TaskContext> {
        crate::planner::context::task_context(state)
    }
}

/// The refusal of a schema's name.
pub fn no_schema(name: &str, catalog: &Catalog) -> Error {
    let error = blueshift_sql::Error::new(
        SqlState::INVALID_SCHEMA_NAME,
        format!("schema \"{name}\" does not exist"),
    );
    match blueshift_sql::nearest::nearest(name, catalog.schema_names()) {
        Some(near) => error
            .with_hint(format!("Perhaps you meant \"{near}\"."))
            .into(),
        None => error.into(),
    }
}
