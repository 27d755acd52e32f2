//! The files under a prefix as they are now, and loads that are told file by file what to read.
//!
//! A file is meant in one version, told by the tag (ETag) of its store. Who reads it asks for that version with every
//! request: a file that was overwritten meanwhile fails the load, so that what is loaded is what was listed.

use super::LoadPlan;
use super::list::{list_files, list_keys};
use super::source::{Location, Source, object_path};
use crate::error::{Error, Result};
use crate::node::Node;
use crate::object::{ObjectPolicy, failed};
use async_trait::async_trait;
use blueshift_sql::statement::copy::Authorization;
use futures::stream::BoxStream;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file in one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundFile {
    /// As the user would write it.
    pub url: String,
    /// The tag of the version, as the store gives it; empty if it gives none.
    pub etag: String,
    /// Its size as it is, compressed or not.
    pub bytes: u64,
    /// When it was last changed, in microseconds since 1970.
    pub modified_us: i64,
}

/// Where files are watched.
#[derive(Clone, Copy)]
pub struct Watched<'a> {
    /// `s3://bucket/prefix` or `file:///dir/prefix`.
    pub prefix: &'a str,
    /// How to log in there.
    pub authorization: &'a Authorization,
    /// REGION.
    pub region: Option<&'a str>,
}

impl FoundFile {
    fn new(url: String, meta: ObjectMeta) -> Self {
        Self {
            url,
            etag: meta.e_tag.unwrap_or_default(),
            bytes: meta.size,
            modified_us: meta.last_modified.timestamp_micros(),
        }
    }
}

/// Lists the files under a prefix, sorted by name. None is no error: they may come later.
pub async fn found(node: &Node, watched: Watched<'_>) -> Result<Vec<FoundFile>> {
    let policy = &node.object_policy;
    let location = Location::parse(watched.prefix)?;
    location.check(policy)?;
    match &location {
        Location::S3 { bucket, key } => {
            let store = policy.bucket(bucket, watched.authorization, watched.region)?;
            // A directory bucket lists in no order.
            let is_sorted = !bucket.ends_with("--x-s3");
            let metas = list_keys(store.as_ref(), key, is_sorted, watched.prefix).await?;
            let file = |meta: ObjectMeta| {
                let url = format!("s3://{bucket}/{}", meta.location);
                FoundFile::new(url, meta)
            };
            Ok(metas.into_iter().map(file).collect())
        }
        Location::File(path) => found_locally(policy, path, watched.prefix).await,
    }
}

async fn found_locally(policy: &ObjectPolicy, prefix: &Path, url: &str) -> Result<Vec<FoundFile>> {
    // The folder is resolved once; names below it are compared as text.
    let text = prefix.to_string_lossy();
    let (folder, name) = text.rsplit_once('/').unwrap_or(("", &text));
    let folder = Path::new(if folder.is_empty() { "/" } else { folder });
    let folder = match policy.allowed_file(folder) {
        Err(Error::NoSource { .. }) => return Ok(Vec::new()),
        other => other?,
    };
    let key = format!("{}/{name}", folder.display());
    let store = policy.files();
    let metas = list_files(store.as_ref(), key.trim_start_matches('/'), url).await?;
    let mut files = Vec::with_capacity(metas.len());
    let mut allowed = HashSet::new();
    for meta in metas {
        let path = PathBuf::from(format!("/{}", meta.location));
        // A prefix is listed again and again: resolving each file of it each time would cost more than the listing. A file
        // is resolved when it is read.
        let is_link = path
            .symlink_metadata()
            .is_ok_and(|meta| meta.file_type().is_symlink());
        let way = match path.parent() {
            Some(folder) if !is_link => folder.to_path_buf(),
            _ => path.clone(),
        };
        if !allowed.contains(&way) {
            match policy.allowed_file(&way) {
                // Removed since.
                Err(Error::NoSource { .. }) => continue,
                resolved => resolved?,
            };
            allowed.insert(way);
        }
        files.push(FoundFile::new(format!("file://{}", path.display()), meta));
    }
    Ok(files)
}

/// Tells whether a file is still there in the version that was found.
pub async fn is_unchanged(node: &Node, watched: Watched<'_>, file: &FoundFile) -> Result<bool> {
    let policy = &node.object_policy;
    let (store, path) = match Location::parse(&file.url)? {
        Location::S3 { bucket, key } => (
            policy.bucket(&bucket, watched.authorization, watched.region)?,
            object_path(&key, &file.url)?,
        ),
        Location::File(path) => match policy.file_place(&file.url, &path)? {
            Some(place) => (policy.files(), place),
            None => return Ok(false),
        },
    };
    match store.head(&path).await {
        Ok(meta) => {
            let now = FoundFile::new(file.url.clone(), meta);
            Ok((now.etag, now.bytes) == (file.etag.clone(), file.bytes))
        }
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(failed(&file.url, &error)),
    }
}

