//! Finds the files of a load: by prefix, or named by a manifest.

use super::list::{list_files, list_keys};
use super::manifest::{Entry, Manifest};
use super::{LoadPlan, watch};
use crate::error::{Error, Result};
use crate::object::sealed::{self, StoredFile};
use crate::object::{ObjectPolicy, failed};
use blueshift_sql::statement::copy::CopyFormat;
use blueshift_sql::statement::master_key::MasterKey;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of one load at most.
pub(super) const FILES_MAX: usize = 1_000_000;
/// Size of a manifest at most.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// Entries of a manifest that are looked for at the same time.
const HEADS_IN_FLIGHT: usize = 32;
/// Size of a JSONPaths file at most: a path for each of 1,600 columns.
const PATHS_BYTES_MAX: u64 = 4 << 20;

/// A file to load.
#[derive(Clone)]
pub(crate) struct Source {
    /// As the user would write it.
    pub(crate) url: String,
    /// Where it is.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Its place there.
    pub(crate) path: ObjectPath,
    /// Its size as it is, compressed or not.
    pub(crate) bytes: u64,
    /// The slice that reads it.
    pub(crate) slice: u32,
}

/// A URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    S3 { bucket: String, key: String },
    File(PathBuf),
}

impl Location {
    pub(super) fn parse(url: &str) -> Result<Location> {
        if let Some(rest) = url.strip_prefix("s3://") {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() {
                return Err(invalid(url, "the name of a bucket is missing"));
            }
            return Ok(Location::S3 {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            });
        }
        if let Some(path) = url.strip_prefix("file://") {
            if !path.starts_with('/') {
                return Err(invalid(
                    url,
                    "a file URL needs an absolute path, as in file:///data/part",
                ));
            }
            return Ok(Location::File(PathBuf::from(path)));
        }
        Err(invalid(url, "COPY reads s3:// and file:// only"))
    }

    /// Refuses a file outside the copy roots.
    pub(super) fn check(&self, policy: &ObjectPolicy) -> Result<()> {
        match self {
            Location::S3 { .. } => Ok(()),
            Location::File(path) => policy.check_file(path),
        }
    }
}

pub(super) fn invalid(url: &str, why: &str) -> Error {
    Error::Sql(
        blueshift_sql::Error::new(
            blueshift_sql::SqlState::INVALID_PARAMETER_VALUE,
            format!("invalid COPY source \"{url}\""),
        )
        .with_hint(format!("{why}.")),
    )
}

/// Lists what a plan loads, sorted by name. Nothing found is an error.
pub(super) async fn find(policy: &ObjectPolicy, plan: &LoadPlan) -> Result<Vec<Source>> {
    let location = Location::parse(&plan.source)?;
    location.check(policy)?;
    if plan.options.master_key.is_some() && matches!(location, Location::File(_)) {
        return Err(Error::Sql(blueshift_sql::Error::unsupported(
            "ENCRYPTED of file://",
            "The key of an encrypted file stands in the metadata of its object: put the files on S3",
        )));
    }
    if let Some(files) = &plan.files {
        return watch::sources(policy, plan, files);
    }
    let finder = Finder { policy, plan };
    let sources = match plan.options.manifest {
        true => finder.of_manifest(&location).await?,
        false => finder.of_prefix(&location).await?,
    };
    let sources = match &plan.options.master_key {
        Some(key) => {
            let opened = sources.into_iter().map(|one| opened(one, key, true));
            let opened = futures::stream::iter(opened).buffered(HEADS_IN_FLIGHT);
            opened.try_collect().await?
        }
        None => sources,
    };
    if sources.is_empty() {
        let kind = if plan.source.starts_with("s3://") {
            "S3 prefix"
        } else {
            "path"
        };
        return Err(Error::NoSource {
            message: match plan.options.manifest {
                true => format!("No file that manifest '{}' names exists", plan.source),
                false => format!("The specified {kind} '{}' does not exist", plan.source),
            },
        });
    }
    Ok(sources)
}

/// Reads the manifest of hosts that COPY ... SSH names.
pub(super) async fn read_hosts(policy: &ObjectPolicy, plan: &LoadPlan) -> Result<bytes::Bytes> {
    let location = Location::parse(&plan.source)?;
    location.check(policy)?;
    Finder { policy, plan }.manifest(&location).await
}

/// Reads a JSONPaths file: one file, not a prefix.
pub(super) async fn read_paths(
    policy: &ObjectPolicy,
    plan: &LoadPlan,
    url: &str,
) -> Result<bytes::Bytes> {
    let location = Location::parse(url)?;
    location.check(policy)?;
    let finder = Finder { policy, plan };
    let file = finder.open(url, &location).await?;
    let file = file.ok_or_else(|| Error::NoSource {
        message: format!("The specified JSONPaths file '{url}' does not exist"),
    })?;
    if file.bytes > PATHS_BYTES_MAX {
        return Err(invalid(url, "a JSONPaths file may have 4 MB"));
    }
    read_all(&file).await
}

