//! The root: opens a data directory, gives read views, commits, sweeps.
//!
//! One thread commits (see `group_commit`), one removes files nobody can read (see `sweep`). Readers
//! take an `Arc<ReadView>` and no lock.

pub(crate) mod apply;
mod conflict;
pub mod derived;
mod fold;
mod group_commit;
mod journal;
pub(crate) mod ids;
mod merged;
pub(crate) mod open;
pub(crate) mod record;
mod retire;
pub mod rewrite;
mod statistics;
mod sweep;
pub mod version;

pub use journal::{Journal, JournalLimits};

use crate::error::{Error, Result};
use crate::io::{BlockStore, Disk};
use crate::layout::mask::MaskRows;
use crate::layout::name;
use crate::log::write_replacing;
use crate::row_group::RowGroupRecord;
use crate::row_group::files::RowGroupFiles;
use crate::schema::{CommitVersion, RowGroupId, SliceId, TableId, TableLayout};
use apply::{apply, follows, read_mask};
use arc_swap::ArcSwap;
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use group_commit::{GroupCommit, Request};
use ids::Ids;
use merged::MergedStatistics;
use retire::Retirement;
use rewrite::Rewrite;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use version::TableVersion;

/// Commits that may wait for the commit thread; a caller beyond that waits to hand its own in.
const COMMITS_WAITING_MAX: usize = 1_024;

/// How to open a data directory.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Made with mode 0700 if missing, and locked while open.
    pub dir: PathBuf,
    /// Budget of the block cache in bytes.
    pub cache_bytes: usize,
    /// Slices of a new directory; an existing one keeps its own.
    pub slice_count: u32,
    /// Off only in tests that measure something else: commits are not synced.
    pub sync: bool,
}

/// A mask made durable by [`crate::table::delete::write_masks`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteMaskRecord {
    /// The table.
    pub table: TableId,
    /// The slice.
    pub slice: SliceId,
    /// The row group.
    pub row_group: RowGroupId,
    /// The mask this one replaces; 0 if none. A commit fails with `Conflict` if it is not current.
    pub base_version: u64,
    /// Names the mask file.
    pub version: u64,
    /// Rows deleted in all.
    pub deleted: u64,
    /// The rows themselves, if they are few: then there is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<MaskRows>,
}

/// A change to one key of the catalog. Keys and values are the leader's own; storage keeps them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogChange {
    /// For example `table/00000000000000000100`.
    pub key: String,
    /// `None` removes the key.
    pub value: Option<serde_json::Value>,
}

/// All that one transaction changes; becomes visible at once or never.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Tables that begin to exist, or whose layout is replaced.
    pub layouts: Vec<(TableId, TableLayout)>,
    /// Tables that end, with all their row groups.
    pub dropped_tables: Vec<TableId>,
    /// Tables whose row groups so far all end; row groups added by this commit stay.
    pub truncated_tables: Vec<TableId>,
    /// New row groups.
    pub added: Vec<RowGroupRecord>,
    /// Row groups that end. `Conflict` if one is gone already.
    pub removed: Vec<(TableId, RowGroupId)>,
    /// Of `removed` and `added`: those that hold the same rows written again, by VACUUM.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewrites: Vec<Rewrite>,
    /// Row groups whose rows rode in commit records and now have a file: the same ids and rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folded: Vec<RowGroupRecord>,
    /// New delete masks.
    pub masks: Vec<DeleteMaskRecord>,
    /// Changes of the catalog.
    pub catalog: Vec<CatalogChange>,
    /// Keys of the catalog that must be unchanged since `base`, else `Conflict`.
    pub catalog_reads: Vec<String>,
    /// Tables that no commit after `base` may have deleted from, truncated or dropped.
    pub unchanged_tables: Vec<TableId>,
    /// The version of the read view the transaction worked on.
    pub base: CommitVersion,
}

impl Commit {
    /// Adds the rows of an insert into a table of `layout`. Rows without a file follow those that the
    /// same transaction inserted before, so that many small inserts make one row group.
    pub fn add_rows(&mut self, layout: &TableLayout, records: Vec<RowGroupRecord>) -> Result<()> {
        for record in records {
            let is_before = |other: &&mut RowGroupRecord| {
                let is_place = other.table == record.table && other.slice == record.slice;
                is_place && other.may_grow() && record.resident.is_some()
            };
            if let Some(before) = self.added.iter_mut().rev().find(is_before) {
                let sorted = before.sorted && record.sorted && follows(layout, before, &record);
                if let Some(grown) = before.followed_by(&record, sorted)? {
                    *before = grown;
                    continue;
                }
            }
            self.added.push(record);
        }
        Ok(())
    }

