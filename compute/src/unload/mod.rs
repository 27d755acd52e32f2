//! UNLOAD: the rows of a query into files and a manifest.
//!
//! Each partition of the plan is shaped and written by a task of its own: partition `p` makes the files of slice `p`.
//! A serial UNLOAD shapes them side by side and writes one file after the other. Nobody sees a file before all rows are
//! at the store; see [`ledger`].

use crate::error::{Error, Result};
use crate::node::Node;
use crate::object::{RequestLog, for_slice};
use crate::write::joined;
use blueshift_sql::SqlType;
use blueshift_sql::statement::copy::Authorization;
use blueshift_sql::statement::unload::{ManifestKind, UnloadFormat, UnloadOptions};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use destination::Destination;
use futures::StreamExt;
use lane::{Lane, Shared};
use ledger::Ledger;
use name::Names;
use object_store::path::Path as ObjectPath;
use serde::{Deserialize, Serialize};
use shape::{Layout, Piece, Shaper};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

mod cell;
mod destination;
mod file;
mod json;
mod lane;
mod ledger;
mod manifest;
mod name;
mod parquet;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod upload;

pub use name::{folder_of_values, folder_values};

/// Pieces that may wait for the writer of a serial UNLOAD.
const PIECES_WAITING: usize = 4;
/// Memory of all open files of a statement.
const OPEN_BYTES_MAX: usize = 512 << 20;

/// A column that is unloaded.
#[derive(Clone, Debug)]
pub struct UnloadColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: SqlType,
}

/// An UNLOAD, resolved.
#[derive(Clone)]
pub struct UnloadPlan {
    /// The columns of the query.
    pub columns: Vec<UnloadColumn>,
    /// `s3://bucket/prefix` or `file:///dir/prefix`.
    pub destination: String,
    /// How to log in there.
    pub authorization: Authorization,
    /// Everything else.
    pub options: UnloadOptions,
    /// Slices of the cluster.
    pub slice_count: u32,
    /// What it asks object stores for.
    pub requests: Arc<RequestLog>,
    /// What is different where the files are those of an external table.
    pub external: Option<ExternalTarget>,
}

/// Writing to an external table: rows are added to what is there.
#[derive(Clone, Debug, Default)]
pub struct ExternalTarget {
    /// What the names of files begin with, so that they are unlike all others.
    pub name_start: String,
    /// Folders of partitions that lie elsewhere than their values say, by the folder that the values say.
    pub folders: HashMap<String, String>,
    /// Whether Parquet is written without compression.
    pub is_uncompressed: bool,
    /// What stands around fields of CSV, and before what would be read wrongly within; the quotation mark, doubled, if
    /// `None`.
    pub marks: Option<CsvMarks>,
}

/// The quote of a kind of CSV, and what makes it, and itself, literal within quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvMarks {
    /// The quote.
    pub quote: u8,
    /// What makes it literal, if that is not the quote.
    pub escape: Option<u8>,
}

/// A file that was written: one row of STL_UNLOAD_LOG.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct UnloadedFile {
    /// Its URL.
    pub url: String,
    /// The slice whose rows it has.
    pub slice: u32,
    /// Its lines, with the header; or its rows, of Parquet.
    pub lines: u64,
    /// Its bytes, as they are at the store.
    pub bytes: u64,
    /// When it was begun, in microseconds from the start of the UNLOAD.
    pub began_us: u64,
    /// When it was ended, likewise.
    pub ended_us: u64,
}

/// Checks that options and columns fit together, that the destination may be written to, and that no file is there
/// which may not be overwritten. Lists the destination.
pub async fn check(node: &Node, plan: &UnloadPlan) -> Result<()> {
    Layout::new(plan)?;
    let policy = node.object_policy.noting(&plan.requests);
    let destination = Destination::open(&policy, plan)?;
    match plan.options.allow_overwrite || plan.options.clean_path {
        true => Ok(()),
        false => destination.ensure_free(&Names::new(&plan.options)).await,
    }
}

