//! Snapshots, the node's half: where they may be kept, and rows that move to another number of slices.

use crate::error::{Error, Result};
use crate::object::ObjectPolicy;
use crate::resource::BATCH_ROWS;
use crate::write::{Router, WriteTarget, Written};
use arrow::array::RecordBatch;
use blueshift_sql::statement::copy::Authorization;
use blueshift_storage::snapshot::{Repository, Steps};
use blueshift_storage::store::Store;
use blueshift_storage::store::version::TableVersion;
use blueshift_storage::table::scan::{RowGroupScan, ScanRequest, zone_count};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Batches that may wait between reading and writing.
const BATCHES_WAITING: usize = 4;

/// Opens the repository at `place`: `s3://bucket/prefix`, `file:///dir` or a whole path. Directories must
/// lie under a snapshot root of `policy`, wherever symlinks lead; with `anywhere`, for commands of the
/// operator, they may lie anywhere.
pub fn repository(policy: &ObjectPolicy, place: &str, anywhere: bool) -> Result<Repository> {
    if let Some(rest) = place.strip_prefix("s3://") {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(refused(place, "it names no bucket"));
        }
        let store = policy.bucket(bucket, &Authorization::None, None)?;
        return Ok(Repository::in_bucket(store, prefix, place));
    }
    let path = Path::new(place.strip_prefix("file://").unwrap_or(place));
    if place.contains("://") && !place.starts_with("file://") {
        return Err(refused(place, "it is neither a directory nor s3://"));
    }
    if !anywhere {
        ensure_under_root(policy, path)?;
    }
    Ok(Repository::at_dir(path)?)
}

fn refused(place: &str, reason: &str) -> Error {
    Error::Source {
        url: place.to_owned(),
        reason: reason.to_owned(),
    }
}

fn ensure_under_root(policy: &ObjectPolicy, path: &Path) -> Result<()> {
    let climbs = path
        .components()
        .any(|part| matches!(part, Component::ParentDir));
    let resolved = resolved(path);
    let roots = policy.snapshot_roots.iter();
    let roots = roots.filter_map(|root| root.canonicalize().ok());
    let under = roots
        .into_iter()
        .any(|root| resolved.as_ref().is_some_and(|path| path.starts_with(root)));
    if path.is_absolute() && !climbs && under {
        return Ok(());
    }
    Err(Error::SourceNotAllowed {
        message: format!("snapshots may not be kept in \"{}\"", path.display()),
        hint: "Start the server with --snapshot-root naming a directory above it.".to_owned(),
    })
}

/// Follows the symlinks of a path of which the end may not exist.
fn resolved(path: &Path) -> Option<PathBuf> {
    let existing = path.ancestors().find(|part| part.exists())?;
    let rest = path.strip_prefix(existing).ok()?;
    Some(existing.canonicalize().ok()?.join(rest))
}

/// Writes the visible rows of `version`, a table of store `from`, to their slices in store `to`, durable
/// but not visible; `steps` counts rows. On an error, or when dropped, everything written is discarded.
pub async fn transfer(
    compute: &Handle,
    from: &Arc<Store>,
    version: &Arc<TableVersion>,
    to: &Arc<Store>,
    target: &WriteTarget,
    steps: &Steps,
) -> Result<Written> {
    steps.tell(0, version.row_count());
    let router = Router::new(to, compute, target);
    let (sender, mut batches) = mpsc::channel(BATCHES_WAITING);
    let (from, version) = (Arc::clone(from), Arc::clone(version));
    let mut reader = JoinSet::new();
    reader.spawn_blocking_on(move || read(&from, &version, &sender), compute);
    while let Some(batch) = batches.recv().await {
        let rows = batch.num_rows() as u64;
        router.write(batch).await?;
        steps.add(rows);
    }
    while let Some(ended) = reader.join_next().await {
        crate::write::joined(ended)?;
    }
    router.finish().await
}

fn read(
    store: &Arc<Store>,
    version: &TableVersion,
    batches: &mpsc::Sender<RecordBatch>,
) -> Result<()> {
    let request = Arc::new(ScanRequest {
        projection: (0..version.layout.columns.len()).collect(),
        conjuncts: Vec::new(),
        row_ids: false,
        batch_rows: BATCH_ROWS,
    });
    for group in version.row_groups.iter() {
        let zones = 0..zone_count(group.record.rows);
        let (layout, request) = (&version.layout, Arc::clone(&request));
        let mut scan = RowGroupScan::new(store, layout, group, 0, zones, request)?;
        while let Some(batch) = scan.next_batch()? {
            if batches.blocking_send(batch).is_err() {
                return Err(Error::Canceled);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_under_a_root_hold_snapshots() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(dir.path(), root.join("out")).unwrap();
        let policy = ObjectPolicy {
            snapshot_roots: vec![root.clone()],
            ..ObjectPolicy::default()
        };
        let allowed = |place: &str| repository(&policy, place, false).is_ok();
        let root = root.display().to_string();
        assert!(allowed(&format!("{root}/new/deep")));
        assert!(allowed(&format!("file://{root}")));
        for place in [
            dir.path().display().to_string(),
            format!("{root}/../x"),
            format!("{root}/out/x"),
            "relative".to_owned(),
            "gs://bucket/x".to_owned(),
            "s3://".to_owned(),
        ] {
            assert!(!allowed(&place), "{place}");
        }
        let outside = dir.path().display().to_string();
        assert!(repository(&policy, &outside, true).is_ok());
    }
}