struct Finder<'a> {
    policy: &'a ObjectPolicy,
    plan: &'a LoadPlan,
}

impl Finder<'_> {
    fn bucket(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
        self.policy.bucket(
            bucket,
            &self.plan.authorization,
            self.plan.options.region.as_deref(),
        )
    }

    async fn of_prefix(&self, location: &Location) -> Result<Vec<Source>> {
        match location {
            Location::S3 { bucket, key } => {
                let store = self.bucket(bucket)?;
                // A directory bucket lists in no order.
                let is_sorted = !bucket.ends_with("--x-s3");
                let metas = list_keys(store.as_ref(), key, is_sorted, &self.plan.source).await?;
                let source = |meta: ObjectMeta| Source {
                    url: format!("s3://{bucket}/{}", meta.location),
                    store: Arc::clone(&store),
                    path: meta.location,
                    bytes: meta.size,
                    slice: 0,
                };
                Ok(metas.into_iter().map(source).collect())
            }
            Location::File(path) => self.files_of_prefix(path).await,
        }
    }

    async fn files_of_prefix(&self, prefix: &Path) -> Result<Vec<Source>> {
        // The folder is resolved once; names below it are compared as text.
        let text = prefix.to_string_lossy();
        let (folder, name) = text.rsplit_once('/').unwrap_or(("", &text));
        let folder =
            self.policy
                .allowed_file(Path::new(if folder.is_empty() { "/" } else { folder }))?;
        let key = format!("{}/{name}", folder.display());
        let store = self.policy.files();
        let mut sources = Vec::new();
        let key = key.trim_start_matches('/');
        // Files come in order of name, and so mostly from the folder of the one before.
        let mut checked: Option<PathBuf> = None;
        for meta in list_files(store.as_ref(), key, &self.plan.source).await? {
            let path = PathBuf::from(format!("/{}", meta.location));
            let below = path.parent().unwrap_or(&path);
            if checked.as_deref() != Some(below) {
                self.policy.allowed_file(below)?;
                checked = Some(below.to_owned());
            }
            // The folder is resolved, and so only the file itself may lead elsewhere.
            if path.is_symlink() {
                self.policy.allowed_file(&path)?;
            }
            sources.push(Source {
                url: format!("file://{}", path.display()),
                store: Arc::clone(&store),
                path: meta.location,
                bytes: meta.size,
                slice: 0,
            });
        }
        Ok(sources)
    }

    async fn of_manifest(&self, location: &Location) -> Result<Vec<Source>> {
        let bytes = self.manifest(location).await?;
        let manifest = Manifest::parse(&bytes).map_err(|reason| Error::Source {
            url: self.plan.source.clone(),
            reason: format!(
                "not a manifest, which is {{\"entries\": [{{\"url\": ...}}]}}: {reason}"
            ),
        })?;
        if manifest.entries.len() > FILES_MAX {
            return Err(invalid(
                &self.plan.source,
                "one COPY may name 1,000,000 files",
            ));
        }
        // Each is asked for by itself; many at a time, as that is mostly waiting.
        let found = manifest.entries.into_iter().map(|entry| self.entry(entry));
        let mut found = futures::stream::iter(found).buffered(HEADS_IN_FLIGHT);
        let mut sources = Vec::new();
        while let Some(source) = found.try_next().await? {
            sources.extend(source);
        }
        Ok(sources)
    }

    /// Reads the file that FROM names whole: a manifest.
    async fn manifest(&self, location: &Location) -> Result<bytes::Bytes> {
        let manifest = self.open(&self.plan.source, location).await?;
        let manifest = manifest.ok_or_else(|| Error::NoSource {
            message: format!(
                "The specified manifest '{}' does not exist",
                self.plan.source
            ),
        })?;
        match manifest.bytes > MANIFEST_BYTES_MAX {
            true => Err(invalid(&self.plan.source, "a manifest may have 64 MB")),
            false => {
                let manifest = match &self.plan.options.master_key {
                    Some(key) => opened(manifest, key, false).await?,
                    None => manifest,
                };
                read_all(&manifest).await
            }
        }
    }

    /// Finds the file of an entry; `None` if it is not there and need not be.
    async fn entry(&self, entry: Entry) -> Result<Option<Source>> {
        let location = Location::parse(&entry.url).map_err(|_| {
            let message = format!(
                "COPY with MANIFEST parameter requires full path of an Amazon S3 object: \"{}\" in manifest '{}' \
                 (code 8001)",
                entry.url, self.plan.source
            );
            let state = blueshift_sql::SqlState::INVALID_PARAMETER_VALUE;
            let hint = "Write s3://bucket/key or file:///directory/file.";
            Error::Sql(blueshift_sql::Error::new(state, message).with_hint(hint))
        })?;
        location.check(self.policy)?;
        let length = entry.meta.and_then(|meta| meta.content_length);
        if length.is_none()
            && matches!(
                self.plan.options.format,
                CopyFormat::Parquet | CopyFormat::Orc
            )
        {
            return Err(no_length(&entry.url));
        }
        let Some(source) = self.open(&entry.url, &location).await? else {
            return match entry.mandatory {
                false => Ok(None),
                true => Err(Error::NoSource {
                    message: format!(
                        "The file '{}', mandatory in manifest '{}', does not exist",
                        entry.url, self.plan.source
                    ),
                }),
            };
        };
        if let Some(expected) = length
            && expected != source.bytes
        {
            return Err(Error::Source {
                url: entry.url,
                reason: format!(
                    "the manifest says {expected} bytes, the file has {}",
                    source.bytes
                ),
            });
        }
        Ok(Some(source))
    }

    /// Finds one file; `None` if there is none.
    async fn open(&self, url: &str, location: &Location) -> Result<Option<Source>> {
        let (store, path) = match location {
            Location::S3 { bucket, key } => (self.bucket(bucket)?, object_path(key, url)?),
            Location::File(path) => {
                let Some(path) = self.policy.file_place(url, path)? else {
                    return Ok(None);
                };
                (self.policy.files(), path)
            }
        };
        match store.head(&path).await {
            Ok(meta) => Ok(Some(Source {
                url: url.to_owned(),
                store,
                path,
                bytes: meta.size,
                slice: 0,
            })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(url, &error)),
        }
    }
}

