//! Resolves names for the binder: temporary tables, catalog, system tables and functions, as of a read view.
//!
//! A name without a schema is looked for among temporary tables, then system tables, then along the search path.
//! A view is bound when it is used, under the search path it was made under and with the rights of its owner.

mod outside;
mod protection;
mod right;
mod view;

pub use protection::TargetSource;
pub use right::Right;

use super::context::{LastStatements, no_schema};
use super::function::{SOMETIMES, late_view, series, session_functions, timezone};
use crate::access::check;
use crate::catalog::database::elsewhere;
use crate::catalog::external::ExternalTable;
use crate::catalog::layout;
use crate::catalog::name::Relation;
use crate::catalog::routine::Routine;
use crate::catalog::{
    Catalog, INFORMATION_SCHEMA_OID, Oid, PG_CATALOG_OID, Schema, Table, TableConstraint, User,
    ViewSource,
};
use crate::planner::options::{PlannerOptions, options_of};
use crate::system::provider::SystemTableProvider;
use crate::system::{SystemContext, SystemTable};
use blueshift_compute::scan::StoredTable;
use blueshift_sql::binder::{self, Names, SqlFunction, Stop};
use blueshift_sql::function::session::SessionOptions;
use blueshift_sql::nearest::nearest;
use blueshift_sql::statement::routine::RoutineKind;
use blueshift_sql::statement::{ObjectName, Query};
use blueshift_sql::{Error, Result, SqlState};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::view::ViewTable;
use datafusion::common::config::{ConfigNonZeroUsize, ConfigOptions};
use datafusion::common::metadata::FieldMetadata;
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{
    AggregateUDF, Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableSource, WindowUDF,
};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Deref;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

/// Views over views deeper than this are refused; a cycle cannot be made, but a tower can.
const VIEW_DEPTH_MAX: usize = 64;

/// The setting that lifts limits which Redshift has for its own reasons.
const COMFORT: &str = "blueshift.comfort";

/// What a name means.
pub enum Named {
    /// A table or view of the catalog.
    Relation(Relation),
    /// A system table.
    System(&'static dyn SystemTable),
    /// A table that an external schema shows.
    External(Arc<Schema>, Arc<ExternalTable>),
}

/// Rows of a batch where memory is short: each step and each run that is merged holds some of them.
const THRIFTY_BATCH_ROWS: usize = 1_024;

/// The engine's session of one statement, made when it is first needed: a small insert needs none.
#[derive(Clone)]
pub struct Engine {
    system: Arc<SystemContext>,
    state: OnceLock<SessionState>,
}

impl Deref for Engine {
    type Target = SessionState;

