//! Object-store clients and credentials for user data, and what a load may reach.

use crate::error::{Error, Result};
use blueshift_sql::statement::copy::Authorization;
use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What COPY may reach.
#[derive(Clone, Debug, Default)]
pub struct ObjectPolicy {
    /// `file://` is allowed under these directories only; symlinks must not lead out.
    pub copy_roots: Vec<PathBuf>,
    /// Overrides the S3 endpoint (`AWS_ENDPOINT_URL`), for example `http://127.0.0.1:9000`.
    pub s3_endpoint: Option<String>,
    /// The region if COPY names none (`AWS_REGION`).
    pub s3_region: Option<String>,
}

impl ObjectPolicy {
    /// Makes a client of one bucket. Keys of the statement go first; a role, or nothing, means the server's own
    /// environment.
    pub fn bucket(
        &self,
        bucket: &str,
        authorization: &Authorization,
        region: Option<&str>,
    ) -> Result<Arc<dyn ObjectStore>> {
        let has_keys = matches!(authorization, Authorization::Keys { .. });
        let mut builder = builder_from_env(has_keys).with_bucket_name(bucket);
        if let Some(endpoint) = &self.s3_endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let endpoint = self
            .s3_endpoint
            .clone()
            .or_else(|| std::env::var("AWS_ENDPOINT_URL").ok());
        if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
        if let Some(region) = region.or(self.s3_region.as_deref()) {
            builder = builder.with_region(region);
        }
        if let Authorization::Keys {
            access_key_id,
            secret_access_key,
            session_token,
        } = authorization
        {
            builder = builder
                .with_access_key_id(access_key_id)
                .with_secret_access_key(secret_access_key);
            if let Some(token) = session_token {
                builder = builder.with_token(token);
            }
        }
        let store = builder.build().map_err(|error| Error::Source {
            url: format!("s3://{bucket}"),
            reason: reason(&error),
        })?;
        Ok(Arc::new(store))
    }

    /// Gives the file system, for paths that passed [`ObjectPolicy::allowed_file`].
    pub fn files(&self) -> Arc<dyn ObjectStore> {
        Arc::new(LocalFileSystem::new())
    }

    /// Resolves a path and checks that it lies under a copy root, wherever symlinks lead. `path` must exist.
    pub fn allowed_file(&self, path: &Path) -> Result<PathBuf> {
        let resolved = path.canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NoSource {
                message: format!("The specified path '{}' does not exist", path.display()),
            },
            _ => Error::Source {
                url: path.display().to_string(),
                reason: error.to_string(),
            },
        })?;
        let roots = self
            .copy_roots
            .iter()
            .filter_map(|root| root.canonicalize().ok());
        if roots.into_iter().any(|root| resolved.starts_with(root)) {
            return Ok(resolved);
        }
        Err(self.refused(path))
    }

    /// Refuses a path under no copy root before its existence is told.
    pub fn check_file(&self, path: &Path) -> Result<()> {
        let outside = path
            .components()
            .any(|part| matches!(part, std::path::Component::ParentDir));
        let canonical = |root: &PathBuf| root.canonicalize().unwrap_or_else(|_| root.clone());
        let under = |root: &PathBuf| path.starts_with(root) || path.starts_with(canonical(root));
        if !outside && self.copy_roots.iter().any(under) {
            return Ok(());
        }
        Err(self.refused(path))
    }

    fn refused(&self, path: &Path) -> Error {
        Error::SourceNotAllowed {
            message: format!("COPY may not read \"{}\"", path.display()),
            hint: "Start the server with --copy-root naming a directory above it.".to_owned(),
        }
    }
}

/// Begins a client with the AWS_ variables of the server. The session token among them belongs to the server's own keys:
/// with keys of the statement it would make every request fail.
fn builder_from_env(has_keys: bool) -> AmazonS3Builder {
    if !has_keys {
        return AmazonS3Builder::from_env();
    }
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str()?.strip_prefix("AWS_")?.to_ascii_lowercase();
        let key: AmazonS3ConfigKey = format!("aws_{name}").parse().ok()?;
        Some((key, value.to_str()?.to_owned()))
    });
    variables
        .filter(|(key, _)| *key != AmazonS3ConfigKey::Token)
        .fold(AmazonS3Builder::new(), |builder, (key, value)| {
            builder.with_config(key, value)
        })
}

/// Says why a client failed, in one line and without what might hold a secret: the chain of causes, not requests.
pub fn reason(error: &object_store::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(each) = cause {
        let line = each.to_string();
        if !text.contains(&line) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&line);
        }
        cause = each.source();
    }
    let mut short: String = text
        .chars()
        .filter(|each| !each.is_control())
        .take(500)
        .collect();
    // Signed requests carry their signature in the query.
    if let Some(at) = short.find("X-Amz-") {
        short.truncate(at);
    }
    short
}
