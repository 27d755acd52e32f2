//! Decides for each file who reads it: the reader here, if all columns that are needed are flat, or else the engine's.

use super::plan::{Pruner, ScanPlan};
use super::scan::FileScan;
use crate::external::ExternalFile;
use crate::external::footer::{FileReader, counted_reader};
use arrow::array::RecordBatch;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileMetrics;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, ParquetRowSelection};
use datafusion::error::Result;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::file::metadata::PageIndexPolicy;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::StreamExt;
use futures::stream::BoxStream;
use std::fmt;
use std::sync::Arc;

/// Wraps the engine's reader.
#[derive(Clone, Debug)]
pub(super) struct FlatMorselizer {
    pub(super) inner: Arc<dyn Morselizer>,
    pub(super) scan: Arc<ScanPlan>,
    pub(super) metrics: ExecutionPlanMetricsSet,
    pub(super) slice: usize,
}

impl Morselizer for FlatMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let is_chosen = file.extension::<ParquetRowSelection>().is_some()
            || file.extension::<ParquetAccessPlan>().is_some();
        match file.extension::<ExternalFile>().cloned() {
            Some(known) if !is_chosen => Ok(Box::new(Deciding {
                reader: counted_reader(known, &self.metrics, self.slice),
                file,
                morselizer: self.clone(),
            })),
            _ => self.inner.plan_file(file),
        }
    }
}

/// A file whose footer is not known yet.
struct Deciding {
    file: PartitionedFile,
    reader: FileReader,
    morselizer: FlatMorselizer,
}

impl fmt::Debug for Deciding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Deciding").finish_non_exhaustive()
    }
}

impl MorselPlanner for Deciding {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        Ok(Some(MorselPlan::new().with_pending_planner(self.decide())))
    }
}

impl Deciding {
    async fn decide(mut self) -> Result<Box<dyn MorselPlanner>> {
        let FlatMorselizer {
            inner,
            scan,
            metrics,
            slice,
        } = self.morselizer;
        let mut metadata = self.reader.get_metadata(None).await?;
        if Pruner::wants_pages(scan.predicate.as_ref(), &metadata) {
            let options =
                ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
            metadata = self.reader.get_metadata(Some(&options)).await?;
        }
        let name = self.file.object_meta.location.to_string();
        let counts = ParquetFileMetrics::new(slice, &name, &metrics);
        let Some(begun) = scan.begin(&self.file, &metadata, &counts)? else {
            return inner.plan_file(self.file);
        };
        let scan = FileScan::new(
            begun,
            self.reader,
            BaselineMetrics::new(&metrics, slice),
            counts.pushdown_rows_pruned.clone(),
        );
        Ok(Box::new(Decided(Some(scan))))
    }
}

/// A file that is read here.
struct Decided(Option<FileScan>);

impl fmt::Debug for Decided {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Decided").finish_non_exhaustive()
    }
}

impl MorselPlanner for Decided {
    fn plan(mut self: Box<Self>) -> Result<Option<MorselPlan>> {
        let scan = self.0.take();
        Ok(scan
            .map(|scan| MorselPlan::new().with_morsels(vec![Box::new(FlatMorsel(Box::new(scan)))])))
    }
}

struct FlatMorsel(Box<FileScan>);

impl fmt::Debug for FlatMorsel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FlatMorsel").finish_non_exhaustive()
    }
}

impl Morsel for FlatMorsel {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        futures::stream::try_unfold(self.0, |mut scan| async move {
            let batch = scan.next().await?;
            Ok(batch.map(|batch| (batch, scan)))
        })
        .fuse()
        .boxed()
    }
}