/// Refuses a folder with files in it: CREATE EXTERNAL TABLE AS begins with none.
pub async fn ensure_empty(node: &Node, plan: &UnloadPlan) -> Result<()> {
    let destination = Destination::open(&node.object_policy, plan)?;
    destination.ensure_empty().await
}

/// Files that can be seen and are taken back unless they are released: when what names them is committed.
pub struct HeldFiles {
    ledger: Arc<Ledger>,
}

impl HeldFiles {
    /// Lets the files stay.
    pub fn release(self) {
        self.ledger.release();
    }
}

/// Does the same as [`unload`] to the folder of an external table.
pub async fn write_external(
    node: &Arc<Node>,
    plan: &UnloadPlan,
    query: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    rows: &Arc<AtomicU64>,
) -> Result<(Vec<UnloadedFile>, HeldFiles)> {
    let (files, ledger) = run(node, plan, query, task, rows).await?;
    Ok((files, HeldFiles { ledger }))
}

/// Runs a query and writes its rows to files; `rows` counts them. On an error, or when dropped, no file is left; files
/// that were overwritten by name early on, because there were many, are gone then.
pub async fn unload(
    node: &Arc<Node>,
    plan: &UnloadPlan,
    query: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    rows: &Arc<AtomicU64>,
) -> Result<Vec<UnloadedFile>> {
    let (files, ledger) = run(node, plan, query, task, rows).await?;
    ledger.release();
    Ok(files)
}

async fn run(
    node: &Arc<Node>,
    plan: &UnloadPlan,
    query: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    rows: &Arc<AtomicU64>,
) -> Result<(Vec<UnloadedFile>, Arc<Ledger>)> {
    let layout = Arc::new(Layout::new(plan)?);
    let policy = node.object_policy.noting(&plan.requests);
    let destination = Destination::open(&policy, plan)?;
    let query = match plan.options.parallel {
        true => unmerged(query),
        false => query,
    };
    let partitions = query.output_partitioning().partition_count();
    let lanes = match plan.options.parallel {
        true => partitions.clamp(1, plan.slice_count.max(1) as usize),
        false => 1,
    };
    let ledger = Ledger::new(destination, node.resources.compute.clone());
    let memory = node.resources.buffer_bytes(OPEN_BYTES_MAX) / lanes;
    let shared = Arc::new(Shared::new(plan, layout, Arc::clone(&ledger), memory));
    let work = Work {
        node,
        shared: &shared,
        query,
        task,
        rows: Arc::clone(rows),
    };
    let written = match plan.options.parallel {
        true => work.parallel(partitions, lanes).await,
        false => work.serial(partitions).await,
    };
    let ended = match written {
        Ok(lanes) => end(plan, &shared, lanes).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(files) => Ok((files, ledger)),
        Err(error) => {
            ledger.roll_back().await;
            Err(error)
        }
    }
}

/// Takes off what merges sorted slices: files are sorted each by itself, as on Redshift.
fn unmerged(query: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match query.downcast_ref::<SortPreservingMergeExec>() {
        Some(merge) if merge.fetch().is_none() => Arc::clone(merge.input()),
        _ => query,
    }
}

struct Work<'a> {
    node: &'a Arc<Node>,
    shared: &'a Arc<Shared>,
    query: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    rows: Arc<AtomicU64>,
}

