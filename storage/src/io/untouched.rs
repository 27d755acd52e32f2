//! A data directory seen by someone who must not change it, whether or not a server has it open.
//!
//! What recovery would mend is left as it is: nothing is locked, a torn tail is not cut, and leftovers
//! are not removed. So the reader goes through the very code that opens a directory.

use super::{AppendFile, BlockStore, failed, read};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Reads files below a directory and changes none.
#[derive(Debug)]
pub struct Untouched {
    root: PathBuf,
    /// The file read last: blocks of one file are read one after the other.
    last: Mutex<Option<(PathBuf, Arc<File>)>>,
}

impl Untouched {
    /// Looks at an existing directory.
    pub fn open(root: &Path) -> Result<Self> {
        let root = root
            .canonicalize()
            .map_err(|error| failed("open", root, error))?;
        Ok(Self {
            root,
            last: Mutex::default(),
        })
    }

    fn file(&self, path: &Path) -> Result<Arc<File>> {
        // A place of one value is whole whatever panicked.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = last.as_ref().filter(|(known, _)| known == path) {
            return Ok(Arc::clone(file));
        }
        let whole = self.root.join(path);
        let file = Arc::new(File::open(&whole).map_err(|error| failed("open", &whole, error))?);
        *last = Some((path.to_owned(), Arc::clone(&file)));
        Ok(file)
    }
}

fn refused(path: &Path) -> Error {
    let path = path.display();
    Error::Internal(format!("\"{path}\" would be written by a reader"))
}

impl BlockStore for Untouched {
    fn create(
        &self,
        path: &Path,
        _fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<u64> {
        Err(refused(path))
    }

    fn sync_dir(&self, _path: &Path) -> Result<()> {
        Ok(())
    }

    fn read_at(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let file = self.file(path)?;
        read::read_exact(&file, &self.root, path, offset, buffer)
    }

    fn size(&self, path: &Path) -> Result<Option<u64>> {
        read::size(&self.root.join(path))
    }

    /// Leaves the file.
    fn remove(&self, _path: &Path) -> Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, _to: &Path) -> Result<()> {
        Err(refused(from))
    }

    fn list(&self, path: &Path) -> Result<Vec<PathBuf>> {
        read::entries(&self.root, path, false)
    }

    fn list_dirs(&self, path: &Path) -> Result<Vec<PathBuf>> {
        read::entries(&self.root, path, true)
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        Ok(Box::new(Closed(path.to_owned())))
    }
}

/// The log of a reader: nothing is appended, and a torn tail stays.
#[derive(Debug)]
struct Closed(PathBuf);

impl AppendFile for Closed {
    fn append(&mut self, _bytes: &[u8]) -> Result<()> {
        Err(refused(&self.0))
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn truncate(&mut self, _size: u64) -> Result<()> {
        Ok(())
    }
}