/// Gives the files of a plan that names them one by one, to be read in the versions that were found.
pub(super) fn sources(
    policy: &ObjectPolicy,
    plan: &LoadPlan,
    files: &[FoundFile],
) -> Result<Vec<Source>> {
    let mut last: Option<(String, Arc<dyn ObjectStore>)> = None;
    let mut bucket_store = |bucket: String| -> Result<Arc<dyn ObjectStore>> {
        if let Some((known, store)) = &last
            && *known == bucket
        {
            return Ok(Arc::clone(store));
        }
        let region = plan.options.region.as_deref();
        let store = policy.bucket(&bucket, &plan.authorization, region)?;
        last = Some((bucket, Arc::clone(&store)));
        Ok(store)
    };
    let local = policy.files();
    let mut sources = Vec::with_capacity(files.len());
    for file in files {
        let (store, path) = match Location::parse(&file.url)? {
            Location::S3 { bucket, key } => (bucket_store(bucket)?, object_path(&key, &file.url)?),
            Location::File(path) => {
                let place = policy.file_place(&file.url, &path)?;
                let place = place.ok_or_else(|| Error::NoSource {
                    message: format!("The file '{}' does not exist any more", file.url),
                })?;
                (Arc::clone(&local), place)
            }
        };
        sources.push(Source {
            url: file.url.clone(),
            store: pinned(store, &file.etag),
            path,
            bytes: file.bytes,
            slice: 0,
        });
    }
    Ok(sources)
}

fn pinned(store: Arc<dyn ObjectStore>, etag: &str) -> Arc<dyn ObjectStore> {
    match etag.is_empty() {
        true => store,
        false => Arc::new(Pinned {
            store,
            etag: etag.to_owned(),
        }),
    }
}

/// A store that reads one version of a file: a request for it fails once there is another.
#[derive(Debug)]
struct Pinned {
    store: Arc<dyn ObjectStore>,
    etag: String,
}

impl std::fmt::Display for Pinned {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.store, formatter)
    }
}

#[async_trait]
impl ObjectStore for Pinned {
    async fn put_opts(
        &self,
        location: &ObjectPath,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &ObjectPath,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    async fn get_opts(
        &self,
        location: &ObjectPath,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        let options = GetOptions {
            if_match: Some(self.etag.clone()),
            ..options
        };
        self.store.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<ObjectPath>>,
    ) -> BoxStream<'static, object_store::Result<ObjectPath>> {
        self.store.delete_stream(locations)
    }

    fn list(
        &self,
        prefix: Option<&ObjectPath>,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(
        &self,
        prefix: Option<&ObjectPath>,
    ) -> object_store::Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &ObjectPath,
        to: &ObjectPath,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_version_is_not_read() {
        let store = object_store::memory::InMemory::new();
        let path = ObjectPath::from("a");
        store.put(&path, "first".into()).await.expect("put");
        let meta = store.head(&path).await.expect("head");
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        let etag = meta.e_tag.expect("a tag");
        let one = pinned(Arc::clone(&store), &etag);
        let read = one.get_range(&path, 0..5).await.expect("the first version");
        assert_eq!(read.as_ref(), b"first");
        store.put(&path, "second".into()).await.expect("put");
        let refused = one.get_range(&path, 0..5).await;
        assert!(matches!(
            refused,
            Err(object_store::Error::Precondition { .. })
        ));
        let refused = one.get_ranges(&path, &[0..1, 2..3]).await;
        assert!(refused.is_err());
        let whichever = pinned(store, "");
        assert!(whichever.get_range(&path, 0..5).await.is_ok());
    }

    #[tokio::test]
    #[expect(
        clippy::disallowed_methods,
        reason = "these are the user's files, which nothing must survive"
    )]
    async fn local_files_have_versions() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("a path");
        let policy = ObjectPolicy {
            copy_roots: vec![root.clone()],
            ..ObjectPolicy::default()
        };
        let prefix = root.join("new/part-");
        let list = || found_locally(&policy, &prefix, "file:///");
        assert!(list().await.expect("no folder yet").is_empty());
        std::fs::create_dir(root.join("new")).expect("a folder");
        std::fs::write(root.join("new/part-1"), "a").expect("write");
        std::fs::write(root.join("new/other"), "a").expect("write");
        let first = list().await.expect("a listing");
        assert_eq!(first.len(), 1);
        assert!(first[0].url.ends_with("/new/part-1") && first[0].bytes == 1);
        assert!(!first[0].etag.is_empty());
        std::fs::write(root.join("new/part-1"), "ab").expect("write");
        let second = list().await.expect("a listing");
        assert_ne!(first[0].etag, second[0].etag);
        std::os::unix::fs::symlink("/etc/passwd", root.join("new/part-2")).expect("symlink");
        assert!(list().await.is_err(), "a file outside");
        std::fs::remove_file(root.join("new/part-2")).expect("remove");
        std::os::unix::fs::symlink("/etc", root.join("new/part-2")).expect("symlink");
        assert!(list().await.is_err(), "a folder outside");
    }
}
