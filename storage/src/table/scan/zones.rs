//! The core of a scan: zone by zone, which rows survive, and their columns as vectors.
//!
//! Per zone: rows not deleted, then zone maps, then the tests on codes or decoded values, those that
//! settle most for least first; only what a survivor needs is read at all.

use super::filter::{EntryAnswer, ask_entries, ask_rows};
use super::selection::Selection;
use super::test::{EntryMask, Outcome, Scratch, Test, dictionary};
use super::{ScanCounters, ScanRequest};
use crate::block::Block;
use crate::block::vector::ColumnVector;
use crate::error::{Error, Result};
use crate::layout::row_group::ZONE_ROWS;
use crate::row_group::files::{OpenRowGroup, RowGroupFiles};
use crate::schema::{ColumnType, TableLayout};
use crate::store::version::RowGroupEntry;
use crate::table::predicate::{ColumnTest, Conjunct, RowFilter};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Where no more rows of a zone are wanted, what it takes to open it is worth keeping.
const FEW_ROWS: usize = 64;

/// One zone with surviving rows.
#[derive(Clone, Debug)]
pub struct VectorBatch {
    /// The hidden row id of the zone's first row, see [`super::ROW_ID`].
    pub first_row_id: i64,
    /// The surviving rows; never none.
    pub selection: Selection,
    /// The projected columns in order, not yet decoded; `None` where all rows are null because the
    /// row group lacks the column.
    pub columns: Vec<Option<ColumnVector>>,
}

/// Scans zones of one row group.
pub(super) struct ZoneScan {
    files: RowGroupFiles,
    layout: Arc<TableLayout>,
    group: Arc<OpenRowGroup>,
    entry: Arc<RowGroupEntry>,
    ordinal: u32,
    zones: Range<usize>,
    projection: Vec<usize>,
    columns: Vec<Column>,
    steps: Vec<Step>,
    late: Vec<Step>,
    /// A late conjunct that made no sense, told at the next zone.
    late_error: Option<Error>,
    scratch: Scratch,
    pub(super) counters: ScanCounters,
}

/// A table column as this row group has it.
struct Column {
    /// Its index in the footer; `None` if the row group lacks it.
    index: Option<usize>,
    block: Option<(usize, Arc<Block>)>,
    vector: Option<(usize, ColumnVector)>,
    counted: bool,
}

/// A conjunct at work.
struct Step {
    work: Work,
    /// Rows that came and rows that passed, to order by.
    rows_in: u64,
    rows_out: u64,
}

enum Work {
    Prune {
        column: usize,
        test: Test,
    },
    Test {
        column: usize,
        test: Test,
        mask: Option<(usize, EntryMask)>,
    },
    Filter {
        filter: Arc<dyn RowFilter>,
        answer: Option<(usize, Option<EntryAnswer>)>,
    },
}

impl Step {
    fn new(layout: &TableLayout, conjunct: &Conjunct) -> Result<Step> {
        let find = |column: usize| {
            layout
                .columns
                .get(column)
                .ok_or_else(|| Error::Internal(format!("no column {column} to test")))
        };
        let work = match conjunct {
            Conjunct::Column {
                column,
                test: ColumnTest::Within { .. },
            } => {
                let text = format!("ranges of column {column} can only prune");
                return Err(Error::Internal(text));
            }
            Conjunct::Column { column, test } => Work::Test {
                column: *column,
                test: Test::new(find(*column)?, test)?,
                mask: None,
            },
            Conjunct::PruneOnly { column, test } => Work::Prune {
                column: *column,
                test: Test::new(find(*column)?, test)?,
            },
            Conjunct::Filter(filter) => {
                for column in filter.columns() {
                    find(*column)?;
                }
                Work::Filter {
                    filter: Arc::clone(filter),
                    answer: None,
                }
            }
        };
        Ok(Step {
            work,
            rows_in: 0,
            rows_out: 0,
        })
    }

    /// Gives what the step settles per nanosecond, least first.
    fn rank(&self) -> f64 {
        let cost = match &self.work {
            Work::Prune { .. } => 0.0,
            Work::Test { test, .. } => test.cost(),
            Work::Filter { filter, .. } => 20.0 * filter.columns().len() as f64,
        };
        // Two rows of which one passed, until it is known better.
        let settled = 1.0 - (self.rows_out + 1) as f64 / (self.rows_in + 2) as f64;
        cost / settled.max(1e-6)
    }

    fn columns(&self) -> &[usize] {
        match &self.work {
            Work::Prune { .. } => &[],
            Work::Test { column, .. } => std::slice::from_ref(column),
            Work::Filter { filter, .. } => filter.columns(),
        }
    }
}

