//! Memory grants, spill, CPU and I/O runtimes, and the engine's settings that slices rely on.

pub mod memory;
pub mod spill;

use crate::error::{Error, Result};
use blueshift_storage::store::Store;
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;
use memory::{NodeMemory, QueryPool};
use spill::{NodeSpill, QuerySpill};
use std::sync::Arc;
use tokio::runtime::{Handle, Runtime};

/// Rows of a batch: one zone of a row group.
pub const BATCH_ROWS: usize = blueshift_storage::table::scan::ZONE_ROWS;

/// The share of physical memory the process may use if nothing else is said, in percent.
const MEMORY_PERCENT: usize = 80;

/// What it may use if the machine does not tell its memory.
const MEMORY_BYTES_UNKNOWN: usize = 2 << 30;

/// What is neither reserved by queries nor in the block cache, as one part of so many of all memory: code and stacks,
/// batches on their way, the history, buffers of files.
const HEADROOM_SHARE: usize = 8;

/// That is at least so much, if there is twice as much.
const HEADROOM_BYTES_LEAST: usize = 64 << 20;

/// Bytes that a slice's rows in order are read ahead of those who merge the slices.
const SORTED_AHEAD_BYTES: usize = 4 << 20;

/// What a sort keeps for merging what it has spilled: the engine's, where there is memory for it on every slice.
const SORT_KEPT_BYTES: usize = 10 << 20;

/// It is at most this part of what a slice has.
const SORT_KEPT_SHARE: usize = 16;

/// The stack of a compute thread: deep plans recurse while they are built and executed.
const THREAD_STACK_BYTES: usize = 8 << 20;

/// What the spill files of a node take if nothing else is said.
const SPILL_BYTES: u64 = 100 << 30;

/// What a node may use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Memory of the whole process; 80 % of the machine's if `None`.
    pub memory_bytes: Option<usize>,
    /// Of that, memory that all queries may use; what is left beside the block cache if `None`.
    pub queries_bytes: Option<usize>,
    /// Spill files of all queries; 100 GB if `None`.
    pub spill_bytes: Option<u64>,
    /// Spill files of one query; as much as all if `None`.
    pub query_spill_bytes: Option<u64>,
}

/// The runtimes and limits of a node.
pub struct Resources {
    /// Runs plans; one thread per core. File reads happen here too for now, the socket's runtime never blocks.
    pub compute: Handle,
    /// Runs the plans of short statements, which must not wait until long ones give way. It has as many threads, and the
    /// system shares the cores between them.
    pub express: Handle,
    /// Runs sessions: planning, rows on their way to clients, cancels. None of it waits for a plan to give way. It has as
    /// many threads too.
    pub sessions: Handle,
    /// Threads that loads and writes may use at once.
    pub threads: usize,
    /// What queries share with the block cache.
    pub memory: Arc<NodeMemory>,
    /// Their spill files.
    pub spill: Arc<NodeSpill>,
    /// What the engine runs in without a query's own limits: every query has its own, see [`Resources::query`].
    pub runtime_env: Arc<RuntimeEnv>,
    query_spill_bytes: u64,
    /// Own the threads behind `compute`, `express` and `sessions`; gone after shutdown.
    runtimes: Option<[Runtime; 3]>,
}

/// What a query may use, and uses.
#[derive(Debug)]
pub struct QueryResources {
    /// Its memory.
    pub memory: Arc<QueryPool>,
    /// Its spill files.
    pub spill: QuerySpill,
    /// What the engine runs its plans in.
    pub runtime_env: Arc<RuntimeEnv>,
    /// The threads of long plans.
    pub compute: Handle,
    /// The threads of short ones.
    pub express: Handle,
}

/// What queries use now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceFigures {
    /// Memory that queries have reserved.
    pub reserved: usize,
    /// What they may reserve.
    pub limit: usize,
    /// Bytes in spill files.
    pub spill: u64,
    /// Bytes written to spill files since the start.
    pub spilled: u64,
}

impl Resources {
    /// Starts the runtimes with `threads` threads each, and shares out what `limits` say; spill files go to the directory
    /// of the store.
    pub fn start(threads: usize, limits: Limits, store: &Store) -> Result<Self> {
        let threads = threads.max(1);
        let runtimes = [
            runtime("compute", threads)?,
            runtime("express", threads)?,
            runtime("session", threads)?,
        ];
        let handles = runtimes.each_ref().map(|runtime| runtime.handle().clone());
        let [compute, express, sessions] = handles;
        let memory = Arc::new(share(limits, store));
        let spill_bytes = limits.spill_bytes.unwrap_or(SPILL_BYTES);
        let query_spill_bytes = limits.query_spill_bytes.unwrap_or(spill_bytes);
        let directory = store.spill_dir().to_path_buf();
        let files = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![directory.clone()]))
            // The quotas are ours.
            .with_max_temp_directory_size(u64::MAX);
        let files = Arc::new(files.build()?);
        let spill = Arc::new(NodeSpill::new(files, directory, spill_bytes));
        let everything = QueryPool::new(Arc::clone(&memory), memory.queries_max());
        let files = QuerySpill::new(Arc::clone(&spill), query_spill_bytes);
        let runtime_env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(everything))
            .with_disk_manager_builder(of_query(files))
            .build_arc()?;
        Ok(Self {
            compute,
            express,
            sessions,
            threads,
            memory,
            spill,
            runtime_env,
            query_spill_bytes,
            runtimes: Some(runtimes),
        })
    }

    /// Makes what a query runs in: a pool of `bytes` of memory, all that queries may use if `None`, and a quota of
    /// spill files.
    pub fn query(&self, bytes: Option<usize>) -> Result<QueryResources> {
        let bytes = bytes.unwrap_or(self.memory.queries_max());
        let memory = Arc::new(QueryPool::new(Arc::clone(&self.memory), bytes));
        let spill = QuerySpill::new(Arc::clone(&self.spill), self.query_spill_bytes);
        let runtime_env = RuntimeEnv {
            memory_pool: Arc::clone(&memory) as _,
            disk_manager: Arc::new(of_query(spill.clone()).build()?),
            ..RuntimeEnv::clone(&self.runtime_env)
        };
        Ok(QueryResources {
            memory,
            spill,
            runtime_env: Arc::new(runtime_env),
            compute: self.compute.clone(),
            express: self.express.clone(),
        })
    }

    /// Gives what queries use now.
    pub fn figures(&self) -> ResourceFigures {
        ResourceFigures {
            reserved: self.memory.reserved(),
            limit: self.memory.queries_max(),
            spill: self.spill.used(),
            spilled: self.spill.written(),
        }
    }

    /// Gives what one statement may hold of `most` in buffers of its own: a quarter of what queries may use at most.
    pub(crate) fn buffer_bytes(&self, most: usize) -> usize {
        most.min(self.memory.queries_max() / 4)
    }
}

