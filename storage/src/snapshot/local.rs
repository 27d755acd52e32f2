//! Files of a repository that is a directory: new ones are there whole or not at all, and then for good.
//!
//! Content is synced before the file gets its name, so that no end of the power leaves a name with
//! half a file. Each step is a fault site (`io/site.rs`), named by the folder the file lies in.

use crate::error::Result;
use crate::io::{Step, failed, pass, pass_write};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file, and what its steps are called.
pub(super) struct LocalFile<'a> {
    pub(super) path: &'a Path,
    /// The folder of the repository, `objects` for example.
    pub(super) folder: &'a Path,
}

impl LocalFile<'_> {
    /// Makes the file with mode 0600, for manifests hold the verifiers of passwords, and the
    /// directories it needs. Gives `false`, and does nothing, if the file is there already.
    pub(super) fn create(&self, bytes: &[u8], temporary: &Path) -> Result<bool> {
        for path in [self.path, temporary] {
            path.parent().map_or(Ok(()), |dir| self.make_dir(dir))?;
        }
        let written = self.write(bytes, temporary);
        // What stays of it is named by nobody, and goes with the next snapshot or removal.
        let removed = pass(Step::Remove, self.folder, || fs::remove_file(temporary));
        match (written, removed) {
            (Ok(false), _) => Ok(false),
            (Ok(true), _) => {
                let synced = self.sync_name();
                if synced.is_err() {
                    // The first error is the one to report.
                    let _ = fs::remove_file(self.path);
                }
                synced.map(|()| true)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Writes and syncs `temporary`, and gives it the name of the file.
    fn write(&self, bytes: &[u8], temporary: &Path) -> Result<bool> {
        let open = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(temporary)
        };
        let at = |action, path| move |error| failed(action, path, error);
        let mut file = pass(Step::Create, self.folder, open).map_err(at("create", temporary))?;
        let write = |bytes: &[u8]| file.write_all(bytes);
        pass_write(Step::Write, self.folder, bytes, write).map_err(at("write", temporary))?;
        pass(Step::Sync, self.folder, || file.sync_all()).map_err(at("sync", temporary))?;
        // A link, for a rename would replace what another server may have made meanwhile.
        let link = || fs::hard_link(temporary, self.path);
        match pass(Step::Rename, self.folder, link) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed("create", self.path, error)),
        }
    }

    /// Removes the file; missing is not an error. It may come back until [`LocalFile::sync_name`].
    pub(super) fn remove(&self) -> Result<()> {
        match pass(Step::Remove, self.folder, || fs::remove_file(self.path)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("remove", self.path, error))
            }
            _ => Ok(()),
        }
    }

    /// Makes it last that the file is there, or is not.
    pub(super) fn sync_name(&self) -> Result<()> {
        self.path.parent().map_or(Ok(()), |dir| self.sync_dir(dir))
    }

    fn make_dir(&self, dir: &Path) -> Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        if let Some(parent) = dir.parent() {
            self.make_dir(parent)?;
        }
        let make = || DirBuilder::new().mode(0o700).create(dir);
        match pass(Step::MakeDir, self.folder, make) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(failed("create", dir, error))
            }
            _ => {
                let synced = dir.parent().map_or(Ok(()), |parent| self.sync_dir(parent));
                if synced.is_err() {
                    // Whoever comes next must not take it for one that lasts.
                    let _ = fs::remove_dir(dir);
                }
                synced
            }
        }
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let sync = || -> io::Result<()> { File::open(dir)?.sync_all() };
        pass(Step::SyncDir, self.folder, sync).map_err(|error| failed("sync", dir, error))
    }
}

/// Gives the name of a file before it is whole, beside it.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".tmp");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/file");
        let file = LocalFile {
            path: &path,
            folder: Path::new("objects"),
        };
        let temporary = beside(&path);
        assert!(file.create(b"first", &temporary).unwrap());
        assert!(!file.create(b"second", &temporary).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert!(!temporary.exists());
        file.remove().unwrap();
        file.sync_name().unwrap();
        file.remove().unwrap();
        assert!(!path.exists());
    }
}
