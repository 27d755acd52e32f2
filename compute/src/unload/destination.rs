//! Where files go: a bucket, or a directory under an unload root. What is there already.

use super::UnloadPlan;
use super::name::Names;
use crate::error::{Error, Result};
use crate::load::list::{list_files, list_keys};
use crate::object::{ObjectPolicy, write_failed};
use blueshift_sql::SqlState;
use blueshift_sql::statement::unload::Encryption;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path as ObjectPath;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// A file's place.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: ObjectPath,
    /// As the user would write it.
    pub(super) url: String,
}

/// What the names of all files of an UNLOAD begin with.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) store: Arc<dyn ObjectStore>,
    /// Of files: what may be written to.
    policy: Option<ObjectPolicy>,
    /// The key or resolved path that names begin with, without the first slash.
    prefix: String,
    /// The same as the user wrote it.
    url: String,
    /// Whether files are encrypted on their way to the store.
    pub(super) is_sealed: bool,
    /// Whether the store lists in order.
    is_sorted: bool,
    /// Folders of an external table's partitions that lie elsewhere, by the folder that their values say.
    folders: HashMap<String, String>,
}

impl Destination {
    /// Checks that the destination may be written to, and opens it. A prefix of folders ends with a slash.
    pub(super) fn open(policy: &ObjectPolicy, plan: &UnloadPlan) -> Result<Self> {
        let mut url = plan.destination.clone();
        let external = plan.external.as_ref();
        let folders = external.map_or_else(HashMap::new, |target| target.folders.clone());
        let is_folder = !plan.options.partition_by.is_empty();
        if let Some(rest) = url.strip_prefix("s3://") {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            let slash = if is_folder && !key.is_empty() && !key.ends_with('/') {
                "/"
            } else {
                ""
            };
            let prefix = format!("{key}{slash}");
            let region = plan.options.region.as_deref();
            let encryption = &plan.options.encryption;
            return Ok(Self {
                store: policy.bucket_to_write(bucket, &plan.authorization, region, encryption)?,
                policy: None,
                is_sealed: matches!(encryption, Encryption::Client(_)),
                url: format!("s3://{bucket}/{prefix}"),
                prefix,
                is_sorted: !bucket.ends_with("--x-s3"),
                folders,
            });
        }
        if plan.options.encryption != Encryption::Store {
            return Err(Error::Sql(blueshift_sql::Error::unsupported(
                "ENCRYPTED of file://",
                "Keep the directory on an encrypted device, or unload to s3://",
            )));
        }
        if is_folder && !url.ends_with('/') {
            url.push('/');
        }
        let path = file_path(&url)?;
        policy.check_target(Path::new(path))?;
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder =
            policy.allowed_target(Path::new(if folder.is_empty() { "/" } else { folder }))?;
        let folder = folder.to_string_lossy();
        let prefix = format!("{}/{name}", folder.trim_end_matches('/'));
        Ok(Self {
            store: policy.files(),
            policy: Some(policy.clone()),
            is_sealed: false,
            prefix: prefix.trim_start_matches('/').to_owned(),
            url,
            is_sorted: false,
            folders,
        })
    }