/// A manifest of files in a columnar format must tell their sizes.
fn no_length(url: &str) -> Error {
    let state = blueshift_sql::SqlState::INVALID_PARAMETER_VALUE;
    Error::Sql(
        blueshift_sql::Error::new(state, "File entry does not have 'meta' key.")
            .with_detail(format!(
                "The entry of \"{url}\" has no content_length (code 15003)."
            ))
            .with_hint(
                "Write \"meta\": {\"content_length\": bytes} in every entry of the manifest.",
            ),
    )
}

pub(super) fn object_path(key: &str, url: &str) -> Result<ObjectPath> {
    ObjectPath::parse(key).map_err(|error| Error::Source {
        url: url.to_owned(),
        reason: error.to_string(),
    })
}

/// Opens a file that its client encrypted; one that is not is refused if it must be.
async fn opened(source: Source, key: &MasterKey, must: bool) -> Result<Source> {
    let slice = source.slice;
    let file = StoredFile {
        url: source.url,
        store: source.store,
        path: source.path,
        bytes: source.bytes,
    };
    let StoredFile {
        url,
        store,
        path,
        bytes,
    } = sealed::opened(file, key, must).await?;
    Ok(Source {
        url,
        store,
        path,
        bytes,
        slice,
    })
}

/// Reads a small file whole.
async fn read_all(source: &Source) -> Result<bytes::Bytes> {
    let failed = |error| failed(&source.url, &error);
    let got = source.store.get(&source.path).await.map_err(failed)?;
    got.bytes().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let s3 = |bucket: &str, key: &str| Location::S3 {
            bucket: bucket.into(),
            key: key.into(),
        };
        assert_eq!(Location::parse("s3://b/k/e").ok(), Some(s3("b", "k/e")));
        assert_eq!(Location::parse("s3://b").ok(), Some(s3("b", "")));
        assert_eq!(
            Location::parse("file:///d/p").ok(),
            Some(Location::File("/d/p".into()))
        );
        for wrong in ["s3://", "file://d", "http://x/y", "emr://c/p", "d/p"] {
            assert!(Location::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn files_stay_under_their_root() {
        let root = tempfile::tempdir().expect("a directory");
        let policy = ObjectPolicy {
            copy_roots: vec![root.path().to_path_buf()],
            ..ObjectPolicy::default()
        };
        assert!(policy.check_file(&root.path().join("a")).is_ok());
        assert!(policy.check_file(Path::new("/etc/passwd")).is_err());
        assert!(
            policy
                .check_file(&root.path().join("../etc/passwd"))
                .is_err()
        );
        std::os::unix::fs::symlink("/etc", root.path().join("out")).expect("symlink");
        assert!(
            policy
                .allowed_file(&root.path().join("out/passwd"))
                .is_err()
        );
    }
}