    fn deref(&self) -> &SessionState {
        self.state.get_or_init(|| {
            let mut state = crate::planner::context::session_state(&self.system.server.node);
            let config = state.config_mut();
            let settings = &self.system.settings;
            let (zone, comfort) = (settings.zone().engine_name(), settings.is_on(COMFORT));
            let (order, json) = (settings.date_order().name(), settings.json_reading());
            // Options are shared with the template until they are touched, and a copy of them is hundreds of texts.
            if config.options().execution.time_zone.as_deref() != Some(zone.as_str()) {
                config.options_mut().execution.time_zone = Some(zone);
            }
            if options_of(config.options()).comfort != comfort
                && let Some(options) = config.options_mut().extensions.get_mut::<PlannerOptions>()
            {
                options.comfort = comfort;
            }
            let session = config.options().extensions.get::<SessionOptions>();
            let is_as_set = |session: &SessionOptions| {
                session.date_order == order
                    && session.json_null_on_error == json.null_on_error
                    && session.json_dedup == json.dedup
            };
            if !session.is_some_and(is_as_set)
                && let Some(options) = config.options_mut().extensions.get_mut::<SessionOptions>()
            {
                options.date_order = order.to_owned();
                options.json_null_on_error = json.null_on_error;
                options.json_dedup = json.dedup;
            }
            config.set_extension(Arc::clone(&self.system.server.history));
            config.set_extension(Arc::clone(&self.system.server.plans));
            let plans = &self.system.plans;
            config.set_extension(Arc::clone(plans));
            if let Ok(own) = plans.resources(&self.system.server.node) {
                config.set_extension(own);
            }
            if plans.is_thrifty() {
                let options = config.options_mut();
                if let Ok(rows) = ConfigNonZeroUsize::try_new(THRIFTY_BATCH_ROWS) {
                    options.execution.batch_size = rows;
                }
                if let Some(options) = options.extensions.get_mut::<PlannerOptions>() {
                    options.hash_join_bytes = 0;
                }
            }
            // Functions see the options as they were when execution was marked.
            state.mark_start_execution();
            state
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            crate::planner::context::give_back(&self.system.server.node, state);
        }
    }
}

/// What the functions of a session are called: the same in all, and known when one has made them. Most statements call
/// none, so they need not make them to find that out.
static SESSION_FUNCTIONS: OnceLock<HashSet<String>> = OnceLock::new();

type MakeFunctions = Box<dyn FnOnce() -> HashMap<String, Arc<ScalarUDF>> + Send>;

/// Functions of the session, made when one is first looked for.
type Functions = Arc<LazyLock<HashMap<String, Arc<ScalarUDF>>, MakeFunctions>>;

/// The resolver of one statement.
pub struct SessionNames {
    /// What system tables look at; also view, catalog, user and search path of this resolver.
    pub system: Arc<SystemContext>,
    /// The engine's session, with its functions and options.
    pub state: Engine,
    functions: Functions,
    /// Oids of tables and views named so far, not those inside views.
    used: Mutex<BTreeSet<Oid>>,
    /// Oids of functions named so far, not those inside views.
    called: Mutex<BTreeSet<Oid>>,
    /// Names as written, and what they meant, not those inside views.
    written: Mutex<Vec<ViewSource>>,
    /// What names meant in the text of a view or policy that this resolver is for.
    inside: Option<Arc<[ViewSource]>>,
    /// Who asks, whose policies hold: also inside views, whose other rights are their owner's.
    reader: Arc<User>,
    /// What the policy whose text this resolver is for may read.
    lookups: Option<protection::Lookups>,
    view_depth: usize,
    /// Whether it resolves names of a database that the session is not in.
    is_elsewhere: bool,
    /// Another database that was read from.
    other_database: Mutex<Option<String>>,
    /// Functions that were named and that the user may not call.
    denied: Mutex<Vec<String>>,
    /// Columns that were left out as the user may not read them, with their relations.
    hidden: Mutex<Vec<(String, String)>>,
    /// What was named of external tables.
    outside: outside::Outside,
}

impl SessionNames {
    /// Makes the resolver of a statement.
    pub fn new(system: Arc<SystemContext>, last: LastStatements) -> Self {
        let context = Arc::clone(&system);
        let functions: MakeFunctions = Box::new(move || session_functions(&context, last));
        let outside = outside::Outside::new(&system);
        Self {
            reader: Arc::clone(&system.user),
            lookups: None,
            state: Engine {
                system: Arc::clone(&system),
                state: OnceLock::new(),
            },
            system,
            functions: Arc::new(LazyLock::new(functions)),
            used: Mutex::default(),
            called: Mutex::default(),
            written: Mutex::default(),
            inside: None,
            view_depth: 0,
            is_elsewhere: false,
            denied: Mutex::default(),
            other_database: Mutex::default(),
            hidden: Mutex::default(),
            outside,
        }
    }

    /// Gives the catalog names resolve in.
    pub fn catalog(&self) -> &Catalog {
        &self.system.catalog
    }

    /// Gives the tables and views that were named so far.
    pub fn used(&self) -> Vec<Oid> {
        crate::history::lock(&self.used).iter().copied().collect()
    }

    /// Gives the functions written in SQL that were named so far.
    pub fn called(&self) -> Vec<Oid> {
        crate::history::lock(&self.called).iter().copied().collect()
    }

