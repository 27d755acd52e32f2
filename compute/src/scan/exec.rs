//! The scan of a stored table as a node of a physical plan.

use super::StoredTable;
use super::filter::move_columns;
use super::order::{key_columns, run_count, runs_of_slice};
use super::statistics::table_statistics;
use super::stream::{Pieces, ScanPart, ScanStream, pieces_of_slice};
use super::total::scan_takes;
use super::translate::Translator;
use crate::distribution::Distribution;
use arrow_schema::{SchemaRef, SortOptions};
use blueshift_storage::table::scan::ScanRequest;
use blueshift_storage::{SliceId, SortKey};
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, internal_err};
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_expr_common::physical_expr::{fmt_sql, snapshot_generation};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, SchedulingType, apply_expression_roots,
};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::{
    ProjectionExec, all_alias_free_columns, new_projections_for_columns,
};
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions, SortOrderPushdownResult,
};
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of a piece that a free partition takes at once.
pub(super) const PIECE_ROWS: u64 = 64 << 10;

/// Scans a stored table; partition `p` is slice `p` while the scan is pinned.
#[derive(Debug)]
pub struct SliceScanExec {
    table: Arc<StoredTable>,
    /// Columns given, as indexes into the table's schema.
    projection: Vec<usize>,
    /// All must hold; their columns count within the table's schema.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    /// Rows after which a partition may stop.
    fetch: Option<usize>,
    partitions: usize,
    pinned: bool,
    /// Whether the runs of a slice are merged, because an operator asked for the order.
    merged: bool,
    /// Whether the last rows come first, piece by piece, because an operator asked for the order from the end.
    backward: bool,
    properties: Arc<PlanProperties>,
    /// Of the projected columns, without filters.
    statistics: Arc<Statistics>,
    /// The queue that free partitions share.
    queue: Mutex<Option<SharedQueue>>,
    metrics: ExecutionPlanMetricsSet,
}

/// The queue of one execution, and who has joined it: a partition that starts twice starts a new execution.
#[derive(Debug)]
struct SharedQueue {
    pieces: Arc<Pieces>,
    joined: HashSet<usize>,
}