    /// Tells whether it gives room back, and takes up hardly any: it ends something, and adds no
    /// rows but those that VACUUM wrote again.
    pub(crate) fn frees_room(&self) -> bool {
        let ends = !self.dropped_tables.is_empty()
            || !self.truncated_tables.is_empty()
            || !self.removed.is_empty()
            || !self.masks.is_empty()
            || self.catalog.iter().any(|change| change.value.is_none());
        let rewritten: HashSet<RowGroupId> = self.rewritten().collect();
        let is_rewritten = |record: &RowGroupRecord| rewritten.contains(&record.id);
        ends && self.folded.is_empty() && self.added.iter().all(is_rewritten)
    }

    /// Gives rows of a table of so many small inserts that they deserve a file, see [`Store::write_out`].
    pub fn full_rows(&self, table: TableId) -> Option<&RowGroupRecord> {
        let is_full = |record: &&RowGroupRecord| {
            record.table == table && record.resident.is_some() && !record.may_grow()
        };
        self.added.iter().find(is_full)
    }

    /// Tells whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.layouts.is_empty()
            && self.dropped_tables.is_empty()
            && self.truncated_tables.is_empty()
            && self.added.is_empty()
            && self.removed.is_empty()
            && self.folded.is_empty()
            && self.masks.is_empty()
            && self.catalog.is_empty()
    }
}

/// The catalog as of one version. Ordered by key, so a prefix is a range.
pub type CatalogMap = BTreeMap<String, Arc<serde_json::Value>>;

/// What a transaction sees: the table versions and the catalog as of one commit.
#[derive(Clone, Debug)]
pub struct ReadView {
    /// The last commit seen.
    pub version: CommitVersion,
    /// Tables by id.
    pub tables: Arc<HashMap<TableId, Arc<TableVersion>>>,
    /// The catalog.
    pub catalog: Arc<CatalogMap>,
}

impl ReadView {
    /// Finds a table.
    pub fn table(&self, id: TableId) -> Result<&Arc<TableVersion>> {
        self.tables.get(&id).ok_or(Error::NoTable { table: id.0 })
    }

    /// Gives this view with a transaction's own, uncommitted changes on top; the version stays.
    pub fn with(&self, store: &Store, own: &Commit) -> Result<ReadView> {
        let masks = |record: &_, version| read_mask(&*store.inner.io, record, version).map(Some);
        let view = apply(&masks, self, own, self.version)?;
        store.inner.retirement().watch_overlay(self, &view);
        Ok(view)
    }
}

/// An open data directory.
pub struct Store {
    inner: Arc<Inner>,
    dir: PathBuf,
    spill_dir: PathBuf,
    slice_count: u32,
    merged: MergedStatistics,
    requests: Sender<Request>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the store shares with its threads.
#[derive(Debug)]
struct Inner {
    io: Arc<dyn BlockStore>,
    cache_bytes: usize,
    files: OnceLock<RowGroupFiles>,
    view: ArcSwap<ReadView>,
    ids: Ids,
    retirement: Mutex<Retirement>,
    log_stopped: AtomicBool,
    closing: AtomicBool,
    /// Held while rows of the log get files, so that no file is written twice.
    folding: Mutex<()>,
    /// What the sweeper shall fold when it wakes.
    fold_wanted: AtomicU8,
    wake_sweeper: Sender<()>,
}

impl Inner {
    fn retirement(&self) -> MutexGuard<'_, Retirement> {
        // Every change of it is whole before anything in it can panic.
        self.retirement
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `new`, whose commit is durable, what readers see from now on.
    fn publish(&self, old: &ReadView, new: Arc<ReadView>) {
        self.view.store(Arc::clone(&new));
        let mut retirement = self.retirement();
        retirement.replace(old, &new);
        if !retirement.is_empty() {
            self.wake();
        }
    }

    /// Wakes the sweeper.
    fn wake(&self) {
        // A full channel means that it is about to look anyway.
        let _ = self.wake_sweeper.try_send(());
    }

    /// Asks the sweeper to give rows of the log files.
    fn want_fold(&self, what: u8) {
        self.fold_wanted.fetch_max(what, Ordering::SeqCst);
        self.wake();
    }

    fn note_log_state(&self, stopped: bool) {
        self.log_stopped.store(stopped, Ordering::SeqCst);
    }

