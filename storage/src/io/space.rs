//! The room of the file system that holds the data directory.

use crate::error::{Error, Result};
use std::path::Path;

/// The room of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// All of it.
    pub total_bytes: u64,
    /// What this process may still write.
    pub free_bytes: u64,
}

impl DiskSpace {
    /// Asks the file system that holds `path`.
    pub fn of(path: &Path) -> Result<Self> {
        let failed = |source: rustix::io::Errno| Error::Io {
            action: "measure the disk of",
            path: path.into(),
            source: source.into(),
        };
        let found = rustix::fs::statvfs(path).map_err(failed)?;
        Ok(Self {
            total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        })
    }
}
