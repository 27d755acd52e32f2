//! Finds the files of an external table: all below a folder, or those that a manifest names.
//!
//! What is not there has no rows, as with Redshift, but for files that a manifest calls mandatory. Lists are kept for
//! the time of a statement, so that a table named twice is listed once and shows the same files.

use super::budget::{CountedStore, ScanBudget};
use super::open::OpenTable;
use crate::error::{Error, Result};
use crate::load::Manifest;
use crate::object::{ObjectPolicy, failed};
use blueshift_sql::SqlState;
use blueshift_sql::statement::copy::Authorization;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Files of one scan at most.
const FILES_MAX: usize = 100_000;
/// Size of a manifest at most.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// Entries of a manifest that are looked for at the same time.
const HEADS_IN_FLIGHT: usize = 16;

/// A file of an external table, and the store it is in, which may hold keys and is never printed.
#[derive(Clone)]
pub struct ExternalFile {
    /// As the user would write it.
    pub url: Arc<str>,
    /// Where it is.
    pub store: Arc<dyn ObjectStore>,
    /// Its place there, its size and its version.
    pub meta: ObjectMeta,
}

impl std::fmt::Debug for ExternalFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ExternalFile")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// How to reach the files of a table.
#[derive(Clone)]
pub struct Access {
    /// What may be reached.
    pub policy: ObjectPolicy,
    /// How to log in. Never printed.
    pub authorization: Authorization,
    /// REGION of the schema.
    pub region: Option<String>,
}

/// What one statement has listed so far, by location.
#[derive(Debug, Default)]
pub struct FileLists {
    known: Mutex<HashMap<String, Arc<Vec<ExternalFile>>>>,
    /// Tables of open formats, by name and place.
    opened: Mutex<HashMap<String, Arc<OpenTable>>>,
    budget: Arc<ScanBudget>,
}

impl FileLists {
    /// Begins a statement, which may read as much as a budget lets it.
    pub fn new(budget: ScanBudget) -> Self {
        Self {
            known: Mutex::default(),
            opened: Mutex::default(),
            budget: Arc::new(budget),
        }
    }

    /// Lets what is read of files be counted.
    fn counted(&self, files: &mut [ExternalFile]) {
        // The files of a folder are in one store.
        let mut last: Option<(Arc<dyn ObjectStore>, Arc<dyn ObjectStore>)> = None;
        for file in files {
            let known = last
                .as_ref()
                .filter(|(inner, _)| Arc::ptr_eq(inner, &file.store));
            let counted = match known {
                Some((_, counted)) => Arc::clone(counted),
                None => {
                    let inner = Arc::clone(&file.store);
                    let is_local = file.url.starts_with("file:");
                    let counted: Arc<dyn ObjectStore> =
                        Arc::new(CountedStore::new(inner, &self.budget, is_local));
                    last = Some((Arc::clone(&file.store), Arc::clone(&counted)));
                    counted
                }
            };
            file.store = counted;
        }
    }

    /// Gives the files of a location in order of name.
    pub async fn files(&self, access: &Access, location: &str) -> Result<Arc<Vec<ExternalFile>>> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = known().get(location) {
            return Ok(Arc::clone(files));
        }
        let mut files = access.list(location).await?;
        self.counted(&mut files);
        let files = Arc::new(files);
        known().insert(location.to_owned(), Arc::clone(&files));
        Ok(files)
    }
}

impl FileLists {
    /// Finds one file; `None` if there is none.
    pub(super) async fn file(&self, access: &Access, url: &str) -> Result<Option<ExternalFile>> {
        let mut found = access.open(url).await?.into_iter().collect::<Vec<_>>();
        self.counted(&mut found);
        Ok(found.pop())
    }

