//! Parquet files of an external table, over stores of our own and with the file named in errors. Files whose columns are flat
//! are read by a reader of our own, which tests conditions on dictionaries and never lists the rows that pass as runs;
//! others by the engine's.

mod flat;
mod scan;
mod plan;
mod filter;
mod column;
mod values;
mod codes;
mod page;
#[cfg(test)]
mod tests;

use super::ExternalScan;
use super::footer::{FOOTER_BYTES_HINT, FileReaders};
use super::named::{Counters, NamedMorselizer};
use super::nest::is_about_super;
use super::prepare::PreparingMorselizer;
use datafusion::common::config::{ConfigOptions, TableParquetOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::physical_plan::{
    FileOpener, FileScanConfig, FileSource, ParquetSource,
};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::Morselizer;
use flat::FlatMorselizer;
use object_store::ObjectStore;
use plan::ScanPlan;
use std::fmt;
use std::sync::Arc;

/// The Parquet files of one scan.
#[derive(Clone)]
pub(super) struct ParquetFiles {
    inner: Arc<dyn FileSource>,
    pub(super) scan: Arc<ExternalScan>,
    batch_rows: Option<usize>,
    /// Whether row groups are wanted in an order, which only the engine's reader puts them into.
    is_ordered: bool,
}

impl ParquetFiles {
    /// Makes the source of a scan of all columns.
    pub(super) fn new(schema: TableSchema, scan: Arc<ExternalScan>) -> Self {
        let mut options = TableParquetOptions::default();
        // Columns of a filter are read first, and of the others only the pages with rows that pass.
        options.global.pushdown_filters = true;
        options.global.reorder_filters = true;
        // Timestamps of 96 bits are microseconds, as all others: nanoseconds would end with the year 2262.
        options.global.coerce_int96 = Some("us".to_owned());
        let inner = ParquetSource::new(schema)
            .with_table_parquet_options(options)
            .with_metadata_size_hint(FOOTER_BYTES_HINT)
            .with_parquet_file_reader_factory(Arc::new(FileReaders));
        Self {
            inner: Arc::new(inner),
            scan,
            batch_rows: None,
            is_ordered: false,
        }
    }

    fn over(&self, inner: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self {
            inner,
            ..self.clone()
        })
    }

    fn ordered(&self, inner: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self {
            inner,
            is_ordered: true,
            ..self.clone()
        })
    }

    /// Gives what reads files here, if it can be told what to read.
    fn flat(&self, config: &FileScanConfig) -> Option<ScanPlan> {
        let table_schema = self.inner.table_schema().clone();
        if self.is_ordered || !table_schema.virtual_columns().is_empty() {
            return None;
        }
        Some(ScanPlan {
            table_schema,
            projection: self.inner.projection()?.clone(),
            predicate: self.inner.filter(),
            adapter: Arc::clone(config.expr_adapter_factory.as_ref()?),
            batch_rows: self.batch_rows?,
            limit: config.limit,
        })
    }
}

impl FileSource for ParquetFiles {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        slice: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.inner.create_file_opener(store, config, slice)
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        slice: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let mut inner: Arc<dyn Morselizer> =
            self.inner.create_morselizer(store, config, slice)?.into();
        if let Some(scan) = self.flat(config) {
            inner = Arc::new(FlatMorselizer {
                inner,
                scan: Arc::new(scan),
                metrics: self.inner.metrics().clone(),
                slice,
            });
        }
        let inner = PreparingMorselizer { inner };
        Ok(Box::new(NamedMorselizer {
            inner: Box::new(inner),
            counters: Counters::new(self.inner.metrics(), slice),
        }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, rows: usize) -> Arc<dyn FileSource> {
        Arc::new(Self {
            inner: self.inner.with_batch_size(rows),
            batch_rows: Some(rows),
            ..self.clone()
        })
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, kind: DisplayFormatType, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.inner.fmt_extra(kind, formatter)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        // What a SUPER is made of is not tested here: the reader would pass over the condition and tell nobody.
        let schema = self.inner.table_schema().table_schema();
        let is_left = |filter| is_about_super(filter, schema);
        let is_left: Vec<bool> = filters.iter().map(is_left).collect();
        let tested = filters.into_iter().zip(&is_left);
        let tested = tested.filter(|(_, is_left)| !**is_left);
        let tested = tested.map(|(filter, _)| filter).collect();
        let pushed = self.inner.try_pushdown_filters(tested, config)?;
        let mut answers = pushed.filters.into_iter();
        let answers = is_left.iter().map(|is_left| match is_left {
            true => PushedDown::No,
            false => answers.next().unwrap_or(PushedDown::No),
        });
        Ok(FilterPushdownPropagation {
            filters: answers.collect(),
            updated_node: pushed.updated_node.map(|inner| self.over(inner)),
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(match self.inner.try_pushdown_sort(order, properties)? {
            SortOrderPushdownResult::Exact { inner } => SortOrderPushdownResult::Exact {
                inner: self.ordered(inner),
            },
            SortOrderPushdownResult::Inexact { inner } => SortOrderPushdownResult::Inexact {
                inner: self.ordered(inner),
            },
            SortOrderPushdownResult::Unsupported => SortOrderPushdownResult::Unsupported,
        })
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let pushed = self.inner.try_pushdown_projection(projection)?;
        Ok(pushed.map(|inner| self.over(inner)))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(visit)
    }
}
