//! How files below a root are read: by the server's [`super::Disk`], and by a reader that changes nothing.

use super::{failed, too_short};
use crate::error::Result;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Fills a buffer from `offset`; `root` and `path` name the file in an error.
pub(super) fn read_exact(
    file: &File,
    root: &Path,
    path: &Path,
    offset: u64,
    buffer: &mut [u8],
) -> Result<()> {
    file.read_exact_at(buffer, offset).map_err(|error| {
        let whole = root.join(path);
        match error.kind() {
            ErrorKind::UnexpectedEof => too_short(&whole, offset, buffer.len()),
            _ => failed("read", &whole, error),
        }
    })
}

/// Tells the bytes of a file; `None` if there is none.
pub(super) fn size(whole: &Path) -> Result<Option<u64>> {
    match fs::metadata(whole) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read the size of", whole, error)),
    }
}

/// Lists the files or the directories of a directory, relative to `root`; none if it does not exist.
pub(super) fn entries(root: &Path, path: &Path, want_dirs: bool) -> Result<Vec<PathBuf>> {
    let whole = root.join(path);
    let entries = match fs::read_dir(&whole) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", &whole, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed("list", &whole, error))?;
        let kind = entry
            .file_type()
            .map_err(|error| failed("list", &whole, error))?;
        if kind.is_dir() == want_dirs {
            found.push(path.join(entry.file_name()));
        }
    }
    Ok(found)
}