    /// Gives the names of tables and views written so far with what they mean, to be kept with a view.
    pub fn written(&self) -> Vec<ViewSource> {
        crate::history::lock(&self.written).clone()
    }

    fn note(&self, name: &ObjectName, relation: &Relation) {
        crate::history::lock(&self.used).insert(relation.oid());
        let columns = match relation {
            Relation::Table(table) => {
                let columns = table.columns.iter();
                columns
                    .map(|column| (column.id, column.name.clone()))
                    .collect()
            }
            Relation::View(_) => Vec::new(),
        };
        let source = ViewSource {
            schema: name.schema.clone(),
            name: name.name.clone(),
            oid: relation.oid(),
            columns,
        };
        let mut written = crate::history::lock(&self.written);
        if !written.contains(&source) {
            written.push(source);
        }
    }

    /// Gives what a name in the text of a view meant when the view was made.
    fn source(&self, name: &ObjectName) -> Option<&ViewSource> {
        let mut sources = self.inside.as_ref()?.iter();
        sources.find(|source| source.schema == name.schema && source.name == name.name)
    }

    /// Finds what a name means. Fails with 42P01, 3F000 or 3D000, and says what might have been meant.
    pub fn find(&self, name: &ObjectName) -> Result<Named> {
        if let Some(source) = self.source(name) {
            let meant = self.catalog().relation(source.oid).map(Named::Relation);
            return meant.ok_or_else(|| self.no_relation(name));
        }
        self.check_database(name)?;
        let found = match &name.schema {
            Some(schema) => self.find_in(schema, name)?,
            None => self.find_on_path(&name.name),
        };
        found.ok_or_else(|| self.no_relation(name))
    }

    /// Refuses names of other databases, where there is nothing to change.
    fn check_database(&self, name: &ObjectName) -> Result<()> {
        let catalog = self.catalog();
        match &name.database {
            Some(database) if database != catalog.database_name() => {
                catalog.database_named(database)?;
                let what = format!("changing or describing \"{}\"", name.name);
                Err(into_sql(elsewhere(&what, database)))
            }
            _ => Ok(()),
        }
    }

    /// Gives the resolver and the name of a table or view of another database, if the name is of one: what is there can
    /// be read. Source: Redshift's guide, "Querying data across databases".
    fn elsewhere(&self, name: &ObjectName) -> Result<Option<(Self, ObjectName)>> {
        let catalog = &self.system.catalog;
        let Some(database) = name.database.as_ref() else {
            return Ok(None);
        };
        // What a view means stays when its database gets another name.
        if database == catalog.database_name() || self.source(name).is_some() {
            return Ok(None);
        }
        let oid = catalog.database_named(database)?.oid;
        let refused = |what: &str, hint: &str| Err(Error::unsupported(what, hint));
        if self.is_elsewhere {
            return refused(
                "a view of another database over objects of yet another",
                "Name the objects of that database themselves.",
            );
        }
        let schema = name.schema.as_deref().unwrap_or_default();
        if ["pg_catalog", "information_schema"].contains(&schema) {
            return refused(
                "reading the system tables of another database",
                "Read SVV_REDSHIFT_TABLES and its like, which show all databases, or connect to the other database.",
            );
        }
        let system = SystemContext {
            catalog: catalog.within(oid),
            search_path: Vec::new(),
            ..self.system.as_ref().clone()
        };
        let resolver = Self {
            is_elsewhere: true,
            view_depth: self.view_depth,
            ..self.with_system(Arc::new(system), None)
        };
        let name = ObjectName {
            database: None,
            ..name.clone()
        };
        Ok(Some((resolver, name)))
    }

    /// Names a database other than its own that a statement has read from so far, if any.
    pub fn other_database(&self) -> Option<String> {
        crate::history::lock(&self.other_database).clone()
    }

