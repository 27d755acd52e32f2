//! Object-store clients and credentials for user data.

use std::path::PathBuf;

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
