//! Takes a snapshot of an open store: what one read view names, which stays readable while it is held.

use super::manifest::{self, FORMAT, Manifest, Object, RowGroupObjects, TableEntry};
use super::repository::Repository;
use super::{Steps, ensure_name, verify};
use crate::env::Random;
use crate::error::{Error, Result};
use crate::layout::mask::{self, MaskIdentity};
use crate::layout::name;
use crate::layout::row_group::TRAILER_BYTES;
use crate::schema::TableId;
use crate::store::version::{RowGroupEntry, TableVersion};
use crate::store::{ReadView, Store};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Row groups on their way at once.
const UPLOADS_AT_ONCE: usize = 4;

/// Where in the trailer of a row group its checksum stands.
const SEAL_AT: u64 = 16;

/// What to take.
#[derive(Debug)]
pub struct Request<'a> {
    /// The snapshot's name.
    pub name: &'a str,
    /// Names the data directory among all that use the repository, see [`Manifest::cluster`].
    pub cluster: &'a str,
    /// Whether a schedule asks.
    pub automatic: bool,
    /// Microseconds since 1970.
    pub now_us: i64,
    /// Makes keys unique.
    pub random: &'a dyn Random,
    /// Tables whose rows are left out.
    pub without_rows: &'a HashSet<TableId>,
    /// Counts bytes of row groups that are safe.
    pub steps: &'a Steps,
}

/// What was taken.
#[derive(Clone, Debug)]
pub struct Created {
    /// The manifest that was written.
    pub manifest: Manifest,
    /// Objects uploaded.
    pub uploaded_objects: usize,
}

/// Takes a snapshot of what `view`, a view of `store`, names. Objects that an earlier snapshot left in
/// the repository are not uploaded again; files this cluster uploaded before are not even read. The
/// manifest comes last: before it, there is no snapshot. Two calls for one cluster must not overlap.
///
/// Reads files where it is polled: poll it where blocking is allowed.
pub async fn create(
    store: &Store,
    view: &ReadView,
    repository: &Repository,
    request: &Request<'_>,
) -> Result<Created> {
    ensure_name(request.name)?;
    if repository
        .names()
        .await?
        .iter()
        .any(|name| name == request.name)
    {
        return Err(Error::SnapshotExists {
            name: request.name.to_owned(),
            place: repository.url().to_owned(),
        });
    }
    // What an earlier run of this cluster began is not going on any more.
    for stale in repository.list("pending").await?.into_keys() {
        if stale.split('.').next() == Some(request.cluster) {
            repository.remove(&format!("pending/{stale}")).await?;
        }
    }
    let unique = format!("{:016x}", request.random.next());
    let pending = format!("pending/{}.{unique}", request.cluster);
    repository.put(&pending, request.name.into()).await?;
    let uploads = Uploads {
        store,
        repository,
        request,
        known: Known::of(repository).await?,
        uploaded: Mutex::default(),
    };
    let outcome = write(&uploads, view, &format!("{pending}.manifest")).await;
    if outcome.is_err() {
        // The first error is the one to report; what stays is removed by the next delete.
        for object in uploads.uploaded() {
            let _ = repository.remove(&format!("objects/{}", object.key)).await;
        }
    }
    // A marker left behind only delays the removal of objects.
    let _ = repository.remove(&pending).await;
    outcome
}

async fn write(uploads: &Uploads<'_>, view: &ReadView, aside: &str) -> Result<Created> {
    let mut tables: Vec<_> = view.tables.values().collect();
    tables.sort_by_key(|table| table.id);
    let kept = tables.iter().filter(|table| {
        let left_out = &uploads.request.without_rows;
        !left_out.contains(&table.id)
    });
    let groups = kept.flat_map(|table| table.row_groups.iter());
    let bytes = groups.map(|group| group.record.file_bytes).sum();
    uploads.request.steps.tell(0, bytes);
    let mut entries = Vec::with_capacity(tables.len());
    for table in tables {
        entries.push(uploads.table(table).await?);
    }
    let request = uploads.request;
    let catalog = view.catalog.iter();
    let mut manifest = Manifest {
        format: FORMAT,
        name: request.name.to_owned(),
        cluster: request.cluster.to_owned(),
        created_us: request.now_us,
        automatic: request.automatic,
        version: view.version,
        slice_count: uploads.store.slice_count(),
        // Taken after the view: every id the view names is below it.
        next_id: uploads.store.next_id(),
        tables: entries,
        catalog: catalog
            .map(|(key, value)| (key.clone(), (**value).clone()))
            .collect(),
        bytes: 0,
        uploaded_bytes: 0,
    };
    let uploaded = uploads.uploaded();
    manifest.bytes = manifest.objects().map(|object| object.bytes).sum();
    manifest.uploaded_bytes = uploaded.iter().map(|object| object.bytes).sum();
    uploads.repository.put_manifest(&manifest, aside).await?;
    Ok(Created {
        manifest,
        uploaded_objects: uploaded.len(),
    })
}

/// Objects that live snapshots keep in the repository.
#[derive(Default)]
struct Known {
    /// Row groups by path below the data directory and seal. The path alone would not do: two copies
    /// of a data directory go on to use the same paths.
    sealed: HashMap<(PathBuf, u64), Object>,
    by_hash: HashMap<String, Object>,
}