    fn find_in(&self, schema: &str, name: &ObjectName) -> Result<Option<Named>> {
        if let Some(table) = crate::system::find(schema, &name.name) {
            return Ok(Some(Named::System(table)));
        }
        let catalog = self.catalog();
        let found = match (schema, self.temporary_schema()) {
            ("pg_temp", Some(oid)) => catalog.schemas.get(&oid),
            _ => catalog.schema_named(schema),
        };
        let Some(found) = found else {
            return match no_schema(schema, catalog) {
                crate::Error::Sql(error) => Err(error),
                other => Err(Error::new(SqlState::INTERNAL_ERROR, other.to_string())),
            };
        };
        check::use_schema(catalog, &self.system.user, found).map_err(into_sql)?;
        if let Some(table) = catalog.external_table_named(found.oid, &name.name) {
            return Ok(Some(Named::External(Arc::clone(found), Arc::clone(table))));
        }
        if let Some(external) = catalog.foreign_schema(found.oid) {
            let table = self.foreign(found, external, &name.name)?;
            let table = table.map(|known| Arc::clone(&known.table));
            return Ok(table.map(|table| Named::External(Arc::clone(found), table)));
        }
        Ok(catalog
            .relation_named(found.oid, &name.name)
            .map(Named::Relation))
    }

    fn find_on_path(&self, name: &str) -> Option<Named> {
        let catalog = self.catalog();
        let temporary = self.temporary_schema();
        let in_temporary = temporary.and_then(|schema| catalog.relation_named(schema, name));
        if let Some(relation) = in_temporary {
            return Some(Named::Relation(relation));
        }
        if let Some(table) = crate::system::find("pg_catalog", name) {
            return Some(Named::System(table));
        }
        let path = self.system.search_path.iter();
        path.filter_map(|schema| {
            if *schema == INFORMATION_SCHEMA_OID {
                let table = crate::system::find("information_schema", name);
                return table.map(Named::System);
            }
            catalog.relation_named(*schema, name).map(Named::Relation)
        })
        .next()
    }

    /// The schema of temporary tables is the first of the path if the session has one.
    fn temporary_schema(&self) -> Option<Oid> {
        let first = self.system.search_path.first()?;
        let schema = self.catalog().schemas.get(first)?;
        schema
            .name
            .starts_with(crate::server::TEMP_SCHEMA_PREFIX)
            .then_some(*first)
    }

    fn no_relation(&self, name: &ObjectName) -> Error {
        let shown = match &name.schema {
            Some(schema) => format!("{schema}.{}", name.name),
            None => name.name.clone(),
        };
        let error = Error::new(
            SqlState::UNDEFINED_TABLE,
            format!("relation \"{shown}\" does not exist"),
        );
        let system = crate::system::tables().iter().map(|table| table.name());
        let near = nearest(&name.name, self.catalog().relation_names().chain(system));
        let error = match near {
            Some(near) if near != name.name => {
                error.with_hint(format!("Perhaps you meant \"{near}\"."))
            }
            Some(near) => error.with_hint(format!(
                "\"{near}\" is in a schema that is not on the search_path."
            )),
            None => error,
        };
        match name.position {
            0 => error,
            position => error.at(position),
        }
    }

    /// Makes the engine's table of a stored one; with `row_ids` its last column is the row id.
    pub fn stored_table(&self, table: &Table, row_ids: bool) -> Result<StoredTable> {
        self.system.reads.note(table.oid, &table.name)?;
        let store = self.system.server.node.store.clone();
        let version = self.system.view.table(table.id()).map_err(|error| {
            Error::new(
                SqlState::INTERNAL_ERROR,
                format!("table \"{}\": {error}", table.name),
            )
        })?;
        let keys = table
            .constraints
            .iter()
            .filter_map(|constraint| match constraint {
                TableConstraint::PrimaryKey(columns) | TableConstraint::Unique(columns) => {
                    Some(columns.clone())
                }
                TableConstraint::ForeignKey { .. } => None,
            });
        let ids: Vec<u32> = table.columns.iter().map(|column| column.id).collect();
        let mut schema = table.schema();
        if row_ids {
            let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
            let row_id =
                arrow_schema::Field::new(binder::ROW_ID, arrow_schema::DataType::Int64, false);
            fields.push(Arc::new(row_id));
            schema = Arc::new(arrow_schema::Schema::new(fields));
        }
        Ok(StoredTable {
            name: self.catalog().qualified_name(table.schema, &table.name),
            slice_count: store.slice_count(),
            store,
            version: version.clone(),
            schema,
            distribution: layout::distribution(table.distribution),
            placement_holds: table.placement_fingerprint
                == self.system.server.placement_fingerprint,
            row_ids,
            keys: keys.collect(),
            values: self
                .system
                .server
                .history
                .statistics
                .values_of(table.oid, &ids),
        })
    }

