//! Puts a snapshot back: into a new data directory, or rows of one table aside for a running server.
//!
//! Nothing is visible before all of it is verified. A directory that is being restored holds the file
//! `RESTORE` from the first step to the last, and no server opens it so; what fails removes all it made.

use super::manifest::{Manifest, Object, RowGroupObjects, TableEntry};
use super::repository::{self, Repository};
use crate::error::{Error, Result};
use crate::io::{BlockStore, Disk, failed};
use crate::layout::frame::{self, Kind};
use crate::layout::mask::{self, MaskIdentity};
use crate::layout::{name, statistics};
use crate::log::{CommitLog, write_replacing};
use crate::schema::TableId;
use crate::snapshot::verify;
use crate::store::ids::Ids;
use crate::store::record::{
    CheckpointRecord, FORMAT_VERSION, FormatRecord, MaskedRowGroup, TableRecord, to_json,
};
use crate::store::{Store, StoreOptions};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Objects on their way at once.
const DOWNLOADS_AT_ONCE: usize = 4;

/// Makes `dir`, which must be missing or empty, the data directory that the snapshot shows. `told` is
/// called after each row group with the bytes done and all. Writes files where it is polled.
pub async fn restore(
    repository: &Repository,
    manifest: &Manifest,
    dir: &Path,
    told: &(dyn Fn(u64, u64) + Sync),
) -> Result<()> {
    into_vacant(dir, async |disk: Arc<Disk>| {
        let tables: Vec<&TableEntry> = manifest.tables.iter().collect();
        fetch(repository, &disk, &tables, told).await?;
        let io: Arc<dyn BlockStore> = disk;
        write_log(&io, manifest, &tables, manifest.slice_count)
    })
    .await
}

/// Makes `dir`, which must be missing or empty, a data directory of `slice_count` slices with all the
/// snapshot has but rows, and lets `fill` add them. The directory of the snapshot as it was, to read
/// them from, is beside it meanwhile: `fill` gets that one first.
pub async fn restore_design(
    repository: &Repository,
    manifest: &Manifest,
    dir: &Path,
    slice_count: u32,
    told: &(dyn Fn(u64, u64) + Sync),
    fill: impl AsyncFnOnce(&Arc<Store>, &Arc<Store>) -> Result<()>,
) -> Result<()> {
    into_vacant(dir, async |disk: Arc<Disk>| {
        let aside = disk.root().join(ASIDE_DIR);
        stage(repository, manifest, &aside, |_| true, told).await?;
        let io: Arc<dyn BlockStore> = disk.clone();
        write_log(&io, manifest, &[], slice_count)?;
        let spill = disk.empty_dir(Path::new(name::SPILL_DIR))?;
        let from = open_restored(&aside)?;
        let to = Store::open_on(io, options(disk.root(), slice_count), spill)?;
        fill(&from, &to).await?;
        to.close()?;
        drop((from, to));
        fs::remove_dir_all(&aside).map_err(|error| failed("remove", &aside, error))
    })
    .await
}

/// A table put aside, to read it. Its directory goes when this is dropped.
#[derive(Debug)]
pub struct Staged {
    store: Option<Arc<Store>>,
    dir: PathBuf,
}

impl Staged {
    /// Gives the store to read from.
    pub fn store(&self) -> Result<&Arc<Store>> {
        let gone = || Error::Internal("a table put aside is gone".to_owned());
        self.store.as_ref().ok_or_else(gone)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.store = None;
        // It lies among the spill files: what stays goes at the next start.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Puts one table of a snapshot into `dir`, a new directory, to read it from there.
pub async fn stage_table(
    repository: &Repository,
    manifest: &Manifest,
    table: TableId,
    dir: &Path,
    told: &(dyn Fn(u64, u64) + Sync),
) -> Result<Staged> {
    // Made first, so that a failure removes what was written.
    let mut staged = Staged {
        store: None,
        dir: dir.to_owned(),
    };
    stage(repository, manifest, dir, |id| id == table, told).await?;
    staged.store = Some(open_restored(dir)?);
    Ok(staged)
}

/// Opens a directory that was put aside, to read from it.
fn open_restored(dir: &Path) -> Result<Arc<Store>> {
    Store::open(options(dir, 1))
}

/// Where the old slices lie while rows move to new ones.
const ASIDE_DIR: &str = "restore";

/// The block cache of a store that is read once.
const CACHE_BYTES: usize = 64 << 20;

fn options(dir: &Path, slice_count: u32) -> StoreOptions {
    StoreOptions {
        dir: dir.to_owned(),
        cache_bytes: CACHE_BYTES,
        slice_count,
        sync: true,
    }
}

async fn stage(
    repository: &Repository,
    manifest: &Manifest,
    dir: &Path,
    wanted: impl Fn(TableId) -> bool,
    told: &(dyn Fn(u64, u64) + Sync),
) -> Result<()> {
    // What is put aside is read once and dropped: it need not survive anything.
    let disk = Arc::new(Disk::open(dir, false)?);
    let tables: Vec<&TableEntry> = manifest
        .tables
        .iter()
        .filter(|table| wanted(table.id))
        .collect();
    fetch(repository, &disk, &tables, told).await?;
    let io: Arc<dyn BlockStore> = disk;
    write_log(&io, manifest, &tables, manifest.slice_count)
}

/// Runs `fill` on a vacant directory under the mark that keeps servers out; on an error nothing is left.
async fn into_vacant(dir: &Path, fill: impl AsyncFnOnce(Arc<Disk>) -> Result<()>) -> Result<()> {
    if !repository::is_vacant(dir)? {
        let path = dir.to_owned();
        return Err(match dir.join(name::RESTORE).exists() {
            true => Error::UnfinishedRestore { path },
            false => Error::NotEmpty { path },
        });
    }
    let was_there = dir.is_dir();
    let disk = Arc::new(Disk::open(dir, true)?);
    let root = disk.root().to_owned();
    let mark = Path::new(name::RESTORE);
    let filled = async {
        let text = b"A restore into this directory has not finished.\n";
        disk.create(mark, &mut |out| {
            out.write_all(text)
                .map_err(|error| failed("write", mark, error))
        })?;
        disk.sync_dir(Path::new(""))?;
        fill(Arc::clone(&disk)).await?;
        disk.remove(mark)?;
        disk.sync_dir(Path::new(""))
    };
    let outcome = filled.await;
    if outcome.is_err() {
        clear(&root, was_there);
    }
    outcome
}

/// Removes what a failed restore made; the mark goes last.
fn clear(root: &Path, was_there: bool) {
    let mark = root.join(name::RESTORE);
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| *path != mark)
        .collect();
    let removed = paths.iter().map(|path| match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    });
    let removed = removed.collect::<std::io::Result<Vec<()>>>();
    let removed = removed.and_then(|_| match mark.exists() {
        true => fs::remove_file(&mark),
        false => Ok(()),
    });
    let removed = removed.and_then(|()| match was_there {
        true => Ok(()),
        false => fs::remove_dir(root),
    });
    if let Err(error) = removed {
        // The mark is still there, so no server opens it.
        tracing::warn!(%error, dir = %root.display(), "could not remove an unfinished restore");
    }
}

