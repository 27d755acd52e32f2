//! How far a load is, slice by slice, readable while it runs: STV_LOAD_STATE and the progress bar.
//!
//! Files are dealt to slices in turn, and a slice counts what is read of its own. Rows are counted for the load as a
//! whole: any thread of the node parses any chunk.

use super::source::Source;
use crate::object::RequestLog;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Progress of a load.
#[derive(Debug, Default)]
pub struct LoadProgress {
    /// By slice, once the files are known.
    slices: OnceLock<Vec<SliceProgress>>,
    /// Rows parsed.
    pub rows: AtomicU64,
    /// Rows refused.
    pub rejected: AtomicU64,
    /// Set by the session to stop the load.
    pub canceled: AtomicBool,
    /// What it asked object stores for.
    pub requests: Arc<RequestLog>,
    listed: Listed,
}

/// Files that were listed before the load began, which need not be listed again.
#[derive(Default)]
struct Listed(Mutex<Option<Vec<Source>>>);

impl std::fmt::Debug for Listed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Listed")
    }
}

/// What a slice has to read, and has read.
#[derive(Debug, Default)]
pub struct SliceProgress {
    /// The slice.
    pub slice: u32,
    /// Whether its files are compressed.
    pub is_compressed: bool,
    /// Bytes of its files, as they are stored.
    pub bytes_to_read: u64,
    /// Bytes read, as they are stored.
    pub bytes_read: AtomicU64,
    /// Bytes of text they became.
    pub bytes_text: AtomicU64,
    /// Lines of that text.
    pub lines: AtomicU64,
    /// Its files.
    pub files: u64,
    /// Files read whole.
    pub files_done: AtomicU64,
    current_file: Mutex<Option<Arc<str>>>,
}

impl LoadProgress {
    /// Deals the files to slices in turn, and begins to count.
    pub(super) fn deal(&self, sources: &mut [Source], slice_count: u32, is_compressed: bool) {
        let new = |slice| SliceProgress {
            slice,
            is_compressed,
            ..SliceProgress::default()
        };
        let mut slices: Vec<_> = (0..slice_count.max(1)).map(new).collect();
        for (source, slice) in sources.iter_mut().zip((0..slices.len()).cycle()) {
            if let Some(progress) = slices.get_mut(slice) {
                source.slice = progress.slice;
                progress.bytes_to_read += source.bytes;
                progress.files += 1;
            }
        }
        // A load deals once.
        let _ = self.slices.set(slices);
    }

    /// Keeps the files of the load for when it begins.
    pub(super) fn keep_listed(&self, sources: Vec<Source>) {
        *self.listed() = Some(sources);
    }

    /// Gives the files that were kept.
    pub(super) fn take_listed(&self) -> Option<Vec<Source>> {
        self.listed().take()
    }

    fn listed(&self) -> std::sync::MutexGuard<'_, Option<Vec<Source>>> {
        let listed = self.listed.0.lock();
        listed.unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the progress of every slice; none before the files are known.
    pub fn slices(&self) -> &[SliceProgress] {
        self.slices.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// Gives the progress of one slice.
    pub(super) fn slice(&self, slice: u32) -> Option<&SliceProgress> {
        self.slices().get(slice as usize)
    }

    /// Adds up the bytes read, as they are stored.
    pub fn bytes_read(&self) -> u64 {
        let slices = self.slices().iter();
        slices.map(|slice| slice.bytes_read.load(Relaxed)).sum()
    }
}

impl SliceProgress {
    /// Notes the file that is read now.
    pub(super) fn begin_file(&self, url: &Arc<str>) {
        *self.current() = Some(Arc::clone(url));
    }

    /// Notes that a file was read whole.
    pub(super) fn end_file(&self, url: &Arc<str>) {
        self.files_done.fetch_add(1, Relaxed);
        let mut current = self.current();
        if current.as_ref() == Some(url) {
            *current = None;
        }
    }

    /// Gives the file that was begun last and is not at its end.
    pub fn current_file(&self) -> Option<Arc<str>> {
        self.current().clone()
    }

    /// Gives the share of its bytes that is read, in hundredths.
    pub fn percent(&self) -> u64 {
        match self.bytes_to_read {
            0 => 100,
            total => self.bytes_read.load(Relaxed).saturating_mul(100) / total,
        }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Arc<str>>> {
        self.current_file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_dealt_to_slices_in_turn() {
        let source = |bytes| Source {
            url: format!("s3://b/{bytes}"),
            store: Arc::new(object_store::memory::InMemory::new()),
            path: object_store::path::Path::default(),
            bytes,
            slice: 0,
        };
        let mut sources = [source(100), source(10), source(300)];
        let progress = LoadProgress::default();
        assert!(progress.slices().is_empty());
        progress.deal(&mut sources, 2, false);
        assert_eq!(sources.map(|source| source.slice), [0, 1, 0]);
        let [first, second] = progress.slices() else {
            panic!("{progress:?}")
        };
        assert_eq!((first.bytes_to_read, first.files), (400, 2));
        first.bytes_read.store(100, Relaxed);
        let (old, new): (Arc<str>, Arc<str>) = ("s3://b/1".into(), "s3://b/2".into());
        first.begin_file(&old);
        first.begin_file(&new);
        first.end_file(&old);
        assert_eq!(first.current_file(), Some(new));
        assert_eq!((first.percent(), second.percent()), (25, 0));
        assert_eq!(progress.bytes_read(), 100);
    }
}
