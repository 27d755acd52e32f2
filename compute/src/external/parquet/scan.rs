//! Reads the row groups of a file whose columns are flat: in windows of rows, conditions first, and of the other columns
//! only what is left.

use super::column::{Column, ColumnPlan};
use super::filter::{Condition, Picked};
use super::plan::{Begun, FilePlan};
use crate::external::footer::FileReader;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{BatchCoalescer, filter};
use bytes::Bytes;
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a window at most, when few of them are left.
const WINDOW_ROWS_MAX: usize = 65_536;
/// A dictionary is tested as a whole if it has at most one value for so many rows.
const DICTIONARY_SHARE: usize = 2;

/// The scan. See the module.
pub(super) struct FileScan {
    plan: FilePlan,
    reader: FileReader,
    /// Row groups to come.
    groups: VecDeque<usize>,
    group: Option<Group>,
    conditions: Vec<Condition>,
    coalescer: BatchCoalescer,
    ready: VecDeque<RecordBatch>,
    /// Rows of the next window.
    window_rows: usize,
    baseline: BaselineMetrics,
    rows_pruned: Count,
}

/// A row group that is read.
struct Group {
    index: usize,
    rows: usize,
    next_row: usize,
    /// One per column of the plan that was fetched.
    columns: Vec<Option<Column>>,
    /// One per condition.
    tables: Vec<Option<Table>>,
    /// Conditions in the order they are tested.
    order: Vec<usize>,
}

/// For which values of a dictionary a condition holds.
struct Table {
    /// `None` if it fails for one of them: rows that other conditions leave may not have it.
    holds: Option<Vec<bool>>,
    generation: u64,
}

/// Some rows of a row group.
struct Window {
    rows: Range<usize>,
    picked: Picked,
    /// One per column of the plan, as far as it was needed.
    arrays: Vec<Option<ArrayRef>>,
}

impl FileScan {
    /// Begins a scan of some row groups.
    pub(super) fn new(
        begun: Begun,
        reader: FileReader,
        baseline: BaselineMetrics,
        rows_pruned: Count,
    ) -> Self {
        let Begun {
            plan,
            groups,
            conditions,
        } = begun;
        let rows = plan
            .limit
            .unwrap_or(plan.batch_rows)
            .clamp(1, plan.batch_rows);
        Self {
            coalescer: BatchCoalescer::new(Arc::clone(&plan.output), rows),
            window_rows: plan.batch_rows,
            plan,
            reader,
            groups: groups.into(),
            group: None,
            conditions,
            ready: VecDeque::new(),
            baseline,
            rows_pruned,
        }
    }

