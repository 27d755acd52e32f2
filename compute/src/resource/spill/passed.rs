//! Files by which an exchange passes single batches that do not fit into memory.
//!
//! The engine's exchange keeps a queue of spill files for each reader, and a reader waits for the first of them. Where two
//! writers spill at the same time there are two files that are not ended, and the batch for which the reader waits can be
//! in the second: then it never comes, as the writers wait for the reader (apache/datafusion#24883). So each file has
//! one batch (`session_config` says so), after which it is ended; it is open only while it is written or read, as there may be
//! as many of them as batches; and writing never fails, as that would leave a file that is never ended: what went wrong is
//! told to the reader.

use super::Counted;
use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::spill_file::{SpillFile, SpillWriter};
use futures::{Stream, StreamExt, stream};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tempfile::TempPath;

/// What the engine calls them.
pub(super) const DESCRIPTION: &str = "SpillPool";

/// A file of one batch, gone with its last reader.
pub(super) struct PassedFile {
    state: Arc<State>,
}

struct State {
    path: TempPath,
    counted: Arc<Counted>,
    failure: Mutex<Option<io::Error>>,
}

impl State {
    fn failure(&self) -> MutexGuard<'_, Option<io::Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PassedFile {
    /// Makes an empty file in a directory.
    pub(super) fn create(directory: &Path, counted: Arc<Counted>) -> Result<Self> {
        let file = tempfile::NamedTempFile::new_in(directory)?;
        let state = Arc::new(State {
            path: file.into_temp_path(),
            counted,
            failure: Mutex::new(None),
        });
        Ok(Self { state })
    }
}

impl SpillFile for PassedFile {
    fn path(&self) -> Option<&Path> {
        Some(&self.state.path)
    }

    fn size(&self) -> Option<u64> {
        Some(self.state.counted.bytes.load(Ordering::Relaxed))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a spill file is neither what must survive nor the user's"
    )]
    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let state = Arc::clone(&self.state);
        let whole = stream::once(async move {
            if let Some(failure) = state.failure().take() {
                return Err(DataFusionError::IoError(failure));
            }
            Ok(Bytes::from(tokio::fs::read(&state.path).await?))
        });
        Ok(whole.boxed())
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(PassedWriter {
            state: Arc::clone(&self.state),
            file: None,
        }))
    }
}

struct PassedWriter {
    state: Arc<State>,
    file: Option<File>,
}

impl PassedWriter {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.state.counted.charge(bytes.len() as u64)?;
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().append(true).open(&self.state.path)?,
        };
        self.file.insert(file).write_all(bytes)
    }
}

impl Write for PassedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let failed = self.state.failure().is_some();
        if !failed && let Err(error) = self.append(bytes) {
            *self.state.failure() = Some(error);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpillWriter for PassedWriter {
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
