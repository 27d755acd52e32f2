//! One partition of a scan while it runs.
//!
//! Reading a block and testing it happens inside `poll_next`, on the compute runtime; the caller wraps the
//! stream so that it yields to other tasks from batch to batch.

use super::StoredTable;
use super::translate::{Placement, Translator};
use crate::distribution::Distribution;
use crate::error::scan_error;
use crate::figures::SCANS;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::BatchCoalescer;
use arrow_schema::SchemaRef;
use blueshift_storage::SliceId;
use blueshift_storage::store::version::{RowGroupEntry, TableVersion};
use blueshift_storage::table::scan::{
    RowGroupScan, ScanCounters, ScanRequest, ZONE_ROWS, zone_count,
};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::physical_expr::snapshot_generation;
use datafusion::physical_plan::RecordBatchStream;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder,
};
use futures::Stream;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// A range of zones of one row group.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) group: Arc<RowGroupEntry>,
    /// The row group's place in the table version: the upper half of row ids.
    ordinal: u32,
    zones: Range<usize>,
}

impl Piece {
    fn is_followed_by(&self, next: &Piece) -> bool {
        self.ordinal == next.ordinal && self.zones.end == next.zones.start
    }
}

/// Pieces, each given out once: a queue for each slice, or one.
#[derive(Debug)]
pub(super) struct Pieces {
    queues: Vec<Queue>,
}

/// Pieces in order.
#[derive(Debug)]
struct Queue {
    pieces: Vec<Piece>,
    next: AtomicUsize,
}

impl Queue {
    fn new(pieces: Vec<Piece>) -> Self {
        let next = AtomicUsize::new(0);
        Self { pieces, next }
    }

