//! What an UNLOAD has written and nobody sees yet: finished files become visible together, when all is well.
//!
//! A finished upload waits to be completed. Of many files those finished first are completed early, to bound what is open
//! at a time; they are deleted if the statement fails, as are all that were completed when the rest could not be. When it
//! is dropped without a commit, the same is done in the background.

use super::destination::{Destination, Place};
use crate::error::Result;
use crate::object::write_failed;
use bytes::Bytes;
use object_store::path::Path as ObjectPath;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutResult};
use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Finished files that wait at most; each local one is an open file.
const WAITING_MAX: usize = 256;
/// Bytes of small files that wait in memory at most.
const SMALL_BYTES_MAX: usize = 32 << 20;
/// Files completed at a time.
const COMPLETING: usize = 16;
/// Pauses before each look for a file whose upload the store no longer knows, together 12.7 s.
const UNHEARD_WAITS_MS: [u64; 8] = [0, 100, 200, 400, 800, 1_600, 3_200, 6_400];

/// A finished file that nobody sees yet.
pub(super) enum Finished {
    /// All its parts are at the store, of so many bytes together.
    Upload(Box<dyn MultipartUpload>, u64),
    /// It is here, and small.
    Small(Bytes),
}

/// All of one UNLOAD.
pub(super) struct Ledger {
    pub(super) destination: Destination,
    compute: Handle,
    state: Mutex<State>,
    cleaning: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Place, Finished)>,
    small_bytes: usize,
    /// Files that can be seen and that a failure deletes.
    visible: Vec<ObjectPath>,
}

impl Ledger {
    pub(super) fn new(destination: Destination, compute: Handle) -> Arc<Self> {
        Arc::new(Self {
            destination,
            compute,
            state: Mutex::default(),
            cleaning: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether a small file may wait in memory.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.state().small_bytes + bytes <= SMALL_BYTES_MAX
    }

    /// Keeps a finished file; where too many wait, the first of them becomes visible.
    pub(super) async fn keep(&self, place: Place, finished: Finished) -> Result<()> {
        let first = {
            let mut state = self.state();
            if let Finished::Small(bytes) = &finished {
                state.small_bytes += bytes.len();
            }
            state.waiting.push_back((place, finished));
            match state.waiting.len() > WAITING_MAX {
                true => state.waiting.pop_front(),
                false => None,
            }
        };
        match first {
            Some((place, finished)) => self.complete(place, finished).await,
            None => Ok(()),
        }
    }

    async fn complete(&self, place: Place, finished: Finished) -> Result<()> {
        // Noted first: a failure may come after the store has done it.
        self.state().visible.push(place.path.clone());
        let done = match finished {
            Finished::Small(bytes) => {
                let length = bytes.len();
                let put = self.destination.store.put(&place.path, bytes.into()).await;
                let mut state = self.state();
                state.small_bytes = state.small_bytes.saturating_sub(length);
                put
            }
            Finished::Upload(mut upload, bytes) => {
                let mut done = upload.complete().await;
                if let Err(error @ object_store::Error::NotFound { .. }) = done {
                    done = self.completed_unheard(&place, bytes).await.ok_or(error);
                }
                if done.is_err() {
                    // It may be complete all the same: then there is nothing to abort, and it is deleted.
                    let _ = upload.abort().await;
                }
                done
            }
        };
        done.map(drop)
            .map_err(|error| write_failed(&place.url, &error))
    }

    /// Looks whether an upload that could not be completed is complete all the same: its answer was lost or late, and the
    /// request that was sent again found no upload any more. The store may still be putting the parts together, so it is
    /// asked for some seconds.
    async fn completed_unheard(&self, place: &Place, bytes: u64) -> Option<PutResult> {
        for wait in UNHEARD_WAITS_MS {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let there = self.destination.store.head(&place.path).await;
            if let Some(there) = there.ok().filter(|there| there.size == bytes) {
                return Some(PutResult {
                    e_tag: there.e_tag,
                    version: there.version,
                });
            }
        }
        None
    }

    /// Makes all files visible, after deleting those that CLEANPATH names: the `stale` that are none of them.
    pub(super) async fn commit(&self, stale: Vec<ObjectPath>) -> Result<()> {
        let own: HashSet<ObjectPath> = {
            let state = self.state();
            let waiting = state.waiting.iter().map(|(place, _)| place.path.clone());
            waiting.chain(state.visible.iter().cloned()).collect()
        };
        let stale = stale.into_iter().filter(|path| !own.contains(path));
        self.destination.delete(stale.collect()).await?;
        let completing = (0..COMPLETING).map(|_| self.complete_waiting());
        futures::future::try_join_all(completing).await.map(drop)
    }

    /// Completes one file after the other; those that are left after a failure still wait.
    async fn complete_waiting(&self) -> Result<()> {
        loop {
            let next = self.state().waiting.pop_front();
            match next {
                Some((place, finished)) => self.complete(place, finished).await?,
                None => return Ok(()),
            }
        }
    }

    /// Writes a small file that is visible at once.
    pub(super) async fn put(&self, name: &str, text: String) -> Result<()> {
        let place = self.destination.place(name)?;
        self.complete(place, Finished::Small(text.into())).await
    }

    /// Says that all went well: nothing is taken back any more.
    pub(super) fn release(&self) {
        self.state().visible.clear();
    }

    /// Takes back all that was written, and waits until it is done.
    pub(super) async fn roll_back(&self) {
        let state = std::mem::take(&mut *self.state());
        take_back(&self.destination.store, state).await;
        let mut cleaning = {
            let mut cleaning = self.cleaning.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *cleaning)
        };
        while cleaning.join_next().await.is_some() {}
    }

    /// Runs what takes back a part, even if the statement is gone meanwhile.
    pub(super) fn clean(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut cleaning = self.cleaning.lock().unwrap_or_else(PoisonError::into_inner);
        while cleaning.try_join_next().is_some() {}
        cleaning.spawn_on(work, &self.compute);
    }

    /// Where work that outlives a task runs.
    pub(super) fn compute(&self) -> &Handle {
        &self.compute
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let state = std::mem::take(&mut *self.state());
        if !state.waiting.is_empty() || !state.visible.is_empty() {
            let store = Arc::clone(&self.destination.store);
            self.clean(async move { take_back(&store, state).await });
        }
        let mut cleaning = self.cleaning.lock().unwrap_or_else(PoisonError::into_inner);
        cleaning.detach_all();
    }
}

/// Aborts what waits and deletes what can be seen. What the store refuses is left and told of.
async fn take_back(store: &Arc<dyn ObjectStore>, state: State) {
    for (place, finished) in state.waiting {
        if let Finished::Upload(upload, _) = finished {
            abort(upload, &place).await;
        }
    }
    for path in state.visible {
        match store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => {
                let reason = crate::object::reason(&error);
                tracing::warn!(%path, reason, "a file of a failed unload was not deleted");
            }
        }
    }
}

/// Aborts an upload, of which nothing can be seen.
pub(super) async fn abort(mut upload: Box<dyn MultipartUpload>, place: &Place) {
    if let Err(error) = upload.abort().await {
        let reason = crate::object::reason(&error);
        tracing::warn!(
            url = place.url,
            reason,
            "parts of a failed unload were not deleted"
        );
    }
}
