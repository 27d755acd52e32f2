//! The group-commit thread: takes all waiting commits, tests each against the newest state in order,
//! writes them as one frame with one sync, publishes, and answers.

use super::apply::{apply, choose_extended, read_mask};
use super::conflict::Changes;
use super::fold;
use super::record::{BatchRecord, CheckpointRecord, to_json};
use super::{Commit, Inner, ReadView};
use crate::error::{Error, Result};
use crate::io::with_reserve;
use crate::log::CommitLog;
use crate::row_group::RowGroupRecord;
use crate::schema::{CommitVersion, RowGroupId, TableId};
use crossbeam::channel::{Receiver, Sender};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::warn;

/// Commits taken into one group.
const GROUP_MAX: usize = 256;

/// Bytes of log after which a checkpoint is written: it bounds the time a restart takes.
const CHECKPOINT_BYTES: u64 = 16 * 1024 * 1024;

/// Sealed row groups remembered before those that have ended are forgotten.
const SEALED_MAX: usize = 1_024;

/// Commits that go into one frame of the log, and who waits for each.
type Group = Vec<(Box<Commit>, Sender<Result<CommitVersion>>)>;

/// A request to the thread.
pub(super) enum Request {
    /// Make a commit durable and visible.
    Commit(Box<Commit>, Sender<Result<CommitVersion>>),
    /// Let these row groups without a file grow no more.
    Seal(Vec<RowGroupId>, Sender<Result<()>>),
    /// Write a checkpoint now.
    Checkpoint(Sender<Result<()>>),
    /// Write a checkpoint and end.
    Close(Sender<Result<()>>),
}

/// The state only this thread touches.
pub(super) struct GroupCommit {
    pub(super) inner: Arc<Inner>,
    pub(super) log: CommitLog,
    pub(super) changes: Changes,
    /// Log bytes at which the next checkpoint is due.
    pub(super) checkpoint_due: u64,
    /// Row groups without a file that shall grow no more.
    pub(super) sealed: HashSet<RowGroupId>,
}

impl GroupCommit {
    pub(super) fn new(inner: Arc<Inner>, log: CommitLog) -> Self {
        let changes = Changes::since(inner.view.load().version);
        Self {
            inner,
            log,
            changes,
            checkpoint_due: CHECKPOINT_BYTES,
            sealed: HashSet::new(),
        }
    }