impl SliceScanExec {
    /// Scans the columns `projection` (indexes into the table's schema) of all rows.
    pub fn new(table: Arc<StoredTable>, projection: Vec<usize>) -> Result<Self> {
        let partitions = match table.distribution {
            Distribution::All => 1,
            Distribution::Even | Distribution::Key(_) => table.slice_count.max(1) as usize,
        };
        let statistics = Arc::new(table_statistics(&table, &projection)?);
        let properties = properties(&table, &projection, partitions, Order::Listed)?;
        Ok(Self {
            table,
            projection,
            filters: Vec::new(),
            fetch: None,
            partitions,
            pinned: true,
            merged: false,
            backward: false,
            properties,
            statistics,
            queue: Mutex::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The same scan, not yet executed, of the same version of the same table under other filters. What it promises of
    /// its rows stays, so `table` must be what it was planned for, or never be read.
    pub fn over(&self, table: Arc<StoredTable>, filters: Vec<Arc<dyn PhysicalExpr>>) -> Self {
        Self {
            table,
            filters,
            ..self.copy()
        }
    }

    /// The table scanned.
    pub fn table(&self) -> &Arc<StoredTable> {
        &self.table
    }

    /// The columns given, as indexes into the table's schema.
    pub fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// The filters taken over so far; their columns count within the table's schema.
    pub fn filters(&self) -> &[Arc<dyn PhysicalExpr>] {
        &self.filters
    }

    /// Whether the runs of a slice are merged to give rows in the order of the sort key, and how many at most.
    pub fn merged_run_count(&self) -> Option<usize> {
        match self.merged {
            true => run_count(&self.table),
            false => None,
        }
    }

    /// Whether partition `p` is slice `p`.
    pub fn pinned(&self) -> bool {
        self.pinned
    }

    /// The same scan with partitions that share the work. It still tells the partitioning it was planned
    /// with, which nothing above may need any more.
    pub(super) fn freed(&self) -> Self {
        Self {
            pinned: self.partitions == 1,
            // The order of the only partition may be that of the answer.
            merged: self.merged && self.partitions == 1,
            ..self.copy()
        }
    }

    /// Tells whether the first key of `order` is the leading sort key, falling.
    fn is_from_the_end(&self, order: &[PhysicalSortExpr]) -> bool {
        let SortKey::Compound(key) = &self.table.version.layout.sort_key else {
            return false;
        };
        let Some(first) = order.first().filter(|first| first.options.descending) else {
            return false;
        };
        let column = first.expr.downcast_ref::<Column>();
        let column = column.and_then(|column| self.projection.get(column.index()));
        self.fetch.is_none() && !self.merged && column.is_some() && column == key.first()
    }

    /// The same node, not yet executed.
    fn copy(&self) -> Self {
        Self {
            table: Arc::clone(&self.table),
            projection: self.projection.clone(),
            filters: self.filters.clone(),
            fetch: self.fetch,
            partitions: self.partitions,
            pinned: self.pinned,
            merged: self.merged,
            backward: self.backward,
            properties: Arc::clone(&self.properties),
            statistics: Arc::clone(&self.statistics),
            queue: Mutex::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn with_projection(&self, projection: Vec<usize>) -> Result<Self> {
        let order = Order::of(self);
        let properties = properties(&self.table, &projection, self.partitions, order)?;
        let statistics = Arc::new(table_statistics(&self.table, &projection)?);
        Ok(Self {
            projection,
            properties,
            statistics,
            ..self.copy()
        })
    }

    /// Gives the work of one partition.
    fn pieces(&self, partition: usize) -> Arc<Pieces> {
        if self.pinned {
            let slice = SliceId(u32::try_from(partition).unwrap_or(u32::MAX));
            let piece_rows = self.backward.then_some(PIECE_ROWS);
            let mut pieces = pieces_of_slice(&self.table.version, slice, piece_rows);
            if self.backward {
                pieces.reverse();
            }
            return Arc::new(Pieces::new(pieces));
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = queue
            .as_ref()
            .is_none_or(|queue| queue.joined.contains(&partition));
        if fresh {
            let slices = (0..self.table.slice_count.max(1)).map(SliceId);
            let pieces = slices.map(|slice| {
                let mut pieces = pieces_of_slice(&self.table.version, slice, Some(PIECE_ROWS));
                if self.backward {
                    pieces.reverse();
                }
                pieces
            });
            *queue = Some(SharedQueue {
                pieces: Arc::new(Pieces::of_slices(pieces)),
                joined: HashSet::new(),
            });
        }
        match queue.as_mut() {
            Some(queue) => {
                queue.joined.insert(partition);
                Arc::clone(&queue.pieces)
            }
            None => Arc::new(Pieces::new(Vec::new())),
        }
    }

    /// Translates what is known before the first row and gives it to storage with the columns wanted.
    fn part(&self, batch_rows: usize) -> Result<ScanPart> {
        let layout = &self.table.version.layout;
        let column_count = layout.columns.len();
        let stored = self
            .projection
            .iter()
            .copied()
            .filter(|&column| column < column_count);
        let projection: Vec<usize> = stored.collect();
        let row_ids = projection.len() < self.projection.len();
        // Storage gives the row id last, wherever it is wanted.
        let reorder = row_ids
            && self
                .projection
                .last()
                .is_none_or(|&last| last < column_count);
        let mut next = 0..projection.len();
        let order = self
            .projection
            .iter()
            .map(|&column| match column < column_count {
                true => next.next().unwrap_or(0),
                false => projection.len(),
            });
        let order = reorder.then(|| order.collect());
        let (late, known): (Vec<_>, Vec<_>) = self
            .filters
            .iter()
            .cloned()
            .partition(|filter| snapshot_generation(filter) != 0);
        let translator = Translator {
            layout,
            schema: &self.table.schema,
            placement: None,
        };
        let translated = translator.all(&known)?;
        Ok(ScanPart {
            table: Arc::clone(&self.table),
            schema: self.schema(),
            request: Arc::new(ScanRequest {
                projection,
                conjuncts: translated.conjuncts,
                row_ids,
                batch_rows,
            }),
            never: translated.never,
            order,
            late,
            fetch: self.fetch,
        })
    }

    /// Merges the runs of a slice; `None` if there is nothing to merge.
    fn merged_runs(
        &self,
        partition: usize,
        context: &Arc<TaskContext>,
    ) -> Result<Option<SendableRecordBatchStream>> {
        let slice = SliceId(u32::try_from(partition).unwrap_or(u32::MAX));
        let runs = runs_of_slice(&self.table.version, slice).unwrap_or_default();
        let Some(ordering) = self.properties.output_ordering() else {
            return Ok(None);
        };
        if runs.len() <= 1 {
            return Ok(None);
        }
        let batch_rows = context.session_config().batch_size();
        let mut streams: Vec<SendableRecordBatchStream> = Vec::with_capacity(runs.len());
        for run in runs {
            let (part, pieces) = (self.part(batch_rows)?, Arc::new(Pieces::new(run)));
            let stream = ScanStream::new(part, pieces, &self.metrics, partition)?;
            streams.push(Box::pin(cooperative(stream)));
        }
        let consumer = MemoryConsumer::new(format!("SliceScanExec[{partition}]"));
        // The runs count the rows; counted again here they would be twice as many.
        let uncounted = BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), partition);
        let merge = StreamingMergeBuilder::new()
            .with_streams(streams)
            .with_schema(self.schema())
            .with_expressions(ordering)
            .with_metrics(uncounted)
            .with_batch_size(batch_rows)
            .with_fetch(self.fetch)
            .with_reservation(consumer.register(context.memory_pool()));
        merge.build().map(Some)
    }

    fn column_names(&self) -> String {
        let names: Vec<&str> = self
            .schema_ref()
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        names.join(", ")
    }

    fn schema_ref(&self) -> &SchemaRef {
        self.properties.eq_properties.schema()
    }
}

/// How a partition reads its row groups.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// Pieces from a queue.
    Free,
    /// Those of its slice, one after the other.
    Listed,
    /// Those of its slice, merged by the sort key.
    Merged,
    /// Pieces of its slice, the last one first.
    Backward,
}

impl Order {
    fn of(scan: &SliceScanExec) -> Self {
        match (scan.pinned, scan.merged, scan.backward) {
            (false, ..) => Self::Free,
            (true, true, _) => Self::Merged,
            (true, false, true) => Self::Backward,
            (true, false, false) => Self::Listed,
        }
    }
}

/// Derives what a scan may promise.
fn properties(
    table: &StoredTable,
    projection: &[usize],
    partitions: usize,
    order: Order,
) -> Result<Arc<PlanProperties>> {
    let schema = Arc::new(table.schema.project(projection)?);
    let column = |wanted: usize| {
        let place = projection.iter().position(|&column| column == wanted)?;
        Some(Arc::new(Column::new(schema.field(place).name(), place)) as Arc<dyn PhysicalExpr>)
    };
    let key = match table.distribution {
        Distribution::Key(key) if table.placement_holds && order != Order::Free => column(key),
        _ => None,
    };
    let partitioning = match key {
        Some(key) => Partitioning::Hash(vec![key], partitions),
        None => Partitioning::UnknownPartitioning(partitions),
    };
    let mut equivalence = EquivalenceProperties::new(Arc::clone(&schema));
    let in_order = match order {
        Order::Free => false,
        Order::Listed => run_count(table).is_some_and(|runs| runs <= 1),
        Order::Merged => true,
        Order::Backward => false,
    };
    if in_order {
        let options = SortOptions {
            descending: false,
            nulls_first: false,
        };
        let sorted = key_columns(table).into_iter().map_while(column);
        let ordering =
            LexOrdering::new(sorted.map(|column| PhysicalSortExpr::new(column, options)));
        equivalence.add_orderings(ordering);
    }
    let properties = PlanProperties::new(
        equivalence,
        partitioning,
        EmissionType::Incremental,
        Boundedness::Bounded,
    );
    Ok(Arc::new(
        properties.with_scheduling_type(SchedulingType::Cooperative),
    ))
}

impl DisplayAs for SliceScanExec {
    fn fmt_as(&self, format: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.pinned { "pinned" } else { "free" };
        let filters = || {
            let filters: Vec<String> = self
                .filters
                .iter()
                .map(|filter| fmt_sql(filter.as_ref()).to_string())
                .collect();
            filters.join(" AND ")
        };
        if matches!(format, DisplayFormatType::TreeRender) {
            writeln!(formatter, "table={}", self.table.name)?;
            if !self.filters.is_empty() {
                writeln!(formatter, "filter={}", filters())?;
            }
            return writeln!(formatter, "slices={} {mode}", self.partitions);
        }
        write!(
            formatter,
            "SliceScanExec: {} [{}]",
            self.table.name,
            self.column_names()
        )?;
        if !self.filters.is_empty() {
            let shown: Vec<String> = self.filters.iter().map(ToString::to_string).collect();
            write!(formatter, ", filter={}", shown.join(" AND "))?;
        }
        if let Some(fetch) = self.fetch {
            write!(formatter, ", fetch={fetch}")?;
        }
        write!(formatter, ", slices={} {mode}", self.partitions)?;
        if self.backward {
            formatter.write_str(", backward")?;
        }
        if let (Some(runs), Some(ordering)) =
            (self.merged_run_count(), self.properties.output_ordering())
        {
            write!(formatter, ", merges {runs} runs by {ordering}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for SliceScanExec {
    fn name(&self) -> &'static str {
        "SliceScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep),
        )
    }

    /// A join makes a filter for its probe side only if it finds it again among these.
    fn apply_expressions(
        &self,
        visitor: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.filters.iter(), visitor)
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.copy()))
    }

    /// A table that lies on one slice as a whole is read by all threads if it is worth the trouble.
    fn repartitioned(
        &self,
        target_partitions: usize,
        _config: &ConfigOptions,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let pieces = self.table.version.row_count() / PIECE_ROWS;
        let partitions = target_partitions.min(usize::try_from(pieces).unwrap_or(usize::MAX));
        if self.partitions > 1 || partitions < 2 || self.properties.output_ordering().is_some() {
            return Ok(None);
        }
        let properties = properties(&self.table, &self.projection, partitions, Order::Free)?;
        Ok(Some(Arc::new(Self {
            partitions,
            properties,
            pinned: false,
            ..self.copy()
        })))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if partition >= self.partitions {
            return internal_err!("scan of {} has no partition {partition}", self.table.name);
        }
        if self.merged
            && let Some(stream) = self.merged_runs(partition, &context)?
        {
            return Ok(stream);
        }
        let part = self.part(context.session_config().batch_size())?;
        let pieces = self.pieces(partition);
        let stream = ScanStream::new(part, pieces, &self.metrics, partition)?;
        Ok(Box::pin(cooperative(stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let statistics = match args.partition() {
            None => self.statistics.as_ref().clone(),
            Some(partition) => {
                let mut statistics = self.statistics.as_ref().clone().to_inexact();
                let whole = self.table.version.row_count().max(1);
                let rows = match self.pinned {
                    true => rows_on_slice(&self.table, partition),
                    false => whole / self.partitions as u64,
                };
                let share = |all: usize| {
                    let part = all as u128 * u128::from(rows) / u128::from(whole);
                    usize::try_from(part).unwrap_or(usize::MAX)
                };
                let rows = usize::try_from(rows).unwrap_or(usize::MAX);
                statistics.num_rows = if self.pinned {
                    Precision::Exact(rows)
                } else {
                    Precision::Inexact(rows)
                };
                statistics.total_byte_size = statistics.total_byte_size.map(share);
                statistics
            }
        };
        let statistics = if self.filters.is_empty() {
            statistics
        } else {
            statistics.to_inexact()
        };
        match self.fetch {
            Some(_) => Ok(Arc::new(statistics.with_fetch(
                self.fetch,
                0,
                self.partitions,
            )?)),
            None => Ok(Arc::new(statistics)),
        }
    }

    /// Merges runs instead of leaving their rows to a sort. For a sort from the end of the sort key the last rows
    /// come first: the few that a limit keeps are among them, and prune the rest.
    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        if self.is_from_the_end(order) {
            let mut scan = self.copy();
            scan.backward = true;
            let order = Order::of(&scan);
            scan.properties = properties(&self.table, &self.projection, self.partitions, order)?;
            return Ok(SortOrderPushdownResult::Inexact {
                inner: Arc::new(scan),
            });
        }
        // Any rows serve a limit below the sort.
        let can_merge = self.pinned && self.fetch.is_none() && run_count(&self.table).is_some();
        if !can_merge {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        let properties = properties(
            &self.table,
            &self.projection,
            self.partitions,
            Order::Merged,
        )?;
        if !properties
            .eq_properties
            .ordering_satisfy(order.iter().cloned())?
        {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        Ok(SortOrderPushdownResult::Exact {
            inner: Arc::new(Self {
                merged: true,
                properties,
                ..self.copy()
            }),
        })
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self {
            fetch: limit,
            ..self.copy()
        }))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if !all_alias_free_columns(projection.expr()) {
            return Ok(None);
        }
        let columns = new_projections_for_columns(projection.expr(), &self.projection);
        let distinct: HashSet<usize> = columns.iter().copied().collect();
        if distinct.len() < columns.len() {
            return Ok(None);
        }
        Ok(Some(Arc::new(self.with_projection(columns)?)))
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        // A filter above a limit must not slip below it.
        if self.fetch.is_some() {
            return Ok(FilterPushdownPropagation::all_unsupported(result));
        }
        let column_count = self.table.version.layout.columns.len();
        let mut filters = self.filters.clone();
        let mut taken = Vec::with_capacity(result.parent_filters.len());
        for parent in result.parent_filters {
            let place = |index: usize| self.projection.get(index).copied();
            let filter = move_columns(&parent.filter, place)?;
            if scan_takes(&filter, &self.table.schema, column_count) {
                filters.push(filter);
                taken.push(PushedDown::Yes);
            } else {
                taken.push(PushedDown::No);
            }
        }
        let pushed = FilterPushdownPropagation::with_parent_pushdown_result(taken);
        if filters.len() == self.filters.len() {
            return Ok(pushed);
        }
        Ok(pushed.with_updated_node(Arc::new(Self {
            filters,
            ..self.copy()
        })))
    }
}

fn rows_on_slice(table: &StoredTable, partition: usize) -> u64 {
    let slice = SliceId(u32::try_from(partition).unwrap_or(u32::MAX));
    let deleted = |deleted: Option<u64>| deleted.unwrap_or(0);
    table
        .version
        .on_slice(slice)
        .map(|group| group.record.rows - deleted(group.deleted.as_ref().map(|mask| mask.len())))
        .sum()
}
