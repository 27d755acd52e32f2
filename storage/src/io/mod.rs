//! Files: trait [`BlockStore`] and its keepers.

use crate::error::Result;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where row groups, masks and logs are kept. Paths are relative to the data directory.
pub trait BlockStore: Send + Sync + std::fmt::Debug {
    /// Makes a new file, lets `fill` write it, syncs it, and gives its size. On an error the partial
    /// file is removed. The directory is made if missing but not synced.
    fn create(
        &self,
        path: &Path,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<u64>;
    /// Syncs a directory, so that files made in it survive.
    fn sync_dir(&self, path: &Path) -> Result<()>;
    /// Reads exactly `buffer.len()` bytes at `offset`; a short file is `Corrupt`.
    fn read_at(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> Result<()>;
    /// Gives the size of a file; `None` if there is none.
    fn size(&self, path: &Path) -> Result<Option<u64>>;
    /// Removes a file; missing is not an error.
    fn remove(&self, path: &Path) -> Result<()>;
    /// Replaces `to` by `from` and syncs the directory.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Lists the files of a directory, not its subdirectories; empty if missing.
    fn list(&self, path: &Path) -> Result<Vec<PathBuf>>;
}