    /// Makes files whose sizes are known, without looking for those that are not local. They may lie wherever the
    /// statement may reach.
    pub(super) fn known_files(
        &self,
        access: &Access,
        named: impl Iterator<Item = (String, u64)>,
    ) -> Result<Vec<ExternalFile>> {
        let mut buckets: HashMap<String, Arc<dyn ObjectStore>> = HashMap::new();
        let mut files = Vec::new();
        for (url, size) in named {
            access.check(&url)?;
            let (store, location) = match Place::parse(&url)? {
                Place::S3 { bucket, key } => {
                    let store = match buckets.get(&bucket) {
                        Some(store) => Arc::clone(store),
                        None => {
                            let store = access.bucket(&bucket)?;
                            buckets.insert(bucket, Arc::clone(&store));
                            store
                        }
                    };
                    (store, object_path(&key, &url)?)
                }
                Place::File(path) => match access.policy.file_place(&url, &path)? {
                    Some(place) => (access.policy.files(), place),
                    None => {
                        return Err(Error::NoSource {
                            message: format!("The file '{url}' does not exist"),
                        });
                    }
                },
            };
            files.push(ExternalFile {
                url: url.into(),
                store,
                meta: ObjectMeta {
                    location,
                    last_modified: chrono::DateTime::default(),
                    size,
                    e_tag: None,
                    version: None,
                },
            });
        }
        self.counted(&mut files);
        Ok(files)
    }

    /// Gives a table that the statement has opened, and opens it only once: it shows the same version wherever the
    /// statement names it.
    pub(super) fn opened(&self, name: &str) -> Option<Arc<OpenTable>> {
        let known = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).cloned()
    }

    /// Notes a table that the statement has opened. The first stays.
    pub(super) fn note_opened(&self, name: &str, table: OpenTable) -> Arc<OpenTable> {
        let mut known = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = known.entry(name.to_owned());
        Arc::clone(noted.or_insert_with(|| Arc::new(table)))
    }
}

/// Refuses more files than a scan may read.
pub(super) fn ensure_count(count: usize, location: &str) -> Result<()> {
    match count <= FILES_MAX {
        true => Ok(()),
        false => Err(Error::Sql(
            blueshift_sql::Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!(
                    "the external table at \"{location}\" has more than {FILES_MAX} files to read"
                ),
            )
            .with_hint("Filter by the partition columns, or make the files larger."),
        )),
    }
}

/// A location, taken apart.
enum Place {
    S3 { bucket: String, key: String },
    File(PathBuf),
}

impl Place {
    fn parse(url: &str) -> Result<Self> {
        if let Some(rest) = url.strip_prefix("s3://") {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            if !bucket.is_empty() {
                return Ok(Self::S3 {
                    bucket: bucket.to_owned(),
                    key: key.to_owned(),
                });
            }
        }
        match url.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => Ok(Self::File(PathBuf::from(path))),
            _ => Err(Error::Sql(
                blueshift_sql::Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("\"{url}\" is not a place for files"),
                )
                .with_hint("Write s3://bucket/folder/ or file:///folder/."),
            )),
        }
    }
}

impl Access {
    /// Refuses a location that may not be reached, before its existence is told.
    pub fn check(&self, location: &str) -> Result<()> {
        match Place::parse(location)? {
            Place::S3 { .. } => Ok(()),
            Place::File(path) => self.policy.check_file(&path),
        }
    }

    /// Gives the beginning of the URLs of the files below a location, without a slash at its end.
    pub(super) fn root(&self, location: &str) -> Result<String> {
        let root = match Place::parse(location)? {
            Place::S3 { .. } => location.to_owned(),
            // Links are followed.
            Place::File(path) => match self.policy.file_place(location, &path)? {
                Some(place) => format!("file:///{place}"),
                None => location.to_owned(),
            },
        };
        Ok(root.trim_end_matches('/').to_owned())
    }

    /// Tells whether a location is a manifest, and not a folder.
    pub async fn is_manifest(&self, location: &str) -> Result<bool> {
        self.check(location)?;
        if location.ends_with('/') {
            return Ok(false);
        }
        self.open(location).await.map(|found| found.is_some())
    }

