//! Where snapshots are kept: a directory or a place in a bucket, through one client.
//!
//! ```text
//! snapshots/NAME.manifest     a snapshot, written last
//! objects/HH/HASH.UNIQUE      a row group or a mask; HH is the beginning of HASH
//! pending/CLUSTER.UNIQUE      a snapshot that is being taken
//! ```

use super::ensure_name;
use super::local::{self, LocalFile};
use super::manifest::{Manifest, Object};
use crate::error::{Error, Result};
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of an object uploaded in one request; larger ones go in parts of a tenth of that.
const WHOLE_BYTES_MAX: usize = 64 << 20;

/// A place for snapshots.
#[derive(Clone, Debug)]
pub struct Repository {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    /// As the user named it.
    url: String,
    /// The directory, if it is one: what lies there must be synced by us.
    root: Option<PathBuf>,
}

impl Repository {
    /// Opens a directory. It is made, with mode 0700, when the first snapshot is taken.
    pub fn at_dir(dir: &Path) -> Result<Self> {
        let dir =
            std::path::absolute(dir).map_err(|error| crate::io::failed("find", dir, error))?;
        let url = dir.display().to_string();
        let refuse = |error: &dyn std::error::Error| Error::Repository {
            action: "open",
            place: url.clone(),
            reason: error.to_string(),
        };
        let prefix = Key::from_absolute_path(&dir).map_err(|error| refuse(&error))?;
        Ok(Self {
            store: Arc::new(LocalFileSystem::new()),
            prefix,
            url,
            root: Some(dir),
        })
    }

    /// Opens a place below `prefix` in the bucket of `store`; `url` is for messages.
    pub fn in_bucket(store: Arc<dyn ObjectStore>, prefix: &str, url: &str) -> Self {
        Self {
            store,
            prefix: Key::from(prefix),
            url: url.to_owned(),
            root: None,
        }
    }