/// Writes the files of `tables`, each verified against the manifest and against itself.
async fn fetch(
    repository: &Repository,
    disk: &Disk,
    tables: &[&TableEntry],
    told: &(dyn Fn(u64, u64) + Sync),
) -> Result<()> {
    let groups: Vec<_> = tables.iter().flat_map(|table| &table.row_groups).collect();
    let sizes = groups.iter().map(|group| group.record.file_bytes);
    let (all, mut done) = (sizes.sum(), 0);
    let fetched = stream::iter(&groups).map(|group| async move {
        let record = &group.record;
        if let Some(file) = &group.file {
            let path = name::row_group(record.slice, record.table, record.id);
            let bytes = repository.object(file).await?;
            verify::row_group(record, &bytes).map_err(|reason| corrupt(file, reason))?;
            write_file(disk, &path, &bytes)?;
        }
        if let Some(object) = &group.mask {
            let version = group.mask_version;
            let path = name::mask(record.slice, record.table, record.id, version);
            let identity = MaskIdentity {
                table: record.table,
                slice: record.slice,
                row_group: record.id,
            };
            let bytes = repository.object(object).await?;
            mask::decode(&path, identity, &bytes)?;
            write_file(disk, &path, &bytes)?;
        }
        Ok::<u64, Error>(record.file_bytes)
    });
    let mut fetched = fetched.buffer_unordered(DOWNLOADS_AT_ONCE);
    while let Some(bytes) = fetched.try_next().await? {
        done += bytes;
        told(done, all);
    }
    let has_file = |group: &&&RowGroupObjects| group.file.is_some() || group.mask.is_some();
    let dirs = groups
        .iter()
        .filter(has_file)
        .map(|group| name::table_dir(group.record.slice, group.record.table));
    let dirs: BTreeSet<PathBuf> = dirs.collect();
    dirs.iter().try_for_each(|dir| disk.sync_dir(dir))
}

fn corrupt(object: &Object, reason: String) -> Error {
    Error::Corrupt {
        path: PathBuf::from(&object.key),
        what: "snapshot object".to_owned(),
        reason,
    }
}

fn write_file(disk: &Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    disk.create(path, &mut |out| {
        out.write_all(bytes)
            .map_err(|error| failed("write", path, error))
    })
    .map(drop)
}

/// Writes a log that holds all in one checkpoint, and `FORMAT`. Tables that `with_rows` does not name
/// have no rows.
fn write_log(
    io: &Arc<dyn BlockStore>,
    manifest: &Manifest,
    with_rows: &[&TableEntry],
    slice_count: u32,
) -> Result<()> {
    let with_rows: BTreeMap<TableId, &TableEntry> =
        with_rows.iter().map(|table| (table.id, *table)).collect();
    let table = |table: &TableEntry| TableRecord {
        id: table.id,
        layout: table.layout.clone(),
        row_groups: with_rows.get(&table.id).map_or_else(Vec::new, |table| {
            let groups = table.row_groups.iter().map(|group| MaskedRowGroup {
                record: group.record.clone(),
                mask_version: group.mask_version,
                // A snapshot keeps each mask as an object.
                mask_rows: None,
            });
            groups.collect()
        }),
        moves: Vec::new(),
    };
    let groups = with_rows.values().flat_map(|table| &table.row_groups);
    let ids = groups.flat_map(|group| [group.record.id.0, group.mask_version]);
    let epoch = ids.map(Ids::epoch_of).max().unwrap_or_default();
    let record = CheckpointRecord {
        version: manifest.version,
        // Rows that ride in the log have ids and no file whose name would tell them.
        epoch: epoch.max(1),
        next_id: manifest.next_id,
        tables: manifest.tables.iter().map(table).collect(),
        catalog: manifest.catalog.clone(),
    };
    for kept in with_rows
        .values()
        .filter_map(|table| table.statistics.as_ref())
    {
        let path = name::statistics(kept.table);
        write_replacing(&**io, &path, &statistics::encode(kept)?)?;
    }
    CommitLog::create(Arc::clone(io))?.checkpoint(&to_json(&record)?)?;
    let format = to_json(&FormatRecord {
        format: FORMAT_VERSION,
        slice_count,
    })?;
    let bytes = frame::encode(Kind::Format, &format)?;
    write_replacing(&**io, Path::new(name::FORMAT), &bytes)
}
