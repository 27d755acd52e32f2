//! Tables of a live PostgreSQL database, read when they are asked for.
//!
//! A scan is one query there, which does what means the same there as here: conditions, the columns that are needed, a
//! limit, and simple aggregates. Its rows come as a stream, which is read no faster than they are used. All scans of a
//! statement see the database as of one moment, see [`snapshot`].

mod aggregate;
mod exec;
mod decode;
mod snapshot;
mod sql;
mod catalog;
mod connect;

pub use aggregate::{Aggregated, aggregated};
pub use catalog::{RemoteColumn, RemoteTable, Wire};
pub use connect::{Login, Source, Tls};
pub use exec::{RemoteScanExec, RemoteWork};
pub use snapshot::Snapshots;

use arrow_schema::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// Rows of a table that PostgreSQL has not counted.
const ROWS_UNKNOWN: u64 = 100_000;
/// One row of how many a condition is expected to keep.
const KEPT_OF: u64 = 5;

/// A column of a query: how it is written, and what comes of it.
#[derive(Clone, Debug)]
struct Item {
    sql: String,
    wire: Wire,
    field: FieldRef,
}

/// A table of PostgreSQL for the planner, or what is left of it when its rows were grouped there.
#[derive(Clone, Debug)]
pub struct RemoteScan {
    /// `schema.table` here, for EXPLAIN and errors.
    pub name: String,
    source: Arc<Source>,
    snapshots: Arc<Snapshots>,
    table: Arc<RemoteTable>,
    items: Vec<Item>,
    schema: SchemaRef,
    /// The conditions of a grouped query.
    conditions: Vec<String>,
    /// What a grouped query groups by; `None` if it is not grouped.
    groups: Option<Vec<String>>,
}

impl RemoteScan {
    /// Makes the table of a statement. `name` is what the table is called here.
    pub fn new(
        name: String,
        source: Arc<Source>,
        table: Arc<RemoteTable>,
        snapshots: Arc<Snapshots>,
    ) -> Self {
        let items: Vec<Item> = table
            .columns
            .iter()
            .map(|column| Item {
                sql: sql::read(column),
                wire: column.wire,
                field: Arc::new(column.ty.field(&column.name, true)),
            })
            .collect();
        let fields: Vec<FieldRef> = items.iter().map(|item| Arc::clone(&item.field)).collect();
        Self {
            name,
            source,
            snapshots,
            schema: Arc::new(Schema::new(fields)),
            items,
            table,
            conditions: Vec::new(),
            groups: None,
        }
    }

    /// Tells whether texts of a column may end with a blank: those of a `character` do not, here.
    pub fn may_be_padded(&self, column: usize) -> bool {
        self.items
            .get(column)
            .is_none_or(|item| item.wire == Wire::Text)
    }

    /// Rows that are expected of a query with so many conditions.
    fn rows_expected(&self, conditions: usize) -> usize {
        let rows = self.table.rows.unwrap_or(ROWS_UNKNOWN);
        let conditions = u32::try_from(conditions).unwrap_or(u32::MAX);
        let kept = rows / KEPT_OF.saturating_pow(conditions);
        let rows = match &self.groups {
            None => kept,
            Some(groups) if groups.is_empty() => 1,
            Some(_) => kept / KEPT_OF,
        };
        usize::try_from(rows.max(1)).unwrap_or(usize::MAX)
    }

    fn statistics(&self, conditions: usize, limit: Option<usize>) -> Statistics {
        let rows = self.rows_expected(conditions);
        let rows = limit.map_or(rows, |limit| rows.min(limit));
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Inexact(rows);
        statistics
    }

    /// Writes the query of the columns at these places.
    fn query(&self, items: &[&Item], conditions: &[String], limit: Option<usize>) -> String {
        let items: Vec<&str> = items.iter().map(|item| item.sql.as_str()).collect();
        let mut query = format!(
            "SELECT {} FROM {}.{}",
            items.join(", "),
            sql::quoted(&self.table.schema),
            sql::quoted(&self.table.name)
        );
        if !conditions.is_empty() {
            query += &format!(" WHERE {}", conditions.join(" AND "));
        }
        match &self.groups {
            Some(groups) if !groups.is_empty() => {
                query += &format!(" GROUP BY {}", groups.join(", "));
            }
            _ => {}
        }
        if let Some(limit) = limit {
            query += &format!(" LIMIT {limit}");
        }
        query
    }
}

#[async_trait]
impl TableProvider for RemoteScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let decided = |filter: &&Expr| match self.groups {
            None if self.table.condition(filter).is_some() => TableProviderFilterPushDown::Exact,
            _ => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(decided).collect())
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut conditions = self.conditions.clone();
        for filter in filters {
            conditions.extend(self.table.condition(filter));
        }
        let items: Vec<&Item> = match projection {
            Some(places) => places
                .iter()
                .filter_map(|place| self.items.get(*place))
                .collect(),
            None => self.items.iter().collect(),
        };
        let fields: Vec<FieldRef> = items.iter().map(|item| Arc::clone(&item.field)).collect();
        let mut statistics = self.statistics(conditions.len(), limit);
        if let Some(places) = projection {
            statistics = statistics.project(Some(places));
        }
        Ok(Arc::new(RemoteScanExec::new(
            self.name.clone(),
            exec::Query {
                source: Arc::clone(&self.source),
                snapshots: Arc::clone(&self.snapshots),
                sql: self.query(&items, &conditions, limit),
                wires: items.iter().map(|item| item.wire).collect(),
                is_grouped: self.groups.is_some(),
            },
            Arc::new(Schema::new(fields)),
            statistics,
        )))
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics(self.conditions.len(), None))
    }
}