    async fn list(&self, location: &str) -> Result<Vec<ExternalFile>> {
        self.check(location)?;
        match Place::parse(location)? {
            Place::S3 { bucket, key } => self.list_bucket(location, &bucket, &key).await,
            Place::File(path) => self.list_folder(location, &path).await,
        }
    }

    fn bucket(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
        let region = self.region.as_deref();
        self.policy.bucket(bucket, &self.authorization, region)
    }

    async fn list_bucket(&self, url: &str, bucket: &str, key: &str) -> Result<Vec<ExternalFile>> {
        let store = self.bucket(bucket)?;
        let path = object_path(key, url)?;
        if !key.is_empty() && !key.ends_with('/') {
            match store.head(&path).await {
                Ok(meta) => return self.of_manifest(url, &store, meta).await,
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(url, &error)),
            }
        }
        let name = |meta: &ObjectMeta| format!("s3://{bucket}/{}", meta.location);
        below(&store, &path, url, name).await
    }

    async fn list_folder(&self, url: &str, path: &Path) -> Result<Vec<ExternalFile>> {
        let Some(path) = self.policy.file_place(url, path)? else {
            return Ok(Vec::new());
        };
        let store = self.policy.files();
        // A folder is no object.
        if let Ok(meta) = store.head(&path).await {
            return self.of_manifest(url, &store, meta).await;
        }
        let name = |meta: &ObjectMeta| format!("file:///{}", meta.location);
        let files = below(&store, &path, url, name).await?;
        for file in &files {
            // Links may lead out.
            self.policy
                .allowed_file(Path::new(&format!("/{}", file.meta.location)))?;
        }
        Ok(files)
    }

    async fn of_manifest(
        &self,
        url: &str,
        store: &Arc<dyn ObjectStore>,
        meta: ObjectMeta,
    ) -> Result<Vec<ExternalFile>> {
        let wrong = |reason: String| {
            Error::Sql(
                blueshift_sql::Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("could not read \"{url}\": {reason}"),
                )
                .with_hint("Name the folder of the files, or a manifest of them."),
            )
        };
        if meta.size > MANIFEST_BYTES_MAX {
            return Err(wrong("a manifest may have 64 MB".to_owned()));
        }
        let got = store.get(&meta.location).await;
        let got = got.map_err(|error| failed(url, &error))?;
        let bytes = got.bytes().await.map_err(|error| failed(url, &error))?;
        let manifest = Manifest::parse(&bytes)
            .map_err(|_| wrong("Parsed manifest is not a valid JSON object".to_owned()))?;
        ensure_count(manifest.entries.len(), url)?;
        let entries = manifest.entries.into_iter().map(|entry| async move {
            let found = self.open(&entry.url).await?;
            match found {
                Some(file) => Ok(Some(file)),
                None if entry.mandatory => Err(Error::NoSource {
                    message: format!(
                        "The file '{}', mandatory in manifest '{url}', does not exist",
                        entry.url
                    ),
                }),
                None => Ok(None),
            }
        });
        let found = futures::stream::iter(entries).buffered(HEADS_IN_FLIGHT);
        let found: Vec<Option<ExternalFile>> = found.try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Finds one file; `None` if there is none.
    async fn open(&self, url: &str) -> Result<Option<ExternalFile>> {
        self.check(url)?;
        let (store, path) = match Place::parse(url)? {
            Place::S3 { bucket, key } => (self.bucket(&bucket)?, object_path(&key, url)?),
            Place::File(path) => {
                let Some(path) = self.policy.file_place(url, &path)? else {
                    return Ok(None);
                };
                (self.policy.files(), path)
            }
        };
        match store.head(&path).await {
            Ok(meta) => Ok(Some(ExternalFile {
                url: url.into(),
                store,
                meta,
            })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(url, &error)),
        }
    }
}