fn runtime(name: &str, threads: usize) -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .thread_stack_size(THREAD_STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(format!("could not start {name} threads: {error}")))
}

fn of_query(files: QuerySpill) -> DiskManagerBuilder {
    DiskManagerBuilder::default().with_temp_file_factory(Arc::new(files))
}

/// Shares a node's memory between queries and the block cache of its store.
fn share(limits: Limits, store: &Store) -> NodeMemory {
    let all = limits.memory_bytes.unwrap_or_else(default_memory_bytes);
    let headroom = (all / HEADROOM_SHARE).max(HEADROOM_BYTES_LEAST.min(all / 2));
    let blocks = store.row_groups();
    let cache = usize::try_from(blocks.cache_figures().bytes_max).unwrap_or(usize::MAX);
    // The engine's environment outlives the node in places; it must not keep the directory open.
    let set_cache = blocks.cache_setter();
    NodeMemory::new(
        all - headroom,
        limits.queries_bytes,
        cache,
        Box::new(set_cache),
    )
}

impl Drop for Resources {
    /// Stops the threads without waiting for them, so that it may happen inside async code; tasks end at their
    /// next await.
    fn drop(&mut self) {
        for runtime in self.runtimes.take().into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// Gives the memory a process may use by default: 80 % of the machine's.
pub fn default_memory_bytes() -> usize {
    physical_memory_bytes().map_or(MEMORY_BYTES_UNKNOWN, |bytes| bytes / 100 * MEMORY_PERCENT)
}

/// Asks the system for the size of physical memory.
#[expect(unsafe_code, reason = "sysconf is only offered as a C function")]
pub fn physical_memory_bytes() -> Option<usize> {
    // SAFETY: sysconf takes a constant and touches no memory of ours.
    let (pages, page_bytes) = unsafe {
        (
            libc::sysconf(libc::_SC_PHYS_PAGES),
            libc::sysconf(libc::_SC_PAGESIZE),
        )
    };
    usize::try_from(pages)
        .ok()?
        .checked_mul(usize::try_from(page_bytes).ok()?)
}

/// Gives this thread a lower priority; where the system refuses, it goes on as it is.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "setpriority is only offered as a C function")]
pub(crate) fn step_back(niceness: i32) {
    // SAFETY: setpriority takes numbers and touches no memory of ours; 0 is the calling thread.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, niceness);
    }
}

/// Elsewhere a priority is the whole process's.
#[cfg(not(target_os = "linux"))]
pub(crate) fn step_back(_niceness: i32) {}

/// Gives the engine's settings under which stored tables keep their promises: partition `p` is slice `p`.
///
/// `memory_bytes` is what a query has: a sort keeps a part of it on every slice.
pub fn session_config(slice_count: u32, memory_bytes: usize) -> SessionConfig {
    let slices = slice_count.max(1) as usize;
    let mut config = SessionConfig::new()
        .with_batch_size(BATCH_ROWS)
        // One partition per slice, so that a scan that lies right is never repartitioned to reach the target.
        .with_target_partitions(slices)
        .with_collect_statistics(false);
    let options = config.options_mut();
    // A scan that merges its runs has a task of its own, a few batches ahead.
    let kept = memory_bytes / slices / SORT_KEPT_SHARE;
    options.execution.sort_spill_reservation_bytes = kept.min(SORT_KEPT_BYTES);
    options.execution.sort_pushdown_buffer_capacity = SORTED_AHEAD_BYTES;
    // A spill file of an exchange is ended after one batch, as in `spill/passed.rs`.
    if let Ok(bytes) = ConfigNonZeroUsize::try_new(1) {
        options.execution.max_spill_file_size_bytes = bytes;
    }
    // GROUP BY a, b over rows placed by a needs no shuffle at any number of slices.
    options.optimizer.subset_repartition_threshold = 1;
    // Anything above zero would turn join filters off for co-located joins.
    options.optimizer.preserve_file_partitions = 0;
    // A union that interleaves refuses parts that a later rule changes: q49 of TPC-DS was an internal error.
    options.optimizer.prefer_existing_union = true;
    options.optimizer.prefer_hash_join = true;
    options.optimizer.repartition_file_scans = true;
    options.optimizer.enable_dynamic_filter_pushdown = true;
    options.optimizer.enable_join_dynamic_filter_pushdown = true;
    options.optimizer.enable_topk_dynamic_filter_pushdown = true;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = true;
    config
}
