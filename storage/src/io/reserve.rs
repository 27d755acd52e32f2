//! Room on the device that is kept for work that gives room back.
//!
//! A DROP needs a record in the log before it can remove a file, and a DELETE a mask. On a device that is
//! full to the last byte neither would work, so a file of zeros holds a little room from the start. It
//! is cut when such work finds no room, and grows again as soon as there is some.

use super::DiskSpace;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The file that holds the room.
pub(crate) const RESERVE_FILE: &str = "RESERVE";

/// The least and the most of it; between them it is a hundredth of the device.
const BYTES_MIN: u64 = 256 * 1024;
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Into how many parts it is given away, unless one asks for more.
const PARTS: u64 = 8;

/// The file, and how much of it is left.
#[derive(Debug)]
pub(super) struct Reserve {
    file: File,
    wanted_bytes: u64,
    held_bytes: Mutex<u64>,
}

impl Reserve {
    /// Opens or makes the file in `root`, and takes as much room as there is.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let space = DiskSpace::of(root).map_err(io::Error::other)?;
        let wanted_bytes = (space.total_bytes / 100).clamp(BYTES_MIN, BYTES_MAX);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(root.join(RESERVE_FILE))?;
        let held = file.metadata()?.len();
        let reserve = Self {
            file,
            wanted_bytes,
            held_bytes: Mutex::new(held),
        };
        reserve.refill();
        Ok(reserve)
    }

    /// Gives at least `bytes` back to the device, or what is left; `false` if nothing is.
    pub(super) fn release(&self, bytes: u64) -> bool {
        let mut held = self.held_bytes();
        let left = held.saturating_sub(bytes.max(self.wanted_bytes / PARTS));
        if *held == 0 || self.file.set_len(left).is_err() {
            return false;
        }
        tracing::warn!(left, "the device is full: room kept for this is given away");
        *held = left;
        true
    }

    /// Takes room again, if some is missing and there is any.
    pub(super) fn refill(&self) {
        let mut held = self.held_bytes();
        if *held == self.wanted_bytes {
            return;
        }
        // Taken by the part, for there may be room for some of it only.
        let part = self.wanted_bytes.div_ceil(PARTS);
        while *held < self.wanted_bytes {
            let next = (*held + part).min(self.wanted_bytes);
            // Every byte is asked for: one that a copy of the directory made sparse holds no room.
            let taken = fallocate(&self.file, FallocateFlags::empty(), 0, next);
            if taken.is_err() {
                // A failed call may have taken a part. Where there is no such call nothing is kept.
                let _ = self.file.set_len(*held);
                return;
            }
            *held = next;
        }
        if *held > self.wanted_bytes && self.file.set_len(self.wanted_bytes).is_ok() {
            *held = self.wanted_bytes;
        }
    }

    fn held_bytes(&self) -> std::sync::MutexGuard<'_, u64> {
        // A number is whole whatever panicked.
        self.held_bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn room_is_held_given_away_and_taken_again() {
        let directory = tempfile::tempdir().unwrap();
        let reserve = Reserve::open(directory.path()).unwrap();
        let path = directory.path().join(RESERVE_FILE);
        let held = || path.metadata().unwrap();
        let all = held().len();
        assert!(all >= BYTES_MIN && held().blocks() * 512 >= all);
        assert!(reserve.release(1));
        assert!(held().len() < all);
        assert!(reserve.release(all));
        assert!(!reserve.release(1), "nothing is left");
        assert_eq!(held().blocks(), 0);
        reserve.refill();
        assert_eq!(held().len(), all);
        drop(reserve);
        let _again = Reserve::open(directory.path()).unwrap();
        assert_eq!(held().len(), all);
    }
}
