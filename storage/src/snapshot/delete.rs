//! Removes a snapshot, and the objects that no other one needs.
//!
//! Others may take snapshots at the same moment, from anywhere, and no lock is held. The order of steps
//! makes that safe, with a store where each sees what another finished before:
//!
//! - taking: (a) a `pending` marker, (b) read the manifests, whose objects may be used again, (c) upload
//!   the rest under keys never used before, (d) the manifest, (e) remove the marker;
//! - removing: (1) remove the manifest, (2) list the objects, (3) list the markers: if there is one, stop
//!   here, (4) read the manifests, (5) remove of the listed objects those that none names.
//!
//! If (3) sees no marker of a snapshot, then either its (e) came before, and (4) sees its manifest; or
//! its (a) comes after (2) and (1): what it uploads is not in the list, and what it uses again is of
//! manifests that it can read after (1), so not of this one. Another removal that runs beside can only
//! lead to removing a thing twice. What stays because of (3) goes with the next removal.

use super::repository::Repository;
use crate::error::{Error, Result};
use std::collections::HashSet;

/// What a removal did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Objects removed.
    pub objects: usize,
    /// Their size.
    pub bytes: u64,
    /// Whether objects stay until the next removal, as a snapshot is being taken.
    pub is_put_off: bool,
}

/// Removes the snapshot `name`; `NoSnapshot` if there is none. A damaged one can be removed too.
pub async fn delete(repository: &Repository, name: &str) -> Result<Deleted> {
    super::ensure_name(name)?;
    if !repository.names().await?.iter().any(|known| known == name) {
        return Err(Error::NoSnapshot {
            name: name.to_owned(),
            place: repository.url().to_owned(),
        });
    }
    repository.remove_manifest(name).await?;
    collect(repository).await
}

/// Removes the objects that no snapshot names.
async fn collect(repository: &Repository) -> Result<Deleted> {
    let listed = repository.list("objects").await?;
    let put_off = Deleted {
        is_put_off: true,
        ..Deleted::default()
    };
    if !repository.list("pending").await?.is_empty() {
        return Ok(put_off);
    }
    let mut named = HashSet::new();
    for name in repository.names().await? {
        match repository.manifest(&name).await {
            Ok(manifest) => named.extend(manifest.objects().map(|object| object.key.clone())),
            Err(Error::NoSnapshot { .. }) => {}
            // Nobody knows what a damaged one names: nothing is removed.
            Err(error @ (Error::Corrupt { .. } | Error::Version { .. })) => {
                tracing::warn!(%error, "no object is removed beside a snapshot that cannot be read");
                return Ok(put_off);
            }
            Err(error) => return Err(error),
        }
    }
    let mut deleted = Deleted::default();
    for (key, bytes) in listed.into_iter().filter(|(key, _)| !named.contains(key)) {
        repository.remove(&format!("objects/{key}")).await?;
        deleted.objects += 1;
        deleted.bytes += bytes;
    }
    Ok(deleted)
}
