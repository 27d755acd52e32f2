//! Which partition a row belongs to.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::NullBuffer;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;

/// The first of the seeds of hashes, none of which is the exchange's or that of the engine's hash tables: rows of a slice
/// have equal remainders of those.
const SEED: u64 = 0x5370_696C_6C4A_6F69;

/// What a seed is from the one before it.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Deals the rows of one side of a join.
pub(super) struct Splitter {
    keys: Vec<Arc<dyn PhysicalExpr>>,
    state: RandomState,
    /// Whether null keys are equal to each other.
    nulls_match: bool,
    hashes: Vec<u64>,
    /// The rows of each partition in the batch that was dealt last.
    rows: Vec<Vec<u32>>,
    next: usize,
}

impl Splitter {
    /// Deals rows to `partitions` by their keys, for the `depth`th time.
    pub(super) fn new(
        keys: Vec<Arc<dyn PhysicalExpr>>,
        nulls_match: bool,
        partitions: usize,
        depth: usize,
    ) -> Self {
        let seed = SEED.wrapping_add(SEED_STEP.wrapping_mul(depth as u64));
        Self {
            keys,
            state: RandomState::with_seed(seed),
            nulls_match,
            hashes: Vec::new(),
            rows: vec![Vec::new(); partitions.max(1)],
            next: 0,
        }
    }

    /// Gives the rows of a batch by partition. A row with a null key that matches nothing may go to any: they take
    /// turns, as there may be many.
    pub(super) fn split(&mut self, batch: &RecordBatch) -> Result<&[Vec<u32>]> {
        let count = batch.num_rows();
        let mut keys: Vec<ArrayRef> = Vec::with_capacity(self.keys.len());
        let mut nulls: Option<NullBuffer> = None;
        for key in &self.keys {
            let key = key.evaluate(batch)?.into_array(count)?;
            if !self.nulls_match {
                nulls = NullBuffer::union(nulls.as_ref(), key.logical_nulls().as_ref());
            }
            keys.push(key);
        }
        self.hashes.clear();
        self.hashes.resize(count, 0);
        create_hashes(&keys, &self.state, &mut self.hashes)?;
        let partitions = self.rows.len();
        self.rows.iter_mut().for_each(Vec::clear);
        for (row, hash) in (0_u32..).zip(&self.hashes) {
            let is_null = nulls
                .as_ref()
                .is_some_and(|nulls| nulls.is_null(row as usize));
            let place = match is_null {
                true => {
                    self.next = (self.next + 1) % partitions;
                    self.next
                }
                false => ((hash ^ (hash >> 32)) % partitions as u64) as usize,
            };
            if let Some(rows) = self.rows.get_mut(place) {
                rows.push(row);
            }
        }
        Ok(&self.rows)
    }
}
