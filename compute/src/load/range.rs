//! Reads ranges of objects. Those of local files go to memory that is used again once their rows are parsed: fresh pages
//! cost as much as the reading.

use bytes::Bytes;
use crossbeam::queue::ArrayQueue;
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, GetResultPayload, ObjectStore, Result};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Buffers that wait to be used again, at most.
const BUFFERS_MAX: usize = 16;

/// Reads ranges of objects for one load.
#[derive(Clone)]
pub(crate) struct RangeReader {
    unused: Arc<ArrayQueue<Vec<u8>>>,
}

/// A buffer in use. Dropped, it waits to be used again.
struct Buffer {
    bytes: Vec<u8>,
    used: usize,
    unused: Arc<ArrayQueue<Vec<u8>>>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // When enough wait already, the memory is given back.
        let _full = self.unused.push(std::mem::take(&mut self.bytes));
    }
}

impl RangeReader {
    /// Begins a load.
    pub(crate) fn new() -> Self {
        Self {
            unused: Arc::new(ArrayQueue::new(BUFFERS_MAX)),
        }
    }

    /// Reads a range of an object. One that is not there whole is an error.
    pub(super) async fn read(
        &self,
        store: &dyn ObjectStore,
        path: &ObjectPath,
        range: Range<u64>,
    ) -> Result<Bytes> {
        let options = GetOptions::new().with_range(Some(range.clone()));
        let got = store.get_opts(path, options).await?;
        let GetResultPayload::File(file, place) = got.payload else {
            let bytes = got.bytes().await?;
            let wanted = range.end - range.start;
            return match bytes.len() as u64 == wanted {
                true => Ok(bytes),
                false => Err(object_store::Error::Generic {
                    store: "S3",
                    source: format!("{} bytes came instead of {wanted}", bytes.len()).into(),
                }),
            };
        };
        let reader = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let used = (range.end - range.start) as usize;
            let mut buffer = Buffer {
                bytes: reader.unused.pop().unwrap_or_default(),
                used,
                unused: reader.unused,
            };
            // What an earlier range left is overwritten.
            if buffer.bytes.len() < used {
                buffer.bytes = vec![0; used];
            }
            let target = buffer.bytes.get_mut(..used).unwrap_or_default();
            file.read_exact_at(target, range.start)?;
            Ok(Bytes::from_owner(buffer))
        });
        let read = read.await?;
        read.map_err(|error: std::io::Error| object_store::Error::Generic {
            store: "LocalFileSystem",
            source: format!("could not read {}: {error}", place.display()).into(),
        })
    }
}
