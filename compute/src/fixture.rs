//! A node over a temporary directory, for the tests of this crate.

use crate::distribution::Distribution;
use crate::node::{Node, NodeOptions};
use crate::resource::{Limits, session_config};
use crate::scan::{StoredTable, choose_scan_modes};
use crate::write::{WriteTarget, Written, insert};
use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use blueshift_storage::store::{Commit, Store, StoreOptions};
use blueshift_storage::table::scan::ROW_ID;
use blueshift_storage::{ColumnLayout, ColumnType, EncodingName, SortKey, TableId, TableLayout};
use datafusion::datasource::MemTable;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// What queries may use.
const MEMORY_BYTES: usize = 256 << 20;

pub(crate) type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// A node with a store of its own.
pub(crate) struct Cluster {
    pub(crate) node: Arc<Node>,
    pub(crate) slice_count: u32,
    _dir: tempfile::TempDir,
}

/// A table of a [`Cluster`].
#[derive(Clone)]
pub(crate) struct TestTable {
    pub(crate) id: TableId,
    pub(crate) layout: Arc<TableLayout>,
    pub(crate) distribution: Distribution,
}

impl Cluster {
    pub(crate) fn start(slice_count: u32) -> TestResult<Self> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(StoreOptions {
            dir: dir.path().to_path_buf(),
            cache_bytes: 64 << 20,
            slice_count,
            sync: false,
        })?;
        let options = NodeOptions {
            threads: Some(2),
            limits: Limits {
                queries_bytes: Some(MEMORY_BYTES),
                ..Limits::default()
            },
            ..NodeOptions::default()
        };
        Ok(Self {
            node: Node::start(store, options)?,
            slice_count,
            _dir: dir,
        })
    }

    pub(crate) fn create(
        &self,
        columns: &[(&str, ColumnType)],
        sort_key: SortKey,
        distribution: Distribution,
    ) -> TestResult<TestTable> {
        let columns = (0..).zip(columns).map(|(id, (name, ty))| ColumnLayout {
            id,
            name: (*name).to_owned(),
            ty: *ty,
            encoding: EncodingName::Auto,
            nullable: true,
        });
        let layout = TableLayout {
            columns: columns.collect(),
            sort_key,
        };
        let id = TableId(self.node.store.next_id());
        let commit = Commit {
            layouts: vec![(id, layout.clone())],
            ..self.commit()
        };
        self.node.store.commit(commit)?;
        Ok(TestTable {
            id,
            layout: Arc::new(layout),
            distribution,
        })
    }

    /// An empty commit on top of what is visible.
    pub(crate) fn commit(&self) -> Commit {
        Commit {
            base: self.node.store.read_view().version,
            ..Commit::default()
        }
    }

    pub(crate) fn target(&self, table: &TestTable) -> WriteTarget {
        WriteTarget {
            table: table.id,
            layout: Arc::clone(&table.layout),
            distribution: table.distribution,
            slice_count: self.slice_count,
            first_slice: 0,
            identities: Vec::new(),
            keeps_small: false,
        }
    }

    /// Inserts batches, each through a partition of its own, and commits.
    pub(crate) fn insert(
        &self,
        target: &WriteTarget,
        batches: &[RecordBatch],
    ) -> TestResult<Written> {
        let schema = target.layout.arrow_schema();
        let partitions: Vec<Vec<RecordBatch>> =
            batches.iter().map(|batch| vec![batch.clone()]).collect();
        let plan = MemorySourceConfig::try_new_exec(&partitions, schema, None)?;
        let task = self.session().task_ctx();
        let written = self
            .node
            .resources
            .compute
            .block_on(insert(&self.node, target, plan, task))?;
        self.node.store.commit(Commit {
            added: written.row_groups.clone(),
            ..self.commit()
        })?;
        Ok(written)
    }

    /// The table as it is now.
    pub(crate) fn table(&self, table: &TestTable) -> TestResult<StoredTable> {
        let version = Arc::clone(self.node.store.read_view().table(table.id)?);
        Ok(StoredTable {
            name: "t".to_owned(),
            store: Arc::clone(&self.node.store),
            schema: version.layout.arrow_schema(),
            version,
            distribution: table.distribution,
            placement_holds: true,
            slice_count: self.slice_count,
            row_ids: false,
            keys: Vec::new(),
            values: Vec::new(),
        })
    }

    /// The same with the row id column.
    pub(crate) fn table_with_row_ids(&self, table: &TestTable) -> TestResult<StoredTable> {
        let table = self.table(table)?;
        let mut fields: Vec<_> = table.schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(ROW_ID, DataType::Int64, false)));
        Ok(StoredTable {
            schema: Arc::new(Schema::new(fields)),
            row_ids: true,
            ..table
        })
    }

    pub(crate) fn session(&self) -> SessionContext {
        let runtime = Arc::clone(&self.node.resources.runtime_env);
        SessionContext::new_with_config_rt(session_config(self.slice_count, MEMORY_BYTES), runtime)
    }

    /// Plans a query as the leader does.
    #[expect(
        clippy::disallowed_methods,
        reason = "there is no binder in this crate"
    )]
    pub(crate) fn plan(
        &self,
        session: &SessionContext,
        sql: &str,
    ) -> TestResult<Arc<dyn ExecutionPlan>> {
        let plan = self
            .node
            .resources
            .compute
            .block_on(async { session.sql(sql).await?.create_physical_plan().await })?;
        Ok(choose_scan_modes(plan)?)
    }

    pub(crate) fn run(
        &self,
        session: &SessionContext,
        plan: &Arc<dyn ExecutionPlan>,
    ) -> TestResult<Vec<RecordBatch>> {
        let run = collect(Arc::clone(plan), session.task_ctx());
        Ok(self.node.resources.compute.block_on(run)?)
    }

    /// Gives the answer of a query as text, its lines sorted.
    pub(crate) fn answer(&self, session: &SessionContext, sql: &str) -> TestResult<String> {
        let plan = self.plan(session, sql)?;
        sorted_text(&self.run(session, &plan)?)
    }
}

/// Rows as text, in an order of their own.
pub(crate) fn sorted_text(batches: &[RecordBatch]) -> TestResult<String> {
    let text = pretty_format_batches(batches)?.to_string();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('+')).collect();
    lines.sort_unstable();
    Ok(lines.join("\n"))
}

/// The plan as text.
pub(crate) fn shown(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(false).to_string()
}

/// A table of the engine's own with the same rows.
pub(crate) fn naive(schema: SchemaRef, batches: &[RecordBatch]) -> TestResult<Arc<MemTable>> {
    Ok(Arc::new(MemTable::try_new(schema, vec![batches.to_vec()])?))
}