impl ZoneScan {
    pub(super) fn new(
        files: &RowGroupFiles,
        layout: &Arc<TableLayout>,
        entry: &Arc<RowGroupEntry>,
        ordinal: u32,
        zones: Range<usize>,
        request: &ScanRequest,
    ) -> Result<Self> {
        let group = files.open(&entry.record)?;
        if let Some(index) = request
            .projection
            .iter()
            .find(|index| **index >= layout.columns.len())
        {
            return Err(Error::Internal(format!("no column {index} to scan")));
        }
        let columns = layout.columns.iter().map(|column| Column {
            index: group.column(column.id),
            block: None,
            vector: None,
            counted: false,
        });
        let steps = request
            .conjuncts
            .iter()
            .map(|conjunct| Step::new(layout, conjunct));
        let zone_count = super::zone_count(group.footer.rows);
        let mut scan = ZoneScan {
            files: files.clone(),
            layout: Arc::clone(layout),
            entry: Arc::clone(entry),
            ordinal,
            zones: zones.start..zones.end.min(zone_count),
            projection: request.projection.clone(),
            columns: columns.collect(),
            steps: steps.collect::<Result<_>>()?,
            late: vec![],
            late_error: None,
            scratch: Scratch::default(),
            counters: ScanCounters::default(),
            group,
        };
        scan.count_blocks();
        Ok(scan)
    }

    /// Goes on with zones that follow those of this scan, once these are done; what was learned of the conjuncts and
    /// the blocks at hand stay.
    pub(super) fn extend(&mut self, zones: Range<usize>) {
        let zone_count = super::zone_count(self.group.footer.rows);
        self.zones = zones.start..zones.end.min(zone_count);
        for column in 0..self.columns.len() {
            if self.columns[column].counted {
                self.count_blocks_of(column);
            }
        }
    }

    /// Counts the blocks of the columns in use once, each at the scan its first zone falls to.
    fn count_blocks(&mut self) {
        let mut used: BTreeSet<usize> = self.projection.iter().copied().collect();
        used.extend(self.steps.iter().chain(&self.late).flat_map(Step::columns));
        for column in used {
            if self
                .columns
                .get(column)
                .is_some_and(|column| !column.counted)
            {
                self.columns[column].counted = true;
                self.count_blocks_of(column);
            }
        }
    }

    fn count_blocks_of(&mut self, column: usize) {
        if let Some(index) = self.columns[column].index {
            let firsts = self.group.block_zones[index].iter();
            let mine = firsts.filter(|first| self.zones.contains(&(**first as usize)));
            let mine = mine.count() as u64;
            self.counters.blocks += mine;
            // Taken back block by block as they are read.
            self.counters.blocks_pruned += mine;
        }
    }

    pub(super) fn set_late_conjuncts(&mut self, conjuncts: Vec<Conjunct>) {
        let steps = conjuncts
            .iter()
            .map(|conjunct| Step::new(&self.layout, conjunct));
        match steps.collect() {
            Ok(steps) => self.late = steps,
            Err(error) => self.late_error = Some(error),
        }
        self.count_blocks();
    }

    /// Gives the next zone with surviving rows.
    pub(super) fn next_zone(&mut self) -> Result<Option<VectorBatch>> {
        if let Some(error) = self.late_error.take() {
            return Err(error);
        }
        while let Some(zone) = self.zones.next() {
            let first = zone * ZONE_ROWS;
            let rows = (self.group.footer.rows as usize - first).min(ZONE_ROWS);
            let mut steps = std::mem::take(&mut self.steps);
            let mut late = std::mem::take(&mut self.late);
            let selection = self.select(zone, first, rows, &mut steps, &mut late);
            (self.steps, self.late) = (steps, late);
            let selection = selection?;
            if selection.count() == 0 {
                continue;
            }
            let is_few = selection.count() <= FEW_ROWS;
            let columns =
                (0..self.projection.len()).map(|at| self.vector(self.projection[at], zone, is_few));
            let columns = columns.collect::<Result<_>>()?;
            let first_row_id = i64::from(self.ordinal) << 32 | first as i64;
            return Ok(Some(VectorBatch {
                first_row_id,
                selection,
                columns,
            }));
        }
        Ok(None)
    }

    fn select(
        &mut self,
        zone: usize,
        first: usize,
        rows: usize,
        steps: &mut [Step],
        late: &mut [Step],
    ) -> Result<Selection> {
        let mut selection = Selection::all(rows);
        if let Some(deleted) = &self.entry.deleted {
            let mut deleted = deleted.iter();
            deleted.advance_to(first as u32);
            for row in deleted.take_while(|row| (*row as usize) < first + rows) {
                selection.remove(row as usize - first);
            }
            if selection.count() == 0 {
                return Ok(selection);
            }
        }
        // The zone maps first: a zone without a match costs no block, and a test that all rows pass
        // costs nothing either.
        let mut open: Vec<&mut Step> = Vec::with_capacity(steps.len() + late.len());
        for step in steps.iter_mut().chain(late) {
            match self.ask_zone_map(step, zone, rows) {
                Outcome::None => {
                    selection.clear();
                    return Ok(selection);
                }
                Outcome::Some if !matches!(step.work, Work::Prune { .. }) => open.push(step),
                Outcome::Some | Outcome::All => {}
            }
        }
        self.counters.rows_scanned += rows as u64;
        open.sort_by(|a, b| a.rank().total_cmp(&b.rank()));
        for step in open {
            let before = selection.count();
            self.run(step, zone, &mut selection)?;
            step.rows_in += before as u64;
            step.rows_out += selection.count() as u64;
            if selection.count() == 0 {
                break;
            }
        }
        Ok(selection)
    }