    /// Binds a system view, as seen by the one who asks; one that shows all databases is that of each, together.
    fn bind_system_view(&self, table: &dyn SystemTable) -> Result<LogicalPlan> {
        let catalog = &self.system.catalog;
        let is_of_all =
            table.spans_databases() && !self.is_elsewhere && catalog.databases.len() > 1;
        if !is_of_all {
            return self.bind_system_view_in(table, Arc::clone(&self.system));
        }
        let mut all: Option<LogicalPlanBuilder> = None;
        for database in catalog.databases_by_name() {
            let system = Arc::new(SystemContext {
                catalog: catalog.within(database.oid),
                connected: database,
                ..self.system.as_ref().clone()
            });
            let context = Arc::clone(&system);
            let functions: MakeFunctions =
                Box::new(move || session_functions(&context, LastStatements::default()));
            let there = Self {
                functions: Arc::new(LazyLock::new(functions)),
                is_elsewhere: true,
                ..self.with_system(Arc::clone(&system), None)
            };
            let plan = there.bind_system_view_in(table, system)?;
            all = Some(match all {
                None => LogicalPlanBuilder::from(plan),
                Some(before) => before.union(plan).map_err(from_engine)?,
            });
        }
        let nothing = || Error::new(SqlState::INTERNAL_ERROR, "there is no database");
        all.ok_or_else(nothing)?.build().map_err(from_engine)
    }

    /// Binds a system view over one database, with the columns it declares.
    fn bind_system_view_in(
        &self,
        table: &dyn SystemTable,
        system: Arc<SystemContext>,
    ) -> Result<LogicalPlan> {
        let inner = self.with_system(
            Arc::new(SystemContext {
                search_path: Vec::new(),
                ..system.as_ref().clone()
            }),
            None,
        );
        let query = Query::parse(table.query().unwrap_or_default())?;
        let plan = binder::bind_query(&inner, &query, &[])?;
        let columns = plan.schema().columns();
        let declared = table.columns().iter();
        let exprs = columns
            .into_iter()
            .zip(declared)
            .map(|(column, (name, ty))| {
                let field = ty.field(*name, true);
                let cast = datafusion::logical_expr::cast(Expr::Column(column), ty.arrow());
                cast.alias_with_metadata(*name, Some(FieldMetadata::from(field.metadata())))
            });
        let builder = LogicalPlanBuilder::from(plan.clone()).project(exprs.collect::<Vec<_>>());
        builder
            .and_then(LogicalPlanBuilder::build)
            .map_err(from_engine)
    }

    /// Makes a resolver one view deeper that sees the system as told.
    fn with_system(&self, system: Arc<SystemContext>, inside: Option<Arc<[ViewSource]>>) -> Self {
        Self {
            reader: Arc::clone(&self.reader),
            lookups: self.lookups.clone(),
            system,
            state: self.state.clone(),
            functions: self.functions.clone(),
            used: Mutex::default(),
            called: Mutex::default(),
            written: Mutex::default(),
            inside,
            view_depth: self.view_depth + 1,
            is_elsewhere: self.is_elsewhere,
            denied: Mutex::default(),
            other_database: Mutex::default(),
            hidden: Mutex::default(),
            outside: self.outside.within(),
        }
    }

    /// Gives the names of the schemas on the path, to be kept with a view.
    pub fn search_path_names(&self) -> Vec<String> {
        let schemas = &self.catalog().schemas;
        let path = self
            .system
            .search_path
            .iter()
            .filter_map(|oid| schemas.get(oid));
        path.map(|schema| schema.name.clone()).collect()
    }

