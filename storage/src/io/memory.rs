//! Files in memory, for tests. Unlike a real disk it can lose exactly what was not synced.

use super::{AppendFile, BlockStore, too_short};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a file and how many of them a power loss would leave.
#[derive(Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

type Shared = Arc<Mutex<Inode>>;

#[derive(Debug, Default)]
struct Names {
    now: BTreeMap<PathBuf, Shared>,
    durable: BTreeMap<PathBuf, Shared>,
}

/// Keeps files in memory.
#[derive(Debug, Default)]
pub struct Memory {
    names: Mutex<Names>,
}

impl Memory {
    /// Forgets whatever a power loss would: bytes not synced, names whose directory was not synced.
    pub fn lose_power(&self) {
        let mut names = lock(&self.names);
        names.now = names.durable.clone();
        for inode in names.now.values() {
            let mut inode = lock(inode);
            inode.bytes = inode.synced.clone();
        }
    }

    /// Replaces the bytes of a file, durably: for tests that damage it.
    pub fn overwrite(&self, path: &Path, bytes: Vec<u8>) {
        let inode = Arc::new(Mutex::new(Inode {
            synced: bytes.clone(),
            bytes,
        }));
        let mut names = lock(&self.names);
        names.now.insert(path.to_owned(), Arc::clone(&inode));
        names.durable.insert(path.to_owned(), inode);
    }

    /// Copies everything, as a power loss at this moment would *not*: for tests that try many ends.
    pub fn fork(&self) -> Self {
        let fork = Self::default();
        for (path, inode) in &lock(&self.names).now {
            fork.overwrite(path, lock(inode).bytes.clone());
        }
        fork
    }

    /// Lists every file.
    pub fn files(&self) -> Vec<PathBuf> {
        lock(&self.names).now.keys().cloned().collect()
    }

    fn find(&self, path: &Path) -> Option<Shared> {
        lock(&self.names).now.get(path).cloned()
    }

    fn must_find(&self, action: &'static str, path: &Path) -> Result<Shared> {
        self.find(path).ok_or_else(|| Error::Io {
            action,
            path: path.to_owned(),
            source: io::Error::from(ErrorKind::NotFound),
        })
    }
}

/// A test that panicked in between leaves nothing half done in here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BlockStore for Memory {
    fn create(
        &self,
        path: &Path,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<u64> {
        if self.find(path).is_some() {
            return Err(Error::Io {
                action: "create",
                path: path.to_owned(),
                source: io::Error::from(ErrorKind::AlreadyExists),
            });
        }
        let mut bytes = Vec::new();
        fill(&mut bytes)?;
        let size = bytes.len() as u64;
        let inode = Inode {
            synced: bytes.clone(),
            bytes,
        };
        lock(&self.names)
            .now
            .insert(path.to_owned(), Arc::new(Mutex::new(inode)));
        Ok(size)
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        let mut names = lock(&self.names);
        let names = &mut *names;
        names.durable.retain(|file, _| file.parent() != Some(path));
        let inside = names
            .now
            .iter()
            .filter(|(file, _)| file.parent() == Some(path));
        names
            .durable
            .extend(inside.map(|(file, inode)| (file.clone(), Arc::clone(inode))));
        Ok(())
    }

    fn read_at(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let inode = self.must_find("open", path)?;
        let inode = lock(&inode);
        let start = offset as usize;
        let bytes = inode
            .bytes
            .get(start..start.saturating_add(buffer.len()))
            .ok_or_else(|| too_short(path, offset, buffer.len()))?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn size(&self, path: &Path) -> Result<Option<u64>> {
        Ok(self.find(path).map(|inode| lock(&inode).bytes.len() as u64))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        lock(&self.names).now.remove(path);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let inode = self.must_find("rename", from)?;
        {
            let mut names = lock(&self.names);
            names.now.remove(from);
            names.now.insert(to.to_owned(), inode);
        }
        to.parent().map_or(Ok(()), |parent| self.sync_dir(parent))
    }

    fn list(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let names = lock(&self.names);
        Ok(names
            .now
            .keys()
            .filter(|file| file.parent() == Some(path))
            .cloned()
            .collect())
    }

    fn list_dirs(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let names = lock(&self.names);
        let mut dirs = Vec::new();
        for file in names.now.keys() {
            let inside = file.strip_prefix(path).ok();
            let mut parts = inside.into_iter().flat_map(Path::components);
            if let (Some(first), Some(_)) = (parts.next(), parts.next()) {
                dirs.push(path.join(first));
            }
        }
        dirs.dedup();
        Ok(dirs)
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        Ok(Box::new(MemoryAppend {
            inode: self.must_find("open", path)?,
        }))
    }
}

#[derive(Debug)]
struct MemoryAppend {
    inode: Shared,
}

impl AppendFile for MemoryAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        lock(&self.inode).bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let mut inode = lock(&self.inode);
        inode.synced = inode.bytes.clone();
        Ok(())
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        lock(&self.inode).bytes.truncate(size as usize);
        Ok(())
    }
}
