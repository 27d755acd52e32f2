//! UNLOAD commands that run and that ended: STL_UNLOAD_LOG, SYS_UNLOAD_HISTORY, SYS_UNLOAD_DETAIL.

use super::{History, lock, now_us, push};
use blueshift_compute::unload::UnloadedFile;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Files of one UNLOAD that are remembered.
const FILES_MAX: usize = 10_000;

/// What an UNLOAD is.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct UnloadStatement {
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// The transaction id.
    pub xid: i64,
    /// The process id of the session.
    pub pid: i32,
    /// The database of the session.
    pub database: String,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// Where it writes to.
    pub destination: String,
    /// The format of the files.
    pub format: String,
    /// Their compression.
    pub compression: String,
}

/// An UNLOAD that runs.
#[derive(Debug)]
pub struct RunningUnload {
    /// What it is.
    pub statement: UnloadStatement,
    /// Rows so far.
    pub rows: Arc<AtomicU64>,
}

/// An UNLOAD that ended.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct EndedUnload {
    /// What it was.
    pub statement: UnloadStatement,
    /// Microseconds since 1970.
    pub endtime_us: i64,
    /// Rows unloaded; 0 if it failed.
    pub rows: u64,
    /// Files written; none if it failed. Of very many the first.
    pub files: Vec<UnloadedFile>,
    /// All files written.
    pub file_count: usize,
    /// Their bytes.
    pub file_bytes: u64,
    /// What it failed by.
    pub error: Option<String>,
}

/// Shows an UNLOAD as running until it is told how it ended; one that is dropped was canceled.
pub struct UnloadGuard {
    history: Arc<History>,
    running: Arc<RunningUnload>,
    is_ended: bool,
}

impl History {
    /// Shows an UNLOAD in SYS_UNLOAD_HISTORY.
    pub fn begin_unload(
        self: &Arc<Self>,
        statement: UnloadStatement,
        rows: Arc<AtomicU64>,
    ) -> UnloadGuard {
        let running = Arc::new(RunningUnload { statement, rows });
        lock(&self.running_unloads).push(Arc::clone(&running));
        UnloadGuard {
            history: Arc::clone(self),
            running,
            is_ended: false,
        }
    }
}

impl UnloadGuard {
    /// Records the files of an UNLOAD that went well.
    pub fn succeeded(mut self, mut files: Vec<UnloadedFile>) {
        let (file_count, file_bytes) = (files.len(), files.iter().map(|file| file.bytes).sum());
        files.truncate(FILES_MAX);
        self.end(EndedUnload {
            rows: self.running.rows.load(Ordering::Relaxed),
            files,
            file_count,
            file_bytes,
            ..EndedUnload::default()
        });
    }

    /// Records what an UNLOAD failed by.
    pub fn failed(mut self, error: String) {
        self.end(EndedUnload {
            error: Some(error),
            ..EndedUnload::default()
        });
    }

    fn end(&mut self, ended: EndedUnload) {
        self.is_ended = true;
        lock(&self.history.running_unloads).retain(|other| !Arc::ptr_eq(other, &self.running));
        let ended = EndedUnload {
            statement: self.running.statement.clone(),
            endtime_us: now_us(),
            ..ended
        };
        let figures = &self.history.figures;
        match ended.error {
            Some(_) => figures.unloads_failed.add(1),
            None => figures.unloads.add(1),
        }
        figures.unload_rows.add(ended.rows);
        figures.unload_bytes.add(ended.file_bytes);
        figures.unload_files.add(ended.file_count as u64);
        push(&self.history.unloads, ended);
    }
}

impl Drop for UnloadGuard {
    fn drop(&mut self) {
        if !self.is_ended {
            self.end(EndedUnload {
                error: Some("canceled".to_owned()),
                ..EndedUnload::default()
            });
        }
    }
}
