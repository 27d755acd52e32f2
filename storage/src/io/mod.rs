//! Files: trait [`BlockStore`] and its keepers.
//!
//! Two rules a newcomer would get wrong: a file's *name* survives only after [`BlockStore::sync_dir`]
//! of its directory, and a failed sync is never tried again by anyone.

mod disk;
mod faulty;
mod memory;
mod site;
mod untouched;
mod reserve;
mod read;
mod space;

pub use disk::Disk;
pub(crate) use disk::LOCK_FILE;
pub use faulty::{Fault, Faulty};
pub use memory::Memory;
pub(crate) use site::{Step, pass, pass_write};
pub use space::DiskSpace;
pub use untouched::Untouched;

use crate::error::{Error, Result};
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
    /// Lists the files of a directory, not its subdirectories; empty if missing. Paths are relative
    /// to the data directory, in no order.
    fn list(&self, path: &Path) -> Result<Vec<PathBuf>>;
    /// Lists the subdirectories of a directory; empty if missing.
    fn list_dirs(&self, path: &Path) -> Result<Vec<PathBuf>>;
    /// Opens an existing file to append to it.
    fn open_append(&self, path: &Path) -> Result<Box<dyn AppendFile>>;

    /// Gives away room that was kept for work that gives room back, at least `bytes` of it or what is
    /// left. To be called once such work found the device full; `false` if no room is left to give.
    fn release_reserve(&self, bytes: u64) -> bool {
        let _ = bytes;
        false
    }

    /// Gives room away ahead of such work, as far as there are fewer than `bytes` free.
    fn prepare_reserve(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Keeps room for such work again, if it was given away and there is some.
    fn refill_reserve(&self) {}

    /// Reads a whole file; `None` if there is none.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let Some(size) = self.size(path)? else {
            return Ok(None);
        };
        let mut bytes = vec![0; size as usize];
        self.read_at(path, 0, &mut bytes)?;
        Ok(Some(bytes))
    }
}

/// A file that only grows, but for a torn or refused tail cut off its end.
pub trait AppendFile: Send + std::fmt::Debug {
    /// Writes at the end; not durable before [`AppendFile::sync`]. After an error the end of the file
    /// may hold a part of `bytes`.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;
    /// Makes all appended bytes and the size durable.
    fn sync(&mut self) -> Result<()>;
    /// Cuts the file to `size` bytes; not durable before [`AppendFile::sync`].
    fn truncate(&mut self, size: u64) -> Result<()>;
}

/// Does `work`, which gives room back in the end and takes up `bytes` meanwhile. On a full device it is
/// done again with room that was kept for it.
pub(crate) fn with_reserve<T>(
    io: &dyn BlockStore,
    bytes: u64,
    mut work: impl FnMut() -> Result<T>,
) -> Result<T> {
    loop {
        match work() {
            Err(Error::DiskFull { .. }) if io.release_reserve(bytes) => {}
            done => return done,
        }
    }
}

/// Turns what the system said into an error that names the file.
pub(crate) fn failed(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    match source.kind() {
        StorageFull | QuotaExceeded => Error::DiskFull {
            path: path.to_owned(),
        },
        _ => Error::Io {
            action,
            path: path.to_owned(),
            source,
        },
    }
}

/// A read beyond the end of a file: it was cut, or a length in it is damaged.
pub(crate) fn too_short(path: &Path, offset: u64, wanted: usize) -> Error {
    Error::Corrupt {
        path: path.to_owned(),
        what: "file".to_owned(),
        reason: format!(
            "it ends before byte {} that should be in it",
            offset + wanted as u64
        ),
    }
}

#[cfg(test)]
mod tests;