impl Known {
    async fn of(repository: &Repository) -> Result<Self> {
        let present = repository.list("objects").await?;
        let is_there = |object: &Object| present.get(&object.key) == Some(&object.bytes);
        let mut known = Self::default();
        for name in repository.names().await? {
            let manifest = match repository.manifest(&name).await {
                Ok(manifest) => manifest,
                // Deleted meanwhile.
                Err(Error::NoSnapshot { .. }) => continue,
                Err(error @ (Error::Corrupt { .. } | Error::Version { .. })) => {
                    tracing::warn!(%error, "nothing is reused of a snapshot that cannot be read");
                    continue;
                }
                Err(error) => return Err(error),
            };
            for group in manifest.tables.iter().flat_map(|table| &table.row_groups) {
                let objects = group.file.iter().chain(&group.mask);
                for object in objects.filter(|object| is_there(object)) {
                    known.by_hash.insert(object.hash.clone(), object.clone());
                }
                if let Some(file) = group.file.as_ref().filter(|file| is_there(file)) {
                    let record = &group.record;
                    let path = name::row_group(record.slice, record.table, record.id);
                    known.sealed.insert((path, group.seal), file.clone());
                }
            }
        }
        Ok(known)
    }
}

struct Uploads<'a> {
    store: &'a Store,
    repository: &'a Repository,
    request: &'a Request<'a>,
    known: Known,
    uploaded: Mutex<Vec<Object>>,
}

impl Uploads<'_> {
    fn uploaded(&self) -> Vec<Object> {
        // A list is whole whatever panicked.
        let uploaded = self.uploaded.lock();
        uploaded.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn table(&self, table: &TableVersion) -> Result<TableEntry> {
        let without_rows = self.request.without_rows.contains(&table.id);
        let groups: &[_] = match without_rows {
            true => &[],
            false => &table.row_groups,
        };
        let uploads = stream::iter(groups).map(|entry| self.row_group(entry));
        let row_groups = uploads.buffered(UPLOADS_AT_ONCE).try_collect().await?;
        let statistics = match without_rows {
            true => None,
            false => self.store.statistics_of(table.id)?,
        };
        Ok(TableEntry {
            id: table.id,
            layout: (*table.layout).clone(),
            without_rows,
            row_groups,
            statistics,
        })
    }

    async fn row_group(&self, entry: &RowGroupEntry) -> Result<RowGroupObjects> {
        let record = &entry.record;
        let (seal, file) = match record.resident {
            // Rows of small inserts ride in the manifest, as they do in the log.
            Some(_) => (0, None),
            None => {
                let (seal, file) = self.file(entry).await?;
                (seal, Some(file))
            }
        };
        let mask = match (&entry.deleted, entry.mask_version) {
            (Some(deleted), version) if version != 0 => {
                let identity = MaskIdentity {
                    table: record.table,
                    slice: record.slice,
                    row_group: record.id,
                };
                let bytes = || mask::encode(identity, deleted);
                Some(self.upload(bytes).await?)
            }
            _ => None,
        };
        self.request.steps.add(record.file_bytes);
        Ok(RowGroupObjects {
            record: record.clone(),
            seal,
            file,
            mask_version: mask.as_ref().map_or(0, |_| entry.mask_version),
            mask,
        })
    }

    /// Gives the seal and the object of a row group's file.
    async fn file(&self, entry: &RowGroupEntry) -> Result<(u64, Object)> {
        let record = &entry.record;
        let path = name::row_group(record.slice, record.table, record.id);
        let seal = read_seal(self.store, entry, &path)?;
        let file = match self.known.sealed.get(&(path.clone(), seal)) {
            Some(object) if object.bytes == record.file_bytes => object.clone(),
            _ => {
                self.upload(|| read_row_group(self.store, entry, &path))
                    .await?
            }
        };
        Ok((seal, file))
    }

    /// Gives the object of some bytes; uploads them unless they are there.
    async fn upload(&self, read: impl FnOnce() -> Result<Vec<u8>>) -> Result<Object> {
        let bytes = read()?;
        let hash = manifest::hash(&bytes);
        if let Some(object) = self.known.by_hash.get(&hash) {
            return Ok(object.clone());
        }
        let (folder, unique) = (
            hash.get(..2).unwrap_or_default(),
            self.request.random.next(),
        );
        let object = Object {
            key: format!("{folder}/{hash}.{unique:016x}"),
            bytes: bytes.len() as u64,
            hash,
        };
        let uploaded = || self.uploaded.lock().unwrap_or_else(PoisonError::into_inner);
        // Named before it is there, so that a failure removes what came of it.
        uploaded().push(object.clone());
        self.repository.put_object(&object, bytes).await?;
        Ok(object)
    }
}

fn read_row_group(store: &Store, entry: &RowGroupEntry, path: &Path) -> Result<Vec<u8>> {
    let record = &entry.record;
    let corrupt = |reason| Error::Corrupt {
        path: path.to_owned(),
        what: format!(
            "row group {} of table {}, slice {}",
            record.id.0, record.table.0, record.slice.0
        ),
        reason,
    };
    let bytes = store.io().read(path)?;
    let bytes = bytes.ok_or_else(|| corrupt("it is missing".to_owned()))?;
    verify::row_group(record, &bytes).map_err(corrupt)?;
    Ok(bytes)
}

/// Reads the checksum that stands for the whole file: its footer's, which covers those of all blocks.
fn read_seal(store: &Store, entry: &RowGroupEntry, path: &Path) -> Result<u64> {
    let at = TRAILER_BYTES as u64 - SEAL_AT;
    let mut seal = [0; 8];
    let offset = entry.record.file_bytes.saturating_sub(at);
    store.io().read_at(path, offset, &mut seal)?;
    Ok(u64::from_le_bytes(seal))
}
