//! A directory of a local file system.

use super::reserve::Reserve;
use super::site::{Step, pass, pass_write};
use super::{AppendFile, BlockStore, failed, read};
use crate::error::{Error, Result};
use quick_cache::sync::Cache;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Open files kept for reading; far below the usual limit of 1 024 descriptors.
const OPEN_FILES_MAX: usize = 256;

/// Bytes gathered before a write reaches the system.
const WRITE_BUFFER_BYTES: usize = 256 * 1024;

/// The file whose lock says that a server owns the directory.
pub(crate) const LOCK_FILE: &str = "LOCK";

/// Keeps files below one directory, which it locks for its own life.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    sync: bool,
    open: Cache<PathBuf, Arc<File>>,
    reserve: Option<Reserve>,
    /// Held while a directory is made, so that nobody writes into one whose name may still be lost.
    making: Mutex<()>,
    _lock: File,
}

impl Disk {
    /// Makes the directory with mode 0700 if missing, and locks it; `Locked` if another server holds
    /// the lock. Without `sync` nothing is synced: for tests that measure something else.
    pub fn open(root: &Path, sync: bool) -> Result<Self> {
        if !root.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(root)
                .map_err(|error| failed("create", root, error))?;
        }
        fs::set_permissions(root, fs::Permissions::from_mode(0o700))
            .map_err(|error| failed("restrict", root, error))?;
        let path = root.join(LOCK_FILE);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed("open", &path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked {
                    path: root.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path, error)),
        }
        let root = root
            .canonicalize()
            .map_err(|error| failed("open", root, error))?;
        let disk = Self {
            root,
            sync,
            open: Cache::new(OPEN_FILES_MAX),
            reserve: None,
            making: Mutex::default(),
            _lock: lock,
        };
        disk.sync_parents()?;
        Ok(disk)
    }

    /// Makes the names of directories last that an earlier run made and may not have come to sync.
    fn sync_parents(&self) -> Result<()> {
        let (mut parents, mut at) = (vec![self.root.clone()], 0);
        while let Some(parent) = parents.get(at).cloned() {
            at += 1;
            let failed = |error| failed("list", &parent, error);
            for entry in fs::read_dir(&parent).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                let is_slice = |name: &OsStr| name.as_encoded_bytes().starts_with(b"slice-");
                if parent == self.root && path.file_name().is_some_and(is_slice) {
                    parents.push(path);
                }
            }
            self.sync_whole(&parent)?;
        }
        Ok(())
    }

    /// Keeps room on the device from now on for work that gives room back. Where there is no room to
    /// keep, or no way to, the device must not be filled to the last byte.
    pub fn keep_reserve(&mut self) {
        match Reserve::open(&self.root) {
            Ok(reserve) => self.reserve = Some(reserve),
            Err(error) => tracing::warn!(%error, "no room is kept for a DROP on a full device"),
        }
    }

    /// Gives the directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a directory below the root, empties it if it has files, and gives its whole path.
    pub fn empty_dir(&self, path: &Path) -> Result<PathBuf> {
        let whole = self.root.join(path);
        match fs::remove_dir_all(&whole) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed("empty", &whole, error));
            }
            _ => {}
        }
        self.ensure_dir(&whole)?;
        Ok(whole)
    }

    /// Makes a directory and those above it, and syncs each directory that got a new entry.
    fn ensure_dir(&self, whole: &Path) -> Result<()> {
        // Nothing is kept under it.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        self.make_dir(whole)
    }

    fn make_dir(&self, whole: &Path) -> Result<()> {
        if whole.is_dir() {
            return Ok(());
        }
        let Some(parent) = whole.parent() else {
            return Ok(());
        };
        self.make_dir(parent)?;
        let made = pass(Step::MakeDir, whole, || {
            DirBuilder::new().mode(0o700).create(whole)
        });
        match made {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(failed("create", whole, error))
            }
            _ => {
                let synced = self.sync_whole(parent);
                if synced.is_err() {
                    // Whoever comes next must not take it for one that lasts.
                    let _ = fs::remove_dir(whole);
                }
                synced
            }
        }
    }

    fn sync_whole(&self, whole: &Path) -> Result<()> {
        if !self.sync {
            return Ok(());
        }
        let dir = File::open(whole).map_err(|error| failed("open", whole, error))?;
        pass(Step::SyncDir, whole, || dir.sync_all()).map_err(|error| failed("sync", whole, error))
    }

    fn file(&self, path: &Path) -> Result<Arc<File>> {
        if let Some(file) = self.open.get(path) {
            return Ok(file);
        }
        let whole = self.root.join(path);
        let file = Arc::new(File::open(&whole).map_err(|error| failed("open", &whole, error))?);
        self.open.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }
}

