//! Names the file in errors of reading it, and counts files and rows: a wrap around the reader of one format.

use super::ExternalFile;
use super::adapt::Incompatible;
use crate::error::Error;
use arrow::array::RecordBatch;
use arrow_schema::ArrowError;
use blueshift_sql::SqlState;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::error::{DataFusionError, Result};
use datafusion::parquet::errors::ParquetError;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use datafusion_datasource::morsel::Morsel;
use datafusion_datasource::morsel::{MorselPlan, MorselPlanner, Morselizer, PendingMorselPlanner};
use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::Arc;

/// The counter of files begun.
pub(super) const FILES: &str = "external_files";
/// The counter of parts of files.
pub(super) const SPLITS: &str = "external_splits";
/// The counter of bytes read of files. The steps of a query read it too.
pub(super) const BYTES: &str = "bytes_read";

/// Says which file could not be read, and why. What has been said already, and what is no fault of the file, stays.
pub(super) fn name(error: DataFusionError, url: &str) -> DataFusionError {
    let reason = match &error {
        DataFusionError::External(inner) => match inner.downcast_ref::<Incompatible>() {
            Some(incompatible) => return incompatible.in_file(url).into(),
            None => return error,
        },
        DataFusionError::Context(_, inner) if is_ours(inner) => return error,
        DataFusionError::ParquetError(inner) => match said(inner) {
            Some(_) => return error,
            None => inner.to_string(),
        },
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::ExternalError(_) => return error,
            other => other.to_string(),
        },
        DataFusionError::ObjectStore(inner) => {
            return DataFusionError::from(crate::object::failed(url, inner));
        }
        DataFusionError::Execution(reason) => reason.clone(),
        _ => return error,
    };
    let reason: String = reason
        .replace("Parquet error: ", "")
        .chars()
        .filter(|each| !each.is_control())
        .take(500)
        .collect();
    let told = blueshift_sql::Error::new(
        SqlState::BAD_COPY_FILE_FORMAT,
        format!("could not read \"{url}\": {reason}"),
    )
    .with_hint("Check that the file is whole and that its columns fit those of the table.");
    Error::Sql(told).into()
}

fn is_ours(error: &DataFusionError) -> bool {
    matches!(error, DataFusionError::External(inner) if !inner.is::<Incompatible>())
}

/// Finds an error of ours that went through the reader of Parquet.
fn said(error: &ParquetError) -> Option<&Error> {
    match error {
        ParquetError::External(inner) => inner.downcast_ref::<Error>(),
        _ => None,
    }
}

/// Takes an error of ours out of one of Parquet.
pub(super) fn unwrapped(error: DataFusionError) -> DataFusionError {
    match error {
        DataFusionError::ParquetError(inner) if said(&inner).is_some() => match *inner {
            ParquetError::External(inner) => match inner.downcast::<Error>() {
                Ok(ours) => (*ours).into(),
                Err(other) => DataFusionError::External(other),
            },
            other => other.into(),
        },
        other => other,
    }
}

/// Counts what a slice reads.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    files: Count,
    splits: Count,
}

impl Counters {
    /// Makes the counters of a slice.
    pub(super) fn new(metrics: &ExecutionPlanMetricsSet, slice: usize) -> Self {
        Self {
            files: MetricBuilder::new(metrics).counter(FILES, slice),
            splits: MetricBuilder::new(metrics).counter(SPLITS, slice),
        }
    }

    /// Counts a file, or a part of one.
    pub(super) fn begin(&self, file: &PartitionedFile) {
        self.splits.add(1);
        if file.range.as_ref().is_none_or(|range| range.start == 0) {
            self.files.add(1);
        }
    }
}

/// Gives the URL of a file of a scan.
pub(super) fn url_of(file: &PartitionedFile) -> Arc<str> {
    match file.extension::<ExternalFile>() {
        Some(known) => Arc::clone(&known.url),
        None => file.object_meta.location.as_ref().into(),
    }
}

/// Wraps what makes plans of files.
#[derive(Debug)]
pub(super) struct NamedMorselizer {
    pub(super) inner: Box<dyn Morselizer>,
    pub(super) counters: Counters,
}

impl Morselizer for NamedMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let url = url_of(&file);
        self.counters.begin(&file);
        let inner = self.inner.plan_file(file);
        let inner = inner.map_err(|error| named(error, &url))?;
        Ok(Box::new(NamedPlanner { inner, url }))
    }
}

fn named(error: DataFusionError, url: &str) -> DataFusionError {
    name(unwrapped(error), url)
}

#[derive(Debug)]
struct NamedPlanner {
    inner: Box<dyn MorselPlanner>,
    url: Arc<str>,
}

impl NamedPlanner {
    fn boxed(inner: Box<dyn MorselPlanner>, url: &Arc<str>) -> Box<dyn MorselPlanner> {
        Box::new(Self {
            inner,
            url: Arc::clone(url),
        })
    }
}

impl MorselPlanner for NamedPlanner {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let url = self.url;
        let planned = self.inner.plan().map_err(|error| named(error, &url))?;
        let Some(mut plan) = planned else {
            return Ok(None);
        };
        let morsels = plan.take_morsels().into_iter();
        let morsels = morsels.map(|inner| {
            let url = Arc::clone(&url);
            Box::new(NamedMorsel { inner, url }) as Box<dyn Morsel>
        });
        let planners = plan.take_ready_planners().into_iter();
        let planners = planners.map(|inner| Self::boxed(inner, &url));
        let mut wrapped = MorselPlan::new()
            .with_morsels(morsels.collect())
            .with_planners(planners.collect());
        if let Some(pending) = plan.take_pending_planner() {
            wrapped.set_pending_planner(Self::pending(pending, url));
        }
        Ok(Some(wrapped))
    }
}

impl NamedPlanner {
    async fn pending(
        pending: PendingMorselPlanner,
        url: Arc<str>,
    ) -> Result<Box<dyn MorselPlanner>> {
        match pending.into_future().await {
            Ok(inner) => Ok(Self::boxed(inner, &url)),
            Err(error) => Err(named(error, &url)),
        }
    }
}

#[derive(Debug)]
struct NamedMorsel {
    inner: Box<dyn Morsel>,
    url: Arc<str>,
}

impl Morsel for NamedMorsel {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let url = self.url;
        let batches = self.inner.into_stream();
        batches
            .map(move |batch| batch.map_err(|error| named(error, &url)))
            .boxed()
    }
}