    fn take(&self) -> Option<&Piece> {
        self.pieces.get(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Counts the pieces not given out yet.
    fn left(&self) -> usize {
        let taken = self.next.load(Ordering::Relaxed);
        self.pieces.len().saturating_sub(taken)
    }
}

impl Pieces {
    /// Makes one queue.
    pub(super) fn new(pieces: Vec<Piece>) -> Self {
        Self::of_slices([pieces])
    }

    /// Makes a queue for each slice.
    pub(super) fn of_slices(slices: impl IntoIterator<Item = Vec<Piece>>) -> Self {
        Self {
            queues: slices.into_iter().map(Queue::new).collect(),
        }
    }

    /// Gives the next piece to a partition: of its own slice, and when nothing is left there of the slice that has
    /// the most left. So rows mostly stay together as they lie, and no partition is idle while another has work.
    pub(super) fn take(&self, partition: usize) -> Option<&Piece> {
        let own = self.queues.get(partition % self.queues.len().max(1))?;
        if let Some(piece) = own.take() {
            return Some(piece);
        }
        loop {
            let fullest = self.queues.iter().max_by_key(|queue| queue.left())?;
            if fullest.left() == 0 {
                return None;
            }
            // Another may have been faster.
            if let Some(piece) = fullest.take() {
                return Some(piece);
            }
        }
    }
}

/// Cuts the row groups of a slice into pieces of `piece_rows`; whole row groups if `None`.
pub(super) fn pieces_of_slice(
    version: &TableVersion,
    slice: SliceId,
    piece_rows: Option<u64>,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (ordinal, group) in version.row_groups.iter().enumerate() {
        if group.record.slice != slice {
            continue;
        }
        let zones = zone_count(group.record.rows);
        let step = piece_rows
            .map_or(zones, |rows| rows as usize / ZONE_ROWS)
            .max(1);
        for start in (0..zones).step_by(step) {
            pieces.push(Piece {
                group: Arc::clone(group),
                // A table has far fewer row groups: each has its file.
                ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
                zones: start..(start + step).min(zones),
            });
        }
    }
    pieces
}

/// What all partitions of a scan do alike.
#[derive(Debug)]
pub(super) struct ScanPart {
    pub table: Arc<StoredTable>,
    /// Of the batches given.
    pub schema: SchemaRef,
    pub request: Arc<ScanRequest>,
    /// Set if the filters known so far pass nothing.
    pub never: bool,
    /// Where each column given is among those storage gives, if the order differs.
    pub order: Option<Vec<usize>>,
    /// Filters that change while running; their columns count within the table's schema.
    pub late: Vec<Arc<dyn PhysicalExpr>>,
    /// Rows after which to stop.
    pub fetch: Option<usize>,
}

/// Gives the batches of one partition.
pub(super) struct ScanStream {
    part: ScanPart,
    pieces: Arc<Pieces>,
    partition: usize,
    current: Option<Running>,
    /// A piece that was taken and not yet begun.
    taken: Option<Piece>,
    /// Joins what few rows survive in each piece; unused if no column is given.
    coalescer: Option<BatchCoalescer>,
    /// Set once no piece is left.
    drained: bool,
    rows_left: usize,
    metrics: ScanMetrics,
}

/// The scan of one piece.
struct Running {
    scan: RowGroupScan,
    piece: Piece,
    /// The state of the late filters that the scan was told.
    generation: u64,
    /// What the metrics have of it.
    reported: ScanCounters,
}

impl ScanStream {
    pub(super) fn new(
        part: ScanPart,
        pieces: Arc<Pieces>,
        metrics: &ExecutionPlanMetricsSet,
        partition: usize,
    ) -> Result<Self> {
        let batch_rows = part.request.batch_rows;
        let coalescer = (!part.schema.fields().is_empty()).then(|| {
            BatchCoalescer::new(Arc::clone(&part.schema), batch_rows)
                .with_biggest_coalesce_batch_size(Some(batch_rows / 2))
        });
        Ok(Self {
            drained: part.never,
            rows_left: part.fetch.unwrap_or(usize::MAX),
            pieces,
            partition,
            current: None,
            taken: None,
            coalescer,
            metrics: ScanMetrics::new(metrics, partition),
            part,
        })
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if self.rows_left == 0 {
            return Ok(None);
        }
        let Some(batch) = self.next_coalesced()? else {
            return Ok(None);
        };
        let batch = match batch.num_rows() > self.rows_left {
            true => batch.slice(0, self.rows_left),
            false => batch,
        };
        self.rows_left -= batch.num_rows();
        Ok(Some(batch))
    }

    fn next_coalesced(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let buffered = match &mut self.coalescer {
                None => return self.next_scanned(),
                Some(coalescer) => {
                    if let Some(batch) = coalescer.next_completed_batch() {
                        return Ok(Some(batch));
                    }
                    coalescer.get_buffered_rows()
                }
            };
            let scanned = self.next_scanned()?;
            let Some(coalescer) = &mut self.coalescer else {
                return Ok(scanned);
            };
            match scanned {
                Some(batch) => coalescer.push_batch(batch)?,
                None if buffered == 0 => return Ok(None),
                None => coalescer.finish_buffered_batch()?,
            }
            // A limit is served as soon as its rows are there.
            if coalescer.get_buffered_rows() >= self.rows_left {
                coalescer.finish_buffered_batch()?;
            }
        }
    }

    /// Gives the next batch of the current piece, or of the next one that has any.
    fn next_scanned(&mut self) -> Result<Option<RecordBatch>> {
        while !self.drained {
            if self.current.is_none() {
                let Some(piece) = self.taken.take().or_else(|| self.take()) else {
                    self.drained = true;
                    break;
                };
                if let Some(batch) = self.counted(&piece)? {
                    return Ok(Some(batch));
                }
                self.current = self.start(&piece)?;
            }
            if !self.refresh_late_filters()? {
                // Its blocks count as pruned.
                if let Some(mut running) = self.current.take() {
                    self.metrics.advance(&mut running);
                }
                continue;
            }
            let Some(running) = &mut self.current else {
                continue;
            };
            let batch = running.scan.next_batch().map_err(scan_error)?;
            self.metrics.advance(running);
            match batch {
                Some(batch) => return self.shaped(batch).map(Some),
                None => self.go_on(),
            }
        }
        Ok(None)
    }

    fn take(&self) -> Option<Piece> {
        self.pieces.take(self.partition).cloned()
    }

    /// Takes the next piece at the end of one. Mostly it follows that one, and the same scan goes on.
    fn go_on(&mut self) {
        let next = self.take();
        match (&mut self.current, next) {
            (Some(running), Some(piece)) if running.piece.is_followed_by(&piece) => {
                running.scan.extend(piece.zones.clone());
                running.piece = piece;
            }
            (current, next) => {
                *current = None;
                self.drained = next.is_none();
                self.taken = next;
            }
        }
    }

    /// Answers a piece from the row count alone if nothing else is asked. Deleted rows are subtracted, so
    /// only whole row groups can be answered so; cut ones with a delete mask are read.
    fn counted(&self, piece: &Piece) -> Result<Option<RecordBatch>> {
        let request = &self.part.request;
        let counts_only = request.projection.is_empty() && !request.row_ids;
        if !counts_only || !request.conjuncts.is_empty() || !self.part.late.is_empty() {
            return Ok(None);
        }
        let start = (piece.zones.start * ZONE_ROWS) as u64;
        let end = ((piece.zones.end * ZONE_ROWS) as u64).min(piece.group.record.rows);
        let deleted = match &piece.group.deleted {
            None => 0,
            Some(mask) => {
                let below = |row: u64| match u32::try_from(row) {
                    Ok(0) => 0,
                    Ok(row) => mask.rank(row - 1),
                    Err(_) => mask.len(),
                };
                below(end) - below(start)
            }
        };
        let rows = usize::try_from((end - start).saturating_sub(deleted)).unwrap_or(usize::MAX);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.part.schema);
        Ok((rows > 0)
            .then(|| RecordBatch::try_new_with_options(schema, Vec::new(), &options))
            .transpose()?)
    }

