//! The rows of one side by partition, in memory while they fit, else in files.

use super::Limits;
use super::split::Splitter;
use crate::operator::compact::{bytes, compacted, cost, taken};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::concat_batches;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::spill_file::SpillFile;
use datafusion::physical_plan::spill::SpillManager;
use std::sync::Arc;

/// What the files are called to the disk manager.
const DESCRIPTION: &str = "SpillingJoin";

/// So many chunks may be written as one batch.
const PIECE_CHUNKS: usize = 4;

/// So many chunks of a partition are written at once when it goes to a file; others run before the next ones.
const STEP_CHUNKS: usize = 64;

/// A file that is being written: takes a batch, or ends without one and gives the file.
type Append = Box<dyn FnMut(Option<&RecordBatch>) -> Result<Option<Arc<dyn SpillFile>>> + Send>;

/// The rows of a partition in a file; none if there are none.
#[derive(Clone, Default)]
pub(super) struct Filed {
    /// The file.
    pub(super) file: Option<Arc<dyn SpillFile>>,
    /// How many rows.
    pub(super) rows: usize,
    /// What they would take in memory.
    pub(super) cost: usize,
}

/// A partition that is complete.
pub(super) enum Complete {
    /// In memory, and reserved.
    Kept(Vec<RecordBatch>),
    /// In a file.
    Filed(Filed),
}

/// The partitions of one side.
pub(super) struct Partitions {
    spill: Arc<SpillManager>,
    memory: Arc<MemoryReservation>,
    chunk_bytes: usize,
    partitions: Vec<Partition>,
}

struct Partition {
    /// Rows that are fewer than a chunk; room for those of all partitions is reserved beforehand.
    pending: Vec<RecordBatch>,
    pending_bytes: usize,
    place: Place,
    /// Rows in memory that are still to be written to its file, and reserved until they are.
    backlog: Vec<RecordBatch>,
    rows: usize,
    cost: usize,
}

enum Place {
    Memory(Vec<RecordBatch>),
    File(Option<Append>),
}

/// Gives what pending rows of all partitions take at most.
pub(super) fn pending_bytes_max(limits: Limits) -> usize {
    limits.partitions * limits.chunk_bytes
}