    /// Gives the place as the user named it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lists the names of all snapshots, in order.
    pub async fn names(&self) -> Result<Vec<String>> {
        let files = self.list("snapshots").await?;
        let names = files.into_keys();
        let mut names: Vec<String> = names
            .filter_map(|file| file.strip_suffix(".manifest").map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Reads and verifies a snapshot's manifest; `NoSnapshot` if there is none.
    pub async fn manifest(&self, name: &str) -> Result<Manifest> {
        ensure_name(name)?;
        let key = manifest_key(name);
        let bytes = self.get(&key).await?.ok_or_else(|| Error::NoSnapshot {
            name: name.to_owned(),
            place: self.url.clone(),
        })?;
        let place = self.place(&key);
        let manifest = Manifest::decode(&place, &bytes)?;
        match manifest.name == name {
            true => Ok(manifest),
            false => Err(Error::Corrupt {
                path: PathBuf::from(place),
                what: "snapshot manifest".to_owned(),
                reason: format!("it is of snapshot \"{}\"", manifest.name),
            }),
        }
    }

    /// Reads an object and sees that it is what was written.
    pub(super) async fn object(&self, object: &Object) -> Result<Vec<u8>> {
        let key = object_key(object);
        let corrupt = |reason: &str| Error::Corrupt {
            path: PathBuf::from(self.place(&key)),
            what: "snapshot object".to_owned(),
            reason: reason.to_owned(),
        };
        let bytes = self.get(&key).await?;
        let bytes = bytes.ok_or_else(|| corrupt("a snapshot names it but it is missing"))?;
        if bytes.len() as u64 != object.bytes || super::manifest::hash(&bytes) != object.hash {
            return Err(corrupt("its content is not what was written"));
        }
        Ok(bytes)
    }

    /// Writes a manifest, which must be new. `aside` is a key beginning with `pending/` for the time it
    /// is not whole.
    pub(super) async fn put_manifest(&self, manifest: &Manifest, aside: &str) -> Result<()> {
        let key = manifest_key(&manifest.name);
        let bytes = manifest.encode()?;
        match self.put_from(&key, bytes, Some(aside)).await {
            Err(Error::SnapshotExists { .. }) => Err(Error::SnapshotExists {
                name: manifest.name.clone(),
                place: self.url.clone(),
            }),
            outcome => outcome,
        }
    }

    /// Writes a new object under a key of its own.
    pub(super) async fn put_object(&self, object: &Object, bytes: Vec<u8>) -> Result<()> {
        self.put(&object_key(object), bytes).await
    }

    /// Makes a new file, durably.
    pub(super) async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        self.put_from(key, bytes, None).await
    }

    async fn put_from(&self, key: &str, bytes: Vec<u8>, aside: Option<&str>) -> Result<()> {
        let exists = || Error::SnapshotExists {
            name: key.to_owned(),
            place: self.url.clone(),
        };
        if let Some(root) = &self.root {
            let path = root.join(key);
            let temporary = aside.map_or_else(|| local::beside(&path), |aside| root.join(aside));
            return match local_file(key, &path).create(&bytes, &temporary)? {
                true => Ok(()),
                false => Err(exists()),
            };
        }
        let at = self.key(key);
        if bytes.len() <= WHOLE_BYTES_MAX {
            let options = PutOptions::from(PutMode::Create);
            let put = self.store.put_opts(&at, PutPayload::from(bytes), options);
            put.await.map(drop).map_err(|error| match error {
                object_store::Error::AlreadyExists { .. } => exists(),
                error => self.failed("write", key, &error),
            })
        } else {
            // Keys of objects are unique, so nothing is replaced.
            let upload = self.store.put_multipart(&at).await;
            let upload = upload.map_err(|error| self.failed("write", key, &error))?;
            let mut writer =
                object_store::WriteMultipart::new_with_chunk_size(upload, WHOLE_BYTES_MAX / 8);
            let size = bytes.len() as u64;
            writer.put(bytes.into());
            match writer.finish().await {
                Ok(_) => Ok(()),
                // The answer may have been lost: the request that was sent again found no upload any more.
                Err(object_store::Error::NotFound { .. }) if self.is_whole(&at, size).await => {
                    Ok(())
                }
                Err(error) => Err(self.failed("write", key, &error)),
            }
        }
    }

    /// Tells whether a file is there with all its bytes.
    async fn is_whole(&self, at: &Key, bytes: u64) -> bool {
        let there = self.store.head(at).await;
        there.is_ok_and(|there| there.size == bytes)
    }

    /// Reads a whole file; `None` if there is none.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let read = async { self.store.get(&self.key(key)).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", key, &error)),
        }
    }

    /// Removes a snapshot's manifest, so that it does not come back when its objects are gone.
    pub(super) async fn remove_manifest(&self, name: &str) -> Result<()> {
        let key = manifest_key(name);
        self.remove(&key).await?;
        match &self.root {
            Some(root) => local_file(&key, &root.join(&key)).sync_name(),
            None => Ok(()),
        }
    }

    /// Removes a file; missing is not an error.
    pub(super) async fn remove(&self, key: &str) -> Result<()> {
        if let Some(root) = &self.root {
            return local_file(key, &root.join(key)).remove();
        }
        match self.store.delete(&self.key(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove", key, &error)),
        }
    }

    /// Lists the files below a folder with their sizes, their names relative to it.
    pub(super) async fn list(&self, folder: &str) -> Result<HashMap<String, u64>> {
        if self
            .root
            .as_ref()
            .is_some_and(|root| !root.join(folder).is_dir())
        {
            return Ok(HashMap::new());
        }
        let below = self.key(folder);
        let found: Vec<_> = self
            .store
            .list(Some(&below))
            .try_collect()
            .await
            .map_err(|error| self.failed("list", folder, &error))?;
        let named = found.into_iter().filter_map(|meta| {
            let parts = meta.location.prefix_match(&below)?;
            let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
            Some((parts.join("/"), meta.size))
        });
        Ok(named.collect())
    }

    fn key(&self, key: &str) -> Key {
        let parts = self.prefix.parts().map(|part| part.as_ref().to_owned());
        let all = parts.chain(key.split('/').map(str::to_owned));
        // Parts of the prefix are encoded already; those of ours need no encoding.
        Key::parse(all.collect::<Vec<_>>().join("/")).unwrap_or_else(|_| Key::from(key))
    }

    fn place(&self, key: &str) -> String {
        format!("{}/{key}", self.url.trim_end_matches('/'))
    }

    fn failed(&self, action: &'static str, key: &str, error: &object_store::Error) -> Error {
        let full = |error: &object_store::Error| {
            let mut cause: Option<&dyn std::error::Error> = Some(error);
            let mut text = String::new();
            while let Some(each) = cause {
                if let Some(io) = each.downcast_ref::<std::io::Error>()
                    && io.kind() == std::io::ErrorKind::StorageFull
                {
                    return None;
                }
                text = each.to_string();
                cause = each.source();
            }
            Some(text)
        };
        let place = self.place(key);
        match full(error) {
            None => Error::DiskFull {
                path: PathBuf::from(place),
            },
            Some(reason) => Error::Repository {
                action,
                place,
                reason,
            },
        }
    }
}

/// A file of a repository that is a directory. Its steps are called after the first part of its key.
fn local_file<'a>(key: &'a str, path: &'a Path) -> LocalFile<'a> {
    let folder = Path::new(key.split('/').next().unwrap_or_default());
    LocalFile { path, folder }
}

fn manifest_key(name: &str) -> String {
    format!("snapshots/{name}.manifest")
}

fn object_key(object: &Object) -> String {
    format!("objects/{}", object.key)
}

/// Tells whether a directory can take a restore: it is missing, or empty but for the lock that whoever
/// made it and was killed left behind.
pub(super) fn is_vacant(dir: &Path) -> Result<bool> {
    let failed = |error| crate::io::failed("list", dir, error);
    match fs::read_dir(dir) {
        Ok(entries) => {
            for entry in entries {
                if entry.map_err(failed)?.file_name() != crate::io::LOCK_FILE {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(failed(error)),
    }
}