    /// Gives the place of a file by its name behind the prefix.
    pub(super) fn place(&self, name: &str) -> Result<Place> {
        let (url, key) = match self.elsewhere(name)? {
            Some(place) => place,
            None => (
                format!("{}{name}", self.url),
                format!("{}{name}", self.prefix),
            ),
        };
        if let Some(policy) = &self.policy {
            // A folder of a partition may be there, and lead elsewhere.
            let path = PathBuf::from(format!("/{key}"));
            policy.allowed_target(path.parent().unwrap_or(&path))?;
        }
        let path = ObjectPath::parse(&key).map_err(|error| {
            let message = format!("could not write \"{url}\": {error}");
            Error::Sql(blueshift_sql::Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                message,
            ))
        })?;
        Ok(Place { path, url })
    }

    /// Gives the URL and the key of a file of a partition that lies elsewhere.
    fn elsewhere(&self, name: &str) -> Result<Option<(String, String)>> {
        let Some((folder, file)) = name.rsplit_once('/') else {
            return Ok(None);
        };
        let Some(place) = self.folders.get(&format!("{folder}/")) else {
            return Ok(None);
        };
        let url = format!("{}/{file}", place.trim_end_matches('/'));
        let key = match (self.url.strip_prefix("s3://"), url.strip_prefix("s3://")) {
            (Some(own), Some(other)) => {
                let (own, _) = own.split_once('/').unwrap_or((own, ""));
                let inside = other.strip_prefix(own);
                inside.and_then(|key| key.strip_prefix('/'))
            }
            (None, None) => file_path(&url)
                .ok()
                .map(|path| path.trim_start_matches('/')),
            _ => None,
        };
        match key {
            Some(key) => {
                let key = key.to_owned();
                Ok(Some((url, key)))
            }
            None => Err(Error::Sql(blueshift_sql::Error::unsupported(
                format!(
                    "INSERT into the partition at \"{place}\", which is not in the bucket of the table"
                ),
                "Move the files of the partition, or insert into another table.",
            ))),
        }
    }

    /// Fails if there is any file.
    pub(super) async fn ensure_empty(&self) -> Result<()> {
        let found = self.existing("").await?;
        let Some(first) = found.first() else {
            return Ok(());
        };
        let name = first.as_ref().strip_prefix(self.prefix.as_str());
        Err(Error::Sql(
            blueshift_sql::Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("the location \"{}\" of the external table is not empty", self.url),
            )
            .with_detail(format!(
                "There is a file \"{}{}\".",
                self.url,
                name.unwrap_or_default()
            ))
            .with_hint("Name a folder without files, or make the table over those that are there and use INSERT."),
        ))
    }

    /// Gives the folder of a partition, behind the prefix, in which a file of it lies.
    pub(super) fn folder_of<'a>(&self, url: &'a str) -> Option<&'a str> {
        let name = url.strip_prefix(self.url.as_str())?;
        name.get(..=name.rfind('/')?)
    }

    /// Fails if there is a file that would be overwritten.
    pub(super) async fn ensure_free(&self, names: &Names) -> Result<()> {
        let found = self.existing("").await?;
        let own = |path: &&ObjectPath| {
            let name = path.as_ref().strip_prefix(self.prefix.as_str());
            name.is_some_and(|name| names.is_own(name))
        };
        let Some(taken) = found.iter().find(own) else {
            return Ok(());
        };
        let kind = match self.policy {
            None => " on S3",
            Some(_) => "",
        };
        let taken = taken
            .as_ref()
            .strip_prefix(self.prefix.as_str())
            .unwrap_or_default();
        Err(Error::Sql(
            blueshift_sql::Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "Specified unload destination{kind} is not empty. Consider using a different bucket / prefix, \
                     manually removing the target files{}, or using the ALLOWOVERWRITE option.",
                    if kind.is_empty() { "" } else { " in S3" }
                ),
            )
            .with_detail(format!("There is a file \"{}{taken}\".", self.url)),
        ))
    }

    /// Lists the files whose names, behind the prefix, begin with `folder`.
    pub(super) async fn existing(&self, folder: &str) -> Result<Vec<ObjectPath>> {
        let prefix = format!("{}{folder}", self.prefix);
        let store = self.store.as_ref();
        let metas = match self.policy {
            None => list_keys(store, &prefix, self.is_sorted, &self.url).await,
            Some(_) => list_files(store, &prefix, &self.url).await,
        };
        let metas = metas.map_err(|error| not_listed(error, &self.url))?;
        let mut paths = Vec::with_capacity(metas.len());
        for meta in metas {
            if let Some(policy) = &self.policy {
                // The listing follows symlinks; what it finds elsewhere is none of ours.
                let path = PathBuf::from(format!("/{}", meta.location));
                if policy
                    .allowed_target(path.parent().unwrap_or(&path))
                    .is_err()
                {
                    continue;
                }
            }
            paths.push(meta.location);
        }
        Ok(paths)
    }

    /// Deletes files; those that are gone already are none.
    pub(super) async fn delete(&self, paths: Vec<ObjectPath>) -> Result<()> {
        let paths = futures::stream::iter(paths).map(Ok).boxed();
        let mut deleted = self.store.delete_stream(paths);
        loop {
            match deleted.try_next().await {
                Ok(Some(_)) | Err(object_store::Error::NotFound { .. }) => {}
                Ok(None) => return Ok(()),
                Err(error) => return Err(write_failed(&self.url, &error)),
            }
        }
    }
}

/// Says that a place could not be listed, which happens before anything is written to it.
fn not_listed(error: Error, url: &str) -> Error {
    let told = format!("could not list \"{url}\" before writing to it");
    match error {
        Error::Sql(mut error) => {
            let read = format!("could not read \"{url}\"");
            if let Some(reason) = error.message.strip_prefix(&read) {
                error.message = format!("{told}{reason}");
            }
            Error::Sql(error)
        }
        Error::Source { reason, .. } => Error::Sql(blueshift_sql::Error::new(
            SqlState::IO_ERROR,
            format!("{told}: {reason}"),
        )),
        other => other,
    }
}

/// Gives the path of a file URL.
fn file_path(url: &str) -> Result<&str> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    let climbs = Path::new(path)
        .components()
        .any(|part| part == Component::ParentDir);
    match path.starts_with('/') && !climbs {
        true => Ok(path),
        false => Err(Error::Sql(
            blueshift_sql::Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("invalid UNLOAD destination \"{url}\""),
            )
            .with_hint(
                "A file URL needs an absolute path without \"..\", as in file:///data/part.",
            ),
        )),
    }
}