    fn start(&self, piece: &Piece) -> Result<Option<Running>> {
        let version = &self.part.table.version;
        let scan = RowGroupScan::new(
            &self.part.table.store,
            &version.layout,
            &piece.group,
            piece.ordinal,
            piece.zones.clone(),
            Arc::clone(&self.part.request),
        )
        .map_err(scan_error)?;
        Ok(Some(Running {
            scan,
            piece: piece.clone(),
            generation: 0,
            reported: ScanCounters::default(),
        }))
    }

    /// Tells the running scan what the late filters say now. Gives false if they pass none of its rows.
    fn refresh_late_filters(&mut self) -> Result<bool> {
        let Some(running) = &mut self.current else {
            return Ok(true);
        };
        if self.part.late.is_empty() {
            return Ok(true);
        }
        // Each grows on its own, so the sum changes if one does. None of them starts at zero.
        let generation: u64 = self.part.late.iter().map(snapshot_generation).sum();
        if generation == running.generation {
            return Ok(true);
        }
        let table = &self.part.table;
        let placement = match table.distribution {
            Distribution::Key(key) if table.placement_holds => Some(Placement {
                key,
                slice: running.piece.group.record.slice.0,
                slice_count: table.slice_count,
            }),
            _ => None,
        };
        let layout = &table.version.layout;
        let translator = Translator {
            layout,
            schema: &table.schema,
            placement,
        };
        let translated = translator.all(&self.part.late)?;
        running.generation = generation;
        if !translated.never {
            running.scan.set_late_conjuncts(translated.conjuncts);
        }
        Ok(!translated.never)
    }

    /// Gives a batch of storage the schema of the plan.
    fn shaped(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let batch = match &self.part.order {
            Some(order) => batch.project(order)?,
            None => batch,
        };
        let (_, columns, _) = batch.into_parts();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.part.schema);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

impl Stream for ScanStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let time = self.metrics.baseline.elapsed_compute().clone();
        let timer = time.timer();
        let next = self.next_batch().transpose();
        timer.done();
        if matches!(next, Some(Err(_))) {
            self.rows_left = 0;
        }
        self.metrics.baseline.record_poll(Poll::Ready(next))
    }
}

impl RecordBatchStream for ScanStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.part.schema)
    }
}

/// What EXPLAIN ANALYZE shows of a scan.
struct ScanMetrics {
    baseline: BaselineMetrics,
    blocks: Count,
    blocks_read: Count,
    blocks_pruned: Count,
    bytes_read: Count,
    bytes_from_disk: Count,
    rows_scanned: Count,
}

impl ScanMetrics {
    fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Self {
            baseline: BaselineMetrics::new(metrics, partition),
            blocks: counter("blocks"),
            blocks_read: counter("blocks_read"),
            blocks_pruned: counter("blocks_pruned"),
            bytes_read: counter("bytes_read"),
            bytes_from_disk: counter("bytes_from_disk"),
            rows_scanned: counter("rows_scanned"),
        }
    }

    /// Takes in what a scan did since the last time.
    fn advance(&self, running: &mut Running) {
        let (now, before) = (running.scan.counters().clone(), &running.reported);
        let add = |metric: &Count, now: u64, before: u64| {
            metric.add(usize::try_from(now.saturating_sub(before)).unwrap_or(usize::MAX));
        };
        let read = |counters: &ScanCounters| counters.blocks.saturating_sub(counters.blocks_pruned);
        SCANS
            .rows
            .add(now.rows_scanned.saturating_sub(before.rows_scanned));
        SCANS
            .bytes
            .add(now.bytes_read.saturating_sub(before.bytes_read));
        let from_disk = now.bytes_from_disk.saturating_sub(before.bytes_from_disk);
        SCANS.bytes_from_disk.add(from_disk);
        SCANS
            .blocks_read
            .add(read(&now).saturating_sub(read(before)));
        let pruned = now.blocks_pruned.saturating_sub(before.blocks_pruned);
        SCANS.blocks_pruned.add(pruned);
        add(&self.blocks, now.blocks, before.blocks);
        add(&self.blocks_read, read(&now), read(before));
        add(&self.blocks_pruned, now.blocks_pruned, before.blocks_pruned);
        add(&self.bytes_read, now.bytes_read, before.bytes_read);
        add(
            &self.bytes_from_disk,
            now.bytes_from_disk,
            before.bytes_from_disk,
        );
        add(&self.rows_scanned, now.rows_scanned, before.rows_scanned);
        running.reported = now;
    }
}
