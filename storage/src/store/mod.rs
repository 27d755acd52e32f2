//! The root: opens a data directory, gives read views, commits, sweeps.

use crate::error::Result;
use crate::row_group::RowGroupRecord;
use crate::schema::{CommitVersion, RowGroupId, SliceId, TableId, TableLayout};
use crate::table::version::TableVersion;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// Tells whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.layouts.is_empty()
            && self.dropped_tables.is_empty()
            && self.truncated_tables.is_empty()
            && self.added.is_empty()
            && self.removed.is_empty()
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
        self.tables
            .get(&id)
            .ok_or(crate::Error::NoTable { table: id.0 })
    }

    /// Gives this view with a transaction's own, uncommitted changes on top; the version stays.
    pub fn with(&self, store: &Store, own: &Commit) -> Result<ReadView> {
        let _ = (store, own);
        todo!("H2")
    }
}

/// An open data directory.
pub struct Store {
    _todo: (),
}

impl Store {
    /// Opens or makes a data directory: locks it, loads the last checkpoint, replays the log, cuts a
    /// torn tail, and starts the group-commit thread. Orphans are swept in the background.
    pub fn open(options: StoreOptions) -> Result<Arc<Store>> {
        let _ = options;
        todo!("H2")
    }

    /// Gives the current read view. No lock is held by it.
    pub fn read_view(&self) -> Arc<ReadView> {
        todo!("H2")
    }

    /// Makes a commit durable (group commit: one fsync for all that wait), publishes it, and gives
    /// its version. Blocks; call it where blocking is allowed.
    pub fn commit(&self, commit: Commit) -> Result<CommitVersion> {
        let _ = commit;
        todo!("H2")
    }

    /// Gives a fresh id for a table or any other catalog object; never repeats, even after a crash.
    pub fn next_id(&self) -> u64 {
        todo!("H2")
    }

    /// Counts the slices of this directory.
    pub fn slice_count(&self) -> u32 {
        todo!("H2")
    }

    /// Gives the directory for spill files, emptied at open.
    pub fn spill_dir(&self) -> &Path {
        todo!("H2")
    }

    /// Writes a small private file (mode 0600) of the server, such as a generated certificate, under
    /// `name`, durably and by rename.
    pub fn write_private(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let _ = (name, bytes);
        todo!("H2")
    }

    /// Reads a file written by [`Store::write_private`]; `None` if there is none.
    pub fn read_private(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let _ = name;
        todo!("H2")
    }

    /// Writes a checkpoint and closes; later commits fail. Called on a clean stop.
    pub fn close(&self) -> Result<()> {
        todo!("H2")
    }
}

impl Store {
    /// Gives the row group files with their caches of footers and blocks.
    pub fn row_groups(&self) -> &crate::row_group::files::RowGroupFiles {
        todo!("H2")
    }
}