    fn ask_zone_map(&self, step: &Step, zone: usize, rows: usize) -> Outcome {
        let (Work::Prune { column, test } | Work::Test { column, test, .. }) = &step.work else {
            return Outcome::Some;
        };
        match self.columns[*column].index {
            Some(index) => test.prune(&self.group.footer.columns[index].zones[zone], rows),
            None if test.passes_null() => Outcome::All,
            None => Outcome::None,
        }
    }

    fn run(&mut self, step: &mut Step, zone: usize, selection: &mut Selection) -> Result<()> {
        match &mut step.work {
            Work::Prune { .. } => {}
            Work::Test { column, test, mask } => {
                let Some(vector) = self.vector(*column, zone, false)? else {
                    return Ok(());
                };
                if let Some(dictionary) = dictionary(&vector) {
                    let block = self.block_number(*column);
                    if mask.as_ref().is_none_or(|(of, _)| *of != block) {
                        *mask = Some((block, test.entries(&vector, dictionary)));
                    }
                }
                let mask = mask.as_ref().map(|(_, mask)| mask);
                test.apply(&vector, mask, selection, &mut self.scratch);
            }
            Work::Filter { filter, answer } => {
                let indexes = filter.columns().to_vec();
                let mut columns: Vec<(ColumnType, Option<ColumnVector>)> =
                    Vec::with_capacity(indexes.len());
                for column in &indexes {
                    columns.push((
                        self.layout.columns[*column].ty,
                        self.vector(*column, zone, false)?,
                    ));
                }
                if let [(ty, Some(vector))] = columns.as_slice()
                    && let Some(dictionary) = dictionary(vector)
                {
                    let block = self.block_number(indexes[0]);
                    if answer.as_ref().is_none_or(|(of, _)| *of != block) {
                        *answer = Some((block, ask_entries(filter.as_ref(), *ty, vector)?));
                    }
                    if let Some((_, Some(answer))) = answer
                        && (vector.validity().is_none() || !answer.null_passes)
                    {
                        if let Some(validity) = vector.validity() {
                            selection.keep_bits(&validity);
                        }
                        answer.mask.apply(vector, dictionary, selection);
                        return Ok(());
                    }
                }
                ask_rows(filter.as_ref(), &columns, selection)?;
            }
        }
        Ok(())
    }

    /// Gives the number of the block that a column's last vector came from.
    fn block_number(&self, column: usize) -> usize {
        self.columns[column]
            .block
            .as_ref()
            .map_or(usize::MAX, |(number, _)| *number)
    }

    /// Gives a zone of a table column, reading its block if this scan has not. Says `is_few` if few rows of it are wanted.
    fn vector(&mut self, column: usize, zone: usize, is_few: bool) -> Result<Option<ColumnVector>> {
        let Some(index) = self.columns[column].index else {
            return Ok(None);
        };
        if let Some((of, vector)) = &self.columns[column].vector
            && *of == zone
        {
            return Ok(Some(vector.clone()));
        }
        let number = self.group.block_of_zone(index, zone);
        let first_zone = self.group.block_zones[index][number] as usize;
        let held = self.columns[column]
            .block
            .as_ref()
            .filter(|(held, _)| *held == number);
        let block = match held {
            Some((_, block)) => Arc::clone(block),
            None => {
                let layout = &self.layout.columns[column];
                let (block, from_disk) = self.files.block(&self.group, layout, index, number)?;
                self.counters.bytes_read += block.encoded_bytes as u64;
                if from_disk {
                    self.counters.bytes_from_disk += block.encoded_bytes as u64;
                }
                let pruned = &mut self.counters.blocks_pruned;
                *pruned = pruned.saturating_sub(1);
                self.columns[column].block = Some((number, Arc::clone(&block)));
                block
            }
        };
        let own = zone - first_zone;
        let vector = match is_few {
            true => self
                .files
                .few_of_zone(&self.group, index, number, block, own),
            false => ColumnVector::new(block, own),
        };
        let vector = vector.map_err(|reason| {
            let identity = &self.group.identity;
            let name = &self.layout.columns[column].name;
            let what = format!(
                "table {}, column \"{name}\", slice {}, block {number}",
                identity.table.0, identity.slice.0
            );
            Error::Corrupt {
                path: self.group.path.clone(),
                what,
                reason,
            }
        })?;
        self.columns[column].vector = Some((zone, vector.clone()));
        Ok(Some(vector))
    }
}