    /// Gives the user names resolve for.
    pub fn user(&self) -> &User {
        &self.system.user
    }
}

/// Gives the columns of a plan new names, if they have others.
pub fn renamed<'a>(plan: LogicalPlan, names: impl Iterator<Item = &'a str>) -> Result<LogicalPlan> {
    let names: Vec<&str> = names.collect();
    let columns = plan.schema().columns();
    if columns
        .iter()
        .map(|column| column.name.as_str())
        .eq(names.iter().copied())
    {
        return Ok(plan);
    }
    let renamed = columns
        .into_iter()
        .zip(names)
        .map(|(column, name)| Expr::Column(column).alias(name));
    let builder = LogicalPlanBuilder::from(plan).project(renamed.collect::<Vec<_>>());
    builder
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_engine)
}

/// An engine error while binding; ours may be inside.
pub fn from_engine(error: datafusion::error::DataFusionError) -> Error {
    match error {
        datafusion::error::DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => Error::new(SqlState::INTERNAL_ERROR, other.to_string()),
        },
        other => Error::new(SqlState::INTERNAL_ERROR, other.strip_backtrace()),
    }
}

/// The language's error inside one of the leader's.
pub fn into_sql(error: crate::Error) -> Error {
    match error {
        crate::Error::Sql(error) => error,
        crate::Error::Engine(error) => from_engine(error),
        other => crate::error::sqlstate::report(&other),
    }
}

impl Names for SessionNames {
    fn table(&self, name: &ObjectName) -> Result<Arc<dyn TableSource>> {
        if let Some((there, in_it)) = self.elsewhere(name)? {
            self.ensure_lookup(None, &name.name)?;
            crate::history::lock(&self.other_database).clone_from(&name.database);
            return there.table(&in_it);
        }
        let found = self.find(name)?;
        match &found {
            Named::System(table) => self.ensure_lookup(None, table.name())?,
            Named::Relation(relation) => self.ensure_lookup(Some(relation), relation.name())?,
            Named::External(_, table) => self.ensure_lookup(None, &table.name)?,
        }
        match found {
            Named::External(schema, table) => self.external_table(&schema, &table, false),
            Named::System(table) if table.query().is_some() => {
                let plan = self.bind_system_view(table)?;
                let text = table.query().map(str::to_string);
                Ok(provider_as_source(Arc::new(ViewTable::new(plan, text))))
            }
            Named::System(table) => {
                let provider = SystemTableProvider::new(table, self.system.clone());
                Ok(provider_as_source(Arc::new(provider)))
            }
            Named::Relation(relation) => {
                let readable = self.readable_columns(&relation)?;
                self.note(name, &relation);
                let source = match &relation {
                    Relation::Table(table) => {
                        let rows = self.protected(&relation, self.unprotected(table)?)?;
                        match self.source(name) {
                            Some(source) => Self::as_of_view(table, source, rows)?,
                            None => rows,
                        }
                    }
                    Relation::View(view) => {
                        let plan = self.bind_view(view)?;
                        let table = ViewTable::new(plan, Some(view.text.clone()));
                        self.protected(&relation, provider_as_source(Arc::new(table)))?
                    }
                };
                let Some(readable) = readable else {
                    return Ok(source);
                };
                let columns = match self.source(name).filter(|then| !then.columns.is_empty()) {
                    None => readable,
                    // The names that the view knows them by.
                    Some(then) => {
                        let now = relation.columns().iter();
                        let ids = now.filter(|column| readable.contains(&column.name));
                        let ids: Vec<u32> = ids.map(|column| column.id).collect();
                        let known = then.columns.iter().filter(|(id, _)| ids.contains(id));
                        known.map(|(_, name)| name.clone()).collect()
                    }
                };
                self.narrowed(&relation, source, &columns)
            }
        }
    }

    fn table_with_pseudo_columns(&self, name: &ObjectName) -> Result<Arc<dyn TableSource>> {
        self.named_with_pseudo_columns(name)
    }

