//! The thread that removes files: orphans of the last run first, then whatever no view can read. It also
//! gives rows of the log their files.

use super::Inner;
use super::fold;
use super::group_commit::Request;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::{debug, info, warn};

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
    for path in orphans.into_iter().take_while(|_| !closing()) {
        remove(inner, path);
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
    // Somebody else may have made room.
    inner.io.refill_reserve();
    let unreadable = inner.retirement().take_unreadable();
    for file in unreadable {
        if let (Some(id), Some(files)) = (file.row_group, inner.files.get()) {
            files.forget(id);
        }
        if file.tries == 0 {
            remove(inner, file.path);
        } else if let Err(error) = inner.io.remove(&file.path) {
            debug!(%error, tries = file.tries, "could not remove a file that is not needed any more");
            inner.retirement().try_again(file.path, file.tries);
        }
    }
    inner.io.refill_reserve();
}

/// Removes a file nobody needs. One that cannot be removed is tried again, also by the next open.
pub(super) fn remove(inner: &Inner, path: PathBuf) {
    if let Err(error) = inner.io.remove(&path) {
        warn!(%error, "could not remove a file that is not needed any more: it is tried again");
        inner.retirement().try_again(path, 0);
        inner.wake();
    }
}
