//! A system table as the engine sees it: its rows are made when the scan is planned.

use super::rows::{Rows, schema};
use super::{SystemContext, SystemTable};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// A system table within one statement.
pub struct SystemTableProvider {
    table: &'static dyn SystemTable,
    schema: SchemaRef,
    ctx: Arc<SystemContext>,
}

impl SystemTableProvider {
    /// Makes the provider of a table.
    pub fn new(table: &'static dyn SystemTable, ctx: Arc<SystemContext>) -> Self {
        Self {
            table,
            schema: schema(table.columns()),
            ctx,
        }
    }
}

impl std::fmt::Debug for SystemTableProvider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SystemTableProvider")
            .field("table", &self.table.name())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for SystemTableProvider {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
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
        if let Some(what) = self.table.asks_elsewhere() {
            self.ctx.ask_elsewhere(what).await;
        }
        let mut rows = Rows::new(self.table.columns());
        self.table
            .rows(&self.ctx, &mut rows)
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let batch = rows
            .finish(&self.schema)
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let plan = MemorySourceConfig::try_new_exec(
            &[vec![batch]],
            self.schema.clone(),
            projection.cloned(),
        )?;
        Ok(plan)
    }
}