    fn table_function(&self, name: &str, arguments: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        if name == late_view::NAME && arguments.is_empty() {
            return late_view::columns(self);
        }
        if let Some(table) = timezone::table_function(name).filter(|_| arguments.is_empty()) {
            return table.map_err(into_sql);
        }
        series::table_function(&self.state, name, arguments).map_err(into_sql)
    }

    fn scalar_function(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let names = SESSION_FUNCTIONS.get_or_init(|| {
            let sometimes = std::iter::once(SOMETIMES.to_owned());
            self.functions.keys().cloned().chain(sometimes).collect()
        });
        let ours = names.get(name).and_then(|name| self.functions.get(name));
        ours.or_else(|| self.state.scalar_functions().get(name))
            .cloned()
    }

    fn sql_functions(&self, schema: Option<&str>, name: &str) -> Vec<Arc<SqlFunction>> {
        let object = ObjectName {
            database: None,
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
            position: 0,
        };
        // A schema that does not exist has no functions; the planner tells what is missing.
        let Ok(found) = super::routine::named(self, &object, RoutineKind::Function) else {
            return Vec::new();
        };
        let may_call = |one: &Arc<Routine>| check::call(self.catalog(), self.user(), one).is_ok();
        let (found, denied): (Vec<_>, Vec<_>) = found.into_iter().partition(may_call);
        crate::history::lock(&self.denied).extend(denied.iter().map(|one| one.name.clone()));
        crate::history::lock(&self.called).extend(found.iter().map(|routine| routine.oid));
        let functions = found.iter().filter_map(|routine| routine.sql_function());
        functions.map(Arc::new).collect()
    }

    fn aggregate_function(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn window_function(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn stop(&self) -> Option<Stop> {
        let stop = self.system.plans.stop().clone();
        Some(Stop::new(move || stop.is_up()))
    }

    fn comfort(&self) -> bool {
        self.system.settings.is_on(COMFORT)
    }

    fn function_names(&self) -> Vec<String> {
        let state = &self.state;
        let names = self.functions.keys().chain(state.scalar_functions().keys());
        let names = names.chain(state.aggregate_functions().keys());
        names
            .chain(state.window_functions().keys())
            .cloned()
            .collect()
    }

    fn work_table(&self, name: &str, schema: SchemaRef) -> Option<Arc<dyn TableSource>> {
        let table = CteWorkTable::new(name, schema);
        Some(provider_as_source(Arc::new(table)))
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn explain(&self, error: Error) -> Error {
        if error.code == SqlState::UNDEFINED_FUNCTION {
            let denied = crate::history::lock(&self.denied);
            let is_meant = |name: &&String| error.message.contains(name.as_str());
            return match denied.iter().find(is_meant) {
                None => error,
                Some(name) => {
                    let text = format!("permission denied for function {name}");
                    let denied = Error::new(SqlState::INSUFFICIENT_PRIVILEGE, text);
                    match error.position {
                        Some(position) => denied.at(position),
                        None => denied,
                    }
                }
            };
        }
        if error.code != SqlState::UNDEFINED_COLUMN {
            return error;
        }
        let hidden = crate::history::lock(&self.hidden);
        let is_meant = |name: &str| {
            error
                .message
                .split(['"', '.', ' '])
                .any(|word| word == name)
        };
        match hidden.iter().find(|(name, _)| is_meant(name)) {
            None => error,
            Some((name, relation)) => {
                let denied = Error::new(
                    SqlState::INSUFFICIENT_PRIVILEGE,
                    format!("permission denied for relation {relation}"),
                )
                .with_detail(format!("Column \"{name}\" may not be read."));
                match error.position {
                    Some(position) => denied.at(position),
                    None => denied,
                }
            }
        }
    }
}

/// Tells whether a schema belongs to the server.
pub fn is_system_schema(oid: Oid) -> bool {
    oid == PG_CATALOG_OID || oid == INFORMATION_SCHEMA_OID
}