    fn files(&self) -> &RowGroupFiles {
        self.files
            .get_or_init(|| RowGroupFiles::new(Arc::clone(&self.io), self.cache_bytes))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let version = self.inner.view.load().version;
        formatter
            .debug_struct("Store")
            .field("dir", &self.dir)
            .field("version", &version)
            .finish()
    }
}

impl Store {
    /// Opens or makes a data directory: locks it, loads the last checkpoint, replays the log, cuts a
    /// torn tail, and starts the group-commit thread. Orphans are swept in the background.
    pub fn open(options: StoreOptions) -> Result<Arc<Store>> {
        let mut disk = Disk::open(&options.dir, options.sync)?;
        if disk.size(Path::new(name::RESTORE))?.is_some() {
            return Err(Error::UnfinishedRestore { path: options.dir });
        }
        let spill_dir = disk.empty_dir(Path::new(name::SPILL_DIR))?;
        let dir = disk.root().to_owned();
        disk.keep_reserve();
        Self::open_on(Arc::new(disk), StoreOptions { dir, ..options }, spill_dir)
    }

    /// Opens a store over any keeper of files: for tests with memory and with faults.
    pub fn open_on(
        io: Arc<dyn BlockStore>,
        options: StoreOptions,
        spill_dir: PathBuf,
    ) -> Result<Arc<Store>> {
        let opened = open::open(&io, options.slice_count)?;
        let (wake_sweeper, wakes) = bounded(1);
        let inner = Arc::new(Inner {
            io,
            cache_bytes: options.cache_bytes,
            files: OnceLock::new(),
            view: ArcSwap::from_pointee(opened.view),
            ids: Ids::new(opened.epoch, opened.next_catalog_id),
            retirement: Mutex::default(),
            log_stopped: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            folding: Mutex::new(()),
            fold_wanted: AtomicU8::new(fold::NOTHING),
            wake_sweeper,
        });
        if !opened.unreadable.is_empty() {
            inner.files().refuse(opened.unreadable);
        }
        let (requests, waiting): (_, Receiver<Request>) = bounded(COMMITS_WAITING_MAX);
        let group_commit = GroupCommit::new(Arc::clone(&inner), opened.log);
        let committer = start("commit", move || group_commit.run(&waiting))?;
        let (swept, orphans) = (Arc::clone(&inner), opened.orphans);
        let folder = requests.clone();
        let sweeper = start("sweep", move || {
            sweep::run(&swept, &folder, orphans, &wakes)
        })?;
        Ok(Arc::new(Store {
            inner,
            dir: options.dir,
            spill_dir,
            slice_count: opened.slice_count,
            merged: MergedStatistics::default(),
            requests,
            threads: Mutex::new(vec![committer, sweeper]),
        }))
    }

    /// Gives the current read view. No lock is held by it.
    pub fn read_view(&self) -> Arc<ReadView> {
        self.inner.view.load_full()
    }

    /// Finds a table in the current read view.
    pub fn table(&self, id: TableId) -> Result<Arc<TableVersion>> {
        self.read_view().table(id).cloned()
    }

    /// Makes a commit durable (group commit: one sync for all that wait), publishes it, and gives its
    /// version. Blocks; call it where blocking is allowed. Nothing to commit gives the current one.
    ///
    /// `Conflict`: nothing happened, and the caller may [`Store::discard`] its files. `DiskFull`: the
    /// same. `LogStopped`: it is unknown whether the commit survives; no later one is accepted.
    pub fn commit(&self, commit: Commit) -> Result<CommitVersion> {
        if commit.is_empty() {
            return Ok(self.inner.view.load().version);
        }
        let dropped = commit.dropped_tables.clone();
        let version = ask(&self.requests, |answer| {
            Request::Commit(Box::new(commit), answer)
        })?;
        for table in dropped {
            self.forget_statistics(table);
        }
        Ok(version)
    }

    /// Gives the rows of `table` that ride in the log, or of all tables, files of their own, as a
    /// VACUUM does. The rows, their ids and their order stay.
    pub fn fold(&self, table: Option<TableId>) -> Result<()> {
        let wanted = table.map_or(fold::Wanted::All, fold::Wanted::Table);
        fold::fold(&self.inner, &self.requests, wanted)
    }

    /// Lets row groups that ride in the log grow no more; other inserts begin new ones.
    pub(crate) fn seal(&self, row_groups: Vec<RowGroupId>) -> Result<()> {
        ask(&self.requests, |answer| Request::Seal(row_groups, answer))
    }

    /// Writes the file of rows that a transaction has not committed yet, so that its commit record stays
    /// small. The record that names it takes the place of `record`.
    pub fn write_out(
        &self,
        record: &RowGroupRecord,
        layout: &TableLayout,
    ) -> Result<RowGroupRecord> {
        let written = self.row_groups().write_resident(record, layout)?;
        self.inner
            .io
            .sync_dir(&name::table_dir(record.slice, record.table))?;
        Ok(written)
    }