impl Work<'_> {
    fn stream(&self, partition: usize) -> Result<SendableRecordBatchStream> {
        Ok(self.query.execute(partition, Arc::clone(&self.task))?)
    }

    /// Writes each partition to the files of its slice.
    async fn parallel(&self, partitions: usize, lanes: usize) -> Result<Vec<Lane>> {
        let mut tasks = JoinSet::new();
        for (slice, first) in (0_u32..).zip(0..lanes) {
            let own = (first..partitions).step_by(lanes);
            let own = own.map(|partition| self.stream(partition));
            let mut batches = futures::stream::select_all(own.collect::<Result<Vec<_>>>()?);
            let mut shaper = Shaper::new(&self.shared.layout)?;
            let mut lane = Lane::new(self.shared, slice);
            let rows = Arc::clone(&self.rows);
            let run = async move {
                while let Some(batch) = batches.next().await {
                    let batch = batch?;
                    rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                    for piece in shaper.pieces(&batch)? {
                        lane.write(piece).await?;
                    }
                }
                Ok::<Lane, Error>(lane)
            };
            tasks.spawn_on(for_slice(slice, run), &self.node.resources.compute);
        }
        let mut written = Vec::with_capacity(lanes);
        while let Some(ended) = tasks.join_next().await {
            match joined(ended) {
                Ok(lane) => written.push(lane),
                Err(error) => {
                    tasks.shutdown().await;
                    return Err(error);
                }
            }
        }
        Ok(written)
    }

    /// Writes all partitions to one file after the other. Rows of one partition keep their order.
    async fn serial(&self, partitions: usize) -> Result<Vec<Lane>> {
        let (sender, mut pieces) = mpsc::channel::<Piece>(PIECES_WAITING);
        let mut tasks: JoinSet<Result<Option<Lane>>> = JoinSet::new();
        for partition in 0..partitions {
            let mut batches = self.stream(partition)?;
            let mut shaper = Shaper::new(&self.shared.layout)?;
            let (rows, sender) = (Arc::clone(&self.rows), sender.clone());
            let run = async move {
                while let Some(batch) = batches.next().await {
                    let batch = batch?;
                    rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                    for piece in shaper.pieces(&batch)? {
                        if sender.send(piece).await.is_err() {
                            // The writer failed, and tells why.
                            return Ok(None);
                        }
                    }
                }
                Ok(None)
            };
            tasks.spawn_on(run, &self.node.resources.compute);
        }
        drop(sender);
        let mut lane = Lane::new(self.shared, 0);
        let write = async move {
            while let Some(piece) = pieces.recv().await {
                lane.write(piece).await?;
            }
            Ok(Some(lane))
        };
        tasks.spawn_on(write, &self.node.resources.compute);
        let mut written = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            match joined(ended) {
                Ok(lane) => written.extend(lane),
                Err(error) => {
                    tasks.shutdown().await;
                    return Err(error);
                }
            }
        }
        Ok(written)
    }
}

/// Ends the files, makes them visible, and writes the manifest last.
async fn end(
    plan: &UnloadPlan,
    shared: &Arc<Shared>,
    mut lanes: Vec<Lane>,
) -> Result<Vec<UnloadedFile>> {
    let options = &plan.options;
    let is_text = matches!(options.format, UnloadFormat::Text | UnloadFormat::Csv);
    let has_one = is_text && options.partition_by.is_empty() && plan.external.is_none();
    if has_one && lanes.iter().all(Lane::is_empty) {
        // COPY finds a file then, and a header has a place.
        let mut first = Lane::new(shared, 0);
        first.begin_empty().await?;
        lanes = vec![first];
    }
    let mut tasks = JoinSet::new();
    for lane in lanes {
        tasks.spawn_on(lane.finish(), shared.ledger.compute());
    }
    let mut files = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match joined(ended) {
            Ok(ended) => files.extend(ended),
            Err(error) => {
                tasks.shutdown().await;
                return Err(error);
            }
        }
    }
    files.sort_by(|left, right| left.url.cmp(&right.url));
    let stale = stale(plan, shared, &files).await?;
    shared.ledger.commit(stale).await?;
    if options.manifest != ManifestKind::None {
        let text = manifest::text(options, &shared.layout.file_columns(), &files);
        shared.ledger.put(name::MANIFEST, text).await?;
    }
    Ok(files)
}

/// Lists what CLEANPATH deletes: everything with the prefix, or in the folders of partitions that get files.
async fn stale(
    plan: &UnloadPlan,
    shared: &Shared,
    files: &[UnloadedFile],
) -> Result<Vec<ObjectPath>> {
    let destination = &shared.ledger.destination;
    if !plan.options.clean_path {
        return Ok(Vec::new());
    }
    if plan.options.partition_by.is_empty() {
        return destination.existing("").await;
    }
    let folders = files
        .iter()
        .filter_map(|file| destination.folder_of(&file.url));
    let folders: BTreeSet<&str> = folders.collect();
    let mut stale = Vec::new();
    for folder in folders {
        stale.extend(destination.existing(folder).await?);
    }
    Ok(stale)
}