    /// Runs until closed or until nobody can send any more.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            let mut commits = Vec::new();
            let mut next = Some(first);
            while let Some(request) = next.take() {
                match request {
                    Request::Commit(commit, answer) => commits.push((commit, answer)),
                    Request::Seal(row_groups, answer) => {
                        self.commit_group(std::mem::take(&mut commits));
                        self.seal(row_groups);
                        // Nobody may be waiting any more; then nobody wants to know.
                        let _ = answer.send(Ok(()));
                    }
                    Request::Checkpoint(answer) => {
                        self.commit_group(std::mem::take(&mut commits));
                        // Nobody may be waiting any more; then nobody wants to know.
                        let _ = answer.send(self.checkpoint());
                    }
                    Request::Close(answer) => {
                        self.commit_group(std::mem::take(&mut commits));
                        let closed = self.checkpoint();
                        drop(self);
                        let _ = answer.send(closed);
                        return;
                    }
                }
                if commits.len() < GROUP_MAX {
                    next = requests.try_recv().ok();
                }
            }
            self.commit_group(commits);
            self.checkpoint_if_due();
        }
    }

    fn seal(&mut self, row_groups: Vec<RowGroupId>) {
        if self.sealed.len() + row_groups.len() > SEALED_MAX {
            let view = self.inner.view.load();
            let groups = view
                .tables
                .values()
                .flat_map(|table| table.row_groups.iter());
            let resident = groups.filter(|group| group.record.resident.is_some());
            let resident: HashSet<RowGroupId> = resident.map(|group| group.record.id).collect();
            self.sealed.retain(|id| resident.contains(id));
        }
        self.sealed.extend(row_groups);
    }

    /// Commits a group. If the device is full, those of it that give room back are tried again with the
    /// room that is kept for them.
    fn commit_group(&mut self, group: Group) {
        let Err((mut path, mut refused)) = self.try_group(group) else {
            return;
        };
        loop {
            let (freeing, growing): (Group, Group) = refused
                .into_iter()
                .partition(|(commit, _)| commit.frees_room());
            refuse(growing, &path);
            let bytes: usize = freeing.iter().map(|(commit, _)| record_bytes(commit)).sum();
            if freeing.is_empty() || !self.inner.io.release_reserve(bytes as u64) {
                return refuse(freeing, &path);
            }
            match self.try_group(freeing) {
                Ok(()) => return self.inner.io.refill_reserve(),
                Err(again) => (path, refused) = again,
            }
        }
    }

    /// Commits a group and answers; `Err` gives those back that a full device refused, with its file.
    fn try_group(&mut self, group: Group) -> Result<(), (PathBuf, Group)> {
        if group.is_empty() {
            return Ok(());
        }
        let old = self.inner.view.load_full();
        let mut view = Arc::clone(&old);
        let mut commits = Vec::with_capacity(group.len());
        let mut waiting = Vec::with_capacity(group.len());
        for (mut commit, answer) in group {
            choose_extended(&view, &mut commit, &|id| self.sealed.contains(&id));
            match self.validate(&view, &commit) {
                Ok(next) => {
                    self.changes.remember(&commit, next.version);
                    waiting.push((next.version, answer));
                    view = Arc::new(next);
                    commits.push(*commit);
                }
                Err(error) => drop(answer.send(Err(error))),
            }
        }
        let Some((first, _)) = waiting.first() else {
            return Ok(());
        };
        let small = commits.iter().flat_map(|commit| &commit.added);
        let small = small.filter(|record| record.resident.is_some());
        let tables_grown: HashSet<TableId> = small.map(|record| record.table).collect();
        let (commits, written) = self.write(*first, commits);
        if let Err(Error::DiskFull { path }) = written {
            self.changes.forget_new();
            let answers = waiting.into_iter().map(|(_, answer)| answer);
            let commits = commits.into_iter().map(Box::new);
            return Err((path, commits.zip(answers).collect()));
        }
        self.changes.keep_new();
        if written.is_ok() {
            let has_full = tables_grown.iter().any(|id| has_full(&view, *id));
            self.inner.publish(&old, view);
            if has_full {
                self.inner.want_fold(fold::FULL);
            }
        }
        for (version, answer) in waiting {
            let result = match &written {
                Ok(()) => Ok(version),
                Err(_) => Err(Error::LogStopped),
            };
            // A caller that went away has its commit all the same.
            let _ = answer.send(result);
        }
        Ok(())
    }

    fn validate(&self, view: &ReadView, commit: &Commit) -> Result<ReadView> {
        if self.log.stopped() {
            return Err(Error::LogStopped);
        }
        self.changes.ensure_unchanged(commit)?;
        let masks = |record: &_, version| read_mask(&*self.inner.io, record, version).map(Some);
        apply(&masks, view, commit, CommitVersion(view.version.0 + 1))
    }

    /// Writes the record of commits, and gives them back.
    fn write(&mut self, version: CommitVersion, commits: Vec<Commit>) -> (Vec<Commit>, Result<()>) {
        let next_id = self.inner.ids.next_catalog_id();
        let record = BatchRecord {
            version,
            epoch: self.inner.ids.epoch(),
            next_id,
            commits,
        };
        let written = to_json(&record).and_then(|json| self.log.append(&json));
        self.inner.note_log_state(self.log.stopped());
        (record.commits, written)
    }

    fn checkpoint_if_due(&mut self) {
        if self.log.since_checkpoint() < self.checkpoint_due || self.log.stopped() {
            return;
        }
        match self.checkpoint() {
            Ok(()) => {
                self.checkpoint_due = CHECKPOINT_BYTES;
                self.inner.want_fold(fold::LARGE);
            }
            Err(error) => {
                self.checkpoint_due = self.log.since_checkpoint() + CHECKPOINT_BYTES;
                warn!(%error, "could not write a checkpoint");
            }
        }
    }

    fn checkpoint(&mut self) -> Result<()> {
        let ids = &self.inner.ids;
        let record =
            CheckpointRecord::of(&self.inner.view.load(), ids.epoch(), ids.next_catalog_id());
        let json = to_json(&record)?;
        // It stands for log files that go.
        let written = with_reserve(&*self.inner.io, json.len() as u64, || {
            self.log.checkpoint(&json)
        });
        self.inner.note_log_state(self.log.stopped());
        written
    }
}

/// Answers that the device is full.
fn refuse(group: Group, path: &Path) {
    for (_, answer) in group {
        let path = path.to_owned();
        // Nobody may be waiting any more; then nobody wants to know.
        let _ = answer.send(Err(Error::DiskFull { path }));
    }
}

/// Gives about the bytes of the record of a commit that adds little, and more rather than less.
fn record_bytes(commit: &Commit) -> usize {
    const BYTES_EACH: usize = 1_024;
    let names = commit.removed.len() + commit.masks.len() + commit.catalog.len();
    let masks = commit.masks.iter().filter_map(|mask| mask.rows.as_ref());
    // In base64.
    let masks: usize = masks.map(|rows| rows.0.serialized_size() * 2).sum();
    (names + commit.added.len() + commit.catalog_reads.len()) * BYTES_EACH + masks
}

/// Tells whether a table has rows in the log that make a whole row group.
fn has_full(view: &ReadView, table: TableId) -> bool {
    let is_full = |record: &RowGroupRecord| record.resident.is_some() && !record.may_grow();
    let table = view.tables.get(&table);
    table.is_some_and(|table| {
        let mut groups = table.row_groups.iter();
        groups.any(|group| is_full(&group.record))
    })
}
