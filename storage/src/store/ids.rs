//! Ids that never repeat.
//!
//! Ids of files are `epoch << 32 | counter`. The epoch of a run is one more than any epoch the log
//! names or any file carries, orphans included, so a file name is never used twice.
//! Ids of catalog objects are small (clients read them as 32-bit OIDs). Each batch of commits carries
//! the next one, so an id that any commit used is never given again.

use std::sync::atomic::{AtomicU64, Ordering};

/// The first id of a catalog object; those below are left to built-in objects.
pub(super) const FIRST_CATALOG_ID: u64 = 100_000;

/// Bits of the counter within an epoch.
const COUNTER_BITS: u32 = 32;

/// Gives out ids.
#[derive(Debug)]
pub(crate) struct Ids {
    epoch: u64,
    next_file: AtomicU64,
    next_catalog: AtomicU64,
}

impl Ids {
    pub(super) fn new(epoch: u64, next_catalog: u64) -> Self {
        let next_file = AtomicU64::new((epoch << COUNTER_BITS) + 1);
        Self {
            epoch,
            next_file,
            next_catalog: AtomicU64::new(next_catalog),
        }
    }

    /// Gives the epoch that the id of a file was made in.
    pub(crate) fn epoch_of(file_id: u64) -> u64 {
        file_id >> COUNTER_BITS
    }

    /// Gives the epoch of this run.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Gives a fresh id for a file.
    pub(super) fn take_file_id(&self) -> u64 {
        self.next_file.fetch_add(1, Ordering::Relaxed)
    }

    /// Gives a fresh id for a catalog object.
    pub(super) fn take_catalog_id(&self) -> u64 {
        self.next_catalog.fetch_add(1, Ordering::Relaxed)
    }

    /// Gives the id that comes next, without taking it.
    pub(super) fn next_catalog_id(&self) -> u64 {
        self.next_catalog.load(Ordering::Relaxed)
    }
}
