//! One file on its way to the store, in parts; nobody sees it before the ledger completes it.

use super::destination::Place;
use super::ledger::{Finished, Ledger, abort};
use crate::error::{Error, Result};
use crate::object::sealed::sealed_bytes;
use crate::object::{for_slice, slice, write_failed};
use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Bytes of a part. S3 takes 10,000 parts of 5 MB or more: the largest file has 800.
const PART_BYTES: usize = 8 << 20;
/// Parts of a file that are on their way at a time.
const PARTS_AHEAD: usize = 2;
/// A file so small is kept in memory until the end: that is one request, and no open file.
const SMALL_BYTES: usize = 64 << 10;

/// A file in the making.
pub(super) struct Upload {
    ledger: Arc<Ledger>,
    place: Place,
    upload: Option<Box<dyn MultipartUpload>>,
    parts: JoinSet<object_store::Result<()>>,
    buffer: Vec<u8>,
    bytes: u64,
}

impl Upload {
    pub(super) fn new(ledger: &Arc<Ledger>, place: Place) -> Self {
        Self {
            ledger: Arc::clone(ledger),
            place,
            upload: None,
            parts: JoinSet::new(),
            buffer: Vec::new(),
            bytes: 0,
        }
    }

    /// The file's URL.
    pub(super) fn url(&self) -> &str {
        &self.place.url
    }

    /// Bytes that the file has at the store if it ends here.
    pub(super) fn bytes(&self) -> u64 {
        match self.ledger.destination.is_sealed {
            true => sealed_bytes(self.bytes),
            false => self.bytes,
        }
    }

    /// Memory it holds, but for parts on their way.
    pub(super) fn memory_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Adds bytes; waits while too many parts are on their way.
    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        while self.buffer.len() + bytes.len() >= PART_BYTES {
            let (now, later) = bytes.split_at((PART_BYTES - self.buffer.len()).min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            self.send().await?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Sends what is in the buffer as a part.
    async fn send(&mut self) -> Result<()> {
        while self.parts.len() >= PARTS_AHEAD {
            self.sent().await?;
        }
        if self.upload.is_none() {
            let begun = self.begin().await?;
            self.upload = Some(begun);
        }
        if let Some(upload) = &mut self.upload {
            let part = upload.put_part(PutPayload::from(std::mem::take(&mut self.buffer)));
            self.parts
                .spawn_on(for_slice(slice(), part), self.ledger.compute());
            // What was large enough for one part most often fills another.
            self.buffer.reserve(PART_BYTES);
        }
        Ok(())
    }

    /// Begins an upload. The request is not given up when the statement is: else the store would have begun one that
    /// nobody knows of and nobody ends.
    async fn begin(&mut self) -> Result<Box<dyn MultipartUpload>> {
        let (sender, receiver) = oneshot::channel();
        let (store, place) = (
            Arc::clone(&self.ledger.destination.store),
            self.place.clone(),
        );
        let compute = self.ledger.compute().clone();
        let slice = slice();
        self.ledger.clean(async move {
            let begun = for_slice(slice, store.put_multipart(&place.path)).await;
            let begun = begun.map(|upload| Begun {
                upload: Some(upload),
                place,
                compute,
            });
            // Where nobody waits any more it is aborted as it is dropped.
            let _unheard = sender.send(begun);
        });
        let begun = receiver
            .await
            .map_err(|_| Error::Internal("an upload was not begun".to_owned()))?;
        let mut begun = begun.map_err(|error| write_failed(&self.place.url, &error))?;
        let upload = begun.upload.take();
        upload.ok_or_else(|| Error::Internal("an upload was begun and lost".to_owned()))
    }

    /// Waits for a part.
    async fn sent(&mut self) -> Result<()> {
        match self.parts.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(write_failed(&self.place.url, &error)),
            Some(Err(error)) => Err(Error::Internal(error.to_string())),
        }
    }

    /// Ends the file: all of it is at the store, or small and here.
    pub(super) async fn finish(mut self) -> Result<()> {
        let is_small = self.upload.is_none() && self.buffer.len() <= SMALL_BYTES;
        let finished = if is_small && self.ledger.has_room(self.buffer.len()) {
            Some(Finished::Small(Bytes::from(std::mem::take(
                &mut self.buffer,
            ))))
        } else {
            if !self.buffer.is_empty() || self.upload.is_none() {
                self.send().await?;
            }
            while !self.parts.is_empty() {
                self.sent().await?;
            }
            let bytes = self.bytes();
            self.upload
                .take()
                .map(|upload| Finished::Upload(upload, bytes))
        };
        match finished {
            Some(finished) => self.ledger.keep(self.place.clone(), finished).await,
            None => Err(Error::Internal("an upload was not begun".to_owned())),
        }
    }
}

/// An upload on its way to who asked for it; aborted if it does not arrive.
struct Begun {
    upload: Option<Box<dyn MultipartUpload>>,
    place: Place,
    compute: Handle,
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            let place = self.place.clone();
            self.compute
                .spawn(async move { abort(upload, &place).await });
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            let place = self.place.clone();
            self.ledger
                .clean(async move { abort(upload, &place).await });
        }
    }
}
