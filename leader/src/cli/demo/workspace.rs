//! A temporary directory of one demo, for this user alone, removed at the end.

use anyhow::{Context, Result};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Owner only.
const MODE: u32 = 0o700;

/// Removed when dropped.
pub(super) struct Workspace {
    path: PathBuf,
    tables: PathBuf,
}

impl Workspace {
    /// Makes one in the system's temporary directory (`TMPDIR`). `tables` is a directory to keep instead of its own.
    pub(super) fn make(tables: Option<&Path>) -> Result<Workspace> {
        let parent = std::env::temp_dir();
        // COPY follows no symbolic link out of its root, so the root itself must have none.
        let parent = std::fs::canonicalize(&parent)
            .with_context(|| format!("could not find \"{}\"", parent.display()))?;
        let path = parent.join(format!("blueshift-demo-{:016x}", rand::random::<u64>()));
        let build = |path: &PathBuf| std::fs::DirBuilder::new().mode(MODE).create(path);
        build(&path).with_context(|| format!("could not make \"{}\"", path.display()))?;
        let mut workspace = Workspace {
            tables: path.join("tables"),
            path,
        };
        let kept = tables.unwrap_or(&workspace.tables);
        let refused = || format!("could not make \"{}\"", kept.display());
        if !kept.is_dir() {
            build(&kept.to_path_buf()).with_context(refused)?;
        }
        workspace.tables = std::fs::canonicalize(kept).with_context(refused)?;
        Ok(workspace)
    }

    /// The data directory, if none was given.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Where the text of the tables goes; COPY may read it.
    pub(super) fn tables(&self) -> PathBuf {
        self.tables.clone()
    }
}

impl Drop for Workspace {
    #[expect(
        clippy::disallowed_methods,
        reason = "what is removed was made to be lost: a directory of this process alone"
    )]
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "temporary directory not removed");
        }
    }
}
