//! What all scans of this process did, for whoever watches it. Scans add to it once a batch.

use std::sync::atomic::{AtomicU64, Ordering};

/// The scans of stored tables since the process started; a process has one node.
pub static SCANS: ScanTotals = ScanTotals::new();

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Total(AtomicU64);

impl Total {
    /// Begins at 0.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds to it.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Gives it.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What scans did.
#[derive(Debug)]
pub struct ScanTotals {
    /// Rows of the zones looked into.
    pub rows: Total,
    /// Encoded bytes read, from cache or disk.
    pub bytes: Total,
    /// Of those, bytes that came from disk.
    pub bytes_from_disk: Total,
    /// Blocks that were read.
    pub blocks_read: Total,
    /// Blocks that were skipped.
    pub blocks_pruned: Total,
}

impl ScanTotals {
    const fn new() -> Self {
        Self {
            rows: Total::new(),
            bytes: Total::new(),
            bytes_from_disk: Total::new(),
            blocks_read: Total::new(),
            blocks_pruned: Total::new(),
        }
    }
}