    /// Writes a checkpoint now, so that the next open need not replay.
    pub fn checkpoint(&self) -> Result<()> {
        ask(&self.requests, Request::Checkpoint)
    }

    /// Removes the files of row groups and masks that were written but will not be committed. Does
    /// nothing once the log has stopped: the last commit may have survived.
    pub fn discard(&self, row_groups: &[RowGroupRecord], masks: &[DeleteMaskRecord]) {
        if self.inner.log_stopped.load(Ordering::SeqCst) {
            return;
        }
        let with_file = |record: &&RowGroupRecord| record.resident.is_none();
        let of_groups = row_groups.iter().filter(with_file).map(|record| {
            if let Some(files) = self.inner.files.get() {
                files.forget(record.id);
            }
            name::row_group(record.slice, record.table, record.id)
        });
        let of_masks = masks
            .iter()
            .filter(|mask| mask.rows.is_none())
            .map(|mask| name::mask(mask.slice, mask.table, mask.row_group, mask.version));
        for path in of_groups.chain(of_masks) {
            sweep::remove(&self.inner, path);
        }
    }

    /// Gives a fresh id for a table or any other catalog object; one that a commit may name never
    /// repeats, even after a crash. Starts at 100 000 and fits 32 bits.
    pub fn next_id(&self) -> u64 {
        self.inner.ids.take_catalog_id()
    }

    /// Gives a fresh id for a row group or a mask; never repeats, even after a crash.
    pub(crate) fn next_file_id(&self) -> u64 {
        self.inner.ids.take_file_id()
    }

    /// Gives the files below the data directory.
    pub(crate) fn io(&self) -> &Arc<dyn BlockStore> {
        &self.inner.io
    }

    /// Counts the slices of this directory.
    pub fn slice_count(&self) -> u32 {
        self.slice_count
    }

    /// Gives the data directory, for messages.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Measures the disk the data directory is on.
    pub fn disk_space(&self) -> Result<crate::io::DiskSpace> {
        crate::io::DiskSpace::of(&self.dir)
    }

    /// Gives the directory for spill files, emptied at open.
    pub fn spill_dir(&self) -> &Path {
        &self.spill_dir
    }

    /// Gives the row group files with their caches of footers and blocks.
    pub fn row_groups(&self) -> &RowGroupFiles {
        self.inner.files()
    }

    /// Tells whether a failed write has stopped the log; reads go on, commits fail.
    pub fn log_stopped(&self) -> bool {
        self.inner.log_stopped.load(Ordering::SeqCst)
    }

    /// Writes a small private file (mode 0600) of the server, such as a generated certificate, under
    /// `name`, durably and by rename.
    pub fn write_private(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_replacing(&*self.inner.io, &private_path(name)?, bytes)
    }

    /// Reads a file written by [`Store::write_private`]; `None` if there is none.
    pub fn read_private(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.inner.io.read(&private_path(name)?)
    }

    /// Writes a checkpoint and closes; later commits fail. Called on a clean stop.
    pub fn close(&self) -> Result<()> {
        ask(&self.requests, Request::Close)
    }
}

impl Drop for Store {
    /// Ends the threads. Without [`Store::close`] before, the next open replays the log.
    fn drop(&mut self) {
        // The commit thread ends when nobody can send to it.
        self.requests = unbounded().0;
        self.inner.closing.store(true, Ordering::SeqCst);
        // A full channel means that the sweeper is about to look anyway.
        let _ = self.inner.wake_sweeper.try_send(());
        let threads = self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A panic in it was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// Asks the commit thread and waits for its answer.
fn ask<T>(
    requests: &Sender<Request>,
    request: impl FnOnce(Sender<Result<T>>) -> Request,
) -> Result<T> {
    let (answer, result) = bounded(1);
    requests
        .send(request(answer))
        .map_err(|_| Error::LogStopped)?;
    result.recv().unwrap_or(Err(Error::LogStopped))
}

fn start(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(format!("storage-{name}"))
        .spawn(body)
        .map_err(|source| Error::Io {
            action: "start a thread for",
            path: PathBuf::from(name),
            source,
        })
}

/// Gives the path of a private file; its name is one of ours, never a path.
fn private_path(file: &str) -> Result<PathBuf> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if file.is_empty() || file.starts_with('.') || !file.bytes().all(plain) {
        return Err(Error::Internal(format!(
            "\"{file}\" is no name for a private file"
        )));
    }
    Ok(Path::new(name::PRIVATE_DIR).join(file))
}

#[cfg(test)]
mod tests;
