//! Memory grants, spill, CPU and I/O runtimes, and the engine's settings that slices rely on.

use crate::error::{Error, Result};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::{Handle, Runtime};

/// Rows of a batch: one zone of a row group.
pub const BATCH_ROWS: usize = blueshift_storage::table::scan::ZONE_ROWS;

/// The share of physical memory queries may use if nothing else is said, in percent.
const MEMORY_PERCENT: usize = 70;

/// What queries may use if the machine does not tell its memory.
const MEMORY_BYTES_UNKNOWN: usize = 2 << 30;

/// Consumers named in an out-of-memory error.
const CONSUMERS_REPORTED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);

/// Bytes that a slice's rows in order are read ahead of those who merge the slices.
const SORTED_AHEAD_BYTES: usize = 4 << 20;

/// The stack of a compute thread: deep plans recurse while they are built and executed.
const THREAD_STACK_BYTES: usize = 8 << 20;

/// The runtimes and limits of a node.
pub struct Resources {
    /// Runs plans; one thread per core. File reads happen here too for now, the socket's runtime never blocks.
    pub compute: Handle,
    /// Threads that loads and writes may use at once.
    pub threads: usize,
    /// Memory pool and spill files of the engine.
    pub runtime_env: Arc<RuntimeEnv>,
    /// Owns the threads behind `compute`; gone after shutdown.
    runtime: Option<Runtime>,
}

impl Resources {
    /// Starts the compute runtime with `threads` threads, a pool of `memory_bytes`, and spill files in `spill_dir`.
    pub fn start(threads: usize, memory_bytes: usize, spill_dir: &Path) -> Result<Self> {
        let threads = threads.max(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("compute")
            .thread_stack_size(THREAD_STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|error| {
                Error::Internal(format!("could not start compute threads: {error}"))
            })?;
        let pool = TrackConsumersPool::new(FairSpillPool::new(memory_bytes), CONSUMERS_REPORTED);
        let spill = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![spill_dir.to_path_buf()]));
        let runtime_env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(spill)
            .build_arc()?;
        Ok(Self {
            compute: runtime.handle().clone(),
            threads,
            runtime_env,
            runtime: Some(runtime),
        })
    }
}

impl Drop for Resources {
    /// Stops the threads without waiting for them, so that it may happen inside async code; tasks end at their
    /// next await.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Gives the memory queries may use by default: 70 % of the machine's.
pub fn default_memory_bytes() -> usize {
    physical_memory_bytes().map_or(MEMORY_BYTES_UNKNOWN, |bytes| bytes / 100 * MEMORY_PERCENT)
}

/// Asks the system for the size of physical memory.
#[expect(unsafe_code, reason = "sysconf is only offered as a C function")]
fn physical_memory_bytes() -> Option<usize> {
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
pub fn session_config(slice_count: u32) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_batch_size(BATCH_ROWS)
        // One partition per slice, so that a scan that lies right is never repartitioned to reach the target.
        .with_target_partitions(slice_count.max(1) as usize)
        .with_collect_statistics(false);
    let options = config.options_mut();
    // A scan that merges its runs has a task of its own, a few batches ahead.
    options.execution.sort_pushdown_buffer_capacity = SORTED_AHEAD_BYTES;
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
