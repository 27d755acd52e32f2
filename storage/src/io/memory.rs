//! Files in memory, for tests. Unlike a real disk it can lose exactly what was not synced, or any
//! part of it that a power loss might take: sectors of a write in any order, the size of a file, names.

use super::{AppendFile, BlockStore, too_short};
use crate::env::Random;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a device writes whole or not at all.
const SECTOR_BYTES: usize = 512;

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

/// Counts what reaches the device, and ends it.
#[derive(Debug)]
struct Power {
    steps: AtomicUsize,
    ends_at: AtomicUsize,
}

impl Default for Power {
    fn default() -> Self {
        Self {
            steps: AtomicUsize::new(0),
            ends_at: AtomicUsize::new(usize::MAX),
        }
    }
}

impl Power {
    fn is_on(&self) -> bool {
        self.steps.load(Ordering::SeqCst) <= self.ends_at.load(Ordering::SeqCst)
    }

    fn ensure_on(&self, path: &Path) -> Result<()> {
        match self.is_on() {
            true => Ok(()),
            false => Err(Error::Io {
                action: "reach",
                path: path.to_owned(),
                source: io::Error::other("the power is off"),
            }),
        }
    }

    /// Passes a moment at which the power may end.
    fn step(&self, path: &Path) -> Result<()> {
        self.steps.fetch_add(1, Ordering::SeqCst);
        self.ensure_on(path)
    }
}

/// Keeps files in memory.
#[derive(Debug, Default)]
pub struct Memory {
    names: Mutex<Names>,
    power: Arc<Power>,
}

impl Memory {
    /// Ends the power after that many more steps, a step being a part of an operation: of a create the
    /// name, the bytes, the sync. All operations after it fail.
    pub fn end_power_after(&self, steps: usize) {
        let ends_at = self.power.steps.load(Ordering::SeqCst) + steps;
        self.power.ends_at.store(ends_at, Ordering::SeqCst);
    }

    /// Tells whether the power has not ended.
    pub fn has_power(&self) -> bool {
        self.power.is_on()
    }

    /// Gives power again. What was synced is there; of everything else, chance decides by the sector
    /// which bytes, by the file which size, and by the name whether it was made, moved or removed.
    pub fn restore_power(&self, random: &dyn Random) {
        let mut names = lock(&self.names);
        let names = &mut *names;
        let mut paths: Vec<PathBuf> = names
            .now
            .keys()
            .chain(names.durable.keys())
            .cloned()
            .collect();
        paths.sort();
        paths.dedup();
        let mut survived = BTreeMap::new();
        // Both names of a file that was moved change together.
        let mut is_new: HashMap<usize, bool> = HashMap::new();
        for path in paths {
            let (now, durable) = (names.now.get(&path), names.durable.get(&path));
            let key = now
                .or(durable)
                .map_or(0, |inode| Arc::as_ptr(inode) as usize);
            let is_new = *is_new
                .entry(key)
                .or_insert_with(|| random.next().is_multiple_of(2));
            if let Some(inode) = if is_new { now } else { durable } {
                survived.insert(path, Arc::clone(inode));
            }
        }
        for inode in survived.values() {
            let mut inode = lock(inode);
            let bytes = partly_written(&inode.synced, &inode.bytes, random);
            inode.synced.clone_from(&bytes);
            inode.bytes = bytes;
        }
        names.now.clone_from(&survived);
        names.durable = survived;
        self.power.ends_at.store(usize::MAX, Ordering::SeqCst);
    }

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

/// Gives what a file may hold when power ends between `old`, which is synced, and `new`.
fn partly_written(old: &[u8], new: &[u8], random: &dyn Random) -> Vec<u8> {
    if old == new {
        return old.to_vec();
    }
    let (least, most) = (old.len().min(new.len()), old.len().max(new.len()));
    let size = match random.next() % 4 {
        0 => old.len(),
        1 => least + random.next() as usize % (most - least + 1),
        _ => new.len(),
    };
    // All of it, or any sectors.
    let share = random.next() % 5;
    let mut bytes = vec![0; size];
    for (number, sector) in bytes.chunks_mut(SECTOR_BYTES).enumerate() {
        let at = number * SECTOR_BYTES;
        let source = if random.next() % 4 < share { new } else { old };
        let rest = source.get(at..).unwrap_or_default();
        for (byte, written) in sector.iter_mut().zip(rest) {
            *byte = *written;
        }
    }
    bytes
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
        self.power.step(path)?;
        let inode = Arc::new(Mutex::new(Inode::default()));
        lock(&self.names)
            .now
            .insert(path.to_owned(), Arc::clone(&inode));
        self.power.step(path)?;
        lock(&inode).bytes.clone_from(&bytes);
        self.power.step(path)?;
        lock(&inode).synced = bytes;
        self.power.step(path)?;
        Ok(size)
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.power.step(path)?;
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
        self.power.step(path)
    }

    fn read_at(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.power.ensure_on(path)?;
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
        self.power.ensure_on(path)?;
        Ok(self.find(path).map(|inode| lock(&inode).bytes.len() as u64))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.power.step(path)?;
        lock(&self.names).now.remove(path);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let inode = self.must_find("rename", from)?;
        self.power.step(from)?;
        {
            let mut names = lock(&self.names);
            names.now.remove(from);
            names.now.insert(to.to_owned(), inode);
        }
        to.parent().map_or(Ok(()), |parent| self.sync_dir(parent))
    }

    fn list(&self, path: &Path) -> Result<Vec<PathBuf>> {
        self.power.ensure_on(path)?;
        let names = lock(&self.names);
        Ok(names
            .now
            .keys()
            .filter(|file| file.parent() == Some(path))
            .cloned()
            .collect())
    }

    fn list_dirs(&self, path: &Path) -> Result<Vec<PathBuf>> {
        self.power.ensure_on(path)?;
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
        self.power.ensure_on(path)?;
        Ok(Box::new(MemoryAppend {
            inode: self.must_find("open", path)?,
            power: Arc::clone(&self.power),
            path: path.to_owned(),
        }))
    }
}

#[derive(Debug)]
struct MemoryAppend {
    inode: Shared,
    power: Arc<Power>,
    path: PathBuf,
}

impl AppendFile for MemoryAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.power.step(&self.path)?;
        lock(&self.inode).bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.power.step(&self.path)?;
        {
            let mut inode = lock(&self.inode);
            inode.synced = inode.bytes.clone();
        }
        self.power.step(&self.path)
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        self.power.step(&self.path)?;
        lock(&self.inode).bytes.truncate(size as usize);
        Ok(())
    }
}
