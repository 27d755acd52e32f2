//! What queries read of external tables: SVL_S3QUERY, SVL_S3PARTITION, SVL_FEDERATED_QUERY, SYS_EXTERNAL_QUERY_DETAIL.

use blueshift_compute::external::postgres::RemoteScanExec;
use blueshift_compute::external::{self, ExternalWork};
use blueshift_compute::profile::{Step, StepKind};
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A scan of an external table by a query that ended.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct ExternalQuery {
    /// The segment of the query.
    pub segment: u32,
    /// The step within the segment.
    pub step: u32,
    /// The table with its schema.
    pub table: String,
    /// `PARQUET` or `TEXT`.
    pub format: String,
    /// The table's location.
    pub location: String,
    /// Whether it has partition columns.
    pub is_partitioned: bool,
    /// Partitions there are.
    pub partitions: usize,
    /// Partitions whose files were read.
    pub partitions_qualified: usize,
    /// Microseconds that choosing them took.
    pub partition_us: u64,
    /// Files to read.
    pub files: usize,
    /// Their sizes together.
    pub file_bytes: u64,
    /// The size of the largest.
    pub file_bytes_max: u64,
    /// Microseconds that listing took.
    pub list_us: u64,
    /// What each slice did.
    pub slices: BTreeMap<usize, ExternalWork>,
}

impl ExternalQuery {
    /// Adds up a figure over all slices.
    pub fn sum(&self, figure: impl Fn(&ExternalWork) -> u64) -> u64 {
        self.slices.values().map(figure).sum()
    }

    /// Gives the greatest figure of a slice.
    pub fn most(&self, figure: impl Fn(&ExternalWork) -> u64) -> u64 {
        self.slices.values().map(figure).max().unwrap_or(0)
    }

    /// Tells when the first slice began, in microseconds since 1970.
    pub fn started_us(&self) -> i64 {
        let all = self.slices.values().map(|work| work.started_us);
        all.min().unwrap_or(0)
    }

    /// Tells when the last slice ended.
    pub fn ended_us(&self) -> i64 {
        let all = self.slices.values().map(|work| work.ended_us);
        all.max().unwrap_or(0).max(self.started_us())
    }

    /// Gives the name of a truth in these tables.
    pub fn partitioned_word(&self) -> &'static str {
        if self.is_partitioned { "t" } else { "f" }
    }
}

/// A query that was sent to a live database by one that ended.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct RemoteQuery {
    /// The segment of the query.
    pub segment: u32,
    /// The table with its schema here.
    pub table: String,
    /// The server and the database.
    pub place: String,
    /// What was sent.
    pub sql: String,
    /// Rows that came.
    pub rows: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// When it was sent, in microseconds since 1970.
    pub started_us: i64,
    /// When the last row had come.
    pub ended_us: i64,
}

/// Notes what an executed plan asked of live databases.
pub fn noted_remote(plan: &Arc<dyn ExecutionPlan>, steps: &[Step], found: &mut Vec<RemoteQuery>) {
    let scan = plan.downcast_ref::<RemoteScanExec>();
    if let Some((scan, work)) = scan.and_then(|scan| Some((scan, scan.work()?))) {
        let scans = steps
            .iter()
            .filter(|step| step.kind == StepKind::Scan && step.table.is_none());
        found.push(RemoteQuery {
            segment: scans.map(|step| step.segment).nth(found.len()).unwrap_or(0),
            table: scan.table().to_owned(),
            place: scan.place(),
            sql: scan.sql().to_owned(),
            rows: work.rows,
            bytes: work.bytes,
            started_us: work.started_us,
            ended_us: work.ended_us,
        });
    }
    for child in plan.children() {
        noted_remote(child, steps, found);
    }
}

/// Notes what the external scans of an executed plan did. Scans that did not run are left out.
pub fn noted(plan: &Arc<dyn ExecutionPlan>, steps: &[Step], found: &mut Vec<ExternalQuery>) {
    if let Some(scan) = external::scan_of(plan.as_ref()) {
        let slices = external::work_of(plan.as_ref());
        if slices.is_empty() {
            return;
        }
        // The steps of scans of no stored table, in the order of the plan.
        let scans = steps
            .iter()
            .filter(|step| step.kind == StepKind::Scan && step.table.is_none());
        let (segment, step) = scans
            .map(|step| (step.segment, step.step))
            .find(|place| {
                !found
                    .iter()
                    .any(|known| (known.segment, known.step) == *place)
            })
            .unwrap_or((0, 0));
        found.push(ExternalQuery {
            segment,
            step,
            table: scan.table.clone(),
            format: scan.format.to_owned(),
            location: scan.location.clone(),
            is_partitioned: scan.is_partitioned,
            partitions: scan.partitions,
            partitions_qualified: scan.partitions_qualified,
            partition_us: scan.partition_us,
            files: scan.files,
            file_bytes: scan.file_bytes,
            file_bytes_max: scan.file_bytes_max,
            list_us: scan.list_us,
            slices,
        });
    }
    for child in plan.children() {
        noted(child, steps, found);
    }
}
