//! Files that fail on purpose: wraps another keeper and breaks its n-th durable step.
//!
//! A *durable step* is a create, append, sync, cut, rename, remove or sync of a directory. Crash
//! tests count the steps of a workload once, then run it again for each step and each [`Fault`].

use super::{AppendFile, BlockStore};
use crate::error::{Error, Result};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How a step breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends before the step: it and all later operations fail.
    StopBefore,
    /// The process ends after the step was done but before its caller learns of it.
    StopAfter,
    /// The step fails and nothing is done; later steps work.
    Fail,
    /// The device is full for this step; an append leaves half of its bytes. Later steps work.
    Full,
}

/// Wraps another keeper and breaks one of its steps.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn BlockStore>,
    switch: Arc<Switch>,
}

#[derive(Debug)]
struct Switch {
    at: usize,
    fault: Fault,
    steps: AtomicUsize,
    stopped: AtomicBool,
}

impl Faulty {
    /// Breaks step number `at` (from 0) of `inner` in the way of `fault`; `usize::MAX` for none.
    pub fn new(inner: Arc<dyn BlockStore>, at: usize, fault: Fault) -> Self {
        let switch = Switch {
            at,
            fault,
            steps: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        };
        Self {
            inner,
            switch: Arc::new(switch),
        }
    }

    /// Counts the steps so far.
    pub fn steps(&self) -> usize {
        self.switch.steps.load(Ordering::SeqCst)
    }

    /// Tells whether the process would have ended.
    pub fn stopped(&self) -> bool {
        self.switch.stopped.load(Ordering::SeqCst)
    }
}

impl Switch {
    fn error(&self, path: &Path) -> Error {
        let source = io::Error::other("a fault was injected");
        Error::Io {
            action: "reach",
            path: path.to_owned(),
            source,
        }
    }

    fn ensure_running(&self, path: &Path) -> Result<()> {
        if self.stopped.load(Ordering::SeqCst) {
            Err(self.error(path))
        } else {
            Ok(())
        }
    }

    /// Runs a step, or the part of it that the fault leaves.
    fn step<T>(
        &self,
        path: &Path,
        whole: impl FnOnce() -> Result<T>,
        half: impl FnOnce(),
    ) -> Result<T> {
        self.ensure_running(path)?;
        let number = self.steps.fetch_add(1, Ordering::SeqCst);
        if number != self.at {
            return whole();
        }
        match self.fault {
            Fault::StopBefore => self.stopped.store(true, Ordering::SeqCst),
            Fault::StopAfter => {
                self.stopped.store(true, Ordering::SeqCst);
                whole()?;
            }
            Fault::Fail => {}
            Fault::Full => {
                half();
                return Err(Error::DiskFull {
                    path: path.to_owned(),
                });
            }
        }
        Err(self.error(path))
    }
}

impl BlockStore for Faulty {
    fn create(
        &self,
        path: &Path,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<u64> {
        self.switch
            .step(path, || self.inner.create(path, fill), || {})
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.switch.step(path, || self.inner.sync_dir(path), || {})
    }

    fn read_at(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.switch.ensure_running(path)?;
        self.inner.read_at(path, offset, buffer)
    }

    fn size(&self, path: &Path) -> Result<Option<u64>> {
        self.switch.ensure_running(path)?;
        self.inner.size(path)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.switch.step(path, || self.inner.remove(path), || {})
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.switch
            .step(from, || self.inner.rename(from, to), || {})
    }

    fn list(&self, path: &Path) -> Result<Vec<PathBuf>> {
        self.switch.ensure_running(path)?;
        self.inner.list(path)
    }

    fn list_dirs(&self, path: &Path) -> Result<Vec<PathBuf>> {
        self.switch.ensure_running(path)?;
        self.inner.list_dirs(path)
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        self.switch.ensure_running(path)?;
        let inner = self.inner.open_append(path)?;
        let switch = Arc::clone(&self.switch);
        Ok(Box::new(FaultyAppend {
            inner,
            switch,
            path: path.to_owned(),
        }))
    }
}

#[derive(Debug)]
struct FaultyAppend {
    inner: Box<dyn AppendFile>,
    switch: Arc<Switch>,
    path: PathBuf,
}

impl AppendFile for FaultyAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let inner = std::cell::RefCell::new(&mut self.inner);
        let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
        self.switch.step(
            &self.path,
            || inner.borrow_mut().append(bytes),
            // What is left of a refused write does not matter more than that something is.
            || drop(inner.borrow_mut().append(half)),
        )
    }

    fn sync(&mut self) -> Result<()> {
        self.switch.step(&self.path, || self.inner.sync(), || {})
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        self.switch
            .step(&self.path, || self.inner.truncate(size), || {})
    }
}