fn object_path(key: &str, url: &str) -> Result<ObjectPath> {
    ObjectPath::parse(key.trim_end_matches('/')).map_err(|error| Error::Source {
        url: url.to_owned(),
        reason: error.to_string(),
    })
}

/// Lists the files below a folder, but for hidden ones.
async fn below(
    store: &Arc<dyn ObjectStore>,
    folder: &ObjectPath,
    url: &str,
    name: impl Fn(&ObjectMeta) -> String,
) -> Result<Vec<ExternalFile>> {
    let prefix = (!folder.as_ref().is_empty()).then_some(folder);
    let mut listing = store.list(prefix);
    let mut files = Vec::new();
    loop {
        let meta = match listing.try_next().await {
            Ok(Some(meta)) => meta,
            Ok(None) => break,
            Err(error) if is_nothing(&error) => break,
            Err(error) => return Err(failed(url, &error)),
        };
        let rest = meta.location.as_ref().strip_prefix(folder.as_ref());
        let is_hidden = rest.is_some_and(|rest| rest.split('/').any(is_hidden_name));
        if is_hidden || meta.size == 0 {
            continue;
        }
        files.push(ExternalFile {
            url: name(&meta).into(),
            store: Arc::clone(store),
            meta,
        });
        ensure_count(files.len(), url)?;
    }
    files.sort_by(|one, other| one.meta.location.cmp(&other.meta.location));
    Ok(files)
}

/// Tells whether a file or folder is passed over. Source: Redshift's guide, "Creating external tables for Redshift
/// Spectrum".
fn is_hidden_name(name: &str) -> bool {
    name.starts_with(['.', '_', '#']) || name.ends_with('~')
}

/// Tells whether an error means that a folder is not there. A bucket that is not there is worth telling.
fn is_nothing(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
        && !crate::object::reason(error).contains("NoSuchBucket")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(root: &Path) -> Access {
        Access {
            policy: ObjectPolicy {
                copy_roots: vec![root.to_path_buf()],
                ..ObjectPolicy::default()
            },
            authorization: Authorization::None,
            region: None,
        }
    }

    fn names(files: &[ExternalFile]) -> Vec<String> {
        let names = files.iter().map(|file| file.url.rsplit('/').next());
        names.flatten().map(str::to_owned).collect()
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a test makes its files itself")]
    async fn hidden_files_are_passed_over() {
        let root = tempfile::tempdir().expect("a directory");
        for name in [
            "b.parquet",
            "a.parquet",
            "_SUCCESS",
            ".crc",
            "#x",
            "old~",
            "sub/c.parquet",
            "_temporary/d.parquet",
        ] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, "x").expect("a file");
        }
        std::fs::write(root.path().join("empty"), "").expect("a file");
        let access = access(root.path());
        let lists = FileLists::default();
        let location = format!("file://{}/", root.path().display());
        let files = lists.files(&access, &location).await.expect("files");
        assert_eq!(names(&files), ["a.parquet", "b.parquet", "c.parquet"]);
        let missing = format!("{location}nothing/");
        let files = lists.files(&access, &missing).await.expect("no files");
        assert!(files.is_empty());
        assert!(lists.files(&access, "file:///etc/").await.is_err());
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a test makes its files itself")]
    async fn manifests_name_files() {
        let root = tempfile::tempdir().expect("a directory");
        let place = |name: &str| format!("file://{}/{name}", root.path().display());
        std::fs::write(root.path().join("a"), "x").expect("a file");
        let manifest = format!(
            r#"{{"entries":[{{"url":"{}","mandatory":true}},{{"url":"{}"}}]}}"#,
            place("a"),
            place("gone")
        );
        std::fs::write(root.path().join("m"), manifest).expect("a manifest");
        let access = access(root.path());
        let files = access.list(&place("m")).await.expect("files");
        assert_eq!(names(&files), ["a"]);
        assert!(access.list(&place("a")).await.is_err());
    }
}