    /// Gives the next rows.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let Some(group) = &self.group else {
                match self.groups.pop_front() {
                    Some(index) => self.begin(index).await?,
                    None => {
                        self.coalescer.finish_buffered_batch()?;
                        return Ok(self.coalescer.next_completed_batch());
                    }
                }
                continue;
            };
            if group.next_row >= group.rows {
                self.group = None;
                continue;
            }
            let window = self.next_window()?;
            if window.picked.len() > 0 {
                self.fetch_outputs().await?;
                self.emit(window)?;
            }
        }
    }

    /// Begins a row group, unless its statistics or its dictionaries rule it out.
    async fn begin(&mut self, index: usize) -> Result<()> {
        if self.plan.pruner.is_ruled_out(index, &self.plan.metadata) {
            return Ok(());
        }
        let metadata = self.plan.metadata.row_group(index);
        let rows = usize::try_from(metadata.num_rows()).unwrap_or(0);
        let mut group = Group {
            index,
            rows,
            next_row: 0,
            columns: (0..self.plan.column_count()).map(|_| None).collect(),
            tables: Vec::new(),
            order: Vec::new(),
        };
        let asked = self
            .conditions
            .iter()
            .flat_map(|condition| &condition.columns);
        let mut asked: Vec<usize> = asked.filter_map(|column| self.plan.slot(*column)).collect();
        asked.sort_unstable();
        asked.dedup();
        fetch(&self.plan, &mut self.reader, &mut group, &asked).await?;
        group.tables = self.conditions.iter().map(|_| None).collect();
        let mut order: Vec<(bool, i64, usize)> = Vec::new();
        for (place, condition) in self.conditions.iter().enumerate() {
            if condition.is_worth() {
                group.table(&self.plan, place, condition)?;
            }
            let has_table = group.holds(place).is_some();
            let bytes = condition.columns.iter();
            let bytes = bytes.filter_map(|column| self.plan.bytes_of(index, *column));
            order.push((!has_table, bytes.sum(), place));
        }
        order.sort_unstable();
        group.order = order.into_iter().map(|(.., place)| place).collect();
        let tables = group.tables.iter().flatten();
        let mut tables = tables.filter_map(|table| table.holds.as_ref());
        match tables.any(|holds| !holds.contains(&true)) {
            true => self.rows_pruned.add(rows),
            false => self.group = Some(group),
        }
        Ok(())
    }

    /// Tests the conditions on the next rows.
    fn next_window(&mut self) -> Result<Window> {
        let elapsed = self.baseline.elapsed_compute().clone();
        let _timer = elapsed.timer();
        let Some(group) = &mut self.group else {
            return internal_err!("no row group is read");
        };
        let begin = group.next_row;
        let end = group.rows.min(begin.saturating_add(self.window_rows));
        group.next_row = end;
        let mut window = Window {
            rows: begin..end,
            picked: Picked::all(end - begin),
            arrays: (0..self.plan.column_count()).map(|_| None).collect(),
        };
        for place in 0..group.order.len() {
            let Some(place) = group.order.get(place).copied() else {
                break;
            };
            let Some(condition) = self.conditions.get_mut(place) else {
                break;
            };
            if window.picked.len() == 0 {
                break;
            }
            if condition.is_worth() {
                let before = window.picked.len();
                group.test(&self.plan, place, condition, &mut window)?;
                condition.note(before, window.picked.len());
            }
        }
        let kept = window.picked.len();
        self.rows_pruned.add(window.rows.len() - kept);
        if !self.conditions.is_empty() {
            // Windows of which few rows are left are larger, so that what comes out is not crumbs.
            let rows = window.rows.len().saturating_mul(self.plan.batch_rows) / kept.max(1);
            self.window_rows = rows.clamp(
                self.plan.batch_rows,
                WINDOW_ROWS_MAX.max(self.plan.batch_rows),
            );
        }
        Ok(window)
    }

    /// Fetches what comes out and was not needed by conditions.
    async fn fetch_outputs(&mut self) -> Result<()> {
        let Some(group) = &mut self.group else {
            return Ok(());
        };
        let missing = self.plan.outputs.iter().copied();
        let missing = missing.filter(|slot| group.columns.get(*slot).is_some_and(Option::is_none));
        let missing: Vec<usize> = missing.collect();
        fetch(&self.plan, &mut self.reader, group, &missing).await
    }

    /// Makes rows of a window.
    fn emit(&mut self, mut window: Window) -> Result<()> {
        let elapsed = self.baseline.elapsed_compute().clone();
        let _timer = elapsed.timer();
        let Some(group) = &mut self.group else {
            return internal_err!("no row group is read");
        };
        let mut arrays = Vec::with_capacity(self.plan.outputs.len());
        for slot in &self.plan.outputs {
            arrays.push(group.array(*slot, &mut window)?);
        }
        let rows = window.picked.len();
        let batch = self.plan.project(arrays, rows)?;
        let most = self.plan.batch_rows;
        let has_columns = batch.num_columns() > 0;
        if !has_columns || (self.coalescer.is_empty() && rows >= most / 2) {
            let mut begin = 0;
            while begin < rows {
                let length = most.min(rows - begin);
                self.ready.push_back(batch.slice(begin, length));
                begin += length;
            }
            return Ok(());
        }
        self.coalescer.push_batch(batch)?;
        while let Some(batch) = self.coalescer.next_completed_batch() {
            self.ready.push_back(batch);
        }
        Ok(())
    }
}

/// Fetches columns of a row group.
async fn fetch(
    plan: &FilePlan,
    reader: &mut FileReader,
    group: &mut Group,
    slots: &[usize],
) -> Result<()> {
    if slots.is_empty() {
        return Ok(());
    }
    let mut ranges = Vec::with_capacity(slots.len());
    let mut plans: Vec<ColumnPlan> = Vec::with_capacity(slots.len());
    for slot in slots {
        let (column, range) = plan.column(group.index, *slot)?;
        plans.push(column);
        ranges.push(range);
    }
    let chunks: Vec<Bytes> = reader.get_byte_ranges(ranges).await?;
    for ((slot, plan), chunk) in slots.iter().zip(&plans).zip(&chunks) {
        if let Some(column) = group.columns.get_mut(*slot) {
            *column = Some(Column::open(plan, chunk, group.rows)?);
        }
    }
    Ok(())
}

