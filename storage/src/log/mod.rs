//! Append-only checksummed log: the commit log and its checkpoints.
//!
//! A log is a row of numbered segments; checkpoint N stands for all segments below N. Each append is
//! one frame and is synced before the next one is written, so only the very last frame of the last
//! segment can be torn. Any other frame that does not hold is damage, and the log refuses to open.

mod replay;

use crate::error::{Error, Result};
use crate::io::{AppendFile, BlockStore, failed};
use crate::layout::frame::{self, Kind};
use crate::layout::name;
use std::path::Path;
use std::sync::Arc;
use tracing::warn;

/// The log, open at its end.
#[derive(Debug)]
pub(crate) struct CommitLog {
    io: Arc<dyn BlockStore>,
    file: Box<dyn AppendFile>,
    segment: u64,
    /// Bytes of the segment that hold synced frames; nothing beyond them counts.
    end: u64,
    /// Bytes appended since the last checkpoint.
    since_checkpoint: u64,
    /// Set by a failed write or sync, for good: what the device holds is then unknown.
    stopped: bool,
}

/// What a log held when it was opened.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// The log, at its end.
    pub(crate) log: CommitLog,
    /// The payload of the newest checkpoint.
    pub(crate) checkpoint: Option<Vec<u8>>,
    /// The payloads appended since, in order.
    pub(crate) batches: Vec<Vec<u8>>,
}

impl CommitLog {
    /// Makes the first segment of a new data directory.
    pub(crate) fn create(io: Arc<dyn BlockStore>) -> Result<Self> {
        let segment = 1;
        for path in io.list(Path::new(name::LOG_DIR))? {
            io.remove(&path)?;
        }
        let (file, end) = make_segment(&io, segment)?;
        Ok(Self {
            io,
            file,
            segment,
            end,
            since_checkpoint: 0,
            stopped: false,
        })
    }

    /// Opens the log of an existing data directory and cuts a torn tail.
    pub(crate) fn open(io: Arc<dyn BlockStore>) -> Result<Recovered> {
        replay::recover(io)
    }

    /// Tells whether a write has failed so that nothing more is accepted.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }

    /// Gives the bytes appended since the last checkpoint.
    pub(crate) fn since_checkpoint(&self) -> u64 {
        self.since_checkpoint
    }

    /// Makes one batch durable. `DiskFull` if nothing of it was kept and the log lives on;
    /// `LogStopped` if it does not.
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<()> {
        if self.stopped {
            return Err(Error::LogStopped);
        }
        let end = self.end + (frame::HEADER_BYTES + payload.len()) as u64;
        let bytes = match frame::padding(end) {
            0 => frame::encode(Kind::Batch, payload)?,
            blanks => frame::encode(Kind::Batch, &[payload, &b" ".repeat(blanks)].concat())?,
        };
        match self.file.append(&bytes) {
            Ok(()) => {}
            Err(full @ Error::DiskFull { .. }) => return Err(self.cut_back(full)),
            Err(error) => return Err(self.stop(&error)),
        }
        if let Err(error) = self.file.sync() {
            return Err(self.stop(&error));
        }
        self.end += bytes.len() as u64;
        self.since_checkpoint += bytes.len() as u64;
        Ok(())
    }

    /// Takes back a write the device had no room for: none of it was synced.
    fn cut_back(&mut self, full: Error) -> Error {
        let cut = self.file.truncate(self.end).and_then(|()| self.file.sync());
        match cut {
            Ok(()) => full,
            Err(error) => self.stop(&error),
        }
    }

    fn stop(&mut self, cause: &Error) -> Error {
        self.stopped = true;
        let source = std::error::Error::source(cause).map(ToString::to_string);
        tracing::error!(%cause, source, "the commit log has stopped");
        Error::LogStopped
    }

    /// Starts a new segment, writes the checkpoint that stands for all before it, and removes those.
    /// A full device leaves the log as it was, without the checkpoint.
    pub(crate) fn checkpoint(&mut self, payload: &[u8]) -> Result<()> {
        if self.stopped {
            return Err(Error::LogStopped);
        }
        let bytes = frame::encode(Kind::Checkpoint, payload)?;
        let segment = self.segment + 1;
        match make_segment(&self.io, segment) {
            Ok((file, end)) => (self.file, self.end) = (file, end),
            Err(full @ Error::DiskFull { .. }) => return Err(full),
            Err(error) => return Err(self.stop(&error)),
        }
        self.segment = segment;
        match write_replacing(&*self.io, &name::checkpoint(segment), &bytes) {
            Ok(()) => {}
            Err(full @ Error::DiskFull { .. }) => return Err(full),
            Err(error) => return Err(self.stop(&error)),
        }
        self.since_checkpoint = 0;
        remove_older(&*self.io, segment);
        Ok(())
    }
}

/// Makes an empty segment, durably, and opens it.
fn make_segment(io: &Arc<dyn BlockStore>, segment: u64) -> Result<(Box<dyn AppendFile>, u64)> {
    let path = name::segment(segment);
    let header = frame::encode(Kind::Segment, segment_header(segment).as_bytes())?;
    // A segment a failed checkpoint left behind holds no batch.
    io.remove(&path)?;
    io.create(&path, &mut |out| {
        out.write_all(&header)
            .map_err(|error| failed("write", &path, error))
    })?;
    io.sync_dir(Path::new(name::LOG_DIR))?;
    Ok((io.open_append(&path)?, header.len() as u64))
}

fn segment_header(segment: u64) -> String {
    format!("{{\"segment\":{segment}}}")
}

/// Writes a small file so that after a crash either the old or the new content is there, whole.
pub(crate) fn write_replacing(io: &dyn BlockStore, path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = name::temporary(path);
    io.remove(&temporary)?;
    io.create(&temporary, &mut |out| {
        out.write_all(bytes)
            .map_err(|error| failed("write", &temporary, error))
    })?;
    io.rename(&temporary, path)
}

/// Removes what checkpoint `segment` stands for. Failing is harmless: the next open tries again.
fn remove_older(io: &dyn BlockStore, segment: u64) {
    let removed = io.list(Path::new(name::LOG_DIR)).and_then(|files| {
        let old = |path: &&std::path::PathBuf| match name::parse_log_file(path) {
            Some((number, "log" | "checkpoint")) => number < segment,
            Some((_, "checkpoint.tmp")) => true,
            _ => false,
        };
        files
            .iter()
            .filter(old)
            .try_for_each(|path| io.remove(path))
    });
    if let Err(error) = removed {
        warn!(%error, "could not remove old log segments");
    }
}

#[cfg(test)]
mod tests;
