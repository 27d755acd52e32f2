//! Plans over tables that have statistics and, where answers are compared, a few rows.

mod answer;
mod tpch;

use crate::planner;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use datafusion::prelude::SessionContext;
use std::fmt;
use std::sync::Arc;

/// A table of statistics, placed over partitions like a stored one.
#[derive(Clone, Debug)]
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) schema: SchemaRef,
    pub(crate) statistics: Statistics,
    /// The distribution key.
    pub(crate) key: Option<usize>,
    /// Rows by partition.
    pub(crate) rows: Vec<Vec<RecordBatch>>,
}

#[async_trait]
impl TableProvider for Fixture {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.cloned().unwrap_or(all);
        let schema = Arc::new(self.schema.project(&projection)?);
        let count = self.rows.len().max(1);
        let position = self
            .key
            .and_then(|key| projection.iter().position(|at| *at == key));
        let partitioning = match position {
            Some(index) => {
                let column = Column::new(schema.field(index).name(), index);
                Partitioning::Hash(vec![Arc::new(column)], count)
            }
            None => Partitioning::UnknownPartitioning(count),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            partitioning,
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let statistics = self.statistics.clone().project(Some(&projection));
        Ok(Arc::new(FixtureExec {
            table: self.clone(),
            projection,
            statistics,
            properties: Arc::new(properties),
        }))
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics.clone())
    }
}

#[derive(Debug)]
struct FixtureExec {
    table: Fixture,
    projection: Vec<usize>,
    statistics: Statistics,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for FixtureExec {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Scan {}", self.table.name)
    }
}

impl ExecutionPlan for FixtureExec {
    fn name(&self) -> &'static str {
        "FixtureExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        _visitor: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.table.rows.get(partition).cloned().unwrap_or_default();
        let schema = Arc::clone(&self.table.schema);
        Ok(Box::pin(MemoryStream::try_new(
            rows,
            schema,
            Some(self.projection.clone()),
        )?))
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(Arc::new(self.statistics.clone()))
    }
}

/// A session of our rules over these tables, as if on this many slices.
fn session(tables: Vec<Fixture>, slices: u32) -> SessionContext {
    let config = blueshift_compute::resource::session_config(slices, 256 << 20);
    // The engine's own binder needs a catalog; the product has its own.
    let config = config.with_create_default_catalog_and_schema(true);
    let state = planner::context::builder(config).build();
    let context = SessionContext::new_with_state(state);
    context.register_catalog(
        "datafusion",
        Arc::new(datafusion::catalog::MemoryCatalogProvider::new()),
    );
    context
        .catalog("datafusion")
        .expect("just made")
        .register_schema(
            "public",
            Arc::new(datafusion::catalog::MemorySchemaProvider::new()),
        )
        .expect("empty catalog");
    for table in tables {
        context
            .register_table(table.name.clone(), Arc::new(table))
            .expect("free name");
    }
    context
}

async fn bind(context: &SessionContext, sql: &str) -> LogicalPlan {
    context
        .state()
        .create_logical_plan(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn state_with(context: &SessionContext, changes: &[(&str, &str)]) -> SessionState {
    let mut state = context.state();
    for (key, value) in changes {
        state
            .config_mut()
            .options_mut()
            .set(key, value)
            .expect("a setting");
    }
    state
}
