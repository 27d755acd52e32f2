//! The thread that removes files: orphans of the last run first, then whatever no view can read. It also
//! gives rows of the log their files.

use super::Inner;
use super::fold;
use super::group_commit::Request;
use crate::io::BlockStore;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::{info, warn};

/// How long a file may outlive its last reader: a reader that ends tells nobody.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Runs until the store closes.
pub(super) fn run(
    inner: &Inner,
    requests: &Sender<Request>,
    orphans: Vec<PathBuf>,
    wakes: &Receiver<()>,
) {
    let closing = || inner.closing.load(Ordering::SeqCst);
    if !orphans.is_empty() {
        info!(
            files = orphans.len(),
            "removing files of unfinished statements"
        );
    }
    for path in orphans.iter().take_while(|_| !closing()) {
        remove(&*inner.io, path);
    }
    while !closing() {
        sweep(inner);
        fold::as_asked(inner, requests);
        let idle = inner.retirement().is_empty();
        let woken = match idle {
            true => wakes.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => wakes.recv_timeout(LOOK_AGAIN),
        };
        if woken == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// Removes what no view can read any more.
pub(super) fn sweep(inner: &Inner) {
    let unreadable = inner.retirement().take_unreadable();
    for file in unreadable {
        if let (Some(id), Some(files)) = (file.row_group, inner.files.get()) {
            files.forget(id);
        }
        remove(&*inner.io, &file.path);
    }
}

/// Removes a file nobody needs. Failing is harmless: it is an orphan and the next open tries again.
pub(super) fn remove(io: &dyn BlockStore, path: &Path) {
    if let Err(error) = io.remove(path) {
        warn!(%error, "could not remove a file that is not needed any more");
    }
}