impl Group {
    /// Gives for which values of its dictionary a condition holds, if that is known.
    fn holds(&self, condition: usize) -> Option<&Vec<bool>> {
        self.tables.get(condition)?.as_ref()?.holds.as_ref()
    }

    /// Tests a condition on a dictionary, if it is about one column that has one.
    fn table(&mut self, plan: &FilePlan, place: usize, condition: &Condition) -> Result<()> {
        let [column] = condition.columns.as_slice() else {
            return Ok(());
        };
        let Some(slot) = plan.slot(*column) else {
            return Ok(());
        };
        let column = self.columns.get(slot).and_then(Option::as_ref);
        let generation = condition.generation();
        let table = self.tables.get_mut(place);
        let (Some(column), Some(table)) = (column, table) else {
            return Ok(());
        };
        let is_small = column
            .dictionary_len()
            .is_some_and(|count| count.saturating_mul(DICTIONARY_SHARE) <= self.rows);
        if !is_small
            || table
                .as_ref()
                .is_some_and(|table| table.generation == generation)
        {
            return Ok(());
        }
        if let Some(values) = column.dictionary()? {
            let count = values.len();
            // A required column has no null: its condition is never asked of one.
            let (values, count) = match plan.has_nulls(slot) {
                true => (values, count),
                false => (
                    values.slice(0, count.saturating_sub(1)),
                    count.saturating_sub(1),
                ),
            };
            let holds = condition.test(vec![values], count);
            *table = Some(Table {
                holds: holds.ok().map(|holds| holds.iter().collect()),
                generation,
            });
        }
        Ok(())
    }

    /// Tests a condition on what is left of a window.
    fn test(
        &mut self,
        plan: &FilePlan,
        place: usize,
        condition: &Condition,
        window: &mut Window,
    ) -> Result<()> {
        self.table(plan, place, condition)?;
        let holds = self.tables.get(place).and_then(Option::as_ref);
        let holds = holds.and_then(|table| table.holds.as_ref());
        if let (Some(holds), [column]) = (holds, condition.columns.as_slice()) {
            let column = plan
                .slot(*column)
                .and_then(|slot| self.columns.get_mut(slot)?.as_mut());
            let Some(column) = column else {
                return internal_err!("a column of a condition was not read");
            };
            if holds.contains(&false) {
                let codes = column.codes(window.rows.clone())?;
                window.narrow_coded(codes, holds)?;
            }
            return Ok(());
        }
        let mut arrays = Vec::with_capacity(condition.columns.len());
        for column in &condition.columns {
            let Some(slot) = plan.slot(*column) else {
                return internal_err!("a column of a condition is not in the plan");
            };
            arrays.push(self.array(slot, window)?);
        }
        let holds = condition.test(arrays, window.picked.len())?;
        match holds.count_set_bits() == window.picked.len() {
            true => Ok(()),
            false => window.narrow(&BooleanArray::new(holds, None)),
        }
    }

    /// Gives what is left of a column in a window.
    fn array(&mut self, slot: usize, window: &mut Window) -> Result<ArrayRef> {
        if let Some(Some(array)) = window.arrays.get(slot) {
            return Ok(Arc::clone(array));
        }
        let Some(column) = self.columns.get_mut(slot).and_then(Option::as_mut) else {
            return internal_err!("a column was not fetched");
        };
        let array = column.take(window.rows.clone(), window.picked.places())?;
        if let Some(room) = window.arrays.get_mut(slot) {
            *room = Some(Arc::clone(&array));
        }
        Ok(array)
    }
}

impl Window {
    /// Leaves the rows whose code holds.
    fn narrow_coded(&mut self, codes: &[u32], holds: &[bool]) -> Result<()> {
        if self.arrays.iter().all(Option::is_none) {
            self.picked.keep_coded(codes, holds);
            return Ok(());
        }
        let is_kept = |code: &u32| holds.get(*code as usize).copied().unwrap_or(false);
        let kept: BooleanBuffer = match self.picked.places() {
            None => codes.iter().map(is_kept).collect(),
            Some(places) => {
                let codes = places.iter().map(|place| codes.get(*place as usize));
                codes.map(|code| code.is_some_and(is_kept)).collect()
            }
        };
        self.narrow(&BooleanArray::new(kept, None))
    }

    /// Leaves the rows that a test holds for, also of columns that were read.
    fn narrow(&mut self, holds: &BooleanArray) -> Result<()> {
        for array in self.arrays.iter_mut().flatten() {
            *array = filter(array, holds)?;
        }
        self.picked.keep(holds.values());
        Ok(())
    }
}
