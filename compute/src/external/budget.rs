//! How many bytes of files a query, and a user on a day, may read: counted where they are asked of a store, before they
//! are, so that no limit is ever passed.

use async_trait::async_trait;
use blueshift_sql::SqlState;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, ListResult, MultipartUpload,
    OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, coalesce_ranges,
};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What one query may read.
#[derive(Debug, Default)]
pub struct ScanBudget {
    /// Bytes that the query may read.
    query_bytes_max: Option<u64>,
    /// Bytes that its user may read on one day.
    day_bytes_max: Option<u64>,
    /// Bytes that the query read.
    query_bytes: AtomicU64,
    /// Bytes that its user read on the day the query began.
    day_bytes: Arc<AtomicU64>,
}

impl ScanBudget {
    /// Begins a query; no limit is `None`.
    pub fn new(
        query_bytes_max: Option<u64>,
        day_bytes_max: Option<u64>,
        day_bytes: Arc<AtomicU64>,
    ) -> Self {
        Self {
            query_bytes_max,
            day_bytes_max,
            query_bytes: AtomicU64::new(0),
            day_bytes,
        }
    }

    /// Counts bytes that are about to be read; fails, and counts nothing, if they are more than are left.
    pub fn spend(&self, bytes: u64) -> std::result::Result<(), blueshift_sql::Error> {
        if let Err(limit) = take(&self.query_bytes, bytes, self.query_bytes_max) {
            return Err(passed("the query", limit, "external_scan_bytes_per_query"));
        }
        if let Err(limit) = take(&self.day_bytes, bytes, self.day_bytes_max) {
            self.query_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(passed(
                "the user today",
                limit,
                "external_scan_bytes_per_day",
            ));
        }
        Ok(())
    }

    /// Tells the bytes that the query read.
    pub fn query_bytes(&self) -> u64 {
        self.query_bytes.load(Ordering::Relaxed)
    }
}

/// Adds to a count unless it would pass a limit, which is given then.
fn take(count: &AtomicU64, bytes: u64, limit: Option<u64>) -> std::result::Result<(), u64> {
    let limit = limit.unwrap_or(u64::MAX);
    let fits = |before: u64| before.checked_add(bytes).filter(|after| *after <= limit);
    let added = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
    added.map(drop).map_err(|_| limit)
}

fn passed(who: &str, limit: u64, setting: &str) -> blueshift_sql::Error {
    blueshift_sql::Error::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        format!("bytes scanned limit was exceeded: {who} may scan {limit} bytes of external tables"),
    )
    .with_detail(format!(
        "The limit is {setting}, of the server, of the user or of the session; SVV_EXTERNAL_SCAN_LIMITS shows it."
    ))
    .with_hint("Filter by the partition columns, select fewer columns, or ask for a higher limit.")
}

/// A store whose reading is counted.
pub(super) struct CountedStore {
    inner: Arc<dyn ObjectStore>,
    budget: Arc<ScanBudget>,
    /// Whether it is the file system, which reads ranges one by one and not what lies between them.
    is_local: bool,
}

impl CountedStore {
    /// Counts what is read of a store.
    pub(super) fn new(
        inner: Arc<dyn ObjectStore>,
        budget: &Arc<ScanBudget>,
        is_local: bool,
    ) -> Self {
        Self {
            inner,
            budget: Arc::clone(budget),
            is_local,
        }
    }

    fn spend(&self, bytes: u64) -> Result<()> {
        let spent = self.budget.spend(bytes);
        spent.map_err(|error| object_store::Error::Generic {
            store: "external",
            source: Box::new(error),
        })
    }
}

impl fmt::Debug for CountedStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CountedStore")
            .finish_non_exhaustive()
    }
}

impl fmt::Display for CountedStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(formatter)
    }
}

#[async_trait]
impl ObjectStore for CountedStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let asked = match &options.range {
            _ if options.head => Some(0),
            Some(GetRange::Bounded(range)) => Some(range.end.saturating_sub(range.start)),
            Some(GetRange::Suffix(bytes)) => Some(*bytes),
            Some(GetRange::Offset(_)) | None => None,
        };
        if let Some(bytes) = asked {
            self.spend(bytes)?;
        }
        let got = self.inner.get_opts(location, options).await?;
        if asked.is_none() {
            // The answer is there, its bytes are not yet read.
            self.spend(got.range.end.saturating_sub(got.range.start))?;
        }
        Ok(got)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.is_local {
            let bytes = ranges
                .iter()
                .map(|range| range.end.saturating_sub(range.start));
            self.spend(bytes.sum())?;
            return self.inner.get_ranges(location, ranges).await;
        }
        coalesce_ranges(
            ranges,
            |range| self.get_range(location, range),
            OBJECT_STORE_COALESCE_DEFAULT,
        )
        .await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    #[test]
    fn nothing_is_counted_of_what_is_too_much() {
        let day = Arc::new(AtomicU64::new(50));
        let budget = ScanBudget::new(Some(60), Some(100), Arc::clone(&day));
        assert!(budget.spend(40).is_ok());
        assert!(budget.spend(21).is_err(), "more than a query may");
        assert!(budget.spend(11).is_err(), "more than the user may today");
        assert_eq!(
            (budget.query_bytes(), day.load(Ordering::Relaxed)),
            (40, 90)
        );
        assert!(budget.spend(10).is_ok());
        assert!(ScanBudget::default().spend(1 << 40).is_ok());
    }

    #[tokio::test]
    async fn every_way_of_reading_is_counted() {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let place = Path::from("a");
        let text = PutPayload::from(vec![7_u8; 1_000]);
        inner.put(&place, text).await.expect("a file");
        let budget = Arc::new(ScanBudget::new(Some(2_000), None, Arc::default()));
        let store = CountedStore::new(inner, &budget, false);
        store.get_range(&place, 0..100).await.expect("a range");
        assert_eq!(budget.query_bytes(), 100);
        // What lies between two ranges is read with them.
        let ranges = [0..10, 90..100];
        store.get_ranges(&place, &ranges).await.expect("ranges");
        assert_eq!(budget.query_bytes(), 200);
        store.head(&place).await.expect("its size");
        assert_eq!(budget.query_bytes(), 200);
        store.get(&place).await.expect("all of it");
        assert_eq!(budget.query_bytes(), 1_200);
        let error = store.get(&place).await.expect_err("too much");
        let told = crate::object::failed("memory", &error).to_string();
        assert!(
            told.starts_with("bytes scanned limit was exceeded"),
            "{told}"
        );
    }
}