impl BlockStore for Disk {
    fn create(
        &self,
        path: &Path,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<u64> {
        let whole = self.root.join(path);
        if let Some(parent) = whole.parent() {
            self.ensure_dir(parent)?;
        }
        let open = || {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            options.open(&whole)
        };
        let file =
            pass(Step::Create, &whole, open).map_err(|error| failed("create", &whole, error))?;
        let written = write_through(&file, &whole, fill).and_then(|size| {
            if self.sync {
                pass(Step::Sync, &whole, || file.sync_all())
                    .map_err(|error| failed("sync", &whole, error))?;
            }
            Ok(size)
        });
        if written.is_err() {
            // The first error is the one to report; a file left behind is an orphan and is swept.
            let _ = fs::remove_file(&whole);
        }
        written
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.sync_whole(&self.root.join(path))
    }

    fn read_at(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let file = self.file(path)?;
        read::read_exact(&file, &self.root, path, offset, buffer)
    }

    fn size(&self, path: &Path) -> Result<Option<u64>> {
        read::size(&self.root.join(path))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.open.remove(path);
        let whole = self.root.join(path);
        match pass(Step::Remove, &whole, || fs::remove_file(&whole)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("remove", &whole, error))
            }
            _ => Ok(()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.open.remove(from);
        self.open.remove(to);
        let (from, to) = (self.root.join(from), self.root.join(to));
        pass(Step::Rename, &to, || fs::rename(&from, &to))
            .map_err(|error| failed("rename", &from, error))?;
        to.parent().map_or(Ok(()), |parent| self.sync_whole(parent))
    }

    fn list(&self, path: &Path) -> Result<Vec<PathBuf>> {
        read::entries(&self.root, path, false)
    }

    fn list_dirs(&self, path: &Path) -> Result<Vec<PathBuf>> {
        read::entries(&self.root, path, true)
    }

    fn release_reserve(&self, bytes: u64) -> bool {
        let reserve = self.reserve.as_ref();
        reserve.is_some_and(|reserve| reserve.release(bytes))
    }

    fn prepare_reserve(&self, bytes: u64) {
        // Where the room cannot be measured, the work finds out.
        let free = super::DiskSpace::of(&self.root).map_or(u64::MAX, |space| space.free_bytes);
        if let (Some(reserve), true) = (&self.reserve, free < bytes) {
            reserve.release(bytes - free);
        }
    }

    fn refill_reserve(&self) {
        if let Some(reserve) = &self.reserve {
            reserve.refill();
        }
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        self.open.remove(path);
        let path = self.root.join(path);
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(|error| failed("open", &path, error))?;
        Ok(Box::new(DiskAppend {
            file,
            path,
            sync: self.sync,
        }))
    }
}

/// Runs `fill` over a buffered file. A full device is told as such even if `fill` wrapped its error.
fn write_through(
    file: &File,
    whole: &Path,
    fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
) -> Result<u64> {
    let counter = Counted {
        file,
        whole,
        bytes: 0,
        full: false,
    };
    let mut writer = BufWriter::with_capacity(WRITE_BUFFER_BYTES, counter);
    let filled = fill(&mut writer).and_then(|()| {
        writer
            .flush()
            .map_err(|error| failed("write", whole, error))
    });
    let (counter, _unwritten) = writer.into_parts();
    match filled {
        Err(_) if counter.full => Err(Error::DiskFull {
            path: whole.to_owned(),
        }),
        Err(error) => Err(error),
        Ok(()) => Ok(counter.bytes),
    }
}

/// Counts the bytes of a file and remembers a full device.
struct Counted<'a> {
    file: &'a File,
    whole: &'a Path,
    bytes: u64,
    full: bool,
}

impl Write for Counted<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let mut file = self.file;
        match pass_write(Step::Write, self.whole, buffer, |bytes| file.write(bytes)) {
            Ok(written) => {
                self.bytes += written as u64;
                Ok(written)
            }
            Err(error) => {
                self.full |= matches!(
                    error.kind(),
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded
                );
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct DiskAppend {
    file: File,
    path: PathBuf,
    sync: bool,
}

impl AppendFile for DiskAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut file = &self.file;
        pass_write(Step::Append, &self.path, bytes, |bytes| {
            file.write_all(bytes)
        })
        .map_err(|error| failed("append to", &self.path, error))
    }

    fn sync(&mut self) -> Result<()> {
        if !self.sync {
            return Ok(());
        }
        pass(Step::SyncLog, &self.path, || self.file.sync_data())
            .map_err(|error| failed("sync", &self.path, error))
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        pass(Step::Cut, &self.path, || self.file.set_len(size))
            .map_err(|error| failed("cut", &self.path, error))
    }
}