/// Tells whether an error says that there is no memory left, which can be helped.
pub(super) fn is_exhausted(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

impl Partitions {
    /// Makes empty partitions, which stay in `memory` while they fit if `is_kept`.
    pub(super) fn new(
        spill: Arc<SpillManager>,
        memory: Arc<MemoryReservation>,
        limits: Limits,
        is_kept: bool,
    ) -> Self {
        let partition = || Partition {
            pending: Vec::new(),
            pending_bytes: 0,
            place: match is_kept {
                true => Place::Memory(Vec::new()),
                false => Place::File(None),
            },
            backlog: Vec::new(),
            rows: 0,
            cost: 0,
        };
        Self {
            spill,
            memory,
            chunk_bytes: limits.chunk_bytes,
            partitions: (0..limits.partitions).map(|_| partition()).collect(),
        }
    }

    /// Deals all rows of a batch.
    pub(super) fn deal(&mut self, splitter: &mut Splitter, batch: &RecordBatch) -> Result<()> {
        for (place, rows) in splitter.split(batch)?.iter().enumerate() {
            self.add(place, batch, rows)?;
        }
        Ok(())
    }

    /// Adds some rows of a batch to a partition.
    pub(super) fn add(&mut self, place: usize, batch: &RecordBatch, rows: &[u32]) -> Result<()> {
        let Some(partition) = self.partitions.get_mut(place) else {
            return Ok(());
        };
        if rows.is_empty() {
            return Ok(());
        }
        let piece = taken(batch, UInt32Array::from(rows.to_vec()))?;
        partition.rows += rows.len();
        partition.pending_bytes += bytes(&piece);
        partition.pending.push(piece);
        match partition.pending_bytes >= self.chunk_bytes {
            true => self.put_away(place),
            false => Ok(()),
        }
    }

    /// Puts what is pending of a partition where the rest of it is.
    fn put_away(&mut self, place: usize) -> Result<()> {
        let schema = Arc::clone(self.spill.schema());
        let Some(partition) = self.partitions.get_mut(place) else {
            return Ok(());
        };
        if partition.pending.is_empty() {
            return Ok(());
        }
        let chunk = concat_batches(&schema, &partition.pending)?;
        partition.pending.clear();
        partition.pending_bytes = 0;
        let chunk_cost = cost(&chunk);
        partition.cost += chunk_cost;
        while let Some(partition) = self.partitions.get_mut(place) {
            match &mut partition.place {
                Place::File(file) => return append(&self.spill, file, &chunk, self.chunk_bytes),
                Place::Memory(kept) => match self.memory.try_grow(chunk_cost) {
                    Ok(()) => {
                        kept.push(chunk);
                        return Ok(());
                    }
                    Err(error) if is_exhausted(&error) => self.make_room(place)?,
                    Err(error) => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Writes something to a file: of a partition that goes to one already, or else of the one in memory that takes most,
    /// `place` before others.
    fn make_room(&mut self, place: usize) -> Result<()> {
        if self.write_some()? {
            return Ok(());
        }
        let kept = self.partitions.iter_mut().enumerate();
        let kept = kept.filter(|(_, partition)| matches!(partition.place, Place::Memory(_)));
        let largest = kept.max_by_key(|(index, partition)| (partition.cost, *index == place));
        if let Some((_, partition)) = largest
            && let Place::Memory(kept) = std::mem::replace(&mut partition.place, Place::File(None))
        {
            partition.backlog = kept;
        }
        self.write_some().map(|_| ())
    }

    /// Writes some of the rows that are to go to a file and are in memory still; tells whether there were any.
    pub(super) fn write_some(&mut self) -> Result<bool> {
        let mut backlogs = self.partitions.iter_mut();
        let Some(partition) = backlogs.find(|partition| !partition.backlog.is_empty()) else {
            return Ok(false);
        };
        let rest = partition.backlog.len().saturating_sub(STEP_CHUNKS);
        for chunk in partition.backlog.drain(rest..) {
            if let Place::File(file) = &mut partition.place {
                append(&self.spill, file, &chunk, self.chunk_bytes)?;
            }
            self.memory.shrink(cost(&chunk));
        }
        Ok(true)
    }

    /// Puts away what is pending of all partitions; after it [`Partitions::write_some`] ends what was begun.
    pub(super) fn put_all_away(&mut self) -> Result<()> {
        (0..self.partitions.len()).try_for_each(|place| self.put_away(place))
    }

    /// Ends all partitions, and gives them in their order.
    pub(super) fn complete(mut self) -> Result<Vec<Complete>> {
        self.put_all_away()?;
        while self.write_some()? {}
        let complete = self.partitions.into_iter().map(|partition| {
            let mut append = match partition.place {
                Place::Memory(kept) => return Ok(Complete::Kept(kept)),
                Place::File(append) => append,
            };
            let file = match &mut append {
                Some(append) => append(None)?,
                None => None,
            };
            Ok(Complete::Filed(Filed {
                file,
                rows: partition.rows,
                cost: partition.cost,
            }))
        });
        complete.collect()
    }
}

/// Writes rows in batches that are not larger than some chunks: each must fit into memory when it is read.
fn append(
    spill: &SpillManager,
    file: &mut Option<Append>,
    chunk: &RecordBatch,
    chunk_bytes: usize,
) -> Result<()> {
    if file.is_none() {
        let mut made = spill.create_in_progress_file(DESCRIPTION)?;
        *file = Some(Box::new(move |batch| match batch {
            Some(batch) => made.append_batch(batch).map(|_| None),
            None => made.finish(),
        }));
    }
    let Some(append) = file else {
        return Ok(());
    };
    let rows = chunk.num_rows();
    let pieces = bytes(chunk) / (chunk_bytes * PIECE_CHUNKS) + 1;
    if pieces == 1 {
        return append(Some(chunk)).map(|_| ());
    }
    let piece_rows = rows.div_ceil(pieces).max(1);
    for first in (0..rows).step_by(piece_rows) {
        let piece = compacted(chunk.slice(first, piece_rows.min(rows - first)))?;
        append(Some(&piece))?;
    }
    Ok(())
}
